//! Words that name nobody, and so stay.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Ordinary words and words of Kubernetes, of identity providers and of kaccess itself, in lower case. A user, context or
/// role that is called so is not told apart by it, and a text in which they were replaced could not be read any more.
pub(super) static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     about above after again all an and another any are as asks at bad be been before begin behind bound but by can \
     cannot closed could did do does else empty end error every everybody everything expired failed false few file \
     first for foreign found from give given gone good has have here holds if in inside invalid is it its key known \
     last least left list long main many match may missing more most must my name names new no nobody none not \
     nothing of old on one only open or other others out over own part plain private public read request root rules \
     same seen set short signed some soon such that the their then there they this three to too true two under \
     unknown until up use used valid value was what when where which who whole will with within without work wrong \
     you your access account accounts address admin admins administrator agent alb anonymous api apis app application \
     apps audience auth authentication authorization authz aws azure balancer basic bearer binding bootstrap broker \
     cert certificate certs claim claims client clientcert cluster clusters config configmap configmaps connect \
     connection container containers context control controller create credential cronjob data database default \
     delete deployment deployments deny developer developers discovery dns docker edit editor eks email endpoint \
     engineer envoy etcd event exec extra flag forbidden front gateway gcp get github gitlab google group groups \
     guest header health home host http https iam id identity ingress internal issuer istio job jobs jwks jwt k8s \
     keycloak keys kube kubeconfig kubectl kubelet kubernetes load local localhost log login logs manager master \
     masters me member members metrics monitoring namespace namespaces network nginx node nodes oauth oauth2 object \
     oidc okta openid operator ops path permission plugin pod pods policy port profile proxy query reader realm \
     realms region registry resource resources role roles rule saml scope secret secrets security self server service \
     serviceaccount serviceaccounts services session source sso sts subject svc system target team test tests tls \
     token tokens type uid url user username users vault verb version view viewer volume watch web webhook workload \
     workloads www x509"
        .split_whitespace()
        .collect()
});

/// Names that Kubernetes, its distributions, identity providers and AWS give, whole.
pub(super) const NAMES: &[&str] = &[
    "cluster-admin",
    "cluster-admins",
    "cluster-info",
    "kubernetes-admin",
    "kubernetes-ca",
    "kube-apiserver",
    "kube-apiserver-kubelet-client",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-proxy",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "kube-api-access",
    "etcd-ca",
    "front-proxy-ca",
    "front-proxy-client",
    "amazon-cloudwatch",
    "aws-auth",
    "aws-node",
    "aws-iam-token",
    "eks-pod-identity-agent",
    "eks-pod-identity-token",
    "pod-identity-webhook",
    "kiam-agent",
    "kiam-server",
    "kiam-server-tls",
    "kube2iam",
    "kiam",
    "coredns",
    "extension-apiserver-authentication",
    "openid-configuration",
    "authorizationrequired",
    "unauthorized",
    "broker",
    "offline_access",
    "uma_authorization",
    "realm-management",
    "account-console",
    "security-admin-console",
    "admin-cli",
    "default-roles",
    "default-token",
    "acme co",
    "traefik default cert",
    "kubernetes ingress controller fake certificate",
];

/// What may stand behind `system:`.
pub(super) static SYSTEM: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     anonymous apiserver auth-delegator authenticated basic-user bootstrap bootstrappers certificates.k8s.io \
     cloud-provider controller coredns discovery heapster kube-aggregator kube-controller-manager kube-dns kube-proxy \
     kube-scheduler kubeadm kubelet-api-admin leader-locking legacy-unknown-approver masters metrics-server \
     monitoring node node-bootstrapper node-problem-detector node-proxier nodes persistent-volume-provisioner \
     public-info-viewer service-account-issuer-discovery serviceaccount serviceaccounts unauthenticated \
     volume-scheduler"
        .split_whitespace()
        .collect()
});

/// Ends of host names that belong to a provider and not to whoever uses it.
pub(super) const PROVIDERS: &[&str] = &[
    "amazonaws.com.cn",
    "amazonaws.com",
    "api.aws",
    "awsapps.com",
    "azmk8s.io",
    "azure.com",
    "azure.cn",
    "microsoftonline.com",
    "windows.net",
    "microsoft.com",
    "googleapis.com",
    "google.com",
    "gke.goog",
    "okta.com",
    "oktapreview.com",
    "auth0.com",
    "k8s.io",
    "kubernetes.io",
    "github.com",
    "githubusercontent.com",
    "gitlab.com",
    "quay.io",
    "docker.io",
    "ghcr.io",
    "letsencrypt.org",
    "digitalocean.com",
    "cert-manager.io",
    "istio.io",
];

/// Products that break TLS open, by the names of their authorities.
pub(super) const VENDORS: &[&str] = &[
    "avast",
    "avg web/mail shield",
    "barracuda",
    "bitdefender",
    "blue coat",
    "bluecoat",
    "cato networks",
    "charles proxy",
    "check point",
    "cisco umbrella",
    "eset ssl filter",
    "fiddler",
    "forcepoint",
    "fortigate",
    "fortinet",
    "goskope",
    "iboss",
    "kaspersky",
    "mcafee web gateway",
    "mitmproxy",
    "netskope",
    "palo alto networks",
    "portswigger",
    "skyhigh",
    "sophos",
    "squid",
    "websense",
    "zscaler",
];

/// Host names that say what made them, whole.
pub(super) const HOSTS: &[&str] = &["ingress.local", "host.docker.internal", "kubernetes.docker.internal"];

/// Labels of host names that say what a host is for.
pub(super) static LABELS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     api auth default login sso www ingress keycloak cluster local vault accounts actions amazonaws cn com compute \
     cloud console dkr ecr elb gr7 sk1 yl4 github githubusercontent graph invalid internal eks oidc privatelink sts \
     s3 storage svc traefik kubernetes localhost pods ec2 iam"
        .split_whitespace()
        .collect()
});

/// Last labels that are nobody's (RFC 2606, RFC 6761 and their like).
pub(super) const RESERVED: &[&str] =
    &["example", "internal", "invalid", "lan", "local", "localdomain", "localhost", "svc", "test", "arpa"];

/// Last labels by which a word with dots in a sentence is known as a host.
pub(super) static TOP: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     com net org io cloud dev app corp intranet example internal invalid lan local localdomain test eu de ch at fr uk \
     nl ai tech systems group bank"
        .split_whitespace()
        .collect()
});

/// Parts of paths that say nothing about who has them.
pub(super) static FOLDERS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     .aws .cache .config .kube .krew .local .well-known Library Users authn authorize bin certs cli common containers \
     controllers etc jwks.json kubelet.conf admin.conf lib lib64 libexec manifests oauth2 openid-configuration \
     openid-connect opt pki proc protocol run sbin share snap ssl store tmp usr v1 v1.0 v2 v2.0 var ca.crt ca.pem \
     containerLogs portForward attach stats flagz version openid dex adfs auth clusters readyz livez healthz review"
        .split_whitespace()
        .collect()
});

/// Programs that hand out credentials, and what they are run by.
pub(super) static PROGRAMS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     aws aws-iam-authenticator aws-vault az bash cmd doctl env gcloud gke-gcloud-auth-plugin granted ibmcloud kubectl \
     kubectl-oidc_login kubectl-oidc-login kubelogin oci okta-aws-cli pinniped powershell pwsh python python3 \
     saml2aws sh tsh vault"
        .split_whitespace()
        .collect()
});

/// Claims whose values are words of the protocol or times.
pub(super) static CLAIMS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     acr amr at_use auth_time date email_verified exp expires iat idtyp nbf region rat scope scp signedHeaders \
     token_use typ updated_at ver warnafter aio uti"
        .split_whitespace()
        .collect()
});

/// Other claims that specifications, identity providers, Kubernetes and AWS name, and words of the API server's complaints:
/// what is replaced is replaced in these too.
pub(super) static CLAIM_NAMES: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     _claim_names _claim_sources accessKeyId act address allowed-origins app_displayname appid appidacr at_hash aud audience azp \
     birthdate c_hash cid client_id clientAddress clientHost clientId cnf cognito:groups cognito:username connector_id \
     country deviceid email endpoint entitlements expected expiry family_name federated_claims formatted gender given_name group groups \
     hasgroups hd host id identities idp in_corp ip ipaddr iss jti kubernetes.io locale locality may_act memberOf \
     middle_name name namespace nickname node nonce oid onprem_sid orig_iat phone_number phone_number_verified picture pod \
     postal_code preferred_username profile pwd_exp pwd_url realm_access resource_access rh role roles s_hash secret \
     serviceaccount session_state sid signature src1 street_address sub tenant tid tokenId uid unique_name upn user_id username verify \
     verified_primary_email website wids xms_ftd xms_st xms_tcdt zoneinfo"
        .split_whitespace()
        .chain([
            "kubernetes.io/serviceaccount/namespace",
            "kubernetes.io/serviceaccount/secret.name",
            "kubernetes.io/serviceaccount/service-account.name",
            "kubernetes.io/serviceaccount/service-account.uid",
        ])
        .collect()
});

/// Keys of a user's extra that AWS' authenticators give.
pub(super) const EXTRA: &[&str] = &["accessKeyId", "arn", "canonicalArn", "principalId", "sessionName"];

/// What a `Server` header begins with that everybody knows.
pub(super) const SERVERS: &[&str] = &[
    "akamaighost",
    "akamainetstorage",
    "amazons3",
    "apache",
    "apache-coyote",
    "awselb",
    "azure-application-gateway",
    "bigip",
    "caddy",
    "cloudflare",
    "cloudfront",
    "envoy",
    "fortiweb",
    "google",
    "gse",
    "gunicorn",
    "gws",
    "haproxy",
    "istio-envoy",
    "jetty",
    "kong",
    "kestrel",
    "kubernetes",
    "microsoft-azure-application-gateway",
    "microsoft-httpapi",
    "microsoft-iis",
    "nginx",
    "openresty",
    "rancher",
    "scaffolding",
    "squid",
    "tengine",
    "traefik",
    "uvicorn",
    "varnish",
    "werkzeug",
    "zscaler",
];

/// Words of pages beside those of everyday: HTML's own, those of the statuses of HTTP, of logins and of what stands before
/// servers, and what stand-ins are made of.
pub(super) static PAGE: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    "\
     a action alt article aside b big blockquote body bold br br5 button center charset class code color content css \
     div doctype dd dl dt em equiv fieldset font footer form frame h1 h2 h3 h4 h5 h6 head height hidden hr href html i \
     iframe img initial input js label lang legend li link main meta nav noscript ol onload option p pre px rel robots \
     scale script section select small span src strong style stylesheet sub submit sup svg table tbody td text textarea th \
     thead title tr u ul utf viewport width xhtml xml xmlns \
     accepted allowed available blocked busy cannot connection contact cookie denied did disconnect error exceeded fields \
     found handle healthy headers healthy history internal it large later limit long longer many maintenance malformed \
     message method moved no not occurred page passed password permanently please port post reason rejected reload required requested \
     requests reset retried retry sent serve server service session sign single sorry ssl support temporarily timeout \
     timed try unavailable unauthorized unprocessable unsupported upstream url version wrong \
     akamai apache awselb bigip cloudflare cloudfront envoy haproxy istio kong nginx openresty rancher squid traefik \
     varnish zscaler authority binding example file folder id name number path prefix unit value word claim1"
        .split_whitespace()
        .collect()
});
