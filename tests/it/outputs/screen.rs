//! What a terminal shows: nothing wider than it is, nothing that needs colour, progress only where somebody watches.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use kaccess::render::terminal;
use kaccess::report::doctor::Verdict;
use kaccess::report::way::{Hop, Mark, way_in, way_to_issuer};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::shells::{ARN, config, with_programs};
use super::{each_case, text_of};
use crate::support::lab;
use crate::support::run::{command, scratch};

/// A program at a terminal of its own.
pub(super) struct Terminal {
    child: Child,
    keys: File,
    shown: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    fn start(command: &mut Command, stdout: Option<Stdio>) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("a terminal");
        unlockpt(&master).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let end = || Stdio::from(OpenOptions::new().read(true).write(true).open(&name).expect("a terminal"));
        let child = command.stdin(end()).stdout(stdout.unwrap_or_else(end)).stderr(end()).spawn().expect("a program");
        // The command would hold the terminal's other end for as long as it lives.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let master = File::from(master);
        let keys = master.try_clone().expect("a terminal");
        let shown = Arc::new(Mutex::new(String::new()));
        let sink = shown.clone();
        let reader = std::thread::spawn(move || {
            let mut master = master;
            let mut buffer = [0; 4096];
            // Reading fails once the last other end is closed.
            while let Ok(count @ 1..) = master.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                sink.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Self { child, keys, shown, reader }
    }

    /// What a terminal of so many columns shows of a program that nobody colours: its answer, without what it tells beside.
    pub(super) fn of(command: &mut Command, columns: u16) -> (i32, String) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("a terminal");
        unlockpt(&master).expect("a terminal");
        let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).expect("a size");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let end = Stdio::from(OpenOptions::new().read(true).write(true).open(&name).expect("a terminal"));
        let child = command.env_remove("COLUMNS").env("NO_COLOR", "1").stdout(end).stderr(Stdio::null()).spawn();
        // The command holds the terminal's other end until it goes.
        command.stdout(Stdio::null());
        let mut shown = Vec::new();
        // Reading fails once the last other end is closed.
        let _ = File::from(master).read_to_end(&mut shown);
        let code = child.expect("a program").wait().expect("an end").code().expect("a code");
        (code, String::from_utf8(shown).expect("UTF-8").replace("\r\n", "\n"))
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn waits_for(&self, words: &str) {
        let started = Instant::now();
        while !self.shown().contains(words) {
            assert!(started.elapsed() < Duration::from_secs(60), "never shown: {words:?} in {:?}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ends(mut self) -> String {
        self.child.wait().expect("an end");
        // The last of it may still be on its way; what a program left behind may hold the terminal open.
        let started = Instant::now();
        while !self.reader.is_finished() && started.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.shown()
    }
}

/// A real tab at a real bash: the line is completed to the whole name, colons included.
#[test]
fn a_tab_completes_an_arn_in_a_terminal() {
    let config = config();
    let mut bash = with_programs("bash", &config);
    bash.env("INPUTRC", "/dev/null").env("TERM", "dumb").env("PS1", "$ ").args(["--norc", "--noprofile", "-i"]);
    let mut terminal = Terminal::start(&mut bash, None);
    terminal.waits_for("$ ");
    terminal.keys.write_all(b"source <(kaccess completion bash); echo re''ady\n").expect("keys");
    terminal.waits_for("ready");
    terminal.keys.write_all(b"kaccess version --context arn:a\t").expect("keys");
    // A line that does not fit a dumb terminal is moved: its beginning is out of sight.
    terminal.waits_for(&format!("{ARN} "));
    terminal.keys.write_all(b"-o js\t").expect("keys");
    terminal.waits_for("-o json ");
    terminal.keys.write_all(b"\nexit\n").expect("keys");
    let shown = terminal.ends();
    assert!(shown.contains("\"kind\": \"Version\""), "what was completed runs: {shown}");
}

/// The same at a zsh, whose completion lists what the words mean too.
#[test]
fn a_tab_completes_an_arn_in_zsh() {
    let config = config();
    let mut zsh = with_programs("zsh", &config);
    zsh.env("TERM", "dumb").env("PS1", "$ ").args(["-f", "-i"]);
    if Command::new("zsh").arg("--version").output().is_err() {
        return lab::skip_optional("zsh is not here");
    }
    let mut terminal = Terminal::start(&mut zsh, None);
    terminal.waits_for("$ ");
    let start = "autoload -Uz compinit && compinit -D; source <(kaccess completion zsh); print re''ady\n";
    terminal.keys.write_all(start.as_bytes()).expect("keys");
    terminal.waits_for("ready");
    terminal.keys.write_all(b"kaccess version --context arn\t").expect("keys");
    // As zsh quotes it for itself.
    terminal.waits_for("cluster/prod ");
    terminal.keys.write_all(b"-o js\t").expect("keys");
    terminal.waits_for("-o json ");
    terminal.keys.write_all(b"\nexit\n").expect("keys");
    let shown = terminal.ends();
    assert!(shown.contains("\"kind\": \"Version\""), "what was completed runs: {shown}");
}

/// And what a fish would offer, asked as it asks itself.
#[test]
fn fish_completes_contexts_and_codes() {
    let config = config();
    let ask = |line: &str| {
        let script = format!("kaccess completion fish | source; complete -C {line:?}");
        let output = with_programs("fish", &config).args(["--no-config", "-c", &script]).output().ok()?;
        Some(text_of(&output, 0))
    };
    let Some(contexts) = ask("kaccess doctor --context ") else { return lab::skip_optional("fish is not here") };
    assert!(contexts.lines().any(|line| line.starts_with(ARN)), "{contexts}");
    let codes = ask("kaccess explain token-exp").unwrap_or_default();
    assert!(codes.lines().any(|line| line.starts_with("token-expired")), "{codes}");
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    colored::control::set_override(false);
    let mut faults = Vec::new();
    each_case(|case| {
        for (width, verbose) in [(80, false), (120, false), (80, true), (120, true)] {
            let mut out = Vec::new();
            let look = terminal::Look { width, verbose, hide_claims: false };
            terminal::doctor(&case.report, &case.evidence, look, &mut out).expect("a table");
            let text = String::from_utf8(out).expect("UTF-8");
            // Commands and manifests stay as they are copied, and so does a word that is longer than a line.
            let copied: Vec<&str> = case
                .report
                .findings
                .iter()
                .flat_map(|finding| {
                    let decided = finding.candidates.iter().map(|candidate| &candidate.decided_by);
                    finding.fix.iter().chain(decided)
                })
                .flat_map(|step| step.codes())
                .flat_map(|code| code.lines())
                .collect();
            for line in text.lines().filter(|line| line.chars().count() > width) {
                let word = line.trim();
                let code = word.strip_prefix("$ ").unwrap_or(word);
                // "PROBLEMS  context ARN" and "at URL" are two words that belong together.
                let bare = word.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default();
                if !copied.iter().any(|line| line.trim() == code) && bare + 22 < word.chars().count() {
                    faults.push(format!("{} at {width}: {line}", case.name));
                }
            }
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whoever is healthy passed every hop; whoever is not sees where it ends, or where the looking ended.
#[test]
fn the_ways_agree_with_the_verdict() {
    let mut faults = Vec::new();
    each_case(|case| {
        let way: Vec<Hop> =
            way_in(&case.report).into_iter().chain(way_to_issuer(&case.report, &case.evidence)).collect();
        let failed = way.iter().any(|hop| matches!(hop.mark, Mark::Failed(_)));
        let open = way.iter().any(|hop| matches!(hop.mark, Mark::Unknown(_)));
        let agrees = match case.report.verdict {
            Verdict::Healthy => !failed,
            Verdict::Problems => failed || open,
            Verdict::Unknown => true,
        };
        if !agrees {
            faults.push(format!("{}: {} with {way:?}", case.name, case.report.verdict.word()));
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Commands whose answers come from a file or the registry, at both widths.
#[test]
fn screens_of_other_commands_fit_too() {
    let log = scratch("log").join("log");
    std::fs::write(&log, "E1123 06:21:58.123608 12710 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: authenticator not initialized]\"\n").expect("a log");
    let log = format!("@{}", log.display());
    let screens: &[&[&str]] = &[
        &["explain", "token-audience-mismatch"],
        &["explain", &log],
        &["--help"],
        &["doctor", "--help"],
        &["can-i", "--help"],
        &["completion", "--help"],
        &["man", "--help"],
        &["schema"],
    ];
    for width in [80, 120] {
        for screen in screens {
            let output = command().env("COLUMNS", width.to_string()).args(*screen).output().expect("kaccess runs");
            for line in text_of(&output, 0).lines() {
                let longest = line.split_whitespace().map(|word| word.chars().count()).max().unwrap_or_default();
                // Examples in help are commands to copy, and a log's line is shown as it stands there.
                let example = line.starts_with("  kaccess ")
                    || line.starts_with("Usage: ")
                    || line.starts_with("  eval ")
                    || line.trim_start().starts_with("$ ")
                    || line.contains("Unable to authenticate the request");
                assert!(
                    example || line.chars().count() <= width || longest + 30 > line.chars().count(),
                    "{screen:?} at {width}: {line}"
                );
            }
        }
    }
}

/// Without a terminal there is neither colour nor anything on stderr; with one, the probes at work are named there, and the
/// line is gone at the end.
#[test]
fn progress_is_shown_on_a_terminal_and_nowhere_else() {
    // A listener that takes connections and says nothing: the probe waits.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let file = scratch("kubeconfig").join("config");
    let server = format!("https://{}", silent.local_addr().expect("an address"));
    let text = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster: {{server: \"{server}\"}}\nusers:\n- name: u\n  user: {{token: opaque-token-of-a-test}}\ncurrent-context: a\ncontexts:\n- name: a\n  context: {{cluster: c, user: u}}\n"
    );
    std::fs::write(&file, text).expect("a kubeconfig");
    let doctor = |more: &[&str]| {
        let mut run = command();
        run.args(["doctor", "--no-aws", "--timeout", "2s", "--kubeconfig"]).arg(&file).args(more);
        run
    };
    let piped = doctor(&[]).output().expect("kaccess runs");
    assert!(piped.stderr.is_empty(), "{}", String::from_utf8_lossy(&piped.stderr));
    assert!(!piped.stdout.contains(&0x1b), "colour into a pipe");
    let answer = text_of(&piped, 1);
    assert!(answer.starts_with("PROBLEMS") && answer.contains("[X]"), "readable without colour: {answer}");

    let watched = Terminal::start(doctor(&["-o", "json"]).env("TERM", "xterm"), Some(Stdio::null()));
    watched.waits_for("looking: endpoint-");
    let shown = watched.ends();
    assert!(shown.ends_with("\u{1b}[2K") || shown.ends_with("\r\u{1b}[2K"), "the line is cleared: {shown:?}");
    assert!(!shown.contains("\u{1b}[3"), "no colour in it: {shown:?}");
    // NO_COLOR takes colour, not progress.
    let plain = Terminal::start(doctor(&["-o", "json"]).env("TERM", "xterm").env("NO_COLOR", "1"), Some(Stdio::null()));
    plain.waits_for("looking: ");
    plain.ends();
    for (more, term) in [(&["-q"][..], "xterm"), (&["-o", "json"], "dumb")] {
        let silent = Terminal::start(doctor(more).env("TERM", term), Some(Stdio::null()));
        let shown = silent.ends();
        assert!(!shown.contains("looking"), "{more:?} {term}: {shown:?}");
    }
}

/// A token that stands on the command line stays in the shell's history, whichever flag it stands behind.
#[test]
fn a_token_on_the_command_line_earns_a_hint() {
    let lines: &[(&[&str], &str)] = &[
        (&["whoami", "--token", "opaque-token-of-a-test"], "--token @FILE"),
        (&["who-can", "list", "pods", "--for-token", "opaque-token-of-a-test"], "--for-token @FILE"),
        (&["decode", "opaque-token-of-a-test"], "history; @FILE and - do not"),
    ];
    for (words, hint) in lines {
        let mut run = command();
        run.args(*words).args(["--server", "https://127.0.0.1:1"]);
        let shown = Terminal::start(&mut run, Some(Stdio::null())).ends();
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains("shell's history") && shown.contains(hint), "{words:?}: {shown}");
        run.arg("-q");
        let shown = Terminal::start(&mut run, Some(Stdio::null())).ends();
        assert!(!shown.contains("history"), "{words:?}: {shown}");
    }
}
