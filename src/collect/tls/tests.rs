use std::path::Path;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::Error;
use rustls::pki_types::CertificateDer;

use super::judgement::{Judgement, subject};
use super::*;
use crate::credential::certificate::facts_from_der;
use crate::evidence::tls::{TlsFault, TlsFaultKind};
use crate::secret::Secret;

/// A name with an authority of this name; new keys at every call.
fn authority(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertifiedIssuer<'static, KeyPair> {
    CertifiedIssuer::self_signed(authority_params(name, change), KeyPair::generate().unwrap()).unwrap()
}

fn authority_params(name: &str, change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.use_authority_key_identifier_extension = true;
    change(&mut params);
    params
}

fn leaf_params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    params.use_authority_key_identifier_extension = true;
    change(&mut params);
    params
}

fn leaf(
    issuer: &CertifiedIssuer<'static, KeyPair>,
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    leaf_params(names, change).signed_by(&key, issuer).unwrap().der().clone()
}

fn judge(
    roots: &[&str],
    leaf: &CertificateDer<'static>,
    more: &[CertificateDer<'static>],
    name: &str,
) -> Vec<TlsFault> {
    let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let anchors = pem_anchors(&roots.concat(), "kubeconfig").unwrap();
    Judgement { anchors: &anchors, leaf, intermediates: more, name, now }.faults()
}

/// The same without kaccess' own words: what a Go client says first, if anything.
fn go(roots: &[&str], leaf: &CertificateDer<'static>, more: &[CertificateDer<'static>], name: &str) -> Option<String> {
    judge(roots, leaf, more, name).into_iter().next().and_then(|fault| fault.go)
}

fn kinds(faults: &[TlsFault]) -> Vec<TlsFaultKind> {
    assert!(faults.iter().all(|fault| fault.expected.is_some() && fault.seen.is_some()), "{faults:?}");
    faults.iter().map(|fault| fault.kind).collect()
}

#[test]
fn a_good_chain_has_no_fault() {
    let root = authority("kubernetes", |_| {});
    let leaf = leaf(&root, &["api.example", "10.0.0.1"], |_| {});
    assert!(judge(&[&root.pem()], &leaf, &[], "api.example").is_empty());
    assert!(judge(&[&root.pem()], &leaf, &[], "10.0.0.1").is_empty());
    // Other roots, junk and repetitions beside it change nothing.
    let other = authority("other", |_| {});
    assert!(judge(&[&other.pem(), "junk\n", &root.pem(), &root.pem()], &leaf, &[], "api.example").is_empty());
}

#[test]
fn unknown_authority_and_a_missing_intermediate() {
    let (root, other) = (authority("kubernetes", |_| {}), authority("corporate proxy", |_| {}));
    let proxied = leaf(&other, &["api.example"], |_| {});
    let faults = judge(&[&root.pem()], &proxied, &[], "api.example");
    assert_eq!(kinds(&faults), [TlsFaultKind::UnknownAuthority]);
    assert_eq!(faults[0].expected.as_deref(), Some("CN=kubernetes"));
    assert_eq!(faults[0].seen.as_deref(), Some("CN=corporate proxy"));
    let key = KeyPair::generate().unwrap();
    let middle = CertifiedIssuer::signed_by(authority_params("middle", |_| {}), key, &root).unwrap();
    let below = leaf(&middle, &["api.example"], |_| {});
    assert!(judge(&[&root.pem()], &below, &[middle.der().clone()], "api.example").is_empty());
    let faults = judge(&[&root.pem()], &below, &[], "api.example");
    assert_eq!(kinds(&faults), [TlsFaultKind::UnknownAuthority]);
    assert!(faults[0].detail.contains("was not sent by the server"), "{faults:?}");
    let alone = leaf_params(&["api.example"], |_| {}).self_signed(&KeyPair::generate().unwrap()).unwrap();
    let faults = judge(&[&root.pem()], alone.der(), &[], "api.example");
    assert_eq!(kinds(&faults), [TlsFaultKind::UnknownAuthority]);
    assert!(faults[0].detail.contains("self-signed"), "{faults:?}");
}

#[test]
fn the_same_authority_name_with_another_key() {
    let (ours, theirs) = (authority("kubernetes", |_| {}), authority("kubernetes", |_| {}));
    let leaf = leaf(&theirs, &["api.example"], |_| {});
    for sent in [vec![], vec![theirs.der().clone()]] {
        let faults = judge(&[&ours.pem()], &leaf, &sent, "api.example");
        assert_eq!(kinds(&faults), [TlsFaultKind::AuthorityKeyDiffers]);
        let id = |issuer: &CertifiedIssuer<'static, KeyPair>| facts_from_der(issuer.der()).unwrap().subject_key_id;
        assert!(faults[0].expected.as_deref().unwrap().contains(&id(&ours)), "{faults:?}");
        assert!(faults[0].seen.as_deref().unwrap().contains(&id(&theirs)), "{faults:?}");
    }
    // Both in the bundle, as during a rotation: trusted.
    assert!(judge(&[&ours.pem(), &theirs.pem()], &leaf, &[], "api.example").is_empty());
}

#[test]
fn dates_and_names_come_with_both_sides_and_hide_nothing() {
    let (root, other) = (authority("kubernetes", |_| {}), authority("other", |_| {}));
    let old = |issuer| leaf(issuer, &["api.example"], |params| params.not_after = date_time_ymd(2026, 5, 1));
    let faults = judge(&[&root.pem()], &old(&root), &[], "api.example");
    assert_eq!(kinds(&faults), [TlsFaultKind::Expired]);
    assert_eq!(faults[0].expected.as_deref(), Some("valid at 2026-06-01T00:00:00Z"));
    assert_eq!(faults[0].seen.as_deref(), Some("valid until 2026-05-01T00:00:00Z"));
    let faults = judge(&[&root.pem()], &old(&other), &[], "elsewhere.example");
    let all = [TlsFaultKind::Expired, TlsFaultKind::NameMismatch, TlsFaultKind::UnknownAuthority];
    assert_eq!(kinds(&faults), all);
    assert_eq!(faults[1].expected.as_deref(), Some("elsewhere.example"));
    assert_eq!(faults[1].seen.as_deref(), Some("api.example"));
    let young = leaf(&root, &["api.example"], |params| params.not_before = date_time_ymd(2026, 7, 1));
    assert_eq!(kinds(&judge(&[&root.pem()], &young, &[], "api.example")), [TlsFaultKind::NotYetValid]);
    let nameless = leaf(&root, &[], |_| {});
    let faults = judge(&[&root.pem()], &nameless, &[], "kube-apiserver");
    assert_eq!(kinds(&faults), [TlsFaultKind::NameMismatch]);
    assert_eq!(faults[0].seen.as_deref(), Some("no names; subject CN=kube-apiserver"));
    let faults = judge(&[&root.pem()], &leaf(&root, &["api.example"], |_| {}), &[], "10.0.0.1");
    assert_eq!(kinds(&faults), [TlsFaultKind::NameMismatch]);
}

#[test]
fn roots_that_go_refuses_are_refused() {
    for (expected, change) in [
        (TlsFaultKind::Expired, (|params| params.not_after = date_time_ymd(2026, 5, 1)) as fn(&mut CertificateParams)),
        (TlsFaultKind::NotYetValid, |params| params.not_before = date_time_ymd(2026, 7, 1)),
        (TlsFaultKind::UnknownAuthority, |params| params.is_ca = IsCa::NoCa),
        (TlsFaultKind::UnknownAuthority, |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature]),
    ] {
        let root = authority("kubernetes", change);
        let leaf = leaf(&root, &["api.example"], |_| {});
        let faults = judge(&[&root.pem()], &leaf, &[], "api.example");
        assert_eq!(kinds(&faults), [expected], "{faults:?}");
        assert!(faults[0].detail.contains("among the kubeconfig roots"), "{faults:?}");
    }
}

#[test]
fn what_go_trusts_and_webpki_does_not() {
    // A self-signed certificate with CA:TRUE, and one without, in the kubeconfig's own CA data.
    for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::NoCa] {
        let own = leaf_params(&["api.example"], |params| params.is_ca = is_ca)
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap();
        assert!(judge(&[&own.pem()], own.der(), &[], "api.example").is_empty());
        assert_eq!(kinds(&judge(&[&own.pem()], own.der(), &[], "b.example")), [TlsFaultKind::NameMismatch]);
    }
    // A leaf with CA:TRUE under a root, directly and by an intermediate; and only the usage `any`.
    let root = authority("kubernetes", |_| {});
    let key = KeyPair::generate().unwrap();
    let middle = CertifiedIssuer::signed_by(authority_params("middle", |_| {}), key, &root).unwrap();
    let as_ca =
        |issuer| leaf(issuer, &["api.example"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let any = |issuer| {
        leaf(issuer, &["api.example"], |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any])
    };
    for odd in [as_ca(&root), any(&root)] {
        assert!(judge(&[&root.pem()], &odd, &[], "api.example").is_empty());
    }
    for odd in [as_ca(&middle), any(&middle)] {
        assert!(judge(&[&root.pem()], &odd, &[middle.der().clone()], "api.example").is_empty());
        assert!(!judge(&[&root.pem()], &odd, &[], "api.example").is_empty());
    }
    // The same with a foreign key under the root's name is not trusted.
    let foreign = authority("kubernetes", |_| {});
    assert_eq!(
        kinds(&judge(&[&root.pem()], &as_ca(&foreign), &[], "api.example")),
        [TlsFaultKind::AuthorityKeyDiffers]
    );
}

#[test]
fn faults_come_with_gos_words() {
    let (root, other) = (authority("kubernetes", |_| {}), authority("kubernetes", |_| {}));
    let trusted = root.pem();
    let starts = |leaf: &CertificateDer<'static>, name: &str, expected: &str| {
        let words = go(&[&trusted], leaf, &[], name).unwrap_or_default();
        assert!(words.starts_with(expected), "{words}\n{expected}");
    };
    let old = leaf(&root, &["api.example"], |params| params.not_after = date_time_ymd(2026, 5, 1));
    let text = "x509: certificate has expired or is not yet valid: current time 2026-06-01T00:00:00Z is after 2026-05-01T00:00:00Z";
    starts(&old, "api.example", text);
    let named = leaf(&root, &["api.example"], |_| {});
    starts(&named, "b.example", "x509: certificate is valid for api.example, not b.example");
    starts(&named, "10.0.0.1", "x509: cannot validate certificate for 10.0.0.1 because it doesn't contain any IP SANs");
    let legacy = leaf(&root, &[], |_| {});
    starts(&legacy, "kube-apiserver", "x509: certificate relies on legacy Common Name field, use SANs instead");
    let rotated = leaf(&other, &["api.example"], |_| {});
    let text = r#"x509: certificate signed by unknown authority (possibly because of "x509: ECDSA verification failure" while trying to verify candidate authority certificate "kubernetes")"#;
    starts(&rotated, "api.example", text);
    // An authority for clients only, and a chain that is not Go's at all.
    let clients = authority("clients", |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let faults = judge(&[&clients.pem()], &leaf(&clients, &["api.example"], |_| {}), &[], "api.example");
    assert_eq!(kinds(&faults), [TlsFaultKind::WrongUsage]);
    assert_eq!(faults[0].go.as_deref(), Some("x509: certificate specifies an incompatible key usage"));
    let broken = CertificateDer::from(root.der()[..100].to_vec());
    let words = go(&[&trusted], &named, &[broken], "api.example").unwrap();
    assert!(words.starts_with("tls: failed to parse certificate from server: "), "{words}");
}

#[test]
fn the_systems_roots_are_asked_only_about_the_chain() {
    let (root, other) = (authority("kubernetes", |_| {}), authority("other", |_| {}));
    let old = leaf(&root, &["api.example"], |params| params.not_after = date_time_ymd(2026, 5, 1));
    let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
    let trusts = |pem: &str| {
        let anchors = pem_anchors(pem, "system").unwrap();
        Judgement { anchors: &anchors, leaf: &old, intermediates: &[], name: "b.example", now }.trusts_chain()
    };
    assert!(trusts(&root.pem()));
    assert!(!trusts(&other.pem()));
}

#[test]
fn usage_and_path_length_count() {
    let root = authority("kubernetes", |_| {});
    let client = leaf(&root, &["api.example"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let faults = judge(&[&root.pem()], &client, &[], "api.example");
    assert_eq!(kinds(&faults), [TlsFaultKind::WrongUsage]);
    assert_eq!(faults[0].seen.as_deref(), Some("clientAuth"));
    let short = authority("short", |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let key = KeyPair::generate().unwrap();
    let middle = CertifiedIssuer::signed_by(authority_params("middle", |_| {}), key, &short).unwrap();
    let odd = leaf(&middle, &["api.example"], |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert!(!judge(&[&short.pem()], &odd, &[middle.der().clone()], "api.example").is_empty());
}

#[test]
fn unreadable_certificates_are_faults() {
    let root = authority("kubernetes", |_| {});
    for bytes in [vec![], vec![0x30, 0], root.der()[..100].to_vec()] {
        let faults = judge(&[&root.pem()], &CertificateDer::from(bytes), &[], "api.example");
        assert_eq!(kinds(&faults), [TlsFaultKind::Other]);
    }
}

/// kubectl sends such a certificate, and the server accepts it or says what it minds.
#[test]
fn a_certificate_that_rustls_itself_would_not_trust_is_sent() {
    let root = authority("kubernetes", |_| {});
    let key = KeyPair::generate().unwrap();
    let critical = |oid: &[u64], content: &[u8]| {
        let mut extension = rcgen::CustomExtension::from_oid_content(oid, content.to_vec());
        extension.set_criticality(true);
        leaf_params(&["alice"], |params| params.custom_extensions.push(extension)).signed_by(&key, &root).unwrap().pem()
    };
    // Certificate policies with the policy 1.2.3, and something that nobody knows.
    let policies = critical(&[2, 5, 29, 32], &[0x30, 6, 0x30, 4, 6, 2, 0x2a, 3]);
    for chain_pem in [policies, critical(&[1, 2, 3, 4, 5], &[5, 0])] {
        let identity = ClientIdentity { chain_pem, key_pem: Secret::new(key.serialize_pem()) };
        assert!(certified_key(&identity).is_ok());
    }
}

#[test]
fn unusable_settings_are_named() {
    let host = Host::read();
    let root = authority("kubernetes", |_| {});
    let key = KeyPair::generate().unwrap();
    let certificate = leaf_params(&["alice"], |_| {}).signed_by(&key, &root).unwrap();
    let fail = |chain: &str, key: &str| {
        let settings = TlsSettings {
            client_identity: Some(ClientIdentity { chain_pem: chain.to_owned(), key_pem: Secret::new(key) }),
            ..TlsSettings::system()
        };
        let failure = client_config(&settings, &[], &host).err()?;
        assert_eq!(failure.kind, FailureKind::Malformed);
        Some(failure.detail)
    };
    assert_eq!(fail(&certificate.pem(), &key.serialize_pem()), None);
    let other = KeyPair::generate().unwrap().serialize_pem();
    let detail = fail(&certificate.pem(), &other).unwrap();
    assert_eq!(detail, "the client key does not belong to the client certificate");
    assert_eq!(fail(&certificate.pem(), "x").unwrap(), "the client key is not a PEM private key");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert!(fail(&certificate.pem(), encrypted).unwrap().contains("encrypted"));
    let broken = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    assert!(fail(&certificate.pem(), broken).unwrap().contains("cannot be used"));
    assert!(fail("", &other).unwrap().contains("no PEM block"));
    let pem = |pem: &str| TlsSettings {
        roots: Roots::Pem { pem: pem.to_owned(), label: "kubeconfig" },
        ..TlsSettings::system()
    };
    for text in ["", "x", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"] {
        assert_eq!(client_config(&pem(text), &[], &host).unwrap_err().kind, FailureKind::Malformed);
    }
    let settings = TlsSettings { server_name: Some("a b".to_owned()), ..pem(&root.pem()) };
    assert_eq!(client_config(&settings, &[], &host).unwrap_err().kind, FailureKind::Malformed);
}

#[test]
fn ssl_cert_file_stands_for_the_bundle_and_ssl_cert_dir_for_the_folders() {
    let folder = tempfile::tempdir().unwrap();
    let empty = tempfile::tempdir().unwrap();
    let root = authority("corporate", |_| {});
    let file = folder.path().join("corporate.pem");
    std::fs::write(&file, root.pem()).unwrap();
    let mut host = Host::read();
    let mut subjects = |file: &Path, dir: &Path| {
        host.env.insert("SSL_CERT_FILE".into(), file.into());
        host.env.insert("SSL_CERT_DIR".into(), dir.into());
        let anchors = SystemRoots::of(&host).anchors();
        assert_eq!(anchors.label, "system");
        anchors.roots.iter().map(|root| subject(&root.der)).collect()
    };
    let found: Vec<String> = subjects(&file, empty.path());
    assert_eq!(found, ["CN=corporate"]);
    let found: Vec<String> = subjects(&empty.path().join("none"), folder.path());
    assert_eq!(found, ["CN=corporate"]);
    let found: Vec<String> = subjects(&file, folder.path());
    assert_eq!(found, ["CN=corporate"]);
    let found: Vec<String> = subjects(&empty.path().join("none"), empty.path());
    assert!(found.is_empty());
}

#[test]
fn a_handshake_that_ends_after_a_request_for_a_certificate_demands_one() {
    use rustls::AlertDescription as Alert;
    let recorder = |asked: bool| {
        let recorder = Recorder::new(&Anchors::new("system", Vec::new()), false);
        if asked {
            recorder.asked(&[]);
        }
        recorder
    };
    let kind = |alert: Alert, asked: bool| {
        let error = Error::AlertReceived(alert);
        handshake_failure(tls_failure(&error), Some(&error), &recorder(asked)).kind
    };
    assert_eq!(kind(Alert::HandshakeFailure, true), FailureKind::ClientCertificateDemanded);
    assert_eq!(kind(Alert::BadCertificate, true), FailureKind::ClientCertificateDemanded);
    assert_eq!(kind(Alert::HandshakeFailure, false), FailureKind::TlsVersion);
    assert_eq!(kind(Alert::ProtocolVersion, true), FailureKind::TlsVersion);
    assert_eq!(kind(Alert::CertificateRequired, false), FailureKind::ClientCertificateDemanded);
    assert_eq!(kind(Alert::InternalError, true), FailureKind::Tls);
}
