//! Criterion's look at the models, without a server: decode, judge, authz, explain, and a whole diagnosis.
//!
//! `cargo bench --manifest-path tests/bench/models/Cargo.toml`; how the cost of `authz` grows with 1 to 10,000 bindings stands in its report.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use kaccess::apiserver::authn::{Keys, judge_token};
use kaccess::apiserver::authz::World;
use kaccess::apiserver::configuration::{from_flags, parse_flags_text};
use kaccess::cli::explain::explained;
use kaccess::credential::token;
use kaccess::evidence::Evidence;
use kaccess::evidence::access::Question;
use kaccess::evidence::identity::User;
use kaccess::evidence::rbac::Rbac;
use kaccess::report::diagnose;
use kaccess::rules::{Case, check_all};
use serde_json::json;

/// A token as Keycloak makes them, of 1.2 kB.
fn a_token() -> String {
    let groups: Vec<String> = (0..20).map(|group| format!("team-{group}")).collect();
    let claims = json!({
        "iss": "https://sso.example.com/realms/platform", "sub": "f3b1c2d4", "aud": ["kubernetes", "account"], "exp": 4_000_000_000_u32,
        "iat": 1_795_600_000, "email": "alice@example.com", "email_verified": true, "groups": groups
    });
    let part =
        |value: &serde_json::Value| base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, value.to_string());
    format!("{}.{}.{}", part(&json!({"alg": "RS256", "kid": "1"})), part(&claims), "A".repeat(342))
}

fn decode(bench: &mut Criterion) {
    let token = a_token();
    bench.bench_function("decode", |bench| bench.iter(|| token::parse(std::hint::black_box(&token))));
}

fn judge(bench: &mut Criterion) {
    let flags = "kube-apiserver --oidc-issuer-url=https://sso.example.com/realms/platform --oidc-client-id=kubernetes \
                 --oidc-groups-claim=groups --oidc-username-claim=email --oidc-groups-prefix=oidc: \
                 --service-account-issuer=https://kubernetes.default.svc --etcd-servers=https://127.0.0.1:2379";
    let server = from_flags(&parse_flags_text(flags, "flags").expect("flags")).expect("a configuration");
    let facts = token::parse(&a_token());
    let keys = Keys::Signature { verified: true, kid_known: true };
    let now = Timestamp::from_second(1_795_600_100).expect("a time");
    bench
        .bench_function("judge", |bench| bench.iter(|| judge_token(std::hint::black_box(&facts), &server, &keys, now)));
}

fn authz(bench: &mut Criterion) {
    let mut group = bench.benchmark_group("authz");
    for count in [1, 10, 100, 1_000, 10_000] {
        let bindings: Vec<_> = (0..count)
            .map(|number| {
                json!({"kind": "RoleBinding", "namespace": format!("team-{}", number % 50), "name": format!("readers-{number}"), "roleKind": "Role",
                    "roleName": "reader", "subjects": [{"kind": "Group", "name": format!("oidc:group-{number}")}]})
            })
            .collect();
        let roles: Vec<_> = (0..50)
            .map(|number| {
                json!({"kind": "Role", "namespace": format!("team-{number}"), "name": "reader",
                    "resourceRules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]})
            })
            .collect();
        let rbac: Rbac = serde_json::from_value(json!({"bindings": bindings, "roles": roles})).expect("RBAC");
        let world = World::new(&rbac);
        let groups = vec![format!("oidc:group-{}", count - 1)];
        let alice = User { username: "oidc:alice".into(), groups, ..User::default() };
        let namespace = format!("team-{}", (count - 1) % 50);
        let question = Question { verb: "list".into(), resource: "pods".into(), namespace, ..Question::default() };
        assert_eq!(world.grants(&alice, &question).len(), 1);
        group.bench_with_input(BenchmarkId::new("grants", count), &world, |bench, world| {
            bench.iter(|| world.grants(std::hint::black_box(&alice), &question));
        });
    }
    group.finish();
}

fn explain(bench: &mut Criterion) {
    let quiet = "I1126 03:12:44.120000       1 httplog.go:132] \"HTTP\" verb=\"LIST\" URI=\"/api/v1/pods\" latency=\"4.1ms\" resp=200\n";
    let telling = "E1126 03:12:45.000000       1 authentication.go:73] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: authenticator not initialized]\"\n";
    let log = format!("{}{telling}", quiet.repeat(10_000));
    let mut group = bench.benchmark_group("explain");
    group.throughput(Throughput::Bytes(log.len() as u64)).sample_size(20);
    group.bench_function("a log with few matches", |bench| {
        bench.iter(|| explained(std::hint::black_box(log.as_bytes())))
    });
    group.finish();
}

fn diagnosis(bench: &mut Criterion) {
    let text = include_str!("../../../testdata/cases/eks-allowlist-misses-interfaces/evidence.json");
    let evidence: Evidence = serde_json::from_str(text).expect("evidence");
    bench.bench_function("diagnose", |bench| {
        bench.iter(|| diagnose(check_all(&Case::new(std::hint::black_box(&evidence)))))
    });
}

criterion_group!(models, decode, judge, authz, explain, diagnosis);
criterion_main!(models);
