//! RBAC lists as JSON, read element by element: nothing is held but what is kept and paid for.

use std::borrow::Cow;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::budget::{Bill, Budget, Spent};
use super::item::{self, Fault, Item, RawRule};
use super::selector::{Aggregation, Expression, Labels, Selector};
use crate::evidence::rbac::{Kind, Subject};

/// Gives each object of a list of this kind; the value is where the next page begins, empty at the end.
///
/// # Errors
/// When the list was not read to its end; what came before was given.
pub fn each(kind: &str, body: &[u8], budget: &Budget, take: &mut dyn FnMut(Item<'_>) -> bool) -> Result<String, Fault> {
    let items = Items { is_binding: kind.ends_with("Binding"), budget, take, spent: false, stopped: false };
    let mut whole = Whole { items, has_items: false, kind: String::new(), next: String::new() };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let result = Object(&mut whole).deserialize(&mut reader).and_then(|is_object| reader.end().map(|()| is_object));
    match result {
        _ if whole.items.stopped => Err(Fault::Stopped),
        _ if whole.items.spent => Err(Fault::Spent),
        // Go writes the items of every list, null where there are none.
        Ok(true) if whole.has_items && (whole.kind.is_empty() || whole.kind.ends_with("List")) => Ok(whole.next),
        _ => Err(Fault::Malformed),
    }
}

/// What takes the members of an object.
trait Members<'a> {
    /// The value of this member is next.
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// What takes the elements of a list.
trait Elements<'a> {
    /// Reads the next; false at the end.
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error>;
}

/// An object, or null: then it is false.
struct Object<'t, R>(&'t mut R);

impl<'a, R: Members<'a>> DeserializeSeed<'a> for Object<'_, R> {
    type Value = bool;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, R: Members<'a>> Visitor<'a> for Object<'_, R> {
    type Value = bool;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(name) = map.next_key::<Cow<'a, str>>()? {
            self.0.member(&name, &mut map)?;
        }
        Ok(true)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// A list, or null, as Go writes one that was never made.
struct List<'t, R>(&'t mut R);

impl<'a, R: Elements<'a>> DeserializeSeed<'a> for List<'_, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a, R: Elements<'a>> Visitor<'a> for List<'_, R> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        while self.0.element(&mut list)? {}
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

fn skip<'a, A: MapAccess<'a>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// Ends the reading; the bill knows why.
fn paid<T, E: Error>(result: Result<T, Spent>) -> Result<T, E> {
    result.map_err(|Spent| E::custom("too large"))
}

/// A text, paid for.
fn text<'a, A: MapAccess<'a>>(map: &mut A, bill: &mut Bill<'_>) -> Result<String, A::Error> {
    let text = map.next_value::<Option<String>>()?.unwrap_or_default();
    paid::<(), A::Error>(item::text(bill, &text))?;
    Ok(text)
}

/// The name of a kind, paid for.
fn kind<'a, A: MapAccess<'a>>(map: &mut A, bill: &mut Bill<'_>) -> Result<Kind, A::Error> {
    let name = map.next_value::<Option<String>>()?.unwrap_or_default();
    paid(item::kind(bill, &name))
}

struct Whole<'t, 'b> {
    items: Items<'t, 'b>,
    has_items: bool,
    kind: String,
    next: String,
}

impl<'a> Members<'a> for Whole<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "items" => {
                self.has_items = true;
                map.next_value_seed(List(&mut self.items))
            }
            "kind" => {
                self.kind = map.next_value::<Option<String>>()?.unwrap_or_default();
                Ok(())
            }
            "metadata" => map.next_value_seed(Object(&mut ListMeta(&mut self.next))).map(|_| ()),
            _ => skip(map),
        }
    }
}

struct ListMeta<'t>(&'t mut String);

impl<'a> Members<'a> for ListMeta<'_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name != "continue" {
            return skip(map);
        }
        *self.0 = map.next_value::<Option<String>>()?.unwrap_or_default();
        Ok(())
    }
}

struct Items<'t, 'b> {
    is_binding: bool,
    budget: &'b Budget,
    take: &'t mut dyn FnMut(Item<'_>) -> bool,
    spent: bool,
    stopped: bool,
}

impl<'a> Elements<'a> for Items<'_, '_> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut object = One { item: Item::new(self.budget), is_binding: self.is_binding };
        let result = list.next_element_seed(Object(&mut object));
        let mut item = object.item;
        self.spent |= item.bill.spent;
        if result?.is_none() {
            return Ok(false);
        }
        let finished = item.finish();
        self.spent |= finished.is_err();
        paid::<(), A::Error>(finished)?;
        if !(self.take)(item) {
            self.stopped = true;
            return Err(A::Error::custom("enough"));
        }
        Ok(true)
    }
}

struct One<'b> {
    item: Item<'b>,
    is_binding: bool,
}

impl<'a> Members<'a> for One<'_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "metadata" => {
                let mut meta = Meta { item: &mut self.item, with_labels: !self.is_binding };
                map.next_value_seed(Object(&mut meta)).map(|_| ())
            }
            "roleRef" if self.is_binding => map.next_value_seed(Object(&mut RoleRef(&mut self.item))).map(|_| ()),
            "subjects" if self.is_binding => map.next_value_seed(List(&mut Subjects(&mut self.item))),
            "rules" if !self.is_binding => map.next_value_seed(List(&mut Rules(&mut self.item))),
            "aggregationRule" if !self.is_binding => {
                let mut read = Aggregating { selectors: Vec::new(), bill: &mut self.item.bill };
                let is_one = map.next_value_seed(Object(&mut read))?;
                let selectors = read.selectors;
                self.item.aggregation = is_one.then_some(Aggregation { cluster_role_selectors: Some(selectors) });
                Ok(())
            }
            _ => skip(map),
        }
    }
}

struct Meta<'t, 'b> {
    item: &'t mut Item<'b>,
    with_labels: bool,
}

impl<'a> Members<'a> for Meta<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let Item { bill, name: own, namespace, labels, .. } = &mut *self.item;
        match name {
            "name" => *own = text(map, bill)?,
            "namespace" => *namespace = text(map, bill)?,
            "labels" if self.with_labels => {
                map.next_value_seed(Object(&mut LabelsOf(labels, bill)))?;
            }
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct LabelsOf<'t, 'b>(&'t mut Labels, &'t mut Bill<'b>);

impl<'a> Members<'a> for LabelsOf<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let value = map.next_value::<Option<String>>()?.unwrap_or_default();
        paid(item::add_label(self.0, self.1, name.to_owned(), value))
    }
}

struct RoleRef<'t, 'b>(&'t mut Item<'b>);

impl<'a> Members<'a> for RoleRef<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let Item { bill, role_kind, role_name, .. } = &mut *self.0;
        match name {
            "kind" => *role_kind = kind(map, bill)?,
            "name" => *role_name = text(map, bill)?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Subjects<'t, 'b>(&'t mut Item<'b>);

impl<'a> Elements<'a> for Subjects<'_, '_> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut one = OneSubject { subject: Subject::default(), bill: &mut self.0.bill };
        if list.next_element_seed(Object(&mut one))?.is_none() {
            return Ok(false);
        }
        let subject = one.subject;
        paid::<(), A::Error>(self.0.add_subject(subject))?;
        Ok(true)
    }
}

struct OneSubject<'t, 'b> {
    subject: Subject,
    bill: &'t mut Bill<'b>,
}

impl<'a> Members<'a> for OneSubject<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "kind" => self.subject.kind = kind(map, self.bill)?,
            "name" => self.subject.name = text(map, self.bill)?,
            "namespace" => self.subject.namespace = text(map, self.bill)?,
            _ => skip(map)?,
        }
        Ok(())
    }
}

struct Rules<'t, 'b>(&'t mut Item<'b>);

impl<'a> Elements<'a> for Rules<'_, '_> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut one = OneRule { rule: RawRule::default(), bill: &mut self.0.bill };
        if list.next_element_seed(Object(&mut one))?.is_none() {
            return Ok(false);
        }
        let rule = one.rule;
        paid::<(), A::Error>(self.0.add_rule(rule))?;
        Ok(true)
    }
}

struct OneRule<'t, 'b> {
    rule: RawRule,
    bill: &'t mut Bill<'b>,
}

impl<'a> Members<'a> for OneRule<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let list = match name {
            "verbs" => &mut self.rule.verbs,
            "apiGroups" => &mut self.rule.api_groups,
            "resources" => &mut self.rule.resources,
            "resourceNames" => &mut self.rule.resource_names,
            "nonResourceURLs" => &mut self.rule.paths,
            _ => return skip(map),
        };
        map.next_value_seed(List(&mut Texts(list, self.bill)))
    }
}

struct Texts<'t, 'b>(&'t mut Vec<String>, &'t mut Bill<'b>);

impl<'a> Elements<'a> for Texts<'_, '_> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let Some(text) = list.next_element::<Option<String>>()? else { return Ok(false) };
        paid::<(), A::Error>(item::add_text(self.0, self.1, text.unwrap_or_default()))?;
        Ok(true)
    }
}

struct Aggregating<'t, 'b> {
    selectors: Vec<Selector>,
    bill: &'t mut Bill<'b>,
}

impl<'a> Members<'a> for Aggregating<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        if name != "clusterRoleSelectors" {
            return skip(map);
        }
        map.next_value_seed(List(&mut Selectors(&mut self.selectors, self.bill)))
    }
}

struct Selectors<'t, 'b>(&'t mut Vec<Selector>, &'t mut Bill<'b>);

impl<'a> Elements<'a> for Selectors<'_, '_> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut one = OneSelector { labels: Labels::new(), expressions: Vec::new(), bill: &mut *self.1 };
        if list.next_element_seed(Object(&mut one))?.is_none() {
            return Ok(false);
        }
        let selector = Selector { match_labels: Some(one.labels), match_expressions: Some(one.expressions) };
        paid::<(), A::Error>(item::add(self.0, self.1, selector))?;
        Ok(true)
    }
}

struct OneSelector<'t, 'b> {
    labels: Labels,
    expressions: Vec<Expression>,
    bill: &'t mut Bill<'b>,
}

impl<'a> Members<'a> for OneSelector<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "matchLabels" => map.next_value_seed(Object(&mut LabelsOf(&mut self.labels, self.bill))).map(|_| ()),
            "matchExpressions" => map.next_value_seed(List(&mut Expressions(&mut self.expressions, self.bill))),
            _ => skip(map),
        }
    }
}

struct Expressions<'t, 'b>(&'t mut Vec<Expression>, &'t mut Bill<'b>);

impl<'a> Elements<'a> for Expressions<'_, '_> {
    fn element<A: SeqAccess<'a>>(&mut self, list: &mut A) -> Result<bool, A::Error> {
        let mut one = OneExpression { read: Expression::default(), values: Vec::new(), bill: &mut *self.1 };
        if list.next_element_seed(Object(&mut one))?.is_none() {
            return Ok(false);
        }
        let expression = Expression { values: Some(one.values), ..one.read };
        paid::<(), A::Error>(item::add(self.0, self.1, expression))?;
        Ok(true)
    }
}

struct OneExpression<'t, 'b> {
    read: Expression,
    values: Vec<String>,
    bill: &'t mut Bill<'b>,
}

impl<'a> Members<'a> for OneExpression<'_, '_> {
    fn member<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "key" => self.read.key = text(map, self.bill)?,
            "operator" => self.read.operator = text(map, self.bill)?,
            "values" => map.next_value_seed(List(&mut Texts(&mut self.values, self.bill)))?,
            _ => skip(map)?,
        }
        Ok(())
    }
}
