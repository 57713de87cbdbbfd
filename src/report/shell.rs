//! Commands to copy. Whatever is foreign stands in them as one word of a POSIX shell, whatever it holds: a name that a
//! server, a token or a file chose runs nothing in the shell of whoever pastes the fix.
//!
//! A [`Shell`] is made of our own templates by `shell!`, which quotes every value; there is no way to make one of any other
//! text.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;

/// A piece of shell text in which everything foreign is quoted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shell(String);

impl Shell {
    /// A value as one word.
    pub fn word(text: &str) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,%".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            return Self(text.to_owned());
        }
        if !text.contains(char::is_control) {
            return Self(format!("'{}'", text.replace('\'', "'\\''")));
        }
        // As bash, zsh and ksh read it; nobody pastes a line break by accident.
        let mut out = String::from("$'");
        for c in text.chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                '\'' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('\'');
        Self(out)
    }

    /// Pieces, one behind the other, with a separator of ours between them.
    pub fn join(pieces: impl IntoIterator<Item = Self>, separator: &'static str) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect::<Vec<_>>().join(separator))
    }

    /// Puts a piece behind this one.
    pub fn push(&mut self, next: &Self) {
        self.0.push_str(&next.0);
    }

    /// What `shell!` calls: `{}` takes the next value, `{0}` a certain one, `{{` and `}}` are braces.
    ///
    /// # Panics
    /// Where the template has more places than there are values, or other marks: a fault of the template's author.
    pub fn build(template: &'static str, values: &[&dyn Piece]) -> Self {
        let mut out = String::with_capacity(template.len() + 32);
        let mut quote = None;
        let mut next = 0;
        let mut rest = template.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' if rest.next_if_eq(&'{').is_some() => out.push('{'),
                '}' if rest.next_if_eq(&'}').is_some() => out.push('}'),
                '{' => {
                    let mut place = String::new();
                    while let Some(digit) = rest.next_if(|c| *c != '}') {
                        place.push(digit);
                    }
                    rest.next();
                    let index = if place.is_empty() {
                        next += 1;
                        next - 1
                    } else {
                        place.parse().unwrap_or_else(|_| panic!("{{{place}}} in {template}"))
                    };
                    let value = values.get(index).unwrap_or_else(|| panic!("too few values for {template}"));
                    put(*value, quote, &mut out);
                }
                '\\' if quote != Some('\'') => {
                    out.push(c);
                    out.extend(rest.next());
                }
                '\'' | '"' => {
                    match quote {
                        None => quote = Some(c),
                        Some(open) if open == c => quote = None,
                        Some(_) => {}
                    }
                    out.push(c);
                }
                c => out.push(c),
            }
        }
        Self(out)
    }

    /// The same with other words in it that were made here: for those who put a flag into a whole command.
    pub(crate) fn map(&self, change: impl FnOnce(&str) -> String) -> Self {
        Self(change(&self.0))
    }
}

fn put(value: &dyn Piece, quote: Option<char>, out: &mut String) {
    let Some(quote) = quote else {
        out.push_str(&value.shell().0);
        return;
    };
    // Inside quotes: out of them, the word, and in again, unless it means the same inside.
    let text = value.text();
    let harmless = |c: char| match quote {
        '\'' => c != '\'' && !c.is_control(),
        _ => c.is_ascii_alphanumeric() || " -_./:@=+,%*".contains(c),
    };
    if text.chars().all(harmless) {
        out.push_str(&text);
    } else {
        out.push(quote);
        out.push_str(&Shell::word(&text).0);
        out.push(quote);
    }
}

/// A value as one word of a shell.
pub fn quoted(text: &str) -> Shell {
    Shell::word(text)
}

/// What can stand in a command: foreign text, which is quoted, or a piece that is already made.
pub trait Piece {
    /// As it stands in a command.
    fn shell(&self) -> Shell {
        Shell::word(&self.text())
    }
    /// The value itself.
    fn text(&self) -> Cow<'_, str>;
}

impl Piece for Shell {
    fn shell(&self) -> Shell {
        self.clone()
    }
    fn text(&self) -> Cow<'_, str> {
        self.0.as_str().into()
    }
}

impl Piece for str {
    fn text(&self) -> Cow<'_, str> {
        self.into()
    }
}

impl Piece for String {
    fn text(&self) -> Cow<'_, str> {
        self.as_str().into()
    }
}

impl Piece for Cow<'_, str> {
    fn text(&self) -> Cow<'_, str> {
        self.as_ref().into()
    }
}

impl<T: Piece + ?Sized> Piece for &T {
    fn shell(&self) -> Shell {
        (**self).shell()
    }
    fn text(&self) -> Cow<'_, str> {
        (**self).text()
    }
}

macro_rules! pieces {
    ($($kind:ty),*) => {
        $(impl Piece for $kind {
            fn text(&self) -> Cow<'_, str> {
                self.to_string().into()
            }
        })*
    };
}
pieces!(u16, u32, u64, i32, i64, usize, IpAddr, Ipv4Addr, Ipv6Addr, ipnet::IpNet, serde_json::Value);

impl Deref for Shell {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&'static str> for Shell {
    /// A piece of our own.
    fn from(text: &'static str) -> Self {
        Self(text.to_owned())
    }
}

/// A command of a template and values: `shell!("kubectl get pods -n {}", namespace)`. Every value is quoted as one word, inside
/// quotes of the template too; a [`Shell`] goes in as it is.
macro_rules! shell {
    ($template:literal $(, $value:expr)* $(,)?) => {
        $crate::report::shell::Shell::build($template, &[$(&$value as &dyn $crate::report::shell::Piece),*])
    };
}
pub(crate) use shell;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_foreign_is_one_word() {
        let evil = "x'; $(touch y) `z` \"";
        assert_eq!(&*shell!("kubectl get pods -n {}", "shop"), "kubectl get pods -n shop");
        assert_eq!(&*shell!("kubectl get pods -n {}", evil), r#"kubectl get pods -n 'x'\''; $(touch y) `z` "'"#);
        assert_eq!(&*shell!("openssl req -subj '/O={}/CN={}'", "a b", "c"), "openssl req -subj '/O=a b/CN=c'");
        assert_eq!(&*shell!("openssl req -subj '/O={}'", "a'b"), r"openssl req -subj '/O=''a'\''b'''");
        assert_eq!(&*shell!("export NO_PROXY=\"$NO_PROXY,{}\"", "a$b"), "export NO_PROXY=\"$NO_PROXY,\"'a$b'\"\"");
        assert_eq!(&*shell!("a {0} {0} {{x}} {1}", 1_u16, Shell::from("--b c")), "a 1 1 {x} --b c");
        assert_eq!(&*shell!("a {}", "b\nc'd"), r"a $'b\nc\'d'");
        assert_eq!(&*shell!("a {}", ""), "a ''");
    }
}
