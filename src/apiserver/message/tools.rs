//! What Kubernetes' tools, clients in other languages and the AWS SDKs say in words that others use as well: each text
//! holds, or is read only together with, words that tell whose it is.
//!
//! Only `explain` looks for these, as for those of [`super::heard`].
//!
//! Sources: public threads; and client-go, kubelet, k3s, kubeadm, kube-rs, fabric8 and the official clients of Java,
//! Node, Python and C# by their source, none of them seen on a server of ours.

use super::Text;

texts! {
    // Whose words the lines around them are.
    /// The name of a client, in a line of a stack or before a message; it says nothing by itself.
    CLIENT = "kubernetes-client", r"\bat io\.fabric8\.kubernetes\.client|\bat io\.kubernetes\.client\.|io\.fabric8\.kubernetes\.client\.KubernetesClientException|io\.kubernetes\.client\.(?:openapi\.)?ApiException|\bat k8s\.Kubernetes\b|@kubernetes/client-node|curl [^\n]*https?://[^\s/]+:6443/api";

    // The way to the API server, as Java, Node, Rust, C# and curl tell it.
    /// Nobody that is trusted signed the server's certificate.
    AUTHORITY = "other-unknown-authority", r#"PKIX path (?:building|validation) failed|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT|(?:SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT)|failed, reason: (?:self[- ]signed certificate|unable to (?:verify the first certificate|get (?:local )?issuer certificate))|invalid peer certificate: UnknownIssuer|message: "The certificate was not trusted\."|errors in the certificate chain: (?:PartialChain|UntrustedRoot)|curl: \(60\) SSL certificate problem: (?:unable to get (?:local )?issuer certificate|self[- ]signed certificate)"#;
    /// The server ended the handshake because of the client's certificate.
    ALERT = "other-client-certificate", r"Received fatal alert: (?P<alert>bad_certificate|certificate_unknown|certificate_expired|certificate_required)";
    /// The server's name does not resolve.
    NAME = "other-name", r"UnknownHostException: (?P<host>[\w.-]+)|getaddrinfo (?:ENOTFOUND|EAI_AGAIN) (?P<name>[\w.-]+)|code: 'ENOTFOUND',[^\n]*hostname: '(?P<named>[\w.-]+)'";
    /// No answer to the first packet.
    SILENT = "other-silent", r"SocketTimeoutException: (?P<error>[Cc]onnect timed out|failed to connect to [^\n]+)|connect ETIMEDOUT (?P<address>\S+)";
    /// Nobody listens.
    REFUSED = "other-refused", r"java\.net\.ConnectException: (?:Failed to connect to (?P<server>\S+)|Connection refused)|connect ECONNREFUSED (?P<address>\S+)";
    /// The certificate is for other names.
    HOSTNAME = "other-hostname", r"SSLPeerUnverifiedException: Hostname (?P<name>\S+) not verified|Hostname/IP does not match certificate's altnames: (?P<error>[^\n]+)";

    // 401 and 403 at the end of a tool's own sentence.
    /// The API server answered 401.
    UNAUTHORIZED = "unauthorized-of-tools", r#"[Ff]ailed to (?:create|read|update|delete|patch|get|list) (?:(?:[Dd]aemon[Ss]et|[Ss]tateful[Ss]et|[Ii]ngress|[Cc]onfig[Mm]ap|[Cc]luster[Rr]ole(?:[Bb]inding)?|[Pp]ersistent[Vv]olume(?:[Cc]laim)?)(?: \S+)?|(?:[Dd]eployment|[Rr]eplica[Ss]et|[Cc]ron[Jj]ob|[Nn]etwork[Pp]olicy|[Pp]od) [a-z0-9.-]+/[a-z0-9.-]+)(?: because)?: Unauthorized|[Ff]ailed to delete Job! API error: Unauthorized|\bkubernetes_[a-z0-9_]+\.[^\s:]+: Unauthorized|kubernetes rest client for \w+ of resource: Unauthorized|failed to query with labels: Unauthorized|error retrieving resource lock [\w./-]+: Unauthorized|[Uu]nable to register node \S+ with (?:the )?API server: Unauthorized|error getting ClusterInformation: connection is unauthorized: Unauthorized|failed \(add\): error (?:retrieving|getting) pod(?: \S+)?: Unauthorized|: Unauthorized \(KubeException\)|ApiError: Unauthorized: [^\n]*\(ErrorResponse \{|ApiException when calling kubernetes: \(401\)|[Ff]ailed to get \w+ from KubernetesUnauthorized|discover server resources for group version \S+: Unauthorized|cache state ?: (?:failed to get server version: )+Unauthorized|(?:GET|POST|PUT|PATCH|DELETE) \\*"https?://[^\s"\\]+/(?:api/v1/(?:namespaces|nodes|pods|services|endpoints|configmaps|secrets|events|persistentvolumes|persistentvolumeclaims|replicationcontrollers|serviceaccounts)\b|apis/[a-z0-9.-]+/v\d)[^\s"\\]*\\*" ?: http error 401|ClientResponseError: 401, message='Unauthorized', url=URL\('https?://[^'\s]+/(?:api/v1/(?:namespaces|nodes|pods|services|endpoints|configmaps|secrets|events|persistentvolumes|persistentvolumeclaims|replicationcontrollers|serviceaccounts)\b|apis/[a-z0-9.-]+/v\d)|Error accessing: https?://[^\s,]+,due to:Unauthorized!|(?:GET|POST|PUT|PATCH|DELETE) /k8s/clusters/[^\s"]+ HTTP/[\d.]+"+ 401\b|(?:^|error: )You must be logged in to the server\s*$|^(?:error: )?server has asked for the client to provide credentials\s*$"#;
    /// The same in words that others could use as well, or of a request that showed no credential.
    UNAUTHORIZED_OPEN = "unauthorized-of-whom", r"^\s*Error: Failed to (?:create|read|update|delete|patch) service account: Unauthorized\s*$|Failed to request cluster[ -]info, will try again: \[?Unauthorized";
    /// The API server answered 403, and the client keeps its reason to itself.
    FORBIDDEN = "forbidden-of-tools", r#"Failure executing: [A-Z]+ at: (?P<url>\S+)\.? Message: Forbidden[!.][^\n]*|(?:WatchConnectionManager|WatcherWebSocketListener)\b[^\n]*Exec Failure: HTTP 403\b|[Ff]ailed to (?:list|watch) \*[\w.]+: Forbidden: \\*"(?P<path>/apis?/[^"\s\\?]*)|: 403 Forbidden \(KubeException\)|ClientResponseError: 403, message='Forbidden', url=URL\('https?://[^'\s]+/(?:api/v1/(?:namespaces|nodes|pods|services|endpoints|configmaps|secrets|events|persistentvolumes|persistentvolumeclaims|replicationcontrollers|serviceaccounts)\b|apis/[a-z0-9.-]+/v\d)"#;
    /// The same of the official client of Node, whose stack follows.
    FORBIDDEN_NODE = "forbidden-of-node", r"^\s*Error: Forbidden\s*$";
    /// The same by the first line of Python's client; what follows mostly says more.
    FORBIDDEN_PYTHON = "forbidden-of-python", r"(?i:kubernetes)\.client\.(?:exceptions|rest)\.ApiException: \(403\)";
    /// The authorizer's refusal, whose quotes something took out.
    FORBIDDEN_BARE = "forbidden-without-quotes", r"is forbidden: User \\?(?P<user>[\w:@.<>/-]+)\\? cannot (?P<verb>[a-z]+) resource (?P<resource>[a-z]+) in API group";
    /// The RBAC authorizer's own line, of high verbosity: another authorizer may still allow it.
    RBAC_DENY = "rbac-deny", r#"RBAC(?: DENY:|: no rules authorize) user "(?P<user>[^"]*)" (?:with )?groups \[[^\]]*\] (?:cannot|to) "(?P<verb>[a-z]+)" (?:resource "(?P<resource>[^"]*)"|nonResourceURL "(?P<path>[^"]*)")(?: named "(?P<name>[^"]*)")?(?: in namespace "(?P<namespace>[^"]*)")?"#;

    // AWS.
    /// An SDK found no credentials in any of the places that it knows.
    AWS_CREDENTIALS = "sdk-credentials", r"CredentialsProviderError: Could not load credentials from any providers|Unable to load (?:AWS )?credentials from any (?:of the providers|provider) in the chain|Could not load credentials from TokenFileWebIdentityCredentials|InvalidClientTokenId: The security token included in the request is invalid";
    /// A program does not get through to STS.
    STS_UNREACHABLE = "sdk-sts-unreachable", r#"(?:WebIdentityErr|AssumeRoleWithWebIdentity)(?s:.{0,400}?)(?:Post|Get) \\*"?https://(?P<host>sts[.a-z0-9-]*\.amazonaws\.com(?:\.cn)?)[^\s"\\]*\\*"?: (?P<error>(?:dial tcp|net/http|context deadline|EOF|read tcp|x509|tls:)[^\n"\\]*)|Could not connect to the endpoint URL: \\*"https://(?P<endpoint>sts[.a-z0-9-]*\.amazonaws\.com(?:\.cn)?)"#;
    /// The program runs as a user who may not read the token of its role.
    TOKEN_FILE_DENIED = "sdk-token-file-denied", r"open (?P<file>/var/run/secrets/(?:eks\.amazonaws\.com/serviceaccount|pods\.eks\.amazonaws\.com/serviceaccount)/\S+): permission denied|PermissionError: [^\n]*Permission denied: '(?P<path>/var/run/secrets/(?:pods\.)?eks\.amazonaws\.com/serviceaccount/[^'\n]+)'";
    /// The console of EKS shows no objects.
    EKS_CONSOLE = "eks-console", r"current user or role does not have access to Kubernetes objects on this EKS cluster";
    /// A mapping of nodes met a session that is no instance's.
    SESSION_NAME = "iam-session-name", r#"(?:\barn="?(?P<arn>arn:[^"\s]+)"?[^\n]*)?SessionName did not contain an instance id"#;

    // Kubelets, and who reads their statistics.
    /// metrics-server does not trust a kubelet's certificate.
    KUBELET_SCRAPE = "kubelet-scrape", r#"(?:ailed to scrape node|unable to fetch metrics from)[^\n]*?(?P<url>https?://[^\s"/]+:10250/[^\s"\\]*)[^\n]*?(?:tls: failed to verify certificate: )?x509: (?P<error>[^\n"\]]+)"#;
    /// The tunnel from the API server to the nodes has no end.
    KUBELET_AGENT = "kubelet-no-agent", r#"https://[^\s"/]+:10250/(?:exec|attach|portForward|containerLogs|run)/[^\n]*: No agent available"#;
    /// A kubelet does not know who scrapes it.
    SCRAPE_UNAUTHORIZED = "kubelet-scrape-unauthorized", r"(?P<url>https?://[^\s/]+:10250/[^\s|]*)[^\n]*server returned HTTP status 401";
    /// A kubelet knows who scrapes it, and does not let it.
    SCRAPE_FORBIDDEN = "kubelet-scrape-forbidden", r"(?P<url>https?://[^\s/]+:10250/[^\s|]*)[^\n]*server returned HTTP status 403";
    /// A kubelet could not ask whether this is allowed, or its answer was cut.
    KUBELET_DENIED = "kubelet-authorization", r"Authorization error \(user=(?P<user>[^,\n]+), verb=(?P<verb>[^,\n]*), resource=(?P<resource>[^,\n]*), subresource(?:\(s\))?=(?P<subresource>[^)\n]*)|Forbidden \(user=(?P<who>[^,\n]+), verb=(?P<asked>[^,\n]*), resource=nodes, subresource(?:\(s\))?=\[?\w+\s*$";
    /// The kubelet's own certificate has ended, as it says itself.
    KUBELET_EXPIRED = "kubelet-certificate-expired", r"The currently active client certificate has expired(?:,| and)";

    // Windows, which speaks the user's language behind Go's words.
    /// A connection failed.
    CONNECTEX = "windows-connect", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: )(?:(?:Get|Post) "?[^\s"]+"?: )?dial tcp (?P<address>\S+): connectex: (?P<error>[^\n]+)"#;
    /// It could not even be begun: the address, or what guards this machine's network, does not fit.
    SOCKET = "windows-socket", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: )(?:(?:Get|Post) "?[^\s"]+"?: )?dial tcp (?P<address>\S+): socket: (?P<error>An invalid argument was supplied)"#;
    /// A name does not resolve.
    LOOKUP = "windows-lookup", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: )(?:(?:Get|Post) "?[^\s"]+"?: )?dial tcp: lookup (?P<host>[^\s:]+): getaddrinfow: (?P<error>[^\n]+)"#;
    /// The plugin's program cannot be started.
    PLUGIN_START = "plugin-start", r"getting credentials: exec: fork/exec (?P<command>\S+): (?P<error>[^\n]+)";

    // Old logins.
    /// The plugin's program is not there.
    PLUGIN_ABSENT = "old-plugin-absent", r#"getting token: exec: exec: \\*"(?P<command>[^"\s\\]+)\\*": executable file not found|error executing access token command \\*"[^"\\]*\\*": (?:err=)?(?:fork/exec (?P<path>\S+): no such file or directory|exec: [^\n]*executable file not found)"#;
    /// It ended with an error.
    PLUGIN_FAILED = "old-plugin-failed", r#"getting token: exec: exit status (?P<status>\d+)|error executing access token command \\*"(?P<command>[^"\s\\]+)[^"\\]*\\*": (?:err=)?exit status (?P<exit>\d+)"#;
    /// Nobody typed the code in time, or Entra ID gave no token for it.
    DEVICE_CODE = "device-code-expired", r"retrieving OAuth token: Code Expired|adal/devicetoken: Error while retrieving OAuth token: Unknown Error";
    /// kubelogin, before it was renamed, does not reach the issuer; nor does the login of Entra ID that takes a code.
    LOGIN_UNREACHABLE = "old-login-unreachable", r#"(?:Could not discovery? the OIDC issuer|adal/devicetoken: Error occurred while sending request (?:with device code for a token|for Device Authorization Code)): (?:Get|Post) "?(?P<url>https?://[^"\s]+?)"?: (?P<error>[^\n]+)"#;

    // The API server's certificate and its connections, in kubectl's words.
    /// An authority of the name that the kubeconfig trusts cannot have signed it.
    AUTHORITY_UNFIT = "authority-unfit", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": )(?:tls: failed to verify certificate: )?x509: certificate signed by unknown authority \(possibly because of "(?P<reason>x509: [^\n]*?)" while trying to verify candidate authority certificate "(?P<authority>[^"\n]*)"\)"#;
    /// The kubeconfig names no CA, and the machine has none.
    NO_ROOTS = "no-roots", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": )(?:tls: failed to verify certificate: )?x509: failed to load system roots and no roots provided"#;
    /// HTTP/2's words for an end without an answer.
    HTTP2_CLOSED = "http2-closed", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: )(?:(?:Get|Post) "?[^\s"]+"?: )?(?:http2: server sent GOAWAY and closed the connection|stream error: stream ID \d+; (?P<error>[A-Z_]+))"#;
    /// `oc` and its hint.
    OC_CONNECT = "oc-connect", r"^error: (?P<error>[^\n]+?) - verify you have provided the correct host and port";
    /// The same of a certificate: the `error:` of kubectl and `oc`, and no other words.
    OC_EXPIRED = "oc-certificate-expired", r"^error: x509: (?P<error>certificate has expired or is not yet valid: current time \S+ is (?:after|before) [^\s]+)\s*$";
    /// A client certificate or key of the kubeconfig is no PEM.
    NO_PEM = "client-certificate-no-pem", r"^(?:error: |Unable to connect to the server: )tls: failed to find any PEM data in (?P<what>certificate|key) input";

    // Joining.
    /// k3s' agent shows a token that the server does not take.
    K3S_TOKEN = "k3s-token", r"failed to get CA certs: https?://[^\s/]+/cacerts: 401 Unauthorized|token is not valid: https?://[^\s/]+/apis: 401 Unauthorized";
    /// The token names another CA than the cluster's.
    K3S_CA = "k3s-token-ca", r"token CA hash does not match the Cluster CA certificate hash";
    /// The same of kubeadm's flag.
    KUBEADM_CA = "kubeadm-ca-hash", r#"cluster CA found in cluster-info ConfigMap is invalid: none of the public keys \\*"(?P<pin>[^"\\]+)\\*" are pinned"#;

    // Single ones.
    /// Teleport's proxy judges impersonation itself.
    IMPERSONATION = "impersonation-teleport", r#"impersonation request has been denied, (?P<kind>user|group) header \\*"(?P<name>[^"\\]*)"#;
    /// A certificate for a node is asked for by somebody else than that node.
    NODE_CSR = "node-csr", r"is forbidden: can only create a node CSR with CN=system:node:(?P<node>[^\s\x22\\]+)";
    /// fabric8 finds no token of a Pod.
    POD_TOKEN = "pod-token-fabric8", r"Error reading service account token from: \[(?P<file>/var/run/secrets/kubernetes\.io/[^\]\s]+)\]";
    /// The store of the API server is slow, or changes its leader.
    ETCD = "etcd-trouble", r"Error from server: etcdserver: (?P<error>request timed out|leader changed)";
    /// A group of an aggregated API is there, and holds nothing.
    EMPTY_GROUP = "aggregated-api-empty", r"couldn't get resource list for (?P<group>[a-z0-9.-]+/v\w+): Got empty response for: ";
    /// k9s finds no kubeconfig.
    K9S = "k9s-configuration", r"Unable to locate K8s cluster configuration";
    /// `kubectl proxy` does not get through.
    KUBECTL_PROXY = "kubectl-proxy", r"proxy_server\.go:\d+\] Error while proxying request: (?P<error>[^\n]+)";
    /// Lens is answered by something before the API server.
    LENS = "lens-status", r#"\[CLUSTER\]: Failed to connect to \\*"[^"\\]*\\*": StatusCodeError: 50[234]\b"#;
    /// The API server's own proxy settings are wrong.
    SERVER_PROXY = "server-proxy", r"Error trying to reach service: '(?P<error>proxyconnect tcp: [^\n']+)'";
}
