//! What is being looked at, on a terminal's stderr and nowhere else.

use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::flags::OutputArgs;
use crate::collect::plan::Watcher;
use crate::host::Host;

/// The probe that may speak with the user by itself.
const PLUGIN: &str = "plugin";

/// How many probes the line names.
const NAMED: usize = 3;

/// One line that names the probes at work; it is gone when this is dropped.
pub struct Progress {
    bar: ProgressBar,
    running: Arc<Mutex<Vec<&'static str>>>,
}

impl Progress {
    /// Begins, if there is a terminal to show it and somebody who wants to see it.
    pub fn start(host: &Host, output: &OutputArgs) -> Option<Self> {
        if !host.stderr_is_terminal || output.quiet || host.var("TERM") == Some("dumb") {
            return None;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // No colour, so NO_COLOR has nothing to take away.
        bar.set_style(ProgressStyle::with_template("{wide_msg}").ok()?);
        Some(Self { bar, running: Arc::default() })
    }

    /// Tells of each probe. While the plugin works the line is empty: its prompt stands there.
    pub fn watcher(&self) -> Watcher {
        let (bar, running) = (self.bar.clone(), self.running.clone());
        Arc::new(move |id, begins| {
            let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
            if begins {
                running.push(id);
            } else if let Some(at) = running.iter().position(|known| *known == id) {
                running.remove(at);
            }
            if running.contains(&PLUGIN) {
                bar.set_message("");
                // Draws at once, whatever the limit on drawing says.
                bar.suspend(|| ());
            } else if !running.is_empty() {
                // The eldest hold up the rest.
                let more = match running.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                bar.set_message(format!("looking: {}{more}", running[..running.len().min(NAMED)].join(", ")));
            }
        })
    }

    /// Tells how many contexts are done.
    pub fn contexts(&self, done: usize, of: usize) {
        self.bar.set_message(format!("{done} of {of} contexts looked at"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
