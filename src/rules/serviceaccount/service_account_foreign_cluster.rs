//! A service account's token is signed by a key that this cluster does not have.

use crate::apiserver::message;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Place, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "service-account-foreign-cluster",
    severity: Severity::Error,
    title: "The service account's token is signed by no key that this cluster has",
    page: Page {
        means: "The issuer is right (many clusters share https://kubernetes.default.svc.cluster.local), but none of this cluster's keys verifies the token: it is from another cluster, or the signing key was replaced and the old one is not in --service-account-key-file any more.",
        evidence: "The server's words: invalid signature, no keys found (1.31 and later), or, before, error in cryptographic primitive. From 1.31 on the latter means that the key is there and the token was changed: token-signature-invalid.",
        fix: "Take a token of this cluster. After a change of keys, keep the old public key in --service-account-key-file until the old tokens are gone. `kubectl create token NAME -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery",
    },
    recognises: &[&message::SERVICE_ACCOUNT_KEY_UNKNOWN, &message::SERVICE_ACCOUNT_SIGNATURE],
    explains: &["credential-rejected", "service-account-token-expired"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(word) = case.reason(RULE.recognises).filter(|_| case.is_service_account()) else { return Vec::new() };
    // Where it is taken on other connections, it is one API server of several that has other keys or flags.
    if case.taken_by_some().is_some() {
        return Vec::new();
    }
    // The named key is there, and does not verify the token: another fault.
    if case.account_signature_wrong().is_some() {
        return Vec::new();
    }
    let kid = case.token().and_then(|token| token.header.as_ref()?.get("kid")?.as_str());
    let unknown = word.text == &message::SERVICE_ACCOUNT_KEY_UNKNOWN;
    let mut why = match (unknown, kid) {
        (true, Some(kid)) => format!("The token names the key {kid:?}, which is not among this cluster's keys: it is another cluster's, or this cluster's signing key was replaced."),
        (true, None) => "No key of this cluster fits the token.".to_owned(),
        (false, _) => "No key of this cluster verifies the token's signature: it is another cluster's, or was changed after it was signed (edited, damaged while copying), or this cluster's signing key was replaced.".to_owned(),
    };
    if word.place == Place::Model {
        why.push_str(" The keys are those that were read here, at the issuer's address or from the files that the API server's flags name as they are on this machine: see that they are this cluster's.");
    }
    let mut finding = RULE
        .finding(
            // A log's line names no token, and a signature that nothing verifies does not say whose it is.
            if unknown { word.confidence(false) } else { Confidence::Likely },
            why,
            word.cite(),
            renew::token(case),
        )
        .step(Step::command("Compare the token's kid with the keys of this cluster; is it the cluster you mean?", "kubectl get --raw /openid/v1/jwks"))
        .step(Step::text("Where the signing key was replaced: give the API server the old public key too (another --service-account-key-file), until the old tokens are gone."));
    if let Some(kid) = kid {
        finding = finding.cite(seen("/credential/seen/token/header/kid", format!("kid: {kid}")));
    }
    vec![finding.cite_if(case.rejected())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::issuer::SignatureCheck;
    use crate::evidence::{Evidence, Observation, Outcome};

    #[test]
    fn keys_that_were_read_here_are_not_told_as_the_clusters_own() {
        let text = include_str!("../../../testdata/cases/service-account-audience-mismatch-flags/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved run had no key file at hand; the files of another cluster may stand on this machine.
        evidence.issuer.signature = Observation::at_rest(Outcome::Seen(SignatureCheck {
            kid: "of-another-cluster".to_owned(),
            alg: "RS256".to_owned(),
            ..SignatureCheck::default()
        }));
        let found = check(&Case::new(&evidence));
        assert_eq!(found[0].confidence, Confidence::Likely);
        assert!(found[0].why.contains("read here"), "{}", found[0].why);
        // The API server's own word is about its own keys.
        let text = include_str!("../../../testdata/cases/service-account-foreign-cluster/evidence.json");
        let evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let found = check(&Case::new(&evidence));
        assert!(!found[0].why.contains("read here"), "{}", found[0].why);
    }
}
