//! The control plane cannot resolve the issuer's name.

use crate::apiserver::message::{self, heard};
use crate::aws::egress::Mode;
use crate::evidence::FailureKind;
use crate::evidence::dns::LookupOutcome;
use crate::report::shell::shell;
use crate::report::{probed, Confidence, Finding, Severity, Step};
use crate::rules::{eks, setting, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-private-dns",
    severity: Severity::Error,
    title: "The control plane cannot resolve the issuer's name",
    page: Page {
        means: "The issuer's name is known in your network (a private zone, a VPN's resolver) and not to the resolver that the control plane uses. On a managed control plane that is the public DNS.",
        evidence: "The API server's log: \"lookup HOST: no such host\". From here the name may well resolve.",
        fix: "Publish the name where the control plane asks (a public record, or the zone attached to its network). `dig ISSUER_HOST @9.9.9.9` shows what the public sees.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::OIDC_INIT_DNS, &heard::INIT_OLD],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.initialized() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let said = case.said(&message::OIDC_INIT_DNS);
    let here = probes.dns.seen().filter(|dns| !dns.literal);
    // The system knows the name and the name servers do not (a hosts file, a VPN): the control plane's will not either.
    let hidden = here.is_some_and(|dns| dns.name_servers.as_ref().is_some_and(|servers| servers.outcome == LookupOutcome::Nxdomain))
        && probes.target.seen().is_some_and(|target| !target.laboratory);
    let nowhere = probes.dns.failed().filter(|failure| failure.kind == FailureKind::NameNotFound);
    let reached = case.logged_discovery_status().is_some() || case.issuer_answered();
    let (confidence, first) = match (said, case.not_initialized()) {
        (Some(word), _) => (word.sure(), word.cite()),
        (None, Some((cite, sure))) if (hidden || nowhere.is_some()) && !reached => (sure.max(Confidence::Likely), cite),
        _ => return Vec::new(),
    };
    let host = said.map(|word| word.field("host").to_owned()).or_else(|| probes.target.seen().map(|target| target.host.clone())).unwrap_or_default();
    let why = match (here, nowhere) {
        (Some(dns), _) => format!("The control plane's resolver does not know {host}; this machine's does ({}). The name is published only where you are.", dns.addresses.join(", ")),
        (None, Some(_)) => format!("{host} does not resolve for the control plane, nor from this machine: the name is wrong, or its record is gone."),
        (None, None) => format!("The control plane's resolver does not know {host}."),
    };
    let publish = match eks::egress(case) {
        Some(Mode::CustomerRouted) => format!("Make {host} known to the resolver of the cluster's VPC, which this control plane asks (CUSTOMER_ROUTED): associate the private hosted zone with that VPC, or forward the name there (a Route 53 Resolver rule)."),
        Some(Mode::AwsManaged { .. }) => format!("Publish {host} in public DNS: this control plane leaves through a network of AWS's own (AWS_MANAGED), and no private zone of yours reaches there."),
        _ => format!("Publish {host} in the DNS that the control plane asks: a public record on a managed control plane, else the zone attached to its network."),
    };
    let ask = if eks::egress(case) == Some(Mode::CustomerRouted) {
        Step::command("From a host in one of the cluster's subnets this must name an address", shell!("dig +short {}", host))
    } else {
        Step::command("This must name an address (ask a public resolver, as the control plane may)", shell!("dig +short {} @1.1.1.1", host))
    };
    let wrong = if eks::is_eks(case) {
        "If the name itself is wrong, correct the issuer's URL: the provider is disassociated and associated anew (aws eks disassociate-identity-provider-config, then associate-identity-provider-config)."
    } else if setting::in_a_file(case) {
        "If the name itself is wrong, correct issuer.url in the AuthenticationConfiguration (and the provider's own idea of its address); the API server reads the file again by itself."
    } else {
        "If the name itself is wrong, correct --oidc-issuer-url (and the provider's own idea of its address) and restart the API server."
    };
    let mut finding = RULE
        .finding(confidence, why, first, Step::text(format!("{publish} The API server tries again every 10 s.")))
        .step(ask)
        .step(Step::text(wrong));
    if here.is_some() {
        finding = finding.cite(probed(format!("{at}/dns/seen"), format!("from this machine {host} resolves")));
    } else if let Some(failure) = nowhere {
        finding = finding.cite(probed(format!("{at}/dns/failed/detail"), failure.detail.clone()));
    }
    vec![finding]
}
