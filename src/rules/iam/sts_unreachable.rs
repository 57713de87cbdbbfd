//! The authenticator gets no answer from STS.

use crate::apiserver::message::{self, heard, tools};
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "sts-unreachable",
    severity: Severity::Error,
    title: "The control plane cannot reach STS",
    page: Page {
        means: "Every IAM token is checked at STS, by the authenticator in the control plane. It gets no connection: a fault on AWS's side, which lets nobody in by IAM.",
        evidence: "The authenticator's log: error during GET.",
        fix: "Wait for AWS or open a case; OIDC users and service accounts are not concerned. `kubectl create token NAME -n NAMESPACE` by somebody who is still in gives a way around.",
        references: "https://health.aws.amazon.com/health/status",
    },
    recognises: &[&message::IAM_STS_UNREACHABLE, &heard::PLUGIN_STS, &tools::STS_UNREACHABLE],
    explains: &["credential-rejected", "iam-identity-not-mapped", "exec-failed"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if !eks::is_iam(case) { return Vec::new(); }
    let Some((word, named)) = eks::authenticator_word(case, &message::IAM_STS_UNREACHABLE) else { return Vec::new() };
    
    vec![
        RULE.finding(
            eks::sure(case, word, named),
            format!("The authenticator gets no answer from STS: {}", clip(word.field("error"), 160)),
            word.cite(),
            Step::command("See whether AWS knows of it; else open a case, with the log line", "aws health describe-events --filter services=STS"),
        )
        .step(Step::text("Until then a service account token or an OIDC login gets in: they need no STS."))
        .cite_if(eks::refused(case)),
    ]
}
