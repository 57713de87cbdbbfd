//! What `--hide-claims` hides: the values of the token's claims, wherever a report repeats them.
//!
//! Findings quote claims, the names of users are made of them, and commands hold both. So the veil is put over what the
//! renderers read, once, and not over each form. A value gives way to `[claim:NAME]`, so that what is said is still
//! understood; what is there to be copied is whole, or not there.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde_json::{Map, Value};

use super::Step;
use super::changes::Change;
use super::compare::Comparison;
use super::doctor::DoctorReport;
use super::shell::Shell;
use crate::evidence::access::Question;
use crate::evidence::credential::TokenKind;
use crate::evidence::identity::User;
use crate::evidence::tls::CertificateFacts;
use crate::evidence::{Evidence, Issuer, Observation, Outcome};
use crate::text::{one_line, slug};

/// In characters. What is shorter stands in any text, and nobody can be told by it.
const SHORTEST: usize = 4;

/// When a token began and when it ends is what a report is for.
const TIMES: &[&str] = &["exp", "iat", "nbf", "auth_time", "warnafter"];

/// What kind of token it is: a word of the protocol.
const KINDS: &[&str] = &["typ", "token_use"];

/// Of an IAM token's facts: its times, and names of AWS itself.
const OF_AWS: &[&str] = &["date", "expires", "host", "region", "signedHeaders"];

/// Names of Kubernetes itself, of which a claim (the audience, mostly) may be a part.
const PUBLIC: &[&str] = &["kubernetes.io", "kubernetes.default", "/etc/kubernetes"];

/// Roles and programs of Kubernetes and scopes of OpenID Connect, by which groups, scopes and clients may be called too:
/// they stand in our own sentences and commands, and nobody can be told by them.
const WORDS: &[&str] = &[
    "admin",
    "cluster-admin",
    "edit",
    "email",
    "group",
    "groups",
    "kubectl",
    "kubelogin",
    "offline_access",
    "openid",
    "profile",
    "token",
    "user",
    "users",
    "view",
];

/// Words that kaccess' own sentences are made of, one on a line. Where a group is called like one (`server`, `other`), what
/// stands in a sentence is the sentence's own, unless it is quoted or a part of a name.
static OWN_WORDS: LazyLock<BTreeSet<&str>> = LazyLock::new(|| include_str!("own_words.txt").lines().collect());

/// Whether a value is one plain word that sentences of kaccess' own have too.
pub fn is_own_word(value: &str) -> bool {
    OWN_WORDS.contains(value)
}

/// The claim whose fields have Kubernetes' own names. The keys of any other are data: tenants, clients.
const KUBERNETES: &str = "kubernetes.io";

/// The longest name of a claim that a stand-in takes over.
const LONGEST_NAME: usize = 64;

/// What ends a text that a rule or a server cut.
const CUT: &[&str] = &["\u{2026}", "..."];

/// In characters: no text is cut behind more of them.
const LONGEST_CUT: usize = 400;

/// How any value may begin: that much of a value that was cut tells nothing.
const BEGINNINGS: &[&str] = &["https://", "system:serviceaccount:", "system:"];

/// What is hidden, and what stands for each.
type StandIns = BTreeMap<String, String>;

/// The values that are hidden.
#[derive(Debug, Clone, Default)]
pub struct Veil {
    stand_ins: StandIns,
    /// Finds those that are hidden wherever they stand, and the names that are not.
    search: Option<AhoCorasick>,
}

fn part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// One word, which is hidden only where it stands as one: `dev1` is no part of `dev12`.
fn is_word(value: &str) -> bool {
    value.chars().all(char::is_alphanumeric)
}

fn is_long(text: &str) -> bool {
    text.chars().nth(SHORTEST - 1).is_some()
}

/// Whether the word that stands there is meant as a value: the text is nothing else, or it is quoted or a part of a name.
fn is_meant(text: &str, range: &Range<usize>) -> bool {
    let (before, after) = (&text[..range.start], &text[range.end..]);
    let (Some(left), Some(right)) = (before.chars().next_back(), after.chars().next()) else {
        let (left, right) = (before.ends_with([':', '@', '=', '[']), after.starts_with(['@', ']', '/']));
        return before.is_empty() && after.is_empty() || left && !before.ends_with("system:") || right;
    };
    let quoted = match left {
        '"' => right == '"' || right == '\\',
        '\'' | '`' => right == left,
        _ => false,
    };
    let named = match left {
        ':' => !before.ends_with("system:"),
        '/' => before[..before.len() - 1].ends_with(part),
        _ => matches!(left, '@' | '=' | '['),
    };
    let goes_on = right == ':' && after[1..].starts_with(part);
    quoted || named || goes_on || matches!(right, '@' | ']' | '/')
}

/// Whether the word that stands there is an argument of a command, or a part of one that somebody chose.
fn is_argument(text: &str, range: &Range<usize>) -> bool {
    let (before, after) = (&text[..range.start], &text[range.end..]);
    let starts = before.chars().next_back().is_none_or(|c| c.is_whitespace() || ",'\"".contains(c));
    let ends = after.chars().next().is_none_or(|c| c.is_whitespace() || ",;'\"".contains(c));
    starts && ends || is_meant(text, range)
}

/// Where the words of a text stand.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split_inclusive(|c: char| !part(c)).map(move |piece| {
        let start = at;
        at += piece.len();
        start..start + piece.trim_end_matches(|c: char| !part(c)).len()
    })
}

/// A claim's name, which somebody else chose, so that it is harmless in any form.
fn harmless(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_./:-".contains(c) { c } else { '_' };
    name.chars().take(LONGEST_NAME).map(plain).collect()
}

/// Every text and number of a claim, with where it stands.
fn values(name: &str, value: &Value, found: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => found(name, text),
        Value::Number(number) => found(name, &number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| values(name, item, found)),
        Value::Object(fields) => {
            let rest = name.strip_prefix(KUBERNETES);
            let told = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            for (key, value) in fields {
                let place = if told { format!("{name}.{key}") } else { name.to_owned() };
                values(&place, value, found);
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}

/// A value as texts hold it: as it is, on one line, as Rust, JSON and Go quote it, once and once more, and in a command.
fn spellings(value: &str) -> BTreeSet<String> {
    let inside = |quoted: String| quoted[1..quoted.len() - 1].to_owned();
    let json = |text: &str| inside(Value::from(text).to_string());
    let go = json(value).replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    let once = [value.to_owned(), one_line(value), inside(format!("{value:?}")), json(value), go];
    let twice: Vec<String> = once.iter().map(|text| json(text)).collect();
    let word = Shell::word(value).to_string();
    let open = word.strip_prefix("$'").or_else(|| word.strip_prefix('\''));
    let bare = open.and_then(|open| open.strip_suffix('\'')).unwrap_or(&word).to_owned();
    once.into_iter().chain(twice).chain([bare]).collect()
}

/// Of several claims with one value the first names it.
fn hide(stand_ins: &mut StandIns, text: String, stand_in: &str) {
    let known = WORDS.contains(&text.as_str()) || PUBLIC.contains(&text.as_str());
    if is_long(&text) && !known {
        stand_ins.entry(text).or_insert_with(|| stand_in.to_owned());
    }
}

/// What of a token's claims is hidden.
fn hidden(claims: &Map<String, Value>, of_aws: bool) -> StandIns {
    let mut stand_ins = StandIns::new();
    for (name, value) in claims.iter().filter(|(name, _)| !(of_aws && OF_AWS.contains(&name.as_str()))) {
        values(name, value, &mut |name, value| {
            let last = name.rsplit('.').next().unwrap_or_default();
            let time = TIMES.contains(&last) && value.parse::<f64>().is_ok();
            let answer = ["true", "false", "null"].iter().any(|word| value.eq_ignore_ascii_case(word));
            if is_long(value) && !time && !answer && !KINDS.contains(&name) {
                let stand_in = format!("[claim:{}]", harmless(name));
                spellings(value).into_iter().for_each(|text| hide(&mut stand_ins, text, &stand_in));
            }
        });
    }
    stand_ins
}

fn seen<T>(observation: &mut Observation<T>) -> Option<&mut T> {
    match &mut observation.outcome {
        Outcome::Seen(value) => Some(value),
        _ => None,
    }
}

impl Veil {
    /// Hides what the token of a run says.
    pub fn of(evidence: &Evidence) -> Self {
        let token = evidence.credential.seen().and_then(|credential| credential.token.as_ref());
        let Some(claims) = token.and_then(|token| token.claims.as_ref()?.as_object()) else { return Self::default() };
        let of_aws = token.is_some_and(|token| token.kind == TokenKind::EksIam);
        let reviewed = evidence.control_plane.token_review.seen().and_then(|review| review.user.as_ref());
        let users = [evidence.identity.seen().map(|identity| &identity.user), reviewed];
        let names = users.into_iter().flatten().flat_map(|user| {
            [&user.username, &user.uid].into_iter().chain(&user.groups).chain(user.extra.values().flatten())
        });
        Self::over(hidden(claims, of_aws), names)
    }

    /// Hides these, and the names that the server knows somebody by.
    fn over<'n>(stand_ins: StandIns, names: impl Iterator<Item = &'n String>) -> Self {
        // A name that the server made of a claim, with a prefix that no sign ends.
        let anywhere = Self::new(stand_ins, |_| true);
        let made: Vec<(&String, String)> = names
            .filter(|name| !name.starts_with("system:"))
            .map(|name| (name, anywhere.text(name)))
            .filter(|(name, made)| *name != made)
            .collect();
        let mut stand_ins = anywhere.stand_ins;
        for (name, made) in &made {
            spellings(name).into_iter().for_each(|text| hide(&mut stand_ins, text, made));
        }
        // Manifests are named by both. One that is a single word in small letters stands in any sentence.
        let slugs: Vec<(String, String)> = stand_ins
            .iter()
            .map(|(text, stand_in)| (slug(text), stand_in.clone()))
            .filter(|(slug, _)| slug.contains('-'))
            .collect();
        for (slug, stand_in) in slugs {
            hide(&mut stand_ins, slug, &stand_in);
        }
        Self::new(stand_ins, |text| !is_word(text))
    }

    fn new(stand_ins: StandIns, searched: impl Fn(&str) -> bool) -> Self {
        if stand_ins.is_empty() {
            return Self::default();
        }
        let hidden = stand_ins.keys().map(String::as_str).filter(|text| searched(text));
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(PUBLIC.iter().copied().chain(hidden))
            .expect("a token holds less than two billion characters");
        Self { stand_ins, search: Some(search) }
    }

    /// A text without the values.
    pub fn text(&self, text: &str) -> String {
        self.without(text, |_, _| true)
    }

    /// A sentence of kaccess' own without the values.
    pub fn sentence(&self, text: &str) -> String {
        self.without(text, is_meant)
    }

    /// A citation without the values: what somebody said, and what a claim holds, is nothing of kaccess' own.
    fn citation(&self, text: &str) -> String {
        let said = text.find(" says: ").map(|at| at + " says: ".len());
        let named = || Some(text.find(": ")? + 2).filter(|at| !text[..at - 2].contains(' '));
        let (own, foreign) = text.split_at(said.or_else(named).unwrap_or(text.len()));
        self.sentence(own) + &self.text(foreign)
    }

    /// A text without the values; a word that is one of kaccess' own too is hidden where it is `meant`.
    fn without(&self, text: &str, meant: fn(&str, &Range<usize>) -> bool) -> String {
        let Some(search) = &self.search else { return text.to_owned() };
        let shown = |range: Range<usize>| {
            let found = &text[range.clone()];
            (range, self.stand_ins.get(found).map_or(found, String::as_str))
        };
        let found = search.find_iter(text).map(|found| shown(found.range()));
        let hidden = |range: &Range<usize>| {
            let word = &text[range.clone()];
            self.stand_ins.contains_key(word) && (!is_own_word(word) || meant(text, range))
        };
        let words = words(text).filter(hidden).map(shown);
        let cuts = CUT.iter().flat_map(|mark| text.match_indices(*mark)).filter_map(|(end, _)| self.cut(text, end));
        let mut spans: Vec<(Range<usize>, &str)> = found.chain(words).chain(cuts).collect();
        spans.sort_by_key(|(range, _)| (range.start, Reverse(range.end)));
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (range, stand_in) in spans {
            // Of two that overlap the first is named, and neither is shown.
            if at <= range.start {
                out.push_str(&text[at..range.start]);
                out.push_str(stand_in);
            }
            at = at.max(range.end);
        }
        out.push_str(&text[at..]);
        out
    }

    /// The beginning of a value that ends here, because the text was cut.
    fn cut(&self, text: &str, end: usize) -> Option<(Range<usize>, &str)> {
        let whole = &text[..end];
        let (first, _) = whole.char_indices().rev().take(LONGEST_CUT).last()?;
        whole[first..].char_indices().find_map(|(at, _)| {
            let (before, tail) = whole.split_at(first + at);
            let own = BEGINNINGS.iter().find_map(|beginning| tail.strip_prefix(beginning)).unwrap_or(tail);
            let (value, stand_in) = self.stand_ins.range::<str, _>((Bound::Included(tail), Bound::Unbounded)).next()?;
            let inside = is_word(value) && before.ends_with(part);
            (is_long(own) && value.starts_with(tail) && !inside).then_some((first + at..end, stand_in.as_str()))
        })
    }

    fn put(&self, text: &mut String) {
        if self.search.is_some() {
            *text = self.text(text);
        }
    }

    fn each<'t>(&self, texts: impl IntoIterator<Item = &'t mut String>) {
        texts.into_iter().for_each(|text| self.put(text));
    }

    fn told<'t>(&self, sentences: impl IntoIterator<Item = &'t mut String>) {
        if self.search.is_some() {
            sentences.into_iter().for_each(|text| *text = self.sentence(text));
        }
    }

    /// The findings, the checks, and what became of the message that the user met.
    pub fn report(&self, report: &mut DoctorReport) {
        for finding in &mut report.findings {
            self.told([&mut finding.title, &mut finding.why]);
            finding.cites.iter_mut().for_each(|citation| citation.text = self.citation(&citation.text));
            finding.fix.iter_mut().for_each(|step| self.step(step));
            for candidate in &mut finding.candidates {
                self.told([&mut candidate.why]);
                self.step(&mut candidate.decided_by);
            }
        }
        for check in &mut report.checks {
            self.told([&mut check.because, &mut check.needs].into_iter().flatten());
        }
        if let Some(message) = &mut report.message {
            self.told([&mut message.means, &mut message.now]);
        }
    }

    /// With a stand-in in it a command would ask for another thing, and a manifest give rights to nobody.
    fn step(&self, step: &mut Step) {
        self.told([&mut step.text]);
        let command = step.command.take_if(|command| self.without(command, is_argument) != **command);
        let manifest = step.manifest.take_if(|manifest| self.text(manifest) != *manifest);
        let (command, manifest) = (command.map(|_| "command"), manifest.map(|_| "manifest"));
        for what in [command, manifest].into_iter().flatten() {
            let said = format!(" (the {what} holds values that --hide-claims hides; run without it to see it)");
            step.text.push_str(&said);
        }
    }

    /// What is shown of the evidence beside the claims themselves, of which each form shows names and types.
    pub fn evidence(&self, evidence: &mut Evidence) {
        if let Some(config) = seen(&mut evidence.kubeconfig) {
            self.each(&mut config.context);
            self.each(config.cluster.iter_mut().flat_map(|cluster| [&mut cluster.server, &mut cluster.file]));
            self.each(config.files.iter_mut().map(|file| &mut file.path));
        }
        if let Outcome::Failed(failure) = &mut evidence.kubeconfig.outcome {
            self.each(&mut failure.seen);
            self.each(failure.fault.iter_mut().flat_map(|fault| &mut fault.context));
        }
        if let Some(credential) = seen(&mut evidence.credential) {
            self.put(&mut credential.origin);
            self.certificates(&mut credential.certificates);
            credential.token.iter_mut().flat_map(|token| &mut token.header).for_each(|header| self.value(header));
        }
        let endpoint = &mut evidence.endpoint;
        if let Some(route) = seen(&mut endpoint.route) {
            self.each([&mut route.url, &mut route.host].into_iter().chain(&mut route.proxy));
        }
        self.each(seen(&mut endpoint.dns).into_iter().flat_map(|resolution| &mut resolution.addresses));
        let attempts = seen(&mut endpoint.tcp).into_iter().flat_map(|tcp| &mut tcp.attempts);
        self.each(attempts.map(|attempt| &mut attempt.address));
        seen(&mut endpoint.tls).into_iter().for_each(|report| self.certificates(&mut report.chain));
        self.issuer(&mut evidence.issuer);
        evidence.configured_issuer.iter_mut().for_each(|issuer| self.issuer(issuer));
        if let Some(identity) = seen(&mut evidence.identity) {
            self.user(&mut identity.user);
        }
        for check in seen(&mut evidence.access).into_iter().flat_map(|access| &mut access.checks) {
            self.question(&mut check.question);
            self.put(&mut check.reason);
        }
        if let Outcome::Failed(failure) = &mut evidence.control_plane.reviewer.outcome {
            self.put(&mut failure.detail);
        }
        if let Some(aws) = &mut evidence.aws {
            self.each(seen(&mut aws.cluster).map(|cluster| &mut cluster.name));
            let groups = seen(&mut aws.network.security_groups).into_iter().flatten();
            self.each(groups.map(|group| &mut group.name));
        }
    }

    fn user(&self, user: &mut User) {
        self.each([&mut user.username, &mut user.uid]);
        self.each(&mut user.groups);
        self.each(user.extra.values_mut().flatten());
    }

    fn question(&self, question: &mut Question) {
        self.each([&mut question.name, &mut question.namespace].into_iter().chain(&mut question.path));
    }

    fn issuer(&self, issuer: &mut Issuer) {
        self.each(seen(&mut issuer.target).map(|target| &mut target.host));
        seen(&mut issuer.tls).into_iter().for_each(|report| self.certificates(&mut report.chain));
    }

    fn certificates(&self, chain: &mut [CertificateFacts]) {
        for one in chain {
            self.each([&mut one.subject, &mut one.issuer]);
            self.each(one.common_names.iter_mut().chain(&mut one.organizations));
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.put(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.value(value)),
            Value::Bool(_) | Value::Null | Value::Number(_) => {}
        }
    }

    /// What differs from another look.
    pub fn comparison(&self, comparison: &mut Comparison) {
        self.each(&mut comparison.then_context);
        for one in &mut comparison.differences {
            self.told([&mut one.what]);
            self.each([&mut one.then, &mut one.now]);
        }
    }

    /// What changed since the look before.
    pub fn changes(&self, changes: &mut [Change]) {
        for change in changes {
            match change {
                Change::New { title, .. } | Change::Gone { title, .. } | Change::First { title, .. } => {
                    self.told([title]);
                }
                Change::Identity { before, now } => self.each([before, now].into_iter().flatten()),
                Change::Check { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;
    use crate::report::shell::shell;

    fn veil(claims: &Value, names: &[&str]) -> Veil {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Veil::over(hidden(claims.as_object().expect("claims"), false), names.iter())
    }

    #[test]
    fn values_give_way_to_the_names_of_their_claims() {
        let veil = veil(
            &json!({
                "aud": "kubernetes", "email": "alice@example.com", "groups": ["dev", "devs", "devs-2", "view"], "sub": 4711,
                "kubernetes.io": { "namespace": "shop" }, "exp": 1_790_000_000, "email_verified": "true", "typ": "Bearer",
                "name": "Zo\u{eb} \"Z\" O'Hara", "azp": "kubectl", "tenants": { "acme-corp": ["Bob Example"] },
            }),
            &[],
        );
        for (text, shown) in [
            ("User \"oidc:alice@example.com\" in devs", "User \"oidc:[claim:email]\" in [claim:groups]"),
            // The longest value counts, and a word is hidden where it stands as one.
            ("devs-2, devs, devs1, devs_x, dev", "[claim:groups], [claim:groups], devs1, devs_x, dev"),
            ("uid 4711 of 14711", "uid [claim:sub] of 14711"),
            ("system:serviceaccount:shop:x", "system:serviceaccount:[claim:kubernetes.io.namespace]:x"),
            ("exp 1790000000, email_verified \"true\", Bearer", "exp 1790000000, email_verified \"true\", Bearer"),
            ("expected \"kubectl\" got [\"kubernetes\"]", "expected \"kubectl\" got [\"[claim:aud]\"]"),
            ("see kubernetes.io, kubernetes.default.svc", "see kubernetes.io, kubernetes.default.svc"),
            ("it is Zo\u{eb} \"Z\" O'Hara", "it is [claim:name]"),
            ("it is \"Zo\u{eb} \\\"Z\\\" O'Hara\"", "it is \"[claim:name]\""),
            ("\u{e9}\u{e9}\u{e9} \u{1f600}", "\u{e9}\u{e9}\u{e9} \u{1f600}"),
            // Nobody can be told by what the built-in role and the program are called.
            ("kubectl binds the role view", "kubectl binds the role view"),
            // The keys of what a claim holds are data too.
            ("Bob Example", "[claim:tenants]"),
        ] {
            assert_eq!(veil.text(text), shown);
        }
    }

    #[test]
    fn words_of_our_own_sentences_stay_where_no_value_is_meant() {
        let veil = veil(&json!({ "aud": "other", "groups": ["server", "config", "acme"] }), &["oidc:server"]);
        for (text, shown) in [
            (
                "the API server cannot read it, and no other was named",
                "the API server cannot read it, and no other was named",
            ),
            (
                "the server's log, server: other, \"the server\", system:server",
                "the server's log, server: other, \"the server\", system:server",
            ),
            ("the token's aud is \"other\"; of acme", "the token's aud is \"[claim:aud]\"; of [claim:groups]"),
            ("'other' and `other`, \\\"other\\\"", "'[claim:aud]' and `[claim:aud]`, \\\"[claim:aud]\\\""),
            (
                "oidc:server, ci:other, [other], other@host",
                "oidc:[claim:groups], ci:[claim:aud], [[claim:aud]], [claim:aud]@host",
            ),
            ("other", "[claim:aud]"),
        ] {
            assert_eq!(veil.sentence(text), shown);
        }
        for (text, shown) in [
            ("aud: other", "aud: [claim:aud]"),
            ("the API server's log says: got [a other b]", "the API server's log says: got [a [claim:aud] b]"),
            ("metrics of the server: no other token failed", "metrics of the server: no other token failed"),
        ] {
            assert_eq!(veil.citation(text), shown);
        }
        let kept = |command: Shell| {
            let mut step = Step::command("do it", command);
            veil.step(&mut step);
            step.command.is_some()
        };
        assert!(kept(shell!("kubectl get pods --server=https://{}", "h:6443")));
        assert!(!kept(shell!("kubectl get pods -n {}", "other")));
        assert!(!kept(shell!("kubectl create rolebinding x --group=oidc:{}", "other")));
    }

    #[test]
    fn names_that_are_made_of_values_give_way() {
        let veil = veil(
            &json!({ "email": "bob@example.com", "groups": ["frontend", "shop"] }),
            &["sso_frontend", "oidcbob@example.com", "system:shopkeepers", "own"],
        );
        for (text, shown) in [
            ("you are oidcbob@example.com (sso_frontend, own)", "you are oidc[claim:email] (sso_[claim:groups], own)"),
            ("name: oidc-bob-example-com-list-pods", "name: oidc-[claim:email]-list-pods"),
            ("name: oidcbob-example-com-view", "name: oidc[claim:email]-view"),
            ("name: sso-frontend-view", "name: sso_[claim:groups]-view"),
            // The server's own groups are made of no claim.
            ("frontends of system:shopkeepers", "frontends of system:shopkeepers"),
        ] {
            assert_eq!(veil.text(text), shown);
        }
    }

    #[test]
    fn what_is_left_of_a_cut_value_gives_way() {
        let veil = veil(
            &json!({ "iss": "https://id.example.com/staff", "email": "bob@example.com", "groups": ["frontend"] }),
            &["sso_frontend"],
        );
        for (text, shown) in [
            ("User \"oidc:bob@exam\u{2026}", "User \"oidc:[claim:email]\u{2026}"),
            ("(bob@e\u{2026}), then bob@exa...", "([claim:email]\u{2026}), then [claim:email]..."),
            ("in sso_fro\u{2026}", "in sso_[claim:groups]\u{2026}"),
            ("from https://id.exa...", "from [claim:iss]..."),
            // Too little to tell, a part of another word, or the beginning of another value.
            ("bob\u{2026} xfront... front-end... https://...", "bob\u{2026} xfront... front-end... https://..."),
            ("\u{2026}", "\u{2026}"),
        ] {
            assert_eq!(veil.text(text), shown);
        }
    }

    #[test]
    fn values_give_way_however_they_are_quoted() {
        let (mail, name) = ("r&d-<bob>@example.com", "Bob  \"B\" \n O'Hara");
        let veil = veil(&json!({ "email": mail, "name": name, "short": "r&d" }), &[]);
        let go = "oidc:r\\u0026d-\\u003cbob\\u003e@example.com";
        assert_eq!(veil.text(go), "oidc:[claim:email]");
        assert_eq!(veil.text(&format!("err={go:?}")), "err=\"oidc:[claim:email]\"");
        assert_eq!(veil.text("a \"r\\u0026d\" b"), "a \"r\\u0026d\" b");
        let json = Value::from(name).to_string();
        let twice = Value::from(json.as_str()).to_string();
        for (text, shown) in [
            (one_line(name), "[claim:name]"),
            (format!("{name:?}"), "\"[claim:name]\""),
            (json, "\"[claim:name]\""),
            (twice, "\"\\\"[claim:name]\\\"\""),
            (Shell::word(name).to_string(), "$'[claim:name]'"),
        ] {
            assert_eq!(veil.text(&text), shown, "{text}");
        }
    }

    /// One with a stand-in in it could run, and do another thing; whoever chose the claims could turn it inside out.
    #[test]
    fn a_command_that_holds_a_value_is_left_out() {
        let claims = json!({ "email": "alice", "groups": ["' --", "two words", "view"] });
        let veil = veil(&claims, &[]);
        let told = |mut step: Step| {
            veil.step(&mut step);
            step
        };
        let kept = Step::command("do it", shell!("kubectl get sa {} --role=view", "bob"));
        assert_eq!(told(kept.clone()), kept);
        let text = "do it (the command holds values that --hide-claims hides; run without it to see it)";
        for command in [
            shell!("kubectl get sa {}", "alice"),
            shell!("kubectl get sa {}", "two words"),
            shell!("kubectl get sa {} --context {}", "a b", "$(touch x)"),
        ] {
            assert_eq!(told(Step::command("do it", command)), Step::text(text));
        }
        let text = "for [claim:email] (the manifest holds values that --hide-claims hides; run without it to see it)";
        assert_eq!(told(Step::manifest("for alice", "name: alice\n")), Step::text(text));
        assert_eq!(told(Step::manifest("for alice", "name: view\n")).manifest.as_deref(), Some("name: view\n"));
    }

    /// Groups of one tenant begin alike, and there may be as many as a token holds.
    #[test]
    fn many_values_with_one_beginning_take_no_longer() {
        let groups: Vec<String> = (0..40_000).map(|number| format!("team-{number:06}-x")).collect();
        let started = Instant::now();
        let veil = veil(&json!({ "groups": groups }), &[]);
        assert_eq!(veil.text(&groups.join(" ")), vec!["[claim:groups]"; groups.len()].join(" "));
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    }
}
