//! The Pod was not given the variables of Pod Identity.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::{IdentitySource, Judgement, Link, SKIP_CONTAINERS, absent, variable};
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "pod-identity-not-injected",
    severity: Severity::Error,
    title: "The Pod was not given the variables of Pod Identity",
    page: Page {
        means: "The variables of Pod Identity are injected when a Pod is made. A Pod from before the association has none and takes the next way: the old IRSA role, the node's role, or none. A new association needs some seconds to arrive. Nor has a Pod the variables that the webhook passes over by a label (eks.amazonaws.com/skip-pod-identity-webhook), or that was made while the webhook was away; nor those containers that the annotation eks.amazonaws.com/skip-containers names. Variables written by hand name a token that nobody mounted.",
        evidence: "The Pod's containers, against the association; when each of the two was made; the webhook's selectors, against the labels.",
        fix: "Make the Pods again, now that the association is there: `kubectl rollout restart deployment/NAME -n NAMESPACE`. Take out of the template first what keeps the webhook away.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
    },
    recognises: &[&heard::AGENT_TOKEN],
    // The old way of a Pod from before its association: made again it leaves that, whatever is wrong with it.
    explains: &[
        "workload-uses-node-role",
        "metadata-unreachable",
        "irsa-annotation-missing",
        "irsa-provider-missing",
        "irsa-trust-provider-mismatch",
        "irsa-trust-subject-mismatch",
        "irsa-trust-audience-mismatch",
        "irsa-role-not-found",
        "irsa-not-injected",
        "irsa-issuer-unreachable",
        "irsa-audience-mismatch",
    ],
    check,
};

/// How long after its making an association may not have arrived yet, in seconds: AWS only says "some".
const ARRIVES: i64 = 60;

/// Why the variables are not there, and what mends that.
struct Cause {
    /// The title, where the cause is known better than the rule's says.
    title: Option<&'static str>,
    /// In words.
    why: String,
    cites: Vec<Citation>,
    steps: Vec<Step>,
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    // Without an association there is nothing that the token could be for.
    let denied = judged.workload.associations.seen().is_some_and(|all| all.ours.is_none());
    if let Some(link) = judged.broken(link_id::POD_IDENTITY_TOKEN_FILE).filter(|_| !denied) {
        let names = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
        return vec![pod_role::without_token(judged, &RULE, link, names, "pods.eks.amazonaws.com")];
    }
    if judged.workload.associations.seen().is_none_or(|all| all.ours.is_none()) {
        return Vec::new();
    }
    let Some(link) = judged.broken(link_id::POD_IDENTITY_INJECTION) else { return Vec::new() };
    let (namespace, name) = judged.account_name();
    let cause = cause(judged);
    let mut why = format!(
        "{namespace}/{name} has an association, and {}.{}",
        link.seen.replace("lacks them", "has not the variables of Pod Identity"),
        cause.why
    );
    let same = same_by_irsa(judged);
    if let Some(role) = same {
        why.push_str(&format!(" Until it has them it gets the same role by IRSA, {role}."));
    }
    let (first, more) = pod_role::split(cause.steps);
    let mut finding = RULE
        .finding(Confidence::Certain, why, pod_role::cite(link), first)
        .steps(more)
        .cite(seen("/workload/associations/seen/ours", "the association is there"));
    finding = cause.cites.into_iter().fold(finding, Finding::cite);
    if let Some(title) = cause.title {
        finding = finding.titled(title);
    }
    if same.is_some() {
        finding.severity = Severity::Warning;
    }
    vec![finding]
}

fn cause(judged: &Judgement<'_>) -> Cause {
    let workload = judged.workload;
    if let Some((text, cites, steps)) = pod_role::passed_over(judged) {
        return Cause { title: None, why: format!(" Made again it would have none either: {text}."), cites, steps };
    }
    let left_alone = |link: &Link| link.seen.starts_with(SKIP_CONTAINERS);
    if judged.broken(link_id::POD_IDENTITY_INJECTION).is_some_and(left_alone) {
        let why = " The template that new Pods are made of names them no more.".to_owned();
        return Cause { title: None, why, cites: Vec::new(), steps: vec![pod_role::remake(judged)] };
    }
    if absent(&workload.webhook) {
        let text = "Have the webhook's configuration restored first: EKS clusters have pod-identity-webhook among these, and this one has not";
        return Cause {
            title: None,
            why: " The cluster has no webhook pod-identity-webhook that could inject them.".to_owned(),
            cites: vec![seen("/workload/webhook/failed", "no mutating webhook pod-identity-webhook")],
            steps: vec![
                Step::command(text, "kubectl get mutatingwebhookconfigurations"),
                pod_role::remake(judged),
            ],
        };
    }
    let remade = |title, why: String, cites| Cause { title, why, cites, steps: vec![pod_role::remake(judged)] };
    let pod = workload.pod.seen().and_then(|pod| pod.created_at);
    let Some((pod, made)) = pod.zip(judged.association().and_then(|details| details.created_at)) else {
        return remade(None, String::new(), Vec::new());
    };
    let cites = vec![
        seen("/workload/pod/seen/createdAt", format!("the Pod was made at {pod}")),
        seen("/workload/associations/seen/ours/details/seen/createdAt", format!("the association at {made}")),
    ];
    let after = pod.as_second() - made.as_second();
    if after < 0 {
        return remade(Some("The Pod was made before its Pod Identity association"), String::new(), cites);
    }
    if after < ARRIVES {
        let why = format!(" It was made only {after} s after the association, which needs some seconds to arrive.");
        return remade(None, why, cites);
    }
    let mut why = " The Pod is younger than the association, so its age is not why.".to_owned();
    match workload.webhook.seen() {
        Some(webhook) if webhook.failure_policy == "Ignore" => {
            why.push_str(" A Pod that is made while the webhook does not answer goes without (its failurePolicy is Ignore).");
        }
        Some(_) => {}
        None => why.push_str(" Whether the webhook that injects them is there is not known."),
    }
    let mut found = remade(None, why, cites);
    found.steps.push(Step::command(
        "Where the new Pods have none either, look at the webhook",
        "kubectl get mutatingwebhookconfiguration pod-identity-webhook -o yaml",
    ));
    found
}

/// The associated role, where every container has it by IRSA all the same: in the middle of a migration nothing is broken.
fn same_by_irsa<'a>(judged: &Judgement<'a>) -> Option<&'a str> {
    let details = judged.association()?;
    let role = details.target_role_arn.as_deref().unwrap_or(&details.role_arn);
    let effective = &judged.effective;
    let whole = effective.kind == IdentitySource::Irsa && effective.role_arn.as_deref() == Some(role);
    let each = judged.containers().iter().all(|(container, _)| variable(container, "AWS_ROLE_ARN") == Some(role));
    (whole && each).then_some(role)
}
