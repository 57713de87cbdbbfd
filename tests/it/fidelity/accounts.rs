//! Tokens of service accounts, bootstrap tokens and the token file, on a server with the objects that they name.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Setting;
use super::jwt::{RELEASES, ask, check};
use super::tokens::{Draft, Keys, changes};
use crate::support::dice::Dice;
use crate::support::lab::issuer::Key;
use crate::support::lab::{self, ApiServer, Lab, Options, Release};

const ISSUER: &str = "https://kubernetes.default.svc";

/// What a server's cluster holds: the uid of each object by kind and name.
type Uids = BTreeMap<String, String>;

/// Makes the same objects on a server, and says their uids.
fn furnish(server: &ApiServer, now: i64) -> Uids {
    let mut uids = Uids::new();
    let mut made = |kind: &str, path: &str, mut body: Value| {
        body["kind"] = json!(kind);
        body["apiVersion"] = json!("v1");
        let answer = server.create(path, &body);
        let name = answer["metadata"]["name"].as_str().expect("a name").to_owned();
        uids.insert(format!("{kind}/{name}"), answer["metadata"]["uid"].as_str().expect("a uid").to_owned());
    };
    server.create_namespace("ci");
    let accounts = "/api/v1/namespaces/ci/serviceaccounts";
    for name in ["builder", "other"] {
        made("ServiceAccount", accounts, json!({ "metadata": { "name": name } }));
    }
    made("ServiceAccount", accounts, json!({ "metadata": { "name": "closing", "finalizers": ["lab/keep"] } }));
    let containers = json!([{ "name": "main", "image": "none" }]);
    for (name, finalizers) in [("pod", json!([])), ("closing", json!(["lab/keep"]))] {
        made(
            "Pod",
            "/api/v1/namespaces/ci/pods",
            json!({ "metadata": { "name": name, "finalizers": finalizers },
            "spec": { "containers": containers, "serviceAccountName": "builder" } }),
        );
    }
    made("Node", "/api/v1/nodes", json!({ "metadata": { "name": "n1" } }));
    let secrets = "/api/v1/namespaces/ci/secrets";
    made("Secret", secrets, json!({ "metadata": { "name": "bound" } }));
    let uid = uids["ServiceAccount/builder"].clone();
    let made = |kind: &str, path: &str, mut body: Value| {
        body["kind"] = json!(kind);
        body["apiVersion"] = json!("v1");
        server.create(path, &body);
    };
    for (name, labels) in
        [("legacy", json!({})), ("marked", json!({ "kubernetes.io/legacy-token-invalid-since": "2026-01-01" }))]
    {
        made(
            "Secret",
            secrets,
            json!({ "metadata": { "name": name, "labels": labels,
            "annotations": { "kubernetes.io/service-account.name": "builder", "kubernetes.io/service-account.uid": uid } },
            "type": "kubernetes.io/service-account-token",
            "data": { "token": "" } }),
        );
    }
    for (id, extra) in [
        ("goodaa", json!({})),
        ("groups", json!({ "auth-extra-groups": "system:bootstrappers:z,system:bootstrappers:a" })),
        ("badgrp", json!({ "auth-extra-groups": "system:masters" })),
        ("nouses", json!({ "usage-bootstrap-authentication": "false" })),
        ("expire", json!({ "expiration": Timestamp::from_second(now - 60).expect("a time").to_string() })),
        ("future", json!({ "expiration": Timestamp::from_second(now + 86_400).expect("a time").to_string() })),
        ("badexp", json!({ "expiration": "soon" })),
        ("otherx", json!({ "token-id": "abcdef" })),
        ("secret", json!({ "token-secret": "ffffffffffffffff" })),
    ] {
        let mut data =
            json!({ "token-id": id, "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true" });
        for (key, value) in extra.as_object().expect("an object") {
            data[key] = value.clone();
        }
        made(
            "Secret",
            "/api/v1/namespaces/kube-system/secrets",
            json!({ "metadata": { "name": format!("bootstrap-token-{id}") },
            "type": "bootstrap.kubernetes.io/token", "stringData": data }),
        );
    }
    made(
        "Secret",
        "/api/v1/namespaces/kube-system/secrets",
        json!({ "metadata": { "name": "bootstrap-token-opaque" },
        "stringData": { "token-id": "opaque", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true" } }),
    );
    for path in
        ["/api/v1/namespaces/ci/serviceaccounts/closing", "/api/v1/namespaces/ci/pods/closing?gracePeriodSeconds=0"]
    {
        server.api("DELETE", path, None);
    }
    uids
}

/// The objects as the API lists them; Secrets come with their content, which only this test's cluster has.
fn objects(server: &ApiServer) -> Vec<Value> {
    ["/api/v1/serviceaccounts", "/api/v1/pods", "/api/v1/nodes", "/api/v1/secrets"]
        .into_iter()
        .map(|path| {
            let mut list = server.api("GET", path, None).1;
            for item in list["items"].as_array_mut().expect("items") {
                item["metadata"].as_object_mut().expect("metadata").remove("managedFields");
                item.as_object_mut().expect("an object").remove("status");
            }
            list
        })
        .collect()
}

fn bound(uids: &Uids, now: i64) -> Draft {
    let mut draft = Draft::good(ISSUER, now);
    draft.claims.retain(|(name, _)| ["iss", "exp", "iat", "nbf", "jti"].contains(&name.as_str()));
    draft.claim("aud", &json!([ISSUER]).to_string());
    draft.claim("sub", "\"system:serviceaccount:ci:builder\"");
    draft.claim("kubernetes.io", &account(uids, &json!({})).to_string());
    draft
}

/// The `kubernetes.io` claim, changed.
fn account(uids: &Uids, change: &Value) -> Value {
    let mut value =
        json!({ "namespace": "ci", "serviceaccount": { "name": "builder", "uid": uids["ServiceAccount/builder"] } });
    for (key, changed) in change.as_object().expect("an object") {
        value[key] = changed.clone();
    }
    value
}

fn legacy_claims(uid: &str) -> Vec<(String, String)> {
    let text = |text: &str| json!(text).to_string();
    [
        ("iss", "kubernetes/serviceaccount"),
        ("kubernetes.io/serviceaccount/namespace", "ci"),
        ("kubernetes.io/serviceaccount/secret.name", "NAME"),
        ("kubernetes.io/serviceaccount/service-account.name", "builder"),
        ("kubernetes.io/serviceaccount/service-account.uid", uid),
        ("sub", "system:serviceaccount:ci:builder"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), text(value)))
    .collect()
}

/// Every token, for the uids of one server.
fn tokens(keys: &Keys, uids: &Uids, now: i64) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let mut add = |name: String, draft: &Draft| list.push((name, draft.token(keys)));
    let good = bound(uids, now);
    add("bound: good".to_owned(), &good);
    let all = changes();
    for (name, change) in &all {
        let mut draft = good.clone();
        change(&mut draft, now);
        add(format!("bound: {name}"), &draft);
    }
    let uid = |name: &str| json!(uids[name]);
    let wrong = json!("00000000-0000-0000-0000-000000000000");
    let references = [
        ("service account of another uid", json!({ "serviceaccount": { "name": "builder", "uid": wrong } })),
        ("service account that is not there", json!({ "serviceaccount": { "name": "nobody", "uid": wrong } })),
        ("service account without name", json!({ "serviceaccount": { "uid": wrong } })),
        (
            "service account being deleted",
            json!({ "serviceaccount": { "name": "closing", "uid": uid("ServiceAccount/closing") } }),
        ),
        ("no service account", json!({ "serviceaccount": null })),
        ("another namespace", json!({ "namespace": "default" })),
        ("no namespace", json!({ "namespace": "" })),
        ("namespace number", json!({ "namespace": 7 })),
        ("pod", json!({ "pod": { "name": "pod", "uid": uid("Pod/pod") } })),
        ("pod of another uid", json!({ "pod": { "name": "pod", "uid": wrong } })),
        ("pod that is not there", json!({ "pod": { "name": "nobody", "uid": wrong } })),
        ("pod being deleted", json!({ "pod": { "name": "closing", "uid": uid("Pod/closing") } })),
        (
            "pod and node",
            json!({ "pod": { "name": "pod", "uid": uid("Pod/pod") }, "node": { "name": "n1", "uid": uid("Node/n1") } }),
        ),
        (
            "pod and wrong node",
            json!({ "pod": { "name": "pod", "uid": uid("Pod/pod") }, "node": { "name": "n9", "uid": wrong } }),
        ),
        (
            "pod and node without uid",
            json!({ "pod": { "name": "pod", "uid": uid("Pod/pod") }, "node": { "name": "n1" } }),
        ),
        ("pod a text", json!({ "pod": "pod" })),
        ("pod null", json!({ "pod": null })),
        ("secret", json!({ "secret": { "name": "bound", "uid": uid("Secret/bound") } })),
        ("secret of another uid", json!({ "secret": { "name": "bound", "uid": wrong } })),
        ("secret that is not there", json!({ "secret": { "name": "nobody", "uid": wrong } })),
        (
            "secret and pod",
            json!({ "secret": { "name": "bound", "uid": uid("Secret/bound") }, "pod": { "name": "pod", "uid": wrong } }),
        ),
        ("node", json!({ "node": { "name": "n1", "uid": uid("Node/n1") } })),
        ("node of another uid", json!({ "node": { "name": "n1", "uid": wrong } })),
        ("node that is not there", json!({ "node": { "name": "n9", "uid": wrong } })),
        ("warnafter past", json!({ "warnafter": now - 60 })),
        ("warnafter a text", json!({ "warnafter": "soon" })),
        ("the other account", json!({ "serviceaccount": { "name": "other", "uid": uid("ServiceAccount/other") } })),
    ];
    for (name, change) in &references {
        let mut draft = good.clone();
        draft.claim("kubernetes.io", &account(uids, change).to_string());
        add(format!("bound: {name}"), &draft);
    }
    for value in ["7", "null", "[]", "\"x\"", "{}"] {
        let mut draft = good.clone();
        draft.claim("kubernetes.io", value);
        add(format!("bound: kubernetes.io {value}"), &draft);
    }
    let mut dice = Dice(7);
    for _ in 0..120 {
        let (first, second) = (&references[dice.below(references.len())], &all[dice.below(all.len())]);
        let mut draft = good.clone();
        draft.claim("kubernetes.io", &account(uids, &first.1).to_string());
        second.1(&mut draft, now);
        add(format!("bound: {} + {}", first.0, second.0), &draft);
    }

    let legacy = |secret: &str| {
        let mut draft = Draft::good(ISSUER, now);
        draft.header.retain(|(name, _)| name != "typ");
        draft.claims = legacy_claims(&uids["ServiceAccount/builder"]);
        draft.claim("kubernetes.io/serviceaccount/secret.name", &json!(secret).to_string());
        draft
    };
    for secret in ["legacy", "marked", "nobody"] {
        add(format!("legacy: {secret}"), &legacy(secret));
    }
    for (name, value) in [
        ("sub", "\"\""),
        ("sub", "\"system:serviceaccount:ci:other\""),
        ("sub", "7"),
        ("exp", "1"),
        ("nbf", "99999999999"),
        ("aud", "\"vault\""),
        ("aud", "[]"),
        ("kubernetes.io/serviceaccount/namespace", "\"\""),
        ("kubernetes.io/serviceaccount/namespace", "7"),
        ("kubernetes.io/serviceaccount/secret.name", "\"\""),
        ("kubernetes.io/serviceaccount/service-account.name", "\"\""),
        ("kubernetes.io/serviceaccount/service-account.uid", "\"\""),
        ("kubernetes.io/serviceaccount/service-account.uid", "\"x\""),
        ("kubernetes.io/serviceaccount/service-account.name", "\"other\""),
    ] {
        let mut draft = legacy("legacy");
        draft.claim(name, value);
        add(format!("legacy: {name} {value}"), &draft);
    }
    for (name, change) in all.iter().take(70) {
        let mut draft = legacy("legacy");
        change(&mut draft, now);
        add(format!("legacy: {name}"), &draft);
    }
    for id in [
        "goodaa", "groups", "badgrp", "nouses", "expire", "future", "badexp", "otherx", "secret", "opaque", "absent",
        "static",
    ] {
        list.push((format!("bootstrap: {id}"), format!("{id}.0123456789abcdef")));
    }
    for text in [
        "goodaa.0123456789abcdeF",
        "GOODAA.0123456789abcdef",
        "goodaa.0123456789abcde",
        "goodaa",
        "goodaa.0123456789abcdef.x",
    ] {
        list.push((format!("bootstrap: {text}"), text.to_owned()));
    }
    for text in [
        "static-1",
        "static-2",
        "static-3",
        "static-4",
        "static-5",
        "static",
        "STATIC-1",
        "k8s-aws-v1.aHR0cHM",
        "x",
        "{}",
    ] {
        list.push((format!("static: {text}"), text.to_owned()));
    }
    list
}

const TOKEN_FILE: &str = "static-1,carol,1\nstatic-2,dave,2,\"a,b\"\nstatic-3,\"e, f\",3,one\n\nstatic-4,old,4\nstatic-4,new,5,\n\
    static.0123456789abcdef,both,6\n,nobody,7\n\"static-5\",,\n";

#[test]
fn service_accounts_and_tokens_without_claims() {
    let Some(lab) = lab::require_apiserver() else { return };
    for release in RELEASES {
        one_release(lab, release);
    }
}

fn one_release(lab: &Lab, release: Release) {
    let folder = lab.dir("tokens");
    let file = folder.join("tokens.csv");
    std::fs::write(&file, TOKEN_FILE).expect("the token file");
    let pem = std::fs::read_to_string(&lab.pki.service_account_key).expect("the key");
    let keys = Keys::of_accounts(Key::from_pem(&pem));
    let options = Options::default()
        .without_audit()
        .release(release)
        .flag(format!("--token-auth-file={}", file.display()))
        .flag("--enable-bootstrap-token-auth=true");
    let server = ApiServer::start(lab, options);
    let now = Timestamp::now().as_second();
    let uids = furnish(&server, now);
    // The tokens name the uid, so they come into the Secrets afterwards.
    for name in ["legacy", "marked"] {
        let mut draft = Draft::good(ISSUER, now);
        draft.header.retain(|(member, _)| member != "typ");
        draft.claims = legacy_claims(&uids["ServiceAccount/builder"]);
        draft.claim("kubernetes.io/serviceaccount/secret.name", &json!(name).to_string());
        let patch = json!({ "data": { "token": STANDARD.encode(draft.token(&keys)) } });
        let (status, answer) = server.api("PATCH", &format!("/api/v1/namespaces/ci/secrets/{name}"), Some(&patch));
        assert_eq!(status, 200, "{answer}");
    }
    // The server's own picture of the Secrets follows in its own time and in the order of what happened: the last one is
    // waited for. Those of the other kinds are older.
    let secrets = "/api/v1/namespaces/kube-system/secrets";
    let last = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "bootstrap-token-zzzzzz" },
        "type": "bootstrap.kubernetes.io/token",
        "stringData": { "token-id": "zzzzzz", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true" } });
    server.create(secrets, &last);
    server.wait_accepted("zzzzzz.0123456789abcdef");
    let (status, answer) = server.api("DELETE", &format!("{secrets}/bootstrap-token-zzzzzz"), None);
    assert_eq!(status, 200, "{answer}");
    let flags = [
        ("service-account-issuer", ISSUER),
        ("enable-bootstrap-token-auth", "true"),
        ("token-auth-file", "tokens.csv"),
    ];
    let objects = objects(&server);
    let pairs = ask(&[(release, server)], tokens(&keys, &uids, now));
    let setting = Setting {
        flags: flags.into_iter().map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect(),
        authentication: None,
        issuers: [ISSUER, "kubernetes/serviceaccount"]
            .into_iter()
            .map(|issuer| (issuer.to_owned(), json!({ "set": keys.set() })))
            .collect(),
        objects,
        token_file: Some(TOKEN_FILE.to_owned()),
    };
    check(&format!("accounts-{}", release.minor()), &setting, &pairs);
}
