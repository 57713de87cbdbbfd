//! The token is not valid yet.

use crate::apiserver::authn::jwt::NOT_BEFORE_LEEWAY;
use crate::apiserver::message;
use crate::aws::SIGNATURE_LEEWAY;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::api_port::span;
use crate::rules::{Case, Page, Place, Rule, Word, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-not-yet-valid",
    severity: Severity::Error,
    title: "The token is not valid yet",
    page: Page {
        means: "The nbf claim lies more than 60 s ahead of the API server's clock. The clock of whoever issued the token runs ahead, or the API server's runs behind; a token made for later is rare. An IAM token of EKS has no nbf: it begins with the time in its signature (X-Amz-Date), for which STS forgives 5 minutes.",
        evidence: "The nbf claim (of an IAM token: X-Amz-Date) against the API server's Date header; the server's own words (before the nbf (not before) time) where a TokenReview or log could be read.",
        fix: "Set both clocks by NTP. Until then the token becomes good by itself when its nbf has come. `timedatectl set-ntp true` on both machines.",
        references: "https://www.rfc-editor.org/rfc/rfc7519#section-4.1.5",
    },
    recognises: &[&message::NOT_YET_VALID, &message::SERVICE_ACCOUNT_NOT_YET_VALID],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = of_iam(case) {
        return vec![finding];
    }
    let Some(start) = case.claim_time("nbf") else { return Vec::new() };
    let (now, clock) = case.server_time();
    let ahead = start.as_second() - now.as_second();
    let word = case.reason(&[&message::NOT_YET_VALID, &message::SERVICE_ACCOUNT_NOT_YET_VALID]);
    let confidence = match (word, case.rejected()) {
        (Some(word), _) => word.confidence(ahead > 0),
        // The server's own word about something else means that this is not (yet) what it stumbles over.
        (None, Some(_)) if ahead > NOT_BEFORE_LEEWAY && case.words.iter().any(|word| word.place == Place::TokenReview) => Confidence::Likely,
        (None, Some(_)) if ahead > NOT_BEFORE_LEEWAY => Confidence::Certain,
        _ => return Vec::new(),
    };
    vec![
        RULE.finding(
            confidence,
            format!("The token begins on {start} (nbf), and by {clock} it is {}: {}. The API server forgives {NOT_BEFORE_LEEWAY} s.", now.strftime("%Y-%m-%dT%H:%M:%SZ"), if ahead > 0 { format!("{} to go", span(ahead)) } else { "that has begun, so the server's clock is another one".to_owned() }),
            seen("/credential/seen/token/claims/nbf", format!("nbf: {start}")),
            Step::command("Compare the clocks of the identity provider and of the API server's machine with NTP, and correct the wrong one", "chronyc tracking || timedatectl status"),
        )
        .step(Step::text(format!("Or wait: the token is good from {start} on (a minute earlier, by the leeway).")))
        .cite_if(word.map(Word::cite))
        .cite_if(case.rejected()),
    ]
}

/// An IAM token that is signed with a time to come: STS says "Signature not yet current" to the authenticator.
fn of_iam(case: &Case<'_>) -> Option<Finding> {
    let refused = eks::refused(case)?;
    let signed = case.claim_time("date")?;
    let (now, clock) = case.server_time();
    let ahead = signed.as_second() - now.as_second();
    if ahead <= SIGNATURE_LEEWAY {
        return None;
    }
    let finding = RULE
        .finding(
            Confidence::Likely,
            format!("The token is signed with the time {signed}, and by {clock} it is {}: {} ahead. STS, which the authenticator asks, forgives 5 minutes (\"Signature not yet current\").", now.strftime("%Y-%m-%dT%H:%M:%SZ"), span(ahead)),
            seen("/credential/seen/token/claims/date", format!("X-Amz-Date: {signed}")),
            Step::command("Compare the clock of the machine that signs the token with the network's, and correct it; then make a new token", "timedatectl status; sudo timedatectl set-ntp true"),
        )
        .titled("The IAM token is signed with a time that has not come")
        .cite(refused);
    Some(finding)
}
