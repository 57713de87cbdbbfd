//! Everybody may do everything.

use crate::apiserver::authz::MASTERS;
use crate::evidence::access::ResourceRule;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization-not-enforced",
    severity: Severity::Warning,
    title: "Everybody may do everything",
    page: Page {
        means: "The API server authorizes every request, because its mode is AlwaysAllow or because a binding gives all rights to a group that everybody is in. Whoever has any credential (in the worst case none) is administrator; roles and bindings decide nothing.",
        evidence: "The server's flag --authorization-mode, a binding of a role with all rights to system:authenticated or the like, or rules that allow everything without a binding that gives them.",
        fix: "Set --authorization-mode=Node,RBAC, or delete the binding, after those who need rights have bindings of their own. `kubectl get clusterrolebindings -o wide` shows who is bound.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authorization/#authorization-modules",
    },
    recognises: &[],
    explains: &["default-service-account-privileged"],
    check,
};

/// Everybody with a credential is in one of these, or every Pod is.
const EVERYBODY: &[&str] = &["system:authenticated", "system:unauthenticated", "system:serviceaccounts"];

/// A rule that allows everything to everything.
pub fn everything(rule: &ResourceRule) -> bool {
    let all = |list: &[String]| list.iter().any(|part| part == "*");
    all(&rule.verbs) && all(&rule.api_groups) && all(&rule.resources) && rule.resource_names.is_empty()
}

fn always_allow(case: &Case<'_>) -> Option<Finding> {
    let (path, source) = case.flag_source("authorization-mode")?;
    let modes = source.flags.get("authorization-mode")?;
    if !modes.iter().any(|mode| mode.split(',').any(|mode| mode == "AlwaysAllow")) {
        return None;
    }
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("{} says --authorization-mode=AlwaysAllow: every request that is authenticated is allowed, whatever the roles say.", source.source),
            seen(format!("{path}/flags/authorization-mode"), "the authorization mode is AlwaysAllow"),
            Step::command(
                "List who is bound to what; whoever needs rights must have a binding before the change",
                "kubectl get clusterrolebindings,rolebindings -A -o wide",
            ),
        )
        .step(Step::manifest("Then set the flag in the API server's command line (kubeadm: /etc/kubernetes/manifests/kube-apiserver.yaml)", "--authorization-mode=Node,RBAC\n")),
    )
}

fn bound(case: &Case<'_>) -> Option<Finding> {
    let rbac = case.evidence.rbac.seen()?;
    for (index, binding) in rbac.bindings.iter().enumerate().filter(|(_, binding)| binding.namespace.is_empty()) {
        let group = |subject: &crate::evidence::rbac::Subject| {
            subject.kind == "Group" && EVERYBODY.contains(&subject.name.as_str())
        };
        let Some((place, subject)) = binding.subjects.iter().enumerate().find(|(_, subject)| group(subject)) else {
            continue;
        };
        let mut roles = rbac.roles.iter().enumerate().filter(|(_, role)| role.kind == "ClusterRole");
        let Some((role, rule)) = roles
            .find(|(_, role)| role.name == binding.role_name)
            .and_then(|(at, role)| Some((at, role.resource_rules.iter().position(everything)?)))
        else {
            continue;
        };
        let who = match subject.name.as_str() {
            "system:unauthenticated" => "even whoever has no credential at all",
            "system:serviceaccounts" => "every Pod",
            _ => "whoever has any credential",
        };
        return Some(
            RULE.finding(
                Confidence::Certain,
                format!("ClusterRoleBinding {:?} gives {:?} to the group {}: {who} is administrator of the cluster.", binding.name, binding.role_name, subject.name),
                seen(format!("/rbac/seen/bindings/{index}/subjects/{place}"), format!("ClusterRoleBinding {:?} has the subject Group {:?}", binding.name, subject.name)),
                Step::command("Give those who need rights bindings of their own, then delete this one", shell!("kubectl delete clusterrolebinding {}", binding.name)),
            )
            .titled(format!("Everybody may do everything: {} is bound to {}", subject.name, binding.role_name))
            .cite(seen(format!("/rbac/seen/roles/{role}/resourceRules/{rule}"), format!("ClusterRole {:?} allows everything", binding.role_name))),
        );
    }
    None
}

/// The modes by what the server says of itself: where AlwaysAllow is not among them, it is no riddle who allows.
fn modes_known(case: &Case<'_>) -> bool {
    ["authorization-mode", "authorization-config"].into_iter().any(|flag| case.flag_source(flag).is_some())
}

fn unbound(case: &Case<'_>) -> Option<Finding> {
    let (user, rbac) = (&case.evidence.identity.seen()?.user, case.evidence.rbac.seen()?);
    let index = case.evidence.access.seen()?.rules.as_ref()?.resource_rules.iter().position(everything)?;
    let bound = rbac.roles.iter().any(|role| role.resource_rules.iter().any(everything));
    if bound || modes_known(case) || !rbac.unread.is_empty() || user.groups.iter().any(|group| group == MASTERS) {
        return None;
    }
    let name = &user.username;
    Some(
        RULE.finding(
            Confidence::Possible,
            format!("{name:?} may do everything by the server's own list of rules, and no binding of RBAC gives that. Either everybody may (--authorization-mode=AlwaysAllow), or another authorizer gives it to this user or one of its groups alone (a policy of ABAC, a webhook)."),
            seen(format!("/access/seen/rules/resourceRules/{index}"), "the rules allow every verb on every resource"),
            Step::command(
                "Ask for somebody whom no policy can name: a yes means that everybody may do everything, a no that it is you",
                "kubectl auth can-i '*' '*' --as=nobody-whom-a-policy-names",
            ),
        )
        .titled(format!("{name:?} may do everything, and no binding says so: perhaps everybody may"))
        .cite(seen("/rbac/seen/bindings", "no binding of yours has a role that allows everything"))
        .step(Step::command(
            "Or read the mode from the flags of the API server (1.36 and later), or from its command line on a control-plane node: AlwaysAllow is everybody, a policy file is ABAC",
            "ps -o args= -C kube-apiserver | tr ' ' '\\n' | grep -E '^--authorization-(mode|config|policy)'",
        ))
        .step(Step::manifest("If everybody may, give those who need rights bindings, and set", "--authorization-mode=Node,RBAC\n")),
    )
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    always_allow(case).or_else(|| bound(case)).or_else(|| unbound(case)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::apiserver::{Flags, ServerPods};
    use crate::evidence::{Evidence, Observation, Outcome};

    #[test]
    fn the_mode_is_that_of_the_best_source() {
        let text = include_str!("../../../testdata/cases/authorization-not-enforced/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let paths = |evidence: &Evidence| -> Vec<String> {
            check(&Case::new(evidence)).into_iter().map(|finding| finding.cites[0].path.clone()).collect()
        };
        let flags = |source: &str, modes: &str| {
            let mut flags = Flags { source: source.to_owned(), ..Flags::default() };
            flags.flags.insert("authorization-mode".to_owned(), vec![modes.to_owned()]);
            flags
        };
        // Only the command line of the server's Pods tells it.
        evidence.control_plane.flagz = Observation::at_rest(Outcome::NotApplicable("no such path".to_owned()));
        let pods = ServerPods { flags: flags("Pod", "AlwaysAllow"), ..ServerPods::default() };
        evidence.control_plane.pods = Observation::at_rest(Outcome::Seen(pods));
        assert_eq!(paths(&evidence), ["/controlPlane/pods/seen/flags/flags/authorization-mode"]);
        // A file that was handed over says nothing against the server itself.
        evidence.control_plane.flagz = Observation::at_rest(Outcome::Seen(flags("/flagz", "Node,RBAC")));
        let file = flags("old.yaml", "AlwaysAllow");
        evidence.control_plane.configuration = Observation::at_rest(Outcome::Seen(file));
        assert!(!paths(&evidence).iter().any(|path| path.contains("authorization-mode")), "{:?}", paths(&evidence));
    }
}
