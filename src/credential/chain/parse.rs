//! DER to [`Certificate`], with the errors of Go's `x509.ParseCertificate` (crypto/x509/parser.go).

use super::constraints;
use super::der::{Der, dotted, right_align, tag};
use super::policies::{ANY, Policies};
use super::{BasicConstraints, Certificate, ParseError, Subject, keys, uri};
use crate::gotext::quote_bytes;

const UID: &[u8] = &[0x2b, 6, 1, 4, 1, 0x83, 0xc2, 0x53, 2];
const AUTHORITY_INFORMATION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];

struct Extension<'a> {
    oid: &'a [u8],
    critical: bool,
    value: Der<'a>,
}

fn or<T>(value: Option<T>, text: &str) -> Result<T, ParseError> {
    value.ok_or_else(|| ParseError::go(text))
}

/// The order of the checks is Go's: the first fault is the one that is told.
pub(super) fn certificate(der: &[u8]) -> Result<Certificate, ParseError> {
    const MALFORMED: &str = "x509: malformed certificate";
    let mut input = Der(der);
    let raw = or(input.element(tag::SEQUENCE), MALFORMED)?;
    let trailing = !input.is_empty();
    let mut outer = or(Der(raw).read(tag::SEQUENCE), MALFORMED)?;
    let signed = or(outer.element(tag::SEQUENCE), "x509: malformed tbs certificate")?;
    let mut tbs = or(Der(signed).read(tag::SEQUENCE), "x509: malformed tbs certificate")?;

    let version = version(&mut tbs)?;
    let serial = or(tbs.integer(tag::INTEGER), "x509: malformed serial number")?;
    if serial[0] & 0x80 != 0 {
        return Err(ParseError::go("x509: negative serial number"));
    }
    let inner = or(tbs.read(tag::SEQUENCE), "x509: malformed signature algorithm identifier")?;
    let outer_algorithm = or(outer.read(tag::SEQUENCE), "x509: malformed algorithm identifier")?;
    if inner.0 != outer_algorithm.0 {
        return Err(ParseError::go("x509: inner and outer signature algorithm identifiers don't match"));
    }
    let (algorithm, parameters) = keys::algorithm_identifier(inner)?;
    let issuer = or(tbs.element(tag::SEQUENCE), "x509: malformed issuer")?;
    name(issuer)?;
    let mut validity = or(tbs.read(tag::SEQUENCE), "x509: malformed validity")?;
    let not_before = validity.time().map_err(ParseError::go)?;
    let not_after = validity.time().map_err(ParseError::go)?;
    // Go says "issuer" here too.
    let subject = or(tbs.element(tag::SEQUENCE), "x509: malformed issuer")?;
    let mut certificate = Certificate {
        sha256: crate::credential::certificate::sha256_hex(raw),
        version,
        serial: serial.to_vec(),
        algorithm: keys::signature_algorithm(algorithm, parameters),
        raw_issuer: issuer.to_vec(),
        not_before,
        not_after,
        raw_subject: subject.to_vec(),
        subject: name(subject)?,
        signed: signed.to_vec(),
        ..Certificate::default()
    };
    public_key(&mut certificate, &mut tbs)?;
    if version > 1 {
        or(tbs.optional(tag::context(1)), "x509: malformed issuerUniqueID")?;
        or(tbs.optional(tag::context(2)), "x509: malformed subjectUniqueID")?;
    }
    if version == 3
        && let Some(list) = or(tbs.optional(tag::constructed(3)), "x509: malformed extensions")?
    {
        for extension in extensions(list)? {
            process(&mut certificate, &extension)?;
        }
    }
    certificate.signature = right_align(or(outer.bit_string(), "x509: malformed signature")?);
    if trailing {
        return Err(ParseError::go("x509: trailing data"));
    }
    Ok(certificate)
}

/// 1 to 3; absent is 1.
fn version(tbs: &mut Der<'_>) -> Result<u8, ParseError> {
    const MALFORMED: &str = "x509: malformed version";
    let Some(mut explicit) = or(tbs.optional(tag::constructed(0)), MALFORMED)? else { return Ok(1) };
    let version = or(explicit.small_integer(tag::INTEGER).filter(|_| explicit.is_empty()), MALFORMED)?;
    match version {
        ..0 => Err(ParseError::go(MALFORMED)),
        0..=2 => Ok(version as u8 + 1),
        _ => Err(ParseError::go("x509: invalid version")),
    }
}

fn public_key(certificate: &mut Certificate, tbs: &mut Der<'_>) -> Result<(), ParseError> {
    let whole = or(tbs.element(tag::SEQUENCE), "x509: malformed spki")?;
    let mut info = or(Der(whole).read(tag::SEQUENCE), "x509: malformed spki")?;
    let identifier = or(info.read(tag::SEQUENCE), "x509: malformed public key algorithm identifier")?;
    let (oid, parameters) = keys::algorithm_identifier(identifier)?;
    let bits = or(info.bit_string(), "x509: malformed subjectPublicKey")?;
    certificate.key = keys::public_key(oid, parameters, &right_align(bits))?;
    certificate.public_key_info = whole.to_vec();
    Ok(())
}

/// `parseName` and what `FillFromRDNSequence` of crypto/x509/pkix keeps of it.
fn name(raw: &[u8]) -> Result<Subject, ParseError> {
    const INVALID: &str = "x509: invalid RDNSequence";
    let mut subject = Subject::default();
    let mut sequence = or(Der(raw).read(tag::SEQUENCE), INVALID)?;
    while !sequence.is_empty() {
        let mut set = or(sequence.read(tag::SET), INVALID)?;
        while !set.is_empty() {
            let mut attribute = or(set.read(tag::SEQUENCE), "x509: invalid RDNSequence: invalid attribute")?;
            let oid = or(attribute.oid(), "x509: invalid RDNSequence: invalid attribute type")?;
            let value = or(attribute.any(), "x509: invalid RDNSequence: invalid attribute value")?;
            let text = text(value.tag, value.content).map_err(|problem| {
                ParseError::Go(format!("x509: invalid RDNSequence: invalid attribute value: {problem}"))
            })?;
            match oid {
                [0x55, 4, 3] => subject.common_name = text,
                [0x55, 4, 10] => subject.organizations.push(text),
                UID => subject.uids.push(text),
                _ => {}
            }
        }
    }
    Ok(subject)
}

/// `parseASN1String`.
fn text(tag: u8, bytes: &[u8]) -> Result<String, String> {
    let ascii = |valid: fn(u8) -> bool, kind: &str| {
        if bytes.iter().all(|&byte| valid(byte)) {
            Ok(bytes.iter().map(|&byte| char::from(byte)).collect())
        } else {
            Err(format!("invalid {kind}"))
        }
    };
    match tag {
        // Read as Latin-1.
        tag::T61_STRING => Ok(bytes.iter().map(|&byte| char::from(byte)).collect()),
        tag::PRINTABLE_STRING => {
            ascii(|byte| byte.is_ascii_alphanumeric() || b"'()+,-./ :=?*&".contains(&byte), "PrintableString")
        }
        tag::UTF8_STRING => String::from_utf8(bytes.to_vec()).map_err(|_| "invalid UTF-8 string".to_owned()),
        tag::BMP_STRING => bmp(bytes).ok_or_else(|| "invalid BMPString".to_owned()),
        tag::IA5_STRING => ascii(|byte| byte.is_ascii(), "IA5String"),
        tag::NUMERIC_STRING => ascii(|byte| byte.is_ascii_digit() || byte == b' ', "NumericString"),
        _ => Err(format!("unsupported string type: {tag}")),
    }
}

fn bmp(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let bytes = bytes.strip_suffix(&[0, 0]).unwrap_or(bytes);
    bytes
        .chunks_exact(2)
        .map(|pair| {
            let point = u32::from(pair[0]) << 8 | u32::from(pair[1]);
            let reserved = matches!(point, 0xfffe | 0xffff | 0xfdd0..=0xfdef);
            char::from_u32(point).filter(|_| !reserved)
        })
        .collect()
}

fn extensions<'a>(mut list: Der<'a>) -> Result<Vec<Extension<'a>>, ParseError> {
    let mut found: Vec<Extension<'a>> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut list = or(list.read(tag::SEQUENCE), "x509: malformed extensions")?;
    while !list.is_empty() {
        let mut der = or(list.read(tag::SEQUENCE), "x509: malformed extension")?;
        let oid = or(der.oid(), "x509: malformed extension OID field")?;
        let critical =
            if der.peek(tag::BOOLEAN) { or(der.boolean(), "x509: malformed extension critical field")? } else { false };
        let value = or(der.read(tag::OCTET_STRING), "x509: malformed extension value field")?;
        if !seen.insert(oid) {
            return Err(ParseError::Go(format!(
                "x509: certificate contains duplicate extension with OID \"{}\"",
                dotted(oid)
            )));
        }
        found.push(Extension { oid, critical, value });
    }
    Ok(found)
}

/// `processExtensions`, one extension.
fn process(certificate: &mut Certificate, extension: &Extension<'_>) -> Result<(), ParseError> {
    let mut value = extension.value;
    let mut unhandled = false;
    match extension.oid {
        [0x55, 0x1d, 14] => {
            if extension.critical {
                return Err(ParseError::go("x509: subject key identifier incorrectly marked critical"));
            }
            let id = or(value.read(tag::OCTET_STRING), "x509: invalid subject key identifier")?;
            certificate.subject_key_id = id.0.to_vec();
        }
        [0x55, 0x1d, 15] => {
            let (bits, _) = or(value.bit_string(), "x509: invalid key usage")?;
            let bit = |index: usize| bits.get(index / 8).is_some_and(|byte| byte & (0x80 >> (index % 8)) != 0);
            certificate.restricted_usage = (0..9).any(bit) && !bit(5);
        }
        [0x55, 0x1d, 17] => {
            certificate.san = Some(value.0.to_vec());
            unhandled = !alternative_names(certificate, value)?;
        }
        [0x55, 0x1d, 19] => certificate.basic_constraints = Some(or(basic(value), "x509: invalid basic constraints")?),
        [0x55, 0x1d, 30] => {
            let (permitted, excluded, strange) = constraints::parse(value)?;
            certificate.name_constraints = Some((permitted, excluded));
            unhandled = strange;
        }
        [0x55, 0x1d, 31] => distribution_points(value)?,
        [0x55, 0x1d, 32] => certificate.policies.list = policies(value)?,
        [0x55, 0x1d, 33] => {
            or(policy_mappings(value, &mut certificate.policies), "x509: invalid policy mappings extension")?;
        }
        [0x55, 0x1d, 35] => {
            if extension.critical {
                return Err(ParseError::go("x509: authority key identifier incorrectly marked critical"));
            }
            const INVALID: &str = "x509: invalid authority key identifier";
            let mut sequence = or(value.read(tag::SEQUENCE), INVALID)?;
            if let Some(id) = or(sequence.optional(tag::context(0)), INVALID)? {
                certificate.authority_key_id = id.0.to_vec();
            }
        }
        [0x55, 0x1d, 36] => {
            or(policy_constraints(value, &mut certificate.policies), "x509: invalid policy constraints extension")?
        }
        [0x55, 0x1d, 37] => {
            const INVALID: &str = "x509: invalid extended key usages";
            let mut sequence = or(value.read(tag::SEQUENCE), INVALID)?;
            while !sequence.is_empty() {
                certificate.extended_usages.push(or(sequence.oid(), INVALID)?.to_vec());
            }
        }
        [0x55, 0x1d, 54] => {
            let depth = or(value.small_integer(tag::INTEGER), "x509: invalid inhibit any policy extension")?;
            certificate.policies.inhibit_any = Some(depth);
        }
        AUTHORITY_INFORMATION => {
            if extension.critical {
                return Err(ParseError::go("x509: authority info access incorrectly marked critical"));
            }
            or(authority_information(value), "x509: invalid authority info access")?;
        }
        _ => unhandled = true,
    }
    certificate.unhandled_critical |= extension.critical && unhandled;
    Ok(())
}

fn basic(mut value: Der<'_>) -> Option<BasicConstraints> {
    let mut sequence = value.read(tag::SEQUENCE)?;
    let ca = if sequence.peek(tag::BOOLEAN) { sequence.boolean()? } else { false };
    let path_length = if sequence.peek(tag::INTEGER) {
        Some(u64::try_from(sequence.small_integer(tag::INTEGER)?).ok()?)
    } else {
        None
    };
    Some(BasicConstraints { ca, path_length })
}

/// Whether there was a name of a kind that Go keeps.
fn alternative_names(certificate: &mut Certificate, mut value: Der<'_>) -> Result<bool, ParseError> {
    let mut names = or(value.read(tag::SEQUENCE), "x509: invalid subject alternative names")?;
    let ascii = |bytes: &[u8], kind: &str| {
        if bytes.is_ascii() {
            Ok(bytes.iter().map(|&byte| char::from(byte)).collect::<String>())
        } else {
            Err(ParseError::Go(format!("x509: SAN {kind} is malformed")))
        }
    };
    let mut any = false;
    while !names.is_empty() {
        let name = or(names.any(), "x509: invalid subject alternative name")?;
        match name.tag ^ 0x80 {
            1 => certificate.emails.push(ascii(name.content, "rfc822Name")?),
            2 => certificate.dns_names.push(ascii(name.content, "dNSName")?),
            6 => {
                let text = ascii(name.content, "uniformResourceIdentifier")?;
                certificate.uris.push(uri::parse(&text)?);
            }
            7 if matches!(name.content.len(), 4 | 16) => certificate.ips.push(name.content.to_vec()),
            7 => {
                return Err(ParseError::Go(format!("x509: cannot parse IP address of length {}", name.content.len())));
            }
            _ => continue,
        }
        any = true;
    }
    Ok(any)
}

fn distribution_points(mut value: Der<'_>) -> Result<(), ParseError> {
    const INVALID: &str = "x509: invalid CRL distribution point";
    let mut points = or(value.read(tag::SEQUENCE), "x509: invalid CRL distribution points")?;
    while !points.is_empty() {
        let mut point = or(points.read(tag::SEQUENCE), INVALID)?;
        if let Some(mut name) = or(point.optional(tag::constructed(0)), INVALID)? {
            let mut full = or(name.read(tag::constructed(0)), INVALID)?;
            while full.peek(tag::context(6)) {
                or(full.read(tag::context(6)), INVALID)?;
            }
        }
    }
    Ok(())
}

fn policies(mut value: Der<'_>) -> Result<Vec<Vec<u8>>, ParseError> {
    const INVALID: &str = "x509: invalid certificate policies";
    let mut list = or(value.read(tag::SEQUENCE), INVALID)?;
    let (mut seen, mut found) = (std::collections::HashSet::new(), Vec::new());
    while !list.is_empty() {
        let mut policy = or(list.read(tag::SEQUENCE), INVALID)?;
        let oid = or(policy.read(tag::OBJECT_IDENTIFIER), INVALID)?.0;
        or((seen.insert(oid) && wide_oid(oid)).then_some(()), INVALID)?;
        found.push(oid.to_vec());
    }
    Ok(found)
}

/// `newOIDFromDER` of crypto/x509/oid.go: numbers of any size.
fn wide_oid(oid: &[u8]) -> bool {
    let mut start = true;
    for &byte in oid {
        if start && byte == 0x80 {
            return false;
        }
        start = byte & 0x80 == 0;
    }
    start && !oid.is_empty()
}

fn policy_mappings(mut value: Der<'_>, policies: &mut Policies) -> Option<()> {
    let mut list = value.read(tag::SEQUENCE)?;
    while !list.is_empty() {
        let mut mapping = list.read(tag::SEQUENCE)?;
        for _ in ["from", "to"] {
            policies.maps_any |= mapping.read(tag::OBJECT_IDENTIFIER)?.0 == ANY;
        }
        policies.maps = true;
    }
    Some(())
}

fn policy_constraints(mut value: Der<'_>, policies: &mut Policies) -> Option<()> {
    let mut sequence = value.read(tag::SEQUENCE)?;
    if sequence.peek(tag::context(0)) {
        policies.require_explicit = Some(sequence.small_integer(tag::context(0))?);
    }
    if sequence.peek(tag::context(1)) {
        sequence.small_integer(tag::context(1))?;
    }
    Some(())
}

fn authority_information(mut value: Der<'_>) -> Option<()> {
    let mut list = value.read(tag::SEQUENCE)?;
    while !list.is_empty() {
        let mut description = list.read(tag::SEQUENCE)?;
        description.oid()?;
        description.optional(tag::context(6))?;
    }
    Some(())
}

/// An IA5String of a name constraint.
pub(super) fn constraint_text(bytes: &[u8]) -> Result<String, ParseError> {
    if bytes.is_ascii() {
        return Ok(bytes.iter().map(|&byte| char::from(byte)).collect());
    }
    Err(ParseError::Go(format!(
        "x509: invalid constraint value: x509: {} cannot be encoded as an IA5String",
        quote_bytes(bytes)
    )))
}
