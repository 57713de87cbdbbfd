//! Endpoint addresses on the issuer's allow-list.

use crate::aws::egress::Mode;
use crate::aws::reach::{Layer, Peer};
use crate::report::shell::{Shell, shell};
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

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
        format!("this control plane comes from {}", sources(&found))
    };
    let mut finding = RULE
        .finding(
            found.confidence,
            format!("{} {} where the API endpoint or the cluster's interfaces are: clients enter there. To the issuer, {from}, so nothing on the list fits.", names.join(", "), if names.len() == 1 { "is" } else { "are" }),
            seen(first.path.clone(), format!("{} lets in {}", first.place.word(), first.value)),
            if managed { eks::open_two_paths(found.reach) } else { allow_sources(case, &found) },
        )
        .step(if managed { eks::route_through_vpc(case) } else { eks::open_two_paths(found.reach) })
        .step(eks::again())
        .cite(eks::cite_mode(found.reach))
        .cite(eks::cite_step(found.step));
    finding = finding.cite_if(found.word.clone());
    vec![finding]
}

/// What the control plane comes from.
pub(super) fn sources(found: &eks::Obstacle<'_>) -> String {
    match &found.reach.peer {
        Peer::Known { addresses, groups } => {
            let mut all: Vec<String> = groups.iter().map(|group| format!("security group {group}")).collect();
            all.extend(addresses.iter().map(ToString::to_string));
            all.join(", ")
        }
        Peer::Unpublished => "addresses that nobody publishes".to_owned(),
        Peer::Hidden(through) => format!("behind {through}"),
    }
}

/// The step that allows it.
pub(super) fn allow_sources(case: &Case<'_>, found: &eks::Obstacle<'_>) -> Step {
    let target = eks::aws(case)
        .and_then(|aws| aws.issuer_balancer.load_balancer.seen()?.security_groups.first().cloned())
        .unwrap_or_else(|| "SG_OF_THE_LOAD_BALANCER".to_owned());
    let port = found.reach.port;
    let command = match &found.reach.peer {
        Peer::Known { groups, .. } if !groups.is_empty() => {
            shell!("aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --source-group {}", target, port, groups[0])
        }
        Peer::Known { addresses, .. } => Shell::join(addresses
            .iter()
            .map(|address| shell!("aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --cidr {}", target, port, ipnet::IpNet::from(*address)))
            , " && "),
        _ => "kaccess allowlist".into(),
    };
    if found.step.layer == Layer::SecurityGroup {
        Step::command(format!("Allow what the control plane does come from: {}", sources(found)), command)
    } else {
        Step::command(format!("Allow what the control plane does come from ({}) at the {}; this prints it", sources(found), found.step.layer.word()), "kaccess allowlist -o terraform")
    }
}
