//! How Go writes values into its error texts (quotes, types, times, names of JSON members), and how it reads spans of time,
//! URLs, PEM and regular expressions.
//!
//! A leaf that `credential`, `apiserver` and `aws` share, because all repeat what Go programs say.

use serde_json::{Map, Value};

pub mod duration;
pub mod pem;
pub mod regex;
pub mod url;

/// What Go calls the kind of a value in `cannot unmarshal X into Go value of type T`.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A text in double quotes as Go's `strconv.Quote` writes it.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => quoted.push_str(&format!("\\x{:02x}", c as u32)),
            c if is_unprintable(c) && (c as u32) < 0x10000 => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c if is_unprintable(c) => quoted.push_str(&format!("\\U{:08x}", c as u32)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Bytes in double quotes as `strconv.Quote` writes them: what is no UTF-8 becomes `\xff`.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut quoted = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let valid = quote(chunk.valid());
        quoted.push_str(&valid[1..valid.len() - 1]);
        for byte in chunk.invalid() {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}

/// The characters of everyday trouble that `strconv.IsPrint` refuses.
fn is_unprintable(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{a0}' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}'
        | '\u{2000}'..='\u{200a}' | '\u{3000}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{fff9}'..='\u{fffb}')
}

/// A list of texts as `%q` writes it: `["a" "b"]`.
pub fn quote_list<T: AsRef<str>>(texts: &[T]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text.as_ref())).collect();
    format!("[{}]", quoted.join(" "))
}

/// The members of an object that Go's encoding/json puts into a struct field of this name, in order: it does not
/// mind the case (go-jose does).
pub fn field<'a>(object: &'a Map<String, Value>, name: &'a str) -> impl Iterator<Item = &'a Value> {
    object.iter().filter(move |(member, _)| is_field(member, name)).map(|(_, value)| value)
}

/// Whether encoding/json puts a member into the field of this lower-case ASCII name: the long s and the Kelvin sign
/// count as s and k.
pub fn is_field(member: &str, name: &str) -> bool {
    let mut expected = name.chars();
    member.chars().all(|c| {
        let c = match c {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            c => c.to_ascii_lowercase(),
        };
        expected.next() == Some(c)
    }) && expected.next().is_none()
}

/// `time.Unix(seconds, 0)` as `%v` writes it on a server in UTC: `2026-03-08 21:39:18 +0000 UTC`.
///
/// Goes wrong where Go's own arithmetic does: far before the year 1 it comes out in the far future.
pub fn unix_time(seconds: i64) -> String {
    /// Go counts from this second on, unsigned: what lies before it wraps.
    const ABSOLUTE_ZERO: i128 = -9_223_372_028_715_321_600;
    let mut seconds = i128::from(seconds);
    if seconds < ABSOLUTE_ZERO {
        seconds += 1 << 64;
    }
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date of the Gregorian calendar, by eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    let sign = if year < 0 { "-" } else { "" };
    let year = year.abs();
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{sign}{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 +0000 UTC"),
            (1_773_005_958, "2026-03-08 21:39:18 +0000 UTC"),
            (-62_135_596_800, "0001-01-01 00:00:00 +0000 UTC"),
            (i64::MIN, "292277026596-12-04 15:30:08 +0000 UTC"),
            (951_782_400, "2000-02-29 00:00:00 +0000 UTC"),
            (1_795_414_913_000, "58864-06-07 04:43:20 +0000 UTC"),
        ] {
            assert_eq!(unix_time(seconds), expected);
        }
    }

    #[test]
    fn quotes_and_fields() {
        assert_eq!(quote("a\"\\\n\u{1}é\u{200b}"), r#""a\"\\\n\x01é\u200b""#);
        assert_eq!(quote_bytes(b"a\xff\"\xc3\xa9"), r#""a\xff\"é""#);
        assert_eq!(quote_list(&["a", "b c"]), r#"["a" "b c"]"#);
        let object = serde_json::json!({"ISS": 1, "i\u{17f}s": 2, "issx": 3, "is": 4});
        let seen: Vec<_> = field(object.as_object().unwrap(), "iss").collect();
        assert_eq!(seen, [1, 2]);
    }
}
