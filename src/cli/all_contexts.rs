//! `kaccess doctor --all-contexts`: every context of the kubeconfig at once, one line each, the worst first.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::Semaphore;

use super::diagnosis::{FailOn, exit_code, for_machines, look, reported, runtime, shown};
use super::flags::{Format, OutputArgs};
use super::progress::Progress;
use super::{BAD, Error, GOOD, NONE, answer, columns_of, note};
use crate::collect::interrupt;
use crate::collect::kubeconfig::{self, ContextName};
use crate::collect::plan::Plan;
use crate::evidence::{Blank, Evidence, Observation, Outcome};
use crate::host::Host;
use crate::render::json::{self, DoctorListView, DoctorView};
use crate::render::{Diagnosed, contexts as render};
use crate::report::Severity;
use crate::report::doctor::{DoctorReport, Verdict};
use crate::secret::Scrubber;

/// Most contexts that are at work at a time. Each holds a few connections and at most one plugin.
const AT_ONCE: u32 = 16;
/// Most contexts that are begun and not yet done.
const BEGUN: usize = 32;
/// A context that takes longer than this waits for somebody: another may work meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// With less of the run's time than this, or a quarter of it, no further context is begun: it would only be said of it
/// that it did not answer at once.
const LEAST: Duration = Duration::from_secs(5);

/// One context's answer.
struct Item {
    /// Its name as it may be shown; absent where the files hold no context.
    context: Option<String>,
    evidence: Evidence,
    report: DoctorReport,
}

impl Item {
    fn name(&self) -> &str {
        self.context.as_deref().unwrap_or("(none)")
    }
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
    fail_on: FailOn,
) -> Result<u8, Error> {
    let names = kubeconfig::context_names(host, &plan.flags, scrubber);
    let contexts: Vec<Option<ContextName>> =
        if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
    interrupt::hold();
    let runtime = runtime()?;
    let progress = Progress::start(host, output);
    let looks: Vec<Option<Result<(usize, Item), Error>>> = runtime.block_on(async {
        let (turns, done, plugin_ms) = (Semaphore::new(AT_ONCE as usize), AtomicUsize::new(0), AtomicU64::new(0));
        let of = contexts.len();
        let all = contexts.into_iter().enumerate().map(|(place, context)| {
            let (turns, done, plugin_ms, progress) = (&turns, &done, &plugin_ms, progress.as_ref());
            async move {
                let turn = turns.acquire().await.ok()?;
                if interrupt::code().is_some() {
                    return None;
                }
                // What plugins took is not counted; as many as there are turns ran at once.
                let plugins = Duration::from_millis(plugin_ms.load(Ordering::Relaxed)) / AT_ONCE;
                let left = (plan.timeout + plugins).saturating_sub(Duration::from_millis(host.elapsed_ms()));
                let (raw, name) = context.map(|context| (context.raw, context.shown)).unzip();
                if left < LEAST.min(plan.timeout / 4) {
                    return Some(Ok((place, unreached(name, host, plan.timeout))));
                }
                let mut plan = plan.clone();
                plan.flags.context = raw;
                plan.timeout = left;
                // Nobody can answer fifty prompts at once.
                plan.exec.interactive = false;
                plan.exec.show_stderr = None;
                // Its times count from when its turn came.
                let own = host.restarted();
                let evidence = {
                    let looking = look(&own, &plan, scrubber);
                    tokio::pin!(looking);
                    match tokio::time::timeout(PATIENCE, &mut looking).await {
                        Ok(evidence) => evidence,
                        Err(_) => {
                            drop(turn);
                            looking.await
                        }
                    }
                };
                plugin_ms.fetch_add(evidence.plugin.took_ms, Ordering::Relaxed);
                if let Some(progress) = progress {
                    progress.contexts(done.fetch_add(1, Ordering::Relaxed) + 1, of);
                }
                // Judged at once, so that only what is shown is held of each.
                Some(reported(&evidence).map(|(evidence, report, _)| {
                    let (evidence, report) = shown(evidence, report, hide_claims);
                    let mut item = Item { context: name, evidence, report };
                    slim(&mut item, output.format());
                    (place, item)
                }))
            }
        });
        futures::stream::iter(all).buffer_unordered(BEGUN).collect().await
    });
    drop(progress);
    // A blocked resolver or reader must not keep the process.
    runtime.shutdown_background();
    let mut items = looks.into_iter().flatten().collect::<Result<Vec<(usize, Item)>, Error>>()?;
    items.sort_by_key(|(place, _)| *place);
    let mut items: Vec<Item> = items.into_iter().map(|(_, item)| item).collect();
    let late = items.iter().filter(|item| item.evidence.too_late().is_some()).count();
    if late > 0 && !output.quiet {
        note(&format!(
            "{late} of {} contexts were not looked at: the time of --timeout was over; give more, or name one with --context",
            items.len()
        ));
    }
    // The order of the file stays among equals.
    items.sort_by_key(|item| rank(&item.report));

    let shown: Vec<Diagnosed<'_>> = items
        .iter()
        .map(|item| Diagnosed { context: item.name(), report: &item.report, evidence: &item.evidence })
        .collect();
    let mut text = Vec::new();
    match output.format() {
        Format::Json | Format::Yaml => {
            let views = items.iter().map(|item| DoctorView::new(&item.report, &item.evidence, hide_claims));
            let mut list = json::headed_view("DoctorReportList", &DoctorListView { items: views.collect() })?;
            // Of a context that could not be looked at the name is known from the list of them.
            for (item, view) in items.iter().zip(list["items"].as_array_mut().into_iter().flatten()) {
                if let (true, Some(name)) = (view["context"].is_null(), &item.context) {
                    view["context"] = name.clone().into();
                }
            }
            match output.format() {
                Format::Json => json::write_json(&list, &mut text)?,
                _ => json::write_yaml(&list, &mut text)?,
            }
        }
        Format::Markdown => render::markdown(&shown, &mut text)?,
        format @ (Format::Prometheus | Format::Sarif | Format::Junit) => {
            for_machines(format, &shown, fail_on, &mut text)?;
        }
        // The forms of single commands were refused before.
        _ if output.short => render::short(&shown, &mut text)?,
        _ => render::table(&shown, host.elapsed_ms(), columns_of(host), &mut text)?,
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

/// A context whose turn did not come in time.
fn unreached(context: Option<String>, host: &Host, limit: Duration) -> Item {
    let text = format!("not looked at: the {} s of --timeout were over before its turn came", limit.as_secs_f64());
    let evidence = Evidence::blank(host.now(), Blank::TooLate(&text));
    // No rule has anything to judge.
    let report = DoctorReport::new(&evidence, Vec::new());
    Item { context, evidence, report }
}

/// Forgets of a judged context what the form does not show: three hundred whole ones would fill the memory.
fn slim(item: &mut Item, format: Format) {
    let Item { evidence, report, .. } = item;
    if let Outcome::Seen(config) = &mut evidence.kubeconfig.outcome {
        config.contexts = Vec::new();
    }
    evidence.configured_issuer = None;
    evidence.rbac = Observation::default();
    evidence.agents = Observation::default();
    evidence.apis = Observation::default();
    let control = &mut evidence.control_plane;
    control.metrics = Observation::default();
    control.flagz = Observation::default();
    control.pods = Observation::default();
    control.published = Observation::default();
    control.log = Observation::default();
    control.pod_log = Observation::default();
    let issuer = &mut evidence.issuer;
    issuer.discovery = Observation::default();
    issuer.discovery_as_control_plane = Observation::default();
    issuer.jwks = Observation::default();
    issuer.jwks_as_control_plane = Observation::default();
    // One line, or one row.
    if matches!(format, Format::Table | Format::Markdown) {
        report.checks = Vec::new();
        evidence.credential = Observation::default();
        evidence.access = Observation::default();
        evidence.aws = None;
        evidence.endpoint.tls = Observation::default();
        evidence.endpoint.anonymous = Observation::default();
        evidence.endpoint.authenticated = Observation::default();
        evidence.endpoint.repeated = Observation::default();
        issuer.tls = Observation::default();
    }
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
