//! Evidence for strangers: names, hosts, accounts, e-mails and public addresses replaced by stand-ins, the same one
//! wherever the same thing stands, so that the file gives the findings that it gave before.
//!
//! It works on the saved form, because a field that nobody thought of here must not slip through a typed walk: names are
//! gathered by the field they stand in and by the sentences and URLs they stand in, and then replaced in every text. It
//! stands with the evidence, since it knows its fields and must know nothing else.

/// Public addresses.
mod addresses;
/// Names by the claims of a token.
mod claims;
/// Names by their field.
mod fields;
/// What everybody knows.
mod known;
/// Stand-ins.
mod names;
/// What names look like.
mod patterns;
/// The walk over the saved form.
mod rewrite;
/// Names by their sentence.
mod sentences;

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use self::fields::by_field;
use self::names::Names;
use self::patterns::{ADDRESS, HOME, MAIL};
use self::rewrite::{each_path, each_text, rewrite, stays};
use self::sentences::in_text;

/// What the provenance of anonymised evidence ends with.
const MARK: &str = "; anonymised";

/// Evidence with stand-ins.
#[derive(Debug, Clone)]
pub struct Anonymised {
    /// The evidence, in the form of a saved file.
    pub evidence: Value,
    /// Texts that should have gone and are still there: none, or this module has a fault and the file is not to be shown.
    pub left: BTreeSet<String>,
}

/// Replaces what tells who, where and whose.
pub fn anonymise(evidence: &Value) -> Anonymised {
    let mut names = Names::default();
    // What stands there again says nothing more.
    let (mut texts, mut met) = (Vec::new(), HashSet::new());
    each_text(evidence, &mut |text| {
        if met.insert(text.to_owned()) {
            texts.push(text.to_owned());
        }
    });
    for text in &texts {
        stems(text, &mut names);
    }
    // What a field says comes before what a sentence seems to say.
    // Who it is about comes first, so that a person is `user-1` and not what a context is called after.
    for first in ["identity", "credential", "controlPlane"] {
        by_field(&evidence[first], &mut vec![first], false, &mut names);
    }
    by_field(evidence, &mut Vec::new(), false, &mut names);
    for text in &texts {
        in_text(text, &mut names);
    }
    // Files last: they are often called after a user or a cluster.
    by_field(evidence, &mut Vec::new(), true, &mut names);
    for found in texts.iter().flat_map(|text| HOME.find_iter(text)) {
        names.file(found.as_str().trim_end_matches('.'));
    }
    let found = texts.iter().flat_map(|text| ADDRESS.find_iter(text).map(|found| found.as_str().to_owned()));
    for (old, new) in addresses::stand_ins(found) {
        // As host names of EC2 write them.
        if old.contains('.') && !old.contains('/') {
            names.given(old.replace('.', "-"), new.replace('.', "-"));
        }
        names.given(old, new);
    }
    // A session name cannot hold what a user name may: EKS writes the one for the other.
    for mail in texts.iter().flat_map(|text| MAIL.find_iter(text)) {
        let new = names.replacer().text(mail.as_str());
        if new != mail.as_str() {
            names.given(mail.as_str().replace('@', "-"), new.replace('@', "-"));
        }
    }
    let replacer = names.replacer();
    let mut new = evidence.clone();
    rewrite(&mut new, &mut Vec::new(), &|text| replacer.text(text));
    let mut left = BTreeSet::new();
    each_path(&new, &mut Vec::new(), &mut |path, text| {
        if !stays(path, text) {
            // Stand-ins are made of letters and numbers that may stand for something else too.
            left.extend(
                names.replaced().filter(|old| stands_in(text, old) && !names.is_stand_in(old)).map(str::to_owned),
            );
        }
    });
    if let Some(provenance) = new.get_mut("provenance")
        && let Some(text) = provenance.as_str().filter(|text| !text.ends_with(MARK))
    {
        *provenance = format!("{text}{MARK}").into();
    }
    Anonymised { evidence: new, left }
}

/// Whether a text holds another: as a whole word, or anywhere where it can be nothing else.
fn stands_in(text: &str, word: &str) -> bool {
    let plain = word.contains('@') || word.len() > 11 && word.bytes().all(|byte| byte.is_ascii_digit());
    text.match_indices(word).any(|(at, _)| {
        plain
            || !(word.starts_with(char::is_alphanumeric) && text[..at].ends_with(char::is_alphanumeric)
                || word.ends_with(char::is_alphanumeric) && text[at + word.len()..].starts_with(char::is_alphanumeric))
    })
}

/// Beginnings and ends of names that a pattern with wildcards names.
fn stems(text: &str, names: &mut Names) {
    if !text.contains('*') || text.len() > 100_000 {
        return;
    }
    for word in text
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | ',' | '[' | ']' | ':' | '/' | '{' | '}' | '^' | '$'))
    {
        if word.len() > 1 && word.contains('*') && !word.contains("*.") && !ADDRESS.is_match(word) {
            word.split('*').map(|part| part.trim_end_matches('.')).for_each(|part| names.stem(part));
        }
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;
    use serde_json::json;

    use super::*;

    fn of(evidence: Value) -> Value {
        let done = anonymise(&evidence);
        assert!(done.left.is_empty(), "{:?}", done.left);
        done.evidence
    }

    #[test]
    fn the_same_thing_has_the_same_stand_in_everywhere() {
        let new = of(json!({
            "asked": { "error": "pods is forbidden: User \"oidc:alice@acme.com\" cannot list" },
            "identity": { "seen": { "user": { "username": "oidc:alice@acme.com", "groups": ["oidc:/platform-team", "system:authenticated"] } } },
            "credential": { "seen": { "token": { "claims": { "sub": "alice", "email": "Alice@acme.com", "groups": ["platform-team"], "employee": 48_213, "exp": 1_790_000_000 } } } },
            "kubeconfig": { "seen": { "files": [{ "path": "/home/alice/.kube/config" }] } },
        }));
        assert_eq!(new["identity"]["seen"]["user"]["username"], "oidc:user-1@host-1.example");
        assert_eq!(new["identity"]["seen"]["user"]["groups"], json!(["oidc:/group-1", "system:authenticated"]));
        let claims = &new["credential"]["seen"]["token"]["claims"];
        assert_eq!(claims["sub"], "user-1");
        assert_eq!(claims["email"], "User-1@host-1.example", "capitals stay capitals");
        assert_eq!(claims["groups"], json!(["group-1"]));
        assert_eq!((&claims["claim1"], &claims["exp"]), (&json!(10_000), &json!(1_790_000_000)));
        assert_eq!(new["kubeconfig"]["seen"]["files"][0]["path"], "/home/user-1/.kube/config");
        assert_eq!(new["asked"]["error"], "pods is forbidden: User \"oidc:user-1@host-1.example\" cannot list");
    }

    #[test]
    fn numbers_of_any_kind_that_may_name_somebody_give_way() {
        let claims = json!({
            "whole": 48_213, "below": -48_213, "half": 48_213.5, "large": 18_446_744_073_709_551_615_u64, "level": 7, "exp": 1_790_000_000.5
        });
        let new = of(json!({ "credential": { "seen": { "token": { "claims": claims } } } }));
        let text = new.to_string();
        assert!(!text.contains("48213") && !text.contains("18446744073709551615"), "{text}");
        assert!(text.contains("1790000000.5") && text.contains(":7"), "{text}");
    }

    #[test]
    fn encodings_and_names_inside_names_are_found() {
        let new = of(json!({
            "identity": { "seen": { "user": { "username": "zoe@acme.com" } } },
            "asked": { "error": "https://id.acme.com/realms/blue?u=zoe%40acme.com&x=%2Fzoe\\nzoe sg acme-zoe-1" },
        }));
        let text = new.to_string();
        assert!(!text.contains("acme") && !text.contains("zoe") && !text.contains("blue"), "{text}");
    }

    /// Names that nobody wrote into a field for names.
    #[test]
    fn names_in_keys_pages_headers_and_paths_are_found() {
        let new = of(json!({
            "asked": { "error": "error: it failed at /Users/zelda/acmework/Acmefile.yaml." },
            "plugin": { "seen": { "stderr": "File \"/home/zelda/.local/lib/acmelib.py\", line 3" } },
            "identity": { "seen": { "user": { "username": "zelda", "extra": {
                "acme.org/site-acmetown": ["Acmeville"],
                "authentication.kubernetes.io/pod-name": ["acmepod-1"],
                "arn": ["arn:aws:sts::111122223333:assumed-role/AcmeRole/zelda"],
            } } } },
            "credential": { "seen": { "token": { "claims": {
                "sub": "zelda", "exp": 1_790_000_000, "acmenumber": 4_242_556_677_u64, "acme-grade": true,
                "realm_access": { "roles": ["acmerole"] },
                "nested": [{ "acmekey": { "acmeinner": ["Acmevalue"] } }],
            } } } },
            "controlPlane": { "flags": { "seen": { "flags": { "oidc-username-claim": ["acmenumber"] } } } },
            "endpoint": { "anonymous": { "seen": {
                "server": "gw-acme", "receivedAt": "2026-11-26T05:00:00Z", "status": 502,
                "body": "<html><title>Acmeco SSO portal</title><body><center>nginx/1.22.1</center>Ask Zörg; ref acme9</body></html>",
            } } },
            "issuer": { "jwks": { "seen": { "answer": { "server": "nginx/1.22.1", "receivedAt": "2026-11-26T05:00:00Z",
                "body": "{\"keys\": [{\"kty\": \"RSA\", \"kid\": \"acmekid\", \"x5c\": [\"MIIBacme\", \"MIIC\"]}]}" } } } },
        }));
        let text = new.to_string().to_lowercase();
        assert!(!["acme", "zelda", "zörg", "miib", "4242556677"].iter().any(|word| text.contains(word)), "{text}");
        let claims = &new["credential"]["seen"]["token"]["claims"];
        assert_eq!(claims["exp"], 1_790_000_000);
        assert!(claims["realm_access"]["roles"].is_array(), "{claims}");
        // What the server is configured with is still what the token has, and an identifier.
        let name = new["controlPlane"]["flags"]["seen"]["flags"]["oidc-username-claim"][0].as_str().expect("a claim");
        assert_eq!(claims[name], 10_000, "{claims}");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        // And what the findings need of a page and its server stays.
        let body = new["endpoint"]["anonymous"]["seen"]["body"].as_str().expect("a page");
        assert!(body.starts_with("<html><title>word SSO word</title><body><center>nginx/1.22.1</center>"), "{body}");
        assert_eq!(new["issuer"]["jwks"]["seen"]["answer"]["server"], "nginx/1.22.1");
    }

    #[test]
    fn what_nobody_sees_inside_a_name_keeps_nothing() {
        let roles = "- rolearn: arn:aws:iam::1111\u{200b}22223333:role/AcmeOps\u{200b}\n";
        let text = of(json!({ "aws": { "awsAuth": { "seen": { "data": { "mapRoles": roles } } } } })).to_string();
        assert!(!text.contains("22223333") && !text.contains("Acme"), "{text}");
        // A space that does not break, and something before the account or inside of `arn` and `role`.
        for arn in [
            "arn:aws:iam::1111\u{a0}22223333:role/AcmeOps",
            "a\u{200b}rn:aws:iam::111122223333:role/AcmeOps",
            "arn:a\u{ad}ws:iam:\u{a0}:111122223333:ro\u{200b}le/AcmeOps",
            "arn:aws:iam::111122223333:role/Some\u{a0}AcmeOps",
        ] {
            let roles = format!("- rolearn: \"{arn}\"\n");
            let text = of(json!({ "aws": { "awsAuth": { "seen": { "data": { "mapRoles": roles } } } } })).to_string();
            assert!(!text.contains("22223333") && !text.contains("Acme"), "{text}");
        }
    }

    #[test]
    fn patterns_go_on_matching() {
        let new = of(json!({
            "workload": {
                "namespace": { "seen": { "annotations": { "iam.amazonaws.com/permitted": "arn:aws:iam::111122223333:role/shop-.*" } } },
                "roles": [{ "named": "arn:aws:iam::111122223333:role/shop-orders" }, { "named": "billing" }],
            },
        }));
        let pattern = new["workload"]["namespace"]["seen"]["annotations"]["iam.amazonaws.com/permitted"].as_str();
        let named = new["workload"]["roles"][0]["named"].as_str().expect("a role");
        assert!(Regex::new(pattern.expect("a pattern")).expect("a pattern").is_match(named), "{new}");
        assert!(named.starts_with("arn:aws:iam::000000000001:role/"), "{named}");
    }

    #[test]
    fn what_names_nobody_stays() {
        let evidence = json!({
            "rbac": { "seen": { "bindings": [{ "name": "cluster-admin", "roleName": "cluster-admin", "namespace": "kube-system",
                "subjects": [{ "kind": "Group", "name": "system:masters" }] }] } },
            "endpoint": { "route": { "seen": { "host": "kubernetes.default.svc", "proxyReason": "no proxy" } } },
            "kubeconfig": { "seen": { "cluster": { "server": "https://127.0.0.1:6443" } } },
        });
        assert_eq!(of(evidence.clone()), evidence);
    }

    #[test]
    fn what_is_left_is_told() {
        assert!(stands_in("mail alice@acme.com.", "alice@acme.com"));
        assert!(stands_in("role/111122223333x", "111122223333"));
        assert!(stands_in("a shop-b", "shop") && !stands_in("workshop", "shop"));
    }
}
