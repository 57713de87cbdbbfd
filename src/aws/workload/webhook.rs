//! Which Pods the webhook passes over: what its selectors ask of the labels of a Pod and its namespace.

use serde_json::Value;

use super::Judgement;
use crate::evidence::workload::{Namespace, Template, is_kept_label};
use crate::text::pointer_part;

/// Annotation of a Pod: the containers that the webhook gives nothing, with commas between them.
pub const SKIP_CONTAINERS: &str = "eks.amazonaws.com/skip-containers";

/// The webhook is told to leave this container of a template alone. It takes the names as they stand, blanks included; a list
/// with quotes is not judged here.
///
/// Source: `parseContainersToSkip` in amazon-eks-pod-identity-webhook's `pkg/handler`.
pub(super) fn is_skipped(template: &Template, name: &str) -> bool {
    let list = template.annotations.get(SKIP_CONTAINERS);
    let line = list.and_then(|list| list.lines().next()).filter(|line| !line.contains('"'));
    line.is_some_and(|line| line.split(',').any(|one| one == name))
}

/// The labels that a selector is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Labelled {
    /// Those of the Pod.
    Pod,
    /// Those of the template that the next Pod is made of.
    Template,
    /// Those of the namespace.
    Namespace,
}

/// The webhook leaves the next Pod as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// Whose labels do not fit.
    pub whose: Labelled,
    /// The label that is in the way, where it is one that is there and should not be.
    pub label: Option<(String, String)>,
    /// The selector, as JSON.
    pub selector: String,
    /// Pointer to what does not fit.
    pub at: String,
}

impl Judgement<'_> {
    /// The webhook passes over a Pod that is made now: by the labels of the template that it would be made of, else by the
    /// Pod's own, and by those of the namespace. Nothing where it does not, or where that is not known.
    pub fn passed_over(&self) -> Option<PassedOver> {
        let text = self.workload.webhook.seen()?.selectors.as_deref()?;
        let pod = self.workload.pod.seen().map(|pod| (&pod.template, Labelled::Pod, "/workload/pod/seen/template"));
        let owner = self.workload.owner.seen();
        let owner = owner.map(|owner| (&owner.template, Labelled::Template, "/workload/owner/seen/template"));
        let made_of = owner.or(pod).map(|(template, whose, at): (&Template, _, _)| (&template.labels, whose, at));
        let namespace = self.workload.namespace.seen();
        let namespace = namespace.map(|one: &Namespace| (&one.labels, Labelled::Namespace, "/workload/namespace/seen"));
        let looks = [("objectSelector", made_of), ("namespaceSelector", namespace)];
        looks.into_iter().find_map(|(name, look)| {
            let selector = selector(text, name)?;
            let (labels, whose, at) = look?;
            let labels = labels.as_ref()?;
            let value = |key: &str| labels.get(key).map(String::as_str);
            let label = missed(&selector, value)?;
            let at = match &label {
                Some((key, _)) => format!("{at}/labels/{}", pointer_part(key)),
                None => format!("{at}/labels"),
            };
            Some(PassedOver { whose, label, selector: format!("{name}: {selector}"), at })
        })
    }

    /// The annotation by which the webhook leaves every container of a Pod that is made now alone, with the pointer to it.
    pub fn all_skipped(&self) -> Option<String> {
        let pod = self.workload.pod.seen().map(|pod| (&pod.template, "/workload/pod/seen/template"));
        let owner = self.workload.owner.seen().map(|owner| (&owner.template, "/workload/owner/seen/template"));
        let (template, at) = owner.or(pod)?;
        let mut containers = template.containers.iter().filter(|container| !container.init).peekable();
        let there = containers.peek().is_some();
        (there && containers.all(|container| is_skipped(template, &container.name)))
            .then(|| format!("{at}/annotations/{}", pointer_part(SKIP_CONTAINERS)))
    }

    /// The pointer to that annotation of the Pod, or of the template that was looked at.
    pub(super) fn skip_at(&self) -> String {
        let at = self.template().map_or("/workload/pod/seen/template", |(_, at)| at);
        format!("{at}/annotations/{}", pointer_part(SKIP_CONTAINERS))
    }
}

/// One of the webhook's selectors.
fn selector(text: &str, name: &str) -> Option<Value> {
    let (_, rest) = text.split_once(&format!("{name}: "))?;
    serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()
}

/// A requirement of a selector that the labels do not fulfil, with the label that is there and should not be. Of keys that
/// are not kept nothing is known.
fn missed<'a>(selector: &Value, value: impl Fn(&str) -> Option<&'a str>) -> Option<Option<(String, String)>> {
    let wanted = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    for (key, wanted) in wanted.filter(|(key, _)| is_kept_label(key)) {
        if value(key) != wanted.as_str() {
            return Some(None);
        }
    }
    for one in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let Some(key) = one.get("key").and_then(Value::as_str).filter(|key| is_kept_label(key)) else { continue };
        let listed = one.get("values").and_then(Value::as_array).into_iter().flatten();
        let mut listed = listed.filter_map(Value::as_str);
        let there = value(key);
        match one.get("operator").and_then(Value::as_str) {
            Some("Exists") if there.is_none() => return Some(None),
            Some("In") if there.is_none_or(|there| !listed.any(|one| one == there)) => return Some(None),
            Some("DoesNotExist") => {
                if let Some(there) = there {
                    return Some(Some((key.to_owned(), there.to_owned())));
                }
            }
            Some("NotIn") => {
                if let Some(there) = there.filter(|there| listed.any(|one| one == *there)) {
                    return Some(Some((key.to_owned(), there.to_owned())));
                }
            }
            _ => {}
        }
    }
    None
}
