//! One file per command: flags, collect, think, render. The only code that writes stdout, stderr and files.

mod all_contexts;
pub mod allowlist;
pub mod can_i;
mod connect;
pub mod decode;
pub mod doctor;
pub mod explain;
pub mod flags;
mod watch;
pub mod who_can;
pub mod whoami;
pub mod workload;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Parser, Subcommand};

use crate::host::Host;

/// The answer is good.
pub const GOOD: u8 = 0;
/// The answer is bad.
pub const BAD: u8 = 1;
/// There is no answer.
pub const NONE: u8 = 2;
/// Ended by Ctrl-C, as a shell would say it.
pub const INTERRUPTED: u8 = 130;

/// Why kaccess itself could not run, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bad use or bad input.
    #[error("{text}")]
    Usage {
        /// What is wrong.
        text: String,
        /// What to do.
        hint: Option<String>,
    },
    /// Writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Error {
    /// An error with a hint.
    pub fn new(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { text: text.into(), hint: Some(hint.into()) }
    }

    /// An error that explains itself.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Usage { text: text.into(), hint: None }
    }
}

#[derive(Parser)]
#[command(
    name = "kaccess",
    version,
    about = "Why you can't get into a Kubernetes cluster: root cause first, with the evidence and the fix",
    long_about = "Why you can't get into a Kubernetes cluster: root cause first, with the evidence and the fix.\n\n\
        kaccess only reads. It creates nothing in the cluster but review objects, which are not stored, and it shows no secret.",
    after_help = "Examples:\n  kaccess doctor                              why does kubectl say Unauthorized?\n  \
        kaccess doctor --reviewer-context admin     the same, with the API server's own word\n  \
        kaccess decode @token.txt                   what does this token say?\n  \
        kaccess can-i list pods --as-group oidc:dev may somebody in this group list pods?\n  \
        kaccess explain @kube-apiserver.log         what does this log, error or code mean?\n\n\
        Exit codes: 0 the answer is good, 1 it is bad, 2 there is no answer."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: flags::ConnectionArgs,
    #[command(flatten)]
    output: flags::OutputArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Why can't I get in? Looks at everything from the kubeconfig to the issuer
    Doctor(Box<doctor::DoctorArgs>),
    /// What does this credential say, and what does Kubernetes make of it?
    Decode(Box<decode::DecodeArgs>),
    /// May I (or this user, or somebody in this group) do that?
    #[command(name = "can-i")]
    CanI(Box<can_i::CanIArgs>),
    /// Who can do that, and through which binding, role and rule?
    #[command(name = "who-can")]
    WhoCan(Box<who_can::WhoCanArgs>),
    /// Who am I to the API server, and how does it know?
    Whoami(Box<whoami::WhoamiArgs>),
    /// What does this error, log or code mean, and what comes next?
    Explain(Box<explain::ExplainArgs>),
    /// On EKS: what to allow so that the control plane reaches the issuer
    Allowlist(Box<allowlist::AllowlistArgs>),
    /// Which AWS identity does this Pod get, and why not the one intended?
    Workload(Box<workload::WorkloadArgs>),
    /// The version of kaccess
    Version,
}

/// Runs kaccess and returns its exit code.
pub fn run(host: &Host, arguments: impl Iterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            if !error.use_stderr() {
                // A closed pipe is no failure of ours.
                let _ = error.print();
                return GOOD;
            }
            // clap quotes the word it does not understand, and that may be a token in the wrong place.
            let text = crate::secret::Scrubber::default().text(&error.render().to_string());
            let _ = io::stderr().lock().write_all(text.as_bytes());
            return NONE;
        }
    };
    colored::control::set_override(flags::wants_colour(&cli.output, host));
    let drawn = match &cli.command {
        Command::CanI(arguments) => arguments.drawn(),
        Command::WhoCan(_) => true,
        _ => false,
    };
    let result = match &cli.command {
        _ if cli.output.format().is_graph() && !drawn => {
            Err(Error::new("only can-i --why and who-can can be drawn", "leave out -o mermaid and -o dot"))
        }
        _ if cli.output.format().is_allowlist() && !matches!(cli.command, Command::Allowlist(_)) => {
            Err(Error::new("only allowlist has the forms terraform, aws-cli, ingress, nginx and cidr", "leave out -o"))
        }
        Command::Doctor(arguments) => doctor::run(host, &cli.connection, &cli.output, arguments),
        Command::Decode(arguments) => decode::run(host, &cli.connection, &cli.output, arguments),
        Command::CanI(arguments) => can_i::run(host, &cli.connection, &cli.output, arguments),
        Command::WhoCan(arguments) => who_can::run(host, &cli.connection, &cli.output, arguments),
        Command::Whoami(arguments) => whoami::run(host, &cli.connection, &cli.output, arguments),
        Command::Explain(arguments) => explain::run(host, &cli.output, arguments),
        Command::Allowlist(arguments) => allowlist::run(host, &cli.connection, &cli.output, arguments),
        Command::Workload(arguments) => workload::run(host, &cli.connection, &cli.output, arguments),
        Command::Version => version(&cli.output),
    };
    if host.stderr_is_terminal && cli.connection.token_in_history() {
        note("hint: a token on the command line stays in the shell's history; --token @FILE and --token - do not");
    }
    match result {
        Ok(code) => code,
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => GOOD,
        Err(error) => {
            complain(&error);
            NONE
        }
    }
}

/// Shows an error on stderr.
fn complain(error: &Error) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "error: {}", crate::secret::strip_control(&error.to_string()));
    if let Error::Usage { hint: Some(hint), .. } = error {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}

/// Writes the answer to stdout, at once.
fn answer(text: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(text);
    let text = crate::render::human::shown(&text, colored::control::SHOULD_COLORIZE.should_colorize());
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()?;
    Ok(())
}

/// A line for people on stderr.
fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", crate::secret::strip_control(text));
}

fn version(output: &flags::OutputArgs) -> Result<u8, Error> {
    let mut text = Vec::new();
    match output.format() {
        flags::Format::Json => crate::render::json::write_json(&version_view(), &mut text)?,
        flags::Format::Yaml => crate::render::json::write_yaml(&version_view(), &mut text)?,
        _ => writeln!(text, "kaccess {}", env!("CARGO_PKG_VERSION"))?,
    }
    answer(&text)?;
    Ok(GOOD)
}

fn version_view() -> serde_json::Value {
    serde_json::json!({
        "apiVersion": crate::render::json::API_VERSION,
        "kind": "Version",
        "version": env!("CARGO_PKG_VERSION"),
    })
}
