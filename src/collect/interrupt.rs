//! Signals that end a run: Ctrl-C and Ctrl-\, and what `timeout`, an init system or a closing terminal sends.
//!
//! A command that tells what is known so far says so with [`hold`] and awaits [`came`]. Every other one ends at once;
//! either way the credential plugin that is running ends too, with all that it started.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Once};

use tokio::sync::watch;

/// The exit code of the signal that came, as a shell would say it.
static CAME: LazyLock<watch::Sender<Option<u8>>> = LazyLock::new(|| watch::Sender::new(None));

/// The command itself answers the first signal.
static HELD: AtomicBool = AtomicBool::new(false);

/// From here on the first signal is the command's to answer; a second one ends it at once.
pub fn hold() {
    HELD.store(true, Ordering::SeqCst);
    listen();
}

/// From here on a signal ends the running plugin before it ends kaccess.
pub fn listen() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let (ready, registered) = std::sync::mpsc::channel();
        // A thread of its own answers also while the command computes, or writes to a pipe that nobody reads.
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async move {
                let mut signals = Signals::new();
                let _ = ready.send(());
                loop {
                    let code = signals.next().await;
                    // Known before the plugin ends: whoever sees it end must not take that for the plugin's own doing.
                    let first = CAME.send_replace(Some(code)).is_none();
                    if !first || !HELD.load(Ordering::SeqCst) {
                        super::credential::end_plugins();
                        std::process::exit(i32::from(code));
                    }
                }
            });
        });
        // Without a thread the system's own way holds: the signal ends kaccess.
        let _ = registered.recv();
    });
}

/// The exit code of the signal that came: 130 after Ctrl-C.
pub fn code() -> Option<u8> {
    *CAME.borrow()
}

/// The exit code of a signal that no command holds: kaccess is ending, and nothing more is to be said.
pub fn ending() -> Option<u8> {
    code().filter(|_| !HELD.load(Ordering::SeqCst))
}

/// Waits for a signal; ends at once where one came before.
pub async fn came() {
    let mut state = CAME.subscribe();
    // The sender is never dropped.
    let _ = state.wait_for(Option::is_some).await;
}

#[cfg(unix)]
struct Signals(Vec<(tokio::signal::unix::Signal, u8)>);

#[cfg(unix)]
impl Signals {
    /// What this process was started to ignore (nohup, a shell's background job) stays ignored.
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let ignored = ignored();
        // SIGQUIT and the users' own would end kaccess too, and a plugin outlive it.
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
            SignalKind::quit(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
        ];
        // With a handler, a write beyond the limit of a file's size fails and is told, as on a full disk. It stays when this
        // listener goes; nobody needs to hear it.
        drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())));
        let heard = kinds.into_iter().filter_map(|kind| {
            let number = u8::try_from(kind.as_raw_value()).ok()?;
            let deaf = ignored >> (number - 1) & 1 == 1;
            Some((signal(kind).ok().filter(|_| !deaf)?, 128 + number))
        });
        Self(heard.collect())
    }

    async fn next(&mut self) -> u8 {
        std::future::poll_fn(|cx| {
            for (signal, code) in &mut self.0 {
                if signal.poll_recv(cx).is_ready() {
                    return std::task::Poll::Ready(*code);
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

/// The signals that this process ignores, one bit each; none where the system does not tell.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Self {
        Self
    }

    async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        130
    }
}
