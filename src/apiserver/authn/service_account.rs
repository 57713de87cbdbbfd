//! Service account tokens, legacy and bound: pkg/serviceaccount of k8s.io/kubernetes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::jwt::{claimed_issuer, go_truncate, readable_claims, since_year_1};
use super::world::not_found;
use super::{IsToken, Keys, Objects, Opinion, World, credential_id, with_authenticated};
use crate::apiserver::configuration::{Configuration, aggregate};
use crate::evidence::credential::TokenFacts;
use crate::evidence::identity::User;
use crate::gotext::{kind, quote_list};

/// `iss` of tokens from Secrets.
pub const LEGACY_ISSUER: &str = "kubernetes/serviceaccount";

/// go-jose's leeway, both ways, in seconds.
pub const LEEWAY: i64 = 60;

/// What the two service account authenticators say.
pub(super) fn opinion(
    world: &World<'_>,
    facts: &TokenFacts,
    config: &Configuration,
    version: (u32, u32),
    keys: &Keys,
    now: Timestamp,
) -> Opinion {
    let Some(issuer) = claimed_issuer(facts) else { return Opinion::Silent };
    let legacy = issuer == LEGACY_ISSUER;
    let bound = config.service_account_issuers.iter().any(|known| known == issuer);
    if !legacy && !bound {
        let shaped = facts.claims.as_ref().is_some_and(|claims| claims.get("kubernetes.io").is_some());
        if shaped && config.service_account_issuers.is_empty() && !config.complete {
            return Opinion::Open(vec!["--service-account-issuer is not known here".to_owned()]);
        }
        return Opinion::Silent;
    }
    // What go-jose cannot parse is no service account token: silence.
    if facts.problems.iter().any(|problem| matches!(problem.part.as_str(), "header" | "signature")) {
        return Opinion::Silent;
    }
    let mut errors = Vec::new();
    for (_, as_legacy) in [(legacy, true), (bound, false)].into_iter().filter(|(wanted, _)| *wanted) {
        match judge(world, facts, config, version, keys, now, as_legacy) {
            Opinion::Error(error) => errors.push(error),
            decided => return decided,
        }
    }
    Opinion::Error(aggregate(&errors))
}

/// The user that a service account token names, whatever the checks would say.
pub fn view(facts: &TokenFacts) -> Option<User> {
    let claims = facts.claims.as_ref()?.as_object()?;
    if claims.get("iss").and_then(Value::as_str) == Some(LEGACY_ISSUER) {
        let legacy = Legacy::read(claims);
        return (!legacy.name.is_empty()).then(|| with_authenticated(legacy.user()));
    }
    let private = Private::read(claims, "go-jose").ok()?;
    (!private.name.is_empty()).then(|| with_authenticated(private.user(claims)))
}

fn judge(
    world: &World<'_>,
    facts: &TokenFacts,
    config: &Configuration,
    version: (u32, u32),
    keys: &Keys,
    now: Timestamp,
    legacy: bool,
) -> Opinion {
    let error = |text: &str| Opinion::Error(text.to_owned());
    let jose = if version >= (1, 33) { "go-jose" } else { "square" };
    match keys {
        Keys::Signature { verified: true, .. } => {}
        Keys::Signature { kid_known: false, .. } if version >= (1, 31) => {
            return error("invalid signature, no keys found");
        }
        // These keys are files: nothing is fetched and nothing has to be initialised.
        Keys::NotInitialized | Keys::FetchFailed(_) | Keys::Unknown => {
            return Opinion::Open(vec![
                "the signature was not checked: the service account keys are not known here".into(),
            ]);
        }
        Keys::Signature { .. } => return Opinion::Error(format!("{jose}/go-jose: error in cryptographic primitive")),
    }
    let empty = Map::new();
    let claims = readable_claims(facts).unwrap_or(&empty);
    if let Some(problem) = facts.problems.iter().find(|problem| problem.part == "payload") {
        return Opinion::Error(problem.detail.clone());
    }
    let public = match Public::read(claims, jose) {
        Ok(public) => public,
        Err(text) => return Opinion::Error(text),
    };
    let private =
        match if legacy { Legacy::check(claims).map(|()| Private::default()) } else { Private::read(claims, jose) } {
            Ok(private) => private,
            Err(text) => return Opinion::Error(text),
        };
    let audiences = if public.audience.is_empty() { &config.api_audiences } else { &public.audience };
    if config.api_audiences.is_empty() {
        return Opinion::Open(vec!["neither --api-audiences nor --service-account-issuer is known here".to_owned()]);
    }
    if !audiences.iter().any(|audience| config.api_audiences.contains(audience)) {
        let (own, target) = (quote_list(audiences), quote_list(&config.api_audiences));
        return Opinion::Error(format!("token audiences {own} is invalid for the target audiences {target}"));
    }
    if legacy {
        return legacy_opinion(world, claims, &public, config);
    }
    let (early, late) = (since_year_1(now.as_second() - LEEWAY), since_year_1(now.as_second() + LEEWAY));
    let past = |time: i64| {
        let expiry = since_year_1(time);
        early > expiry || (early == expiry && now.subsec_nanosecond() > 0)
    };
    if public.not_before.is_some_and(|time| late < since_year_1(time)) {
        return error("service account token is not valid yet");
    }
    if public.expiry.is_some_and(past) {
        return error("service account token has expired");
    }
    if public.issued_at.is_some_and(|time| late < since_year_1(time)) {
        return error("service account token is issued in the future");
    }
    if private.name.is_empty() {
        return error("resource name may not be empty");
    }
    if private.namespace.is_empty() {
        return error("the server could not find the requested resource");
    }
    let Some(objects) = world.objects else {
        let mut needed = vec![object("ServiceAccount", &private.namespace, &private.name, &private.uid)];
        needed.extend(private.secret.as_ref().map(|(name, uid)| object("Secret", &private.namespace, name, uid)));
        needed.extend(private.pod.as_ref().map(|(name, uid)| object("Pod", &private.namespace, name, uid)));
        if private.pod.is_none() {
            needed.extend(private.node.as_ref().map(|(name, uid)| object("Node", "", name, uid)));
        }
        return Opinion::Open(needed);
    };
    match private.bound_to(objects, now) {
        Ok(()) => Opinion::Accept(private.user(claims)),
        Err(text) => Opinion::Error(text),
    }
}

fn object(kind: &str, namespace: &str, name: &str, uid: &str) -> String {
    let separator = if namespace.is_empty() { "" } else { "/" };
    format!("whether {kind} {namespace}{separator}{name} with uid {uid:?} still exists is not known here")
}

fn legacy_opinion(world: &World<'_>, claims: &Map<String, Value>, public: &Public, config: &Configuration) -> Opinion {
    let legacy = Legacy::read(claims);
    for (value, missing) in [
        (&public.subject, "sub claim is missing"),
        (&legacy.namespace, "namespace claim is missing"),
        (&legacy.secret, "secretName claim is missing"),
        (&legacy.name, "serviceAccountName claim is missing"),
        (&legacy.uid, "serviceAccountUID claim is missing"),
    ] {
        if value.is_empty() {
            return Opinion::Error(missing.to_owned());
        }
    }
    if public.subject != format!("system:serviceaccount:{}:{}", legacy.namespace, legacy.name) {
        return Opinion::Error("sub claim is invalid".to_owned());
    }
    if !config.service_account_lookup {
        return Opinion::Accept(legacy.user());
    }
    if let (Some(objects), Some(is_token)) = (world.objects, world.is_token) {
        return match legacy.looked_up(objects, is_token) {
            Ok(()) => Opinion::Accept(legacy.user()),
            Err(text) => Opinion::Error(text),
        };
    }
    Opinion::Open(vec![
        format!("whether Secret {}/{} still holds this token is not known here", legacy.namespace, legacy.secret),
        object("ServiceAccount", &legacy.namespace, &legacy.name, &legacy.uid),
    ])
}

/// go-jose's jwt.Claims.
#[derive(Debug, Default)]
struct Public {
    subject: String,
    audience: Vec<String>,
    expiry: Option<i64>,
    not_before: Option<i64>,
    issued_at: Option<i64>,
}

impl Public {
    fn read(claims: &Map<String, Value>, jose: &str) -> Result<Self, String> {
        let mut public = Self::default();
        let mut type_error = None;
        for (name, value) in claims {
            let date = |value: &Value| match value {
                Value::Null => Ok(None),
                Value::Number(number) => {
                    Ok(Some(number.as_i64().unwrap_or_else(|| go_truncate(number.as_f64().unwrap_or_default()))))
                }
                _ => Err(format!("{jose}/go-jose/jwt: expected number value to unmarshal NumericDate")),
            };
            match name.as_str() {
                "iss" | "sub" | "jti" => match value {
                    Value::String(text) if name == "sub" => public.subject.clone_from(text),
                    Value::String(_) | Value::Null => {}
                    other => {
                        type_error.get_or_insert_with(|| type_mismatch(other, "string"));
                    }
                },
                "aud" => {
                    let wrong =
                        || format!("{jose}/go-jose/jwt: expected string or array value to unmarshal to Audience");
                    public.audience = match value {
                        Value::String(text) => vec![text.clone()],
                        Value::Array(items) => items
                            .iter()
                            .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
                            .collect::<Result<_, _>>()?,
                        _ => return Err(wrong()),
                    };
                }
                "exp" => public.expiry = date(value)?,
                "nbf" => public.not_before = date(value)?,
                "iat" => public.issued_at = date(value)?,
                _ => {}
            }
        }
        type_error.map_or(Ok(public), Err)
    }
}

fn type_mismatch(value: &Value, go_type: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {go_type}", kind(value))
}

/// The `kubernetes.io` claim.
#[derive(Debug, Default)]
struct Private {
    namespace: String,
    name: String,
    uid: String,
    pod: Option<(String, String)>,
    secret: Option<(String, String)>,
    node: Option<(String, String)>,
}

impl Private {
    fn read(claims: &Map<String, Value>, jose: &str) -> Result<Self, String> {
        let mut private = Self::default();
        let object = match claims.get("kubernetes.io") {
            None | Some(Value::Null) => return Ok(private),
            Some(Value::Object(object)) => object,
            Some(other) => return Err(type_mismatch(other, "serviceaccount.kubernetes")),
        };
        if object.get("warnafter").is_some_and(|value| !value.is_number() && !value.is_null()) {
            return Err(format!("{jose}/go-jose/jwt: expected number value to unmarshal NumericDate"));
        }
        let mut type_error = None;
        let mut text = |value: Option<&Value>| match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                type_error.get_or_insert_with(|| type_mismatch(other, "string"));
                String::new()
            }
        };
        private.namespace = text(object.get("namespace"));
        let mut wrong_reference = None;
        let mut reference = |name: &str| match object.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Object(reference)) => Some((text(reference.get("name")), text(reference.get("uid")))),
            Some(other) => {
                wrong_reference.get_or_insert_with(|| type_mismatch(other, "serviceaccount.ref"));
                None
            }
        };
        (private.name, private.uid) = reference("serviceaccount").unwrap_or_default();
        private.pod = reference("pod");
        private.secret = reference("secret");
        private.node = reference("node");
        match type_error.or(wrong_reference) {
            Some(error) => Err(error),
            None => Ok(private),
        }
    }

    /// Every object that the token names is there, is the same one, and was not deleted more than a minute ago.
    fn bound_to(&self, objects: &Objects, now: Timestamp) -> Result<(), String> {
        let namespace = self.namespace.as_str();
        let account = objects
            .find("ServiceAccount", namespace, &self.name)
            .ok_or_else(|| not_found("serviceaccounts", &self.name))?;
        if account.uid != self.uid {
            return Err(format!("service account UID ({}) does not match claim ({})", account.uid, self.uid));
        }
        if account.long_deleted(now, LEEWAY) {
            return Err(format!("service account {namespace}/{} has been deleted", self.name));
        }
        let same = |kind: &str, namespace: &str, reference: &(String, String)| {
            let (name, uid) = reference;
            let gone = || "service account token has been invalidated".to_owned();
            let object = objects.find(kind, namespace, name).ok_or_else(gone)?;
            let word = kind.to_ascii_lowercase();
            if object.uid != uid {
                return Err(format!(
                    "{word} UID ({}) does not match service account {word} ref claim ({uid})",
                    object.uid
                ));
            }
            if object.long_deleted(now, LEEWAY) { Err(gone()) } else { Ok(()) }
        };
        if let Some(secret) = &self.secret {
            same("Secret", namespace, secret)?;
        }
        if let Some(pod) = &self.pod {
            // A node beside a Pod is not looked at.
            return same("Pod", namespace, pod);
        }
        self.node.as_ref().map_or(Ok(()), |node| same("Node", "", node))
    }

    fn user(&self, claims: &Map<String, Value>) -> User {
        let mut extra = credential_id(claims.get("jti").and_then(Value::as_str).unwrap_or_default());
        let mut add = |name: &str, value: &str| {
            extra.insert(format!("authentication.kubernetes.io/{name}"), vec![value.to_owned()]);
        };
        if let Some((name, uid)) = self.pod.as_ref().filter(|(name, uid)| !name.is_empty() && !uid.is_empty()) {
            add("pod-name", name);
            add("pod-uid", uid);
        }
        if let Some((name, uid)) = self.node.as_ref().filter(|(name, _)| !name.is_empty()) {
            add("node-name", name);
            if !uid.is_empty() {
                add("node-uid", uid);
            }
        }
        user(&self.namespace, &self.name, &self.uid, extra)
    }
}

/// The flat claims of a legacy token.
struct Legacy {
    namespace: String,
    secret: String,
    name: String,
    uid: String,
}

impl Legacy {
    /// Its members are texts.
    fn check(claims: &Map<String, Value>) -> Result<(), String> {
        let names = ["service-account.name", "service-account.uid", "secret.name", "namespace"];
        let is_ours =
            |name: &str| name.strip_prefix("kubernetes.io/serviceaccount/").is_some_and(|name| names.contains(&name));
        let wrong = claims.iter().find(|(name, value)| is_ours(name) && !value.is_string() && !value.is_null());
        wrong.map_or(Ok(()), |(_, value)| Err(type_mismatch(value, "string")))
    }

    fn read(claims: &Map<String, Value>) -> Self {
        let text = |name: &str| {
            let name = format!("kubernetes.io/serviceaccount/{name}");
            claims.get(&name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self {
            namespace: text("namespace"),
            secret: text("secret.name"),
            name: text("service-account.name"),
            uid: text("service-account.uid"),
        }
    }

    /// Its Secret holds exactly this token, and its service account is the same one.
    fn looked_up(&self, objects: &Objects, is_token: IsToken<'_>) -> Result<(), String> {
        const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
        let Self { namespace, secret: secret_name, name, uid } = self;
        let gone = || "Token has been invalidated".to_owned();
        let secret = objects.find("Secret", namespace, secret_name).ok_or_else(gone)?;
        if secret.deleted.is_some() {
            return Err(gone());
        }
        if !is_token(&secret.data("token")) {
            return Err("Token does not match server's copy".to_owned());
        }
        let account =
            objects.find("ServiceAccount", namespace, name).ok_or_else(|| not_found("serviceaccounts", name))?;
        if account.deleted.is_some() {
            return Err(format!("ServiceAccount {namespace}/{name} has been deleted"));
        }
        if account.uid != uid {
            return Err(format!("ServiceAccount UID ({}) does not match claim ({uid})", account.uid));
        }
        if !secret.label(INVALID_SINCE).is_empty() {
            return Err(format!(
                "the token in secret {namespace}/{secret_name} for service account {namespace}/{name} has been marked \
                 invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the \
                 '{INVALID_SINCE}' label from the secret to temporarily allow use of this token"
            ));
        }
        Ok(())
    }

    fn user(&self) -> User {
        user(&self.namespace, &self.name, &self.uid, BTreeMap::new())
    }
}

fn user(namespace: &str, name: &str, uid: &str, extra: BTreeMap<String, Vec<String>>) -> User {
    User {
        username: format!("system:serviceaccount:{namespace}:{name}"),
        uid: uid.to_owned(),
        groups: vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        extra,
    }
}
