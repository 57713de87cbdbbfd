//! Credentials of every kind, good ones and ones with one or two faults, always the same list.

use serde_json::{Value, json};

use crate::support::lab::issuer::Key;

/// A token in the making: members as JSON texts, so that repeated members and odd numbers can be written.
#[derive(Clone)]
pub struct Draft {
    pub header: Vec<(String, String)>,
    pub claims: Vec<(String, String)>,
    /// Instead of the claims.
    pub payload: Option<String>,
    /// Which key signs: a name of [`Keys`].
    pub signer: &'static str,
    /// What becomes of the finished text.
    pub finish: fn(String) -> String,
}

/// The keys of an issuer.
pub struct Keys {
    list: Vec<(&'static str, Key)>,
    /// Key ids are the hashes that kube-apiserver takes, and only `rsa1` is in the set.
    by_hash: bool,
}

impl Keys {
    pub fn new() -> Self {
        let list = vec![
            ("rsa1", Key::rsa()),
            ("rsa2", Key::rsa()),
            ("ec256", Key::curve(256)),
            ("ec384", Key::curve(384)),
            ("ec521", Key::curve(521)),
            // In no key set.
            ("foreign", Key::rsa()),
        ];
        Self { list, by_hash: false }
    }

    /// The keys of service account tokens: one, under the id that the server gives it.
    pub fn of_accounts(key: Key) -> Self {
        let mut keys = Self::new();
        keys.by_hash = true;
        keys.list.retain(|(name, _)| *name != "rsa1");
        keys.list.insert(0, ("rsa1", key));
        keys
    }

    fn is_served(&self, name: &str) -> bool {
        if self.by_hash { name == "rsa1" } else { name != "foreign" }
    }

    /// The id of a key in the set.
    fn kid(&self, name: &str) -> String {
        if self.by_hash { self.get(name).id() } else { name.to_owned() }
    }

    pub fn get(&self, name: &str) -> &Key {
        &self.list.iter().find(|(key, _)| *key == name).expect("a key of that name").1
    }

    /// The key set that the issuer serves.
    pub fn set(&self) -> Value {
        let keys: Vec<Value> = self
            .list
            .iter()
            .filter(|(name, _)| self.is_served(name))
            .map(|(name, key)| key.jwk(&self.kid(name)))
            .collect();
        json!({ "keys": keys })
    }
}

impl Draft {
    /// A token of this issuer that every configuration here accepts.
    pub fn good(issuer: &str, now: i64) -> Self {
        let text = |text: &str| json!(text).to_string();
        let pairs = |list: &[(&str, String)]| -> Vec<(String, String)> {
            list.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        Self {
            header: pairs(&[("alg", text("RS256")), ("kid", text("rsa1")), ("typ", text("JWT"))]),
            claims: pairs(&[
                ("iss", text(issuer)),
                ("aud", text("kubernetes")),
                ("sub", text("1234")),
                ("exp", (now + 86_400).to_string()),
                ("iat", now.to_string()),
                ("nbf", (now - 60).to_string()),
                ("jti", text("id-1")),
                ("email", text("alice@example.com")),
                ("email_verified", "true".to_owned()),
                ("preferred_username", text("alice")),
                ("groups", json!(["backend", "ops"]).to_string()),
                ("tenant", text("blue")),
                ("hd", text("example.com")),
                ("uid", text("u-1")),
                ("realm_access", json!({ "roles": ["r1", "r2"] }).to_string()),
                ("scope", text("openid profile")),
                ("level", "3".to_owned()),
            ]),
            payload: None,
            signer: "rsa1",
            finish: |token| token,
        }
    }

    fn put(list: &mut Vec<(String, String)>, name: &str, value: &str) {
        match list.iter_mut().find(|(member, _)| member == name) {
            Some((_, old)) => value.clone_into(old),
            None => list.push((name.to_owned(), value.to_owned())),
        }
    }

    pub fn claim(&mut self, name: &str, value: &str) {
        Self::put(&mut self.claims, name, value);
    }

    fn without(&mut self, name: &str) {
        self.claims.retain(|(member, _)| member != name);
    }

    fn head(&mut self, name: &str, value: &str) {
        Self::put(&mut self.header, name, value);
    }

    /// The finished token.
    pub fn token(&self, keys: &Keys) -> String {
        let object = |list: &[(String, String)]| {
            let members: Vec<String> = list.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
            format!("{{{}}}", members.join(","))
        };
        let mut header = self.header.clone();
        for (member, value) in &mut header {
            let named = keys.list.iter().find(|(name, _)| member == "kid" && value.trim_matches('"') == *name);
            if let Some((name, _)) = named {
                *value = json!(keys.kid(name)).to_string();
            }
        }
        let algorithm = self.header.iter().find(|(name, _)| name == "alg").map_or("", |(_, value)| value.as_str());
        let payload = self.payload.clone().unwrap_or_else(|| object(&self.claims));
        (self.finish)(keys.get(self.signer).token(algorithm.trim_matches('"'), &object(&header), &payload))
    }
}

/// A fault, or a harmless oddity: its name, and what it does to a good token.
pub type Change = (String, Effect);

type Effect = Box<dyn Fn(&mut Draft, i64)>;
type Finish = fn(String) -> String;

/// Every single change.
pub fn changes() -> Vec<Change> {
    let mut all: Vec<Change> = Vec::new();
    let mut add = |name: &str, change: Effect| all.push((name.to_owned(), change));

    // The header and the signature.
    for (algorithm, signer) in [
        ("RS384", "rsa1"),
        ("RS512", "rsa1"),
        ("PS256", "rsa1"),
        ("PS384", "rsa1"),
        ("PS512", "rsa1"),
        ("ES256", "ec256"),
        ("ES384", "ec384"),
        ("ES512", "ec521"),
        ("RS256", "rsa2"),
        ("ES256", "rsa1"),
        ("RS256", "ec256"),
        ("HS256", "rsa1"),
        ("HS512", "rsa1"),
        ("none", "rsa1"),
        ("EdDSA", "rsa1"),
        ("rs256", "rsa1"),
    ] {
        add(
            &format!("alg {algorithm} by {signer}"),
            Box::new(move |draft, _| {
                draft.head("alg", &json!(algorithm).to_string());
                draft.head("kid", &json!(signer).to_string());
                draft.signer = signer;
            }),
        );
    }
    for (name, member, value) in [
        ("unknown kid", "kid", "\"nobody\""),
        ("empty kid", "kid", "\"\""),
        ("kid null", "kid", "null"),
        ("kid number", "kid", "7"),
        ("another key's kid", "kid", "\"rsa2\""),
        ("kid of a curve", "kid", "\"ec256\""),
        ("alg number", "alg", "256"),
        ("alg null", "alg", "null"),
        ("alg empty", "alg", "\"\""),
        ("typ number", "typ", "1"),
        ("typ at+jwt", "typ", "\"at+jwt\""),
        ("crit", "crit", "[\"exp\"]"),
        ("crit empty", "crit", "[]"),
        ("jku", "jku", "\"https://localhost:1/keys\""),
        ("zip", "zip", "\"DEF\""),
        ("cty", "cty", "\"JWT\""),
        ("bad jwk", "jwk", "{\"kty\":\"foo\"}"),
        ("x5c junk", "x5c", "[\"AAAA\"]"),
        ("b64 false", "b64", "false"),
        ("nonce", "nonce", "\"n\""),
    ] {
        add(name, Box::new(move |draft, _| draft.head(member, value)));
    }
    add("no kid", Box::new(|draft, _| draft.header.retain(|(name, _)| name != "kid")));
    add("no alg", Box::new(|draft, _| draft.header.retain(|(name, _)| name != "alg")));
    add("alg twice", Box::new(|draft, _| draft.header.push(("alg".to_owned(), "\"none\"".to_owned()))));
    add("foreign key", Box::new(|draft, _| draft.signer = "foreign"));
    add(
        "foreign key without kid",
        Box::new(|draft, _| {
            draft.signer = "foreign";
            draft.header.retain(|(name, _)| name != "kid");
        }),
    );
    let finishes: [(&str, Finish); 14] = [
        ("signature cut", |token| token[..token.len() - 8].to_owned()),
        ("signature changed", |token| {
            let (rest, signature) = token.rsplit_once('.').expect("a token");
            let first = if signature.starts_with('A') { "B" } else { "A" };
            format!("{rest}.{first}{}", &signature[1..])
        }),
        ("signature empty", |token| format!("{}.", token.rsplit_once('.').expect("a token").0)),
        ("signature padded", |token| format!("{token}==")),
        ("signature of odd letters", |token| format!("{}.!!!!", token.rsplit_once('.').expect("a token").0)),
        ("two parts", |token| token.rsplit_once('.').expect("a token").0.to_owned()),
        ("four parts", |token| format!("{token}.x")),
        ("header padded", |token| token.replacen('.', "=.", 1)),
        ("header of odd letters", |token| format!("*{token}")),
        ("payload padded", |token| {
            let parts: Vec<&str> = token.split('.').collect();
            format!("{}.{}==.{}", parts[0], parts[1], parts[2])
        }),
        ("begins with a brace", |token| format!("{{{token}")),
        ("another payload", |token| {
            let parts: Vec<&str> = token.split('.').collect();
            format!("{}.{}.{}", parts[0], parts[1].replacen('I', "J", 1), parts[2])
        }),
        ("empty header", |token| format!(".{}", token.split_once('.').expect("a token").1)),
        ("trailing new line", |token| format!("{token}\n")),
    ];
    for (name, finish) in finishes {
        add(name, Box::new(move |draft, _| draft.finish = finish));
    }
    for (name, payload) in [
        ("payload a list", "[]"),
        ("payload null", "null"),
        ("payload a text", "\"x\""),
        ("payload cut", "{\"iss\":"),
        ("payload empty", ""),
        ("no claims", "{}"),
    ] {
        add(name, Box::new(move |draft, _| draft.payload = Some(payload.to_owned())));
    }

    // Claims of the wrong type or value.
    let types = [
        "null",
        "true",
        "7",
        "\"\"",
        "\"text\"",
        "[]",
        "[\"a\",\"b\"]",
        "[\"kubernetes\"]",
        "[7]",
        "[null]",
        "{}",
        "{\"a\":1}",
        "1.5",
    ];
    for claim in [
        "aud",
        "sub",
        "email",
        "email_verified",
        "preferred_username",
        "groups",
        "tenant",
        "uid",
        "jti",
        "hd",
        "realm_access",
        "scope",
        "level",
    ] {
        add(&format!("no {claim}"), Box::new(move |draft, _| draft.without(claim)));
        for value in types {
            add(&format!("{claim} {value}"), Box::new(move |draft, _| draft.claim(claim, value)));
        }
    }
    for claim in ["exp", "nbf", "iat"] {
        add(&format!("no {claim}"), Box::new(move |draft, _| draft.without(claim)));
        for value in [
            "null",
            "\"soon\"",
            "\"1\"",
            "\"\"",
            "true",
            "[]",
            "{}",
            "0",
            "-1",
            "1.5e9",
            "1e10",
            "1e400",
            "1e20",
            "-1e20",
            "99999999999999999999",
            "9223372036854775807",
        ] {
            add(&format!("{claim} {value}"), Box::new(move |draft, _| draft.claim(claim, value)));
        }
        for offset in [-86_400, -3_600, -300, -200, 3_600, 86_400] {
            add(
                &format!("{claim} at {offset}"),
                Box::new(move |draft, now| draft.claim(claim, &(now + offset).to_string())),
            );
        }
        add(
            &format!("{claim} as a quoted number"),
            Box::new(move |draft, now| {
                draft.claim(claim, &format!("\"{}\"", now + if claim == "exp" { 3_600 } else { -60 }));
            }),
        );
        add(
            &format!("{claim} in milliseconds"),
            Box::new(move |draft, now| draft.claim(claim, &((now + 3_600) * 1000).to_string())),
        );
        add(
            &format!("{claim} with a fraction"),
            // Not on the edge of a server's leeway (60 s for service accounts), which passes while it is asked.
            Box::new(move |draft, now| draft.claim(claim, &format!("{}.9", now - 300))),
        );
    }
    for value in [
        "null",
        "7",
        "[]",
        "\"\"",
        "\"https://other.example\"",
        "\"accounts.google.com\"",
        "\"kubernetes/serviceaccount\"",
        "\"https://kubernetes.default.svc\"",
    ] {
        add(&format!("iss {value}"), Box::new(move |draft, _| draft.claim("iss", value)));
    }
    for (name, change) in [("iss with a slash", "/"), ("iss with a blank", " ")] {
        add(
            name,
            Box::new(move |draft, _| {
                let issuer = draft.claims[0].1.trim_matches('"').to_owned();
                draft.claim("iss", &json!(format!("{issuer}{change}")).to_string());
            }),
        );
    }
    add("no iss", Box::new(|draft, _| draft.without("iss")));
    for (name, member) in
        [("AUD too", "AUD"), ("Sub too", "Sub"), ("Groups too", "Groups"), ("ISS too", "ISS"), ("Email too", "Email")]
    {
        add(name, Box::new(move |draft, _| draft.claims.push((member.to_owned(), "\"other\"".to_owned()))));
    }
    add("Exp too, past", Box::new(|draft, now| draft.claims.push(("Exp".to_owned(), (now - 300).to_string()))));
    for member in ["aud", "sub", "groups", "email", "iss"] {
        add(
            &format!("{member} twice"),
            Box::new(move |draft, _| draft.claims.push((member.to_owned(), "\"second\"".to_owned()))),
        );
    }
    add("exp twice, then past", Box::new(|draft, now| draft.claims.push(("exp".to_owned(), (now - 300).to_string()))));
    for value in [
        "\"account\"",
        "[\"account\",\"kubernetes\"]",
        "[\"account\"]",
        "[\"kubernetes\",7]",
        "[\"a\",null]",
        "\"Kubernetes\"",
        "\"second\"",
    ] {
        add(&format!("aud {value}"), Box::new(move |draft, _| draft.claim("aud", value)));
    }
    for value in [
        "[\"a\",null]",
        "[\"a\",[\"b\"]]",
        "[\"\"]",
        "\"one\"",
        "[\"system:masters\"]",
        "[\"ü\",\"a b\"]",
        "[\"a\",\"a\"]",
    ] {
        add(&format!("groups {value}"), Box::new(move |draft, _| draft.claim("groups", value)));
    }
    for value in ["\"true\"", "false", "0", "\"false\""] {
        add(&format!("email_verified {value}"), Box::new(move |draft, _| draft.claim("email_verified", value)));
    }
    for (names, sources) in [
        ("{\"groups\":\"src1\"}", None),
        ("{\"groups\":\"src1\"}", Some("{}")),
        ("{\"groups\":\"src1\"}", Some("{\"src1\":{}}")),
        ("{\"groups\":\"\"}", Some("{\"src1\":{}}")),
        ("{\"groups\":7}", Some("{\"src1\":{}}")),
        ("7", None),
        ("[]", None),
        ("{}", None),
        ("{\"groups\":\"src1\"}", Some("{\"src1\":{\"JWT\":7}}")),
        ("{\"groups\":\"src1\"}", Some("{\"src1\":{\"endpoint\":7}}")),
        ("null", Some("null")),
        ("{\"other\":\"src1\"}", Some("{\"src1\":{}}")),
        ("{\"groups\":\"src1\"}", Some("7")),
    ] {
        for keep in [true, false] {
            add(
                &format!("_claim_names {names} {sources:?} {keep}"),
                Box::new(move |draft, _| {
                    if !keep {
                        draft.without("groups");
                    }
                    draft.claim("_claim_names", names);
                    if let Some(sources) = sources {
                        draft.claim("_claim_sources", sources);
                    }
                }),
            );
        }
    }
    for (claim, value) in [
        ("sub", "\"Zoë \\u0000 ☃\""),
        ("email", "\"bob@example.org\""),
        ("preferred_username", "\"system:admin\""),
        ("hd", "\"example.org\""),
        ("tenant", "\"red\""),
        ("nonce", "7"),
        ("at_hash", "7"),
        ("azp", "7"),
        ("level", "9"),
        ("scope", "\"openid\""),
        ("sub", "\"system:kube-scheduler\""),
        ("extra", "{\"deep\":[1,{\"a\":null}]}"),
    ] {
        add(&format!("{claim} = {value}"), Box::new(move |draft, _| draft.claim(claim, value)));
    }
    add(
        "five hundred groups",
        Box::new(|draft, _| {
            let groups: Vec<String> = (0..500).map(|number| format!("g{number}")).collect();
            draft.claim("groups", &json!(groups).to_string());
        }),
    );
    all
}
