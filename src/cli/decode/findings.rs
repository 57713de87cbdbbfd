//! What a credential says against itself, before any server is asked: rules of the registry, judged without a server.

use jiff::Timestamp;
use serde_json::Value;

use super::DecodeArgs;
use crate::apiserver::authn::jwt::NOT_BEFORE_LEEWAY;
use crate::apiserver::configuration::Configuration;
use crate::evidence::credential::{TokenFacts, TokenKind};
use crate::evidence::identity::User;
use crate::evidence::tls::CertificateFacts;
use crate::report::view::FindingView;
use crate::report::{Confidence, Step, seen};
use crate::rules::Rule;
use crate::rules::certificate::client_certificate_expired;
use crate::rules::iam::iam_token_expired;
use crate::rules::serviceaccount::service_account_token_expired;
use crate::rules::token::{
    email_not_verified, groups_overage, token_algorithm_not_allowed, token_expired, token_is_refresh_token,
    token_issuer_mismatch, token_not_id_token, token_not_yet_valid,
};

/// A finding of a rule that the credential alone decides; the citation points into decode's own report.
fn finding(rule: &'static Rule, why: &str, path: &str, text: String, fix: &str) -> FindingView {
    FindingView::new(&rule.finding(Confidence::Certain, why, seen(path, text), Step::text(fix)), &[])
}

/// What the token's looks speak for, where the given API server takes it as this user all the same.
pub(super) fn refuted(finding: &FindingView, user: &User) -> bool {
    let grouped = user.groups.iter().any(|group| !group.starts_with("system:"));
    finding.code == token_not_id_token::RULE.code || (grouped && finding.code == groups_overage::RULE.code)
}

/// Of a token.
pub(super) fn of_token(facts: &TokenFacts, now: Timestamp, arguments: &DecodeArgs) -> Vec<FindingView> {
    let mut list = Vec::new();
    let Some(claims) = &facts.claims else { return list };
    let times = facts.times();
    if let Some(expiry) = times.expires_at.filter(|expiry| *expiry <= now) {
        let by_exp = |rule| {
            finding(
                rule,
                "The API server compares exp with its clock without leeway (service accounts: 60 s).",
                "/claims/exp",
                format!("exp: {expiry}"),
                "Take a new token: log in again, or let a plugin renew it.",
            )
        };
        list.push(match facts.kind {
            TokenKind::EksIam => finding(
                &iam_token_expired::RULE,
                "The authenticator takes it for exactly 15 minutes from the time that is signed into it (X-Amz-Date), whatever \
                 else it says.",
                "/claims/expires",
                format!("15 minutes after its time of signing it was {expiry}"),
                "Make a token for each use: let kubectl run aws eks get-token instead of storing what it gave.",
            ),
            TokenKind::ServiceAccount => by_exp(&service_account_token_expired::RULE),
            _ => by_exp(&token_expired::RULE),
        });
    }
    // go-oidc grants a minute, and the service accounts' authenticator does too.
    let early = |start: &Timestamp| start.duration_since(now).as_secs() > NOT_BEFORE_LEEWAY;
    if let Some(start) = times.not_before.filter(early) {
        list.push(finding(
            &token_not_yet_valid::RULE,
            "The API server compares nbf with its clock, and grants a minute.",
            "/claims/nbf",
            format!("nbf: {start}"),
            "Wait until then; if the issuer's clock is ahead, set it by NTP.",
        ));
    }
    if facts.kind != TokenKind::Jwt {
        return list;
    }
    let algorithm = facts.header.as_ref().and_then(|header| header.get("alg")?.as_str()).unwrap_or_default();
    let typ = claims.get("typ").and_then(Value::as_str).unwrap_or_default();
    if matches!(typ, "Refresh" | "Offline") {
        list.push(finding(
            &token_is_refresh_token::RULE,
            "A refresh token is for the identity provider only; no API server takes it.",
            "/claims/typ",
            format!("typ: {typ}"),
            "Send the id_token of the same login.",
        ));
    } else if algorithm.starts_with("HS") || algorithm == "none" {
        list.push(finding(
            &token_algorithm_not_allowed::RULE,
            "kube-apiserver takes RS, PS and ES algorithms only; nobody but the issuer can check a shared secret.",
            "/header/alg",
            format!("alg: {algorithm}"),
            "Let the identity provider sign with RS256.",
        ));
    }
    if typ == "Bearer" {
        let audience = claims.get("aud").map_or_else(|| "absent".to_owned(), Value::to_string);
        list.push(finding(
            &token_not_id_token::RULE,
            "Its audience is the API it is for, usually not the client id that the API server expects.",
            "/claims/typ",
            format!("typ: Bearer, aud: {audience}"),
            "Send the id_token, or add an audience mapper for the API server's client id.",
        ));
    }
    if claims.get("_claim_names").is_some() {
        list.push(finding(
            &groups_overage::RULE,
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
            &email_not_verified::RULE,
            "With email as the username claim the API server refuses such a token.",
            "/claims/email_verified",
            "email_verified: false".to_owned(),
            "Verify the address in the identity provider, or take another claim for the name.",
        ));
    }
    list
}

/// Of a token whose issuer is none of those that the server is configured for: the server itself only says that nobody
/// takes it.
pub(super) fn of_issuer(facts: &TokenFacts, configuration: &Configuration) -> Option<FindingView> {
    let issuer = facts.claims.as_ref()?.get("iss")?.as_str().filter(|_| facts.kind == TokenKind::Jwt)?;
    let configured: Vec<&str> = configuration.jwt.iter().map(|jwt| jwt.issuer.url.as_str()).collect();
    if configuration.authenticator_of(issuer).is_some()
        || configuration.service_account_issuers.iter().any(|known| known == issuer)
    {
        return None;
    }
    let nearly = configured.iter().find_map(|url| Some((*url, token_issuer_mismatch::how_they_differ(url, issuer)?)));
    let why = match (nearly, configured.as_slice()) {
        (Some((url, how)), _) => {
            format!("The token says iss {issuer:?}, and the configured issuer is {url:?}: they differ by {how}. ")
        }
        (None, []) => return None,
        (None, [url]) => format!("The token says iss {issuer:?}, and the configured issuer is {url:?}. "),
        (None, urls) => format!("The token says iss {issuer:?}, and the configured issuers are {}. ", urls.join(", ")),
    };
    let fix = match configured.as_slice() {
        [_] => format!(
            "Set the API server's issuer to exactly {issuer} (--oidc-issuer-url, or issuer.url), or take a token of the \
             configured issuer."
        ),
        // One that is replaced locks out everybody who has its tokens.
        _ => format!(
            "Take a token of a configured issuer, or add a further entry under jwt: whose issuer.url is exactly {issuer}."
        ),
    };
    // Which issuers a token webhook knows is not seen here.
    if configuration.webhook && nearly.is_none() {
        return None;
    }
    let mut found = finding(
        &token_issuer_mismatch::RULE,
        &format!("{why}The API server compares byte by byte, and says nothing of it but \"invalid bearer token\"."),
        "/claims/iss",
        format!("iss: {issuer}"),
        &fix,
    );
    if configuration.webhook {
        found.confidence = Confidence::Possible;
        found.why.push_str(" A token webhook is configured too, and may know the token's issuer.");
    }
    Some(found)
}

/// Of a client certificate.
pub(super) fn of_certificate(leaf: &CertificateFacts, now: Timestamp) -> Vec<FindingView> {
    let mut list = Vec::new();
    if let Some(end) = leaf.not_after.filter(|end| *end <= now) {
        list.push(finding(
            &client_certificate_expired::RULE,
            "The API server compares without any leeway and answers 401.",
            "/claims/notAfter",
            format!("valid until {end}"),
            "Have it renewed.",
        ));
    }
    if let Some(start) = leaf.not_before.filter(|start| *start > now) {
        list.push(finding(
            &client_certificate_expired::RULE,
            "It is not valid yet: the API server compares without any leeway and answers 401.",
            "/claims/notBefore",
            format!("valid from {start}"),
            "Wait until then, or have one issued that is valid now.",
        ));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::configuration::{Issuer, JwtAuthenticator};

    #[test]
    fn an_issuer_that_is_not_configured_may_be_the_webhooks() {
        let facts = TokenFacts {
            kind: TokenKind::Jwt,
            claims: Some(serde_json::json!({ "iss": "https://sso.example.com" })),
            ..TokenFacts::default()
        };
        let found = |url: &str, webhook: bool| {
            let issuer = Issuer { url: url.to_owned(), ..Issuer::default() };
            let jwt = vec![JwtAuthenticator { issuer, ..JwtAuthenticator::default() }];
            let configuration = Configuration { jwt, jwt_known: true, webhook, ..Configuration::default() };
            of_issuer(&facts, &configuration).map(|found| found.confidence)
        };
        assert_eq!(found("https://k.example.com/staff", false), Some(Confidence::Certain));
        assert_eq!(found("https://k.example.com/staff", true), None);
        // So near a miss is one all the same, perhaps.
        assert_eq!(found("https://sso.example.com/", true), Some(Confidence::Possible));
    }
}
