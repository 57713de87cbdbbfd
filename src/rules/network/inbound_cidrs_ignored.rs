//! inbound-cidrs beside security-groups.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "inbound-cidrs-ignored",
    severity: Severity::Warning,
    title: "The Ingress names inbound-cidrs and security-groups, and only the second counts",
    page: Page {
        means: "The AWS Load Balancer Controller makes a security group from inbound-cidrs (and security-group-prefix-lists) only if no security-groups annotation is there. With both, the first is ignored without a word: what is open is what the named groups say.",
        evidence: "The annotations of the Ingress.",
        fix: "Take one of the two annotations out. `kubectl annotate ingress NAME alb.ingress.kubernetes.io/inbound-cidrs-` takes the one out.",
        references: "https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/#security-groups",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(ingresses) = eks::aws(case).and_then(|aws| aws.issuer_balancer.ingresses.seen()) else { return Vec::new() };
    let mut findings = Vec::new();
    for (index, ingress) in ingresses.iter().enumerate() {
        let ignored: Vec<&str> = ["inbound-cidrs", "security-group-prefix-lists"].into_iter().filter(|name| ingress.annotations.contains_key(*name)).collect();
        let Some(groups) = ingress.annotations.get("security-groups").filter(|_| !ignored.is_empty()) else { continue };
        let name = ignored[0];
        let path = format!("/aws/issuerBalancer/ingresses/seen/{index}/annotations/{name}");
        findings.push(
            RULE.finding(
                Confidence::Certain,
                format!("Ingress {}/{} has {name} ({}) and security-groups ({groups}): {name} counts for nothing.", ingress.namespace, ingress.name, ingress.annotations[name]),
                seen(path, format!("{name}: {}", ingress.annotations[name])),
                Step::command(format!("If the list is meant, take security-groups out (the controller then makes a group of its own from {name})"), shell!("kubectl -n {} annotate ingress {} alb.ingress.kubernetes.io/security-groups-", ingress.namespace, ingress.name)),
            )
            .step(Step::command("Else take the list out, and keep it in the rules of the group", shell!("kubectl -n {} annotate ingress {} alb.ingress.kubernetes.io/{}-", ingress.namespace, ingress.name, name)))
            .cite(seen(format!("/aws/issuerBalancer/ingresses/seen/{index}/annotations/security-groups"), format!("security-groups: {groups}"))),
        );
    }
    findings
}
