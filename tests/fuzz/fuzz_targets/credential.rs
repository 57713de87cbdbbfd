//! Any bytes as a token, a certificate and a key set (`cargo +nightly fuzz run --fuzz-dir tests/fuzz credential`).
#![no_main]

use jiff::Timestamp;
use kaccess::apiserver::authn::{Keys, judge_token};
use kaccess::apiserver::configuration::{Configuration, JwtAuthenticator};
use kaccess::credential::{certificate, chain, signature, token};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let facts = token::parse(&text);
    let config = Configuration {
        jwt: vec![JwtAuthenticator::with_defaults("https://issuer.example")],
        service_account_issuers: vec!["https://kubernetes.default.svc".to_owned()],
        api_audiences: vec!["https://kubernetes.default.svc".to_owned()],
        complete: true,
        jwt_known: true,
        ..Configuration::default()
    };
    let _ = judge_token(&facts, &config, &Keys::Unknown, Timestamp::UNIX_EPOCH);
    let _ = certificate::facts_from_pem(&text);
    let _ = chain::Certificate::parse(data);
    let _ = signature::parse_key_set(data);
});
