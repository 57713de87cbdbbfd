//! can-i, who-can and whoami as a user meets them.

use std::fs;

use serde_json::json;

use super::{Stage, stdout};
use crate::support::lab;
use crate::support::run::{command, scratch};

#[test]
fn the_commands_answer_with_what_each_may_see() {
    let Some(lab) = lab::require_apiserver() else { return };
    let stage = Stage::start(lab);
    plain_question_is_one_request(&stage);
    types_are_kept_on_disk(&stage);
    why(&stage);
    groups_alone(&stage);
    many(&stage);
    lists(&stage);
    who(&stage);
    identity(&stage);
}

fn plain_question_is_one_request(stage: &Stage) {
    let agent = |event: &serde_json::Value| event["userAgent"].as_str().is_some_and(|agent| agent.contains("kaccess"));
    let before = stage.server.audit_events().iter().filter(|event| agent(event)).count();
    assert_eq!(stdout(&stage.run("dev", &["can-i", "get", "pods/log", "-n", "dev"])), "yes\n");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let events: Vec<_> = stage.server.audit_events().into_iter().filter(|event| agent(event)).collect();
    assert_eq!(events.len(), before + 1, "one request for one question");
}

fn types_are_kept_on_disk(stage: &Stage) {
    let home = scratch("types");
    let lists = || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        stage
            .server
            .audit_events()
            .iter()
            .filter(|event| event["requestURI"] == "/apis" && event["verb"] == "get")
            .count()
    };
    let ask = |kind: &str| {
        let output = command()
            .env("HOME", &home)
            .args(["can-i", "list", kind, "-n", "dev", "--context", "dev", "--kubeconfig"])
            .arg(&stage.config)
            .output();
        let output = output.expect("kaccess runs");
        (stdout(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let before = lists();
    assert_eq!(ask("wd").0, "yes\n");
    assert_eq!(lists(), before + 1, "a type that is not built in is looked up");
    assert_eq!(ask("widgets").0, "yes\n");
    assert_eq!(lists(), before + 1, "the second time in the copy");
    // What the copy does not know may be new.
    assert!(ask("gadgets").1.contains("doesn't have a resource type 'gadgets'"));
    assert_eq!(lists(), before + 2);
    let folder = home.join(".kube/cache/kaccess/apis");
    let files: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").map(|file| file.expect("a file").path()).collect();
    assert_eq!(files.len(), 1, "no draft is left: {files:?}");
    // A broken copy is no copy, and a disk that takes none is no failure.
    std::fs::write(&files[0], "{").expect("a file");
    assert_eq!(ask("wd").0, "yes\n");
    let blocked = command()
        .env("KUBECACHEDIR", "/dev/null/nowhere")
        .args(["can-i", "list", "wd", "-n", "dev", "--context", "dev", "--kubeconfig"])
        .arg(&stage.config)
        .output();
    assert_eq!(stdout(&blocked.expect("kaccess runs")), "yes\n");
}

fn why(stage: &Stage) {
    // An admin asks for another: everything is known.
    let (code, answer) = stage
        .json("admin", &["can-i", "get", "pods/exec", "-n", "dev", "--why", "--as", "system:serviceaccount:dev:dev"]);
    assert_eq!(code, 1);
    let kinds: Vec<&str> =
        answer["nearMisses"].as_array().expect("near misses").iter().filter_map(|miss| miss["kind"].as_str()).collect();
    assert!(kinds.contains(&"missing-subresource"), "{answer}");
    let manifest = answer["suggestion"]["manifest"].as_str().expect("a manifest");
    assert!(
        manifest.contains("kind: Role\n")
            && manifest.contains("pods/exec")
            && manifest.contains("kind: ServiceAccount"),
        "{manifest}"
    );

    // The smallest grant is accepted by the server and is enough.
    let documents: Vec<serde_json::Value> =
        manifest.split("---\n").map(|text| serde_norway::from_str(text).expect("YAML")).collect();
    for document in &documents {
        let kind = document["kind"].as_str().expect("a kind").to_lowercase();
        let place = document.pointer("/metadata/namespace").and_then(|name| name.as_str());
        let place = place.map(|name| format!("/namespaces/{name}")).unwrap_or_default();
        stage.server.create(&format!("{}{place}/{kind}s", super::RBAC), document);
    }
    stage.server.settle();
    let (code, answer) = stage
        .json("admin", &["can-i", "get", "pods/exec", "-n", "dev", "--why", "--as", "system:serviceaccount:dev:dev"]);
    assert_eq!((code, answer["grants"].as_array().map(Vec::len)), (0, Some(1)), "{answer}");
    assert_eq!(answer["grants"][0]["role"]["kind"], "Role");

    // Whoever may read no RBAC still gets the near misses of the own rules, and the server's reason.
    let (code, answer) = stage.json("dev", &["can-i", "list", "configmaps", "-n", "dev", "--why"]);
    assert_eq!(code, 1);
    let output = stage.run("dev", &["can-i", "get", "configmaps/other", "-n", "dev", "--why"]);
    let text = stdout(&output);
    assert!(text.starts_with("no\n") && text.contains("settings") && text.contains("kind: RoleBinding"), "{text}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("it needs list on"));
    assert_eq!(answer["grants"], json!([]));
    let text = stdout(&stage.run("dev", &["can-i", "get", "pods", "-n", "dev", "--why"]));
    assert!(text.starts_with("yes\n") && text.contains("RoleBinding"), "{text}");

    // A group that differs by its prefix, a binding in another namespace.
    let (_, answer) =
        stage.json("admin", &["can-i", "get", "pods", "-n", "prod", "--why", "--as", "alice", "--as-group", "backend"]);
    assert_eq!(answer["nearMisses"][0]["kind"], "subject-prefix", "{answer}");
    let (_, answer) =
        stage.json("admin", &["can-i", "get", "pods", "-n", "dev", "--why", "--as-group", "oidc:backend"]);
    assert_eq!(answer["nearMisses"][0]["kind"], "wrong-namespace", "{answer}");
}

fn groups_alone(stage: &Stage) {
    // Whoever may ask in no way is told of each in a line of its own.
    let output = stage.run("dev", &["can-i", "get", "pods", "-n", "prod", "--as-group", "oidc:backend"]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    for way in ["\n  by SubjectAccessReview: ", "\n  by impersonation: ", "\n  by the RBAC objects: "] {
        assert!(stderr.contains(way), "{stderr}");
    }
    for (context, arguments, method) in [
        ("admin", &["--as-group", "oidc:backend"][..], "review"),
        ("admin", &["--as-group", "oidc:backend", "--method", "impersonation"], "impersonation"),
        ("admin", &["--as-group", "oidc:backend", "--method", "computed"], "computed"),
        ("auditor", &["--as-group", "oidc:backend"], "computed"),
    ] {
        let mut all = vec!["can-i", "get", "pods", "-n", "prod"];
        all.extend(arguments);
        let (code, answer) = stage.json(context, &all);
        assert_eq!((code, answer["method"].as_str()), (0, Some(method)), "{answer}");
        assert_eq!(answer["question"]["groups"], json!(["oidc:backend", "system:authenticated"]));
        all[4] = "dev";
        assert_eq!(stage.json(context, &all).0, 1);
    }
    // Nobody's way is allowed: no answer, and what it would need.
    let output = stage.run("nobody", &["can-i", "get", "pods", "--as-group", "oidc:backend"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("create on subjectaccessreviews"));
}

fn many(stage: &Stage) {
    let file = scratch("questions").join("questions");
    let odd = "x".repeat(60_000);
    let mut text = String::from(
        "# what dev needs\nget pods -n dev\nget secrets -n dev # no\n\nget pods/web --subresource=log -n dev\n",
    );
    text.push_str("{\"verb\":\"get\",\"resource\":\"pods\",\"namespace\":\"dev\"}\n{\"verb\":\"get\",\"nonResourceURL\":\"/metrics\"}\n");
    fs::write(&file, &text).expect("questions");
    let (code, answer) = stage.json("dev", &["can-i", "-f", &file.to_string_lossy()]);
    let allowed: Vec<_> =
        answer["items"].as_array().expect("items").iter().map(|item| item["allowed"].clone()).collect();
    assert_eq!((code, allowed), (1, vec![json!(true), json!(false), json!(true), json!(true), json!(true)]));

    // Ten thousand lines, of which some are bad: each of these is named, and costs the others nothing.
    let long: String = (1..=10_000)
        .map(|number| if number % 2_500 == 0 { "frob\n".to_owned() } else { format!("get pods/web-{number} -n dev\n") })
        .collect();
    let path = scratch("questions").join("long");
    fs::write(&path, long).expect("questions");
    let output = stage
        .run("admin", &["can-i", "--method", "computed", "--as", "alice", "-o", "json", "-f", &path.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for number in [2_500, 5_000, 7_500, 10_000] {
        assert!(told.contains(&format!("line {number}: ")), "{told}");
    }
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(answer["items"].as_array().is_some_and(|items| items.len() >= 9_996), "every line has its answer");

    // Bad lines are named, the others answered; users and groups of JSON lines count, however large.
    text.push_str(&format!("frob\n{{\"verb\":\"get\",\"resource\":\"pods\",\"namespace\":\"prod\",\"user\":\"a\",\"groups\":[\"oidc:backend\"]}}\n{{\"verb\":\"get\",\"resource\":\"pods\",\"groups\":[\"{odd}\"]}}\n"));
    fs::write(&file, &text).expect("questions");
    let output = stage.run("admin", &["can-i", "-o", "json", "-f", &file.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("line 8: "),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    crate::support::schema::hold(&answer);
    assert_eq!(
        (&answer["items"][5]["allowed"], &answer["items"][6]["allowed"], &answer["items"][7]["allowed"]),
        (&json!(null), &json!(true), &json!(false))
    );

    // A line that is too long to be a question is named, and nothing is asked.
    fs::write(&file, format!("get pods\nget {}\n", "x".repeat(1 << 20))).expect("questions");
    let output = stage.run("admin", &["can-i", "-f", &file.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("line 2 of "),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    let (code, answer) =
        stage.json("admin", &["can-i", "get", "pods", "--each-namespace", "--as", "a", "--as-group", "oidc:backend"]);
    let yes: Vec<_> = answer["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|item| item["allowed"] == true)
        .map(|item| item["question"]["namespace"].clone())
        .collect();
    assert_eq!((code, yes), (1, vec![json!("prod")]));
    // What lives in no namespace is asked once: the Role in dev about PersistentVolumes grants nothing.
    for (words, code, allowed) in [
        (["can-i", "get", "persistentvolumes", "--each-namespace"], 1, false),
        (["can-i", "get", "nodes", "--each-namespace"], 0, true),
        (["can-i", "get", "/metrics", "--each-namespace"], 0, true),
        (["can-i", "get", "namespaces/dev", "--each-namespace"], 1, false),
    ] {
        let (own, answer) = stage.json("dev", &words);
        assert_eq!((own, answer["items"].as_array().map(Vec::len)), (code, Some(1)), "{answer}");
        assert_eq!(answer["items"][0]["allowed"], allowed, "{answer}");
    }
    let (code, answer) = stage.json("dev", &["can-i", "--http", "GET /api/v1/namespaces/dev/pods/web/log?follow=true"]);
    assert_eq!(
        (code, &answer["question"]["subresource"], &answer["question"]["name"]),
        (0, &json!("log"), &json!("web"))
    );
}

fn lists(stage: &Stage) {
    let text = stdout(&stage.run("dev", &["can-i", "--list", "-n", "dev"]));
    let theirs = std::process::Command::new(lab::require_apiserver().expect("the lab").kubectl())
        .args(["auth", "can-i", "--list", "-n", "dev", "--context", "dev", "--kubeconfig"])
        .arg(&stage.config)
        .env("HOME", scratch("kubectl-list"))
        .output()
        .expect("kubectl runs");
    assert_eq!(text, stdout(&theirs));
    let (code, answer) = stage.json("dev", &["can-i", "--list", "-n", "dev"]);
    assert_eq!((code, &answer["kind"], &answer["incomplete"]), (0, &json!("AccessList"), &json!(false)));
    let (_, answer) = stage.json("admin", &["can-i", "--matrix"]);
    assert!(answer["requests"].as_u64().is_some_and(|requests| requests <= 10), "{}", answer["requests"]);
    assert!(answer["rows"].as_array().is_some_and(|rows| rows.len() > 100));
    let text = stdout(
        &stage.run("dev", &["can-i", "--matrix", "--resources", "pods,secrets", "--verbs", "get,create", "-n", "dev"]),
    );
    assert_eq!(text, "RESOURCE   GET   CREATE\npods       yes   -\nsecrets    -     -\n");
}

fn who(stage: &Stage) {
    let (code, answer) = stage.json("auditor", &["who-can", "list", "pods", "-n", "dev"]);
    assert_eq!((code, &answer["incomplete"]), (0, &json!([])));
    let dev =
        answer["subjects"].as_array().expect("subjects").iter().find(|subject| subject["name"] == "dev").expect("dev");
    assert_eq!(
        (&dev["kind"], &dev["via"][0]["binding"]["name"], &dev["via"][0]["role"]["kind"]),
        (&json!("ServiceAccount"), &json!("worker"), &json!("Role"))
    );
    // What the Node authorizer grants stands in no binding.
    let (_, answer) = stage.json("auditor", &["who-can", "create", "pods", "-n", "dev"]);
    let missing = answer["incomplete"][0].as_str().unwrap_or_default();
    assert!(missing.contains("system:nodes") && missing.contains("Node authorizer"), "{answer}");
    for (verb, resource) in [("create", "pods"), ("delete", "pods"), ("list", "certificatesigningrequests")] {
        let words = ["can-i", verb, resource, "--as", "system:node:n1", "--as-group", "system:nodes", "--why"];
        let output = stage.run("admin", &words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{verb} {resource}: {said}");
        assert!(said.contains("the Node authorizer, which is asked beside RBAC"), "{verb} {resource}: {said}");
    }
    let token = stage.server.create_service_account_token("dev", "dev");
    for context in ["admin", "auditor"] {
        let (code, answer) = stage.json(context, &["who-can", "list", "pods", "-n", "dev", "--for-token", &token]);
        assert_eq!((code, answer["subjects"].as_array().map(Vec::len)), (0, Some(1)), "{answer}");
    }
    let output = stage.run("nobody", &["who-can", "list", "pods", "-n", "dev"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it needs list on"));
    let text = stdout(&stage.run("admin", &["who-can", "list", "pods", "-n", "dev", "-o", "markdown"]));
    assert!(text.contains("| ServiceAccount | dev/dev |"), "{text}");
}

fn identity(stage: &Stage) {
    let (code, answer) = stage.json("admin", &["whoami"]);
    assert_eq!((code, &answer["origin"]["kind"]), (0, &json!("certificate")), "{answer}");
    assert_eq!(
        answer["groups"][0]["boundTo"][0].as_str().map(|text| text.starts_with("ClusterRole/cluster-admin")),
        Some(true),
        "{answer}"
    );
    let (code, answer) = stage.json("dev", &["whoami"]);
    assert_eq!(
        (code, &answer["username"], &answer["origin"]["kind"]),
        (0, &json!("system:serviceaccount:dev:dev"), &json!("service-account"))
    );
    assert!(answer["expiresAt"].is_string(), "{answer}");
    let (_, answer) = stage.json("admin", &["whoami", "--as", "alice", "--as-group", "oidc:backend"]);
    assert_eq!(answer["origin"]["kind"], "impersonation");
    assert!(answer["groups"][0]["boundTo"][0].as_str().is_some_and(|text| text.contains("pod-reader")), "{answer}");
    let text = stdout(&stage.run("dev", &["whoami"]));
    assert!(text.contains("how it knows") && text.contains("every service account of namespace dev"), "{text}");
    let output = stage.run("dev", &["whoami", "--token", "nonsense"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let (code, answer) = stage.json("dev", &["whoami", "--token", "nonsense"]);
    assert_eq!((code, &answer["finding"]), (1, &json!("credential-rejected")), "{answer}");
    for key in ["username", "uid", "groups", "extra", "origin", "expiresAt"] {
        assert_eq!(answer.get(key), Some(&json!(null)), "{key}: {answer}");
    }
    // With -q the exit code is the whole answer; a type that is not there is warned of, as kubectl does.
    for (words, code, said) in [
        (&["whoami", "-q", "--token", "nonsense"][..], 1, ""),
        (&["whoami", "-q"], 0, ""),
        (&["can-i", "get", "configmaps/other", "-n", "dev", "--why", "-q"], 1, ""),
        (&["who-can", "list", "pods", "-q", "-n", "dev"], 2, "error: "),
        (&["can-i", "list", "foo", "-q", "-n", "dev"], 1, "Warning: the server doesn't have a resource type 'foo'"),
    ] {
        let output = stage.run("dev", words);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(code), ""), "{words:?}: {stderr}");
        assert!(stderr.starts_with(said) && said.is_empty() == stderr.is_empty(), "{words:?}: {stderr}");
    }
}

#[test]
fn ways_are_drawn() {
    let Some(lab) = lab::require_apiserver() else { return };
    let stage = Stage::start(lab);
    let drawn = |context: &str, words: &str| stdout(&stage.run(context, &words.split(' ').collect::<Vec<_>>()));
    let text = drawn("admin", "who-can get pods/log -n dev -o mermaid");
    assert!(text.starts_with("flowchart LR\n") && text.contains("ServiceAccount dev/dev"), "{text}");
    let text = drawn("admin", "can-i get pods/log -n dev --as system:serviceaccount:dev:dev --why -o dot");
    assert!(text.starts_with("digraph access {\n") && text.contains("in namespace dev: yes"), "{text}");
    let text = drawn("admin", "can-i get pods -n prod --as system:serviceaccount:dev:dev --why -o mermaid");
    assert!(text.contains("-.->") && text.contains("in namespace prod: no"), "{text}");
    assert_eq!(stage.run("admin", &["can-i", "get", "pods", "-o", "dot"]).status.code(), Some(2));
}
