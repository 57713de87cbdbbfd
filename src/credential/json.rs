//! JSON as Go reads it: its words for what is wrong, repeated members noticed, nesting limited.

use serde_json::{Map, Number, Value};

use crate::evidence::credential::TokenProblem;
use crate::gotext::quote;

/// Deeper values are not read: an evidence file that holds them could not be read back.
const MAX_DEPTH: usize = 64;

/// Whether a text holds at most `most` values, without reading it: members and elements are told by the commas, colons
/// and opening brackets outside of strings.
pub fn values(text: &[u8], most: usize) -> bool {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b':' | b'[' | b'{' if !in_string => {
                count += 1;
                if count > most {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

/// A parsed text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The value. Of a repeated member the last one counts; a number beyond a double's range is kept as its text.
    pub value: Value,
    /// Member names that appear twice in one object, with that object's depth (0 = outermost). Go's JSON takes
    /// them, go-jose's does not.
    pub duplicates: Vec<(usize, String)>,
    /// Members of the outermost object with their raw text, in order.
    pub members: Vec<(String, String)>,
}

impl Parsed {
    /// The first repeated member name of an object at this depth.
    pub fn duplicate_at(&self, depth: usize) -> Option<&str> {
        self.duplicates.iter().find(|(at, _)| *at == depth).map(|(_, name)| name.as_str())
    }
}

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Go's words; of [`Fault::too_deep`] our own.
    pub text: String,
    /// Byte offset.
    pub offset: usize,
    /// It may be JSON, but is nested deeper than is read.
    pub too_deep: bool,
}

/// Parses a whole text.
pub fn parse(text: &[u8]) -> Result<Parsed, Fault> {
    let mut reader = Reader { text, at: 0, duplicates: Vec::new(), members: Vec::new() };
    reader.space();
    let value = reader.value(0, "looking for beginning of value")?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.unexpected("after top-level value"));
    }
    Ok(Parsed { value, duplicates: reader.duplicates, members: reader.members })
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    duplicates: Vec<(usize, String)>,
    members: Vec<(String, String)>,
}

impl Reader<'_> {
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn unexpected(&self, context: &str) -> Fault {
        let text = match self.text.get(self.at) {
            None => "unexpected end of JSON input".to_owned(),
            Some(b'\'') => format!("invalid character '\\'' {context}"),
            Some(b'"') => format!("invalid character '\"' {context}"),
            Some(byte) => {
                let quoted = quote(&char::from(*byte).to_string());
                format!("invalid character '{}' {context}", &quoted[1..quoted.len() - 1])
            }
        };
        Fault { text, offset: self.at, too_deep: false }
    }

    fn value(&mut self, depth: usize, context: &str) -> Result<Value, Fault> {
        match self.text.get(self.at) {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                let text = format!("{} {MAX_DEPTH} levels", TokenProblem::TOO_DEEP);
                Err(Fault { text, offset: self.at, too_deep: true })
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected(context)),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Fault> {
        for (index, expected) in word.bytes().enumerate() {
            if self.text.get(self.at) != Some(&expected) {
                debug_assert!(index > 0);
                return Err(self.unexpected(&format!("in literal {word} (expecting '{}')", char::from(expected))));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<Value, Fault> {
        let start = self.at;
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            if !matches!(self.text.get(self.at), Some(b'0'..=b'9')) {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            if !matches!(self.text.get(self.at), Some(b'0'..=b'9')) {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
            self.digits();
        }
        let text = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
        let number = if let Ok(whole) = text.parse::<i64>() {
            Some(Number::from(whole))
        } else if let Ok(whole) = text.parse::<u64>() {
            Some(Number::from(whole))
        } else {
            text.parse::<f64>().ok().and_then(Number::from_f64)
        };
        Ok(number.map_or(Value::String(text), Value::Number))
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut bytes: Vec<u8> = Vec::new();
        loop {
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    // As Go does, bytes that are no UTF-8 become replacement characters.
                    return Ok(String::from_utf8_lossy(&bytes).into_owned());
                }
                Some(b'\\') => {
                    self.at += 1;
                    let plain = match self.text.get(self.at) {
                        Some(b'b') => '\u{8}',
                        Some(b'f') => '\u{c}',
                        Some(b'n') => '\n',
                        Some(b'r') => '\r',
                        Some(b't') => '\t',
                        Some(c @ (b'\\' | b'/' | b'"')) => char::from(*c),
                        Some(b'u') => {
                            self.at += 1;
                            self.unicode(&mut bytes)?;
                            continue;
                        }
                        _ => return Err(self.unexpected("in string escape code")),
                    };
                    self.at += 1;
                    push(&mut bytes, plain);
                }
                Some(0..=0x1f) | None => return Err(self.unexpected("in string literal")),
                Some(byte) => {
                    bytes.push(*byte);
                    self.at += 1;
                }
            }
        }
    }

    fn unicode(&mut self, bytes: &mut Vec<u8>) -> Result<(), Fault> {
        let unit = self.hex()?;
        if (0xd800..0xdc00).contains(&unit) && self.text[self.at..].starts_with(b"\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                push(bytes, char::from_u32(code).unwrap_or('\u{fffd}'));
                return Ok(());
            }
            self.at = back;
        }
        push(bytes, char::from_u32(unit).unwrap_or('\u{fffd}'));
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.text.get(self.at).and_then(|byte| char::from(*byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.unexpected("in \\u hexadecimal character escape")) };
            unit = unit * 16 + digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn array(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        self.space();
        let mut items = Vec::new();
        if self.text.get(self.at) == Some(&b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            self.space();
            items.push(self.value(depth + 1, "looking for beginning of value")?);
            self.space();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.unexpected("after array element")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Fault> {
        self.at += 1;
        self.space();
        let mut object = Map::new();
        if self.text.get(self.at) == Some(&b'}') {
            self.at += 1;
            return Ok(Value::Object(object));
        }
        loop {
            self.space();
            if self.text.get(self.at) != Some(&b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let name = self.string()?;
            self.space();
            if self.text.get(self.at) != Some(&b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.space();
            let start = self.at;
            let value = self.value(depth + 1, "looking for beginning of value")?;
            if depth == 0 {
                let raw = String::from_utf8_lossy(&self.text[start..self.at]).into_owned();
                self.members.push((name.clone(), raw));
            }
            if object.contains_key(&name) {
                self.duplicates.push((depth, name.clone()));
            }
            object.insert(name, value);
            self.space();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(object));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }
}

fn push(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_worded_as_go_words_them() {
        for (text, expected) in [
            ("", "unexpected end of JSON input"),
            ("<html>", "invalid character '<' looking for beginning of value"),
            ("{", "unexpected end of JSON input"),
            ("{a", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("nul!", "invalid character '!' in literal null (expecting 'l')"),
            ("01", "invalid character '1' after top-level value"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\q\"", "invalid character 'q' in string escape code"),
            ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"),
            ("'", "invalid character '\\'' looking for beginning of value"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().text, expected, "{text:?}");
        }
    }

    #[test]
    fn values_agree_with_serde_json() {
        for text in [
            r#"{"a":[1,-2,3.5,1e3,18446744073709551615,true,false,null],"b":{"c":"\u00e9\ud83d\ude00\n/"},"c":{}}"#,
            "[]",
            "\"x\"",
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap().value, serde_json::from_str::<Value>(text).unwrap());
        }
        assert_eq!(parse(b"1e400").unwrap().value, Value::String("1e400".into()));
        let parsed = parse(br#"{"a":{"b":1,"b":2},"c":3,"c":4}"#).unwrap();
        assert_eq!((parsed.duplicate_at(1), parsed.duplicate_at(0)), (Some("b"), Some("c")));
    }

    #[test]
    fn deep_nesting_is_no_panic() {
        let text = "[".repeat(1_000_000);
        assert!(parse(text.as_bytes()).unwrap_err().too_deep);
    }
}
