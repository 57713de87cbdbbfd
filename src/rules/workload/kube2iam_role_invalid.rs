//! kube2iam cannot become the role that the Pod names.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::{Judgement, flag};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kube2iam-role-invalid",
    severity: Severity::Error,
    title: "kube2iam cannot become the role that the Pod names",
    page: Page {
        means: "kube2iam takes a whole ARN, or a name that it completes with --base-role-arn or --auto-discover-base-arn. The role must exist, and trust the role of the node that kube2iam runs on: that is whom it acts as.",
        evidence: "The annotation against kube2iam's flags, iam:GetRole, and the trust policy judged for the node's role (iam:GetInstanceProfile); or its words: Invalid role.",
        fix: "Write the whole ARN into the Pod template's annotation, or give kube2iam `--base-role-arn=arn:aws:iam::ACCOUNT:role/`. Where the role does not trust the node's, put the policy that the report shows on it: `aws iam update-assume-role-policy --role-name ROLE --policy-document file://trust.json`.",
        references: "https://github.com/jtblin/kube2iam",
    },
    recognises: &[&heard::KUBE2IAM_ROLE, &heard::KUBE2IAM_OTHER],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = pod_role::agents(case) else { return Vec::new() };
    if let Some(finding) = untrusted(judged) {
        return vec![finding];
    }
    let link = judged.broken(link_id::KUBE2IAM_ROLE_NAME).or_else(|| judged.broken(link_id::KUBE2IAM_ROLE));
    let words = pod_role::met_or_event(case, &["Invalid role "]).filter(|_| judged.agent("kube2iam").is_some());
    let Some(cite) = link.map(pod_role::cite).or(words) else { return Vec::new() };
    let role = judged.iam_role().unwrap_or("ROLE");
    let account = judged.own_account().unwrap_or("ACCOUNT");
    let text = link.map_or_else(|| "kube2iam says that the role is invalid".to_owned(), |link| link.seen.clone());
    let roles = format!("arn:{}:iam::{account}:role/", judged.own_partition());
    let arn = if role.starts_with("arn:") { "ARN".to_owned() } else { format!("{roles}{}", role.trim_start_matches('/')) };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{text}."),
            cite,
            Step::manifest("Name the role wholly in the Pod template", format!("metadata:\n  annotations:\n    {}: {arn}", judged.role_key())),
        )
        .step(Step::text(format!("Or give kube2iam the beginning of all its roles: --base-role-arn={roles}"))),
    ]
}

/// The role is there and does not let the node's role in.
fn untrusted(judged: &Judgement<'_>) -> Option<Finding> {
    let link = judged.broken(link_id::KUBE2IAM_TRUST)?;
    let node = judged.workload.node_role.seen()?;
    let base = judged.agent("kube2iam").and_then(|(agent, _)| flag(&agent.args, "--base-role-arn"));
    let (resolved, steps) = pod_role::let_agent_in(judged, link, base, node)?;
    let (first, more) = pod_role::split(steps);
    // Somebody may have given kube2iam credentials of its own, which nothing shows.
    let finding = RULE.finding(
        Confidence::Likely,
        format!("kube2iam acts as its node's role {node}, and the trust policy of {resolved} does not let that in: {}.", link.seen),
        pod_role::cite(link),
        first,
    );
    let own = Step::text(format!("{node} itself must be allowed sts:AssumeRole on {resolved} by a policy of its own."));
    Some(finding.steps(more).step(own))
}
