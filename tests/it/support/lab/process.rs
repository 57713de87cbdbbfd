//! Child processes that cannot outlive the test process, and their logs.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A process of the `lab` binary that lives as long as the pipe to its standard input is open.
pub struct Lifeline {
    child: Child,
    log: PathBuf,
}

impl Lifeline {
    /// Starts a `lab` subcommand whose output goes to `log` (appended, so that a restart keeps the history).
    fn spawn(mut command: Command, log: &Path) -> std::io::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child =
            command.env_remove("LAB_DETACHED").stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// `lab apiserver ARGUMENTS`.
    pub fn apiserver(lab: &Path, arguments: &[String], env: &[(String, String)], log: &Path) -> std::io::Result<Self> {
        let mut command = Command::new(lab);
        command.arg("apiserver").args(arguments).envs(env.iter().map(|(name, value)| (name, value)));
        Self::spawn(command, log)
    }

    /// Any server, in a process group of its own under `lab run`.
    pub fn run(lab: &Path, server: &Command, log: &Path) -> std::io::Result<Self> {
        let mut command = Command::new(lab);
        command.arg("run").arg("--").arg(server.get_program()).args(server.get_args());
        for (name, value) in server.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = server.get_current_dir() {
            command.current_dir(dir);
        }
        Self::spawn(command, log)
    }

    /// Removes a directory when this process has ended, however it ended.
    pub fn sweep(lab: &Path, dir: &Path) -> std::io::Result<Self> {
        let child = Command::new(lab)
            .arg("sweep")
            .arg(dir)
            .env_remove("LAB_DETACHED")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, log: PathBuf::new() })
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    /// Closes the pipe and waits for the end.
    pub fn stop(&mut self) {
        drop(self.child.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.has_ended() {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A log file's text; a server's log may hold any bytes.
pub fn read_log(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// A port that is free now, and that this process gives to nobody else. It is none of those that Linux gives to
/// connections, and to whoever asks for any: a server that starts again finds it free, and one that nobody listens on
/// stays so. Another process may take it before its server does: starters retry on a clash.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 9_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test processes that run beside each other begin at places of their own.
    let begin = std::process::id().wrapping_mul(211);
    (0..COUNT)
        .map(|_| FIRST + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free loopback port")
}

/// Polls until `done` gives a value; `None` after `limit`.
pub fn wait_for<T>(limit: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = done() {
            return Some(value);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Whether a log says that a port was taken by somebody else.
pub fn is_port_clash(log: &str) -> bool {
    log.to_ascii_lowercase().contains("address already in use")
}
