//! The grammar of the API server's errors and logs: which texts there are and which fields stand in them.
//!
//! Sources: Kubernetes' `plugin/pkg/authenticator/token/oidc`, `pkg/endpoints/handlers/responsewriters/errors.go`,
//! go-oidc's `verify.go` and `jwks.go`; every pattern was seen on a real 1.36 server or says otherwise.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::evidence::access::Question;

/// A text that an API server prints, with named fields.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    /// Stable name, as evidence files spell it.
    pub name: &'static str,
    /// Its regular expression, over unescaped text.
    pub pattern: &'static str,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $id:ident = $name:literal, $pattern:literal;)*) => {
        $($(#[$doc])* pub static $id: Text = Text { name: $name, pattern: $pattern };)*
        /// All texts, in the order of the file.
        pub static TEXTS: &[&Text] = &[$(&$id),*];
        /// Their names, to match on: no text is renamed past a match.
        pub mod names {
            $($(#[$doc])* pub const $id: &str = $name;)*
        }
    };
}

pub mod heard;
pub mod set;
pub mod tools;

texts! {
    /// The issuer (or what stands in front of it) answered discovery with another status than 200.
    OIDC_INIT_HTTP = "oidc-init-http", r"initializing plugin: (?P<status>\d{3}) (?P<reason>[^:\n]*): ?(?P<body>[^\n]*)";
    /// A forward proxy refused the CONNECT to the issuer: the reason phrase alone, without digits or body, in whatever
    /// words the proxy has. Go's own errors begin with a small letter, and EOF is no word. A proxy of an egress selection
    /// is named, with its status.
    OIDC_INIT_PROXY = "oidc-init-proxy", r#"initializing plugin: Get "(?P<url>[^"]+)": (?:proxy error from (?P<proxy>\S+) while dialing \S+, code (?P<status>\d{3}): (?:\d{3} )?)?(?P<reason>[A-Z][a-z]+(?:[ -][A-Za-z]+)*)"?\s*$"#;
    /// The control plane's own proxy cannot be connected to.
    OIDC_INIT_PROXY_DEAD = "oidc-init-proxy-dead", r#"initializing plugin: Get "(?P<url>[^"]+)": proxyconnect tcp: (?P<error>[^\n"]+)"#;
    /// The issuer's host name does not resolve for the control plane.
    OIDC_INIT_DNS = "oidc-init-dns", r#"initializing plugin: Get "(?P<url>[^"]+)": dial tcp: lookup (?P<host>\S+)(?: on (?P<server>\S+))?: (?P<error>[^\n"]+)"#;
    /// The issuer did not answer the control plane in time; a proxy that did not is told by "proxyconnect".
    OIDC_INIT_TIMEOUT = "oidc-init-timeout", r#"initializing plugin: Get "(?P<url>[^"]+)": (?P<error>(?:[^p\n][^\n]*)?(?:i/o timeout|Client\.Timeout|TLS handshake timeout|deadline exceeded)[^\n]*)"#;
    /// The issuer's port is closed for the control plane.
    OIDC_INIT_REFUSED = "oidc-init-refused", r#"initializing plugin: Get "(?P<url>[^"]+)": dial tcp (?P<address>\S+): connect: connection refused"#;
    /// The control plane does not trust the issuer's certificate.
    OIDC_INIT_X509 = "oidc-init-x509", r#"initializing plugin: Get "(?P<url>[^"]+)": (?:tls: failed to verify certificate: )?x509: (?P<error>[^\n"]+)"#;
    /// The issuer hangs up on the control plane, leads it in circles, or there is no way to it.
    OIDC_INIT_CLOSED = "oidc-init-closed", r#"initializing plugin: Get "(?P<url>[^"]+)": (?P<error>EOF|unexpected EOF|read tcp [^\n"]+|dial tcp \S+: connect: (?:no route to host|network is unreachable|connection timed out)|remote error: tls: [^\n"]+|tls: (?:server selected|no supported|first record)[^\n"]*|http: server gave HTTP response to HTTPS client|stopped after \d+ redirects)"#;
    /// The discovery document names another issuer than the configuration.
    OIDC_ISSUER_DIFFERS = "oidc-issuer-differs", r#"issuer did not match the issuer returned by provider, expected "(?P<expected>[^"]*)" got "(?P<got>[^"]*)""#;
    /// The discovery URL answered something that is no JSON.
    OIDC_DISCOVERY_NOT_JSON = "oidc-discovery-not-json", r#"failed to decode provider discovery object: expected Content-Type = application/json, got "(?P<type>[^"]*)""#;
    /// Consequence: the authenticator for this issuer never came up.
    OIDC_NOT_INITIALIZED = "oidc-not-initialized", r"oidc: authenticator not initialized";
    /// The key set's URL answered with another status than 200.
    JWKS_HTTP = "jwks-http", r"fetching keys oidc: get keys failed: (?P<status>\d{3}) (?P<reason>[A-Za-z -]*[A-Za-z])";
    /// The key set's URL could not be reached.
    JWKS_UNREACHABLE = "jwks-unreachable", r#"fetching keys oidc: get keys failed:? Get "(?P<url>[^"]+)": (?P<error>[^\n\]]+)"#;
    /// The key set is not what Go's JOSE library reads.
    JWKS_UNPARSABLE = "jwks-unparsable", r"fetching keys oidc: failed to decode keys: (?P<error>[^\n]+)";
    /// No key of the set verifies the token.
    SIGNATURE_FAILED = "signature-failed", r"failed to verify id token signature";
    /// The token's audience is not the configured client id.
    AUDIENCE = "audience", r#"oidc: expected audience (?:in )?(?P<expected>"[^"]*"|\[[^\]]*\]) got (?P<got>\[[^\]]*\])"#;
    /// The token is past its expiry.
    EXPIRED = "expired", r"oidc: token is expired \(Token Expiry: (?P<expiry>[^)]*)\)";
    /// The token is signed with an algorithm that is not allowed.
    ALGORITHM = "algorithm", r#"id token signed with unsupported algorithm, expected (?P<expected>\[[^\]]*\]) got "(?P<got>[^"]*)""#;
    /// The claim that should hold the user's name is absent.
    USERNAME_CLAIM_MISSING = "username-claim-missing", r#"oidc: parse username claims "(?P<claim>[^"]*)": claim not present"#;
    /// The mail address is not verified; 1.6 and before say it without `oidc: ` (by a public thread, not seen).
    EMAIL_NOT_VERIFIED = "email-not-verified", r"oidc: email not verified|'email_verified' claim not present|\[invalid bearer token[^\n]*, email not verified\]";
    /// The token is not valid yet: its `nbf` lies more than a minute ahead.
    NOT_YET_VALID = "not-yet-valid", r"oidc: current time [^\n]*? before the nbf \(not before\) time: (?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)";
    /// `email_verified` is no boolean.
    EMAIL_VERIFIED_TYPE = "email-verified-type", r"oidc: parse 'email_verified' claim: json: cannot unmarshal (?P<got>\w+) into Go value of type bool";
    /// The claim that should hold the user's name is no text.
    USERNAME_CLAIM_TYPE = "username-claim-type", r#"oidc: parse username claims "(?P<claim>[^"]*)": json: cannot unmarshal (?P<got>\w+) into"#;
    /// `sub` is no text; it must be one, whichever claim names the user.
    SUBJECT_TYPE = "subject-type", r"oidc: failed to unmarshal claims: json: cannot unmarshal (?P<got>\w+) into Go struct field idToken\.(?P<claim>sub) of type string";
    /// The groups claim is neither a text nor a list of texts.
    GROUPS_CLAIM_TYPE = "groups-claim-type", r#"oidc: parse groups claim "(?P<claim>[^"]*)": json: cannot unmarshal (?P<got>\w+) into"#;
    /// The groups are somewhere else, and could not be fetched there.
    DISTRIBUTED_CLAIMS = "distributed-claims", r"oidc: (?:could not expand distributed claims: (?P<error>[^\n]+)|failed to obtain source from claim name|source does not exist)";
    /// A required claim is absent.
    REQUIRED_CLAIM_MISSING = "required-claim-missing", r"oidc: required claim (?P<claim>\S+) not present in ID token";
    /// A required claim has another value.
    REQUIRED_CLAIM_DIFFERS = "required-claim-differs", r#"oidc: required claim (?P<claim>\S+) value does not match\. Got = (?P<got>[^\n]*?), want = (?P<expected>[^\n\]"]*)"#;
    /// A required claim is no text, which no required value can ever equal.
    REQUIRED_CLAIM_TYPE = "required-claim-type", r"oidc: parse claim (?P<claim>[^:\s]+): json: cannot unmarshal (?P<got>\w+) into Go value of type string";
    /// A claim validation rule (CEL) is false, or fails.
    CLAIM_RULE = "claim-rule", r#"oidc: error evaluating claim validation expression: (?:validation )?expression '(?P<expression>[^\n]*?)' (?:failed: ?(?P<message>[^\n\]]*)|resulted in error: (?P<error>[^\n\]"]*))"#;
    /// A user validation rule (CEL) is false, or fails.
    USER_RULE = "user-rule", r#"oidc: error evaluating user info validation rule: (?:validation )?expression '(?P<expression>[^\n]*?)' (?:failed: ?(?P<message>[^\n\]]*)|resulted in error: (?P<error>[^\n\]"]*))"#;
    /// An expression (CEL) that makes the user of the claims fails, or makes no text; that of an extra attribute has no
    /// words before it.
    CLAIM_MAPPING = "claim-mapping", r#"oidc: error evaluating (?P<what>username|group|uid|extra) claim expression: (?:expression '(?P<expression>[^\n]*?)' resulted in error: (?P<error>[^\n\]"]+)|(?P<wrong>[^\n\]]*?expression must return a string(?: or a list of strings)?))|invalid bearer token, expression '(?P<extra>[^\n]*?)' resulted in error: (?P<cause>[^\n\]"]+)|oidc: (?P<empty>empty username) via CEL expression is not allowed"#;
    /// The header has two blanks behind `Bearer`, so there is no token in it.
    EXTRA_SPACE = "extra-space", r"the provided Authorization header contains extra space before the bearer token, and is ignored";
    /// A client certificate was refused. What others say of the same request comes after a comma; one in quotes, or before
    /// a number, is the error's own.
    CLIENT_CERTIFICATE = "client-certificate", r#"verifying certificate SN=(?P<serial>\d+), SKID=(?P<skid>[^,\s]*), AKID=(?P<akid>\S*) failed: x509: (?P<error>(?: \\*"[^"\n]*"|, \d|[^,"\n\]])+)"#;
    /// The certificate of an authenticating proxy has a name that --requestheader-allowed-names does not list.
    FRONT_PROXY_NAME = "front-proxy-name", r"x509: subject with cn=(?P<name>[^\n]*?) is not in the allowed list";
    /// Neither the front proxy's CA nor the clients' one signed this certificate. The front proxy's is asked about every
    /// client's certificate, and what it says alone says nothing: dates are looked at before signatures.
    BOTH_CAS = "certificate-of-neither-ca", r"(?:\[|, )x509: (?P<error>[^,\]\n]+), verifying certificate SN=(?P<serial>\d+), SKID=[^,\s]*, AKID=\S* failed: x509: certificate signed by unknown authority";
    /// Only the clients' CA had an opinion: the certificate is a front proxy's, and no user came with it (or the server
    /// has no front proxy's CA at all).
    CLIENT_CA_ALONE = "certificate-of-no-client", r#"(?:err="|err=|^)\[?(?:invalid bearer token, )?verifying certificate SN=(?P<serial>\d+), SKID=[^,\s]*, AKID=\S* failed: x509: (?P<error>(?: \\*"[^"\n]*"|, \d|[^,"\n\]])+)"#;
    /// The token webhook could not be asked, or refused to be asked.
    WEBHOOK_FAILED = "authentication-webhook", r"Failed to make webhook authenticator request: (?P<error>[^\n]+)";
    /// The same without a status, as a TokenReview tells it.
    WEBHOOK_TRANSPORT = "authentication-webhook-transport", r#"invalid bearer token, Post "(?P<url>[^"]+[?&]timeout=[^"]+)": (?P<error>[^\n\]]+)"#;
    /// The token webhook answered, and with no verdict; a TokenReview tells it in the words of Go's client.
    WEBHOOK_ANSWER = "authentication-webhook-answer", r#"invalid bearer token, (?P<error>(?:an error on the server \(|the server (?:is currently unable to handle|was unable to return a response|has asked for the client to provide credentials|could not find the requested resource|has received too many requests)|couldn't get version/kind; |converting \([^)\n]*TokenReview\) to |no kind "[^"\n]*" is registered|0-length response |context deadline exceeded)[^\n\]]*)"#;
    /// The kubelet does not take the API server's own credential.
    KUBELET_UNAUTHORIZED = "kubelet-unauthorized", r"the server has asked for the client to provide credentials \( ?(?P<request>(?:pods|nodes)/\w+ [^\s)]+)";
    /// The kubelet does not allow the API server to do this.
    KUBELET_FORBIDDEN = "kubelet-forbidden", r"Forbidden \(user=(?P<user>[^,]+), verb=(?P<verb>[^,]*), resource=(?P<resource>[^,]*), subresource(?:\(s\))?=(?P<subresource>[^)]*)\)";
    /// The API server did not get through to a kubelet.
    KUBELET_UNREACHABLE = "kubelet-unreachable", r#"(?:Get|Post) "?(?P<url>https://[^"\s]+/(?:containerLogs|exec|attach|portForward|run|stats|metrics|logs|pods|configz)[^"\s]*)"?: (?P<error>[^\n]+)"#;
    /// The same for streams (exec, attach, port-forward).
    KUBELET_DIAL = "kubelet-dial", r"error dialing backend: (?P<error>[^\n]+)";
    /// An aggregated API has no answer, as the API server's availability controller logs it (by the source, not seen).
    AGGREGATED_LOGGED = "aggregated-api-logged", r#"(?P<name>v\d[a-z0-9]*\.[a-z0-9.-]+) failed with: (?P<error>[^\n]+)"#;
    /// The same, as kubectl tells it of one request.
    AGGREGATED_REQUEST = "aggregated-api-request", r"the server is currently unable to handle the request \((?P<verb>\w+) (?P<resource>[a-z0-9]+)\.(?P<group>[a-z0-9-]+\.[a-z0-9.-]+)";
    /// The same, as discovery tells it of one group (by the source, not seen).
    AGGREGATED_DISCOVERY = "aggregated-api-discovery", r"(?P<group>[a-z0-9-]+\.[a-z0-9.-]+/v\w+): (?:the server is currently unable to handle the request|stale GroupVersion discovery)";
    /// The discovery document names no key set (1.35 and later never initialise then).
    JWKS_URI_MISSING = "jwks-uri-missing", r"provider did not return JWKS URL";
    /// A changed authentication configuration was not taken over.
    CONFIG_NOT_RELOADED = "authentication-config-not-reloaded", r#"failed to (?P<step>load|validate|update|read) authentication config(?: file)?" (?:[a-z]+="[^"]*" )*err=(?P<error>[^\n]+)"#;
    /// It was taken over.
    CONFIG_RELOADED = "authentication-config-reloaded", r#""reloaded authentication config"#;
    /// Flags and file exclude each other; the server does not start.
    CONFIG_CONFLICT = "authentication-config-conflict", r"authentication-config file and oidc-\* flags are mutually exclusive";
    /// The server does not start with this configuration file.
    CONFIG_INVALID = "authentication-config-invalid", r#"(?:failed to load authentication configuration from file "(?P<file>[^"]*)": |invalid authentication configuration: )(?P<error>[^\n]+)"#;
    /// The OIDC issuer is the cluster's own; the server does not start.
    ISSUER_IS_OWN = "issuer-equals-service-account-issuer", r#"Invalid value: "(?P<issuer>[^"]*)": URL must not overlap with disallowed issuers: \[(?P<disallowed>[^\]]*)\]"#;
    /// A service account token is past its expiry.
    SERVICE_ACCOUNT_EXPIRED = "service-account-expired", r"service account token has expired|invalid bearer token, Token has expired";
    /// A service account token is for other audiences.
    SERVICE_ACCOUNT_AUDIENCE = "service-account-audience", r"token audiences (?P<got>\[[^\]]*\]) is invalid for the target audiences (?P<expected>\[[^\]]*\])";
    /// A service account token's `nbf` lies more than a minute ahead.
    SERVICE_ACCOUNT_NOT_YET_VALID = "service-account-not-yet-valid", r"service account token is not valid yet";
    /// A service account token names a key that the API server does not have.
    SERVICE_ACCOUNT_KEY_UNKNOWN = "service-account-key-unknown", r"invalid signature, no keys found";
    /// No key of the API server verifies a service account token.
    SERVICE_ACCOUNT_SIGNATURE = "service-account-signature", r"(?:go-jose|square)/go-jose: error in cryptographic primitive";
    /// The service account of a token is not there.
    SERVICE_ACCOUNT_MISSING = "service-account-missing", r#"serviceaccounts "(?P<name>[^"]+)" not found"#;
    /// The service account of a token was deleted and its name is still taken by a finalizer.
    SERVICE_ACCOUNT_DELETED = "service-account-deleted", r"(?:service account|ServiceAccount) (?P<namespace>[^/\s]+)/(?P<name>\S+) has been deleted";
    /// The service account was made anew after the token.
    SERVICE_ACCOUNT_UID = "service-account-uid", r"(?:service account|ServiceAccount) UID \((?P<expected>[^)]*)\) does not match claim \((?P<got>[^)]*)\)";
    /// The Pod, Secret or Node that a token is bound to is gone.
    SERVICE_ACCOUNT_INVALIDATED = "service-account-invalidated", r"service account token has been invalidated";
    /// The Pod, Secret or Node that a token is bound to was made anew after it.
    SERVICE_ACCOUNT_BOUND_UID = "service-account-bound-uid", r"(?P<kind>pod|secret|node) UID \((?P<expected>[^)]*)\) does not match service account (?:pod|secret|node) ref claim \((?P<got>[^)]*)\)";
    /// The Secret of a legacy token is gone.
    LEGACY_TOKEN_INVALIDATED = "legacy-token-invalidated", r"Token has been invalidated";
    /// The Secret of a legacy token holds another token.
    LEGACY_TOKEN_DIFFERS = "legacy-token-differs", r"Token does not match server's copy";
    /// The Secret of a legacy token was unused for long and is marked.
    LEGACY_TOKEN_MARKED = "legacy-token-marked", r"the token in secret (?P<namespace>[^/\s]+)/(?P<secret>\S+) \S+ service account \S+ has been marked invalid";
    /// A legacy token lacks a claim.
    LEGACY_TOKEN_CLAIM = "legacy-token-claim", r"(?P<claim>sub|namespace|secretName|serviceAccountName|serviceAccountUID) claim is (?:missing|invalid)";
    /// Somebody gives away rights that they do not hold.
    RBAC_ESCALATION = "rbac-escalation", r#"(?P<resource>(?:cluster)?role(?:binding)?s)\.rbac\.authorization\.k8s\.io(?: "(?P<name>[^"]*)")? is forbidden: user "(?P<user>(?:[^"\\]|\\.)*)" \(groups=(?P<groups>\[[^\n]*?\])\) is attempting to grant RBAC permissions not currently held:\s+(?P<rules>\{[^\n]*(?:\n\{[^\n]*)*)"#;
    /// The node authorizer sees nothing that ties a node to what it asked for.
    NODE_AUTHORIZER = "node-authorizer", r#"User "system:node:(?P<node>[^"]*)" cannot (?P<request>[^\n]*?)\.?: "?(?P<reason>no relationship found between node ['"][^'"]*['"] and this object|no path found to object|can only get individual resources of this type|can only read resources of this type|No Object name found|unknown node for user \\?"[^"\\]*\\?"|can only access node lease with the same name as the requesting node|can only access leases in the "kube-node-lease" system namespace|can only list/watch pods with spec\.nodeName field selector|node '[^']*' cannot read (?:all nodes|'[^']*'), only its own Node object|can only create tokens for individual service accounts|can only create token subresource of serviceaccount|not allowed to get service accounts|cannot (?:get|read) subresource|can only get/update/patch this type|can only update status subresource|can only read namespaced object of this type|can only get, create, update, patch, or delete a (?:node lease|CSINode)|can only access CSINode with the same name as the requesting node|cannot authorize (?:CSINode|ResourceSlice) subresources|can only list/watch/deletecollection resourceslices with nodeName field selector|only the following verbs are allowed for a ResourceSlice: [a-z, ]*|nodes may not access the status subresource of PodCertificateRequests|can only list/watch podcertificaterequests with nodeName field selector|nodes may not \S+ podcertificaterequests)"#;
    /// Admission refuses an object; the right to write it was there (of these, PodSecurity, quota, external
    /// IPs, and labels and mirror Pods of nodes were seen on a real server).
    ADMISSION = "admission", r#"is forbidden: (?:violates PodSecurity "(?P<level>[^"]+)":(?: (?P<pod>[^\n]+))?|exceeded quota: (?P<quota>[^\n]+)|unable to create new content in namespace (?P<ending>\S+) because it is being terminated|failed quota: (?P<unset>[^\n]+)|(?P<range>(?:(?:maximum|minimum) [^\n]+?|\S+ max limit to request ratio) per \w+ is [^\n]+)|error looking up service account (?P<account>[^\s:]+):|ValidatingAdmissionPolicy '(?P<policy>[^']+)' with binding '[^']*' denied request: (?P<because>[^\n]*)|unable to validate against any (?P<constraint>security context constraint|pod security policy)|no providers available to validate pod request|node "(?P<node>[^"]+)" is not allowed to modify node|(?P<ips>Use of external IPs is denied by admission control)|(?P<owner>cannot set blockOwnerDeletion in this case because cannot find RESTMapping for [^\n]+)|is not allowed to modify labels: (?P<labels>[^\n]+)|(?:pod does not have "[^"\n]+" annotation, |unexpected operation "[^"\n]*", )?node "(?P<kubelet>[^"]+)" (?P<limit>(?:is not allowed to|can only|must not|cannot update|can not create pods) [^\n]+)|(?P<own>can only access (?:node lease|CSINode) with the same name as the requesting node|can only access leases in the "kube-node-lease" system namespace|may only update PVC status|can only (?:create|delete) ResourceSlice with the same NodeName as the requesting node)|(?P<mirror>a mirror pod may not [^\n]+)|(?P<kept>this namespace may not be deleted)|use of (?P<signer>\S+) signer with system:masters group is not allowed)|admission webhook "(?P<webhook>[^"]+)" denied the request(?P<said>[^\n]*)|pod tolerations \(possibly merged with namespace default tolerations\) conflict with its (?P<whitelist>namespace|cluster) whitelist"#;
    /// A refusal of an object in words that no other text knows: there are dozens of admission plugins, and each has its
    /// own. Where it begins as a refusal of rights does, it is none of them.
    ADMISSION_OTHER = "admission-other", r#"\b(?P<resource>[a-z][a-z0-9]*(?:\.[a-z0-9.-]+)?) "(?P<name>[^"\n]+)" is forbidden: (?P<other>[^\s"\\][^\n]*)"#;
    /// The namespace of a request does not exist.
    NAMESPACE_NOT_FOUND = "namespace-not-found", r#"\bnamespaces "(?P<namespace>[^"]+)" not found"#;
    /// The server has no such resource, as kubectl says it in two ways and the server in a third.
    RESOURCE_NOT_SERVED = "resource-not-served", r#"the server doesn't have a resource type "(?P<type>[^"]+)"|no matches for kind "(?P<kind>[^"]+)" in (?:version|group) "(?P<version>[^"]*)"|no matches for \S*/\S*, Kind=(?P<old>\w+)|the server could not find the requested resource"#;
    /// kubectl top and the autoscaler's tools: metrics.k8s.io is not served, or does not answer.
    METRICS_API = "metrics-api", r"Metrics API not available";
    /// The authorization webhook could not be asked, as the log says it.
    AUTHORIZATION_WEBHOOK = "authorization-webhook", r"Failed to make webhook authorizer request: (?P<error>[^\n]+)";
    /// The same, as the one who asked is told.
    AUTHORIZATION_ERROR = "authorization-error", r#"Internal Server Error: "(?P<path>/[^"]*)": (?P<error>\[?(?:Post "https?://|an error on the server \(|the server (?:is currently unable to handle|was unable to return a response|has asked for the client to provide credentials|could not find the requested resource)|webhook subject access review returned both|cel evaluation error: |couldn't get version/kind; |converting \([^)\n]*SubjectAccessReview\) to |no kind "[^"\n]*" is registered|0-length response )[^\n]+)"#;
    /// The authorization webhook allowed and denied at once, or a matchCondition that decides whether it is asked failed.
    AUTHORIZATION_UNDECIDED = "authorization-webhook-undecided", r#"(?P<error>webhook subject access review returned both allow and deny response|cel evaluation error: expression '[^\n]*?' (?:resulted in error: |eval result )[^\n"]+)"#;
    /// kubectl: a certificate on the way to the API server is past its end, or not valid yet, by the client's clock.
    KUBECTL_X509_DATE = "kubectl-x509-date", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": )(?:tls: failed to verify certificate: )?x509: certificate has expired or is not yet valid: current time (?P<now>\S+) is (?P<way>after|before) (?P<limit>[^\s"]+)"#;
    /// kubectl: the certificate is for other names than the server's.
    KUBECTL_X509_NAME = "kubectl-x509-name", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": )(?:tls: failed to verify certificate: )?x509: (?:certificate is valid for (?P<names>[^\n]*?), not (?P<name>[^\s"]+)|cannot validate certificate for (?P<address>\S+) because it doesn't contain any IP SANs|certificate is not valid for any names, but wanted to match (?P<wanted>[^\s"]+))"#;
    /// kubectl: the certificate names the server only as its common name.
    KUBECTL_X509_LEGACY = "kubectl-x509-legacy-name", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": )(?:tls: failed to verify certificate: )?x509: certificate relies on legacy Common Name field, use SANs"#;
    /// kubectl: an authority of the name that the kubeconfig trusts, with another key.
    KUBECTL_X509_ROTATED = "kubectl-x509-other-key", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": )(?:tls: failed to verify certificate: )?x509: certificate signed by unknown authority \(possibly because of "(?P<reason>[^\n]*?(?:verification error|verification failure))" while trying to verify candidate authority certificate "(?P<authority>[^"\n]*)"\)"#;
    /// kubectl: nobody that the kubeconfig trusts signed the certificate; "(possibly" says more, a chat's "(edited)" does not.
    KUBECTL_X509_UNKNOWN = "kubectl-x509-unknown-authority", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": )(?:tls: failed to verify certificate: )?x509: certificate signed by unknown authority(?:\s*$|\n|[^\s\w(]|\s+[^\s(]|\s+\((?:[^p]|p[^o]))"#;
    /// kubectl: the certificate is an ingress controller's own, which names no site.
    KUBECTL_X509_DEFAULT = "kubectl-x509-default-certificate", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": )(?:tls: failed to verify certificate: )?x509: certificate is valid for (?P<names>ingress\.local|[0-9a-f]{32}\.[0-9a-f]{32}\.traefik\.default), not (?P<name>[^\s"]+)"#;
    /// kubectl: no TLS version or cipher suite in common.
    KUBECTL_TLS_VERSION = "kubectl-tls-version", r#"remote error: tls: (?P<alert>protocol version not supported|handshake failure|insufficient security level)|tls: (?P<error>server selected unsupported protocol version \S+|no supported versions satisfy MinVersion and MaxVersion)"#;
    /// kubectl: the server wants a client certificate.
    KUBECTL_CERTIFICATE_REQUIRED = "kubectl-certificate-required", r#"remote error: tls: (?P<alert>certificate required|bad certificate)"#;
    /// kubectl: the headers of the request are too large for what answers there.
    KUBECTL_HEADER_TOO_LARGE = "kubectl-header-too-large", r#"(?P<words>Request Header Or Cookie Too Large|Request header or cookie too large|Request Header Fields Too Large|431 Request Header)"#;
    /// The audit log's word for a request that brought nothing to be recognised by.
    NO_CREDENTIALS_PROVIDED = "no-credentials-provided", r"Authentication failed, no credentials provided";
    /// kubectl's client does not find the API server's name.
    CLIENT_NAME_NOT_FOUND = "client-name-not-found", r#"(?:Unable to connect to the server|current server API group list): (?:Get "[^"]*": )?dial tcp: lookup (?P<host>[^\s:]+)(?: on (?P<server>\S+))?: no such host"#;
    /// The resolver that kubectl's client asks gives no answer.
    CLIENT_NO_RESOLVER = "client-no-resolver", r#"(?:Unable to connect to the server|current server API group list): (?:Get "[^"]*": )?dial tcp: lookup (?P<host>[^\s:]+)(?: on (?P<server>\S+))?: (?:read udp [^\s:]+:\d+->[^\s]+: |dial udp [^\n]*?: )?(?P<error>(?:read: )?i/o timeout|(?:read: )?connection refused|server misbehaving|connect: network is unreachable)"#;
    /// The API server does not answer kubectl's client.
    CLIENT_TIMEOUT = "client-timeout", r#"(?:Unable to connect to the server|current server API group list): (?:Get "[^"]*": )?dial tcp (?P<address>[0-9a-fA-F.:\[\]]+): (?:i/o timeout|connect: connection timed out)"#;
    /// The API server, or a proxy on the way (kubectl names the API server all the same), refuses connections.
    CLIENT_REFUSED = "client-refused", r"The connection to the server (?P<server>\S+) was refused - did you specify the right host or port\?";
    /// No way leads to the API server's address.
    CLIENT_UNREACHABLE = "client-unreachable", r#"(?:Unable to connect to the server|current server API group list): (?:Get "[^"]*": )?dial tcp (?P<address>[0-9a-fA-F.:\[\]]+): connect: (?:no route to host|permission denied|operation not permitted|invalid argument)"#;
    /// No way leads to addresses of that family at all.
    CLIENT_NO_NETWORK = "client-no-network", r#"(?:Unable to connect to the server|current server API group list): (?:Get "[^"]*": )?dial tcp (?P<address>[0-9a-fA-F.:\[\]]+): connect: network is unreachable"#;
    /// The proxy cannot be connected to.
    CLIENT_PROXY = "client-proxy", r"(?:proxyconnect tcp|socks connect tcp (?P<proxy>[^\s>]+)->\S+): (?P<error>(?:dial|read|write) tcp[^\n]*|EOF|tls: [^\n]*|x509: [^\n]*)";
    /// The proxy does not open a tunnel to the API server: the reason phrase alone, without digits.
    CLIENT_PROXY_REFUSED = "client-proxy-refused", r#"(?:Unable to connect to the server|current server API group list): (?:Get "[^"]*": )?(?:socks connect \S+ \S+: unknown error )?(?P<reason>Forbidden|Bad Gateway|Service Unavailable|Gateway Time-?out|Method Not Allowed|connection not allowed by ruleset|general SOCKS server failure|network unreachable|host unreachable|connection refused)\s*(?:["'.,;!)`…<]|$)"#;
    /// The proxy wants a name and password.
    CLIENT_PROXY_AUTH = "client-proxy-auth", r#"(?:Unable to connect to the server|current server API group list): (?:Get "[^"]*": )?Proxy Authentication Required|the server responded with the status code 407 but did not return more information|socks connect [^\n]*?: (?:no acceptable authentication methods|username/password authentication failed)"#;
    /// The server answered 429; priority and fairness does it, and so does a balancer. An eviction's 429 has other words.
    CLIENT_THROTTLED = "client-throttled", r"(?:the server has received too many requests and has asked us to try again later|\(TooManyRequests\): Too many requests, please try again later)";
    /// aws-iam-authenticator knows the identity and has no mapping for it (this and the next ones by its source, not seen).
    IAM_NOT_MAPPED = "iam-not-mapped", r#"(?:\barn="?(?P<arn>arn:[^"\s]+)"?[^\n]*)?\berror="?(?:mapper \S+ Map error: )?(?:[Ii]dentity|ARN) is not mapped"#;
    /// An access entry belongs to another principal of the same ARN.
    IAM_OTHER_PRINCIPAL = "iam-other-principal", r#"(?:\barn="?(?P<arn>arn:[^"\s]+)"?[^\n]*)?ARN does not match User ID"#;
    /// STS says that the signature is for something else: another cluster's name, or another secret.
    IAM_SIGNATURE = "iam-signature", r#"SignatureDoesNotMatch"[^\n]*request signature we calculated does not match"#;
    /// STS says that the client's clock is wrong.
    IAM_CLOCK = "iam-clock", r#"(?:SignatureDoesNotMatch|InvalidSignatureException|RequestExpired)[^\n]*Signature (?P<how>expired|not yet current): (?P<signed>\S+) is (?:now earlier|still later) than (?P<now>\S+)"#;
    /// STS says that the session behind the signature has ended.
    IAM_SESSION_EXPIRED = "iam-session-expired", r#"Code"\s*:\s*"ExpiredToken(?:Exception)?""#;
    /// STS does not know the access key, or is not switched on in that region.
    IAM_KEY_UNKNOWN = "iam-key-unknown", r#"Code"\s*:\s*"(?P<code>InvalidClientTokenId|RegionDisabledException)""#;
    /// The presigned URL is for a host that is no STS of this partition.
    IAM_HOST = "iam-host", r#"unexpected hostname "(?P<host>[^"]*)" in pre-signed URL|(?:global endpoint unsupported in partition|partition \S+ does not support hostname) (?P<rest>[^\s"]+)|Credential should be scoped to a valid region"#;
    /// The token is older than a quarter of an hour.
    IAM_EXPIRED = "iam-expired", r#"X-Amz-Date parameter is expired \(15 minute expiration\) ?(?P<time>[0-9][^\n"]*)?"#;
    /// An SDK put a parameter into the presigned URL that the authenticator does not take.
    IAM_PARAMETER = "iam-parameter", r#"non-whitelisted query parameter "(?P<parameter>[^"]*)""#;
    /// The presigned URL says no lifetime, or one of more than a quarter of an hour.
    IAM_LIFETIME = "iam-lifetime", r"invalid X-Amz-Expires parameter in pre-signed URL(?:: (?P<seconds>-?\d+))?";
    /// The cluster's name is not among what is signed.
    IAM_UNSIGNED = "iam-unsigned", r"client did not sign the (?P<header>[\w-]+) header in the pre-signed URL";
    /// The presigned URL holds a parameter twice.
    IAM_TWICE = "iam-twice", r"query parameter with multiple values not supported";
    /// The token is longer than the authenticator takes.
    IAM_TOO_LARGE = "iam-too-large", r"token is too large";
    /// STS asks the authenticator to slow down.
    IAM_THROTTLED = "iam-throttled", r"sts getCallerIdentity was throttled";
    /// The authenticator got no answer from STS.
    IAM_STS_UNREACHABLE = "iam-sts-unreachable", r"sts getCallerIdentity failed: error during GET: (?P<error>[^\n]+)";
    /// The name of a node could not be looked up.
    IAM_NODE_NAME = "iam-node-name", r#"error rendering username template "(?P<template>[^"]*)": (?P<error>[^\n]+)"#;
    /// aws-auth, or a part of it, is dropped.
    AWS_AUTH_PARSING = "aws-auth-parsing", r"(?:Errors parsing configmap: |error parsing config map: )(?P<errors>[^\n]+)";
    /// Somebody was let in as the cluster's creator.
    IAM_CREATOR = "iam-creator", r#"access granted"[^\n]*\barn="?(?P<arn>arn:[^"\s]+)"?[^\n]*\busername="?kubernetes-admin\b"#;
    /// Nobody recognised the token, and nobody said more.
    NOBODY_CLAIMED = "nobody-claimed", r#"(?:^|err="|error":\s*")\[?invalid bearer token(?:, unknown)?\]?(?:$|")"#;
}

/// What a token webhook has against a token, in whatever words it has: a line of the log in which nothing else is known.
pub static WEBHOOK_WORDS: Text =
    Text { name: "authentication-webhook-words", pattern: r#"err="\[invalid bearer token, (?P<error>[^\n]+)\]""# };

/// What the API server's own authenticators speak of, and what ends a request from outside.
const NO_WEBHOOKS: &[&str] = &[
    "oidc",
    "JWT",
    "jwt",
    "jose",
    "crypto",
    "x509",
    "certificate",
    "ervice account",
    "erviceaccount",
    "erviceAccount",
    "secrets ",
    "pods ",
    "nodes ",
    "UID",
    "Token has",
    "Token does",
    "claim",
    "audiences",
    "signature",
    "expression",
    "illegal base64",
    "invalid character",
    "context canceled",
];

/// The words of a token webhook in a line of the log in which [`recognise`] knows nothing.
pub fn webhook_words(line: &str) -> Option<Recognised> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| Regex::new(WEBHOOK_WORDS.pattern).expect("constant pattern"));
    if !line.contains("[invalid bearer token, ") {
        return None;
    }
    let levels = set::unquoted(line);
    // The log has one layer of quoting.
    let plain = levels.get(1).or_else(|| levels.first())?;
    let error = PATTERN.captures(plain)?.name("error")?.as_str().trim().to_owned();
    if error == "unknown" || NO_WEBHOOKS.iter().any(|words| error.contains(words)) {
        return None;
    }
    Some(Recognised { text: &WEBHOOK_WORDS, fields: BTreeMap::from([("error".to_owned(), error)]) })
}

/// One recognised text with its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// Which text.
    pub text: &'static Text,
    /// Its named fields; empty ones are left out.
    pub fields: BTreeMap<String, String>,
}

/// Every text of the API server in one line (or a short message), in the order of [`TEXTS`]; quoting is undone as often as
/// it takes, and the fields are the same that `explain` shows.
pub fn recognise(line: &str) -> Vec<Recognised> {
    static SERVERS: LazyLock<set::Set> = LazyLock::new(|| set::Set::new(TEXTS.iter().copied()));
    SERVERS.recognise(line)
}

/// A 403 of the authorizer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden {
    /// The user the server saw.
    pub user: String,
    /// What that user asked.
    pub question: Question,
    /// The tail behind the scope, e.g. a missing role; empty when there is none.
    pub reason: String,
}

/// A refusal without the tail, which goes on to the end of a text: so all of them are found in one pass.
const REFUSED: &str = r#"(?s)(?:(?P<gr>[^\s":]+)(?: "(?P<name>(?:[^"\\]|\\.)*)")? is )?forbidden: User "(?P<user>(?:[^"\\]|\\.)*)" cannot (?P<verb>\S*) (?:path "(?P<path>(?:[^"\\]|\\.)*)"|resource "(?P<res>[^"/]*)(?:/(?P<sub>[^"]*))?" in API group "(?P<group>[^"]*)" (?:in the namespace "(?P<ns>[^"]*)"|at the cluster scope))"#;

static FORBIDDEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(&format!("{REFUSED}(?:: (?P<reason>.*))?")).expect("constant pattern"));

/// Reads the authorizer's forbidden message (1.12 and later) in any wrapping; `None` for the other 403s
/// (admission, escalation, websocket upgrade). Of several it is the first.
///
/// Source: apiserver `responsewriters/errors.go` and apimachinery `NewForbidden`.
pub fn forbidden(text: &str) -> Option<Forbidden> {
    let levels = set::unquoted(text);
    let found = levels.iter().find_map(|plain| FORBIDDEN.captures(plain))?;
    Some(taken_apart(&found))
}

/// Every question that a text says was refused to the user of its first refusal, each once and in their order: kubectl
/// prints a line for each type that it asks for.
pub fn refused_questions(text: &str) -> Vec<Question> {
    static EACH: LazyLock<Regex> = LazyLock::new(|| Regex::new(REFUSED).expect("constant pattern"));
    let levels = set::unquoted(text);
    let Some(plain) = levels.iter().find(|plain| EACH.is_match(plain)) else { return Vec::new() };
    let mut all = EACH.captures_iter(plain).map(|found| taken_apart(&found)).peekable();
    let user = all.peek().map(|first| first.user.clone()).unwrap_or_default();
    let mut known = HashSet::new();
    let own = all.filter(|one| one.user == user).map(|one| one.question);
    own.filter(|question| known.insert(question.clone())).collect()
}

fn taken_apart(found: &Captures<'_>) -> Forbidden {
    let field = |name: &str| found.name(name).map(|value| value.as_str().to_owned()).unwrap_or_default();
    let html = |text: String| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let quoted = |text: String| go_unquote(&html(text));
    Forbidden {
        user: quoted(field("user")),
        question: Question {
            verb: field("verb"),
            group: quoted(field("group")),
            resource: quoted(field("res")),
            subresource: quoted(field("sub")),
            name: go_unquote(&field("name")),
            namespace: quoted(field("ns")),
            path: found.name("path").map(|value| quoted(value.as_str().to_owned())),
        },
        reason: field("reason").trim().trim_end_matches('"').to_owned(),
    }
}

/// The question of the admission plugins that guard signers: who approves or signs a request for a certificate, or vouches
/// for a bundle, needs a right on the signer too, which is asked of the authorizers by this name.
///
/// Source: Kubernetes `plugin/pkg/admission/certificates/{approval,signing,ctbattest}/admission.go`.
pub fn signer(text: &str) -> Option<Question> {
    static PATTERN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(heard::SIGNER_REFUSED.pattern).expect("constant pattern"));
    let levels = set::unquoted(text);
    let found = levels.iter().find_map(|plain| PATTERN.captures(plain))?;
    Some(Question {
        verb: found["verb"].to_owned(),
        group: "certificates.k8s.io".to_owned(),
        resource: "signers".to_owned(),
        name: found["signer"].to_owned(),
        ..Question::default()
    })
}

/// Undoes the escapes of Go's `%q`.
fn go_unquote(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => plain.push('\n'),
            Some('t') => plain.push('\t'),
            Some('r') => plain.push('\r'),
            Some(kind @ ('x' | 'u' | 'U')) => {
                let digits = match kind {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let code: String = rest.by_ref().take(digits).collect();
                match u32::from_str_radix(&code, 16).ok().and_then(char::from_u32) {
                    Some(decoded) => plain.push(decoded),
                    None => plain.push_str(&code),
                }
            }
            Some(other) => plain.push(other),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<&'static str> {
        recognise(line).into_iter().map(|found| found.text.name).collect()
    }

    #[test]
    fn the_first_incidents_lines_are_recognised() {
        let line =
            "E1123 06:21:53.522520   12710 oidc.go:433] oidc authenticator: initializing plugin: 403 Forbidden: <html>";
        let found = recognise(line);
        assert_eq!(found[0].text, &OIDC_INIT_HTTP);
        assert_eq!(found[0].fields["status"], "403");
        assert_eq!(found[0].fields["body"], "<html>");
        assert_eq!(
            names(
                r#"E1 authentication.go:75] "Unable to authenticate the request" err="[invalid bearer token, oidc: authenticator not initialized]""#
            ),
            ["oidc-not-initialized"]
        );
    }

    #[test]
    fn a_right_on_a_signer_is_a_question_of_its_own() {
        let asked = |text: &str| signer(text).map(|one| (one.verb.clone(), one.whole(), one.name));
        let name = "kubernetes.io/kube-apiserver-client";
        for (words, verb) in [
            ("user not permitted to approve requests with signerName", "approve"),
            ("user not permitted to sign requests with signerName", "sign"),
            ("user not permitted to attest for signerName", "attest"),
        ] {
            let text = format!(
                "Error from server (Forbidden): certificatesigningrequests.certificates.k8s.io \"c1\" is forbidden: {words} \"{name}\""
            );
            assert_eq!(asked(&text), Some((verb.to_owned(), "signers".to_owned(), name.to_owned())), "{text}");
        }
        assert_eq!(asked("pods is forbidden: user not permitted"), None);
    }

    #[test]
    fn a_webhooks_own_words_are_none_of_the_api_servers() {
        let of = |error: &str| {
            let line = format!(
                r#"E1126 23:00:08.740763   26757 authentication.go:75] "Unable to authenticate the request" err="[invalid bearer token, {error}]""#
            );
            webhook_words(&line).map(|found| found.fields["error"].clone())
        };
        assert_eq!(of("account of jane is locked").as_deref(), Some("account of jane is locked"));
        assert_eq!(
            of(r#"user \"jane\" is not in the directory"#).as_deref(),
            Some("user \"jane\" is not in the directory")
        );
        for own in ["unknown", "context canceled", "oidc: something new", r#"secrets \"x\" not found"#] {
            assert_eq!(of(own), None, "{own}");
        }
    }

    #[test]
    fn a_proxys_refusal_is_not_the_issuers() {
        assert_eq!(
            names(
                r#"oidc authenticator: initializing plugin: Get "https://i/.well-known/openid-configuration": Forbidden"#
            ),
            ["oidc-init-proxy"]
        );
        let found = recognise(
            r#"E1126 23:20:29.951253   24163 oidc.go:433] oidc authenticator: initializing plugin: Get "https://localhost:36444/staff/.well-known/openid-configuration": proxy error from localhost:36448 while dialing localhost:36444, code 403: 403 Forbidden"#,
        );
        assert_eq!(found[0].text, &OIDC_INIT_PROXY);
        let field = |name: &str| found[0].fields[name].as_str();
        assert_eq!((field("proxy"), field("status"), field("reason")), ("localhost:36448", "403", "Forbidden"));
    }

    #[test]
    fn kubectls_words_about_tls_are_told_apart_and_are_not_the_servers() {
        let first = |line: &str| recognise(line).into_iter().next().map(|found| (found.text.name, found.fields));
        for (words, name, field, value) in [
            (
                "x509: certificate has expired or is not yet valid: current time 2026-11-25T10:00:00Z is after 2026-01-01T00:00:00Z",
                "kubectl-x509-date",
                "way",
                "after",
            ),
            (
                "x509: certificate is valid for kubernetes, 10.0.0.1, not api.example",
                "kubectl-x509-name",
                "name",
                "api.example",
            ),
            (
                "x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
                "kubectl-x509-name",
                "address",
                "127.0.0.1",
            ),
            (
                r#"x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "kubernetes")"#,
                "kubectl-x509-other-key",
                "authority",
                "kubernetes",
            ),
        ] {
            let quoted = words.replace('"', "\\\"");
            for line in [
                format!("Unable to connect to the server: {words}"),
                format!("Unable to connect to the server: tls: failed to verify certificate: {words}"),
                format!(
                    r#"E1125 10:00:00.000000 1 memcache.go:265] "Unhandled Error" err="couldn't get current server API group list: Get \"https://h:6443/api?timeout=32s\": tls: failed to verify certificate: {quoted}""#
                ),
            ] {
                let (found, fields) = first(&line).unwrap_or_else(|| panic!("nothing in {line}"));
                assert_eq!(found, name, "{line}");
                assert_eq!(fields[field], value, "{line}");
            }
            // The API server's own words about somebody else's certificate.
            let log = format!(r#"initializing plugin: Get "https://i/x": tls: failed to verify certificate: {words}"#);
            assert!(names(&log).iter().all(|name| !name.starts_with("kubectl-")), "{log}");
            let log = format!("verifying certificate SN=1, SKID=, AKID= failed: {words}");
            assert!(names(&log).iter().all(|name| !name.starts_with("kubectl-")), "{log}");
        }
        let unknown = "Unable to connect to the server: tls: failed to verify certificate: x509: certificate signed by unknown authority";
        assert_eq!(names(unknown), ["kubectl-x509-unknown-authority"]);
        assert_eq!(
            names("Unable to connect to the server: remote error: tls: certificate required"),
            ["kubectl-certificate-required"]
        );
        assert_eq!(
            names("Unable to connect to the server: remote error: tls: protocol version not supported"),
            ["kubectl-tls-version"]
        );
        let fake = "Unable to connect to the server: tls: failed to verify certificate: x509: certificate is valid for ingress.local, not api.example";
        assert_eq!(names(fake), ["kubectl-x509-name", "kubectl-x509-default-certificate"]);
        let legacy =
            "Unable to connect to the server: x509: certificate relies on legacy Common Name field, use SANs instead";
        assert_eq!(names(legacy), ["kubectl-x509-legacy-name"]);
        assert_eq!(names("<center>Request Header Or Cookie Too Large</center>"), ["kubectl-header-too-large"]);
        assert_eq!(names(r#""message":"Authentication failed, no credentials provided""#), ["no-credentials-provided"]);
    }

    #[test]
    fn a_webhook_that_gives_no_verdict_is_recognised() {
        for error in [
            "the server could not find the requested resource",
            "couldn't get version/kind; json parse error: unexpected end of JSON input",
            "converting (v1beta1.TokenReview) to (v1.TokenReview): unknown conversion",
            "0-length response with status code: 200 and content type: application/json",
        ] {
            let found = recognise(&format!("[invalid bearer token, {error}]"));
            let found = found.iter().find(|found| found.text == &WEBHOOK_ANSWER).unwrap_or_else(|| panic!("{error}"));
            assert_eq!(found.fields["error"], error);
        }
        for error in [
            "webhook subject access review returned both allow and deny response",
            "cel evaluation error: expression 'request.resourceAttributes.namespace == 'default'' resulted in error: no such key: resourceAttributes",
        ] {
            let body = recognise(&format!("Internal Server Error: \"/version\": {error}\n"));
            assert_eq!(body[0].text, &AUTHORIZATION_ERROR, "{error}");
            assert_eq!(body[0].fields["error"], error);
            let log = format!(
                r#"E1126 09:42:53.130075 5576 errors.go:86] "Unhandled Error" err="{error}" logger="UnhandledError""#
            );
            let found = recognise(&log);
            assert_eq!(found[0].text, &AUTHORIZATION_UNDECIDED, "{error}");
            assert_eq!(found[0].fields["error"], error);
        }
    }

    #[test]
    fn escaped_quotes_of_klog_are_undone() {
        let found = recognise(
            r#"err="[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"account\"]]""#,
        );
        assert_eq!(found[0].fields["expected"], "\"kubernetes\"");
        assert_eq!(found[0].fields["got"], "[\"account\"]");
    }

    #[test]
    fn a_line_quoted_twice_reads_as_the_line_does() {
        let line = r#"E1 authentication.go:75] "Unable to authenticate the request" err="[invalid bearer token, oidc: verify token: oidc: expected audience \"kubernetes\" got [\"account\"]]""#;
        let in_a_file = serde_json::json!({ "log": format!("{line}\n"), "stream": "stderr" }).to_string();
        assert_eq!(recognise(&in_a_file), recognise(line));
        // Both layers are off before a field is read, and a text says the same to doctor and to explain.
        let own = |found: Vec<Recognised>| -> Vec<Recognised> {
            found.into_iter().filter(|found| TEXTS.contains(&found.text)).collect()
        };
        assert_eq!(own(set::set().recognise(&in_a_file)), recognise(line));
    }

    #[test]
    fn jwks_refusals_carry_the_status() {
        let found = recognise(
            "[invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 403 Forbidden <html>",
        );
        assert_eq!(found[0].text, &JWKS_HTTP);
        assert_eq!(found[0].fields["status"], "403");
    }

    #[test]
    fn a_refused_certificate_tells_which_authority_had_an_opinion() {
        let alone = r#"E1125 17:25:32.139637 30633 authentication.go:75] "Unable to authenticate the request" err="verifying certificate SN=23, SKID=, AKID=04:6C failed: x509: certificate signed by unknown authority""#;
        assert_eq!(names(alone), ["client-certificate", "certificate-of-no-client"]);
        let both = r#"err="[x509: certificate signed by unknown authority, verifying certificate SN=23, SKID=, AKID=04:6C failed: x509: certificate signed by unknown authority]""#;
        assert_eq!(names(both), ["client-certificate", "certificate-of-neither-ca"]);
        let name = r#"err="[x509: subject with cn=other-proxy is not in the allowed list, verifying certificate SN=23, SKID=, AKID=04:6C failed: x509: certificate signed by unknown authority]""#;
        assert!(names(name).contains(&"front-proxy-name"));
        assert_eq!(
            recognise(name)
                .iter()
                .find(|found| found.text == &FRONT_PROXY_NAME)
                .map(|found| found.fields["name"].as_str()),
            Some("other-proxy")
        );
        assert!(!names(name).contains(&"certificate-of-no-client"));
    }

    #[test]
    fn what_stands_behind_the_api_server_is_told_apart() {
        let logs = r#"Error from server: Get "https://192.0.2.10:10250/containerLogs/default/far/main": Forbidden"#;
        assert_eq!(names(logs), ["kubelet-unreachable"]);
        let kubelet = "Error from server (Forbidden): Forbidden (user=kube-apiserver-kubelet-client, verb=get, resource=nodes, subresource(s)=[proxy]) ( pods/log web)";
        assert_eq!(names(kubelet), ["kubelet-forbidden"]);
        let refused = "error: You must be logged in to the server (the server has asked for the client to provide credentials ( pods/log web))";
        assert_eq!(recognise(refused)[0].fields["request"], "pods/log web");
        let aggregated = "Error from server (ServiceUnavailable): the server is currently unable to handle the request (get nodes.metrics.k8s.io)";
        assert_eq!(recognise(aggregated)[0].fields["group"], "metrics.k8s.io");
    }

    #[test]
    fn nobody_claimed_needs_the_bare_text() {
        assert_eq!(names("invalid bearer token"), ["nobody-claimed"]);
        assert_eq!(names("[invalid bearer token, unknown]"), ["nobody-claimed"]);
        assert!(
            names("[invalid bearer token, service account token has expired]").contains(&"service-account-expired")
        );
        assert!(!names("[invalid bearer token, service account token has expired]").contains(&"nobody-claimed"));
    }

    #[test]
    fn words_about_service_accounts_are_told_apart() {
        for (line, name) in [
            ("invalid signature, no keys found", "service-account-key-unknown"),
            ("square/go-jose: error in cryptographic primitive", "service-account-signature"),
            (r#"serviceaccounts "x" not found"#, "service-account-missing"),
            ("service account ci/closing has been deleted", "service-account-deleted"),
            ("service account UID (a) does not match claim (b)", "service-account-uid"),
            ("ServiceAccount UID (a) does not match claim (b)", "service-account-uid"),
            ("pod UID (a) does not match service account pod ref claim (b)", "service-account-bound-uid"),
            ("service account token has been invalidated", "service-account-invalidated"),
            ("Token has been invalidated", "legacy-token-invalidated"),
            ("secretName claim is missing", "legacy-token-claim"),
        ] {
            assert_eq!(names(&format!("[invalid bearer token, {line}]")), [name], "{line}");
        }
    }

    #[test]
    fn rules_and_required_claims_keep_their_fields() {
        let found = recognise(
            r#"E1125 authentication.go:75] "Unable to authenticate the request" err="[invalid bearer token, oidc: error evaluating claim validation expression: validation expression 'claims.hd == \"a\"' failed: must be a]""#,
        );
        assert_eq!(found[0].text, &CLAIM_RULE);
        assert_eq!(found[0].fields["expression"], "claims.hd == \"a\"");
        assert_eq!(found[0].fields["message"], "must be a");
        let found =
            recognise("[invalid bearer token, oidc: required claim hd value does not match. Got = b c, want = a]");
        assert_eq!(found[0].text, &REQUIRED_CLAIM_DIFFERS);
        assert_eq!((found[0].fields["got"].as_str(), found[0].fields["expected"].as_str()), ("b c", "a"));
    }

    #[test]
    fn every_refusal_of_a_message_is_a_question() {
        let line = |who: &str, what: &str, tail: &str| {
            format!(
                "Error from server (Forbidden): {what} is forbidden: User \"{who}\" cannot list resource \"{what}\" in API group \"\" in the namespace \"dev\"{tail}\n"
            )
        };
        let asked = |text: &str| -> Vec<String> {
            refused_questions(text).into_iter().map(|question| question.resource).collect()
        };
        let (pods, services) = (line("alice", "pods", ""), line("alice", "services", ""));
        assert_eq!(asked(&format!("{pods}{services}{pods}")), ["pods", "services"]);
        // The tail of the first is its own, and goes to the end of the text for whoever reads that one alone.
        let missing = line("alice", "pods", ": RBAC: role.rbac.authorization.k8s.io \"x\" not found");
        assert_eq!(asked(&format!("{missing}{services}")), ["pods", "services"]);
        // A line of somebody else's is another message.
        assert_eq!(asked(&format!("{}{services}", line("bob", "pods", ""))), ["pods"]);
        // As a log quotes them.
        assert_eq!(asked(&format!("{pods}{services}").replace('"', "\\\"")), ["pods", "services"]);
        assert_eq!(asked("pods \"web\" not found"), [""; 0]);
    }

    #[test]
    fn as_many_refusals_as_a_saved_message_holds_are_read_in_one_pass() {
        // Each of them has a tail, which goes on to the end of the text.
        let line = |number: usize| {
            format!(
                "things{number} is forbidden: User \"alice\" cannot list resource \"things{number}\" in API group \"\" in the namespace \"dev\": no\n"
            )
        };
        let took = |count: usize| {
            let text: String = (0..count).map(line).collect();
            let began = std::time::Instant::now();
            assert_eq!(refused_questions(&text).len(), count);
            began.elapsed()
        };
        // Eight times as many take eight times as long; a pass for each would take 64 times as long. A machine that is busy
        // meanwhile has more tries.
        assert!((0..4).any(|_| took(16_000) < took(2_000) * 32));
    }

    #[test]
    fn forbidden_messages_become_questions() {
        let text = r#"Error from server (Forbidden): pods "web" is forbidden: User "oidc:alice" cannot get resource "pods/log" in API group "" in the namespace "dev""#;
        let parsed = forbidden(text).expect("a forbidden message");
        assert_eq!(parsed.user, "oidc:alice");
        assert_eq!(parsed.question.subresource, "log");
        assert_eq!(parsed.question.name, "web");
        assert_eq!(parsed.question.namespace, "dev");
        let path = forbidden(r#"forbidden: User "system:anonymous" cannot get path "/api""#).expect("path form");
        assert_eq!(path.question.path.as_deref(), Some("/api"));
        let tail = forbidden(r#"deployments.apps is forbidden: User "a\"b" cannot list resource "deployments" in API group "apps" at the cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io "x" not found"#).expect("tail");
        assert_eq!(tail.user, "a\"b");
        assert_eq!(tail.question.group, "apps");
        assert!(tail.reason.starts_with("RBAC:"));
        assert!(forbidden(r#"pods "x" is forbidden: violates PodSecurity "restricted:latest": x"#).is_none());
        assert!(
            forbidden(r#"clusterroles "x" is forbidden: user "a" (groups=["b"]) is attempting to grant"#).is_none()
        );
    }
}
