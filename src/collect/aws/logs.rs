//! The control plane's own log in CloudWatch, as far as it speaks of access.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use jiff::Timestamp;

use super::clients::Clients;
use crate::collect::log;
use crate::evidence::Failure;
use crate::evidence::apiserver::Log;
use crate::secret::Scrubber;

/// Most pages read of one kind of line.
const PAGES_LIMIT: usize = 20;

/// Which component's streams are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// kube-apiserver, without its audit log.
    ApiServer,
    /// aws-iam-authenticator.
    Authenticator,
}

impl Component {
    fn prefix(self) -> &'static str {
        match self {
            Self::ApiServer => "kube-apiserver-",
            Self::Authenticator => "authenticator-",
        }
    }

    /// CloudWatch's pattern: any of these terms. The audit log's streams have the same prefix, and every event of a user
    /// called `oidc:...` holds that word: the terms are those of kube-apiserver's own lines.
    fn pattern(self) -> &'static str {
        match self {
            Self::ApiServer => {
                r#"?"oidc authenticator" ?"oidc: " ?"Unable to authenticate the request" ?"authentication config" ?"x509""#
            }
            Self::Authenticator => r#"?"access denied" ?"level=error" ?"level=warning" ?"access granted""#,
        }
    }
}

/// `logs:FilterLogEvents` over the last `window` of `/aws/eks/CLUSTER/cluster`; of the authenticator's lines only those
/// that name the caller (`names`) or no principal.
///
/// # Errors
/// [`crate::evidence::FailureKind::NotFound`] where this kind of log was never switched on.
pub async fn read(
    clients: &Clients,
    cluster: &str,
    component: Component,
    window: Duration,
    now: Timestamp,
    names: &[String],
    scrubber: &Scrubber,
) -> Result<Log, Failure> {
    let group = format!("/aws/eks/{cluster}/cluster");
    let start = now.as_millisecond() - i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
    let mut pages = Client::new(&clients.config)
        .filter_log_events()
        .log_group_name(&group)
        .log_stream_name_prefix(component.prefix())
        .filter_pattern(component.pattern())
        .start_time(start)
        .into_paginator()
        .send();
    let mut text = String::new();
    for _ in 0..PAGES_LIMIT {
        let Some(page) = pages.next().await else { break };
        let page = page.map_err(|error| clients.failure(&error, "logs:FilterLogEvents"))?;
        for event in page.events() {
            let stream = event.log_stream_name().unwrap_or_default();
            let line = event.message().unwrap_or_default().trim_end();
            // The prefix of the API server's streams is that of the audit log's too, whose lines hold request bodies.
            if stream.starts_with("kube-apiserver-audit-") || !concerns(component, line, names) {
                continue;
            }
            text.push_str(&line.replace('\n', " "));
            text.push('\n');
        }
    }
    log::read(&group, text.as_bytes(), scrubber)
}

/// Other people's mappings are nobody's business here.
fn concerns(component: Component, line: &str, names: &[String]) -> bool {
    // What is wrong with nodes, and who made the cluster, concerns everybody.
    let common = ["error rendering username template", "kubernetes-admin"];
    if component == Component::ApiServer || !line.contains("arn:aws") || common.iter().any(|text| line.contains(text)) {
        return true;
    }
    let lower = line.to_ascii_lowercase();
    names.iter().any(|name| !name.is_empty() && lower.contains(&name.to_ascii_lowercase()))
}
