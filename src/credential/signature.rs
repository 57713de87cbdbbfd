//! Key sets and signatures as kube-apiserver's JOSE library (go-jose v2) treats them.
//!
//! One bad key spoils a whole set there, `use` and `alg` of a key are ignored, a token without `kid` tries every key,
//! and only the nine RSA and ECDSA algorithms ever count. aws-lc-rs does the work; what it refuses and Go takes
//! (RSA under 2048 bits, PSS with another salt length) is done here with plain integers: all values are public.

use aws_lc_rs::digest;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self as algorithms, RsaParameters, UnparsedPublicKey, VerificationAlgorithm};
use serde_json::{Map, Value};

use super::base64url::{self, Alphabet};
use super::json as go_json;
use crate::evidence::issuer::{KeyFacts, KeyVerdict, SignatureCheck};
use crate::gotext;
use crate::secret::REDACTED;

/// The algorithms that kube-apiserver can be told to accept.
const ALGORITHMS: [&str; 9] = ["ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"];

/// Members of a JWK that are secret.
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// A key as go-jose understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// Modulus and exponent, big endian.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Exponent.
        e: Vec<u8>,
    },
    /// A point on P-256, P-384 or P-521.
    Ec {
        /// The curve's name.
        curve: &'static str,
        /// `04 || x || y`.
        point: Vec<u8>,
    },
    /// An Ed25519 key, which kube-apiserver never uses.
    Ed25519,
    /// A shared secret, which kube-apiserver never uses.
    Symmetric,
    /// A private key: go-jose takes it into the set, but never verifies with it.
    Private(&'static str),
}

impl Key {
    /// Public as go-jose says it: neither symmetric nor private.
    pub fn is_public(&self) -> bool {
        !matches!(self, Self::Symmetric | Self::Private(_))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::Ec { curve, .. } => curve,
            Self::Ed25519 => "Ed25519",
            Self::Symmetric => "symmetric",
            Self::Private(name) => name,
        }
    }
}

/// Parses a key set. The value returned is the document with secret members blanked.
///
/// The error is Go's text, as it stands after `could not unmarshal as JSON: ` in kube-apiserver's log.
pub fn parse_key_set(body: &[u8]) -> Result<(Vec<KeyFacts>, Value), String> {
    let parsed = go_json::parse(body).map_err(|fault| fault.text)?;
    let keys = match &parsed.value {
        Value::Null => return Ok((Vec::new(), Value::Object(Map::new()))),
        Value::Object(_) => key_list(&parsed.value),
        other => {
            let kind = gotext::kind(other);
            return Err(format!("json: cannot unmarshal {kind} into Go value of type jose.JSONWebKeySet"));
        }
    };
    let keys = match keys {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(keys)) => keys.clone(),
        Some(other) => {
            return Err(format!(
                "json: cannot unmarshal {} into Go struct field JSONWebKeySet.keys of type []jose.JSONWebKey",
                gotext::kind(other)
            ));
        }
    };
    if let Some(name) = parsed.duplicate_at(2) {
        return Err(format!("json: duplicate key '{name}' in object"));
    }
    let mut facts = Vec::with_capacity(keys.len());
    for key in &keys {
        parse_key(key)?;
        let text = |name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        facts.push(KeyFacts { kid: text("kid"), kty: text("kty"), alg: text("alg"), usage: text("use") });
    }
    Ok((facts, without_secrets(parsed.value)))
}

/// Parses one JWK; the error is go-jose's text.
pub fn parse_key(value: &Value) -> Result<Key, String> {
    let empty = Map::new();
    let members = match value {
        Value::Object(members) => members,
        // Go calls the key's own parser with `null` too: it finds no type.
        Value::Null => &empty,
        other => {
            return Err(format!(
                "json: cannot unmarshal {} into Go value of type jose.rawJSONWebKey",
                gotext::kind(other)
            ));
        }
    };
    let raw = RawKey::read(members)?;
    let leaf = match members.get("x5c") {
        None | Some(Value::Null) => None,
        Some(chain) => {
            let certificates = certificates(chain)
                .map_err(|text| format!("go-jose/go-jose: failed to unmarshal x5c field: {text}"))?;
            certificates.into_iter().next()
        }
    };
    let key = raw.key(leaf.is_some())?;
    if let Some(leaf) = &leaf
        && !certificate_has_key(leaf, &key)
    {
        return Err("go-jose/go-jose: invalid JWK, public keys in key and x5c fields to not match".to_owned());
    }
    raw.thumbprints(leaf.as_deref())?;
    Ok(key)
}

/// What go-jose says of an `x5c` header that it cannot take.
pub fn certificate_chain_error(chain: &Value) -> Option<String> {
    certificates(chain).err()
}

/// Judges a token's signature by every key of a set.
///
/// The set is taken as it is: whether go-jose would refuse it whole is [`parse_key_set`]'s business. A key that it
/// would refuse is not tried. Tokens that are no JWS are `failed` for every key.
pub fn check(token: &str, key_set: &Value) -> SignatureCheck {
    let signed = Signed::read(token);
    let kid = signed.as_ref().map(|signed| signed.kid.clone()).unwrap_or_default();
    let alg = signed.as_ref().map(|signed| signed.alg.clone()).unwrap_or_default();
    let mut result = SignatureCheck { kid, alg, ..SignatureCheck::default() };
    let keys = key_list(key_set).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for key in keys {
        let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default();
        let chosen = result.kid.is_empty() || result.kid == kid;
        result.kid_known |= !result.kid.is_empty() && result.kid == kid;
        let verdict = match (&signed, chosen) {
            (_, false) => "not tried: the token names another kid".to_owned(),
            (None, true) => "failed".to_owned(),
            (Some(signed), true) => match parse_key(key) {
                Err(text) => format!("not tried: {text}"),
                Ok(key) => signed.verdict(&key),
            },
        };
        result.verified |= verdict == "verified";
        result.verdicts.push(KeyVerdict { kid: kid.to_owned(), verdict });
    }
    result
}

/// `keys` of a set; Go's JSON does not mind the case of a struct's members.
fn key_list(set: &Value) -> Option<&Value> {
    set.as_object()?.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case("keys")).map(|(_, keys)| keys)
}

fn without_secrets(mut set: Value) -> Value {
    for member in set.as_object_mut().into_iter().flat_map(Map::values_mut) {
        for key in member.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            for name in PRIVATE_MEMBERS {
                if let Some(secret) = key.get_mut(name).filter(|secret| !secret.is_null()) {
                    *secret = Value::String(REDACTED.to_owned());
                }
            }
        }
    }
    set
}

/// The members of a JWK, decoded.
struct RawKey<'a> {
    members: &'a Map<String, Value>,
    kty: &'a str,
    curve: &'a str,
    x: Option<Vec<u8>>,
    y: Option<Vec<u8>>,
    n: Option<Vec<u8>>,
    e: Option<Vec<u8>>,
}

impl<'a> RawKey<'a> {
    fn read(members: &'a Map<String, Value>) -> Result<Self, String> {
        // Base64 faults end the reading at once; wrong types are reported only if nothing else is wrong.
        let mut type_error = None;
        for (name, value) in members {
            let expected = match name.as_str() {
                "use" | "kty" | "kid" | "crv" | "alg" | "x5t" | "x5t#S256" => "string",
                "x5c" => "[]string",
                "x5u" => "url.URL",
                "x" | "y" | "n" | "e" => {
                    bytes(value)?;
                    continue;
                }
                name if PRIVATE_MEMBERS.contains(&name) => {
                    // A blanked member of a set that was stored.
                    if value.as_str() != Some(REDACTED) {
                        bytes(value)?;
                    }
                    continue;
                }
                _ => continue,
            };
            let fits = value.is_null()
                || match expected {
                    "string" => value.is_string(),
                    "[]string" => value.is_array(),
                    // A url.URL is a struct to Go's JSON: no text fits.
                    _ => value.is_object(),
                };
            let item = value
                .as_array()
                .filter(|_| expected == "[]string")
                .and_then(|items| items.iter().find(|item| !item.is_string() && !item.is_null()));
            let wrong = if fits { item.map(|item| (item, "string")) } else { Some((value, expected)) };
            if let Some((wrong, expected)) = wrong.filter(|_| type_error.is_none()) {
                let kind = gotext::kind(wrong);
                type_error = Some(format!("json: cannot unmarshal {kind} into Go value of type {expected}"));
            }
        }
        if let Some(error) = type_error {
            return Err(error);
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
        let data = |name: &str| members.get(name).map_or(Ok(None), bytes);
        Ok(Self {
            members,
            kty: text("kty"),
            curve: text("crv"),
            x: data("x")?,
            y: data("y")?,
            n: data("n")?,
            e: data("e")?,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    fn key(&self, has_certificate: bool) -> Result<Key, String> {
        match self.kty {
            "EC" => self.elliptic(),
            "RSA" if self.has("d") => {
                // go-jose names the first one missing, not all.
                match ["n", "e", "d", "p", "q"].into_iter().find(|name| !self.has(name)) {
                    None => Ok(Key::Private("RSA private")),
                    Some(name) => {
                        let missing = name.to_ascii_uppercase();
                        Err(format!("go-jose/go-jose: invalid RSA private key, missing {missing} value(s)"))
                    }
                }
            }
            "RSA" => match (&self.n, &self.e) {
                (Some(n), Some(e)) => Ok(Key::Rsa { n: n.clone(), e: e.clone() }),
                _ => Err("go-jose/go-jose: invalid RSA key, missing n/e values".to_owned()),
            },
            "oct" if has_certificate => {
                Err("go-jose/go-jose: invalid JWK, found 'oct' (symmetric) key with cert chain".to_owned())
            }
            "oct" if !self.has("k") => Err("go-jose/go-jose: invalid OCT (symmetric) key, missing k value".to_owned()),
            "oct" => Ok(Key::Symmetric),
            "OKP" if self.curve == "Ed25519" && self.x.is_some() => {
                Ok(if self.has("d") { Key::Private("Ed25519 private") } else { Key::Ed25519 })
            }
            // The lone quote is go-jose's.
            "OKP" => Err(format!("go-jose/go-jose: unknown curve {}'", self.curve)),
            other => Err(format!("go-jose/go-jose: unknown json web key type '{other}'")),
        }
    }

    fn elliptic(&self) -> Result<Key, String> {
        let (curve, size, algorithm): (_, usize, &'static dyn VerificationAlgorithm) = match self.curve {
            "P-256" => ("P-256", 32, &algorithms::ECDSA_P256_SHA256_FIXED),
            "P-384" => ("P-384", 48, &algorithms::ECDSA_P384_SHA384_FIXED),
            "P-521" => ("P-521", 66, &algorithms::ECDSA_P521_SHA512_FIXED),
            other => return Err(format!("go-jose/go-jose: unsupported elliptic curve '{other}'")),
        };
        let private = self.has("d");
        let what = if private { "EC private key, missing x/y/d" } else { "EC key, missing x/y" };
        let (Some(x), Some(y)) = (&self.x, &self.y) else {
            return Err(format!("go-jose/go-jose: invalid {what} values"));
        };
        let what = if private { "private" } else { "public" };
        for (name, coordinate) in [("x", x), ("y", y)] {
            if coordinate.len() != size {
                return Err(format!("go-jose/go-jose: invalid EC {what} key, wrong length for {name}"));
            }
        }
        let point = [&[4u8][..], x, y].concat();
        if algorithms::ParsedPublicKey::new(algorithm, &point).is_err() {
            return Err("go-jose/go-jose: invalid EC key, X/Y are not on declared curve".to_owned());
        }
        Ok(if private { Key::Private("EC private") } else { Key::Ec { curve, point } })
    }

    fn thumbprints(&self, leaf: Option<&[u8]>) -> Result<(), String> {
        let rules = [("x5t", 20, &digest::SHA1_FOR_LEGACY_USE_ONLY), ("x5t#S256", 32, &digest::SHA256)];
        let mut prints = Vec::new();
        for (name, size, algorithm) in rules {
            let text = self.members.get(name).and_then(Value::as_str).unwrap_or_default();
            let mut print = base64url::decode(text.as_bytes(), Alphabet::UrlUnpadded)
                .map_err(|_| format!("go-jose/go-jose: invalid JWK, {name} header has invalid encoding"))?;
            if print.len() == 2 * size {
                print = hexadecimal(&print).ok_or_else(|| {
                    format!("go-jose/go-jose: invalid JWK, unable to hex decode {name}: encoding/hex: invalid byte")
                })?;
            }
            prints.push((name, size, algorithm, print));
        }
        for (name, size, _, print) in &prints {
            if !print.is_empty() && print.len() != *size {
                return Err(format!("go-jose/go-jose: invalid JWK, {name} header is of incorrect size"));
            }
        }
        for (name, _, algorithm, print) in &prints {
            if let Some(leaf) = leaf
                && !print.is_empty()
                && digest::digest(algorithm, leaf).as_ref() != print.as_slice()
            {
                return Err(format!("go-jose/go-jose: invalid JWK, x5c thumbprint does not match {name} value"));
            }
        }
        Ok(())
    }
}

/// A base64url member. `null` is absent, an empty text is present and empty.
fn bytes(value: &Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => {
            base64url::decode(text.as_bytes(), Alphabet::UrlUnpadded).map(Some).map_err(base64url::error_text)
        }
        other => Err(format!("json: cannot unmarshal {} into Go value of type string", gotext::kind(other))),
    }
}

fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.chunks(2).map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok()).collect()
}

/// An `x5c` chain as DER.
fn certificates(chain: &Value) -> Result<Vec<Vec<u8>>, String> {
    let Value::Array(chain) = chain else {
        let kind = gotext::kind(chain);
        return Err(format!("json: cannot unmarshal {kind} into Go value of type []string"));
    };
    let wrong = chain.iter().find(|certificate| !certificate.is_string() && !certificate.is_null());
    if let Some(wrong) = wrong {
        return Err(format!("json: cannot unmarshal {} into Go value of type string", gotext::kind(wrong)));
    }
    let mut certificates = Vec::with_capacity(chain.len());
    for certificate in chain {
        let text = certificate.as_str().unwrap_or_default();
        let der = base64url::decode(text.as_bytes(), Alphabet::StandardPadded).map_err(base64url::error_text)?;
        match x509_parser::parse_x509_certificate(&der) {
            Ok(([], _)) => {}
            Ok(_) => return Err("x509: trailing data".to_owned()),
            Err(_) => return Err("x509: malformed certificate".to_owned()),
        }
        certificates.push(der);
    }
    Ok(certificates)
}

/// Whether a certificate is for this key. Kinds that are not compared count as equal.
fn certificate_has_key(der: &[u8], key: &Key) -> bool {
    use x509_parser::public_key::PublicKey;
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(der) else { return false };
    match (key, certificate.public_key().parsed()) {
        (Key::Rsa { n, e }, Ok(PublicKey::RSA(own))) => trim(n) == trim(own.modulus) && trim(e) == trim(own.exponent),
        (Key::Ec { point, .. }, Ok(PublicKey::EC(own))) => point == own.data(),
        (Key::Rsa { .. } | Key::Ec { .. }, _) => false,
        _ => true,
    }
}

fn trim(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// A JWS, ready to be verified.
struct Signed {
    kid: String,
    alg: String,
    /// A `crit` header that go-jose does not understand, or one of the wrong type.
    critical: bool,
    input: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    fn read(token: &str) -> Option<Self> {
        let token: String = token.chars().filter(|c| !c.is_whitespace()).collect();
        let mut parts = token.split('.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let decode = |part: &str| base64url::decode(part.as_bytes(), Alphabet::UrlUnpadded).ok();
        let (header_bytes, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        let header = if header_bytes.is_empty() { Value::Null } else { go_json::parse(&header_bytes).ok()?.value };
        let text = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let critical = match header.get("crit") {
            None | Some(Value::Null) => false,
            Some(Value::Array(names)) => names.iter().any(|name| name.as_str() != Some("b64")),
            Some(_) => true,
        };
        // go-jose signs over what it encodes itself, not over the text that came.
        let mut input = base64url::encode(&header_bytes).into_bytes();
        input.push(b'.');
        if header.get("b64").and_then(Value::as_bool) == Some(false) {
            input.extend_from_slice(&payload);
        } else {
            input.extend_from_slice(base64url::encode(&payload).as_bytes());
        }
        Some(Self { kid: text("kid"), alg: text("alg"), critical, input, signature })
    }

    fn verdict(&self, key: &Key) -> String {
        if self.critical {
            return "failed".to_owned();
        }
        let verified = match (key, self.alg.as_str()) {
            (Key::Rsa { n, e }, "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512") => self.rsa(n, e),
            (Key::Ec { curve: "P-256", point }, "ES256") => self.ecdsa(&algorithms::ECDSA_P256_SHA256_FIXED, point),
            (Key::Ec { curve: "P-384", point }, "ES384") => self.ecdsa(&algorithms::ECDSA_P384_SHA384_FIXED, point),
            (Key::Ec { curve: "P-521", point }, "ES512") => self.ecdsa(&algorithms::ECDSA_P521_SHA512_FIXED, point),
            _ => {
                let alg = if ALGORITHMS.contains(&self.alg.as_str()) {
                    self.alg.clone()
                } else {
                    // Never the token's own text at length: it is foreign.
                    format!("algorithm {}", gotext::quote(&self.alg.chars().take(16).collect::<String>()))
                };
                return format!("not tried: a key of type {} verifies no {alg}", key.name());
            }
        };
        if verified { "verified" } else { "failed" }.to_owned()
    }

    fn ecdsa(&self, algorithm: &'static dyn VerificationAlgorithm, point: &[u8]) -> bool {
        UnparsedPublicKey::new(algorithm, point).verify(&self.input, &self.signature).is_ok()
    }

    fn rsa(&self, n: &[u8], e: &[u8]) -> bool {
        let parameters: &RsaParameters = match self.alg.as_str() {
            "RS256" => &algorithms::RSA_PKCS1_2048_8192_SHA256,
            "RS384" => &algorithms::RSA_PKCS1_2048_8192_SHA384,
            "RS512" => &algorithms::RSA_PKCS1_2048_8192_SHA512,
            "PS256" => &algorithms::RSA_PSS_2048_8192_SHA256,
            "PS384" => &algorithms::RSA_PSS_2048_8192_SHA384,
            _ => &algorithms::RSA_PSS_2048_8192_SHA512,
        };
        let (n, e) = (trim(n), trim(e));
        let key = PublicKeyComponents { n, e };
        if key.verify(parameters, &self.input, &self.signature).is_ok() {
            return true;
        }
        // Go takes keys from 1024 bits on and any salt length; aws-lc does not.
        if n.len() < 256 || n.len() > 1024 || self.alg.starts_with('P') {
            return plain_rsa::verify(n, e, &self.alg, &self.input, &self.signature);
        }
        false
    }
}

/// RSA verification with plain integers, for what aws-lc refuses. Slow, and only ever fed public values.
mod plain_rsa {
    use aws_lc_rs::digest::{self, Algorithm};

    /// Keys beyond this are refused: the work grows with the cube, and nobody uses them.
    const LONGEST: usize = 2048;

    pub(super) fn verify(n: &[u8], e: &[u8], alg: &str, message: &[u8], signature: &[u8]) -> bool {
        let (hash, prefix): (&'static Algorithm, &[u8]) = match &alg[2..] {
            "256" => (&digest::SHA256, b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"),
            "384" => (&digest::SHA384, b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"),
            _ => (&digest::SHA512, b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"),
        };
        let odd = n.last().is_some_and(|byte| byte % 2 == 1);
        let exponent = e.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        // Go's limits: 1024 bits at least, an odd exponent of at most 31 bits.
        if n.len() < 128 || n.len() > LONGEST || !odd || e.len() > 4 || exponent < 2 || exponent >> 31 != 0 {
            return false;
        }
        if signature.len() != n.len() || signature >= n {
            return false;
        }
        let encoded = power(signature, exponent, n);
        let digest = digest::digest(hash, message);
        if alg.starts_with('R') {
            let tail = [prefix, digest.as_ref()].concat();
            if n.len() < tail.len() + 11 {
                return false;
            }
            let mut expected = vec![0xff; n.len()];
            expected[0] = 0;
            expected[1] = 1;
            expected[n.len() - tail.len() - 1] = 0;
            expected[n.len() - tail.len()..].copy_from_slice(&tail);
            return encoded == expected;
        }
        let bits = n.len() * 8 - n[0].leading_zeros() as usize;
        pss(hash, digest.as_ref(), &encoded, bits - 1)
    }

    /// EMSA-PSS-VERIFY of RFC 8017 section 9.1.2, with any salt length.
    fn pss(hash: &'static Algorithm, digest: &[u8], encoded: &[u8], bits: usize) -> bool {
        let length = bits.div_ceil(8);
        let (lead, encoded) = encoded.split_at(encoded.len() - length);
        let size = digest.len();
        if lead.iter().any(|byte| *byte != 0) || length < size + 2 || encoded[length - 1] != 0xbc {
            return false;
        }
        let (masked, rest) = encoded.split_at(length - size - 1);
        let inner = &rest[..size];
        let unused = 8 * length - bits;
        if unused > 0 && masked[0] >> (8 - unused) != 0 {
            return false;
        }
        let mut block = Vec::with_capacity(masked.len() + size);
        for counter in 0u32.. {
            if block.len() >= masked.len() {
                break;
            }
            let seed = [inner, &counter.to_be_bytes()].concat();
            block.extend_from_slice(digest::digest(hash, &seed).as_ref());
        }
        let mut block: Vec<u8> = masked.iter().zip(&block).map(|(masked, mask)| masked ^ mask).collect();
        block[0] &= 0xffu8 >> unused;
        let Some(one) = block.iter().position(|byte| *byte != 0).filter(|at| block[*at] == 1) else { return false };
        let salted = [&[0; 8][..], digest, &block[one + 1..]].concat();
        digest::digest(hash, &salted).as_ref() == inner
    }

    /// `base ^ exponent mod modulus`, big endian, as long as the modulus (which is odd): Montgomery's way.
    fn power(base: &[u8], exponent: u64, modulus: &[u8]) -> Vec<u8> {
        let n = limbs(modulus);
        let words = n.len();
        // -1 / n mod 2^32 by Newton's iteration.
        let mut inverse = 1u32;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2u32.wrapping_sub(n[0].wrapping_mul(inverse)));
        }
        let inverse = inverse.wrapping_neg();
        // R mod n and R^2 mod n by doubling.
        let mut number = vec![0u32; words];
        number[0] = 1;
        let mut one = Vec::new();
        for step in 0..words * 64 {
            if step == words * 32 {
                one = number.clone();
            }
            double(&mut number, &n);
        }
        let mut padded = limbs(base);
        padded.resize(words, 0);
        let base = multiply(&padded, &number, &n, inverse);
        let mut result = one;
        for bit in (0..64 - exponent.leading_zeros()).rev() {
            result = multiply(&result, &result, &n, inverse);
            if exponent >> bit & 1 == 1 {
                result = multiply(&result, &base, &n, inverse);
            }
        }
        let mut unit = vec![0u32; words];
        unit[0] = 1;
        let result = multiply(&result, &unit, &n, inverse);
        let mut bytes: Vec<u8> = result.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
        let surplus = bytes.len() - modulus.len();
        bytes.drain(..surplus);
        bytes
    }

    /// Little-endian limbs.
    fn limbs(number: &[u8]) -> Vec<u32> {
        number.rchunks(4).map(|chunk| chunk.iter().fold(0u32, |limb, byte| limb << 8 | u32::from(*byte))).collect()
    }

    fn multiply(a: &[u32], b: &[u32], n: &[u32], inverse: u32) -> Vec<u32> {
        let words = n.len();
        let mut sum = vec![0u32; words + 2];
        for &digit in a {
            accumulate(&mut sum, b, digit);
            let factor = sum[0].wrapping_mul(inverse);
            accumulate(&mut sum, n, factor);
            sum.copy_within(1.., 0);
            sum[words + 1] = 0;
        }
        let over = sum[words] != 0 || !less(&sum[..words], n);
        sum.truncate(words);
        if over {
            subtract(&mut sum, n);
        }
        sum
    }

    fn accumulate(sum: &mut [u32], b: &[u32], digit: u32) {
        let mut carry = 0u64;
        for (at, limb) in sum.iter_mut().enumerate() {
            let total = u64::from(*limb) + u64::from(digit) * u64::from(b.get(at).copied().unwrap_or(0)) + carry;
            *limb = total as u32;
            carry = total >> 32;
        }
    }

    fn double(number: &mut [u32], n: &[u32]) {
        let mut carry = 0;
        for limb in number.iter_mut() {
            let next = *limb >> 31;
            *limb = *limb << 1 | carry;
            carry = next;
        }
        if carry == 1 || !less(number, n) {
            subtract(number, n);
        }
    }

    fn less(a: &[u32], b: &[u32]) -> bool {
        a.iter().rev().lt(b.iter().rev())
    }

    fn subtract(number: &mut [u32], n: &[u32]) {
        let mut borrow = 0i64;
        for (limb, other) in number.iter_mut().zip(n) {
            let total = i64::from(*limb) - i64::from(*other) + borrow;
            *limb = total as u32;
            borrow = total >> 32;
        }
    }
}

#[cfg(test)]
mod tests;
