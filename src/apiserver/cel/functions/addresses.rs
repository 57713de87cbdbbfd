//! IP addresses as Go's net/netip reads them, with its words for what is wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::gotext::quote;

/// What is wrong, and where.
type Wrong<'a> = (&'static str, &'a str);

/// The address, and whether it has a zone.
pub(super) fn parse(text: &str) -> Result<(IpAddr, bool), String> {
    let parsed = match text.bytes().find(|byte| matches!(byte, b'.' | b':' | b'%')) {
        Some(b'.') => fields(text, text).map(|fields| (IpAddr::V4(Ipv4Addr::from(fields)), false)),
        Some(b':') => version_6(text).map(|(address, zone)| (IpAddr::V6(address), zone)),
        Some(_) => Err(("missing IPv6 address", "")),
        None => Err(("unable to parse IP", "")),
    };
    parsed.map_err(|(why, at)| {
        let at = if at.is_empty() { String::new() } else { format!(" (at {})", quote(at)) };
        format!("ParseAddr({}): {why}{at}", quote(text))
    })
}

/// Four numbers; `whole` is the text up to its end that the place of an error is cut from.
fn fields<'a>(part: &'a str, whole: &'a str) -> Result<[u8; 4], Wrong<'a>> {
    let mut found = [0_u8; 4];
    let (mut position, mut value, mut digits) = (0, 0_u32, 0);
    let start = whole.len() - part.len();
    for (at, character) in part.char_indices() {
        let rest = &whole[start + at..];
        match character {
            '0'..='9' => {
                if digits == 1 && value == 0 {
                    return Err(("IPv4 field has octet with leading zero", ""));
                }
                value = value * 10 + (character as u32 - '0' as u32);
                digits += 1;
                if value > 255 {
                    return Err(("IPv4 field has value >255", ""));
                }
            }
            '.' => {
                if at == 0 || at + 1 == part.len() || part.as_bytes()[at - 1] == b'.' {
                    return Err(("IPv4 field must have at least one digit", rest));
                }
                if position == 3 {
                    return Err(("IPv4 address too long", ""));
                }
                found[position] = value as u8;
                position += 1;
                (value, digits) = (0, 0);
            }
            _ => return Err(("unexpected character", rest)),
        }
    }
    if position < 3 {
        return Err(("IPv4 address too short", ""));
    }
    found[3] = value as u8;
    Ok(found)
}

fn version_6(text: &str) -> Result<(Ipv6Addr, bool), Wrong<'_>> {
    let (whole, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    if zone == Some("") {
        return Err(("zone must be a non-empty string", ""));
    }
    let mut rest = whole;
    let mut bytes: Vec<u8> = Vec::with_capacity(16);
    let mut ellipsis = None;
    if let Some(tail) = rest.strip_prefix("::") {
        ellipsis = Some(0);
        rest = tail;
    }
    while bytes.len() < 16 && !(rest.is_empty() && ellipsis == Some(bytes.len())) {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if digits > 4 {
            return Err(("each group must have 4 or less digits", rest));
        }
        if digits == 0 {
            return Err(("each colon-separated field must have at least one digit", rest));
        }
        if rest[digits..].starts_with('.') {
            if ellipsis.is_none() && bytes.len() != 12 {
                return Err(("embedded IPv4 address must replace the final 2 fields of the address", rest));
            }
            if bytes.len() + 4 > 16 {
                return Err(("too many hex fields to fit an embedded IPv4 at the end of the address", rest));
            }
            bytes.extend(fields(rest, whole)?);
            rest = "";
            break;
        }
        let group = u16::from_str_radix(&rest[..digits], 16).unwrap_or(0);
        bytes.extend(group.to_be_bytes());
        rest = &rest[digits..];
        if rest.is_empty() {
            break;
        }
        let Some(tail) = rest.strip_prefix(':') else {
            return Err(("unexpected character, want colon", rest));
        };
        if tail.is_empty() {
            return Err(("colon must be followed by more characters", rest));
        }
        rest = tail;
        if let Some(tail) = rest.strip_prefix(':') {
            if ellipsis.is_some() {
                return Err(("multiple :: in address", rest));
            }
            ellipsis = Some(bytes.len());
            rest = tail;
        }
    }
    if !rest.is_empty() {
        return Err(("trailing garbage after address", rest));
    }
    match ellipsis {
        None if bytes.len() < 16 => return Err(("address string too short", "")),
        Some(_) if bytes.len() >= 16 => return Err(("the :: must expand to at least one field of zeros", "")),
        Some(at) => {
            let zeros = vec![0; 16 - bytes.len()];
            bytes.splice(at..at, zeros);
        }
        None => {}
    }
    let bytes: [u8; 16] = bytes.try_into().unwrap_or_default();
    Ok((Ipv6Addr::from(bytes), zone.is_some()))
}
