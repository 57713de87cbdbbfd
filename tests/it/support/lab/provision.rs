//! What is made once per machine: the Go binaries and the unpacked, pre-built Keycloak.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The Keycloak release under test.
pub const KEYCLOAK_VERSION: &str = "26.4.2";
/// A release of Kubernetes that the lab can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Release {
    /// The last one with the old order of OIDC checks.
    Old,
    /// The one that most tests use.
    #[default]
    Current,
}

impl Release {
    fn version(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Old => ("v1.35.4", "1", "35"),
            Self::Current => ("v1.36.3", "1", "36"),
        }
    }

    /// `1.36`.
    pub fn minor(self) -> &'static str {
        match self {
            Self::Old => "1.35",
            Self::Current => "1.36",
        }
    }
}

/// The programs built from tests/lab.
pub struct Binaries {
    /// `lab apiserver`, `lab run`, `lab sweep`.
    pub lab: PathBuf,
    /// kubectl of the same release.
    pub kubectl: PathBuf,
}

/// The folder tests/lab of this checkout.
pub fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab")
}

/// Where a tool is: on PATH, or in the folders where Debian keeps servers.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/local/go/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

/// The cache folder of the lab, made when absent.
pub fn cache() -> Result<PathBuf, String> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = from("KACCESS_LAB_CACHE")
        .or_else(|| from("XDG_CACHE_HOME").map(|dir| dir.join("kaccess-lab")))
        .or_else(|| from("HOME").map(|dir| dir.join(".cache/kaccess-lab")))
        .ok_or("neither KACCESS_LAB_CACHE nor HOME is set")?;
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir)
}

/// Builds `lab` and `kubectl` of a release unless the cache has them for exactly these sources.
pub fn binaries(release: Release) -> Result<Binaries, String> {
    let go = find_tool("go").ok_or("go is missing")?;
    let cache = cache()?;
    let dir = cache.join(format!("bin-{}-{}", release.minor(), source_hash(release)?));
    let made = Binaries { lab: dir.join("lab"), kubectl: dir.join("kubectl") };
    once(&cache, &dir, |partial| {
        super::tell(&format!(
            "lab: building kube-apiserver and kubectl {} (minutes the first time, then cached)",
            release.minor()
        ));
        let (version, major, minor) = release.version();
        let package = "k8s.io/component-base/version";
        // Without these a client cannot parse /version.
        let flags = format!(
            "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor}"
        );
        let mut build = Command::new(go);
        build
            .current_dir(sources())
            .args(["build", "-modfile", module_file(release), "-ldflags", &flags, "-o"])
            .arg(partial)
            .args([".", "./kubectl"]);
        run(&mut build)
    })?;
    forget_old_binaries(&cache, &dir);
    Ok(made)
}

/// Unpacks Keycloak and runs its build step, so that every start skips that step.
pub fn keycloak() -> Result<PathBuf, String> {
    let maven = find_tool("mvn").ok_or("mvn is missing")?;
    let cache = cache()?;
    let dir = cache.join(format!("keycloak-{KEYCLOAK_VERSION}"));
    once(&cache, &dir, |partial| {
        super::tell("lab: unpacking and building Keycloak (once per machine)");
        let mut unpack = Command::new(maven);
        unpack
            .current_dir(partial)
            .args(["-q", "-B", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"])
            .arg(format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{KEYCLOAK_VERSION}:zip"))
            .arg(format!("-DoutputDirectory={}", partial.display()));
        run(&mut unpack)?;
        let script = partial.join(format!("keycloak-{KEYCLOAK_VERSION}/bin/kc.sh"));
        run(Command::new("sh").arg(script).args(["build", "--db=dev-mem"]))
    })?;
    Ok(dir.join(format!("keycloak-{KEYCLOAK_VERSION}")))
}

/// Makes `dir` once for all processes of this machine: whoever holds the lock fills a partial folder, and the
/// rename at the end means that a crash leaves no half-made one behind.
fn once(cache: &Path, dir: &Path, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<(), String> {
    if dir.is_dir() {
        return Ok(());
    }
    let _lock = Lock::take(&cache.join("lock"))?;
    if dir.is_dir() {
        return Ok(());
    }
    let partial = cache.join(format!("partial-{}", std::process::id()));
    let _ = fs::remove_dir_all(&partial);
    let result = fs::create_dir_all(&partial)
        .map_err(|error| error.to_string())
        .and_then(|()| make(&partial))
        .and_then(|()| fs::rename(&partial, dir).map_err(|error| error.to_string()));
    let _ = fs::remove_dir_all(&partial);
    result.map_err(|error| format!("cannot make {}: {error}", dir.display()))
}

/// A lock file with its owner's process id (`File::lock` needs a newer Rust than this package promises).
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> Result<Self, String> {
        let deadline = Instant::now() + Duration::from_secs(900);
        // Written first and linked into place, so that no reader ever sees a lock without its owner.
        let own = path.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
        fs::write(&own, std::process::id().to_string()).map_err(|error| error.to_string())?;
        let result = loop {
            match fs::hard_link(&own, path) {
                Ok(()) => break Ok(Self(path.to_owned())),
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => break Err(error.to_string()),
                Err(_) if Instant::now() > deadline => break Err(format!("{} is held for too long", path.display())),
                Err(_) => {
                    if fs::read_to_string(path).is_ok_and(|owner| !is_alive(&owner)) {
                        let _ = fs::remove_file(path);
                    }
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
        };
        let _ = fs::remove_file(&own);
        result
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn is_alive(process: &str) -> bool {
    Command::new("kill").args(["-0", process]).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let tail: Vec<&str> = text.lines().rev().take(15).collect();
    Err(format!("{command:?}: {}: {}", output.status, tail.into_iter().rev().collect::<Vec<_>>().join("\n")))
}

fn module_file(release: Release) -> &'static str {
    match release {
        Release::Old => "go-1.35.mod",
        Release::Current => "go.mod",
    }
}

/// Sixteen hex digits over the Go sources and the release's module file with its sums.
fn source_hash(release: Release) -> Result<String, String> {
    let mut files: Vec<PathBuf> = Vec::new();
    for dir in [sources(), sources().join("kubectl")] {
        let entries = fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let go = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "go");
        files.extend(entries.flatten().map(|entry| entry.path()).filter(go));
    }
    let module = sources().join(module_file(release));
    files.extend([module.with_extension("sum"), module]);
    files.sort();
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(release.version().0.as_bytes());
    for file in files {
        context.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        context.update(&fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    Ok(context.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Binaries of other sources weigh 190 MB each; a month is enough for every branch somebody returns to.
fn forget_old_binaries(cache: &Path, current: &Path) {
    let month = Duration::from_secs(30 * 24 * 3600);
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let path = entry.path();
        let old =
            entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|a| a > month));
        if old && path != current && entry.file_name().to_string_lossy().starts_with("bin-") {
            let _ = fs::remove_dir_all(path);
        }
    }
}
