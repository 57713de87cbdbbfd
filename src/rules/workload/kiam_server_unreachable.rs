//! kiam's agents reach no server.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kiam-server-unreachable",
    severity: Severity::Error,
    title: "kiam's agents reach no server",
    page: Page {
        means: "The agent on a node only passes on what kiam's server gives. Without a ready server every Pod on every node is without credentials.",
        evidence: "No kiam server in the cluster, or none that is ready; or the words: error dialing grpc server, there is no address available.",
        fix: "Look at kiam's server and what it says: `kubectl get pods -A -l app=kiam`, `kubectl logs -n NAMESPACE daemonset/kiam-server`.",
        references: "https://github.com/uswitch/kiam",
    },
    recognises: &[&heard::KIAM_SERVER],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = pod_role::agents(case) else { return Vec::new() };
    let link = judged.broken(link_id::KIAM_SERVER);
    let words = pod_role::met_or_event(case, &["error dialing grpc server", "there is no address available"]);
    let Some(cite) = link.map(pod_role::cite).or(words) else { return Vec::new() };
    let server = judged.agent("kiam-server").map(|(server, _)| server);
    let step = match server {
        Some(server) => Step::command(
            "Its log says why",
            shell!("kubectl logs -n {} {}/{} --tail=50", server.namespace, server.kind.to_lowercase(), server.name),
        ),
        None => Step::text("Install kiam's server again (helm chart uswitch/kiam, server.enabled=true), or move the workloads: kaccess workload --plan-migration."),
    };
    vec![RULE.finding(
        Confidence::Certain,
        link.map_or_else(|| "kiam's agent cannot reach its server.".to_owned(), |link| format!("{}.", link.seen)),
        cite,
        step,
    )]
}
