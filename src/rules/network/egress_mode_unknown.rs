//! An undocumented egress mode.

use crate::aws::egress::Mode;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "egress-mode-unknown",
    severity: Severity::Warning,
    title: "The cluster has an egress mode that is not documented",
    page: Page {
        means: "controlPlaneEgressMode has a value of which no documentation says through what the control plane then leaves. What reaches the issuer cannot be told, and is not guessed.",
        evidence: "The cluster's description.",
        fix: "Ask AWS what the mode means for calls of the API server to an OIDC issuer; opening the two documents to everybody does no harm in any mode. `aws eks describe-cluster --name CLUSTER --query cluster.resourcesVpcConfig.controlPlaneEgressMode` shows it.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/control-plane-egress.html",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(cluster) = eks::aws(case).and_then(|aws| aws.cluster.seen()) else { return Vec::new() };
    let Mode::Unknown(word) = Mode::of(cluster) else { return Vec::new() };
    vec![RULE
        .finding(
            Confidence::Certain,
            format!("controlPlaneEgressMode is {word}. What the control plane leaves through then is not documented, so whether it reaches the issuer is not judged here."),
            seen("/aws/cluster/seen/vpc/controlPlaneEgressMode", format!("controlPlaneEgressMode is {word}")),
            Step::text("Ask AWS support from which addresses the API server of such a cluster calls an OIDC issuer."),
        )
        .step(Step::command("The API server's own log says what it meets (log type api must be on)", shell!("aws logs filter-log-events --log-group-name /aws/eks/{}/cluster --log-stream-name-prefix kube-apiserver- --filter-pattern '\"oidc authenticator\"'", cluster.name)))]
}
