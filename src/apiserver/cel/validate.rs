//! What cel-go looks at once an expression has types (cel/validator.go, ext/formatting.go).

use super::evaluate::{Evaluation, Stop};
use super::functions::{format, regexes};
use super::source::{Problem, Source};
use super::syntax::{Kind, Literal, Node};
use super::types::Type;

/// The problems of a checked expression, or what this model does not know.
pub(super) fn validate(root: &Node, source: &Source) -> Result<Vec<Problem>, String> {
    if fails(root, false) {
        return Err("an optional element of unknown type, at which the server's own compiler fails".to_owned());
    }
    let mut problems = Vec::new();
    lists(root, false, source, &mut problems);
    maps(root, false, source, &mut problems);
    for name in ["duration", "timestamp", "matches"] {
        literals(root, name, source, &mut problems)?;
    }
    formats(root, source, &mut problems);
    Ok(problems)
}

/// An optional element whose type is `dyn` makes cel-go read past the end of its parameters.
fn fails(node: &Node, exempt: bool) -> bool {
    let bare = |node: &Node| node.of.parameters().is_empty();
    let here = match &node.kind {
        Kind::List(elements) => elements.iter().any(|(element, optional)| *optional && bare(element)),
        Kind::Map(entries) => entries.iter().any(|entry| entry.optional && bare(&entry.value)),
        _ => false,
    };
    here && !exempt || node.children().into_iter().any(|child| fails(child, exempt || exempts(node)))
}

fn mismatch(source: &Source, node: &Node, expected: &Type, found: &Type) -> Problem {
    source.problem(node.at, format!("expected type '{expected}' but found '{found}'"))
}

/// The arguments of `format` may be of different types.
fn exempts(node: &Node) -> bool {
    matches!(&node.kind, Kind::Call { name, .. } if name == "format")
}

fn lists(node: &Node, exempt: bool, source: &Source, problems: &mut Vec<Problem>) {
    if let (Kind::List(elements), false) = (&node.kind, exempt) {
        let of = |element: &Node, optional: bool| match (optional, element.of.parameters().first()) {
            (true, Some(inner)) => (*inner).clone(),
            _ => element.of.clone(),
        };
        let mut first = None;
        for (element, optional) in elements {
            let found = of(element, *optional);
            match &first {
                None => first = Some(found),
                Some(expected) if *expected != found => {
                    problems.push(mismatch(source, element, expected, &found));
                    break;
                }
                Some(_) => {}
            }
        }
    }
    for child in node.children() {
        lists(child, exempt || exempts(node), source, problems);
    }
}

fn maps(node: &Node, exempt: bool, source: &Source, problems: &mut Vec<Problem>) {
    if let (Kind::Map(entries), false) = (&node.kind, exempt) {
        let mut first: Option<(Type, Type)> = None;
        for entry in entries {
            let value = match (entry.optional, entry.value.of.parameters().first()) {
                (true, Some(inner)) => (*inner).clone(),
                _ => entry.value.of.clone(),
            };
            let Some((key_type, value_type)) = &first else {
                first = Some((entry.key.of.clone(), value));
                continue;
            };
            if *key_type != entry.key.of {
                problems.push(mismatch(source, &entry.key, key_type, &entry.key.of));
            }
            if *value_type != value {
                problems.push(mismatch(source, &entry.value, value_type, &value));
            }
        }
    }
    for child in node.children() {
        maps(child, exempt || exempts(node), source, problems);
    }
}

/// A literal that is a bad time, duration or pattern. The pattern is taken to be the first argument, which of the
/// global `matches` is the text.
fn literals(node: &Node, function: &str, source: &Source, problems: &mut Vec<Problem>) -> Result<(), String> {
    if let Kind::Call { name, arguments, .. } = &node.kind
        && name == function
        && let Some(argument) = arguments.first()
        && let Kind::Literal(literal) = &argument.kind
    {
        let outcome = match (function, literal) {
            ("matches", Literal::String(pattern)) => regexes::compile(pattern).map(|_| ()),
            ("matches", _) => Ok(()),
            _ => Evaluation::constant().evaluate(node).map(|_| ()),
        };
        match outcome {
            Ok(()) => {}
            Err(Stop::Unknown(what)) => return Err(what),
            Err(_) => problems.push(source.problem(argument.at, format!("invalid {function} argument"))),
        }
    }
    for child in node.children() {
        literals(child, function, source, problems)?;
    }
    Ok(())
}

/// A literal format with a literal list of arguments.
fn formats(node: &Node, source: &Source, problems: &mut Vec<Problem>) {
    if let Kind::Call { name, target: Some(target), arguments } = &node.kind
        && name == "format"
        && let Kind::Literal(Literal::String(text)) = &target.kind
        && let [argument] = arguments.as_slice()
        && let Kind::List(elements) = &argument.kind
    {
        let mut asked = 0;
        let walked = format::walk(
            text,
            true,
            elements.len(),
            |text| (node.at, text),
            |index, clause| {
                asked += 1;
                match unfit(clause.verb, &elements[index].0) {
                    None => Ok(String::new()),
                    Some(bad) => Err((bad.at, format::refusal(clause.verb, bad.of.name()))),
                }
            },
        );
        match walked {
            Err((at, message)) => problems.push(source.problem(at, message)),
            Ok(_) if elements.len() > asked => problems.push(source.problem(
                node.at,
                format!("too many arguments supplied to string.format (expected {asked}, got {})", elements.len()),
            )),
            Ok(_) => {}
        }
    }
    for child in node.children() {
        formats(child, source, problems);
    }
}

/// The node whose type a clause does not take.
fn unfit(verb: char, node: &Node) -> Option<&Node> {
    let fits = match (verb, &node.of) {
        (_, Type::Dyn) | ('d' | 'o' | 'b' | 'x' | 'X', Type::Int | Type::Uint) => true,
        ('f' | 'e', Type::Double | Type::String) | ('b', Type::Bool) | ('x' | 'X', Type::String | Type::Bytes) => true,
        ('s', of) => matches!(
            of,
            Type::List(_)
                | Type::Map(..)
                | Type::Int
                | Type::Uint
                | Type::Double
                | Type::Bool
                | Type::String
                | Type::Timestamp
                | Type::Bytes
                | Type::Duration
                | Type::Meta(_)
                | Type::Null
        ),
        _ => false,
    };
    if !fits {
        return Some(node);
    }
    match &node.kind {
        Kind::List(elements) if verb == 's' => elements.iter().find_map(|(element, _)| unfit(verb, element)),
        Kind::Map(entries) if verb == 's' => {
            entries.iter().flat_map(|entry| [&entry.key, &entry.value]).find_map(|part| unfit(verb, part))
        }
        _ => None,
    }
}
