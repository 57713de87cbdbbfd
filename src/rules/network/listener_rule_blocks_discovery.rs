//! A listener rule in front of discovery.

use crate::aws::reach::Layer;
use crate::report::shell::shell;
use crate::report::{Citation, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "listener-rule-blocks-discovery",
    severity: Severity::Error,
    title: "A rule of the issuer's load balancer answers the two documents itself",
    page: Page {
        means: "The load balancer's rules are tried by priority, and the first that fits takes the request. What takes the discovery document or the key set answers with a fixed response (often 403 or 404), or no listener is there.",
        evidence: "The rules of the listener, tried as the API server's request would be.",
        fix: "Add a rule for exactly the two paths before it, which forwards to the issuer. `kaccess allowlist -o aws-cli` prints it (or terraform, ingress, nginx).",
        references: "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html",
    },
    recognises: &[],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-unreachable-from-control-plane", "jwks-blocked", "jwks-unparsable", "jwks-unreachable", "issuer-returns-html", "issuer-document-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(stopped) = eks::keys_stopped(case, Layer::Rule) {
        return vec![stopped.finding(&RULE)];
    }
    let Some(found) = eks::obstacle(case, Layer::Rule) else { return Vec::new() };
    // Where only a source-ip list stands between, the list is the cause.
    if eks::by_source(case) && !found.lists.is_empty() {
        return Vec::new();
    }
    if let Some(later) = found.of_keys_later(&RULE, case) {
        return vec![later];
    }
    if found.step.path.as_deref().is_some_and(|path| path.ends_with("/listeners/seen")) {
        return vec![no_listener(case, &found)];
    }
    let finding = RULE.finding(found.confidence, format!("The load balancer of {} does not hand the API server's request on to the issuer, {}.", found.reach.host, eks::unread(found.reach)), seen(found.step.path.clone().unwrap_or_default(), found.step.text.clone()), eks::open_two_paths(found.reach))
            .step(Step::text(format!("The rule needs the host {} and the two paths as conditions, a lower number than the one that answers now, and the issuer's target group.", found.reach.host)))
            .step(eks::again())
            .cite(eks::cite_mode(found.reach))
            .cite_if(found.word.clone())
            .cite_if(met(case));
    let keys = eks::keys_alone(found.reach).is_some();
    vec![if keys { finding.titled("The issuer's load balancer does not hand on the request for the key set") } else { finding }]
}

/// The same answer, met from here.
fn met(case: &Case<'_>) -> Option<Citation> {
    let (status, path, _) = case.discovery_status().filter(|(status, ..)| eks::answered_by_rule(case, *status))?;
    Some(probed(path, format!("discovery answers {status} here too")))
}

/// Nobody listens on the issuer's port: there is no rule that a path could be put before.
fn no_listener(case: &Case<'_>, found: &eks::Obstacle<'_>) -> Finding {
    let port = found.reach.port;
    let balancer = eks::aws(case).and_then(|aws| aws.issuer_balancer.load_balancer.seen());
    let arn = balancer.map_or("LOAD-BALANCER-ARN", |balancer| balancer.arn.as_str());
    RULE.finding(
        found.confidence,
        format!("The load balancer of {} does not take the API server's request at all, {}.", found.reach.host, eks::unread(found.reach)),
        seen(found.step.path.clone().unwrap_or_default(), found.step.text.clone()),
        Step::command(
            format!("Give it a listener on port {port}, with the certificate of {}, that forwards to the issuer", found.reach.host),
            shell!("aws elbv2 create-listener --load-balancer-arn {} --protocol HTTPS --port {} --certificates CertificateArn=CERTIFICATE-ARN --default-actions Type=forward,TargetGroupArn=TARGET-GROUP-ARN", arn, port),
        ),
    )
    .titled(format!("The issuer's load balancer has no listener on port {port}"))
    .step(eks::again())
    .cite(eks::cite_mode(found.reach))
    .cite_if(found.word.clone())
}
