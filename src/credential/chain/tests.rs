//! Everything that Go said of testdata/chain/cases.json is said here too, byte for byte.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use serde::Deserialize;

use super::*;
use crate::apiserver::authn::Opinion;
use crate::apiserver::authn::certificate::{RequestHeaderFlags, request_header, x509};
use crate::evidence::identity::User;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cases {
    about: String,
    now: jiff::Timestamp,
    certificates: Vec<String>,
    chains: Vec<Chain>,
    parsed: Vec<Parsed>,
    proxy_client: usize,
    proxy_root: usize,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chain {
    name: String,
    time: Option<jiff::Timestamp>,
    presented: Vec<usize>,
    roots: Vec<usize>,
    #[serde(default)]
    host: String,
    client: Said,
    server: Said,
    any: Option<Said>,
    x509: SaidWho,
    request_header: SaidWho,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    chains: Vec<Vec<usize>>,
    error: String,
}

#[derive(Deserialize)]
struct SaidWho {
    user: Option<SaidUser>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SaidUser {
    name: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Parsed {
    name: String,
    der: usize,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    name: String,
    #[serde(default)]
    allowed_names: Vec<String>,
    usernames: Vec<String>,
    #[serde(default)]
    uids: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    opinion: SaidWho,
}

static CASES: LazyLock<(Cases, Vec<Vec<u8>>)> = LazyLock::new(|| {
    let cases: Cases = serde_json::from_str(include_str!("../../../testdata/chain/cases.json")).unwrap();
    let ders =
        cases.certificates.iter().map(|text| base64::engine::general_purpose::STANDARD.decode(text).unwrap()).collect();
    (cases, ders)
});

fn ders(indices: &[usize]) -> Vec<&'static [u8]> {
    indices.iter().map(|&index| CASES.1[index].as_slice()).collect()
}

impl Said {
    fn verdict(&self) -> ChainVerdict {
        if !self.error.is_empty() {
            return ChainVerdict::Refused { error: self.error.clone() };
        }
        let sha256 = |index: &usize| crate::credential::certificate::sha256_hex(&CASES.1[*index]);
        ChainVerdict::Accepted { chains: self.chains.iter().map(|chain| chain.iter().map(sha256).collect()).collect() }
    }
}

impl SaidWho {
    fn opinion(&self) -> Opinion {
        match &self.user {
            Some(SaidUser { name, uid, groups, extra }) => Opinion::Accept(User {
                username: name.clone(),
                uid: uid.clone(),
                groups: groups.clone(),
                extra: extra.clone(),
            }),
            None if self.error.is_empty() => Opinion::Silent,
            None => Opinion::Error(self.error.clone()),
        }
    }
}

/// The situations that nothing here can decide, by what their names begin with, and why.
const UNDECIDED: [(&str, &str); 4] = [
    ("signed by P-224", "no verifier for P-224"),
    ("signed by RSA-1024 with SHA384", "the verifier begins at 2048 bits"),
    ("signed by RSA-1024 with PSS", "the verifier begins at 2048 bits"),
    ("policies mapped", "mapped policies are not followed"),
];

fn undecidable(name: &str) -> bool {
    UNDECIDED.iter().any(|(start, _)| name.starts_with(start))
}

#[test]
fn chains_are_judged_as_go_judges_them() {
    let (cases, _) = &*CASES;
    assert!(cases.about.contains("go run ./x509"), "{}", cases.about);
    let (mut faults, mut judged, mut undecided) = (Vec::new(), 0, 0);
    for case in &cases.chains {
        let presented = ders(&case.presented);
        let (roots, errors) = Pool::from_ders(ders(&case.roots));
        assert!(errors.is_empty(), "{}: {errors:?}", case.name);
        let now = case.time.unwrap_or(cases.now);
        let leaf = Certificate::parse(presented[0]).unwrap();
        let (intermediates, errors) = Pool::from_ders(presented[1..].iter().copied());
        assert!(errors.is_empty(), "{}: {errors:?}", case.name);
        let ask = |usage, host: &str| {
            let host = Some(host.to_owned()).filter(|host| !host.is_empty());
            verify(&leaf, &intermediates, &roots, &Options { usages: vec![usage], host, now })
        };
        let mut compare = |what: &str, here: ChainVerdict, said: &Said| {
            judged += 1;
            if matches!(here, ChainVerdict::Undecided { .. }) && undecidable(&case.name) {
                undecided += 1;
            } else if here != said.verdict() {
                faults.push(format!("{} ({what}): {here:?}\n  Go: {:?}", case.name, said.verdict()));
            }
        };
        let client = ask(Usage::ClientAuth, "");
        compare("client", client.clone(), &case.client);
        compare("server", ask(Usage::ServerAuth, &case.host), &case.server);
        if let Some(any) = &case.any {
            compare("any", ask(Usage::Any, &case.host), any);
        }
        let (peer, verdict) = verify_client(&presented, &roots, now).unwrap().unwrap();
        assert_eq!(verdict, client, "{}", case.name);
        let flags = RequestHeaderFlags {
            allowed_names: vec!["alice".to_owned(), "front-proxy-client".to_owned()],
            ..RequestHeaderFlags::usual()
        };
        let headers = [("X-Remote-User".to_owned(), "forwarded".to_owned())];
        for (what, here, said) in [
            ("x509", x509(Some(&peer), Some(&verdict)), case.x509.opinion()),
            (
                "request header",
                request_header(Some(&peer), Some(&verdict), &flags, &headers),
                case.request_header.opinion(),
            ),
        ] {
            judged += 1;
            if matches!(here, Opinion::Open(_)) && undecidable(&case.name) {
                undecided += 1;
            } else if here != said {
                faults.push(format!("{} ({what}): {here:?}\n  Go: {said:?}", case.name));
            }
        }
    }
    assert!(faults.is_empty(), "{} of {judged} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(judged > 2900 && undecided < 30, "{judged} judged, {undecided} undecided");
}

#[test]
fn certificates_break_where_they_break_in_go() {
    let (cases, ders) = &*CASES;
    let mut faults = Vec::new();
    for case in &cases.parsed {
        let here = Certificate::parse(&ders[case.der]).map(|_| String::new());
        let fine = match &here {
            Ok(_) => case.error.is_empty(),
            Err(ParseError::Go(error)) => *error == case.error,
            Err(ParseError::Undecided(_)) => false,
        };
        if !fine {
            faults.push(format!("{}: {here:?}\n  Go: {:?}", case.name, case.error));
        }
    }
    assert!(faults.is_empty(), "{} of {} differ:\n{}", faults.len(), cases.parsed.len(), faults.join("\n"));
}

#[test]
fn front_proxies_are_believed_as_the_server_believes_them() {
    let (cases, ders) = &*CASES;
    let (roots, _) = Pool::from_ders([ders[cases.proxy_root].as_slice()]);
    let (peer, verdict) = verify_client(&[&ders[cases.proxy_client]], &roots, cases.now).unwrap().unwrap();
    for case in &cases.requests {
        let flags = RequestHeaderFlags {
            allowed_names: case.allowed_names.clone(),
            username_headers: case.usernames.clone(),
            uid_headers: case.uids.clone(),
            group_headers: case.groups.clone(),
            extra_prefixes: case.prefixes.clone(),
        };
        let here = request_header(Some(&peer), Some(&verdict), &flags, &case.headers);
        assert_eq!(here, case.opinion.opinion(), "{}", case.name);
    }
}

/// A small generator (xorshift), so that every run makes the same changes.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[test]
fn no_bytes_panic() {
    let (cases, ders) = &*CASES;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut read, mut roots) = (0, Pool::default());
    roots.add(Arc::new(Certificate::parse(&ders[cases.proxy_root]).unwrap()));
    for round in 0..20_000 {
        let mut der = ders[random.below(ders.len())].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(der.len());
            match random.below(5) {
                0 => der.truncate(at),
                1 => der.insert(at, random.below(256) as u8),
                2 if at < der.len() => drop(der.remove(at)),
                3 if at < der.len() => der[at] ^= 1 << random.below(8),
                _ if at < der.len() => der[at] = random.below(256) as u8,
                _ => {}
            }
        }
        if round % 100 == 0 {
            der = (0..random.below(300)).map(|_| random.below(256) as u8).collect();
        }
        let Ok(certificate) = Certificate::parse(&der) else { continue };
        read += 1;
        let _ = certificate.peer_facts();
        // Its own child and parent, for a host: every check is reached.
        let mut own = Pool::default();
        own.add(Arc::new(certificate.clone()));
        let options = |host: Option<&str>| Options {
            usages: vec![Usage::ServerAuth],
            host: host.map(str::to_owned),
            now: cases.now,
        };
        let _ = verify(&certificate, &own, &roots, &options(Some("a.example")));
        if random.below(4) == 0 {
            let _ = verify(&certificate, &roots, &own, &options(None));
            let _ = constraints::check(&[&certificate, &certificate]);
        }
    }
    assert!(read > 1000, "{read}");
}
