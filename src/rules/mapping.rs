//! An expression of the AuthenticationConfiguration that makes the user of the token's claims, and fails.

use super::{Case, Word};
use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{Finding, Step};

/// What an expression should have made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// The user's name.
    Name,
    /// The groups.
    Groups,
    /// The user's UID.
    Uid,
    /// An extra attribute.
    Extra,
}

impl Made {
    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Name => "the user's name",
            Self::Groups => "the user's groups",
            Self::Uid => "the user's UID",
            Self::Extra => "an extra attribute of the user",
        }
    }

    /// The field of the AuthenticationConfiguration.
    pub fn field(self) -> &'static str {
        match self {
            Self::Name => "claimMappings.username.expression",
            Self::Groups => "claimMappings.groups.expression",
            Self::Uid => "claimMappings.uid.expression",
            Self::Extra => "claimMappings.extra",
        }
    }
}

/// An expression that failed.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'c> {
    /// What the server says, or what the model says that it would.
    pub word: &'c Word,
    /// What it should have made.
    pub made: Made,
    /// The expression, where the words hold it.
    pub expression: &'c str,
    /// Why it failed.
    pub error: &'c str,
}

impl<'c> Failed<'c> {
    /// The claim that it reads and that is not there.
    pub fn missing(&self) -> Option<&'c str> {
        missing(self.error)
    }

    /// The expression as a sentence names it.
    pub fn named(&self) -> String {
        if self.expression.is_empty() { String::new() } else { format!(" {}", self.expression) }
    }

    /// The finding with the way around, and who refused.
    pub fn end(&self, case: &Case<'_>, finding: Finding) -> Finding {
        let cope = match self.missing() {
            Some(key) => format!(
                "Or have the expression cope without it, by has(claims.{key}) ? ... : ..., in {} of the AuthenticationConfiguration; the API server reads the file again by itself.",
                self.made.field()
            ),
            None => format!(
                "Or correct the expression in {} of the AuthenticationConfiguration; the API server reads the file again by itself.",
                self.made.field()
            ),
        };
        finding.step(Step::text(cope)).cite_if(case.rejected())
    }
}

/// The key that an error of an expression misses.
pub fn missing(error: &str) -> Option<&str> {
    error.strip_prefix("no such key: ").map(str::trim)
}

/// What the words of an expression that failed are about, and why it failed.
pub fn read<'f>(field: impl Fn(&str) -> &'f str) -> (Made, &'f str) {
    let made = match field("what") {
        "username" => Made::Name,
        "group" => Made::Groups,
        "uid" => Made::Uid,
        _ if !field("empty").is_empty() => Made::Name,
        _ => Made::Extra,
    };
    let error = ["error", "wrong", "cause", "empty"].into_iter().map(field).find(|text| !text.is_empty());
    (made, error.unwrap_or_default())
}

/// The expression for which the API server refuses the token.
pub fn failed<'c>(case: &'c Case<'_>) -> Option<Failed<'c>> {
    // Only an issuer's tokens are mapped by expressions.
    case.token().filter(|token| token.kind == TokenKind::Jwt)?;
    let word = case.reason(&[&message::CLAIM_MAPPING])?;
    let (made, error) = read(|name| word.field(name));
    let expression = [word.field("expression"), word.field("extra")].into_iter().find(|text| !text.is_empty());
    Some(Failed { word, made, expression: expression.unwrap_or_default(), error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_expression_should_have_made_is_told_apart() {
        for (text, made, error, key) in [
            (
                "oidc: error evaluating username claim expression: expression ''d1:' + claims.email' resulted in error: no such key: email",
                Made::Name,
                "no such key: email",
                Some("email"),
            ),
            (
                "oidc: error evaluating group claim expression: expression 'dyn(claims.realm_access.roles).map(r, 'd1:' + r)' resulted in error: got 'types.String', expected iterable type",
                Made::Groups,
                "got 'types.String', expected iterable type",
                None,
            ),
            (
                "oidc: error evaluating username claim expression: username claim expression must return a string",
                Made::Name,
                "username claim expression must return a string",
                None,
            ),
            (
                "expression 'claims.tenant' resulted in error: no such key: tenant",
                Made::Extra,
                "no such key: tenant",
                Some("tenant"),
            ),
            ("oidc: empty username via CEL expression is not allowed", Made::Name, "empty username", None),
        ] {
            let found = message::recognise(&format!("[invalid bearer token, {text}]"));
            assert_eq!(found.len(), 1, "{text}");
            assert_eq!(found[0].text, &message::CLAIM_MAPPING, "{text}");
            let field = |name: &str| found[0].fields.get(name).map_or("", String::as_str);
            assert_eq!(read(field), (made, error), "{text}");
            assert_eq!(missing(error), key, "{text}");
        }
    }
}
