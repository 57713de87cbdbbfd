//! The machine kaccess runs on, read once into plain values.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use jiff::Timestamp;

/// Environment, home, clock and terminal of this process.
#[derive(Clone)]
pub struct Host {
    /// The environment. Values may be secrets: nothing prints it.
    pub env: BTreeMap<OsString, OsString>,
    /// Home directory, if there is one.
    pub home: Option<PathBuf>,
    /// Working directory.
    pub cwd: PathBuf,
    /// The wall clock at start.
    pub started_at: Timestamp,
    /// A monotonic point at start.
    pub started: std::time::Instant,
    /// Stdout is a terminal.
    pub stdout_is_terminal: bool,
    /// Stderr is a terminal.
    pub stderr_is_terminal: bool,
    /// Stdin is a terminal.
    pub stdin_is_terminal: bool,
    /// Columns of the terminal, 80 when unknown.
    pub width: usize,
    /// The name kaccess was called by is a kubectl plugin's.
    pub is_kubectl_plugin: bool,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Host").finish_non_exhaustive()
    }
}

/// No core file: the memory will hold tokens. A credential plugin inherits the limit and may raise it again.
fn keep_off_disk() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Core).maximum;
        // Lowering one's own limit is always allowed.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    }
}

impl Host {
    /// Reads this process' surroundings, and sees to it that its memory stays in memory.
    pub fn read() -> Self {
        use std::io::IsTerminal as _;
        keep_off_disk();
        let env: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let columns = env
            .get(std::ffi::OsStr::new("COLUMNS"))
            .and_then(|value| value.to_str())
            .and_then(|value| value.parse().ok());
        let width =
            columns.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))).unwrap_or(80);
        let called = std::env::args_os().next().map(PathBuf::from);
        let is_kubectl_plugin = called
            .as_deref()
            .and_then(|path| path.file_stem())
            .is_some_and(|stem| stem.to_string_lossy().starts_with("kubectl-"));
        Self {
            home,
            cwd: std::env::current_dir().unwrap_or_default(),
            started_at: Timestamp::now(),
            started: std::time::Instant::now(),
            stdout_is_terminal: std::io::stdout().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            stdin_is_terminal: std::io::stdin().is_terminal(),
            width: width.clamp(40, 400),
            is_kubectl_plugin,
            env,
        }
    }

    /// An environment variable that is set, not empty and UTF-8.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(std::ffi::OsStr::new(name)).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
    }

    /// The same machine for one more run that begins now.
    #[must_use]
    pub fn restarted(&self) -> Self {
        // The clock is read anew: it may have been set since, and a monotonic one stands still while a machine sleeps.
        Self { started_at: Timestamp::now(), started: std::time::Instant::now(), ..self.clone() }
    }

    /// Milliseconds since start.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The wall clock now, by the monotonic clock since start.
    pub fn now(&self) -> Timestamp {
        self.started_at
            .checked_add(jiff::SignedDuration::try_from(self.started.elapsed()).unwrap_or_default())
            .unwrap_or(self.started_at)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn a_crash_leaves_no_core_file() {
        super::Host::read();
        assert_eq!(rustix::process::getrlimit(rustix::process::Resource::Core).current, Some(0));
    }
}
