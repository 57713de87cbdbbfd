//! Authorizers beside RBAC, made for real: a webhook that denies, that fails, and a policy file.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::refusals::{apply, cluster_role, kubectl};
use super::user;
use crate::support::lab::{self, ApiServer, Options, certificate_user};
use crate::support::run::{command, doctor, expect_fault, expect_healthy, expect_warning, scratch};

/// What the webhook answers: the status of HTTP, and of the review where the resource is `pods`.
#[derive(Clone)]
struct Answers {
    http: u16,
    pods: Value,
}

/// An authorization webhook on loopback; it has no opinion on anything but Pods and reviews of oneself.
struct Hook {
    port: u16,
    answers: Arc<Mutex<Answers>>,
}

impl Hook {
    fn start(pods: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answers = Arc::new(Mutex::new(Answers { http: 200, pods }));
        let own = Arc::clone(&answers);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = own.lock().expect("the answers").clone();
                std::thread::spawn(move || serve(stream, &answers));
            }
        });
        Self { port, answers }
    }

    fn set(&self, http: u16, pods: Value) {
        *self.answers.lock().expect("the answers") = Answers { http, pods };
    }

    /// The flags of an API server that asks it.
    fn flags(&self) -> Vec<String> {
        let file = scratch("hook").join("hook.yaml");
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: a\n  cluster:\n    server: http://127.0.0.1:{}/authorize\n\
             users:\n- name: a\ncontexts:\n- name: a\n  context:\n    cluster: a\n    user: a\ncurrent-context: a\n",
            self.port
        );
        std::fs::write(&file, text).expect("a file");
        vec![
            format!("--authorization-webhook-config-file={}", file.display()),
            "--authorization-webhook-version=v1".to_owned(),
            "--authorization-webhook-cache-authorized-ttl=1ms".to_owned(),
            "--authorization-webhook-cache-unauthorized-ttl=1ms".to_owned(),
        ]
    }
}

fn serve(mut stream: TcpStream, answers: &Answers) {
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    let review = loop {
        let Ok(read @ 1..) = stream.read(&mut part) else { return };
        request.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            break serde_json::from_str::<Value>(body).expect("a SubjectAccessReview");
        }
    };
    let mut review = review;
    let resource = review.pointer("/spec/resourceAttributes/resource").and_then(Value::as_str).unwrap_or_default();
    // Questions about oneself may always be asked.
    let own = resource.starts_with("selfsubject");
    review["status"] = if resource == "pods" { answers.pods.clone() } else { json!({ "allowed": own }) };
    let body = if answers.http == 200 { review.to_string() } else { "out of order".to_owned() };
    let _ = write!(
        stream,
        "HTTP/1.1 {} Any\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        answers.http,
        body.len()
    );
}

/// The API server keeps what a webhook said for a millisecond, by the flags above.
fn forgotten() {
    std::thread::sleep(std::time::Duration::from_millis(500));
}

#[test]
fn a_webhook_that_denies_and_one_that_fails() {
    let Some(lab) = lab::require_apiserver() else { return };
    let denial = json!({ "allowed": false, "denied": true, "reason": "policy engine says no: ask #platform" });
    let hook = Hook::start(denial.clone());
    let mut options = Options::default().flag("--authorization-mode=Webhook,RBAC");
    for flag in hook.flags() {
        options = options.flag(flag);
    }
    let mut server = ApiServer::start(lab, options);
    let identity = lab.pki.ca.sign_client("frank", "frank", &["team"]);
    let config = server.kubeconfig("frank", &[("own", certificate_user(&identity)), ("admin", server.admin_user())]);
    let pods = ["get", "--raw", "/api/v1/namespaces/default/pods"];
    let (code, error) = kubectl(lab, &config, &pods, "");
    assert_eq!(code, 1);
    assert!(error.contains("policy engine says no"), "{error}");
    let asked = ["--reviewer-context", "admin", "--error", &error];

    let run = doctor(&config, &asked);
    expect_fault("authorization-webhook-denied", &run, &["authorization-webhook-denied"]);
    let only_the_denial = |run: &crate::support::run::Run, confidence: &str| {
        assert_eq!(run.codes(), ["authorization-webhook-denied"], "{}", run.stdout);
        assert_eq!(run.findings()[0]["confidence"], confidence, "{}", run.stdout);
        assert!(!run.findings()[0]["fix"].to_string().contains("roleRef"), "{}", run.stdout);
    };
    only_the_denial(&run, "certain");
    let why = |words: &[&str]| {
        let output = command()
            .args(["can-i", "list", "pods", "--why"])
            .args(words)
            .arg("--kubeconfig")
            .arg(&config)
            .output()
            .expect("kaccess runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let no_grant_offered = || {
        for words in [&[][..], &["--context", "admin", "--as", "frank"], &["--context", "admin", "--as-group", "team"]]
        {
            let (code, text) = why(words);
            assert_eq!(code, Some(1), "{text}");
            assert!(
                text.starts_with("no - policy engine says no") && text.contains("No further grant")
                    || text.contains("no role and no binding changes it"),
                "{words:?}: {text}"
            );
            assert!(!text.contains("roleRef") && !text.contains("Near misses"), "{words:?}: {text}");
        }
        let (_, text) = why(&["-o", "json"]);
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        crate::support::schema::hold(&answer);
        assert_eq!((&answer["denied"], &answer["suggestion"]), (&json!(true), &Value::Null), "{text}");
    };
    no_grant_offered();
    // Nobody asked: it is told, and no grant is said to be missing for what is denied.
    let run = doctor(&config, &["--reviewer-context", "admin"]);
    assert!(run.codes().contains(&"authorization-webhook-denied".to_owned()), "{}", run.stdout);

    // The right by RBAC changes nothing, and is seen to be there.
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] }]);
    cluster_role(&server, "frank-pods", rules, user("frank"));
    server.settle();
    assert_eq!(kubectl(lab, &config, &pods, "").0, 1);
    let run = doctor(&config, &asked);
    expect_fault("authorization-webhook-denied-granted", &run, &["authorization-webhook-denied"]);
    only_the_denial(&run, "certain");
    no_grant_offered();
    let run = doctor(&config, &["--reviewer-context", "admin"]);
    expect_warning("authorization-webhook-denied-unasked", &run, &["authorization-webhook-denied"]);

    // The healthy twin: the webhook has no opinion.
    hook.set(200, json!({ "allowed": false, "reason": "" }));
    forgotten();
    assert_eq!(kubectl(lab, &config, &pods, "").0, 0);
    let run = doctor(&config, &asked);
    expect_healthy("authorization-webhook-open", &run);
    // The message tells no selector, by which this webhook might still deny.
    let now = run.report["message"]["now"].as_str().unwrap_or_default();
    assert!(now.starts_with("Without a selector it is allowed now"), "{}", run.stdout);

    // From RBAC alone nothing is computed that the webhook may deny or allow.
    let computed = |words: &[&str]| {
        let output = command()
            .args(words)
            .args(["--context", "admin", "--kubeconfig"])
            .arg(&config)
            .output()
            .expect("kaccess runs");
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), told(&output.stdout), told(&output.stderr))
    };
    for resource in ["pods", "secrets"] {
        let (code, text, how) = computed(&["can-i", "list", resource, "--as", "frank", "--method", "computed"]);
        assert_eq!((code, text.as_str()), (Some(2), ""), "{how}");
        assert!(how.contains("RBAC alone does not decide") && how.contains("mode=Webhook,RBAC"), "{how}");
    }
    let (code, text, how) = computed(&["who-can", "list", "pods", "-o", "json"]);
    assert_eq!(code, Some(0), "{how}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert!(answer["incomplete"].to_string().contains("Webhook (--authorization-mode=Webhook,RBAC)"), "{text}");

    // It fails, and nothing after it allows.
    hook.set(500, Value::Null);
    forgotten();
    let secrets = ["get", "--raw", "/api/v1/namespaces/default/secrets"];
    let (code, error) = kubectl(lab, &config, &secrets, "");
    assert_eq!(code, 1);
    for (name, arguments) in [
        ("authorization-webhook-down-status", &["--reviewer-context", "admin", "--error", &error][..]),
        ("authorization-webhook-down-status-bare", &["--error", &error]),
    ] {
        let run = doctor(&config, arguments);
        expect_fault(name, &run, &["authorization-webhook-down"]);
        assert_eq!(run.findings()[0]["confidence"], "certain", "{}", run.stdout);
    }
    let run = doctor(&config, &["--reviewer-context", "admin"]);
    expect_fault("authorization-webhook-down-status-review", &run, &["authorization-webhook-down"]);
    let output = command().args(["explain", "-o", "json", &error]).output().expect("kaccess runs");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let codes: Vec<&str> =
        answer["matches"].as_array().into_iter().flatten().filter_map(|found| found["code"].as_str()).collect();
    assert_eq!(codes, ["authorization-webhook-down"], "{error}");

    // It allows and denies at once, which the API server takes for an error.
    hook.set(200, json!({ "allowed": true, "denied": true }));
    forgotten();
    let (code, error) = kubectl(lab, &config, &pods, "");
    assert_eq!(code, 1);
    for arguments in [&["--reviewer-context", "admin", "--error", &error][..], &["--reviewer-context", "admin"]] {
        let run = doctor(&config, arguments);
        let first = &run.findings()[0];
        assert_eq!(first["code"], "authorization-webhook-down", "{}", run.stdout);
        assert_eq!(first["title"], "The authorization webhook allows and denies at once", "{}", run.stdout);
    }

    // RBAC is no mode at all: the bindings are there, and nobody reads them.
    hook.set(200, json!({ "allowed": false }));
    server.restart_with("--authorization-mode=Webhook");
    let (code, error) = kubectl(lab, &config, &pods, "");
    assert_eq!(code, 1);
    let run = doctor(&config, &["--reviewer-context", "admin", "--error", &error]);
    // The webhook had no opinion, so nobody denied: nothing allows it, and no binding would.
    assert_eq!(run.codes(), ["rbac-no-grant"], "{}", run.stdout);
    let finding = run.finding("rbac-no-grant");
    assert_eq!(finding["confidence"], "certain", "{}", run.stdout);
    assert!(finding["title"].as_str().is_some_and(|title| title.ends_with("and RBAC is not asked")), "{}", run.stdout);
    assert!(
        finding["why"].as_str().is_some_and(|why| why.contains("What decides is the service in ")),
        "{}",
        run.stdout
    );
    assert!(!finding["fix"].to_string().contains("roleRef"), "{}", run.stdout);
}

/// A line of a policy file: the group may do everything with these.
fn policy_line(group: &str, resource: &str, path: &str) -> Value {
    json!({ "apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy",
        "spec": { "group": group, "namespace": "*", "resource": resource, "apiGroup": "*", "nonResourcePath": path } })
}

fn policy_file(name: &str, lines: &[Value]) -> PathBuf {
    let policy = scratch(name).join("policy.jsonl");
    std::fs::write(&policy, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).expect("a policy");
    policy
}

#[test]
fn a_policy_that_gives_everything_to_one_group() {
    let Some(lab) = lab::require_apiserver() else { return };
    let policy = policy_file("abac", &[policy_line("abac-admins", "*", "*")]);
    // The release before --authorization-mode can be read from /flagz.
    let options = Options::default()
        .release(lab::Release::Old)
        .flag("--authorization-mode=ABAC,RBAC")
        .flag(format!("--authorization-policy-file={}", policy.display()));
    let server = ApiServer::start(lab, options);
    let one = lab.pki.ca.sign_client("root2", "root2", &["abac-admins"]);
    let other = lab.pki.ca.sign_client("plain", "plain", &["team"]);
    let users = [("own", certificate_user(&one)), ("plain", certificate_user(&other)), ("admin", server.admin_user())];
    let config = server.kubeconfig("abac", &users);
    let run = doctor(&config, &["--reviewer-context", "admin"]);
    expect_warning("authorization-not-enforced-abac", &run, &["authorization-not-enforced"]);
    let finding = run.finding("authorization-not-enforced");
    assert_eq!(finding["confidence"], "possible", "{}", run.stdout);
    // What the finding says to ask decides it.
    let decides = finding["fix"][0]["command"].as_str().expect("a command");
    let words: Vec<&str> = decides.split(' ').skip(1).map(|word| word.trim_matches('\'')).collect();
    let (code, _) = kubectl(lab, &config, &words, "");
    assert_eq!(code, 1, "only the group may do everything");
    let run = doctor(&config, &["--context", "plain", "--reviewer-context", "admin"]);
    assert!(!run.codes().contains(&"authorization-not-enforced".to_owned()), "{}", run.stdout);
    // ABAC's words for no opinion are no denial: the grant helps.
    let (_, error) = kubectl(lab, &config, &["--context", "plain", "get", "--raw", "/api/v1/nodes"], "");
    let arguments = ["--context", "plain", "--reviewer-context", "admin", "--error", &error];
    let run = doctor(&config, &arguments);
    expect_fault("rbac-no-grant-abac", &run, &["rbac-no-grant"]);
    apply(&server, run.finding("rbac-no-grant")["fix"][0]["manifest"].as_str().expect("a manifest"));
    assert_eq!(kubectl(lab, &config, &["--context", "plain", "get", "--raw", "/api/v1/nodes"], "").0, 0);
}

/// Where RBAC is no mode, nobody reads the bindings: none is the reason of a yes, and none would make it one.
#[test]
fn a_policy_file_without_rbac() {
    let Some(lab) = lab::require_apiserver() else { return };
    // What default bindings give to everybody stands in the policy.
    let own = ["selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"];
    let mut lines = vec![policy_line("abac-admins", "*", "*")];
    lines.extend(own.map(|resource| policy_line("system:authenticated", resource, "")));
    let policy = policy_file("abac-alone", &lines);
    let options = Options::default()
        .flag("--authorization-mode=Node,ABAC")
        .flag(format!("--authorization-policy-file={}", policy.display()));
    let server = ApiServer::start(lab, options);
    let one = lab.pki.ca.sign_client("abac-root", "root2", &["abac-admins"]);
    let other = lab.pki.ca.sign_client("abac-plain", "plain", &["team"]);
    let users = [("own", certificate_user(&one)), ("plain", certificate_user(&other)), ("admin", server.admin_user())];
    let config = server.kubeconfig("abac-alone", &users);
    let place = format!("{} (--authorization-policy-file)", policy.display());
    let why = |words: &[&str]| {
        let output = command()
            .args(["can-i", "list", "nodes", "--why"])
            .args(words)
            .arg("--kubeconfig")
            .arg(&config)
            .output()
            .expect("kaccess runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let rules = json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get"] }]);
    cluster_role(&server, "plain-nodes", rules, user("plain"));
    for words in [&["--context", "admin", "--as", "plain"][..], &["--context", "own", "--as", "plain"]] {
        let (code, text, _) = why(words);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("--authorization-mode=Node,ABAC") && text.contains(&place), "{words:?}: {text}");
        assert!(!text.contains("roleRef") && !text.contains("Near misses"), "{words:?}: {text}");
    }
    let (code, text, told) = why(&["--context", "own", "-o", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    crate::support::schema::hold(&answer);
    assert_eq!(answer["grants"], json!([]), "{text}");
    assert!(answer["insteadOfRbac"].as_str().is_some_and(|words| words.contains(&place)), "{text}");
    assert!(told.contains(&place), "{told}");
    // The group that is let through before any authorizer is asked: what decides is that, and no policy.
    let (code, text, told) = why(&["--context", "admin", "-o", "json"]);
    assert_eq!(code, Some(0), "{text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    crate::support::schema::hold(&answer);
    assert!(answer.get("insteadOfRbac").is_none() && !told.contains(&place), "{text}{told}");
    assert_eq!(answer["grants"][0]["subject"], json!({ "kind": "Group", "name": "system:masters" }), "{text}");
    assert_eq!(answer["grants"].as_array().map(Vec::len), Some(1), "{text}");

    let (_, error) = kubectl(lab, &config, &["--context", "plain", "get", "--raw", "/api/v1/nodes"], "");
    let run = doctor(&config, &["--context", "plain", "--reviewer-context", "admin", "--error", &error]);
    assert_eq!(run.codes()[0], "rbac-no-grant", "{}", run.stdout);
    let fix = run.finding("rbac-no-grant")["fix"].to_string();
    assert!(fix.contains("--authorization-policy-file"), "{fix}");
    assert!(!run.stdout.contains("roleRef"), "{}", run.stdout);
}
