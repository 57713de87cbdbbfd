//! Where in an AuthenticationConfiguration stands what the server complains about.

use crate::collect::yaml::{self, Node, Value};
use crate::report::credential::ConfigurationPlace;

/// The lines of the fields that the errors name. A field that is missing has its parent's line.
pub(super) fn find(errors: &[String], file: &str, text: &str) -> Vec<ConfigurationPlace> {
    let Ok(root) = yaml::parse(text.as_bytes()) else { return Vec::new() };
    let mut places: Vec<ConfigurationPlace> = Vec::new();
    for field in errors.iter().flat_map(|error| fields(error)) {
        let Some(line) = line_of(&root, field).filter(|line| *line > 0) else { continue };
        if !places.iter().any(|place| place.field == field) {
            places.push(ConfigurationPlace { field: field.to_owned(), file: file.to_owned(), line });
        }
    }
    places
}

/// Paths as `jwt[0].issuer.url` in an error: before a colon, or in quotes after `unknown field`.
fn fields(error: &str) -> impl Iterator<Item = &str> {
    let words = error.split([' ', '"']).map(|word| word.trim_matches(['[', ',', ':']));
    words.filter(|word| word.starts_with("jwt[") || word.starts_with("anonymous") && word.contains('.'))
}

fn line_of(root: &Node, path: &str) -> Option<u64> {
    let mut node = root;
    let mut line = None;
    for part in path.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, index)) => (name, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some(next) = node.get(name) else { return line };
        (node, line) = (next, Some(next.line));
        if let (Some(index), Value::List(items)) = (index, &node.value) {
            let Some(next) = items.get(index) else { return line };
            (node, line) = (next, Some(next.line));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_lines_of_the_file() {
        let text = "apiVersion: x\njwt:\n- issuer:\n    url: http://a\n    audiences: [a]\n  claimMappings:\n    username:\n      claim: sub\n";
        let errors = [
            "invalid authentication configuration: [jwt[0].issuer.url: Invalid value: \"http://a\": URL scheme must be https, \
             jwt[0].claimMappings.username.prefix: Required value: prefix is required]"
                .to_owned(),
            "strict decoding error: unknown field \"jwt[0].issuer.audiences[0].x\"".to_owned(),
        ];
        let places = find(&errors, "f.yaml", text);
        let lines: Vec<(&str, u64)> = places.iter().map(|place| (place.field.as_str(), place.line)).collect();
        assert_eq!(
            lines,
            [
                ("jwt[0].issuer.url", 4),
                ("jwt[0].claimMappings.username.prefix", 8),
                ("jwt[0].issuer.audiences[0].x", 5)
            ]
        );
    }
}
