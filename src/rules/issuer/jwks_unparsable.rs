//! The key set is one that the API server cannot read.

use crate::apiserver::message;
use crate::evidence::issuer::CONTROL_PLANE_AGENT;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::case::UselessKeys;
use crate::rules::{Case, Page, Place, Rule, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "jwks-unparsable",
    severity: Severity::Error,
    title: "The API server cannot read the issuer's key set",
    page: Page {
        means: "One key of an unknown kind is enough: Go's JOSE library refuses the whole set, and no token of the issuer can be checked. (A page in place of the set has the same effect; so has a set that is empty, or whose keys have no kid while tokens name theirs.)",
        evidence: "The server's words \"failed to decode keys\", or the same refusal by kaccess' own reading of the set; \"failed to verify id token signature\" beside a set without a key that a token could name.",
        fix: "Remove the key from the published set (or what stands in its place); RSA, P-256, P-384, P-521 and Ed25519 are fine. Each published key needs the kid that tokens name. `curl -s JWKS_URI` shows the keys.",
        references: "https://www.rfc-editor.org/rfc/rfc7517#section-5",
    },
    recognises: &[&message::JWKS_UNPARSABLE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::JWKS_UNPARSABLE);
    let read = [(&probes.jwks, "jwks"), (&probes.jwks_as_control_plane, "jwksAsControlPlane")].into_iter().find_map(|(jwks, name)| {
        let error = jwks.seen().filter(|jwks| jwks.answer.status == 200)?.unparsable.clone()?;
        Some((error, name))
    });
    if let Some(useless) = case.useless_keys().filter(|_| said.is_none()) {
        return vec![no_key(case, useless)];
    }
    let (confidence, first) = match (said, &read, case.rejected()) {
        (Some(word), ..) => (word.confidence(true), word.cite()),
        // The rejection may have come before any key was needed.
        (None, Some(_), Some(cite)) if case.not_initialized().is_none() && case.evidence.control_plane.token_review.seen().is_none() => (Confidence::Likely, cite),
        _ => return Vec::new(),
    };
    let uri = probes.discovery.seen().and_then(|discovery| discovery.jwks_uri.clone()).unwrap_or_else(|| "the address in jwks_uri".to_owned());
    let error = said.map(|word| clip(without_bracket(word.field("error")), 200)).or_else(|| read.as_ref().map(|(error, _)| error.clone())).unwrap_or_default();
    // Whose own request is answered well sees nothing of it with his own User-Agent.
    let disguised = read.as_ref().is_some_and(|(_, name)| *name == "jwksAsControlPlane") && case.keys_are_fine();
    let page = [probes.jwks.seen(), probes.jwks_as_control_plane.seen()].into_iter().flatten().any(|jwks| {
        jwks.answer.status == 200 && jwks.unparsable.is_some() && jwks.answer.body.trim_start().starts_with('<')
    });
    let to_whom = if disguised { " (from this machine to the API server's User-Agent alone)" } else { "" };
    let mut finding = if page || error.contains("invalid character '<'") {
        let look = if disguised {
            shell!("curl -si -A {} {} | head -n 20", CONTROL_PLANE_AGENT, uri)
        } else {
            shell!("curl -si {} | head -n 20", uri)
        };
        let rule = eks::page_of_keys_rule(case).filter(|_| page);
        let mut why = format!("Where the key set of the issuer should be, at {uri}, a page answers{to_whom}, which the API server cannot read: {error}. So no signature of this issuer can be checked.");
        if rule.is_some() {
            why.push_str(" It is a rule of the load balancer that answers so, and the identity provider is not asked.");
        }
        let step = Step::command(
            "Let the login, challenge or rewrite in front of the issuer leave out the key set (it holds public keys only); this must show JSON without a session",
            look,
        );
        RULE.finding(confidence, why, first, step).titled("A page stands where the issuer's key set should be").cite_if(rule)
    } else {
        let look = if disguised {
            shell!("curl -s -A {} {} | jq -c '.keys[] | {{kid, kty, crv, alg}}'", CONTROL_PLANE_AGENT, uri)
        } else {
            shell!("curl -s {} | jq -c '.keys[] | {{kid, kty, crv, alg}}'", uri)
        };
        RULE.finding(
            confidence,
            format!("The set at {uri} cannot be read{to_whom}: {error}. One bad key spoils the whole set, so no signature of this issuer can be checked."),
            first,
            Step::command("List the keys by kind; take the one that is no RSA, EC (P-256, P-384, P-521) or Ed25519 key out of the set (Keycloak: Realm settings, Keys, disable its provider)", look),
        )
    }
    .step(Step::command("The next token is judged at once", "kaccess doctor"));
    if let Some((error, name)) = read {
        finding = finding.cite(probed(format!("{at}/{name}/seen/unparsable"), error));
    }
    vec![finding]
}

/// The server's error without the bracket that closes the list of all its reasons.
fn without_bracket(error: &str) -> &str {
    let closed = error.matches(']').count() > error.matches('[').count();
    error.strip_suffix(']').filter(|_| closed).unwrap_or(error)
}

/// The set can be read, and no key of it verifies any token.
fn no_key(case: &Case<'_>, useless: UselessKeys) -> Finding {
    let issuer = &case.evidence.issuer;
    let word = case.said(&message::SIGNATURE_FAILED).filter(|word| word.place != Place::Model);
    let confidence = word.map_or(Confidence::Likely, |word| word.confidence(true));
    let uri = issuer.discovery.seen().and_then(|discovery| discovery.jwks_uri.clone()).unwrap_or_else(|| "the address in jwks_uri".to_owned());
    let kid = issuer.signature.seen().map_or("", |signature| signature.kid.as_str());
    let (title, why, step) = match useless {
        UselessKeys::None => (
            "The issuer's key set is empty",
            format!("The set at {uri} holds no key, so no signature of this issuer can be checked, whoever made the token."),
            "Have the provider publish the keys it signs with: look at its key store, at what builds or caches the set, and at a realm or tenant without an active key.",
        ),
        UselessKeys::Nameless => (
            "The keys of the issuer's key set have no kid",
            format!("The token names the key {kid:?}, and the API server tries only a key of that name; the keys in the set at {uri} have no kid, so none is tried, not even the right one."),
            "Have the provider publish each key with the kid that its tokens name (or leave kid out of the tokens' header, and every key is tried).",
        ),
    };
    RULE.finding(confidence, why, probed("/issuer/jwks/seen", format!("the key set that stands there now holds {} keys", issuer.jwks.seen().map_or(0, |jwks| jwks.keys.len()))), Step::text(step))
        .titled(title)
        .step(Step::command("This shows the keys with their names", shell!("curl -s {} | jq -c '.keys[] | {{kid, kty, crv, alg}}'", uri)))
        .cite(probed("/issuer/signature/seen", "no key of the live key set verifies the token"))
        .cite_if(word.map(crate::rules::Word::cite))
        .cite_if(case.rejected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    /// The finding of a saved case, changed.
    fn found(change: impl Fn(&mut Evidence)) -> Finding {
        let text = include_str!("../../../testdata/cases/jwks-unparsable/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        change(&mut evidence);
        let mut found = check(&Case::new(&evidence));
        found.pop().expect("the finding")
    }

    /// Synthetic: the saved set has one bad key; the words for a page are Go's own.
    #[test]
    fn a_page_in_place_of_the_set_has_no_key_to_take_out() {
        let page = found(|evidence| {
            if let Outcome::Seen(review) = &mut evidence.control_plane.token_review.outcome {
                review.error = Some("[invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: failed to decode keys: invalid character '<' looking for beginning of value]".to_owned());
            }
            for jwks in [&mut evidence.issuer.jwks, &mut evidence.issuer.jwks_as_control_plane] {
                if let Outcome::Seen(jwks) = &mut jwks.outcome {
                    jwks.answer.body = "<html>Sign in</html>".to_owned();
                    jwks.unparsable = Some("invalid character '<' looking for beginning of value".to_owned());
                }
            }
        });
        assert!(page.why.contains("a page answers") && !page.why.contains("One bad key"), "{}", page.why);
        assert!(!page.why.contains("value]"), "{}", page.why);
        assert!(page.fix[0].codes().all(|code| !code.contains("jq")), "{:?}", page.fix);
        let set = found(|_| {});
        assert!(set.why.contains("One bad key") && set.fix[0].codes().any(|code| code.contains("jq")), "{}", set.why);
    }

    /// Synthetic: the bad set is a real one; the machine's own request is answered as it should be.
    #[test]
    fn a_bad_set_for_the_api_servers_user_agent_alone_is_told_with_the_command_that_shows_it() {
        let disguised = found(|evidence| {
            let Outcome::Seen(own) = &mut evidence.issuer.jwks.outcome else { panic!("no set") };
            own.unparsable = None;
        });
        assert!(disguised.why.contains("to the API server's User-Agent alone"), "{}", disguised.why);
        assert!(disguised.fix[0].codes().any(|code| code.contains("-A Go-http-client/1.1")), "{:?}", disguised.fix);
        assert!(!found(|_| {}).why.contains("User-Agent"));
    }
}
