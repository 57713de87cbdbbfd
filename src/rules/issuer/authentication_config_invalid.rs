//! An authentication configuration that the server does not start with.

use crate::apiserver::message::{self, heard};
use crate::evidence::apiserver::HttpAnswer;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-config-invalid",
    severity: Severity::Error,
    title: "The API server does not start with its authentication configuration",
    page: Page {
        means: "The file of --authentication-config is read strictly: an unknown field, a missing value or an expression that does not compile ends the API server at its start.",
        evidence: "The line in its log that names file and field, or the check of the configuration that was handed over.",
        fix: "Correct the field that the line names. `kaccess decode --against FILE` names everything that the server would refuse in it.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration",
    },
    recognises: &[&message::CONFIG_INVALID, &heard::FLAGS_INVALID],
    explains: &[
        "api-connection-refused",
        "api-connection-timeout",
        "api-connection-closed",
        "api-unavailable",
        "credential-rejected",
    ],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let said = case.said(&message::CONFIG_INVALID).filter(|word| !word.field("error").contains("disallowed issuers"));
    // A server that answers has the flags that it needs: what was handed over is a part of them.
    let serves = [&case.evidence.endpoint.authenticated, &case.evidence.endpoint.anonymous]
        .into_iter()
        .any(|answer| answer.seen().is_some_and(HttpAnswer::is_served));
    let fits = |error: &str| {
        let other = error.contains("mutually exclusive") || error.contains("disallowed issuers");
        !(other || serves && error.contains("is a required flag"))
    };
    let Some((confidence, first, given)) = case.refused_configuration(said, fits) else { return Vec::new() };
    let detail = said.map(|word| word.field("error").to_owned()).or(given).unwrap_or_default();
    // The log's own closing quote.
    let odd = detail.matches('"').count() % 2 == 1;
    let detail = detail.strip_suffix('"').filter(|_| odd).unwrap_or(&detail);
    let why = format!(
        "The authentication configuration has a fault that the API server does not start with: {}",
        clip(detail, 300)
    );
    let finding = RULE.finding(confidence, why, first, Step::command("Correct what the line names, and check the file before it goes into place", "kaccess decode TOKEN --against authentication.yaml"))
        .step(Step::text("In a static Pod the kubelet starts the API server again by itself as soon as its manifest is touched, else within some minutes (back-off)."));
    vec![finding]
}
