//! What the words of a text say, as a sentence with the names that stand in them.

use std::collections::BTreeMap;

use super::own_words::own_words;
use super::{NOTHING, field, or, unseen, with};
use crate::apiserver::message::{heard::names as heard, names as text, tools::names as tools};
use crate::rules::reading::{self, Reading};
use crate::rules::{Rule, mapping};

/// What the words say, with the names that stand in them; where a name is missing, the problem in one line.
pub(super) fn means(found: &Reading, fields: &BTreeMap<String, String>, rule: &Rule, line: &str) -> String {
    let given = |name: &str| !field(fields, name).trim().is_empty();
    let f = |name: &str| if given(name) { field(fields, name) } else { NOTHING };
    let one = |names: &[&str]| names.iter().map(|&name| f(name)).find(|value| *value != NOTHING).unwrap_or(NOTHING);
    let bare = |name: &str| {
        f(name).trim_matches(|c| matches!(c, '[' | ']' | '"')).replace("\" \"", ", ").replace("\",\"", ", ")
    };
    let text = match found.text {
        text::AUDIENCE => format!("the server expects the audience {}, the token says {}", or(&bare("expected"), "of no name"), or(&bare("got"), "none")),
        text::SERVICE_ACCOUNT_AUDIENCE => format!("the server expects the audience {}, the token says {}", bare("expected"), or(&bare("got"), "none")),
        text::OIDC_ISSUER_DIFFERS => format!("the API server is configured for the issuer {}, the document of the provider says {}", or(f("expected"), "nothing"), or(f("got"), "nothing")),
        heard::OTHER_ISSUER => format!("the server expects the issuer {}, the token says {}", f("expected"), f("got")),
        text::OIDC_INIT_HTTP => format!("the control plane asked for the issuer's discovery document and was answered {}{}{}", f("status"), with(" ", f("reason")), server_of(line)),
        text::OIDC_INIT_PROXY | heard::INIT_PROXY => format!("a proxy answered the control plane's CONNECT to {} with {}", f("url"), f("reason")),
        text::OIDC_INIT_PROXY_DEAD => format!("the control plane does not get through to the proxy that it is to take to {}: {}", f("url"), f("error")),
        text::OIDC_INIT_DNS => format!("the control plane does not resolve {}", f("host")),
        text::OIDC_INIT_TIMEOUT => format!("the control plane got no answer from {}: {}", f("url"), f("error")),
        text::OIDC_INIT_REFUSED => format!("{} at {} refuses the control plane's connections", f("url"), f("address")),
        text::OIDC_INIT_CLOSED => format!("the control plane does not get through to {}: {}", f("url"), f("error")),
        text::OIDC_INIT_X509 => format!("the control plane does not accept the certificate of {}: {}", f("url"), f("error")),
        text::OIDC_DISCOVERY_NOT_JSON => format!("the discovery URL answered with {} instead of JSON", or(f("type"), "another type")),
        text::OIDC_NOT_INITIALIZED => "the API server has never been able to read the issuer's discovery document, so it refuses every token of this issuer; why, another line of its log says".to_owned(),
        heard::ISSUER_UNHEALTHY => format!("the authenticator for {} is not up{}", f("issuer"), with(": ", f("error"))),
        text::JWKS_HTTP => format!("the key set's URL answered the API server {} {}", f("status"), f("reason")),
        text::JWKS_UNREACHABLE => format!("the API server does not get the key set at {}: {}", f("url"), f("error")),
        text::JWKS_UNPARSABLE => format!("the key set holds something that the API server cannot read: {}", f("error")),
        text::EXPIRED => format!("the token expired at {}", f("expiry")),
        text::NOT_YET_VALID => format!("the token is not valid before {}", f("time")),
        text::ALGORITHM => format!("the server takes tokens signed with {}, this one is signed with {}", bare("expected"), f("got")),
        text::USERNAME_CLAIM_MISSING => format!("the claim {}, which names the user, is not in the token", f("claim")),
        text::USERNAME_CLAIM_TYPE | text::GROUPS_CLAIM_TYPE | text::REQUIRED_CLAIM_TYPE => format!("the claim {} is of type {}, and must be a string{}", f("claim"), f("got"), if found.text == text::GROUPS_CLAIM_TYPE { " or a list of strings" } else { "" }),
        text::REQUIRED_CLAIM_MISSING => format!("the claim {}, which the server requires, is not in the token", f("claim")),
        text::REQUIRED_CLAIM_DIFFERS => format!("the server requires {} = {}, the token says {}", f("claim"), or(f("expected"), "nothing"), or(f("got"), "nothing")),
        text::CLAIM_MAPPING => {
            let (made, error) = mapping::read(|name| field(fields, name));
            format!("the expression that makes {} of the token's claims fails: {error}", made.words())
        }
        text::CLAIM_RULE | text::USER_RULE => format!("the rule '{}' refuses the token{}", f("expression"), with(": ", or(f("message"), f("error")))),
        text::CLIENT_CERTIFICATE if rule.code == "client-certificate-untrusted" && f("error").contains("expired") => format!("a CA above the client certificate with the serial number {} is refused: {}", f("serial"), f("error")),
        text::CLIENT_CERTIFICATE | text::BOTH_CAS | text::CLIENT_CA_ALONE => format!("the client certificate with the serial number {} is refused: {}", f("serial"), f("error")),
        heard::CERTIFICATE_BARE => format!("a client certificate is refused: {}", f("error")),
        text::FRONT_PROXY_NAME => format!("the proxy's certificate is for {}, which --requestheader-allowed-names does not list", f("name")),
        text::WEBHOOK_FAILED | text::WEBHOOK_ANSWER => format!("the token webhook gave no verdict: {}", if f("error").trim_end_matches('"') == "unknown" { "it answered 403 without a reason, as aws-iam-authenticator does when it refuses a token" } else { f("error") }),
        text::WEBHOOK_TRANSPORT => format!("the token webhook {} could not be asked: {}", f("url"), f("error")),
        text::SERVICE_ACCOUNT_UID => format!("the service account was made anew: its UID is {}, the token's is {}", f("expected"), f("got")),
        text::SERVICE_ACCOUNT_MISSING => format!("the service account {} of the token is gone", f("name")),
        heard::FORBIDDEN | heard::FORBIDDEN_OLD if unseen(rule.code, fields) => format!("the extension server that serves {}{} saw nobody: the API server passes names on to it in headers, which count only beside the front proxy's certificate; or the API server itself saw nobody", f("resource"), if given("group") { format!(".{}", f("group")) } else { String::new() }),
        heard::FORBIDDEN | heard::FORBIDDEN_OLD => refusal(fields),
        text::NODE_AUTHORIZER => format!("the node {} may not do this: {}", f("node"), f("reason")),
        text::RBAC_ESCALATION | heard::ESCALATION => format!("{} would give away rights that {} does not hold", or(f("name"), "the role or binding"), or(f("user"), "its author")),
        text::NAMESPACE_NOT_FOUND => format!("the namespace {} does not exist", f("namespace")),
        text::RESOURCE_NOT_SERVED if given("type") && rule.code == "credential-rejected" => format!("every API server serves {:?}: discovery was refused, or something else answered it", f("type")),
        text::ADMISSION if given("account") => format!("the Pod is to run as the service account {}, which does not exist", f("account")),
        text::ADMISSION_OTHER => format!("an admission plugin refused the {} {:?}: {}", f("resource"), f("name"), f("other")),
        text::RESOURCE_NOT_SERVED if given("type") => format!("the server does not serve {:?}, or discovery was refused", f("type")),
        text::RESOURCE_NOT_SERVED if given("kind") => format!("the server does not serve {} in {}", f("kind"), f("version")),
        text::METRICS_API => "metrics.k8s.io (kubectl top, autoscalers) is not served, or its extension server does not answer".to_owned(),
        heard::LOCALHOST => "kubectl found no cluster in its configuration and fell back to localhost:8080".to_owned(),
        heard::CONTEXT_MISSING => format!("there is no context {}", one(&["context", "name", "asked", "object"])),
        heard::KUBECONFIG_BROKEN => format!("{} is not a kubeconfig that kubectl can read: {}", or(f("file"), "the file"), f("error")),
        heard::ENTRY_FILE => format!("the {} of {} is in {}, which cannot be opened", f("field"), f("entry"), f("file")),
        heard::PLUGIN_ABSENT => format!("the credential plugin {} cannot be started{}", one(&["command", "program", "path", "binary", "needed", "login", "plugin"]), with(": ", one(&["error", "format"]))),
        heard::PLUGIN_FAILED => format!("the credential plugin {} ended with exit code {}; what it wrote to stderr stands before this line", or(f("command"), "of the user entry"), one(&["status", "exit", "code"])),
        heard::PLUGIN_VERSIONS => format!("the user entry says {}, the plugin answered in {}", f("expected"), f("got")),
        heard::PROVIDER_REMOVED if given("deprecated") => format!("this kubectl still has the {} auth plugin, and 1.26 and later do not", f("deprecated")),
        heard::LOGIN_REFUSED => format!("Entra ID gives no token{}: {}", entra(f("aadsts")), f("error")),
        heard::EKS_DENIED => format!("{} may not {} in AWS{}; the API server was not asked", f("arn"), f("action"), with(" on ", f("resource"))),
        heard::X509_MACOS => format!("macOS says of the certificate of {}: {}", f("subject"), f("error")),
        heard::X509_BARE => format!("a server's certificate is refused, whose, the words do not say: {}", f("error")),
        heard::AWS_ASSUME if given("role") => format!("{} may not assume {}", f("arn"), f("role")),
        heard::AWS_CREDENTIALS if given("profile") => format!("there is no AWS profile {}", f("profile")),
        heard::LOGIN_UNREACHABLE | tools::LOGIN_UNREACHABLE => format!("the login plugin does not reach the issuer {}{}", f("url"), with(": ", f("error"))),
        heard::SERVER_NAME | text::CLIENT_NAME_NOT_FOUND | text::CLIENT_NO_RESOLVER => format!("the name {} does not resolve on this machine: {}", one(&["host", "name"]), or(one(&["error", "why"]), "no such host")),
        heard::SERVER_REFUSED | text::CLIENT_REFUSED => format!("nobody listens at {}", one(&["server", "address", "fallback", "at"])),
        text::IAM_NOT_MAPPED => format!("aws-iam-authenticator knows the identity{} and finds no access entry or aws-auth line for it", with(" ", f("arn"))),
        text::IAM_CLOCK => format!("the token was signed at {} by the client's clock, and STS says it is {}", f("signed"), f("now")),
        text::IAM_PARAMETER => format!("the presigned URL in the token has the parameter {}, which the authenticator does not take", f("parameter")),
        text::IAM_LIFETIME if f("seconds") == "0" => "the presigned URL in the token says no lifetime (X-Amz-Expires), and the authenticator takes 0 to 900 seconds".to_owned(),
        text::IAM_LIFETIME => format!("the presigned URL in the token says X-Amz-Expires={}, and the authenticator takes 0 to 900 seconds", f("seconds")),
        text::IAM_UNSIGNED => format!("the token is not signed for a cluster: the header {}, which holds its name, is not among what is signed", f("header")),
        text::IAM_TWICE => "the presigned URL in the token holds a parameter twice, which the authenticator does not take".to_owned(),
        text::KUBECTL_X509_DATE => format!("by this machine's clock ({}) the certificate {} {}", f("now"), if f("way") == "after" { "ended at" } else { "is not valid before" }, f("limit")),
        text::KUBECTL_X509_NAME | text::KUBECTL_X509_DEFAULT if given("names") => format!("the certificate is for {}, the kubeconfig asks for {}", f("names"), f("name")),
        text::CLIENT_PROXY => proxy_fault(f("proxy"), f("error")),
        text::CLIENT_PROXY_REFUSED => format!("a proxy between here and the API server answered {}", f("reason")),
        heard::BARE_X509 => format!("a TLS connection failed ({}); the line does not say that it was one to the API server", or(f("error"), f("bare"))),
        heard::BARE_TIMEOUT => format!("{} did not answer; the line does not say that it is the API server", f("address")),
        reading::alone::NAME => "any program says this of any server; it is taken for kubectl's word about the API server".to_owned(),
        heard::BARE_SCHEME => "a client of TLS was answered in plain HTTP; the line does not say that it asked the API server".to_owned(),
        heard::SERVER_SILENT | text::CLIENT_TIMEOUT if given("address") => format!("{} does not answer a connection from this machine", f("address")),
        text::KUBELET_FORBIDDEN if rule.code != "kubelet-refuses-api-server" => format!("the kubelet knows the one who asks it as {}, who may not {} {}{}", f("user"), f("verb"), f("resource"), with("/", f("subresource"))),
        text::KUBELET_FORBIDDEN => format!("the kubelet does not let {} {} {}{}: your own credential is fine", f("user"), f("verb"), f("resource"), with("/", f("subresource"))),
        text::KUBELET_UNAUTHORIZED => format!("the kubelet refuses the API server's own credential ({}): yours is fine", f("request")),
        heard::BOOTSTRAP if line.contains("the bootstrap token is invalid") => "kubeadm takes this for no bootstrap token: one is of the form ID.SECRET, of 6 and of 16 small letters and digits".to_owned(),
        heard::KIAM_ROLE if line.contains("pod not found") => "kiam's server knows no Pod of the address that asks: it has not seen it yet, or the Pod is gone, so it finds no role for it".to_owned(),
        heard::UNAUTHORIZED | tools::UNAUTHORIZED | tools::UNAUTHORIZED_OPEN => "the API server answered 401 Unauthorized; it never tells the one who asks why, its log does".to_owned(),
        text::NOBODY_CLAIMED | heard::NOBODY => "no authenticator of the API server took the token for one of its own: its issuer is not a configured one, or it is no token at all".to_owned(),
        heard::AUDIT_FAILED => format!("the API server refused a credential of this kind: {}", f("attempted")),
        tools::FORBIDDEN | tools::FORBIDDEN_PYTHON | tools::FORBIDDEN_NODE => "the API server answered 403 Forbidden; who was refused what, the client keeps to itself".to_owned(),
        tools::FORBIDDEN_BARE => refusal(fields),
        tools::RBAC_DENY => format!("RBAC lets {} not {} {}; another authorizer may", f("user"), f("verb"), one(&["resource", "path"])),
        tools::AUTHORITY => "a server's certificate is signed by nobody that the client trusts, and the words around it are those of a client of Kubernetes".to_owned(),
        tools::NAME | tools::LOOKUP => format!("the name {} does not resolve on this machine", one(&["host", "name", "named"])),
        tools::SILENT | tools::REFUSED | tools::CONNECTEX | tools::SOCKET => format!("no connection to {}{}", one(&["server", "address"]), with(": ", f("error"))),
        tools::HOSTNAME => format!("the certificate that was shown is not for {}", f("name")),
        tools::PLUGIN_ABSENT | tools::PLUGIN_START => format!("the credential plugin {} cannot be started{}", one(&["command", "path"]), with(": ", f("error"))),
        tools::PLUGIN_FAILED => format!("the credential plugin ended with exit code {}", one(&["status", "exit"])),
        tools::AUTHORITY_UNFIT => format!("the kubeconfig trusts an authority {:?} that cannot have signed this certificate: {}", f("authority"), f("reason")),
        tools::IMPERSONATION => format!("Teleport does not let this user act as the {} {:?}", f("kind"), f("name")),
        tools::NODE_CSR => format!("only the node {} may ask for its certificate, and somebody else did", f("node")),
        text => own_words(text).map_or_else(String::new, |(title, _)| title.to_owned()),
    };
    if text.trim().is_empty() || text.contains(NOTHING) { rule.title.to_owned() } else { text }
}

/// What is wrong with the proxy that a client was to go through.
fn proxy_fault(address: &str, error: &str) -> String {
    let proxy = if address == NOTHING { "the proxy".to_owned() } else { format!("the proxy {address}") };
    if error.contains("first record does not look like a TLS handshake") {
        return format!(
            "{proxy} is named with https:// and does not speak TLS itself: most are named with http://, whatever is asked through them"
        );
    }
    if error.contains("x509: ") {
        return format!("the certificate of {proxy} itself is not trusted: {error}");
    }
    format!("{proxy} cannot be used: {error}")
}

/// Which of its reasons Entra ID names by a number.
fn entra(code: &str) -> &'static str {
    match code {
        "AADSTS53003" => ", because of a Conditional Access policy",
        "AADSTS7000215" => ", because the client secret is not the one of the application",
        "AADSTS7000222" => ", because the client secret has expired",
        "AADSTS700016" => ", because the tenant does not have this application",
        _ => "",
    }
}

/// Who wrote the issuer's page, where it says so; in a log of JSON the whole page stands in the line.
fn server_of(line: &str) -> &'static str {
    let page = line.split_once("initializing plugin: ").map_or("", |(_, page)| page);
    let known = [
        ("nginx", " by nginx"),
        ("awselb", " by an AWS load balancer"),
        ("cloudflare", " by Cloudflare"),
        ("CloudFront", " by CloudFront"),
        ("Envoy", " by Envoy"),
    ];
    known.iter().find(|(mark, _)| page.contains(mark)).map_or("", |(_, words)| words)
}

/// The authorizer's refusal in words; empty where the message was cut before it says who was refused.
fn refusal(fields: &BTreeMap<String, String>) -> String {
    let f = |name: &str| field(fields, name);
    if f("user").is_empty() {
        return String::new();
    }
    if f("verb").is_empty() || f("resource").is_empty() && f("path").is_empty() {
        return format!(
            "the API server knows the user as {:?} and refused what was asked; which right is missing, the part of the message that is here does not say",
            f("user")
        );
    }
    let what = if f("path").is_empty() {
        let dotted = if f("group").is_empty() { String::new() } else { format!(".{}", f("group")) };
        let sub = with("/", f("subresource"));
        let name = if f("name").is_empty() { String::new() } else { format!(" {}", f("name")) };
        let namespace = or(f("namespace"), f("project"));
        let place = if namespace.is_empty() {
            " in the whole cluster".to_owned()
        } else {
            format!(" in the namespace {namespace}")
        };
        format!("{}{dotted}{sub}{name}{place}", f("resource"))
    } else {
        f("path").to_owned()
    };
    format!(
        "the API server knows the user as {:?}, who may not {} {what}{}",
        f("user"),
        f("verb"),
        with(": ", f("reason"))
    )
}
