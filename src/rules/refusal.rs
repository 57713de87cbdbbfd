//! The question that RBAC refused: whom it is about, what nearly grants it by the model, and the commands that
//! ask it again.

use std::borrow::Cow;

use serde_json::json;

use super::{Case, Place, Rule, clip, eks};
use crate::apiserver::authz::modes::{self, Instead};
use crate::apiserver::authz::near::{self, Kind, title};
use crate::apiserver::authz::nodes::is_node;
use crate::apiserver::authz::wider::wider;
use crate::apiserver::authz::{self, Resolved, World, suggestion};
use crate::apiserver::message::{self, Forbidden};
use crate::aws::identity::in_scope;
use crate::evidence::access::{Access, Check, NonResourceRule, Question, ResourceRule};
use crate::evidence::eks::AssociatedPolicy;
use crate::evidence::identity::{ANONYMOUS, User};
use crate::evidence::rbac::{Binding, Rbac, Role, Subject};
use crate::report::shell::{Shell, quoted, shell};
use crate::report::{Citation, Confidence, Finding, Step, seen};

/// A question that RBAC does not grant, and whom it is about.
#[derive(Debug, Clone)]
pub struct Denied<'e> {
    /// What was asked.
    pub question: &'e Question,
    /// Who asked.
    pub user: Cow<'e, User>,
    /// The server's own answer with its place; none where the message is about somebody else, whom the model judges.
    pub check: Option<(usize, &'e Check)>,
}

impl Denied<'_> {
    /// Where the refusal stands.
    pub fn cite(&self, case: &Case<'_>) -> Citation {
        match self.check {
            Some((index, _)) => {
                seen(format!("/access/seen/checks/{index}"), format!("{}: no", self.question.sentence()))
            }
            None => seen("/asked/error", clip(case.evidence.asked.error.as_deref().unwrap_or_default(), 240)),
        }
    }

    /// Who was refused.
    pub fn who(&self) -> Citation {
        let name = &self.user.username;
        match self.check {
            Some(_) => seen("/identity/seen/user", format!("signed in as {name:?}")),
            None => seen("/identity/seen/user", format!("the message is about {name:?}, which is not who you are")),
        }
    }
}

/// The user of the message that the user met, where that is somebody else than who is signed in.
pub fn somebody_else(case: &Case<'_>) -> Option<String> {
    let own = &case.evidence.identity.seen()?.user.username;
    let named = message::forbidden(case.evidence.asked.error.as_deref()?)?.user;
    (!named.is_empty() && named != *own).then_some(named)
}

/// Somebody else whom an admission webhook's refusal says to be refused something: most likely the account by which the
/// webhook itself asks the API server.
pub fn account_of_webhook(case: &Case<'_>) -> Option<String> {
    let word = case.said(&message::ADMISSION).filter(|word| word.place == Place::Met)?;
    let named = message::forbidden(word.field("said"))?.user;
    somebody_else(case).filter(|other| *other == named)
}

/// The user whom the message names, with all its groups, and the RBAC that touches it. Of a service account the groups
/// follow from its name; of others a message does not tell them.
pub fn named<'e>(case: &Case<'e>, name: &str) -> Option<(&'e User, &'e Rbac)> {
    let rbac = case.evidence.rbac.seen()?;
    let user = rbac.named.as_ref().filter(|user| user.username == name)?;
    authz::service_account(name).map(|_| (user, rbac))
}

/// What decides instead of RBAC, where the API server's flags say that RBAC is not asked, and what says so. None for a
/// kubelet, which has its rights from the Node authorizer.
pub fn instead_of_rbac(case: &Case<'_>) -> Option<(Instead, Citation)> {
    let (path, flags) = case.flag_source("authorization-mode")?;
    let instead = modes::instead_of_rbac(flags)?;
    if case.evidence.identity.seen().is_some_and(|identity| is_node(&identity.user)) {
        return None;
    }
    let text = format!("{}: --authorization-mode={}", flags.source, instead.modes);
    Some((instead, seen(format!("{path}/flags/authorization-mode"), text)))
}

/// Another authorizer than RBAC answers no to this question: one denied it outright, or RBAC as it was read grants it. Where
/// RBAC is not asked, what it grants is no answer.
pub fn overruled(case: &Case<'_>, check: &Check) -> bool {
    let granted = || {
        let (identity, rbac) = (case.evidence.identity.seen()?, case.evidence.rbac.seen()?);
        Some(World::new(rbac).decide(&identity.user, &check.question).allowed)
    };
    !check.allowed && (check.denied || instead_of_rbac(case).is_none() && granted() == Some(true))
}

/// The reason of a refusal holds what neither RBAC nor ABAC writes: RBAC's reasons begin with its name, and ABAC's only
/// one says that it has no opinion.
pub fn is_foreign(reason: &str) -> bool {
    reason.lines().map(|line| line.trim().trim_end_matches('"')).any(|line| {
        let own = ["RBAC:", "no RBAC policy matched"].iter().any(|words| line.starts_with(words));
        !line.is_empty() && !own && line != "No policy matched."
    })
}

/// A refusal of what a default binding gives to everybody who is signed in.
#[derive(Debug, Clone)]
pub struct DefaultRefused {
    /// The default role; its binding has the same name.
    pub role: &'static str,
    /// The refusal, taken apart.
    pub found: Forbidden,
    /// JSON pointer to it.
    pub path: &'static str,
    /// The refusal as it stands.
    pub text: String,
}

impl DefaultRefused {
    /// The citation of the refusal.
    pub fn cite(&self) -> Citation {
        seen(self.path, clip(&self.text, 240))
    }

    /// What another authorizer than RBAC adds to it, or nothing.
    pub fn foreign(&self) -> Option<&str> {
        // Whatever a message that was pasted goes on with is nobody's reason.
        let reason = self.found.reason.lines().next().unwrap_or_default();
        // The node authorizer gives reasons to nodes.
        let abac = reason.trim().trim_end_matches('"') == "No policy matched.";
        ((is_foreign(reason) || abac) && !self.found.user.starts_with("system:node:")).then_some(reason)
    }

    /// RBAC as it was read: the grant that should have allowed it, with the place of its binding.
    pub fn grant(&self, case: &Case<'_>) -> Option<(usize, String)> {
        let rbac = case.evidence.rbac.seen()?;
        // Whatever else the user is in: the default bindings are everybody's who is signed in.
        let groups = vec![authz::AUTHENTICATED.to_owned()];
        let user = User { username: self.found.user.clone(), groups, ..User::default() };
        let grants = World::new(rbac).grants(&user, &self.found.question);
        let grant = grants.first()?;
        let index = rbac.bindings.iter().position(|binding| std::ptr::eq(binding, grant.binding))?;
        Some((index, grant.reason()))
    }
}

/// The default role that allows what was refused.
fn default_role(found: &Forbidden) -> Option<&'static str> {
    // Who acts as somebody else is refused that, whatever the default bindings give.
    if found.user == ANONYMOUS || found.question.verb.starts_with("impersonate") {
        return None;
    }
    let question = &found.question;
    if let Some(path) = &question.path {
        let discovery = ["/api", "/apis", "/openapi", "/version"];
        let path = path.trim_end_matches('/');
        return discovery
            .iter()
            .any(|known| path == *known || path.starts_with(&format!("{known}/")))
            .then_some("system:discovery");
    }
    let own = ["selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"];
    (question.verb == "create" && own.contains(&question.resource.as_str())).then_some("system:basic-user")
}

/// What somebody who is signed in was refused although a default binding gives it to everybody, as far as it is still
/// refused.
pub fn defaults_refused(case: &Case<'_>) -> Vec<DefaultRefused> {
    // The default bindings are for those who are in system:authenticated.
    if case.unauthenticated_by_certificate() {
        return Vec::new();
    }
    let evidence = case.evidence;
    let access = evidence.access.seen();
    let answer = evidence.endpoint.authenticated.seen().filter(|answer| answer.status == 403);
    // Where who this is and what they may do is known, what was answered to the look for the way says nothing more.
    let answer = answer.filter(|_| evidence.identity.seen().is_none() || access.is_none());
    let answer = answer.and_then(|answer| {
        let status: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
        Some(status.get("message")?.as_str()?.to_owned())
    });
    let texts = [
        ("/identity/failed/detail", evidence.identity.failed().map(|failure| failure.detail.clone())),
        ("/access/failed/detail", evidence.access.failed().map(|failure| failure.detail.clone())),
        ("/endpoint/authenticated/seen/body", answer),
        ("/asked/error", evidence.asked.error.clone()),
    ];
    let refused = texts.into_iter().filter_map(|(path, text)| {
        let text = text?;
        let found = message::forbidden(&text)?;
        let role = default_role(&found)?;
        let check = access.and_then(|access| access.checks.iter().find(|check| check.question == found.question));
        // Since allowed again, or denied by an authorizer that says so itself.
        let other = check.is_some_and(|check| check.allowed || overruled(case, check));
        let met = path == "/asked/error" && role == "system:basic-user" && access.is_some();
        (!other && !met).then_some(DefaultRefused { role, found, path, text })
    });
    refused.collect()
}

/// What refuses something that a default binding should give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Culprit {
    /// An authorizer beside RBAC denies it, this surely.
    Authorizer(Confidence),
    /// The default binding or its role is gone, this surely.
    Binding(Confidence),
}

/// The role bindings were read, and there is none: an API server that asks RBAC makes the default ones when it starts.
pub fn no_binding_at_all(case: &Case<'_>) -> bool {
    case.evidence.rbac.seen().is_some_and(|rbac| rbac.unread.is_empty() && rbac.bindings_total == 0)
}

/// Who is behind these refusals: RBAC as it was read decides it, else whose words stand in them.
pub fn culprit(case: &Case<'_>, refused: &[DefaultRefused]) -> Option<Culprit> {
    let first = refused.first()?;
    if instead_of_rbac(case).is_some() {
        return Some(Culprit::Authorizer(Confidence::Certain));
    }
    // Without a single binding, RBAC is no mode of this API server.
    let rbac = case.evidence.rbac.seen().filter(|rbac| rbac.bindings_total > 0);
    let foreign = refused.iter().any(|one| one.foreign().is_some());
    let surely = |plain: bool| if plain { Confidence::Certain } else { Confidence::Likely };
    if let Some(rbac) = rbac {
        if refused.iter().any(|one| one.grant(case).is_some()) {
            return Some(Culprit::Authorizer(surely(foreign)));
        }
        if rbac.unread.is_empty() {
            return Some(Culprit::Binding(surely(!foreign)));
        }
    }
    if foreign {
        return Some(Culprit::Authorizer(Confidence::Likely));
    }
    let alone = case.flag_source("authorization-mode").is_some_and(|(_, flags)| modes::is_rbac_alone(flags));
    // One binding that is gone is likelier than an authorizer that denies without a word. That several are gone at once and
    // that such a one denies them all look alike.
    let several = refused.iter().any(|one| one.role != first.role);
    Some(if (several || no_binding_at_all(case)) && !alone {
        Culprit::Authorizer(Confidence::Possible)
    } else {
        Culprit::Binding(Confidence::Likely)
    })
}

/// The question of the message that the user met, where it is still refused and a role or binding could change that.
pub fn denied<'e>(case: &Case<'e>) -> Option<Denied<'e>> {
    let evidence = case.evidence;
    let question = evidence.asked.question.as_ref()?;
    let identity = evidence.identity.seen()?;
    if instead_of_rbac(case).is_some() {
        return None;
    }
    if let Some(name) = somebody_else(case) {
        let (user, rbac) = named(case, &name)?;
        let refused = rbac.unread.is_empty() && !World::new(rbac).decide(user, question).allowed;
        return refused.then_some(Denied { question, user: Cow::Borrowed(user), check: None });
    }
    let checks = &evidence.access.seen()?.checks;
    let (index, check) = checks.iter().enumerate().find(|(_, check)| check.question == *question && !check.allowed)?;
    let denied = Denied { question, user: Cow::Borrowed(&identity.user), check: Some((index, check)) };
    (!overruled(case, check)).then_some(denied)
}

/// Resources that the default bindings of everybody, and of every service account, give.
const DEFAULT_RESOURCES: &[&str] =
    &["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews", "clustertrustbundles"];
/// Paths that they give: system:discovery, system:public-info-viewer, system:service-account-issuer-discovery.
const DEFAULT_PATHS: &[&str] = &[
    "/api",
    "/apis",
    "/healthz",
    "/livez",
    "/openapi",
    "/readyz",
    "/version",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
];

/// Everybody who is authenticated has the defaults; these rules hold more.
fn beyond_defaults(resources: &[ResourceRule], paths: &[NonResourceRule]) -> bool {
    let known = |path: &String| DEFAULT_PATHS.contains(&path.trim_end_matches(['*', '/']));
    resources.iter().any(|rule| rule.resources.iter().any(|one| !DEFAULT_RESOURCES.contains(&one.as_str())))
        || paths.iter().any(|rule| !rule.paths.iter().all(known))
}

/// Every question was answered no, and the rules of the namespace hold nothing but the defaults.
fn is_nothing(access: &Access) -> bool {
    !access.checks.is_empty()
        && access.checks.iter().all(|check| !check.allowed)
        && access.rules.as_ref().is_some_and(|rules| !beyond_defaults(&rules.resource_rules, &rules.non_resource_rules))
}

/// Nothing is allowed in the namespace that was looked at.
pub fn nothing_here(case: &Case<'_>) -> bool {
    case.evidence.access.seen().is_some_and(is_nothing)
}

/// RoleBindings of other namespaces that give the user something, by their place in the evidence.
pub fn granted_elsewhere(case: &Case<'_>) -> Vec<usize> {
    let (Some(identity), Some(access), Some(rbac)) =
        (case.evidence.identity.seen(), case.evidence.access.seen(), case.evidence.rbac.seen())
    else {
        return Vec::new();
    };
    let here = access.rules.as_ref().map_or("", |rules| rules.namespace.as_str());
    let world = World::new(rbac);
    rbac.bindings
        .iter()
        .enumerate()
        .filter(|(_, binding)| !binding.namespace.is_empty() && binding.namespace != here)
        .filter(|(_, binding)| authz::applying(binding, &identity.user).is_some())
        .filter(|(_, binding)| match world.resolve(binding) {
            Resolved::Role(role) => beyond_defaults(&role.resource_rules, &[]),
            Resolved::Unread => true,
            Resolved::Missing(_) => false,
        })
        .map(|(index, _)| index)
        .collect()
}

/// The access policies of EKS that the user has for other namespaces than the one looked at, and the pointer to them; none
/// where there are none.
pub fn policies_elsewhere<'c>(case: &'c Case<'_>) -> Option<(String, Vec<&'c AssociatedPolicy>)> {
    let here = case.evidence.access.seen()?.rules.as_ref()?.namespace.as_str();
    // Whom somebody acts as does not get the policies of who signs.
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    if user.is_some_and(|user| user.impersonate.is_some()) {
        return None;
    }
    let (mapped, entry) = eks::mapped_entry(case)?;
    let policies = entry?.policies.seen()?.iter();
    let elsewhere: Vec<&AssociatedPolicy> =
        policies.filter(|policy| !policy.namespaces.is_empty() && !in_scope(policy, here)).collect();
    (!elsewhere.is_empty()).then(|| (format!("{}/policies/seen", mapped.source.path()), elsewhere))
}

/// A binding of the user that gives nothing: its role is missing, or has no rules.
#[derive(Debug, Clone)]
pub struct Void<'e> {
    /// Its place in the evidence.
    pub index: usize,
    /// The binding.
    pub binding: &'e Binding,
    /// Its role, where there is one.
    pub role: Option<&'e Role>,
    /// Why it gives nothing.
    pub text: String,
}

/// The user's bindings that give nothing.
pub fn void_bindings<'e>(case: &Case<'e>) -> Vec<Void<'e>> {
    let (Some(identity), Some(rbac)) = (case.evidence.identity.seen(), case.evidence.rbac.seen()) else {
        return Vec::new();
    };
    let world = World::new(rbac);
    let bindings = rbac.bindings.iter().enumerate();
    let own = bindings.filter(|(_, binding)| authz::applying(binding, &identity.user).is_some());
    own.filter_map(|(index, binding)| match world.resolve(binding) {
        Resolved::Missing(error) => {
            Some(Void { index, binding, role: None, text: format!("{}: {error}", title(binding)) })
        }
        Resolved::Role(role) if role.is_empty() => {
            let text = format!("{} names {} {:?}, which has no rules", title(binding), role.kind, role.name);
            Some(Void { index, binding, role: Some(role), text })
        }
        Resolved::Role(_) | Resolved::Unread => None,
    })
    .collect()
}

/// No question was asked, and what the user has is in other namespaces than the one looked at.
pub fn elsewhere(case: &Case<'_>) -> bool {
    case.evidence.asked.question.is_none() && !granted_elsewhere(case).is_empty()
}

/// Where nothing is allowed in the namespace that was looked at: the first answer that a grant would change, with its
/// place. None for a kubelet, which has its rights by no grant.
pub fn nothing_granted<'e>(case: &Case<'e>) -> Option<(usize, &'e Access)> {
    let (identity, access) = (case.evidence.identity.seen()?, case.evidence.access.seen()?);
    if !is_nothing(access) || is_node(&identity.user) || instead_of_rbac(case).is_some() {
        return None;
    }
    // Where another authorizer denies, no grant is missing.
    let index = access.checks.iter().position(|check| !overruled(case, check))?;
    Some((index, access))
}

/// A grant is missing, as far as can be told: for the question that the user met, or, without one, for anything at all.
pub fn is_ungranted(case: &Case<'_>) -> bool {
    let known = case.evidence.identity.seen().is_some_and(|identity| !identity.user.is_anonymous());
    known
        && match (&case.evidence.asked.question, somebody_else(case)) {
            // What a request without a credential met is no missing right.
            (Some(_), Some(name)) if name == ANONYMOUS => false,
            // Somebody else's rights may not be known; where they are, the model judges them.
            (Some(_), Some(name)) => {
                let known = named(case, &name).is_some_and(|(_, rbac)| rbac.unread.is_empty());
                !known || instead_of_rbac(case).is_some() || denied(case).is_some()
            }
            (Some(_), None) => denied(case).is_some(),
            (None, _) => nothing_granted(case).is_some(),
        }
}

/// The questions that are refused: the one of the message; without one, where nothing at all is granted, those asked by
/// ourselves.
fn refused<'e>(case: &Case<'e>) -> Vec<Denied<'e>> {
    if case.evidence.asked.question.is_some() {
        return denied(case).into_iter().collect();
    }
    let (Some(identity), Some((_, access))) = (case.evidence.identity.seen(), nothing_granted(case)) else {
        return Vec::new();
    };
    if elsewhere(case) || policies_elsewhere(case).is_some() {
        return Vec::new();
    }
    let own = access.checks.iter().enumerate().filter(|(_, check)| !overruled(case, check));
    own.map(|(index, check)| Denied {
        question: &check.question,
        user: Cow::Borrowed(&identity.user),
        check: Some((index, check)),
    })
    .collect()
}

/// A finding for the first near miss of these kinds, where a question is refused and the role bindings could be read.
pub fn near_miss(case: &Case<'_>, rule: &Rule, kinds: &[Kind], step: &str) -> Vec<Finding> {
    let Some(rbac) = case.evidence.rbac.seen() else { return Vec::new() };
    // Of what nobody met only the spelling of a name is judged: some other binding is always near.
    let spelling: &[Kind] = &[Kind::SubjectCase, Kind::SubjectSlash];
    let kinds = match case.evidence.asked.question {
        Some(_) => kinds,
        None if kinds.contains(&Kind::SubjectSlash) => spelling,
        None => return Vec::new(),
    };
    let world = World::new(rbac);
    let fits = |denied: &Denied<'_>| {
        let misses = near::near_misses(&world, &denied.user, denied.question);
        misses.iter().any(|miss| kinds.contains(&miss.kind))
    };
    let Some(denied) = refused(case).into_iter().find(fits) else { return Vec::new() };
    let question = denied.question;
    let misses = near::near_misses(&world, &denied.user, question);
    let fitting: Vec<&near::NearMiss<'_>> = misses.iter().filter(|miss| kinds.contains(&miss.kind)).collect();
    // One that only has the short name of the service account may well be somebody else: it comes last, and explains nothing.
    let surer = fitting.iter().find(|miss| !of_namesake(miss, &denied.user));
    let Some(miss) = surer.or_else(|| fitting.first()).copied() else { return Vec::new() };
    let guess = of_namesake(miss, &denied.user);
    let index = rbac
        .bindings
        .iter()
        .position(|binding| miss.binding.is_some_and(|named| std::ptr::eq(named, binding)))
        .unwrap_or_default();
    // A missing role is in the server's own reason; that another near miss is the one that was meant is a guess. That
    // reason stands behind every refusal of this user: it is the cause only where nothing else is near.
    let missing = |kind: Kind| matches!(kind, Kind::RoleOfOtherKind | Kind::DanglingRole);
    let nearer = misses.iter().any(|miss| !missing(miss.kind) && !of_namesake(miss, &denied.user));
    let certain =
        missing(miss.kind) && !nearer && denied.check.is_some_and(|(_, check)| check.reason.contains("not found"));
    let mut steps = miss
        .binding
        .and_then(|binding| respell(binding, &denied.user, miss.kind))
        .or_else(|| bind_namesake(miss, &denied.user))
        .unwrap_or_else(|| {
            let manifest = suggestion::manifest(Some(&world), &denied.user, question);
            let step = match guess {
                true => "If the service account is meant to do it, have this grant applied, which is for it alone"
                    .to_owned(),
                false => in_the_role(miss, step),
            };
            let step = match wider(&world, question, &manifest) {
                Some(role) => format!("{step}; it binds to {role}"),
                None => step,
            };
            vec![Step::manifest(step, manifest)]
        });
    let first = steps.remove(0);
    let finding = rule.finding(
        match (certain, guess) {
            (true, _) => Confidence::Certain,
            (false, false) => Confidence::Likely,
            (false, true) => Confidence::Possible,
        },
        format!("{:?} may not {}: {}.", denied.user.username, sentence(question), miss.text),
        seen(format!("/rbac/seen/bindings/{index}"), miss.binding.map_or_else(|| miss.text.clone(), as_it_stands)),
        first,
    );
    let mut finding = finding.steps(steps).cite(denied.cite(case)).cite(denied.who());
    if guess {
        finding = finding.titled("A binding names a user of the service account's short name");
        finding.explains = &[];
    } else if miss.kind == Kind::DanglingRole && nearer {
        finding.explains = &[];
    } else if !missing(miss.kind) && misses.iter().all(|miss| miss.kind != Kind::RoleOfOtherKind) {
        finding.explains = &["rbac-no-grant", "rbac-role-missing"];
    }
    let others = fitting.len() - 1;
    if others > 0 {
        finding = finding.step(Step::text(format!("{others} more of this kind: {} lists them", ask_why(&denied))));
    }
    vec![finding]
}

/// The subject of the binding that is near has nothing but the short name of the service account.
fn of_namesake(miss: &near::NearMiss<'_>, user: &User) -> bool {
    let subjects = miss.binding.map(|binding| binding.subjects.as_slice()).unwrap_or_default();
    miss.kind == Kind::SubjectKind
        && subjects.iter().any(|subject| near::is_namesake(subject, user))
        && subjects.iter().all(|subject| near::meant(subject, user).is_none())
}

/// What is to be done about a role that nearly grants it, where somebody else writes that role and would undo a change.
fn in_the_role(miss: &near::NearMiss<'_>, step: &str) -> String {
    let of_rules = matches!(
        miss.kind,
        Kind::OtherVerb | Kind::OtherApiGroup | Kind::ResourceNames | Kind::MissingSubresource | Kind::ResourceSpelling
    );
    match miss.role.filter(|_| of_rules) {
        Some(role) if role.aggregates => format!(
            "Have this grant applied, or a role changed that {} {:?} collects (its own rules are written by kube-controller-manager, which undoes any change)",
            role.kind, role.name
        ),
        Some(role) if role.name.starts_with("system:") => format!(
            "Have this grant applied; {} {:?} is Kubernetes' own, and the API server writes such roles anew when it starts",
            role.kind, role.name
        ),
        _ => step.to_owned(),
    }
}

/// The question in words. Servers from 1.36 on name a verb `impersonate-on:user-info:list` for a list by somebody who acts
/// as another one.
pub fn sentence(question: &Question) -> String {
    match question.verb.strip_prefix("impersonate-on:").and_then(|rest| rest.split_once(':')) {
        Some((_, verb)) => {
            let plain = Question { verb: verb.to_owned(), ..question.clone() };
            format!("{} while acting as somebody else", plain.sentence())
        }
        None => question.sentence(),
    }
}

/// A binding as it stands: its role and for whom.
fn as_it_stands(binding: &Binding) -> String {
    let mut whom: Vec<String> =
        binding.subjects.iter().take(3).map(|subject| format!("{} {:?}", subject.kind, subject.name)).collect();
    if binding.subjects.len() > whom.len() {
        whom.push(format!("{} more", binding.subjects.len() - whom.len()));
    }
    format!("{}: {} {:?} for {}", title(binding), binding.role_kind, binding.role_name, whom.join(", "))
}

/// The steps that put the user's own name or group into a binding that spells it otherwise; none for other near misses.
fn respell(binding: &Binding, user: &User, kind: Kind) -> Option<Vec<Step>> {
    if !matches!(kind, Kind::SubjectCase | Kind::SubjectSlash | Kind::SubjectKind) {
        return None;
    }
    let (subject, (kind, name)) =
        binding.subjects.iter().find_map(|subject| Some((subject, near::meant(subject, user)?)))?;
    Some(vec![
        Step::command(
            format!("Have {kind} {name:?}, as the API server says it, added to the binding's subjects"),
            add_subject(binding, kind, name),
        ),
        Step::command(
            format!("Then take {} {:?} out, if nobody else comes under that name", subject.kind, subject.name),
            remove_subject(binding, subject),
        ),
    ])
}

/// The steps that bind the user to the role that is there, where a binding names one of the other kind.
fn bind_namesake(miss: &near::NearMiss<'_>, user: &User) -> Option<Vec<Step>> {
    let (binding, role) = miss.binding.zip(miss.role).filter(|_| miss.kind == Kind::RoleOfOtherKind)?;
    let subject = authz::applying(binding, user)?;
    let whom = match subject.kind.as_ref() {
        "ServiceAccount" => {
            let own = if subject.namespace.is_empty() { &binding.namespace } else { &subject.namespace };
            shell!("--serviceaccount={}:{}", own.as_str(), subject.name)
        }
        "Group" => shell!("--group={}", subject.name),
        _ => shell!("--user={}", subject.name),
    };
    let kind = role.kind.to_lowercase();
    Some(vec![
        Step::command(
            format!("Have the {} bound as such, beside that binding (a roleRef cannot be changed)", role.kind),
            shell!(
                "kubectl create rolebinding {0}-{1} -n {2} --{1}={3} {4}",
                binding.name,
                kind,
                binding.namespace,
                role.name,
                whom
            ),
        ),
        Step::text(format!(
            "Then have {} deleted; if it names others too, bind them in the same way first.",
            title(binding)
        )),
    ])
}

/// The command that adds a user or group to a binding's subjects.
pub fn add_subject(binding: &Binding, kind: &str, name: &str) -> Shell {
    let value = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name });
    patch(binding, &json!([{ "op": "add", "path": "/subjects/-", "value": value }]))
}

/// The command that takes one subject out, if it still stands where it was seen.
pub fn remove_subject(binding: &Binding, subject: &Subject) -> Shell {
    patch(
        binding,
        &json!([
            { "op": "test", "path": format!("/subjects/{}/name", subject.index), "value": subject.name },
            { "op": "remove", "path": format!("/subjects/{}", subject.index) },
        ]),
    )
}

/// The command that changes a binding's subjects.
fn patch(binding: &Binding, operations: &serde_json::Value) -> Shell {
    let place = if binding.namespace.is_empty() { Shell::default() } else { shell!(" -n {}", binding.namespace) };
    shell!(
        "kubectl patch {} {}{} --type=json -p {}",
        binding.kind.to_lowercase(),
        binding.name,
        place,
        operations.to_string()
    )
}

/// The command that says why not.
fn ask_why(denied: &Denied<'_>) -> Shell {
    let whose = denied.check.is_none().then_some(denied.user.username.as_str());
    can_i(denied.question, whose)
}

/// The command that asks a question, about somebody else where one is named, and says why.
pub fn can_i(question: &Question, whose: Option<&str>) -> Shell {
    let Question { verb, group, resource, subresource, name, namespace, path } = question;
    let mut command = shell!("kaccess can-i {} ", verb);
    match path {
        Some(path) => command.push(&quoted(path)),
        None => {
            let dot = if group.is_empty() { "" } else { "." };
            command.push(&quoted(&format!("{resource}{dot}{group}")));
            if !name.is_empty() {
                command.push(&shell!(" {}", name));
            }
            if !subresource.is_empty() {
                command.push(&shell!(" --subresource {}", subresource));
            }
            if namespace.is_empty() {
                command.push(&" -A".into());
            } else {
                command.push(&shell!(" -n {}", namespace));
            }
        }
    }
    if let Some(whose) = whose {
        command.push(&shell!(" --as {}", whose));
    }
    command.push(&" --why".into());
    command
}

/// The subject of a generated binding, as one item of YAML.
pub fn subject(username: &str) -> String {
    match authz::service_account(username) {
        Some((namespace, name)) => format!("- kind: ServiceAccount\n  name: {name:?}\n  namespace: {namespace:?}\n"),
        None => format!("- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: {username:?}\n"),
    }
}

/// A role with these rules (YAML, indented by two) and its binding to a user; at the cluster scope where there is no
/// namespace.
pub fn grant(name: &str, namespace: &str, rules: &str, username: &str) -> String {
    let (prefix, place) =
        if namespace.is_empty() { ("Cluster", String::new()) } else { ("", format!("\n  namespace: {namespace}")) };
    let head = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ";
    format!(
        "{head}{prefix}Role\nmetadata:\n  name: {name}{place}\nrules:\n{rules}---\n{head}{prefix}RoleBinding\nmetadata:\n  name: {name}{place}\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {prefix}Role\n  name: {name}\nsubjects:\n{}",
        subject(username)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everybody_has_is_nothing() {
        let rule = |resources: &[&str]| ResourceRule {
            verbs: vec!["create".to_owned()],
            resources: resources.iter().map(|one| (*one).to_owned()).collect(),
            ..ResourceRule::default()
        };
        let paths = |paths: &[&str]| NonResourceRule {
            verbs: vec!["get".to_owned()],
            paths: paths.iter().map(|one| (*one).to_owned()).collect(),
        };
        let reviews = [rule(&["selfsubjectaccessreviews", "selfsubjectrulesreviews"]), rule(&["selfsubjectreviews"])];
        let discovery = [
            paths(&["/api", "/api/*", "/apis", "/openapi/*", "/version/", "/readyz"]),
            paths(&["/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks/"]),
        ];
        assert!(!beyond_defaults(&reviews, &discovery));
        assert!(beyond_defaults(&reviews, &[paths(&["/metrics"])]));
        assert!(beyond_defaults(&reviews, &[paths(&["/version", "*"])]));
        assert!(beyond_defaults(&[rule(&["selfsubjectreviews", "leases"])], &discovery));
    }

    #[test]
    fn a_default_binding_is_gone_only_where_none_was_read() {
        use crate::evidence::{Evidence, Observation, Outcome};
        let read = |text: &str| serde_json::from_str::<Evidence>(text).expect("evidence");
        let denied = read(include_str!("../../testdata/cases/authorization-webhook-denied-everything/evidence.json"));
        let gone = read(include_str!("../../testdata/cases/rbac-default-bindings-removed/evidence.json"));
        let healthy = read(include_str!("../../testdata/cases/authorization-webhook-allows/evidence.json"));
        let bound = healthy.rbac.seen().expect("role bindings").clone();
        let mut unbound = bound.clone();
        unbound.bindings.retain(|binding| !binding.name.starts_with("system:"));
        let verdict = |evidence: &Evidence, rbac: Option<&Rbac>| {
            let mut evidence = evidence.clone();
            if let Some(rbac) = rbac {
                evidence.rbac = Observation::at_rest(Outcome::Seen(rbac.clone()));
            }
            let case = Case::new(&evidence);
            culprit(&case, &defaults_refused(&case))
        };
        let (certain, likely) = (Confidence::Certain, Confidence::Likely);
        assert_eq!(verdict(&denied, None), Some(Culprit::Authorizer(likely)));
        assert_eq!(verdict(&denied, Some(&bound)), Some(Culprit::Authorizer(certain)));
        assert_eq!(verdict(&denied, Some(&unbound)), Some(Culprit::Binding(likely)));
        assert_eq!(verdict(&gone, None), Some(Culprit::Binding(likely)));
        assert_eq!(verdict(&gone, Some(&bound)), Some(Culprit::Authorizer(likely)));
        assert_eq!(verdict(&gone, Some(&unbound)), Some(Culprit::Binding(certain)));
        assert_eq!(verdict(&healthy, None), None);
        // Without a word of anybody else's it may be either, unless there is nobody else.
        let mut silent = read(include_str!("../../testdata/cases/authorization-webhook-denied-silently/evidence.json"));
        assert_eq!(verdict(&silent, None), Some(Culprit::Authorizer(Confidence::Possible)));
        let mut flags = crate::evidence::apiserver::Flags::default();
        flags.flags.insert("authorization-mode".to_owned(), vec!["Node,RBAC".to_owned()]);
        silent.control_plane.flagz = Observation::at_rest(Outcome::Seen(flags));
        assert_eq!(verdict(&silent, None), Some(Culprit::Binding(likely)));
    }

    #[test]
    fn the_modes_are_those_of_the_best_source() {
        use crate::evidence::apiserver::{Flags, ServerPods};
        use crate::evidence::{Evidence, Observation, Outcome};
        let text = include_str!("../../testdata/cases/rbac-no-grant-abac/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let flags = |source: &str, flag: &str, value: &str| {
            let mut flags = Flags { source: source.to_owned(), ..Flags::default() };
            flags.flags.insert(flag.to_owned(), vec![value.to_owned()]);
            flags
        };
        let told = |evidence: &Evidence| {
            let (instead, says) = instead_of_rbac(&Case::new(evidence))?;
            Some((instead.modes, says.path))
        };
        assert_eq!(told(&evidence), None);
        let file = flags("old.yaml", "authorization-mode", "Node,ABAC");
        evidence.control_plane.configuration = Observation::at_rest(Outcome::Seen(file));
        let path = "/controlPlane/configuration/seen/flags/authorization-mode".to_owned();
        assert_eq!(told(&evidence), Some(("Node,ABAC".to_owned(), path)));
        // What the server's Pods run with counts more than a file that was handed over.
        let running = |modes: &str| {
            let pods = ServerPods { flags: flags("Pod", "authorization-mode", modes), ..ServerPods::default() };
            Observation::at_rest(Outcome::Seen(pods))
        };
        evidence.control_plane.pods = running("Node,RBAC");
        assert_eq!(told(&evidence), None);
        evidence.control_plane.pods = running("Node,Webhook");
        let path = "/controlPlane/pods/seen/flags/flags/authorization-mode".to_owned();
        assert_eq!(told(&evidence), Some(("Node,Webhook".to_owned(), path.clone())));
        // One that does not tell them leaves it to the next.
        evidence.control_plane.flagz = Observation::at_rest(Outcome::Seen(flags("/flagz", "v", "2")));
        assert_eq!(told(&evidence), Some(("Node,Webhook".to_owned(), path)));
    }

    #[test]
    fn words_that_rbac_does_not_write_are_another_authorizers() {
        assert!(is_foreign("policy: ask #platform"));
        assert!(is_foreign("RBAC: role.rbac.authorization.k8s.io \"x\" not found\nno: ask #platform"));
        assert!(!is_foreign("RBAC: role.rbac.authorization.k8s.io \"x\" not found"));
        assert!(!is_foreign("No policy matched.\""));
        assert!(!is_foreign(""));
    }

    #[test]
    fn a_binding_that_gives_nothing_is_no_grant() {
        use crate::evidence::Evidence;
        let text = include_str!("../../testdata/cases/authorization-webhook-allows/evidence.json");
        let evidence = |change: fn(&mut Role)| {
            let mut value: serde_json::Value = serde_json::from_str(text).expect("JSON");
            let rbac = value.pointer_mut("/rbac/seen").expect("role bindings");
            let mut read: Rbac = serde_json::from_value(rbac.clone()).expect("role bindings");
            change(read.roles.iter_mut().find(|role| role.name == "pr").expect("the role"));
            *rbac = serde_json::to_value(read).expect("JSON");
            serde_json::from_value::<Evidence>(value).expect("evidence")
        };
        let void = |evidence: &Evidence| -> Vec<String> {
            void_bindings(&Case::new(evidence)).into_iter().map(|void| void.text).collect()
        };
        assert!(void(&evidence(|_| {})).is_empty());
        assert_eq!(
            void(&evidence(|role| role.resource_rules.clear())),
            [r#"ClusterRoleBinding "pr" names ClusterRole "pr", which has no rules"#]
        );
        assert_eq!(
            void(&evidence(|role| role.name = "gone".to_owned())),
            [r#"ClusterRoleBinding "pr": clusterrole.rbac.authorization.k8s.io "pr" not found"#]
        );
    }
}
