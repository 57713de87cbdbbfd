//! Requests to an API server: reviews, metrics, flags, and the same path with and without a credential.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::credential::Obtained;
use super::kubeconfig::Impersonation;
use super::proto;
use super::wire::{Answer, Limits, Wire};
use crate::apiserver::configuration::{flags_of_pod, parse_flags_text};
use crate::credential::{certificate, json};
use crate::evidence::apiserver::{
    Flags, FlowControl, HttpAnswer, IssuerMetrics, Log, Metrics, ServerPods, TokenReview,
};
use crate::evidence::identity::User;
use crate::evidence::{Failure, FailureKind};
use crate::secret::{Scrubber, Secret};

/// How often a request is sent again to a server that asks for it.
const AGAIN: usize = 2;

/// The longest wait that is granted to it.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How many values an answer may hold that is read as JSON, or one in ten bytes of a longer one: a value of a byte or two
/// takes a hundred in memory, and Kubernetes' objects are never so dense.
const VALUES: usize = 200_000;

/// How much of a foreign body stays in the evidence, in bytes.
const BODY_KEPT: usize = 2048;

/// How much of a reason stays, in bytes.
const WORDS_KEPT: usize = 4096;

/// An API server, spoken to with one credential (or none).
#[derive(Clone)]
pub struct Api {
    wire: Wire,
    headers: Vec<(HeaderName, HeaderValue)>,
    scrubber: Scrubber,
}

impl Api {
    /// An API without any credential.
    pub fn anonymous(wire: Wire, scrubber: &Scrubber) -> Self {
        Self { wire, headers: Vec::new(), scrubber: scrubber.clone() }
    }

    /// An API with a credential and, where asked for, impersonation. A client certificate belongs into the wire.
    ///
    /// # Errors
    /// When the token cannot stand in a header.
    pub fn with_credential(
        wire: Wire,
        obtained: &Obtained,
        impersonation: Option<&Impersonation>,
        scrubber: &Scrubber,
    ) -> Result<Self, Failure> {
        let mut api = Self::anonymous(wire, scrubber);
        let authorization = match (&obtained.token, &obtained.basic) {
            (Some(token), _) => Some(Secret::new(format!("Bearer {}", token.expose()))),
            (None, Some((user, password))) => Some(Secret::new(format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose()))
            ))),
            (None, None) => None,
        };
        if let Some(value) = authorization {
            // As Go does: any byte but control characters.
            let mut header = HeaderValue::from_bytes(value.expose().as_bytes()).map_err(|_| {
                let named = match value.expose().bytes().find(|byte| byte.is_ascii_control() && *byte != b'\t') {
                    Some(b'\n') => "a line feed".to_owned(),
                    Some(b'\r') => "a carriage return".to_owned(),
                    Some(byte) => format!("the control character \\x{byte:02x}"),
                    None => "a character".to_owned(),
                };
                Failure::new(FailureKind::Malformed, format!("the token holds {named}, which no HTTP header can carry"))
            })?;
            header.set_sensitive(true);
            api.headers.push((AUTHORIZATION, header));
        }
        if let Some(impersonation) = impersonation {
            api.headers.extend(impersonation_headers(impersonation)?);
        }
        Ok(api)
    }

    /// Bytes of the header fields that carry the credential and the impersonation.
    pub fn header_bytes(&self) -> usize {
        self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
    }

    /// One GET.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn get(&self, path: &str, limits: Limits) -> Result<Answer, Failure> {
        self.send("GET", path, None, "application/json", limits).await
    }

    /// One request with this API's credential.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<Vec<u8>>,
        accept: &str,
        limits: Limits,
    ) -> Result<Answer, Failure> {
        let body = body.map(Bytes::from);
        let mut again = AGAIN;
        loop {
            let mut request = http::Request::builder()
                .method(method)
                // The wire puts the server URL's own path (Rancher's, for one) before it.
                .uri(path)
                .header(http::header::ACCEPT, accept);
            if body.is_some() {
                request = request.header(http::header::CONTENT_TYPE, "application/json");
            }
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let request = request.body(body.clone().unwrap_or_default()).map_err(|error| {
                Failure::new(FailureKind::Malformed, format!("the request cannot be built: {error}"))
            })?;
            let answer = self.wire.send(request, limits).await?;
            match asked_to_wait(&answer) {
                Some(pause) if again > 0 => {
                    again -= 1;
                    tokio::time::sleep(pause).await;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Creates a review object and returns the server's answer to it.
    ///
    /// # Errors
    /// [`FailureKind::Unauthorized`], [`FailureKind::Forbidden`], [`FailureKind::Unsupported`] (the API is not there)
    /// and the failures of the way.
    pub async fn review<Q: Serialize, R: DeserializeOwned>(&self, path: &str, review: &Q) -> Result<R, Failure> {
        self.review_typed(path, review).await.map(|(answer, _)| answer)
    }

    /// The same, with the answer's Content-Type where that is none which clients decode.
    ///
    /// # Errors
    /// As [`Api::review`].
    pub async fn review_typed<Q: Serialize, R: DeserializeOwned>(
        &self,
        path: &str,
        review: &Q,
    ) -> Result<(R, Option<String>), Failure> {
        let body = serde_json::to_vec(review)
            .map_err(|error| Failure::new(FailureKind::Bug, format!("the review cannot be written: {error}")))?;
        let asked: Option<String> = serde_json::to_value(review)
            .ok()
            .and_then(|review| review.get("kind").and_then(Value::as_str).map(str::to_owned));
        // The answer repeats the question, and that may be large: the server takes 3 MiB.
        let limits = Limits { body_bytes: 8 * 1024 * 1024, ..Limits::default() };
        let answer = self.send("POST", path, Some(body), "application/json", limits).await?;
        // What is no API server may answer JSON too, and must not be taken for one.
        #[derive(serde::Deserialize)]
        struct Kind {
            kind: Option<String>,
        }
        let kind = |bytes: &[u8]| serde_json::from_slice::<Kind>(bytes).ok().and_then(|object| object.kind);
        if answer.status.is_success()
            && let Some(asked) = asked
            && kind(&answer.body).as_ref() != Some(&asked)
        {
            return Err(Failure::new(FailureKind::Protocol, format!("the answer is no {asked}"))
                .sides(asked, self.beginning(&answer)));
        }
        let undecodable = undecodable_type(&answer.headers).map(|kind| self.scrubber.text_limited(kind, 120));
        Ok((self.decode(&answer)?, undecodable))
    }

    /// The object in a good answer, or the failure a bad one means.
    ///
    /// # Errors
    /// As [`Api::review`].
    pub fn decode<R: DeserializeOwned>(&self, answer: &Answer) -> Result<R, Failure> {
        if answer.status.is_success() {
            let most = VALUES.max(answer.body.len() / 10);
            if !json::values(&answer.body, most) {
                return Err(Failure::new(FailureKind::Limit, "the answer holds too many values to be read")
                    .sides(format!("at most {most}"), "more"));
            }
            return serde_json::from_slice(&answer.body).map_err(|_| {
                Failure::new(FailureKind::Protocol, "the answer is no JSON of the kind asked for")
                    .sides("a review object", self.beginning(answer))
            });
        }
        Err(self.refusal(answer))
    }

    /// What a status other than success means.
    pub fn refusal(&self, answer: &Answer) -> Failure {
        let status = answer.status.as_u16();
        #[derive(serde::Deserialize)]
        struct Status {
            message: Option<String>,
        }
        let message = serde_json::from_slice::<Status>(&answer.body)
            .ok()
            .and_then(|status| status.message)
            .or_else(|| proto::status_message(&answer.body))
            .unwrap_or_else(|| readable(&answer.body));
        let message = self.scrubber.text_limited(message.trim(), 600);
        let kind = match status {
            401 => FailureKind::Unauthorized,
            403 => FailureKind::Forbidden,
            404 => FailureKind::Unsupported,
            _ => FailureKind::Http,
        };
        Failure::new(kind, format!("{status} {}: {message}", answer.status.canonical_reason().unwrap_or_default()))
    }

    /// Words of the server (an authorizer's reason, for one), fit for evidence.
    pub fn words(&self, text: &str) -> String {
        let text = self.scrubber.known_only(text);
        if text.len() > WORDS_KEPT { self.scrubber.text_limited(&text, WORDS_KEPT) } else { text }
    }

    /// How a body begins, for people.
    fn beginning(&self, answer: &Answer) -> String {
        self.scrubber.text_limited(&String::from_utf8_lossy(looked_at(&answer.body)), 120)
    }

    /// The answer as evidence.
    pub fn evidence(&self, method: &str, path: &str, answer: &Answer, now: Timestamp) -> HttpAnswer {
        http_answer(method, path, answer.status, &answer.headers, &answer.body, now, &self.scrubber)
    }
}

/// The Content-Type of an answer, where client-go has no serializer for it. Without any it takes what it asked for.
fn undecodable_type(headers: &http::HeaderMap) -> Option<&str> {
    let kind = headers.get(http::header::CONTENT_TYPE)?.to_str().ok().filter(|kind| !kind.trim().is_empty())?;
    let media = kind.split(';').next().unwrap_or_default().trim();
    let known = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor"];
    (!known.iter().any(|known| media.eq_ignore_ascii_case(known))).then_some(kind)
}

/// A foreign body as text; of one that is no text, only its length.
fn readable(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(looked_at(body));
    if text.chars().any(|c| c.is_control() && !c.is_whitespace() && c != '\u{1b}') {
        return format!("({} bytes that are no text)", body.len());
    }
    text.into_owned()
}

/// What of a foreign body is searched for secrets before its beginning is quoted: longer than any credential.
fn looked_at(body: &[u8]) -> &[u8] {
    &body[..body.len().min(32 * 1024)]
}

/// The wait that an overloaded server asks for (429 with Retry-After), where it is short enough. A client of Go's waits
/// too, so that only a server that keeps refusing is a problem of the user's.
fn asked_to_wait(answer: &Answer) -> Option<Duration> {
    if answer.status != http::StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds = answer.headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    // Spread over a fifth of a second, so that many that were refused at once do not come back at once.
    let spread = Duration::from_millis(u64::from(jitter()) * 200 / 256);
    Some(Duration::from_secs(seconds)).filter(|pause| *pause <= LONGEST_WAIT).map(|pause| pause + spread)
}

/// A byte of chance.
fn jitter() -> u8 {
    let mut byte = [0];
    // Without it everybody waits as long; that is all.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    byte[0]
}

/// An HTTP answer as evidence: scrubbed and cut.
pub fn http_answer(
    method: &str,
    url: &str,
    status: http::StatusCode,
    headers: &http::HeaderMap,
    body: &[u8],
    now: Timestamp,
    scrubber: &Scrubber,
) -> HttpAnswer {
    let header = |name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(|value| scrubber.text_limited(value, 300))
    };
    HttpAnswer {
        method: method.to_owned(),
        url: url.split('?').next().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default().to_owned(),
        content_type: header("content-type"),
        server: header("server"),
        date: header("date").as_deref().and_then(http_date),
        received_at: Some(now),
        // Every answer of an API server has these headers; they say something where it refuses.
        flow_control: header("x-kubernetes-pf-flowschema-uid").filter(|_| status.as_u16() == 429).map(
            |flow_schema_uid| FlowControl {
                flow_schema_uid,
                priority_level_uid: header("x-kubernetes-pf-prioritylevel-uid").unwrap_or_default(),
                retry_after: header("retry-after"),
            },
        ),
        location: header("location").map(|location| location.split('?').next().unwrap_or_default().to_owned()),
        body: scrubber.text_limited(&String::from_utf8_lossy(&body[..body.len().min(4 * BODY_KEPT)]), BODY_KEPT),
        body_length: body.len(),
        sent_header_bytes: None,
    }
}

/// A Date header (RFC 9110, IMF-fixdate).
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

/// Impersonation as headers.
fn impersonation_headers(impersonation: &Impersonation) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
    let mut headers = Vec::new();
    let mut add = |name: String, value: &str| -> Result<(), Failure> {
        let bad = |_| Failure::new(FailureKind::Malformed, format!("{name} cannot carry {value:?}"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad(()))?;
        headers.push((header, HeaderValue::from_str(value).map_err(|_| bad(()))?));
        Ok(())
    };
    if let Some(user) = &impersonation.user {
        add("Impersonate-User".to_owned(), user)?;
    }
    if let Some(uid) = &impersonation.uid {
        add("Impersonate-Uid".to_owned(), uid)?;
    }
    for group in &impersonation.groups {
        add("Impersonate-Group".to_owned(), group)?;
    }
    for (key, value) in &impersonation.extra {
        let escaped: String = url::form_urlencoded::byte_serialize(key.to_lowercase().as_bytes()).collect();
        add(format!("Impersonate-Extra-{}", escaped.replace('+', "%20")), value)?;
    }
    Ok(headers)
}

/// TokenReview of a token by somebody who may.
///
/// # Errors
/// As [`Api::review`]; a refusal names the right that is missing.
pub async fn token_review(reviewer: &Api, token: &Secret, scrubber: &Scrubber) -> Result<TokenReview, Failure> {
    let review = serde_json::json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": { "token": token.expose() },
    });
    let answer: Value = reviewer.review("/apis/authentication.k8s.io/v1/tokenreviews", &review).await.map_err(
        |failure| match failure.kind {
            FailureKind::Forbidden => failure.needs("create on tokenreviews.authentication.k8s.io (cluster scope)"),
            _ => failure,
        },
    )?;
    let status = answer.get("status").cloned().unwrap_or_default();
    let user = status.get("user").cloned().unwrap_or_default();
    let authenticated = status.get("authenticated").and_then(Value::as_bool).unwrap_or(false);
    Ok(TokenReview {
        authenticated,
        user: authenticated.then(|| user_info(&user)),
        error: status
            .get("error")
            .and_then(Value::as_str)
            .filter(|error| !error.is_empty())
            .map(|error| scrubber.text_limited(error, BODY_KEPT)),
    })
}

/// UserInfo of a review.
pub fn user_info(user: &Value) -> User {
    let text = |name: &str| user.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    User {
        username: text("username"),
        uid: text("uid"),
        groups: user.get("groups").map(list).unwrap_or_default(),
        extra: user
            .get("extra")
            .and_then(Value::as_object)
            .map(|extra| extra.iter().map(|(key, values)| (key.clone(), list(values))).collect())
            .unwrap_or_default(),
    }
}

/// How the series about authentication begin.
const METRICS: &str = "apiserver_authentication_";

/// The authentication series of `/metrics`.
///
/// # Errors
/// As [`Api::get`]; a refusal names the right that is missing.
pub async fn metrics(api: &Api, token_issuer: Option<&str>) -> Result<Metrics, Failure> {
    // The largest servers' have some 20 MB, of which some lines matter.
    let limits = Limits {
        body_bytes: 64 * 1024 * 1024,
        time: Duration::from_secs(10),
        lines: Some(|line| line.starts_with(METRICS.as_bytes())),
    };
    let answer = api.send("GET", "/metrics", None, "text/plain", limits).await?;
    if !answer.status.is_success() {
        return Err(api.refusal(&answer).needs("get on the path /metrics (ClusterRole system:monitoring)"));
    }
    let mut metrics = parse_metrics(&String::from_utf8_lossy(&answer.body));
    metrics.token_issuer_hash =
        token_issuer.map(|issuer| format!("sha256:{}", certificate::sha256_hex(issuer.as_bytes())));
    Ok(metrics)
}

/// Picks the series about JWT authenticators and the authentication configuration out of any text.
pub fn parse_metrics(text: &str) -> Metrics {
    let mut issuers: BTreeMap<String, IssuerMetrics> = BTreeMap::new();
    let mut metrics = Metrics::default();
    let mut reloads: BTreeMap<String, f64> = BTreeMap::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(METRICS) else { continue };
        let Some((name, rest)) = rest.split_once('{') else { continue };
        let Some((labels, value)) = rest.rsplit_once('}') else { continue };
        let Ok(value) = value.trim().parse::<f64>() else { continue };
        let label = |wanted: &str| -> Option<&str> {
            let start = labels.find(&format!("{wanted}=\""))? + wanted.len() + 2;
            labels[start..].split('"').next()
        };
        if name == "config_controller_last_config_info" {
            metrics.configuration_hash = label("hash").map(str::to_owned);
        }
        if name == "config_controller_automatic_reload_last_timestamp_seconds"
            && let Some(status) = label("status")
        {
            reloads.insert(status.to_owned(), value);
        }
        let Some(hash) = label("jwt_issuer_hash") else { continue };
        let issuer = issuers
            .entry(hash.to_owned())
            .or_insert_with(|| IssuerMetrics { issuer_hash: hash.to_owned(), ..IssuerMetrics::default() });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counters and epoch seconds")]
        match (name, label("result")) {
            ("jwt_authenticator_latency_seconds_count", Some("success")) => {
                issuer.successes = issuer.successes.saturating_add(value as u64)
            }
            ("jwt_authenticator_latency_seconds_count", Some("failure")) => {
                issuer.failures = issuer.failures.saturating_add(value as u64)
            }
            ("jwt_authenticator_jwks_fetch_last_timestamp_seconds", Some("success")) => {
                issuer.keys_fetched_at = Timestamp::from_second(value as i64).ok();
            }
            ("jwt_authenticator_jwks_fetch_last_timestamp_seconds", Some("failure")) => {
                issuer.keys_failed_at = Timestamp::from_second(value as i64).ok();
            }
            ("jwt_authenticator_jwks_fetch_last_key_set_info", _) => {
                issuer.key_set_hash = label("hash").map(str::to_owned)
            }
            _ => {}
        }
    }
    metrics.reload_failed = match (reloads.get("failure"), reloads.get("success")) {
        (Some(failure), Some(success)) => failure > success,
        (Some(_), None) => true,
        _ => false,
    };
    metrics.issuers = issuers.into_values().collect();
    metrics
}

/// Flags that decide about access; the others are not kept.
const KEPT_FLAGS: &[&str] = &[
    "oidc-",
    "authentication-",
    "anonymous-auth",
    "service-account-issuer",
    "service-account-key-file",
    "api-audiences",
    "client-ca-file",
    "requestheader-",
    "authorization-",
    "token-auth-file",
    "enable-bootstrap-token-auth",
    "service-account-lookup",
    "feature-gates",
];

/// The flags in force, from `/flagz`.
///
/// # Errors
/// As [`Api::get`]; 404 before Kubernetes 1.36.
pub async fn flagz(api: &Api, scrubber: &Scrubber) -> Result<Flags, Failure> {
    // The text form's separator changes with every server start, on purpose; the structured form is a beta of 1.36.
    let accept = "application/json;v=v1beta1;g=config.k8s.io;as=Flagz, application/json;v=v1alpha1;g=config.k8s.io;as=Flagz, text/plain";
    let answer = api.send("GET", "/flagz", None, accept, Limits::default()).await?;
    if !answer.status.is_success() {
        let failure = api.refusal(&answer);
        return Err(match failure.kind {
            FailureKind::Forbidden => {
                failure.needs("get on the path /flagz (ClusterRole system:monitoring, Kubernetes 1.36 and later)")
            }
            FailureKind::Unsupported => {
                Failure::new(FailureKind::Unsupported, "this API server has no /flagz (it came with Kubernetes 1.36)")
            }
            _ => failure,
        });
    }
    if !json::values(&answer.body, 100_000) {
        return Err(Failure::new(FailureKind::Limit, "the answer holds too many values to be read")
            .sides("at most 100000", "more"));
    }
    let text = String::from_utf8_lossy(&answer.body);
    let read: BTreeMap<String, Vec<String>> = match serde_json::from_str::<Value>(&text) {
        Ok(document) => document
            .get("flags")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), flag_values(name, value.as_str().unwrap_or_default())))
            .collect(),
        Err(_) => parse_flags_text(&text, "/flagz").map(|flags| flags.flags).unwrap_or_default(),
    };
    if read.is_empty() {
        return Err(Failure::new(FailureKind::Protocol, "the answer of /flagz holds no flags"));
    }
    Ok(Flags { source: "/flagz".to_owned(), flags: kept_flags(read, scrubber), complete: true, ..Flags::default() })
}

/// What is kept of a configuration that somebody handed over: the flags that decide about access, and no password among
/// them. Certificates and paths stay whole.
pub fn kept_configuration(mut handed: Flags, scrubber: &Scrubber) -> Flags {
    fn scrub(value: &mut Value, scrubber: &Scrubber) {
        match value {
            Value::String(text) => *text = scrubber.marked(text),
            Value::Array(items) => items.iter_mut().for_each(|item| scrub(item, scrubber)),
            Value::Object(fields) => fields.values_mut().for_each(|value| scrub(value, scrubber)),
            _ => {}
        }
    }
    handed.flags.retain(|name, values| {
        values.iter_mut().for_each(|value| *value = scrubber.marked(value));
        let secret = ["password", "secret", "passphrase"].iter().any(|word| name.contains(word));
        !secret && KEPT_FLAGS.iter().any(|kept| name.starts_with(kept))
    });
    if let Some(configuration) = &mut handed.authentication_configuration {
        scrub(configuration, scrubber);
    }
    handed
}

/// The flags that decide about access.
fn kept_flags(mut flags: BTreeMap<String, Vec<String>>, scrubber: &Scrubber) -> BTreeMap<String, Vec<String>> {
    flags.retain(|name, values| KEPT_FLAGS.iter().any(|kept| name.starts_with(kept)) && !values.is_empty());
    for value in flags.values_mut().flatten() {
        *value = scrubber.text_limited(value, 1024);
    }
    flags
}

/// The command lines of kube-apiserver's own Pods (label `component=kube-apiserver`); `None` where there is no such Pod.
///
/// # Errors
/// As [`Api::get`].
pub async fn server_pods(api: &Api, scrubber: &Scrubber) -> Result<Option<ServerPods>, Failure> {
    let path = "/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver&limit=50";
    let limits = Limits { body_bytes: 4 * 1024 * 1024, ..Limits::default() };
    let answer = api.get(path, limits).await?;
    let list: Value = api.decode(&answer).map_err(|failure| match failure.kind {
        FailureKind::Forbidden => failure.needs("list on Pods in the namespace kube-system"),
        _ => failure,
    })?;
    let mut found: Vec<(String, BTreeMap<String, Vec<String>>)> = Vec::new();
    for pod in list.get("items").and_then(Value::as_array).into_iter().flatten() {
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(flags) = flags_of_pod(pod) else { continue };
        found.push((name, kept_flags(flags, scrubber)));
    }
    let Some((first, flags)) = found.first().cloned() else { return Ok(None) };
    let names = found.iter().flat_map(|(_, flags)| flags.keys()).collect::<std::collections::BTreeSet<_>>();
    let differs = |name: &&&String| found.iter().any(|(_, other)| other.get(**name) != flags.get(**name));
    let differing = names.iter().filter(differs).map(|name| (*name).clone()).collect();
    let source = format!("Pod kube-system/{first}");
    let flags = Flags { source, flags, complete: true, ..Flags::default() };
    Ok(Some(ServerPods { pods: found.into_iter().map(|(name, _)| name).collect(), flags, differing }))
}

/// ConfigMap kube-system/extension-apiserver-authentication as the flags it is made from. Of the front proxy's CA only that there is
/// one, of the clients' the certificates.
///
/// # Errors
/// As [`Api::get`].
pub async fn published(api: &Api, scrubber: &Scrubber) -> Result<Flags, Failure> {
    let name = "ConfigMap kube-system/extension-apiserver-authentication";
    let path = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    let answer = api.get(path, Limits::default()).await?;
    let map: Value = api.decode(&answer).map_err(|failure| match failure.kind {
        FailureKind::Forbidden => {
            failure.needs(format!("get on {name} (Role extension-apiserver-authentication-reader)"))
        }
        _ => failure,
    })?;
    let mut flags: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in map.get("data").and_then(Value::as_object).into_iter().flatten() {
        let Some(text) = value.as_str().filter(|text| !text.is_empty()) else { continue };
        let values = match serde_json::from_str::<Vec<String>>(text) {
            Ok(list) => list.iter().map(|item| scrubber.text_limited(item, 256)).collect(),
            Err(_) if text.contains("BEGIN CERTIFICATE") => vec![format!("{key} of {name}")],
            Err(_) => continue,
        };
        flags.insert(key.clone(), values);
    }
    flags.retain(|_, values| !values.is_empty());
    let clients = map.pointer("/data/client-ca-file").and_then(Value::as_str).unwrap_or_default();
    let client_authorities = certificate::facts_from_pem(clients).0;
    Ok(Flags { source: name.to_owned(), flags, client_authorities, ..Flags::default() })
}

/// The log of a kube-apiserver Pod over the last `window`.
///
/// # Errors
/// As [`Api::get`]; the kubelet's refusals come as the API server words them.
pub async fn pod_log(api: &Api, pod: &str, window: std::time::Duration, scrubber: &Scrubber) -> Result<Log, Failure> {
    let name: String = url::form_urlencoded::byte_serialize(pod.as_bytes()).collect();
    let path = format!(
        "/api/v1/namespaces/kube-system/pods/{name}/log?sinceSeconds={}&limitBytes=16000000",
        window.as_secs().max(1)
    );
    let limits = Limits { body_bytes: 17_000_000, time: std::time::Duration::from_secs(12), ..Limits::default() };
    let answer = api.send("GET", &path, None, "text/plain, application/json", limits).await?;
    if !answer.status.is_success() {
        let failure = api.refusal(&answer);
        return Err(match failure.kind {
            FailureKind::Forbidden => failure.needs("get on pods/log in the namespace kube-system"),
            _ => failure,
        });
    }
    super::log::read(&format!("Pod kube-system/{pod}"), answer.body.as_ref(), scrubber)
}

/// `/flagz` prints lists as Go does, `[a,b]`; an unset list or text gives no value.
fn flag_values(name: &str, value: &str) -> Vec<String> {
    let lists = [
        "oidc-signing-algs",
        "api-audiences",
        "service-account-issuer",
        "service-account-key-file",
        "authorization-mode",
        "oidc-required-claim",
    ];
    let inner = value.strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    let parts: Vec<&str> = match inner {
        Some(inner) => inner.split([',', ' ']).collect(),
        None if lists.contains(&name) => value.split(',').collect(),
        None => vec![value],
    };
    parts.into_iter().filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_an_uninitialised_issuer_are_read() {
        let text = "# HELP x\napiserver_authentication_jwt_authenticator_latency_seconds_count{jwt_issuer_hash=\"sha256:aa\",result=\"failure\"} 4\n";
        let metrics = parse_metrics(text);
        assert_eq!(metrics.issuers.len(), 1);
        assert_eq!(metrics.issuers[0].failures, 4);
        assert!(metrics.issuers[0].keys_fetched_at.is_none());
    }

    #[test]
    fn types_that_clients_do_not_decode_are_told() {
        let undecodable = |kind: &'static str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
            undecodable_type(&headers).is_some()
        };
        assert!(undecodable("text/html; charset=utf-8") && undecodable("text/plain"));
        assert!(!undecodable("application/json;charset=utf-8") && !undecodable("Application/JSON") && !undecodable(""));
        assert!(undecodable_type(&http::HeaderMap::new()).is_none());
    }

    #[test]
    fn dates_of_http_are_read() {
        assert_eq!(
            http_date("Tue, 24 Nov 2026 10:00:00 GMT").map(|time| time.to_string()).as_deref(),
            Some("2026-11-24T10:00:00Z")
        );
    }
}
