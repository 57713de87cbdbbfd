//! A binding names the user or group without (or with another) prefix than the API server puts before it.

use crate::apiserver::message::heard;
use crate::evidence::rbac::Binding;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, seen};

/// The rule.
pub static RULE: Rule = Rule {
    code: "name-prefix-mismatch",
    severity: Severity::Error,
    title: "A role binding names you without the prefix the API server uses",
    page: Page {
        means: "The API server puts a prefix before names and groups of an issuer (--oidc-username-prefix, --oidc-groups-prefix; without one, the issuer and # before the name). Bindings must name the prefixed form; they are compared byte by byte.",
        evidence: "The names in SelfSubjectReview beside the subjects of the role bindings.",
        fix: "Change the subject of the binding to the name exactly as the API server says it. `kaccess whoami` shows it; `kubectl edit rolebinding NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

/// The name behind a prefix such as `oidc:` or `https://issuer#`.
fn bare(name: &str) -> &str {
    if let Some((_, rest)) = name.rsplit_once('#') {
        return rest;
    }
    // A scheme's colon is no prefix's.
    match name.rsplit_once(':') {
        Some((_, rest)) if !rest.is_empty() && !rest.starts_with("//") => rest,
        _ => name,
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(identity), Some(rbac), Some(access)) = (case.evidence.identity.seen(), case.evidence.rbac.seen(), case.evidence.access.seen()) else {
        return Vec::new();
    };
    let user = &identity.user;
    let denied = match &case.evidence.asked.question {
        Some(question) => access.checks.iter().any(|check| check.question == *question && !check.allowed),
        None => !access.checks.is_empty() && access.checks.iter().all(|check| !check.allowed),
    };
    if !denied {
        return Vec::new();
    }
    let own: Vec<(&str, &str)> = std::iter::once(("User", user.username.as_str()))
        .chain(user.groups.iter().map(|group| ("Group", group.as_str())))
        .filter(|(_, name)| !name.starts_with("system:"))
        .collect();
    for (index, binding) in rbac.bindings.iter().enumerate() {
        for (place, subject) in binding.subjects.iter().enumerate() {
            // Kubernetes' own names are never to be handed to an identity provider's.
            let reserved = subject.name.starts_with("system:");
            if reserved || own.iter().any(|(kind, name)| subject.kind == *kind && subject.name == *name) {
                continue;
            }
            let Some((kind, name)) = own.iter().find(|(kind, name)| {
                subject.kind == *kind && subject.name != *name && bare(&subject.name) == bare(name)
            }) else {
                continue;
            };
            return vec![
                RULE.finding(
                    Confidence::Certain,
                    format!(
                        "The API server knows you as {name:?}; {} names {:?}. The two differ only by the prefix, and RBAC compares byte by byte, so the binding does not reach you.",
                        describe(binding),
                        subject.name
                    ),
                    seen(format!("/rbac/seen/bindings/{index}/subjects/{place}/name"), format!("{} has the subject {} {:?}", describe(binding), subject.kind, subject.name)),
                    Step::command(
                        "Have the subject changed to the name as the API server says it",
                        format!(
                            "kubectl patch {} {}{} --type=json -p '[{{\"op\":\"replace\",\"path\":\"/subjects/{}/name\",\"value\":\"{name}\"}}]'",
                            binding.kind.to_lowercase(),
                            binding.name,
                            if binding.namespace.is_empty() { String::new() } else { format!(" -n {}", binding.namespace) },
                            subject.index
                        ),
                    ),
                )
                .titled(format!("{} names {:?}, but the API server calls you {name:?}", describe(binding), subject.name))
                .cite(seen("/identity/seen/user", format!("{kind} {name:?}"))),
            ];
        }
    }
    Vec::new()
}

fn describe(binding: &Binding) -> String {
    if binding.namespace.is_empty() {
        format!("{} {:?}", binding.kind, binding.name)
    } else {
        format!("{} {:?} in namespace {}", binding.kind, binding.name, binding.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::bare;

    #[test]
    fn prefixes_are_taken_off() {
        assert_eq!(bare("oidc:backend"), "backend");
        assert_eq!(bare("https://kc/realms/a#alice"), "alice");
        assert_eq!(bare("backend"), "backend");
        assert_eq!(bare("keycloak:oidc:backend"), "backend");
        assert_eq!(bare("https://x"), "https://x");
    }
}
