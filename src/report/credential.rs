//! What `decode` answers, as it is shown: `kind: CredentialReport` of kaccess.dev/v1.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::view::FindingView;
use crate::evidence::credential::{TokenKind, TokenProblem};

/// The report on one credential.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialReport {
    /// Always `kaccess.dev/v1`.
    pub api_version: &'static str,
    /// Always `CredentialReport`.
    pub kind: &'static str,
    /// What it is.
    #[serde(rename = "type")]
    pub credential_type: CredentialType,
    /// Where it was found, in words: `the argument`, `Secret ci/builder-token`.
    pub origin: String,
    /// The JOSE header.
    pub header: Option<Value>,
    /// The claims; of an EKS IAM token and of a certificate what it says instead.
    pub claims: Option<Value>,
    /// Its times.
    pub times: Times,
    /// Who it is to Kubernetes, whatever the checks say.
    pub view: Option<View>,
    /// What `--verify` found, if it was asked for.
    pub verification: Option<Verification>,
    /// What kube-apiserver makes of it, if a configuration was given.
    pub judgement: Option<JudgementView>,
    /// Whether kube-apiserver takes that configuration.
    pub configuration: Option<ConfigurationView>,
    /// What is wrong with its form.
    pub problems: Vec<TokenProblem>,
    /// What is worth knowing.
    pub findings: Vec<FindingView>,
}

impl CredentialReport {
    /// A report that says nothing yet.
    pub fn new(credential_type: CredentialType, origin: String) -> Self {
        Self {
            api_version: "kaccess.dev/v1",
            kind: "CredentialReport",
            credential_type,
            origin,
            header: None,
            claims: None,
            times: Times::default(),
            view: None,
            verification: None,
            judgement: None,
            configuration: None,
            problems: Vec::new(),
            findings: Vec::new(),
        }
    }
}

/// What the checks that were asked for come to, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is accepted: as whom, or by which checks.
    Accepted(String),
    /// It is not: why.
    Rejected(String),
    /// That cannot be said: why.
    Undecided(String),
}

impl Outcome {
    /// In a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Rejected(_) => "rejected",
            Self::Undecided(_) => "undecided",
        }
    }

    /// The word with its reason, foreign text included.
    pub fn sentence(&self) -> String {
        match self {
            Self::Accepted(how) => format!("{} {how}", self.word()),
            Self::Rejected(why) | Self::Undecided(why) => format!("{}: {why}", self.word()),
        }
    }
}

impl CredentialReport {
    /// What it comes to; `None` where nothing was asked beyond what the credential says, and that can be read.
    pub fn outcome(&self) -> Option<Outcome> {
        let invalid = self.configuration.as_ref().filter(|configuration| !configuration.valid);
        let verified = self.verification.as_ref();
        let checked = |ok: Option<bool>| verified?.checks.iter().find(|check| check.ok == ok).map(Check::sentence);
        let verdict = verified.map(|verification| verification.ok);
        Some(match (&self.judgement, verdict, invalid) {
            (Some(JudgementView::Refused { error, http_status, .. }), ..) => {
                let error = if error.is_empty() { String::new() } else { format!(": {error}") };
                Outcome::Rejected(format!("kube-apiserver refuses it with {http_status}{error}"))
            }
            (_, Some(Some(false)), _) => {
                Outcome::Rejected(checked(Some(false)).unwrap_or_else(|| "a check failed".to_owned()))
            }
            (_, _, Some(configuration)) => {
                let error = configuration.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
                Outcome::Rejected(format!("kube-apiserver would not start with this configuration{error}"))
            }
            (Some(JudgementView::Undecided { undecided, .. }), ..) => Outcome::Undecided(undecided.join("; ")),
            (_, Some(None), None) => {
                Outcome::Undecided(checked(None).unwrap_or_else(|| "there was nothing to check with".to_owned()))
            }
            (Some(JudgementView::Accepted { user, .. }), ..) => Outcome::Accepted(format!("as {}", user.username)),
            (None, Some(Some(true)), None) => Outcome::Accepted("by every check".to_owned()),
            (None, None, None) if self.is_damaged() => {
                let what = self.problems.first().map(|problem| format!(": {}: {}", problem.part, problem.detail));
                Outcome::Undecided(format!("it cannot be read{}", what.unwrap_or_default()))
            }
            (None, None, None) => return None,
        })
    }

    /// It is cut or spoiled: what it says cannot be read.
    fn is_damaged(&self) -> bool {
        match self.credential_type {
            CredentialType::Jwt | CredentialType::ServiceAccount | CredentialType::EksIam => self.claims.is_none(),
            CredentialType::Opaque => !self.problems.is_empty(),
            _ => false,
        }
    }
}

/// What a credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialType {
    /// A signed JWT.
    Jwt,
    /// A service account's JWT.
    ServiceAccount,
    /// An IAM token of EKS.
    EksIam,
    /// A client certificate.
    X509,
    /// A bootstrap token.
    Bootstrap,
    /// A text without structure.
    Opaque,
    /// An encrypted JWT.
    Jwe,
    /// No credential: a request that brings none.
    None,
}

impl From<TokenKind> for CredentialType {
    fn from(kind: TokenKind) -> Self {
        match kind {
            TokenKind::Jwt => Self::Jwt,
            TokenKind::ServiceAccount => Self::ServiceAccount,
            TokenKind::EksIam => Self::EksIam,
            TokenKind::Bootstrap => Self::Bootstrap,
            TokenKind::Jwe => Self::Jwe,
            TokenKind::Opaque => Self::Opaque,
        }
    }
}

impl CredentialType {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::ServiceAccount => "Service account token (JWT)",
            Self::EksIam => "EKS IAM token (presigned STS request)",
            Self::X509 => "X.509 certificate",
            Self::Bootstrap => "Bootstrap token",
            Self::Opaque => "Opaque text: nothing in it can be read",
            Self::None => "No credential",
            Self::Jwe => "JWE (encrypted JWT): only its issuer can read it",
        }
    }
}

/// Times of a credential; null where it does not say.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// When it was made.
    pub issued_at: Option<Timestamp>,
    /// Not before.
    pub not_before: Option<Timestamp>,
    /// Not after.
    pub expires_at: Option<Timestamp>,
    /// It is past that at the time judged at; null without an end.
    pub expired: Option<bool>,
}

/// A user as Kubernetes sees it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Name, prefix included.
    pub username: String,
    /// Unique id, or empty.
    pub uid: String,
    /// Groups, prefixes included.
    pub groups: Vec<String>,
    /// Extra attributes.
    pub extra: BTreeMap<String, Vec<String>>,
    /// What this rests on where no configuration was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumption: Option<String>,
}

/// The outcome of checks made here.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// All passed; null: none failed, and some could not be made.
    pub ok: Option<bool>,
    /// The checks, in order.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// `discovery`, `issuer`, `jwks`, `signature`, `not-before` or `expiry`; of an IAM token `sts`, `principal`,
    /// `not-before` or `expiry`.
    pub id: &'static str,
    /// It passed; null: it could not be made.
    pub ok: Option<bool>,
    /// What should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

impl Check {
    /// What it is about, what was found, and what should have been.
    fn sentence(&self) -> String {
        let seen = self.seen.as_ref().map(|seen| format!(": {seen}")).unwrap_or_default();
        let expected = self.expected.as_ref().map(|expected| format!(" (expected {expected})")).unwrap_or_default();
        format!("{}{seen}{expected}", self.id)
    }
}

/// kube-apiserver's answer to the credential.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum JudgementView {
    /// Accepted.
    Accepted {
        /// Always true.
        authenticated: bool,
        /// As whom.
        user: View,
    },
    /// Refused.
    #[serde(rename_all = "camelCase")]
    Refused {
        /// Always false.
        authenticated: bool,
        /// TokenReview's `status.error`.
        error: String,
        /// 401.
        http_status: u16,
    },
    /// It depends.
    Undecided {
        /// Always null.
        authenticated: (),
        /// On what.
        undecided: Vec<String>,
    },
}

/// Whether kube-apiserver starts with a configuration.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationView {
    /// It does.
    pub valid: bool,
    /// Its words why not.
    pub errors: Vec<String>,
    /// Where the fields stand that it names, as far as they stand in a file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<ConfigurationPlace>,
}

/// A field of a configuration file.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationPlace {
    /// Its path, such as `jwt[0].issuer.url`.
    pub field: String,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
}
