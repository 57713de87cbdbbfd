//! How a request brings a bearer token: the Authorization header, or a websocket's subprotocol.
//!
//! k8s.io/apiserver pkg/authentication/request/bearertoken and .../request/websocket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Headers as the server has them: name and value, in order.
pub type Headers = [(String, String)];

/// What the Authorization header brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Nothing that this server takes for a credential: the next authenticator is asked.
    Nothing {
        /// The server warns about a second space after `Bearer`.
        extra_space: bool,
    },
    /// A token.
    Token(String),
}

/// What a websocket's subprotocols bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subprotocol {
    /// It is no websocket request, or names no token.
    Nothing,
    /// The server refuses the list of protocols, with this error.
    Error(&'static str),
    /// A token.
    Token(String),
}

/// The headers as a request over HTTP/1 hands them to the server: blanks and tabs around a value are no part of it
/// (RFC 9112 §5.1). Over HTTP/2 nothing is cut off, and Go's server takes a value as it comes.
pub fn over_http1(headers: &Headers) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.clone(), value.trim_matches([' ', '\t']).to_owned())).collect()
}

/// The first value of a header; Go's `Header.Get`.
pub(super) fn first<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// All values of a header, in order.
pub(super) fn all<'a>(headers: &'a Headers, name: &str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Reads the Authorization header as kube-apiserver does: only the first one counts, the scheme in any case, and what
/// stands behind the token is ignored.
pub fn authorization(headers: &Headers) -> Authorization {
    let value = first(headers, "Authorization").unwrap_or_default().trim();
    let mut parts = value.splitn(3, ' ');
    let scheme = parts.next().unwrap_or_default();
    let (Some(token), rest) = (parts.next(), parts.next()) else {
        return Authorization::Nothing { extra_space: false };
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Authorization::Nothing { extra_space: false };
    }
    if token.is_empty() {
        return Authorization::Nothing { extra_space: rest.is_some() };
    }
    Authorization::Token(token.to_owned())
}

/// Reads a websocket's subprotocols as kube-apiserver does.
pub fn subprotocol(headers: &Headers) -> Subprotocol {
    const PREFIX: &str = "base64url.bearer.authorization.k8s.io.";
    if !is_websocket(headers) {
        return Subprotocol::Nothing;
    }
    let (mut token, mut others) = (None, false);
    for protocol in all(headers, "Sec-WebSocket-Protocol").flat_map(|value| value.split(',')).map(str::trim) {
        let Some(encoded) = protocol.strip_prefix(PREFIX) else {
            others = true;
            continue;
        };
        if token.is_some() {
            return Subprotocol::Error("multiple base64.bearer.authorization tokens specified");
        }
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(encoded) else {
            return Subprotocol::Error("invalid base64.bearer.authorization token encoding");
        };
        let Ok(text) = String::from_utf8(bytes) else {
            return Subprotocol::Error("invalid base64.bearer.authorization token");
        };
        token = Some(text);
    }
    match token {
        None => Subprotocol::Nothing,
        Some(token) if token.is_empty() => Subprotocol::Nothing,
        Some(_) if !others => Subprotocol::Error("missing additional subprotocol"),
        Some(token) => Subprotocol::Token(token),
    }
}

fn is_websocket(headers: &Headers) -> bool {
    let upgrade = first(headers, "Upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket"));
    // The server looks for the word anywhere in every Connection header.
    upgrade && all(headers, "Connection").any(|value| value.to_ascii_lowercase().contains("upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn read(value: &str) -> Authorization {
        authorization(&headers(&[("authorization", value)]))
    }

    #[test]
    fn the_header_is_read_as_the_server_reads_it() {
        let token = |text: &str| Authorization::Token(text.to_owned());
        let nothing = |extra_space| Authorization::Nothing { extra_space };
        assert_eq!(read("Bearer abc"), token("abc"));
        assert_eq!(read("  bEARER abc x y  "), token("abc"));
        assert_eq!(read("Bearer  abc"), nothing(true));
        assert_eq!(read("Bearer   abc"), nothing(true));
        for other in ["", "Bearer", "Bearer ", "Basic abc", "Bearer: abc", "abc", "Bearer\tabc", "Token abc"] {
            assert_eq!(read(other), nothing(false), "{other:?}");
        }
        let two = headers(&[("Authorization", "Basic x"), ("Authorization", "Bearer abc")]);
        assert_eq!(authorization(&two), nothing(false));
    }

    #[test]
    fn http1_cuts_blanks_off_a_value() {
        let given = headers(&[("X-Remote-User", " \talice b\t"), ("X-Remote-Group", " "), ("x", "a\u{a0}")]);
        let seen = headers(&[("X-Remote-User", "alice b"), ("X-Remote-Group", ""), ("x", "a\u{a0}")]);
        assert_eq!(over_http1(&given), seen);
    }

    #[test]
    fn subprotocols_are_read_as_the_server_reads_them() {
        let read = |protocols: &[&str]| {
            let mut list = headers(&[("Upgrade", "WebSocket"), ("Connection", "keep-alive, Upgrade")]);
            list.extend(headers(&protocols.iter().map(|value| ("Sec-WebSocket-Protocol", *value)).collect::<Vec<_>>()));
            subprotocol(&list)
        };
        let token = format!("base64url.bearer.authorization.k8s.io.{}", URL_SAFE_NO_PAD.encode("abc"));
        assert_eq!(read(&[&token, "v5.channel.k8s.io"]), Subprotocol::Token("abc".to_owned()));
        assert_eq!(read(&[&format!("v4.channel.k8s.io, {token}")]), Subprotocol::Token("abc".to_owned()));
        assert_eq!(read(&[&token]), Subprotocol::Error("missing additional subprotocol"));
        assert_eq!(
            read(&[&token, "x", &token]),
            Subprotocol::Error("multiple base64.bearer.authorization tokens specified")
        );
        assert_eq!(
            read(&["x", "base64url.bearer.authorization.k8s.io.YWI="]),
            Subprotocol::Error("invalid base64.bearer.authorization token encoding")
        );
        assert_eq!(read(&["x"]), Subprotocol::Nothing);
        assert_eq!(subprotocol(&headers(&[("Sec-WebSocket-Protocol", &token)])), Subprotocol::Nothing);
    }
}
