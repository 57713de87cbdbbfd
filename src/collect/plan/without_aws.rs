//! The part of the graph about AWS in a build without the feature `aws`: only the cluster's own side is read.

use std::sync::Arc;

use futures::FutureExt as _;

use super::Plan;
use super::control_plane::Reader;
use super::graph::{Graph, Handle, SHORT, common, not_applicable, skip_of, taken};
use super::issuer::IssuerTarget;
use super::way::{Dns, Way};
use crate::collect::apiserver::Api;
use crate::collect::aws::{cluster_side, target};
use crate::collect::kubeconfig::Resolved;
use crate::evidence::eks::{Aws, AwsAuth, EndpointSlice, Target};
use crate::evidence::{Observation, Outcome, Skip, issuer};
use crate::host::Host;
use crate::secret::Scrubber;

/// What the AWS part needs of the rest of the graph.
pub(super) struct Needs<'a> {
    pub(super) kubeconfig: &'a Handle<crate::evidence::kubeconfig::Kubeconfig, Arc<Resolved>>,
    pub(super) reader: &'a Reader,
    #[expect(dead_code, reason = "only AWS itself knows the issuer's load balancer")]
    pub(super) issuer: &'a IssuerTarget,
    #[expect(dead_code, reason = "likewise")]
    pub(super) discovery: &'a Handle<issuer::Discovery, Option<String>>,
    #[expect(dead_code, reason = "likewise")]
    pub(super) route: &'a Handle<crate::evidence::dns::Route, Way>,
    #[expect(dead_code, reason = "likewise")]
    pub(super) endpoint_dns: &'a Dns,
}

/// The handles on what can be known without asking AWS.
pub(super) struct AwsProbes {
    target: Handle<Target>,
    aws_auth: Handle<AwsAuth>,
    endpoint_slice: Handle<EndpointSlice>,
}

impl AwsProbes {
    pub(super) fn spawn(graph: &mut Graph, needs: &Needs<'_>, host: &Host, plan: &Plan, scrubber: &Scrubber) -> Self {
        let target = {
            let (config, options, host) = (needs.kubeconfig.clone(), plan.aws.clone(), host.clone());
            let needs = async move {
                let resolved = config.await.give.clone();
                if !target::is_eks(resolved.as_deref(), &options) {
                    return Err(not_applicable("the cluster is not EKS"));
                }
                Ok((resolved, options))
            };
            graph.probe(
                "aws-target",
                SHORT,
                needs,
                move |(resolved, options): (Option<Arc<Resolved>>, target::AwsOptions)| async move {
                    Ok((target::derive(&host, resolved.as_deref(), &options)?.0, Some(())))
                },
            )
        };
        let in_cluster: Reader = {
            let (target, reader) = (target.clone(), needs.reader.clone());
            async move {
                let done = target.await;
                if matches!(done.observation.outcome, Outcome::NotApplicable(_)) {
                    return Err(skip_of(&done.observation, done.id));
                }
                reader.await
            }
            .boxed()
            .shared()
        };
        let aws_auth = {
            let scrubber = scrubber.clone();
            graph.probe("aws-auth", SHORT, common(in_cluster.clone()), move |api: Api| async move {
                Ok((cluster_side::aws_auth(&api, &scrubber).await?, Some(())))
            })
        };
        let endpoint_slice = graph.probe("endpoint-slice", SHORT, common(in_cluster), |api: Api| async move {
            Ok((cluster_side::endpoint_slice(&api).await?, Some(())))
        });
        Self { target, aws_auth, endpoint_slice }
    }

    /// The evidence; `None` where the cluster is not EKS.
    pub(super) async fn collect(self) -> Option<Box<Aws>> {
        let target = taken(self.target).await;
        if matches!(target.outcome, Outcome::NotApplicable(_)) {
            return None;
        }
        let absent = Outcome::Skipped(Skip {
            because: "aws-caller".to_owned(),
            text: "this kaccess was built without AWS support, so AWS was not asked".to_owned(),
            needs: Some("a kaccess built with the feature aws: the cluster's identity providers, access entries, egress mode and the issuer's load balancer".to_owned()),
        });
        Some(Box::new(Aws {
            target,
            caller: Observation::at_rest(absent),
            aws_auth: taken(self.aws_auth).await,
            endpoint_slice: taken(self.endpoint_slice).await,
            ..Aws::default()
        }))
    }
}
