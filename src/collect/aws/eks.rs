//! What EKS says of a cluster: itself, its identity providers, updates and access entries.

use aws_sdk_eks::Client;
use aws_sdk_eks::primitives::DateTime;
use aws_sdk_eks::types::IdentityProviderConfig as ConfigName;
use futures::StreamExt;
use futures::future::join_all;
use jiff::Timestamp;

use super::clients::{Clients, maybe, owned};
use crate::aws::identity::{Arn, canonical, partition_of};
use crate::evidence::eks::{
    AccessEntries, AccessEntry, AccessEntryDetails, AssociatedPolicy, Cluster, HealthIssue, IdentityProvider,
    IdentityProviderConfig, IdentityProviders, Principals, Update, UpdateError, VpcConfig,
};
use crate::evidence::{Failure, FailureKind, Observation};
use crate::secret::Scrubber;

/// How many clusters of a region are described to find the one with this endpoint.
const CLUSTERS_LIMIT: usize = 8;
/// How many updates are described.
const UPDATES_LIMIT: usize = 3;
/// How many pages of access entries (100 each) are read for namesakes.
const PAGES_LIMIT: usize = 2;
/// How many empty pages are read on for the first administrator.
const EMPTY_PAGES_LIMIT: usize = 20;
/// Of how many access entries the policies are read, and of how many at a time.
const ENTRIES: (usize, usize) = (500, 16);
/// Most pages of 100 access entries that are read: a real cluster has fewer.
const PAGES: usize = 100;
/// The policy that makes an administrator.
const ADMIN_POLICY: &str = "eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";

fn time(time: Option<&DateTime>) -> Option<Timestamp> {
    Timestamp::from_second(time?.secs()).ok()
}

/// The name of the cluster that has this endpoint (`eks:ListClusters`, then `eks:DescribeCluster` for each).
///
/// # Errors
/// Where none has it, or the region has too many.
pub async fn name_of_endpoint(clients: &Clients, host: &str) -> Result<String, Failure> {
    let client = Client::new(&clients.config);
    let list = client.list_clusters().send().await.map_err(|error| clients.failure(&error, "eks:ListClusters"))?;
    let names = list.clusters();
    let described = join_all(names.iter().take(CLUSTERS_LIMIT).map(|name| cluster(clients, name))).await;
    let has = |cluster: &&Cluster| {
        let endpoint = cluster.endpoint.as_deref().unwrap_or_default();
        url::Url::parse(endpoint).is_ok_and(|url| url.host_str().is_some_and(|found| found.eq_ignore_ascii_case(host)))
    };
    if let Some(found) = described.iter().filter_map(|found| found.as_ref().ok()).find(has) {
        return Ok(found.name.clone());
    }
    if let Some(Err(failure)) = described.into_iter().find(Result::is_err) {
        return Err(failure);
    }
    let more = if names.len() > CLUSTERS_LIMIT || list.next_token().is_some() { " of the first ones" } else { "" };
    Err(Failure::new(
        FailureKind::NotFound,
        format!("no cluster{more} in this account and region has the endpoint {host}"),
    )
    .needs("--eks-cluster"))
}

/// `eks:DescribeCluster`.
///
/// # Errors
/// [`FailureKind::NotFound`] where there is no such cluster.
pub async fn cluster(clients: &Clients, name: &str) -> Result<Cluster, Failure> {
    let answer = Client::new(&clients.config).describe_cluster().name(name).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "eks:DescribeCluster"))?;
    let cluster = answer
        .cluster()
        .ok_or_else(|| Failure::new(FailureKind::Protocol, "eks:DescribeCluster: no cluster in the answer"))?;
    let vpc = cluster.resources_vpc_config().map_or_else(VpcConfig::default, |vpc| VpcConfig {
        vpc_id: owned(vpc.vpc_id()),
        subnet_ids: vpc.subnet_ids().to_vec(),
        cluster_security_group_id: maybe(vpc.cluster_security_group_id()),
        security_group_ids: vpc.security_group_ids().to_vec(),
        endpoint_public_access: vpc.endpoint_public_access(),
        endpoint_private_access: vpc.endpoint_private_access(),
        public_access_cidrs: vpc.public_access_cidrs().to_vec(),
        control_plane_egress_mode: vpc.control_plane_egress_mode().map(|mode| mode.as_str().to_owned()),
    });
    let logs = cluster.logging().map(|logging| logging.cluster_logging()).unwrap_or_default();
    let health = cluster.health().map(|health| health.issues()).unwrap_or_default();
    Ok(Cluster {
        name: owned(cluster.name()),
        arn: owned(cluster.arn()),
        version: owned(cluster.version()),
        platform_version: maybe(cluster.platform_version()),
        status: cluster.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        endpoint: maybe(cluster.endpoint()),
        own_issuer: maybe(cluster.identity().and_then(|identity| identity.oidc()?.issuer())),
        role_arn: maybe(cluster.role_arn()),
        created_at: time(cluster.created_at()),
        vpc,
        authentication_mode: cluster
            .access_config()
            .and_then(|config| Some(config.authentication_mode()?.as_str().to_owned())),
        creator_is_admin: cluster
            .access_config()
            .and_then(|config| config.bootstrap_cluster_creator_admin_permissions()),
        ip_family: cluster
            .kubernetes_network_config()
            .and_then(|network| Some(network.ip_family()?.as_str().to_owned())),
        log_types: logs
            .iter()
            .filter(|setup| setup.enabled() == Some(true))
            .flat_map(|setup| setup.types().iter().map(|kind| kind.as_str().to_owned()))
            .collect(),
        health: health
            .iter()
            .map(|issue| HealthIssue {
                code: issue.code().map(|code| code.as_str().to_owned()).unwrap_or_default(),
                message: owned(issue.message()),
                resource_ids: issue.resource_ids().to_vec(),
            })
            .collect(),
    })
}

/// `eks:ListIdentityProviderConfigs`, and `eks:DescribeIdentityProviderConfig` for each.
///
/// # Errors
/// As [`Clients::failure`]; what cannot be described is a failure of that configuration alone.
pub async fn identity_providers(clients: &Clients, name: &str) -> Result<IdentityProviders, Failure> {
    let client = Client::new(&clients.config);
    let mut pages = client.list_identity_provider_configs().cluster_name(name).into_paginator().send();
    let mut names: Vec<ConfigName> = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| clients.failure(&error, "eks:ListIdentityProviderConfigs"))?;
        names.extend(page.identity_provider_configs().iter().cloned());
    }
    let configs = join_all(names.into_iter().map(|config| {
        let client = client.clone();
        async move {
            let config_name = config.name().to_owned();
            let answer = client
                .describe_identity_provider_config()
                .cluster_name(name)
                .identity_provider_config(config)
                .send()
                .await;
            let details = answer
                .map_err(|error| clients.failure(&error, "eks:DescribeIdentityProviderConfig"))
                .and_then(|answer| {
                    let oidc = answer.identity_provider_config().and_then(|config| config.oidc());
                    let oidc = oidc
                        .ok_or_else(|| Failure::new(FailureKind::Unsupported, "the identity provider is not OIDC"))?;
                    Ok(IdentityProvider {
                        issuer_url: owned(oidc.issuer_url()),
                        client_id: owned(oidc.client_id()),
                        username_claim: maybe(oidc.username_claim()),
                        username_prefix: maybe(oidc.username_prefix()),
                        groups_claim: maybe(oidc.groups_claim()),
                        groups_prefix: maybe(oidc.groups_prefix()),
                        required_claims: oidc
                            .required_claims()
                            .into_iter()
                            .flatten()
                            .map(|(key, value)| (key.clone(), value.clone()))
                            .collect(),
                        status: oidc.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
                    })
                });
            IdentityProviderConfig { name: config_name, details: Observation::of(details) }
        }
    }))
    .await;
    Ok(IdentityProviders { configs })
}

/// The latest updates (`eks:ListUpdates`, `eks:DescribeUpdate`), newest first.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn updates(clients: &Clients, name: &str, scrubber: &Scrubber) -> Result<Vec<Update>, Failure> {
    let client = Client::new(&clients.config);
    let list =
        client.list_updates().name(name).send().await.map_err(|error| clients.failure(&error, "eks:ListUpdates"))?;
    // The list is newest first, as the console shows it.
    let described = join_all(
        list.update_ids().iter().take(UPDATES_LIMIT).map(|id| client.describe_update().name(name).update_id(id).send()),
    )
    .await;
    let mut updates = Vec::new();
    for answer in described {
        let answer = answer.map_err(|error| clients.failure(&error, "eks:DescribeUpdate"))?;
        let Some(update) = answer.update() else { continue };
        updates.push(Update {
            id: owned(update.id()),
            kind: update.r#type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            status: update.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
            created_at: time(update.created_at()),
            params: update
                .params()
                .iter()
                .filter_map(|param| {
                    Some((param.r#type()?.as_str().to_owned(), scrubber.text_limited(param.value()?, 2048)))
                })
                .collect(),
            errors: update
                .errors()
                .iter()
                .map(|error| UpdateError {
                    code: error.error_code().map(|code| code.as_str().to_owned()).unwrap_or_default(),
                    message: scrubber.text_limited(error.error_message().unwrap_or_default(), 2048),
                    resource_ids: error.resource_ids().to_vec(),
                })
                .collect(),
        });
    }
    updates.sort_by_key(|update| std::cmp::Reverse(update.created_at));
    Ok(updates)
}

/// Account, kind and name of a principal, by which IAM tells them apart: a name is unique in its account whatever its path.
fn identity_of(arn: &str) -> Option<(String, &str, String)> {
    let parsed = Arn::parse(arn)?;
    let kind = if parsed.kind() == "assumed-role" { "role" } else { parsed.kind() };
    Some((parsed.account.to_owned(), kind, parsed.name().to_ascii_lowercase()))
}

/// The access entries that concern `caller`; `principal` is its ARN with the path, where IAM told it.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn access_entries(
    clients: &Clients,
    name: &str,
    caller: &str,
    principal: Option<&str>,
) -> Result<AccessEntries, Failure> {
    let client = Client::new(&clients.config);
    let direct = principal.map(str::to_owned).or_else(|| canonical(caller)).unwrap_or_else(|| caller.to_owned());
    let listing = async {
        let mut pages = client.list_access_entries().cluster_name(name).max_results(100).into_paginator().send();
        let (mut arns, mut whole): (Vec<String>, bool) = (Vec::new(), false);
        for _ in 0..PAGES_LIMIT {
            let Some(page) = pages.next().await else { break };
            let page = page.map_err(|error| clients.failure(&error, "eks:ListAccessEntries"))?;
            arns.extend(page.access_entries().iter().cloned());
            whole = page.next_token().is_none();
        }
        Ok::<_, Failure>((arns, whole))
    };
    let (direct_entry, listed) = tokio::join!(describe(clients, name, &direct), listing);
    let own = identity_of(caller);
    let (listed, whole) = match listed {
        Ok(found) => found,
        // Both ways refused: the denial is the answer.
        Err(failure) => match &direct_entry {
            Ok(_) => (Vec::new(), false),
            Err(direct) if direct.kind != FailureKind::NotFound => return Err(direct.clone()),
            Err(_) if principal.is_some() => (Vec::new(), false),
            Err(_) => return Err(failure),
        },
    };
    let mut others: Vec<String> =
        listed.iter().filter(|arn| own.is_some() && identity_of(arn) == own).cloned().collect();
    let same_name = |arn: &&String| match (identity_of(arn), &own) {
        (Some(found), Some(own)) => found != *own && found.2 == own.2,
        _ => false,
    };
    let namesakes = listed.iter().filter(same_name).take(10).cloned().collect();
    let mut entries = Vec::new();
    match direct_entry {
        Ok(details) => {
            others.retain(|arn| !arn.eq_ignore_ascii_case(&direct));
            entries.push((direct, Ok(details)));
        }
        // The whole list decides; a part of it decides only where the very ARN was looked up.
        Err(failure) if others.is_empty() && !whole => {
            if failure.kind != FailureKind::NotFound {
                return Err(failure);
            }
            if principal.is_none() && direct != caller {
                let text = format!(
                    "the path of the caller's role is not known, and the cluster has more than {} access entries",
                    listed.len()
                );
                return Err(Failure::new(FailureKind::Limit, text).needs("iam:GetRole"));
            }
        }
        Err(_) => {}
    }
    let total = listed.len().max(entries.len());
    for arn in others {
        let details = describe(clients, name, &arn).await;
        entries.push((arn, details));
    }
    let entries = join_all(entries.into_iter().map(|(arn, details)| async {
        let policies = policies(clients, name, &arn).await;
        AccessEntry { principal_arn: arn, details: Observation::of(details), policies: Observation::of(policies) }
    }))
    .await;
    Ok(AccessEntries { total, entries, namesakes })
}

/// All access entries of the cluster (`eks:ListAccessEntries`), the first 500 of them with their policies
/// (`eks:ListAssociatedAccessPolicies`).
///
/// # Errors
/// As [`Clients::failure`]; policies that cannot be read are a failure of that entry alone.
pub async fn all_access_entries(clients: &Clients, name: &str) -> Result<AccessEntries, Failure> {
    let client = Client::new(&clients.config);
    let mut pages = client.list_access_entries().cluster_name(name).max_results(100).into_paginator().send();
    let mut arns: Vec<String> = Vec::new();
    for _ in 0..PAGES {
        let Some(page) = pages.next().await else { break };
        let page = page.map_err(|error| clients.failure(&error, "eks:ListAccessEntries"))?;
        arns.extend(page.access_entries().iter().cloned());
    }
    let total = arns.len();
    let (limit, at_once) = ENTRIES;
    let reading = arns.into_iter().take(limit).map(|arn| async {
        let policies = Observation::of(policies(clients, name, &arn).await);
        AccessEntry { principal_arn: arn, policies, ..AccessEntry::default() }
    });
    let entries: Vec<AccessEntry> = futures::stream::iter(reading).buffered(at_once).collect().await;
    Ok(AccessEntries { total, entries, namesakes: Vec::new() })
}

async fn describe(clients: &Clients, name: &str, arn: &str) -> Result<AccessEntryDetails, Failure> {
    let answer =
        Client::new(&clients.config).describe_access_entry().cluster_name(name).principal_arn(arn).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "eks:DescribeAccessEntry"))?;
    let entry = answer
        .access_entry()
        .ok_or_else(|| Failure::new(FailureKind::Protocol, "eks:DescribeAccessEntry: no entry in the answer"))?;
    Ok(AccessEntryDetails {
        username: owned(entry.username()),
        groups: entry.kubernetes_groups().to_vec(),
        kind: owned(entry.r#type()),
        created_at: time(entry.created_at()),
        modified_at: time(entry.modified_at()),
    })
}

async fn policies(clients: &Clients, name: &str, arn: &str) -> Result<Vec<AssociatedPolicy>, Failure> {
    let client = Client::new(&clients.config);
    let mut pages =
        client.list_associated_access_policies().cluster_name(name).principal_arn(arn).into_paginator().send();
    let mut policies = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| clients.failure(&error, "eks:ListAssociatedAccessPolicies"))?;
        policies.extend(page.associated_access_policies().iter().map(|policy| AssociatedPolicy {
            policy_arn: owned(policy.policy_arn()),
            scope:
                policy.access_scope().and_then(|scope| Some(scope.r#type()?.as_str().to_owned())).unwrap_or_default(),
            namespaces: policy.access_scope().map(|scope| scope.namespaces().to_vec()).unwrap_or_default(),
        }));
    }
    Ok(policies)
}

/// Who holds AmazonEKSClusterAdminPolicy, the first page of them that holds any: a page may be empty and have a next one.
///
/// # Errors
/// As [`Clients::failure`]; [`FailureKind::Limit`] where none came within the first pages, and there are more.
pub async fn administrators(clients: &Clients, name: &str) -> Result<Principals, Failure> {
    let region = clients.config.region().map(|region| region.as_ref()).unwrap_or_default();
    let mut pages = Client::new(&clients.config)
        .list_access_entries()
        .cluster_name(name)
        .associated_policy_arn(format!("arn:{}:{ADMIN_POLICY}", partition_of(region)))
        .max_results(100)
        .into_paginator()
        .send();
    for _ in 0..EMPTY_PAGES_LIMIT {
        let Some(page) = pages.next().await else { return Ok(Principals::default()) };
        let page = page.map_err(|error| clients.failure(&error, "eks:ListAccessEntries"))?;
        let arns = page.access_entries();
        if !arns.is_empty() || page.next_token().is_none() {
            return Ok(Principals { total: arns.len(), arns: arns.iter().take(20).cloned().collect() });
        }
    }
    let text = format!("eks:ListAccessEntries: {EMPTY_PAGES_LIMIT} pages without an entry, and there are more");
    Err(Failure::new(FailureKind::Limit, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_the_same_with_and_without_its_path() {
        let session = identity_of("arn:aws:sts::1:assumed-role/Ops/jane");
        assert_eq!(session, identity_of("arn:aws:iam::1:role/path/ops"));
        assert_ne!(session, identity_of("arn:aws:iam::2:role/Ops"));
        assert_ne!(session, identity_of("arn:aws:iam::1:user/Ops"));
    }
}
