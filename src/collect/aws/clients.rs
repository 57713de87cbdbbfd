//! Credentials and clients of the AWS SDK, and its errors as failures.

use std::error::Error as StdError;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::{ProvideCredentials, SharedCredentialsProvider, SharedHttpClient};
use aws_sdk_sts::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder as HttpBuilder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::evidence::eks::Target;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::Scrubber;

/// Longest wait for credentials (SSO, a credential process, the metadata service), and for one attempt of a call.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most bytes of one answer; the largest pages (1000 network interfaces) have some 3 MB.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// What every call of one run shares.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Region, credentials, retries.
    pub config: SdkConfig,
    scrubber: Scrubber,
}

impl Clients {
    /// Finds credentials as the AWS CLI would and prepares clients with them.
    ///
    /// # Errors
    /// [`FailureKind::NotFound`] where nothing names any, [`FailureKind::Unauthorized`] where a login has run out.
    pub async fn load(host: &Host, target: &Target, profile_first: bool, scrubber: &Scrubber) -> Result<Self, Failure> {
        let none = || {
            Failure::new(
                FailureKind::NotFound,
                "no AWS credentials were found (environment, ~/.aws, container, EC2 instance)",
            )
            .needs("AWS credentials: aws sso login, aws configure, or AWS_PROFILE")
        };
        if !named_somewhere(host) {
            return Err(none());
        }
        let region = Region::new(target.region.clone());
        let provider = chain(host, target.profile.as_deref(), profile_first, region.clone()).await;
        let loaded = tokio::time::timeout(PATIENCE, provider.provide_credentials()).await;
        let credentials = match loaded {
            Err(_) => {
                let text = format!("AWS credentials were not available within {} s", PATIENCE.as_secs());
                return Err(Failure::new(FailureKind::Timeout, text).needs("AWS credentials"));
            }
            Ok(Err(error)) => {
                let text = scrubber.text_limited(&DisplayErrorContext(&error).to_string(), 600);
                let lower = text.to_lowercase();
                if lower.contains("not loaded") || lower.contains("no providers in chain provided credentials") {
                    return Err(none());
                }
                let expired = lower.contains("expired") || lower.contains("sso") || lower.contains("invalidgrant");
                let kind = if expired { FailureKind::Unauthorized } else { FailureKind::Unreadable };
                return Err(Failure::new(kind, format!("AWS credentials could not be loaded: {text}"))
                    .needs("AWS credentials: aws sso login"));
            }
            Ok(Ok(credentials)) => credentials,
        };
        scrubber.learn(credentials.secret_access_key());
        if let Some(token) = credentials.session_token() {
            scrubber.learn(token);
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(PATIENCE)
            .build();
        let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http_client())
            .region(region)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(200)))
            .timeout_config(timeouts)
            .load()
            .await;
        Ok(Self { config, scrubber: scrubber.clone() })
    }

    /// The failure that an SDK error means; `action` is the IAM action that the call needs.
    pub fn failure<E>(&self, error: &SdkError<E>, action: &str) -> Failure
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let text = |error: &dyn StdError| self.scrubber.text_limited(&chain_of(error), 400);
        match error {
            SdkError::ServiceError(service) => {
                let status = service.raw().status().as_u16();
                let body = service.raw().body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
                let code = service.err().code().or_else(|| element(&body, "Code")).unwrap_or_default();
                // Every refusal of AWS has a code. A page without one is a proxy's, a portal's or a wrong endpoint's: it
                // says nothing of rights, nor of what there is.
                if code.is_empty() && status < 500 {
                    let kind = service.raw().headers().get("content-type").unwrap_or("no content type");
                    let kind = self.scrubber.text_limited(kind, 60);
                    return if (200..300).contains(&status) {
                        let why = text(service.err());
                        Failure::new(
                            FailureKind::Malformed,
                            format!("{action}: the answer ({kind}) cannot be read: {why}"),
                        )
                    } else {
                        let text = format!(
                            "{action}: HTTP {status} ({kind}) without an error code, so it is not AWS that answers: a proxy, a firewall, or a wrong AWS_ENDPOINT_URL"
                        );
                        Failure::new(FailureKind::Protocol, text)
                    };
                }
                let message = service.err().message().or_else(|| element(&body, "Message")).unwrap_or_default();
                let message = self.scrubber.text_limited(message, 400);
                let kind = kind_of(code, status);
                let said = if code.is_empty() { format!("HTTP {status}") } else { code.to_owned() };
                let detail = if message.is_empty() {
                    format!("{action}: {said}")
                } else {
                    format!("{action}: {said}: {message}")
                };
                let failure = Failure::new(kind, detail);
                if kind == FailureKind::Forbidden { failure.needs(action) } else { failure }
            }
            SdkError::TimeoutError(_) => Failure::new(FailureKind::Timeout, format!("{action}: no answer in time")),
            SdkError::DispatchFailure(dispatch) => {
                let kind = if dispatch.is_timeout() { FailureKind::Timeout } else { FailureKind::Unreachable };
                let reason = dispatch.as_connector_error().map_or_else(String::new, |error| text(error));
                Failure::new(kind, format!("{action}: AWS could not be reached: {reason}"))
            }
            SdkError::ResponseError(_) => Failure::new(FailureKind::Protocol, format!("{action}: {}", text(error))),
            _ => Failure::new(FailureKind::Malformed, format!("{action}: {}", text(error))),
        }
    }
}

/// The text of an element of an error document, wherever it stands: some gateways answer one service's calls in the form
/// of another's, which the SDK does not read.
fn element<'b>(body: &'b str, name: &str) -> Option<&'b str> {
    let text = body.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>"))?.0;
    (!text.is_empty() && text.len() <= 1024 && !text.contains('<')).then_some(text)
}

/// What an error says, and what caused it, without the types in between.
fn chain_of(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        // Many wrappers repeat what they wrap.
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

/// A field of an answer; empty where AWS left it out.
pub(super) fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

/// A field of an answer, if it says something.
pub(super) fn maybe(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// One HTTP client for all services: each of its own would load the system's roots again. Its proxy is the environment's.
fn http_client() -> SharedHttpClient {
    let client = HttpBuilder::new().build_with_connector_fn(|settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    });
    SharedHttpClient::new(Bounded(client))
}

/// The SDK reads an answer whole, however long: this client's end at [`LONGEST_ANSWER`].
#[derive(Debug)]
struct Bounded(SharedHttpClient);

impl HttpClient for Bounded {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(BoundedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct BoundedConnector(SharedHttpConnector);

impl HttpConnector for BoundedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let limited = |body| SdkBody::from_body_1_x(http_body_util::Limited::new(body, LONGEST_ANSWER));
            Ok(answer.await?.map(limited))
        })
    }
}

/// AWS words a denial, a missing thing and a used-up login in several ways, a service each.
fn kind_of(code: &str, status: u16) -> FailureKind {
    let expired = [
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "AuthFailure",
        "InvalidToken",
    ];
    if expired.contains(&code) || code.contains("SignatureDoesNotMatch") {
        FailureKind::Unauthorized
    } else if code.contains("AccessDenied") || code == "UnauthorizedOperation" || status == 403 {
        FailureKind::Forbidden
    } else if code.contains("NotFound")
        || code == "NoSuchEntity"
        || code == "WAFNonexistentItemException"
        || status == 404
    {
        FailureKind::NotFound
    } else if code.contains("Throttl")
        || code == "RequestLimitExceeded"
        || code == "TooManyRequestsException"
        || status == 429
    {
        FailureKind::Limit
    } else if code == "InvalidRequestException" {
        FailureKind::Unsupported
    } else {
        FailureKind::Http
    }
}

/// Something on this machine names AWS credentials; without it, only the wait for a metadata service is left, which
/// nobody outside AWS should pay for.
fn named_somewhere(host: &Host) -> bool {
    let variables = [
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_PROFILE",
    ];
    let file = |variable: &str, name: &str| {
        let path = host.var(variable).map(std::path::PathBuf::from);
        path.or_else(|| Some(host.home.as_ref()?.join(".aws").join(name))).is_some_and(|path| path.is_file())
    };
    variables.iter().any(|name| host.var(name).is_some())
        || file("AWS_CONFIG_FILE", "config")
        || file("AWS_SHARED_CREDENTIALS_FILE", "credentials")
        || on_ec2(host)
}

/// This machine is an EC2 instance, or is told where a metadata service is.
fn on_ec2(host: &Host) -> bool {
    if host.var("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return false;
    }
    host.var("AWS_EC2_METADATA_SERVICE_ENDPOINT").is_some()
        || std::fs::read_to_string("/sys/class/dmi/id/sys_vendor").is_ok_and(|vendor| vendor.trim() == "Amazon EC2")
}

/// The SDKs' usual order; a profile that was named by a flag goes first, as in the AWS CLI.
async fn chain(host: &Host, profile: Option<&str>, profile_first: bool, region: Region) -> CredentialsProviderChain {
    let config = ProviderConfig::without_region().with_region(Some(region));
    let profiles = || {
        let builder = ProfileFileCredentialsProvider::builder().configure(&config);
        match profile {
            Some(name) => builder.profile_name(name).build(),
            None => builder.build(),
        }
    };
    let environment = EnvironmentVariableCredentialsProvider::new();
    let chain = if profile_first {
        CredentialsProviderChain::first_try("profile", profiles()).or_else("environment", environment)
    } else {
        CredentialsProviderChain::first_try("environment", environment).or_else("profile", profiles())
    };
    let chain = chain
        .or_else("web-identity", WebIdentityTokenCredentialsProvider::builder().configure(&config).build())
        .or_else("container", EcsCredentialsProvider::builder().configure(&config).build());
    if on_ec2(host) {
        let instance = ImdsCredentialsProvider::builder().configure(&config).build();
        return chain.or_else("instance", instance);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_in_every_form_of_an_error() {
        let ec2 = "<Response><Errors><Error><Code>AuthFailure</Code><Message>no</Message></Error></Errors></Response>";
        assert_eq!((element(ec2, "Code"), element(ec2, "Message")), (Some("AuthFailure"), Some("no")));
        for page in ["<html><body>Access Denied</body></html>", "<Code></Code>", "<Code><b>x</b></Code>", "<Code>x"] {
            assert_eq!(element(page, "Code"), None, "{page}");
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes_each_once() {
        let inner = std::io::Error::other("connection refused");
        assert_eq!(chain_of(&inner), "connection refused");
        let outer = Failed("could not connect", Failed("tcp connect error: connection refused", inner));
        assert_eq!(chain_of(&outer), "could not connect: tcp connect error: connection refused");
    }

    #[derive(Debug)]
    struct Failed<E>(&'static str, E);

    impl<E> std::fmt::Display for Failed<E> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }
    }

    impl<E: StdError + 'static> StdError for Failed<E> {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.1)
        }
    }
}
