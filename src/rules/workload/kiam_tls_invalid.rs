//! kiam's agent and server do not trust each other.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kiam-tls-invalid",
    severity: Severity::Error,
    title: "kiam's agent and server do not trust each other",
    page: Page {
        means: "kiam's agent and server speak mutual TLS. The certificates come from Secrets that somebody must renew; the server's must cover the name that the agent dials (kiam-server).",
        evidence: "A Secret that kiam mounts does not exist; the certificate that its server shows (where it can be reached, from inside the cluster) has expired or does not cover the name that the agents dial; or the words remote error: tls: bad certificate. What is in the Secrets is not read.",
        fix: "Issue the certificates of kiam's server and agent again, then `kubectl rollout restart daemonset/kiam-server daemonset/kiam-agent -n NAMESPACE`.",
        references: "https://github.com/uswitch/kiam/blob/master/docs/TLS.md",
    },
    recognises: &[&heard::KIAM_TLS],
    explains: &["kiam-server-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = pod_role::agents(case) else { return Vec::new() };
    let certificate = judged.broken(link_id::KIAM_CERTIFICATE);
    let link = judged.broken(link_id::KIAM_TLS).or(certificate);
    let of_kiam = judged.agent("kiam-agent").is_some() || judged.agent("kiam-server").is_some();
    let words = pod_role::met_or_event(case, &["tls: bad certificate", "authentication handshake failed"]).filter(|_| of_kiam);
    let Some(cite) = link.map(pod_role::cite).or(words) else { return Vec::new() };
    let namespace = judged.agent("kiam-agent").or_else(|| judged.agent("kiam-server")).map_or("kube-system", |(agent, _)| agent.namespace.as_str());
    let missing = link.is_some_and(|link| link.id == link_id::KIAM_TLS);
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            match link {
                Some(link) if link.id == link_id::KIAM_CERTIFICATE => format!("{}: kiam's agents refuse that, and no Pod gets a role.", link.seen),
                Some(link) => format!("{}: {}. Without it kiam's agent and server cannot speak to each other.", link.expected, link.seen),
                None => "kiam's agent and server refuse each other's certificate: one has expired, is of another CA, or does not cover the name that is dialled.".to_owned(),
            },
            cite,
            Step::command("See which certificates there are, and until when", shell!("kubectl get certificates,secrets -n {}", namespace)),
        )
        .step(Step::text("Issue them again (cert-manager renews by itself), with kiam-server among the server's DNS names, and restart server and agents."));
    if missing {
        finding = finding.titled("The Secret with kiam's certificates does not exist");
    }
    vec![finding]
}
