//! A network ACL of the cluster's subnets.

use crate::aws::reach::Layer;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "network-acl-blocks-issuer",
    severity: Severity::Error,
    title: "A network ACL stands between the control plane and the issuer",
    page: Page {
        means: "Network ACLs have no memory: the way out (the issuer's port) and the way back (ports 1024-65535) must both be allowed, in the cluster's subnets.",
        evidence: "The entries of the ACL, by number, for the issuer's address.",
        fix: "Add the missing entry, with a lower number than the denial. `aws ec2 describe-network-acls --filters Name=association.subnet-id,Values=SUBNET` shows the entries.",
        references: "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(found) = eks::obstacle(case, Layer::Acl) else { return Vec::new() };
    let index = found.step.path.as_deref().and_then(|path| path.split('/').nth(5)?.parse::<usize>().ok());
    let acl = eks::aws(case).and_then(|aws| aws.network.network_acls.seen()?.get(index?).map(|acl| acl.id.clone())).unwrap_or_else(|| "ACL".to_owned());
    let back = found.step.text.contains("answers");
    let (direction, ports) = if back { ("--ingress", "From=1024,To=65535".to_owned()) } else { ("--egress", format!("From={0},To={0}", found.reach.port)) };
    vec![
        RULE.finding(
            found.confidence,
            format!("A network ACL drops packets between the control plane and {}, {}.", found.reach.host, eks::unread(found.reach)),
            seen(found.step.path.clone().unwrap_or_default(), found.step.text.clone()),
            Step::command("Add an entry (a number below the denial's)", shell!("aws ec2 create-network-acl-entry --network-acl-id {} {} --rule-number 90 --protocol tcp --port-range {} --cidr-block 0.0.0.0/0 --rule-action allow", acl, direction, ports)),
        )
        .step(eks::again())
        .cite(eks::cite_mode(found.reach))
        .cite_if(found.word.clone()),
    ]
}
