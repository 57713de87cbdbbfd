//! What a plugin writes: standard output up to a limit, standard error as it comes and its last part.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::Instant;

use super::StderrSink;
use crate::secret::Scrubber;

/// Largest plugin output that is read, in bytes.
const LARGEST_STDOUT: usize = 1024 * 1024;

/// How much of the end of stderr is kept, in bytes.
pub(super) const KEPT_STDERR: usize = 8 * 1024;

/// How long stderr is still read after the plugin has ended: what it started may keep it open.
const STDERR_GRACE: Duration = Duration::from_millis(200);

/// An unfinished line on stderr (a prompt) is shown after this much silence.
const PROMPT_SILENCE: Duration = Duration::from_millis(150);

/// What was read from a plugin's standard output.
pub(super) enum Stdout {
    Whole(Vec<u8>),
    TooLarge,
    Open,
    Lost,
}

impl Stdout {
    /// The bytes to decode, and why there are none where there should be.
    pub(super) fn taken(self) -> (Vec<u8>, Option<String>) {
        let complaint = match self {
            Self::Whole(bytes) => return (bytes, None),
            Self::TooLarge => format!("decoding stdout: larger than {LARGEST_STDOUT} bytes, not read"),
            Self::Open => "its standard output stays open after its end (kubectl would wait for ever)".to_owned(),
            Self::Lost => "its standard output could not be read".to_owned(),
        };
        (Vec::new(), Some(complaint))
    }
}

pub(super) async fn read_stdout(pipe: Option<impl AsyncRead + Unpin>, deadline: Instant) -> Stdout {
    let Some(pipe) = pipe else { return Stdout::Lost };
    let mut bytes = Vec::new();
    let mut limited = pipe.take(LARGEST_STDOUT as u64 + 1);
    match tokio::time::timeout_at(deadline, limited.read_to_end(&mut bytes)).await {
        Err(_) => Stdout::Open,
        Ok(Err(_)) => Stdout::Lost,
        Ok(Ok(_)) if bytes.len() > LARGEST_STDOUT => Stdout::TooLarge,
        Ok(Ok(_)) => Stdout::Whole(bytes),
    }
}

/// Reads stderr until its end, the deadline, or a moment after the plugin's end; keeps the last 8 KiB (and some more,
/// so that a secret at the cut is still recognised) and passes lines on as they come.
pub(super) async fn read_stderr(
    pipe: Option<impl AsyncRead + Unpin>,
    deadline: Instant,
    mut end: tokio::sync::watch::Receiver<bool>,
    sink: Option<StderrSink>,
    scrubber: Scrubber,
) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut kept: Vec<u8> = Vec::new();
    let mut line: Vec<u8> = Vec::new();
    let mut chunk = [0u8; 4096];
    let mut until = deadline;
    let mut ended = false;
    let show = |bytes: &mut Vec<u8>| {
        if let (Some(sink), false) = (&sink, bytes.is_empty()) {
            sink(&live_text(&String::from_utf8_lossy(bytes), &scrubber));
        }
        bytes.clear();
    };
    loop {
        let silence = Instant::now() + PROMPT_SILENCE;
        tokio::select! {
            read = pipe.read(&mut chunk) => {
                let Ok(count @ 1..) = read else { break };
                kept.extend_from_slice(&chunk[..count]);
                if kept.len() > 8 * KEPT_STDERR {
                    kept.drain(..kept.len() - 4 * KEPT_STDERR);
                }
                if sink.is_some() {
                    for byte in &chunk[..count] {
                        line.push(*byte);
                        if *byte == b'\n' || line.len() >= KEPT_STDERR {
                            show(&mut line);
                        }
                    }
                }
            }
            () = tokio::time::sleep_until(silence), if !line.is_empty() => show(&mut line),
            changed = end.changed(), if !ended => {
                ended = true;
                if changed.is_ok() {
                    until = until.min(Instant::now() + STDERR_GRACE);
                }
            }
            () = tokio::time::sleep_until(until) => break,
        }
    }
    show(&mut line);
    String::from_utf8_lossy(&kept).into_owned()
}

/// Scrubs a piece of stderr for the eyes of the user who is logging in: login URLs stay whole, though their state and
/// challenge look like secrets, unless they carry a token or a signature.
fn live_text(text: &str, scrubber: &Scrubber) -> String {
    let mut urls: Vec<String> = Vec::new();
    let mut rest = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let start = word.find("https://").or_else(|| word.find("http://"));
        let is_login = |url: &str| {
            let url = url.to_ascii_lowercase();
            !["token=", "eyj", "x-amz-", "secret=", "password=", "@"].iter().any(|part| url.contains(part))
        };
        match start {
            Some(start) if is_login(&word[start..]) => {
                let end = word.trim_end().len();
                rest.push_str(&word[..start]);
                // A private-use character stands for the URL while the rest is scrubbed.
                rest.push('\u{e000}');
                rest.push_str(&word[end..]);
                urls.push(scrubber.known_only(&word[start..end]));
            }
            _ => rest.push_str(&word.replace('\u{e000}', "")),
        }
    }
    let mut shown = String::with_capacity(text.len());
    let mut urls = urls.into_iter();
    for c in scrubber.text(&rest).chars() {
        match c {
            '\u{e000}' => shown.push_str(&urls.next().unwrap_or_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// The last 8 KiB of a text.
pub(super) fn tail(text: &str) -> String {
    if text.len() <= KEPT_STDERR {
        return text.to_owned();
    }
    let mut start = text.len() - KEPT_STDERR;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("…{}", &text[start..])
}
