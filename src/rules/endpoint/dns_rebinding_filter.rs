//! A resolver drops private addresses out of its answers, or puts this machine's own in their place.

use crate::apiserver::message;
use crate::evidence::FailureKind;
use crate::evidence::apiserver::HttpAnswer;

use crate::evidence::dns::{LookupOutcome, ServerAnswer};
use crate::report::shell::shell;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::way::{all, answers, cite_met, host, is_itself, is_private, is_public, leads_home, proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "dns-rebinding-filter",
    severity: Severity::Error,
    title: "Your resolver hides the private addresses of the API server",
    page: Page {
        means: "The name is published with private addresses, and the resolver of this network does not hand them out: protection against DNS rebinding, as home routers, dnsmasq (stop-dns-rebind), unbound (private-address) and some public resolvers have it. The name looks as if it did not exist. Resolvers that block names (Pi-hole, AdGuard, filters of providers) answer 0.0.0.0 or 127.0.0.1 instead, and the connection is refused by this very machine.",
        evidence: "The name does not resolve here, while the resolver named by --public-resolver answers with private addresses; or it is 0.0.0.0 or 127.0.0.1 here, and another address there.",
        fix: "Except the domain from the protection or the block list, or ask another resolver. dnsmasq: `rebind-domain-ok=/eks.amazonaws.com/`; `dig HOST @RESOLVER` compares.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html",
    },
    recognises: &[&message::CLIENT_NAME_NOT_FOUND],
    explains: &["endpoint-name-not-found", "endpoint-stale", "dns-resolver-unreachable", "api-connection-refused", "not-a-kubernetes-api", "kubeconfig-ca-mismatch", "api-certificate-name-mismatch", "tls-intercepted"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = blocked(case) {
        return vec![finding];
    }
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

/// The name leads this machine to itself, and somebody knows another address of it.
fn blocked(case: &Case<'_>) -> Option<Finding> {
    let (dns, names) = leads_home(case).filter(|_| !case.accepted())?;
    // The API server is there: what keeps the user out is something else.
    if case.evidence.endpoint.anonymous.seen().is_some_and(HttpAnswer::is_of_kubernetes) {
        return None;
    }
    let elsewhere = |answer: &ServerAnswer| {
        let itself = |address: &String| address.parse().is_ok_and(is_itself);
        answer.outcome == LookupOutcome::Answer && !answer.addresses.is_empty() && !answer.addresses.iter().any(itself)
    };
    let by_server = names.servers.iter().any(|answer| all(&answer.addresses, is_itself));
    let public = names.public.as_ref().is_some_and(elsewhere);
    let other = public || names.servers.iter().any(elsewhere);
    // Nothing is ever published at 0.0.0.0.
    let nowhere = all(&dns.addresses, |ip: std::net::IpAddr| ip.to_canonical().is_unspecified());
    let confidence = match (by_server, public, other) {
        (true, true, _) => Confidence::Certain,
        // The name servers do not agree.
        (true, _, true) => Confidence::Likely,
        // The hosts file says so, which is mostly meant: a tunnel, or the machine of the API server itself.
        (false, _, true) => Confidence::Possible,
        (true, ..) if nowhere => Confidence::Likely,
        _ => return None,
    };
    let (host, here) = (host(case), dns.addresses.join(", "));
    let (who, title) = if by_server {
        ("The resolver of this machine", "Your resolver hides the API server behind an address of this machine itself")
    } else {
        ("The hosts file of this machine", "The hosts file leads the API server's name to this machine itself")
    };
    let known = if other { ", which is not the address that others know" } else { "" };
    let step = if by_server {
        Step::text(format!("Take {host} off the block list of your resolver (Pi-hole, AdGuard, the filter of a router or provider), or ask another resolver."))
    } else {
        Step::command(
            format!("Take the line of {host} out; or, if it is meant for a tunnel or a port-forward, start that"),
            shell!("grep -n -F {} /etc/hosts", host),
        )
    };
    let mut finding = RULE
        .finding(
            confidence,
            format!("{who} answers {here} for {host}{known}: connections go to this machine itself, and reach no API server."),
            probed("/endpoint/dns/seen/addresses", format!("{host} is {here} here")),
            step,
        )
        .titled(title)
        .cite_if((!names.servers.is_empty()).then(|| {
            probed("/endpoint/names/seen/servers", format!("the name servers of this machine say: {}", answers(&names.servers)))
        }))
        .cite_if(names.public.as_ref().map(|public| {
            probed("/endpoint/names/seen/public", format!("the public resolver says {}", answers(std::slice::from_ref(public))))
        }));
    if !by_server {
        finding.explains = &[];
    }
    if names.public.is_none() {
        finding = finding.step(Step::command("See what a resolver says that blocks nothing", "kaccess doctor --public-resolver 9.9.9.9"));
    }
    Some(finding)
}
