//! Secrets of somebody else, each known by its shape: marks, names with values.

use regex::Captures;

use super::REDACTED;
use super::random::blank_random;
use super::shape::Shape;

/// Secrets of somebody else, each by its shape.
static SHAPES: [Shape; 27] = [
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
    // Both in an address that stands encoded in another, up to its last encoded `@`; no encoded slash, question mark or hash
    // before it.
    Shape::new(
        &["%3a%2f%2f"],
        r#"(?i)([a-z][a-z0-9+.-]*%3a%2f%2f)(?:[^\s&"'<>%/?#@]|%(?:[015-9a-f][0-9a-f]|2[0-24-9a-e]|3[0-9a-e]|4[0-9a-f]))+%40"#,
        "$1[redacted]%40",
    ),
    // Without a scheme it is told from a name with a prefix (`oidc:alice@example.com`) by the word before it.
    Shape::unless(
        &["lookup", "address", "proxy"],
        r#"(?i)((?:\blookup|\baddress|proxy)["']?(?:\s*[:=]\s*|\s+)["']?)(?P<user>[^\s"'<>/@:]+):[^\s"'<>/]+@(?P<host>[^\s"'<>/@]+)"#,
        "$1[redacted]@$host",
        // An image's digest, a mail address; only who looks a host up needs no port behind it.
        |_, found| {
            let port = found["host"]
                .trim_end_matches(':')
                .rsplit_once(':')
                .is_some_and(|(_, port)| port.starts_with(|c: char| c.is_ascii_digit()));
            ["sha256:", "sha512:"].iter().any(|digest| found["host"].starts_with(digest))
                || found["user"].eq_ignore_ascii_case("mailto")
                || !port && !found[1].to_lowercase().contains("lookup")
        },
    ),
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
    // A column of a table.
    Shape::unless(
        &["pass", "pwd"],
        r"(?i)\b((?:[a-z0-9]+[_.-])*(?:password|passwd|passphrase|passwort|pwd) *\t[ \t]*)(?P<value>\S{4,})",
        "$1[redacted]",
        |_, found| is_prose(&found["value"].to_lowercase()),
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
    // A registry's user and password (Docker's config.json, npm's _auth).
    Shape::unless(
        &["auth"],
        r#"((?i:auth)\\*["']?\s*[:=]\s*\\*["']?)(?P<value>[A-Za-z0-9+/]{8,}={0,2})"#,
        "$1[redacted]",
        |_, found| !is_basic(&found["value"]),
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

/// Whether a word is base64 of something with a colon in it, as of a user's name and password; its end may be cut off.
fn is_basic(word: &str) -> bool {
    use base64::Engine as _;
    let word = word.trim_end_matches('=');
    let whole_groups = &word[..word.len() - word.len() % 4];
    let Ok(pair) = base64::engine::general_purpose::STANDARD.decode(whole_groups) else { return false };
    let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return false };
    std::str::from_utf8(&pair[..colon]).is_ok_and(|user| !user.is_empty() && !user.contains(char::is_control))
}

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
    &[
        "pass",
        "pwd",
        "kennwort",
        "otp",
        "secret",
        "token",
        "key",
        "credential",
        "assertion",
        "cookie",
        "verifier",
        "saml",
    ],
    // Inside a string a quote of the value has more backslashes before it than those around the value.
    r#"(?i)(?P<name>[a-z0-9_.-]*(?:password|passwd|passcode|passwort|kennwort|pwd|otp|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|client[_-]?key|key[_-]?data|code[_-]?verifier|saml[_-]?(?:response|request)|passphrase|credential|assertion|cookie)(?:\\*["'])?)(?P<sign>\s*(?:=>|[:=])\s*|\s+->\s+)(?P<value>[>|][+-]?[ \t]*\r?\n\s*\S+|\\{3}"(?:[^"\\]|\\{8}|\\{7}"|\\{1,7}[^"\\])*(?:\\{3}")?|\\"(?:[^"\\]|\\{4}|\\{3}"|\\{1,3}[^"\\])*(?:\\")?|\\+"[^"\\]*(?:\\+")?|"(?:[^"\\]|(?s:\\.))*"|'[^']*'|[^\s,;&"']+(?:[,;][^\s,;&"']+)*|["'][^\s"']+)"#,
    "$name$sign[redacted]",
    is_sentence,
);

/// Whether a name and what follows it are words of a sentence: "verify token: oidc: ...".
fn is_sentence(text: &str, found: &Captures<'_>) -> bool {
    let (value, sign, name) = (&found["value"], &found["sign"], found["name"].to_lowercase());
    let password = ["pass", "pwd", "kennwort"].iter().any(|word| name.contains(word));
    let hard = password || name.contains("secret");
    if let Some(stem) = value.strip_suffix(':') {
        // What announces something more is no value, but a long or a strange word may be one.
        return if hard { is_prose(stem) || stem == "x509" } else { stem.len() <= 24 };
    }
    if let Some(stem) = value.strip_suffix('=') {
        // `verify token: password="x"` is a pair behind another.
        let quoted = found.get(0).is_some_and(|whole| text[whole.end()..].starts_with(['"', '\'']));
        return quoted && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    }
    if sign.contains('>') {
        // An arrow also leads from step to step ("Secret -> ServiceAccount") and into a function ("token => {").
        let quoted = value.starts_with(['"', '\'', '\\']);
        let told = quoted || value.bytes().any(|byte| byte.is_ascii_digit());
        // A status, a host, a role: what a step leads to.
        let status = value.len() <= 3 && value.bytes().all(|byte| byte.is_ascii_digit());
        let host = value.split('.').count() > 2
            && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte));
        if !hard && !quoted && (status || host || value.starts_with("arn:")) {
            return true;
        }
        return !told && (!password || is_prose(value) || !value.bytes().any(|byte| byte.is_ascii_alphanumeric()));
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
pub(super) fn blank_secret_shapes(text: &str) -> String {
    let (mut text, lower) = blank_marked(text.to_owned());
    if let Some(blanked) = PAIR.blanked(&text, &lower) {
        text = blanked;
    }
    blank_random(&text)
}

/// Blanks what one of the shapes fits; with the text as it was, folded.
pub(super) fn blank_marked(mut text: String) -> (String, String) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
            "url=HTTPS%3A%2F%2Fu%3Apw%40host",
            "LOOKUP u:pw@host, addre\u{17f}s u:pw@host, HTTPS_PROXY=u:pw@host",
            "x-AMZ-signature=00ff&X-Amz-Security-Token=abc&X-Goog-Credential%3Dabc",
            "\u{17f}ignature=00ff00ff, Signature%3D00ff00ff",
            "?sig=a&code=b&session_state=c&amp;ticket=d",
            "Coo\u{212a}ie: a=1; b=2",
            "--API-Key abc --pa\u{17f}\u{17f}word abc --to\u{212a}en abc --passphrase x --client-secret y",
            "['--API-Key', 'abc', '--pa\u{17f}\u{17f}word', 'abc', '--to\u{212a}en', 'abc', '--client-secret', 'y']",
            "CURL -u bob:pw",
            "pa\u{17f}\u{17f}word is Ab1",
            "PA\u{17f}SWORD\tAb12, db_pwd\tAb12",
            "secret_access_key 12345678 api_\u{212a}ey 12345678 session_token 12345678 client_secret 12345678",
            "<Password>a</Password><AccessKey>b</AccessKey><Token>c</Token><Credential>d</Credential>",
            r#"{"kty":"RSA","d":"AAAAAAAAAAAA","p" : "AAAAAAAAAAAA"},{'kty':'oct','k':'AAAAAAAAAAAA'},{\"qi\":\"AAAAAAAAAAAA\"}"#,
            r#"{"AUTH":"dTpRd2VydHk="}, _auth=dTpRd2VydHk="#,
            "ghp_abcdefghijklmnopqrst gl\u{70}at-abcdefghijklmnopqrst xoxb-1234567890-1234567890 hvs.abcdefghijklmnop",
            "hoo\u{212a}s.\u{17f}lack.com/services/T0/B0/x",
            "login s.abcdefghijklmnopABCDEFGH",
            "abcdef.0123456789abcdef",
            "A_PASSWD: x, pa\u{17f}\u{17f}word=x, api\u{212a}ey=1, private-key = '1', cookie: \"a b\", assertion=1, access_key=1, credential=1, api_key=1, pwd=1, code_verifier=1, SAMLResponse=1, otp=1, \u{212a}ennwort: 1, :passcode=>1, token -> 1",
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
}
