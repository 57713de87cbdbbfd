//! The code that somebody meant.

use crate::rules::{RULES, Rule, rule};
use crate::text::{distance, slips};

/// The code that was asked for, however it was cased or joined.
pub fn asked(text: &str) -> Option<&'static Rule> {
    let code = text.trim().to_lowercase().replace(['_', ' '], "-");
    rule(&code)
}

/// Codes that are spelled nearly as a word, nearest first.
pub fn near(text: &str) -> Vec<&'static str> {
    let word = text.trim().to_lowercase().replace(['_', ' '], "-");
    let like_a_code =
        !word.is_empty() && word.len() <= 60 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !like_a_code {
        return Vec::new();
    }
    let parts: Vec<&str> = word.split('-').filter(|part| part.len() > 2).collect();
    let mut scored: Vec<(usize, &'static str)> = RULES
        .iter()
        .filter_map(|rule| {
            let far = distance(&word, rule.code);
            // A short word is soon like another.
            let same = |part: &str, own: &str| part == own || part.len() > 4 && distance(part, own) == 1;
            let shared = parts.iter().filter(|part| rule.code.split('-').any(|own| same(part, own))).count();
            let close = far <= slips(&word);
            // One word of several is in many a code.
            let related = shared > 0 && (parts.len() == 1 || shared > 1 && shared * 2 > parts.len());
            (close || related).then_some((far + 4 * (parts.len() - shared), rule.code))
        })
        .collect();
    // Among equals the registry's order.
    scored.sort_by_key(|(score, _)| *score);
    scored.into_iter().take(5).map(|(_, code)| code).collect()
}
