//! An access token was sent where the ID token belongs.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::shell::{quoted, shell};
use crate::report::{Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-not-id-token",
    severity: Severity::Error,
    title: "This is an access token, not an ID token",
    page: Page {
        means: "One login gives two tokens. The access token is for APIs that trust its audience; the API server wants the ID token, whose aud is the client that logged in and which has the claims about the user.",
        evidence: "typ: Bearer in the claims (Keycloak), token_use: access (Amazon Cognito) or typ: at+jwt in the header (RFC 9068), and the server refuses it for its audience or a missing claim.",
        fix: "Send the field id_token of the token endpoint's answer (scope openid), not access_token. `kaccess decode` shows the type.",
        references: "https://www.rfc-editor.org/rfc/rfc9068",
    },
    recognises: &[],
    explains: &["credential-rejected", "token-audience-mismatch", "username-claim-missing", "required-claim-mismatch"],
    check,
};

/// Where the token says that it is an access token: the place, the field and what it says.
pub fn mark(case: &Case<'_>) -> Option<(&'static str, &'static str, String)> {
    let token = case.token().filter(|token| token.kind == TokenKind::Jwt)?;
    let text = |part: &Option<serde_json::Value>| Some(part.as_ref()?.get("typ")?.as_str()?.to_owned());
    if let Some(typ) = text(&token.claims).filter(|typ| typ == "Bearer") {
        return Some(("/credential/seen/token/claims/typ", "typ", typ));
    }
    // Cognito marks both tokens of a login.
    if case.claim_text("token_use") == Some("access") {
        return Some(("/credential/seen/token/claims/token_use", "token_use", "access".to_owned()));
    }
    let typ = text(&token.header).filter(|typ| matches!(typ.to_ascii_lowercase().as_str(), "at+jwt" | "application/at+jwt"))?;
    Some(("/credential/seen/token/header/typ", "typ", typ))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((path, field, typ)) = mark(case) else { return Vec::new() };
    let reasons = [
        &message::AUDIENCE,
        &message::USERNAME_CLAIM_MISSING,
        &message::REQUIRED_CLAIM_MISSING,
        &message::REQUIRED_CLAIM_DIFFERS,
    ];
    let Some(word) = case.reason(&reasons) else { return Vec::new() };
    // The client whose ID tokens the server takes: its own word, else its configuration.
    let told = word.field("expected").trim_matches(['"', '[', ']']);
    let known = case.authenticator().and_then(|jwt| jwt.issuer.audiences.first()).map(String::as_str);
    let client = quoted(Some(told).filter(|name| !name.is_empty() && !name.contains('"')).or(known).unwrap_or("CLIENT_ID"));
    let audience = case.claim("aud").map_or_else(|| "absent".to_owned(), std::string::ToString::to_string);
    vec![
        RULE.finding(
            word.confidence(word.field("got") == format!("[{audience}]") || word.field("got") == audience || (audience == "absent" && word.field("got") == "[]")),
            format!("The token says {field} {typ:?}: it is an access token, with aud {audience}. The API server refuses it for what an ID token of the same login would have."),
            seen(path, format!("{field}: {typ}")),
            Step::text("Send the id_token of the same login instead; ask for the scope openid, else there is none."),
        )
        .step(Step::command(
            "Or let kubelogin do it: it always sends the ID token",
            shell!("kubectl oidc-login setup --oidc-issuer-url={} --oidc-client-id={}", case.claim_text("iss").unwrap_or("ISSUER"), client),
        ))
        .cite(word.cite())
        .cite_if(case.rejected()),
    ]
}
