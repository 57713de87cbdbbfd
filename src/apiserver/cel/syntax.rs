//! The syntax tree that the checker and the evaluator share, made of the parser's.

use cel::Env;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};

use super::macros;
use super::source::{Problem, Source};
use super::types::Type;

/// cel-go's limits (parser/parser.go: maxRecursionDepth 250, expressionSizeCodePointLimit 100000).
const DEEPEST: u16 = 250;
const LONGEST: usize = 100_000;

/// A node of the expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// The character that errors point at.
    pub(super) at: usize,
    pub(super) kind: Kind,
    /// What the checker found.
    pub(super) of: Type,
    /// The overloads that the checker left possible; empty for what is no call.
    pub(super) overloads: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Literal(Literal),
    Ident(String),
    /// The name of a type.
    TypeName(Type),
    Select {
        operand: Box<Node>,
        field: String,
        test: bool,
    },
    Call {
        name: String,
        target: Option<Box<Node>>,
        arguments: Vec<Node>,
    },
    /// The elements, and whether each is optional (`[?x]`).
    List(Vec<(Node, bool)>),
    Map(Vec<Entry>),
    Struct {
        name: String,
        fields: Vec<Field>,
    },
    Comprehension(Box<Comprehension>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(String),
    Bytes(Vec<u8>),
}

/// A member of a map literal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: Node,
    pub(super) value: Node,
    pub(super) optional: bool,
}

/// A field of an object literal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) value: Node,
    pub(super) optional: bool,
}

/// What `all`, `map` and their like become.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comprehension {
    pub(super) range: Node,
    pub(super) variable: String,
    pub(super) second: Option<String>,
    pub(super) accumulator: String,
    pub(super) start: Node,
    pub(super) condition: Node,
    pub(super) step: Node,
    pub(super) result: Node,
}

impl Node {
    pub(super) fn new(at: usize, kind: Kind) -> Self {
        Self { at, kind, of: Type::Error, overloads: Vec::new() }
    }

    pub(super) fn ident(at: usize, name: &str) -> Self {
        Self::new(at, Kind::Ident(name.to_owned()))
    }

    pub(super) fn literal(at: usize, literal: Literal) -> Self {
        Self::new(at, Kind::Literal(literal))
    }

    pub(super) fn call(at: usize, name: &str, arguments: Vec<Node>) -> Self {
        Self::new(at, Kind::Call { name: name.to_owned(), target: None, arguments })
    }

    pub(super) fn member(at: usize, target: Node, name: &str, arguments: Vec<Node>) -> Self {
        Self::new(at, Kind::Call { name: name.to_owned(), target: Some(Box::new(target)), arguments })
    }

    /// `a.b.c`, if the node is nothing else.
    pub(super) fn qualified_name(&self) -> Option<String> {
        match &self.kind {
            Kind::Ident(name) => Some(name.clone()),
            Kind::Select { operand, field, test: false } => Some(format!("{}.{field}", operand.qualified_name()?)),
            _ => None,
        }
    }

    /// The nodes right below.
    pub(super) fn children(&self) -> Vec<&Node> {
        match &self.kind {
            Kind::Literal(_) | Kind::Ident(_) | Kind::TypeName(_) => Vec::new(),
            Kind::Select { operand, .. } => vec![operand],
            Kind::Call { target, arguments, .. } => target.iter().map(AsRef::as_ref).chain(arguments.iter()).collect(),
            Kind::List(elements) => elements.iter().map(|(element, _)| element).collect(),
            Kind::Map(entries) => entries.iter().flat_map(|entry| [&entry.key, &entry.value]).collect(),
            Kind::Struct { fields, .. } => fields.iter().map(|field| &field.value).collect(),
            Kind::Comprehension(fold) => {
                vec![&fold.range, &fold.start, &fold.condition, &fold.step, &fold.result]
            }
        }
    }

    /// The same, to be changed.
    pub(super) fn children_mut(&mut self) -> Vec<&mut Node> {
        match &mut self.kind {
            Kind::Literal(_) | Kind::Ident(_) | Kind::TypeName(_) => Vec::new(),
            Kind::Select { operand, .. } => vec![operand],
            Kind::Call { target, arguments, .. } => {
                target.iter_mut().map(AsMut::as_mut).chain(arguments.iter_mut()).collect()
            }
            Kind::List(elements) => elements.iter_mut().map(|(element, _)| element).collect(),
            Kind::Map(entries) => entries.iter_mut().flat_map(|entry| [&mut entry.key, &mut entry.value]).collect(),
            Kind::Struct { fields, .. } => fields.iter_mut().map(|field| &mut field.value).collect(),
            Kind::Comprehension(fold) => {
                vec![&mut fold.range, &mut fold.start, &mut fold.condition, &mut fold.step, &mut fold.result]
            }
        }
    }
}

/// Parses an expression and expands its macros.
pub(super) fn parse(text: &str, source: &Source) -> Result<Node, Vec<Problem>> {
    let length = text.chars().count();
    if length > LONGEST {
        let message = format!("expression code point size exceeds limit: size: {length}, limit {LONGEST}");
        return Err(vec![Problem { line: 0, column: 0, message }]);
    }
    let parser = Env::default().parser().enable_optional_syntax(true).max_recursion_depth(DEEPEST);
    match parser.parse_with_source_info(text) {
        Ok((expression, info)) => {
            let characters =
                text.chars().enumerate().flat_map(|(at, character)| vec![at; character.len_utf8()]).collect();
            let mut converter =
                Converter { info, text: text.chars().collect(), characters, source, problems: Vec::new() };
            let node = converter.node(expression);
            if converter.problems.is_empty() { Ok(node) } else { Err(converter.problems) }
        }
        Err(errors) => {
            let problems = errors.errors.into_iter().filter_map(|error| {
                let (line, column) = error.pos;
                let message = words_of_go(&error.msg, &before(text, line, column))?;
                // Go points at the name, the crate at the dot before it.
                let column = if message.starts_with("unsupported syntax: '`'") { column } else { column - 1 };
                Some(Problem {
                    line: usize::try_from(line).unwrap_or(0),
                    column: usize::try_from(column).unwrap_or(0),
                    message,
                })
            });
            Err(problems.collect())
        }
    }
}

/// The text before a line and column, both from 1.
fn before(text: &str, line: isize, column: isize) -> String {
    let (line, column) = (usize::try_from(line - 1).unwrap_or(0), usize::try_from(column - 1).unwrap_or(0));
    let lines = text.split('\n').take(line).map(|line| format!("{line}\n"));
    let last = text.split('\n').nth(line).unwrap_or_default().chars().take(column).collect();
    lines.chain([last]).collect()
}

/// The tokens that may follow an operand. Go's parser leaves them out where it wants a certain one.
const OPERATORS: [&str; 17] = [
    "'=='", "'!='", "'in'", "'<'", "'<='", "'>='", "'>'", "'&&'", "'||'", "'['", "'.'", "'-'", "'?'", "'+'", "'*'",
    "'/'", "'%'",
];

/// The message that cel-go has for an error of the parser; none for one that only the crate reports.
fn words_of_go(message: &str, before: &str) -> Option<String> {
    if message.starts_with("Incomplete ") || message.starts_with("No `") {
        return None;
    }
    if let Some(why) =
        message.strip_prefix("invalid string literal: ").or(message.strip_prefix("invalid bytes literal: "))
    {
        let code_point = why.contains("source: Unicode { value: ") && !why.contains("value: 0 }");
        let octal =
            ["\\\\0", "\\\\1", "\\\\2", "\\\\3"].iter().any(|start| why.contains(&format!("escape: \"{start}")));
        return Some(
            match (code_point, octal) {
                (true, _) => "invalid unicode code point",
                (_, true) => "unable to unescape octal sequence in string",
                _ => "unable to unescape string",
            }
            .to_owned(),
        );
    }
    if let Some((start, wanted)) = message.split_once(" expecting {")
        && start.contains("mismatched input")
        && wanted.contains("'=='")
    {
        let wanted = wanted.trim_end_matches('}').split(", ");
        let left: Vec<&str> = wanted.filter(|token| !OPERATORS.contains(token)).collect();
        if let [only] = left.as_slice() {
            return Some(format!("{start} expecting {only}"));
        }
        // After a call with all its brackets only the end can come.
        let opened = before.matches('(').count();
        if left == ["')'", "','"] && opened == before.matches(')').count() {
            return Some(format!("{start} expecting <EOF>"));
        }
    }
    Some(message.to_owned())
}

struct Converter<'a> {
    info: SourceInfo,
    text: Vec<char>,
    /// The character at which each byte of the expression is.
    characters: Vec<usize>,
    source: &'a Source,
    problems: Vec<Problem>,
}

impl Converter<'_> {
    fn at(&self, id: u64) -> usize {
        let byte = self.info.offset_for(id).map_or(0, |(start, _)| start as usize);
        self.characters.get(byte).copied().unwrap_or(0)
    }

    fn node(&mut self, expression: IdedExpr) -> Node {
        let at = self.at(expression.id);
        let kind = match expression.expr {
            Expr::Unspecified => Kind::Literal(Literal::Null),
            Expr::Literal(literal) => {
                let literal = literal_of(literal);
                let negative =
                    matches!(literal, Literal::Int(..0)) || matches!(literal, Literal::Double(value) if value < 0.0);
                // Go points at the sign, the crate at the digits.
                let at = if negative { self.sign_before(at) } else { at };
                return Node::literal(at, literal);
            }
            Expr::Ident(name) => Kind::Ident(name),
            Expr::Select(select) => {
                Kind::Select { operand: Box::new(self.node(*select.operand)), field: select.field, test: select.test }
            }
            Expr::Call(call) => {
                let target = call.target.map(|target| self.node(*target));
                let arguments = call.args.into_iter().map(|argument| self.node(argument)).collect();
                return match macros::expand(at, call.func_name, target, arguments) {
                    Ok(node) => node,
                    Err((at, message)) => {
                        let problem = self.source.problem(at, message);
                        self.problems.push(problem);
                        Node::literal(at, Literal::Null)
                    }
                };
            }
            Expr::List(list) => Kind::List(
                list.elements
                    .into_iter()
                    .enumerate()
                    .map(|(index, element)| (self.node(element), list.optional_indices.contains(&index)))
                    .collect(),
            ),
            Expr::Map(map) => Kind::Map(
                map.entries
                    .into_iter()
                    .filter_map(|entry| match entry.expr {
                        EntryExpr::MapEntry(entry) => Some(Entry {
                            key: self.node(entry.key),
                            value: self.node(entry.value),
                            optional: entry.optional,
                        }),
                        EntryExpr::StructField(_) => None,
                    })
                    .collect(),
            ),
            Expr::Struct(object) => Kind::Struct {
                name: object.type_name,
                fields: object
                    .entries
                    .into_iter()
                    .filter_map(|entry| match entry.expr {
                        EntryExpr::StructField(field) => Some(Field {
                            at: self.at(entry.id),
                            name: field.field,
                            value: self.node(field.value),
                            optional: field.optional,
                        }),
                        EntryExpr::MapEntry(_) => None,
                    })
                    .collect(),
            },
            // The parser has no macros of its own here, so it makes none.
            Expr::Comprehension(_) => Kind::Literal(Literal::Null),
        };
        Node::new(at, kind)
    }

    /// The minus before the digits.
    fn sign_before(&self, at: usize) -> usize {
        let minus = self.text.iter().take(at).rposition(|character| *character == '-');
        minus.unwrap_or(at)
    }
}

fn literal_of(literal: LiteralValue) -> Literal {
    match literal {
        LiteralValue::Null => Literal::Null,
        LiteralValue::Boolean(value) => Literal::Bool(*value.inner()),
        LiteralValue::Int(value) => Literal::Int(*value.inner()),
        LiteralValue::UInt(value) => Literal::Uint(*value.inner()),
        LiteralValue::Double(value) => Literal::Double(*value.inner()),
        LiteralValue::String(value) => Literal::String(value.inner().to_owned()),
        LiteralValue::Bytes(value) => Literal::Bytes(value.inner().to_vec()),
    }
}
