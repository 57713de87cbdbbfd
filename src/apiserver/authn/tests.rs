//! Against what the real JWT authenticator said (testdata/jose/cases.json), and against the texts seen on real servers.

use serde_json::json;

use super::*;
use crate::apiserver::configuration::{ClaimRule, Issuer, Mapping};
// Tests may parse: the models themselves never see a token.
use crate::credential::{base64url, signature, token};

const NOW: i64 = 1_795_414_913;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn facts(header: &Value, claims: &Value) -> TokenFacts {
    let part = |value: &Value| base64url::encode(value.to_string().as_bytes());
    token::parse(&format!("{}.{}.{}", part(header), part(claims), base64url::encode(&[1; 256])))
}

fn verified() -> Keys {
    Keys::Signature { verified: true, kid_known: true }
}

fn claim(claim: &str, prefix: &str) -> Mapping {
    Mapping::Claim { claim: claim.to_owned(), prefix: prefix.to_owned() }
}

fn authenticator(audiences: &[&str], username: Mapping, groups: Mapping) -> JwtAuthenticator {
    JwtAuthenticator {
        issuer: Issuer {
            url: "https://iss".to_owned(),
            audiences: audiences.iter().map(|audience| (*audience).to_owned()).collect(),
            ..Issuer::default()
        },
        username,
        groups,
        ..JwtAuthenticator::default()
    }
}

fn oracle_configuration(name: &str) -> JwtAuthenticator {
    match name {
        "sub" => authenticator(&["c"], claim("sub", "https://iss#"), claim("groups", "")),
        "email" => authenticator(&["c"], claim("email", ""), claim("groups", "oidc:")),
        "many" => authenticator(&["b", "a"], claim("sub", "oidc:"), Mapping::None),
        "required" => JwtAuthenticator {
            claim_rules: vec![ClaimRule::Required { claim: "hd".to_owned(), value: "example.com".to_owned() }],
            ..authenticator(&["c"], claim("sub", ""), Mapping::None)
        },
        "uid" => JwtAuthenticator { uid: claim("oid", ""), ..authenticator(&["c"], claim("sub", ""), Mapping::None) },
        "google" => {
            let mut google = authenticator(&["c"], claim("sub", ""), Mapping::None);
            google.issuer.url = "https://accounts.google.com".to_owned();
            google
        }
        other => panic!("no configuration {other}"),
    }
}

#[test]
fn the_real_authenticator_of_1_36_says_the_same() {
    let cases: Value = serde_json::from_str(include_str!("../../../testdata/jose/cases.json")).unwrap();
    let mut wrong = Vec::new();
    for case in cases["judged"].as_array().unwrap() {
        let text = case["token"].as_str().unwrap();
        let facts = token::parse(text);
        let algorithms = case["algorithms"].as_array().unwrap().iter().map(|alg| alg.as_str().unwrap().to_owned());
        let config = Configuration {
            jwt: vec![oracle_configuration(case["configuration"].as_str().unwrap())],
            signing_algorithms: algorithms.collect(),
            jwt_known: true,
            ..Configuration::default()
        };
        let keys = Keys::from(&signature::check(text, &cases["set"]));
        let seen = jwt::alone(&facts, &config, (1, 36), &keys, now());
        let expected = if case["silent"] == true {
            None
        } else if let Some(error) = case["error"].as_str() {
            Some(Judgement::Rejected { error: error.to_owned() })
        } else {
            let user = &case["user"];
            let list = |value: &Value| -> Vec<String> { serde_json::from_value(value.clone()).unwrap_or_default() };
            Some(Judgement::Authenticated(User {
                username: user["username"].as_str().unwrap().to_owned(),
                uid: user["uid"].as_str().unwrap().to_owned(),
                groups: list(&user["groups"]),
                extra: serde_json::from_value(user["extra"].clone()).unwrap_or_default(),
            }))
        };
        if seen != expected {
            wrong.push(format!("{}\n  seen     {seen:?}\n  expected {expected:?}", case["kind"]));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_order_of_checks_changed_with_1_36() {
    let config = |version| Configuration {
        version,
        jwt: vec![authenticator(&["kubernetes"], claim("sub", ""), Mapping::None)],
        signing_algorithms: vec!["RS256".to_owned()],
        jwt_known: true,
        ..Configuration::default()
    };
    let claims = json!({"iss": "https://iss", "sub": "u", "aud": ["account"], "exp": NOW + 300});
    let token = facts(&json!({"alg": "RS256"}), &claims);
    let unverified = Keys::Signature { verified: false, kid_known: false };
    let audience =
        "[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"account\"]]";
    let signature =
        "[invalid bearer token, oidc: verify token: failed to verify signature: failed to verify id token signature]";
    for (version, expected) in [((1, 35), audience), ((1, 36), signature)] {
        let seen = judge_token(&token, &config(Some(version)), &unverified, now());
        assert_eq!(seen, Judgement::Rejected { error: expected.to_owned() });
    }
    // With a good signature the release does not matter, and without a release that is enough.
    let seen = judge_token(&token, &config(None), &verified(), now());
    assert_eq!(seen, Judgement::Rejected { error: audience.to_owned() });
    let Judgement::Undecided { reasons } = judge_token(&token, &config(None), &unverified, now()) else { panic!() };
    assert!(reasons.iter().any(|reason| reason.contains("refused in every case")), "{reasons:?}");
}

#[test]
fn texts_of_the_chain() {
    let config = Configuration {
        version: Some((1, 36)),
        jwt: vec![authenticator(&["c"], claim("sub", "oidc:"), claim("groups", "oidc:"))],
        signing_algorithms: vec!["RS256".to_owned()],
        complete: true,
        jwt_known: true,
        ..Configuration::default()
    };
    let header = json!({"alg": "RS256"});
    let good = json!({"iss": "https://iss", "sub": "u", "aud": "c", "exp": NOW + 9, "groups": ["a"], "jti": "j"});
    let seen = judge_token(&facts(&header, &good), &config, &verified(), now());
    let Judgement::Authenticated(user) = &seen else { panic!("{seen:?}") };
    assert_eq!(user.groups, ["oidc:a", "system:authenticated"]);
    assert_eq!(user.extra[CREDENTIAL_ID], ["JTI=j"]);
    assert_eq!(view(&facts(&header, &good), &config.jwt[0]).as_ref(), Some(user));
    for (token, keys, expected) in [
        (facts(&header, &good), Keys::NotInitialized, "[invalid bearer token, oidc: authenticator not initialized]"),
        (
            facts(&header, &good),
            Keys::FetchFailed("oidc: get keys failed: 403 Forbidden <html>".to_owned()),
            "[invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: \
             403 Forbidden <html>]",
        ),
        // A foreign issuer, an opaque token and a JWE earn one text, printed once.
        (facts(&header, &json!({"iss": "https://iss/"})), verified(), "invalid bearer token"),
        (token::parse("opaque"), verified(), "invalid bearer token"),
        (token::parse("abcdef.0123456789abcdef"), verified(), "invalid bearer token"),
        (token::parse("k8s-aws-v1.aGk"), verified(), "invalid bearer token"),
    ] {
        let seen = judge_token(&token, &config, &keys, now());
        assert_eq!(seen, Judgement::Rejected { error: expected.to_owned() });
    }
    // Unknown keys leave it open; an expired token under the old order does not need them.
    assert!(matches!(judge_token(&facts(&header, &good), &config, &Keys::Unknown, now()), Judgement::Undecided { .. }));
    let foreign = facts(&header, &json!({"iss": "https://other"}));
    assert!(matches!(judge_token(&foreign, &config, &Keys::Unknown, now()), Judgement::Rejected { .. }));
    let webhook = Configuration { webhook: true, ..config.clone() };
    assert!(matches!(judge_token(&foreign, &webhook, &verified(), now()), Judgement::Undecided { .. }));
    let tabbed = TokenFacts {
        problems: vec![TokenProblem { part: "token".into(), detail: "white space inside: x".into(), offset: None }],
        ..foreign
    };
    assert!(matches!(judge_token(&tabbed, &config, &verified(), now()), Judgement::Undecided { .. }));
}

#[test]
fn service_account_tokens() {
    let config = Configuration {
        version: Some((1, 36)),
        service_account_issuers: vec!["https://kubernetes.default.svc".to_owned()],
        api_audiences: vec!["https://kubernetes.default.svc".to_owned()],
        service_account_lookup: true,
        complete: true,
        jwt_known: true,
        ..Configuration::default()
    };
    let bound = |change: Value| {
        let mut claims = json!({
            "iss": "https://kubernetes.default.svc", "aud": ["https://kubernetes.default.svc"], "sub": "x",
            "exp": NOW + 300, "iat": NOW - 5, "nbf": NOW - 5, "jti": "j",
            "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "builder", "uid": "u1"},
                "pod": {"name": "p", "uid": "u2"}, "node": {"name": "n", "uid": "u3"}},
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        facts(&json!({"alg": "PS256", "kid": "k"}), &claims)
    };
    let rejected = |text: &str| Judgement::Rejected { error: format!("[invalid bearer token, {text}]") };
    for (change, expected) in [
        (json!({"exp": NOW - 62}), "service account token has expired"),
        (json!({"nbf": NOW + 62}), "service account token is not valid yet"),
        (json!({"iat": NOW + 62}), "service account token is issued in the future"),
        (
            json!({"aud": ["vault"]}),
            "token audiences [\"vault\"] is invalid for the target audiences [\"https://kubernetes.default.svc\"]",
        ),
        (json!({"aud": null}), "go-jose/go-jose/jwt: expected string or array value to unmarshal to Audience"),
        (json!({"exp": "5"}), "go-jose/go-jose/jwt: expected number value to unmarshal NumericDate"),
        (json!({"sub": 5}), "json: cannot unmarshal number into Go value of type string"),
        (
            json!({"kubernetes.io": "x"}),
            "json: cannot unmarshal string into Go value of type serviceaccount.kubernetes",
        ),
        (json!({"kubernetes.io": {"namespace": "ci"}}), "resource name may not be empty"),
        (json!({"kubernetes.io": {}}), "resource name may not be empty"),
        (
            json!({"kubernetes.io": {"serviceaccount": {"name": "builder", "uid": "u1"}}}),
            "the server could not find the requested resource",
        ),
    ] {
        assert_eq!(judge_token(&bound(change), &config, &verified(), now()), rejected(expected));
    }
    // Within the leeway, and without exp, only the objects are open.
    for change in [json!({"exp": NOW - 55}), json!({"nbf": NOW + 55}), json!({"exp": null}), json!({"aud": []})] {
        let Judgement::Undecided { reasons } = judge_token(&bound(change), &config, &verified(), now()) else {
            panic!()
        };
        assert_eq!(
            reasons,
            [
                "whether ServiceAccount ci/builder with uid \"u1\" still exists is not known here",
                "whether Pod ci/p with uid \"u2\" still exists is not known here",
            ]
        );
    }
    let seen = judge_token(&bound(json!({})), &config, &Keys::Signature { verified: false, kid_known: false }, now());
    assert_eq!(seen, rejected("invalid signature, no keys found"));
    let seen = judge_token(&bound(json!({})), &config, &Keys::Signature { verified: false, kid_known: true }, now());
    assert_eq!(seen, rejected("go-jose/go-jose: error in cryptographic primitive"));
    let old = Configuration { version: Some((1, 32)), ..config.clone() };
    let seen = judge_token(&bound(json!({})), &old, &Keys::Signature { verified: false, kid_known: true }, now());
    assert_eq!(seen, rejected("square/go-jose: error in cryptographic primitive"));

    let user = default_view(&bound(json!({}))).unwrap();
    assert_eq!(user.username, "system:serviceaccount:ci:builder");
    assert_eq!(user.uid, "u1");
    assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"]);
    assert_eq!(
        json!(user.extra),
        json!({
            "authentication.kubernetes.io/credential-id": ["JTI=j"],
            "authentication.kubernetes.io/node-name": ["n"], "authentication.kubernetes.io/node-uid": ["u3"],
            "authentication.kubernetes.io/pod-name": ["p"], "authentication.kubernetes.io/pod-uid": ["u2"],
        })
    );
}

#[test]
fn legacy_service_account_tokens() {
    let config = Configuration {
        version: Some((1, 36)),
        service_account_issuers: vec!["https://sa".to_owned()],
        api_audiences: vec!["https://sa".to_owned()],
        jwt_known: true,
        complete: true,
        ..Configuration::default()
    };
    let mut claims = json!({"iss": "kubernetes/serviceaccount"});
    let prefix = "kubernetes.io/serviceaccount/";
    for (name, value, missing) in [
        ("sub".to_owned(), "system:serviceaccount:ci:builder", "sub claim is missing"),
        (format!("{prefix}namespace"), "ci", "namespace claim is missing"),
        (format!("{prefix}secret.name"), "s", "secretName claim is missing"),
        (format!("{prefix}service-account.name"), "builder", "serviceAccountName claim is missing"),
        (format!("{prefix}service-account.uid"), "u", "serviceAccountUID claim is missing"),
    ] {
        let seen = judge_token(&facts(&json!({"alg": "RS256"}), &claims), &config, &verified(), now());
        assert_eq!(seen, Judgement::Rejected { error: format!("[invalid bearer token, {missing}]") });
        claims[name] = json!(value);
    }
    // Lookup is off here; exp of a legacy token is ignored.
    claims["exp"] = json!(5);
    let token = facts(&json!({"alg": "RS256"}), &claims);
    let Judgement::Authenticated(user) = judge_token(&token, &config, &verified(), now()) else { panic!() };
    assert_eq!(user.username, "system:serviceaccount:ci:builder");
    let lookup = Configuration { service_account_lookup: true, ..config };
    assert!(matches!(judge_token(&token, &lookup, &verified(), now()), Judgement::Undecided { .. }));
}

#[test]
fn groups_elsewhere_are_fetched_by_the_server() {
    let config = Configuration {
        jwt: vec![authenticator(&["c"], claim("sub", ""), claim("groups", ""))],
        signing_algorithms: vec!["RS256".to_owned()],
        jwt_known: true,
        ..Configuration::default()
    };
    let claims = json!({"iss": "https://iss", "sub": "u", "aud": "c", "exp": NOW + 9, "_claim_names": {"groups": "s"},
        "_claim_sources": {"s": {"endpoint": "https://graph.example/x"}}});
    let seen = judge_token(&facts(&json!({"alg": "RS256"}), &claims), &config, &verified(), now());
    let Judgement::Undecided { reasons } = seen else { panic!("{seen:?}") };
    assert!(reasons[0].contains("https://graph.example/x"));
}
