//! Routes and the resolver of the cluster's subnets.

use crate::aws::egress::Mode;
use crate::aws::reach::Layer;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, eks, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "route-to-issuer-missing",
    severity: Severity::Error,
    title: "The control plane has no way to the issuer",
    page: Page {
        means: "With the egress mode CUSTOMER_ROUTED the control plane leaves through the cluster's interfaces, by the route tables of their subnets. They have no route to the issuer, or one that leads nowhere: a black hole, a NAT gateway that is gone, an internet gateway (the interfaces have no public address), or no resolver.",
        evidence: "The route table of each of the cluster's subnets.",
        fix: "Route the issuer's addresses to a NAT gateway (a public issuer), or to where the internal one is.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/control-plane-egress.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked", "issuer-private-dns"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (layer, found) = match (eks::obstacle(case, Layer::Route), eks::obstacle(case, Layer::Name)) {
        (Some(found), _) if found.reach.mode == Mode::CustomerRouted => (Layer::Route, found),
        (_, Some(found)) if found.reach.mode == Mode::CustomerRouted => (Layer::Name, found),
        _ => return Vec::new(),
    };
    let table = found.step.path.as_deref().and_then(|path| path.split('/').nth(5)?.parse::<usize>().ok());
    let table = eks::aws(case)
        .and_then(|aws| aws.network.route_tables.seen()?.get(table?).map(|table| table.id.clone()))
        .unwrap_or_else(|| "ROUTE_TABLE".to_owned());
    let vpc = eks::aws(case).and_then(|aws| aws.cluster.seen()).map_or("VPC", |cluster| cluster.vpc.vpc_id.as_str());
    let step = match (layer, found.reach.private) {
        (Layer::Name, _) => Step::command("Switch the VPC's resolver on", format!("aws ec2 modify-vpc-attribute --vpc-id {vpc} --enable-dns-support Value=true")),
        (_, true) => Step::text(format!("Add a route to the issuer's network (peering, transit gateway) to {table}, and one back on the other side.")),
        (_, false) => Step::command("Route to a NAT gateway that works, in a public subnet", format!("aws ec2 create-route --route-table-id {table} --destination-cidr-block 0.0.0.0/0 --nat-gateway-id NAT_GATEWAY")),
    };
    vec![
        RULE.finding(found.confidence, format!("On the way from the control plane to {}: {}.", found.reach.host, found.step.text), seen(found.step.path.clone().unwrap_or_default(), found.step.text.clone()), step)
            .step(eks::again())
            .cite(eks::cite_mode(found.reach))
            .cite_if(found.word.clone()),
    ]
}
