//! Another authorizer than RBAC says no.

use crate::apiserver::authz::World;
use crate::apiserver::authz::modes::Instead;
use crate::evidence::access::Check;
use crate::report::shell::shell;
use crate::report::{Candidate, Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::rbac::authorization_webhook_down::failed_call;
use crate::rules::rbac::rbac_default_bindings_removed;
use crate::rules::refusal::{
    Culprit, DefaultRefused, culprit, defaults_refused, instead_of_rbac, no_binding_at_all, nothing_here, overruled,
    sentence, somebody_else,
};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization-webhook-denied",
    severity: Severity::Error,
    title: "Another authorizer than RBAC denies it",
    page: Page {
        means: "The API server asks its authorizers in order, and the first that allows or denies ends the matter. Here one that is not RBAC (a webhook: a policy engine, the cloud's access management) denies, so RBAC is not asked, and no role and no binding changes the answer.",
        evidence: "The server's access review with denied: true, and that authorizer's reason, which also stands at the end of the refusal; or a denial although RBAC, as it was read, grants the question. Where even the reviews of oneself are refused, the words at the end of that refusal which RBAC never writes, or the default bindings, which are there.",
        fix: "Take the reason to whoever runs that authorizer: its rules must allow the request. `kubectl get --raw /flagz` (1.36 and later) shows --authorization-mode or the file of --authorization-config, where the authorizers stand in their order.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/webhook/",
    },
    recognises: &[],
    explains: &[
        "rbac-no-grant",
        "rbac-verb-missing",
        "rbac-resource-names",
        "rbac-subresource-not-granted",
        "rbac-wrong-scope",
        "rbac-wrong-api-group",
        "name-prefix-mismatch",
    ],
    check,
};

/// How to see which authorizers there are.
fn authorizers() -> Step {
    Step::command(
        "On a control-plane node, see which authorizers there are and in which order they are asked",
        "ps -o args= -C kube-apiserver | tr ' ' '\\n' | grep -E '^--authorization-(mode|config|webhook|policy)'",
    )
}

/// How to see whether a default binding is there.
fn look(role: &str) -> Step {
    Step::command(
        "See, with more rights, whether the default binding is there; where it is gone, that is to be mended first",
        shell!("kubectl get clusterrolebinding {} -o yaml", role),
    )
}

/// The same where nothing tells whether an authorizer denies or the default bindings are gone.
fn either(case: &Case<'_>, refused: &[DefaultRefused], mut finding: Finding) -> Finding {
    let none = no_binding_at_all(case);
    let mut roles: Vec<&str> = refused.iter().map(|one| one.role).collect();
    roles.sort_unstable();
    roles.dedup();
    if let Some(role) = roles.first() {
        finding.candidates.push(Candidate {
            code: rbac_default_bindings_removed::RULE.code,
            why: format!(
                "The default bindings {} (or their roles) may all have been deleted, as some hardening does.",
                roles.join(" and ")
            ),
            decided_by: if none { authorizers() } else { look(role) },
        });
    }
    // That is the first step already where no binding need be looked for.
    let unknown = case.flag_source("authorization-mode").is_none() && !none;
    finding
        .titled("Are the default bindings gone, or does another authorizer deny what everybody may who is signed in?")
        .step(Step::text("Where they are gone, have them made again: the API server does so when it starts."))
        .step(Step::text("Where they are there, ask whoever runs the authorizers beside RBAC to allow what everybody may who is signed in."))
        .steps(unknown.then(authorizers))
}

/// Refused is even what everybody who is signed in may ask, so that no access review tells who denies.
fn of_defaults(case: &Case<'_>) -> Option<Finding> {
    let refused = defaults_refused(case);
    let Some(Culprit::Authorizer(confidence)) = culprit(case, &refused) else { return None };
    let first = refused.first()?;
    let (user, role, what) = (&first.found.user, first.role, sentence(&first.found.question));
    let reason = refused.iter().find_map(|one| one.foreign()).map(|reason| clip(reason, 240));
    if let Some(instead) = instead_of_rbac(case) {
        let finding = without_rbac(first, reason.as_deref(), confidence, instead);
        return Some(refused.iter().skip(1).fold(finding, |finding, one| finding.cite(one.cite())));
    }
    let grant = refused.iter().find_map(|one| one.grant(case));
    let none = no_binding_at_all(case);
    let words = match &reason {
        Some(reason) => format!(" It says: {reason}. RBAC never writes such words."),
        None if grant.is_some() => " It gives no reason.".to_owned(),
        None => " Nothing tells whether all of the default bindings whose rights are refused are gone, or another authorizer denies without a word: the two look alike from here.".to_owned(),
    };
    let there = match &grant {
        Some((_, grant)) => format!(" {grant}: the binding is there, and RBAC is overruled or not asked."),
        None if none => " There is not one role binding in the cluster, and an API server that asks RBAC makes the default ones when it starts: RBAC is not asked, or all of them were deleted.".to_owned(),
        None => " Whether that binding is there was not seen.".to_owned(),
    };
    let ask = Step::text(match &reason {
        Some(reason) => format!(
            "Ask whoever runs that authorizer to allow {user:?} what everybody may who is signed in. Its own words: {reason}"
        ),
        None => format!(
            "Ask whoever runs the authorizers beside RBAC to allow {user:?} what everybody may who is signed in; the one that denies gave no reason."
        ),
    });
    let why = format!(
        "The API server does not let {user:?} {what}, which the default binding {role} gives to everybody who is signed in.{words}{there}"
    );
    let mut finding = if reason.is_none() && grant.is_none() {
        // A binding of which it was seen that it is not there need not be looked for.
        let step = if none { authorizers() } else { look(first.role) };
        either(case, &refused, RULE.finding(confidence, why, first.cite(), step))
    } else {
        let finding = RULE
            .finding(confidence, why, first.cite(), ask)
            .titled("Another authorizer than RBAC denies even what everybody may who is signed in")
            .step(authorizers());
        if grant.is_none() && !none { finding.step(look(first.role)) } else { finding }
    };
    for one in refused.iter().skip(1) {
        finding = finding.cite(one.cite());
    }
    Some(finding.cite_if(grant.map(|(index, grant)| seen(format!("/rbac/seen/bindings/{index}"), grant))))
}

/// The same where RBAC is not asked: no default binding counts there, and nobody need have denied.
fn without_rbac(
    first: &DefaultRefused,
    reason: Option<&str>,
    confidence: Confidence,
    (instead, says): (Instead, Citation),
) -> Finding {
    let (user, role, what) = (&first.found.user, first.role, sentence(&first.found.question));
    let words = reason.map_or_else(String::new, |reason| format!(" The refusal's own words: {reason}"));
    RULE.finding(
        confidence,
        format!("The API server does not let {user:?} {what}, which the default binding {role} gives to everybody who is signed in where RBAC is asked. {}", instead.sentence()),
        first.cite(),
        Step::text(format!("Have whoever runs the control plane let everybody who is signed in do that where it is decided: {}.{words}", instead.decides)),
    )
    .titled("Even what everybody may who is signed in is refused, and RBAC is not asked")
    .cite(says)
    .step(Step::command("Afterwards, look again", "kaccess doctor"))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(identity), Some(access)) = (case.evidence.identity.seen(), case.evidence.access.seen()) else {
        return of_defaults(case).into_iter().collect();
    };
    let question = case.evidence.asked.question.as_ref();
    if question.is_some() && somebody_else(case).is_some() {
        return Vec::new();
    }
    // A webhook that fails denies too, by its failurePolicy; that is another finding.
    let denies = |check: &Check| overruled(case, check) && !failed_call(&check.evaluation_error);
    let found: Vec<usize> = access
        .checks
        .iter()
        .enumerate()
        .filter(|(_, check)| question.is_none_or(|question| check.question == *question) && denies(check))
        .map(|(index, _)| index)
        .collect();
    let Some(&first) = found.first() else { return Vec::new() };
    let check = &access.checks[first];
    let what = check.question.sentence();
    let reason = clip(&check.reason, 240);
    let words = if reason.is_empty() { "gives no reason".to_owned() } else { format!("says: {reason}") };
    let user = &identity.user.username;
    let granted = case.evidence.rbac.seen().and_then(|rbac| {
        World::new(rbac).grants(&identity.user, &check.question).first().map(|grant| {
            let index =
                rbac.bindings.iter().position(|binding| std::ptr::eq(binding, grant.binding)).unwrap_or_default();
            (index, grant.reason())
        })
    });
    let why = match (&granted, check.denied) {
        (_, true) => format!(
            "An authorizer denies {what} to {user:?} outright, and {words}. The API server asks nobody after such a no, so no role and no binding changes it."
        ),
        (Some((_, grant)), false) => format!(
            "{grant}, and yet the API server answers no to {what} for {user:?} and {words}. Another authorizer comes first, or RBAC is not among the modes at all; a binding made in these seconds may also not have arrived yet."
        ),
        (None, false) => return Vec::new(),
    };
    let mut finding = RULE
        .finding(
            if check.denied { Confidence::Certain } else { Confidence::Likely },
            why,
            seen(
                format!("/access/seen/checks/{first}"),
                format!(
                    "{what}: {}{}",
                    if check.denied { "denied" } else { "no" },
                    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
                ),
            ),
            Step::text(match reason.is_empty() {
                true => format!("Ask whoever runs that authorizer to allow {user:?} to {what}; it gave no reason."),
                false => {
                    format!("Ask whoever runs that authorizer to allow {user:?} to {what}. Its own words: {reason}")
                }
            }),
        )
        .titled(format!("Another authorizer than RBAC denies {what}"))
        .step(authorizers())
        .cite(seen("/identity/seen/user", format!("signed in as {user:?}")))
        .cite_if(granted.map(|(index, grant)| seen(format!("/rbac/seen/bindings/{index}"), grant)));
    if question.is_none() {
        if found.len() > 1 {
            finding = finding.step(Step::text(format!(
                "{} more of the questions asked here are denied in the same way; the table of access lists them.",
                found.len() - 1
            )));
        }
        // What somebody may not do on purpose is no fault; that nothing at all goes is one.
        if !(nothing_here(case) && found.len() == access.checks.len()) {
            finding.severity = Severity::Warning;
        }
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::apiserver::Flags;
    use crate::evidence::{Evidence, Observation, Outcome};

    #[test]
    fn bindings_that_may_be_gone_are_looked_for_before_an_authorizer_is_blamed() {
        let text = include_str!("../../../testdata/cases/authorization-webhook-denied-silently/evidence.json");
        let evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1, "{found:?}");
        let finding = &found[0];
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(finding.title.starts_with("Are the default bindings gone, or"), "{}", finding.title);
        let first = finding.fix[0].command.as_deref().unwrap_or_default();
        assert!(first.starts_with("kubectl get clusterrolebinding system:"), "{:?}", finding.fix);
        let codes: Vec<&str> = finding.candidates.iter().map(|candidate| candidate.code).collect();
        assert_eq!(codes, ["rbac-default-bindings-removed"]);
    }

    #[test]
    fn bindings_that_were_seen_not_to_be_there_are_not_looked_for() {
        use crate::evidence::rbac::Rbac;
        let text = include_str!("../../../testdata/cases/authorization-webhook-denied-silently/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved run had no reviewer, who would have read that there is none, as on an API server whose
        // --authorization-config names no RBAC.
        evidence.rbac = Observation::at_rest(Outcome::Seen(Rbac::default()));
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1, "{found:?}");
        let finding = &found[0];
        assert_eq!(finding.confidence, Confidence::Possible);
        assert!(finding.why.contains("not one role binding in the cluster"), "{}", finding.why);
        assert!(!finding.why.contains("was not seen"), "{}", finding.why);
        let commands: Vec<&str> = finding.fix.iter().flat_map(|step| step.codes()).collect();
        assert!(commands.len() == 1 && commands[0].starts_with("ps -o args="), "{commands:?}");
    }

    #[test]
    fn where_rbac_is_not_asked_no_default_binding_is_looked_for() {
        for text in [
            include_str!("../../../testdata/cases/rbac-default-bindings-removed/evidence.json"),
            include_str!("../../../testdata/cases/authorization-webhook-denied-silently/evidence.json"),
        ] {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let mut flags = Flags { source: "/flagz".to_owned(), ..Flags::default() };
            flags.flags.insert("authorization-mode".to_owned(), vec!["Node".to_owned(), "Webhook".to_owned()]);
            evidence.control_plane.flagz = Observation::at_rest(Outcome::Seen(flags));
            let found = check(&Case::new(&evidence));
            assert_eq!(found.len(), 1, "{found:?}");
            let finding = &found[0];
            assert_eq!(finding.confidence, Confidence::Certain);
            assert!(finding.title.ends_with("RBAC is not asked"), "{}", finding.title);
            assert!(finding.why.contains("(--authorization-mode=Node,Webhook)"), "{}", finding.why);
            for guess in ["hardly all gone", "was not seen"] {
                assert!(!finding.why.contains(guess), "{}", finding.why);
            }
            let commands: Vec<&str> = finding.fix.iter().flat_map(|step| step.codes()).collect();
            assert_eq!(commands, ["kaccess doctor"]);
            let flag = "/controlPlane/flagz/seen/flags/authorization-mode";
            assert!(finding.cites.iter().any(|cite| cite.path == flag), "{:?}", finding.cites);
        }
    }
}
