//! Routes and the resolver of the cluster's subnets.

use crate::aws::egress::Mode;
use crate::aws::reach::Layer;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "route-to-issuer-missing",
    severity: Severity::Error,
    title: "The control plane has no way to the issuer",
    page: Page {
        means: "With the egress mode CUSTOMER_ROUTED the control plane leaves through the cluster's interfaces, by the route tables of their subnets. They have no route to the issuer, or one that leads nowhere: a black hole, a NAT gateway that is gone, an internet gateway (the interfaces have no public address), or no resolver.",
        evidence: "The route table of each of the cluster's subnets.",
        fix: "Route the issuer's addresses to a NAT gateway (a public issuer), or to where the internal one is. `aws ec2 describe-route-tables --filters Name=association.subnet-id,Values=SUBNET` shows the routes.",
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
    // The step points at the table, or at the route in it that leads nowhere.
    let part = |at: usize| found.step.path.as_deref()?.split('/').nth(at)?.parse::<usize>().ok();
    let seen_table = eks::aws(case).and_then(|aws| aws.network.route_tables.seen()?.get(part(5)?));
    let table = seen_table.map_or("ROUTE_TABLE", |table| table.id.as_str());
    let route = seen_table.and_then(|table| table.routes.get(part(7)?));
    // A destination stands in a table once: creating it again is refused with RouteAlreadyExists.
    let verb = if route.is_some() { "replace-route" } else { "create-route" };
    let destination = route.map_or(if found.reach.v6 { "::/0" } else { "0.0.0.0/0" }, |route| route.destination.as_str());
    let option = if destination.starts_with("pl-") {
        "--destination-prefix-list-id"
    } else if destination.contains(':') {
        "--destination-ipv6-cidr-block"
    } else {
        "--destination-cidr-block"
    };
    let vpc_of_table = seen_table.map_or("", |table| table.vpc_id.as_str());
    let gateway = eks::aws(case).and_then(|aws| {
        let subnets = aws.network.subnets.seen()?;
        aws.network.nat_gateways.seen()?.iter().find(|nat| {
            let here = subnets.iter().any(|subnet| subnet.id == nat.subnet_id && subnet.vpc_id == vpc_of_table);
            here && nat.state == "available" && nat.connectivity == "public"
        })
    });
    let gateway = gateway.map_or("NAT_GATEWAY", |gateway| gateway.id.as_str());
    let vpc = eks::aws(case).and_then(|aws| aws.cluster.seen()).map_or("VPC", |cluster| cluster.vpc.vpc_id.as_str());
    let step = match (layer, found.reach.private) {
        (Layer::Name, _) => Step::command("Switch the VPC's resolver on", shell!("aws ec2 modify-vpc-attribute --vpc-id {} --enable-dns-support Value=true", vpc)),
        (_, true) if route.is_some() => Step::text(format!("Let the route to {destination} in {table} lead to the issuer's network (peering, transit gateway; aws ec2 replace-route), and have one back on the other side.")),
        (_, true) => Step::text(format!("Add a route to the issuer's network (peering, transit gateway) to {table}, and one back on the other side.")),
        (_, false) if route.is_some_and(|route| route.target.starts_with("igw-")) => Step::command(
            "Put the cluster's interfaces into private subnets, whose tables lead to a NAT gateway (taking this route away would cut off what has public addresses there)",
            shell!("aws eks update-cluster-config --name {} --resources-vpc-config subnetIds=PRIVATE_SUBNET_1,PRIVATE_SUBNET_2", eks::cluster(case)),
        ),
        (_, false) if destination.contains(':') => Step::command("Route to an egress-only internet gateway of the VPC", shell!("aws ec2 {} --route-table-id {} {} {} --egress-only-internet-gateway-id EGRESS_ONLY_GATEWAY", verb, table, option, destination)),
        (_, false) => Step::command("Route to a NAT gateway that works, in a public subnet", shell!("aws ec2 {} --route-table-id {} {} {} --nat-gateway-id {}", verb, table, option, destination, gateway)),
    };
    vec![
        RULE.finding(found.confidence, format!("The control plane finds no way out of your VPC to {}, {}.", found.reach.host, eks::unread(found.reach)), seen(found.step.path.clone().unwrap_or_default(), found.step.text.clone()), step)
            .step(eks::again())
            .cite(eks::cite_mode(found.reach))
            .cite_if(found.word.clone()),
    ]
}
