//! The plugin's cluster name is not this cluster's.

use crate::apiserver::message::{self, heard};
use crate::aws::identity;
use crate::report::shell::shell;
use crate::report::{Candidate, Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-token-wrong-cluster",
    severity: Severity::Error,
    title: "The token is signed for another cluster",
    page: Page {
        means: "The name of the cluster is signed into the token (header x-k8s-aws-id). Against another cluster the signature does not match, and STS says so to the authenticator, which answers 401.",
        evidence: "The exec entry's --cluster-name names a cluster whose endpoint is another one than the kubeconfig's server; or the authenticator's log says SignatureDoesNotMatch.",
        fix: "Write the kubeconfig entry anew for the cluster that you mean. `aws eks update-kubeconfig --name CLUSTER`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/create-kubeconfig.html",
    },
    recognises: &[&message::IAM_SIGNATURE, &heard::IAM_REFUSED_BARE],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || !eks::is_iam(case) {
        return Vec::new();
    }
    let word = eks::authenticator_word(case, &message::IAM_SIGNATURE);
    let aws = eks::aws(case);
    let target = aws.and_then(|aws| aws.target.seen());
    let cluster = aws.and_then(|aws| aws.cluster.seen());
    let signed = target.and_then(|target| target.token_cluster.as_deref());
    // The cluster that the plugin signs for has another endpoint. In another region the name says nothing: there may be a
    // cluster of this name as well. A context that is called by its cluster's ARN names it.
    let context = case.evidence.kubeconfig.seen().and_then(|config| config.context.as_deref());
    let meant = context.and_then(identity::Arn::parse).filter(|arn| arn.service == "eks").map(|arn| arn.name());
    let differs = match (signed, cluster) {
        (Some(signed), Some(cluster)) if signed == cluster.name && meant != Some(signed) && eks::other_region(case.evidence).is_none() => {
            eks::other_cluster(case.evidence).map(|(endpoint, server)| (signed, endpoint, server))
        }
        _ => None,
    };
    let other_name = match (signed, cluster) {
        (Some(signed), Some(cluster)) if signed != cluster.name => Some((signed, cluster.name.as_str())),
        _ => None,
    };
    let refused = eks::refused(case);
    let (confidence, first) = match (&word, &differs, other_name) {
        (Some((word, named)), Some(_), _) | (Some((word, named)), _, Some(_)) => (eks::sure(case, word, *named || refused.is_some()), word.cite()),
        (Some((word, _)), None, None) => (Confidence::Likely, word.cite()),
        (None, Some((_, endpoint, _)), _) if refused.is_some() => (Confidence::Likely, seen("/aws/cluster/seen/endpoint", format!("the plugin's cluster has the endpoint {endpoint}"))),
        (None, _, Some((signed, _))) if refused.is_some() => (Confidence::Certain, seen("/aws/target/seen/tokenCluster", format!("the plugin signs for {signed}"))),
        _ => return Vec::new(),
    };
    let why = match (&differs, other_name) {
        (Some((signed, endpoint, server)), _) => format!("The credential plugin signs for the cluster {signed}, whose endpoint is {endpoint}; the kubeconfig's server is {server}: another cluster. Its name is not known here, and no more than the name is signed: the token is good only where that one is called {signed} too, in another account."),
        (None, Some((signed, name))) => format!("The credential plugin signs for the cluster {signed}, and the request goes to {name}."),
        (None, None) => "STS finds that the signature is not for this cluster's name (or was made with another secret).".to_owned(),
    };
    // The access entries that were read are those of the cluster that is asked: a token signed for it would be refused as
    // well.
    let unmapped = other_name.is_some() && eks::unmapped(case);
    let mut finding = RULE
        .finding(
            confidence,
            why,
            first,
            Step::command("Write the entry anew for the cluster that you mean", shell!("aws eks update-kubeconfig --name {}{}", eks::cluster(case), target.map(|target| shell!(" --region {}", target.region)).unwrap_or_default())),
        )
        .step(Step::command("Or correct the argument behind --cluster-name (-i) in the exec entry", "kubectl config view --minify -o jsonpath='{.users[0].user.exec.args}'"))
        .cite_if(refused);
    if unmapped {
        finding.explains = &["credential-rejected"];
    }
    if let (Some((signed, ..)), None) = (&differs, &word) {
        finding.candidates = vec![Candidate {
            code: "iam-identity-not-mapped",
            why: format!("the server may be a cluster {signed} of another account: then the token is good, and that cluster has to map the identity that signs it"),
            decided_by: Step::command(
                "with credentials of the server's account: this shows its endpoint",
                shell!("aws eks describe-cluster --name {} --query cluster.endpoint", signed),
            ),
        }];
    }
    vec![finding]
}
