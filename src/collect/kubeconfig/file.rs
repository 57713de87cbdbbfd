//! One kubeconfig file: read within limits, typed as client-go's decoder types it, refused in its words.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use crate::collect::yaml::{self, Node, Reader, Value};
use crate::evidence::{Failure, FailureKind};

/// Largest file that is read, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// From this size on, in bytes, no file is one that somebody means to be read: kubectl would want it whole in memory.
pub(super) const ABSURD: u64 = 1024 * 1024 * 1024;

/// A named entry and where it stands.
#[derive(Clone)]
pub(super) struct Entry<T> {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) value: T,
}

#[derive(Clone, Default)]
pub(super) struct RawContext {
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) namespace: String,
}

#[derive(Clone, Default)]
pub(super) struct RawCluster {
    pub(super) server: String,
    pub(super) tls_server_name: String,
    pub(super) insecure: bool,
    pub(super) ca: String,
    pub(super) ca_data: Vec<u8>,
    pub(super) proxy_url: String,
    pub(super) disable_compression: bool,
    pub(super) exec_extension: Option<serde_json::Value>,
    pub(super) lines: BTreeMap<String, u64>,
}

impl RawCluster {
    /// The line of a field that is there.
    pub(super) fn line(&self, field: &str) -> Option<u64> {
        self.lines.get(field).copied()
    }
}

#[derive(Clone, Default)]
pub(super) struct RawUser {
    pub(super) client_certificate: String,
    pub(super) client_certificate_data: Vec<u8>,
    pub(super) client_key: String,
    pub(super) client_key_data: Vec<u8>,
    pub(super) token: String,
    pub(super) token_file: String,
    pub(super) impersonate: String,
    pub(super) impersonate_uid: String,
    pub(super) impersonate_groups: Vec<String>,
    pub(super) impersonate_extra: Vec<(String, String)>,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) auth_provider: Option<(String, BTreeMap<String, String>)>,
    pub(super) exec: Option<RawExec>,
    pub(super) lines: BTreeMap<String, u64>,
}

impl RawUser {
    /// The line of a field that is there.
    pub(super) fn line(&self, field: &str) -> Option<u64> {
        self.lines.get(field).copied()
    }

    pub(super) fn has_certificate(&self) -> bool {
        !self.client_certificate.is_empty() || !self.client_certificate_data.is_empty()
    }

    pub(super) fn has_basic(&self) -> bool {
        !self.username.is_empty() || !self.password.is_empty()
    }
}

#[derive(Clone, Default)]
pub(super) struct RawExec {
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) api_version: String,
    pub(super) install_hint: String,
    pub(super) provide_cluster_info: bool,
    pub(super) interactive_mode: String,
}

/// One file, typed.
#[derive(Default)]
pub(super) struct RawConfig {
    pub(super) current_context: String,
    pub(super) contexts: Vec<Entry<RawContext>>,
    pub(super) clusters: Vec<Entry<RawCluster>>,
    pub(super) users: Vec<Entry<RawUser>>,
}

/// Why a file is not taken: kubectl's words and the line.
pub(super) struct ReadError {
    pub(super) kind: FailureKind,
    pub(super) text: String,
    pub(super) line: Option<u64>,
}

/// Reads and types one file; an empty one is an empty configuration.
pub(super) fn read_config(path: &Path, shown: &str) -> Result<RawConfig, ReadError> {
    let bytes =
        read_limited(path).map_err(|failure| ReadError { kind: failure.kind, text: failure.detail, line: None })?;
    if bytes.is_empty() {
        return Ok(RawConfig::default());
    }
    parse_config(&bytes, shown)
}

/// Reads a file of at most 4 MiB that is a regular file, or a pipe of the process itself (`<(...)`).
///
/// # Errors
/// In Go's words: `open F: no such file or directory`, `read F: is a directory`; [`FailureKind::Limit`] when larger, and
/// [`FailureKind::Unreadable`] when larger than any such file is.
pub(in super::super) fn read_limited(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let failed = |operation: &str, error: &std::io::Error| {
        let kind =
            if error.kind() == std::io::ErrorKind::NotFound { FailureKind::NotFound } else { FailureKind::Unreadable };
        Failure::new(kind, format!("{operation} {shown}: {}", io_words(error)))
    };
    let data = std::fs::metadata(path).map_err(|error| failed("open", &error))?;
    if data.is_dir() {
        return Err(Failure::new(FailureKind::Unreadable, format!("read {shown}: is a directory")));
    }
    // A named pipe or device elsewhere could block for ever or never end.
    let own_pipe = ["/dev/fd/", "/proc/self/fd/", "/dev/stdin"].iter().any(|prefix| path.starts_with(prefix));
    if !data.is_file() && !own_pipe && path != Path::new("/dev/null") {
        return Err(Failure::new(FailureKind::Unreadable, format!("read {shown}: is not a regular file")));
    }
    let too_large = || Failure::new(FailureKind::Limit, format!("read {shown}: larger than 4 MiB"));
    if data.is_file() && data.len() > ABSURD {
        let detail = format!("read {shown}: {} bytes are too large for what this file is to be", data.len());
        return Err(
            Failure::new(FailureKind::Unreadable, detail).sides("at most 4 MiB", format!("{} bytes", data.len()))
        );
    }
    if data.is_file() && data.len() > LARGEST {
        return Err(too_large());
    }
    let file = std::fs::File::open(path).map_err(|error| failed("open", &error))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| failed("read", &error))?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large());
    }
    Ok(bytes)
}

/// Go's words for an error of the operating system.
pub(in super::super) fn io_words(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "no such file or directory".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::IsADirectory => "is a directory".to_owned(),
        ErrorKind::NotADirectory => "not a directory".to_owned(),
        _ => {
            let text = error.to_string().to_lowercase();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

/// `base` joined with `path` and cleaned as Go's filepath.Join does; an absolute or empty path stays.
fn against(base: &Path, path: &str) -> String {
    if path.is_empty() || Path::new(path).is_absolute() {
        return path.to_owned();
    }
    let mut clean = PathBuf::new();
    for part in base.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean.to_string_lossy().into_owned()
}

// ----- typed reading

pub(super) const VERSION_KIND: &str =
    r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;

/// `apiVersion` and `kind` of an object, with the errors of Kubernetes' decoders. Also used for plugin output.
pub(in super::super) fn version_and_kind(node: &Node) -> Result<(String, String), (String, u64)> {
    let fields = match &node.value {
        Value::Map(_) => node,
        Value::Null => return Ok((String::new(), String::new())),
        _ => {
            let text = format!(
                "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type {VERSION_KIND}",
                node.kind()
            );
            return Err((text, node.line));
        }
    };
    let mut reader = Reader::default();
    let mut read = |key: &str| fields.get(key).map(|node| reader.text(node, "", key)).unwrap_or_default();
    let version = read("apiVersion");
    let kind = read("kind");
    match reader.fault() {
        Some((text, line)) => Err((format!("couldn't get version/kind; json parse error: {text}"), line)),
        None => Ok((version, kind)),
    }
}

fn parse_config(bytes: &[u8], file: &str) -> Result<RawConfig, ReadError> {
    let malformed =
        |text: String, line: u64| ReadError { kind: FailureKind::Malformed, text, line: (line > 0).then_some(line) };
    let root = yaml::parse(bytes).map_err(|error| malformed(error.text, error.line.unwrap_or(0)))?;
    let (version, kind) = version_and_kind(&root).map_err(|(text, line)| malformed(text, line))?;
    let version = if version.is_empty() { "v1" } else { &version };
    let kind = if kind.is_empty() { "Config" } else { &kind };
    if (version, kind) != ("v1", "Config") {
        let field = if kind == "Config" { "apiVersion" } else { "kind" };
        let line = root.get(field).map_or(root.line, |node| node.line);
        let text = format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"k8s.io/client-go/tools/clientcmd/api/latest/latest.go:50\""
        );
        return Err(malformed(text, line));
    }
    let mut reader = Reader::default();
    let mut config = RawConfig::default();
    let base = Path::new(file).parent().unwrap_or(Path::new(""));
    let base = std::path::absolute(if base.as_os_str().is_empty() { Path::new(".") } else { base })
        .unwrap_or_else(|_| base.to_owned());
    for (key, node) in reader.fields(&root, "Config", "", "v1.Config") {
        match key {
            "clusters" => {
                config.clusters =
                    entries(&mut reader, node, file, &CLUSTERS, |reader, node| read_cluster(reader, node, &base))
            }
            "contexts" => config.contexts = entries(&mut reader, node, file, &CONTEXTS, read_context),
            "users" => {
                config.users = entries(&mut reader, node, file, &USERS, |reader, node| read_user(reader, node, &base))
            }
            "current-context" => config.current_context = reader.text(node, "Config", key),
            "preferences" => drop(reader.fields(node, "Config", key, "v1.Preferences")),
            "extensions" => drop(reader.list(node, "Config", key, "[]v1.NamedExtension")),
            _ => {}
        }
    }
    if let Some((text, line)) = reader.fault() {
        return Err(malformed(text, line));
    }
    // kubectl prints the whole list here, secrets included; kaccess does not.
    for (double, go_from, go_to) in [
        (double(&config.clusters), "NamedCluster", "Cluster"),
        (double(&config.users), "NamedAuthInfo", "AuthInfo"),
        (double(&config.contexts), "NamedContext", "Context"),
    ] {
        if let Some((name, line)) = double {
            let text = format!(
                "error converting *[]{go_from} into *map[string]*api.{go_to}: duplicate name \"{name}\" in list: […]"
            );
            return Err(malformed(text, line));
        }
    }
    Ok(config)
}

fn double<T>(entries: &[Entry<T>]) -> Option<(String, u64)> {
    let mut names = std::collections::HashSet::new();
    entries.iter().find(|entry| !names.insert(entry.name.as_str())).map(|entry| (entry.name.clone(), entry.line))
}

/// The Go names of one of the three lists.
struct List {
    /// JSON path of the list.
    path: &'static str,
    /// The struct of an item.
    item: &'static str,
    /// JSON name of the item's content.
    field: &'static str,
}

const CLUSTERS: List = List { path: "clusters", item: "NamedCluster", field: "cluster" };
const CONTEXTS: List = List { path: "contexts", item: "NamedContext", field: "context" };
const USERS: List = List { path: "users", item: "NamedAuthInfo", field: "user" };

fn entries<T: Default>(
    reader: &mut Reader,
    node: &Node,
    file: &str,
    list: &List,
    mut read: impl FnMut(&mut Reader, &Node) -> T,
) -> Vec<Entry<T>> {
    let List { path, item, field } = list;
    let mut found = Vec::new();
    for node in reader.list(node, "Config", path, &format!("[]v1.{item}")) {
        let mut entry = Entry { name: String::new(), file: file.to_owned(), line: node.line, value: T::default() };
        for (key, node) in reader.fields(node, "Config", path, &format!("v1.{item}")) {
            if key == *field {
                entry.value = read(reader, node);
            } else if key == "name" {
                entry.name = reader.text(node, item, &format!("{path}.name"));
            }
        }
        found.push(entry);
    }
    found
}

fn read_context(reader: &mut Reader, node: &Node) -> RawContext {
    let mut context = RawContext::default();
    for (key, node) in reader.fields(node, "NamedContext", "contexts.context", "v1.Context") {
        let path = format!("contexts.context.{key}");
        match key {
            "cluster" => context.cluster = reader.text(node, "Context", &path),
            "user" => context.user = reader.text(node, "Context", &path),
            "namespace" => context.namespace = reader.text(node, "Context", &path),
            "extensions" => drop(reader.list(node, "Context", &path, "[]v1.NamedExtension")),
            _ => {}
        }
    }
    context
}

fn read_cluster(reader: &mut Reader, node: &Node, base: &Path) -> RawCluster {
    let mut cluster = RawCluster::default();
    for (key, node) in reader.fields(node, "NamedCluster", "clusters.cluster", "v1.Cluster") {
        let path = format!("clusters.cluster.{key}");
        cluster.lines.insert(key.to_owned(), node.line);
        match key {
            "server" => cluster.server = reader.text(node, "Cluster", &path),
            "tls-server-name" => cluster.tls_server_name = reader.text(node, "Cluster", &path),
            "insecure-skip-tls-verify" => cluster.insecure = reader.flag(node, "Cluster", &path),
            "certificate-authority" => cluster.ca = against(base, &reader.text(node, "Cluster", &path)),
            "certificate-authority-data" => cluster.ca_data = reader.bytes(node, "Cluster", &path),
            "proxy-url" => cluster.proxy_url = reader.text(node, "Cluster", &path),
            "disable-compression" => cluster.disable_compression = reader.flag(node, "Cluster", &path),
            "extensions" => {
                for item in reader.list(node, "Cluster", &path, "[]v1.NamedExtension") {
                    let name =
                        item.get("name").map(|name| reader.text(name, "NamedExtension", &format!("{path}.name")));
                    if name.as_deref() == Some("client.authentication.k8s.io/exec") {
                        cluster.exec_extension = item.get("extension").map(yaml::to_json);
                    }
                }
            }
            _ => {}
        }
    }
    cluster
}

fn read_user(reader: &mut Reader, node: &Node, base: &Path) -> RawUser {
    const OWNER: &str = "AuthInfo";
    let mut user = RawUser::default();
    for (key, node) in reader.fields(node, "NamedAuthInfo", "users.user", "v1.AuthInfo") {
        let path = format!("users.user.{key}");
        user.lines.insert(key.to_owned(), node.line);
        match key {
            "client-certificate" => user.client_certificate = against(base, &reader.text(node, OWNER, &path)),
            "client-certificate-data" => user.client_certificate_data = reader.bytes(node, OWNER, &path),
            "client-key" => user.client_key = against(base, &reader.text(node, OWNER, &path)),
            "client-key-data" => user.client_key_data = reader.bytes(node, OWNER, &path),
            "token" => user.token = reader.text(node, OWNER, &path),
            "tokenFile" => user.token_file = against(base, &reader.text(node, OWNER, &path)),
            "as" => user.impersonate = reader.text(node, OWNER, &path),
            "as-uid" => user.impersonate_uid = reader.text(node, OWNER, &path),
            "as-groups" => user.impersonate_groups = reader.texts(node, OWNER, &path),
            "as-user-extra" => {
                for (extra, node) in reader.fields(node, OWNER, &path, "map[string][]string") {
                    for value in reader.texts(node, OWNER, &path) {
                        user.impersonate_extra.push((extra.to_owned(), value));
                    }
                }
            }
            "username" => user.username = reader.text(node, OWNER, &path),
            "password" => user.password = reader.text(node, OWNER, &path),
            "auth-provider" if !matches!(node.value, Value::Null) => {
                let mut name = String::new();
                let mut config = BTreeMap::new();
                for (key, node) in reader.fields(node, OWNER, &path, "v1.AuthProviderConfig") {
                    let path = format!("{path}.{key}");
                    if key == "name" {
                        name = reader.text(node, "AuthProviderConfig", &path);
                    } else if key == "config" {
                        for (key, node) in reader.fields(node, "AuthProviderConfig", &path, "map[string]string") {
                            config.insert(key.to_owned(), reader.text(node, "AuthProviderConfig", &path));
                        }
                    }
                }
                user.auth_provider = Some((name, config));
            }
            "exec" if !matches!(node.value, Value::Null) => user.exec = Some(read_exec(reader, node, base)),
            "extensions" => drop(reader.list(node, OWNER, &path, "[]v1.NamedExtension")),
            _ => {}
        }
    }
    user
}

fn read_exec(reader: &mut Reader, node: &Node, base: &Path) -> RawExec {
    const OWNER: &str = "ExecConfig";
    let mut exec = RawExec::default();
    for (key, node) in reader.fields(node, "AuthInfo", "users.user.exec", "v1.ExecConfig") {
        let path = format!("users.user.exec.{key}");
        match key {
            "command" => {
                let command = reader.text(node, OWNER, &path);
                // Only a name with a separator is a path; others are looked up on PATH.
                exec.command = if command.contains('/') { against(base, &command) } else { command };
            }
            "args" => exec.args = reader.texts(node, OWNER, &path),
            "env" => {
                for item in reader.list(node, OWNER, &path, "[]v1.ExecEnvVar") {
                    let (mut name, mut value) = (String::new(), String::new());
                    for (key, node) in reader.fields(item, OWNER, &path, "v1.ExecEnvVar") {
                        let path = format!("{path}.{key}");
                        match key {
                            "name" => name = reader.text(node, "ExecEnvVar", &path),
                            "value" => value = reader.text(node, "ExecEnvVar", &path),
                            _ => {}
                        }
                    }
                    exec.env.push((name, value));
                }
            }
            "apiVersion" => exec.api_version = reader.text(node, OWNER, &path),
            "installHint" => exec.install_hint = reader.text(node, OWNER, &path),
            "provideClusterInfo" => exec.provide_cluster_info = reader.flag(node, OWNER, &path),
            "interactiveMode" => exec.interactive_mode = reader.text(node, OWNER, &path),
            _ => {}
        }
    }
    exec
}
