//! Base64 as Go's `encoding/base64` reads it: line breaks are skipped, stray trailing bits are allowed, padding is not.

/// Which of base64's two alphabets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// `-` and `_`, without padding (`base64.RawURLEncoding`).
    UrlUnpadded,
    /// `+` and `/`, with padding (`base64.StdEncoding`).
    StandardPadded,
}

/// Decodes a text; the error is the offset of the byte that Go names in `illegal base64 data at input byte N`.
pub fn decode(text: &[u8], alphabet: Alphabet) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut held): (u32, u32) = (0, 0);
    let mut digits = 0usize;
    let mut at = 0usize;
    while at < text.len() {
        let byte = text[at];
        at += 1;
        if matches!(byte, b'\r' | b'\n') {
            continue;
        }
        if byte == b'=' && alphabet == Alphabet::StandardPadded {
            return finish_padding(text, at, digits).map(|()| bytes);
        }
        let Some(value) = digit(byte, alphabet) else { return Err(at - 1) };
        bits = bits << 6 | u32::from(value);
        held += 6;
        digits += 1;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    let rest = digits % 4;
    if rest == 1 || (rest != 0 && alphabet == Alphabet::StandardPadded) {
        return Err(at.saturating_sub(rest));
    }
    Ok(bytes)
}

/// Go's words for that error.
pub fn error_text(offset: usize) -> String {
    format!("illegal base64 data at input byte {offset}")
}

/// Encodes as `base64.RawURLEncoding` does.
pub fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// After the first `=`: the padding must be as long as the last quantum needs, and nothing may follow.
fn finish_padding(text: &[u8], mut at: usize, digits: usize) -> Result<(), usize> {
    let skip = |mut at: usize| {
        while at < text.len() && matches!(text[at], b'\r' | b'\n') {
            at += 1;
        }
        at
    };
    match digits % 4 {
        0 | 1 => return Err(at - 1),
        2 => {
            at = skip(at);
            if at >= text.len() {
                return Err(text.len());
            }
            if text[at] != b'=' {
                return Err(at);
            }
            at += 1;
        }
        _ => {}
    }
    at = skip(at);
    if at < text.len() { Err(at) } else { Ok(()) }
}

fn digit(byte: u8, alphabet: Alphabet) -> Option<u8> {
    Some(match (byte, alphabet) {
        (b'A'..=b'Z', _) => byte - b'A',
        (b'a'..=b'z', _) => byte - b'a' + 26,
        (b'0'..=b'9', _) => byte - b'0' + 52,
        (b'-', Alphabet::UrlUnpadded) | (b'+', Alphabet::StandardPadded) => 62,
        (b'_', Alphabet::UrlUnpadded) | (b'/', Alphabet::StandardPadded) => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses_what_go_does() {
        // Offsets as `base64.RawURLEncoding.DecodeString` and `StdEncoding` of Go 1.26 give them.
        for (text, expected) in [
            ("", Ok("")),
            ("aGk", Ok("hi")),
            ("aG\nk", Ok("hi")),
            ("aGl", Ok("hi")),
            ("aGk=", Err(3)),
            ("aG k", Err(2)),
            ("a", Err(0)),
            ("aGVsb", Err(4)),
            ("aG+k", Err(2)),
        ] {
            let seen = decode(text.as_bytes(), Alphabet::UrlUnpadded);
            assert_eq!(seen, expected.map(|text| text.as_bytes().to_vec()), "{text:?}");
        }
        for (text, expected) in [
            ("aGk=", Ok("hi")),
            ("aA==", Ok("h")),
            ("aGk", Err(1)),
            ("aA=", Err(3)),
            ("aGk=x", Err(4)),
            ("aA=x", Err(3)),
            ("=", Err(0)),
        ] {
            let seen = decode(text.as_bytes(), Alphabet::StandardPadded);
            assert_eq!(seen.is_ok(), expected.is_ok(), "{text:?} {seen:?}");
            if let (Ok(seen), Ok(expected)) = (&seen, &expected) {
                assert_eq!(seen, expected.as_bytes());
            }
        }
    }
}
