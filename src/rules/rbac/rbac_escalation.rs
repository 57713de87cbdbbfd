//! Somebody gives away rights that they do not hold.

use std::sync::LazyLock;

use regex::Regex;

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::grant;
use crate::rules::{Case, Page, Rule, slug};

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

/// The rules of the refusal as YAML.
fn rules(text: &str) -> String {
    static PART: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(APIGroups|Resources|ResourceNames|Verbs|NonResourceURLs):\[((?:"(?:[^"\\]|\\.)*" ?)*)\]"#)
            .expect("constant pattern")
    });
    static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*""#).expect("constant pattern"));
    let mut yaml = String::new();
    for line in text.lines() {
        let mut lead = "- ";
        for part in PART.captures_iter(line) {
            let field = match &part[1] {
                "APIGroups" => "apiGroups",
                "Resources" => "resources",
                "ResourceNames" => "resourceNames",
                "Verbs" => "verbs",
                _ => "nonResourceURLs",
            };
            let names: Vec<&str> = NAME.find_iter(&part[2]).map(|name| name.as_str()).collect();
            yaml.push_str(&format!("{lead}{field}: [{}]\n", names.join(", ")));
            lead = "  ";
        }
    }
    yaml
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.said(&message::RBAC_ESCALATION) else { return Vec::new() };
    let user = word.field("user");
    let identity = case.evidence.identity.seen();
    let own = identity.is_some_and(|identity| identity.user.username == user);
    let (resource, name) = (word.field("resource"), word.field("name"));
    let namespace = match case.evidence.kubeconfig.seen() {
        Some(kubeconfig) if !resource.starts_with("cluster") => kubeconfig.namespace.as_str(),
        _ => "",
    };
    let rules = rules(word.field("rules"));
    let count = rules.lines().filter(|line| line.starts_with("- ")).count();
    let what = if count == 1 { "1 rule".to_owned() } else { format!("{count} rules") };
    let mut finding = RULE
        .finding(
            word.confidence(own),
            format!("{user:?} may write {resource}, but {name:?} would grant {what} that {user:?} does not hold: RBAC lets nobody give more than they have."),
            word.cite(),
            Step::text("Have somebody who holds these rights apply the object (a cluster administrator does)."),
        );
    if !rules.is_empty() {
        finding = finding.step(Step::manifest(
            format!("Or have this applied first: it gives {user:?} exactly the rules that the refusal names"),
            grant(&format!("{}-may-give", slug(user)), namespace, &rules, user),
        ));
    }
    if own {
        finding = finding.cite(seen("/identity/seen/user/username", format!("signed in as {user:?}")));
    }
    if finding.confidence == Confidence::Certain {
        finding = finding.titled(format!("{name:?} would give away rights that {user:?} does not hold"));
    }
    vec![finding]
}
