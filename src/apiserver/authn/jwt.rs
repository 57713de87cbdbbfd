//! The JWT (OIDC) authenticator: oidc.go of k8s.io/apiserver with go-oidc 2.3 (to 1.35) or 2.5 (from 1.36).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

#[cfg(test)]
use super::Judgement;
use super::{Keys, Opinion, credential_id, with_authenticated};
use crate::apiserver::cel::{self, Fault, Place};
use crate::apiserver::configuration::{ClaimRule, Configuration, Issuer, JwtAuthenticator, Mapping};
use crate::evidence::credential::{TokenFacts, TokenKind, TokenProblem};
use crate::evidence::identity::User;
use crate::gotext::{field, is_field, kind, quote, quote_list, unix_time};

/// go-oidc forgives this much on `nbf`, in seconds, and nothing on `exp`.
pub const NOT_BEFORE_LEEWAY: i64 = 60;

/// Go's zero time in seconds: `exp` when it is absent.
pub(super) const ZERO_TIME: i64 = -62_135_596_800;

impl JwtAuthenticator {
    /// What `--oidc-issuer-url` alone would give: claim `sub` with the issuer as prefix, no groups.
    pub fn with_defaults(issuer: &str) -> Self {
        Self {
            issuer: Issuer { url: issuer.to_owned(), ..Issuer::default() },
            username: Mapping::Claim { claim: "sub".to_owned(), prefix: format!("{issuer}#") },
            ..Self::default()
        }
    }
}

/// The issuer by which an authenticator is chosen; `None` is silence.
pub(super) fn claimed_issuer(facts: &TokenFacts) -> Option<&str> {
    let claims = readable_claims(facts)?;
    let mut issuer = "";
    for value in field(claims, "iss") {
        match value {
            Value::Null => {}
            Value::String(text) => issuer = text,
            _ => return None,
        }
    }
    Some(issuer)
}

/// The claims, if the authenticators can read them: three parts, clean base64, an object.
pub(super) fn readable_claims(facts: &TokenFacts) -> Option<&Map<String, Value>> {
    if !matches!(facts.kind, TokenKind::Jwt | TokenKind::ServiceAccount) {
        return None;
    }
    let unreadable = facts.problems.iter().any(|problem| match problem.part.as_str() {
        "token" => {
            problem.detail.starts_with(TokenProblem::NOT_THREE_PARTS)
                || problem.detail.starts_with(TokenProblem::BEGINS_WITH_BRACE)
        }
        "payload" => !problem.detail.starts_with("json: duplicate key"),
        _ => false,
    });
    if unreadable { None } else { facts.claims.as_ref()?.as_object() }
}

/// What the configured JWT authenticators say. At most one of them knows the token's issuer.
pub(super) fn opinion(
    facts: &TokenFacts,
    config: &Configuration,
    version: (u32, u32),
    keys: &Keys,
    now: Timestamp,
) -> Opinion {
    let Some(issuer) = claimed_issuer(facts) else { return Opinion::Silent };
    let Some(authenticator) = config.authenticator_of(issuer) else {
        if !config.jwt_known && facts.kind == TokenKind::Jwt {
            return Opinion::Open(vec!["which issuers the server trusts is not known here".to_owned()]);
        }
        return Opinion::Silent;
    };
    if *keys == Keys::NotInitialized {
        return Opinion::Error("oidc: authenticator not initialized".to_owned());
    }
    if let Err(error) = verify(facts, &config.signing_algorithms, authenticator, version, keys, now) {
        return Opinion::Error(format!("oidc: verify token: {error}"));
    }
    match map(facts, authenticator, version) {
        Ok(user) => Opinion::Accept(user),
        Err(Stop::Error(error)) => Opinion::Error(error),
        Err(Stop::Open(reason)) => Opinion::Open(vec![reason]),
    }
}

/// What the API server would call the token's user by this authenticator, whatever the checks would say.
///
/// `None` if the claims do not give a name.
pub fn view(facts: &TokenFacts, jwt: &JwtAuthenticator) -> Option<User> {
    let claims = facts.claims.as_ref()?.as_object()?;
    let input = Value::Object(claims.clone());
    let evaluated = |expression: &str| cel(expression, Place::ClaimMapping, &input).ok();
    let name = match &jwt.username {
        Mapping::Claim { claim, prefix } => match claims.get(claim)? {
            Value::String(name) => format!("{prefix}{name}"),
            Value::Null => prefix.clone(),
            _ => return None,
        },
        Mapping::Expression(expression) => text_of(&evaluated(expression)?, "username").ok()?,
        Mapping::None => return None,
    };
    let groups = match &jwt.groups {
        Mapping::Claim { claim, prefix } => groups(claims, claim, prefix).unwrap_or_default(),
        Mapping::Expression(expression) => evaluated(expression)?.string_list().unwrap_or_default(),
        Mapping::None => Vec::new(),
    };
    let uid = match &jwt.uid {
        Mapping::Claim { claim, .. } => claims.get(claim).and_then(Value::as_str).unwrap_or_default().to_owned(),
        Mapping::Expression(expression) => text_of(&evaluated(expression)?, "uid").unwrap_or_default(),
        Mapping::None => String::new(),
    };
    let mut extra = credential_id(claims.get("jti").and_then(Value::as_str).unwrap_or_default());
    for (key, expression) in &jwt.extra {
        if let Some(values) =
            evaluated(expression).and_then(|value| value.string_list()).filter(|list| !list.is_empty())
        {
            extra.insert(key.clone(), values);
        }
    }
    Some(with_authenticated(User { username: name, uid, groups, extra }))
}

fn verify(
    facts: &TokenFacts,
    algorithms: &[String],
    jwt: &JwtAuthenticator,
    version: (u32, u32),
    keys: &Keys,
    now: Timestamp,
) -> Result<(), String> {
    if let Some(problem) = facts.problems.iter().find(|problem| matches!(problem.part.as_str(), "header" | "signature"))
    {
        return Err(format!("oidc: malformed jwt: {}", problem.detail));
    }
    let token = if version >= (1, 36) {
        signature(facts, algorithms, keys)?;
        let token = Claims::read(facts)?;
        token.check(jwt, now)?;
        token
    } else {
        let token = Claims::read(facts)?;
        token.check(jwt, now)?;
        signature(facts, algorithms, keys)?;
        token
    };
    // With several audiences go-oidc is told not to look, and Kubernetes looks afterwards.
    let mut accepted = jwt.issuer.audiences.clone();
    accepted.sort();
    accepted.dedup();
    if accepted.len() > 1 && !token.audience.iter().any(|audience| accepted.contains(audience)) {
        let (expected, got) = (quote_list(&accepted), quote_list(&token.audience));
        return Err(format!("oidc: expected audience in {expected} got {got}"));
    }
    Ok(())
}

fn signature(facts: &TokenFacts, algorithms: &[String], keys: &Keys) -> Result<(), String> {
    let alg = facts.header.as_ref().and_then(|header| header.get("alg")).and_then(Value::as_str).unwrap_or_default();
    if !algorithms.iter().any(|allowed| allowed == alg) {
        let (expected, got) = (quote_list(algorithms), quote(alg));
        return Err(format!("oidc: id token signed with unsupported algorithm, expected {expected} got {got}"));
    }
    match keys {
        Keys::Signature { verified: true, .. } => Ok(()),
        Keys::FetchFailed(error) => Err(format!("failed to verify signature: fetching keys {error}")),
        _ => Err("failed to verify signature: failed to verify id token signature".to_owned()),
    }
}

/// go-oidc's idToken struct.
struct Claims {
    issuer: String,
    audience: Vec<String>,
    expiry: i64,
    not_before: Option<i64>,
}

impl Claims {
    fn read(facts: &TokenFacts) -> Result<Self, String> {
        let empty = Map::new();
        let claims = readable_claims(facts).unwrap_or(&empty);
        let wrong = |text: String| format!("oidc: failed to unmarshal claims: {text}");
        // Wrong types are remembered while the reading goes on; what a type's own reader refuses ends it.
        let mut type_error: Option<String> = None;
        let mut token = Self { issuer: String::new(), audience: Vec::new(), expiry: ZERO_TIME, not_before: None };
        let (mut names, mut sources) = (Map::new(), Map::new());
        let repeated = facts.repeated.iter().map(|(member, value)| (member, value));
        for (member, value) in repeated.chain(claims) {
            let is = |name: &str| is_field(member, name);
            let mut mismatch = |path: &str, value: &Value, go_type: &str| {
                let text =
                    format!("json: cannot unmarshal {} into Go struct field {path} of type {go_type}", kind(value));
                type_error.get_or_insert(text);
            };
            if is("iss") || is("sub") || is("nonce") || is("at_hash") {
                let name = ["iss", "sub", "nonce", "at_hash"].into_iter().find(|name| is(name)).unwrap_or_default();
                match value {
                    Value::String(text) if name == "iss" => token.issuer.clone_from(text),
                    Value::String(_) | Value::Null => {}
                    other => mismatch(&format!("idToken.{name}"), other, "string"),
                }
            } else if is("aud") {
                token.audience = audience(value).map_err(wrong)?;
            } else if is("exp") {
                token.expiry = json_time(value, "exp").map_err(wrong)?;
            } else if is("iat") {
                json_time(value, "iat").map_err(wrong)?;
            } else if is("nbf") {
                token.not_before = if value.is_null() { None } else { Some(json_time(value, "nbf").map_err(wrong)?) };
            } else if is("_claim_names") {
                match value {
                    Value::Null => names = Map::new(),
                    Value::Object(object) => {
                        for value in object.values().filter(|value| !value.is_string() && !value.is_null()) {
                            mismatch("idToken._claim_names", value, "string");
                        }
                        names.extend(object.clone());
                    }
                    other => mismatch("idToken._claim_names", other, "map[string]string"),
                }
            } else if is("_claim_sources") {
                match value {
                    Value::Null => sources = Map::new(),
                    Value::Object(object) => {
                        claim_sources(object, &mut mismatch);
                        sources.extend(object.clone());
                    }
                    other => mismatch("idToken._claim_sources", other, "map[string]oidc.claimSource"),
                }
            }
        }
        if let Some(error) = type_error {
            return Err(wrong(error));
        }
        for source in names.values() {
            let source = source.as_str().unwrap_or_default();
            if source.is_empty() {
                return Err("oidc: failed to obtain source from claim name".to_owned());
            }
            if !sources.contains_key(source) {
                return Err("oidc: source does not exist".to_owned());
            }
        }
        Ok(token)
    }

    fn check(&self, jwt: &JwtAuthenticator, now: Timestamp) -> Result<(), String> {
        let url = &jwt.issuer.url;
        let google = url == "https://accounts.google.com" && self.issuer == "accounts.google.com";
        if self.issuer != *url && !google {
            let (expected, got) = (quote(url), quote(&self.issuer));
            return Err(format!("oidc: id token issued by a different provider, expected {expected} got {got}"));
        }
        if let [client] = jwt.issuer.audiences.as_slice()
            && !self.audience.contains(client)
        {
            let (expected, got) = (quote(client), quote_list(&self.audience));
            return Err(format!("oidc: expected audience {expected} got {got}"));
        }
        if is_past(self.expiry, now) {
            return Err(format!("oidc: token is expired (Token Expiry: {})", unix_time(self.expiry)));
        }
        let seconds = now.as_second();
        if let Some(not_before) = self.not_before
            && since_year_1(seconds) + NOT_BEFORE_LEEWAY < since_year_1(not_before)
        {
            let (now, not_before) = (unix_time(seconds), unix_time(not_before));
            return Err(format!("oidc: current time {now} before the nbf (not before) time: {not_before}"));
        }
        Ok(())
    }
}

/// Go compares seconds since the year 1, which wrap for times near the end of its range.
pub(super) fn since_year_1(seconds: i64) -> i64 {
    seconds.wrapping_sub(ZERO_TIME)
}

/// Whether a token with this `exp` has expired.
pub fn is_past(expiry: i64, now: Timestamp) -> bool {
    let (expiry, seconds) = (since_year_1(expiry), since_year_1(now.as_second()));
    expiry < seconds || (expiry == seconds && now.subsec_nanosecond() > 0)
}

fn claim_sources(sources: &Map<String, Value>, mismatch: &mut impl FnMut(&str, &Value, &str)) {
    for source in sources.values() {
        match source {
            Value::Null => {}
            Value::Object(source) => {
                for name in ["endpoint", "access_token"] {
                    for value in field(source, name).filter(|value| !value.is_string() && !value.is_null()) {
                        mismatch(&format!("claimSource._claim_sources.{name}"), value, "string");
                    }
                }
            }
            other => mismatch("idToken._claim_sources", other, "oidc.claimSource"),
        }
    }
}

fn audience(value: &Value) -> Result<Vec<String>, String> {
    let wrong = |value: &Value, go_type: &str| {
        format!("json: cannot unmarshal {} into Go struct field idToken.aud of type {go_type}", kind(value))
    };
    match value {
        // null is the empty text to Go.
        Value::Null => Ok(vec![String::new()]),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) => items
            .iter()
            .map(|item| match item {
                Value::String(text) => Ok(text.clone()),
                Value::Null => Ok(String::new()),
                other => Err(wrong(other, "string")),
            })
            .collect(),
        other => Err(wrong(other, "[]string")),
    }
}

/// go-oidc's jsonTime: a json.Number, which takes quoted numbers, as whole seconds.
///
/// # Errors
/// Go's words, where it is none.
pub fn json_time(value: &Value, name: &str) -> Result<i64, String> {
    match value {
        Value::Null => Err("strconv.ParseFloat: parsing \"\": invalid syntax".to_owned()),
        Value::Number(number) => Ok(match number.as_i64() {
            Some(seconds) => seconds,
            None => go_truncate(number.as_f64().unwrap_or_default()),
        }),
        Value::String(text) => {
            if !is_json_number(text) {
                let shown = quote(&Value::String(text.clone()).to_string());
                return Err(format!("json: invalid number literal, trying to unmarshal {shown} into Number"));
            }
            if let Ok(seconds) = text.parse::<i64>() {
                return Ok(seconds);
            }
            match text.parse::<f64>() {
                Ok(float) if float.is_finite() => Ok(go_truncate(float)),
                _ => Err(format!("strconv.ParseFloat: parsing {}: value out of range", quote(text))),
            }
        }
        other => Err(format!(
            "json: cannot unmarshal {} into Go struct field idToken.{name} of type json.Number",
            kind(other)
        )),
    }
}

/// `int64(f)` on amd64: what does not fit becomes the smallest number.
pub(super) fn go_truncate(float: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float) { float as i64 } else { i64::MIN }
}

fn is_json_number(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let text = text.strip_prefix('-').unwrap_or(text);
    let whole = if text.starts_with('0') { 1 } else { digits(text) };
    if whole == 0 {
        return false;
    }
    let mut rest = &text[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let length = digits(exponent);
        if length == 0 {
            return false;
        }
        rest = &exponent[length..];
    }
    rest.is_empty()
}

/// Why the mapping ends.
enum Stop {
    Error(String),
    Open(String),
}

/// Evaluates a CEL expression; the error's text is the server's after the words that say what it was for.
fn cel(expression: &str, place: Place, input: &Value) -> Result<cel::Value, Stop> {
    let open = |what: &str, why: String| Stop::Open(format!("the expression {expression:?} {what}: {why}"));
    let program = cel::compile(expression, place).map_err(|fault| match fault {
        Fault::Said(why) => open("does not compile", why),
        Fault::Undecided(why) => open("cannot be judged here", why),
    })?;
    program.evaluate(input).map_err(|fault| match fault {
        Fault::Said(text) => Stop::Error(format!("expression '{expression}' resulted in error: {text}")),
        Fault::Undecided(why) => open("cannot be judged here", why),
    })
}

/// The words before an error of an expression.
fn worded(what: &str) -> impl Fn(Stop) -> Stop + use<'_> {
    move |stop| match stop {
        Stop::Error(text) => Stop::Error(format!("oidc: error evaluating {what}: {text}")),
        open => open,
    }
}

/// Evaluates rules: all of them first, then they are looked at in order.
fn rules<'a>(rules: impl Iterator<Item = (&'a str, &'a str)>, place: Place, input: &Value) -> Result<(), Stop> {
    let results =
        rules.map(|(rule, message)| Ok((rule, message, cel(rule, place, input)?))).collect::<Result<Vec<_>, Stop>>()?;
    for (rule, message, value) in results {
        match value {
            cel::Value::Bool(true) => {}
            cel::Value::Bool(false) => {
                return Err(Stop::Error(format!("validation expression '{rule}' failed: {message}")));
            }
            _ => return Err(Stop::Error("validation expression must return a boolean".to_owned())),
        }
    }
    Ok(())
}

fn text_of(value: &cel::Value, what: &str) -> Result<String, Stop> {
    match value {
        cel::Value::String(text) => Ok(text.to_string()),
        _ => Err(Stop::Error(format!("{what} claim expression must return a string"))),
    }
}

fn texts_of(value: &cel::Value) -> Result<Vec<String>, Stop> {
    let wrong = || Stop::Error("expression must return a string or a list of strings".to_owned());
    value.string_list().ok_or_else(wrong)
}

/// The user's name.
fn username(claims: &Map<String, Value>, input: &Value, jwt: &JwtAuthenticator) -> Result<String, Stop> {
    match &jwt.username {
        Mapping::Claim { claim, prefix } => {
            let name = text_claim(claims, claim)
                .map_err(|error| Stop::Error(format!("oidc: parse username claims {}: {error}", quote(claim))))?;
            if claim == "email" {
                email_verified(claims).map_err(Stop::Error)?;
            }
            Ok(format!("{prefix}{name}"))
        }
        Mapping::Expression(expression) => {
            let name = cel(expression, Place::ClaimMapping, input)
                .and_then(|value| text_of(&value, "username"))
                .map_err(worded("username claim expression"))?;
            if name.is_empty() {
                return Err(Stop::Error("oidc: empty username via CEL expression is not allowed".to_owned()));
            }
            Ok(name)
        }
        Mapping::None => Err(Stop::Open("no username mapping is configured".to_owned())),
    }
}

/// From claims to user, in the server's order.
fn map(facts: &TokenFacts, jwt: &JwtAuthenticator, version: (u32, u32)) -> Result<User, Stop> {
    let empty = Map::new();
    let claims = readable_claims(facts).unwrap_or(&empty);
    // Only expressions read the claims in this form.
    let input = if jwt.uses_cel() { Value::Object(claims.clone()) } else { Value::Null };
    if let Mapping::Claim { claim, .. } = &jwt.groups {
        distributed(claims, claim)?;
    }
    let mut user = User { username: username(claims, &input, jwt)?, ..User::default() };
    match &jwt.groups {
        Mapping::Claim { claim, prefix } => {
            user.groups = groups(claims, claim, prefix)
                .map_err(|error| Stop::Error(format!("oidc: parse groups claim {}: {error}", quote(claim))))?;
        }
        Mapping::Expression(expression) => {
            user.groups = cel(expression, Place::ClaimMapping, &input)
                .and_then(|value| texts_of(&value))
                .map_err(worded("group claim expression"))?;
        }
        Mapping::None => {}
    }
    match &jwt.uid {
        Mapping::Claim { claim, .. } => {
            user.uid = text_claim(claims, claim)
                .map_err(|error| Stop::Error(format!("oidc: parse uid claim {}: {error}", quote(claim))))?
                .to_owned();
        }
        Mapping::Expression(expression) => {
            user.uid = cel(expression, Place::ClaimMapping, &input)
                .and_then(|value| text_of(&value, "uid"))
                .map_err(worded("uid claim expression"))?;
        }
        Mapping::None => {}
    }
    if version >= (1, 32) {
        user.extra = credential_id(claims.get("jti").and_then(Value::as_str).unwrap_or_default());
    }
    // All expressions are evaluated before the first result is looked at; an error there has no words before it.
    let results = jwt
        .extra
        .iter()
        .map(|(key, expression)| Ok((key, expression, cel(expression, Place::ClaimMapping, &input)?)))
        .collect::<Result<Vec<_>, Stop>>()?;
    for (key, expression, value) in results {
        let values = texts_of(&value).map_err(|stop| match stop {
            Stop::Error(text) => {
                Stop::Error(format!("oidc: error evaluating extra claim expression: {expression}: {text}"))
            }
            open => open,
        })?;
        if !values.is_empty() {
            user.extra.insert(key.clone(), values);
        }
    }
    for rule in &jwt.claim_rules {
        let ClaimRule::Required { claim, value } = rule else { continue };
        if !claims.contains_key(claim) {
            return Err(Stop::Error(format!("oidc: required claim {claim} not present in ID token")));
        }
        let got =
            text_claim(claims, claim).map_err(|error| Stop::Error(format!("oidc: parse claim {claim}: {error}")))?;
        if got != value {
            let text = format!("oidc: required claim {claim} value does not match. Got = {got}, want = {value}");
            return Err(Stop::Error(text));
        }
    }
    let claim_rules = jwt.claim_rules.iter().filter_map(|rule| match rule {
        ClaimRule::Expression { expression, message } => Some((expression.as_str(), message.as_str())),
        ClaimRule::Required { .. } => None,
    });
    rules(claim_rules, Place::ClaimValidation, &input).map_err(worded("claim validation expression"))?;
    if !jwt.user_rules.is_empty() {
        // Without system:authenticated, which is added later.
        let seen = json!({ "username": user.username, "uid": user.uid, "groups": user.groups, "extra": user.extra });
        let user_rules = jwt.user_rules.iter().map(|(rule, message)| (rule.as_str(), message.as_str()));
        rules(user_rules, Place::UserValidation, &seen).map_err(worded("user info validation rule"))?;
    }
    Ok(user)
}

/// A text claim; null is the empty text.
fn text_claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match claims.get(name) {
        None => Err("claim not present".to_owned()),
        Some(Value::String(text)) => Ok(text),
        Some(Value::Null) => Ok(""),
        Some(other) => Err(format!("json: cannot unmarshal {} into Go value of type string", kind(other))),
    }
}

fn email_verified(claims: &Map<String, Value>) -> Result<(), String> {
    match claims.get("email_verified") {
        None | Some(Value::Bool(true)) => Ok(()),
        Some(Value::Bool(false) | Value::Null) => Err("oidc: email not verified".to_owned()),
        Some(other) => {
            let kind = kind(other);
            Err(format!("oidc: parse 'email_verified' claim: json: cannot unmarshal {kind} into Go value of type bool"))
        }
    }
}

fn groups(claims: &Map<String, Value>, claim: &str, prefix: &str) -> Result<Vec<String>, String> {
    let list = |items: &[Value]| -> Option<Vec<String>> {
        let text = |item: &Value| match item {
            Value::String(text) => Some(text.clone()),
            Value::Null => Some(String::new()),
            _ => None,
        };
        items.iter().map(text).collect()
    };
    let found = match claims.get(claim) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(single)) => vec![single.clone()],
        Some(other) => other
            .as_array()
            .and_then(|items| list(items))
            // The server tries a list, then one text: the error is always the second one's.
            .ok_or_else(|| format!("json: cannot unmarshal {} into Go value of type string", kind(other)))?,
    };
    Ok(found.into_iter().map(|group| format!("{prefix}{group}")).collect())
}

/// Groups that the issuer keeps elsewhere (`_claim_names`): the server would fetch them.
fn distributed(claims: &Map<String, Value>, claim: &str) -> Result<(), Stop> {
    let failed = |text: String| Stop::Error(format!("oidc: could not expand distributed claims: {text}"));
    if claims.contains_key(claim) {
        return Ok(());
    }
    let Some(names) = claims.get("_claim_names") else { return Ok(()) };
    let Some(sources) = claims.get("_claim_sources") else { return Err(failed("oidc: no claim sources".to_owned())) };
    if let Some(sources) = sources.as_object() {
        // Its own struct has one member more than go-oidc's.
        for value in sources.values().filter_map(|source| source.get("JWT")) {
            if !value.is_string() && !value.is_null() {
                return Err(failed(format!(
                    "oidc: could not parse claim sources: json: cannot unmarshal {} into Go struct field endpoint.JWT of \
                     type string",
                    kind(value)
                )));
            }
        }
    }
    let Some(source) = names.get(claim).and_then(Value::as_str) else { return Ok(()) };
    let Some(source) = sources.get(source) else {
        return Err(failed(format!("id token _claim_names contained a source {source} missing in _claims_sources")));
    };
    let endpoint = source.get("endpoint").and_then(Value::as_str).unwrap_or_default();
    if endpoint.is_empty() {
        return Ok(());
    }
    Err(Stop::Open(format!("claim {claim:?} is distributed: the API server fetches it from {endpoint}")))
}

/// The judgement as one of this authenticator alone, for tests against the real one.
#[cfg(test)]
pub(super) fn alone(
    facts: &TokenFacts,
    config: &Configuration,
    version: (u32, u32),
    keys: &Keys,
    now: Timestamp,
) -> Option<Judgement> {
    match opinion(facts, config, version, keys, now) {
        Opinion::Accept(user) => Some(Judgement::Authenticated(user)),
        Opinion::Error(error) => Some(Judgement::Rejected { error }),
        Opinion::Silent => None,
        Opinion::Open(reasons) => Some(Judgement::Undecided { reasons }),
    }
}
