//! A login in front of discovery.

use crate::aws::reach::Layer;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "listener-login-on-discovery",
    severity: Severity::Error,
    title: "The issuer's load balancer asks the API server to log in",
    page: Page {
        means: "The rule that takes the two documents logs people in first (authenticate-oidc, authenticate-cognito, or a token check). The API server follows the redirect, gets a login page instead of JSON, and never initialises.",
        evidence: "The actions of the listener rule that takes the paths.",
        fix: "Add a rule for exactly the two paths before it, without the login action. `kaccess allowlist -o aws-cli` prints it (or terraform, ingress, nginx).",
        references: "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked", "jwks-unparsable", "jwks-unreachable", "issuer-returns-html"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(stopped) = eks::keys_stopped(case, Layer::Login) {
        return vec![stopped.finding(&RULE)];
    }
    let Some(found) = eks::obstacle(case, Layer::Login) else { return Vec::new() };
    if let Some(later) = found.of_keys_later(&RULE, case) {
        return vec![later];
    }
    vec![
        RULE.finding(found.confidence, format!("The load balancer of {} wants a login first, and the API server cannot log in, {}.", found.reach.host, eks::unread(found.reach)), seen(found.step.path.clone().unwrap_or_default(), found.step.text.clone()), eks::open_two_paths(found.reach))
            .step(Step::text("With the AWS Load Balancer Controller: a second Ingress of the same group, with a lower group.order, for the two paths and without auth-type (kaccess allowlist -o ingress prints it, or says why there can be none)."))
            .step(eks::again())
            .cite(eks::cite_mode(found.reach))
            .cite_if(found.word.clone()),
    ]
}
