//! What is printed to be pasted runs nothing but ours, whatever names a server, a token or a file chose.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kaccess::evidence::Evidence;
use kaccess::report::Finding;
use kaccess::rules::{Case, check_all};
use serde::Deserialize as _;
use serde_json::Value;

/// Ends a word, a quote and a line, and would run `RUNS` in every one of them.
const EVIL: &str = "x$(RUNS)`RUNS`;RUNS|RUNS&'RUNS\"RUNS'\"\nRUNS";

fn commands(findings: &[Finding]) -> Vec<String> {
    let steps = findings
        .iter()
        .flat_map(|finding| finding.fix.iter().chain(finding.candidates.iter().map(|candidate| &candidate.decided_by)));
    steps.filter_map(|step| step.command.as_deref().map(str::to_owned)).collect()
}

/// What a shell would take for more than plain text: all that stands outside single quotes.
fn outside_quotes(command: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut rest = command.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None, '\'') => quote = Some('\''),
            // bash's quotes with escapes.
            (None, '$') if rest.peek() == Some(&'\'') => {
                rest.next();
                quote = Some('$');
            }
            (None, '\\') => {
                rest.next();
            }
            (None, c) => out.push(c),
            (Some('$'), '\\') => {
                rest.next();
            }
            (Some(_), '\'') => quote = None,
            (Some(_), _) => {}
        }
    }
    assert_eq!(quote, None, "a quote stays open: {command}");
    out
}

/// Every text of the evidence, with its place.
fn leaves(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => found.push((at.to_owned(), text.clone())),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                leaves(item, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        _ => {}
    }
}

/// The commands that come of the evidence with one text made evil; it is as it was afterwards.
fn changed(value: &mut Value, at: &str, text: &str) -> Option<Vec<String>> {
    let own = std::mem::replace(value.pointer_mut(at)?, Value::String(text.to_owned()));
    let evidence = Evidence::deserialize(&*value);
    *value.pointer_mut(at)? = own;
    Some(commands(&check_all(&Case::new(&evidence.ok()?))))
}

#[test]
fn no_name_runs_anything_when_a_fix_is_pasted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut tried = BTreeSet::new();
    let (mut worlds, mut shown, mut faults) = (0, 0, Vec::new());
    let mut names: Vec<_> = fs::read_dir(root).expect("cases").map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    for folder in names {
        let text = fs::read_to_string(folder.join("evidence.json")).expect("evidence");
        let mut value: Value = serde_json::from_str(&text).expect("JSON");
        let Ok(evidence) = Evidence::deserialize(&value) else { continue };
        let findings = check_all(&Case::new(&evidence));
        let plain = commands(&findings);
        let mut all = Vec::new();
        leaves(&value, "", &mut all);
        let codes: Vec<&str> = findings.iter().map(|finding| finding.code).collect();
        for (at, text) in all {
            // Only texts of which a command holds at least the last part; each place once for each finding.
            let last = text.rsplit([':', '/', '#']).find(|part| part.len() > 1).unwrap_or_default();
            if last.is_empty() || !plain.iter().any(|command| command.contains(last)) {
                continue;
            }
            if !tried.insert(format!("{codes:?} {}", at.replace(|c: char| c.is_ascii_digit(), ""))) {
                continue;
            }
            for evil in [format!("{text}{EVIL}"), EVIL.to_owned()] {
                let Some(commands) = changed(&mut value, &at, &evil) else { continue };
                worlds += 1;
                for command in commands {
                    shown += usize::from(command.contains("RUNS"));
                    if outside_quotes(&command).contains("RUNS") {
                        faults.push(format!("{} {at}: {command}", folder.display()));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} of {worlds}:\n{}", faults.len(), faults.join("\n"));
    assert!(worlds > 500 && shown > 300, "only {worlds} worlds, and {shown} commands held the text");
}
