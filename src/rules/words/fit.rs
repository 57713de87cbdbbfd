//! Whether what a line of a log says of a token is true of the one in hand.

use jiff::Timestamp;
use serde_json::Value;

use super::Word;
use crate::apiserver::cel;
use crate::apiserver::configuration::{ClaimRule, JwtAuthenticator, Mapping};
use crate::apiserver::message::{self, names};
use crate::evidence::credential::TokenFacts;

/// By its configuration the authenticator says this of the token.
pub(super) fn judges_so(word: &Word, own: &JwtAuthenticator, token: &TokenFacts) -> bool {
    let has = |wanted: &String| audiences(token).contains(&wanted.as_str());
    let required = |rule: &ClaimRule| matches!(rule, ClaimRule::Required { claim, .. } if claim == word.field("claim"));
    let maps = |mapping: &Mapping, name: &str| matches!(mapping, Mapping::Claim { claim, .. } if claim == name);
    let expression = word.field("expression");
    match word.text.name {
        names::AUDIENCE => !own.issuer.audiences.iter().any(has),
        names::USERNAME_CLAIM_MISSING | names::USERNAME_CLAIM_TYPE => maps(&own.username, word.field("claim")),
        names::GROUPS_CLAIM_TYPE => maps(&own.groups, word.field("claim")),
        names::EMAIL_NOT_VERIFIED | names::EMAIL_VERIFIED_TYPE => maps(&own.username, "email"),
        names::CLAIM_RULE => own
            .claim_rules
            .iter()
            .any(|rule| matches!(rule, ClaimRule::Expression { expression: own, .. } if own == expression)),
        names::USER_RULE => own.user_rules.iter().any(|(own, _)| own == expression),
        names::REQUIRED_CLAIM_MISSING | names::REQUIRED_CLAIM_DIFFERS | names::REQUIRED_CLAIM_TYPE => {
            own.claim_rules.iter().any(required)
        }
        // Every authenticator says it of such a token.
        _ => true,
    }
}

/// The token's audiences.
fn audiences(token: &TokenFacts) -> Vec<&str> {
    match token.claims.as_ref().and_then(|claims| claims.get("aud")) {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether an expression that a line tells of fails for these claims too; `None` where that cannot be judged here.
fn expression_fits(word: &Word, claims: &Value) -> Option<bool> {
    let expression = [word.field("expression"), word.field("extra")].into_iter().find(|text| !text.is_empty())?;
    let rule = *word.text == message::CLAIM_RULE;
    let place = if rule { cel::Place::ClaimValidation } else { cel::Place::ClaimMapping };
    match cel::compile(expression, place).ok()?.evaluate(claims) {
        Ok(cel::Value::Bool(true)) if rule => Some(false),
        Ok(_) if rule => Some(word.field("error").is_empty()),
        Ok(value) => (value.string_list().is_some()).then_some(false),
        Err(cel::Fault::Said(error)) => {
            let told = ["error", "cause"].into_iter().map(|name| word.field(name)).find(|text| !text.is_empty());
            Some(told.is_some_and(|told| error.starts_with(told)))
        }
        Err(cel::Fault::Undecided(_)) => None,
    }
}

/// A time as Go prints it in a zone that is not UTC: `2026-11-26 20:43:59 +0100 CET`.
fn of_zone(text: &str) -> Option<Timestamp> {
    let mut parts = text.split_whitespace();
    let (date, time, offset) = (parts.next()?, parts.next()?, parts.next()?);
    let time = time.split('.').next()?;
    Timestamp::strptime("%Y-%m-%d %H:%M:%S %z", format!("{date} {time} {offset}")).ok()
}

/// Whether what a line says of a token is true of this one; `None` where the line names nothing to compare.
pub(super) fn fits(word: &Word, token: &TokenFacts) -> Option<bool> {
    let claims = token.claims.as_ref()?;
    let claim = |name: &str| claims.get(name);
    let named = claim(word.field("claim"));
    let time = |name: &str| Some(token.time(name)?.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let text = word.text;
    Some(match text.name {
        names::AUDIENCE => {
            let own = audiences(token);
            let got = word.field("got").trim_matches(['[', ']']);
            let got: Vec<&str> = if got.contains('"') {
                got.split('"').skip(1).step_by(2).collect()
            } else {
                got.split_whitespace().collect()
            };
            let expected = word.field("expected");
            got == own && !expected.split('"').skip(1).step_by(2).any(|wanted| own.contains(&wanted))
        }
        names::EXPIRED => {
            let told = word.field("expiry");
            if told.ends_with("+0000 UTC") {
                // Go's zero time stands for a claim that is not there.
                told.starts_with(&time("exp").unwrap_or_else(|| "0001-01-01".to_owned()))
            } else {
                let told = of_zone(told)?.as_second();
                token.time("exp").is_some_and(|own| own.as_second() == told)
            }
        }
        names::NOT_YET_VALID if claim("nbf").is_none() => false,
        names::NOT_YET_VALID => time("nbf")? == word.field("time"),
        names::ALGORITHM => word.field("got") == token.header.as_ref()?.get("alg")?.as_str()?,
        names::USERNAME_CLAIM_MISSING | names::REQUIRED_CLAIM_MISSING => named.is_none(),
        names::USERNAME_CLAIM_TYPE | names::REQUIRED_CLAIM_TYPE | names::SUBJECT_TYPE => {
            named.is_some_and(|value| !value.is_string())
        }
        names::GROUPS_CLAIM_TYPE => named.is_some_and(|value| {
            !value.is_string() && !value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
        }),
        names::EMAIL_VERIFIED_TYPE => {
            claim("email_verified").is_some_and(|value| !value.is_boolean() && !value.is_null())
        }
        // Go reads null as false.
        names::EMAIL_NOT_VERIFIED => matches!(claim("email_verified"), Some(Value::Bool(false) | Value::Null)),
        names::DISTRIBUTED_CLAIMS => claim("_claim_names").is_some(),
        names::REQUIRED_CLAIM_DIFFERS => named.and_then(Value::as_str) == Some(word.field("got")),
        names::CLAIM_RULE | names::CLAIM_MAPPING => return expression_fits(word, claims),
        _ => return None,
    })
}
