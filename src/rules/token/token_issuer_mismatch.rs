//! The token's issuer is not the one the API server is configured for.

use crate::apiserver::configuration::issuer_meant;
use crate::apiserver::message::{self, heard};
use crate::evidence::eks::IdentityProviderConfig;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule, clip, eks};
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
        fix: "Make both the same: correct --oidc-issuer-url, or the identity provider's own idea of its address (Keycloak: hostname). `curl -s ISSUER/.well-known/openid-configuration` shows what the provider calls itself.",
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
    if configured.is_empty()
        || configuration.authenticator_of(issuer).is_some()
        || configuration.service_account_issuers.iter().any(|known| known == issuer)
    {
        return Vec::new();
    }
    // EKS knows the token's own issuer, and has not finished adding it or taking it away: another fault, told by that.
    let listed: &[IdentityProviderConfig] = if configuration.jwt_known { &[] } else { providers(case) };
    let ours = |config: &IdentityProviderConfig| {
        config.details.seen().is_some_and(|provider| provider.issuer_url == issuer_meant(issuer))
    };
    if listed.iter().any(ours) {
        return Vec::new();
    }
    // A foreign claim may be of any length, and the distance costs the product of both.
    let start = |url: &str| url.chars().take(300).collect::<String>();
    let wanted = start(issuer);
    let nearest = configured
        .iter()
        .copied()
        .min_by_key(|candidate| (how_they_differ(candidate, issuer).is_none(), distance(&start(candidate), &wanted)))
        .unwrap_or_default();
    let how = in_words(nearest, issuer);
    let several = configured.len() > 1;
    let server = match configured.len() {
        1 => format!("the API server is configured for {nearest:?}"),
        count @ 2..=4 => {
            let all: Vec<String> = configured.iter().map(|url| format!("{url:?}")).collect();
            format!("the API server is configured for {count} issuers, {}. The nearest is {nearest:?}", all.join(", "))
        }
        count => format!("the API server is configured for {count} issuers. The nearest is {nearest:?}"),
    };
    let said = format!("The token says iss {issuer:?}; {server}: {how}.");
    if let Some((index, config)) = listed.iter().enumerate().find(|(_, config)| config.details.seen().is_none()) {
        return vec![unsure(case, path, (said.as_str(), issuer, nearest), (index, config))];
    }
    let mut steps = steps(case, issuer, nearest, several).into_iter();
    let Some(first) = steps.next() else { return Vec::new() };
    // A token webhook may know issuers that stand nowhere in the configuration.
    let (confidence, so) = if configuration.webhook {
        (Confidence::Possible, "so no authenticator but the token webhook takes the token. Which issuers the webhook knows is not visible here")
    } else {
        (Confidence::Certain, "so no authenticator takes the token")
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("{said} It compares byte by byte, {so}."),
            seen("/credential/seen/token/claims/iss", format!("iss: {issuer}")),
            first,
        )
        .steps(steps)
        .cite(seen((*path).to_owned(), format!("configured issuer: {nearest}")));
    if several {
        finding = finding.titled("The token's issuer is none of those that the API server is configured for");
    }
    if configuration.webhook {
        // What the API server or its webhook says itself goes before.
        finding.explains = &[];
        finding = finding.step(Step::text(
            "Where such tokens are the webhook's, read its own log, and the API server's for lines of webhook.go: the configured issuers have nothing to do with them.",
        ));
    }
    let other = document(case, issuer).filter(|document| *document != issuer);
    let other = other.map(|document| {
        probed("/issuer/discovery/seen/issuer", format!("the document at that address says issuer {document:?}"))
    });
    vec![finding.cite_if(other).cite_if(case.rejected())]
}

/// EKS' identity provider configurations, as far as they were listed.
fn providers<'e>(case: &Case<'e>) -> &'e [IdentityProviderConfig] {
    let all = eks::aws(case).and_then(|aws| aws.identity_providers.seen());
    all.map(|all| all.configs.as_slice()).unwrap_or_default()
}

/// The same where one of EKS' identity providers was not read: that one may be for the token's issuer, so nothing that is
/// there is to be replaced.
fn unsure(
    case: &Case<'_>,
    path: &str,
    (said, issuer, nearest): (&str, &str, &str),
    (index, config): (usize, &IdentityProviderConfig),
) -> Finding {
    let name = &config.name;
    let why = config.details.failed().map(|failure| format!(" ({})", clip(&failure.detail, 200))).unwrap_or_default();
    let mut finding = RULE
        .finding(
            Confidence::Possible,
            format!(
                "As far as the identity providers could be read: {said} Which issuer {name} is for was not read: if it is this one, the token is refused for another reason."
            ),
            seen("/credential/seen/token/claims/iss", format!("iss: {issuer}")),
            Step::command(
                format!("See whether {name} is for this issuer, as somebody who may"),
                shell!(
                    "aws eks describe-identity-provider-config --cluster-name {} --identity-provider-config type=oidc,name={}",
                    eks::cluster(case),
                    config.name
                ),
            ),
        )
        .step(Step::text(format!(
            "If it is not, and the token is from the wrong identity provider or realm, take one from a configured issuer, {nearest:?}."
        )))
        .cite(seen(path.to_owned(), format!("configured issuer: {nearest}")))
        .cite(seen(
            format!("/aws/identityProviders/seen/configs/{index}/name"),
            format!("identity provider {name} was not read{why}"),
        ))
        .cite_if(case.rejected());
    // What is only possible explains nothing.
    finding.explains = &[];
    finding
}

/// Whom the discovery document at the token's own issuer names, as it was read here.
fn document<'e>(case: &Case<'e>, issuer: &str) -> Option<&'e str> {
    let probes = &case.evidence.issuer;
    let discovery = probes.discovery.seen().filter(|discovery| discovery.answer.status == 200)?;
    probes.target.seen().filter(|target| target.url == issuer)?;
    discovery.issuer.as_deref()
}

/// What to do, the safest first: a configured issuer that is replaced locks out everybody who has its tokens.
fn steps(case: &Case<'_>, issuer: &str, nearest: &str, several: bool) -> Vec<Step> {
    let document = document(case, issuer);
    // The API server takes no issuer whose document names another one.
    if let Some(document) = document.filter(|document| *document != issuer) {
        return vec![
            Step::text(format!(
                "Leave the API server's issuer as it is: set to {issuer:?} it would not come up, because the document at that address says {document:?}. Have the identity provider write into its tokens what its document says (Keycloak: --hostname, and the proxy's X-Forwarded headers)."
            )),
            Step::text(
                "Or, where the token is from the wrong identity provider or realm, take one from a configured issuer.",
            ),
        ];
    }
    let alike = how_they_differ(nearest, issuer).is_some();
    // One issuer, written otherwise than its own document and its tokens have it: nobody's token fits it as it is.
    let misspelt = alike && document.is_some() && !several;
    let set = |text: &str| setting::set(case, text, Setting::Issuer(nearest, issuer));
    if misspelt {
        return vec![
            set("Set the API server's issuer to what the tokens say"),
            Step::text(
                "Or, where the token is from the wrong identity provider or realm, take one from the configured issuer.",
            ),
        ];
    }
    let which = if several { "one of the configured issuers; the nearest is" } else { "the configured issuer," };
    let take = Step::text(format!(
        "Where the token is from the wrong identity provider or realm, take one from {which} {nearest:?}."
    ));
    let change = match setting::add_issuer(case, issuer) {
        Some(add) => Some(add),
        // Which of them would have to go is nothing to guess.
        None if several => None,
        None if alike => Some(set(
            "Or, where the identity provider's discovery document says what the tokens say, set the API server's issuer to that",
        )),
        None => Some(set(
            "Or, where all tokens are to come from this issuer and none from the configured one any more, set the API server's issuer to what the tokens say",
        )),
    };
    [take].into_iter().chain(change).collect()
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
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;

    /// A real server with one issuer and a token of another one, changed: the server's several issuers, and a document that
    /// names another issuer than it stands at, are written in, because the case was met with one issuer and a right document.
    fn told(change: impl Fn(&mut Value)) -> Finding {
        let text = include_str!("../../../testdata/cases/token-issuer-mismatch/evidence.json");
        let mut evidence: Value = serde_json::from_str(text).expect("evidence");
        change(&mut evidence);
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        check(&Case::new(&evidence)).pop().expect("the finding")
    }

    fn manifests(finding: &Finding) -> Vec<String> {
        finding.fix.iter().filter_map(|step| step.manifest.clone()).collect()
    }

    /// What the rule makes of an EKS cluster that is configured for another issuer (the saved one differs by its slash), with
    /// one more provider; synthetic as that case is.
    fn beside(details: Value) -> Vec<Finding> {
        let text = include_str!("../../../testdata/cases/eks-token-issuer-mismatch/evidence.json");
        let mut evidence: Value = serde_json::from_str(text).expect("evidence");
        let configs = &mut evidence["aws"]["identityProviders"]["seen"]["configs"];
        configs[0]["details"]["seen"]["issuerUrl"] = json!("https://other.example.com/x");
        configs.as_array_mut().expect("a list").push(json!({ "name": "second", "details": details }));
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        check(&Case::new(&evidence))
    }

    fn described(issuer: &str, status: &str) -> Value {
        let provider = json!({ "issuerUrl": issuer, "clientId": "kubernetes", "requiredClaims": {}, "status": status });
        json!({ "startedMs": 0, "tookMs": 0, "seen": provider })
    }

    #[test]
    fn a_provider_of_the_tokens_own_issuer_that_is_on_its_way_is_no_mismatch() {
        let ours = "https://sso.example.com/realms/platform";
        for status in ["CREATING", "DELETING", "ACTIVE"] {
            assert!(beside(described(ours, status)).is_empty(), "{status}");
        }
        // Of a third issuer it takes no token of this one, whatever becomes of it.
        for status in ["CREATING", "ACTIVE"] {
            let all = beside(described("https://ci.example.com", status));
            assert_eq!(all.iter().map(|one| one.confidence).collect::<Vec<_>>(), [Confidence::Certain], "{status}");
        }
    }

    #[test]
    fn a_provider_that_was_not_read_may_be_the_tokens() {
        for (kind, detail) in [
            ("forbidden", "AccessDeniedException: not authorized to perform: eks:DescribeIdentityProviderConfig"),
            ("http", "ThrottlingException: Rate exceeded"),
        ] {
            let failed = json!({ "kind": kind, "detail": detail });
            let [finding]: [Finding; 1] =
                beside(json!({ "startedMs": 0, "tookMs": 0, "failed": failed })).try_into().expect("one finding");
            assert_eq!((finding.confidence, finding.explains.len()), (Confidence::Possible, 0));
            assert!(finding.why.contains("Which issuer second is for was not read"), "{}", finding.why);
            assert!(finding.cites.iter().any(|cite| cite.text.contains(detail)), "{:?}", finding.cites);
            let commands = format!("{:?}", finding.fix);
            assert!(commands.contains("describe-identity-provider-config"), "{commands}");
            assert!(!commands.contains("disassociate"), "{commands}");
        }
    }

    const TOKENS: &str = "https://localhost:42333/realms/platform";

    /// The server reads a file with these issuers.
    fn with_file(evidence: &mut Value, issuers: &[&str]) {
        let entry = |url: &&str| {
            json!({ "issuer": { "url": url, "audiences": ["kubernetes"] },
                "claimMappings": { "username": { "claim": "sub", "prefix": "" } } })
        };
        let jwt: Vec<Value> = issuers.iter().map(entry).collect();
        let file =
            json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt });
        let at_rest = |what: &str, value: Value| json!({ "startedMs": 0, "tookMs": 0, what: value });
        evidence["controlPlane"]["flagz"] = at_rest("notApplicable", json!("not served"));
        evidence["controlPlane"]["configuration"] =
            at_rest("seen", json!({ "source": "auth.yaml", "flags": {}, "authenticationConfiguration": file }));
    }

    #[test]
    fn a_file_gets_one_more_entry_and_keeps_those_it_has() {
        let all = ["https://a.example.com/staff", "https://localhost:42333/realms/other", "https://b.example.com/ci"];
        let finding = told(|evidence| with_file(evidence, &all));
        for url in all {
            assert!(finding.why.contains(url), "{url}: {}", finding.why);
        }
        assert!(finding.why.contains("The nearest is \"https://localhost:42333/realms/other\""), "{}", finding.why);
        assert!(finding.fix[0].text.contains("take one from one of the configured issuers"), "{}", finding.fix[0].text);
        let [added]: [String; 1] = manifests(&finding).try_into().expect("one manifest");
        assert!(finding.fix[1].text.contains("further entry under jwt:"), "{}", finding.fix[1].text);
        assert!(added.contains(TOKENS) && added.contains("audiences: [\"kubernetes\"]"), "{added}");
        let one = told(|evidence| with_file(evidence, &all[..1]));
        assert!(one.fix[1].text.contains("further entry under jwt:"), "{}", one.fix[1].text);
    }

    #[test]
    fn with_one_issuer_among_the_flags_a_token_of_it_comes_first() {
        let finding = told(|_| ());
        assert!(finding.fix[0].text.contains("take one from the configured issuer"), "{}", finding.fix[0].text);
        assert_eq!(manifests(&finding), [format!("--oidc-issuer-url={TOKENS}\n")]);
    }

    #[test]
    fn where_the_document_confirms_the_tokens_spelling_the_server_is_set_right() {
        let flag = |evidence: &mut Value| {
            evidence["controlPlane"]["flagz"]["seen"]["flags"]["oidc-issuer-url"] = json!([format!("{TOKENS}/")]);
        };
        let confirmed = told(flag);
        assert!(confirmed.fix[0].manifest.is_some(), "{}", confirmed.fix[0].text);
        let unread = told(|evidence| {
            flag(evidence);
            evidence["issuer"]["discovery"] = json!({ "startedMs": 0, "tookMs": 0, "notApplicable": "not read" });
        });
        assert!(unread.fix[0].manifest.is_none(), "{}", unread.fix[0].text);
    }

    #[test]
    fn an_issuer_whose_document_names_another_is_not_to_be_configured() {
        let finding = told(|evidence| {
            evidence["issuer"]["discovery"]["seen"]["issuer"] = json!("https://localhost:42333/realms/other");
        });
        assert!(manifests(&finding).is_empty(), "{:?}", finding.fix);
        assert!(finding.fix[0].text.contains("Leave the API server's issuer as it is"), "{}", finding.fix[0].text);
        assert!(finding.cites.iter().any(|cite| cite.path == "/issuer/discovery/seen/issuer"));
    }

    /// As met on a real server that has one issuer and a token webhook which knows the other: the flag is written in.
    #[test]
    fn a_webhook_may_know_an_issuer_that_is_not_configured() {
        let finding = told(|evidence| {
            evidence["controlPlane"]["flagz"]["seen"]["flags"]["authentication-token-webhook-config-file"] =
                json!(["/etc/kubernetes/webhook.yaml"]);
        });
        assert_eq!((finding.confidence, finding.explains.len()), (Confidence::Possible, 0));
        assert!(finding.why.contains("no authenticator but the token webhook"), "{}", finding.why);
        assert_eq!(told(|_| ()).confidence, Confidence::Certain);
    }

    #[test]
    fn a_webhook_that_does_not_answer_is_the_cause() {
        let text = include_str!("../../../testdata/cases/token-issuer-mismatch/evidence.json");
        let mut evidence: Value = serde_json::from_str(text).expect("evidence");
        evidence["controlPlane"]["flagz"]["seen"]["flags"]["authentication-token-webhook-config-file"] =
            json!(["/etc/kubernetes/webhook.yaml"]);
        // The words of a real server whose webhook was down.
        evidence["controlPlane"]["tokenReview"]["seen"]["error"] = json!(
            r#"[invalid bearer token, Post "https://localhost:36449/authn?timeout=30s": dial tcp 127.0.0.1:36449: connect: connection refused]"#
        );
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        let found = crate::report::diagnose(crate::rules::check_all(&Case::new(&evidence)));
        assert_eq!((found[0].code, found[0].confidence), ("authentication-webhook-down", Confidence::Certain));
        let issuer = found.iter().find(|finding| finding.code == RULE.code).expect("what is possible");
        assert_eq!(issuer.explained_by, Some("authentication-webhook-down"));
    }

    #[test]
    fn near_misses_are_named() {
        assert_eq!(in_words("https://k/realms/a/", "https://k/realms/a"), "they differ by a slash at the end");
        assert_eq!(in_words("http://k/realms/a", "https://k/realms/a"), "they differ by the scheme");
        assert_eq!(
            in_words("https://k/auth/realms/a", "https://k/realms/a"),
            "they differ by Keycloak's old /auth path"
        );
        assert_eq!(in_words("https://k/realms/a", "https://k/realms/b"), "they are different issuers");
    }
}
