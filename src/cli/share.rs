//! Evidence that is written for strangers: `--save FILE --anonymise`.

use super::Error;
use super::diagnosis::diagnosed;
use super::files::read_evidence;
use crate::evidence::anonymise::anonymise;
use crate::report::doctor::DoctorReport;

/// The text of a file to save, with stand-ins, and what its reader is to be told of it.
///
/// # Errors
/// Where something would be left of what was to be replaced; then nothing is written.
pub(super) fn anonymised(text: &str, report: &DoctorReport) -> Result<(String, Vec<String>), Error> {
    let before = serde_json::from_str(text)
        .map_err(|error| Error::plain(format!("the evidence cannot be anonymised: {error}")))?;
    let done = anonymise(&before);
    if !done.left.is_empty() {
        let left: Vec<&str> = done.left.iter().map(String::as_str).collect();
        return Err(Error::new(
            format!("the evidence was not written: these would have stayed in it: {}", left.join(", ")),
            "this is a bug in kaccess; please report it, without these words",
        ));
    }
    let text = serde_json::to_string_pretty(&done.evidence)
        .map_err(|error| Error::plain(format!("the evidence cannot be written: {error}")))?;
    let (_, after) = diagnosed(read_evidence(text.as_bytes(), "the anonymised evidence")?);
    let found = |report: &DoctorReport| -> Vec<(String, String)> {
        let findings = report.findings.iter();
        findings.map(|finding| (finding.code.to_owned(), format!("{:?}", finding.confidence))).collect()
    };
    let mut notes = vec![
        "names, hosts, accounts, e-mails and public addresses in it are stand-ins; what people wrote in free words (pages, \
         events, messages) may still name something: read it before you share it"
            .to_owned(),
    ];
    let (own, theirs) = (found(report), found(&after));
    if own != theirs {
        let codes = |list: &[(String, String)]| {
            list.iter()
                .map(|(code, confidence)| format!("{code} ({})", confidence.to_lowercase()))
                .collect::<Vec<_>>()
                .join(", ")
        };
        notes.push(format!(
            "warning: whoever diagnoses it finds something else than you: {} instead of {}; say so where you share it",
            if theirs.is_empty() { "nothing".to_owned() } else { codes(&theirs) },
            if own.is_empty() { "nothing".to_owned() } else { codes(&own) },
        ));
    }
    Ok((text, notes))
}
