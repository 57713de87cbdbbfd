//! What answers there is no Kubernetes API.

use crate::apiserver::message::{self, heard};
use crate::evidence::apiserver::HttpAnswer;
use crate::evidence::{Failure, FailureKind, Outcome};
use crate::report::shell::shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::answerer::{Answerer, answerer};
use crate::rules::kubeconfig::server_url_wrong_scheme::ANSWERS as PLAIN_TO_TLS;
use crate::rules::kubeconfig_fault::{cluster as named, complaint};
use crate::rules::unserved::{Came, Spread, unserved};
use crate::rules::way::{direct_works, host, place, proxy};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "not-a-kubernetes-api",
    severity: Severity::Error,
    title: "What answers at the server URL is no Kubernetes API",
    page: Page {
        means: "The server URL leads to something else: a login page, a captive portal, an ingress default backend, or a plain HTTP port.",
        evidence: "The answer to GET /version: its status, content type and first line.",
        fix: "Correct the server URL; log in to the portal; or leave the proxy out with NO_PROXY. `curl -sk SERVER_URL/version` shows what answers.",
        references: "https://kubernetes.io/docs/concepts/overview/kubernetes-api/",
    },
    recognises: &[&heard::PAGE, &heard::PAGE_UNDECODED, &heard::HTML],
    explains: &["credential-rejected", "anonymous-request", "token-not-jwt"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(failure) = case.evidence.endpoint.tls.failed_as(&[FailureKind::Protocol]) {
        if let Some(proxy) = proxy(case) {
            return through_proxy(case, failure, proxy).into_iter().collect();
        }
        return vec![RULE.finding(
            Confidence::Certain,
            "The port does not speak TLS, so it cannot be the API server's secure port.",
            probed("/endpoint/tls/failed/detail", failure.detail.clone()),
            Step::text("Correct scheme and port in the cluster entry's server URL (usually https and 6443 or 443)."),
        )];
    }
    if let Some(finding) =
        path_kept(case).or_else(|| fragment(case)).or_else(|| undecodable(case)).or_else(|| plain_behind(case))
    {
        return vec![finding];
    }
    if let Some(finding) = some_foreign(case).or_else(|| no_http(case)) {
        return vec![finding];
    }
    let Some(answer) = case.evidence.endpoint.anonymous.seen() else { return Vec::new() };
    // A proxy that logs people in shows its own page to everybody else.
    if case.proxy_logs_in() || case.accepted() {
        return Vec::new();
    }
    // A 5xx or 429 of a balancer is the API being away, which is another finding.
    if answer.status >= 500 || answer.status == 429 {
        return Vec::new();
    }
    let kind = answer.content_type.as_deref().unwrap_or("no content type");
    let by = answer.server.as_ref().map_or_else(String::new, |server| format!(" by {server:?}"));
    let compare = Step::command("Compare the server URL with the cluster's endpoint", "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'");
    let name = host(case);
    let (title, what, second) = match answerer(answer) {
        Answerer::Kubernetes => return Vec::new(),
        Answerer::Redirect(location) => (
            "What answers at the server URL sends elsewhere, as no Kubernetes API does",
            format!("GET /version was answered{by} with {} to {location}: something before the API (a login, or a balancer that turns http into https) takes the request. kaccess follows no redirect, because the credential would go along.", answer.status),
            "If that is a login for people, have the API server's name exempted from it; kubectl cannot log in there.",
        ),
        Answerer::Login => (
            "A login page answers at the server URL, not a Kubernetes API",
            format!("GET /version was answered{by} {} with a page that asks to log in. kubectl says of it: invalid character '<' looking for beginning of value.", answer.status),
            "If it is your network's portal, log in there in a browser first; if it stands before the cluster, have the API server's name exempted from it.",
        ),
        Answerer::NoRoute => (
            "What answers at the server URL has no route for this name or path",
            format!("GET /version was answered{by} {} with the words that ingress controllers and web servers have for names and paths they do not know: {:?}.", answer.status, clip(&answer.body, 60)),
            "If it is an ingress controller and the API server is meant to stand behind it, route this name through to it (TLS passed through); else point the server URL at the API server itself.",
        ),
        _ => (
            RULE.title,
            format!("GET /version was answered{by} {} with {kind}, beginning {:?}; an API server answers JSON that names its version, or a Status.", answer.status, clip(&answer.body, 60)),
            "If the page is a login or portal of your network, pass it first, or put the API server's name into NO_PROXY.",
        ),
    };
    let words = if answer.location.is_some() {
        probed("/endpoint/anonymous/seen/location", format!("{} to {}", answer.status, answer.location.as_deref().unwrap_or_default()))
    } else {
        probed("/endpoint/anonymous/seen", format!("{} {} with {kind} from {name}", answer.status, answer.reason))
    };
    // Whoever comes with a credential may be let through, and the run was cut short before that was seen.
    let cut = matches!(&case.evidence.endpoint.authenticated.outcome, Outcome::Skipped(skip) if skip.because == "interrupt");
    if answer.status == 403 {
        return vec![refused(what, words, compare).titled(title).step(Step::text(second))];
    }
    let confidence = if cut { Confidence::Likely } else { Confidence::Certain };
    vec![RULE.finding(confidence, what, words, compare).titled(title).step(Step::text(second))]
}

/// A page with 403 may be for kaccess alone: something before the API server that lets certain clients through.
fn refused(what: String, words: Citation, compare: Step) -> Finding {
    RULE.finding(
        Confidence::Likely,
        format!("{what} A filter before the API server that knows clients by their User-Agent (a web application firewall, a rule of nginx) answers so as well; kubectl may fare otherwise, since kaccess gives a name of its own."),
        words,
        Step::command("See whether kubectl is answered: if it is, such a filter stands there, and kaccess is to be let through it as kubectl is", "kubectl get --raw /version"),
    )
    .step(compare)
}

/// What came back through a proxy is no TLS, and the way without it leads nowhere or was not seen: whose answer it is stays
/// open.
fn through_proxy(case: &Case<'_>, failure: &Failure, proxy: &str) -> Option<Finding> {
    if direct_works(case).is_some() {
        return None;
    }
    Some(
        RULE.finding(
            Confidence::Likely,
            format!("What comes back through the proxy {proxy} is no TLS: either the port at {} speaks none, or the proxy answers in its place (a portal that asks to log in does so).", place(case)),
            probed("/endpoint/tls/failed/detail", failure.detail.clone()),
            Step::text("Correct scheme and port in the cluster entry's server URL (usually https and 6443 or 443)."),
        )
        .step(Step::text(format!("Or pass the proxy's portal first, or have the proxy open tunnels to {}.", place(case)))),
    )
}

/// The server URL has a `#`, which client-go takes for a part of its path.
fn fragment(case: &Case<'_>) -> Option<Finding> {
    let complaint = complaint(case, RULE.code)?;
    let url = url::Url::parse(&case.evidence.endpoint.route.seen()?.url).ok()?;
    let server = url.as_str().trim_end_matches('/');
    Some(
        RULE.finding(
            Confidence::Certain,
            "The server URL is that of a page in a browser: it has a #, and what follows it is no part of any API server's address. kubectl takes it for a part of the path, so that the API server is asked for /%23... and knows no such path. kaccess left it out.",
            complaint.cite,
            Step::command(
                "Take it off",
                shell!("kubectl config set-cluster {} --server={}", named(case), server),
            ),
        )
        .titled("The server URL has a # and what follows it, which kubectl takes for a path"),
    )
}

/// API objects come with a Content-Type that client-go has no serializer for.
fn undecodable(case: &Case<'_>) -> Option<Finding> {
    let kind = case.evidence.identity.seen()?.undecodable_type.as_deref()?;
    let media = kind.split(';').next().unwrap_or_default().trim();
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("The API server's objects arrive as Content-Type {kind:?}: an API server says application/json, so something before it writes that header anew. kaccess reads the body all the same; kubectl goes by the header and says: serializer for {media} doesn't exist."),
            seen("/identity/seen/undecodableType", format!("Content-Type of the SelfSubjectReview's answer: {kind}")),
            Step::text("In the proxy or balancer before the API server, take out what sets or overwrites Content-Type in answers (nginx: add_header, more_set_headers or proxy_hide_header Content-Type; a default type of a web application firewall)."),
        )
        .titled("What stands before the API server changes the content type of its answers")
        .step(Step::command("See the header, before and after", "kubectl get --raw /version -v=8 2>&1 | grep -i content-type")),
    )
}

/// TLS ends before the API server, and what ends it speaks plain HTTP to the API server's TLS port.
fn plain_behind(case: &Case<'_>) -> Option<Finding> {
    let route = case.evidence.endpoint.route.seen().filter(|route| route.scheme == "https")?;
    let answer = case.evidence.endpoint.anonymous.seen()?;
    if case.accepted() || !PLAIN_TO_TLS.iter().any(|text| answer.body.contains(text)) {
        return None;
    }
    let by = answer.server.as_ref().map_or_else(|| "What ends TLS there".to_owned(), |server| format!("{server:?}, which ends TLS there,"));
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("The server URL is right to say https: TLS with {} was made. {by} passes the request on over plain HTTP, and the port behind it wants TLS.", route.host),
            probed("/endpoint/anonymous/seen/body", format!("{}: {}", answer.status, clip(&answer.body, 120))),
            Step::manifest(
                "Have the proxy speak TLS with the API server; in nginx",
                "proxy_pass https://API_SERVER:6443;\nproxy_ssl_trusted_certificate /path/to/cluster-ca.crt;\nproxy_ssl_verify on;\n",
            ),
        )
        .titled("The proxy before the API server speaks plain HTTP to its TLS port")
        .step(Step::text("Or let it pass TLS through (nginx: the stream module, HAProxy: mode tcp): client certificates reach the API server only so.")),
    )
}

/// Paths of the API itself that are taken for the server's address.
const API_PATHS: [&str; 5] = ["/api", "/api/v1", "/apis", "/version", "/healthz"];

/// The server URL ends in a path of the API itself, and every request is put behind it.
fn api_path(case: &Case<'_>) -> Option<Finding> {
    let url = url::Url::parse(&case.evidence.endpoint.route.seen()?.url).ok()?;
    let path = url.path().trim_end_matches('/');
    let (end, rest) = API_PATHS.iter().rev().find_map(|end| Some((*end, path.strip_suffix(end)?)))?;
    let failure = case.evidence.identity.failed_as(&[FailureKind::Forbidden, FailureKind::Unsupported])?;
    // Whoever is refused the review itself was asked for it by its right path.
    if failure.detail.contains("selfsubjectreviews.authentication.k8s.io") {
        return None;
    }
    // Somebody takes that path off on the way.
    let endpoint = &case.evidence.endpoint;
    let answered = |answer: &HttpAnswer| answer.status == 200 && answer.is_of_kubernetes();
    if [&endpoint.anonymous, &endpoint.authenticated].iter().any(|probe| probe.seen().is_some_and(answered)) {
        return None;
    }
    let misread = failure.kind == FailureKind::Forbidden && message::forbidden(&failure.detail).is_some();
    let server = format!("{}{rest}", url.origin().ascii_serialization());
    Some(
        RULE.finding(
            if misread { Confidence::Certain } else { Confidence::Likely },
            format!("The server URL ends in {end}, which is a path of the API itself. Clients put their own paths behind the server URL, so the API server is asked for {path}/apis/..., and has no such thing."),
            seen("/identity/failed/detail", clip(&failure.detail, 240)),
            Step::command(
                "Take that path off",
                shell!("kubectl config set-cluster {} --server={}", named(case), server),
            ),
        )
        .titled("The server URL ends in a path of the API itself"),
    )
}

/// The server URL has a path, and the API server was asked with it in front: nobody takes it off on the way.
fn path_kept(case: &Case<'_>) -> Option<Finding> {
    if let Some(finding) = api_path(case) {
        return Some(finding);
    }
    let url = url::Url::parse(&case.evidence.endpoint.route.seen()?.url).ok()?;
    let prefix = url.path().trim_end_matches('/');
    let failure = case.evidence.identity.failed_as(&[FailureKind::Forbidden])?;
    let (_, asked) = failure.detail.split_once(" path \"")?;
    if prefix.is_empty() || !asked.starts_with(&format!("{prefix}/apis/")) {
        return None;
    }
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("The API server was asked for {prefix}/apis/..., which is no path of a Kubernetes API: the server URL ends in {prefix}, and nothing on the way takes that off."),
            seen("/identity/failed/detail", clip(&failure.detail, 240)),
            Step::command(
                "If this is the API server's own address, take the path off",
                shell!("kubectl config set-cluster {} --server={}", named(case), url.origin().ascii_serialization()),
            ),
        )
        .titled("The server URL has a path that the API server does not know")
        .step(Step::text("If a proxy of several clusters (Rancher, Teleport) is meant, point the server URL at that proxy: it is the one that takes the path off.")),
    )
}

/// An API server answers some requests, and something else answers others.
fn some_foreign(case: &Case<'_>) -> Option<Finding> {
    let unserved = unserved(case, |came| matches!(came, Came::Foreign(_)))?;
    // Where the first answer is foreign already, it is looked at by itself; and one size of header may be too much.
    let kinds = [FailureKind::Forbidden, FailureKind::Protocol, FailureKind::Http];
    let review = case.evidence.identity.failed_as(&kinds).is_some();
    let plain = case.evidence.endpoint.authenticated.seen().is_none_or(HttpAnswer::is_of_kubernetes);
    // An API server has such refusals, too.
    let other = case.evidence.identity.failed_as(&[FailureKind::Http]).is_some() && !matches!(unserved.spread, Spread::Posts | Spread::Paths);
    if unserved.spread == Spread::Every || !review || !plain || other {
        return None;
    }
    let why = format!("{}. What answered is no API server.", unserved.what());
    Some(unserved.finding(&RULE, case, "answered by something else", why))
}

/// Bytes came that are no HTTP.
fn no_http(case: &Case<'_>) -> Option<Finding> {
    let unserved = unserved(case, |came| {
        matches!(came, Came::Broken(failure, _) if failure.kind == FailureKind::Protocol
            && !failure.seen.as_deref().unwrap_or_default().starts_with("http2 error"))
    })?;
    let why = match unserved.spread {
        Spread::Every => "What answers there does not answer in HTTP as an API server does.".to_owned(),
        _ => format!("{}.", unserved.what()),
    };
    Some(unserved.finding(&RULE, case, "answered in something else than HTTP", why))
}
