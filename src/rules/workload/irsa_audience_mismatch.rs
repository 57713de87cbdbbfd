//! The provider does not know the token's audience.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-audience-mismatch",
    severity: Severity::Error,
    title: "The provider does not know the token's audience",
    page: Page {
        means: "The IAM OIDC provider lists the audiences that it takes. A token with another one is refused: Incorrect token audience.",
        evidence: "The audience of the projected token, against ClientIDList of the provider; or STS says: Incorrect token audience.",
        fix: "Let the provider take the audience, `aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn ARN --client-id AUDIENCE`, or correct the annotation eks.amazonaws.com/audience of the service account.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::WEB_IDENTITY_AUDIENCE],
    explains: &["workload-uses-node-role", "metadata-unreachable", "irsa-trust-audience-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let link = judged.broken(link_id::IRSA_TOKEN_AUDIENCE);
    let words = pod_role::met_or_event(case, &["Incorrect token audience"]);
    let Some(cite) = link.map(pod_role::cite).or(words) else { return Vec::new() };
    let audience = judged.token_audience().map_or_else(|| "AUDIENCE".to_owned(), |(audience, _)| audience);
    let provider = judged.workload.providers.seen().and_then(|all| all.ours.as_ref()).map_or("PROVIDER-ARN", |ours| ours.arn.as_str());
    let (namespace, name) = judged.account_name();
    let listed = judged.workload.providers.seen().and_then(|all| all.ours.as_ref());
    let listed = listed.map(|ours| ours.client_ids.as_slice()).unwrap_or_default();
    // Another audience that the provider takes: the usual one before any.
    let usual = "sts.amazonaws.com";
    let known = listed.iter().any(|one| one == usual) || listed.is_empty();
    let other = if known { Some(usual) } else { listed.first().map(String::as_str) };
    let finding = RULE.finding(
        Confidence::Certain,
        format!("The token says the audience {audience:?}, and the provider does not list it."),
        cite,
        Step::command(
            "If the audience is meant, add it to the provider (and to the trust policy's condition)",
            shell!("aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}", provider, audience),
        ),
    );
    let Some(other) = other.filter(|other| *other != audience) else { return vec![finding] };
    let text = if other == usual {
        "Else have the usual one issued, and make the Pods again"
    } else {
        "Else have one issued that the provider takes (the trust policy's condition must fit it too), and make the Pods again"
    };
    let command = shell!("kubectl annotate serviceaccount {} -n {} --overwrite {}", name, namespace, format!("eks.amazonaws.com/audience={other}"));
    vec![finding.step(Step::command(text, command)).step(pod_role::remake(judged))]
}
