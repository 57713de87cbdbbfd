//! The ExecCredential that a plugin prints, decoded as client-go decodes it and refused in its words.

use super::{GROUP, PluginOutput};
use crate::collect::key_pair::{self, KeyPairFault};
use crate::collect::kubeconfig::version_and_kind;
use crate::collect::yaml::{self, Node, Reader, Value};
use crate::secret::{Scrubber, Secret};

/// Decodes a plugin's standard output as client-go does for an API version (`v1`, `v1beta1`).
///
/// # Errors
/// In client-go's words; quotes nothing of the output.
pub fn exec_credential(bytes: &[u8], version: &str, scrubber: &Scrubber) -> Result<PluginOutput, String> {
    let node = parse(bytes, scrubber)?;
    // Learn before judging: output that kubectl refuses may hold a token all the same.
    let status = node.get("status");
    for field in ["token", "clientKeyData"] {
        if let Some(Value::Text(text)) = status.and_then(|status| status.get(field)).map(|node| &node.value) {
            scrubber.learn(text);
        }
    }
    if !matches!(node.value, Value::Map(_)) {
        learn_anything(bytes, scrubber);
    }

    let (api_version, kind) = version_and_kind(&node).map_err(|(text, _)| format!("decoding stdout: {text}"))?;
    let got = version_got(&api_version, &kind)?;
    let (mut output, has_status) = typed(&node, version).map_err(|text| format!("decoding stdout: {text}"))?;
    let wanted = format!("{GROUP}/{version}");
    if got != wanted {
        return Err(format!("exec plugin is configured to use API version {wanted}, plugin returned version {got}"));
    }
    if !has_status {
        return Err("exec plugin didn't return a status field".to_owned());
    }
    check_pair(&mut output)?;
    Ok(output)
}

/// The output as JSON where it begins so, else as YAML.
fn parse(bytes: &[u8], scrubber: &Scrubber) -> Result<Node, String> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    if bytes.get(start) == Some(&b'{') {
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
            learn_anything(bytes, scrubber);
            let words = match error.classify() {
                serde_json::error::Category::Eof => "unexpected end of JSON input".to_owned(),
                _ if error.to_string().starts_with("trailing characters") => {
                    "invalid character after top-level value".to_owned()
                }
                _ => format!("invalid character at line {} column {}", error.line(), error.column()),
            };
            format!("decoding stdout: couldn't get version/kind; json parse error: {words}")
        })?;
        Ok(yaml::from_json(&value))
    } else {
        yaml::parse(bytes).map_err(|error| {
            learn_anything(bytes, scrubber);
            format!("decoding stdout: {}", error.text)
        })
    }
}

/// The version that client-go takes it for.
fn version_got(api_version: &str, kind: &str) -> Result<String, String> {
    // A missing version decodes into the internal type; a missing kind is taken from what is expected.
    if api_version.is_empty() {
        return Ok(format!("{GROUP}/__internal"));
    }
    let known =
        kind == "ExecCredential" && ["v1", "v1beta1"].iter().any(|version| api_version == format!("{GROUP}/{version}"));
    if !kind.is_empty() && !known {
        return Err(format!(
            "decoding stdout: no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/client/auth/exec/exec.go:62\""
        ));
    }
    Ok(api_version.to_owned())
}

/// A token, or a certificate with its key.
fn check_pair(output: &mut PluginOutput) -> Result<(), String> {
    match (&output.token, &output.certificate, &output.key) {
        (None, None, None) => return Err("exec plugin didn't return a token or cert/key pair".to_owned()),
        (_, Some(_), None) | (_, None, Some(_)) => {
            return Err("exec plugin returned only certificate or key, not both".to_owned());
        }
        (_, Some(certificate), Some(key)) => match key_pair::pair(certificate, key.expose()) {
            Ok(identity) => {
                output.certificate = Some(identity.chain_pem);
                output.key = Some(identity.key_pem);
            }
            Err(KeyPairFault::Mismatch) => {
                let words = "tls: private key does not match public key";
                return Err(format!("failed parsing client key/certificate: {words}"));
            }
            Err(KeyPairFault::Words(words)) => return Err(format!("failed parsing client key/certificate: {words}")),
        },
        (Some(_), None, None) => {}
    }
    Ok(())
}

/// The fields of an ExecCredential, and whether it has a status.
fn typed(node: &Node, version: &str) -> Result<(PluginOutput, bool), String> {
    let mut reader = Reader::default();
    let mut output = PluginOutput::default();
    let Some(status) = node.get("status").filter(|status| !matches!(status.value, Value::Null)) else {
        return Ok((output, false));
    };
    let mut bad_time = None;
    const OWNER: &str = "ExecCredentialStatus";
    for (key, node) in reader.fields(status, "ExecCredential", "status", &format!("{version}.{OWNER}")) {
        let path = format!("status.{key}");
        match key {
            "token" => output.token = filled(reader.text(node, OWNER, &path)).map(Secret::new),
            "clientCertificateData" => output.certificate = filled(reader.text(node, OWNER, &path)),
            "clientKeyData" => output.key = filled(reader.text(node, OWNER, &path)).map(Secret::new),
            "expirationTimestamp" => {
                let text = reader.text(node, OWNER, &path);
                match text.parse() {
                    Ok(time) => output.expiration = Some(time),
                    Err(_) if text.is_empty() => {}
                    Err(_) => {
                        bad_time =
                            Some("parsing time as \"2006-01-02T15:04:05Z07:00\": cannot parse expirationTimestamp")
                    }
                }
            }
            _ => {}
        }
    }
    match (reader.fault(), bad_time) {
        (Some((text, _)), _) => Err(text),
        (None, Some(text)) => Err(text.to_owned()),
        (None, None) => Ok((output, true)),
    }
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Output of another form may be a bare token: every long word of it is kept out of stderr and errors.
fn learn_anything(bytes: &[u8], scrubber: &Scrubber) {
    let text = String::from_utf8_lossy(bytes);
    for word in text
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '{' | '}' | '<' | '>' | '(' | ')' | ';'))
        .filter(|word| word.len() >= 20 || word.len() >= 12 && word.bytes().any(|byte| byte.is_ascii_digit()))
        .take(20)
    {
        scrubber.learn(word);
    }
}
