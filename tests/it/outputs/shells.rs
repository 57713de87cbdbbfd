//! Completion as real shells and kubectl ask for it, manual pages as man reads them, and the program as kubectl's plugin.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use kaccess::rules::RULES;

use super::text_of;
use crate::support::lab;
use crate::support::run::{command, kaccess, scratch};

/// A context as `aws eks update-kubeconfig` names it: with the characters at which bash breaks words.
pub(super) const ARN: &str = "arn:aws:eks:eu-central-1:111122223333:cluster/prod";

pub(super) fn config() -> PathBuf {
    let file = scratch("kubeconfig").join("config");
    let context = |name: &str, namespace: &str| {
        format!("- name: {name}\n  context: {{cluster: c, user: u, namespace: {namespace}}}\n")
    };
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: \"https://127.0.0.1:1\"}}\nusers:\n- name: u\n  user: {{token: opaque-token-of-a-test}}\ncurrent-context: staging\ncontexts:\n{}{}{}",
        context(ARN, "payments"),
        context("staging", "web"),
        context("'two words'", "web")
    );
    fs::write(&file, text).expect("a kubeconfig");
    file
}

/// A folder for PATH with kaccess under its names.
fn programs() -> PathBuf {
    let folder = scratch("path");
    for name in ["kaccess", "kubectl-kaccess", "kubectl_complete-kaccess"] {
        symlink(env!("CARGO_BIN_EXE_kaccess"), folder.join(name)).expect("a link");
    }
    folder
}

fn path_with(folder: &Path) -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(&rest))).expect("a PATH")
}

/// Runs a program with kaccess on PATH and this kubeconfig; nothing else of the machine is seen.
pub(super) fn with_programs(program: &str, config: &Path) -> Command {
    let mut run = Command::new(program);
    run.env_clear().env("PATH", path_with(&programs())).env("HOME", scratch("home")).env("KUBECONFIG", config);
    run
}

/// What bash puts into COMPREPLY for a line, as it would insert it.
fn bash(line: &str, config: &Path) -> Vec<String> {
    // Bash itself breaks the line into words, by its own rule, before it calls the function.
    let script = r#"
source <(kaccess completion bash) || exit 9
complete -p kaccess > /dev/null || exit 8
line="$1"
COMP_LINE="$line"; COMP_POINT=${#line}; COMP_WORDS=(); COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
rest="$line"
while [[ -n "$rest" ]]; do
    if [[ "$rest" =~ ^[[:blank:]]+ ]]; then rest="${rest#"${BASH_REMATCH[0]}"}"; [[ -n "$rest" ]] || COMP_WORDS+=(""); continue; fi
    if [[ "$rest" =~ ^[=:]+ ]] || [[ "$rest" =~ ^[^[:blank:]=:]+ ]]; then COMP_WORDS+=("${BASH_REMATCH[0]}"); rest="${rest#"${BASH_REMATCH[0]}"}"; fi
done
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_kaccess kaccess "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;
    let output = with_programs("bash", config).args(["--norc", "-c", script, "bash", line]).output().expect("bash");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    // compopt works only while bash itself completes.
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().filter(|l| !l.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_flags_and_what_the_machine_knows() {
    let config = config();
    let of = |line: &str| bash(line, &config);
    assert_eq!(of("kaccess doc"), ["doctor"]);
    for name in ["doctor", "decode", "can-i", "who-can", "explain", "completion", "man", "schema"] {
        assert!(of("kaccess ").contains(&name.to_owned()), "{name}");
    }
    assert_eq!(of("kaccess doctor --reviewer-c"), ["--reviewer-context"]);
    assert_eq!(of("kaccess doctor --fail-on w"), ["warning"]);
    assert_eq!(of("kaccess -o j"), ["json", "junit"]);
    // Contexts, with what bash has of them already left out.
    assert_eq!(of("kaccess doctor --context stag"), ["staging"]);
    assert_eq!(of("kaccess doctor --context a"), [ARN]);
    assert_eq!(of("kaccess doctor --context arn:aws:e"), ["eks:eu-central-1:111122223333:cluster/prod"]);
    assert_eq!(of("kaccess doctor --context arn:aws:"), ["eks:eu-central-1:111122223333:cluster/prod"]);
    assert_eq!(of("kaccess doctor --context=stag"), ["staging"]);
    assert_eq!(of("kaccess doctor --context two"), ["two\\ words"], "it is inserted as one word");
    assert_eq!(of("kaccess doctor --reviewer-context stag"), ["staging"]);
    assert_eq!(of("kaccess can-i list pods -n pay"), ["payments"]);
    assert_eq!(of("kaccess can-i list pods -n kube-sys"), ["kube-system"]);
    assert_eq!(of("kaccess can-i deletec"), ["deletecollection"]);
    assert!(of("kaccess can-i get pods/l").contains(&"pods/log".to_owned()));
    assert!(of("kaccess who-can get secret").contains(&"secrets".to_owned()));
    let codes = of("kaccess explain token-aud");
    let expected: Vec<&str> = RULES.iter().map(|rule| rule.code).filter(|code| code.starts_with("token-aud")).collect();
    assert!(!expected.is_empty() && expected.iter().all(|code| codes.contains(&(*code).to_owned())), "{codes:?}");
    assert_eq!(of("kaccess schema Doctor"), ["DoctorReport", "DoctorReportList"]);
    assert_eq!(of("kaccess man who"), ["who-can", "whoami"]);
    // Files, also where the text itself could stand.
    let folder = scratch("files");
    fs::write(folder.join("api.log"), "").expect("a file");
    let file = folder.join("api.log").display().to_string();
    assert_eq!(of(&format!("kaccess doctor --log {}/api", folder.display())), [file.as_str()]);
    for line in ["decode", "explain", "doctor --error", "whoami --token", "who-can list pods --for-token"] {
        assert_eq!(of(&format!("kaccess {line} @{}/api", folder.display())), [format!("@{file}")], "{line}");
    }
    // Other shells have no completion of their own behind ours.
    for shell in ["fish", "zsh"] {
        for (line, wanted) in
            [("doctor --log api", "api.log"), ("decode @api", "@api.log"), ("can-i -f api", "api.log")]
        {
            let words: Vec<&str> = line.split(' ').collect();
            let output = with_programs("kaccess", &config)
                .env("KACCESS_COMPLETE", shell)
                .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
                .env("_CLAP_IFS", "\n")
                .current_dir(&folder)
                .args(["--", "kaccess"])
                .args(&words)
                .output()
                .expect("kaccess");
            assert!(text_of(&output, 0).contains(wanted), "{shell} {line}: {}", text_of(&output, 0));
        }
    }
    // A kubeconfig of the line itself counts.
    let other = self::config();
    let text = fs::read_to_string(&other).expect("a kubeconfig").replace("staging", "elsewhere");
    fs::write(&other, text).expect("a kubeconfig");
    assert_eq!(of(&format!("kaccess whoami --kubeconfig {} --context else", other.display())), ["elsewhere"]);
}

#[test]
fn types_of_the_server_come_from_the_copy_on_disk() {
    let config = config();
    let cache = scratch("cache");
    let folder = cache.join("kaccess/apis");
    fs::create_dir_all(&folder).expect("a folder");
    let list = r#"{"items":[{"metadata":{"name":"example.com"},"versions":[{"resources":[{"resource":"widgets","scope":"Namespaced"}]}]}]}"#;
    fs::write(folder.join("127.0.0.1_1.json"), list).expect("a copy");
    let output = with_programs("kaccess", &config)
        .env("KACCESS_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3")
        .env("_CLAP_IFS", "\n")
        .env("KUBECACHEDIR", &cache)
        .args(["--", "kaccess", "can-i", "list", "widg"])
        .output()
        .expect("kaccess");
    assert_eq!(text_of(&output, 0).trim(), "widgets.example.com");
}

#[test]
fn every_shell_has_its_script() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = text_of(&kaccess(&["completion", shell]), 0);
        assert!(script.contains("KACCESS_COMPLETE") && script.contains("kaccess"), "{shell}: {script}");
        assert!(!script.contains("/target/") && !script.contains(env!("CARGO_BIN_EXE_kaccess")), "{shell}: a path");
    }
    let output = kaccess(&["completion", "csh"]);
    assert_eq!(output.status.code(), Some(2));
    let output = kaccess(&["completion", "bash", "-o", "json"]);
    assert_eq!(output.status.code(), Some(2));
    // Where the shell is there, it reads its script.
    for (shell, arguments) in [("zsh", ["-n"]), ("fish", ["--no-execute"])] {
        let file = scratch("script").join("script");
        fs::write(&file, text_of(&kaccess(&["completion", shell]), 0)).expect("a script");
        match Command::new(shell).args(arguments).arg(&file).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => lab::tell(&format!("{shell} is not here; its script was not run")),
        }
    }
}

/// kubectl reads what cobra's programs write.
#[test]
fn kubectl_completes_its_plugin() {
    let config = config();
    let ask = |words: &[&str]| {
        let output = with_programs("kubectl_complete-kaccess", &config).args(words).output().expect("kaccess");
        text_of(&output, 0)
    };
    let contexts = ask(&["doctor", "--context", ""]);
    assert_eq!(contexts, format!("{ARN}\nstaging\ntwo words\n:4\n"));
    let commands = ask(&["doc"]);
    let line = commands.lines().next().expect("a line");
    assert!(line.starts_with("doctor\tWhy can't I get in?"), "{commands}");
    assert!(ask(&[]).contains("who-can\t"));
    // A name that cannot be shown as it is: what would be left of it finds no context. Its namespace is known all the same.
    let other = self::config();
    let mut text = fs::read_to_string(&other).expect("a kubeconfig");
    let others = [("unseen\\u200b", "of-unseen"), ("opaque-token-of-a-test", "of-token"), ("two\\nlines", "of-lines")];
    for (name, namespace) in others {
        text.push_str(&format!("- name: \"{name}\"\n  context: {{cluster: c, user: u, namespace: {namespace}}}\n"));
    }
    fs::write(&other, text).expect("a kubeconfig");
    let ask = |words: &[&str]| {
        text_of(&with_programs("kubectl_complete-kaccess", &other).args(words).output().expect("kaccess"), 0)
    };
    assert_eq!(ask(&["doctor", "--context", ""]), contexts);
    assert_eq!(ask(&["can-i", "list", "pods", "-n", "of-"]), "of-unseen\nof-token\nof-lines\n:4\n");
    let Some(lab) = lab::require_apiserver() else { return };
    let output = with_programs("bash", &config)
        .args(["--norc", "-c", "exec \"$1\" __complete kaccess doctor --context stag", "bash"])
        .arg(lab.kubectl())
        .output()
        .expect("kubectl");
    assert!(text_of(&output, 0).starts_with("staging\n:4"), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn as_kubectls_plugin_it_answers_to_that_name() {
    let config = config();
    let run = |words: &[&str]| with_programs("kubectl-kaccess", &config).args(words).output().expect("kaccess");
    let help = text_of(&run(&["--help"]), 0);
    assert!(help.contains("Usage: kubectl kaccess [OPTIONS] <COMMAND>"), "{help}");
    assert!(help.contains("\n  kubectl kaccess doctor ") && !help.contains("\n  kaccess "), "{help}");
    assert!(text_of(&run(&["can-i", "--help"]), 0).contains("Usage: kubectl kaccess can-i"));
    // Examples too, wherever in their line the command stands.
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("the commands");
    let commands: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"explain") && commands.contains(&"doctor"), "{commands:?}");
    for page in &commands {
        let help = text_of(&run(&["help", page]), 0);
        for command in &commands {
            let bare = help.matches(&format!("kaccess {command}")).count();
            let typed = help.matches(&format!("kubectl kaccess {command}")).count();
            assert!(bare == typed, "{typed} of {bare} kaccess {command} in the help of {page}: {help}");
        }
    }
    let output = run(&["doctr"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("Usage: kubectl kaccess") && errors.contains("'doctor'"), "{errors}");
    // What it advises is typed so too; what programs read stays as it is.
    let unauthorized = "error: You must be logged in to the server (Unauthorized)";
    let advice = text_of(&run(&["explain", unauthorized]), 0);
    assert!(advice.contains("kubectl kaccess doctor --reviewer-context") && !advice.contains("$ kaccess "), "{advice}");
    let json = text_of(&run(&["explain", "-o", "json", unauthorized]), 0);
    assert!(json.contains("\"kaccess doctor --reviewer-context") && !json.contains("kubectl kaccess"), "{json}");
    // A page is for people too.
    let page = text_of(&run(&["doctor", "--demo", "-o", "html"]), 1);
    let (all, typed) = (page.matches("kaccess doctor").count(), page.matches("kubectl kaccess doctor").count());
    assert!(all > 0 && all == typed, "{typed} of {all}: {page}");
    let hint = String::from_utf8_lossy(&run(&["doctor", "--from", "/no/such/file"]).stderr).into_owned();
    assert!(hint.contains("hint: give a file written by kubectl kaccess doctor --save"), "{hint}");
    // Under its own name it is itself.
    assert!(text_of(&kaccess(&["--help"]), 0).contains("Usage: kaccess [OPTIONS] <COMMAND>"));
    let Some(lab) = lab::require_apiserver() else { return };
    let kubectl = lab.kubectl().to_string_lossy().into_owned();
    let output = with_programs(&kubectl, &config).args(["kaccess", "version"]).output().expect("kubectl");
    assert_eq!(text_of(&output, 0), format!("kaccess {}\n", env!("CARGO_PKG_VERSION")));
    let output = with_programs(&kubectl, &config).args(["plugin", "list"]).output().expect("kubectl");
    assert!(String::from_utf8_lossy(&output.stdout).contains("kubectl-kaccess"));
}

#[test]
fn manual_pages_are_read_by_man_without_a_complaint() {
    let folder = scratch("man");
    let output = command().args(["man", "--dir"]).arg(&folder).output().expect("kaccess runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut pages: Vec<PathBuf> = fs::read_dir(&folder).expect("pages").flatten().map(|entry| entry.path()).collect();
    pages.sort();
    let names: Vec<String> =
        pages.iter().filter_map(|page| Some(page.file_name()?.to_string_lossy().into_owned())).collect();
    for name in ["kaccess.1", "kaccess-doctor.1", "kaccess-can-i.1", "kaccess-schema.1"] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    let one = text_of(&kaccess(&["man"]), 0);
    assert!(one.contains(".TH kaccess 1"), "{one}");
    let source = format!("\"kaccess {}\"", env!("CARGO_PKG_VERSION"));
    let page = text_of(&kaccess(&["man", "can-i"]), 0);
    let title = page.lines().find(|line| line.starts_with(".TH kaccess-can-i 1")).expect("a title");
    assert!(title.contains(&source), "{title}");
    let written = fs::read_to_string(folder.join("kaccess-can-i.1")).expect("a page");
    assert!(written.contains(title), "{title}");
    let output = kaccess(&["man", "doc"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean doctor?"));
    for program in ["groff", "mandoc"] {
        let arguments: &[&str] = if program == "groff" { &["-man", "-Tutf8", "-ww"] } else { &["-W", "error"] };
        for page in &pages {
            let Ok(read) = Command::new(program).args(arguments).arg(page).output() else {
                lab::tell(&format!("{program} is not here; it read no page"));
                break;
            };
            let errors = String::from_utf8_lossy(&read.stderr).into_owned();
            assert!(read.status.success() && errors.is_empty(), "{program} {}: {errors}", page.display());
            assert!(String::from_utf8_lossy(&read.stdout).to_lowercase().contains("kaccess"));
        }
    }
    assert!(fs::metadata(&pages[0]).expect("a page").permissions().mode() & 0o400 != 0);
}
