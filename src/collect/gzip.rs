//! Unpacks gzip as Go's HTTP client does by itself, up to a length.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

/// Why a body is not unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It would become longer than the limit.
    TooLong,
    /// It is no gzip, or ends too early.
    Broken,
}

/// Unpacks all members of a gzip stream.
///
/// # Errors
/// See [`Fault`].
pub fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, Fault> {
    let mut body = Vec::new();
    // A body without a byte is empty to Go, too.
    if packed.is_empty() {
        return Ok(body);
    }
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed).take(most).read_to_end(&mut body).map_err(|_| Fault::Broken)?;
    if body.len() > limit { Err(Fault::TooLong) } else { Ok(body) }
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
            assert_eq!(unpack(&EMPTY_SET[..length], 100), Err(Fault::Broken), "{length}");
        }
        assert_eq!(unpack(b"<html>a page</html>", 100), Err(Fault::Broken));
        let mut other = EMPTY_SET;
        other[23] ^= 1;
        assert_eq!(unpack(&other, 100), Err(Fault::Broken));
    }
}
