//! The kubeconfig's CA did not sign the API server's certificate.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::tls::{TlsFaultKind, CertificateFacts};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::api_port::{fault, met_without_handshake};
use crate::rules::kubeconfig_fault::{cluster as named, fetch_authority, in_pod, pod_authority};
use crate::rules::{Case, Page, Rule, flag};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-ca-mismatch",
    severity: Severity::Error,
    title: "The kubeconfig's CA did not sign the API server's certificate",
    page: Page {
        means: "kubectl refuses the connection with \"x509: certificate signed by unknown authority\", before any credential is sent. \
            The certificate-authority in the cluster entry belongs to another cluster, is missing, or the API server got a certificate of another authority. \
            (A CA of the same name with another key is cluster-ca-rotated; something between that presents a certificate of its own is tls-intercepted.)",
        evidence: "The chain that the server presented, and the certificates that the kubeconfig trusts.",
        fix: "Take the CA from the cluster again: on EKS aws eks update-kubeconfig, on kubeadm the file /etc/kubernetes/pki/ca.crt, elsewhere your admin. \
            If the issuer named is your company's proxy, exempt the API server with NO_PROXY. Do not switch verification off: the next request carries your credential. Elsewhere: `kubectl config set-cluster CLUSTER --certificate-authority=CA --embed-certs`.",
        references: "https://kubernetes.io/docs/tasks/administer-cluster/certificates/",
    },
    recognises: &[&message::KUBECTL_X509_UNKNOWN, &heard::X509_OTHER, &heard::CALL_FAILED, &heard::PYTHON_CALL, &heard::OC_AUTHORITY, &heard::BARE_X509, &heard::X509_MACOS, &tools::AUTHORITY, &tools::AUTHORITY_UNFIT, &tools::NO_ROOTS],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kinds = [TlsFaultKind::UnknownAuthority, TlsFaultKind::AuthorityKeyDiffers];
    let Some(shown) = fault(case, &kinds) else {
        let step = || Step::text("Compare the cluster entry's CA with the cluster's own, from a place you trust.");
        let found = met_without_handshake(case, &message::KUBECTL_X509_UNKNOWN).map(|word| {
            RULE.finding(Confidence::Likely, "kubectl found no authority for the server's certificate among those that the kubeconfig trusts.", word.cite(), step())
        });
        return found.into_iter().collect();
    };
    let report = shown.report;
    let cluster = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    let trusted = cluster
        .map(|cluster| cluster.authorities.iter().map(|ca| ca.subject.clone()).collect::<Vec<_>>().join(", "))
        .unwrap_or_default();
    let top = top(&report.chain);
    let presented = top.map(|certificate| certificate.issuer.clone()).unwrap_or_default();
    let name = named(case);
    let put = Step::command(
        "With the CA in a file, put it into the cluster entry",
        shell!("kubectl config set-cluster {} --certificate-authority=ca.crt --embed-certs=true", name),
    );
    let pod = in_pod(case);
    let (take, then) = if pod { pod_authority(case) } else { (fetch_authority(case), vec![put]) };
    if report.roots == "system" && pod {
        let why = format!("The volume of the Pod's service account gives no CA, so the roots of the image judge, and they do not know {presented:?}, which signed the API server's certificate.");
        return vec![
            RULE.finding(Confidence::Certain, why, shown.cite(), take)
                .titled("The Pod has no CA, and its image's roots do not trust the API server")
                .steps(then),
        ];
    }
    if report.roots == "system" {
        let why = format!("The cluster entry names no CA, so this machine's own roots judge, and they do not know {presented:?}, which signed the API server's certificate.");
        return vec![
            RULE.finding(Confidence::Certain, why, shown.cite(), take)
                .titled("The kubeconfig names no CA, and this machine's roots do not trust the API server")
                .steps(then),
        ];
    }
    // The same name with another key is a finding of its own.
    if report.roots != "kubeconfig" || shown.fault.kind == TlsFaultKind::AuthorityKeyDiffers {
        return Vec::new();
    }
    // A public authority's certificate: the server has one for everybody, and the entry's CA stands in its way.
    let public = report.trusted_by_system == Some(true) && report.chain.first().is_some_and(|leaf| leaf.published);
    // Certificates that stand in the server's file and have no part in this chain.
    let strangers: Vec<&str> = report.chain.iter().skip(1).filter(|other| !part_of(&report.chain, other)).map(|other| other.subject.as_str()).collect();
    // Of a Pod without a kubeconfig: the file that the CA is in.
    let file = cluster.and_then(|cluster| cluster.certificate_authority.as_deref()).filter(|_| pod);
    let by_flag = flag::given(case, "--certificate-authority");
    let whose = file.unwrap_or(if by_flag { "the file of --certificate-authority" } else { "the kubeconfig" });
    let mut why = if public {
        format!("The API server's chain ends at {presented:?}, a public authority that this machine trusts; {whose} allows only {trusted:?}.")
    } else {
        format!("The API server's chain ends at {presented:?}; {whose} trusts only {trusted:?}.")
    };
    if !strangers.is_empty() {
        why.push_str(&format!(" It sends {} as well, which signed nothing of it.", strangers.join(", ")));
    }
    let mut finding = if public && !pod {
        RULE.finding(
            Confidence::Certain,
            why,
            shown.cite(),
            Step::command(
                "If this is the server you mean (a proxy with a public certificate before the API), let this machine's roots judge",
                shell!("kubectl config unset clusters.{}.certificate-authority-data", name),
            ),
        )
    } else {
        // A server that leaves out its intermediate certificate looks the same: only a chain with its root is complete.
        let complete = top.is_some_and(|top| top.issuer == top.subject);
        let confidence = if complete { Confidence::Certain } else { Confidence::Likely };
        let finding = RULE.finding(confidence, why, shown.cite(), take).steps(then);
        if complete {
            finding
        } else {
            finding.step(Step::text(format!("If {presented:?} is an intermediate authority below the CA that {whose} trusts, {whose} is right and the server's certificate file must hold that intermediate certificate too.")))
        }
    };
    if by_flag {
        finding = finding.titled("The CA of --certificate-authority did not sign the API server's certificate");
    }
    if cluster.is_some() {
        finding = finding.cite(seen("/kubeconfig/seen/cluster/authorities", format!("{whose} trusts {trusted}")));
    }
    vec![finding]
}

/// The certificates from the server's own up to the last one that was sent, by their names.
fn path(chain: &[CertificateFacts]) -> Vec<&CertificateFacts> {
    let mut path: Vec<&CertificateFacts> = chain.first().into_iter().collect();
    while let Some(top) = path.last().copied().filter(|top| top.issuer != top.subject) {
        match chain.iter().find(|above| above.subject == top.issuer) {
            Some(above) if path.len() < chain.len() => path.push(above),
            _ => break,
        }
    }
    path
}

fn top(chain: &[CertificateFacts]) -> Option<&CertificateFacts> {
    path(chain).pop()
}

fn part_of(chain: &[CertificateFacts], certificate: &CertificateFacts) -> bool {
    path(chain).iter().any(|part| part.sha256 == certificate.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    /// Seen by a run with a kubeconfig; a Pod's way is put in its place, because no machine of the tests has the folder that
    /// client-go looks into.
    #[test]
    fn the_ca_of_a_pod_stands_in_no_kubeconfig() {
        let text = include_str!("../../../testdata/cases/kubeconfig-ca-mismatch/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
        kubeconfig.source = "in-cluster".to_owned();
        kubeconfig.namespace = "shop".to_owned();
        let file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
        kubeconfig.cluster.as_mut().expect("a cluster").certificate_authority = Some(file.to_owned());
        let findings = check(&Case::new(&evidence));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].why.contains(&format!("{file} trusts only \"CN=unrelated-ca\"")), "{}", findings[0].why);
        let codes: Vec<&str> = findings[0].fix.iter().flat_map(|step| step.codes()).collect();
        assert_eq!(codes.first(), Some(&"kubectl get configmap kube-root-ca.crt -n shop -o yaml"), "{codes:?}");
        assert!(!codes.iter().any(|code| code.contains("kubectl config")), "{codes:?}");
    }

    #[test]
    fn a_certificate_that_signed_nothing_ends_no_chain() {
        let certificate = |subject: &str, issuer: &str| CertificateFacts {
            subject: subject.to_owned(),
            issuer: issuer.to_owned(),
            sha256: subject.to_owned(),
            ..CertificateFacts::default()
        };
        let ends = |chain: &[CertificateFacts]| top(chain).map(|top| top.issuer.clone());
        let (leaf, between, root) = (certificate("leaf", "between"), certificate("between", "root"), certificate("root", "root"));
        let stranger = certificate("other", "other");
        assert_eq!(ends(&[leaf.clone(), stranger.clone()]).as_deref(), Some("between"));
        assert_eq!(ends(&[leaf.clone(), root.clone(), between.clone()]).as_deref(), Some("root"));
        assert_eq!(ends(&[certificate("a", "b"), certificate("b", "a")]).as_deref(), Some("a"));
        assert_eq!(ends(&[]), None);
        let chain = [leaf, between, stranger];
        assert!(part_of(&chain, &chain[1]) && !part_of(&chain, &chain[2]));
    }
}
