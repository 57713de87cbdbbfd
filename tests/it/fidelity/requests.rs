//! Whole requests, with certificates, headers and tokens at once: what the server does, and what
//! `kaccess decode --request` says of the same request without any server.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, date_time_ymd};
use serde_json::{Value, json};

use crate::support::dice::Dice;
use crate::support::lab::http::Client;
use crate::support::lab::pki::Identity;
use crate::support::lab::{self, ApiServer, Lab, Options};
use crate::support::run::{command, scratch};

const REVIEW: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

type Headers = Vec<(String, String)>;

/// Client certificates, good and odd.
fn certificates(lab: &Lab) -> Vec<(&'static str, Option<Identity>)> {
    let (ca, proxy) = (&lab.pki.ca, &lab.pki.front_proxy_ca);
    let odd = |name: &'static str, user: &str, groups: &[&str], change: fn(&mut CertificateParams)| {
        (name, Some(ca.sign_odd(&format!("odd-{}", name.replace(' ', "-")), user, groups, change)))
    };
    let uid = vec![1, 3, 6, 1, 4, 1, 57683, 2];
    let with_uid = ca.sign_odd("odd-uid", "jane", &["backend"], |params| {
        params.distinguished_name.push(DnType::CustomDnType(uid), "u-7");
    });
    vec![
        ("none", None),
        ("jane", Some(lab.pki.client.clone())),
        ("admin", Some(lab.pki.admin.clone())),
        ("expired", Some(lab.pki.expired_client.clone())),
        ("foreign", Some(lab.pki.foreign_client.clone())),
        ("front proxy", Some(lab.pki.front_proxy.clone())),
        ("front proxy of another name", Some(proxy.sign_client("other-proxy", "other-proxy", &[]))),
        ("front proxy's name by the client CA", Some(ca.sign_client("fake-proxy", "front-proxy-client", &[]))),
        ("uid", Some(with_uid)),
        odd("for servers only", "jane", &["backend"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        odd("for everything", "jane", &["a", "b"], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any];
        }),
        odd("without usage", "Jürgen", &[], |params| params.extended_key_usages = Vec::new()),
        odd("without name", "x", &[], |params| {
            let mut name = DistinguishedName::new();
            name.push(DnType::OrganizationName, "backend");
            params.distinguished_name = name;
        }),
        odd("not yet", "jane", &[], |params| params.not_before = date_time_ymd(2045, 1, 1)),
    ]
}

/// Headers that bring a credential, or look as if.
fn header_sets(token: &str) -> Vec<(&'static str, Headers)> {
    let list = |pairs: &[(&str, &str)]| -> Headers {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let bearer = format!("Bearer {token}");
    let protocol = format!("base64url.bearer.authorization.k8s.io.{}", URL_SAFE_NO_PAD.encode(token));
    let junk = format!("base64url.bearer.authorization.k8s.io.{}", URL_SAFE_NO_PAD.encode("junk"));
    let socket = |values: &[&str]| {
        let mut pairs = vec![("Connection", "Upgrade"), ("Upgrade", "websocket")];
        pairs.extend(values.iter().map(|value| ("Sec-WebSocket-Protocol", *value)));
        list(&pairs)
    };
    vec![
        ("nothing", Vec::new()),
        ("bearer", list(&[("Authorization", &bearer)])),
        ("bearer junk", list(&[("Authorization", "Bearer junk")])),
        ("bearer in capitals", list(&[("Authorization", &bearer.replace("Bearer", "BEARER"))])),
        ("two blanks", list(&[("Authorization", &bearer.replace("Bearer ", "Bearer  "))])),
        ("words behind", list(&[("Authorization", &format!("{bearer} and more"))])),
        ("basic", list(&[("Authorization", "Basic YTpi")])),
        ("scheme alone", list(&[("Authorization", "Bearer")])),
        ("two headers", list(&[("Authorization", "Bearer junk"), ("Authorization", &bearer)])),
        ("basic and bearer", list(&[("Authorization", "Basic YTpi"), ("Authorization", &bearer)])),
        ("websocket", socket(&[&protocol, "v5.channel.k8s.io"])),
        ("websocket in one", socket(&[&format!("v5.channel.k8s.io, {protocol}")])),
        ("websocket alone", socket(&[&protocol])),
        ("websocket twice", socket(&[&protocol, &protocol, "x"])),
        ("websocket junk", socket(&[&junk, "x"])),
        ("websocket padded", socket(&["base64url.bearer.authorization.k8s.io.YWI=", "x"])),
        ("websocket without upgrade", list(&[("Sec-WebSocket-Protocol", &format!("{protocol}, x"))])),
        ("user", list(&[("X-Remote-User", "carol")])),
        (
            "user and groups",
            list(&[
                ("X-Remote-User", "carol"),
                ("X-Remote-Group", "a"),
                ("x-remote-group", "b,c"),
                ("X-Remote-Extra-Scopes", "one"),
                ("X-Remote-Extra-Example.org%2FKey", "two"),
                ("X-Remote-Extra-scopes", "three"),
            ]),
        ),
        ("empty user", list(&[("X-Remote-User", ""), ("X-Remote-User", "carol")])),
        ("two users", list(&[("X-Remote-User", "carol"), ("X-Remote-User", "dave")])),
        ("groups only", list(&[("X-Remote-Group", "system:masters")])),
        ("uid header", list(&[("X-Remote-User", "carol"), ("X-Remote-Uid", "u-1")])),
        ("masters", list(&[("X-Remote-User", "carol"), ("X-Remote-Group", "system:masters")])),
        ("unauthenticated", list(&[("X-Remote-User", "carol"), ("X-Remote-Group", "system:unauthenticated")])),
        ("cookie", list(&[("Cookie", "token=x")])),
    ]
}

/// Headers with blanks around their values: over HTTP/1.1 they are no part of it, over HTTP/2 they are.
fn blank_sets() -> Vec<Headers> {
    let list = |pairs: &[(&str, &str)]| -> Headers {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    vec![
        list(&[("X-Remote-User", "  alice"), ("X-Remote-Group", "dev")]),
        list(&[("X-Remote-User", "alice"), ("X-Remote-Group", "system:masters ")]),
        list(&[("X-Remote-User", " ")]),
        list(&[("X-Remote-User", "alice\t"), ("X-Remote-Group", " b\t"), ("X-Remote-Extra-Scopes", " one ")]),
        list(&[("X-Remote-User", " \t"), ("X-Remote-User", "bob")]),
        list(&[("Authorization", "  Bearer junk  ")]),
    ]
}

/// A request and what became of it.
struct Case {
    server: String,
    /// As the request file says it; none where it does not.
    protocol: Option<String>,
    path: String,
    headers: Headers,
    certificate: Option<String>,
    at: i64,
    said: Value,
}

/// What the server did: the user, the log's error, or only a status.
fn ask(server: &ApiServer, client: &Client, method: &str, path: &str, headers: &Headers) -> Value {
    let before = server.log().len();
    let body = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" }).to_string();
    let (status, answer) = client
        .send_headers(headers, method, &format!("{}{path}", server.url()), &body)
        .unwrap_or_else(|error| panic!("{method} {path} {headers:?}: {error}"));
    match status {
        201 => {
            json!({ "user": super::answer_of(&json!({ "authenticated": true, "user": answer["status"]["userInfo"] }))["user"] })
        }
        401 => {
            let log = server.log();
            let line = log[before..].lines().find(|line| line.contains("Unable to authenticate the request"));
            let error = line.and_then(|line| line.split_once("err=")).map(|(_, text)| {
                serde_json::from_str::<String>(text).unwrap_or_else(|_| panic!("a quoted error: {text}"))
            });
            json!({ "error": error.unwrap_or_default() })
        }
        // Known, but not allowed even this: the message tells the name.
        403 => {
            let message = answer["message"].as_str().unwrap_or_default();
            let name = message.split("User \"").nth(1).and_then(|rest| rest.split('"').next());
            json!({ "name": name.unwrap_or_else(|| panic!("a forbidden message: {answer}")) })
        }
        200 => json!({ "status": 200 }),
        other => panic!("{method} {path}: {other} {answer}"),
    }
}

/// The same question to kaccess, which has nothing but files.
fn judge(folder: &Path, server: &str, index: usize, case: &Case) -> Value {
    let request = folder.join(format!("request-{index}.json"));
    let content = json!({ "protocol": case.protocol, "path": case.path, "headers": case.headers,
        "clientCertificate": case.certificate });
    fs::write(&request, content.to_string()).expect("the request");
    let at = Timestamp::from_second(case.at).expect("a time").to_string();
    let output = command()
        .args(["decode", "-o", "json", "--server-version", "1.36", "--at", &at, "--request"])
        .arg(&request)
        .arg("--against")
        .arg(folder.join(server))
        .arg("--objects")
        .arg(folder.join("objects.json"))
        .output()
        .expect("kaccess runs");
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    report["judgement"].clone()
}

/// Clients' certificates under the CA of blanks.json whose keys nobody can use. The server would take each, and when it was
/// sent one, it saw an anonymous request.
const UNUSABLE: [(&str, &str); 2] = [
    (
        "P-224",
        "-----BEGIN CERTIFICATE-----\n\
         MIIBfTCCASSgAwIBAgIUbk46u4l6ypzFzDouk9oam1j8W44wCgYIKoZIzj0EAwIw\n\
         ETEPMA0GA1UEAwwGcmVkLWNhMB4XDTI2MTEyNTA5MzYwN1oXDTI3MDkyMjA5MzYw\n\
         N1owETEPMA0GA1UEAwwGdS1wMjI0ME4wEAYHKoZIzj0CAQYFK4EEACEDOgAEHzsO\n\
         3tY7EH1HY1/mBW58Ud8QaOTgIyvBRyALQfI1ssS+beVEe7pUUZCaIItGwqnDuP6s\n\
         nJW/LjujZTBjMAwGA1UdEwEB/wQCMAAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYD\n\
         VR0OBBYEFGRLzGt8qg2IqNRdbzodeIOyki/9MB8GA1UdIwQYMBaAFLQC37o0jDHA\n\
         K+gGn2Uk7Mu0wYhVMAoGCCqGSM49BAMCA0cAMEQCIHT3xdzUvDc/DbMHQfXVhVoA\n\
         JeUrj/MPsqwvns3UMeDQAiBi1D3Hso5DoQ6Ac8ubX/PKZgYyvVwtQZDM64EH6o+3\n\
         uw==\n\
         -----END CERTIFICATE-----\n",
    ),
    (
        "Ed448",
        "-----BEGIN CERTIFICATE-----\n\
         MIIBdDCCARqgAwIBAgIUBiZUQMotRQYFkfe8r2sQMckfgxUwCgYIKoZIzj0EAwIw\n\
         ETEPMA0GA1UEAwwGcmVkLWNhMB4XDTI2MTEyNTA5MzYwN1oXDTI3MDkyMjA5MzYw\n\
         N1owEjEQMA4GA1UEAwwHdS1lZDQ0ODBDMAUGAytlcQM6ALInN37KU7bhj7qcHh2t\n\
         vAqZbyu10skcrLB43iEIYhaJrc5zdBF+986aRjILzsSyEdWBBTK5IK0WAKNlMGMw\n\
         DAYDVR0TAQH/BAIwADATBgNVHSUEDDAKBggrBgEFBQcDAjAdBgNVHQ4EFgQUdo9e\n\
         D0ImwW3Gm/bKj/8QcmXH4m8wHwYDVR0jBBgwFoAUtALfujSMMcAr6AafZSTsy7TB\n\
         iFUwCgYIKoZIzj0EAwIDSAAwRQIgCQC59HhomvO8r9qNTt+z7ZMpTpbbBbm/ypG2\n\
         DNsKuDYCIQCW2/9wuAP5K4JQ5MDNooy8u14JPJvYBlbNb+gAQxCYWw==\n\
         -----END CERTIFICATE-----\n",
    ),
];

/// Whether a judgement is what the server did.
fn agrees(said: &Value, judgement: &Value) -> bool {
    let user = &judgement["user"];
    if let Some(name) = said["name"].as_str() {
        return user["username"] == name;
    }
    if said["status"] == 200 {
        return judgement["authenticated"] == true;
    }
    if said["user"].is_object() {
        return ["username", "uid", "groups", "extra"].iter().all(|part| user[part] == said["user"][part]);
    }
    let text = |value: &Value| super::timeless(value["error"].as_str().unwrap_or("no error"));
    judgement["authenticated"] == false && text(judgement) == text(said)
}

fn compare(files: &BTreeMap<String, String>, cases: &[Case]) -> Vec<String> {
    let folder = scratch("requests");
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("a file of the server");
    }
    let workers = 2;
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..workers)
            .map(|worker| {
                let folder = &folder;
                scope.spawn(move || {
                    let mut differences = Vec::new();
                    for (index, case) in cases.iter().enumerate().filter(|(index, _)| index % workers == worker) {
                        let judgement = judge(folder, &case.server, index, case);
                        if !agrees(&case.said, &judgement) {
                            let certificate = case.certificate.as_deref().map(|pem| pem.len());
                            differences.push(format!(
                                "{} {} {:?} certificate {certificate:?}\n  server {}\n  model  {judgement}",
                                case.server, case.path, case.headers, case.said
                            ));
                        }
                    }
                    differences
                })
            })
            .collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("a worker")).collect()
    })
}

fn recording(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/requests").join(name)
}

/// What one file of recordings holds: the server's files, and the requests.
fn recorded(name: &str) -> (BTreeMap<String, String>, Vec<Case>) {
    let value: Value = serde_json::from_str(&fs::read_to_string(recording(name)).expect(name)).expect("JSON");
    let files = serde_json::from_value(value["files"].clone()).expect("files");
    let cases = value["requests"]
        .as_array()
        .expect("requests")
        .iter()
        .map(|case| Case {
            server: case["server"].as_str().expect("a server").to_owned(),
            protocol: case["protocol"].as_str().map(str::to_owned),
            path: case["path"].as_str().expect("a path").to_owned(),
            headers: serde_json::from_value(case["headers"].clone()).expect("headers"),
            certificate: case["certificate"]
                .as_str()
                .map(|name| value["certificates"][name].as_str().expect("PEM").to_owned()),
            at: case["at"].as_i64().expect("a time"),
            said: case["said"].clone(),
        })
        .collect();
    (files, cases)
}

#[test]
fn recorded_requests_are_judged_as_the_server_judged_them() {
    for (name, least) in [("recorded.json", 600), ("blanks.json", 18)] {
        let (files, cases) = recorded(name);
        assert!(cases.len() >= least, "only {} requests are recorded in {name}", cases.len());
        let differences = compare(&files, &cases);
        let shown: Vec<&String> = differences.iter().take(20).collect();
        assert!(differences.is_empty(), "{} of {} differ in {name}: {shown:#?}", differences.len(), cases.len());
    }
}

#[test]
fn blanks_around_a_header_are_left_open_where_the_protocol_is_not_known() {
    let (files, mut cases) = recorded("blanks.json");
    // The second one: `system:masters` over HTTP/1.1, and another group over HTTP/2.
    let mut case = cases.swap_remove(1);
    case.protocol = None;
    let folder = scratch("requests-blanks");
    for (name, text) in &files {
        fs::write(folder.join(name), text).expect("a file of the server");
    }
    let judgement = judge(&folder, &case.server, 0, &case);
    assert_eq!(judgement["authenticated"], Value::Null, "{judgement}");
    let reasons = judgement["undecided"].to_string();
    for words in ["over HTTP/1.1 it is accepted", r#"\"system:masters\""#, r#"\"system:masters \""#] {
        assert!(reasons.contains(words), "{words}: {reasons}");
    }
}

#[test]
fn a_certificate_that_no_client_can_present_lets_nobody_in() {
    let (files, _) = recorded("blanks.json");
    let folder = scratch("requests-unusable");
    let ca = folder.join("ca.crt");
    fs::write(&ca, &files["ca.crt"]).expect("the CA");
    for (kind, pem) in UNUSABLE {
        let leaf = folder.join(format!("{kind}.crt"));
        fs::write(&leaf, pem).expect("a certificate");
        let output = command()
            .args(["decode", "-o", "json", "--at", "2026-12-01T00:00:00Z", "--client-ca-file"])
            .arg(&ca)
            .arg(format!("@{}", leaf.display()))
            .output()
            .expect("kaccess runs");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(output.status.code(), Some(2), "{report}");
        let judgement = &report["judgement"];
        assert_eq!(judgement["authenticated"], Value::Null, "{judgement}");
        let reasons = judgement["undecided"].to_string();
        assert!(reasons.contains(kind) && reasons.contains("it would be accepted as"), "{reasons}");
        let problem = &report["problems"][0];
        assert_eq!(problem["part"], "certificate", "{report}");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(kind)), "{problem}");
    }
}

#[test]
fn requests_with_several_credentials() {
    let Some(lab) = lab::require_apiserver() else { return };
    let document = json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
        "anonymous": { "enabled": true, "conditions": [{ "path": "/healthz" }, { "path": "/livez" }] } });
    let servers = [
        ("open", ApiServer::start(lab, Options::default().without_audit())),
        ("closed", ApiServer::start(lab, Options::default().without_audit().flag("--anonymous-auth=false"))),
        (
            "paths",
            ApiServer::start(lab, Options::default().without_audit().authentication_config(document.to_string())),
        ),
    ];
    // One object for all: the token is of the first server, and the others have no such service account.
    let token = servers[0].1.create_service_account_token("ci", "builder");
    let objects = servers[0].1.api("GET", "/api/v1/serviceaccounts", None).1;

    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (name, _) in &servers {
        let mut flags = vec![
            "kube-apiserver".to_owned(),
            "--client-ca-file=ca.crt".to_owned(),
            "--service-account-key-file=account.key".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--requestheader-client-ca-file=front-proxy-ca.crt".to_owned(),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        ];
        match *name {
            "closed" => flags.push("--anonymous-auth=false".to_owned()),
            "paths" => flags.push("--authentication-config=authentication.yaml".to_owned()),
            _ => {}
        }
        files.insert((*name).to_owned(), flags.join(" "));
    }
    let read = |path: &Path| fs::read_to_string(path).expect("a PEM file");
    let public = rcgen::KeyPair::from_pem(&read(&lab.pki.service_account_key)).expect("the key").public_key_pem();
    files.insert("ca.crt".to_owned(), read(&lab.pki.ca.cert));
    files.insert("front-proxy-ca.crt".to_owned(), read(&lab.pki.front_proxy_ca.cert));
    files.insert("account.key".to_owned(), public);
    files.insert("authentication.yaml".to_owned(), document.to_string());
    files.insert("objects.json".to_owned(), objects.to_string());

    let certificates = certificates(lab);
    let clients: Vec<Client> =
        certificates.iter().map(|(_, identity)| Client::new(&lab.pki.ca.cert, identity.as_ref())).collect();
    let sets = header_sets(&token);
    let mut names = Vec::new();
    let mut cases: Vec<Case> = Vec::new();
    // The clients speak HTTP/1.1 unless they are told to speak HTTP/2.
    let proxy = certificates.iter().position(|(name, _)| *name == "front proxy").expect("the front proxy");
    let http2 = Client::over_http2(&lab.pki.ca.cert, certificates[proxy].1.as_ref());
    let mut add = |index: Option<usize>, server: &(&str, ApiServer), method: &str, path: &str, headers: &Headers| {
        let at = Timestamp::now().as_second();
        let (client, protocol) = index.map_or((&http2, "HTTP/2"), |index| (&clients[index], "HTTP/1.1"));
        let index = index.unwrap_or(proxy);
        let said = ask(&server.1, client, method, path, headers);
        names.push(certificates[index].0);
        let certificate = certificates[index].1.as_ref().map(|identity| read(&identity.cert));
        cases.push(Case {
            server: server.0.to_owned(),
            protocol: Some(protocol.to_owned()),
            path: path.to_owned(),
            headers: headers.clone(),
            certificate,
            at,
            said,
        });
    };
    for index in 0..certificates.len() {
        for (_, headers) in &sets {
            add(Some(index), &servers[0], "POST", REVIEW, headers);
        }
    }
    for headers in &blank_sets() {
        add(Some(proxy), &servers[0], "POST", REVIEW, headers);
        add(None, &servers[0], "POST", REVIEW, headers);
    }
    let mut dice = Dice(5);
    for _ in 0..220 {
        let (first, second) = (&sets[dice.below(sets.len())], &sets[dice.below(sets.len())]);
        let headers: Headers = first.1.iter().chain(&second.1).cloned().collect();
        add(Some(dice.below(certificates.len())), &servers[0], "POST", REVIEW, &headers);
    }
    for server in &servers {
        for path in [
            "/healthz",
            "/healthz/",
            "/healthz?verbose",
            "/livez",
            "/version",
            "/readyz",
            "/healthz/ping",
            "/%68ealthz",
        ] {
            for (certificate, set) in [(0, 0), (0, 2), (1, 0), (3, 0), (12, 0), (0, 4)] {
                // On the last server nobody has this service account, so no set with its token is asked.
                add(Some(certificate), server, "GET", path, &sets[set].1);
            }
        }
    }
    if std::env::var_os("KACCESS_RECORD").is_some() {
        let known: BTreeMap<&str, &str> =
            names.iter().zip(&cases).filter_map(|(name, case)| Some((*name, case.certificate.as_deref()?))).collect();
        let lines: Vec<String> = names
            .iter()
            .zip(&cases)
            .map(|(name, case)| {
                let certificate = case.certificate.as_ref().map(|_| name);
                json!({ "server": case.server, "protocol": case.protocol, "path": case.path, "headers": case.headers, "certificate": certificate,
                    "at": case.at, "said": case.said })
                .to_string()
            })
            .collect();
        let text = format!(
            "{{\"files\": {},\n\"certificates\": {},\n\"requests\": [\n{}\n]}}\n",
            json!(files),
            json!(known),
            lines.join(",\n")
        );
        fs::write(recording("recorded.json"), text).expect("recorded.json");
    }
    let differences = compare(&files, &cases);
    lab::tell(&format!("fidelity requests: {} requests, {} differences", cases.len(), differences.len()));
    let shown: Vec<&String> = differences.iter().take(40).collect();
    assert!(differences.is_empty(), "{} of {}: {shown:#?}", differences.len(), cases.len());
}
