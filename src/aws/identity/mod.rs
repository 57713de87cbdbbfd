//! From an IAM identity to a Kubernetes user: canonical ARNs, aws-auth, access entries, and which of them wins.
//!
//! Source: aws-iam-authenticator `pkg/arn`, `pkg/mapper`, `pkg/config`; EKS' documentation for access entries.

/// EKS' access policies: what they give.
mod access_policy;
/// The ConfigMap aws-auth, as the authenticator takes it.
mod aws_auth;

pub use self::access_policy::{in_scope, includes, policy_allows, policy_for, policy_rules};
pub use self::aws_auth::{Entry, Mappings, Problem, ProblemKind, aws_auth, mappings};
pub use super::arn::{
    Arn, canonical, eks_cluster, is_instance_session, partition_of, partition_of_sts, region_of_endpoint,
    region_of_sts, session, without_path,
};

use crate::evidence::eks::{AccessEntries, AccessEntry, Aws, Caller};
use crate::evidence::{FailureKind, Outcome};
use crate::text::glob;

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

/// The unique id of the principal itself: what stands before the session's name.
pub fn unique_id(caller: &Caller) -> &str {
    caller.user_id.split(':').next().unwrap_or_default()
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
                if let Some((index, entry)) = entry_of(aws, entries, &arn) {
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

/// The ARN with the path of the role that is compared as `arn`: as IAM has it, else as the plugin assumes it (STS takes the
/// whole ARN only).
fn whole<'a>(aws: &'a Aws, arn: &str) -> Option<&'a str> {
    let told = aws.principal.seen().map(|principal| principal.arn.as_str());
    let named = aws.target.seen().and_then(|target| target.role_arn.as_deref());
    told.into_iter().chain(named).find(|found| without_path(found).eq_ignore_ascii_case(arn))
}

/// The access entry of whoever is compared as `arn`, and its index. An entry names a role with its path: where that is
/// known, one with another path is nobody's.
pub fn entry_of<'a>(aws: &Aws, entries: &'a AccessEntries, arn: &str) -> Option<(usize, &'a AccessEntry)> {
    let whole = whole(aws, arn);
    entries.entries.iter().enumerate().find(|(_, entry)| match whole {
        Some(whole) => entry.principal_arn.eq_ignore_ascii_case(whole),
        None => without_path(&entry.principal_arn).eq_ignore_ascii_case(arn),
    })
}

/// The access entry of a role of the same account and name with another path, its index, and the ARN of the role that is
/// there: names are unique in an account, so the entry's own role is gone, or was never there.
pub fn entry_of_another_path<'a>(aws: &'a Aws, arn: &str) -> Option<(usize, &'a AccessEntry, &'a str)> {
    let whole = whole(aws, arn)?;
    let entries = &aws.access_entries.seen()?.entries;
    let same = |entry: &AccessEntry| {
        without_path(&entry.principal_arn).eq_ignore_ascii_case(arn) && !entry.principal_arn.eq_ignore_ascii_case(whole)
    };
    let (index, entry) = entries.iter().enumerate().find(|(_, entry)| same(entry))?;
    Some((index, entry, whole))
}

/// Whom an access entry makes of the caller.
fn entry_mapping(index: usize, entry: &AccessEntry, caller: &Caller) -> Verdict {
    let source = Source::AccessEntry(index);
    let Some(details) = entry.details.seen() else {
        return Verdict::Mapped(Mapped { source, username: None, groups: Vec::new() });
    };
    let username = render(&details.username, caller);
    Verdict::Mapped(Mapped { source, username, groups: details.groups.clone() })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(arn: &str) -> Caller {
        Caller { arn: arn.to_owned(), account: "111122223333".to_owned(), user_id: "AROAX:jane@example.com".to_owned() }
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
    fn an_access_entry_of_another_path_maps_nobody() {
        let aws = |principal: Option<&str>, entry: &str| -> Aws {
            let seen = |value: serde_json::Value| serde_json::json!({ "startedMs": 0, "tookMs": 1, "seen": value });
            let mut aws = serde_json::json!({
                "target": seen(serde_json::json!({ "cluster": "prod" })),
                "caller": seen(serde_json::json!({ "arn": "arn:aws:sts::111122223333:assumed-role/Ops/jane", "account": "111122223333", "userId": "AROAX:jane" })),
                "cluster": seen(serde_json::json!({ "name": "prod", "authenticationMode": "API" })),
                "accessEntries": seen(serde_json::json!({ "total": 1, "entries": [{ "principalArn": entry }] })),
            });
            if let Some(arn) = principal {
                aws["principal"] = seen(serde_json::json!({ "arn": arn }));
            }
            serde_json::from_value(aws).expect("evidence")
        };
        let role = |path: &str| format!("arn:aws:iam::111122223333:role/{path}Ops");
        let own = role("platform/");
        for other in [role(""), role("old/")] {
            let world = aws(Some(&own), &other);
            assert_eq!(map(&world), Verdict::NotMapped, "{other}");
            let found = entry_of_another_path(&world, &role("")).map(|(index, _, whole)| (index, whole));
            assert_eq!(found, Some((0, own.as_str())), "{other}");
            // Where the path is not known, it may be this one.
            assert!(matches!(map(&aws(None, &other)), Verdict::Mapped(_)), "{other}");
        }
        let world = aws(Some(&own), &own);
        assert!(matches!(map(&world), Verdict::Mapped(_)));
        assert!(entry_of_another_path(&world, &role("")).is_none());
    }

    #[test]
    fn templates_are_filled() {
        let me = caller("arn:aws:sts::111122223333:assumed-role/Dev/jane@example.com");
        assert_eq!(render("sso:{{SessionName}}", &me).as_deref(), Some("sso:jane-example.com"));
        assert_eq!(render("sso:{{SessionNameRaw}}", &me).as_deref(), Some("sso:jane@example.com"));
        assert_eq!(render("system:node:{{EC2PrivateDNSName}}", &me), None);
    }
}
