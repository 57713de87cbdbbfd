//! `kaccess decode`: what a credential says, what Kubernetes makes of it, and whether it would be accepted.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use serde_json::Value;

use super::flags::{ConnectionArgs, Format, OutputArgs};
use super::{BAD, Error, GOOD, NONE, answer, note};
use crate::apiserver::authn::{
    Judgement, Keys, certificate as certificate_model, default_assumption, default_view, judge_token, jwt,
};
use crate::apiserver::configuration::{Configuration, from_flags, parse_flags_text};
use crate::collect::credential::{self as obtaining, ExecOptions};
use crate::collect::tls::TlsSettings;
use crate::collect::{issuer, kubeconfig};
use crate::credential::{certificate, signature, token};
use crate::evidence::apiserver::Flags;
use crate::evidence::credential::{TokenFacts, TokenKind};
use crate::evidence::identity::User;
use crate::evidence::issuer::SignatureCheck;
use crate::evidence::tls::CertificateFacts;
use crate::host::Host;
use crate::render::decode::{Form, write};
use crate::report::credential::{
    Check, ConfigurationView, CredentialReport, CredentialType, JudgementView, Times, Verification, View,
};
use crate::report::view::{CitationView, FindingView, StepView};
use crate::report::{Confidence, Grade, Severity};
use crate::secret::{Scrubber, Secret};

/// Flags of `decode`.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  kaccess decode                       the current context's credential\n  kaccess decode @token.txt            a token in a file (or -, stdin)\n  \
    kaccess decode @token.txt --verify   with the issuer's keys, issuer and times\n  kaccess decode @token.txt --against /etc/kubernetes/manifests/kube-apiserver.yaml --jwks keys.json\n\n\
    Exit codes: 0 decoded and, if asked, accepted; 1 it would be rejected; 2 no credential, or undecided."
)]
pub struct DecodeArgs {
    /// A token, certificate, ExecCredential, Secret or kubeconfig (@FILE and - are read); without it the current context's credential
    #[arg(value_name = "CREDENTIAL|@FILE|-")]
    credential: Option<String>,
    /// Check the signature, issuer and times against the issuer's discovery document and key set
    #[arg(long)]
    verify: bool,
    /// Key set to check the signature with, instead of the issuer's own
    #[arg(long, value_name = "[ISSUER=]FILE|URL")]
    jwks: Vec<String>,
    /// Judge as kube-apiserver with this configuration: static-Pod manifest, flags line or AuthenticationConfiguration
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// As kube-apiserver's flag
    #[arg(long, value_name = "URL")]
    oidc_issuer_url: Option<String>,
    /// As kube-apiserver's flag
    #[arg(long, value_name = "ID")]
    oidc_client_id: Option<String>,
    /// As kube-apiserver's flag
    #[arg(long, value_name = "CLAIM")]
    oidc_username_claim: Option<String>,
    /// As kube-apiserver's flag
    #[arg(long, value_name = "PREFIX")]
    oidc_username_prefix: Option<String>,
    /// As kube-apiserver's flag
    #[arg(long, value_name = "CLAIM")]
    oidc_groups_claim: Option<String>,
    /// As kube-apiserver's flag
    #[arg(long, value_name = "PREFIX")]
    oidc_groups_prefix: Option<String>,
    /// As kube-apiserver's flag (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    oidc_required_claim: Vec<String>,
    /// As kube-apiserver's flag
    #[arg(long, value_name = "ALGS", value_delimiter = ',')]
    oidc_signing_algs: Vec<String>,
    /// As kube-apiserver's flag (repeatable)
    #[arg(long, value_name = "URL")]
    service_account_issuer: Vec<String>,
    /// As kube-apiserver's flag
    #[arg(long, value_name = "AUDIENCES", value_delimiter = ',')]
    api_audiences: Vec<String>,
    /// The release whose rules judge, such as 1.35
    #[arg(long, value_name = "VERSION")]
    server_version: Option<String>,
    /// The time judged at, RFC 3339
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Never run the credential plugin
    #[arg(long)]
    no_exec: bool,
}

/// A credential that was found in the input.
enum Found {
    Token(Secret, String),
    Certificates(Vec<CertificateFacts>, String),
}

/// Runs the command.
///
/// # Errors
/// When there is no credential, or a file or flag cannot be used.
pub fn run(host: &Host, connection: &ConnectionArgs, output: &OutputArgs, arguments: &DecodeArgs) -> Result<u8, Error> {
    let scrubber = Scrubber::default();
    let found = find(host, connection, arguments, &scrubber)?;
    let now = arguments.at.unwrap_or(host.started_at);
    let configuration = configuration(arguments)?;
    let (report, code) = match found {
        Found::Certificates(chain, origin) => certificate_report(&chain, origin, now),
        Found::Token(secret, origin) => {
            scrubber.learn_secret(&secret);
            let facts = token::parse(secret.expose());
            let checked = checks(host, arguments, &secret, &facts, now, &scrubber)?;
            token_report(&facts, origin, now, arguments, configuration, checked)
        }
    };
    if host.stderr_is_terminal
        && arguments.credential.as_deref().is_some_and(|text| text != "-" && !text.starts_with('@'))
    {
        note("hint: a token on the command line stays in the shell's history; @FILE and - do not");
    }
    let form = match output.format() {
        Format::Table => Form::Table,
        Format::Json => Form::Json,
        Format::Yaml => Form::Yaml,
        Format::Markdown => Form::Markdown,
    };
    let mut text = Vec::new();
    write(&report, form, now, host.width, &mut text)?;
    if !output.quiet {
        answer(&text)?;
    }
    Ok(code)
}

fn find(host: &Host, connection: &ConnectionArgs, arguments: &DecodeArgs, scrubber: &Scrubber) -> Result<Found, Error> {
    const LIMIT: u64 = 4 * 1024 * 1024;
    let Some(given) = arguments.credential.as_deref() else { return current(host, connection, arguments, scrubber) };
    let mut bytes = Vec::new();
    let origin = if given == "-" {
        std::io::stdin().take(LIMIT).read_to_end(&mut bytes)?;
        "stdin".to_owned()
    } else if let Some(path) = given.strip_prefix('@') {
        let file = std::fs::File::open(path).map_err(|error| Error::plain(format!("{path}: {error}")))?;
        file.take(LIMIT).read_to_end(&mut bytes).map_err(|error| Error::plain(format!("{path}: {error}")))?;
        path.to_owned()
    } else {
        bytes.extend_from_slice(given.as_bytes());
        "the argument".to_owned()
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if text.trim().is_empty() {
        return Err(Error::new(format!("{origin} is empty"), "give a token, a certificate, or a file that holds one"));
    }
    classify(&text, origin)
}

/// Takes the credential out of what may be around it.
fn classify(text: &str, origin: String) -> Result<Found, Error> {
    if text.contains("-----BEGIN CERTIFICATE-----") && !text.trim_start().starts_with('{') && !text.contains("kind:") {
        let (chain, errors) = certificate::facts_from_pem(text);
        if chain.is_empty() {
            let why = errors.first().cloned().unwrap_or_else(|| "no certificate".to_owned());
            return Err(Error::new(
                format!("{origin} holds no readable certificate: {why}"),
                "give PEM with a CERTIFICATE block",
            ));
        }
        return Ok(Found::Certificates(chain, origin));
    }
    let structured = text.contains("apiVersion") && (text.trim_start().starts_with('{') || text.contains("kind:"));
    let Some(document) = structured.then(|| serde_norway::from_str::<Value>(text).ok()).flatten() else {
        return Ok(Found::Token(Secret::new(text.trim_end_matches(['\n', '\r'])), origin));
    };
    let text_at = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let decoded = |data: &str| {
        base64::engine::general_purpose::STANDARD
            .decode(data.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let nothing = || {
        Error::new(
            format!("{origin} holds no credential"),
            "a Secret needs data.token, an ExecCredential status.token, a kubeconfig a user with token or certificate",
        )
    };
    match document.get("kind").and_then(Value::as_str) {
        Some("ExecCredential") => match (text_at("/status/token"), text_at("/status/clientCertificateData")) {
            (Some(token), _) => Ok(Found::Token(Secret::new(token), format!("ExecCredential in {origin}"))),
            (None, Some(pem)) => classify(&pem, format!("ExecCredential in {origin}")),
            _ => Err(nothing()),
        },
        Some("Secret") => {
            let name = format!(
                "Secret {}/{} in {origin}",
                text_at("/metadata/namespace").unwrap_or_default(),
                text_at("/metadata/name").unwrap_or_default()
            );
            match text_at("/data/token").and_then(|data| decoded(&data)).or_else(|| text_at("/stringData/token")) {
                Some(token) => Ok(Found::Token(Secret::new(token), name)),
                None => Err(nothing()),
            }
        }
        Some("Config") => {
            let users = document.get("users").and_then(Value::as_array).cloned().unwrap_or_default();
            for user in users {
                let name =
                    format!("user {:?} in {origin}", user.get("name").and_then(Value::as_str).unwrap_or_default());
                let field = |field: &str| user.pointer(&format!("/user/{field}")).and_then(Value::as_str);
                if let Some(token) = field("token") {
                    return Ok(Found::Token(Secret::new(token), name));
                }
                if let Some(pem) = field("client-certificate-data").and_then(decoded) {
                    return classify(&pem, name);
                }
            }
            Err(nothing())
        }
        _ => Err(nothing()),
    }
}

/// The credential of the current context, as doctor would obtain it.
fn current(
    host: &Host,
    connection: &ConnectionArgs,
    arguments: &DecodeArgs,
    scrubber: &Scrubber,
) -> Result<Found, Error> {
    let flags = connection.to_flags(scrubber).map_err(Error::plain)?;
    let (_, resolved) = kubeconfig::load(host, &flags, scrubber);
    let hint = "name a credential (kaccess decode @FILE), or see kaccess doctor";
    let resolved = resolved.map_err(|failure| Error::new(failure.detail, hint))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::plain(format!("no runtime: {error}")))?;
    let obtained = runtime.block_on(async {
        let options = ExecOptions {
            allowed: !arguments.no_exec,
            timeout: Duration::from_secs(60),
            show_stderr: super::doctor::stderr_sink(host),
            interactive: host.stdin_is_terminal,
        };
        let output = match &resolved.user.exec {
            Some(exec) => {
                let (run, output) = obtaining::run_plugin(exec, &resolved, host, &options, scrubber).await;
                let run = run.map_err(|failure| failure.detail)?;
                if output.is_none() {
                    return Err(run
                        .output_error
                        .unwrap_or_else(|| "the credential plugin gave no credential".to_owned()));
                }
                output
            }
            None => None,
        };
        obtaining::obtain(&resolved, output.as_ref(), scrubber).await.map_err(|failure| failure.detail)
    });
    let (obtained, evidence) = obtained.map_err(|text| Error::new(text, hint))?;
    if let Some(token) = obtained.token {
        return Ok(Found::Token(token, evidence.origin));
    }
    match obtained.client_identity {
        Some(identity) => classify(&identity.chain_pem, evidence.origin),
        None => Err(Error::new(format!("{} holds neither token nor certificate", evidence.origin), hint)),
    }
}

/// The configuration to judge against, if one was named: the file's flags, and over them the command line's.
fn configuration(arguments: &DecodeArgs) -> Result<Option<Result<Configuration, Vec<String>>>, Error> {
    let mut flags = match &arguments.against {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| Error::plain(format!("--against {}: {error}", path.display())))?;
            parse_flags_text(&text, &path.display().to_string())
                .map_err(|error| Error::plain(format!("--against {}: {error}", path.display())))?
        }
        None => Flags { source: "the command line".to_owned(), complete: true, ..Flags::default() },
    };
    let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
    let given: BTreeMap<&str, Vec<String>> = BTreeMap::from([
        ("oidc-issuer-url", one(&arguments.oidc_issuer_url)),
        ("oidc-client-id", one(&arguments.oidc_client_id)),
        ("oidc-username-claim", one(&arguments.oidc_username_claim)),
        ("oidc-username-prefix", one(&arguments.oidc_username_prefix)),
        ("oidc-groups-claim", one(&arguments.oidc_groups_claim)),
        ("oidc-groups-prefix", one(&arguments.oidc_groups_prefix)),
        ("oidc-required-claim", arguments.oidc_required_claim.clone()),
        ("oidc-signing-algs", arguments.oidc_signing_algs.clone()),
        ("service-account-issuer", arguments.service_account_issuer.clone()),
        ("api-audiences", arguments.api_audiences.clone()),
    ]);
    for (name, values) in given {
        if !values.is_empty() {
            flags.flags.insert(name.to_owned(), values);
        }
    }
    if arguments.against.is_none() {
        if flags.flags.is_empty() {
            return Ok(None);
        }
        // Every API server has one; which one matters only to service account tokens.
        flags
            .flags
            .entry("service-account-issuer".to_owned())
            .or_insert_with(|| vec!["https://kubernetes.default.svc".to_owned()]);
    }
    let version = arguments
        .server_version
        .as_deref()
        .map(|text| {
            let (major, minor) = text.trim_start_matches('v').split_once('.')?;
            Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
        })
        .map(|version| version.ok_or_else(|| Error::plain("--server-version is no release; write it as 1.36")))
        .transpose()?;
    Ok(Some(from_flags(&flags).map(|mut configuration| {
        configuration.version = version.or(configuration.version);
        configuration
    })))
}

/// What checking the token against its issuer's keys found.
struct Checked {
    verification: Option<Verification>,
    signature: Option<SignatureCheck>,
}

fn checks(
    host: &Host,
    arguments: &DecodeArgs,
    secret: &Secret,
    facts: &TokenFacts,
    now: Timestamp,
    scrubber: &Scrubber,
) -> Result<Checked, Error> {
    let claims = facts.claims.as_ref();
    let claimed = claims.and_then(|claims| claims.get("iss")?.as_str()).unwrap_or_default().to_owned();
    let mut list: Vec<Check> = Vec::new();
    let mut signed = None;
    // A key set for this issuer, or one for whatever issuer.
    let local = arguments.jwks.iter().find_map(|entry| match entry.split_once('=') {
        Some((issuer, place)) if issuer.contains("://") => (issuer == claimed).then_some(place),
        _ => Some(entry.as_str()),
    });
    if let Some(place) = local.filter(|place| !place.starts_with("http")) {
        let body = std::fs::read(place).map_err(|error| Error::plain(format!("--jwks {place}: {error}")))?;
        match signature::parse_key_set(&body) {
            Ok((keys, document)) => {
                list.push(Check {
                    id: "jwks",
                    ok: Some(true),
                    expected: None,
                    seen: Some(format!("{} keys in {place}", keys.len())),
                });
                signed = Some(signature::check(secret.expose(), &document));
            }
            Err(error) => list.push(Check {
                id: "jwks",
                ok: Some(false),
                expected: Some("a key set".to_owned()),
                seen: Some(scrubber.text_limited(&error, 300)),
            }),
        }
    } else if arguments.verify || local.is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::plain(format!("no runtime: {error}")))?;
        let tls = TlsSettings::system();
        runtime.block_on(async {
            let limit = Duration::from_secs(15);
            let mut uri = local.map(str::to_owned);
            if uri.is_none() {
                let discovery =
                    tokio::time::timeout(limit, issuer::discovery(&claimed, issuer::OWN_AGENT, &tls, host, scrubber))
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
                match tokio::time::timeout(limit, issuer::jwks(&claimed, &uri, issuer::OWN_AGENT, &tls, host, scrubber))
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
    if !arguments.verify {
        return Ok(Checked { verification: None, signature: signed });
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
            seen: Some("there was no key set to check with".to_owned()),
        });
    }
    let ok = if list.iter().any(|check| check.ok == Some(false)) {
        Some(false)
    } else if list.iter().all(|check| check.ok == Some(true)) && signed.is_some() {
        Some(true)
    } else {
        None
    };
    Ok(Checked { verification: Some(Verification { ok, checks: list }), signature: signed })
}

fn view(user: User, assumption: Option<&str>) -> View {
    View {
        username: user.username,
        uid: user.uid,
        groups: user.groups,
        extra: user.extra,
        assumption: assumption.map(str::to_owned),
    }
}

fn token_report(
    facts: &TokenFacts,
    origin: String,
    now: Timestamp,
    arguments: &DecodeArgs,
    configuration: Option<Result<Configuration, Vec<String>>>,
    checked: Checked,
) -> (CredentialReport, u8) {
    let times = token::times(facts);
    let issuer = facts.claims.as_ref().and_then(|claims| claims.get("iss")?.as_str());
    let authenticator = configuration
        .as_ref()
        .and_then(|configuration| configuration.as_ref().ok())
        .and_then(|configuration| configuration.jwt.iter().find(|jwt| Some(jwt.issuer.url.as_str()) == issuer));
    let seen_as = match authenticator {
        Some(authenticator) => jwt::view(facts, authenticator).map(|user| view(user, None)),
        None => default_view(facts).map(|user| view(user, default_assumption(facts))),
    };
    let keys = checked.signature.as_ref().map_or(Keys::Unknown, Keys::from);
    let judgement = configuration
        .as_ref()
        .and_then(|configuration| configuration.as_ref().ok())
        .map(|configuration| judge_token(facts, configuration, &keys, now));
    let credential_type = match facts.kind {
        TokenKind::Jwt => CredentialType::Jwt,
        TokenKind::ServiceAccount => CredentialType::ServiceAccount,
        TokenKind::EksIam => CredentialType::EksIam,
        TokenKind::Bootstrap => CredentialType::Bootstrap,
        TokenKind::Jwe => CredentialType::Jwe,
        TokenKind::Opaque => CredentialType::Opaque,
    };
    let damaged = facts.claims.is_none() && matches!(facts.kind, TokenKind::Jwt | TokenKind::ServiceAccount);
    let invalid = configuration.as_ref().is_some_and(Result::is_err);
    let code = match (&judgement, checked.verification.as_ref().map(|verification| verification.ok)) {
        (Some(Judgement::Rejected { .. }), _) | (_, Some(Some(false))) => BAD,
        _ if invalid => BAD,
        (Some(Judgement::Undecided { .. }), _) | (_, Some(None)) => NONE,
        _ if damaged || facts.kind == TokenKind::Opaque && !facts.problems.is_empty() => NONE,
        _ => GOOD,
    };
    let report = CredentialReport {
        api_version: "kaccess.dev/v1",
        kind: "CredentialReport",
        credential_type,
        origin,
        header: facts.header.clone(),
        claims: facts.claims.clone(),
        times: Times {
            issued_at: times.issued_at,
            not_before: times.not_before,
            expires_at: times.expires_at,
            expired: times.expires_at.map(|expiry| expiry <= now),
        },
        view: seen_as,
        verification: checked.verification,
        judgement: judgement.map(|judgement| match judgement {
            Judgement::Authenticated(user) => JudgementView::Accepted { authenticated: true, user: view(user, None) },
            Judgement::Rejected { error } => JudgementView::Refused { authenticated: false, error, http_status: 401 },
            Judgement::Undecided { reasons } => JudgementView::Undecided { authenticated: (), undecided: reasons },
        }),
        configuration: configuration.as_ref().map(|configuration| ConfigurationView {
            valid: configuration.is_ok(),
            errors: configuration.as_ref().err().cloned().unwrap_or_default(),
        }),
        problems: facts.problems.clone(),
        findings: findings(facts, now, arguments),
    };
    (report, code)
}

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

/// What a token says against itself, before any server is asked.
fn findings(facts: &TokenFacts, now: Timestamp, arguments: &DecodeArgs) -> Vec<FindingView> {
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
    let uses_email = arguments.oidc_username_claim.as_deref().is_none_or(|claim| claim == "email");
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

fn certificate_report(chain: &[CertificateFacts], origin: String, now: Timestamp) -> (CredentialReport, u8) {
    let leaf = &chain[0];
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
    let claims = serde_json::to_value(leaf).ok();
    let report = CredentialReport {
        api_version: "kaccess.dev/v1",
        kind: "CredentialReport",
        credential_type: CredentialType::X509,
        origin,
        header: None,
        claims,
        times: Times {
            issued_at: None,
            not_before: leaf.not_before,
            expires_at: leaf.not_after,
            expired: leaf.not_after.map(|end| end <= now),
        },
        view: certificate_model::view(leaf).map(|user| view(user, None)),
        verification: None,
        judgement: None,
        configuration: None,
        problems: Vec::new(),
        findings: list,
    };
    (report, GOOD)
}
