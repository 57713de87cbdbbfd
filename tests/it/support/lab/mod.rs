//! The lab: real servers (kube-apiserver with etcd, Keycloak, nginx) that judge kaccess.
//!
//! `lab::require()` provisions once per test process; without the tools (Go, Java with Maven, nginx) a test is
//! skipped loudly, and `KACCESS_LAB=require` turns the skip into a failure. What takes long to make is cached
//! outside the checkout, in `$KACCESS_LAB_CACHE` or the user's cache directory.
#![allow(dead_code, unused_imports, reason = "a library for tests; each function waits for the test that needs it")]

pub mod apiserver;
pub mod http;
pub mod issuer;
pub mod keycloak;
pub mod nginx;
pub mod pki;
pub mod process;
pub mod provision;

pub use apiserver::{ApiServer, Options, certificate_user};
pub use http::Auth;
pub use keycloak::{Keycloak, Tokens};
pub use nginx::{Nginx, Rule};
pub use pki::Pki;
pub use provision::Release;

use process::Lifeline;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

static SKIPPED: AtomicUsize = AtomicUsize::new(0);

/// Everything that is made once per test process.
pub struct Lab {
    /// Certificates and keys of this process's servers.
    pub pki: Pki,
    /// `lab` (kube-apiserver and the supervisor) and `kubectl`, built from tests/lab.
    binaries: provision::Binaries,
    /// Removed by `sweeper` after this process: this value lives in a static, which Rust never drops.
    root: PathBuf,
    _sweeper: Lifeline,
    keycloak: OnceLock<Keycloak>,
}

impl Lab {
    fn new(binaries: provision::Binaries) -> Result<Self, String> {
        let root = tempfile::Builder::new()
            .prefix("kaccess-lab-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .map_err(|error| format!("temporary directory: {error}"))?
            .keep();
        let sweeper = Lifeline::sweep(&binaries.lab, &root).map_err(|error| format!("lab sweep: {error}"))?;
        let pki = Pki::create(&root.join("pki"));
        Ok(Self { pki, binaries, root, _sweeper: sweeper, keycloak: OnceLock::new() })
    }

    /// The lab's own kubectl, of the API server's release.
    pub fn kubectl(&self) -> &Path {
        &self.binaries.kubectl
    }

    /// The binary with `apiserver`, `run` and `sweep`.
    pub fn binary(&self) -> &Path {
        &self.binaries.lab
    }

    /// The same of another release, built when it is first asked for.
    pub fn binary_of(&self, release: Release) -> PathBuf {
        match release {
            Release::Current => self.binaries.lab.clone(),
            Release::Old => provision::binaries(release).expect("the older kube-apiserver").lab,
        }
    }

    /// The directory of everything this process started; it vanishes with the process.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A new directory for one server or one test.
    pub fn dir(&self, name: &str) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let dir = self.root.join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir_all(&dir).expect("directory under the lab's root");
        dir
    }

    /// The Keycloak of this process, started by the first test that asks.
    pub fn keycloak(&self) -> &Keycloak {
        self.keycloak.get_or_init(|| Keycloak::start(self))
    }
}

/// The whole lab, or `None` after saying on the terminal what is missing.
pub fn require() -> Option<&'static Lab> {
    let missing = ["java", "mvn", "nginx"].into_iter().find(|tool| provision::find_tool(tool).is_none());
    match missing {
        Some(tool) => skip(&format!("{tool} is missing")),
        None => require_apiserver(),
    }
}

/// The same for tests that also need this program.
pub fn require_with(tool: &str) -> Option<&'static Lab> {
    match provision::find_tool(tool) {
        Some(_) => require_apiserver(),
        None => skip(&format!("{tool} is missing")),
    }
}

/// The lab for tests that need kube-apiserver alone: Go is enough.
pub fn require_apiserver() -> Option<&'static Lab> {
    static LAB: OnceLock<Result<Lab, String>> = OnceLock::new();
    let prepare = || {
        let binaries = provision::binaries(Release::Current)?;
        // Where everything is required, both releases are built before any server starts: a compiler beside them would
        // make tests late that watch the clock.
        if is_required() {
            provision::binaries(Release::Old)?;
        }
        Lab::new(binaries)
    };
    match LAB.get_or_init(prepare) {
        Ok(lab) => Some(lab),
        Err(reason) => skip(reason),
    }
}

/// How many tests of this process were skipped for want of the lab.
pub fn skipped() -> usize {
    SKIPPED.load(Ordering::Relaxed)
}

fn is_required() -> bool {
    std::env::var("KACCESS_LAB").as_deref() == Ok("require")
}

/// Counts and tells a test that cannot run for want of a program; a failure where the lab is required.
pub fn skip(reason: &str) -> Option<&'static Lab> {
    assert!(!is_required(), "KACCESS_LAB=require, but the lab cannot start: {reason}");
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    tell(&format!("SKIPPED lab test {test}: {reason} (number {count} in this run)"));
    None
}

/// Counts and tells a test that was left out for want of a program that nothing requires: a second opinion.
pub fn skip_optional(reason: &str) {
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    let test = std::thread::current().name().unwrap_or("?").to_owned();
    tell(&format!("SKIPPED optional test {test}: {reason} (number {count} in this run)"));
}

/// Says something even when libtest captures output: it captures the print macros, not the stream itself.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
