//! `doctor --watch`, interrupts, and load: what is left after a run, and how much it asked for.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::{Value, json};

use crate::support::front::{answer, field};
use crate::support::run::{command, command_behind_others, command_with_signals, kaccess, scratch, shell_script};
use crate::support::schema::hold;
use crate::support::stage::{
    Stage, api_answer, certified, healthy_api, kubeconfig, memory, not_found, path, watched, within,
};

fn opaque() -> Value {
    json!({ "token": "opaque-token-of-a-test" })
}

fn refusal() -> Vec<u8> {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "Unauthorized",
        "reason": "Unauthorized", "code": 401 });
    answer("401 Unauthorized", "Content-Type: application/json\r\n", &status.to_string())
}

/// An API server that lets nobody in until it is told to. It changes its mind between two looks: each begins with a request
/// without a credential, and what is told to it in the middle of one holds from the next one on.
fn gated() -> (Stage, Arc<AtomicBool>, PathBuf) {
    let open = Arc::new(AtomicBool::new(false));
    let (told, gate) = (open.clone(), AtomicBool::new(false));
    let (ca, pair) = certified();
    let stage = Stage::tls(
        &pair,
        Arc::new(move |asked, out| {
            let anonymous = field(&asked.head, "authorization").is_none();
            if anonymous {
                gate.store(told.load(Ordering::SeqCst), Ordering::SeqCst);
            }
            let known = anonymous || gate.load(Ordering::SeqCst);
            let whole = if known { api_answer(asked).unwrap_or_else(not_found) } else { refusal() };
            let _ = out.write_all(&whole);
        }),
    );
    let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
    (stage, open, config)
}

fn watch(config: &Path, arguments: &[&str]) -> Child {
    command_with_signals()
        .args(["doctor", "--kubeconfig"])
        .arg(config)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kaccess")
}

/// Lets this process have more files open than the usual 1,024: the other ends of many programs are all here, and a test
/// beside them would find none left.
fn more_files() {
    let limit = getrlimit(Resource::Nofile);
    let enough = limit.maximum.map_or(8_192, |most| most.min(8_192));
    if limit.current.is_some_and(|now| now < enough) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(enough), ..limit });
    }
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("a signal");
}

/// Waits, but not for ever; what comes meanwhile is taken, so that no full pipe holds the child.
fn ended(mut child: Child, within: Duration) -> (Option<i32>, String, String) {
    fn all(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(mut pipe) = pipe {
                pipe.read_to_end(&mut bytes).expect("output");
            }
            String::from_utf8(bytes).expect("UTF-8")
        })
    }
    let (out, err) = (all(child.stdout.take()), all(child.stderr.take()));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if started.elapsed() > within {
            let _ = child.kill();
            panic!("process {} does not end within {within:?}", child.id());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    (status.code(), out.join().expect("stdout"), err.join().expect("stderr"))
}

#[test]
fn it_looks_until_all_is_well_and_says_what_changed() {
    let (_stage, open, config) = gated();
    let mut child = watch(&config, &["--watch=200ms", "--color", "never"]);
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut shown = String::new();
    while !shown.contains("credential-rejected") {
        shown.push_str(&lines.next().expect("the first report").expect("a line"));
        shown.push('\n');
    }
    std::thread::sleep(Duration::from_secs(1));
    open.store(true, Ordering::SeqCst);
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let (code, _, stderr) = ended(child, Duration::from_secs(60));
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("looking again 200ms"), "{stderr}");
    let after: Vec<&String> = rest.iter().filter(|line| line.contains("Z  ")).collect();
    assert!(after.iter().any(|line| line.contains("Z  gone   credential-rejected: ")), "{rest:#?}");
    assert!(
        after.iter().any(|line| line.contains("Z  who    the API server took you for nobody, and now for alice")),
        "{rest:#?}"
    );
    assert!(
        after.iter().any(|line| line.contains("Z  check  endpoint-authenticated: fail before, pass now")),
        "{rest:#?}"
    );
    let last = after.last().expect("a last line");
    assert!(last.contains("Z  healthy after ") && last.ends_with(": you are alice"), "{last}");
    // Looks without a change say nothing.
    assert_eq!(after.iter().filter(|line| line.contains("gone")).count(), 1, "{rest:#?}");
    assert!(!after.iter().any(|line| line.contains("Z  new ")), "{rest:#?}");
}

#[test]
fn as_json_each_look_is_one_line() {
    let (_stage, open, config) = gated();
    let mut child = watch(&config, &["--watch=200ms", "-o", "json"]);
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    // Some looks without a change, however long each takes.
    let mut shown: Vec<String> = (0..4).map(|_| lines.next().expect("a look").expect("a line")).collect();
    open.store(true, Ordering::SeqCst);
    shown.extend(lines.map_while(Result::ok));
    let (code, _, stderr) = ended(child, Duration::from_secs(60));
    assert_eq!(code, Some(0), "{stderr}");
    let stdout = shown.join("\n");
    let looks: Vec<Value> =
        shown.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    assert!(looks.len() >= 5, "{}", looks.len());
    for look in &looks {
        assert_eq!((&look["kind"], &look["apiVersion"]), (&json!("DoctorReport"), &json!("kaccess.dev/v1")));
        hold(look);
    }
    assert_eq!(looks[0].get("changed"), Some(&Value::Null), "{:#}", looks[0]);
    assert!(looks[0]["verdict"] == "problems", "{:#}", looks[0]);
    assert!(looks[1..looks.len() - 1].iter().all(|look| look["changed"] == json!([])), "{stdout}");
    let last = looks.last().expect("a look");
    assert_eq!(last["verdict"], "healthy");
    let changed = last["changed"].as_array().expect("changes");
    assert!(
        changed.iter().any(|change| change["kind"] == "gone" && change["code"] == "credential-rejected"),
        "{changed:?}"
    );

    // Where all is well at once, it ends at once.
    let healthy = watched(
        command().args(["doctor", "-o", "json", "--watch", "--kubeconfig"]).arg(&config),
        Duration::from_secs(60),
    );
    assert_eq!((healthy.code, healthy.stdout.lines().count()), (Some(0), 1), "{}", healthy.stdout);
}

#[test]
fn what_it_cannot_do_is_said() {
    let config = kubeconfig("https://127.0.0.1:1", None, &json!({}), &opaque()).to_string_lossy().into_owned();
    for arguments in [
        &["--watch", "-o", "markdown"][..],
        &["--watch", "--log", "-"],
        &["--watch", "--all-contexts"],
        &["--watch", "--save", "x"],
        &["--watch", "--demo"],
        &["--watch=often"],
    ] {
        let output = kaccess(&[&["doctor", "--kubeconfig", &config][..], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--watch"), "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn two_hundred_looks_take_no_more_than_twenty() {
    let (stage, open, config) = gated();
    let mut child = watch(&config, &["--watch=100ms", "-o", "json", "--timeout", "10s"]);
    let id = child.id();
    let descriptors = || fs::read_dir(format!("/proc/{id}/fd")).map(Iterator::count).unwrap_or_default();
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut at = Vec::new();
    for look in 1..=200 {
        lines.next().expect("a look").expect("a line");
        if matches!(look, 20 | 200) {
            // The least of some moments: in the middle of a look there is more of everything, and what is never given back is
            // there at each of them.
            let mut least = (u64::MAX, u64::MAX, usize::MAX, usize::MAX);
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(25));
                let [Some(own), Some(threads)] = memory(id, ["RssAnon:", "Threads:"]) else {
                    panic!("look {look}: it ended")
                };
                let connections = stage.open.load(Ordering::SeqCst);
                least = (least.0.min(own), least.1.min(threads), least.2.min(descriptors()), least.3.min(connections));
            }
            at.push(least);
        }
    }
    open.store(true, Ordering::SeqCst);
    let rest = lines.count();
    assert!(rest >= 1);
    let (code, ..) = ended(child, Duration::from_secs(60));
    assert_eq!(code, Some(0));
    let [(memory, threads, files, connections), later] = at[..] else { panic!("two measures") };
    let _ = writeln!(std::io::stderr(), "look 20: {:?}; look 200: {later:?}", (memory, threads, files, connections));
    assert!(later.0 < memory + 8_000, "{memory} kB, then {} kB", later.0);
    assert!(later.1 <= threads + 2, "{threads} threads, then {}", later.1);
    assert!(later.2 <= files + 4, "{files} open files, then {}", later.2);
    assert!(later.3 <= connections + 8, "{connections} connections, then {}", later.3);
}

/// A kubeconfig whose user runs this shell script, at this server.
fn scripted(server: &str, ca: Option<&str>, script: &str) -> PathBuf {
    let program = scratch("plugin").join("login");
    shell_script(&program, script);
    let exec = json!({ "apiVersion": "client.authentication.k8s.io/v1", "command": program, "interactiveMode": "IfAvailable" });
    kubeconfig(server, ca, &json!({}), &json!({ "exec": exec }))
}

/// Waits for a file with a process id in it.
fn id_in(file: &Path) -> String {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(started.elapsed() < Duration::from_secs(60), "no {}", file.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the end of a process that would sleep for minutes by itself.
fn gone(id: &str) {
    let started = Instant::now();
    loop {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = stat.rsplit(')').next().unwrap_or_default().trim().to_owned();
        if state.is_empty() || state.starts_with('Z') {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "process {id} lives on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn whatever_ends_a_command_ends_its_plugin_and_grandchildren() {
    for arguments in [
        &["doctor"][..],
        &["doctor", "--watch"],
        &["doctor", "--all-contexts"],
        &["can-i", "list", "pods"],
        &["whoami"],
    ] {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
            let ids = scratch("ids");
            let (own, grandchild) = (ids.join("own"), ids.join("grandchild"));
            let script = format!(
                "echo $$ > {}\nsh -c 'sleep 300 & echo $! > {}; wait' &\nsleep 300",
                own.display(),
                grandchild.display()
            );
            let config = scripted("https://127.0.0.1:1", None, &script);
            let child = command_with_signals()
                .args(arguments)
                .arg("--kubeconfig")
                .arg(&config)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("kaccess");
            let (own, grandchild) = (id_in(&own), id_in(&grandchild));
            send(&child, signal);
            // Other tests start hundreds of processes meanwhile.
            let (ended, stdout, stderr) = ended(child, Duration::from_secs(30));
            assert_eq!(ended, Some(code), "{arguments:?} {signal:?}: {stderr}");
            assert!(!stderr.contains("panicked"), "{stderr}");
            if arguments == ["doctor"] {
                assert!(stdout.contains("the run was interrupted"), "what is known is told: {stdout}");
            }
            gone(&own);
            gone(&grandchild);
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_at_any_moment_tells_what_is_known() {
    // A server that answers, and then is silent about rights: there is always something under way.
    let (ca, pair) = certified();
    let stage = Stage::tls(
        &pair,
        Arc::new(|asked, out| {
            if path(asked).contains("rules") || path(asked).contains("rbac") {
                std::thread::sleep(Duration::from_secs(15));
            } else {
                std::thread::sleep(Duration::from_millis(40));
                let _ = out.write_all(&api_answer(asked).unwrap_or_else(not_found));
            }
        }),
    );
    let begun = scratch("begun").join("begun");
    let gives = "sleep 0.1\necho '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"opaque-token-of-a-test\"}}'";
    let script = format!("echo begun >> {}\n{gives}", begun.display());
    let config = scripted(&format!("https://{}", stage.place()), Some(&ca), &script);
    let plugins = || fs::read_to_string(&begun).unwrap_or_default();
    let mut known = 0;
    // The last ones are for a busy machine, on which everything comes later.
    for moment in (20..900).step_by(80).chain([1_500, 3_000, 6_000]) {
        if moment > 900 && known > 0 {
            break;
        }
        let before = plugins();
        let child = watch(&config, &["-o", "json"]);
        std::thread::sleep(Duration::from_millis(moment));
        send(&child, Signal::INT);
        let (code, stdout, stderr) = ended(child, Duration::from_secs(30));
        if code.is_none() {
            // Before kaccess listens the system ends it: nothing was begun.
            assert!(plugins() == before && stdout.is_empty(), "after {moment} ms: {stderr}");
            continue;
        }
        assert_eq!(code, Some(130), "after {moment} ms: {stderr}");
        let report: Value =
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("after {moment} ms: {error}: {stdout}"));
        assert!(stdout.contains("the run was interrupted"), "after {moment} ms: {stdout}");
        known += usize::from(report["identity"]["username"] == "alice");
    }
    assert!(known > 0, "the identity was never known");
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_between_looks_ends_the_watch() {
    let (_stage, _, config) = gated();
    let interrupted = || {
        let mut child = watch(&config, &["--watch=60s"]);
        // The note stands before the pause.
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        assert!(line.contains("looking again"), "{line}");
        std::thread::sleep(Duration::from_millis(100));
        let started = Instant::now();
        send(&child, Signal::INT);
        let (code, ..) = ended(child, Duration::from_secs(30));
        let took = started.elapsed();
        assert_eq!(code, Some(130));
        let mut rest = String::new();
        stderr.read_to_string(&mut rest).expect("stderr");
        assert!(!rest.contains("panicked"), "{rest}");
        took
    };
    // A busy machine may make one late, and not all of them.
    let mut all = Vec::new();
    while all.last().is_none_or(|took| *took >= Duration::from_secs(2)) {
        assert!(all.len() < 4, "{all:?}");
        all.push(interrupted());
    }
}

/// Waits until nobody is connected; the server itself gives a silent client 20 s.
fn unanswered(stage: &Stage) {
    let started = Instant::now();
    while stage.open.load(Ordering::SeqCst) > 0 {
        assert!(started.elapsed() < Duration::from_secs(45), "{} connections", stage.open.load(Ordering::SeqCst));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn three_hundred_contexts_at_once() {
    let (ca, pair) = certified();
    let stage = Stage::tls(&pair, healthy_api());
    let program = scratch("plugin").join("login");
    let text = "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"opaque-token-of-a-test\"}}'";
    shell_script(&program, text);
    use base64::Engine as _;
    let ca = base64::engine::general_purpose::STANDARD.encode(ca);
    let names: Vec<String> = (0..300).map(|number| format!("context-{number}")).collect();
    // A third is not there, and a third of the users run a plugin.
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "context-0",
        "clusters": [
            { "name": "up", "cluster": { "server": format!("https://{}", stage.place()), "certificate-authority-data": ca } },
            { "name": "down", "cluster": { "server": "https://127.0.0.1:1" } },
        ],
        "users": [
            { "name": "static", "user": opaque() },
            { "name": "plugin", "user": { "exec": { "apiVersion": "client.authentication.k8s.io/v1", "command": program, "interactiveMode": "Never" } } },
        ],
        "contexts": names.iter().enumerate().map(|(number, name)| json!({ "name": name, "context": {
            "cluster": if number % 3 == 0 { "down" } else { "up" }, "user": if number % 3 == 1 { "plugin" } else { "static" } } })).collect::<Vec<_>>(),
    });
    let file = scratch("kubeconfig").join("config");
    fs::write(&file, config.to_string()).expect("a kubeconfig");
    let ended = watched(
        command().args(["doctor", "--all-contexts", "-o", "json", "--timeout", "160s", "--kubeconfig"]).arg(&file),
        Duration::from_secs(240),
    );
    let list: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    let items = list["items"].as_array().expect("items");
    assert_eq!((items.len(), ended.code), (300, Some(1)), "{}", ended.stderr);
    // Who is not there is told so. On a busy machine a step of another one may take longer than its limit, and that is
    // the worst that is said of it.
    let mut healthy = 0;
    for item in items {
        let number: usize =
            item["context"].as_str().and_then(|name| name.rsplit('-').next()?.parse().ok()).expect("a number");
        healthy += usize::from(item["verdict"] == "healthy");
        let certain: Vec<&str> = item["findings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finding| finding["confidence"] == "certain" && finding["severity"] == "error")
            .filter_map(|finding| finding["code"].as_str())
            .collect();
        if number.is_multiple_of(3) {
            assert_eq!(certain, ["api-connection-refused"], "{item:#}");
        } else {
            assert!(certain.iter().all(|code| code.contains("timeout")), "{certain:?}: {item:#}");
        }
    }
    assert!(healthy >= 100, "{healthy} are healthy");
    let _ = writeln!(std::io::stderr(), "300 contexts: {healthy} healthy, {:?}, {} kB", ended.took, ended.peak);
    assert!(ended.peak < 240_000, "{} kB", ended.peak);
    // Nothing is left open, and no plugin lives on.
    unanswered(&stage);
    let running = Command::new("ps").args(["-eo", "args"]).output().expect("ps").stdout;
    assert!(!String::from_utf8_lossy(&running).contains(&*program.to_string_lossy()), "a plugin lives on");
}

#[test]
fn two_hundred_at_once_against_a_server_that_asks_to_wait() {
    const MANY: usize = 200;
    more_files();
    let refused = Arc::new(AtomicUsize::new(0));
    let (ca, pair) = certified();
    let counter = refused.clone();
    // The first questions of each are too many.
    let stage = Stage::tls(
        &pair,
        Arc::new(move |asked, out| {
            if path(asked).ends_with("/selfsubjectreviews") && counter.fetch_add(1, Ordering::SeqCst) < MANY {
                let fields = "Content-Type: text/plain\r\nRetry-After: 1\r\nX-Kubernetes-PF-FlowSchema-UID: 1\r\n";
                let _ = out.write_all(&answer(
                    "429 Too Many Requests",
                    fields,
                    "Too many requests, please try again later.",
                ));
            } else {
                let _ = out.write_all(&api_answer(asked).unwrap_or_else(not_found));
            }
        }),
    );
    let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
    let mut children: Vec<Child> = Vec::new();
    for _ in 0..MANY {
        let child = command_behind_others()
            .args(["doctor", "-q", "--timeout", "120s", "--kubeconfig"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kaccess");
        children.push(child);
    }
    let mut codes = Vec::new();
    for child in children {
        let (code, _, stderr) = ended(child, Duration::from_secs(240));
        assert!(!stderr.contains("panicked"), "{stderr}");
        codes.push(code);
    }
    let good = codes.iter().filter(|code| **code == Some(0)).count();
    let requests = stage.heads().len();
    let reviews = refused.load(Ordering::SeqCst);
    let _ =
        writeln!(std::io::stderr(), "{MANY} at once: {good} healthy, {requests} requests, {reviews} of them reviews");
    // On a busy machine a step of some takes longer than its limit; each ends with an answer, and none asks without bound.
    assert!(codes.iter().all(|code| matches!(code, Some(0..=2))), "{codes:?}");
    assert!(good > 0, "{codes:?}");
    assert!(requests <= MANY * 40, "{requests} requests");
    assert!(reviews <= MANY * 3, "{reviews} reviews");

    // Alone, who was refused once is let in a moment later, and who did not wait is never seen. Whoever gave up before may
    // still be answered, which is not to be counted here.
    unanswered(&stage);
    refused.store(MANY - 1, Ordering::SeqCst);
    let alone = watched(command().args(["doctor", "--kubeconfig"]).arg(&config), Duration::from_secs(60));
    assert_eq!(alone.code, Some(0), "{}", alone.stdout);
    assert_eq!(refused.load(Ordering::SeqCst), MANY + 1, "one refusal, one answer");
    assert!(alone.took >= Duration::from_secs(1), "{:?}", alone.took);
}

#[test]
fn who_is_refused_for_good_is_told_so() {
    let (ca, pair) = certified();
    let stage = Stage::tls(
        &pair,
        Arc::new(|_, out| {
            let fields = "Content-Type: text/plain\r\nRetry-After: 1\r\nX-Kubernetes-PF-FlowSchema-UID: 1-2\r\nX-Kubernetes-PF-PriorityLevel-UID: 3-4\r\n";
            let _ =
                out.write_all(&answer("429 Too Many Requests", fields, "Too many requests, please try again later."));
        }),
    );
    let config = kubeconfig(&format!("https://{}", stage.place()), Some(&ca), &json!({}), &opaque());
    let mut before = 0;
    let ended = within(Duration::from_secs(15), || {
        before = stage.heads().len();
        watched(command().args(["doctor", "-o", "json", "--kubeconfig"]).arg(&config), Duration::from_secs(60))
    });
    let report: Value = serde_json::from_str(&ended.stdout).expect("a report");
    assert_eq!(report["findings"][0]["code"], "api-priority-throttled", "{report:#}");
    let requests = stage.heads().len() - before;
    assert!(requests <= 60, "{requests} requests");
}
