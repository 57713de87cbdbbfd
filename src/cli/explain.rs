//! `kaccess explain`: any error text, log or code, to its meaning and the next step.

mod stream;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use self::stream::{Event, Scanner};
use super::flags::{Format, OutputArgs};
use super::{BAD, Error, GOOD, INTERRUPTED, NONE, answer, columns_of, hint_at_file, open_named, warn};
use crate::host::Host;
use crate::render::explain as show;
use crate::render::json::{headed_view, write_json, write_yaml};
use crate::report::explain::{Explanation, FindingListView, Match};
use crate::rules::explain::{Collector, asked, list, near, page};
use crate::secret::Scrubber;

/// Flags of `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kaccess explain 'error: You must be logged in to the server (Unauthorized)'\n  \
    kubectl get pods 2>&1 | kaccess explain -      what does that mean?\n  \
    kaccess explain @kube-apiserver.log            what does this log say about access, and how often?\n  \
    kaccess explain @kube-apiserver.log --follow   the same while it grows\n  \
    kaccess explain token-audience-mismatch        the page of a code\n  kaccess explain --list\n\n\
    Exit codes: 0 recognised, 1 nothing recognised, 2 unreadable.")]
pub struct ExplainArgs {
    /// A code; or any text: an error, a log line, a whole file (@FILE), stdin (-)
    #[arg(value_name = "CODE|TEXT|@FILE|-")]
    text: Vec<String>,
    /// Every code with its problem in one line
    #[arg(long, conflicts_with_all = ["text", "follow"])]
    list: bool,
    /// Go on reading as the file grows; each new cause is told at once
    #[arg(long)]
    follow: bool,
}

/// Runs the command.
///
/// # Errors
/// When nothing was given, or it cannot be read.
pub fn run(host: &Host, output: &OutputArgs, arguments: &ExplainArgs) -> Result<u8, Error> {
    if arguments.list {
        return codes(host, output);
    }
    let text = arguments.text.join(" ");
    if text.trim().is_empty() {
        return Err(Error::new(
            "nothing to explain",
            "give a code, a text, @FILE, or - for stdin; --list shows the codes",
        ));
    }
    // Words that together are a code, or each of which is one.
    let rules: Option<Vec<_>> = match asked(&text) {
        Some(rule) => Some(vec![rule]),
        None => arguments.text.iter().map(|word| asked(word)).collect(),
    };
    if let Some(rules) = rules {
        let mut out = Vec::new();
        for (number, rule) in rules.into_iter().enumerate() {
            let page = page(rule);
            match output.format() {
                Format::Json => write_json(&headed_view("FindingPage", &page)?, &mut out)?,
                Format::Yaml => {
                    if number > 0 {
                        writeln!(out, "---")?;
                    }
                    write_yaml(&headed_view("FindingPage", &page)?, &mut out)?;
                }
                _ if output.short => show::short_code(page.severity, page.code, page.title, &mut out)?,
                format => {
                    if number > 0 {
                        writeln!(out)?;
                    }
                    match format {
                        Format::Markdown => show::page_markdown(&page, &mut out)?,
                        _ => show::page(&page, host.width, &mut out)?,
                    }
                }
            }
        }
        return say(output, &out).map(|()| GOOD);
    }
    let source = if text == "-" {
        Some(("stdin".to_owned(), Box::new(io::stdin()) as Box<dyn Read + Send>))
    } else if let Some(path) = text.strip_prefix('@') {
        let file = open_named(path)?;
        if file.metadata().is_ok_and(|data| data.is_dir()) {
            return Err(Error::plain(format!("{path}: is a directory")));
        }
        Some((path.to_owned(), Box::new(file) as Box<dyn Read + Send>))
    } else {
        hint_at_file(&text);
        None
    };
    if arguments.follow && source.is_none() {
        return Err(Error::new("only a file or stdin can be followed", "name it as @FILE, or -"));
    }
    let scrubber = Scrubber::default();
    let scrub = |foreign: &str, limit: usize| scrubber.text_limited(foreign, limit);
    let mut scanner = Scanner::new(Collector::new(&scrub)).asked();
    if arguments.follow {
        scanner = scanner.at_once();
    }
    let ended = match source {
        Some((name, reader)) => stream(host, output, arguments.follow, &name, reader, &mut scanner)?,
        None => {
            scanner.feed(text.as_bytes());
            Ended::Whole
        }
    };
    let read = scanner.read();
    let mut report = scanner.finish();
    if read == 0 && ended != Ended::Interrupted {
        return Err(Error::new("the input is empty", "give an error text or a log"));
    }
    report.interrupted = ended != Ended::Whole;
    if report.matches.is_empty() {
        report.suggestions = near(&text);
    }
    let out = rendered(host, output, arguments.follow, &report)?;
    say(output, &out)?;
    Ok(code(ended, report.matches.is_empty()))
}

/// What a text means, whatever its encoding, without its secrets.
pub fn explained(text: &[u8]) -> Explanation {
    let scrubber = Scrubber::default();
    let scrub = |foreign: &str, limit: usize| scrubber.text_limited(foreign, limit);
    let mut scanner = Scanner::new(Collector::new(&scrub));
    scanner.feed(text);
    scanner.finish()
}

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// All was read.
    Whole,
    /// By Ctrl-C.
    Interrupted,
    /// By an error, after something was read.
    Unreadable,
}

/// The exit code: of what was not read to its end nobody knows what it held.
fn code(ended: Ended, nothing: bool) -> u8 {
    match ended {
        Ended::Interrupted => INTERRUPTED,
        Ended::Unreadable => NONE,
        Ended::Whole if nothing => BAD,
        Ended::Whole => GOOD,
    }
}

/// Reads to the end, to an error, or until Ctrl-C.
fn stream(
    host: &Host,
    output: &OutputArgs,
    follow: bool,
    name: &str,
    reader: Box<dyn Read + Send>,
    scanner: &mut Scanner<'_>,
) -> Result<Ended, Error> {
    let events = stream::start(reader, follow && name != "stdin");
    let progress = host.stderr_is_terminal && !output.quiet;
    let mut shown = host.elapsed_ms();
    let mut any = false;
    // What was told stays told, even where later lines took it back and others brought it again.
    let mut met = BTreeSet::new();
    let ended = loop {
        match events.receive() {
            Event::Block(block) => {
                let new = scanner.feed(&block);
                events.give_back(block);
                if follow && !new.is_empty() && !output.quiet {
                    let mut out = Vec::new();
                    for index in new {
                        let found = &scanner.matches()[index];
                        // The next lines of the same block may have said more than a first one.
                        if found.count > 0 && met.insert(index) {
                            told(output, found, &mut out)?;
                        }
                    }
                    answer(&out)?;
                }
                if progress && !follow && host.elapsed_ms() > shown + 1000 {
                    shown = host.elapsed_ms();
                    any = true;
                    let mib = scanner.read() / (1024 * 1024);
                    let _ = write!(io::stderr(), "\r{mib} MiB read, {} causes found ", scanner.matches().len());
                }
            }
            Event::End => break Ended::Whole,
            Event::Interrupt => break Ended::Interrupted,
            Event::Failed(error) if scanner.read() == 0 => return Err(Error::plain(format!("{name}: {error}"))),
            Event::Failed(error) => {
                warn(&format!("{name}: {error}; what was read until then:"));
                break Ended::Unreadable;
            }
        }
    };
    if any {
        let _ = write!(io::stderr(), "\r{:60}\r", "");
    }
    Ok(ended)
}

/// A match at the moment it is met.
fn told(output: &OutputArgs, found: &Match, out: &mut dyn Write) -> Result<(), Error> {
    match output.format() {
        Format::Json | Format::Yaml => {
            let body = Explanation { matches: vec![found.clone()], ..Explanation::default() };
            writeln!(out, "{}", headed_view("Explanation", &body)?)?;
        }
        _ => show::one_line(found, out)?,
    }
    Ok(())
}

fn rendered(host: &Host, output: &OutputArgs, follow: bool, report: &Explanation) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    match output.format() {
        Format::Json if follow => writeln!(out, "{}", headed_view("Explanation", report)?)?,
        Format::Json => write_json(&headed_view("Explanation", report)?, &mut out)?,
        Format::Yaml => write_yaml(&headed_view("Explanation", report)?, &mut out)?,
        Format::Markdown => show::markdown(report, &mut out)?,
        _ if output.short => show::short(report, &mut out)?,
        _ => show::table(report, host.width, &mut out)?,
    }
    Ok(out)
}

fn codes(host: &Host, output: &OutputArgs) -> Result<u8, Error> {
    let all = FindingListView { items: list() };
    let mut out = Vec::new();
    match output.format() {
        Format::Json => write_json(&headed_view("FindingList", &all)?, &mut out)?,
        Format::Yaml => write_yaml(&headed_view("FindingList", &all)?, &mut out)?,
        Format::Markdown => show::list_markdown(&all.items, &mut out)?,
        _ if output.short => {
            for entry in &all.items {
                show::short_code(entry.severity, entry.code, entry.title, &mut out)?;
            }
        }
        _ => show::list(&all.items, columns_of(host), &mut out)?,
    }
    say(output, &out).map(|()| GOOD)
}

fn say(output: &OutputArgs, out: &[u8]) -> Result<(), Error> {
    if output.quiet { Ok(()) } else { answer(out) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that fails after its first block.
    struct Failing(Option<&'static [u8]>);

    impl Read for Failing {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            let first = self.0.take().ok_or_else(|| io::Error::other("Input/output error"))?;
            block[..first.len()].copy_from_slice(first);
            Ok(first.len())
        }
    }

    #[test]
    fn a_read_error_is_no_ctrl_c() {
        let scrub = |text: &str, limit: usize| text.chars().take(limit).collect::<String>();
        let mut scanner = Scanner::new(Collector::new(&scrub));
        let output = OutputArgs { quiet: true, ..OutputArgs::default() };
        let line = "error: You must be logged in to the server (Unauthorized)\n";
        let reader = Box::new(Failing(Some(line.as_bytes())));
        let ended = stream(&Host::read(), &output, false, "a log", reader, &mut scanner).expect("what was read");
        assert_eq!(ended, Ended::Unreadable);
        let report = scanner.finish();
        assert_eq!(report.matches.len(), 1);
        assert_eq!(code(ended, report.matches.is_empty()), NONE);
        assert_eq!([code(Ended::Interrupted, true), code(Ended::Whole, true), code(Ended::Whole, false)], [130, 1, 0]);

        // Nothing was read at all: an error of its own.
        let mut scanner = Scanner::new(Collector::new(&scrub));
        assert!(stream(&Host::read(), &output, false, "a log", Box::new(Failing(None)), &mut scanner).is_err());
    }
}
