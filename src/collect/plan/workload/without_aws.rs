//! The same in a build without the feature `aws`: nothing is asked.

use super::*;
use crate::evidence::eks::Aws;

pub(super) struct Cloud {
    pub(super) issuer: Common<String>,
}

impl Cloud {
    pub(super) fn spawn(_: &mut Graph, needs: &Needs<'_>, _: &Host, _: &WorkloadPlan, _: &Scrubber) -> Self {
        // Only who issues the tokens is known without AWS.
        let _ = (needs.resolved, needs.known, needs.account, needs.node, needs.namespace);
        let own = needs.issuer.clone();
        let issuer = async move { Ok(need::<_, Arc<Issuer>, ()>(&own).await?.issuer.clone()) };
        Self { issuer: issuer.boxed().shared() }
    }

    pub(super) async fn collect(self, seen: &mut Workload) -> Option<Box<Aws>> {
        let text = "this kaccess was built without AWS support, so AWS was not asked";
        seen.providers = Observation::skipped("aws-caller", text);
        seen.associations = Observation::skipped("aws-caller", text);
        seen.addon = Observation::skipped("aws-caller", text);
        seen.instance = Observation::skipped("aws-caller", text);
        None
    }
}
