//! What one line of any text says: the codes that fit, the most telling first, and what stands in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::{RULES, rule};
use crate::apiserver::message::{self, Recognised, set};
use crate::report::Confidence;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The code it speaks of.
    pub code: &'static str,
    /// Other codes that the same words fit, the likelier first.
    pub rivals: Vec<&'static str>,
    /// Whether the words decide it.
    pub confidence: Confidence,
    /// The name of the text that was recognised.
    pub text: &'static str,
    /// What stands in it.
    pub fields: BTreeMap<String, String>,
}

/// Everything that a line says; what is only the consequence of another thing in the same line is left out.
pub fn read(line: &str) -> Vec<Reading> {
    let found = set::set().recognise(line);
    if found.is_empty() {
        return Vec::new();
    }
    let context = Context::new(line);
    let mut readings: Vec<Reading> = found.iter().filter_map(|text| reading(text, &found, &context)).collect();
    // The most telling first: sure before likely, then by the registry.
    readings.sort_by_key(|reading| (reading.confidence, rank(reading.code)));
    let codes: Vec<&'static str> = readings.iter().map(|reading| reading.code).collect();
    let mut kept: Vec<Reading> = Vec::new();
    for reading in readings {
        let explained = codes.iter().any(|other| {
            *other != reading.code && rule(other).is_some_and(|rule| rule.explains.contains(&reading.code))
        });
        if explained {
            continue;
        }
        // One line tells one story of a text; rivals of the first are not told again.
        match kept.iter_mut().find(|other| other.code == reading.code || other.rivals.contains(&reading.code)) {
            Some(other) => {
                for rival in std::iter::once(reading.code).chain(reading.rivals) {
                    if other.code != rival && !other.rivals.contains(&rival) {
                        other.rivals.push(rival);
                    }
                }
                for (name, value) in reading.fields {
                    other.fields.entry(name).or_insert(value);
                }
            }
            None => kept.push(reading),
        }
    }
    // Whatever the API server puts after its own words is more than those words alone.
    if kept.len() > 1 {
        kept.retain(|reading| reading.code != "credential-rejected");
    }
    kept
}

/// A text of more bytes than this is a log, whose lines are whole.
pub const SHORT: usize = 64 * 1024;

/// Into how many lines a message may have been broken.
const PIECES: usize = 6;

/// From how many columns on a line may have been broken by what showed it, and up to how many.
const NARROW: usize = 60;
const WIDE: usize = 130;

/// How many of these lines, from the first on, are one message that a terminal, a chat or a page broke, and the message
/// as it was. `None` where the first line says as much by itself.
pub fn joined(lines: &[&str]) -> Option<(usize, String)> {
    let (first, rest) = lines.split_first()?;
    let next = rest.first()?;
    let lead = &first[..first.len() - first.trim_start_matches(['>', '|', '│', ' ', '\t']).len()];
    // Where the next word is long, a line ends early.
    let word = next.split_whitespace().next().map_or(0, columns);
    if first.trim().is_empty() || columns(first) > WIDE || columns(first) + word < NARROW {
        return None;
    }
    continued(next, lead)?;
    let mut pieces = vec![&first[lead.len()..]];
    let first_alone = read(pieces[0]);
    let mut speaking = usize::from(!first_alone.is_empty());
    let mut best: Option<(usize, String)> = None;
    let mut told = first_alone;
    for line in rest.iter().take(PIECES - 1) {
        let Some(piece) = continued(line, lead) else { break };
        pieces.push(piece);
        let alone = read(piece);
        speaking += usize::from(!alone.is_empty());
        // Two lines that each say something are two messages.
        if speaking > 1 {
            break;
        }
        if told.is_empty() {
            told = alone;
        }
        let mut ways: Vec<(String, Vec<Reading>)> =
            glued(&pieces).into_iter().map(|whole| (whole.clone(), read(&whole))).collect();
        ways.sort_by_key(|(_, readings)| blanks(readings));
        let fewest = ways.iter().find(|(_, readings)| !readings.is_empty()).map(|(_, readings)| blanks(readings));
        for (whole, readings) in ways {
            // A name that was put together wrongly says nothing, however sure it sounds.
            if fewest.is_some_and(|fewest| blanks(&readings) > fewest) {
                continue;
            }
            if tells_more(&readings, &told) {
                best = Some((pieces.len(), whole));
                told = readings;
            }
        }
    }
    let (count, whole) = best?;
    // Where the rest says the same without it, the first line is no part of the message.
    let without = glued(&pieces[1..count]).iter().any(|whole| !tells_more(&told, &read(whole)));
    (!without).then_some((count, whole))
}

/// The text with each broken message in one line, and without the entities of a page.
pub fn unwrapped(text: &str) -> Cow<'_, str> {
    if text.len() > SHORT {
        return Cow::Borrowed(text);
    }
    // The API server itself writes `<` as an entity, and never a quote.
    let page = ["&quot;", "&#34;", "&#x22;"].iter().any(|quote| text.contains(quote));
    let plain = set::without_entities(text).filter(|_| page).map_or(Cow::Borrowed(text), Cow::Owned);
    match rejoined(&plain) {
        Some(whole) => Cow::Owned(whole),
        None => plain,
    }
}

/// The text with each broken message in one line; `None` where none was broken.
fn rejoined(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut whole = String::with_capacity(text.len());
    let mut any = false;
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if at > 0 {
            whole.push('\n');
        }
        if let Some((count, message)) = joined(&lines[at..]) {
            whole.push_str(&message);
            any = true;
            at += count;
        } else {
            whole.push_str(line);
            at += 1;
        }
    }
    any.then_some(whole)
}

/// The line as the continuation of one that began with `lead`; `None` where it begins something of its own.
fn continued<'l>(line: &'l str, lead: &str) -> Option<&'l str> {
    static BEGINNING: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r#"^(?:[IWEF]\d{4} |\[?\d{4}[-/]\d\d[-/]\d\d[T ]|\d\d:\d\d:\d\d|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ \d\d:|"#,
            r#"(?:time|ts|level|msg)=|\{\s*"|[}\]]|"[\w.-]+"\s*:\s*(?:["\[{\d]|true|false|null)|</?[!a-zA-Z]|\[pod/|"#,
            r"(?:Error|ERROR|FATA?L?|WARN|Warning|WARNING|INFO|DEBUG)\b|(?:error|fatal|panic|warning): |Unable to connect|You must be|",
            r"[$#*+-] |\d+\. |at \S+\(|Caused by: |Traceback |```|goroutine |(?:kubectl|helm|kaccess) )",
        ))
        .expect("constant pattern")
    });
    // A time in the middle of a message, not that of a line; gRPC's "rpc error: code = ".
    static WITHIN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:[\d:TZ.-]+(?: [\d:.]+)? (?:is (?:after|before|now|still)|[+-]\d{4} UTC)|error: code = )")
            .expect("constant pattern")
    });
    let mark = lead.trim_end();
    let piece = if mark.is_empty() {
        line.strip_prefix(lead).unwrap_or(line)
    } else {
        let piece = line.strip_prefix(mark)?;
        piece.strip_prefix(&lead[mark.len()..]).unwrap_or(piece)
    };
    let own = piece.trim_start();
    (columns(line) <= WIDE && !own.is_empty() && (!BEGINNING.is_match(own) || WITHIN.is_match(own))).then_some(piece)
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// The pieces as one line, the likelier way first: broken at blanks, or wherever the line was full.
fn glued(pieces: &[&str]) -> Vec<String> {
    let Some((_, broken)) = pieces.split_last() else { return Vec::new() };
    let full = broken.iter().map(|piece| columns(piece.trim_end())).max().unwrap_or_default();
    let glue = |hard: bool| {
        let mut whole = String::new();
        for (index, piece) in pieces.iter().enumerate() {
            let Some(before) = index.checked_sub(1).and_then(|index| pieces.get(index)) else {
                whole.push_str(piece.trim_end());
                continue;
            };
            let blank = before.ends_with([' ', '\t']) || piece.starts_with([' ', '\t']);
            if blank || !hard || columns(before.trim_end()) < full {
                whole.push(' ');
            }
            whole.push_str(piece.trim());
        }
        whole
    };
    let (soft, hard) = (glue(false), glue(true));
    if soft == hard {
        return vec![soft];
    }
    // Lines that all end in the same column were cut there, and so was one that fills a terminal.
    let even = broken.len() > 1 && broken.iter().all(|piece| columns(piece.trim_end()) == full);
    if even || [80, 100, 120].contains(&full) { vec![hard, soft] } else { vec![soft, hard] }
}

/// How many blanks stand in names: of two ways to put the pieces together, the one with more has cut a name in two.
fn blanks(readings: &[Reading]) -> usize {
    const NAMES: [&str; 19] = [
        "user",
        "verb",
        "group",
        "resource",
        "subresource",
        "namespace",
        "path",
        "url",
        "api",
        "host",
        "server",
        "address",
        "arn",
        "role",
        "issuer",
        "claim",
        "expected",
        "got",
        "file",
    ];
    let fields = readings.iter().flat_map(|reading| &reading.fields);
    let names = fields.filter(|(name, _)| NAMES.contains(&name.as_str()));
    names.map(|(_, value)| value.split_whitespace().count().saturating_sub(1)).sum()
}

/// What is said with these readings, and was not with those before.
fn tells_more(readings: &[Reading], before: &[Reading]) -> bool {
    let Some(now) = readings.first() else { return false };
    let Some(then) = before.first() else { return true };
    // The API server's own words for a 401 are less than whatever it puts behind them.
    if now.code != then.code && then.code == "credential-rejected" {
        return true;
    }
    let explains = rule(now.code).is_some_and(|rule| rule.explains.contains(&then.code));
    match now.confidence.cmp(&then.confidence) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Equal if now.code == then.code => now.fields.len() > then.fields.len(),
        _ => now.code != then.code && explains,
    }
}

/// The place of a code in the registry.
pub fn rank(code: &str) -> usize {
    RULES.iter().position(|rule| rule.code == code).unwrap_or(usize::MAX)
}

/// What stands around a text.
struct Context {
    /// The line without its quoting.
    plain: String,
    /// It speaks of the API server's judgement of a credential.
    authentication: bool,
    /// kubectl tells the answer to a request.
    answer: bool,
    /// A client of the API server speaks of the way to it.
    client: bool,
    /// aws-iam-authenticator speaks.
    authenticator: bool,
}

impl Context {
    fn new(line: &str) -> Self {
        let plain = set::unquoted(line).pop().unwrap_or_default();
        let holds = |words: &[&str]| words.iter().any(|word| plain.contains(word));
        Self {
            authentication: holds(&[
                "bearer token",
                "nable to authenticate",
                "TokenReview",
                "authentication.go",
                "\"authenticated\"",
            ]),
            answer: holds(&["Error from server", "Error when", "error when"]),
            client: holds(&[
                "Unable to connect to the server",
                "group list",
                "cluster unreachable",
                "/api?",
                "/api/v1",
                "/apis",
                "/version",
            ]),
            authenticator: holds(&["getCallerIdentity", "access denied", "properly formatted", "pre-signed URL"]),
            plain,
        }
    }

    /// The words of go-oidc, and not in the way that the API server passes them on: some other program that verifies ID
    /// tokens says them.
    fn relying_party(&self) -> bool {
        const LOGINS: [&str; 3] = ["could not verify id_token", "oauth2-proxy", "failed to verify token"];
        let others = LOGINS.iter().any(|words| self.plain.contains(words));
        let own = self.authentication
            || self.plain.contains("oidc: verify token")
            || self.plain.trim_start_matches(['[', '"', ' ']).starts_with("oidc: ");
        others || !own
    }

    /// A JSON object with the words of a 401 and without the marks of a Kubernetes Status: any web service answers so.
    fn others_json(&self) -> bool {
        const MARKS: [&str; 9] = [
            "\"kind\"",
            "\"apiVersion\"",
            "\"reason\"",
            "\"metadata\"",
            "\"Failure\"",
            "must be logged in",
            "provide credentials",
            "ApiException",
            "Error from server",
        ];
        self.plain.contains('{')
            && self.plain.replace(": ", ":").contains("\"message\":\"Unauthorized\"")
            && !MARKS.iter().any(|mark| self.plain.contains(mark))
    }

    /// A text of ordinary words counts where it stands alone or where the API server says it.
    fn server_says(&self, words: &str) -> bool {
        self.authentication || self.plain.trim_start_matches(['[', '"', ' ']).starts_with(words)
    }
}

/// The codes of one text: chosen by what stands in it, where rules share the text.
fn reading(found: &Recognised, all: &[Recognised], context: &Context) -> Option<Reading> {
    let (codes, confidence) = codes(found, all, context)?;
    let mut codes = codes.into_iter().filter(|code| rule(code).is_some());
    let code = codes.next()?;
    let mut fields = found.fields.clone();
    if matches!(found.text.name, "forbidden" | "node-authorizer") {
        let who = fields.remove("who");
        fields.extend(forbidden_fields(&context.plain));
        // A refusal that was cut still says who was refused.
        if let Some(who) = who {
            fields.entry("user".to_owned()).or_insert(who);
        }
    }
    let mut rivals: Vec<&'static str> = Vec::new();
    for rival in codes {
        if rival != code && !rivals.contains(&rival) {
            rivals.push(rival);
        }
    }
    Some(Reading { code, rivals, confidence, text: found.text.name, fields })
}

/// The parts of the authorizer's refusal, as the contract names them.
fn forbidden_fields(plain: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let Some(refusal) = message::forbidden(plain) else { return fields };
    let question = refusal.question;
    let path = question.path.unwrap_or_default();
    for (name, value) in [
        ("user", refusal.user),
        ("verb", question.verb),
        ("group", question.group),
        ("resource", question.resource),
        ("subresource", question.subresource),
        ("name", question.name),
        ("namespace", question.namespace),
        ("path", path),
        ("reason", refusal.reason),
    ] {
        if !value.is_empty() {
            fields.insert(name.to_owned(), value);
        }
    }
    fields
}

type Codes = (Vec<&'static str>, Confidence);

/// The codes, the likeliest first; `None` where the words mean something else here.
fn codes(found: &Recognised, all: &[Recognised], context: &Context) -> Option<Codes> {
    use Confidence::{Certain, Likely, Possible};
    let field = |name: &str| found.fields.get(name).map_or("", String::as_str);
    let has = |name: &str| all.iter().any(|other| other.text.name == name);
    let error = field("error");
    let choice = match found.text.name {
        // Words of the API server about the issuer.
        "oidc-init-http" => match field("status") {
            "404" => (vec!["issuer-not-found"], Certain),
            "429" => (vec!["issuer-rate-limited"], Certain),
            _ if field("body").contains("publicly accessible") => {
                (vec!["issuer-unreachable-from-control-plane", "issuer-private-dns", "issuer-unavailable"], Likely)
            }
            status if status.starts_with('5') => (vec!["issuer-unavailable"], Certain),
            _ => (
                vec![
                    "issuer-blocks-control-plane",
                    "allowlist-uses-endpoint-addresses",
                    "allowlist-misses-control-plane",
                    "listener-rule-blocks-discovery",
                    "waf-may-block-discovery",
                ],
                Certain,
            ),
        },
        "oidc-init-x509" if error.contains("unknown authority") => {
            (vec!["issuer-certificate-untrusted", "issuer-chain-incomplete"], Likely)
        }
        "oidc-init-x509" if error.contains("is before") => {
            (vec!["api-server-clock-wrong", "issuer-certificate-expired"], Likely)
        }
        "oidc-init-x509" if error.contains("expired") => {
            (vec!["issuer-certificate-expired", "api-server-clock-wrong"], Likely)
        }
        "oidc-init-x509" if ["valid for", "IP SANs", "legacy Common"].iter().any(|words| error.contains(words)) => {
            (vec!["issuer-certificate-name-mismatch"], Certain)
        }
        // Other words, or words that were cut.
        "oidc-init-x509" => (vec!["issuer-certificate-name-mismatch", "issuer-certificate-untrusted"], Possible),
        "oidc-init-old" => {
            let ends = |words: &[&str]| words.iter().any(|word| error.trim_end_matches('"').trim_end().ends_with(word));
            if ends(&["Forbidden", "Proxy Authentication Required", "Bad Gateway", "Service Unavailable"]) {
                (vec!["issuer-egress-proxy-denied"], Certain)
            } else if error.contains("no such host") {
                (vec!["issuer-private-dns", "issuer-unreachable-from-control-plane"], Likely)
            } else if error.contains("unknown authority") {
                (vec!["issuer-certificate-untrusted", "issuer-chain-incomplete"], Likely)
            } else if error.contains("has expired") {
                (vec!["issuer-certificate-expired", "api-server-clock-wrong"], Likely)
            } else if ["valid for", "IP SANs", "legacy Common"].iter().any(|words| error.contains(words)) {
                (vec!["issuer-certificate-name-mismatch"], Likely)
            } else if error.contains("x509") {
                (vec!["issuer-certificate-name-mismatch", "issuer-certificate-untrusted"], Possible)
            } else {
                (vec!["issuer-unreachable-from-control-plane"], Likely)
            }
        }
        // An empty user entry makes kubectl ask as one that is not there does.
        "context-user" if field("user").is_empty() => (vec!["context-user-missing", "no-credential"], Likely),
        "bad-request-unknown" => (vec!["server-url-wrong-scheme", "not-a-kubernetes-api"], Likely),
        "oidc-init-dns" => (vec!["issuer-private-dns", "issuer-unreachable-from-control-plane"], Likely),
        "oidc-init-timeout" => (
            vec![
                "issuer-unreachable-from-control-plane",
                "security-group-blocks-issuer",
                "issuer-internal-load-balancer",
                "route-to-issuer-missing",
            ],
            Certain,
        ),
        "oidc-init-closed" | "oidc-init-refused" => {
            (vec!["issuer-unreachable-from-control-plane", "issuer-unavailable"], Likely)
        }
        "oidc-discovery-not-json" => (vec!["issuer-returns-html", "listener-login-on-discovery"], Certain),
        "oidc-discovery-shape" => (vec!["issuer-returns-html"], Possible),
        "oidc-issuer-unhealthy" if error.is_empty() => (vec!["oidc-not-initialized"], Certain),
        // The cause follows, and has a text of its own where it is known.
        "oidc-issuer-unhealthy" => (vec!["oidc-not-initialized"], Likely),
        "oidc-not-initialized" => (
            vec![
                "oidc-not-initialized",
                "oidc-partly-initialized",
                "issuer-blocks-control-plane",
                "issuer-unreachable-from-control-plane",
                "issuer-certificate-untrusted",
                "issuer-document-mismatch",
            ],
            Certain,
        ),
        "jwks-http" if field("status") == "429" => (vec!["issuer-rate-limited"], Certain),
        "jwks-http" if field("status").starts_with('5') => {
            (vec!["jwks-unreachable", "issuer-unavailable", "jwks-blocked"], Likely)
        }
        "jwks-http" if field("status") == "404" => (vec!["jwks-blocked", "jwks-unreachable"], Likely),
        "jwks-http" => (vec!["jwks-blocked"], Certain),
        "jwks-unreachable" if has("jwks-no-url") => return None,
        "signature-failed" => (
            // From 1.36 on an expired token with an unknown key says this as well.
            vec![
                "token-key-rotated",
                "token-key-foreign",
                "jwks-cache-delays-rotation",
                "token-signature-invalid",
                "token-expired",
                "token-is-refresh-token",
            ],
            Possible,
        ),
        // go-oidc says it in every program that takes ID tokens.
        "audience" | "expired" | "algorithm" if context.relying_party() => {
            let code = match found.text.name {
                "audience" => "token-audience-mismatch",
                "expired" => "token-expired",
                _ => "token-algorithm-not-allowed",
            };
            (vec![code], Possible)
        }
        // Access tokens of Keycloak have no audience, or its account application.
        "audience" if field("got").contains("\"account\"") || field("got") == "[]" => {
            (vec!["token-audience-mismatch", "token-not-id-token"], Likely)
        }
        "audience" => (vec!["token-audience-mismatch"], Certain),
        "expired" => (vec!["token-expired", "api-server-clock-wrong", "exec-token-expired"], Certain),
        "not-yet-valid" | "service-account-not-yet-valid" => {
            (vec!["token-not-yet-valid", "api-server-clock-wrong"], Likely)
        }
        "algorithm" if field("got").starts_with("HS") => {
            (vec!["token-is-refresh-token", "token-algorithm-not-allowed"], Likely)
        }
        "algorithm" => (vec!["token-algorithm-not-allowed"], Certain),
        "username-claim-missing" => (vec!["username-claim-missing", "token-not-id-token"], Certain),
        "claim-type" => (vec!["token-not-jwt", "username-claim-wrong-type"], Possible),
        "malformed-jwt" => (vec!["token-not-jwt"], Certain),
        "service-account-key-unknown" | "service-account-signature" => (
            vec!["service-account-foreign-cluster"],
            if context.server_says("invalid signature") || context.authentication { Certain } else { Possible },
        ),
        "service-account-missing" if !context.authentication || context.answer => return None,
        "legacy-token-invalidated" if !context.server_says("Token has been invalidated") => return None,
        "service-account-expired" => (vec!["service-account-token-expired", "api-server-clock-wrong"], Certain),
        "authentication-config-reloaded" => return None,
        "nobody-claimed" | "nobody-claimed-quoted" => {
            let mut codes = vec![
                "credential-rejected",
                "token-issuer-mismatch",
                "oidc-not-configured",
                "token-not-jwt",
                "service-account-issuer-unknown",
            ];
            if context.plain.contains(", unknown]") {
                codes.extend([
                    "iam-identity-not-mapped",
                    "aws-auth-role-path",
                    "iam-token-wrong-cluster",
                    "authentication-webhook-refused",
                ]);
            } else {
                codes.extend(["bootstrap-token-invalid", "static-token-unknown"]);
            }
            (codes, Possible)
        }
        // Certificates and proxies.
        "client-certificate" | "certificate-of-neither-ca" | "certificate-of-no-client" | "client-certificate-bare" => {
            if has("front-proxy-name") {
                return None;
            }
            if error.contains("is before")
                || context.plain.contains("not yet valid") && context.plain.contains("is before")
            {
                (vec!["api-server-clock-wrong", "client-certificate-expired"], Likely)
            } else if error.contains("expired") {
                (vec!["client-certificate-expired"], Certain)
            } else if error.contains("key usage") {
                (vec!["client-certificate-wrong-usage"], Certain)
            } else {
                let neither = has("certificate-of-neither-ca");
                let rivals: &[&str] = if neither {
                    &["front-proxy-ca-mismatch"]
                } else {
                    &["front-proxy-header-missing", "front-proxy-not-configured"]
                };
                (std::iter::once("client-certificate-untrusted").chain(rivals.iter().copied()).collect(), Likely)
            }
        }
        "front-proxy-name" => (vec!["front-proxy-name-not-allowed"], Certain),
        "front-proxy-config" | "front-proxy-overlap" => (vec!["front-proxy-not-configured"], Likely),
        "authentication-webhook" if error.trim_end_matches('"').trim() == "unknown" => (
            vec![
                "iam-identity-not-mapped",
                "authentication-webhook-refused",
                "iam-token-wrong-cluster",
                "iam-token-expired",
                "aws-auth-role-path",
                "aws-auth-wrong-arn-kind",
            ],
            Possible,
        ),
        "authentication-webhook"
            if ["401", "403", "nauthorized", "orbidden"].iter().any(|word| error.contains(word)) =>
        {
            (vec!["authentication-webhook-refused", "authentication-webhook-down"], Likely)
        }
        "authentication-webhook" | "authentication-webhook-transport" => (vec!["authentication-webhook-down"], Certain),
        "kubelet-unreachable" | "kubelet-dial" => {
            // Others scrape kubelets as well; what kubectl or the API server tells is meant here.
            let told = ["dialing backend", "\"status\":\"Failure\""].iter().any(|words| context.plain.contains(words));
            if !context.answer && !told {
                return None;
            }
            let refused = ["Forbidden", "Proxy Authentication Required", "Bad Gateway"];
            if refused.iter().any(|word| error.trim_end_matches('"').ends_with(word)) {
                (vec!["control-plane-proxy-in-the-way", "kubelet-unreachable"], Likely)
            } else {
                (vec!["kubelet-unreachable", "control-plane-proxy-in-the-way"], Likely)
            }
        }
        // Rights.
        "node-authorizer" => (vec!["node-authorizer-denied"], Certain),
        "forbidden" | "forbidden-old" | "client-forbidden" if has("node-authorizer") => return None,
        // The older wording, which has no API group, is a text of its own.
        "forbidden" if has("forbidden-old") && message::forbidden(&context.plain).is_none() => return None,
        "forbidden" => return forbidden_codes(context, field("who")),
        "forbidden-old" if message::forbidden(&context.plain).is_some() => return None,
        "forbidden-old" => old_codes(field("user"), field("verb")),
        "client-forbidden" if has("forbidden") || has("forbidden-old") => return None,
        "client-forbidden" => (vec!["rbac-no-grant", "rbac-wrong-scope", "anonymous-request"], Possible),
        "discovery-forbidden" => (vec!["anonymous-request", "rbac-default-bindings-removed"], Possible),
        "whoami-refused" => (vec!["rbac-default-bindings-removed", "anonymous-request"], Possible),
        "upgrade-refused" => (vec!["rbac-verb-missing", "rbac-subresource-not-granted"], Possible),
        "resource-not-served" => {
            (vec!["resource-not-served", "aggregated-api-unavailable", "credential-rejected"], Possible)
        }
        "metrics-api" => (vec!["aggregated-api-unavailable", "resource-not-served"], Possible),
        // Controllers say it of themselves while a cluster starts.
        "namespace-not-found"
            if !context.answer
                && !context.plain.contains("failed to create")
                && !context.plain.starts_with("namespaces ") =>
        {
            return None;
        }
        "namespace-not-found" => (vec!["namespace-not-found"], Certain),
        "impersonate-nobody" => (vec!["default-impersonation"], Likely),
        // What clients say.
        "kubectl-localhost" => {
            (vec!["kubeconfig-not-found", "current-context-unset", "context-cluster-missing"], Possible)
        }
        "kubeconfig-missing" => (vec!["kubeconfig-not-found", "current-context-unset"], Likely),
        "pod-token-missing" => (vec!["service-account-token-not-mounted", "kubeconfig-not-found"], Likely),
        // A webhook's own bundle, no kubeconfig's.
        "kubeconfig-ca-broken" if ["webhook", "caBundle"].iter().any(|word| context.plain.contains(word)) => {
            return None;
        }
        // A kubelet refuses whoever asks it: the API server, or who reads its statistics.
        "kubelet-forbidden"
            if !context.plain.contains("Error from server") && !field("subresource").contains("proxy") =>
        {
            match field("user") {
                "system:anonymous" => (vec!["anonymous-request", "kubelet-refuses-api-server"], Likely),
                user if user.starts_with("system:serviceaccount:") => (vec!["rbac-no-grant"], Likely),
                _ => (vec!["kubelet-refuses-api-server", "rbac-no-grant"], Likely),
            }
        }
        "kubelet-forbidden" => (vec!["kubelet-refuses-api-server"], Certain),
        "kubelet-upgrade-refused" => (vec!["kubelet-refuses-api-server", "credential-rejected"], Likely),
        "bootstrap-token" if context.plain.contains("certificate signing request") => {
            (vec!["bootstrap-token-invalid", "credential-rejected"], Likely)
        }
        "context-unset" => (vec!["current-context-unset"], Certain),
        // A warning; the tool that gives it still has the provider.
        "auth-provider-gone" if !field("deprecated").is_empty() => (vec!["auth-provider-removed"], Possible),
        "auth-provider-gone" => (vec!["auth-provider-removed"], Certain),
        "auth-provider-absent" if matches!(field("provider"), "gcp" | "azure") => {
            (vec!["auth-provider-removed", "auth-provider-not-built-in"], Likely)
        }
        "auth-provider-absent" => (vec!["auth-provider-not-built-in"], Certain),
        "server-wrong-scheme" => (vec!["server-url-wrong-scheme"], Likely),
        "plugin-failed" => (
            vec![
                "exec-failed",
                "aws-credentials-unavailable",
                "exec-login-expired",
                "aws-assume-role-denied",
                "exec-issuer-unreachable",
            ],
            Certain,
        ),
        // It is there, and made for another machine.
        "plugin-absent"
            if !field("format").is_empty() || error.starts_with("exec format") || error.starts_with("%1 is not") =>
        {
            (vec!["exec-failed", "exec-plugin-not-found"], Likely)
        }
        "plugin-absent" => (vec!["exec-plugin-not-found"], Certain),
        // Entra ID says it to every program; whether it was a credential plugin, other words tell.
        "login-refused-by-entra" => {
            let plugin = ["failed to get token", "getting credentials", "kubelogin", "get-token"];
            let told = plugin.iter().any(|words| context.plain.contains(words));
            let codes = match field("aadsts") {
                // Where one logs in from, or with which device, decides.
                "AADSTS53003" => vec!["exec-failed", "exec-login-expired"],
                _ => vec!["exec-failed"],
            };
            (codes, if told { Likely } else { Possible })
        }
        "eks-no-cluster" => (vec!["endpoint-stale"], Possible),
        "eks-cidrs-invalid" => (vec!["public-access-cidr-blocked"], Likely),
        "jwks-failed" if all.iter().any(|other| other.text.name.starts_with("jwks-") && other.text != found.text) => {
            return None;
        }
        "jwks-failed" => (vec!["jwks-blocked", "jwks-unreachable"], Possible),
        "eks-call-denied" if has("sdk-node-role") => return None,
        "eks-call-denied" => (vec!["iam-permission-missing"], Likely),
        "plugin-newer" => (vec!["exec-api-version-unknown-to-client"], Certain),
        "login-browser" => (vec!["exec-login-expired", "exec-needs-terminal"], Possible),
        "login-token-invalid" => (vec!["exec-stale-token-cache"], Possible),
        "login-ended" => (vec!["exec-login-expired"], Likely),
        // Programs in Pods say the same when their own role is missing.
        // The reason stands behind it, in words of its own.
        "aws-credentials"
            if ["sts-web-identity-denied", "sts-no-provider", "sts-audience", "sts-issuer-keys", "sdk-metadata"]
                .iter()
                .chain(&["pod-identity-agent", "pod-identity-refused", "pod-identity-node-role"])
                .chain(&["pod-identity-none", "sts-token-expired", "sts-region-disabled"])
                .any(|name| has(name)) =>
        {
            return None;
        }
        // No login of a person renews a Pod's token.
        "aws-keys" if has("sts-token-expired") => return None,
        // A line that was cut before its reason.
        "aws-credentials" if error.trim_end().ends_with(',') => return None,
        "aws-credentials" | "aws-sso" | "aws-keys" => (
            vec![
                "aws-credentials-unavailable",
                "aws-session-expired",
                "irsa-not-injected",
                "pod-identity-no-association",
            ],
            if context.plain.contains("get-token")
                || context.plain.contains("could not get token")
                || found.text.name == "aws-sso"
            {
                Certain
            } else {
                Likely
            },
        ),
        // kiam and kube2iam take the roles of Pods, and no plugin's.
        "aws-assume-role"
            if context.plain.contains("AssumeRoleWithWebIdentity")
                || ["sdk-node-role", "kiam-sts-refused", "kube2iam-assume"].iter().any(|name| has(name)) =>
        {
            return None;
        }
        "aws-assume-role" => (vec!["aws-assume-role-denied"], Likely),
        // A login plugin's own connections are not those to the API server.
        name if ["server-", "client-"].iter().any(|lead| name.starts_with(lead))
            && !name.starts_with("client-cert")
            && all.iter().any(|other| other.text.name.starts_with("login-")) =>
        {
            return None;
        }
        "server-name" if field("error") != "no such host" && field("why") != "no such host" => {
            (vec!["dns-resolver-unreachable", "endpoint-name-not-found"], Likely)
        }
        "client-no-resolver" => (vec!["dns-resolver-unreachable", "endpoint-name-not-found"], Likely),
        "server-name" | "client-name-not-found" => {
            let mut codes = vec!["endpoint-name-not-found"];
            if field("host").ends_with(".eks.amazonaws.com") {
                codes.extend(["endpoint-stale", "private-zone-not-visible"]);
            }
            codes.push("dns-rebinding-filter");
            (codes, Likely)
        }
        "server-refused" | "client-refused" if has("kubectl-localhost") => return None,
        "server-refused" | "client-refused" => {
            (vec!["api-connection-refused", "proxy-unreachable", "endpoint-stale"], Likely)
        }
        "server-silent" | "client-timeout" => (
            vec![
                "api-connection-timeout",
                "public-access-cidr-blocked",
                "endpoint-private-off-network",
                "api-unavailable",
            ],
            Likely,
        ),
        // Whose connection it was, such a line does not say.
        "bare-x509" | "bare-timeout" | "bare-wrong-scheme" if all.len() > 1 => return None,
        "bare-x509" => (certificate_codes(if error.is_empty() { field("bare") } else { error }).0, Possible),
        "bare-timeout" => {
            (vec!["api-connection-timeout", "public-access-cidr-blocked", "endpoint-private-off-network"], Possible)
        }
        "bare-wrong-scheme" => (vec!["server-url-wrong-scheme"], Possible),
        "kubectl-certificate-required" if context.plain.trim() == format!("remote error: tls: {}", field("alert")) => {
            (vec!["load-balancer-requires-client-certificate"], Possible)
        }
        "server-tls-silent" => (vec!["tls-handshake-timeout"], Likely),
        "client-no-network" => (vec!["ip-family-unreachable", "api-host-unreachable"], Likely),
        "server-route" if context.plain.contains("network is unreachable") => {
            (vec!["ip-family-unreachable", "api-host-unreachable"], Likely)
        }
        "server-route" | "client-unreachable" => (vec!["api-host-unreachable"], Likely),
        "client-proxy" if context.plain.starts_with("proxyconnect tcp: ") => (vec!["proxy-unreachable"], Likely),
        "client-proxy" | "kubectl-tls-version" | "kubectl-certificate-required" if !context.client => return None,
        "client-proxy" => (vec!["proxy-unreachable", "no-proxy-missing"], Certain),
        "client-proxy-refused" => (vec!["proxy-connect-refused", "no-proxy-missing"], Likely),
        "client-proxy-auth" => (vec!["proxy-auth-required", "no-proxy-missing"], Certain),
        "client-throttled" if context.plain.contains("disruption budget") || context.plain.contains("evict") => {
            return None;
        }
        "client-throttled" => (vec!["api-priority-throttled"], Likely),
        "kubectl-x509-date" if field("way") == "before" => {
            (vec!["client-clock-wrong", "api-certificate-expired"], Likely)
        }
        "server-x509-other" => certificate_codes(error),
        // Go says it of every certificate: without kubectl's words, only of one that nothing else was asked for.
        "x509-of-macos" => {
            let alone = ["x509: ", "tls: failed to verify certificate: x509: "]
                .iter()
                .any(|lead| context.plain.trim_start_matches("error: ").starts_with(lead));
            if !context.client && !alone {
                return None;
            }
            let (codes, confidence) = certificate_codes(error);
            (codes, if context.client { confidence } else { Possible })
        }
        "x509-bare" if error.contains("legacy Common Name") => (vec!["api-certificate-legacy-name"], Possible),
        "x509-bare" => (vec!["api-behind-default-certificate", "api-certificate-name-mismatch"], Possible),
        "oc-unknown-authority" => certificate_codes("unknown authority"),
        // Where a text of its own fits, it knows more.
        "call-failed" if all.len() > 1 => return None,
        "call-failed" => return call_codes(error),
        "python-call" if has("sdk-metadata") => return None,
        // Python's client without configuration asks http://localhost.
        "python-call" if field("host") == "localhost" && field("port") == "80" => {
            (vec!["kubeconfig-not-found"], Likely)
        }
        "python-call" => return python_codes(if error.is_empty() { field("broken") } else { error }),
        "jenkins-test" => (vec!["api-connection-refused", "api-connection-timeout"], Possible),
        "server-names-other" => (vec!["api-certificate-name-mismatch", "tls-intercepted"], Likely),
        "server-x509-date" => (vec!["api-certificate-expired", "client-clock-wrong"], Possible),
        "kubectl-x509-date" => (vec!["api-certificate-expired", "client-clock-wrong", "tls-intercepted"], Likely),
        "kubectl-x509-name" if has("kubectl-x509-default-certificate") => return None,
        "kubectl-x509-name" => (
            vec!["api-certificate-name-mismatch", "tls-server-name-mismatch", "dns-search-capture", "tls-intercepted"],
            Likely,
        ),
        "kubectl-x509-other-key" => (vec!["cluster-ca-rotated", "kubeconfig-ca-mismatch"], Likely),
        "kubectl-x509-unknown-authority" => (
            vec!["kubeconfig-ca-mismatch", "tls-intercepted", "cluster-ca-rotated", "api-behind-default-certificate"],
            Possible,
        ),
        "kubectl-tls-version" => (vec!["tls-version-mismatch", "load-balancer-requires-client-certificate"], Likely),
        "kubectl-certificate-required" => (vec!["load-balancer-requires-client-certificate"], Likely),
        "kubectl-header-too-large" => (vec!["request-header-too-large"], Possible),
        "no-credentials-provided" => (
            vec![
                "authorization-header-stripped",
                "no-credential",
                "tls-terminated-before-api-server",
                "anonymous-request",
            ],
            Likely,
        ),
        // What aws-iam-authenticator says of a token.
        "iam-session-expired" | "iam-key-unknown" | "iam-too-large" if !context.authenticator => return None,
        // A success; that it is the creator's says only who has rights for sure.
        "iam-creator" => return None,
        "iam-not-mapped" => (
            vec![
                "iam-identity-not-mapped",
                "aws-auth-role-path",
                "aws-auth-wrong-arn-kind",
                "authentication-mode-ignores-mapping",
                "iam-principal-recreated",
            ],
            Certain,
        ),
        "iam-signature" => (vec!["iam-token-wrong-cluster", "aws-credentials-unavailable"], Likely),
        // What STS had said, nobody wrote down.
        "iam-refused-bare" => (
            vec!["iam-token-wrong-cluster", "aws-session-expired", "aws-credentials-unavailable", "client-clock-wrong"],
            Possible,
        ),
        "iam-clock" => (vec!["client-clock-wrong"], Likely),
        "iam-key-unknown" => (vec!["sts-endpoint-invalid", "aws-credentials-unavailable"], Likely),
        "server-closed" => (vec!["api-connection-closed", "proxy-unreachable"], Likely),
        // What stands before the API server answers for it.
        "server-page"
            if ["502 Bad Gateway", "503 Service", "504 Gateway"].iter().any(|words| context.plain.contains(words)) =>
        {
            (vec!["api-unavailable", "not-a-kubernetes-api"], Likely)
        }
        "server-page" => (vec!["not-a-kubernetes-api"], Likely),
        // The same is said of a file that -f names.
        "page-undecoded" => (vec!["not-a-kubernetes-api", "exec-output-invalid"], Possible),
        "html-page" => (vec!["not-a-kubernetes-api", "issuer-blocks-control-plane", "issuer-unavailable"], Possible),
        "server-error" if context.plain.contains("metrics.k8s.io") => {
            (vec!["aggregated-api-unavailable", "api-unavailable"], Likely)
        }
        "server-error" if has("authorization-error") || context.plain.contains("failed calling webhook") => {
            return None;
        }
        "server-error" => (vec!["api-unavailable"], Likely),
        "unauthorized" if context.others_json() => return None,
        // A bare 401 is a bare 401.
        "unauthorized" | "audit-authentication-failed" | "refused-line" => {
            if has("kubelet-unauthorized") {
                return None;
            }
            (
                vec![
                    "credential-rejected",
                    "token-expired",
                    "token-issuer-mismatch",
                    "token-audience-mismatch",
                    "oidc-not-initialized",
                    "iam-identity-not-mapped",
                    "client-certificate-expired",
                    "service-account-token-revoked",
                ],
                Likely,
            )
        }
        // What programs in Pods say. STS does not tell which of these it is.
        "sts-web-identity-denied" => (
            vec![
                "irsa-trust-subject-mismatch",
                "irsa-trust-audience-mismatch",
                "irsa-trust-provider-mismatch",
                "irsa-role-not-found",
            ],
            Likely,
        ),
        "sts-role-arn" if context.plain.contains("WebIdentity") || context.plain.contains("credentials") => {
            (vec!["irsa-role-not-found"], Likely)
        }
        // The SDKs of AWS say it of any role.
        "sts-role-arn" if context.plain.contains("AssumeRole") => return None,
        "sts-role-arn" => (vec!["irsa-role-not-found"], Possible),
        // Other providers' tokens end too.
        "sts-token-expired" if context.plain.contains("WebIdentity") => (vec!["service-account-token-expired"], Likely),
        "sts-token-expired" => (vec!["service-account-token-expired"], Possible),
        "sts-region-disabled" if has("iam-key-unknown") => return None,
        "sts-region-disabled" => (vec!["sts-endpoint-invalid"], Likely),
        "sdk-node-role" if has("pod-identity-node-role") => return None,
        // kiam and kube2iam take the Pods' roles as their node; whoever else does so has no role of its own.
        "sdk-node-role"
            if field("action") == "sts:AssumeRole"
                && ["kiam-sts-refused", "kube2iam-assume"].iter().any(|name| has(name)) =>
        {
            (vec!["kiam-trust-mismatch", "workload-uses-node-role"], Likely)
        }
        "sdk-node-role" => (vec!["workload-uses-node-role", "irsa-annotation-missing", "irsa-not-injected"], Likely),
        "sdk-metadata" => (
            vec!["metadata-unreachable", "irsa-not-injected", "pod-identity-no-association", "workload-uses-node-role"],
            Likely,
        ),
        "pod-identity-agent" if error.to_lowercase().contains("refused") || field("why") == "refused" => {
            (vec!["pod-identity-agent-missing", "pod-identity-agent-unreachable"], Likely)
        }
        "pod-identity-agent" => (vec!["pod-identity-agent-unreachable", "pod-identity-agent-missing"], Likely),
        "pod-identity-refused" if has("pod-identity-node-role") => return None,
        "pod-identity-refused" => match field("code") {
            "ResourceNotFoundException" => (vec!["pod-identity-no-association"], Certain),
            "AccessDeniedException" | "" => (vec!["pod-identity-trust-incomplete"], Likely),
            // The agent's own faults and EKS' are nobody's setting.
            _ => return None,
        },
        "pod-identity-node-role" => (vec!["pod-identity-agent-unreachable"], Likely),
        "pod-identity-none" if has("pod-identity-refused") => return None,
        "pod-identity-none" => (vec!["pod-identity-no-association"], Likely),
        "pod-identity-agent-address" => (vec!["pod-identity-agent-unreachable"], Likely),
        "pod-identity-agent-token" => (vec!["pod-identity-not-injected"], Possible),
        "kiam-namespace-policy" => (vec!["kiam-namespace-not-permitted"], Certain),
        "kiam-forbidden" if has("kiam-namespace-policy") => return None,
        "kiam-forbidden" => (
            vec!["kiam-namespace-not-permitted", "kiam-role-missing"],
            if context.plain.contains("assume role forbidden") || context.plain.contains("credentials") {
                Likely
            } else {
                Possible
            },
        ),
        "kiam-role" => (vec!["kiam-role-missing", "kiam-namespace-not-permitted"], Likely),
        "kiam-server" if has("kiam-tls") => return None,
        "kiam-server" => (vec!["kiam-server-unreachable", "kiam-tls-invalid"], Likely),
        "kiam-tls" if !context.plain.contains("kiam") && !context.plain.contains("gateway") => return None,
        "kiam-tls" => (vec!["kiam-tls-invalid"], Likely),
        "kiam-sts-refused" if context.plain.contains("WebIdentity") => return None,
        "kiam-sts-refused" => (vec!["kiam-trust-mismatch", "kiam-role-missing"], Likely),
        "kube2iam-role" => (vec!["kube2iam-role-invalid"], Certain),
        "kube2iam-role-other" => {
            (vec!["kube2iam-role-invalid"], if field("role").starts_with("arn:aws") { Likely } else { Possible })
        }
        "kube2iam-namespace" => (vec!["kube2iam-namespace-not-allowed"], Likely),
        "kube2iam-assume" => (vec!["kiam-trust-mismatch", "kube2iam-role-invalid"], Likely),
        // The rest is one rule's own, or shared by equals.
        name => {
            let codes: Vec<&'static str> = RULES
                .iter()
                .filter(|rule| rule.recognises.iter().any(|text| text.name == name))
                .map(|rule| rule.code)
                .collect();
            let confidence = if codes.len() == 1 { Certain } else { Possible };
            (codes, confidence)
        }
    };
    Some(choice)
}

/// What Go says of a server's certificate.
fn certificate_codes(error: &str) -> Codes {
    use Confidence::{Likely, Possible};
    if error.contains("is before") {
        (vec!["client-clock-wrong", "api-certificate-expired"], Likely)
    } else if error.contains("has expired") || error.contains("is expired") {
        (vec!["api-certificate-expired", "client-clock-wrong"], Likely)
    } else if error.contains("possibly because") {
        (vec!["cluster-ca-rotated", "kubeconfig-ca-mismatch"], Likely)
    } else if error.contains("unknown authority") || error.contains("is not trusted") {
        (vec!["kubeconfig-ca-mismatch", "tls-intercepted", "cluster-ca-rotated"], Possible)
    } else if error.contains("legacy Common Name") {
        (vec!["api-certificate-legacy-name"], Likely)
    } else if ["valid for", "IP SANs", "name does not match"].iter().any(|words| error.contains(words)) {
        (vec!["api-certificate-name-mismatch", "tls-server-name-mismatch"], Likely)
    } else {
        (vec!["api-certificate-unusable"], Possible)
    }
}

/// Why a call of the API did not come through, as Go tells it.
fn call_codes(error: &str) -> Option<Codes> {
    use Confidence::Likely;
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    let codes = if has(&["x509: "]) {
        return Some(certificate_codes(error));
    } else if has(&["HTTP response to HTTPS", "first record does not look like"]) {
        vec!["server-url-wrong-scheme"]
    } else if has(&["no such host"]) {
        vec!["endpoint-name-not-found", "dns-rebinding-filter"]
    } else if has(&[": lookup "]) {
        vec!["dns-resolver-unreachable", "endpoint-name-not-found"]
    } else if has(&["refused"]) {
        vec!["api-connection-refused", "proxy-unreachable", "endpoint-stale"]
    } else if has(&["network is unreachable"]) {
        vec!["ip-family-unreachable", "api-host-unreachable"]
    } else if has(&["no route to host"]) {
        vec!["api-host-unreachable"]
    } else if has(&["TLS handshake timeout"]) {
        vec!["tls-handshake-timeout"]
    } else if has(&["timeout", "timed out", "deadline exceeded", "request canceled"]) {
        vec!["api-connection-timeout", "endpoint-private-off-network", "public-access-cidr-blocked"]
    } else if has(&["EOF", "reset by peer", "connection lost"]) {
        vec!["api-connection-closed", "proxy-unreachable"]
    } else {
        return None;
    };
    Some((codes, Likely))
}

/// The same, as Python's urllib3 tells it.
fn python_codes(error: &str) -> Option<Codes> {
    use Confidence::{Likely, Possible};
    let has = |words: &[&str]| words.iter().any(|word| error.contains(word));
    Some(if has(&["doesn't match", "doesn\\'t match", "ostname mismatch", "IP address mismatch"]) {
        (vec!["api-certificate-name-mismatch", "tls-server-name-mismatch"], Likely)
    } else if has(&["certificate has expired"]) {
        (vec!["api-certificate-expired", "client-clock-wrong"], Likely)
    } else if has(&["certificate verify failed"]) {
        (
            vec!["kubeconfig-ca-mismatch", "tls-intercepted", "cluster-ca-rotated", "api-certificate-name-mismatch"],
            Possible,
        )
    } else if has(&["refused"]) {
        (vec!["api-connection-refused", "proxy-unreachable"], Likely)
    } else if has(&["Name or service not known", "nodename nor servname", "getaddrinfo failed", "name resolution"]) {
        (vec!["endpoint-name-not-found", "dns-resolver-unreachable"], Likely)
    } else if has(&["timed out"]) {
        (vec!["api-connection-timeout", "endpoint-private-off-network"], Likely)
    } else if has(&["No route to host"]) {
        (vec!["api-host-unreachable"], Likely)
    } else if has(&["reset by peer", "Remote end closed", "EOF occurred"]) {
        (vec!["api-connection-closed"], Likely)
    } else {
        return None;
    })
}

/// What the refusal points at as it was worded before 1.12: who asked tells most.
fn old_codes(user: &str, verb: &str) -> Codes {
    use Confidence::{Certain, Likely};
    match user {
        "system:anonymous" => (vec!["anonymous-request", "authorization-header-stripped"], Certain),
        user if user.starts_with("system:node:") => (vec!["node-not-in-nodes-group", "node-authorizer-denied"], Likely),
        user if user.starts_with("arn:") => (vec!["iam-identity-without-permissions", "rbac-no-grant"], Likely),
        _ if verb == "impersonate" => (vec!["impersonation-denied"], Certain),
        _ => (vec!["rbac-no-grant"], Likely),
    }
}

/// What the authorizer's refusal points at: its words prove that the right is not there, and mostly not why.
fn forbidden_codes(context: &Context, who: &str) -> Option<Codes> {
    use Confidence::{Certain, Likely, Possible};
    // A refusal that was cut still says who was refused.
    let Some(refusal) = message::forbidden(&context.plain) else {
        return Some(match who {
            "system:anonymous" => (vec!["anonymous-request", "authorization-header-stripped"], Likely),
            _ => (vec!["rbac-no-grant"], Possible),
        });
    };
    let question = &refusal.question;
    let role = refusal.reason.contains("RBAC:") && refusal.reason.contains("not found");
    if refusal.user == "system:anonymous" {
        let codes = vec![
            "anonymous-request",
            "authorization-header-stripped",
            "tls-terminated-before-api-server",
            "client-certificate-no-common-name",
            "authorization-header-malformed",
            "front-proxy-not-configured",
        ];
        return Some((codes, Certain));
    }
    if matches!(refusal.user.as_str(), "front-proxy-client" | "system:aggregator" | "kube-aggregator") {
        return Some((vec!["front-proxy-not-configured", "rbac-no-grant"], Likely));
    }
    if question.verb.starts_with("impersonate") {
        return Some((
            // Who may impersonate loses it with the role that said so.
            if role { vec!["rbac-role-missing", "impersonation-denied"] } else { vec!["impersonation-denied"] },
            if role { Likely } else { Certain },
        ));
    }
    if role {
        return Some((vec!["rbac-role-missing", "rbac-no-grant"], Likely));
    }
    if refusal.user.starts_with("system:node:") {
        return Some((vec!["node-not-in-nodes-group", "node-authorizer-denied", "rbac-no-grant"], Likely));
    }
    // RBAC gives no reason but a missing role, ABAC only this one: another authorizer speaks, and whether it denied or
    // only had no opinion, the message does not tell.
    let reason = refusal.reason.lines().next().unwrap_or_default().trim_end_matches(['"', '\\', ',', '}']);
    if !reason.is_empty() && !reason.starts_with("RBAC:") && reason != "No policy matched." {
        return Some((vec!["authorization-webhook-denied", "rbac-no-grant"], Possible));
    }
    if let Some(path) = &question.path {
        let open = ["/api", "/apis", "/version", "/openapi", "/healthz", "/livez", "/readyz"];
        if open.iter().any(|known| path == known || path.starts_with(&format!("{known}/"))) {
            return Some((vec!["rbac-default-bindings-removed", "rbac-no-grant"], Likely));
        }
        return Some((vec!["rbac-no-grant", "rolebinding-to-cluster-scope"], Likely));
    }
    let mut codes = vec!["rbac-no-grant"];
    if refusal.user.starts_with("arn:") {
        codes.splice(0..0, ["iam-identity-without-permissions"]);
        codes.push("access-policy-out-of-scope");
    }
    if refusal.user.starts_with("https://") && refusal.user.contains('#') {
        codes.push("name-prefix-mismatch");
    }
    if refusal.user.starts_with("system:serviceaccount:") {
        codes.push("rbac-service-account-namespace");
    }
    if !question.subresource.is_empty() {
        codes.push("rbac-subresource-not-granted");
    }
    if question.verb == "watch" || question.verb == "patch" || question.verb == "deletecollection" {
        codes.push("rbac-verb-missing");
    }
    if question.namespace.is_empty() {
        codes.push("rolebinding-to-cluster-scope");
    }
    codes.push("rbac-wrong-scope");
    if !question.group.is_empty() {
        codes.push("rbac-wrong-api-group");
    }
    if !refusal.user.starts_with("system:") {
        codes.push("rbac-group-name-mismatch");
    }
    if matches!(question.verb.as_str(), "list" | "create" | "watch") {
        codes.push("rbac-resource-names");
    }
    Some((codes, Likely))
}
