//! The checks that can be made here: the issuer's discovery document and keys, the signature, the times.

use std::io::Read as _;
use std::time::Duration;

use jiff::Timestamp;

use super::DecodeArgs;
use crate::apiserver::authn::Keys;
use crate::aws::identity;
use crate::cli::Error;
use crate::collect::Roots;
use crate::collect::aws::sts;
use crate::collect::issuer;
use crate::collect::tls::TlsSettings;
use crate::credential::{json, signature, token};
use crate::evidence::FailureKind;
use crate::evidence::credential::{TokenFacts, TokenKind};
use crate::evidence::issuer::{SignatureCheck, discovery_url};
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
    let check = |id, ok, seen: String| Check { id, ok, expected: None, seen: Some(seen) };
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
        None => {
            list.push(check("sts", None, "the cluster's name is part of what is signed: give --eks-cluster".to_owned()))
        }
        Some(cluster) => {
            let runtime = crate::cli::connect::runtime()?;
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
                Err(_) => list.push(check("sts", None, "no answer in time".to_owned())),
            }
        }
    }
    if let Some(expiry) = token::times(facts).expires_at {
        list.push(Check {
            expected: Some(format!("after {now}")),
            ..check("expiry", Some(expiry > now), expiry.to_string())
        });
    }
    // STS refuses a signature of a time to come, but for five minutes.
    if let Some(signed) = token::times(facts).issued_at.filter(|signed| signed.duration_since(now).as_secs() > 300) {
        list.push(Check {
            expected: Some(format!("before {now}, 300 s of leeway")),
            ..check("not-before", Some(false), signed.to_string())
        });
    }
    let ok = match list.iter().map(|check| check.ok).min() {
        _ if list.iter().any(|check| check.ok == Some(false)) => Some(false),
        Some(Some(true)) => Some(true),
        _ => None,
    };
    Ok(Checked { verification: Some(Verification { ok, checks: list }), signature: None, unreadable: None })
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
    let claims = facts.claims.as_ref();
    let claimed = claims.and_then(|claims| claims.get("iss")?.as_str()).unwrap_or_default().to_owned();
    let mut list: Vec<Check> = Vec::new();
    let mut signed = None;
    let mut unreadable = None;
    // A key set for this issuer, or one for whatever issuer.
    let local = arguments.jwks.iter().find_map(|entry| match entry.split_once('=') {
        Some((issuer, place)) if issuer.contains("://") => (issuer == claimed).then_some(place),
        _ => Some(entry.as_str()),
    });
    if let Some(place) = local.filter(|place| !place.starts_with("http")) {
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
            Ok((_, document)) if document.get("keys").is_none() => return Err(foreign()),
            Ok((keys, document)) => {
                list.push(Check {
                    id: "jwks",
                    ok: Some(true),
                    expected: None,
                    seen: Some(format!("{} keys in {place}", keys.len())),
                });
                signed = Some(signature::check(secret.expose(), &document));
            }
            Err(error) => {
                // As if the issuer had served it as application/json.
                let body = String::from_utf8_lossy(&body);
                unreadable = Some(scrubber.text_limited(
                    &format!(
                        "oidc: failed to decode keys: got Content-Type = application/json, but could not unmarshal as \
                         JSON: {error} {body}"
                    ),
                    4096,
                ));
                list.push(Check {
                    id: "jwks",
                    ok: Some(false),
                    expected: Some("a key set".to_owned()),
                    seen: Some(scrubber.text_limited(&error, 300)),
                });
            }
        }
    } else if arguments.verify || local.is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::plain(format!("no runtime: {error}")))?;
        let tls = tls_settings(arguments)?;
        runtime.block_on(async {
            let begun = std::time::Instant::now();
            let left = || arguments.limit().saturating_sub(begun.elapsed());
            let mut uri = local.map(str::to_owned);
            if uri.is_none() {
                let url = discovery_url(&claimed);
                let discovery =
                    tokio::time::timeout(left(), issuer::discovery(&url, issuer::OWN_AGENT, &tls, host, scrubber))
                        .await;
                match discovery {
                    Ok(Ok(discovery)) => {
                        let good = discovery.answer.status == 200 && discovery.unparsable.is_none();
                        list.push(Check {
                            id: "discovery",
                            ok: Some(good),
                            expected: Some("200".to_owned()),
                            seen: Some(format!("{} {}", discovery.answer.status, discovery.answer.reason)),
                        });
                        if let Some(document) = &discovery.issuer {
                            list.push(Check {
                                id: "issuer",
                                ok: Some(*document == claimed),
                                expected: Some(document.clone()),
                                seen: Some(claimed.clone()),
                            });
                        }
                        uri = discovery.jwks_uri;
                    }
                    Ok(Err(failure)) => {
                        list.push(Check { id: "discovery", ok: None, expected: None, seen: Some(failure.detail) })
                    }
                    Err(_) => list.push(Check {
                        id: "discovery",
                        ok: None,
                        expected: None,
                        seen: Some("no answer in time".to_owned()),
                    }),
                }
            }
            if let Some(uri) = uri {
                match tokio::time::timeout(
                    left(),
                    issuer::jwks(&claimed, &uri, issuer::OWN_AGENT, &tls, host, scrubber),
                )
                .await
                {
                    Ok(Ok(jwks)) => {
                        let good = jwks.answer.status == 200 && jwks.unparsable.is_none();
                        list.push(Check {
                            id: "jwks",
                            ok: Some(good),
                            expected: Some("a key set".to_owned()),
                            seen: Some(
                                jwks.unparsable
                                    .clone()
                                    .unwrap_or_else(|| format!("{} with {} keys", jwks.answer.status, jwks.keys.len())),
                            ),
                        });
                        signed = jwks.document.as_ref().map(|document| signature::check(secret.expose(), document));
                    }
                    Ok(Err(failure)) => {
                        list.push(Check { id: "jwks", ok: None, expected: None, seen: Some(failure.detail) })
                    }
                    Err(_) => list.push(Check {
                        id: "jwks",
                        ok: None,
                        expected: None,
                        seen: Some("no answer in time".to_owned()),
                    }),
                }
            }
        });
        runtime.shutdown_background();
    }
    if let Some(check) = &signed {
        let seen = if check.verified {
            format!("verified with kid {:?}", check.kid)
        } else if check.kid_known {
            "the key of that kid does not verify it".to_owned()
        } else {
            format!("no key with kid {:?}", check.kid)
        };
        list.push(Check { id: "signature", ok: Some(check.verified), expected: None, seen: Some(seen) });
    }
    if !arguments.verifies() {
        return Ok(Checked { verification: None, signature: signed, unreadable });
    }
    let times = token::times(facts);
    if let Some(expiry) = times.expires_at {
        list.push(Check {
            id: "expiry",
            ok: Some(expiry > now),
            expected: Some(format!("after {now}")),
            seen: Some(expiry.to_string()),
        });
    }
    if let Some(start) = times.not_before {
        list.push(Check {
            id: "not-before",
            ok: Some(start.duration_since(now).as_secs() <= 60),
            expected: Some(format!("before {now}, 60 s of leeway")),
            seen: Some(start.to_string()),
        });
    }
    if signed.is_none() && !list.iter().any(|check| check.ok != Some(true)) {
        list.push(Check {
            id: "signature",
            ok: None,
            expected: None,
            seen: Some(if arguments.verify {
                "there was no key set to check with".to_owned()
            } else {
                format!("--jwks gives no key set of the issuer {claimed:?}")
            }),
        });
    }
    let ok = if list.iter().any(|check| check.ok == Some(false)) {
        Some(false)
    } else if list.iter().all(|check| check.ok == Some(true)) && signed.is_some() {
        Some(true)
    } else {
        None
    };
    Ok(Checked { verification: Some(Verification { ok, checks: list }), signature: signed, unreadable })
}
