//! The plugin gives a token of another issuer or client than it is told to.

use crate::apiserver::message::heard;
use crate::evidence::credential::CredentialSource;
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::rules::plugin::{self, Kind, argument};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-stale-token-cache",
    severity: Severity::Error,
    title: "The credential plugin gives a cached token of another issuer or client",
    page: Page {
        means: "The arguments name one issuer and client, and the token that came out is of another: it was cached before they were changed. Every request ends in 401 until it is thrown away.",
        evidence: "The arguments in the user entry against iss and aud of the token, and the API server's refusal.",
        fix: "Throw the cache away and log in again. `kubectl oidc-login clean`.",
        references: "https://github.com/int128/kubelogin",
    },
    recognises: &[&heard::LOGIN_NONCE],
    explains: &["credential-rejected", "token-issuer-mismatch", "token-audience-mismatch", "token-not-id-token"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Kind::Oidc, Some(exec), Some(rejected)) = (plugin::kind(case), plugin::exec(case), case.rejected()) else {
        return Vec::new();
    };
    if case.evidence.credential.seen().is_none_or(|credential| credential.source != CredentialSource::Exec) {
        return Vec::new();
    }
    let asked = seen("/kubeconfig/seen/user/exec/args", format!("arguments: {}", exec.args.join(" ")));
    let clean = Step::command("Throw the cached token away and log in again", "kubectl oidc-login clean && kubectl get --raw /version");
    if let (Some(issuer), Some(iss)) = (argument(exec, &["--oidc-issuer-url"]), case.claim_text("iss"))
        && issuer.trim_end_matches('/') != iss.trim_end_matches('/')
    {
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The plugin is told to log in at {issuer}, and gave a token of {iss}."),
                seen("/credential/seen/token/claims/iss", format!("iss: {iss}")),
                clean,
            )
            .cite(asked)
            .cite(rejected),
        ];
    }
    // Extra parameters can ask for another audience.
    if exec.args.iter().any(|arg| arg.starts_with("--oidc-use-access-token") || arg.starts_with("--oidc-auth-request-extra-params")) {
        return Vec::new();
    }
    let (Some(client), Some(audience)) = (argument(exec, &["--oidc-client-id"]), case.claim("aud")) else { return Vec::new() };
    let holds = audience.as_str() == Some(client)
        || audience.as_array().is_some_and(|list| list.iter().any(|one| one.as_str() == Some(client)));
    if holds {
        return Vec::new();
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The plugin is told to log in as the client {client:?}, and gave an ID token for {audience}."),
            seen("/credential/seen/token/claims/aud", format!("aud: {audience}")),
            clean,
        )
        .cite(asked)
        .cite(rejected),
    ]
}
