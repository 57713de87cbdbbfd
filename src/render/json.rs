//! The JSON form: view types with a version of their own (`kaccess.dev/v1`), never an internal type.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::evidence::Evidence;
use crate::evidence::credential::TokenFacts;
use crate::evidence::identity::User;
use crate::report::allowlist::{Endpoint, Interface};
use crate::report::changes::Change;
use crate::report::compare::Comparison;
use crate::report::credential::CredentialType;
use crate::report::doctor::{DoctorReport, MetMessage, Status};
use crate::report::view::FindingView;
use crate::text::hidden;

/// The version of every view.
pub const API_VERSION: &str = "kaccess.dev/v1";

/// One context examined (`kind: DoctorReport`).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorView {
    api_version: &'static str,
    kind: &'static str,
    /// `problems`: some error was found; `unknown`: none, but no identity was established; else `healthy`.
    #[schemars(extend("enum" = ["healthy", "problems", "unknown"]))]
    verdict: &'static str,
    /// The kubeconfig's context; null where none is chosen.
    context: Option<String>,
    /// Who the API server says this is; null where it does not.
    identity: Option<User>,
    /// The root cause first; what it explains stands at the end.
    findings: Vec<FindingView>,
    /// The credential that was sent; null without one.
    credential: Option<CredentialView>,
    /// Access questions and the server's answers.
    access: Vec<AccessView>,
    /// The endpoint, and on EKS the cluster's network; null where no endpoint is known.
    network: Option<NetworkView>,
    /// Every probe.
    checks: Vec<CheckView>,
    /// What could not be looked at.
    not_checked: Vec<NotCheckedView>,
    /// When the run began.
    #[schemars(with = "jiff::Timestamp")]
    observed_at: String,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// What became of the message that the user met; absent without `--error`, and where a finding rests on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<MetMessage>,
    /// What differs from a saved look; absent without `--compare`.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
    /// What changed since the look before; null in the first look, absent without `--watch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Change>>")]
    changed: Option<Option<Vec<Change>>>,
}

/// Several contexts examined, the worst first (`kind: DoctorReportList`).
#[derive(Debug, Serialize, JsonSchema)]
pub struct DoctorListView {
    /// One report a context.
    pub items: Vec<DoctorView>,
}

/// The credential that was sent.
#[derive(Debug, Serialize, JsonSchema)]
struct CredentialView {
    /// What it is.
    #[schemars(
        with = "String",
        extend("enum" = ["jwt", "service-account", "eks-iam", "x509", "bootstrap", "opaque", "jwe"])
    )]
    r#type: CredentialType,
    /// `token`, `tokenFile`, `clientCertificate`, `exec`, `inCluster`, `flag`, `basic` or `argument`.
    source: String,
    /// The JOSE header.
    header: Option<Value>,
    /// The claims; with `--hide-claims` their types.
    claims: Option<Value>,
    /// Its times.
    times: TimesView,
    /// Who the API server makes of it.
    view: Option<UserView>,
}

/// Times of a credential; null where it does not say.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct TimesView {
    #[schemars(with = "Option<jiff::Timestamp>")]
    issued_at: Option<String>,
    #[schemars(with = "Option<jiff::Timestamp>")]
    not_before: Option<String>,
    #[schemars(with = "Option<jiff::Timestamp>")]
    expires_at: Option<String>,
    /// It was past that when it was looked at.
    expired: Option<bool>,
}

/// A user as the API server sees it.
#[derive(Debug, Serialize, JsonSchema)]
struct UserView {
    /// Name, prefix included.
    username: String,
    /// Groups, prefixes included.
    groups: Vec<String>,
    /// Extra attributes.
    extra: std::collections::BTreeMap<String, Vec<String>>,
}

/// An access question and the server's answer.
#[derive(Debug, Serialize, JsonSchema)]
struct AccessView {
    /// What was asked.
    question: crate::evidence::access::Question,
    /// The answer.
    allowed: bool,
    /// The authorizer's reason, often empty.
    reason: String,
}

/// Where the API server is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct NetworkView {
    /// The API endpoint.
    endpoint: Endpoint,
    /// On EKS `controlPlaneEgressMode` as the API spells it.
    egress_mode: Option<String>,
    /// On EKS the cluster's network interfaces.
    network_interfaces: Vec<Interface>,
    /// On EKS the security groups.
    security_groups: Vec<SecurityGroupView>,
}

/// One security group.
#[derive(Debug, Serialize, JsonSchema)]
struct SecurityGroupView {
    /// `sg-...`.
    id: String,
    /// Its name.
    name: String,
    /// Its VPC.
    vpc: String,
}

/// One probe.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CheckView {
    /// Stable id.
    id: &'static str,
    /// What is true when it passes.
    title: &'static str,
    /// What became of it.
    #[schemars(extend("enum" = ["pass", "fail", "skipped", "notApplicable"]))]
    status: &'static str,
    /// Why it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    /// Milliseconds.
    took_ms: u64,
}

/// A probe that could not be made.
#[derive(Debug, Serialize, JsonSchema)]
struct NotCheckedView {
    /// Stable id, as in `checks`.
    id: &'static str,
    /// Why.
    because: String,
    /// The permission or flag that would make it possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<String>,
}

/// The version of kaccess (`kind: Version`).
#[derive(Debug, Serialize, JsonSchema)]
pub struct VersionView {
    /// The version.
    pub version: &'static str,
}

impl DoctorView {
    /// The view of a report.
    pub fn new(report: &DoctorReport, evidence: &Evidence, hide_claims: bool) -> Self {
        let credential = evidence.credential.seen().filter(|credential| credential.is_there()).map(|credential| {
            let token = credential.token.as_ref();
            let kind = match token {
                Some(token) => CredentialType::from(token.kind),
                None if credential.certificates.is_empty() => CredentialType::Opaque,
                None => CredentialType::X509,
            };
            let claims = token.and_then(|token| token.claims.as_ref());
            let times = token.map(TokenFacts::times).unwrap_or_default();
            let leaf = credential.certificates.first();
            let expires = times.expires_at.or_else(|| leaf.and_then(|leaf| leaf.not_after));
            let starts = times.not_before.or_else(|| leaf.and_then(|leaf| leaf.not_before));
            CredentialView {
                r#type: kind,
                source: credential.source.to_string(),
                header: token.and_then(|token| token.header.clone()),
                claims: claims.map(|claims| if hide_claims { types_of(claims) } else { claims.clone() }),
                times: TimesView {
                    issued_at: times.issued_at.map(|time| time.to_string()),
                    not_before: starts.map(|time| time.to_string()),
                    expires_at: expires.map(|time| time.to_string()),
                    expired: expires.map(|time| time <= evidence.observed_at),
                },
                view: evidence.identity.seen().map(|identity| UserView {
                    username: identity.user.username.clone(),
                    groups: identity.user.groups.clone(),
                    extra: identity.user.extra.clone(),
                }),
            }
        });
        let aws = evidence.aws.as_deref();
        let network = evidence.endpoint.route.seen().map(|route| NetworkView {
            endpoint: Endpoint {
                host: route.host.clone(),
                addresses: evidence
                    .endpoint
                    .dns
                    .seen()
                    .map(|resolution| resolution.addresses.clone())
                    .unwrap_or_default(),
            },
            egress_mode: aws.and_then(|aws| aws.cluster.seen()).map(|cluster| {
                cluster.vpc.control_plane_egress_mode.clone().unwrap_or_else(|| "AWS_MANAGED".to_owned())
            }),
            network_interfaces: aws
                .and_then(|aws| aws.network.interfaces.seen())
                .into_iter()
                .flatten()
                .map(Interface::from)
                .collect(),
            security_groups: aws
                .and_then(|aws| aws.network.security_groups.seen())
                .into_iter()
                .flatten()
                .map(|group| SecurityGroupView {
                    id: group.id.clone(),
                    name: group.name.clone(),
                    vpc: group.vpc_id.clone(),
                })
                .collect(),
        });
        Self {
            api_version: API_VERSION,
            kind: "DoctorReport",
            verdict: report.verdict.word(),
            context: evidence.context().map(str::to_owned),
            identity: evidence.identity.seen().map(|identity| identity.user.clone()),
            findings: report.findings.iter().map(|one| FindingView::new(one, &report.findings)).collect(),
            credential,
            access: evidence
                .access
                .seen()
                .map(|access| {
                    access
                        .checks
                        .iter()
                        .map(|check| AccessView {
                            question: check.question.clone(),
                            allowed: check.allowed,
                            reason: check.reason.clone(),
                        })
                        .collect()
                })
                .unwrap_or_default(),
            network,
            checks: report
                .checks
                .iter()
                .map(|check| CheckView {
                    id: check.id,
                    title: check.title,
                    status: check.status.word(),
                    because: check.because.clone(),
                    took_ms: check.took_ms,
                })
                .collect(),
            not_checked: report
                .checks
                .iter()
                .filter(|check| check.status == Status::Skipped)
                .map(|check| NotCheckedView {
                    id: check.id,
                    because: check.because.clone().unwrap_or_default(),
                    needs: check.needs.clone(),
                })
                .collect(),
            observed_at: evidence.observed_at.to_string(),
            took_ms: evidence.took_ms,
            message: report.message.clone(),
            comparison: None,
            changed: None,
        }
    }

    /// The same beside a saved look.
    #[must_use]
    pub fn compared(mut self, comparison: Option<&Comparison>) -> Self {
        self.comparison = comparison.cloned();
        self
    }

    /// The same as one look of several, with what changed since the one before; `None` for the first.
    #[must_use]
    pub fn changed(mut self, changed: Option<&[Change]>) -> Self {
        self.changed = Some(changed.map(<[Change]>::to_vec));
        self
    }
}

/// Names and types of claims, without their values.
fn types_of(claims: &Value) -> Value {
    match claims.as_object() {
        Some(map) => map
            .iter()
            .map(|(name, value)| {
                let kind = match value {
                    Value::String(_) => "string",
                    Value::Number(_) => "number",
                    Value::Bool(_) => "boolean",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                    Value::Null => "null",
                };
                (name.clone(), Value::from(kind))
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
        None => Value::Null,
    }
}

/// Any view as JSON.
///
/// # Errors
/// When the writer fails.
pub fn write_json(view: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_json::to_string_pretty(view).map_err(io::Error::other)?;
    writeln!(out, "{}", escaped(&text))
}

/// Any view as JSON on one line.
///
/// # Errors
/// When the writer fails.
pub fn write_json_line(view: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_json::to_string(view).map_err(io::Error::other)?;
    writeln!(out, "{}", escaped(&text))
}

/// JSON or YAML in which characters that a terminal obeys, or that turn what is read around, are written as escapes.
/// They can only stand inside strings, and JSON's readers see no difference.
fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    let deceives = |c: char| c.is_control() && !matches!(c, '\n' | '\t') || hidden(c);
    if !text.contains(deceives) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if deceives(c) {
            // Beyond the first plane in halves (RFC 8259, section 7); YAML's writer leaves none of those to be escaped here.
            c.encode_utf16(&mut [0; 2]).iter().for_each(|half| out.push_str(&format!("\\u{half:04x}")));
        } else {
            out.push(c);
        }
    }
    out.into()
}

/// A view with its head: apiVersion and kind, then the fields of `body`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn headed_view(kind: &str, body: &impl Serialize) -> io::Result<Value> {
    let body = serde_json::to_value(body).map_err(io::Error::other)?;
    let mut view = serde_json::json!({ "apiVersion": API_VERSION, "kind": kind });
    if let (Some(view), Value::Object(body)) = (view.as_object_mut(), body) {
        view.extend(body);
    }
    Ok(view)
}

/// Any view as YAML.
///
/// # Errors
/// When the writer fails.
pub fn write_yaml(view: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_norway::to_string(view).map_err(io::Error::other)?;
    out.write_all(escaped(&quote_times(&text)).as_bytes())
}

/// Puts times into quotes, as kubectl does: a parser of YAML 1.1 takes a bare one for more than a text.
fn quote_times(text: &str) -> String {
    let time = |word: &str| {
        let bytes = word.as_bytes();
        bytes.len() >= 10
            && bytes[4] == b'-'
            && bytes[7] == b'-'
            && word.bytes().all(|byte| byte.is_ascii_digit() || b"-:.TZ".contains(&byte))
            && word.starts_with(|first: char| first.is_ascii_digit())
    };
    let mut out = String::with_capacity(text.len());
    // Within a block of text a line is no value of its own.
    let mut block: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches('\n');
        let indent = bare.len() - bare.trim_start().len();
        if block.is_some_and(|above| bare.trim().is_empty() || indent > above) {
            out.push_str(line);
            continue;
        }
        block = None;
        let start = bare
            .rfind(": ")
            .map(|at| at + 2)
            .or_else(|| bare.trim_start().strip_prefix("- ").map(|rest| bare.len() - rest.len()));
        match start.map(|at| bare.split_at(at)) {
            Some((head, value)) if time(value) => {
                out.push_str(&format!("{head}'{value}'{}", &line[bare.len()..]));
            }
            found => {
                if found.is_some_and(|(_, value)| value.starts_with(['|', '>'])) {
                    block = Some(indent);
                }
                out.push_str(line);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_texts_to_every_parser_and_blocks_stay() {
        let view = serde_json::json!({
            "at": "2026-11-26T02:00:33.123456789Z", "list": ["2026-11-26", "a", { "until": "2026-11-26T02:00:33Z", "b": 1 }],
            "text": "notAfter: 2026-11-26T02:00:33Z\n- 2026-11-26\n\nend: 2026-11-26\n", "after": "2026-11-26", "number": 2026,
        });
        let mut out = Vec::new();
        write_yaml(&view, &mut out).expect("YAML");
        let text = String::from_utf8(out).expect("UTF-8");
        assert_eq!(serde_norway::from_str::<Value>(&text).expect("YAML"), view, "{text}");
        for line in [
            "at: '2026-11-26T02:00:33.123456789Z'",
            "- '2026-11-26'",
            "- until: '2026-11-26T02:00:33Z'",
            "after: '2026-11-26'",
        ] {
            assert!(text.lines().any(|own| own.trim() == line), "{line} in {text}");
        }
        assert!(text.contains("notAfter: 2026-11-26T02:00:33Z"), "{text}");
    }
}
