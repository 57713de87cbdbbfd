//! `kaccess man`: the manual pages, made from the definition of the commands.

use std::path::PathBuf;

use clap::CommandFactory as _;

use super::{Cli, Error, GOOD, answer, note};
use crate::text::nearest;

/// Flags of `man`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kaccess man | man -l -                      read it\n  kaccess man can-i | man -l -\n  \
    kaccess man --dir ~/.local/share/man/man1   all pages, for man kaccess"
)]
pub struct ManArgs {
    /// The page of this command, instead of the first page
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
    /// Write all pages into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When there is no such command, or a page cannot be written.
pub fn run(arguments: &ManArgs) -> Result<u8, Error> {
    let mut whole = Cli::command();
    if let Some(folder) = &arguments.dir {
        let complain = |error: std::io::Error| Error::plain(format!("--dir {}: {error}", folder.display()));
        std::fs::create_dir_all(folder).map_err(complain)?;
        whole = whole.disable_help_subcommand(true);
        whole.build();
        for command in std::iter::once(&whole).chain(whole.get_subcommands()) {
            page(command.clone()).generate_to(folder).map_err(complain)?;
        }
        note(&format!("pages written to {}", folder.display()));
        return Ok(GOOD);
    }
    whole.build();
    let command = match &arguments.command {
        None => whole,
        Some(name) => {
            let Some(found) = whole.find_subcommand(name).cloned() else {
                let names: Vec<&str> = whole.get_subcommands().map(clap::Command::get_name).collect();
                let begins = |known: &&str| known.starts_with(name.as_str()) || name.starts_with(known);
                let near = nearest(name, names.iter().copied()).or_else(|| names.iter().copied().find(begins));
                let hint =
                    near.map_or_else(|| "kaccess --help lists them".to_owned(), |near| format!("did you mean {near}?"));
                return Err(Error::new(format!("there is no command {name}"), hint));
            };
            found
        }
    };
    let mut text = Vec::new();
    page(command).render(&mut text)?;
    answer(&text)?;
    Ok(GOOD)
}

/// The page of a command; a subcommand has no version of its own.
fn page(command: clap::Command) -> clap_mangen::Man {
    clap_mangen::Man::new(command).source(concat!("kaccess ", env!("CARGO_PKG_VERSION")))
}
