//! The types that CEL's checker reckons with.

use std::fmt;

/// A type as cel-go's checker sees it (github.com/google/cel-go checker/types.go).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Dyn,
    Any,
    Error,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// `type`, or `type(int)` for the name of a type.
    Meta(Option<Box<Type>>),
    /// A parameter of an overload, or a variable that the checker made.
    Param(String),
    /// `optional_type(int)`, `net.IP`.
    Opaque(String, Vec<Type>),
    /// A message or object type.
    Struct(String),
}

impl Type {
    pub(super) fn list(element: Type) -> Self {
        Self::List(Box::new(element))
    }

    pub(super) fn map(key: Type, value: Type) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    pub(super) fn optional(of: Type) -> Self {
        Self::Opaque("optional_type".to_owned(), vec![of])
    }

    pub(super) fn is_dyn(&self) -> bool {
        matches!(self, Self::Dyn | Self::Any)
    }

    pub(super) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Self::Dyn | Self::Any | Self::Error)
    }

    /// The type inside an optional.
    pub(super) fn unwrap_optional(&self) -> Option<&Type> {
        match self {
            Self::Opaque(name, parameters) if name == "optional_type" => parameters.first(),
            _ => None,
        }
    }

    /// The types that this one is made of.
    pub(super) fn parameters(&self) -> Vec<&Type> {
        match self {
            Self::List(element) => vec![element],
            Self::Map(key, value) => vec![key, value],
            Self::Meta(of) => of.iter().map(AsRef::as_ref).collect(),
            Self::Opaque(_, parameters) => parameters.iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The name without parameters, as values say it at run time.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Dyn => "dyn",
            Self::Any => "google.protobuf.Any",
            Self::Error => "!error!",
            Self::Null => "null_type",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "google.protobuf.Duration",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::List(_) => "list",
            Self::Map(..) => "map",
            Self::Meta(_) => "type",
            Self::Param(name) | Self::Opaque(name, _) | Self::Struct(name) => name,
        }
    }

    /// Reads the notation of declarations.txt: `map(string, list(A))`.
    pub(super) fn parse(text: &str) -> Self {
        let (name, inner) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').unwrap_or(rest)),
            None => (text, ""),
        };
        let parameters: Vec<Type> = split_arguments(inner).into_iter().map(Self::parse).collect();
        let mut parameters = parameters.into_iter();
        let mut next = || parameters.next().unwrap_or(Self::Dyn);
        match name {
            "dyn" => Self::Dyn,
            "any" => Self::Any,
            "null" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" => Self::Uint,
            "double" => Self::Double,
            "string" => Self::String,
            "bytes" => Self::Bytes,
            "duration" => Self::Duration,
            "timestamp" => Self::Timestamp,
            "list" => Self::list(next()),
            "map" => {
                let key = next();
                Self::map(key, next())
            }
            "type" if inner.is_empty() => Self::Meta(None),
            "type" => Self::Meta(Some(Box::new(next()))),
            _ if name.len() == 1 => Self::Param(name.to_owned()),
            _ => Self::Opaque(name.to_owned(), parameters.collect()),
        }
    }
}

/// The parts between the commas that are in no bracket.
pub(super) fn split_arguments(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        parts.push(text[start..].trim());
    }
    parts
}

impl fmt::Display for Type {
    /// As error messages spell it (checker/format.go).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Any => "any",
            Self::Duration => "duration",
            Self::Timestamp => "timestamp",
            Self::Null => "null",
            other => other.name(),
        };
        out.write_str(name)?;
        let parameters = self.parameters();
        if !parameters.is_empty() {
            let inner: Vec<String> = parameters.iter().map(ToString::to_string).collect();
            write!(out, "({})", inner.join(", "))?;
        }
        Ok(())
    }
}
