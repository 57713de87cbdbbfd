//! A WAF that may refuse the control plane.

use crate::aws::reach::Layer;
use crate::report::shell::{Shell, shell};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "waf-may-block-discovery",
    severity: Severity::Warning,
    title: "A web ACL in front of the issuer may refuse the API server",
    page: Page {
        means: "A web ACL stands in front of the issuer's load balancer. Lists of addresses, reputation and bot rules judge by where a request comes from and what it looks like; the API server's come from an address of AWS with the User-Agent of a Go program.",
        evidence: "The rules of the web ACL. Whether a managed rule fits is not visible here; the web ACL's own log shows it.",
        fix: "Let the two paths through before any other rule. `kaccess allowlist` names the paths.",
        references: "https://docs.aws.amazon.com/waf/latest/developerguide/web-acl.html",
    },
    recognises: &[],
    explains: &["issuer-blocks-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(reach) = eks::questioned(case) else { return Vec::new() };
    let blocked = eks::obstacle(case, Layer::Waf);
    let (step, confidence, word) = match (&blocked, eks::unknown_at(reach, Layer::Waf)) {
        (Some(found), _) => (found.step, found.confidence, found.word.clone()),
        (None, Some(step)) if eks::aws(case).is_some_and(|aws| aws.issuer_balancer.web_acl.seen().is_some()) => {
            // Something must speak for it: a refusal, or silence that nothing else explains.
            if reach.obstacle().is_some() || eks::without_connection(case) || (case.not_initialized().is_none() && case.rejected().is_none()) {
                return Vec::new();
            }
            (step, Confidence::Possible, None)
        }
        _ => return Vec::new(),
    };
    let path = step.path.clone().unwrap_or_else(|| "/aws/issuerBalancer/webAcl/seen".to_owned());
    let arn = eks::aws(case).and_then(|aws| aws.issuer_balancer.web_acl.seen()).map_or("ARN", |acl| acl.arn.as_str());
    let scope = Shell::from(if arn.contains(":global/") { "CLOUDFRONT --region us-east-1" } else { "REGIONAL" });
    let sampled = Step::command(
        "See what it refused in the last hour: Go's User-Agent at those paths (METRIC: CloudWatch's name of the rule that is in question)",
        shell!("aws wafv2 get-sampled-requests --web-acl-arn {} --rule-metric-name METRIC --scope {} --time-window StartTime=$(($(date +%s)-3600)),EndTime=$(date +%s) --max-items 100", arn, scope),
    );
    vec![
        RULE.finding(
            confidence,
            format!("A web ACL judges what comes to {} before the issuer sees it; if it refuses the control plane, the API server never reads {}.", reach.host, reach.paths.join(" and ")),
            seen(path, step.text.clone()),
            Step::text(format!("Add a rule with the lowest number to the web ACL: allow, where the URI path is exactly {} (both hold public data only).", reach.paths.join(" or "))),
        )
        .step(sampled)
        .step(eks::again())
        .cite(eks::cite_mode(reach))
        .cite_if(word),
    ]
}
