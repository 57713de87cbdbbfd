//! The endpoint has private addresses, and no way leads to them from here.

use crate::apiserver::message;
use crate::aws::allowlist::private_endpoint_members;
use crate::aws::egress;
use crate::evidence::dns::{Attempt, ConnectOutcome};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::way::{Managed, address, answers, are_neighbours, cite_met, host, is_private, is_public, managed, public_access_off, unconnected};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "endpoint-private-off-network",
    severity: Severity::Error,
    title: "The API server has private addresses that this machine does not reach",
    page: Page {
        means: "The name resolves to addresses of a private network only, and they do not answer: you are not in that network, its VPN is not connected, or the VPN does not route them. EKS with public access off answers its private addresses to everybody.",
        evidence: "The addresses of the name, and one TCP connection to each that got no answer at all; the address that this machine sends from is not in their network. Of EKS also the addresses of the cluster's interfaces and the rules of their security groups.",
        fix: "Connect the VPN (or go by a bastion), and have the security groups of the cluster's interfaces let its network in on TCP 443; or switch public access on, limited to your addresses. `aws eks update-cluster-config --name CLUSTER --resources-vpc-config endpointPublicAccess=true,publicAccessCidrs=ADDRESS/32`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html",
    },
    recognises: &[&message::CLIENT_TIMEOUT],
    explains: &["api-connection-timeout"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(attempts) = unconnected(case) else { return Vec::new() };
    if attempts.iter().all(|attempt| attempt.outcome == ConnectOutcome::Timeout && address(attempt).is_some_and(is_public))
        && matches!(managed(host(case)), Some(Managed::Eks(_)))
        && public_access_off(case)
    {
        return vec![switched_off(case, attempts).cite_if(cite_met(case, RULE.recognises))];
    }
    // A refusal, or an ICMP message, comes from somebody who is there.
    if !attempts.iter().all(|attempt| attempt.outcome == ConnectOutcome::Timeout && address(attempt).is_some_and(is_private)) {
        return Vec::new();
    }
    let beside = attempts.iter().any(|attempt| {
        let source = attempt.source.as_deref().and_then(|source| source.parse().ok());
        source.zip(address(attempt)).is_some_and(|(source, to)| are_neighbours(source, to))
    });
    if beside {
        return Vec::new();
    }
    let endpoint = &case.evidence.endpoint;
    let host = host(case);
    let literal = endpoint.dns.seen().is_some_and(|dns| dns.literal);
    // A name that is published with private addresses is private by intention; a bare address may just be down.
    let confidence = if literal { Confidence::Possible } else { Confidence::Likely };
    let list = attempts.iter().map(|attempt| attempt.address.as_str()).collect::<Vec<_>>().join(", ");
    let mut finding = RULE.finding(
        confidence,
        format!("{host} is at {list} only, in a private network, and nothing answers there. That is how it looks from outside of that network; a firewall inside of it would look the same."),
        probed("/endpoint/tcp/seen/attempts", format!("{list}: no answer")),
        Step::command(
            "Connect the VPN of the cluster's network; if it is connected, check that it routes these addresses",
            shell!("ip route get {}", attempts.first().and_then(address).map_or_else(|| "ADDRESS".to_owned(), |address| address.to_string())),
        ),
    );
    if let Some(source) = attempts.first().and_then(|attempt| attempt.source.as_deref()) {
        finding = finding.cite(probed("/endpoint/tcp/seen/attempts/0/source", format!("this machine would send from {source}")));
    }
    if let Some(public) = endpoint.names.seen().and_then(|names| names.public.as_ref()) {
        finding = finding.cite(probed("/endpoint/names/seen/public", format!("the public resolver says {}", answers(std::slice::from_ref(public)))));
    }
    if let Some(Managed::Eks(_)) = managed(host) {
        let (name, region) = (eks::cluster(case), eks::region(case));
        finding = by_aws(case, attempts, finding);
        finding = finding.step(Step::command(
            "See whether the endpoint is meant to be public",
            shell!("aws eks describe-cluster --name {} --region {} --query cluster.resourcesVpcConfig", name, region),
        ));
    }
    vec![finding.cite_if(cite_met(case, RULE.recognises))]
}

/// What AWS shows of the private endpoint: the name leads to other addresses than its interfaces', or their groups let in
/// nobody who comes from another network.
fn by_aws(case: &Case<'_>, attempts: &[Attempt], mut finding: Finding) -> Finding {
    let Some(aws) = eks::aws(case).filter(|_| eks::other_cluster(case.evidence).is_none()) else { return finding };
    let interfaces = egress::interface_addresses(aws);
    if !interfaces.is_empty() && !attempts.iter().filter_map(address).any(|tried| interfaces.contains(&tried)) {
        let all = interfaces.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let at = if egress::interfaces(aws).is_empty() { "/aws/endpointSlice/seen" } else { "/aws/network/interfaces/seen" };
        finding.why.push_str(&format!(" None of these is an address of the cluster today: AWS shows its interfaces at {all}."));
        let step = Step::command(
            "See who gives the name these addresses (a hosts file, a zone of your own, an old answer): a VPN may lead nowhere there, unless somebody forwards from there (a load balancer or endpoint of a hub network)",
            shell!("getent hosts {0}; dig +short {0}", host(case)),
        );
        finding.fix.insert(0, step);
        return finding.cite(seen(at, format!("the cluster's interfaces are at {all}")));
    }
    let Some((groups, members)) = private_endpoint_members(aws) else { return finding };
    let own = groups.join(", ");
    let text = if members.is_empty() {
        format!("no rule of {own} lets anybody in on TCP 443")
    } else {
        format!("{own} lets nobody in on TCP 443 but members of {}, and who comes over a site-to-site VPN is none (over AWS Client VPN only where its association has that group)", members.join(", "))
    };
    finding.why.push_str(&format!(" A way into the network alone does not do: {text}."));
    let group = aws.cluster.seen().and_then(|cluster| cluster.vpc.cluster_security_group_id.as_ref());
    let group = group.filter(|group| groups.contains(group)).or(groups.first()).map_or("GROUP", String::as_str);
    finding.cite(seen("/aws/network/securityGroupRules/seen", text)).step(Step::command(
        "Let in the network that you then come from, as the cluster's VPC sees it",
        shell!("aws ec2 authorize-security-group-ingress --region {} --group-id {} --protocol tcp --port 443 --cidr YOURS/32", eks::region(case), group),
    ))
}

/// The public endpoint is off, and the name still has the addresses that it had.
fn switched_off(case: &Case<'_>, attempts: &[Attempt]) -> Finding {
    let host = host(case);
    let list = attempts.iter().map(|attempt| attempt.address.as_str()).collect::<Vec<_>>().join(", ");
    let (name, region) = (eks::cluster(case), eks::region(case));
    RULE.finding(
        Confidence::Likely,
        format!("The cluster's public endpoint is switched off, so it has private addresses only, in its VPC. Here {host} still leads to {list}, where nothing answers any more: a resolver keeps the old answer, or the cluster is so old that its name follows only when its endpoint access is changed once. publicAccessCidrs has no effect while public access is off."),
        seen("/aws/cluster/seen/vpc/endpointPublicAccess", "endpointPublicAccess is false"),
        Step::text("Go by the cluster's network (its VPN, a bastion), and have the name resolved by a resolver that knows the private addresses; empty this machine's DNS cache."),
    )
    .titled("The API server's public endpoint is switched off, and the name here still has public addresses")
    .step(Step::command(
        "Or switch public access on, for your own address only (until then the list of today has no effect)",
        shell!("aws eks update-cluster-config --name {} --region {} --resources-vpc-config endpointPublicAccess=true,publicAccessCidrs=YOURS/32", name, region),
    ))
    .cite(probed("/endpoint/tcp/seen/attempts", format!("{list}: no answer")))
    .cite(probed("/endpoint/dns/seen/addresses", format!("{host} has these addresses here")))
}
