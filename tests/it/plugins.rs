//! Credential plugins that ask, hang, flood and leak, under a terminal and without one.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::support::run::{command, command_with_signals, doctor, expect_fault, scratch, shell_script};
use crate::support::stage::{Ended, watched, within};

/// A kubeconfig whose user runs this shell script; nobody listens at its server.
fn kubeconfig(script: &str, mode: &str) -> PathBuf {
    let folder = scratch("plugin");
    let program = folder.join("login");
    shell_script(&program, script);
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": program, "interactiveMode": mode });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{ "name": "c", "cluster": { "server": "https://127.0.0.1:1" } }],
        "contexts": [{ "name": "a", "context": { "cluster": "c", "user": "u" } }],
        "users": [{ "name": "u", "user": { "exec": exec } }],
    });
    let path = folder.join("config");
    fs::write(&path, config.to_string()).expect("a kubeconfig");
    path
}

fn giving(token: &str) -> String {
    let credential = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": { "token": token } });
    format!("cat <<'END'\n{credential}\nEND")
}

/// kaccess at a terminal of its own.
struct Terminal {
    child: Child,
    shown: Arc<Mutex<String>>,
    evidence: PathBuf,
    started: Instant,
    reader: JoinHandle<()>,
}

impl Terminal {
    fn doctor(kubeconfig: &Path, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("a terminal");
        unlockpt(&master).expect("a terminal");
        let name = ptsname(&master, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let end = || Stdio::from(OpenOptions::new().read(true).write(true).open(&name).expect("a terminal"));
        let evidence = scratch("evidence").join("evidence.json");
        let started = Instant::now();
        let child = command()
            .args(["doctor", "--color", "never", "--kubeconfig"])
            .arg(kubeconfig)
            .arg("--save")
            .arg(&evidence)
            .args(arguments)
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("kaccess");
        let shown = Arc::new(Mutex::new(String::new()));
        let sink = shown.clone();
        let reader = std::thread::spawn(move || {
            let mut master = File::from(master);
            let mut buffer = [0; 4096];
            // Reading fails once the last other end is closed.
            while let Ok(count @ 1..) = master.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                sink.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Self { child, shown, evidence, started, reader }
    }

    fn shown(&self) -> String {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long it took until this was shown, while kaccess still ran.
    fn waits_with(&mut self, words: &str) -> Duration {
        loop {
            if self.shown().contains(words) {
                assert!(self.child.try_wait().expect("a child").is_none(), "it has ended: {}", self.shown());
                return self.started.elapsed();
            }
            assert!(self.started.elapsed() < Duration::from_secs(60), "never shown: {}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything shown, the saved evidence, and the time it all took.
    fn end(mut self) -> (String, serde_json::Value, Duration) {
        self.child.wait().expect("kaccess ends");
        let took = self.started.elapsed();
        // The last of it may still be on its way.
        let ended = Instant::now();
        while !self.reader.is_finished() && ended.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let evidence = fs::read_to_string(&self.evidence).expect("evidence");
        (self.shown(), serde_json::from_str(&evidence).expect("evidence"), took)
    }
}

const ASKS: &str = "echo 'To sign in, open https://login.example/device and enter the code ABCD-EFGH' >&2";

#[test]
fn a_device_code_is_shown_at_a_terminal_and_waited_for() {
    let script = format!("{ASKS}\n[ -t 0 ] || exit 9\nsleep 2\n{}", giving("opaque-token-of-a-test"));
    let mut run = Terminal::doctor(&kubeconfig(&script, "IfAvailable"), &["--timeout", "1s"]);
    run.waits_with("https://login.example/device and enter the code ABCD-EFGH");
    let (shown, evidence, took) = run.end();
    assert!(took >= Duration::from_secs(2), "{took:?}: {shown}");
    // The login is not counted against the limit of the run.
    assert_eq!(evidence["plugin"]["seen"]["exitCode"], 0, "{evidence:#}");
    assert_eq!(evidence["credential"]["seen"]["source"], "exec", "{evidence:#}");

    // Nobody types the code.
    let script = format!("{ASKS}\nexec sleep 60");
    let shown = within(Duration::from_secs(7), || {
        let mut run = Terminal::doctor(&kubeconfig(&script, "Always"), &["--exec-timeout", "2s"]);
        run.waits_with("ABCD-EFGH");
        let (shown, _, took) = run.end();
        assert!(took >= Duration::from_secs(2), "{took:?}");
        shown
    });
    assert!(shown.contains("exec-timeout"), "{shown}");
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let script = format!("{ASKS}\nsleep 60");
    let run = doctor(&kubeconfig(&script, "Always"), &[]);
    assert_eq!(run.codes()[0], "exec-needs-terminal", "{}", run.stdout);
    let run = within(Duration::from_secs(6), || doctor(&kubeconfig(&script, "IfAvailable"), &["--exec-timeout", "1s"]));
    expect_fault("exec-timeout-device-code", &run, &["exec-timeout"]);
    assert!(run.findings()[0]["evidence"].to_string().contains("ABCD-EFGH"), "{}", run.stdout);
}

/// Whether a process is there and no zombie.
#[cfg(target_os = "linux")]
fn lives(id: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

/// Waits for the end of a process that would sleep for minutes by itself.
#[cfg(target_os = "linux")]
fn gone(file: &Path) {
    let id = fs::read_to_string(file).expect("a process id").trim().to_owned();
    let started = Instant::now();
    while lives(&id) {
        assert!(started.elapsed() < Duration::from_secs(20), "process {id} lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_plugin_started_ends_with_it() {
    // It sleeps for ever, and so does its child.
    let pids = scratch("pids");
    let (child, own) = (pids.join("child"), pids.join("own"));
    let script = format!("echo $$ > {}\nsleep 300 &\necho $! > {}\nsleep 300", own.display(), child.display());
    let run = within(Duration::from_secs(6), || doctor(&kubeconfig(&script, "Never"), &["--exec-timeout", "2s"]));
    assert_eq!(run.codes()[0], "exec-timeout", "{}", run.stdout);
    gone(&own);
    gone(&child);

    // It ends, and its child keeps the pipe open.
    let script = format!("sleep 300 &\necho $! > {}\n{}", child.display(), giving("opaque-token-of-a-test"));
    let run = doctor(&kubeconfig(&script, "Never"), &["--exec-timeout", "4s"]);
    assert_eq!(run.codes()[0], "exec-output-invalid", "{}", run.stdout);
    gone(&child);

    // An agent that holds nothing of ours is left alone, as kubectl leaves it.
    let script =
        format!("sleep 300 >/dev/null 2>&1 &\necho $! > {}\n{}", child.display(), giving("opaque-token-of-a-test"));
    doctor(&kubeconfig(&script, "Never"), &["--exec-timeout", "20s"]);
    let agent = fs::read_to_string(&child).expect("a process id").trim().to_owned();
    assert!(lives(&agent), "the agent was killed");
    let _ = std::process::Command::new("kill").arg(&agent).status();

    // An interrupt ends them too.
    let script = format!("sleep 300 &\necho $! > {}\nsleep 300", child.display());
    let _ = fs::remove_file(&child);
    let mut run = command_with_signals()
        .args(["doctor", "--kubeconfig"])
        .arg(kubeconfig(&script, "Never"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("kaccess");
    let started = Instant::now();
    while fs::read_to_string(&child).unwrap_or_default().trim().is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60), "the plugin never started");
        std::thread::sleep(Duration::from_millis(20));
    }
    let id = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(id, rustix::process::Signal::INT).expect("an interrupt");
    run.wait().expect("kaccess ends");
    gone(&child);
}

/// A plugin that hangs ends with the limit that is given for it, or for the run, on every command that may run one.
#[test]
fn a_hanging_plugin_ends_with_its_limit() {
    let config = kubeconfig("sleep 30", "Never");
    for words in [
        &["can-i", "list", "pods", "--exec-timeout", "1s"][..],
        &["who-can", "list", "pods", "--exec-timeout", "1s"],
        &["whoami", "--exec-timeout", "1s"],
        &["workload", "x", "--exec-timeout", "1s"],
        &["decode", "--exec-timeout", "1s"],
        &["decode", "--timeout", "1s"],
        &["can-i", "list", "pods", "--timeout", "1s"],
    ] {
        let output = within(Duration::from_secs(6), || {
            command().args(words).arg("--kubeconfig").arg(&config).output().expect("kaccess runs")
        });
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        assert!(stderr.contains("within 1 s"), "{words:?}: {stderr}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn floods_are_not_kept_in_memory() {
    for (name, script) in [
        ("stdout", "head -c 1000000000 /dev/zero".to_owned()),
        ("stderr", format!("head -c 200000000 /dev/zero >&2\n{}", giving("opaque-token-of-a-test"))),
        ("stderr of one line without an end", "head -c 50000000 /dev/zero | tr '\\0' x >&2; exit 1".to_owned()),
    ] {
        let mut run = command();
        run.args(["doctor", "--exec-timeout", "50s", "--kubeconfig"]).arg(kubeconfig(&script, "Never"));
        let Ended { peak, .. } = watched(&mut run, Duration::from_secs(150));
        assert!(peak > 0 && peak < 64_000, "{name}: {peak} kB at most");
    }
}

#[test]
fn escapes_and_secrets_reach_no_terminal() {
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let jwt = format!(
        "{}.{}.{}",
        engine.encode(r#"{"alg":"RS256"}"#),
        engine.encode(r#"{"sub":"alice"}"#),
        engine.encode([7; 256])
    );
    let script = format!(
        "printf '\\033[31mred\\033[0m \\033]0;title\\007 \\033[2J\\033c bell\\007\\r\\n' >&2\necho 'debug: got {jwt}' >&2\nsleep 3\n{}",
        giving(&jwt)
    );
    let mut run = Terminal::doctor(&kubeconfig(&script, "IfAvailable"), &[]);
    run.waits_with("red");
    let (shown, evidence, _) = run.end();
    assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}'), "{shown:?}");
    let signature = jwt.rsplit('.').next().unwrap_or_default();
    assert!(!shown.contains(signature) && !evidence.to_string().contains(signature), "{shown}");
    assert!(evidence["plugin"]["seen"]["stderr"].to_string().contains("red"), "{evidence:#}");

    // A secret without a form of its own is known once the plugin has given it.
    let script = format!("echo 'debug: opaque-secret-of-a-test-4711' >&2\n{}", giving("opaque-secret-of-a-test-4711"));
    let run = doctor(&kubeconfig(&script, "Never"), &[]);
    let evidence = fs::read_to_string(&run.evidence).expect("evidence");
    assert!(evidence.contains("debug:"), "{evidence}");
    assert!(!evidence.contains("4711") && !run.stdout.contains("4711") && !run.stderr.contains("4711"), "{evidence}");
}
