//! kubectl's own policy forbids the plugin.

use crate::apiserver::message::heard;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::{complaint, met_line};
use crate::rules::{Case, Page, Rule, plugin};
use crate::text::clean_path;

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-denied-by-policy",
    severity: Severity::Error,
    title: "The credential plugin is forbidden by the policy in kuberc",
    page: Page {
        means: "kubectl 1.35 and later run only the plugins that the preferences file allows (credentialPluginPolicy in ~/.kube/kuberc). The plugin was not started; the cluster has nothing to do with it.",
        evidence: "The policy in the preferences file that kubectl reads (KUBERC, else ~/.kube/kuberc), held against the plugin of the user entry; or the message of kubectl, which names the policy.",
        fix: "Allow the plugin in kuberc, if you trust it. `kubectl kuberc view` shows the policy.",
        references: "https://kubernetes.io/docs/reference/kubectl/kuberc/",
    },
    recognises: &[&heard::PLUGIN_POLICY],
    explains: &["exec-failed"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let texts = ["not allowed: policy set to", "is not permitted by the credential plugin allowlist"];
    let refused = complaint(case, RULE.code).map(|complaint| (complaint.detail, complaint.cite));
    let Some((line, cite)) = refused.or_else(|| met_line(case, &texts)) else { return Vec::new() };
    let named = line.split('"').nth(1).filter(|_| line.contains("plugin")).unwrap_or_default();
    let command = plugin::exec(case).map_or(named, |exec| exec.command.as_str());
    let kuberc = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.kuberc.as_ref());
    let kuberc = kuberc.filter(|kuberc| kuberc.plugin_policy.is_some() || kuberc.plugin_allowlist.is_some());
    let why = if line.contains("DenyAll") {
        format!("kuberc forbids every credential plugin (DenyAll), so kubectl did not start {command:?}.")
    } else {
        format!("kuberc lists the plugins that are allowed, and {command:?} is not among them.")
    };
    let place = match kuberc {
        Some(kuberc) => format!("If you trust it, allow it in {}: these fields, beside the others that stand there", kuberc.path),
        None => "If you trust it, allow it in ~/.kube/kuberc (the file of KUBERC, where that is set), beside those that stand there".to_owned(),
    };
    // kubectl 1.35 knows `name` alone, and later ones take both words.
    let listed = kuberc.and_then(|kuberc| kuberc.plugin_allowlist.as_deref()).unwrap_or_default();
    // kubectl takes no list with a path that is not clean.
    let command = clean_path(command);
    let entries = listed.iter().map(String::as_str).chain([command.as_str()]);
    let entries: String = entries.map(|entry| format!("- name: {}\n", serde_json::Value::from(entry))).collect();
    let manifest = format!(
        "apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\ncredentialPluginPolicy: Allowlist\ncredentialPluginAllowlist:\n{entries}"
    );
    let cited = kuberc.map(|kuberc| {
        let policy = kuberc.plugin_policy.as_deref().unwrap_or("none");
        let list = match &kuberc.plugin_allowlist {
            Some(list) => format!(", credentialPluginAllowlist: {}", list.join(", ")),
            None => String::new(),
        };
        seen("/kubeconfig/seen/kuberc", format!("{}: credentialPluginPolicy: {policy}{list}", kuberc.path))
    });
    vec![
        RULE.finding(Confidence::Certain, why, cite, Step::manifest(place, manifest))
            .step(Step::command("Or try once without that file", "KUBERC=off kubectl get --raw /version"))
            .cite_if(cited),
    ]
}
