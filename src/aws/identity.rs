//! From an IAM identity to a Kubernetes user: canonical ARNs, aws-auth, access entries, and which of them wins.
//!
//! Source: aws-iam-authenticator `pkg/arn`, `pkg/mapper`, `pkg/config`; EKS' documentation for access entries.

use std::collections::BTreeMap;

use super::yaml::{self, Value};
use crate::evidence::access::Question;
use crate::evidence::eks::{AccessEntry, AssociatedPolicy, Aws, Caller};
use crate::evidence::{FailureKind, Outcome};
use crate::text::glob;

/// An ARN taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub partition: &'a str,
    /// `iam`, `sts`, `eks`, ...
    pub service: &'a str,
    /// The account, 12 digits.
    pub account: &'a str,
    /// What stands behind it, colons and slashes included.
    pub resource: &'a str,
}

/// The partition of a region, as ARNs name it.
pub fn partition_of(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        region if region.starts_with("us-isob-") => "aws-iso-b",
        region if region.starts_with("us-iso-") => "aws-iso",
        region if region.starts_with("eu-isoe-") => "aws-iso-e",
        region if region.starts_with("us-isof-") => "aws-iso-f",
        region if region.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

/// The partition of a host of STS; `None` for a name that is none.
pub fn partition_of_sts(host: &str) -> Option<&'static str> {
    let rest = host.strip_prefix("sts.").or_else(|| host.strip_prefix("sts-fips."))?;
    // The global endpoint names no region.
    if rest == "amazonaws.com" {
        return Some("aws");
    }
    let (region, suffix) = rest.split_once('.')?;
    match suffix {
        "amazonaws.com" | "api.aws" if region.starts_with("us-gov-") => Some("aws-us-gov"),
        "amazonaws.com" | "api.aws" => Some("aws"),
        "amazonaws.com.cn" | "api.amazonwebservices.com.cn" => Some("aws-cn"),
        "c2s.ic.gov" => Some("aws-iso"),
        "sc2s.sgov.gov" => Some("aws-iso-b"),
        "cloud.adc-e.uk" => Some("aws-iso-e"),
        "csp.hci.ic.gov" => Some("aws-iso-f"),
        "amazonaws.eu" => Some("aws-eusc"),
        _ => None,
    }
}

impl<'a> Arn<'a> {
    /// Takes an ARN apart.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        if parts.next()? != "arn" {
            return None;
        }
        let partition = parts.next()?;
        let service = parts.next()?;
        let _region = parts.next()?;
        Some(Self { partition, service, account: parts.next()?, resource: parts.next()? })
    }

    /// `role`, `user`, `assumed-role`, ...
    pub fn kind(&self) -> &'a str {
        self.resource.split('/').next().unwrap_or_default()
    }

    /// The name at the end: of a role or user without its path, of an assumed role the role's.
    pub fn name(&self) -> &'a str {
        let mut parts = self.resource.split('/');
        if self.kind() == "assumed-role" {
            parts.nth(1).unwrap_or_default()
        } else {
            parts.next_back().unwrap_or_default()
        }
    }

    /// The path of a role or user, with slashes at both ends; `None` where it has none.
    pub fn path(&self) -> Option<&'a str> {
        let first = self.resource.find('/')?;
        let last = self.resource.rfind('/')?;
        (self.service == "iam" && last > first).then(|| &self.resource[first..=last])
    }
}

/// What the authenticator compares: an assumed role becomes its role, without a path; the others stay as they are.
pub fn canonical(arn: &str) -> Option<String> {
    let parsed = Arn::parse(arn)?;
    match (parsed.service, parsed.kind()) {
        ("sts", "assumed-role") => {
            let parts: Vec<&str> = parsed.resource.split('/').collect();
            let role = parts.get(1..parts.len().checked_sub(1)?)?.join("/");
            (!role.is_empty()).then(|| format!("arn:{}:iam::{}:role/{role}", parsed.partition, parsed.account))
        }
        ("sts", "federated-user") | ("iam", "role" | "user" | "root") => Some(arn.to_owned()),
        _ => None,
    }
}

/// A role's ARN as the authenticator sees it: without its path. A user keeps its own.
pub fn without_path(arn: &str) -> String {
    match Arn::parse(arn) {
        Some(parsed) if parsed.service == "iam" && parsed.kind() == "role" => {
            format!("arn:{}:iam::{}:role/{}", parsed.partition, parsed.account, parsed.name())
        }
        _ => arn.to_owned(),
    }
}

/// The session's name of an assumed role.
pub fn session(arn: &str) -> Option<&str> {
    let parsed = Arn::parse(arn)?;
    (parsed.kind() == "assumed-role").then(|| parsed.resource.rsplit('/').next()).flatten()
}

/// The unique id of the principal itself: what stands before the session's name.
pub fn unique_id(caller: &Caller) -> &str {
    caller.user_id.split(':').next().unwrap_or_default()
}

/// Which stores the cluster looks into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only aws-auth.
    ConfigMap,
    /// Access entries, then aws-auth.
    Both,
    /// Only access entries.
    Api,
}

impl Mode {
    /// The cluster's mode, and whether the API really said it.
    pub fn of(aws: &Aws) -> Option<(Self, bool)> {
        let cluster = aws.cluster.seen()?;
        Some(match cluster.authentication_mode.as_deref() {
            Some("API") => (Self::Api, true),
            Some("API_AND_CONFIG_MAP") => (Self::Both, true),
            Some("CONFIG_MAP") => (Self::ConfigMap, true),
            _ => (Self::ConfigMap, false),
        })
    }

    /// aws-auth is read.
    pub fn reads_config_map(self) -> bool {
        self != Self::Api
    }

    /// Access entries are read.
    pub fn reads_entries(self) -> bool {
        self != Self::ConfigMap
    }

    /// As the API spells it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ConfigMap => "CONFIG_MAP",
            Self::Both => "API_AND_CONFIG_MAP",
            Self::Api => "API",
        }
    }
}

/// aws-auth as the authenticator takes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mappings {
    /// mapRoles and mapUsers, in order.
    pub entries: Vec<Entry>,
    /// mapAccounts with their lines.
    pub accounts: Vec<(String, usize)>,
    /// What it does not take.
    pub problems: Vec<Problem>,
}

/// One entry of mapRoles or mapUsers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// `mapRoles` or `mapUsers`.
    pub section: &'static str,
    /// 1-based line inside the section.
    pub line: usize,
    /// `rolearn` or `userarn`.
    pub arn: String,
    /// Template of the name; empty where none is given.
    pub username: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// What the authenticator does not take of aws-auth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key of `data`.
    pub section: String,
    /// 1-based line inside it, where known.
    pub line: Option<usize>,
    /// What it is.
    pub kind: ProblemKind,
    /// In words.
    pub detail: String,
}

/// Kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// The section is no YAML: all of it is dropped.
    NotYaml,
    /// One parser takes it and one does not: unknown what the authenticator makes of it.
    Doubtful,
    /// The section is no list: all of it is dropped.
    NotAList,
    /// A key of `data` that differs from a known one by its capitals only: never read.
    KeySpelling,
    /// An entry without an ARN is skipped.
    NoArn,
    /// `groups` is no list of texts: the entry counts, without groups.
    Groups,
}

/// Reads aws-auth's data.
pub fn mappings(data: &BTreeMap<String, String>) -> Mappings {
    let mut all = Mappings::default();
    for key in data.keys() {
        if let Some(known) = ["mapRoles", "mapUsers", "mapAccounts"]
            .into_iter()
            .find(|known| key != known && key.eq_ignore_ascii_case(known))
        {
            let detail = format!("the key is spelled {key}; only {known} is read");
            all.problems.push(Problem { section: key.clone(), line: None, kind: ProblemKind::KeySpelling, detail });
        }
    }
    for (section, name) in [("mapRoles", "rolearn"), ("mapUsers", "userarn")] {
        let Some(items) = list(section, data, &mut all.problems) else { continue };
        for item in items {
            let Value::Map(fields) = &item.value else {
                all.problems.push(Problem {
                    section: section.to_owned(),
                    line: Some(item.line),
                    kind: ProblemKind::NoArn,
                    detail: "an entry is no mapping and is skipped".to_owned(),
                });
                continue;
            };
            // Go's JSON takes keys whatever their capitals; of equal ones the last counts.
            let field = |name: &str| fields.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
            let text = |name: &str| match field(name) {
                Some((_, yaml::Node { value: Value::Text(text), .. })) => text.clone(),
                _ => String::new(),
            };
            let arn = text(name);
            if arn.is_empty() {
                // A permission set by name instead of an ARN is the authenticator's own, and not EKS'.
                let kind = if field("sso").is_some() { ProblemKind::Doubtful } else { ProblemKind::NoArn };
                let detail = format!("an entry without {name} is skipped");
                all.problems.push(Problem { section: section.to_owned(), line: Some(item.line), kind, detail });
                continue;
            }
            let mut groups = Vec::new();
            match field("groups").map(|(_, node)| (&node.value, node.line)) {
                None | Some((Value::Null, _)) => {}
                Some((Value::List(items), line)) => {
                    for item in items {
                        match &item.value {
                            Value::Text(group) => groups.push(group.clone()),
                            _ => all.problems.push(Problem {
                                section: section.to_owned(),
                                line: Some(line),
                                kind: ProblemKind::Groups,
                                detail: "a group is no text and is dropped".to_owned(),
                            }),
                        }
                    }
                }
                Some((_, line)) => all.problems.push(Problem {
                    section: section.to_owned(),
                    line: Some(line),
                    kind: ProblemKind::Groups,
                    detail: format!("groups of {arn} is no list, so the entry has none"),
                }),
            }
            all.entries.push(Entry { section, line: item.line, arn, username: text("username"), groups });
        }
    }
    for item in list("mapAccounts", data, &mut all.problems).into_iter().flatten() {
        // go-yaml gives a number's own digits where a text is wanted.
        if let Value::Text(account) | Value::Other(account) = item.value {
            all.accounts.push((account, item.line));
        }
    }
    all
}

/// The items of one section.
fn list(section: &str, data: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> Option<Vec<yaml::Node>> {
    let text = data.get(section)?;
    if matches!(text.trim(), "" | "``" | "\"\"" | "''") {
        return None;
    }
    let mut problem = |line, kind, detail: &str| {
        problems.push(Problem { section: section.to_owned(), line, kind, detail: detail.to_owned() });
        None
    };
    match yaml::parse(text) {
        Err(error) if error.certain => {
            problem(error.line, ProblemKind::NotYaml, "it is no YAML, so all of it is dropped")
        }
        Err(error) => problem(error.line, ProblemKind::Doubtful, "it is doubtful YAML"),
        Ok(yaml::Node { value: Value::List(items), .. }) => Some(items),
        Ok(yaml::Node { value: Value::Null, .. }) => None,
        Ok(node) => problem(Some(node.line), ProblemKind::NotAList, "it is no list, so all of it is dropped"),
    }
}

/// What maps an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The access entry of this index.
    AccessEntry(usize),
    /// A line of mapRoles or mapUsers.
    AwsAuth {
        /// The section.
        section: &'static str,
        /// The line in it.
        line: usize,
    },
    /// mapAccounts names the account.
    Account {
        /// The line.
        line: usize,
    },
}

impl Source {
    /// JSON pointer to it.
    pub fn path(&self) -> String {
        match self {
            Self::AccessEntry(index) => format!("/aws/accessEntries/seen/entries/{index}"),
            Self::AwsAuth { section, .. } => format!("/aws/awsAuth/seen/data/{section}"),
            Self::Account { .. } => "/aws/awsAuth/seen/data/mapAccounts".to_owned(),
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::AccessEntry(_) => "the access entry".to_owned(),
            Self::AwsAuth { section, line } => format!("aws-auth, {section} line {line}"),
            Self::Account { line } => format!("aws-auth, mapAccounts line {line}"),
        }
    }
}

/// Whom an identity becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// By what.
    pub source: Source,
    /// User name; `None` where a template needs what is not known here.
    pub username: Option<String>,
    /// Groups.
    pub groups: Vec<String>,
}

/// The verdict of the authenticator, as far as it can be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is mapped.
    Mapped(Mapped),
    /// Every store that counts was read, and none holds it.
    NotMapped,
    /// Something that would decide it is not known.
    Unknown(String),
}

/// As whom the token is signed: as the role that the plugin assumes (`--role-arn`), with a session whose name is not known
/// here; else as the caller. `None` where that is not known.
pub fn signer(aws: &Aws) -> Option<Caller> {
    let caller = aws.caller.seen();
    let Some(role) = aws.target.seen().and_then(|target| target.role_arn.as_deref()) else { return caller.cloned() };
    let parsed = Arn::parse(role).filter(|arn| arn.service == "iam" && arn.kind() == "role")?;
    let arn = without_path(role);
    let same = |caller: &&Caller| canonical(&caller.arn).is_some_and(|own| own.eq_ignore_ascii_case(&arn));
    Some(caller.filter(same).cloned().unwrap_or_else(|| Caller {
        arn: arn.clone(),
        account: parsed.account.to_owned(),
        user_id: String::new(),
    }))
}

/// Who the caller is to the cluster.
pub fn map(aws: &Aws) -> Verdict {
    let signed_by = signer(aws);
    let Some(caller) = &signed_by else {
        return Verdict::Unknown("the ARN of whoever signs the token is not known".to_owned());
    };
    let Some((mode, said)) = Mode::of(aws) else {
        return Verdict::Unknown("the cluster's authentication mode is not known".to_owned());
    };
    let Some(arn) = canonical(&caller.arn) else {
        return Verdict::Unknown(format!("{} is no identity that can be mapped", caller.arn));
    };
    let mut unknown = None;
    if mode.reads_entries() {
        match &aws.access_entries.outcome {
            Outcome::Seen(entries) => {
                if let Some((index, entry)) = entries
                    .entries
                    .iter()
                    .enumerate()
                    .find(|(_, entry)| without_path(&entry.principal_arn).eq_ignore_ascii_case(&arn))
                {
                    return entry_mapping(index, entry, caller);
                }
                // They are those of the role that signs only where that role was looked at.
                let other = aws.caller.seen() != Some(caller)
                    && aws.principal.seen().is_none_or(|found| !without_path(&found.arn).eq_ignore_ascii_case(&arn));
                if other {
                    unknown =
                        Some("the access entries that were read need not be those of the role that signs the token");
                }
            }
            _ => unknown = Some("the access entries could not be read"),
        }
    }
    if mode.reads_config_map() {
        match &aws.aws_auth.outcome {
            Outcome::Seen(auth) => {
                let all = mappings(&auth.data);
                if let Some(found) = aws_auth(&all, &arn, caller) {
                    // An unread access entry would come first.
                    return unknown.map_or(Verdict::Mapped(found), |why| Verdict::Unknown(why.to_owned()));
                }
                let doubtful = all.problems.iter().any(|problem| problem.kind == ProblemKind::Doubtful);
                let wildcard = all.entries.iter().any(|entry| entry.arn.contains(['*', '?']) && wild(&entry.arn, &arn));
                if doubtful || wildcard {
                    unknown = unknown.or(Some("what the authenticator makes of aws-auth is not certain"));
                }
            }
            Outcome::Failed(failure) if failure.kind == FailureKind::NotFound => {}
            _ => unknown = unknown.or(Some("ConfigMap aws-auth could not be read")),
        }
    }
    if !said && !matches!(aws.access_entries.outcome, Outcome::Seen(ref entries) if entries.entries.is_empty()) {
        unknown = unknown.or(Some("the API did not say the authentication mode"));
    }
    unknown.map_or(Verdict::NotMapped, |why| Verdict::Unknown(why.to_owned()))
}

fn entry_mapping(index: usize, entry: &AccessEntry, caller: &Caller) -> Verdict {
    let source = Source::AccessEntry(index);
    let Some(details) = entry.details.seen() else {
        return Verdict::Mapped(Mapped { source, username: None, groups: Vec::new() });
    };
    let username = render(&details.username, caller);
    Verdict::Mapped(Mapped { source, username, groups: details.groups.clone() })
}

/// The entry of aws-auth that counts: of equal ARNs the last one, roles before users before accounts.
pub fn aws_auth(all: &Mappings, arn: &str, caller: &Caller) -> Option<Mapped> {
    for section in ["mapRoles", "mapUsers"] {
        let found =
            all.entries.iter().rev().find(|entry| entry.section == section && entry.arn.eq_ignore_ascii_case(arn));
        if let Some(entry) = found {
            return Some(Mapped {
                source: Source::AwsAuth { section, line: entry.line },
                username: render(&entry.username, caller),
                groups: entry.groups.clone(),
            });
        }
    }
    let (_, line) = all.accounts.iter().find(|(account, _)| *account == caller.account)?;
    Some(Mapped { source: Source::Account { line: *line }, username: Some(arn.to_owned()), groups: Vec::new() })
}

/// Fills a user name's template; `None` where it needs what only EC2 or the token knows.
pub fn render(template: &str, caller: &Caller) -> Option<String> {
    let raw = session(&caller.arn).unwrap_or_default();
    // Of a role that is assumed elsewhere only the role is known.
    if raw.is_empty() && caller.arn.contains(":role/") && template.contains("{{SessionName") {
        return None;
    }
    let text = template
        .replace("{{AccountID}}", &caller.account)
        .replace("{{SessionNameRaw}}", raw)
        .replace("{{SessionName}}", &raw.replace('@', "-"));
    (!text.contains("{{")).then_some(text)
}

/// `*` and `?` as wildcards, capitals aside.
pub fn wild(pattern: &str, text: &str) -> bool {
    glob(&pattern.to_lowercase(), &text.to_lowercase())
}

/// API groups whose resources the policies for administrators, editors and viewers list; others (custom resources) they
/// do not.
const BUILT_IN: &[&str] = &[
    "",
    "apps",
    "autoscaling",
    "batch",
    "discovery.k8s.io",
    "extensions",
    "metrics.k8s.io",
    "networking.k8s.io",
    "policy",
    "authorization.k8s.io",
    "rbac.authorization.k8s.io",
];

/// What one policy says to a question: `Some(false)` only where its scope or its kind of resources excludes it.
pub fn policy_allows(policy: &AssociatedPolicy, question: &Question) -> Option<bool> {
    let name = policy.name();
    if policy.scope == "namespace" {
        let inside = !question.namespace.is_empty()
            && policy.namespaces.iter().any(|namespace| wild(namespace, &question.namespace));
        if !inside {
            return Some(false);
        }
    }
    match name {
        "AmazonEKSClusterAdminPolicy" => Some(true),
        "AmazonEKSAdminPolicy" | "AmazonEKSEditPolicy" | "AmazonEKSViewPolicy" => {
            let custom = question.path.is_some() || !BUILT_IN.contains(&question.group.as_str());
            custom.then_some(false)
        }
        _ => None,
    }
}

/// What the first of two access policies gives, the second gives too, where both are for the same place.
pub fn includes(policy: &str, wanted: &str) -> bool {
    policy == wanted
        || match policy {
            "AmazonEKSClusterAdminPolicy" => true,
            "AmazonEKSAdminPolicy" => {
                matches!(wanted, "AmazonEKSEditPolicy" | "AmazonEKSViewPolicy" | "AmazonEKSSecretReaderPolicy")
            }
            "AmazonEKSEditPolicy" => matches!(wanted, "AmazonEKSViewPolicy" | "AmazonEKSSecretReaderPolicy"),
            "AmazonEKSAdminViewPolicy" => matches!(wanted, "AmazonEKSViewPolicy" | "AmazonEKSSecretReaderPolicy"),
            _ => false,
        }
}

/// The smallest access policy that covers a question; none where only the one for everything would, and a group with a
/// role of its own is the better way.
///
/// Source: EKS' list of access policy permissions, which follow Kubernetes' roles view, edit and admin.
pub fn policy_for(question: &Question) -> Option<&'static str> {
    let Question { verb, group, resource, subresource, path, .. } = question;
    let read = matches!(verb.as_str(), "get" | "list" | "watch");
    let write = matches!(verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection");
    if path.is_some() || resource == "*" || !(read || write) {
        return None;
    }
    let everything_readable = read.then_some("AmazonEKSAdminViewPolicy");
    match (group.as_str(), resource.as_str(), subresource.as_str()) {
        (group, ..) if !BUILT_IN.contains(&group) => everything_readable,
        ("rbac.authorization.k8s.io", "roles" | "rolebindings", "") => Some("AmazonEKSAdminPolicy"),
        ("rbac.authorization.k8s.io" | "authorization.k8s.io", ..) => everything_readable,
        ("", "secrets", "") if read => Some("AmazonEKSSecretReaderPolicy"),
        // What somebody may do by these, somebody who only reads may not.
        ("", "pods", "exec" | "attach" | "portforward" | "proxy") | ("", "services", "proxy") => {
            Some("AmazonEKSEditPolicy")
        }
        ("", "nodes" | "persistentvolumes" | "componentstatuses", _) | ("metrics.k8s.io", "nodes", _) => {
            everything_readable
        }
        ("", "serviceaccounts", "token") => None,
        ("", "namespaces" | "resourcequotas" | "limitranges" | "events" | "bindings", _) if write => None,
        (.., sub) if write && !matches!(sub, "" | "scale" | "eviction") => None,
        _ if read => Some("AmazonEKSViewPolicy"),
        _ => Some("AmazonEKSEditPolicy"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_cover_what_is_asked_and_no_more_than_needed() {
        let ask = |verb: &str, group: &str, resource: &str, subresource: &str| {
            policy_for(&Question {
                verb: verb.to_owned(),
                group: group.to_owned(),
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                ..Question::default()
            })
        };
        assert_eq!(ask("list", "", "pods", ""), Some("AmazonEKSViewPolicy"));
        assert_eq!(ask("get", "", "pods", "log"), Some("AmazonEKSViewPolicy"));
        assert_eq!(ask("get", "", "pods", "exec"), Some("AmazonEKSEditPolicy"));
        assert_eq!(ask("create", "apps", "deployments", ""), Some("AmazonEKSEditPolicy"));
        assert_eq!(ask("get", "", "secrets", ""), Some("AmazonEKSSecretReaderPolicy"));
        assert_eq!(ask("update", "", "secrets", ""), Some("AmazonEKSEditPolicy"));
        assert_eq!(ask("create", "rbac.authorization.k8s.io", "rolebindings", ""), Some("AmazonEKSAdminPolicy"));
        assert_eq!(ask("create", "rbac.authorization.k8s.io", "clusterroles", ""), None);
        assert_eq!(ask("list", "", "nodes", ""), Some("AmazonEKSAdminViewPolicy"));
        assert_eq!(ask("list", "example.com", "things", ""), Some("AmazonEKSAdminViewPolicy"));
        assert_eq!(ask("delete", "example.com", "things", ""), None);
        assert_eq!(ask("impersonate", "", "users", ""), None);
    }

    #[test]
    fn the_partition_of_an_sts_host_is_read() {
        for (host, partition) in [
            ("sts.amazonaws.com", Some("aws")),
            ("sts.eu-west-1.amazonaws.com", Some("aws")),
            ("sts-fips.us-east-1.amazonaws.com", Some("aws")),
            ("sts.eu-west-1.api.aws", Some("aws")),
            ("sts.us-gov-west-1.amazonaws.com", Some("aws-us-gov")),
            ("sts.cn-north-1.amazonaws.com.cn", Some("aws-cn")),
            ("sts.eu-isoe-west-1.cloud.adc-e.uk", Some("aws-iso-e")),
            ("sts.example.com", None),
            ("example.com", None),
        ] {
            assert_eq!(partition_of_sts(host), partition, "{host}");
        }
        assert_eq!(partition_of("eu-isoe-west-1"), "aws-iso-e");
        assert_eq!(partition_of("us-isob-east-1"), "aws-iso-b");
    }

    #[test]
    fn a_greater_policy_includes_a_smaller_one() {
        assert!(includes("AmazonEKSEditPolicy", "AmazonEKSViewPolicy"));
        assert!(includes("AmazonEKSClusterAdminPolicy", "AmazonEKSAdminViewPolicy"));
        assert!(!includes("AmazonEKSViewPolicy", "AmazonEKSEditPolicy"));
        // It reads no custom resources and no nodes.
        assert!(!includes("AmazonEKSAdminPolicy", "AmazonEKSAdminViewPolicy"));
        assert!(!includes("AmazonEKSAdminViewPolicy", "AmazonEKSEditPolicy"));
    }

    fn caller(arn: &str) -> Caller {
        Caller { arn: arn.to_owned(), account: "111122223333".to_owned(), user_id: "AROAX:jane@example.com".to_owned() }
    }

    #[test]
    fn assumed_roles_lose_their_session_and_never_had_a_path() {
        for (arn, expected) in [
            ("arn:aws:sts::111122223333:assumed-role/Dev/jane", Some("arn:aws:iam::111122223333:role/Dev")),
            ("arn:aws-cn:sts::111122223333:assumed-role/Dev/i-1", Some("arn:aws-cn:iam::111122223333:role/Dev")),
            ("arn:aws:iam::111122223333:user/ops/bob", Some("arn:aws:iam::111122223333:user/ops/bob")),
            ("arn:aws:iam::111122223333:root", Some("arn:aws:iam::111122223333:root")),
            ("arn:aws:sts::111122223333:federated-user/x", Some("arn:aws:sts::111122223333:federated-user/x")),
            ("arn:aws:sts::111122223333:assumed-role/Dev", None),
            ("arn:aws:s3:::bucket", None),
            ("nonsense", None),
        ] {
            assert_eq!(canonical(arn).as_deref(), expected, "{arn}");
        }
        let sso = "arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_Admin_0123";
        assert_eq!(without_path(sso), "arn:aws:iam::1:role/AWSReservedSSO_Admin_0123");
        assert_eq!(Arn::parse(sso).and_then(|arn| arn.path()), Some("/aws-reserved/sso.amazonaws.com/eu-west-1/"));
        assert_eq!(without_path("arn:aws:iam::1:user/a/b"), "arn:aws:iam::1:user/a/b");
    }

    #[test]
    fn aws_auth_is_read_as_the_authenticator_reads_it() {
        let data = BTreeMap::from([
            (
                "mapRoles".to_owned(),
                "- roleARN: arn:aws:iam::111122223333:role/Dev\n  username: dev:{{SessionName}}\n  groups: [a, b]\n\
                 - username: nobody\n- rolearn: arn:aws:iam::111122223333:role/dev\n  username: last\n  groups: admins\n"
                    .to_owned(),
            ),
            ("mapusers".to_owned(), "[]".to_owned()),
            ("mapAccounts".to_owned(), "- 012345678901\n- \"444455556666\"\n".to_owned()),
        ]);
        let all = mappings(&data);
        let kinds: Vec<ProblemKind> = all.problems.iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, [ProblemKind::KeySpelling, ProblemKind::NoArn, ProblemKind::Groups]);
        assert_eq!(all.entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [1, 5]);
        assert_eq!(all.accounts[0].0, "012345678901");
        let me = caller("arn:aws:sts::111122223333:assumed-role/Dev/jane@example.com");
        let found = aws_auth(&all, "arn:aws:iam::111122223333:role/Dev", &me).expect("a mapping");
        assert_eq!(found.username.as_deref(), Some("last"));
        assert_eq!(found.source, Source::AwsAuth { section: "mapRoles", line: 5 });
        assert!(found.groups.is_empty());
    }

    #[test]
    fn the_role_that_the_plugin_assumes_is_looked_for() {
        let aws = |principal: &str, mapped: &str| -> Aws {
            let seen = |value: serde_json::Value| serde_json::json!({ "startedMs": 0, "tookMs": 1, "seen": value });
            serde_json::from_value(serde_json::json!({
                "target": seen(serde_json::json!({ "cluster": "prod", "roleArn": "arn:aws:iam::111122223333:role/team/Deploy" })),
                "caller": seen(serde_json::json!({ "arn": "arn:aws:sts::111122223333:assumed-role/Ops/jane", "account": "111122223333", "userId": "AROAX:jane" })),
                "principal": seen(serde_json::json!({ "arn": principal })),
                "cluster": seen(serde_json::json!({ "name": "prod", "authenticationMode": "API_AND_CONFIG_MAP" })),
                "accessEntries": seen(serde_json::json!({ "total": 3, "entries": [] })),
                "awsAuth": seen(serde_json::json!({ "data": { "mapRoles": format!("- rolearn: {mapped}\n  username: ci:{{{{SessionName}}}}\n  groups: [ci]\n") } })),
            }))
            .expect("evidence")
        };
        let deploy = "arn:aws:iam::111122223333:role/Deploy";
        let looked_at = aws("arn:aws:iam::111122223333:role/team/Deploy", deploy);
        assert_eq!(signer(&looked_at).map(|signer| signer.arn).as_deref(), Some(deploy));
        let Verdict::Mapped(mapped) = map(&looked_at) else { panic!("{:?}", map(&looked_at)) };
        assert_eq!((mapped.username, mapped.groups), (None, vec!["ci".to_owned()]));
        let ops = "arn:aws:iam::111122223333:role/Ops";
        assert_eq!(map(&aws("arn:aws:iam::111122223333:role/team/Deploy", ops)), Verdict::NotMapped);
        // Entries that were read for the caller say nothing of the role.
        assert!(matches!(map(&aws(ops, ops)), Verdict::Unknown(_)));
        assert!(matches!(map(&aws(ops, deploy)), Verdict::Unknown(_)));
    }

    #[test]
    fn templates_are_filled() {
        let me = caller("arn:aws:sts::111122223333:assumed-role/Dev/jane@example.com");
        assert_eq!(render("sso:{{SessionName}}", &me).as_deref(), Some("sso:jane-example.com"));
        assert_eq!(render("sso:{{SessionNameRaw}}", &me).as_deref(), Some("sso:jane@example.com"));
        assert_eq!(render("system:node:{{EC2PrivateDNSName}}", &me), None);
    }

    #[test]
    fn policies_end_at_their_scope_and_at_custom_resources() {
        let policy = |name: &str, namespaces: &[&str]| AssociatedPolicy {
            policy_arn: format!("arn:aws:eks::aws:cluster-access-policy/{name}"),
            scope: if namespaces.is_empty() { "cluster" } else { "namespace" }.to_owned(),
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
        };
        let ask = |group: &str, namespace: &str| Question {
            verb: "get".to_owned(),
            group: group.to_owned(),
            resource: "things".to_owned(),
            namespace: namespace.to_owned(),
            ..Question::default()
        };
        assert_eq!(policy_allows(&policy("AmazonEKSViewPolicy", &["team-*"]), &ask("", "team-a")), None);
        assert_eq!(policy_allows(&policy("AmazonEKSViewPolicy", &["team-*"]), &ask("", "prod")), Some(false));
        assert_eq!(policy_allows(&policy("AmazonEKSAdminPolicy", &[]), &ask("example.com", "prod")), Some(false));
        assert_eq!(policy_allows(&policy("AmazonEKSClusterAdminPolicy", &[]), &ask("example.com", "")), Some(true));
    }
}
