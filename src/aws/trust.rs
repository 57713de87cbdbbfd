//! IAM trust policies, judged for one principal: three-valued, so that a condition that cannot be decided from here is
//! said to be so, and never guessed.
//!
//! By the IAM User Guide: "IAM JSON policy elements" (Principal, NotPrincipal, Condition, operators with multiple keys or
//! values, `...IfExists`, `ForAllValues:`, `ForAnyValue:`, policy variables) and "Policy evaluation logic".

use std::collections::BTreeMap;

use serde_json::Value;

use super::arn::{account, partition};
use crate::text::{Wild, glob, glob_places};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal<'a> {
    /// A token of an OIDC provider, by the provider's ARN.
    Federated(&'a str),
    /// An AWS service, `pods.eks.amazonaws.com`.
    Service(&'a str),
    /// A role, by its ARN with the path, and the name of its session where that is known (a node's: its instance).
    Role(&'a str, Option<&'a str>),
}

/// One request to become a role.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// `sts:AssumeRoleWithWebIdentity`, `sts:AssumeRole` or `sts:TagSession`.
    pub action: &'a str,
    /// Who asks.
    pub principal: Principal<'a>,
    /// What is known of the request's context, by condition key (any capitals). `None` is a key known to be absent; a key
    /// that is not here at all is unknown.
    pub context: BTreeMap<String, Option<Vec<String>>>,
}

impl<'a> Request<'a> {
    /// A service account's token of an issuer (host and path, no scheme).
    pub fn web_identity(provider_arn: &'a str, issuer: &str, subject: &str, audience: &str) -> Self {
        let mut context = BTreeMap::new();
        context.insert(format!("{issuer}:sub"), Some(vec![subject.to_owned()]));
        context.insert(format!("{issuer}:aud"), Some(vec![audience.to_owned()]));
        // A service account's token has no such claims.
        for claim in ["amr", "azp", "email", "oaud", "id"] {
            context.insert(format!("{issuer}:{claim}"), None);
        }
        context.insert("aws:federatedprovider".to_owned(), Some(vec![provider_arn.to_owned()]));
        for key in ["aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalOrgID", "sts:ExternalId"] {
            context.insert(key.to_owned(), None);
        }
        Self { action: "sts:AssumeRoleWithWebIdentity", principal: Principal::Federated(provider_arn), context }
    }
}

/// In which respect a statement does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Respect {
    /// The subject (`:sub`).
    Subject,
    /// The audience (`:aud`).
    Audience,
    /// The action.
    Action,
    /// The principal, or a condition key of another provider.
    Provider,
    /// Another condition.
    Condition,
}

/// What one statement asks for and does not get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// In which respect.
    pub respect: Respect,
    /// What the policy asks for.
    pub expected: String,
    /// What the request has.
    pub seen: String,
    /// Index of the statement.
    pub statement: usize,
}

/// The policy's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// This statement allows it, and none denies it.
    Allowed(usize),
    /// This statement denies it.
    Denied(usize),
    /// None allows it: what the nearest one misses.
    NotAllowed(Vec<Miss>),
    /// It depends on what is not known here.
    Undecided(Vec<String>),
    /// It is no policy.
    Malformed(String),
}

impl Verdict {
    /// Yes, no, or not known.
    pub fn ok(&self) -> Option<bool> {
        match self {
            Self::Allowed(_) => Some(true),
            Self::Denied(_) | Self::NotAllowed(_) | Self::Malformed(_) => Some(false),
            Self::Undecided(_) => None,
        }
    }
}

/// One thing to be decided: yes, no with what is missed, or not from here.
enum Truth {
    Yes,
    No(Vec<(Respect, String, String)>),
    Unknown(Vec<String>),
}

/// One value or several.
pub fn list(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |items| items.iter().collect())
}

/// A scalar as IAM compares it: numbers and booleans are their texts.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The same as texts.
pub fn texts(value: &Value) -> Vec<String> {
    list(value).into_iter().filter_map(text).collect()
}

/// An issuer as IAM names it: host and path, no scheme, the host in lower case, no slash at the end.
pub fn issuer_name(url: &str) -> String {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    let rest = rest.trim_end_matches('/');
    match rest.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.to_ascii_lowercase()),
        None => rest.to_ascii_lowercase(),
    }
}

/// The ARN of an issuer's provider in the account of a role.
pub fn provider_arn(role_arn: &str, issuer: &str) -> String {
    format!("arn:{}:iam::{}:oidc-provider/{}", partition(role_arn), account(role_arn), issuer_name(issuer))
}

/// The provider's name in its ARN, with the host in lower case.
fn provider_name(arn: &str) -> Option<(String, String)> {
    let (head, name) = arn.split_once(":oidc-provider/")?;
    let (host, path) = name.split_once('/').map_or((name, None), |(host, path)| (host, Some(path)));
    let name = path.map_or_else(|| host.to_ascii_lowercase(), |path| format!("{}/{path}", host.to_ascii_lowercase()));
    Some((head.to_owned(), name))
}

fn same_provider(one: &str, other: &str) -> bool {
    one == other || provider_name(one).is_some_and(|one| Some(one) == provider_name(other))
}

/// The session that a principal of a policy names, where it is one of this role.
fn session_of<'a>(named: &'a str, role: &str) -> Option<&'a str> {
    let name = role.split_once(":role/")?.1.rsplit('/').next()?;
    let (head, rest) = named.split_once(":assumed-role/")?;
    let (role_name, session) = rest.split_once('/')?;
    (head.starts_with("arn:") && account(named) == account(role) && role_name == name).then_some(session)
}

/// A principal of a policy stands for who asks.
fn names(named: &str, asker: Principal<'_>) -> bool {
    match asker {
        Principal::Federated(arn) => same_provider(named, arn),
        Principal::Service(service) => named.eq_ignore_ascii_case(service),
        Principal::Role(arn, session) => {
            let own = account(arn);
            named == arn
                || (!own.is_empty() && (named == own || (named.ends_with(":root") && account(named) == own)))
                || session.is_some_and(|session| session_of(named, arn) == Some(session))
        }
    }
}

fn principal(policy: &Value, asker: Principal<'_>) -> Truth {
    let (kind, name) = match asker {
        Principal::Federated(arn) => ("Federated", arn),
        Principal::Service(name) => ("Service", name),
        Principal::Role(arn, _) => ("AWS", arn),
    };
    let everybody = |kind: &str| match kind {
        "AWS" => Truth::Yes,
        _ => Truth::Unknown(vec![format!("whether the principal \"*\" stands for {name} too")]),
    };
    let miss = |expected: String| Truth::No(vec![(Respect::Provider, expected, name.to_owned())]);
    match policy {
        Value::String(all) if all == "*" => everybody(kind),
        Value::Object(kinds) => {
            if kinds.get("AWS").is_some_and(|value| texts(value).iter().any(|one| one == "*")) {
                return everybody(kind);
            }
            let named = kinds.get(kind).map(texts).unwrap_or_default();
            if named.iter().any(|one| names(one, asker)) {
                return Truth::Yes;
            }
            if let Principal::Role(arn, None) = asker
                && let Some(one) = named.iter().find(|one| session_of(one, arn).is_some())
            {
                return Truth::Unknown(vec![format!("whether the session is {one}")]);
            }
            if named.iter().any(|one| one == "*") {
                return everybody(kind);
            }
            let said: Vec<String> = kinds
                .iter()
                .flat_map(|(kind, value)| texts(value).into_iter().map(move |one| format!("{kind} {one}")))
                .collect();
            miss(if said.is_empty() { "nobody".to_owned() } else { said.join(", ") })
        }
        other => miss(other.to_string()),
    }
}

/// Whether a value of a policy holds a variable that the request decides.
fn variable(value: &str) -> bool {
    value.match_indices("${").any(|(at, _)| {
        let inner = value[at + 2..].split('}').next().unwrap_or_default();
        !matches!(inner, "*" | "?" | "$")
    })
}

/// `${*}`, `${?}` and `${$}` stand for the characters themselves.
fn unescaped(value: &str) -> String {
    value.replace("${*}", "*").replace("${?}", "?").replace("${$}", "$")
}

/// A value with wildcards, place by place; those same characters stand for themselves where they are escaped.
fn places(value: &str) -> Vec<Wild> {
    let mut places = Vec::new();
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let mut escape = rest.strip_prefix("${").unwrap_or_default().chars();
        let escaped = escape.next().filter(|c| "*?$".contains(*c) && escape.next() == Some('}'));
        places.push(escaped.map_or_else(|| Wild::from(first), Wild::Is));
        rest = &rest[escaped.map_or(first.len_utf8(), |_| "${*}".len())..];
    }
    places
}

/// Whether one value of the request fits one of the policy; `None` where it cannot be said.
fn fits(operator: &str, policy: &str, request: &str, version: &str) -> Option<bool> {
    let variables = version == "2012-10-17";
    if variables && variable(policy) {
        return None;
    }
    // An older version knows no variables, and so no escape.
    let like = |wanted: &str, had: &str| {
        if variables { glob_places(&places(wanted), had) } else { glob(wanted, had) }
    };
    let literal = || if variables { unescaped(policy) } else { policy.to_owned() };
    Some(match operator {
        "stringequals" | "stringnotequals" => literal() == request,
        "stringequalsignorecase" | "stringnotequalsignorecase" => literal().to_lowercase() == request.to_lowercase(),
        "stringlike" | "stringnotlike" => like(policy, request),
        "arnequals" | "arnlike" | "arnnotequals" | "arnnotlike" => {
            let (wanted, had): (Vec<&str>, Vec<&str>) =
                (policy.splitn(6, ':').collect(), request.splitn(6, ':').collect());
            wanted.len() == 6 && had.len() == 6 && wanted.iter().zip(&had).all(|(wanted, had)| like(wanted, had))
        }
        "bool" => policy.eq_ignore_ascii_case(request),
        _ => return None,
    })
}

/// One key of one operator.
fn condition(operator: &str, key: &str, wanted: &Value, request: &Request<'_>, version: &str) -> Truth {
    let lower = operator.to_ascii_lowercase();
    let (set, base) = match lower.split_once(':') {
        Some(("foranyvalue", base)) => ("any", base),
        Some(("forallvalues", base)) => ("all", base),
        Some(_) => return Truth::Unknown(vec![format!("what the operator {operator} means")]),
        None => ("", lower.as_str()),
    };
    let (base, if_exists) = base.strip_suffix("ifexists").map_or((base, false), |base| (base, true));
    let negated = base.contains("not");
    let wanted_texts = texts(wanted);
    let found = request.context.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    let respect = |key: &str| {
        let issuers: Vec<String> = request
            .context
            .keys()
            .filter_map(|known| known.strip_suffix(":sub").map(str::to_ascii_lowercase))
            .collect();
        let lower = key.to_ascii_lowercase();
        match lower.rsplit_once(':') {
            Some((issuer, "sub")) if issuers.iter().any(|one| one == issuer) => Respect::Subject,
            Some((issuer, "aud")) if issuers.iter().any(|one| one == issuer) => Respect::Audience,
            Some((issuer, "sub" | "aud")) if !issuers.is_empty() && issuer.contains('.') => Respect::Provider,
            _ => Respect::Condition,
        }
    };
    let no = |seen: &str| {
        let how = match base {
            "stringlike" | "arnlike" | "arnequals" => " like",
            _ if negated => " other than",
            _ => "",
        };
        let quoted: Vec<String> = wanted_texts.iter().map(|one| format!("{one:?}")).collect();
        let expected = match base {
            "null" if wanted_texts.iter().any(|one| one.eq_ignore_ascii_case("true")) => format!("{key} absent"),
            "null" => format!("{key} present"),
            _ => format!("{key}{how} {}", quoted.join(" or ")),
        };
        Truth::No(vec![(respect(key), expected, seen.to_owned())])
    };
    // A claim key of another provider is never in this request.
    let foreign = respect(key) == Respect::Provider;
    let found = match found {
        Some(found) => found.clone(),
        None if foreign => None,
        None => return Truth::Unknown(vec![format!("the value of {key}")]),
    };
    if base == "null" {
        let wants_absent = wanted_texts.iter().any(|one| one.eq_ignore_ascii_case("true"));
        return if wants_absent == found.is_none() {
            Truth::Yes
        } else {
            no(if found.is_none() { "absent" } else { "present" })
        };
    }
    let Some(values) = found else {
        // By the reference: negated operators, ...IfExists and ForAllValues are true without the key, the others false.
        let good = if_exists || set == "all" || (negated && set.is_empty());
        if good {
            return Truth::Yes;
        }
        let issuer = request.context.keys().find_map(|known| known.strip_suffix(":sub")).filter(|_| foreign);
        return match (issuer, key.rsplit_once(':')) {
            (Some(issuer), Some((_, claim))) => no(&format!("{issuer}:{claim}")),
            _ => no("absent"),
        };
    };
    let known = [
        "stringequals",
        "stringnotequals",
        "stringequalsignorecase",
        "stringnotequalsignorecase",
        "stringlike",
        "stringnotlike",
        "arnequals",
        "arnlike",
        "arnnotequals",
        "arnnotlike",
        "bool",
    ];
    if !known.contains(&base) {
        return Truth::Unknown(vec![format!("what {operator} says of {key}")]);
    }
    let mut open = false;
    // A value of the request against all of the policy: with a negated operator none may fit.
    let mut judge = |value: &String| -> Option<bool> {
        let mut unknown = false;
        for wanted in &wanted_texts {
            match fits(base, wanted, value, version) {
                Some(true) => return Some(!negated),
                Some(false) => {}
                None => unknown = true,
            }
        }
        if unknown {
            open = true;
            return None;
        }
        Some(negated)
    };
    let judged: Vec<Option<bool>> = values.iter().map(&mut judge).collect();
    let good = match set {
        "all" => {
            if judged.contains(&Some(false)) {
                Some(false)
            } else if judged.contains(&None) {
                None
            } else {
                Some(true)
            }
        }
        _ => {
            if judged.contains(&Some(true)) {
                Some(true)
            } else if judged.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
    };
    match good {
        Some(true) => Truth::Yes,
        Some(false) => no(&values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(", ")),
        None => Truth::Unknown(vec![format!("the policy variable in {key}")]),
    }
}

/// Whether a statement is about this request.
fn applies(statement: &Value, request: &Request<'_>, version: &str) -> Truth {
    let mut misses = Vec::new();
    let mut unknown = Vec::new();
    let mut take = |truth: Truth| match truth {
        Truth::Yes => {}
        Truth::No(found) => misses.extend(found),
        Truth::Unknown(found) => unknown.extend(found),
    };
    match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(policy), _) => take(principal(policy, request.principal)),
        (None, Some(policy)) => take(match principal(policy, request.principal) {
            Truth::Yes => Truth::No(vec![(Respect::Provider, "anybody but this principal".to_owned(), String::new())]),
            Truth::No(_) => Truth::Yes,
            unknown => unknown,
        }),
        (None, None) => take(Truth::No(vec![(Respect::Provider, "no principal at all".to_owned(), String::new())])),
    }
    if !has_action(statement, request.action) {
        let said = statement.get("Action").or_else(|| statement.get("NotAction")).map(texts).unwrap_or_default();
        take(Truth::No(vec![(Respect::Action, said.join(", "), request.action.to_owned())]));
    }
    match statement.get("Condition") {
        None | Some(Value::Null) => {}
        Some(Value::Object(operators)) => {
            for (operator, keys) in operators {
                for (key, wanted) in keys.as_object().into_iter().flatten() {
                    take(condition(operator, key, wanted, request, version));
                }
            }
        }
        Some(_) => take(Truth::Unknown(vec!["a Condition that is no object".to_owned()])),
    }
    if !misses.is_empty() {
        return Truth::No(misses);
    }
    if unknown.is_empty() { Truth::Yes } else { Truth::Unknown(unknown) }
}

/// What a trust policy says of a request.
pub fn judge(policy: &str, request: &Request<'_>) -> Verdict {
    let policy: Value = match serde_json::from_str(policy) {
        Ok(policy) => policy,
        Err(error) => return Verdict::Malformed(format!("no JSON: {error}")),
    };
    let version = policy.get("Version").and_then(Value::as_str).unwrap_or("2008-10-17").to_owned();
    let Some(statements) = policy.get("Statement").filter(|value| value.is_array() || value.is_object()) else {
        return Verdict::Malformed("no Statement".to_owned());
    };
    let mut allowed = None;
    let mut open: Vec<String> = Vec::new();
    let mut open_denial: Vec<String> = Vec::new();
    let mut nearest: Option<Vec<Miss>> = None;
    for (index, statement) in list(statements).into_iter().enumerate() {
        let truth = applies(statement, request, &version);
        match (statement.get("Effect").and_then(Value::as_str), truth) {
            (Some("Deny"), Truth::Yes) => return Verdict::Denied(index),
            (Some("Deny"), Truth::Unknown(reasons)) => open_denial.extend(reasons),
            (Some("Allow"), Truth::Yes) => allowed = allowed.or(Some(index)),
            (Some("Allow"), Truth::Unknown(reasons)) => open.extend(reasons),
            (Some("Allow"), Truth::No(misses)) => {
                let misses: Vec<Miss> = misses
                    .into_iter()
                    .map(|(respect, expected, seen)| Miss { respect, expected, seen, statement: index })
                    .collect();
                // The statement that misses least, and least far from home, is the one that was meant: one about this
                // subject before any about others.
                let weight = |misses: &[Miss]| -> usize {
                    let of = |respect| match respect {
                        Respect::Audience => 1,
                        Respect::Condition => 3,
                        Respect::Subject => 5,
                        Respect::Action | Respect::Provider => 20,
                    };
                    misses.iter().map(|miss| of(miss.respect)).sum()
                };
                if nearest.as_ref().is_none_or(|known| weight(&misses) < weight(known)) {
                    nearest = Some(misses);
                }
            }
            (Some("Deny"), Truth::No(_)) => {}
            (effect, _) => return Verdict::Malformed(format!("the Effect {effect:?}")),
        }
    }
    match allowed {
        Some(index) if open_denial.is_empty() => Verdict::Allowed(index),
        Some(_) => Verdict::Undecided(open_denial),
        None if !open.is_empty() => Verdict::Undecided(open),
        None => Verdict::NotAllowed(nearest.unwrap_or_default()),
    }
}

/// The service that becomes the roles of EKS Pod Identity.
const PODS: &str = "pods.eks.amazonaws.com";

/// The keys of the session tags; without those they are not there.
const TAGS: [&str; 4] = [
    "aws:RequestTag/eks-cluster-arn",
    "aws:RequestTag/eks-cluster-name",
    "aws:RequestTag/kubernetes-namespace",
    "aws:RequestTag/kubernetes-service-account",
];

/// What EKS Pod Identity asks of a trust policy for one service account.
#[derive(Debug, Clone, Copy, Default)]
pub struct PodIdentity<'a> {
    /// The cluster's ARN; empty where it is not known, and then nothing is known of the request.
    pub cluster_arn: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
    /// The service account's namespace.
    pub namespace: &'a str,
    /// Its name.
    pub account: &'a str,
    /// The association has its session tags.
    pub tags: bool,
}

impl PodIdentity<'_> {
    /// The two requests of the service, with what it gives along.
    fn requests(&self) -> [Request<'_>; 2] {
        let request = |action| {
            let mut context = BTreeMap::new();
            if !self.cluster_arn.is_empty() {
                let values = [self.cluster_arn, self.cluster, self.namespace, self.account];
                for (key, value) in TAGS.into_iter().zip(values) {
                    context.insert(key.to_owned(), self.tags.then(|| vec![value.to_owned()]));
                }
                context.insert("aws:SourceArn".to_owned(), Some(vec![self.cluster_arn.to_owned()]));
                context.insert("aws:SourceAccount".to_owned(), Some(vec![account(self.cluster_arn).to_owned()]));
            }
            Request { action, principal: Principal::Service(PODS), context }
        };
        [request("sts:AssumeRole"), request("sts:TagSession")]
    }
}

/// EKS Pod Identity: the service must be allowed both actions; the context is what the service gives along, its session
/// tags where the association has them.
pub fn judge_pod_identity(policy: &str, asked: &PodIdentity<'_>) -> [Verdict; 2] {
    asked.requests().map(|request| judge(policy, &request))
}

/// A role that becomes another one.
#[derive(Debug, Clone, Copy)]
pub struct Assuming<'a> {
    /// The role that asks, by its ARN.
    pub role: &'a str,
    /// The name of its session, where that is known.
    pub session: Option<&'a str>,
    /// The external id that it gives: none, or one that is not known.
    pub external_id: Known<&'a str>,
    /// It comes with session tags of its own, which `sts:TagSession` must allow.
    pub tags: bool,
}

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known<T> {
    /// It is this.
    Is(T),
    /// There is none.
    Absent,
    /// Nothing.
    Unknown,
}

impl<T> From<Option<T>> for Known<T> {
    /// What is not there is absent.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Is)
    }
}

impl<'a> Assuming<'a> {
    /// A role without session tags.
    pub fn plain(role: &'a str, external_id: Option<&'a str>) -> Self {
        Self { role, session: None, external_id: external_id.into(), tags: false }
    }

    /// What it asks for.
    fn requests(&self) -> Vec<Request<'a>> {
        let request = |action| {
            let mut context = BTreeMap::new();
            let id = match self.external_id {
                Known::Is(id) => Some(Some(vec![id.to_owned()])),
                Known::Absent => Some(None),
                Known::Unknown => None,
            };
            context.extend(id.map(|id| ("sts:ExternalId".to_owned(), id)));
            if !self.tags {
                context.extend(TAGS.map(|key| (key.to_owned(), None)));
            }
            context.insert("aws:PrincipalArn".to_owned(), Some(vec![self.role.to_owned()]));
            context.insert("aws:PrincipalAccount".to_owned(), Some(vec![account(self.role).to_owned()]));
            Request { action, principal: Principal::Role(self.role, self.session), context }
        };
        let actions = ["sts:AssumeRole", "sts:TagSession"];
        actions.into_iter().take(if self.tags { 2 } else { 1 }).map(request).collect()
    }
}

/// A role that assumes another one: the first word that is not yes, else the last.
pub fn judge_role(policy: &str, asking: &Assuming<'_>) -> Verdict {
    let mut verdicts = asking.requests().into_iter().map(|request| judge(policy, &request));
    let first = verdicts.next().unwrap_or(Verdict::NotAllowed(Vec::new()));
    if first.ok() != Some(true) {
        return first;
    }
    verdicts.next().unwrap_or(first)
}

/// The whole trust policy that a service account needs for IRSA, indented. What stands there today stays: the statement
/// about this subject is extended where that is enough, else one is added.
pub fn irsa_policy(today: Option<&str>, provider_arn: &str, issuer: &str, subject: &str, audience: &str) -> String {
    let mut statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "Federated": provider_arn },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": { format!("{issuer}:sub"): subject, format!("{issuer}:aud"): audience } },
    });
    let request = Request::web_identity(provider_arn, issuer, subject, audience);
    let (mut policy, mut statements) = taken_apart(today);
    let ours: Vec<usize> = (0..statements.len()).filter(|index| is_about(&statements[*index], subject)).collect();
    let about = About { provider_arn, issuer, subject, audience };
    match ours.iter().find_map(|index| Some((*index, about.extended(&statements[*index], &request)?))) {
        Some((index, extended)) => statements[index] = extended,
        None => {
            // What the statement about this subject asks for besides is asked for in the new one too, as far as it can be
            // had: a condition that this request can never fulfil would keep it out as it does today.
            let old = ours.first().and_then(|index| statements[*index].get("Condition")?.as_object().cloned());
            for (operator, keys) in old.iter().flatten() {
                for (key, values) in keys.as_object().into_iter().flatten() {
                    let never = matches!(condition(operator, key, values, &request, "2012-10-17"), Truth::No(_));
                    if !key.ends_with(":sub") && !key.ends_with(":aud") && !never {
                        statement["Condition"][operator][key] = values.clone();
                    }
                }
            }
            statements.push(statement);
        }
    }
    policy["Statement"] = Value::Array(statements);
    serde_json::to_string_pretty(&policy).unwrap_or_default()
}

/// A statement that allows something to nobody but this subject.
fn is_about(statement: &Value, subject: &str) -> bool {
    let text = statement.to_string();
    let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    allows && text.contains(&format!("\"{subject}\"")) && text.matches("system:serviceaccount:").count() == 1
}

/// Whom a statement for IRSA is about.
struct About<'a> {
    provider_arn: &'a str,
    issuer: &'a str,
    subject: &'a str,
    audience: &'a str,
}

impl About<'_> {
    /// The statement with what it lacks, and nothing taken from others: `None` where that cannot be done in it.
    fn extended(&self, old: &Value, request: &Request<'_>) -> Option<Value> {
        let mut new = old.clone();
        let named = texts(old.pointer("/Principal/Federated")?);
        let kinds = old.get("Principal")?.as_object()?.len();
        let alone = kinds == 1 && named.len() == 1;
        if !named.iter().any(|one| same_provider(one, self.provider_arn)) {
            // A misspelt name of this cluster's own provider lets nobody in; another cluster's stays.
            let index = named.iter().position(|one| self.resembles(one))?;
            match &mut new["Principal"]["Federated"] {
                Value::Array(all) => *all.get_mut(index)? = Value::from(self.provider_arn),
                one => *one = Value::from(self.provider_arn),
            }
        }
        if !has_action(old, request.action) {
            old.get("Action").filter(|_| alone)?;
            push(&mut new["Action"], request.action);
        }
        let (sub, aud) = (format!("{}:sub", self.issuer), format!("{}:aud", self.issuer));
        let is = |key: &str, other: &str| key.eq_ignore_ascii_case(other);
        let (mut binds, mut heard, mut dropped) = (false, false, false);
        for (operator, keys) in old.get("Condition").and_then(Value::as_object).into_iter().flatten() {
            for (key, values) in keys.as_object()? {
                let truth = condition(operator, key, values, request, "2012-10-17");
                let Truth::No(misses) = truth else {
                    let decides = matches!(truth, Truth::Yes) && extends(operator);
                    binds |= is(key, &sub) && decides;
                    heard |= is(key, &aud) && decides;
                    continue;
                };
                let of_subject = texts(values).iter().any(|one| one == self.subject);
                let absent = misses.iter().all(|(_, _, seen)| seen == "absent");
                let misspelt = key.rsplit_once(':').is_some_and(|(issuer, claim)| {
                    matches!(claim, "sub" | "aud") && !is(issuer, self.issuer) && self.resembles(issuer)
                });
                if is(key, &aud) && extends(operator) && !of_subject {
                    push(&mut new["Condition"][operator][key], self.audience);
                    heard = true;
                } else if alone && (misspelt || (is(key, &aud) && of_subject) || absent) {
                    new["Condition"][operator].as_object_mut()?.remove(key);
                    dropped |= !absent;
                } else {
                    return None;
                }
            }
        }
        if !binds {
            // The subject stands where it says nothing: this statement is about something else.
            if !dropped {
                return None;
            }
            new["Condition"]["StringEquals"][sub.as_str()] = Value::from(self.subject);
        }
        if dropped && !heard {
            new["Condition"]["StringEquals"][aud.as_str()] = Value::from(self.audience);
        }
        if let Some(operators) = new.get_mut("Condition").and_then(Value::as_object_mut) {
            operators.retain(|_, keys| keys.as_object().is_none_or(|keys| !keys.is_empty()));
        }
        (!matches!(applies(&new, request, "2012-10-17"), Truth::No(_))).then_some(new)
    }

    /// The name of this cluster's issuer or provider, with something wrong in it: the end is what tells clusters apart.
    fn resembles(&self, name: &str) -> bool {
        let end = |text: &str| text.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_lowercase();
        name.contains('/') && self.issuer.contains('/') && end(name) == end(self.issuer)
    }
}

/// A statement's Action or NotAction lets an action through.
fn has_action(statement: &Value, action: &str) -> bool {
    let fits =
        |value: &Value| texts(value).iter().any(|one| glob(&one.to_ascii_lowercase(), &action.to_ascii_lowercase()));
    match (statement.get("Action"), statement.get("NotAction")) {
        (Some(value), _) => fits(value),
        (None, Some(value)) => !fits(value),
        (None, None) => false,
    }
}

/// One value more, beside the one or the several that there are.
fn push(values: &mut Value, more: &str) {
    *values = match values.take() {
        Value::Array(mut all) => {
            all.push(Value::from(more));
            Value::Array(all)
        }
        Value::Null => Value::from(more),
        one => Value::Array(vec![one, Value::from(more)]),
    };
}

/// One more value under this operator lets more in.
fn extends(operator: &str) -> bool {
    let lower = operator.to_ascii_lowercase();
    let base = lower.strip_prefix("foranyvalue:").or_else(|| lower.strip_prefix("forallvalues:")).unwrap_or(&lower);
    let base = base.strip_suffix("ifexists").unwrap_or(base);
    ["stringequals", "stringlike", "stringequalsignorecase", "arnequals", "arnlike"].contains(&base)
}

/// The whole trust policy that EKS Pod Identity needs. What the owner asks for of this service stays asked for: `None`
/// where that can never be fulfilled.
pub fn pod_identity_policy(today: Option<&str>, asked: &PodIdentity<'_>) -> Option<String> {
    let statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "Service": PODS },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    });
    let_in(today, &asked.requests(), &statement)
}

/// The whole trust policy that lets a role assume this one; `None` as with [`pod_identity_policy`].
pub fn role_policy(today: Option<&str>, asking: &Assuming<'_>) -> Option<String> {
    let mut statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "AWS": asking.role },
        "Action": if asking.tags { serde_json::json!(["sts:AssumeRole", "sts:TagSession"]) } else { "sts:AssumeRole".into() },
    });
    if let Known::Is(id) = asking.external_id {
        statement["Condition"] = serde_json::json!({ "StringEquals": { "sts:ExternalId": id } });
    }
    let_in(today, &asking.requests(), &statement)
}

/// How near a statement is to letting a request in.
struct Near {
    /// Index of the statement.
    index: usize,
    /// The conditions that do not fit, each with the value that would: operator, key, value.
    lacks: Vec<(String, String, String)>,
    /// The action is not in it.
    action: bool,
    /// It names who asks and nobody else.
    alone: bool,
}

/// Today's policy with these requests let in: by the statement that names who asks, extended by what it lacks, or by a
/// copy of it for who asks alone; by this statement where none names it. `None` where conditions cannot be fulfilled.
fn let_in(today: Option<&str>, requests: &[Request<'_>], fresh: &Value) -> Option<String> {
    let (mut policy, mut statements) = taken_apart(today);
    for request in requests {
        policy["Statement"] = Value::Array(statements.clone());
        if !matches!(judge(&policy.to_string(), request), Verdict::NotAllowed(_)) {
            continue;
        }
        let about = |one: &&Value| {
            one.get("Effect").and_then(Value::as_str) == Some("Allow")
                && one.get("Principal").is_some_and(|who| matches!(principal(who, request.principal), Truth::Yes))
        };
        if !statements.iter().any(|one| about(&one)) {
            statements.push(fresh.clone());
            continue;
        }
        let near = statements.iter().enumerate().filter(|(_, one)| about(one));
        let near = near.filter_map(|(index, one)| near_to(index, one, request));
        let near = near.min_by_key(|near| (near.lacks.len(), near.action, !near.alone))?;
        let old = &mut statements[near.index];
        if near.alone && near.lacks.len() <= 1 && (!near.action || old.get("Action").is_some()) {
            if near.action {
                push(&mut old["Action"], request.action);
            }
            for (operator, key, value) in &near.lacks {
                push(&mut old["Condition"][operator][key], value);
            }
            continue;
        }
        // Two conditions with a value more each would let in every mixture of them, and others would come in by the same.
        let mut copy = fresh.clone();
        if let Some(conditions) = old.get("Condition") {
            for (operator, keys) in conditions.as_object()? {
                for (key, values) in keys.as_object()? {
                    copy["Condition"][operator][key] = values.clone();
                }
            }
        }
        for (operator, key, value) in &near.lacks {
            copy["Condition"][operator][key] = Value::from(value.as_str());
        }
        statements.push(copy);
    }
    policy["Statement"] = Value::Array(statements);
    let text = serde_json::to_string_pretty(&policy).unwrap_or_default();
    let good = |request| !matches!(judge(&text, request), Verdict::NotAllowed(_) | Verdict::Malformed(_));
    requests.iter().all(good).then_some(text)
}

/// What a statement that names who asks lacks; `None` where a condition of it can never be fulfilled.
fn near_to(index: usize, statement: &Value, request: &Request<'_>) -> Option<Near> {
    let kinds = statement.get("Principal")?.as_object();
    let alone = kinds.is_some_and(|kinds| {
        kinds.len() == 1
            && kinds.values().flat_map(texts).all(|one| match request.principal {
                Principal::Role(arn, _) => one == arn,
                asker => names(&one, asker),
            })
    });
    let mut lacks = Vec::new();
    for (operator, keys) in statement.get("Condition").and_then(Value::as_object).into_iter().flatten() {
        for (key, values) in keys.as_object()? {
            if !matches!(condition(operator, key, values, request, "2012-10-17"), Truth::No(_)) {
                continue;
            }
            let had = request.context.iter().find(|(known, _)| known.eq_ignore_ascii_case(key));
            let value = had.and_then(|(_, values)| values.as_ref()?.first()).filter(|_| extends(operator))?;
            lacks.push((operator.clone(), key.clone(), value.clone()));
        }
    }
    Some(Near { index, lacks, action: !has_action(statement, request.action), alone })
}

/// Today's policy and its statements; an empty one where there is none.
fn taken_apart(today: Option<&str>) -> (Value, Vec<Value>) {
    let empty = || serde_json::json!({ "Version": "2012-10-17", "Statement": [] });
    let policy =
        today.and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object).unwrap_or_else(empty);
    let statements = policy.get("Statement").map(|value| list(value).into_iter().cloned().collect());
    (policy, statements.unwrap_or_default())
}

#[cfg(test)]
mod tests;
