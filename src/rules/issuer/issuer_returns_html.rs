//! The discovery URL answers 200 with a page instead of the document.

use crate::apiserver::message::{self, heard};
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-returns-html",
    severity: Severity::Error,
    title: "The discovery URL answers with a web page",
    page: Page {
        means: "A login page, a WAF's challenge or a default page answers 200 where the discovery document should be. The API server cannot read it and never initialises.",
        evidence: "The server's log (failed to decode provider discovery object), or the content type and first line that kaccess got.",
        fix: "Exempt the discovery document and the key set from the login or challenge; both must be readable without a session. `curl -si ISSUER/.well-known/openid-configuration` must answer application/json.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[&message::OIDC_DISCOVERY_NOT_JSON, &heard::DISCOVERY_SHAPE],
    explains: &["credential-rejected", "oidc-not-initialized"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::OIDC_DISCOVERY_NOT_JSON);
    let page = [(&probes.discovery, "discovery"), (&probes.discovery_as_control_plane, "discoveryAsControlPlane")]
        .into_iter()
        .find_map(|(discovery, name)| discovery.seen().filter(|discovery| discovery.answer.status == 200 && discovery.unparsable.is_some()).map(|discovery| (discovery, name)));
    let (confidence, first) = match (&said, &page, case.issuer_fault()) {
        (Some(word), ..) => (word.sure(), word.cite()),
        (None, Some(_), Some((confidence, cite))) => (confidence, cite),
        _ => return Vec::new(),
    };
    let issuer = probes.target.seen().map_or("the issuer", |target| target.url.as_str());
    let mut finding = RULE.finding(
        confidence,
        format!("Where the discovery document of {issuer} should be, a page answers 200; the API server cannot read it."),
        first,
        Step::command(
            "Let the login, challenge or rewrite in front of the issuer leave out the discovery document and the key set; this must show JSON without a session",
            shell!("curl -si {} | head -n 20", case.discovery_document()),
        ),
    );
    if let Some((discovery, name)) = page {
        finding = finding.cite(probed(
            format!("{at}/{name}/seen/answer/body"),
            format!("content type {:?}, beginning {:?}", discovery.answer.content_type.as_deref().unwrap_or("none"), clip(discovery.answer.body.trim(), 60)),
        ));
    }
    vec![finding.modest()]
}
