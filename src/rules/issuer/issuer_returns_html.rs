//! The discovery URL answers 200 with a page instead of the document.

use crate::apiserver::message::{self, heard};
use crate::evidence::issuer::CONTROL_PLANE_AGENT;
use crate::report::shell::shell;
use crate::report::{Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, clip, eks};

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
    // Whose own request is answered well sees nothing of it with his own User-Agent.
    let disguised = page.is_some_and(|(_, name)| name == "discoveryAsControlPlane") && case.discovery_is_fine();
    let broken = page.is_some_and(|(discovery, _)| discovery.answer.body.trim_start().starts_with('{'));
    let what = if broken { "JSON that cannot be read" } else { "a page" };
    let to_whom = if disguised { " (from this machine to the API server's User-Agent alone)" } else { "" };
    let document = case.discovery_document();
    let look = if disguised {
        shell!("curl -si -A {} {} | head -n 20", CONTROL_PLANE_AGENT, document)
    } else {
        shell!("curl -si {} | head -n 20", document)
    };
    let step = if broken {
        Step::command(
            "Have the provider, or what stands before it, answer with the whole document: it ends in the middle or is none (a cache, a limit on the length of answers, a proxy that rewrites); this must show JSON to its end",
            look,
        )
    } else {
        Step::command(
            "Let the login, challenge or rewrite in front of the issuer leave out the discovery document and the key set; this must show JSON without a session",
            look,
        )
    };
    let rule = eks::page_of_rule(case);
    let mut why = format!("Where the discovery document of {issuer} should be, {what} answers 200{to_whom}; the API server cannot read it.");
    if rule.is_some() {
        why.push_str(" It is a rule of the load balancer that answers so, and the identity provider is not asked.");
    }
    let mut finding = RULE.finding(confidence, why, first, step);
    if broken {
        finding = finding.titled("The discovery URL answers with JSON that cannot be read");
    }
    if let Some(reach) = case.reach.as_ref().filter(|_| rule.is_some()) {
        finding.fix.insert(0, eks::open_two_paths(reach));
    }
    finding = finding.cite_if(rule);
    if let Some((discovery, name)) = page {
        finding = finding.cite(probed(
            format!("{at}/{name}/seen/answer/body"),
            format!("content type {:?}, beginning {:?}", discovery.answer.content_type.as_deref().unwrap_or("none"), clip(discovery.answer.body.trim(), 60)),
        ));
    }
    vec![finding.modest()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    /// The finding of a saved case, changed.
    fn found(change: impl Fn(&mut Evidence)) -> Finding {
        let text = include_str!("../../../testdata/cases/issuer-returns-html/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        change(&mut evidence);
        let mut found = check(&Case::new(&evidence));
        found.pop().expect("the finding")
    }

    /// Synthetic: the page is a real one; the machine's own request is answered as it should be.
    #[test]
    fn a_page_for_the_api_servers_user_agent_alone_is_told_with_the_command_that_shows_it() {
        let both = found(|_| {});
        assert!(!both.why.contains("User-Agent"), "{}", both.why);
        assert!(both.fix[0].codes().all(|code| !code.contains("Go-http-client")), "{:?}", both.fix);
        let disguised = found(|evidence| {
            let url = evidence.issuer.target.seen().expect("a target").url.clone();
            evidence.issuer.discovery_as_control_plane.outcome = evidence.issuer.discovery.outcome.clone();
            let Outcome::Seen(own) = &mut evidence.issuer.discovery.outcome else { panic!("no answer") };
            own.unparsable = None;
            own.jwks_uri = Some(format!("{url}/keys"));
            own.issuer = Some(url);
        });
        assert!(disguised.why.contains("to the API server's User-Agent alone"), "{}", disguised.why);
        assert!(disguised.fix[0].codes().any(|code| code.contains("-A Go-http-client/1.1")), "{:?}", disguised.fix);
    }

    /// Synthetic: the saved page is one; a document that was cut was met in a trial.
    #[test]
    fn json_that_was_cut_is_no_web_page() {
        let cut = found(|evidence| {
            for discovery in [&mut evidence.issuer.discovery, &mut evidence.issuer.discovery_as_control_plane] {
                if let Outcome::Seen(discovery) = &mut discovery.outcome {
                    discovery.answer.body = "{\"issuer\":\"x\"".to_owned();
                }
            }
        });
        assert!(!cut.title.contains("page") && !cut.why.contains("page"), "{} {}", cut.title, cut.why);
        assert!(found(|_| {}).title.contains("web page"));
    }
}
