//! The token webhook does not answer.

use crate::apiserver::message;
use crate::evidence::FailureKind;
use crate::report::{Citation, Confidence, Finding, Severity, Step, probed};
use crate::rules::hook::{self, Fault};
use crate::rules::unserved::{Came, Spread, unserved};
use crate::rules::{Case, Page, Place, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-webhook-down",
    severity: Severity::Error,
    title: "The token webhook that the API server asks does not answer",
    page: Page {
        means: "The API server asks a webhook about tokens that it does not know itself. The webhook is down, not reachable, or not trusted, so those tokens are refused; each such request also takes seconds. Or it answers with something else than a TokenReview of the version it was asked in (an error page, an empty body, v1beta1 for v1), which is as good as no answer.",
        evidence: "The API server's log \"Failed to make webhook authenticator request\" with what it met, or the same error in a TokenReview of the token.",
        fix: "Bring the webhook up, and check URL and CA in the file of --authentication-token-webhook-config-file; where it answers in another version, change --authentication-token-webhook-version or the webhook; the API server asks anew with the next token. `kubectl get --raw /metrics` counts its failures (apiserver_delegated_authn_request_total); `curl -v URL` from a control-plane node tries the way.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication",
    },
    recognises: &[&message::WEBHOOK_FAILED, &message::WEBHOOK_TRANSPORT, &message::WEBHOOK_ANSWER],
    // An issuer that is not configured may be the webhook's.
    explains: &["credential-rejected", "api-connection-timeout", "token-issuer-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.token().is_none() {
        return Vec::new();
    }
    let rejected = case.rejected();
    let Some((word, fault, mut confidence)) = hook::about_token(case) else { return Vec::new() };
    let Some(cite) = rejected.clone().or_else(|| hangs(case).filter(|_| word.place == Place::Log)) else {
        return Vec::new();
    };
    let waits = if rejected.is_none() {
        confidence = confidence.max(Confidence::Likely);
        " While it tries again it gives no answer to whoever sends such a token."
    } else {
        ""
    };
    if matches!(fault, Fault::Refused | Fault::NotFound | Fault::Unauthorized) {
        return Vec::new();
    }
    let error = clip(word.field("error"), 160);
    let begin = "Nobody else claims this token, so the API server asks its webhook";
    let finding = if fault == Fault::Unreadable {
        let versions = hook::versions(word.field("error"));
        let step = match versions {
            Some((got, asked)) => format!("Have the webhook answer in {asked}, the version that it is asked in, or set --authentication-token-webhook-version to {got} and restart the API server; these flags say where and in which version it asks now"),
            None => "Have the webhook answer with status 200 and the TokenReview it was sent, in the same apiVersion (--authentication-token-webhook-version, v1beta1 where it is not set), its status filled in; this is where the API server asks, and in which version".to_owned(),
        };
        RULE.finding(
            confidence,
            format!("{begin}, which answers, and with nothing that is a TokenReview of the version asked for: {error}."),
            word.cite(),
            Step::command(step, "ps -o args= -C kube-apiserver | tr ' ' '\\n' | grep -E '^--authentication-token-webhook'"),
        )
        .titled("The token webhook's answer is no TokenReview that the API server reads")
        .step(Step::text("Read the webhook's own log for the same moment, or ask it what the API server asks: an error page, a login page and an empty body all look like this."))
    } else {
        RULE.finding(
            confidence,
            format!("{begin}, and meets: {error}.{waits}"),
            word.cite(),
            Step::command(
                "On a control-plane node, read where the webhook should be, and try it from there",
                "grep -E 'server:|certificate-authority' \"$(ps -o args= -C kube-apiserver | grep -oP 'authentication-token-webhook-config-file=\\K\\S+')\"",
            ),
        )
        .step(Step::text("Bring it up again, or correct URL and CA in that file and restart the API server. Until then credentials that need no webhook (client certificates, service accounts) still work."))
    };
    let finding = match fault {
        Fault::Status => finding.titled("The token webhook that the API server asks answers with an error"),
        _ => finding,
    };
    vec![finding.cite(cite)]
}

/// Requests that carry the credential are not answered in time, and others are: the API server waits for somebody.
fn hangs(case: &Case<'_>) -> Option<Citation> {
    if case.accepted() {
        return None;
    }
    let unserved =
        unserved(case, |came| matches!(came, Came::Broken(failure, _) if failure.kind == FailureKind::Timeout))?;
    if !matches!(unserved.spread, Spread::Credential | Spread::Some) {
        return None;
    }
    let version = case.evidence.endpoint.authenticated.failed();
    let (path, failure) = match version {
        Some(failure) => ("/endpoint/authenticated/failed/detail", failure),
        None => ("/identity/failed/detail", case.evidence.identity.failed()?),
    };
    Some(probed(path, failure.detail.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn a_webhook_that_is_waited_for_is_the_cause_of_the_silence() {
        let text = include_str!("../../../testdata/cases/authentication-webhook-down-log/evidence.json");
        let mut evidence: Value = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved webhook refuses connections, so that the saved run was answered 401 at once. A kube-apiserver
        // 1.36 whose webhook answers 429 gave no answer within 8 s, and logged this line.
        let line = r#"E1125 17:25:32.412858   30675 webhook.go:154] Failed to make webhook authenticator request: Post "https://localhost:36797/review?timeout=30s": context deadline exceeded"#;
        let silent = json!({ "startedMs": 100, "tookMs": 8000,
            "failed": { "kind": "timeout", "detail": "127.0.0.1:41425 gave no complete answer within 8 s" } });
        evidence["endpoint"]["authenticated"] = silent.clone();
        evidence["identity"] = silent;
        evidence["endpoint"]["again"] = json!({ "startedMs": 100, "tookMs": 10,
            "seen": { "path": "/version", "tries": [{ "status": 200, "served": true }], "posts": [] } });
        let with = |line: Option<&str>| {
            let mut evidence = evidence.clone();
            let found = line.map(message::recognise).unwrap_or_default().into_iter();
            let matches: Vec<Value> = found
                .map(|found| {
                    json!({ "text": found.text.name, "line": line, "lineNumber": 1, "lastLineNumber": 1,
                    "count": 1, "fields": found.fields })
                })
                .collect();
            evidence["controlPlane"]["log"]["seen"]["matches"] = json!(matches);
            let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
            let report = crate::rules::report(&evidence);
            let findings = report.findings.into_iter();
            findings.map(|finding| (finding.code, finding.confidence)).collect::<Vec<_>>()
        };
        assert_eq!(with(Some(line))[0], (RULE.code, Confidence::Likely));
        assert_eq!(with(None)[0].0, "api-connection-timeout");
    }
}
