//! The STS host of the token.

use crate::apiserver::message::{self, heard};
use crate::aws::identity;
use crate::evidence::Failure;
use crate::evidence::credential::TokenProblem;
use crate::report::shell::shell;
use crate::report::{seen, Citation, Confidence, Finding, Severity, Step};
use crate::rules::{clip, eks, Case, Page, Place, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "sts-endpoint-invalid",
    severity: Severity::Error,
    title: "The token is for an STS endpoint that the cluster does not take",
    page: Page {
        means: "A token is a presigned URL of STS. The authenticator takes only hosts of its own partition, and STS must be switched on in that region; the global endpoint is not taken everywhere.",
        evidence: "The host inside the token (and the region that its signature is scoped to), or the authenticator's words (unexpected hostname, InvalidClientTokenId, RegionDisabled); or STS' answer InvalidClientTokenId to kaccess, which asks with the credentials that the plugin signs with.",
        fix: "Sign for the regional endpoint of the cluster's region. `export AWS_STS_REGIONAL_ENDPOINTS=regional`.",
        references: "https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html",
    },
    recognises: &[&message::IAM_HOST, &message::IAM_KEY_UNKNOWN, &heard::WEB_IDENTITY_REGION],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || !eks::is_iam(case) {
        return Vec::new();
    }
    let token = case.token().and_then(|token| {
        let index = token.problems.iter().position(|problem| problem.detail.starts_with(TokenProblem::IAM_HOST))?;
        Some((index, &token.problems[index].detail))
    });
    let host = eks::authenticator_word(case, &message::IAM_HOST);
    // Somebody else's token in a log, and in a message an earlier one.
    let other = host.as_ref().is_some_and(|(word, _)| is_of_another(case, word));
    let host = host.filter(|(word, named)| !other || *named || word.place != Place::Log);
    let key = eks::authenticator_word(case, &message::IAM_KEY_UNKNOWN);
    let refused = eks::refused(case);
    if let Some((host, theirs, ours)) = eks::foreign_sts(case).filter(|_| token.is_none()) {
        return vec![foreign(case, host, theirs, ours, refused)];
    }
    if let Some(finding) = scoped_elsewhere(case, host.as_ref().map(|(word, _)| *word)).filter(|_| token.is_none()) {
        return vec![finding.cite_if(refused)];
    }
    let unknown = |failure: &&Failure| {
        ["InvalidClientTokenId:", "UnrecognizedClientException:"].iter().any(|code| failure.detail.contains(code))
    };
    let own = eks::sts_answer(case).filter(unknown);
    let key_unknown = token.is_none()
        && host.is_none()
        && key.as_ref().map_or(own.is_some(), |(word, _)| word.field("code") != "RegionDisabledException");
    let earlier = other && token.is_none() && host.is_some();
    let (confidence, first, why) = match (token, host, key, own) {
        (Some((index, detail)), ..) => (
            if refused.is_some() { Confidence::Certain } else { Confidence::Likely },
            seen(format!("/credential/seen/token/problems/{index}"), detail.clone()),
            format!("The authenticator refuses the token's host: {detail}."),
        ),
        (None, Some((word, named)), ..) => (
            if other { Confidence::Possible } else { eks::sure(case, word, named) },
            word.cite(),
            "The authenticator does not take the STS endpoint that the token is for.".to_owned(),
        ),
        // A key that was deleted looks the same.
        (None, None, Some((word, named)), _) if word.field("code") == "RegionDisabledException" => (
            eks::sure(case, word, named),
            word.cite(),
            "STS is switched off in the region that the token is for.".to_owned(),
        ),
        (None, None, _, Some(failure)) => (
            Confidence::Likely,
            seen("/aws/caller/failed/detail", clip(&failure.detail, 240)),
            "STS tells kaccess, which asks with the credentials that the plugin finds too, that it does not know the access key: it was deleted or switched off, or STS is off in that region for this account.".to_owned(),
        ),
        (None, None, Some((word, _)), None) => (
            Confidence::Possible,
            word.cite(),
            "STS does not know the access key: it was deleted or switched off, or STS is off in that region for this account.".to_owned(),
        ),
        _ => return Vec::new(),
    };
    let region = eks::region(case);
    if key_unknown {
        let cluster = eks::cluster(case);
        return vec![
            RULE.finding(
                confidence,
                why,
                first,
                Step::command("See whether the key still works; if not, take new credentials (log in again, or a new access key)", "aws sts get-caller-identity"),
            )
            .titled("STS does not know the access key that signed the token")
            .step(Step::command(
                "If it works, STS is off in the token's region for this account, or the key is of another partition: sign for a region that is on",
                shell!("AWS_STS_REGIONAL_ENDPOINTS=regional aws eks get-token --cluster-name {} --region {}", cluster, region),
            ))
            .cite_if(refused),
        ];
    }
    let finding = RULE
        .finding(
            confidence,
            why,
            first,
            Step::command("Sign for the regional endpoint, and for the cluster's region (in the exec entry's env and arguments)", shell!("AWS_STS_REGIONAL_ENDPOINTS=regional aws eks get-token --cluster-name {} --region {}", eks::cluster(case), region)),
        )
        .step(Step::text("Take AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_STS out of the plugin's environment: a private or FIPS host of one's own is not taken."))
        .cite_if(refused);
    vec![if earlier { eks::of_earlier_token(finding) } else { finding }]
}

/// What STS says of a signature whose scope is another region than the one that its host takes.
const SCOPE: &str = "Credential should be scoped to a valid region";

/// The authenticator's word is about a token with another host, or another scope, than the one in hand.
fn is_of_another(case: &Case<'_>, word: &Word) -> bool {
    let Some(host) = case.claim_text("host") else { return false };
    if word.line.contains(SCOPE) {
        return case.claim_text("region").is_some_and(|scope| identity::region_of_sts(host) == Some(scope));
    }
    // What partition that is of does not tell which host the token was for: the global one.
    if word.line.contains("global endpoint unsupported") {
        return host != "sts.amazonaws.com";
    }
    let said = [word.field("host"), word.field("rest")].into_iter().find(|said| !said.is_empty());
    said.is_some_and(|said| !said.eq_ignore_ascii_case(host))
}

/// The token is for the STS of another partition than the cluster's.
fn foreign(case: &Case<'_>, host: &str, theirs: &str, ours: &str, refused: Option<Citation>) -> Finding {
    let aws = eks::aws(case);
    // Where the cluster was not read, its partition is only that of the region that was named.
    let certain = refused.is_some() && aws.is_some_and(|aws| aws.cluster.seen().is_some());
    let finding = RULE.finding(
        if certain { Confidence::Certain } else { Confidence::Likely },
        format!("The token is for {host}, an STS of the partition {theirs}, and the cluster is in {ours}: its authenticator takes hosts of its own partition only, and refuses the token before it looks for a mapping."),
        seen("/credential/seen/token/claims/host", format!("the token is for {host}")),
        Step::command(
            format!("Sign with an account of the partition {ours} (an account is of one partition only), for the STS of the cluster's region"),
            shell!("aws eks get-token --cluster-name {} --region {} --profile PROFILE", eks::cluster(case), eks::region(case)),
        ),
    );
    let cluster = aws.and_then(|aws| aws.cluster.seen());
    finding
        .step(Step::text("Name that profile and region in the exec entry (--profile, --region, or AWS_PROFILE and AWS_REGION in its env): the plugin takes the STS of the region that it is told."))
        .cite_if(cluster.map(|cluster| seen("/aws/cluster/seen/arn", format!("the cluster is {}", cluster.arn))))
        .cite_if(refused)
}

/// The token's host is of another region than its signature is scoped to.
fn scoped_elsewhere(case: &Case<'_>, word: Option<&Word>) -> Option<Finding> {
    let (host, scope) = (case.claim_text("host")?, case.claim_text("region").filter(|region| !region.is_empty())?);
    let wanted = identity::region_of_sts(host).filter(|wanted| *wanted != scope)?;
    let said = word.filter(|word| word.line.contains(SCOPE));
    if said.is_none() && case.rejected().is_none() {
        return None;
    }
    let region = eks::region(case);
    let finding = RULE
        .finding(
            if said.is_some() && case.rejected().is_some() { Confidence::Certain } else { Confidence::Likely },
            format!("The token is for {host}, which takes signatures for {wanted}, and its own is scoped to {scope}: STS refuses it (\"{SCOPE}\")."),
            seen("/credential/seen/token/claims/host", format!("the token is for {host}")),
            Step::command(
                "Let one program sign, for the STS of the cluster's region",
                shell!("AWS_STS_REGIONAL_ENDPOINTS=regional aws eks get-token --cluster-name {} --region {}", eks::cluster(case), region),
            ),
        )
        .titled("The token's signature is for another region than its STS endpoint")
        .step(Step::text("Where a program of your own signs it: put the region of the host into the credential scope. Take AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_STS out of the plugin's environment."))
        .cite(seen("/credential/seen/token/claims/region", format!("its signature is scoped to {scope}")))
        .cite_if(said.map(Word::cite));
    Some(finding)
}
