//! kubectl's words for a question: `VERB TYPE/NAME`, with what kaccess adds.

use std::sync::OnceLock;

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::apiserver::authz::request;
use crate::apiserver::authz::resources::{self, Worded};
use crate::cli::warn;
use crate::collect::api_types::{self, Copy};
use crate::collect::apiserver::Api;
use crate::evidence::access::Question;
use crate::evidence::{Failure, FailureKind};
use crate::text::nearest;

/// The words of one question.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Verb.
    pub verb: String,
    /// Type, perhaps with name or subresource, or a path.
    pub resource: String,
    /// Name.
    pub name: Option<String>,
    /// Subresource.
    pub subresource: Option<String>,
    /// In all namespaces.
    pub all_namespaces: bool,
    /// The namespace, where it is not the context's.
    pub namespace: Option<String>,
}

impl Words {
    /// The question about a path. A subresource without a name is none, as it is to kubectl.
    fn of_path(&self) -> Result<Question, Failure> {
        if self.name.is_some() || self.subresource.as_ref().is_some_and(|subresource| !subresource.is_empty()) {
            return Err(Failure::new(FailureKind::Malformed, "a path has neither name nor subresource"));
        }
        Ok(Question { verb: self.verb.clone(), path: Some(self.resource.clone()), ..Question::default() })
    }
}

/// A resource type of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Type {
    /// API group.
    pub group: String,
    /// Plural name.
    pub name: String,
    /// Singular name.
    pub singular: String,
    /// Short names.
    pub short: Vec<String>,
    /// Lives in namespaces.
    pub namespaced: bool,
    /// Subresources.
    pub subresources: Vec<String>,
}

impl From<&resources::Resource> for Type {
    fn from(resource: &resources::Resource) -> Self {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Self {
            group: resource.group.to_owned(),
            name: resource.name.to_owned(),
            singular: resource.singular.to_owned(),
            short: own(resource.short),
            namespaced: resource.namespaced,
            subresources: own(resource.subresources),
        }
    }
}

impl Type {
    /// A type that nobody knows, as it was written: it is asked about all the same, as kubectl does.
    pub fn unknown(word: &str) -> Self {
        let (name, group) = word.split_once('.').unwrap_or((word, ""));
        Self { group: group.to_owned(), name: name.to_owned(), ..everything() }
    }
}

impl Worded for Type {
    fn group(&self) -> &str {
        &self.group
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.singular == name || self.short.iter().any(|short| short == name)
    }
}

/// The types: the compiled table, and the server's own list where that is not enough, asked once and kept on disk.
pub struct Types<'a> {
    api: &'a Api,
    copy: Copy,
    kept: OnceCell<Option<Vec<Type>>>,
    asked: OnceCell<Vec<Type>>,
    warned: OnceLock<std::sync::Mutex<Vec<String>>>,
}

impl<'a> Types<'a> {
    /// Nothing is asked yet.
    pub fn new(api: &'a Api, copy: Copy) -> Self {
        Self { api, copy, kept: OnceCell::new(), asked: OnceCell::new(), warned: OnceLock::new() }
    }

    /// What the server lists, or listed a short while ago; empty where it does not answer in the form of 1.27 and later.
    pub async fn discovered(&self) -> &[Type] {
        match self.kept().await {
            Some(types) => types,
            None => self.asked().await,
        }
    }

    async fn kept(&self) -> Option<&[Type]> {
        let kept = self.kept.get_or_init(|| async { self.copy.read().map(|list| types_of(&list)) }).await;
        kept.as_deref().filter(|types| !types.is_empty())
    }

    async fn asked(&self) -> &[Type] {
        let ask = || async {
            let Ok(list) = api_types::fetch(self.api).await else { return Vec::new() };
            let types = types_of(&list);
            if !types.is_empty() {
                self.copy.write(&list);
            }
            types
        };
        self.asked.get_or_init(ask).await
    }

    /// The type of a word. One that the copy on disk does not know may be new to the server.
    pub async fn find(&self, word: &str) -> Option<Type> {
        if let Some(known) = resources::find(word) {
            return Some(known.into());
        }
        if let Some(found) = self.kept().await.and_then(|types| resources::find_in(types, word)) {
            return Some(found.clone());
        }
        resources::find_in(self.asked().await, word).cloned()
    }

    /// The words as a question, by kubectl's grammar.
    ///
    /// # Errors
    /// `Malformed` where the words contradict each other.
    pub async fn question(&self, words: &Words, context_namespace: &str) -> Result<Question, Failure> {
        let verb = words.verb.clone();
        let path = words.resource.starts_with('/');
        let known = if path { resources::PATH_VERBS } else { resources::VERBS };
        if !known.contains(&verb.as_str()) {
            self.warn(format!("verb '{verb}' is not a known verb{}", self.better_verb(&verb, known)));
        }
        if path {
            return words.of_path();
        }
        let (word, tail) = match words.resource.split_once('/') {
            Some((word, tail)) => (word, Some(tail)),
            None => (words.resource.as_str(), None),
        };
        let kind = if word == "*" { everything() } else { self.type_of(word).await };
        let mut name = words.name.clone().unwrap_or_default();
        let mut subresource = words.subresource.clone().unwrap_or_default();
        if let Some(tail) = tail {
            let known = kind.subresources.iter().any(|known| known == tail);
            if subresource.is_empty() && (known || kind.name == "userextras" || (word == "*" && !name.is_empty())) {
                tail.clone_into(&mut subresource);
            } else if name.is_empty() {
                tail.clone_into(&mut name);
            } else {
                return Err(Failure::new(FailureKind::Malformed, format!("two names: {tail:?} and {name:?}")));
            }
        }
        let namespace = if words.all_namespaces {
            String::new()
        } else if kind.namespaced {
            words.namespace.clone().unwrap_or_else(|| context_namespace.to_owned())
        } else if kind.group.is_empty() && kind.name == "namespaces" && verb != "create" {
            // A request for one namespace carries that namespace, so its RoleBindings count.
            name.clone()
        } else {
            String::new()
        };
        Ok(Question { verb, group: kind.group, resource: kind.name, subresource, name, namespace, path: None })
    }

    async fn type_of(&self, word: &str) -> Type {
        if let Some(kind) = self.find(word).await {
            return kind;
        }
        let lower = word.to_lowercase();
        let (name, group) = lower.split_once('.').map_or((lower.as_str(), None), |(name, group)| (name, Some(group)));
        if let Some((name, group)) =
            resources::VIRTUAL.iter().find(|known| known.0 == name && group.is_none_or(|group| group == known.1))
        {
            return Type { group: (*group).to_owned(), name: (*name).to_owned(), namespaced: false, ..everything() };
        }
        // Somebody who names another group means none of the built-in types.
        let of_group = |own: &str| group.is_none_or(|group| !own.is_empty() && group.ends_with(own));
        let known =
            resources::RESOURCES.iter().filter(|resource| of_group(resource.group)).map(|resource| resource.name);
        let near = nearest(name, known).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        let place = group.map(|group| format!(" in group '{group}'")).unwrap_or_default();
        self.warn(format!("the server doesn't have a resource type '{name}'{place}{near}"));
        Type::unknown(word)
    }

    fn better_verb(&self, verb: &str, known: &[&'static str]) -> String {
        let asks = request::kubectl(verb);
        if !asks.is_empty() {
            let asks: Vec<String> = asks.iter().map(|(verb, kind)| format!("{verb} {kind}")).collect();
            return format!(" (kubectl {verb} asks: {})", asks.join(", "));
        }
        nearest(&verb.to_lowercase(), known.iter().copied())
            .map(|near| format!(" (did you mean {near}?)"))
            .unwrap_or_default()
    }

    /// Each warning once, however many questions earn it.
    fn warn(&self, text: String) {
        let warned = self.warned.get_or_init(std::sync::Mutex::default);
        let Ok(mut warned) = warned.lock() else { return };
        if !warned.contains(&text) && warned.len() < 100 {
            warn(&format!("Warning: {}", crate::secret::strip_control(&text)));
            warned.push(text);
        }
    }
}

fn everything() -> Type {
    Type {
        group: String::new(),
        name: "*".to_owned(),
        singular: String::new(),
        short: Vec::new(),
        namespaced: true,
        subresources: Vec::new(),
    }
}

/// All types of a discovery answer, which holds every group but the core one.
fn types_of(list: &Value) -> Vec<Type> {
    let array = |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut types: Vec<Type> = Vec::new();
    for group in array(list, "items") {
        let group_name = group.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        for resource in array(&group, "versions").iter().flat_map(|version| array(version, "resources")) {
            let text =
                |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let name = text(&resource, "resource");
            // The first version is the preferred one.
            if types.iter().any(|known| known.group == group_name && known.name == name) {
                continue;
            }
            types.push(Type {
                group: group_name.to_owned(),
                name,
                singular: text(&resource, "singularResource"),
                short: array(&resource, "shortNames")
                    .iter()
                    .filter_map(|short| short.as_str().map(str::to_owned))
                    .collect(),
                namespaced: text(&resource, "scope") == "Namespaced",
                subresources: array(&resource, "subresources").iter().map(|sub| text(sub, "subresource")).collect(),
            });
        }
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_subresource_of_a_path_is_none() {
        let asked = |subresource: Option<&str>| {
            let words = Words {
                verb: "watch".to_owned(),
                resource: "/x".to_owned(),
                subresource: subresource.map(str::to_owned),
                ..Words::default()
            };
            words.of_path().map(|question| question.path).map_err(|failure| failure.kind)
        };
        assert_eq!(asked(None), Ok(Some("/x".to_owned())));
        assert_eq!(asked(Some("")), Ok(Some("/x".to_owned())));
        assert_eq!(asked(Some("log")), Err(FailureKind::Malformed));
    }
}
