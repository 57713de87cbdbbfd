//! The issuer's certificate is near its end, or past it and not yet missed.

use crate::evidence::credential::TokenKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::api_port::span;
use crate::rules::validity::ends_soon;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-certificate-expires-soon",
    severity: Severity::Warning,
    title: "The issuer's certificate expires soon",
    page: Page {
        means: "When it has ended, no API server that starts anew can read the discovery document, and none can fetch new keys: logins fail for everybody.",
        evidence: "The end of validity in the certificate that the issuer presents, less than 14 days (and less than a quarter of its life) ahead; or past, while the API server still takes the issuer's tokens by what it read before.",
        fix: "Renew it, and find out why the automatic renewal did not. `kubectl get certificate -A` shows it where cert-manager renews.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// What renews a certificate of 90 days by itself does so 30 days ahead, and has by now failed for two weeks.
const DAYS: i64 = 14;

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (probes, at) = case.issuer();
    let Some(leaf) = probes.tls.seen().and_then(|tls| tls.chain.first()) else { return Vec::new() };
    let now = case.evidence.observed_at;
    // Whoever read the documents and the keys before still judges tokens by them.
    let holds = case.accepted() && case.token().is_some_and(|token| token.kind == TokenKind::Jwt);
    let ended = leaf.not_after.filter(|end| holds && *end <= now);
    let soon = ends_soon(leaf, now, DAYS).map(|(end, left)| (end, span(left)));
    let host = probes.target.seen().map_or_else(|| "the issuer".to_owned(), |target| target.host.clone());
    let place = case.issuer_place();
    let (title, why, end) = match (ended, soon) {
        (Some(end), _) => (
            "The issuer's certificate has ended, and logins hold only until the API server starts anew".to_owned(),
            format!("The certificate of {host} ended on {end}. The API server took this token by what it had read before: it can fetch no new keys, and once it starts anew it takes no token of this issuer."),
            end,
        ),
        (None, Some((end, left))) => (
            format!("The issuer's certificate expires in {left}"),
            format!("The certificate of {host} ends on {end}, in {left}. Whoever was to renew it by itself has not done so."),
            end,
        ),
        (None, None) => return Vec::new(),
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            why,
            probed(format!("{at}/tls/seen/chain/0/notAfter"), format!("valid until {end}")),
            Step::command("Renew it and have the server load it; this must show a later end", shell!("openssl s_client -connect {} -servername {} </dev/null 2>/dev/null | openssl x509 -noout -enddate", place, host)),
        )
        .titled(title),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    #[test]
    fn the_last_day_is_told_in_hours() {
        let text = include_str!("../../../testdata/cases/issuer-certificate-expires-soon/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(tls) = &mut evidence.issuer.tls.outcome else { panic!("no handshake") };
        tls.chain[0].not_after = Some(evidence.observed_at + jiff::SignedDuration::from_hours(30));
        let found = check(&Case::new(&evidence));
        let titles: Vec<&str> = found.iter().map(|finding| finding.title.as_str()).collect();
        assert_eq!(titles, ["The issuer's certificate expires in 30 h"]);
        assert!(found[0].why.contains(", in 30 h. "), "{}", found[0].why);
    }

    #[test]
    fn what_has_ended_is_told_while_the_api_server_still_takes_tokens() {
        let text = include_str!("../../../testdata/cases/issuer-certificate-expires-soon/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved certificate has some days left.
        let Outcome::Seen(tls) = &mut evidence.issuer.tls.outcome else { panic!("no handshake") };
        tls.chain[0].not_after = Some(evidence.observed_at - jiff::SignedDuration::from_hours(1));
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1);
        assert!(found[0].title.contains("has ended") && found[0].why.contains("starts anew"), "{}", found[0].why);
        // Nobody is let in by it: what the expiry breaks is another finding.
        evidence.identity = crate::evidence::Observation::default();
        evidence.control_plane.token_review = crate::evidence::Observation::default();
        assert!(check(&Case::new(&evidence)).is_empty());
    }
}
