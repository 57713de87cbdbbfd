//! Endpoint addresses on the issuer's allow-list.

use crate::aws::egress::Mode;
use crate::report::{seen, Finding, Severity};
use crate::rules::{eks, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "allowlist-uses-endpoint-addresses",
    severity: Severity::Error,
    title: "The issuer's allow-list names the API endpoint's addresses, and the control plane does not come from there",
    page: Page {
        means: "Somebody looked up the API endpoint (or the cluster's network interfaces) and allowed those addresses at the issuer. That is where clients enter. With the egress mode AWS_MANAGED the control plane leaves through a network of AWS's own, whose addresses nobody publishes; with CUSTOMER_ROUTED and a public issuer it comes from the NAT gateways. It may have seemed to work: an API server that had already read the issuer keeps its keys until it is replaced.",
        evidence: "The list itself (security group, listener rule, WAF), the endpoint's and interfaces' addresses, and the cluster's egress mode.",
        fix: "Open the two public documents (discovery and key set) to everybody, and keep the rest closed; or route the control plane through your VPC and allow what it then comes from. `kaccess allowlist` prints the rule for load balancer, ingress or nginx.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/control-plane-egress.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked", "allowlist-misses-control-plane", "security-group-blocks-issuer", "listener-rule-blocks-discovery", "waf-may-block-discovery"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(found) = eks::list_obstacle(case) else { return Vec::new() };
    let wrong = found.of_endpoint(case);
    let Some(first) = wrong.first() else { return Vec::new() };
    let managed = matches!(found.reach.mode, Mode::AwsManaged { .. });
    let names: Vec<String> = wrong.iter().map(|listed| format!("{} ({})", listed.value, listed.place.word())).collect();
    let from = if managed {
        "this control plane leaves through a network of AWS's own, whose addresses nobody publishes".to_owned()
    } else {
        format!("this control plane comes from {}", eks::sources(&found))
    };
    let why = format!("{} {} where the API endpoint or the cluster's interfaces are: clients enter there. To the issuer, {from}, so nothing on the list fits.", names.join(", "), if names.len() == 1 { "is" } else { "are" });
    let list = seen(first.path.clone(), format!("{} lets in {}", first.place.word(), first.value));
    vec![found.finding(&RULE, case, why, list)]
}
