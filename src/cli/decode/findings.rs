//! What a credential says against itself, before any server is asked.

use jiff::Timestamp;
use serde_json::Value;

use super::DecodeArgs;
use crate::credential::token;
use crate::evidence::credential::{TokenFacts, TokenKind};
use crate::evidence::tls::CertificateFacts;
use crate::report::view::{CitationView, FindingView, StepView};
use crate::report::{Confidence, Grade, Severity};

fn finding(
    code: &'static str,
    severity: Severity,
    title: &str,
    why: &str,
    path: &str,
    text: String,
    fix: &str,
) -> FindingView {
    FindingView {
        code,
        severity,
        confidence: Confidence::Certain,
        title: title.to_owned(),
        why: why.to_owned(),
        evidence: vec![CitationView { path: path.to_owned(), grade: Grade::Seen, text }],
        fix: vec![StepView { text: fix.to_owned(), command: None, manifest: None }],
        candidates: Vec::new(),
        explains: Vec::new(),
        explained_by: None,
        docs: format!("docs/findings/{code}.md"),
    }
}

/// Of a token.
pub(super) fn of_token(facts: &TokenFacts, now: Timestamp, arguments: &DecodeArgs) -> Vec<FindingView> {
    let mut list = Vec::new();
    let Some(claims) = &facts.claims else { return list };
    if let Some(expiry) = token::times(facts).expires_at.filter(|expiry| *expiry <= now) {
        list.push(finding(
            "token-expired",
            Severity::Error,
            "The token has expired",
            "The API server compares exp with its clock without leeway (service accounts: 60 s).",
            "/claims/exp",
            format!("exp: {expiry}"),
            "Take a new token: log in again, or let a plugin renew it.",
        ));
    }
    if facts.kind != TokenKind::Jwt {
        return list;
    }
    let algorithm = facts.header.as_ref().and_then(|header| header.get("alg")?.as_str()).unwrap_or_default();
    let typ = claims.get("typ").and_then(Value::as_str).unwrap_or_default();
    if matches!(typ, "Refresh" | "Offline") {
        list.push(finding(
            "token-is-refresh-token",
            Severity::Error,
            "This is a refresh token",
            "A refresh token is for the identity provider only; no API server takes it.",
            "/claims/typ",
            format!("typ: {typ}"),
            "Send the id_token of the same login.",
        ));
    } else if algorithm.starts_with("HS") || algorithm == "none" {
        list.push(finding(
            "token-algorithm-not-allowed",
            Severity::Error,
            "The signature's algorithm is one that no API server takes",
            "kube-apiserver takes RS, PS and ES algorithms only; nobody but the issuer can check a shared secret.",
            "/header/alg",
            format!("alg: {algorithm}"),
            "Let the identity provider sign with RS256.",
        ));
    }
    if typ == "Bearer" {
        let audience = claims.get("aud").map_or_else(|| "absent".to_owned(), Value::to_string);
        list.push(finding(
            "token-not-id-token",
            Severity::Warning,
            "This is an access token, not an ID token",
            "Its audience is the API it is for, usually not the client id that the API server expects.",
            "/claims/typ",
            format!("typ: Bearer, aud: {audience}"),
            "Send the id_token, or add an audience mapper for the API server's client id.",
        ));
    }
    if claims.get("_claim_names").is_some() {
        list.push(finding(
            "groups-overage",
            Severity::Warning,
            "The groups are not in the token",
            "There were too many groups, and the token only says where they could be fetched.",
            "/claims/_claim_names",
            "_claim_names is set".to_owned(),
            "Let the identity provider put only the groups assigned to the application into the token.",
        ));
    }
    let uses_email = arguments.server.oidc_username_claim.as_deref().is_none_or(|claim| claim == "email");
    if uses_email
        && claims.get("email").is_some()
        && claims.get("email_verified").and_then(Value::as_bool) == Some(false)
    {
        list.push(finding(
            "email-not-verified",
            Severity::Warning,
            "The mail address is not verified",
            "With email as the username claim the API server refuses such a token.",
            "/claims/email_verified",
            "email_verified: false".to_owned(),
            "Verify the address in the identity provider, or take another claim for the name.",
        ));
    }
    list
}

/// Of a client certificate.
pub(super) fn of_certificate(leaf: &CertificateFacts, now: Timestamp) -> Vec<FindingView> {
    let mut list = Vec::new();
    if let Some(end) = leaf.not_after.filter(|end| *end <= now) {
        list.push(finding(
            "client-certificate-expired",
            Severity::Error,
            "The client certificate has expired",
            "The API server compares without any leeway and answers 401.",
            "/claims/notAfter",
            format!("valid until {end}"),
            "Have it renewed.",
        ));
    }
    list
}
