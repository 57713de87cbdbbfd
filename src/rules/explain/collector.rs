//! Gathers what the lines of a text mean: one match a cause, with how often and when it was said.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use regex::Regex;

use super::foreign;
use super::meaning::means;
use super::own_words::own_words;
use super::repair::{candidate, next};
use super::unseen;
use crate::apiserver::message::{heard::names as heard, tools::names as tools};
use crate::report::explain::{Explanation, Match};
use crate::report::view::StepView;
use crate::rules::reading::{self, Reading, plugin, rank};
use crate::rules::rule;

/// Groups beyond this many are not told apart by their fields any more, so that no log fills the memory.
const MANY: usize = 400;

/// The fields that tell one cause from another of the same code; times and texts do not.
const TELLING: &[&str] = &[
    "status",
    "url",
    "host",
    "server",
    "expected",
    "got",
    "claim",
    "serial",
    "name",
    "user",
    "verb",
    "group",
    "resource",
    "subresource",
    "namespace",
    "path",
    "arn",
    "profile",
    "issuer",
    "context",
    "file",
    "command",
    "step",
    "webhook",
];

/// How long a line is kept, in bytes.
const LINE: usize = 1024;

/// How long a field is kept, in bytes.
const FIELD: usize = 512;

/// Gathers what the lines of a text mean.
pub struct Collector<'s> {
    /// Takes secrets and control characters out, and cuts to a length.
    scrub: &'s dyn Fn(&str, usize) -> String,
    matches: Vec<Match>,
    groups: HashMap<(&'static str, &'static str, String), usize>,
    recognised: u64,
    /// Some line said what a page of HTML may only be a part of.
    page: bool,
    /// The last time that was read, with the line's number.
    recent: Option<(u64, String)>,
    /// The last line that named a client of Kubernetes.
    client: Option<u64>,
    /// Lines that say something only if a client is named beside them, with their numbers.
    waiting: Vec<(u64, String)>,
    /// First lines of exceptions whose next lines may say more.
    heads: Vec<Head>,
    /// Lines that tell why a credential plugin failed, where its own line follows, with their numbers.
    causes: Vec<(u64, String)>,
}

/// The first line of an exception that is counted until a line after it says what was refused.
struct Head {
    line: u64,
    /// Its match, and the last line and time of that before this one.
    index: usize,
    last_line: u64,
    last_seen: Option<String>,
}

/// Within how many lines an exception says what it is about: after the reason and the headers of the answer comes its
/// body.
const SOON: u64 = 8;

/// Within how many lines a client that is named tells whose words those are: a stack is long.
const BESIDE: u64 = 40;

impl std::fmt::Debug for Collector<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Collector of {}", self.matches.len())
    }
}

impl<'s> Collector<'s> {
    /// An empty one.
    pub fn new(scrub: &'s dyn Fn(&str, usize) -> String) -> Self {
        Self {
            scrub,
            matches: Vec::new(),
            groups: HashMap::new(),
            recognised: 0,
            page: false,
            recent: None,
            client: None,
            waiting: Vec::new(),
            heads: Vec::new(),
            causes: Vec::new(),
        }
    }

    /// Reads one line; returns the matches that are new with it.
    pub fn line(&mut self, number: u64, line: &str) -> Vec<usize> {
        let mut new = Vec::new();
        self.waiting.retain(|(at, _)| number.saturating_sub(*at) <= BESIDE);
        self.heads.retain(|head| number.saturating_sub(head.line) <= SOON);
        self.causes.retain(|(at, _)| number.saturating_sub(*at) <= SOON);
        if reading::names_client(line) {
            self.client = Some(number);
            for (at, line) in std::mem::take(&mut self.waiting) {
                new.extend(self.told(at, &line, reading::read_beside(&line, true)));
            }
        }
        let beside = self.client.is_some_and(|at| number.saturating_sub(at) <= BESIDE);
        let readings = reading::read_beside(line, beside);
        if readings.is_empty() && !beside && line.len() <= LINE && !reading::read_beside(line, true).is_empty() {
            self.waiting.push((number, line.to_owned()));
        }
        if readings.iter().any(plugin::is_of_aws) {
            for (at, line) in std::mem::take(&mut self.causes) {
                new.extend(self.told(at, &line, plugin::before(&line).into_iter().collect()));
            }
        } else if readings.is_empty() && line.len() <= LINE && plugin::before(line).is_some() {
            self.causes.push((number, line.to_owned()));
        }
        new.extend(self.told(number, line, readings));
        new
    }

    /// Keeps what a line says; returns the matches that are new with it.
    fn told(&mut self, number: u64, line: &str, readings: Vec<Reading>) -> Vec<usize> {
        let mut new = Vec::new();
        let mut any = false;
        let mut time = None;
        let refusal = readings
            .iter()
            .any(|found| matches!(found.text, heard::FORBIDDEN | heard::FORBIDDEN_OLD | tools::FORBIDDEN_BARE));
        if refusal {
            self.take_back(number);
        }
        for found in readings {
            // A page of HTML is a part of the words before it, or a page that somebody pasted; in the middle of a log
            // it is anybody's.
            if found.text == heard::HTML && (self.page || number > 3) {
                continue;
            }
            self.page |= found.text != heard::HTML;
            any = true;
            let head = found.text == tools::FORBIDDEN_PYTHON;
            if head && refusal {
                continue;
            }
            let time = time.get_or_insert_with(|| self.time(number, line)).clone();
            let index = self.group(found, number, line, time.as_ref());
            let group = &mut self.matches[index];
            if group.count == 0 {
                new.push(index);
            }
            if head {
                let (last_line, last_seen) = (group.last_line, group.last_seen.clone());
                self.heads.push(Head { line: number, index, last_line, last_seen });
            }
            group.count += 1;
            group.last_line = group.last_line.max(number);
            if time.is_some() {
                group.last_seen = time;
            }
        }
        self.recognised += u64::from(any);
        new
    }

    /// Counts the last head of an exception no more: this line after it says what was refused, to whom.
    fn take_back(&mut self, number: u64) {
        let Some(head) = self.heads.pop_if(|head| head.line < number) else { return };
        let group = &mut self.matches[head.index];
        group.count -= 1;
        group.last_line = head.last_line;
        group.last_seen = head.last_seen;
    }

    /// Reads a text that is all that somebody asked about, of one line in which nothing else was found.
    pub fn alone(&mut self, text: &str) {
        let Some(found) = reading::alone::read(text) else { return };
        let index = self.group(found, 1, text, None);
        self.matches[index].count += 1;
        self.recognised += 1;
    }

    /// The time of a line; a line of klog's `err=<` block has that of the block's head.
    fn time(&mut self, number: u64, line: &str) -> Option<String> {
        match stamp(line) {
            Some(time) => {
                self.recent = Some((number, time.clone()));
                Some(time)
            }
            None => self
                .recent
                .as_ref()
                .filter(|(at, _)| number.checked_sub(*at).is_some_and(|lines| lines <= 3))
                .map(|(_, time)| time.clone()),
        }
    }

    fn group(&mut self, found: Reading, number: u64, line: &str, time: Option<&String>) -> usize {
        let telling = TELLING.iter().filter_map(|name| found.fields.get(*name));
        let mut key = (found.code, found.text, telling.map(String::as_str).collect::<Vec<_>>().join("\u{0}"));
        if self.matches.len() >= MANY && !self.groups.contains_key(&key) {
            // What is sure is never one of many that are not.
            key.2 = format!("\u{0}{}", found.confidence.word());
        }
        let known = self.groups.get(&key).copied();
        let counted = known.filter(|index| self.matches[*index].count > 0);
        if let Some(index) = counted.filter(|index| self.matches[*index].confidence <= found.confidence) {
            return index;
        }
        let scrub = self.scrub;
        let fields: BTreeMap<String, String> =
            found.fields.iter().map(|(name, value)| (name.clone(), scrub(value, FIELD))).collect();
        let rule = rule(found.code).expect("a reading's code is in the registry");
        let foreign = foreign::told(&found, &fields, line);
        let match_ = Match {
            code: found.code,
            severity: rule.severity,
            confidence: found.confidence,
            title: match found.text {
                // The rule's own is about kaccess.
                heard::EKS_DENIED => "AWS does not let this identity read the cluster",
                heard::FORBIDDEN | heard::FORBIDDEN_OLD if unseen(found.code, &fields) => {
                    "The extension server takes no user from the API server"
                }
                text => match &foreign {
                    Some(foreign) => foreign.title.unwrap_or(rule.title),
                    None => own_words(text).map_or(rule.title, |(title, _)| title),
                },
            },
            means: match &foreign {
                Some(foreign) => foreign.means.clone(),
                None => means(&found, &fields, rule, line),
            },
            text: scrub(line.trim(), LINE),
            line: number,
            count: 0,
            first_seen: time.cloned(),
            last_seen: None,
            last_line: number,
            next: match &foreign {
                Some(foreign) => vec![StepView::from(&foreign.next)],
                None => next(rule, found.text, &fields).iter().map(StepView::from).collect(),
            },
            candidates: found.rivals.iter().filter_map(|code| candidate(code, &fields)).collect(),
            fields,
            explained_by: None,
            docs: format!("docs/findings/{}.md", found.code),
        };
        // A line that is surer than those before it tells the cause of them all.
        if let Some(index) = counted {
            let before = &mut self.matches[index];
            let (count, last_line) = (before.count, before.last_line);
            let (first_seen, last_seen) = (before.first_seen.take(), before.last_seen.take());
            *before = Match { count, last_line, first_seen, last_seen, ..match_ };
            return index;
        }
        // Where all were taken back, this one is the first.
        if let Some(index) = known {
            self.matches[index] = match_;
            return index;
        }
        self.matches.push(match_);
        self.groups.insert(key, self.matches.len() - 1);
        self.matches.len() - 1
    }

    /// The matches so far, in the order in which they were met.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// The answer, of a text of so many lines.
    pub fn finish(self, lines: u64) -> Explanation {
        let mut matches = self.matches;
        // Of these, all lines were the head of something that says more.
        matches.retain(|found| found.count > 0);
        // An extension server that sees nobody is no cause of what the API server itself says.
        let causes = matches.iter().filter(|found| !unseen(found.code, &found.fields));
        let codes: Vec<&'static str> = causes.map(|found| found.code).collect();
        for found in &mut matches {
            found.explained_by = cause(found.code, &codes);
        }
        matches.sort_by_key(|found| {
            (found.explained_by.is_some(), found.confidence, found.severity, rank(found.code), found.line)
        });
        // What stands in the same text decides between the candidates of a consequence.
        for found in &mut matches {
            if found.explained_by.is_some() {
                found.candidates.clear();
            }
        }
        Explanation {
            matches,
            unrecognised: lines.saturating_sub(self.recognised),
            suggestions: Vec::new(),
            interrupted: false,
        }
    }
}

/// The root of the chain of causes of a code among those found.
fn cause(code: &'static str, found: &[&'static str]) -> Option<&'static str> {
    let mut at = code;
    for _ in 0..found.len() {
        let explains =
            |other: &&&'static str| **other != at && rule(other).is_some_and(|rule| rule.explains.contains(&at));
        match found.iter().filter(explains).min_by_key(|code| rank(code)) {
            Some(next) if *next == code => return None,
            Some(next) => at = next,
            None => break,
        }
    }
    (at != code).then_some(at)
}

/// The time that a line begins with, as it is written there: klog's, RFC 3339, or logfmt's and JSON's field.
fn stamp(line: &str) -> Option<String> {
    static TIME: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b[IWEF](?P<month>\d\d)(?P<day>\d\d) (?P<time>\d\d:\d\d:\d\d(?:\.\d+)?)|(?P<rfc>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)")
            .expect("constant pattern")
    });
    // Times stand at the head of a line or in its first fields; later ones are part of what is said.
    let mut end = line.len().min(512);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let head = &line[..end];
    let found = TIME.captures(head)?;
    if let Some(rfc) = found.name("rfc") {
        // The expiry of a token is not the time of the line.
        let before = &head[..rfc.start()];
        let own = before.trim().is_empty()
            || before.len() < 120 && !before.contains("Expiry") && !before.contains("current time");
        return own.then(|| rfc.as_str().to_owned());
    }
    Some(format!("{}-{} {}", &found["month"], &found["day"], &found["time"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Confidence;

    /// The first line of each match, and how often it was said, in the order of the lines.
    fn read(lines: &[&str]) -> Vec<(u64, u64)> {
        let kept = |text: &str, _: usize| text.to_owned();
        let mut collector = Collector::new(&kept);
        for (number, line) in (1..).zip(lines) {
            collector.line(number, line);
        }
        let matches = collector.finish(u64::MAX).matches;
        let mut found: Vec<(u64, u64)> = matches.iter().map(|found| (found.line, found.count)).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn the_head_of_an_exception_is_counted_where_nothing_after_it_says_more() {
        let old = "kubernetes.client.rest.ApiException: (403)";
        let head = "kubernetes.client.exceptions.ApiException: (403)";
        let headers = "HTTP response headers: HTTPHeaderDict({'Content-Type': 'application/json'})";
        let body =
            r#"pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "dev""#;
        assert_eq!(read(&[head, headers]), [(1, 1)]);
        assert_eq!(read(&[head, headers, body]), [(3, 1)]);
        assert_eq!(read(&[&[head, body].join("\\n")]), [(1, 1)]);
        // Those that are told alone stay, wherever another says more: with their own line and number.
        assert_eq!(read(&[head, headers, body, old, headers]), [(3, 1), (4, 1)]);
        assert_eq!(read(&[head, headers, old, headers, body]), [(1, 1), (5, 1)]);
        assert_eq!(read(&[head, head, headers, body, head]), [(1, 2), (4, 1)]);
        // A refusal of something else, long before or after it.
        assert_eq!(read(&[body, head]), [(1, 1), (2, 1)]);
        let later = [&[head][..], &[headers; 9], &[body]].concat();
        assert_eq!(read(&later), [(1, 1), (11, 1)]);
    }

    /// What is told of a text: code, confidence, line and cause.
    fn told(lines: &[String]) -> Vec<(&'static str, Confidence, u64, Option<&'static str>)> {
        let kept = |text: &str, _: usize| text.to_owned();
        let mut collector = Collector::new(&kept);
        for (number, line) in (1..).zip(lines) {
            collector.line(number, line);
        }
        let matches = collector.finish(u64::MAX).matches;
        matches.iter().map(|found| (found.code, found.confidence, found.line, found.explained_by)).collect()
    }

    #[test]
    fn a_sure_line_stays_among_many_that_are_not() {
        // Made up after argo-cd #13432: one client after the other, then the API server's own line.
        let other = |client: usize| {
            format!(
                r#"time="2024-05-06T10:25:03Z" level=warning msg="Failed to verify token: failed to verify token: oidc: expected audience \"a\" got [\"client-{client}\"]""#
            )
        };
        let own = r#"E1125 18:21:54.000000       1 authentication.go:75] "Unable to authenticate the request" err="[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"foo\"]]""#;
        for many in [MANY - 10, MANY + 50] {
            let mut lines: Vec<String> = (0..many).map(other).collect();
            lines.push(own.to_owned());
            let last = u64::try_from(lines.len()).expect("a number");
            let sure = ("token-audience-mismatch", Confidence::Certain, last, None);
            assert_eq!(told(&lines).first(), Some(&sure), "{many}");
        }
        // The same names, once of anybody and once of the API server.
        let lines = [r#"portal: oidc: expected audience "kubernetes" got ["foo"]"#.to_owned(), own.to_owned()];
        assert_eq!(told(&lines), [("token-audience-mismatch", Confidence::Certain, 2, None)]);
    }

    #[test]
    fn an_extension_server_that_sees_nobody_explains_no_api_server_that_does_not() {
        let line = |what: &str, group: &str| {
            format!(
                "Error from server (Forbidden): {what} is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"{group}\" in the namespace \"dev\""
            )
        };
        let lines = [line("pods.metrics.k8s.io", "metrics.k8s.io"), line("pods", "")];
        let behind = ("front-proxy-not-configured", Confidence::Possible, 1, None);
        assert_eq!(told(&lines), [("anonymous-request", Confidence::Certain, 2, None), behind]);
    }

    #[test]
    fn what_stands_before_the_line_of_a_plugin_is_its_cause() {
        let plugin =
            "Unable to connect to the server: getting credentials: exec: executable aws failed with exit code 254";
        let role = "An error occurred (InvalidIdentityToken) when calling the AssumeRoleWithWebIdentity operation: No OpenIDConnect provider found in your account for https://token.actions.githubusercontent.com";
        let ask = "EOF when reading a line";
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        for (before, code) in [(role, "aws-credentials-unavailable"), (ask, "exec-needs-terminal")] {
            let found = told(&lines(&[before, plugin]));
            let consequence = ("exec-failed", Confidence::Certain, 2, Some(code));
            assert_eq!(found, [(code, Confidence::Likely, 1, None), consequence]);
            // By itself it is any program's, and so it is before another plugin or long before this one.
            assert_eq!(told(&lines(&[before])), []);
            let other = plugin.replace("executable aws", "executable kubelogin");
            assert_eq!(told(&lines(&[before, other.as_str()])), [("exec-failed", Confidence::Certain, 2, None)]);
            let later = [&[before][..], &["-"; 9], &[plugin]].concat();
            assert_eq!(told(&lines(&later)), [("exec-failed", Confidence::Certain, 11, None)]);
        }
    }
}
