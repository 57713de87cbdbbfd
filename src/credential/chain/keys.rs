//! Public keys and signatures of certificates: which Go can read, which it refuses by principle, which verify.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, UnparsedPublicKey};

use x509_parser::num_bigint::BigUint;

use super::ParseError;
use super::der::{Der, tag};

const NULL: &[u8] = &[5, 0];

mod oid {
    pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    pub(super) const PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
    pub(super) const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
    pub(super) const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
    pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    pub(super) const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    pub(super) const SHA384: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
    pub(super) const SHA512: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P224,
    P256,
    P384,
    P521,
}

/// A key that Go's ParseCertificate understands.
#[derive(Debug, Clone)]
pub(super) enum Key {
    /// Modulus without leading zeros, exponent.
    Rsa(Vec<u8>, i64),
    /// Uncompressed point.
    Ec(Curve, Vec<u8>),
    Ed25519(Vec<u8>),
    /// Read, but never verified with.
    Dsa,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// What a certificate says it is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rsa(Hash),
    Pss(Hash),
    Ecdsa(Hash),
    Dsa(Hash),
    Ed25519,
    /// None that Go knows.
    Unknown,
}

/// What comes of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    Good,
    /// Go's text.
    Bad(String),
    /// Nobody here can verify it.
    Unsure(String),
}

/// An AlgorithmIdentifier: OID and the whole parameters, empty when absent (`parseAI` in crypto/x509/parser.go).
pub(super) fn algorithm_identifier<'a>(mut der: Der<'a>) -> Result<(&'a [u8], &'a [u8]), ParseError> {
    let oid = der.oid().ok_or_else(|| ParseError::go("x509: malformed OID"))?;
    if der.is_empty() {
        return Ok((oid, &[]));
    }
    let parameters = der.any().ok_or_else(|| ParseError::go("x509: malformed parameters"))?;
    Ok((oid, parameters.whole))
}

/// `getSignatureAlgorithmFromAI`: parameters count only for PSS and Ed25519.
pub(super) fn signature_algorithm(oid: &[u8], parameters: &[u8]) -> Algorithm {
    match oid {
        oid::PSS => pss(parameters).map_or(Algorithm::Unknown, Algorithm::Pss),
        oid::ED25519 if parameters.is_empty() => Algorithm::Ed25519,
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4] => Algorithm::Rsa(Hash::Md5),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5] | [0x2b, 0x0e, 3, 2, 0x1d] => Algorithm::Rsa(Hash::Sha1),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11] => Algorithm::Rsa(Hash::Sha256),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12] => Algorithm::Rsa(Hash::Sha384),
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13] => Algorithm::Rsa(Hash::Sha512),
        [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3] => Algorithm::Dsa(Hash::Sha1),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 2] => Algorithm::Dsa(Hash::Sha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] => Algorithm::Ecdsa(Hash::Sha1),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2] => Algorithm::Ecdsa(Hash::Sha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3] => Algorithm::Ecdsa(Hash::Sha384),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4] => Algorithm::Ecdsa(Hash::Sha512),
        _ => Algorithm::Unknown,
    }
}

/// Go takes PSS only with one hash for both purposes and a salt of its length.
fn pss(parameters: &[u8]) -> Option<Hash> {
    let mut outer = Der(parameters);
    let mut fields = outer.read(tag::SEQUENCE)?;
    let identifier = |mut der: Der<'_>| -> Option<(Vec<u8>, Vec<u8>)> {
        let (oid, parameters) = algorithm_identifier(der.read(tag::SEQUENCE)?).ok()?;
        Some((oid.to_vec(), parameters.to_vec()))
    };
    let (hash, hash_parameters) = identifier(fields.read(tag::constructed(0))?)?;
    let (mgf, mgf_parameters) = identifier(fields.read(tag::constructed(1))?)?;
    let salt = fields.read(tag::constructed(2))?.small_integer(tag::INTEGER)?;
    let trailer = match fields.optional(tag::constructed(3))? {
        Some(mut field) => field.small_integer(tag::INTEGER)?,
        None => 1,
    };
    let (mgf_hash, mgf_hash_parameters) = identifier(Der(&mgf_parameters))?;
    let plain = |parameters: &[u8]| parameters.is_empty() || parameters == NULL;
    if !plain(&hash_parameters) || mgf != oid::MGF1 || mgf_hash != hash || !plain(&mgf_hash_parameters) || trailer != 1
    {
        return None;
    }
    match (hash.as_slice(), salt) {
        (oid::SHA256, 32) => Some(Hash::Sha256),
        (oid::SHA384, 48) => Some(Hash::Sha384),
        (oid::SHA512, 64) => Some(Hash::Sha512),
        _ => None,
    }
}

/// `parsePublicKey`; `None` for a kind that Go does not know, which it passes over.
pub(super) fn public_key(oid: &[u8], parameters: &[u8], data: &[u8]) -> Result<Option<Key>, ParseError> {
    match oid {
        oid::RSA => rsa_key(parameters, data).map(Some),
        oid::EC => ec_key(parameters, data).map(Some),
        oid::ED25519 if !parameters.is_empty() => {
            Err(ParseError::go("x509: Ed25519 key encoded with illegal parameters"))
        }
        oid::ED25519 if data.len() != 32 => Err(ParseError::go("x509: wrong Ed25519 public key size")),
        oid::ED25519 => Ok(Some(Key::Ed25519(data.to_vec()))),
        oid::DSA => dsa_key(parameters, data).map(Some),
        _ => Ok(None),
    }
}

fn is_negative(integer: &[u8]) -> bool {
    integer.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// Zero or less.
fn not_positive(integer: &[u8]) -> bool {
    is_negative(integer) || integer.iter().all(|&byte| byte == 0)
}

fn rsa_key(parameters: &[u8], data: &[u8]) -> Result<Key, ParseError> {
    if parameters != NULL {
        return Err(ParseError::go("x509: RSA key missing NULL parameters"));
    }
    let mut der = Der(data).read(tag::SEQUENCE).ok_or_else(|| ParseError::go("x509: invalid RSA public key"))?;
    let modulus = der.integer(tag::INTEGER).ok_or_else(|| ParseError::go("x509: invalid RSA modulus"))?;
    let exponent =
        der.small_integer(tag::INTEGER).ok_or_else(|| ParseError::go("x509: invalid RSA public exponent"))?;
    if not_positive(modulus) {
        return Err(ParseError::go("x509: RSA modulus is not a positive number"));
    }
    if exponent <= 0 {
        return Err(ParseError::go("x509: RSA public exponent is not a positive number"));
    }
    let leading = modulus.iter().take_while(|&&byte| byte == 0).count();
    Ok(Key::Rsa(modulus[leading..].to_vec(), exponent))
}

fn dsa_key(parameters: &[u8], data: &[u8]) -> Result<Key, ParseError> {
    let y = Der(data).integer(tag::INTEGER).ok_or_else(|| ParseError::go("x509: invalid DSA public key"))?;
    let numbers = (|| {
        let mut der = Der(parameters).read(tag::SEQUENCE)?;
        Some([der.integer(tag::INTEGER)?, der.integer(tag::INTEGER)?, der.integer(tag::INTEGER)?])
    })()
    .ok_or_else(|| ParseError::go("x509: invalid DSA parameters"))?;
    if not_positive(y) || numbers.into_iter().any(not_positive) {
        return Err(ParseError::go("x509: zero or negative DSA parameter"));
    }
    Ok(Key::Dsa)
}

impl Curve {
    /// Bytes of a coordinate.
    fn size(self) -> usize {
        match self {
            Self::P224 => 28,
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The prime of the field, big-endian.
    fn prime(self) -> Vec<u8> {
        let words: &[u32] = match self {
            Self::P224 => &[u32::MAX, u32::MAX, u32::MAX, u32::MAX, 0, 0, 1],
            Self::P256 => &[u32::MAX, 1, 0, 0, 0, u32::MAX, u32::MAX, u32::MAX],
            Self::P384 => {
                const F: u32 = u32::MAX;
                &[F, F, F, F, F, F, F, F - 1, F, 0, 0, F]
            }
            Self::P521 => {
                let mut prime = vec![0xff; 66];
                prime[0] = 1;
                return prime;
            }
        };
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::P224 => "P224",
            Self::P256 => "P256",
            Self::P384 => "P384",
            Self::P521 => "P521",
        }
    }

    /// One verifier per hash; the point is judged alike by all.
    fn verifier(self, hash: Hash) -> Option<&'static EcdsaVerificationAlgorithm> {
        Some(match (self, hash) {
            (Self::P256, Hash::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
            (Self::P256, Hash::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
            (Self::P256, Hash::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
            (Self::P384, Hash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
            (Self::P384, Hash::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
            (Self::P384, Hash::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
            (Self::P521, Hash::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
            (Self::P521, Hash::Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
            (Self::P521, Hash::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
            _ => return None,
        })
    }
}

/// y² = x³ − 3x + b. The verifiers of the other curves look themselves; P-224 has none here.
fn on_p224(point: &[u8]) -> bool {
    const B: [u32; 7] = [0xb405_0a85, 0x0c04_b3ab, 0xf541_3256, 0x5044_b0b7, 0xd7bf_d8ba, 0x270b_3943, 0x2355_ffb4];
    let b: Vec<u8> = B.iter().flat_map(|word| word.to_be_bytes()).collect();
    let number = BigUint::from_bytes_be;
    let (p, b) = (number(&Curve::P224.prime()), number(&b));
    let (x, y) = point[1..].split_at(Curve::P224.size());
    let (x, y) = (number(x), number(y));
    (&y * &y + &x * 3_u32) % &p == (&x * &x * &x + b) % &p
}

/// An uncompressed point on one of four curves.
fn ec_key(parameters: &[u8], data: &[u8]) -> Result<Key, ParseError> {
    let curve = match Der(parameters).oid() {
        None => return Err(ParseError::go("x509: invalid ECDSA parameters")),
        Some([0x2b, 0x81, 4, 0, 0x21]) => Curve::P224,
        Some([0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]) => Curve::P256,
        Some([0x2b, 0x81, 4, 0, 0x22]) => Curve::P384,
        Some([0x2b, 0x81, 4, 0, 0x23]) => Curve::P521,
        Some(_) => return Err(ParseError::go("x509: unsupported elliptic curve")),
    };
    if data.first() != Some(&4) {
        return Err(ParseError::go("ecdsa: invalid uncompressed public key"));
    }
    let (name, size) = (curve.name(), curve.size());
    if data.len() != 1 + 2 * size {
        return Err(ParseError::Go(format!("invalid {name} point encoding")));
    }
    let prime = curve.prime();
    if data[1..=size] >= prime[..] || data[1 + size..] >= prime[..] {
        // crypto/internal/fips140/nistec has P-256 in assembly on 64-bit machines, and the others made by fiat.
        let space = if curve == Curve::P256 { " element" } else { "Element" };
        return Err(ParseError::Go(format!("invalid {name}{space} encoding")));
    }
    let on_curve = match curve.verifier(Hash::Sha256) {
        Some(verifier) => ParsedPublicKey::new(verifier, data).is_ok(),
        None => on_p224(data),
    };
    if !on_curve {
        return Err(ParseError::Go(format!("{name} point not on curve")));
    }
    Ok(Key::Ec(curve, data.to_vec()))
}

impl Algorithm {
    /// Name of the algorithm as Go prints it, where it prints one.
    fn insecure(self) -> Option<&'static str> {
        match self {
            Self::Rsa(Hash::Md5) => Some("MD5-RSA"),
            Self::Rsa(Hash::Sha1) => Some("SHA1-RSA"),
            Self::Ecdsa(Hash::Sha1) => Some("ECDSA-SHA1"),
            Self::Dsa(Hash::Sha1) => Some("DSA-SHA1"),
            _ => None,
        }
    }

    /// Name of the kind of key that it needs.
    fn family(self) -> &'static str {
        match self {
            Self::Rsa(_) | Self::Pss(_) => "RSA",
            Self::Ecdsa(_) => "ECDSA",
            Self::Dsa(_) => "DSA",
            Self::Ed25519 => "Ed25519",
            Self::Unknown => "0",
        }
    }

    /// `checkSignature` in crypto/x509/x509.go, for certificates: no MD5, no SHA-1.
    pub(super) fn check(self, signed: &[u8], signature: &[u8], key: &Key) -> Check {
        const UNSUPPORTED: &str = "x509: cannot verify signature: algorithm unimplemented";
        if self == Self::Unknown {
            return Check::Bad(UNSUPPORTED.to_owned());
        }
        if let Some(name) = self.insecure() {
            return Check::Bad(format!("x509: cannot verify signature: insecure algorithm {name}"));
        }
        let go_type = match key {
            Key::Rsa(..) => "*rsa.PublicKey",
            Key::Ec(..) => "*ecdsa.PublicKey",
            Key::Ed25519(_) => "ed25519.PublicKey",
            Key::Dsa => return Check::Bad(UNSUPPORTED.to_owned()),
        };
        match (self, key) {
            (Self::Rsa(hash), Key::Rsa(modulus, exponent)) => rsa(hash, false, signed, signature, modulus, *exponent),
            (Self::Pss(hash), Key::Rsa(modulus, exponent)) => rsa(hash, true, signed, signature, modulus, *exponent),
            (Self::Ecdsa(hash), Key::Ec(curve, point)) => match curve.verifier(hash) {
                Some(verifier) => verdict(
                    UnparsedPublicKey::new(verifier, point).verify(signed, signature).is_ok(),
                    "x509: ECDSA verification failure",
                ),
                None => Check::Unsure(format!("kaccess cannot verify signatures of {} keys", curve.name())),
            },
            (Self::Ed25519, Key::Ed25519(key)) => verdict(
                UnparsedPublicKey::new(&signature::ED25519, key).verify(signed, signature).is_ok(),
                "x509: Ed25519 verification failure",
            ),
            _ => Check::Bad(format!(
                "x509: signature algorithm specifies an {} public key, but have public key of type {go_type}",
                self.family()
            )),
        }
    }
}

fn verdict(good: bool, otherwise: &str) -> Check {
    if good { Check::Good } else { Check::Bad(otherwise.to_owned()) }
}

/// crypto/rsa: the key is judged before the signature.
fn rsa(hash: Hash, pss: bool, signed: &[u8], signature: &[u8], modulus: &[u8], exponent: i64) -> Check {
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if bits < 1024 {
        return Check::Bad(format!(
            "crypto/rsa: {bits}-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)"
        ));
    }
    let fault = if modulus.last().is_some_and(|byte| byte & 1 == 0) {
        Some("public modulus is even")
    } else if exponent < 2 {
        Some("public exponent too small or negative")
    } else if exponent & 1 == 0 {
        Some("public exponent is even")
    } else if exponent > i64::from(i32::MAX) {
        Some("public exponent too large")
    } else {
        None
    };
    if let Some(fault) = fault {
        return Check::Bad(format!("crypto/rsa: {fault}"));
    }
    let parameters: Option<&RsaParameters> = match (pss, hash, bits) {
        (_, _, 8193..) => None,
        (false, Hash::Sha256, _) => Some(&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        (false, Hash::Sha512, _) => Some(&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        (_, _, ..2048) => None,
        (false, Hash::Sha384, _) => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        (true, Hash::Sha256, _) => Some(&signature::RSA_PSS_2048_8192_SHA256),
        (true, Hash::Sha384, _) => Some(&signature::RSA_PSS_2048_8192_SHA384),
        (true, Hash::Sha512, _) => Some(&signature::RSA_PSS_2048_8192_SHA512),
        (_, Hash::Md5 | Hash::Sha1, _) => None,
    };
    let Some(parameters) = parameters else {
        return Check::Unsure(format!("kaccess cannot verify this kind of signature of RSA keys of {bits} bits"));
    };
    let exponent = exponent.to_be_bytes();
    let leading = exponent.iter().take_while(|&&byte| byte == 0).count();
    let key = PublicKeyComponents { n: modulus, e: &exponent[leading..] };
    verdict(key.verify(parameters, signed, signature).is_ok(), "crypto/rsa: verification error")
}
