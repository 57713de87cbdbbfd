//! Which EKS cluster a kubeconfig means, and as whom AWS is asked.

use crate::aws::identity::{eks_cluster, region_of_endpoint};
use crate::collect::kubeconfig::{ExecConfig, Resolved};
use crate::evidence::eks::Target;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::Secret;

/// The user's wishes about AWS.
#[derive(Debug, Clone, Default)]
pub struct AwsOptions {
    /// AWS is not asked.
    pub off: bool,
    /// `--eks-cluster`.
    pub cluster: Option<String>,
    /// `--region`.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
}

impl AwsOptions {
    /// A flag names the cluster or where it is.
    fn asked_for(&self) -> bool {
        self.cluster.is_some()
    }
}

/// What a credential plugin for EKS is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginWords {
    /// `--cluster-name`, `--cluster-id` or `-i`.
    pub cluster: Option<String>,
    /// `--region` or AWS_REGION of the entry.
    pub region: Option<String>,
    /// `--profile`, which goes before keys in the environment.
    pub profile: Option<String>,
    /// AWS_PROFILE of the entry, which does not.
    pub profile_variable: Option<String>,
    /// `--role-arn` or `-r`.
    pub role_arn: Option<String>,
}

/// The words of `aws eks get-token` and `aws-iam-authenticator token`; `None` for other plugins.
pub fn plugin_words(exec: &ExecConfig) -> Option<PluginWords> {
    let command = exec.command.rsplit(['/', '\\']).next().unwrap_or_default();
    let command = command.strip_suffix(".exe").unwrap_or(command);
    let args: Vec<&str> = exec.args.iter().map(Secret::expose).collect();
    let aws = args.contains(&"get-token") && args.contains(&"eks");
    let authenticator = command.ends_with("aws-iam-authenticator") || command == "heptio-authenticator-aws";
    if !aws && !authenticator {
        return None;
    }
    let value = |names: &[&str]| exec.argument(names).map(str::to_owned);
    let variable = |names: &[&str]| {
        let named = |name: &&str| exec.env.iter().rev().find(|(key, _)| key == *name);
        names.iter().find_map(named).map(|(_, value)| value.expose().to_owned()).filter(|value| !value.is_empty())
    };
    Some(PluginWords {
        cluster: value(&["--cluster-name", "--cluster-id", "-i"]),
        region: value(&["--region"]).or_else(|| variable(&["AWS_REGION", "AWS_DEFAULT_REGION"])),
        profile: value(&["--profile"]),
        profile_variable: variable(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]),
        role_arn: value(&["--role-arn", "--role", "-r"]),
    })
}

/// The kubeconfig (or a flag) speaks of EKS.
pub fn is_eks(resolved: Option<&Resolved>, options: &AwsOptions) -> bool {
    options.asked_for()
        || resolved.is_some_and(|resolved| {
            resolved.user.exec.as_ref().is_some_and(|exec| plugin_words(exec).is_some())
                || resolved.server.host_str().is_some_and(|host| region_of_endpoint(host).is_some())
                || resolved.context.as_deref().is_some_and(|context| eks_cluster(context).is_some())
        })
}

/// Which cluster is meant, and whether its profile goes before keys in the environment. The name is empty where only
/// the endpoint is known, by which it can be looked for.
///
/// # Errors
/// Where neither name nor region can be derived.
pub fn derive(host: &Host, resolved: Option<&Resolved>, options: &AwsOptions) -> Result<(Target, bool), Failure> {
    let words = resolved.and_then(|resolved| plugin_words(resolved.user.exec.as_ref()?)).unwrap_or_default();
    let arn = resolved.and_then(|resolved| eks_cluster(resolved.context.as_deref()?));
    let endpoint = resolved.and_then(|resolved| region_of_endpoint(resolved.server.host_str()?));
    let first = |candidates: Vec<(Option<String>, &str)>| {
        candidates
            .into_iter()
            .find_map(|(value, origin)| Some((value.filter(|value| !value.is_empty())?, origin.to_owned())))
    };
    let environment = || ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|name| host.var(name)).map(str::to_owned);
    let cluster = first(vec![
        (options.cluster.clone(), "flag"),
        (words.cluster.clone(), "exec-arguments"),
        (arn.map(|(name, _)| name.to_owned()), "context-arn"),
    ]);
    // The endpoint says where the cluster is; the plugin's region may only be that of STS.
    let region = first(vec![
        (options.region.clone(), "flag"),
        (endpoint.clone(), "endpoint"),
        (arn.map(|(_, region)| region.to_owned()), "context-arn"),
        (words.region.clone(), "exec-arguments"),
        (environment(), "environment"),
    ]);
    let named = options.profile.clone().or(words.profile);
    let profile_first = named.is_some();
    let profile = named.or(words.profile_variable).or_else(|| host.var("AWS_PROFILE").map(str::to_owned));
    let Some((region, region_origin)) = region else {
        return Err(Failure::new(
            FailureKind::NotFound,
            "the cluster's region is neither in the kubeconfig nor in the environment",
        )
        .needs("--region"));
    };
    let (cluster, cluster_origin) = match cluster {
        Some(found) => found,
        None if endpoint.is_some() => (String::new(), "endpoint".to_owned()),
        None => {
            return Err(Failure::new(FailureKind::NotFound, "the cluster's name is not in the kubeconfig")
                .needs("--eks-cluster"));
        }
    };
    let target = Target {
        cluster,
        cluster_origin,
        region,
        region_origin,
        profile,
        profile_named: options.profile.is_some(),
        role_arn: words.role_arn,
        token_cluster: words.cluster,
    };
    Ok((target, profile_first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(command: &str, args: &[&str], env: &[(&str, &str)]) -> ExecConfig {
        ExecConfig {
            command: command.to_owned(),
            args: args.iter().map(|arg| Secret::new(*arg)).collect(),
            env: env.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect(),
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            install_hint: None,
            provide_cluster_info: false,
            interactive_mode: "IfAvailable".to_owned(),
            cluster_config: None,
            disable_compression: false,
            policy: crate::collect::kubeconfig::PluginPolicy::default(),
        }
    }

    #[test]
    fn the_plugins_words_are_read_in_every_spelling() {
        let words = |cluster: &str, region: Option<&str>, profile: Option<&str>, role: Option<&str>| PluginWords {
            cluster: Some(cluster.to_owned()),
            region: region.map(str::to_owned),
            profile: profile.map(str::to_owned),
            profile_variable: None,
            role_arn: role.map(str::to_owned),
        };
        let aws = ["--region", "eu-west-1", "eks", "get-token", "--cluster-name", "prod", "--output", "json"];
        let with_variable =
            PluginWords { profile_variable: Some("ops".to_owned()), ..words("prod", Some("eu-west-1"), None, None) };
        assert_eq!(plugin_words(&exec("aws", &aws, &[("AWS_PROFILE", "ops")])), Some(with_variable));
        let equals = ["eks", "get-token", "--cluster-name=prod", "--role-arn=arn:aws:iam::1:role/x", "--profile=p"];
        assert_eq!(
            plugin_words(&exec("/usr/bin/aws", &equals, &[])),
            Some(words("prod", None, Some("p"), Some("arn:aws:iam::1:role/x")))
        );
        let authenticator = ["token", "-i", "prod", "-r", "arn:aws:iam::1:role/x"];
        assert_eq!(
            plugin_words(&exec("aws-iam-authenticator", &authenticator, &[])),
            Some(words("prod", None, None, Some("arn:aws:iam::1:role/x")))
        );
        assert_eq!(plugin_words(&exec("kubelogin", &["get-token"], &[])), None);
    }
}
