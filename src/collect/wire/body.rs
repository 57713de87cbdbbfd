//! How much of answers' bodies is held, of one and of all at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;

/// Most bytes of all answers' bodies that are held at a time, beyond [`SMALL_BODY`] of each: a server that never ends
/// fills this and no more.
pub(super) const ALL_BODIES: usize = 24 * 1024 * 1024;
/// Longest line that is kept where only some are.
const LINE: usize = 64 * 1024;
/// How much of a body is not counted.
pub(super) const SMALL_BODY: usize = 256 * 1024;

/// Picks lines out of a stream.
pub(super) struct Lines {
    wanted: fn(&[u8]) -> bool,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn of(wanted: fn(&[u8]) -> bool) -> Self {
        Self { wanted, line: Vec::new() }
    }

    pub(super) fn take(&mut self, bytes: &[u8], body: &mut BytesMut) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            // One byte more than the longest tells a line that is longer.
            let room = (LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                if self.line.len() <= LINE && (self.wanted)(&self.line) {
                    body.extend_from_slice(&self.line);
                }
                self.line.clear();
            }
        }
    }
}

/// How much of [`ALL_BODIES`] is in use.
static BODIES: AtomicUsize = AtomicUsize::new(0);

/// A body's part of [`ALL_BODIES`], given back when the body goes.
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
    pub(super) body: BytesMut,
    pub(super) _held: Held,
}

impl AsRef<[u8]> for HeldBody {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
