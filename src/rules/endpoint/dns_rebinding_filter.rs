//! A resolver drops private addresses out of its answers.

use crate::apiserver::message;
use crate::evidence::FailureKind;
use crate::evidence::dns::LookupOutcome;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::way::{all, answers, cite_met, host, is_private, is_public, proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "dns-rebinding-filter",
    severity: Severity::Error,
    title: "Your resolver hides the private addresses of the API server",
    page: Page {
        means: "The name is published with private addresses, and the resolver of this network does not hand them out: protection against DNS rebinding, as home routers, dnsmasq (stop-dns-rebind), unbound (private-address) and some public resolvers have it. The name looks as if it did not exist.",
        evidence: "The name does not resolve here, while the resolver named by --public-resolver answers with private addresses.",
        fix: "Except the domain from the protection, or ask another resolver. dnsmasq: `rebind-domain-ok=/eks.amazonaws.com/`; `dig HOST @RESOLVER` compares.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html",
    },
    recognises: &[&message::CLIENT_NAME_NOT_FOUND],
    explains: &["endpoint-name-not-found", "endpoint-stale", "dns-resolver-unreachable"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let Some(names) = endpoint.names.seen().filter(|_| proxy(case).is_none()) else { return Vec::new() };
    let Some(failure) = endpoint.dns.failed_as(&[FailureKind::NameNotFound, FailureKind::ResolverFailed]) else { return Vec::new() };
    let Some(public) = names.public.as_ref().filter(|public| all(&public.addresses, is_private)) else { return Vec::new() };
    // An answer of a resolver within the private network is no proof that everybody gets it.
    if !public.servers.iter().all(|server| server.parse().is_ok_and(is_public)) {
        return Vec::new();
    }
    // A resolver that does not answer at all hides nothing.
    let denies = |outcome: &LookupOutcome| {
        matches!(outcome, LookupOutcome::Nodata | LookupOutcome::Nxdomain | LookupOutcome::Refused)
    };
    if !names.servers.iter().all(|answer| denies(&answer.outcome)) {
        return Vec::new();
    }
    // The name without its addresses is the filter's mark; a name that is denied may be a local zone's word, too.
    let stripped = !names.servers.is_empty() && names.servers.iter().all(|answer| answer.outcome == LookupOutcome::Nodata);
    let confidence = if stripped { Confidence::Certain } else { Confidence::Likely };
    let host = host(case);
    let parent = host.split_once('.').map_or(host, |(_, parent)| parent);
    vec![
        RULE.finding(
            confidence,
            format!("{host} is published with private addresses, which a public resolver hands out and this machine's do not."),
            probed("/endpoint/names/seen/public", format!("the public resolver says {}", answers(std::slice::from_ref(public)))),
            Step::manifest(
                "Except the domain from the protection of your router or resolver; for dnsmasq, and for unbound",
                format!("rebind-domain-ok=/{parent}/\n\nserver:\n  private-domain: \"{parent}\""),
            ),
        )
        .cite(probed("/endpoint/names/seen/servers", format!("the name servers of this machine say: {}", answers(&names.servers))))
        .cite(probed("/endpoint/dns/failed/detail", failure.detail.clone()))
        .step(Step::text("The addresses are private: to use them, this machine must be in their network or VPN as well."))
        .cite_if(cite_met(case, RULE.recognises)),
    ]
}
