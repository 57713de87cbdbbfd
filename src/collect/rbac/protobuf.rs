//! RBAC lists as protobuf, read field by field.
//!
//! Field numbers: Kubernetes' `api/rbac/v1/generated.proto` and `apimachinery/pkg/apis/meta/v1/generated.proto`.

use super::budget::{Bill, Budget};
use super::item::{self, Fault, Item, RawRule};
use super::selector::{Aggregation, Expression, Labels, Selector};
use crate::collect::proto::{self, fields};
use crate::evidence::rbac::Subject;

/// Gives each object of a list of this kind; the value is where the next page begins, empty at the end. The body is what
/// follows the magic number.
///
/// # Errors
/// When the list was not read to its end; what came before was given.
pub fn each(
    kind: &str,
    envelope: &[u8],
    budget: &Budget,
    take: &mut dyn FnMut(Item<'_>) -> bool,
) -> Result<String, Fault> {
    let is_binding = kind.ends_with("Binding");
    // What says of itself that it is something else is not read by these numbers.
    if proto::kind(envelope).and_then(|told| told.strip_suffix(b"List")) != Some(kind.as_bytes()) {
        return Err(Fault::Malformed);
    }
    let mut next = String::new();
    for field in members(proto::unwrapped(envelope).ok_or(Fault::Malformed)?) {
        match field? {
            // ListMeta.continue
            (1, meta) => {
                for field in members(meta) {
                    if let (3, value) = field? {
                        next = proto::text(value);
                    }
                }
            }
            (2, value) => {
                let mut item = Item::new(budget);
                if is_binding {
                    binding(value, &mut item)?;
                } else {
                    role(value, &mut item)?;
                }
                item.finish()?;
                if !take(item) {
                    return Err(Fault::Stopped);
                }
            }
            _ => {}
        }
    }
    Ok(next)
}

fn members(message: &[u8]) -> impl Iterator<Item = Result<(u64, &[u8]), Fault>> {
    fields(message).map(|field| field.ok_or(Fault::Malformed))
}

/// A text, paid for.
fn text(value: &[u8], bill: &mut Bill<'_>) -> Result<String, Fault> {
    let text = proto::text(value);
    item::text(bill, &text)?;
    Ok(text)
}

/// ObjectMeta: name, namespace and, where they are wanted, labels.
fn metadata(meta: &[u8], item: &mut Item<'_>, with_labels: bool) -> Result<(), Fault> {
    for field in members(meta) {
        match field? {
            (1, value) => item.name = text(value, &mut item.bill)?,
            (3, value) => item.namespace = text(value, &mut item.bill)?,
            (11, entry) if with_labels => label(entry, &mut item.labels, &mut item.bill)?,
            _ => {}
        }
    }
    Ok(())
}

/// One entry of a map of texts.
fn label(entry: &[u8], labels: &mut Labels, bill: &mut Bill<'_>) -> Result<(), Fault> {
    let (mut key, mut value) = (String::new(), String::new());
    for field in members(entry) {
        match field? {
            (1, text) => key = proto::text(text),
            (2, text) => value = proto::text(text),
            _ => {}
        }
    }
    item::add_label(labels, bill, key, value)?;
    Ok(())
}

fn binding(message: &[u8], item: &mut Item<'_>) -> Result<(), Fault> {
    for field in members(message) {
        match field? {
            (1, meta) => metadata(meta, item, false)?,
            (2, value) => {
                let mut subject = Subject::default();
                for field in members(value) {
                    match field? {
                        (1, value) => subject.kind = item::kind(&mut item.bill, &proto::text(value))?,
                        (3, value) => subject.name = text(value, &mut item.bill)?,
                        (4, value) => subject.namespace = text(value, &mut item.bill)?,
                        _ => {}
                    }
                }
                item.add_subject(subject)?;
            }
            (3, value) => {
                for field in members(value) {
                    match field? {
                        (2, value) => item.role_kind = item::kind(&mut item.bill, &proto::text(value))?,
                        (3, value) => item.role_name = text(value, &mut item.bill)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn role(message: &[u8], item: &mut Item<'_>) -> Result<(), Fault> {
    for field in members(message) {
        match field? {
            (1, meta) => metadata(meta, item, true)?,
            (2, value) => {
                let mut rule = RawRule::default();
                for field in members(value) {
                    let (number, value) = field?;
                    let list = match number {
                        1 => &mut rule.verbs,
                        2 => &mut rule.api_groups,
                        3 => &mut rule.resources,
                        4 => &mut rule.resource_names,
                        5 => &mut rule.paths,
                        _ => continue,
                    };
                    item::add_text(list, &mut item.bill, proto::text(value))?;
                }
                item.add_rule(rule)?;
            }
            (3, value) => item.aggregation = Some(aggregation(value, &mut item.bill)?),
            _ => {}
        }
    }
    Ok(())
}

fn aggregation(rule: &[u8], bill: &mut Bill<'_>) -> Result<Aggregation, Fault> {
    let mut selectors = Vec::new();
    for field in members(rule) {
        let (1, value) = field? else { continue };
        let (mut labels, mut expressions) = (Labels::new(), Vec::new());
        for field in members(value) {
            match field? {
                (1, entry) => label(entry, &mut labels, bill)?,
                (2, value) => {
                    let (mut expression, mut values) = (Expression::default(), Vec::new());
                    for field in members(value) {
                        match field? {
                            (1, value) => expression.key = text(value, bill)?,
                            (2, value) => expression.operator = text(value, bill)?,
                            (3, value) => item::add_text(&mut values, bill, proto::text(value))?,
                            _ => {}
                        }
                    }
                    item::add(&mut expressions, bill, Expression { values: Some(values), ..expression })?;
                }
                _ => {}
            }
        }
        let selector = Selector { match_labels: Some(labels), match_expressions: Some(expressions) };
        item::add(&mut selectors, bill, selector)?;
    }
    Ok(Aggregation { cluster_role_selectors: Some(selectors) })
}
