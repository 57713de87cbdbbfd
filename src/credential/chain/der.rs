//! A reader of DER with the strictness of Go's cryptobyte, so that a broken certificate breaks where it breaks in Go.
//!
//! x509-parser takes some encodings that Go refuses and refuses others that Go takes; what Go takes decides here
//! (golang.org/x/crypto/cryptobyte/asn1.go).

/// Universal tags, with the constructed bit where DER wants it.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 1;
    pub(crate) const INTEGER: u8 = 2;
    pub(crate) const BIT_STRING: u8 = 3;
    pub(crate) const OCTET_STRING: u8 = 4;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 6;
    pub(crate) const UTF8_STRING: u8 = 12;
    pub(crate) const NUMERIC_STRING: u8 = 18;
    pub(crate) const PRINTABLE_STRING: u8 = 19;
    pub(crate) const T61_STRING: u8 = 20;
    pub(crate) const IA5_STRING: u8 = 22;
    pub(crate) const UTC_TIME: u8 = 23;
    pub(crate) const GENERALIZED_TIME: u8 = 24;
    pub(crate) const BMP_STRING: u8 = 30;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[number]`, primitive.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// `[number]`, constructed.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

/// One element: its tag, its content and the whole of it.
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    pub(super) whole: &'a [u8],
}

impl<'a> Der<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element begins with this tag.
    pub(super) fn peek(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The next element: one-byte tags, definite lengths in their shortest form.
    pub(super) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, &first) = (self.0.first()?, self.0.get(1)?);
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (header, length) = if first & 0x80 == 0 {
            (2, usize::from(first))
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let bytes = self.0.get(2..2 + count)?;
            let length = bytes.iter().fold(0_u64, |length, &byte| length << 8 | u64::from(byte));
            if length < 128 || bytes[0] == 0 || length + 6 > u64::from(u32::MAX) {
                return None;
            }
            (2 + count, usize::try_from(length).ok()?)
        };
        let whole = self.0.get(..header.checked_add(length)?)?;
        self.0 = &self.0[whole.len()..];
        Some(Element { tag, content: &whole[header..], whole })
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn read(&mut self, tag: u8) -> Option<Self> {
        self.any().filter(|element| element.tag == tag).map(|element| Self(element.content))
    }

    /// The next element with its header, which must have this tag.
    pub(super) fn element(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.any().filter(|element| element.tag == tag).map(|element| element.whole)
    }

    /// The content of the next element if it has this tag; the outer `None` is an error.
    #[expect(clippy::option_option, reason = "absent and broken are two things")]
    pub(super) fn optional(&mut self, tag: u8) -> Option<Option<Self>> {
        if self.peek(tag) { self.read(tag).map(Some) } else { Some(None) }
    }

    pub(super) fn boolean(&mut self) -> Option<bool> {
        match self.read(tag::BOOLEAN)?.0 {
            [0] => Some(false),
            [0xff] => Some(true),
            _ => None,
        }
    }

    /// The bytes of an INTEGER in two's complement, in their shortest form.
    pub(super) fn integer(&mut self, tag: u8) -> Option<&'a [u8]> {
        let bytes = self.read(tag)?.0;
        match bytes {
            [] => None,
            [0, second, ..] if second & 0x80 == 0 => None,
            [0xff, second, ..] if second & 0x80 != 0 => None,
            _ => Some(bytes),
        }
    }

    /// An INTEGER (or what an implicit tag hides) that fits 64 bits.
    pub(super) fn small_integer(&mut self, tag: u8) -> Option<i64> {
        let bytes = self.integer(tag)?;
        if bytes.len() > 8 {
            return None;
        }
        let start = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        Some(bytes.iter().fold(start, |value: i64, &byte| value << 8 | i64::from(byte)))
    }

    /// The bytes of an OBJECT IDENTIFIER: as encodings are unique, they are its identity.
    pub(super) fn oid(&mut self) -> Option<&'a [u8]> {
        let bytes = self.read(tag::OBJECT_IDENTIFIER)?.0;
        components(bytes).map(|_| bytes)
    }

    /// The bytes of a BIT STRING and how many bits of the last one do not count.
    pub(super) fn bit_string(&mut self) -> Option<(&'a [u8], u8)> {
        let (&padding, bytes) = self.read(tag::BIT_STRING)?.0.split_first()?;
        let spare = bytes.last().map_or(padding, |last| last & ((1_u16 << padding.min(8)) - 1) as u8);
        (padding <= 7 && spare == 0).then_some((bytes, padding))
    }

    /// UTCTime or GeneralizedTime, in the forms that Go's time package reads and writes alike.
    ///
    /// # Errors
    /// Go's text.
    pub(super) fn time(&mut self) -> Result<Time, &'static str> {
        if self.peek(tag::UTC_TIME) {
            return self.read(tag::UTC_TIME).and_then(|text| utc_time(text.0)).ok_or("x509: malformed UTCTime");
        }
        if self.peek(tag::GENERALIZED_TIME) {
            let text = self.read(tag::GENERALIZED_TIME);
            return text.and_then(|text| generalized_time(text.0)).ok_or("x509: malformed GeneralizedTime");
        }
        Err("x509: unsupported time format")
    }
}

/// The whole bytes of a BIT STRING with its spare bits shifted out at the right, as `asn1.BitString.RightAlign` does.
pub(super) fn right_align((bytes, padding): (&[u8], u8)) -> Vec<u8> {
    let mut carry = 0;
    bytes
        .iter()
        .map(|&byte| {
            let wide = u16::from(carry) << 8 | u16::from(byte);
            carry = byte;
            (wide >> padding) as u8
        })
        .collect()
}

/// The numbers of an OID; `None` where Go refuses it (empty, cut off, not shortest, a number of 2^31 or more).
fn components(bytes: &[u8]) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    let (mut value, mut length) = (0_u32, 0);
    for &byte in bytes {
        if length == 0 && byte == 0x80 || length == 5 || value >= 1 << 24 {
            return None;
        }
        value = value << 7 | u32::from(byte & 0x7f);
        length += 1;
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (value / 40).min(2);
                numbers.extend([first, value - 40 * first]);
            } else {
                numbers.push(value);
            }
            (value, length) = (0, 0);
        }
    }
    (length == 0 && !numbers.is_empty()).then_some(numbers)
}

/// An OID with dots.
pub(super) fn dotted(oid: &[u8]) -> String {
    let numbers: Vec<String> = components(oid).unwrap_or_default().iter().map(u32::to_string).collect();
    numbers.join(".")
}

/// A moment with the offset it was written in, because Go prints it with that offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time {
    /// Seconds since 1970.
    pub(super) seconds: i64,
    /// Seconds east of Greenwich.
    pub(super) offset: i64,
}

impl Time {
    /// `time.RFC3339`.
    pub(super) fn rfc3339(self) -> String {
        let wall = crate::gotext::unix_time(self.seconds + self.offset);
        let mut text = wall.replacen(' ', "T", 1);
        text.truncate(text.find(' ').unwrap_or(text.len()));
        if self.offset == 0 {
            text.push('Z');
        } else {
            let sign = if self.offset < 0 { '-' } else { '+' };
            let minutes = self.offset.abs() / 60;
            text.push_str(&format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60));
        }
        text
    }
}

/// Two digits as a number.
fn pair(text: &[u8], at: usize) -> Option<i64> {
    let digits = text.get(at..at + 2)?;
    digits.iter().all(u8::is_ascii_digit).then(|| i64::from(digits[0] - b'0') * 10 + i64::from(digits[1] - b'0'))
}

/// With seconds or, against the standard, without; the years 50 to 99 are of the last century.
fn utc_time(text: &[u8]) -> Option<Time> {
    let two_digits = pair(text, 0)?;
    // Go checks the day against its own reading of the year (1969 to 2068) and only then moves it; both are leap
    // years or none is.
    let year = if two_digits >= 50 { 1900 + two_digits } else { 2000 + two_digits };
    moment(year, text.get(2..)?, true).or_else(|| moment(year, text.get(2..)?, false))
}

fn generalized_time(text: &[u8]) -> Option<Time> {
    moment(pair(text, 0)? * 100 + pair(text, 2)?, text.get(4..)?, true)
}

/// Month, day, hour, minute, perhaps second, and `Z` or an offset that is not zero.
fn moment(year: i64, text: &[u8], with_seconds: bool) -> Option<Time> {
    let (month, day, hour, minute) = (pair(text, 0)?, pair(text, 2)?, pair(text, 4)?, pair(text, 6)?);
    let second = if with_seconds { pair(text, 8)? } else { 0 };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let zone = text.get(if with_seconds { 10 } else { 8 }..)?;
    let offset = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), rest @ ..] if rest.len() == 4 => {
            let (hours, minutes) = (pair(rest, 0)?, pair(rest, 2)?);
            if hours > 24 || minutes > 59 || hours + minutes == 0 {
                return None;
            }
            (hours * 3600 + minutes * 60) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    Some(Time {
        seconds: days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset,
        offset,
    })
}

/// Days of the Gregorian calendar, by eras of 400 years that begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<String> {
        utc_time(text.as_bytes()).map(Time::rfc3339)
    }

    #[test]
    fn times_are_read_as_go_reads_them() {
        for (text, expected) in [
            ("260102030405Z", Some("2026-01-02T03:04:05Z")),
            ("2601020304Z", Some("2026-01-02T03:04:00Z")),
            ("500101000000Z", Some("1950-01-01T00:00:00Z")),
            ("520229000000Z", Some("1952-02-29T00:00:00Z")),
            ("260102030405+0130", Some("2026-01-02T03:04:05+01:30")),
            ("260102030405+0000", None),
            ("260230000000Z", None),
            ("260102240000Z", None),
            ("260102030460Z", None),
            ("260102030405", None),
            ("", None),
        ] {
            assert_eq!(utc(text).as_deref(), expected, "{text}");
        }
        assert_eq!(generalized_time(b"99991231235959Z").unwrap().rfc3339(), "9999-12-31T23:59:59Z");
        assert_eq!(generalized_time(b"00000101000000Z").unwrap().rfc3339(), "0000-01-01T00:00:00Z");
    }

    #[test]
    fn oids_and_lengths() {
        assert_eq!(dotted(&[0x55, 0x1d, 0x11]), "2.5.29.17");
        assert_eq!(dotted(&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xc2, 0x53, 0x02]), "1.3.6.1.4.1.57683.2");
        assert_eq!(dotted(&[0x81, 0x34]), "2.100");
        for broken in [&[][..], &[0x80, 1], &[0x81], &[0x55, 0x88, 0x80, 0x80, 0x80, 0x00]] {
            assert!(components(broken).is_none(), "{broken:?}");
        }
        for broken in [&[0x30][..], &[0x30, 0x81, 0x05, 0, 0, 0, 0, 0], &[0x30, 0x80, 0, 0], &[0x1f, 0x01, 0x00]] {
            assert!(Der(broken).any().is_none(), "{broken:?}");
        }
        assert_eq!(right_align((&[0b1010_1000, 0b1100_0000], 3)), [0b0001_0101, 0b0001_1000]);
    }
}
