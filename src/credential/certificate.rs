//! Reads certificates into facts, worded as Go words them, so that they can be held beside kube-apiserver's log.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate, X509Name};
use x509_parser::time::ASN1Time;

use crate::evidence::tls::CertificateFacts;
use crate::secret::strip_control;

/// Longest text kept of one name; a hostile certificate may carry megabytes.
const NAME_LIMIT: usize = 512;
/// Most names kept of one certificate, for the same reason.
const NAMES_LIMIT: usize = 200;

/// The facts of one certificate in DER.
///
/// # Errors
/// One sentence, when the bytes are no X.509 certificate.
pub fn facts_from_der(der: &[u8]) -> Result<CertificateFacts, String> {
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|error| format!("not an X.509 certificate: {}", asn1_error(&error)))?;
    if !rest.is_empty() {
        return Err(format!("not an X.509 certificate: {} trailing bytes", rest.len()));
    }
    let mut facts = CertificateFacts {
        subject: name_text(certificate.subject()),
        issuer: name_text(certificate.issuer()),
        common_names: attribute_values(certificate.subject(), "2.5.4.3"),
        organizations: attribute_values(certificate.subject(), "2.5.4.10"),
        serial: certificate.tbs_certificate.serial.to_string(),
        not_before: timestamp(certificate.validity().not_before),
        not_after: timestamp(certificate.validity().not_after),
        sha256: sha256_hex(der),
        ..CertificateFacts::default()
    };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => facts.is_ca = constraints.ca,
            ParsedExtension::SubjectAlternativeName(names) => {
                facts.names = names.general_names.iter().filter_map(alternative_name).take(NAMES_LIMIT).collect();
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                // In the order of the enumeration, not of the certificate: the parser keeps flags.
                let named = [
                    (usage.any, "any"),
                    (usage.server_auth, "serverAuth"),
                    (usage.client_auth, "clientAuth"),
                    (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
                    (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
                    (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
                    (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
                ];
                facts.extended_key_usages = named
                    .into_iter()
                    .filter(|(set, _)| *set)
                    .map(|(_, name)| name.to_owned())
                    .chain(usage.other.iter().take(NAMES_LIMIT).map(|oid| oid.to_id_string()))
                    .collect();
            }
            ParsedExtension::SubjectKeyIdentifier(id) => facts.subject_key_id = colon_hex(id.0),
            ParsedExtension::AuthorityKeyIdentifier(authority) => {
                facts.authority_key_id =
                    authority.key_identifier.as_ref().map(|id| colon_hex(id.0)).unwrap_or_default();
            }
            ParsedExtension::SCT(proofs) => facts.published = !proofs.is_empty(),
            ParsedExtension::AuthorityInfoAccess(access) => {
                facts.ca_issuers = access
                    .accessdescs
                    .iter()
                    .filter(|entry| entry.access_method.to_id_string() == "1.3.6.1.5.5.7.48.2")
                    .filter_map(|entry| match &entry.access_location {
                        GeneralName::URI(url) => Some(cut(&strip_control(url))),
                        _ => None,
                    })
                    .take(NAMES_LIMIT)
                    .collect();
            }
            _ => {}
        }
    }
    Ok(facts)
}

/// The facts of every certificate in a PEM text, and one sentence for each block that could not be read.
///
/// Blocks of other kinds (keys) are passed over, as Go does. A text without any certificate gives an error.
pub fn facts_from_pem(pem: &str) -> (Vec<CertificateFacts>, Vec<String>) {
    let (mut facts, mut errors) = (Vec::new(), Vec::new());
    for (index, block) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let number = index + 1;
        match block {
            Ok(der) => match facts_from_der(&der) {
                Ok(fact) => facts.push(fact),
                Err(error) => errors.push(format!("certificate {number}: {error}")),
            },
            Err(error) => errors.push(format!("certificate {number}: {}", pem_error(&error))),
        }
    }
    if facts.is_empty() && errors.is_empty() {
        errors.push(if pem.trim().is_empty() {
            "empty: no PEM block at all".to_owned()
        } else {
            "no PEM block of type CERTIFICATE".to_owned()
        });
    }
    (facts, errors)
}

/// A name in DER as RFC 4514 text; `None` when it is none.
pub fn name_from_der(der: &[u8]) -> Option<String> {
    X509Name::from_der(der).ok().map(|(_, name)| name_text(&name))
}

/// A name as RFC 4514 text: the most specific part first, as Go and kubectl print it.
fn name_text(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter()
        .map(|set| {
            set.iter()
                .map(|attribute| {
                    let oid = attribute.attr_type().to_id_string();
                    let value = attribute
                        .as_str()
                        .map(escape)
                        .unwrap_or_else(|_| format!("#{}", hex(attribute.attr_value().data, "", false)));
                    format!("{}={}", attribute_name(&oid).unwrap_or(&oid), cut(&value))
                })
                .collect::<Vec<_>>()
                .join("+")
        })
        .collect();
    parts.truncate(NAMES_LIMIT);
    parts.reverse();
    parts.join(",")
}

/// Lower-case hex SHA-256, as in `authentication.kubernetes.io/credential-id`.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref(), "", false)
}

/// Colon-separated upper-case hex, as kube-apiserver logs key ids.
fn colon_hex(bytes: &[u8]) -> String {
    hex(&bytes[..bytes.len().min(64)], ":", true)
}

fn hex(bytes: &[u8], separator: &str, upper: bool) -> String {
    bytes
        .iter()
        .take(NAME_LIMIT)
        .map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") })
        .collect::<Vec<_>>()
        .join(separator)
}

/// Short names of the attributes that occur in practice; the others are printed as dotted OIDs.
fn attribute_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.17" => "POSTALCODE",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

fn attribute_values(name: &X509Name<'_>, oid: &str) -> Vec<String> {
    name.iter_attributes()
        .filter(|attribute| attribute.attr_type().to_id_string() == oid)
        .filter_map(|attribute| attribute.as_str().ok())
        .map(|value| cut(&strip_control(value)))
        .take(NAMES_LIMIT)
        .collect()
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(cut(&strip_control(name))),
        GeneralName::IPAddress(bytes) => {
            if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                Some(Ipv4Addr::from(four).to_string())
            } else {
                <[u8; 16]>::try_from(*bytes).ok().map(|sixteen| Ipv6Addr::from(sixteen).to_string())
            }
        }
        _ => None,
    }
}

/// RFC 4514 §2.4: specials by a backslash, a blank or `#` only where it would be misread.
fn escape(value: &str) -> String {
    let value = strip_control(value);
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (index, character) in value.chars().enumerate() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
            || character == '#' && index == 0
            || character == ' ' && (index == 0 || index == last);
        if special {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

fn cut(text: &str) -> String {
    if text.chars().count() <= NAME_LIMIT {
        return text.to_owned();
    }
    text.chars().take(NAME_LIMIT).chain(['…']).collect()
}

fn timestamp(time: ASN1Time) -> Option<Timestamp> {
    Timestamp::from_second(time.timestamp()).ok()
}

fn asn1_error(error: &x509_parser::nom::Err<x509_parser::error::X509Error>) -> String {
    match error {
        x509_parser::nom::Err::Incomplete(_) => "it ends too early".to_owned(),
        x509_parser::nom::Err::Error(error) | x509_parser::nom::Err::Failure(error) => error.to_string(),
    }
}

fn pem_error(error: &rustls_pki_types::pem::Error) -> String {
    use rustls_pki_types::pem::Error;
    // The library's own texts quote bytes of the block, which may be a key.
    match error {
        Error::MissingSectionEnd { .. } => "the PEM block has no END line".to_owned(),
        Error::IllegalSectionStart { .. } => "the BEGIN line is broken".to_owned(),
        Error::Base64Decode(_) => "the PEM block is not base64".to_owned(),
        _ => "not a PEM block".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType, SerialNumber, date_time_ymd,
    };

    fn sample() -> rcgen::Certificate {
        let mut params = CertificateParams::new(vec!["api.example".to_owned(), "*.apps.example".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress("10.0.0.1".parse().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress("fd00::1".parse().unwrap()));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "platform, and \u{1b}[31mothers");
        params.distinguished_name.push(DnType::CommonName, "alice");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::CodeSigning];
        params.serial_number = Some(SerialNumber::from(vec![1, 0, 0]));
        params.not_before = date_time_ymd(2026, 1, 2);
        params.not_after = date_time_ymd(2027, 1, 2);
        params.is_ca = IsCa::ExplicitNoCa;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_certificate_gives_its_facts() {
        let certificate = sample();
        let facts = facts_from_der(certificate.der()).unwrap();
        assert_eq!(facts.subject, "CN=alice,O=platform\\, and others");
        assert_eq!(facts.issuer, facts.subject);
        assert_eq!(facts.common_names, ["alice"]);
        assert_eq!(facts.organizations, ["platform, and others"]);
        assert_eq!(facts.names, ["api.example", "*.apps.example", "10.0.0.1", "fd00::1"]);
        assert_eq!(facts.serial, "65536");
        assert_eq!(facts.not_before.unwrap().to_string(), "2026-01-02T00:00:00Z");
        assert_eq!(facts.not_after.unwrap().to_string(), "2027-01-02T00:00:00Z");
        assert!(!facts.is_ca);
        assert_eq!(facts.extended_key_usages, ["clientAuth", "1.3.6.1.5.5.7.3.3"]);
        assert_eq!(facts.sha256.len(), 64);
        assert!(facts.sha256.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase()));
    }

    #[test]
    fn key_ids_look_as_in_the_log() {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let facts = facts_from_der(certificate.der()).unwrap();
        assert!(facts.is_ca);
        let parts: Vec<&str> = facts.subject_key_id.split(':').collect();
        assert_eq!(parts.len(), 20, "{}", facts.subject_key_id);
        assert!(parts.iter().all(|part| part.len() == 2 && *part == part.to_uppercase()));
    }

    #[test]
    fn a_bundle_gives_all_and_names_what_is_broken() {
        let good = sample().pem();
        let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let key = KeyPair::generate().unwrap().serialize_pem();
        let (facts, errors) = facts_from_pem(&format!("# text\n{good}{key}{broken}{good}"));
        assert_eq!(facts.len(), 2);
        assert_eq!(errors.len(), 1);
        assert!(errors[0].starts_with("certificate 2: not an X.509 certificate"), "{errors:?}");
    }

    #[test]
    fn broken_texts_are_named_without_their_bytes() {
        for (text, expected) in [
            ("", "empty: no PEM block at all"),
            ("hello", "no PEM block of type CERTIFICATE"),
            ("-----BEGIN CERTIFICATE-----\nMAA=\n", "certificate 1: the PEM block has no END line"),
            (
                "-----BEGIN CERTIFICATE-----\n$%&!\n-----END CERTIFICATE-----\n",
                "certificate 1: the PEM block is not base64",
            ),
        ] {
            let (facts, errors) = facts_from_pem(text);
            assert!(facts.is_empty());
            assert_eq!(errors, [expected], "{text:?}");
        }
        for length in 0..sample().der().len() {
            assert!(facts_from_der(&sample_der()[..length.min(sample_der().len() - 1)]).is_err());
        }
    }

    fn sample_der() -> &'static [u8] {
        static DER: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        DER.get_or_init(|| sample().der().to_vec())
    }
}
