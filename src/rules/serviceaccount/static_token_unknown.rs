//! An opaque token that nobody at the API server knows.

use crate::apiserver::message::{self, heard};
use crate::evidence::credential::TokenKind;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, Word, front, hook, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "static-token-unknown",
    severity: Severity::Error,
    title: "Nobody at the API server knows the token",
    page: Page {
        means: "The token is no JWT, so only a token file (--token-auth-file, read once at the start) or a webhook could know it, and none does. An opaque access token of an identity provider that is sent where an ID token belongs looks exactly like this.",
        evidence: "The form of the token, and a TokenReview that gives no reason; the server's flags.",
        fix: "Send the ID token (a JWT, it begins with eyJ); or put the token into the token file and restart the API server. `kaccess decode` says what the token is.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#static-token-file",
    },
    recognises: &[&heard::TOKEN_FILE, &message::NOBODY_CLAIMED, &heard::NOBODY],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // A damaged token is another fault.
    let Some(token) = case.token().filter(|token| token.kind == TokenKind::Opaque && token.problems.is_empty()) else {
        return Vec::new();
    };
    let Some(rejected) = case.rejected() else { return Vec::new() };
    // Where it is taken on other connections, it is one API server of several that does not know it.
    if case.taken_by_some().is_some() {
        return Vec::new();
    }
    let word = case.reviewed_as(&message::NOBODY_CLAIMED);
    let reviewed = case.evidence.control_plane.token_review.seen().is_some();
    let nobody = case
        .configuration
        .as_ref()
        .filter(|(configuration, _)| configuration.complete && !configuration.token_file && !configuration.webhook);
    if word.is_none() && (reviewed || nobody.is_none()) {
        return Vec::new();
    }
    // Where somebody is to be asked about such tokens, and did not answer, nobody has said that it is unknown.
    let unasked = case.words.iter().any(|word| {
        let failed = (*word.text == message::WEBHOOK_FAILED && !word.past) || *word.text == message::WEBHOOK_TRANSPORT;
        failed || hook::refused_without_a_word(case, word)
    });
    if unasked {
        return Vec::new();
    }
    let hookless =
        case.configuration.as_ref().is_some_and(|(configuration, _)| configuration.complete && !configuration.webhook);
    let form = seen(
        "/credential/seen/token/kind",
        format!("no JWT: {} characters whose content cannot be known", token.length),
    );
    // A token that is the proxy's own business no API server knows; the 401 is then about what the proxy sends in its place.
    let before = front::stands_before(case);
    let reason = if nobody.is_some() {
        "The token is no JWT, and the API server has neither a token file nor a webhook: nobody could know it."
    } else if hookless {
        "The token is no JWT, and the API server's token file does not hold it."
    } else {
        "The token is no JWT, and neither a token file nor a webhook of the API server knows it, or its webhook could not be asked (its log would say so: Failed to make webhook authenticator request)."
    };
    let mut why = reason.to_owned();
    if before.is_some() {
        why.push_str(front::MAY_LOG_IN);
    }
    let mut finding = RULE
        .finding(
            match (&before, word, hookless) {
                (Some(_), None, _) => Confidence::Possible,
                (None, _, true) => Confidence::Certain,
                (Some(_), Some(_), _) | (None, _, false) => Confidence::Likely,
            },
            why,
            form,
            Step::text("If it is an access token of an identity provider, send the ID token of the same login instead: a JWT, which begins with eyJ."),
        )
        .step(renew::token(case));
    if let Some((_, path)) = nobody {
        finding = finding
            .cite(seen(*path, "neither --token-auth-file nor --authentication-token-webhook-config-file is set"));
    } else {
        finding = finding.step(Step::text("If it belongs into the file of --token-auth-file, put it there as TOKEN,USER,UID,\"GROUPS\" and restart the API server: the file is read at the start only."));
    }
    vec![front::asked(finding, before).cite_if(word.map(Word::cite)).cite(rejected)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Observation};
    use crate::rules::check_all;
    use crate::rules::front::tests::behind_a_proxy;

    #[test]
    fn a_token_that_only_a_proxy_knows_is_not_certainly_wrong() {
        let saved = include_str!("../../../testdata/cases/static-token-no-file/evidence.json");
        let confidence = |evidence: &Evidence| {
            let found = check_all(&Case::new(evidence));
            found.iter().find(|finding| finding.code == RULE.code).map(|finding| finding.confidence)
        };
        let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
        // Nobody with rights looks on; the flags are still known.
        evidence.control_plane.token_review = Observation::default();
        assert_eq!(confidence(&evidence), Some(Confidence::Certain));
        let mut evidence = behind_a_proxy(saved);
        // That the API server does not know it says nothing of a token for the proxy.
        assert_eq!(confidence(&evidence), Some(Confidence::Likely));
        evidence.control_plane.token_review = Observation::default();
        assert_eq!(confidence(&evidence), Some(Confidence::Possible));
    }
}
