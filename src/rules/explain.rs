//! What texts mean, grouped by cause; the page of a code; the code that somebody meant.

use crate::report::shell::{Shell, shell};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use regex::Regex;

use super::reading::{self, Reading, rank};
use super::{AREAS, OTHER_SEVERITIES, RULES, Rule, mapping, rule};
use crate::apiserver::message::{heard::names as heard, names as text, set, tools::names as tools};
use crate::report::Step;
use crate::report::explain::{Entry, Explanation, FindingPage, Match};
use crate::report::view::{CandidateView, StepView};
use crate::text::{distance, slips};

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
}

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
        }
    }

    /// Reads one line; returns the matches that are new with it.
    pub fn line(&mut self, number: u64, line: &str) -> Vec<usize> {
        let mut new = Vec::new();
        self.waiting.retain(|(at, _)| number.saturating_sub(*at) <= BESIDE);
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
        new.extend(self.told(number, line, readings));
        new
    }

    /// Keeps what a line says; returns the matches that are new with it.
    fn told(&mut self, number: u64, line: &str, readings: Vec<Reading>) -> Vec<usize> {
        let mut new = Vec::new();
        let mut any = false;
        let mut time = None;
        for found in readings {
            // A page of HTML is a part of the words before it, or a page that somebody pasted; in the middle of a log
            // it is anybody's.
            if found.text == heard::HTML && (self.page || number > 3) {
                continue;
            }
            self.page |= found.text != heard::HTML;
            any = true;
            let time = time.get_or_insert_with(|| self.time(number, line)).clone();
            let index = self.group(found, number, line, time.as_ref());
            let group = &mut self.matches[index];
            if group.count == 0 {
                new.push(index);
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
        let telling = TELLING.iter().filter(|_| self.matches.len() < MANY).filter_map(|name| found.fields.get(*name));
        let key = (found.code, found.text, telling.map(String::as_str).collect::<Vec<_>>().join("\u{0}"));
        if let Some(index) = self.groups.get(&key) {
            return *index;
        }
        let scrub = self.scrub;
        let fields: BTreeMap<String, String> =
            found.fields.iter().map(|(name, value)| (name.clone(), scrub(value, FIELD))).collect();
        let rule = rule(found.code).expect("a reading's code is in the registry");
        let match_ = Match {
            code: found.code,
            severity: rule.severity,
            confidence: found.confidence,
            title: match found.text {
                // The rule's own is about kaccess.
                heard::EKS_DENIED => "AWS does not let this identity read the cluster",
                text => own_words(text).map_or(rule.title, |(title, _)| title),
            },
            means: means(&found, &fields, rule, line),
            text: scrub(line.trim(), LINE),
            line: number,
            count: 0,
            first_seen: time.cloned(),
            last_seen: None,
            last_line: number,
            next: next(rule, found.text, &fields).iter().map(StepView::from).collect(),
            candidates: found.rivals.iter().filter_map(|code| candidate(code, &fields)).collect(),
            fields,
            explained_by: None,
            docs: format!("docs/findings/{}.md", found.code),
        };
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
        // The first line of an exception, whose next lines say more.
        let told = |(_, text, _): &(&str, &str, String)| {
            matches!(*text, heard::FORBIDDEN | heard::FORBIDDEN_OLD | tools::FORBIDDEN_BARE)
        };
        if self.groups.keys().any(told) {
            let head = self.groups.iter().find(|((_, text, _), _)| *text == tools::FORBIDDEN_PYTHON);
            if let Some((_, index)) = head {
                matches.remove(*index);
            }
        }
        let codes: Vec<&'static str> = matches.iter().map(|found| found.code).collect();
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

fn field<'f>(fields: &'f BTreeMap<String, String>, name: &str) -> &'f str {
    fields.get(name).map_or("", String::as_str)
}

/// Stands where a field is not in the text: no sentence is told that would hold it. Nothing foreign contains it.
const NOTHING: &str = "\u{0}";

/// What the words say, with the names that stand in them; where a name is missing, the problem in one line.
fn means(found: &Reading, fields: &BTreeMap<String, String>, rule: &Rule, line: &str) -> String {
    let given = |name: &str| !field(fields, name).trim().is_empty();
    let f = |name: &str| if given(name) { field(fields, name) } else { NOTHING };
    let one = |names: &[&str]| names.iter().map(|&name| f(name)).find(|value| *value != NOTHING).unwrap_or(NOTHING);
    let bare = |name: &str| {
        f(name).trim_matches(|c| matches!(c, '[' | ']' | '"')).replace("\" \"", ", ").replace("\",\"", ", ")
    };
    let text = match found.text {
        text::AUDIENCE => format!("the server expects the audience {}, the token says {}", or(&bare("expected"), "of no name"), or(&bare("got"), "none")),
        text::SERVICE_ACCOUNT_AUDIENCE => format!("the server expects the audience {}, the token says {}", bare("expected"), or(&bare("got"), "none")),
        text::OIDC_ISSUER_DIFFERS => format!("the API server is configured for the issuer {}, the document of the provider says {}", or(f("expected"), "nothing"), or(f("got"), "nothing")),
        heard::OTHER_ISSUER => format!("the server expects the issuer {}, the token says {}", f("expected"), f("got")),
        text::OIDC_INIT_HTTP => format!("the control plane asked for the issuer's discovery document and was answered {}{}{}", f("status"), with(" ", f("reason")), server_of(line)),
        text::OIDC_INIT_PROXY | heard::INIT_PROXY => format!("a proxy answered the control plane's CONNECT to {} with {}", f("url"), f("reason")),
        text::OIDC_INIT_DNS => format!("the control plane does not resolve {}", f("host")),
        text::OIDC_INIT_TIMEOUT => format!("the control plane got no answer from {}: {}", f("url"), f("error")),
        text::OIDC_INIT_REFUSED => format!("{} at {} refuses the control plane's connections", f("url"), f("address")),
        text::OIDC_INIT_CLOSED => format!("the control plane does not get through to {}: {}", f("url"), f("error")),
        text::OIDC_INIT_X509 => format!("the control plane does not accept the certificate of {}: {}", f("url"), f("error")),
        text::OIDC_DISCOVERY_NOT_JSON => format!("the discovery URL answered with {} instead of JSON", or(f("type"), "another type")),
        text::OIDC_NOT_INITIALIZED => "the API server has never been able to read the issuer's discovery document, so it refuses every token of this issuer; why, another line of its log says".to_owned(),
        heard::ISSUER_UNHEALTHY => format!("the authenticator for {} is not up{}", f("issuer"), with(": ", f("error"))),
        text::JWKS_HTTP => format!("the key set's URL answered the API server {} {}", f("status"), f("reason")),
        text::JWKS_UNREACHABLE => format!("the API server does not get the key set at {}: {}", f("url"), f("error")),
        text::JWKS_UNPARSABLE => format!("the key set holds something that the API server cannot read: {}", f("error")),
        text::EXPIRED => format!("the token expired at {}", f("expiry")),
        text::NOT_YET_VALID => format!("the token is not valid before {}", f("time")),
        text::ALGORITHM => format!("the server takes tokens signed with {}, this one is signed with {}", bare("expected"), f("got")),
        text::USERNAME_CLAIM_MISSING => format!("the claim {}, which names the user, is not in the token", f("claim")),
        text::USERNAME_CLAIM_TYPE | text::GROUPS_CLAIM_TYPE | text::REQUIRED_CLAIM_TYPE => format!("the claim {} is of type {}, and must be a string{}", f("claim"), f("got"), if found.text == text::GROUPS_CLAIM_TYPE { " or a list of strings" } else { "" }),
        text::REQUIRED_CLAIM_MISSING => format!("the claim {}, which the server requires, is not in the token", f("claim")),
        text::REQUIRED_CLAIM_DIFFERS => format!("the server requires {} = {}, the token says {}", f("claim"), or(f("expected"), "nothing"), or(f("got"), "nothing")),
        text::CLAIM_MAPPING => {
            let (made, error) = mapping::read(|name| field(fields, name));
            format!("the expression that makes {} of the token's claims fails: {error}", made.words())
        }
        text::CLAIM_RULE | text::USER_RULE => format!("the rule '{}' refuses the token{}", f("expression"), with(": ", or(f("message"), f("error")))),
        text::CLIENT_CERTIFICATE | text::BOTH_CAS | text::CLIENT_CA_ALONE => format!("the client certificate with the serial number {} is refused: {}", f("serial"), f("error")),
        heard::CERTIFICATE_BARE => format!("a client certificate is refused: {}", f("error")),
        text::FRONT_PROXY_NAME => format!("the proxy's certificate is for {}, which --requestheader-allowed-names does not list", f("name")),
        text::WEBHOOK_FAILED | text::WEBHOOK_ANSWER => format!("the token webhook gave no verdict: {}", if f("error").trim_end_matches('"') == "unknown" { "it answered 403 without a reason, as aws-iam-authenticator does when it refuses a token" } else { f("error") }),
        text::WEBHOOK_TRANSPORT => format!("the token webhook {} could not be asked: {}", f("url"), f("error")),
        text::SERVICE_ACCOUNT_UID => format!("the service account was made anew: its UID is {}, the token's is {}", f("expected"), f("got")),
        text::SERVICE_ACCOUNT_MISSING => format!("the service account {} of the token is gone", f("name")),
        heard::FORBIDDEN | heard::FORBIDDEN_OLD => refusal(fields),
        text::NODE_AUTHORIZER => format!("the node {} may not do this: {}", f("node"), f("reason")),
        text::RBAC_ESCALATION | heard::ESCALATION => format!("{} would give away rights that {} does not hold", or(f("name"), "the role or binding"), or(f("user"), "its author")),
        text::NAMESPACE_NOT_FOUND => format!("the namespace {} does not exist", f("namespace")),
        text::RESOURCE_NOT_SERVED if given("type") && rule.code == "credential-rejected" => format!("every API server serves {:?}: discovery was refused, or something else answered it", f("type")),
        text::ADMISSION if given("account") => format!("the Pod is to run as the service account {}, which does not exist", f("account")),
        text::RESOURCE_NOT_SERVED if given("type") => format!("the server does not serve {:?}, or discovery was refused", f("type")),
        text::RESOURCE_NOT_SERVED if given("kind") => format!("the server does not serve {} in {}", f("kind"), f("version")),
        text::METRICS_API => "metrics.k8s.io (kubectl top, autoscalers) is not served, or its extension server does not answer".to_owned(),
        heard::LOCALHOST => "kubectl found no cluster in its configuration and fell back to localhost:8080".to_owned(),
        heard::CONTEXT_MISSING => format!("there is no context {}", one(&["context", "name", "asked", "object"])),
        heard::KUBECONFIG_BROKEN => format!("{} is not a kubeconfig that kubectl can read: {}", or(f("file"), "the file"), f("error")),
        heard::ENTRY_FILE => format!("the {} of {} is in {}, which cannot be opened", f("field"), f("entry"), f("file")),
        heard::PLUGIN_ABSENT => format!("the credential plugin {} cannot be started{}", one(&["command", "program", "path", "binary", "needed", "login", "plugin"]), with(": ", one(&["error", "format"]))),
        heard::PLUGIN_FAILED => format!("the credential plugin {} ended with exit code {}; what it wrote to stderr stands before this line", or(f("command"), "of the user entry"), one(&["status", "exit", "code"])),
        heard::PLUGIN_VERSIONS => format!("the user entry says {}, the plugin answered in {}", f("expected"), f("got")),
        heard::PROVIDER_REMOVED if given("deprecated") => format!("this kubectl still has the {} auth plugin, and 1.26 and later do not", f("deprecated")),
        heard::LOGIN_REFUSED => format!("Entra ID gives no token{}: {}", entra(f("aadsts")), f("error")),
        heard::EKS_DENIED => format!("{} may not {} in AWS{}; the API server was not asked", f("arn"), f("action"), with(" on ", f("resource"))),
        heard::X509_MACOS => format!("macOS says of the certificate of {}: {}", f("subject"), f("error")),
        heard::X509_BARE => format!("a server's certificate is refused, whose, the words do not say: {}", f("error")),
        heard::AWS_ASSUME if given("role") => format!("{} may not assume {}", f("arn"), f("role")),
        heard::AWS_CREDENTIALS if given("profile") => format!("there is no AWS profile {}", f("profile")),
        heard::LOGIN_UNREACHABLE => format!("the login plugin does not reach the issuer {}{}", f("url"), with(": ", f("error"))),
        heard::SERVER_NAME | text::CLIENT_NAME_NOT_FOUND | text::CLIENT_NO_RESOLVER => format!("the name {} does not resolve on this machine: {}", one(&["host", "name"]), or(one(&["error", "why"]), "no such host")),
        heard::SERVER_REFUSED | text::CLIENT_REFUSED => format!("nobody listens at {}", one(&["server", "address", "fallback", "at"])),
        text::IAM_NOT_MAPPED => format!("aws-iam-authenticator knows the identity{} and finds no access entry or aws-auth line for it", with(" ", f("arn"))),
        text::IAM_CLOCK => format!("the token was signed at {} by the client's clock, and STS says it is {}", f("signed"), f("now")),
        text::IAM_PARAMETER => format!("the presigned URL in the token has the parameter {}, which the authenticator does not take", f("parameter")),
        text::IAM_LIFETIME if f("seconds") == "0" => "the presigned URL in the token says no lifetime (X-Amz-Expires), and the authenticator takes 0 to 900 seconds".to_owned(),
        text::IAM_LIFETIME => format!("the presigned URL in the token says X-Amz-Expires={}, and the authenticator takes 0 to 900 seconds", f("seconds")),
        text::IAM_UNSIGNED => format!("the token is not signed for a cluster: the header {}, which holds its name, is not among what is signed", f("header")),
        text::IAM_TWICE => "the presigned URL in the token holds a parameter twice, which the authenticator does not take".to_owned(),
        text::KUBECTL_X509_DATE => format!("by this machine's clock ({}) the certificate {} {}", f("now"), if f("way") == "after" { "ended at" } else { "is not valid before" }, f("limit")),
        text::KUBECTL_X509_NAME | text::KUBECTL_X509_DEFAULT if given("names") => format!("the certificate is for {}, the kubeconfig asks for {}", f("names"), f("name")),
        text::CLIENT_PROXY_REFUSED => format!("a proxy between here and the API server answered {}", f("reason")),
        heard::BARE_X509 => format!("a TLS connection failed ({}); the line does not say that it was one to the API server", or(f("error"), f("bare"))),
        heard::BARE_TIMEOUT => format!("{} did not answer; the line does not say that it is the API server", f("address")),
        reading::alone::NAME => "any program says this of any server; it is taken for kubectl's word about the API server".to_owned(),
        heard::BARE_SCHEME => "a client of TLS was answered in plain HTTP; the line does not say that it asked the API server".to_owned(),
        heard::SERVER_SILENT | text::CLIENT_TIMEOUT if given("address") => format!("{} does not answer a connection from this machine", f("address")),
        text::KUBELET_FORBIDDEN if rule.code != "kubelet-refuses-api-server" => format!("the kubelet knows the one who asks it as {}, who may not {} {}{}", f("user"), f("verb"), f("resource"), with("/", f("subresource"))),
        text::KUBELET_FORBIDDEN => format!("the kubelet does not let {} {} {}{}: your own credential is fine", f("user"), f("verb"), f("resource"), with("/", f("subresource"))),
        text::KUBELET_UNAUTHORIZED => format!("the kubelet refuses the API server's own credential ({}): yours is fine", f("request")),
        heard::UNAUTHORIZED => "the API server answered 401 Unauthorized; it never tells the one who asks why, its log does".to_owned(),
        text::NOBODY_CLAIMED | heard::NOBODY => "no authenticator of the API server took the token for one of its own: its issuer is not a configured one, or it is no token at all".to_owned(),
        heard::AUDIT_FAILED => format!("the API server refused a credential of this kind: {}", f("attempted")),
        tools::UNAUTHORIZED => "the API server answered 401 Unauthorized; it never tells the one who asks why, its log does".to_owned(),
        tools::FORBIDDEN | tools::FORBIDDEN_PYTHON => "the API server answered 403 Forbidden; who was refused what, the client keeps to itself".to_owned(),
        tools::FORBIDDEN_BARE => refusal(fields),
        tools::RBAC_DENY => format!("RBAC lets {} not {} {}; another authorizer may", f("user"), f("verb"), one(&["resource", "path"])),
        tools::AUTHORITY => "a server's certificate is signed by nobody that the client trusts, and the words around it are those of a client of Kubernetes".to_owned(),
        tools::NAME | tools::LOOKUP => format!("the name {} does not resolve on this machine", one(&["host", "name", "named"])),
        tools::SILENT | tools::REFUSED | tools::CONNECTEX => format!("no connection to {}{}", one(&["server", "address"]), with(": ", f("error"))),
        tools::HOSTNAME => format!("the certificate that was shown is not for {}", f("name")),
        tools::PLUGIN_ABSENT | tools::PLUGIN_START => format!("the credential plugin {} cannot be started{}", one(&["command", "path"]), with(": ", f("error"))),
        tools::PLUGIN_FAILED => format!("the credential plugin ended with exit code {}", one(&["status", "exit"])),
        tools::LOGIN_UNREACHABLE => format!("the login plugin does not reach the issuer {}{}", f("url"), with(": ", f("error"))),
        tools::AUTHORITY_UNFIT => format!("the kubeconfig trusts an authority {:?} that cannot have signed this certificate: {}", f("authority"), f("reason")),
        tools::IMPERSONATION => format!("Teleport does not let this user act as the {} {:?}", f("kind"), f("name")),
        tools::NODE_CSR => format!("only the node {} may ask for its certificate, and somebody else did", f("node")),
        text => own_words(text).map_or_else(String::new, |(title, _)| title.to_owned()),
    };
    if text.trim().is_empty() || text.contains(NOTHING) { rule.title.to_owned() } else { text }
}

fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.trim().is_empty() || text == NOTHING { other } else { text }
}

fn with(lead: &str, text: &str) -> String {
    if text.trim().is_empty() || text == NOTHING { String::new() } else { format!("{lead}{text}") }
}

/// Which of its reasons Entra ID names by a number.
fn entra(code: &str) -> &'static str {
    match code {
        "AADSTS53003" => ", because of a Conditional Access policy",
        "AADSTS7000215" => ", because the client secret is not the one of the application",
        "AADSTS7000222" => ", because the client secret has expired",
        "AADSTS700016" => ", because the tenant does not have this application",
        _ => "",
    }
}

/// Who wrote the issuer's page, where it says so; in a log of JSON the whole page stands in the line.
fn server_of(line: &str) -> &'static str {
    let page = line.split_once("initializing plugin: ").map_or("", |(_, page)| page);
    let known = [
        ("nginx", " by nginx"),
        ("awselb", " by an AWS load balancer"),
        ("cloudflare", " by Cloudflare"),
        ("CloudFront", " by CloudFront"),
        ("Envoy", " by Envoy"),
    ];
    known.iter().find(|(mark, _)| page.contains(mark)).map_or("", |(_, words)| words)
}

/// The authorizer's refusal in words; empty where the message was cut before it says who was refused.
fn refusal(fields: &BTreeMap<String, String>) -> String {
    let f = |name: &str| field(fields, name);
    if f("user").is_empty() {
        return String::new();
    }
    if f("verb").is_empty() || f("resource").is_empty() && f("path").is_empty() {
        return format!(
            "the API server knows the user as {:?} and refused what was asked; which right is missing, the part of the message that is here does not say",
            f("user")
        );
    }
    let what = if f("path").is_empty() {
        let dotted = if f("group").is_empty() { String::new() } else { format!(".{}", f("group")) };
        let sub = with("/", f("subresource"));
        let name = if f("name").is_empty() { String::new() } else { format!(" {}", f("name")) };
        let namespace = or(f("namespace"), f("project"));
        let place = if namespace.is_empty() {
            " in the whole cluster".to_owned()
        } else {
            format!(" in the namespace {namespace}")
        };
        format!("{}{dotted}{sub}{name}{place}", f("resource"))
    } else {
        f("path").to_owned()
    };
    format!(
        "the API server knows the user as {:?}, who may not {} {what}{}",
        f("user"),
        f("verb"),
        with(": ", f("reason"))
    )
}

/// The part of the registry that a code is in.
fn area(code: &str) -> &'static str {
    AREAS.iter().find(|(_, rules)| rules.iter().any(|rule| rule.code == code)).map_or("", |(area, _)| *area)
}

/// The command that looks whether it is this.
fn look(code: &str, fields: &BTreeMap<String, String>) -> Shell {
    let f = |name: &str| field(fields, name);
    match area(code) {
        "rbac"
            if !f("verb").is_empty()
                && !f("verb").contains(':')
                && (!f("resource").is_empty() || !f("path").is_empty()) =>
        {
            shell!("kaccess can-i {} --why", question(fields))
        }
        "rbac" => "kaccess can-i --list".into(),
        "network" => "kaccess allowlist --check".into(),
        "workload" => "kaccess workload POD -n NAMESPACE".into(),
        "token" if code != "name-prefix-mismatch" => "kaccess decode --verify".into(),
        "token" => "kaccess whoami".into(),
        "issuer" | "serviceaccount" | "certificate" if code != "anonymous-request" => {
            "kaccess doctor --reviewer-context ADMIN_CONTEXT".into()
        }
        _ => "kaccess doctor".into(),
    }
}

/// The question of a refusal, as `can-i` and `who-can` take it.
fn question(fields: &BTreeMap<String, String>) -> Shell {
    let f = |name: &str| field(fields, name);
    if !f("path").is_empty() {
        return shell!("{} {}", f("verb"), f("path"));
    }
    let dotted = if f("group").is_empty() { String::new() } else { format!(".{}", f("group")) };
    let mut text = shell!("{} {}", f("verb"), format!("{}{dotted}{}", f("resource"), with("/", f("subresource"))));
    if !f("name").is_empty() {
        text.push(&shell!(" {}", f("name")));
    }
    if !f("namespace").is_empty() {
        text.push(&shell!(" -n {}", f("namespace")));
    }
    text
}

/// Title and repair of texts that say something else of their code's matter than its page does.
fn own_words(text: &str) -> Option<(&'static str, &'static str)> {
    Some(match text {
        "sts-token-expired" => (
            "The token that the program showed STS has expired",
            "In a Pod the kubelet writes a new token into the file in time: have the program read AWS_WEB_IDENTITY_TOKEN_FILE again (current SDKs do), or start it anew; of a token that was not old, look at the clock of whoever issued it.",
        ),
        "sts-region-disabled" => (
            "STS is switched off in the region that was asked",
            "Have an administrator of the account activate STS in that region (IAM console, Account settings), or have the program ask another region's STS (AWS_REGION; AWS_STS_REGIONAL_ENDPOINTS=regional).",
        ),
        "plugin-sts-unreachable" => (
            "AWS' STS does not answer this machine",
            "Let this machine out to that address (a proxy: HTTPS_PROXY; a network without a way out: a VPC endpoint for STS), or name the right region (AWS_REGION); then ask again: aws sts get-caller-identity.",
        ),
        "pod-identity-agent-address" => (
            "The Pod Identity agent was asked by another address than its own",
            "Have AWS_CONTAINER_CREDENTIALS_FULL_URI name http://169.254.170.23/v1/credentials (or [fd00:ec2::23]), as the webhook injects it, and no proxy stand between: both addresses belong into the container's NO_PROXY.",
        ),
        "pod-identity-agent-token" => (
            "The Pod Identity agent was asked without a token",
            "Use an SDK that knows AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE (one from 2024 or later), and have both variables injected: make the Pod again where it has only one. By hand: curl -H \"Authorization: $(cat $AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE)\" $AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ),
        "eks-no-cluster" => (
            "EKS has no cluster of that name in the region and account that were asked",
            "See whom the AWS tools take you for and which clusters are there (aws sts get-caller-identity, aws eks list-clusters --region REGION): mostly the region or the profile is another one; else the cluster was deleted.",
        ),
        "eks-cidrs-invalid" => (
            "EKS does not take these ranges for the public endpoint",
            "Give only public ranges in publicAccessCidrs (no private or reserved ones; IPv6 only where the cluster is dual-stack IPv6). Who comes by private addresses enters by the private endpoint, which security groups guard.",
        ),
        "jwks-failed" => (
            "The API server does not get the issuer's key set",
            "Read what stands behind these words in the API server's log: a status is a refusal, anything else means that the key set's URL was not reached.",
        ),
        "sdk-sts-unreachable" => (
            "The program does not get through to STS",
            "Give it a way out to sts.REGION.amazonaws.com on port 443 (a NAT gateway, or an interface endpoint for STS in its VPC; through a proxy, HTTPS_PROXY), and have it ask its own region's STS (AWS_STS_REGIONAL_ENDPOINTS=regional, AWS_REGION).",
        ),
        "sdk-token-file-denied" => (
            "The program may not read the token of its role",
            "Set securityContext.fsGroup (65534 will do) in the Pod's template, so that a program that is not root may read the file; newer kubelets also set its owner where all containers have the same runAsUser.",
        ),
        "kubelet-scrape" => (
            "metrics-server does not trust the certificate of a kubelet",
            "Have the kubelets' certificates signed by the cluster (serverTLSBootstrap: true in the kubelet's configuration, then kubectl certificate approve each request of kubectl get csr); or, in a cluster for trying things out, start metrics-server with --kubelet-insecure-tls.",
        ),
        "kubelet-no-agent" => (
            "The tunnel from the API server to the nodes has no agent",
            "Look at the konnectivity-agent Pods in kube-system and at their log (kubectl -n kube-system get pods -o wide): none is connected to the server of the tunnel, through which exec, logs and port-forward go.",
        ),
        "kubelet-scrape-unauthorized" => (
            "The kubelet does not know the one who scrapes it",
            "Have the scraper send its service account's token (bearer_token_file, or authorization in the scrape's settings), and the kubelet ask about tokens: authentication.webhook.enabled: true in its configuration.",
        ),
        "kubelet-scrape-forbidden" => (
            "The kubelet does not let the scraper read its metrics",
            "Grant the scraper's service account get on nodes/metrics (a ClusterRole and a ClusterRoleBinding): kubectl create clusterrole kubelet-metrics --verb=get --resource=nodes/metrics",
        ),
        "k3s-token" => (
            "The k3s server does not take the agent's token",
            "Take the server's token anew (/var/lib/rancher/k3s/server/node-token on it, or k3s token create), and give it to the agent (K3S_TOKEN, or token in its configuration).",
        ),
        "k3s-token-ca" => (
            "The agent's token was made for another cluster's CA",
            "Take the server's token anew (/var/lib/rancher/k3s/server/node-token on it); where K3S_URL is right, the cluster's CA was made anew since, and the agent's old one in /var/lib/rancher/k3s/agent must go.",
        ),
        "kubeadm-ca-hash" => (
            "The hash that kubeadm was given is not that of this cluster's CA",
            "Have the whole command made anew on a node of the control plane (kubeadm token create --print-join-command): --discovery-token-ca-cert-hash is of another CA, or the address is another cluster's.",
        ),
        "iam-session-name" => (
            "A role that is mapped as nodes' was used by somebody who is no instance",
            "The mapping of this role has {{EC2PrivateDNSName}} or {{SessionName}} of an instance: map people and programs by an entry of their own (aws eks create-access-entry), and leave the nodes' role to nodes.",
        ),
        "kubelet-certificate-expired" => (
            "The kubelet's client certificate has expired",
            "On the node: delete /var/lib/kubelet/pki/kubelet-client-current.pem, give the kubelet a bootstrap kubeconfig again (kubeadm token create on the control plane; /etc/kubernetes/bootstrap-kubelet.conf), restart it, and approve its request (kubectl get csr).",
        ),
        "kubelet-authorization" => (
            "The kubelet could not decide that this is allowed, or denied it",
            "Where it says Authorization error, the kubelet did not reach the API server's SubjectAccessReview: look at its log and its kubeconfig. Else grant the user named the nodes/ subresource named.",
        ),
        "no-roots" => (
            "The kubeconfig names no CA, and this machine has none of its own",
            "Put the cluster's CA into the cluster entry (kubectl config set-cluster CLUSTER --certificate-authority=CA --embed-certs), or install the system's roots (the package ca-certificates), as small images lack them.",
        ),
        "etcd-trouble" => (
            "The API server's etcd is slow, or changes its leader",
            "Try again; if it stays, have the administrator look at etcd's health and disks (etcdctl endpoint status --cluster).",
        ),
        "server-proxy" => (
            "The API server asks a proxy that its settings name wrongly",
            "Correct HTTP_PROXY and HTTPS_PROXY in the API server's environment (a variable's name stands there unresolved, or a dead proxy), and list the Pods', services' and nodes' ranges in its NO_PROXY.",
        ),
        _ => return None,
    })
}

/// What to do: the repair with the names that are known, then the command that looks.
fn next(rule: &Rule, text: &str, fields: &BTreeMap<String, String>) -> Vec<Step> {
    let f = |name: &str| field(fields, name);
    let bare = |name: &str| f(name).trim_matches(|c| matches!(c, '[' | ']' | '"')).to_owned();
    let mut steps = Vec::new();
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let own = own_words(text);
    match rule.code {
        "admission-denied" if !f("account").is_empty() => steps.push(Step::text(format!(
            "Create the service account {0} (kubectl create serviceaccount {1} -n {2}), or have the Pod's template name one that exists (serviceAccountName).",
            f("account"),
            f("account").rsplit('/').next().unwrap_or("NAME"),
            f("account").split_once('/').map_or("NAMESPACE", |(namespace, _)| namespace),
        ))),
        _ if own.is_some() => steps.extend(own.map(|(_, what)| Step::text(what))),
        "token-audience-mismatch" if !f("expected").is_empty() => steps.push(Step::text(format!(
            "Log in with the client {0:?} and send its ID token; or have the identity provider add {0:?} to the audience (Keycloak: an audience mapper with the included client audience {0:?} on the client that logs in); or configure --oidc-client-id={1} on the API server.",
            bare("expected"),
            or(&bare("got"), "CLIENT")
        ))),
        "issuer-document-mismatch" if !f("got").is_empty() => steps.push(Step::text(format!(
            "Configure the API server with --oidc-issuer-url={}, or correct the provider's idea of its own address to {}; they must be the same to the last slash.",
            f("got"),
            f("expected")
        ))),
        "service-account-audience-mismatch" if !f("expected").is_empty() => {
            steps.push(Step::command(format!("Take a token for the API server, whose audience is {}", bare("expected")), "kubectl create token NAME -n NAMESPACE"));
        }
        "context-not-found" => steps.push(Step::command("See which contexts there are, and use one of them", "kubectl config get-contexts")),
        "rbac-no-grant" if !f("signer").is_empty() => steps.push(Step::command(
            format!("Have a ClusterRole made with {} on that signer, and bound to whoever asks (update on certificatesigningrequests/approval is needed besides)", f("verb")),
            shell!("kubectl create clusterrole {0}-requests --verb={0} --resource=signers.certificates.k8s.io --resource-name={1}", f("verb"), f("signer")),
        )),
        "rbac-no-grant" | "rbac-role-missing" if !f("verb").is_empty() && (!f("resource").is_empty() || !f("path").is_empty()) => {
            steps.push(Step::command("See who can, and through which binding; have yourself added to that group or binding", shell!("kaccess who-can {}", question(fields))));
        }
        "aws-assume-role-denied" if !f("role").is_empty() => steps.push(Step::text(format!(
            "Have the trust policy of {} name {} as its principal, and have that identity allowed sts:AssumeRole on the role; or leave the role out of the user entry.",
            f("role"),
            f("arn")
        ))),
        "aws-credentials-unavailable" => steps.push(Step::command("Log in at AWS again, or name the right profile", "aws sso login")),
        "irsa-provider-missing" if !f("issuer").is_empty() => steps.push(Step::command(
            "Register the cluster's issuer in the role's account, once for the cluster",
            shell!("aws iam create-open-id-connect-provider --url {} --client-id-list sts.amazonaws.com", f("issuer")),
        )),
        "workload-uses-node-role" if !f("role").is_empty() => steps.push(Step::text(format!(
            "The program asked as {} of node {}, which has no right to {}: give its service account a role of its own (IRSA or Pod Identity), and make its Pods anew.",
            f("role"),
            f("instance"),
            or(f("action"), "that")
        ))),
        "kiam-namespace-not-permitted" if !f("role").is_empty() => steps.push(Step::command(
            format!("The namespace permits {}, and the role is {}: permit it", or(f("expression"), "nothing"), f("role")),
            shell!("kubectl annotate --overwrite namespace NAMESPACE iam.amazonaws.com/permitted={}", f("role")),
        )),
        "kubeconfig-unparsable" if f("error").starts_with("open ") => steps.push(Step::command(
            "Have the file made readable for you, or copy it to ~/.kube/config as your own; see whose it is",
            shell!("ls -l {}", or(f("file"), "FILE")),
        )),
        "exec-failed" if !f("aadsts").is_empty() => steps.push(Step::text(match f("aadsts") {
            "AADSTS53003" => "Log in from a device and a network that the Conditional Access policy allows (with the browser on it, not a device code), or have the policy's administrator look the sign-in up in the sign-in log.",
            "AADSTS7000215" => "Give the plugin the secret's value (AAD_SERVICE_PRINCIPAL_CLIENT_SECRET), not its id, and of the application that the client id names.",
            "AADSTS7000222" => "Make a new client secret for the application (az ad app credential reset --id CLIENT_ID), and give it to the plugin (AAD_SERVICE_PRINCIPAL_CLIENT_SECRET).",
            _ => "Compare the client id (and --server-id) and the tenant id in the user entry with the application's registration; it is in another tenant, or was deleted.",
        })),
        "exec-failed" if !f("format").is_empty() || f("error").starts_with("exec format") || f("error").starts_with("%1 is not") => {
            steps.push(Step::command(
                "The program is made for another processor or system: install the one for this machine; see which it is",
                shell!("file {}", or([f("path"), f("binary")].concat().as_str(), "PLUGIN")),
            ));
        }
        "iam-permission-missing" if !f("action").is_empty() => steps.push(Step::text(format!(
            "Have {} allowed {} by an IAM policy, or use the profile of an identity that is (aws sts get-caller-identity shows whose the keys are).",
            or(f("arn"), "that identity"),
            f("action")
        ))),
        "exec-plugin-not-found" => steps.push(Step::command(squeeze(rule.page.fix), shell!("command -v {}", or(f("command"), "PLUGIN")))),
        _ => steps.push(Step::text(squeeze(rule.page.fix))),
    }
    // What is none of kaccess' business has nothing to look at.
    if rule.code != "admission-denied" {
        let words = match area(rule.code) {
            "issuer" | "serviceaccount" | "certificate" => {
                "See it with its evidence: somebody with rights reads out what the API server itself says"
            }
            "rbac" => "See what is granted and what is missing, with the smallest grant",
            "token" => "See what the token says, and whether the issuer's keys verify it",
            _ => "See it with its evidence",
        };
        steps.push(Step::command(words, look(rule.code, fields)));
    }
    steps
}

/// Another cause that fits, with what would decide it.
fn candidate(code: &str, fields: &BTreeMap<String, String>) -> Option<CandidateView> {
    let rule = rule(code)?;
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(CandidateView {
        code: rule.code,
        why: rule.title.to_owned(),
        decided_by: StepView::from(&Step::command(squeeze(rule.page.evidence), look(code, fields))),
    })
}

/// The time that a line begins with, as it is written there: klog's, RFC 3339, or logfmt's and JSON's field.
pub fn stamp(line: &str) -> Option<String> {
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

/// The page of a code.
pub fn page(rule: &'static Rule) -> FindingPage {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    FindingPage {
        code: rule.code,
        severity: rule.severity,
        title: rule.title,
        means: squeeze(rule.page.means),
        evidence: squeeze(rule.page.evidence),
        fix: squeeze(rule.page.fix),
        references: rule.page.references.split_whitespace().collect(),
        explains: rule.explains,
        symptoms: rule.recognises.iter().flat_map(|text| set::shapes(text)).filter(|shape| telling(shape)).collect(),
        otherwise: OTHER_SEVERITIES
            .iter()
            .find(|(code, ..)| *code == rule.code)
            .map(|(_, severity, place)| (*severity, *place)),
    }
}

/// Every code, in the registry's order.
pub fn list() -> Vec<Entry> {
    AREAS
        .iter()
        .flat_map(|(area, rules)| {
            rules.iter().map(|rule| Entry { code: rule.code, severity: rule.severity, title: rule.title, area })
        })
        .collect()
}

/// The code that was asked for, however it was cased or joined.
pub fn asked(text: &str) -> Option<&'static Rule> {
    let code = text.trim().to_lowercase().replace(['_', ' '], "-");
    rule(&code)
}

/// Codes that are spelled nearly as a word, nearest first.
pub fn near(text: &str) -> Vec<&'static str> {
    let word = text.trim().to_lowercase().replace(['_', ' '], "-");
    let like_a_code =
        !word.is_empty() && word.len() <= 60 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !like_a_code {
        return Vec::new();
    }
    let parts: Vec<&str> = word.split('-').filter(|part| part.len() > 2).collect();
    let mut scored: Vec<(usize, &'static str)> = RULES
        .iter()
        .filter_map(|rule| {
            let far = distance(&word, rule.code);
            // A short word is soon like another.
            let same = |part: &str, own: &str| part == own || part.len() > 4 && distance(part, own) == 1;
            let shared = parts.iter().filter(|part| rule.code.split('-').any(|own| same(part, own))).count();
            let close = far <= slips(&word);
            // One word of several is in many a code.
            let related = shared > 0 && (parts.len() == 1 || shared > 1 && shared * 2 > parts.len());
            (close || related).then_some((far + 4 * (parts.len() - shared), rule.code))
        })
        .collect();
    // Among equals the registry's order.
    scored.sort_by_key(|(score, _)| *score);
    scored.into_iter().take(5).map(|(_, code)| code).collect()
}

/// A shape with words of its own beside the fields, by which somebody would know it.
fn telling(shape: &str) -> bool {
    let field =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let own = shape.split('<').map(|part| match part.split_once('>') {
        Some((name, rest)) if field(name) => rest,
        _ => part,
    });
    own.flat_map(str::chars).filter(|c| c.is_alphanumeric()).count() > 2
}

/// The rows of the table from symptom to code: how it looks, the codes that fit, and whether the words decide.
pub fn symptoms() -> Vec<(String, Vec<&'static str>)> {
    let mut rows: Vec<(String, Vec<&'static str>)> = Vec::new();
    for text in set::all() {
        let codes: Vec<&'static str> = RULES
            .iter()
            .filter(|rule| rule.recognises.iter().any(|own| own.name == text.name))
            .map(|rule| rule.code)
            .collect();
        if codes.is_empty() {
            continue;
        }
        for shape in set::shapes(text).into_iter().filter(|shape| telling(shape)) {
            match rows.iter_mut().find(|(known, _)| *known == shape) {
                Some((_, known)) => {
                    known.extend(codes.iter().filter(|code| !known.contains(code)).copied().collect::<Vec<_>>())
                }
                None => rows.push((shape, codes.clone())),
            }
        }
    }
    rows
}
