//! The token is signed with an algorithm that the API server does not take.

use crate::apiserver::configuration::SIGNING_ALGORITHMS;
use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{eks, Case, Page, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-algorithm-not-allowed",
    severity: Severity::Error,
    title: "The token is signed with an algorithm that the API server does not take",
    page: Page {
        means: "With the --oidc-* flags the API server takes RS256 only, unless --oidc-signing-algs says more; with an AuthenticationConfiguration it takes RS, PS and ES of 256, 384 and 512 bits. It never takes HS256 (a shared secret), EdDSA or none.",
        evidence: "The alg in the token's header, beside the server's words (signed with unsupported algorithm, expected [...] got ...).",
        fix: "Let the identity provider sign ID tokens with RS256, or add the algorithm to --oidc-signing-algs (EKS takes RS256 only). `--oidc-signing-algs=RS256,ES256` is the flag.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::ALGORITHM],
    explains: &["credential-rejected", "token-key-foreign", "token-signature-invalid"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(token) = case.token().filter(|token| token.kind == TokenKind::Jwt) else { return Vec::new() };
    let Some(header) = &token.header else { return Vec::new() };
    let alg = header.get("alg").and_then(serde_json::Value::as_str).unwrap_or_default();
    let word = case.reason(&[&message::ALGORITHM]);
    let known = SIGNING_ALGORITHMS.contains(&alg);
    let confidence = match word {
        Some(word) => word.confidence(word.field("got") == alg),
        // What no API server takes is decided by the token alone, as long as no reason of the server is known.
        None if !known && case.rejected().is_some() && case.evidence.control_plane.token_review.seen().is_none() => Confidence::Certain,
        None => return Vec::new(),
    };
    let takes = word.map_or_else(|| "RS, PS and ES algorithms only".to_owned(), |word| word.field("expected").to_owned());
    let cite = if header.get("alg").is_some() {
        seen("/credential/seen/token/header/alg", format!("alg: {alg}"))
    } else {
        seen("/credential/seen/token/header", "the header has no alg")
    };
    let mut finding = RULE.finding(
        confidence,
        format!("The token's alg is {alg:?}; the API server takes {takes}."),
        cite,
        Step::text("Let the identity provider sign ID tokens of this client with RS256 (Keycloak: Clients, Advanced, ID token signature algorithm), and log in again."),
    );
    if known && !eks::is_eks(case) {
        finding = finding.step(Step::manifest(
            "Or let the API server take it, and restart it (not on EKS, which takes RS256 only)",
            format!("--oidc-signing-algs=RS256,{alg}\n"),
        ));
    }
    vec![finding.cite_if(word.map(Word::cite)).cite_if(case.rejected())]
}
