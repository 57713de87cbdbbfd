//! The credential that would be sent: its facts, never itself.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tls::CertificateFacts;

/// Where a credential came from and what it says.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Credential {
    /// What it was taken from.
    pub source: CredentialSource,
    /// That in words: `user "alice" in /home/a/.kube/config`.
    pub origin: String,
    /// The bearer token's facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenFacts>,
    /// The client certificate and the intermediates sent with it, leaf first.
    pub certificates: Vec<CertificateFacts>,
    /// Expiry that the plugin announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced_expiry: Option<Timestamp>,
    /// Why the client certificate could not be used by our TLS library, if it could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_error: Option<String>,
}

impl Credential {
    /// There is one to send.
    pub fn is_there(&self) -> bool {
        self.source != CredentialSource::None
    }
}

/// How a failure names the program that stands before the first blank of a plugin's command.
pub const A_PROGRAM: &str = "a program ";
/// How a failure names what the first line of a plugin's file wants to be run by.
pub const AN_INTERPRETER: &str = "the interpreter ";
/// What was there where that line ends as Windows writes lines.
pub const CARRIAGE_RETURN: &str = "a carriage return behind its name";

/// What a credential was taken from. Its text is the evidence's spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CredentialSource {
    /// `token` of the user entry, or the ID token of an oidc auth-provider.
    Token,
    /// `tokenFile` of the user entry.
    TokenFile,
    /// A client certificate, of the user entry or the flags.
    ClientCertificate,
    /// The credential plugin.
    Exec,
    /// A Pod's service account.
    InCluster,
    /// `--token`.
    Flag,
    /// User name and password, of the user entry or the server URL.
    Basic,
    /// The command's own argument.
    Argument,
    /// There is no credential.
    #[default]
    None,
    /// A word that this version does not write.
    #[serde(untagged)]
    Other(String),
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(formatter)
    }
}

/// A credential's origin, or its beginning, where it is the server URL's userinfo.
pub const OF_URL: &str = "the server URL's user name and password";

/// What kind of bearer token it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// A signed JWT of some issuer.
    Jwt,
    /// A Kubernetes service account's JWT.
    ServiceAccount,
    /// `k8s-aws-v1.` and a presigned STS URL.
    EksIam,
    /// A bootstrap token.
    Bootstrap,
    /// An encrypted JWT (five parts).
    Jwe,
    /// Something whose content cannot be known.
    #[default]
    Opaque,
}

/// Everything a token says, parsed once. The signature and the token itself are not kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenFacts {
    /// The kind.
    pub kind: TokenKind,
    /// Length in bytes.
    pub length: usize,
    /// The JOSE header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<serde_json::Value>,
    /// The claims. For an EKS IAM token: the presigned URL's parameters without signature and session token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<serde_json::Value>,
    /// Claims that are there again further on, which is what counts; Go still checks the type of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<(String, serde_json::Value)>,
    /// What is wrong with its form.
    pub problems: Vec<TokenProblem>,
}

impl TokenFacts {
    /// A claim that is a time, as whoever judges this kind of token reads it; `None` also outside the years that can be
    /// shown (-9999 to 9999).
    pub fn time(&self, claim: &str) -> Option<Timestamp> {
        let value = self.claims.as_ref()?.get(claim)?;
        match (self.kind, value) {
            // Those of a presigned URL are written out when it is parsed.
            (TokenKind::EksIam, Value::String(text)) => text.parse().ok(),
            // go-jose refuses a quoted number, which go-oidc takes.
            (TokenKind::ServiceAccount, Value::String(_)) => None,
            _ => epoch(value),
        }
    }

    /// Its three times.
    pub fn times(&self) -> Times {
        if self.kind == TokenKind::EksIam {
            return Times { issued_at: self.time("date"), not_before: None, expires_at: self.time("expires") };
        }
        Times { issued_at: self.time("iat"), not_before: self.time("nbf"), expires_at: self.time("exp") }
    }
}

/// A token's three times, where it tells them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// `iat`, or an EKS IAM token's X-Amz-Date.
    pub issued_at: Option<Timestamp>,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `exp`, or 15 minutes after X-Amz-Date.
    pub expires_at: Option<Timestamp>,
}

/// A NumericDate as a time: seconds, fractions cut off, quoted numbers taken as go-oidc takes them.
///
/// `None` for other types and for times outside the years that can be shown (-9999 to 9999).
pub fn epoch(value: &Value) -> Option<Timestamp> {
    let number = match value {
        Value::Number(number) => number.clone(),
        // As JSON writes numbers, and with nothing around it.
        Value::String(text) if text.trim() == text => serde_json::from_str::<serde_json::Number>(text).ok()?,
        _ => return None,
    };
    let seconds = match number.as_i64() {
        Some(seconds) => seconds,
        // Beyond any time that can be shown the cast would not be exact.
        None => number.as_f64().filter(|seconds| seconds.abs() < 1e15)? as i64,
    };
    Timestamp::from_second(seconds).ok()
}

/// A fault in a token's form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TokenProblem {
    /// `token`, `header`, `payload` or `signature`; of a certificate `certificate`.
    pub part: String,
    /// What is wrong, without quoting the token.
    pub detail: String,
    /// Byte offset inside the part, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
}

impl TokenProblem {
    /// How the detail begins when a JWT has not exactly three parts: no authenticator looks at it then.
    pub const NOT_THREE_PARTS: &str = "a JWT has 3 parts, this has";
    /// How the detail begins when the first letter is a brace: no authenticator takes that for a JWT.
    pub const BEGINS_WITH_BRACE: &str = "begins with {";
    /// How the detail begins when white space stands inside.
    pub const WHITE_SPACE_INSIDE: &str = "white space inside";
    /// How the detail begins when white space stands at the edge, where it is taken off.
    pub const WHITE_SPACE_AROUND: &str = "begins or ends with";
    /// How the detail begins when a control character stands inside, which no header field may hold.
    pub const CONTROL: &str = "holds the control character";
    /// How the detail begins when the header's name is part of the token.
    pub const HEADER_NAME: &str = "begins with the header's name";
    /// How the detail begins when the scheme is part of the token.
    pub const SCHEME: &str = "begins with the scheme";
    /// How the detail begins when it is written with two bytes a letter.
    pub const UTF_16: &str = "is written in UTF-16";
    /// How the detail begins when an EKS IAM token is longer than the authenticator takes.
    pub const IAM_TOO_LARGE: &str = "token is too large";
    /// How the detail begins when an EKS IAM token's URL holds a parameter that the authenticator does not know.
    pub const IAM_PARAMETER: &str = "non-whitelisted query parameter";
    /// How the detail begins when an EKS IAM token's URL is for a host that is no STS endpoint.
    pub const IAM_HOST: &str = "unexpected hostname";
    /// How the detail begins when JSON is nested too deep to be read.
    pub const TOO_DEEP: &str = "nested deeper than";
}

/// One run of a credential plugin.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PluginRun {
    /// The program that was run.
    pub program: String,
    /// Its arguments, scrubbed.
    pub args: Vec<String>,
    /// Exit code; absent when a signal or the time limit ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What ended it where there is no exit code; absent with one, and in files of older versions. Readers ask
    /// [`PluginRun::ended_by`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedBy>,
    /// Scrubbed stderr, at most 8 KiB, the end is kept.
    pub stderr: String,
    /// What is wrong with its output, in client-go's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_error: Option<String>,
}

/// What ended a plugin that left no exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EndedBy {
    /// A signal of somebody else's.
    Signal,
    /// kaccess, at the time limit.
    Limit,
    /// What `output_error` says: kaccess read no more of its output, or could not wait for it. Also a word of a later
    /// version.
    #[serde(other)]
    Other,
}

impl PluginRun {
    /// What ended it, where it left no exit code. Files of older versions have only the words of `output_error` for
    /// that, and this is the one place where they are read.
    pub fn ended_by(&self) -> Option<EndedBy> {
        if self.exit_code.is_some() {
            return None;
        }
        Some(self.ended.unwrap_or_else(|| match self.output_error.as_deref() {
            Some(error) if error.contains("did not end within") => EndedBy::Limit,
            Some(error) if !error.ends_with("exit code -1") => EndedBy::Other,
            _ => EndedBy::Signal,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(exit_code: Option<i32>, ended: Option<EndedBy>, error: Option<&str>) -> PluginRun {
        PluginRun { exit_code, ended, output_error: error.map(str::to_owned), ..PluginRun::default() }
    }

    #[test]
    fn older_files_tell_by_their_words_what_ended_a_plugin() {
        for (error, by) in [
            (Some("exec: executable x did not end within 1 s and was killed"), EndedBy::Limit),
            (Some("exec: executable x failed with exit code -1"), EndedBy::Signal),
            (Some("decoding stdout: larger than 1048576 bytes, not read"), EndedBy::Other),
            (None, EndedBy::Signal),
        ] {
            assert_eq!(run(None, None, error).ended_by(), Some(by), "{error:?}");
        }
        assert_eq!(run(Some(1), None, Some("did not end within")).ended_by(), None);
        assert_eq!(run(None, Some(EndedBy::Signal), Some("did not end within")).ended_by(), Some(EndedBy::Signal));
    }

    #[test]
    fn sources_keep_their_words() {
        for (word, source) in [
            ("tokenFile", CredentialSource::TokenFile),
            ("inCluster", CredentialSource::InCluster),
            ("none", CredentialSource::None),
            ("keychain", CredentialSource::Other("keychain".to_owned())),
        ] {
            let read: CredentialSource = serde_json::from_value(word.into()).unwrap();
            assert_eq!((read.to_string().as_str(), &read), (word, &source));
            assert_eq!(serde_json::to_value(&read).unwrap(), word);
        }
    }

    fn token(kind: TokenKind, claims: Value) -> TokenFacts {
        TokenFacts { kind, claims: Some(claims), ..TokenFacts::default() }
    }

    #[test]
    fn times_are_read_as_the_api_server_reads_them() {
        let read = |kind, value: Value| {
            let facts = token(kind, serde_json::json!({ "exp": value }));
            assert_eq!(facts.time("exp"), facts.times().expires_at, "{value}");
            facts.times().expires_at.map(Timestamp::as_second)
        };
        for (value, seconds) in [
            (serde_json::json!(1_700_000_000), Some(1_700_000_000)),
            (serde_json::json!(1_700_000_000.9), Some(1_700_000_000)),
            (serde_json::json!(1.7e9), Some(1_700_000_000)),
            (serde_json::json!(-1.5), Some(-1)),
            // Milliseconds: a year that cannot be shown.
            (serde_json::json!(1_700_000_000_000_i64), None),
            (serde_json::json!(1e300), None),
            (serde_json::json!("tomorrow"), None),
            (serde_json::json!("+5"), None),
            (serde_json::json!(" 5"), None),
            (serde_json::json!(""), None),
            (serde_json::json!("inf"), None),
            (serde_json::json!("2026-11-23T06:36:53Z"), None),
            (serde_json::json!([5]), None),
            (Value::Null, None),
        ] {
            assert_eq!(read(TokenKind::Jwt, value.clone()), seconds, "{value}");
            assert_eq!(read(TokenKind::ServiceAccount, value.clone()), seconds, "{value}");
        }
        for value in ["1700000000", "1.7e9", "1700000000.5"] {
            assert_eq!(read(TokenKind::Jwt, value.into()), Some(1_700_000_000), "{value}");
            assert_eq!(read(TokenKind::ServiceAccount, value.into()), None, "{value}");
        }
    }

    #[test]
    fn an_iam_token_has_times_too() {
        let claims = serde_json::json!({ "date": "2026-11-23T06:21:53Z", "expires": "2026-11-23T06:36:53Z", "iat": 1 });
        let written = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let times = token(TokenKind::EksIam, claims).times();
        assert_eq!(written(times.issued_at).as_deref(), Some("2026-11-23T06:21:53Z"));
        assert_eq!((times.not_before, written(times.expires_at).as_deref()), (None, Some("2026-11-23T06:36:53Z")));
        // One that was cut tells none.
        let cut = serde_json::json!({ "date": null, "expires": null });
        assert_eq!(token(TokenKind::EksIam, cut).times(), Times::default());
        assert_eq!(TokenFacts::default().times(), Times::default());
    }

    #[test]
    fn a_word_of_a_later_version_can_be_read() {
        let read = |word: &str| serde_json::from_value::<EndedBy>(word.into()).ok();
        assert_eq!((read("limit"), read("memory")), (Some(EndedBy::Limit), Some(EndedBy::Other)));
    }
}
