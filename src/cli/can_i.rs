//! `kaccess can-i`: one access question, answered by the server.

use std::io::Write as _;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::flags::{ConnectionArgs, Format, OutputArgs};
use super::{BAD, Error, GOOD, answer, note};
use crate::apiserver::authz::{self, resources};
use crate::collect::access::{attributes, self_review, verdict};
use crate::collect::apiserver::Api;
use crate::collect::credential::{self, ExecOptions};
use crate::collect::kubeconfig::{self, ConnectionFlags, Impersonation, Resolved};
use crate::collect::tls::TlsSettings;
use crate::collect::wire::{Destination, Limits, Wire};
use crate::collect::{proxy, rbac};
use crate::evidence::access::{Check, Question};
use crate::evidence::identity::User;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::render::json;
use crate::secret::Scrubber;

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

/// Flags of `can-i`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kaccess can-i list pods\n  kaccess can-i get pods/log -n dev\n  kaccess can-i create deployments.apps -A\n  \
    kaccess can-i list pods --as-group oidc:backend     somebody in that group, with system:authenticated\n  kaccess can-i get /metrics\n\n\
    Exit codes: 0 yes, 1 no, 2 the question could not be put."
)]
pub struct CanIArgs {
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
    /// In all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Force one way of asking about somebody else
    #[arg(long, value_enum)]
    method: Option<Method>,
    /// Never run the credential plugin
    #[arg(long)]
    no_exec: bool,
}

/// An answer with the way it was found.
struct Answer {
    check: Check,
    method: &'static str,
}

/// Runs the command.
///
/// # Errors
/// When the question could not be put.
pub fn run(host: &Host, connection: &ConnectionArgs, output: &OutputArgs, arguments: &CanIArgs) -> Result<u8, Error> {
    let scrubber = Scrubber::default();
    let flags = connection.to_flags(&scrubber).map_err(Error::plain)?;
    let (_, resolved) = kubeconfig::load(host, &flags, &scrubber);
    let resolved = resolved.map_err(|failure| unanswered(&failure))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::plain(format!("no runtime: {error}")))?;
    let asked = runtime.block_on(async { ask(host, &resolved, &flags, arguments, &scrubber).await });
    runtime.shutdown_timeout(Duration::ZERO);
    let (answered, question, subject) = asked.map_err(|failure| unanswered(&failure))?;
    let mut text = Vec::new();
    match output.format() {
        Format::Table | Format::Markdown => {
            let mut line = if answered.check.allowed { "yes" } else { "no" }.to_owned();
            // kubectl adds the reason to a no only.
            if !answered.check.allowed {
                for part in [&answered.check.reason, &answered.check.evaluation_error] {
                    if !part.is_empty() {
                        line.push_str(" - ");
                        line.push_str(&scrubber.text(part));
                    }
                }
            }
            writeln!(text, "{line}")?;
        }
        Format::Json => json::write_json(&view(&answered, &question, &subject), &mut text)?,
        Format::Yaml => json::write_yaml(&view(&answered, &question, &subject), &mut text)?,
    }
    if !output.quiet {
        if matches!(output.format(), Format::Table) && answered.method != "self-review" {
            note(&format!("asked about {}, by {}", subject_words(&subject), method_words(answered.method)));
        }
        answer(&text)?;
    }
    Ok(if answered.check.allowed { GOOD } else { BAD })
}

fn unanswered(failure: &Failure) -> Error {
    let text = format!("the question could not be put: {}", failure.detail);
    match (&failure.needs, failure.kind) {
        (Some(needs), _) => Error::new(text, format!("it needs {needs}")),
        (None, FailureKind::Unauthorized) => {
            Error::new(text, "the API server does not accept this credential; kaccess doctor says why")
        }
        _ => Error::new(text, "kaccess doctor looks at the whole way"),
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

fn view(answered: &Answer, question: &Question, subject: &User) -> Value {
    let or_null = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let mut view = json!({
        "apiVersion": json::API_VERSION,
        "kind": "AccessAnswer",
        "question": {
            "verb": question.verb,
            "group": question.group,
            "resource": question.resource,
            "subresource": question.subresource,
            "name": question.name,
            "namespace": question.namespace,
            "nonResourceURL": question.path,
            "user": or_null(&subject.username),
            "groups": subject.groups,
        },
        "allowed": answered.check.allowed,
        "reason": answered.check.reason,
        "method": answered.method,
        "grants": Value::Null,
        "nearMisses": Value::Null,
        "suggestion": Value::Null,
    });
    if !answered.check.evaluation_error.is_empty() {
        view["evaluationError"] = json!(answered.check.evaluation_error);
    }
    view
}

async fn ask(
    host: &Host,
    resolved: &Resolved,
    flags: &ConnectionFlags,
    arguments: &CanIArgs,
    scrubber: &Scrubber,
) -> Result<(Answer, Question, User), Failure> {
    let options = ExecOptions {
        allowed: !arguments.no_exec,
        timeout: Duration::from_secs(60),
        show_stderr: super::doctor::stderr_sink(host),
        interactive: host.stdin_is_terminal,
    };
    let output = match &resolved.user.exec {
        Some(exec) if options.allowed => {
            let (run, output) = credential::run_plugin(exec, resolved, host, &options, scrubber).await;
            let run = run?;
            if output.is_none() {
                let said = run.stderr.lines().last().unwrap_or_default();
                return Err(Failure::new(
                    FailureKind::PluginFailed,
                    format!(
                        "{}; its last word: {said}",
                        run.output_error.unwrap_or_else(|| "the credential plugin failed".to_owned())
                    ),
                ));
            }
            output
        }
        Some(_) => {
            return Err(Failure::new(
                FailureKind::Declined,
                "the credential comes from a plugin, and --no-exec was given",
            ));
        }
        None => None,
    };
    let (obtained, _) = credential::obtain(resolved, output.as_ref(), scrubber).await?;
    let decision = proxy::choose(host, &resolved.server, resolved.proxy_url.as_deref())?;
    let tls = TlsSettings {
        roots: resolved.roots.clone(),
        client_identity: obtained.client_identity.clone(),
        server_name: resolved.tls_server_name.clone(),
        insecure: resolved.insecure,
    };
    let wire = Wire::new(
        Destination {
            url: resolved.server.clone(),
            tls: (resolved.server.scheme() == "https").then_some(tls),
            proxy: decision.proxy,
            user_agent: crate::collect::issuer::OWN_AGENT.to_owned(),
            connect_timeout: Duration::from_secs(8),
        },
        host,
    )?;
    let api = |impersonation: Option<&Impersonation>| {
        Api::with_credential(wire.clone(), &resolved.server, &obtained, impersonation, scrubber)
    };
    let own = api(None)?;
    let question = question(arguments, resolved, &own).await?;
    let wanted = &resolved.impersonation;
    let about_other = flags.impersonate.is_some() || !flags.impersonate_groups.is_empty();
    if !about_other {
        // `as` of the user entry is part of who we are, as it is for kubectl.
        let check = self_review(&api(Some(wanted))?, &question).await?;
        return Ok((Answer { check, method: "self-review" }, question, User::default()));
    }
    let user = wanted.user.clone().unwrap_or_default();
    let mut groups = wanted.groups.clone();
    if !groups.iter().any(|group| group == "system:authenticated" || group == "system:unauthenticated")
        && user != "system:anonymous"
    {
        groups.push("system:authenticated".to_owned());
    }
    let subject = User { username: user, groups, ..User::default() };
    // A named user is impersonated as kubectl does; a group alone is nobody who could be impersonated, so it is reviewed.
    let ways: Vec<Method> = match arguments.method {
        Some(method) => vec![method],
        None if subject.username.is_empty() => vec![Method::Review, Method::Impersonation, Method::Computed],
        None => vec![Method::Impersonation, Method::Review, Method::Computed],
    };
    let mut refusals = Vec::new();
    for way in ways {
        let result = match way {
            Method::Review => review(&own, &subject, &question).await.map(|check| Answer { check, method: "review" }),
            Method::Impersonation => {
                let mut impersonation = wanted.clone();
                if impersonation.user.is_none() {
                    impersonation.user = Some("kaccess:somebody".to_owned());
                }
                impersonation.groups.clone_from(&subject.groups);
                self_review(&api(Some(&impersonation))?, &question)
                    .await
                    .map(|check| Answer { check, method: "impersonation" })
            }
            Method::Computed => computed(&own, &subject, &question).await,
        };
        match result {
            Ok(answered) => return Ok((answered, question, subject)),
            // Only a missing right leads to the next way; anything else would fail there too.
            Err(failure) if failure.kind == FailureKind::Forbidden => refusals.push(failure),
            Err(failure) => return Err(failure),
        }
    }
    let text = refusals.iter().map(|failure| failure.detail.clone()).collect::<Vec<_>>().join("; ");
    Err(Failure::new(FailureKind::Forbidden, text)
        .needs("create on subjectaccessreviews.authorization.k8s.io, or impersonate on users and groups, or list on the four RBAC kinds"))
}

async fn review(api: &Api, subject: &User, question: &Question) -> Result<Check, Failure> {
    let mut spec = attributes(question);
    if !subject.username.is_empty() {
        spec["user"] = json!(subject.username);
    }
    spec["groups"] = json!(subject.groups);
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec });
    let answer: Value = api.review("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await?;
    Ok(verdict(question, &answer))
}

async fn computed(api: &Api, subject: &User, question: &Question) -> Result<Answer, Failure> {
    let lists = rbac::rbac(api, subject, "self").await?;
    let grant = authz::World::new(&lists)
        .grants(subject, question)
        .first()
        .map(|grant| format!("{} {:?}", grant.binding.kind, grant.binding.name));
    if grant.is_none() && !lists.unread.is_empty() {
        return Err(Failure::new(
            FailureKind::Forbidden,
            format!("not everything could be read: {}", lists.unread.join("; ")),
        ));
    }
    let check = Check {
        question: question.clone(),
        allowed: grant.is_some(),
        reason: grant.map(|grant| format!("RBAC: allowed by {grant}")).unwrap_or_default(),
        evaluation_error: String::new(),
    };
    Ok(Answer { check, method: "computed" })
}

/// The words of the command line as a question, by kubectl's grammar.
async fn question(arguments: &CanIArgs, resolved: &Resolved, api: &Api) -> Result<Question, Failure> {
    let verb = arguments.verb.clone();
    if !resources::VERBS.contains(&verb.as_str()) && !arguments.resource.starts_with('/') {
        let near = resources::nearest(&verb.to_lowercase(), resources::VERBS.iter().copied())
            .map(|near| format!(" (did you mean {near}?)"))
            .unwrap_or_default();
        note(&format!("Warning: verb '{verb}' is not a known verb{near}"));
    }
    if arguments.resource.starts_with('/') {
        if arguments.name.is_some() || arguments.subresource.is_some() {
            return Err(Failure::new(FailureKind::Malformed, "a path has neither name nor subresource"));
        }
        return Ok(Question { verb, path: Some(arguments.resource.clone()), ..Question::default() });
    }
    let (word, tail) = match arguments.resource.split_once('/') {
        Some((word, tail)) => (word, Some(tail)),
        None => (arguments.resource.as_str(), None),
    };
    let mut known: Option<(String, String, bool, Vec<String>)> = resources::find(word).map(|resource| {
        let subresources = resource.subresources.iter().map(|name| (*name).to_owned()).collect();
        (resource.group.to_owned(), resource.name.to_owned(), resource.namespaced, subresources)
    });
    if known.is_none() && word != "*" {
        known = discover(api, word).await;
        if known.is_none() {
            let near =
                resources::nearest(&word.to_lowercase(), resources::RESOURCES.iter().map(|resource| resource.name))
                    .map(|near| format!(" (did you mean {near}?)"))
                    .unwrap_or_default();
            note(&format!("Warning: the server doesn't have a resource type '{word}'{near}"));
        }
    }
    let (group, resource, namespaced, subresources) = known.unwrap_or_else(|| {
        // Asked as written, as kubectl does.
        let (resource, group) = word.split_once('.').unwrap_or((word, if word == "*" { "*" } else { "" }));
        (group.to_owned(), resource.to_owned(), true, Vec::new())
    });
    let mut name = arguments.name.clone().unwrap_or_default();
    let mut subresource = arguments.subresource.clone().unwrap_or_default();
    if let Some(tail) = tail {
        if subresource.is_empty() && subresources.iter().any(|known| known == tail) {
            tail.clone_into(&mut subresource);
        } else if name.is_empty() {
            tail.clone_into(&mut name);
        } else {
            return Err(Failure::new(FailureKind::Malformed, format!("two names: {tail:?} and {name:?}")));
        }
    }
    let namespace = if !namespaced || arguments.all_namespaces { String::new() } else { resolved.namespace.clone() };
    Ok(Question { verb, group, resource, subresource, name, namespace, path: None })
}

/// Looks a type up that is not built in, by one request for all groups.
async fn discover(api: &Api, word: &str) -> Option<(String, String, bool, Vec<String>)> {
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let limits = Limits { body_bytes: 16 * 1024 * 1024, time: Duration::from_secs(8) };
    let answer = api.send("GET", "/apis", None, accept, limits).await.ok()?;
    let list: Value = api.decode(&answer).ok()?;
    let lower = word.to_lowercase();
    let (name, wanted) = match lower.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (lower.as_str(), None),
    };
    for group in list.get("items")?.as_array()? {
        let group_name = group.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if wanted.is_some_and(|wanted| {
            wanted != group_name && wanted.split_once('.').is_none_or(|(_, rest)| rest != group_name)
        }) {
            continue;
        }
        for resource in group
            .get("versions")?
            .as_array()?
            .iter()
            .filter_map(|version| version.get("resources")?.as_array())
            .flatten()
        {
            let text = |field: &str| resource.get(field).and_then(Value::as_str).unwrap_or_default();
            let short = resource
                .get("shortNames")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .any(|short| short.as_str() == Some(name));
            if text("resource") == name || text("singularResource") == name || short {
                let subresources = resource
                    .get("subresources")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|sub| sub.get("subresource")?.as_str().map(str::to_owned))
                    .collect();
                return Some((
                    group_name.to_owned(),
                    text("resource").to_owned(),
                    text("scope") == "Namespaced",
                    subresources,
                ));
            }
        }
    }
    None
}
