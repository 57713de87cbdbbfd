//! Many questions at once: from a file, or one question in each namespace.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read as _};
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;

use super::ask::{self, Asker, Worlds};
use super::words::{Types, Words};
use super::{CanIArgs, Method};
use crate::cli::connect::Session;
use crate::cli::{Error, note, warn};
use crate::collect::kubeconfig::{ConnectionFlags, Impersonation};
use crate::collect::wire::Limits;
use crate::evidence::access::{Check, Question};
use crate::evidence::identity::User;
use crate::evidence::{Failure, FailureKind};
use crate::report::access::AccessAnswer;

/// Largest file of questions, in bytes.
const LARGEST: usize = 256 * 1024 * 1024;
/// Longest line, in bytes.
const LONGEST: usize = 64 * 1024;
/// Most questions of one file, and most bytes of them: all answers are held, for a list has one width.
const MOST: usize = 40_000;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// One line of the file.
pub struct Line {
    number: usize,
    asked: Result<Asked, String>,
}

enum Asked {
    Words(Words, Impersonation),
    Question(Box<Question>, Impersonation),
}

/// Reads a file (`-` is stdin).
///
/// # Errors
/// When it cannot be read, has a line that is no question by its length, or too many.
pub fn read(file: &str) -> Result<Vec<Line>, Error> {
    if file == "-" {
        return lines(std::io::stdin().lock(), "stdin");
    }
    let opened = std::fs::File::open(file)
        .map_err(|error| Error::plain(format!("cannot read questions from {file}: {error}")))?;
    lines(BufReader::new(opened), file)
}

/// Reads line by line: what is no file of questions (a device, a disk image) is noticed at its first line.
fn lines(mut source: impl BufRead, file: &str) -> Result<Vec<Line>, Error> {
    let (mut lines, mut text, mut number) = (Vec::new(), Vec::new(), 0);
    let (mut read, mut kept) = (0, 0);
    loop {
        text.clear();
        number += 1;
        let count = source
            .by_ref()
            .take(LONGEST as u64 + 1)
            .read_until(b'\n', &mut text)
            .map_err(|error| Error::plain(format!("cannot read questions from {file}: {error}")))?;
        if count == 0 {
            return Ok(lines);
        }
        read += count;
        if count > LONGEST {
            return Err(Error::new(
                format!("line {number} of {file} has more than {} KiB: that is no question", LONGEST >> 10),
                "a question is a line: VERB TYPE, VERB TYPE/NAME, VERB /PATH, or an object of JSON",
            ));
        }
        if let Some(line) = line(number, &String::from_utf8_lossy(&text)) {
            kept += count;
            lines.push(line);
        }
        if lines.len() > MOST || kept > MOST_BYTES || read > LARGEST {
            return Err(Error::new(
                format!("{file} has more than {MOST} questions, or questions of more than {} MiB", MOST_BYTES >> 20),
                "ask them in parts, such as split -l 10000 makes them",
            ));
        }
    }
}

/// The question of a line; blank ones and comments have none.
fn line(number: usize, text: &str) -> Option<Line> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return None;
    }
    Some(Line { number, asked: if text.starts_with('{') { json(text) } else { words(text) } })
}

fn json(line: &str) -> Result<Asked, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
    let text = |name: &str| match value.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("{name} must be a text")),
    };
    let mut question = Question {
        verb: text("verb")?,
        group: text("group")?,
        resource: text("resource")?,
        subresource: text("subresource")?,
        name: text("name")?,
        namespace: text("namespace")?,
        path: Some(text("nonResourceURL")?).filter(|path| !path.is_empty()),
    };
    if question.verb.is_empty() {
        return Err("the verb is missing".to_owned());
    }
    if question.path.is_some() {
        question.namespace.clear();
    } else if question.resource.is_empty() {
        return Err("neither resource nor nonResourceURL".to_owned());
    }
    let mut groups = Vec::new();
    for group in value.get("groups").and_then(Value::as_array).into_iter().flatten() {
        groups.push(group.as_str().ok_or("groups must be texts")?.to_owned());
    }
    let user = Some(text("user")?).filter(|user| !user.is_empty());
    Ok(Asked::Question(Box::new(question), Impersonation { user, groups, ..Impersonation::default() }))
}

/// A line of words, with quotes as a shell has them.
fn split(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.push(c),
            None if c == '"' || c == '\'' => (quote, begun) = (Some(c), true),
            None if c == '#' && !begun && word.is_empty() => break,
            None if c.is_whitespace() => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            None => word.push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

fn words(line: &str) -> Result<Asked, String> {
    let mut words = Words::default();
    let mut whom = Impersonation::default();
    let mut plain = Vec::new();
    let mut rest = split(line)?.into_iter();
    while let Some(word) = rest.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
            _ => (word.clone(), None),
        };
        let mut value = || value.clone().or_else(|| rest.next()).ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "-n" | "--namespace" => words.namespace = Some(value()?),
            "--subresource" => words.subresource = Some(value()?),
            "--as" => whom.user = Some(value()?),
            "--as-group" => {
                let group = value()?;
                whom.groups.push(group);
            }
            "-A" | "--all-namespaces" => words.all_namespaces = true,
            "-q" | "--quiet" => {}
            other if other.starts_with('-') && other.len() > 1 => return Err(format!("unknown flag {other}")),
            _ => plain.push(word),
        }
    }
    let mut plain = plain.into_iter();
    let (Some(verb), Some(resource)) = (plain.next(), plain.next()) else {
        return Err("a question is VERB TYPE, VERB TYPE/NAME or VERB /PATH".to_owned());
    };
    (words.verb, words.resource, words.name) = (verb, resource, plain.next());
    if let Some(extra) = plain.next() {
        return Err(format!("too many words, from {extra:?} on"));
    }
    Ok(Asked::Words(words, whom))
}

/// Ways prepared at once.
const PREPARED_AT_ONCE: usize = 32;

type Whom = (Option<String>, Vec<String>);

/// The way to ask about somebody many times. A review costs the server one decision; acting as somebody costs it three,
/// and waits in that one's queue. What a review cannot say (an UID, extra attributes) is left to impersonation.
async fn about(
    session: &Session<'_>,
    wanted: &Impersonation,
    method: Option<Method>,
    first: &Question,
    worlds: &Worlds,
) -> Result<(Asker, Check), Failure> {
    if method.is_none() && wanted.uid.is_none() && wanted.extra.is_empty() {
        match Asker::about(session, wanted, Some(Method::Review), first, worlds).await {
            Err(failure) if failure.kind == FailureKind::Forbidden => {}
            result => return result,
        }
    }
    Asker::about(session, wanted, method, first, worlds).await
}

/// Answers all lines, in order. Bad lines are told on stderr and have no answer.
///
/// # Errors
/// When nothing could be asked at all.
pub async fn answer_lines(
    session: &Session<'_>,
    flags: &ConnectionFlags,
    arguments: &CanIArgs,
    lines: Vec<Line>,
) -> Result<Vec<AccessAnswer>, Failure> {
    let own = session.own()?;
    let types = Types::new(&own, session.copy.clone());
    let about_other = flags.impersonate.is_some() || !flags.impersonate_groups.is_empty();
    let mut questions: Vec<(Question, Whom, Option<String>)> = Vec::new();
    for line in lines {
        let bad = |text: String| {
            warn(&format!("line {}: {}", line.number, crate::secret::strip_control(&text)));
            (Question::default(), Whom::default(), Some(format!("line {}: {text}", line.number)))
        };
        let entry = match line.asked {
            Err(text) => bad(text),
            Ok(Asked::Question(question, whom)) => (*question, (whom.user, whom.groups), None),
            Ok(Asked::Words(words, whom)) => match types.question(&words, &session.resolved.namespace).await {
                Ok(question) => (question, (whom.user, whom.groups), None),
                Err(failure) => bad(failure.detail),
            },
        };
        questions.push(entry);
    }
    let mut by_whom: HashMap<Whom, Vec<usize>> = HashMap::new();
    for (index, (_, whom, fault)) in questions.iter().enumerate() {
        if fault.is_none() {
            by_whom.entry(whom.clone()).or_default().push(index);
        }
    }
    let mut answers: Vec<Option<AccessAnswer>> = questions
        .iter()
        .map(|(question, _, fault)| {
            fault.as_ref().map(|fault| {
                let failure = Failure::new(FailureKind::Malformed, fault.clone());
                ask::answer(&User::default(), "self-review", question, Err(failure))
            })
        })
        .collect();
    let mut groups: Vec<(Whom, Vec<usize>)> = by_whom.into_iter().collect();
    groups.sort_by_key(|(_, indices)| indices[0]);
    // First the way for each somebody, found with their first question; then all other questions, some at a time.
    let worlds = &Worlds::default();
    let prepare = |(whom, indices): (Whom, Vec<usize>)| {
        let first = &questions[indices[0]].0;
        async move {
            let wanted = if whom == Whom::default() && about_other {
                session.resolved.impersonation.clone()
            } else {
                Impersonation { user: whom.0, groups: whom.1, ..Impersonation::default() }
            };
            let asker = if wanted == Impersonation::default() {
                Asker::own(session).map(|asker| (asker, None))
            } else {
                about(session, &wanted, arguments.method, first, worlds)
                    .await
                    .map(|(asker, check)| (asker, Some(check)))
            };
            (wanted, indices, asker)
        }
    };
    let ways: Vec<_> =
        futures::stream::iter(groups.into_iter().map(prepare)).buffered(PREPARED_AT_ONCE).collect().await;
    let mut open: Vec<(usize, &Asker)> = Vec::new();
    for (wanted, indices, asker) in &ways {
        match asker {
            Ok((asker, check)) => {
                let mut rest = indices.iter();
                if let Some(check) = check
                    && let Some(first) = rest.next()
                {
                    answers[*first] = Some(asker.answer(&questions[*first].0, Ok(check.clone())));
                }
                open.extend(rest.map(|index| (*index, asker)));
            }
            Err(failure) => {
                let subject = User {
                    username: wanted.user.clone().unwrap_or_default(),
                    groups: wanted.groups.clone(),
                    ..User::default()
                };
                let computed = arguments.method.is_none_or(|method| method == Method::Computed);
                let others = computed && ask::is_of_question(failure);
                for (place, index) in indices.iter().enumerate() {
                    let question = &questions[*index].0;
                    // What the first question fails at may not count for another.
                    let other = if others && place > 0 {
                        Asker::about(session, wanted, Some(Method::Computed), question, worlds).await.ok()
                    } else {
                        None
                    };
                    answers[*index] = Some(match other {
                        Some((asker, check)) => asker.answer(question, Ok(check)),
                        None => ask::answer(&subject, "review", question, Err(failure.clone())),
                    });
                }
            }
        }
    }
    open.sort_by_key(|(index, _)| *index);
    let api = &own;
    let asked = open.into_iter().map(|(index, asker)| {
        let question = &questions[index].0;
        async move { (index, asker.answer(question, asker.check_among(question, api, worlds).await)) }
    });
    let mut asked = futures::stream::iter(asked).buffer_unordered(ask::AT_ONCE);
    while let Some((index, answer)) = asked.next().await {
        answers[index] = Some(answer);
    }
    drop(asked);
    Ok(answers.into_iter().flatten().collect())
}

/// Whether a question is about what lives in no namespace: a cluster-scoped type, or a path. Of Namespaces themselves a
/// question may carry a namespace all the same, that of its name.
fn of_cluster(question: &Question) -> bool {
    question.namespace.is_empty() || (question.group.is_empty() && question.resource == "namespaces")
}

/// One question in each namespace; what lives in no namespace is asked once, since no RoleBinding grants it.
///
/// # Errors
/// When the namespaces cannot be listed, or nothing could be asked.
pub async fn each_namespace(
    session: &Session<'_>,
    asker: &Asker,
    question: &Question,
) -> Result<Vec<AccessAnswer>, Failure> {
    if of_cluster(question) {
        let check = asker.check(question).await?;
        return Ok(vec![asker.answer(question, Ok(check))]);
    }
    let limits = Limits { body_bytes: 64 * 1024 * 1024, time: Duration::from_secs(15), ..Limits::default() };
    let own = session.own()?;
    let listing = async {
        // Names alone are enough: the metadata form is a fraction of the objects.
        let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
        let answer = own.send("GET", "/api/v1/namespaces?resourceVersion=0", None, accept, limits).await?;
        own.decode::<Value>(&answer)
    };
    let names: Vec<String> = match listing.await {
        Ok(list) => list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned))
            .collect(),
        Err(failure) if failure.kind == FailureKind::Forbidden => {
            note(&format!(
                "the namespaces cannot be listed, so only {} is asked; it needs list on namespaces",
                session.resolved.namespace
            ));
            vec![session.resolved.namespace.clone()]
        }
        Err(failure) => return Err(failure),
    };
    // Whoever may in all namespaces may in each: one request answers then.
    let everywhere = Question { namespace: String::new(), ..question.clone() };
    let all = asker.check(&everywhere).await;
    let questions: Vec<Question> =
        names.iter().map(|name| Question { namespace: name.clone(), ..question.clone() }).collect();
    if let Ok(check) = &all
        && check.allowed
    {
        return Ok(questions
            .iter()
            .map(|question| asker.answer(question, Ok(Check { question: question.clone(), ..check.clone() })))
            .collect());
    }
    let checks = asker.check_all(&questions).await;
    Ok(questions.iter().zip(checks).map(|(question, check)| asker.answer(question, check)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_judged_one_by_one() {
        let lines = lines(
            "# head\nget pods -n dev # tail\n\nlist 'odd name'\nget\n{\"verb\":\"get\",\"resource\":\"pods\",\"groups\":[\"a\"]}\n{\"verb\":1}\n{nonsense\nget pods --frob\nget \"pods\n"
                .as_bytes(),
            "a file",
        );
        let lines = lines.unwrap_or_else(|_| panic!("they are read"));
        let told: Vec<(usize, bool)> = lines.iter().map(|line| (line.number, line.asked.is_ok())).collect();
        assert_eq!(
            told,
            [(2, true), (4, true), (5, false), (6, true), (7, false), (8, false), (9, false), (10, false)]
        );
    }
    #[test]
    fn a_file_of_something_else_is_noticed_at_its_first_line() {
        // As /dev/zero is: without an end.
        assert!(lines(BufReader::new(std::io::repeat(0)), "zeros").is_err());
        let long = format!("get pods\nget {}\n", "x".repeat(LONGEST));
        assert!(lines(long.as_bytes(), "long").is_err());
        let fits = format!("get pods\nget {}", "x".repeat(LONGEST - 4));
        assert_eq!(lines(fits.as_bytes(), "fits").map(|lines| lines.len()).ok(), Some(2));
        assert!(lines("get pods\n".repeat(MOST + 1).as_bytes(), "many").is_err());
        assert_eq!(lines("get pods\n".repeat(MOST).as_bytes(), "as many").map(|lines| lines.len()).ok(), Some(MOST));
    }
}
