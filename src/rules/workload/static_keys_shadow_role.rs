//! Access keys in the Pod hide its role.

use crate::evidence::workload::ConfigMapLook;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, pod_role};

/// The rule.
pub static RULE: Rule = Rule {
    code: "static-keys-shadow-role",
    severity: Severity::Warning,
    title: "Access keys in the Pod hide its role",
    page: Page {
        means: "SDKs usually take AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY before anything else: the role that the service account or the Pod names is never used, and the keys never expire.",
        evidence: "Both variables in a container of a Pod that has a role as well. Their values are not read.",
        fix: "Take the two variables away, which makes the Pods again: `kubectl set env deployment/NAME -n NAMESPACE AWS_ACCESS_KEY_ID- AWS_SECRET_ACCESS_KEY-`.",
        references: "https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some((container, at)) = judged.with_keys() else { return Vec::new() };
    let role = judged.association().map(|details| details.role_arn.as_str()).or_else(|| judged.annotated()).or_else(|| judged.iam_role());
    let Some(role) = role.or(judged.workload.wanted_role.as_deref()) else { return Vec::new() };
    let namespace = judged.account_name().0;
    let Some(index) = container.env.iter().position(|variable| variable.name == "AWS_ACCESS_KEY_ID") else {
        let named = |look: &&ConfigMapLook| container.env_from_config_map_names.contains(&look.name) && look.look.seen().is_some_and(|names| names.iter().any(|name| name == "AWS_ACCESS_KEY_ID"));
        let maps = &judged.workload.config_maps;
        let Some((place, map)) = maps.iter().enumerate().find(|(_, look)| named(look)) else { return Vec::new() };
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("Container {} takes all variables of ConfigMap {} (envFrom), access keys among them, so {role} is not used.", container.name, map.name),
                seen(format!("/workload/configMaps/{place}/look/seen"), format!("ConfigMap {} has AWS_ACCESS_KEY_ID; the value is not kept", map.name)),
                Step::command(
                    "Take the keys out of the ConfigMap (or set AWS_ACCESS_KEY_ID to an empty value in the container)",
                    shell!("kubectl patch configmap {} -n {} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/data/AWS_ACCESS_KEY_ID\"}},{{\"op\":\"remove\",\"path\":\"/data/AWS_SECRET_ACCESS_KEY\"}}]'", map.name, namespace),
                ),
            )
            .step(pod_role::remake(judged))
            .step(Step::text("Then delete the access key in IAM: whoever may read ConfigMaps there may have it.")),
        ];
    };
    let from = &container.env[index].from;
    let step = match judged.workload.owner.seen() {
        Some(owner) if owner.kind != "CronJob" => Step::command(
            "Take them away; the Pods are made again by that",
            shell!("kubectl set env {}/{} -n {} -c {} AWS_ACCESS_KEY_ID- AWS_SECRET_ACCESS_KEY- AWS_SESSION_TOKEN-", owner.kind.to_lowercase(), owner.name, namespace, container.name),
        ),
        _ => Step::text(format!("Take AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY out of container {}, and make the Pod again.", container.name)),
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("Container {} has access keys ({from}), so {role} is not used.", container.name),
            seen(format!("{at}/env/{index}"), format!("AWS_ACCESS_KEY_ID, {from}; the value is not read")),
            step,
        )
        .step(Step::text("Then delete the access key in IAM, where nothing else uses it.")),
    ]
}
