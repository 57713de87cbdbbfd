//! Whose words a message holds: what go-oidc says, every program says that takes ID tokens.

use super::{Place, Word};
use crate::apiserver::message::{self, Text};
use crate::rules::reading::{self, Speaker};

/// What such programs say too, of a token or of an issuer.
const SHARED: [&Text; 11] = [
    &message::OIDC_ISSUER_DIFFERS,
    &message::OIDC_DISCOVERY_NOT_JSON,
    &message::JWKS_URI_MISSING,
    &message::JWKS_HTTP,
    &message::JWKS_UNREACHABLE,
    &message::JWKS_UNPARSABLE,
    &message::AUDIENCE,
    &message::EXPIRED,
    &message::NOT_YET_VALID,
    &message::ALGORITHM,
    &message::SIGNATURE_FAILED,
];

/// The word of a message, unless a program that logs people in says it of its own; marked where any program may. Of
/// several lines with it the one that is nearest to the API server counts.
pub(super) fn told(mut word: Word) -> Option<Word> {
    let text = word.text;
    if word.place != Place::Met || !SHARED.contains(&text) {
        return Some(word);
    }
    let of_line = |line: &str| message::recognise(line).into_iter().find(|found| found.text == text);
    let lines = word.line.lines().filter_map(|line| Some((reading::speaker(line), of_line(line)?.fields)));
    let nearest = lines.min_by_key(|(speaker, _)| *speaker);
    let (speaker, fields) = nearest.unwrap_or_else(|| (reading::speaker(&word.line), word.fields.clone()));
    word.fields = fields;
    word.contradicted |= speaker == Speaker::Any;
    (speaker != Speaker::Login).then_some(word)
}

#[cfg(test)]
mod tests {
    use crate::evidence::credential::TokenKind;
    use crate::evidence::{Evidence, Observation, Outcome};
    use crate::report::Confidence;
    use crate::report::doctor::DoctorReport;

    /// What is said of a message to somebody whose JWT (of the audience account-portal) the server refuses without a
    /// reason.
    fn met(message: &str, change: impl FnOnce(&mut Evidence)) -> DoctorReport {
        let text = include_str!("../../../testdata/cases/token-audience-mismatch/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.control_plane.token_review = Observation::default();
        evidence.control_plane.configuration = Observation::default();
        evidence.control_plane.flagz = Observation::default();
        evidence.control_plane.log = Observation::default();
        evidence.asked.error = Some(message.to_owned());
        change(&mut evidence);
        crate::rules::report(&evidence)
    }

    fn confidence(report: &DoctorReport, code: &str) -> Option<Confidence> {
        report.findings.iter().find(|finding| finding.code == code).map(|finding| finding.confidence)
    }

    fn opaque(evidence: &mut Evidence) {
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let token = credential.token.as_mut().expect("a token");
        (token.kind, token.header, token.claims) = (TokenKind::Opaque, None, None);
    }

    const OWN: &str = r#"E1125 04:29:53.834394       1 authentication.go:75] "Unable to authenticate the request" err="[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"account-portal\"]]""#;

    // By the threads of oauth2-proxy #2756, argo-cd #13432, sourcegraph #21003 and kube-oidc-proxy #155; what argo-cd and
    // sourcegraph got is what this token has, so that nothing else tells them apart from a word about it.
    const OTHERS: [(&str, &str); 4] = [
        (
            "issuer-document-mismatch",
            r#"[2024/08/26 09:10:22] [main.go:58] ERROR: Failed to initialise OAuth2 Proxy: error initialising provider: could not create provider data: error building OIDC ProviderVerifier: could not get verifier builder: error while discovery OIDC configuration: oidc: issuer did not match the issuer returned by provider, expected "https://x.x.x.x:8088/realms/jaeger" got "https://x.x.x.x/realms/jaeger""#,
        ),
        (
            "token-audience-mismatch",
            r#"level=warning msg="Failed to verify token: failed to verify token: token verification failed for all audiences: error for aud \"argo-cd\": failed to verify signature: failed to verify id token signature, error for aud \"argo-cd-cli\": oidc: expected audience \"argo-cd-cli\" got [\"account-portal\"]""#,
        ),
        (
            "token-algorithm-not-allowed",
            r#"lvl=eror msg="OpenID Connect auth failed: the ID token verification failed." error="oidc: id token signed with unsupported algorithm, expected [\"HS256\"] got \"RS256\"""#,
        ),
        (
            "token-audience-mismatch",
            r#"I0609 11:31:52.880282       1 probe.go:70] OIDC provider initialized, readiness check returned error: oidc: verify token: oidc: expected audience "gangway" got []"#,
        ),
    ];

    #[test]
    fn what_another_program_says_is_no_word_of_the_api_servers() {
        for (code, message) in OTHERS {
            for report in [met(message, |_| ()), met(message, opaque)] {
                assert_eq!(confidence(&report, code), None, "{message}");
                let rejected = report.findings.iter().find(|finding| finding.code == "credential-rejected");
                assert_eq!(rejected.expect("the 401 stays").explained_by, None, "{message}");
            }
        }
        // Beside it the API server's own line counts, and so it does where a client of its own is called as one of them.
        let named = OWN.replace("kubernetes", "oauth2-proxy");
        for message in [OWN.to_owned(), format!("{}\n{OWN}", OTHERS[1].1), named] {
            let report = met(&message, |_| ());
            assert_eq!(confidence(&report, "token-audience-mismatch"), Some(Confidence::Certain), "{message}");
        }
    }

    /// Many a client at the identity provider has the name of the program that it was made for.
    #[test]
    fn a_token_of_a_client_with_such_a_programs_name_is_refused_by_the_api_server() {
        let message = OWN.replace("account-portal", "oauth2-proxy");
        let report = met(&message, |evidence| {
            let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
            let claims = credential.token.as_mut().and_then(|token| token.claims.as_mut()).expect("claims");
            claims["aud"] = serde_json::json!("oauth2-proxy");
        });
        assert_eq!(confidence(&report, "token-audience-mismatch"), Some(Confidence::Certain));
        assert_eq!(report.findings.first().map(|finding| finding.code), Some("token-audience-mismatch"));
    }

    #[test]
    fn what_the_message_says_of_another_token_is_not_said_of_this_one() {
        let other = OWN.replace("account-portal", "portal");
        assert_eq!(confidence(&met(&other, |_| ()), "token-audience-mismatch"), None);
        // Nobody asks an issuer about a token that is no JWT.
        assert_eq!(confidence(&met(OWN, opaque), "token-audience-mismatch"), None);
        // A program that is not known may be the API server behind some other words.
        let anybody = r#"portal: oidc: expected audience "kubernetes" got ["account-portal"]"#;
        assert_eq!(confidence(&met(anybody, |_| ()), "token-audience-mismatch"), Some(Confidence::Possible));
        let bare = r#"oidc: expected audience "kubernetes" got ["account-portal"]"#;
        assert_eq!(confidence(&met(bare, |_| ()), "token-audience-mismatch"), Some(Confidence::Certain));
    }
}
