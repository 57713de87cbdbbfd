//! kiam is abandoned.

use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kiam-abandoned",
    severity: Severity::Warning,
    title: "kiam is abandoned",
    page: Page {
        means: "kiam has had no release since 2023, and its own page sends its users to IRSA. It knows nothing of new instance metadata habits, and nobody mends its faults.",
        evidence: "A DaemonSet or Deployment of kiam in the cluster.",
        fix: "`kaccess workload --plan-migration` lists what uses it, with the manifests and commands that replace it.",
        references: "https://github.com/uswitch/kiam",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let seen_by_doctor = || {
        let agents = case.evidence.agents.seen()?;
        let index = agents.iter().position(|agent| agent.role.starts_with("kiam-"))?;
        Some((&agents[index], format!("/agents/seen/{index}")))
    };
    let seen_by_workload = case.workload.as_ref().and_then(|judged| judged.agent("kiam-agent").or_else(|| judged.agent("kiam-server")));
    let Some((agent, at)) = seen_by_workload.or_else(seen_by_doctor) else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{} {}/{} runs {}.", agent.kind, agent.namespace, agent.name, agent.image),
            seen(format!("{at}/image"), agent.image.clone()),
            Step::command("See what uses it, and what replaces it", "kaccess workload --plan-migration"),
        ),
    ]
}
