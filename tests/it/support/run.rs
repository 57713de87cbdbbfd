//! Runs the kaccess binary as a user would, and keeps what it saw as a case.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// One finished `doctor`.
pub struct Run {
    /// Exit code.
    pub code: i32,
    /// The JSON report.
    pub report: Value,
    /// Everything it printed.
    pub stdout: String,
    /// Likewise on stderr.
    pub stderr: String,
    /// The saved evidence.
    pub evidence: PathBuf,
}

impl Run {
    /// The codes found, in order.
    pub fn codes(&self) -> Vec<String> {
        self.findings().iter().map(|finding| finding["code"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The findings.
    pub fn findings(&self) -> &[Value] {
        self.report["findings"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The finding of a code.
    pub fn finding(&self, code: &str) -> &Value {
        self.findings()
            .iter()
            .find(|finding| finding["code"] == code)
            .unwrap_or_else(|| panic!("no {code} in {}", self.stdout))
    }
}

/// A new empty folder below the system's temporary one; it stays until the machine cleans up.
pub fn scratch(name: &str) -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    let folder = RUN.get_or_init(folder_of_run).join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&folder).expect("a scratch folder");
    folder
}

/// A folder that no other run has or had: an earlier process may have had this one's number.
fn folder_of_run() -> PathBuf {
    // As a home directory: nobody else reads what is in it.
    use std::os::unix::fs::DirBuilderExt as _;
    let own = format!("kaccess-it-{}", std::process::id());
    let names = std::iter::once(own.clone()).chain((1..).map(|again| format!("{own}x{again}")));
    names
        .map(|name| std::env::temp_dir().join(name))
        .find(|folder| match fs::DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(error) => panic!("{}: {error}", folder.display()),
        })
        .expect("names without an end")
}

/// Makes a shell script that can be run. Another process writes it: here other threads start programs meanwhile, and what
/// is open for writing in this process is so in them too for a moment, in which the system runs no such file (ETXTBSY).
pub fn shell_script(path: &Path, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("sh");
    let script = format!("#!/bin/sh\n{text}\n");
    writer.stdin.take().expect("stdin").write_all(script.as_bytes()).expect("a script");
    assert!(writer.wait().expect("sh ends").success(), "{}", path.display());
}

/// A command with a quiet environment: no kubeconfig, no proxy, no colour, its own home.
pub fn command() -> Command {
    quiet(Command::new(program()))
}

/// The same, with every signal at its default: who started the tests may ignore some (nohup, a shell's background job),
/// and kaccess keeps to that.
pub fn command_with_signals() -> Command {
    if !cfg!(target_os = "linux") {
        return command();
    }
    let mut command = Command::new("env");
    command.arg("--default-signal").arg(program());
    quiet(command)
}

/// The same, giving way to everything else that runs: many at once would take the processors from the tests beside them,
/// whose programs then run into their own limits. Not the last in the queue either, where it would have none itself.
pub fn command_behind_others() -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "10"]).arg(program());
    quiet(command)
}

fn program() -> OsString {
    // Benchmarks measure a release build.
    std::env::var_os("KACCESS_BENCH_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_kaccess").into())
}

fn quiet(mut command: Command) -> Command {
    let home = scratch("home");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("COLUMNS", "80")
        .stdin(Stdio::null());
    command
}

/// Runs kaccess with these arguments.
pub fn kaccess(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("kaccess runs")
}

/// Runs `doctor` with a kubeconfig, saves the evidence, and checks that the saved form gives the same bytes again.
pub fn doctor(kubeconfig: &Path, arguments: &[&str]) -> Run {
    doctor_in::<&str>(kubeconfig, arguments, &[])
}

/// The same with these environment variables.
pub fn doctor_in<V: AsRef<OsStr>>(kubeconfig: &Path, arguments: &[&str], environment: &[(&str, V)]) -> Run {
    let evidence = scratch("evidence").join("evidence.json");
    let output = command()
        .args(["doctor", "-o", "json", "--kubeconfig"])
        .arg(kubeconfig)
        .arg("--save")
        .arg(&evidence)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("kaccess runs");
    let stdout = String::from_utf8(output.stdout).expect("UTF-8");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}\n{stderr}"));
    super::schema::hold(&report);
    let again = command().args(["doctor", "-o", "json", "--from"]).arg(&evidence).output().expect("kaccess runs");
    assert_eq!(String::from_utf8_lossy(&again.stdout), stdout, "the saved evidence gives another report");
    assert_eq!(again.status.code(), output.status.code());
    Run { code: output.status.code().unwrap_or(-1), report, stdout, stderr, evidence }
}

/// Checks a fault: exit code 1, this code first and these after it. With `KACCESS_RECORD` set, keeps the case.
pub fn expect_fault(name: &str, run: &Run, codes: &[&str]) {
    let found = run.codes();
    assert_eq!(found.first().map(String::as_str), codes.first().copied(), "{name}: {}", run.stdout);
    for code in codes {
        assert!(found.iter().any(|other| other == code), "{name}: {code} is missing in {found:?}");
    }
    assert_eq!(run.code, 1, "{name}: {}", run.stdout);
    record(name, run, codes);
}

/// Checks a healthy twin: exit code 0, no finding.
pub fn expect_healthy(name: &str, run: &Run) {
    assert_eq!(run.codes(), Vec::<String>::new(), "{name}: {}", run.stdout);
    assert_eq!(run.report["verdict"], "healthy", "{name}: {}", run.stdout);
    assert_eq!(run.code, 0, "{name}");
    record(name, run, &[]);
}

/// Checks a warning: exit code 0, this code first and these after it, and no error among them.
pub fn expect_warning(name: &str, run: &Run, codes: &[&str]) {
    let found = run.codes();
    assert_eq!(found.first().map(String::as_str), codes.first().copied(), "{name}: {}", run.stdout);
    for code in codes {
        assert!(found.iter().any(|other| other == code), "{name}: {code} is missing in {found:?}");
    }
    assert!(run.findings().iter().all(|finding| finding["severity"] != "error"), "{name}: {}", run.stdout);
    assert_eq!(run.code, 0, "{name}: {}", run.stdout);
    record(name, run, codes);
}

/// With `KACCESS_RECORD` set, keeps what was seen as a case.
pub fn record(name: &str, run: &Run, codes: &[&str]) {
    if std::env::var_os("KACCESS_RECORD").is_none() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases").join(name);
    fs::create_dir_all(&folder).expect("a case's folder");
    let text = fs::read_to_string(&run.evidence).expect("the saved evidence");
    // Folders of one test run say nothing; they would only change with each recording.
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    let temp = std::env::temp_dir();
    let temp = temp.to_string_lossy();
    let marks = [format!("{temp}/kaccess-lab-"), format!("{temp}/kaccess-it-")];
    while let Some((at, mark)) = marks.iter().filter_map(|mark| rest.find(mark.as_str()).map(|at| (at, mark))).min() {
        plain.push_str(&rest[..at]);
        plain.push_str("/lab");
        let tail = &rest[at + mark.len()..];
        rest = tail.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
    }
    plain.push_str(rest);
    // Nor does the address of this machine's resolver; one of a network of the test's own is the test's.
    let resolvers = if super::network::is_own() {
        String::new()
    } else {
        fs::read_to_string("/etc/resolv.conf").unwrap_or_default()
    };
    for address in resolvers.lines().filter_map(|line| line.trim().strip_prefix("nameserver ")) {
        plain = plain.replace(address.trim(), "192.0.2.53");
    }
    fs::write(folder.join("evidence.json"), plain).expect("the case's evidence");
    fs::write(folder.join("expect"), codes.iter().map(|code| format!("{code}\n")).collect::<String>())
        .expect("the case's codes");
}
