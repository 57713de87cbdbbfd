//! The kubelet does not take the API server's credential.

use crate::apiserver::message::{self, heard, tools};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, slug};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubelet-refuses-api-server",
    severity: Severity::Error,
    title: "The kubelet refuses the API server, not you",
    page: Page {
        means: "For logs, exec, attach and port-forward the API server connects to the kubelet, with a client certificate of its own. When the kubelet does not take that one (401), or allows it nothing (403), kubectl prints words that look as if your login had failed.",
        evidence: "The message: a verb that is blank and a subresource in parentheses, \"( pods/log NAME)\"; or \"Forbidden (user=..., verb=..., resource=nodes, subresource=...)\".",
        fix: "Renew the API server's kubelet client certificate with the CA that the kubelets trust; or restore the binding of its user to system:kubelet-api-admin. `kubeadm certs renew apiserver-kubelet-client`, or `kubectl create clusterrolebinding kubelet-api-admin --clusterrole=system:kubelet-api-admin --user=kube-apiserver-kubelet-client`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/",
    },
    recognises: &[&message::KUBELET_UNAUTHORIZED, &message::KUBELET_FORBIDDEN, &heard::KUBELET_UPGRADE, &tools::SCRAPE_UNAUTHORIZED, &tools::KUBELET_DENIED],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let met = |text| case.said(text).filter(|word| word.place == Place::Met);
    if let Some(word) = met(&message::KUBELET_FORBIDDEN) {
        let user = word.field("user");
        return vec![RULE.finding(
            Confidence::Certain,
            format!("The kubelet knows the API server as {user:?} and does not allow it {} on {}/{}. Your own credential is not looked at there.", word.field("verb"), word.field("resource"), word.field("subresource")),
            word.cite(),
            Step::command(
                "Give the API server's user the built-in role for this",
                shell!("kubectl create clusterrolebinding {}-kubelet --clusterrole=system:kubelet-api-admin --user={}", slug(user), user),
            ),
        )];
    }
    let Some(word) = met(&message::KUBELET_UNAUTHORIZED) else { return Vec::new() };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The request ({}) was passed on to the kubelet, which answered 401 to the API server's own client certificate: it has expired, or the kubelet trusts another CA. Your own credential is good.", word.field("request")),
            word.cite(),
            Step::command("On a kubeadm control-plane node, renew the API server's kubelet client certificate, then restart the API server", "kubeadm certs check-expiration && kubeadm certs renew apiserver-kubelet-client"),
        )
        .step(Step::command("If it has not expired: on the node, compare its signer with the CA that the kubelet trusts", "grep -A3 x509 /var/lib/kubelet/config.yaml"))
        .cite_if(case.evidence.identity.seen().map(|identity| seen("/identity/seen/user", format!("the API server itself knows you as {:?}", identity.user.username)))),
    ]
}
