//! The role for the cluster may not be assumed.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::plugin::{self, argument, stderr_line};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-assume-role-denied",
    severity: Severity::Error,
    title: "The AWS role for the cluster may not be assumed",
    page: Page {
        means: "The plugin is told to take on a role (--role-arn) before it signs, and STS refuses it to the identity that is signed in. Nothing was sent to the API server.",
        evidence: "STS's words on the plugin's stderr.",
        fix: "Allow it on both sides: the role's trust policy names the identity, and that identity may sts:AssumeRole; or leave the role out. `aws iam get-role --role-name ROLE --query Role.AssumeRolePolicyDocument` shows the one side.",
        references: "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html",
    },
    recognises: &[&heard::AWS_ASSUME],
    explains: &["exec-failed"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if !plugin::kind(case).is_aws() {
        return Vec::new();
    }
    let Some((line, cite)) = stderr_line(case, &["AccessDenied", "AssumeRole"]).or_else(|| stderr_line(case, &["not authorized to perform: sts:AssumeRole"]))
    else {
        return Vec::new();
    };
    let after = |text: &str| line.split(text).nth(1).and_then(|rest| rest.split_whitespace().next());
    let given = plugin::exec(case).and_then(|exec| argument(exec, &["--role-arn", "--role", "-r"]));
    let role = after("on resource: ").or(given).unwrap_or("ROLE");
    let role_name = role.rsplit('/').next().unwrap_or(role);
    let who = after("User: ").unwrap_or("the identity that is signed in");
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{who} may not assume {role}: {}", clip(line, 240)),
            cite,
            Step::command(
                "See whom the role trusts; the identity above must be among them",
                shell!("aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument", role_name),
            ),
        )
        .step(Step::command("Try it by hand; when this works, so does the plugin", shell!("aws sts assume-role --role-session-name try --role-arn {} --query AssumedRoleUser", role))),
    ]
}
