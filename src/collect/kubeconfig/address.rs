//! Addresses of servers and proxies: read as Go reads them, and shown without what may be secret in them.

use url::Url;

use super::Loader;
use super::secrets::names_secret;
use crate::gotext::url as go;
use crate::secret::{REDACTED, Secret, without_userinfo};

impl Loader<'_> {
    /// client-go's DefaultServerURL. Without a scheme it is http whatever the entry says of TLS: clientcmd asks for the
    /// scheme before it reads CA and user, and reads neither where it is http.
    pub(super) fn server_url(&self, server: &str) -> Result<(Url, Option<(String, Secret)>), String> {
        let refused = || format!("host must be a URL or a host:port pair: \"{}\"", self.without_userinfo(server));
        // Go refuses what WHATWG parsing would repair.
        if server.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err(format!("net/url: invalid control character in URL {:?}", self.without_userinfo(server)));
        }
        if server.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(refused());
        }
        let full = match go::parse(server) {
            Ok(url) if !url.scheme.is_empty() && !url.host.is_empty() => server.to_owned(),
            // What has no scheme, or none that Go sees, may have no path.
            _ => {
                let full = format!("http://{server}");
                let plain = go::parse(&full).is_ok_and(|url| matches!(url.path.as_str(), "" | "/"));
                plain.then_some(full).ok_or_else(refused)?
            }
        };
        let mut url = Url::parse(&full).map_err(|_| refused())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("unsupported protocol scheme \"{}\"", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(refused());
        }
        // The URL standard makes four numbers of `127.1` and `2130706433`; Go asks the name servers for such names. On a Mac
        // the system's resolver reads them as addresses, and behind a proxy it is the proxy's matter.
        let proxied = ["HTTPS_PROXY", "https_proxy"].iter().any(|name| self.host.var(name).is_some());
        if let Some(url::Host::Ipv4(_)) = url.host()
            && !proxied
            && !cfg!(target_os = "macos")
            && let Ok(read) = go::parse(&full)
        {
            let name = read.host.split(':').next().unwrap_or_default();
            if name.parse::<std::net::Ipv4Addr>().is_err() {
                return Err(format!(
                    "dial tcp: lookup {name}: no such host (an address is four numbers with dots, so kubectl takes this for a name)"
                ));
            }
        }
        // A name alone goes with an empty password.
        let given = !url.username().is_empty() || url.password().is_some();
        let userinfo = given.then(|| {
            let decode = |text: &str| {
                let pair = format!("x={}", text.replace('+', "%2B"));
                url::form_urlencoded::parse(pair.as_bytes())
                    .next()
                    .map(|(_, value)| value.into_owned())
                    .unwrap_or_default()
            };
            (decode(url.username()), Secret::new(decode(url.password().unwrap_or_default())))
        });
        if let Some((_, password)) = &userinfo {
            self.scrubber.learn_secret(password);
        }
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Ok((url, userinfo))
    }

    /// An address without user name, password and what it asks with; the password is learnt.
    pub(super) fn without_userinfo(&self, address: &str) -> String {
        let (mut cleaned, userinfo) = without_userinfo(address);
        if let Some(userinfo) = userinfo {
            self.scrubber.learn(userinfo.split_once(':').map_or(userinfo, |(_, password)| password));
        }
        let host = cleaned.find("://").map_or(0, |at| at + 3);
        // kubectl leaves both out, and a token may stand in them.
        if let Some(at) = cleaned[host..].find(['?', '#']).map(|at| host + at) {
            for pair in cleaned[at + 1..].split(['?', '#', '&']) {
                for (name, value) in url::form_urlencoded::parse(pair.as_bytes()) {
                    if names_secret(&name) {
                        self.scrubber.learn(&value);
                    }
                }
            }
            cleaned.truncate(at + 1);
            cleaned.push_str(REDACTED);
        }
        // No path of an API server or a proxy holds an `@`: it is a password with a slash behind digits.
        let path = cleaned[host..].find('/').map(|at| host + at + 1);
        if let Some((from, to)) = path.and_then(|from| Some((from, from + cleaned[from..].rfind('@')?))) {
            self.scrubber.learn(&cleaned[from..to]);
            cleaned.truncate(from);
            cleaned.push_str(REDACTED);
        }
        self.scrubber.known_only(&cleaned)
    }
}
