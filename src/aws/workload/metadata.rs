//! Whether the node's metadata service answers the Pod.

use super::super::link_id;
use super::Judgement;
use super::seen::unseen;

impl Judgement<'_> {
    /// Whether the metadata service answers this Pod.
    pub(super) fn metadata(&mut self) {
        let workload = self.workload;
        let host_network = self.template().is_some_and(|(template, _)| template.host_network);
        if self.on_fargate() {
            // To a Pod with credentials of its own that is no lack.
            if self.asks_metadata() {
                self.push(
                    link_id::METADATA,
                    false,
                    "the metadata service answers the Pod",
                    "Fargate gives Pods no metadata service",
                    "/workload/node/seen/computeType",
                );
            }
            return;
        }
        let Some(instance) = workload.instance.seen() else {
            if workload.pod.seen().is_some() && !workload.instance.nothing_to_look_at() {
                self.unknown(
                    link_id::METADATA,
                    "the metadata service answers the Pod",
                    unseen(&workload.instance),
                    "/workload/instance",
                );
            }
            return;
        };
        let at = "/workload/instance/seen";
        if instance.http_endpoint == "disabled" {
            self.push(
                link_id::METADATA,
                false,
                "the metadata service answers the Pod",
                "HttpEndpoint is disabled on the node",
                format!("{at}/httpEndpoint"),
            );
        } else if !host_network && instance.http_tokens == "required" && instance.hop_limit == Some(1) {
            let seen = "HttpTokens=required with HttpPutResponseHopLimit=1: its answer does not reach a Pod with a network of its own";
            self.push(link_id::METADATA, false, "the metadata service answers the Pod", seen, format!("{at}/hopLimit"));
        } else {
            self.push(
                link_id::METADATA,
                true,
                "the metadata service answers the Pod",
                "nothing keeps its answer from the Pod",
                at,
            );
        }
    }
}
