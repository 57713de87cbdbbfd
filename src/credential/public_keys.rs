//! `--service-account-key-file`: PEM keys as the key set that kube-apiserver makes of them.
//!
//! k8s.io/client-go util/keyutil (what is read) and k8s.io/kubernetes pkg/serviceaccount/openidmetadata.go (the key
//! ids).

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    KeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use serde_json::{Value, json};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The key set of a PEM file with public keys, certificates or private keys (of which only the public half is kept).
///
/// # Errors
/// In the server's words, where the file holds no usable key.
pub fn key_set_from_pem(pem: &[u8]) -> Result<Value, String> {
    let mut found = Vec::new();
    for der in SubjectPublicKeyInfoDer::pem_slice_iter(pem).flatten() {
        found.push(der.to_vec());
    }
    for der in CertificateDer::pem_slice_iter(pem).flatten() {
        if let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der) {
            found.push(certificate.public_key().raw.to_vec());
        }
    }
    for der in PrivateKeyDer::pem_slice_iter(pem).flatten() {
        found.extend(public_half(&der));
    }
    let keys: Vec<Value> = found.iter().filter_map(|der| jwk(der)).collect();
    if keys.is_empty() {
        return Err("data does not contain any valid RSA or ECDSA public keys".to_owned());
    }
    Ok(json!({ "keys": keys }))
}

fn public_half(der: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    fn encoded<'a>(key: &impl AsDer<PublicKeyX509Der<'a>>) -> Option<Vec<u8>> {
        key.as_der().ok().map(|der| der.as_ref().to_vec())
    }
    let bytes = der.secret_der();
    let rsa = rsa::KeyPair::from_der(bytes).or_else(|_| rsa::KeyPair::from_pkcs8(bytes));
    if let Ok(key) = rsa {
        return encoded(key.public_key());
    }
    [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P521_SHA512_FIXED_SIGNING]
        .into_iter()
        .find_map(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, bytes).ok())
        .and_then(|key| encoded(key.public_key()))
}

/// A SubjectPublicKeyInfo as a key of a set; the id is the hash of its encoding.
fn jwk(der: &[u8]) -> Option<Value> {
    let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
    let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, der));
    let whole = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        URL_SAFE_NO_PAD.encode(&bytes[start..])
    };
    match info.parsed().ok()? {
        PublicKey::RSA(key) => {
            Some(json!({ "kty": "RSA", "kid": kid, "n": whole(key.modulus), "e": whole(key.exponent) }))
        }
        PublicKey::EC(point) => {
            let (first, rest) = point.data().split_first()?;
            let size = rest.len() / 2;
            let curve = match size {
                32 => "P-256",
                48 => "P-384",
                66 => "P-521",
                _ => return None,
            };
            let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            (*first == 4).then(
                || json!({ "kty": "EC", "kid": kid, "crv": curve, "x": part(&rest[..size]), "y": part(&rest[size..]) }),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_form_give_one_key_set() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384] {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let private = key_set_from_pem(pair.serialize_pem().as_bytes()).unwrap();
            let public = key_set_from_pem(pair.public_key_pem().as_bytes()).unwrap();
            let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
            assert_eq!(private, public);
            assert_eq!(key_set_from_pem(certificate.pem().as_bytes()).unwrap(), public);
            assert!(crate::credential::signature::parse_key_set(public.to_string().as_bytes()).is_ok());
        }
        let nothing = key_set_from_pem(b"no key here");
        assert_eq!(nothing.unwrap_err(), "data does not contain any valid RSA or ECDSA public keys");
    }
}
