//! The functions and types that Kubernetes' CEL environment declares.
//!
//! declarations.txt is what `go run ./cel declarations` in tests/lab prints: k8s.io/apiserver pkg/cel/environment/base.go
//! with every version's options, because the configuration of authentication uses the environment for stored
//! expressions.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::types::{Type, split_arguments};

/// One way to call a function.
#[derive(Debug, Clone)]
pub(super) struct Overload {
    /// Called as `target.function(..)`; the target is the first argument.
    pub(super) member: bool,
    pub(super) id: String,
    pub(super) arguments: Vec<Type>,
    pub(super) result: Type,
    /// The names of type parameters in it.
    pub(super) parameters: Vec<String>,
}

/// All of them, in the order in which they are tried.
pub(super) struct Declarations {
    pub(super) overloads: Vec<Overload>,
    by_function: HashMap<String, Vec<usize>>,
}

impl Declarations {
    pub(super) fn of(&self, function: &str) -> Option<&[usize]> {
        self.by_function.get(function.strip_prefix('.').unwrap_or(function)).map(Vec::as_slice)
    }
}

static DECLARATIONS: LazyLock<Declarations> = LazyLock::new(|| {
    let mut overloads = Vec::new();
    let mut by_function: HashMap<String, Vec<usize>> = HashMap::new();
    for line in include_str!("declarations.txt").lines() {
        let mut words = line.splitn(4, ' ');
        let (Some(function), Some(style), Some(id), Some(signature)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        // The arguments end at the bracket that closes the first one.
        let mut depth = 0;
        let end = signature.find(|character| {
            depth += i32::from(character == '(') - i32::from(character == ')');
            depth == 0
        });
        let Some(end) = end else { continue };
        let arguments: Vec<Type> = split_arguments(&signature[1..end]).into_iter().map(Type::parse).collect();
        let result = Type::parse(signature[end + 1..].trim());
        let mut parameters = Vec::new();
        for of in arguments.iter().chain([&result]) {
            collect_parameters(of, &mut parameters);
        }
        by_function.entry(function.to_owned()).or_default().push(overloads.len());
        overloads.push(Overload { member: style == "member", id: id.to_owned(), arguments, result, parameters });
    }
    Declarations { overloads, by_function }
});

fn collect_parameters(of: &Type, into: &mut Vec<String>) {
    if let Type::Param(name) = of
        && !into.contains(name)
    {
        into.push(name.clone());
    }
    for parameter in of.parameters() {
        collect_parameters(parameter, into);
    }
}

/// The one table.
pub(super) fn declarations() -> &'static Declarations {
    &DECLARATIONS
}

/// The type that a name stands for.
pub(super) fn named_type(name: &str) -> Option<Type> {
    let param = |name: &str| Type::Param(name.to_owned());
    let opaque = |name: &str| Type::Opaque(name.to_owned(), Vec::new());
    Some(match name {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "google.protobuf.Duration" => Type::Duration,
        "int" => Type::Int,
        "list" => Type::list(param("A")),
        "map" => Type::map(param("A"), param("B")),
        "null_type" => Type::Null,
        "string" => Type::String,
        "google.protobuf.Timestamp" => Type::Timestamp,
        "type" => return Some(Type::Meta(None)),
        "uint" => Type::Uint,
        "optional_type" => Type::optional(param("V")),
        // The libraries of URLs, quantities and the rest do not declare the names of their types.
        "net.IP" | "net.CIDR" => opaque(name),
        _ => return None,
    })
}

/// The fields of `user` (pkg/authentication/cel/compile.go: buildUserType).
pub(super) fn user_field(name: &str) -> Option<Type> {
    Some(match name {
        "username" | "uid" => Type::String,
        "groups" => Type::list(Type::String),
        "extra" => Type::map(Type::String, Type::list(Type::String)),
        _ => return None,
    })
}

/// The type of `user`.
pub(super) const USER_TYPE: &str = "kubernetes.UserInfo";
