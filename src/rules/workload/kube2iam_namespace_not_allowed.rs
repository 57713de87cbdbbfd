//! The namespace does not allow the role in kube2iam.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::{flag, is_kept};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kube2iam-namespace-not-allowed",
    severity: Severity::Error,
    title: "The namespace does not allow the role in kube2iam",
    page: Page {
        means: "With --namespace-restrictions kube2iam gives a role only where the namespace's annotation iam.amazonaws.com/allowed-roles (or what --namespace-key names), a JSON array of patterns, holds it. A pattern that is no whole ARN gets the beginning of all roles put before it, so that with --namespace-restriction-format=regexp a ^ in it never fits; else only the star stands for others.",
        evidence: "The flags of kube2iam and the namespace's annotation; or its words: role requested ... not valid for namespace of pod.",
        fix: "Allow the role in the Pod's namespace: `kubectl annotate namespace NAMESPACE iam.amazonaws.com/allowed-roles='[\"ARN\"]' --overwrite`.",
        references: "https://github.com/jtblin/kube2iam",
    },
    recognises: &[&heard::KUBE2IAM_NAMESPACE],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = pod_role::agents(case) else { return Vec::new() };
    let link = judged.broken(link_id::KUBE2IAM_NAMESPACE);
    let words = pod_role::met_or_event(case, &["not valid for namespace of pod"]);
    let Some(cite) = link.map(pod_role::cite).or(words) else { return Vec::new() };
    let namespace = judged.account_name().0;
    let args = judged.agent("kube2iam").map(|(agent, _)| agent.args.as_slice()).unwrap_or_default();
    let role = judged.iam_role().unwrap_or("ROLE");
    let arn = judged.resolved_role(role, flag(args, "--base-role-arn")).unwrap_or_else(|| role.to_owned());
    let key = judged.kube2iam_keys().allowed;
    let today = judged.workload.namespace.seen().filter(|_| is_kept(key)).map(|namespace| namespace.annotations.get(key));
    let step = match today {
        Some(old) if old.is_none_or(|text| text.chars().count() < 2048) => {
            let mut list: Vec<String> = old.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
            // An expression that is not bound at its end would fit longer names as well.
            list.push(if judged.kube2iam_by_expression() { format!("{}$", regex::escape(&arn)) } else { arn.clone() });
            let value = serde_json::to_string(&list).unwrap_or_default();
            Step::command("Allow it; what was allowed stays", shell!("kubectl annotate namespace {} --overwrite {}={}", namespace, key, value))
        }
        // What is allowed today is not wholly known here: to write it anew would take it from others.
        _ => Step::command(
            format!("Add {arn} to the JSON array of the namespace's annotation {key}"),
            shell!("kubectl edit namespace {}", namespace),
        ),
    };
    vec![RULE.finding(
        Confidence::Certain,
        format!("kube2iam runs with namespace restrictions, and the annotation {key} of namespace {namespace} does not allow {arn}."),
        cite,
        step,
    )]
}
