//! User name and password, which no API server takes any more.

use crate::evidence::apiserver::HttpAnswer;
use crate::evidence::credential::{CredentialSource, OF_URL};
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, front};

/// The rule.
pub static RULE: Rule = Rule {
    code: "basic-auth-removed",
    severity: Severity::Error,
    title: "User name and password are no credential for an API server any more",
    page: Page {
        means: "Basic authentication was removed in Kubernetes 1.19. An API server ignores the password without a word: the request counts as one without credential.",
        evidence: "The user entry or the server URL holds a user name and password, the endpoint is the API server's own, and the request went as system:anonymous (or was 401).",
        fix: "Give the user another credential: a token of the identity provider, a client certificate, or a service account token for machines. `kubectl config unset users.USER.password` and then `kubectl config set-credentials USER --token=TOKEN`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/",
    },
    recognises: &[],
    explains: &["anonymous-request", "credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(credential) = case.evidence.credential.seen().filter(|credential| credential.source == CredentialSource::Basic) else {
        return Vec::new();
    };
    let (anonymous, before) = (case.anonymous(), front::stands_before(case));
    let confidence = front::confidence(before.is_some(), anonymous.is_some());
    let Some(outcome) = anonymous.or_else(|| case.rejected()) else { return Vec::new() };
    // A proxy in front may well take a password.
    if case.proxy_logs_in() || !case.evidence.endpoint.anonymous.seen().is_some_and(HttpAnswer::is_of_kubernetes) {
        return Vec::new();
    }
    let kubeconfig = case.evidence.kubeconfig.seen();
    if credential.origin.starts_with(OF_URL)
        && let Some(cluster) = kubeconfig.and_then(|kubeconfig| kubeconfig.cluster.as_ref())
    {
        let instead = if credential.origin == OF_URL { "" } else { ", and the user entry's own credential is left out" };
        let mut finding = RULE
            .finding(
                confidence,
                format!("The server URL holds a user name and password. kubectl sends these{instead}; the API server does not look at them, so the request counts as one without any credential."),
                seen("/credential/seen/source", credential.origin.clone()),
                Step::command(
                    "Take them out of the server URL",
                    shell!("kubectl config set-cluster {} --server={}", crate::rules::kubeconfig_fault::cluster(case), cluster.server),
                ),
            )
            .titled("The server URL holds a user name and password, which no API server takes any more");
        if before.is_some() {
            finding.why.push_str(front::MAY_LOG_IN);
        }
        return vec![front::asked(finding, before).cite(outcome)];
    }
    let user = kubeconfig.and_then(|kubeconfig| kubeconfig.user.as_ref()).map_or("USER", |user| user.name.as_str());
    let mut why = "The user entry sends a user name and password. The API server does not look at them, so the request counts as one without any credential.".to_owned();
    if before.is_some() {
        why.push_str(front::MAY_LOG_IN);
    }
    let finding = RULE.finding(
        confidence,
        why,
        seen("/credential/seen/source", format!("{}: a user name and password", credential.origin)),
        Step::command(
            "Replace them by a token (of the identity provider, or for machines of a service account)",
            shell!("kubectl config unset users.{}.username; kubectl config unset users.{}.password; kubectl config set-credentials {} --token=\"$TOKEN\"", user, user, user),
        ),
    );
    vec![front::asked(finding, before).cite(outcome)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Outcome;
    use crate::report::{Confidence, diagnose};
    use crate::rules::check_all;
    use crate::rules::front::tests::behind_a_proxy;

    #[test]
    fn a_proxy_may_take_the_password_and_be_refused_itself() {
        let mut evidence =
            behind_a_proxy(include_str!("../../../testdata/cases/front-proxy-ca-mismatch/evidence.json"));
        let found = diagnose(check_all(&Case::new(&evidence)));
        assert_eq!((found[0].code, found[0].confidence), ("front-proxy-ca-mismatch", Confidence::Likely));
        let own = found.iter().find(|finding| finding.code == RULE.code).expect("it may still be so");
        assert_eq!((own.confidence, own.explained_by), (Confidence::Possible, Some("front-proxy-ca-mismatch")));
        assert!(own.why.contains("a proxy stands before the API server"), "{}", own.why);
        // So it is where the server URL holds them.
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        credential.origin = OF_URL.to_owned();
        let found = check(&Case::new(&evidence));
        assert!(found[0].why.starts_with("The server URL holds"), "{}", found[0].why);
        assert!(found[0].why.ends_with(front::MAY_LOG_IN), "{}", found[0].why);
    }
}
