//! Endpoint addresses on the issuer's allow-list.

use crate::aws::addresses;
use crate::aws::allowlist::{self, Kind};
use crate::aws::egress::Mode;
use crate::aws::reach::{Layer, Peer};
use crate::report::allowlist::authorize;
use crate::report::shell::{Shell, shell};
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks, seen};

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
            first_step(case, &found),
        )
        .step_if(managed.then(|| eks::route_through_vpc(case)).or_else(|| eks::open_paths_at(&found)))
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

/// The step that lets the control plane in: its sources where they are known, else the two paths.
pub(super) fn first_step(case: &Case<'_>, found: &eks::Obstacle<'_>) -> Step {
    match (&found.reach.peer, eks::open_paths_at(found)) {
        (Peer::Known { .. }, _) | (_, None) => allow_sources(case, found),
        (_, Some(step)) => step,
    }
}

/// The step that allows what the control plane comes from, where the obstacle stands: what is not allowed yet, and as
/// something that stays.
pub(super) fn allow_sources(case: &Case<'_>, found: &eks::Obstacle<'_>) -> Step {
    let reach = found.reach;
    let all = eks::aws(case).map(|aws| allowlist::sources(aws, reach)).unwrap_or_default();
    let of = |kind: Kind| all.iter().filter(move |entry| entry.kind == kind).map(|entry| entry.value.as_str());
    let listed = |value: &&str| {
        let wanted = addresses::range(value);
        found.lists.iter().any(|one| match (one.range, wanted) {
            (Some(range), Some(wanted)) => range.contains(&wanted),
            _ => false,
        })
    };
    let ranges: Vec<&str> = of(Kind::Cidr).filter(|value| !listed(value)).collect();
    let in_words = if ranges.is_empty() { sources(found) } else { ranges.join(", ") };
    match &found.step.layer {
        Layer::SecurityGroup => {
            let target = eks::aws(case)
                .and_then(|aws| aws.issuer_balancer.load_balancer.seen()?.security_groups.first())
                .map_or("SG_OF_THE_LOAD_BALANCER", String::as_str);
            let commands: Vec<Shell> = match of(Kind::SecurityGroup).next() {
                Some(group) => vec![shell!(
                    "aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --source-group {}",
                    target,
                    reach.port,
                    group
                )],
                None => ranges.iter().map(|range| authorize(target, reach.port, range)).collect(),
            };
            let what = if all.iter().any(|entry| entry.kind == Kind::SecurityGroup) { sources(found) } else { in_words };
            let text = format!("Allow what the control plane does come from: {what}");
            if commands.is_empty() {
                return Step::command(text, "kaccess allowlist");
            }
            Step::command(text, Shell::join(commands, " && "))
        }
        Layer::Rule => {
            let rules: Vec<String> = found.lists.iter().map(|one| one.place.word()).collect();
            let rule = rules.first().map_or("the listener's rule", String::as_str);
            Step::text(format!(
                "Allow what the control plane does come from: add {in_words} to the source-ip condition of {rule}. A rule takes five values in all its conditions: where it has them, make a second one beside it."
            ))
        }
        Layer::Waf => {
            let place = found.lists.first().map_or_else(|| "the web ACL".to_owned(), |one| one.place.word());
            Step::text(format!(
                "Allow what the control plane does come from: add {in_words} to the address set of {place}."
            ))
        }
        layer => Step::command(
            format!("Allow what the control plane does come from ({}) at the {}", sources(found), layer.word()),
            "kaccess allowlist",
        ),
    }
}
