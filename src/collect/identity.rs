//! Who the API server says we are.

use serde_json::{Value, json};

use super::apiserver::{Api, user_info};
use crate::evidence::identity::Identity;
use crate::evidence::{Failure, FailureKind};

/// SelfSubjectReview, v1 first (1.28), then its beta and alpha.
///
/// # Errors
/// [`FailureKind::Unauthorized`] is the 401 this tool is about; [`FailureKind::Unsupported`] a server before 1.26.
pub async fn identity(api: &Api) -> Result<Identity, Failure> {
    let mut last =
        Failure::new(FailureKind::Unsupported, "the server has no SelfSubjectReview (it came with Kubernetes 1.26)");
    for version in ["v1", "v1beta1", "v1alpha1"] {
        let review = json!({ "apiVersion": format!("authentication.k8s.io/{version}"), "kind": "SelfSubjectReview" });
        match api
            .review_typed::<_, Value>(&format!("/apis/authentication.k8s.io/{version}/selfsubjectreviews"), &review)
            .await
        {
            Ok((answer, undecodable_type)) => {
                let user = answer.pointer("/status/userInfo").cloned().unwrap_or_default();
                return Ok(Identity {
                    api_version: format!("authentication.k8s.io/{version}"),
                    user: user_info(&user),
                    undecodable_type,
                });
            }
            Err(failure) if failure.kind == FailureKind::Unsupported => last = failure,
            Err(failure) => return Err(failure),
        }
    }
    Err(last)
}
