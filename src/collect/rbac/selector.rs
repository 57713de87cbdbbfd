//! Label selectors, as an aggregationRule has them.
//!
//! Source: Kubernetes' `apimachinery/pkg/apis/meta/v1/helpers.go` (`LabelSelectorAsSelector`).

use std::collections::BTreeMap;

use serde::Deserialize;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// A ClusterRole's aggregationRule: it takes the rules of every ClusterRole that one of the selectors selects.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Aggregation {
    /// The selectors.
    pub cluster_role_selectors: Option<Vec<Selector>>,
}

impl Aggregation {
    /// Whether a ClusterRole with these labels is collected.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.cluster_role_selectors.iter().flatten().any(|selector| selector.matches(labels))
    }
}

/// A LabelSelector; an empty one selects everything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Labels that must be there with these values.
    pub match_labels: Option<Labels>,
    /// What else must hold.
    pub match_expressions: Option<Vec<Expression>>,
}

/// One requirement of a selector.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Expression {
    /// The label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// The values of `In` and `NotIn`.
    pub values: Option<Vec<String>>,
}

impl Selector {
    fn matches(&self, labels: &Labels) -> bool {
        let same = self.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
        same && self.match_expressions.iter().flatten().all(|expression| expression.matches(labels))
    }
}

impl Expression {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = || value.is_some_and(|value| self.values.iter().flatten().any(|known| known == value));
        match self.operator.as_str() {
            "In" => listed(),
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            // The server takes no other; such a rule collects nothing.
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_select_as_the_controller_does() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let rule = |text: &str| -> Aggregation { serde_json::from_str(text).expect("an aggregationRule") };
        let into = rule(r#"{"clusterRoleSelectors":[{"matchLabels":{"into":"it"}}]}"#);
        assert!(into.selects(&labels(&[("into", "it"), ("b", "c")])));
        assert!(!into.selects(&labels(&[("into", "other")])) && !into.selects(&labels(&[])));
        assert!(rule(r#"{"clusterRoleSelectors":[{}]}"#).selects(&labels(&[])));
        assert!(!rule(r#"{"clusterRoleSelectors":null}"#).selects(&labels(&[("a", "b")])));
        let in_two = rule(
            r#"{"clusterRoleSelectors":[{"matchExpressions":[{"key":"a","operator":"In","values":["b","c"]},{"key":"d","operator":"DoesNotExist"}]}]}"#,
        );
        assert!(in_two.selects(&labels(&[("a", "c")])));
        assert!(!in_two.selects(&labels(&[("a", "c"), ("d", "")])) && !in_two.selects(&labels(&[("a", "x")])));
        let not_in =
            rule(r#"{"clusterRoleSelectors":[{"matchExpressions":[{"key":"a","operator":"NotIn","values":["b"]}]}]}"#);
        assert!(not_in.selects(&labels(&[])) && !not_in.selects(&labels(&[("a", "b")])));
    }
}
