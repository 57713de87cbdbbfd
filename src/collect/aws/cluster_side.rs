//! What the cluster itself says of its AWS side: aws-auth, the endpoint's addresses, Ingresses of the load balancer.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::collect::apiserver::Api;
use crate::collect::objects::{Bounds, items, paged, read, text};
use crate::evidence::Failure;
use crate::evidence::balancer::{Ingress, IngressRule};
use crate::evidence::eks::{AwsAuth, EndpointSlice};
use crate::secret::Scrubber;

/// ConfigMap kube-system/aws-auth.
///
/// # Errors
/// [`FailureKind::NotFound`] where there is none.
pub async fn aws_auth(api: &Api, scrubber: &Scrubber) -> Result<AwsAuth, Failure> {
    let path = "/api/v1/namespaces/kube-system/configmaps/aws-auth";
    let map = read(api, path, "get on ConfigMap kube-system/aws-auth").await?;
    let data = map.get("data").and_then(Value::as_object);
    let kept = data.into_iter().flatten().filter_map(|(key, value)| {
        // ARNs and templates look like nothing secret; what is one of this run's secrets goes all the same.
        Some((key.clone(), scrubber.known_only_as_compared(value.as_str()?)))
    });
    Ok(AwsAuth { data: kept.collect() })
}

/// The addresses behind Service default/kubernetes.
///
/// # Errors
/// As [`Api::decode`].
pub async fn endpoint_slice(api: &Api) -> Result<EndpointSlice, Failure> {
    let path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
    let list = read(api, path, "list on EndpointSlices in the namespace default").await?;
    let mut addresses: Vec<String> = Vec::new();
    for item in items(&list) {
        for endpoint in item.get("endpoints").and_then(Value::as_array).into_iter().flatten() {
            let found = endpoint.get("addresses").and_then(Value::as_array).into_iter().flatten();
            addresses.extend(found.filter_map(|address| address.as_str().map(str::to_owned)));
        }
    }
    addresses.sort();
    addresses.dedup();
    Ok(EndpointSlice { addresses })
}

/// The prefix of the AWS Load Balancer Controller's annotations.
const ALB: &str = "alb.ingress.kubernetes.io/";

/// The Ingresses whose status names this load balancer.
///
/// # Errors
/// As [`Api::decode`].
pub async fn ingresses(api: &Api, dns_name: &str) -> Result<Vec<Ingress>, Failure> {
    let right = "list on Ingresses in all namespaces";
    paged(api, "/apis/networking.k8s.io/v1/ingresses", right, &Bounds::default(), |item| {
        names(item, dns_name).then(|| ingress(item))
    })
    .await
}

fn names(item: &Value, dns_name: &str) -> bool {
    let places = item.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    places
        .into_iter()
        .flatten()
        .filter_map(|place| place.get("hostname")?.as_str())
        .any(|name| name.eq_ignore_ascii_case(dns_name))
}

fn ingress(item: &Value) -> Ingress {
    let annotations = item.pointer("/metadata/annotations").and_then(Value::as_object);
    let annotations: BTreeMap<String, String> = annotations
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.strip_prefix(ALB)?.to_owned(), value.as_str()?.to_owned())))
        // The login action's own secret stands in a Secret, its settings in this annotation.
        .filter(|(key, _)| !key.starts_with("auth-idp"))
        .collect();
    let mut rules = Vec::new();
    for rule in item.pointer("/spec/rules").and_then(Value::as_array).into_iter().flatten() {
        for path in rule.pointer("/http/paths").and_then(Value::as_array).into_iter().flatten() {
            let port = path.pointer("/backend/service/port");
            let port = port.and_then(|port| {
                Some(match port.get("number") {
                    Some(number) => number.to_string(),
                    None => port.get("name")?.as_str()?.to_owned(),
                })
            });
            rules.push(IngressRule {
                host: text(rule, "/host"),
                path: text(path, "/path").unwrap_or_else(|| "/".to_owned()),
                service: text(path, "/backend/service/name").unwrap_or_default(),
                port: port.unwrap_or_default(),
            });
        }
    }
    Ingress {
        namespace: text(item, "/metadata/namespace").unwrap_or_default(),
        name: text(item, "/metadata/name").unwrap_or_default(),
        class: text(item, "/spec/ingressClassName"),
        annotations,
        rules,
    }
}
