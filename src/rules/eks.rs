//! What the rules about EKS share: the cluster and its name for commands; the caller, what may be wrong with an IAM token,
//! what keeps the control plane from the issuer, access entries and identity providers in files of their own.

mod caller;
mod candidates;
mod entry;
mod near;
mod obstacle;
mod provider;

pub use caller::*;
pub use candidates::*;
pub use entry::*;
pub use near::*;
pub use obstacle::*;
pub use provider::*;

use crate::aws::egress::Mode;
use crate::aws::identity;
use crate::evidence::Evidence;
use crate::evidence::eks::Aws;
use crate::report::shell::{Shell, shell};
use crate::rules::{Case, plugin, way};

/// What AWS said.
pub fn aws<'e>(case: &Case<'e>) -> Option<&'e Aws> {
    case.evidence.aws.as_deref()
}

/// The cluster's name for commands, or a word in capitals: as AWS knows it, else as the kubeconfig does.
pub fn cluster(case: &Case<'_>) -> String {
    let aws = aws(case);
    let described = aws.and_then(|aws| aws.cluster.seen()).map(|cluster| cluster.name.as_str());
    let target = aws.and_then(|aws| aws.target.seen()).map(|target| target.cluster.as_str());
    let names = [
        described,
        // Empty where only the endpoint is known.
        target,
        told(case, &["--cluster-name", "--cluster-id", "-i"]),
        of_context(case).map(|(name, _)| name),
    ];
    names.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or("CLUSTER").to_owned()
}

/// The cluster's region for commands, or a word in capitals.
pub fn region(case: &Case<'_>) -> String {
    known_region(case).unwrap_or_else(|| "REGION".to_owned())
}

/// The cluster's region: as its endpoint says, else as AWS was asked, else as the kubeconfig says.
pub fn known_region(case: &Case<'_>) -> Option<String> {
    let of_endpoint = identity::region_of_endpoint(way::host(case));
    let target = aws(case).and_then(|aws| aws.target.seen()).map(|target| target.region.as_str());
    let regions =
        [of_endpoint.as_deref(), target, told(case, &["--region"]), of_context(case).map(|(_, region)| region)];
    regions.into_iter().flatten().find(|region| !region.is_empty()).map(str::to_owned)
}

/// The profile that the plugin takes, as an option for commands: of its arguments, or of its entry's AWS_PROFILE, which the
/// user's shell does not have.
pub fn with_profile(case: &Case<'_>) -> Shell {
    let argument = plugin::exec(case).and_then(|exec| plugin::argument(exec, &["--profile"]));
    // What `--profile` told kaccess, the plugin does not know.
    let target = aws(case).and_then(|aws| aws.target.seen()).filter(|target| !target.profile_named);
    let profile = argument.or_else(|| target?.profile.as_deref());
    profile.map(|profile| shell!(" --profile {}", profile)).unwrap_or_default()
}

/// What the credential plugin is told by an argument of one of these names.
fn told<'e>(case: &Case<'e>, names: &[&str]) -> Option<&'e str> {
    plugin::argument(plugin::exec(case)?, names).filter(|value| !value.starts_with('-'))
}

/// Name and region in the context's name, which is the cluster's ARN where `aws eks update-kubeconfig` wrote it.
fn of_context<'e>(case: &Case<'e>) -> Option<(&'e str, &'e str)> {
    identity::eks_cluster(case.evidence.kubeconfig.seen()?.context.as_deref()?)
}

/// The endpoint of the cluster that AWS described and the host that the kubeconfig means, where these are endpoints of two
/// clusters; names of one's own for an endpoint are not known here.
pub fn other_cluster(evidence: &Evidence) -> Option<(String, String)> {
    let host = |url: &str| url::Url::parse(url).ok()?.host_str().map(str::to_lowercase);
    let server = host(&evidence.kubeconfig.seen()?.cluster.as_ref()?.server)?;
    let endpoint = host(evidence.aws.as_deref()?.cluster.seen()?.endpoint.as_deref()?)?;
    (endpoint != server && is_endpoint(&server)).then_some((endpoint, server))
}

/// A name that EKS gives to its endpoints.
fn is_endpoint(host: &str) -> bool {
    [".eks.amazonaws.com", ".eks.amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end))
}

/// The regions of those two, where they differ: nothing then says what the cluster is called that the kubeconfig means,
/// and a token has no more of a cluster than its name.
pub fn other_region(evidence: &Evidence) -> Option<(String, String)> {
    let (endpoint, server) = other_cluster(evidence)?;
    let (described, meant) = (identity::region_of_endpoint(&endpoint)?, identity::region_of_endpoint(&server)?);
    (described != meant).then_some((described, meant))
}

/// Through what the control plane leaves, where it is one of EKS.
pub fn egress(case: &Case<'_>) -> Option<Mode> {
    aws(case)?.cluster.seen().map(Mode::of)
}

/// The cluster is one of EKS: nobody sets a flag of its API server, and nobody restarts it.
pub fn is_eks(case: &Case<'_>) -> bool {
    aws(case).is_some() || matches!(way::managed(way::host(case)), Some(way::Managed::Eks(_)))
}

/// The partition that the cluster is in: by its ARN, else by its region.
pub fn partition<'e>(case: &Case<'e>) -> Option<&'e str> {
    let aws = aws(case)?;
    let by_arn = aws.cluster.seen().and_then(|cluster| identity::Arn::parse(&cluster.arn)).map(|arn| arn.partition);
    by_arn.or_else(|| {
        let region = aws.target.seen().map(|target| target.region.as_str()).filter(|region| !region.is_empty())?;
        Some(identity::partition_of(region))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    // A host that is none of EKS', a kubeconfig with a plugin, and nothing of AWS.
    const PLAIN: &str = include_str!("../../testdata/cases/aws-assume-role-denied/evidence.json");

    /// Cluster and region for commands, with this context, these arguments of the plugin, and what AWS was asked for.
    fn names(context: &str, args: &[&str], target: Option<(&str, &str)>) -> (String, String) {
        let mut evidence: Value = serde_json::from_str(PLAIN).unwrap();
        evidence["kubeconfig"]["seen"]["context"] = json!(context);
        evidence["kubeconfig"]["seen"]["user"]["exec"]["args"] = json!(args);
        let mut evidence: Evidence = serde_json::from_value(evidence).unwrap();
        evidence.aws = target.map(|(cluster, region)| {
            let target = json!({ "startedMs": 0, "tookMs": 0, "seen": { "cluster": cluster, "region": region } });
            Box::new(Aws { target: serde_json::from_value(target).unwrap(), ..Aws::default() })
        });
        let case = Case::new(&evidence);
        (cluster(&case), region(&case))
    }

    #[test]
    fn commands_name_the_cluster_wherever_its_name_stands() {
        let separate: &[&str] = &["eks", "get-token", "--cluster-name", "prod", "--region", "eu-west-1"];
        let joined: &[&str] = &["eks", "get-token", "--cluster-name=prod", "--region=eu-west-1"];
        let twice: &[&str] = &["--region", "eu-west-1", "eks", "get-token", "-i", "prod", "--region", "eu-west-3"];
        let none: &[&str] = &[];
        let arn = "arn:aws:eks:eu-north-1:111122223333:cluster/blue";
        for (context, args, target, expected) in [
            ("a", separate, None, ("prod", "eu-west-1")),
            ("a", joined, None, ("prod", "eu-west-1")),
            ("a", twice, None, ("prod", "eu-west-3")),
            (arn, none, None, ("blue", "eu-north-1")),
            (arn, joined, None, ("prod", "eu-west-1")),
            // Only the endpoint was known to whoever asked AWS.
            ("a", joined, Some(("", "eu-west-1")), ("prod", "eu-west-1")),
            ("a", joined, Some(("asked", "us-east-1")), ("asked", "us-east-1")),
            ("a", none, None, ("CLUSTER", "REGION")),
        ] {
            let (cluster, region) = names(context, args, target);
            assert_eq!((cluster.as_str(), region.as_str()), expected, "{context} {args:?} {target:?}");
        }
    }
}
