//! A client certificate for an EKS cluster.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificates-unsupported-on-eks",
    severity: Severity::Error,
    title: "EKS does not take client certificates",
    page: Page {
        means: "The API server of EKS has no CA for client certificates that anybody could have one signed by: CertificateSigningRequests with the signer kubernetes.io/kube-apiserver-client are not signed there. A certificate is simply not looked at, and the request is anonymous or refused.",
        evidence: "A client certificate as the only credential, and an EKS cluster.",
        fix: "Sign in with IAM (aws eks get-token), an OIDC provider, or a service account token. `aws eks update-kubeconfig --name CLUSTER` writes the entry.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/cert-signing.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "anonymous-request", "client-certificate-untrusted", "tls-terminated-before-api-server"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.only_certificate().is_none() || (case.accepted() && case.anonymous().is_none()) {
        return Vec::new();
    }
    let Some(refused) = case.rejected().or_else(|| case.anonymous()) else { return Vec::new() };
    let cluster = eks::aws(case).and_then(|aws| aws.cluster.seen());
    let host = case.evidence.endpoint.route.seen().filter(|route| route.host.ends_with(".eks.amazonaws.com") || route.host.ends_with(".eks.amazonaws.com.cn"));
    let first = match (cluster, host) {
        (Some(cluster), _) => seen("/aws/cluster/seen/arn", format!("this is the EKS cluster {}", cluster.name)),
        (None, Some(route)) => probed("/endpoint/route/seen/host", format!("{} is an endpoint of EKS", route.host)),
        (None, None) => return Vec::new(),
    };
    vec![
        RULE.finding(
            if cluster.is_some() { Confidence::Certain } else { Confidence::Likely },
            "The only credential is a client certificate, and EKS takes none from its users.",
            first,
            Step::command("Write an entry that signs in with IAM", shell!("aws eks update-kubeconfig --name {}", eks::cluster(case))),
        )
        .step(Step::text("For a machine without an AWS identity: a service account token, or an OIDC provider associated with the cluster."))
        .cite(seen("/credential/seen/certificates", "a client certificate, and no token"))
        .cite(refused),
    ]
}
