//! Who answers in the API server's place, as far as an answer tells.

use crate::evidence::apiserver::HttpAnswer;

/// What answers in the API server's place, as far as its answer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answerer {
    /// An API server, or Rancher, which speaks for many.
    Kubernetes,
    /// It sends elsewhere: the place.
    Redirect(String),
    /// A page that asks people to log in.
    Login,
    /// An ingress controller without a route for the name.
    NoRoute,
    /// Another page.
    Page,
    /// JSON of something else.
    Json,
    /// Anything else.
    Other,
}

/// Tells what answers, from one answer to `GET /version`.
pub fn answerer(answer: &HttpAnswer) -> Answerer {
    let kind = answer.content_type.as_deref().unwrap_or_default();
    let body = answer.body.trim_start();
    if answer.is_of_kubernetes() || is_rancher(answer) {
        return Answerer::Kubernetes;
    }
    if (300..400).contains(&answer.status)
        && let Some(location) = &answer.location
    {
        return Answerer::Redirect(location.clone());
    }
    let low = body.to_lowercase();
    if body.starts_with("default backend - 404")
        || answer.status == 404 && (body.trim_end() == "404 page not found" || low.contains("<center>nginx"))
    {
        return Answerer::NoRoute;
    }
    let page = kind.starts_with("text/html") || low.starts_with("<!doctype html") || low.starts_with("<html");
    let asks = ["type=\"password\"", "sign in", "log in", "login", "single sign-on", "<form"];
    match page {
        true if asks.iter().any(|mark| low.contains(mark)) => Answerer::Login,
        true => Answerer::Page,
        false if kind.contains("json") || body.starts_with('{') => Answerer::Json,
        false => Answerer::Other,
    }
}

/// Rancher's own words to whoever is not logged in; it passes the others on to the cluster.
fn is_rancher(answer: &HttpAnswer) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_str(&answer.body).ok();
    body.is_some_and(|body| {
        body.get("type").is_some_and(|kind| kind == "error")
            && (body.get("baseType").is_some_and(|kind| kind == "error") || answer.status == 401)
    })
}

/// Who gave a 5xx, and what it means there; nothing where it may be the API server itself.
pub fn balancer(answer: &HttpAnswer) -> Option<(&'static str, &'static str)> {
    if answer.is_of_kubernetes() {
        return None;
    }
    let server = answer.server.as_deref().unwrap_or_default();
    let body = answer.body.to_lowercase();
    let meaning = match answer.status {
        502 => {
            "it reached the API server's port and got no proper answer: the target closed the connection, or TLS between them failed"
        }
        503 if body.starts_with("upstream connect error") => {
            "it could not connect to the API server, or the connection was reset"
        }
        503 => "it has nobody to pass the request to (no healthy target), or is told to refuse for now",
        504 => {
            "its target did not answer in time: the API server hangs, or a security group or firewall stands between them"
        }
        _ => "it failed itself",
    };
    if server.starts_with("awselb") {
        return Some(("an AWS load balancer", meaning));
    }
    if body.starts_with("upstream connect error")
        || body.starts_with("no healthy upstream")
        || server.starts_with("istio-envoy")
        || server == "envoy"
    {
        return Some(("Envoy (Istio, or another mesh or gateway)", meaning));
    }
    if server.starts_with("nginx") || server.starts_with("openresty") || body.contains("<center>nginx") {
        return Some(("nginx", meaning));
    }
    if body.contains("no server is available to handle this request") {
        return Some(("HAProxy", meaning));
    }
    if server.starts_with("cloudflare") {
        return Some(("Cloudflare", meaning));
    }
    let page = answer.content_type.as_deref().unwrap_or_default().starts_with("text/html") || body.starts_with("<html");
    page.then_some(("a balancer or proxy", meaning))
}
