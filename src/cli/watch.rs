//! `kaccess doctor --watch`: looks again until all is well, and says what changed.

use std::io::Write as _;
use std::time::Duration;

use super::diagnosis::{FailOn, exit_code, look, reported, runtime, shown};
use super::flags::{Format, OutputArgs};
use super::{Error, GOOD, INTERRUPTED, answer, note};
use crate::collect::interrupt;
use crate::collect::plan::Plan;
use crate::host::Host;
use crate::render::json::{self, DoctorView};
use crate::render::{changes as render, terminal};
use crate::report::changes::changes;
use crate::report::doctor::{DoctorReport, Verdict};
use crate::report::veil::Veil;
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
        let identity = evidence.identity.seen().map(|seen| seen.user.username.clone());
        let veil = if watch.hide_claims { Veil::of(&evidence) } else { Veil::default() };
        let now = Told { identity, report, veil };
        let mut changed = before.as_ref().map(|before| {
            changes((&before.report, before.identity.as_deref()), (&now.report, now.identity.as_deref()))
        });
        // What is gone tells of the token before.
        for veil in before.iter().map(|before| &before.veil).chain([&now.veil]) {
            changed.iter_mut().for_each(|changed| veil.changes(changed));
        }
        let (evidence, report) = shown(evidence, now.report.clone(), watch.hide_claims);
        let mut text = Vec::new();
        match format {
            Format::Json | Format::Yaml if !output.short => {
                let view = DoctorView::new(&report, &evidence, watch.hide_claims).changed(changed.as_deref());
                if format == Format::Json {
                    json::write_json_line(&view, &mut text)?;
                } else {
                    writeln!(text, "---")?;
                    json::write_yaml(&view, &mut text)?;
                }
            }
            _ => match &changed {
                None if output.short => terminal::short(&report, &mut text)?,
                None => {
                    let look =
                        terminal::Look { width: host.width, verbose: output.verbose, hide_claims: watch.hide_claims };
                    terminal::doctor(&report, &evidence, look, &mut text)?;
                }
                Some(changed) => render::lines(changed, evidence.observed_at, &mut text)?,
            },
        }
        if well && before.is_some() && (output.short || format == Format::Table) {
            let since = jiff::SignedDuration::from_secs(host.started.elapsed().as_secs().cast_signed());
            let identity = evidence.identity.seen().map(|seen| seen.user.username.as_str());
            render::healthy(identity, (looks, since), evidence.observed_at, &mut text)?;
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
    /// What of it is not shown.
    veil: Veil,
}
