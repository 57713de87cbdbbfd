//! kubectl's own policy forbids the plugin.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::kubeconfig_fault::met_line;
use crate::rules::{Case, Page, Rule, plugin};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-denied-by-policy",
    severity: Severity::Error,
    title: "The credential plugin is forbidden by the policy in kuberc",
    page: Page {
        means: "kubectl 1.35 and later run only the plugins that the preferences file allows (credentialPluginPolicy in ~/.kube/kuberc). The plugin was not started; the cluster has nothing to do with it.",
        evidence: "The message of kubectl, which names the policy.",
        fix: "Allow the plugin in kuberc, if you trust it. `kubectl kuberc view` shows the policy.",
        references: "https://kubernetes.io/docs/reference/kubectl/kuberc/",
    },
    recognises: &[&heard::PLUGIN_POLICY],
    explains: &["exec-failed"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let texts = ["not allowed: policy set to", "is not permitted by the credential plugin allowlist"];
    let Some((line, cite)) = met_line(case, &texts) else { return Vec::new() };
    let named = line.split('"').nth(1).filter(|_| line.contains("plugin")).unwrap_or_default();
    let command = plugin::exec(case).map_or(named, |exec| exec.command.as_str());
    let all = line.contains("DenyAll");
    let why = if all {
        format!("kuberc forbids every credential plugin (DenyAll), so kubectl did not start {command:?}.")
    } else {
        format!("kuberc lists the plugins that are allowed, and {command:?} is not among them.")
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            why,
            cite,
            Step::manifest(
                "If you trust it, allow it in ~/.kube/kuberc (the file of KUBERC, where that is set), beside those that stand there; kubectl 1.35 and later know the field as name, and 1.35 knows no other",
                format!(
                    "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n- name: {}\n",
                    serde_json::Value::from(command)
                ),
            ),
        )
        .step(Step::command("Or try once without that file", "KUBERC=off kubectl get --raw /version")),
    ]
}
