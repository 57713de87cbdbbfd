//! `kaccess completion`: what may come next, told to a shell (or to kubectl) by the program itself, without any network.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use clap::{CommandFactory as _, ValueEnum, ValueHint};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _, complete};
use clap_complete::env::{EnvCompleter, Fish, Powershell, Zsh};

use super::{Cli, Error, GOOD, answer};
use crate::apiserver::authz::resources::RESOURCES;
use crate::collect::api_types::Copy;
use crate::collect::kubeconfig::{self, ConnectionFlags, ContextName};
use crate::evidence::kubeconfig::Kubeconfig;
use crate::host::Host;
use crate::rules::RULES;
use crate::secret::Scrubber;

/// The variable by which a shell asks; its value is the shell's name.
pub const VARIABLE: &str = "KACCESS_COMPLETE";

/// The name under which kubectl asks for completions of its plugin.
const OF_PLUGIN: &str = "kubectl_complete-kaccess";

/// Most contexts whose namespaces are looked at.
const MOST_CONTEXTS: usize = 64;

const BASH: &str = include_str!("completion/kaccess.bash");

/// Verbs that a question may have, in the order of their use.
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "impersonate",
    "bind",
    "escalate",
    "approve",
    "sign",
    "use",
    "*",
];

/// A shell that can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash.
    Bash,
    /// Zsh.
    Zsh,
    /// Fish.
    Fish,
    /// PowerShell.
    Powershell,
}

/// Flags of `completion`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  eval \"$(kaccess completion bash)\"             in ~/.bashrc\n  \
    eval \"$(kaccess completion zsh)\"              in ~/.zshrc, after compinit\n  \
    kaccess completion fish | source              in ~/.config/fish/config.fish\n  \
    kaccess completion powershell | Out-String | Invoke-Expression\n\n\
    For kubectl kaccess <TAB>: a link named kubectl_complete-kaccess on PATH that leads to kaccess.\n\n\
    Contexts and namespaces come from the kubeconfig, types from the built-in table and the copy on disk of what the \
    server offers; nothing is asked over the network.")]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the script that makes a shell ask.
///
/// # Errors
/// When stdout cannot be written.
pub fn run(arguments: &CompletionArgs) -> Result<u8, Error> {
    let mut text = Vec::new();
    // The name on PATH, not this file: an update must not leave the shell with a program that is gone.
    let (name, program) = ("kaccess", "kaccess");
    match arguments.shell {
        Shell::Bash => text.write_all(BASH.replace("KACCESS_PROGRAM", program).as_bytes())?,
        Shell::Zsh => Zsh.write_registration(VARIABLE, name, name, program, &mut text)?,
        Shell::Fish => Fish.write_registration(VARIABLE, name, name, program, &mut text)?,
        Shell::Powershell => Powershell.write_registration(VARIABLE, name, name, program, &mut text)?,
    }
    answer(&text)?;
    Ok(GOOD)
}

/// The line that is completed, for the completers: clap hands them only the word itself.
static LINE: OnceLock<(Host, Vec<OsString>)> = OnceLock::new();

/// Answers a shell or kubectl, where that is what this run is for.
pub fn asked(host: &Host, arguments: &[OsString]) -> Option<Result<u8, Error>> {
    let called = arguments.first().map(Path::new).and_then(Path::file_stem);
    if called == Some(OsStr::new(OF_PLUGIN)) {
        return Some(for_kubectl(host, &arguments[1..]));
    }
    // The script puts the line behind a `--`; whatever else stands there is a run of its own.
    let (_, line) = arguments.split_first().filter(|(_, rest)| rest.first().is_some_and(|word| word == "--"))?;
    let shell = host.var(VARIABLE).and_then(|name| Shell::from_str(name, false).ok())?;
    Some(for_shell(host, shell, line[1..].to_vec()))
}

fn for_shell(host: &Host, shell: Shell, line: Vec<OsString>) -> Result<u8, Error> {
    if line.is_empty() {
        return Ok(GOOD);
    }
    let mut command = command_for(host, &line);
    let mut text = Vec::new();
    let shell: &dyn EnvCompleter = match shell {
        Shell::Bash => &clap_complete::env::Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Powershell => &Powershell,
    };
    shell.write_complete(&mut command, line, Some(&host.cwd), &mut text)?;
    answer(&text)?;
    Ok(GOOD)
}

/// kubectl gives the words behind `kubectl kaccess` and reads what cobra's programs write: a candidate a line, its help
/// behind a tab, and a last line of directives.
fn for_kubectl(host: &Host, words: &[OsString]) -> Result<u8, Error> {
    /// ShellCompDirectiveNoFileComp: there is nothing but these candidates.
    const NO_FILES: &str = ":4";
    let mut line = vec![OsString::from("kaccess")];
    line.extend_from_slice(words);
    if line.len() == 1 {
        line.push(OsString::new());
    }
    let last = line.len() - 1;
    let mut command = command_for(host, &line);
    let mut text = Vec::new();
    for candidate in complete(&mut command, line, last, Some(&host.cwd))? {
        let value = candidate.get_value().to_string_lossy().into_owned();
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let help = help.lines().next().unwrap_or_default();
        let tab = if help.is_empty() { "" } else { "\t" };
        writeln!(text, "{value}{tab}{help}")?;
    }
    writeln!(text, "{NO_FILES}")?;
    answer(&text)?;
    Ok(GOOD)
}

/// How the values of a flag or argument are found.
type Find = fn(&Known<'_>) -> Vec<String>;

/// What is known of a command's argument; flags of every command stand under no command.
fn values_of(command: &str, argument: &str) -> Option<Find> {
    Some(match (command, argument) {
        ("", "context") | ("doctor", "reviewer_context") => |known| known.contexts(),
        ("", "namespace") | ("can-i", "namespaces") => |known| known.namespaces(),
        ("can-i" | "who-can", "verb") | ("can-i", "verbs") => |_| VERBS.iter().map(ToString::to_string).collect(),
        ("can-i" | "who-can", "resource") | ("can-i", "resources") => |known| known.types(),
        ("man", "command") => |_| commands(),
        ("explain", "text") => |_| RULES.iter().map(|rule| rule.code.to_owned()).collect(),
        _ => return None,
    })
}

/// The commands' names.
fn commands() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// The program's own definition, with what can be known of values.
fn command_for(host: &Host, line: &[OsString]) -> clap::Command {
    // Set once: a run answers one line.
    let _ = LINE.set((host.clone(), line.to_vec()));
    let with_values = |command: &str, arg: clap::Arg| match (values_of(command, arg.get_id().as_str()), Files::of(&arg))
    {
        (None, Files::Not) => arg,
        (find, files) => arg.add(ArgValueCompleter::new(move |current: &OsStr| {
            let Some((host, line)) = LINE.get() else { return Vec::new() };
            let mut candidates = files.candidates(host, current);
            let current = current.to_string_lossy();
            let known = find.map(|find| find(&Known::of(host, line))).unwrap_or_default();
            let fitting = known.into_iter().filter(|value| value.starts_with(current.as_ref()));
            candidates.extend(fitting.map(CompletionCandidate::new));
            candidates
        })),
    };
    // In place: the order of arguments is their position.
    Cli::command().mut_args(|arg| with_values("", arg)).mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        command.mut_args(|arg| with_values(&name, arg))
    })
}

/// Whether an argument that is no path to clap takes a file, as its placeholder says.
#[derive(Debug, Clone, Copy)]
enum Files {
    /// It takes none, or clap knows.
    Not,
    /// By its name: `FILE|-`.
    Plain,
    /// Behind an `@`: `TEXT|@FILE|-`, and every token.
    BehindAt,
}

impl Files {
    fn of(arg: &clap::Arg) -> Self {
        let names = arg.get_value_names().unwrap_or_default();
        let named = |wanted: &str| {
            names.iter().any(|name| {
                name.as_str().split(|c: char| !c.is_ascii_alphanumeric() && c != '@').any(|word| word == wanted)
            })
        };
        if arg.get_value_hint() != ValueHint::Unknown {
            Self::Not
        } else if named("@FILE") || named("TOKEN") {
            Self::BehindAt
        } else if named("FILE") {
            Self::Plain
        } else {
            Self::Not
        }
    }

    fn candidates(self, host: &Host, current: &OsStr) -> Vec<CompletionCandidate> {
        let paths = PathCompleter::any().current_dir(&host.cwd);
        match self {
            Self::Not => Vec::new(),
            Self::Plain => paths.complete(current),
            Self::BehindAt => {
                let path = current.to_str().and_then(|word| word.strip_prefix('@'));
                let found = path.map(|path| paths.complete(OsStr::new(path))).unwrap_or_default();
                found.into_iter().map(|candidate| candidate.add_prefix("@")).collect()
            }
        }
    }
}

/// What the machine knows about values, without asking anybody.
struct Known<'a> {
    host: &'a Host,
    flags: ConnectionFlags,
}

impl<'a> Known<'a> {
    /// With the kubeconfig and the context that the line names.
    fn of(host: &'a Host, line: &[OsString]) -> Self {
        let flag = |name: &str| {
            let mut found = None;
            for (at, word) in line.iter().enumerate() {
                let word = word.to_string_lossy();
                match word.strip_prefix(name) {
                    Some("") => found = line.get(at + 1).map(|next| next.to_string_lossy().into_owned()),
                    Some(rest) => found = rest.strip_prefix('=').map(str::to_owned).or(found),
                    None => {}
                }
            }
            found.filter(|value| !value.is_empty())
        };
        let flags = ConnectionFlags {
            kubeconfig: flag("--kubeconfig").map(Into::into),
            context: flag("--context"),
            ..ConnectionFlags::default()
        };
        Self { host, flags }
    }

    fn load(&self, context: Option<String>) -> (Kubeconfig, Option<kubeconfig::Resolved>) {
        let flags = ConnectionFlags { context, ..self.flags.clone() };
        let (config, resolved) = kubeconfig::load(self.host, &flags, &Scrubber::default());
        (config, resolved.ok())
    }

    fn names(&self) -> Vec<ContextName> {
        kubeconfig::context_names(self.host, &self.flags, &Scrubber::default())
    }

    /// Those that are shown as they are. What would be left of another one (a token in the wrong place, characters that are
    /// not seen) names no context.
    fn contexts(&self) -> Vec<String> {
        let names = self.names().into_iter();
        let whole = names.filter(|name| name.raw == name.shown && !name.raw.contains(char::is_control));
        whole.map(|name| name.raw).collect()
    }

    /// Those of the contexts, and those that every cluster has.
    fn namespaces(&self) -> Vec<String> {
        let own = self.names().into_iter().take(MOST_CONTEXTS);
        let mut all: Vec<String> = own.map(|context| self.load(Some(context.raw)).0.namespace).collect();
        all.extend(["default", "kube-system", "kube-public", "kube-node-lease"].map(str::to_owned));
        all.retain(|name| !name.is_empty());
        let mut known = std::collections::HashSet::new();
        all.retain(|name| known.insert(name.clone()));
        all
    }

    /// The built-in types with their subresources, and what the copy of this server's list holds.
    fn types(&self) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for kind in RESOURCES {
            all.push(kind.name.to_owned());
            all.extend(kind.subresources.iter().map(|part| format!("{}/{part}", kind.name)));
        }
        let server = self.load(self.flags.context.clone()).1.map(|resolved| resolved.server);
        let copy = server.and_then(|server| Copy::of(self.host, &server).read());
        for group in copy.iter().flat_map(|list| list["items"].as_array().into_iter().flatten()) {
            let name = group.pointer("/metadata/name").and_then(|name| name.as_str()).unwrap_or_default();
            let versions = group["versions"].as_array().into_iter().flatten();
            for kind in versions.flat_map(|version| version["resources"].as_array().into_iter().flatten()) {
                let Some(plural) = kind["resource"].as_str() else { continue };
                // Whatever is built in is known by its bare name.
                if !RESOURCES.iter().any(|known| known.group == name && known.name == plural) {
                    all.push(format!("{plural}.{name}"));
                }
            }
        }
        let mut known = std::collections::HashSet::new();
        all.retain(|name| known.insert(name.clone()));
        all
    }
}
