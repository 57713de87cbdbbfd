//! The AWS tool has no credentials to sign with.

use crate::apiserver::message::{heard, tools};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::plugin::{self, argument, stderr_line};
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
    let profile = plugin::exec(case).and_then(|exec| argument(exec, &["--profile"]));
    let with = profile.map(|profile| shell!(" --profile {}", profile)).unwrap_or_default();
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
            &[&["Unable to locate credentials"], &["NoCredentialProviders"], &["Partial credentials found"], &["no valid providers in chain"], &["failed to refresh cached credentials"]],
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
