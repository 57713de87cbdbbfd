//! One file per command: flags, collect, think, render. The only code that writes stdout, stderr and files.

mod all_contexts;
pub mod allowlist;
pub mod can_i;
mod compare;
pub mod completion;
mod connect;
pub mod decode;
mod diagnosis;
pub mod doctor;
mod eks;
pub mod explain;
mod files;
pub mod flags;
pub mod man;
mod progress;
pub mod schema;
mod server_file;
mod share;
mod spelling;
mod watch;
pub mod who_can;
pub mod whoami;
pub mod workload;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, OnceLock};

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use regex::Regex;

use self::flags::Format;
use crate::host::Host;
use crate::render::{human, json};
use crate::secret::{Scrubber, strip_control};

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
    /// What makes a shell complete commands, contexts, types and codes
    Completion(completion::CompletionArgs),
    /// The manual pages
    Man(man::ManArgs),
    /// The JSON Schema of an answer
    Schema(schema::SchemaArgs),
    /// The version of kaccess
    Version,
}

impl Command {
    /// It answers in sentences, and not in what a program reads.
    fn speaks(&self) -> bool {
        !matches!(self, Self::Completion(_) | Self::Man(_) | Self::Schema(_) | Self::Version)
    }

    /// The answer's name for a message, and the forms that it has beside [`Format::COMMON`]. What is for a program of its
    /// own has one form.
    fn forms(&self) -> (&'static str, &'static [Format]) {
        use Format::{AwsCli, Cidr, Dot, Html, Ingress, Junit, Mermaid, Nginx, Prometheus, Sarif, Terraform};
        match self {
            Self::Doctor(arguments) if arguments.examines_all() => {
                ("doctor --all-contexts", &[Prometheus, Sarif, Junit])
            }
            Self::Doctor(_) => ("doctor", &[Html, Prometheus, Sarif, Junit]),
            Self::Decode(_) => ("decode", &[]),
            Self::CanI(arguments) if arguments.drawn() => ("can-i --why", &[Mermaid, Dot]),
            Self::CanI(_) => ("can-i without --why, or about several questions,", &[]),
            Self::WhoCan(_) => ("who-can", &[Mermaid, Dot]),
            Self::Whoami(_) => ("whoami", &[]),
            Self::Explain(_) => ("explain", &[]),
            Self::Allowlist(_) => ("allowlist", &[Terraform, AwsCli, Ingress, Nginx, Cidr]),
            Self::Workload(_) => ("workload", &[]),
            Self::Completion(_) => ("completion", &[]),
            Self::Man(_) => ("man", &[]),
            Self::Schema(_) => ("schema", &[]),
            Self::Version => ("version", &[]),
        }
    }

    /// The error for a form that the answer does not have.
    fn refused(&self, format: Format) -> Option<Error> {
        let (name, more) = self.forms();
        let common = match self {
            Self::Completion(_) | Self::Man(_) => &[],
            _ => Format::COMMON,
        };
        if format == Format::Table || common.contains(&format) || more.contains(&format) {
            return None;
        }
        if common.is_empty() {
            return Some(Error::new(format!("{name} has no form {}", format.word()), "leave out -o"));
        }
        let forms: Vec<String> = common.iter().chain(more).map(|form| form.word()).collect();
        Some(Error::new(format!("{name} has no form {}", format.word()), format!("its forms are {}", forms.join(", "))))
    }
}

impl Command {
    /// The error for `--short` where it would change nothing: beside another form, and in answers without findings.
    fn refuses_short(&self, output: &flags::OutputArgs) -> Option<Error> {
        if !output.short {
            return None;
        }
        if output.format() != Format::Table {
            let form = output.format().word();
            return Some(Error::new(
                format!("--short is a form of its own, and so is -o {form}"),
                "leave out one of them",
            ));
        }
        match self {
            Self::Doctor(_) | Self::Decode(_) | Self::Explain(_) | Self::Workload(_) => None,
            _ => Some(Error::new(
                format!("{} has no findings, of which --short shows each in one line", self.forms().0),
                "leave out --short",
            )),
        }
    }
}

/// Runs kaccess and returns its exit code.
pub fn run(host: &Host, arguments: impl Iterator<Item = OsString>) -> u8 {
    if host.stderr_is_terminal {
        let _ = COLUMNS.set(host.width);
    }
    // Before anything is told: help and errors name commands too.
    PLUGIN.store(host.is_kubectl_plugin, Ordering::Relaxed);
    std::panic::set_hook(Box::new(|bug| warn(&bug_line(bug))));
    let arguments = without_help_of_help(arguments.collect());
    if let Some(result) = completion::asked(host, &arguments) {
        return ended(result);
    }
    let arguments = spelling::ours(arguments);
    let scrubber = glued_tokens(&arguments);
    let cli = match parsed(host, arguments) {
        Ok(cli) => cli,
        Err(error) => {
            if !error.use_stderr() {
                let text = error.render();
                let text = if colours_help(host) { text.ansi().to_string() } else { text.to_string() };
                return ended(put(as_typed(&text, &PLUGIN).as_bytes()).map(|()| GOOD));
            }
            let text = error.render().to_string();
            // clap quotes the word it does not understand, and that may be a token in the wrong place. Help and the names
            // of what is missing hold no word of the user's.
            let text = match error.kind() {
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                | ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand => as_typed(&text, &PLUGIN).into_owned(),
                _ => without_word(&text, forms_named(&error), &scrubber),
            };
            let _ = io::stderr().lock().write_all(text.as_bytes());
            return NONE;
        }
    };
    QUIET.store(cli.output.quiet, Ordering::Relaxed);
    colored::control::set_override(flags::wants_colour(&cli.output, host));
    let for_people =
        cli.command.speaks() && matches!(cli.output.format(), Format::Table | Format::Markdown | Format::Html);
    PLUGIN_ANSWERS.store(host.is_kubectl_plugin && for_people, Ordering::Relaxed);
    let refused = cli.command.refused(cli.output.format()).or_else(|| cli.command.refuses_short(&cli.output));
    let result = match refused {
        Some(error) => Err(error),
        None => dispatch(host, &cli),
    };
    let in_history = match &cli.command {
        _ if cli.connection.token_in_history() => Some("--token "),
        Command::WhoCan(arguments) if arguments.token_in_history() => Some("--for-token "),
        Command::Decode(arguments) if arguments.token_in_history() => Some(""),
        _ => None,
    };
    if let Some(flag) = in_history.filter(|_| host.stderr_is_terminal) {
        note(&format!(
            "hint: a token on the command line stays in the shell's history; {flag}@FILE and {flag}- do not"
        ));
    }
    ended(result)
}

/// `help --help` asks for what `help` tells; clap knows no such flag there.
fn without_help_of_help(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.retain(|word| word != "--help" && word != "-h");
    }
    arguments
}

/// Knows what stands behind `--token` or `--password` without a blank or `=`: no flag is called so, and the error would
/// quote it.
fn glued_tokens(arguments: &[OsString]) -> Scrubber {
    let scrubber = Scrubber::default();
    let glued = arguments.iter().filter_map(|word| {
        let word = word.to_str()?;
        word.strip_prefix("--token").or_else(|| word.strip_prefix("--password"))
    });
    glued.filter(|rest| !rest.starts_with('=')).for_each(|rest| scrubber.learn(rest));
    scrubber
}

/// Whether an error is about the form of the output.
fn forms_named(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::InvalidValue
        && error.get(ContextKind::InvalidArg).is_some_and(|flag| flag.to_string().starts_with("--output"))
}

/// clap's error without a word of the user's that is a secret. The usage at its end has placeholders alone, of which some
/// look like one (`--client-key <FILE>`). Which forms there are depends on the command, so not all are named.
fn without_word(text: &str, names_forms: bool, scrubber: &Scrubber) -> String {
    let (error, usage) = match text.rfind("\n\nUsage: ") {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let mut error = scrubber.text(error);
    if names_forms {
        let forms = "  [table, json, yaml and markdown for every answer; --help says which others there are]";
        let lines = error.split('\n');
        let lines: Vec<&str> =
            lines.map(|line| if line.trim_start().starts_with("[possible values: ") { forms } else { line }).collect();
        error = lines.join("\n");
    }
    error + usage
}

/// The exit code of a result, whose error is told.
fn ended(result: Result<u8, Error>) -> u8 {
    // A signal is ending kaccess: what failed because of it is no news.
    if let Some(code) = crate::collect::interrupt::ending() {
        return code;
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

/// How one calls it: as kubectl's plugin the program's name is not what one types.
const AS_PLUGIN: &str = "kubectl kaccess";

fn parsed(host: &Host, arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    if !host.is_kubectl_plugin {
        return Cli::try_parse_from(arguments);
    }
    let mut command = Cli::command().bin_name(AS_PLUGIN);
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// kaccess runs as kubectl's plugin, and so do the commands that its messages name.
static PLUGIN: AtomicBool = AtomicBool::new(false);

/// So do those of its answer, which is one for people.
static PLUGIN_ANSWERS: AtomicBool = AtomicBool::new(false);

/// The text with our own commands as one would type them.
fn as_typed<'t>(text: &'t str, plugin: &AtomicBool) -> Cow<'t, str> {
    static OWN: LazyLock<Regex> = LazyLock::new(|| {
        let command = Cli::command();
        let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let verbs = format!("{}|--help", verbs.join("|"));
        // Bold and coloured words begin behind their code, and those of a page behind the end of a tag.
        Regex::new(&format!(
            r#"(?m)(?P<before>^|[\s"'`($;|&:>]|\x1b\[[0-9;]*m)(?:kubectl )?kaccess(?P<gap>\s+)(?P<verb>{verbs})\b"#
        ))
        .expect("a pattern")
    });
    if !plugin.load(Ordering::Relaxed) {
        return text.into();
    }
    OWN.replace_all(text, format!("${{before}}{AS_PLUGIN}${{gap}}${{verb}}").as_str())
}

/// Help is asked for before the flags are known: only the surroundings count.
fn colours_help(host: &Host) -> bool {
    flags::wants_colour(&flags::OutputArgs::default(), host)
}

fn dispatch(host: &Host, cli: &Cli) -> Result<u8, Error> {
    match &cli.command {
        Command::Doctor(arguments) => doctor::run(host, &cli.connection, &cli.output, arguments),
        Command::Decode(arguments) => decode::run(host, &cli.connection, &cli.output, arguments),
        Command::CanI(arguments) => can_i::run(host, &cli.connection, &cli.output, arguments),
        Command::WhoCan(arguments) => who_can::run(host, &cli.connection, &cli.output, arguments),
        Command::Whoami(arguments) => whoami::run(host, &cli.connection, &cli.output, arguments),
        Command::Explain(arguments) => explain::run(host, &cli.output, arguments),
        Command::Allowlist(arguments) => allowlist::run(host, &cli.connection, &cli.output, arguments),
        Command::Workload(arguments) => workload::run(host, &cli.connection, &cli.output, arguments),
        Command::Completion(arguments) => completion::run(arguments),
        Command::Man(arguments) => man::run(arguments),
        Command::Schema(arguments) => schema::run(&cli.output, arguments),
        Command::Version => version(&cli.output),
    }
}

/// Shows an error on stderr.
fn complain(error: &Error) {
    let mut text = format!("error: {}\n", strip_control(&error.to_string()));
    if let Error::Usage { hint: Some(hint), .. } = error {
        text.push_str(&format!("hint: {}\n", as_typed(hint, &PLUGIN)));
    }
    tell(&text);
}

/// What the system says of an error without its number, which Rust puts behind it.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => out.push_str(rest),
            _ => out.push_str(&format!(" (os error {part}")),
        }
    }
    out
}

/// The columns of stderr, where it is a terminal.
static COLUMNS: OnceLock<usize> = OnceLock::new();

/// What stands before the further lines of what is told.
const INDENT: &str = "  ";

/// Writes to stderr: lines as they are for programs, and such as fit for a terminal.
fn tell(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in without_numbers(text).lines() {
        match COLUMNS.get().filter(|width| line.chars().count() > **width) {
            Some(width) => {
                for (number, part) in human::wrap(line, width.saturating_sub(INDENT.len())).iter().enumerate() {
                    let _ = writeln!(stderr, "{}{part}", if number == 0 { "" } else { INDENT });
                }
            }
            None => {
                let _ = writeln!(stderr, "{line}");
            }
        }
    }
}

/// A bug by its place alone: a panic's message may quote what it stumbled over, and that may be a secret.
fn bug_line(bug: &std::panic::PanicHookInfo<'_>) -> String {
    let place = bug.location().map_or_else(String::new, |place| {
        let file = std::path::Path::new(place.file()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        format!(" at {file}:{}", place.line())
    });
    format!("a bug in kaccess{place}; please report it")
}

/// Writes the answer to stdout, at once.
fn answer(text: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(text);
    let colour = colored::control::SHOULD_COLORIZE.should_colorize();
    let mut text = human::shown(&text, colour);
    if PLUGIN_ANSWERS.load(Ordering::Relaxed) {
        text = as_typed(&text, &PLUGIN_ANSWERS).into_owned().into();
    }
    // Only a terminal that is coloured too: what is piped stays plain.
    if colour && io::stdout().is_terminal() && supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout) {
        text = human::linked(&text).into_owned().into();
    }
    put(text.as_bytes())
}

/// Writes to stdout as it stands.
fn put(text: &[u8]) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text)?;
    stdout.flush()?;
    Ok(())
}

/// The columns that an answer has on a terminal; elsewhere its lines stay whole, for programs that read them.
fn columns_of(host: &Host) -> Option<usize> {
    host.stdout_is_terminal.then_some(host.width)
}

/// Opens what `@FILE` names.
fn open_named(path: &str) -> Result<std::fs::File, Error> {
    std::fs::File::open(path).map_err(|error| {
        Error::new(
            format!("{path}: {error}"),
            "@ names a file, from the folder that you are in; without the @ the text itself is meant",
        )
    })
}

/// A text that is the name of a file was most likely meant as the file.
fn hint_at_file(given: &str) {
    // No path is longer, and no token is looked up as one.
    if given.len() <= 255 && std::path::Path::new(given).is_file() {
        note(&format!("hint: there is a file of that name: did you mean @{given}?"));
    }
}

/// Whether `--quiet` was given.
static QUIET: AtomicBool = AtomicBool::new(false);

/// A line for people on stderr, beside the answer.
fn note(text: &str) {
    if !QUIET.load(Ordering::Relaxed) {
        warn(text);
    }
}

/// A line on stderr that `--quiet` does not silence: kubectl's own warnings, what of the input is wrong, a bug.
fn warn(text: &str) {
    tell(&as_typed(&strip_control(text), &PLUGIN));
}

fn version(output: &flags::OutputArgs) -> Result<u8, Error> {
    let version = env!("CARGO_PKG_VERSION");
    let view = json::headed_view("Version", &json::VersionView { version })?;
    let mut text = Vec::new();
    match output.format() {
        Format::Json => json::write_json(&view, &mut text)?,
        Format::Yaml => json::write_yaml(&view, &mut text)?,
        _ => writeln!(text, "kaccess {version}")?,
    }
    if !output.quiet {
        answer(&text)?;
    }
    Ok(GOOD)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    #[test]
    fn commands_are_typed_as_kubectls_plugin() {
        use std::sync::atomic::AtomicBool;

        let (own, plugin) = (AtomicBool::new(false), AtomicBool::new(true));
        for (text, typed) in [
            ("see kaccess doctor", "see kubectl kaccess doctor"),
            ("  $ \u{1b}[36mkaccess can-i list pods", "  $ \u{1b}[36mkubectl kaccess can-i list pods"),
            ("kaccess\n  doctor --log F", "kubectl kaccess\n  doctor --log F"),
            ("kubectl kaccess doctor", "kubectl kaccess doctor"),
            ("<pre>\nkaccess decode -</pre>", "<pre>\nkubectl kaccess decode -</pre>"),
            ("<li>kaccess explain &#39;", "<li>kubectl kaccess explain &#39;"),
            ("&#39;kaccess version", "&#39;kubectl kaccess version"),
            ("get pods 2>&1 | kaccess explain -", "get pods 2>&1 | kubectl kaccess explain -"),
            ("kaccess --help lists them", "kubectl kaccess --help lists them"),
            ("clusterrole/kaccess doctor", "clusterrole/kaccess doctor"),
            ("a bug in kaccess at mod.rs", "a bug in kaccess at mod.rs"),
        ] {
            assert_eq!(super::as_typed(text, &plugin), typed);
            assert_eq!(super::as_typed(text, &own), text);
        }
    }

    /// The hook is the process's, so what other tests' threads say in the meantime is passed on.
    #[test]
    fn a_bug_tells_its_place_and_nothing_else() {
        let (own, said) = (std::thread::current().id(), Arc::new(Mutex::new(String::new())));
        let (before, line) = (std::panic::take_hook(), said.clone());
        std::panic::set_hook(Box::new(move |bug| {
            if std::thread::current().id() == own {
                line.lock().expect("lock").push_str(&super::bug_line(bug));
            } else {
                before(bug);
            }
        }));
        let token = String::from("canary-panic-token");
        let broke = std::panic::catch_unwind(|| panic!("cannot parse {token}"));
        drop(std::panic::take_hook());
        assert!(broke.is_err());
        let said = said.lock().expect("lock").clone();
        assert!(said.starts_with("a bug in kaccess at mod.rs:"), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
}
