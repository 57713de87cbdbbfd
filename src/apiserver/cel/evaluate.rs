//! The evaluator: cel-go's order of evaluation, its errors and its costs (cel-go interpreter).

use std::sync::Arc;

use super::declarations::{USER_TYPE, declarations};
use super::functions::{self, operators};
use super::syntax::{Comprehension, Entry, Kind, Literal, Node};
use super::value::{Map, Object, Value, unescape};

/// k8s.io/apiserver pkg/apis/cel/config.go: PerCallLimit.
const COST_LIMIT: u64 = 1_000_000;

/// Why there is no value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stop {
    /// An error value of CEL, which `&&` and `||` may absorb.
    Error(String),
    /// The server's own code fails, which `&&` and `||` do not absorb.
    Failed(String),
    /// The server gives up.
    Cancelled,
    /// This model does not know.
    Unknown(String),
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Self::Error(text)
    }
}

impl From<&str> for Stop {
    fn from(text: &str) -> Self {
        Self::Error(text.to_owned())
    }
}

pub(super) type Outcome = Result<Value, Stop>;

/// One run.
pub(super) struct Evaluation {
    root: Value,
    root_name: &'static str,
    scopes: Vec<(String, Value)>,
    /// What cel-go reckons it to have cost so far.
    pub(super) cost: u64,
}

impl Evaluation {
    pub(super) fn new(root_name: &'static str, root: Object) -> Self {
        Self { root: Value::Object(Arc::new(root)), root_name, scopes: Vec::new(), cost: 0 }
    }

    /// A run without variables, for constants.
    pub(super) fn constant() -> Self {
        Self::new("", Object { type_name: "", members: Vec::new() })
    }

    fn charge(&mut self, cost: u64) -> Result<(), Stop> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > COST_LIMIT { Err(Stop::Cancelled) } else { Ok(()) }
    }

    pub(super) fn evaluate(&mut self, node: &Node) -> Outcome {
        match &node.kind {
            Kind::Literal(literal) => Ok(literal_value(literal)),
            Kind::TypeName(of) => Ok(Value::Type(Arc::from(of.name()))),
            Kind::Ident(name) => {
                let value = self.variable(name);
                self.charge(1)?;
                value
            }
            Kind::Select { test, .. } => {
                let value = self.attribute(node);
                // A presence test is free of the one that reading an attribute costs, and so is a choice of attributes.
                self.charge(u64::from(!*test && !starts_with_choice(node)))?;
                value
            }
            _ if is_attribute(node) => {
                let value = self.attribute(node);
                self.charge(u64::from(!starts_with_choice(node)))?;
                value
            }
            Kind::Call { name, target, arguments } => self.call(node, name, target.as_deref(), arguments),
            Kind::List(elements) => self.list(node, elements),
            Kind::Map(entries) => self.map(node, entries),
            Kind::Struct { name, fields } => {
                for field in fields {
                    self.evaluate(&field.value)?;
                }
                // The checker knows the type, but nothing can make a value of it.
                Err(format!("unknown type '{name}'").into())
            }
            Kind::Comprehension(fold) => self.fold(fold),
        }
    }

    fn variable(&self, name: &str) -> Outcome {
        let name = name.strip_prefix('.').unwrap_or(name);
        if let Some((_, value)) = self.scopes.iter().rev().find(|(have, _)| have == name) {
            return Ok(value.clone());
        }
        if name == self.root_name { Ok(self.root.clone()) } else { Err(format!("no such attribute(s): {name}").into()) }
    }

    /// A variable or value with its chain of fields and indexes (interpreter/attributes.go). Once a step is optional,
    /// so is the rest.
    fn attribute(&mut self, node: &Node) -> Outcome {
        let mut steps = Vec::new();
        let mut base = node;
        loop {
            match &base.kind {
                Kind::Select { operand, field, test } => {
                    steps.push(Step::Field { field, optional: false, test: *test });
                    base = operand;
                }
                Kind::Call { name, target: None, arguments } if name == "_?._" => {
                    let [operand, field] = arguments.as_slice() else { return Err("no such overload".into()) };
                    let Kind::Literal(Literal::String(field)) = &field.kind else {
                        return Err("no such overload".into());
                    };
                    steps.push(Step::Field { field, optional: true, test: false });
                    base = operand;
                }
                Kind::Call { name, target: None, arguments } if matches!(name.as_str(), "_[_]" | "_[?_]") => {
                    let [operand, index] = arguments.as_slice() else { return Err("no such overload".into()) };
                    steps.push(Step::Index { index, optional: name == "_[?_]" });
                    base = operand;
                }
                _ => break,
            }
        }
        let mut value = self.base(base)?;
        let mut optional = false;
        if let Value::Optional(inner) = &value
            && !steps.is_empty()
        {
            let Some(inner) = inner else {
                let test = matches!(steps.first(), Some(Step::Field { test: true, .. }));
                return Ok(if test { Value::Bool(false) } else { Value::Optional(None) });
            };
            optional = true;
            if matches!(**inner, Value::Object(_)) {
                // What Go takes out of the optional is the native value, and a lazy map has none.
                return Err("no such overload".into());
            }
            value = (**inner).clone();
        }
        while let Some(step) = steps.pop() {
            let (key, step_optional, test) = match step {
                Step::Field { field, optional, test } => (Value::text(field), optional, test),
                Step::Index { index, optional } => (self.index(index)?, optional, false),
            };
            optional |= step_optional;
            let lenient = optional || test;
            let found = qualify(&value, &key, lenient);
            if test {
                self.charge(1)?;
                return Ok(Value::Bool(found?.is_some()));
            }
            match found {
                Ok(Some(found)) => {
                    self.charge(1)?;
                    value = found;
                }
                Ok(None) => {
                    // What is left was the test of has(): nothing is there.
                    let tested = steps.first().is_some_and(|step| matches!(step, Step::Field { test: true, .. }));
                    return Ok(if tested { Value::Bool(false) } else { Value::Optional(None) });
                }
                Err(stop) => {
                    self.charge(1)?;
                    return Err(stop);
                }
            }
        }
        Ok(if optional { Value::Optional(Some(Arc::new(value))) } else { value })
    }

    /// The start of a chain. A variable is part of the attribute, anything else is evaluated for itself.
    fn base(&mut self, base: &Node) -> Outcome {
        match &base.kind {
            Kind::Ident(name) => self.variable(name),
            Kind::Call { name, target: None, arguments } if name == "_?_:_" => self.conditional(arguments),
            _ => self.evaluate(base),
        }
    }

    fn index(&mut self, index: &Node) -> Outcome {
        let value = if is_attribute(index) { self.attribute(index) } else { self.base(index) }?;
        match value {
            Value::String(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Bool(_) => Ok(value),
            Value::List(..) | Value::Map(_) => Err(Stop::Unknown("the Go type of a list or map".to_owned())),
            other => Err(format!("invalid qualifier type: {}", go_type(&other)).into()),
        }
    }

    fn conditional(&mut self, arguments: &[Node]) -> Outcome {
        let [condition, yes, no] = arguments else { return Err("no such overload".into()) };
        let branch = match self.evaluate(condition)? {
            Value::Bool(true) => yes,
            Value::Bool(false) => no,
            _ => return Err("no such overload".into()),
        };
        // A branch that is an attribute costs only its steps.
        if is_attribute(branch) { self.attribute(branch) } else { self.base(branch) }
    }

    fn call(&mut self, node: &Node, name: &str, target: Option<&Node>, arguments: &[Node]) -> Outcome {
        match name {
            "_&&_" => return self.logic(arguments, false),
            "_||_" => return self.logic(arguments, true),
            "_?_:_" => return self.conditional(arguments),
            "or" | "orValue" => {
                if let (Some(target), [other]) = (target, arguments) {
                    return match self.evaluate(target)? {
                        Value::Optional(None) => self.evaluate(other),
                        Value::Optional(Some(inner)) if name == "orValue" => Ok((*inner).clone()),
                        value => Ok(value),
                    };
                }
            }
            _ => {}
        }
        let overload = match node.overloads.as_slice() {
            [only] => Some(&declarations().overloads[*only]),
            _ => None,
        };
        let nodes: Vec<&Node> = target.into_iter().chain(arguments).collect();
        if name == "@in"
            && overload.is_some_and(|overload| overload.id == "in_list")
            && let Some(answer) = self.set_membership(nodes[0], nodes[1])
        {
            return answer;
        }
        let id = match name {
            "_==_" => "equals",
            "_!=_" => "not_equals",
            _ => overload.map_or("", |overload| overload.id.as_str()),
        };
        let before = self.cost;
        let mut values = Vec::with_capacity(nodes.len());
        let mut first_error = None;
        for argument in &nodes {
            match self.evaluate(argument) {
                Ok(value) => values.push(value),
                Err(Stop::Error(_)) if name == "@not_strictly_false" => values.push(Value::Bool(true)),
                Err(Stop::Error(text)) => {
                    // Two arguments are both evaluated before the error of the first is looked at.
                    first_error.get_or_insert((values.len(), text));
                    values.push(Value::Null);
                    if nodes.len() > 2 {
                        break;
                    }
                }
                Err(other) => return Err(other),
            }
        }
        if let Some((at, text)) = first_error {
            // An error is a value, and costs the call, if it did not keep an argument from being evaluated.
            if values.len() == nodes.len() {
                functions::cost::look(id, at, None)?;
                self.charge(functions::cost::of(name, id, &values, &Value::Null))?;
            }
            return Err(Stop::Error(text));
        }
        let mut result = functions::call(name, overload, &values);
        if matches!(name, "matches" | "find" | "findAll")
            && matches!(nodes.get(1).map(|node| &node.kind), Some(Kind::Literal(_)))
            && !matches!(values[0], Value::String(_))
        {
            // With a constant pattern the function is another one, which says less.
            result = Err("no such overload".into());
        }
        if is_constant(node) {
            // cel-go has replaced the call by its value.
            self.cost = before;
            return result;
        }
        for (at, value) in values.iter().enumerate() {
            functions::cost::look(id, at, Some(value))?;
        }
        let cost = functions::cost::of(name, id, &values, result.as_ref().unwrap_or(&Value::Null));
        self.charge(cost)?;
        result
    }

    /// `x in [1, 2]` with constants is a look-up that costs nothing (interpreter/decorators.go).
    fn set_membership(&mut self, item: &Node, list: &Node) -> Option<Outcome> {
        if !is_constant(list) {
            return None;
        }
        let Kind::List(elements) = &list.kind else { return None };
        if elements.is_empty() {
            return Some(Ok(Value::Bool(false)));
        }
        let mut constants = Evaluation::constant();
        let values: Vec<Value> =
            elements.iter().map(|(element, _)| constants.evaluate(element)).collect::<Result<_, _>>().ok()?;
        let simple = |value: &Value| {
            matches!(value, Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::String(_))
        };
        if !values.iter().all(simple) {
            return None;
        }
        Some(self.evaluate(item).map(|item| Value::Bool(values.iter().any(|value| value.equals(&item)))))
    }

    /// `&&` and `||`: an error counts only if no other side decides.
    fn logic(&mut self, arguments: &[Node], decides: bool) -> Outcome {
        let mut error = None;
        for argument in arguments {
            match self.evaluate(argument) {
                Ok(Value::Bool(value)) if value == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => {
                    error.get_or_insert_with(|| "no such overload".to_owned());
                }
                Err(Stop::Error(text)) => {
                    error.get_or_insert(text);
                }
                Err(other) => return Err(other),
            }
        }
        match error {
            Some(error) => Err(Stop::Error(error)),
            None => Ok(Value::Bool(!decides)),
        }
    }

    fn list(&mut self, node: &Node, elements: &[(Node, bool)]) -> Outcome {
        let mut values = Vec::with_capacity(elements.len());
        for (element, optional) in elements {
            let value = self.evaluate(element)?;
            match (value, optional) {
                (value, false) => values.push(value),
                (Value::Optional(inner), true) => values.extend(inner.map(|inner| (*inner).clone())),
                (value, true) => {
                    let text =
                        format!("cannot initialize optional list element from non-optional value {}", value.shown());
                    return Err(text.into());
                }
            }
        }
        self.charge(if is_constant(node) { 0 } else { 10 })?;
        Ok(Value::list(values))
    }

    fn map(&mut self, node: &Node, entries: &[Entry]) -> Outcome {
        let mut map = Map::default();
        for entry in entries {
            let key = self.evaluate(&entry.key)?;
            let mut value = self.evaluate(&entry.value)?;
            if entry.optional {
                match value {
                    Value::Optional(Some(inner)) => value = (*inner).clone(),
                    Value::Optional(None) => continue,
                    other => {
                        let text = format!(
                            "cannot initialize optional entry '{}' from non-optional value {}",
                            key.shown(),
                            other.shown()
                        );
                        return Err(text.into());
                    }
                }
            }
            // Go's map takes a key of the same type and value once.
            let same =
                map.entries.iter_mut().find(|(have, _)| have.type_name() == key.type_name() && have.equals(&key));
            match same {
                Some((_, have)) => *have = value,
                None => map.entries.push((key, value)),
            }
        }
        self.charge(if is_constant(node) { 0 } else { 30 })?;
        Ok(Value::Map(Arc::new(map)))
    }

    fn fold(&mut self, fold: &Comprehension) -> Outcome {
        let range = self.evaluate(&fold.range)?;
        let pairs: Vec<(Value, Value)> = match (&range, &fold.second) {
            (Value::List(items, _), None) => items.iter().map(|item| (item.clone(), Value::Null)).collect(),
            (Value::List(items, _), Some(_)) => {
                items.iter().enumerate().map(|(index, item)| (Value::Int(index as i64), item.clone())).collect()
            }
            (Value::Map(map), _) => map.entries.clone(),
            (Value::Object(object), None) => {
                // The iterator of a lazy map gives values, in the order of a Go map's iteration.
                if object.members.len() > 1 && object.type_name != USER_TYPE && order_matters(fold) {
                    return Err(Stop::Unknown("the order of the members of claims".to_owned()));
                }
                object.members.iter().map(|(_, value)| (value.clone(), Value::Null)).collect()
            }
            (Value::Object(_), Some(_)) => return Err(Stop::Unknown("a comprehension over claims".to_owned())),
            (other, None) => return Err(format!("got '{}', expected iterable type", go_type(other)).into()),
            (other, Some(_)) => {
                return Err(format!("unsupported comprehension range type: {}", go_type(other)).into());
            }
        };
        if let Value::Map(map) = &range
            && map.entries.len() > 1
            && order_matters(fold)
        {
            return Err(Stop::Unknown("the order of the entries of a map".to_owned()));
        }
        let depth = self.scopes.len();
        let result = self.steps(fold, pairs, depth);
        self.scopes.truncate(depth);
        result
    }

    fn steps(&mut self, fold: &Comprehension, pairs: Vec<(Value, Value)>, depth: usize) -> Outcome {
        let start = self.evaluate(&fold.start);
        let mut accumulated = start;
        for (first, second) in pairs {
            // An error is a value of the accumulator: it cannot be named in a scope, so it is looked at here.
            let at = self.scopes.len();
            self.scopes.push((fold.accumulator.clone(), Value::Null));
            self.scopes.push((fold.variable.clone(), first));
            if let Some(name) = &fold.second {
                self.scopes.push((name.clone(), second));
            }
            let step = self.step(fold, accumulated, at);
            self.scopes.truncate(depth);
            match step? {
                Next::Go(value) => accumulated = value,
                Next::End(value) => {
                    accumulated = value;
                    break;
                }
            }
        }
        let value = accumulated?;
        self.scopes.push((fold.accumulator.clone(), value));
        self.evaluate(&fold.result)
    }

    fn step(&mut self, fold: &Comprehension, accumulated: Outcome, at: usize) -> Result<Next, Stop> {
        match accumulated {
            Ok(value) => {
                self.scopes[at].1 = value;
                match self.evaluate(&fold.condition)? {
                    Value::Bool(true) => {}
                    _ => return Ok(Next::End(Ok(std::mem::replace(&mut self.scopes[at].1, Value::Null)))),
                }
                Ok(Next::Go(contain(self.grow(&fold.step, &fold.accumulator, at))?))
            }
            Err(Stop::Error(text)) => {
                // `all` and `exists` go on after an error, because a later element may decide.
                let quantifier = match &fold.step.kind {
                    Kind::Call { name, arguments, .. } if name == "_&&_" || name == "_||_" => {
                        Some((name, &arguments[1]))
                    }
                    _ => None,
                };
                let Some((name, predicate)) = quantifier else { return Ok(Next::End(Err(Stop::Error(text)))) };
                self.charge(if name == "_&&_" { 2 } else { 3 })?;
                self.charge(1)?;
                match contain(self.evaluate(predicate))? {
                    Ok(Value::Bool(value)) if value == (name == "_||_") => Ok(Next::Go(Ok(Value::Bool(value)))),
                    _ => Ok(Next::Go(Err(Stop::Error(text)))),
                }
            }
            Err(other) => Err(other),
        }
    }

    /// The step of a comprehension. What only adds one element to the accumulator does so in place, because copying a
    /// long list for each element would take time without cost.
    fn grow(&mut self, step: &Node, accumulator: &str, at: usize) -> Outcome {
        let is_accumulator = |node: &Node| matches!(&node.kind, Kind::Ident(name) if name == accumulator);
        if let Kind::Call { name, target: None, arguments } = &step.kind {
            match (name.as_str(), arguments.as_slice()) {
                ("_+_", [list, more]) if is_accumulator(list) && matches!(self.scopes[at].1, Value::List(..)) => {
                    self.charge(1)?;
                    let more = self.evaluate(more)?;
                    let Value::List(mut items, _) = std::mem::replace(&mut self.scopes[at].1, Value::Null) else {
                        return Err("no such overload".into());
                    };
                    let Value::List(more, _) = more else { return Err("no such overload".into()) };
                    Arc::make_mut(&mut items).extend(more.iter().cloned());
                    self.charge(1)?;
                    return Ok(Value::List(items, false));
                }
                ("_?_:_", [condition, yes, no]) if is_accumulator(no) => {
                    return match self.evaluate(condition)? {
                        Value::Bool(true) => self.grow(yes, accumulator, at),
                        Value::Bool(false) => Ok(std::mem::replace(&mut self.scopes[at].1, Value::Null)),
                        _ => Err("no such overload".into()),
                    };
                }
                _ => {}
            }
        }
        self.evaluate(step)
    }
}

enum Next {
    Go(Outcome),
    End(Outcome),
}

enum Step<'a> {
    Field { field: &'a str, optional: bool, test: bool },
    Index { index: &'a Node, optional: bool },
}

/// An error of CEL stays a value; what ends the evaluation goes on.
fn contain(outcome: Outcome) -> Result<Outcome, Stop> {
    match outcome {
        Err(stop @ (Stop::Cancelled | Stop::Unknown(_) | Stop::Failed(_))) => Err(stop),
        other => Ok(other),
    }
}

/// Whether the result depends on the order of a map's entries, which is random in Go.
fn order_matters(fold: &Comprehension) -> bool {
    match &fold.step.kind {
        Kind::Call { name, .. } if matches!(name.as_str(), "_&&_" | "_||_" | "cel.@mapInsert") => false,
        Kind::Call { name, arguments, .. } if name == "_?_:_" => match &arguments[1].kind {
            // Counting and inserting do not mind.
            Kind::Call { name, arguments, .. } if name == "_+_" => !matches!(arguments[1].kind, Kind::Literal(_)),
            Kind::Call { name, .. } => name != "cel.@mapInsert",
            _ => true,
        },
        _ => true,
    }
}

/// A literal, or a list, map or conversion of literals: cel-go makes a value of it before it runs.
pub(super) fn is_constant(node: &Node) -> bool {
    match &node.kind {
        Kind::Literal(_) | Kind::TypeName(_) => true,
        Kind::List(elements) => elements.iter().all(|(element, _)| is_constant(element)),
        Kind::Map(entries) => entries.iter().all(|entry| is_constant(&entry.key) && is_constant(&entry.value)),
        Kind::Call { name, target: None, arguments } => {
            functions::is_conversion(name) && arguments.len() == 1 && is_constant(&arguments[0])
        }
        _ => false,
    }
}

/// A field or an index. `None` is "not there" where that is no error (interpreter/attributes.go: refQualify).
fn qualify(value: &Value, key: &Value, lenient: bool) -> Result<Option<Value>, Stop> {
    let missing = || if lenient { Ok(None) } else { Err(Stop::Error(format!("no such key: {}", key.shown()))) };
    match value {
        Value::Object(object) => {
            let Value::String(name) = key else { return Err("no such overload".into()) };
            match unescape(name).and_then(|name| object.find(&name)) {
                Some(found) => Ok(Some(found.clone())),
                None => missing(),
            }
        }
        Value::Map(map) => {
            let plain = match key {
                Value::String(name) if map.from_json => unescape(name).map(|name| Value::text(&name)),
                _ => None,
            };
            match map.find(plain.as_ref().unwrap_or(key)) {
                Some(found) => Ok(Some(found.clone())),
                None => missing(),
            }
        }
        Value::List(items, _) => {
            let index = operators::list_index(key)?;
            match usize::try_from(index).ok().and_then(|index| items.get(index)) {
                Some(found) => Ok(Some(found.clone())),
                None if lenient => Ok(None),
                None => Err(format!("index out of bounds: {}", key.shown()).into()),
            }
        }
        _ => missing(),
    }
}

fn literal_value(literal: &Literal) -> Value {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::Uint(value) => Value::Uint(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::String(text) => Value::text(text),
        Literal::Bytes(bytes) => Value::Bytes(Arc::from(bytes.as_slice())),
    }
}

/// A step of a chain of fields and indexes.
fn is_attribute(node: &Node) -> bool {
    match &node.kind {
        Kind::Select { test, .. } => !test,
        Kind::Call { name, target: None, .. } => matches!(name.as_str(), "_[_]" | "_[?_]" | "_?._"),
        _ => false,
    }
}

/// `(c ? a : b).x`: the chain begins with a choice.
fn starts_with_choice(node: &Node) -> bool {
    match &node.kind {
        Kind::Select { operand, .. } => starts_with_choice(operand),
        Kind::Call { name, target: None, arguments } if matches!(name.as_str(), "_[_]" | "_[?_]" | "_?._") => {
            arguments.first().is_some_and(starts_with_choice)
        }
        Kind::Call { name, target: None, .. } => name == "_?_:_",
        _ => false,
    }
}

/// The Go type of a value, as `%T` prints it.
pub(super) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "types.Null",
        Value::Bool(_) => "types.Bool",
        Value::Int(_) => "types.Int",
        Value::Uint(_) => "types.Uint",
        Value::Double(_) => "types.Double",
        Value::String(_) => "types.String",
        Value::Bytes(_) => "types.Bytes",
        Value::Duration(_) => "types.Duration",
        Value::Timestamp(_) => "types.Timestamp",
        Value::List(..) => "*types.baseList",
        Value::Map(_) => "*types.baseMap",
        Value::Object(_) => "*lazy.MapValue",
        Value::Type(_) => "*types.Type",
        Value::Optional(_) => "*types.Optional",
        Value::Url(_) => "cel.URL",
        Value::Ip(_) => "cel.IP",
        Value::Cidr(..) => "cel.CIDR",
        Value::Semver(_) => "cel.Semver",
        Value::Quantity(_) => "cel.Quantity",
        Value::Format(_) => "*cel.Format",
    }
}
