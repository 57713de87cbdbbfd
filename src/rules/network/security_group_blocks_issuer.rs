//! A security group without a rule for it.

use crate::aws::reach::{Layer, Peer};
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "security-group-blocks-issuer",
    severity: Severity::Error,
    title: "A security group does not let the control plane through to the issuer",
    page: Page {
        means: "Either the load balancer's security group has no rule for the issuer's port at all, or (with CUSTOMER_ROUTED) the groups on the cluster's interfaces let nothing out to it. Packets are dropped without a word: the API server times out.",
        evidence: "The rules of the security groups, the egress mode, and the addresses between which they would have to fit.",
        fix: "Add the missing rule. `aws ec2 authorize-security-group-ingress --group-id SG --protocol tcp --port 443 --source-group CLUSTER_SG`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/sec-group-reqs.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked", "listener-rule-blocks-discovery"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(found) = eks::obstacle(case, Layer::SecurityGroup) else { return Vec::new() };
    let own = eks::own_egress(&found);
    if !own && !found.lists.is_empty() {
        return Vec::new();
    }
    let aws = eks::aws(case);
    let step = if own {
        let group = aws.map(crate::aws::egress::security_groups).and_then(|groups| groups.first().cloned()).unwrap_or_else(|| "SG_OF_THE_INTERFACES".to_owned());
        let port = found.reach.port;
        let command = if found.reach.v6 {
            shell!("aws ec2 authorize-security-group-egress --group-id {0} --ip-permissions IpProtocol=tcp,FromPort={1},ToPort={1},Ipv6Ranges='[{{CidrIpv6=::/0}}]'", group, port)
        } else {
            shell!("aws ec2 authorize-security-group-egress --group-id {0} --ip-permissions IpProtocol=tcp,FromPort={1},ToPort={1},IpRanges='[{{CidrIp=0.0.0.0/0}}]'", group, port)
        };
        Step::command("Let the cluster's interfaces out to the issuer's port", command)
    } else if matches!(found.reach.peer, Peer::Known { .. }) {
        eks::allow_sources(case, &found)
    } else {
        // Opening the port before the rest is restricted would expose it.
        eks::open_two_paths(found.reach)
    };
    vec![
        RULE.finding(found.confidence, format!("A security group drops what the control plane sends to {}, {}.", found.reach.host, eks::unread(found.reach)), seen(found.step.path.clone().unwrap_or_default(), found.step.text.clone()), step)
            .step(eks::again())
            .cite(eks::cite_mode(found.reach))
            .cite_if(found.word.clone()),
    ]
}
