//! An allow-list that nothing of the control plane fits.

use crate::aws::egress::Mode;
use crate::report::{Finding, Severity, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "allowlist-misses-control-plane",
    severity: Severity::Error,
    title: "The issuer's allow-list does not let the control plane in",
    page: Page {
        means: "The issuer lets in listed addresses only, and what the control plane comes from is not among them. Under the egress mode AWS_MANAGED no list can hold it: the addresses are not published. Under CUSTOMER_ROUTED it is the NAT gateways' addresses (a public issuer) or the security group of the cluster's interfaces (an internal one).",
        evidence: "The list, the egress mode, and the routes of the cluster's subnets.",
        fix: "AWS_MANAGED: open the two documents to everybody. CUSTOMER_ROUTED: add the security group or the NAT addresses. `kaccess allowlist` prints what to allow.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/control-plane-egress.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked", "security-group-blocks-issuer", "listener-rule-blocks-discovery", "waf-may-block-discovery"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(found) = eks::list_obstacle(case) else { return Vec::new() };
    if !found.of_endpoint(case).is_empty() {
        return Vec::new();
    }
    let Some(first) = found.lists.first() else { return Vec::new() };
    let managed = matches!(found.reach.mode, Mode::AwsManaged { .. });
    let why = if managed {
        format!("In front of {}, {}. No list can let it in: the control plane of this cluster leaves through a network of AWS's own.", found.reach.host, found.step.text)
    } else {
        format!("The control plane comes from {}, and {}.", eks::sources(&found), found.step.text)
    };
    let more = if found.lists.len() > 1 { format!(" and {} more", found.lists.len() - 1) } else { String::new() };
    let list = seen(first.path.clone(), format!("{} lets in {}{more}", first.place.word(), first.value));
    vec![found.finding(&RULE, case, why, list)]
}
