//! The answer of `allowlist`, for people; the forms for tools are in [`tools`].

use std::io::{self, Write};

use colored::Colorize as _;

use super::human::{wrap, wrapped};
use crate::report::Grade;
use crate::report::allowlist::{Allowlist, Entry, Kind};
use crate::report::commands::in_region;

pub mod tools;

fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        Kind::SecurityGroup => "security group",
        Kind::Cidr => "range",
        Kind::PrefixList => "prefix list",
        Kind::Path => "path, to everybody",
    }
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Seen => "seen",
        Grade::Probed => "probed",
        Grade::Inferred => "inferred",
    }
}

fn heading(answer: &Allowlist) -> String {
    let mode = if answer.egress_mode_assumed {
        format!("{} (assumed: the API names none)", answer.egress_mode)
    } else {
        answer.egress_mode.clone()
    };
    if answer.direction == "clients" {
        format!("What clients need to reach the API endpoint of {}", answer.place.cluster)
    } else {
        format!(
            "What the control plane of {} needs to reach {} (egress mode {mode})",
            answer.place.cluster, answer.place.host
        )
    }
}

/// What the endpoint's addresses are good for.
fn endpoint_note(answer: &Allowlist) -> &'static str {
    if answer.direction == "clients" {
        "where clients connect to"
    } else {
        "where clients enter; not for the issuer's list"
    }
}

/// Commands of the AWS CLI, each for the cluster's region.
///
/// # Errors
/// When the writer fails.
pub fn aws_cli(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    let mut text = Vec::new();
    tools::aws_cli(answer, &mut text)?;
    match &answer.place.region {
        Some(region) => out.write_all(in_region(&String::from_utf8_lossy(&text), region).as_bytes()),
        None => out.write_all(&text),
    }
}

/// The table form, within the width of a terminal.
///
/// # Errors
/// When the writer fails.
pub fn table(answer: &Allowlist, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let title = heading(answer);
    for line in width.map_or_else(|| vec![title.clone()], |width| wrap(&title, width)) {
        writeln!(out, "{}", line.bold())?;
    }
    writeln!(out)?;
    writeln!(out, "{}", "Allow".bold())?;
    if answer.entries.is_empty() {
        writeln!(out, "  nothing can be named; see below")?;
    }
    for entry in &answer.entries {
        writeln!(out, "  {}  {}", entry.value, kind(entry).dimmed())?;
        wrapped(&format!("{} [{}]", entry.why, grade(entry.grade)), "      ", "      ", width, out)?;
    }
    if let Some(drift) = &answer.drift {
        writeln!(out, "\n{}", "Differs today".bold())?;
        if drift.is_empty() {
            writeln!(out, "  {}", if answer.uncompared { NOT_KNOWN } else { "nothing" })?;
        }
        for one in drift {
            wrapped(&format!("{}: {} ({})", one.kind, one.value, one.place), "  ", "    ", width, out)?;
            wrapped(&one.text, "      ", "      ", width, out)?;
        }
    }
    if !answer.warnings.is_empty() {
        writeln!(out, "\n{}", "Note".bold())?;
        for warning in &answer.warnings {
            wrapped(&format!("- {warning}"), "  ", "    ", width, out)?;
        }
    }
    writeln!(out, "\n{}", "API endpoint".bold())?;
    wrapped(&format!("{} ({})", answer.endpoint.host, endpoint_note(answer)), "  ", "    ", width, out)?;
    for address in &answer.endpoint.addresses {
        writeln!(out, "  {address}")?;
    }
    if !answer.network_interfaces.is_empty() {
        writeln!(out, "{}", "Network interfaces of the control plane".bold())?;
        for interface in &answer.network_interfaces {
            let place = format!(
                "{}  {}  {} {}  {}",
                interface.id,
                interface.addresses.join(" "),
                interface.subnet,
                interface.zone,
                interface.security_groups.join(" ")
            );
            wrapped(&place, "  ", "      ", width, out)?;
        }
    }
    Ok(())
}

/// Where nothing was found to differ, and not everything could be compared.
const NOT_KNOWN: &str = "not known: not everything could be compared";

/// The markdown form.
///
/// # Errors
/// When the writer fails.
pub fn markdown(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    use super::markdown::{code, plain};
    writeln!(out, "# {}\n", plain(&heading(answer)))?;
    writeln!(out, "| allow | as | why | known |\n|---|---|---|---|")?;
    for entry in &answer.entries {
        writeln!(out, "| {} | {} | {} | {} |", code(&entry.value), kind(entry), plain(&entry.why), grade(entry.grade))?;
    }
    if let Some(drift) = &answer.drift {
        writeln!(out, "\n## Differs today\n")?;
        if drift.is_empty() {
            writeln!(out, "{}", if answer.uncompared { NOT_KNOWN } else { "Nothing." })?;
        }
        for one in drift {
            writeln!(out, "- {}: {} ({}): {}", one.kind, code(&one.value), plain(&one.place), plain(&one.text))?;
        }
    }
    writeln!(out, "\n## Note\n")?;
    for warning in &answer.warnings {
        writeln!(out, "- {}", plain(warning))?;
    }
    writeln!(
        out,
        "- API endpoint {} ({}): {}",
        code(&answer.endpoint.host),
        endpoint_note(answer),
        answer.endpoint.addresses.join(", ")
    )?;
    for interface in &answer.network_interfaces {
        writeln!(
            out,
            "- interface {}: {} in {}",
            code(&interface.id),
            interface.addresses.join(", "),
            plain(&interface.subnet)
        )?;
    }
    Ok(())
}
