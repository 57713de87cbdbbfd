//! Stand-ins: one for each name, the same wherever the name stands, in its own upper and lower case.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::known;

/// The names found, with what stands for them.
#[derive(Default)]
pub(super) struct Names {
    /// Texts that are replaced wherever they stand as a word, with what replaces them.
    atoms: BTreeMap<String, String>,
    /// A name in lower case, to its stand-in in lower case.
    families: HashMap<String, String>,
    /// How many stand-ins of a kind there are.
    counts: HashMap<&'static str, u64>,
    /// Beginnings and ends that patterns with wildcards name: a name that holds one keeps it apart, so that the pattern
    /// goes on matching.
    stems: BTreeSet<String>,
    /// Spellings in neither lower nor upper case, by family.
    spellings: HashMap<String, Vec<String>>,
}

/// Between the parts of a user, group or object name.
fn divides(c: char) -> bool {
    matches!(
        c,
        ':' | '/'
            | '#'
            | '@'
            | ','
            | ';'
            | '{'
            | '}'
            | '['
            | ']'
            | '('
            | ')'
            | '"'
            | '\''
            | '='
            | '|'
            | '\\'
            | '^'
            | '$'
    ) || c.is_whitespace()
}

impl Names {
    /// Keeps a beginning or an end that a pattern names.
    pub(super) fn stem(&mut self, text: &str) {
        let text = text.trim_matches(|c: char| !c.is_alphanumeric());
        if text.chars().count() > 1 && !is_known(text) {
            self.stems.insert(text.to_owned());
            self.atom("name", text);
        }
    }

    /// A name of people's choice: a user, a group, a role, an object. Its parts between `:`, `/`, `#`, `@` and white space
    /// each have their own stand-in, so that prefixes and paths stay comparable.
    pub(super) fn name(&mut self, kind: &'static str, text: &str) {
        if is_known(text) || text.starts_with("arn:") {
            return;
        }
        let mut parts = text.split(divides).filter(|part| !part.is_empty());
        if text.starts_with("system:") {
            parts.next();
            match parts.next() {
                Some("serviceaccount" | "serviceaccounts" | "node" | "bootstrap" | "bootstrappers") | None => {}
                Some(own) if known::SYSTEM.contains(own) || own.starts_with("aggregate-to-") => return,
                Some("controller") => return,
                Some(own) => self.part(kind, own),
            }
        }
        for part in parts {
            self.part(kind, part);
        }
    }

    fn part(&mut self, kind: &'static str, part: &str) {
        if part.contains('*') || is_known(part) || is_of_template(part) {
            return;
        }
        if part.contains('.') && looks_like_host(part) {
            self.host(part);
            return;
        }
        let stem = self.stems.iter().rev().find(|stem| {
            *stem != part
                && (part.starts_with(stem.as_str()) && part[stem.len()..].starts_with(['-', '.', '_'])
                    || part.ends_with(stem.as_str()) && part[..part.len() - stem.len()].ends_with(['-', '.', '_']))
        });
        let Some(stem) = stem.cloned() else { return self.atom(kind, part) };
        let (before, after) = part.split_once(&stem).unwrap_or((part, ""));
        let rest = format!("{before}{after}");
        let rest = rest.trim_matches(['-', '.', '_']).to_owned();
        self.atom(kind, &rest);
        let whole = part.replacen(&stem, &self.of(&stem), 1).replacen(&rest, &self.of(&rest), 1);
        self.atoms.insert(part.to_owned(), whole);
    }

    /// A host name, label by label, so that parents, search domains and wildcards stay what they are to it.
    pub(super) fn host(&mut self, text: &str) {
        let text = text.trim_matches(['.', '[', ']']);
        if text.is_empty() || self.atoms.contains_key(text) || text.parse::<std::net::IpAddr>().is_ok() {
            return;
        }
        let lower = text.to_ascii_lowercase();
        // One without a dot is a word like any other.
        if !text.contains('.') {
            self.atom("host", text);
            return;
        }
        if lower.starts_with("kubernetes.default") || known::HOSTS.contains(&lower.as_str()) {
            return;
        }
        let provider =
            known::PROVIDERS.iter().find(|end| lower == **end || lower.ends_with(&format!(".{end}"))).copied();
        let (own, end) = match provider {
            Some(end) => (&text[..(text.len() - end.len()).saturating_sub(1)], end.to_owned()),
            None => {
                let (own, top) = text.rsplit_once('.').unwrap_or(("", text));
                let top = top.to_ascii_lowercase();
                let end = match top.as_str() {
                    top if known::RESERVED.contains(&top) => top.to_owned(),
                    "com" => "example".to_owned(),
                    top if known::TOP.contains(top) || top.len() == 2 => format!("{top}.example"),
                    top => self.label(top, false),
                };
                (own, end)
            }
        };
        let last = own.split('.').count().saturating_sub(1);
        let new: Vec<String> = own
            .split('.')
            .enumerate()
            .filter(|(_, label)| !label.is_empty())
            // The organisation's own label may stand in other names.
            .map(|(index, label)| self.label(label, provider.is_none() && index == last))
            .chain([end])
            .collect();
        let new = new.join(".");
        if new != text {
            self.atoms.insert(text.to_owned(), new);
        }
    }

    fn label(&mut self, label: &str, own: bool) -> String {
        let lower = label.to_ascii_lowercase();
        if label == "*" || is_region(&lower) || known::LABELS.contains(lower.as_str()) {
            return label.to_owned();
        }
        if own && !is_known(label) || self.atoms.contains_key(label) {
            self.atom("host", label);
            return self.of(label);
        }
        if is_hex(label) {
            return self.id(label);
        }
        self.family("host", label)
    }

    /// A word that is replaced everywhere.
    pub(super) fn atom(&mut self, kind: &'static str, text: &str) {
        if text.chars().count() < 2 || is_known(text) || self.atoms.contains_key(text) {
            return;
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'_'));
        if digits && text.len() < 6 {
            return;
        }
        let new = if digits { self.number(text) } else { self.family(kind, text) };
        self.atoms.insert(text.to_owned(), new);
    }

    /// A claim's name, replaced everywhere by one that expressions and flags can name too.
    pub(super) fn key(&mut self, text: &str) {
        if text.chars().count() < 2 || is_known(text) || self.atoms.contains_key(text) {
            return;
        }
        let count = self.counts.entry("claim").or_default();
        *count += 1;
        let new = format!("claim{count}");
        self.atoms.insert(text.to_owned(), new);
    }

    /// A path of a file: its folders, and its own name, where they are somebody's.
    pub(super) fn file(&mut self, text: &str) {
        let divide = |c: char| c == '/' || c == '\\';
        if !text.contains(divide) {
            return;
        }
        let mut new = String::new();
        for piece in text.split_inclusive(divide) {
            let bare = piece.trim_end_matches(divide);
            let (stem, dot, end) = match bare.rsplit_once('.') {
                Some((stem, end)) if !stem.is_empty() && end.len() <= 10 => (stem, ".", end),
                _ => (bare, "", ""),
            };
            let known = |text: &str| {
                is_known(text) || known::FOLDERS.contains(text) || known::PROGRAMS.contains(text) || text.ends_with(':')
            };
            if bare.is_empty() || known(bare) || known(stem) {
                new.push_str(piece);
            } else {
                // What stands in the folder of homes is a user's name.
                let home = ["/home/", "/Users/", "\\Users\\"].iter().any(|homes| new.ends_with(homes));
                if home {
                    self.atom("user", stem);
                }
                let stand_in = self.family(if piece.ends_with(divide) { "folder" } else { "file" }, stem);
                new.push_str(&format!("{stand_in}{dot}{end}{}", &piece[bare.len()..]));
            }
        }
        if new != text {
            self.atoms.insert(text.to_owned(), new);
        }
    }

    /// A random id: the same length, its letters and digits counted up.
    pub(super) fn id(&mut self, text: &str) -> String {
        if let Some(known) = self.atoms.get(text) {
            return known.clone();
        }
        // By what it is in lower case, as a host name may be written either way.
        let lower = text.to_lowercase();
        let base = match self.families.get(&lower) {
            Some(base) => base.clone(),
            None => {
                let count = self.counts.entry("id").or_default();
                *count += 1;
                let mut digits = count.to_string().into_bytes();
                let mut base = Vec::new();
                for byte in lower.bytes().rev() {
                    base.push(if byte.is_ascii_alphanumeric() { digits.pop().unwrap_or(b'0') } else { byte });
                }
                base.reverse();
                // A letter, so that upper and lower case stay different.
                if lower.bytes().any(|byte| byte.is_ascii_alphabetic()) && base.first() == Some(&b'0') {
                    base[0] = b'a';
                }
                let base = String::from_utf8(base).unwrap_or_default();
                self.families.insert(lower.clone(), base.clone());
                base
            }
        };
        let new = if text == lower { base } else { base.to_uppercase() };
        self.atoms.insert(text.to_owned(), new.clone());
        new
    }

    /// A number that names something: the same length.
    pub(super) fn number(&mut self, text: &str) -> String {
        if let Some(known) = self.atoms.get(text) {
            return known.clone();
        }
        let count = self.counts.entry("number").or_default();
        *count += 1;
        let new = format!("{count:0width$}", width = text.len());
        self.atoms.insert(text.to_owned(), new.clone());
        new
    }

    /// Takes a stand-in that was made elsewhere.
    pub(super) fn given(&mut self, text: String, new: String) {
        self.atoms.insert(text, new);
    }

    /// An id behind a prefix that says what it is (`vpc-`, `AROA`).
    pub(super) fn tail(&mut self, whole: &str, prefix: &'static str, joint: &str) {
        if !self.atoms.contains_key(whole) {
            let count = self.counts.entry(prefix).or_default();
            *count += 1;
            let new = if joint.is_empty() {
                format!("{prefix}{count:0width$}", width = whole.len().saturating_sub(prefix.len()))
            } else {
                format!("{prefix}{joint}{count}")
            };
            self.atoms.insert(whole.to_owned(), new);
        }
    }

    fn family(&mut self, kind: &'static str, text: &str) -> String {
        let lower = text.to_lowercase();
        let base = match self.families.get(&lower) {
            Some(base) => base.clone(),
            None => {
                let count = self.counts.entry(kind).or_default();
                *count += 1;
                let base = format!("{kind}-{count}");
                self.families.insert(lower.clone(), base.clone());
                base
            }
        };
        if text == lower {
            return base;
        }
        if text == text.to_uppercase() {
            return base.to_uppercase();
        }
        let spellings = self.spellings.entry(lower).or_default();
        let index = spellings.iter().position(|known| known == text).unwrap_or_else(|| {
            spellings.push(text.to_owned());
            spellings.len() - 1
        });
        // The first such spelling gets a capital in front, the next one on the second letter.
        let at = index % base.len();
        base.char_indices().map(|(place, c)| if place == at { c.to_ascii_uppercase() } else { c }).collect()
    }

    /// What stands for a text, or itself.
    pub(super) fn of(&self, text: &str) -> String {
        self.atoms.get(text).cloned().unwrap_or_else(|| text.to_owned())
    }

    /// All texts that are replaced.
    pub(super) fn replaced(&self) -> impl Iterator<Item = &str> {
        self.atoms.iter().filter(|(old, new)| old != new).map(|(old, _)| old.as_str())
    }

    /// Whether a text is also what stands for another, or a part of that.
    pub(super) fn is_stand_in(&self, text: &str) -> bool {
        self.atoms.values().any(|new| super::stands_in(new, text))
    }

    /// Ready to replace.
    pub(super) fn replacer(&self) -> Replacer<'_> {
        let mut by_start: HashMap<char, Vec<(&str, &str)>> = HashMap::new();
        for (old, new) in &self.atoms {
            if let Some(first) = old.chars().next() {
                by_start.entry(first).or_default().push((old, new));
            }
        }
        for list in by_start.values_mut() {
            list.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        }
        Replacer { by_start }
    }
}

/// Replaces names in texts, the longest first, whole words only.
pub(super) struct Replacer<'a> {
    by_start: HashMap<char, Vec<(&'a str, &'a str)>>,
}

impl Replacer<'_> {
    /// The text with every name replaced.
    pub(super) fn text(&self, text: &str) -> String {
        let mut new = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let found = self.by_start.get(&c).filter(|_| !c.is_alphanumeric() || begins(text, at)).and_then(|list| {
                list.iter().find(|(old, _)| {
                    text[at..].starts_with(old)
                        && (!old.ends_with(char::is_alphanumeric)
                            || !text[at + old.len()..].starts_with(char::is_alphanumeric))
                })
            });
            match found {
                Some((old, stand_in)) => {
                    new.push_str(stand_in);
                    at += old.len();
                }
                None => {
                    new.push(c);
                    at += c.len_utf8();
                }
            }
        }
        new
    }
}

/// Whether a word begins here: behind the start, another sign, `%2F`, `\n` or `\u0022`.
fn begins(text: &str, at: usize) -> bool {
    let before = &text.as_bytes()[..at];
    let Some(last) = text[..at].chars().next_back() else { return true };
    if !last.is_alphanumeric() {
        return true;
    }
    let behind = |mark: &[u8], count: usize| {
        let start = before.len().checked_sub(mark.len() + count);
        start.is_some_and(|start| {
            before[start..].starts_with(mark) && before[start + mark.len()..].iter().all(u8::is_ascii_hexdigit)
        })
    };
    behind(b"%", 2)
        || behind(b"\\u", 4)
        || before.len() > 1
            && before[before.len() - 2] == b'\\'
            && matches!(before[before.len() - 1], b'n' | b'r' | b't')
}

/// Whether a name says nothing about who has it.
pub(super) fn is_known(text: &str) -> bool {
    let lower = text.to_lowercase();
    let plain = |word: &str| {
        known::WORDS.contains(word)
            || known::NAMES.contains(&word)
            || word.chars().count() < 2
            || word.bytes().all(|byte| byte.is_ascii_digit()) && word.len() < 6
    };
    plain(&lower)
        || is_region(&lower)
        || known::PROGRAMS.contains(text)
        // Joined of such words, it is one of them.
        || text.contains(['-', '_', '.', ' '])
            && lower.split(['-', '_', '.', ' ']).all(plain)
            && lower.split(['-', '_', '.', ' ']).any(|part| part.len() > 2)
}

/// What the authenticator fills into a user name: by it a mapping for nodes is told from one for people.
fn is_of_template(part: &str) -> bool {
    matches!(
        part.trim_matches(['{', '}']),
        "EC2PrivateDNSName" | "SessionName" | "SessionNameRaw" | "AccountID" | "AccessKeyID"
    )
}

/// `eu-west-1`, `eu-west-1a`.
fn is_region(lower: &str) -> bool {
    let parts: Vec<&str> = lower.split('-').collect();
    matches!(parts.as_slice(), [area, .., number]
    if parts.len() > 2 && area.len() == 2 && number.len() <= 2 && number.starts_with(|c: char| c.is_ascii_digit())
        && parts[1..parts.len() - 1].iter().all(|part| {
            ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest", "gov"]
                .contains(part)
        }))
}

fn is_hex(text: &str) -> bool {
    text.len() >= 6
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// A word with dots that ends as host names do.
pub(super) fn looks_like_host(text: &str) -> bool {
    let lower = text.trim_end_matches('.').to_ascii_lowercase();
    let Some((own, top)) = lower.rsplit_once('.') else { return false };
    known::TOP.contains(top)
        && own.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*')
        && !known::PROVIDERS.iter().any(|end| {
            ["k8s.io", "kubernetes.io", "cert-manager.io", "istio.io"].contains(end)
                && (lower == *end || lower.ends_with(&format!(".{end}")))
        })
}
