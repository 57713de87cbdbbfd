//! The AWS role of a Pod, by whichever mechanism it gets one: links of its chain as citations, words of AWS, and the steps
//! that mend a link.

use super::{Case, Rule, clip};
use crate::aws::link_id;
use crate::aws::trust::{self, Assuming};
use crate::aws::workload::{Judgement, Labelled, Link, SKIP_CONTAINERS, account, variable};
use crate::evidence::workload::Owner;
use crate::report::shell::{Shell, shell};
use crate::report::{Citation, Confidence, Finding, Step, probed, seen};

/// A link as a citation: where it is, and both sides.
pub fn cite(link: &Link) -> Citation {
    let text = if link.expected.is_empty() {
        link.seen.clone()
    } else {
        format!("{}; expected: {}", link.seen, link.expected)
    };
    // What was fetched over the network was tried from here; everything else an API said.
    if link.id == link_id::IRSA_ISSUER { probed(link.at.clone(), text) } else { seen(link.at.clone(), text) }
}

/// The first of these texts in the message the user met, or in an event of the Pod.
pub fn met_or_event(case: &Case<'_>, texts: &[&str]) -> Option<Citation> {
    let workload = case.evidence.workload.as_deref()?;
    let has = |line: &str| {
        let lower = line.to_lowercase();
        texts.iter().any(|text| lower.contains(&text.to_lowercase()))
    };
    if let Some(error) = case.evidence.asked.error.as_deref()
        && let Some(line) = error.lines().find(|line| has(line))
    {
        return Some(seen("/asked/error", format!("the message you met says: {}", clip(line, 240))));
    }
    let events = workload.events.seen()?;
    let index = events.iter().position(|event| has(&event.message))?;
    let event = &events[index];
    let text = format!("event {}: {}", event.reason, clip(&event.message, 240));
    Some(seen(format!("/workload/events/seen/{index}/message"), text))
}

/// What is known of the Pod's role, where kiam or kube2iam may be what gives it.
pub fn agents<'c, 'e>(case: &'c Case<'e>) -> Option<&'c Judgement<'e>> {
    case.workload.as_ref().filter(|judged| !judged.past_agents())
}

/// The name of a role in its ARN.
pub fn role_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The cluster's name, or a word in capitals.
pub fn cluster_name<'a>(judged: &Judgement<'a>) -> &'a str {
    let (name, _) = judged.cluster();
    if name.is_empty() { "CLUSTER" } else { name }
}

/// New Pods: what is injected is injected when a Pod is made.
pub fn remake(judged: &Judgement<'_>) -> Step {
    let namespace = judged.account_name().0;
    let why = "Make the Pods again: credentials are injected when a Pod is made, and never later";
    match judged.workload.owner.seen() {
        Some(owner) if ["Deployment", "StatefulSet", "DaemonSet"].contains(&owner.kind.as_str()) => Step::command(
            why,
            shell!("kubectl rollout restart {}/{} -n {}", owner.kind.to_lowercase(), owner.name, namespace),
        ),
        Some(owner) => Step::text(format!("{why}. {} {} makes them at its next run.", owner.kind, owner.name)),
        None => match judged.workload.pod.seen() {
            Some(pod) => Step::text(format!(
                "{why}. Nothing makes Pod {} again by itself: apply its own manifest once more, after kubectl delete pod {} -n {namespace}.",
                pod.name, pod.name
            )),
            None => Step::text(format!("{why}.")),
        },
    }
}

/// What the webhook passes over the next Pod by: in words, where that is seen, and the steps that mend it. New Pods are no
/// help then.
pub fn passed_over(judged: &Judgement<'_>) -> Option<(String, Vec<Citation>, Vec<Step>)> {
    let Some(passed) = judged.passed_over() else { return skipped(judged) };
    let namespace = judged.account_name().0;
    let owner = judged.workload.owner.seen();
    let whose = match passed.whose {
        Labelled::Pod => "the Pod".to_owned(),
        Labelled::Template => {
            owner.map_or_else(|| "the template".to_owned(), |one| format!("the template of {} {}", one.kind, one.name))
        }
        Labelled::Namespace => format!("namespace {namespace}"),
    };
    let text = match &passed.label {
        Some((key, value)) => format!("the webhook passes over {whose} for its label {key}={value}"),
        None => format!("the webhook passes over {whose}, whose labels do not fit its {}", passed.selector),
    };
    let cites = vec![
        seen(passed.at.clone(), text.clone()),
        seen("/workload/webhook/seen/selectors", format!("the webhook's {}", passed.selector)),
    ];
    let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
    let steps = match (&passed.label, passed.whose, owner) {
        (Some((key, _)), Labelled::Template, Some(owner)) if kinds.contains(&owner.kind.as_str()) => {
            vec![take_off_template(owner, namespace, "label", key)]
        }
        (Some((key, _)), Labelled::Namespace, _) => {
            let command = shell!("kubectl label namespace {} {}-", namespace, key);
            vec![Step::command("Take the label off the namespace", command), remake(judged)]
        }
        (Some((key, _)), ..) => {
            vec![Step::text(format!("Take the label {key} off the manifest that the Pod is made of.")), remake(judged)]
        }
        (None, ..) => {
            vec![Step::text(format!("Give {whose} labels that fit the webhook's {}.", passed.selector)), remake(judged)]
        }
    };
    Some((text, cites, steps))
}

/// Takes a `label` or an `annotation` off the template of what makes the Pods.
fn take_off_template(owner: &Owner, namespace: &str, what: &str, key: &str) -> Step {
    let patch = serde_json::json!({ "spec": { "template": { "metadata": { format!("{what}s"): { key: null } } } } });
    Step::command(
        format!("Take the {what} off the Pod template; the Pods are made again by that"),
        shell!(
            "kubectl patch {} {} -n {} --type merge -p '{}'",
            owner.kind.to_lowercase(),
            owner.name,
            namespace,
            patch
        ),
    )
}

/// The same, where the webhook is told to leave every container alone.
fn skipped(judged: &Judgement<'_>) -> Option<(String, Vec<Citation>, Vec<Step>)> {
    let at = judged.all_skipped()?;
    let namespace = judged.account_name().0;
    let owner = judged.workload.owner.seen();
    let whose = owner.map_or_else(|| "the Pod".to_owned(), |one| format!("the template of {} {}", one.kind, one.name));
    let text = format!("{SKIP_CONTAINERS} of {whose} has the webhook leave every container alone");
    let cites = vec![seen(at, text.clone())];
    let steps = match owner.filter(|owner| has_template(&owner.kind)) {
        Some(owner) => vec![take_off_template(owner, namespace, "annotation", SKIP_CONTAINERS)],
        None => vec![
            Step::text(format!("Take the annotation {SKIP_CONTAINERS} off the manifest that the Pod is made of.")),
            remake(judged),
        ],
    };
    Some((text, cites, steps))
}

/// A change of its template makes the Pods again.
fn has_template(kind: &str) -> bool {
    ["Deployment", "StatefulSet", "DaemonSet"].contains(&kind)
}

/// The finding of a container that has the variables of a role (the second of `names` is the token's file) and not that
/// file: written by hand they lead nowhere.
pub fn without_token(judged: &Judgement<'_>, rule: &Rule, link: &Link, names: [&str; 2], audience: &str) -> Finding {
    let namespace = judged.account_name().0;
    let containers = judged.containers();
    let container = containers.iter().find(|(_, at)| *at == link.at).map(|(container, _)| *container);
    let named = container.map_or("NAME", |container| container.name.as_str());
    let written = |owner: &&Owner| {
        let mut all = owner.template.containers.iter();
        has_template(&owner.kind) && all.any(|one| one.name == named && variable(one, names[1]).is_some())
    };
    let why = format!(
        "Take {} and {} out of container {named}: the webhook then injects both and mounts the token",
        names[0], names[1]
    );
    let mut steps = match judged.workload.owner.seen().filter(written) {
        Some(owner) => vec![Step::command(
            format!("{why}; the Pods are made again by that"),
            shell!(
                "kubectl set env {}/{} -n {} -c {} {}- {}-",
                owner.kind.to_lowercase(),
                owner.name,
                namespace,
                named,
                names[0],
                names[1]
            ),
        )],
        None => vec![Step::text(format!("{why}.")), remake(judged)],
    };
    let file = container.and_then(|container| variable(container, names[1])).and_then(|file| file.rsplit_once('/'));
    if let Some((folder, file)) = file.filter(|(folder, file)| !folder.is_empty() && !file.is_empty()) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let (folder, file, audience) = (text(folder), text(file), text(audience));
        steps.push(Step::manifest(
            "Or mount the token by hand, in the Pod template",
            format!(
                "containers:\n- name: {named}\n  volumeMounts:\n  - name: aws-token\n    mountPath: {folder}\n    readOnly: true\nvolumes:\n- name: aws-token\n  projected:\n    sources:\n    - serviceAccountToken:\n        audience: {audience}\n        expirationSeconds: 86400\n        path: {file}"
            ),
        ));
    }
    let why = format!(
        "{}: the file is not there, and every call of an AWS SDK fails at that. The webhook mounts the token where it injects the variables; these were written by hand, or their volume was taken away.",
        link.seen
    );
    let (first, more) = split(steps);
    rule.finding(Confidence::Certain, why, cite(link), first)
        .steps(more)
        .titled("The Pod has the variables of a role, and not the token that they name")
}

/// The annotation of IRSA on the service account.
pub fn annotate(judged: &Judgement<'_>, role: &str) -> Step {
    let (namespace, name) = judged.account_name();
    Step::command("Name the role on the service account", annotate_account(namespace, name, role))
}

/// The command that names a role on a service account, for IRSA.
pub fn annotate_account(namespace: &str, account: &str, role: &str) -> Shell {
    shell!(
        "kubectl annotate serviceaccount {} -n {} --overwrite eks.amazonaws.com/role-arn={}",
        account,
        namespace,
        role
    )
}

/// The command that associates a role with a service account, for Pod Identity.
pub fn associate_account(cluster: &str, namespace: &str, account: &str, role: &str) -> Shell {
    shell!(
        "aws eks create-pod-identity-association --cluster-name {} --namespace {} --service-account {} --role-arn {}",
        cluster,
        namespace,
        account,
        role
    )
}

/// The command that has the agent of Pod Identity run on every node.
pub fn install_agent(cluster: &str) -> Shell {
    shell!("aws eks create-addon --cluster-name {} --addon-name eks-pod-identity-agent", cluster)
}

/// The command that makes IAM know a cluster's issuer.
pub fn create_provider(issuer: &str) -> Shell {
    shell!("aws iam create-open-id-connect-provider --url {} --client-id-list sts.amazonaws.com", issuer)
}

/// The command that puts the trust policy in trust.json on a role.
pub fn put_trust(role: &str) -> Shell {
    shell!("aws iam update-assume-role-policy --role-name {} --policy-document file://trust.json", role_name(role))
}

/// Where no role has this name: one of another may be meant.
pub fn look_for(name: &str) -> Step {
    Step::command(
        "Look for the name that is meant",
        shell!("aws iam list-roles --query \"Roles[?contains(RoleName, '{}')].Arn\"", name),
    )
}

/// The steps that mend a trust policy: one that denies cannot be outweighed, a condition that can never hold is its owner's
/// to change (`policy` is `None`), any other policy is replaced as a whole. `today` is the policy that stands there now.
pub fn mend(link: &Link, role: &str, today: Option<&str>, policy: Option<&str>) -> Vec<Step> {
    let denies = link.seen.contains(" denies ");
    let Some(policy) = policy.filter(|_| !denies) else {
        let why = if denies {
            "No other statement outweighs one with Effect Deny: take it out of the trust policy, or narrow its condition so that it does not fit"
        } else {
            "Look at the condition with whoever wrote it: it keeps this request out, and another statement would go round it"
        };
        let command = shell!("aws iam get-role --role-name {} --query Role.AssumeRolePolicyDocument", role_name(role));
        return vec![Step::command(why, command)];
    };
    let mut steps = put_policy(role, policy);
    if let Some(difference) = today.and_then(|today| difference(today, policy)) {
        steps.insert(1, Step::manifest("What that changes: - stands there today, + will", difference));
    }
    if let Some(terraform) = terraform(today, policy) {
        let title = "Or where Terraform keeps the role, which would take back what it does not know: this in the aws_iam_policy_document of its assume_role_policy";
        steps.push(Step::manifest(title, terraform));
    }
    steps
}

/// The steps that let whoever hands out credentials (kiam's server, a node for kube2iam) into the role that a Pod names,
/// with that role as the agent resolves it.
pub fn let_agent_in(
    judged: &Judgement<'_>,
    link: &Link,
    base: Option<&str>,
    agent: &str,
) -> Option<(String, Vec<Step>)> {
    let role = judged.iam_role()?;
    let resolved = judged.resolved_role(role, base).unwrap_or_else(|| role.to_owned());
    let known = [role, resolved.as_str()].into_iter().find_map(|named| judged.role(named));
    let today = known.map(|role| role.trust_policy.as_str());
    let policy = trust::role_policy(today, &Assuming::plain(agent, judged.external_id()));
    let mut steps = mend(link, &resolved, today, policy.as_deref());
    if link.seen.contains(":assumed-role/") && policy.is_some() {
        let text =
            format!("The policy of today names single sessions; this lets in {agent}, and so every node that has it.");
        steps.push(Step::text(text));
    }
    if policy.is_none() && link.seen.contains("sts:ExternalId") {
        let key = judged.external_id_key();
        let why =
            "Give the external id that the trust policy asks for in the Pod template, and leave the policy as it is";
        steps.insert(0, Step::manifest(why, format!("metadata:\n  annotations:\n    {key}: EXTERNAL-ID")));
    }
    Some((resolved, steps))
}

/// What one policy has and the other has not, line by line; nothing where today's is no JSON.
fn difference(today: &str, then: &str) -> Option<String> {
    let today: serde_json::Value = serde_json::from_str(today).ok()?;
    let today = serde_json::to_string_pretty(&today).ok()?;
    let difference = similar::TextDiff::from_lines(today.as_str(), then);
    Some(difference.unified_diff().missing_newline_hint(false).context_radius(2).to_string().trim_end().to_owned())
}

/// The statements that are new in a policy, as Terraform writes them.
fn terraform(today: Option<&str>, then: &str) -> Option<String> {
    let statements = |text: &str| -> Option<Vec<serde_json::Value>> {
        let policy: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(trust::list(policy.get("Statement")?).into_iter().cloned().collect())
    };
    let old = today.and_then(statements).unwrap_or_default();
    let new: Vec<_> = statements(then)?.into_iter().filter(|one| !old.contains(one)).collect();
    let words = |value: &serde_json::Value| {
        let texts = trust::texts(value);
        format!("[{}]", texts.iter().map(|text| hcl(text)).collect::<Vec<_>>().join(", "))
    };
    let mut lines = Vec::new();
    for one in &new {
        lines.push("statement {".to_owned());
        if let Some(sid) = one.get("Sid").and_then(serde_json::Value::as_str) {
            lines.push(format!("  sid     = {}", hcl(sid)));
        }
        lines.push(format!("  actions = {}", words(one.get("Action")?)));
        for (kind, names) in one.get("Principal")?.as_object()? {
            lines.push("  principals {".to_owned());
            lines.push(format!("    type        = {}", hcl(kind)));
            lines.push(format!("    identifiers = {}", words(names)));
            lines.push("  }".to_owned());
        }
        for (test, keys) in one.get("Condition").and_then(serde_json::Value::as_object).into_iter().flatten() {
            for (key, values) in keys.as_object()? {
                lines.push("  condition {".to_owned());
                lines.push(format!("    test     = {}", hcl(test)));
                lines.push(format!("    variable = {}", hcl(key)));
                lines.push(format!("    values   = {}", words(values)));
                lines.push("  }".to_owned());
            }
        }
        lines.push("}".to_owned());
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// A text of HCL; `${` would begin a template there.
fn hcl(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.replace("${", "$${").replace("%{", "%%{")
}

/// A whole trust policy as a step.
fn put_policy(role: &str, policy: &str) -> Vec<Step> {
    let name = role_name(role);
    vec![
        Step::manifest(
            format!("Save this as trust.json: the whole trust policy of role {name}, today's other statements kept"),
            policy,
        ),
        Step::command(format!("Put it on the role, in account {}", account(role)), put_trust(role)),
    ]
}

/// The steps that let the service account in by IRSA.
fn irsa_trust(judged: &Judgement<'_>, link: &Link, role: &str) -> Vec<Step> {
    let (Some((issuer, _)), Some(provider)) = (judged.issuer(), judged.provider_arn(role)) else {
        return vec![Step::text(
            "Let the cluster's provider, this subject and this audience into the role's trust policy.",
        )];
    };
    let audience = judged.token_audience().map_or_else(|| "sts.amazonaws.com".to_owned(), |(audience, _)| audience);
    let today = judged.role(role).map(|role| role.trust_policy.as_str());
    let policy = trust::irsa_policy(today, &provider, &trust::issuer_name(issuer), &judged.subject(), &audience);
    mend(link, role, today, Some(&policy))
}

/// The finding of a trust policy that keeps a service account of IRSA out, by the first of these links that is broken:
/// `why` tells of both sides, and the steps let the service account in.
pub fn irsa_trust_mismatch(case: &Case<'_>, rule: &Rule, links: &[&str], why: fn(&Link) -> String) -> Vec<Finding> {
    let Some(judged) = &case.workload else { return Vec::new() };
    let Some(link) = links.iter().find_map(|id| judged.broken(id)) else { return Vec::new() };
    let Some(role) = judged.irsa_role() else { return Vec::new() };
    let (first, more) = split(irsa_trust(judged, link, role));
    vec![rule.finding(Confidence::Certain, why(link), cite(link), first).steps(more)]
}

/// The association of Pod Identity.
pub fn associate(judged: &Judgement<'_>, role: &str) -> Step {
    let (namespace, name) = judged.account_name();
    let command = associate_account(cluster_name(judged), namespace, name, role);
    Step::command("Associate the role with the service account", command)
}

/// The first step and the others.
pub fn split(mut steps: Vec<Step>) -> (Step, Vec<Step>) {
    let first = if steps.is_empty() { Step::default() } else { steps.remove(0) };
    (first, steps)
}
