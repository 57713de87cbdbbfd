//! Error messages with the place in the expression, as cel-go draws them (common/error.go, common/errors.go).

/// An error at a place of the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    /// From 1; 0 is no place.
    pub(super) line: usize,
    /// In characters, from 0.
    pub(super) column: usize,
    pub(super) message: String,
}

/// More errors than these are only counted.
const MOST: usize = 100;
/// Longer lines are not shown.
const LONGEST_SNIPPET: usize = 16384;

/// An expression and where its lines start.
pub(super) struct Source {
    lines: Vec<String>,
    starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let lines: Vec<String> = text.split('\n').map(ToOwned::to_owned).collect();
        let mut starts = Vec::with_capacity(lines.len());
        let mut start = 0;
        for line in &lines {
            starts.push(start);
            start += line.chars().count() + 1;
        }
        Self { lines, starts }
    }

    /// A problem at a character of the expression.
    pub(super) fn problem(&self, offset: usize, message: impl Into<String>) -> Problem {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        Problem { line, column: offset - self.starts[line - 1], message: message.into() }
    }

    /// All problems in the order of their places.
    pub(super) fn display(&self, mut problems: Vec<Problem>) -> String {
        let more = problems.len().saturating_sub(MOST);
        problems.truncate(MOST);
        problems.sort_by_key(|problem| (problem.line, problem.column));
        let mut shown: Vec<String> = problems.iter().map(|problem| self.one(problem)).collect();
        if more > 0 {
            shown.push(format!("{more} more errors were truncated"));
        }
        shown.join("\n")
    }

    fn one(&self, problem: &Problem) -> String {
        let mut text = if problem.line == 0 {
            format!("ERROR: <input>:-1:0: {}", problem.message)
        } else {
            format!("ERROR: <input>:{}:{}: {}", problem.line, problem.column + 1, problem.message)
        };
        // There is nothing to point at, and Go's place is one before the start.
        if self.lines == [""] {
            return format!("ERROR: <input>:1:0: {}", problem.message);
        }
        let Some(line) = problem.line.checked_sub(1).and_then(|index| self.lines.get(index)) else { return text };
        if line.len() > LONGEST_SNIPPET {
            return text;
        }
        let line = line.replace('\t', " ");
        let mut characters = line.chars();
        let mut pointer = String::new();
        for character in characters.by_ref().take(problem.column) {
            pointer.push(if character.is_ascii() { '.' } else { '．' });
        }
        pointer.push(if characters.next().is_some_and(|character| !character.is_ascii()) { '＾' } else { '^' });
        text.push_str(&format!("\n | {line}\n | {pointer}"));
        text
    }
}
