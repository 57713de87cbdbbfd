//! How answers' bodies are taken, and how much of them is held, of one and of all at a time.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::write::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap};

/// Most bytes of all answers' bodies that are held at a time, beyond [`SMALL_BODY`] of each: a server that never ends
/// fills this and no more.
pub(super) const ALL_BODIES: usize = 24 * 1024 * 1024;
/// Longest line that is kept where only some are.
const LINE: usize = 64 * 1024;
/// From so many bytes on a body gets room for the longest that is taken.
const MOVED_ONCE: usize = 64 * 1024;
/// The least room of such a body. What is larger than 32 MiB glibc's malloc takes from the system by itself and gives back
/// as a whole (`DEFAULT_MMAP_THRESHOLD_MAX`); smaller pieces it keeps, one after the other, in the heaps of its threads.
const ROOM: usize = 33 * 1024 * 1024;
/// How much of a body is not counted.
pub(super) const SMALL_BODY: usize = 256 * 1024;

/// How a body is taken no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enough {
    /// It is longer than the limit.
    Truncated,
    /// All bodies together are too large.
    TooLarge,
    /// It says that it is gzip, and is not, or ends too early.
    NoGzip,
}

/// Takes a body as it comes.
pub(super) enum Taker {
    Plain(Taken),
    Gzip(Box<MultiGzDecoder<Taken>>),
}

impl Taker {
    /// Up to `limit` bytes, counted as they are after decoding; of these the wanted lines alone, where only some are.
    ///
    /// Go asks for gzip and undoes it without a word, so a server that always answers in it is fine for kubectl. As
    /// there, nothing is left of it in the headers.
    pub(super) fn new(headers: &mut HeaderMap, limit: usize, lines: Option<Lines>) -> Self {
        let mut taken = Taken { limit, lines, ..Taken::default() };
        let is_gzip = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"gzip");
        if !headers.get(CONTENT_ENCODING).is_some_and(is_gzip) {
            let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
            // Room of the length that is promised need not be moved as the body grows, and is taken up only as bytes come;
            // where there is none, the body grows as any other.
            if let Some(length) = length.filter(|length| *length <= limit.min(ALL_BODIES) && taken.lines.is_none()) {
                let _ = taken.body.try_reserve_exact(if length < MOVED_ONCE { length } else { length.max(ROOM) });
            }
            return Self::Plain(taken);
        }
        headers.remove(CONTENT_ENCODING);
        headers.remove(CONTENT_LENGTH);
        Self::Gzip(Box::new(MultiGzDecoder::new(taken)))
    }

    /// The next bytes, as they were sent.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Enough> {
        match self {
            Self::Plain(taken) => taken.take(bytes),
            Self::Gzip(decoder) => {
                decoder.get_mut().came |= !bytes.is_empty();
                decoder.write_all(bytes).map_err(|_| decoder.get_ref().enough.unwrap_or(Enough::NoGzip))
            }
        }
    }

    /// The body has come to its end.
    pub(super) fn end(&mut self) -> Result<(), Enough> {
        match self {
            // A body without a byte is empty to Go, too.
            Self::Gzip(decoder) if decoder.get_ref().came => {
                decoder.try_finish().map_err(|_| decoder.get_ref().enough.unwrap_or(Enough::NoGzip))
            }
            _ => Ok(()),
        }
    }

    /// How many bytes were taken.
    pub(super) fn read(&self) -> usize {
        match self {
            Self::Plain(taken) => taken.read,
            Self::Gzip(decoder) => decoder.get_ref().read,
        }
    }

    /// What was taken.
    pub(super) fn body(self) -> HeldBody {
        let mut taken = match self {
            Self::Plain(taken) => taken,
            Self::Gzip(mut decoder) => std::mem::take(decoder.get_mut()),
        };
        if let Some(lines) = &mut taken.lines {
            lines.take(b"\n", &mut taken.body);
        }
        HeldBody { body: taken.body, _held: taken.held }
    }
}

/// What of a body was taken.
#[derive(Default)]
pub(super) struct Taken {
    limit: usize,
    lines: Option<Lines>,
    body: Vec<u8>,
    read: usize,
    held: Held,
    /// Some bytes came, whatever they became.
    came: bool,
    enough: Option<Enough>,
}

impl Taken {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Enough> {
        let taken = &bytes[..bytes.len().min(self.limit - self.read)];
        self.read += taken.len();
        match &mut self.lines {
            Some(lines) => lines.take(taken, &mut self.body),
            None => {
                // What is no small body is moved once: every move leaves a hole behind that only a smaller one fills. Room
                // is taken up only as bytes come.
                if self.body.len() + taken.len() > self.body.capacity() && self.body.len() >= MOVED_ONCE {
                    let _ = self.body.try_reserve_exact(self.limit.min(ALL_BODIES + SMALL_BODY).max(ROOM));
                }
                append(&mut self.body, taken);
            }
        }
        if !self.held.grow(self.body.len().saturating_sub(SMALL_BODY)) {
            return Err(Enough::TooLarge);
        }
        if bytes.len() > taken.len() { Err(Enough::Truncated) } else { Ok(()) }
    }
}

impl Write for Taken {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.take(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(enough) => {
                self.enough = Some(enough);
                Err(std::io::Error::other("enough"))
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Picks lines out of a stream.
pub(super) struct Lines {
    wanted: fn(&[u8]) -> bool,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn of(wanted: fn(&[u8]) -> bool) -> Self {
        Self { wanted, line: Vec::new() }
    }

    pub(super) fn take(&mut self, bytes: &[u8], body: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // One byte more than the longest tells a line that is longer.
            let room = (LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                if self.line.len() <= LINE && (self.wanted)(&self.line) {
                    append(body, &self.line);
                }
                self.line.clear();
            }
        }
    }
}

/// Adds to a body that grows by an eighth: doubling would hold twice of what is counted.
fn append(body: &mut Vec<u8>, bytes: &[u8]) {
    const LEAST: usize = 4096;
    if body.capacity() - body.len() < bytes.len() {
        body.reserve_exact(bytes.len().max(body.len() / 8).max(LEAST));
    }
    body.extend_from_slice(bytes);
}

/// How much of [`ALL_BODIES`] is in use.
static BODIES: AtomicUsize = AtomicUsize::new(0);

/// A body's part of [`ALL_BODIES`], given back when the body goes.
#[derive(Default)]
pub(super) struct Held(pub(super) usize);

impl Held {
    /// Makes it this large, if that much is left.
    pub(super) fn grow(&mut self, to: usize) -> bool {
        let more = to.saturating_sub(self.0);
        if more == 0 {
            return true;
        }
        let before = BODIES.fetch_add(more, Ordering::Relaxed);
        self.0 += more;
        before + more <= ALL_BODIES
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        BODIES.fetch_sub(self.0, Ordering::Relaxed);
    }
}

pub(super) struct HeldBody {
    pub(super) body: Vec<u8>,
    pub(super) _held: Held,
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
