//! The macros of Kubernetes' CEL environment (cel-go parser/macro.go, cel/library.go, ext/comprehensions.go, ext/lists.go).

use super::syntax::{Comprehension, Kind, Literal, Node};

/// The variable that a comprehension collects in. Expressions cannot name it.
const ACCUMULATOR: &str = "@result";
/// What it was once; no variable may be called that.
const OLD_ACCUMULATOR: &str = "__result__";

const OVERWRITES: &str = "iteration variable overwrites accumulator variable";
const NO_NAME: &str = "argument must be a simple name";

/// Where and why a macro cannot be expanded.
type Refused = (usize, String);

/// The call, or what stands for it if it is a macro.
pub(super) fn expand(at: usize, name: String, target: Option<Node>, mut arguments: Vec<Node>) -> Result<Node, Refused> {
    let Some(target) = target else {
        if name == "has" && arguments.len() == 1 {
            return has(at, arguments.remove(0));
        }
        return Ok(Node::new(at, Kind::Call { name, target: None, arguments }));
    };
    match (name.as_str(), arguments.len()) {
        ("all" | "exists" | "exists_one", 2) => {
            let variable = variable(&arguments[0], NO_NAME)?;
            Ok(quantifier(at, &name, target, variable, None, arguments.remove(1)))
        }
        ("all" | "exists" | "existsOne" | "exists_one", 3) => {
            let (first, second) = two_variables(&arguments)?;
            Ok(quantifier(at, &name, target, first, Some(second), arguments.remove(2)))
        }
        ("map", 2 | 3) => {
            let variable = variable(&arguments[0], "argument is not an identifier")?;
            let function = arguments.pop();
            let filter = (arguments.len() == 2).then(|| arguments.remove(1));
            Ok(transform(at, target, variable, None, filter, function))
        }
        ("filter", 2) => {
            let filter = arguments.pop();
            let name = variable(&arguments[0], "argument is not an identifier")?;
            Ok(transform(at, target, name, None, filter, arguments.pop()))
        }
        ("transformList", 3 | 4) => {
            let (first, second) = two_variables(&arguments)?;
            let function = arguments.pop();
            let filter = (arguments.len() == 3).then(|| arguments.remove(2));
            Ok(transform(at, target, first, Some(second), filter, function))
        }
        ("transformMap" | "transformMapEntry", 3 | 4) => {
            let (first, second) = two_variables(&arguments)?;
            let function = arguments.pop();
            let filter = (arguments.len() == 3).then(|| arguments.remove(2));
            let mut inserted = vec![Node::ident(at, ACCUMULATOR)];
            if name == "transformMap" {
                inserted.push(Node::ident(at, &first));
            }
            inserted.extend(function);
            let step = filtered(at, filter, Node::call(at, "cel.@mapInsert", inserted));
            let start = Node::new(at, Kind::Map(Vec::new()));
            let always = Node::literal(at, Literal::Bool(true));
            Ok(fold(at, target, first, Some(second), start, always, step, Node::ident(at, ACCUMULATOR)))
        }
        ("optMap" | "optFlatMap", 2) => optional(at, &name, target, arguments),
        ("sortBy", 2) => sort_by(at, target, arguments),
        _ => Ok(Node::member(at, target, &name, arguments)),
    }
}

fn has(at: usize, argument: Node) -> Result<Node, Refused> {
    match argument.kind {
        Kind::Select { operand, field, .. } => Ok(Node::new(at, Kind::Select { operand, field, test: true })),
        _ => Err((argument.at, "invalid argument to has() macro".to_owned())),
    }
}

fn quantifier(at: usize, name: &str, target: Node, first: String, second: Option<String>, predicate: Node) -> Node {
    let so_far = || Node::ident(at, ACCUMULATOR);
    match name {
        "all" => {
            let condition = Node::call(at, "@not_strictly_false", vec![so_far()]);
            let step = Node::call(at, "_&&_", vec![so_far(), predicate]);
            fold(at, target, first, second, Node::literal(at, Literal::Bool(true)), condition, step, so_far())
        }
        "exists" => {
            let not = Node::call(at, "!_", vec![so_far()]);
            let condition = Node::call(at, "@not_strictly_false", vec![not]);
            let step = Node::call(at, "_||_", vec![so_far(), predicate]);
            fold(at, target, first, second, Node::literal(at, Literal::Bool(false)), condition, step, so_far())
        }
        _ => {
            let one = || Node::literal(at, Literal::Int(1));
            let more = Node::call(at, "_+_", vec![so_far(), one()]);
            let step = Node::call(at, "_?_:_", vec![predicate, more, so_far()]);
            let result = Node::call(at, "_==_", vec![so_far(), one()]);
            let always = Node::literal(at, Literal::Bool(true));
            fold(at, target, first, second, Node::literal(at, Literal::Int(0)), always, step, result)
        }
    }
}

/// `map`, `filter` and `transformList`: a list that grows by one element.
fn transform(
    at: usize,
    target: Node,
    first: String,
    second: Option<String>,
    filter: Option<Node>,
    element: Option<Node>,
) -> Node {
    let list = Node::new(at, Kind::List(element.into_iter().map(|element| (element, false)).collect()));
    let step = filtered(at, filter, Node::call(at, "_+_", vec![Node::ident(at, ACCUMULATOR), list]));
    let start = Node::new(at, Kind::List(Vec::new()));
    let always = Node::literal(at, Literal::Bool(true));
    fold(at, target, first, second, start, always, step, Node::ident(at, ACCUMULATOR))
}

fn filtered(at: usize, filter: Option<Node>, step: Node) -> Node {
    match filter {
        Some(filter) => Node::call(at, "_?_:_", vec![filter, step, Node::ident(at, ACCUMULATOR)]),
        None => step,
    }
}

fn optional(at: usize, name: &str, target: Node, mut arguments: Vec<Node>) -> Result<Node, Refused> {
    let body = arguments.pop();
    let variable = match &arguments[0].kind {
        Kind::Ident(name) => name.clone(),
        _ => return Err((arguments[0].at, format!("{name}() variable name must be a simple identifier"))),
    };
    let value = Node::member(at, target.clone(), "value", Vec::new());
    let bound = bind(at, &variable, value, body.unwrap_or_else(|| Node::ident(at, &variable)));
    let some = if name == "optMap" { Node::call(at, "optional.of", vec![bound]) } else { bound };
    let none = Node::call(at, "optional.none", Vec::new());
    Ok(Node::call(at, "_?_:_", vec![Node::member(at, target, "hasValue", Vec::new()), some, none]))
}

fn sort_by(at: usize, target: Node, mut arguments: Vec<Node>) -> Result<Node, Refused> {
    const INPUT: &str = "@__sortBy_input__";
    if matches!(target.kind, Kind::Literal(_) | Kind::Map(_) | Kind::Struct { .. } | Kind::TypeName(_)) {
        let message = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
        return Err((target.at, message.to_owned()));
    }
    let variable = variable(&arguments[0], "argument is not an identifier")?;
    let keys = transform(at, Node::ident(at, INPUT), variable, None, None, arguments.pop());
    let sorted = Node::member(at, Node::ident(at, INPUT), "@sortByAssociatedKeys", vec![keys]);
    Ok(bind(at, INPUT, target, sorted))
}

/// A comprehension over nothing, whose accumulator is a local variable.
fn bind(at: usize, variable: &str, value: Node, body: Node) -> Node {
    Node::new(
        at,
        Kind::Comprehension(Box::new(Comprehension {
            range: Node::new(at, Kind::List(Vec::new())),
            variable: "#unused".to_owned(),
            second: None,
            accumulator: variable.to_owned(),
            start: value,
            condition: Node::literal(at, Literal::Bool(false)),
            step: Node::ident(at, variable),
            result: body,
        })),
    )
}

#[allow(clippy::too_many_arguments)]
fn fold(
    at: usize,
    range: Node,
    variable: String,
    second: Option<String>,
    start: Node,
    condition: Node,
    step: Node,
    result: Node,
) -> Node {
    let accumulator = ACCUMULATOR.to_owned();
    let fold = Comprehension { range, variable, second, accumulator, start, condition, step, result };
    Node::new(at, Kind::Comprehension(Box::new(fold)))
}

fn variable(argument: &Node, otherwise: &str) -> Result<String, Refused> {
    match &argument.kind {
        Kind::Ident(name) if name == OLD_ACCUMULATOR => Err((argument.at, OVERWRITES.to_owned())),
        Kind::Ident(name) => Ok(name.clone()),
        _ => Err((argument.at, otherwise.to_owned())),
    }
}

fn two_variables(arguments: &[Node]) -> Result<(String, String), Refused> {
    let name = |argument: &Node| match &argument.kind {
        Kind::Ident(name) => Ok(name.clone()),
        _ => Err((argument.at, NO_NAME.to_owned())),
    };
    let (first, second) = (name(&arguments[0])?, name(&arguments[1])?);
    if first == second {
        return Err((arguments[1].at, format!("duplicate variable name: {first}")));
    }
    variable(&arguments[0], NO_NAME)?;
    variable(&arguments[1], NO_NAME)?;
    Ok((first, second))
}
