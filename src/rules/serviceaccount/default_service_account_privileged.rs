//! The service account that every Pod has by default may do dangerous things.

use crate::apiserver::authz::service_account;
use crate::evidence::access::ResourceRule;
use crate::report::shell::{Shell, shell};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "default-service-account-privileged",
    severity: Severity::Warning,
    title: "The default service account of a namespace may do dangerous things",
    page: Page {
        means: "Every Pod that names no service account runs as default. Rights that default has are rights of every such Pod, and of whoever can start one or break into one.",
        evidence: "The identity by SelfSubjectReview, a binding that names default (or all service accounts), and the rules of its role.",
        fix: "Give the workload that needs the rights a service account of its own, bind that one, and take default out of the binding. `kubectl create serviceaccount NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/concepts/security/rbac-good-practices/",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// What lets somebody become more than they are: everything, secrets, new Pods, other identities, RBAC itself.
fn dangerous(rule: &ResourceRule) -> Option<&'static str> {
    let verb = |names: &[&str]| rule.verbs.iter().any(|verb| verb == "*" || names.contains(&verb.as_str()));
    let resource = |names: &[&str]| rule.resources.iter().any(|name| name == "*" || names.contains(&name.as_str()));
    if rule.verbs.iter().any(|verb| verb == "*") && rule.resources.iter().any(|name| name == "*") {
        Some("do everything to every resource")
    } else if verb(&["get", "list", "watch"]) && resource(&["secrets"]) {
        Some("read Secrets")
    } else if verb(&["create"]) && resource(&["pods", "pods/exec", "deployments", "daemonsets", "statefulsets", "jobs", "cronjobs"]) {
        Some("run programs of its choice in Pods")
    } else if verb(&["create"]) && resource(&["serviceaccounts/token"]) {
        Some("make tokens for other service accounts")
    } else if rule.verbs.iter().any(|verb| matches!(verb.as_str(), "impersonate" | "escalate" | "bind")) {
        Some("take on other identities or rights")
    } else {
        None
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(identity), Some(rbac)) = (case.evidence.identity.seen(), case.evidence.rbac.seen()) else { return Vec::new() };
    let Some((namespace, "default")) = service_account(&identity.user.username) else { return Vec::new() };
    let group = format!("system:serviceaccounts:{namespace}");
    for (index, binding) in rbac.bindings.iter().enumerate() {
        let Some((place, subject)) = binding.subjects.iter().enumerate().find(|(_, subject)| match subject.kind.as_ref() {
            "ServiceAccount" => {
                let of = if subject.namespace.is_empty() { &binding.namespace } else { &subject.namespace };
                subject.name == "default" && of == namespace
            }
            "User" => subject.name == identity.user.username,
            "Group" => subject.name == "system:serviceaccounts" || subject.name == group,
            _ => false,
        }) else {
            continue;
        };
        let role_namespace = if binding.role_kind == "Role" { binding.namespace.as_str() } else { "" };
        let role = rbac.roles.iter().enumerate().find(|(_, role)| {
            role.kind == binding.role_kind && role.name == binding.role_name && role.namespace == role_namespace
        });
        let Some((role_index, role)) = role else { continue };
        let Some((rule, what)) = role.resource_rules.iter().enumerate().find_map(|(rule, found)| Some((rule, dangerous(found)?))) else {
            continue;
        };
        let (scope, option) = if binding.namespace.is_empty() {
            ("in the whole cluster".to_owned(), Shell::default())
        } else {
            (format!("in namespace {}", binding.namespace), shell!(" -n {}", binding.namespace))
        };
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("{} {:?} names {} {:?}, so every Pod of namespace {namespace} that names no service account may {what} {scope}.", binding.kind, binding.name, subject.kind, subject.name),
                seen(format!("/rbac/seen/bindings/{index}/subjects/{place}"), format!("{} {:?} has the subject {} {:?}", binding.kind, binding.name, subject.kind, subject.name)),
                Step::command(
                    "Give the workload that needs this a service account of its own, bind that, and name it in the Pod (serviceAccountName)",
                    shell!("kubectl create serviceaccount WORKLOAD -n {}", namespace),
                ),
            )
            .titled(format!("Every Pod of namespace {namespace} may {what} by default"))
            .step(Step::command(
                "Then take the subject out of the binding",
                shell!("kubectl patch {} {}{} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/subjects/{}\"}}]'", binding.kind.to_lowercase(), binding.name, option, subject.index),
            ))
            .cite(seen(format!("/rbac/seen/roles/{role_index}/resourceRules/{rule}"), format!("{} {:?} lets it {what}", role.kind, role.name)))
            .cite(seen("/identity/seen/user/username", format!("signed in as {}", identity.user.username))),
        ];
    }
    Vec::new()
}
