//! What kaccess itself may not read.

use crate::apiserver::message::heard;
use crate::evidence::workload::Workload;
use crate::evidence::{Failure, FailureKind};
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::report::calls::{calls, CallResult};
use crate::rules::{eks, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-permission-missing",
    severity: Severity::Info,
    title: "AWS does not let kaccess read everything",
    page: Page {
        means: "kaccess looked with your AWS identity, and AWS refused some of its questions. Nothing is wrong with the cluster for that; it only means that some causes could not be ruled out.",
        evidence: "Each refused call with the IAM action that it needs.",
        fix: "Have the read-only policy in docs/deploy/iam-policy.json attached, or ask somebody who has ReadOnlyAccess to run kaccess. Where AWS says that a policy denies it (\"explicit deny\", a service control policy, a permissions boundary), that policy must let it through first. `aws iam put-user-policy --user-name USER --policy-name kaccess --policy-document file://iam-policy.json`.",
        references: "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/ReadOnlyAccess.html",
    },
    recognises: &[&heard::EKS_DENIED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(aws) = eks::aws(case) else { return Vec::new() };
    let mut actions: Vec<(String, String)> = Vec::new();
    let mut denied: Vec<(String, &'static str)> = Vec::new();
    let of_cluster = calls(aws).into_iter().filter_map(|call| match call.result {
        CallResult::Failed(failure) => Some((format!("{}/failed", call.path), failure)),
        _ => None,
    });
    let of_pod = case.evidence.workload.as_deref().map(of_pod).unwrap_or_default();
    for (path, failure) in of_cluster.chain(of_pod) {
        let Some(needs) = failure.needs.as_ref().filter(|needs| failure.kind == FailureKind::Forbidden && is_action(needs)) else { continue };
        if !actions.iter().any(|(known, _)| known == needs) {
            actions.push((needs.clone(), path));
            denied.extend(obstacle(needs, &failure.detail).map(|what| (needs.clone(), what)));
        }
    }
    let Some((first, rest)) = actions.split_first() else { return Vec::new() };
    let names: Vec<&str> = actions.iter().map(|(name, _)| name.as_str()).collect();
    // Whatever a policy allows, another one's denial goes before it.
    let allowable: Vec<&str> = names.iter().copied().filter(|name| !denied.iter().any(|(known, _)| known == name)).collect();
    let mut steps = Vec::new();
    if !allowable.is_empty() {
        steps.push(Step::manifest(
            "Have this read-only statement attached to your role or user, or ask somebody with ReadOnlyAccess to run kaccess",
            format!(
                "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{{\"Effect\": \"Allow\", \"Resource\": \"*\", \"Action\": [{}]}}]\n}}\n",
                allowable.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    let mut told: Vec<&str> = Vec::new();
    for (_, what) in &denied {
        if !told.contains(what) {
            told.push(what);
            let under: Vec<&str> = denied.iter().filter(|(_, other)| other == what).map(|(name, _)| name.as_str()).collect();
            steps.push(Step::text(format!("For {}: {what}", under.join(", "))));
        }
    }
    let mut steps = steps.into_iter();
    let Some(step) = steps.next() else { return Vec::new() };
    let finding = RULE.finding(
        Confidence::Certain,
        format!("AWS refused {}: what these calls would have shown is not known here, and what rests on it was not checked.", names.join(", ")),
        seen(first.1.clone(), format!("refused: {}", first.0)),
        step,
    );
    let mut finding = steps.fold(finding, Finding::step);
    for (name, path) in rest {
        finding = finding.cite(seen(path.clone(), format!("refused: {name}")));
    }
    vec![finding]
}

/// What failed of the calls about a Pod's AWS identity, with the pointer to it.
fn of_pod(workload: &Workload) -> Vec<(String, &Failure)> {
    let mut list: Vec<(String, Option<&Failure>)> = Vec::new();
    for (index, look) in workload.roles.iter().enumerate() {
        list.push((format!("/workload/roles/{index}/role/failed"), look.role.failed()));
    }
    let provider = workload.providers.seen().and_then(|all| all.unread.as_ref());
    let ours = workload.associations.seen().and_then(|all| all.ours.as_ref());
    list.extend([
        ("/workload/providers/failed".to_owned(), workload.providers.failed()),
        ("/workload/providers/seen/unread".to_owned(), provider),
        ("/workload/associations/failed".to_owned(), workload.associations.failed()),
        ("/workload/associations/seen/ours/details/failed".to_owned(), ours.and_then(|one| one.details.failed())),
        ("/workload/addon/failed".to_owned(), workload.addon.failed()),
        ("/workload/instance/failed".to_owned(), workload.instance.failed()),
        ("/workload/nodeRole/failed".to_owned(), workload.node_role.failed()),
    ]);
    list.into_iter().filter_map(|(path, failure)| Some((path, failure?))).collect()
}

/// `service:Action`, and nothing else (a Kubernetes right is told in other words).
fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, action)| {
        !service.is_empty() && !action.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ":-".contains(c))
    })
}

/// What stands in the way that an allowing statement does not move, by AWS' own words.
fn obstacle(action: &str, detail: &str) -> Option<&'static str> {
    let said = |words: &str| detail.contains(words);
    Some(if action == "sts:GetCallerIdentity" {
        // Everybody may ask that, whatever their policies say.
        "this needs no permission, and no policy of yours can deny it: look at the policy of the VPC endpoint for STS, if there is one, and at what else stands between here and STS."
    } else if said("service control policy") {
        "a service control policy of your organisation denies it, or does not allow it: only the organisation's administrators can let it through. Or run kaccess in an account without it."
    } else if said("resource control policy") {
        "a resource control policy of your organisation denies it: only the organisation's administrators can let it through."
    } else if said("permissions boundary") {
        "the permissions boundary of your role or user does not let it through: it must allow these actions as well as a policy."
    } else if said("session policy") {
        "the policy that your session was assumed with does not let it through: assume the role without it, or with these actions in it."
    } else if said("VPC endpoint policy") {
        "the policy of the VPC endpoint does not let it through: it must allow these actions."
    } else if said("explicit deny") {
        "a policy denies it explicitly, and no statement that allows it goes before that: have the denial narrowed, or run kaccess as somebody whom it does not concern."
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::obstacle;

    #[test]
    fn what_no_allowing_statement_moves_is_told_apart() {
        let of = |words: &str| {
            let who = "User: arn:aws:sts::111122223333:assumed-role/Ops/jane is not authorized to perform";
            obstacle("eks:DescribeCluster", &format!("AccessDeniedException: {who}: eks:DescribeCluster on resource: * {words}"))
        };
        assert!(of("with an explicit deny in a service control policy").is_some_and(|what| what.contains("service control policy")));
        assert!(of("because no permissions boundary allows the eks:DescribeCluster action").is_some_and(|what| what.contains("boundary")));
        assert!(of("with an explicit deny in an identity-based policy").is_some_and(|what| what.contains("denies it explicitly")));
        assert_eq!(of("because no identity-based policy allows the eks:DescribeCluster action"), None);
        assert_eq!(of(""), None);
        assert!(obstacle("sts:GetCallerIdentity", "AccessDenied").is_some());
    }
}
