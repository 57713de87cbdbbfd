//! Go's `encoding/pem`: which blocks it finds in a text. What it cannot read it passes over without a word.

use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What stands behind BEGIN.
    pub kind: String,
    /// Lines with a colon stand before its data (RFC 1421); for most readers it is then none of theirs.
    pub headers: bool,
    /// What it holds.
    pub bytes: Vec<u8>,
}

const BEGIN: &[u8] = b"-----BEGIN ";
/// The line's break belongs to it.
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// Go does not mind bits that are left over at the end.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// All blocks, in order.
pub fn blocks(text: &[u8]) -> Vec<Block> {
    let (mut blocks, mut rest) = (Vec::new(), text);
    while let Some((block, after)) = decode(rest) {
        blocks.push(block);
        rest = after;
    }
    blocks
}

/// What of these blocks Go's AppendCertsFromPEM takes for certificates.
pub fn certificates(blocks: &[Block]) -> impl Iterator<Item = &[u8]> {
    blocks.iter().filter(|block| block.kind == "CERTIFICATE" && !block.headers).map(|block| block.bytes.as_slice())
}

/// Nothing stands behind the last block.
pub fn is_read_up(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some((_, after)) = decode(rest) {
        rest = after;
    }
    rest.is_empty()
}

/// `pem.Decode`: the first block, and what follows it.
pub fn decode(text: &[u8]) -> Option<(Block, &[u8])> {
    // Where the next END is sought: behind one that belongs to no good block.
    let mut from = 0;
    loop {
        let end = from + text[from..].windows(END.len()).position(|window| window == END)?;
        let trailer = end + END.len();
        match block(text, from, end, trailer) {
            Found::Block(block) => return Some((block, &text[line(text, trailer).1..])),
            Found::Broken => from = trailer,
            Found::Nothing => return None,
        }
    }
}

/// What there is before an END.
enum Found {
    Block(Block),
    Broken,
    /// Nothing, and nothing will come.
    Nothing,
}

/// The block whose END line begins at `end`; what it says there begins at `trailer`.
fn block(text: &[u8], from: usize, end: usize, trailer: usize) -> Found {
    // The last BEGIN before it: those without an END are passed over.
    let Some(begin) = text[from..end].windows(BEGIN.len()).rposition(|window| window == BEGIN) else {
        return Found::Broken;
    };
    if begin > 0 && text[from + begin - 1] != b'\n' {
        return Found::Broken;
    }
    let (first, mut at) = line(text, from + begin + BEGIN.len());
    let Some(kind) = first.strip_suffix(DASHES) else { return Found::Broken };
    let mut headers = false;
    loop {
        if at >= text.len() {
            return Found::Nothing;
        }
        let (header, next) = line(text, at);
        if !header.contains(&b':') {
            break;
        }
        (headers, at) = (true, next);
    }
    if headers && end < at {
        return if trailer < at { Found::Nothing } else { Found::Broken };
    }
    let rest = text[trailer..].strip_prefix(kind).and_then(|rest| rest.strip_prefix(DASHES));
    if rest.is_none_or(|rest| !line(rest, 0).0.is_empty()) {
        return Found::Broken;
    }
    let data: Vec<u8> =
        text.get(at..end).unwrap_or_default().iter().filter(|byte| !b" \t\r\n".contains(byte)).copied().collect();
    match BASE64.decode(data) {
        Ok(bytes) => Found::Block(Block { kind: String::from_utf8_lossy(kind).into_owned(), headers, bytes }),
        Err(_) => Found::Broken,
    }
}

/// The line from here on without what is blank at its end, and where the next one begins.
fn line(text: &[u8], at: usize) -> (&[u8], usize) {
    let rest = &text[at..];
    let (mut line, next) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]), at + end + 1),
        None => (rest, text.len()),
    };
    while let Some(shorter) = line.strip_suffix(b" ").or_else(|| line.strip_suffix(b"\t")) {
        line = shorter;
    }
    (line, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text, and of each block whether it has headers, and its bytes.
    type Found<'t> = (&'t str, &'t [(bool, &'t [u8])]);
    /// What Go 1.26 finds; `<` and `>` are the two lines.
    const FOUND: &[Found<'_>] = &[
        ("<\nMAA=\n>\n", &[(false, b"0\0")]),
        ("text\n<\nMAA=\n>\ntext", &[(false, b"0\0")]),
        ("text<\nMAA=\n>\n", &[]),
        ("  <\nMAA=\n>\n", &[]),
        ("<\nMA\tA=\n>\n", &[(false, b"0\0")]),
        ("<\r\nMA A=\r\n>\r\n", &[(false, b"0\0")]),
        ("<\rMAA=\r>\r", &[]),
        ("< \t\nMAA=\n> \t\r\n", &[(false, b"0\0")]),
        ("<\nX: y\n\nMAA=\n>\n", &[(true, b"0\0")]),
        ("<\nX: y\nMAA=\n>\n", &[(true, b"0\0")]),
        ("<\n:\nMAA=\n>\n", &[(true, b"0\0")]),
        ("<\nX: y\n>\n", &[]),
        ("<\n>\n", &[(false, b"")]),
        ("<\nMAA=\n", &[]),
        ("<\nMAA\n>\n", &[]),
        ("<\nMAA=MAA=\n>\n", &[]),
        ("<\nMAA=\n=\n>\n", &[]),
        ("<\n\nM\nA\nA\n=\n\n>", &[(false, b"0\0")]),
        ("<\nMAB=\n>\n", &[(false, b"0\0")]),
        ("<\nMAA=\n>x\n", &[]),
        ("<\n  MAA=\n  >\n", &[]),
        ("<\nMAA=\n-----END KEY-----\n<\nMAE=\n>\n", &[(false, b"0\x01")]),
        ("<\n<\nMAA=\n>\n", &[(false, b"0\0")]),
        ("<\nMAA=\n<\nMAE=\n>\n", &[(false, b"0\x01")]),
        ("<\n!!\n>\n<\nMAE=\n>\n<\nMAA=\n>\n", &[(false, b"0\x01"), (false, b"0\0")]),
        ("", &[]),
    ];

    #[test]
    fn go_finds_the_same_blocks() {
        for (short, expected) in FOUND {
            let text = short.replace('<', "-----BEGIN CERTIFICATE-----").replace('>', "-----END CERTIFICATE-----");
            let found = blocks(text.as_bytes());
            let found: Vec<(bool, &[u8])> = found.iter().map(|block| (block.headers, block.bytes.as_slice())).collect();
            assert_eq!(found, *expected, "{short:?}");
        }
    }

    #[test]
    fn a_long_text_of_beginnings_ends_soon() {
        let text = format!("{}\n{}", "-----BEGIN A:-----\n".repeat(20_000), "-----END A-----\n".repeat(20_000));
        assert!(blocks(text.as_bytes()).is_empty());
    }
}
