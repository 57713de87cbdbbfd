//! The key set's URL refuses the control plane, while discovery works.

use crate::apiserver::message::{self, heard};
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::{eks, pod_role, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "jwks-blocked",
    severity: Severity::Error,
    title: "The issuer's key set refuses the control plane",
    page: Page {
        means: "Discovery works, but the URL of the key set (jwks_uri) answers 403. The API server fetches the keys with the first token, and again when a key is unknown: then no signature can be checked.",
        evidence: "The server's words \"fetching keys oidc: get keys failed: 403 Forbidden\"; the metrics' last failed key fetch; the refusal met by kaccess itself.",
        fix: "Open the path of jwks_uri to everybody; it holds public keys only. The next token is judged at once. `curl -si JWKS_URI` must answer 200; on EKS `kaccess allowlist` says what to open.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata",
    },
    recognises: &[&message::JWKS_HTTP, &heard::JWKS_FAILED],
    explains: &["credential-rejected"],
    check,
};

fn refuses(status: u16) -> bool {
    (400..500).contains(&status) && status != 404 && status != 429
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::JWKS_HTTP).filter(|word| word.field("status").parse().is_ok_and(refuses));
    let refused = [(&probes.jwks, "jwks"), (&probes.jwks_as_control_plane, "jwksAsControlPlane")]
        .into_iter()
        .find_map(|(jwks, name)| jwks.seen().filter(|jwks| refuses(jwks.answer.status)).map(|jwks| (jwks.answer.status, format!("{at}/{name}/seen/answer/status"))));
    let metrics = case.last_keys_failed();
    let obstacle = eks::keys_obstacle(case, true);
    let (confidence, first) = match (&said, &metrics, &refused, obstacle) {
        // The line names no issuer.
        (Some(word), ..) => (word.sure().max(word.confidence(true)), word.cite()),
        (None, Some(cite), Some(_), _) => (Confidence::Likely, cite.clone()),
        (None, _, _, Some((_, step))) => (Confidence::Likely, eks::cite_step(step)),
        // A bare 401 with a refusal from here is a candidate of credential-rejected, not a finding.
        _ => return Vec::new(),
    };
    let url = [&probes.discovery, &probes.discovery_as_control_plane]
        .into_iter()
        .find_map(|discovery| discovery.seen()?.jwks_uri.clone())
        .unwrap_or_else(|| "jwks_uri".to_owned());
    let path = url::Url::parse(&url).map_or_else(|_| url.clone(), |url| url.path().to_owned());
    let status = said.map(|word| word.field("status").to_owned()).or_else(|| refused.as_ref().map(|(status, _)| status.to_string())).unwrap_or_default();
    let why = match obstacle {
        Some((reach, step)) if status.is_empty() => format!("The API server can read the discovery document, but the keys are on another host, {}, and there {}: without the keys it can check no signature.", reach.host, step.text),
        _ => format!("The API server can read the discovery document, but {url} answers it {status}: without the keys it can check no signature."),
    };
    let mut steps = match obstacle {
        Some((reach, _)) => vec![Step::text(format!("On the load balancer in front of {}, let {path} through to the provider for every address, by a rule with the lowest number; it holds public keys only.", reach.host))],
        None => vec![
            Step::text(format!("In front of the issuer, open {path} to every address; it holds public keys only.")),
            Step::manifest("In nginx, with the proxy settings of your location /; then nginx -s reload", format!("location = {path} {{\n    allow all;\n    proxy_pass KEYCLOAK;   # as in your location /\n}}\n")),
        ],
    };
    steps.push(Step::command("The next token is judged at once", "kaccess doctor"));
    let (step, more) = pod_role::split(steps);
    vec![
        RULE.finding(confidence, why, first, step)
            .steps(more)
            .cite_if(refused.map(|(status, path)| probed(path, format!("the key set answers {status} here too"))))
            .cite_if(obstacle.filter(|_| said.is_some() || metrics.is_some()).map(|(_, step)| eks::cite_step(step)))
            .cite_if(said.and(metrics)),
    ]
}
