//! A binding names the user or group without (or with another) prefix than the API server puts before it.

use crate::apiserver::authz::near::{self, Kind, is_prefix, title};
use crate::apiserver::authz::{Resolved, World, applying, rules};
use crate::apiserver::message::heard;
use crate::evidence::access::Question;
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Subject};
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::{add_subject, denied, instead_of_rbac, overruled, remove_subject, somebody_else};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "name-prefix-mismatch",
    severity: Severity::Error,
    title: "A role binding names you without the prefix the API server uses",
    page: Page {
        means: "The API server puts a prefix before names and groups of an issuer (--oidc-username-prefix, --oidc-groups-prefix; without one, the issuer and # before the name). Bindings must name the prefixed form; they are compared byte by byte.",
        evidence: "The names in SelfSubjectReview beside the subjects of a role binding that does not reach the user, and whose role would grant what is refused.",
        fix: "Add the name exactly as the API server says it to the binding's subjects, and take the other one out where nobody comes under it. `kaccess whoami` shows the name; `kubectl edit rolebinding NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects",
    },
    recognises: &[&heard::FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

/// The name behind a prefix such as `oidc:` or `https://issuer#`.
fn bare(name: &str) -> &str {
    if let Some((_, rest)) = name.rsplit_once('#').filter(|(head, _)| is_prefix(head)) {
        return rest;
    }
    // A scheme's colon is no prefix's, and what joins several names is none either: that is one group of that whole name.
    match name.rsplit_once(':').filter(|(head, _)| is_prefix(head)) {
        Some((_, rest)) if !rest.is_empty() && !rest.starts_with("//") => rest,
        _ => name,
    }
}

/// Two names that differ by their prefix, and by a leading slash at most beside it.
fn alike(theirs: &str, own: &str) -> bool {
    let (one, other) = (bare(theirs), bare(own));
    one == other
        || (one.trim_start_matches('/') == other.trim_start_matches('/')
            && theirs.strip_suffix(one) != own.strip_suffix(other))
}

/// Whether the role of a binding, in its scope, would grant the question to somebody whom the binding reaches.
pub fn would_grant(world: &World<'_>, binding: &Binding, question: &Question) -> bool {
    let scope = if question.path.is_some() { "" } else { question.namespace.as_str() };
    let counts = binding.kind == "ClusterRoleBinding" || (!scope.is_empty() && binding.namespace == scope);
    counts
        && matches!(world.resolve(binding), Resolved::Role(role) if rules::allowing(role, question).is_some())
}

/// Whether some binding that would grant what is refused names the user with the server's own prefix, and otherwise a little
/// differently: that one is meant before the same name with another prefix, which may be another issuer's.
fn nearer(world: &World<'_>, own: &[(&str, &str)], user: &User, refused: &[(&Question, Citation)]) -> bool {
    let meant = |subject: &Subject| {
        own.iter().any(|(kind, name)| {
            subject.kind == *kind
                && near::alike(&subject.name, name)
                    .is_some_and(|(how, _)| matches!(how, Kind::SubjectCase | Kind::SubjectSlash))
        })
    };
    world.bindings().iter().any(|binding| {
        applying(binding, user).is_none()
            && binding.subjects.iter().any(meant)
            && refused.iter().any(|(question, _)| would_grant(world, binding, question))
    })
}

/// The questions that are refused, each with where that stands: the one of the message, else those asked by ourselves
/// where not one was answered yes.
pub fn refused<'e>(case: &Case<'e>) -> Vec<(&'e Question, Citation)> {
    if let Some(denied) = denied(case) {
        return vec![(denied.question, denied.cite(case))];
    }
    let checks = case.evidence.access.seen().map(|access| access.checks.as_slice()).unwrap_or_default();
    // Where RBAC is not asked, no binding helps, however it is spelled.
    let no_binding = instead_of_rbac(case).is_some();
    if case.evidence.asked.question.is_some() || no_binding || checks.iter().any(|check| check.allowed) {
        return Vec::new();
    }
    checks
        .iter()
        .enumerate()
        .filter(|(_, check)| !overruled(case, check))
        .map(|(index, check)| {
            let text = format!("{}: no", check.question.sentence());
            (&check.question, seen(format!("/access/seen/checks/{index}"), text))
        })
        .collect()
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(identity), Some(rbac)) = (case.evidence.identity.seen(), case.evidence.rbac.seen()) else {
        return Vec::new();
    };
    // A service account's name has no prefix that an issuer's configuration could change.
    if somebody_else(case).is_some() {
        return Vec::new();
    }
    let user = &identity.user;
    let refused = refused(case);
    let world = World::new(rbac);
    let own: Vec<(&str, &str)> = std::iter::once(("User", user.username.as_str()))
        .chain(user.groups.iter().map(|group| ("Group", group.as_str())))
        .filter(|(_, name)| !name.starts_with("system:"))
        .collect();
    for (index, binding) in rbac.bindings.iter().enumerate() {
        // Whom it reaches already by another subject, it does not miss by this one.
        if applying(binding, user).is_some() {
            continue;
        }
        let Some((question, answer)) = refused.iter().find(|(question, _)| would_grant(&world, binding, question))
        else {
            continue;
        };
        for (place, subject) in binding.subjects.iter().enumerate() {
            // Kubernetes' own names are never to be handed to an identity provider's.
            if subject.name.starts_with("system:") {
                continue;
            }
            let Some((kind, name)) = own.iter().find(|(kind, name)| {
                subject.kind == *kind && subject.name != *name && alike(&subject.name, name)
            }) else {
                continue;
            };
            // Keycloak writes groups as paths: the slash goes with the prefix, and both are to be written as the server does.
            let slash = if bare(&subject.name) == bare(name) { "" } else { " and a leading slash" };
            // A name with another prefix may be the same name at another issuer.
            let unprefixed = subject.name == bare(name);
            if !unprefixed && bare(&subject.name) != subject.name && nearer(&world, &own, user, &refused) {
                continue;
            }
            return vec![
                RULE.finding(
                    if unprefixed { Confidence::Certain } else { Confidence::Likely },
                    format!(
                        "The API server knows you as {name:?}; {} would let you {}, and names {:?}. The two differ only by the prefix{slash}, and RBAC compares byte by byte, so the binding does not reach you.",
                        title(binding),
                        question.sentence(),
                        subject.name
                    ),
                    seen(format!("/rbac/seen/bindings/{index}/subjects/{place}/name"), format!("{} has the subject {} {:?}", title(binding), subject.kind, subject.name)),
                    Step::command(
                        if unprefixed {
                            "Have the name as the API server says it added to the binding's subjects".to_owned()
                        } else {
                            format!("If {:?} is meant to be you (and not the same name at another issuer), have the name as the API server says it added to the binding's subjects", subject.name)
                        },
                        add_subject(binding, kind, name),
                    ),
                )
                .titled(format!("{} names {:?}, but the API server calls you {name:?}", title(binding), subject.name))
                .step(Step::command(
                    format!("Then take {:?} out, if nobody else comes under that name", subject.name),
                    remove_subject(binding, subject),
                ))
                .cite(seen("/identity/seen/user", format!("{kind} {name:?}")))
                .cite(answer.clone()),
            ];
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{alike, bare, check};
    use crate::evidence::apiserver::Flags;
    use crate::evidence::{Evidence, Observation, Outcome};
    use crate::rules::Case;

    #[test]
    fn no_binding_is_mended_where_rbac_is_not_asked() {
        let text = include_str!("../../../testdata/cases/name-prefix-mismatch/evidence.json");
        let found = |modes: &[&str]| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let mut flags = Flags { source: "/flagz".to_owned(), ..Flags::default() };
            let modes = modes.iter().map(|mode| (*mode).to_owned()).collect();
            flags.flags.insert("authorization-mode".to_owned(), modes);
            evidence.control_plane.flagz = Observation::at_rest(Outcome::Seen(flags));
            check(&Case::new(&evidence)).len()
        };
        assert_eq!((found(&["Node", "RBAC"]), found(&["Node", "ABAC"])), (1, 0));
    }

    #[test]
    fn prefixes_are_taken_off() {
        assert_eq!(bare("oidc:backend"), "backend");
        assert_eq!(bare("https://kc/realms/a#alice"), "alice");
        assert_eq!(bare("backend"), "backend");
        assert_eq!(bare("keycloak:oidc:backend"), "backend");
        assert_eq!(bare("https://x"), "https://x");
        assert_eq!(bare("dev,oidc:backend"), "dev,oidc:backend");
        assert_eq!(bare("dev oidc:backend"), "dev oidc:backend");
        assert_eq!(bare("dev/oidc:backend"), "dev/oidc:backend");
        assert_eq!(bare("https://kc/realms/a:backend"), "backend");
    }

    #[test]
    fn a_slash_beside_the_prefix_is_told_and_a_slash_alone_is_another_finding() {
        assert!(alike("/platform", "oidc:platform"));
        assert!(alike("platform", "oidc:/platform"));
        assert!(alike("backend", "oidc:backend"));
        assert!(!alike("oidc:/platform", "oidc:platform"));
        assert!(!alike("/platform", "platform"));
        assert!(!alike("oidc:backend", "dev,oidc:backend"));
    }

    #[test]
    fn the_users_own_prefix_goes_before_another_issuers() {
        let text = include_str!("../../../testdata/cases/name-prefix-mismatch/evidence.json");
        // A real cluster; the names are changed: one group of another prefix, and perhaps one that differs by a slash alone.
        let found = |slash: bool| {
            let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
            evidence["identity"]["seen"]["user"]["groups"] = json!(["oidc:/frontend", "system:authenticated"]);
            let bindings = evidence["rbac"]["seen"]["bindings"].as_array_mut().expect("bindings");
            bindings[0]["subjects"][0]["name"] = json!("corp:frontend");
            if slash {
                let mut nearer = bindings[0].clone();
                nearer["name"] = json!("staff-reads");
                nearer["subjects"][0]["name"] = json!("oidc:frontend");
                bindings.push(nearer);
            }
            let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
            check(&Case::new(&evidence)).len()
        };
        assert_eq!((found(false), found(true)), (1, 0));
    }
}
