//! What may never be printed, and the scrubber that keeps it out of foreign text.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock, RwLock};

use regex::Regex;
use secrecy::{ExposeSecret, SecretString};

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

/// Knows every secret met in this run and removes them, and control characters, from foreign text.
#[derive(Clone, Default)]
pub struct Scrubber {
    known: Arc<RwLock<Vec<SecretString>>>,
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
        let mut forms = vec![value.to_owned()];
        let parts: Vec<&str> = value.split('.').collect();
        if parts.len() == 3 && parts[2].len() >= SHORTEST {
            forms.push(parts[2].to_owned());
        }
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        forms.push(engine.encode(value));
        let escaped: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        if escaped != value {
            forms.push(escaped);
        }
        let Ok(mut known) = self.known.write() else { return };
        for form in forms {
            if !known.iter().any(|old| old.expose_secret() == form) {
                known.push(SecretString::from(form));
            }
        }
        // The longest first, so that a whole token goes before its signature.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
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

    /// Foreign text, fit for evidence: known secrets and secret-looking values blanked, control and
    /// bidirectional characters removed (line feeds and tabs stay).
    pub fn text(&self, foreign: &str) -> String {
        blank_secret_shapes(&self.known_only(foreign))
    }

    /// Foreign text without the secrets of this run and without control characters, but with everything that only
    /// looks like a secret: for names, addresses, and login URLs and device codes that the user must see.
    pub fn known_only(&self, foreign: &str) -> String {
        let mut text: String = foreign.to_owned();
        if let Ok(known) = self.known.read() {
            for secret in known.iter() {
                if text.contains(secret.expose_secret()) {
                    text = text.replace(secret.expose_secret(), REDACTED);
                }
            }
        }
        strip_control(&text)
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

/// A regular expression that is built only once a text holds one of the words without which it cannot match: building
/// all of them costs more than asking the API server a question.
struct Shape {
    /// One of these must stand in the text, in lower case; the pattern cannot match otherwise.
    needs: &'static [&'static str],
    pattern: &'static str,
    replacement: &'static str,
    built: OnceLock<Regex>,
}

impl Shape {
    const fn new(needs: &'static [&'static str], pattern: &'static str, replacement: &'static str) -> Self {
        Self { needs, pattern, replacement, built: OnceLock::new() }
    }

    /// The pattern, if it can match a text which reads so in lower case.
    fn for_text(&self, lower: &str) -> Option<&Regex> {
        self.needs.iter().any(|word| lower.contains(word)).then(|| self.regex())
    }

    fn regex(&self) -> &Regex {
        self.built.get_or_init(|| Regex::new(self.pattern).expect("constant pattern"))
    }
}

/// Removes ANSI sequences, control characters and bidirectional overrides.
pub fn strip_control(text: &str) -> String {
    static ANSI: Shape =
        Shape::new(&["\u{1b}"], "\u{1b}(\\[[0-?]*[ -/]*[@-~]|\\][^\u{7}\u{1b}]*(\u{7}|\u{1b}\\\\)?|[@-Z\\\\-_])", "");
    let text = ANSI.for_text(text).map_or(Cow::Borrowed(text), |ansi| ansi.replace_all(text, ANSI.replacement));
    text.chars()
        .filter(|c| {
            !(c.is_control() && !matches!(c, '\n' | '\t')
                || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'))
        })
        .collect()
}

/// Secrets of somebody else, each by its shape.
static SHAPES: [Shape; 8] = [
    Shape::new(
        &["private key-----"],
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)",
        REDACTED,
    ),
    Shape::new(&["eyj"], r"\beyJ[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*){1,4}", REDACTED),
    Shape::new(&["k8s-aws-v1."], r"k8s-aws-v1\.[A-Za-z0-9_-]+", "k8s-aws-v1.[redacted]"),
    Shape::new(
        &["bearer", "basic", "negotiate"],
        r"(?i)\b(bearer|basic|negotiate)\s+[A-Za-z0-9._~+/=-]{6,}",
        "$1 [redacted]",
    ),
    Shape::new(&["://"], r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@:]*:[^\s/@]*@", "$1[redacted]@"),
    Shape::new(&["x-amz-"], r"(?i)\b(X-Amz-(?:Signature|Security-Token|Credential))=[^&\s]+", "$1=[redacted]"),
    Shape::new(
        &["pass", "secret", "token", "key"],
        // A flag begins a word and has its value on its line: `get-token` is none.
        r#"(?im)(^|[\s"'=\[(,])(--?[a-z0-9-]*(?:password|secret|token|key|passphrase)[a-z0-9-]*)[ \t]+[^\s-][^\s]*"#,
        "$1$2 [redacted]",
    ),
    // Members of a private or symmetric JWK (RFC 7518), whatever else is wrong with its key set.
    Shape::new(
        &["\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\"", "\"k\""],
        r#"("(?:d|p|q|dp|dq|qi|k)"\s*:\s*)"[A-Za-z0-9_=-]{8,}""#,
        "$1\"[redacted]\"",
    ),
];

/// A name that speaks of a secret, with its value.
static PAIR: Shape = Shape::new(
    &["pass", "secret", "token", "key", "credential", "assertion", "cookie"],
    r#"(?i)(?P<name>[a-z0-9_.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?key|passphrase|credential|assertion|cookie)["']?)(?P<sign>\s*[:=]\s*)(?P<value>"[^"]*"|'[^']*'|[^\s,;&"']+)"#,
    "",
);

/// Blanks what looks like a secret of somebody else: bearer tokens, JWT signatures, key = value pairs, PEM keys,
/// URL userinfo, presigned signatures, long random strings.
fn blank_secret_shapes(text: &str) -> String {
    let (mut text, lower) = blank_marked(text.to_owned());
    if let Some(pair) = PAIR.for_text(&lower) {
        text = pair.replace_all(&text, blank_pair).into_owned();
    }
    blank_random(&text)
}

/// Blanks what one of the shapes fits; with the text as it was, folded.
fn blank_marked(mut text: String) -> (String, String) {
    // Replacements add no word that a later shape needs and the text lacks.
    let lower = fold(&text);
    for shape in &SHAPES {
        if let Some(regex) = shape.for_text(&lower)
            && let Cow::Owned(blanked) = regex.replace_all(&text, shape.replacement)
        {
            text = blanked;
        }
    }
    (text, lower)
}

/// The text as the shapes' needs are written: in lower case, and with the one letter that Unicode counts as another
/// case of `s` without lowering it to that.
fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase().replace('\u{17f}', "s") }
}

fn blank_pair(found: &regex::Captures<'_>) -> String {
    // "verify token: oidc: ..." is a sentence; no value ends with a colon.
    let value = &found["value"];
    let lower = found["name"].to_lowercase();
    let prose = found["sign"].contains(':')
        && found["sign"].ends_with(' ')
        && !lower.contains("pass")
        && !lower.contains("secret")
        && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b':');
    if prose || value.ends_with(':') {
        found[0].to_owned()
    } else {
        format!("{}{}{REDACTED}", &found["name"], &found["sign"])
    }
}

/// Blanks each run of 24 letters, digits and signs of base64 or more that reads like chance.
fn blank_random(text: &str) -> String {
    let in_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '/' | '=' | '~' | '-');
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, behind) = rest.split_at(rest.find(|c| !in_run(c)).unwrap_or(rest.len()));
        blanked.push_str(if run.len() >= 24 && looks_random(run) { REDACTED } else { run });
        let (between, next) = behind.split_at(behind.find(in_run).unwrap_or(behind.len()));
        blanked.push_str(between);
        rest = next;
    }
    blanked
}

/// A long run of mixed case and digits that is no path and no sentence of words joined by dashes.
fn looks_random(word: &str) -> bool {
    let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
    let lower = word.bytes().filter(u8::is_ascii_lowercase).count();
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    // Letters and digits change into each other often in random text, rarely in names and paths.
    let class = |b: u8| {
        if b.is_ascii_uppercase() {
            1
        } else if b.is_ascii_lowercase() {
            2
        } else if b.is_ascii_digit() {
            3
        } else {
            4
        }
    };
    let bytes = word.as_bytes();
    let changes = bytes.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count();
    upper >= 3 && lower >= 3 && digits >= 2 && changes * 3 >= bytes.len()
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
    fn foreign_secrets_are_recognised_by_shape() {
        let scrubber = Scrubber::default();
        for (foreign, expected) in [
            ("Authorization: Bearer abcdefghij", "Authorization: Bearer [redacted]"),
            ("https://u:pw@host/x", "https://[redacted]@host/x"),
            ("client_secret=abc&x=1", "client_secret=[redacted]&x=1"),
            (r#"{"access_token":"abc"}"#, r#"{"access_token":[redacted]}"#),
            ("--client-secret abc --listen x", "--client-secret [redacted] --listen x"),
            (
                "oidc-login get-token\nSet-Cookie: session=abc; Path=/",
                "oidc-login get-token\nSet-Cookie: [redacted]; Path=/",
            ),
            (r#"{"kid":"k","d":"abcdefghij"}"#, r#"{"kid":"k","d":"[redacted]"}"#),
            ("key aB3dE6gH9jK2mN5pQ8sT1vW4 end", "key [redacted] end"),
        ] {
            assert_eq!(scrubber.text(foreign), expected);
        }
    }

    #[test]
    fn no_shape_matches_without_a_word_that_it_needs() {
        let texts = [
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
            "eyJhbGciOiJ.eyJpc3MiOiJ.AAAA",
            "k8s-aws-v1.aHR0cHM6Ly9",
            "BEARER abcdefghij, Basic YWxhZGRpbg==, negotiate YII_abcdef",
            "socks5://u:pw@host",
            "x-AMZ-signature=00ff&X-Amz-Security-Token=abc",
            "--API-Key abc --pa\u{17f}\u{17f}word abc --to\u{212a}en abc --passphrase x --client-secret y",
            r#"{"kty":"RSA","d":"AAAAAAAAAAAA","p" : "AAAAAAAAAAAA"},{"kty":"oct","k":"AAAAAAAAAAAA"}"#,
            "A_PASSWD: x, pa\u{17f}\u{17f}word=x, api\u{212a}ey=1, private-key = '1', cookie: \"a b\", assertion=1, access_key=1, credential=1, api_key=1",
        ];
        for text in texts {
            let lower = fold(text);
            for shape in SHAPES.iter().chain([&PAIR]) {
                let matches = shape.regex().find_iter(text).count();
                assert!(matches == 0 || shape.for_text(&lower).is_some(), "{} in {text}", shape.pattern);
                // Each match alone holds one of the words, so no text can match without.
                for found in shape.regex().find_iter(text) {
                    assert!(shape.for_text(&fold(found.as_str())).is_some(), "{} in {}", shape.pattern, found.as_str());
                }
            }
        }
        for (shape, text) in SHAPES.iter().chain([&PAIR]).zip(texts) {
            assert!(shape.regex().is_match(text), "{} is tried", shape.pattern);
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
            "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_AdministratorAccess",
        ] {
            assert_eq!(scrubber.text(text), text);
        }
    }

    #[test]
    fn terminal_control_is_removed() {
        assert_eq!(Scrubber::default().text("a\u{1b}[31mred\u{1b}[0m\u{202e}b\r\n\tc\u{7}"), "aredb\n\tc");
    }
}
