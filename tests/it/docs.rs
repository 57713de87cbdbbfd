//! What the documents say is what the program does.

use std::fs;
use std::path::Path;

use crate::support::run::command;

const COMMANDS: &[&str] = &[
    "doctor",
    "decode",
    "can-i",
    "who-can",
    "whoami",
    "explain",
    "allowlist",
    "workload",
    "completion",
    "man",
    "schema",
    "version",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn help(arguments: &[&str]) -> String {
    let output = command().args(arguments).arg("--help").env("COLUMNS", "100").output().expect("kaccess runs");
    assert!(output.status.success(), "{arguments:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// What each command's JSON and YAML is, by the names of its schemas.
const ANSWERS: &[(&str, &[&str])] = &[
    ("doctor", &["DoctorReport", "DoctorReportList"]),
    ("decode", &["CredentialReport"]),
    ("can-i", &["AccessAnswer", "AccessAnswerList", "AccessList", "AccessMatrix"]),
    ("who-can", &["WhoCan"]),
    ("whoami", &["Identity"]),
    ("explain", &["Explanation", "FindingPage", "FindingList"]),
    ("allowlist", &["Allowlist"]),
    ("workload", &["WorkloadIdentity", "MigrationPlan"]),
    ("schema", &["SchemaList"]),
    ("version", &["Version"]),
];

/// One page a command, and one that lists them, from `--help`.
#[test]
fn command_pages_are_the_help() {
    let whole = help(&[]);
    let listed = whole.split("Commands:").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
    let mut list = String::from(
        "# The commands\n\nThese pages are written from `--help` (`KACCESS_UPDATE=1 cargo test --test it -- docs::`). Forms, exit codes and \
         scripts: [outputs](../outputs.md).\n\n| command | answers |\n|---|---|\n",
    );
    for line in listed.lines().filter(|line| !line.trim().is_empty()) {
        let (name, about) = line.trim().split_once(' ').expect("a name and what it does");
        assert!(COMMANDS.contains(&name) || name == "help", "docs/commands lacks {name}");
        if name != "help" {
            list.push_str(&format!("| [{name}]({name}.md) | {} |\n", about.trim()));
        }
    }
    list.push_str(&format!(
        "\n## kaccess\n\nThe flags for connection and output stand here alone and work with every command.\n\n```text\n{whole}```\n"
    ));
    let mut pages = vec![("README".to_owned(), list)];
    for name in COMMANDS {
        let whole = help(&[name]);
        // The global flags stand on the list's page, once.
        let end = whole.find("\nExamples:").or_else(|| whole.find("\nExit codes:"));
        let own = match (whole.find("\nConnection:"), end) {
            (Some(from), Some(to)) => format!("{}{}", &whole[..from], &whole[to..]),
            (Some(from), None) => whole[..from].to_owned(),
            _ => whole,
        };
        let mut page = format!("# kaccess {name}\n\n```text\n{own}```\n");
        if let Some((_, kinds)) = ANSWERS.iter().find(|(command, _)| command == name) {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("[{kind}](../schemas/{kind}.json)")).collect();
            page.push_str(&format!("\nAs `-o json` and `-o yaml`: {}.\n", kinds.join(", ")));
            let none = ["schema", "version"].contains(name);
            assert!(none || page.contains("\nExit codes: 0 "), "{name}: no exit codes in its help");
        }
        page.push_str(
            "\nFlags for connection and output: [all commands](README.md). Exit codes: [outputs](../outputs.md).\n",
        );
        pages.push(((*name).to_owned(), page));
    }
    let schemas = fs::read_dir(root().join("docs/schemas")).expect("schemas").count();
    let named: usize = ANSWERS.iter().map(|(_, kinds)| kinds.len()).sum();
    assert_eq!(named, schemas, "a schema belongs to no command's page");
    for (name, page) in pages {
        let path = root().join(format!("docs/commands/{name}.md"));
        if std::env::var_os("KACCESS_UPDATE").is_some() {
            fs::create_dir_all(root().join("docs/commands")).expect("docs/commands");
            fs::write(&path, &page).expect("docs/commands");
        }
        let stale = "stale: KACCESS_UPDATE=1 cargo test --test it -- docs::";
        assert_eq!(fs::read_to_string(&path).unwrap_or_default(), page, "{name}: {stale}");
    }
}

/// Every `kaccess ...` in the documents is a command that exists, with flags that it has.
#[test]
fn commands_in_documents_exist() {
    let mut checked = 0;
    let mut pages = vec![root().join("README.md")];
    for folder in ["docs", "docs/commands", "docs/findings", "docs/runbooks"] {
        let Ok(entries) = fs::read_dir(root().join(folder)) else { continue };
        pages.extend(
            entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md")),
        );
    }
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        let spans =
            text.split('`').skip(1).step_by(2).chain(text.lines().filter_map(|line| line.trim().strip_prefix("$ ")));
        for span in spans.filter(|span| span.starts_with("kaccess ") && !span.contains('\n')) {
            let mut words = span.split_whitespace().skip(1);
            let Some(name) = words.next().filter(|name| !name.starts_with(['-', '.'])) else { continue };
            assert!(COMMANDS.contains(&name), "{}: `{span}`: no such command", page.display());
            let help = help(&[name]);
            for flag in words.filter(|word| word.starts_with("--") && word.len() > 2) {
                let flag = flag.split('=').next().unwrap_or_default().trim_end_matches([',', ';']);
                assert!(help.contains(flag), "{}: `{span}`: {name} has no {flag}", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} commands were found");
}

/// The transcript in the README is a part of the recorded report.
#[test]
fn the_transcript_is_the_recorded_report() {
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let report = fs::read_to_string(root().join("testdata/cases/first-incident/report.txt")).expect("the report");
    let transcript = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a transcript");
    let mut rest = report.as_str();
    for line in transcript.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "...") {
        let at = rest.find(line).unwrap_or_else(|| panic!("not in the report, or not in this order: {line}"));
        rest = &rest[at..];
    }
}

/// A transcript of a runbook names its case above it, and stands in that case's report as it is.
#[test]
fn transcripts_of_runbooks_are_recorded_reports() {
    let mut checked = 0;
    for page in fs::read_dir(root().join("docs/runbooks")).expect("docs/runbooks") {
        let page = page.expect("an entry").path();
        let text = fs::read_to_string(&page).expect("a page");
        for part in text.split("<!-- testdata/cases/").skip(1) {
            let (name, rest) = part.split_once(" -->").expect("a case's name");
            let block = rest.trim_start().strip_prefix("```text\n").and_then(|rest| rest.split("```").next());
            let transcript = block.expect("a transcript").trim_end();
            let report = root().join("testdata/cases").join(name).join("report.txt");
            let report = fs::read_to_string(report).expect("the case's report");
            assert!(report.contains(transcript), "{}: not in the report of {name}", page.display());
            checked += 1;
        }
    }
    assert!(checked >= 4, "only {checked} transcripts were found");
}

/// Every test that docs/SECURITY.md names is there, and every promise names one.
#[test]
fn promises_name_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/SECURITY.md")).expect("docs/SECURITY.md");
    let mut named = 0;
    for span in page.split('`').skip(1).step_by(2) {
        let Some((module, test)) = span
            .rsplit_once("::")
            .filter(|(module, test)| !module.contains(' ') && test.contains('_') && *module != "file")
        else {
            continue;
        };
        named += 1;
        // A unit test stands in the source of its module, all others below tests/it.
        let unit = module.strip_suffix("::tests");
        let folder = if unit.is_some() { "src" } else { "tests/it" };
        let path = root().join(folder).join(unit.unwrap_or(module).replace("::", "/"));
        let text = [path.with_extension("rs"), path.join("mod.rs")]
            .iter()
            .find_map(|path| fs::read_to_string(path).ok())
            .unwrap_or_else(|| panic!("{span}: no such file"));
        let there = text.split("#[test]").skip(1).any(|part| part.contains(&format!("fn {test}()")));
        assert!(there, "{span}: no such test");
    }
    assert!(named > 20, "only {named} tests are named");
    // Each promise of a list names its test before the next one begins.
    let promises =
        page.split("\n## ").filter(|part| part.starts_with("What is read") || part.starts_with("What is sent"));
    for promise in promises.flat_map(|part| part.split("\n- ").skip(1)) {
        let alone = promise.starts_with("The kubeconfig and the files");
        assert!(alone || promise.contains("::"), "a promise without a test: {promise}");
    }
}

/// The anchor that a heading gets, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim().to_lowercase().chars().filter(|c| kept(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn pages(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of docs").flatten() {
        let path = entry.path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The text without its blocks and spans of code, in which brackets are no links.
fn prose(page: &str) -> String {
    let mut text = String::new();
    let mut fenced = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            text.push_str(&line.split('`').step_by(2).collect::<String>());
            text.push('\n');
        }
    }
    text
}

/// Every link of the documents leads to a file that is there, and to a heading of it; links into the web are whole.
#[test]
fn links_lead_somewhere() {
    let mut found = vec![root().join("README.md")];
    pages(&root().join("docs"), &mut found);
    let (mut checked, mut faults) = (0, Vec::new());
    for page in found {
        let text = prose(&fs::read_to_string(&page).expect("a page"));
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let bare = text
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split_once('>').map(|(link, _)| link))
            .filter(|link| link.starts_with("http"));
        for link in links.chain(bare) {
            checked += 1;
            if link.starts_with("http") {
                let whole = url::Url::parse(link)
                    .is_ok_and(|url| url.scheme() == "https" && url.host_str().is_some_and(|host| host.contains('.')));
                if !whole {
                    faults.push(format!("{}: {link}", page.display()));
                }
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().expect("a folder").join(path) };
            let there = target.exists()
                && (heading.is_empty()
                    || fs::read_to_string(&target).is_ok_and(|text| {
                        text.lines()
                            .any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == heading)
                    }));
            if !there {
                faults.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(checked > 300, "only {checked} links");
    assert!(faults.is_empty(), "links that lead nowhere:\n{}", faults.join("\n"));
}

/// docs/DEPENDENCIES.md has a row for each direct dependency, and none for another.
#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let mut declared = std::collections::BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| inside) {
            declared.insert(name.to_owned());
        }
    }
    let page = fs::read_to_string(root().join("docs/DEPENDENCIES.md")).expect("the page");
    let told: std::collections::BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .flat_map(|names| names.split(", ").map(str::to_owned))
        .filter(|name| name != "dependency")
        .collect();
    let missing: Vec<_> = declared.difference(&told).collect();
    let gone: Vec<_> = told.difference(&declared).collect();
    assert!(missing.is_empty() && gone.is_empty(), "no row: {missing:?}; no dependency: {gone:?}");
    assert!(declared.len() > 40);
}
