//! What go-oidc says in other programs than the API server: of the API server it tells nothing.

use std::collections::BTreeMap;

use super::{field, or, with};
use crate::apiserver::message::{heard::names as heard, names as text};
use crate::report::{Confidence, Step};
use crate::rules::reading::{self, Reading, Speaker};

/// Title, sentence and repair of such words.
pub(super) struct Foreign {
    pub(super) title: Option<&'static str>,
    pub(super) means: String,
    pub(super) next: Step,
}

/// The same of a line that is not the API server's; `None` of one that is, and of other words.
pub(super) fn told(found: &Reading, fields: &BTreeMap<String, String>, line: &str) -> Option<Foreign> {
    if found.confidence != Confidence::Possible {
        return None;
    }
    let bare = |name: &str| {
        let value = field(fields, name).trim_matches(|c| matches!(c, '[' | ']' | '"'));
        value.replace("\" \"", ", ").replace("\",\"", ", ")
    };
    let f = |name: &str| field(fields, name);
    let keys = Some("A program does not get the keys of the issuer");
    let (title, words) = match found.text {
        text::AUDIENCE => (
            None,
            format!(
                "expects the audience {}, the token says {}",
                or(&bare("expected"), "of no name"),
                or(&bare("got"), "none")
            ),
        ),
        text::ALGORITHM => (
            Some("The token is signed with an algorithm that the program does not take"),
            format!("takes tokens signed with {}, this one is signed with {}", bare("expected"), f("got")),
        ),
        text::EXPIRED => (None, format!("was shown a token that has expired{}", with(", at ", f("expiry")))),
        text::NOT_YET_VALID => {
            (None, format!("was shown a token that is not valid yet{}", with(", before ", f("time"))))
        }
        text::SIGNATURE_FAILED => (
            Some("The token's signature fits no key that the program has"),
            "has no key that the token's signature fits".to_owned(),
        ),
        heard::OTHER_ISSUER => (
            Some("The token's issuer is not the one that the program is configured for"),
            format!("expects the issuer {}, the token says {}", f("expected"), f("got")),
        ),
        heard::MALFORMED | heard::NOT_SIGNED => {
            (None, "was shown something that it does not take for a JWT".to_owned())
        }
        text::OIDC_ISSUER_DIFFERS => (
            None,
            format!(
                "is configured for the issuer {}, the document of the provider says {}",
                or(f("expected"), "nothing"),
                or(f("got"), "nothing")
            ),
        ),
        text::OIDC_DISCOVERY_NOT_JSON => {
            (None, format!("was answered with {} instead of JSON by the discovery URL", or(f("type"), "another type")))
        }
        text::JWKS_URI_MISSING => (None, "finds no jwks_uri in the discovery document".to_owned()),
        text::JWKS_HTTP => (keys, format!("was answered {} {} by the key set's URL", f("status"), f("reason"))),
        text::JWKS_UNREACHABLE => (keys, format!("does not get the key set at {}: {}", f("url"), f("error"))),
        text::JWKS_UNPARSABLE => (keys, format!("cannot read the key set: {}", f("error"))),
        _ => return None,
    };
    let (who, next) = match reading::speaker(line) {
        Speaker::Server => return None,
        Speaker::Any => (
            "a program that checks ID tokens (perhaps not the API server: the line is not its)",
            "See which program wrote this line, and look at its own settings (issuer, client id, audience): only where it is the API server does this tell of kubectl's access.",
        ),
        Speaker::Login => (
            "a program that logs people in by itself, and not the API server,",
            "Look at that program's own settings (issuer, client id, audience) and at its provider: the line tells nothing of kubectl's access.",
        ),
    };
    Some(Foreign { title, means: format!("{who} {}", words.trim_end()), next: Step::text(next) })
}
