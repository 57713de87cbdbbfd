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

/// `url.Parse` and the check of the host in `parseSANExtension`.
///
/// Escapes, address literals and characters that Go writes otherwise than they were read are not judged.
pub(super) fn parse(text: &str) -> Result<Uri, ParseError> {
    let fault = |whole: &str, problem: &str| {
        ParseError::Go(format!("x509: cannot parse URI {}: parse {}: {problem}", quote(text), quote(whole)))
    };
    let before_fragment = text.split('#').next().unwrap_or_default();
    if before_fragment.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(fault(before_fragment, "net/url: invalid control character in URL"));
    }
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?@&=+$,;!*()'".contains(&byte);
    if !text.bytes().all(usual) {
        return Err(ParseError::Undecided(format!("kaccess does not read the URI {} as Go does", quote(text))));
    }
    let (scheme, rest) = scheme(text).map_err(|problem| fault(text, problem))?;
    let scheme = scheme.to_ascii_lowercase();
    let written = |scheme: &str, rest: &str| {
        if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}:{rest}") }
    };
    let path = rest.split('?').next().unwrap_or_default();
    if !path.starts_with('/') {
        if scheme.is_empty() && path.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err(fault(text, "first path segment in URL cannot contain colon"));
        }
        return Ok(Uri { host: String::new(), text: written(&scheme, rest) });
    }
    let has_authority = path.starts_with("//") && (!scheme.is_empty() || !path.starts_with("///"));
    if !has_authority {
        return Ok(Uri { host: String::new(), text: written(&scheme, rest) });
    }
    let authority = path[2..].split('/').next().unwrap_or_default();
    // Go drops an authority that is empty where nothing follows it.
    if authority.is_empty() && path == "//" {
        return Err(ParseError::Undecided(format!("kaccess does not read the URI {} as Go does", quote(text))));
    }
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.len() != authority.len() {
        return Err(ParseError::Undecided(format!("kaccess does not judge the user in the URI {}", quote(text))));
    }
    if let Some(first) = host.find(':') {
        let colon = if matches!(scheme.as_str(), "http" | "https") { first } else { host.rfind(':').unwrap_or(first) };
        let port = &host[colon..];
        if !port[1..].bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(fault(text, &format!("invalid port {} after host", quote(port))));
        }
    }
    if !host.is_empty() && !super::hostname::domain_name_valid(host, false) {
        return Err(ParseError::Go(format!("x509: cannot parse URI {}: invalid domain", quote(text))));
    }
    Ok(Uri { host: host.to_owned(), text: written(&scheme, rest) })
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
