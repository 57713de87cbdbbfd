//! A bootstrap token that the API server does not take.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::credential::TokenKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "bootstrap-token-invalid",
    severity: Severity::Error,
    title: "The API server does not take the bootstrap token",
    page: Page {
        means: "A bootstrap token is good while its Secret bootstrap-token-ID in kube-system holds it, is not past its expiration (kubeadm: 24 h) and says usage-bootstrap-authentication: \"true\". Every fault in it is silent: the API server says only \"invalid bearer token\".",
        evidence: "The form of the token, and a TokenReview that gives no reason; the server's flag --enable-bootstrap-token-auth.",
        fix: "Have a new token made (kubeadm token create), or enable bootstrap tokens. `kubeadm token create --print-join-command`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/",
    },
    recognises: &[&heard::BOOTSTRAP, &message::NOBODY_CLAIMED, &heard::NOBODY, &tools::K3S_TOKEN, &tools::K3S_CA, &tools::KUBEADM_CA],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // White space around it is another fault.
    let Some(token) = case.token().filter(|token| token.kind == TokenKind::Bootstrap && token.problems.is_empty()) else {
        return Vec::new();
    };
    let Some(rejected) = case.rejected() else { return Vec::new() };
    let word = case.reviewed_as(&message::NOBODY_CLAIMED);
    let off = case.configuration.as_ref().filter(|(configuration, _)| configuration.complete && !configuration.bootstrap_tokens);
    // The server knows no such token; what else than the Secret could back it is a token file or a webhook.
    let confidence = if word.is_some() || off.is_some_and(|(configuration, _)| !configuration.token_file && !configuration.webhook) {
        Confidence::Certain
    } else {
        return Vec::new();
    };
    let id = case.claim_text("tokenId").unwrap_or("ID");
    let form = seen("/credential/seen/token/kind", format!("a bootstrap token with the id {id:?}, {} characters", token.length));
    let finding = if let Some((_, path)) = off {
        RULE.finding(
            confidence,
            "The API server has bootstrap tokens switched off, so nobody looks at the token.",
            form,
            Step::manifest("Switch bootstrap tokens on, and restart the API server", "--enable-bootstrap-token-auth=true\n"),
        )
        .titled("The API server has bootstrap tokens switched off")
        .cite(seen(*path, "--enable-bootstrap-token-auth is not set"))
    } else {
        RULE.finding(
            confidence,
            format!("No Secret kube-system/bootstrap-token-{id} backs the token: it is gone, expired, holds another token-secret, has a malformed group, or does not say usage-bootstrap-authentication: \"true\"."),
            form,
            Step::command("Have a new token made, with the command to join", "kubeadm token create --print-join-command"),
        )
        .step(Step::command(
            "Or look at the Secret: its type, expiration and usage-bootstrap-authentication",
            shell!("kubectl -n kube-system get secret bootstrap-token-{} -o yaml", id),
        ))
    };
    vec![finding.cite_if(word.map(Word::cite)).cite(rejected)]
}
