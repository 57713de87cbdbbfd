//! What is thrown at each parser: the fuzz targets call these, and so does the replay of their corpus in `cargo test`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kaccess::apiserver::authn::{Keys, judge_token};
use kaccess::apiserver::cel::{self, Place};
use kaccess::apiserver::configuration::{Configuration, JwtAuthenticator, from_flags, parse_flags_text};
use kaccess::aws::{identity, trust};
use kaccess::collect::kubeconfig::{ConnectionFlags, load};
use kaccess::collect::{apiserver, credential as plugin, issuer};
use kaccess::credential::{certificate, chain, public_keys, signature, token};
use kaccess::evidence::Evidence;
use kaccess::host::Host;
use kaccess::render::{markdown, terminal};
use kaccess::report::diagnose;
use kaccess::report::doctor::DoctorReport;
use kaccess::rules::explain::Collector;
use kaccess::rules::{Case, check_all};
use kaccess::secret::{Scrubber, strip_control};

/// A parser that is fed any bytes.
pub type Target = fn(&[u8]);

/// Every target by name; a name is also that of its corpus in testdata/fuzz.
pub const TARGETS: [(&str, Target); 13] = [
    ("authentication-configuration", authentication_configuration),
    ("aws-auth", aws_auth),
    ("cel", cel_expression),
    ("certificate", pem),
    ("discovery", discovery),
    ("evidence", evidence),
    ("exec-credential", exec_credential),
    ("jwks", jwks),
    ("jwt", jwt),
    ("kubeconfig", kubeconfig),
    ("log", log),
    ("metrics", metrics),
    ("trust-policy", trust_policy),
];

/// Runs one by name.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    target(data);
}

fn jwt(data: &[u8]) {
    let facts = token::parse(&String::from_utf8_lossy(data));
    let config = Configuration {
        jwt: vec![JwtAuthenticator::with_defaults("https://issuer.example")],
        service_account_issuers: vec!["https://kubernetes.default.svc".to_owned()],
        api_audiences: vec!["https://kubernetes.default.svc".to_owned()],
        complete: true,
        jwt_known: true,
        ..Configuration::default()
    };
    let _ = judge_token(&facts, &config, &Keys::Unknown, Timestamp::UNIX_EPOCH);
    let _ = judge_token(&facts, &config, &Keys::Signature { verified: true, kid_known: true }, Timestamp::UNIX_EPOCH);
}

fn pem(data: &[u8]) {
    let _ = certificate::facts_from_pem(&String::from_utf8_lossy(data));
    let _ = public_keys::key_set_from_pem(data);
    let _ = chain::Certificate::parse(data);
}

fn jwks(data: &[u8]) {
    let _ = signature::parse_key_set(data);
}

fn authentication_configuration(data: &[u8]) {
    if let Ok(flags) = parse_flags_text(&String::from_utf8_lossy(data), "input") {
        let _ = from_flags(&flags);
    }
}

fn cel_expression(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let claims = serde_json::json!({ "sub": "a", "groups": ["x", "y"], "n": 1, "d": 1.5, "o": { "k": [true] } });
    for place in [Place::ClaimMapping, Place::ClaimValidation] {
        if let Ok(program) = cel::compile(&text, place) {
            let _ = program.evaluate(&claims);
        }
    }
}

fn discovery(data: &[u8]) {
    let _ = issuer::read_discovery(data, &Scrubber::default());
}

fn exec_credential(data: &[u8]) {
    let _ = plugin::exec_credential(data, "v1", &Scrubber::default());
    let _ = plugin::exec_credential(data, "v1beta1", &Scrubber::default());
}

fn metrics(data: &[u8]) {
    let _ = apiserver::parse_metrics(&String::from_utf8_lossy(data));
}

fn aws_auth(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let section = |name: &str| (name.to_owned(), text.clone());
    let data: BTreeMap<_, _> = [section("mapRoles"), section("mapUsers"), section("mapAccounts")].into();
    let _ = identity::mappings(&data);
}

fn trust_policy(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let provider = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A";
    let request = trust::Request::web_identity(
        provider,
        "oidc.eks.eu-west-1.amazonaws.com/id/A",
        "system:serviceaccount:shop:web",
        "sts.amazonaws.com",
    );
    let _ = trust::judge(&text, &request);
    let asking = trust::Assuming {
        role: "arn:aws:iam::111122223333:role/kiam",
        session: None,
        external_id: trust::Known::Is("id"),
        tags: true,
    };
    let _ = trust::judge_role(&text, &asking);
    let _ = trust::role_policy(Some(&text), &asking);
    let _ = trust::irsa_policy(Some(&text), provider, "oidc.eks.eu-west-1.amazonaws.com/id/A", "a", "b");
    let association = trust::PodIdentity {
        cluster_arn: "arn:aws:eks:eu-west-1:111122223333:cluster/prod",
        cluster: "prod",
        namespace: "shop",
        account: "web",
        tags: true,
    };
    let _ = trust::pod_identity_policy(Some(&text), &association);
}

fn log(data: &[u8]) {
    let scrub = |text: &str, limit: usize| Scrubber::default().text_limited(text, limit);
    let mut collector = Collector::new(&scrub);
    let mut lines = 0;
    for line in String::from_utf8_lossy(data).lines() {
        lines += 1;
        collector.line(lines, &strip_control(line));
    }
    let _ = collector.finish(lines);
}

fn evidence(data: &[u8]) {
    let Ok(evidence) = serde_json::from_slice::<Evidence>(data) else { return };
    let report = DoctorReport::new(&evidence, diagnose(check_all(&Case::new(&evidence))));
    let look = terminal::Look { width: 80, verbose: true, hide_claims: false };
    terminal::doctor(&report, &evidence, look, &mut Vec::new()).expect("writing to memory");
    markdown::doctor(&report, &evidence, false, &mut Vec::new()).expect("writing to memory");
}

fn kubeconfig(data: &[u8]) {
    let path = std::env::temp_dir().join(format!("kaccess-fuzz-{}", std::process::id()));
    std::fs::write(&path, data).expect("a file");
    let flags = ConnectionFlags { kubeconfig: Some(path.clone()), ..ConnectionFlags::default() };
    let _ = load(&Host::read(), &flags, &Scrubber::default());
    // One name for all inputs of a process: it is written again, or left in the temporary folder when one fails.
    let _ = std::fs::remove_file(&path);
}
