//! What go-oidc says in other programs than the API server: of the API server it tells nothing.

use std::collections::BTreeMap;

use super::{field, or, with};
use crate::apiserver::message::{heard::names as heard, names as text};
use crate::report::{Confidence, Step};
use crate::rules::reading::{self, Reading, Speaker};

/// Title, sentence and repair of such words.
pub(super) struct Foreign {
    pub(super) title: Option<&'static str>,
    pub(super) means: String,
    pub(super) next: Step,
}

/// The same of a line that is not the API server's; `None` of one that is, and of other words.
pub(super) fn told(found: &Reading, fields: &BTreeMap<String, String>, line: &str) -> Option<Foreign> {
    if found.confidence != Confidence::Possible {
        return None;
    }
    let bare = |name: &str| {
        let value = field(fields, name).trim_matches(|c| matches!(c, '[' | ']' | '"'));
        value.replace("\" \"", ", ").replace("\",\"", ", ")
    };
    let f = |name: &str| field(fields, name);
    let keys = Some("A program does not get the keys of the issuer");
    let (title, words) = match found.text {
        text::AUDIENCE => (
            None,
            format!(
                "expects the audience {}, the token says {}",
                or(&bare("expected"), "of no name"),
                or(&bare("got"), "none")
            ),
        ),
        text::ALGORITHM => (
            Some("The token is signed with an algorithm that the program does not take"),
            format!("takes tokens signed with {}, this one is signed with {}", bare("expected"), f("got")),
        ),
        text::EXPIRED => (None, format!("was shown a token that has expired{}", with(", at ", f("expiry")))),
        text::NOT_YET_VALID => {
            (None, format!("was shown a token that is not valid yet{}", with(", before ", f("time"))))
        }
        text::SIGNATURE_FAILED => (
            Some("The token's signature fits no key that the program has"),
            "has no key that the token's signature fits".to_owned(),
        ),
        heard::OTHER_ISSUER => (
            Some("The token's issuer is not the one that the program is configured for"),
            format!("expects the issuer {}, the token says {}", f("expected"), f("got")),
        ),
        heard::MALFORMED | heard::NOT_SIGNED => {
            (None, "was shown something that it does not take for a JWT".to_owned())
        }
        text::OIDC_ISSUER_DIFFERS => (
            None,
            format!(
                "is configured for the issuer {}, the document of the provider says {}",
                or(f("expected"), "nothing"),
                or(f("got"), "nothing")
            ),
        ),
        text::OIDC_DISCOVERY_NOT_JSON => {
            (None, format!("was answered with {} instead of JSON by the discovery URL", or(f("type"), "another type")))
        }
        text::JWKS_URI_MISSING => (None, "finds no jwks_uri in the discovery document".to_owned()),
        text::JWKS_HTTP => (keys, format!("was answered {} {} by the key set's URL", f("status"), f("reason"))),
        text::JWKS_UNREACHABLE => (keys, format!("does not get the key set at {}: {}", f("url"), f("error"))),
        text::JWKS_UNPARSABLE => (keys, format!("cannot read the key set: {}", f("error"))),
        _ => return None,
    };
    let (who, next) = match reading::speaker(line) {
        Speaker::Server => return None,
        Speaker::Any => (
            "a program that checks ID tokens (perhaps not the API server: the line is not its)",
            "See which program wrote this line, and look at its own settings (issuer, client id, audience): only where it is the API server does this tell of kubectl's access.",
        ),
        Speaker::Login => (
            "a program that logs people in by itself, and not the API server,",
            "Look at that program's own settings (issuer, client id, audience) and at its provider: the line tells nothing of kubectl's access.",
        ),
    };
    Some(Foreign { title, means: format!("{who} {}", words.trim_end()), next: Step::text(next) })
}

#[cfg(test)]
mod tests {
    use crate::report::Confidence;
    use crate::report::explain::Match;
    use crate::rules::explain::Collector;

    fn told(line: &str) -> Vec<Match> {
        let kept = |text: &str, _: usize| text.to_owned();
        let mut collector = Collector::new(&kept);
        collector.line(1, line);
        collector.finish(1).matches
    }

    #[test]
    fn what_another_program_says_is_not_told_of_the_api_server() {
        // oauth2-proxy #2756, argo-cd #13432, sourcegraph #21003; the last one is made up after them.
        for line in [
            r#"[2024/08/26 09:10:22] [main.go:58] ERROR: Failed to initialise OAuth2 Proxy: error initialising provider: could not create provider data: error building OIDC ProviderVerifier: could not get verifier builder: error while discovery OIDC configuration: oidc: issuer did not match the issuer returned by provider, expected "https://x.x.x.x:8088/realms/jaeger" got "https://x.x.x.x/realms/jaeger""#,
            r#"level=warning msg="Failed to verify token: failed to verify token: token verification failed for all audiences: error for aud \"argo-cd\": failed to verify signature: failed to verify id token signature, error for aud \"argo-cd-cli\": oidc: expected audience \"argo-cd-cli\" got [\"argo-cd\"]""#,
            r#"lvl=eror msg="OpenID Connect auth failed: the ID token verification failed." error="oidc: id token signed with unsupported algorithm, expected [\"RS256\"] got \"HS256\"""#,
            r#"portal: oidc: expected audience "web" got ["api"]"#,
        ] {
            let found = told(line);
            assert!(!found.is_empty(), "{line}");
            for one in found {
                assert_eq!(one.confidence, Confidence::Possible, "{line}");
                let own = one.means.replace("not the API server", "");
                assert!(!own.contains("the API server") && !own.starts_with("the server"), "{}", one.means);
                assert!(!one.title.contains("API server"), "{}", one.title);
                assert!(one.next.iter().all(|step| !step.text.contains("--oidc-")), "{line}");
            }
        }
    }

    #[test]
    fn what_the_api_server_says_stays_its_own() {
        for line in [
            r#"oidc authenticator: initializing plugin: oidc: issuer did not match the issuer returned by provider, expected "https://a" got "https://a/""#,
            r#"err="[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"portal\"]]""#,
            // The client in whose name somebody logged in may be called as such a program is.
            r#"err="[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"oauth2-proxy\"]]""#,
            r#"oidc: verify token: oidc: expected audience "kubernetes" got ["oauth2-proxy"]"#,
        ] {
            let found = told(line);
            assert!(found[0].means.contains("server"), "{}", found[0].means);
            assert!(found[0].next.iter().any(|step| step.text.contains("--oidc-")), "{line}");
        }
        assert!(told("I0609 11:31:52.880282       1 probe.go:70] OIDC provider initialized, readiness check returned error: oidc: verify token: oidc: expected audience \"gangway\" got []").is_empty());
    }
}
