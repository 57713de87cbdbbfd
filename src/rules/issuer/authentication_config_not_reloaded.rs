//! A changed authentication configuration is not in force.

use crate::apiserver::authn::Judgement;
use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, inferred, seen};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-config-not-reloaded",
    severity: Severity::Error,
    title: "The API server did not take over the changed authentication configuration",
    page: Page {
        means: "The API server watches the file of --authentication-config. A file with an error, or with an issuer that it cannot reach within a minute, is not taken over: the old configuration stays in force, without any sign to users.",
        evidence: "The metric of failed reloads, or the log lines \"failed to load / validate / update authentication config\" with no later success.",
        fix: "Correct what the log names. Write the file by rename, not in place: a half-written file counts as a broken one. `kaccess decode --against FILE` names everything that the server would refuse in it.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration",
    },
    recognises: &[&message::CONFIG_NOT_RELOADED],
    explains: &["credential-rejected", "token-issuer-mismatch", "token-audience-mismatch", "oidc-not-configured"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let control = &case.evidence.control_plane;
    let metrics = control.metrics.seen().filter(|metrics| metrics.reload_failed);
    let logged = control.log.seen().and_then(|log| {
        let last = |text: &str| log.matches.iter().filter(|found| found.text == text).map(|found| found.last_line_number).max();
        let failed = last(message::CONFIG_NOT_RELOADED.name)?;
        last(message::CONFIG_RELOADED.name).is_none_or(|good| good < failed).then_some(())
    });
    let word = case.said(&message::CONFIG_NOT_RELOADED).filter(|_| logged.is_some());
    let first = match (word, metrics) {
        (Some(word), _) => word.cite(),
        (None, Some(_)) => seen("/controlPlane/metrics/seen/reloadFailed", "metrics: the last reload of the authentication configuration failed"),
        (None, None) => return Vec::new(),
    };
    // The metrics are of now; a log may be older.
    if control.metrics.seen().is_some_and(|metrics| !metrics.reload_failed && metrics.configuration_hash.is_some()) {
        return Vec::new();
    }
    let reason = word.map_or_else(|| "its log says why".to_owned(), |word| format!("its log says why: {}", clip(word.field("error"), 240)));
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The file of --authentication-config was changed, and the API server kept the configuration it had ({reason})."),
            first,
            Step::command("On a control-plane node, read what is wrong with the file", "crictl logs $(crictl ps -q --name kube-apiserver) 2>&1 | grep 'authentication config' | tail -n 3"),
        )
        .step(Step::command("Correct it in a copy, and put it into place by rename", "mv authentication.yaml.new /etc/kubernetes/authentication.yaml"))
        .step(Step::command("Within 10 s this hash must be the file's", "kubectl get --raw /metrics | grep config_controller_last_config_info; sha256sum /etc/kubernetes/authentication.yaml"));
    if let Some(hash) = control.metrics.seen().and_then(|metrics| metrics.configuration_hash.as_ref()) {
        finding = finding.cite(seen("/controlPlane/metrics/seen/configurationHash", format!("in force is the file with {hash}")));
    }
    if word.is_some() && metrics.is_some() {
        finding = finding.cite(seen("/controlPlane/metrics/seen/reloadFailed", "metrics: the last reload failed"));
    }
    match blame(case) {
        // The old configuration works, and this credential is refused with either.
        Blame::None => {
            finding.severity = Severity::Warning;
            finding.explains = &[];
        }
        Blame::Perhaps => {
            finding.confidence = Confidence::Likely;
            finding.explains = &["credential-rejected", "token-issuer-mismatch", "oidc-not-configured"];
            finding.why.push_str(match case.token() {
                Some(_) => " Whether the new file would take this token is not known here.",
                None => " Whose token the new file would take is not known here.",
            });
        }
        Blame::Certain => {
            finding = finding.cite(inferred(GIVEN, "by the file that was handed over this token would be accepted"));
        }
    }
    vec![finding]
}

/// Where the file that was handed over stands.
const GIVEN: &str = "/controlPlane/configuration/seen";

/// Whether it is this file that keeps the credential out.
enum Blame {
    None,
    Perhaps,
    Certain,
}

fn blame(case: &Case<'_>) -> Blame {
    // A log that is read by itself, or a plugin that failed: of whom it tells is not known.
    if case.evidence.credential.seen().is_none() && !case.accepted() {
        return Blame::Perhaps;
    }
    // Whoever gets in is not kept out by what did not change; and the file is about tokens of identity providers.
    let of_issuer = case.token().is_some_and(|token| token.kind == TokenKind::Jwt) && case.only_certificate().is_none();
    let expired = case.claim_time("exp").is_some_and(|end| end <= case.server_time().0);
    if case.accepted() || !of_issuer || expired {
        return Blame::None;
    }
    let given = case.evidence.control_plane.configuration.seen().and_then(|flags| flags.authentication_configuration.as_ref());
    if given.is_none() || case.configuration.as_ref().is_none_or(|(_, path)| *path != GIVEN) {
        return Blame::Perhaps;
    }
    match case.judgement() {
        Some(Judgement::Authenticated(_)) => Blame::Certain,
        Some(Judgement::Rejected { .. }) => Blame::None,
        Some(Judgement::Undecided { .. }) | None => Blame::Perhaps,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;
    use crate::report::diagnose;
    use crate::rules::check_all;

    /// A real server that kept its old configuration, met with other credentials: their TokenReviews are in the words of a
    /// real server in the same state.
    fn told(change: impl Fn(&mut Value)) -> Vec<Finding> {
        let text = include_str!("../../../testdata/cases/authentication-config-not-reloaded/evidence.json");
        let mut evidence: Value = serde_json::from_str(text).expect("evidence");
        change(&mut evidence);
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        diagnose(check_all(&Case::new(&evidence)))
    }

    fn own(found: &[Finding]) -> (Severity, Confidence, usize) {
        let finding = found.iter().find(|finding| finding.code == RULE.code).expect("the finding");
        (finding.severity, finding.confidence, finding.explains.len())
    }

    const FACT: (Severity, Confidence, usize) = (Severity::Warning, Confidence::Certain, 0);

    fn reviewed(evidence: &mut Value, error: &str) {
        evidence["controlPlane"]["tokenReview"]["seen"]["error"] = json!(error);
    }

    #[test]
    fn a_service_account_that_is_gone_has_nothing_to_do_with_the_file() {
        let found = told(|evidence| {
            let token = &mut evidence["credential"]["seen"]["token"];
            token["kind"] = json!("service-account");
            token["claims"]["iss"] = json!("https://kubernetes.default.svc");
            token["claims"]["sub"] = json!("system:serviceaccount:dev:gone");
            reviewed(evidence, r#"[invalid bearer token, serviceaccounts "gone" not found]"#);
        });
        assert_eq!(found[0].code, "service-account-token-revoked");
        assert_eq!(own(&found), FACT);
    }

    #[test]
    fn a_token_that_is_expired_is_so_by_either_file() {
        let found = told(|evidence| {
            evidence["credential"]["seen"]["token"]["claims"]["exp"] = json!(1_795_000_000);
        });
        assert_eq!(found[0].code, "token-expired");
        assert_eq!(own(&found), FACT);
    }

    /// Synthetic: the saved run had a token.
    #[test]
    fn where_no_credential_is_known_the_file_stays_an_error() {
        let found = told(|evidence| {
            evidence["credential"] = json!({ "startedMs": 0, "tookMs": 0, "failed": { "kind": "plugin-failed", "detail": "it failed" } });
        });
        assert_eq!(own(&found), (Severity::Error, Confidence::Likely, 3));
        assert!(found.iter().all(|finding| !finding.why.contains("this token is not known")));
    }

    #[test]
    fn an_audience_that_the_old_file_does_not_expect_need_not_be_in_the_new_one() {
        let found = told(|evidence| {
            reviewed(evidence, r#"[invalid bearer token, oidc: verify token: oidc: expected audience "web" got ["kubernetes"]]"#);
        });
        assert_eq!((found[0].code, found[0].explained_by), ("token-audience-mismatch", None));
        assert_eq!(own(&found).1, Confidence::Likely);
    }

    /// The line is a real server's, of the saved token's issuer, as it keeps the old configuration because the new one's
    /// issuer does not come up.
    #[test]
    fn an_issuer_that_does_not_come_up_keeps_the_file_out_and_is_the_cause() {
        let found = told(|evidence| {
            let line = r#"E1125 17:25:54.714136   31139 oidc.go:433] oidc authenticator: initializing plugin: Get "https://localhost:46031/staff/.well-known/openid-configuration": tls: failed to verify certificate: x509: certificate signed by unknown authority"#;
            let matches = evidence["controlPlane"]["log"]["seen"]["matches"].as_array_mut().expect("matches");
            matches.extend(message::recognise(line).into_iter().map(|found| {
                json!({ "text": found.text.name, "fields": found.fields, "line": line, "lineNumber": 209, "lastLineNumber": 209,
                    "count": 1, "firstSeen": "11-25 17:25:54.714136", "lastSeen": "11-25 17:25:54.714136" })
            }));
        });
        assert_eq!(found[0].code, "issuer-certificate-untrusted");
        assert_eq!(own(&found).1, Confidence::Likely);
        assert!(told(|_| ()).iter().all(|finding| finding.code != "issuer-certificate-untrusted"));
    }

    #[test]
    fn the_file_that_was_handed_over_decides() {
        let with = |audience: &str| {
            told(|evidence| {
                let file = json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [{
                    "issuer": { "url": "https://localhost:46031/staff", "audiences": [audience] },
                    "claimMappings": { "username": { "claim": "email", "prefix": "oidc:" } } }] });
                evidence["controlPlane"]["configuration"] = json!({ "startedMs": 0, "tookMs": 0,
                    "seen": { "source": "auth.yaml", "flags": {}, "authenticationConfiguration": file } });
            })
        };
        let takes = with("kubernetes");
        assert_eq!(takes[0].code, RULE.code);
        assert_eq!(own(&takes), (Severity::Error, Confidence::Certain, 4));
        assert_eq!(own(&with("web")), FACT);
        // Nobody knows the new file.
        assert_eq!(own(&told(|_| ())), (Severity::Error, Confidence::Likely, 3));
    }
}
