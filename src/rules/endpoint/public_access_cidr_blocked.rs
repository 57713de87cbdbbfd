//! A managed cluster's public endpoint drops this machine's packets.

use crate::apiserver::message::{self, heard};
use crate::aws::allowlist::{host_range, public_endpoint_lets_in};
use crate::evidence::dns::ConnectOutcome;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::way::{Managed, address, cite_met, host, is_public, managed, public_access_off, unconnected};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "public-access-cidr-blocked",
    severity: Severity::Error,
    title: "The public endpoint does not let this machine's address in",
    page: Page {
        means: "The endpoint's name has public addresses, and they drop every connection from here. A managed cluster's public endpoint is up as long as the cluster is, so what is left is its list of allowed addresses (EKS: publicAccessCidrs, AKS: authorized IP ranges), or a firewall on your own side that lets nothing out.",
        evidence: "The provider's pattern of the name, public addresses, and connection attempts without any answer. Only the provider's API can say what is allowed.",
        fix: "Add the address that you come from to the list, or come from one that is on it (VPN, NAT). `aws eks update-cluster-config --name CLUSTER --resources-vpc-config publicAccessCidrs=LIST` (the whole list, the old ones too).",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html",
    },
    recognises: &[&message::CLIENT_TIMEOUT, &heard::EKS_CIDRS],
    explains: &["api-connection-timeout"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(attempts) = unconnected(case) else { return Vec::new() };
    if !attempts.iter().all(|attempt| attempt.outcome == ConnectOutcome::Timeout && address(attempt).is_some_and(is_public)) {
        return Vec::new();
    }
    let host = host(case);
    let aws = case.evidence.aws.as_deref();
    let cluster = aws.and_then(|aws| aws.cluster.seen());
    let mut confidence = Confidence::Likely;
    let mut allowed = None;
    let own = aws.and_then(|aws| aws.own_egress.seen()).and_then(|own| own.address.parse::<std::net::IpAddr>().ok());
    let (list, look, change) = match managed(host) {
        Some(Managed::Eks(_)) => {
            // Switched off: the list has no effect, and extending it neither.
            if public_access_off(case) {
                return Vec::new();
            }
            let (name, region) = (eks::cluster(case), eks::region(case));
            if let Some(cluster) = cluster.filter(|cluster| cluster.vpc.endpoint_public_access) {
                // The list lets everybody in: whatever drops the packets, it is not the list.
                if attempts.iter().filter_map(address).all(|ip| open_to_all(&cluster.vpc.public_access_cidrs, ip)) {
                    return Vec::new();
                }
                match own.and_then(|own| public_endpoint_lets_in(cluster, own)) {
                    Some(true) => return Vec::new(),
                    Some(false) => confidence = Confidence::Certain,
                    None => {}
                }
                let cidrs = cluster.vpc.public_access_cidrs.join(", ");
                allowed = Some(seen("/aws/cluster/seen/vpc/publicAccessCidrs", format!("publicAccessCidrs: {cidrs}")));
            }
            let these = allowed
                .as_ref()
                .and(cluster)
                .map_or_else(|| "THOSE".to_owned(), |cluster| cluster.vpc.public_access_cidrs.join(","));
            let yours = own.filter(|_| allowed.is_some()).map_or_else(|| "YOURS/32".to_owned(), host_range);
            (
                "publicAccessCidrs",
                shell!("aws eks describe-cluster --name {} --region {} --query cluster.resourcesVpcConfig.publicAccessCidrs; curl -s https://checkip.amazonaws.com", name, region),
                shell!("aws eks update-cluster-config --name {} --region {} --resources-vpc-config publicAccessCidrs={},{}", name, region, these, yours),
            )
        }
        Some(Managed::Aks(_)) => (
            "the authorized IP ranges",
            "az aks show --name NAME --resource-group GROUP --query apiServerAccessProfile.authorizedIpRanges; curl -s https://checkip.amazonaws.com".into(),
            "az aks update --name NAME --resource-group GROUP --api-server-authorized-ip-ranges THOSE,YOURS/32".into(),
        ),
        _ => return Vec::new(),
    };
    let all = attempts.iter().map(|attempt| attempt.address.as_str()).collect::<Vec<_>>().join(", ");
    vec![
        RULE.finding(
            confidence,
            match own.filter(|_| confidence == Confidence::Certain) {
                Some(own) => format!("{host} is a managed cluster's endpoint with public addresses, and all of them drop connections from here: {list} does not hold {own}, the address that this machine comes from."),
                None => format!("{host} is a managed cluster's endpoint with public addresses, and all of them drop connections from here. Most likely {list} does not hold the address that this machine comes from; a firewall on this side that lets nothing out would look the same."),
            },
            probed("/endpoint/tcp/seen/attempts", format!("{all}: no answer")),
            Step::command("Compare the list with the address that you come from: this decides", look),
        )
        .step(Step::command("Add your address to the list (the command replaces it, so name all of them)", change))
        .cite_if(allowed)
        .cite_if(own.filter(|_| confidence == Confidence::Certain).map(|own| seen("/aws/ownEgress/seen/address", own.to_string())))
        .cite_if(cite_met(case, RULE.recognises)),
    ]
}

/// Whether a list of CIDRs holds every address of this one's family; an empty list means everybody.
pub fn open_to_all(cidrs: &[String], ip: std::net::IpAddr) -> bool {
    cidrs.is_empty() || cidrs.iter().any(|cidr| cidr == if ip.is_ipv4() { "0.0.0.0/0" } else { "::/0" })
}
