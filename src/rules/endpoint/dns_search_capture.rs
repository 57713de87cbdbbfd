//! A search domain is put behind the name, and another host answers.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::way::{host, proxy};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "dns-search-capture",
    severity: Severity::Error,
    title: "A search domain turns the server's name into another host",
    page: Page {
        means: "The system tries the name with the search domains of resolv.conf behind it, and one of these longer names exists (a wildcard record is enough), so connections go to a host that is not the API server. It happens before the name itself is tried where it has fewer dots than ndots (5 in a Pod), and after it where it does not exist.",
        evidence: "getaddrinfo's answer for the name as it stands, and for the absolute name with a dot at its end: they differ, and what answers there is not the API server.",
        fix: "Write the server's name with a dot at its end, lower ndots, or take the wildcard out of the search domain. `kubectl config set-cluster CLUSTER --server=https://HOST.:6443` has the dot.",
        references: "https://man7.org/linux/man-pages/man5/resolv.conf.5.html",
    },
    recognises: &[],
    explains: &["api-certificate-name-mismatch", "kubeconfig-ca-mismatch", "tls-server-name-mismatch", "api-connection-refused", "api-connection-timeout", "api-connection-closed", "api-host-unreachable", "tls-handshake-timeout", "endpoint-private-off-network", "public-access-cidr-blocked", "api-behind-default-certificate", "tls-intercepted", "not-a-kubernetes-api", "server-url-wrong-scheme"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let Some(names) = endpoint.names.seen().filter(|_| proxy(case).is_none() && !case.accepted()) else {
        return Vec::new();
    };
    let (Some(absolute), Some(dns)) = (&names.absolute, endpoint.dns.seen()) else { return Vec::new() };
    if dns.addresses.iter().any(|address| absolute.addresses.contains(address)) {
        return Vec::new();
    }
    let host = host(case);
    // A short name without an address of its own is meant to be completed.
    if absolute.addresses.is_empty() && !host.contains('.') {
        return Vec::new();
    }
    // Addresses that change with each answer differ as well: only a longer name that has the same ones explains it.
    let Some(longer) = absolute.captured_by.as_deref() else { return Vec::new() };
    let itself = if absolute.addresses.is_empty() {
        "does not exist".to_owned()
    } else {
        format!("is at {}", absolute.addresses.join(", "))
    };
    let there = dns.addresses.join(", ");
    let step = if absolute.addresses.is_empty() {
        Step::text(format!("Correct the server's name: {host} does not exist, and only a search domain made it look as if it did."))
    } else {
        let server = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
        let url = server.map(|cluster| cluster.server.replacen(host, &format!("{host}."), 1)).unwrap_or_default();
        Step::command(
            "Write the name as an absolute one (its certificate is checked without the dot)",
            shell!("kubectl config set-cluster {} --server={}", crate::rules::kubeconfig_fault::cluster(case), url),
        )
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("This machine takes {host} for {longer} ({there}), because a search domain of resolv.conf is put behind it; the name itself {itself}. What answers there is not this API server."),
            probed("/endpoint/names/seen/absolute", format!("{host}. with the dot at its end {itself}")),
            step,
        )
        .cite(probed("/endpoint/dns/seen/addresses", format!("{host} as it stands: {there}")))
        .cite(probed("/endpoint/names/seen/search", format!("search domains: {}", names.search.join(", ")))),
    ]
}
