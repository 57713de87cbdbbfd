//! Addresses that the interfaces had once.

use ipnet::IpNet;

use crate::aws::allowlist::listed;
use crate::aws::egress;
use crate::aws::reach::Layer;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "endpoint-addresses-changed",
    severity: Severity::Warning,
    title: "The allow-list names addresses of the cluster's subnets that nothing has any more",
    page: Page {
        means: "Single addresses inside the cluster's subnets are on the issuer's allow-list, and none of the cluster's interfaces has them now. Such entries are left behind when EKS makes the interfaces anew.",
        evidence: "The list, the subnets' ranges, and the interfaces' addresses as they are now.",
        fix: "Allow the cluster security group or the subnets, and take the old addresses out. `kaccess allowlist --check` shows the difference.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(reach), Some(aws)) = (&case.reach, eks::aws(case)) else { return Vec::new() };
    let (Some(cluster), Some(subnets), Some(_)) = (aws.cluster.seen(), aws.network.subnets.seen(), aws.network.interfaces.seen()) else { return Vec::new() };
    let now = egress::interface_addresses(aws);
    if now.is_empty() {
        return Vec::new();
    }
    let ranges: Vec<IpNet> = subnets
        .iter()
        .filter(|subnet| cluster.vpc.subnet_ids.contains(&subnet.id))
        .flat_map(|subnet| subnet.cidr.iter().chain(&subnet.ipv6_cidrs))
        .filter_map(|cidr| cidr.parse().ok())
        .collect();
    let all = listed(aws, reach);
    let lost = |range: IpNet| ranges.iter().any(|subnet| subnet.contains(&range)) && !now.iter().any(|address| range.contains(address));
    let old: Vec<_> = all.iter().filter(|one| one.single() && one.range.is_some_and(lost)).collect();
    let Some(first) = old.first() else { return Vec::new() };
    // Somebody else's address (a jump host) may well be listed: it takes one that still fits, or a list that shuts out.
    let some_still = all.iter().any(|one| one.single() && one.range.is_some_and(|range| now.iter().any(|address| range.contains(address))));
    let shut = [Layer::SecurityGroup, Layer::Rule].into_iter().any(|layer| eks::obstacle(case, layer).is_some());
    if !some_still && !shut {
        return Vec::new();
    }
    let names: Vec<&str> = old.iter().map(|one| one.value.as_str()).collect();
    let current: Vec<String> = now.iter().map(ToString::to_string).collect();
    vec![
        RULE.finding(
            if some_still { Confidence::Likely } else { Confidence::Possible },
            format!("{} {} inside the cluster's subnets, and the interfaces have {} now.", names.join(", "), if names.len() == 1 { "is" } else { "are" }, current.join(", ")),
            seen(first.path.clone(), format!("{} lets in {}", first.place.word(), first.value)),
            Step::command("See what the control plane comes from, and what of the list is of use", "kaccess allowlist --check"),
        )
        .cite(seen("/aws/network/interfaces/seen", format!("the cluster's interfaces have {}", current.join(", ")))),
    ]
}
