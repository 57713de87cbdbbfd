//! Interface addresses one by one.

use crate::aws::allowlist::{listed, own_groups};
use crate::aws::egress;
use crate::aws::reach::{Layer, Peer};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "allowlist-pins-addresses",
    severity: Severity::Warning,
    title: "The issuer's allow-list pins addresses of the cluster's interfaces, which move",
    page: Page {
        means: "The control plane leaves through the cluster's network interfaces, and their addresses are on the list one by one: right today. EKS makes the interfaces anew at each version update and whenever AWS replaces a server, with other addresses.",
        evidence: "The list, and the interfaces' addresses.",
        fix: "List the cluster security group (same or peered VPC), or the subnets, instead. `kaccess allowlist` prints them.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(reach), Some(aws)) = (&case.reach, eks::aws(case)) else { return Vec::new() };
    let Peer::Known { groups, .. } = &reach.peer else { return Vec::new() };
    // Only interfaces' own addresses move; a NAT gateway keeps its own.
    if groups.is_empty() || reach.blocked_at(Layer::SecurityGroup).is_some() {
        return Vec::new();
    }
    let interfaces = egress::interface_addresses(aws);
    let all = listed(aws, reach);
    let wider = all.iter().any(|one| match one.range {
        None => groups.contains(&one.value),
        Some(range) => !one.single() && interfaces.iter().all(|address| range.contains(address)),
    });
    let open = reach.step(Layer::SecurityGroup).is_some_and(|step| step.text.contains("open to everybody"));
    let pinned: Vec<_> = all.iter().filter(|one| one.single() && one.range.is_some_and(|range| interfaces.iter().any(|address| range.contains(address)))).collect();
    let Some(first) = pinned.first().filter(|_| !wider && !open) else { return Vec::new() };
    let names: Vec<&str> = pinned.iter().map(|one| one.value.as_str()).collect();
    let target = aws.issuer_balancer.load_balancer.seen().and_then(|found| own_groups(aws, reach, &found.security_groups).into_iter().next()).unwrap_or_else(|| "SG_OF_THE_LOAD_BALANCER".to_owned());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{} are addresses of the cluster's interfaces today. At the next version update they are others, and the API servers are shut out.", names.join(", ")),
            seen(first.path.clone(), format!("{} lets in {}", first.place.word(), first.value)),
            Step::command("Allow the security group that is on the interfaces, then take the addresses out", shell!("aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --source-group {}", target, reach.port, groups[0])),
        )
        .step(Step::text("Where the place takes no security group (a listener rule, a WAF, nginx): allow the ranges of the cluster's subnets."))
        .cite(seen("/aws/network/interfaces/seen", "the cluster's interfaces as they are now")),
    ]
}
