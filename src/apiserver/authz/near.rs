//! Near misses: grants that one change would turn into the wanted one.
//!
//! A rule is near when exactly one of its conditions fails, a binding is near when only its subject, its namespace or
//! its role is wrong.

use super::resources::RESOURCES;
use super::rules::{self, Rule};
use super::{Resolved, World, applying, service_account};
use crate::evidence::access::{Question, ResourceRule};
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Role, Subject};

/// What is wrong with a near miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The binding names a role that does not exist, and the role of that name and of the other kind allows it.
    RoleOfOtherKind,
    /// The subject differs by upper and lower case, by blanks around it, or by @ where the other has a dash.
    SubjectCase,
    /// The subject differs by a leading slash or by the path before it (a Keycloak group path).
    SubjectSlash,
    /// Several groups stand in one, joined by a comma, a blank or a slash.
    SubjectJoined,
    /// The subject lacks the prefix, or has another.
    SubjectPrefix,
    /// The name is right and the kind is wrong (User for Group or the other way round).
    SubjectKind,
    /// The service account of another namespace, or of none.
    ServiceAccountNamespace,
    /// The rule grants the resource, not this subresource of it.
    MissingSubresource,
    /// The rule has the resource in another API group.
    OtherApiGroup,
    /// The rule names objects, and not this one (or the question names none).
    ResourceNames,
    /// The rule spells the resource otherwise (singular, upper case).
    ResourceSpelling,
    /// It is granted in another namespace.
    WrongNamespace,
    /// A RoleBinding cannot grant what is asked at the cluster scope.
    NeedsClusterScope,
    /// The path is granted without or with its last slash, or below.
    OtherPath,
    /// The rule grants other verbs on the same.
    OtherVerb,
    /// An aggregated ClusterRole that nothing has filled.
    AggregatedRoleEmpty,
    /// The binding names a role that does not exist. What it would hold is not known: whatever else is near is nearer.
    DanglingRole,
}

impl Kind {
    /// The kind as JSON has it.
    pub fn code(self) -> &'static str {
        match self {
            Self::RoleOfOtherKind => "role-of-other-kind",
            Self::SubjectCase => "subject-case",
            Self::SubjectSlash => "subject-slash",
            Self::SubjectJoined => "subject-joined",
            Self::SubjectPrefix => "subject-prefix",
            Self::SubjectKind => "subject-kind",
            Self::ServiceAccountNamespace => "service-account-namespace",
            Self::MissingSubresource => "missing-subresource",
            Self::OtherApiGroup => "other-api-group",
            Self::ResourceNames => "resource-names",
            Self::ResourceSpelling => "resource-spelling",
            Self::WrongNamespace => "wrong-namespace",
            Self::NeedsClusterScope => "needs-cluster-scope",
            Self::OtherPath => "other-path",
            Self::OtherVerb => "other-verb",
            Self::AggregatedRoleEmpty => "aggregated-role-empty",
            Self::DanglingRole => "dangling-role",
        }
    }
}

/// One near miss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss<'a> {
    /// What is wrong.
    pub kind: Kind,
    /// The same in a sentence.
    pub text: String,
    /// The binding, where it is known.
    pub binding: Option<&'a Binding>,
    /// The role, where there is one.
    pub role: Option<&'a Role>,
}

/// All near misses of a question that is denied, the most telling first.
pub fn near_misses<'a>(world: &World<'a>, user: &User, question: &Question) -> Vec<NearMiss<'a>> {
    let mut found = Vec::new();
    for binding in world.bindings() {
        match applying(binding, user) {
            Some(_) => of_own_binding(world, binding, question, &mut found),
            None => of_foreign_binding(world, binding, user, question, &mut found),
        }
    }
    // The bindings that count for the question come before those of other namespaces.
    found.sort_by(|a, b| (a.kind, name_of(a)).cmp(&(b.kind, name_of(b))));
    found
}

fn name_of<'a>(miss: &NearMiss<'a>) -> Option<(&'a str, &'a str)> {
    miss.binding.map(|binding| (binding.namespace.as_str(), binding.name.as_str()))
}

/// Near misses within rules alone, as SelfSubjectRulesReview gives them to somebody who may read no binding; `whose` they
/// are stands before each.
pub fn within_rules(rules_held: &[ResourceRule], question: &Question, whose: &str) -> Vec<NearMiss<'static>> {
    let mut found: Vec<NearMiss<'static>> = Vec::new();
    for rule in rules_held {
        if let Some((kind, text)) = of_rule(&Rule::Resource(rule), question) {
            let text = format!("{whose}: {text}");
            if !found.iter().any(|known| known.text == text) {
                found.push(NearMiss { kind, text, binding: None, role: None });
            }
        }
    }
    found.sort_by_key(|miss| miss.kind);
    found
}

fn of_own_binding<'a>(world: &World<'a>, binding: &'a Binding, question: &Question, found: &mut Vec<NearMiss<'a>>) {
    let scope = super::scope(question);
    let counts = binding.kind == "ClusterRoleBinding" || (!scope.is_empty() && binding.namespace == scope);
    let role = match world.resolve(binding) {
        Resolved::Role(role) => role,
        Resolved::Missing(text) => {
            if !counts {
                return;
            }
            let points = format!("{} points at a role that does not exist: {text}", title(binding));
            let meant = of_other_kind(world, binding).filter(|role| rules::allowing(role, question).is_some());
            found.push(match meant {
                Some(role) => NearMiss {
                    kind: Kind::RoleOfOtherKind,
                    text: format!("{points}; {} {:?} is there, and allows it", role.kind, role.name),
                    binding: Some(binding),
                    role: Some(role),
                },
                None => NearMiss { kind: Kind::DanglingRole, text: points, binding: Some(binding), role: None },
            });
            return;
        }
        Resolved::Unread => return,
    };
    if !counts {
        // A Namespace is asked about in the namespace of its own name: no other one can be taken instead.
        let itself = !scope.is_empty() && question.resource == "namespaces" && question.group.is_empty();
        if rules::allowing(role, question).is_some() && !itself {
            let (kind, text) = if scope.is_empty() {
                (
                    Kind::NeedsClusterScope,
                    format!(
                        "{} allows it, but only inside namespace {}; what is asked needs a ClusterRoleBinding",
                        title(binding),
                        binding.namespace
                    ),
                )
            } else {
                (
                    Kind::WrongNamespace,
                    format!("{} allows it in namespace {}, not in {scope}", title(binding), binding.namespace),
                )
            };
            found.push(NearMiss { kind, text, binding: Some(binding), role: Some(role) });
        }
        return;
    }
    // An empty role is beside the point where the roles that it should collect do not grant this either.
    let source = role.collects.iter().filter(|_| role.aggregates && role.is_empty()).find(|name| {
        world.role("ClusterRole", "", name).is_some_and(|source| rules::allowing(source, question).is_some())
    });
    if let Some(source) = source {
        found.push(NearMiss {
            kind: Kind::AggregatedRoleEmpty,
            text: format!(
                "{} names ClusterRole {:?}, which should hold the rules of {source:?} (its aggregationRule selects it, and that one allows it) and holds none: kube-controller-manager did not fill it",
                title(binding),
                role.name
            ),
            binding: Some(binding),
            role: Some(role),
        });
    }
    for rule in rules::of(role) {
        if let Some((kind, text)) = of_rule(&rule, question) {
            found.push(NearMiss {
                kind,
                text: format!("{} ({} {:?}): {text}", title(binding), role.kind, role.name),
                binding: Some(binding),
                role: Some(role),
            });
        }
    }
}

/// The role of the name that a RoleBinding names, and of the other kind.
fn of_other_kind<'a>(world: &World<'a>, binding: &Binding) -> Option<&'a Role> {
    let kind = match binding.role_kind.as_ref() {
        _ if binding.namespace.is_empty() => return None,
        "Role" => "ClusterRole",
        "ClusterRole" => "Role",
        _ => return None,
    };
    world.role(kind, &binding.namespace, &binding.role_name)
}

/// The one condition that fails in a rule, if it is one.
fn of_rule(rule: &Rule<'_>, question: &Question) -> Option<(Kind, String)> {
    match (rule, &question.path) {
        (Rule::Path(rule), Some(path)) => {
            let (verb, paths) = (rules::has(&rule.verbs, &question.verb), rules::paths_match(&rule.paths, path));
            if paths && !verb {
                return Some((Kind::OtherVerb, other_verb(&rule.verbs, path, question)));
            }
            let other = rule.paths.iter().find(|known| {
                let (a, b) = (known.trim_end_matches(['/', '*']), path.trim_end_matches('/'));
                a == b || a.eq_ignore_ascii_case(b)
            });
            other.filter(|_| verb && !paths).map(|known| {
                (Kind::OtherPath, format!("it grants the path {known}, and {path} is another one to the server"))
            })
        }
        (Rule::Resource(rule), None) => of_resource_rule(rule, question),
        _ => None,
    }
}

fn of_resource_rule(rule: &ResourceRule, question: &Question) -> Option<(Kind, String)> {
    let verb = rules::has(&rule.verbs, &question.verb);
    let group = rules::has(&rule.api_groups, &question.group);
    let resource = rules::resources_match(&rule.resources, &question.resource, &question.subresource);
    let name = rules::names_match(&rule.resource_names, &question.name);
    let whole = question.whole();
    match (verb, group, resource, name) {
        (false, true, true, true) => Some((Kind::OtherVerb, other_verb(&rule.verbs, &whole, question))),
        (true, false, true, true) => Some((
            Kind::OtherApiGroup,
            format!(
                "it grants {whole} in API group {}, the question is about API group {:?}",
                quoted(&rule.api_groups),
                question.group
            ),
        )),
        (true, true, true, false) => Some((
            Kind::ResourceNames,
            if question.name.is_empty() {
                format!(
                    "it is limited to the objects {}, and what is asked ({} without a name) is about all of them",
                    quoted(&rule.resource_names),
                    question.verb
                )
            } else {
                format!("it names the objects {}, not {:?}", quoted(&rule.resource_names), question.name)
            },
        )),
        (true, true, false, true) => near_resource(rule, question),
        (false, true, false, true) => beside_the_pod(rule, question).or_else(|| both_misspelt(rule, question)),
        _ => None,
    }
}

/// Subresources of a Pod that are asked with other verbs than the Pod itself, so that who may read Pods has neither.
const OF_PODS: [&str; 5] = ["exec", "attach", "portforward", "proxy", "ephemeralcontainers"];

fn beside_the_pod(rule: &ResourceRule, question: &Question) -> Option<(Kind, String)> {
    let (verb, sub) = (&question.verb, &question.subresource);
    if question.resource != "pods" || !OF_PODS.contains(&sub.as_str()) || !rules::has(&rule.verbs, "get") {
        return None;
    }
    let entry = rule.resources.iter().find(|entry| *entry == "pods" || *entry == "pods/*")?;
    let text = format!(
        "it grants {} on {entry}, and that covers neither pods/{sub} nor the verb {verb} on it: name both",
        rule.verbs.join(", ")
    );
    Some((Kind::MissingSubresource, text))
}

/// A rule with the verb and the resource in capitals.
fn both_misspelt(rule: &ResourceRule, question: &Question) -> Option<(Kind, String)> {
    let verb = in_capitals(&rule.verbs, &question.verb)?;
    let (kind, text) = near_resource(rule, question).filter(|(kind, _)| *kind == Kind::ResourceSpelling)?;
    Some((kind, format!("{text}; the verb {verb:?} must be lower case, too")))
}

/// The verb as a rule has it that does not count for its capitals.
fn in_capitals<'v>(verbs: &'v [String], asked: &str) -> Option<&'v str> {
    verbs.iter().map(String::as_str).find(|verb| *verb != asked && verb.eq_ignore_ascii_case(asked))
}

fn near_resource(rule: &ResourceRule, question: &Question) -> Option<(Kind, String)> {
    let (plain, sub) = (&question.resource, &question.subresource);
    if !sub.is_empty() && rule.resources.iter().any(|entry| entry.strip_suffix("/*") == Some(plain)) {
        return Some((
            Kind::MissingSubresource,
            format!("it grants {plain}/*, which is no wildcard for subresources: name {plain}/{sub} itself"),
        ));
    }
    for entry in &rule.resources {
        if !sub.is_empty() && entry == plain {
            return Some((
                Kind::MissingSubresource,
                format!("it grants {entry}, and {entry} does not cover {plain}/{sub}: name it as \"{plain}/{sub}\""),
            ));
        }
        if sub.is_empty() && entry.split_once('/').is_some_and(|(resource, _)| resource == plain) {
            return Some((Kind::MissingSubresource, format!("it grants {entry}, and that is not {plain} itself")));
        }
        let wanted = question.whole();
        // Of whatever group: metrics.k8s.io has pods, too.
        let known = RESOURCES.iter().find(|known| known.name == wanted);
        let singular = known.is_some_and(|known| entry.eq_ignore_ascii_case(known.singular));
        if entry.eq_ignore_ascii_case(&wanted)
            || singular
            || format!("{entry}s") == wanted
            || format!("{entry}es") == wanted
        {
            return Some((
                Kind::ResourceSpelling,
                format!("it grants {entry:?}, and the server's name is {wanted:?} (plural, lower case)"),
            ));
        }
        if known.is_some_and(|known| known.short.iter().any(|short| entry.eq_ignore_ascii_case(short))) {
            return Some((
                Kind::ResourceSpelling,
                format!("it grants {entry:?}, a short name that only kubectl knows; the server's name is {wanted:?}"),
            ));
        }
    }
    None
}

fn other_verb(verbs: &[String], what: &str, question: &Question) -> String {
    match in_capitals(verbs, &question.verb) {
        Some(verb) => format!("it grants {verb:?} on {what}, and verbs are lower case: {}", question.verb),
        None => format!("it grants {} on {what}, not {}", verbs.join(", "), question.verb),
    }
}

fn quoted(list: &[String]) -> String {
    list.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}

/// A binding's kind, name and namespace.
pub fn title(binding: &Binding) -> String {
    if binding.namespace.is_empty() {
        format!("{} {:?}", binding.kind, binding.name)
    } else {
        format!("{} {:?} in namespace {}", binding.kind, binding.name, binding.namespace)
    }
}

fn of_foreign_binding<'a>(
    world: &World<'a>,
    binding: &'a Binding,
    user: &User,
    question: &Question,
    found: &mut Vec<NearMiss<'a>>,
) {
    let scope = super::scope(question);
    if binding.kind != "ClusterRoleBinding" && (scope.is_empty() || binding.namespace != scope) {
        return;
    }
    // A subject that only has the same short name is the last that is thought of.
    let like = |namesake: bool| {
        binding.subjects.iter().filter(|subject| is_namesake(subject, user) == namesake).find_map(|subject| {
            let (kind, text) = resembles(subject, &binding.namespace, user)?;
            Some((kind, subject, text))
        })
    };
    let Some((kind, subject, text)) = like(false).or_else(|| like(true)) else { return };
    let Resolved::Role(role) = world.resolve(binding) else { return };
    if rules::allowing(role, question).is_none() {
        return;
    }
    found.push(NearMiss {
        kind,
        text: format!("{} allows it to {} {:?}: {text}", title(binding), subject.kind, subject.name),
        binding: Some(binding),
        role: Some(role),
    });
}

/// How a subject that is not this user looks like it.
pub fn resembles(subject: &Subject, binding_namespace: &str, user: &User) -> Option<(Kind, String)> {
    let own: Vec<&str> = match subject.kind.as_ref() {
        "User" => vec![&user.username],
        "Group" => user.groups.iter().map(String::as_str).collect(),
        "ServiceAccount" => {
            let (namespace, name) = service_account(&user.username)?;
            let theirs = if subject.namespace.is_empty() { binding_namespace } else { &subject.namespace };
            return (name == subject.name).then(|| {
                let text = if theirs.is_empty() {
                    "a ClusterRoleBinding must name the service account's namespace, and this one does not".to_owned()
                } else {
                    format!("that one lives in namespace {theirs}, and the one that asks in {namespace}")
                };
                (Kind::ServiceAccountNamespace, text)
            });
        }
        _ => return None,
    };
    let near = own.iter().filter(|name| !name.is_empty() && !is_builtin(name)).find_map(|name| {
        let word = if subject.kind == "User" { "the user name" } else { "the user's group" };
        let found = alike(&subject.name, name);
        // Only groups are joined by mistake; a user's name may hold blanks.
        let found = found.filter(|(kind, _)| *kind != Kind::SubjectJoined || subject.kind == "Group");
        found.map(|(kind, how)| (kind, format!("{word} is {name:?}, which differs {how}")))
    });
    if near.is_some() {
        return near;
    }
    let account = service_account(&user.username);
    let is_account = |whole: (&str, &str)| subject.name.split_once([':', '/']) == Some(whole);
    let (crossed, word) = match subject.kind.as_ref() {
        "User" if account.is_some_and(is_account) => (
            true,
            "that is the service account's name, and the subject is a User, not a ServiceAccount with its namespace",
        ),
        "User" if is_namesake(subject, user) => {
            (true, "that is a user, who has the short name of the service account, and may well be somebody else")
        }
        "User" => (user.groups.contains(&subject.name), "that is one of the user's groups, and the subject is a User"),
        "Group"
            if account.is_some_and(|(namespace, _)| subject.name == format!("system:serviceaccount:{namespace}")) =>
        {
            (true, "the group of a namespace's service accounts is called system:serviceaccounts:NAMESPACE, with an s")
        }
        _ => (user.username == subject.name, "that is the user name, and the subject is a Group"),
    };
    (crossed && !subject.name.is_empty()).then(|| (Kind::SubjectKind, word.to_owned()))
}

/// A user of the short name of the service account that asks: nothing tells that the account was meant, as a person or a
/// program with a certificate may have that name, too.
pub fn is_namesake(subject: &Subject, user: &User) -> bool {
    let account = service_account(&user.username);
    subject.kind == "User" && account.is_some_and(|(_, name)| subject.name == name)
}

/// The user's own kind and name that a subject of another spelling or kind stands for.
pub fn meant<'u>(subject: &Subject, user: &'u User) -> Option<(&'static str, &'u str)> {
    if let Some((namespace, name)) = service_account(&user.username) {
        if subject.kind == "User" && subject.name.split_once([':', '/']) == Some((namespace, name)) {
            return Some(("User", user.username.as_str()));
        }
        if subject.kind == "Group" && subject.name == format!("system:serviceaccount:{namespace}") {
            let all = format!("system:serviceaccounts:{namespace}");
            return user.groups.iter().find(|group| **group == all).map(|group| ("Group", group.as_str()));
        }
    }
    if is_builtin(&subject.name) || subject.name.is_empty() {
        return None;
    }
    let like = |name: &str| !name.is_empty() && !is_builtin(name) && alike(&subject.name, name).is_some();
    let group = |fits: &dyn Fn(&str) -> bool| user.groups.iter().map(String::as_str).find(|group| fits(group));
    match subject.kind.as_ref() {
        "User" if like(&user.username) => Some(("User", user.username.as_str())),
        "User" => group(&|group| group == subject.name).map(|group| ("Group", group)),
        "Group" => group(&like)
            .map(|group| ("Group", group))
            .or_else(|| (user.username == subject.name).then_some(("User", user.username.as_str()))),
        _ => None,
    }
}

/// Kubernetes' own groups differ from each other by what looks like a prefix.
fn is_builtin(name: &str) -> bool {
    name.starts_with("system:")
}

/// Whether a text may be what an issuer's names are prefixed with: a word or a URL, and no list of names.
pub fn is_prefix(head: &str) -> bool {
    !head.contains([',', ';', ' ']) && (!head.contains('/') || head.contains("://"))
}

/// What stands before the last `#` or `:` of a name may be a prefix.
fn prefixed(name: &str) -> bool {
    name.rsplit_once(['#', ':']).is_none_or(|(head, _)| is_prefix(head))
}

/// Whether a name of one's own is several names in one, of which the other is a part.
pub fn joins(own: &str, theirs: &str) -> bool {
    [',', ';', ' ', '/'].into_iter().any(|joiner| {
        // A path is one name, and its last part is told as such.
        let parts: Vec<&str> = own.split(joiner).map(str::trim).filter(|part| !part.is_empty()).collect();
        let count = if joiner == '/' { parts.len().saturating_sub(1) } else { parts.len() };
        let prefix = parts.first().and_then(|part| part.rsplit_once(':')).map(|(head, _)| head);
        let is = |part: &&str| {
            *part == theirs || prefix.is_some_and(|head| !part.contains(':') && theirs == format!("{head}:{part}"))
        };
        parts.len() > 1 && parts[..count].iter().any(is)
    })
}

/// EKS turns the @ of a session's name into a dash. Such a name has a prefix before it (`sso:`, the ARN of the role);
/// without one they are two names.
fn dashed_session(theirs: &str, own: &str) -> bool {
    let (theirs, own) = (theirs.to_lowercase(), own.to_lowercase());
    match (theirs.rsplit_once([':', '/']), own.rsplit_once([':', '/'])) {
        (Some((head, one)), Some((other_head, other))) => {
            !head.is_empty() && head == other_head && one.replace('@', "-") == other.replace('@', "-")
        }
        _ => false,
    }
}

/// How two different names resemble each other.
pub fn alike(theirs: &str, own: &str) -> Option<(Kind, &'static str)> {
    if theirs == own {
        return None;
    }
    if theirs.trim() == own.trim() {
        return Some((Kind::SubjectCase, "by blanks at its beginning or end"));
    }
    let folded = |text: &str| text.to_lowercase();
    if folded(theirs) == folded(own) {
        return Some((Kind::SubjectCase, "by upper and lower case"));
    }
    if dashed_session(theirs, own) {
        return Some((Kind::SubjectCase, "by @ in one and - in the other"));
    }
    let no_slash = |text: &str| text.rsplit_once(':').map_or(text, |(_, tail)| tail).trim_start_matches('/').to_owned();
    let head = |text: &str| text.rsplit_once(':').map(|(head, _)| head.to_owned());
    if head(theirs) == head(own) && no_slash(theirs) == no_slash(own) {
        return Some((Kind::SubjectSlash, "by a leading slash"));
    }
    if head(theirs) == head(own) && folded(&no_slash(theirs)) == folded(&no_slash(own)) {
        return Some((Kind::SubjectSlash, "by a leading slash, and by upper and lower case"));
    }
    if joins(own, theirs) {
        return Some((
            Kind::SubjectJoined,
            "in that the user's joins several names, and is one group of that whole name",
        ));
    }
    let last = |text: &str| no_slash(text).rsplit('/').next().unwrap_or_default().to_owned();
    // Two paths that end alike are two groups; a name beside a path that ends in it may be meant.
    let plain = no_slash(own) == last(own) || no_slash(theirs) == last(theirs);
    if plain && head(theirs) == head(own) && last(theirs) == last(own) && prefixed(own) && prefixed(theirs) {
        return Some((Kind::SubjectSlash, "by the path before its last part"));
    }
    if !prefixed(theirs) || !prefixed(own) {
        return None;
    }
    let tail = |text: &str| {
        let tail = text.rsplit(['#', ':']).find(|part| !part.is_empty()).unwrap_or(text);
        folded(tail.trim_start_matches('/'))
    };
    (tail(theirs) == tail(own)).then_some((Kind::SubjectPrefix, "by its prefix"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_and_a_dash_are_alike_in_a_session_s_name_alone() {
        let kind = |theirs: &str, own: &str| alike(theirs, own).map(|(kind, _)| kind);
        let role = "arn:aws:sts::111122223333:assumed-role/Dev";
        let (at, dash) = (format!("{role}/jane@corp.com"), format!("{role}/jane-corp.com"));
        assert_eq!(kind(&at, &dash), Some(Kind::SubjectCase));
        assert_eq!(kind("sso:jane@corp.com", "sso:jane-corp.com"), Some(Kind::SubjectCase));
        assert_eq!(kind("jane@corp.com", "jane-corp.com"), None);
        assert_eq!(kind("/jane@corp.com", "/jane-corp.com"), None);
    }
}
