//! What is said of rights, and of objects that are not there.

use std::collections::BTreeMap;

use super::{Codes, Context, Said, silence};
use crate::apiserver::authz::{nodes, resources};
use crate::apiserver::message::{self, heard::names as heard, names as text};
use crate::evidence::identity::ANONYMOUS;
use crate::report::Confidence::{self, Certain, Likely, Possible};

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    Some(match said.name() {
        text::NODE_AUTHORIZER => (vec!["node-authorizer-denied"], Certain),
        heard::FORBIDDEN | heard::FORBIDDEN_OLD | heard::CLIENT_FORBIDDEN if said.has(text::NODE_AUTHORIZER) => {
            silence()
        }
        // The older wording, which has no API group, is a text of its own.
        heard::FORBIDDEN if said.has(heard::FORBIDDEN_OLD) && message::forbidden(&said.context.plain).is_none() => {
            silence()
        }
        heard::FORBIDDEN => forbidden_codes(said.context, said.field("who")),
        heard::FORBIDDEN_OLD if message::forbidden(&said.context.plain).is_some() => silence(),
        heard::FORBIDDEN_OLD if said.field("user") == ANONYMOUS && of_metrics(said.field("resource")) => {
            behind_the_server(said.context)
        }
        heard::FORBIDDEN_OLD => old_codes(said.field("user"), said.field("verb")),
        heard::CLIENT_FORBIDDEN if said.has(heard::FORBIDDEN) || said.has(heard::FORBIDDEN_OLD) => silence(),
        heard::CLIENT_FORBIDDEN => (vec!["rbac-no-grant", "rbac-wrong-scope", "anonymous-request"], Possible),
        // Who acts as somebody else is asked about each of these paths, from 1.36.
        heard::DISCOVERY_FORBIDDEN => {
            (vec!["anonymous-request", "rbac-default-bindings-removed", "impersonation-denied"], Possible)
        }
        heard::WHOAMI_REFUSED => (vec!["rbac-default-bindings-removed", "anonymous-request"], Possible),
        heard::SIGNER_REFUSED | heard::OWNER_REFUSED => (vec!["rbac-no-grant"], Certain),
        heard::UPGRADE_REFUSED => (vec!["rbac-verb-missing", "rbac-subresource-not-granted"], Possible),
        // A webhook tells what an account is refused: most likely its own.
        text::ADMISSION if of_an_account(said.field("said")) => (vec!["rbac-no-grant", "admission-denied"], Possible),
        // Where the line says it in words that are known, those know more; and of what a plugin's own account may not,
        // that refusal tells.
        text::ADMISSION_OTHER
            if [text::ADMISSION, heard::FORBIDDEN, heard::FORBIDDEN_OLD].iter().any(|name| said.has(name)) =>
        {
            silence()
        }
        // An authorizer that is asked by storage or a plugin may have words of its own.
        text::ADMISSION_OTHER => match whose_object(said) {
            Some(confidence) => (vec!["admission-denied"], confidence),
            None => silence(),
        },
        // What admission could not look up belongs to its refusal.
        text::RESOURCE_NOT_SERVED if said.has(text::ADMISSION) || said.has(text::ADMISSION_OTHER) => silence(),
        // Every API server serves these: discovery was refused, or something else answered it.
        text::RESOURCE_NOT_SERVED if resources::everywhere(said.field("type")) => (
            vec!["credential-rejected", "rbac-default-bindings-removed", "anonymous-request", "not-a-kubernetes-api"],
            Possible,
        ),
        text::RESOURCE_NOT_SERVED => {
            (vec!["resource-not-served", "aggregated-api-unavailable", "credential-rejected"], Possible)
        }
        text::METRICS_API => (vec!["aggregated-api-unavailable", "resource-not-served"], Possible),
        // Controllers say it of themselves while a cluster starts.
        text::NAMESPACE_NOT_FOUND
            if !said.context.answer
                && !said.context.plain.contains("failed to create")
                && !said.context.plain.starts_with("namespaces ") =>
        {
            silence()
        }
        text::NAMESPACE_NOT_FOUND => (vec!["namespace-not-found"], Certain),
        heard::IMPERSONATE_NOBODY => (vec!["default-impersonation"], Likely),
        _ => return None,
    })
}

/// How surely the API server refuses an object with these words: many a program forbids something by its name. `None`
/// where nothing speaks for the API server.
fn whose_object(said: &Said<'_>) -> Option<Confidence> {
    const ANSWERS: [&str; 3] = ["Error from server", "(Forbidden)", "\"reason\":\"Forbidden\""];
    // The server tells the plural, and the group where there is one.
    let named = said.field("resource");
    let (name, group) = named.split_once('.').unwrap_or((named, ""));
    let built_in = resources::RESOURCES.iter().any(|kind| kind.name == name && kind.group == group);
    let kubernetes = said.context.kubernetes();
    if ANSWERS.iter().any(|words| said.context.plain.contains(words)) || built_in && kubernetes {
        return Some(Likely);
    }
    (built_in || kubernetes && !group.is_empty()).then_some(Possible)
}

/// The words are an authorizer's refusal of a service account.
fn of_an_account(words: &str) -> bool {
    message::forbidden(words).is_some_and(|refusal| refusal.user.starts_with("system:serviceaccount:"))
}

/// How the node authorizer's reasons begin.
const NODES: &[&str] = &[
    "no relationship found between node",
    "no path found to object",
    "unknown node for user",
    "can only access node",
    "can only access leases",
    "can only get individual resources",
    "can only read resources of this type",
    "can only list/watch pods",
    "can only create tokens for individual",
];

/// How ends of a refusal begin that say nothing of another authorizer: RBAC's and ABAC's own words, and those of the
/// programs that pass the message on.
const OF_RBAC: &[&str] = &[
    "No policy matched.",
    "no RBAC policy matched",
    "exit status",
    "exit code",
    "command terminated",
    "Forbidden",
    "Reconciler error",
];

/// A type with its group (and, as it was worded before 1.12, its subresource or name) that an extension server serves
/// wherever it is served at all.
fn of_metrics(resource: &str) -> bool {
    let dotted = resource.split('/').next().unwrap_or_default();
    let group = dotted.split_once('.').map_or("", |(_, group)| group);
    matches!(group, "metrics.k8s.io" | "custom.metrics.k8s.io" | "external.metrics.k8s.io")
}

/// Nobody is refused such a type: by the API server, which then saw nobody itself, or by the extension server, which
/// believes none of its headers. The autoscaler's certificate is known to the API server.
fn behind_the_server(context: &Context) -> Codes {
    let autoscaler = ["unable to fetch metrics", "unable to get metric", "horizontal"];
    let known = autoscaler.iter().any(|words| context.plain.contains(words));
    (
        vec!["front-proxy-not-configured", "anonymous-request", "authorization-header-stripped"],
        if known { Likely } else { Possible },
    )
}

/// What the refusal points at as it was worded before 1.12: who asked tells most.
fn old_codes(user: &str, verb: &str) -> Codes {
    match user {
        "system:anonymous" => (vec!["anonymous-request", "authorization-header-stripped"], Certain),
        user if user.starts_with("system:node:") => (vec!["node-not-in-nodes-group", "node-authorizer-denied"], Likely),
        user if user.starts_with("arn:") => (vec!["iam-identity-without-permissions", "rbac-no-grant"], Likely),
        _ if verb == "impersonate" => (vec!["impersonation-denied"], Certain),
        _ => (vec!["rbac-no-grant"], Likely),
    }
}

/// What the authorizer's refusal points at: its words prove that the right is not there, and mostly not why.
fn forbidden_codes(context: &Context, who: &str) -> Codes {
    // A refusal that was cut still says who was refused.
    let Some(refusal) = message::forbidden(&context.plain) else {
        return match who {
            "system:anonymous" => (vec!["anonymous-request", "authorization-header-stripped"], Likely),
            _ => (vec!["rbac-no-grant"], Possible),
        };
    };
    let question = &refusal.question;
    let role = refusal.reason.contains("RBAC:") && refusal.reason.contains("not found");
    if refusal.user == ANONYMOUS && of_metrics(&format!("{}.{}", question.resource, question.group)) {
        return behind_the_server(context);
    }
    if refusal.user == ANONYMOUS {
        let codes = vec![
            "anonymous-request",
            "authorization-header-stripped",
            "tls-terminated-before-api-server",
            "client-certificate-no-common-name",
            "authorization-header-malformed",
            "front-proxy-not-configured",
        ];
        return (codes, Certain);
    }
    if matches!(refusal.user.as_str(), "front-proxy-client" | "system:aggregator" | "kube-aggregator") {
        return (vec!["front-proxy-not-configured", "rbac-no-grant"], Likely);
    }
    if question.verb.starts_with("impersonate") {
        return (
            // Who may impersonate loses it with the role that said so.
            if role { vec!["rbac-role-missing", "impersonation-denied"] } else { vec!["impersonation-denied"] },
            if role { Likely } else { Certain },
        );
    }
    if role {
        return (vec!["rbac-role-missing", "rbac-no-grant"], Likely);
    }
    if refusal.user.starts_with("system:node:") {
        // What the group would give, and what a node of the group is refused with a reason.
        let read = ["get", "list", "watch"].contains(&question.verb.as_str());
        let given = nodes::may(question) || (read && nodes::might(question));
        let codes = vec!["node-not-in-nodes-group", "node-authorizer-denied", "rbac-no-grant"];
        return (codes, if given { Likely } else { Possible });
    }
    // RBAC gives no reason but a missing role, ABAC only this one: another authorizer speaks, and whether it denied or
    // only had no opinion, the message does not tell.
    let reason = refusal.reason.lines().next().unwrap_or_default().trim_end_matches(['"', '\\', ',', '}']);
    if NODES.iter().any(|words| reason.starts_with(words)) {
        return (vec!["node-authorizer-denied", "node-not-in-nodes-group"], Likely);
    }
    if !reason.is_empty() && !reason.starts_with("RBAC:") && !OF_RBAC.iter().any(|words| reason.starts_with(words)) {
        // What a program puts behind a message is nobody's reason.
        let own = context.answer || context.plain.contains("\"reason\"");
        return if own {
            (vec!["authorization-webhook-denied", "rbac-no-grant"], Possible)
        } else {
            (vec!["rbac-no-grant", "authorization-webhook-denied", "rbac-wrong-scope"], Possible)
        };
    }
    if let Some(path) = &question.path {
        let open = ["/api", "/apis", "/version", "/openapi", "/healthz", "/livez", "/readyz"];
        if open.iter().any(|known| path == known || path.starts_with(&format!("{known}/"))) {
            return (vec!["rbac-default-bindings-removed", "rbac-no-grant"], Likely);
        }
        return (vec!["rbac-no-grant", "rolebinding-to-cluster-scope"], Likely);
    }
    let mut codes = vec!["rbac-no-grant"];
    if refusal.user.starts_with("arn:") {
        codes.splice(0..0, ["iam-identity-without-permissions"]);
        codes.push("access-policy-out-of-scope");
    }
    if refusal.user.starts_with("https://") && refusal.user.contains('#') {
        codes.push("name-prefix-mismatch");
    }
    if refusal.user.starts_with("system:serviceaccount:") {
        codes.push("rbac-service-account-namespace");
    }
    if !question.subresource.is_empty() {
        codes.push("rbac-subresource-not-granted");
    }
    if question.verb == "watch" || question.verb == "patch" || question.verb == "deletecollection" {
        codes.push("rbac-verb-missing");
    }
    if question.namespace.is_empty() {
        codes.push("rolebinding-to-cluster-scope");
    }
    codes.push("rbac-wrong-scope");
    if !question.group.is_empty() {
        codes.push("rbac-wrong-api-group");
    }
    if !refusal.user.starts_with("system:") {
        codes.push("rbac-group-name-mismatch");
    }
    if matches!(question.verb.as_str(), "list" | "create" | "watch") {
        codes.push("rbac-resource-names");
    }
    (codes, Likely)
}

/// The parts of the authorizer's refusal, by the names that `explain` and its JSON give them.
pub(super) fn forbidden_fields(plain: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let Some(refusal) = message::forbidden(plain) else { return fields };
    let question = refusal.question;
    let path = question.path.unwrap_or_default();
    for (name, value) in [
        ("user", refusal.user),
        ("verb", question.verb),
        ("group", question.group),
        ("resource", question.resource),
        ("subresource", question.subresource),
        ("name", question.name),
        ("namespace", question.namespace),
        ("path", path),
        ("reason", refusal.reason),
    ] {
        if !value.is_empty() {
            fields.insert(name.to_owned(), value);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_node_may_does_not_tell_that_the_group_is_missing() {
        let told = |what: &str| -> Option<(&'static str, Confidence)> {
            let line = format!(
                "nodes is forbidden: User \"system:node:n1\" cannot {what} in API group \"\" at the cluster scope"
            );
            crate::rules::reading::read(&line).first().map(|reading| (reading.code, reading.confidence))
        };
        assert_eq!(told("delete resource \"nodes\""), Some(("node-not-in-nodes-group", Possible)));
        assert_eq!(told("list resource \"services\""), Some(("node-not-in-nodes-group", Likely)));
        assert_eq!(told("get resource \"nodes\""), Some(("node-not-in-nodes-group", Likely)));
    }

    #[test]
    fn what_any_program_forbids_is_no_object_of_the_api_servers() {
        let told = |line: &str| {
            let reading = crate::rules::reading::read(line).into_iter().next()?;
            Some((reading.code, reading.confidence))
        };
        // Made up: other programs name what they forbid in the same way.
        for line in [
            r#"ajv: property "debug" is forbidden: must not be present"#,
            r#"mysql: column "ssn" is forbidden: a policy masks it"#,
            r#"repository "library/nginx" is forbidden: the quota of the project is used up"#,
            r#"jobs "build" is forbidden: the branch is protected"#,
        ] {
            assert_eq!(told(line), None, "{line}");
        }
        let words = "no PriorityClass with name nosuch was found";
        for (line, confidence) in [
            (format!("Error from server (Forbidden): widgets.example.com \"a\" is forbidden: {words}"), Likely),
            (format!("replicaset_controller.go:1] pods \"a\" is forbidden: {words}"), Likely),
            (format!("services \"a\" is forbidden: {words}"), Possible),
            (format!("kubebuilder: widgets.example.com \"a\" is forbidden: {words}"), Possible),
        ] {
            assert_eq!(told(&line), Some(("admission-denied", confidence)), "{line}");
        }
    }

    #[test]
    fn whom_an_extension_server_does_not_see_the_api_server_may_know() {
        let told = |line: &str| {
            let reading = crate::rules::reading::read(line).into_iter().next().expect("it is read");
            (reading.code, reading.confidence)
        };
        // metrics-server #249, custom-metrics-apiserver #68, kubernetes #55805.
        let autoscaler = r#"unable to fetch metrics from resource metrics API: pods.metrics.k8s.io is forbidden: User "system:anonymous" cannot list pods.metrics.k8s.io in the namespace "default".: "No policy matched.""#;
        assert_eq!(told(autoscaler), ("front-proxy-not-configured", Likely));
        for line in [
            r#"work-queue-length.custom.metrics.k8s.io is forbidden: User "system:anonymous" cannot list resource "work-queue-length" in API group "custom.metrics.k8s.io" in the namespace "default""#,
            r#"pods.custom.metrics.k8s.io "a" is forbidden: User "system:anonymous" cannot get pods.custom.metrics.k8s.io/foo-metric in the namespace "default""#,
        ] {
            assert_eq!(told(line), ("front-proxy-not-configured", Possible), "{line}");
        }
        // The API server's own types: there it saw nobody.
        for line in [
            r#"pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default""#,
            r#"User "system:anonymous" cannot list pods in the namespace "default"."#,
        ] {
            assert_eq!(told(line), ("anonymous-request", Confidence::Certain), "{line}");
        }
        // Somebody whom the extension server sees lacks a right; a metric's name may have a low line.
        let named = r#"pods.custom.metrics.k8s.io "a" is forbidden: User "kubernetes" cannot get pods.custom.metrics.k8s.io/accelerator_duty_cycle in the namespace "default""#;
        let reading = crate::rules::reading::read(named).into_iter().next().expect("it is read");
        assert_eq!(reading.code, "rbac-no-grant");
        assert_eq!(reading.fields["resource"], "pods.custom.metrics.k8s.io/accelerator_duty_cycle");
    }
}
