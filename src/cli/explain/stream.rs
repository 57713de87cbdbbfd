//! Reads text of any size and encoding in blocks, and gives the lines that may say something to the collector.

use std::borrow::Cow;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use crate::apiserver::message::set::{Set, plain, set};
use crate::report::explain::{Explanation, Match};
use crate::rules::explain::Collector;
use crate::rules::rejoin::{SHORT, joined, parts};
use crate::secret::strip_control;
use crate::text::{Encoding, encoding};

/// The size of a block, in bytes.
const BLOCK: usize = 256 * 1024;

/// A line longer than this is read in parts, in bytes.
const LINE_LIMIT: usize = 1024 * 1024;

/// How much of a long line is looked at around a literal, in bytes.
const BEFORE: usize = 8 * 1024;
const AFTER: usize = 24 * 1024;

/// How a terminal's sequences begin.
const ESCAPE: u8 = 0x1b;

/// How long a followed file is left alone at its end.
const PAUSE: Duration = Duration::from_millis(200);

/// What the reader has to say.
pub(super) enum Event {
    /// The next block.
    Block(Vec<u8>),
    /// There is no more.
    End,
    /// Reading failed.
    Failed(io::Error),
    /// Ctrl-C.
    Interrupt,
}

/// The blocks as they come; at most two are in memory.
pub(super) struct Events {
    events: Receiver<Event>,
    used: Sender<Vec<u8>>,
}

impl Events {
    /// Waits for the next.
    pub(super) fn receive(&self) -> Event {
        self.events.recv().unwrap_or(Event::End)
    }

    /// A block that can be filled again.
    pub(super) fn give_back(&self, block: Vec<u8>) {
        // The reader may have ended.
        let _ = self.used.send(block);
    }
}

/// Starts to read, on a thread of its own: a reader that waits (a pipe, a followed file) must not keep Ctrl-C from
/// being answered.
pub(super) fn start(reader: Box<dyn Read + Send>, follow: bool) -> Events {
    let (sender, events) = sync_channel(1);
    let (used, free) = channel();
    let interrupt = sender.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if runtime.is_ok_and(|runtime| runtime.block_on(tokio::signal::ctrl_c()).is_ok()) {
            let _ = interrupt.send(Event::Interrupt);
        }
    });
    std::thread::spawn(move || pump(reader, follow, &sender, &free));
    Events { events, used }
}

fn pump(mut reader: Box<dyn Read + Send>, follow: bool, sender: &SyncSender<Event>, free: &Receiver<Vec<u8>>) {
    loop {
        let mut block = free.try_recv().unwrap_or_default();
        block.resize(BLOCK, 0);
        let event = match reader.read(&mut block) {
            Ok(0) if follow => {
                std::thread::sleep(PAUSE);
                continue;
            }
            Ok(0) => Event::End,
            Ok(count) => {
                block.truncate(count);
                Event::Block(block)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Event::Failed(error),
        };
        let last = !matches!(event, Event::Block(_));
        if sender.send(event).is_err() || last {
            return;
        }
    }
}

/// Takes blocks apart into lines.
pub(super) struct Scanner<'s> {
    collector: Collector<'s>,
    set: &'static Set,
    /// Known from the first block on.
    encoding: Option<Encoding>,
    /// The first half of a code unit of UTF-16.
    odd: Option<u8>,
    /// All that was read, while it is short enough for a message that was broken over lines; absent from then on.
    held: Option<Vec<u8>>,
    /// A line whose end was not read yet.
    pending: Vec<u8>,
    lines: u64,
    /// How many of them only go on with the message of the line before.
    parts: u64,
    read: u64,
    /// Somebody asked about this text; it is not one of many lines.
    asked: bool,
}

impl<'s> Scanner<'s> {
    /// At the beginning of a text.
    pub(super) fn new(collector: Collector<'s>) -> Self {
        Self {
            collector,
            set: set(),
            encoding: None,
            odd: None,
            held: Some(Vec::new()),
            pending: Vec::new(),
            lines: 0,
            parts: 0,
            read: 0,
            asked: false,
        }
    }

    /// Tells each line as it comes, and waits for no next one that may belong to it.
    pub(super) fn at_once(self) -> Self {
        Self { held: None, ..self }
    }

    /// Reads what somebody asked about: words that say too little in a log say something where they are all.
    pub(super) fn asked(self) -> Self {
        Self { asked: true, ..self }
    }

    /// How many bytes were read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// What was found so far.
    pub(super) fn matches(&self) -> &[Match] {
        self.collector.matches()
    }

    /// Takes the next block; returns the matches that are new with it.
    pub(super) fn feed(&mut self, block: &[u8]) -> Vec<usize> {
        self.read += block.len() as u64;
        let encoding = *self.encoding.get_or_insert_with(|| encoding(block));
        if encoding == Encoding::Bytes {
            return self.bytes(block);
        }
        let text = self.decode(block, encoding == Encoding::Big);
        self.bytes(text.as_bytes())
    }

    fn decode(&mut self, block: &[u8], big: bool) -> String {
        let mut units = Vec::with_capacity(block.len() / 2 + 1);
        for byte in block {
            match self.odd.take() {
                None => self.odd = Some(*byte),
                Some(first) if big => units.push(u16::from_be_bytes([first, *byte])),
                Some(first) => units.push(u16::from_le_bytes([first, *byte])),
            }
        }
        String::from_utf16_lossy(&units)
    }

    fn bytes(&mut self, block: &[u8]) -> Vec<usize> {
        let Some(mut held) = self.held.take() else { return self.cut(block) };
        held.extend_from_slice(block);
        if held.len() > SHORT {
            return self.cut(&held);
        }
        self.held = Some(held);
        Vec::new()
    }

    /// A short text: a message that was broken over lines is read as the one line that it was.
    fn short(&mut self, text: &[u8]) {
        let clean = |line: &[u8]| {
            let line = strip_control(&String::from_utf8_lossy(line));
            plain(&line).unwrap_or(line)
        };
        let clean: Vec<String> = text.split(|byte| *byte == b'\n').map(clean).collect();
        let lines: Vec<&str> = clean.iter().map(String::as_str).collect();
        let lengths: Vec<usize> = text.split(|byte| *byte == b'\n').map(|line| line.len() + 1).collect();
        // What was read, and where the line begins that is looked at.
        let (mut read, mut start, mut at) = (0, 0, 0);
        while at < lines.len() {
            let Some((count, message)) = parts(&lines[at..]).or_else(|| joined(&lines[at..])) else {
                start += lengths[at];
                at += 1;
                continue;
            };
            self.pasted(&text[read..start]);
            self.collector.line(self.lines + 1, &message);
            self.lines += count as u64;
            self.parts += count as u64 - 1;
            start += lengths[at..at + count].iter().sum::<usize>();
            at += count;
            // The last line may have no end.
            start = start.min(text.len());
            read = start;
        }
        self.pasted(&text[read..]);
    }

    /// Lines of a short text: one whose words only show when its blanks and quotes are plain, or without what no reader
    /// sees, is read as well.
    fn pasted(&mut self, text: &[u8]) {
        let mut read = 0;
        let mut start = 0;
        for bytes in text.split_inclusive(|byte| *byte == b'\n') {
            let at = start;
            start += bytes.len();
            if self.set.next(bytes, 0).is_some() {
                continue;
            }
            let line = strip_control(&String::from_utf8_lossy(bytes));
            let made = plain(&line);
            if self.set.next(made.as_deref().unwrap_or(&line).as_bytes(), 0).is_none() {
                continue;
            }
            self.cut(&text[read..at]);
            self.collector.line(self.lines + 1, line.trim_end());
            self.lines += 1;
            read = start;
        }
        self.cut(&text[read..]);
    }

    fn cut(&mut self, block: &[u8]) -> Vec<usize> {
        let mut new = Vec::new();
        let mut block = block;
        if !self.pending.is_empty() {
            let end = memchr::memchr(b'\n', block).map_or(block.len(), |at| at + 1);
            let mut line = std::mem::take(&mut self.pending);
            line.extend_from_slice(&block[..end]);
            block = &block[end..];
            if line.last() == Some(&b'\n') {
                self.whole_lines(&line, &mut new);
                line.clear();
            } else if line.len() > LINE_LIMIT {
                // A line without end is looked at in parts; the last bytes stay, so that no word is cut.
                let keep = line.len() - AFTER;
                self.whole_lines(&line[..keep], &mut new);
                line.drain(..keep);
            }
            // The room is kept for the next line.
            self.pending = line;
        }
        let end = memchr::memrchr(b'\n', block).map_or(0, |at| at + 1);
        self.whole_lines(&block[..end], &mut new);
        self.pending.extend_from_slice(&block[end..]);
        new
    }

    fn whole_lines(&mut self, text: &[u8], new: &mut Vec<usize>) {
        // A word in a colour of its own has a terminal's sequences in the midst of what the set looks for.
        let text = uncoloured(text);
        let text: &[u8] = &text;
        let mut at = 0;
        let mut counted = 0;
        while let Some(hit) = self.set.next(text, at) {
            let start = memchr::memrchr(b'\n', &text[..hit]).map_or(0, |before| before + 1);
            let end = memchr::memchr(b'\n', &text[hit..]).map_or(text.len(), |behind| hit + behind);
            self.lines += newlines(&text[counted..start]);
            counted = start;
            let (from, to) = if end - start > BEFORE + AFTER {
                (start.max(at).max(hit.saturating_sub(BEFORE)), end.min(hit + AFTER))
            } else {
                (start, end)
            };
            let line = strip_control(&String::from_utf8_lossy(&text[from..to]));
            new.extend(self.collector.line(self.lines + 1, &line));
            at = to.max(hit + 1);
        }
        self.lines += newlines(&text[counted..]);
    }

    /// The answer.
    pub(super) fn finish(mut self) -> Explanation {
        let held = self.held.take();
        if let Some(held) = &held {
            self.short(held);
        }
        if !self.pending.is_empty() {
            let line = std::mem::take(&mut self.pending);
            self.whole_lines(&line, &mut Vec::new());
            self.lines += 1;
        }
        if let Some(text) = held.filter(|_| self.asked && self.collector.matches().is_empty()) {
            let text = String::from_utf8_lossy(text.trim_ascii());
            if !text.contains('\n') {
                self.collector.alone(&strip_control(&text));
            }
        }
        self.collector.finish(self.lines - self.parts)
    }
}

/// The text without the sequences that tell a terminal how to draw it.
fn uncoloured(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(ESCAPE, text) else { return Cow::Borrowed(text) };
    let mut made = text[..first].to_vec();
    let mut rest = &text[first..];
    while let Some(at) = memchr::memchr(ESCAPE, rest) {
        // One byte is enough where it begins nothing of the kind.
        let (kept, next) = sequence(&rest[at..]).map_or((at + 1, at + 1), |length| (at, at + length));
        made.extend_from_slice(&rest[..kept]);
        rest = &rest[next..];
    }
    made.extend_from_slice(rest);
    Cow::Owned(made)
}

/// How long the control sequence is (ECMA-48) with which the bytes begin; `None` where they begin with none.
fn sequence(bytes: &[u8]) -> Option<usize> {
    let body = bytes.strip_prefix(b"\x1b[")?;
    let end = body.iter().position(|byte| !(b' '..=b'?').contains(byte))?;
    (b'@'..=b'~').contains(&body[end]).then_some(end + 3)
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "E1123 06:21:53.522520   12710 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html>";

    fn explained(blocks: &[&[u8]]) -> Explanation {
        let scrub = |text: &str, limit: usize| text.chars().take(limit).collect::<String>();
        let mut scanner = Scanner::new(Collector::new(&scrub));
        for block in blocks {
            scanner.feed(block);
        }
        scanner.finish()
    }

    fn utf16(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn lines_are_whole_wherever_blocks_end() {
        let text = format!("one\ntwo\n{LINE}\r\nfour\n{LINE}\nlast {LINE}");
        for size in [1, 7, 64, 4096] {
            let blocks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let report = explained(&blocks);
            assert_eq!(report.matches.len(), 1, "{size}");
            let found = &report.matches[0];
            assert_eq!(
                (found.code, found.count, found.line, found.last_line),
                ("issuer-blocks-control-plane", 3, 3, 6)
            );
            assert_eq!(report.unrecognised, 3, "{size}");
            assert_eq!(found.first_seen.as_deref(), Some("11-23 06:21:53.522520"));
        }
    }

    #[test]
    fn every_encoding_is_read() {
        let marked: Vec<u8> = [vec![0xff, 0xfe], utf16(&format!("{LINE}\n"), false)].concat();
        let big: Vec<u8> = [vec![0xfe, 0xff], utf16(&format!("{LINE}\n"), true)].concat();
        let bare = utf16(&format!("{LINE}\n"), false);
        let spoiled = [b"\xff\x00\x1b[31m", LINE.as_bytes(), b"\x1b[0m\x00\xc3\n"].concat();
        for text in [marked, big, bare, spoiled] {
            for size in [3, 4096] {
                let blocks: Vec<&[u8]> = if encoding(&text) == Encoding::Bytes {
                    vec![&text]
                } else {
                    text.chunks(size.max(64) + 1).collect()
                };
                let report = explained(&blocks);
                assert_eq!(report.matches.len(), 1);
                assert!(!report.matches[0].text.contains('\u{1b}') && !report.matches[0].text.contains('\0'));
            }
        }
    }

    #[test]
    fn a_broken_message_is_one_line_and_keeps_its_place() {
        let first = "Error from server (Forbidden): pods is forbidden: User \"oidc:alice@example.com\"";
        let text = format!(
            "$ kubectl get pods\n{first}\r\ncannot list resource \"pods\" in API group \"\" in the namespace\n\"dev\"\nfive\n{LINE}\n"
        );
        for size in [7, 4096] {
            let blocks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let report = explained(&blocks);
            let codes: Vec<(&str, u64)> = report.matches.iter().map(|found| (found.code, found.line)).collect();
            assert_eq!(codes, [("issuer-blocks-control-plane", 6), ("rbac-no-grant", 2)]);
            assert_eq!(report.matches[1].fields["namespace"], "dev");
            assert_eq!(report.unrecognised, 2, "the command, and the fifth line");
        }
        // In a log, and where lines are told as they come, each stands for itself.
        let long = format!("{}{text}", "calm\n".repeat(SHORT / 5));
        assert!(!explained(&[long.as_bytes()]).matches.iter().any(|found| found.fields.contains_key("namespace")));
        let scrub = |text: &str, _: usize| text.to_owned();
        let mut scanner = Scanner::new(Collector::new(&scrub)).at_once();
        assert_eq!(scanner.feed(format!("{LINE}\n").as_bytes()), [0]);
    }

    #[test]
    fn a_coloured_word_is_read_as_a_plain_one() {
        let line = "The connection to the server 10.0.0.5:6443 was refused - did you specify the right host or port?";
        let grep = line.replace("refused", "\u{1b}[01;31m\u{1b}[Krefused\u{1b}[m\u{1b}[K");
        let words: Vec<String> = line.split(' ').map(|word| format!("\u{1b}[32m{word}\u{1b}[0m")).collect();
        let long = "calm\n".repeat(SHORT / 5 + 1);
        for told in [grep, words.join(" ")] {
            for before in ["", long.as_str()] {
                let text = format!("{before}{told}\n");
                let report = explained(&[text.as_bytes()]);
                assert_eq!(report.matches.len(), 1, "{told}");
                let found = &report.matches[0];
                assert_eq!((found.code, found.text.as_str()), ("api-connection-refused", line));
                assert_eq!(found.line, newlines(before.as_bytes()) + 1);
            }
        }
        assert_eq!(&*uncoloured(b"a\x1bb \x1b[1;3"), b"a\x1bb \x1b[1;3", "what is no whole sequence stays");
    }

    #[test]
    fn a_line_without_end_is_read_in_parts() {
        let block = vec![b'x'; BLOCK];
        let mut blocks: Vec<&[u8]> = vec![&block; 12];
        let line = format!(" {LINE} ");
        blocks.insert(6, line.as_bytes());
        let report = explained(&blocks);
        assert_eq!(report.matches.len(), 1);
        assert_eq!(report.matches[0].line, 1);
        let scrub = |text: &str, _: usize| text.to_owned();
        let mut scanner = Scanner::new(Collector::new(&scrub));
        for block in blocks {
            scanner.feed(block);
            assert!(scanner.pending.capacity() <= 3 * LINE_LIMIT);
        }
    }
}
