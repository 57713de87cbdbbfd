//! A claim that the API server requires is not in the token, or has another value.

use crate::apiserver::message;
use crate::evidence::credential::TokenKind;
use crate::report::{seen, Finding, Severity, Step};
use crate::rules::{clip, eks, setting, Case, Page, Rule};
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "required-claim-mismatch",
    severity: Severity::Error,
    title: "A claim that the API server requires is not as it requires it",
    page: Page {
        means: "The API server is configured to take only tokens in which a claim has exactly one text value (--oidc-required-claim, requiredValue). A boolean or number can never equal it: --oidc-required-claim=email_verified=true refuses everybody.",
        evidence: "The server's words (required claim X not present, or Got = ..., want = ...), beside the token's claim.",
        fix: "Take a token that has the claim (another tenant, scope or mapper), or correct the requirement. `kaccess decode` shows the claim.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::REQUIRED_CLAIM_MISSING, &message::REQUIRED_CLAIM_DIFFERS, &message::REQUIRED_CLAIM_TYPE],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.token().is_none_or(|token| token.kind != TokenKind::Jwt) {
        return Vec::new();
    }
    let Some(word) = case.reason(RULE.recognises) else { return Vec::new() };
    let claim = word.field("claim");
    let value = case.claim(claim);
    let absent = word.text == &message::REQUIRED_CLAIM_MISSING;
    let typed = word.text == &message::REQUIRED_CLAIM_TYPE;
    if value.is_none() != absent {
        return Vec::new();
    }
    let shown = value.map(|value| clip(&value.to_string(), 120));
    let (on_eks, in_a_file) = (eks::is_eks(case), setting::in_a_file(case));
    let (why, step) = match &shown {
        None => (
            format!("The API server takes only tokens with the claim {claim:?}, and this one does not have it."),
            Step::text(format!("In the identity provider, put {claim:?} into the ID token (a scope, a mapper), and log in again.")),
        ),
        Some(shown) if typed => (
            format!("The API server wants the claim {claim:?} to be one certain text; here it is {shown}, a JSON {}, which never equals a text.", word.field("got")),
            if on_eks {
                Step::text(format!("Take {claim:?} out of the provider's requiredClaims, which know texts only: disassociate it, and associate it anew without (aws eks disassociate-identity-provider-config, then associate-identity-provider-config)."))
            } else {
                Step::manifest(
                if in_a_file {
                    format!("In the AuthenticationConfiguration, have this rule instead of the one with the requiredValue of {claim:?} (the API server reads the file again by itself)")
                } else {
                    format!("Take the requirement --oidc-required-claim={claim}=... away; a rule in an AuthenticationConfiguration can say it")
                },
                format!("claimValidationRules:\n- expression: 'claims.{claim} == {shown}'\n  message: '{claim} must be {shown}'\n"),
                )
            },
        ),
        Some(shown) => (
            format!("The API server wants the claim {claim:?} to be {:?}; in this token it is {shown}.", word.field("expected")),
            Step::text(format!("Log in where the claim has the value {:?} (another tenant, account or client), or have the user's attribute corrected in the identity provider.", word.field("expected"))),
        ),
    };
    let mut finding = RULE
        .finding(word.confidence(value.is_some()), why, word.cite(), step)
        .titled(format!("The claim {claim:?} is not as the API server requires it"));
    if !typed {
        finding = finding.step(Step::text(if on_eks {
            "Or, where the requirement is wrong, correct the provider's requiredClaims: disassociate it, and associate it anew with the right ones (aws eks disassociate-identity-provider-config, then associate-identity-provider-config).".to_owned()
        } else if in_a_file {
            format!("Or, where the requirement is wrong, correct the requiredValue of {claim:?} under claimValidationRules of the AuthenticationConfiguration; the API server reads the file again by itself.")
        } else {
            format!("Or, where the requirement is wrong, correct --oidc-required-claim={claim}=... (claimValidationRules in an AuthenticationConfiguration).")
        }));
    }
    finding = match shown {
        Some(shown) => finding.cite(seen(format!("/credential/seen/token/claims/{}", pointer_part(claim)), format!("{claim}: {shown}"))),
        None if case.token().is_some_and(|token| token.claims.is_some()) => {
            finding.cite(seen("/credential/seen/token/claims", format!("there is no {claim:?} among the claims")))
        }
        None => finding,
    };
    vec![finding.cite_if(case.rejected())]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn no_flag_is_named_where_the_server_has_a_file() {
        let text = include_str!("../../../testdata/cases/required-claim-wrong-type/evidence.json");
        let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
        let told = |evidence: &serde_json::Value| {
            let evidence: Evidence = serde_json::from_value(evidence.clone()).expect("evidence");
            check(&Case::new(&evidence)).remove(0).fix.into_iter().map(|step| step.text).collect::<String>()
        };
        assert!(told(&evidence).contains("--oidc-required-claim"));
        // Synthetic: the saved server has flags; one with a file has the same words.
        evidence["controlPlane"]["flagz"] = json!({ "startedMs": 0, "tookMs": 0,
            "seen": { "source": "/flagz", "flags": { "authentication-config": ["/etc/kubernetes/auth.yaml"] }, "complete": true } });
        let told = told(&evidence);
        assert!(told.contains("AuthenticationConfiguration") && !told.contains("--oidc-"), "{told}");
    }
}
