//! The metadata service does not answer the Pod, and it has no other credentials.

use crate::apiserver::message::heard;
use crate::aws::link_id;
use crate::aws::workload::{IdentitySource, Judgement};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "metadata-unreachable",
    severity: Severity::Error,
    title: "The metadata service does not answer the Pod, and it has no other credentials",
    page: Page {
        means: "A Pod without credentials of its own asks the instance metadata service for the node's role. Where that is off, or its answer may travel one hop only, the Pod gets none; on Fargate there is no such service, and no DaemonSet like kiam or kube2iam either. That is good hygiene; the Pod needs a role of its own.",
        evidence: "HttpEndpoint, HttpTokens and HttpPutResponseHopLimit of the node's instance, or a node of Fargate; AWS_EC2_METADATA_DISABLED in a container; no credentials in the Pod.",
        fix: "Give the workload a role of its own, by IRSA or `aws eks create-pod-identity-association --cluster-name CLUSTER --namespace NAMESPACE --service-account NAME --role-arn ARN`; not the nodes a higher hop limit.",
        references: "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html",
    },
    recognises: &[&heard::METADATA],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    if let Some((container, at)) = judged.metadata_disabled() {
        return vec![disabled(judged, &container.name, at)];
    }
    if !judged.asks_metadata() || judged.effective.kind != IdentitySource::Nowhere {
        return Vec::new();
    }
    let Some(link) = judged.broken(link_id::METADATA) else { return Vec::new() };
    if judged.caught_by().is_some() {
        return Vec::new();
    }
    let passed = judged.broken(link_id::KIAM_AGENT).or_else(|| judged.broken(link_id::KUBE2IAM_AGENT));
    let role = judged.meant_role().unwrap_or_else(|| "ROLE-ARN".to_owned());
    if link.at == "/workload/node/seen/computeType" {
        // Neither a DaemonSet nor Pod Identity nor a hop limit helps there.
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The Pod has no credentials of its own. {}.", link.seen),
                pod_role::cite(link),
                pod_role::annotate(judged, &role),
            )
            .titled("The Pod has no credentials, and Fargate gives none")
            .cite_if(passed.map(pod_role::cite))
            .step(Step::text(format!("The role must trust the cluster's OIDC provider: kaccess workload shows that policy once the annotation is there (--role {role}).")))
            .step(pod_role::remake(judged)),
        ];
    }
    let node = judged.workload.instance.seen().map_or("INSTANCE", |instance| instance.id.as_str());
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The Pod has no credentials of its own. {}.", link.seen),
            pod_role::cite(link),
            pod_role::associate(judged, &role),
        )
        .cite_if(passed.map(pod_role::cite))
        .step(pod_role::annotate(judged, &role))
        .step(Step::command(
            "Only if the node's role is really meant: let the answer travel two hops",
            shell!("aws ec2 modify-instance-metadata-options --instance-id {} --http-endpoint enabled --http-put-response-hop-limit 2", node),
        )),
    ]
}

/// The container is told not to ask, and has nothing else.
fn disabled(judged: &Judgement<'_>, container: &str, at: String) -> Finding {
    let role = judged.meant_role().unwrap_or_else(|| "ROLE-ARN".to_owned());
    RULE.finding(
        Confidence::Certain,
        format!("Container {container} has no credentials of its own, and AWS_EC2_METADATA_DISABLED=true keeps its SDK from the metadata service, and so from whoever answers there."),
        seen(at, "AWS_EC2_METADATA_DISABLED=true"),
        pod_role::associate(judged, &role),
    )
    .titled("The Pod has no credentials, and is told not to ask the metadata service")
    .step(pod_role::annotate(judged, &role))
    .step(Step::text(format!("Only if kiam, kube2iam or the node is to give the role: take AWS_EC2_METADATA_DISABLED out of container {container} in the Pod template.")))
}
