//! A network ACL of the cluster's subnets, or of the load balancer's.

use crate::aws::reach::{Layer, Passage, Reach, Step as ReachStep, THEIRS};
use crate::evidence::network::NetworkAcl;
use crate::report::shell::shell;
use crate::report::{Citation, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "network-acl-blocks-issuer",
    severity: Severity::Error,
    title: "A network ACL stands between the control plane and the issuer",
    page: Page {
        means: "Network ACLs have no memory: the way out (the issuer's port) and the way back (ports 1024-65535) must both be allowed, in the cluster's subnets; and the reverse of both in the subnets of a load balancer that is in the VPC.",
        evidence: "The entries of the ACL, by number, for the issuer's address.",
        fix: "Add the missing entry, with a lower number than the denial. `aws ec2 describe-network-acls --filters Name=association.subnet-id,Values=SUBNET` shows the entries.",
        references: "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked"],
    check,
};

/// The number of the denial that closes every ACL.
const CLOSING: i32 = 32_767;

/// A number that a step before has given away: the ACL, its direction, the number.
type Given = (String, bool, i32);

/// A number for an entry before a denial, which no other entry of that direction has, nor one of the steps before: the next
/// lower one; of an ACL that denies only at its end, a round one.
fn number(acl: &NetworkAcl, denial: i32, egress: bool, given: &[Given]) -> Option<i32> {
    let free = |number: &i32| {
        !acl.entries.iter().any(|entry| entry.egress == egress && entry.number == *number)
            && !given.iter().any(|(id, direction, taken)| *id == acl.id && *direction == egress && taken == number)
    };
    if denial >= CLOSING {
        (100..CLOSING).step_by(10).find(free)
    } else {
        (1..denial).rev().find(free)
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(found) = eks::obstacle(case, Layer::Acl) else { return Vec::new() };
    // The other side may be shut as well: one entry alone would change nothing.
    let others = found.reach.steps.iter().filter(|step| step.layer == Layer::Acl && step.judged == Passage::Blocks && step.text != found.step.text);
    let mut given: Vec<Given> = Vec::new();
    let first = entry(case, found.reach, found.step, &mut given);
    let others: Vec<(Step, Citation)> = others.map(|step| (entry(case, found.reach, step, &mut given), eks::cite_step(step))).collect();
    let (more, cites): (Vec<Step>, Vec<Citation>) = others.into_iter().unzip();
    let finding = RULE.finding(
        found.confidence,
        format!("A network ACL drops packets between the control plane and {}, {}.", found.reach.host, eks::unread(found.reach)),
        seen(found.step.path.clone().unwrap_or_default(), found.step.text.clone()),
        first,
    );
    let finding = finding.steps(more).step(eks::again()).cite(eks::cite_mode(found.reach)).cite_if(found.word.clone());
    vec![cites.into_iter().fold(finding, Finding::cite)]
}

/// The entry that lets the packets of one step through.
fn entry(case: &Case<'_>, reach: &Reach, blocked: &ReachStep, given: &mut Vec<Given>) -> Step {
    // The step points at the ACL, or at the entry in it that denies.
    let part = |at: usize| blocked.path.as_deref()?.split('/').nth(at)?.parse::<usize>().ok();
    let acl = eks::aws(case).and_then(|aws| aws.network.network_acls.seen()?.get(part(5)?));
    let denial = acl.and_then(|acl| acl.entries.get(part(7)?));
    let back = blocked.text.contains("answers");
    // Into the load balancer's subnets goes what leaves the cluster's.
    let egress = back == blocked.text.contains(THEIRS);
    let id = acl.map_or("ACL", |acl| acl.id.as_str());
    let direction = if egress { "--egress" } else { "--ingress" };
    let ports = if back { "From=1024,To=65535".to_owned() } else { format!("From={0},To={0}", reach.port) };
    let everything = if reach.v6 { "::/0" } else { "0.0.0.0/0" };
    // As wide as the denial: what else it may have been made for stays denied.
    let range = denial.map_or(everything, |entry| entry.cidr.as_str());
    let option = if range.contains(':') { "--ipv6-cidr-block" } else { "--cidr-block" };
    let free = acl.map_or(Some(90), |acl| number(acl, denial.map_or(CLOSING, |entry| entry.number), egress, given));
    given.extend(free.map(|number| (id.to_owned(), egress, number)));
    match free {
        Some(number) => Step::command(
            "Add an entry (a number below the denial's, which is free; a narrower range where you know the issuer's)",
            shell!("aws ec2 create-network-acl-entry --network-acl-id {} {} --rule-number {} --protocol tcp --port-range {} {} {} --rule-action allow", id, direction, number, ports, option, range),
        ),
        None => Step::text(format!("Below the denial in {id} no number is free: make the denial anew with a higher one (create-network-acl-entry, then delete-network-acl-entry), and allow TCP {ports} for {range} before it ({}).", &direction[2..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::network::AclEntry;

    #[test]
    fn the_number_is_free_and_below_the_denial() {
        let entry = |number, egress| AclEntry { number, egress, ..AclEntry::default() };
        let acl = NetworkAcl {
            entries: vec![entry(10, true), entry(9, true), entry(50, false), entry(100, true), entry(1, false)],
            ..NetworkAcl::default()
        };
                assert_eq!(number(&acl, 50, false, &[]), Some(49));
        assert_eq!(number(&acl, 10, true, &[]), Some(8));
        assert_eq!(number(&acl, CLOSING, true, &[]), Some(110));
        assert_eq!(number(&acl, 1, false, &[]), None);
        // AWS takes no number twice.
        let given = vec![(String::new(), true, 110), ("acl-of-others".to_owned(), true, 120)];
        assert_eq!(number(&acl, CLOSING, true, &given), Some(120));
    }
}
