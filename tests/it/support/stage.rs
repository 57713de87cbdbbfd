//! A stage for bad plays: a loopback server, plain or TLS, whose every answer is written by hand, and a watcher of the
//! kaccess that meets it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::front::{Asked, Pair, answer, authority, read_request, server_params, signed};
use super::run::scratch;

/// Writes the answer to one request, however it likes.
pub type Play = Arc<dyn Fn(&Asked, &mut dyn Write) + Send + Sync>;

/// A running server; it runs until the process ends.
pub struct Stage {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The heads of the requests that came.
    pub heads: Arc<Mutex<Vec<String>>>,
    /// Connections open now.
    pub open: Arc<AtomicUsize>,
}

impl Stage {
    /// Plain HTTP.
    pub fn plain(play: Play) -> Self {
        Self::start("127.0.0.1", None, play)
    }

    /// Over TLS with this certificate and its chain.
    pub fn tls(pair: &Pair, play: Play) -> Self {
        Self::tls_at("127.0.0.1", pair, play)
    }

    /// The same at another address of the loopback network.
    pub fn tls_at(address: &str, pair: &Pair, play: Play) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes()).map(|one| one.expect("PEM")).collect();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate");
        Self::start(address, Some(Arc::new(config)), play)
    }

    fn start(address: &str, tls: Option<Arc<rustls::ServerConfig>>, play: Play) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port");
        let stage = Self {
            port: listener.local_addr().expect("an address").port(),
            heads: Arc::default(),
            open: Arc::default(),
        };
        let (heads, open) = (stage.heads.clone(), stage.open.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, play, heads, open) = (tls.clone(), play.clone(), heads.clone(), open.clone());
                open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    serve(stream, tls, &play, &heads);
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        stage
    }

    /// The heads so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `127.0.0.1:port`.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn serve(stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>, play: &Play, heads: &Mutex<Vec<String>>) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    // A client that reads no more ends the play.
    let _ = stream.set_write_timeout(Some(Duration::from_secs(10)));
    let one = |stream: &mut dyn ReadWrite| {
        let Some(asked) = read_request(stream) else { return };
        heads.lock().unwrap_or_else(PoisonError::into_inner).push(asked.head.clone());
        play(&asked, stream);
        let _ = stream.flush();
    };
    match tls {
        None => {
            let mut stream = stream;
            one(&mut stream);
        }
        Some(config) => {
            let Ok(connection) = rustls::ServerConnection::new(config) else { return };
            let mut stream = rustls::StreamOwned::new(connection, stream);
            one(&mut stream);
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// The path of a request, without its query.
pub fn path(asked: &Asked) -> &str {
    asked.head.split(' ').nth(1).and_then(|path| path.split('?').next()).unwrap_or_default()
}

/// The answers of an API server that lets everybody in as `alice`; `None` where it has nothing to say.
pub fn api_answer(asked: &Asked) -> Option<Vec<u8>> {
    let review = |kind: &str, group: &str, status: Value| json!({ "kind": kind, "apiVersion": format!("{group}.k8s.io/v1"), "metadata": {}, "spec": {}, "status": status });
    let list =
        |kind: &str| json!({ "kind": kind, "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {}, "items": [] });
    let body = match path(asked).rsplit('/').next().unwrap_or_default() {
        "version" => {
            json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "0", "platform": "linux/amd64" })
        }
        "selfsubjectreviews" => review(
            "SelfSubjectReview",
            "authentication",
            json!({ "userInfo": { "username": "alice", "groups": ["dev", "system:authenticated"] } }),
        ),
        "selfsubjectaccessreviews" => {
            let mut review =
                review("SelfSubjectAccessReview", "authorization", json!({ "allowed": true, "reason": "" }));
            review["spec"] = serde_json::from_slice::<Value>(&asked.body).unwrap_or_default()["spec"].clone();
            review
        }
        "selfsubjectrulesreviews" => review(
            "SelfSubjectRulesReview",
            "authorization",
            json!({ "incomplete": false, "nonResourceRules": [],
                "resourceRules": [{ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"] }] }),
        ),
        "clusterrolebindings" => list("ClusterRoleBindingList"),
        "rolebindings" => list("RoleBindingList"),
        "clusterroles" => list("ClusterRoleList"),
        "roles" => list("RoleList"),
        "metrics" => return Some(answer("200 OK", "Content-Type: text/plain\r\n", "# HELP nothing\n")),
        _ => return None,
    };
    Some(answer("200 OK", "Content-Type: application/json\r\n", &body.to_string()))
}

/// What an API server says of a path that it does not have.
pub fn not_found() -> Vec<u8> {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
        "message": "the server could not find the requested resource" });
    answer("404 Not Found", "Content-Type: application/json\r\n", &status.to_string())
}

/// A healthy API server.
pub fn healthy_api() -> Play {
    Arc::new(|asked, out| {
        let _ = out.write_all(&api_answer(asked).unwrap_or_else(not_found));
    })
}

/// An authority's PEM and a server certificate of it for this machine's loopback.
pub fn certified() -> (String, Pair) {
    let ca = authority("a test's servers");
    let pair = signed(&ca, &server_params("api", &["localhost", "127.0.0.1"]));
    (ca.pem(), pair)
}

/// A kubeconfig of one context: the cluster's fields (YAML flow) and the user's.
pub fn kubeconfig(server: &str, ca: Option<&str>, more: &Value, user: &Value) -> PathBuf {
    use base64::Engine as _;
    let mut cluster = json!({ "server": server });
    if let Some(ca) = ca {
        cluster["certificate-authority-data"] = base64::engine::general_purpose::STANDARD.encode(ca).into();
    }
    for (name, value) in more.as_object().into_iter().flatten() {
        cluster[name] = value.clone();
    }
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{ "name": "c", "cluster": cluster }],
        "contexts": [{ "name": "a", "context": { "cluster": "c", "user": "u" } }],
        "users": [{ "name": "u", "user": user }],
    });
    let path = scratch("kubeconfig").join("config");
    std::fs::write(&path, config.to_string()).expect("a kubeconfig");
    path
}

/// How a watched process ended.
pub struct Ended {
    /// Exit code; none after a signal.
    pub code: Option<i32>,
    /// Everything it printed.
    pub stdout: String,
    /// Likewise on stderr.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
    /// Most memory of its own, in kB; 0 where the system does not tell. What is mapped of the program's file is not
    /// counted: an unoptimised one has 45 to 60 MB of it, as the machine's cache of files happens to be.
    pub peak: u64,
}

/// Runs a command to its end and watches its memory; one that takes longer than `limit` is killed and fails the test.
pub fn watched(command: &mut Command, limit: Duration) -> Ended {
    let (out, err) = (scratch("out").join("stdout"), scratch("out").join("stderr"));
    let file = |path: &PathBuf| Stdio::from(std::fs::File::create(path).expect("a file"));
    let started = Instant::now();
    let mut child = command.stdout(file(&out)).stderr(file(&err)).spawn().expect("kaccess");
    let (mut most, mut own, mut of_files) = (0, 0, 0);
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        // Of one reading: a process that ends between two of them has no files any more.
        if let [Some(all), Some(anonymous), Some(files)] = memory(child.id(), ["VmHWM:", "RssAnon:", "RssFile:"]) {
            (most, own, of_files) = (most.max(all), own.max(anonymous), of_files.max(files));
        }
        if started.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it does not end within {limit:?}: {command:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = started.elapsed();
    // A peak between two readings is in the most that it ever had of both; pages of files that the system took back are not
    // its own for that.
    let peak = own.max(most.saturating_sub(of_files));
    let read = |path: &PathBuf| String::from_utf8(std::fs::read(path).expect("output")).expect("UTF-8");
    Ended { code: status.code(), stdout: read(&out), stderr: read(&err), took, peak }
}

/// Does this within a time. Where it took longer it is done again: a machine that is busy with something else makes one
/// run late, and what waits for something that it should not wait for is late each time.
#[track_caller]
pub fn within<T>(limit: Duration, mut work: impl FnMut() -> T) -> T {
    let mut all = Vec::new();
    for _ in 0..4 {
        let started = Instant::now();
        let value = work();
        let took = started.elapsed();
        if took < limit {
            return value;
        }
        all.push(took);
    }
    panic!("it took {all:?}, and never less than {limit:?}")
}

/// Values of one reading of `/proc/PID/status`, in kB.
pub fn memory<const N: usize>(id: u32, names: [&str; N]) -> [Option<u64>; N] {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    // For a moment a new process still has its parent's name and memory.
    if !status.lines().next().is_some_and(|line| line.ends_with("kaccess")) {
        return [None; N];
    }
    names.map(|name| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.split_whitespace().next()?.parse().ok()
    })
}

/// The first character that a terminal would obey or that turns the reading around.
pub fn deceiving(text: &str) -> Option<char> {
    text.chars().find(|c| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    })
}
