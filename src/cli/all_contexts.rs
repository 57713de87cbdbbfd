//! `kaccess doctor --all-contexts`: every context of the kubeconfig at once, one line each, the worst first.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use colored::Colorize as _;
use futures::future::join_all;
use tokio::sync::Semaphore;

use super::doctor::{exit_code, for_machines, look, reported};
use super::flags::{Format, OutputArgs};
use super::progress::Progress;
use super::{BAD, Error, GOOD, NONE, answer, columns_of};
use crate::collect::plan::Plan;
use crate::collect::{interrupt, kubeconfig};
use crate::evidence::Evidence;
use crate::host::Host;
use crate::render::Diagnosed;
use crate::render::human;
use crate::render::json::{self, DoctorListView, DoctorView};
use crate::report::Severity;
use crate::report::doctor::{DoctorReport, Verdict};
use crate::secret::Scrubber;

/// Most contexts at a time. Each holds a few connections and at most one plugin.
const AT_ONCE: usize = 64;

/// The columns of the verdict and the blanks behind it.
const VERDICT: usize = 10;

/// One context's answer.
struct Item {
    context: String,
    evidence: Evidence,
    report: DoctorReport,
}

/// Examines every context; without any, what the flags and the files amount to is the one answer.
///
/// # Errors
/// When kaccess itself could not run.
pub fn run(
    host: &Host,
    output: &OutputArgs,
    plan: &Plan,
    scrubber: &Scrubber,
    hide_claims: bool,
    fail_on: super::doctor::FailOn,
) -> Result<u8, Error> {
    let (config, _) = kubeconfig::load(host, &plan.flags, scrubber);
    let contexts: Vec<Option<String>> =
        if config.contexts.is_empty() { vec![None] } else { config.contexts.into_iter().map(Some).collect() };
    interrupt::hold();
    let runtime = super::doctor::runtime()?;
    let progress = Progress::start(host, output);
    let looks = runtime.block_on(async {
        let (turns, done, of) = (Semaphore::new(AT_ONCE), AtomicUsize::new(0), contexts.len());
        let all = contexts.into_iter().map(|context| {
            let (turns, done, progress) = (&turns, &done, progress.as_ref());
            async move {
                let _turn = turns.acquire().await.ok()?;
                if interrupt::code().is_some() {
                    return None;
                }
                let mut plan = plan.clone();
                plan.flags.context.clone_from(&context);
                // Nobody can answer fifty prompts at once.
                plan.exec.interactive = false;
                plan.exec.show_stderr = None;
                // Its limits begin when its turn comes.
                let evidence = look(&host.restarted(), &plan, scrubber).await;
                if let Some(progress) = progress {
                    progress.contexts(done.fetch_add(1, Ordering::Relaxed) + 1, of);
                }
                Some((context, evidence))
            }
        });
        join_all(all).await
    });
    drop(progress);
    // A blocked resolver or reader must not keep the process.
    runtime.shutdown_background();
    let mut items = Vec::new();
    for (context, evidence) in looks.into_iter().flatten() {
        let (evidence, report, _) = reported(&evidence)?;
        items.push(Item { context: context.unwrap_or_else(|| "(none)".to_owned()), evidence, report });
    }
    // The order of the file stays among equals.
    items.sort_by_key(|item| rank(&item.report));

    let mut text = Vec::new();
    match output.format() {
        Format::Json | Format::Yaml => {
            let views = items.iter().map(|item| DoctorView::new(&item.report, &item.evidence, hide_claims));
            let list = json::headed_view("DoctorReportList", &DoctorListView { items: views.collect() })?;
            match output.format() {
                Format::Json => json::write_json(&list, &mut text)?,
                _ => json::write_yaml(&list, &mut text)?,
            }
        }
        Format::Markdown => markdown(&items, &mut text)?,
        format @ (Format::Prometheus | Format::Sarif | Format::Junit) => {
            let all: Vec<Diagnosed<'_>> = items
                .iter()
                .map(|item| Diagnosed { context: &item.context, report: &item.report, evidence: &item.evidence })
                .collect();
            for_machines(format, &all, fail_on, &mut text)?;
        }
        // The forms of single commands were refused before.
        _ => table(&items, host.elapsed_ms(), columns_of(host), &mut text)?,
    }
    if !output.quiet {
        answer(&text)?;
    }
    if let Some(code) = interrupt::code() {
        return Ok(code);
    }
    let codes: Vec<u8> = items.iter().map(|item| exit_code(&item.report, fail_on)).collect();
    Ok([BAD, NONE].into_iter().find(|code| codes.contains(code)).unwrap_or(GOOD))
}

/// Problems, then what nobody knows, then warnings, then health.
fn rank(report: &DoctorReport) -> u8 {
    let warned = report.findings.iter().any(|finding| finding.severity == Severity::Warning);
    match (report.verdict, warned) {
        (Verdict::Problems, _) => 0,
        (Verdict::Unknown, _) => 1,
        (Verdict::Healthy, true) => 2,
        (Verdict::Healthy, false) => 3,
    }
}

/// What a context's line says: the root cause, else who one is.
fn words(item: &Item) -> String {
    match (item.report.findings.first(), item.evidence.identity.seen()) {
        (Some(finding), _) => format!("{}: {}", finding.code, finding.title),
        (None, Some(identity)) => format!("you are {}", identity.user.username),
        (None, None) => "nothing found, and nobody established".to_owned(),
    }
}

fn counts(items: &[Item]) -> String {
    let count = |verdict: Verdict| items.iter().filter(|item| item.report.verdict == verdict).count();
    format!(
        "{} context{}: {} with problems, {} unknown, {} healthy",
        items.len(),
        if items.len() == 1 { "" } else { "s" },
        count(Verdict::Problems),
        count(Verdict::Unknown),
        count(Verdict::Healthy)
    )
}

fn table(items: &[Item], took_ms: u64, width: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let wide = items.iter().map(|item| item.context.chars().count()).max().unwrap_or_default();
    for item in items {
        let word = match item.report.verdict {
            Verdict::Problems => "PROBLEMS".red().bold(),
            Verdict::Unknown => "UNKNOWN ".yellow().bold(),
            Verdict::Healthy => "HEALTHY ".green().bold(),
        };
        let blanks = " ".repeat(wide - item.context.chars().count());
        let (words, before) = (words(item), VERDICT + wide + 2);
        // On a terminal what is wider goes on below: beside the contexts, or where these leave no room, indented.
        let indent = if width.is_some_and(|width| before + 30 > width) { 4 } else { before };
        match width.filter(|width| before + words.chars().count() > *width) {
            None => writeln!(out, "{word}  {}{blanks}  {words}", item.context)?,
            Some(width) => {
                let lines = human::wrap(&words, width.saturating_sub(indent));
                let below = format!("\n{}", " ".repeat(indent));
                let rest = lines.join(below.as_str());
                if indent == before {
                    writeln!(out, "{word}  {}{blanks}  {rest}", item.context)?;
                } else {
                    writeln!(out, "{word}  {}\n{}{rest}", item.context, " ".repeat(indent))?;
                }
            }
        }
    }
    let seconds = std::time::Duration::from_millis(took_ms).as_secs_f64();
    writeln!(out, "\n{}, in {seconds:.1} s", counts(items))?;
    if items.iter().any(|item| item.report.verdict != Verdict::Healthy) {
        writeln!(out, "the whole story of one: kaccess doctor --context NAME")?;
    }
    Ok(())
}

fn markdown(items: &[Item], out: &mut dyn Write) -> io::Result<()> {
    let plain = |text: &str| text.replace('<', "&lt;").replace('|', "\\|").replace(['\r', '\n'], " ");
    writeln!(out, "# kaccess doctor: {}\n", counts(items))?;
    writeln!(out, "| context | verdict | root cause |\n|---|---|---|")?;
    for item in items {
        writeln!(out, "| {} | {} | {} |", plain(&item.context), item.report.verdict.word(), plain(&words(item)))?;
    }
    Ok(())
}
