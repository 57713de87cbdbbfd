//! What may never be printed, and the scrubber that keeps it out of foreign text.

/// Long words that read like chance.
mod random;
/// One shape of a secret.
mod shape;
/// The shapes of secrets of somebody else.
mod shapes;
/// Texts without what may stand between.
mod tight;

use std::sync::{Arc, RwLock};

use secrecy::{ExposeSecret, SecretString};

use self::shape::Shape;
use self::shapes::{blank_marked, blank_secret_shapes};
use self::tight::tight;
use crate::text::hidden;

/// A token, key or password. It has no Display and no Serialize, and Debug says nothing.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps a secret value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value itself; called only where it is sent or parsed.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

/// What stands in a text in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// Secrets shorter than this are not searched for: they would blank ordinary words.
const SHORTEST: usize = 6;

/// Secrets shorter than this are found only where they stand unbroken: across blanks they might be ordinary words.
const SHORTEST_BROKEN: usize = 8;

/// A secret of this run.
#[derive(Clone)]
struct Known {
    /// As it was learnt.
    whole: SecretString,
    /// The same without what may be put between its characters; see [`tight()`].
    tight: SecretString,
    /// The last letters of its base64 are left out, because they change with what follows the secret, as `echo` adds a
    /// line feed.
    open: bool,
}

/// Knows every secret met in this run and removes them, and control characters, from foreign text.
#[derive(Clone, Default)]
pub struct Scrubber {
    known: Arc<RwLock<Vec<Known>>>,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Scrubber")
    }
}

impl Scrubber {
    /// Remembers a secret, with the parts and encodings in which it may come back.
    pub fn learn(&self, value: &str) {
        let value = value.trim();
        if value.len() < SHORTEST {
            return;
        }
        let mut forms = vec![(value.to_owned(), false)];
        let parts: Vec<&str> = value.split('.').collect();
        if parts.len() == 3 && parts[2].len() >= SHORTEST {
            forms.push((parts[2].to_owned(), false));
        }
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, URL_SAFE};
        let bytes = value.as_bytes();
        // The groups of three bytes that are the secret's alone; a rest of it is coded with what follows.
        let whole_groups = &bytes[..bytes.len() - bytes.len() % 3];
        for engine in [&STANDARD, &URL_SAFE] {
            forms.push((engine.encode(bytes), false));
            forms.push((engine.encode(whole_groups), whole_groups.len() < bytes.len()));
        }
        forms.push((bytes.iter().map(|byte| format!("{byte:02x}")).collect(), false));
        let escaped: String = url::form_urlencoded::byte_serialize(bytes).collect();
        if escaped != value {
            forms.push((escaped, false));
        }
        let Ok(mut known) = self.known.write() else { return };
        for (form, open) in forms {
            if !known.iter().any(|old| old.whole.expose_secret() == form) {
                let tight = tight(&form).text.into_owned();
                known.push(Known { whole: SecretString::from(form), tight: SecretString::from(tight), open });
            }
        }
    }

    /// Remembers a word that stands where a name belongs, if it is a credential by its look: somebody took one flag for
    /// another.
    pub fn learn_misplaced(&self, word: &str) {
        let jwt = word.starts_with("eyJ") && word.matches('.').count() > 1;
        if jwt || word.starts_with("k8s-aws-v1.") {
            self.learn(word);
        }
    }

    /// A scrubber of its own that begins with what this one knows: what a later run learns does not pile up here.
    #[must_use]
    pub fn branch(&self) -> Self {
        let known = self.known.read().map(|known| known.clone()).unwrap_or_default();
        Self { known: Arc::new(RwLock::new(known)) }
    }

    /// Remembers a secret value.
    pub fn learn_secret(&self, secret: &Secret) {
        self.learn(secret.expose());
    }

    /// Foreign text, fit for evidence: known secrets and secret-looking values blanked, control, invisible and
    /// bidirectional characters removed (line feeds and tabs stay).
    pub fn text(&self, foreign: &str) -> String {
        blank_secret_shapes(&self.known_only(foreign))
    }

    /// Foreign text without the secrets of this run and without control characters, but with everything that only
    /// looks like a secret: for names, addresses, and login URLs and device codes that the user must see.
    pub fn known_only(&self, foreign: &str) -> String {
        // First: what is taken away later would put together a secret that it kept apart.
        let text = strip_control(foreign);
        let Ok(known) = self.known.read() else { return text };
        if known.is_empty() {
            return text;
        }
        let tight = tight(&text);
        let mut hits: Vec<(usize, usize)> = Vec::new();
        for secret in known.iter() {
            let whole = secret.whole.expose_secret();
            let to = |end: usize| if secret.open { end + rest_of_group(&text[end..]) } else { end };
            hits.extend(text.match_indices(whole).map(|(at, found)| (at, to(at + found.len()))));
            let broken = secret.tight.expose_secret();
            if broken.len() >= SHORTEST_BROKEN && (!tight.skipped.is_empty() || broken != whole) {
                let found = tight.text.match_indices(broken);
                hits.extend(found.map(|(at, found)| (tight.before(at), to(tight.before(at + found.len() - 1) + 1))));
            }
        }
        blank_ranges(text, hits)
    }

    /// The same for a text that is compared letter by letter: a character that is not seen stays where the text holds no
    /// secret, because it is what makes two names differ.
    pub fn known_only_as_compared(&self, foreign: &str) -> String {
        let cleaned = self.known_only(foreign);
        if cleaned != strip_control(foreign) {
            return cleaned;
        }
        // YAML 1.1 takes the two separators for ends of lines.
        without(foreign, |c| c.is_control() && !matches!(c, '\n' | '\t') || matches!(c, '\u{2028}' | '\u{2029}'))
    }

    /// Foreign text without the secrets of this run and without those that carry a mark of what they are (a bearer token, a
    /// PEM key, userinfo, a signature). Long random words stay: certificates and paths are full of them.
    pub fn marked(&self, foreign: &str) -> String {
        blank_marked(self.known_only(foreign)).0
    }

    /// The same, cut to `limit` bytes at a character boundary.
    pub fn text_limited(&self, foreign: &str, limit: usize) -> String {
        let mut text = self.text(foreign);
        if text.len() > limit {
            let mut end = limit;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// How much at the begin of a text may be a group of four letters of base64.
fn rest_of_group(text: &str) -> usize {
    let coded = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    text.bytes().take(4).take_while(coded).count()
}

/// A text in which these parts stand blanked, each once, however they overlap.
fn blank_ranges(text: String, mut ranges: Vec<(usize, usize)>) -> String {
    if ranges.is_empty() {
        return text;
    }
    ranges.sort_unstable();
    let mut blanked = String::with_capacity(text.len());
    let mut at = 0;
    let mut ranges = ranges.into_iter().peekable();
    while let Some((from, mut to)) = ranges.next() {
        while let Some((_, further)) = ranges.next_if(|(next, _)| *next < to) {
            to = to.max(further);
        }
        blanked.push_str(&text[at..from]);
        blanked.push_str(REDACTED);
        at = to;
    }
    blanked.push_str(&text[at..]);
    blanked
}

/// Removes ANSI sequences, control characters, bidirectional overrides and characters that are not seen.
pub fn strip_control(text: &str) -> String {
    without(text, |c| c.is_control() && !matches!(c, '\n' | '\t') || hidden(c))
}

/// Removes ANSI sequences and these characters.
fn without(text: &str, unseen: impl Fn(char) -> bool) -> String {
    static ANSI: Shape = Shape::new(
        &["\u{1b}", "\u{9b}"],
        "(?:\u{1b}\\[|\u{9b})[0-?]*[ -/]*[@-~]|\u{1b}(?:\\][^\u{7}\u{1b}]*(?:\u{7}|\u{1b}\\\\)?|[@-Z\\\\-_])",
        "",
    );
    if !text.contains(&unseen) {
        return text.to_owned();
    }
    // A terminal obeys a sequence also with other control characters inside.
    let begins_or_ends = |c: char| matches!(c, '\u{7}' | '\u{1b}' | '\u{9b}');
    let text: String = text.chars().filter(|c| !unseen(*c) || begins_or_ends(*c)).collect();
    let text = ANSI.blanked(&text, &text).unwrap_or(text);
    text.chars().filter(|c| !unseen(*c)).collect()
}

/// An address without its user name and password, and what these were. Also where the password holds a slash, which ends
/// the host for whoever reads the address as a URL; an `@` far behind in a path is none of a password.
pub fn without_userinfo(address: &str) -> (String, Option<&str>) {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let port = rest[..end].rsplit_once(':').map_or("", |(_, port)| port);
    let at = match rest[..end].rfind('@') {
        // No port: the rest of a password.
        None if !rest.starts_with('[') && rest[..end].contains(':') && !is_port(port) => rest.rfind('@'),
        found => found,
    };
    let Some(at) = at else { return (address.to_owned(), None) };
    let cleaned = if scheme.is_empty() { rest[at + 1..].to_owned() } else { format!("{scheme}://{}", &rest[at + 1..]) };
    (cleaned, Some(&rest[..at]))
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_go_in_every_form() {
        let scrubber = Scrubber::default();
        scrubber.learn("aaaa.bbbb.SIGNATURE");
        scrubber.learn("p@ss word&1");
        let text = scrubber.text("x aaaa.bbbb.SIGNATURE y SIGNATURE z p@ss word&1 p%40ss+word%261");
        assert_eq!(text, "x [redacted] y [redacted] z [redacted] [redacted]");
    }

    #[test]
    fn what_is_compared_keeps_what_is_not_seen() {
        let scrubber = Scrubber::default();
        scrubber.learn("hunter2hunter2");
        let kept = scrubber.known_only_as_compared("role/Ops\u{200b}\n\u{feff}x\u{1b}[31m\u{7}\u{2028}\r\n");
        assert_eq!(kept, "role/Ops\u{200b}\n\u{feff}x\n");
        assert_eq!(scrubber.known_only_as_compared("hunter2\u{200b}hunter2 \u{200b}x"), "[redacted] x");
    }

    /// What a plugin's `echo $PASSWORD | base64`, `openssl base64 -A`, `xxd -p` and a program's base64url print of it.
    #[test]
    fn known_secrets_go_in_every_coding() {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
        // Of each length that base64 tells apart, and with what its two alphabets write in two ways.
        for secret in ["hunter2hunter", "hunter2hunter2", "hunter2hunter22", "??>>~~??>>~~é", "??>>~~??>>~~zqx"] {
            let scrubber = Scrubber::default();
            scrubber.learn(secret);
            for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                for coded in [secret.to_owned(), format!("{secret}\n"), format!("{secret}\r\n")] {
                    let text = format!("debug: {}, and so on", engine.encode(&coded));
                    let shown = scrubber.known_only(&text);
                    // A line feed that is a group of its own tells nothing.
                    let rest = shown.strip_prefix("debug: [redacted]").unwrap_or_else(|| panic!("{text}: {shown}"));
                    let line_end = rest.strip_suffix(", and so on").unwrap_or_else(|| panic!("{text}: {shown}"));
                    assert!(["", "Cg", "Cg==", "DQo", "DQo="].contains(&line_end), "{text}: {shown}");
                }
            }
            let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(scrubber.known_only(&format!("debug: {hex}0a")), "debug: [redacted]0a");
            assert_eq!(scrubber.known_only(&format!("{}\n{} end", &hex[..12], &hex[12..])), "[redacted] end");
        }
        let scrubber = Scrubber::default();
        scrubber.learn("hunter2hunter2");
        // Another secret's codes, and words behind one.
        for text in ["debug: aHVudGVyM2h1bnRlcjM= of hunters", "68756e74657233 is hunter3", "hunter2 hunts"] {
            assert_eq!(scrubber.known_only(text), text);
        }
        assert_eq!(scrubber.known_only("aHVudGVyMmh1bnRlcjI= and more"), "[redacted] and more");
        assert_eq!(scrubber.known_only("aHVudGVyMmh1bnRlcjIK and more"), "[redacted] and more");
    }

    #[test]
    fn foreign_secrets_are_recognised_by_shape() {
        let scrubber = Scrubber::default();
        for (foreign, expected) in [
            ("Authorization: Bearer abcdefghij", "Authorization: Bearer [redacted]"),
            ("https://u:pw@host/x", "https://[redacted]@host/x"),
            ("client_secret=abc&x=1", "client_secret=[redacted]&x=1"),
            (r#"{"access_token":"abc"}"#, r#"{"access_token":[redacted]}"#),
            ("--client-secret abc --listen x", "--client-secret [redacted] --listen x"),
            ("oidc-login get-token\nSet-Cookie: session=abc; Path=/", "oidc-login get-token\nSet-Cookie: [redacted]"),
            (r#"{"kid":"k","d":"abcdefghij"}"#, r#"{"kid":"k","d":"[redacted]"}"#),
            ("key aB3dE6gH9jK2mN5pQ8sT1vW4 end", "key [redacted] end"),
            // Base64 of `bob:QwertyPass77`, and of one with the end cut off.
            (
                r#"{"auths":{"r.example":{"auth":"Ym9iOlF3ZXJ0eVBhc3M3Nw=="}}}"#,
                r#"{"auths":{"r.example":{"auth":"[redacted]"}}}"#,
            ),
            (r#"{\"auth\":\"Ym9iOlF3ZXJ0eVB\"}"#, r#"{\"auth\":\"[redacted]\"}"#),
            ("//r.example/:_auth=Ym9iOlF3ZXJ0eVBhc3M3Nw==", "//r.example/:_auth=[redacted]"),
            ("https%3A%2F%2Fbob%3Apw%40proxy.example%2Fx", "https%3A%2F%2F[redacted]%40proxy.example%2Fx"),
            ("lookup bob:p@ss@proxy.example: no such host", "lookup [redacted]@proxy.example: no such host"),
            (r#"{:user=>"bob", :password=>"Pw"}"#, r#"{:user=>"bob", :password=>[redacted]}"#),
            ("USER\tbob\nPASSWORD\tQwerty77\n", "USER\tbob\nPASSWORD\t[redacted]\n"),
            (r#"{\"secret\":\"ab\\\"Qwerty\",\"user\":\"bob\"}"#, r#"{\"secret\":[redacted],\"user\":\"bob\"}"#),
        ] {
            assert_eq!(scrubber.text(foreign), expected);
        }
    }

    /// What people paste, and no word of what was secret in it.
    #[test]
    fn secrets_are_blanked_behind_every_common_mark() {
        let scrubber = Scrubber::default();
        for text in [
            "oidc: verify token: password: zqx1pw",
            "oidc: verify token: x-api-key: zqxpwabc",
            "oidc: verify token: password=\"correct horse zqx1pw\"",
            "    token: zqxandmppmngpmbfagdemdddgj",
            "    token: >-\n      zqxandmppmngpmbfagdemdd",
            "    client-key-data: zqxlkjhgfdsaqwertyuiopl",
            "x-api-key: zqxpwabc",
            "Cookie: a=1; session=zqx1; b=2",
            "set-cookie: a=b; KC=zqx1",
            "curl -sku bob:zqx1 https://x",
            "curl --user bob:zqx1 https://x",
            "curl -H \"Authorization: Token zqx1aaaa\" x",
            "Authorization: ApiKey zqx1aaaa",
            "Authorization: Digest username=\"u\", response=\"zqx1\"",
            "AWS4-HMAC-SHA256 Credential=AKIA/2025/x, SignedHeaders=host, Signature=zqx1aaaaaaaaaa",
            "Bearer%20zqx1aa",
            "bearer: zqx1aa",
            "Bearer zqx12",
            "joined using abcdef.0123456789zqxcab",
            "https://x.blob.core.windows.net/a?sv=2020&sig=zqx1%3D&se=x",
            "https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIA&Signature=zqx1aaaa&Expires=1",
            "https://sts.amazonaws.com/%3FX-Amz-Signature%3Dzqx1aa",
            "https://localhost:8000/?code=zqx1-2c&state=zz",
            "code_verifier=zqxhjiihjabggij",
            "SAMLResponse=zqxcffjcdfabfjibg",
            "AccountKey=zqx1==;EndpointSuffix",
            "hook xoxb-123456789012-1234567890123-zqxbAecb",
            "login hvs.zqxcadacafbpbgkgpkplbmjmc",
            "login s.zqxfndAmBkBFmfmBlflnohoG",
            "remote: ghp_zqxyrrsxmldiimbebpqihwyqlkmorzyclpde",
            "<Password>zqx1</Password>",
            "[\"--client-secret\",\"zqx1\"]",
            "- --oidc-client-secret\n- zqx1",
            "--client-secret \\\n  zqx1",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nzqxldbpgffdddmk\n-----END PGP PRIVATE KEY BLOCK-----",
            "-----begin private key-----\nzqxldbpgffdddmk\n-----end private key-----",
            "MIIEvQIBADANzqxBgkqh\n-----END PRIVATE KEY-----",
            "t=eyJhbGciOiAi%2EeyJpc3MiOiAi%2Ezqxejgaedejiig",
            "t eyJhbGciOiAi.eyJpc3MiOiAi. zqxcanarybfcb",
            r#"{\"d\":\"zqx47aaaa\"}"#,
            "{'kty':'oct','k':'zqx47aaaa'}",
            r#"{\"password\":\"zqx1\"}"#,
            r#"password="abc\"zqx1""#,
            "password: ab,zqx1",
            "pwd=zqx1",
            "the password is zqx1",
            "client_secret zqx1bd6-4fa1-4ae0",
            "https://zqx1@host/",
            "http://bob:hun/zqx1@host:3128",
            r#"{:user=>"bob", :password=>"Zzqx77"}"#,
            r#"{"password" => "zqxandmore"}"#,
            "password=>zqx77",
            "password -> Zqzqx77",
            "client_secret -> zqx77",
            "token -> 'zqxandmore'",
            "USER\tbob\nPASSWORD\tzqx77\n",
            "db_password \t zqx77",
            "otp=zqx77",
            "login with otp: 77zqx",
            "passcode: zqx77",
            "Passwort: zqx77",
            "Kennwort: zqx77",
            "next=https%3A%2F%2Fbob%3Azqx77%40proxy.example%2Fx",
            "next=https%3a%2f%2fzqx77%40proxy.example&x=1",
            "next=https%3A%2F%2Fbob%3Ap%40zqx77%40proxy.example%2Fx",
            "dial tcp: lookup bob:zqx77@proxy.example: no such host",
            "dial tcp: address bob:zqx77@proxy:3128: too many colons in address",
            "proxy bob:zqx77@proxy:3128",
            "HTTPS_PROXY=bob:zqx77@proxy:3128",
            r#""{\"client_secret\":\"ab\\\"zqx77\"}""#,
            r#""\"{\\\"client_secret\\\":\\\"ab\\\\\\\"zqx77\\\"}\"""#,
            r#"{\"password\":\"ab\\nzqx77\"}"#,
        ] {
            let shown = scrubber.text(text);
            assert!(!shown.contains("zqx") && shown.contains(REDACTED), "{text} became {shown}");
        }
    }

    /// An echo that breaks a token so that no search for it whole finds it.
    #[test]
    fn a_known_secret_goes_however_it_is_broken() {
        let scrubber = Scrubber::default();
        scrubber.learn("SuperSecretBearer-value");
        scrubber.learn("short1");
        for between in [
            "\u{7}",
            "\0",
            "\u{1b}[0m",
            "\u{1b}[\u{0}0m",
            "\u{9b}0m",
            "\u{202e}",
            "\u{200b}",
            "\u{ad}",
            "\u{e0041}",
            "\u{3164}",
            "\n",
            "\r\n ",
            " ",
            "\t",
            "\\n",
            "\\u0007",
            "\\u001b[0m",
            "\\u009b31m",
            "\\u200b",
            "\\udb40\\udc41",
            "%0A",
            "\u{2800}\u{fe0f}",
        ] {
            for text in [
                format!("bad token SuperSecr{between}etBearer-value."),
                format!("bad token {}.", "SuperSecretBearer-value".split("").collect::<Vec<_>>().join(between)),
            ] {
                let shown = scrubber.known_only(&text);
                let bare: String = shown.chars().filter(|c| !c.is_whitespace()).collect();
                assert!(shown.starts_with("bad token") && shown.trim_end().ends_with('.'), "{text:?} became {shown:?}");
                assert!(
                    bare.contains(REDACTED) && !bare.contains("Super") && !bare.contains("value"),
                    "{text:?} became {shown:?}"
                );
            }
        }
        assert_eq!(scrubber.known_only("sh\u{7}ort1 shor t1"), "[redacted] shor t1");
        assert_eq!(
            scrubber.known_only("é SuperSecr\u{200b}etBearer-value é\u{a0}\u{a0}ü"),
            "é [redacted] é\u{a0}\u{a0}ü"
        );
    }

    #[test]
    fn addresses_lose_whoever_they_name() {
        for (address, cleaned, userinfo) in [
            ("https://h:8443/x", "https://h:8443/x", None),
            ("https://[::1]:8443/a@b", "https://[::1]:8443/a@b", None),
            ("https://h:8443/users/a@b", "https://h:8443/users/a@b", None),
            ("http://me:pw@h:1", "http://h:1", Some("me:pw")),
            ("http://me:hun/ter2@h:3128", "http://h:3128", Some("me:hun/ter2")),
            ("http://me:p@ss@h", "http://h", Some("me:p@ss")),
            ("me:pw@h", "h", Some("me:pw")),
        ] {
            assert_eq!(without_userinfo(address), (cleaned.to_owned(), userinfo));
        }
    }

    #[test]
    fn ordinary_text_stays() {
        let scrubber = Scrubber::default();
        for text in [
            "oidc: authenticator not initialized",
            "/realms/platform/.well-known/openid-configuration",
            "Get \"https://localhost:8443/realms/Platform\": dial tcp: lookup x on 10.0.0.2:53: no such host",
            "invalid bearer token",
            "[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"account\"]]",
            "oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 403 Forbidden",
            "the token: field",
            "error: token: expired",
            "could not get token: ExpiredToken: The security token included in the request is expired",
            "remote: HTTP Basic: Access denied",
            "the password is incorrect",
            "https://issuer.example:8443/users/alice@example.com is not there",
            "curl: (7) Failed to connect to host port 443 after 0 ms: Couldn't connect",
            "rpc error: code=Unauthenticated desc=no token, exit code=1",
            "system.serviceaccountsab of client1.authentication00.k8s.io and pod web-abcdef.17a1b2c3d4e5f678",
            "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_AdministratorAccess",
            "User \"oidc:alice@example.com\" cannot list resource \"pods\"",
            "the address mailto:alice@example.com is not verified",
            "email address: oidc:alice@example.com is not verified",
            "oauth2-proxy oidc:alice@example.com",
            "expired token => 401 Unauthorized, GET with token -> 403",
            "token -> sts.eu-west-1.amazonaws.com, web identity token -> arn:aws:iam::123456789012:role/dev",
            "kube-proxy: nginx:1.25@sha256:0a1b2c is not there",
            "lookup proxy.example on 10.0.0.2:53: no such host",
            "dial tcp: address proxy:3128:1: too many colons in address",
            "redirect_uri=https%3A%2F%2Fissuer.example%2Fusers%2Falice%40example.com",
            "redirect_uri=https%3A%2F%2Fissuer.example%3Flogin_hint%3Dalice%40example.com",
            "Secret -> ServiceAccount -> Pod, code -> token -> session",
            "the password -> vault -> Pod",
            "login().then(token => verify(token)).catch(password => {})",
            "PASSWORD\tREQUIRED\nSecret\tdefault-token-x7k2p\t3",
            r#"{"auth":"kubernetes","auth":"OAuth2Client","oauth":"serviceaccounts"}"#,
            "auth: authenticator of system:masters",
            "otp: required",
            "adopt: yes, laptop: no",
        ] {
            assert_eq!(scrubber.text(text), text);
        }
    }

    #[test]
    fn terminal_control_is_removed() {
        assert_eq!(Scrubber::default().text("a\u{1b}[31mred\u{1b}[0m\u{202e}b\r\n\tc\u{7}"), "aredb\n\tc");
    }
}
