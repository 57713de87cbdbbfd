//! Configurations that kube-apiserver refuses to start with: its words are the model's.

use std::collections::BTreeMap;

use kaccess::apiserver::configuration::{from_flags, parse_flags_text};
use kaccess::evidence::apiserver::Flags;
use serde_json::{Value, json};

use super::jwt::RELEASES;
use crate::support::lab::{self, ApiServer, Options};

/// A CA of the lab's kind.
const CA: &str = "-----BEGIN CERTIFICATE-----
MIIBVTCB/KADAgECAhR77HNLDdf0ITTY3kSW2hdqBPOyTTAKBggqhkjOPQQDAjAR
MQ8wDQYDVQQDDAZyZWQtY2EwHhcNMjYxMTI1MDE1MDE5WhcNMzYxMTIzMDE1MDE5
WjARMQ8wDQYDVQQDDAZyZWQtY2EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQT
hP0LNQimn35E/Cr97ygnphcyQkwCkjC4SzPJfCHgnPwuMTjxHHYbTaTBYbztNXP/
PaBC3eZweI2YE/8MQ1LXozIwMDAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBS0
At+6NIwxwCvoBp9lJOzLtMGIVTAKBggqhkjOPQQDAgNIADBFAiEAnSYoczt64cVH
5yLurzROvTed9wsuA/OMgWCfOFdPZXoCIEZ8sLbKie2IaCJ36LbfUsijg/1LRFzx
YqYK/OlqfBvB
-----END CERTIFICATE-----
";

/// URLs that Go does not parse, each for a reason of its own.
const NO_URLS: [&str; 18] = [
    "https://h /x",
    "https://h\\x/y",
    "https://h\t/x",
    "https://h/\u{1}",
    "https://h/%zz",
    "https://h/%4",
    "https://h%41.test/",
    "https://[::1",
    "https://[zz]/",
    "https://[1.2.3.4]/",
    "https://a[::1]/",
    "https://h:abc/x",
    "https://h:1:2/x",
    "https://u ser@h/",
    "https://u:%zz@h/",
    "https://h/#%zz",
    "://h",
    "1https://h",
];

/// Bundles of CAs that the server refuses.
fn no_bundles() -> Vec<String> {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n");
    let lines: Vec<&str> = CA.lines().collect();
    let truncated = format!("{begin}{}\n{end}", lines[1..6].join("\n"));
    vec![
        format!("{CA}{truncated}"),
        format!("{begin}AA\n{end}"),
        format!("{begin}MAA=\n{end}"),
        format!("{begin}{end}"),
        CA.replacen(begin, &format!("{begin}X: y\n\n"), 1),
        CA.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        CA.replace('\n', "\r"),
        CA.replacen("-----END", "----END", 1),
        truncated,
    ]
}

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
    let mut files = vec![
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
        extra("example.com/b c", "claims.a"),
        extra("example.com/é", "claims.a"),
        extra("-a.com/É[", "claims.a"),
        username("int('x')"),
        username(&format!("{}'a'{}", "(".repeat(250), ")".repeat(250))),
        rule(json!({ "expression": format!("{}{}", "[".repeat(300), "]".repeat(300)) })),
        rule(json!({ "expression": "google.protobuf.Struct{}" })),
        rule(json!({ "expression": "google.protobuf.Timestamp{}" })),
        json!({ "kind": "AuthenticationConfiguration" }),
        list("text"),
    ];
    files.extend(NO_URLS.map(|url| changed(&|entry| entry["issuer"]["url"] = json!(url))));
    files.push(changed(&|entry| entry["issuer"]["discoveryURL"] = json!("https://h /x")));
    files.extend(no_bundles().iter().map(|pem| changed(&|entry| entry["issuer"]["certificateAuthority"] = json!(pem))));
    files
}

/// What looks odd, and the server takes: the model must not refuse it.
fn odd() -> Vec<Value> {
    let entry = |name: &str, value: String| {
        let mut entry = json!({ "issuer": { "url": "https://a.example", "audiences": ["x"] },
            "claimMappings": { "username": { "claim": "sub", "prefix": "" } } });
        entry["issuer"][name] = json!(value);
        json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": [entry] })
    };
    let urls =
        ["https://h<x>/y", "https://h:/x", "https://[::1]:443/x", "https://[fe80::1%25eth0]/x", "https://h%c3%a9/"];
    let mut files: Vec<Value> = urls.map(|url| entry("url", url.to_owned())).to_vec();
    for pem in [
        CA.replace('\n', "\r\n"),
        format!("text\n{CA}text"),
        format!("{}{CA}", CA.replace("CERTIFICATE", "KEY")),
        CA.replace('M', "M \t"),
    ] {
        files.push(entry("certificateAuthority", pem));
    }
    files
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

/// The model's errors for a file of this name.
fn modelled(document: &Value, file: &str) -> String {
    let mut flags = Flags { source: file.to_owned(), complete: true, ..Flags::default() };
    flags.flags = BTreeMap::from([
        ("service-account-issuer".to_owned(), vec!["https://kubernetes.default.svc".to_owned()]),
        ("authentication-config".to_owned(), vec![file.to_owned()]),
    ]);
    flags.authentication_configuration = Some(
        parse_flags_text(&document.to_string(), file)
            .ok()
            .and_then(|inner| inner.authentication_configuration)
            .unwrap_or_else(|| document.clone()),
    );
    from_flags(&flags).err().unwrap_or_default().join("\n")
}

#[test]
fn odd_configurations_that_the_server_takes_are_taken() {
    for document in odd() {
        assert_eq!(modelled(&document, "file"), "", "{document}");
    }
    let Some(lab) = lab::require_apiserver() else { return };
    // One server takes them all, under issuers of their own.
    let mut all = odd();
    for (index, document) in all.iter_mut().enumerate() {
        let issuer = &mut document["jwt"][0]["issuer"];
        if issuer["url"] == "https://a.example" {
            issuer["url"] = json!(format!("https://a{index}.example"));
        }
    }
    let entries: Vec<Value> = all.iter().map(|document| document["jwt"][0].clone()).collect();
    all[0]["jwt"] = json!(entries);
    let options = Options::default().without_audit().release(RELEASES[1]).authentication_config(all[0].to_string());
    // It would not become ready otherwise.
    ApiServer::start(lab, options);
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
        let model = modelled(document, &file);
        let (server, model) = (squeezed(&said(&log), &file), squeezed(&model, &file));
        if server != model {
            differences.push(format!("{document}\n  server {server}\n  model  {model}"));
        }
    }
    lab::tell(&format!("fidelity configurations: {} refused, {} differences", files.len(), differences.len()));
    assert!(differences.is_empty(), "{} of {}: {differences:#?}", differences.len(), files.len());
}
