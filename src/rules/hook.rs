//! What became of the API server's call to a webhook, by the words that Go's client has for it.

use super::{Case, Place, Word, eks};
use crate::apiserver::message::{self, Text};
use crate::evidence::credential::TokenKind;
use crate::report::Confidence;

/// Why a webhook that was called gave no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No answer came: its name, its port, its certificate, its time.
    Silent,
    /// It answered with an error of its own (5xx, 429).
    Status,
    /// It answered 404.
    NotFound,
    /// It answered 401.
    Unauthorized,
    /// It answered with another refusal.
    Refused,
    /// It answered 200, and with nothing that is the review which was asked for.
    Unreadable,
}

/// An answer of the right status that is no such review, or one of another version.
pub const UNREADABLE: &[&str] =
    &["couldn't get version/kind", "converting (", "no kind \"", "0-length response", "decode"];

/// What Go's client says where the answer's status is none of success; behind 401 and 404 what they stand for.
const STATUS: &[&str] = &[
    "an error on the server",
    "unable to handle the request",
    "unable to return a response",
    "has received too many requests",
    "Internal error occurred",
];

/// What it says where no answer came.
const SILENT: &[&str] = &[
    "dial tcp",
    "EOF",
    "timeout",
    "deadline",
    "x509",
    "lookup",
    "refused",
    "no route",
    "proxyconnect",
    "reset",
    "context canceled",
];

/// What the error of a call means.
pub fn fault(error: &str) -> Fault {
    let holds = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if holds(UNREADABLE) {
        Fault::Unreadable
    } else if holds(&["could not find the requested resource"]) {
        Fault::NotFound
    } else if holds(&["asked for the client to provide credentials"]) || error.trim_end_matches('"') == "Unauthorized" {
        Fault::Unauthorized
    } else if holds(STATUS) {
        Fault::Status
    } else if holds(SILENT) {
        Fault::Silent
    } else {
        Fault::Refused
    }
}

/// The version that was answered and the one that was asked for, where that is what is wrong.
pub fn versions(error: &str) -> Option<(&str, &str)> {
    let (got, rest) = error.split_once("converting (")?.1.split_once(')')?;
    let asked = rest.split_once("to (")?.1.split_once(')')?.0;
    Some((got.split('.').next()?, asked.split('.').next()?))
}

/// A TokenReview that ends in "unknown": Go's client has no other word for a refusal (403) whose body is no Status. A
/// server without a webhook never says it.
pub fn refused_without_a_word(case: &Case<'_>, word: &Word) -> bool {
    // EKS' own webhook says so of every token that is no AWS identity's.
    let of_webhook = *word.text == message::NOBODY_CLAIMED && word.line.contains("invalid bearer token, unknown");
    of_webhook && word.place == Place::TokenReview && !eks::is_eks(case)
}

/// What the API server met as it asked its webhook about the token, as far as that is why the token is refused: its
/// TokenReview of this very token says so, or the log tells of everybody's.
pub fn about_token<'c>(case: &'c Case<'_>) -> Option<(&'c Word, Fault, Confidence)> {
    const CALLS: [&Text; 2] = [&message::WEBHOOK_TRANSPORT, &message::WEBHOOK_ANSWER];
    // A 404 of the webhook reads like kubectl's word for a missing resource.
    const NO_REASON: [&Text; 2] = [&message::NOBODY_CLAIMED, &message::RESOURCE_NOT_SERVED];
    let reviews: Vec<&'c Word> = case.words.iter().filter(|word| word.place == Place::TokenReview).collect();
    // Where the server named another reason for this very token, the webhook is not what refused it.
    if reviews.iter().any(|word| !CALLS.contains(&word.text) && !NO_REASON.contains(&word.text)) {
        return None;
    }
    let of = |word: &Word| match word.text == &message::WEBHOOK_TRANSPORT {
        true => Fault::Silent,
        false => fault(word.field("error")),
    };
    if let Some(word) = reviews.iter().find(|word| CALLS.contains(&word.text)) {
        return Some((word, of(word), Confidence::Certain));
    }
    let wordless = reviews.into_iter().find(|word| refused_without_a_word(case, word));
    let word = [&message::WEBHOOK_TRANSPORT, &message::WEBHOOK_FAILED, &message::WEBHOOK_ANSWER]
        .into_iter()
        .find_map(|text| case.said(text).filter(|word| !word.past));
    // Of another refusal the log tells of somebody else's token.
    let word = word.filter(|word| wordless.is_none() || word.field("error").trim_end_matches('"') == "unknown");
    let Some(word) = word else { return wordless.map(|word| (word, Fault::Refused, Confidence::Likely)) };
    let review = case.evidence.control_plane.token_review.seen();
    let said = review.and_then(|review| review.error.as_deref());
    let nobody =
        said.is_some_and(|error| message::recognise(error).iter().any(|found| found.text == &message::NOBODY_CLAIMED));
    // The webhook judged this token, in words of its own: the line is of another time.
    if said.is_some_and(|error| !nobody && !error.contains(word.field("error").trim_end_matches('"'))) {
        return None;
    }
    let fault = of(word);
    // Such a token is nobody else's to judge.
    let opaque = case.token().is_some_and(|token| matches!(token.kind, TokenKind::Opaque | TokenKind::EksIam));
    let sure = match fault {
        Fault::Refused | Fault::NotFound | Fault::Unauthorized => {
            said.is_some_and(|error| error != "invalid bearer token")
        }
        // Whoever does not answer answers nobody.
        Fault::Silent => opaque && (review.is_none() || word.text == &message::WEBHOOK_TRANSPORT),
        // What it answered may have been about somebody else's token.
        Fault::Status | Fault::Unreadable => false,
    };
    let confidence = match (answered_since(case, word), sure) {
        (true, _) => Confidence::Possible,
        (false, true) => Confidence::Certain,
        (false, false) => Confidence::Likely,
    };
    Some((word, fault, confidence))
}

/// A later line of the same log says that nobody takes a token, and no more: the webhook was asked about that one too, and
/// answered.
pub fn answered_since(case: &Case<'_>, word: &Word) -> bool {
    let log = |word: &Word| word.path.split("/seen/").next().map(str::to_owned);
    case.words.iter().any(|other| {
        let silent = *other.text == message::NOBODY_CLAIMED && !other.line.contains("invalid bearer token, unknown");
        silent && other.place == Place::Log && log(other) == log(word) && other.line_number > word.line_number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_failed_is_told_from_an_answer_that_is_no_review() {
        for (error, expected) in [
            (r#"Post "https://h/x?timeout=30s": dial tcp 10.0.0.9:8443: connect: connection refused"#, Fault::Silent),
            ("context deadline exceeded", Fault::Silent),
            (r#"an error on the server ("unknown") has prevented the request from succeeding"#, Fault::Status),
            ("the server is currently unable to handle the request", Fault::Status),
            ("the server could not find the requested resource", Fault::NotFound),
            ("the server has asked for the client to provide credentials", Fault::Unauthorized),
            ("unknown", Fault::Refused),
            ("couldn't get version/kind; json parse error: unexpected end of JSON input", Fault::Unreadable),
            ("converting (v1beta1.TokenReview) to (v1.TokenReview): unknown conversion", Fault::Unreadable),
            (
                r#"no kind "SubjectAccessReview" is registered for version "authentication.k8s.io/v1""#,
                Fault::Unreadable,
            ),
            ("0-length response with status code: 200 and content type: application/json", Fault::Unreadable),
        ] {
            assert_eq!(fault(error), expected, "{error}");
        }
    }

    #[test]
    fn a_refusal_without_a_word_is_the_webhooks() {
        use crate::evidence::{Evidence, Observation, Outcome};
        let text = include_str!("../../testdata/cases/authentication-webhook-refused/evidence.json");
        let heard = |error: &str| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            evidence.control_plane.log = Observation::default();
            let Outcome::Seen(review) = &mut evidence.control_plane.token_review.outcome else { panic!("no review") };
            review.error = Some(error.to_owned());
            about_token(&Case::new(&evidence)).map(|(_, fault, confidence)| (fault, confidence))
        };
        assert_eq!(heard("[invalid bearer token, unknown]"), Some((Fault::Refused, Confidence::Likely)));
        assert_eq!(heard("invalid bearer token"), None);
    }

    #[test]
    fn a_line_of_the_log_may_be_about_somebody_elses_token() {
        use crate::evidence::Evidence;
        use serde_json::{Value, json};
        let text = include_str!("../../testdata/cases/authentication-webhook-down-log/evidence.json");
        // Lines that a real server wrote of another token and of this one, put into a case whose webhook was off.
        let heard = |errors: &[&str]| {
            let matches = errors.iter().zip(1_u64..).flat_map(|(error, number)| {
                let line = format!(
                    "E1125 17:25:32.527810   30675 authentication.go:75] \"Unable to authenticate the request\" err=\"{error}\""
                );
                message::recognise(&line).into_iter().map(move |found| {
                    json!({ "text": found.text.name, "line": line, "lineNumber": number,
                        "lastLineNumber": number, "count": 1, "fields": found.fields })
                })
            });
            let matches: Vec<Value> = matches.collect();
            let mut evidence: Value = serde_json::from_str(text).expect("evidence");
            evidence["controlPlane"]["log"]["seen"]["matches"] = json!(matches);
            let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
            about_token(&Case::new(&evidence)).map(|(_, fault, confidence)| (fault, confidence))
        };
        let status =
            r#"[invalid bearer token, an error on the server (\"unknown\") has prevented the request from succeeding]"#;
        let refused = r#"[invalid bearer token, Post \"https://localhost:36797/review?timeout=30s\": dial tcp 127.0.0.1:36797: connect: connection refused]"#;
        let nobody = "invalid bearer token";
        assert_eq!(heard(&[status]), Some((Fault::Status, Confidence::Likely)));
        assert_eq!(heard(&[status, nobody]), Some((Fault::Status, Confidence::Possible)));
        assert_eq!(heard(&[nobody, status]), Some((Fault::Status, Confidence::Likely)));
        assert_eq!(heard(&[refused]), Some((Fault::Silent, Confidence::Certain)));
        assert_eq!(heard(&[refused, nobody]), Some((Fault::Silent, Confidence::Possible)));
    }

    #[test]
    fn the_version_that_was_answered_and_the_one_that_was_asked_for() {
        let error = "converting (v1beta1.TokenReview) to (v1.TokenReview): unknown conversion";
        assert_eq!(versions(error), Some(("v1beta1", "v1")));
        assert_eq!(versions("couldn't get version/kind"), None);
    }
}
