//! A private issuer under AWS-managed egress.

use crate::aws::egress::Mode;
use crate::aws::reach::Layer;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-internal-load-balancer",
    severity: Severity::Error,
    title: "The issuer is inside your VPC, and the control plane does not come from there",
    page: Page {
        means: "The issuer has only private addresses (an internal load balancer). With the egress mode AWS_MANAGED the control plane calls it from a network of AWS's own, which has no way into your VPC; neither a security group nor peering changes that.",
        evidence: "The load balancer's scheme (or the issuer's addresses) and the cluster's egress mode.",
        fix: "Publish the two documents on an internet-facing load balancer, or set controlPlaneEgressMode to CUSTOMER_ROUTED. `aws eks update-cluster-config --name CLUSTER --resources-vpc-config controlPlaneEgressMode=CUSTOMER_ROUTED` does the latter, for good.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/control-plane-egress.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked", "allowlist-uses-endpoint-addresses", "allowlist-misses-control-plane", "security-group-blocks-issuer", "listener-rule-blocks-discovery", "waf-may-block-discovery"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(found) = eks::obstacle(case, Layer::Route) else { return Vec::new() };
    if !matches!(found.reach.mode, Mode::AwsManaged { .. }) || !found.reach.private {
        return Vec::new();
    }
    let balancer = eks::aws(case).and_then(|aws| found.reach.balancer(aws).load_balancer.seen());
    let (probes, at) = case.issuer();
    let first = match balancer {
        Some(balancer) => seen("/aws/issuerBalancer/loadBalancer/seen/scheme", format!("load balancer {} is {}", balancer.name, balancer.scheme)),
        None => probed(format!("{at}/dns/seen/addresses"), format!("{} resolves to {} only", found.reach.host, probes.dns.seen().map(|dns| dns.addresses.join(", ")).unwrap_or_default())),
    };
    // Without the load balancer itself only this machine's resolver speaks, which may be a private zone's.
    let confidence = if balancer.is_some() { found.confidence } else { Confidence::Likely };
    let finding = RULE.finding(
            confidence,
            format!("{} has only private addresses. The control plane of this cluster leaves through AWS's own network (AWS_MANAGED) and cannot get there.", found.reach.host),
            first,
            Step::text(format!("Put a second, internet-facing load balancer (or a public copy of two static files) in front of {}, that serves only {}; the name must resolve to it in public DNS, and a private zone of the same name may keep the internal one for people.", found.reach.host, found.reach.paths.join(" and "))),
        );
    let finding = if balancer.is_some() {
        finding
    } else {
        finding.step(Step::command("Whether public DNS says the same, which is what the control plane asks:", "kaccess doctor --public-resolver 9.9.9.9"))
    };
    vec![
        finding
        .step(eks::route_through_vpc(case))
        .step(eks::again())
        .cite(eks::cite_mode(found.reach))
        .cite_if(found.word.clone()),
    ]
}
