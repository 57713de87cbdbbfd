//! `--plan-migration`: everything that is annotated for kiam or kube2iam, and what replaces the annotation.

use crate::report::shell::shell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{MigrationTarget, WorkloadArgs};
use crate::aws::identity::eks_cluster;
use crate::aws::trust::{self, Assuming, PodIdentity};
use crate::aws::workload::{EXTERNAL_ID, IAM_ROLE, account, flag, partition};
use crate::cli::connect::{Session, runtime, unanswered, within};
use crate::cli::flags::{ConnectionArgs, Format, OutputArgs};
use crate::cli::{Error, GOOD, NONE, answer, note};
use crate::collect::kubeconfig;
use crate::collect::workload::{self, Annotated};
use crate::evidence::Failure;
use crate::evidence::eks::{Caller, Cluster};
use crate::evidence::workload::{Agent, Issuer};
use crate::host::Host;
use crate::render::{json, workload as render};
use crate::report::Step;
use crate::report::commands::in_region;
use crate::report::view::StepView;
use crate::report::workload::{Migration, MigrationPlan};
use crate::rules::pod_role::{self, role_name};
use crate::secret::Scrubber;

/// What is known of the cluster.
struct Known {
    agents: Vec<Agent>,
    issuer: Option<String>,
    cluster: Option<Cluster>,
    caller: Option<Caller>,
}

/// Runs the command.
///
/// # Errors
/// When nothing could be listed.
pub(super) fn run(
    host: &Host,
    connection: &ConnectionArgs,
    output: &OutputArgs,
    arguments: &WorkloadArgs,
) -> Result<u8, Error> {
    let scrubber = Scrubber::default();
    let flags = connection.to_flags(&scrubber).map_err(Error::plain)?;
    let (_, resolved) = kubeconfig::load(host, &flags, &scrubber);
    let resolved = resolved.map_err(|failure| unanswered(&failure))?;
    let runtime = runtime()?;
    let options = arguments.aws.options();
    let found = runtime.block_on(async {
        let session = Session::open(host, &resolved, &arguments.exec, &scrubber).await?;
        let api = session.acting(Some(&resolved.impersonation))?;
        // Each by itself: what is late takes nothing away from what was there in time. The plugin is not counted.
        let limit = Some(arguments.timeout);
        let (annotated, agents, issuer, facts) = futures::join!(
            workload::annotated(&api, arguments.timeout),
            within(limit, workload::agents(&api, &scrubber)),
            within(limit, workload::issuer(&api)),
            within(limit, async { Ok::<_, Failure>(cloud(host, &resolved, &options, &scrubber).await) }),
        );
        let (annotated, mut failures) = annotated?;
        let agents = agents.unwrap_or_else(|failure| {
            failures.push(failure);
            Vec::new()
        });
        let issuer = issuer.ok().map(|issuer: Issuer| issuer.issuer);
        // What is not known of AWS has a placeholder in the plan.
        let (cluster, caller) = facts.unwrap_or_else(|failure| {
            let detail = format!("what AWS says of the cluster: {}", failure.detail);
            failures.push(Failure { detail, ..failure });
            (None, None)
        });
        Ok::<_, Failure>((annotated, failures, Known { agents, issuer, cluster, caller }))
    });
    runtime.shutdown_background();
    let (annotated, failures, known) = found.map_err(|failure| unanswered(&failure))?;
    let incomplete: Vec<String> = failures
        .into_iter()
        .map(|failure| failure.needs.map_or(failure.detail, |needs| format!("it needs {needs}")))
        .collect();
    let plan = plan(&annotated, &known, arguments.to, incomplete);
    let mut text = Vec::new();
    match output.format() {
        Format::Json => json::write_json(&json::headed_view("MigrationPlan", &plan)?, &mut text)?,
        Format::Yaml => json::write_yaml(&json::headed_view("MigrationPlan", &plan)?, &mut text)?,
        Format::Markdown => render::plan_markdown(&plan, &mut text)?,
        _ => render::plan(&plan, &mut text)?,
    }
    if !output.quiet {
        answer(&text)?;
    }
    for one in &plan.incomplete {
        note(&format!("not listed: {one}"));
    }
    Ok(if plan.incomplete.is_empty() { GOOD } else { NONE })
}

#[cfg(feature = "aws")]
use crate::collect::aws::workload::facts as cloud;

#[cfg(not(feature = "aws"))]
async fn cloud(
    _: &Host,
    _: &kubeconfig::Resolved,
    _: &crate::collect::aws::target::AwsOptions,
    _: &Scrubber,
) -> (Option<Cluster>, Option<Caller>) {
    (None, None)
}

/// The plan: a role for each service account, so that what shares an account but not a role gets an account of its own.
fn plan(annotated: &[Annotated], known: &Known, to: MigrationTarget, mut incomplete: Vec<String>) -> MigrationPlan {
    let of = |role: &str| known.agents.iter().any(|agent| agent.role.starts_with(role));
    let from: Vec<String> =
        ["kiam", "kube2iam"].iter().filter(|name| of(name)).map(|name| (*name).to_owned()).collect();
    let base = known
        .agents
        .iter()
        .find_map(|agent| flag(&agent.args, "--role-base-arn").or_else(|| flag(&agent.args, "--base-role-arn")))
        .filter(|base| !base.is_empty());
    let own = known.cluster.as_ref().map(|cluster| account(&cluster.arn)).filter(|account| !account.is_empty());
    let own = own.or_else(|| known.caller.as_ref().map(|caller| caller.account.as_str()));
    // The partition that all this is in, by whatever ARN is known.
    let arns = known.cluster.iter().map(|cluster| cluster.arn.as_str());
    let arns = arns.chain(known.caller.iter().map(|caller| caller.arn.as_str()));
    let mut arns = arns.chain(known.agents.iter().filter_map(|agent| flag(&agent.args, "--assume-role-arn")));
    let place = arns.find(|arn| arn.starts_with("arn:")).map_or("aws", partition);
    let arn = |role: &str| {
        let role = role.trim();
        if role.starts_with("arn:") {
            return role.to_owned();
        }
        let name = role.trim_start_matches('/');
        match base {
            Some(base) => format!("{}/{name}", base.trim_end_matches('/')),
            None => format!("arn:{place}:iam::{}:role/{name}", own.unwrap_or("ACCOUNT")),
        }
    };
    let keys = known.agents.iter().filter(|agent| agent.role == "kube2iam");
    let keys = keys.filter_map(|agent| flag(&agent.args, "--iam-role-key"));
    for key in keys.filter(|key| !key.is_empty() && *key != IAM_ROLE) {
        incomplete.push(format!("Pods with the annotation {key}, which kube2iam reads here (--iam-role-key)"));
    }
    // Which roles the Pods of one service account have today.
    let mut roles: BTreeMap<(&str, &str), BTreeSet<String>> = BTreeMap::new();
    for one in annotated {
        roles.entry((&one.namespace, &one.service_account)).or_default().insert(arn(&one.role));
    }
    let cluster = known.cluster.as_ref().map_or("CLUSTER", |cluster| cluster.name.as_str());
    let issuer = known.cluster.as_ref().and_then(|cluster| cluster.own_issuer.clone()).or_else(|| known.issuer.clone());
    let issuer = issuer.unwrap_or_else(|| "https://ISSUER".to_owned());
    let mut preparation: Vec<Step> = Vec::new();
    if !annotated.is_empty() {
        match to {
            MigrationTarget::PodIdentity => {
                preparation.push(Step::command("Have the agent run on every node", pod_role::install_agent(cluster)))
            }
            MigrationTarget::Irsa => preparation.push(Step::command(
                "Have IAM know the cluster's issuer, once in each account that has one of the roles",
                pod_role::create_provider(&issuer),
            )),
        }
    }
    // Names that no new account may have: those of today's, and those that went to another workload.
    let mut taken: BTreeSet<(&str, String)> =
        annotated.iter().map(|one| (one.namespace.as_str(), one.service_account.clone())).collect();
    // An account has one association, and needs it once: who comes first has the steps.
    let mut planned: BTreeMap<(&str, String), &Annotated> = BTreeMap::new();
    let mut workloads = Vec::new();
    for one in annotated {
        let role = arn(&one.role);
        let namespace = one.namespace.as_str();
        let shared = roles.get(&(namespace, one.service_account.as_str())).is_some_and(|roles| roles.len() > 1);
        let new = shared || one.service_account == "default";
        let name = if new { free_name(one, &mut taken) } else { one.service_account.clone() };
        let before = planned.get(&(namespace, name.clone())).copied();
        workloads.push(migration(one, &role, (&name, new), before, (cluster, &issuer, own), to));
        planned.entry((namespace, name)).or_insert(one);
    }
    let mut plan = MigrationPlan {
        from,
        to: if to == MigrationTarget::Irsa { "irsa" } else { "pod-identity" },
        preparation: preparation.iter().map(StepView::from).collect(),
        workloads,
        incomplete,
    };
    if let Some((_, region)) = known.cluster.as_ref().and_then(|cluster| eks_cluster(&cluster.arn)) {
        let steps = plan.workloads.iter_mut().flat_map(|one| one.steps.iter_mut());
        for command in plan.preparation.iter_mut().chain(steps).filter_map(|step| step.command.as_mut()) {
            *command = in_region(command, region);
        }
    }
    plan
}

/// A name for an account of a workload's own that no other has: the workload's, with its kind where that one is taken,
/// then with a number.
fn free_name<'a>(one: &'a Annotated, taken: &mut BTreeSet<(&'a str, String)>) -> String {
    let kind = one.kind.to_lowercase();
    let endings = [String::new(), format!("-{kind}")].into_iter();
    let mut endings = endings.chain((2u32..).map(|number| format!("-{kind}-{number}")));
    let free = endings.find_map(|ending| {
        // Names have 253 letters at most.
        let stem: String = one.name.chars().take(253 - ending.len()).collect();
        let name = format!("{}{ending}", stem.trim_end_matches(['-', '.']));
        (name != "default" && taken.insert((one.namespace.as_str(), name.clone()))).then_some(name)
    });
    free.unwrap_or_else(|| one.name.clone())
}

/// The role of the cluster's own account that stands between Pod Identity and a role of another account.
fn between_steps(role: &str) -> Vec<Step> {
    let trust = trust::pod_identity_policy(None, &PodIdentity::default()).unwrap_or_default();
    let may = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": role }
    ] });
    vec![
        Step::manifest("Save this as pods.json: the trust policy of the role in the cluster's account", trust),
        Step::command(
            "Make that role, in the cluster's account",
            "aws iam create-role --role-name OWN-ROLE --assume-role-policy-document file://pods.json",
        ),
        Step::manifest(
            "Save this as assume.json: what that role may do",
            serde_json::to_string_pretty(&may).unwrap_or_default(),
        ),
        Step::command(
            format!("Let it become {}", role_name(role)),
            "aws iam put-role-policy --role-name OWN-ROLE --policy-name assume-target --policy-document file://assume.json",
        ),
    ]
}

/// The way over of one workload to an account (and whether that is a new one); `before` has the same account, and with it
/// the steps that give that account its role.
fn migration(
    one: &Annotated,
    role: &str,
    (name, new): (&str, bool),
    before: Option<&Annotated>,
    about: (&str, &str, Option<&str>),
    to: MigrationTarget,
) -> Migration {
    let (cluster, issuer, own) = about;
    let namespace = one.namespace.as_str();
    let mut notes = Vec::new();
    // Pod Identity gives roles of the cluster's account only; of another account they are its targets.
    let own = own.filter(|own| *own != account(role) && to == MigrationTarget::PodIdentity);
    let between = own.map(|own| format!("arn:{}:iam::{own}:role/OWN-ROLE", partition(role)));
    let mut steps: Vec<Step> = Vec::new();
    let policy = match to {
        MigrationTarget::Irsa => {
            let (host, provider) = (trust::issuer_name(issuer), trust::provider_arn(role, issuer));
            let subject = format!("system:serviceaccount:{namespace}:{name}");
            trust::irsa_policy(None, &provider, &host, &subject, "sts.amazonaws.com")
        }
        MigrationTarget::PodIdentity => match &between {
            Some(between) => trust::role_policy(None, &Assuming { tags: true, ..Assuming::plain(between, None) }),
            None => trust::pod_identity_policy(None, &PodIdentity::default()),
        }
        .unwrap_or_default(),
    };
    if between.is_some() {
        notes.push(format!(
            "{role} is in another account than the cluster, and an association takes roles of its own account only: a role of the cluster's account stands between, OWN-ROLE below, and {} is the association's target; its external id, which EKS makes, can be asked for in the target's trust policy afterwards",
            role_name(role)
        ));
    }
    if let Some(id) = &one.external_id {
        notes.push(format!("{EXTERNAL_ID} is {id}: neither way gives it; the new statement asks for none, and the old one keeps its condition on sts:ExternalId until it goes"));
    }
    if new {
        notes.push(format!(
            "it runs as {} today, which others use with other roles; whatever RBAC grants that account must be granted to {name} as well",
            one.service_account
        ));
    }
    if let Some(before) = before {
        notes.push(format!(
            "{} {} has the same service account and role: the steps there come first and give {name} the role",
            before.kind, before.name
        ));
    } else {
        if between.is_some() {
            steps.extend(between_steps(role));
        }
        steps.push(Step::command(
            format!("Write today's trust policy of role {} to a file", role_name(role)),
            shell!(
                "aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument > trust.json",
                role_name(role)
            ),
        ));
        steps.push(Step::manifest(
            "Put the statement of this into that file's list, beside those there are: what kiam or kube2iam need stays until they are gone",
            policy,
        ));
        steps.push(Step::command(
            format!("Put the file on the role, in account {}", account(role)),
            pod_role::put_trust(role),
        ));
        let mut account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": namespace } });
        if to == MigrationTarget::Irsa {
            account["metadata"]["annotations"] = json!({ "eks.amazonaws.com/role-arn": role });
        }
        if new {
            let manifest = serde_norway::to_string(&account).unwrap_or_default();
            steps.push(Step::manifest("Make the service account: kubectl create -f with this. Where it is refused because one of that name exists, take another name here and below", manifest));
        } else if to == MigrationTarget::Irsa {
            steps.push(Step::command(
                "Name the role on the service account",
                pod_role::annotate_account(namespace, name, role),
            ));
        }
        if to == MigrationTarget::PodIdentity {
            let mut command = pod_role::associate_account(cluster, namespace, name, between.as_deref().unwrap_or(role));
            if between.is_some() {
                command.push(&shell!(" --target-role-arn {}", role));
            }
            steps.push(Step::command("Associate the role with it", command));
        }
    }
    let mut annotations = serde_json::Map::new();
    annotations.insert(IAM_ROLE.to_owned(), serde_json::Value::Null);
    if one.external_id.is_some() {
        annotations.insert(EXTERNAL_ID.to_owned(), serde_json::Value::Null);
    }
    let mut template = json!({ "metadata": { "annotations": annotations } });
    if new {
        template["spec"] = json!({ "serviceAccountName": name });
    }
    if one.kind == "Pod" {
        steps.push(Step::text(format!(
            "Make the Pod again with serviceAccountName: {name} and without {IAM_ROLE}: nothing makes a bare Pod by itself."
        )));
    } else {
        let patch = match one.kind.as_str() {
            "CronJob" => json!({ "spec": { "jobTemplate": { "spec": { "template": template } } } }),
            _ => json!({ "spec": { "template": template } }),
        };
        steps.push(Step::command(
            "Last, take the old annotation away; the Pods are made again by that",
            shell!(
                "kubectl patch {} {} -n {} --type merge -p '{}'",
                one.kind.to_lowercase(),
                one.name,
                namespace,
                patch
            ),
        ));
        if one.kind == "Job" {
            notes.push("a Job's template cannot be changed: make the Job again instead of the last step".to_owned());
        }
    }
    Migration {
        namespace: namespace.to_owned(),
        kind: one.kind.clone(),
        name: one.name.clone(),
        service_account: name.to_owned(),
        new_service_account: new,
        role_arn: role.to_owned(),
        notes,
        steps: steps.iter().map(StepView::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(kind: &str, name: &str, account: &str, role: &str) -> Annotated {
        Annotated {
            namespace: "shop".to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            service_account: account.to_owned(),
            role: role.to_owned(),
            external_id: None,
        }
    }

    fn known(arn: &str, args: &[&str]) -> Known {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let agent = Agent { role: "kube2iam".to_owned(), args, ..Agent::default() };
        let caller = Caller { arn: arn.to_owned(), account: "111122223333".to_owned(), ..Caller::default() };
        Known { agents: vec![agent], issuer: None, cluster: None, caller: Some(caller) }
    }

    const CALLER: &str = "arn:aws:sts::111122223333:assumed-role/Ops/jane";

    fn commands(plan: &MigrationPlan, part: &str) -> Vec<String> {
        let steps = plan.workloads.iter().flat_map(|one| &one.steps);
        steps.filter_map(|step| step.command.clone()).filter(|command| command.contains(part)).collect()
    }

    #[test]
    fn commands_go_to_the_clusters_region() {
        let all = [annotated("Deployment", "api", "api", "shop-api")];
        let arn = "arn:aws:eks:eu-west-1:111122223333:cluster/prod".to_owned();
        let cluster = Some(Cluster { name: "prod".to_owned(), arn, ..Cluster::default() });
        let known = Known { cluster, ..known(CALLER, &[]) };
        let plan = plan(&all, &known, MigrationTarget::PodIdentity, Vec::new());
        let agent = plan.preparation[0].command.as_deref().unwrap_or_default();
        assert!(agent.starts_with("aws --region eu-west-1 eks create-addon "), "{agent}");
        let given = commands(&plan, "create-pod-identity-association");
        assert!(given[0].starts_with("aws --region eu-west-1 eks "), "{given:?}");
        assert!(commands(&plan, "aws iam ").iter().all(|command| !command.contains("--region")), "{plan:?}");
    }

    #[test]
    fn no_service_account_gets_two_roles() {
        let mut all = vec![
            annotated("Deployment", "api", "default", "shop-api"),
            annotated("Deployment", "x", "api", "other"),
            annotated("StatefulSet", "api", "default", "third"),
            annotated("StatefulSet", "default", "default", "fourth"),
            annotated("Pod", "api-statefulset", "default", "fifth"),
            annotated("Deployment", "web", "web", "web"),
            annotated("CronJob", "web", "web", "web"),
            annotated("Pod", &"p".repeat(253), "default", "long"),
            annotated("Job", &"p".repeat(253), "default", "longer"),
        ];
        all.sort();
        for to in [MigrationTarget::PodIdentity, MigrationTarget::Irsa] {
            let plan = plan(&all, &known(CALLER, &[]), to, Vec::new());
            let mut roles: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for one in &plan.workloads {
                roles.entry(&one.service_account).or_default().insert(&one.role_arn);
                assert!(one.service_account.len() <= 253 && one.service_account != "default", "{one:?}");
            }
            assert!(roles.values().all(|roles| roles.len() == 1), "{roles:?}");
            assert_eq!(roles.len(), 8, "{roles:?}");
            let x = plan.workloads.iter().find(|one| one.name == "x").expect("x");
            assert!(x.service_account == "api" && !x.new_service_account, "{x:?}");
            let api = plan.workloads.iter().find(|one| one.kind == "Deployment" && one.name == "api").expect("api");
            assert_eq!(api.service_account, "api-deployment");
            let given = match to {
                MigrationTarget::PodIdentity => commands(&plan, "create-pod-identity-association"),
                MigrationTarget::Irsa => commands(&plan, "kubectl annotate serviceaccount"),
            };
            assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), given.len(), "told twice: {given:?}");
            assert_eq!(given.iter().filter(|command| command.contains("/web")).count(), 1, "{given:?}");
            let shared = plan.workloads.iter().filter(|one| one.notes.iter().any(|note| note.contains("come first")));
            assert_eq!(shared.count(), 1);
        }
    }

    /// EKS takes a role of the cluster's own account for an association; one of another account is its target.
    #[test]
    fn a_role_of_another_account_is_the_target_of_one_between() {
        let foreign = "arn:aws:iam::444455556666:role/x/other";
        let all = [annotated("Deployment", "web", "web", foreign)];
        let told = plan(&all, &known(CALLER, &[]), MigrationTarget::PodIdentity, Vec::new());
        let given = commands(&told, "create-pod-identity-association");
        let ends = format!("--role-arn arn:aws:iam::111122223333:role/OWN-ROLE --target-role-arn {foreign}");
        assert!(given.len() == 1 && given[0].ends_with(&ends), "{given:?}");
        let text: Vec<String> = told.workloads[0].steps.iter().filter_map(|step| step.manifest.clone()).collect();
        // The service is let into the role between, and that one alone into the target, session tags and all.
        assert!(text[0].contains("pods.eks.amazonaws.com"), "{text:?}");
        assert!(!text[2].contains("pods.eks.amazonaws.com") && text[2].contains("sts:TagSession"), "{text:?}");
        assert!(text[2].contains("arn:aws:iam::111122223333:role/OWN-ROLE"), "{text:?}");
        // By IRSA the role itself is named.
        let irsa = plan(&all, &known(CALLER, &[]), MigrationTarget::Irsa, Vec::new());
        assert!(!serde_json::to_string(&irsa).expect("JSON").contains("OWN-ROLE"), "{irsa:?}");
    }

    #[test]
    fn roles_are_of_the_partition_that_the_cluster_is_in() {
        let all = [annotated("Deployment", "web", "web", "/team/shop-web")];
        let caller = "arn:aws-cn:sts::111122223333:assumed-role/Ops/jane";
        let plan = plan(&all, &known(caller, &[]), MigrationTarget::Irsa, Vec::new());
        assert_eq!(plan.workloads[0].role_arn, "arn:aws-cn:iam::111122223333:role/team/shop-web");
        let text = serde_json::to_string(&plan).expect("JSON");
        assert!(text.contains("arn:aws-cn:iam::111122223333:oidc-provider/") && !text.contains("arn:aws:"), "{text}");
        assert!(plan.incomplete.is_empty());
    }

    #[test]
    fn what_kube2iam_reads_elsewhere_is_said_to_be_missing() {
        let plan = plan(&[], &known(CALLER, &["--iam-role-key=corp.example/role"]), MigrationTarget::Irsa, Vec::new());
        assert!(plan.incomplete.iter().any(|one| one.contains("corp.example/role")), "{:?}", plan.incomplete);
    }
}
