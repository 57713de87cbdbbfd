//! The key set's address leads nowhere for the control plane.

use crate::apiserver::message;
use crate::report::shell::shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "jwks-unreachable",
    severity: Severity::Error,
    title: "The API server cannot reach the issuer's key set",
    page: Page {
        means: "Discovery works, but the address in jwks_uri does not: another host, an internal name, a closed port. The API server fetches the keys with the first token, so nothing shows before.",
        evidence: "The server's words \"fetching keys oidc: get keys failed\" with a connection's error; jwks_uri in the discovery document.",
        fix: "Have the provider publish an address of its keys that the control plane can reach (Keycloak: hostname and hostname-backchannel-dynamic), or open the way to it. `curl -s ISSUER/.well-known/openid-configuration` shows its jwks_uri.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata",
    },
    recognises: &[&message::JWKS_UNREACHABLE, &message::JWKS_HTTP],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::JWKS_UNREACHABLE);
    let failed = [(&probes.jwks, "jwks"), (&probes.jwks_as_control_plane, "jwksAsControlPlane")]
        .into_iter()
        .find_map(|(jwks, name)| Some((jwks.failed()?, name)));
    let metrics = case.last_keys_failed();
    // An answer that is neither the set nor a refusal: 204, 404, 5xx.
    let odd = case.said(&message::JWKS_HTTP).filter(|word| word.field("status").parse().is_ok_and(is_odd));
    let answered = [(&probes.jwks, "jwks"), (&probes.jwks_as_control_plane, "jwksAsControlPlane")]
        .into_iter()
        .find_map(|(jwks, name)| Some((jwks.seen().map(|jwks| jwks.answer.status).filter(|status| is_odd(*status))?, name)));
    if let Some(word) = odd.filter(|_| said.is_none()) {
        return vec![answers(case, word.field("status"), word.sure().max(word.confidence(true)), word.cite(), answered).cite_if(metrics)];
    }
    if let (None, Some(cite), Some((status, _))) = (said, &metrics, answered) {
        return vec![answers(case, &status.to_string(), Confidence::Likely, cite.clone(), answered)];
    }
    let obstacle = eks::keys_obstacle(case, false);
    // The way to the keys ends at the API server's own proxy.
    let proxy = said.is_some_and(|word| word.field("error").starts_with("proxyconnect tcp: "));
    let (confidence, first) = match (said, &metrics, &failed, obstacle) {
        (Some(word), ..) => (word.confidence(true), word.cite()),
        (None, Some(cite), Some(_), _) => (Confidence::Likely, cite.clone()),
        (None, _, _, Some((_, step))) => (Confidence::Likely, eks::cite_step(step)),
        _ => return Vec::new(),
    };
    let uri = said.map(|word| word.field("url").to_owned()).or_else(|| probes.discovery.seen()?.jwks_uri.clone()).unwrap_or_else(|| "jwks_uri".to_owned());
    let host = |text: &str| url::Url::parse(text).ok().map(|url| format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443)));
    let issuer = probes.target.seen().map(|target| target.url.clone()).unwrap_or_default();
    let elsewhere = host(&uri) != host(&issuer);
    let met = match (said, obstacle) {
        (Some(word), _) => clip(word.field("error"), 160),
        (None, Some((_, step))) => step.text.clone(),
        (None, None) => "it fails from this machine too".to_owned(),
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The discovery document sends the API server to {uri} for the keys{}, and there it meets: {met}.", if elsewhere { ", another host than the issuer's" } else { "" }),
            first,
            if proxy {
                Step::text(format!("Bring the proxy of the API server's environment (HTTPS_PROXY) back, or correct its address there: no connection to it comes about. Or name {} in its NO_PROXY, where the direct way is open.", host(&uri).unwrap_or_default()))
            } else if elsewhere {
                Step::text(format!("Have the provider publish its keys under the issuer's own name (Keycloak: set hostname to the public URL, and hostname-backchannel-dynamic to false), or make {} reachable for the control plane.", host(&uri).unwrap_or_default()))
            } else {
                Step::text(format!("Open the way from the control plane to {}; discovery uses the same and works, so look at rules by path.", host(&uri).unwrap_or_default()))
            },
        )
        .step(Step::command("From a host in the control plane's network this must show JSON", shell!("curl -s {}", uri)))
        .cite_if(obstacle.filter(|_| said.is_some() || metrics.is_some()).map(|(_, step)| eks::cite_step(step)))
        .cite_if(said.and(metrics));
    if probes.discovery.seen().is_some_and(|discovery| discovery.jwks_uri.is_some()) {
        finding = finding.cite(probed(format!("{at}/discovery/seen/jwksUri"), format!("jwks_uri is {uri}")));
    }
    if let Some((failure, name)) = failed {
        finding = finding.cite(probed(format!("{at}/{name}/failed/detail"), failure.detail.clone()));
    }
    vec![finding]
}

/// A status that is neither the set nor a refusal.
fn is_odd(status: u16) -> bool {
    status != 200 && (!(400..500).contains(&status) || status == 404)
}

/// The key set's address answers, and with something else than the set.
fn answers(case: &Case<'_>, status: &str, confidence: Confidence, first: Citation, answered: Option<(u16, &str)>) -> Finding {
    let (probes, at) = case.issuer();
    let uri = probes.discovery.seen().and_then(|discovery| discovery.jwks_uri.clone()).unwrap_or_else(|| "jwks_uri".to_owned());
    let mut finding = RULE
        .finding(
            confidence,
            format!("The API server can read the discovery document, but {uri}, where it sends for the keys, answers {status} instead of a key set: without the keys it can check no signature."),
            first,
            Step::text("Bring what serves the keys in order, or have the provider name the right address in jwks_uri: it must answer 200 with the set."),
        )
        .titled("The address of the issuer's key set does not answer with keys")
        .step(Step::command("This must answer 200 with JSON; the next token is judged at once", shell!("curl -si {} | head -n 20", uri)));
    if let Some((status, name)) = answered {
        finding = finding.cite(probed(format!("{at}/{name}/seen/answer/status"), format!("the key set's address answers {status} here too")));
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    #[test]
    fn a_dead_proxy_of_the_api_server_is_what_to_mend() {
        let text = include_str!("../../../testdata/cases/jwks-unreachable/evidence.json");
        let evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let mut case = Case::new(&evidence);
        // Synthetic: no server was caught with its proxy gone after discovery; the words are those it has for discovery.
        for word in case.words.iter_mut().filter(|word| word.text == &message::JWKS_UNREACHABLE) {
            let error = "proxyconnect tcp: dial tcp 10.9.9.3:1: connect: connection refused";
            word.fields.insert("error".to_owned(), error.to_owned());
        }
        let found = check(&case);
        assert!(found[0].fix[0].text.starts_with("Bring the proxy of the API server's environment"), "{:?}", found[0].fix);
    }
}
