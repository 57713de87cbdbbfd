//! Words that any program says of any server: they count only where they are all that somebody asked about.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{Reading, connection};
use crate::report::Confidence;

/// The name of such a text.
pub const NAME: &str = "alone";

/// What a whole text of one line says, where no line of a log would say enough.
pub fn read(text: &str) -> Option<Reading> {
    static FORMS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^(?:[Ee]rror: |ERROR: |kubectl: )?(?:",
            r"(?:HTTP/[\d.]+ )?(?P<status>401|403)(?: (?:Unauthorized|Forbidden))?|(?P<forbidden>Forbidden)|",
            r"(?:tls: failed to verify certificate: )?x509: (?P<certificate>(?:certificate |cannot validate certificate )[^\n]+)|",
            // A port of API servers; a database's says what it is of.
            r"(?P<connection>(?:dial tcp (?:(?P<address>\S+:(?:443|6443|8443|16443)): )?)?(?:connect: )?",
            r"(?:i/o timeout|(?:operation|connection) timed out|connection refused|no route to host|network is unreachable)|",
            r"dial tcp \S+:(?:443|6443|8443|16443): connect: (?:permission denied|operation not permitted|invalid argument)|",
            r"(?:dial tcp: )?lookup (?P<host>[^\s:]+)(?: on \S+)?: no such host|",
            r"context deadline exceeded(?: \(Client\.Timeout exceeded while awaiting headers\))?|",
            r"net/http: (?:TLS handshake timeout|request canceled[^\n]*)|TLS handshake timeout|",
            r"(?:unexpected )?EOF|(?:read tcp \S+: )?(?:read: )?connection reset by peer|http2: client connection lost)",
            r")\.?$",
        ))
        .expect("constant pattern")
    });
    let found = FORMS.captures(text)?;
    let part = |name: &str| found.name(name).map(|part| part.as_str());
    let codes = if let Some(error) = part("certificate") {
        connection::certificate_codes(error).0
    } else if let Some(error) = part("connection") {
        connection::call_codes(error).0
    } else if part("status") == Some("401") {
        connection::UNAUTHORIZED.to_vec()
    } else {
        vec!["rbac-no-grant", "rbac-wrong-scope", "anonymous-request", "proxy-connect-refused"]
    };
    let (&code, rivals) = codes.split_first()?;
    let fields: BTreeMap<String, String> =
        ["address", "host"].into_iter().filter_map(|name| Some((name.to_owned(), part(name)?.to_owned()))).collect();
    Some(Reading { code, rivals: rivals.to_vec(), confidence: Confidence::Possible, text: NAME, fields })
}
