//! The name of a cluster that does not exist any more.

use crate::apiserver::message::{self, heard};
use crate::evidence::FailureKind;
use crate::evidence::dns::LookupOutcome;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::way::{Managed, answers, cite_met, host, managed, proxy};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "endpoint-stale",
    severity: Severity::Error,
    title: "The cluster that this endpoint belonged to is gone",
    page: Page {
        means: "The server URL is a managed cluster's own endpoint name, and that name does not exist: its provider takes the name out of the DNS when the cluster is deleted, and gives a new one when it is created again. kubectl says \"no such host\".",
        evidence: "The provider's pattern of the name, getaddrinfo's failure, and NXDOMAIN from every name server; a public resolver (--public-resolver) decides, because a resolver of one's own may hide a name.",
        fix: "Write the kubeconfig entry anew from the cluster as it is now; take the entry out if the cluster is gone. `aws eks update-kubeconfig --name CLUSTER`, or `kubectl config delete-cluster CLUSTER`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html",
    },
    recognises: &[&message::CLIENT_NAME_NOT_FOUND, &heard::EKS_NO_CLUSTER],
    explains: &["endpoint-name-not-found"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let endpoint = &case.evidence.endpoint;
    let host = host(case);
    let Some(provider) = managed(host).filter(|_| proxy(case).is_none()) else { return Vec::new() };
    let Some(failure) = endpoint.dns.failed_as(&[FailureKind::NameNotFound]) else { return Vec::new() };
    let Some(names) = endpoint.names.seen() else { return Vec::new() };
    let everywhere = names.servers.iter().chain(&names.public).all(|answer| answer.outcome == LookupOutcome::Nxdomain);
    if !everywhere || names.servers.is_empty() && names.public.is_none() {
        return Vec::new();
    }
    let (whose, step) = match provider {
        Managed::Eks(_) => {
            let (name, region) = (eks::cluster(case), eks::region(case));
            (
                "an EKS cluster",
                Step::command(
                    format!("See which clusters there are (aws eks list-clusters --region {region}), and write the entry anew"),
                    shell!("aws eks update-kubeconfig --name {} --region {}", name, region),
                ),
            )
        }
        Managed::Aks(_) => (
            "an AKS cluster",
            Step::command(
                "See which clusters there are (az aks list -o table), and write the entry anew",
                "az aks get-credentials --name NAME --resource-group GROUP --overwrite-existing",
            ),
        ),
        Managed::DigitalOcean => (
            "a DigitalOcean cluster",
            Step::command(
                "See which clusters there are (doctl kubernetes cluster list), and write the entry anew",
                "doctl kubernetes cluster kubeconfig save NAME",
            ),
        ),
    };
    let confidence = if names.public.is_some() { Confidence::Certain } else { Confidence::Likely };
    let server = case.evidence.kubeconfig.seen().and_then(|kubeconfig| Some(kubeconfig.cluster.as_ref()?.server.clone()));
    let mut finding = RULE
        .finding(
            confidence,
            format!("{host} is the endpoint of {whose}, which has its name as long as it exists; no name server knows it now. The cluster was deleted, or made anew under another name."),
            probed("/endpoint/names/seen", format!("the name servers say: {}", answers(&names.servers))),
            step,
        )
        .cite(probed("/endpoint/dns/failed/detail", failure.detail.clone()));
    if let Some(public) = &names.public {
        finding = finding.cite(probed("/endpoint/names/seen/public", format!("so does the public resolver {}", answers(std::slice::from_ref(public)))));
    } else {
        finding = finding.step(Step::command(
            "To be certain, ask a resolver that hides nothing",
            "kaccess doctor --public-resolver 9.9.9.9",
        ));
    }
    vec![
        finding
            .cite_if(server.map(|server| seen("/kubeconfig/seen/cluster/server", format!("server: {server}"))))
            .cite_if(cite_met(case, RULE.recognises)),
    ]
}
