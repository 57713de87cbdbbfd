//! Reads a kube-apiserver log as a stream and keeps, grouped, the lines that say something about access.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use crate::apiserver::message;
use crate::evidence::apiserver::{Log, LogMatch};
use crate::evidence::{Failure, FailureKind};
use crate::secret::{Scrubber, strip_control};

/// How long a line may be; the rest of a longer one is passed over.
const LINE_LIMIT: usize = 64 * 1024;

/// From how many groups on certificates are not told apart any more.
const MANY: usize = 200;

/// Reads a log to its end, or to where reading fails: the log says so then.
///
/// # Errors
/// When reading fails before the first line.
pub fn read(source: &str, input: impl Read, scrubber: &Scrubber) -> Result<Log, Failure> {
    let mut reader = BufReader::with_capacity(256 * 1024, input);
    let mut log = Log { source: source.to_owned(), ..Log::default() };
    let mut groups: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    let mut last_lines: Vec<String> = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = match (&mut reader).take(LINE_LIMIT as u64).read_until(b'\n', &mut line) {
            Ok(read) => read,
            Err(error) if log.lines == 0 => {
                return Err(Failure::new(FailureKind::Unreadable, format!("{source}: {error}")));
            }
            Err(error) => {
                log.ended = Some(scrubber.text_limited(&error.to_string(), 200));
                break;
            }
        };
        if read == 0 {
            break;
        }
        if line.last() != Some(&b'\n') && read == LINE_LIMIT {
            skip_line(&mut reader);
        }
        log.lines += 1;
        // PowerShell's `>` writes UTF-16: without its zeros, what is ASCII in it is read.
        if line.contains(&0) {
            line.retain(|byte| *byte != 0);
        }
        // A word in a colour of its own is cut into by a terminal's sequences.
        if line.contains(&0x1b) {
            let shown = strip_control(&String::from_utf8_lossy(&line));
            line = shown.into_bytes();
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        let stamp = stamp(text);
        if stamp.is_some() {
            log.last_seen.clone_from(&stamp);
        }
        let known = message::recognise(text);
        let words = if known.is_empty() { message::webhook_words(text) } else { None };
        for found in known.into_iter().chain(words) {
            // One group a text and its telling fields, so that 403 and 502 of one issuer stay apart.
            // A log of many people's certificates must not fill the evidence.
            let many = log.matches.len() >= MANY;
            let expression = ["expression", "extra", "what", "cause", "wrong"];
            let key = ["status", "url", "expected", "got", "claim", "serial", "name", "step"]
                .into_iter()
                .chain(expression)
                .filter(|name| !(many && (*name == "serial" || expression.contains(name))))
                .filter_map(|name| found.fields.get(name))
                .cloned()
                .collect::<Vec<_>>()
                .join("\u{0}");
            let index = *groups.entry((found.text.name, key)).or_insert_with(|| {
                log.matches.push(LogMatch {
                    text: found.text.name.to_owned(),
                    line_number: log.lines,
                    first_seen: stamp.clone(),
                    ..LogMatch::default()
                });
                last_lines.push(String::new());
                log.matches.len() - 1
            });
            // Line and fields are of the same line: the last one.
            text.clone_into(&mut last_lines[index]);
            let group = &mut log.matches[index];
            group.count += 1;
            group.last_line_number = log.lines;
            group.last_seen.clone_from(&stamp);
            group.fields =
                found.fields.into_iter().map(|(name, value)| (name, scrubber.text_limited(&value, 512))).collect();
        }
    }
    for (found, line) in log.matches.iter_mut().zip(&last_lines) {
        found.line = scrubber.text_limited(line, 1024);
    }
    // The latest word first: what the server said last is what holds now.
    log.matches.sort_by_key(|found| std::cmp::Reverse(found.last_line_number));
    Ok(log)
}

fn skip_line(reader: &mut impl BufRead) {
    loop {
        let (used, done) = match reader.fill_buf() {
            Ok([]) | Err(_) => return,
            Ok(buffer) => match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), false),
            },
        };
        reader.consume(used);
        if done {
            return;
        }
    }
}

/// klog's time stamp (`E1123 06:21:53.522520`), as written; it has no year and no zone.
fn stamp(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let day = words.find(|word| {
        word.len() == 5 && word.starts_with(['I', 'W', 'E', 'F']) && word[1..].bytes().all(|byte| byte.is_ascii_digit())
    })?;
    let time = words.next().filter(|time| time.len() >= 8 && time.as_bytes()[2] == b':')?;
    Some(format!("{}-{} {time}", &day[1..3], &day[3..5]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_utf_16_is_read() {
        let line = "\u{feff}E1123 06:21:53.522520   12710 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html>\r\n";
        for encoded in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            let bytes: Vec<u8> = line.repeat(2).encode_utf16().flat_map(encoded).collect();
            let log = read("-", bytes.as_slice(), &Scrubber::default()).expect("a log");
            assert_eq!(log.matches.len(), 1);
            assert_eq!((log.matches[0].count, log.matches[0].last_line_number), (2, 2));
        }
    }

    #[test]
    fn a_log_in_colours_is_read() {
        let line = "E1123 06:21:53.522520   12710 oidc.go:433] oidc authenticator: \u{1b}[32minitializing\u{1b}[0m plugin: \u{1b}[01;31m\u{1b}[K403\u{1b}[m\u{1b}[K Forbidden: <html>\n";
        let log = read("-", line.as_bytes(), &Scrubber::default()).expect("a log");
        assert_eq!(log.matches.len(), 1);
        assert_eq!((log.matches[0].text.as_str(), log.matches[0].fields["status"].as_str()), ("oidc-init-http", "403"));
    }

    #[test]
    fn expressions_are_told_apart_and_the_last_line_is_shown() {
        let line = |second: u32, what: &str, expression: &str| {
            format!(
                "E1126 12:45:{second}.041617   14711 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: error evaluating {what} claim expression: expression '{expression}' resulted in error: no such key: x{second}]\"\n"
            )
        };
        let text = line(10, "group", "claims.roles")
            + &line(20, "username", "claims.email")
            + &line(30, "username", "claims.email");
        let log = read("-", text.as_bytes(), &Scrubber::default()).expect("a log");
        let found: Vec<(u64, &str)> =
            log.matches.iter().map(|found| (found.count, found.fields["what"].as_str())).collect();
        assert_eq!(found, [(2, "username"), (1, "group")]);
        assert_eq!(log.matches[0].fields["error"], "no such key: x30");
        assert!(log.matches[0].line.contains("no such key: x30"), "{}", log.matches[0].line);
    }

    /// A disk that fails behind this text.
    struct Failing(&'static [u8]);

    impl Read for Failing {
        fn read(&mut self, block: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Err(std::io::Error::other("Input/output error"));
            }
            self.0.read(block)
        }
    }

    #[test]
    fn a_log_that_was_not_read_to_its_end_says_so() {
        let text = b"E1123 06:21:53.522520   12710 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html>\nE11";
        let log = read("-", Failing(text), &Scrubber::default()).expect("what was read");
        assert_eq!((log.lines, log.matches.len()), (1, 1));
        assert_eq!(log.ended.as_deref(), Some("Input/output error"));
        assert!(read("-", Failing(b""), &Scrubber::default()).is_err());
        // A last line without an end is one all the same.
        let whole = read("-", text.as_slice(), &Scrubber::default()).expect("a log");
        assert_eq!((whole.lines, whole.ended), (2, None));
    }

    #[test]
    fn the_words_of_a_token_webhook_are_kept() {
        let text = "E1126 23:00:08.740763   26757 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, account of jane is locked]\"\n".repeat(2);
        let log = read("-", text.as_bytes(), &Scrubber::default()).expect("a log");
        let found: Vec<(&str, u64, &str)> = log
            .matches
            .iter()
            .map(|found| (found.text.as_str(), found.count, found.fields["error"].as_str()))
            .collect();
        assert_eq!(found, [("authentication-webhook-words", 2, "account of jane is locked")]);
    }

    #[test]
    fn lines_are_grouped_and_counted() {
        let text = "E1123 06:21:53.522520   12710 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html>\n<head>\nE1123 06:22:03.522520   12710 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html>\n";
        let log = read("-", text.as_bytes(), &Scrubber::default()).expect("a log");
        assert_eq!(log.lines, 3);
        assert_eq!(log.matches.len(), 1);
        assert_eq!(log.matches[0].count, 2);
        assert_eq!(log.matches[0].first_seen.as_deref(), Some("11-23 06:21:53.522520"));
        assert_eq!(log.matches[0].last_line_number, 3);
    }
}
