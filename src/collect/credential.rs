//! The credential that will be sent: runs the plugin as client-go does, reads token files, and says where it came from.
//!
//! Source of behaviour and wording: client-go's `plugin/pkg/client/auth/exec/exec.go` and
//! `transport/token_source.go`, tried against kubectl 1.32.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;

use super::key_pair::{self, KeyPairFault};
use super::kubeconfig::{ExecConfig, Resolved, io_words, read_limited, scrub_args, version_and_kind};
use super::yaml::{self, Node, Reader, Value};
use super::{ClientIdentity, Roots};
use crate::evidence::credential::{Credential, CredentialSource, EndedBy, PluginRun};
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::{Scrubber, Secret};

/// Largest plugin output that is read, in bytes.
const LARGEST_STDOUT: usize = 1024 * 1024;

/// How much of the end of stderr is kept, in bytes.
const KEPT_STDERR: usize = 8 * 1024;

/// How long stderr is still read after the plugin has ended: what it started may keep it open.
const STDERR_GRACE: Duration = Duration::from_millis(200);

/// An unfinished line on stderr (a prompt) is shown after this much silence.
const PROMPT_SILENCE: Duration = Duration::from_millis(150);

const GROUP: &str = "client.authentication.k8s.io";

/// The credential itself, as it will be sent.
#[derive(Debug, Clone, Default)]
pub struct Obtained {
    /// Bearer token.
    pub token: Option<Secret>,
    /// Client certificate with key.
    pub client_identity: Option<ClientIdentity>,
    /// User name and password.
    pub basic: Option<(String, Secret)>,
}

/// What a plugin gave.
#[derive(Debug, Clone, Default)]
pub struct PluginOutput {
    /// Bearer token.
    pub token: Option<Secret>,
    /// Client certificate, PEM.
    pub certificate: Option<String>,
    /// Its key, PEM.
    pub key: Option<Secret>,
    /// When the plugin says that it ends.
    pub expiration: Option<Timestamp>,
}

/// Takes scrubbed pieces of a plugin's stderr as they come: whole lines with their line feed, or an unfinished prompt.
pub type StderrSink = Arc<dyn Fn(&str) + Send + Sync>;

/// How a plugin may be run.
#[derive(Clone)]
pub struct ExecOptions {
    /// Whether it may be run at all (`--no-exec` forbids it).
    pub allowed: bool,
    /// Limit for the whole run (`--exec-timeout`, 60 s by default).
    pub timeout: Duration,
    /// Where stderr is shown while it comes, if it is shown.
    pub show_stderr: Option<StderrSink>,
    /// Whether the user may be asked something (false for `--all-contexts` and `--watch`).
    pub interactive: bool,
}

impl Default for ExecOptions {
    fn default() -> Self {
        Self { allowed: true, timeout: Duration::from_secs(60), show_stderr: None, interactive: false }
    }
}

/// Runs the plugin once, as client-go would.
///
/// The first value is evidence: a plugin that ran and failed, or whose output is unusable, is an `Ok` run whose
/// `output_error` holds client-go's words. The second value is there only if kubectl could use the output.
///
/// # Errors
/// A [`Failure`] when it was not run: [`FailureKind::Declined`], [`FailureKind::PluginNotFound`] (with the install hint
/// in `needs`), [`FailureKind::PluginFailed`] for what client-go refuses before it starts the program, or the user
/// entry's own failure.
pub async fn run_plugin(
    exec: &ExecConfig,
    resolved: &Resolved,
    host: &Host,
    options: &ExecOptions,
    scrubber: &Scrubber,
) -> (Result<PluginRun, Failure>, Option<PluginOutput>) {
    // kubectl stops at a faulty user entry before it would run the plugin.
    if let Some(failure) = &resolved.user.failure {
        return (Err(failure.clone()), None);
    }
    let command = scrubber.text(&exec.command);
    let refused = |kind, detail: String| (Err(Failure::new(kind, detail)), None);
    let version = match exec.api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/')) {
        Some(version @ ("v1" | "v1beta1")) => version,
        _ => {
            let seen = scrubber.text(&exec.api_version);
            let failure =
                Failure::new(FailureKind::PluginFailed, format!("exec plugin: invalid apiVersion \"{seen}\""))
                    .sides(format!("{GROUP}/v1 or {GROUP}/v1beta1"), seen);
            return (Err(failure), None);
        }
    };
    if !options.allowed {
        let failure = Failure::new(FailureKind::Declined, format!("the credential plugin {command} was not run"))
            .needs("a run without --no-exec and --offline");
        return (Err(failure), None);
    }
    let interactive = match exec.interactive_mode.as_str() {
        "Never" => false,
        "IfAvailable" => options.interactive && host.stdin_is_terminal,
        "Always" if !host.stdin_is_terminal => {
            let detail = "exec plugin cannot support interactive mode: standard input is not a terminal";
            return refused(FailureKind::PluginFailed, detail.to_owned());
        }
        "Always" if !options.interactive => {
            let detail =
                format!("the credential plugin {command} always asks the user, and this command starts no login");
            return refused(FailureKind::Declined, detail);
        }
        "Always" => true,
        other => {
            let detail = format!("exec plugin cannot support interactive mode: unknown interactiveMode: {other:?}");
            return refused(FailureKind::PluginFailed, scrubber.text(&detail));
        }
    };
    let program = match look_up(&exec.command, host) {
        Some(program) => program,
        None => {
            let mut failure =
                Failure::new(FailureKind::PluginNotFound, format!("exec: executable {command} not found"))
                    .sides(format!("an executable {command} in a folder of PATH"), "none");
            failure.needs = exec.install_hint.clone();
            return (Err(failure), None);
        }
    };

    let args: Vec<String> = exec.args.iter().map(|arg| arg.expose().to_owned()).collect();
    let mut run = PluginRun { program: scrubber.text(&program.to_string_lossy()), ..PluginRun::default() };
    let mut process = tokio::process::Command::new(&program);
    #[cfg(unix)]
    process.arg0(&exec.command);
    process
        .args(&args)
        .env_clear()
        .envs(&host.env)
        .envs(exec.env.iter().map(|(name, value)| (name, value.expose())))
        .env("KUBERNETES_EXEC_INFO", exec_info(exec, version, interactive, resolved))
        .stdin(if interactive { Stdio::inherit() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    // A group of its own can be ended whole. One that talks to the user must stay in the terminal's group to read there.
    #[cfg(unix)]
    if !interactive {
        process.process_group(0);
    }
    // Before it runs: no moment is left in which a signal would end kaccess alone.
    super::interrupt::listen();
    let (mut child, group) = match Running::start(&mut process, !interactive) {
        Ok(started) => started,
        Err(error) => {
            let kind = match error.kind() {
                std::io::ErrorKind::NotFound => FailureKind::PluginNotFound,
                _ => FailureKind::PluginFailed,
            };
            let mut failure = Failure::new(kind, format!("exec: fork/exec {}: {}", run.program, io_words(&error)));
            if kind == FailureKind::PluginNotFound {
                failure.needs = exec.install_hint.clone();
            }
            return (Err(failure), None);
        }
    };

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
        group.end();
        let _ = child.start_kill();
        let _ = tokio::time::timeout(Duration::from_secs(1), child.wait()).await;
    }
    group.ended();
    let stdout = out.await.unwrap_or(Stdout::Lost);
    // What a plugin leaves behind on purpose (an agent, a browser) lives on, as it does under kubectl; what still holds
    // the pipe at the limit does not.
    if matches!(stdout, Stdout::Open) {
        group.end();
    }
    group.let_go();
    let _ = ended.send(true);
    let stderr = err.await.unwrap_or_default();

    // First learn what came out, then let stderr into the evidence: plugins print their tokens when asked for debugging.
    // Past the limit the pipe is closed, so how the plugin ended is kaccess' doing.
    let too_large = matches!(stdout, Stdout::TooLarge);
    let (bytes, complaint) = match stdout {
        Stdout::Whole(bytes) => (bytes, None),
        Stdout::TooLarge => {
            (Vec::new(), Some(format!("decoding stdout: larger than {LARGEST_STDOUT} bytes, not read")))
        }
        Stdout::Open => {
            (Vec::new(), Some("its standard output stays open after its end (kubectl would wait for ever)".to_owned()))
        }
        Stdout::Lost => (Vec::new(), Some("its standard output could not be read".to_owned())),
    };
    let output = exec_credential(&bytes, version, scrubber);
    run.stderr = tail(&scrubber.text(&stderr));
    run.args = scrub_args(&args, scrubber);
    match status {
        Err(_) => {
            run.ended = Some(EndedBy::Limit);
            let seconds = options.timeout.as_secs_f64();
            run.output_error =
                Some(format!("exec: executable {command} did not end within {seconds} s and was killed"));
        }
        Ok(Err(error)) => {
            run.ended = Some(EndedBy::Other);
            run.output_error = Some(format!("exec: {}", io_words(&error)));
        }
        Ok(Ok(status)) => {
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

/// Plugins that run now, for a signal that ends kaccess: a plugin outside the terminal's group never hears a Ctrl-C.
#[cfg(unix)]
static RUNNING: std::sync::Mutex<Vec<Group>> = std::sync::Mutex::new(Vec::new());

/// Ends every plugin that runs, with all that it started.
pub fn end_plugins() {
    #[cfg(unix)]
    for group in RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
        group.kill();
    }
}

/// A plugin's process, with its process group where it leads one.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    leader: rustix::process::Pid,
    own: bool,
}

#[cfg(unix)]
impl Group {
    fn kill(self) {
        use rustix::process::{Signal, kill_process, kill_process_group};
        // It may have ended by itself.
        let _ = if self.own {
            kill_process_group(self.leader, Signal::KILL)
        } else {
            kill_process(self.leader, Signal::KILL)
        };
    }
}

/// A running plugin; its group ends when this is dropped before it is let go, as on an interrupt.
struct Running {
    #[cfg(unix)]
    group: Option<Group>,
}

impl Running {
    /// Starts a plugin, with the group that it leads where it has one of its `own`. It is known before anybody can ask
    /// which plugins run: a signal that comes in between waits for it.
    fn start(process: &mut tokio::process::Command, own: bool) -> std::io::Result<(tokio::process::Child, Self)> {
        #[cfg(unix)]
        {
            let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let child = process.spawn()?;
            let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
            let group = id.map(|leader| Group { leader, own });
            running.extend(group);
            Ok((child, Self { group }))
        }
        #[cfg(not(unix))]
        {
            let _ = own;
            Ok((process.spawn()?, Self {}))
        }
    }

    /// Kills every process of its group.
    fn end(&self) {
        #[cfg(unix)]
        if let Some(group) = self.group.filter(|group| group.own) {
            group.kill();
        }
    }

    /// The plugin itself has ended, so that its number may become another process'; its group is still known by it.
    fn ended(&self) {
        #[cfg(unix)]
        if let Some(group) = self.group.filter(|group| !group.own) {
            forget(group);
        }
    }

    /// Leaves it alone from here on.
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is nothing to forget"))]
    fn let_go(mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group.take() {
            forget(group);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        #[cfg(unix)]
        if let Some(group) = self.group {
            forget(group);
        }
    }
}

#[cfg(unix)]
fn forget(group: Group) {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner).retain(|other| *other != group);
}

/// exec.LookPath: a name without a separator is looked up on the PATH of this process (not of the entry's `env`),
/// and only an executable file counts; folders that are relative are not searched.
fn look_up(command: &str, host: &Host) -> Option<PathBuf> {
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

fn is_executable(file: &Path) -> bool {
    let Ok(data) = std::fs::metadata(file) else { return false };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        data.is_file() && data.permissions().mode() & 0o111 != 0
    }
    #[cfg(not(unix))]
    data.is_file()
}

/// The ExecCredential that the plugin gets in KUBERNETES_EXEC_INFO, in client-go's form.
fn exec_info(exec: &ExecConfig, version: &str, interactive: bool, resolved: &Resolved) -> String {
    let mut spec = serde_json::Map::new();
    if exec.provide_cluster_info {
        let mut cluster = serde_json::Map::new();
        let server = resolved.server.as_str();
        let server = if resolved.server.path() == "/" { server.trim_end_matches('/') } else { server };
        cluster.insert("server".to_owned(), server.into());
        if let Some(name) = &resolved.tls_server_name {
            cluster.insert("tls-server-name".to_owned(), name.as_str().into());
        }
        if resolved.insecure {
            cluster.insert("insecure-skip-tls-verify".to_owned(), true.into());
        }
        if let Roots::Pem { pem, .. } = &resolved.roots {
            let data = base64::engine::general_purpose::STANDARD.encode(pem);
            cluster.insert("certificate-authority-data".to_owned(), data.into());
        }
        if let Some(proxy) = &resolved.proxy_url {
            cluster.insert("proxy-url".to_owned(), proxy.as_str().into());
        }
        if exec.disable_compression {
            cluster.insert("disable-compression".to_owned(), true.into());
        }
        cluster.insert("config".to_owned(), exec.cluster_config.clone().unwrap_or(serde_json::Value::Null));
        spec.insert("cluster".to_owned(), cluster.into());
    }
    spec.insert("interactive".to_owned(), interactive.into());
    serde_json::json!({ "kind": "ExecCredential", "apiVersion": format!("{GROUP}/{version}"), "spec": spec })
        .to_string()
}

/// What was read from a plugin's standard output.
enum Stdout {
    Whole(Vec<u8>),
    TooLarge,
    Open,
    Lost,
}

async fn read_stdout(pipe: Option<impl AsyncRead + Unpin>, deadline: Instant) -> Stdout {
    let Some(pipe) = pipe else { return Stdout::Lost };
    let mut bytes = Vec::new();
    let mut limited = pipe.take(LARGEST_STDOUT as u64 + 1);
    match tokio::time::timeout_at(deadline, limited.read_to_end(&mut bytes)).await {
        Err(_) => Stdout::Open,
        Ok(Err(_)) => Stdout::Lost,
        Ok(Ok(_)) if bytes.len() > LARGEST_STDOUT => Stdout::TooLarge,
        Ok(Ok(_)) => Stdout::Whole(bytes),
    }
}

/// Reads stderr until its end, the deadline, or a moment after the plugin's end; keeps the last 8 KiB (and some more,
/// so that a secret at the cut is still recognised) and passes lines on as they come.
async fn read_stderr(
    pipe: Option<impl AsyncRead + Unpin>,
    deadline: Instant,
    mut end: tokio::sync::watch::Receiver<bool>,
    sink: Option<StderrSink>,
    scrubber: Scrubber,
) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept: Vec<u8> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    let mut chunk = [0u8; 4096];
    let mut until = deadline;
    let mut ended = false;
    let show = |bytes: &mut Vec<u8>| {
        if let (Some(sink), false) = (&sink, bytes.is_empty()) {
            sink(&live_text(&String::from_utf8_lossy(bytes), &scrubber));
        }
        bytes.clear();
    };
    loop {
        let silence = Instant::now() + PROMPT_SILENCE;
        tokio::select! {
            read = pipe.read(&mut chunk) => {
                let Ok(count @ 1..) = read else { break };
                kept.extend_from_slice(&chunk[..count]);
                if kept.len() > 8 * KEPT_STDERR {
                    kept.drain(..kept.len() - 4 * KEPT_STDERR);
                }
                if sink.is_some() {
                    for byte in &chunk[..count] {
                        line.push(*byte);
                        if *byte == b'\n' || line.len() >= KEPT_STDERR {
                            show(&mut line);
                        }
                    }
                }
            }
            () = tokio::time::sleep_until(silence), if !line.is_empty() => show(&mut line),
            changed = end.changed(), if !ended => {
                ended = true;
                if changed.is_ok() {
                    until = until.min(Instant::now() + STDERR_GRACE);
                }
            }
            () = tokio::time::sleep_until(until) => break,
        }
    }
    show(&mut line);
    String::from_utf8_lossy(&kept).into_owned()
}

/// Scrubs a piece of stderr for the eyes of the user who is logging in: login URLs stay whole, though their state and
/// challenge look like secrets, unless they carry a token or a signature.
fn live_text(text: &str, scrubber: &Scrubber) -> String {
    let mut urls: Vec<String> = Vec::new();
    let mut rest = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let start = word.find("https://").or_else(|| word.find("http://"));
        let is_login = |url: &str| {
            let url = url.to_ascii_lowercase();
            !["token=", "eyj", "x-amz-", "secret=", "password=", "@"].iter().any(|part| url.contains(part))
        };
        match start {
            Some(start) if is_login(&word[start..]) => {
                let end = word.trim_end().len();
                rest.push_str(&word[..start]);
                // A private-use character stands for the URL while the rest is scrubbed.
                rest.push('\u{e000}');
                rest.push_str(&word[end..]);
                urls.push(scrubber.known_only(&word[start..end]));
            }
            _ => rest.push_str(&word.replace('\u{e000}', "")),
        }
    }
    let mut shown = String::with_capacity(text.len());
    let mut urls = urls.into_iter();
    for c in scrubber.text(&rest).chars() {
        match c {
            '\u{e000}' => shown.push_str(&urls.next().unwrap_or_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// The last 8 KiB of a text.
fn tail(text: &str) -> String {
    if text.len() <= KEPT_STDERR {
        return text.to_owned();
    }
    let mut start = text.len() - KEPT_STDERR;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("…{}", &text[start..])
}

/// Decodes a plugin's standard output as client-go does for an API version (`v1`, `v1beta1`).
///
/// # Errors
/// In client-go's words; quotes nothing of the output.
pub fn exec_credential(bytes: &[u8], version: &str, scrubber: &Scrubber) -> Result<PluginOutput, String> {
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len());
    let node = if bytes.get(start) == Some(&b'{') {
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
            learn_anything(bytes, scrubber);
            let words = match error.classify() {
                serde_json::error::Category::Eof => "unexpected end of JSON input".to_owned(),
                _ if error.to_string().starts_with("trailing characters") => {
                    "invalid character after top-level value".to_owned()
                }
                _ => format!("invalid character at line {} column {}", error.line(), error.column()),
            };
            format!("decoding stdout: couldn't get version/kind; json parse error: {words}")
        })?;
        yaml::from_json(&value)
    } else {
        yaml::parse(bytes).map_err(|error| {
            learn_anything(bytes, scrubber);
            format!("decoding stdout: {}", error.text)
        })?
    };
    // Learn before judging: output that kubectl refuses may hold a token all the same.
    let status = node.get("status");
    for field in ["token", "clientKeyData"] {
        if let Some(Value::Text(text)) = status.and_then(|status| status.get(field)).map(|node| &node.value) {
            scrubber.learn(text);
        }
    }
    if !matches!(node.value, Value::Map(_)) {
        learn_anything(bytes, scrubber);
    }

    let (api_version, kind) = version_and_kind(&node).map_err(|(text, _)| format!("decoding stdout: {text}"))?;
    // A missing version decodes into the internal type; a missing kind is taken from what is expected.
    let got = if api_version.is_empty() {
        format!("{GROUP}/__internal")
    } else if kind.is_empty() {
        api_version.clone()
    } else {
        let known =
            kind == "ExecCredential" && [format!("{GROUP}/v1"), format!("{GROUP}/v1beta1")].contains(&api_version);
        if !known {
            return Err(format!(
                "decoding stdout: no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/client/auth/exec/exec.go:62\""
            ));
        }
        api_version.clone()
    };
    let (mut output, has_status) = typed(&node, version).map_err(|text| format!("decoding stdout: {text}"))?;
    let wanted = format!("{GROUP}/{version}");
    if got != wanted {
        return Err(format!("exec plugin is configured to use API version {wanted}, plugin returned version {got}"));
    }
    if !has_status {
        return Err("exec plugin didn't return a status field".to_owned());
    }
    match (&output.token, &output.certificate, &output.key) {
        (None, None, None) => return Err("exec plugin didn't return a token or cert/key pair".to_owned()),
        (_, Some(_), None) | (_, None, Some(_)) => {
            return Err("exec plugin returned only certificate or key, not both".to_owned());
        }
        (_, Some(certificate), Some(key)) => match key_pair::pair(certificate, key.expose()) {
            Ok(identity) => {
                output.certificate = Some(identity.chain_pem);
                output.key = Some(identity.key_pem);
            }
            Err(KeyPairFault::Mismatch) => {
                let words = "tls: private key does not match public key";
                return Err(format!("failed parsing client key/certificate: {words}"));
            }
            Err(KeyPairFault::Words(words)) => return Err(format!("failed parsing client key/certificate: {words}")),
        },
        (Some(_), None, None) => {}
    }
    Ok(output)
}

/// The fields of an ExecCredential, and whether it has a status.
fn typed(node: &Node, version: &str) -> Result<(PluginOutput, bool), String> {
    let mut reader = Reader::default();
    let mut output = PluginOutput::default();
    let Some(status) = node.get("status").filter(|status| !matches!(status.value, Value::Null)) else {
        return Ok((output, false));
    };
    let mut bad_time = None;
    const OWNER: &str = "ExecCredentialStatus";
    for (key, node) in reader.fields(status, "ExecCredential", "status", &format!("{version}.{OWNER}")) {
        let path = format!("status.{key}");
        match key {
            "token" => output.token = filled(reader.text(node, OWNER, &path)).map(Secret::new),
            "clientCertificateData" => output.certificate = filled(reader.text(node, OWNER, &path)),
            "clientKeyData" => output.key = filled(reader.text(node, OWNER, &path)).map(Secret::new),
            "expirationTimestamp" => {
                let text = reader.text(node, OWNER, &path);
                match text.parse() {
                    Ok(time) => output.expiration = Some(time),
                    Err(_) if text.is_empty() => {}
                    Err(_) => {
                        bad_time =
                            Some("parsing time as \"2006-01-02T15:04:05Z07:00\": cannot parse expirationTimestamp")
                    }
                }
            }
            _ => {}
        }
    }
    match (reader.fault(), bad_time) {
        (Some((text, _)), _) => Err(text),
        (None, Some(text)) => Err(text.to_owned()),
        (None, None) => Ok((output, true)),
    }
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Output of another form may be a bare token: every long word of it is kept out of stderr and errors.
fn learn_anything(bytes: &[u8], scrubber: &Scrubber) {
    let text = String::from_utf8_lossy(bytes);
    for word in text
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '{' | '}' | '<' | '>' | '(' | ')' | ';'))
        .filter(|word| word.len() >= 20 || word.len() >= 12 && word.bytes().any(|byte| byte.is_ascii_digit()))
        .take(20)
    {
        scrubber.learn(word);
    }
}

/// Puts together what will be sent, and says where it came from.
///
/// `token` and `certificates` of the evidence are left empty: the caller parses them. With a plugin in the user entry,
/// `plugin` is what [`run_plugin`] gave.
///
/// # Errors
/// What stops kubectl: the user entry's own failure, a token file that is missing, unreadable or empty, or a plugin
/// that gave nothing.
pub async fn obtain(
    resolved: &Resolved,
    plugin: Option<&PluginOutput>,
    scrubber: &Scrubber,
) -> Result<(Obtained, Credential), Failure> {
    let user = &resolved.user;
    if let Some(failure) = &user.failure {
        return Err(failure.clone());
    }
    let mut evidence = Credential { source: user.source.clone(), origin: user.origin.clone(), ..Credential::default() };
    let mut obtained = Obtained {
        token: user.token.clone(),
        client_identity: user.client_identity.clone(),
        basic: user.basic.clone(),
    };
    if let Some(file) = &user.token_file {
        let path = file.clone();
        // A file on a network share may be slow; it must not hold up the other probes.
        let read = tokio::task::spawn_blocking(move || read_limited(&path)).await;
        let read = read.unwrap_or_else(|_| Err(Failure::new(FailureKind::Bug, "reading the token file panicked")));
        let text = read.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        match (text, &user.token) {
            (Ok(text), _) if !text.is_empty() => {
                scrubber.learn(&text);
                obtained.token = Some(Secret::new(text));
                if user.source != CredentialSource::InCluster {
                    evidence.origin = format!("token file {} of {}", file.display(), user.origin);
                }
            }
            // client-go falls back to the token beside it.
            (_, Some(_)) => evidence.source = CredentialSource::Token,
            (Ok(_), None) => {
                let detail = format!("read empty token from file \"{}\"", file.display());
                return Err(Failure::new(FailureKind::Malformed, detail).sides("a token", "an empty file"));
            }
            (Err(failure), None) => return Err(failure),
        }
    }
    if let Some(exec) = &user.exec {
        let Some(output) = plugin else {
            let detail = format!("the credential plugin {} gave no credential", scrubber.text(&exec.command));
            return Err(Failure::new(FailureKind::PluginFailed, detail));
        };
        obtained.token = output.token.clone();
        obtained.client_identity = match (&output.certificate, &output.key) {
            (Some(certificate), Some(key)) => {
                Some(ClientIdentity { chain_pem: certificate.clone(), key_pem: key.clone() })
            }
            _ => None,
        };
        evidence.origin = format!("plugin {} of {}", scrubber.text(&exec.command), user.origin);
        evidence.announced_expiry = output.expiration;
    }
    Ok((obtained, evidence))
}

/// The OIDC issuer and client id in the arguments (or environment) of kubelogin and tools with its flags.
pub fn issuer_from_exec(exec: &ExecConfig) -> Option<(String, Option<String>)> {
    let value = |flag: &str| {
        let mut args = exec.args.iter().map(Secret::expose);
        let mut found = None;
        while let Some(arg) = args.next() {
            let Some(rest) = arg.strip_prefix(flag) else { continue };
            if rest.is_empty() {
                found = args.next().map(str::to_owned);
            } else if let Some(value) = rest.strip_prefix('=') {
                found = Some(value.to_owned());
            }
        }
        let variable = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
        let from_env = || {
            let named = |name: &str| name.to_uppercase().ends_with(&variable);
            exec.env.iter().find(|(name, _)| named(name)).map(|(_, value)| value.expose().to_owned())
        };
        found.or_else(from_env).filter(|value| !value.is_empty())
    };
    let issuer = value("--oidc-issuer-url")?;
    Some((issuer, value("--oidc-client-id")))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::collect::kubeconfig::{Impersonation, UserSecrets};

    /// A plugin that is a shell command.
    fn shell(script: &str) -> ExecConfig {
        ExecConfig {
            command: "sh".to_owned(),
            args: vec![Secret::new("-c"), Secret::new(script)],
            env: Vec::new(),
            api_version: format!("{GROUP}/v1"),
            install_hint: None,
            provide_cluster_info: false,
            interactive_mode: "IfAvailable".to_owned(),
            cluster_config: None,
            disable_compression: false,
        }
    }

    fn resolved(user: UserSecrets) -> Resolved {
        Resolved {
            server: url::Url::parse("https://127.0.0.1:1").unwrap_or_else(|error| panic!("{error}")),
            roots: Roots::Pem { pem: "CA".to_owned(), label: "kubeconfig" },
            insecure: false,
            tls_server_name: None,
            proxy_url: None,
            namespace: "default".to_owned(),
            context: None,
            user,
            impersonation: Impersonation::default(),
        }
    }

    struct Ran {
        run: Result<PluginRun, Failure>,
        output: Option<PluginOutput>,
        scrubber: Scrubber,
    }

    async fn run_with(exec: &ExecConfig, options: &ExecOptions, change: impl FnOnce(&mut Host)) -> Ran {
        let scrubber = Scrubber::default();
        let mut host = Host::read();
        host.stdin_is_terminal = false;
        change(&mut host);
        let resolved = resolved(UserSecrets::default());
        let (run, output) = run_plugin(exec, &resolved, &host, options, &scrubber).await;
        Ran { run, output, scrubber }
    }

    async fn run(exec: &ExecConfig) -> Ran {
        run_with(exec, &ExecOptions::default(), |_| {}).await
    }

    fn credential(status: &str) -> String {
        format!("echo '{{\"kind\":\"ExecCredential\",\"apiVersion\":\"{GROUP}/v1\",\"status\":{status}}}'")
    }

    #[tokio::test]
    async fn a_token_is_taken_and_kept_out_of_stderr() {
        let status = r#"{"token":"CANARY-plugin","expirationTimestamp":"2026-11-01T10:00:00Z"}"#;
        let script = format!("echo 'got CANARY-plugin' >&2; {}", credential(status));
        let Ran { run, output, .. } = run(&shell(&script)).await;
        let run = run.unwrap_or_else(|failure| panic!("{}", failure.detail));
        assert_eq!((run.exit_code, run.output_error.as_deref()), (Some(0), None));
        assert_eq!(run.stderr, "got [redacted]\n");
        let shown = format!("{run:?} {output:?}");
        assert!(!shown.contains("CANARY"), "{shown}");
        let output = output.unwrap_or_default();
        assert_eq!(output.token.map(|token| token.expose().to_owned()).as_deref(), Some("CANARY-plugin"));
        assert_eq!(output.expiration.map(|time| time.to_string()).as_deref(), Some("2026-11-01T10:00:00Z"));
    }

    /// Texts were taken from kubectl 1.32 with the same outputs.
    #[tokio::test]
    async fn unusable_output_is_told_in_client_gos_words() {
        for (script, expected) in [
            (
                "echo hello".to_owned(),
                "decoding stdout: couldn't get version/kind; json parse error: json: cannot unmarshal string into Go value of type struct {",
            ),
            (
                "echo '[1]'".to_owned(),
                "decoding stdout: couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct {",
            ),
            ("echo 'a: b: c'".to_owned(), "decoding stdout: yaml: mapping values are not allowed in this context"),
            (
                String::new(),
                "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/__internal",
            ),
            (
                "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":'".to_owned(),
                "decoding stdout: couldn't get version/kind; json parse error: unexpected end of JSON input",
            ),
            (
                format!("{} ; echo trailing", credential("{}")),
                "decoding stdout: couldn't get version/kind; json parse error: invalid character",
            ),
            (
                "echo '{\"kind\":\"ExecCredential\"}'".to_owned(),
                "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/__internal",
            ),
            (
                "echo '{\"kind\":\"Pod\",\"apiVersion\":\"v1\"}'".to_owned(),
                "decoding stdout: no kind \"Pod\" is registered for version \"v1\" in scheme \"pkg/client/auth/exec/exec.go:62\"",
            ),
            (
                credential("{}").replace("/v1", "/v1alpha1"),
                "decoding stdout: no kind \"ExecCredential\" is registered for version \"client.authentication.k8s.io/v1alpha1\"",
            ),
            (
                credential("{\"token\":\"CANARY-1\"}").replace("/v1", "/v1beta1"),
                "exec plugin is configured to use API version client.authentication.k8s.io/v1, plugin returned version client.authentication.k8s.io/v1beta1",
            ),
            (credential("null"), "exec plugin didn't return a status field"),
            (credential("{}"), "exec plugin didn't return a token or cert/key pair"),
            (
                credential("\"x\""),
                "decoding stdout: json: cannot unmarshal string into Go struct field ExecCredential.status of type v1.ExecCredentialStatus",
            ),
            (
                credential("{\"token\":5}"),
                "decoding stdout: json: cannot unmarshal number into Go struct field ExecCredentialStatus.status.token of type string",
            ),
            (credential("{\"clientCertificateData\":\"x\"}"), "exec plugin returned only certificate or key, not both"),
            (
                credential("{\"clientCertificateData\":\"x\",\"clientKeyData\":\"CANARY-key\"}"),
                "failed parsing client key/certificate: tls: failed to find any PEM data in certificate input",
            ),
            (credential("{\"token\":\"CANARY-1\",\"expirationTimestamp\":\"soon\"}"), "decoding stdout: parsing time"),
            ("exit 3".to_owned(), "exec: executable sh failed with exit code 3"),
            ("kill -9 $$".to_owned(), "exec: executable sh failed with exit code -1"),
            (
                format!("{}; exit 1", credential("{\"token\":\"CANARY-1\"}")),
                "exec: executable sh failed with exit code 1",
            ),
            ("head -c 2000000 /dev/zero".to_owned(), "decoding stdout: larger than 1048576 bytes"),
        ] {
            let Ran { run, output, .. } = run(&shell(&script)).await;
            let run = run.unwrap_or_else(|failure| panic!("{}", failure.detail));
            let error = run.output_error.clone().unwrap_or_default();
            assert!(error.starts_with(expected), "{script}: {error}");
            assert!(output.is_none());
            let shown = serde_json::to_string(&PluginRun { args: Vec::new(), ..run }).unwrap_or_default();
            assert!(!shown.contains("CANARY"), "{shown}");
        }
    }

    #[tokio::test]
    async fn a_signal_is_told_from_an_exit_code() {
        let killed = run(&shell("kill -9 $$")).await.run.unwrap_or_default();
        assert_eq!((killed.exit_code, killed.ended), (None, Some(EndedBy::Signal)));
        let failed = run(&shell("exit 3")).await.run.unwrap_or_default();
        assert_eq!((failed.exit_code, failed.ended), (Some(3), None));
    }

    #[tokio::test]
    async fn yaml_and_a_missing_kind_are_taken_as_client_go_takes_them() {
        let yaml = format!("printf 'kind: ExecCredential\\napiVersion: {GROUP}/v1\\nstatus: {{token: x}}\\n'");
        assert!(run(&shell(&yaml)).await.output.is_some());
        let bare = format!("echo '{{\"apiVersion\":\"{GROUP}/v1\",\"status\":{{\"token\":\"x\"}}}}'");
        assert!(run(&shell(&bare)).await.output.is_some());
    }

    #[tokio::test]
    async fn what_is_not_run_is_a_failure() {
        let mut missing = shell("true");
        missing.command = "kaccess-no-such-plugin".to_owned();
        missing.install_hint = Some("brew install it".to_owned());
        let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
        assert_eq!(failure.kind, FailureKind::PluginNotFound);
        assert_eq!(failure.detail, "exec: executable kaccess-no-such-plugin not found");
        assert_eq!(failure.needs.as_deref(), Some("brew install it"));

        missing.command = "/nonexistent/plug".to_owned();
        let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
        assert_eq!(failure.kind, FailureKind::PluginNotFound);
        assert_eq!(failure.detail, "exec: fork/exec /nonexistent/plug: no such file or directory");

        let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
        missing.command = file.path().to_string_lossy().into_owned();
        let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
        assert_eq!(failure.kind, FailureKind::PluginFailed);
        assert!(failure.detail.ends_with(": permission denied"), "{}", failure.detail);

        // A whole command line where a program belongs, with a secret in it.
        missing.command = "/bin/sh -c TOKEN=CANARY-in-command".to_owned();
        let failure = run(&missing).await.run.err().unwrap_or_else(|| panic!("ran"));
        assert!(failure.detail.starts_with("exec: fork/exec /bin/sh -c TOKEN=[redacted]: "), "{}", failure.detail);

        let mut old = shell("true");
        old.api_version = format!("{GROUP}/v1alpha1");
        let failure = run(&old).await.run.err().unwrap_or_else(|| panic!("ran"));
        assert_eq!(failure.detail, "exec plugin: invalid apiVersion \"client.authentication.k8s.io/v1alpha1\"");

        let mut asks = shell("true");
        asks.interactive_mode = "Always".to_owned();
        let failure = run(&asks).await.run.err().unwrap_or_else(|| panic!("ran"));
        assert_eq!(failure.detail, "exec plugin cannot support interactive mode: standard input is not a terminal");
        let ran = run_with(&asks, &ExecOptions::default(), |host| host.stdin_is_terminal = true).await;
        assert!(ran.run.is_err_and(|failure| failure.kind == FailureKind::Declined));

        let options = ExecOptions { allowed: false, ..ExecOptions::default() };
        let ran = run_with(&shell("true"), &options, |_| {}).await;
        assert!(ran.run.is_err_and(|failure| failure.kind == FailureKind::Declined));
    }

    #[tokio::test]
    async fn a_slow_plugin_and_its_children_do_not_hold_the_run() {
        let options = ExecOptions { timeout: Duration::from_millis(300), ..ExecOptions::default() };
        let begun = Instant::now();
        let Ran { run, output, .. } = run_with(&shell("echo waiting >&2; sleep 20"), &options, |_| {}).await;
        let run = run.unwrap_or_else(|failure| panic!("{}", failure.detail));
        assert_eq!((run.exit_code, run.stderr.as_str()), (None, "waiting\n"));
        assert_eq!(run.ended, Some(EndedBy::Limit));
        assert_eq!(run.output_error.as_deref(), Some("exec: executable sh did not end within 0.3 s and was killed"));
        assert!(output.is_none());

        let script = format!("sleep 20 & {}", credential(r#"{"token":"x"}"#));
        let Ran { run, .. } = run_with(&shell(&script), &options, |_| {}).await;
        let error = run.ok().and_then(|run| run.output_error).unwrap_or_default();
        assert!(error.contains("stays open"), "{error}");

        // Only stderr stays open: kubectl gives the plugin its own stderr and does not wait for it.
        let script = format!("sleep 20 >/dev/null & {}", credential(r#"{"token":"x"}"#));
        let options = ExecOptions { timeout: Duration::from_secs(8), ..ExecOptions::default() };
        assert!(run_with(&shell(&script), &options, |_| {}).await.output.is_some());
        assert!(begun.elapsed() < Duration::from_secs(7));
    }

    #[tokio::test]
    async fn the_plugin_gets_environment_and_cluster() {
        let mut exec = shell(r#"printf '%s|%s|%s' "$KUBERNETES_EXEC_INFO" "$FROM_ENTRY" "$FROM_PROCESS" >&2; exit 1"#);
        exec.provide_cluster_info = true;
        exec.env = vec![("FROM_ENTRY".to_owned(), Secret::new("entry"))];
        let ran = run_with(&exec, &ExecOptions::default(), |host| {
            host.env.insert("FROM_PROCESS".into(), "process".into());
        })
        .await;
        let stderr = ran.run.unwrap_or_else(|failure| panic!("{}", failure.detail)).stderr;
        let expected = format!(
            r#"{{"kind":"ExecCredential","apiVersion":"{GROUP}/v1","spec":{{"cluster":{{"server":"https://127.0.0.1:1","certificate-authority-data":"Q0E=","config":null}},"interactive":false}}}}|entry|process"#
        );
        assert_eq!(stderr, expected);
    }

    #[tokio::test]
    async fn stderr_is_shown_line_by_line_and_login_urls_stay_whole() {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let shown = Arc::clone(&shown);
            let sink: StderrSink = Arc::new(move |text: &str| {
                if let Ok(mut shown) = shown.lock() {
                    shown.push(text.to_owned());
                }
            });
            sink
        };
        let url = "https://idp/auth?state=aB3dE6gH9jK2mN5pQ8sT1vW4&user_code=ABCD-EFGH";
        let script = format!(
            "printf 'open {url}\\npassword=hunter22 Bearer abcdefgh1\\n\\033[31mCode: ' >&2; sleep 0.5; exit 1"
        );
        let options = ExecOptions { show_stderr: Some(sink), ..ExecOptions::default() };
        let ran = run_with(&shell(&script), &options, |_| {}).await;
        let shown = shown.lock().map(|shown| shown.clone()).unwrap_or_default();
        assert_eq!(
            shown,
            [format!("open {url}\n"), "password=[redacted] Bearer [redacted]\n".to_owned(), "Code: ".to_owned()]
        );
        assert!(!ran.run.unwrap_or_default().stderr.contains("hunter22"));
    }

    #[tokio::test]
    async fn the_end_of_a_long_stderr_is_kept() {
        let script = "i=0; while [ $i -lt 3000 ]; do echo \"line $i of the log\"; i=$((i+1)); done >&2; exit 1";
        let stderr = run(&shell(script)).await.run.unwrap_or_default().stderr;
        assert!(stderr.ends_with("line 2999 of the log\n") && stderr.starts_with('…'));
        assert!(stderr.len() <= KEPT_STDERR + '…'.len_utf8());
    }

    #[tokio::test]
    async fn a_bare_token_on_stdout_is_learnt() {
        let token = "eyJhbGciOiJub25lIn0-CANARY-bare-token";
        let ran = run(&shell(&format!("echo {token}; echo {token} >&2"))).await;
        assert_eq!(ran.scrubber.known_only(token), "[redacted]");
        let run = PluginRun { args: Vec::new(), ..ran.run.unwrap_or_default() };
        assert!(!format!("{run:?}").contains("CANARY"), "{run:?}");
    }

    #[tokio::test]
    async fn token_files_are_trimmed_and_their_absence_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
        let scrubber = Scrubber::default();
        let user = UserSecrets {
            token_file: Some(file.path().to_owned()),
            source: CredentialSource::TokenFile,
            ..UserSecrets::default()
        };
        let mut resolved = resolved(user);
        let failure = obtain(&resolved, None, &scrubber).await.err().unwrap_or_else(|| panic!("obtained"));
        assert!(failure.detail.starts_with("read empty token from file"), "{}", failure.detail);
        std::fs::write(file.path(), "CANARY-file-token\n").unwrap_or_else(|error| panic!("{error}"));
        let (obtained, evidence) =
            obtain(&resolved, None, &scrubber).await.unwrap_or_else(|failure| panic!("{}", failure.detail));
        assert_eq!(obtained.token.as_ref().map(Secret::expose), Some("CANARY-file-token"));
        assert_eq!(evidence.source, CredentialSource::TokenFile);
        assert!(!format!("{obtained:?}{evidence:?}").contains("CANARY"));
        assert_eq!(scrubber.known_only("CANARY-file-token"), "[redacted]");

        resolved.user.token_file = Some("/nonexistent/token".into());
        let failure = obtain(&resolved, None, &scrubber).await.err().unwrap_or_else(|| panic!("obtained"));
        assert_eq!(failure, Failure::new(FailureKind::NotFound, "open /nonexistent/token: no such file or directory"));
        resolved.user.token = Some(Secret::new("beside"));
        let (obtained, evidence) =
            obtain(&resolved, None, &scrubber).await.unwrap_or_else(|failure| panic!("{}", failure.detail));
        assert_eq!((obtained.token.is_some(), evidence.source), (true, CredentialSource::Token));
    }

    #[tokio::test]
    async fn nothing_is_none_and_a_plugin_must_have_given() {
        let scrubber = Scrubber::default();
        let (obtained, evidence) = obtain(&resolved(UserSecrets::default()), None, &scrubber)
            .await
            .unwrap_or_else(|failure| panic!("{}", failure.detail));
        assert!(obtained.token.is_none() && obtained.basic.is_none() && obtained.client_identity.is_none());
        assert_eq!(evidence.source, CredentialSource::None);
        let user = UserSecrets { exec: Some(shell("true")), source: CredentialSource::Exec, ..UserSecrets::default() };
        let resolved = resolved(user);
        assert!(
            obtain(&resolved, None, &scrubber).await.is_err_and(|failure| failure.kind == FailureKind::PluginFailed)
        );
        let output = PluginOutput { token: Some(Secret::new("x")), ..PluginOutput::default() };
        let (obtained, evidence) =
            obtain(&resolved, Some(&output), &scrubber).await.unwrap_or_else(|failure| panic!("{}", failure.detail));
        assert_eq!((obtained.token.is_some(), evidence.source), (true, CredentialSource::Exec));
    }

    #[test]
    fn the_issuer_is_in_kubelogins_arguments() {
        let mut exec = shell("");
        let set = |exec: &mut ExecConfig, args: &[&str]| exec.args = args.iter().map(|arg| Secret::new(*arg)).collect();
        set(&mut exec, &["oidc-login", "get-token", "--oidc-issuer-url=https://i/x", "--oidc-client-id", "kube"]);
        assert_eq!(issuer_from_exec(&exec), Some(("https://i/x".to_owned(), Some("kube".to_owned()))));
        set(&mut exec, &["get-token", "--oidc-issuer-url", "https://i/x", "--oidc-client-id-x=y"]);
        assert_eq!(issuer_from_exec(&exec), Some(("https://i/x".to_owned(), None)));
        set(&mut exec, &["eks", "get-token"]);
        assert_eq!(issuer_from_exec(&exec), None);
        exec.env = vec![("KUBELOGIN_OIDC_ISSUER_URL".to_owned(), Secret::new("https://i/y"))];
        assert_eq!(issuer_from_exec(&exec), Some(("https://i/y".to_owned(), None)));
    }
}
