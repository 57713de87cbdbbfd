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

/// What the SDKs say where they find no credentials.
const WITHOUT: &[&str] = &[
    "Unable to locate credentials",
    "NoCredentialsError",
    "NoCredentialProviders",
    "Could not load credentials",
    "Unable to load credentials",
    "Unable to load AWS credentials",
    "failed to refresh cached credentials",
    "no EC2 IMDS role found",
    "EC2MetadataError",
];

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    if let Some((container, at)) = judged.metadata_disabled() {
        return vec![disabled(case, judged, &container.name, at)];
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
fn disabled(case: &Case<'_>, judged: &Judgement<'_>, container: &str, at: String) -> Finding {
    let associated = judged.workload.associations.seen().is_some_and(|all| all.ours.is_some());
    let meant = judged.meant_role();
    let misses = pod_role::met_or_event(case, WITHOUT);
    // Most Pods do without AWS, and to be told so is good hygiene.
    let needed = meant.is_some() || associated || judged.annotated().is_some() || misses.is_some();
    let role = meant.unwrap_or_else(|| "ROLE-ARN".to_owned());
    let mut finding = RULE.finding(
        Confidence::Certain,
        format!("Container {container} has no credentials of its own, and AWS_EC2_METADATA_DISABLED=true keeps its SDK from the metadata service, and so from whoever answers there."),
        seen(at, "AWS_EC2_METADATA_DISABLED=true"),
        pod_role::associate(judged, &role),
    )
    .titled("The Pod has no credentials, and is told not to ask the metadata service")
    .step(pod_role::annotate(judged, &role))
    .step(Step::text(format!("Only if kiam, kube2iam or the node is to give the role: take AWS_EC2_METADATA_DISABLED out of container {container} in the Pod template.")))
    .cite_if(misses);
    if !needed {
        finding.severity = Severity::Warning;
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;
    use serde_json::{Value, from_str, from_value, json};

    #[test]
    fn a_pod_that_asks_for_no_role_is_only_warned() {
        let text = include_str!("../../../testdata/cases/workload-node-role/evidence.json");
        let mut raw: Value = from_str(text).expect("JSON");
        // Synthetic: the saved container may ask the metadata service, and nobody met a message.
        let variable = json!({ "name": "AWS_EC2_METADATA_DISABLED", "value": "true", "from": "literal" });
        raw["workload"]["pod"]["seen"]["template"]["containers"][0]["env"] = json!([variable]);
        let severities = |raw: &Value| -> Vec<Severity> {
            let evidence: Evidence = from_value(raw.clone()).expect("evidence");
            check(&Case::new(&evidence)).iter().map(|finding| finding.severity).collect()
        };
        assert_eq!(severities(&raw), [Severity::Warning]);
        let mut met = raw.clone();
        met["asked"]["error"] = "Unable to locate credentials. You can configure credentials".into();
        assert_eq!(severities(&met), [Severity::Error]);
        raw["workload"]["wantedRole"] = "arn:aws:iam::111122223333:role/api".into();
        assert_eq!(severities(&raw), [Severity::Error]);
    }
}
