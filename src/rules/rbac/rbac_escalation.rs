//! Somebody gives away rights that they do not hold.

use std::sync::LazyLock;

use regex::Regex;

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::grant;
use crate::rules::{Case, Page, Rule, clip, slug};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-escalation",
    severity: Severity::Error,
    title: "A role may only give what its author holds",
    page: Page {
        means: "Writing roles and bindings was allowed, but the API server lets nobody give away more than they have: every rule of the role must be held by the one who writes it or binds it, through RBAC (EKS access policies do not count).",
        evidence: "The refusal names the user and each rule that is missing.",
        fix: "Have somebody with these rights apply the object, or hold the missing rules first. The verbs bind (on that role) and escalate lift the check, and so let their holder become cluster administrator. `kubectl auth reconcile -f FILE` applies it with their rights.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping",
    },
    recognises: &[&message::RBAC_ESCALATION, &heard::ESCALATION],
    explains: &["rbac-no-grant"],
    check,
};

/// Rules as YAML, those on resources and those on paths; none where any part of the refusal cannot be read: a rule without
/// its names, say, would give more than was refused.
fn rules(text: &str) -> Option<(Vec<String>, Vec<String>)> {
    static PART: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^(APIGroups|Resources|ResourceNames|Verbs|NonResourceURLs):\[((?:"(?:[^"\\]|\\.)*" ?)*)\](?:, )?"#)
            .expect("constant pattern")
    });
    static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*""#).expect("constant pattern"));
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut rest = line.trim().strip_prefix('{')?;
        let (mut yaml, mut of_paths) = (String::new(), false);
        while !rest.starts_with('}') {
            let part = PART.captures(rest)?;
            let field = match &part[1] {
                "APIGroups" => "apiGroups",
                "Resources" => "resources",
                "ResourceNames" => "resourceNames",
                "Verbs" => "verbs",
                _ => "nonResourceURLs",
            };
            of_paths |= field == "nonResourceURLs";
            let names: Vec<&str> = NAME.find_iter(&part[2]).map(|name| name.as_str()).collect();
            let lead = if yaml.is_empty() { "- " } else { "  " };
            yaml.push_str(&format!("{lead}{field}: [{}]\n", names.join(", ")));
            rest = &rest[part[0].len()..];
        }
        if of_paths { paths.push(yaml) } else { resources.push(yaml) }
    }
    Some((resources, paths))
}

/// Whoever writes a ClusterRole that collects others must hold everything: which rules come in, nobody knows beforehand.
fn of_aggregation(case: &Case<'_>) -> Option<Finding> {
    let error = case.evidence.asked.error.as_deref()?;
    if !error.contains("must have cluster-admin privileges to use the aggregationRule") {
        return None;
    }
    let user = case.evidence.identity.seen().map(|identity| &identity.user);
    // The group that is asked nothing: the message is somebody else's, or is over.
    if user.is_some_and(|user| user.groups.iter().any(|group| group == "system:masters")) {
        return None;
    }
    let mut finding = RULE
        .finding(
            Confidence::Likely,
            "Writing ClusterRoles was allowed, but one with an aggregationRule may be written only by who holds every right there is, through RBAC: all verbs on all resources of all API groups, and on all paths. The message does not name who was refused, and whether it would be refused now was not tried.",
            seen("/asked/error", clip(error, 240)),
            Step::text("Have a cluster administrator apply the object, or write the rules themselves into it, without an aggregationRule."),
        )
        .titled("A ClusterRole with an aggregationRule takes every right there is");
    finding.explains = &[];
    if let Some(user) = user {
        finding = finding.cite(seen("/identity/seen/user/username", format!("signed in as {:?}", user.username)));
    }
    Some(finding)
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.said(&message::RBAC_ESCALATION) else { return of_aggregation(case).into_iter().collect() };
    let user = word.field("user");
    let identity = case.evidence.identity.seen();
    let own = identity.is_some_and(|identity| identity.user.username == user);
    let (resource, name) = (word.field("resource"), word.field("name"));
    let namespace = match case.evidence.kubeconfig.seen() {
        Some(kubeconfig) if !resource.starts_with("cluster") => kubeconfig.namespace.as_str(),
        _ => "",
    };
    let rules = rules(word.field("rules"));
    let count = word.field("rules").lines().count();
    let what = if count == 1 { "1 rule".to_owned() } else { format!("{count} rules") };
    let mut finding = RULE
        .finding(
            word.confidence(own),
            format!("{user:?} may write {resource}, but {name:?} would grant {what} that {user:?} does not hold: RBAC lets nobody give more than they have."),
            word.cite(),
            Step::text("Have somebody who holds these rights apply the object (a cluster administrator does)."),
        );
    if let Some((resources, paths)) = rules {
        let role = format!("{}-may-give-{}", slug(user), slug(if name.is_empty() { resource } else { name }));
        // A Role holds no rule on paths.
        let parts: Vec<String> = if namespace.is_empty() {
            vec![grant(&role, "", &[resources, paths].concat().concat(), user)]
        } else {
            [(namespace, resources), ("", paths)]
                .into_iter()
                .filter(|(_, rules)| !rules.is_empty())
                .map(|(place, rules)| grant(&role, place, &rules.concat(), user))
                .collect()
        };
        let mut step = format!("Or have this applied first: it gives {user:?} exactly the rules that the refusal names");
        if !namespace.is_empty() {
            step.push_str(&format!(" (the message names no namespace: this is for {namespace:?}, that of your context; put the object's where it is in another)"));
        }
        if parts.iter().any(|part| part.contains("resources: [\"*\"]") && part.contains("verbs: [\"*\"]")) {
            step.push_str("; among them is every right there is, so rather have the object applied by who holds it");
        }
        finding = finding.step(Step::manifest(step, parts.join("---\n")));
    }
    if own {
        finding = finding.cite(seen("/identity/seen/user/username", format!("signed in as {user:?}")));
    }
    if finding.confidence == Confidence::Certain {
        finding = finding.titled(format!("{name:?} would give away rights that {user:?} does not hold"));
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_limits_a_rule_is_never_left_out() {
        let odd = r#"{APIGroups:[""], Resources:["secrets"], ResourceNames:["q\"e" "a b"], Verbs:["get"]}"#;
        let (resources, paths) = rules(odd).expect("a rule");
        assert_eq!(
            resources,
            ["- apiGroups: [\"\"]\n  resources: [\"secrets\"]\n  resourceNames: [\"q\\\"e\", \"a b\"]\n  verbs: [\"get\"]\n"]
        );
        assert!(paths.is_empty());
        // As a message stands that lost its backslashes on the way: better no manifest than a wider one.
        assert_eq!(rules(&odd.replace('\\', "")), None);
        assert_eq!(rules(r#"{APIGroups:[""], Fields:["x"], Verbs:["get"]}"#), None);
    }

    #[test]
    fn an_aggregation_rule_that_was_refused_is_told_to_whom_it_may_have_met() {
        let text = include_str!("../../../testdata/cases/private-zone-visible/evidence.json");
        let mut evidence: crate::evidence::Evidence = serde_json::from_str(text).expect("evidence");
        evidence.asked.error = Some(r#"Error from server (Forbidden): clusterroles.rbac.authorization.k8s.io "agg1" is forbidden: must have cluster-admin privileges to use the aggregationRule"#.to_owned());
        let report = crate::rules::report(&evidence);
        let codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes.first(), Some(&RULE.code), "{codes:?}");
        assert_eq!(report.findings[0].confidence, Confidence::Likely);
        assert_eq!(report.verdict, crate::report::doctor::Verdict::Problems);
        // Who may do everything has not met it.
        let crate::evidence::Outcome::Seen(identity) = &mut evidence.identity.outcome else { panic!("no identity") };
        identity.user.groups.push("system:masters".to_owned());
        assert!(check(&Case::new(&evidence)).is_empty());
    }

    #[test]
    fn rules_on_paths_stand_apart() {
        let text = "{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}";
        let (resources, paths) = rules(text).expect("rules");
        assert_eq!(resources, ["- apiGroups: [\"*\"]\n  resources: [\"*\"]\n  verbs: [\"*\"]\n"]);
        assert_eq!(paths, ["- nonResourceURLs: [\"*\"]\n  verbs: [\"*\"]\n"]);
    }
}
