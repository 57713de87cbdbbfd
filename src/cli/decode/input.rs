//! What was given: a token, a certificate, or a document that holds one; else the current context's credential.

use std::io::Read as _;

use base64::Engine as _;
use serde_json::Value;

use super::DecodeArgs;
use crate::cli::flags::ConnectionArgs;
use crate::cli::{Error, connect, hint_at_file, open_named};
use crate::collect::credential::{self as obtaining, ExecOptions};
use crate::collect::kubeconfig;
use crate::credential::certificate;
use crate::host::Host;
use crate::secret::{Scrubber, Secret};
use crate::text::{from_wide, nested_too_deep};

/// The largest input that is read, in bytes.
pub(super) const LIMIT: u64 = 4 * 1024 * 1024;

/// The longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 1024 * 1024;

/// A credential that was found in the input.
pub(super) enum Found {
    /// A token, and where it stood.
    Token(Secret, String),
    /// Certificates as PEM, leaf first, and where they stood.
    Certificates(String, String),
}

/// Finds the credential.
///
/// # Errors
/// When there is none, or a file cannot be read.
pub(super) fn find(
    host: &Host,
    connection: &ConnectionArgs,
    arguments: &DecodeArgs,
    scrubber: &Scrubber,
) -> Result<Found, Error> {
    let Some(given) = arguments.credential.as_deref() else { return current(host, connection, arguments, scrubber) };
    let mut bytes = Vec::new();
    let origin = if given == "-" {
        std::io::stdin().take(LIMIT + 1).read_to_end(&mut bytes)?;
        "stdin".to_owned()
    } else if let Some(path) = given.strip_prefix('@') {
        let file = open_named(path)?;
        file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|error| Error::plain(format!("{path}: {error}")))?;
        path.to_owned()
    } else {
        hint_at_file(given);
        bytes.extend_from_slice(given.as_bytes());
        "the argument".to_owned()
    };
    if bytes.len() as u64 > LIMIT {
        return Err(Error::new(
            format!("{origin} has more than {} MiB", LIMIT >> 20),
            "give a token, a certificate, or a file that holds one",
        ));
    }
    let text = String::from_utf8_lossy(&from_wide(&bytes)).into_owned();
    if text.trim().is_empty() {
        return Err(Error::new(format!("{origin} is empty"), "give a token, a certificate, or a file that holds one"));
    }
    match classify(&text, origin)? {
        Found::Token(secret, origin) if secret.expose().len() > LONGEST_TOKEN => Err(Error::new(
            format!("the token of {origin} has more than {} MiB", LONGEST_TOKEN >> 20),
            "no API server takes so long a header field; is it the right file?",
        )),
        found => Ok(found),
    }
}

/// Takes the credential out of what may be around it.
pub(super) fn classify(text: &str, origin: String) -> Result<Found, Error> {
    if text.contains("-----BEGIN CERTIFICATE-----") && !text.trim_start().starts_with('{') && !text.contains("kind:") {
        let (chain, errors) = certificate::facts_from_pem(text);
        if chain.is_empty() {
            let why = errors.first().cloned().unwrap_or_else(|| "no certificate".to_owned());
            return Err(Error::new(
                format!("{origin} holds no readable certificate: {why}"),
                "give PEM with a CERTIFICATE block",
            ));
        }
        return Ok(Found::Certificates(text.to_owned(), origin));
    }
    let structured = text.contains("apiVersion") && (text.trim_start().starts_with('{') || text.contains("kind:"));
    if !structured && let Some(error) = other_pem(text, &origin) {
        return Err(error);
    }
    let Some(document) =
        (structured && nested_too_deep(text).is_none()).then(|| serde_norway::from_str::<Value>(text).ok()).flatten()
    else {
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
            "a Secret needs data.token, an ExecCredential or TokenRequest status.token, a kubeconfig a user with token or certificate",
        )
    };
    match document.get("kind").and_then(Value::as_str) {
        Some("ExecCredential") => match (text_at("/status/token"), text_at("/status/clientCertificateData")) {
            (Some(token), _) => Ok(Found::Token(Secret::new(token), format!("ExecCredential in {origin}"))),
            (None, Some(pem)) => classify(&pem, format!("ExecCredential in {origin}")),
            _ => Err(nothing()),
        },
        // What `kubectl create token -o json` gives.
        Some("TokenRequest") => match text_at("/status/token") {
            Some(token) => Ok(Found::Token(Secret::new(token), format!("TokenRequest in {origin}"))),
            None => Err(nothing()),
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

/// What to give instead of PEM that is no certificate; nothing of what is in it is told.
fn other_pem(text: &str, origin: &str) -> Option<Error> {
    let label = text.lines().find_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))?;
    if label == "CERTIFICATE" {
        return None;
    }
    Some(if label.contains("PRIVATE KEY") {
        Error::new(
            format!("{origin} is a private key, which no server is shown"),
            "give the certificate that belongs to it, or a token",
        )
    } else if label.contains("CERTIFICATE REQUEST") {
        Error::new(
            format!("{origin} is a certificate request, which nobody has signed yet"),
            "give the signed certificate: kubectl get csr NAME -o jsonpath='{.status.certificate}' | base64 -d | kaccess decode -",
        )
    } else if label.contains("PUBLIC KEY") {
        Error::new(
            format!("{origin} is a public key, which verifies tokens and is none"),
            "give it as --service-account-key-file beside a token",
        )
    } else {
        Error::new(format!("{origin} is PEM, and no certificate"), "give PEM with a CERTIFICATE block, or a token")
    })
}

/// A word that is no token one has seen, and that may be a file's name without its `@`.
pub(super) fn like_a_file(word: &str) -> bool {
    const ENDINGS: [&str; 14] = [
        "conf",
        "config",
        "crt",
        "csr",
        "der",
        "json",
        "jwt",
        "kubeconfig",
        "key",
        "pem",
        "token",
        "txt",
        "yaml",
        "yml",
    ];
    let ending = word.rsplit_once('.').map(|(_, ending)| ending.to_lowercase());
    let path = ["/", "./", "../", "~"].iter().any(|lead| word.starts_with(lead));
    word.len() <= 255
        && !word.contains(char::is_whitespace)
        && (path || word.len() < 16 || ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())))
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
    let runtime = connect::runtime()?;
    let obtained = runtime.block_on(async {
        let options = ExecOptions { timeout: arguments.plugin_limit(), ..arguments.exec.options(host) };
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
