//! `kaccess can-i`: access questions, answered by the server and explained by the model.

mod ask;
mod bulk;
mod matrix;
mod why;
mod words;

use std::io::Write as _;
use std::time::Duration;

use clap::{ArgAction, ValueEnum};
use serde_json::{Value, json};

pub use why::{PATIENCE, rule_view};
pub use words::{Types, Words};

use super::connect::{Session, Unasked, apart, resolved, runtime, within};
use super::eks::Eks;
use super::flags::{AwsArgs, ConnectionArgs, ExecArgs, Format, KubectlArgs, LimitArgs, OutputArgs, PprofArgs};
use super::{BAD, Error, GOOD, NONE, answer, columns_of, note, warn};
use crate::apiserver::authz::{World, request};
use crate::collect::access::rules_review;
use crate::collect::kubeconfig::ConnectionFlags;
use crate::evidence::access::{Question, ResourceRule};
use crate::evidence::identity::User;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::render::{access as render, graph, json};
use crate::report::access::{AccessAnswer, AccessListView, AccessMatrix, AnswerListView};
use crate::secret::Scrubber;
use ask::{Asker, Worlds};

/// How a question about somebody else is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// SubjectAccessReview.
    Review,
    /// Impersonation headers.
    Impersonation,
    /// From the RBAC objects.
    Computed,
}

impl Method {
    /// What it needs a right for.
    fn words(self) -> &'static str {
        match self {
            Self::Review => "SubjectAccessReview",
            Self::Impersonation => "impersonation",
            Self::Computed => "the RBAC objects",
        }
    }
}

/// Flags of `can-i`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kaccess can-i list pods\n  kaccess can-i get pods/log -n dev --why\n  kaccess can-i create deployments.apps -A\n  \
    kaccess can-i list pods --as-group oidc:backend     somebody in that group, with system:authenticated\n  kaccess can-i get /metrics\n  \
    kaccess can-i --http 'DELETE /api/v1/namespaces/dev/pods/web'\n  kaccess can-i --matrix --resources pods,pods/log,secrets\n  \
    kaccess can-i -f questions.txt\n\n\
    A line of -f is a question in words, or in JSON with whom it is about; # begins a comment:\n  \
    get pods -n dev --as-group oidc:backend\n  \
    {\"verb\":\"get\",\"resource\":\"pods\",\"groups\":[\"oidc:backend\"]}\n  \
    {\"verb\":\"get\",\"nonResourceURL\":\"/metrics\",\"user\":\"alice\"}\n\n\
    Further fields: group, subresource, name.\n\nExit codes: 0 yes, 1 no, 2 the question could not be put."
)]
pub struct CanIArgs {
    /// get, list, watch, create, update, patch, delete, ... or * for all
    verb: Option<String>,
    /// TYPE, TYPE/NAME, TYPE/SUBRESOURCE or a path such as /metrics
    #[arg(value_name = "TYPE | TYPE/NAME | TYPE/SUBRESOURCE | NONRESOURCEURL")]
    resource: Option<String>,
    /// Name of the object
    name: Option<String>,
    /// Subresource, such as log or scale
    #[arg(long)]
    subresource: Option<String>,
    /// In all namespaces
    #[arg(short = 'A', long, action = ArgAction::Set, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", default_value = "false", hide_default_value = true, hide_possible_values = true,
        value_name = "BOOL")]
    all_namespaces: bool,
    /// List everything that is allowed in the namespace
    #[arg(long, conflicts_with_all = ["matrix", "filename", "http", "each_namespace", "why", "all_namespaces", "subresource", "verb"])]
    list: bool,
    /// Without the head line of --list and --matrix
    #[arg(long)]
    no_headers: bool,
    /// Say why: all grants of a yes; near misses and the smallest grant for a no
    #[arg(long)]
    why: bool,
    /// Resources against verbs
    #[arg(long, conflicts_with_all = ["filename", "http", "each_namespace", "why", "verb"])]
    matrix: bool,
    /// Verbs of the matrix
    #[arg(long, value_delimiter = ',', requires = "matrix", value_name = "VERB,..")]
    verbs: Vec<String>,
    /// Resources of the matrix
    #[arg(long, value_delimiter = ',', requires = "matrix", value_name = "TYPE,..")]
    resources: Vec<String>,
    /// Namespaces of the matrix
    #[arg(long, value_delimiter = ',', requires = "matrix", value_name = "NAMESPACE,..")]
    namespaces: Vec<String>,
    /// In which namespaces?
    #[arg(long, conflicts_with_all = ["filename", "http", "all_namespaces"])]
    each_namespace: bool,
    /// The question of an HTTP request: "GET /api/v1/pods"
    #[arg(long, value_name = "REQUEST", conflicts_with_all = ["filename", "verb"])]
    http: Option<String>,
    /// Questions from a file, or - for stdin: one a line, as words or as JSON
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with = "verb")]
    filename: Option<String>,
    /// Force one way of asking about somebody else
    #[arg(long, value_enum)]
    method: Option<Method>,
    #[command(flatten)]
    exec: ExecArgs,
    #[command(flatten)]
    limit: LimitArgs,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    kubectl: KubectlArgs,
    #[command(flatten)]
    pprof: PprofArgs,
}

impl CanIArgs {
    /// The answer has ways that can be drawn.
    pub fn drawn(&self) -> bool {
        self.why && !self.each_namespace && self.filename.is_none()
    }

    /// Said where `--why` adds nothing: many answers are a line each.
    fn without_why(&self) -> Option<&'static str> {
        if !self.why {
            None
        } else if self.each_namespace {
            Some("note: --why says nothing with --each-namespace; ask for one namespace, with -n NAMESPACE --why")
        } else if self.filename.is_some() {
            Some("note: --why says nothing with -f; ask one question alone, with --why")
        } else {
            None
        }
    }

    /// What kubectl refuses too.
    fn validate(&self) -> Result<(), Error> {
        let question = self.verb.is_some() && self.resource.is_some();
        let other = self.list || self.matrix || self.http.is_some() || self.filename.is_some();
        if !question && !other {
            return Err(Error::new(
                "a question is a verb and a resource: VERB TYPE, VERB TYPE/NAME or VERB /PATH",
                "kaccess can-i --help shows the forms",
            ));
        }
        if self.no_headers && !self.list && !self.matrix {
            return Err(Error::plain("--no-headers goes with --list or --matrix"));
        }
        Ok(())
    }
}

/// Runs the command.
///
/// # Errors
/// When the question could not be put.
pub fn run(host: &Host, connection: &ConnectionArgs, output: &OutputArgs, arguments: &CanIArgs) -> Result<u8, Error> {
    arguments.validate()?;
    if let Some(text) = arguments.without_why() {
        note(text);
    }
    let lines = arguments.filename.as_deref().map(bulk::read).transpose()?;
    let scrubber = Scrubber::default();
    let flags = connection.to_flags(&scrubber).map_err(Error::plain)?;
    let resolved = resolved(host, &flags, &scrubber)?;
    let options = arguments.aws.options_beside_kubectl();
    let eks = Eks::of(host, &resolved, options, arguments.limit.timeout, &scrubber);
    let runtime = runtime()?;
    let told: Result<Told, Unasked> = runtime.block_on(within(arguments.limit.timeout, async {
        let session = Session::open(host, &resolved, &arguments.exec, &scrubber).await?;
        if arguments.list {
            return Ok(apart(|| list(&session, &flags, arguments)).await?);
        }
        if arguments.matrix {
            return Ok(apart(|| fill_matrix(&session, &flags, arguments)).await?);
        }
        if let Some(lines) = lines {
            return Ok(Told::Answers(apart(|| bulk::answer_lines(&session, &flags, arguments, lines)).await?));
        }
        one(&session, &flags, arguments, eks.as_ref()).await
    }));
    runtime.shutdown_timeout(Duration::ZERO);
    let told = told.map_err(|unasked| unasked.error("can-i"))?;
    tell(&told, output, arguments, &scrubber, columns_of(host))
}

/// What there is to say.
enum Told {
    Answer(Box<AccessAnswer>),
    Answers(Vec<AccessAnswer>),
    List { namespace: String, rules: Vec<Value>, incomplete: bool },
    Matrix(AccessMatrix),
}

fn tell(
    told: &Told,
    output: &OutputArgs,
    arguments: &CanIArgs,
    scrubber: &Scrubber,
    width: Option<usize>,
) -> Result<u8, Error> {
    let mut text = Vec::new();
    let table = |rows: &[Vec<String>]| match output.format() {
        Format::Markdown => render::markdown_table(rows),
        _ => render::columns_within(rows, width),
    };
    if output.format() == Format::Markdown {
        let title = match told {
            Told::Answer(_) => None,
            Told::Answers(_) => Some("can-i".to_owned()),
            Told::List { namespace, .. } => Some(format!("can-i --list, in namespace {namespace}")),
            Told::Matrix(matrix) => match matrix.namespaces.as_slice() {
                [one] if !one.is_empty() => Some(format!("can-i --matrix, in namespace {one}")),
                _ => Some("can-i --matrix".to_owned()),
            },
        };
        if let Some(title) = title {
            writeln!(text, "# kaccess {}\n", crate::render::markdown::plain(&title))?;
        }
    }
    match (told, output.format()) {
        (_, Format::Json) => json::write_json(&view(told)?, &mut text)?,
        (_, Format::Yaml) => json::write_yaml(&view(told)?, &mut text)?,
        (Told::Answer(answer), Format::Mermaid) => graph::mermaid(&why::paths(answer), &mut text)?,
        (Told::Answer(answer), Format::Dot) => graph::dot(&why::paths(answer), &mut text)?,
        (Told::Answer(answer), Format::Markdown) => render::answer_markdown(answer, &mut text)?,
        (Told::Answer(answer), _) => render::answer(answer, width, &mut text)?,
        (Told::Answers(answers), format) => {
            let mut rows = render::answer_rows(answers);
            if format == Format::Markdown {
                rows.insert(0, ["Answer", "Question", "Reason"].map(str::to_owned).to_vec());
                rows.iter_mut().for_each(|row| row.resize(3, String::new()));
            }
            text.extend(table(&rows).into_bytes());
        }
        (Told::List { rules, .. }, _) => {
            text.extend(table(&render::rule_rows(rules, !arguments.no_headers)).into_bytes());
        }
        (Told::Matrix(matrix), _) => {
            let mut rows = render::matrix_rows(matrix);
            if arguments.no_headers {
                rows.remove(0);
            }
            text.extend(table(&rows).into_bytes());
        }
    }
    if !output.quiet {
        if let Told::Answer(answer) = told
            && output.format() == Format::Table
            && answer.method != "self-review"
        {
            note(&format!("asked about {}, by {}", subject_words(&answer.subject), method_words(answer.method)));
        }
        let text = match output.format() {
            // A reason is the server's text, and may repeat what must not be shown.
            Format::Table | Format::Markdown | Format::Mermaid | Format::Dot => {
                scrubber.text(&String::from_utf8_lossy(&text)).into_bytes()
            }
            _ => text,
        };
        answer(&text)?;
    }
    Ok(exit_code(told))
}

fn exit_code(told: &Told) -> u8 {
    match told {
        Told::Answer(answer) => together([answer.allowed]),
        Told::Answers(answers) => together(answers.iter().map(|answer| answer.allowed)),
        Told::Matrix(matrix) if matrix.is_unanswered() => NONE,
        Told::List { .. } | Told::Matrix(_) => GOOD,
    }
}

/// Questions put together: a gap comes first, for who relies on all of them has no answer.
fn together(answers: impl IntoIterator<Item = Option<bool>>) -> u8 {
    let codes = answers.into_iter().map(|allowed| match allowed {
        Some(true) => GOOD,
        Some(false) => BAD,
        None => NONE,
    });
    codes.max().unwrap_or(GOOD)
}

fn view(told: &Told) -> std::io::Result<Value> {
    match told {
        Told::Answer(answer) => json::headed_view("AccessAnswer", &answer.view()),
        Told::Answers(answers) => json::headed_view(
            "AccessAnswerList",
            &AnswerListView { items: answers.iter().map(AccessAnswer::view).collect() },
        ),
        Told::List { namespace, rules, incomplete } => json::headed_view(
            "AccessList",
            &AccessListView { namespace: namespace.clone(), rules: rules.clone(), incomplete: *incomplete },
        ),
        Told::Matrix(matrix) => json::headed_view("AccessMatrix", &matrix.view()),
    }
}

fn method_words(method: &str) -> &'static str {
    match method {
        "review" => "SubjectAccessReview",
        "impersonation" => "impersonation",
        "computed" => "computing from the RBAC objects (other authorizers are not counted)",
        _ => "SelfSubjectAccessReview",
    }
}

fn subject_words(subject: &User) -> String {
    let groups = subject.groups.join(", ");
    if subject.username.is_empty() {
        format!("somebody in {groups}")
    } else if groups.is_empty() {
        subject.username.clone()
    } else {
        format!("{} in {groups}", subject.username)
    }
}

fn about_other(flags: &ConnectionFlags) -> bool {
    flags.impersonate.is_some() || !flags.impersonate_groups.is_empty()
}

/// The question of the command line.
async fn question_of(session: &Session<'_>, arguments: &CanIArgs) -> Result<Question, Unasked> {
    if let Some(request) = &arguments.http {
        let malformed = |text: &str| Unasked::Words(Failure::new(FailureKind::Malformed, text));
        let mut parts = request.split_whitespace();
        let (Some(method), Some(path)) = (parts.next(), parts.next()) else {
            return Err(malformed("a request is METHOD and path, such as \"GET /api/v1/pods\""));
        };
        // A whole URL is taken by its path.
        let path = path.split_once("://").map_or(path, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
        return request::from_http(&method.to_uppercase(), path).map_err(|text| malformed(&text));
    }
    let api = session.own()?;
    let words = Words {
        verb: arguments.verb.clone().unwrap_or_default(),
        resource: arguments.resource.clone().unwrap_or_default(),
        name: arguments.name.clone(),
        subresource: arguments.subresource.clone(),
        all_namespaces: arguments.all_namespaces,
        namespace: None,
    };
    let types = Types::new(&api, session.copy.clone());
    types.question(&words, &session.resolved.namespace).await.map_err(Unasked::Words)
}

async fn one(
    session: &Session<'_>,
    flags: &ConnectionFlags,
    arguments: &CanIArgs,
    eks: Option<&Eks<'_>>,
) -> Result<Told, Unasked> {
    let question = question_of(session, arguments).await?;
    let wanted = &session.resolved.impersonation;
    let worlds = &Worlds::default();
    if arguments.each_namespace {
        let asker = if about_other(flags) {
            apart(|| Asker::about_many(session, wanted, arguments.method, &question, worlds)).await?
        } else {
            Asker::own(session)?
        };
        return Ok(Told::Answers(apart(|| bulk::each_namespace(session, &asker, &question)).await?));
    }
    let (asker, check) = if about_other(flags) {
        apart(|| Asker::about(session, wanted, arguments.method, &question, worlds)).await?
    } else {
        let asker = Asker::own(session)?;
        let check = asker.check(&question).await?;
        (asker, check)
    };
    let mut answer = asker.answer(&question, Ok(check));
    if arguments.why {
        apart(|| why::explain(session, &asker, &question, eks, &mut answer)).await;
    }
    Ok(Told::Answer(Box::new(answer)))
}

/// Everything that is allowed in the namespace.
async fn list(session: &Session<'_>, flags: &ConnectionFlags, arguments: &CanIArgs) -> Result<Told, Failure> {
    let namespace = session.resolved.namespace.clone();
    let probe = Question {
        verb: "list".to_owned(),
        resource: "pods".to_owned(),
        namespace: namespace.clone(),
        ..Question::default()
    };
    let asker = if about_other(flags) {
        let wanted = &session.resolved.impersonation;
        let method = arguments.method.or(Some(Method::Impersonation));
        match Asker::about_many(session, wanted, method, &probe, &Worlds::default()).await {
            Err(failure) if failure.kind == FailureKind::Forbidden && arguments.method.is_none() => {
                Asker::about_many(session, wanted, Some(Method::Computed), &probe, &Worlds::default()).await?
            }
            other => other?,
        }
    } else {
        Asker::own(session)?
    };
    if let Some(rbac) = asker.computed() {
        let (rules, errors) = World::new(rbac).rules_for(&asker.subject, &namespace);
        let rules = rules.iter().map(rule_view).collect();
        note("computed from the RBAC objects; other authorizers are not counted");
        if let Some(who) = asker.beside() {
            note(&format!("not in the list: what {who} may allow or deny"));
        }
        for unread in &rbac.unread {
            note(&format!("not read: {unread}"));
        }
        let incomplete = !errors.is_empty() || !rbac.unread.is_empty() || asker.beside().is_some();
        return Ok(Told::List { namespace, rules, incomplete });
    }
    let Some(api) = &asker.acting else {
        return Err(Failure::new(FailureKind::Unsupported, "SubjectAccessReview answers questions, it lists nothing"));
    };
    let reviewed = rules_review(api, &namespace).await?;
    let mut rules: Vec<Value> = reviewed
        .resource_rules
        .iter()
        .map(crate::apiserver::authz::rules::Rule::Resource)
        .chain(reviewed.non_resource_rules.iter().map(crate::apiserver::authz::rules::Rule::Path))
        .map(|rule| rule_view(&rule))
        .collect();
    if reviewed.incomplete {
        let added = ask_the_rest(session, &asker, &namespace, &reviewed.resource_rules).await;
        warn(&format!(
            "Warning: the list may be incomplete: {}",
            crate::secret::strip_control(&reviewed.evaluation_error)
        ));
        note(&format!(
            "asked one by one for the built-in types: {} further rights were found, and are in the list",
            added.len()
        ));
        rules.extend(added);
    }
    Ok(Told::List { namespace, rules, incomplete: reviewed.incomplete })
}

/// What an authorizer allows that cannot list its rules (a webhook; EKS access policies): the built-in types, verb by
/// verb.
async fn ask_the_rest(session: &Session<'_>, asker: &Asker, namespace: &str, known: &[ResourceRule]) -> Vec<Value> {
    let Ok(api) = session.own() else { return Vec::new() };
    let types = Types::new(&api, session.copy.clone());
    let mut questions = Vec::new();
    let names: Vec<String> = crate::apiserver::authz::resources::RESOURCES
        .iter()
        .flat_map(|kind| {
            let whole =
                if kind.group.is_empty() { kind.name.to_owned() } else { format!("{}.{}", kind.name, kind.group) };
            std::iter::once(whole.clone())
                .chain(kind.subresources.iter().map(move |subresource| format!("{whole}/{subresource}")))
        })
        .collect();
    for row in matrix::rows(&types, &names, &[namespace.to_owned()], &mut 0).await {
        for verb in matrix::VERBS {
            let question = row.question(verb);
            if !matrix::allowed_by(known, &question) {
                questions.push(question);
            }
        }
    }
    let checks = asker.check_all(&questions).await;
    questions
        .iter()
        .zip(checks)
        .filter(|(_, check)| check.as_ref().is_ok_and(|check| check.allowed))
        .map(|(question, _)| {
            json!({ "verbs": [question.verb], "apiGroups": [question.group], "resources": [question.whole()] })
        })
        .collect()
}

async fn fill_matrix(session: &Session<'_>, flags: &ConnectionFlags, arguments: &CanIArgs) -> Result<Told, Failure> {
    let namespaces = if arguments.all_namespaces {
        vec![String::new()]
    } else if arguments.namespaces.is_empty() {
        vec![session.resolved.namespace.clone()]
    } else {
        arguments.namespaces.clone()
    };
    let verbs: Vec<String> =
        if arguments.verbs.is_empty() { matrix::VERBS.map(str::to_owned).to_vec() } else { arguments.verbs.clone() };
    let mut filled = AccessMatrix { namespaces, verbs, ..AccessMatrix::default() };
    let own = session.own()?;
    let types = Types::new(&own, session.copy.clone());
    filled.rows = matrix::rows(&types, &arguments.resources, &filled.namespaces, &mut filled.requests).await;
    let asker = if about_other(flags) {
        filled.requests += 1;
        let probe = Question { verb: "list".to_owned(), resource: "pods".to_owned(), ..Question::default() };
        Asker::about_many(session, &session.resolved.impersonation, arguments.method, &probe, &Worlds::default())
            .await?
    } else {
        Asker::own(session)?
    };
    matrix::fill(&asker, &mut filled).await?;
    Ok(Told::Matrix(filled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::access::MatrixRow;

    #[test]
    fn a_gap_comes_before_a_no_and_a_no_before_a_yes() {
        assert_eq!(together([Some(true), None, Some(false)]), NONE);
        assert_eq!(together([Some(false), Some(true)]), BAD);
        assert_eq!(together([Some(true), Some(true)]), GOOD);
        assert_eq!(together([]), GOOD);
    }

    #[test]
    fn a_matrix_without_one_answer_is_none() {
        let code = |rows: &[&[Option<bool>]]| {
            let row = |allowed: &&[Option<bool>]| MatrixRow {
                group: String::new(),
                resource: "pods".to_owned(),
                subresource: String::new(),
                namespace: "dev".to_owned(),
                allowed: allowed.to_vec(),
            };
            exit_code(&Told::Matrix(AccessMatrix { rows: rows.iter().map(row).collect(), ..AccessMatrix::default() }))
        };
        assert_eq!(code(&[&[None, None], &[None, None]]), NONE);
        assert_eq!(code(&[&[None, None], &[Some(false), None]]), GOOD);
        assert_eq!(code(&[]), GOOD);
    }
}
