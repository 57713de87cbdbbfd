//! The token's issuer is not the one the API server is configured for.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule};
use crate::text::distance;

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-issuer-mismatch",
    severity: Severity::Error,
    title: "The token's issuer is not the one the API server is configured for",
    page: Page {
        means: "The API server compares iss with its configured issuer byte by byte; a slash at the end, http for https, /auth or another host name make another issuer. \
            It then says nothing about it: its log has only \"invalid bearer token\".",
        evidence: "The iss claim beside the issuer in the server's flags (/flagz, or the file you gave).",
        fix: "Make both the same: correct --oidc-issuer-url, or the identity provider's own idea of its address (Keycloak: hostname). `curl -s ISSUER/.well-known/openid-configuration` shows what the provider calls itself.",
        references: "https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation",
    },
    recognises: &[&heard::OTHER_ISSUER, &message::NOBODY_CLAIMED, &heard::NOBODY],
    explains: &["credential-rejected", "token-audience-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let Some(issuer) = case.claim_text("iss") else { return Vec::new() };
    if case.is_service_account() {
        return Vec::new();
    }
    let Some((configuration, path)) = &case.configuration else { return Vec::new() };
    let configured: Vec<&str> = configuration.jwt.iter().map(|jwt| jwt.issuer.url.as_str()).collect();
    if configured.is_empty() || configuration.authenticator_of(issuer).is_some() || configuration.service_account_issuers.iter().any(|known| known == issuer) {
        return Vec::new();
    }
    // A foreign claim may be of any length, and the distance costs the product of both.
    let start = |url: &str| url.chars().take(300).collect::<String>();
    let wanted = start(issuer);
    let nearest =
        configured.iter().copied().min_by_key(|candidate| distance(&start(candidate), &wanted)).unwrap_or_default();
    let how = in_words(nearest, issuer);
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The token says iss {issuer:?}; the API server is configured for {nearest:?}: {how}. It compares byte by byte, so no authenticator takes the token."),
            seen("/credential/seen/token/claims/iss", format!("iss: {issuer}")),
            setting::set(case, "Set the API server's issuer to what the tokens say", Setting::Issuer(nearest, issuer)),
        )
        .step(Step::text("Or, where the token is from the wrong identity provider or realm, take one from the configured issuer."))
        .cite(seen((*path).to_owned(), format!("configured issuer: {nearest}")))
        .cite_if(case.rejected()),
    ]
}

/// By what little two issuers differ, if it is little.
pub fn how_they_differ(configured: &str, token: &str) -> Option<&'static str> {
    let same = |change: &dyn Fn(&str) -> String| change(configured) == change(token);
    if same(&|url: &str| url.trim_end_matches('/').to_owned()) {
        Some("a slash at the end")
    } else if same(&|url: &str| url.replacen("https://", "http://", 1)) {
        Some("the scheme")
    } else if same(&str::to_ascii_lowercase) {
        Some("upper and lower case")
    } else if same(&|url: &str| url.replacen("/auth/realms/", "/realms/", 1)) {
        Some("Keycloak's old /auth path")
    } else {
        None
    }
}

/// The same as a sentence's end.
fn in_words(configured: &str, token: &str) -> String {
    how_they_differ(configured, token)
        .map_or_else(|| "they are different issuers".to_owned(), |how| format!("they differ by {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_named() {
        assert_eq!(in_words("https://k/realms/a/", "https://k/realms/a"), "they differ by a slash at the end");
        assert_eq!(in_words("http://k/realms/a", "https://k/realms/a"), "they differ by the scheme");
        assert_eq!(in_words("https://k/auth/realms/a", "https://k/realms/a"), "they differ by Keycloak's old /auth path");
        assert_eq!(in_words("https://k/realms/a", "https://k/realms/b"), "they are different issuers");
    }
}
