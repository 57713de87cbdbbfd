//! Screens as they were: what each command shows on a terminal of 80 and of 120 columns, kept in testdata/screens so that
//! a change of the look is seen in review. KACCESS_UPDATE=1 writes them anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::screen::Terminal;
use crate::support::front::answer;
use crate::support::run::command;
use crate::support::stage::{Stage, api_answer, certified, kubeconfig, not_found, path};

/// An API server with a role for developers, whose user may read Pods in one namespace and nothing else.
fn server() -> (Stage, std::path::PathBuf) {
    let (ca, pair) = certified();
    let stage = Stage::tls(
        &pair,
        Arc::new(|asked, out| {
            let list = |kind: &str, items: Value| json!({ "kind": kind, "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {}, "items": items });
            let body = match path(asked).split('?').next().unwrap_or_default() {
                "/apis/rbac.authorization.k8s.io/v1/roles" => list(
                    "RoleList",
                    json!([{ "metadata": { "name": "pod-reader", "namespace": "shop" },
                        "rules": [{ "verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods", "pods/log"] }] }]),
                ),
                "/apis/rbac.authorization.k8s.io/v1/rolebindings" => list(
                    "RoleBindingList",
                    json!([{ "metadata": { "name": "developers", "namespace": "shop" },
                        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pod-reader" },
                        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "dev" },
                            { "kind": "ServiceAccount", "name": "exporter", "namespace": "monitoring" }] }]),
                ),
                "/apis/rbac.authorization.k8s.io/v1/clusterroles" => list(
                    "ClusterRoleList",
                    json!([{ "metadata": { "name": "cluster-admin" },
                        "rules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] },
                            { "verbs": ["*"], "nonResourceURLs": ["*"] }] }]),
                ),
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings" => list(
                    "ClusterRoleBindingList",
                    json!([{ "metadata": { "name": "cluster-admin" },
                        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
                        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:masters" }] }]),
                ),
                place if place.ends_with("/selfsubjectaccessreviews") => {
                    let spec = serde_json::from_slice::<Value>(&asked.body).unwrap_or_default()["spec"].clone();
                    let wanted = &spec["resourceAttributes"];
                    let allowed = wanted["namespace"] == "shop"
                        && wanted["resource"] == "pods"
                        && ["get", "list", "watch"].iter().any(|verb| wanted["verb"] == *verb);
                    let reason = if allowed {
                        "RBAC: allowed by RoleBinding \"developers/shop\" of Role \"pod-reader\" to Group \"dev\""
                    } else {
                        ""
                    };
                    json!({ "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {},
                        "spec": spec, "status": { "allowed": allowed, "reason": reason } })
                }
                _ => {
                    let _ = out.write_all(&api_answer(asked).unwrap_or_else(not_found));
                    return;
                }
            };
            let _ = out.write_all(&answer("200 OK", "Content-Type: application/json\r\n", &body.to_string()));
        }),
    );
    let config = kubeconfig(
        &format!("https://{}", stage.place()),
        Some(&ca),
        &json!({}),
        &json!({ "token": "an-opaque-token-of-a-test" }),
    );
    (stage, config)
}

/// A token for the eyes, up to its signature: nobody signed it.
const TOKEN: &str = concat!(
    "eyJhbGciOiJSUzI1NiIsImtpZCI6InNjcmVlbnMifQ.",
    "eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tL3JlYWxtcy9hY21lIiwic3ViIjoiNGYyYSIsImF1ZCI6WyJrdWJlcm5ldGVzIl0sImlhdCI6MTc5",
    "MDAwMDAwMCwiZXhwIjoxNzkwMDAzNjAwLCJwcmVmZXJyZWRfdXNlcm5hbWUiOiJhbGljZSIsImdyb3VwcyI6WyJkZXYiLCJzcmUiXX0.",
);

#[test]
fn every_command_looks_as_it_did() {
    let (_stage, config) = server();
    let config = config.to_string_lossy().into_owned();
    let case = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("testdata/cases")
            .join(name)
            .join("evidence.json")
            .to_string_lossy()
            .into_owned()
    };
    let (incident, workload, routed) =
        (case("first-incident"), case("workload-irsa-whole-secret-absent"), case("eks-oidc-routed-public"));
    let token = format!("{TOKEN}{}", "A".repeat(342));
    let at = ["--kubeconfig", config.as_str()];
    let on_server =
        |words: &[&'static str]| -> Vec<String> { words.iter().copied().chain(at).map(str::to_owned).collect() };
    let alone = |words: &[&str]| -> Vec<String> { words.iter().map(|word| (*word).to_owned()).collect() };
    let screens: Vec<(&str, Vec<String>, i32)> = vec![
        ("doctor-incident", alone(&["doctor", "--from", &incident]), 1),
        ("doctor-incident-short", alone(&["doctor", "--from", &incident, "--short"]), 1),
        ("decode-token", alone(&["decode", &token, "--at", "2026-09-21T14:20:00Z"]), 0),
        (
            "decode-against-flags",
            alone(&[
                "decode",
                &token,
                "--at",
                "2026-09-21T14:20:00Z",
                "--oidc-issuer-url",
                "https://login.example.com/realms/acme",
                "--oidc-client-id",
                "console",
            ]),
            2,
        ),
        ("can-i-yes", on_server(&["can-i", "list", "pods", "-n", "shop"]), 0),
        ("can-i-no", on_server(&["can-i", "delete", "pods", "-n", "shop"]), 1),
        ("can-i-why-yes", on_server(&["can-i", "list", "pods", "-n", "shop", "--why"]), 0),
        ("can-i-why-no", on_server(&["can-i", "delete", "pods", "-n", "shop", "--why"]), 1),
        ("who-can", on_server(&["who-can", "list", "pods", "-n", "shop"]), 0),
        ("whoami", on_server(&["whoami"]), 0),
        ("explain-text", alone(&["explain", "error: You must be logged in to the server (Unauthorized)"]), 0),
        ("explain-code", alone(&["explain", "token-audience-mismatch"]), 0),
        ("allowlist", alone(&["allowlist", "--from", &routed]), 0),
        ("workload", alone(&["workload", "--from", &workload]), 0),
        ("version", alone(&["version"]), 0),
        ("help", alone(&["--help"]), 0),
        ("help-doctor", alone(&["doctor", "--help"]), 0),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens");
    let update = std::env::var_os("KACCESS_UPDATE").is_some();
    let mut expected = BTreeSet::new();
    let mut stale = Vec::new();
    for (name, arguments, code) in &screens {
        for width in [80, 120] {
            let (ended, text) = Terminal::of(command().args(arguments), width);
            assert_eq!(ended, *code, "{name}: {text}");
            let text = with_one_port(&text);
            // A word that fits no line, as an ARN, is not broken: one copies it.
            let fits = |line: &str| line.split_whitespace().all(|word| word.chars().count() + 32 < width.into());
            let wide = text.lines().find(|line| line.chars().count() > width.into() && fits(line));
            // The short form is a line per finding, for grep.
            assert!(wide.is_none() || name.ends_with("short"), "{name} at {width} columns: {wide:?}");
            let file = folder.join(format!("{name}.{width}.txt"));
            if update {
                fs::create_dir_all(&folder).expect("testdata/screens");
                fs::write(&file, &text).expect("a screen");
            }
            if fs::read_to_string(&file).unwrap_or_default() != text {
                stale.push(format!("{}:\n{text}", file.display()));
            }
            expected.insert(file);
        }
    }
    assert!(stale.is_empty(), "KACCESS_UPDATE=1 if these are meant:\n{}", stale.join("\n"));
    let there: BTreeSet<_> = fs::read_dir(&folder).expect("the screens").flatten().map(|entry| entry.path()).collect();
    assert_eq!(there, expected, "a screen of nothing");
}

/// A port is another one in each run; all have five digits, so that nothing moves.
fn with_one_port(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("127.0.0.1:") {
        let digits = after.chars().take_while(char::is_ascii_digit).count();
        out.push_str(before);
        out.push_str("127.0.0.1:");
        out.push_str(if digits == 5 { "44444" } else { &after[..digits] });
        rest = &after[digits..];
    }
    out + rest
}
