//! The values of an evaluation, and how Go's CEL compares and names them (cel-go common/types).

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;

use super::declarations::USER_TYPE;
use super::functions::kubernetes::{NamedFormat, Quantity, Semver};
use super::functions::time::Time;

/// A value.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A signed integer. No claim is one: numbers of JSON are doubles.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// Nanoseconds.
    Duration(i64),
    /// A point in time.
    Timestamp(Time),
    /// A list. `true`: a Go function made it of Go strings (`split`), which the server does not take for groups.
    List(Arc<Vec<Value>>, bool),
    /// Keys and values.
    Map(Arc<Map>),
    /// `claims` or `user` as a whole.
    Object(Arc<Object>),
    /// The name of a type.
    Type(Arc<str>),
    /// `optional.none()` or a value.
    Optional(Option<Arc<Value>>),
    /// `url(..)`.
    Url(Arc<super::functions::urls::Url>),
    /// `ip(..)`.
    Ip(IpAddr),
    /// `cidr(..)`.
    Cidr(IpAddr, u8),
    /// `semver(..)`.
    Semver(Arc<Semver>),
    /// `quantity(..)`.
    Quantity(Quantity),
    /// `format.dns1123Label()` and its like.
    Format(&'static NamedFormat),
}

/// A map; the entries are in the order of insertion.
#[derive(Debug, Clone, Default)]
pub struct Map {
    /// The entries.
    pub entries: Vec<(Value, Value)>,
    /// It was decoded from JSON: `__dot__` in a field name is a dot, and only texts are keys.
    pub from_json: bool,
}

/// `claims` or `user`.
#[derive(Debug, Clone)]
pub struct Object {
    /// The name of its type.
    pub type_name: &'static str,
    /// Its members.
    pub members: Vec<(String, Value)>,
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::String(Arc::from(text))
    }

    pub(super) fn list(items: Vec<Value>) -> Self {
        Self::List(Arc::new(items), false)
    }

    /// A list as Go's functions make it of strings.
    pub(super) fn texts(items: Vec<String>) -> Self {
        Self::List(Arc::new(items.iter().map(|item| Self::text(item)).collect()), true)
    }

    /// A claim's value: every number is a double.
    pub(super) fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::text(text),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(members) => Self::Map(Arc::new(Map {
                entries: members.iter().map(|(key, value)| (Self::text(key), Self::from_json(value))).collect(),
                from_json: true,
            })),
        }
    }

    /// The name of its type at run time.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::List(..) => "list",
            Self::Map(_) => "map",
            Self::Object(object) => object.type_name,
            Self::Type(_) => "type",
            Self::Optional(_) => "optional_type",
            Self::Url(_) => "kubernetes.URL",
            Self::Ip(_) => "net.IP",
            Self::Cidr(..) => "net.CIDR",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::Format(_) => "kubernetes.NamedFormat",
        }
    }

    /// What a mapping of groups or an extra attribute makes of the result, as oidc.go's convertCELValueToStringList:
    /// empty texts are left out, `None` is "expression must return a string or a list of strings".
    pub fn string_list(&self) -> Option<Vec<String>> {
        match self {
            Self::Null => Some(Vec::new()),
            Self::String(text) => {
                Some([text].into_iter().filter(|text| !text.is_empty()).map(ToString::to_string).collect())
            }
            Self::List(items, false) => {
                let mut texts = Vec::new();
                for item in items.iter() {
                    match item {
                        Self::String(text) if text.is_empty() => {}
                        Self::String(text) => texts.push(text.to_string()),
                        _ => return None,
                    }
                }
                Some(texts)
            }
            _ => None,
        }
    }

    /// How many elements, characters or bytes: what cel-go's cost reckons with; 1 for what has no size.
    pub(super) fn size(&self) -> u64 {
        let size = match self {
            Self::String(text) => text.chars().count(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(items, _) => items.len(),
            Self::Map(map) => map.entries.len(),
            Self::Object(object) => object.members.len(),
            Self::Optional(Some(inner)) => return inner.size(),

            Self::Ip(address) if address.is_ipv4() => 4,
            Self::Ip(_) => 16,
            Self::Cidr(_, bits) => usize::from(*bits).div_ceil(8),
            _ => 1,
        };
        size as u64
    }

    /// `==` between two values. Where Go's is an error, no operator shows it: it is false.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::String(one), Self::String(other)) => one == other,
            (Self::Bytes(one), Self::Bytes(other)) => one == other,
            (Self::Duration(one), Self::Duration(other)) => one == other,
            (Self::Timestamp(one), Self::Timestamp(other)) => one.nanoseconds == other.nanoseconds,
            (Self::Type(one), Self::Type(other)) => one == other,
            (Self::List(one, _), Self::List(other, _)) => {
                one.len() == other.len() && one.iter().zip(other.iter()).all(|(one, other)| one.equals(other))
            }
            (Self::Map(one), Self::Map(other)) => {
                one.entries.len() == other.entries.len()
                    && one.entries.iter().all(|(key, value)| other.find(key).is_some_and(|found| value.equals(found)))
            }
            (Self::Object(one), Self::Object(other)) => Arc::ptr_eq(one, other),
            (Self::Optional(one), Self::Optional(other)) => match (one, other) {
                (None, None) => true,
                (Some(one), Some(other)) => one.equals(other),
                _ => false,
            },
            (Self::Url(one), Self::Url(other)) => one.text == other.text,
            (Self::Ip(one), Self::Ip(other)) => one == other,
            (Self::Cidr(one, bits), Self::Cidr(other, more)) => one == other && bits == more,
            (Self::Semver(one), Self::Semver(other)) => one.compare(other) == Ordering::Equal,
            (Self::Quantity(one), Self::Quantity(other)) => one.amount == other.amount,
            (Self::Format(one), Self::Format(other)) => one.name == other.name,
            _ => self.compare_numbers(other).is_some_and(Ordering::is_eq),
        }
    }

    /// The order of two numbers of whatever type; none with NaN or with something else.
    pub(super) fn compare_numbers(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => Some(one.cmp(other)),
            (Self::Uint(one), Self::Uint(other)) => Some(one.cmp(other)),
            (Self::Double(one), Self::Double(other)) => one.partial_cmp(other),
            (Self::Int(one), Self::Uint(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
            (Self::Uint(one), Self::Int(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
            (Self::Double(one), Self::Int(other)) => compare_double(*one, i128::from(*other)),
            (Self::Double(one), Self::Uint(other)) => compare_double(*one, i128::from(*other)),
            (Self::Int(_) | Self::Uint(_), Self::Double(_)) => other.compare_numbers(self).map(Ordering::reverse),
            _ => None,
        }
    }

    /// Whether Go's value has an order (traits.Comparer).
    pub(super) fn has_order(&self) -> bool {
        matches!(
            self,
            Self::Bool(_)
                | Self::Int(_)
                | Self::Uint(_)
                | Self::Double(_)
                | Self::String(_)
                | Self::Bytes(_)
                | Self::Duration(_)
                | Self::Timestamp(_)
        )
    }

    /// `<` and its like; the error is Go's.
    pub(super) fn compare(&self, other: &Self) -> Result<Ordering, String> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => Ok(one.cmp(other)),
            (Self::String(one), Self::String(other)) => Ok(one.cmp(other)),
            (Self::Bytes(one), Self::Bytes(other)) => Ok(one.cmp(other)),
            (Self::Duration(one), Self::Duration(other)) => Ok(one.cmp(other)),
            (Self::Timestamp(one), Self::Timestamp(other)) => Ok(one.nanoseconds.cmp(&other.nanoseconds)),
            (Self::Int(_) | Self::Uint(_) | Self::Double(_), Self::Int(_) | Self::Uint(_) | Self::Double(_)) => {
                self.compare_numbers(other).ok_or_else(|| "NaN values cannot be ordered".to_owned())
            }
            _ => Err("no such overload".to_owned()),
        }
    }

    /// As Go's `%v` writes it in `no such key: ..`.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Double(value) => super::functions::numbers::shown_double(*value),
            Self::String(text) => text.to_string(),
            other => format!("{other:?}"),
        }
    }
}

fn compare_double(one: f64, other: i128) -> Option<Ordering> {
    if one.is_nan() {
        return None;
    }
    if one < -1e19 {
        return Some(Ordering::Less);
    }
    if one > 1e19 * 2.0 {
        return Some(Ordering::Greater);
    }
    // Go compares as doubles (compareDoubleInt), after looking whether the double is out of the integer's range.
    one.partial_cmp(&(other as f64))
}

impl Map {
    /// The value at a key; a number finds a number of another type, but a double key is never in a map of JSON.
    pub(super) fn find(&self, key: &Value) -> Option<&Value> {
        if self.from_json && !matches!(key, Value::String(_)) {
            return None;
        }
        self.entries
            .iter()
            .find(|(have, _)| match (have, key) {
                (Value::Double(_), Value::Int(_) | Value::Uint(_)) => false,
                _ => {
                    have.type_name() == key.type_name() && have.equals(key)
                        || have.compare_numbers(key).is_some_and(Ordering::is_eq)
                }
            })
            .map(|(_, value)| value)
    }
}

impl Object {
    /// `claims`, of a token's payload.
    pub(super) fn claims(json: &serde_json::Value) -> Self {
        let members = json.as_object().into_iter().flatten();
        Self {
            type_name: "kubernetes.claims",
            members: members.map(|(name, value)| (name.clone(), Value::from_json(value))).collect(),
        }
    }

    /// `user`, of an object with `username`, `uid`, `groups` and `extra`; what is absent is empty.
    pub(super) fn user(json: &serde_json::Value) -> Self {
        let text = |name: &str| Value::text(json.get(name).and_then(serde_json::Value::as_str).unwrap_or_default());
        // Groups and the values of extra are Go strings there.
        let texts = |json: Option<&serde_json::Value>| {
            let items = json.and_then(serde_json::Value::as_array).into_iter().flatten();
            Value::texts(items.filter_map(|item| item.as_str().map(ToOwned::to_owned)).collect())
        };
        let extra = json.get("extra").and_then(serde_json::Value::as_object).into_iter().flatten();
        let extra = extra.map(|(key, values)| (Value::text(key), texts(Some(values)))).collect();
        Self {
            type_name: USER_TYPE,
            members: vec![
                ("username".to_owned(), text("username")),
                ("uid".to_owned(), text("uid")),
                ("groups".to_owned(), texts(json.get("groups"))),
                ("extra".to_owned(), Value::Map(Arc::new(Map { entries: extra, from_json: true }))),
            ],
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<&Value> {
        self.members.iter().find(|(have, _)| have == name).map(|(_, value)| value)
    }
}

/// The name that a field name stands for (k8s.io/apiserver pkg/cel/escaping.go), if its escapes are valid.
pub(super) fn unescape(name: &str) -> Option<String> {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(start) = rest.find("__") {
        // An escape is two underscores, something without underscores, and two underscores.
        let inner = &rest[start + 2..];
        let length = inner.find('_').filter(|length| *length > 0 && inner[*length..].starts_with("__"));
        let Some(length) = length else {
            plain.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        };
        plain.push_str(&rest[..start]);
        plain.push_str(match &inner[..length] {
            "underscores" => "__",
            "dot" => ".",
            "dash" => "-",
            "slash" => "/",
            word if RESERVED.contains(&word) && length + 4 == name.len() => word,
            _ => return None,
        });
        rest = &inner[length + 2..];
    }
    plain.push_str(rest);
    Some(plain)
}

const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];
