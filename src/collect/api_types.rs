//! The API server's list of resource types, and its copy on disk.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::apiserver::Api;
use super::wire::Limits;
use crate::evidence::apiserver::Apis;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;

/// How long a copy is good; kubectl's takes the same 6 hours.
const FRESH: Duration = Duration::from_secs(6 * 60 * 60);
/// Largest list, in bytes.
const LARGEST: usize = 16 * 1024 * 1024;
/// How many versions without an answer are named at most.
const STALE_KEPT: usize = 50;

/// Every group's types in one answer: aggregated discovery, 1.27 and later.
///
/// # Errors
/// Where the server does not answer.
pub async fn fetch(api: &Api) -> Result<Value, Failure> {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    let limits = Limits { body_bytes: LARGEST, time: Duration::from_secs(8), ..Limits::default() };
    let answer = api.send("GET", "/apis", None, accept, limits).await?;
    api.decode(&answer)
}

/// Which groups' extension servers do not answer.
///
/// # Errors
/// As [`fetch`], and where the server is older than 1.27 and cannot tell.
pub async fn apis(api: &Api) -> Result<Apis, Failure> {
    let list = fetch(api).await?;
    if list.get("kind").and_then(Value::as_str) != Some("APIGroupDiscoveryList") {
        return Err(Failure::new(FailureKind::Unsupported, "the server does not tell which APIs answer (before 1.27)"));
    }
    let items = |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut apis = Apis::default();
    for group in items(&list, "items") {
        let name = group.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        apis.metrics |= name == "metrics.k8s.io";
        for version in items(&group, "versions") {
            let text = |field: &str| version.get(field).and_then(Value::as_str).unwrap_or_default();
            if text("freshness") == "Stale" && apis.stale.len() < STALE_KEPT {
                apis.stale.push(api.words(&format!("{name}/{}", text("version"))));
            }
        }
    }
    Ok(apis)
}

/// Where the list of one server is kept: `$KUBECACHEDIR` or `~/.kube/cache`, below `kaccess`.
#[derive(Debug, Clone, Default)]
pub struct Copy {
    file: Option<PathBuf>,
}

impl Copy {
    /// The copy for this server; without a home there is none.
    pub fn of(host: &Host, server: &url::Url) -> Self {
        let base = host.var("KUBECACHEDIR").map(PathBuf::from);
        let base = base.or_else(|| Some(host.home.as_ref()?.join(".kube").join("cache")));
        // Two servers of one name differ by port or path.
        let place = format!(
            "{}{}{}",
            server.host_str().unwrap_or_default(),
            server.port().map(|port| format!("_{port}")).unwrap_or_default(),
            server.path()
        );
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
        let name: String = place.trim_end_matches('/').chars().map(safe).take(200).collect();
        Self { file: base.map(|base| base.join("kaccess").join("apis").join(format!("{name}.json"))) }
    }

    /// What was kept, while it is fresh and readable.
    pub fn read(&self) -> Option<Value> {
        let file = self.file.as_ref()?;
        let about = std::fs::metadata(file).ok()?;
        // A time in the future is no younger than now.
        let age = SystemTime::now().duration_since(about.modified().ok()?).unwrap_or_default();
        if age > FRESH || about.len() > LARGEST as u64 {
            return None;
        }
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    /// Keeps the list; a disk that is full or read-only is no matter of this run.
    pub fn write(&self, list: &Value) {
        let Some(file) = &self.file else { return };
        let Some(folder) = file.parent() else { return };
        let Ok(text) = serde_json::to_vec(list) else { return };
        if std::fs::create_dir_all(folder).is_err() {
            return;
        }
        // Whole or not at all: another run may read it now.
        let draft =
            folder.join(format!(".{}.{}", file.file_name().unwrap_or_default().to_string_lossy(), std::process::id()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let kept = options
            .open(&draft)
            .and_then(|mut draft| draft.write_all(&text))
            .and_then(|()| std::fs::rename(&draft, file));
        if kept.is_err() {
            let _ = std::fs::remove_file(&draft);
        }
    }
}
