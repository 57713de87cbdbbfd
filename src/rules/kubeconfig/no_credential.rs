//! The user entry is empty.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::{complaint, user};
use crate::rules::wording::capital;
use crate::rules::{Case, Page, Rule, front};

/// The rule.
pub static RULE: Rule = Rule {
    code: "no-credential",
    severity: Severity::Error,
    title: "The user entry holds no credential",
    page: Page {
        means: "There is nothing to send: the request counts as system:anonymous, and the API server answers 403 (or 401, where anonymous requests are switched off).",
        evidence: "The user entry has no method (or an oidc auth-provider without any token), and the API server saw nobody.",
        fix: "Give the user entry a credential: log in by your provider, or name a token. `kubectl config set-credentials USER --token=TOKEN`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/",
    },
    recognises: &[],
    explains: &["anonymous-request", "credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let name = user(case);
    let step = Step::command(
        "Give the user entry a credential (or have your provider write it: aws eks update-kubeconfig, gcloud, az)",
        shell!("kubectl config set-credentials {} --token=\"$(cat token.txt)\"", name),
    );
    if let Some(complaint) = complaint(case, RULE.code) {
        return vec![RULE.finding(
            Confidence::Certain,
            format!("The auth-provider oidc has neither an ID token nor a refresh token: {}.", complaint.detail),
            complaint.cite,
            step,
        )];
    }
    let Some(entry) = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref()) else {
        return Vec::new();
    };
    let Some(credential) = case.evidence.credential.seen().filter(|credential| !credential.is_there()) else {
        return Vec::new();
    };
    // A proxy that logs in by itself (kubectl proxy) needs none.
    if !entry.methods.is_empty() {
        return Vec::new();
    }
    let (anonymous, before) = (case.anonymous(), front::stands_before(case));
    let confidence = front::confidence(before.is_some(), anonymous.is_some());
    let Some(outcome) = anonymous.or_else(|| case.rejected()) else { return Vec::new() };
    if entry.name.is_empty() {
        let mut finding = without_user(case);
        finding.confidence = confidence;
        if before.is_some() {
            finding.why.push_str(front::MAY_LOG_IN);
        }
        return vec![front::asked(finding, before).cite(outcome)];
    }
    let mut why =
        format!("{} holds no token, certificate or plugin, so there was nothing to send.", capital(&credential.origin));
    if before.is_some() {
        why.push_str(front::MAY_LOG_IN);
    }
    let finding = RULE.finding(
        confidence,
        why,
        seen("/kubeconfig/seen/user/methods", format!("{}: no method", credential.origin)),
        step,
    );
    vec![front::asked(finding, before).cite(outcome)]
}

/// There is no user entry: what is to be named, and where.
fn without_user(case: &Case<'_>) -> Finding {
    let cite = seen("/kubeconfig/seen/user/methods", "no user entry is used");
    let config = case.evidence.kubeconfig.seen();
    let Some(context) = config.and_then(|config| config.context.as_deref()) else {
        let step = Step::text("Give one beside the server: --token, or --client-certificate and --client-key; or name a context.");
        return RULE
            .finding(Confidence::Certain, "No context names a user here, and no flag gives a credential, so there was nothing to send.", cite, step)
            .titled("No user and no credential is named");
    };
    RULE.finding(
        Confidence::Certain,
        format!("The context {context:?} names no user, so there was nothing to send. A credential in an entry that no context names is not used either."),
        cite,
        Step::command("See which user entries there are", "kubectl config get-users"),
    )
    .titled("The context names no user")
    .step(Step::command(
        "Name the right one in the context",
        shell!("kubectl config set-context {} --user=USER", context),
    ))
    .step(Step::command(
        "Where there is none yet, make one first (or have your provider write it: aws eks update-kubeconfig, gcloud, az)",
        "kubectl config set-credentials USER --token=\"$(cat token.txt)\"",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::evidence::credential::CredentialSource;
    use crate::report::diagnose;
    use crate::rules::check_all;
    use crate::rules::front::tests::behind_a_proxy;

    #[test]
    fn a_proxy_that_logs_in_by_itself_needs_no_credential() {
        let mut evidence =
            behind_a_proxy(include_str!("../../../testdata/cases/front-proxy-name-not-allowed/evidence.json"));
        // Synthetic: the saved user has a password; whoever relies on the proxy alone has nothing.
        let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
        kubeconfig.user.as_mut().expect("a user").methods.clear();
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        credential.source = CredentialSource::None;
        let found = diagnose(check_all(&Case::new(&evidence)));
        assert_eq!((found[0].code, found[0].confidence), ("front-proxy-name-not-allowed", Confidence::Likely));
        let own = found.iter().find(|finding| finding.code == RULE.code).expect("it may still be so");
        assert_eq!((own.confidence, own.explained_by), (Confidence::Possible, Some("front-proxy-name-not-allowed")));
        // So it is where the context names no user.
        let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
        kubeconfig.user.as_mut().expect("a user").name = String::new();
        let found = check(&Case::new(&evidence));
        assert_eq!(found[0].title, "The context names no user");
        assert!(found[0].why.ends_with(front::MAY_LOG_IN), "{}", found[0].why);
    }

    /// A saved run with an empty entry, in which the context names no user, as the loader writes that down.
    #[test]
    fn a_context_without_a_user_is_given_one() {
        let text = include_str!("../../../testdata/cases/no-credential/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
        kubeconfig.user.as_mut().expect("a user").name = String::new();
        let context = kubeconfig.context.clone().expect("a context");
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        credential.origin = "no user entry".to_owned();
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].title, "The context names no user");
        assert!(found[0].why.contains(&format!("{context:?} names no user")), "{}", found[0].why);
        assert_eq!(
            found[0].fix[1].command.as_deref(),
            Some(format!("kubectl config set-context {context} --user=USER").as_str())
        );
    }
}
