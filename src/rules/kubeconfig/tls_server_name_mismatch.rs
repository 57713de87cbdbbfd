//! tls-server-name is set, and the certificate is for other names.

use crate::evidence::FailureKind;
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::kubeconfig_fault::cluster;
use crate::rules::{Case, Page, Rule, flag};

/// The rule.
pub static RULE: Rule = Rule {
    code: "tls-server-name-mismatch",
    severity: Severity::Error,
    title: "tls-server-name is a name that the certificate does not have",
    page: Page {
        means: "The cluster entry says under which name the server is to be checked (as it should behind a tunnel or an address), and the certificate is not for that name: \"certificate is valid for A, B, not C\".",
        evidence: "The names in the certificate that was presented, or the TLS alert unrecognized_name; and tls-server-name.",
        fix: "Set tls-server-name to a name that the certificate has, or take it out where the server is reached by its own name. `kubectl config set-cluster CLUSTER --tls-server-name=NAME`.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// Who says the name.
fn whose(case: &Case<'_>) -> &'static str {
    if flag::given(case, "--tls-server-name") { "The flag --tls-server-name" } else { "The kubeconfig" }
}

/// A URL, or a name with its port, stands where only a name belongs.
fn no_name(case: &Case<'_>, name: &str) -> Option<Finding> {
    let whose = whose(case);
    let failure = case.evidence.endpoint.tls.failed_as(&[FailureKind::Malformed])?;
    let bare = name.split_once("://").map_or(name, |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
    let bare = match bare.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => bare,
    };
    let bare = bare.trim_matches(['[', ']']);
    // Only these are no name for certain.
    if bare == name || bare.is_empty() {
        return None;
    }
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("{whose} has the server checked as {name:?}. That is no name: no certificate can be for it, and kubectl refuses each. A name alone belongs there, without scheme, port and path."),
            seen("/kubeconfig/seen/cluster/tlsServerName", format!("tls-server-name: {name}")),
            Step::command(
                "Leave the name alone",
                shell!("kubectl config set-cluster {} --tls-server-name={}", cluster(case), bare),
            ),
        )
        .titled("tls-server-name is no name")
        .cite(probed("/endpoint/tls/failed/detail", failure.detail.clone())),
    )
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(entry) = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref()) else {
        return Vec::new();
    };
    let Some(name) = entry.tls_server_name.as_deref() else { return Vec::new() };
    let whose = whose(case);
    // A router by names has none of this name, and ends TLS.
    if let Some(failure) = case.evidence.endpoint.tls.failed()
        && let Some(said) = failure.seen.as_deref().filter(|seen| seen.ends_with("UnrecognisedName"))
    {
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("{whose} has {name:?} sent as the server's name, and what answers there has no site of that name: it ends TLS."),
                probed("/endpoint/tls/failed/seen", format!("{}: {said}", failure.detail)),
                Step::command(
                    "Name one that it has",
                    shell!("kubectl config set-cluster {} --tls-server-name=NAME", cluster(case)),
                ),
            )
            .titled("tls-server-name is a name that the server does not have")
            .cite(seen("/kubeconfig/seen/cluster/tlsServerName", format!("tls-server-name: {name}"))),
        ];
    }
    if let Some(finding) = no_name(case, name) {
        return vec![finding];
    }
    let Some(report) = case.evidence.endpoint.tls.seen().filter(|report| report.roots != "none") else {
        return Vec::new();
    };
    let Some((index, fault)) =
        report.faults.iter().enumerate().find(|(_, fault)| fault.kind == TlsFaultKind::NameMismatch)
    else {
        return Vec::new();
    };
    let names = report.chain.first().map(|leaf| leaf.names.as_slice()).unwrap_or_default();
    // A certificate without any such name fits none that could be set.
    if names.is_empty() {
        return Vec::new();
    }
    let host = case.evidence.endpoint.route.seen().map(|route| route.host.as_str()).unwrap_or_default();
    let step = if names.iter().any(|other| other == host) {
        Step::command(
            "The certificate is for the server's own name: check that one",
            shell!("kubectl config unset clusters.{}.tls-server-name", cluster(case)),
        )
    } else {
        let named = names.iter().find(|other| other.parse::<std::net::IpAddr>().is_err() && !other.contains('*'));
        Step::command(
            "Name one that the certificate has",
            shell!("kubectl config set-cluster {} --tls-server-name={}", cluster(case), named.or(names.first()).map_or("NAME", |name| name.as_str())),
        )
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{whose} has the server checked as {name:?}, and its certificate is for {}.", names.join(", ")),
            probed(format!("/endpoint/tls/seen/faults/{index}"), fault.detail.clone()),
            step,
        )
        .cite(seen("/kubeconfig/seen/cluster/tlsServerName", format!("tls-server-name: {name}"))),
    ]
}
