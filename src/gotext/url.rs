//! Go's `net/url`: how it takes a URL apart, and what it says of what is none.
//!
//! The rules are those of Go 1.26. Older ones take several colons in a host, and before 1.24.8 and 1.25.2 any text in
//! brackets.

use super::{quote, quote_bytes};

/// The parts of a URL that are asked for here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Url {
    /// In lower case; empty where there is none.
    pub scheme: String,
    /// A user name or a password stands before the host, if only an empty one.
    pub user: bool,
    /// The host with its port, escapes undone; empty where there is none.
    pub host: String,
    /// The path, as it is written.
    pub path: String,
    /// What stands behind the question mark, as it is written.
    pub query: String,
    /// Something stands behind the number sign.
    pub fragment: bool,
}

/// `url.Parse`.
///
/// # Errors
/// Go's text.
pub fn parse(text: &str) -> Result<Url, String> {
    let (start, fragment) = text.split_once('#').unwrap_or((text, ""));
    let failed = |shown: &str, why: &str| format!("parse {}: {why}", quote(shown));
    let mut url = without_fragment(start).map_err(|why| failed(start, &why))?;
    unescape(fragment.as_bytes(), Part::Path).map_err(|why| failed(text, &why))?;
    url.fragment = !fragment.is_empty();
    Ok(url)
}

fn without_fragment(text: &str) -> Result<Url, String> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let mut url = Url::default();
    if text == "*" {
        return Ok(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = scheme;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    url.query = query.to_owned();
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            return Ok(url);
        }
        if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let mut path = rest;
    if let Some(after) = rest.strip_prefix("//").filter(|_| !url.scheme.is_empty() || !rest.starts_with("///")) {
        let (host, behind) = after.split_at(after.find('/').unwrap_or(after.len()));
        let (user, host) = authority(&url.scheme, host)?;
        (url.user, url.host) = (user, String::from_utf8_lossy(&host).into_owned());
        path = behind;
    }
    unescape(path.as_bytes(), Part::Path)?;
    url.path = path.to_owned();
    Ok(url)
}

/// The scheme in lower case, and what follows its colon; without one, nothing and the whole text.
///
/// # Errors
/// Go's text.
pub fn scheme(text: &str) -> Result<(String, &str), String> {
    match text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))) {
        Some(0) if text.starts_with(':') => Err("missing protocol scheme".to_owned()),
        Some(end) if text[end..].starts_with(':') && text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Ok((text[..end].to_ascii_lowercase(), &text[end + 1..]))
        }
        _ => Ok((String::new(), text)),
    }
}

/// What stands between `//` and the path: whether there is a user, and the host with its port, escapes undone.
///
/// # Errors
/// Go's text.
pub fn authority(scheme: &str, text: &str) -> Result<(bool, Vec<u8>), String> {
    let (user, host) = text.rsplit_once('@').map_or((None, text), |(user, host)| (Some(user), host));
    let host = host_and_port(scheme, host)?;
    if let Some(user) = user {
        if !user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte)) {
            return Err("net/url: invalid userinfo".to_owned());
        }
        for part in user.splitn(2, ':') {
            unescape(part.as_bytes(), Part::Path)?;
        }
    }
    Ok((user.is_some(), host))
}

fn host_and_port(scheme: &str, text: &str) -> Result<Vec<u8>, String> {
    let literal = || "invalid IP-literal".to_owned();
    match text.rfind('[') {
        Some(0) => {
            let end = text.rfind(']').ok_or("missing ']' in host")?;
            let (name, port) = (&text[1..end], &text[end + 1..]);
            check_port(port)?;
            let address = match name.find("%25") {
                Some(zone) => {
                    let mut address = unescape(&name.as_bytes()[..zone], Part::Host)?;
                    address.extend(unescape(&name.as_bytes()[zone..], Part::Zone)?);
                    address
                }
                None => unescape(name.as_bytes(), Part::Host)?,
            };
            let invalid = |why: String| format!("invalid host: ParseAddr({}): {why}", quote_bytes(&address));
            if is_version_4(&address).map_err(invalid)? {
                return Err(literal());
            }
            Ok([b"[", address.as_slice(), b"]", port.as_bytes()].concat())
        }
        Some(_) => Err(literal()),
        None => {
            // Only http and https are strict about several colons.
            let strict = matches!(scheme, "http" | "https");
            let colon = if strict { text.find(':') } else { text.rfind(':') };
            if let Some(colon) = colon {
                check_port(&text[colon..])?;
            }
            unescape(text.as_bytes(), Part::Host)
        }
    }
}

fn check_port(text: &str) -> Result<(), String> {
    let digits = text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if text.is_empty() || digits { Ok(()) } else { Err(format!("invalid port {} after host", quote(text))) }
}

/// Where a text stands: it decides what may be written there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Path, fragment, user and password: every escape is fine.
    Path,
    Host,
    /// The zone of an IPv6 address, `%25eth0`.
    Zone,
}

/// `url.PathUnescape`.
///
/// # Errors
/// Go's text.
pub fn path_unescape(text: &str) -> Result<Vec<u8>, String> {
    unescape(text.as_bytes(), Part::Path)
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            if part != Part::Path && byte.is_ascii() && !is_of_host(byte) {
                return Err(format!("invalid character {} in host name", quote_bytes(&[byte])));
            }
            bytes.push(byte);
            rest = after;
            continue;
        }
        let escape = &rest[..rest.len().min(3)];
        let digit = |at: usize| escape.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        let value = digit(1).zip(digit(2)).map(|(high, low)| (high * 16 + low) as u8).filter(|value| match part {
            Part::Path => true,
            // Escapes are for what is no ASCII.
            Part::Host => !value.is_ascii() || *value == b'%',
            Part::Zone => matches!(value, b'%' | b' ') || is_of_host(*value),
        });
        let Some(value) = value else { return Err(format!("invalid URL escape {}", quote_bytes(escape))) };
        bytes.push(value);
        rest = &rest[escape.len()..];
    }
    Ok(bytes)
}

/// A byte of ASCII that may stand in a host as it is.
fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"#/?@\\^`{|}%".contains(&byte)
}

/// `netip.ParseAddr`: whether it is one of IPv4; else it is one of IPv6.
fn is_version_4(text: &[u8]) -> Result<bool, String> {
    match text.iter().find(|byte| b".:%".contains(byte)) {
        Some(b'.') => version_4(text).map(|()| true),
        Some(b':') => version_6(text).map(|()| false),
        Some(_) => Err("missing IPv6 address".to_owned()),
        None => Err("unable to parse IP".to_owned()),
    }
}

fn at(why: &str, place: &[u8]) -> String {
    format!("{why} (at {})", quote_bytes(place))
}

fn version_4(text: &[u8]) -> Result<(), String> {
    let (mut value, mut digits, mut dots) = (0_u32, 0, 0);
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return Err("IPv4 field has octet with leading zero".to_owned());
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return Err("IPv4 field has value >255".to_owned());
                }
            }
            b'.' if digits == 0 || index + 1 == text.len() => {
                return Err(at("IPv4 field must have at least one digit", &text[index..]));
            }
            b'.' if dots == 3 => return Err("IPv4 address too long".to_owned()),
            b'.' => (value, digits, dots) = (0, 0, dots + 1),
            _ => return Err(at("unexpected character", &text[index..])),
        }
    }
    if dots < 3 { Err("IPv4 address too short".to_owned()) } else { Ok(()) }
}

fn version_6(text: &[u8]) -> Result<(), String> {
    let mut rest = text;
    if let Some(percent) = text.iter().position(|byte| *byte == b'%') {
        rest = &text[..percent];
        if percent + 1 == text.len() {
            return Err("zone must be a non-empty string".to_owned());
        }
    }
    let (mut fields, mut gap) = (0, false);
    if let Some(after) = rest.strip_prefix(b"::") {
        (rest, gap) = (after, true);
        if rest.is_empty() {
            return Ok(());
        }
    }
    while fields < 8 {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        match digits {
            0 => return Err(at("each colon-separated field must have at least one digit", rest)),
            1..=4 => {}
            _ => return Err(at("each group must have 4 or less digits", rest)),
        }
        if rest.get(digits) == Some(&b'.') {
            if !gap && fields != 6 {
                return Err(at("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if fields > 6 {
                return Err(at("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            version_4(rest)?;
            fields += 2;
            rest = b"";
            break;
        }
        fields += 1;
        rest = &rest[digits..];
        rest = match rest {
            [] => break,
            [b':'] => return Err(at("colon must be followed by more characters", rest)),
            [b':', after @ ..] => after,
            _ => return Err(at("unexpected character, want colon", rest)),
        };
        if let Some(after) = rest.strip_prefix(b":") {
            if gap {
                return Err(at("multiple :: in address", rest));
            }
            (rest, gap) = (after, true);
            if rest.is_empty() {
                break;
            }
        }
    }
    if !rest.is_empty() {
        return Err(at("trailing garbage after address", rest));
    }
    match (fields < 8, gap) {
        (true, false) => Err("address string too short".to_owned()),
        (false, true) => Err("the :: must expand to at least one field of zeros".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go 1.26 says; nothing where it takes the URL.
    const SAID: &[(&str, &str)] = &[
        ("https://h /x", "invalid character \" \" in host name"),
        ("https://h\\x/y", "invalid character \"\\\\\" in host name"),
        ("https://h<x>/y", ""),
        ("https://h/%zz", "invalid URL escape \"%zz\""),
        ("https://h/%", "invalid URL escape \"%\""),
        ("https://h/%4", "invalid URL escape \"%4\""),
        ("https://h%41.test/", "invalid URL escape \"%41\""),
        ("https://h%c3%a9.test/", ""),
        ("https://é/", ""),
        ("https://%25/", ""),
        ("https://h%/", "invalid URL escape \"%\""),
        ("https://h:/x", ""),
        ("https://h:abc/x", "invalid port \":abc\" after host"),
        ("https://h:%31/", "invalid port \":%31\" after host"),
        ("https://h:1:2/x", "invalid port \":1:2\" after host"),
        ("https://::1/", "invalid port \"::1\" after host"),
        ("ftp://h:1:2/x", ""),
        ("https://[::1", "missing ']' in host"),
        ("https://[::1]:443/x", ""),
        ("https://[::1]x/", "invalid port \"x\" after host"),
        ("https://[::1]:x/", "invalid port \":x\" after host"),
        ("https://a[::1]/", "invalid IP-literal"),
        ("https://[1.2.3.4]/", "invalid IP-literal"),
        ("https://[::ffff:1.2.3.4]/", ""),
        ("https://h]/", ""),
        ("https://[fe80::1%25eth0]/x", ""),
        ("https://[fe80::1%25e%20]/", ""),
        ("https://[fe80::1%25%zz]/", "invalid URL escape \"%zz\""),
        ("https://[::1%25]/", "invalid host: ParseAddr(\"::1%\"): zone must be a non-empty string"),
        ("https://[::1%zz]/", "invalid URL escape \"%zz\""),
        ("https://[]/", "invalid host: ParseAddr(\"\"): unable to parse IP"),
        ("https://[zz]/", "invalid host: ParseAddr(\"zz\"): unable to parse IP"),
        ("https://[%c3%a9]/", "invalid host: ParseAddr(\"é\"): unable to parse IP"),
        ("https://[::1]]/", "invalid host: ParseAddr(\"::1]\"): unexpected character, want colon (at \"]\")"),
        (
            "https://[::g]/",
            "invalid host: ParseAddr(\"::g\"): each colon-separated field must have at least one digit (at \"g\")",
        ),
        ("https://[1::2::3]/", "invalid host: ParseAddr(\"1::2::3\"): multiple :: in address (at \":3\")"),
        (
            "https://[12345::1]/",
            "invalid host: ParseAddr(\"12345::1\"): each group must have 4 or less digits (at \"12345::1\")",
        ),
        (
            "https://[1:2:3:4:5:6:7:8:9]/",
            "invalid host: ParseAddr(\"1:2:3:4:5:6:7:8:9\"): trailing garbage after address (at \"9\")",
        ),
        ("https://[1:2]/", "invalid host: ParseAddr(\"1:2\"): address string too short"),
        ("https://u ser@h/", "net/url: invalid userinfo"),
        ("https://u%zz@h/", "invalid URL escape \"%zz\""),
        ("https://u:p%zz@h/", "invalid URL escape \"%zz\""),
        ("https://a@b@h/", ""),
        ("https://h/x#%zz", "invalid URL escape \"%zz\""),
        ("https://h/x?%zz", ""),
        ("https://h\u{7f}/", "net/url: invalid control character in URL"),
        ("://x", "missing protocol scheme"),
        ("1https://x", "first path segment in URL cannot contain colon"),
        ("ht tp://x", "first path segment in URL cannot contain colon"),
        ("a/b:c", ""),
        ("/a:b", ""),
        ("*", ""),
        ("mailto:a b", ""),
        ("", ""),
    ];

    #[test]
    fn go_says_the_same() {
        for (text, expected) in SAID {
            let said = parse(text).err().unwrap_or_default();
            let expected =
                if expected.is_empty() { String::new() } else { format!("parse {}: {expected}", quote(text)) };
            assert_eq!(said, expected, "{text}");
        }
        // The fragment is no part of what is complained about, unless it is what is wrong.
        let said = parse("https://h\u{1}/#a").unwrap_err();
        assert_eq!(said, "parse \"https://h\\x01/\": net/url: invalid control character in URL");
    }

    #[test]
    fn parts_are_found() {
        let url = |scheme: &str, user, host: &str, path: &str, query: &str, fragment| Url {
            scheme: scheme.to_owned(),
            user,
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            fragment,
        };
        for (text, expected) in [
            ("HTTPS://u:p@h?x#y", url("https", true, "h", "", "x", true)),
            ("https://@h/", url("https", true, "h", "/", "", false)),
            ("https://h?x#", url("https", false, "h", "", "x", false)),
            ("https://h/a@b?", url("https", false, "h", "/a@b", "", false)),
            ("https:h@x", url("https", false, "", "", "", false)),
            ("h:1/x", url("h", false, "", "", "", false)),
            ("//u@h/x", url("", true, "h", "/x", "", false)),
            ("///u@h/x", url("", false, "", "///u@h/x", "", false)),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }
}
