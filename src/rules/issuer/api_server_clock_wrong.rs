//! The API server's clock is wrong.

use crate::evidence::apiserver::HttpAnswer;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::api_port::span;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-server-clock-wrong",
    severity: Severity::Error,
    title: "The API server's clock is wrong",
    page: Page {
        means: "The API server compares the times in tokens and certificates with its own clock. When that is off, good tokens are \"expired\" or \"not valid yet\", for everybody at once.",
        evidence: "The Date header of the API server, beside the clocks of this machine and of the issuer, which agree with each other.",
        fix: "Set the clock of the control-plane nodes by NTP; no restart is needed. `timedatectl set-ntp true` on each of them.",
        references: "https://www.rfc-editor.org/rfc/rfc9110#name-date",
    },
    recognises: &[],
    explains: &["credential-rejected", "token-expired", "token-not-yet-valid", "service-account-token-expired", "client-certificate-expired"],
    check,
};

/// How far clocks may be apart before tokens suffer, in seconds.
const APART: i64 = 60;

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let difference = |answer: &HttpAnswer| Some(answer.date?.as_second() - answer.received_at?.as_second());
    let Some((own, path)) = [(&endpoint.anonymous, "/endpoint/anonymous/seen/date"), (&endpoint.authenticated, "/endpoint/authenticated/seen/date")]
        .into_iter()
        .find_map(|(answer, path)| Some((difference(answer.seen()?)?, path)))
    else {
        return Vec::new();
    };
    let (probes, at) = case.issuer();
    // Two clocks that agree against the third decide whose is wrong.
    let Some((other, other_path)) = [(&probes.discovery, "discovery"), (&probes.discovery_as_control_plane, "discoveryAsControlPlane")]
        .into_iter()
        .find_map(|(discovery, name)| Some((difference(&discovery.seen()?.answer)?, format!("{at}/{name}/seen/answer/date"))))
    else {
        return Vec::new();
    };
    if own.abs() <= APART || other.abs() > APART / 2 {
        return Vec::new();
    }
    let way = if own > 0 { "ahead of" } else { "behind" };
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The API server's clock is {} {way} this machine's, and the issuer's clock agrees with this machine's. {}", span(own), if own > 0 { "Tokens expire too early for it." } else { "New tokens are not valid yet for it, and expired ones still are." }),
            probed(path, format!("the API server's Date is {} {way} this machine's clock", span(own))),
            Step::command("On the control-plane nodes, look at the clock and have it set by NTP", "timedatectl status; chronyc makestep"),
        )
        .cite(probed(other_path, format!("the issuer's Date differs from this machine's clock by {}", span(other))))
        .cite_if(case.rejected());
    if case.accepted() {
        finding.severity = Severity::Warning;
    }
    vec![finding]
}
