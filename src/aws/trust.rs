//! IAM trust policies, judged for one principal: three-valued, so that a condition that cannot be decided from here is
//! said to be so, and never guessed.
//!
//! By the IAM User Guide: "IAM JSON policy elements" (Principal, NotPrincipal, Condition, operators with multiple keys or
//! values, `...IfExists`, `ForAllValues:`, `ForAnyValue:`, policy variables) and "Policy evaluation logic".

use std::collections::BTreeMap;

use serde_json::Value;

use super::arn::account;
use crate::text::glob;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal<'a> {
    /// A token of an OIDC provider, by the provider's ARN.
    Federated(&'a str),
    /// An AWS service, `pods.eks.amazonaws.com`.
    Service(&'a str),
    /// A role, by its ARN with the path.
    Role(&'a str),
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

fn principal(policy: &Value, asker: Principal<'_>) -> Truth {
    let (kind, name) = match asker {
        Principal::Federated(arn) => ("Federated", arn),
        Principal::Service(name) => ("Service", name),
        Principal::Role(arn) => ("AWS", arn),
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
            let fits = named.iter().any(|one| match asker {
                Principal::Federated(arn) => same_provider(one, arn),
                Principal::Service(service) => one.eq_ignore_ascii_case(service),
                Principal::Role(arn) => {
                    let session = arn.split_once(":role/").map(|(_, path)| path.rsplit('/').next().unwrap_or_default());
                    let as_session = |name: &str| {
                        one.strip_prefix("arn:").and_then(|rest| rest.split_once(":assumed-role/")).is_some_and(
                            |(head, rest)| head.contains(account(arn)) && rest.split('/').next() == Some(name),
                        )
                    };
                    one == arn
                        || (!account(arn).is_empty()
                            && (one == account(arn) || (one.ends_with(":root") && account(one) == account(arn))))
                        || session.is_some_and(as_session)
                }
            });
            if fits {
                return Truth::Yes;
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

/// Whether one value of the request fits one of the policy; `None` where it cannot be said.
fn fits(operator: &str, policy: &str, request: &str, version: &str) -> Option<bool> {
    if version == "2012-10-17" && variable(policy) {
        return None;
    }
    Some(match operator {
        "stringequals" | "stringnotequals" | "arnequals_exact" => unescaped(policy) == request,
        "stringequalsignorecase" | "stringnotequalsignorecase" => {
            unescaped(policy).to_lowercase() == request.to_lowercase()
        }
        "stringlike" | "stringnotlike" => glob(policy, request),
        "arnequals" | "arnlike" | "arnnotequals" | "arnnotlike" => {
            let (wanted, had): (Vec<&str>, Vec<&str>) =
                (policy.splitn(6, ':').collect(), request.splitn(6, ':').collect());
            wanted.len() == 6 && had.len() == 6 && wanted.iter().zip(&had).all(|(wanted, had)| glob(wanted, had))
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
    let action = |value: &Value| {
        texts(value).iter().any(|one| glob(&one.to_ascii_lowercase(), &request.action.to_ascii_lowercase()))
    };
    let fits = match (statement.get("Action"), statement.get("NotAction")) {
        (Some(value), _) => action(value),
        (None, Some(value)) => !action(value),
        (None, None) => false,
    };
    if !fits {
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
                // The statement that misses least, and least far from home, is the one that was meant.
                let weight = |misses: &[Miss]| -> usize {
                    misses.iter().map(|miss| if miss.respect >= Respect::Action { 3 } else { 1 }).sum()
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

/// EKS Pod Identity: the service must be allowed both actions; the context is what the service gives along, its session
/// tags where the association has them.
pub fn judge_pod_identity(
    policy: &str,
    cluster_arn: &str,
    cluster: &str,
    namespace: &str,
    account: &str,
    tags: bool,
) -> [Verdict; 2] {
    let request = |action| {
        let mut context = BTreeMap::new();
        // Without session tags the keys are not there.
        let mut put = |key: &str, value: &str| {
            let there = tags || !key.starts_with("aws:RequestTag/");
            context.insert(key.to_owned(), there.then(|| vec![value.to_owned()]))
        };
        put("aws:SourceArn", cluster_arn);
        put("aws:SourceAccount", cluster_arn.split(':').nth(4).unwrap_or_default());
        put("aws:RequestTag/eks-cluster-arn", cluster_arn);
        put("aws:RequestTag/eks-cluster-name", cluster);
        put("aws:RequestTag/kubernetes-namespace", namespace);
        put("aws:RequestTag/kubernetes-service-account", account);
        if cluster_arn.is_empty() {
            context.clear();
        }
        Request { action, principal: Principal::Service("pods.eks.amazonaws.com"), context }
    };
    [judge(policy, &request("sts:AssumeRole")), judge(policy, &request("sts:TagSession"))]
}

/// A role that assumes another one, with or without an external id.
pub fn judge_role(policy: &str, role: &str, external_id: Option<&str>) -> Verdict {
    let mut context = BTreeMap::new();
    context.insert("sts:ExternalId".to_owned(), external_id.map(|id| vec![id.to_owned()]));
    context.insert("aws:PrincipalArn".to_owned(), Some(vec![role.to_owned()]));
    context.insert("aws:PrincipalAccount".to_owned(), Some(vec![account(role).to_owned()]));
    judge(policy, &Request { action: "sts:AssumeRole", principal: Principal::Role(role), context })
}

/// The whole trust policy that a service account needs for IRSA, indented; statements of others stay.
pub fn irsa_policy(today: Option<&str>, provider_arn: &str, issuer: &str, subject: &str, audience: &str) -> String {
    let statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "Federated": provider_arn },
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": { "StringEquals": { format!("{issuer}:sub"): subject, format!("{issuer}:aud"): audience } },
    });
    // Only what is about nobody but this subject is replaced: any other statement may be somebody else's way in. What else
    // it asks for stays, as far as it can be had.
    let ours = |old: &Value| {
        let text = old.to_string();
        let allows = old.get("Effect").and_then(Value::as_str) == Some("Allow");
        allows && text.contains(&format!("\"{subject}\"")) && text.matches("system:serviceaccount:").count() == 1
    };
    let old = today.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let old = old.as_ref().and_then(|policy| list(policy.get("Statement")?).into_iter().find(|old| ours(old)).cloned());
    let mut statement = statement;
    let request = Request::web_identity(provider_arn, issuer, subject, audience);
    for (operator, keys) in old.iter().filter_map(|old| old.get("Condition")?.as_object()).flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            // Keys of a token end so, whoever its provider. A condition that this request can never fulfil would keep it
            // out of the new policy as it does out of today's.
            let never = matches!(condition(operator, key, values, &request, "2012-10-17"), Truth::No(_));
            if !key.ends_with(":sub") && !key.ends_with(":aud") && !never {
                statement["Condition"][operator][key] = values.clone();
            }
        }
    }
    with_statement(today, &statement, ours)
}

/// The whole trust policy that EKS Pod Identity needs.
pub fn pod_identity_policy(today: Option<&str>) -> String {
    let statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "Service": "pods.eks.amazonaws.com" },
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    });
    // A condition may be another cluster's: such a statement stays as it is.
    with_statement(today, &statement, |old| {
        old.get("Effect").and_then(Value::as_str) == Some("Allow")
            && old.get("Condition").is_none_or(|condition| condition.as_object().is_some_and(serde_json::Map::is_empty))
            && old
                .pointer("/Principal/Service")
                .is_some_and(|value| texts(value).iter().all(|one| one == "pods.eks.amazonaws.com"))
    })
}

/// The whole trust policy that lets a role assume this one.
pub fn role_policy(today: Option<&str>, role: &str, external_id: Option<&str>) -> String {
    let mut statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "AWS": role },
        "Action": "sts:AssumeRole",
    });
    if let Some(id) = external_id {
        statement["Condition"] = serde_json::json!({ "StringEquals": { "sts:ExternalId": id } });
    }
    with_statement(today, &statement, |_| false)
}

/// Today's policy with one statement replaced (where `replaces` says so of exactly one) or added.
fn with_statement(today: Option<&str>, statement: &Value, replaces: impl Fn(&Value) -> bool) -> String {
    let empty = || serde_json::json!({ "Version": "2012-10-17", "Statement": [] });
    let mut policy =
        today.and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(Value::is_object).unwrap_or_else(empty);
    let mut statements: Vec<Value> =
        policy.get("Statement").map(|value| list(value).into_iter().cloned().collect()).unwrap_or_default();
    let old: Vec<usize> =
        statements.iter().enumerate().filter(|(_, one)| replaces(one)).map(|(index, _)| index).collect();
    match old.as_slice() {
        [index] => statements[*index] = statement.clone(),
        _ => statements.push(statement.clone()),
    }
    policy["Statement"] = Value::Array(statements);
    serde_json::to_string_pretty(&policy).unwrap_or_default()
}

#[cfg(test)]
mod tests;
