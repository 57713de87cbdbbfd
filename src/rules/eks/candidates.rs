//! What fits the refusal of an IAM token of which nothing says why.

use crate::aws::identity::{Mapped, Mode, ProblemKind, Source, Verdict};
use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Candidate, Step};
use crate::rules::{Case, eks};

fn candidate(code: &'static str, why: impl Into<String>, decided_by: Step) -> Candidate {
    Candidate { code, why: why.into(), decided_by }
}

/// What fits the refusal of an IAM token.
pub fn candidates(case: &Case<'_>) -> Vec<Candidate> {
    let mut list = Vec::new();
    let role = eks::aws(case).and_then(|aws| aws.principal.seen());
    match &case.mapping {
        Some(Verdict::Mapped(Mapped { source: Source::AccessEntry(_), .. }))
            if role.is_none_or(|role| role.created_at.is_none()) =>
        {
            list.push(Candidate {
                code: "iam-principal-recreated",
                why: "the access entry belongs to the role or user that had this ARN when it was made, which may be gone".to_owned(),
                decided_by: Step::command(
                    "when the access entry was made, against when the principal was",
                    shell!("aws eks describe-access-entry --cluster-name {} --principal-arn {} --query accessEntry.createdAt", eks::cluster(case), eks::principal(case)),
                ),
            });
        }
        Some(Verdict::Mapped(_)) => {}
        _ => {
            list.extend(doubtful_mapping(case));
            list.extend(no_cluster(case).unwrap_or_else(|| vec![unmapped(case)]));
        }
    }
    if let Some((_, meant)) = eks::other_region(case.evidence) {
        list.push(Candidate {
            code: "iam-token-wrong-cluster",
            why: format!("no more than the cluster's name is signed; the one in {meant} may be called otherwise"),
            decided_by: Step::command(
                "the names of the clusters there",
                shell!("aws eks list-clusters --region {}", meant),
            ),
        });
    }
    list
}

/// A part of aws-auth of which it is not known what the authenticator makes of it.
fn doubtful_mapping(case: &Case<'_>) -> Option<Candidate> {
    let all = eks::aws_auth(case)?;
    let problem = all.problems.iter().find(|problem| problem.kind == ProblemKind::Doubtful)?;
    let line = problem.line.map(|line| format!(" line {line}")).unwrap_or_default();
    Some(candidate(
        "aws-auth-invalid",
        format!("aws-auth, {}{line}: {}; the authenticator may drop all of it", problem.section, problem.detail),
        Step::command(
            "whether the authenticator complains (\"Errors parsing configmap\")",
            shell!(
                "aws logs filter-log-events --log-group-name /aws/eks/{}/cluster --log-stream-name-prefix authenticator- --filter-pattern '\"configmap\"'",
                eks::cluster(case)
            ),
        ),
    ))
}

/// EKS knows no cluster of the name that was asked for: none of its mappings can be read.
fn no_cluster(case: &Case<'_>) -> Option<Vec<Candidate>> {
    let aws = eks::aws(case)?;
    aws.cluster.failed_as(&[FailureKind::NotFound])?;
    let target = aws.target.seen().filter(|target| !target.cluster.is_empty())?;
    let (name, region) = (&target.cluster, &target.region);
    Some(vec![
        candidate(
            "iam-token-wrong-cluster",
            format!(
                "EKS knows no cluster {name} in {region} and the account that was asked; no more than the name is signed, and the server's cluster may be called otherwise"
            ),
            Step::command(
                "the names of the clusters there, and whose the credentials are",
                shell!("aws eks list-clusters --region {}; aws sts get-caller-identity", region),
            ),
        ),
        candidate(
            "iam-identity-not-mapped",
            format!("the server may be a cluster {name} of another account or region, which has to map who signs"),
            Step::command(
                "with credentials and region of the server: this shows its endpoint",
                shell!("aws eks describe-cluster --name {} --region REGION --query cluster.endpoint", name),
            ),
        ),
    ])
}

/// Nothing may map the caller; what decides it is what could not be read.
fn unmapped(case: &Case<'_>) -> Candidate {
    let aws = eks::aws(case);
    let mode = aws.and_then(Mode::of).map(|(mode, _)| mode);
    // Entries are looked up for who signs: where nobody is known, they say nothing.
    let entries = eks::caller(case).is_some() && aws.is_some_and(|aws| aws.access_entries.seen().is_some());
    let no_entries = mode.is_some_and(|mode| !mode.reads_entries());
    let elsewhere = eks::other_region(case.evidence).map(|(_, meant)| meant);
    let auth = aws
        .is_some_and(|aws| aws.aws_auth.seen().is_some() || aws.aws_auth.failed_as(&[FailureKind::NotFound]).is_some());
    if mode.is_some_and(Mode::reads_config_map) && (entries || no_entries) && !auth {
        let why = if no_entries {
            "the IAM principal may have no line in aws-auth, which alone counts in this cluster's mode"
        } else {
            "the IAM principal has no access entry, and may have no line in aws-auth"
        };
        let read = Step::command(
            "aws-auth, read by somebody with rights",
            "kubectl -n kube-system get configmap aws-auth -o yaml",
        );
        return candidate("iam-identity-not-mapped", why, read);
    }
    // Such a cluster refuses every question about access entries.
    if aws.and_then(Mode::of) == Some((Mode::ConfigMap, true)) && elsewhere.is_none() {
        return candidate(
            "iam-identity-not-mapped",
            "the IAM principal may have no line in aws-auth, which alone counts in this cluster's mode",
            Step::command(
                "the authenticator's log: \"identity is not mapped\" with the ARN",
                shell!(
                    "aws logs filter-log-events --log-group-name /aws/eks/{}/cluster --log-stream-name-prefix authenticator- --filter-pattern '\"not mapped\"'",
                    eks::cluster(case)
                ),
            ),
        );
    }
    let region = elsewhere.map(|meant| shell!(" --region {}", meant)).unwrap_or_default();
    candidate(
        "iam-identity-not-mapped",
        "the IAM principal may have no access entry and no line in aws-auth",
        Step::command(
            "the cluster's access entries",
            shell!("aws eks list-access-entries --cluster-name {}{}", eks::cluster(case), region),
        ),
    )
}
