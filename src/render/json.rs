//! The JSON form: view types with a version of their own (`kaccess.dev/v1`), never an internal type.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::human::hidden;
use crate::evidence::Evidence;
use crate::report::doctor::{DoctorReport, Status};
use crate::report::view::FindingView;

/// The version of every view.
pub const API_VERSION: &str = "kaccess.dev/v1";

/// `kind: DoctorReport`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DoctorView {
    api_version: &'static str,
    kind: &'static str,
    verdict: &'static str,
    context: Option<String>,
    identity: Option<Value>,
    findings: Vec<FindingView>,
    credential: Option<CredentialView>,
    access: Vec<AccessView>,
    network: Option<NetworkView>,
    checks: Vec<CheckView>,
    not_checked: Vec<NotCheckedView>,
    observed_at: String,
    took_ms: u64,
}

#[derive(Debug, Serialize)]
struct CredentialView {
    r#type: &'static str,
    source: String,
    header: Option<Value>,
    claims: Option<Value>,
    times: TimesView,
    view: Option<Value>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TimesView {
    issued_at: Option<String>,
    not_before: Option<String>,
    expires_at: Option<String>,
    expired: Option<bool>,
}

#[derive(Debug, Serialize)]
struct AccessView {
    question: crate::evidence::access::Question,
    allowed: bool,
    reason: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkView {
    endpoint: EndpointView,
    egress_mode: Option<String>,
    network_interfaces: Vec<Value>,
    security_groups: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct EndpointView {
    host: String,
    addresses: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckView {
    id: &'static str,
    title: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    took_ms: u64,
}

#[derive(Debug, Serialize)]
struct NotCheckedView {
    id: &'static str,
    because: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<String>,
}

/// The cluster's network interfaces, as every command shows them.
fn interfaces(aws: &crate::evidence::eks::Aws) -> Vec<Value> {
    let all = aws.network.interfaces.seen().into_iter().flatten();
    all.map(|interface| {
        let addresses: Vec<&String> = interface.private_addresses.iter().chain(&interface.ipv6_addresses).collect();
        serde_json::json!({
            "id": interface.id, "addresses": addresses, "subnet": interface.subnet_id,
            "securityGroups": interface.security_groups, "zone": interface.zone,
        })
    })
    .collect()
}

impl DoctorView {
    /// The view of a report.
    pub fn new(report: &DoctorReport, evidence: &Evidence, hide_claims: bool) -> Self {
        let credential =
            evidence.credential.seen().filter(|credential| credential.source != "none").map(|credential| {
                let token = credential.token.as_ref();
                let kind = match token.map(|token| token.kind) {
                    Some(crate::evidence::credential::TokenKind::Jwt) => "jwt",
                    Some(crate::evidence::credential::TokenKind::ServiceAccount) => "service-account",
                    Some(crate::evidence::credential::TokenKind::EksIam) => "eks-iam",
                    Some(crate::evidence::credential::TokenKind::Bootstrap) => "bootstrap",
                    Some(crate::evidence::credential::TokenKind::Jwe) => "jwe",
                    Some(crate::evidence::credential::TokenKind::Opaque) => "opaque",
                    None if credential.certificates.is_empty() => "opaque",
                    None => "x509",
                };
                let claims = token.and_then(|token| token.claims.as_ref());
                let time = |name: &str| {
                    claims
                        .and_then(|claims| claims.get(name)?.as_i64())
                        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
                };
                let leaf = credential.certificates.first();
                let expires = time("exp").or_else(|| leaf.and_then(|leaf| leaf.not_after));
                let starts = time("nbf").or_else(|| leaf.and_then(|leaf| leaf.not_before));
                CredentialView {
                    r#type: kind,
                    source: credential.source.clone(),
                    header: token.and_then(|token| token.header.clone()),
                    claims: claims.map(|claims| if hide_claims { types_of(claims) } else { claims.clone() }),
                    times: TimesView {
                        issued_at: time("iat").map(|time| time.to_string()),
                        not_before: starts.map(|time| time.to_string()),
                        expires_at: expires.map(|time| time.to_string()),
                        expired: expires.map(|time| time <= evidence.observed_at),
                    },
                    view: evidence.identity.seen().map(|identity| {
                        serde_json::json!({
                            "username": identity.user.username,
                            "groups": identity.user.groups,
                            "extra": identity.user.extra,
                        })
                    }),
                }
            });
        let aws = evidence.aws.as_deref();
        let network = evidence.endpoint.route.seen().map(|route| NetworkView {
            endpoint: EndpointView {
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
            network_interfaces: aws.map(interfaces).unwrap_or_default(),
            security_groups: aws
                .and_then(|aws| aws.network.security_groups.seen())
                .into_iter()
                .flatten()
                .map(|group| serde_json::json!({"id": group.id, "name": group.name, "vpc": group.vpc_id}))
                .collect(),
        });
        Self {
            api_version: API_VERSION,
            kind: "DoctorReport",
            verdict: report.verdict.word(),
            context: evidence.kubeconfig.seen().and_then(|config| config.context.clone()),
            identity: evidence.identity.seen().and_then(|identity| serde_json::to_value(&identity.user).ok()),
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
        }
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
        // None of them is beyond the first plane, so that four digits do.
        if deceives(c) { out.push_str(&format!("\\u{:04x}", u32::from(c))) } else { out.push(c) }
    }
    out.into()
}

/// A view with its head: apiVersion and kind, then the fields of `body`.
pub fn headed(kind: &str, body: Value) -> Value {
    let mut view = serde_json::json!({ "apiVersion": API_VERSION, "kind": kind });
    if let (Some(view), Value::Object(body)) = (view.as_object_mut(), body) {
        view.extend(body);
    }
    view
}

/// Any view as YAML.
///
/// # Errors
/// When the writer fails.
pub fn write_yaml(view: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_norway::to_string(view).map_err(io::Error::other)?;
    out.write_all(escaped(&text).as_bytes())
}
