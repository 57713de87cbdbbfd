//! `kaccess decode`: what a credential says, what Kubernetes makes of it, and whether it would be accepted.

mod against;
mod findings;
mod input;
mod places;
mod verify;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use self::against::{Against, Bearer, RawRequest, Refusal, Server, ServerFlags};
use self::input::Found;
use super::flags::{ConnectionArgs, ExecArgs, Format, OutputArgs, in_history};
use super::{BAD, Error, GOOD, NONE, answer, note};
use crate::apiserver::authn::{
    Judgement, Keys, certificate as certificate_model, default_assumption, default_view, jwt,
};
use crate::collect::aws::target;
use crate::collect::kubeconfig;
use crate::credential::chain::Certificate;
use crate::credential::{certificate, token};
use crate::evidence::credential::{TokenFacts, TokenKind, TokenProblem};
use crate::evidence::identity::User;
use crate::host::Host;
use crate::render::decode::{Form, write};
use crate::report::credential::{
    ConfigurationView, CredentialReport, CredentialType, JudgementView, Outcome, Times, Verification, View,
};
use crate::secret::{Scrubber, Secret};

/// Flags of `decode`.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  kaccess decode                       the current context's credential\n  kaccess decode @token.txt            a token in a file (or -, stdin)\n  \
    kaccess decode @token.txt --verify   with the issuer's keys, issuer and times\n  kaccess decode @token.txt --against /etc/kubernetes/manifests/kube-apiserver.yaml --jwks keys.json\n  kaccess decode @alice.crt --client-ca-file ca.crt     would this certificate be accepted, and as whom?\n  kaccess decode --request request.json --against flags.txt   several credentials in one request\n\n\
    Exit codes: 0 decoded and, if asked, accepted; 1 it would be rejected; 2 no credential, or undecided."
)]
pub struct DecodeArgs {
    /// A token, certificate, ExecCredential, Secret or kubeconfig (@FILE and - are read); without it the current context's credential
    #[arg(value_name = "CREDENTIAL|@FILE|-")]
    credential: Option<String>,
    /// Check the signature, issuer and times against the issuer's discovery document and key set
    #[arg(long)]
    verify: bool,
    /// Key set to check the signature with, not the issuer's own; alone it implies --verify
    #[arg(long, value_name = "[ISSUER=]FILE|URL")]
    jwks: Vec<String>,
    /// Judge as kube-apiserver with this configuration: static-Pod manifest, flags line or AuthenticationConfiguration
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// ServiceAccounts, Pods, Nodes and Secrets (YAML or JSON) that a token may name; what is not in it does not exist
    #[arg(long, value_name = "FILE")]
    objects: Option<PathBuf>,
    /// Judge a whole request (JSON: protocol, path, headers, clientCertificate) instead of one credential
    #[arg(long, value_name = "FILE", conflicts_with_all = ["credential", "verify"])]
    request: Option<PathBuf>,
    /// The release whose rules judge, such as 1.35
    #[arg(long, value_name = "VERSION")]
    server_version: Option<String>,
    /// The time judged at, RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    #[command(flatten)]
    exec: ExecArgs,
    /// Limit of the whole run, the plugin included (unless given 20s, the plugin not counted)
    #[arg(long, value_name = "DURATION", value_parser = super::flags::limit)]
    timeout: Option<Duration>,
    /// The EKS cluster that an IAM token is for: with --verify STS says whose the token is
    #[arg(long, value_name = "NAME")]
    eks_cluster: Option<String>,
    #[command(flatten)]
    server: ServerFlags,
}

impl DecodeArgs {
    /// Whether the token stands on the command line itself, and so in the shell's history.
    pub(super) fn token_in_history(&self) -> bool {
        self.credential.as_deref().is_some_and(in_history)
    }

    /// Limit of what is asked over the network.
    fn limit(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(20))
    }

    /// Limit of the credential plugin: its own, or the whole run's where one is given.
    fn plugin_limit(&self) -> Duration {
        self.timeout.map_or(self.exec.exec_timeout, |limit| limit.min(self.exec.exec_timeout))
    }

    /// Whether the token is to be verified: a key set that nobody judges with is there for that alone.
    fn verifies(&self) -> bool {
        let judged = self.request.is_some() || self.against.is_some() || !self.server.given().is_empty();
        self.verify || !self.jwks.is_empty() && !judged
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write it as 2026-11-25T10:00:00Z, or with an offset such as +01:00".to_owned())
}

/// Runs the command.
///
/// # Errors
/// When there is no credential, or a file or flag cannot be used.
pub fn run(host: &Host, connection: &ConnectionArgs, output: &OutputArgs, arguments: &DecodeArgs) -> Result<u8, Error> {
    let scrubber = Scrubber::default();
    let now = arguments.at.unwrap_or(host.started_at);
    let version = arguments.server_version.as_deref().map(release).transpose()?;
    let server = against::read(arguments.against.as_deref(), &arguments.server, arguments.objects.as_deref(), version)?;
    let (report, code) = match &arguments.request {
        Some(path) => {
            let request = RawRequest::read(path)?;
            let tokens = request.tokens();
            tokens.iter().flatten().for_each(|secret| scrubber.learn_secret(secret));
            let Some(server) = server else {
                return Err(Error::new(
                    "--request is judged as an API server",
                    "name its configuration with --against",
                ));
            };
            request_report(host, arguments, &request, tokens, server, now, &scrubber)?
        }
        None => match input::find(host, connection, arguments, &scrubber)? {
            Found::Certificates(pem, origin) => certificate_report(&pem, origin, now, server)?,
            Found::Token(secret, origin) => {
                scrubber.learn_secret(&secret);
                let facts = token::parse(secret.expose());
                if let Some(given) = arguments.credential.as_deref()
                    && facts.kind == TokenKind::Opaque
                    && given != "-"
                    && input::like_a_file(given)
                    && !Path::new(given).is_file()
                {
                    note("hint: this was taken for the token itself; @FILE reads a file");
                }
                let cluster = arguments.eks_cluster.clone().or_else(|| own_cluster(host, connection, arguments));
                let checked = verify::checks(host, arguments, cluster.as_deref(), &secret, &facts, now, &scrubber)?;
                let judgement = server.as_ref().and_then(|server| server.as_ref().ok()).map(|server| {
                    let keys = server.account_keys(&secret, &facts).unwrap_or_else(|| checked.keys());
                    server.judge_token(&Bearer { secret: &secret, facts: &facts, keys }, now)
                });
                let report = token_report(&facts, origin, now, arguments, server.as_ref(), checked.verification);
                finish(report, judgement)
            }
        },
    };
    let form = match output.format() {
        _ if output.short => Form::Short,
        Format::Json => Form::Json,
        Format::Yaml => Form::Yaml,
        Format::Markdown => Form::Markdown,
        _ => Form::Table,
    };
    let mut text = Vec::new();
    write(&report, form, now, host.width, &mut text)?;
    if !output.quiet {
        answer(&text)?;
    }
    Ok(code)
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

/// The minor release from which on the rules are as the model has them, but for what it knows to differ.
const OLDEST: u32 = 20;

/// The release that `--server-version` names.
fn release(text: &str) -> Result<(u32, u32), Error> {
    let parse = || {
        let (major, minor) = text.trim_start_matches('v').split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    };
    // Older ones have other rules than those that are known here; 1.2 is a slip for 1.2x.
    parse().filter(|(major, minor)| *major == 1 && *minor >= OLDEST).ok_or_else(|| {
        Error::new(
            format!("--server-version is no release whose rules are known (1.{OLDEST} and later)"),
            "write it as 1.36, or as kubectl version prints it",
        )
    })
}

/// Puts the judgement into the report, and finds the exit code.
fn finish(mut report: CredentialReport, judgement: Option<Judgement>) -> (CredentialReport, u8) {
    if let Some(Judgement::Authenticated(user)) = &judgement {
        report.findings.retain(|finding| !findings::refuted(finding, user));
    }
    report.judgement = judgement.map(|judgement| match judgement {
        Judgement::Authenticated(user) => JudgementView::Accepted { authenticated: true, user: view(user, None) },
        Judgement::Rejected { error } => JudgementView::Refused { authenticated: false, error, http_status: 401 },
        Judgement::Undecided { reasons } => JudgementView::Undecided { authenticated: (), undecided: reasons },
    });
    let code = match report.outcome() {
        None | Some(Outcome::Accepted(_)) => GOOD,
        Some(Outcome::Rejected(_)) => BAD,
        Some(Outcome::Undecided(_)) => NONE,
    };
    (report, code)
}

/// The EKS cluster that the current context's plugin makes tokens for, where the credential is the context's own.
fn own_cluster(host: &Host, connection: &ConnectionArgs, arguments: &DecodeArgs) -> Option<String> {
    if arguments.credential.is_some() || !arguments.verifies() {
        return None;
    }
    let scrubber = Scrubber::default();
    let (_, resolved) = kubeconfig::load(host, &connection.to_flags(&scrubber).ok()?, &scrubber);
    target::plugin_words(resolved.ok()?.user.exec.as_ref()?)?.cluster
}

fn configuration_view(server: &Result<Server, Refusal>) -> ConfigurationView {
    let Refusal { errors, places } = server.as_ref().err().cloned().unwrap_or_default();
    ConfigurationView { valid: server.is_ok(), errors, places }
}

fn token_report(
    facts: &TokenFacts,
    origin: String,
    now: Timestamp,
    arguments: &DecodeArgs,
    server: Option<&Result<Server, Refusal>>,
    verification: Option<Verification>,
) -> CredentialReport {
    let times = facts.times();
    let issuer = facts.claims.as_ref().and_then(|claims| claims.get("iss")?.as_str());
    let configuration = server.and_then(|server| server.as_ref().ok()).map(|server| &server.configuration);
    let jwt = configuration.map(|configuration| configuration.jwt.as_slice()).unwrap_or_default();
    let authenticator = configuration.zip(issuer).and_then(|(all, issuer)| all.authenticator_of(issuer));
    // A view by the defaults would not be that of the server that was given.
    let seen_as = match (authenticator, jwt) {
        (Some(authenticator), _) => jwt::view(facts, authenticator).map(|user| view(user, None)),
        (None, [only]) if facts.kind == TokenKind::Jwt => {
            let assumption = format!("as the given configuration maps it, if the issuer were {}", only.issuer.url);
            jwt::view(facts, only).map(|user| view(user, Some(&assumption)))
        }
        (None, [_, _, ..]) if facts.kind == TokenKind::Jwt => None,
        _ => default_view(facts).map(|user| view(user, default_assumption(facts))),
    };
    let mut found = findings::of_token(facts, now, arguments);
    if let Some(other) = configuration.and_then(|configuration| findings::of_issuer(facts, configuration)) {
        found.insert(0, other);
    }
    CredentialReport {
        header: facts.header.clone(),
        claims: facts.claims.clone(),
        times: Times {
            issued_at: times.issued_at,
            not_before: times.not_before,
            expires_at: times.expires_at,
            expired: times.expires_at.map(|expiry| expiry <= now),
        },
        view: seen_as,
        verification,
        configuration: server.map(configuration_view),
        problems: facts.problems.clone(),
        findings: found,
        ..CredentialReport::new(facts.kind.into(), origin)
    }
}

/// That no client can present the leaf, if none can.
fn unusable(pem: &str) -> Vec<TokenProblem> {
    let leaf = CertificateDer::pem_slice_iter(pem.as_bytes()).next().and_then(Result::ok);
    let because = leaf.and_then(|leaf| Certificate::parse(&leaf).ok()?.unusable_in_tls());
    let problem = |because: &str| TokenProblem {
        part: "certificate".to_owned(),
        detail: format!("no client can present it: {because}"),
        offset: None,
    };
    because.map(problem).into_iter().collect()
}

/// The report on the leaf of a chain in PEM.
fn certificate_report(
    pem: &str,
    origin: String,
    now: Timestamp,
    server: Against,
) -> Result<(CredentialReport, u8), Error> {
    let (chain, _) = certificate::facts_from_pem(pem);
    let Some(leaf) = chain.first() else {
        return Err(Error::new(format!("{origin} holds no readable certificate"), "give PEM with a CERTIFICATE block"));
    };
    let judgement = match &server {
        Some(Ok(server)) => Some(server.judge_certificate(pem, now)?),
        _ => None,
    };
    let report = CredentialReport {
        claims: serde_json::to_value(leaf).ok(),
        times: Times {
            issued_at: None,
            not_before: leaf.not_before,
            expires_at: leaf.not_after,
            expired: leaf.not_after.map(|end| end <= now),
        },
        view: certificate_model::view(leaf).map(|user| view(user, None)),
        configuration: server.as_ref().map(configuration_view),
        problems: unusable(pem),
        findings: findings::of_certificate(leaf, now),
        ..CredentialReport::new(CredentialType::X509, origin)
    };
    Ok(finish(report, judgement))
}

/// The report on a whole request: its first credential is described, all of them are judged.
fn request_report(
    host: &Host,
    arguments: &DecodeArgs,
    request: &RawRequest,
    tokens: [Option<Secret>; 2],
    server: Result<Server, Refusal>,
    now: Timestamp,
    scrubber: &Scrubber,
) -> Result<(CredentialReport, u8), Error> {
    let mut known = Vec::new();
    for secret in tokens.iter().flatten() {
        let facts = token::parse(secret.expose());
        known.push((secret, verify::checks(host, arguments, None, secret, &facts, now, scrubber)?.keys()));
    }
    let judgement = match &server {
        Ok(server) => Some(server.judge(request, now, |secret, facts| {
            server.account_keys(secret, facts).unwrap_or_else(|| {
                let same = known.iter().find(|(other, _)| other.expose() == secret.expose());
                same.map_or(Keys::Unknown, |(_, keys)| keys.clone())
            })
        })?),
        Err(_) => None,
    };
    let report = match (tokens.iter().flatten().next(), &request.client_certificate) {
        (Some(secret), _) => {
            let facts = token::parse(secret.expose());
            token_report(&facts, "the request".to_owned(), now, arguments, Some(&server), None)
        }
        (None, Some(pem)) => certificate_report(pem, "the request".to_owned(), now, Some(server))?.0,
        (None, None) => CredentialReport {
            configuration: Some(configuration_view(&server)),
            ..CredentialReport::new(CredentialType::None, "the request".to_owned())
        },
    };
    Ok(finish(report, judgement))
}
