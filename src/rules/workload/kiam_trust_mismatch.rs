//! The role does not let kiam's server in.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::flag;
use crate::report::{Confidence, Finding, Severity};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kiam-trust-mismatch",
    severity: Severity::Error,
    title: "The role does not let kiam's server in",
    page: Page {
        means: "kiam's server assumes the Pod's role with its own (--assume-role-arn), so the Pod's role must trust that one. With iam.amazonaws.com/external-id the condition on sts:ExternalId must fit it.",
        evidence: "The trust policy of the Pod's role, judged for kiam's server role.",
        fix: "Let the role trust kiam's server role, by the whole policy that the report shows: `aws iam update-assume-role-policy --role-name ROLE --policy-document file://trust.json`.",
        references: "https://github.com/uswitch/kiam",
    },
    recognises: &[&heard::KIAM_TRUST, &heard::KUBE2IAM_ASSUME],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = pod_role::agents(case) else { return Vec::new() };
    let Some(link) = judged.broken(link_id::KIAM_TRUST) else { return Vec::new() };
    let args = judged.agent("kiam-server").map(|(server, _)| server.args.as_slice()).unwrap_or_default();
    let server = flag(args, "--assume-role-arn").unwrap_or("KIAM-SERVER-ROLE");
    let Some((resolved, steps)) = pod_role::let_agent_in(judged, link, flag(args, "--role-base-arn"), server) else { return Vec::new() };
    let (first, more) = pod_role::split(steps);
    let finding = RULE.finding(
        Confidence::Certain,
        format!("kiam's server is {server}, and the trust policy of {resolved} does not let it in: {}.", link.seen),
        pod_role::cite(link),
        first,
    );
    vec![finding.steps(more)]
}
