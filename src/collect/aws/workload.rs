//! What IAM, EKS and EC2 say of a Pod's identity: roles, OIDC providers, associations, the agent's add-on, the node.

use futures::future::join_all;

use super::clients::{Clients, owned};
use crate::evidence::workload::{
    Addon, Association, AssociationDetails, Associations, Instance, Provider, Providers, Role,
};
use crate::evidence::{Failure, FailureKind, Observation, Outcome};

/// How many providers and associations of others are kept.
const OTHERS: usize = 20;

/// A role by name (`iam:GetRole`).
///
/// # Errors
/// [`FailureKind::NotFound`] where the account has none of that name.
pub async fn role(clients: &Clients, name: &str) -> Result<Role, Failure> {
    let answer = aws_sdk_iam::Client::new(&clients.config).get_role().role_name(name).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "iam:GetRole"))?;
    let role =
        answer.role().ok_or_else(|| Failure::new(FailureKind::Protocol, "iam:GetRole: no role in the answer"))?;
    let document = role.assume_role_policy_document().unwrap_or_default();
    // On the wire the policy is URL-encoded JSON.
    let policy = percent_encoding::percent_decode_str(document).decode_utf8_lossy().into_owned();
    Ok(Role { arn: role.arn().to_owned(), trust_policy: policy, max_session_seconds: role.max_session_duration() })
}

/// The account's OIDC providers, and the one of this issuer (`iam:ListOpenIDConnectProviders`,
/// `iam:GetOpenIDConnectProvider`).
///
/// # Errors
/// As [`Clients::failure`].
pub async fn providers(clients: &Clients, account: &str, issuer: &str) -> Result<Providers, Failure> {
    let client = aws_sdk_iam::Client::new(&clients.config);
    let answer = client.list_open_id_connect_providers().send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "iam:ListOpenIDConnectProviders"))?;
    let list = answer.open_id_connect_provider_list();
    let arns: Vec<String> = list.iter().filter_map(|one| one.arn().map(str::to_owned)).collect();
    let name = |text: &str| {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        format!("{}/{path}", host.to_ascii_lowercase())
    };
    let bare = issuer.trim_start_matches("https://").trim_end_matches('/');
    let ours =
        arns.iter().find(|arn| arn.split_once(":oidc-provider/").is_some_and(|(_, own)| name(own) == name(bare)));
    let mut found = Providers {
        account: account.to_owned(),
        total: arns.len(),
        arns: arns.iter().filter(|arn| arn.contains("oidc")).take(OTHERS).cloned().collect(),
        ..Providers::default()
    };
    if let Some(arn) = ours {
        let answer = client.get_open_id_connect_provider().open_id_connect_provider_arn(arn).send().await;
        match answer.map_err(|error| clients.failure(&error, "iam:GetOpenIDConnectProvider")) {
            Ok(provider) => {
                found.ours = Some(Provider {
                    arn: arn.clone(),
                    url: owned(provider.url()),
                    client_ids: provider.client_id_list().to_vec(),
                });
            }
            Err(failure) => found.unread = Some(failure),
        }
    }
    Ok(found)
}

/// The associations of a namespace, and what the one of this service account says.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn associations(
    clients: &Clients,
    cluster: &str,
    namespace: &str,
    name: &str,
) -> Result<Associations, Failure> {
    let client = aws_sdk_eks::Client::new(&clients.config);
    let request = client.list_pod_identity_associations().cluster_name(cluster).namespace(namespace);
    let mut pages = request.into_paginator().send();
    let mut ours: Vec<String> = Vec::new();
    let mut others = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| clients.failure(&error, "eks:ListPodIdentityAssociations"))?;
        for one in page.associations() {
            if one.namespace() == Some(namespace) && one.service_account() == Some(name) {
                ours.push(owned(one.association_id()));
            } else if others.len() < OTHERS {
                others.push(owned(one.service_account()));
            }
        }
    }
    let details = join_all(ours.iter().take(1).map(|id| association(clients, cluster, id))).await;
    let ours = ours.into_iter().zip(details).next().map(|(id, details)| Association {
        id,
        details: Observation::at_rest(details.map_or_else(Outcome::Failed, Outcome::Seen)),
    });
    Ok(Associations { ours, others })
}

async fn association(clients: &Clients, cluster: &str, id: &str) -> Result<AssociationDetails, Failure> {
    let client = aws_sdk_eks::Client::new(&clients.config);
    let answer = client.describe_pod_identity_association().cluster_name(cluster).association_id(id).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "eks:DescribePodIdentityAssociation"))?;
    let one = answer.association().ok_or_else(|| {
        Failure::new(FailureKind::Protocol, "eks:DescribePodIdentityAssociation: no association in the answer")
    })?;
    let maybe = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(AssociationDetails {
        role_arn: owned(one.role_arn()),
        target_role_arn: maybe(one.target_role_arn()),
        external_id: maybe(one.external_id()),
        session_tags_disabled: one.disable_session_tags().unwrap_or_default(),
        created_at: one.created_at().and_then(|time| jiff::Timestamp::from_second(time.secs()).ok()),
    })
}

/// The add-on eks-pod-identity-agent.
///
/// # Errors
/// [`FailureKind::NotFound`] where it is not installed as an add-on.
pub async fn addon(clients: &Clients, cluster: &str) -> Result<Addon, Failure> {
    let client = aws_sdk_eks::Client::new(&clients.config);
    let answer = client.describe_addon().cluster_name(cluster).addon_name("eks-pod-identity-agent").send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "eks:DescribeAddon"))?;
    let addon = answer
        .addon()
        .ok_or_else(|| Failure::new(FailureKind::Protocol, "eks:DescribeAddon: no add-on in the answer"))?;
    let issues = addon.health().map(|health| health.issues()).unwrap_or_default();
    Ok(Addon {
        status: addon.status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        version: owned(addon.addon_version()),
        issues: issues
            .iter()
            .map(|issue| {
                format!("{}: {}", issue.code().map(|code| code.as_str()).unwrap_or_default(), owned(issue.message()))
            })
            .collect(),
    })
}

/// A node's instance (`ec2:DescribeInstances`).
///
/// # Errors
/// As [`Clients::failure`].
pub async fn instance(clients: &Clients, id: &str) -> Result<Instance, Failure> {
    let answer = aws_sdk_ec2::Client::new(&clients.config).describe_instances().instance_ids(id).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "ec2:DescribeInstances"))?;
    let instance = answer
        .reservations()
        .iter()
        .flat_map(|reservation| reservation.instances())
        .next()
        .ok_or_else(|| Failure::new(FailureKind::NotFound, "ec2:DescribeInstances: no such instance"))?;
    let options = instance.metadata_options();
    Ok(Instance {
        id: id.to_owned(),
        http_endpoint: options.and_then(|one| Some(one.http_endpoint()?.as_str().to_owned())).unwrap_or_default(),
        http_tokens: options.and_then(|one| Some(one.http_tokens()?.as_str().to_owned())).unwrap_or_default(),
        hop_limit: options.and_then(|one| one.http_put_response_hop_limit()),
        profile_arn: instance.iam_instance_profile().and_then(|profile| profile.arn()).map(str::to_owned),
    })
}

/// The ARN of the role in an instance profile (`iam:GetInstanceProfile`).
///
/// # Errors
/// [`FailureKind::NotFound`] where there is no such profile, or no role in it.
pub async fn node_role(clients: &Clients, profile_arn: &str) -> Result<String, Failure> {
    let name = profile_arn.rsplit('/').next().unwrap_or(profile_arn);
    let answer =
        aws_sdk_iam::Client::new(&clients.config).get_instance_profile().instance_profile_name(name).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "iam:GetInstanceProfile"))?;
    let profile = answer.instance_profile().filter(|profile| profile.arn() == profile_arn);
    let profile = profile.ok_or_else(|| {
        Failure::new(FailureKind::NotFound, "iam:GetInstanceProfile: the profile of that name is another one")
    })?;
    let role = profile.roles().first().map(|role| role.arn().to_owned());
    role.ok_or_else(|| Failure::new(FailureKind::NotFound, "iam:GetInstanceProfile: the profile holds no role"))
}

/// The cluster and the caller, for plans about the whole cluster; what cannot be read is absent.
pub async fn facts(
    host: &crate::host::Host,
    resolved: &crate::collect::kubeconfig::Resolved,
    options: &super::target::AwsOptions,
    scrubber: &crate::secret::Scrubber,
) -> (Option<crate::evidence::eks::Cluster>, Option<crate::evidence::eks::Caller>) {
    if options.off || !super::target::is_eks(Some(resolved), options) {
        return (None, None);
    }
    let Ok((target, first)) = super::target::derive(host, Some(resolved), options) else { return (None, None) };
    let Ok(clients) = Clients::load(host, &target, first, scrubber).await else { return (None, None) };
    let cluster = async {
        let name = if target.cluster.is_empty() {
            let host = resolved.server.host_str().unwrap_or_default();
            super::eks::name_of_endpoint(&clients, host).await.ok()?
        } else {
            target.cluster.clone()
        };
        super::eks::cluster(&clients, &name).await.ok()
    };
    let (cluster, caller) = futures::join!(cluster, super::identity::caller(&clients));
    (cluster, caller.ok())
}
