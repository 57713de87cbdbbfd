//! The token webhook refuses the API server.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::hook::{self, Fault};
use crate::rules::{Case, Page, Place, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-webhook-refused",
    severity: Severity::Error,
    title: "The token webhook refuses to answer the API server",
    page: Page {
        means: "The webhook is there and answers the API server with an HTTP error instead of a verdict: 401 or 403 (it does not take the API server's own credential), or 404 (the path is wrong). Or it judges the token, and says in words of its own why it does not take it. The tokens it should judge are refused.",
        evidence: "The API server's log \"Failed to make webhook authenticator request\" with an HTTP refusal, or the same error in a TokenReview of the token. Of an opaque token nobody but a webhook gives a TokenReview a reason in words.",
        fix: "Correct the credential, or the path, in the file of --authentication-token-webhook-config-file. `curl -v --cert CERT --key KEY URL` from a control-plane node shows the refusal.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#webhook-token-authentication",
    },
    recognises: &[&message::WEBHOOK_FAILED, &message::WEBHOOK_ANSWER],
    // An issuer that is not configured may be the webhook's.
    explains: &["credential-rejected", "token-issuer-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(token), Some(rejected)) = (case.token(), case.rejected()) else { return Vec::new() };
    // EKS' own webhook says so of every token that is no AWS identity's.
    let eks = token.kind == TokenKind::EksIam
        || case.evidence.endpoint.route.seen().is_some_and(|route| route.host.ends_with(".eks.amazonaws.com"));
    if eks {
        return Vec::new();
    }
    let Some((word, fault, confidence)) = hook::about_token(case) else {
        let found = own_words(case).map(|finding| finding.cite(rejected));
        return found.into_iter().collect();
    };
    let error = Some(word.field("error")).filter(|error| !error.is_empty()).unwrap_or("unknown");
    let credential = "Have the webhook allow the API server (its client certificate or token in users[0].user of the webhook's file)";
    let (what, step) = match fault {
        Fault::NotFound => (
            "404: the path is wrong",
            "Correct the path of the URL (clusters[0].cluster.server) in the webhook's file, and restart the API server",
        ),
        Fault::Unauthorized => (
            "401: it does not take the API server's credential",
            "Renew the credential (users[0].user) in the webhook's file, and restart the API server",
        ),
        Fault::Refused if error == "unknown" => ("403 without a word", credential),
        Fault::Refused => ("an HTTP refusal", credential),
        Fault::Silent | Fault::Status | Fault::Unreadable => return Vec::new(),
    };
    vec![
        RULE.finding(
            confidence,
            format!(
                "Nobody else claims this token, so the API server asks its webhook, which answers {what} ({}).",
                clip(error, 160)
            ),
            word.cite(),
            Step::command(
                step,
                "ps -o args= -C kube-apiserver | grep -oP 'authentication-token-webhook-config-file=\\K\\S+'",
            ),
        )
        .step(Step::text("Read the webhook's own log for the same moment: it says whom it saw and why it refused."))
        .cite(rejected),
    ]
}

/// The TokenReview of an opaque token gives a reason, or the log one of some token: whoever reads such a token in words is a
/// webhook.
fn own_words(case: &Case<'_>) -> Option<Finding> {
    let (said, cite, confidence) = match case.evidence.control_plane.token_review.seen() {
        Some(review) => {
            let error = review.error.as_deref()?;
            let said = error.trim_matches(['[', ']']).strip_prefix("invalid bearer token, ")?;
            let text = format!("TokenReview says: {}", clip(error, 240));
            (said, seen("/controlPlane/tokenReview/seen/error", text), Confidence::Likely)
        }
        None => {
            let word = case.said(&message::WEBHOOK_WORDS)?;
            let doubtful = word.past || hook::answered_since(case, word);
            let confidence = if doubtful { Confidence::Possible } else { Confidence::Likely };
            (word.field("error"), word.cite(), confidence)
        }
    };
    let known = case.words.iter().any(|word| word.place == Place::TokenReview);
    let without = case.configuration.as_ref().is_some_and(|(known, _)| known.complete && !known.webhook);
    if case.token()?.kind != TokenKind::Opaque || known || without {
        return None;
    }
    let file = |text: &str| {
        Step::command(
            text,
            "ps -o args= -C kube-apiserver | grep -oP 'authentication-token-webhook-config-file=\\K\\S+'",
        )
    };
    let log = Step::text("Read the webhook's own log for the same moment: it says whom it saw and why it refused.");
    let mut finding = if said.starts_with('<') {
        let why = format!(
            "Nobody else claims this token, so the API server asks its webhook, and is answered with a page: {}. So the webhook, or a proxy before it, refuses the API server.",
            clip(said, 160)
        );
        let step = file(
            "Have the webhook, and the proxy before it, allow the API server (its client certificate or token in users[0].user of the webhook's file)",
        );
        RULE.finding(confidence, why, cite, step)
    } else {
        let why = format!(
            "Nobody else claims this token, and whoever was asked about it says: {}. No authenticator of the API server itself gives a reason for such a token: these are its token webhook's words, about the token or about the API server that asks.",
            clip(said, 160).trim_end_matches('.')
        );
        let step = file(
            "Have that mended where the webhook has its users and tokens; this file of the API server's says where the webhook is",
        );
        let finding = RULE.finding(confidence, why, cite, step);
        finding.titled("The token webhook refuses this token, and says why")
    };
    if case.evidence.control_plane.token_review.seen().is_none() {
        finding.why.push_str(" The line of the log names no token, and may be about another one than this.");
    }
    if confidence == Confidence::Possible {
        finding.explains = &[];
    }
    Some(finding.step(log))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Observation, Outcome};

    #[test]
    fn the_webhooks_own_words_are_told_as_its() {
        let text = include_str!("../../../testdata/cases/authentication-webhook-refused/evidence.json");
        let told = |error: &str| {
            // Synthetic: the review of another token; a webhook's own error reads so at a kube-apiserver 1.36.
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            evidence.control_plane.log = Observation::default();
            let Outcome::Seen(review) = &mut evidence.control_plane.token_review.outcome else { panic!("no review") };
            review.error = Some(error.to_owned());
            let found = check(&Case::new(&evidence));
            found.into_iter().map(|finding| (finding.confidence, finding.title, finding.why)).collect::<Vec<_>>()
        };
        let locked = told("[invalid bearer token, account of jane is locked]");
        let [(Confidence::Likely, title, why)] = &locked[..] else { panic!("{locked:?}") };
        assert!(title.contains("refuses this token") && why.contains("account of jane is locked"), "{title}: {why}");
        let page =
            told("[invalid bearer token, <html><head><title>403 Forbidden</title></head><body>nginx</body></html>]");
        let [(Confidence::Likely, title, why)] = &page[..] else { panic!("{page:?}") };
        assert!(title == RULE.title && why.contains("403 Forbidden"), "{title}: {why}");
        // Nobody gave a reason.
        assert!(told("invalid bearer token").is_empty());
    }
    #[test]
    fn the_webhooks_own_words_in_a_log_may_be_about_somebody_else() {
        let text = include_str!("../../../testdata/cases/authentication-webhook-refused-log/evidence.json");
        // Lines as a kube-apiserver 1.36 wrote them of other tokens, in another order.
        let line = |error: &str| {
            format!(
                "E1125 17:25:39.716702   30877 authentication.go:75] \"Unable to authenticate the request\" err=\"{error}\""
            )
        };
        let locked = line("[invalid bearer token, account of jane is locked]");
        let nobody = line("invalid bearer token");
        let told = |lines: &[&str]| {
            let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
            let matches = lines.iter().zip(1_u64..).map(|(line, number)| {
                let found = message::recognise(line).into_iter().next().or_else(|| message::webhook_words(line));
                let found = found.expect("a known line");
                serde_json::json!({ "text": found.text.name, "line": line, "lineNumber": number,
                    "lastLineNumber": number, "count": 1, "fields": found.fields })
            });
            let matches: Vec<serde_json::Value> = matches.collect();
            evidence["controlPlane"]["log"]["seen"]["matches"] = serde_json::json!(matches);
            let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
            let found = check(&Case::new(&evidence));
            found.into_iter().map(|finding| (finding.confidence, finding.explains.is_empty())).collect::<Vec<_>>()
        };
        assert_eq!(told(&[locked.as_str()]), [(Confidence::Likely, false)]);
        assert_eq!(told(&[nobody.as_str(), locked.as_str()]), [(Confidence::Likely, false)]);
        assert_eq!(told(&[locked.as_str(), nobody.as_str()]), [(Confidence::Possible, true)]);
        assert!(told(&[nobody.as_str()]).is_empty());
    }
}
