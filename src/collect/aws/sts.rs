//! Whose an IAM token is: its presigned request, put to STS as aws-iam-authenticator puts it.

use base64::Engine as _;
use serde_json::Value;

use crate::collect::issuer::{OWN_AGENT, get_once};
use crate::collect::tls::TlsSettings;
use crate::evidence::eks::Caller;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::{Scrubber, Secret};

/// Asks STS. The token must have been parsed without a problem: then its URL leads to STS and nowhere else.
/// `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL` are honoured, as by the SDKs.
///
/// # Errors
/// STS' refusal in its words ([`FailureKind::Unauthorized`]), or why there was no answer.
pub async fn caller_of_token(
    token: &Secret,
    cluster: &str,
    host: &Host,
    scrubber: &Scrubber,
) -> Result<Caller, Failure> {
    let malformed = || Failure::new(FailureKind::Malformed, "the token holds no presigned URL");
    let encoded = token.expose().trim().strip_prefix("k8s-aws-v1.").ok_or_else(malformed)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(encoded).map_err(|_| malformed())?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    scrubber.learn(&text);
    let mut url = url::Url::parse(&text).map_err(|_| malformed())?;
    for (name, value) in url.query_pairs() {
        if ["x-amz-signature", "x-amz-security-token"].contains(&name.to_ascii_lowercase().as_str()) {
            scrubber.learn(&value);
        }
    }
    let other = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"].iter().find_map(|name| host.var(name));
    let ignored = host.var("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|word| word.eq_ignore_ascii_case("true"));
    if let Some(other) = other.filter(|_| !ignored).and_then(|other| url::Url::parse(other).ok()) {
        let mut moved = other;
        moved.set_query(url.query());
        url = moved;
    }
    let (status, body) =
        get_once(&url, OWN_AGENT, &[("x-k8s-aws-id", cluster)], &TlsSettings::system(), host, scrubber).await?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    if status.is_success() {
        let result = "/GetCallerIdentityResponse/GetCallerIdentityResult";
        let caller = Caller {
            arn: text(&format!("{result}/Arn")),
            account: text(&format!("{result}/Account")),
            user_id: text(&format!("{result}/UserId")),
        };
        if caller.arn.is_empty() {
            return Err(Failure::new(FailureKind::Protocol, "STS answered without an ARN"));
        }
        return Ok(caller);
    }
    let (code, message) = (text("/Error/Code"), text("/Error/Message"));
    let said = if code.is_empty() { format!("HTTP {status}") } else { format!("{code}: {message}") };
    let kind = if status.is_client_error() { FailureKind::Unauthorized } else { FailureKind::Http };
    Err(Failure::new(kind, scrubber.text_limited(&format!("STS says {said}"), 400)))
}
