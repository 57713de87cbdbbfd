//! What `--hide-claims` hides: the values of the token's claims, wherever a report repeats them.
//!
//! Findings quote claims, the names of users are made of them, and commands hold both. So the veil is put over what the
//! renderers read, once, and not over each form. A value gives way to `[claim:NAME]`, so that what is said is still
//! understood.

use std::collections::HashMap;

use serde_json::Value;

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

/// The longest name of a claim that a stand-in takes over.
const LONGEST_NAME: usize = 64;

/// The values that are hidden, by their first characters.
#[derive(Debug, Clone, Default)]
pub struct Veil(HashMap<String, Vec<Hidden>>);

/// A value, and what stands for it.
#[derive(Debug, Clone)]
struct Hidden {
    value: String,
    stand_in: String,
    /// It is one word, and hidden where it stands as one: `dev1` is no part of `dev12`.
    word: bool,
}

impl Hidden {
    fn stands(&self, text: &str, at: usize, anywhere: bool) -> bool {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let (before, rest) = text.split_at(at);
        rest.strip_prefix(self.value.as_str())
            .is_some_and(|after| anywhere || !self.word || !(before.ends_with(part) || after.starts_with(part)))
    }

    /// Without it the quotes of a command would no longer match.
    fn quotes(&self) -> bool {
        self.value.contains(['\'', '"', '\\', '`'])
    }
}

/// A text's first characters, by which values are found; none of what is shorter.
fn begin(text: &str) -> Option<&str> {
    let (at, last) = text.char_indices().nth(SHORTEST - 1)?;
    text.get(..at + last.len_utf8())
}

/// A claim's name, which somebody else chose, so that it is harmless in a command too.
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
            fields.iter().for_each(|(key, value)| values(&format!("{name}.{key}"), value, found));
        }
        Value::Bool(_) | Value::Null => {}
    }
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
        let mut veil = Self::default();
        let token = evidence.credential.seen().and_then(|credential| credential.token.as_ref());
        let Some(claims) = token.and_then(|token| token.claims.as_ref()?.as_object()) else { return veil };
        let of_aws = token.is_some_and(|token| token.kind == TokenKind::EksIam);
        for (name, value) in claims.iter().filter(|(name, _)| !(of_aws && OF_AWS.contains(&name.as_str()))) {
            values(name, value, &mut |name, value| veil.hide(name, value));
        }
        veil.sort();
        // A name that the server made of a claim, with a prefix that no sign ends.
        let reviewed = evidence.control_plane.token_review.seen().and_then(|review| review.user.as_ref());
        let users = [evidence.identity.seen().map(|identity| &identity.user), reviewed];
        for name in users.into_iter().flatten().map(|user| &user.username) {
            let made = veil.replaced(name, true);
            if made != veil.replaced(name, false) {
                veil.add(name.clone(), &made);
            }
        }
        veil.sort();
        veil
    }

    fn hide(&mut self, name: &str, value: &str) {
        let last = name.rsplit('.').next().unwrap_or_default();
        let time = TIMES.contains(&last) && value.parse::<f64>().is_ok();
        let answer = ["true", "false", "null"].iter().any(|word| value.eq_ignore_ascii_case(word));
        if time || answer || KINDS.contains(&name) {
            return;
        }
        let stand_in = format!("[claim:{}]", harmless(name));
        self.add(value.to_owned(), &stand_in);
        // As texts quote it: in words, in JSON, in a command.
        for quoted in [format!("{value:?}"), Value::from(value).to_string()] {
            self.add(quoted[1..quoted.len() - 1].to_owned(), &stand_in);
        }
        self.add(value.replace('\'', "'\\''"), &stand_in);
    }

    fn add(&mut self, value: String, stand_in: &str) {
        let Some(begin) = begin(&value) else { return };
        let same = self.0.entry(begin.to_owned()).or_default();
        let word = value.chars().all(char::is_alphanumeric);
        same.push(Hidden { value, stand_in: stand_in.to_owned(), word });
    }

    /// The longest first; of several claims with one value the first names it.
    fn sort(&mut self) {
        for same in self.0.values_mut() {
            same.sort_by(|one, other| {
                other.value.len().cmp(&one.value.len()).then_with(|| one.value.cmp(&other.value))
            });
            same.dedup_by(|later, first| later.value == first.value);
        }
    }

    fn replaced(&self, text: &str, anywhere: bool) -> String {
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(first) = text[at..].chars().next() {
            let rest = &text[at..];
            let same = begin(rest).and_then(|begin| self.0.get(begin));
            let found = same.and_then(|same| same.iter().find(|hidden| hidden.stands(text, at, anywhere)));
            let public = PUBLIC.iter().find(|name| rest.starts_with(**name));
            let public = public.filter(|_| found.is_none_or(|hidden| hidden.word));
            let (shown, length) = match (public, found) {
                (Some(name), _) => (*name, name.len()),
                (None, Some(hidden)) => (hidden.stand_in.as_str(), hidden.value.len()),
                (None, None) => (&rest[..first.len_utf8()], first.len_utf8()),
            };
            out.push_str(shown);
            at += length;
        }
        out
    }

    /// A text without the values.
    pub fn text(&self, text: &str) -> String {
        self.replaced(text, false)
    }

    fn put(&self, text: &mut String) {
        if !self.0.is_empty() {
            *text = self.text(text);
        }
    }

    fn each<'t>(&self, texts: impl IntoIterator<Item = &'t mut String>) {
        texts.into_iter().for_each(|text| self.put(text));
    }

    /// The findings, the checks, and what became of the message that the user met.
    pub fn report(&self, report: &mut DoctorReport) {
        for finding in &mut report.findings {
            self.each([&mut finding.title, &mut finding.why]);
            self.each(finding.cites.iter_mut().map(|citation| &mut citation.text));
            finding.fix.iter_mut().for_each(|step| self.step(step));
            for candidate in &mut finding.candidates {
                self.put(&mut candidate.why);
                self.step(&mut candidate.decided_by);
            }
        }
        for check in &mut report.checks {
            self.each([&mut check.because, &mut check.needs].into_iter().flatten());
        }
        if let Some(message) = &mut report.message {
            self.each([&mut message.means, &mut message.now]);
        }
    }

    fn step(&self, step: &mut Step) {
        self.put(&mut step.text);
        self.each(&mut step.manifest);
        if let Some(command) = &mut step.command {
            // Of a value with quotes the rest may end up outside of them: nothing to paste.
            let held = |hidden: &Hidden| hidden.quotes() && command.contains(hidden.value.as_str());
            *command = if self.0.values().flatten().any(held) {
                Shell::from("# not shown: it holds a claim's value")
            } else {
                command.map(|text| self.text(text))
            };
        }
    }

    /// What is shown of the evidence beside the claims themselves, of which each form shows names and types.
    pub fn evidence(&self, evidence: &mut Evidence) {
        if let Some(config) = seen(&mut evidence.kubeconfig) {
            self.each(&mut config.context);
            self.each(config.cluster.iter_mut().flat_map(|cluster| [&mut cluster.server, &mut cluster.file]));
            self.each(config.files.iter_mut().map(|file| &mut file.path));
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
            self.each([&mut one.what, &mut one.then, &mut one.now]);
        }
    }

    /// What changed since the look before.
    pub fn changes(&self, changes: &mut [Change]) {
        for change in changes {
            match change {
                Change::New { title, .. } | Change::Gone { title, .. } | Change::First { title, .. } => {
                    self.put(title);
                }
                Change::Identity { before, now } => self.each([before, now].into_iter().flatten()),
                Change::Check { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::report::shell::shell;

    fn veil(claims: &Value) -> Veil {
        let mut veil = Veil::default();
        for (name, value) in claims.as_object().expect("claims") {
            values(name, value, &mut |name, value| veil.hide(name, value));
        }
        veil.sort();
        veil
    }

    #[test]
    fn values_give_way_to_the_names_of_their_claims() {
        let veil = veil(&json!({
            "aud": "kubernetes", "email": "alice@example.com", "groups": ["dev", "devs", "devs-2"], "sub": 4711,
            "kubernetes.io": { "namespace": "shop" }, "exp": 1_790_000_000, "email_verified": "true", "typ": "Bearer",
            "name": "Zo\u{eb} \"Z\" O'Hara",
        }));
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
        ] {
            assert_eq!(veil.text(text), shown);
        }
    }

    /// Whoever chose the claims could turn a command inside out: without its quotes, or by a claim's name.
    #[test]
    fn no_command_comes_out_of_its_quotes() {
        let veil = veil(&json!({ "$(touch y)": "alice", "groups": ["' --", "two words"] }));
        let command = |command: Shell| {
            let mut step = Step::command("do it", command);
            veil.step(&mut step);
            step.command.expect("a command").to_string()
        };
        assert_eq!(command(shell!("kubectl get sa {}", "alice")), "kubectl get sa [claim:__touch_y_]");
        assert_eq!(command(shell!("kubectl get sa {}", "two words")), "kubectl get sa '[claim:groups]'");
        let torn = command(shell!("kubectl get sa {} --context {}", "a b", "$(touch x)"));
        assert_eq!(torn, "# not shown: it holds a claim's value");
    }
}
