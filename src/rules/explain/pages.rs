//! What the registry says of itself: the page of a code, the list of all, and the table from symptom to code.

use crate::apiserver::message::set;
use crate::report::explain::{Entry, FindingPage};
use crate::rules::{AREAS, OTHER_SEVERITIES, RULES, Rule};
use crate::text::one_line;

/// The page of a code.
pub fn page(rule: &'static Rule) -> FindingPage {
    FindingPage {
        code: rule.code,
        severity: rule.severity,
        title: rule.title,
        means: one_line(rule.page.means),
        evidence: one_line(rule.page.evidence),
        fix: one_line(rule.page.fix),
        references: rule.page.references.split_whitespace().collect(),
        explains: rule.explains,
        symptoms: rule.recognises.iter().flat_map(|text| set::shapes(text)).filter(|shape| telling(shape)).collect(),
        otherwise: OTHER_SEVERITIES
            .iter()
            .find(|(code, ..)| *code == rule.code)
            .map(|(_, severity, place)| (*severity, *place)),
    }
}

/// Every code, in the registry's order.
pub fn list() -> Vec<Entry> {
    AREAS
        .iter()
        .flat_map(|(area, rules)| {
            rules.iter().map(|rule| Entry { code: rule.code, severity: rule.severity, title: rule.title, area })
        })
        .collect()
}

/// A shape with words of its own beside the fields, by which somebody would know it.
fn telling(shape: &str) -> bool {
    let field =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    let own = shape.split('<').map(|part| match part.split_once('>') {
        Some((name, rest)) if field(name) => rest,
        _ => part,
    });
    own.flat_map(str::chars).filter(|c| c.is_alphanumeric()).count() > 2
}

/// The rows of the table from symptom to code: how it looks, the codes that fit, and whether the words decide.
pub fn symptoms() -> Vec<(String, Vec<&'static str>)> {
    let mut rows: Vec<(String, Vec<&'static str>)> = Vec::new();
    for text in set::all() {
        let codes: Vec<&'static str> = RULES
            .iter()
            .filter(|rule| rule.recognises.iter().any(|own| own.name == text.name))
            .map(|rule| rule.code)
            .collect();
        if codes.is_empty() {
            continue;
        }
        for shape in set::shapes(text).into_iter().filter(|shape| telling(shape)) {
            match rows.iter_mut().find(|(known, _)| *known == shape) {
                Some((_, known)) => {
                    known.extend(codes.iter().filter(|code| !known.contains(code)).copied().collect::<Vec<_>>())
                }
                None => rows.push((shape, codes.clone())),
            }
        }
    }
    rows
}
