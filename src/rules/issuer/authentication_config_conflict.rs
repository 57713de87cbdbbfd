//! Both ways to configure an issuer at once.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authentication-config-conflict",
    severity: Severity::Error,
    title: "The API server has --authentication-config and --oidc-* flags, and does not start",
    page: Page {
        means: "The flags --oidc-* and a file of --authentication-config exclude each other. An API server with both ends at once, and the address refuses connections.",
        evidence: "The line \"authentication-config file and oidc-* flags are mutually exclusive\" in its log, or both in the configuration that was handed over.",
        fix: "Remove the --oidc-* flags after their values stand in the file. In the manifest /etc/kubernetes/manifests/kube-apiserver.yaml only `--authentication-config=FILE` stays.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration",
    },
    recognises: &[&message::CONFIG_CONFLICT],
    explains: &["api-connection-refused", "api-connection-timeout", "api-connection-closed", "api-unavailable", "credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let said = case.said(&message::CONFIG_CONFLICT);
    let Some((confidence, first, _)) = case.refused_configuration(said, |error| error.contains("mutually exclusive")) else {
        return Vec::new();
    };
    let why = "The API server was given both an authentication configuration and --oidc-* flags; it refuses to choose and ends.";
    let finding = RULE.finding(confidence, why, first, Step::command("On a control-plane node, find both", "grep -nE -- '--(oidc-|authentication-config)' /etc/kubernetes/manifests/kube-apiserver.yaml"))
        .step(Step::text("Take over issuer, client id, claims and prefixes of the flags into the file (jwt[0].issuer, .claimMappings), then delete every --oidc-* flag; the kubelet starts the API server again by itself."));
    vec![finding]
}
