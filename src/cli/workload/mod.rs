//! `kaccess workload`: which AWS identity a Pod's containers get, and why not the one intended.

mod migration;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;

use super::connect::{Session, runtime, unanswered};
use super::diagnosis::note_unknown;
use super::flags::{AwsArgs, ConnectionArgs, ExecArgs, Format, OutputArgs, limit};
use super::{BAD, Error, GOOD, NONE, answer, files, note};
use crate::aws::workload::IdentitySource;
use crate::collect::kubeconfig;
use crate::collect::plan::{WorkloadPlan, gather_workload};
use crate::collect::workload;
use crate::evidence::workload::Workload;
use crate::evidence::{Evidence, Failure, FailureKind};
use crate::host::Host;
use crate::render::{json, workload as render};
use crate::report::shell::quoted;
use crate::report::view::FindingView;
use crate::report::workload::{Effective, Link, Target, WorkloadIdentity};
use crate::report::{Finding, Severity, diagnose};
use crate::rules::{Case, check_all};
use crate::secret::Scrubber;

/// What replaces kiam and kube2iam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MigrationTarget {
    /// Roles for service accounts, by the cluster's OIDC issuer.
    Irsa,
    /// EKS Pod Identity associations.
    PodIdentity,
}

/// Flags of `workload`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kaccess workload api-6d5f9 -n shop\n  kaccess workload deployment/api -n shop --role arn:aws:iam::111122223333:role/api\n  \
    kaccess workload serviceaccount/api -n shop -o json\n  kaccess workload --plan-migration --to irsa\n\n\
    Exit codes: 0 the Pod gets what is intended, 1 it does not, 2 that is not known."
)]
pub struct WorkloadArgs {
    /// The Pod, or serviceaccount/NAME, deployment/NAME, statefulset/, daemonset/, job/, cronjob/NAME
    #[arg(value_name = "POD|KIND/NAME", required_unless_present_any = ["from", "plan_migration"], conflicts_with_all = ["from", "plan_migration"])]
    target: Option<String>,
    /// The role that it should have, where that is known
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    /// The message you met: the SDK's, kiam's, a log line (@FILE and - are read)
    #[arg(long, value_name = "TEXT|@FILE|-")]
    error: Option<String>,
    /// List everything annotated for kiam or kube2iam, with the manifests and commands that replace it
    #[arg(long, conflicts_with_all = ["from", "save", "role", "error"])]
    plan_migration: bool,
    /// What --plan-migration goes to
    #[arg(long, value_enum, default_value = "pod-identity", value_name = "WAY")]
    to: MigrationTarget,
    /// Write the evidence to a file
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Answer from saved evidence; opens no connection
    #[arg(long, value_name = "FILE", conflicts_with = "save")]
    from: Option<PathBuf>,
    #[command(flatten)]
    exec: ExecArgs,
    /// Limit of the whole run, the plugin not counted
    #[arg(long, default_value = "20s", value_name = "DURATION", value_parser = limit)]
    timeout: Duration,
    #[command(flatten)]
    aws: AwsArgs,
}

/// Runs the command.
///
/// # Errors
/// When the object is not there, or nothing could be asked.
pub fn run(
    host: &Host,
    connection: &ConnectionArgs,
    output: &OutputArgs,
    arguments: &WorkloadArgs,
) -> Result<u8, Error> {
    if arguments.plan_migration {
        return migration::run(host, connection, output, arguments);
    }
    files::one_stdin(&[
        ("--token", connection.token.as_deref() == Some("-")),
        ("--error", arguments.error.as_deref() == Some("-")),
    ])?;
    if arguments.save.as_deref().is_some_and(files::is_stdin) {
        return Err(Error::new("--save - names no file", "name one; stdout has the answer"));
    }
    let evidence = match &arguments.from {
        Some(path) => {
            let mut without_effect = connection.given();
            without_effect.extend(arguments.aws.given());
            let own = [("--role", arguments.role.is_some()), ("--error", arguments.error.is_some())];
            without_effect.extend(own.into_iter().filter_map(|(name, given)| given.then_some(name)));
            files::refuse_on_replay("--from", &without_effect)?;
            files::load_evidence(path)?
        }
        None => look(host, connection, output, arguments)?,
    };
    // Live and saved evidence are judged in the same form.
    let written = serde_json::to_string(&evidence)
        .map_err(|error| Error::plain(format!("the evidence cannot be written: {error}")))?;
    let evidence: Evidence = serde_json::from_str(&written)
        .map_err(|error| Error::plain(format!("the evidence cannot be read again: {error}")))?;
    if let Some(path) = &arguments.save {
        let pretty = serde_json::to_string_pretty(&evidence).map_err(|error| Error::plain(error.to_string()))?;
        files::save(path, &format!("{pretty}\n"))?;
        if !output.quiet {
            note(&format!("evidence written to {}", path.display()));
        }
    }
    let Some(seen) = evidence.workload.as_deref() else {
        return Err(Error::new(
            "the evidence is not about a workload",
            "give a file written by kaccess workload --save",
        ));
    };
    if let Some(failure) = missing(seen) {
        return Err(absent(seen, failure).unwrap_or_else(|| unanswered(failure)));
    }
    let (told, findings) = tell(&evidence)?;
    let mut text = Vec::new();
    if output.short {
        render::short(&told, &findings, &mut text)?;
    } else {
        match output.format() {
            Format::Json => json::write_json(&json::headed_view("WorkloadIdentity", &told)?, &mut text)?,
            Format::Yaml => json::write_yaml(&json::headed_view("WorkloadIdentity", &told)?, &mut text)?,
            Format::Markdown => render::markdown(&told, &findings, &mut text)?,
            _ => render::table(&told, &findings, host.width, &mut text)?,
        }
    }
    if !output.quiet {
        answer(&text)?;
    }
    let bad = findings.iter().any(|finding| finding.severity == Severity::Error);
    let kind = told.effective.kind;
    Ok(if bad || kind == IdentitySource::Nowhere.word() {
        BAD
    } else if kind == IdentitySource::Unknown.word() {
        NONE
    } else {
        GOOD
    })
}

/// The server says that there is no such object: what it has is what to look at next.
fn absent(seen: &Workload, failure: &Failure) -> Option<Error> {
    if failure.kind != FailureKind::NotFound {
        return None;
    }
    let target = &seen.target;
    let namespace = quoted(&target.namespace);
    Some(Error::new(
        format!(
            "there is no {} {:?} in namespace {:?}: {}",
            target.kind, target.name, target.namespace, failure.detail
        ),
        format!(
            "kubectl get {} -n {} lists those there are; -n names another namespace",
            target.kind.to_lowercase(),
            &*namespace
        ),
    ))
}

/// What was asked about could not be looked at: there is no answer without it.
fn missing(seen: &Workload) -> Option<&Failure> {
    match seen.target.kind.as_str() {
        "Pod" => seen.pod.failed(),
        "ServiceAccount" => seen.service_account.failed(),
        _ => seen.owner.failed(),
    }
}

fn look(
    host: &Host,
    connection: &ConnectionArgs,
    output: &OutputArgs,
    arguments: &WorkloadArgs,
) -> Result<Evidence, Error> {
    let scrubber = Scrubber::default();
    let flags = connection.to_flags(&scrubber).map_err(Error::plain)?;
    let error = arguments.error.as_deref().map(files::text_or_file).transpose()?;
    let error = error.map(|text| scrubber.text_limited(&text, 16 * 1024));
    if !output.quiet {
        note_unknown(error.as_deref());
    }
    let (facts, resolved) = kubeconfig::load(host, &flags, &scrubber);
    let resolved = Arc::new(resolved.map_err(|failure| unanswered(&failure))?);
    let named = arguments.target.as_deref().unwrap_or_default();
    let target = workload::target(named, &resolved.namespace).map_err(|failure| {
        Error::new(
            failure.detail,
            "give a Pod's name, serviceaccount/NAME, deployment/NAME, statefulset/, daemonset/, job/ or cronjob/NAME",
        )
    })?;
    let plan = WorkloadPlan {
        target,
        wanted_role: arguments.role.clone(),
        error,
        aws: arguments.aws.options(),
        timeout: arguments.timeout,
    };
    let runtime = runtime()?;
    let evidence = runtime.block_on(async {
        let session = Session::open(host, &resolved, &arguments.exec, &scrubber).await?;
        let api = session.acting(Some(&resolved.impersonation))?;
        Ok::<_, Failure>(gather_workload(host, &plan, &api, (facts, resolved.clone()), &scrubber).await)
    });
    runtime.shutdown_background();
    let evidence = evidence.map_err(|failure| unanswered(&failure))?;
    if let Some(failure) = evidence.identity.failed().filter(|failure| failure.kind == FailureKind::Unauthorized) {
        return Err(unanswered(failure));
    }
    Ok(evidence)
}

/// The report of evidence, with its findings in order.
pub(super) fn tell(evidence: &Evidence) -> Result<(WorkloadIdentity, Vec<Finding>), Error> {
    let case = Case::new(evidence);
    let findings = diagnose(check_all(&case));
    let Some(judged) = &case.workload else { return Err(Error::plain("the evidence is not about a workload")) };
    let (namespace, name) = judged.account_name();
    let seen = judged.workload;
    let told = WorkloadIdentity {
        target: Target {
            kind: seen.target.kind.clone(),
            namespace: seen.target.namespace.clone(),
            name: seen.target.name.clone(),
            pod: seen.pod.seen().map(|pod| pod.name.clone()),
        },
        service_account: format!("{namespace}/{name}"),
        effective: Effective {
            kind: judged.effective.kind.word(),
            role_arn: judged.effective.role_arn.clone(),
            why: judged.effective.why.clone(),
        },
        intended: judged.intended.iter().map(|source| source.word()).collect(),
        chain: judged
            .links
            .iter()
            .map(|link| Link {
                id: link.id,
                ok: link.ok,
                expected: link.expected.clone(),
                seen: link.seen.clone(),
                needs: link.needs.clone(),
            })
            .collect(),
        findings: findings.iter().map(|finding| FindingView::new(finding, &findings)).collect(),
    };
    Ok((told, findings))
}
