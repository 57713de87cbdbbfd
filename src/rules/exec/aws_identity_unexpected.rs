//! The credential plugin signs as somebody of another AWS account.

use crate::aws::identity::Arn;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-identity-unexpected",
    severity: Severity::Warning,
    title: "The AWS tools take you for somebody of another account",
    page: Page {
        means: "The plugin works and its token is good, but the credentials it found are of another AWS account than the cluster's: AWS_PROFILE, keys in the environment, or the exec entry's profile chose another identity than you meant. The cluster has no mapping for it and answers 401.",
        evidence: "The account in the cluster's ARN (the context's name) beside sts:GetCallerIdentity with the same profile and environment.",
        fix: "See who you are, `aws sts get-caller-identity`, take stray keys out of the environment (`env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN -u AWS_PROFILE kubectl get pods`), and name the profile in the exec entry: `aws eks update-kubeconfig --name CLUSTER --profile PROFILE`.",
        references: "https://docs.aws.amazon.com/cli/latest/userguide/cli-chap-authentication.html",
    },
    recognises: &[],
    explains: &["iam-identity-not-mapped", "credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || !eks::is_iam(case) {
        return Vec::new();
    }
    let Some(refused) = eks::refused(case) else { return Vec::new() };
    let Some(aws) = eks::aws(case) else { return Vec::new() };
    let Some(context) = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.context.as_deref()) else {
        return Vec::new();
    };
    let Some(cluster) = Arn::parse(context).filter(|arn| arn.service == "eks") else { return Vec::new() };
    // A role that the plugin takes on is who it is, whoever takes it on.
    let role = aws.target.seen().and_then(|target| target.role_arn.as_deref());
    let Some(caller) = aws.caller.seen() else { return Vec::new() };
    let account = role.and_then(Arn::parse).map_or(caller.account.as_str(), |arn| arn.account);
    if account == cluster.account || account.is_empty() {
        return Vec::new();
    }
    let who = role.unwrap_or(&caller.arn);
    vec![RULE
        .finding(
            Confidence::Likely,
            format!("The plugin signs as {who} of account {account}, and the cluster is in account {}. Where this is not meant, another profile or keys in the environment took over.", cluster.account),
            seen("/aws/caller/seen", format!("AWS takes you for {}", caller.arn)),
            Step::command("See whom the AWS tools take you for, with the profile and variables that kubectl uses", "aws sts get-caller-identity"),
        )
        .step(Step::command("If it is a stray variable: try without", "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN -u AWS_PROFILE kubectl get --raw /version"))
        .step(Step::command("If it is the profile: name the right one in the exec entry", shell!("aws eks update-kubeconfig --name {} --profile PROFILE", cluster.name())))
        .cite(seen("/kubeconfig/seen/context", format!("the context is {context}")))
        .cite(refused)]
}
