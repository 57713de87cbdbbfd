//! Regular expressions in Go's dialect (regexp/syntax), run by the `regex` crate.
//!
//! Both descend from RE2. What differs is translated: Go's `\d`, `\w`, `\s` and `\b` are ASCII, `\Q..\E` quotes, a brace
//! that is no repetition is a literal, and sets have no operators.

/// Why there is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Go refuses it, in these words.
    Invalid(String),
    /// Go may take it; it cannot be said here what it means.
    Unknown,
}

/// The compiled pattern, or Go's error.
pub fn compile(pattern: &str) -> Result<regex::Regex, Fault> {
    let translated = translate(pattern)?;
    regex::RegexBuilder::new(&translated).size_limit(1 << 22).build().map_err(|_| Fault::Unknown)
}

fn fault(what: &str, at: &str) -> Fault {
    Fault::Invalid(format!("error parsing regexp: {what}: `{at}`"))
}

fn translate(pattern: &str) -> Result<String, Fault> {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut depth = 0_usize;
    // What a repetition would repeat: nothing at the start and after `(` and `|`, another repetition after one.
    let mut before = Before::Nothing;
    let mut repetition_at = "";
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        match character {
            '\\' => {
                let Some(escaped) = after.chars().next() else {
                    return Err(Fault::Invalid(
                        "error parsing regexp: trailing backslash at end of expression: ``".to_owned(),
                    ));
                };
                let tail = &after[escaped.len_utf8()..];
                match escaped {
                    'Q' => {
                        let (quoted, tail) = tail.split_once("\\E").unwrap_or((tail, ""));
                        out.push_str(&regex::escape(quoted));
                        rest = tail;
                        before = Before::Something;
                        continue;
                    }
                    'd' | 'D' | 'w' | 'W' | 's' | 'S' => out.push_str(class(escaped)),
                    'b' => out.push_str("(?-u:\\b)"),
                    'B' => out.push_str("(?-u:\\B)"),
                    'p' | 'P' | 'x' => {
                        out.push('\\');
                        out.push(escaped);
                    }
                    'A' | 'z' | 'a' | 'f' | 't' | 'n' | 'r' | 'v' => {
                        out.push('\\');
                        out.push(escaped);
                    }
                    '0'..='9' | 'C' => return Err(Fault::Unknown),
                    escaped if escaped.is_ascii_punctuation() => out.push_str(&regex::escape(&escaped.to_string())),
                    escaped => return Err(fault("invalid escape sequence", &format!("\\{escaped}"))),
                }
                rest = tail;
                before = Before::Something;
                continue;
            }
            '(' => {
                depth += 1;
                if let Some(look) =
                    after.strip_prefix('?').and_then(|after| after.chars().next()).filter(|c| "=!".contains(*c))
                {
                    return Err(fault("invalid or unsupported Perl syntax", &format!("(?{look}")));
                }
                if let Some(named) = after.strip_prefix("?P<").or(after.strip_prefix("?<")) {
                    let name = named.split_once('>').map(|(name, _)| name);
                    let is_word = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                    if !name.is_some_and(|name| !name.is_empty() && is_word(name)) {
                        let end = rest.find('>').map_or(rest.len(), |at| at + 1);
                        return Err(fault("invalid named capture", &rest[..end]));
                    }
                }
                if let Some(group) = after.strip_prefix('?') {
                    let flags: String = group.chars().take_while(|c| !matches!(c, ')' | ':' | '<')).collect();
                    let fine = flags.chars().all(|c| matches!(c, 'i' | 'm' | 's' | 'U' | '-')) || flags == "P";
                    if !fine {
                        return Err(Fault::Unknown);
                    }
                    if let Some(end) = after.find([')', ':', '>']) {
                        out.push('(');
                        out.push_str(&after[..=end]);
                        if after[..=end].ends_with(')') {
                            depth -= 1;
                        }
                        rest = &after[end + 1..];
                        before = Before::Nothing;
                        continue;
                    }
                    return Err(Fault::Unknown);
                }
                out.push('(');
                before = Before::Nothing;
            }
            ')' => {
                if depth == 0 {
                    return Err(fault("unexpected )", pattern));
                }
                depth -= 1;
                out.push(')');
                before = Before::Something;
            }
            '|' => {
                out.push('|');
                before = Before::Nothing;
            }
            '[' => {
                rest = set(rest, &mut out)?;
                before = Before::Something;
                continue;
            }
            '*' | '+' | '?' | '{' => {
                let length = if character == '{' { repetition(rest)? } else { Some(1) };
                let Some(length) = length else {
                    out.push_str("\\{");
                    before = Before::Something;
                    rest = after;
                    continue;
                };
                let lazy = rest[length..].starts_with('?');
                let all = length + usize::from(lazy);
                match before {
                    Before::Nothing => {
                        return Err(fault("missing argument to repetition operator", &rest[..all.min(length)]));
                    }
                    Before::Repetition => {
                        let start = pattern.len() - repetition_at.len();
                        let end = pattern.len() - rest.len() + all;
                        return Err(fault("invalid nested repetition operator", &pattern[start..end]));
                    }
                    Before::Something => {}
                }
                repetition_at = rest;
                out.push_str(&rest[..all]);
                rest = &rest[all..];
                before = Before::Repetition;
                continue;
            }
            '}' | ']' => {
                out.push('\\');
                out.push(character);
                before = Before::Something;
            }
            other => {
                out.push(other);
                before = Before::Something;
            }
        }
        rest = after;
    }
    if depth > 0 {
        return Err(fault("missing closing )", pattern));
    }
    Ok(out)
}

#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Something,
    Repetition,
}

fn class(name: char) -> &'static str {
    match name {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => "[\\t\\n\\x0C\\r ]",
        _ => "[^\\t\\n\\x0C\\r ]",
    }
}

/// The length of `{2,3}`; none if the brace is a literal.
fn repetition(rest: &str) -> Result<Option<usize>, Fault> {
    let Some(end) = rest.find('}') else { return Ok(None) };
    let inner = &rest[1..end];
    let (low, high) = inner.split_once(',').map_or((inner, inner), |(low, high)| (low, high));
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !number(low) || !(high.is_empty() || number(high)) {
        return Ok(None);
    }
    let too_large = |text: &str| text.parse::<u32>().is_ok_and(|count| count > 1000) || text.len() > 6;
    let reversed = !high.is_empty() && low.parse::<u32>().ok() > high.parse::<u32>().ok();
    if too_large(low) || too_large(high) || reversed {
        return Err(fault("invalid repeat count", &rest[..=end]));
    }
    Ok(Some(end + 1))
}

/// Copies a set and returns what follows it.
fn set<'a>(rest: &'a str, out: &mut String) -> Result<&'a str, Fault> {
    let whole = rest;
    let missing = || fault("missing closing ]", whole);
    out.push('[');
    let mut rest = &rest[1..];
    if let Some(tail) = rest.strip_prefix('^') {
        out.push('^');
        rest = tail;
    }
    let mut first = true;
    loop {
        let character = rest.chars().next().ok_or_else(missing)?;
        let after = &rest[character.len_utf8()..];
        match character {
            ']' if !first => {
                out.push(']');
                return Ok(after);
            }
            '[' if after.starts_with(':') && after.contains(":]") => {
                let end = after.find(":]").unwrap_or(0) + 2;
                out.push('[');
                out.push_str(&after[..end]);
                rest = &after[end..];
                first = false;
                continue;
            }
            '\\' => {
                let escaped = after.chars().next().ok_or_else(missing)?;
                match escaped {
                    'd' | 'D' | 'w' | 'W' | 's' | 'S' => out.push_str(class(escaped)),
                    'p' | 'P' | 'x' | 'a' | 'f' | 't' | 'n' | 'r' | 'v' => {
                        out.push('\\');
                        out.push(escaped);
                    }
                    escaped if escaped.is_ascii_punctuation() => {
                        out.push('\\');
                        out.push(escaped);
                    }
                    _ => return Err(Fault::Unknown),
                }
                rest = &after[escaped.len_utf8()..];
                first = false;
                continue;
            }
            '[' | ']' | '&' | '~' => {
                out.push('\\');
                out.push(character);
            }
            other => {
                if let Some(end) = after.strip_prefix('-').and_then(|tail| tail.chars().next())
                    && !matches!(end, ']' | '\\' | '[')
                    && end < other
                {
                    return Err(fault("invalid character class range", &format!("{other}-{end}")));
                }
                out.push(other);
            }
        }
        first = false;
        rest = after;
    }
}
