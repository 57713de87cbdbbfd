//! On EKS: access entries and their policies, for the commands that tell who somebody is and who may do what.

use std::pin::Pin;
use std::time::Duration;

use serde_json::{Value, json};

use super::can_i::rule_view;
use crate::apiserver::authz::near::{self, Kind};
use crate::apiserver::authz::rules;
use crate::aws::identity::{self as iam, Mapped, Mode, Source, Verdict, in_scope, policy_rules};
use crate::collect::apiserver::Api;
use crate::collect::aws::mapping;
use crate::collect::aws::target::{self, AwsOptions};
use crate::collect::kubeconfig::Resolved;
use crate::evidence::access::Question;
use crate::evidence::eks::{AccessEntry, AssociatedPolicy, Aws, Caller};
use crate::evidence::identity::User;
use crate::evidence::{Failure, FailureKind, Observation, Outcome};
use crate::host::Host;
use crate::report::access::{GrantView, Named, NearMissView};
use crate::secret::Scrubber;

/// How long an answer that RBAC gives waits for AWS.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cluster of EKS, of which AWS can be asked.
pub struct Eks<'a> {
    host: &'a Host,
    resolved: &'a Resolved,
    options: AwsOptions,
    limit: Option<Duration>,
    scrubber: &'a Scrubber,
}

impl<'a> Eks<'a> {
    /// `None` where neither the kubeconfig nor a flag speaks of EKS: then nothing is asked of AWS. `limit` is that of the
    /// whole run, of which AWS gets a half at most.
    pub fn of(
        host: &'a Host,
        resolved: &'a Resolved,
        options: AwsOptions,
        limit: Option<Duration>,
        scrubber: &'a Scrubber,
    ) -> Option<Self> {
        if !target::is_eks(Some(resolved), &options) {
            return None;
        }
        Some(Self { host, resolved, options, limit, scrubber })
    }

    /// How long AWS is waited for: what is known without it is to be told within the limit. In tenths of a second.
    fn patience(&self) -> Duration {
        let Some(limit) = self.limit else { return PATIENCE };
        let left = limit.saturating_sub(Duration::from_millis(self.host.elapsed_ms()));
        let patience = PATIENCE.min(limit / 2).min(left * 2 / 3);
        patience - Duration::from_nanos(u64::from(patience.subsec_nanos() % 100_000_000))
    }

    /// The access entry of who is signed in, and what else maps them; `None` where no IAM identity is behind the user, or
    /// where somebody else is acted as, who has no access entry.
    pub async fn own(&self, user: &User, api: &Api) -> Option<Aws> {
        let caller = caller_of(user).filter(|_| self.resolved.impersonation.user.is_none())?;
        let look = mapping::look(self.host, self.resolved, &self.options, caller.clone(), api, self.scrubber);
        let patience = self.patience();
        Some(match in_time(patience, Box::pin(look)).await {
            Some(aws) => aws,
            None => Aws { caller: Observation::at_rest(Outcome::Seen(caller)), ..late(patience) },
        })
    }

    /// All access entries with their policies.
    pub async fn all(&self) -> Aws {
        let look = mapping::all(self.host, self.resolved, &self.options, self.scrubber);
        let patience = self.patience();
        match in_time(patience, Box::pin(look)).await {
            Some(aws) => aws,
            None => late(patience),
        }
    }
}

/// The look is boxed: those of the AWS SDKs are too large for the stack that waits for them.
async fn in_time(patience: Duration, look: Pin<Box<impl Future<Output = Aws>>>) -> Option<Aws> {
    tokio::time::timeout(patience, look).await.ok()
}

/// What is known where AWS took too long.
fn late(patience: Duration) -> Aws {
    let text = format!("AWS gave no answer within {} s", patience.as_secs_f64());
    let failure = Failure::new(FailureKind::Timeout, text);
    let access_entries = Observation::of(Err(failure.clone()));
    Aws { cluster: Observation::of(Err(failure)), access_entries, ..Aws::default() }
}

/// The IAM identity behind a user, as the API server names it in the extra fields: of a role with its session, where that
/// is told apart from it.
pub fn caller_of(user: &User) -> Option<Caller> {
    let extra = |key: &str| user.extra.get(key).and_then(|values| values.first()).cloned().unwrap_or_default();
    let told = |key: &str| Some(extra(key)).filter(|arn| iam::Arn::parse(arn).is_some());
    let arn = told("arn").or_else(|| told("canonicalArn"))?;
    let arn = match (iam::Arn::parse(&arn), extra("sessionName")) {
        (Some(role), session) if role.service == "iam" && role.kind() == "role" && !session.is_empty() => {
            format!("arn:{}:sts::{}:assumed-role/{}/{session}", role.partition, role.account, role.name())
        }
        _ => arn,
    };
    let account = iam::Arn::parse(&arn).map(|parsed| parsed.account.to_owned()).unwrap_or_default();
    let user_id = match iam::session(&arn) {
        Some(session) => format!("{}:{session}", extra("principalId")),
        None => extra("principalId"),
    };
    Some(Caller { arn, account, user_id })
}

/// The server shows the name and the groups that this mapping gives, as far as they are known.
pub fn shown(found: &Mapped, user: &User) -> bool {
    found.username.as_ref().is_none_or(|name| *name == user.username)
        && found.groups.iter().all(|group| user.groups.contains(group))
}

/// Why something of AWS was not seen, with the permission or the flag that it takes.
fn unseen<T>(read: &Observation<T>) -> Option<String> {
    let (text, needs) = match &read.outcome {
        Outcome::Seen(_) => return None,
        Outcome::Failed(failure) => (&failure.detail, failure.needs.as_ref()),
        Outcome::Skipped(skip) => (&skip.text, skip.needs.as_ref()),
        Outcome::NotApplicable(why) => (why, None),
    };
    let needs = needs.map(|needs| format!("; it takes {needs}")).unwrap_or_default();
    Some(format!("{text}{needs}"))
}

/// The access entry that maps who is signed in, where one does; else why that is not known.
fn own_entry<'a>(aws: &'a Aws, user: &User) -> Result<Option<&'a AccessEntry>, String> {
    match iam::map(aws) {
        Verdict::Mapped(found) if !shown(&found, user) => {
            Err("AWS shows another mapping today than the one that the API server took".to_owned())
        }
        Verdict::Mapped(Mapped { source: Source::AccessEntry(index), .. }) => {
            Ok(aws.access_entries.seen().and_then(|entries| entries.entries.get(index)))
        }
        Verdict::Mapped(_) | Verdict::NotMapped => Ok(None),
        Verdict::Unknown(why) => {
            // What is missing of aws-auth gives no policy.
            let only_aws_auth = match Mode::of(aws) {
                Some((mode, true)) if !mode.reads_entries() => true,
                Some(_) => aws.access_entries.seen().is_some(),
                None => false,
            };
            if only_aws_auth {
                return Ok(None);
            }
            Err(unseen(&aws.cluster).or_else(|| unseen(&aws.access_entries)).unwrap_or(why))
        }
    }
}

/// What an associated access policy says to a question.
#[derive(Debug, PartialEq)]
enum Says {
    /// It gives it, by this rule.
    Gives(Value),
    /// It would give it, and is for other namespaces.
    OutOfScope,
    /// Its rules do not give it.
    No,
    /// Its rules are not known here.
    Unknown,
}

/// `anywhere`: a place of its own is enough, wherever that is.
fn says(policy: &AssociatedPolicy, question: &Question, anywhere: bool) -> Says {
    let inside = anywhere || in_scope(policy, &question.namespace);
    let Some(role) = policy_rules(policy.name()) else { return Says::Unknown };
    match rules::allowing(&role, question) {
        Some(rule) if inside => Says::Gives(rule_view(&rule)),
        Some(_) => Says::OutOfScope,
        None => Says::No,
    }
}

/// A grant by an access policy; the access entry stands for the binding, and the policy for the role.
fn grant(entry: &AccessEntry, policy: &AssociatedPolicy, rule: Value, subject: Value) -> GrantView {
    GrantView {
        binding: Some(binding(entry)),
        role: Some(role(policy)),
        rule,
        subject,
        access_policy: Some(policy.clone()),
    }
}

fn binding(entry: &AccessEntry) -> Named {
    Named { kind: "AccessEntry".to_owned(), namespace: String::new(), name: entry.principal_arn.clone() }
}

fn role(policy: &AssociatedPolicy) -> Named {
    Named { kind: "AccessPolicy".to_owned(), namespace: String::new(), name: policy.name().to_owned() }
}

/// What access policies add to an answer about who is signed in.
#[derive(Debug, Default)]
pub struct Part {
    /// The ways of a yes.
    pub grants: Vec<GrantView>,
    /// What is near of a no.
    pub near_misses: Vec<NearMissView>,
    /// What is not known, or not as the server says.
    pub notes: Vec<String>,
}

/// The access policies' part of an answer.
pub fn part(aws: &Aws, user: &User, question: &Question, allowed: Option<bool>) -> Part {
    let mut part = Part::default();
    let entry = match own_entry(aws, user) {
        Ok(Some(entry)) => entry,
        Ok(None) => return part,
        Err(why) => {
            part.notes.push(format!("the access policies of EKS are not known: {why}"));
            return part;
        }
    };
    let Some(policies) = entry.policies.seen() else {
        let why = unseen(&entry.policies).unwrap_or_default();
        part.notes.push(format!("the access policies of EKS are not known: {why}"));
        return part;
    };
    for policy in policies {
        let held = format!("{} for {}", policy.name(), policy.place());
        let inside = in_scope(policy, &question.namespace);
        match (allowed, says(policy, question, false)) {
            (Some(true), Says::Gives(rule)) => {
                let subject = json!({ "kind": "User", "name": user.username });
                part.grants.push(grant(entry, policy, rule, subject));
            }
            (Some(true), Says::Unknown) if inside => {
                part.notes.push(format!("your access entry has {held}; what that policy gives is not known here"));
            }
            (Some(false), Says::Gives(_)) => part.notes.push(format!(
                "your access entry has {held}, which gives this, and the server still says no: a change takes a while to count"
            )),
            (Some(false), Says::OutOfScope) => part.near_misses.push(elsewhere(entry, policy, question, true)),
            (Some(false), Says::Unknown) if !inside => {
                part.near_misses.push(elsewhere(entry, policy, question, false));
            }
            (Some(false), Says::No) if inside => {
                let rules = policy_rules(policy.name()).map(|role| role.resource_rules).unwrap_or_default();
                let whose = format!("your access entry has {held}");
                let misses = near::within_rules(&rules, question, &whose);
                part.near_misses.extend(misses.into_iter().map(|miss| near_miss(entry, policy, miss.kind, miss.text)));
            }
            _ => {}
        }
    }
    part
}

fn near_miss(entry: &AccessEntry, policy: &AssociatedPolicy, kind: Kind, text: String) -> NearMissView {
    NearMissView { kind: kind.code(), text, binding: Some(binding(entry)), role: Some(role(policy)) }
}

/// A policy that is for other namespaces than the one that is asked about; `gives`: there it gives what is asked.
fn elsewhere(entry: &AccessEntry, policy: &AssociatedPolicy, question: &Question, gives: bool) -> NearMissView {
    let (kind, here) = match question.namespace.as_str() {
        "" => (Kind::NeedsClusterScope, "at the cluster scope".to_owned()),
        namespace => (Kind::WrongNamespace, format!("in {namespace}")),
    };
    let (name, place) = (policy.name(), policy.place());
    let text = match gives {
        true => format!("{name} of your access entry allows it in {place}, not {here}"),
        false => format!("{name} of your access entry is for {place}, not {here}; what it gives is not known here"),
    };
    near_miss(entry, policy, kind, text)
}

/// A principal that can by its access entry's policies.
#[derive(Debug)]
pub struct Principal<'a> {
    /// Its ARN.
    pub arn: &'a str,
    /// By which policies.
    pub via: Vec<GrantView>,
}

impl Principal<'_> {
    /// The policies, each with what it gives.
    pub fn policies(&self) -> impl Iterator<Item = (&AssociatedPolicy, &GrantView)> {
        self.via.iter().filter_map(|grant| Some((grant.access_policy.as_ref()?, grant)))
    }
}

/// The principals that can by access policies (`anywhere`: in any namespace), and what is not known of them.
pub fn principals<'a>(aws: &'a Aws, question: &Question, anywhere: bool) -> (Vec<Principal<'a>>, Vec<String>) {
    let entries = match (Mode::of(aws), aws.access_entries.seen()) {
        // The cluster does not look into them.
        (Some((mode, true)), _) if !mode.reads_entries() => return (Vec::new(), Vec::new()),
        (_, Some(entries)) => entries,
        (_, None) => {
            let why = unseen(&aws.access_entries).unwrap_or_default();
            return (Vec::new(), vec![format!("not read: the access policies of EKS ({why})")]);
        }
    };
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let mut unread: Vec<String> = Vec::new();
    let mut unknown: Vec<(&str, usize)> = Vec::new();
    for entry in &entries.entries {
        unread.extend(unseen(&entry.policies));
        let mut via = Vec::new();
        for policy in entry.policies.seen().into_iter().flatten() {
            match says(policy, question, anywhere) {
                Says::Gives(rule) => via.push(grant(entry, policy, rule, Value::Null)),
                Says::Unknown if anywhere || in_scope(policy, &question.namespace) => {
                    match unknown.iter_mut().find(|(name, _)| *name == policy.name()) {
                        Some((_, count)) => *count += 1,
                        None => unknown.push((policy.name(), 1)),
                    }
                }
                _ => {}
            }
        }
        if !via.is_empty() {
            found.push(Principal { arn: &entry.principal_arn, via });
        }
    }
    if let Some(first) = unread.first() {
        let of = counted(unread.len());
        missing.push(format!("not read: the access policies of {of} ({first})"));
    }
    if entries.total > entries.entries.len() {
        let (read, total) = (entries.entries.len(), entries.total);
        missing.push(format!("not read: the access policies of more than the first {read} of {total} access entries"));
    }
    missing.extend(unknown.into_iter().map(|(name, count)| {
        format!(
            "not listed: whoever can by {name}, which is on {}; what that policy gives is not known here",
            counted(count)
        )
    }));
    (found, missing)
}

fn counted(entries: usize) -> String {
    if entries == 1 { "one access entry".to_owned() } else { format!("{entries} access entries") }
}

/// An access entry's principal is this IAM identity.
pub fn is_principal(arn: &str, user: &User) -> bool {
    let own = caller_of(user).and_then(|caller| iam::canonical(&caller.arn));
    own.is_some_and(|own| own.eq_ignore_ascii_case(&iam::without_path(arn)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sts::111122223333:assumed-role/Ops/jane";

    fn user() -> User {
        User {
            username: ARN.to_owned(),
            extra: [("arn".to_owned(), vec![ARN.to_owned()])].into_iter().collect(),
            ..User::default()
        }
    }

    /// A cluster of this mode whose one access entry has these policies, each for these namespaces.
    fn aws(mode: &str, policies: &[(&str, &[&str])]) -> Aws {
        let seen = |value: Value| json!({ "startedMs": 0, "tookMs": 1, "seen": value });
        let policies: Vec<Value> = policies
            .iter()
            .map(|(name, namespaces)| {
                let scope = if namespaces.is_empty() { "cluster" } else { "namespace" };
                let arn = format!("arn:aws:eks::aws:cluster-access-policy/{name}");
                json!({ "policyArn": arn, "scope": scope, "namespaces": namespaces })
            })
            .collect();
        let entry =
            json!({ "principalArn": "arn:aws:iam::111122223333:role/team/Ops", "policies": seen(json!(policies)) });
        serde_json::from_value(json!({
            "caller": seen(json!({ "arn": ARN, "account": "111122223333", "userId": "AROAX:jane" })),
            "cluster": seen(json!({ "name": "prod", "authenticationMode": mode })),
            "accessEntries": seen(json!({ "total": 1, "entries": [entry] })),
        }))
        .expect("evidence")
    }

    fn ask(verb: &str, resource: &str, namespace: &str) -> Question {
        let [verb, resource, namespace] = [verb, resource, namespace].map(str::to_owned);
        Question { verb, resource, namespace, ..Question::default() }
    }

    #[test]
    fn a_policy_grants_within_its_scope_and_is_near_outside_of_it() {
        let aws = aws("API", &[("AmazonEKSViewPolicy", &["shop-*"])]);
        let yes = part(&aws, &user(), &ask("list", "pods", "shop-a"), Some(true));
        assert_eq!(yes.grants.len(), 1);
        let policy = yes.grants[0].access_policy.as_ref().expect("the policy");
        assert_eq!((policy.name(), policy.place().as_str()), ("AmazonEKSViewPolicy", "namespaces shop-*"));
        assert!(yes.notes.is_empty() && yes.near_misses.is_empty(), "{yes:?}");
        // What it does not list is another's gift.
        let secrets = part(&aws, &user(), &ask("get", "secrets", "shop-a"), Some(true));
        assert!(secrets.grants.is_empty() && secrets.notes.is_empty(), "{secrets:?}");

        let no = |verb: &str, resource: &str, namespace: &str| {
            let part = part(&aws, &user(), &ask(verb, resource, namespace), Some(false));
            assert!(part.grants.is_empty() && part.notes.is_empty(), "{part:?}");
            part.near_misses.into_iter().map(|miss| (miss.kind, miss.text)).collect::<Vec<_>>()
        };
        let text = "AmazonEKSViewPolicy of your access entry allows it in namespaces shop-*, not in dev".to_owned();
        assert_eq!(no("list", "pods", "dev"), [("wrong-namespace", text)]);
        assert_eq!(no("list", "pods", "")[0].0, "needs-cluster-scope");
        assert!(no("list", "secrets", "dev").is_empty());
        let other = no("delete", "pods", "shop-a");
        assert_eq!(other[0].0, "other-verb");
        assert!(
            other[0].1.starts_with("your access entry has AmazonEKSViewPolicy for namespaces shop-*: "),
            "{other:?}"
        );
    }

    #[test]
    fn what_is_not_known_of_a_policy_is_said_and_not_guessed() {
        let aws = aws("API", &[("AmazonEKSAutoNodePolicy", &["shop-*"])]);
        let yes = part(&aws, &user(), &ask("list", "pods", "shop-a"), Some(true));
        assert!(yes.grants.is_empty(), "{yes:?}");
        assert!(yes.notes[0].ends_with("what that policy gives is not known here"), "{yes:?}");
        let no = part(&aws, &user(), &ask("list", "pods", "dev"), Some(false));
        assert!(no.near_misses[0].text.ends_with("what it gives is not known here"), "{no:?}");
        let (found, missing) = principals(&aws, &ask("list", "pods", "shop-a"), false);
        assert!(found.is_empty() && missing[0].starts_with("not listed: whoever can by AmazonEKSAutoNodePolicy"));
        // Where it does not count, nothing is missing.
        let (found, missing) = principals(&aws, &ask("list", "pods", "dev"), false);
        assert!(found.is_empty() && missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_cluster_that_reads_no_access_entries_has_no_policies() {
        let aws = aws("CONFIG_MAP", &[("AmazonEKSClusterAdminPolicy", &[])]);
        let part = part(&aws, &user(), &ask("list", "pods", "dev"), Some(true));
        assert!(part.grants.is_empty() && part.notes.is_empty(), "{part:?}");
        let (found, missing) = principals(&aws, &ask("list", "pods", "dev"), false);
        assert!(found.is_empty() && missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn principals_are_those_whose_policies_reach_the_question() {
        let aws = aws("API_AND_CONFIG_MAP", &[("AmazonEKSViewPolicy", &["shop-*"]), ("AmazonEKSEditPolicy", &["dev"])]);
        let via = |question: &Question, anywhere: bool| {
            let (found, missing) = principals(&aws, question, anywhere);
            assert!(missing.is_empty(), "{missing:?}");
            let names = |principal: &Principal<'_>| {
                let roles = principal.via.iter().filter_map(|grant| grant.role.as_ref());
                roles.map(|role| role.name.clone()).collect::<Vec<_>>()
            };
            found.iter().flat_map(names).collect::<Vec<_>>()
        };
        assert_eq!(via(&ask("list", "pods", "shop-a"), false), ["AmazonEKSViewPolicy"]);
        assert_eq!(via(&ask("delete", "pods", "dev"), false), ["AmazonEKSEditPolicy"]);
        assert!(via(&ask("delete", "pods", "shop-a"), false).is_empty());
        // At the cluster scope neither, and in any one namespace both.
        assert!(via(&ask("list", "pods", ""), false).is_empty());
        assert_eq!(via(&ask("list", "pods", ""), true).len(), 2);
        assert!(is_principal("arn:aws:iam::111122223333:role/team/Ops", &user()));
        assert!(!is_principal("arn:aws:iam::111122223333:role/team/Dev", &user()));
    }

    #[test]
    fn what_of_aws_could_not_be_read_is_named_with_the_permission() {
        let failed = json!({ "startedMs": 0, "tookMs": 1, "failed": { "kind": "forbidden", "detail": "eks:ListAccessEntries: denied", "needs": "eks:ListAccessEntries" } });
        let mut value = serde_json::to_value(aws("API", &[])).expect("JSON");
        value["accessEntries"] = failed;
        let aws: Aws = serde_json::from_value(value).expect("evidence");
        let told = "eks:ListAccessEntries: denied; it takes eks:ListAccessEntries";
        let part = part(&aws, &user(), &ask("list", "pods", "dev"), Some(true));
        assert_eq!(part.notes, [format!("the access policies of EKS are not known: {told}")]);
        let (_, missing) = principals(&aws, &ask("list", "pods", "dev"), false);
        assert_eq!(missing, [format!("not read: the access policies of EKS ({told})")]);
    }
}
