//! A bootstrap token that the API server does not take.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::credential::TokenKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "bootstrap-token-invalid",
    severity: Severity::Error,
    title: "The API server does not take the bootstrap token",
    page: Page {
        means: "A bootstrap token is good while its Secret bootstrap-token-ID in kube-system holds it, is not past its expiration (kubeadm: 24 h) and says usage-bootstrap-authentication: \"true\". Every fault in it is silent: the API server says only \"invalid bearer token\".",
        evidence: "The form of the token, and a TokenReview that gives no reason; the server's flag --enable-bootstrap-token-auth.",
        fix: "Have a new token made (kubeadm token create), or enable bootstrap tokens. `kubeadm token create --print-join-command`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/",
    },
    recognises: &[&heard::BOOTSTRAP, &message::NOBODY_CLAIMED, &heard::NOBODY, &tools::K3S_TOKEN, &tools::K3S_CA, &tools::KUBEADM_CA],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    // White space around it is another fault.
    let Some(token) = case.token().filter(|token| token.kind == TokenKind::Bootstrap && token.problems.is_empty()) else {
        return Vec::new();
    };
    let Some(rejected) = case.rejected() else { return Vec::new() };
    // Where it is taken on other connections, it is one API server of several that has bootstrap tokens switched off.
    if case.taken_by_some().is_some() {
        return Vec::new();
    }
    let word = case.reviewed_as(&message::NOBODY_CLAIMED);
    let known = case.configuration.as_ref();
    let off = known.filter(|(configuration, _)| configuration.complete && !configuration.bootstrap_tokens);
    let on = known.is_some_and(|(configuration, _)| configuration.bootstrap_tokens);
    let reviewed = case.evidence.control_plane.token_review.seen().is_some();
    let id = case.claim_text("tokenId").unwrap_or("ID");
    let form = seen("/credential/seen/token/kind", format!("a bootstrap token with the id {id:?}, {} characters", token.length));
    let switch = |text: &str| Step::manifest(text, "--enable-bootstrap-token-auth=true\n");
    let finding = match off {
        Some((configuration, path)) => {
            // What else than a Secret could back it is a token file or a webhook; a TokenReview says that none does.
            let others = configuration.token_file || configuration.webhook;
            let (confidence, why) = match (word, others) {
                (Some(_), _) | (None, false) => (Confidence::Certain, "The API server has bootstrap tokens switched off, so nobody looks at the token."),
                (None, true) if !reviewed => (Confidence::Likely, "The API server has bootstrap tokens switched off, so no Secret counts: only its token file or its token webhook could know the token."),
                (None, true) => return Vec::new(),
            };
            RULE.finding(confidence, why, form, switch("Switch bootstrap tokens on, and restart the API server"))
                .titled("The API server has bootstrap tokens switched off")
                .cite(seen(*path, "--enable-bootstrap-token-auth is not set"))
        }
        None if word.is_none() => return Vec::new(),
        None => {
            let secret = format!("No Secret kube-system/bootstrap-token-{id} backs the token: it is gone, expired, holds another token-secret, has a malformed group, or does not say usage-bootstrap-authentication: \"true\"");
            // A server with bootstrap tokens switched off says the same of a good one.
            let (confidence, why) = if on {
                (Confidence::Certain, format!("{secret}."))
            } else {
                (Confidence::Likely, format!("{secret}. Or the API server has bootstrap tokens switched off (--enable-bootstrap-token-auth is not set), which is not known here: then it looks at no Secret."))
            };
            let finding = RULE
                .finding(
                    confidence,
                    why,
                    form,
                    Step::command("Have a new token made, with the command to join", "kubeadm token create --print-join-command"),
                )
                .step(Step::command(
                    "Or look at the Secret: its type, expiration and usage-bootstrap-authentication",
                    shell!("kubectl -n kube-system get secret bootstrap-token-{} -o yaml", id),
                ));
            let step = switch("Where the Secret is in order, or a new token is refused too: see that the API server has this flag, and restart it where it had not");
            finding.steps((!on).then_some(step))
        }
    };
    vec![finding.cite_if(word.map(Word::cite)).cite(rejected)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Observation, Outcome};
    use crate::rules::check_all;

    fn found(case: &str, change: impl Fn(&mut Evidence)) -> Option<Finding> {
        let mut evidence: Evidence = serde_json::from_str(case).expect("evidence");
        change(&mut evidence);
        check_all(&Case::new(&evidence)).into_iter().find(|finding| finding.code == RULE.code)
    }

    const SWITCH: &str = "--enable-bootstrap-token-auth=true\n";

    fn switches(finding: &Finding) -> bool {
        finding.fix.iter().any(|step| step.manifest.as_deref() == Some(SWITCH))
    }

    /// As of a server of 1.35, which has no /flagz: the saved ones showed theirs.
    #[test]
    fn a_server_whose_flags_are_not_known_may_have_bootstrap_tokens_switched_off() {
        let saved = include_str!("../../../testdata/cases/bootstrap-token-invalid/evidence.json");
        let known = found(saved, |_| ()).expect("the finding");
        assert_eq!((known.confidence, switches(&known)), (Confidence::Certain, false));
        let saved = include_str!("../../../testdata/cases/bootstrap-tokens-off/evidence.json");
        let unknown = found(saved, |evidence| evidence.control_plane.flagz = Observation::default()).expect("the finding");
        assert_eq!((unknown.confidence, switches(&unknown)), (Confidence::Likely, true));
        assert!(unknown.why.contains("switched off"), "{}", unknown.why);
    }

    /// Synthetic: the saved server had no token file, and its TokenReview was asked for.
    #[test]
    fn with_a_token_file_and_bootstrap_tokens_switched_off_no_secret_counts() {
        let saved = include_str!("../../../testdata/cases/bootstrap-tokens-off/evidence.json");
        let finding = found(saved, |evidence| {
            evidence.control_plane.token_review = Observation::default();
            let Outcome::Seen(flags) = &mut evidence.control_plane.flagz.outcome else { panic!("no flags") };
            flags.flags.insert("token-auth-file".to_owned(), vec!["tokens.csv".to_owned()]);
        });
        let finding = finding.expect("the finding");
        assert_eq!((finding.confidence, switches(&finding)), (Confidence::Likely, true));
        assert!(finding.why.contains("no Secret counts"), "{}", finding.why);
    }
}
