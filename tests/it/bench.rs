//! Benchmarks beside the peers on the same servers: run by tests/bench, never by `cargo test` alone.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::lab::{self, ApiServer, Options};
use crate::support::run::scratch;

/// The binary to measure: `KACCESS_BENCH_BINARY`, else this build's.
fn binary() -> PathBuf {
    std::env::var_os("KACCESS_BENCH_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_kaccess")), PathBuf::from)
}

/// A row of the table that tests/bench/all writes: what was measured, ours, the other's, what that means.
fn row(what: &str, ours: &str, other: &str, ratio: &str) {
    lab::tell(&format!("{what}: {ours}; {other}; {ratio}"));
    if let Some(path) = std::env::var_os("KACCESS_BENCH_ROWS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("a file for the rows");
        writeln!(file, "| {what} | {ours} | {other} | {ratio} |").expect("room for a row");
    }
}

/// A duration to three digits.
fn told(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// How many times faster ours is.
fn times(ours: Duration, other: Duration) -> String {
    format!("{:.1} times as fast", other.as_secs_f64() / ours.as_secs_f64())
}

/// The medians of several runs of a command; an exit code of 1 is an answer too.
fn runs(count: usize, make: impl Fn() -> Command) -> Duration {
    let one = |_| {
        let mut command = make();
        let started = Instant::now();
        let status =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs");
        assert!(status.code().is_some_and(|code| code < 2), "{command:?}");
        started.elapsed()
    };
    median((0..count).map(one).collect())
}

/// A peer's program, where it is on PATH.
fn peer(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        lab::tell(&format!("{name} is not on PATH and was not measured"));
    }
    found
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn time(command: &mut Command) -> Duration {
    let started = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs");
    assert!(status.success(), "{command:?}");
    started.elapsed()
}

#[test]
#[ignore = "a benchmark; tests/bench/can-i runs it on a release build"]
fn can_i_against_kubectl() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default().without_audit());
    let config = server.admin_kubeconfig();
    let home = scratch("bench");
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    // The first runs warm the caches (kubectl's discovery cache too), and the two alternate.
    for round in 0..45 {
        let a = time(
            Command::new(binary()).args(["can-i", "list", "pods", "--kubeconfig"]).arg(&config).env("HOME", &home),
        );
        let b = time(
            Command::new(lab.kubectl())
                .args(["auth", "can-i", "list", "pods", "--kubeconfig"])
                .arg(&config)
                .env("HOME", &home),
        );
        if round >= 5 {
            ours.push(a);
            theirs.push(b);
        }
    }
    let token = server.create_service_account_token("shop", "reporter");
    let decode =
        median((0..40).map(|_| time(Command::new(binary()).args(["decode", &token]).env("HOME", &home))).collect());
    let (ours, theirs) = (median(ours), median(theirs));
    row("`can-i list pods`, median of 40", &told(ours), &format!("kubectl {}", told(theirs)), &times(ours, theirs));
    row("`decode` of a token, median of 40", &told(decode), "", "");
}

/// 10,000 bindings in 200 namespaces, of which most are RoleBindings.
fn crowd(server: &ApiServer) {
    let api = "/apis/rbac.authorization.k8s.io/v1";
    for index in 0..200 {
        server.create_namespace(&format!("team-{index}"));
    }
    server.create_all((0..100).map(|index| {
        let rules = json!([{ "apiGroups": [""], "resources": ["pods", "services"], "verbs": ["get", "list"] }]);
        let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": format!("role-{index}") }, "rules": rules });
        (format!("{api}/clusterroles"), role)
    }));
    server.create_all((0..10_000).map(|index| {
        let cluster = index % 10 == 0;
        let kind = if cluster { "ClusterRoleBinding" } else { "RoleBinding" };
        let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": format!("binding-{index}") },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("role-{}", index % 100) },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": format!("user-{}", index % 1000) }] });
        let place = if cluster { String::new() } else { format!("/namespaces/team-{}", index % 200) };
        (format!("{api}{place}/{}s", kind.to_lowercase()), binding)
    }));
}

#[test]
#[ignore = "a benchmark; tests/bench/access runs it on a release build"]
fn matrix_who_can_and_many_questions() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default().without_audit());
    crowd(&server);
    let config = server.admin_kubeconfig();
    let folder = scratch("bench");
    let run = |arguments: &[&str]| {
        runs(11, || {
            let mut command = Command::new(binary());
            command.args(arguments).arg("--kubeconfig").arg(&config).env("HOME", &folder);
            command
        })
    };
    let questions = folder.join("questions");
    let lines: String =
        (0..1000).map(|index| format!("get pods/web-{index} -n team-{} --as user-7\n", index % 200)).collect();
    std::fs::write(&questions, lines).expect("questions");
    let questions = questions.to_string_lossy().into_owned();
    let single = run(&["can-i", "list", "pods"]);
    let matrix = run(&["can-i", "--matrix"]);
    let who = run(&["who-can", "list", "pods", "-A"]);
    let many = run(&["can-i", "-f", &questions]);
    // curl is everywhere, and asks for the largest list alone.
    let mut pem = Vec::new();
    for name in ["cert", "key"] {
        let file = if name == "cert" { &lab.pki.admin.cert } else { &lab.pki.admin.key };
        pem.extend([format!("--{name}"), file.to_string_lossy().into_owned()]);
    }
    let raw = median(
        (0..11)
            .map(|_| {
                time(Command::new("curl").arg("-s").args(&pem).arg("--cacert").arg(server.ca()).args([
                    "-o",
                    "/dev/null",
                    &format!("{}/apis/rbac.authorization.k8s.io/v1/rolebindings?resourceVersion=0", server.url()),
                ]))
            })
            .collect(),
    );
    let theirs = |program: &PathBuf, arguments: &[&str], count: usize| {
        runs(count, || {
            let mut command = Command::new(program);
            command.args(arguments).arg("--kubeconfig").arg(&config).env("HOME", &folder);
            command
        })
    };
    let kubectl = PathBuf::from(lab.kubectl());
    let other = theirs(&kubectl, &["auth", "can-i", "list", "pods"], 11);
    row(
        "`can-i list pods` among 10,000 bindings",
        &told(single),
        &format!("kubectl {}", told(other)),
        &times(single, other),
    );
    match peer("rakkess") {
        Some(program) => {
            let verbs = "--verbs=get,list,watch,create,update,patch,delete,deletecollection";
            let other = theirs(&program, &[verbs], 5);
            row(
                "`can-i --matrix`, eight verbs",
                &told(matrix),
                &format!("rakkess {}", told(other)),
                &times(matrix, other),
            );
        }
        None => row("`can-i --matrix`, eight verbs", &told(matrix), "rakkess was not there", ""),
    }
    for (name, arguments) in
        [("kubectl-who-can", ["list", "pods", "-A"].as_slice()), ("rbac-tool", ["who-can", "list", "pods"].as_slice())]
    {
        match peer(name) {
            Some(program) => {
                // One asks with five requests a second at most, so that once is enough.
                let other = theirs(&program, arguments, 1);
                row(
                    "`who-can list pods -A` among 10,000 bindings",
                    &told(who),
                    &format!("{name} {}", told(other)),
                    &times(who, other),
                );
            }
            None => {
                row("`who-can list pods -A` among 10,000 bindings", &told(who), &format!("{name} was not there"), "")
            }
        }
    }
    row(
        "the same beside the largest list alone, by curl",
        &told(who),
        &told(raw),
        &format!("{:.1} times its time", who.as_secs_f64() / raw.as_secs_f64()),
    );
    row(
        "`can-i -f` with 1,000 questions",
        &told(many),
        "",
        &format!("{:.0} answers a second", 1000.0 / many.as_secs_f64()),
    );
    for (name, arguments) in [
        ("`who-can list pods -A`", vec!["who-can", "list", "pods", "-A"]),
        ("`can-i --matrix`", vec!["can-i", "--matrix"]),
        ("`can-i -f`", vec!["can-i", "-f", questions.as_str()]),
        ("`doctor`", vec!["doctor"]),
    ] {
        let mut child = Command::new(binary())
            .args(&arguments)
            .arg("--kubeconfig")
            .arg(&config)
            .env("HOME", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        let memory = peak(&mut child);
        row(&format!("memory of {name} among 10,000 bindings"), &format!("{:.0} MB", memory as f64 / 1024.0), "", "");
        assert!(memory < 150 * 1024, "{name}: {memory} KiB");
    }
}

/// What each command asks of the server, by the server's own audit log.
#[test]
#[ignore = "a benchmark; tests/bench/access runs it on a release build"]
fn requests_by_the_audit_log() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default());
    let config = server.admin_kubeconfig();
    let home = scratch("bench");
    let asked = |program: &PathBuf, arguments: &[&str]| {
        let before = server.audit_events().len();
        let _ = Command::new(program)
            .args(arguments)
            .arg("--kubeconfig")
            .arg(&config)
            .env("HOME", &home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        // The log is written behind the answer.
        std::thread::sleep(Duration::from_millis(300));
        // Nobody else is an administrator here meanwhile.
        let own = |event: &&Value| {
            let agent = event["userAgent"].as_str().unwrap_or_default();
            !agent.starts_with("kube-apiserver") && event["user"]["username"] != "system:apiserver"
        };
        server.audit_events().iter().skip(before).filter(own).count()
    };
    let (ours, kubectl) = (binary(), PathBuf::from(lab.kubectl()));
    let requests = |program: &PathBuf, arguments: &[&str]| match asked(program, arguments) {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    };
    row(
        "`can-i list pods`, the first time",
        &requests(&ours, &["can-i", "list", "pods"]),
        &format!("kubectl {}", requests(&kubectl, &["auth", "can-i", "list", "pods"])),
        "",
    );
    row(
        "`can-i list pods`, later",
        &requests(&ours, &["can-i", "list", "pods"]),
        &format!("kubectl {}", requests(&kubectl, &["auth", "can-i", "list", "pods"])),
        "",
    );
    let matrix = requests(&ours, &["can-i", "--matrix"]);
    row(
        "`can-i --matrix` of an admin",
        &matrix,
        &peer("rakkess").map_or_else(String::new, |program| format!("rakkess {}", requests(&program, &[]))),
        "",
    );
    let who = requests(&ours, &["who-can", "list", "pods", "-A"]);
    row(
        "`who-can list pods -A`",
        &who,
        &peer("kubectl-who-can").map_or_else(String::new, |program| {
            format!("kubectl-who-can {}", requests(&program, &["list", "pods", "-A"]))
        }),
        "",
    );
    row("`whoami`", &requests(&ours, &["whoami"]), &format!("kubectl {}", requests(&kubectl, &["auth", "whoami"])), "");
    row("`doctor`", &requests(&ours, &["doctor"]), "", "");
}

/// How cost grows with the cluster and with the kubeconfig.
#[test]
#[ignore = "a benchmark; tests/bench/access runs it on a release build"]
fn how_cost_grows() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default().without_audit());
    let config = server.admin_kubeconfig();
    let folder = scratch("bench");
    server.create_namespace("grows");
    let text = std::fs::read_to_string(&config).expect("a kubeconfig");
    let whole: Value = serde_norway::from_str(&text).expect("YAML");
    for count in [1, 10, 100, 300] {
        let mut many = whole.clone();
        let mut one = whole["contexts"][0].clone();
        let contexts = (0..count).map(|index| {
            one["name"] = json!(format!("context-{index}"));
            one.clone()
        });
        many["contexts"] = Value::Array(contexts.collect());
        many["current-context"] = json!("context-0");
        let path = folder.join(format!("config-{count}"));
        std::fs::write(&path, many.to_string()).expect("a kubeconfig");
        let time = runs(3, || {
            let mut command = Command::new(binary());
            command.args(["doctor", "--all-contexts", "-q", "--kubeconfig"]).arg(&path).env("HOME", &folder);
            command
        });
        row(&format!("`doctor --all-contexts` with {count} contexts of one server"), &told(time), "", "");
    }
    let mut made = 0;
    for size in [1, 10, 100, 1_000, 10_000] {
        server.create_all((made..size).map(|index| {
            let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": { "name": format!("binding-{index}"), "namespace": "grows" },
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
                "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": format!("user-{index}") }] });
            ("/apis/rbac.authorization.k8s.io/v1/namespaces/grows/rolebindings".to_owned(), binding)
        }));
        made = size;
        let run = |arguments: &[&str]| {
            let time = runs(5, || {
                let mut command = Command::new(binary());
                command.args(arguments).arg("--kubeconfig").arg(&config).env("HOME", &folder);
                command
            });
            told(time)
        };
        row(
            &format!("{size} bindings more than the default ones"),
            &format!(
                "can-i {}, can-i --why {}",
                run(&["can-i", "list", "pods", "-n", "grows"]),
                run(&["can-i", "list", "pods", "-n", "grows", "--why"])
            ),
            &format!("who-can {}", run(&["who-can", "list", "pods", "-n", "grows"])),
            &format!("doctor {}", run(&["doctor"])),
        );
    }
}

/// A way to the server that takes 250 ms before each connection's first byte.
fn slow_way(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(250));
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return };
                let pipe = |mut from: TcpStream, mut into: TcpStream| {
                    let mut buffer = [0; 16 * 1024];
                    while let Ok(count) = from.read(&mut buffer) {
                        if count == 0 || into.write_all(&buffer[..count]).is_err() {
                            break;
                        }
                    }
                };
                let (a, b) = (stream.try_clone().expect("a stream"), server.try_clone().expect("a stream"));
                std::thread::spawn(move || pipe(a, b));
                pipe(server, stream);
            });
        }
    });
    port
}

#[test]
#[ignore = "a benchmark; tests/bench/doctor runs it on a release build"]
fn doctor_against_its_critical_path() {
    let Some(lab) = lab::require_apiserver() else { return };
    let server = ApiServer::start(lab, Options::default().without_audit());
    let port = slow_way(server.port());
    let user = json!({ "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "interactiveMode": "Never",
        "args": ["-c", format!("sleep 0.3; echo '{}'", json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
            "status": { "token": server.create_service_account_token("shop", "reporter") } }))] } });
    let text = server.kubeconfig_text(&[("slow", user)]).replace(&format!(":{}", server.port()), &format!(":{port}"));
    let folder = scratch("bench");
    let (config, evidence) = (folder.join("config"), folder.join("evidence.json"));
    std::fs::write(&config, text).expect("a kubeconfig");
    for _ in 0..5 {
        let started = Instant::now();
        let _ = Command::new(binary())
            .args(["doctor", "-q", "--kubeconfig"])
            .arg(&config)
            .arg("--save")
            .arg(&evidence)
            .env("HOME", &folder)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stderr(Stdio::null())
            .status();
        let wall = started.elapsed();
        let seen: Value = serde_json::from_slice(&std::fs::read(&evidence).expect("evidence")).expect("JSON");
        let took = |pointer: &str| seen.pointer(&format!("{pointer}/tookMs")).and_then(Value::as_u64).unwrap_or(0);
        let sum = |pointers: &[&str]| pointers.iter().map(|pointer| took(pointer)).sum::<u64>();
        let credential = sum(&["/kubeconfig", "/plugin", "/credential"]);
        let way = sum(&[
            "/kubeconfig",
            "/endpoint/route",
            "/endpoint/dns",
            "/endpoint/tcp",
            "/endpoint/tls",
            "/endpoint/anonymous",
        ]);
        let critical = credential.max(way) + took("/identity") + took("/access").max(took("/rbac"));
        let allowed = critical * 11 / 10 + 50;
        let wall = u64::try_from(wall.as_millis()).expect("milliseconds");
        row(
            "`doctor` where every connection takes 250 ms and the plugin 300 ms",
            &format!("{wall} ms"),
            &format!("its longest chain {critical} ms"),
            "",
        );
        assert!(wall <= allowed);
    }
}

/// The most memory that a process had, in KiB, as Linux tells it while it runs.
fn peak(child: &mut std::process::Child) -> u64 {
    let mut most = 0;
    while child.try_wait().expect("it runs").is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        most = most.max(line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(5));
    }
    most
}

#[test]
#[ignore = "a benchmark; tests/bench/explain runs it on a release build"]
fn explain_against_grep() {
    const SIZE: usize = 1_000_000_000;
    let folder = scratch("bench");
    let (log, line) = (folder.join("log"), folder.join("line"));
    let mut block = String::new();
    for index in 0..20_000 {
        block.push_str(&format!(
            "I1125 10:{:02}:{:02}.{index:06}       1 httplog.go:132] \"HTTP\" verb=\"GET\" URI=\"/api/v1/namespaces/team-{}/pods?limit=500\" latency=\"{}ms\" userAgent=\"kube-controller-manager/v1.36.0\" audit-ID=\"{index:032x}\" srcIP=\"10.0.{}.7:1\" resp=200\n",
            index % 60, index % 59, index % 200, index % 90, index % 250
        ));
    }
    block.push_str("E1125 10:00:00.000000       1 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: authenticator not initialized]\"\n");
    for (path, text) in [(&log, block.clone()), (&line, block.replace('\n', " "))] {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
        for _ in 0..SIZE / text.len() {
            file.write_all(text.as_bytes()).expect("room for it");
        }
    }
    let literals: Vec<String> = kaccess::apiserver::message::set::all()
        .flat_map(kaccess::apiserver::message::set::literals)
        .map(|literal| {
            literal
                .chars()
                .map(|c| {
                    if c.is_alphanumeric() || c == ' ' { c.to_string() } else { format!("[{c}]").replace("[^]", "\\^") }
                })
                .collect()
        })
        .collect();
    let patterns = folder.join("patterns");
    std::fs::write(&patterns, literals.join("\n")).expect("patterns");
    for (name, path) in [("lines", &log), ("one line", &line)] {
        // Once to have it in memory.
        let _ = std::fs::read(path).expect("a file").len();
        let started = Instant::now();
        let mut child = Command::new(binary())
            .args(["explain", "-o", "json", &format!("@{}", path.display())])
            .stdout(Stdio::null())
            .spawn()
            .expect("it runs");
        let memory = peak(&mut child);
        let took = started.elapsed();
        let size = std::fs::metadata(path).expect("a file").len();
        let speed = f64::from(u32::try_from(size / 1_000_000).expect("a size")) / took.as_secs_f64();
        row(
            &format!("`explain` of 1 GB, {name}"),
            &format!("{speed:.0} MB/s"),
            "",
            &format!("{:.0} MB of memory", memory as f64 / 1024.0),
        );
        assert!(memory < 50 * 1024, "{memory} KiB");
    }
    let started = Instant::now();
    // Into a pipe: grep ends at the first match where its output goes to /dev/null.
    let output = Command::new("grep").args(["-cEf"]).arg(&patterns).arg(&log).output().expect("grep");
    assert!(output.status.success());
    row(
        "the same log, by `grep -cE`",
        "",
        &format!("{:.0} MB/s", 1000.0 / started.elapsed().as_secs_f64()),
        &format!("{} literals", literals.len()),
    );
}
