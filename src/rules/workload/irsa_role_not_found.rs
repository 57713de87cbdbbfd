//! The role that the service account names does not exist.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::trust;
use crate::aws::workload::{Judgement, account};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-role-not-found",
    severity: Severity::Error,
    title: "The role that the service account names does not exist",
    page: Page {
        means: "STS does not tell a role that does not exist from one that refuses: both are AccessDenied for sts:AssumeRoleWithWebIdentity. IAM tells. A role's path is part of its ARN: `role/NAME` is not `role/PATH/NAME`, whatever aws-auth makes of it; and so are the capitals of its name.",
        evidence: "iam:GetRole in the role's own account: NoSuchEntity, or a role of that name with another ARN.",
        fix: "Correct the annotation, `kubectl annotate serviceaccount NAME -n NAMESPACE eks.amazonaws.com/role-arn=ARN --overwrite`, or create the role with the trust policy that the report shows.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::WEB_IDENTITY_DENIED],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some(link) = judged.broken(link_id::IRSA_ROLE) else { return other_capitals(judged).into_iter().collect() };
    let role = link.expected.clone();
    let name = pod_role::role_name(&role);
    let create = judged.provider_arn(&role).zip(judged.issuer()).map(|(provider, (issuer, _))| {
        let audience = judged.token_audience().map_or_else(|| "sts.amazonaws.com".to_owned(), |(audience, _)| audience);
        trust::irsa_policy(None, &provider, &trust::issuer_name(issuer), &judged.subject(), &audience)
    });
    if link.seen.starts_with("arn:") {
        let why = format!(
            "The service account names {role}, and the role {name} is {}. STS looks for the whole ARN, finds no such role, and only answers AccessDenied to that.",
            link.seen
        );
        return vec![
            RULE.finding(Confidence::Certain, why, pod_role::cite(link), pod_role::annotate(judged, &link.seen))
                .titled(format!("The service account names the role {name} by an ARN that is not its own"))
                .step(pod_role::remake(judged)),
        ];
    }
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("IAM has no role {name} in account {}. STS only answers AccessDenied to that.", account(&role)),
            pod_role::cite(link),
            pod_role::look_for(name),
        )
        .titled(format!("The role {name} does not exist"))
        .step(pod_role::annotate(judged, "ARN"));
    if let Some(policy) = create {
        finding = finding.step(Step::manifest("Or save this as trust.json and create the role: its whole trust policy", policy)).step(
            Step::command(
                "with",
                shell!("aws iam create-role --role-name {} --assume-role-policy-document file://trust.json", name),
            ),
        );
    }
    vec![finding]
}

/// IAM finds a name whatever its capitals; in an ARN they count, by IAM's own page. What STS makes of it was not seen.
fn other_capitals(judged: &Judgement<'_>) -> Option<Finding> {
    let link = judged.links.iter().find(|link| link.id == link_id::IRSA_ROLE && link.ok.is_none())?;
    if link.seen == link.expected || !link.seen.eq_ignore_ascii_case(&link.expected) {
        return None;
    }
    let why = format!(
        "The Pod asks for {}, and IAM has {}: in an ARN the capitals of a role's name count, and STS may only answer AccessDenied.",
        link.expected, link.seen
    );
    let finding = RULE
        .finding(Confidence::Possible, why, pod_role::cite(link), pod_role::annotate(judged, &link.seen))
        .titled(format!("The role {} is named in other capitals than its own", pod_role::role_name(&link.seen)));
    Some(finding.step(pod_role::remake(judged)))
}
