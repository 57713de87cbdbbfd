//! The role does not let kiam's server in.

use crate::apiserver::message::heard;
use crate::aws::trust;
use crate::aws::workload::{EXTERNAL_ID, flag};
use crate::report::{Confidence, Finding, Severity};
use crate::rules::{Case, Page, Rule, links};

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
    let Some(judged) = case.workload.as_ref().filter(|judged| !judged.past_agents()) else { return Vec::new() };
    let (Some(link), Some(role)) = (judged.broken("kiam-trust"), judged.iam_role()) else { return Vec::new() };
    let args = judged.agent("kiam-server").map(|(server, _)| server.args.as_slice()).unwrap_or_default();
    let server = flag(args, "--assume-role-arn").unwrap_or("KIAM-SERVER-ROLE");
    let resolved = judged.resolved_role(role, flag(args, "--role-base-arn")).unwrap_or_else(|| role.to_owned());
    let known = [role, resolved.as_str()].into_iter().find_map(|named| judged.role(named));
    let id = judged.template().and_then(|(template, _)| template.annotations.get(EXTERNAL_ID)).map(String::as_str);
    let today = known.map(|role| role.trust_policy.as_str());
    let policy = trust::role_policy(today, server, id);
    let (first, more) = links::split(links::mend(link, &resolved, today, &policy));
    let mut finding = RULE.finding(
        Confidence::Certain,
        format!("kiam's server is {server}, and the trust policy of {resolved} does not let it in: {}.", link.seen),
        links::cite(link),
        first,
    );
    finding.fix.extend(more);
    vec![finding]
}
