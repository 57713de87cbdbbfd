//! What the cluster itself says of AWS, with whatever rights there are.

use futures::FutureExt as _;

use super::super::control_plane::Reader;
use super::super::graph::{Graph, Handle, SHORT, common, skip_of};
use super::identity::Meant;
use crate::collect::apiserver::Api;
use crate::collect::aws::cluster_side;
use crate::evidence::eks::{AwsAuth, EndpointSlice, Target};
use crate::evidence::{Outcome, Skip};
use crate::secret::Scrubber;

/// The handles on what stands in the cluster.
pub(super) struct InClusterProbes {
    /// Whoever may read there; not applicable where the cluster is not EKS.
    pub(super) reader: Reader,
    pub(super) aws_auth: Handle<AwsAuth>,
    pub(super) endpoint_slice: Handle<EndpointSlice>,
}

impl InClusterProbes {
    pub(super) fn spawn(
        graph: &mut Graph,
        target: &Handle<Target, Meant>,
        reader: &Reader,
        scrubber: &Scrubber,
    ) -> Self {
        let reader = of_eks(target, reader);
        let aws_auth = {
            let (api, scrubber) = (reader.clone(), scrubber.clone());
            graph.probe("aws-auth", SHORT, common(api), move |api: Api| async move {
                Ok((cluster_side::aws_auth(&api, &scrubber).await?, Some(())))
            })
        };
        let endpoint_slice = {
            let api = reader.clone();
            graph.probe("endpoint-slice", SHORT, common(api), |api: Api| async move {
                Ok((cluster_side::endpoint_slice(&api).await?, Some(())))
            })
        };
        Self { reader, aws_auth, endpoint_slice }
    }
}

/// The reader where the cluster is EKS, and the rights that the user lacks for what is read here.
fn of_eks(target: &Handle<Target, Meant>, reader: &Reader) -> Reader {
    let (target, reader) = (target.clone(), reader.clone());
    async move {
        let done = target.await;
        if matches!(done.observation.outcome, Outcome::NotApplicable(_)) {
            return Err(skip_of::<_, ()>(&done.observation, done.id));
        }
        reader.await.map_err(|outcome| match outcome {
            Outcome::Skipped(skip) if skip.because == "identity" => {
                let needs = Some(
                    "--reviewer-context with get on ConfigMap kube-system/aws-auth and list on EndpointSlices"
                        .to_owned(),
                );
                Outcome::Skipped(Skip { needs, ..skip })
            }
            other => other,
        })
    }
    .boxed()
    .shared()
}
