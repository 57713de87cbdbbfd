//! What maps IAM identities to users of the cluster, of one identity or of all: for commands that need no more of AWS.

use super::cluster_side;
use super::target::AwsOptions;
use crate::collect::apiserver::Api;
use crate::collect::kubeconfig::Resolved;
use crate::evidence::eks::{AccessEntries, Aws, Caller, Cluster};
use crate::evidence::{Observation, Outcome, Skip};
use crate::host::Host;
use crate::secret::Scrubber;

/// aws-auth, and the cluster's mode and the caller's access entry where AWS may be asked.
///
/// `caller` is the one whom the API server names in its extra fields; AWS is not asked who asks.
pub async fn look(
    host: &Host,
    resolved: &Resolved,
    options: &AwsOptions,
    caller: Caller,
    api: &Api,
    scrubber: &Scrubber,
) -> Aws {
    let asking = async {
        if options.off {
            return switched_off();
        }
        ask(host, resolved, options, Some(&caller), scrubber).await
    };
    let (aws_auth, (cluster, access_entries)) = tokio::join!(cluster_side::aws_auth(api, scrubber), asking);
    let caller = Observation::at_rest(Outcome::Seen(caller));
    Aws { caller, cluster, access_entries, aws_auth: Observation::of(aws_auth), ..Aws::default() }
}

/// The cluster's mode, and all its access entries with their policies, where AWS may be asked. What an entry says beside
/// them is not looked at.
pub async fn all(host: &Host, resolved: &Resolved, options: &AwsOptions, scrubber: &Scrubber) -> Aws {
    let (cluster, access_entries) =
        if options.off { switched_off() } else { ask(host, resolved, options, None, scrubber).await };
    Aws { cluster, access_entries, ..Aws::default() }
}

type Answers = (Observation<Cluster>, Observation<AccessEntries>);

fn switched_off() -> Answers {
    not_asked("--no-aws was given", "running without --no-aws")
}

fn not_asked(why: &str, needs: &str) -> Answers {
    let skip = Skip {
        because: "aws-target".to_owned(),
        text: format!("{why}: AWS was not asked"),
        needs: Some(needs.to_owned()),
    };
    (Observation::at_rest(Outcome::Skipped(skip.clone())), Observation::at_rest(Outcome::Skipped(skip)))
}

#[cfg(not(feature = "aws"))]
async fn ask(_: &Host, _: &Resolved, _: &AwsOptions, _: Option<&Caller>, _: &Scrubber) -> Answers {
    not_asked("this kaccess was built without AWS", "a kaccess built with the feature aws")
}

/// The access entries of this caller, or all.
#[cfg(feature = "aws")]
async fn ask(
    host: &Host,
    resolved: &Resolved,
    options: &AwsOptions,
    caller: Option<&Caller>,
    scrubber: &Scrubber,
) -> Answers {
    use super::{clients::Clients, eks, target};
    use crate::evidence::Failure;
    let opened = async {
        let (target, profile_first) = target::derive(host, Some(resolved), options)?;
        let clients = Clients::load(host, &target, profile_first, scrubber).await?;
        let name = match target.cluster.as_str() {
            "" => eks::name_of_endpoint(&clients, resolved.server.host_str().unwrap_or_default()).await?,
            name => name.to_owned(),
        };
        Ok::<_, Failure>((clients, name))
    };
    match opened.await {
        Err(failure) => (Observation::of(Err(failure.clone())), Observation::of(Err(failure))),
        Ok((clients, name)) => {
            let entries = async {
                match caller {
                    Some(caller) => eks::access_entries(&clients, &name, &caller.arn, None).await,
                    None => eks::all_access_entries(&clients, &name).await,
                }
            };
            let (cluster, entries) = tokio::join!(eks::cluster(&clients, &name), entries);
            (Observation::of(cluster), Observation::of(entries))
        }
    }
}
