//! The Pod was not given the role of its service account.

use crate::apiserver::message::{heard, tools};
use crate::aws::link_id;
use crate::aws::workload::{Judgement, Link, absent, is_role_arn, variable};
use crate::evidence::workload::Container;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "irsa-not-injected",
    severity: Severity::Error,
    title: "The Pod was not given the role of its service account",
    page: Page {
        means: "The webhook injects AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE and the token when a Pod is made, and never later. A Pod from before the annotation, or made while the webhook was away, has neither; its SDK takes the next way, usually the node's role. Nor has one that the webhook passes over by a label (eks.amazonaws.com/skip-pod-identity-webhook), however often it is made; and an AWS_ROLE_ARN that stands in the Pod template is not written over. The annotation eks.amazonaws.com/skip-containers has it leave the named containers alone; and variables written by hand name a token that nobody mounted.",
        evidence: "The Pod's containers and the template that makes them, against the annotation of the service account; the webhook's selectors, against the labels.",
        fix: "Make the Pods again, now that the annotation is there: `kubectl rollout restart deployment/NAME -n NAMESPACE`. Take out of the template first what keeps the webhook away: its label, its annotation, or an AWS_ROLE_ARN of its own.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html",
    },
    recognises: &[&heard::METADATA, &heard::NODE_ROLE, &tools::AWS_CREDENTIALS, &tools::TOKEN_FILE_DENIED],
    explains: &["workload-uses-node-role", "metadata-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    if let Some(link) = judged.broken(link_id::IRSA_TOKEN_FILE) {
        let account = judged.workload.service_account.seen();
        let audience = account.and_then(|account| account.annotations.get("eks.amazonaws.com/audience"));
        let audience = audience.map_or("sts.amazonaws.com", String::as_str);
        let names = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"];
        let mut finding = pod_role::without_token(judged, &RULE, link, names, audience);
        // The webhook injects nothing as long as nothing names a role to it.
        if judged.annotated().is_none()
            && judged.workload.service_account.seen().is_some()
            && let Some(role) = judged.irsa_role().filter(|role| is_role_arn(role))
        {
            finding.fix.insert(0, pod_role::annotate(judged, role));
        }
        return vec![finding];
    }
    let (Some(link), Some(role)) = (judged.broken(link_id::IRSA_INJECTION), judged.annotated()) else { return Vec::new() };
    let workload = judged.workload;
    let no_webhook = absent(&workload.webhook);
    let older = workload.pod.seen().and_then(|pod| pod.created_at).zip(workload.service_account.seen().and_then(|one| one.created_at));
    let mut why = format!("The service account names {role}, and {}.", link.seen);
    if no_webhook {
        why.push_str(" The cluster has no webhook pod-identity-webhook that could inject it.");
    } else if older.is_some_and(|(pod, account)| pod < account) {
        why.push_str(" The Pod is older than the service account.");
    }
    if let Some((container, own)) = by_hand(judged, link) {
        return vec![own_role(judged, link, role, container, own)];
    }
    let passed = pod_role::passed_over(judged);
    let mut cites = Vec::new();
    let steps = if no_webhook {
        cites.push(seen("/workload/webhook/failed", "no mutating webhook pod-identity-webhook"));
        let text = "Install amazon-eks-pod-identity-webhook (EKS clusters have it in their control plane; this one shows none).";
        vec![Step::text(text), pod_role::remake(judged)]
    } else if let Some((text, at, steps)) = passed {
        why.push_str(&format!(" Made again it would be given nothing either: {text}."));
        cites = at;
        steps
    } else {
        vec![pod_role::remake(judged)]
    };
    let (first, more) = pod_role::split(steps);
    let mut finding = RULE.finding(Confidence::Certain, why, pod_role::cite(link), first).steps(more);
    for one in cites {
        finding = finding.cite(one);
    }
    vec![finding]
}

/// The container that has another role than the service account's, and that role.
fn by_hand<'a>(judged: &Judgement<'a>, link: &Link) -> Option<(&'a Container, &'a str)> {
    let (container, _) = judged.containers().into_iter().find(|(_, at)| *at == link.at)?;
    let role = variable(container, "AWS_ROLE_ARN").filter(|role| !role.is_empty())?;
    (Some(role) != judged.annotated() && variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE").is_some())
        .then_some((container, role))
}

/// What may be wrong with a role of another time, which no new Pod is given.
const OF_ANOTHER_TIME: &[&str] = &[
    "workload-uses-node-role",
    "metadata-unreachable",
    "irsa-role-not-found",
    "irsa-trust-provider-mismatch",
    "irsa-trust-subject-mismatch",
    "irsa-trust-audience-mismatch",
];

/// A role that stands in the Pod already: the webhook writes over no variable, so that new Pods have it as well where it
/// stands in their template.
fn own_role(judged: &Judgement<'_>, link: &Link, role: &str, container: &Container, own: &str) -> Finding {
    let (namespace, account) = judged.account_name();
    let has = |one: &Container| variable(one, "AWS_ROLE_ARN").is_some();
    let owner = judged.workload.owner.seen();
    let template = owner.map(|owner| &owner.template.containers);
    let index = template.and_then(|all| all.iter().position(|one| one.name == container.name && has(one)));
    let others = judged.containers();
    // A role of another time is in all of them; one beside the service account's is somebody's own.
    let mixed = others.iter().any(|(one, _)| variable(one, "AWS_ROLE_ARN") == Some(role));
    let mut why = format!("The service account names {role}, and {}.", link.seen);
    let mut steps = Vec::new();
    if let (Some(owner), Some(_)) = (owner, index) {
        why.push_str(&format!(
            " It stands in the template of {} {}, and the webhook writes over no variable: Pods made again have it too.",
            owner.kind, owner.name
        ));
        let text = format!("If {role} is meant, take AWS_ROLE_ARN out of container {} of the Pod template", container.name);
        steps.push(if ["Deployment", "StatefulSet", "DaemonSet"].contains(&owner.kind.as_str()) {
            let kind = owner.kind.to_lowercase();
            Step::command(
                format!("{text}; the Pods are made again by that"),
                shell!("kubectl set env {}/{} -n {} -c {} AWS_ROLE_ARN-", kind, owner.name, namespace, container.name),
            )
        } else {
            Step::text(format!("{text}."))
        });
    } else if mixed && owner.is_none() {
        why.push_str(" Other containers have the service account's: this one was written by hand, and the webhook writes over no variable.");
        let text = format!("If {role} is meant, take AWS_ROLE_ARN out of container {} in the Pod's manifest", container.name);
        steps.extend([Step::text(format!("{text}.")), pod_role::remake(judged)]);
    } else {
        steps.push(pod_role::remake(judged));
        let text = format!("Where it is still there then, AWS_ROLE_ARN stands in the manifest, which the webhook does not write over: take it out of container {}.", container.name);
        steps.push(Step::text(text));
    }
    let not_found = |role: &str| judged.role_look(role).is_some_and(|(look, _)| absent(&look.role));
    let written = mixed || index.is_some();
    if written && !not_found(own) {
        steps.push(Step::text(format!(
            "If {own} is meant, nothing is to be done, as long as its trust policy lets {namespace}/{account} in."
        )));
    }
    let confidence = if mixed { Confidence::Likely } else { Confidence::Certain };
    let (first, more) = pod_role::split(steps);
    let mut finding = RULE.finding(confidence, why, pod_role::cite(link), first).steps(more);
    // With the service account's own role, what is wrong with the other one is nobody's matter any more; unless somebody
    // wrote that one down on purpose, and it is there.
    let instead = is_role_arn(role) && !not_found(role) && (!written || not_found(own));
    if instead && judged.irsa_role() == Some(own) {
        finding.explains = OF_ANOTHER_TIME;
    }
    if let Some(index) = index {
        let at = format!("/workload/owner/seen/template/containers/{index}");
        finding = finding.cite(seen(at, "AWS_ROLE_ARN stands in the Pod template"));
    }
    finding
}
