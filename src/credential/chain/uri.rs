//! URIs of certificates as far as Go's net/url decides over a certificate with them.

use super::ParseError;
use crate::gotext::quote;

/// What name constraints look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uri {
    /// With port, as written; empty without authority.
    pub(super) host: String,
    /// As Go prints it again.
    pub(super) text: String,
}

/// What is left alone between reading and writing.
fn usual(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?@&=+$,;!*()'".contains(&byte)
}

/// `url.Parse` and the check of the host in `parseSANExtension`.
///
/// Escapes, users, address literals and characters that Go writes otherwise than they were read are not judged.
pub(super) fn parse(whole: &str) -> Result<Uri, ParseError> {
    let (text, fragment) = whole.split_once('#').unwrap_or((whole, ""));
    let fault = |problem: &str| {
        Err(ParseError::Go(format!("x509: cannot parse URI {}: parse {}: {problem}", quote(whole), quote(text))))
    };
    let undecided = || Err(ParseError::Undecided(format!("kaccess does not read the URI {} as Go does", quote(whole))));
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return fault("net/url: invalid control character in URL");
    }
    let (scheme, rest) = match scheme(text) {
        Ok(parts) => parts,
        Err(problem) => return fault(problem),
    };
    let scheme = scheme.to_ascii_lowercase();
    let path = rest.split('?').next().unwrap_or_default();
    if scheme.is_empty() && !path.starts_with('/') && path.split('/').next().is_some_and(|part| part.contains(':')) {
        return fault("first path segment in URL cannot contain colon");
    }
    let has_authority = path.starts_with("//") && (!scheme.is_empty() || !path.starts_with("///"));
    let host = if has_authority { path[2..].split('/').next().unwrap_or_default() } else { "" };
    if host.contains(['%', '[', ']', '@']) {
        return undecided();
    }
    if let Some(first) = host.find(':') {
        let colon = if matches!(scheme.as_str(), "http" | "https") { first } else { host.rfind(':').unwrap_or(first) };
        let port = &host[colon..];
        if !port[1..].bytes().all(|byte| byte.is_ascii_digit()) {
            return fault(&format!("invalid port {} after host", quote(port)));
        }
    }
    if let Some(odd) = host.chars().find(|&c| matches!(c, ' ' | '\\' | '^' | '`' | '{' | '|' | '}')) {
        return fault(&format!("invalid character {} in host name", quote(&odd.to_string())));
    }
    if !text.bytes().chain(fragment.bytes()).all(usual) {
        return undecided();
    }
    if !super::hostname::domain_name_valid(host, false) {
        return Err(ParseError::Go(format!("x509: cannot parse URI {}: invalid domain", quote(whole))));
    }
    let mut written = if scheme.is_empty() { String::new() } else { format!("{scheme}:") };
    // Go drops the slashes in front of nothing.
    written.push_str(if has_authority && path == "//" { &rest[2..] } else { rest });
    if !fragment.is_empty() {
        written.push('#');
        written.push_str(fragment);
    }
    Ok(Uri { host: host.to_owned(), text: written })
}

fn scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme"),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}
