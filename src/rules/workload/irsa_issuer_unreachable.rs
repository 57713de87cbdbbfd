//! STS cannot read the cluster's issuer.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-issuer-unreachable",
    severity: Severity::Error,
    title: "STS cannot read the cluster's issuer",
    page: Page {
        means: "STS fetches discovery document and keys of the issuer from the internet, within about five seconds. An issuer that is private, behind a firewall or an allow-list, or with a certificate of a private CA cannot be read, and CloudTrail does not log it.",
        evidence: "STS says: Couldn't retrieve verification key from your identity provider, or IDPCommunicationError; or the issuer does not serve its document to this machine either.",
        fix: "Serve the two paths publicly, without any login: /.well-known/openid-configuration and the key set that it names; `curl -i ISSUER/.well-known/openid-configuration` from outside shows whether they are.",
        references: "https://repost.aws/knowledge-center/iam-sts-invalididentitytoken",
    },
    recognises: &[&heard::WEB_IDENTITY_KEYS, &heard::WEB_IDENTITY_INVALID],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let link = judged.broken(link_id::IRSA_ISSUER);
    let words = pod_role::met_or_event(case, &["retrieve verification key from your identity provider", "IDPCommunicationError"]);
    let confidence = if words.is_some() { Confidence::Certain } else { Confidence::Likely };
    let Some(cite) = words.or_else(|| link.map(pod_role::cite)) else { return Vec::new() };
    let issuer = judged.issuer().map_or("ISSUER", |(issuer, _)| issuer);
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    vec![
        RULE.finding(
            confidence,
            format!("STS must read {url} from the internet, without any credential."),
            cite,
            Step::command("It must answer 200 from a machine outside of your network", shell!("curl -sS -D- {}", url)),
        )
        .step(Step::text("Open that path and the key set's (jwks_uri in the document) to everybody, with a certificate of a public CA.")),
    ]
}
