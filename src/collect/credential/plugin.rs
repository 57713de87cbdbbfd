//! One run of the plugin, from what client-go refuses before it up to what its end and its output say.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::exec_credential::exec_credential;
use super::exec_info::exec_info;
use super::pipes::{Stdout, read_stderr, read_stdout, tail};
use super::policy;
use super::running::Running;
use super::{ExecOptions, GROUP, PluginOutput};
use crate::collect::interrupt;
use crate::collect::kubeconfig::{ExecConfig, Resolved, io_words, scrub_args};
use crate::evidence::credential::{A_PROGRAM, AN_INTERPRETER, CARRIAGE_RETURN, EndedBy, PluginRun};
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::{Scrubber, Secret};

/// Runs the plugin once, as client-go would.
///
/// The first value is evidence: a plugin that ran and failed, or whose output is unusable, is an `Ok` run whose
/// `output_error` holds client-go's words. The second value is there only if kubectl could use the output.
///
/// # Errors
/// A [`Failure`] when it was not run: [`FailureKind::Declined`], [`FailureKind::PluginNotFound`] (with the install hint
/// in `needs`), [`FailureKind::PluginFailed`] for what client-go refuses before it starts the program, or the user
/// entry's own failure. What kubectl's preferences forbid is declined as well, with the finding's code in `fault`.
pub async fn run_plugin(
    exec: &ExecConfig,
    resolved: &Resolved,
    host: &Host,
    options: &ExecOptions,
    scrubber: &Scrubber,
) -> (Result<PluginRun, Failure>, Option<PluginOutput>) {
    let plugin = match Plugin::of(exec, resolved, host, options, scrubber) {
        Ok(plugin) => plugin,
        Err(failure) => return (Err(failure), None),
    };
    let command = scrubber.text(&exec.command);
    let mut run = PluginRun { program: scrubber.text(&plugin.program.to_string_lossy()), ..PluginRun::default() };
    let mut process = plugin.process(exec, resolved, host);
    // Before it runs: no moment is left in which a signal would end kaccess alone.
    interrupt::listen();
    let end = match Running::start(&mut process, !plugin.interactive) {
        Ok((child, running)) => watch(child, running, options, scrubber).await,
        Err(error) => return (Err(not_started(exec, &plugin.program, scrubber, &error)), None),
    };

    // First learn what came out, then let stderr into the evidence: plugins print their tokens when asked for debugging.
    // Past the limit the pipe is closed, so how the plugin ended is kaccess' doing.
    let too_large = matches!(end.stdout, Stdout::TooLarge);
    let (bytes, complaint) = end.stdout.taken();
    let output = exec_credential(&bytes, plugin.version, scrubber);
    let args: Vec<String> = exec.args.iter().map(|arg| arg.expose().to_owned()).collect();
    run.stderr = tail(&scrubber.text(&end.stderr));
    run.args = scrub_args(&args, scrubber);
    match end.status {
        None => {
            run.ended = Some(EndedBy::Limit);
            let seconds = options.timeout.as_secs_f64();
            run.output_error =
                Some(format!("exec: executable {command} did not end within {seconds} s and was killed"));
        }
        Some(Err(error)) => {
            run.ended = Some(EndedBy::Other);
            run.output_error = Some(format!("exec: {}", io_words(&error)));
        }
        Some(Ok(status)) => {
            run.exit_code = status.code();
            if run.exit_code.is_none() {
                run.ended = Some(if too_large { EndedBy::Other } else { EndedBy::Signal });
            }
            run.output_error = match (status.success(), complaint, &output) {
                (false, _, _) if !too_large => {
                    let code = status.code().unwrap_or(-1);
                    Some(format!("exec: executable {command} failed with exit code {code}"))
                }
                (_, Some(complaint), _) => Some(complaint),
                (_, None, Err(complaint)) => Some(scrubber.text(complaint)),
                (_, None, Ok(_)) => None,
            };
        }
    }
    let usable = run.output_error.is_none();
    (Ok(run), output.ok().filter(|_| usable))
}

/// A plugin that may be run, and how.
struct Plugin<'e> {
    program: PathBuf,
    /// `v1` or `v1beta1`.
    version: &'e str,
    /// It may ask the user.
    interactive: bool,
}

impl<'e> Plugin<'e> {
    /// What kubectl, the flags and the machine say of it before it runs.
    fn of(
        exec: &'e ExecConfig,
        resolved: &Resolved,
        host: &Host,
        options: &ExecOptions,
        scrubber: &Scrubber,
    ) -> Result<Self, Failure> {
        // kubectl stops at a faulty user entry before it would run the plugin.
        if let Some(failure) = &resolved.user.failure {
            return Err(failure.clone());
        }
        let command = scrubber.text(&exec.command);
        let Some(version @ ("v1" | "v1beta1")) =
            exec.api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/'))
        else {
            let seen = scrubber.text(&exec.api_version);
            return Err(Failure::new(FailureKind::PluginFailed, format!("exec plugin: invalid apiVersion \"{seen}\""))
                .sides(format!("{GROUP}/v1 or {GROUP}/v1beta1"), seen));
        };
        if !options.allowed {
            return Err(Failure::new(FailureKind::Declined, format!("the credential plugin {command} was not run"))
                .needs("a run without --no-exec and --offline"));
        }
        if let Some(refusal) = policy::refusal(exec, host, scrubber) {
            return Err(refusal);
        }
        let interactive = may_ask(exec, &command, host, options, scrubber)?;
        let Some(program) = look_up(&exec.command, host) else {
            let mut failure =
                Failure::new(FailureKind::PluginNotFound, format!("exec: executable {command} not found"))
                    .sides(format!("an executable {command} in a folder of PATH"), "none");
            if let Some(found) = before_blank(&exec.command).filter(|first| look_up(first, host).is_some()) {
                failure.seen = Some(format!("{A_PROGRAM}{}", scrubber.text(found)));
            }
            failure.needs = exec.install_hint.clone();
            return Err(failure);
        };
        Ok(Self { program, version, interactive })
    }

    fn process(&self, exec: &ExecConfig, resolved: &Resolved, host: &Host) -> Command {
        let mut process = Command::new(&self.program);
        #[cfg(unix)]
        process.arg0(&exec.command);
        process
            .args(exec.args.iter().map(Secret::expose))
            .env_clear()
            .envs(&host.env)
            .envs(exec.env.iter().map(|(name, value)| (name, value.expose())))
            .env("KUBERNETES_EXEC_INFO", exec_info(exec, self.version, self.interactive, resolved))
            .stdin(if self.interactive { Stdio::inherit() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // A group of its own can be ended whole. One that talks to the user must stay in the terminal's group to read
        // there.
        #[cfg(unix)]
        if !self.interactive {
            process.process_group(0);
        }
        process
    }
}

/// Whether it may ask the user, by the entry's interactiveMode.
fn may_ask(
    exec: &ExecConfig,
    command: &str,
    host: &Host,
    options: &ExecOptions,
    scrubber: &Scrubber,
) -> Result<bool, Failure> {
    match exec.interactive_mode.as_str() {
        "Never" => Ok(false),
        "IfAvailable" => Ok(options.interactive && host.stdin_is_terminal),
        "Always" if !host.stdin_is_terminal => {
            let detail = "exec plugin cannot support interactive mode: standard input is not a terminal";
            Err(Failure::new(FailureKind::PluginFailed, detail))
        }
        "Always" if !options.interactive => {
            let detail =
                format!("the credential plugin {command} always asks the user, and this command starts no login");
            Err(Failure::new(FailureKind::Declined, detail))
        }
        "Always" => Ok(true),
        other => {
            let detail = format!("exec plugin cannot support interactive mode: unknown interactiveMode: {other:?}");
            Err(Failure::new(FailureKind::PluginFailed, scrubber.text(&detail)))
        }
    }
}

fn not_started(exec: &ExecConfig, program: &Path, scrubber: &Scrubber, error: &std::io::Error) -> Failure {
    let shown = scrubber.text(&program.to_string_lossy());
    let detail = format!("exec: fork/exec {shown}: {}", io_words(error));
    if error.kind() != std::io::ErrorKind::NotFound {
        return Failure::new(FailureKind::PluginFailed, detail);
    }
    // The system says the same of a file that is not there and of one that cannot be run for want of another.
    if std::fs::metadata(program).is_ok_and(|data| data.is_file()) {
        let (expected, seen) = wants(program);
        return Failure::new(FailureKind::PluginFailed, detail).sides(scrubber.text(&expected), scrubber.text(&seen));
    }
    let mut failure = Failure::new(FailureKind::PluginNotFound, detail);
    if let Some(first) = before_blank(&exec.command).filter(|first| is_executable(Path::new(first))) {
        failure = failure.sides(format!("a program {shown}"), format!("{A_PROGRAM}{}", scrubber.text(first)));
    }
    failure.needs = exec.install_hint.clone();
    failure
}

/// What stands before the first blank of a command: whoever writes arguments there means this program.
fn before_blank(command: &str) -> Option<&str> {
    command.split_once(' ').map(|(first, _)| first).filter(|first| !first.is_empty())
}

/// What a file that is there lacks to be run, and what there is.
fn wants(program: &Path) -> (String, String) {
    use std::io::Read as _;
    let mut head = Vec::new();
    let _ = std::fs::File::open(program).and_then(|file| file.take(512).read_to_end(&mut head));
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(line) = line.strip_prefix(b"#!") else {
        return ("the loader that the program was built for".to_owned(), "none".to_owned());
    };
    let line = String::from_utf8_lossy(line);
    let named = line.trim_start_matches([' ', '\t']);
    let interpreter = named.split([' ', '\t']).next().unwrap_or_default();
    match interpreter.strip_suffix('\r') {
        Some(bare) => (format!("{AN_INTERPRETER}{bare}"), CARRIAGE_RETURN.to_owned()),
        None => (format!("{AN_INTERPRETER}{interpreter}"), "none".to_owned()),
    }
}

/// How a plugin ended, and what it wrote.
struct End {
    /// Absent where it did not end within the limit.
    status: Option<std::io::Result<ExitStatus>>,
    stdout: Stdout,
    stderr: String,
}

/// Reads what it writes until it ends, or ends it at the limit.
async fn watch(mut child: Child, running: Running, options: &ExecOptions, scrubber: &Scrubber) -> End {
    let deadline = Instant::now() + options.timeout;
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let sink = options.show_stderr.clone();
    let live = scrubber.clone();
    // Each pipe has its own task and the same deadline: what the plugin started may hold them open after its end.
    let out = tokio::spawn(async move { read_stdout(stdout, deadline).await });
    let (ended, end) = tokio::sync::watch::channel(false);
    let err = tokio::spawn(async move { read_stderr(stderr, deadline, end, sink, live).await });

    let status = tokio::time::timeout_at(deadline, child.wait()).await;
    if status.is_err() {
        running.end();
        let _ = child.start_kill();
        let _ = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
    }
    running.ended();
    let stdout = out.await.unwrap_or(Stdout::Lost);
    // What a plugin leaves behind on purpose (an agent, a browser) lives on, as it does under kubectl; what still holds
    // the pipe at the limit does not.
    if matches!(stdout, Stdout::Open) {
        running.end();
    }
    running.let_go();
    let _ = ended.send(true);
    let stderr = err.await.unwrap_or_default();
    End { status: status.ok(), stdout, stderr }
}

/// exec.LookPath: a name without a separator is looked up on the PATH of this process (not of the entry's `env`),
/// and only an executable file counts; folders that are relative are not searched.
pub(super) fn look_up(command: &str, host: &Host) -> Option<PathBuf> {
    if command.is_empty() {
        return None;
    }
    if command.contains('/') {
        return Some(PathBuf::from(command));
    }
    let path = host.env.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_else(OsString::new);
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(command))
        .find(|file| is_executable(file))
}

pub(super) fn is_executable(file: &Path) -> bool {
    let Ok(data) = std::fs::metadata(file) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        data.is_file() && data.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    data.is_file()
}
