//! Against what go-jose said (testdata/jose/cases.json).

use serde_json::Value;

use super::*;

fn cases() -> Value {
    serde_json::from_str(include_str!("../../../testdata/jose/cases.json")).expect("the cases are JSON")
}

#[test]
fn signatures_verify_where_go_jose_verifies_them() {
    let cases = cases();
    for case in cases["signatures"].as_array().unwrap() {
        let check = check(case["token"].as_str().unwrap(), &cases["set"]);
        assert_eq!(Value::Bool(check.verified), case["verified"], "{}: {check:?}", case["name"]);
        assert_eq!(check.verdicts.len(), 8);
    }
}

#[test]
fn key_sets_are_refused_in_go_jose_s_words() {
    for case in cases()["sets"].as_array().unwrap() {
        let body = case["body"].as_str().unwrap();
        let seen = parse_key_set(body.as_bytes());
        assert_eq!(seen.err().map(Value::String).unwrap_or(Value::Null), case["error"], "{body}");
    }
}

#[test]
fn secret_members_are_not_kept_and_private_keys_verify_nothing() {
    let cases = cases();
    let private = cases["sets"].as_array().unwrap().iter().filter(|case| {
        case["error"].is_null()
            && case["body"].as_str().is_some_and(|body| body.contains("\"d\"") || body.contains("\"k\""))
    });
    let mut seen = 0;
    for case in private {
        let body = case["body"].as_str().unwrap();
        let (facts, set) = parse_key_set(body.as_bytes()).unwrap();
        for (name, secret) in set["keys"][0].as_object().unwrap() {
            assert!(!PRIVATE_MEMBERS.contains(&name.as_str()) || secret == REDACTED, "{name}");
        }
        // The stored form is judged like the original one.
        let token = cases["signatures"][0]["token"].as_str().unwrap().to_owned();
        assert!(!check(&token, &set).verified);
        assert_eq!(facts.len(), 1);
        assert!(parse_key(&set["keys"][0]).is_ok());
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn a_kid_is_matched_exactly() {
    let cases = cases();
    let by_name = |name: &str| {
        let all = cases["signatures"].as_array().unwrap();
        let case = all.iter().find(|case| case["name"] == name).unwrap();
        check(case["token"].as_str().unwrap(), &cases["set"])
    };
    let unknown = by_name("unknown kid");
    assert!(!unknown.kid_known && unknown.verdicts.iter().all(|v| v.verdict.starts_with("not tried: the token names")));
    assert_eq!(by_name("kid twice in set").verdicts.iter().filter(|v| v.verdict == "verified").count(), 1);
    assert_eq!(by_name("kid null").kid, "");
    assert!(by_name("hs256").verdicts[0].verdict.contains("HS256"));
}
