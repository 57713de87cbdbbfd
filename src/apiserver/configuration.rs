//! The flags and files that configure authentication, as kube-apiserver reads them.
//!
//! What the server would refuse to start with is said in its own words (k8s.io/kubernetes
//! pkg/kubeapiserver/options/authentication.go, k8s.io/apiserver pkg/apis/apiserver/validation).

use std::collections::{BTreeMap, BTreeSet};

use super::authn::certificate::RequestHeaderFlags;
use crate::evidence::apiserver::Flags;
use crate::gotext::quote;

mod eks;
mod file;
mod text;

pub use eks::of_eks;
pub use text::{flags_of_pod, parse_flags_text};

/// The signing algorithms that kube-apiserver knows, in the order it prints them.
pub const SIGNING_ALGORITHMS: [&str; 9] =
    ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

/// How one kube-apiserver authenticates tokens.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// Where it was read: `/flagz`, a file name.
    pub source: String,
    /// The server's minor release, where it is known: it decides the order of checks and some texts.
    pub version: Option<(u32, u32)>,
    /// JWT authenticators, in order.
    pub jwt: Vec<JwtAuthenticator>,
    /// Allowed `alg` values, in the server's order. Rules for all of `jwt`.
    pub signing_algorithms: Vec<String>,
    /// `--service-account-issuer`, in order.
    pub service_account_issuers: Vec<String>,
    /// `--service-account-lookup`: legacy tokens are looked up in their Secret.
    pub service_account_lookup: bool,
    /// `--api-audiences`, or the service account issuers, which are its default.
    pub api_audiences: Vec<String>,
    /// Requests without a credential go as system:anonymous.
    pub anonymous: bool,
    /// Only these paths may be asked anonymously; `None` is every path.
    pub anonymous_paths: Option<Vec<String>>,
    /// `--enable-bootstrap-token-auth`.
    pub bootstrap_tokens: bool,
    /// `--token-auth-file` is set.
    pub token_file: bool,
    /// `--client-ca-file`, where it is set.
    pub client_ca_file: Option<String>,
    /// The front proxy's authenticator, where `--requestheader-client-ca-file` is set.
    pub front_proxy: Option<FrontProxy>,
    /// `--authentication-token-webhook-config-file` is set.
    pub webhook: bool,
    /// All flags are known; false: an absent flag is unknown, not at its default.
    pub complete: bool,
    /// The JWT authenticators are all known: flags that hold any of them hold all, as does a configuration file.
    pub jwt_known: bool,
}

/// What the `--requestheader-*` flags amount to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrontProxy {
    /// `--requestheader-client-ca-file`.
    pub ca_file: String,
    /// The other flags.
    pub headers: RequestHeaderFlags,
}

/// One entry of `jwt:`, or what the `--oidc-*` flags amount to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JwtAuthenticator {
    /// Whose tokens.
    pub issuer: Issuer,
    /// The user's name.
    pub username: Mapping,
    /// The user's groups.
    pub groups: Mapping,
    /// The user's uid.
    pub uid: Mapping,
    /// Extra attributes: key and CEL expression.
    pub extra: Vec<(String, String)>,
    /// What claims must hold.
    pub claim_rules: Vec<ClaimRule>,
    /// CEL expressions that the resulting user must satisfy, with their messages.
    pub user_rules: Vec<(String, String)>,
}

/// Whose tokens an authenticator takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issuer {
    /// `iss`, byte for byte.
    pub url: String,
    /// Where the discovery document is read instead.
    pub discovery_url: Option<String>,
    /// One of these must be in `aud`.
    pub audiences: Vec<String>,
    /// PEM bundle; `None` is the host's roots.
    pub certificate_authority: Option<String>,
    /// `MatchAny` or empty.
    pub audience_match_policy: String,
    /// `controlplane`, `cluster` or empty.
    pub egress_selector: String,
}

/// Where a user attribute comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mapping {
    /// Nowhere.
    #[default]
    None,
    /// A claim.
    Claim {
        /// Its name: one literal key, never a path.
        claim: String,
        /// What is put before each value.
        prefix: String,
    },
    /// A CEL expression.
    Expression(String),
}

/// What a claim must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimRule {
    /// A claim with exactly this text.
    Required {
        /// The claim.
        claim: String,
        /// The text.
        value: String,
    },
    /// A CEL expression and the message when it is false.
    Expression {
        /// The expression.
        expression: String,
        /// The message.
        message: String,
    },
}

/// The issuer that a token's `iss` means: Google may leave the scheme out, and kube-apiserver and go-oidc forgive it that
/// (<https://openid.net/specs/openid-connect-core-1_0.html#GoogleIss>).
pub fn issuer_meant(iss: &str) -> &str {
    if iss == "accounts.google.com" { "https://accounts.google.com" } else { iss }
}

impl Configuration {
    /// The authenticator that takes tokens of this `iss`: byte for byte, but for Google's own spelling.
    pub fn authenticator_of(&self, iss: &str) -> Option<&JwtAuthenticator> {
        self.jwt.iter().find(|jwt| jwt.issuer.url == issuer_meant(iss))
    }
}

impl JwtAuthenticator {
    /// Some part of it is CEL.
    pub fn uses_cel(&self) -> bool {
        [&self.username, &self.groups, &self.uid].iter().any(|mapping| matches!(mapping, Mapping::Expression(_)))
            || !self.extra.is_empty()
            || !self.user_rules.is_empty()
            || self.claim_rules.iter().any(|rule| matches!(rule, ClaimRule::Expression { .. }))
    }
}

/// Reads the flags as kube-apiserver would at its start.
///
/// The errors are what the server would refuse to start with, one for each line it would print. A flag that is absent
/// from an incomplete set is no error.
pub fn from_flags(flags: &Flags) -> Result<Configuration, Vec<String>> {
    let flag = FlagReader { flags: &flags.flags };
    let mut configuration = Configuration {
        source: flags.source.clone(),
        complete: flags.complete,
        anonymous: true,
        service_account_lookup: true,
        ..Configuration::default()
    };
    let errors = option_errors(&flag, flags);
    if !errors.is_empty() {
        return Err(errors);
    }
    let boolean = |name: &str, default: bool| flag.boolean(name, default).map_err(|error| vec![error]);
    configuration.service_account_lookup = boolean("service-account-lookup", true)?;
    configuration.bootstrap_tokens = boolean("enable-bootstrap-token-auth", false)?;
    configuration.token_file = !flag.text("token-auth-file").is_empty();
    let file = |name: &str| Some(flag.text(name)).filter(|path| !path.is_empty());
    configuration.client_ca_file = file("client-ca-file");
    configuration.front_proxy = file("requestheader-client-ca-file").map(|ca_file| FrontProxy {
        ca_file,
        headers: RequestHeaderFlags {
            allowed_names: flag.slice("requestheader-allowed-names"),
            username_headers: flag.slice("requestheader-username-headers"),
            uid_headers: flag.slice("requestheader-uid-headers"),
            group_headers: flag.slice("requestheader-group-headers"),
            extra_prefixes: flag.slice("requestheader-extra-headers-prefix"),
        },
    });
    configuration.webhook = !flag.text("authentication-token-webhook-config-file").is_empty();
    configuration.service_account_issuers = flag.array("service-account-issuer");
    configuration.api_audiences = flag.slice("api-audiences");
    if configuration.api_audiences.is_empty() {
        configuration.api_audiences.clone_from(&configuration.service_account_issuers);
    }

    let file_name = flag.text("authentication-config");
    let mut anonymous_of_file = None;
    let mut jwt = Vec::new();
    if let Some(value) = &flags.authentication_configuration {
        let name = if file_name.is_empty() { flags.source.as_str() } else { file_name.as_str() };
        let loaded = file::load(value).map_err(|error| {
            vec![format!("failed to load authentication configuration from file {}: {error}", quote(name))]
        })?;
        jwt = loaded.jwt;
        anonymous_of_file = loaded.anonymous;
        configuration.signing_algorithms = SIGNING_ALGORITHMS.map(str::to_owned).to_vec();
        configuration.jwt_known = true;
    } else if !file_name.is_empty() {
        // Named, but its content was not handed over.
        configuration.jwt_known = false;
    } else {
        configuration.jwt_known = flags.complete || flag.any_oidc();
        configuration.signing_algorithms = flag.slice_or("oidc-signing-algs", &["RS256"]);
        let from_flags = oidc_flags(&flag).map_err(|error| vec![error])?;
        jwt.extend(from_flags);
    }
    match anonymous_of_file.clone() {
        Some(_) if flag.given("anonymous-auth") => {
            return Err(vec![
                "anonymous: Forbidden: --anonymous-auth flag cannot be set when anonymous field is configured in \
                 authentication configuration file"
                    .to_owned(),
            ]);
        }
        Some((enabled, paths)) => {
            configuration.anonymous = enabled;
            configuration.anonymous_paths = paths;
        }
        None => {
            // AlwaysAllow and anonymous exclude each other; the server then turns anonymous off by itself.
            let always_allow = flag.slice("authorization-mode").iter().any(|mode| mode == "AlwaysAllow");
            configuration.anonymous = boolean("anonymous-auth", true)? && !always_allow;
        }
    }

    let errors = file::validate(&jwt, anonymous_of_file.as_ref());
    if !errors.is_empty() {
        return Err(vec![format!("invalid authentication configuration: {}", aggregate(&errors))]);
    }
    configuration.jwt = jwt.into_iter().map(file::RawAuthenticator::into_plain).collect();
    start_errors(&configuration)?;
    Ok(configuration)
}

/// What the options' own validation says, before any file is read.
fn option_errors(flag: &FlagReader<'_>, flags: &Flags) -> Vec<String> {
    let mut errors = Vec::new();
    let with_file = !flag.text("authentication-config").is_empty() || flags.authentication_configuration.is_some();
    if with_file {
        if flag.any_oidc() {
            errors.push("authentication-config file and oidc-* flags are mutually exclusive".to_owned());
        }
    } else if flag.any_oidc() && (flag.text("oidc-issuer-url").is_empty() || flag.text("oidc-client-id").is_empty()) {
        errors.push(
            "oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set".to_owned(),
        );
    }
    let mut seen = BTreeSet::new();
    let issuers = flag.array("service-account-issuer");
    for issuer in &issuers {
        if issuer.is_empty() {
            errors.push("service-account-issuer should not be an empty string".to_owned());
        } else if !seen.insert(issuer) {
            errors.push(format!("service-account-issuer {} is already specified", quote(issuer)));
        }
    }
    if issuers.is_empty() && flags.complete {
        errors.push("service-account-issuer is a required flag".to_owned());
    }
    errors
}

/// What building the authenticators says, after validation.
fn start_errors(configuration: &Configuration) -> Result<(), Vec<String>> {
    let mut disallowed = configuration.service_account_issuers.clone();
    disallowed.sort();
    disallowed.dedup();
    for authenticator in &configuration.jwt {
        let overlaps = |url: &str| disallowed.iter().any(|issuer| issuer == url);
        if overlaps(&authenticator.issuer.url) {
            let url = quote(&authenticator.issuer.url);
            let list = disallowed.join(" ");
            return Err(vec![format!(
                "issuer.url: Invalid value: {url}: URL must not overlap with disallowed issuers: [{list}]"
            )]);
        }
        if let Some(alg) =
            configuration.signing_algorithms.iter().find(|alg| !SIGNING_ALGORITHMS.contains(&alg.as_str()))
        {
            return Err(vec![format!("oidc: unsupported signing alg: {}", quote(alg))]);
        }
    }
    Ok(())
}

/// What a server without egress selections says of an issuer that is to be reached through one. The flags must be those of
/// the command line: what is kept of them in evidence does not hold this one.
pub fn egress_error(configuration: &Configuration, flags: &Flags) -> Option<String> {
    let flag = FlagReader { flags: &flags.flags };
    if !flags.complete || !flag.text("egress-selector-config-file").is_empty() {
        return None;
    }
    let mut selections = configuration.jwt.iter().map(|jwt| jwt.issuer.egress_selector.as_str());
    let selection = selections.find(|selection| !selection.is_empty())?;
    Some(format!("oidc: egress lookup required with egress selector type {}", quote(selection)))
}

/// Kubernetes' defaults for the `--oidc-*` flags.
fn oidc_flags(flag: &FlagReader<'_>) -> Result<Option<file::RawAuthenticator>, String> {
    let (issuer, client) = (flag.text("oidc-issuer-url"), flag.text("oidc-client-id"));
    if issuer.is_empty() || client.is_empty() {
        return Ok(None);
    }
    let claim = flag.text_or("oidc-username-claim", "sub");
    let prefix = match flag.text("oidc-username-prefix").as_str() {
        // https://github.com/kubernetes/kubernetes/issues/31380: every claim but email is made unique by the issuer.
        "" if claim != "email" => format!("{issuer}#"),
        "" | "-" => String::new(),
        prefix => prefix.to_owned(),
    };
    let mut raw = file::RawAuthenticator {
        issuer: Issuer { url: issuer, audiences: vec![client], ..Issuer::default() },
        username: file::RawMapping { claim, prefix: Some(prefix), expression: String::new() },
        ..file::RawAuthenticator::default()
    };
    let groups = flag.text("oidc-groups-claim");
    if !groups.is_empty() {
        // A dash is no special value here.
        let prefix = Some(flag.text("oidc-groups-prefix"));
        raw.groups = file::RawMapping { claim: groups, prefix, expression: String::new() };
    }
    let mut required = BTreeMap::new();
    for pair in flag.map("oidc-required-claim") {
        let Some((claim, value)) = pair.split_once('=') else {
            return Err(format!(
                "invalid argument {} for \"--oidc-required-claim\" flag: malformed pair, expect string=string",
                quote(&pair)
            ));
        };
        required.insert(claim.trim().to_owned(), value.trim().to_owned());
    }
    raw.claim_rules = required
        .into_iter()
        .map(|(claim, value)| file::RawRule { claim, required_value: value, ..file::RawRule::default() })
        .collect();
    Ok(Some(raw))
}

/// Several errors as Kubernetes' aggregate prints them: equal ones once, one alone without brackets.
pub fn aggregate(errors: &[String]) -> String {
    let mut seen = BTreeSet::new();
    let distinct: Vec<&str> = errors.iter().map(String::as_str).filter(|error| seen.insert(*error)).collect();
    match distinct.as_slice() {
        [single] => (*single).to_owned(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// Flags by name, with pflag's rules for each kind.
struct FlagReader<'a> {
    flags: &'a BTreeMap<String, Vec<String>>,
}

impl FlagReader<'_> {
    fn given(&self, name: &str) -> bool {
        self.flags.contains_key(name)
    }

    fn values(&self, name: &str) -> &[String] {
        self.flags.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// A text flag: the last one counts.
    fn text(&self, name: &str) -> String {
        self.text_or(name, "")
    }

    fn text_or(&self, name: &str, default: &str) -> String {
        self.values(name).last().cloned().unwrap_or_else(|| default.to_owned())
    }

    /// A flag that is repeated, each value whole.
    fn array(&self, name: &str) -> Vec<String> {
        self.values(name).to_vec()
    }

    /// A flag that is repeated, each value a comma-separated list.
    fn slice(&self, name: &str) -> Vec<String> {
        self.values(name)
            .iter()
            .filter(|value| !value.is_empty())
            .flat_map(|value| value.split(',').map(|item| item.trim_matches('"').to_owned()))
            .collect()
    }

    fn slice_or(&self, name: &str, default: &[&str]) -> Vec<String> {
        let given = self.slice(name);
        if given.is_empty() { default.iter().map(|item| (*item).to_owned()).collect() } else { given }
    }

    /// `key=value` flags; an empty one clears nothing.
    fn map(&self, name: &str) -> Vec<String> {
        self.values(name).iter().filter(|value| !value.is_empty()).cloned().collect()
    }

    fn boolean(&self, name: &str, default: bool) -> Result<bool, String> {
        let Some(value) = self.values(name).last() else { return Ok(default) };
        match value.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            other => Err(format!(
                "invalid argument {value} for \"--{name}\" flag: strconv.ParseBool: parsing {value}: invalid syntax",
                value = quote(other)
            )),
        }
    }

    /// Any `--oidc-*` flag that says something. `/flagz` prints the defaults too; they do not count.
    fn any_oidc(&self) -> bool {
        self.flags.iter().any(|(name, values)| {
            let default = match name.as_str() {
                "oidc-username-claim" => "sub",
                "oidc-signing-algs" => "RS256",
                _ => "",
            };
            name.starts_with("oidc-") && values.iter().any(|value| value != default)
        })
    }
}

#[cfg(test)]
mod tests;
