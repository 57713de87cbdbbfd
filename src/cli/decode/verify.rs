//! The checks that can be made here: the issuer's discovery document and keys, the signature, the times.

use std::io::Read as _;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use super::DecodeArgs;
use crate::apiserver::authn::Keys;
use crate::apiserver::authn::jwt::{self, NOT_BEFORE_LEEWAY};
use crate::aws::{SIGNATURE_LEEWAY, identity};
use crate::cli::Error;
use crate::cli::connect::runtime;
use crate::collect::Roots;
use crate::collect::aws::sts;
use crate::collect::issuer;
use crate::collect::tls::TlsSettings;
use crate::credential::{json, signature};
use crate::evidence::credential::{TokenFacts, TokenKind};
use crate::evidence::issuer::{Discovery, SignatureCheck, discovery_url};
use crate::evidence::{Failure, FailureKind};
use crate::gotext::{field, unix_time};
use crate::host::Host;
use crate::report::credential::{Check, Verification};
use crate::secret::{Scrubber, Secret};

/// What checking the token against its issuer's keys found.
pub(super) struct Checked {
    pub(super) verification: Option<Verification>,
    signature: Option<SignatureCheck>,
    /// The key set that was given cannot be read; the text after `fetching keys `.
    unreadable: Option<String>,
}

impl Checked {
    /// What is known of the issuer's keys.
    pub(super) fn keys(&self) -> Keys {
        match (&self.unreadable, &self.signature) {
            (Some(error), _) => Keys::FetchFailed(error.clone()),
            (None, Some(check)) => Keys::from(check),
            (None, None) => Keys::Unknown,
        }
    }
}

/// What is said where the limit of the run came first.
const NO_ANSWER: &str = "no answer in time";

fn check(id: &'static str, ok: Option<bool>, seen: impl Into<String>) -> Check {
    Check { id, ok, expected: None, seen: Some(seen.into()) }
}

/// A check that could be made, with what should have been.
fn compared(id: &'static str, ok: bool, expected: impl Into<String>, seen: impl Into<String>) -> Check {
    Check { expected: Some(expected.into()), ..check(id, Some(ok), seen) }
}

/// What the checks come to: one that failed decides, and for a good end all must have been made.
fn verified(checks: Vec<Check>) -> Verification {
    let ok = if checks.iter().any(|check| check.ok == Some(false)) {
        Some(false)
    } else {
        (!checks.is_empty() && checks.iter().all(|check| check.ok == Some(true))).then_some(true)
    };
    Verification { ok, checks }
}

/// The issuer is judged by `--oidc-ca-file`, as the API server does with it, else by the system's roots.
fn tls_settings(arguments: &DecodeArgs) -> Result<TlsSettings, Error> {
    let Some(path) = &arguments.server.oidc_ca_file else { return Ok(TlsSettings::system()) };
    let pem = std::fs::read_to_string(path)
        .map_err(|error| Error::plain(format!("--oidc-ca-file {}: {error}", path.display())))?;
    Ok(TlsSettings { roots: Roots::Pem { label: "oidc-ca-file", pem }, ..TlsSettings::system() })
}

/// An IAM token is verified by STS alone, which also says whose it is.
fn of_sts(
    host: &Host,
    limit: Duration,
    cluster: Option<&str>,
    secret: &Secret,
    facts: &TokenFacts,
    now: Timestamp,
    scrubber: &Scrubber,
) -> Result<Checked, Error> {
    let mut list = Vec::new();
    match cluster {
        _ if !facts.problems.is_empty() => {
            // What is wrong with the URL inside, the authenticator refuses; what only stands around the token may be the
            // copy's.
            let refused = facts.problems.iter().find(|problem| problem.part == "payload");
            let why = refused.map(|problem| format!(": the authenticator refuses it ({})", problem.detail));
            let seen = format!("STS was not asked: the token is no good as it stands{}", why.unwrap_or_default());
            list.push(check("sts", refused.map(|_| false), seen));
        }
        None => list.push(check("sts", None, "the cluster's name is part of what is signed: give --eks-cluster")),
        Some(cluster) => {
            let runtime = runtime()?;
            let asked = runtime.block_on(async {
                tokio::time::timeout(limit, sts::caller_of_token(secret, cluster, host, scrubber)).await
            });
            runtime.shutdown_background();
            match asked {
                Ok(Ok(caller)) => {
                    list.push(check("sts", Some(true), caller.arn.clone()));
                    if let Some(arn) = identity::canonical(&caller.arn) {
                        // Of an assumed role STS never tells the path.
                        let path = if caller.arn.contains(":assumed-role/") {
                            " (an access entry's ARN has the role's path, if there is one)"
                        } else {
                            ""
                        };
                        list.push(check("principal", Some(true), format!("{arn}{path}")));
                    }
                }
                Ok(Err(failure)) => {
                    let refused = (failure.kind == FailureKind::Unauthorized).then_some(false);
                    list.push(check("sts", refused, failure.detail));
                }
                Err(_) => list.push(check("sts", None, NO_ANSWER)),
            }
        }
    }
    let times = facts.times();
    if let Some(expiry) = times.expires_at {
        list.push(compared("expiry", expiry > now, format!("after {now}"), expiry.to_string()));
    }
    // STS refuses a signature of a time to come.
    if let Some(signed) = times.issued_at.filter(|signed| signed.duration_since(now).as_secs() > SIGNATURE_LEEWAY) {
        let expected = format!("before {now}, {SIGNATURE_LEEWAY} s of leeway");
        list.push(compared("not-before", false, expected, signed.to_string()));
    }
    Ok(Checked { verification: Some(verified(list)), signature: None, unreadable: None })
}

/// Largest key set that is read from a file, in bytes, as of one that an issuer serves.
const KEY_SET_LIMIT: u64 = 4 * 1024 * 1024;

/// Most values of it, likewise: two thousand keys have as many.
const KEY_SET_VALUES: usize = 20_000;

/// Reads the key set of a file.
///
/// # Errors
/// When it cannot be read, or is too large.
fn key_set(place: &str) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    std::fs::File::open(place)
        .and_then(|file| file.take(KEY_SET_LIMIT + 1).read_to_end(&mut body))
        .map_err(|error| Error::plain(format!("--jwks {place}: {error}")))?;
    if body.len() as u64 > KEY_SET_LIMIT || !json::values(&body, KEY_SET_VALUES) {
        return Err(Error::new(
            format!(
                "--jwks {place}: it has more than {} MiB or {KEY_SET_VALUES} values: that is no key set",
                KEY_SET_LIMIT >> 20
            ),
            "give what the issuer's jwks_uri serves",
        ));
    }
    Ok(body)
}

/// What the issuer's keys say, by the checks that led to them.
#[derive(Default)]
struct KeySet {
    checks: Vec<Check>,
    signature: Option<SignatureCheck>,
    /// It cannot be read; the text after `fetching keys `.
    unreadable: Option<String>,
}

/// By the key set in a file.
///
/// # Errors
/// When it cannot be read, or is something else.
fn by_file(place: &str, secret: &Secret, scrubber: &Scrubber) -> Result<KeySet, Error> {
    let body = key_set(place)?;
    let foreign = || {
        Error::new(
            format!("--jwks {place}: no key set (JSON with a list \"keys\")"),
            "give what the issuer's jwks_uri serves, as curl prints it",
        )
    };
    // A set with one bad key is judged as if it were served; a file of another kind was not meant.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(foreign());
    }
    match signature::parse_key_set(&body) {
        Ok((_, document)) if document.get("keys").is_none() => Err(foreign()),
        Ok((keys, document)) => Ok(KeySet {
            checks: vec![check("jwks", Some(true), format!("{} keys in {place}", keys.len()))],
            signature: Some(signature::check(secret.expose(), &document)),
            unreadable: None,
        }),
        Err(error) => {
            // As if the issuer had served it as application/json.
            let body = String::from_utf8_lossy(&body);
            let unreadable = format!(
                "oidc: failed to decode keys: got Content-Type = application/json, but could not unmarshal as JSON: \
                 {error} {body}"
            );
            Ok(KeySet {
                checks: vec![compared("jwks", false, "a key set", scrubber.text_limited(&error, 300))],
                signature: None,
                unreadable: Some(scrubber.text_limited(&unreadable, 4096)),
            })
        }
    }
}

/// By the key set at a URL: the one that was given, else the one that the issuer's discovery document names.
///
/// # Errors
/// When nothing can be asked: no runtime, or no file of `--oidc-ca-file`.
fn by_url(
    host: &Host,
    arguments: &DecodeArgs,
    claimed: &str,
    given: Option<&str>,
    secret: &Secret,
    scrubber: &Scrubber,
) -> Result<KeySet, Error> {
    let runtime = runtime()?;
    let tls = tls_settings(arguments)?;
    let mut found = KeySet::default();
    runtime.block_on(async {
        let begun = Instant::now();
        let left = || arguments.limit().saturating_sub(begun.elapsed());
        let mut uri = given.map(str::to_owned);
        if uri.is_none() {
            let url = discovery_url(claimed);
            match in_time(left(), issuer::discovery(&url, issuer::OWN_AGENT, &tls, host, scrubber)).await {
                Ok(discovery) => {
                    found.checks.extend(discovered(&discovery, claimed));
                    uri = discovery.jwks_uri;
                }
                Err(why) => found.checks.push(check("discovery", None, why)),
            }
        }
        let Some(uri) = uri else { return };
        match in_time(left(), issuer::jwks(claimed, &uri, issuer::OWN_AGENT, &tls, host, scrubber)).await {
            Ok(jwks) => {
                let good = jwks.answer.status == 200 && jwks.unparsable.is_none();
                let read = || format!("{} with {} keys", jwks.answer.status, jwks.keys.len());
                found.checks.push(compared("jwks", good, "a key set", jwks.unparsable.clone().unwrap_or_else(read)));
                found.signature = jwks.document.as_ref().map(|document| signature::check(secret.expose(), document));
            }
            Err(why) => found.checks.push(check("jwks", None, why)),
        }
    });
    runtime.shutdown_background();
    Ok(found)
}

/// What was asked, or why there is no answer.
async fn in_time<T>(limit: Duration, asked: impl Future<Output = Result<T, Failure>>) -> Result<T, String> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer.map_err(|failure| failure.detail),
        Err(_) => Err(NO_ANSWER.to_owned()),
    }
}

/// The discovery document is there, and is that of the token's issuer.
fn discovered(discovery: &Discovery, claimed: &str) -> Vec<Check> {
    let answer = &discovery.answer;
    let good = answer.status == 200 && discovery.unparsable.is_none();
    let mut list = vec![compared("discovery", good, "200", format!("{} {}", answer.status, answer.reason))];
    if let Some(document) = &discovery.issuer {
        list.push(compared("issuer", document == claimed, document.as_str(), claimed));
    }
    list
}

/// The signature by the issuer's keys.
fn signed(signature: &SignatureCheck) -> Check {
    let seen = if signature.verified {
        format!("verified with kid {:?}", signature.kid)
    } else if signature.kid_known {
        "the key of that kid does not verify it".to_owned()
    } else {
        format!("no key with kid {:?}", signature.kid)
    };
    check("signature", Some(signature.verified), seen)
}

/// A JWT's times, with the leeway of who judges them.
fn times(facts: &TokenFacts, now: Timestamp) -> Vec<Check> {
    let times = facts.times();
    let mut list = Vec::new();
    match times.expires_at {
        Some(expiry) => list.push(compared("expiry", expiry > now, format!("after {now}"), expiry.to_string())),
        None => list.extend(untold_expiry(facts, now)),
    }
    if let Some(start) = times.not_before {
        let good = start.duration_since(now).as_secs() <= NOT_BEFORE_LEEWAY;
        let expected = format!("before {now}, {NOT_BEFORE_LEEWAY} s of leeway");
        list.push(compared("not-before", good, expected, start.to_string()));
    }
    list
}

/// What the API server makes of an `exp` that is not there, is no time, or is one that cannot be shown.
fn untold_expiry(facts: &TokenFacts, now: Timestamp) -> Option<Check> {
    let claims = facts.claims.as_ref()?.as_object()?;
    let expiry = |ok: bool, seen: String| compared("expiry", ok, format!("after {now}"), seen);
    let no_time = |value: &Value| expiry(false, format!("exp is {value}, which is no time"));
    match facts.kind {
        TokenKind::Jwt => Some(match field(claims, "exp").last() {
            None => expiry(false, "the token has no exp, which the API server reads as the year 1".to_owned()),
            Some(value) => match jwt::json_time(value, "exp") {
                Ok(seconds) => expiry(!jwt::is_past(seconds, now), unix_time(seconds)),
                Err(_) => no_time(value),
            },
        }),
        // A service account's token may have no end; of another type than a number it may not be.
        TokenKind::ServiceAccount => {
            claims.get("exp").filter(|value| !value.is_number() && !value.is_null()).map(no_time)
        }
        _ => None,
    }
}

/// Makes the checks that were asked for; `cluster` is the one that an IAM token is for.
///
/// # Errors
/// When a named key set cannot be read.
pub(super) fn checks(
    host: &Host,
    arguments: &DecodeArgs,
    cluster: Option<&str>,
    secret: &Secret,
    facts: &TokenFacts,
    now: Timestamp,
    scrubber: &Scrubber,
) -> Result<Checked, Error> {
    if facts.kind == TokenKind::EksIam && arguments.verifies() {
        return of_sts(host, arguments.limit(), cluster, secret, facts, now, scrubber);
    }
    let claimed = facts.claims.as_ref().and_then(|claims| claims.get("iss")?.as_str()).unwrap_or_default();
    // A key set for this issuer, or one for whatever issuer.
    let local = arguments.jwks.iter().find_map(|entry| match entry.split_once('=') {
        Some((issuer, place)) if issuer.contains("://") => (issuer == claimed).then_some(place),
        _ => Some(entry.as_str()),
    });
    let found = match local {
        Some(place) if !place.starts_with("http") => by_file(place, secret, scrubber)?,
        None if !arguments.verify => KeySet::default(),
        given => by_url(host, arguments, claimed, given, secret, scrubber)?,
    };
    let KeySet { checks: mut list, signature, unreadable } = found;
    list.extend(signature.as_ref().map(signed));
    if !arguments.verifies() {
        return Ok(Checked { verification: None, signature, unreadable });
    }
    list.extend(times(facts, now));
    if signature.is_none() && list.iter().all(|check| check.ok == Some(true)) {
        let seen = if arguments.verify {
            "there was no key set to check with".to_owned()
        } else {
            format!("--jwks gives no key set of the issuer {claimed:?}")
        };
        list.push(check("signature", None, seen));
    }
    Ok(Checked { verification: Some(verified(list)), signature, unreadable })
}
