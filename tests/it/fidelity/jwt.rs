//! Tokens of identity providers: one server with an AuthenticationConfiguration of many issuers, one with flags.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::tokens::{Change, Draft, Keys, changes};
use super::{Pair, Setting, answer_of, compare, record};
use crate::support::dice::Dice;
use crate::support::lab::issuer::{Issuer, Page};
use crate::support::lab::{self, ApiServer, Lab, Options, Release};

pub const RELEASES: [Release; 2] = [Release::Old, Release::Current];

/// A realm: how its tokens are mapped, and what its keys are.
struct Realm {
    name: &'static str,
    /// The entry below `jwt:`, without issuer URL and CA.
    entry: Value,
    /// Takes every change; else every fourth.
    thorough: bool,
}

fn realms() -> Vec<Realm> {
    let claim = |claim: &str, prefix: &str| json!({ "claim": claim, "prefix": prefix });
    let entry = |mappings: Value| json!({ "issuer": { "audiences": ["kubernetes"] }, "claimMappings": mappings });
    let realm = |name, entry, thorough| Realm { name, entry, thorough };
    let with = |mut entry: Value, name: &str, value: Value| {
        entry[name] = value;
        entry
    };
    let plain = || entry(json!({ "username": claim("sub", "oidc:"), "groups": claim("groups", "oidc:") }));
    let cel = |username: Value, groups: Value| entry(json!({ "username": username, "groups": groups }));
    let several = json!({ "issuer": { "audiences": ["kubernetes", "second"], "audienceMatchPolicy": "MatchAny" },
        "claimMappings": { "username": claim("sub", "") } });
    let required = json!([{ "claim": "hd", "requiredValue": "example.com" }]);
    vec![
        realm("plain", plain(), true),
        realm("email", entry(json!({ "username": claim("email", ""), "groups": claim("groups", "") })), true),
        realm(
            "name",
            entry(json!({ "username": claim("preferred_username", "u-"), "uid": { "claim": "uid" },
            "groups": claim("scope", "s:") })),
            true,
        ),
        realm("several", several, false),
        realm("required", with(plain(), "claimValidationRules", required), false),
        realm("level", entry(json!({ "username": claim("level", ""), "groups": claim("realm_access", "") })), false),
        realm(
            "dotted",
            entry(json!({ "username": claim("sub", "-"), "groups": claim("realm_access.roles", "-") })),
            false,
        ),
        realm(
            "cel",
            cel(json!({ "expression": "'u:' + claims.sub" }), json!({ "expression": "claims.groups" })),
            false,
        ),
        realm(
            "cel-email",
            with(
                cel(
                    json!({ "expression": "claims.email" }),
                    json!({ "expression": "claims.realm_access.roles.map(r, 'r:' + r)" }),
                ),
                "claimValidationRules",
                json!([{ "expression": "claims.email_verified == true", "message": "verify your mail address" }]),
            ),
            false,
        ),
        realm(
            "cel-extra",
            with(
                json!({ "issuer": { "audiences": ["kubernetes"] }, "claimMappings": {
            "username": { "expression": "claims.?preferred_username.orValue('nobody')" }, "uid": { "expression": "claims.uid" },
            "groups": { "expression": "claims.scope.split(' ').map(s, 's:' + s)" },
            "extra": [{ "key": "example.com/tenant", "valueExpression": "claims.tenant" },
                { "key": "example.com/level", "valueExpression": "string(claims.level)" }] } }),
                "userValidationRules",
                json!([{ "expression": "!user.username.startsWith('system:')", "message": "reserved name" },
                { "expression": "user.groups.all(g, !g.startsWith('system:'))" },
                { "expression": "user.extra['example.com/level'][0] != '9'", "message": "too high" }]),
            ),
            false,
        ),
        realm(
            "cel-rules",
            with(
                plain(),
                "claimValidationRules",
                json!([{ "expression": "claims.hd == 'example.com'", "message": "wrong domain" },
            { "expression": "claims.exp - claims.iat <= 172800.0" }, { "expression": "dyn(claims.groups).exists(g, g == 'ops')", "message": "ops only" },
            { "claim": "tenant", "requiredValue": "blue" }]),
            ),
            true,
        ),
        realm("nokeys", plain(), false),
        realm("down", plain(), false),
        realm("junk", plain(), false),
        realm("badkey", plain(), false),
        realm("html", plain(), false),
    ]
}

/// Sets the issuer up for a realm and says what the API server can know of its keys.
fn serve(issuer: &Issuer, realm: &str, keys: &Keys) -> Value {
    let url = issuer.realm(realm, &keys.set());
    let failed = |text: String| json!({ "fetchFailed": text });
    match realm {
        "down" => {
            issuer.serve(&format!("/{realm}/.well-known/openid-configuration"), Page::refusal(403, "no"));
            json!({ "notInitialized": true })
        }
        "nokeys" => {
            issuer.serve(&format!("/{realm}/keys"), Page::refusal(403, "closed"));
            failed("oidc: get keys failed: 403 Forbidden closed".to_owned())
        }
        "junk" => {
            issuer
                .serve(&format!("/{realm}/keys"), Page { status: 200, kind: "application/json", body: "{".to_owned() });
            failed(
                "oidc: failed to decode keys: got Content-Type = application/json, but could not unmarshal as JSON: \
                 unexpected end of JSON input {"
                    .to_owned(),
            )
        }
        "badkey" => {
            let body = "{\"keys\":[{\"kty\":\"foo\"}]}";
            issuer.serve(
                &format!("/{realm}/keys"),
                Page { status: 200, kind: "application/json", body: body.to_owned() },
            );
            failed(format!(
                "oidc: failed to decode keys: got Content-Type = application/json, but could not unmarshal as JSON: \
                 go-jose/go-jose: unknown json web key type 'foo' {body}"
            ))
        }
        "html" => {
            issuer.serve(&format!("/{realm}/keys"), Page { status: 200, kind: "text/html", body: "<p>".to_owned() });
            failed(
                "oidc: failed to decode keys: expected Content-Type = application/json, got \"text/html\": invalid \
                 character '<' looking for beginning of value <p>"
                    .to_owned(),
            )
        }
        _ => json!({ "set": keys.set(), "url": url }),
    }
}

/// The keys of service account tokens, which the server has too.
fn accounts(lab: &Lab) -> BTreeMap<String, Value> {
    let pem = std::fs::read(&lab.pki.service_account_key).expect("the key");
    let set = kaccess::credential::public_keys::key_set_from_pem(&pem).expect("its public half");
    let issuers = ["https://kubernetes.default.svc", "kubernetes/serviceaccount"];
    issuers.into_iter().map(|issuer| (issuer.to_owned(), json!({ "set": set }))).collect()
}

/// Tokens of a realm: the good one, every change (or every fourth), and some with two changes.
fn drafts(url: &str, thorough: bool, doubles: usize, now: i64, dice: &mut Dice) -> Vec<(String, Draft)> {
    let all: Vec<Change> = changes();
    let mut list = vec![("good".to_owned(), Draft::good(url, now))];
    for (index, (name, change)) in all.iter().enumerate() {
        if thorough || index % 4 == dice.below(4) {
            let mut draft = Draft::good(url, now);
            change(&mut draft, now);
            list.push((name.clone(), draft));
        }
    }
    for _ in 0..doubles {
        let (first, second) = (&all[dice.below(all.len())], &all[dice.below(all.len())]);
        let mut draft = Draft::good(url, now);
        first.1(&mut draft, now);
        second.1(&mut draft, now);
        list.push((format!("{} + {}", first.0, second.0), draft));
    }
    list
}

/// Asks the servers about every token.
pub fn ask(servers: &[(Release, ApiServer)], tokens: Vec<(String, String)>) -> Vec<Pair> {
    let workers = 4;
    let chunk = tokens.len().div_ceil(workers);
    let parts: Vec<Vec<(String, String)>> = tokens.chunks(chunk).map(<[_]>::to_vec).collect();
    std::thread::scope(|scope| {
        let handles: Vec<_> = parts
            .into_iter()
            .map(|part| {
                scope.spawn(move || {
                    part.into_iter()
                        .map(|(name, token)| {
                            let at = Timestamp::now();
                            let said: BTreeMap<String, Value> = servers
                                .iter()
                                .map(|(release, server)| {
                                    (release.minor().to_owned(), answer_of(&server.token_review(&token)))
                                })
                                .collect();
                            Pair { name, token, at, said }
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        handles.into_iter().flat_map(|handle| handle.join().expect("a worker")).collect()
    })
}

pub fn check(name: &str, setting: &Setting, pairs: &[Pair]) {
    record(name, setting, pairs);
    let mut differences = Vec::new();
    compare(setting, pairs, &mut differences);
    lab::tell(&format!("fidelity {name}: {} tokens, {} differences", pairs.len(), differences.len()));
    let shown: Vec<&String> = differences.iter().take(40).collect();
    assert!(differences.is_empty(), "{} of {}: {shown:#?}", differences.len(), pairs.len());
}

#[test]
fn a_configuration_of_many_issuers() {
    let Some(lab) = lab::require_apiserver() else { return };
    let issuer = Issuer::start(&lab.pki.server);
    let (keys, ca) = (Keys::new(), std::fs::read_to_string(&lab.pki.ca.cert).expect("the CA"));
    let mut issuers = BTreeMap::new();
    let mut entries = Vec::new();
    for realm in realms() {
        let url = issuer.url(realm.name);
        issuers.insert(url.clone(), serve(&issuer, realm.name, &keys));
        let mut entry = realm.entry;
        entry["issuer"]["url"] = json!(url);
        entry["issuer"]["certificateAuthority"] = json!(ca);
        entries.push(entry);
    }
    let document =
        json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": entries });
    let servers: Vec<(Release, ApiServer)> = RELEASES
        .into_iter()
        .map(|release| {
            let options = Options::default().without_audit().release(release);
            (release, ApiServer::start(lab, options.authentication_config(document.to_string())))
        })
        .collect();
    let now = Timestamp::now().as_second();
    let mut dice = Dice(36);
    let mut tokens = Vec::new();
    for realm in realms() {
        let url = issuer.url(realm.name);
        let healthy = issuers[&url].get("set").is_some();
        if healthy && realm.name != "level" {
            let good = Draft::good(&url, now).token(&keys);
            servers.iter().for_each(|(_, server)| server.wait_accepted(&good));
        }
        for (name, draft) in drafts(&url, realm.thorough, if realm.thorough { 150 } else { 20 }, now, &mut dice) {
            tokens.push((format!("{}: {name}", realm.name), draft.token(&keys)));
        }
    }
    let pairs = ask(&servers, tokens);
    issuers.extend(accounts(lab));
    let flags = [("service-account-issuer", "https://kubernetes.default.svc")];
    let setting = Setting {
        flags: flags.into_iter().map(|(name, value)| (name.to_owned(), vec![value.to_owned()])).collect(),
        authentication: Some(document),
        issuers,
        objects: Vec::new(),
        token_file: None,
    };
    check("issuers", &setting, &pairs);
}

#[test]
fn the_oidc_flags() {
    let Some(lab) = lab::require_apiserver() else { return };
    let issuer = Issuer::start(&lab.pki.server);
    let keys = Keys::new();
    let url = issuer.realm("flags", &keys.set());
    let given = [
        ("oidc-issuer-url", vec![url.clone()]),
        ("oidc-client-id", vec!["kubernetes".to_owned()]),
        ("oidc-groups-claim", vec!["groups".to_owned()]),
        ("oidc-required-claim", vec!["tenant=blue".to_owned()]),
        ("oidc-signing-algs", vec!["RS256,ES512".to_owned()]),
        ("service-account-issuer", vec!["https://kubernetes.default.svc".to_owned()]),
    ];
    let servers: Vec<(Release, ApiServer)> = RELEASES
        .into_iter()
        .map(|release| {
            let mut options = Options::default().without_audit().release(release);
            for (name, values) in &given {
                for value in values {
                    options = options.flag(format!("--{name}={value}"));
                }
            }
            let ca = lab.pki.ca.cert.display();
            (release, ApiServer::start(lab, options.flag(format!("--oidc-ca-file={ca}"))))
        })
        .collect();
    let now = Timestamp::now().as_second();
    let good = Draft::good(&url, now).token(&keys);
    servers.iter().for_each(|(_, server)| server.wait_accepted(&good));
    let tokens = drafts(&url, true, 150, now, &mut Dice(35))
        .into_iter()
        .map(|(name, draft)| (format!("flags: {name}"), draft.token(&keys)))
        .collect();
    let pairs = ask(&servers, tokens);
    let setting = Setting {
        flags: given.into_iter().map(|(name, values)| (name.to_owned(), values)).collect(),
        authentication: None,
        issuers: accounts(lab).into_iter().chain([(url, json!({ "set": keys.set() }))]).collect(),
        objects: Vec::new(),
        token_file: None,
    };
    check("flags", &setting, &pairs);
}
