//! `kaccess doctor --watch`: looks again until all is well, and says what changed.

use std::io::{self, Write};
use std::time::Duration;

use colored::Colorize as _;
use serde_json::{Value, json};

use super::diagnosis::{FailOn, exit_code, look, reported, runtime};
use super::flags::{Format, OutputArgs};
use super::{Error, GOOD, INTERRUPTED, answer, note};
use crate::collect::interrupt;
use crate::collect::plan::Plan;
use crate::evidence::Evidence;
use crate::host::Host;
use crate::render::json::{self, DoctorView};
use crate::render::{human, terminal};
use crate::report::changes::{Change, changes};
use crate::report::doctor::{DoctorReport, Verdict};
use crate::secret::Scrubber;

/// Shortest pause between two looks: nobody's API server is to be flooded.
const SHORTEST: Duration = Duration::from_millis(100);

/// How to watch.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// Pause between the end of a look and the next one.
    pub pause: Duration,
    /// Show names and types of claims, not their values.
    pub hide_claims: bool,
    /// From which severity on all is not well.
    pub fail_on: FailOn,
}

/// Looks until all is well.
///
/// # Errors
/// When kaccess itself could not run.
pub fn run(host: &Host, output: &OutputArgs, mut plan: Plan, scrubber: &Scrubber, watch: Watch) -> Result<u8, Error> {
    let format = output.format();
    if !output.short && !matches!(format, Format::Table | Format::Json | Format::Yaml) {
        return Err(Error::new("--watch speaks as a table, JSON (one object a line) or YAML", "leave out -o"));
    }
    if plan.log.as_deref() == Some("-") {
        return Err(Error::new("--watch reads a log anew with each look, and stdin can be read once", "name a file"));
    }
    // Nobody is there to answer the tenth prompt.
    plan.exec.interactive = false;
    plan.exec.show_stderr = None;
    let pause = watch.pause.max(SHORTEST);

    interrupt::hold();
    let runtime = runtime()?;
    let mut before: Option<Told> = None;
    let mut looks: u64 = 0;
    let code = loop {
        // What one look learns, a token of each run of the plugin for one, is forgotten with it.
        let evidence = runtime.block_on(look(&host.restarted(), &plan, &scrubber.branch()));
        looks += 1;
        let cut = interrupt::code();
        // A look that was cut short says nothing of what has changed; of the first one, what is known is told.
        if let Some(code) = cut.filter(|_| before.is_some()) {
            break code;
        }
        let (evidence, report, _) = reported(&evidence)?;
        let well = report.verdict == Verdict::Healthy && exit_code(&report, watch.fail_on) == GOOD;
        let now = Told { identity: evidence.identity.seen().map(|seen| seen.user.username.clone()), report };
        let changed = before.as_ref().map(|before| {
            changes((&before.report, before.identity.as_deref()), (&now.report, now.identity.as_deref()))
        });
        let mut text = Vec::new();
        match format {
            Format::Json | Format::Yaml if !output.short => {
                one_object(&now, &evidence, changed.as_deref(), watch.hide_claims, format, &mut text)?;
            }
            _ => match &changed {
                None if output.short => terminal::short(&now.report, &mut text)?,
                None => {
                    let shown =
                        terminal::Look { width: host.width, verbose: output.verbose, hide_claims: watch.hide_claims };
                    terminal::doctor(&now.report, &evidence, shown, &mut text)?;
                }
                Some(changed) => lines(&evidence, changed, &mut text)?,
            },
        }
        if well && before.is_some() && (output.short || format == Format::Table) {
            let who =
                now.identity.as_deref().map_or_else(String::new, |name| format!(": you are {}", human::plain(name)));
            let since =
                human::duration(jiff::SignedDuration::from_secs(host.started.elapsed().as_secs().cast_signed()));
            writeln!(text, "{}  {} after {looks} looks in {since}{who}", clock(&evidence), "healthy".green().bold())?;
        }
        if !output.quiet && !text.is_empty() {
            answer(&text)?;
        }
        if let Some(code) = cut {
            break code;
        }
        if well {
            break GOOD;
        }
        if before.is_none() && !output.quiet {
            note(&format!("looking again {pause:?} after each look, until all is well; Ctrl-C ends it"));
        }
        before = Some(now);
        let stopped = runtime.block_on(async {
            tokio::select! {
                () = interrupt::came() => true,
                () = tokio::time::sleep(pause) => false,
            }
        });
        if stopped {
            break interrupt::code().unwrap_or(INTERRUPTED);
        }
    };
    // A blocked resolver or reader must not keep the process.
    runtime.shutdown_background();
    Ok(code)
}

/// What the last look amounted to.
struct Told {
    report: DoctorReport,
    identity: Option<String>,
}

/// One look as one object: a line of JSON, or a document of YAML.
fn one_object(
    now: &Told,
    evidence: &Evidence,
    changed: Option<&[Change]>,
    hide_claims: bool,
    format: Format,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut view =
        serde_json::to_value(DoctorView::new(&now.report, evidence, hide_claims)).map_err(io::Error::other)?;
    if let Some(fields) = view.as_object_mut() {
        let changed = changed.map(|changed| changed.iter().map(object).collect::<Value>());
        fields.insert("changed".to_owned(), changed.unwrap_or(Value::Null));
    }
    if format == Format::Json {
        return json::write_json_line(&view, out);
    }
    writeln!(out, "---")?;
    json::write_yaml(&view, out)
}

fn object(change: &Change) -> Value {
    match change {
        Change::New { code, title } => json!({ "kind": "new", "code": code, "title": title }),
        Change::Gone { code, title } => json!({ "kind": "gone", "code": code, "title": title }),
        Change::First { code, title } => json!({ "kind": "first", "code": code, "title": title }),
        Change::Identity { before, now } => json!({ "kind": "identity", "before": before, "now": now }),
        Change::Check { id, before, now } => {
            json!({ "kind": "check", "id": id, "before": before.word(), "now": now.word() })
        }
    }
}

/// The changes for people, one line each.
fn lines(evidence: &Evidence, changed: &[Change], out: &mut dyn Write) -> io::Result<()> {
    let who = |name: &Option<String>| name.as_deref().map_or_else(|| "nobody".to_owned(), human::plain);
    for change in changed {
        let (word, text) = match change {
            Change::New { code, title } => ("new".red().bold(), format!("{code}: {}", human::plain(title))),
            Change::Gone { code, title } => ("gone".green().bold(), format!("{code}: {}", human::plain(title))),
            Change::First { code, title } => {
                ("first".yellow().bold(), format!("the root cause is now {code}: {}", human::plain(title)))
            }
            Change::Identity { before, now } => {
                ("who".bold(), format!("the API server took you for {}, and now for {}", who(before), who(now)))
            }
            Change::Check { id, before, now } => {
                ("check".bold(), format!("{id}: {} before, {} now", before.word(), now.word()))
            }
        };
        // The width counts what is seen, not the codes of the colour.
        let blanks = " ".repeat(5 - word.chars().count().min(5));
        writeln!(out, "{}  {word}{blanks}  {text}", clock(evidence))?;
    }
    Ok(())
}

/// The time of a look, UTC.
fn clock(evidence: &Evidence) -> String {
    evidence.observed_at.strftime("%H:%M:%SZ").to_string()
}
