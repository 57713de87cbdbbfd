//! The plugin gives a token that is already past its end.

use crate::evidence::credential::{CredentialSource, TokenKind};
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::rules::{plugin, renew, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-token-expired",
    severity: Severity::Error,
    title: "The credential plugin gives a token that has already expired",
    page: Page {
        means: "The plugin ends without an error, and what it gives is past its end; kubectl sends it all the same, runs the plugin anew for each request, and the API server answers 401.",
        evidence: "The token's exp (or the plugin's expirationTimestamp) against the API server's clock, and its refusal.",
        fix: "Throw the plugin's cache away; set this machine's clock right. `kubectl oidc-login clean` for kubelogin.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[],
    explains: &["credential-rejected", "token-expired"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(credential) = case.evidence.credential.seen().filter(|credential| credential.source == CredentialSource::Exec) else {
        return Vec::new();
    };
    let Some(rejected) = case.rejected() else { return Vec::new() };
    // The presigned tokens of AWS have rules of their own.
    if credential.token.as_ref().is_some_and(|token| token.kind == TokenKind::EksIam) {
        return Vec::new();
    }
    let (now, clock) = case.server_time();
    let (end, what, path, confidence) = match (case.claim_time("exp"), credential.announced_expiry) {
        (Some(end), _) if end <= now => (end, "exp", "/credential/seen/token/claims/exp", Confidence::Certain),
        (None, Some(end)) if end <= now => {
            (end, "expirationTimestamp", "/credential/seen/announcedExpiry", Confidence::Likely)
        }
        _ => return Vec::new(),
    };
    let command = plugin::exec(case).map_or("the plugin", |exec| exec.command.as_str());
    vec![
        RULE.finding(
            confidence,
            format!(
                "{command} ended without an error and gave a token whose {what} is {end}; by {clock} it is {}.",
                now.strftime("%Y-%m-%dT%H:%M:%SZ")
            ),
            seen(path, format!("{what}: {end}")),
            renew::token(case),
        )
        .step(Step::command("If the times are near each other, compare this machine's clock with the true time", "date -u"))
        .cite(rejected),
    ]
}
