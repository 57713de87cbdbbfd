//! The type checker that cel-go runs before it accepts an expression (checker/checker.go).

use std::collections::HashMap;

use super::Place;
use super::declarations::{USER_TYPE, declarations, named_type, user_field};
use super::source::{Problem, Source};
use super::syntax::{Comprehension, Kind, Literal, Node};
use super::types::Type;
use super::unify::Substitutions;

/// Why an expression has no type.
pub(super) enum Refusal {
    /// What the server says is wrong.
    Problems(Vec<Problem>),
    /// It uses something that this model does not know.
    Unknown(String),
}

/// Finds the type of every node and which overloads each call may mean.
pub(super) fn check(node: &mut Node, place: Place, source: &Source) -> Result<(), Refusal> {
    let mut globals = HashMap::new();
    match place {
        Place::ClaimMapping | Place::ClaimValidation => {
            globals.insert("claims".to_owned(), Type::map(Type::String, Type::Any));
        }
        Place::UserValidation => {
            globals.insert("user".to_owned(), Type::Struct(USER_TYPE.to_owned()));
        }
    }
    let mut checker = Checker {
        source,
        place,
        scopes: vec![globals],
        substitutions: Substitutions::default(),
        made: 0,
        problems: Vec::new(),
        unknown: None,
    };
    checker.check(node);
    if let Some(unknown) = checker.unknown {
        return Err(Refusal::Unknown(unknown));
    }
    if !checker.problems.is_empty() {
        return Err(Refusal::Problems(checker.problems));
    }
    settle(node, &checker.substitutions);
    Ok(())
}

/// Replaces what the checker had left open by what it found in the end.
fn settle(node: &mut Node, substitutions: &Substitutions) {
    node.of = substitutions.apply(&node.of, true);
    for child in node.children_mut() {
        settle(child, substitutions);
    }
}

struct Checker<'a> {
    source: &'a Source,
    place: Place,
    scopes: Vec<HashMap<String, Type>>,
    substitutions: Substitutions,
    made: usize,
    problems: Vec<Problem>,
    unknown: Option<String>,
}

impl Checker<'_> {
    fn problem(&mut self, at: usize, message: String) {
        let problem = self.source.problem(at, message);
        self.problems.push(problem);
    }

    fn mismatch(&mut self, at: usize, expected: &Type, found: &Type) {
        self.problem(at, format!("expected type '{expected}' but found '{found}'"));
    }

    fn undeclared(&mut self, at: usize, name: &str) {
        self.problem(at, format!("undeclared reference to '{name}' (in container '')"));
    }

    fn fresh(&mut self) -> Type {
        self.made += 1;
        Type::Param(format!("_var{}", self.made - 1))
    }

    fn check(&mut self, node: &mut Node) {
        let at = node.at;
        // The kind is taken out while it is looked at, because a name may turn a node into something else.
        let mut kind = std::mem::replace(&mut node.kind, Kind::Literal(Literal::Null));
        node.of = match &mut kind {
            Kind::Literal(literal) => literal_type(literal),
            Kind::TypeName(of) => Type::Meta(Some(Box::new(of.clone()))),
            Kind::Ident(name) => match self.lookup(name) {
                Some(Found::Variable(of)) => of,
                Some(Found::Name(of)) => {
                    let found = type_of_name(&of);
                    kind = Kind::TypeName(of);
                    found
                }
                None => {
                    let name = name.clone();
                    self.undeclared(at, &name);
                    Type::Error
                }
            },
            Kind::Select { .. } => self.select(at, &mut kind),
            Kind::Call { .. } => self.call(at, &mut kind, &mut node.overloads),
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => {
                let (mut keys, mut values) = (None, None);
                for entry in entries {
                    self.check(&mut entry.key);
                    keys = Some(self.join(&entry.key.of.clone(), keys));
                    self.check(&mut entry.value);
                    let of = self.element(&entry.value, entry.optional);
                    values = Some(self.join(&of, values));
                }
                let keys = keys.unwrap_or_else(|| self.fresh());
                let values = values.unwrap_or_else(|| self.fresh());
                Type::map(keys, values)
            }
            Kind::Struct { .. } => self.object(at, &mut kind),
            Kind::Comprehension(fold) => self.comprehension(fold),
        };
        node.kind = kind;
    }

    fn list(&mut self, elements: &mut [(Node, bool)]) -> Type {
        let mut of = None;
        for (element, optional) in elements {
            self.check(element);
            let found = self.element(element, *optional);
            of = Some(self.join(&found, of));
        }
        Type::list(of.unwrap_or_else(|| self.fresh()))
    }

    /// The type of a literal's element: what is inside, if it is an optional one.
    fn element(&mut self, node: &Node, optional: bool) -> Type {
        if !optional {
            return node.of.clone();
        }
        match node.of.unwrap_optional() {
            Some(inner) => inner.clone(),
            None => {
                if !node.of.is_dyn() {
                    self.mismatch(node.at, &Type::optional(node.of.clone()), &node.of);
                }
                node.of.clone()
            }
        }
    }

    fn join(&mut self, found: &Type, before: Option<Type>) -> Type {
        let Some(before) = before else { return found.clone() };
        if self.substitutions.assign(&before, found) {
            return super::unify::most_general(&before, found).clone();
        }
        // Literals of mixed types are looked at once more, when everything has a type.
        Type::Dyn
    }

    fn lookup(&mut self, name: &str) -> Option<Found> {
        let name = name.strip_prefix('.').unwrap_or(name);
        if let Some(of) = self.scopes.iter().rev().find_map(|scope| scope.get(name)) {
            return Some(Found::Variable(of.clone()));
        }
        if name == USER_TYPE && self.place == Place::UserValidation {
            return Some(Found::Name(Type::Struct(name.to_owned())));
        }
        if let Some(of) = named_type(name) {
            return Some(Found::Name(of));
        }
        if name.starts_with("google.") {
            self.unknown = Some(format!("the protocol buffer type {name}"));
        }
        None
    }

    fn select(&mut self, at: usize, kind: &mut Kind) -> Type {
        let name = match &*kind {
            Kind::Select { operand, field, test: false } => {
                operand.qualified_name().map(|name| format!("{name}.{field}"))
            }
            _ => None,
        };
        if let Some(name) = name {
            match self.lookup(&name) {
                Some(Found::Variable(of)) => {
                    *kind = Kind::Ident(name);
                    return of;
                }
                Some(Found::Name(of)) => {
                    let found = type_of_name(&of);
                    *kind = Kind::TypeName(of);
                    return found;
                }
                None => {}
            }
        }
        let Kind::Select { operand, field, test } = kind else { return Type::Error };
        let found = self.field(at, operand, &field.clone(), false);
        if *test { Type::Bool } else { self.substitutions.apply(&found, false) }
    }

    fn field(&mut self, at: usize, operand: &mut Node, field: &str, optional: bool) -> Type {
        self.check(operand);
        let of = self.substitutions.apply(&operand.of, false);
        let inner = of.unwrap_optional();
        let was_optional = inner.is_some();
        let target = inner.unwrap_or(&of);
        let found = match target {
            Type::Map(_, value) => (**value).clone(),
            Type::Struct(name) if name == USER_TYPE => match user_field(field) {
                Some(of) => of,
                None => {
                    self.problem(at, format!("undefined field '{field}'"));
                    Type::Error
                }
            },
            Type::Param(_) => {
                self.substitutions.assign(&Type::Dyn, target);
                Type::Dyn
            }
            other => {
                if !other.is_dyn_or_error() {
                    self.problem(at, format!("type '{other}' does not support field selection"));
                }
                Type::Dyn
            }
        };
        if was_optional || optional { Type::optional(found) } else { found }
    }

    fn call(&mut self, at: usize, kind: &mut Kind, overloads: &mut Vec<usize>) -> Type {
        let Kind::Call { name, target, arguments } = kind else { return Type::Error };
        if name == "_?._" {
            let [operand, field] = arguments.as_mut_slice() else { return Type::Error };
            let Kind::Literal(Literal::String(field)) = &field.kind else { return Type::Error };
            let found = self.field(at, operand, &field.clone(), true);
            return self.substitutions.apply(&found, false);
        }
        for argument in arguments.iter_mut() {
            self.check(argument);
        }
        let Some(receiver) = target else {
            let Some(declared) = declarations().of(name) else {
                let name = name.clone();
                self.undeclared(at, &name);
                return Type::Error;
            };
            *name = name.trim_start_matches('.').to_owned();
            return self.resolve(at, name, declared, None, arguments, overloads);
        };
        // Given a.b.c(): a.b.c may be a function, or c one with the target a.b.
        if let Some(prefix) = receiver.qualified_name()
            && let Some(declared) = declarations().of(&format!("{prefix}.{name}"))
        {
            *name = format!("{}.{name}", prefix.trim_start_matches('.'));
            *target = None;
            return self.resolve(at, name, declared, None, arguments, overloads);
        }
        self.check(receiver);
        match declarations().of(name) {
            Some(declared) => self.resolve(at, name, declared, Some(receiver), arguments, overloads),
            None => {
                let name = name.clone();
                self.undeclared(at, &name);
                Type::Error
            }
        }
    }

    fn resolve(
        &mut self,
        at: usize,
        name: &str,
        declared: &[usize],
        target: Option<&Node>,
        arguments: &[Node],
        chosen: &mut Vec<usize>,
    ) -> Type {
        let found: Vec<Type> = target.into_iter().chain(arguments).map(|node| node.of.clone()).collect();
        if matches!(name, "_&&_" | "_||_") {
            let mut fine = true;
            for (of, argument) in found.iter().zip(arguments) {
                if !self.substitutions.assign(of, &Type::Bool) {
                    self.mismatch(argument.at, &Type::Bool, of);
                    fine = false;
                }
            }
            chosen.extend(declared.first());
            return if fine { Type::Bool } else { Type::Error };
        }
        let mut result: Option<Type> = None;
        for index in declared {
            let overload = &declarations().overloads[*index];
            if overload.member != target.is_some() {
                continue;
            }
            let mut fresh = Substitutions::default();
            for parameter in &overload.parameters {
                let made = self.fresh();
                fresh.set(parameter, made);
            }
            let expected: Vec<Type> = overload.arguments.iter().map(|of| fresh.apply(of, false)).collect();
            if !self.substitutions.assign_all(&found, &expected) {
                continue;
            }
            chosen.push(*index);
            let this = self.substitutions.apply(&fresh.apply(&overload.result, false), false);
            match &result {
                None => result = Some(this),
                Some(before) if !before.is_dyn() && this != *before => result = Some(Type::Dyn),
                Some(_) => {}
            }
        }
        result.unwrap_or_else(|| {
            let shown: Vec<String> = found.iter().map(|of| self.substitutions.apply(of, true).to_string()).collect();
            let signature = if target.is_some() {
                format!("{}.({})", shown[0], shown[1..].join(", "))
            } else {
                format!("({})", shown.join(", "))
            };
            self.problem(at, format!("found no matching overload for '{name}' applied to '{signature}'"));
            Type::Error
        })
    }

    fn object(&mut self, at: usize, kind: &mut Kind) -> Type {
        let Kind::Struct { name, fields } = kind else { return Type::Error };
        let of = match self.lookup(name) {
            None => {
                let name = name.clone();
                self.undeclared(at, &name);
                return Type::Error;
            }
            Some(Found::Variable(of)) => {
                self.problem(at, format!("'{}' is not a type", of.name()));
                Type::Error
            }
            Some(Found::Name(of @ Type::Struct(_))) => of,
            Some(Found::Name(of)) => {
                if matches!(of, Type::Timestamp | Type::Duration | Type::Null) {
                    self.unknown = Some(format!("an object literal of {}", of.name()));
                    return Type::Error;
                }
                self.problem(at, format!("'{}' is not a message type", of.name()));
                Type::Error
            }
        };
        for field in fields {
            self.check(&mut field.value);
            let expected = match &of {
                Type::Struct(_) => match user_field(&field.name) {
                    Some(expected) => expected,
                    None => {
                        self.problem(field.at, format!("undefined field '{}'", field.name));
                        Type::Error
                    }
                },
                _ => {
                    self.problem(field.at, format!("unexpected failed resolution of '{name}'"));
                    Type::Error
                }
            };
            let found = self.element(&field.value, field.optional);
            if !self.substitutions.assign(&expected, &found) {
                let message =
                    format!("expected type of field '{}' is '{expected}' but provided type is '{found}'", field.name);
                self.problem(field.at, message);
            }
        }
        of
    }

    fn comprehension(&mut self, fold: &mut Comprehension) -> Type {
        self.check(&mut fold.range);
        self.check(&mut fold.start);
        let range = self.substitutions.apply(&fold.range.of, false);
        let accumulator = fold.start.of.clone();
        self.scopes.push(HashMap::from([(fold.accumulator.clone(), accumulator.clone())]));
        let two = fold.second.is_some();
        let (first, second) = match &range {
            Type::List(element) if two => (Type::Int, (**element).clone()),
            Type::List(element) => ((**element).clone(), Type::Error),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.substitutions.assign(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.problem(fold.range.at, message);
                (Type::Error, Type::Error)
            }
        };
        let mut inner = HashMap::from([(fold.variable.clone(), first)]);
        if let Some(name) = &fold.second {
            inner.insert(name.clone(), second);
        }
        self.scopes.push(inner);
        self.check(&mut fold.condition);
        self.assert(&fold.condition, &Type::Bool);
        self.check(&mut fold.step);
        self.assert(&fold.step, &accumulator);
        self.scopes.pop();
        self.check(&mut fold.result);
        self.scopes.pop();
        self.substitutions.apply(&fold.result.of, false)
    }

    fn assert(&mut self, node: &Node, of: &Type) {
        if !self.substitutions.assign(of, &node.of) {
            self.mismatch(node.at, of, &node.of);
        }
    }
}

/// What a name is.
enum Found {
    Variable(Type),
    Name(Type),
}

/// The type of the name of a type; `type` is its own.
fn type_of_name(of: &Type) -> Type {
    match of {
        Type::Meta(None) => Type::Meta(None),
        of => Type::Meta(Some(Box::new(of.clone()))),
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}
