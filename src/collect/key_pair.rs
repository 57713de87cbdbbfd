//! A client certificate and its key as Go's TLS reads them: which blocks of a PEM text count, and whether they fit.
//!
//! What Go takes is passed on in the plain form that every reader of PEM takes, so that nobody here is stricter than
//! kubectl.

use base64::Engine as _;
use rustls::sign::SigningKey;
use rustls_pki_types::PrivateKeyDer;

use super::ClientIdentity;
use super::tls::provider;
use crate::credential::chain::{Certificate, ParseError};
use crate::gotext::pem::{Block, blocks};
use crate::secret::Secret;

/// What is wrong with a certificate and its key.
#[derive(Debug)]
pub(super) enum KeyPairFault {
    /// They do not belong together.
    Mismatch,
    /// In words: Go's, where kubectl has some.
    Words(String),
}

/// The pair that Go's `tls.X509KeyPair` makes of these texts. A key that only kaccess' own TLS cannot use passes: that is
/// told at the connection.
pub(super) fn pair(certificate: &str, key: &str) -> Result<ClientIdentity, KeyPairFault> {
    let words = |text: &str| KeyPairFault::Words(text.to_owned());
    let (chain, others): (Vec<Block>, Vec<Block>) =
        blocks(certificate.as_bytes()).into_iter().partition(|block| block.kind == "CERTIFICATE");
    let Some(leaf) = chain.first() else {
        return Err(match others.as_slice() {
            [] => words("tls: failed to find any PEM data in certificate input"),
            [one] if one.kind.ends_with("PRIVATE KEY") => words(
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
            ),
            _ => KeyPairFault::Words(format!(
                "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: {}",
                kinds(&others)
            )),
        });
    };
    let found = blocks(key.as_bytes());
    let is_key = |block: &Block| block.kind == "PRIVATE KEY" || block.kind.ends_with(" PRIVATE KEY");
    let Some(block) = found.iter().find(|block| is_key(block)) else {
        return Err(match found.as_slice() {
            [] => words("tls: failed to find any PEM data in key input"),
            [one] if one.kind == "CERTIFICATE" => {
                words("tls: found a certificate rather than a key in the PEM for the private key")
            }
            _ => KeyPairFault::Words(format!(
                "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: {}",
                kinds(&found)
            )),
        });
    };
    if let Err(ParseError::Go(text)) = Certificate::parse(&leaf.bytes) {
        return Err(KeyPairFault::Words(text));
    }
    // Whatever it is called: what is inside counts.
    let Ok(der) = PrivateKeyDer::try_from(block.bytes.as_slice()) else {
        let encrypted = block.kind == "ENCRYPTED PRIVATE KEY" || key.contains("Proc-Type: 4,ENCRYPTED");
        return Err(words(if encrypted {
            "tls: failed to parse private key (it is encrypted)"
        } else {
            "tls: failed to parse private key"
        }));
    };
    let label = match &der {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    match provider().key_provider.load_private_key(der.clone_key()) {
        Ok(own) if belongs(&leaf.bytes, own.as_ref()) == Some(false) => return Err(KeyPairFault::Mismatch),
        Ok(_) => {}
        Err(_) => {
            if let Some(text) = unknown_to_go(&leaf.bytes) {
                return Err(words(text));
            }
        }
    }
    // Go sends such a block as it is, and the server cannot read the message.
    let unread = |block: &Block| {
        matches!(Certificate::parse(&block.bytes), Err(ParseError::Go(_)))
            && x509_parser::parse_x509_certificate(&block.bytes).is_err()
    };
    if chain.iter().skip(1).any(unread) {
        return Err(words(
            "remote error: tls: error decoding message (a further block of the client certificate is no certificate)",
        ));
    }
    let key_pem = Secret::new(pem(label, &block.bytes));
    Ok(ClientIdentity { chain_pem: chain.iter().map(|block| pem("CERTIFICATE", &block.bytes)).collect(), key_pem })
}

/// Whether the key is that of the certificate; nothing where it cannot be told.
pub(super) fn belongs(leaf: &[u8], key: &dyn SigningKey) -> Option<bool> {
    let own = key.public_key()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    Some(own.as_ref() == certificate.tbs_certificate.subject_pki.raw)
}

/// What Go says of a key of a kind that its TLS has not, by the certificate's public key.
fn unknown_to_go(leaf: &[u8]) -> Option<&'static str> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let algorithm = &certificate.tbs_certificate.subject_pki.algorithm;
    match algorithm.algorithm.to_id_string().as_str() {
        // RSA and Ed25519.
        "1.2.840.113549.1.1.1" | "1.3.101.112" => None,
        "1.2.840.10045.2.1" => {
            let curve = algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
            let is_p224 = curve.is_some_and(|curve| curve.to_id_string() == "1.3.132.0.33");
            is_p224.then_some("tls: unsupported certificate curve (P-224)")
        }
        _ => Some("tls: failed to parse private key"),
    }
}

/// The size of the certificate's RSA key in bits, if it is one.
pub(super) fn rsa_bits(leaf: &[u8]) -> Option<usize> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    match certificate.tbs_certificate.subject_pki.parsed().ok()? {
        x509_parser::public_key::PublicKey::RSA(key) => Some(key.key_size()),
        _ => None,
    }
}

/// The kinds of blocks as Go prints a list; a kind that is none is not repeated.
fn kinds(blocks: &[Block]) -> String {
    let plain =
        |kind: &str| kind.len() <= 40 && kind.bytes().all(|b| b.is_ascii_uppercase() || b" 0123456789".contains(&b));
    let names: Vec<&str> =
        blocks.iter().take(8).map(|block| if plain(&block.kind) { block.kind.as_str() } else { "..." }).collect();
    format!("[{}]", names.join(" "))
}

/// A block in the plain form.
fn pem(kind: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {kind}-----\n");
    for (index, letter) in body.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out.push_str(&format!("\n-----END {kind}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::KeyPair;

    fn fresh() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn said(certificate: &str, key: &str) -> String {
        match pair(certificate, key) {
            Ok(_) => "fine".to_owned(),
            Err(KeyPairFault::Mismatch) => "mismatch".to_owned(),
            Err(KeyPairFault::Words(words)) => words,
        }
    }

    /// What kubectl said to the same forms.
    #[test]
    fn the_forms_that_kubectl_takes_are_taken_and_no_others() {
        let (certificate, key) = fresh();
        let unix = certificate.replace("\r\n", "\n");
        let (certificate, key) = (unix.as_str(), key.replace("\r\n", "\n"));
        let nothing = "tls: failed to find any PEM data in certificate input";
        let every = |from: &str, to: &str| certificate.replace(from, to);
        for (what, text, expected) in [
            ("plain", certificate.to_owned(), "fine"),
            ("carriage returns and line feeds", every("\n", "\r\n"), "fine"),
            ("a tab at each line's end", every("\n", "\t\n"), "fine"),
            ("a blank at each line's end", every("\n", " \n"), "fine"),
            ("a header", certificate.replacen("-----\n", "-----\nProc-Type: 4\n\n", 1), "fine"),
            ("words before", format!("Bag Attributes\n    localKeyID: 01\n{certificate}"), "fine"),
            ("a key before", format!("{key}{certificate}"), "fine"),
            ("no line feed at the end", certificate.trim_end().to_owned(), "fine"),
            ("a cut block before", format!("{}\n{certificate}", &certificate[..200]), "fine"),
            ("carriage returns alone", every("\n", "\r"), nothing),
            ("a byte order mark", format!("\u{feff}{certificate}"), nothing),
            ("indented", format!("  {}", every("\n", "\n  ")), nothing),
            ("one line", every("\n", " "), nothing),
            ("cut", certificate[..certificate.len() - 80].to_owned(), nothing),
            ("four dashes", every("-----BEGIN", "----BEGIN"), nothing),
            ("empty", String::new(), nothing),
            (
                "a request",
                every("CERTIFICATE", "CERTIFICATE REQUEST"),
                "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [CERTIFICATE REQUEST]",
            ),
            (
                "a key",
                key.clone(),
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
            ),
            (
                "a second block that is none",
                format!("{certificate}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                "remote error: tls: error decoding message (a further block of the client certificate is no certificate)",
            ),
        ] {
            assert_eq!(said(&text, &key), expected, "{what}");
        }
        for (what, text, expected) in [
            ("another label", key.replace("PRIVATE KEY", "EC PRIVATE KEY"), "fine"),
            ("tabs", key.replace('\n', "\t\n"), "fine"),
            ("two keys", format!("{key}{}", fresh().1), "fine"),
            ("two keys, the other one first", format!("{}{key}", fresh().1), "mismatch"),
            ("the certificate before it", format!("{certificate}{key}"), "fine"),
            (
                "a certificate",
                certificate.to_owned(),
                "tls: found a certificate rather than a key in the PEM for the private key",
            ),
            ("empty", String::new(), "tls: failed to find any PEM data in key input"),
            (
                "a public key",
                key.replace("PRIVATE KEY", "PUBLIC KEY"),
                "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [PUBLIC KEY]",
            ),
            (
                "OpenSSH's",
                key.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY").replace("MI", "b3"),
                "tls: failed to parse private key",
            ),
        ] {
            assert_eq!(said(certificate, &text), expected, "{what}");
        }
    }

    #[test]
    fn what_is_passed_on_is_plain() {
        let (certificate, key) = fresh();
        let odd = certificate.replace("\r\n", "\n").replace('\n', "\t\n");
        let identity = pair(&odd, &key.replace("PRIVATE KEY", "EC PRIVATE KEY")).unwrap();
        assert_eq!(identity.chain_pem, certificate.replace("\r\n", "\n"));
        assert_eq!(identity.key_pem.expose(), key.replace("\r\n", "\n"));
    }
}
