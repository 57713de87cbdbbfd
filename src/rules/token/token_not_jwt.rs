//! The token is damaged, or nothing an OIDC or service account authenticator takes.

use crate::apiserver::message::{self, heard};
use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig::token_has_whitespace;
use crate::rules::{Case, Page, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-not-jwt",
    severity: Severity::Error,
    title: "The token is damaged or no JWT",
    page: Page {
        means: "The token cannot be read as a JWT: cut off while copying, padded, wrapped in quotes, encrypted (JWE, five parts), or an opaque access token that only its issuer understands. The API server then says only \"invalid bearer token\".",
        evidence: "What is wrong with its form, with the place, without showing it.",
        fix: "Copy the token again whole, or take the ID token instead of the access token. `kaccess decode` says where it breaks.",
        references: "https://www.rfc-editor.org/rfc/rfc7519",
    },
    recognises: &[&heard::MALFORMED, &message::NOBODY_CLAIMED, &heard::NOBODY],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(token), Some(rejected)) = (case.token(), case.rejected()) else { return Vec::new() };
    if !matches!(token.kind, TokenKind::Opaque | TokenKind::Jwe | TokenKind::Jwt | TokenKind::ServiceAccount) {
        return Vec::new();
    }
    if token.kind == TokenKind::Jwe {
        // A webhook of one's own may be able to read it.
        return vec![
            RULE.finding(
                Confidence::Likely,
                "The token has five parts: it is encrypted (JWE). Authenticators of OIDC issuers and service accounts read signed tokens of three parts (JWS) and nothing else.",
                seen("/credential/seen/token/kind", "an encrypted token (JWE)"),
                Step::text("Send the ID token of the same login, signed and not encrypted: in the identity provider, take the encryption off the ID token of this client (Keycloak: client, Advanced, ID token encryption; others: id_token_encrypted_response_alg), and log in again."),
            )
            .titled("The token is encrypted, and the API server reads signed ones only")
            .cite(rejected),
        ];
    }
    let damaged = token.problems.iter().position(|problem| !token_has_whitespace::is_whitespace(problem));
    let Some(index) = damaged else { return Vec::new() };
    // An opaque token may be good for a token file or webhook: only the damage is certain.
    let confidence = if token.kind == TokenKind::Opaque { Confidence::Likely } else { Confidence::Certain };
    let problem = &token.problems[index];
    vec![
        RULE.finding(
            confidence,
            format!("The {} cannot be read: {}. Neither an OIDC issuer's nor a service account's authenticator takes such a token.", problem.part, problem.detail),
            seen(format!("/credential/seen/token/problems/{index}"), problem.detail.clone()),
            renew::token(case),
        )
        .cite(rejected),
    ]
}
