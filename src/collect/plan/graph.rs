//! What runs the probes: it spawns each at once, awaits what it needs, and makes whatever comes of it an outcome.
//!
//! A failed need, a passed limit, an interrupt and a bug are outcomes all, so that the evidence is always complete.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::collect::interrupt;
use crate::evidence::{Failure, FailureKind, Observation, Outcome, Skip, TOO_LATE};
use crate::host::Host;

/// Whoever watches the probes: gets a probe's id, and whether it begins.
pub type Watcher = Arc<dyn Fn(&'static str, bool) + Send + Sync>;

/// Limit of a probe that asks one question.
pub(super) const SHORT: Duration = Duration::from_secs(8);
/// Limit of a probe that asks several, or reads much.
pub(super) const LONG: Duration = Duration::from_secs(15);

/// A probe's result: evidence, and what the next probes need of it (connections, secrets).
pub(super) struct Done<T, X> {
    /// The evidence.
    pub(super) observation: Observation<T>,
    /// What the next probes need; absent where they cannot work.
    pub(super) give: Option<X>,
    /// The probe's id, by which a skip names it.
    pub(super) id: &'static str,
}

/// A handle on a probe that is under way.
pub(super) type Handle<T, X = ()> = Shared<BoxFuture<'static, Arc<Done<T, X>>>>;

/// What several probes need, or why there is none.
pub(super) type Common<N> = Shared<BoxFuture<'static, Result<N, Outcome<()>>>>;

/// What a probe's work returns.
pub(super) type Look<T, X> = Result<(T, Option<X>), Failure>;

/// How long a probe may work, and whose time that is. A [`Duration`] alone is [`Clock::Run`].
#[derive(Clone, Copy)]
pub(super) enum Clock {
    /// At most this long, and no longer than what is left of the run.
    Run(Duration),
    /// At most this long, whatever is left of the run, whose limit is put off by the time it took: a credential plugin
    /// may wait for a person.
    Own(Duration),
}

impl From<Duration> for Clock {
    fn from(limit: Duration) -> Self {
        Self::Run(limit)
    }
}

/// Runs probes.
pub(super) struct Graph {
    set: JoinSet<()>,
    started: Instant,
    timeout: Duration,
    /// What was spent on clocks other than the run's.
    uncounted_ms: Arc<AtomicU64>,
    interrupted: Arc<AtomicBool>,
    watcher: Option<Watcher>,
    alarm: Alarm,
}

/// With less than this left of the run a probe that is not done at once counts as not begun.
const TOO_LITTLE: Duration = Duration::from_millis(100);

/// How long after the run's limit a probe is given up whose own limit did not end it.
const LATE: Duration = Duration::from_millis(1500);

/// Rings where a run's limit has passed and its probes have not ended. A server that sends without a pause can keep the
/// runtime's threads, and with them its clock, so busy that no limit is noticed there: this is a thread of its own, which
/// ends with the run.
struct Alarm {
    rung: watch::Receiver<bool>,
    /// A probe works on its own clock, and the run's stands still.
    paused: Arc<AtomicBool>,
    _stop: std::sync::mpsc::Sender<()>,
}

impl Alarm {
    fn set(started: Instant, timeout: Duration, uncounted_ms: Arc<AtomicU64>) -> Self {
        let (ring, rung) = watch::channel(false);
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let paused = Arc::new(AtomicBool::new(false));
        let pausing = paused.clone();
        // Without a thread to spare there is no alarm; the probes' own limits hold.
        let _ = std::thread::Builder::new().spawn(move || {
            let ended = || stopped.recv_timeout(Duration::from_millis(100)) != Err(RecvTimeoutError::Timeout);
            while !ended() {
                let limit = timeout + Duration::from_millis(uncounted_ms.load(Ordering::Relaxed)) + LATE;
                if !pausing.load(Ordering::Relaxed) && started.elapsed() > limit {
                    ring.send_replace(true);
                    // Whoever begins to wait now hears it too.
                    while !ended() {}
                    return;
                }
            }
        });
        Self { rung, paused, _stop: stop }
    }
}

/// Waits for the alarm; for ever where it is over without.
async fn rung(mut alarm: watch::Receiver<bool>) {
    if alarm.wait_for(|rung| *rung).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Milliseconds as evidence holds them.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Graph {
    pub(super) fn new(host: &Host, timeout: Duration) -> Self {
        let uncounted_ms: Arc<AtomicU64> = Arc::default();
        Self {
            set: JoinSet::new(),
            started: host.started,
            timeout,
            alarm: Alarm::set(host.started, timeout, uncounted_ms.clone()),
            uncounted_ms,
            interrupted: Arc::default(),
            watcher: None,
        }
    }

    /// What is left of the run at the moment at which it is asked; what was spent on other clocks is not given back.
    pub(super) fn left(&self) -> impl Fn() -> Duration + Send + Sync + 'static + use<> {
        let (started, timeout) = (self.started, self.timeout);
        move || timeout.saturating_sub(started.elapsed())
    }

    /// The same with somebody who watches.
    pub(super) fn watched(self, watcher: Option<Watcher>) -> Self {
        Self { watcher, ..self }
    }

    /// Spawns a probe: `needs` is awaited, then `work` runs as long as `clock` allows.
    pub(super) fn probe<N, T, X, W, F>(
        &mut self,
        id: &'static str,
        clock: impl Into<Clock>,
        needs: impl Future<Output = Result<N, Outcome<T>>> + Send + 'static,
        work: W,
    ) -> Handle<T, X>
    where
        N: Send + 'static,
        T: Clone + Send + Sync + 'static,
        X: Send + Sync + 'static,
        W: FnOnce(N) -> F + Send + 'static,
        F: Future<Output = Look<T, X>> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let (started, timeout, uncounted_ms) = (self.started, self.timeout, self.uncounted_ms.clone());
        let clock = clock.into();
        let own = matches!(clock, Clock::Own(_));
        let watcher = self.watcher.clone();
        let tell = move |begins: bool| {
            if let Some(watcher) = &watcher {
                watcher(id, begins);
            }
        };
        let (paused, alarm) = (self.alarm.paused.clone(), self.alarm.rung.clone());
        self.set.spawn(async move {
            let needs = needs.await;
            let began = started.elapsed();
            let (outcome, give) = match needs {
                Err(outcome) => (outcome, None),
                Ok(needs) => {
                    let uncounted = Duration::from_millis(uncounted_ms.load(Ordering::Relaxed));
                    let left = (timeout + uncounted).saturating_sub(began);
                    let (limit, too_late) = match clock {
                        Clock::Run(limit) => (limit.min(left), left < TOO_LITTLE.min(limit)),
                        Clock::Own(limit) => (limit, false),
                    };
                    paused.fetch_or(own, Ordering::Relaxed);
                    tell(true);
                    // tokio's limit looks at the work once even where no time is left.
                    let ended = match limit.is_zero() {
                        true => None,
                        false => tokio::time::timeout(limit, work(needs)).await.ok(),
                    };
                    tell(false);
                    match ended {
                        Some(Ok((seen, give))) => (Outcome::Seen(seen), give),
                        Some(Err(failure)) => (Outcome::Failed(failure), None),
                        // So short a wait says nothing of whoever was waited for.
                        None if too_late => (Outcome::Skipped(not_in_time()), None),
                        None => {
                            let text = format!("no answer within {:.1} s", limit.as_secs_f64());
                            (Outcome::Failed(Failure::new(FailureKind::Timeout, text)), None)
                        }
                    }
                }
            };
            let took_ms = millis(started.elapsed().saturating_sub(began));
            if own {
                uncounted_ms.fetch_add(took_ms, Ordering::Relaxed);
                paused.store(false, Ordering::Relaxed);
            }
            let observation = Observation { started_ms: millis(began), took_ms, outcome };
            // Nobody listens any more when the run was given up.
            let _ = sender.send(Arc::new(Done { observation, give, id }));
        });
        let interrupted = self.interrupted.clone();
        async move {
            let outcome = tokio::select! {
                biased;
                done = receiver => match done {
                    Ok(done) => return done,
                    // The sender is dropped by an abort or a panic.
                    Err(_) if interrupted.load(Ordering::Relaxed) => Outcome::Skipped(Skip {
                        because: "interrupt".to_owned(),
                        text: "the run was interrupted".to_owned(),
                        needs: None,
                    }),
                    Err(_) => Outcome::Failed(Failure::new(
                        FailureKind::Bug,
                        format!("a bug in kaccess: the probe {id} broke off; please report it"),
                    )),
                },
                () = rung(alarm) => Outcome::Failed(Failure::new(
                    FailureKind::Timeout,
                    format!("no answer within {:.1} s", timeout.as_secs_f64()),
                )),
            };
            Arc::new(Done { observation: Observation::at_rest(outcome), give: None, id })
        }
        .boxed()
        .shared()
    }
}

/// Waits for every probe. A signal gives up what is still under way; what is known is told.
pub(super) async fn finish(graph: &mut Graph) {
    let Graph { set, interrupted, alarm, .. } = graph;
    loop {
        tokio::select! {
            () = rung(alarm.rung.clone()) => break,
            next = set.join_next() => {
                if next.is_none() {
                    break;
                }
            }
            () = interrupt::came(), if !interrupted.load(Ordering::Relaxed) => {
                interrupted.store(true, Ordering::Relaxed);
                set.abort_all();
            }
        }
    }
}

/// Awaits a need and takes what it gives; a need without it makes the probe skipped.
pub(super) async fn need<A, X: Clone, T>(handle: &Handle<A, X>) -> Result<X, Outcome<T>> {
    let done = handle.clone().await;
    done.give.clone().ok_or_else(|| skip_of(&done.observation, done.id))
}

/// Awaits what several probes need, for a probe of any type.
pub(super) async fn common<N: Clone, T>(needed: Common<N>) -> Result<N, Outcome<T>> {
    needed.await.map_err(recast)
}

/// The outcome of a probe whose need has this observation.
pub(super) fn skip_of<A, T>(observation: &Observation<A>, id: &str) -> Outcome<T> {
    match &observation.outcome {
        Outcome::NotApplicable(reason) => Outcome::NotApplicable(reason.clone()),
        // The first link that broke is named, not the last one.
        Outcome::Skipped(skip) => Outcome::Skipped(skip.clone()),
        Outcome::Failed(failure) => Outcome::Skipped(Skip {
            because: id.to_owned(),
            text: failure.detail.clone(),
            needs: failure.needs.clone(),
        }),
        Outcome::Seen(_) => Outcome::NotApplicable("there is nothing to look at".to_owned()),
    }
}

/// The run was over before.
fn not_in_time() -> Skip {
    Skip {
        because: TOO_LATE.to_owned(),
        text: "not looked at: the time of --timeout was over".to_owned(),
        needs: Some("a longer --timeout".to_owned()),
    }
}

/// There is nothing to look at, for this reason.
pub(super) fn not_applicable<T>(reason: &str) -> Outcome<T> {
    Outcome::NotApplicable(reason.to_owned())
}

/// There is something to look at, and the user does not want it looked at.
pub(super) fn offline_skip<T>() -> Outcome<T> {
    Outcome::Skipped(Skip {
        because: "offline".to_owned(),
        text: "--offline: no connection is opened".to_owned(),
        needs: Some("running without --offline".to_owned()),
    })
}

impl<T> From<Skip> for Outcome<T> {
    fn from(skip: Skip) -> Self {
        Outcome::Skipped(skip)
    }
}

/// The same outcome without a value, for a probe of another type.
pub(super) fn recast<T>(outcome: Outcome<()>) -> Outcome<T> {
    match outcome {
        Outcome::Seen(()) => Outcome::NotApplicable("there is nothing to look at".to_owned()),
        Outcome::Failed(failure) => Outcome::Failed(failure),
        Outcome::Skipped(skip) => Outcome::Skipped(skip),
        Outcome::NotApplicable(reason) => Outcome::NotApplicable(reason),
    }
}

/// What was looked for and is not there is not applicable.
pub(super) fn present<T>(observation: Observation<Option<T>>, absent: &str) -> Observation<T> {
    let outcome = match observation.outcome {
        Outcome::Seen(Some(value)) => Outcome::Seen(value),
        Outcome::Seen(None) => Outcome::NotApplicable(absent.to_owned()),
        Outcome::Failed(failure) => Outcome::Failed(failure),
        Outcome::Skipped(skip) => Outcome::Skipped(skip),
        Outcome::NotApplicable(reason) => Outcome::NotApplicable(reason),
    };
    Observation { started_ms: observation.started_ms, took_ms: observation.took_ms, outcome }
}

/// Runs blocking work off the reactor.
pub(super) async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> Result<R, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Failure::new(FailureKind::Bug, "a bug in kaccess: a reader broke off; please report it"))
}

/// What came of a probe.
pub(super) async fn taken<T: Clone, X>(handle: Handle<T, X>) -> Observation<T> {
    handle.await.observation.clone()
}
