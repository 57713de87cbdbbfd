//! What the findings about a nearly given right share: the refused question, whom it is about, and the near misses of
//! the model.

use std::borrow::Cow;

use super::complaint::quoted;
use super::{Case, Rule, clip, seen};
use crate::apiserver::authz::near::{self, Kind};
use crate::apiserver::authz::{self, World, suggestion};
use crate::apiserver::message;
use crate::evidence::access::{Check, Question};
use crate::evidence::identity::User;
use crate::evidence::rbac::Rbac;
use crate::report::{Citation, Confidence, Finding, Step};

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

/// The user whom the message names, with all its groups, and the RBAC that touches it. Of a service account the groups
/// follow from its name; of others a message does not tell them.
pub fn named<'e>(case: &Case<'e>, name: &str) -> Option<(&'e User, &'e Rbac)> {
    let rbac = case.evidence.rbac.seen()?;
    let user = rbac.named.as_ref().filter(|user| user.username == name)?;
    authz::service_account(name).map(|_| (user, rbac))
}

/// Another authorizer than RBAC answers no to this question: one denied it outright, or RBAC as it was read grants it.
pub fn overruled(case: &Case<'_>, check: &Check) -> bool {
    let granted = || {
        let (identity, rbac) = (case.evidence.identity.seen()?, case.evidence.rbac.seen()?);
        Some(World::new(rbac).decide(&identity.user, &check.question).allowed)
    };
    !check.allowed && (check.denied || granted() == Some(true))
}

/// The question of the message that the user met, where it is still refused and a role or binding could change that.
pub fn denied<'e>(case: &Case<'e>) -> Option<Denied<'e>> {
    let evidence = case.evidence;
    let question = evidence.asked.question.as_ref()?;
    let identity = evidence.identity.seen()?;
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

/// A finding for the first near miss of these kinds, if the question the user met was denied and the role bindings
/// could be read.
pub fn near_miss(case: &Case<'_>, rule: &Rule, kinds: &[Kind], step: &str) -> Vec<Finding> {
    let (Some(denied), Some(rbac)) = (denied(case), case.evidence.rbac.seen()) else { return Vec::new() };
    let question = denied.question;
    let world = World::new(rbac);
    let misses = near::near_misses(&world, &denied.user, question);
    let mut fitting = misses.iter().filter(|miss| kinds.contains(&miss.kind));
    let Some(miss) = fitting.next() else { return Vec::new() };
    let index = rbac
        .bindings
        .iter()
        .position(|binding| miss.binding.is_some_and(|named| std::ptr::eq(named, binding)))
        .unwrap_or_default();
    // A missing role is in the server's own reason; that another near miss is the one that was meant is a guess.
    let certain =
        miss.kind == Kind::DanglingRole && denied.check.is_some_and(|(_, check)| check.reason.contains("not found"));
    let mut finding = rule
        .finding(
            if certain { Confidence::Certain } else { Confidence::Likely },
            format!("{} is denied to {:?}. {}.", question.sentence(), denied.user.username, miss.text),
            seen(format!("/rbac/seen/bindings/{index}"), miss.text.clone()),
            Step::manifest(step, suggestion::manifest(Some(&world), &denied.user, question)),
        )
        .cite(denied.cite(case))
        .cite(denied.who());
    let others = fitting.count();
    if others > 0 {
        finding = finding.step(Step::text(format!("{others} more of this kind: {} lists them", ask_why(&denied))));
    }
    vec![finding]
}

/// The command that says why not.
pub fn ask_why(denied: &Denied<'_>) -> String {
    let whose = denied.check.is_none().then_some(denied.user.username.as_str());
    can_i(denied.question, whose)
}

/// The command that asks a question, about somebody else where one is named, and says why.
pub fn can_i(question: &Question, whose: Option<&str>) -> String {
    let Question { verb, group, resource, subresource, name, namespace, path } = question;
    let mut command = format!("kaccess can-i {verb} ");
    match path {
        Some(path) => command.push_str(&quoted(path)),
        None => {
            let dot = if group.is_empty() { "" } else { "." };
            command.push_str(&quoted(&format!("{resource}{dot}{group}")));
            if !name.is_empty() {
                command.push_str(&format!(" {}", quoted(name)));
            }
            if !subresource.is_empty() {
                command.push_str(&format!(" --subresource {}", quoted(subresource)));
            }
            if namespace.is_empty() {
                command.push_str(" -A");
            } else {
                command.push_str(&format!(" -n {}", quoted(namespace)));
            }
        }
    }
    if let Some(whose) = whose {
        command.push_str(&format!(" --as {}", quoted(whose)));
    }
    command.push_str(" --why");
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
