//! Keycloak with the realms of tests/lab/keycloak, one per test process, reached only through an nginx.
//!
//! The issuer follows X-Forwarded-Host and -Port, so that every nginx in front of it is an issuer of its own.

use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::http::{Auth, Client};
use super::process::{Lifeline, free_port, is_port_clash, read_log, wait_for};
use super::{Lab, Nginx, provision};

/// What a token endpoint gave.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// What kubectl sends; empty without the scope `openid`.
    pub id_token: String,
    /// For Keycloak's own APIs; a common mistake is to send this one.
    pub access_token: String,
    /// Renews both.
    pub refresh_token: String,
}

/// A running Keycloak.
pub struct Keycloak {
    port: u16,
    log: PathBuf,
    client: Client,
    _process: Lifeline,
}

impl Keycloak {
    /// Starts it and waits for the realms (10 to 20 s); tests use `lab.keycloak()`.
    pub fn start(lab: &Lab) -> Self {
        let distribution = provision::keycloak().unwrap_or_else(|error| panic!("Keycloak: {error}"));
        let home = lab.dir("keycloak");
        // A home of its own over the shared distribution: nothing is ever written to the cache.
        for part in ["lib", "providers", "themes", "conf"] {
            std::os::unix::fs::symlink(distribution.join(part), home.join(part)).expect("link to the distribution");
        }
        let import = home.join("data/import");
        fs::create_dir_all(&import).expect("import directory");
        for realm in ["platform.json", "other.json"] {
            fs::copy(provision::sources().join("keycloak").join(realm), import.join(realm)).expect("realm file");
        }
        let log = home.join("keycloak.log");
        let client = Client::new(&lab.pki.ca.cert, None);
        for _ in 0..3 {
            let port = free_port();
            let server = command(&home, port);
            let mut process = Lifeline::run(lab.binary(), &server, &log).expect("the lab binary starts");
            let url = format!("http://127.0.0.1:{port}/realms/platform");
            let ready = wait_for(Duration::from_secs(180), || {
                if process.has_ended() {
                    return Some(false);
                }
                let answer = client.send(Auth::Own, "GET", &url, None);
                answer.is_ok_and(|(status, _)| status == 200).then_some(true)
            });
            if ready == Some(true) {
                return Self { port, log, client, _process: process };
            }
            let text = process.log();
            assert!(is_port_clash(&text), "Keycloak did not become ready:\n{text}");
            let _ = fs::remove_file(&log);
        }
        panic!("Keycloak found its port taken three times")
    }

    /// Its plain port behind every nginx.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything it logged so far.
    pub fn log(&self) -> String {
        read_log(&self.log)
    }

    /// Tokens by the password grant, as the issuer that `nginx` stands for; the nginx itself is bypassed, because
    /// in the incidents the user gets tokens while the control plane is refused.
    pub fn token(&self, nginx: &Nginx, realm: &str, client: &str, user: &str, password: &str, scope: &str) -> Tokens {
        let form = [
            ("grant_type", "password"),
            ("client_id", client),
            ("username", user),
            ("password", password),
            ("scope", scope),
        ];
        self.grant(nginx, realm, &form)
    }

    /// Alice's tokens for the client `kubernetes` of the realm `platform`: the healthy case.
    pub fn alice(&self, nginx: &Nginx) -> Tokens {
        self.token(nginx, "platform", "kubernetes", "alice", "alice-password", "openid")
    }

    /// New tokens for a refresh token.
    pub fn refresh(&self, nginx: &Nginx, realm: &str, client: &str, refresh_token: &str) -> Tokens {
        let form = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", refresh_token)];
        self.grant(nginx, realm, &form)
    }

    fn grant(&self, nginx: &Nginx, realm: &str, form: &[(&str, &str)]) -> Tokens {
        let url = format!("http://127.0.0.1:{}/realms/{realm}/protocol/openid-connect/token", self.port);
        let port = nginx.port().to_string();
        let headers =
            [("x-forwarded-host", "localhost"), ("x-forwarded-port", port.as_str()), ("x-forwarded-proto", "https")];
        let (status, body) = self.client.post_form(&url, form, &headers).expect("Keycloak answers");
        assert_eq!(status, 200, "token endpoint: {body}");
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Tokens { id_token: text("id_token"), access_token: text("access_token"), refresh_token: text("refresh_token") }
    }
}

/// Java directly: bin/kc.sh would want to write below the distribution.
fn command(home: &std::path::Path, port: u16) -> Command {
    let mut java = Command::new(provision::find_tool("java").expect("java, as lab::require() found it"));
    java.current_dir(home)
        .args(["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8"])
        .arg("-Djava.util.logging.manager=org.jboss.logmanager.LogManager")
        .arg(concat!(
            "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=",
            "io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory"
        ))
        .args(
            ["java.util", "java.util.concurrent", "java.security"]
                .map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")),
        )
        .args(["-Duser.language=en", "-Duser.country=US"])
        .arg(format!("-Dkc.home.dir={}", home.display()))
        .arg(format!("-Djboss.server.config.dir={}", home.join("conf").display()))
        .args(["-cp", "lib/quarkus-run.jar", "io.quarkus.bootstrap.runner.QuarkusEntryPoint"])
        .args(["start", "--optimized", "--import-realm", "--cache=local", "--http-enabled=true"])
        .args(["--http-host=127.0.0.1", "--hostname-strict=false", "--proxy-headers=xforwarded"])
        .arg(format!("--http-port={port}"))
        .env("KC_BOOTSTRAP_ADMIN_USERNAME", "admin")
        .env("KC_BOOTSTRAP_ADMIN_PASSWORD", "admin");
    java
}
