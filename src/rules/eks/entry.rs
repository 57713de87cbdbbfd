//! How the caller gets a mapping: an access entry and its permissions, a line of aws-auth.

use super::{assumed, aws, cluster, partition, principal};
use crate::aws::identity::{self, Entry};
use crate::aws::yaml::{self, Node, Value};
use crate::evidence::FailureKind;
use crate::report::shell::{Shell, shell};
use crate::report::{Citation, Step, seen};
use crate::rules::Case;
use crate::text::hidden;

/// The ARN of an access policy, in the cluster's partition.
pub fn access_policy(case: &Case<'_>, name: &str) -> String {
    format!("arn:{}:eks::aws:cluster-access-policy/{name}", partition(case).unwrap_or("aws"))
}

/// The role whose path nothing told here: an access entry wants its ARN with the path, and STS never has it.
fn role_without_path<'p>(case: &Case<'_>, principal: &'p str) -> Option<&'p str> {
    let parsed = identity::Arn::parse(principal).filter(|arn| arn.service == "iam" && arn.kind() == "role")?;
    let of_iam = aws(case).map(|aws| &aws.principal);
    let told = assumed(case).is_some()
        || of_iam.is_some_and(|principal| {
            principal.seen().is_some()
                || principal.failed().is_some_and(|failure| failure.kind == FailureKind::NotFound)
        });
    (!told && parsed.path().is_none()).then(|| parsed.name())
}

/// The step that gives the caller an access entry, as the cluster's mode allows.
pub fn map_caller(case: &Case<'_>) -> Step {
    let cluster = cluster(case);
    let arn = principal(case);
    let mode = aws(case).and_then(identity::Mode::of).map(|(mode, _)| mode);
    let parsed = identity::Arn::parse(&arn);
    if let (Some(own), Some(clusters)) = (parsed.map(|arn| arn.partition), partition(case))
        && own != clusters
    {
        return Step::text(format!(
            "Sign with credentials of an account of the partition {clusters}, which the cluster is in: {arn} is of {own}, and nothing can map it there."
        ));
    }
    // A session of GetFederationToken is its own principal, and access entries take roles and users only.
    let federated = parsed.is_some_and(|arn| arn.service == "sts");
    if federated && mode == Some(identity::Mode::Api) {
        return Step::text(format!(
            "Take a role instead of the federated session (sts:AssumeRole instead of GetFederationToken), and have an access entry made for the role: an access entry takes roles and users only, so {arn} cannot have one."
        ));
    }
    if federated || mode == Some(identity::Mode::ConfigMap) {
        let mapped = identity::without_path(&arn);
        let (section, field) =
            if mapped.contains(":user/") || federated { ("mapUsers", "userarn") } else { ("mapRoles", "rolearn") };
        let instead = if federated {
            " (no access entry can be made for a federated session; a role would be better)"
        } else {
            ""
        };
        return Step::manifest(
            format!(
                "Have an administrator add this to {section} of ConfigMap kube-system/aws-auth (kubectl -n kube-system edit configmap aws-auth), with a group that your RBAC binds{instead}"
            ),
            format!(
                "- {field}: {mapped}\n  username: {}\n  groups:\n  - GROUP\n",
                if field == "userarn" {
                    mapped.rsplit('/').next().unwrap_or("user").to_owned()
                } else {
                    format!("{}:{{{{SessionName}}}}", mapped.rsplit('/').next().unwrap_or("role"))
                }
            ),
        );
    }
    let (first, word, path) = match role_without_path(case, &arn) {
        Some(role) => (
            shell!("arn=$(aws iam get-role --role-name {} --query Role.Arn --output text) && ", role),
            Shell::from("\"$arn\""),
            "the ARN with its path, which IAM is asked for first",
        ),
        None => (Shell::default(), Shell::word(&arn), "the ARN with its path"),
    };
    let entry = shell!("{}aws eks create-access-entry --cluster-name {} --principal-arn {}", first, cluster, word);
    match associate(case, &word) {
        Some(policy) => Step::command(
            format!(
                "Have an administrator of the AWS account make an access entry ({path}), and give it a policy or a group"
            ),
            shell!("{} && {}", entry, policy),
        ),
        None => Step::command(
            format!(
                "Have an administrator of the AWS account make an access entry ({path}) with a group that your RBAC binds: short of the one for everything, no access policy covers what was asked"
            ),
            shell!("{} --kubernetes-groups GROUP", entry),
        ),
    }
}

/// An entry of aws-auth as a citation.
pub fn cite_line(entry: &Entry) -> Citation {
    let text = format!("{} line {}: {}", entry.section, entry.line, entry.arn);
    seen(format!("/aws/awsAuth/seen/data/{}", entry.section), text)
}

/// The step that gives an entry of aws-auth the ARN which the authenticator compares.
pub fn correct_line(entry: &Entry, arn: &str) -> Step {
    let name = if entry.username.is_empty() { "NAME" } else { &entry.username };
    let groups: Vec<String> = entry.groups.iter().map(|group| in_quotes(group)).collect();
    let field = if entry.section == "mapUsers" { "userarn" } else { "rolearn" };
    Step::manifest(
        format!(
            "Have an administrator change that line (kubectl -n kube-system edit configmap aws-auth, {} line {})",
            entry.section, entry.line
        ),
        format!("- {field}: {arn}\n  username: {}\n  groups: [{}]\n", scalar(name), groups.join(", ")),
    )
}

/// A text as a value of aws-auth. Without quotes `{{SessionName}}` would be no text, and all of aws-auth be dropped for it.
fn scalar(text: &str) -> String {
    let is_itself = |node: &Node| match &node.value {
        Value::List(items) => matches!(items.as_slice(), [Node { value: Value::Text(read), .. }] if read == text),
        _ => false,
    };
    let plain = !text.contains(hidden) && yaml::parse(&format!("- {text}\n")).is_ok_and(|node| is_itself(&node));
    if plain { text.to_owned() } else { in_quotes(text) }
}

/// A text in YAML's double quotes; what is not seen stands there by its number.
fn in_quotes(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() || hidden(c) => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The command that gives an access entry the smallest policy that covers the question, in its namespace; View for the
/// whole cluster where nothing was asked. None where no such policy is to be had. `arn` is the entry's, as a word.
pub fn associate(case: &Case<'_>, arn: &Shell) -> Option<Shell> {
    let question = case.evidence.asked.question.as_ref();
    let policy = question.map_or(Some("AmazonEKSViewPolicy"), identity::policy_for)?;
    let scope = match question.map(|question| question.namespace.as_str()) {
        None | Some("") => "type=cluster".to_owned(),
        Some(namespace) => format!("type=namespace,namespaces={namespace}"),
    };
    Some(shell!(
        "aws eks associate-access-policy --cluster-name {} --principal-arn {} --access-scope {} --policy-arn {}",
        cluster(case),
        arn,
        scope,
        access_policy(case, policy)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrected_line_is_yaml_with_the_same_name_and_groups() {
        const ARN: &str = "arn:aws:iam::111122223333:role/Ops";
        for (name, written) in [
            ("dev", "username: dev\n"),
            ("sso:{{SessionName}}", "username: sso:{{SessionName}}\n"),
            ("{{SessionName}}", "username: \"{{SessionName}}\"\n"),
            ("12345", "username: \"12345\"\n"),
            ("a: \"b\"", "username: \"a: \\\"b\\\"\"\n"),
        ] {
            let entry = Entry {
                section: "mapRoles",
                line: 1,
                arn: String::new(),
                username: name.to_owned(),
                groups: vec!["dev".to_owned(), "o\u{200b}ps".to_owned()],
            };
            let manifest = correct_line(&entry, ARN).manifest.expect("a manifest");
            assert!(manifest.contains(written), "{manifest}");
            assert!(manifest.ends_with("  groups: [\"dev\", \"o\\U0000200bps\"]\n"), "{manifest}");
            let read = yaml::parse(&manifest).expect("YAML");
            assert!(format!("{:?}", read.value).contains(&format!("Text({name:?})")), "{read:?}");
        }
    }
}
