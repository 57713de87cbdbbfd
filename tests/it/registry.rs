//! The registry: codes, pages and files hang together.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kaccess::render::explain::page_markdown;
use kaccess::rules::{RULES, explain};

#[test]
fn codes_are_unique_and_spelled_in_kebab_case() {
    let mut seen = BTreeSet::new();
    for rule in RULES {
        assert!(seen.insert(rule.code), "{} is there twice", rule.code);
        assert!(
            rule.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
            "{}",
            rule.code
        );
        assert!(!rule.explains.contains(&rule.code), "{} explains itself", rule.code);
        for part in [rule.page.means, rule.page.evidence, rule.page.fix, rule.page.references] {
            assert!(!part.trim().is_empty(), "{}: an empty part of its page", rule.code);
        }
    }
}

/// Whoever reads a page at night can copy something from its fix: a command, a flag of the API server, a line of
/// configuration.
#[test]
fn every_fix_names_a_command_or_a_setting() {
    const TOOLS: &[&str] = &[
        "kubectl",
        "kaccess",
        "aws",
        "kubeadm",
        "openssl",
        "chmod",
        "export",
        "curl",
        "dig",
        "ip",
        "timedatectl",
        "resolvectl",
        "az",
        "gcloud",
        "kubelogin",
        "command",
        "kcadm.sh",
    ];
    let bare: Vec<&str> = RULES
        .iter()
        .filter(|rule| {
            !rule.page.fix.split('`').skip(1).step_by(2).any(|span| {
                let word = span.split_whitespace().next().unwrap_or_default();
                TOOLS.contains(&word) || word.starts_with("--") && word.contains('=') || span.contains(": ")
            })
        })
        .map(|rule| rule.code)
        .collect();
    assert!(bare.is_empty(), "pages whose fix names no command or setting in backticks: {bare:?}");
}

/// Every text that is recognised leads to a rule, so that explain can say something of it.
#[test]
fn every_text_belongs_to_a_rule() {
    // A success, which only resets what was said before; and names that say something only beside other words.
    let none = ["authentication-config-reloaded", "kubernetes-client"];
    let lost: Vec<&str> = kaccess::apiserver::message::set::all()
        .map(|text| text.name)
        .filter(|name| {
            !none.contains(name) && !RULES.iter().any(|rule| rule.recognises.iter().any(|text| text.name == *name))
        })
        .collect();
    assert!(lost.is_empty(), "texts that no rule recognises: {lost:?}");
}

#[test]
fn every_file_of_a_rule_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
    let mut files = BTreeSet::new();
    for area in fs::read_dir(root).expect("src/rules") {
        let area = area.expect("an entry").path();
        // The parts of one module (reading.rs, eks.rs) are no area.
        let module = area.with_extension("rs").exists() || area.join("mod.rs").exists();
        if area.is_dir() && !module {
            for file in fs::read_dir(area).expect("an area") {
                let stem =
                    file.expect("an entry").path().file_stem().expect("a name").to_string_lossy().replace('_', "-");
                files.insert(stem);
            }
        }
    }
    let listed: BTreeSet<String> = RULES.iter().map(|rule| rule.code.to_owned()).collect();
    assert_eq!(files, listed);
}

#[test]
fn pages_in_docs_are_the_rules_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings");
    let update = std::env::var_os("KACCESS_UPDATE").is_some();
    let mut faults = Vec::new();
    let mut expected = BTreeSet::new();
    for rule in RULES {
        // As `kaccess explain CODE -o markdown` shows it.
        let mut page = Vec::new();
        page_markdown(&explain::page(rule), &mut page).expect("a page");
        let page = String::from_utf8(page).expect("UTF-8");
        let name = format!("{}.md", rule.code);
        let path = folder.join(&name);
        expected.insert(name.clone());
        if update {
            fs::create_dir_all(&folder).expect("docs/findings");
            fs::write(path, page).expect("a written page");
        } else if fs::read_to_string(path).unwrap_or_default() != page {
            faults.push(name);
        }
    }
    assert!(faults.is_empty(), "stale pages (KACCESS_UPDATE=1 cargo test registry): {}", faults.join(", "));
    let there: BTreeSet<String> = fs::read_dir(folder)
        .expect("docs/findings")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, expected, "pages without a rule");
}
