//! One broken part leaves the rest of a report as it was: over saved evidence for every observation, and over a loopback
//! world for every server's every answer, killed, stalled, truncated and corrupted.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kaccess::evidence::Evidence;
use kaccess::render::{markdown, terminal};
use kaccess::report::doctor::DoctorReport;
use kaccess::report::{Confidence, diagnose};
use kaccess::rules::{Case, check_all};
use serde_json::{Value, json};

use crate::support::front::{Asked, answer, field};
use crate::support::lab::issuer::Key;
use crate::support::run::{command, scratch};
use crate::support::stage::{Stage, api_answer, certified, kubeconfig, not_found, path, watched};

fn report(evidence: &Evidence) -> DoctorReport {
    DoctorReport::new(evidence, diagnose(check_all(&Case::new(evidence))))
}

/// The pointers of all observations in an evidence file.
fn observations(value: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(members) = value else { return };
    if members.contains_key("startedMs") && members.contains_key("tookMs") {
        found.push(at.to_owned());
    }
    for (name, member) in members {
        observations(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
    }
}

/// The codes found for certain.
fn certain(report: &DoctorReport) -> BTreeSet<&'static str> {
    report
        .findings
        .iter()
        .filter(|finding| finding.confidence == Confidence::Certain)
        .map(|finding| finding.code)
        .collect()
}

/// Cases whose evidence comes from two worlds, so that without one part the other speaks: case, observation, why.
const EXCUSED: [(&str, &str, &str); 3] = [
    ("workload-kiam-on-fargate", "/workload/node", "its evidence holds an instance, which a node of Fargate has not"),
    ("workload-", "/aws/cluster", "the lab's API server has another issuer than the AWS it is shown with"),
    (
        "workload-pod-identity-shadows-irsa",
        "/workload/associations",
        "where there are no associations IRSA is the way, and it was left broken behind them",
    ),
];

#[test]
fn an_observation_that_is_missing_makes_nothing_certain() {
    colored::control::set_override(false);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(&root).expect("testdata/cases").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    let outcomes = [
        json!({ "skipped": { "because": "interrupt", "text": "the run was interrupted" } }),
        json!({ "failed": { "kind": "bug", "detail": "a bug in kaccess: the probe broke off; please report it" } }),
        json!({ "failed": { "kind": "limit", "detail": "the answer is too large" } }),
        json!({ "notApplicable": "this version of kaccess did not look" }),
    ];
    let (tried, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let one = |number: usize, folder: &Path| {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(folder.join("evidence.json")).expect("evidence");
        let raw: Value = serde_json::from_str(&text).expect("JSON");
        let whole = report(&serde_json::from_value(raw.clone()).expect("evidence"));
        let before = certain(&whole);
        // Of the many cases of faults a part will do.
        if !whole.findings.is_empty() && !number.is_multiple_of(12) {
            return;
        }
        let mut places = Vec::new();
        observations(&raw, "", &mut places);
        for (index, place) in places.iter().enumerate() {
            // Each observation of each case in one way; over all cases, each in every way.
            let outcome = &outcomes[(number + index) % outcomes.len()];
            let mut changed = raw.clone();
            let observation = changed.pointer_mut(place).and_then(Value::as_object_mut).expect("an observation");
            if observation.contains_key("notApplicable") {
                continue;
            }
            observation.retain(|name, _| matches!(name.as_str(), "startedMs" | "tookMs"));
            observation.extend(outcome.as_object().expect("an outcome").clone());
            let evidence: Evidence =
                serde_json::from_value(changed).unwrap_or_else(|error| panic!("{name}{place}: {error}"));
            let now = report(&evidence);
            tried.fetch_add(1, Ordering::Relaxed);
            // Where a more particular cause is out of sight, the more general one that it explains is what is left.
            let general = |code: &str| whole.findings.iter().any(|finding| finding.explains.contains(&code));
            let new: Vec<&str> = certain(&now).difference(&before).copied().filter(|code| !general(code)).collect();
            let excused = EXCUSED.iter().any(|(case, at, _)| name.starts_with(case) && place == at);
            if !new.is_empty() && !excused {
                let text = format!("{name}: without {place} ({outcome}): {new:?}");
                faults.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
            // Every form can be written.
            let look = terminal::Look { width: 80, verbose: true, hide_claims: false };
            terminal::doctor(&now, &evidence, look, &mut Vec::new()).expect("a table");
            markdown::doctor(&now, &evidence, false, &mut Vec::new()).expect("markdown");
        }
    };
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(folder) = folders.get(number) else { break };
                    one(number, folder);
                }
            });
        }
    });
    let tried = tried.into_inner();
    let faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(tried > 1_000, "{tried}");
    assert!(faults.is_empty(), "{} of {tried}:\n{}", faults.len(), faults.join("\n"));
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Killed,
    Stalled,
    Truncated,
    Corrupted,
}

const FAULTS: [Fault; 4] = [Fault::Killed, Fault::Stalled, Fault::Truncated, Fault::Corrupted];

/// Answers whole, or with the fault where the path ends so.
fn answering(fault: Option<(&'static str, Fault)>, asked: &Asked, whole: Vec<u8>, out: &mut dyn Write) {
    let fault = fault.filter(|(end, _)| path(asked).ends_with(end)).map(|(_, fault)| fault);
    let bytes = match fault {
        None => whole,
        Some(Fault::Killed) => return,
        Some(Fault::Stalled) => return std::thread::sleep(Duration::from_secs(10)),
        Some(Fault::Truncated) => whole[..whole.len() - (whole.len() / 4).max(2)].to_vec(),
        Some(Fault::Corrupted) => {
            let body = whole.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
            let mut bytes = whole;
            for (index, byte) in bytes[body..].iter_mut().enumerate() {
                *byte ^= if index % 3 == 0 { 0x55 } else { 0 };
            }
            bytes
        }
    };
    let _ = out.write_all(&bytes);
}

/// One run against the world with this fault.
fn look(key: &Key, fault: Option<(&'static str, Fault)>) -> Value {
    let set = json!({ "keys": [key.jwk("k")] });
    let issuer = Stage::plain(Arc::new(move |asked, out| {
        let place = field(&asked.head, "host").unwrap_or_default();
        let body = match path(asked) {
            "/keys" => set.clone(),
            _ => json!({ "issuer": format!("http://{place}"), "jwks_uri": format!("http://{place}/keys") }),
        };
        answering(fault, asked, answer("200 OK", "Content-Type: application/json\r\n", &body.to_string()), out);
    }));
    let (ca, pair) = certified();
    let server = Stage::tls(
        &pair,
        Arc::new(move |asked, out| answering(fault, asked, api_answer(asked).unwrap_or_else(not_found), out)),
    );
    let claims = json!({ "iss": format!("http://{}", issuer.place()), "sub": "alice", "aud": "kubernetes",
        "iat": 1_600_000_000, "exp": 4_000_000_000_u64 });
    let token = key.token("RS256", r#"{"alg":"RS256","kid":"k"}"#, &claims.to_string());
    let config = kubeconfig(&format!("https://{}", server.place()), Some(&ca), &json!({}), &json!({ "token": token }));
    let ended = watched(
        command().args(["doctor", "-o", "json", "--timeout", "5s", "--kubeconfig"]).arg(&config),
        Duration::from_secs(120),
    );
    assert!(
        !ended.stderr.contains("panicked") && !ended.stdout.contains("a bug in kaccess"),
        "{fault:?}: {}",
        ended.stdout
    );
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{fault:?}: {error}: {}", ended.stdout))
}

/// Whoever needs the answer of a path, by the ids of checks.
const DEPENDENTS: [(&str, &[&str]); 12] = [
    (
        "/version",
        // Without the anonymous answer there is no connection that the credential is sent on, and so nobody who reads.
        &[
            "endpoint-anonymous",
            "endpoint-authenticated",
            "endpoint-repeated",
            "endpoint-names",
            "identity",
            "access",
            "rbac",
            "metrics",
            "flagz",
            "server-pods",
            "published",
            "pod-log",
        ],
    ),
    ("/selfsubjectreviews", &["identity", "access", "rbac", "metrics", "flagz", "server-pods", "published", "pod-log"]),
    ("/selfsubjectaccessreviews", &["access"]),
    ("/selfsubjectrulesreviews", &["access"]),
    ("/rolebindings", &["rbac"]),
    ("/clusterrolebindings", &["rbac"]),
    ("/clusterroles", &["rbac"]),
    ("/roles", &["rbac"]),
    ("/metrics", &["metrics"]),
    ("/flagz", &["flagz"]),
    (
        "/openid-configuration",
        &[
            "issuer-discovery",
            "issuer-discovery-as-control-plane",
            "issuer-jwks",
            "issuer-jwks-as-control-plane",
            "token-signature",
        ],
    ),
    ("/keys", &["issuer-jwks", "issuer-jwks-as-control-plane", "token-signature"]),
];

/// Id, status and reason of every check.
fn checks(report: &Value) -> Vec<(String, String, String)> {
    let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    report["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|check| (text(check, "id"), text(check, "status"), without_ports(&text(check, "because"))))
        .collect()
}

/// A port is another one in each run.
fn without_ports(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("127.0.0.1:") {
        out.push_str(before);
        out.push_str("127.0.0.1:PORT");
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    out + rest
}

/// Which check an evidence path belongs to; a finding that cites none of the broken part must stay.
fn cited(finding: &Value) -> Vec<String> {
    finding["evidence"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|cite| cite["path"].as_str().map(str::to_owned))
        .collect()
}

/// Where the evidence of a path's dependents stands.
fn places(end: &str) -> &'static [&'static str] {
    match end {
        "/version" => &["/endpoint/", "/identity", "/access", "/rbac", "/controlPlane", "/credential"],
        "/selfsubjectreviews" => {
            &["/identity", "/access", "/rbac", "/controlPlane", "/endpoint/authenticated", "/credential"]
        }
        "/selfsubjectaccessreviews" | "/selfsubjectrulesreviews" => &["/access"],
        "/metrics" | "/flagz" => &["/controlPlane"],
        "/openid-configuration" => &["/issuer/", "/credential"],
        "/keys" => &["/issuer/", "/credential"],
        _ => &["/rbac"],
    }
}

/// What is told otherwise than of the whole world, and does not depend on the path that ends so.
fn differences(whole: &Value, now: &Value, end: &str, dependents: &[&str]) -> Vec<String> {
    let mut said = Vec::new();
    for (before, after) in checks(whole).iter().zip(checks(now)) {
        if *before != after && !dependents.contains(&before.0.as_str()) {
            said.push(format!("{before:?} became {after:?}"));
        }
    }
    let codes = |report: &Value| -> Vec<(String, Vec<String>)> {
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        findings
            .iter()
            .map(|finding| (finding["code"].as_str().unwrap_or_default().to_owned(), cited(finding)))
            .collect()
    };
    let touches = |cites: &[String]| cites.iter().any(|cite| places(end).iter().any(|place| cite.starts_with(place)));
    let (before, after) = (codes(whole), codes(now));
    for (code, cites) in &before {
        if !touches(cites) && !after.iter().any(|(other, _)| other == code) {
            said.push(format!("{code} is gone, which cites {cites:?}"));
        }
    }
    for (code, cites) in &after {
        if !touches(cites) && !before.iter().any(|(other, _)| other == code) {
            said.push(format!("{code} is new, and cites {cites:?}"));
        }
    }
    said
}

#[test]
fn a_broken_answer_changes_only_what_needs_it() {
    let key = Key::rsa();
    let whole = look(&key, None);
    assert_eq!(whole["identity"]["username"], "alice", "{whole:#}");
    let known = checks(&whole);
    for (_, dependents) in DEPENDENTS {
        // A name that no check has would excuse nothing, and hide that a check was renamed.
        for id in dependents {
            let optional = ["server-pods", "published", "pod-log", "endpoint-names", "endpoint-repeated"].contains(id);
            assert!(optional || known.iter().any(|(other, ..)| other == id), "no check {id}: {known:?}");
        }
    }
    let left: Mutex<Vec<_>> = Mutex::new(
        DEPENDENTS.iter().flat_map(|(end, dependents)| FAULTS.map(|fault| (*end, *dependents, fault))).collect(),
    );
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let Some((end, dependents, fault)) = next else { break };
                    // A busy machine may be late by itself, and is not late in the same way again and again.
                    let mut said = Vec::new();
                    for _ in 0..3 {
                        said = differences(&whole, &look(&key, Some((end, fault))), end, dependents);
                        if said.is_empty() {
                            break;
                        }
                    }
                    if !said.is_empty() {
                        let text = format!("{end} {fault:?}:\n  {}", said.join("\n  "));
                        faults.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_disk_that_is_full_or_not_writable_keeps_the_old_file() {
    let folder = scratch("save");
    let config = kubeconfig("https://127.0.0.1:1", None, &json!({}), &json!({ "token": "opaque-token-of-a-test" }));
    let config = config.to_string_lossy().into_owned();
    let save = |path: &Path| {
        command().args(["doctor", "--kubeconfig", &config, "--save"]).arg(path).output().expect("kaccess")
    };
    // Whole, over an old one, and through a link: the link stays.
    let file = folder.join("evidence.json");
    fs::write(&file, "old").expect("a file");
    let link = folder.join("link.json");
    std::os::unix::fs::symlink("evidence.json", &link).expect("a link");
    save(&link);
    assert!(fs::symlink_metadata(&link).expect("a link").is_symlink());
    let kept = fs::read_to_string(&file).expect("a file");
    assert!(serde_json::from_str::<Value>(&kept).is_ok(), "{kept}");
    // A link, and a link to that one, to a file that is not there yet: it is made there, as a shell would.
    fs::create_dir(folder.join("new")).expect("a folder");
    for (link, to) in [("new/first", "made.json"), ("second", "new/first")] {
        std::os::unix::fs::symlink(to, folder.join(link)).expect("a link");
    }
    save(&folder.join("second"));
    for link in ["new/first", "second"] {
        assert!(fs::symlink_metadata(folder.join(link)).expect("a link").is_symlink(), "{link}");
    }
    let made = fs::read_to_string(folder.join("new/made.json")).expect("a file");
    assert!(serde_json::from_str::<Value>(&made).is_ok(), "{made}");
    // Into a folder that is not there, and round in a circle: nothing can be made there, and the link stays.
    for (link, to) in [("astray", "no/folder/evidence.json"), ("round", "round")] {
        std::os::unix::fs::symlink(to, folder.join(link)).expect("a link");
        let output = save(&folder.join(link));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{link}: {stderr}");
        assert!(stderr.contains("error: --save ") && stderr.contains(link), "{stderr}");
        assert!(fs::symlink_metadata(folder.join(link)).expect("a link").is_symlink(), "{link}");
    }

    // A device stays a device; a full one is said to be full.
    let output = save(Path::new("/dev/full"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("/dev/full") && stderr.contains("No space left"), "{stderr}");
    assert!(!fs::metadata("/dev/full").expect("a device").is_file());
    let output = save(Path::new("/dev/null"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!fs::metadata("/dev/null").expect("a device").is_file());
    // A pipe, which is behind links too.
    let output = save(Path::new("/dev/stdout"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"schema\": \"kaccess"), "no evidence");

    // A full disk, where this user may make one: the old file stays, and nothing else is left.
    let disk = scratch("disk");
    fs::write(disk.join("script"), format!(
        "set -e\nmount -t tmpfs -o size=64k none {0}/full\nprintf old > {0}/full/evidence.json\nset +e\n\
         head -c 200000 /dev/zero > {0}/full/filler 2>/dev/null\n\"$KACCESS\" doctor --kubeconfig {1} --save {0}/full/evidence.json > {0}/stdout 2> {0}/stderr\n\
         echo $? > {0}/code\ncat {0}/full/evidence.json > {0}/kept\nls -A {0}/full > {0}/left\n",
        disk.display(), config
    )).expect("a script");
    fs::create_dir(disk.join("full")).expect("a folder");
    let status = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh"])
        .arg(disk.join("script"))
        .env("KACCESS", env!("CARGO_BIN_EXE_kaccess"))
        .status();
    if status.is_ok_and(|status| status.success()) {
        let read = |name: &str| fs::read_to_string(disk.join(name)).unwrap_or_default();
        assert_eq!(read("code").trim(), "2", "{}", read("stderr"));
        assert_eq!(read("kept"), "old", "{}", read("stderr"));
        assert_eq!(read("left"), "evidence.json\nfiller\n");
        assert!(read("stderr").contains("No space left"), "{}", read("stderr"));
    } else {
        let _ = writeln!(std::io::stderr(), "skipped: no disk of the test's own (unshare --user --mount)");
    }

    // A folder that nobody may write to (root may), and one that is not there.
    let output = save(&folder.join("not/there.json"));
    assert_eq!(output.status.code(), Some(2));
    let left: Vec<String> = fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    assert!(!left.iter().any(|name| name.contains("part")), "{left:?}");
    // Stdout itself may be full.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let output = command().args(["doctor", "--kubeconfig", &config]).stdout(full).output().expect("kaccess");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("No space left"));
    for words in [&["--help"][..], &["--version"], &["doctor", "--help"], &["can-i", "-h"], &["help", "explain"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let output = command().args(words).stdout(full).output().expect("kaccess");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        assert!(stderr.contains("No space left"), "{words:?}: {stderr}");
    }
}

#[test]
fn a_machine_without_home_resolver_or_writable_disk() {
    let config =
        kubeconfig("https://api.example.invalid:6443", None, &json!({}), &json!({ "token": "opaque-token-of-a-test" }));
    // No home, nothing in the environment.
    let mut bare = std::process::Command::new(env!("CARGO_BIN_EXE_kaccess"));
    let output =
        bare.env_clear().args(["doctor", "-o", "json", "--kubeconfig"]).arg(&config).output().expect("kaccess");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let mut bare = std::process::Command::new(env!("CARGO_BIN_EXE_kaccess"));
    let output = bare.env_clear().args(["doctor", "-o", "json"]).output().expect("kaccess");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["findings"][0]["code"], "kubeconfig-not-found", "{report:#}");

    // Everything read-only, and no resolv.conf.
    let folder = scratch("readonly");
    fs::write(folder.join("script"), format!(
        "mount --bind /dev/null /etc/resolv.conf || exit 77\nmount -o remount,bind,ro {0} 2>/dev/null || mount --bind -o ro {0} {0}\n\
         \"$KACCESS\" doctor -o json --timeout 8s --kubeconfig {1}\necho \"code $?\" >&2\n\
         \"$KACCESS\" can-i list pods --kubeconfig {1}\necho \"code $?\" >&2\n",
        folder.display(), config.display()
    )).expect("a script");
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh"])
        .arg(folder.join("script"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", &folder)
        .env("KACCESS", env!("CARGO_BIN_EXE_kaccess"))
        .output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        let _ = writeln!(std::io::stderr(), "skipped: no mounts of the test's own (unshare --user --mount)");
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let first = report["findings"][0]["code"].as_str().unwrap_or_default();
    assert!(first.contains("resolver") || first.contains("endpoint"), "{report:#}");
    assert!(stderr.contains("code 1") && stderr.contains("code 2") && !stderr.contains("panicked"), "{stderr}");
}

#[test]
fn clocks_of_1970_and_2100() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cases");
    let mut tried = 0;
    for entry in fs::read_dir(&root).expect("testdata/cases") {
        let folder = entry.expect("an entry").path();
        let text = fs::read_to_string(folder.join("evidence.json")).expect("evidence");
        for time in ["1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "-009999-01-02T01:59:59Z", "9999-12-30T22:00:00Z"]
        {
            let mut raw: Value = serde_json::from_str(&text).expect("JSON");
            raw["observedAt"] = (*time).into();
            let evidence: Evidence =
                serde_json::from_value(raw).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let now = report(&evidence);
            let look = terminal::Look { width: 80, verbose: true, hide_claims: false };
            terminal::doctor(&now, &evidence, look, &mut Vec::new()).expect("a table");
            tried += 1;
        }
    }
    assert!(tried > 1_000, "{tried}");
    // What is wrong by a clock far off is said of the clock, where a server's Date tells it.
    let text = fs::read_to_string(root.join("client-clock-wrong/evidence.json")).expect("a case of the clock");
    let evidence: Evidence = serde_json::from_str(&text).expect("evidence");
    assert!(report(&evidence).findings.iter().any(|finding| finding.code == "client-clock-wrong"));
}
