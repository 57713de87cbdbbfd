//! client.authentication.k8s.io/v1alpha1, which is gone.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::user;
use crate::rules::plugin::{self, Kind, complained};
use crate::rules::{Case, Page, Rule, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-api-version-removed",
    severity: Severity::Error,
    title: "The credential plugin speaks client.authentication.k8s.io/v1alpha1, which was removed",
    page: Page {
        means: "kubectl 1.24 and later do not know v1alpha1 any more. Either the kubeconfig asks for it (\"invalid apiVersion\"), or an old plugin (aws before 1.24 and 2.7) prints it (\"no kind ExecCredential is registered for version ...v1alpha1\").",
        evidence: "client-go's complaint, which names the version, and the apiVersion in the user entry.",
        fix: "Upgrade the plugin, and write v1beta1 or v1 into the user entry. `aws eks update-kubeconfig --name CLUSTER` with a current aws CLI writes the entry anew.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_V1ALPHA1],
    explains: &["exec-output-invalid", "exec-failed"],
    check,
};

const GONE: &str = "\"client.authentication.k8s.io/v1alpha1\"";

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((_, cite)) = complained(case, &["invalid apiVersion", GONE]).or_else(|| complained(case, &["no kind \"ExecCredential\"", GONE]))
    else {
        return Vec::new();
    };
    let exec = plugin::exec(case);
    let asked = exec.is_some_and(|exec| exec.api_version.ends_with("/v1alpha1"));
    let entry = Step::command(
        "Ask for a version that is still there",
        shell!("kubectl config set-credentials {} --exec-api-version=client.authentication.k8s.io/v1beta1", user(case)),
    );
    let (cluster, region) = (eks::cluster(case), eks::region(case));
    let upgrade = match plugin::kind(case) {
        Kind::Aws => Step::command(
            "Upgrade the AWS CLI (2.7 or later, 1.24 or later), then have the entry written anew",
            shell!("aws eks update-kubeconfig --name {} --region {}", cluster, region),
        ),
        Kind::AwsIamAuthenticator => Step::text("Upgrade aws-iam-authenticator to 0.5.4 or later."),
        _ => Step::text("Upgrade the plugin to a release that prints v1beta1 or v1."),
    };
    let (why, first, second) = if asked {
        ("The user entry asks the plugin for v1alpha1, which kubectl 1.24 and later refuse before they run it.", entry, upgrade)
    } else {
        ("The plugin printed an ExecCredential of v1alpha1, which kubectl 1.24 and later do not know: it is too old.", upgrade, entry)
    };
    let mut finding = RULE.finding(Confidence::Certain, why, cite, first).step(second);
    if let Some(exec) = exec {
        finding = finding.cite(seen("/kubeconfig/seen/user/exec/apiVersion", format!("apiVersion: {}", exec.api_version)));
    }
    vec![finding]
}
