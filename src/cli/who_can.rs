//! `kaccess who-can`: every subject that can, with binding, role and rule.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::can_i::{PATIENCE, Types, Words, rule_view};
use super::connect::{Session, Unasked, resolved, runtime, unanswered, within};
use super::eks::{self, Eks, Principal};
use super::flags::{AwsArgs, ConnectionArgs, ExecArgs, Format, LimitArgs, OutputArgs, in_history, read_token};
use super::{BAD, Error, GOOD, NONE, answer, note};
use crate::apiserver::authz::modes::Authorizers;
use crate::apiserver::authz::who::{Reach, Way, Who, who_can};
use crate::apiserver::authz::{self, MASTERS, World, nodes};
use crate::collect::apiserver;
use crate::collect::rbac::lists;
use crate::credential::token;
use crate::evidence::access::Question;
use crate::evidence::eks::Aws;
use crate::evidence::identity::User;
use crate::evidence::rbac::Rbac;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::render::{access as render, graph, json};
use crate::report::access::{GrantView, Named, QuestionView, WhoCanSubject, WhoCanView};
use crate::secret::Scrubber;

/// Flags of `who-can`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kaccess who-can get secrets -n prod\n  kaccess who-can create pods/exec -A\n  kaccess who-can get /metrics\n  \
    kaccess who-can list pods --for-token @token.txt    which of its groups would let it in\n\n\
    Exit codes: 0 somebody can, 1 nobody (but system:masters, whom nothing stops), 2 it could not be found out."
)]
pub struct WhoCanArgs {
    /// get, list, watch, create, update, patch, delete, ... or * for all
    verb: String,
    /// TYPE, TYPE/NAME, TYPE/SUBRESOURCE or a path such as /metrics
    #[arg(value_name = "TYPE | TYPE/NAME | TYPE/SUBRESOURCE | NONRESOURCEURL")]
    resource: String,
    /// Name of the object
    name: Option<String>,
    /// Subresource, such as log or scale
    #[arg(long)]
    subresource: Option<String>,
    /// In any namespace
    #[arg(short = 'A', long, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true,
        value_name = "BOOL")]
    all_namespaces: bool,
    /// Only the subjects that the bearer of this token is: the token, @FILE, or - for stdin
    #[arg(long, value_name = "TOKEN")]
    for_token: Option<String>,
    #[command(flatten)]
    exec: ExecArgs,
    #[command(flatten)]
    limit: LimitArgs,
    #[command(flatten)]
    aws: AwsArgs,
}

impl WhoCanArgs {
    /// Whether the token that is asked about stands on the command line itself.
    pub(super) fn token_in_history(&self) -> bool {
        self.for_token.as_deref().is_some_and(in_history)
    }
}

/// What was found out.
struct Found {
    question: Question,
    rbac: Rbac,
    reach: Reach,
    /// Whom `--for-token` is about, and how that is known.
    bearer: Option<(Bearer, &'static str)>,
    /// On EKS the access entries.
    aws: Option<Aws>,
    /// Who decides instead of RBAC, or beside it.
    authorizers: Authorizers,
}

impl Found {
    /// Every subject that can, by the bindings that count.
    fn who<'a>(&self, world: &World<'a>) -> BTreeMap<Who, Vec<Way<'a>>> {
        let mut who = who_can(world, &self.question, self.reach);
        if let Some((bearer, _)) = &self.bearer {
            who.retain(|who, _| is_bearer(who, bearer));
        }
        // Nobody reads the bindings that are there all the same; that group is let through before anybody is asked.
        if self.authorizers.instead.is_some() {
            who.retain(|who, _| who.kind == "Group" && who.name == MASTERS);
            who.values_mut().for_each(Vec::clear);
        }
        who
    }

    /// What is missing in the list: what could not be read, and what no role or binding shows.
    fn missing(&self) -> Vec<String> {
        let mut missing: Vec<String> = self.rbac.unread.iter().map(|unread| format!("not read: {unread}")).collect();
        missing.extend(self.unlisted());
        missing
    }

    /// What no role and no binding would show, and could not be looked at.
    fn unlisted(&self) -> Vec<String> {
        let mut unlisted = self.principals().1;
        if self.nodes_may() {
            unlisted.push(NODES_UNSEEN.to_owned());
        }
        let Authorizers { instead, beside, .. } = &self.authorizers;
        unlisted.extend(instead.as_ref().map(|instead| format!("not known who can: {}", instead.sentence())));
        unlisted.extend(beside.as_ref().map(|beside| {
            let deny = if beside.may_deny { ", or deny it to some who are listed" } else { "" };
            format!("RBAC alone does not decide: {} may let others do it{deny}", beside.who)
        }));
        unlisted
    }

    /// On EKS the IAM principals whose access policies allow it, and what is not known of them.
    fn principals(&self) -> (Vec<Principal<'_>>, Vec<String>) {
        let Some(aws) = &self.aws else { return Default::default() };
        let (mut found, missing) = eks::principals(aws, &self.question, self.reach == Reach::Anywhere);
        match &self.bearer {
            None => {}
            // Only an IAM identity has an access entry.
            Some((Bearer::Known(user), _)) if eks::caller_of(user).is_some() => {
                found.retain(|principal| eks::is_principal(principal.arn, user));
            }
            Some(_) => return Default::default(),
        }
        (found, missing)
    }

    /// Every node can, where the server has the Node authorizer on, and nodes are asked about.
    fn nodes_may(&self) -> bool {
        let asked = match &self.bearer {
            None => true,
            Some((Bearer::Known(user), _)) => nodes::is_node(user),
            Some((Bearer::Claims(words), _)) => words.iter().any(|word| word == nodes::GROUP),
        };
        asked && nodes::may(&self.question)
    }
}

/// Said where [`nodes::may`] allows.
const NODES_UNSEEN: &str = "not listed: every kubelet (group system:nodes), which the Node authorizer lets do this where it is on \
    (--authorization-mode=Node,RBAC); no role or binding shows it";

/// Whom a token is, as far as it is known.
enum Bearer {
    /// The server said so.
    Known(User),
    /// Words of the token; the server may put a prefix before each.
    Claims(Vec<String>),
}

/// Runs the command.
///
/// # Errors
/// When it could not be found out.
pub fn run(host: &Host, connection: &ConnectionArgs, output: &OutputArgs, arguments: &WhoCanArgs) -> Result<u8, Error> {
    let scrubber = Scrubber::default();
    let flags = connection.to_flags(&scrubber).map_err(Error::plain)?;
    let given = arguments.for_token.as_deref().map(read_token).transpose().map_err(Error::plain)?;
    if let Some(secret) = &given {
        scrubber.learn_secret(secret);
    }
    let resolved = resolved(host, &flags, &scrubber)?;
    let eks = Eks::of(host, &resolved, arguments.aws.options(), arguments.limit.timeout, &scrubber);
    let runtime = runtime()?;
    let found: Result<Found, Unasked> = runtime.block_on(within(arguments.limit.timeout, async {
        let session = Session::open(host, &resolved, &arguments.exec, &scrubber).await?;
        let api = session.acting(Some(&resolved.impersonation))?;
        let types = Types::new(&api, session.copy.clone());
        let words = Words {
            verb: arguments.verb.clone(),
            resource: arguments.resource.clone(),
            name: arguments.name.clone(),
            subresource: arguments.subresource.clone(),
            all_namespaces: false,
            namespace: None,
        };
        // The lists do not depend on the question, so a type that must be looked up costs no extra time.
        let reading = lists::world(&api, "self", &resolved.namespace);
        let entries = async {
            Ok(match &eks {
                Some(eks) => Some(eks.all().await),
                None => None,
            })
        };
        let needed = async {
            let (question, rbac) = tokio::join!(types.question(&words, &resolved.namespace), reading);
            Ok::<_, Unasked>((question.map_err(Unasked::Words)?, rbac?))
        };
        // Most may not read the flags: then RBAC is taken to be asked, as it mostly is.
        let flags = tokio::time::timeout(PATIENCE, session.flags());
        // What cannot be answered waits for no AWS.
        let (read, flags) = tokio::join!(async { tokio::try_join!(needed, entries) }, flags);
        let ((mut question, rbac), aws) = read?;
        let flags = flags.ok().and_then(Result::ok);
        let authorizers = flags.as_ref().map(Authorizers::of).unwrap_or_default();
        let reach = if arguments.all_namespaces && !question.namespace.is_empty() {
            question.namespace.clear();
            Reach::Anywhere
        } else {
            Reach::Question
        };
        let mut bearer = None;
        if let Some(secret) = &given {
            bearer = Some(match apiserver::token_review(&api, secret, &scrubber).await {
                Ok(review) => match review.user {
                    Some(user) => (Bearer::Known(user), "TokenReview"),
                    None => {
                        let error = review.error.unwrap_or_else(|| "no reason given".to_owned());
                        note(&format!("the server does not accept this token ({error}); its claims are compared"));
                        (Bearer::Claims(claims(secret.expose())?), "its claims, under any prefix")
                    }
                },
                Err(_) => {
                    let claims = claims(secret.expose())?;
                    note("the token cannot be reviewed (it needs create on tokenreviews), so its claims are compared");
                    (Bearer::Claims(claims), "its claims, under any prefix")
                }
            });
        }
        Ok(Found { question, rbac, reach, bearer, aws, authorizers })
    }));
    runtime.shutdown_timeout(Duration::ZERO);
    let found = found.map_err(|unasked| match unasked {
        Unasked::Failed(failure) if failure.kind == FailureKind::Forbidden => {
            unanswered(&failure.needs("list on roles, rolebindings, clusterroles and clusterrolebindings"))
        }
        other => other.error("who-can"),
    })?;
    tell(&found, output, &scrubber, host)
}

/// The rows below each other: subject, then by which binding and role, then the rule.
fn list(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    let mut last = None;
    for row in rows.iter().skip(1) {
        let [kind, subject, scope, binding, role, rule] = row.as_slice() else { continue };
        if last != Some((kind, subject)) {
            text.push_str(&format!("{kind} {subject}\n"));
            last = Some((kind, subject));
        }
        text.push_str(&format!("  {scope}: {binding}\n    > {role}\n    > {rule}\n"));
    }
    text
}

fn tell(found: &Found, output: &OutputArgs, scrubber: &Scrubber, host: &Host) -> Result<u8, Error> {
    let world = World::new(&found.rbac);
    let who = found.who(&world);
    let subjects: Vec<(&Who, &Vec<Way<'_>>)> = who.iter().collect();
    let principals = found.principals().0;
    let mut text = Vec::new();
    match output.format() {
        Format::Json => json::write_json(&view(found, &subjects, &principals)?, &mut text)?,
        Format::Yaml => json::write_yaml(&view(found, &subjects, &principals)?, &mut text)?,
        Format::Mermaid => graph::mermaid(&paths(&subjects, &principals, scrubber), &mut text)?,
        Format::Dot => graph::dot(&paths(&subjects, &principals, scrubber), &mut text)?,
        format => {
            if format == Format::Markdown {
                let asked = crate::render::markdown::plain(&found.question.sentence());
                writeln!(text, "# kaccess who-can: {asked}\n")?;
            }
            let rows = rows(&subjects, &principals);
            let body = match format {
                Format::Markdown => render::markdown_table(&rows),
                _ => {
                    let columns = render::columns(&rows);
                    // A pipe gets one line a subject; a terminal that is too narrow for that gets a list.
                    let fits = columns.lines().all(|line| line.trim_end().chars().count() <= host.width);
                    if fits || !host.stdout_is_terminal { columns } else { list(&rows) }
                }
            };
            if subjects.is_empty() && principals.is_empty() {
                let all = found.missing().is_empty();
                text.extend_from_slice(if all { "nobody\n" } else { "nobody, in what could be read\n" }.as_bytes());
            } else {
                text.extend(scrubber.known_only(&body).into_bytes());
            }
        }
    }
    if !output.quiet {
        if matches!(output.format(), Format::Table | Format::Markdown) {
            let place = if found.reach == Reach::Anywhere { " or in any one namespace" } else { "" };
            let read = found.aws.as_ref().is_some_and(|aws| aws.access_entries.seen().is_some());
            let policies = if read { " and the access policies of EKS" } else { "" };
            let asked = crate::secret::strip_control(&found.question.sentence());
            note(&format!("who can {asked}{place}, by RBAC{policies}"));
            if let Some((_, how)) = &found.bearer {
                note(&format!("only subjects that the bearer of the token is, by {how}"));
            }
            for missing in found.missing() {
                note(&missing);
            }
        }
        answer(&text)?;
    }
    Ok(exit_code(found, &subjects, &principals))
}

fn exit_code(found: &Found, subjects: &[(&Who, &Vec<Way<'_>>)], principals: &[Principal<'_>]) -> u8 {
    // Members of system:masters always can; they alone are nobody in particular.
    let somebody = subjects.iter().any(|(_, ways)| !ways.is_empty())
        || (found.bearer.is_some() && !subjects.is_empty())
        || !principals.is_empty();
    match somebody {
        true => GOOD,
        false if found.missing().is_empty() => BAD,
        false => NONE,
    }
}

/// The user's and group names that a token carries.
///
/// # Errors
/// When it carries none: then nobody but the server knows whose it is, and "nobody can" would be no answer.
fn claims(text: &str) -> Result<Vec<String>, Failure> {
    let facts = token::parse(text);
    let mut words = Vec::new();
    let claims = facts.claims.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    for name in ["sub", "email", "preferred_username", "upn", "name", "username"] {
        words.extend(claims.get(name).and_then(Value::as_str).map(str::to_owned));
    }
    for (name, value) in &claims {
        if name.contains("group") || name.contains("role") {
            match value {
                Value::String(text) => words.push(text.clone()),
                Value::Array(list) => words.extend(list.iter().filter_map(|item| item.as_str().map(str::to_owned))),
                _ => {}
            }
        }
    }
    if words.is_empty() {
        let text = "what --for-token gives names nobody, and the server does not say whose it is";
        return Err(Failure::new(FailureKind::Malformed, text)
            .needs("a token that the server accepts, and create on tokenreviews"));
    }
    words.push(authz::AUTHENTICATED.to_owned());
    if let Some((namespace, _)) = claims.get("sub").and_then(Value::as_str).and_then(authz::service_account) {
        words.push("system:serviceaccounts".to_owned());
        words.push(format!("system:serviceaccounts:{namespace}"));
    }
    Ok(words)
}

fn is_bearer(who: &Who, bearer: &Bearer) -> bool {
    let account = format!("system:serviceaccount:{}:{}", who.namespace, who.name);
    match bearer {
        Bearer::Known(user) => match who.kind.as_str() {
            "Group" => user.groups.contains(&who.name),
            "ServiceAccount" => user.username == account,
            _ => user.username == who.name,
        },
        Bearer::Claims(words) => match who.kind.as_str() {
            "ServiceAccount" => words.contains(&account),
            _ => words.iter().any(|word| {
                who.name == *word
                    || (!word.is_empty()
                        && !who.name.starts_with("system:")
                        && who
                            .name
                            .strip_suffix(word.as_str())
                            .is_some_and(|prefix| prefix.ends_with([':', '#', '/', '-'])))
            }),
        },
    }
}

fn rows(subjects: &[(&Who, &Vec<Way<'_>>)], principals: &[Principal<'_>]) -> Vec<Vec<String>> {
    let head = ["KIND", "SUBJECT", "SCOPE", "BINDING", "ROLE", "RULE"].map(str::to_owned).to_vec();
    let mut rows = vec![head];
    for (who, ways) in subjects {
        let name = if who.namespace.is_empty() { who.name.clone() } else { format!("{}/{}", who.namespace, who.name) };
        let name = crate::render::human::plain(&name);
        if ways.is_empty() {
            rows.push(vec![who.kind.clone(), name.clone(), "cluster".to_owned(), "none needed".to_owned()]);
        }
        for way in *ways {
            let scope =
                if way.binding.namespace.is_empty() { "cluster".to_owned() } else { way.binding.namespace.clone() };
            rows.push(vec![
                who.kind.clone(),
                name.clone(),
                scope,
                crate::render::human::plain(&format!("{}/{}", way.binding.kind, way.binding.name)),
                crate::render::human::plain(&format!("{}/{}", way.role.kind, way.role.name)),
                render::rule_words(&rule_view(&way.rule)),
            ]);
        }
    }
    for principal in principals {
        for (policy, grant) in principal.policies() {
            let scope = if policy.scope == "namespace" { policy.namespaces.join(",") } else { "cluster".to_owned() };
            rows.push(vec![
                PRINCIPAL.to_owned(),
                crate::render::human::plain(principal.arn),
                crate::render::human::plain(&scope),
                "access entry".to_owned(),
                crate::render::human::plain(&format!("AccessPolicy/{}", policy.name())),
                render::rule_words(&grant.rule),
            ]);
        }
    }
    rows
}

/// The kind of a subject that is no user and no group of Kubernetes.
const PRINCIPAL: &str = "Principal";

/// The same as ways through a graph.
fn paths(subjects: &[(&Who, &Vec<Way<'_>>)], principals: &[Principal<'_>], scrubber: &Scrubber) -> Vec<graph::Path> {
    let mut paths = Vec::new();
    for (who, ways) in subjects {
        let place = if who.namespace.is_empty() { String::new() } else { format!("{}/", who.namespace) };
        let name = scrubber.text(&format!("{} {place}{}", who.kind, who.name));
        if ways.is_empty() {
            paths.push(graph::Path { labels: vec![name.clone(), "no binding needed".to_owned()], broken: false });
        }
        paths.extend(ways.iter().map(|way| {
            let words = [Named::from(way.binding).to_string(), Named::from(way.role).to_string()];
            let mut labels = vec![name.clone()];
            labels.extend(words.iter().map(|text| scrubber.text(text)));
            labels.push(scrubber.text(&render::rule_words(&rule_view(&way.rule))));
            graph::Path { labels, broken: false }
        }));
    }
    for principal in principals {
        paths.extend(principal.policies().map(|(policy, grant)| {
            let labels = [
                format!("{PRINCIPAL} {}", principal.arn),
                "its access entry".to_owned(),
                format!("{} for {}", policy.name(), policy.place()),
                render::rule_words(&grant.rule),
            ];
            graph::Path { labels: labels.iter().map(|text| scrubber.known_only(text)).collect(), broken: false }
        }));
    }
    paths
}

fn view(found: &Found, subjects: &[(&Who, &Vec<Way<'_>>)], principals: &[Principal<'_>]) -> Result<Value, Error> {
    let user = match &found.bearer {
        Some((Bearer::Known(user), _)) => user.clone(),
        _ => User::default(),
    };
    let subjects = subjects.iter().map(|(who, ways)| {
        let mut via: Vec<GrantView> = ways
            .iter()
            .map(|way| GrantView {
                binding: Some(Named::from(way.binding)),
                role: Some(Named::from(way.role)),
                rule: rule_view(&way.rule),
                subject: Value::Null,
                access_policy: None,
            })
            .collect();
        if who.name == MASTERS && who.kind == "Group" {
            let rule = json!({ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] });
            via.insert(0, GrantView { binding: None, role: None, rule, subject: Value::Null, access_policy: None });
        }
        WhoCanSubject {
            kind: who.kind.clone(),
            name: who.name.clone(),
            namespace: (!who.namespace.is_empty()).then(|| who.namespace.clone()),
            via,
        }
    });
    let principals = principals.iter().map(|principal| WhoCanSubject {
        kind: PRINCIPAL.to_owned(),
        name: principal.arn.to_owned(),
        namespace: None,
        via: principal.via.clone(),
    });
    let mut incomplete = found.rbac.unread.clone();
    incomplete.extend(found.unlisted());
    let subjects = subjects.chain(principals).collect();
    let body = WhoCanView { question: QuestionView::new(&found.question, &user), subjects, incomplete };
    Ok(json::headed_view("WhoCan", &body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::authz::modes::{Beside, Instead};
    use crate::evidence::access::ResourceRule;
    use crate::evidence::rbac::{Binding, Role, Subject};

    #[test]
    fn bindings_that_nobody_reads_let_nobody_in() {
        let all = || vec!["*".to_owned()];
        let rule = ResourceRule { verbs: all(), api_groups: all(), resources: all(), ..ResourceRule::default() };
        let role =
            Role { kind: "ClusterRole".into(), name: "all".to_owned(), resource_rules: vec![rule], ..Role::default() };
        let binding = Binding {
            kind: "ClusterRoleBinding".into(),
            name: "all".to_owned(),
            role_kind: "ClusterRole".into(),
            role_name: "all".to_owned(),
            subjects: vec![Subject { kind: "User".into(), name: "jane".to_owned(), ..Subject::default() }],
            ..Binding::default()
        };
        let rbac = Rbac { bindings: vec![binding], roles: vec![role], ..Rbac::default() };
        let question = Question { verb: "list".to_owned(), resource: "nodes".to_owned(), ..Question::default() };
        let authorizers = Authorizers::default();
        let mut found = Found { question, rbac, reach: Reach::Question, bearer: None, aws: None, authorizers };
        let names = |found: &Found| -> Vec<String> {
            let world = World::new(&found.rbac);
            found.who(&world).into_keys().map(|who| who.name).collect()
        };
        assert_eq!(names(&found), [MASTERS, "jane"]);
        assert!(found.missing().is_empty());
        found.authorizers.instead =
            Some(Instead { modes: "AlwaysAllow".to_owned(), decides: "AlwaysAllow".to_owned() });
        assert_eq!(names(&found), [MASTERS]);
        assert!(found.missing()[0].contains("(--authorization-mode=AlwaysAllow)"), "{:?}", found.missing());
    }

    #[test]
    fn who_is_asked_beside_rbac_leaves_the_list_open() {
        let question = Question { verb: "list".to_owned(), resource: "nodes".to_owned(), ..Question::default() };
        let mut found = Found {
            question,
            rbac: Rbac::default(),
            reach: Reach::Question,
            bearer: None,
            aws: None,
            authorizers: Authorizers::default(),
        };
        let code = |found: &Found| {
            let world = World::new(&found.rbac);
            let who = found.who(&world);
            let subjects: Vec<(&Who, &Vec<Way<'_>>)> = who.iter().collect();
            assert_eq!(subjects.len(), 1, "system:masters");
            exit_code(found, &subjects, &[])
        };
        // Nobody in particular, as --help has it.
        assert_eq!(code(&found), BAD);
        let command = <WhoCanArgs as clap::Args>::augment_args(clap::Command::new("who-can"));
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("1 nobody (but system:masters"), "{help}");
        for may_deny in [false, true] {
            found.authorizers.beside = Some(Beside { who: "a webhook".to_owned(), may_deny, in_a_file: false });
            assert_eq!(code(&found), NONE);
            let missing = found.missing();
            assert!(missing[0].contains("a webhook may let others do it"), "{missing:?}");
            assert_eq!(missing[0].contains("deny it to some"), may_deny, "{missing:?}");
            // In JSON, too.
            let view = view(&found, &[], &[]).unwrap_or_else(|_| panic!("it is told"));
            assert_eq!(view["incomplete"][0].as_str(), Some(missing[0].as_str()));
        }
    }
}
