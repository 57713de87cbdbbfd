//! nginx with TLS in front of Keycloak: the load balancer of the incidents, with rules that a test switches.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::http::{Auth, Client};
use super::process::{Lifeline, free_port, is_port_clash, read_log, wait_for};
use super::{Lab, provision};

/// What the balancer lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Everything.
    AllowAll,
    /// Nothing: 403 and nginx's page on every path (`deny all`).
    DenyAll,
    /// 403 to Go's default User-Agent alone: the control plane is refused, the user's own network is not.
    DenyUserAgentGo,
    /// Discovery and keys of the realm `platform`, 403 for the rest: the fix we recommend.
    TwoPathsOpen,
    /// Discovery is let through, the keys are not.
    DenyCerts,
    /// Discovery answers 200 with a login page.
    Html200,
    /// 503 on every path.
    Unavailable,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 7] = [
        Self::AllowAll,
        Self::DenyAll,
        Self::DenyUserAgentGo,
        Self::TwoPathsOpen,
        Self::DenyCerts,
        Self::Html200,
        Self::Unavailable,
    ];

    /// The rule's name, which is its file in `rules/`; tests/lab/open takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllowAll => "allow-all",
            Self::DenyAll => "deny-all",
            Self::DenyUserAgentGo => "deny-user-agent-go",
            Self::TwoPathsOpen => "two-paths-open",
            Self::DenyCerts => "deny-certs",
            Self::Html200 => "html-200",
            Self::Unavailable => "unavailable",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::AllowAll => "location / { include proxy.conf; }\n",
            Self::DenyAll => "location / { deny all; }\n",
            Self::DenyUserAgentGo => "location / { if ($is_go) { return 403; } include proxy.conf; }\n",
            Self::TwoPathsOpen => {
                "location = /realms/platform/.well-known/openid-configuration { include proxy.conf; }\n\
                 location = /realms/platform/protocol/openid-connect/certs { include proxy.conf; }\n\
                 location / { deny all; }\n"
            }
            Self::DenyCerts => {
                "location ~ ^/realms/[^/]+/protocol/openid-connect/certs$ { deny all; }\n\
                 location / { include proxy.conf; }\n"
            }
            Self::Html200 => {
                "location ~ ^/realms/[^/]+/\\.well-known/openid-configuration$ {\n  default_type text/html;\n  return 200 \
                 '<!DOCTYPE html><html><head><title>Sign in</title></head><body><form></form></body></html>';\n}\n\
                 location / { include proxy.conf; }\n"
            }
            Self::Unavailable => "location / { return 503; }\n",
        }
    }
}

/// A running nginx; it stops when dropped.
pub struct Nginx {
    port: u16,
    dir: PathBuf,
    lab: PathBuf,
    program: PathBuf,
    client: Client,
    generation: u32,
    _process: Lifeline,
}

impl Nginx {
    /// Starts an nginx in front of this process's Keycloak (which it starts if need be).
    pub fn start(lab: &Lab, rule: Rule) -> Self {
        Self::start_before(lab, lab.keycloak().port(), rule)
    }

    /// Starts an nginx in front of any plain server on loopback.
    pub fn start_before(lab: &Lab, upstream: u16, rule: Rule) -> Self {
        let program = provision::find_tool("nginx").expect("nginx, as lab::require() found it");
        let dir = lab.dir("nginx");
        fs::create_dir_all(dir.join("rules")).expect("rules directory");
        fs::write(dir.join("proxy.conf"), proxy(upstream)).expect("nginx configuration");
        for rule in Rule::ALL {
            fs::write(dir.join("rules").join(rule.name()), rule.text()).expect("nginx configuration");
        }
        fs::write(dir.join("rule.conf"), rule.text()).expect("nginx configuration");
        fs::write(dir.join("extra.conf"), "").expect("nginx configuration");
        fs::write(dir.join("generation.conf"), generation(0)).expect("nginx configuration");
        for _ in 0..4 {
            let port = free_port();
            fs::write(dir.join("nginx.conf"), configuration(lab, &dir, port)).expect("nginx configuration");
            let mut server = Command::new(&program);
            server.arg("-p").arg(&dir).args(["-e", "error.log", "-c", "nginx.conf"]);
            let log = dir.join("nginx.log");
            let process = Lifeline::run(lab.binary(), &server, &log).expect("the lab binary starts");
            let mut nginx = Self {
                port,
                dir: dir.clone(),
                lab: lab.binary().to_owned(),
                program: program.clone(),
                client: Client::new(&lab.pki.ca.cert, None),
                generation: 0,
                _process: process,
            };
            let ready = wait_for(Duration::from_secs(60), || {
                if nginx._process.has_ended() {
                    return Some(false);
                }
                nginx.probe().is_some().then_some(true)
            });
            if ready == Some(true) {
                return nginx;
            }
            let text = read_log(&log) + &read_log(&dir.join("error.log"));
            assert!(is_port_clash(&text), "nginx did not start:\n{text}");
        }
        panic!("nginx found its port taken four times")
    }

    /// The port it serves TLS on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its directory, with `access.log` and `error.log`.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `https://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The issuer URL of a realm seen through this nginx.
    pub fn issuer(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.url())
    }

    /// One line per request: address, status, method and path, User-Agent.
    pub fn access_log(&self) -> String {
        read_log(&self.dir.join("access.log"))
    }

    /// Switches to another rule and returns when no connection can meet the old one.
    pub fn set_rule(&mut self, rule: Rule) {
        self.set_locations(rule.text());
    }

    /// The same with location blocks of the test's own (`include proxy.conf;` passes a request on).
    pub fn set_locations(&mut self, text: &str) {
        let old_worker = self.probe().map(|(_, worker)| worker);
        self.generation += 1;
        fs::write(self.dir.join("rule.conf"), text).expect("nginx configuration");
        fs::write(self.dir.join("generation.conf"), generation(self.generation)).expect("nginx configuration");
        let output = Command::new(&self.program)
            .arg("-p")
            .arg(&self.dir)
            .args(["-e", "error.log", "-c", "nginx.conf", "-s", "reload"])
            .stdin(Stdio::null())
            .output()
            .expect("nginx -s reload");
        assert!(output.status.success(), "nginx -s reload: {}", String::from_utf8_lossy(&output.stderr));
        // Both workers accept connections for a moment, so the new one answering is not enough.
        let effective = wait_for(Duration::from_secs(60), || {
            let (generation, _) = self.probe()?;
            let gone = old_worker.as_deref().is_none_or(|worker| !is_running(worker));
            (generation == self.generation && gone).then_some(())
        });
        assert!(effective.is_some(), "nginx did not reload:\n{}", read_log(&self.dir.join("error.log")));
    }

    /// The same with a second server that shows another certificate; returns its port.
    pub fn set_certificate(&mut self, identity: &super::pki::Identity, locations: &str) -> u16 {
        let port = free_port();
        self.set_certificate_on(port, identity, locations);
        port
    }

    /// The same on a port that is already this second server's.
    pub fn set_certificate_on(&mut self, port: u16, identity: &super::pki::Identity, locations: &str) {
        let text = format!(
            "server {{ listen 127.0.0.1:{port} ssl; server_name localhost; ssl_certificate {}; ssl_certificate_key {};\n{locations}}}\n",
            identity.cert.display(),
            identity.key.display()
        );
        fs::write(self.dir.join("extra.conf"), text).expect("nginx configuration");
        let rule = read_log(&self.dir.join("rule.conf"));
        self.set_locations(&rule);
    }

    /// The generation of the configuration that answers now, and the process that answers.
    fn probe(&self) -> Option<(u32, String)> {
        let answer = self.client.send(Auth::Own, "GET", &format!("{}/lab-generation", self.url()), None);
        let (_, body) = answer.ok()?;
        let (generation, worker) = body.as_str()?.split_once(' ')?;
        Some((generation.parse().ok()?, worker.to_owned()))
    }
}

fn is_running(process: &str) -> bool {
    let status = Command::new("kill").args(["-0", process]).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// `return` comes before access rules, so this answers under every rule.
fn generation(number: u32) -> String {
    format!("location = /lab-generation {{ access_log off; return 200 \"{number} $pid\"; }}\n")
}

fn proxy(upstream: u16) -> String {
    format!(
        "proxy_pass http://127.0.0.1:{upstream};\nproxy_http_version 1.1;\nproxy_set_header Host $http_host;\n\
         proxy_set_header X-Forwarded-Proto https;\nproxy_set_header X-Forwarded-Host $host;\n\
         proxy_set_header X-Forwarded-Port $server_port;\n"
    )
}

fn configuration(lab: &Lab, dir: &Path, port: u16) -> String {
    let mut text = String::new();
    // Started by root, workers would become another user that cannot enter this directory.
    if fs::metadata(dir).is_ok_and(|meta| meta.uid() == 0) {
        text.push_str("user root root;\n");
    }
    let pki = &lab.pki;
    // keepalive_timeout 0: the API server's next request must meet the new rule, not a connection of the old one.
    let _ = write!(
        text,
        r#"daemon off;
pid nginx.pid;
error_log error.log;
worker_processes 1;
worker_shutdown_timeout 1s;
events {{ worker_connections 256; }}
http {{
  log_format lab '$remote_addr $status "$request" "$http_user_agent"';
  access_log access.log lab;
  client_body_temp_path tmp-body;
  proxy_temp_path tmp-proxy;
  fastcgi_temp_path tmp-fastcgi;
  uwsgi_temp_path tmp-uwsgi;
  scgi_temp_path tmp-scgi;
  keepalive_timeout 0;
  map $http_user_agent $is_go {{ default 0; ~^Go-http-client 1; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name localhost;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    include generation.conf;
    include rule.conf;
  }}
  include extra.conf;
}}
"#,
        cert = pki.server.cert.display(),
        key = pki.server.key.display(),
    );
    text
}
