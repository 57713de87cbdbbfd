//! The ConfigMap aws-auth, as the authenticator takes it.
//!
//! Source: aws-iam-authenticator `pkg/mapper`, `pkg/config`.

use std::collections::BTreeMap;

use super::{Mapped, Source, render};
use crate::aws::yaml::{self, Value};
use crate::evidence::eks::Caller;

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
    let mut all = Mappings { problems: misspelled(data), ..Mappings::default() };
    for (section, arn_key) in [("mapRoles", "rolearn"), ("mapUsers", "userarn")] {
        for item in list(section, data, &mut all.problems).into_iter().flatten() {
            all.entries.extend(entry(section, arn_key, &item, &mut all.problems));
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

/// Keys of `data` that nobody reads, for their capitals.
fn misspelled(data: &BTreeMap<String, String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for key in data.keys() {
        if let Some(known) = ["mapRoles", "mapUsers", "mapAccounts"]
            .into_iter()
            .find(|known| key != known && key.eq_ignore_ascii_case(known))
        {
            let detail = format!("the key is spelled {key}; only {known} is read");
            problems.push(Problem { section: key.clone(), line: None, kind: ProblemKind::KeySpelling, detail });
        }
    }
    problems
}

/// One item of mapRoles or mapUsers; none where it is skipped.
fn entry(section: &'static str, arn_key: &str, item: &yaml::Node, problems: &mut Vec<Problem>) -> Option<Entry> {
    let mut problem = |line, kind, detail: String| {
        problems.push(Problem { section: section.to_owned(), line: Some(line), kind, detail });
    };
    let Value::Map(fields) = &item.value else {
        problem(item.line, ProblemKind::NoArn, "an entry is no mapping and is skipped".to_owned());
        return None;
    };
    // Go's JSON takes keys whatever their capitals; of equal ones the last counts.
    let field = |name: &str| fields.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let text = |name: &str| match field(name) {
        Some((_, yaml::Node { value: Value::Text(text), .. })) => text.clone(),
        _ => String::new(),
    };
    let arn = text(arn_key);
    if arn.is_empty() {
        // A permission set by name instead of an ARN is the authenticator's own, and not EKS'.
        let kind = if field("sso").is_some() { ProblemKind::Doubtful } else { ProblemKind::NoArn };
        problem(item.line, kind, format!("an entry without {arn_key} is skipped"));
        return None;
    }
    let mut groups = Vec::new();
    match field("groups").map(|(_, node)| (&node.value, node.line)) {
        None | Some((Value::Null, _)) => {}
        Some((Value::List(items), line)) => {
            for item in items {
                match &item.value {
                    Value::Text(group) => groups.push(group.clone()),
                    _ => problem(line, ProblemKind::Groups, "a group is no text and is dropped".to_owned()),
                }
            }
        }
        Some((_, line)) => {
            problem(line, ProblemKind::Groups, format!("groups of {arn} is no list, so the entry has none"));
        }
    }
    Some(Entry { section, line: item.line, arn, username: text("username"), groups })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(arn: &str) -> Caller {
        Caller { arn: arn.to_owned(), account: "111122223333".to_owned(), user_id: "AROAX:jane@example.com".to_owned() }
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
}
