//! `kaccess schema`: the JSON Schema of an answer, so that a script can be held to it.

use std::io::Write as _;

use clap::builder::PossibleValuesParser;

use super::flags::{Format, OutputArgs};
use super::{Error, GOOD, answer};
use crate::render::schema::{KINDS, kinds, schema};
use crate::render::{access, json};

/// Flags of `schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kaccess schema                              which kinds there are\n  \
    kaccess schema DoctorReport > schema.json\n\nThe schemas allow further fields: within v1 new ones may come, none goes or changes its meaning.")]
pub struct SchemaArgs {
    /// The kind, as the answer's field `kind` spells it; without one, all kinds are listed
    #[arg(
        value_name = "KIND",
        value_parser = PossibleValuesParser::new(KINDS.iter().map(|kind| kind.name)),
        ignore_case = true,
        hide_possible_values = true
    )]
    kind: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When the answer cannot be written.
pub fn run(output: &OutputArgs, arguments: &SchemaArgs) -> Result<u8, Error> {
    let mut text = Vec::new();
    match &arguments.kind {
        Some(name) => {
            let known = KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(name));
            let found = known.and_then(|kind| schema(kind.name));
            let found =
                found.ok_or_else(|| Error::new(format!("there is no kind {name}"), "kaccess schema lists them"))?;
            match output.format() {
                Format::Yaml => json::write_yaml(&found, &mut text)?,
                Format::Markdown => {
                    writeln!(text, "```json")?;
                    json::write_json(&found, &mut text)?;
                    writeln!(text, "```")?;
                }
                _ => json::write_json(&found, &mut text)?,
            }
        }
        None => {
            let head = [["KIND", "COMMAND"].map(str::to_owned).to_vec()];
            let rows = KINDS.iter().map(|kind| vec![kind.name.to_owned(), format!("kaccess {}", kind.command)]);
            let rows: Vec<Vec<String>> = head.into_iter().chain(rows).collect();
            match output.format() {
                Format::Json => json::write_json(&json::headed_view("SchemaList", &kinds())?, &mut text)?,
                Format::Yaml => json::write_yaml(&json::headed_view("SchemaList", &kinds())?, &mut text)?,
                Format::Markdown => text.extend(access::markdown_table(&rows).into_bytes()),
                _ => text.extend(access::columns(&rows).into_bytes()),
            }
        }
    }
    if !output.quiet {
        answer(&text)?;
    }
    Ok(GOOD)
}
