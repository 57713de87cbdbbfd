//! The OIDC issuer is the cluster's own.

use crate::apiserver::message::{self, heard};
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-equals-service-account-issuer",
    severity: Severity::Error,
    title: "The OIDC issuer is the cluster's own service account issuer, and the API server does not start",
    page: Page {
        means: "Tokens of one issuer can have one authenticator only. A jwt issuer that equals --service-account-issuer is refused at the start.",
        evidence: "The line \"URL must not overlap with disallowed issuers\" in its log, or both values in the configuration that was handed over.",
        fix: "Take the cluster's own issuer out of the OIDC configuration (its tokens work without), or give the identity provider its own URL. `kubectl get --raw /.well-known/openid-configuration` shows the cluster's own.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#using-authentication-configuration",
    },
    recognises: &[&message::ISSUER_IS_OWN, &heard::ISSUER_OVERLAP],
    explains: &["api-connection-refused", "api-connection-timeout", "api-connection-closed", "api-unavailable", "credential-rejected", "authentication-config-invalid"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let said = case.said(&message::ISSUER_IS_OWN);
    let Some((confidence, first, _)) = case.refused_configuration(said, |error| error.contains("disallowed issuers")) else {
        return Vec::new();
    };
    let issuer = said.map_or_else(|| "the OIDC issuer".to_owned(), |word| format!("{:?}", word.field("issuer")));
    let why = format!("{issuer} is configured as an OIDC issuer and is a --service-account-issuer of this cluster too; the API server ends at its start.");
    let finding = RULE.finding(confidence, why, first, Step::command("On a control-plane node, find both places", "grep -nE -- '--(oidc-issuer-url|service-account-issuer|authentication-config)' /etc/kubernetes/manifests/kube-apiserver.yaml"))
        .step(Step::text("Remove the one under jwt (or --oidc-issuer-url) if it is the cluster's own: service account tokens need no OIDC. If it is your identity provider's, give --service-account-issuer back its own URL; old tokens stay good while the old value stands second."));
    vec![finding]
}
