//! The API server to judge as: its flags, and the files that they name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize as _;
use serde_json::Value;

use super::places;
use crate::apiserver::authn::bearer::{self, Authorization, Headers, Subprotocol};
use crate::apiserver::authn::{
    Judgement, Keys, Objects, Peer, Presented, Request, TokenFile, World, judge_request, judge_token_in,
};
use crate::apiserver::configuration::{Configuration, egress_error, from_flags, parse_flags_text};
use crate::cli::{Error, server_file};
use crate::credential::chain::{self, Certificate, ParseError, Pool};
use crate::credential::{public_keys, signature, token};
use crate::evidence::apiserver::Flags;
use crate::evidence::credential::TokenFacts;
use crate::evidence::tls::{ChainVerdict, PeerFacts};
use crate::report::credential::ConfigurationPlace;
use crate::secret::Secret;
use crate::text::nested_too_deep;

/// The flags of kube-apiserver that decide about a credential, by their own names.
#[derive(clap::Args)]
#[command(next_help_heading = "As kube-apiserver's flags")]
pub struct ServerFlags {
    /// Only tokens whose iss is exactly this
    #[arg(long, value_name = "URL")]
    oidc_issuer_url: Option<String>,
    /// The aud to expect
    #[arg(long, value_name = "ID")]
    oidc_client_id: Option<String>,
    /// The claim that gives the name
    #[arg(long, value_name = "CLAIM")]
    pub(super) oidc_username_claim: Option<String>,
    /// What is put before the name; - is nothing
    #[arg(long, value_name = "PREFIX")]
    oidc_username_prefix: Option<String>,
    /// The claim that gives the groups
    #[arg(long, value_name = "CLAIM")]
    oidc_groups_claim: Option<String>,
    /// What is put before each group
    #[arg(long, value_name = "PREFIX")]
    oidc_groups_prefix: Option<String>,
    /// A claim and the text it must hold (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    oidc_required_claim: Vec<String>,
    /// The algorithms to accept
    #[arg(long, value_name = "ALGS", value_delimiter = ',')]
    oidc_signing_algs: Vec<String>,
    /// The CA of the issuer's certificate; used with --verify
    #[arg(long, value_name = "FILE")]
    pub(super) oidc_ca_file: Option<PathBuf>,
    /// The iss of service account tokens (repeatable)
    #[arg(long, value_name = "URL")]
    service_account_issuer: Vec<String>,
    /// Keys that verify service account tokens (repeatable)
    #[arg(long, value_name = "FILE")]
    service_account_key_file: Vec<String>,
    /// The audiences of the API server
    #[arg(long, value_name = "AUDIENCES", value_delimiter = ',')]
    api_audiences: Vec<String>,
    /// CA of client certificates
    #[arg(long, value_name = "FILE")]
    client_ca_file: Option<String>,
    /// CA of the front proxy's certificate
    #[arg(long, value_name = "FILE")]
    requestheader_client_ca_file: Option<String>,
    /// Common names that the front proxy may have
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    requestheader_allowed_names: Vec<String>,
    /// Headers that name the user
    #[arg(long, value_name = "HEADERS", value_delimiter = ',')]
    requestheader_username_headers: Vec<String>,
    /// Headers that name the uid
    #[arg(long, value_name = "HEADERS", value_delimiter = ',')]
    requestheader_uid_headers: Vec<String>,
    /// Headers that name a group
    #[arg(long, value_name = "HEADERS", value_delimiter = ',')]
    requestheader_group_headers: Vec<String>,
    /// Prefixes of headers with extra attributes
    #[arg(long, value_name = "PREFIXES", value_delimiter = ',')]
    requestheader_extra_headers_prefix: Vec<String>,
    /// Static tokens
    #[arg(long, value_name = "FILE")]
    token_auth_file: Option<String>,
    /// Whether requests without a credential go as system:anonymous
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    anonymous_auth: Option<String>,
    /// Whether bootstrap tokens are accepted
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    enable_bootstrap_token_auth: Option<String>,
}

impl ServerFlags {
    /// Those that were given, by their names.
    pub(super) fn given(&self) -> BTreeMap<String, Vec<String>> {
        let one = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let ca = self.oidc_ca_file.iter().map(|path| path.display().to_string()).collect();
        let all: [(&str, Vec<String>); 22] = [
            ("oidc-issuer-url", one(&self.oidc_issuer_url)),
            ("oidc-client-id", one(&self.oidc_client_id)),
            ("oidc-username-claim", one(&self.oidc_username_claim)),
            ("oidc-username-prefix", one(&self.oidc_username_prefix)),
            ("oidc-groups-claim", one(&self.oidc_groups_claim)),
            ("oidc-groups-prefix", one(&self.oidc_groups_prefix)),
            ("oidc-required-claim", self.oidc_required_claim.clone()),
            ("oidc-signing-algs", self.oidc_signing_algs.clone()),
            ("oidc-ca-file", ca),
            ("service-account-issuer", self.service_account_issuer.clone()),
            ("service-account-key-file", self.service_account_key_file.clone()),
            ("api-audiences", self.api_audiences.clone()),
            ("client-ca-file", one(&self.client_ca_file)),
            ("requestheader-client-ca-file", one(&self.requestheader_client_ca_file)),
            ("requestheader-allowed-names", self.requestheader_allowed_names.clone()),
            ("requestheader-username-headers", self.requestheader_username_headers.clone()),
            ("requestheader-uid-headers", self.requestheader_uid_headers.clone()),
            ("requestheader-group-headers", self.requestheader_group_headers.clone()),
            ("requestheader-extra-headers-prefix", self.requestheader_extra_headers_prefix.clone()),
            ("token-auth-file", one(&self.token_auth_file)),
            ("anonymous-auth", one(&self.anonymous_auth)),
            ("enable-bootstrap-token-auth", one(&self.enable_bootstrap_token_auth)),
        ];
        all.into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| (name.to_owned(), values))
            .collect()
    }
}

/// The API server to judge as.
pub(super) struct Server {
    pub(super) configuration: Configuration,
    objects: Option<Objects>,
    token_file: Option<TokenFile>,
    client_ca: Option<Pool>,
    front_proxy_ca: Option<Pool>,
    /// Keys of service account tokens.
    account_keys: Option<Value>,
}

/// The server, or why it would not start; nothing where nothing was asked.
pub(super) type Against = Option<Result<Server, Refusal>>;

/// Why a server would not start.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusal {
    /// Its words.
    pub(super) errors: Vec<String>,
    /// Where the fields stand that they name.
    pub(super) places: Vec<ConfigurationPlace>,
}

fn refused(errors: Vec<String>) -> Against {
    Some(Err(Refusal { errors, places: Vec::new() }))
}

/// Reads the configuration: the file's flags, over them the command line's, and the files that these name.
///
/// A file that a manifest names is often not on this machine; what hangs on it is then unknown. One that the command
/// line names must be readable.
///
/// # Errors
/// When `file`, `objects` or a file named on the command line cannot be read.
pub(super) fn read(
    file: Option<&Path>,
    given: &ServerFlags,
    objects: Option<&Path>,
    version: Option<(u32, u32)>,
) -> Result<Against, Error> {
    let unreadable = |flag: &str, path: &Path, error: &dyn std::fmt::Display| {
        Error::plain(format!("{flag} {}: {error}", path.display()))
    };
    // The AuthenticationConfiguration's name and text, for the lines of its faults.
    let mut document = None;
    let mut flags = match file {
        Some(path) => {
            let (flags, text) = server_file::read("--against", path)?;
            document = flags.authentication_configuration.is_some().then(|| (path.display().to_string(), text));
            flags
        }
        None => Flags { source: "the command line".to_owned(), complete: true, ..Flags::default() },
    };
    let own = given.given();
    if file.is_none() && own.is_empty() {
        return Ok(None);
    }
    let folder = file.and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    flags.flags.extend(own.clone());
    if file.is_none() {
        // Every API server has one; which one matters only to service account tokens.
        let default = || vec!["https://kubernetes.default.svc".to_owned()];
        flags.flags.entry("service-account-issuer".to_owned()).or_insert_with(default);
    }
    let content = |flag: &str, name: &str| -> Result<Option<Vec<u8>>, Error> {
        let here = own.contains_key(flag);
        let path = if here { PathBuf::from(name) } else { folder.join(name) };
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if here => Err(unreadable(&format!("--{flag}"), &path, &error)),
            Err(_) => Ok(None),
        }
    };
    let named = |flags: &Flags, flag: &str| {
        flags.flags.get(flag).and_then(|values| values.last()).filter(|value| !value.is_empty()).cloned()
    };
    if flags.authentication_configuration.is_none()
        && let Some(name) = named(&flags, "authentication-config")
        && let Some(bytes) = content("authentication-config", &name)?
    {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match parse_flags_text(&text, &name) {
            Ok(inner) if inner.authentication_configuration.is_none() => {
                return Err(Error::plain(format!("--authentication-config {name}: no AuthenticationConfiguration")));
            }
            Ok(inner) => flags.authentication_configuration = inner.authentication_configuration,
            Err(error) => return Ok(refused(vec![error])),
        }
        document = Some((name, text));
    }
    let mut configuration = match from_flags(&flags) {
        Ok(configuration) => configuration,
        Err(errors) => {
            let places = document.map(|(name, text)| places::find(&errors, &name, &text)).unwrap_or_default();
            return Ok(Some(Err(Refusal { errors, places })));
        }
    };
    if let Some(error) = egress_error(&configuration, &flags) {
        return Ok(refused(vec![error]));
    }
    configuration.version = version.or(configuration.version);

    let mut token_file = None;
    if let Some(name) = named(&flags, "token-auth-file")
        && let Some(bytes) = content("token-auth-file", &name)?
    {
        match TokenFile::parse(&String::from_utf8_lossy(&bytes), &name) {
            Ok(file) => token_file = Some(file),
            Err(error) => return Ok(refused(vec![error])),
        }
    }
    let bundle = |flag: &str| -> Result<Option<Pool>, Error> {
        let Some(name) = named(&flags, flag) else { return Ok(None) };
        Ok(content(flag, &name)?.map(|bytes| pool(&bytes)))
    };
    let (client_ca, front_proxy_ca) = (bundle("client-ca-file")?, bundle("requestheader-client-ca-file")?);
    let mut keys = Vec::new();
    let mut all_read = true;
    for name in flags.flags.get("service-account-key-file").into_iter().flatten() {
        match content("service-account-key-file", name)?.map(|bytes| public_keys::key_set_from_pem(&bytes)) {
            Some(Ok(set)) => keys.extend(set["keys"].as_array().cloned().unwrap_or_default()),
            Some(Err(error)) => return Ok(refused(vec![error])),
            None => all_read = false,
        }
    }
    let account_keys = (all_read && !keys.is_empty()).then(|| serde_json::json!({ "keys": keys }));
    let objects = match objects {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| unreadable("--objects", path, &error))?;
            if let Some(line) = nested_too_deep(&text) {
                return Err(Error::new(
                    format!("--objects {}: line {line} is nested too deep to be read", path.display()),
                    "give what kubectl get serviceaccounts,pods,nodes,secrets -o yaml prints",
                ));
            }
            let documents = serde_norway::Deserializer::from_str(&text)
                .map(Value::deserialize)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| unreadable("--objects", path, &error))?;
            let documents: Vec<Value> = documents.into_iter().filter(|document| !document.is_null()).collect();
            if documents.is_empty() || !documents.iter().all(is_manifest) {
                return Err(Error::new(
                    format!("--objects {}: no manifest (apiVersion, kind) and no list of manifests", path.display()),
                    "give what kubectl get serviceaccounts,pods,nodes,secrets -o yaml prints",
                ));
            }
            Some(Objects::new(documents))
        }
    };
    Ok(Some(Ok(Server { configuration, objects, token_file, client_ca, front_proxy_ca, account_keys })))
}

/// An object of Kubernetes, or a list of them; an item of a typed list may leave its kind out.
fn is_manifest(document: &Value) -> bool {
    document.is_object() && (document.get("kind").is_some_and(Value::is_string) || document.get("items").is_some())
}

fn pool(pem: &[u8]) -> Pool {
    let ders: Vec<_> = CertificateDer::pem_slice_iter(pem).flatten().collect();
    Pool::from_ders(ders.iter().map(AsRef::as_ref)).0
}

/// A token with what is known of its keys.
pub(super) struct Bearer<'a> {
    pub(super) secret: &'a Secret,
    pub(super) facts: &'a TokenFacts,
    pub(super) keys: Keys,
}

impl Server {
    /// The keys of service account tokens decide, where this is one and they are known.
    pub(super) fn account_keys(&self, secret: &Secret, facts: &TokenFacts) -> Option<Keys> {
        let issuer = facts.claims.as_ref()?.get("iss")?.as_str()?;
        let ours = issuer == crate::apiserver::authn::service_account::LEGACY_ISSUER
            || self.configuration.service_account_issuers.iter().any(|known| known == issuer);
        let keys = self.account_keys.as_ref().filter(|_| ours)?;
        Some(Keys::from(&signature::check(secret.expose(), keys)))
    }

    fn world(&self) -> World<'_> {
        World { objects: self.objects.as_ref(), token_file: self.token_file.as_ref(), is_token: None }
    }

    /// What a TokenReview would say.
    pub(super) fn judge_token(&self, token: &Bearer<'_>, now: Timestamp) -> Judgement {
        let is_token = |bytes: &[u8]| bytes == token.secret.expose().as_bytes();
        let world = World { is_token: Some(&is_token), ..self.world() };
        judge_token_in(&world, token.facts, &self.configuration, &token.keys, now)
    }

    /// What becomes of a request with this client certificate (PEM, leaf first) and nothing else.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub(super) fn judge_certificate(&self, pem: &str, now: Timestamp) -> Result<Judgement, Error> {
        self.judge(
            &RawRequest { path: "/api".to_owned(), client_certificate: Some(pem.to_owned()), ..RawRequest::default() },
            now,
            |_, _| Keys::Unknown,
        )
    }

    /// What becomes of a whole request; `keys` tells what is known of a token's keys.
    ///
    /// Where the protocol is not known and matters, each is judged, and only what both agree on is the answer.
    ///
    /// # Errors
    /// When its certificate cannot be read.
    pub(super) fn judge(
        &self,
        request: &RawRequest,
        now: Timestamp,
        keys: impl Fn(&Secret, &TokenFacts) -> Keys,
    ) -> Result<Judgement, Error> {
        let http1 = bearer::over_http1(&request.headers);
        match request.protocol {
            Some(Protocol::Http1) => self.judge_with(request, &http1, now, &keys),
            Some(Protocol::Http2) => self.judge_with(request, &request.headers, now, &keys),
            None => {
                let first = self.judge_with(request, &http1, now, &keys)?;
                if http1 == request.headers {
                    return Ok(first);
                }
                let second = self.judge_with(request, &request.headers, now, &keys)?;
                if first == second {
                    return Ok(first);
                }
                Ok(Judgement::Undecided {
                    reasons: vec![
                        "blanks around a header's value are cut off over HTTP/1.1 and kept over HTTP/2, and the request \
                         does not say which it is (\"protocol\": \"HTTP/1.1\" or \"HTTP/2\")"
                            .to_owned(),
                        format!("over HTTP/1.1 {}", outcome(&first)),
                        format!("over HTTP/2 {}", outcome(&second)),
                    ],
                })
            }
        }
    }

    fn judge_with(
        &self,
        request: &RawRequest,
        headers: &Headers,
        now: Timestamp,
        keys: &impl Fn(&Secret, &TokenFacts) -> Keys,
    ) -> Result<Judgement, Error> {
        let ders: Vec<_> = match &request.client_certificate {
            Some(pem) => CertificateDer::pem_slice_iter(pem.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|error| Error::plain(format!("the client certificate is no PEM: {error}")))?,
            None => Vec::new(),
        };
        let presented: Vec<&[u8]> = ders.iter().map(AsRef::as_ref).collect();
        let under = |pool: Option<&Pool>| -> Result<Option<(PeerFacts, ChainVerdict)>, ParseError> {
            pool.map_or(Ok(None), |pool| chain::verify_client(&presented, pool, now))
        };
        let verdicts = under(self.client_ca.as_ref())
            .and_then(|client| Ok((client, under(self.front_proxy_ca.as_ref())?, under(Some(&Pool::default()))?)));
        let (client, front_proxy, facts) = match verdicts {
            Ok(verdicts) => verdicts,
            Err(ParseError::Go(text)) => {
                let error = format!("tls: failed to parse client certificate: {text}");
                return Ok(Judgement::Rejected { error });
            }
            Err(ParseError::Undecided(because)) => return Ok(Judgement::Undecided { reasons: vec![because] }),
        };
        let peer = facts.as_ref().map(|(facts, _)| Peer {
            facts,
            client_ca: client.as_ref().map(|(_, verdict)| verdict),
            front_proxy_ca: front_proxy.as_ref().map(|(_, verdict)| verdict),
        });
        let tokens = tokens_of(headers).map(|token| {
            token.map(|secret| {
                let facts = token::parse(secret.expose());
                let keys = keys(&secret, &facts);
                (secret, facts, keys)
            })
        });
        let compare = tokens.each_ref().map(|token| {
            move |bytes: &[u8]| token.as_ref().is_some_and(|(secret, ..)| bytes == secret.expose().as_bytes())
        });
        let shown = |index: usize| -> Option<Presented<'_>> {
            let (_, facts, keys) = tokens[index].as_ref()?;
            Some(Presented { facts, keys, is_token: Some(&compare[index]) })
        };
        let path = request.decoded_path();
        let whole = Request { path: &path, headers, peer, bearer: shown(0), websocket: shown(1) };
        let judgement = judge_request(&whole, &self.configuration, &self.world(), now);
        // Where the certificate decides, somebody must be able to present it.
        let unusable = presented.first().and_then(|der| Certificate::parse(der).ok()?.unusable_in_tls());
        if let (Judgement::Authenticated(_), Some(because)) = (&judgement, unusable)
            && judge_request(&Request { peer: None, ..whole }, &self.configuration, &self.world(), now) != judgement
        {
            let presented =
                format!("if it could be presented, {}", outcome(&judgement).replacen("it is", "it would be", 1));
            return Ok(Judgement::Undecided {
                reasons: vec![format!("no client can present the certificate: {because}"), presented],
            });
        }
        Ok(judgement)
    }
}

/// What becomes of a request, in a clause.
fn outcome(judgement: &Judgement) -> String {
    match judgement {
        Judgement::Authenticated(user) if user.groups.is_empty() => format!("it is accepted as {:?}", user.username),
        Judgement::Authenticated(user) => {
            format!("it is accepted as {:?} in the groups {:?}", user.username, user.groups)
        }
        Judgement::Rejected { error } if error.is_empty() => "it is refused".to_owned(),
        Judgement::Rejected { error } => format!("it is refused: {error}"),
        Judgement::Undecided { reasons } => format!("it is not decided: {}", reasons.join("; ")),
    }
}

/// The Authorization header's token, and the websocket's.
fn tokens_of(headers: &Headers) -> [Option<Secret>; 2] {
    let bearer = match bearer::authorization(headers) {
        Authorization::Token(token) => Some(Secret::new(token)),
        Authorization::Nothing { .. } => None,
    };
    let websocket = match bearer::subprotocol(headers) {
        Subprotocol::Token(token) => Some(Secret::new(token)),
        Subprotocol::Nothing | Subprotocol::Error(_) => None,
    };
    [bearer, websocket]
}

/// How a request travelled; it decides about blanks around the values of headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
enum Protocol {
    #[serde(rename = "HTTP/1.1", alias = "HTTP/1.0")]
    Http1,
    #[serde(rename = "HTTP/2", alias = "HTTP/2.0")]
    Http2,
}

/// A request as `--request` gives it.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawRequest {
    /// `HTTP/1.1` or `HTTP/2`; absent where it is not known.
    #[serde(default)]
    protocol: Option<Protocol>,
    /// Path, perhaps with a query.
    #[serde(default)]
    path: String,
    /// Name and value of each header.
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// PEM, leaf first.
    #[serde(default)]
    pub(super) client_certificate: Option<String>,
}

impl RawRequest {
    /// Reads `--request`.
    ///
    /// # Errors
    /// When the file cannot be read or is no such JSON.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let hint = "write {\"path\": \"/api\", \"headers\": [[\"Authorization\", \"Bearer ...\"]], \"clientCertificate\": \"PEM\"}";
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::plain(format!("--request {}: {error}", path.display())))?;
        serde_json::from_str(&text).map_err(|error| Error::new(format!("--request {}: {error}", path.display()), hint))
    }

    /// The Authorization header's token, and the websocket's. HTTP/1 finds every one that HTTP/2 finds.
    pub(super) fn tokens(&self) -> [Option<Secret>; 2] {
        match self.protocol {
            Some(Protocol::Http2) => tokens_of(&self.headers),
            Some(Protocol::Http1) | None => tokens_of(&bearer::over_http1(&self.headers)),
        }
    }

    fn decoded_path(&self) -> String {
        let path = self.path.split(['?', '#']).next().unwrap_or_default();
        percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
    }
}
