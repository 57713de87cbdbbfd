//! The identity is known and has no right to what was asked.

use crate::apiserver::authz::near::{self, Kind};
use crate::apiserver::authz::nodes::is_node;
use crate::apiserver::authz::wider::wider;
use crate::apiserver::authz::{self, World, rules, suggestion};
use crate::apiserver::message::{self, heard, tools};
use crate::aws::identity::{self, Source, Verdict};
use crate::evidence::access::{Check, Question};
use crate::evidence::eks::AssociatedPolicy;
use crate::evidence::identity::User;
use crate::evidence::rbac::{Binding, Rbac};
use crate::report::shell::{quoted, shell};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::{account_of_webhook, can_i, denied, granted_elsewhere, instead_of_rbac, is_foreign, is_ungranted, named, nothing_granted, nothing_here, policies_elsewhere, sentence, somebody_else, subject, void_bindings};
use crate::rules::{Case, Page, Place, Rule, clip, eks, reading, slug};

/// The rule.
pub static RULE: Rule = Rule {
    code: "rbac-no-grant",
    severity: Severity::Error,
    title: "Signed in, but no binding grants this",
    page: Page {
        means: "The credential is good: the API server knows who you are. No role binding gives this user or one of its groups the right that was asked for. Without a question, only one namespace can be looked at unless role bindings are readable: rights in another one stay unseen. The finding is a warning then, and so it is where they were seen in another one, by a role binding or by an access policy of EKS: nobody who works there is kept out. Told what you met (`kaccess doctor --error TEXT`), it is about that question, and an error.",
        evidence: "The identity by SelfSubjectReview, and the server's own answer to the access question; without a question the rules of the context's namespace, and the role bindings where they can be read.",
        fix: "Bind a role to the user or, better, to one of the groups the server lists, spelled exactly as listed (prefix included); `kaccess can-i VERB TYPE -n NAMESPACE --why` writes the smallest one. `kubectl create rolebinding NAME --clusterrole=view --group=GROUP -n NAMESPACE`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/",
    },
    recognises: &[&heard::FORBIDDEN, &heard::FORBIDDEN_OLD, &heard::CLIENT_FORBIDDEN, &heard::SIGNER_REFUSED, &heard::OWNER_REFUSED, &message::KUBELET_FORBIDDEN, &tools::FORBIDDEN, &tools::FORBIDDEN_PYTHON, &tools::FORBIDDEN_NODE, &tools::FORBIDDEN_BARE, &tools::RBAC_DENY, &tools::SCRAPE_FORBIDDEN],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = without_rbac(case) {
        return vec![finding];
    }
    if let Some(finding) = of_acted_as(case) {
        return vec![finding];
    }
    if let Some(finding) = of_owner(case) {
        return vec![finding];
    }
    if !is_ungranted(case) {
        return Vec::new();
    }
    let finding = match (&case.evidence.asked.question, somebody_else(case)) {
        (Some(question), Some(name)) => of_somebody_else(case, question, &name),
        (Some(question), None) => of_question(case, question).map(|finding| waiting(case, question, finding)),
        (None, _) => of_namespace(case).map(|finding| {
            let finding = beside_the_message(case, finding);
            match nothing_granted(case) {
                Some((index, access)) => waiting(case, &access.checks[index].question, finding),
                None => finding,
            }
        }),
    };
    finding.into_iter().collect()
}

fn signed_in(user: &User) -> String {
    let groups =
        if user.groups.is_empty() { "no groups".to_owned() } else { format!("groups {}", user.groups.join(", ")) };
    format!("{:?} ({groups})", user.username)
}

/// A service account as such, else a user, as a sentence names it.
fn called(user: &User) -> String {
    match authz::service_account(&user.username) {
        Some((namespace, name)) => format!("ServiceAccount {name:?} of namespace {namespace}"),
        None => format!("User {:?}", user.username),
    }
}

/// The message is a refusal of what was asked.
fn refuses(error: &str) -> bool {
    message::forbidden(error).is_some() || message::signer(error).is_some()
}

/// The same right for a whole group.
fn for_group(user: &User) -> Option<Step> {
    let group = user.groups.iter().find(|group| !group.starts_with("system:"))?;
    Some(Step::text(format!(
        "To give it to everybody in one of the groups instead, put `kind: Group` and `name: {group:?}` in the binding's subject."
    )))
}

/// RBAC is not asked at all: no role and no binding is what is missing.
fn without_rbac(case: &Case<'_>) -> Option<Finding> {
    let (instead, says) = instead_of_rbac(case)?;
    let (user, access) = (&case.evidence.identity.seen()?.user, case.evidence.access.seen()?);
    let question = case.evidence.asked.question.as_ref();
    if user.username == "system:anonymous" || question.is_some() && somebody_else(case).is_some() {
        return None;
    }
    // Whatever RBAC grants; an outright denial is another finding.
    let refused = |check: &Check| !check.allowed && !check.denied;
    let index = match question {
        Some(question) => access.checks.iter().position(|check| check.question == *question && refused(check))?,
        None if nothing_here(case) => access.checks.iter().position(refused)?,
        None => return None,
    };
    let what = sentence(&access.checks[index].question);
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The API server knows you as {} and does not let you {what}. {}", signed_in(user), instead.sentence()),
            seen(format!("/access/seen/checks/{index}"), format!("{}: no", access.checks[index].question.sentence())),
            Step::text(format!("Have whoever runs the control plane let {} do that where it is decided: {}.", called(user), instead.decides)),
        )
        .titled(format!("Signed in, but not allowed to {what}, and RBAC is not asked"))
        .cite(says)
        .cite(seen("/identity/seen/user", format!("signed in as {:?}", user.username)))
        .step(Step::command("Afterwards, look again", "kaccess doctor"));
    if question.is_none() {
        // Rights in other namespaces were not looked at.
        finding.severity = Severity::Warning;
    } else if let Some(error) = case.evidence.asked.error.as_deref().filter(|error| refuses(error)) {
        finding = finding.cite(seen("/asked/error", clip(error, 240)));
    }
    Some(finding)
}

/// The grant that would help: of exactly what is asked, or by a role that is there, with all that it gives.
fn offer(case: &Case<'_>, world: Option<&World<'_>>, user: &User, question: &Question) -> Step {
    let manifest = suggestion::manifest(world, user, question);
    let mut text = match world.and_then(|world| wider(world, question, &manifest)) {
        None => format!("Have somebody with rights apply this: it lets {} do exactly that, and nothing more", called(user)),
        Some(role) => format!("Have somebody with rights apply this: it binds {} to {role}", called(user)),
    };
    let namespace = question.namespace.as_str();
    if question.path.is_none() && !namespace.is_empty() && !is_settled(case, namespace) {
        text.push_str(&format!(" (if namespace {namespace} exists, which could not be seen: who has no rights in it is refused the same)"));
    }
    Step::manifest(text, manifest)
}

/// It is known whether the namespace is there: it was looked for, something else shows it, or the API server makes it by
/// itself.
fn is_settled(case: &Case<'_>, namespace: &str) -> bool {
    let evidence = case.evidence;
    let always = ["default", "kube-node-lease", "kube-public", "kube-system"];
    let bound = |rbac: &Rbac| rbac.bindings.iter().any(|binding| binding.namespace == namespace);
    always.contains(&namespace)
        || evidence.asked_namespace.seen().is_some()
        || evidence.rbac.seen().is_some_and(bound)
}

/// The question of the message, about who is signed in.
fn of_question(case: &Case<'_>, question: &Question) -> Option<Finding> {
    let denied = denied(case)?;
    let (index, check) = denied.check?;
    let user = &*denied.user;
    let world = case.evidence.rbac.seen().map(World::new);
    let first = if is_node(user) {
        Step::text("Kubelets get their rights from the Node authorizer, which no binding changes; a binding to the group system:nodes would give it to every node of the cluster. Let whoever asks this have a service account or user of its own.")
    } else {
        offer(case, world.as_ref(), user, question)
    };
    // The node authorizer's reasons say that it has no opinion.
    let foreign = (is_foreign(&check.reason) && !is_node(user)).then(|| clip(&check.reason, 200));
    let mut why =
        format!("The API server knows you as {} and does not let you {}.", signed_in(user), sentence(question));
    if let Some(reason) = &foreign {
        why.push_str(&format!(" Another authorizer than RBAC adds: {reason}. If that one denies outright, no role changes it."));
    }
    why.push_str(&refused_beside(case, question));
    let mut finding = RULE
        .finding(
            // A question that was really asked and denied is decided.
            if foreign.is_some() { Confidence::Likely } else { Confidence::Certain },
            why,
            seen(format!("/access/seen/checks/{index}"), format!("{}: no", question.sentence())),
            first,
        )
        .titled(format!("Signed in, but not allowed to {}", sentence(question)))
        .cite(seen("/identity/seen/user", format!("signed in as {:?}", user.username)));
    if !is_node(user)
        && let Some(step) = for_group(user)
    {
        finding = finding.step(step);
    }
    if let Some((held, at, step)) = by_policy(case, question) {
        finding.why.push_str(&format!(" Your access entry has {held}: none of it gives that, and the access policies of EKS count beside RBAC."));
        finding = finding.cite(seen(at, format!("the access entry has {held}"))).step(step);
    }
    finding = finding.step(Step::command("Afterwards, look again", "kaccess doctor"));
    if let Some(error) = case.evidence.asked.error.as_deref().filter(|error| refuses(error)) {
        finding = finding.cite(seen("/asked/error", clip(error, 240)));
    }
    // What nearly grants it, and has no finding of its own.
    let unnamed = |miss: &near::NearMiss<'_>| matches!(miss.kind, Kind::ResourceSpelling | Kind::OtherPath);
    if let (Some(world), Some(rbac)) = (&world, case.evidence.rbac.seen())
        && let Some(miss) = near::near_misses(world, user, question).into_iter().find(unnamed)
    {
        let same = |binding: &Binding| miss.binding.is_some_and(|near| std::ptr::eq(near, binding));
        let at = rbac.bindings.iter().position(same).unwrap_or_default();
        finding.why.push_str(&format!(" Nearly granted: {}.", miss.text));
        finding = finding.cite(seen(format!("/rbac/seen/bindings/{at}"), miss.text.clone()));
        // Of others' rules a change would be undone.
        let theirs = miss.role.is_some_and(|role| role.aggregates || role.name.starts_with("system:"));
        if !theirs {
            finding = finding.step(Step::text("Or have what the role's rule names corrected to what the server calls it."));
        }
    }
    Some(finding)
}

/// What else the message says was refused, and still is.
fn refused_beside(case: &Case<'_>, question: &Question) -> String {
    let (Some(error), Some(access)) = (case.evidence.asked.error.as_deref(), case.evidence.access.seen()) else {
        return String::new();
    };
    let refused = |one: &Question| access.checks.iter().any(|check| check.question == *one && !check.allowed);
    let all = message::refused_questions(error);
    let others: Vec<String> =
        all.iter().filter(|one| *one != question && refused(one)).map(Question::sentence).collect();
    if others.is_empty() {
        return String::new();
    }
    format!(" The message has more that is still refused, and is mended each by itself: {}.", others.join("; "))
}

/// On EKS: the access policies that the caller has where the question is about, the pointer to them, and how the smallest
/// that covers the question is given. None where there are none for that place: that is another finding.
fn by_policy(case: &Case<'_>, question: &Question) -> Option<(String, String, Step)> {
    let Some(Verdict::Mapped(mapped)) = case.mapping.as_ref().filter(|_| eks::is_iam(case)) else { return None };
    let Source::AccessEntry(index) = mapped.source else { return None };
    let entry = eks::aws(case)?.access_entries.seen()?.entries.get(index)?;
    let policies = entry.policies.seen()?;
    let here: Vec<&AssociatedPolicy> =
        policies.iter().filter(|policy| identity::policy_allows(policy, question) != Some(false)).collect();
    let wanted = identity::policy_for(question);
    // By the policies' own words it would be allowed: the server, which says no, knows another entry.
    let given = |policy: &AssociatedPolicy| identity::includes(policy.name(), wanted.unwrap_or("AmazonEKSClusterAdminPolicy"));
    if here.is_empty() || here.iter().any(|policy| given(policy)) {
        return None;
    }
    let held: Vec<String> = here.iter().map(|policy| format!("{} for {}", policy.name(), policy.place())).collect();
    let more = match wanted {
        Some("AmazonEKSSecretReaderPolicy") => "reads Secrets, which AmazonEKSViewPolicy leaves out",
        Some("AmazonEKSViewPolicy") => "reads what Kubernetes' role view does, no Secrets",
        Some("AmazonEKSEditPolicy") => "is like Kubernetes' role edit: it changes workloads, reads Secrets and goes into Pods",
        Some("AmazonEKSAdminPolicy") => "is like Kubernetes' role admin",
        Some("AmazonEKSAdminViewPolicy") => "reads everything in its scope, Secrets too",
        _ => "",
    };
    let step = match (wanted, eks::associate(case, &quoted(&entry.principal_arn))) {
        (Some(wanted), Some(associate)) => Step::command(
            format!("Or have an administrator of the AWS account associate {wanted} with the access entry, the smallest access policy that covers it: it {more}"),
            associate,
        ),
        _ => Step::text("Short of AmazonEKSClusterAdminPolicy, which gives everything, no access policy covers what was asked: RBAC is the way."),
    };
    Some((held.join(" and "), format!("{}/policies/seen", mapped.source.path()), step))
}

/// On EKS: the caller's access policy that gives what is asked, and the pointer to it. The server, which says no, does not act
/// on it.
fn not_taken_up(case: &Case<'_>, question: &Question) -> Option<(String, String)> {
    let entry = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    // Whom somebody acts as does not get the policies of who signs.
    if entry.is_some_and(|user| user.impersonate.is_some()) {
        return None;
    }
    let (mapped, entry) = eks::mapped_entry(case)?;
    let gives = |policy: &AssociatedPolicy| {
        identity::in_scope(policy, &question.namespace)
            && identity::policy_rules(policy.name()).is_some_and(|role| rules::allowing(&role, question).is_some())
    };
    let (index, policy) = entry?.policies.seen()?.iter().enumerate().find(|(_, policy)| gives(policy))?;
    let held = format!("{} for {}", policy.name(), policy.place());
    Some((held, format!("{}/policies/seen/{index}", mapped.source.path())))
}

/// Another grant is not what is missing first, where an access policy gives what is asked and does not count yet.
fn waiting(case: &Case<'_>, question: &Question, mut finding: Finding) -> Finding {
    let Some((held, at)) = not_taken_up(case, question) else { return finding };
    finding.confidence = finding.confidence.max(Confidence::Likely);
    finding.why.push_str(&format!(" Your access entry has {held}, which gives that by EKS' own list, and the API server does not act on it. A change of an access entry takes a while until it counts; how long ago this one was made was not looked at."));
    let list = match eks::mapped_entry(case).and_then(|(_, entry)| entry) {
        Some(entry) => Step::command(
            "See since when the policy is associated (associatedAt): if that is minutes ago, wait, and look again before anything else is granted",
            shell!("aws eks list-associated-access-policies --cluster-name {} --principal-arn {}", eks::cluster(case), entry.principal_arn),
        ),
        None => return finding,
    };
    finding.fix.insert(0, list);
    finding
        .titled("Signed in, and what your access policy gives does not count (yet)")
        .cite(seen(at, format!("the access entry has {held}")))
}

/// The message is the refusal of the one as whom the request acts, and the API server does not let it be asked who that is.
/// Of one that is named without groups all groups are known, so the role bindings tell.
fn of_acted_as(case: &Case<'_>) -> Option<Finding> {
    let evidence = case.evidence;
    if evidence.identity.seen().is_some() || instead_of_rbac(case).is_some() {
        return None;
    }
    let question = evidence.asked.question.as_ref()?;
    let error = evidence.asked.error.as_deref()?;
    let name = message::forbidden(error)?.user;
    let entry = evidence.kubeconfig.seen()?.user.as_ref()?;
    if entry.impersonate.as_deref() != Some(name.as_str()) || !entry.impersonate_groups.is_empty() {
        return None;
    }
    let rbac = evidence.rbac.seen().filter(|rbac| rbac.unread.is_empty())?;
    let user = rbac.named.as_ref().filter(|user| user.username == name)?;
    let world = World::new(rbac);
    if world.decide(user, question).allowed {
        return None;
    }
    let what = sentence(question);
    Some(
        RULE.finding(
            Confidence::Likely,
            format!("The request acts as {name:?}, and that one is refused to {what}. It could not be asked who that is for the API server; so the role bindings were judged for {}, and none of them lets it.", signed_in(user)),
            seen("/asked/error", clip(error, 240)),
            offer(case, Some(&world), user, question),
        )
        .titled(format!("{name:?}, as whom you act, is not allowed to {what}"))
        .cite(seen("/kubeconfig/seen/user/impersonate", format!("the request acts as {name:?}")))
        .step(Step::command("Afterwards, look again", "kaccess doctor")),
    )
}

/// The question of a message about another user than who is signed in.
fn of_somebody_else(case: &Case<'_>, question: &Question, name: &str) -> Option<Finding> {
    let own = &case.evidence.identity.seen()?.user.username;
    let what = sentence(question);
    let said = seen("/asked/error", clip(case.evidence.asked.error.as_deref().unwrap_or_default(), 240));
    let instead = instead_of_rbac(case).is_some();
    let finding = match named(case, name).filter(|(_, rbac)| rbac.unread.is_empty() && !instead) {
        Some((user, rbac)) => {
            // Granted by now, or denied by another authorizer: nothing that RBAC explains.
            denied(case)?;
            RULE.finding(
                Confidence::Likely,
                format!("The message is about {name:?}, and you are {own:?}; so the role bindings were judged for {name:?}, and none of them lets it {what}."),
                said,
                offer(case, Some(&World::new(rbac)), user, question),
            )
            .titled(format!("{name:?} is not allowed to {what} (the message is about it, not about you)"))
        }
        None => {
            let because = match case.evidence.rbac.seen() {
                _ if instead => "RBAC, by whose roles and bindings it could be judged, is not among the API server's authorizers",
                None => "the role bindings cannot be read with your rights",
                Some(rbac) if !rbac.unread.is_empty() => "not all roles and bindings can be read with your rights",
                Some(_) => "the message does not tell its groups",
            };
            RULE.finding(
                Confidence::Possible,
                format!("The message is about {name:?}, and you are {own:?}. The API server refused {name:?} to {what}; why was not checked, because {because}. Your own rights say nothing about it."),
                said,
                Step::command(
                    "Ask for that user (it needs the right to impersonate it, to create subjectaccessreviews, or to list the four RBAC kinds)",
                    can_i(question, Some(name)),
                ),
            )
            .titled(format!("The message is about {name:?}, and you are {own:?}: its rights were not checked"))
            .step(Step::text(format!("Or run kaccess doctor with the credential of {name:?}.")))
        }
    };
    let mut finding = finding.cite(seen("/identity/seen/user/username", format!("signed in as {own:?}")));
    if account_of_webhook(case).is_some() {
        finding.why.push_str(" The words stand in an admission webhook's refusal: most likely the webhook itself asks as that one.");
        finding.explains = &["admission-denied"];
    }
    Some(finding)
}

/// Who changes the owners of an object needs a right that the message does not name whole: an admission plugin asked for
/// it, and was told no.
fn of_owner(case: &Case<'_>) -> Option<Finding> {
    let evidence = case.evidence;
    let error = evidence.asked.error.as_deref().filter(|_| evidence.asked.question.is_none())?;
    let user = &evidence.identity.seen()?.user;
    let of_owners = |line: &str| reading::read(line).iter().any(|read| read.text == heard::OWNER_REFUSED.name);
    if !error.lines().any(of_owners) {
        return None;
    }
    let (title, right, step) = if error.contains("cannot set an ownerRef on a resource you can't delete") {
        (
            "Who changes an object's owners needs the right to delete it",
            "delete on the object whose ownerReferences were to change: who names its owner decides when it is deleted",
            "Have delete on that object granted, in its namespace; kaccess can-i delete TYPE NAME -n NAMESPACE --why looks, and writes the smallest grant.",
        )
    } else {
        (
            "Who lets an object hold up its owner's deletion needs a right on the owner",
            "update on the subresource finalizers of the owner's type, which the message does not name: blockOwnerDeletion holds up the owner's deletion",
            "Have update on OWNERS/finalizers granted (OWNERS is the plural of the kind in ownerReferences, in its API group), or leave blockOwnerDeletion false; kaccess can-i update OWNERS/finalizers -n NAMESPACE --why looks, and writes the smallest grant.",
        )
    };
    let step = match instead_of_rbac(case) {
        Some((instead, _)) => format!("{step} No role gives it here: it is given where it is decided: {}.", instead.decides),
        None => step.to_owned(),
    };
    Some(
        RULE.finding(
            Confidence::Likely,
            format!("An admission plugin refused the object because a right is not there: {right}. The message does not name who was refused, and whether it would be refused now was not tried; you are {}.", signed_in(user)),
            seen("/asked/error", clip(error, 240)),
            Step::text(step),
        )
        .titled(title)
        .cite(seen("/identity/seen/user", format!("signed in as {:?}", user.username))),
    )
}

/// What is said of a namespace, where a message was given that is about something else, or that nobody knows.
fn beside_the_message(case: &Case<'_>, mut finding: Finding) -> Finding {
    let Some(error) = case.evidence.asked.error.as_deref() else { return finding };
    let read: Vec<&str> = error.lines().flat_map(reading::read).map(|read| read.code).collect();
    // What the message misses is an API, or it was refused although the right was there.
    let misses = [&message::METRICS_API, &message::RESOURCE_NOT_SERVED, &message::AGGREGATED_REQUEST, &message::AGGREGATED_DISCOVERY];
    let other = misses.into_iter().any(|text| case.said(text).is_some_and(|word| word.place == Place::Met))
        || read.iter().any(|code| ["admission-denied", "rbac-escalation"].contains(code));
    if other {
        finding.severity = Severity::Warning;
        finding.why.push_str(" The message that you met is not about that.");
    } else if read.is_empty() {
        finding.why.push_str(" The message that you met is not known here, and nothing in it shows that it is about that.");
    }
    finding
}

/// No question: only the namespace of the context, and the role bindings where they can be read, speak.
fn of_namespace(case: &Case<'_>) -> Option<Finding> {
    let user = &case.evidence.identity.seen()?.user;
    let (index, access) = nothing_granted(case)?;
    let (question, rules) = (&access.checks[index].question, access.rules.as_ref()?);
    let here = rules.namespace.as_str();
    let place = format!("namespace {here}");
    let manifest = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: {}-view\n  namespace: {here}\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: view\nsubjects:\n{}",
        slug(&user.username),
        subject(&user.username)
    );
    let grant = Step::manifest(
        format!("Have somebody with rights apply a binding; this one lets {} read what the built-in role view covers in {place} (take edit, or an own role, for more)", called(user)),
        manifest,
    );
    let answer = seen(format!("/access/seen/checks/{index}"), format!("{}: no", question.sentence()));
    let who = seen("/identity/seen/user", format!("signed in as {:?}", user.username));
    let again = Step::command("Afterwards, look again", "kaccess doctor");
    let known = signed_in(user);
    let other = granted_elsewhere(case);
    let rbac = case.evidence.rbac.seen();
    if let (Some(&first), Some(rbac)) = (other.first(), rbac) {
        let binding = &rbac.bindings[first];
        let mut places: Vec<&str> = other.iter().map(|index| rbac.bindings[*index].namespace.as_str()).collect();
        places.sort_unstable();
        places.dedup();
        let shown = places.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        let more = if places.len() > 5 { format!(" and {} more", places.len() - 5) } else { String::new() };
        let mut finding = RULE
            .finding(
                if rules.incomplete { Confidence::Likely } else { Confidence::Certain },
                format!("The API server knows you as {known}. In {place}, which the context takes, you have no rights; role bindings give you some in {shown}{more}."),
                answer,
                Step::command("Work where you have rights, or let the context take that namespace", shell!("kubectl config set-context --current --namespace={}", binding.namespace)),
            )
            .titled(format!("Nothing is granted in {place}, but in {shown}{more}"))
            .step(grant)
            .cite(seen(
                format!("/rbac/seen/bindings/{first}"),
                format!("{} {:?} in namespace {} names {} {:?}", binding.kind, binding.name, binding.namespace, binding.role_kind, binding.role_name),
            ))
            .cite(who);
        finding.severity = Severity::Warning;
        return Some(finding);
    }
    if let Some((path, policies)) = policies_elsewhere(case) {
        let held: Vec<String> = policies.iter().map(|policy| format!("{} for {}", policy.name(), policy.place())).collect();
        let names: Vec<&str> = policies.iter().flat_map(|policy| &policy.namespaces).map(String::as_str).collect();
        let work = match names.iter().copied().find(|name| !name.contains(['*', '?'])) {
            Some(name) => Step::command(
                "Work where your access policy counts, or let the context take that namespace",
                shell!("kubectl config set-context --current --namespace={}", name),
            ),
            None => Step::text(format!("Work in a namespace where your access policy counts ({}); kaccess doctor -n NAMESPACE looks there.", names.join(", "))),
        };
        let mut finding = RULE
            .finding(
                if rules.incomplete { Confidence::Likely } else { Confidence::Certain },
                format!("The API server knows you as {known}. In {place}, which the context takes, you have no rights. Your access entry has {}, which is for other namespaces.", held.join(" and ")),
                answer,
                work,
            )
            .titled(format!("Nothing is granted in {place}; your access entry has {}", held.join(" and ")))
            .step(grant)
            .cite(seen(path, format!("the access entry has {}", held.join(" and "))))
            .cite(who);
        finding.severity = Severity::Warning;
        return Some(finding);
    }
    let unread = rbac.is_none_or(|rbac| rbac.unread.iter().any(|kind| kind.contains("Binding")));
    if unread {
        let mut finding = RULE
            .finding(
                if rules.incomplete { Confidence::Possible } else { Confidence::Likely },
                format!("The API server knows you as {known} and answers no to {}. The rules that it lists for {place} are those of everybody; other namespaces were not looked at, because role bindings cannot be read with your rights.", question.sentence()),
                answer,
                Step::text(match &case.evidence.asked.error {
                    Some(_) => "If your rights are in another namespace, look there: kaccess doctor -n NAMESPACE.",
                    None => "If your rights are in another namespace, look there: kaccess doctor -n NAMESPACE; and with the message that you met: kaccess doctor --error '...'.",
                }),
            )
            .titled(format!("Nothing is granted in {place}; other namespaces were not looked at"))
            .step(grant)
            .cite(who);
        finding.severity = Severity::Warning;
        return Some(finding);
    }
    let void = void_bindings(case);
    let mut finding = RULE
        .finding(
            if rules.incomplete { Confidence::Likely } else { Confidence::Certain },
            format!("The API server knows you as {known} and answers no to {}. No role binding of any namespace gives you anything.", question.sentence()),
            answer,
            match void.is_empty() {
                true => grant.clone(),
                false => Step::text("Have that role made, or filled with rules: then the binding that is there gives what was meant. A second binding to the same role gives as little."),
            },
        )
        .cite(who);
    if let Some(first) = void.first() {
        finding.why.push_str(&format!(" You are bound all the same, and the binding gives nothing: {}{}.", first.text, match void.len() {
            1 => String::new(),
            more => format!(", and {} more", more - 1),
        }));
        finding = finding.cite(seen(format!("/rbac/seen/bindings/{}", first.index), first.text.clone()));
        // One to the role that is empty would not help.
        if void.iter().all(|void| void.binding.role_name != "view") {
            finding = finding.step(grant);
        }
    }
    if let Some(step) = for_group(user) {
        finding = finding.step(step);
    }
    Some(finding.step(again))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::access::ResourceRule;
    use crate::evidence::apiserver::Flags;
    use crate::evidence::rbac::{Kind, Role, Subject};
    use crate::evidence::{Evidence, Observation, Outcome};

    /// The findings of all rules where the API server says that it has these modes.
    fn findings(modes: &[&str]) -> Vec<Finding> {
        with(modes, |_| {})
    }

    /// The same where something else is changed too.
    fn with(modes: &[&str], change: fn(&mut Evidence)) -> Vec<Finding> {
        let text = include_str!("../../../testdata/cases/rbac-no-grant-abac/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let mut flags = Flags { source: "/flagz".to_owned(), ..Flags::default() };
        let modes = modes.iter().map(|mode| (*mode).to_owned()).collect();
        flags.flags.insert("authorization-mode".to_owned(), modes);
        flags.flags.insert("authorization-policy-file".to_owned(), vec!["/etc/policy.jsonl".to_owned()]);
        evidence.control_plane.flagz = Observation::at_rest(Outcome::Seen(flags));
        change(&mut evidence);
        crate::rules::check_all(&Case::new(&evidence))
    }

    /// Somebody bound a role to the user that grants what is asked.
    fn bind(evidence: &mut Evidence) {
        let Outcome::Seen(rbac) = &mut evidence.rbac.outcome else { panic!("no role bindings") };
        let texts = |text: &str| vec![text.to_owned()];
        let (kind, name) = (Kind::Borrowed("ClusterRole"), "mine".to_owned());
        let subject = Subject { kind: "User".into(), name: "plain".to_owned(), ..Subject::default() };
        rbac.bindings.push(Binding {
            kind: "ClusterRoleBinding".into(),
            name: name.clone(),
            role_kind: kind.clone(),
            role_name: name.clone(),
            subjects: vec![subject],
            ..Binding::default()
        });
        let rule = ResourceRule {
            verbs: texts("list"),
            api_groups: texts(""),
            resources: texts("nodes"),
            ..ResourceRule::default()
        };
        rbac.roles.push(Role { kind, name, resource_rules: vec![rule], ..Role::default() });
    }

    #[test]
    fn a_grant_in_a_namespace_that_nobody_saw_is_offered_with_that_doubt() {
        use crate::evidence::access::Existence;
        let text = include_str!("../../../testdata/cases/rbac-no-grant-abac/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let user = User { username: "jane".to_owned(), ..User::default() };
        let told = |evidence: &Evidence, namespace: &str| {
            let question = Question {
                verb: "list".to_owned(),
                resource: "pods".to_owned(),
                namespace: namespace.to_owned(),
                ..Question::default()
            };
            offer(&Case::new(evidence), None, &user, &question).text
        };
        assert!(told(&evidence, "nosuch").contains("if namespace nosuch exists"), "{}", told(&evidence, "nosuch"));
        assert!(!told(&evidence, "default").contains("exists"));
        assert!(!told(&evidence, "").contains("exists"));
        for exists in [true, false] {
            evidence.asked_namespace = Observation::at_rest(Outcome::Seen(Existence { exists }));
            assert!(!told(&evidence, "nosuch").contains("if namespace"), "{exists}");
        }
    }

    #[test]
    fn whom_the_request_acts_as_is_told_what_is_missing() {
        use crate::evidence::{Failure, FailureKind};
        let text = include_str!("../../../testdata/cases/rbac-no-grant-somebody-else-person/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic, because the saved case has no --as: the same message met by whoever acts as the one that it names.
        evidence.identity = Observation::at_rest(Outcome::Failed(Failure::new(FailureKind::Forbidden, "403 Forbidden")));
        let acting = |evidence: &mut Evidence, groups: &[&str]| {
            let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
            let user = kubeconfig.user.as_mut().expect("a user entry");
            user.impersonate = Some("mallory".to_owned());
            user.impersonate_groups = groups.iter().map(|group| (*group).to_owned()).collect();
        };
        assert!(check(&Case::new(&evidence)).is_empty());
        acting(&mut evidence, &[]);
        let found = check(&Case::new(&evidence));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].title.starts_with("\"mallory\", as whom you act, is not allowed to"), "{}", found[0].title);
        // Bindings of groups that the message does not name were not read.
        acting(&mut evidence, &["team"]);
        assert!(check(&Case::new(&evidence)).is_empty());
    }

    #[test]
    fn where_an_api_is_missing_no_right_is_the_error() {
        let text = include_str!("../../../testdata/cases/authorization-webhook-down/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let told = |evidence: &Evidence| {
            check(&Case::new(evidence)).first().map(|finding| (finding.severity, finding.why.ends_with("is not about that.")))
        };
        assert_eq!(told(&evidence), Some((Severity::Error, false)));
        evidence.asked.error = Some("error: Metrics API not available".to_owned());
        assert_eq!(told(&evidence), Some((Severity::Warning, true)));
    }

    #[test]
    fn what_else_the_message_was_refused_is_named() {
        // Synthetic: the saved message with a second line for another type, as kubectl prints one for each.
        let two = with(&["Node", "RBAC"], |evidence| {
            let error = evidence.asked.error.clone().expect("a message");
            evidence.asked.error = Some(format!("{error}\n{}", error.replace("nodes", "secrets")));
            let Outcome::Seen(access) = &mut evidence.access.outcome else { panic!("no access reviews") };
            let question = evidence.asked.question.as_ref().expect("a question");
            let asked = access.checks.iter().find(|check| check.question == *question);
            let mut other = asked.expect("it was asked").clone();
            other.question.resource = "secrets".to_owned();
            access.checks.push(other);
        });
        let why = |findings: &[Finding]| {
            let finding = findings.iter().find(|finding| finding.code == RULE.code);
            finding.map(|finding| finding.why.clone()).expect("a finding")
        };
        let words = "more that is still refused, and is mended each by itself: list secrets at the cluster scope";
        assert!(why(&two).contains(words), "{}", why(&two));
        assert!(!why(&findings(&["Node", "RBAC"])).contains("still refused"));
    }

    #[test]
    fn a_message_that_nobody_knows_is_said_to_be_unknown_and_is_not_asked_for_again() {
        let text = include_str!("../../../testdata/cases/rbac-no-grant-unread/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let told = |evidence: &Evidence| {
            let finding = check(&Case::new(evidence)).remove(0);
            (finding.why.contains("is not known here"), finding.fix[0].text.contains("--error"))
        };
        assert_eq!(told(&evidence), (false, true));
        // Synthetic: the saved case has no message. A real 1.36 server said this of a webhook that was not there.
        evidence.asked.error = Some(r#"error: failed to create secret Internal error occurred: failed calling webhook "validate.ky.svc": failed to call webhook: Post "https://127.0.0.1:36545/?timeout=3s": dial tcp 127.0.0.1:36545: connect: connection refused"#.to_owned());
        assert_eq!(told(&evidence), (true, false));
    }

    #[test]
    fn a_right_on_an_owner_is_the_one_that_is_missing() {
        let text = include_str!("../../../testdata/cases/rbac-no-grant-unread/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved case has no message. A real 1.36 server said these.
        for (message, words) in [
            (
                r#"Error from server (Forbidden): error when creating "STDIN": configmaps "o1" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: No policy matched., <nil>"#,
                "OWNERS/finalizers",
            ),
            (
                r#"Error from server (Forbidden): configmaps "o1" is forbidden: cannot set an ownerRef on a resource you can't delete: No policy matched., <nil>"#,
                "Have delete on that object granted",
            ),
        ] {
            evidence.asked.error = Some(message.to_owned());
            let report = crate::rules::report(&evidence);
            assert_eq!(report.verdict, crate::report::doctor::Verdict::Problems, "{message}");
            let first = report.findings.first().expect("a finding");
            assert_eq!((first.code, first.confidence), (RULE.code, Confidence::Likely));
            assert!(first.fix[0].text.contains(words), "{}", first.fix[0].text);
            // A binding to the namespace's view would change nothing.
            assert!(first.fix.iter().all(|step| step.manifest.is_none()));
        }
    }

    #[test]
    fn a_binding_that_nobody_asks_is_no_riddle() {
        let codes = |findings: &[Finding]| findings.iter().map(|finding| finding.code).collect::<Vec<_>>();
        // Where RBAC is asked, somebody else has said no.
        let asked = with(&["ABAC", "RBAC"], bind);
        assert_eq!(codes(&asked), ["authorization-webhook-denied"]);
        let without = with(&["Node", "ABAC"], bind);
        assert_eq!(codes(&without), [RULE.code]);
        assert_eq!(without[0].confidence, Confidence::Certain);
        assert!(without[0].why.contains("(--authorization-mode=Node,ABAC)"), "{}", without[0].why);
        // An outright denial is that of whoever denies.
        let denied = with(&["Node", "Webhook"], |evidence| {
            let Outcome::Seen(access) = &mut evidence.access.outcome else { panic!("no access reviews") };
            access.checks[0].denied = true;
        });
        assert_eq!(codes(&denied), ["authorization-webhook-denied"]);
    }

    #[test]
    fn no_grant_is_offered_where_rbac_is_not_asked() {
        let grants = |findings: &[Finding]| {
            let steps = findings.iter().flat_map(|finding| &finding.fix);
            steps.filter(|step| step.manifest.as_deref().is_some_and(|manifest| manifest.contains("roleRef"))).count()
        };
        let asked = findings(&["ABAC", "RBAC"]);
        assert!(asked.iter().any(|finding| finding.code == RULE.code) && grants(&asked) > 0, "{asked:?}");
        let without = findings(&["Node", "ABAC"]);
        let codes: Vec<&str> = without.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [RULE.code]);
        assert_eq!(grants(&without), 0, "{without:?}");
        let finding = &without[0];
        assert_eq!((finding.severity, finding.confidence), (Severity::Error, Confidence::Certain));
        assert!(finding.why.contains("(--authorization-mode=Node,ABAC)"), "{}", finding.why);
        assert!(finding.fix[0].text.contains("/etc/policy.jsonl (--authorization-policy-file)"), "{:?}", finding.fix);
    }
}
