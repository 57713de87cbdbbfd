//! What was asked of AWS, call by call, each with what is true when it passes.

use crate::evidence::balancer::Balancer;
use crate::evidence::eks::Aws;
use crate::evidence::network::Network;
use crate::evidence::{Failure, Observation, Outcome, Skip};

/// One call as the list of checks shows it.
#[derive(Debug)]
pub struct Call<'a> {
    /// Id of its check: `aws-cluster`.
    pub id: &'static str,
    /// What is true when it passes.
    pub title: &'static str,
    /// JSON pointer to its observation.
    pub path: String,
    /// When it worked, in milliseconds.
    pub took_ms: u64,
    /// When it began, in milliseconds after the run's start.
    pub started_ms: u64,
    /// What became of it.
    pub result: CallResult<'a>,
}

/// What became of one call.
#[derive(Debug)]
pub enum CallResult<'a> {
    /// It was answered.
    Answered,
    /// It failed.
    Failed(&'a Failure),
    /// It could not begin.
    Skipped(&'a Skip),
    /// There was nothing to look at.
    NotApplicable(&'a str),
}

/// Every call of the run, in the order of the way from the cluster to the issuer.
pub fn calls(aws: &Aws) -> Vec<Call<'_>> {
    let mut list = vec![
        call("aws-target", "the EKS cluster's name and region are known", "/aws/target", &aws.target),
        call("aws-caller", "AWS says who you are", "/aws/caller", &aws.caller),
        call("aws-principal", "your IAM role or user is readable", "/aws/principal", &aws.principal),
        call("eks-cluster", "the EKS cluster is readable", "/aws/cluster", &aws.cluster),
        call(
            "eks-identity-providers",
            "its identity providers are listed",
            "/aws/identityProviders",
            &aws.identity_providers,
        ),
        call("eks-updates", "its updates are readable", "/aws/updates", &aws.updates),
        call("eks-access-entries", "its access entries are readable", "/aws/accessEntries", &aws.access_entries),
        call("eks-administrators", "its administrators are listed", "/aws/administrators", &aws.administrators),
        call("aws-auth", "ConfigMap aws-auth is readable", "/aws/awsAuth", &aws.aws_auth),
        call("endpoint-slice", "the endpoint's addresses are readable", "/aws/endpointSlice", &aws.endpoint_slice),
        call("eks-api-log", "the API server's log is readable", "/aws/apiLog", &aws.api_log),
        call(
            "eks-authenticator-log",
            "the authenticator's log is readable",
            "/aws/authenticatorLog",
            &aws.authenticator_log,
        ),
    ];
    for (index, config) in aws.identity_providers.seen().map(|all| &all.configs).into_iter().flatten().enumerate() {
        let path = format!("/aws/identityProviders/seen/configs/{index}/details");
        list.push(call("eks-identity-provider", "an identity provider is readable", path, &config.details));
    }
    for (index, entry) in aws.access_entries.seen().map(|all| &all.entries).into_iter().flatten().enumerate() {
        let path = format!("/aws/accessEntries/seen/entries/{index}");
        list.push(call("eks-access-entry", "your access entry is readable", format!("{path}/details"), &entry.details));
        list.push(call(
            "eks-access-policies",
            "its access policies are readable",
            format!("{path}/policies"),
            &entry.policies,
        ));
    }
    of_network(&aws.network, &mut list);
    of_balancer(&aws.issuer_balancer, "/aws/issuerBalancer", &mut list);
    if let Some(balancer) = &aws.jwks_balancer {
        of_balancer(balancer, "/aws/jwksBalancer", &mut list);
    }
    list.push(call("own-egress", "your own public address is known", "/aws/ownEgress", &aws.own_egress));
    list
}

/// The calls about the cluster's network.
fn of_network<'a>(network: &'a Network, list: &mut Vec<Call<'a>>) {
    let at = |name: &str| format!("/aws/network/{name}");
    list.push(call(
        "ec2-interfaces",
        "the cluster's network interfaces are readable",
        at("interfaces"),
        &network.interfaces,
    ));
    list.push(call(
        "ec2-security-groups",
        "security groups are readable",
        at("securityGroups"),
        &network.security_groups,
    ));
    list.push(call(
        "ec2-security-group-rules",
        "their rules are readable",
        at("securityGroupRules"),
        &network.security_group_rules,
    ));
    list.push(call("ec2-prefix-lists", "prefix lists are readable", at("prefixLists"), &network.prefix_lists));
    list.push(call("ec2-subnets", "subnets are readable", at("subnets"), &network.subnets));
    list.push(call("ec2-route-tables", "route tables are readable", at("routeTables"), &network.route_tables));
    list.push(call("ec2-nat-gateways", "NAT gateways are readable", at("natGateways"), &network.nat_gateways));
    list.push(call("ec2-network-acls", "network ACLs are readable", at("networkAcls"), &network.network_acls));
    list.push(call("ec2-vpcs", "VPCs are readable", at("vpcs"), &network.vpcs));
    list.push(call("ec2-vpc-dns", "the VPC's DNS attributes are readable", at("vpcDns"), &network.vpc_dns));
    list.push(call("ec2-dhcp-options", "DHCP options are readable", at("dhcpOptions"), &network.dhcp_options));
    for (index, prefix_list) in network.prefix_lists.seen().into_iter().flatten().enumerate() {
        list.push(call(
            "ec2-prefix-list",
            "a prefix list's entries are readable",
            format!("/aws/network/prefixLists/seen/{index}/entries"),
            &prefix_list.entries,
        ));
    }
}

/// The calls about one load balancer, which stands at this pointer.
fn of_balancer<'a>(balancer: &'a Balancer, at: &str, list: &mut Vec<Call<'a>>) {
    let at = |name: &str| format!("{at}/{name}");
    list.push(call(
        "elb-load-balancer",
        "the issuer's load balancer is readable",
        at("loadBalancer"),
        &balancer.load_balancer,
    ));
    list.push(call("elb-listeners", "its listeners are readable", at("listeners"), &balancer.listeners));
    list.push(call("elb-rules", "its listener rules are readable", at("rules"), &balancer.rules));
    list.push(call(
        "elb-target-health",
        "its targets' health is readable",
        at("targetHealth"),
        &balancer.target_health,
    ));
    list.push(call("waf-web-acl", "its web ACL is readable", at("webAcl"), &balancer.web_acl));
    list.push(call("elb-tags", "its tags are readable", at("tags"), &balancer.tags));
    list.push(call("ingresses", "the Ingresses behind it are readable", at("ingresses"), &balancer.ingresses));
    for (index, set) in balancer.web_acl.seen().map(|acl| &acl.ip_sets).into_iter().flatten().enumerate() {
        list.push(call(
            "waf-ip-set",
            "a WAF address set is readable",
            at(&format!("webAcl/seen/ipSets/{index}/addresses")),
            &set.addresses,
        ));
    }
}

/// One observation as a call.
fn call<'a, T>(
    id: &'static str,
    title: &'static str,
    path: impl Into<String>,
    observation: &'a Observation<T>,
) -> Call<'a> {
    let result = match &observation.outcome {
        Outcome::Seen(_) => CallResult::Answered,
        Outcome::Failed(failure) => CallResult::Failed(failure),
        Outcome::Skipped(skip) => CallResult::Skipped(skip),
        Outcome::NotApplicable(reason) => CallResult::NotApplicable(reason),
    };
    Call { id, title, path: path.into(), took_ms: observation.took_ms, started_ms: observation.started_ms, result }
}
