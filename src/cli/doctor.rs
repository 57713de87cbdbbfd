//! `kaccess doctor`: looks at everything, thinks, and tells the root cause first.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use super::flags::{AwsArgs, ConnectionArgs, Format, OutputArgs};
use super::progress::Progress;
use super::{BAD, Error, GOOD, NONE, answer, compare, note};
use crate::apiserver::{authz, message};
use crate::collect::apiserver;
use crate::collect::credential::{ExecOptions, StderrSink};
use crate::collect::interrupt;
use crate::collect::plan::{self, Message, Plan};
use crate::evidence::identity::User;
use crate::evidence::{Evidence, FailureKind, SCHEMA};
use crate::host::Host;
use crate::render::{Diagnosed, compare as show_compared, html, json, junit, markdown, prometheus, sarif, terminal};
use crate::report::doctor::{DoctorReport, Verdict};
use crate::report::{Severity, diagnose};
use crate::rules::{Case, RULES, check_all, rejoin};
use crate::secret::Scrubber;

/// The recorded incident that `--demo` replays.
const DEMO: &str = include_str!("../../testdata/cases/first-incident/evidence.json");

/// Larger evidence files are refused, in bytes.
const EVIDENCE_LIMIT: u64 = 32 * 1024 * 1024;

/// From which severity on the exit code is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors only.
    Error,
    /// Warnings too.
    Warning,
    /// Always exit 0.
    Never,
}

/// Flags of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kaccess doctor\n  kaccess doctor --context alice --reviewer-context admin\n  \
    kubectl get pods 2>&1 | kaccess doctor --error -      the message you met, whole\n  \
    kaccess doctor --log kube-apiserver.log\n  kaccess doctor --save evidence.json; kaccess doctor --from evidence.json\n  kaccess doctor --save public.json --anonymise\n  kaccess doctor --demo")]
pub struct DoctorArgs {
    /// Examine every context of the kubeconfig at once, one line each, the worst first; no plugin may ask anything
    #[arg(long, conflicts_with_all = ["save", "from", "demo", "reviewer_context"])]
    all_contexts: bool,
    /// Examine this issuer instead of the token's
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The client id that the API server is configured for
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A context of the same cluster with more rights: TokenReview, metrics and flags are read with it
    #[arg(long, value_name = "CONTEXT")]
    reviewer_context: Option<String>,
    /// Put the TokenReview with the current context's own rights
    #[arg(long)]
    review: bool,
    /// kube-apiserver's static-Pod manifest, flags line, or AuthenticationConfiguration
    #[arg(long, value_name = "FILE")]
    apiserver_config: Option<PathBuf>,
    /// kube-apiserver's log (- is stdin)
    #[arg(long, value_name = "FILE|-")]
    log: Option<String>,
    /// How far back the control plane's own log is read where it may be (off: not at all)
    #[arg(long, default_value = "15m", value_name = "WINDOW|off", value_parser = window)]
    logs: Window,
    /// The message you met: kubectl's, helm's, a log line (@FILE and - are read)
    #[arg(long, value_name = "TEXT|@FILE|-")]
    error: Option<String>,
    /// CA that judges the issuer's certificate, as --oidc-ca-file of kube-apiserver
    #[arg(long, value_name = "FILE")]
    oidc_ca_file: Option<PathBuf>,
    /// Write the evidence to a file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// With --save: replace names, hosts, accounts and e-mails by stand-ins, for sharing (--from too can be saved so)
    #[arg(long, requires = "save")]
    anonymise: bool,
    /// Diagnose saved evidence; opens no connection
    #[arg(long, value_name = "FILE", conflicts_with = "demo")]
    from: Option<PathBuf>,
    /// Say what differs from this saved evidence (works for me, not in CI; worked yesterday)
    #[arg(long, value_name = "FILE", conflicts_with = "all_contexts")]
    compare: Option<PathBuf>,
    /// Replay a recorded incident: Keycloak behind an allow-list that refuses the control plane
    #[arg(long, conflicts_with = "save")]
    demo: bool,
    /// Look again, this long after each look, until all is well, and say what changed; no plugin may ask anything
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true, default_missing_value = "10s",
        value_parser = duration, conflicts_with_all = ["all_contexts", "save", "from", "demo"])]
    watch: Option<Duration>,
    /// Show names and types of claims, not their values
    #[arg(long)]
    hide_claims: bool,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value = "error", value_name = "LEVEL")]
    fail_on: FailOn,
    /// Never run the credential plugin
    #[arg(long)]
    no_exec: bool,
    /// Open no connection at all (implies --no-exec)
    #[arg(long)]
    offline: bool,
    /// Limit of the whole run, the plugin not counted
    #[arg(long, default_value = "20s", value_name = "DURATION", value_parser = duration)]
    timeout: Duration,
    /// Limit of the credential plugin
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = duration)]
    exec_timeout: Duration,
    /// Compare DNS with this resolver
    #[arg(long, default_value = "off", value_name = "ADDR|off")]
    public_resolver: String,
    #[command(flatten)]
    aws: AwsArgs,
}

impl DoctorArgs {
    /// It is about every context of the kubeconfig.
    pub(super) fn examines_all(&self) -> bool {
        self.all_contexts
    }
}

/// A span of time, or none.
#[derive(Debug, Clone, Copy)]
struct Window(Option<Duration>);

fn window(text: &str) -> Result<Window, String> {
    if text == "off" { Ok(Window(None)) } else { duration(text).map(|window| Window(Some(window))) }
}

/// A bare number is seconds, as in --request-timeout.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    super::flags::parse_timeout(text).ok_or_else(|| "write it as 10s, 1m30s or 500ms".to_owned())
}

/// The issuer that a flag names, if it is one that can be asked at all.
pub(super) fn check_issuer(url: Option<&str>, scrubber: &Scrubber) -> Result<(), Error> {
    match url.map(|url| crate::collect::issuer::target(url, "flag")) {
        Some(Err(failure)) if failure.kind == FailureKind::Malformed => Err(Error::new(
            format!("--issuer: {}", scrubber.text(&failure.detail)),
            "give it as the token's claim iss has it, such as https://sso.example.com/realms/platform",
        )),
        _ => Ok(()),
    }
}

/// Runs the command.
///
/// # Errors
/// When kaccess itself could not run: unreadable files, bad flags.
pub fn run(host: &Host, connection: &ConnectionArgs, output: &OutputArgs, arguments: &DoctorArgs) -> Result<u8, Error> {
    let scrubber = Scrubber::default();
    replayed_alone(connection, arguments)?;
    let saved = arguments.compare.as_deref().map(compare::Saved::read).transpose()?;
    let (evidence, report) = if arguments.demo {
        if !output.quiet {
            note("a recorded incident, built into kaccess: nothing of this machine or of your clusters is in it");
        }
        diagnosed(read_evidence(DEMO.as_bytes(), "the built-in demo")?)
    } else if let Some(path) = &arguments.from {
        if arguments.save.is_some() && !arguments.anonymise {
            return Err(Error::new(
                "--save with --from would only copy the file",
                "add --anonymise, or leave out --save",
            ));
        }
        let (read, report, text) = reported(&load_evidence(path)?)?;
        keep(arguments, text, &report)?;
        (read, report)
    } else {
        let mut plan = plan_of(host, connection, arguments, &scrubber)?;
        if !output.quiet {
            note_unknown(plan.message.as_ref().map(|met| met.text.as_str()));
        }
        if arguments.all_contexts {
            // A token or certificate given by hand is for one cluster, and is not shown to the others.
            let one = connection.context.is_some()
                || connection.cluster.is_some()
                || connection.user.is_some()
                || connection.server.is_some()
                || connection.token.is_some()
                || connection.client_certificate.is_some()
                || arguments.log.as_deref() == Some("-");
            if one {
                return Err(Error::new(
                    "--all-contexts takes every context as it stands: it goes with none of --context, --cluster, --user, \
                     --server, --token, --client-certificate and --log -",
                    "leave these out, or name one context",
                ));
            }
            let (hide, fail_on) = (arguments.hide_claims, arguments.fail_on);
            return super::all_contexts::run(host, output, &plan, &scrubber, hide, fail_on);
        }
        if let Some(pause) = arguments.watch {
            let watch = super::watch::Watch { pause, hide_claims: arguments.hide_claims, fail_on: arguments.fail_on };
            return super::watch::run(host, output, plan, &scrubber, watch);
        }
        interrupt::hold();
        let runtime = runtime()?;
        let progress = Progress::start(host, output);
        plan.watcher = progress.as_ref().map(Progress::watcher);
        let evidence = runtime.block_on(look(host, &plan, &scrubber));
        drop(progress);
        // A blocked reader (stdin, a FIFO) must not keep the process.
        runtime.shutdown_background();
        let (read, report, text) = reported(&evidence)?;
        keep(arguments, text, &report)?;
        if !output.quiet {
            note_unknown_log(&read);
        }
        (read, report)
    };
    let look = terminal::Look { width: host.width, verbose: output.verbose, hide_claims: arguments.hide_claims };
    let compared = saved.map(|saved| saved.beside(&evidence, &report, arguments.hide_claims));
    let compared = compared.as_ref();
    let view = || json::DoctorView::new(&report, &evidence, arguments.hide_claims).compared(compared);
    let mut text = Vec::new();
    if output.short {
        terminal::short(&report, &mut text)?;
        if let Some(compared) = compared {
            show_compared::table(compared, evidence.observed_at, host.width, &mut text)?;
        }
    } else {
        match output.format() {
            Format::Markdown => {
                markdown::doctor(&report, &evidence, &mut text)?;
                if let Some(compared) = compared {
                    show_compared::markdown(compared, evidence.observed_at, &mut text)?;
                }
            }
            Format::Json => json::write_json(&view(), &mut text)?,
            Format::Yaml => json::write_yaml(&view(), &mut text)?,
            Format::Html => html::doctor(&report, &evidence, arguments.hide_claims, compared, &mut text)?,
            format @ (Format::Prometheus | Format::Sarif | Format::Junit) => {
                let context = evidence.kubeconfig.seen().and_then(|config| config.context.as_deref());
                let context = context.unwrap_or_default();
                let item = Diagnosed { context, report: &report, evidence: &evidence };
                for_machines(format, &[item], arguments.fail_on, &mut text)?;
            }
            // The forms of other commands never come here.
            _ => {
                terminal::doctor(&report, &evidence, look, &mut text)?;
                if let Some(compared) = compared {
                    show_compared::table(compared, evidence.observed_at, host.width, &mut text)?;
                }
            }
        }
    }
    if !output.quiet {
        answer(&text)?;
    }
    // Whoever names a reviewer counts on its word.
    if let (Some(name), Some(failure)) = (&evidence.asked.reviewer_context, evidence.control_plane.reviewer.failed()) {
        note(&format!("warning: --reviewer-context {name} was of no use: {}", failure.detail));
    }
    if let Some(code) = interrupt::code() {
        return Ok(code);
    }
    Ok(exit_code(&report, arguments.fail_on))
}

/// What was seen is in the file: a flag that says where and how to look would change nothing, and is refused.
fn replayed_alone(connection: &ConnectionArgs, arguments: &DoctorArgs) -> Result<(), Error> {
    let replay = match (&arguments.from, arguments.demo) {
        (Some(_), _) => "--from",
        (None, true) => "--demo",
        (None, false) => return Ok(()),
    };
    let mut without_effect = connection.given();
    let own = [
        ("--issuer", arguments.issuer.is_some()),
        ("--client-id", arguments.client_id.is_some()),
        ("--reviewer-context", arguments.reviewer_context.is_some()),
        ("--review", arguments.review),
        ("--apiserver-config", arguments.apiserver_config.is_some()),
        ("--log", arguments.log.is_some()),
        ("--error", arguments.error.is_some()),
        ("--oidc-ca-file", arguments.oidc_ca_file.is_some()),
        ("--public-resolver", arguments.public_resolver != "off"),
    ];
    without_effect.extend(own.into_iter().filter_map(|(name, given)| given.then_some(name)));
    without_effect.extend(arguments.aws.given());
    refuse_on_replay(replay, &without_effect)
}

/// Refuses flags that say where and how to look beside saved evidence, in which what was seen stands already.
pub(super) fn refuse_on_replay(replay: &str, without_effect: &[&str]) -> Result<(), Error> {
    if without_effect.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        format!(
            "{replay} shows what was seen when the evidence was taken, and looks at nothing else: {} would change nothing",
            without_effect.join(", ")
        ),
        format!("look again with them, without {replay}; kaccess explain reads a message or a log by itself"),
    ))
}

/// Says of the message that the user met that nothing in it was understood, so that no cause rests on it.
pub(super) fn note_unknown(error: Option<&str>) {
    let known = |error: &str| {
        !message::recognise(error).is_empty()
            || message::forbidden(error).is_some()
            || !super::explain::explained(error.as_bytes()).matches.is_empty()
    };
    if error.is_some_and(|error| !known(error)) {
        note(
            "note: the text of --error was read, and nothing in it is known; give the message whole, as it was printed",
        );
    }
}

/// The same of a log.
fn note_unknown_log(evidence: &Evidence) {
    if let Some(log) = evidence.control_plane.log.seen().filter(|log| log.matches.is_empty()) {
        note(&format!(
            "note: --log {}: {} lines were read, and nothing in them is known; kaccess explain reads logs of other programs too",
            log.source, log.lines
        ));
    }
}

/// The forms that hold one context or several.
pub(super) fn for_machines(
    format: Format,
    items: &[Diagnosed<'_>],
    fail_on: FailOn,
    out: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    let title = |code: &str| RULES.iter().find(|rule| rule.code == code).map(|rule| rule.title);
    match format {
        Format::Sarif => sarif::doctor(items, &title, out),
        Format::Junit => junit::doctor(items, &|severity| counts(fail_on, severity), out),
        _ => prometheus::doctor(items, out),
    }
}

/// Whether a finding of this severity makes the exit code 1.
fn counts(fail_on: FailOn, severity: Severity) -> bool {
    match fail_on {
        FailOn::Error => severity == Severity::Error,
        FailOn::Warning => severity != Severity::Info,
        FailOn::Never => false,
    }
}

/// Writes the evidence where `--save` says, for strangers if asked.
fn keep(arguments: &DoctorArgs, mut text: String, report: &DoctorReport) -> Result<(), Error> {
    let Some(path) = &arguments.save else { return Ok(()) };
    let mut notes = Vec::new();
    if arguments.anonymise {
        (text, notes) = super::share::anonymised(&text, report)?;
    }
    save(path, &text)?;
    note(&format!("evidence written to {}", path.display()));
    notes.iter().for_each(|line| note(line));
    Ok(())
}

/// Where probes run: one that computes must not hold up the others.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::plain(format!("no runtime: {error}")))
}

/// Looks at everything, and once more where the first look names another issuer.
pub(super) async fn look(host: &Host, plan: &Plan, scrubber: &Scrubber) -> Evidence {
    let mut evidence = plan::gather(host, plan, scrubber).await;
    // The second round: the issuer that the API server is configured for, where it is not the token's.
    if let Some(url) = other_issuer(&evidence).filter(|_| !plan.offline) {
        evidence.configured_issuer = Some(plan::gather_issuer(host, plan, &url, scrubber).await);
        evidence.took_ms = host.elapsed_ms();
    }
    evidence
}

/// A live run's evidence in the form it would be saved in, which is what is diagnosed; with that form itself.
pub(super) fn reported(evidence: &Evidence) -> Result<(Evidence, DoctorReport, String), Error> {
    let text = serde_json::to_string_pretty(evidence)
        .map_err(|error| Error::plain(format!("the evidence cannot be written: {error}")))?;
    let (evidence, report) = diagnosed(read_evidence(text.as_bytes(), "this run's evidence")?);
    Ok((evidence, report, text))
}

pub(super) fn diagnosed(evidence: Evidence) -> (Evidence, DoctorReport) {
    let report = DoctorReport::new(&evidence, diagnose(check_all(&Case::new(&evidence))));
    (evidence, report)
}

/// The exit code of a report.
pub(super) fn exit_code(report: &DoctorReport, fail_on: FailOn) -> u8 {
    let worst = report.findings.iter().map(|finding| finding.severity).min();
    match (fail_on, worst) {
        (FailOn::Never, _) => GOOD,
        (FailOn::Error, Some(Severity::Error)) | (FailOn::Warning, Some(Severity::Error | Severity::Warning)) => BAD,
        // Nothing found that keeps anybody out, and nobody established: that is no answer.
        _ if report.verdict == Verdict::Unknown => NONE,
        _ => GOOD,
    }
}

/// The configured issuer that was not probed yet, where it is known that the token's is another one.
fn other_issuer(evidence: &Evidence) -> Option<String> {
    let case = Case::new(evidence);
    let probed = evidence.issuer.target.seen().map(|target| target.url.clone());
    let (configuration, _) = case.configuration.as_ref()?;
    if case.accepted()
        || configuration.jwt.is_empty()
        || configuration.jwt.iter().any(|jwt| Some(&jwt.issuer.url) == probed.as_ref())
    {
        return None;
    }
    configuration.jwt.first().map(|jwt| jwt.issuer.url.clone())
}

/// What the message that the user met says, as far as it is understood.
fn understood(text: &str, scrubber: &Scrubber) -> Message {
    let text = scrubber.text_limited(&rejoin::unwrapped(text), 16 * 1024);
    let (user, question) = message::forbidden(&text)
        .map(|found| {
            let user = User { username: found.user, ..User::default() };
            (authz::with_implicit_groups(&user), found.question)
        })
        .unzip();
    let missing = [&message::RESOURCE_NOT_SERVED, &message::METRICS_API];
    let misses_api = message::recognise(&text).iter().any(|found| missing.contains(&found.text));
    Message { text, question, user, misses_api }
}

fn plan_of(
    host: &Host,
    connection: &ConnectionArgs,
    arguments: &DoctorArgs,
    scrubber: &Scrubber,
) -> Result<Plan, Error> {
    let flags = connection.to_flags(scrubber).map_err(Error::plain)?;
    check_issuer(arguments.issuer.as_deref(), scrubber)?;
    let met = arguments.error.as_deref().map(text_or_file).transpose()?;
    let met = met.map(|text| understood(&text, scrubber));
    let oidc_ca = arguments
        .oidc_ca_file
        .as_ref()
        .map(|path| {
            std::fs::read_to_string(path)
                .map_err(|error| Error::plain(format!("--oidc-ca-file {}: {error}", path.display())))
        })
        .transpose()?;
    let configuration = arguments
        .apiserver_config
        .as_ref()
        .map(|path| -> Result<_, Error> {
            let (flags, _) = super::server_file::read("--apiserver-config", path)?;
            Ok(apiserver::kept_configuration(flags, scrubber))
        })
        .transpose()?;
    if let Some(path) = arguments.log.as_deref().filter(|path| *path != "-") {
        std::fs::File::open(path).map_err(|error| Error::plain(format!("--log {path}: {error}")))?;
    }
    let public_resolver = match arguments.public_resolver.as_str() {
        "off" => None,
        address => Some(address.parse().map_err(|_| {
            Error::new(
                format!("--public-resolver {address:?} is no address"),
                "give an IP address such as 9.9.9.9, or off",
            )
        })?),
    };
    Ok(Plan {
        flags,
        issuer: arguments.issuer.clone(),
        client_id: arguments.client_id.clone(),
        oidc_ca,
        reviewer_context: arguments.reviewer_context.clone(),
        review: arguments.review,
        configuration,
        log: arguments.log.clone(),
        message: met,
        offline: arguments.offline,
        exec: ExecOptions {
            allowed: !arguments.no_exec && !arguments.offline,
            timeout: arguments.exec_timeout,
            show_stderr: stderr_sink(host),
            interactive: host.stdin_is_terminal,
        },
        timeout: arguments.timeout,
        public_resolver,
        aws: arguments.aws.options(),
        logs: arguments.logs.0,
        watcher: None,
    })
}

/// On a terminal the plugin's stderr is shown as it comes: login URLs and device codes must be seen.
pub fn stderr_sink(host: &Host) -> Option<StderrSink> {
    host.stderr_is_terminal.then(|| -> StderrSink {
        Arc::new(|text: &str| {
            use std::io::Write as _;
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
        })
    })
}

/// A text argument, `@file`, or `-` for stdin.
pub(super) fn text_or_file(value: &str) -> Result<String, Error> {
    const LIMIT: u64 = 1024 * 1024;
    let mut text = String::new();
    if value == "-" {
        std::io::stdin().take(LIMIT).read_to_string(&mut text)?;
    } else if let Some(path) = value.strip_prefix('@') {
        let file = super::open_named(path)?;
        file.take(LIMIT).read_to_string(&mut text).map_err(|error| Error::plain(format!("{path}: {error}")))?;
    } else {
        super::hint_at_file(value);
        value.clone_into(&mut text);
    }
    Ok(text)
}

pub(super) fn load_evidence(path: &Path) -> Result<Evidence, Error> {
    load("--from", path)
}

/// The saved evidence that a flag names.
pub(super) fn load(flag: &str, path: &Path) -> Result<Evidence, Error> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| {
        Error::new(format!("{flag} {name}: {error}"), "give a file written by kaccess doctor --save")
    })?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Error::new(
            format!("{flag} {name}: is a directory"),
            "give a file written by kaccess doctor --save",
        ));
    }
    if metadata.len() > EVIDENCE_LIMIT {
        return Err(Error::new(
            format!("{flag} {name}: {} bytes are too many for evidence", metadata.len()),
            format!("evidence files have at most {EVIDENCE_LIMIT} bytes"),
        ));
    }
    let mut bytes = Vec::new();
    file.take(EVIDENCE_LIMIT).read_to_end(&mut bytes)?;
    read_evidence(&bytes, &name)
}

pub(super) fn read_evidence(bytes: &[u8], name: &str) -> Result<Evidence, Error> {
    let hint = "give a file written by kaccess doctor --save, whole";
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
        Error::new(
            format!(
                "{name} is no evidence: {:?} error at line {} column {}",
                error.classify(),
                error.line(),
                error.column()
            ),
            hint,
        )
    })?;
    let schema = value.get("schema").and_then(serde_json::Value::as_str).unwrap_or("none");
    if schema != SCHEMA {
        return Err(Error::new(
            format!("{name} has the schema {schema:?}; this kaccess reads {SCHEMA:?}"),
            "use the kaccess version that wrote it, or look again with this one",
        ));
    }
    serde_json::from_value(value)
        .map_err(|error| Error::new(format!("{name} is no evidence of {SCHEMA}: {error}"), hint))
}

/// Writes a file whole or not at all: an old one stays when writing fails, and nothing else is left.
pub(super) fn save(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    let complain = |error: std::io::Error| Error::plain(format!("--save {}: {error}", path.display()));
    // What a link leads to is replaced, not the link.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    // A device or a pipe is written to; it must not be replaced by a file.
    if std::fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return std::fs::write(&target, text).map_err(complain);
    }
    let mut part = target.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // Names and claims are nobody else's business; a file that was there keeps the rights that it had.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&part).and_then(|mut file| {
        if let Ok(there) = std::fs::metadata(&target) {
            file.set_permissions(there.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        // A disk may say only here that it is full.
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&part, &target)).map_err(|error| {
        if error.kind() != std::io::ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&part);
        }
        complain(error)
    })
}
