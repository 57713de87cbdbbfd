//! The issuer's certificate is near its end.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-certificate-expires-soon",
    severity: Severity::Warning,
    title: "The issuer's certificate expires soon",
    page: Page {
        means: "When it has ended, no API server that starts anew can read the discovery document, and none can fetch new keys: logins fail for everybody.",
        evidence: "The end of validity in the certificate that the issuer presents, less than 14 days (and less than a quarter of its life) ahead.",
        fix: "Renew it, and find out why the automatic renewal did not. `kubectl get certificate -A` shows it where cert-manager renews.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[],
    explains: &[],
    check,
};

const DAY: i64 = 24 * 60 * 60;

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (probes, at) = case.issuer();
    let Some(leaf) = probes.tls.seen().and_then(|tls| tls.chain.first()) else { return Vec::new() };
    let (Some(begin), Some(end)) = (leaf.not_before, leaf.not_after) else { return Vec::new() };
    let left = end.as_second() - case.evidence.observed_at.as_second();
    if left <= 0 || left > 14 * DAY || left > (end.as_second() - begin.as_second()) / 4 {
        return Vec::new();
    }
    let host = probes.target.seen().map_or_else(|| "the issuer".to_owned(), |target| target.host.clone());
    let place = case.issuer_place();
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The certificate of {host} ends on {end}, in {} days. Whoever was to renew it by itself has not done so.", left / DAY),
            probed(format!("{at}/tls/seen/chain/0/notAfter"), format!("valid until {end}")),
            Step::command("Renew it and have the server load it; this must show a later end", shell!("openssl s_client -connect {} -servername {} </dev/null 2>/dev/null | openssl x509 -noout -enddate", place, host)),
        )
        .titled(format!("The issuer's certificate expires in {} days", left / DAY)),
    ]
}
