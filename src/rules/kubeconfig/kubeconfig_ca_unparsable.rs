//! The CA in the cluster entry cannot be read as certificates.

use crate::apiserver::message::heard;
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::api_port::fault;
use crate::rules::kubeconfig_fault::{Complaint, cluster, complaint, in_pod, pod_authority};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-ca-unparsable",
    severity: Severity::Error,
    title: "The kubeconfig's CA is no certificate",
    page: Page {
        means: "kubectl stops with \"unable to load root certificates: unable to parse bytes as PEM block\" before it opens a connection. The data was cut, is not PEM, or stands there twice (certificate-authority and certificate-authority-data). \
            In a Pod without a kubeconfig the CA is a file of the service account's volume: where that is missing, client-go logs \"Expected to load root CA config\" and goes on with the roots of the image, which do not know the cluster's authority.",
        evidence: "The bytes of the field or file, with the line they stand in.",
        fix: "Put the cluster's CA into the entry again. `kubectl config set-cluster CLUSTER --certificate-authority=CA --embed-certs`. \
            In a Pod, let the service account's volume have it: `kubectl get configmap kube-root-ca.crt -n NAMESPACE -o yaml` shows the CA that is mounted beside the token unless the Pod mounts something of its own there.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::CA_BROKEN],
    explains: &["kubeconfig-ca-mismatch"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let Some(complaint) = complaint(case, RULE.code) else { return Vec::new() };
    if in_pod(case) {
        return of_pod(case, complaint).into_iter().collect();
    }
    let name = cluster(case);
    if complaint.detail.contains("are both specified") {
        return vec![
            RULE.finding(
                Confidence::Certain,
                "Of the two, the data counts, and the file is ignored without a word: whoever changes the file changes nothing.",
                complaint.cite,
                Step::command("Keep the data, drop the file", shell!("kubectl config unset clusters.{}.certificate-authority", name)),
            )
            .titled("The cluster entry names its CA twice"),
        ];
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            "What the cluster entry gives as its CA holds no certificate, so kubectl stops here and connects to nothing.",
            complaint.cite,
            Step::command(
                "With the CA in a file (kubeadm: /etc/kubernetes/pki/ca.crt on a control-plane node), put it into the entry",
                shell!("kubectl config set-cluster {} --certificate-authority=ca.crt --embed-certs=true", name),
            ),
        )
        .step(Step::command("On EKS the entry is written anew by", "aws eks update-kubeconfig --name CLUSTER --region REGION")),
    ]
}

/// In a Pod without a kubeconfig: client-go goes on without the CA, and the roots of the image judge.
fn of_pod(case: &Case<'_>, complaint: Complaint<'_>) -> Option<Finding> {
    let untrusted = fault(case, &[TlsFaultKind::UnknownAuthority, TlsFaultKind::AuthorityKeyDiffers]);
    // They know the server: the missing file stands in nobody's way.
    if case.evidence.endpoint.tls.seen().is_some() && untrusted.is_none() {
        return None;
    }
    let confidence = if untrusted.is_some() { Confidence::Certain } else { Confidence::Likely };
    let cite = untrusted.map(|shown| shown.cite());
    let kubeconfig = case.evidence.kubeconfig.seen()?;
    let file = kubeconfig.problems.iter().find(|problem| problem.kind == RULE.code)?.file.as_deref()?;
    let folder = kubeconfig.cluster.as_ref().map(|cluster| cluster.file.as_str()).unwrap_or_default();
    if !file.starts_with(folder) {
        return Some(
            RULE.finding(
                confidence,
                "What --certificate-authority names holds no certificate, so there is no CA to judge the API server by.",
                complaint.cite,
                Step::text("Name a file with the cluster's CA, or leave the flag out: the volume of the Pod's service account has the CA of its own cluster."),
            )
            .titled("The file of --certificate-authority holds no certificate")
            .cite_if(cite),
        );
    }
    let (first, then) = pod_authority(case);
    let roots = if cite.is_some() { "which do not know who signed the API server's certificate" } else { "which know no cluster's own authority" };
    Some(
        RULE.finding(
            confidence,
            format!("In a Pod without a kubeconfig the cluster's CA is a file in the volume of the service account, and there is none that can be read: client-go logs that and goes on with the roots of the image, {roots}."),
            complaint.cite,
            first,
        )
        .titled("The volume of the Pod's service account holds no CA")
        .cite_if(cite)
        .steps(then),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::kubeconfig::Problem;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// Seen by a run whose kubeconfig named no CA, with a Pod's way in its place: no machine of the tests has the folder
    /// that client-go looks into.
    fn evidence(file: &str) -> Evidence {
        let text = include_str!("../../../testdata/cases/kubeconfig-ca-missing/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
        kubeconfig.source = "in-cluster".to_owned();
        kubeconfig.namespace = "shop".to_owned();
        let cluster = kubeconfig.cluster.as_mut().expect("a cluster");
        cluster.name = String::new();
        cluster.file = FOLDER.to_owned();
        kubeconfig.problems.push(Problem {
            kind: RULE.code.to_owned(),
            detail: format!("Expected to load root CA config from {file}, but got err: open {file}: no such file or directory"),
            file: Some(file.to_owned()),
            line: None,
        });
        evidence
    }

    #[test]
    fn a_pod_without_a_ca_is_told_what_helps_in_a_pod() {
        let evidence = evidence(&format!("{FOLDER}/ca.crt"));
        let findings = diagnose(check_all(&Case::new(&evidence)));
        let told: Vec<_> = findings.iter().map(|finding| (finding.code, finding.confidence, finding.explained_by)).collect();
        let expected = [
            (RULE.code, Confidence::Certain, None),
            ("kubeconfig-ca-mismatch", Confidence::Certain, Some(RULE.code)),
        ];
        assert_eq!(told, expected);
        assert!(findings[0].why.contains("client-go logs that and goes on with the roots of the image"), "{}", findings[0].why);
        for finding in &findings {
            let codes: Vec<&str> = finding.fix.iter().flat_map(|step| step.codes()).collect();
            assert_eq!(codes.first(), Some(&"kubectl get configmap kube-root-ca.crt -n shop -o yaml"), "{codes:?}");
            assert!(codes.iter().any(|code| code.contains("automountServiceAccountToken: true")), "{codes:?}");
            assert!(codes.iter().any(|code| code.contains("name: kube-root-ca.crt")), "{codes:?}");
            // There is no kubeconfig that could be changed.
            assert!(!codes.iter().any(|code| code.contains("kubectl config")), "{codes:?}");
        }
    }

    #[test]
    fn a_pods_own_volume_is_not_blamed_for_a_file_that_a_flag_names() {
        let evidence = evidence("/etc/ca.pem");
        let findings = check(&Case::new(&evidence));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].title, "The file of --certificate-authority holds no certificate");
    }

    #[test]
    fn a_ca_that_is_not_needed_is_not_missed() {
        let mut evidence = evidence(&format!("{FOLDER}/ca.crt"));
        let Outcome::Seen(report) = &mut evidence.endpoint.tls.outcome else { panic!("no handshake") };
        report.faults.clear();
        assert!(check(&Case::new(&evidence)).is_empty());
    }
}
