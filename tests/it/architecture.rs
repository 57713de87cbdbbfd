//! Who may import whom, as the table in src/lib.rs and docs/ARCHITECTURE.md say it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_stem().is_none_or(|stem| stem != "tests")
        {
            files.push(path);
        }
    }
    files
}

/// The file's code: unit tests at its end and comments are left out.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a source file");
    let code = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn module_of(path: &Path) -> String {
    let relative = path.strip_prefix(src()).expect("below src");
    let first = relative.components().next().expect("a component").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("text", &[][..]),
        ("secret", &["text"]),
        ("evidence", &[]),
        ("gotext", &[]),
        ("host", &["secret"]),
        ("credential", &["secret", "evidence", "gotext"]),
        ("apiserver", &["evidence", "gotext", "text"]),
        ("aws", &["evidence", "text"]),
        ("report", &["evidence"]),
        (
            "collect",
            &[
                "host",
                "secret",
                "evidence",
                "credential",
                "apiserver::message",
                "apiserver::configuration",
                "aws::identity",
                "gotext",
                "text",
            ],
        ),
        ("rules", &["evidence", "apiserver", "aws", "report", "gotext", "text"]),
        ("render", &["report", "evidence", "text"]),
    ]);
    let mut faults = Vec::new();
    for path in sources(&src()) {
        let module = module_of(&path);
        if matches!(module.as_str(), "cli" | "main" | "lib") {
            continue;
        }
        let Some(allowed) = table.get(module.as_str()) else {
            faults.push(format!("{}: the module {module} is not in the table", path.display()));
            continue;
        };
        for found in code(&path).split("crate::").skip(1) {
            let name: String = found.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
            let own = name == module || name.starts_with(&format!("{module}::"));
            let fine =
                own || allowed.iter().any(|allowed| name == *allowed || name.starts_with(&format!("{allowed}::")));
            if !fine {
                faults.push(format!("{}: crate::{name}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "imports against the table:\n{}", faults.join("\n"));
}

#[test]
fn the_world_is_touched_only_where_it_may_be() {
    let mut faults = Vec::new();
    for path in sources(&src()) {
        let module = module_of(&path);
        let text = code(&path);
        if !matches!(module.as_str(), "host" | "collect" | "cli" | "main") {
            for banned in [
                "std::env",
                "std::fs",
                "std::process",
                "std::net::Tcp",
                "std::net::Udp",
                "SystemTime",
                "Timestamp::now",
                "Instant::now",
                "tokio::",
            ] {
                if text.contains(banned) {
                    faults.push(format!("{}: {banned}", path.display()));
                }
            }
        }
        for banned in ["println!", "eprintln!", "print!(", "dbg!"] {
            if text.contains(banned) && !text.contains(&format!("\"{banned}")) {
                faults.push(format!("{}: {banned}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "against the house rules:\n{}", faults.join("\n"));
}

#[test]
fn one_crypto_backend() {
    // Cargo.lock also lists optional packages that are never built; the tree does not.
    let output = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--prefix", "none", "--edges", "normal,build,dev"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(tree.contains("aws-lc-rs v"), "{tree}");
    for banned in ["ring v", "openssl v", "native-tls v"] {
        assert!(!tree.lines().any(|line| line.starts_with(banned)), "{banned} is in the tree");
    }
}
