//! The token's issuer is not the one the API server is configured for.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};
use crate::text::distance;

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-issuer-mismatch",
    severity: Severity::Error,
    title: "The token's issuer is not the one the API server is configured for",
    page: Page {
        means: "The API server compares iss with its configured issuer byte by byte; a slash at the end, http for https, /auth or another host name make another issuer. \
            It then says nothing about it: its log has only \"invalid bearer token\".",
        evidence: "The iss claim beside the issuer in the server's flags (/flagz, or the file you gave).",
        fix: "Where they differ by little, make both the same: correct --oidc-issuer-url, or the identity provider's own idea of its address (Keycloak: hostname). `curl -s ISSUER/.well-known/openid-configuration` shows what the provider calls itself. Where they are two issuers, take a token from the configured one, or add an entry under jwt: in the AuthenticationConfiguration: to set another issuer in the place of the configured one locks out everybody who has its tokens.",
        references: "https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation",
    },
    recognises: &[&heard::OTHER_ISSUER, &message::NOBODY_CLAIMED, &heard::NOBODY],
    explains: &["credential-rejected", "token-audience-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let Some(issuer) = case.claim_text("iss") else { return Vec::new() };
    if case.is_service_account() {
        return Vec::new();
    }
    let Some((configuration, path)) = &case.configuration else { return Vec::new() };
    let configured: Vec<&str> = configuration.jwt.iter().map(|jwt| jwt.issuer.url.as_str()).collect();
    if configured.is_empty() || configuration.authenticator_of(issuer).is_some() || configuration.service_account_issuers.iter().any(|known| known == issuer) {
        return Vec::new();
    }
    // A foreign claim may be of any length, and the distance costs the product of both.
    let start = |url: &str| url.chars().take(300).collect::<String>();
    let wanted = start(issuer);
    let nearest =
        configured.iter().copied().min_by_key(|candidate| distance(&start(candidate), &wanted)).unwrap_or_default();
    let alike = how_they_differ(nearest, issuer).is_some();
    let (how, several) = (in_words(nearest, issuer), configured.len() > 1);
    let (those, cited) = match (several, alike) {
        (false, _) => (format!("{nearest:?}: {how}"), format!("configured issuer: {nearest}")),
        (true, true) => (
            format!("{} issuers, of which {nearest:?} is the nearest: {how}", configured.len()),
            format!("nearest configured issuer: {nearest}"),
        ),
        (true, false) => {
            let all = listed(&configured);
            (
                format!("{} issuers, and this is none of them: {all}", configured.len()),
                format!("configured issuers: {all}"),
            )
        }
    };
    let mut steps = steps(case, nearest, issuer, several);
    let first = steps.remove(0);
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The token says iss {issuer:?}; the API server is configured for {those}. It compares byte by byte, so no authenticator takes the token."),
            seen("/credential/seen/token/claims/iss", format!("iss: {issuer}")),
            first,
        )
        .steps(steps)
        .cite(seen((*path).to_owned(), cited));
    if let Some(document) = disowned(case, issuer) {
        finding = finding
            .cite(probed("/issuer/discovery/seen/issuer", format!("the document there says issuer {document:?}")));
    }
    vec![finding.cite_if(case.rejected())]
}

/// What is to be done, the harmless first: another issuer in the place of the configured one locks out everybody who has
/// its tokens.
fn steps(case: &Case<'_>, nearest: &str, issuer: &str, several: bool) -> Vec<Step> {
    let from_configured =
        "where the token is from the wrong identity provider or realm, take one from the configured issuer.";
    let setting = Setting::Issuer(nearest, issuer);
    if let Some(document) = disowned(case, issuer) {
        let text = format!(
            "Have tokens made that say {document:?}, as the discovery document there does, by correcting the provider's own address (Keycloak: hostname); then log in again. The API server takes no issuer whose document names another one."
        );
        return vec![Step::text(text), Step::text(format!("Or, {from_configured}"))];
    }
    if how_they_differ(nearest, issuer).is_some() {
        let text = if several {
            format!("In the entry of {nearest:?}, set the issuer to what the tokens say")
        } else {
            "Set the API server's issuer to what the tokens say".to_owned()
        };
        return vec![setting::set(case, &text, setting), Step::text(format!("Or, {from_configured}"))];
    }
    let take = if several {
        "Take a token from one of the configured issuers, where this one is from the wrong identity provider or realm."
    } else {
        "Take a token from the configured issuer, where this one is from the wrong identity provider or realm."
    };
    let trust = setting::one_more_issuer(case, issuer).unwrap_or_else(|| {
        let text = format!(
            "Or set the API server's issuer to what the tokens say; from then on it refuses every token of {nearest:?}"
        );
        setting::set(case, &text, setting)
    });
    vec![Step::text(take), trust]
}

/// What the discovery document at the token's issuer says, where it names another one.
fn disowned<'e>(case: &Case<'e>, issuer: &str) -> Option<&'e str> {
    let probes = &case.evidence.issuer;
    let discovery = probes.discovery.seen().filter(|discovery| discovery.answer.status == 200)?;
    let asked = probes.target.seen().is_some_and(|target| target.url == issuer);
    discovery.issuer.as_deref().filter(|document| asked && *document != issuer)
}

/// The first of several issuers.
fn listed(issuers: &[&str]) -> String {
    let shown = issuers.iter().take(5).map(|url| format!("{url:?}")).collect::<Vec<_>>().join(", ");
    if issuers.len() > 5 { format!("{shown} and {} more", issuers.len() - 5) } else { shown }
}

/// By what little two issuers differ, if it is little.
pub fn how_they_differ(configured: &str, token: &str) -> Option<&'static str> {
    let same = |change: &dyn Fn(&str) -> String| change(configured) == change(token);
    if same(&|url: &str| url.trim_end_matches('/').to_owned()) {
        Some("a slash at the end")
    } else if same(&|url: &str| url.replacen("https://", "http://", 1)) {
        Some("the scheme")
    } else if same(&str::to_ascii_lowercase) {
        Some("upper and lower case")
    } else if same(&|url: &str| url.replacen("/auth/realms/", "/realms/", 1)) {
        Some("Keycloak's old /auth path")
    } else {
        None
    }
}

/// The same as a sentence's end.
fn in_words(configured: &str, token: &str) -> String {
    how_they_differ(configured, token)
        .map_or_else(|| "they are different issuers".to_owned(), |how| format!("they differ by {how}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::{Evidence, Outcome};

    #[test]
    fn near_misses_are_named() {
        assert_eq!(in_words("https://k/realms/a/", "https://k/realms/a"), "they differ by a slash at the end");
        assert_eq!(in_words("http://k/realms/a", "https://k/realms/a"), "they differ by the scheme");
        assert_eq!(in_words("https://k/auth/realms/a", "https://k/realms/a"), "they differ by Keycloak's old /auth path");
        assert_eq!(in_words("https://k/realms/a", "https://k/realms/b"), "they are different issuers");
    }

    /// The only finding of this code where these are configured in a file. Synthetic: the case was saved of an API server
    /// with one issuer among its flags, and the entries are those that such a file would hold.
    fn with(issuers: &[&str], change: fn(&mut Evidence)) -> Finding {
        let text = include_str!("../../../testdata/cases/token-issuer-mismatch/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        if !issuers.is_empty() {
            let Outcome::Seen(flags) = &mut evidence.control_plane.flagz.outcome else { panic!("no flags") };
            flags.flags.retain(|name, _| !name.starts_with("oidc-"));
            let mappings = json!({ "username": { "claim": "sub", "prefix": "" } });
            let issuer = |url: &str| json!({ "url": url, "audiences": ["kubernetes"] });
            let entry = |url: &&str| json!({ "issuer": issuer(url), "claimMappings": mappings });
            let jwt: Vec<serde_json::Value> = issuers.iter().map(entry).collect();
            flags.authentication_configuration = Some(
                json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt }),
            );
        }
        change(&mut evidence);
        let mut found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    const OURS: &str = "https://localhost:42333/realms/platform";

    #[test]
    fn no_configured_issuer_is_put_out_for_another_one() {
        let found = with(&["https://a.test/staff", "https://b.test/ci", "https://c.test/ops"], |_| {});
        assert!(found.why.contains("3 issuers, and this is none of them"), "{}", found.why);
        for issuer in ["https://a.test/staff", "https://b.test/ci", "https://c.test/ops"] {
            assert!(found.why.contains(issuer), "{}", found.why);
        }
        assert!(found.fix[0].manifest.is_none() && found.fix[0].text.starts_with("Take a token"), "{:?}", found.fix);
        assert!(found.fix[1].text.contains("leave the others as they are"), "{:?}", found.fix);
        assert!(found.fix[1].manifest.as_deref().is_some_and(|entry| entry.contains(OURS)), "{:?}", found.fix);
        // Flags name one issuer: to set it is to put out the other, and that is said.
        let found = with(&[], |_| {});
        assert!(found.fix[0].manifest.is_none() && found.fix[0].text.starts_with("Take a token"), "{:?}", found.fix);
        assert!(found.fix[1].text.contains("refuses every token of"), "{:?}", found.fix);
    }

    #[test]
    fn an_issuer_that_its_document_disowns_is_not_configured() {
        let near = ["https://a.test/staff", "https://localhost:42333/realms/platform/"];
        let found = with(&near, |_| {});
        assert!(found.why.contains("2 issuers, of which"), "{}", found.why);
        assert!(found.fix[0].text.starts_with("In the entry of"), "{:?}", found.fix);
        let found = with(&near, |evidence| {
            let Outcome::Seen(discovery) = &mut evidence.issuer.discovery.outcome else { panic!("no document") };
            discovery.issuer = Some(format!("{OURS}/"));
        });
        assert!(found.fix.iter().all(|step| step.manifest.is_none()), "{:?}", found.fix);
        assert!(found.fix[0].text.contains(&format!("{OURS}/")), "{:?}", found.fix);
        assert!(found.cites.iter().any(|cite| cite.text.contains("the document there says")), "{:?}", found.cites);
    }
}
