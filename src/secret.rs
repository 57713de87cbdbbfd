//! What may never be printed, and the scrubber that keeps it out of foreign text.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock, RwLock};

use regex::{Captures, Regex};
use secrecy::{ExposeSecret, SecretString};

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
    /// The same without what may be put between its characters; see [`tight`].
    tight: SecretString,
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
            if !known.iter().any(|old| old.whole.expose_secret() == form) {
                let tight = tight(&form).text.into_owned();
                known.push(Known { whole: SecretString::from(form), tight: SecretString::from(tight) });
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
            hits.extend(text.match_indices(whole).map(|(at, found)| (at, at + found.len())));
            let broken = secret.tight.expose_secret();
            if broken.len() >= SHORTEST_BROKEN && (!tight.skipped.is_empty() || broken != whole) {
                let found = tight.text.match_indices(broken);
                hits.extend(found.map(|(at, found)| (tight.before(at), tight.before(at + found.len() - 1) + 1)));
            }
        }
        blank_ranges(text, hits)
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

/// A text without what may stand between the characters of a secret and leave it readable.
struct Tight<'t> {
    text: Cow<'t, str>,
    /// Where something was left out: the place in `text`, and how many bytes were left out up to there.
    skipped: Vec<(usize, usize)>,
}

impl Tight<'_> {
    /// The place in the original of a byte of `text`.
    fn before(&self, at: usize) -> usize {
        let passed = self.skipped.partition_point(|(place, _)| *place <= at);
        at + passed.checked_sub(1).map_or(0, |last| self.skipped[last].1)
    }
}

/// Leaves out blanks, line breaks and characters that are not seen, as they are and in the escapes of JSON and URLs.
fn tight(text: &str) -> Tight<'_> {
    let mut kept = String::new();
    let mut skipped: Vec<(usize, usize)> = Vec::new();
    let (mut at, mut copied, mut left_out) = (0, 0, 0);
    while let Some(c) = text[at..].chars().next() {
        let passed = passed_over(&text[at..], c);
        if passed == 0 {
            at += c.len_utf8();
            continue;
        }
        kept.push_str(&text[copied..at]);
        at += passed;
        copied = at;
        left_out += passed;
        match skipped.last_mut() {
            Some((place, so_far)) if *place == kept.len() => *so_far = left_out,
            _ => skipped.push((kept.len(), left_out)),
        }
    }
    if skipped.is_empty() {
        return Tight { text: Cow::Borrowed(text), skipped };
    }
    kept.push_str(&text[copied..]);
    Tight { text: Cow::Owned(kept), skipped }
}

/// How many bytes at the begin of a text, which is this character, are a blank, something invisible, or an escape for one.
fn passed_over(text: &str, first: char) -> usize {
    let nothing = |c: char| c.is_whitespace() || c.is_control() || hidden(c);
    if nothing(first) {
        return first.len_utf8();
    }
    let number = |from: usize, digits: usize| {
        let digits = text.get(from..from + digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        digits.and_then(|digits| u32::from_str_radix(digits, 16).ok())
    };
    let is_nothing = |code: u32| char::from_u32(code).is_some_and(nothing);
    match (first, text.as_bytes().get(1)) {
        ('\\', Some(b'n' | b'r' | b't' | b'b' | b'f')) => 2,
        ('\\', Some(b'u')) => match number(2, 4) {
            // The two halves of a character beyond the first plane (RFC 8259, section 7).
            Some(high @ 0xd800..=0xdbff) if text.get(6..8) == Some("\\u") => match number(8, 4) {
                Some(low @ 0xdc00..=0xdfff) if is_nothing(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)) => 12,
                _ => 0,
            },
            // An escape may begin a sequence, whose rest stands there as it is.
            Some(0x1b) if text.get(6..7) == Some("[") => 7 + sequence(&text[7..]),
            Some(0x9b) => 6 + sequence(&text[6..]),
            Some(code) if is_nothing(code) => 6,
            _ => 0,
        },
        ('%', Some(_)) if number(1, 2).is_some_and(|code| code <= 0x20 || code == 0x7f) => 3,
        _ => 0,
    }
}

/// How long the rest of a control sequence is, behind what begins it (ECMA-48, section 5.4).
fn sequence(text: &str) -> usize {
    let end = text.bytes().position(|byte| !(0x20..=0x3f).contains(&byte));
    end.filter(|at| (0x40..=0x7e).contains(&text.as_bytes()[*at])).map_or(0, |at| at + 1)
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

/// A regular expression that is built only once a text holds one of the words without which it cannot match: building
/// all of them costs more than asking the API server a question.
struct Shape {
    /// One of these must stand in the text, in lower case; the pattern cannot match otherwise.
    needs: &'static [&'static str],
    pattern: &'static str,
    replacement: &'static str,
    /// Whether a match is no secret by what stands in it and around it. The search then goes on at its group `value`.
    spares: fn(&str, &Captures<'_>) -> bool,
    built: OnceLock<Regex>,
}

impl Shape {
    const fn new(needs: &'static [&'static str], pattern: &'static str, replacement: &'static str) -> Self {
        Self::unless(needs, pattern, replacement, nothing)
    }

    const fn unless(
        needs: &'static [&'static str],
        pattern: &'static str,
        replacement: &'static str,
        spares: fn(&str, &Captures<'_>) -> bool,
    ) -> Self {
        Self { needs, pattern, replacement, spares, built: OnceLock::new() }
    }

    /// The pattern, if it can match a text which reads so in lower case.
    fn for_text(&self, lower: &str) -> Option<&Regex> {
        self.needs.iter().any(|word| lower.contains(word)).then(|| self.regex())
    }

    fn regex(&self) -> &Regex {
        self.built.get_or_init(|| Regex::new(self.pattern).expect("constant pattern"))
    }

    /// The text with every secret of this shape blanked; nothing where there is none.
    fn blanked(&self, text: &str, lower: &str) -> Option<String> {
        let regex = self.for_text(lower)?;
        let mut out: Option<String> = None;
        let (mut at, mut copied) = (0, 0);
        while let Some(found) = regex.captures_at(text, at) {
            let Some(whole) = found.get(0) else { break };
            if (self.spares)(text, &found) {
                let value = found.name("value").map(|value| value.start()).filter(|start| *start > whole.start());
                at = value.unwrap_or(whole.end());
                continue;
            }
            let out = out.get_or_insert_with(|| String::with_capacity(text.len()));
            out.push_str(&text[copied..whole.start()]);
            found.expand(self.replacement, out);
            (at, copied) = (whole.end(), whole.end());
        }
        let mut out = out?;
        out.push_str(&text[copied..]);
        Some(out)
    }
}

/// Spares nothing.
fn nothing(_: &str, _: &Captures<'_>) -> bool {
    false
}

/// Removes ANSI sequences, control characters, bidirectional overrides and characters that are not seen.
pub fn strip_control(text: &str) -> String {
    static ANSI: Shape = Shape::new(
        &["\u{1b}", "\u{9b}"],
        "(?:\u{1b}\\[|\u{9b})[0-?]*[ -/]*[@-~]|\u{1b}(?:\\][^\u{7}\u{1b}]*(?:\u{7}|\u{1b}\\\\)?|[@-Z\\\\-_])",
        "",
    );
    let unseen = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || hidden(c);
    if !text.contains(unseen) {
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

/// Secrets of somebody else, each by its shape.
static SHAPES: [Shape; 23] = [
    // OpenPGP's too (RFC 9580).
    Shape::new(
        &["private key"],
        r"(?is)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|$)",
        REDACTED,
    ),
    // The end of one whose begin was cut off.
    Shape::new(
        &["private key"],
        r#"(?i)(?:[A-Z0-9+/=]{8,}(?:\\[nr]|[\s"',|>\]])*)+(?:[A-Z0-9+/=]{1,7}(?:\\[nr]|[\s"',|>\]])*)?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"#,
        REDACTED,
    ),
    Shape::new(
        &["eyj"],
        r"\beyJ[A-Za-z0-9_-]{5,}(?:(?:\.|%2[Ee])(?:=?\s{1,3})?[A-Za-z0-9_-]+){1,2}(?:(?:\.|%2[Ee])[A-Za-z0-9_-]*){0,4}",
        REDACTED,
    ),
    Shape::new(&["k8s-aws-v1."], r"k8s-aws-v1\.[A-Za-z0-9_-]+", "k8s-aws-v1.[redacted]"),
    Shape::unless(
        &["bearer", "basic", "negotiate"],
        r"(?i)\b(bearer|basic|negotiate)(?P<sign>(?:\s|%20|\+)+|\s*:\s*)(?P<value>[A-Za-z0-9._~+/=-]{4,})",
        "$1 [redacted]",
        |_, found| {
            let value = &found["value"];
            let short = value.len() < 6 && !value.bytes().any(|byte| byte.is_ascii_digit());
            short || found["sign"].contains(':') && is_prose(&value.to_lowercase())
        },
    ),
    // Schemes that are words of everyday life elsewhere, behind the name of the field that holds them.
    Shape::unless(
        &["authorization"],
        r#"(?i)\b(authorization\\*["']?\s*[:=]\s*[\["'\\]*(?:token|api-?key|digest|aws4-[a-z0-9-]+|goog4-[a-z0-9-]+|hawk|ntlm|oauth|mac|dpop|key|sharedkey(?:lite)?|signature|hmac)\s+)(?P<value>[^\r\n"'\]]+(?:"[^"\r\n]*"[^\r\n"'\]]*)*)"#,
        "$1[redacted]",
        |_, found| found["value"].split_whitespace().all(is_prose),
    ),
    // A password may hold a slash, where what stands before the slash is no port.
    Shape::new(
        &["://"],
        r#"([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^\s/?#"<>@:]*:[^\s/?#"<>]*|[^\s/@:?#"<>\[]*:(?:[^\s/?#@"<>]*[^\s/?#@"<>0-9][^\s/?#@"<>]*)?[/?#][^\s"<>]*)@"#,
        "$1[redacted]@",
    ),
    // A user name alone may be a token.
    Shape::new(&["http"], r#"(?i)\b(https?://)[^\s/?#"<>@:,;]+@"#, "$1[redacted]@"),
    Shape::new(
        &["x-amz-", "x-goog-"],
        r#"(?i)(X-(?:Amz|Goog)-(?:Signature|Security-Token|Credential))(?:=|%3D)[^&\s"']+"#,
        "$1=[redacted]",
    ),
    // Signatures of addresses and of AWS' requests.
    Shape::unless(
        &["signature=", "signature%3d"],
        r#"(?i)(\bsignature(?:=|%3D))(?P<value>[^&\s,;"']{6,})"#,
        "$1[redacted]",
        |_, found| is_prose(&found["value"]),
    ),
    // What only an address' question calls so: a shared access signature, an authorization code.
    Shape::new(
        &["sig=", "code=", "session_state=", "ticket="],
        r#"(?i)([?&#](?:amp;)?(?:sig|code|session_state|ticket)=)[^&\s"']+"#,
        "$1[redacted]",
    ),
    // Whole: each of its pairs may be a session.
    Shape::new(
        &["cookie"],
        r#"(?i)((?:set-)?cookie2?\\*["']?\s*[:=]\s*[\["'\\]*)[^\s=;,"'\]<]+=(?:"[^"\r\n]*"|[^\r\n"'\]<])*"#,
        "$1[redacted]",
    ),
    Shape::new(
        &["pass", "secret", "token", "key"],
        // A flag begins a word and has its value on its line, or on the next where that goes on or is the next of a list:
        // `get-token` is none.
        r#"(?im)(^|[\s"'=\[(,])(--?[a-z0-9-]*(?:password|secret|token|key|passphrase)[a-z0-9-]*)(?:[ \t]*\\\r?\n[ \t]*|[ \t]+|["']?[ \t]*\r?\n[ \t]*- +)(?:"[^"\r\n]*"|'[^'\r\n]*'|[^\s-][^\s]*)"#,
        "$1$2 [redacted]",
    ),
    // The same as a list's elements.
    Shape::new(
        &["pass", "secret", "token", "key"],
        r#"(?i)(["']--?[a-z0-9-]*(?:password|secret|token|key|passphrase)[a-z0-9-]*\\*["']\s*,\s*\\*["'])[^"'\\\r\n]+"#,
        "$1[redacted]",
    ),
    // curl's and wget's own ways to give a password.
    Shape::new(
        &["curl", "wget"],
        r#"(?im)\b((?:curl|wget)\b[^\r\n]*?\s(?:-[a-z]*u[ \t]+|-u|--(?:proxy-)?user(?:[ \t]+|=))["']?[^\s:"'/]+:)[^\s"']+"#,
        "$1[redacted]",
    ),
    Shape::unless(
        &["pass"],
        r"(?i)\b(pass(?:word|wd|phrase)\s+(?:is|was)\s+)(?P<value>\S+)",
        "$1[redacted]",
        |_, found| is_prose(&found["value"]),
    ),
    // A variable's name and its value with nothing but a blank between.
    Shape::unless(
        &["access_key", "secret", "session_token", "api_key"],
        r"(?i)\b((?:[a-z0-9_]*_)?(?:secret_access_key|secret_key|client_secret|session_token|api_key)[ \t]+)(?P<value>[A-Za-z0-9_+/=.~-]{8,})",
        "$1[redacted]",
        |_, found| !found["value"].bytes().any(|byte| byte.is_ascii_digit()),
    ),
    Shape::new(
        &["pass", "secret", "token", "key", "credential", "assertion"],
        r#"(?i)<((?:[a-z0-9_-]+:)?[a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|accesskey|apikey|api_key|privatekey|credential|assertion)[a-z0-9_.-]*(?:\s[^<>]*)?)>\s*[^<\s][^<]*<"#,
        "<$1>[redacted]<",
    ),
    // Members of a private or symmetric JWK (RFC 7518), whatever else is wrong with its key set, also inside a string.
    Shape::new(
        &["d\"", "p\"", "q\"", "i\"", "k\"", "d'", "p'", "q'", "i'", "k'", "d\\", "p\\", "q\\", "i\\", "k\\"],
        r#"(\\*["'](?:d|p|q|dp|dq|qi|k)\\*["']\s*:\s*\\*["'])[A-Za-z0-9_=-]{8,}"#,
        "$1[redacted]",
    ),
    // What GitHub, GitLab, Slack and Vault begin their tokens with.
    Shape::new(
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "hvs.", "hvb.", "hvr.", "dckr_pat_"],
        r"(?i)\b(gh[pousr]_|github_pat_|glpat-|xox[a-z]-|hv[sbr]\.|dckr_pat_)[A-Za-z0-9_-]{16,}",
        "$1[redacted]",
    ),
    Shape::new(&["hooks.slack.com/"], r"(?i)(hooks\.slack\.com/[a-z]+/)[A-Za-z0-9_/-]+", "$1[redacted]"),
    // Vault's older ones.
    Shape::unless(&["s."], r"\b(s\.)(?P<value>[A-Za-z0-9]{24})\b", "$1[redacted]", in_a_host),
    // kubeadm's bootstrap tokens: the first half is public.
    Shape::unless(&["."], r"\b([a-z0-9]{6}\.)(?P<value>[a-z0-9]{16})\b", "$1[redacted]", |text, found| {
        in_a_host(text, found) || !found["value"].bytes().any(|byte| byte.is_ascii_digit())
    }),
];

/// Whether a match is a part of a longer name, as those of hosts and files are.
fn in_a_host(text: &str, found: &Captures<'_>) -> bool {
    let Some(whole) = found.get(0) else { return false };
    let mut behind = text[whole.end()..].chars();
    let goes_on = match behind.next() {
        Some('.') => behind.next().is_some_and(char::is_alphanumeric),
        Some(c) => matches!(c, '-' | '_' | '/'),
        None => false,
    };
    goes_on || text[..whole.start()].ends_with(['.', '-', '_', '/', '@'])
}

/// A name that speaks of a secret, with its value.
static PAIR: Shape = Shape::unless(
    &["pass", "pwd", "secret", "token", "key", "credential", "assertion", "cookie", "verifier", "saml"],
    r#"(?i)(?P<name>[a-z0-9_.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|client[_-]?key|key[_-]?data|code[_-]?verifier|saml[_-]?(?:response|request)|passphrase|credential|assertion|cookie)(?:\\*["'])?)(?P<sign>\s*[:=]\s*)(?P<value>[>|][+-]?[ \t]*\r?\n\s*\S+|\\+"[^"\\]*(?:\\+")?|"(?:[^"\\]|(?s:\\.))*"|'[^']*'|[^\s,;&"']+(?:[,;][^\s,;&"']+)*|["'][^\s"']+)"#,
    "$name$sign[redacted]",
    is_sentence,
);

/// Whether a name and what follows it are words of a sentence: "verify token: oidc: ...".
fn is_sentence(text: &str, found: &Captures<'_>) -> bool {
    let (value, sign, name) = (&found["value"], &found["sign"], found["name"].to_lowercase());
    let hard = name.contains("pass") || name.contains("secret") || name.contains("pwd");
    if let Some(stem) = value.strip_suffix(':') {
        // What announces something more is no value, but a long or a strange word may be one.
        return if hard { is_prose(stem) || stem == "x509" } else { stem.len() <= 24 };
    }
    if let Some(stem) = value.strip_suffix('=') {
        // `verify token: password="x"` is a pair behind another.
        let quoted = found.get(0).is_some_and(|whole| text[whole.end()..].starts_with(['"', '\'']));
        return quoted && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    }
    if !sign.contains(':') || !sign.ends_with(' ') || hard {
        return false;
    }
    // A field for a key holds nothing else.
    if name.trim_end_matches(['"', '\'', '\\']).ends_with("key") {
        return STATES.contains(&value.trim_end_matches(['.', ')', ']']));
    }
    let goes_on = || {
        let behind = found.get(0).map_or("", |whole| &text[whole.end()..]);
        behind.strip_prefix(' ').is_some_and(|next| next.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    is_prose(value)
        || value.get(1..).is_some_and(is_prose) && value.starts_with(|c: char| c.is_ascii_uppercase()) && goes_on()
}

/// What is said of a key that is not told.
const STATES: &[&str] = &[
    "absent", "cannot", "empty", "expired", "failed", "invalid", "is", "missing", "must", "no", "none", "not",
    "required", "the", "unknown", "unset",
];

/// Whether this may be a word of a sentence: in lower case, of a length and with vowels as words have.
fn is_prose(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':', '!', '?', ')', ']']);
    let vowel = |byte: u8| matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let (mut run, mut longest) = (0, 0);
    for byte in word.bytes() {
        run = if vowel(byte) { 0 } else { run + 1 };
        longest = longest.max(run);
    }
    (1..=16).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_lowercase())
        && (word.len() <= 4 || longest <= 4 && word.bytes().any(vowel))
}

/// Blanks what looks like a secret of somebody else: bearer tokens, JWT signatures, key = value pairs, PEM keys,
/// URL userinfo, presigned signatures, long random strings.
fn blank_secret_shapes(text: &str) -> String {
    let (mut text, lower) = blank_marked(text.to_owned());
    if let Some(blanked) = PAIR.blanked(&text, &lower) {
        text = blanked;
    }
    blank_random(&text)
}

/// Blanks what one of the shapes fits; with the text as it was, folded.
fn blank_marked(mut text: String) -> (String, String) {
    // Replacements add no word that a later shape needs and the text lacks.
    let lower = fold(&text);
    for shape in &SHAPES {
        if let Some(blanked) = shape.blanked(&text, &lower) {
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
            ("oidc-login get-token\nSet-Cookie: session=abc; Path=/", "oidc-login get-token\nSet-Cookie: [redacted]"),
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
            "MIIEvQIBADANBgkqhkiG\nAAAA==\n-----END PRIVATE KEY-----",
            "eyJhbGciOiJ.eyJpc3MiOiJ.AAAA",
            "k8s-aws-v1.aHR0cHM6Ly9",
            "BEARER abcdefghij, Basic YWxhZGRpbg==, negotiate YII_abcdef",
            "authorization: Digest username=\"u\", response=\"r\"",
            "socks5://u:pw@host",
            "HTTPS://user@host",
            "x-AMZ-signature=00ff&X-Amz-Security-Token=abc&X-Goog-Credential%3Dabc",
            "\u{17f}ignature=00ff00ff, Signature%3D00ff00ff",
            "?sig=a&code=b&session_state=c&amp;ticket=d",
            "Coo\u{212a}ie: a=1; b=2",
            "--API-Key abc --pa\u{17f}\u{17f}word abc --to\u{212a}en abc --passphrase x --client-secret y",
            "['--API-Key', 'abc', '--pa\u{17f}\u{17f}word', 'abc', '--to\u{212a}en', 'abc', '--client-secret', 'y']",
            "CURL -u bob:pw",
            "pa\u{17f}\u{17f}word is Ab1",
            "secret_access_key 12345678 api_\u{212a}ey 12345678 session_token 12345678 client_secret 12345678",
            "<Password>a</Password><AccessKey>b</AccessKey><Token>c</Token><Credential>d</Credential>",
            r#"{"kty":"RSA","d":"AAAAAAAAAAAA","p" : "AAAAAAAAAAAA"},{'kty':'oct','k':'AAAAAAAAAAAA'},{\"qi\":\"AAAAAAAAAAAA\"}"#,
            "ghp_abcdefghijklmnopqrst gl\u{70}at-abcdefghijklmnopqrst xoxb-1234567890-1234567890 hvs.abcdefghijklmnop",
            "hoo\u{212a}s.\u{17f}lack.com/services/T0/B0/x",
            "login s.abcdefghijklmnopABCDEFGH",
            "abcdef.0123456789abcdef",
            "A_PASSWD: x, pa\u{17f}\u{17f}word=x, api\u{212a}ey=1, private-key = '1', cookie: \"a b\", assertion=1, access_key=1, credential=1, api_key=1, pwd=1, code_verifier=1, SAMLResponse=1",
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
        ] {
            assert_eq!(scrubber.text(text), text);
        }
    }

    #[test]
    fn terminal_control_is_removed() {
        assert_eq!(Scrubber::default().text("a\u{1b}[31mred\u{1b}[0m\u{202e}b\r\n\tc\u{7}"), "aredb\n\tc");
    }
}
