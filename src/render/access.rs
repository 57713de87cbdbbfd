//! Answers of can-i, who-can and whoami as tables and as markdown.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::Value;

use super::human::{plain, relative, wrap, wrapped};
use crate::report::access::{AccessAnswer, AccessMatrix, GrantView, KnownIdentity};

/// Least width of a column, and the blanks between two, as kubectl's tables have them.
const COLUMN: (usize, usize) = (6, 3);

/// Least room for which a last column is broken into lines.
const ROOM: usize = 16;

/// Lines in columns; the last column is not padded.
pub fn columns(rows: &[Vec<String>]) -> String {
    spaced(rows, COLUMN.1, None)
}

/// The same within a terminal's width: with closer columns where it must be, and then with the last one broken at blanks.
/// What fits in no way stays whole.
pub fn columns_within(rows: &[Vec<String>], width: Option<usize>) -> String {
    let text = columns(rows);
    let Some(width) = width else { return text };
    let fits = |text: &str| text.lines().all(|line| line.trim_end().chars().count() <= width);
    if fits(&text) {
        return text;
    }
    let close = spaced(rows, 1, None);
    if fits(&close) { close } else { spaced(rows, 2, Some(width)) }
}

fn spaced(rows: &[Vec<String>], gap: usize, width: Option<usize>) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            let widest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
            (widest.unwrap_or(0) + gap).max(COLUMN.0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            let before: usize = widths[..index].iter().sum();
            match width.and_then(|width| width.checked_sub(before)).filter(|room| *room >= ROOM) {
                Some(room) if index > 0 && index + 1 == row.len() && cell.chars().count() > room => {
                    let below = format!("\n{}", " ".repeat(before));
                    text.push_str(&wrap(cell, room).join(below.as_str()));
                }
                _ => text.push_str(cell),
            }
            if index + 1 < row.len() {
                text.extend(std::iter::repeat_n(' ', widths[index].saturating_sub(cell.chars().count())));
            }
        }
        text.push('\n');
    }
    text
}

/// Rows under a head as a list where their columns do not fit: the first cell, and below it each other with its name.
pub fn listed(rows: &[Vec<String>], width: Option<usize>) -> String {
    let text = columns(rows);
    let fits = |width: usize| text.lines().all(|line| line.trim_end().chars().count() <= width);
    let (Some(width), Some((head, rest))) = (width.filter(|width| !fits(*width)), rows.split_first()) else {
        return text;
    };
    let mut list = String::new();
    for row in rest {
        for (index, (name, cell)) in head.iter().zip(row).enumerate().filter(|(_, (_, cell))| !cell.is_empty()) {
            if index == 0 {
                list.push_str(&format!("{cell}\n"));
                continue;
            }
            let lines = wrap(&format!("{}: {cell}", name.to_lowercase()), width.saturating_sub(4).max(ROOM));
            for (number, line) in lines.iter().enumerate() {
                list.push_str(&format!("{}{line}\n", if number == 0 { "  " } else { "    " }));
            }
        }
    }
    list
}

/// A markdown table; the first row is the head.
pub fn markdown_table(rows: &[Vec<String>]) -> String {
    let cell = |text: &String| super::markdown::plain(text);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text.push_str(&format!("| {} |\n", row.iter().map(cell).collect::<Vec<_>>().join(" | ")));
        if index == 0 {
            text.push_str(&format!("|{}\n", "---|".repeat(row.len())));
        }
    }
    text
}

/// A rule in words: `get, list on pods, pods/log in API group ""`.
pub fn rule_words(rule: &Value) -> String {
    let list = |name: &str| -> Vec<String> {
        rule[name].as_array().into_iter().flatten().filter_map(|text| text.as_str().map(plain)).collect()
    };
    let verbs = list("verbs").join(", ");
    let paths = list("nonResourceURLs");
    if !paths.is_empty() {
        return format!("{verbs} on {}", paths.join(", "));
    }
    let groups: Vec<String> = list("apiGroups").iter().map(|group| format!("{group:?}")).collect();
    let mut text = format!("{verbs} on {} in API group {}", list("resources").join(", "), groups.join(", "));
    let names = list("resourceNames");
    if !names.is_empty() {
        text.push_str(&format!(", named {}", names.join(", ")));
    }
    text
}

/// A way in words.
fn grant_words(grant: &GrantView) -> String {
    if let Some(policy) = &grant.access_policy {
        let entry = grant.binding.as_ref().map(|binding| binding.name.as_str()).unwrap_or_default();
        let held = format!("the access entry of {entry} -> {} for {}", policy.name(), policy.place());
        return format!("{}: {}", plain(&held), rule_words(&grant.rule));
    }
    let subject = format!(
        "{} {}",
        grant.subject["kind"].as_str().unwrap_or_default(),
        plain(&format!("{:?}", grant.subject["name"].as_str().unwrap_or_default()))
    );
    match (&grant.binding, &grant.role) {
        (Some(binding), Some(role)) => {
            format!("{binding} -> {role}: {}; to {subject}", rule_words(&grant.rule))
        }
        _ => format!("{subject}: everything, before RBAC is asked"),
    }
}

/// One answer: kubectl's line, then the why, within the width of a terminal.
///
/// # Errors
/// When the writer fails.
pub fn answer(answer: &AccessAnswer, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    for line in plain_line(answer).lines() {
        wrapped(line, "", "  ", width, out)?;
    }
    if let Some(words) = answer.overruled().filter(|_| answer.grants.is_some()) {
        writeln!(out)?;
        wrapped(&plain(words), "", "", width, out)?;
        for grant in answer.grants.iter().flatten() {
            wrapped(&format!("RBAC: through {}", grant_words(grant)), "  ", "    ", width, out)?;
        }
    }
    if let Some(grants) = answer.grants.as_ref().filter(|_| answer.allowed == Some(true)) {
        for grant in grants {
            wrapped(&format!("through {}", grant_words(grant)), "  ", "    ", width, out)?;
        }
        if grants.is_empty() && !answer.reason.is_empty() {
            wrapped(&format!("the server says: {}", plain(&answer.reason)), "  ", "    ", width, out)?;
        }
    }
    if let Some(misses) = answer.near_misses.as_ref().filter(|misses| !misses.is_empty()) {
        writeln!(out, "\nNear misses:")?;
        for miss in misses.iter().take(10) {
            wrapped(&format!("- {}", plain(&miss.text)), "  ", "    ", width, out)?;
        }
        if misses.len() > 10 {
            writeln!(out, "  - and {} more (-o json shows all)", misses.len() - 10)?;
        }
    }
    if let Some(manifest) = &answer.manifest {
        writeln!(out)?;
        wrapped(&plain(&grant_head(answer)), "", "  ", width, out)?;
        writeln!(out)?;
        out.write_all(manifest.as_bytes())?;
    }
    Ok(())
}

/// What stands before the grant that would help.
fn grant_head(answer: &AccessAnswer) -> String {
    let doubt = if answer.rbac_in_doubt { ", if RBAC is asked at all" } else { "" };
    match &answer.gives_more {
        None => format!("The smallest grant that would make it yes{doubt}:"),
        Some(role) => format!("A grant that would make it yes{doubt}, by {role}:"),
    }
}

/// The line without anything that moves a cursor; a reason may have several lines.
fn plain_line(answer: &AccessAnswer) -> String {
    answer.line().lines().map(plain).collect::<Vec<_>>().join("\n")
}

/// The same for a ticket.
///
/// # Errors
/// When the writer fails.
pub fn answer_markdown(answer: &AccessAnswer, out: &mut dyn Write) -> io::Result<()> {
    let safe = super::markdown::plain;
    writeln!(out, "# kaccess can-i: {}\n", safe(&plain_line(answer)))?;
    writeln!(out, "- question: {}", safe(&answer.question.sentence()))?;
    let who = match (answer.subject.username.as_str(), answer.subject.groups.as_slice()) {
        ("", []) => "yourself".to_owned(),
        ("", groups) => format!("somebody in {}", groups.join(", ")),
        (user, groups) => format!("{user} (groups: {})", groups.join(", ")),
    };
    writeln!(out, "- about: {}\n- asked by: {}", safe(&who), answer.method)?;
    if let Some(words) = answer.overruled().filter(|_| answer.grants.is_some()) {
        writeln!(out, "- {}", safe(words))?;
    }
    for grant in answer.grants.iter().flatten() {
        writeln!(out, "- through {}", safe(&grant_words(grant)))?;
    }
    if let Some(misses) = answer.near_misses.as_ref().filter(|misses| !misses.is_empty()) {
        writeln!(out, "\nNear misses:\n")?;
        for miss in misses {
            writeln!(out, "- {} (`{}`)", safe(&miss.text), miss.kind)?;
        }
    }
    if let Some(manifest) = &answer.manifest {
        writeln!(out, "\n{}\n", safe(&grant_head(answer)))?;
        super::markdown::block(manifest, "", out)?;
    }
    Ok(())
}

/// Many answers, a line each, as rows for [`columns`] or [`markdown_table`].
pub fn answer_rows(answers: &[AccessAnswer]) -> Vec<Vec<String>> {
    answers
        .iter()
        .map(|answer| {
            let who = match (answer.subject.username.as_str(), answer.subject.groups.as_slice()) {
                ("", []) => String::new(),
                ("", groups) => format!(" for somebody in {}", groups.join(", ")),
                (user, _) => format!(" for {user}"),
            };
            // A line that holds no question was told about on stderr, with what is wrong with it.
            if answer.question.verb.is_empty() && answer.error.is_some() {
                let error = answer.error.as_deref().unwrap_or_default();
                let number = error.split(": ").next().unwrap_or_default();
                return vec!["unknown".to_owned(), format!("{}: no question", plain(number))];
            }
            let line = answer.line();
            let (word, reason) = line.split_once(" - ").unwrap_or((&line, ""));
            let mut row = vec![word.to_owned(), plain(&format!("{}{who}", answer.question.sentence()))];
            if !reason.is_empty() {
                row.push(plain(reason));
            }
            row
        })
        .collect()
}

/// The matrix as rows, the head first.
pub fn matrix_rows(matrix: &AccessMatrix) -> Vec<Vec<String>> {
    let many = matrix.namespaces.len() > 1;
    let head = |many: bool| -> Vec<String> {
        let place = if many { vec!["NAMESPACE".to_owned()] } else { Vec::new() };
        place
            .into_iter()
            .chain(["RESOURCE".to_owned()])
            .chain(matrix.verbs.iter().map(|verb| verb.to_uppercase()))
            .collect()
    };
    let rows = matrix.rows.iter().map(|row| {
        let mut name = row.resource.clone();
        if !row.group.is_empty() {
            name.push_str(&format!(".{}", row.group));
        }
        if !row.subresource.is_empty() {
            name.push_str(&format!("/{}", row.subresource));
        }
        let place = if many { vec![row.namespace.clone()] } else { Vec::new() };
        let cells = row.allowed.iter().map(|answer| match answer {
            Some(true) => "yes",
            Some(false) => "-",
            None => "?",
        });
        place.into_iter().chain([plain(&name)]).chain(cells.map(str::to_owned)).collect()
    });
    std::iter::once(head(many)).chain(rows).collect()
}

/// Who the server says somebody is: facts, then groups.
pub fn identity(told: &KnownIdentity, now: Timestamp, width: Option<usize>) -> String {
    let groups = listed(&group_rows(told), width);
    let trimmed: Vec<&str> = groups.lines().map(str::trim_end).collect();
    format!("{}\n{}\n", columns_within(&fact_rows(told, now), width), trimmed.join("\n"))
}

/// The same for a ticket.
pub fn identity_markdown(told: &KnownIdentity, now: Timestamp) -> String {
    let mut facts = fact_rows(told, now);
    facts.insert(0, vec!["Fact".to_owned(), "Value".to_owned()]);
    format!("# kaccess whoami\n\n{}\n{}", markdown_table(&facts), markdown_table(&group_rows(told)))
}

fn fact_rows(told: &KnownIdentity, now: Timestamp) -> Vec<Vec<String>> {
    let until = told.expires_at.map(|at| format!("{at} ({})", relative(now, at)));
    let mut facts = vec![
        vec!["username".to_owned(), plain(&told.username)],
        vec!["how it knows".to_owned(), plain(&told.origin.detail)],
        vec!["until".to_owned(), until.unwrap_or_else(|| "no end is known".to_owned())],
        vec!["server".to_owned(), plain(&told.server)],
    ];
    if !told.uid.is_empty() {
        facts.insert(1, vec!["uid".to_owned(), plain(&told.uid)]);
    }
    for (key, values) in &told.extra {
        facts.push(vec!["extra".to_owned(), format!("{}: {}", plain(key), plain(&values.join(", ")))]);
    }
    for policy in &told.access_policies {
        facts.push(vec!["access policy".to_owned(), plain(&format!("{} on {}", policy.name(), policy.place()))]);
    }
    if !told.bound_to.is_empty() {
        facts.push(vec!["bound to".to_owned(), plain(&told.bound_to.join(", "))]);
    }
    facts
}

fn group_rows(told: &KnownIdentity) -> Vec<Vec<String>> {
    let head = ["GROUP", "ORIGIN", "BOUND TO"].map(str::to_owned).to_vec();
    let rows = told.groups.iter();
    let rows = rows.map(|group| vec![plain(&group.name), plain(&group.origin), plain(&group.bound_to.join(", "))]);
    std::iter::once(head).chain(rows).collect()
}

/// Rules as `kubectl auth can-i --list` prints them: one line for each resource, verbs joined, sorted as kubectl sorts.
pub fn rule_rows(rules: &[Value], headers: bool) -> Vec<Vec<String>> {
    struct Line {
        verbs: Vec<String>,
        group: Option<String>,
        resource: Option<String>,
        name: Option<String>,
        path: Option<String>,
    }
    let mut lines: Vec<Line> = Vec::new();
    for rule in rules {
        let list = |name: &str| -> Vec<String> {
            rule[name].as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let (verbs, names) = (list("verbs"), list("resourceNames"));
        for path in list("nonResourceURLs") {
            for verb in &verbs {
                lines.push(Line {
                    verbs: vec![verb.clone()],
                    group: None,
                    resource: None,
                    name: None,
                    path: Some(path.clone()),
                });
            }
        }
        let names: Vec<Option<String>> =
            if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
        for group in list("apiGroups") {
            for resource in list("resources") {
                for verb in &verbs {
                    for name in &names {
                        let same = lines.iter_mut().find(|line| {
                            line.resource.as_ref() == Some(&resource)
                                && line.group.as_ref() == Some(&group)
                                && line.name == *name
                        });
                        match same {
                            Some(line) if line.verbs.contains(verb) => {}
                            Some(line) => line.verbs.push(verb.clone()),
                            None => lines.push(Line {
                                verbs: vec![verb.clone()],
                                group: Some(group.clone()),
                                resource: Some(resource.clone()),
                                name: name.clone(),
                                path: None,
                            }),
                        }
                    }
                }
            }
        }
    }
    // kubectl sorts by the text of Go's generated String(): verbs, groups, resources, names, paths.
    lines.sort_by_key(|line| {
        let one = |text: &Option<String>| text.clone().unwrap_or_default();
        format!(
            "Verbs:[{}],APIGroups:[{}],Resources:[{}],ResourceNames:[{}],NonResourceURLs:[{}]",
            line.verbs.join(" "),
            one(&line.group),
            one(&line.resource),
            one(&line.name),
            one(&line.path)
        )
    });
    let head = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"].map(str::to_owned).to_vec();
    let rows = lines.into_iter().map(|line| {
        let (resource, subresource) = match line.resource.as_deref().unwrap_or_default().split_once('/') {
            Some((resource, subresource)) => (resource.to_owned(), format!("/{subresource}")),
            None => (line.resource.clone().unwrap_or_default(), String::new()),
        };
        let group = line.group.filter(|group| !group.is_empty()).map(|group| format!(".{group}"));
        vec![
            plain(&format!("{resource}{}{subresource}", group.unwrap_or_default())),
            plain(&format!("[{}]", line.path.unwrap_or_default())),
            plain(&format!("[{}]", line.name.unwrap_or_default())),
            plain(&format!("[{}]", line.verbs.join(" "))),
        ]
    });
    headers.then_some(head).into_iter().chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_keep_to_a_terminal_and_are_whole_in_a_pipe() {
        let table = rows(&[&["username", "aa bb cc dd ee ff gg hh ii"]]);
        assert_eq!(columns_within(&table, None), "username   aa bb cc dd ee ff gg hh ii\n");
        assert_eq!(columns_within(&table, Some(36)), "username aa bb cc dd ee ff gg hh ii\n");
        assert_eq!(columns_within(&table, Some(28)), "username  aa bb cc dd ee ff\n          gg hh ii\n");
        // Where a column could hold hardly a word, nothing is broken.
        assert_eq!(columns_within(&table, Some(20)), "username  aa bb cc dd ee ff gg hh ii\n");
    }

    #[test]
    fn what_is_too_wide_for_columns_is_a_list_with_their_names() {
        let table = rows(&[&["GROUP", "ORIGIN", "BOUND TO"], &["dev", "the token's claim groups", ""]]);
        assert_eq!(listed(&table, None), columns(&table));
        assert_eq!(listed(&table, Some(24)), "dev\n  origin: the token's\n    claim groups\n");
    }
}
