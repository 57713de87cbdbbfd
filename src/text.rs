//! What is asked of any text: how far two words are apart, whether a pattern fits, what the eye does not see, its words on
//! one line, how a name stands in a pointer and in a manifest, its short hash, how it is encoded.
//!
//! A leaf: whoever needs one of these takes it from here.

use std::borrow::Cow;

use aws_lc_rs::digest;

/// Letters to add, take away or change to make one text of the other (Levenshtein).
pub fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(a != *b)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[other.len()]
}

/// How many letters a word may be off and still be a slip of the hand.
pub fn slips(word: &str) -> usize {
    (word.chars().count() / 3).clamp(1, 4)
}

/// The known word nearest to one that was mistyped, if one is so near that it may be a slip; capitals are as good as small
/// letters.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let folded = |word: &str| word.to_lowercase().chars().take(200).collect::<String>();
    let word = folded(word);
    // A word of which nothing is left was another word.
    let most = slips(&word).min(word.chars().count().saturating_sub(1));
    let letters = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    // Two letters that changed their places are one slip.
    let far = |other: &str| match distance(&word, other) {
        2 if letters(&word) == letters(other) => 1,
        far => far,
    };
    known
        .take(10_000)
        .map(|other| (far(&folded(other)), other))
        .filter(|(far, _)| *far <= most)
        .min_by_key(|(far, _)| *far)
        .map(|(_, other)| other)
}

/// One place of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wild {
    /// `*`: any characters, or none.
    Any,
    /// `?`: just one.
    One,
    /// The character itself.
    Is(char),
}

impl From<char> for Wild {
    fn from(c: char) -> Self {
        match c {
            '*' => Self::Any,
            '?' => Self::One,
            c => Self::Is(c),
        }
    }
}

/// A text against a pattern with `*` (any characters, or none) and `?` (just one), in linear memory and without recursion.
/// Capitals count: where they are not to, the caller makes both sides small.
pub fn glob(pattern: &str, text: &str) -> bool {
    let places: Vec<Wild> = pattern.chars().map(Wild::from).collect();
    glob_places(&places, text)
}

/// The same for a pattern in which a star may stand for itself.
pub fn glob_places(pattern: &[Wild], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let fits = match pattern.get(p) {
            Some(Wild::Any) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(Wild::One) => true,
            Some(Wild::Is(c)) => *c == text[t],
            None => false,
        };
        if fits {
            p += 1;
            t += 1;
            continue;
        }
        let Some((at, from)) = star else { return false };
        p = at + 1;
        t = from + 1;
        star = Some((at, from + 1));
    }
    pattern[p..].iter().all(|place| *place == Wild::Any)
}

/// Go's filepath.Clean.
pub fn clean_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

/// The line in which a text of YAML or JSON is nested deeper than anybody writes; parsers take time by the square of it.
pub fn nested_too_deep(text: &str) -> Option<u64> {
    const DEEPEST: u32 = 2_000;
    let (mut depth, mut line) = (0_u32, 1);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'\n' => line += 1,
            _ => {}
        }
        if depth > DEEPEST {
            return Some(line);
        }
    }
    None
}

/// A character that is not seen, or that turns around what stands beside it: it is taken out of what is kept, and shown as
/// an escape.
#[inline]
pub fn hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e01ef}'
    )
}

/// How a text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, or anything that is nearly ASCII.
    Bytes,
    /// UTF-16, low byte first.
    Little,
    /// UTF-16, high byte first.
    Big,
}

/// How the text is encoded that begins so: by its mark, or by the zeros between ASCII.
pub fn encoding(beginning: &[u8]) -> Encoding {
    match beginning {
        [0xff, 0xfe, ..] => return Encoding::Little,
        [0xfe, 0xff, ..] => return Encoding::Big,
        _ => {}
    }
    let head = &beginning[..beginning.len().min(256)];
    let zeros = |from: usize| head.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let half = head.len() / 2;
    if half >= 8 && zeros(1) * 10 >= half * 9 && zeros(0) == 0 {
        Encoding::Little
    } else if half >= 8 && zeros(0) * 10 >= half * 9 && zeros(1) == 0 {
        Encoding::Big
    } else {
        Encoding::Bytes
    }
}

/// The same text as UTF-8 where it is UTF-16, which PowerShell's `>` writes; everything else as it is.
pub fn from_wide(bytes: &[u8]) -> Cow<'_, [u8]> {
    wide(bytes).map_or(bytes.into(), |text| text.into_bytes().into())
}

/// The text of UTF-16, without its mark; none of anything else.
pub fn wide(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match encoding(bytes) {
        Encoding::Bytes => return None,
        Encoding::Little => u16::from_le_bytes,
        Encoding::Big => u16::from_be_bytes,
    };
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned())
}

/// The words of a text on one line, one blank between them.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A member's name as one part of a JSON pointer (RFC 6901, section 3).
pub fn pointer_part(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A name as a DNS label in generated manifests.
pub fn slug(name: &str) -> String {
    let text: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let text = text.trim_matches('-').to_owned();
    let mut short: String = text.chars().take(50).collect();
    if short.is_empty() {
        "user".clone_into(&mut short);
    }
    short.trim_end_matches('-').to_owned()
}

/// A short number of a whole text, for names that tell apart what their letters do not: six digits of its SHA-256.
pub fn short_hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().take(3).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, cleaned) in [
            ("aws", "aws"),
            ("", "."),
            ("./aws", "aws"),
            ("/usr//bin/./aws", "/usr/bin/aws"),
            ("/usr/lib/../bin/aws/", "/usr/bin/aws"),
            ("../bin", "../bin"),
            ("a/../../bin", "../bin"),
            ("/../bin", "/bin"),
            ("/", "/"),
        ] {
            assert_eq!(clean_path(path), cleaned, "{path}");
        }
    }

    #[test]
    fn what_is_nested_beyond_reason_is_not_parsed() {
        let nested = |depth: usize| format!("{}1{}", "{\"apiVersion\":\n".repeat(depth), "}".repeat(depth));
        assert_eq!(nested_too_deep(&nested(2_000)), None);
        assert_eq!(nested_too_deep(&nested(2_001)), Some(2_001));
        assert_eq!(nested_too_deep(&"[]".repeat(5_000)), None);
        // Without it, this takes a minute.
        let read = crate::apiserver::configuration::parse_flags_text(&nested(50_000), "flags");
        assert!(read.is_err_and(|error| error.contains("nested too deep")));
    }

    #[test]
    fn wide_text_is_read() {
        let text = "a token of some length, \u{fc}";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [text.as_bytes(), &little[..], &big[..]] {
            assert_eq!(&*from_wide(bytes), text.as_bytes());
        }
        assert_eq!(&*from_wide(b"\xc3"), b"\xc3");
    }

    #[test]
    fn a_short_hash_is_the_beginning_of_sha_256() {
        // By FIPS 180's own examples.
        assert_eq!([short_hash("abc"), short_hash("")], ["ba7816", "e3b0c4"]);
    }

    #[test]
    fn slips_of_the_hand_are_counted() {
        for (one, other, expected) in
            [("", "", 0), ("", "abc", 3), ("list", "lst", 1), ("kitten", "sitting", 3), ("é", "e", 1), ("A", "a", 1)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn only_a_slip_has_a_nearest_word() {
        let known = ["list", "Deployments", "jobs", "*"];
        for (word, expected) in [
            ("lst", Some("list")),
            ("deploymnts", Some("Deployments")),
            ("lsit", Some("list")),
            ("foos", None),
            ("x", None),
            ("", None),
            ("frobnicate", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), expected, "{word}");
        }
    }

    #[test]
    fn wildcards_stand_for_any_text_and_for_one_character() {
        assert!(glob("", "") && glob("*", "") && !glob("?", "") && glob("a*b*c", "axxbyyc") && !glob("a*b", "ac"));
        assert!(glob("?\n*", "é\nx") && !glob("A*", "a") && glob("/realms/*/x?", "/realms/a/b/xy"));
    }

    #[test]
    fn words_of_several_lines_are_put_on_one() {
        assert_eq!(one_line(" a\n\tb  c\r\n"), "a b c");
        assert_eq!(one_line(" \n"), "");
    }

    #[test]
    fn a_name_is_one_part_of_a_pointer() {
        assert_eq!(pointer_part("eks.amazonaws.com/a~b"), "eks.amazonaws.com~1a~0b");
    }
}
