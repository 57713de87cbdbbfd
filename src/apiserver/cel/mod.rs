//! The CEL expressions of an AuthenticationConfiguration, compiled and evaluated as kube-apiserver does.
//!
//! The grammar is the `cel` crate's, which is cel-go's. What comes after it is ours, because the server refuses at
//! start what has the wrong type, and because its own words are what the user sees: macros ([`macros`]), type checker
//! ([`check`], [`unify`]), the looks at literals ([`validate`]) and the evaluator with its costs ([`evaluate`]). The
//! truth is k8s.io/apiserver pkg/authentication/cel; testdata/cel/cases.json holds what it said. Releases 1.34, 1.35 and 1.36
//! have the same environment and the same cel-go (0.26.0); older ones lack some functions.
//!
//! Where this model does not know what the server would do, it says so ([`Fault::Undecided`]).

mod check;
mod declarations;
mod evaluate;
mod functions;
mod macros;
mod source;
mod syntax;
mod types;
mod unify;
mod validate;
mod value;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use evaluate::{Evaluation, Stop};
use source::Source;
use syntax::{Kind, Literal, Node};
use types::Type;
use value::Object;
pub use value::{Map, Value};

/// Longer expressions are not looked at. cel-go's own limit is 100,000 characters.
const LONGEST: usize = 20_000;
/// More open brackets than these are not looked at: the parser needs a megabyte of stack for two or three.
const DEEPEST: usize = 120;
/// Higher trees are not looked at, because the caller has to drop them on a stack of unknown size.
const TALLEST: usize = 1_000;
/// cel-go's own limit of depth (parser/parser.go).
const TOO_DEEP: usize = 250;
/// How the text of an error begins that comes up only when the program is made.
pub const INSTANTIATION_FAILED: &str = "program instantiation failed: ";
/// For the parser, which is recursive and generous with it.
const STACK: usize = 256 << 20;
/// What takes longer is left open.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an expression stands in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// `claimMappings`: username, groups, uid, extra. Has `claims`; any type will do.
    ClaimMapping,
    /// `claimValidationRules`. Has `claims`; must be a bool.
    ClaimValidation,
    /// `userValidationRules`. Has `user`; must be a bool.
    UserValidation,
}

/// Why there is no program, or no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// What the server says, word for word.
    Said(String),
    /// This model does not know what the server does; the text says what it does not know.
    Undecided(String),
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Program {
    node: Arc<Node>,
    place: Place,
    /// It reads `claims.email` or `claims.?email`, which makes the server want a look at `email_verified` as well.
    /// Another spelling, `claims['email']`, does not count.
    pub uses_email: bool,
    /// It reads `claims.email_verified` or `claims.?email_verified`, if only in `has()`.
    pub uses_email_verified: bool,
}

/// Compiles an expression as the server does when it loads its configuration.
///
/// The error is what stands after the field's name and value in the server's message.
pub fn compile(expression: &str, place: Place) -> Result<Program, Fault> {
    if expression.len() > LONGEST {
        return Err(Fault::Undecided(format!("an expression of more than {LONGEST} bytes")));
    }
    if depth_of_brackets(expression) > TOO_DEEP {
        // The parser gives up before it can see any other fault.
        let text = "compilation failed: ERROR: <input>:-1:0: expression recursion limit exceeded: 250";
        return Err(Fault::Said(text.to_owned()));
    }
    if deepest(expression) > DEEPEST {
        return Err(Fault::Undecided(format!("an expression with more than {DEEPEST} levels of brackets")));
    }
    let text = expression.to_owned();
    apart(move || compile_here(&text, place))
}

fn compile_here(expression: &str, place: Place) -> Result<Program, Fault> {
    let source = Source::new(expression);
    let failed = |problems| Fault::Said(format!("compilation failed: {}", source.display(problems)));
    let mut node = syntax::parse(expression, &source).map_err(failed)?;
    if height(&node) > TALLEST {
        // It is dropped here, where there is stack for that.
        return Err(Fault::Undecided(format!("an expression with more than {TALLEST} operators in a row")));
    }
    // The server looks at the names in the tree as it is after the checker.
    let never_a_bool = is_empty_message(&node);
    check::check(&mut node, place, &source).map_err(|refusal| match refusal {
        check::Refusal::Problems(problems) => failed(problems),
        check::Refusal::Unknown(_) if never_a_bool && place != Place::ClaimMapping => {
            Fault::Said("must evaluate to bool".to_owned())
        }
        check::Refusal::Unknown(what) => Fault::Undecided(what),
    })?;
    let problems = validate::validate(&node, &source).map_err(Fault::Undecided)?;
    if !problems.is_empty() {
        return Err(failed(problems));
    }
    if place != Place::ClaimMapping && node.of != Type::Bool {
        return Err(Fault::Said("must evaluate to bool".to_owned()));
    }
    instantiate(&node).map_err(|stop| match stop {
        Stop::Error(text) => Fault::Said(format!("{INSTANTIATION_FAILED}{text}")),
        other => fault(other),
    })?;
    Ok(Program {
        uses_email: uses(&node, "email"),
        uses_email_verified: uses(&node, "email_verified"),
        node: Arc::new(node),
        place,
    })
}

/// What cel-go computes when it makes a program of an expression: conversions and patterns that are constants.
fn instantiate(node: &Node) -> Result<(), Stop> {
    for child in node.children() {
        instantiate(child)?;
    }
    if let Kind::TypeName(Type::Struct(name)) = &node.kind {
        return Err(format!("reference to undefined type: {name}").into());
    }
    let Kind::Call { name, arguments, .. } = &node.kind else { return Ok(()) };
    if let ("_[_]" | "_[?_]", [_, index]) = (name.as_str(), arguments.as_slice())
        && evaluate::is_constant(index)
    {
        let index = Evaluation::constant().evaluate(index)?;
        if !matches!(index, Value::String(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) | Value::Bool(_)) {
            return Err(format!("invalid qualifier type: {}", evaluate::go_type(&index)).into());
        }
    }
    if functions::is_conversion(name) && evaluate::is_constant(node) {
        Evaluation::constant().evaluate(node)?;
    }
    let pattern = match (name.as_str(), &node.kind) {
        ("find" | "findAll" | "matches", Kind::Call { target: Some(_), .. }) => arguments.first(),
        ("matches", _) => arguments.get(1),
        _ => None,
    };
    if let Some(Kind::Literal(Literal::String(pattern))) = pattern.map(|pattern| &pattern.kind) {
        functions::regexes::compile(pattern)?;
    }
    Ok(())
}

/// Whether the tree selects a field of `claims` (pkg/apis/apiserver/validation: hasSelectExp).
fn uses(node: &Node, field: &str) -> bool {
    let is_claims = |node: &Node| matches!(&node.kind, Kind::Ident(name) if name == "claims");
    let here = match &node.kind {
        Kind::Select { operand, field: have, .. } => have == field && is_claims(operand),
        Kind::Call { name, target: None, arguments } if name == "_?._" => match arguments.as_slice() {
            [operand, Node { kind: Kind::Literal(Literal::String(have)), .. }] => have == field && is_claims(operand),
            _ => false,
        },
        _ => false,
    };
    here || node.children().into_iter().any(|child| uses(child, field))
}

impl Program {
    /// Evaluates the expression over the claims of a token, or over a user: an object with `username`, `uid`, `groups`
    /// and `extra`.
    ///
    /// The error is what stands after `resulted in error: ` in the server's message.
    pub fn evaluate(&self, input: &serde_json::Value) -> Result<Value, Fault> {
        self.evaluate_with_cost(input).0
    }

    fn evaluate_with_cost(&self, input: &serde_json::Value) -> (Result<Value, Fault>, u64) {
        let node = Arc::clone(&self.node);
        let (name, object) = match self.place {
            Place::UserValidation => ("user", Object::user(input)),
            _ => ("claims", Object::claims(input)),
        };
        let outcome = apart(move || {
            let mut evaluation = Evaluation::new(name, object);
            let outcome = evaluation.evaluate(&node).map_err(fault);
            Ok((outcome, evaluation.cost))
        });
        outcome.unwrap_or_else(|fault| (Err(fault), 0))
    }
}

fn fault(stop: Stop) -> Fault {
    match stop {
        // Go's texts never have the mark of one that this model does not know.
        Stop::Error(text) if text.contains('\0') => Fault::Undecided("the words of an error".to_owned()),
        Stop::Error(text) | Stop::Failed(text) => Fault::Said(text),
        Stop::Cancelled => Fault::Said("operation cancelled: actual cost limit exceeded".to_owned()),
        Stop::Unknown(what) => Fault::Undecided(what),
    }
}

/// The levels of a tree.
fn height(node: &Node) -> usize {
    1 + node.children().into_iter().map(height).max().unwrap_or(0)
}

/// A message of protocol buffers without fields: cel-go knows these types, and takes none for a bool.
fn is_empty_message(node: &Node) -> bool {
    let Kind::Struct { name, fields } = &node.kind else { return false };
    let known = [
        "Any",
        "BoolValue",
        "Duration",
        "Empty",
        "Int64Value",
        "ListValue",
        "StringValue",
        "Struct",
        "Timestamp",
        "Value",
    ];
    let name = name.strip_prefix('.').unwrap_or(name).strip_prefix("google.protobuf.");
    fields.is_empty() && name.is_some_and(|name| known.contains(&name))
}

/// How deep cel-go's parser goes into an expression that begins with brackets and closes them all; 0 for any other.
fn depth_of_brackets(expression: &str) -> usize {
    let bytes: Vec<u8> = expression.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let opened = bytes.iter().take_while(|byte| b"([".contains(byte)).count();
    let count = |which: &[u8]| bytes.iter().filter(|byte| which.contains(byte)).count();
    if count(b"([") != count(b")]") {
        return 0;
    }
    // The whole is a level, and what is in each pair; in the innermost one there may be nothing.
    if bytes.get(opened) == Some(&b']') { opened } else { opened + 1 }
}

/// How many brackets are open at once, those in texts included.
fn deepest(expression: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in expression.bytes() {
        match byte {
            b'(' | b'[' | b'{' | b'?' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// Runs something on a thread of its own with a large stack, and does not wait for ever. The thread ends by itself: what it
/// parses is short, and what it evaluates has a limit of cost.
fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    let (sender, receiver) = mpsc::channel();
    let started = thread::Builder::new().name("cel".to_owned()).stack_size(STACK).spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(work());
    });
    if started.is_err() {
        return Err(Fault::Undecided("no thread to run the expression on".to_owned()));
    }
    match receiver.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Fault::Undecided("the expression takes too long".to_owned())),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(Fault::Undecided("the parser failed".to_owned())),
    }
}
