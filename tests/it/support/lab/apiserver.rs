//! kube-apiserver with its own etcd, alone on its port.

use base64::Engine;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Lab;
use super::http::{Answer, Auth, Client};
use super::pki::Identity;
use super::process::{Lifeline, free_port, is_port_clash, read_log, wait_for};
use super::provision::Release;

/// The `iss` of ServiceAccount tokens.
pub const SERVICE_ACCOUNT_ISSUER: &str = "https://kubernetes.default.svc";

/// What differs from server to server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Flags that are added, or that replace the lab's own flag of the same name.
    pub flags: Vec<String>,
    /// Text of an AuthenticationConfiguration; not together with `--oidc-*`.
    pub authentication_config: Option<String>,
    /// Environment variables of the server, such as `HTTPS_PROXY`.
    pub env: Vec<(String, String)>,
    /// Which kube-apiserver.
    pub release: Release,
    /// Whether every request is written to the audit log (level Metadata); on by default.
    pub audit: bool,
    /// Whether kaccess may look at Secrets that something names; off by default.
    pub named_secrets: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flags: Vec::new(),
            authentication_config: None,
            env: Vec::new(),
            release: Release::Current,
            audit: true,
            named_secrets: false,
        }
    }
}

impl Options {
    /// Adds one flag, as `--name=value`.
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// The first incident's configuration: user `oidc:<email>`, groups `oidc:<group>`.
    pub fn oidc(self, lab: &Lab, issuer: &str) -> Self {
        self.flag(format!("--oidc-issuer-url={issuer}"))
            .flag("--oidc-client-id=kubernetes")
            .flag("--oidc-username-claim=email")
            .flag("--oidc-username-prefix=oidc:")
            .flag("--oidc-groups-claim=groups")
            .flag("--oidc-groups-prefix=oidc:")
            .flag(format!("--oidc-ca-file={}", lab.pki.ca.cert.display()))
    }

    /// A structured configuration instead of flags.
    pub fn authentication_config(mut self, text: impl Into<String>) -> Self {
        self.authentication_config = Some(text.into());
        self
    }

    /// An environment variable of the server.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Another release of kube-apiserver.
    pub fn release(mut self, release: Release) -> Self {
        self.release = release;
        self
    }

    /// kaccess may look at Secrets that something names, as `kaccess workload` does.
    pub fn named_secrets(mut self) -> Self {
        self.named_secrets = true;
        self
    }

    /// No audit log, for measurements that run no kaccess.
    pub fn without_audit(mut self) -> Self {
        self.audit = false;
        self
    }
}

/// A running API server; it stops when dropped.
pub struct ApiServer {
    port: u16,
    dir: PathBuf,
    arguments: Vec<String>,
    env: Vec<(String, String)>,
    process: Option<Lifeline>,
    lab: PathBuf,
    ca: PathBuf,
    admin: Identity,
    client: Client,
    anonymous: Client,
    named_secrets: bool,
}

impl ApiServer {
    /// Starts a server and waits until `/readyz` says ok (about 3 s).
    pub fn start(lab: &Lab, options: Options) -> Self {
        let mut server = Self::prepare(lab, &options);
        for _ in 0..4 {
            server.port = free_port();
            server.arguments = arguments(lab, &server.dir, server.port, &options);
            match server.launch() {
                Ok(()) => return server,
                Err(log) if is_port_clash(&log) => {
                    let _ = fs::remove_file(server.log_path());
                    let _ = fs::remove_dir_all(server.dir.join("etcd"));
                }
                Err(log) => panic!("kube-apiserver did not become ready:\n{}", tail(&log)),
            }
        }
        panic!("kube-apiserver found its port taken four times")
    }

    /// The log of a server that does not come up (empty if it does), and the path of its AuthenticationConfiguration.
    pub fn refusal(lab: &Lab, options: Options) -> (String, String) {
        let dir = lab.dir("refused");
        let arguments = arguments(lab, &dir, free_port(), &options);
        let log = dir.join("apiserver.log");
        let mut process =
            Lifeline::apiserver(&lab.binary_of(options.release), &arguments, &[], &log).expect("the lab binary");
        let refused = wait_for(Duration::from_secs(60), || {
            if process.has_ended() {
                return Some(true);
            }
            process.log().contains("Serving securely").then_some(false)
        });
        process.stop();
        let _ = fs::remove_dir_all(dir.join("etcd"));
        let file = arguments.iter().find_map(|flag| flag.strip_prefix("--authentication-config="));
        let log = if refused == Some(true) { process.log() } else { String::new() };
        (log, file.unwrap_or_default().to_owned())
    }

    /// Starts a server that refuses its configuration, and returns when it has ended; its log is there.
    pub fn start_into_failure(lab: &Lab, options: Options) -> Self {
        let mut server = Self::prepare(lab, &options);
        server.port = free_port();
        server.arguments = arguments(lab, &server.dir, server.port, &options);
        assert!(server.launch().is_err(), "kube-apiserver started");
        server
    }

    fn prepare(lab: &Lab, options: &Options) -> Self {
        let dir = lab.dir("apiserver");
        Self {
            port: 0,
            arguments: Vec::new(),
            env: options.env.clone(),
            process: None,
            lab: lab.binary_of(options.release),
            ca: lab.pki.ca.cert.clone(),
            admin: lab.pki.admin.clone(),
            client: Client::new(&lab.pki.ca.cert, Some(&lab.pki.admin)),
            anonymous: Client::new(&lab.pki.ca.cert, None),
            named_secrets: options.named_secrets,
            dir,
        }
    }

    /// Stops the server and keeps its data.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Stops it if it runs and starts it again: same port, same data, same log.
    pub fn restart(&mut self) {
        self.stop();
        // Where Linux gives all ports away, a connection of another test may have this one for a moment.
        for _ in 0..10 {
            let before = self.log().len();
            match self.launch() {
                Ok(()) => return,
                Err(log) if is_port_clash(log.get(before..).unwrap_or(&log)) => {
                    std::thread::sleep(Duration::from_secs(1));
                }
                Err(log) => panic!("kube-apiserver did not come back:\n{}", tail(&log)),
            }
        }
        panic!("kube-apiserver found its port taken ten times")
    }

    /// Restarts with one more flag (or another value of a flag it already had).
    pub fn restart_with(&mut self, flag: &str) {
        self.arguments.retain(|argument| flag_name(argument) != flag_name(flag));
        self.arguments.push(flag.to_owned());
        self.restart();
    }

    /// Restarts without the flags that begin so.
    pub fn restart_without(&mut self, begin: &str) {
        self.arguments.retain(|argument| !argument.starts_with(begin));
        self.restart();
    }

    fn launch(&mut self) -> Result<(), String> {
        let started = Lifeline::apiserver(&self.lab, &self.arguments, &self.env, &self.log_path());
        let mut process = started.expect("the lab binary starts");
        let url = format!("{}/readyz", self.url());
        let ready = wait_for(Duration::from_secs(90), || {
            if process.has_ended() {
                return Some(false);
            }
            let answer = self.client.send(Auth::Own, "GET", &url, None);
            answer.is_ok_and(|(status, _)| status == 200).then_some(true)
        });
        if ready != Some(true) {
            return Err(process.log());
        }
        self.process = Some(process);
        Ok(())
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The port alone.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The CA that signed its certificate.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// Its own directory; kubeconfigs and logs are in it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file with its log.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("apiserver.log")
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        read_log(&self.log_path())
    }

    /// Waits until it accepts this token; an issuer is tried every 10 seconds, and a loaded machine is slow.
    pub fn wait_accepted(&self, token: &str) {
        self.wait(
            || self.token_review(token)["authenticated"] == true,
            || format!("never accepted: {}", self.token_review(token)),
        );
    }

    /// Waits until this text stands in its log.
    pub fn wait_logged(&self, text: &str) {
        self.wait(|| self.log().contains(text), || format!("never logged {text:?}:\n{}", self.log()));
    }

    fn wait(&self, done: impl Fn() -> bool, failed: impl Fn() -> String) {
        // A changed file that no event tells of is looked at once a minute.
        let deadline = Instant::now() + Duration::from_secs(150);
        while !done() {
            assert!(Instant::now() < deadline, "{}", failed());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The audit log so far, one event per request (stage ResponseComplete, or Panic).
    pub fn audit_events(&self) -> Vec<Value> {
        let text = read_log(&self.dir.join("audit.log"));
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What kaccess did here that is neither a read nor a review, or a read of Secrets that it has no business with; and
    /// how many requests it made.
    pub fn beyond_reading(&self) -> (usize, Vec<String>) {
        let events = self.audit_events();
        let ours =
            events.iter().filter(|event| event["userAgent"].as_str().is_some_and(|agent| agent.contains("kaccess")));
        let (mut count, mut beyond) = (0, Vec::new());
        for event in ours {
            count += 1;
            if !is_reading(event, self.named_secrets) {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                beyond.push(format!("{} {}", text(&event["verb"]), text(&event["requestURI"])));
            }
        }
        (count, beyond)
    }

    /// A request as the cluster's admin; panics when there is no answer.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.client
            .send(Auth::Own, method, &format!("{}{path}", self.url()), body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same with a bearer token (an empty one sends the request without credentials).
    pub fn api_with_token(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let auth = if token.is_empty() { Auth::Own } else { Auth::Token(token) };
        self.anonymous
            .send(auth, method, &format!("{}{path}", self.url()), body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The same with more headers, such as Impersonate-User.
    pub fn api_as(&self, headers: &[(&str, &str)], method: &str, path: &str, body: &Value) -> Answer {
        self.client
            .send_with(headers, method, &format!("{}{path}", self.url()), Some(body))
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// A request without the admin's certificate, with these headers.
    pub fn anonymous_with(&self, headers: &[(&str, &str)], method: &str, path: &str) -> Answer {
        self.anonymous
            .send_with(headers, method, &format!("{}{path}", self.url()), None)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Creates an object as admin; panics unless it is created.
    pub fn create(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.api("POST", path, Some(body));
        assert_eq!(status, 201, "POST {path}: {answer}");
        answer
    }

    /// Creates many objects, eight at a time.
    pub fn create_all(&self, objects: impl IntoIterator<Item = (String, Value)>) {
        let url = self.url();
        self.client.post_all(objects.into_iter().map(|(path, body)| (format!("{url}{path}"), body)).collect());
    }

    /// The `status` of many SubjectAccessReviews (their `spec` is given), in order, made as admin.
    pub fn access_reviews(&self, specs: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let url = format!("{}/apis/authorization.k8s.io/v1/subjectaccessreviews", self.url());
        let reviews = specs.into_iter().map(|spec| {
            let review =
                json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec });
            (url.clone(), review)
        });
        let answers = self.client.post_many(reviews.collect(), 64);
        answers
            .into_iter()
            .map(|(status, mut answer)| {
                assert_eq!(status, 201, "{answer}");
                answer["status"].take()
            })
            .collect()
    }

    /// The `status` of a TokenReview of this token, made as admin.
    pub fn token_review(&self, token: &str) -> Value {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token },
        });
        self.create("/apis/authentication.k8s.io/v1/tokenreviews", &review)["status"].take()
    }

    /// Makes a namespace unless it is there.
    pub fn create_namespace(&self, name: &str) {
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let (status, answer) = self.api("POST", "/api/v1/namespaces", Some(&body));
        assert!(status == 201 || status == 409, "namespace {name}: {answer}");
    }

    /// Makes the ClusterRole `lab-reader`: no controller fills the built-in aggregated ones here.
    pub fn create_reader_role(&self) {
        self.create(
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            &json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "lab-reader" },
                "rules": [{ "apiGroups": [""], "resources": ["pods", "pods/log", "namespaces"], "verbs": ["get", "list", "watch"] }],
            }),
        );
    }

    /// Binds `lab-reader` to a User or Group, everywhere, and waits until that holds.
    pub fn grant_reader(&self, kind: &str, binding: &str, subject: &str) {
        self.create(
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            &json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": binding },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "lab-reader" },
                "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": subject }],
            }),
        );
        self.settle();
    }

    /// Waits until the RBAC authorizer knows all that was made, changed or deleted so far. It has a cache of each of the four
    /// kinds, which follows in its own time and in the order of what happened: what is made last of each is waited for,
    /// and taken away again. It never ends where RBAC is no authorizer.
    pub fn settle(&self) {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        const GROUP: &str = "settled.test";
        let api = "/apis/rbac.authorization.k8s.io/v1";
        let name = format!("settled-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        // A Role needs a namespace; this one is there once the server is ready.
        let kinds = [("ClusterRole", "", "everywhere"), ("Role", "kube-system", "inside")];
        let path = |kind: &str, namespace: &str| match namespace {
            "" => format!("{api}/{}s", kind.to_lowercase()),
            _ => format!("{api}/namespaces/{namespace}/{}s", kind.to_lowercase()),
        };
        for (kind, namespace, resource) in kinds {
            let binding = format!("{kind}Binding");
            self.create(
                &path(kind, namespace),
                &json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name },
                    "rules": [{ "apiGroups": [GROUP], "resources": [resource], "verbs": ["get"] }],
                }),
            );
            self.create(
                &path(&binding, namespace),
                &json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": binding, "metadata": { "name": name },
                    "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name },
                    "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name }],
                }),
            );
        }
        let question = |namespace: &str, resource: &str| {
            let attributes = json!({ "namespace": namespace, "group": GROUP, "resource": resource, "verb": "get" });
            json!({ "user": name, "resourceAttributes": attributes })
        };
        let settled = wait_for(Duration::from_secs(60), || {
            let answers = self.access_reviews(kinds.map(|(_, namespace, resource)| question(namespace, resource)));
            answers.iter().all(|status| status["allowed"] == true).then_some(())
        });
        assert!(settled.is_some(), "the caches of RBAC do not settle");
        for (kind, namespace, _) in kinds {
            // The binding first, so that none is left without its role.
            for kind in [format!("{kind}Binding"), kind.to_owned()] {
                let (status, answer) = self.api("DELETE", &format!("{}/{name}", path(&kind, namespace)), None);
                assert_eq!(status, 200, "{kind}: {answer}");
            }
        }
    }

    /// Waits until discovery names this group of APIs, or names it no more, in the form of old clients and in that of new
    /// ones, which the server gathers apart.
    pub fn wait_group(&self, group: &str, there: bool) {
        let named = |list: &Value, name: &str| {
            list.as_array().into_iter().flatten().any(|one| one.pointer(name) == Some(&json!(group)))
        };
        let done = || {
            let (_, old) = self.api("GET", "/apis", None);
            named(&old["groups"], "/name") == there && named(&self.discovered(), "/metadata/name") == there
        };
        self.wait(done, || format!("discovery: is {group} named? it should be {there}"));
    }

    /// Waits until discovery in the form of new clients has this resource: the group alone may be there before it.
    pub fn wait_resource(&self, resource: &str) {
        let all = |value: &Value, list: &str| value[list].as_array().cloned().unwrap_or_default();
        let done = || {
            let groups = self.discovered().as_array().cloned().unwrap_or_default();
            let versions = groups.iter().flat_map(|group| all(group, "versions"));
            versions.flat_map(|version| all(&version, "resources")).any(|one| one["resource"] == resource)
        };
        self.wait(done, || format!("discovery never has {resource}"));
    }

    /// The groups with their resources, as new clients ask for them.
    fn discovered(&self) -> Value {
        let form = [("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")];
        let (_, mut body) =
            self.client.send_with(&form, "GET", &format!("{}/apis", self.url()), None).expect("the groups");
        body["items"].take()
    }

    /// Makes a ServiceAccount (and its namespace) unless it is there, and gives a token of one hour.
    pub fn create_service_account_token(&self, namespace: &str, name: &str) -> String {
        self.create_namespace(namespace);
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let body = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
        let (status, answer) = self.api("POST", &path, Some(&body));
        assert!(status == 201 || status == 409, "service account {name}: {answer}");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": 3600 },
        });
        let answer = self.create(&format!("{path}/{name}/token"), &request);
        answer["status"]["token"].as_str().expect("token").to_owned()
    }

    /// A kubeconfig user with the admin's client certificate.
    pub fn admin_user(&self) -> Value {
        certificate_user(&self.admin)
    }

    /// A kubeconfig with the context `admin`.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.kubeconfig("admin", &[("admin", self.admin_user())])
    }

    /// A kubeconfig with the context `name` and a static token.
    pub fn kubeconfig_for_token(&self, name: &str, token: &str) -> PathBuf {
        self.kubeconfig(name, &[(name, json!({ "token": token }))])
    }

    /// A kubeconfig with the context `name` and any user: `{"exec": ...}`, `{"auth-provider": ...}`, and so on.
    pub fn kubeconfig_with(&self, name: &str, user: Value) -> PathBuf {
        self.kubeconfig(name, &[(name, user)])
    }

    /// A kubeconfig with several contexts, the first one current, all on the cluster `lab`.
    pub fn kubeconfig(&self, file: &str, users: &[(&str, Value)]) -> PathBuf {
        let path = self.dir.join(format!("{file}.kubeconfig"));
        fs::write(&path, self.kubeconfig_text(users)).expect("kubeconfig file");
        path
    }

    /// The text of such a kubeconfig, for tests that change it first.
    pub fn kubeconfig_text(&self, users: &[(&str, Value)]) -> String {
        let mut text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: lab\n  cluster:\n    server: {}\n    \
             certificate-authority-data: {}\ncontexts:\n",
            self.url(),
            base64_of(&self.ca)
        );
        for (name, _) in users {
            text.push_str(&format!("- name: {name}\n  context:\n    cluster: lab\n    user: {name}\n"));
        }
        text.push_str(&format!("current-context: {}\nusers:\n", users.first().map_or("", |(name, _)| name)));
        for (name, user) in users {
            // JSON is YAML; simple users read as people write them.
            text.push_str(&format!("- name: {name}\n  user:\n"));
            match user.as_object() {
                Some(fields) if !fields.is_empty() => {
                    fields.iter().for_each(|(key, value)| text.push_str(&format!("    {key}: {value}\n")));
                }
                _ => text.push_str("    {}\n"),
            }
        }
        text
    }
}

/// A read, or the creation of a review object, which is stored nowhere.
pub fn is_reading(event: &Value, named_secrets: bool) -> bool {
    const REVIEWS: &[&str] = &[
        "selfsubjectreviews",
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
        "subjectaccessreviews",
        "localsubjectaccessreviews",
        "tokenreviews",
    ];
    let object = &event["objectRef"];
    let resource = object["resource"].as_str().unwrap_or_default();
    let named = object["name"].as_str().is_some_and(|name| !name.is_empty());
    match event["verb"].as_str().unwrap_or_default() {
        // A table without the object: the server sends no content.
        "get" if resource == "secrets" => {
            let bare = event["requestURI"].as_str().is_some_and(|uri| uri.contains("includeObject=None"));
            named_secrets && named && bare
        }
        "get" | "list" | "watch" => {
            resource != "secrets" && object["subresource"] != "proxy" && object["subresource"] != "exec"
        }
        // Where the server URL ends in /api/v1 a review is asked of a path that is none.
        "create" if event["requestURI"].as_str().is_some_and(|uri| uri.starts_with("/api/v1/apis/")) => {
            event["responseStatus"]["code"].as_i64().is_some_and(|code| code >= 400)
        }
        "create" => REVIEWS.contains(&resource) && !named,
        _ => false,
    }
}

/// Whatever a test ran here: kaccess has only read.
impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            let (_, beyond) = self.beyond_reading();
            assert!(beyond.is_empty(), "kaccess did not only read: {beyond:?}");
        }
        // etcd reserves 64 MB per server; logs stay for whoever looks into a failed test while the process lives.
        let _ = fs::remove_dir_all(self.dir.join("etcd"));
    }
}

/// A kubeconfig user with a client certificate.
pub fn certificate_user(identity: &Identity) -> Value {
    json!({
        "client-certificate-data": base64_of(&identity.cert),
        "client-key-data": base64_of(&identity.key),
    })
}

fn base64_of(path: &Path) -> String {
    base64::engine::general_purpose::STANDARD.encode(fs::read(path).expect("PEM file"))
}

const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\n\
    rules:\n- level: Metadata\n";

fn arguments(lab: &Lab, dir: &Path, port: u16, options: &Options) -> Vec<String> {
    let pki = &lab.pki;
    let path = |path: &Path| path.display().to_string();
    let mut flags = vec![
        format!("--etcd-dir={}", path(&dir.join("etcd"))),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--tls-cert-file={}", path(&pki.server.cert)),
        format!("--tls-private-key-file={}", path(&pki.server.key)),
        format!("--client-ca-file={}", path(&pki.ca.cert)),
        format!("--service-account-key-file={}", path(&pki.service_account_key)),
        format!("--service-account-signing-key-file={}", path(&pki.service_account_key)),
        format!("--service-account-issuer={SERVICE_ACCOUNT_ISSUER}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        format!("--requestheader-client-ca-file={}", path(&pki.front_proxy_ca.cert)),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ];
    if options.audit {
        let policy = dir.join("audit-policy.yaml");
        fs::write(&policy, AUDIT_POLICY).expect("audit policy");
        flags.push(format!("--audit-policy-file={}", path(&policy)));
        flags.push(format!("--audit-log-path={}", path(&dir.join("audit.log"))));
    }
    if let Some(text) = &options.authentication_config {
        let file = dir.join("authentication.yaml");
        fs::write(&file, text).expect("authentication configuration");
        flags.push(format!("--authentication-config={}", path(&file)));
    }
    // List-valued flags add up when given twice, so a replaced flag must go.
    flags.retain(|own| options.flags.iter().all(|other| flag_name(own) != flag_name(other)));
    flags.extend(options.flags.iter().cloned());
    flags
}

fn flag_name(flag: &str) -> &str {
    flag.split('=').next().unwrap_or(flag)
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}
