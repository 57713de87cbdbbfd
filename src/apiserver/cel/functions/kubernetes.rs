//! Kubernetes' own types: addresses, networks, versions, quantities, named formats (k8s.io/apiserver pkg/cel/library).

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use super::super::evaluate::{Outcome, Stop};
use super::super::value::Value;
use super::{addresses, regexes, time, urls};
use crate::gotext::quote;

pub(super) fn call(id: &str, values: &[Value]) -> Option<Outcome> {
    match values.first() {
        Some(Value::String(text)) => of_text(id, text, values.get(1)),
        Some(Value::Ip(address)) => of_ip(id, *address),
        Some(Value::Cidr(address, bits)) => of_cidr(id, *address, *bits, values.get(1)),
        Some(Value::Semver(version)) => of_semver(id, version, values.get(1)),
        Some(Value::Quantity(quantity)) => of_quantity(id, *quantity, values.get(1)),
        Some(Value::Format(format)) => match values.get(1) {
            Some(Value::String(text)) if id == "format-validate" => Some(validate(format, text)),
            _ => None,
        },
        None => {
            let name = id.strip_prefix("format.")?;
            FORMATS.iter().find(|format| format.function == name).map(|format| Ok(Value::Format(format)))
        }
        _ => None,
    }
}

fn of_text(id: &str, text: &str, second: Option<&Value>) -> Option<Outcome> {
    let normalise = matches!(second, Some(Value::Bool(true)));
    Some(match id {
        "string_to_ip" => parse_ip(text).map(Value::Ip).map_err(Into::into),
        "is_ip" => Ok(Value::Bool(parse_ip(text).is_ok())),
        "ip_is_canonical" => parse_ip(text).map(|address| Value::Bool(address.to_string() == text)).map_err(Into::into),
        "string_to_cidr" => to_cidr(text),
        "is_cidr" => Ok(Value::Bool(parse_cidr(text).is_ok())),
        "string_to_semver" | "string_bool_to_semver" => match parse_semver(text, normalise) {
            Ok(version) => Ok(Value::Semver(Arc::new(version))),
            Err(stop) => Err(stop.into()),
        },
        "is_semver_string" | "is_semver_string_bool" => Ok(Value::Bool(parse_semver(text, normalise).is_ok())),
        "string_to_quantity" => parse_quantity(text).map(Value::Quantity),
        "is_quantity_string" => match parse_quantity(text) {
            Ok(_) => Ok(Value::Bool(true)),
            Err(Stop::Error(_)) => Ok(Value::Bool(false)),
            Err(other) => Err(other),
        },
        "format-named" => {
            let found = FORMATS.iter().find(|format| format.function == text);
            Ok(Value::Optional(found.map(|format| Arc::new(Value::Format(format)))))
        }
        _ => return None,
    })
}

// ------------------------------------------------------------------------------------------------ addresses

/// An address as the library takes it.
fn parse_ip(text: &str) -> Result<IpAddr, String> {
    let (address, zone) = addresses::parse(text)
        .map_err(|why| format!("IP Address {} parse error during conversion from string: {why}", quote(text)))?;
    if zone {
        return Err(format!("IP address {} with zone value is not allowed", quote(text)));
    }
    refuse_mapped(address, text)
}

fn refuse_mapped(address: IpAddr, text: &str) -> Result<IpAddr, String> {
    match address {
        IpAddr::V6(inner) if inner.to_ipv4_mapped().is_some() => {
            Err(format!("IPv4-mapped IPv6 address {} is not allowed", quote(text)))
        }
        address => Ok(address),
    }
}

/// Go's netip.ParsePrefix and the library's own rules.
fn parse_cidr(text: &str) -> Result<(IpAddr, u8), String> {
    let refused = |why: String| {
        let text = quote(text);
        format!("network address parse error during conversion from string: netip.ParsePrefix({text}): {why}")
    };
    let (address, bits) = text.rsplit_once('/').ok_or_else(|| refused("no '/'".to_owned()))?;
    let (address, zone) = addresses::parse(address).map_err(refused)?;
    if zone {
        return Err(refused("IPv6 zones cannot be present in a prefix".to_owned()));
    }
    let fine = !bits.is_empty()
        && bits.bytes().all(|byte| byte.is_ascii_digit())
        && (bits.len() == 1 || !bits.starts_with('0'));
    if !fine {
        return Err(refused(format!("bad bits after slash: {}", quote(bits))));
    }
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits.parse::<u8>() {
        Ok(bits) if bits <= most => Ok((refuse_mapped(address, text)?, bits)),
        _ => Err(refused("prefix length out of range".to_owned())),
    }
}

fn to_cidr(text: &str) -> Outcome {
    match parse_cidr(text) {
        Ok((address, bits)) => Ok(Value::Cidr(address, bits)),
        Err(why) => Err(format!("network address parse error during conversion from string: {why}").into()),
    }
}

fn of_ip(id: &str, address: IpAddr) -> Option<Outcome> {
    Some(Ok(match (id, address) {
        ("ip_to_string", address) => Value::text(&address.to_string()),
        ("ip_family", address) => Value::Int(if address.is_ipv4() { 4 } else { 6 }),
        ("ip_is_unspecified", address) => Value::Bool(address.is_unspecified()),
        ("ip_is_loopback", address) => Value::Bool(address.is_loopback()),
        ("ip_is_link_local_multicast", IpAddr::V4(inner)) => Value::Bool(inner.octets()[..3] == [224, 0, 0]),
        ("ip_is_link_local_multicast", IpAddr::V6(inner)) => Value::Bool(inner.segments()[0] & 0xff0f == 0xff02),
        ("ip_is_link_local_unicast", address) => Value::Bool(link_local(address)),
        ("ip_is_global_unicast", address) => Value::Bool(
            address != IpAddr::V4(Ipv4Addr::BROADCAST)
                && !address.is_unspecified()
                && !address.is_loopback()
                && !address.is_multicast()
                && !link_local(address),
        ),
        _ => return None,
    }))
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(inner) => inner.is_link_local(),
        IpAddr::V6(inner) => inner.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn of_cidr(id: &str, address: IpAddr, bits: u8, second: Option<&Value>) -> Option<Outcome> {
    let contains = |other: IpAddr| address.is_ipv4() == other.is_ipv4() && masked(other, bits) == masked(address, bits);
    Some(match (id, second) {
        ("cidr_to_string", None) => Ok(Value::text(&format!("{address}/{bits}"))),
        ("cidr_ip", None) => Ok(Value::Ip(address)),
        ("cidr_prefix_length", None) => Ok(Value::Int(i64::from(bits))),
        ("cidr_masked", None) => Ok(Value::Cidr(masked(address, bits), bits)),
        ("cidr_contains_ip_string", Some(Value::String(text))) => match parse_ip(text) {
            Ok(other) => Ok(Value::Bool(contains(other))),
            // The failed conversion is no address, which is all that is looked at.
            Err(_) => Err("no such overload".into()),
        },
        ("cidr_contains_ip_ip", Some(Value::Ip(other))) => Ok(Value::Bool(contains(*other))),
        ("cidr_contains_cidr_string", Some(Value::String(text))) => match to_cidr(text) {
            Ok(Value::Cidr(other, more)) => Ok(Value::Bool(bits <= more && contains(other))),
            Ok(_) => Err("no such overload".into()),
            // Here it is the failed conversion that is returned.
            Err(stop) => Err(stop),
        },
        ("cidr_contains_cidr", Some(Value::Cidr(other, more))) => Ok(Value::Bool(bits <= *more && contains(*other))),
        _ => return None,
    })
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(inner) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(inner.to_bits() & mask))
        }
        IpAddr::V6(inner) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(inner.to_bits() & mask))
        }
    }
}

// ------------------------------------------------------------------------------------------------- versions

/// A semantic version.
#[derive(Debug, Clone)]
pub struct Semver {
    numbers: [u64; 3],
    before: Vec<String>,
}

impl Semver {
    /// The order of two versions; a pre-release comes before its release, and build data does not count.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.before.is_empty(), other.before.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => self.compare_before(other),
        })
    }

    fn compare_before(&self, other: &Self) -> Ordering {
        for (one, other) in self.before.iter().zip(&other.before) {
            let order = match (one.parse::<u64>(), other.parse::<u64>()) {
                (Ok(one), Ok(other)) => one.cmp(&other),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => one.cmp(other),
            };
            if order.is_ne() {
                return order;
            }
        }
        self.before.len().cmp(&other.before.len())
    }
}

/// github.com/blang/semver/v4, after the library's own normalisation if it is wanted.
fn parse_semver(text: &str, normalise: bool) -> Result<Semver, String> {
    let normalised;
    let text = if normalise {
        normalised = normal_semver(text)?;
        &normalised
    } else {
        text
    };
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, rest] = parts.as_slice() else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let mut numbers = [semver_number(major, "major", "Major")?, semver_number(minor, "minor", "Minor")?, 0];
    let (rest, build) = rest.split_once('+').map_or((*rest, None), |(rest, build)| (rest, Some(build)));
    let (patch, before) = rest.split_once('-').map_or((rest, None), |(patch, before)| (patch, Some(before)));
    numbers[2] = semver_number(patch, "patch", "Patch")?;
    let allowed = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let mut labels = Vec::new();
    for label in before.into_iter().flat_map(|before| before.split('.')) {
        if label.is_empty() {
            return Err("Prerelease is empty".to_owned());
        }
        if label.bytes().all(|byte| byte.is_ascii_digit()) {
            if label.len() > 1 && label.starts_with('0') {
                return Err(format!("Numeric PreRelease version must not contain leading zeroes {}", quote(label)));
            }
        } else if !allowed(label) {
            return Err(format!("Invalid character(s) found in prerelease {}", quote(label)));
        }
        labels.push(label.to_owned());
    }
    for data in build.into_iter().flat_map(|build| build.split('.')) {
        if data.is_empty() {
            return Err("Build meta data is empty".to_owned());
        }
        if !allowed(data) {
            return Err(format!("Invalid character(s) found in build meta data {}", quote(data)));
        }
    }
    Ok(Semver { numbers, before: labels })
}

fn semver_number(text: &str, name: &str, title: &str) -> Result<u64, String> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("Invalid character(s) found in {name} number {}", quote(text)));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("{title} number must not contain leading zeroes {}", quote(text)));
    }
    text.parse().map_err(|_| {
        let why = if text.is_empty() { "invalid syntax" } else { "value out of range" };
        format!("strconv.ParseUint: parsing {}: {why}", quote(text))
    })
}

fn normal_semver(text: &str) -> Result<String, String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text.splitn(3, '.').map(ToOwned::to_owned).collect();
    for part in &mut parts {
        if part.len() > 1 {
            let plain = part.trim_start_matches('0');
            *part = if plain.starts_with(|character: char| character.is_ascii_digit()) {
                plain.to_owned()
            } else {
                format!("0{plain}")
            };
        }
    }
    if parts.len() < 3 {
        if parts.last().is_some_and(|part| part.contains(['+', '-'])) {
            return Err("short version cannot contain PreRelease/Build meta data".to_owned());
        }
        parts.resize(3, "0".to_owned());
    }
    Ok(parts.join("."))
}

fn of_semver(id: &str, version: &Semver, second: Option<&Value>) -> Option<Outcome> {
    if let Some(Value::Semver(other)) = second {
        return comparison(id, "semver", version.compare(other));
    }
    let number = match id {
        "semver_major" => version.numbers[0],
        "semver_minor" => version.numbers[1],
        "semver_patch" => version.numbers[2],
        _ => return None,
    };
    Some(Ok(Value::Int(number as i64)))
}

fn comparison(id: &str, of: &str, order: Ordering) -> Option<Outcome> {
    Some(Ok(match id.strip_prefix(of)? {
        "_is_greater_than" => Value::Bool(order.is_gt()),
        "_is_less_than" => Value::Bool(order.is_lt()),
        "_compare_to" => Value::Int(order as i64),
        _ => return None,
    }))
}

// ----------------------------------------------------------------------------------------------- quantities

/// Quantities count in billionths: what is finer is rounded up (k8s.io/apimachinery pkg/api/resource).
const UNIT: i128 = 1_000_000_000;

/// A quantity.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    /// In billionths.
    pub amount: i128,
    /// The power of ten that Go counts in; none if it holds a decimal. Only what counts in ones or more is an integer
    /// to it: `1000m` is none.
    scale: Option<i32>,
}

impl Quantity {
    /// The sum; a decimal on either side makes it one.
    fn plus(self, other: Self) -> Self {
        let scale = match (self.scale, other.scale) {
            (Some(scale), Some(_)) if other.amount == 0 => Some(scale),
            (Some(_), Some(scale)) if self.amount == 0 => Some(scale),
            (Some(one), Some(other)) => Some(one.min(other)),
            _ => None,
        };
        Self { amount: self.amount + other.amount, scale }
    }

    fn integer(self) -> Option<i64> {
        self.scale.filter(|scale| *scale >= 0)?;
        i64::try_from(self.amount / UNIT).ok()
    }
}

fn parse_quantity(text: &str) -> Result<Quantity, Stop> {
    const FORMAT: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    const SUFFIX: &str = "unable to parse quantity's suffix";
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (number, suffix) = unsigned.split_at(digits);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if text.is_empty() || (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(FORMAT.into());
    }
    let letters = suffix.bytes().take_while(|byte| b"eEinumkKMGTP".contains(byte)).count();
    let exponent = &suffix[letters..];
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(FORMAT.into());
    }
    let too_large = || Stop::Unknown(format!("the quantity {text}"));
    let (numerator, denominator): (i128, i128) = match suffix {
        "" => (1, 1),
        "n" => (1, UNIT),
        "u" => (1, 1_000_000),
        "m" => (1, 1000),
        "k" => (1000, 1),
        "M" => (1_000_000, 1),
        "G" => (UNIT, 1),
        "T" => (UNIT * 1000, 1),
        "P" => (UNIT * 1_000_000, 1),
        "E" => (UNIT * UNIT, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        other => {
            let power = other.strip_prefix(['e', 'E']).and_then(|power| power.parse::<i32>().ok());
            match power {
                Some(power @ 0..=18) => (10_i128.pow(power as u32), 1),
                Some(power @ -18..0) => (1, 10_i128.pow(power.unsigned_abs())),
                Some(_) => return Err(too_large()),
                None => return Err(SUFFIX.into()),
            }
        }
    };
    if whole.len() + fraction.len() > 18 {
        return Err(too_large());
    }
    let digits: i128 = format!("0{whole}{fraction}").parse().map_err(|_| too_large())?;
    let scaled = digits.checked_mul(numerator).and_then(|value| value.checked_mul(UNIT)).ok_or_else(too_large)?;
    let divisor = denominator * 10_i128.pow(fraction.len() as u32);
    let amount = scaled.div_euclid(divisor) + i128::from(scaled.rem_euclid(divisor) != 0);
    // Go caps what does not fit into 63 bits.
    if amount > i128::from(i64::MAX) * UNIT {
        return Err(too_large());
    }
    let length = whole.trim_start_matches('0').len().max(1) as i32;
    let scale = if suffix.ends_with('i') {
        // Go's guess at how many digits a power of two takes.
        let power = numerator.ilog2() as f32;
        (fraction.is_empty() && 14 - length - (power * 3.0 / 10.0) as i32 >= 0).then_some(0)
    } else {
        let power = numerator.ilog10() as i32 - denominator.ilog10() as i32 - fraction.len() as i32;
        (18 - length - fraction.len() as i32 >= 0 && power >= -9).then_some(power)
    };
    Ok(Quantity { amount: if text.starts_with('-') { -amount } else { amount }, scale })
}

fn of_quantity(id: &str, quantity: Quantity, second: Option<&Value>) -> Option<Outcome> {
    let negative = |other: Quantity| Quantity { amount: -other.amount, ..other };
    let other = match second {
        Some(Value::Quantity(other)) => *other,
        Some(Value::Int(other)) => Quantity { amount: i128::from(*other) * UNIT, scale: Some(0) },
        _ => {
            return Some(match id {
                "quantity_get_float" => Ok(Value::Double(quantity.amount as f64 / UNIT as f64)),
                "quantity_is_integer" => Ok(Value::Bool(quantity.integer().is_some())),
                "quantity_get_int" => {
                    quantity.integer().map(Value::Int).ok_or_else(|| "cannot convert value to integer".into())
                }
                "quantity_sign" => Ok(Value::Int(quantity.amount.signum() as i64)),
                _ => return None,
            });
        }
    };
    match id {
        "quantity_add" | "quantity_add_int" => Some(Ok(Value::Quantity(quantity.plus(other)))),
        "quantity_sub" | "quantity_sub_int" => Some(Ok(Value::Quantity(quantity.plus(negative(other))))),
        id => comparison(id, "quantity", quantity.amount.cmp(&other.amount)),
    }
}

// -------------------------------------------------------------------------------------------- named formats

/// A format that texts can be held against.
#[derive(Debug)]
pub struct NamedFormat {
    /// What it calls itself.
    pub name: &'static str,
    function: &'static str,
    /// How long its pattern is taken to be, for the cost.
    pub(super) pattern_size: u64,
}

const fn named(function: &'static str, name: &'static str, pattern_size: u64) -> NamedFormat {
    NamedFormat { name, function, pattern_size }
}

static FORMATS: [NamedFormat; 13] = [
    named("dns1123Label", "DNS1123Label", 30),
    named("dns1123Subdomain", "DNS1123Subdomain", 60),
    named("dns1035Label", "DNS1035Label", 30),
    named("qualifiedName", "QualifiedName", 60),
    named("dns1123LabelPrefix", "DNS1123LabelPrefix", 30),
    named("dns1123SubdomainPrefix", "DNS1123SubdomainPrefix", 60),
    named("dns1035LabelPrefix", "DNS1035LabelPrefix", 30),
    named("labelValue", "LabelValue", 40),
    named("uri", "URI", 1103),
    named("uuid", "uuid", 70),
    named("byte", "byte", 84),
    named("date", "date", 71),
    named("datetime", "datetime", 71),
];

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";

fn matches(text: &str, pattern: &str) -> bool {
    regexes::compile(&format!("^(?:{pattern})$")).is_ok_and(|compiled| compiled.is_match(text))
}

/// The errors of a text, if it has some.
fn validate(format: &NamedFormat, text: &str) -> Outcome {
    let masked = match text.strip_suffix('-') {
        // A prefix may end in a dash.
        Some(start) if format.function.ends_with("Prefix") && !start.is_empty() => {
            format!("{}a", start.get(..start.len() - 1).unwrap_or(start))
        }
        _ => text.to_owned(),
    };
    let text = masked.as_str();
    let unknown = || Err(Stop::Unknown(format!("whether {} is a {}", quote(text), format.name)));
    let checked = |length: usize, pattern: &str, rule: &str, examples: &[&str]| {
        let mut errors = Vec::new();
        if text.len() > length {
            errors.push(format!("must be no more than {length} characters"));
        }
        if !matches(text, pattern) {
            if pattern == LABEL && matches(text, SUBDOMAIN) {
                errors.push("must not contain dots".to_owned());
            } else {
                let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
                errors.push(format!("{rule} (e.g. {}regex used for validation is '{pattern}')", examples.join(" or ")));
            }
        }
        errors
    };
    let errors = match format.function.trim_end_matches("Prefix") {
        "dns1123Label" => checked(
            63,
            LABEL,
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
            &["my-name", "123-abc"],
        ),
        "dns1123Subdomain" => checked(
            253,
            SUBDOMAIN,
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            &["example.com"],
        ),
        "dns1035Label" => checked(
            63,
            LABEL_1035,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            &["my-name", "abc-123"],
        ),
        "labelValue" => checked(
            63,
            VALUE,
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            &["MyValue", "my_value", "12345"],
        ),
        "qualifiedName" if is_qualified_name(text) => Vec::new(),
        "byte" => {
            let base64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})";
            if matches(text, base64) { Vec::new() } else { vec!["invalid base64".to_owned()] }
        }
        // Go takes other spellings too.
        "datetime" if matches!(time::parse_timestamp(text), Some(Ok(_))) => Vec::new(),
        "uuid" => {
            let uuid = "(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}";
            if matches(text, uuid) { Vec::new() } else { vec!["does not match the UUID format".to_owned()] }
        }
        "date" => {
            let date = text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok();
            if date { Vec::new() } else { vec!["invalid date".to_owned()] }
        }
        "uri" => match urls::parse(text) {
            Ok(_) => Vec::new(),
            Err(Stop::Error(text)) => vec![text],
            Err(other) => return Err(other),
        },
        _ => return unknown(),
    };
    Ok(Value::Optional((!errors.is_empty()).then(|| Arc::new(Value::texts(errors)))))
}

fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    matches(name, "([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]")
        && prefix.is_none_or(|prefix| prefix.len() <= 253 && matches(prefix, SUBDOMAIN))
}
