//! The AWS tool has no credentials to sign with.

use crate::apiserver::message::{heard, tools};
use crate::report::shell::{Shell, shell};
use crate::report::{Citation, Confidence, Finding, Severity, Step};
use crate::rules::plugin::{self, stderr_line};
use crate::rules::{Case, Page, Rule, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "aws-credentials-unavailable",
    severity: Severity::Error,
    title: "The AWS credentials behind the plugin are missing or have expired",
    page: Page {
        means: "aws eks get-token (or aws-iam-authenticator) signs a request with AWS credentials, and there are none, the profile does not exist, or the SSO session or temporary credentials have expired; or it was told no region to sign for. Nothing was sent to the API server.",
        evidence: "The plugin's stderr.",
        fix: "Log in at AWS again (aws sso login), or name the right profile. Where the region is missing, name it in the exec entry (--region in its args, or AWS_REGION in its env). `aws sts get-caller-identity` shows whom the tools take you for.",
        references: "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html",
    },
    recognises: &[&heard::AWS_CREDENTIALS, &heard::AWS_SSO, &heard::AWS_KEYS, &heard::AWS_REGION, &tools::AWS_CREDENTIALS],
    explains: &["exec-failed"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if !plugin::kind(case).is_aws() {
        return Vec::new();
    }
    let with = eks::with_profile(case);
    let login = || Step::command("Log in again", shell!("aws sso login{}", with));
    let who = || Step::command("See whom the AWS tools take you for; when this works, so does the plugin", shell!("aws sts get-caller-identity{}", with));
    if let Some((line, cite)) = stderr_line(case, &["You must specify a region"]) {
        let (cluster, region) = (eks::cluster(case), eks::region(case));
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("Neither the exec entry nor the environment names a region, and the plugin signs for that of the cluster: {}", clip(line, 240)),
                cite,
                Step::text(format!("Name the cluster's region in the exec entry: --region {region} among its args, or AWS_REGION={region} in its env.")),
            )
            .step(Step::command(
                "Or have the entry written anew, with the region in it",
                shell!("aws eks update-kubeconfig --name {} --region {}{}", cluster, region, with),
            ))
            .titled("The AWS tool was not told a region"),
        ];
    }
    if let Some((line, cite)) = stderr_line(case, &["Partial credentials found in "]) {
        return vec![half(case, line, cite, &with)];
    }
    type Kind<'k> = (&'k [&'k [&'k str]], &'k str, bool);
    const KINDS: &[Kind<'static>] = &[
        (
            &[&["SSO session associated with this profile"], &["Error loading SSO Token"], &["Token has expired and refresh failed"], &["InvalidGrantException"], &["sso login"]],
            "The AWS SSO session has ended",
            true,
        ),
        (&[&["The config profile (", "could not be found"], &["failed to get shared config profile"]], "The AWS profile does not exist on this machine", false),
        (
            &[&["ExpiredToken"], &["security token included in the request is expired"], &["RequestExpired"]],
            "The temporary AWS credentials have expired",
            false,
        ),
        (
            &[&["Unable to locate credentials"], &["NoCredentialProviders"], &["no valid providers in chain"], &["failed to refresh cached credentials"]],
            "There are no AWS credentials on this machine",
            false,
        ),
        (
            &[&["InvalidClientTokenId"], &["SignatureDoesNotMatch"], &["UnrecognizedClientException"]],
            "AWS does not know the access key, or the secret does not belong to it",
            false,
        ),
    ];
    let Some((title, sso, line, cite)) = KINDS.iter().find_map(|(texts, title, sso)| {
        let (line, cite) = texts.iter().find_map(|texts| stderr_line(case, texts))?;
        Some((*title, *sso, line, cite))
    }) else {
        return Vec::new();
    };
    let why = format!("{title}, so the plugin had nothing to sign with: {}", clip(line, 240));
    let finding = if sso {
        RULE.finding(Confidence::Certain, why, cite, login()).step(who())
    } else if title.contains("profile") {
        RULE.finding(
            Confidence::Certain,
            why,
            cite,
            Step::command("See which profiles there are, and name one of them in the entry (--profile, or AWS_PROFILE in its env)", "aws configure list-profiles"),
        )
    } else {
        RULE.finding(Confidence::Certain, why, cite, who()).step(Step::command(
            "Log in again where the profile is one of SSO; else put fresh keys in",
            shell!("aws sso login{} || aws configure{}", with, with),
        ))
    };
    vec![finding.titled(title)]
}

/// Half of a key, which goes before what stands behind it in the chain: nobody who logs in anew gets past it.
fn half(case: &Case<'_>, line: &str, cite: Citation, with: &Shell) -> Finding {
    let said = line.split("Partial credentials found in ").last().unwrap_or_default();
    let (place, missing) = said.split_once(", missing: ").unwrap_or((said, "the other half"));
    let missing = missing.trim();
    // A role to assume, and nothing to assume it with.
    if place == "assume-role" {
        let why = format!("The profile names a role, and the AWS tools lack what they are to take it with ({missing}), so the plugin had nothing to sign with: {}", clip(line, 240));
        let text = format!("Give the profile with the role_arn a source_profile that has both halves of a key or a login, or a credential_source (~/.aws/config); what is missing: {missing}");
        return RULE
            .finding(Confidence::Certain, why, cite, Step::text(text))
            .titled("The AWS profile names a role and nothing to take it with")
            .step(Step::command("See whom the AWS tools take you for; when this works, so does the plugin", shell!("aws sts get-caller-identity{}", with)));
    }
    if place != "env" {
        let text = format!("Put what is missing ({missing}) into the profile, or take the half that is there out of it");
        let why = format!("One half of an access key is in the files of the AWS tools and the other is not, so the plugin had nothing to sign with: {}", clip(line, 240));
        let finding = RULE.finding(Confidence::Certain, why, cite, Step::command(text, shell!("aws configure{}", with)));
        return finding.titled("Half of an AWS access key is configured");
    }
    let of_entry = plugin::exec(case).is_some_and(|exec| exec.env.iter().any(|name| name == "AWS_ACCESS_KEY_ID"));
    let step = if of_entry {
        Step::text("Take AWS_ACCESS_KEY_ID out of the env of the exec entry.")
    } else {
        Step::command("Take the half that is there out of the environment, and try again", "unset AWS_ACCESS_KEY_ID")
    };
    let why = format!("The environment has one half of an access key and lacks {missing}. It goes before the default profile and before every login, which do not mend that: {}", clip(line, 240));
    RULE.finding(Confidence::Certain, why, cite, step)
        .titled("The environment has half of an AWS access key")
        .step(Step::text(format!("Or set {missing} beside it, if that key is meant.")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;

    const SAVED: &str = include_str!("../../../testdata/cases/aws-credentials-unavailable-none/evidence.json");

    /// What is found where the plugin wrote this, with these arguments behind its name.
    fn found(stderr: &str, change: impl Fn(&mut Value)) -> Finding {
        let mut evidence: Value = serde_json::from_str(SAVED).expect("evidence");
        evidence["plugin"]["seen"]["stderr"] = json!(stderr);
        change(&mut evidence);
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        check(&Case::new(&evidence)).pop().expect("the finding")
    }

    fn commands(finding: &Finding) -> Vec<String> {
        finding.fix.iter().filter_map(|step| step.command.as_ref()).map(ToString::to_string).collect()
    }

    /// As AWS CLI 1.45 wrote it with AWS_ACCESS_KEY_ID alone in the environment; the rest of the saved run is another's.
    #[test]
    fn half_a_key_is_taken_out_and_no_login_is_asked_for() {
        let line = "\nPartial credentials found in env, missing: AWS_SECRET_ACCESS_KEY\n";
        let shell = found(line, |_| {});
        assert_eq!(commands(&shell), ["unset AWS_ACCESS_KEY_ID"]);
        assert!(shell.title.contains("half"), "{}", shell.title);
        let entry = found(line, |evidence| {
            evidence["kubeconfig"]["seen"]["user"]["exec"]["env"] = json!(["AWS_ACCESS_KEY_ID"]);
        });
        assert!(commands(&entry).is_empty() && entry.fix[0].text.contains("exec entry"), "{:?}", entry.fix);
        let file = found(&line.replace("env", "shared-credentials-file"), |_| {});
        assert_eq!(commands(&file), ["aws configure --profile dev"]);
        // As botocore's AssumeRoleProvider words a role_arn alone: no key has lost its half.
        let role = found("Partial credentials found in assume-role, missing: source_profile or credential_source\n", |_| {});
        assert_eq!(commands(&role), ["aws sts get-caller-identity --profile dev"]);
        assert!(role.title.contains("role") && !role.why.contains("half"), "{} {}", role.title, role.why);
    }

    /// AWS_PROFILE of the entry is in no shell: the login is for that profile.
    #[test]
    fn the_login_is_for_the_profile_of_the_entry() {
        let ended = "Error when retrieving token from sso: Token has expired and refresh failed\n";
        let world = |named: bool| {
            found(ended, |evidence| {
                evidence["kubeconfig"]["seen"]["user"]["exec"]["args"] = json!(["eks", "get-token", "--cluster-name", "prod"]);
                let target = json!({ "cluster": "prod", "region": "eu-west-1", "profile": "sso1", "profileNamed": named });
                evidence["aws"] = json!({ "target": { "startedMs": 0, "tookMs": 0, "seen": target } });
            })
        };
        assert_eq!(commands(&world(false)), ["aws sso login --profile sso1", "aws sts get-caller-identity --profile sso1"]);
        assert_eq!(commands(&world(true)), ["aws sso login", "aws sts get-caller-identity"]);
    }
}
