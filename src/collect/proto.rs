//! Just enough protobuf to read what an API server answers in it.
//!
//! Field numbers: the envelope of Kubernetes' `apimachinery/pkg/runtime/generated.proto`, Status of
//! `apimachinery/pkg/apis/meta/v1/generated.proto`.

/// How a body begins that is Kubernetes' protobuf.
pub const MAGIC: &[u8] = b"k8s\0";

/// The object within the envelope (what follows [`MAGIC`]); `None` where it is no protobuf.
pub fn unwrapped(envelope: &[u8]) -> Option<&[u8]> {
    let mut raw: &[u8] = &[];
    for field in fields(envelope) {
        if let (2, value) = field? {
            raw = value;
        }
    }
    Some(raw)
}

/// The kind that an envelope (what follows [`MAGIC`]) says of its object.
pub fn kind(envelope: &[u8]) -> Option<&[u8]> {
    fields(envelope).find_map(|field| match field? {
        (1, meta) => fields(meta).find_map(|field| field.filter(|(number, _)| *number == 2).map(|(_, kind)| kind)),
        _ => None,
    })
}

/// The message of a Status in a whole body; `None` where the body is none in protobuf.
pub fn status_message(body: &[u8]) -> Option<String> {
    let envelope = body.strip_prefix(MAGIC)?;
    if kind(envelope)? != b"Status" {
        return None;
    }
    fields(unwrapped(envelope)?).find_map(|field| match field? {
        (3, message) => Some(text(message)),
        _ => None,
    })
}

/// The length-delimited fields of a message with their numbers; `None` at the first byte that is no protobuf.
pub fn fields(message: &[u8]) -> impl Iterator<Item = Option<(u64, &[u8])>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let step = (|| {
                let tag = varint(&mut rest)?;
                let length = match tag & 7 {
                    0 => {
                        varint(&mut rest)?;
                        return Some(None);
                    }
                    1 => 8,
                    5 => 4,
                    2 => usize::try_from(varint(&mut rest)?).ok()?,
                    _ => return None,
                };
                let (value, tail) = rest.split_at_checked(length)?;
                rest = tail;
                Some((tag & 7 == 2).then_some((tag >> 3, value)))
            })();
            match step {
                Some(Some(field)) => return Some(Some(field)),
                // A number: none of the fields needed is one.
                Some(None) => {}
                None => {
                    rest = &[];
                    return Some(None);
                }
            }
        }
    })
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A field of text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_status_is_read() {
        // As a 1.36 server writes it: the envelope's kind, then the Status with its message, reason and code.
        let body = b"k8s\0\n\x0c\n\x02v1\x12\x06Status\x12\x1d\n\x06\n\0\x12\0\x1a\0\x12\x07Failure\x1a\x04no!\n\"\x01F0\x93\x03";
        assert_eq!(status_message(body).as_deref(), Some("no!\n"));
        for other in [&b"k8s\0\xff"[..], b"{}", b"k8s\0", b"k8s\0\n\x09\n\x02v1\x12\x03Pod\x12\x05\x1a\x03yes"] {
            assert_eq!(status_message(other), None, "{other:?}");
        }
    }
}
