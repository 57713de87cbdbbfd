//! No credential arrived: the API server sees system:anonymous.

use crate::apiserver::message::{self, heard};
use crate::evidence::identity::ANONYMOUS;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, clip, reading};

/// The rule.
pub static RULE: Rule = Rule {
    code: "anonymous-request",
    severity: Severity::Error,
    title: "No credential arrived: the API server sees system:anonymous",
    page: Page {
        means: "The request reached the API server without anything it takes for a credential. Granting rights to system:anonymous is never the cure.",
        evidence: "The server names the user system:anonymous, in a SelfSubjectReview or in a 403.",
        fix: "Give the user entry a credential; if it has one, something on the way strips it (a TLS-terminating balancer strips client certificates, some proxies strip Authorization). `kubectl config view --minify` shows what the entry has; `kubectl config set-credentials USER --token=TOKEN` gives it one.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#anonymous-requests",
    },
    recognises: &[&heard::FORBIDDEN, &heard::DISCOVERY_FORBIDDEN, &heard::FORBIDDEN_OLD, &message::KUBELET_FORBIDDEN],
    explains: &["rbac-no-grant"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // Asked for, or the name of somebody whom the server knows.
    let reviewed = case.evidence.control_plane.token_review.seen().is_some_and(|review| review.authenticated);
    if case.wants_anonymous() || reviewed {
        return Vec::new();
    }
    // A message from before is no matter of one whom the server knows now.
    let known = case.accepted();
    let none = case.evidence.credential.seen().is_none_or(|credential| !credential.is_there());
    // Where the kubeconfig cannot be used, and no flag gave a credential, there was none to send.
    let expected = none && case.evidence.kubeconfig.failed().is_some();
    let told = case.anonymous().filter(|_| !expected);
    let met = case.evidence.asked.error.as_deref().filter(|error| !known && message::forbidden(error).is_some_and(|found| found.user == ANONYMOUS));
    let cite = if let Some(cite) = &told {
        cite.clone()
    } else if let Some(error) = met {
        seen("/asked/error", clip(error, 240))
    } else {
        return Vec::new();
    };
    // With the credential of this run the answer is another one: the message is of another request.
    if told.is_none() && case.rejected().is_some() {
        return vec![RULE.finding(
            Confidence::Possible,
            "The message tells of a request that arrived without a credential. The one of this run arrived with it, and is refused: it is another fault, or a mended one.",
            cite,
            Step::command("Mend that refusal first; if the message comes again, see which user entry was used for it", "kubectl config view --minify"),
        )];
    }
    // An extension server says it too, of somebody whom the API server knows.
    let extension = told.is_none() && met.is_some_and(|error| reading::of_extension(error).is_some());
    let confidence = if extension { Confidence::Possible } else { Confidence::Certain };
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let methods = user.map(|user| user.methods.clone()).unwrap_or_default();
    let (why, step) = if none || methods.is_empty() {
        (
            "The kubeconfig's user entry holds no credential, so there was nothing to send.".to_owned(),
            Step::command(
                "Give the user entry a credential",
                shell!("kubectl config set-credentials {} --token=\"$(cat token.txt)\"", user.map_or("USER", |user| user.name.as_str())),
            ),
        )
    } else if case.only_certificate().is_some_and(|leaf| leaf.common_names.last().is_some_and(|name| name == ANONYMOUS))
    {
        (
            format!("The client certificate's own common name (CN) is {ANONYMOUS}: the API server takes whoever shows it for nobody."),
            Step::command("Have a certificate made with a name of your own", "openssl req -new -key user.key -subj '/O=GROUP/CN=NAME' -out user.csr"),
        )
    } else {
        (
            format!("The user entry has a credential ({}), but the API server saw none: something on the way removed it.", methods.join(", ")),
            Step::text("Send the request past the proxy or balancer that terminates TLS (use the API server's own endpoint, or TLS pass-through)."),
        )
    };
    vec![RULE.finding(confidence, why, cite, step)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use crate::report::diagnose;
    use crate::rules::check_all;

    const MET: &str = r#"Error from server (Forbidden): pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" in the namespace "default""#;

    #[test]
    fn a_message_of_a_request_without_a_credential_does_not_explain_a_401() {
        // Its token is refused; the message is synthetic: the API server's words, beside which they do not stand there.
        let text = include_str!("../../../testdata/cases/token-audience-mismatch/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.asked.error = Some(MET.to_owned());
        let found = diagnose(check_all(&Case::new(&evidence)));
        assert_eq!(found[0].code, "token-audience-mismatch");
        let own = found.iter().find(|finding| finding.code == RULE.code).expect("it is told");
        assert_eq!((own.confidence, own.explained_by), (Confidence::Possible, Some("token-audience-mismatch")));
        // Where nobody arrived, it is what it was.
        let text = include_str!("../../../testdata/cases/anonymous-request/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.asked.error = Some(MET.to_owned());
        let found = check(&Case::new(&evidence));
        assert_eq!(found.first().map(|finding| finding.confidence), Some(Confidence::Certain));
    }
}
