//! What clients and their helpers say: kubectl, client-go, helm, Terraform, credential plugins, AWS tools, SDKs, and the
//! older or rarer words of the API server.
//!
//! Only `explain` looks for these. They say what somebody met, not what this server said of this credential, so doctor,
//! which asks itself, draws nothing from them.
//!
//! Sources: kubectl 1.32 run against broken servers and kubeconfigs, client-go's `rest/request.go`, `clientcmd` and
//! `plugin/pkg/client/auth/exec`, kubelogin, aws-cli and botocore; what was only read says so.

use super::Text;

texts! {
    // The kubeconfig.
    /// Nothing says which server: kubectl falls back to its built-in address.
    LOCALHOST = "kubectl-localhost", r#"The connection to the server (?P<server>(?:localhost|127\.0\.0\.1|\[::1\]):8080) was refused|Get "?http://(?P<address>localhost:8080|127\.0\.0\.1:8080|\[::1\]:8080)/(?:api|apis|version|openapi)[^"\s]*"?: dial tcp|Unable to connect to the server: dial tcp (?P<fallback>127\.0\.0\.1:8080|\[::1\]:8080): "#;
    /// The file that --kubeconfig or KUBECONFIG names is not there, or there is none at all.
    KUBECONFIG_MISSING = "kubeconfig-missing", r"^(?:error: |Error: )?stat (?P<file>[^\n:]*(?:kube|admin\.conf|k3s\.yaml)[^\n:]*): no such file or directory|(?:invalid configuration|unable to load in-cluster config[^\n]*): no configuration has been provided|no configuration has been provided, try setting KUBERNETES_MASTER|Invalid kube-config file\. No configuration found|unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined|ConfigException: Service host/port is not set";
    /// The context is not in the kubeconfig.
    CONTEXT_MISSING = "context-missing", r#"context was not found for specified context: (?P<context>[^\s"]+)|no context exists with the name: "(?P<name>[^"]+)"|error: context "(?P<asked>[^"]+)" does not exist|Invalid kube-config file\. Expected object with name (?P<object>\S+) in \S*contexts list"#;
    /// The context names a user entry that is not there.
    CONTEXT_USER = "context-user", r#"Please enter Username:|auth info "(?P<user>[^"]+)" does not exist"#;
    /// What kubectl says of a 400 that brings no Status: a TLS port's answer to plain HTTP, mostly.
    BAD_REQUEST = "bad-request-unknown", r"\(BadRequest\): the server rejected our request for an unknown reason";
    /// The context names a cluster entry that is not there.
    CONTEXT_CLUSTER = "context-cluster", r#"(?:error: |Error in configuration: |invalid configuration: |config: )cluster "(?P<cluster>[^"]+)" does not exist|cluster was not specified for context"#;
    /// No context is chosen (Python's client says it; kubectl falls back to localhost).
    CONTEXT_UNSET = "context-unset", r"current-context (?:is not set|must exist in order to minify)|you must specify a current-context|Invalid kube-config file\. Expected (?:key current-context|object with name  in \S*contexts list)";
    /// The kubeconfig is no YAML, or a part of it no base64; or it is there, and may not be read.
    KUBECONFIG_BROKEN = "kubeconfig-broken", r#"[Ee]rror loading config file "(?P<file>[^"]*)": (?P<error>(?:yaml|illegal base64|couldn't get version/kind|error (?:converting|unmarshaling)|v1\.Config|json|no kind|unable to decode|open [^\n]+: (?:permission denied|operation not permitted|Access is denied)|read [^\n]+: is a directory)[^\n]*)"#;
    /// The CA of the cluster entry is no PEM.
    CA_BROKEN = "kubeconfig-ca-broken", r"unable to load root certificates: (?P<error>[^\n]+)|unable to parse bytes as PEM block";
    /// A CA and the flag that switches verification off.
    CA_AND_INSECURE = "kubeconfig-ca-and-insecure", r"specifying a root certificates file with the insecure flag is not allowed";
    /// Token and password in one entry.
    TWO_METHODS = "kubeconfig-two-methods", r"more than one authentication method found for +(?P<user>[^\n;]+?)[;.] +[Ff]ound \[(?P<found>[^\]]*)\], only one is allowed|username/password or bearer token may be set, but not both";
    /// A line feed in the token.
    HEADER_VALUE = "token-line-feed", r#"invalid header field value for "Authorization""#;
    /// Certificate and key do not belong together.
    KEY_PAIR = "client-key-pair", r"(?:error: |Unable to connect to the server: |client-cert[^\n]*|kubeconfig[^\n]*|Error: )tls: private key does not match public key";
    /// A certificate without its key.
    KEY_ABSENT = "client-key-absent", r"client-key-data or client-key must be specified for (?P<user>[^\n]+?) to use the clientCert authentication method";
    /// A built-in login that client-go no longer has, or (in what kubectl 1.22 to 1.25 warn of) soon will not have.
    PROVIDER_REMOVED = "auth-provider-gone", r"[Tt]he (?P<provider>gcp|azure) auth plugin has been removed|\bthe (?P<deprecated>gcp|azure) auth plugin is deprecated in v1\.2\d\+, unavailable in v1\.2\d\+";
    /// A login that this tool was built without.
    PROVIDER_ABSENT = "auth-provider-absent", r#"no Auth Provider found for name "(?P<provider>[^"]+)""#;
    /// A file that the kubeconfig names.
    ENTRY_FILE = "kubeconfig-entry-file", r"unable to read (?P<field>certificate-authority|client-cert|client-key) (?P<file>[^\n]+?) for (?P<entry>[^\n]+?) due to open";
    /// http spoken to https, or the other way round (registries of images say the same without kubectl's words before).
    WRONG_SCHEME = "server-wrong-scheme", r#"(?:Unable to connect to the server: |group list: Get "[^"]+": |Kubernetes cluster unreachable: Get "[^"]+": )(?P<error>http: server gave HTTP response to HTTPS client|tls: first record does not look like a TLS handshake)|Error from server[^\n]*: Client sent an HTTP request to an HTTPS server"#;
    /// helm warns of a kubeconfig that others can read.
    KUBECONFIG_MODE = "kubeconfig-mode", r"Kubernetes configuration file is (?P<who>group|world)-readable\. This is insecure\. Location: (?P<file>[^\n]+)";
    /// A group, but no user to impersonate.
    IMPERSONATE_NOBODY = "impersonate-nobody", r"request(?:ing|ed) (?:uid, groups or user-extra for (?P<user>\S*)|\[[^\n]*\]|&user\.DefaultInfo\{[^\n]*\}) without impersonating a user";

    // Credential plugins.
    /// The plugin's program is not there, or cannot be started.
    PLUGIN_ABSENT = "plugin-absent", r#"unknown command "(?P<plugin>oidc-login|oidc_login)" for "kubectl"|exec: executable (?P<command>\S+) not found|getting credentials: exec: (?:exec: )?"?(?P<program>[^"\s:]+)"?: (?:executable file not found|file does not exist)|(?P<needed>gke-gcloud-auth-plugin), which is needed for continued use of kubectl, was not found|(?P<login>kubelogin) is not installed which is required to connect to AAD|getting credentials: exec: fork/exec (?P<path>\S+): (?P<error>permission denied|no such file or directory|exec format error|%1 is not a valid Win32 application)|(?P<binary>[^\s:"']*(?:aws-iam-authenticator|gke-gcloud-auth-plugin|kubelogin|kubectl-oidc_login)(?:\.exe)?)"?: (?:cannot execute binary file: )?(?P<format>[Ee]xec format error)"#;
    /// The plugin ended with an error.
    PLUGIN_FAILED = "plugin-failed", r"exec: executable (?P<command>\S+) failed with exit code (?P<status>\d+)|getting credentials: exec: exit status (?P<exit>\d+)|schema information from the API server: command terminated with exit code (?P<code>\d+)";
    /// What the plugin printed is no credential.
    PLUGIN_OUTPUT = "plugin-output", r"getting credentials: decoding stdout: couldn't get version/kind; json parse error|exec plugin didn't return (?P<missing>a status field|a token or cert/key pair)|returned only certificate or key, not both";
    /// The plugin, or the entry, speaks the removed version.
    PLUGIN_V1ALPHA1 = "plugin-v1alpha1", r#"(?:no kind "ExecCredential" is registered for version|exec plugin: invalid apiVersion) "(?P<version>client\.authentication\.k8s\.io/v1alpha1)""#;
    /// The entry speaks a version that this client does not know yet.
    PLUGIN_NEWER = "plugin-newer", r#"(?:no kind "ExecCredential" is registered for version|exec plugin: invalid apiVersion) "(?P<version>client\.authentication\.k8s\.io/v1(?:beta\d+)?)""#;
    /// Entry and plugin speak different versions.
    PLUGIN_VERSIONS = "plugin-versions", r"exec plugin is configured to use API version (?P<expected>[^\s,]+), plugin returned version (?P<got>\S+)";
    /// The plugin wants a terminal, and there is none.
    PLUGIN_TERMINAL = "plugin-terminal", r"exec plugin cannot support interactive mode|interactiveMode must be specified for (?P<user>\S+) to use exec authentication plugin";
    /// A program of Python's asks for something, and there is nobody to answer.
    PLUGIN_PROMPT = "plugin-prompt", r"EOF when reading a line";
    /// The client's own policy forbids the plugin.
    PLUGIN_POLICY = "plugin-policy", r#"plugin "(?P<command>[^"]+)" not allowed: policy set to|plugin path "(?P<path>[^"]+)" is not permitted by the credential plugin allowlist"#;
    /// aws has nothing to sign with.
    AWS_CREDENTIALS = "aws-credentials", r#"Unable to locate credentials(?:\. You can configure credentials|\.?\s*$)|NoCredentialProviders: no valid providers in chain|Partial credentials found in|The config profile \((?P<profile>[^)]*)\) could not be found|Unable to parse config file: (?P<parsed>\S*\.aws\S*)|failed to get shared config profile, (?P<shared>\S+)|botocore\.exceptions\.NoCredentialsError|failed to refresh cached credentials, (?P<error>[^\n]+)"#;
    /// The SSO session behind the profile has ended.
    AWS_SSO = "aws-sso", r"The SSO session associated with this profile has expired|Error loading SSO Token: (?P<error>[^\n]+)|Token has expired and refresh failed|(?:UnauthorizedSSOTokenError|SSOTokenLoadError)|InvalidGrantException\S* when calling the CreateToken|the SSO session has expired or is invalid|An error occurred \(UnauthorizedException\) when calling the GetRoleCredentials operation|Cached SSO login is expired/invalid";
    /// The keys that aws signs with are expired or unknown to AWS.
    AWS_KEYS = "aws-keys", r"An error occurred \((?P<code>ExpiredToken|ExpiredTokenException|InvalidClientTokenId|UnrecognizedClientException|RequestExpired|SignatureDoesNotMatch)\) when calling the (?P<call>\w+) operation|could not get token: (?P<error>(?:ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch|RequestExpired)[^\n]*)";
    /// aws does not know which region it is to sign for.
    AWS_REGION = "aws-region", r"You must specify a region\. You can also configure your region|NoRegionError: You must specify a region";
    /// The identity may not take the role that the plugin asks for.
    AWS_ASSUME = "aws-assume-role", r"User: (?P<arn>arn:\S+) is not authorized to perform: sts:AssumeRole on resource: (?P<role>arn:[^\s\x22]+)|An error occurred \(AccessDenied\) when calling the AssumeRole operation|could not get token: AccessDenied";
    /// kubelogin does not reach the issuer.
    LOGIN_UNREACHABLE = "login-issuer-unreachable", r#"(?:oidc discovery error|could not initialize the OIDC provider|oidc provider: oidc provider initialization error|oidc provider initialization error)[^\n]*?: Get "?(?P<url>https?://[^"\s]+)"?: (?P<error>[^\n]+)|oidc discovery error: (?P<status>\d{3}) [^\n]*"#;
    /// The stored login has ended.
    LOGIN_ENDED = "login-ended", r#"could not refresh the token|response did not contain an id_token|token refresh error|failed to refresh token: (?P<error>[^\n]+)|No valid id-token, and cannot refresh without refresh-token|(?P<aadsts>AADSTS700082|AADSTS70008|AADSTS70043|AADSTS50173|AADSTS50078|AADSTS50076|AADSTS700084)|There was a problem refreshing your current auth tokens|Reauthentication failed\. cannot prompt during non-interactive execution|(?:get-token|oidc)[^\n]*"invalid_grant"|You do not currently have an active account selected|Please run 'az login' to setup account|re-login with [`']?tsh login|ssh: cert has expired"#;
    /// The identity provider refuses the client that kubelogin is, whoever logs in with it.
    LOGIN_CLIENT = "login-client-refused", r#"(?:get-token|exchanging authorization code and token|resource owner password credentials grant|could not get a token from the OIDC provider)[^\n]*"(?P<reason>unauthorized_client|invalid_client|invalid_scope|invalid_request)"|(?:exchanging authorization code and token|resource owner password credentials grant|could not get a token from the OIDC provider)[^\n]*oauth2: cannot fetch token: (?P<status>40[01])"#;
    /// Entra ID gives no token, for a reason that no new login mends (these by its documentation, not seen).
    LOGIN_REFUSED = "login-refused-by-entra", r"(?P<aadsts>AADSTS53003|AADSTS7000215|AADSTS7000222|AADSTS700016): (?P<error>[^\n]+)";
    /// EKS does not tell the identity about the cluster: no kubeconfig can be written with it.
    EKS_DENIED = "eks-call-denied", r"(?P<arn>arn:[\w-]+:(?:iam|sts)::[^\s\x22]+) is not authorized to perform: (?P<action>eks:(?:DescribeCluster|ListClusters|AccessKubernetesApi))\b(?: on resource: (?P<resource>arn:[^\s\x22\\]+))?";
    /// The login needs a browser or a terminal, and got none.
    LOGIN_BROWSER = "login-browser", r"authcode-browser error: (?P<error>[^\n]+)|could not open the browser|authcode-keyboard error: (?P<keyboard>[^\n]+)";
    /// kubelogin got a token that it does not believe.
    LOGIN_NONCE = "login-token-invalid", r"(?:get-token|authentication error)[^\n]*(?:verify(?:ing)? the (?:ID|id) token|oidc: (?:expected audience|id token issued by)|nonce mismatch)[^\n]*";

    // The way to the API server.
    /// The server's name does not resolve.
    SERVER_NAME = "server-name", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: |server version: |Connection error: )(?:(?:Get|Post) "?(?P<url>https?://[^"\s]+)"?: )?dial tcp: lookup (?P<host>[^\s:]+)(?: on (?P<resolver>[^\s:]+(?::\d+)?))?: (?P<error>no such host|server misbehaving|[^\n]*i/o timeout|[^\n]*connection refused|Temporary failure in name resolution)|(?:Error|error|openapi): (?:(?:Get|Post) "?(?P<api>https?://[^"\s]+/(?:api|apis|version|openapi)\b[^"\s]*)"?: )dial tcp: lookup (?P<name>[^\s:]+)(?: on \S+)?: (?P<why>no such host|server misbehaving|[^\n]*i/o timeout)"#;
    /// Nobody listens.
    SERVER_REFUSED = "server-refused", r#"The connection to the server (?P<server>[^\s]+) was refused - did you specify the right host or port|(?:Unable to connect to the server: |Kubernetes cluster unreachable: |group list: )(?:(?:Get|Post) "?(?P<url>https?://[^"\s]+)"?: )?dial tcp (?P<address>\S+): connect: connection refused|(?:Error|error|openapi): (?:(?:Get|Post) "?(?P<api>https?://[^"\s]+/(?:api|apis|version|openapi)\b[^"\s]*)"?: )dial tcp (?P<at>\S+): connect: connection refused|dial tcp \S+: connectex: No connection could be made because the target machine actively refused it"#;
    /// No answer to the first packet, or to the request.
    SERVER_SILENT = "server-silent", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: |server version: |Connection error: )(?:(?:Get|Post) "?(?P<url>https?://[^"\s]+)"?: )?(?:dial tcp (?P<address>\S+): (?:i/o timeout|connect: (?:operation|connection) timed out|connectex: A connection attempt failed)|context deadline exceeded|net/http: request canceled[^\n]*|[^\n]*Client\.Timeout exceeded while awaiting headers)|(?:Error|error|openapi): (?:(?:Get|Post) "?(?P<api>https?://[^"\s]+/(?:api|apis|version|openapi)\b[^"\s]*)"?: )(?:dial tcp (?P<at>\S+): i/o timeout|context deadline exceeded|net/http: request canceled[^\n]*)"#;
    /// A timeout of one request, as client-go's own log tells it.
    TLS_SILENT = "server-tls-silent", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: |server version: |Connection error: )(?:(?:Get|Post) "?(?P<url>https?://[^"\s]+)"?: )?net/http: TLS handshake timeout"#;
    /// The connection ends before an answer.
    SERVER_CLOSED = "server-closed", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: |server version: |Connection error: )(?:(?:Get|Post) "?(?P<url>https?://[^"\s]+)"?: )?(?:EOF|unexpected EOF|read tcp \S+: (?:read: connection reset by peer|wsarecv: [^\n]+)|http2: client connection lost)|(?:Error|error|openapi): (?:(?:Get|Post) "?(?P<api>https?://[^"\s]+/(?:api|apis|version|openapi)\b[^"\s]*)"?: )(?:unexpected EOF|read tcp \S+: (?:read: connection reset by peer|wsarecv: [^\n]+)|http2: client connection lost)"#;
    /// A certificate past its end, as Go before 1.15 wrote it: without the times.
    X509_DATE = "server-x509-date", r#"(?:Unable to connect to the server: |group list: Get "?[^"\s]+"?: )x509: certificate has expired or is not yet valid(?:\s*$|\s*\n|\s*["'.,;!)`…<]|\s+-)"#;
    /// The server's certificate is refused, as helm, Terraform and kubeadm tell it.
    X509_OTHER = "server-x509-other", r#"(?:luster (?:is )?unreachable|Error|error|API Server|server version|version from server): (?:Get|Post) "?(?P<api>https?://[^"\s]+/(?:api|apis|version|openapi)\b[^"\s]*)"?: (?:tls: failed to verify certificate: )?x509: (?P<error>(?:certificate |cannot validate certificate )[^\n]+)"#;
    /// Go's words about a certificate, and nothing else in the line: it need not be the API server's. The forms that
    /// registries, webhooks and databases log in the same way are left out.
    BARE_X509 = "bare-x509", r"^(?:[Ee]rror: )?(?:tls: failed to verify certificate: x509: (?P<error>certificate (?:signed by unknown authority|has expired or is not yet valid: |is valid for )[^\n]*)|x509: (?P<bare>certificate is valid for [^\n]+, not \S+))\s*$";
    /// The same of a connection without an answer, to a port of API servers.
    BARE_TIMEOUT = "bare-timeout", r"^(?:[Ee]rror: )?dial tcp (?P<address>\S+:(?:443|6443|8443|16443)): i/o timeout\s*$";
    /// The same of a TLS client that met plain HTTP.
    BARE_SCHEME = "bare-wrong-scheme", r"^(?:[Ee]rror: )?http: server gave HTTP response to HTTPS client\s*$";
    /// What macOS says of a certificate, where Go passes its words on.
    X509_MACOS = "x509-of-macos", r#"x509: (?:certificate has expired or is not yet valid: )?[“"](?P<subject>[^”"\n]*)[”"] (?P<error>certificate is not trusted|certificate is expired|certificate is not standards compliant|certificate name does not match input)"#;
    /// Go's words about a certificate without the program's: whose certificate it is, they do not say.
    X509_BARE = "x509-bare", r#"^\s*(?:error: |Error: )?(?:tls: failed to verify certificate: )?x509: (?P<error>certificate is valid for (?:ingress\.local|[0-9a-f]{32}\.[0-9a-f]{32}\.traefik\.default), not [^\s"]+|certificate relies on legacy Common Name field)"#;
    /// There is no way to the address.
    SERVER_ROUTE = "server-route", r#"(?:Unable to connect to (?:the server|cluster): |[Cc]luster (?:is )?unreachable: |group list: |server version: |Connection error: )(?:(?:Get|Post) "?(?P<url>https?://[^"\s]+)"?: )?dial tcp (?P<address>\S+): connect: (?P<error>no route to host|network is unreachable|host is down|permission denied|operation not permitted|invalid argument)|(?:Error|error|openapi): (?:(?:Get|Post) "?(?P<api>https?://[^"\s]+/(?:api|apis|version|openapi)\b[^"\s]*)"?: )dial tcp (?P<at>\S+): connect: (?:no route to host|network is unreachable|permission denied|operation not permitted|invalid argument)"#;
    /// A call of the API that did not come through, in whatever program's words: Go tells method, URL and reason alike.
    CALL_FAILED = "call-failed", r#"(?:Get|Post|Put|Patch|Delete|Head|GET|POST|PUT|PATCH|DELETE) "?(?P<api>https?://[^"\s]+/(?:api/v1/(?:namespaces|nodes|pods|services|endpoints|configmaps|secrets|events|persistentvolumes|persistentvolumeclaims|replicationcontrollers|serviceaccounts|resourcequotas|limitranges)\b|apis/[a-z0-9.-]+/v\d|(?:api|apis|version)\?timeout=)[^"\s]*)"?: (?P<error>(?:tls: failed to verify certificate: )?x509: [^\n]+|dial tcp[^\n]+|net/http: (?:TLS handshake timeout|request canceled[^\n]*)|context deadline exceeded[^\n]*|(?:unexpected )?EOF\b|read tcp [^\n]+|http2: client connection lost|http2: server sent GOAWAY and closed the connection|http: server gave HTTP response to HTTPS client|tls: first record does not look like a TLS handshake)"#;
    /// The same from Python's client, which tells the path and urllib3's reason.
    PYTHON_CALL = "python-call", r#"(?:host='(?P<host>[^'\n]*)', port=(?P<port>\d+)\): )?Max retries exceeded with url: (?P<path>/(?:api/v1/(?:namespaces|nodes|pods|services|endpoints|configmaps|secrets|events|persistentvolumes|persistentvolumeclaims|replicationcontrollers|serviceaccounts)\b|apis/|version/?\s)\S*) ?\(Caused by (?P<error>[^\n]+)|after connection broken by '(?P<broken>[^\n]+)': (?P<again>/(?:api/v1|apis|version)\b[^\n]*)"#;
    /// Jenkins' test of a cluster.
    JENKINS_TEST = "jenkins-test", r"Error testing connection[^\n]*: java\.\S+: (?P<error>[^\n]*(?:Failed to connect to|refused)[^\n]*)";
    /// OpenShift's `oc` does not know who signed the server's certificate, and may ask whether to go on without.
    OC_AUTHORITY = "oc-unknown-authority", r"(?:^|\n)\s*error: x509: certificate signed by unknown authority(?: - verify you have provided the correct host and port|\s*$|\n|[.,;!)`…<])|The server uses a certificate signed by an unknown authority|You can bypass the certificate check, but any data you send to the server could be intercepted by others";
    /// The names in the server's certificate, as Java and curl tell it of the API's own names in a cluster.
    SERVER_NAMES = "server-names-other", r"No subject alternative (?:DNS name|names) matching (?P<name>kubernetes(?:\.default\S*)?) found|no alternative certificate subject name matches target host(?: name)? '(?P<host>kubernetes(?:\.default[^'\n]*)?)'";
    /// What answers is a page, no API.
    PAGE = "server-page", r#"(?:^|\n)error: invalid character '<' looking for beginning of value|an error on the server \("\\?"?<(?:html|!DOCTYPE|!doctype|head)|Error from server \(\w+\): <(?:html|!DOCTYPE|!doctype)"#;
    /// An answer, or a file, that begins as a page does (the plugin's output and the kubeconfig have words before).
    PAGE_UNDECODED = "page-undecoded", r"^\s*(?:error: |Error: |Error from server: |Unable to connect to the server: )?couldn't get version/kind; json parse error: invalid character '<'";
    /// A page that was pasted as it is.
    HTML = "html-page", r"<title>(?P<status>401|403|407|429|502|503|504)(?: (?P<reason>[^<]*))?</title>";
    /// The API server, or what stands before it, cannot answer now.
    SERVER_ERROR = "server-error", r#"Error from server \((?P<reason>InternalError|ServiceUnavailable|Timeout)\): (?P<error>an error on the server \("[^\n]*"\) has prevented the request from (?:succeeding|being fulfilled)|the server is currently unable to handle the request\s*$|the server was unable to return a response in the time allotted[^\n]*|etcdserver: [^\n]+|[^\n]*\[-\]etcd failed[^\n]*)|couldn't read version from server: an error on the server [^\n]*|the server was unable to return a response in the time allotted, but may still be processing the request|apiserver is shutting down"#;

    // What is said of a credential.
    /// 401, as kubectl and others tell it; why, it never says.
    UNAUTHORIZED = "unauthorized", r#"You must be logged in to the server \((?P<words>Unauthorized|the server has asked for the client to provide credentials)|the server has asked for the client to provide credentials|Error from server \(Unauthorized\)|^[\s│|]*(?:error: |Error: |\S+Exception: )?Unauthorized\s*$|(?:re-listing nodes|discovery information|CSINode publishing): Unauthorized|err=\x22Unauthorized\x22|GET https?://\S+ 401 Unauthorized in |Response Status: 401 Unauthorized in |couldn't validate the identity of the API Server: Unauthorized|Non-critical error occurred during resource retrieval: Unauthorized|failed to list bootstrap tokens: Unauthorized|Unauthorized \(401\): Invalid credentials provided|MSG_LOGIN_UNAUTHORIZED_ERROR|settings config map: Unauthorized|[Cc]ommunicate with API server(?: during \w+ check)?: Unauthorized|k8s\.Autorest\.HttpOperationException: Operation returned an invalid status code 'Unauthorized'|"reason":\s*"Unauthorized"|"message":\s*"Unauthorized"|[Ff]ailed to (?:list|watch) \*[\w.]+: Unauthorized|ApiException: Unauthorized|ApiException: \(401\)|reason: 'Unauthorized'|Message: Unauthorized[!.]?|\(401\)\\?n?\s*Reason: Unauthorized|E\d{4} [\d:.]+ +\d+ \S+\] [^\n]*: Unauthorized\s*$"#;
    /// The same in the audit log.
    AUDIT_FAILED = "audit-authentication-failed", r#"Authentication failed, attempted: (?P<attempted>[a-z0-9, ]+)"#;
    /// The API server's own line for each refused request, whatever follows.
    REFUSED_LINE = "refused-line", r#""?Unable to authenticate the request(?:"? err=|"? error=|(?: due to an error)?: )(?P<error>[^\n]*)"#;
    /// The certificate of a client, before 1.20 named it.
    CERTIFICATE_BARE = "client-certificate-bare", r#"(?:Unable to authenticate the request(?: due to an error: |" err=")|unable to authenticate the request" err=")\[?x509: (?P<error>certificate (?:has expired or is not yet valid|signed by unknown authority|specifies an incompatible key usage)[^,\]\n"(]*)"#;
    /// The kubelet's own certificate, which it was to be known by, has ended.
    CERTIFICATE_STORED = "client-certificate-stored", r"[Pp]art of the existing bootstrap client certificate (?:in (?P<file>\S+) )?is expired(?:: (?P<expiry>[^\n]+))?";
    /// No JWT, or a broken one.
    MALFORMED = "malformed-jwt", r"oidc: malformed jwt(?:: (?P<error>[^\n\]]+))?";
    /// The token is another issuer's.
    OTHER_ISSUER = "id-token-other-issuer", r#"(?:bearer token|authenticate the request)[^\n]*oidc: id token issued by a different provider, expected "(?P<expected>[^"]*)" got "(?P<got>[^"]*)""#;
    /// Nobody signed it.
    NOT_SIGNED = "id-token-not-signed", r"oidc: (?:id token not signed|multiple signatures on id token not supported)";
    /// A claim of the token has a type that Go's JSON does not take.
    CLAIM_TYPE = "claim-type", r"oidc: failed to unmarshal claims: json: cannot unmarshal (?P<got>\w+) into Go (?:struct field idToken\.(?P<claim>aud|exp|iat|nbf|iss)|value)";

    // The issuer, as the control plane sees it.
    /// The same faults as Go before 1.14 wrote them: without quotes around the URL.
    INIT_OLD = "oidc-init-old", r"(?:initializing plugin|oidc authenticator: failed to fetch provider discovery data|fetch provider config): Get (?P<url>https?://[^\s\x22]+): (?P<error>[^\n]+)";
    /// A forward proxy refused the CONNECT, where more stands behind it: the end of a JSON string.
    INIT_PROXY = "oidc-init-proxy-quoted", r#"initializing plugin: Get "(?P<url>[^"]+)": (?P<reason>Forbidden|Proxy Authentication Required|Bad Gateway|Service Unavailable|Gateway Timeout|Method Not Allowed|Too Many Requests)\b"#;
    /// The document has no key set, before 1.35.
    NO_KEYS_URL = "jwks-no-url", r#"fetching keys oidc: get keys failed:? Get "": unsupported protocol scheme"#;
    /// Nobody recognised the token, in other wrappings than klog's.
    NOBODY = "nobody-claimed-quoted", r#"(?:"err":\s*"|err=|: |\t)\[?invalid bearer token(?:, unknown)?\]?(?:\s*$|"|\n)"#;
    /// The document is no JSON of the shape that is needed.
    DISCOVERY_SHAPE = "oidc-discovery-shape", r"failed to decode provider discovery object: got Content-Type = application/json, but could not unmarshal as JSON";
    /// The authenticator of one issuer is not up (from a reload of the configuration).
    ISSUER_UNHEALTHY = "oidc-issuer-unhealthy", r#"oidc: authenticator for issuer "(?P<issuer>[^"]*)" is not (?:healthy|initialized)(?:: (?P<error>[^\n]+))?"#;
    /// EKS and older servers word it so.
    ISSUER_OVERLAP = "issuer-overlap", r"The Identity Provider URL cannot be same as OpenID Connect \(OIDC\) issuer URL";
    /// The server does not start with these flags.
    FLAGS_INVALID = "oidc-flags-invalid", r#"oidc: unsupported signing alg: "?(?P<algorithm>[^"\s]+)"?|oidc-issuer-url and oidc-client-id (?:must be specified together|should be specified together)|'oidc-issuer-url' \("[^"]*"\) has invalid scheme"#;
    /// The CA file for the issuer is no PEM.
    OIDC_CA = "oidc-ca-unreadable", r"Failed to read the CA file: (?P<error>[^\n]+)";

    // Rights.
    /// The authorizer's refusal as it was worded before 1.12.
    FORBIDDEN_OLD = "forbidden-old", r#"User "(?P<user>(?:[^"\\]|\\.)*)" cannot (?P<verb>[a-z]+) (?P<resource>[a-z0-9_./-]+) (?:in the namespace "(?P<namespace>[^"]*)"|in project "(?P<project>[^"]*)"|at the cluster scope)"#;
    /// The authorizer's refusal: who, what, where. Its parts are read by `forbidden`.
    FORBIDDEN = "forbidden", r#"forbidden: User \\*"(?P<who>[^\n]*?)\\*" cannot "#;
    /// Discovery was refused: kubectl does not read the reason there.
    DISCOVERY_FORBIDDEN = "discovery-forbidden", r"Error from server \(Forbidden\): unknown\b|couldn't get (?:current server API group list|resource list for [^\n:]+): (?:unknown|forbidden)\s*\x22?\s*$";
    /// A certificate may not be approved or signed: a right that the API server looks up itself, on the signer.
    SIGNER_REFUSED = "signer-refused", r#"user not permitted to (?P<verb>approve|sign|attest) (?:requests with|for) signerName \\?"(?P<signer>[^"\\]+)"#;
    /// An owner may not be named on an object: a right that the API server looks up itself, on the object or on its owner.
    OWNER_REFUSED = "owner-refused", r"cannot set an ownerRef on a resource you can't delete: |cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ";
    /// `kubectl auth whoami` was refused.
    WHOAMI_REFUSED = "whoami-refused", r"the selfsubjectreviews API is not enabled in the cluster or you do not have permission to call it";
    /// The upgrade of exec, attach or port-forward was refused without a reason (1.35 and later).
    UPGRADE_REFUSED = "upgrade-refused", r#"pods "(?P<name>[^"]+)" is forbidden:\s*"?\s*$"#;
    /// The escalation check, where the rules stand on the next lines.
    ESCALATION = "escalation", r#"is forbidden: user "(?P<user>(?:[^"\\]|\\.)*)" \(groups=(?P<groups>\[[^\n]*?\])\) is attempting to grant RBAC permissions not currently held|must have cluster-admin privileges to use the aggregationRule|is forbidden: attempt to grant(?: extra privileges|\s*$)"#;
    /// Constrained impersonation has rules of its own.
    IMPERSONATION_RULE = "impersonation-rule", r"impersonating (?:the system:masters group|the empty string group|an invalid key in extra) is not allowed";

    /// A proxy before the API server judges impersonation itself.
    IMPERSONATION_PROXY = "impersonation-proxy", r"the current user (?P<user>\S+) cannot impersonate the (?:user|group) (?P<name>\S+)";
    /// 403 as clients tell it that keep the server's reason to themselves.
    CLIENT_FORBIDDEN = "client-forbidden", r"Error from server \(Forbidden\): the server does not allow access to the requested resource|the server does not allow access to the requested resource \((?:get|post|put|patch|delete) [a-z]|Forbidden! ?Configured service account doesn't have access|k8s\.Autorest\.HttpOperationException: Operation returned an invalid status code 'Forbidden'|io\.kubernetes\.client\.(?:openapi\.)?ApiException: Forbidden|403 Client Error: Forbidden for url: (?P<url>https?://\S+/(?:api/v1|apis)/\S*)|Reason: Handshake status 403 Forbidden";

    // What stands behind the API server.
    /// The kubelet has no certificate to show: its request for one was not approved.
    KUBELET_CERTIFICATE = "kubelet-no-certificate", r"no serving certificate available for the kubelet";
    /// The kubelet refuses the API server, which passes on an exec or a port.
    KUBELET_UPGRADE = "kubelet-upgrade-refused", r"unable to upgrade connection: Unauthorized";
    /// The extension server does not find the front proxy's CA.
    FRONT_PROXY_CONFIG = "front-proxy-config", r"unable to load configmap based request-header-client-ca-file: (?P<error>[^\n]+)|[Cc]luster doesn't provide requestheader-client-ca-file";
    /// Which CAs may sign whom is not told apart.
    FRONT_PROXY_OVERLAP = "front-proxy-overlap", r"--requestheader-client-ca-file and --client-ca-file contain overlapping certificates";
    /// An APIService's condition.
    API_SERVICE = "api-service-condition", r#"(?P<name>v\d[a-z0-9]*\.[a-z0-9.-]+)\s+\S+\s+False \((?P<reason>FailedDiscoveryCheck|MissingEndpoints|ServiceNotFound|EndpointsNotFound|ServicePortError|ServiceAccessError)\)|service/(?P<service>\S+) in "(?P<namespace>[^"]+)" is not present|endpoints? (?:slices )?for service/(?P<backend>\S+) in "(?P<in>[^"]+)" have no addresses|failing or missing response from (?P<url>https?://\S+): (?P<error>[^\n]+)"#;
    /// The token file of the API server.
    TOKEN_FILE = "token-file", r"token file '(?P<file>[^']*)' must have at least 3 columns";
    /// A token of kubeadm that is unknown or has ended.
    BOOTSTRAP = "bootstrap-token", r#"could not find a JWS signature in the cluster-info ConfigMap for token ID "(?P<id>[^"]+)"|Bootstrap secret \S+ matching bearer token (?P<error>[^\n]+)|there is no JWS signed token in the cluster-info ConfigMap\. This token id "(?P<token>[^"]+)"|cluster-info ConfigMap does not yet contain a JWS signature for token ID "(?P<waiting>[^"]+)"|failed to run Kubelet: cannot create certificate signing request: Unauthorized|unable to fetch the kubeadm-config ConfigMap: [^\n]*Unauthorized|Invalid value: "[^"\n]*": the bootstrap token is invalid"#;

    /// aws-iam-authenticator before it told what STS had said.
    IAM_REFUSED_BARE = "iam-refused-bare", r#"sts getCallerIdentity failed: error from AWS \(expected 200, got 403\)\s*(?:"|\\|$)"#;

    /// EKS has no cluster of that name where it was asked.
    EKS_NO_CLUSTER = "eks-no-cluster", r"No cluster found for name: (?P<cluster>[\w-]+)";
    /// EKS does not take these ranges for the public endpoint (by its guide, not seen).
    EKS_CIDRS = "eks-cidrs-invalid", r"CIDRs are invalid in publicAccessCidrs(?:: ?(?P<cidrs>[^\n]+))?";
    /// The key set was not had; why, was cut off.
    JWKS_FAILED = "jwks-failed", r"fetching keys[^\n]{0,24}get keys failed";

    // What Pods miss.
    /// A program asks for the token of its Pod, and there is none.
    POD_TOKEN_MISSING = "pod-token-missing", r"open (?P<file>/var/run/secrets/kubernetes\.io/serviceaccount/\S+): (?P<error>no such file or directory|The system cannot find the (?:path|file) specified)|Service token file does not exist";
    /// The kubelet says of a Secret for an image that it is not there.
    IMAGE_PULL_SECRET = "image-pull-secret", r"FailedToRetrieveImagePullSecret|Unable to retrieve some image pull secrets \((?P<secrets>[^)\n]*)\)";

    // What programs in Pods and their helpers say of their AWS identity.
    /// STS does not let the service account take the role; in which respect it does not fit, STS never says.
    WEB_IDENTITY_DENIED = "sts-web-identity-denied", r"Not authorized to perform:? sts:AssumeRoleWithWebIdentity";
    /// The role's account does not know the cluster's issuer.
    WEB_IDENTITY_PROVIDER = "sts-no-provider", r"No OpenIDConnect provider found in (?:your )?account(?: for (?P<issuer>https?://[^\s\x22,\\]+))?";
    /// The provider in IAM does not list the token's audience.
    WEB_IDENTITY_AUDIENCE = "sts-audience", r"Incorrect token audience";
    /// STS cannot read the issuer's keys.
    WEB_IDENTITY_KEYS = "sts-issuer-keys", r"Couldn't retrieve verification key from your identity provider|IDPCommunicationError(?:Exception)?";
    /// The role's ARN, as annotated, is none.
    WEB_IDENTITY_ARN = "sts-role-arn", r"Request(?:ed)? ARN is invalid";
    /// The token file's token has ended: a program that read the file once, or a clock.
    WEB_IDENTITY_EXPIRED = "sts-token-expired", r"(?:AssumeRoleWithWebIdentity|WebIdentityErr)[^\n]*ExpiredToken|ExpiredToken(?:Exception)?\)? when calling the AssumeRoleWithWebIdentity|Token expired: current date/time (?P<now>\d+) must be before the expiration date/time (?P<expiry>\d+)";
    /// STS is switched off for the account in the region that the program asks.
    WEB_IDENTITY_REGION = "sts-region-disabled", r"RegionDisabledException[^\n]*AssumeRoleWithWebIdentity|(?:AssumeRoleWithWebIdentity|WebIdentityErr)[^\n]*RegionDisabledException|STS is not activated in this region";
    /// A program was refused as a node: the session's name is an instance's.
    NODE_ROLE = "sdk-node-role", r"User: arn:[\w-]+:sts::(?P<account>[\d*x]+):assumed-role/(?P<role>[^/\s]+)/(?P<instance>i-[0-9a-fx]{8,17}) is not authorized to perform: (?P<action>[\w:*-]+)";
    /// No answer, or no role, from the instance's metadata.
    METADATA = "sdk-metadata", r"no EC2 IMDS role found|EC2MetadataError: (?P<failure>[^\n]+)|EC2RoleRequestError: (?P<reason>[^\n]+)|(?:Unable to|Failed to|Could not) (?:contact|connect to) (?:the )?EC2 (?:instance )?metadata service|Failed to load credentials from IMDS|(?:Max retries exceeded with url|[Cc]onnect(?:ion)? to|dial tcp) [^\n]{0,40}169\.254\.169\.254[^\n]*(?:timed? ?out|timeout|refused|No route to host|no route to host)|operation error ec2imds: Get\w+[^\n]*";
    /// Nothing answers where the Pod Identity agent should.
    AGENT = "pod-identity-agent", r"(?:169\.254\.170\.23|\[?fd00:ec2::23\]?)\S*?:? [^\n]*?(?P<error>connection refused|Connection refused|i/o timeout|timed out|no route to host|No route to host|network is unreachable|context deadline exceeded|Client\.Timeout)|[Cc]onnect(?:ion)? (?:to|error)[^\n]*(?:169\.254\.170\.23|fd00:ec2::23)[^\n]*(?P<why>refused|timed? ?out)";
    /// EKS Auth refuses the agent, or the agent the Pod.
    POD_IDENTITY = "pod-identity-refused", r"(?:AssumeRoleForPodIdentity|EKS Auth)[^\n]*?(?P<code>ResourceNotFoundException|AccessDeniedException|ExpiredTokenException|InvalidTokenException|InvalidRequestException|InvalidParameterException|ThrottlingException|ServiceUnavailableException|InternalServerException)(?:: (?P<error>[^\n]+))?|EKS does not have permissions to assume the associated role";
    /// The same in the agent's own brackets, and in the AWS CLI's (by the source, not seen).
    POD_IDENTITY_NONE = "pod-identity-none", r"\(ResourceNotFoundException\)(?::? ?\x22?| when calling the AssumeRoleForPodIdentity operation: )No associations? found";
    /// Somebody asked the agent by another name than its addresses: a proxy, a Service, a name of one's own.
    AGENT_ADDRESS = "pod-identity-agent-address", r"Called agent through invalid address(?:, please use either \[?(?P<expected>[^\n\]]*?)\]? address not (?P<got>[^\s\x22\\]+))?";
    /// Somebody asked the agent without a token.
    AGENT_TOKEN = "pod-identity-agent-token", r"Service account token cannot be empty";
    /// The node may not ask EKS Auth for its Pods.
    POD_IDENTITY_NODE = "pod-identity-node-role", r"is not authorized to perform: eks-auth:AssumeRoleForPodIdentity";
    /// kiam's namespace policy.
    KIAM_NAMESPACE = "kiam-namespace-policy", r"namespace policy expression '(?P<expression>[^'\n]*)' forbids role '(?P<role>[^'\n]*)'";
    /// The same before kiam told the expression.
    KIAM_FORBIDDEN = "kiam-forbidden", r"(?:assume role forbidden|error processing request|error fetching credentials|error requesting credentials)[^\n]*forbidden by policy|^\s*forbidden by policy\s*$";
    /// The role asked for is not the one of the annotation, or there is none.
    KIAM_ROLE = "kiam-role", r"requested '(?P<got>[^'\n]*)' but annotated with '(?P<expected>[^'\n]*)', forbidden|KiamRoleForbidden|(?:assume role forbidden|error processing request|error fetching credentials)[^\n]*(?P<error>empty role|unable to find role)|(?:error finding role for pod|error checking assume role permissions)[^\n]*: rpc error: [^\n]*pod not found";
    /// kiam's agent and server do not speak to each other.
    KIAM_SERVER = "kiam-server", r"error creating server gateway: (?P<error>[^\n]+)|error dialing grpc server: (?P<dialled>[^\n]+)|rpc error: code = Unavailable desc = there is no address available|(?:kiam|gateway)[^\n]*rpc error: code = (?:Unavailable|DeadlineExceeded) desc = (?P<reason>[^\n]+)";
    /// kiam's certificates.
    KIAM_TLS = "kiam-tls", r"(?:kiam|grpc|transport|gateway)[^\n]*(?P<error>remote error: tls: bad certificate|x509: certificate[^\n]*)|[^\n]*kiam-server[^\n]*x509: (?P<reason>[^\n]+)";
    /// STS refuses kiam's server the role of a Pod.
    KIAM_TRUST = "kiam-sts-refused", r"(?:error requesting credentials|error warming credentials|KiamCredentialError|error fetching credentials)[^\n]*AccessDenied[^\n]*";
    /// kube2iam knows no role for this Pod.
    KUBE2IAM_ROLE = "kube2iam-role", r"unable to find role for IP (?P<address>\S+)|[Rr]ole requested (?P<requested>\S+) not (?:found|match)|Invalid role:? (?P<role>[^\n]*?)(?:does not match annotated role(?: (?P<annotated>\S+))?)|pod with specific(?:i)?ed IP not found";
    /// The same as the Pod is told it: alone, and of a name that is no ordinary word.
    KUBE2IAM_OTHER = "kube2iam-role-other", r"^\s*Invalid role (?P<role>[\w+=,.@:/-]*[-_/:@=\d][\w+=,.@:/-]*)\s*$";
    /// kube2iam's namespace does not list the role.
    KUBE2IAM_NAMESPACE = "kube2iam-namespace", r"[Rr]ole requested (?P<role>\S+) not valid for namespace of pod|Role: ?(?P<named>\S+) on namespace: ?(?P<namespace>\S+) not found";
    /// STS refuses the node the role of a Pod.
    KUBE2IAM_ASSUME = "kube2iam-assume", r"Error assuming role(?: (?P<error>[^\n]+))?";

    /// STS does not take the token, and does not say why: the provider's keys, or no token of that issuer at all.
    WEB_IDENTITY_INVALID = "sts-token-invalid", r"InvalidIdentityToken(?:Exception)?\)?[^\n]*The web identity token provided could not be validated";
    /// aws, which makes the token, does not reach STS.
    PLUGIN_STS = "plugin-sts-unreachable", r#"Could not connect to the endpoint URL: "(?P<url>https://sts\.[^"\s]+)""#;
    /// tsh has no login (by its source, not seen).
    LOGIN_NONE = "login-none", r"^\s*(?:ERROR|error): [Nn]ot logged in\.?\s*$";
    /// 401, as somebody shouts it.
    UNAUTHORIZED_LOUD = "unauthorized-loud", r"YOU MUST BE LOGGED IN TO THE SERVER";
}
