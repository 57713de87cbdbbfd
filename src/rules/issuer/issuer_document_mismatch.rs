//! The discovery document names another issuer than the one it was asked for.

use crate::apiserver::message;
use crate::report::{probed, seen, Citation, Confidence, Finding, Severity, Step};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Place, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-document-mismatch",
    severity: Severity::Error,
    title: "The discovery document names another issuer",
    page: Page {
        means: "The issuer inside the discovery document must equal the configured one byte by byte. A slash at the end, http for https, or an internal host name is enough, and the API server never initialises.",
        evidence: "The server's log (issuer did not match ... expected ... got ...), or the configured issuer beside the document that kaccess read.",
        fix: "Configure the API server with exactly the issuer of the document; or correct the provider's idea of its own address (Keycloak: hostname). `curl -s ISSUER/.well-known/openid-configuration` shows its issuer; `--oidc-issuer-url=ISSUER` is the flag.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation",
    },
    recognises: &[&message::OIDC_ISSUER_DIFFERS],
    explains: &["credential-rejected", "oidc-not-initialized", "token-issuer-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::OIDC_ISSUER_DIFFERS);
    let target = probes.target.seen();
    let document = probes.discovery.seen().filter(|discovery| discovery.answer.status == 200).and_then(|discovery| discovery.issuer.as_deref());
    let differs = target.zip(document).filter(|(target, document)| target.url != *document);
    let (confidence, first, expected, got) = match (&said, &differs) {
        (Some(word), _) => (word.sure(), word.cite(), word.field("expected").to_owned(), word.field("got").to_owned()),
        (None, Some((target, document))) => {
            // The configured issuer and the document are both before us: that decides it.
            let configured = case.configuration.as_ref().is_some_and(|(configuration, _)| configuration.jwt.iter().any(|jwt| jwt.issuer.url == target.url));
            let Some((confidence, cite)) = case.issuer_fault() else { return Vec::new() };
            // A bare 401: nobody has said yet that the API server is set to what this token says.
            if !configured && case.not_initialized().is_none() {
                // An issuer that only --issuer names is not what the token says.
                if case.claim_text("iss") != Some(target.url.as_str()) {
                    return Vec::new();
                }
                return vec![either(case, &target.url, document, cite)];
            }
            let confidence = if configured { Confidence::Certain } else { confidence };
            (confidence, cite, target.url.clone(), (*document).to_owned())
        }
        _ => return Vec::new(),
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The API server is to trust {expected:?}, but the document at that address says it is {got:?}. The two are compared byte by byte, so the API server never initialises this issuer."),
            first,
            setting::set(case, "Configure the issuer as the document says it", Setting::Issuer(&expected, &got)),
        )
        .step(Step::text("Or, if the document is wrong, correct the provider's own address (Keycloak: --hostname, and the proxy's X-Forwarded headers)."));
    if document.is_some() {
        finding = finding.cite(probed(format!("{at}/discovery/seen/issuer"), format!("the document says issuer {:?}", document.unwrap_or_default())));
    }
    vec![finding]
}

/// The token and the document write the issuer in two ways, and which of them the API server is set to is not known.
fn either(case: &Case<'_>, token: &str, document: &str, cite: Citation) -> Finding {
    let (_, at) = case.issuer();
    // An authenticator that is not up refuses each token of its issuer in words of its own.
    let silent = case.said(&message::NOBODY_CLAIMED).filter(|word| word.place == Place::Log && !word.past);
    let hint = if silent.is_some() {
        " The API server's log has refusals without any reason, as in the first case; in the second it would say \"authenticator not initialized\"."
    } else {
        ""
    };
    RULE.finding(
        Confidence::Possible,
        format!("The token says iss {token:?}, and the document at that address says it is {document:?}; the API server compares byte by byte. Either it is set to {document:?} and takes no token that says otherwise, or it is set to {token:?} and never initialises this issuer.{hint}"),
        cite,
        Step::command(
            "See which issuer the API server is set to: let somebody with admin rights have the reason and the settings read out",
            "kaccess doctor --reviewer-context ADMIN_CONTEXT",
        ),
    )
    .titled("The token and the discovery document write the issuer in two ways")
    .step(Step::text(format!("Where it is set to {document:?}, leave it: have the identity provider write that into its tokens too (Keycloak: --hostname, and the proxy's X-Forwarded headers), and log in again.")))
    .step(Step::text(format!("Where it is set to {token:?}, have the provider's document say {token:?} (Keycloak: --hostname, and the proxy's X-Forwarded headers).")))
    .step(setting::set(case, &format!("Or have the tokens say {document:?} too, and set the API server to the document's spelling"), Setting::Issuer(token, document)))
    .cite(seen("/credential/seen/token/claims/iss", format!("iss: {token}")))
    .cite(probed(format!("{at}/discovery/seen/issuer"), format!("the document says issuer {document:?}")))
    .cite_if(silent.map(Word::cite))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Observation, Outcome};

    #[test]
    fn a_bare_refusal_does_not_say_which_spelling_the_api_server_is_set_to() {
        let text = include_str!("../../../testdata/cases/token-audience-mismatch/evidence.json");
        let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
        // Synthetic: a real token and document of one issuer, and the token's iss with a slash more, as met on another server.
        let slashed = serde_json::json!("https://localhost:42333/realms/platform/");
        evidence["credential"]["seen"]["token"]["claims"]["iss"] = slashed.clone();
        evidence["issuer"]["target"]["seen"]["url"] = slashed;
        let mut evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        evidence.control_plane.token_review = Observation::default();
        evidence.control_plane.flagz = Observation::default();
        evidence.control_plane.metrics = Observation::default();
        let found = check(&Case::new(&evidence)).pop().expect("the finding");
        assert_eq!(found.confidence, Confidence::Possible);
        assert!(found.why.contains("Either it is set to \"https://localhost:42333/realms/platform\" and takes no token"), "{}", found.why);
        assert!(found.fix[0].manifest.is_none(), "{:?}", found.fix[0]);
        // The document's spelling alone would refuse every token that says otherwise.
        let to_token = "have the provider's document say \"https://localhost:42333/realms/platform/\"";
        assert!(found.fix[2].text.contains(to_token), "{:?}", found.fix[2]);
        assert!(found.fix[3].text.starts_with("Or have the tokens say \"https://localhost:42333/realms/platform\" too"), "{:?}", found.fix[3]);
        // The issuer is what --issuer says, and the token says what the document does.
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let claims = credential.token.as_mut().and_then(|token| token.claims.as_mut()).expect("claims");
        claims["iss"] = serde_json::json!("https://localhost:42333/realms/platform");
        assert!(check(&Case::new(&evidence)).is_empty());
    }
}
