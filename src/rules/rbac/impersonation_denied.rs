//! Acting as somebody else is not allowed.

use crate::apiserver::authz;
use crate::apiserver::message::{self, Forbidden, heard, set, tools};
use crate::evidence::access::Question;
use crate::evidence::kubeconfig::UserEntry;
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::refusal::grant;
use crate::rules::{Case, Page, Rule, clip, slug};
use crate::text::short_hash;

/// The rule.
pub static RULE: Rule = Rule {
    code: "impersonation-denied",
    severity: Severity::Error,
    title: "Acting as somebody else is not allowed",
    page: Page {
        means: "The request asks to be judged as another user (--as, --as-group, or as: in the kubeconfig), and the user who really sent it may not impersonate that one. Nothing is known yet about what the other user may do. Servers from 1.36 name a verb such as impersonate-on:user-info:list first: it is missing for that very request, and the older verb impersonate, granted for every part of whom the request acts as (user, uid, each group, each extra value), also satisfies it.",
        evidence: "The refusal, whose verb begins with impersonate; it names the real user. Where kubectl says \"unknown\" it met the refusal at /api or /apis, before the request itself.",
        fix: "Leave --as and as: out, or have impersonate granted on exactly the users, uids, groups and extra values that the request names. `kubectl create clusterrole impersonator --verb=impersonate --resource=users --resource-name=USER` is such a role.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation",
    },
    recognises: &[&heard::FORBIDDEN, &heard::DISCOVERY_FORBIDDEN, &heard::IMPERSONATION_RULE, &heard::FORBIDDEN_OLD, &heard::IMPERSONATION_PROXY, &tools::IMPERSONATION],
    explains: &["rbac-no-grant", "rbac-verb-missing", "rbac-resource-names", "rbac-subresource-not-granted", "rbac-wrong-scope", "rbac-wrong-api-group", "rbac-default-bindings-removed"],
    check,
};

const AUTHENTICATION: &str = "authentication.k8s.io";
/// What the user names of nodes begin with.
const NODE: &str = "system:node:";

/// A refusal to act as somebody else.
struct Refusal {
    found: Forbidden,
    cite: Citation,
    confidence: Confidence,
    /// It is about a request of kaccess' own, and about no other.
    of_probe: bool,
}

/// The refusal, and whether it is about this very credential.
fn refusal(case: &Case<'_>) -> Option<Refusal> {
    let evidence = case.evidence;
    let of = |text: &str| message::forbidden(text).filter(|found| found.question.verb.starts_with("impersonate"));
    let met = evidence.asked.error.as_deref().and_then(|error| Some((of(error)?, error)));
    let met_cite = |error: &str| seen("/asked/error", clip(error, 240));
    if let Some(failure) = evidence.identity.failed()
        && let Some(found) = of(&failure.detail)
    {
        // The request that was meant says more; it may have been allowed since.
        if let Some((asked, error)) = met.filter(|(asked, _)| {
            request_verb(&found).is_some() && asked.user == found.user && asked.question != found.question
        }) {
            return Some(Refusal {
                found: asked,
                cite: met_cite(error),
                confidence: Confidence::Likely,
                of_probe: false,
            });
        }
        let cite = seen("/identity/failed/detail", clip(&failure.detail, 240));
        let of_probe = request_verb(&found).is_some();
        return Some(Refusal { found, cite, confidence: Confidence::Certain, of_probe });
    }
    let (found, error) = met?;
    let user = evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let acting = user.is_some_and(|user| user.impersonate.is_some() || !user.impersonate_groups.is_empty());
    let access = evidence.access.seen();
    let check = access.and_then(|access| access.checks.iter().find(|check| check.question == found.question));
    // Since allowed: by the kubeconfig's own `as`, or by the server's answer.
    let since = match evidence.identity.seen() {
        Some(_) if acting => true,
        _ => check.is_some_and(|check| check.allowed),
    };
    if since {
        return None;
    }
    let own = evidence.identity.seen().is_some_and(|identity| identity.user.username == found.user);
    // The older verb may have been granted since, and would do.
    let decided = own && check.is_some() && found.question.verb == "impersonate";
    let confidence = if decided { Confidence::Certain } else { Confidence::Likely };
    Some(Refusal { found, cite: met_cite(error), confidence, of_probe: false })
}

/// The mode and the verb of a request, where a server from 1.36 refuses that very request to whoever acts as somebody else.
fn request_verb(found: &Forbidden) -> Option<(&str, &str)> {
    found.question.verb.strip_prefix("impersonate-on:")?.split_once(':')
}

/// One part of whom the request acts as.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// API group by the older verb.
    group: &'static str,
    /// Resource, perhaps with a subresource.
    kind: String,
    /// Name.
    name: String,
    /// That of a service account, whose right is asked for there; empty for all others.
    namespace: String,
}

impl Part {
    fn of(group: &'static str, kind: &str, name: &str) -> Self {
        Self { group, kind: kind.to_owned(), name: name.to_owned(), namespace: String::new() }
    }

    fn account(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..Self::of("", "serviceaccounts", name) }
    }
}

/// Whom the request acts as, part by part: the server wants a right for each of them.
fn parts(user: Option<&UserEntry>, refused: Option<Part>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let name = user.and_then(|user| user.impersonate.as_deref());
    parts.extend(name.map(|name| match authz::service_account(name) {
        Some((namespace, account)) => Part::account(namespace, account),
        None => Part::of("", "users", name),
    }));
    let Some(user) = user else { return refused.into_iter().collect() };
    parts.extend(user.impersonate_uid.as_ref().map(|uid| Part::of(AUTHENTICATION, "uids", uid)));
    parts.extend(user.impersonate_groups.iter().map(|group| Part::of("", "groups", group)));
    for (key, values) in &user.impersonate_extra {
        let kind = format!("userextras/{}", key.to_lowercase());
        parts.extend(values.iter().map(|value| Part::of(AUTHENTICATION, &kind, value)));
    }
    parts.extend(refused);
    let mut seen = Vec::new();
    parts.retain(|part| {
        !seen.contains(part) && {
            seen.push(part.clone());
            true
        }
    });
    parts
}

/// The part that the refusal names, where it names one.
fn named(question: &Question) -> Option<Part> {
    if question.name.is_empty() || question.verb.starts_with("impersonate-on:") {
        return None;
    }
    let name = question.name.as_str();
    match question.resource.as_str() {
        resource @ ("users" | "groups") => Some(Part::of("", resource, name)),
        "serviceaccounts" => Some(Part::account(&question.namespace, name)),
        // All nodes at once are no part of one's own.
        "nodes" if name != "*" => Some(Part::of("", "users", &format!("{NODE}{name}"))),
        "uids" => Some(Part::of(AUTHENTICATION, "uids", name)),
        "userextras" => Some(Part::of(AUTHENTICATION, &format!("userextras/{}", question.subresource), name)),
        _ => None,
    }
}

fn told(parts: &[Part]) -> String {
    if parts.is_empty() {
        return "the user of --as".to_owned();
    }
    parts.iter().map(|part| format!("{} {:?}", part.kind, part.name)).collect::<Vec<_>>().join(", ")
}

/// What stands for whom the request acts as, where nothing tells it: a message about the request itself names only the mode.
fn unknown(mode: Option<&str>) -> Part {
    match mode {
        Some("serviceaccount") => Part::account("NAMESPACE-OF-AS", "NAME-OF-AS"),
        _ => Part::of("", "users", "USER-OF-AS"),
    }
}

/// A part as the newer verb of a mode asks for it: a node is no user there, and one's own node is asked as all of them.
fn in_mode(part: &Part, mode: &str) -> Part {
    match part.name.strip_prefix(NODE).filter(|_| part.kind == "users" && mode.ends_with("-node")) {
        Some(_) if mode == "associated-node" => Part::of(AUTHENTICATION, "nodes", "*"),
        Some(node) => Part::of(AUTHENTICATION, "nodes", node),
        None => Part { group: AUTHENTICATION, ..part.clone() },
    }
}

/// The newer rights may give this part: keys of extra values need a domain there.
///
/// Source: `validateExtra` in k8s.io/apiserver's `pkg/endpoints/filters/impersonation/mode.go`.
fn is_for_newer_rights(part: &Part) -> bool {
    part.kind.strip_prefix("userextras/").is_none_or(|key| key.contains('/'))
}

/// Rules (YAML) with the namespace that each is for, none for the whole cluster.
type Rules = Vec<(String, String)>;

/// Rules that allow a verb on each part, in the API groups of the older verb or in that of the newer ones.
fn rules(parts: &[Part], verb: &str) -> Rules {
    let rule = |part: &Part| {
        let part = verb.strip_prefix("impersonate:").map_or_else(|| part.clone(), |mode| in_mode(part, mode));
        let Part { group, kind, name, namespace } = part;
        let rule = format!("- apiGroups: [{group:?}]\n  resources: [{kind:?}]\n  resourceNames: [{name:?}]\n  verbs: [{verb:?}]\n");
        (namespace, rule)
    };
    parts.iter().map(rule).collect()
}

/// A role for each namespace that these rules are for, bound to the user: a service account of the same name in another
/// namespace is another one.
fn grants(name: &str, rules: Rules, who: &str) -> String {
    let mut places: Vec<(String, String)> = Vec::new();
    for (namespace, rule) in rules {
        match places.iter_mut().find(|(place, _)| *place == namespace) {
            Some((_, held)) => held.push_str(&rule),
            None => places.push((namespace, rule)),
        }
    }
    let grants = places.iter().map(|(namespace, rules)| grant(name, namespace, rules, who));
    grants.collect::<Vec<_>>().join("---\n")
}

/// A slug that no other text has: with a hash of the whole text where the slug does not hold all of it.
fn own_slug(text: &str) -> String {
    let short = slug(text);
    if text.replace(' ', "-") == short {
        return short;
    }
    format!("{short}-{}", short_hash(text))
}

/// The name of a role that lets somebody act as these: each has one of its own, so that no manifest takes away what an
/// earlier one gave.
fn role_name(who: &str, parts: &[Part], more: &[&str]) -> String {
    let mut name = format!("{}-impersonates", slug(who));
    if !parts.is_empty() {
        let parts: Vec<String> = parts.iter().map(|part| format!("{} {}", part.kind, part.name)).collect();
        name.push_str(&format!("-{}", own_slug(&parts.join(" "))));
    }
    if !more.is_empty() {
        name.push_str(&format!("-{}", own_slug(more.join(" ").trim())));
    }
    name
}

/// The rule that allows the request itself to whoever acts as somebody else.
fn request_rule(question: &Question) -> Rules {
    let verb = &question.verb;
    let rule = match &question.path {
        Some(path) => format!("- nonResourceURLs: [{path:?}]\n  verbs: [{verb:?}]\n"),
        None => {
            let resource = question.whole();
            let name = match question.name.as_str() {
                "" => String::new(),
                name => format!("  resourceNames: [{name:?}]\n"),
            };
            format!("- apiGroups: [{:?}]\n  resources: [{resource:?}]\n{name}  verbs: [{verb:?}]\n", question.group)
        }
    };
    vec![(question.namespace.clone(), rule)]
}

/// The paths that tell what the API server serves: kubectl asks for them before the request itself.
const DISCOVERY: &str = r#"["/api", "/api/*", "/apis", "/apis/*", "/version", "/openapi/*"]"#;

/// The rule that allows those to whoever acts as somebody else.
fn discovery_rule(mode: &str) -> (String, String) {
    (String::new(), format!("- nonResourceURLs: {DISCOVERY}\n  verbs: [\"impersonate-on:{mode}:get\"]\n"))
}

/// What the API server serves it does not tell to this credential while it acts as somebody else: a server from 1.36 asks
/// about each path by itself, and kubectl comes no further, whatever is allowed on resources.
fn discovery_refused(case: &Case<'_>) -> Option<Finding> {
    let answer = case.evidence.endpoint.authenticated.seen().filter(|answer| answer.status == 403)?;
    let found = message::forbidden(&answer.body)?;
    let (mode, _) = request_verb(&found)?;
    let path = found.question.path.as_deref()?;
    let parts = parts(case.evidence.kubeconfig.seen()?.user.as_ref(), None);
    if parts.is_empty() || !parts.iter().all(is_for_newer_rights) {
        return None;
    }
    let (who, whom) = (&found.user, told(&parts));
    let mut rules = rules(&parts, &format!("impersonate:{mode}"));
    rules.push(discovery_rule(mode));
    let met = case.evidence.asked.error.as_deref().filter(|error| {
        let unknown = |line: &str| {
            set::set().recognise(line).iter().any(|found| *found.text == heard::DISCOVERY_FORBIDDEN)
        };
        error.lines().any(unknown)
    });
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The credential is {who:?}'s, and the request asks to act as somebody else: {whom}. What the API server serves {who:?} may not ask that way: {} is missing on {path:?}, and the older right impersonate for at least one of these. kubectl asks for /api and /apis first and stops there, whatever is allowed on resources; where it has the answers in its cache still, it comes further.", found.question.verb),
            seen("/endpoint/authenticated/seen/body", clip(&answer.body, 240)),
            Step::manifest(
                "Have the paths allowed that say what the API server serves, beside the right to act as these",
                grants(&role_name(who, &parts, &[mode, "discovery"]), rules, who),
            ),
        )
        .titled(format!("{who:?} may not ask what the API server serves while acting as {whom}"))
        .step(Step::text("Or, where this is not meant, leave out --as and --as-group, and take as: out of the user entry of the kubeconfig."));
    match met {
        Some(error) => finding = finding.cite(seen("/asked/error", clip(error, 240))),
        None => finding.severity = Severity::Warning,
    }
    Some(finding)
}

/// kaccess' own request named nobody to act as, and was refused for acting as somebody: a proxy adds the headers.
fn added_on_the_way(case: &Case<'_>) -> Option<Finding> {
    let failure = case.evidence.identity.failed()?;
    let found = message::forbidden(&failure.detail).filter(|found| found.question.verb.starts_with("impersonate"))?;
    let user = case.evidence.kubeconfig.seen()?.user.as_ref();
    let asks = |user: &UserEntry| {
        let more = user.impersonate_uid.is_some() || !user.impersonate_extra.is_empty();
        more || user.impersonate.is_some() || !user.impersonate_groups.is_empty()
    };
    if user.is_some_and(asks) {
        return None;
    }
    let who = &found.user;
    let whom = named(&found.question).map_or_else(|| "somebody else".to_owned(), |part| told(&[part]));
    let finding = RULE
        .finding(
            Confidence::Certain,
            format!("Neither the kubeconfig nor a flag names anybody to act as, and the API server was asked to judge the request as {whom}, which {who:?} may not. So something between you and the API server adds the header Impersonate-User, and the request reaches the API server as {who:?}: by your own credential, or by that proxy's."),
            seen("/identity/failed/detail", clip(&failure.detail, 240)),
            Step::text("At what stands before the API server (kube-oidc-proxy, Rancher, a gateway, an nginx with proxy_set_header Impersonate-User): have it leave out the Impersonate headers. Where it is to speak for people, have it send a credential of its own instead of theirs, one that may impersonate."),
        )
        .titled("Something before the API server asks it to take you for somebody else")
        .step(Step::command("Past that proxy this names you", "kubectl auth whoami --server=https://API_SERVER:6443"));
    let cite = |_| seen("/kubeconfig/seen/user", "the user entry names nobody to act as");
    Some(finding.cite_if(user.map(cite)))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = added_on_the_way(case) {
        return vec![finding];
    }
    let discovery = discovery_refused(case);
    let Some(Refusal { found, cite, confidence, of_probe }) = refusal(case) else {
        return discovery.into_iter().collect();
    };
    // It is what was met; that kaccess may not look either is the smaller matter.
    if of_probe && let Some(finding) = discovery.filter(|finding| finding.severity == Severity::Error) {
        return vec![finding];
    }
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let question = &found.question;
    let refused = named(question);
    let parts = parts(user, refused.clone());
    let (who, whom) = (&found.user, told(&parts));
    let leave = Step::text(
        "If you do not mean to act as somebody else, leave out --as and --as-group, and take as: out of the user entry of the kubeconfig.",
    );
    if of_probe && let Some((mode, verb)) = request_verb(&found) {
        let reviews = format!(
            "- apiGroups: [{AUTHENTICATION:?}]\n  resources: [selfsubjectreviews]\n  verbs: [{0:?}]\n- apiGroups: [authorization.k8s.io]\n  resources: [selfsubjectaccessreviews, selfsubjectrulesreviews]\n  verbs: [{0:?}]\n",
            question.verb
        );
        let mut finding = RULE
            .finding(
                confidence,
                format!("The credential is {who:?}'s, and the request asks to act as somebody else: {whom}. To {verb} {} that way, which is how kaccess asks who that is, {who:?} has neither {} nor the older right impersonate for each of these. Other requests may be allowed: servers from 1.36 ask about each verb and resource by itself. So it is not known what you may do.", question.resource, question.verb),
                cite,
                Step::command("Try the request that you mean; if it is refused, give its message to kaccess", "kaccess doctor --error 'MESSAGE'"),
            )
            .titled(format!("{who:?} may not ask who it is while acting as {whom}; other requests may be allowed"))
            .step(Step::manifest(
                format!("To let kaccess look, have this allowed beside impersonate:{mode} on each of these"),
                grant(&role_name(who, &[], &[mode, "reviews"]), "", &reviews, who),
            ))
            .step(leave);
        finding.severity = Severity::Warning;
        // What the other one lacks is a cause of its own: this here is only that kaccess may not look.
        finding.explains = &[];
        return vec![finding];
    }
    let mut finding = match (&refused, request_verb(&found)) {
        (Some(part), _) => {
            let part = told(std::slice::from_ref(part));
            let rest = if parts.len() > 1 { format!(" (of {whom})") } else { String::new() };
            RULE.finding(
                confidence,
                format!("The credential is {who:?}'s, and the request asks to act as somebody else. {who:?} may not {} {part}{rest}, so the API server stops there; what that other one may do does not matter yet.", question.verb),
                cite,
                leave,
            )
            .titled(format!("{who:?} may not act as {part}"))
        }
        (None, Some((_, verb))) => {
            let plain = Question { verb: verb.to_owned(), ..question.clone() }.sentence();
            RULE
            .finding(
                confidence,
                format!("The credential is {who:?}'s, and the request asks to act as somebody else: {whom}. {who:?} may not {plain} that way, for which {} is missing, and lacks the older right impersonate for at least one of these; the server does not say for which.", question.verb),
                cite,
                leave,
            )
            .titled(format!("{who:?} may not {plain} while acting as {whom}"))
        }
        (None, None) => RULE
            .finding(
                confidence,
                format!("The credential is {who:?}'s, and the request asks to act as somebody else. {who:?} may not impersonate {whom}, so the API server stops there; what that other one may do does not matter yet."),
                cite,
                leave,
            )
            .titled(format!("{who:?} may not act as {whom}")),
    };
    if parts.iter().any(|part| part.kind == "groups" && part.name == authz::MASTERS) {
        let text = format!(
            "Have no right granted to act as a member of {}: it is every right there is, past all authorizers, and nobody can take it back by RBAC. Act as a group that is bound to what you need.",
            authz::MASTERS
        );
        return vec![finding.step(Step::text(text))];
    }
    let every = if parts.len() > 1 {
        "Else have these rights granted, one for each part of whom the request acts as"
    } else {
        "Else have exactly this right granted"
    };
    let all = "whoever may impersonate somebody has all their rights";
    // What was refused is the newer right: the older one is far wider, and all there is for what the newer ones never give.
    let mode = question.verb.strip_prefix("impersonate:").filter(|_| parts.iter().all(is_for_newer_rights));
    if let Some(mode) = mode {
        let exact = if parts.is_empty() { request_rule(question) } else { rules(&parts, &question.verb) };
        let exact = grants(&role_name(who, &parts, &[mode]), exact, who);
        finding = finding.step(Step::manifest(
            format!("{every}; for what it may be used, impersonate-on:{mode}:VERB says for each resource"),
            exact,
        ));
        if !parts.is_empty() {
            let older = grants(&role_name(who, &parts, &[]), rules(&parts, "impersonate"), who);
            finding = finding.step(Step::manifest(format!("Or, far wider, the older right: {all}"), older));
        }
        return vec![finding];
    }
    let mode = request_verb(&found).map(|(mode, _)| mode);
    if parts.is_empty() {
        let part = unknown(mode);
        let name = format!("{}-{}", role_name(who, &[], &[]), part.name);
        let place = match part.namespace.as_str() {
            "" => String::new(),
            namespace => format!(" and its namespace for {namespace}"),
        };
        let text = format!(
            "{every}, with the name of --as for {}{place} (in the role's own name, a - for each slash); {all}. Given the same --as and --as-group, kaccess doctor writes a rule for each part",
            part.name
        );
        let rules = rules(std::slice::from_ref(&part), "impersonate");
        return vec![finding.step(Step::manifest(text, grants(&name, rules, who)))];
    }
    let older = grants(&role_name(who, &parts, &[]), rules(&parts, "impersonate"), who);
    finding = finding.step(Step::manifest(format!("{every}; {all}"), older));
    if let Some((mode, verb)) = request_verb(&found).filter(|_| parts.iter().all(is_for_newer_rights)) {
        let mut narrow = request_rule(question);
        narrow.extend(rules(&parts, &format!("impersonate:{mode}")));
        narrow.push(discovery_rule(mode));
        let what = question.path.clone().unwrap_or_else(|| question.whole());
        let name = role_name(who, &parts, &[verb, &what, &question.group, &question.name]);
        finding = finding.step(Step::manifest("Or, narrower, only for this request and what kubectl asks before it", grants(&name, narrow, who)));
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Failure, FailureKind, Observation, Outcome};

    fn evidence(probe: &str, met: Option<&str>) -> Evidence {
        let text = include_str!("../../../testdata/cases/impersonation-denied/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.identity = Observation::at_rest(Outcome::Failed(Failure::new(
            FailureKind::Forbidden,
            format!("403 Forbidden: {probe}"),
        )));
        evidence.asked.error = met.map(str::to_owned);
        let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
        let user = kubeconfig.user.as_mut().expect("a user");
        user.impersonate_groups = vec!["dev".to_owned(), "ops".to_owned()];
        user.impersonate_uid = Some("7".to_owned());
        user.impersonate_extra = [("scopes".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into();
        evidence
    }

    /// The same with keys of extra values as the newer rights take them.
    fn of_a_domain(mut evidence: Evidence) -> Evidence {
        let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
        let user = kubeconfig.user.as_mut().expect("a user");
        user.impersonate_extra = [("example.com/scopes".to_owned(), vec!["a".to_owned(), "b".to_owned()])].into();
        evidence
    }

    fn only(evidence: &Evidence) -> Finding {
        let mut found = check(&Case::new(evidence));
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    fn manifest(finding: &Finding) -> String {
        finding.fix.iter().find_map(|step| step.manifest.clone()).unwrap_or_default()
    }

    /// What somebody met who is signed in as himself, and kaccess knows no more of whom that request acted as. The messages
    /// are those of 1.36.3 and 1.35.4 for users of these names, put into a case of another message.
    fn asked(error: &str) -> Evidence {
        let text = include_str!("../../../testdata/cases/impersonation-denied-asked/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.asked.question = message::forbidden(error).map(|found| found.question);
        evidence.asked.error = Some(error.to_owned());
        evidence
    }

    const PROBE: &str = "selfsubjectreviews.authentication.k8s.io is forbidden: User \"helper\" cannot impersonate-on:user-info:create resource \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope";

    #[test]
    fn a_refusal_of_kaccess_own_question_says_nothing_of_other_requests() {
        let finding = only(&evidence(PROBE, None));
        assert_eq!((finding.severity, finding.confidence), (Severity::Warning, Confidence::Certain));
        assert!(finding.why.contains("Other requests may be allowed"), "{}", finding.why);
        assert!(!manifest(&finding).contains("[\"impersonate\"]"), "{}", manifest(&finding));
        let finding = only(&evidence(PROBE, Some("No resources found in default namespace.")));
        assert_eq!(finding.severity, Severity::Warning);
    }

    #[test]
    fn kubectl_stops_at_discovery_where_only_resources_are_allowed() {
        let unknown = "E1126 23:08:30.701883   27349 memcache.go:265] \"Unhandled Error\" err=\"couldn't get current server API group list: unknown\"\nError from server (Forbidden): unknown";
        // The saved server refuses /version to whoever acts as bob.
        let finding = only(&of_a_domain(evidence(PROBE, Some(unknown))));
        assert_eq!((finding.severity, finding.confidence), (Severity::Error, Confidence::Certain));
        assert!(finding.title.contains("what the API server serves"), "{}", finding.title);
        let told = manifest(&finding);
        assert!(told.contains("\"/apis/*\"") && told.contains("[\"impersonate-on:user-info:get\"]"), "{told}");
        // Synthetic: kaccess' own question is allowed, and answered as it is for bob; the message is missing once.
        for (met, severity) in [(None, Severity::Warning), (Some(unknown), Severity::Error)] {
            let mut evidence = of_a_domain(evidence(PROBE, met));
            let bob: Evidence = serde_json::from_str(include_str!("../../../testdata/cases/impersonation-denied-asked/evidence.json")).expect("evidence");
            evidence.identity = bob.identity;
            let Outcome::Seen(identity) = &mut evidence.identity.outcome else { panic!("nobody") };
            identity.user.username = "bob".to_owned();
            let finding = only(&evidence);
            assert_eq!(finding.severity, severity);
            // The healthy twin: the older right, or one on these paths.
            let Outcome::Seen(answer) = &mut evidence.endpoint.authenticated.outcome else { panic!("no answer") };
            answer.status = 200;
            assert!(check(&Case::new(&evidence)).is_empty());
        }
    }

    #[test]
    fn where_nobody_asked_to_act_as_somebody_a_proxy_did() {
        let named = "users \"eve\" is forbidden: User \"helper\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope";
        for (probe, whom) in [(PROBE, "somebody else"), (named, "users \"eve\"")] {
            // Synthetic: the saved entry asks to act as bob; behind a proxy that adds the header none does.
            let mut evidence = evidence(probe, None);
            let Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("no kubeconfig") };
            let user = kubeconfig.user.as_mut().expect("a user");
            user.impersonate = None;
            user.impersonate_groups.clear();
            user.impersonate_uid = None;
            user.impersonate_extra.clear();
            let finding = only(&evidence);
            assert_eq!((finding.severity, finding.confidence), (Severity::Error, Confidence::Certain));
            assert!(finding.why.contains(&format!("as {whom}, which \"helper\" may not")), "{}", finding.why);
            assert!(finding.fix.iter().all(|step| !step.text.contains("--as") && step.manifest.is_none()));
        }
    }

    #[test]
    fn every_part_of_whom_the_request_acts_as_is_in_the_manifest() {
        let met = "Error from server (Forbidden): pods is forbidden: User \"helper\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"default\"";
        let finding = only(&evidence(PROBE, Some(met)));
        assert_eq!((finding.severity, finding.confidence), (Severity::Error, Confidence::Likely));
        for part in [
            "resources: [\"users\"]",
            "[\"bob\"]",
            "[\"dev\"]",
            "[\"ops\"]",
            "[\"uids\"]",
            "[\"7\"]",
            "[\"userextras/scopes\"]",
            "[\"a\"]",
            "[\"b\"]",
        ] {
            assert!(manifest(&finding).contains(part), "{part}: {}", manifest(&finding));
        }
        // A key of extra values without a domain is nothing that the newer rights give.
        let newer = |finding: &Finding| {
            let narrow = finding.fix.last().and_then(|step| step.manifest.clone()).unwrap_or_default();
            narrow.contains("[\"impersonate-on:user-info:list\"]") && narrow.contains("[\"impersonate:user-info\"]")
        };
        assert!(!newer(&finding), "{:?}", finding.fix);
        let finding = only(&of_a_domain(evidence(PROBE, Some(met))));
        assert!(newer(&finding), "{:?}", finding.fix);
        let narrow = finding.fix.last().and_then(|step| step.manifest.as_deref()).unwrap_or_default();
        assert!(narrow.contains("nonResourceURLs: [\"/api\", \"/api/*\""), "{narrow}");
    }

    #[test]
    fn only_what_the_server_names_is_said_to_be_missing() {
        let probe = "groups \"ops\" is forbidden: User \"helper\" cannot impersonate resource \"groups\" in API group \"\" at the cluster scope";
        let finding = only(&evidence(probe, None));
        assert_eq!((finding.severity, finding.confidence), (Severity::Error, Confidence::Certain));
        assert_eq!(finding.title, "\"helper\" may not act as groups \"ops\"");
        assert!(manifest(&finding).contains("[\"bob\"]") && manifest(&finding).contains("userextras/scopes"));
    }

    #[test]
    fn nobody_is_given_the_right_to_act_as_a_master() {
        let probe = "groups \"system:masters\" is forbidden: User \"helper\" cannot impersonate resource \"groups\" in API group \"\" at the cluster scope";
        let finding = only(&evidence(probe, None));
        assert_eq!(manifest(&finding), "");
        assert!(finding.fix.iter().any(|step| step.text.contains("every right there is")));
    }

    #[test]
    fn no_manifest_takes_away_what_another_gave() {
        let name = |error: &str| {
            let text = manifest(&only(&asked(error)));
            text.lines().find_map(|line| line.strip_prefix("  name: ").map(str::to_owned)).expect("a name")
        };
        let user = r#"users "jane" is forbidden: User "helper" cannot impersonate resource "users" in API group "" at the cluster scope"#;
        let group = r#"groups "backend" is forbidden: User "helper" cannot impersonate resource "groups" in API group "" at the cluster scope"#;
        assert_eq!(name(user), "helper-impersonates-users-jane");
        assert_eq!(name(group), "helper-impersonates-groups-backend");
        // Names that are alike in all that a slug holds are two all the same.
        let long = |end: &str| name(&user.replace("jane", &format!("{}{end}", "a-long-name-".repeat(6))));
        assert_ne!(long("one"), long("two"));
        // The newer rights stand beside the older ones, and those for one request beside those for another.
        let list = r#"pods is forbidden: User "helper" cannot impersonate-on:user-info:list resource "pods" in API group "" in the namespace "default""#;
        let finding = only(&of_a_domain(evidence(PROBE, Some(list))));
        let names: Vec<&str> = finding.fix.iter().filter_map(|step| step.manifest.as_deref()?.lines().nth(3)).collect();
        assert_eq!(names.len(), 2);
        assert!(names[1].starts_with(names[0]) && names[1].ends_with("-list-pods"), "{names:?}");
    }

    #[test]
    fn a_service_account_is_no_user_to_act_as() {
        let error = |mode: &str| {
            format!(
                r#"pods is forbidden: User "helper" cannot impersonate-on:{mode}:list resource "pods" in API group "" in the namespace "dev""#
            )
        };
        let account = manifest(&only(&asked(&error("serviceaccount"))));
        assert!(account.contains("resources: [\"serviceaccounts\"]\n  resourceNames: [\"NAME-OF-AS\"]"), "{account}");
        assert!(account.contains("namespace: NAMESPACE-OF-AS"), "{account}");
        let user = manifest(&only(&asked(&error("user-info"))));
        assert!(user.contains("resources: [\"users\"]\n  resourceNames: [\"USER-OF-AS\"]"), "{user}");
    }

    /// One of the same name in another namespace is somebody else.
    #[test]
    fn a_service_account_is_granted_in_its_namespace() {
        let error = r#"serviceaccounts "bob" is forbidden: User "helper" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "ga""#;
        let text = manifest(&only(&asked(error)));
        assert!(text.contains("kind: Role\n") && text.contains("kind: RoleBinding\n"), "{text}");
        assert!(text.contains("  namespace: ga\n") && !text.contains("Cluster"), "{text}");
        // What is asked in one namespace is granted there, and to act as a user everywhere: users have no namespace.
        let list = r#"pods "web" is forbidden: User "helper" cannot impersonate-on:user-info:get resource "pods" in API group "" in the namespace "default""#;
        let finding = only(&of_a_domain(evidence(PROBE, Some(list))));
        let narrow = finding.fix.last().and_then(|step| step.manifest.clone()).expect("a manifest");
        let (first, second) = narrow.split_once("---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n").expect("two");
        assert!(first.contains("namespace: default") && first.contains("resourceNames: [\"web\"]"), "{first}");
        assert!(second.contains("[\"users\"]") && !first.contains("[\"users\"]"), "{second}");
    }

    #[test]
    fn the_right_that_was_refused_comes_before_a_wider_one() {
        let manifests = |error: &str| -> Vec<String> {
            only(&asked(error)).fix.into_iter().filter_map(|step| step.manifest).collect()
        };
        let error = r#"users.authentication.k8s.io "jane" is forbidden: User "helper" cannot impersonate:user-info resource "users" in API group "authentication.k8s.io" at the cluster scope"#;
        let both = manifests(error);
        assert_eq!(both.len(), 2);
        let rule = |group: &str, kind: &str, name: &str, verb: &str| {
            format!(
                "- apiGroups: [{group:?}]\n  resources: [{kind:?}]\n  resourceNames: [{name:?}]\n  verbs: [{verb:?}]\n---"
            )
        };
        assert!(both[0].contains(&rule(AUTHENTICATION, "users", "jane", "impersonate:user-info")), "{}", both[0]);
        assert!(both[1].contains(&rule("", "users", "jane", "impersonate")), "{}", both[1]);
        // A node is one by the newer right, and a user by the older one.
        let error = r#"nodes.authentication.k8s.io "n1" is forbidden: User "helper" cannot impersonate:arbitrary-node resource "nodes" in API group "authentication.k8s.io" at the cluster scope"#;
        let both = manifests(error);
        assert_eq!(both.len(), 2);
        assert!(both[0].contains(&rule(AUTHENTICATION, "nodes", "n1", "impersonate:arbitrary-node")), "{}", both[0]);
        assert!(both[1].contains(&rule("", "users", "system:node:n1", "impersonate")), "{}", both[1]);
    }
}
