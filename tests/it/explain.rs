//! `kaccess explain`: the corpus of real-shaped texts, streams of every size and encoding, pages, and exit codes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use kaccess::cli::explain::explained;
use kaccess::report::Confidence;
use kaccess::rules::RULES;
use serde_json::Value;

use crate::support::run::{command, kaccess, scratch};

/// One text of testdata/logs.
struct Sample {
    file: String,
    text: String,
    /// The code that it means; `None` where it is not about access.
    code: Option<String>,
    wrapping: String,
}

fn corpus() -> Vec<Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/logs");
    let mut files: Vec<_> = fs::read_dir(folder).expect("testdata/logs").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut samples = Vec::new();
    for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")) {
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for line in fs::read_to_string(path).expect("a file").lines() {
            let sample: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{file}: {error}: {line}"));
            samples.push(Sample {
                file: file.clone(),
                text: sample["text"].as_str().expect("a text").to_owned(),
                code: sample["code"].as_str().map(str::to_owned),
                wrapping: sample["wrapping"].as_str().expect("a wrapping").to_owned(),
            });
        }
    }
    samples
}

#[test]
fn texts_in_every_wrapping_are_recognised_and_none_is_wrong_and_certain() {
    let (mut right, mut all) = (0, 0);
    let mut misses = Vec::new();
    let mut wrong = Vec::new();
    for sample in corpus() {
        let Some(code) = sample.code.as_deref().filter(|code| *code != "admission-denied") else { continue };
        assert!(RULES.iter().any(|rule| rule.code == code), "{}: {code} is no code", sample.file);
        all += 1;
        let report = explained(sample.text.as_bytes());
        let first = report.matches.first();
        if first.is_some_and(|found| found.code == code) {
            right += 1;
            continue;
        }
        let line = format!("{code}, {}: found {:?} in {}", sample.wrapping, report.matches.iter().map(|found| found.code).collect::<Vec<_>>(), sample.text);
        if first.is_some_and(|found| found.confidence == Confidence::Certain) {
            wrong.push(line.clone());
        }
        misses.push(line);
    }
    assert!(all >= 500, "only {all} texts");
    assert!(wrong.is_empty(), "wrong and certain:\n{}", wrong.join("\n"));
    assert!(right * 100 >= all * 99, "{right} of {all} are right:\n{}", misses.join("\n"));
}

#[test]
fn texts_about_other_things_are_no_access_trouble() {
    let mut silent = 0;
    let mut faults = Vec::new();
    for sample in corpus().iter().filter(|sample| sample.code.as_deref().is_none_or(|code| code == "admission-denied")) {
        let report = explained(sample.text.as_bytes());
        // Admission's refusals are named, and named as what they are: no matter of rights.
        let fine = match &sample.code {
            None => report.matches.is_empty(),
            Some(code) => report.matches.len() == 1 && report.matches[0].code == code && report.matches[0].next.iter().all(|step| step.command.is_none()),
        };
        silent += 1;
        if !fine {
            faults.push(format!("{:?}: {}", report.matches.iter().map(|found| found.code).collect::<Vec<_>>(), sample.text));
        }
    }
    assert!(silent >= 200, "only {silent} texts");
    assert!(faults.is_empty(), "recognised as trouble of access:\n{}", faults.join("\n"));
}
