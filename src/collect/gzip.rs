//! Unpacks gzip (RFC 1952, RFC 1951) as Go's HTTP client does by itself, up to a length.

/// Why a body is not unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It would become longer than the limit.
    TooLong,
    /// It is no gzip, or ends too early; in Go's words.
    Broken(&'static str),
}

const HEADER: Fault = Fault::Broken("gzip: invalid header");
const CHECKSUM: Fault = Fault::Broken("gzip: invalid checksum");
const CUT: Fault = Fault::Broken("unexpected EOF");
const CORRUPT: Fault = Fault::Broken("flate: corrupt input");

/// The longest code of DEFLATE, in bits.
const LONGEST: usize = 15;

/// The symbols of literals and lengths.
const LITERALS: usize = 288;

/// Base and extra bits of the lengths 257 to 285.
const LENGTHS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// In which order the lengths of the code for lengths stand.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Unpacks all members of a gzip stream.
///
/// # Errors
/// When it is broken, or longer than the limit.
pub fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut rest = packed;
    while !rest.is_empty() {
        let start = out.len();
        let body = rest.get(header(rest)?..).ok_or(CUT)?;
        let mut bits = Bits { data: body, at: 0, held: 0, count: 0 };
        inflate(&mut bits, &mut out, start, limit)?;
        // What is left of the last byte says nothing.
        rest = body.get(bits.at - bits.count as usize / 8..).ok_or(CUT)?;
        let (trailer, next) = rest.split_at_checked(8).ok_or(CUT)?;
        let word = |at: usize| u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]]);
        if word(0) != crc(&out[start..]) || u64::from(word(4)) != (out.len() - start) as u64 & 0xffff_ffff {
            return Err(CHECKSUM);
        }
        rest = next;
    }
    Ok(out)
}

/// The length of a member's header.
fn header(data: &[u8]) -> Result<usize, Fault> {
    let fixed = data.get(..10).ok_or(CUT)?;
    if fixed[..3] != [0x1f, 0x8b, 8] {
        return Err(HEADER);
    }
    let flags = fixed[3];
    let mut at = 10;
    if flags & 4 != 0 {
        let length = data.get(at..at + 2).ok_or(CUT)?;
        at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    // Name and comment.
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += 1 + data.get(at..).ok_or(CUT)?.iter().position(|byte| *byte == 0).ok_or(CUT)?;
        }
    }
    if flags & 2 != 0 {
        at += 2;
    }
    Ok(at)
}

fn crc(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Bits, the lowest of a byte first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
}

impl Bits<'_> {
    fn take(&mut self, wanted: u32) -> Result<u32, Fault> {
        while self.count < wanted {
            let byte = *self.data.get(self.at).ok_or(CUT)?;
            self.held |= u32::from(byte) << self.count;
            self.at += 1;
            self.count += 8;
        }
        let value = self.held & ((1 << wanted) - 1);
        self.held >>= wanted;
        self.count -= wanted;
        Ok(value)
    }

    /// Up to the next whole byte.
    fn align(&mut self) {
        self.at -= self.count as usize / 8;
        (self.held, self.count) = (0, 0);
    }
}

/// A canonical Huffman code: how many codes have each length, and the symbols in their order.
struct Code {
    counts: [u16; LONGEST + 1],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Result<Self, Fault> {
        let mut counts = [0_u16; LONGEST + 1];
        for length in lengths {
            counts[usize::from(*length)] += 1;
        }
        counts[0] = 0;
        let mut left = 1_i32;
        let mut offsets = [0_usize; LONGEST + 2];
        for (length, count) in counts.iter().enumerate().skip(1) {
            left = left * 2 - i32::from(*count);
            if left < 0 {
                return Err(CORRUPT);
            }
            offsets[length + 1] = offsets[length] + usize::from(*count);
        }
        let mut symbols = vec![0; offsets[LONGEST + 1]];
        for (symbol, length) in (0_u16..).zip(lengths) {
            let length = usize::from(*length);
            if length != 0 {
                symbols[offsets[length]] = symbol;
                offsets[length] += 1;
            }
        }
        Ok(Self { counts, symbols })
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, Fault> {
        let (mut code, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for count in &self.counts[1..] {
            let count = usize::from(*count);
            code |= bits.take(1)? as usize;
            if code < first + count {
                return self.symbols.get(index + code - first).map(|symbol| usize::from(*symbol)).ok_or(CORRUPT);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(CORRUPT)
    }
}

fn inflate(bits: &mut Bits<'_>, out: &mut Vec<u8>, start: usize, limit: usize) -> Result<(), Fault> {
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => {
                bits.align();
                let head = bits.data.get(bits.at..bits.at + 4).ok_or(CUT)?;
                let length = u16::from_le_bytes([head[0], head[1]]);
                if length != !u16::from_le_bytes([head[2], head[3]]) {
                    return Err(CORRUPT);
                }
                let from = bits.at + 4;
                let stored = bits.data.get(from..from + usize::from(length)).ok_or(CUT)?;
                if out.len() + stored.len() > limit {
                    return Err(Fault::TooLong);
                }
                out.extend_from_slice(stored);
                bits.at = from + usize::from(length);
            }
            1 => {
                let mut lengths = [8_u8; LITERALS];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                block(bits, &Code::new(&lengths)?, &Code::new(&[5; 30])?, out, start, limit)?;
            }
            2 => {
                let (literals, distances) = codes(bits)?;
                block(bits, &literals, &distances, out, start, limit)?;
            }
            _ => return Err(CORRUPT),
        }
        if last {
            return Ok(());
        }
    }
}

/// The two codes of a block that brings its own.
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), Fault> {
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let given = bits.take(4)? as usize + 4;
    if literals > 286 || distances > 30 {
        return Err(CORRUPT);
    }
    let mut own = [0_u8; 19];
    for place in &ORDER[..given] {
        own[*place] = u8::try_from(bits.take(3)?).unwrap_or(0);
    }
    let own = Code::new(&own)?;
    let mut lengths: Vec<u8> = Vec::with_capacity(literals + distances);
    while lengths.len() < literals + distances {
        let symbol = own.read(bits)?;
        let (value, times) = match symbol {
            16 => (*lengths.last().ok_or(CORRUPT)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (u8::try_from(length).map_err(|_| CORRUPT)?, 1),
        };
        lengths.resize(lengths.len() + times as usize, value);
    }
    if lengths.len() != literals + distances || lengths[256] == 0 {
        return Err(CORRUPT);
    }
    Ok((Code::new(&lengths[..literals])?, Code::new(&lengths[literals..])?))
}

fn block(
    bits: &mut Bits<'_>,
    literals: &Code,
    distances: &Code,
    out: &mut Vec<u8>,
    start: usize,
    limit: usize,
) -> Result<(), Fault> {
    loop {
        let symbol = literals.read(bits)?;
        if symbol == 256 {
            return Ok(());
        }
        if out.len() >= limit {
            return Err(Fault::TooLong);
        }
        if let Ok(byte) = u8::try_from(symbol) {
            out.push(byte);
            continue;
        }
        let (base, extra) = *LENGTHS.get(symbol - 257).ok_or(CORRUPT)?;
        let length = base + bits.take(extra)? as usize;
        let symbol = distances.read(bits)?;
        let distance = match symbol {
            0..=3 => symbol + 1,
            4..=29 => {
                let extra = u32::try_from(symbol / 2 - 1).unwrap_or(0);
                ((2 + symbol % 2) << extra) + 1 + bits.take(extra)? as usize
            }
            _ => return Err(CORRUPT),
        };
        if distance > out.len() - start {
            return Err(CORRUPT);
        }
        if out.len() + length > limit {
            return Err(Fault::TooLong);
        }
        for _ in 0..length {
            out.push(out[out.len() - distance]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `printf '{"keys":[]}' | gzip -n` gives.
    const EMPTY_SET: [u8; 31] = [
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03, 0xab, 0x56, 0xca, 0x4e, 0xad, 0x2c, 0x56, 0xb2, 0x8a, 0x8e, 0xad,
        0x05, 0, 0xef, 0x67, 0x88, 0x2a, 0x0b, 0, 0, 0,
    ];

    #[test]
    fn members_are_unpacked_one_after_another() {
        assert_eq!(unpack(&[], 10), Ok(Vec::new()));
        assert_eq!(unpack(&EMPTY_SET, 11).as_deref(), Ok(br#"{"keys":[]}"#.as_slice()));
        let twice = [EMPTY_SET, EMPTY_SET].concat();
        assert_eq!(unpack(&twice, 22).as_deref(), Ok(br#"{"keys":[]}{"keys":[]}"#.as_slice()));
        assert_eq!(unpack(&twice, 21), Err(Fault::TooLong));
    }

    #[test]
    fn what_is_broken_is_told() {
        for length in 1..EMPTY_SET.len() {
            assert_eq!(unpack(&EMPTY_SET[..length], 100), Err(CUT), "{length}");
        }
        assert_eq!(unpack(b"<html>a page</html>", 100), Err(HEADER));
        let mut other = EMPTY_SET;
        other[23] ^= 1;
        assert_eq!(unpack(&other, 100), Err(CHECKSUM));
    }
}
