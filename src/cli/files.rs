//! Files and texts that flags name: saved evidence, read and written, and `@FILE` or `-`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Error;
use crate::evidence::{Evidence, SCHEMA};
use crate::render::human::plain;
use crate::text::from_wide;

/// Larger evidence files are refused, in bytes.
const EVIDENCE_LIMIT: u64 = 32 * 1024 * 1024;

/// A text argument, `@file`, or `-` for stdin.
pub(super) fn text_or_file(value: &str) -> Result<String, Error> {
    const LIMIT: u64 = 1024 * 1024;
    let mut bytes = Vec::new();
    if value == "-" {
        std::io::stdin().take(LIMIT).read_to_end(&mut bytes)?;
    } else if let Some(path) = value.strip_prefix('@') {
        let file = super::open_named(path)?;
        file.take(LIMIT).read_to_end(&mut bytes).map_err(|error| Error::plain(format!("{path}: {error}")))?;
    } else {
        super::hint_at_file(value);
        return Ok(value.to_owned());
    }
    Ok(String::from_utf8_lossy(&from_wide(&bytes)).trim_start_matches(MARK).to_owned())
}

/// Stands at the beginning of what some programs for Windows write as UTF-8.
const MARK: char = '\u{feff}';

/// Refuses two flags that read stdin, given with whether they do: what one reads, the other does not get.
pub(super) fn one_stdin(flags: &[(&str, bool)]) -> Result<(), Error> {
    let readers: Vec<&str> = flags.iter().filter_map(|(flag, reads)| reads.then_some(*flag)).collect();
    if readers.len() < 2 {
        return Ok(());
    }
    Err(Error::new(
        format!("{} are to read stdin, and it can be read once", readers.join(" and ")),
        "give all but one of them a file",
    ))
}

/// The saved evidence that `--from` names.
pub(super) fn load_evidence(path: &Path) -> Result<Evidence, Error> {
    load("--from", path)
}

/// The saved evidence that a flag names.
pub(super) fn load(flag: &str, path: &Path) -> Result<Evidence, Error> {
    let name = path.display().to_string();
    let too_many = |length: u64| {
        Error::new(
            format!("{flag} {name}: {length} bytes are too many for evidence"),
            format!("evidence files have at most {EVIDENCE_LIMIT} bytes"),
        )
    };
    if is_stdin(path) {
        let mut bytes = Vec::new();
        std::io::stdin().take(EVIDENCE_LIMIT + 1).read_to_end(&mut bytes)?;
        let length = bytes.len() as u64;
        return if length > EVIDENCE_LIMIT { Err(too_many(length)) } else { read_evidence(&bytes, "stdin") };
    }
    let file = std::fs::File::open(path).map_err(|error| {
        Error::new(format!("{flag} {name}: {error}"), "give a file written by kaccess doctor --save")
    })?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(Error::new(
            format!("{flag} {name}: is a directory"),
            "give a file written by kaccess doctor --save",
        ));
    }
    if metadata.len() > EVIDENCE_LIMIT {
        return Err(too_many(metadata.len()));
    }
    let mut bytes = Vec::new();
    file.take(EVIDENCE_LIMIT).read_to_end(&mut bytes)?;
    read_evidence(&bytes, &name)
}

/// The name that stands for stdin, or stdout.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Refuses flags that say where and how to look beside saved evidence, in which what was seen stands already.
pub(super) fn refuse_on_replay(replay: &str, without_effect: &[&str]) -> Result<(), Error> {
    if without_effect.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        format!(
            "{replay} shows what was seen when the evidence was taken, and looks at nothing else: {} would change nothing",
            without_effect.join(", ")
        ),
        format!("look again with them, without {replay}; kaccess explain reads a message or a log by itself"),
    ))
}

/// Evidence of this schema, from a file of this name.
pub(super) fn read_evidence(bytes: &[u8], name: &str) -> Result<Evidence, Error> {
    let hint = "give a file written by kaccess doctor --save, whole";
    let bytes = from_wide(bytes);
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes);
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
        Error::new(
            format!(
                "{name} is no evidence: {:?} error at line {} column {}",
                error.classify(),
                error.line(),
                error.column()
            ),
            hint,
        )
    })?;
    if let Some(kind) = value.get("kind").and_then(serde_json::Value::as_str).filter(|_| value.get("schema").is_none())
    {
        let kind = plain(kind);
        return Err(Error::new(
            format!("{name} is a report (kind {kind}), as -o json prints it, and no evidence"),
            "a report does not hold what was seen: give the file that kaccess doctor --save wrote",
        ));
    }
    let schema = value.get("schema").and_then(serde_json::Value::as_str).unwrap_or("none");
    if schema != SCHEMA {
        return Err(Error::new(
            format!("{name} has the schema {schema:?}; this kaccess reads {SCHEMA:?}"),
            "use the kaccess version that wrote it, or look again with this one",
        ));
    }
    serde_json::from_value(value)
        .map_err(|error| Error::new(format!("{name} is no evidence of {SCHEMA}: {error}"), hint))
}

/// The file that a name leads to through links, also where there is none yet: a shell's redirection makes it there. Links
/// that lead nowhere at all (round in a circle) are an error.
fn behind_links(path: &Path) -> std::io::Result<PathBuf> {
    let error = match std::fs::canonicalize(path) {
        Ok(whole) => return Ok(whole),
        Err(error) => error,
    };
    match std::fs::read_link(path) {
        // An open pipe (/dev/stdout) has a name that only the system follows.
        Ok(_) if std::fs::metadata(path).is_ok() => Ok(path.to_owned()),
        Ok(next) if error.kind() == std::io::ErrorKind::NotFound => {
            behind_links(&path.parent().unwrap_or(Path::new("")).join(next))
        }
        Ok(_) => Err(error),
        // No link.
        Err(_) => Ok(path.to_owned()),
    }
}

/// Writes a file whole or not at all: an old one stays when writing fails, and nothing else is left.
pub(super) fn save(path: &Path, text: &str) -> Result<(), Error> {
    use std::io::Write as _;
    let complain = |error: std::io::Error| Error::plain(format!("--save {}: {error}", path.display()));
    // What a link leads to is replaced, not the link.
    let target = behind_links(path).map_err(complain)?;
    // A device or a pipe is written to; it must not be replaced by a file.
    if std::fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        return std::fs::write(&target, text).map_err(complain);
    }
    let mut part = target.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    // Names and claims are nobody else's business; a file that was there keeps the rights that it had.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&part).and_then(|mut file| {
        if let Ok(there) = std::fs::metadata(&target) {
            file.set_permissions(there.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        // A disk may say only here that it is full.
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&part, &target)).map_err(|error| {
        if error.kind() != std::io::ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&part);
        }
        complain(error)
    })
}
