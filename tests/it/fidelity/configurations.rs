//! Configurations that kube-apiserver refuses to start with: its words are the model's.

use std::collections::BTreeMap;

use kaccess::apiserver::configuration::{from_flags, parse_flags_text};
use kaccess::evidence::apiserver::Flags;
use serde_json::{Value, json};

use super::jwt::RELEASES;
use crate::support::lab::{self, ApiServer, Options};

/// Each file has one or more faults.
fn files() -> Vec<Value> {
    let good = || {
        json!({ "issuer": { "url": "https://a.example", "audiences": ["x"] },
            "claimMappings": { "username": { "claim": "sub", "prefix": "" } } })
    };
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut entry = good();
        change(&mut entry);
        json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [entry] })
    };
    let username =
        |expression: &str| changed(&|entry| entry["claimMappings"]["username"] = json!({ "expression": expression }));
    let rule = |rule: Value| changed(&|entry| entry["claimValidationRules"] = json!([rule]));
    let extra = |key: &str, value: &str| {
        changed(&|entry| entry["claimMappings"]["extra"] = json!([{ "key": key, "valueExpression": value }]))
    };
    let mut two = changed(&|_| {});
    two["jwt"] = json!([good(), good()]);
    let mut anonymous = changed(&|_| {});
    anonymous["anonymous"] = json!({ "enabled": false, "conditions": [{ "path": "/healthz" }] });
    let mut version = changed(&|_| {});
    version["apiVersion"] = json!("apiserver.config.k8s.io/v2");
    let mut field = changed(&|_| {});
    field["foo"] = json!(1);
    let list = |text: &str| json!(text);
    vec![
        changed(&|entry| entry["issuer"]["url"] = json!("http://a.example")),
        changed(&|entry| entry["issuer"]["url"] = json!("")),
        changed(&|entry| entry["issuer"]["url"] = json!("https://u:p@a.example?x=1#f")),
        changed(&|entry| entry["issuer"]["url"] = json!("https://kubernetes.default.svc")),
        changed(&|entry| entry["issuer"]["audiences"] = json!([])),
        changed(&|entry| entry["issuer"]["audiences"] = json!(["a", "a"])),
        changed(&|entry| entry["issuer"]["audiences"] = json!(["a", "b"])),
        changed(&|entry| entry["issuer"]["audienceMatchPolicy"] = json!("All")),
        changed(&|entry| entry["issuer"]["discoveryURL"] = json!("https://a.example/")),
        changed(&|entry| entry["issuer"]["egressSelectorType"] = json!("etcd")),
        changed(&|entry| entry["issuer"]["certificateAuthority"] = json!("no PEM")),
        changed(&|entry| entry["claimMappings"]["username"] = json!({ "claim": "sub" })),
        changed(&|entry| entry["claimMappings"]["username"] = json!({})),
        changed(&|entry| {
            entry["claimMappings"]["username"] = json!({ "claim": "sub", "prefix": "", "expression": "claims.sub" })
        }),
        changed(&|entry| entry["claimMappings"]["groups"] = json!({ "expression": "claims.groups", "prefix": "x" })),
        changed(&|entry| entry["claimMappings"]["uid"] = json!({ "claim": "a", "expression": "claims.b" })),
        username("claims.groups.map(g, g)"),
        username("claims.email"),
        username("claims.sub +"),
        username("foo.bar"),
        username("1 + 'a'"),
        username("claims.email_verified ? claims.email : claims.sub.size()"),
        rule(json!({ "expression": "claims.hd" })),
        rule(json!({ "expression": "user.username == 'x'" })),
        rule(json!({ "claim": "a", "expression": "true" })),
        rule(json!({ "claim": "a", "message": "m" })),
        rule(json!({})),
        changed(&|entry| entry["userValidationRules"] = json!([{ "expression": "claims.sub == 'x'" }])),
        changed(&|entry| {
            entry["userValidationRules"] = json!([{ "expression": "user.name == 'x'" }, { "expression": "" }])
        }),
        extra("foo", "claims.a"),
        extra("Example.com/Foo", "claims.a"),
        extra("k8s.io/foo", "claims.a"),
        extra("example.com/foo", ""),
        two,
        anonymous,
        version,
        field,
        changed(&|entry| entry["issuer"]["urll"] = json!("x")),
        changed(&|entry| entry["issuer"]["audiences"] = json!("x")),
        json!({ "kind": "AuthenticationConfiguration" }),
        list("text"),
    ]
}

/// What stands behind `err=` where the server gives up: a quoted text, or klog's block of several lines.
fn said(log: &str) -> String {
    let Some((_, rest)) = log.rsplit_once("\"command failed\" err=") else { return log.to_owned() };
    match rest.strip_prefix('<') {
        Some(block) => block.split("\n >").next().unwrap_or_default().to_owned(),
        None => serde_json::from_str(rest.lines().next().unwrap_or_default()).unwrap_or_else(|_| rest.to_owned()),
    }
}

/// The indentation of klog's blocks does not count, nor does the file's name.
fn squeezed(text: &str, file: &str) -> String {
    text.replace(file, "FILE").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn refused_configurations_are_refused_in_the_servers_words() {
    let Some(lab) = lab::require_apiserver() else { return };
    let release = RELEASES[1];
    let mut differences = Vec::new();
    let files = files();
    for document in &files {
        let options = Options::default().without_audit().release(release).authentication_config(document.to_string());
        let (log, file) = ApiServer::refusal(lab, options);
        let mut flags = Flags { source: file.clone(), complete: true, ..Flags::default() };
        flags.flags = BTreeMap::from([
            ("service-account-issuer".to_owned(), vec!["https://kubernetes.default.svc".to_owned()]),
            ("authentication-config".to_owned(), vec![file.clone()]),
        ]);
        flags.authentication_configuration = Some(
            parse_flags_text(&document.to_string(), &file)
                .ok()
                .and_then(|inner| inner.authentication_configuration)
                .unwrap_or_else(|| document.clone()),
        );
        let model = from_flags(&flags).err().unwrap_or_default().join("\n");
        let (server, model) = (squeezed(&said(&log), &file), squeezed(&model, &file));
        if server != model {
            differences.push(format!("{document}\n  server {server}\n  model  {model}"));
        }
    }
    lab::tell(&format!("fidelity configurations: {} refused, {} differences", files.len(), differences.len()));
    assert!(differences.is_empty(), "{} of {}: {differences:#?}", differences.len(), files.len());
}
