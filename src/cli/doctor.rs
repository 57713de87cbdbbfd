//! `kaccess doctor`: looks at everything, thinks, and tells the root cause first.

use std::path::PathBuf;
use std::time::Duration;

use super::diagnosis::{FailOn, diagnosed, exit_code, for_machines, look, note_unknown, reported, runtime, shown};
use super::files::{is_stdin, load_evidence, one_stdin, read_evidence, refuse_on_replay, save, text_or_file};
use super::flags::{AwsArgs, ConnectionArgs, ExecArgs, Format, OutputArgs, check_issuer, duration, limit};
use super::progress::Progress;
use super::{Error, answer, compare, note, put, warn};
use crate::apiserver::{authz, message};
use crate::collect::apiserver;
use crate::collect::credential::ExecOptions;
use crate::collect::interrupt;
use crate::collect::plan::{Message, Plan};
use crate::evidence::Evidence;
use crate::evidence::identity::User;
use crate::host::Host;
use crate::render::{Diagnosed, compare as show_compared, html, json, markdown, terminal};
use crate::report::doctor::DoctorReport;
use crate::rules::rejoin;
use crate::secret::Scrubber;

/// The recorded incident that `--demo` replays.
const DEMO: &str = include_str!("../../testdata/cases/first-incident/evidence.json");

/// Flags of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kaccess doctor\n  kaccess doctor --context alice --reviewer-context admin\n  \
    kubectl get pods 2>&1 | kaccess doctor --error -      the message you met, whole\n  \
    kaccess doctor --log kube-apiserver.log\n  kaccess doctor --save evidence.json; kaccess doctor --from evidence.json\n  kaccess doctor --save public.json --anonymise\n  kaccess doctor --demo\n\n\
    Exit codes: 0 no error, 1 an error (see --fail-on), 2 nobody established.")]
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
    /// Write the evidence to a file (with -q, - is stdout)
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// With --save: replace names, hosts, accounts and e-mails by stand-ins, for sharing (--from too can be saved so)
    #[arg(long, requires = "save")]
    anonymise: bool,
    /// Diagnose saved evidence (- is stdin); opens no connection
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
    /// Show names and types of claims, and only the name wherever a report repeats a value; times, true and false, typ, host
    /// names and what has less than four characters stay (docs/outputs.md)
    #[arg(long)]
    hide_claims: bool,
    /// From which severity on the exit code is 1
    #[arg(long, value_enum, default_value = "error", value_name = "LEVEL")]
    fail_on: FailOn,
    #[command(flatten)]
    exec: ExecArgs,
    /// Open no connection at all (implies --no-exec)
    #[arg(long)]
    offline: bool,
    /// Limit of the whole run, the plugin not counted
    #[arg(long, default_value = "20s", value_name = "DURATION", value_parser = limit)]
    timeout: Duration,
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

/// Runs the command.
///
/// # Errors
/// When kaccess itself could not run: unreadable files, bad flags.
pub fn run(host: &Host, connection: &ConnectionArgs, output: &OutputArgs, arguments: &DoctorArgs) -> Result<u8, Error> {
    let scrubber = Scrubber::default();
    replayed_alone(connection, arguments)?;
    let from_stdin = |path: &Option<PathBuf>| path.as_deref().is_some_and(is_stdin);
    one_stdin(&[
        ("--token", connection.token.as_deref() == Some("-")),
        ("--error", arguments.error.as_deref() == Some("-")),
        ("--log", arguments.log.as_deref() == Some("-")),
        ("--from", from_stdin(&arguments.from)),
        ("--compare", from_stdin(&arguments.compare)),
    ])?;
    if from_stdin(&arguments.save) && !output.quiet {
        return Err(Error::new(
            "--save - would mix the evidence with the report, which goes to stdout",
            "name a file, or add -q to get the evidence alone",
        ));
    }
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
        keep(arguments, output, text, &report)?;
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
        keep(arguments, output, text, &report)?;
        if !output.quiet {
            note_unknown_log(&read);
        }
        (read, report)
    };
    let look = terminal::Look { width: host.width, verbose: output.verbose, hide_claims: arguments.hide_claims };
    let compared = saved.map(|saved| saved.beside(&evidence, &report, arguments.hide_claims));
    let compared = compared.as_ref();
    let (evidence, report) = shown(evidence, report, arguments.hide_claims);
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
                markdown::doctor(&report, &evidence, arguments.hide_claims, &mut text)?;
                if let Some(compared) = compared {
                    show_compared::markdown(compared, evidence.observed_at, &mut text)?;
                }
            }
            Format::Json => json::write_json(&view(), &mut text)?,
            Format::Yaml => json::write_yaml(&view(), &mut text)?,
            Format::Html => html::doctor(&report, &evidence, arguments.hide_claims, compared, &mut text)?,
            format @ (Format::Prometheus | Format::Sarif | Format::Junit) => {
                let context = evidence.context().unwrap_or_default();
                let item = Diagnosed { context, report: &report, evidence: &evidence };
                for_machines(format, &[item], arguments.fail_on, &mut text)?;
            }
            // The forms of other commands never come here.
            _ => {
                terminal::head(&report, &evidence, look, &mut text)?;
                if let Some(compared) = compared {
                    show_compared::table(compared, evidence.observed_at, host.width, &mut text)?;
                }
                terminal::body(&report, &evidence, look, &mut text)?;
            }
        }
    }
    if !output.quiet {
        answer(&text)?;
    }
    // Whoever names a reviewer counts on its word.
    if let (Some(name), Some(failure)) = (&evidence.asked.reviewer_context, evidence.control_plane.reviewer.failed()) {
        warn(&format!("warning: --reviewer-context {name} was of no use: {}", failure.detail));
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

/// The same of a log.
fn note_unknown_log(evidence: &Evidence) {
    if let Some(log) = evidence.control_plane.log.seen().filter(|log| log.matches.is_empty()) {
        note(&format!(
            "note: --log {}: {} lines were read, and nothing in them is known; kaccess explain reads logs of other programs too",
            log.source, log.lines
        ));
    }
}

/// Writes the evidence where `--save` says, for strangers if asked; with `-` (and `-q`) it is the answer.
fn keep(arguments: &DoctorArgs, output: &OutputArgs, mut text: String, report: &DoctorReport) -> Result<(), Error> {
    let Some(path) = &arguments.save else { return Ok(()) };
    let mut notes = Vec::new();
    if arguments.anonymise {
        (text, notes) = super::share::anonymised(&text, report)?;
    }
    if is_stdin(path) {
        return put(text.as_bytes());
    }
    save(path, &text)?;
    if !output.quiet {
        note(&format!("evidence written to {}", path.display()));
        notes.iter().for_each(|line| note(line));
    }
    Ok(())
}

/// So many further refusals of one message are asked about: `kubectl get all` has ten.
const MOST_OTHERS: usize = 19;

/// What the message that the user met says, as far as it is understood.
fn understood(text: &str, scrubber: &Scrubber) -> Message {
    let text = scrubber.text_limited(&rejoin::unwrapped(text), 16 * 1024);
    let (user, question) = message::forbidden(&text)
        .map(|found| {
            let user = User { username: found.user, ..User::default() };
            (authz::with_implicit_groups(&user), found.question)
        })
        .unzip();
    let question = question.or_else(|| message::signer(&text));
    let others = message::refused_questions(&text).into_iter().skip(1).take(MOST_OTHERS).collect();
    let missing = [&message::RESOURCE_NOT_SERVED, &message::METRICS_API];
    let misses_api = message::recognise(&text).iter().any(|found| missing.contains(&found.text))
        // Which API does not answer, this one does not say.
        || text.contains("the server is currently unable to handle the request");
    Message { text, question, others, user, misses_api }
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
    let (mut configuration, mut account_keys) = (None, None);
    if let Some(path) = arguments.apiserver_config.as_ref() {
        let flags = super::server_file::read_whole("--apiserver-config", path)?;
        account_keys = super::server_file::account_keys(path, &flags);
        configuration = Some(apiserver::kept_configuration(flags, scrubber));
    }
    if let Some(path) = arguments.log.as_deref().filter(|path| *path != "-") {
        let complain = |error: std::io::Error| Error::plain(format!("--log {path}: {error}"));
        let metadata = std::fs::File::open(path).and_then(|file| file.metadata()).map_err(complain)?;
        if metadata.is_dir() {
            return Err(Error::new(
                format!("--log {path}: is a directory"),
                "give the log itself, or - and the log on stdin",
            ));
        }
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
        account_keys,
        log: arguments.log.clone(),
        message: met,
        offline: arguments.offline,
        exec: ExecOptions { allowed: !arguments.exec.no_exec && !arguments.offline, ..arguments.exec.options(host) },
        timeout: arguments.timeout,
        public_resolver,
        aws: arguments.aws.options(),
        logs: arguments.logs.0,
        watcher: None,
    })
}
