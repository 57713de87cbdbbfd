//! The authenticator cannot find a node's name.

use crate::apiserver::message::{self, tools};
use crate::aws::identity::{self, Source, Verdict};
use crate::report::{Finding, Severity, Step, Confidence, seen};
use crate::report::shell::{shell, Shell};
use crate::rules::{Case, Page, Rule, clip, eks, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "node-identity-unresolved",
    severity: Severity::Error,
    title: "Nodes cannot join: the name of the instance cannot be looked up",
    page: Page {
        means: "The mapping of nodes holds {{EC2PrivateDNSName}}, for which the authenticator asks EC2 with the cluster's role. It may not, or the instance is gone, so nodes get 401 and stay NotReady. A person, or anything else than an instance, that signs with a node's role is refused by the same mapping: its session is no instance, so there is no name to look up.",
        evidence: "The authenticator's log: error rendering username template. Or the access entry (type EC2_LINUX, EC2_WINDOWS) or line of aws-auth that maps the caller's role, and a session that is no instance.",
        fix: "Give the cluster's role ec2:DescribeInstances (the managed policy AmazonEKSClusterPolicy has it). `aws iam attach-role-policy --role-name ROLE --policy-arn arn:aws:iam::aws:policy/AmazonEKSClusterPolicy`.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/cluster-iam-role.html",
    },
    recognises: &[&message::IAM_NODE_NAME, &tools::SESSION_NAME],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let word = eks::authenticator_word(case, &message::IAM_NODE_NAME);
    if let Some(finding) = no_instance(case, word.as_ref().map(|(word, _)| *word)) {
        return vec![finding];
    }
    let Some((word, named)) = word else { return Vec::new() };
    let error = clip(word.field("error"), 200);
    let error = error.trim_end_matches(['"', '\\', '.', ' ']);
    // The line is about a node. Only where that node is the caller does it say anything of this caller's refusal.
    let session = eks::caller(case).and_then(|(caller, _)| caller.arn.rsplit('/').next());
    let own = session.is_some_and(|session| session.starts_with("i-") && error.contains(session));
    let mut finding = RULE
        .finding(
            eks::sure(case, word, named),
            format!("The authenticator cannot fill {:?} for a node: {error}.", word.field("template")),
            word.cite(),
            Step::command("Give the cluster's role the managed policy again", shell!("aws iam attach-role-policy --policy-arn arn:{}:iam::aws:policy/AmazonEKSClusterPolicy --role-name {}", eks::partition(case).unwrap_or("aws"), eks::aws(case).and_then(|aws| aws.cluster.seen()?.role_arn.as_deref()?.rsplit('/').next()).unwrap_or("CLUSTER_ROLE"))),
        )
        .step(Step::text("An explicit denial (a permissions boundary, an SCP) must go too."));
    if own {
        finding = finding.cite_if(eks::refused(case));
    } else {
        finding.severity = Severity::Warning;
        finding.explains = &[];
    }
    vec![finding]
}

/// The name of the session that `aws eks get-token --role-arn` makes.
const PLUGINS_SESSION: &str = "EKSGetTokenAuth";

/// The caller has a node's role and is no instance.
fn no_instance(case: &Case<'_>, word: Option<&Word>) -> Option<Finding> {
    let refused = eks::refused(case)?;
    let (caller, arn) = eks::caller(case)?;
    let session = match identity::session(&caller.arn) {
        Some(session) => session,
        None => eks::assumed(case).map(|_| PLUGINS_SESSION)?,
    };
    if session.starts_with("i-") {
        return None;
    }
    let Some(Verdict::Mapped(mapped)) = &case.mapping else { return None };
    let (template, kind) = match mapped.source {
        Source::AccessEntry(index) => {
            let entry = eks::aws(case)?.access_entries.seen()?.entries.get(index)?.details.seen()?;
            (entry.username.clone(), format!(" (type {})", entry.kind))
        }
        Source::AwsAuth { section, line } => {
            let all = eks::aws_auth(case)?;
            let entry = all.entries.into_iter().find(|entry| entry.section == section && entry.line == line)?;
            (entry.username, String::new())
        }
        Source::Account { .. } => return None,
    };
    if !template.contains("{{EC2PrivateDNSName}}") {
        return None;
    }
    // The authenticator's own word, where it is about a session that is none of an instance.
    let said = word.filter(|word| word.field("error").contains("did not contain an instance id"));
    let named = said.is_some_and(|word| word.line.contains(&caller.arn));
    let role = Shell::from("ROLE_ARN");
    let create = shell!("aws eks create-access-entry --cluster-name {} --principal-arn {}", eks::cluster(case), role);
    let create = match eks::associate(case, &role) {
        Some(policy) => shell!("{} && {}", create, policy),
        None => shell!("{} --kubernetes-groups GROUP", create),
    };
    let words = mapped.source.words();
    let finding = RULE
        .finding(
            if named { Confidence::Certain } else { Confidence::Likely },
            format!("You sign as {arn}, a role of nodes: {words}{kind} makes {template:?} of it, for which the authenticator looks up an instance. Your session {session:?} is none (\"SessionName did not contain an instance id\")."),
            seen(mapped.source.path(), format!("{words}{kind} gives the user name {template}")),
            Step::command(
                "Take a role that is mapped for people (AWS_PROFILE, --profile and --role-arn of the exec entry decide it), and see whom the AWS tools take you for",
                "aws sts get-caller-identity",
            ),
        )
        .titled("The role is mapped for nodes, and whoever signs with it is no instance")
        .step(Step::command("Where there is none, have an administrator of the AWS account map another role than the nodes' (a principal has one entry, and a node's takes no policies)", create))
        .cite_if(eks::cite_caller(case))
        .cite_if(said.map(Word::cite))
        .cite(refused);
    Some(finding)
}
