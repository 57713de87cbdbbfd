//! What to do about a text: the repair with the names that stand in it, and the command that looks whether it is this.

use std::collections::BTreeMap;

use super::own_words::own_words;
use super::{field, or, unseen, with};
use crate::report::Step;
use crate::report::shell::{Shell, shell};
use crate::report::view::{CandidateView, StepView};
use crate::rules::{AREAS, Rule, rule};
use crate::text::one_line;

/// The part of the registry that a code is in.
fn area(code: &str) -> &'static str {
    AREAS.iter().find(|(_, rules)| rules.iter().any(|rule| rule.code == code)).map_or("", |(area, _)| *area)
}

/// The command that looks whether it is this.
fn look(code: &str, fields: &BTreeMap<String, String>) -> Shell {
    let f = |name: &str| field(fields, name);
    match area(code) {
        "rbac"
            if !f("verb").is_empty()
                && !f("verb").contains(':')
                && (!f("resource").is_empty() || !f("path").is_empty()) =>
        {
            shell!("kaccess can-i {} --why", question(fields))
        }
        "rbac" => "kaccess can-i --list".into(),
        "network" => "kaccess allowlist --check".into(),
        "workload" => "kaccess workload POD -n NAMESPACE".into(),
        "token" if code != "name-prefix-mismatch" => "kaccess decode --verify".into(),
        "token" => "kaccess whoami".into(),
        "issuer" | "serviceaccount" | "certificate" if code != "anonymous-request" => {
            "kaccess doctor --reviewer-context ADMIN_CONTEXT".into()
        }
        _ => "kaccess doctor".into(),
    }
}

/// The question of a refusal, as `can-i` and `who-can` take it.
fn question(fields: &BTreeMap<String, String>) -> Shell {
    let f = |name: &str| field(fields, name);
    if !f("path").is_empty() {
        return shell!("{} {}", f("verb"), f("path"));
    }
    let dotted = if f("group").is_empty() { String::new() } else { format!(".{}", f("group")) };
    let mut text = shell!("{} {}", f("verb"), format!("{}{dotted}{}", f("resource"), with("/", f("subresource"))));
    if !f("name").is_empty() {
        text.push(&shell!(" {}", f("name")));
    }
    if !f("namespace").is_empty() {
        text.push(&shell!(" -n {}", f("namespace")));
    }
    text
}

/// What to do: the repair with the names that are known, then the command that looks.
pub(super) fn next(rule: &Rule, text: &str, fields: &BTreeMap<String, String>) -> Vec<Step> {
    let f = |name: &str| field(fields, name);
    let bare = |name: &str| f(name).trim_matches(|c| matches!(c, '[' | ']' | '"')).to_owned();
    let mut steps = Vec::new();
    let own = own_words(text);
    match rule.code {
        "admission-denied" if !f("account").is_empty() => steps.push(Step::text(format!(
            "Create the service account {0} (kubectl create serviceaccount {1} -n {2}), or have the Pod's template name one that exists (serviceAccountName).",
            f("account"),
            f("account").rsplit('/').next().unwrap_or("NAME"),
            f("account").split_once('/').map_or("NAMESPACE", |(namespace, _)| namespace),
        ))),
        _ if unseen(rule.code, fields) => steps.push(Step::command(
            "If other requests know who you are, set --proxy-client-cert-file and --proxy-client-key-file on the API server, with --requestheader-client-ca-file and its header flags for the CA of that certificate, and start the extension server anew: it reads them from this ConfigMap",
            "kubectl get configmap -n kube-system extension-apiserver-authentication -o yaml",
        )),
        _ if own.is_some() => steps.extend(own.map(|(_, what)| Step::text(what))),
        "token-audience-mismatch" if !f("expected").is_empty() => steps.push(Step::text(format!(
            "Log in with the client {0:?} and send its ID token; or have the identity provider add {0:?} to the audience (Keycloak: an audience mapper with the included client audience {0:?} on the client that logs in); or configure --oidc-client-id={1} on the API server (audiences, where it has an AuthenticationConfiguration instead of such flags).",
            bare("expected"),
            or(&bare("got"), "CLIENT")
        ))),
        "issuer-document-mismatch" if !f("got").is_empty() => steps.push(Step::text(format!(
            "Configure the API server with --oidc-issuer-url={} (issuer.url, where it has an AuthenticationConfiguration instead of such flags), or correct the provider's idea of its own address to {}; they must be the same to the last slash.",
            f("got"),
            f("expected")
        ))),
        "service-account-audience-mismatch" if !f("expected").is_empty() => {
            steps.push(Step::command(format!("Take a token for the API server, whose audience is {}", bare("expected")), "kubectl create token NAME -n NAMESPACE"));
        }
        "context-not-found" => steps.push(Step::command("See which contexts there are, and use one of them", "kubectl config get-contexts")),
        "rbac-no-grant" if !f("signer").is_empty() => steps.push(Step::command(
            format!("Have a ClusterRole made with {} on that signer, and bound to whoever asks (update on certificatesigningrequests/approval is needed besides)", f("verb")),
            shell!("kubectl create clusterrole {0}-requests --verb={0} --resource=signers.certificates.k8s.io --resource-name={1}", f("verb"), f("signer")),
        )),
        "rbac-no-grant" | "rbac-role-missing" if !f("verb").is_empty() && (!f("resource").is_empty() || !f("path").is_empty()) => {
            let whom = if f("user").starts_with("system:serviceaccount:") { "the service account added to that binding" } else { "yourself added to that group or binding" };
            steps.push(Step::command(format!("See who can, and through which binding; have {whom}"), shell!("kaccess who-can {}", question(fields))));
        }
        "aws-assume-role-denied" if !f("role").is_empty() => steps.push(Step::text(format!(
            "Have the trust policy of {} name {} as its principal, and have that identity allowed sts:AssumeRole on the role; or leave the role out of the user entry.",
            f("role"),
            f("arn")
        ))),
        "aws-credentials-unavailable" => steps.push(Step::command("Log in at AWS again, or name the right profile", "aws sso login")),
        "irsa-provider-missing" if !f("issuer").is_empty() => steps.push(Step::command(
            "Register the cluster's issuer in the role's account, once for the cluster",
            shell!("aws iam create-open-id-connect-provider --url {} --client-id-list sts.amazonaws.com", f("issuer")),
        )),
        "workload-uses-node-role" if !f("role").is_empty() => steps.push(Step::text(format!(
            "The program asked as {} of node {}, which has no right to {}: give its service account a role of its own (IRSA or Pod Identity), and make its Pods anew.",
            f("role"),
            f("instance"),
            or(f("action"), "that")
        ))),
        "kiam-namespace-not-permitted" if !f("role").is_empty() => steps.push(Step::command(
            format!("The namespace permits {}, and the role is {}: permit it", or(f("expression"), "nothing"), f("role")),
            shell!("kubectl annotate --overwrite namespace NAMESPACE iam.amazonaws.com/permitted={}", f("role")),
        )),
        "kubeconfig-unparsable" if f("error").starts_with("open ") => steps.push(Step::command(
            "Have the file made readable for you, or copy it to ~/.kube/config as your own; see whose it is",
            shell!("ls -l {}", or(f("file"), "FILE")),
        )),
        "exec-failed" if !f("aadsts").is_empty() => steps.push(Step::text(match f("aadsts") {
            "AADSTS53003" => "Log in from a device and a network that the Conditional Access policy allows (with the browser on it, not a device code), or have the policy's administrator look the sign-in up in the sign-in log.",
            "AADSTS7000215" => "Give the plugin the secret's value (AAD_SERVICE_PRINCIPAL_CLIENT_SECRET), not its id, and of the application that the client id names.",
            "AADSTS7000222" => "Make a new client secret for the application (az ad app credential reset --id CLIENT_ID), and give it to the plugin (AAD_SERVICE_PRINCIPAL_CLIENT_SECRET).",
            _ => "Compare the client id (and --server-id) and the tenant id in the user entry with the application's registration; it is in another tenant, or was deleted.",
        })),
        "exec-failed" if !f("format").is_empty() || f("error").starts_with("exec format") || f("error").starts_with("%1 is not") => {
            steps.push(Step::command(
                "The program is made for another processor or system: install the one for this machine; see which it is",
                shell!("file {}", or([f("path"), f("binary")].concat().as_str(), "PLUGIN")),
            ));
        }
        "iam-permission-missing" if !f("action").is_empty() => steps.push(Step::text(format!(
            "Have {} allowed {} by an IAM policy, or use the profile of an identity that is (aws sts get-caller-identity shows whose the keys are).",
            or(f("arn"), "that identity"),
            f("action")
        ))),
        "exec-plugin-not-found" => steps.push(Step::command(one_line(rule.page.fix), shell!("command -v {}", or(f("command"), "PLUGIN")))),
        _ => steps.push(Step::text(one_line(rule.page.fix))),
    }
    // What is none of kaccess' business has nothing to look at.
    if rule.code != "admission-denied" {
        let words = match area(rule.code) {
            "issuer" | "serviceaccount" | "certificate" => {
                "See it with its evidence: somebody with rights reads out what the API server itself says"
            }
            "rbac" => "See what is granted and what is missing, with the smallest grant",
            "token" => "See what the token says, and whether the issuer's keys verify it",
            _ => "See it with its evidence",
        };
        steps.push(Step::command(words, look(rule.code, fields)));
    }
    steps
}

/// Another cause that fits, with what would decide it.
pub(super) fn candidate(code: &str, fields: &BTreeMap<String, String>) -> Option<CandidateView> {
    let rule = rule(code)?;
    Some(CandidateView {
        code: rule.code,
        why: rule.title.to_owned(),
        decided_by: StepView::from(&Step::command(one_line(rule.page.evidence), look(code, fields))),
    })
}
