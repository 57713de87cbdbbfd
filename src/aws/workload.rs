//! Which AWS identity a Pod gets: the SDKs' usual order (variables, web identity, container credentials, metadata
//! service) over what was seen, and every link of the chain that stands behind it.

use std::net::IpAddr;

use super::link_id;
use super::trust::{self, Request, Respect, Verdict};
use crate::evidence::eks::Aws;
use crate::evidence::tls::TlsFaultKind;
use crate::evidence::workload::{Agent, AssociationDetails, Container, Role, RoleLook, Template, Workload};
pub use crate::evidence::workload::{flag, is_kept};
use crate::evidence::{FailureKind, Observation, Outcome};
use crate::text::{glob, pointer_part};

/// Annotation of a service account: the role by IRSA.
pub const IRSA: &str = "eks.amazonaws.com/role-arn";
/// Annotation of a Pod: the role by kiam or kube2iam.
pub const IAM_ROLE: &str = "iam.amazonaws.com/role";
/// Annotation of a Pod: the external id for kiam and kube2iam.
pub const EXTERNAL_ID: &str = "iam.amazonaws.com/external-id";
/// Annotation of a namespace: the roles that kiam may give there.
pub const KIAM_PERMITTED: &str = "iam.amazonaws.com/permitted";
/// Annotation of a namespace: the roles that kube2iam may give there.
pub const KUBE2IAM_ALLOWED: &str = "iam.amazonaws.com/allowed-roles";

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Stable id.
    pub id: &'static str,
    /// It holds, it does not, or that could not be looked at.
    pub ok: Option<bool>,
    /// What should be there.
    pub expected: String,
    /// What is there, or why it is not known.
    pub seen: String,
    /// Pointer to it in the evidence.
    pub at: String,
    /// The right that was missing.
    pub needs: Option<String>,
}

/// Where an AWS identity comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource {
    /// Access keys in the container's variables.
    StaticKeys,
    /// A role for the service account, by the cluster's OIDC issuer.
    Irsa,
    /// An association of EKS Pod Identity.
    PodIdentity,
    /// kiam's agent.
    Kiam,
    /// kube2iam.
    Kube2iam,
    /// The node's own role, from its metadata service.
    NodeRole,
    /// Nowhere: there is no identity.
    Nowhere,
    /// Not known.
    Unknown,
}

impl IdentitySource {
    /// As JSON spells it; the ids of its links begin so.
    pub fn word(self) -> &'static str {
        match self {
            Self::StaticKeys => "static-keys",
            Self::Irsa => "irsa",
            Self::PodIdentity => "pod-identity",
            Self::Kiam => "kiam",
            Self::Kube2iam => "kube2iam",
            Self::NodeRole => "node-role",
            Self::Nowhere => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// The annotations that kube2iam reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    /// Of a Pod: its role.
    pub role: &'a str,
    /// Of a Pod: its external id.
    pub external_id: &'a str,
    /// Of a namespace: the roles allowed there.
    pub allowed: &'a str,
}

/// What the containers get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Where it comes from.
    pub kind: IdentitySource,
    /// The role, where its ARN is known.
    pub role_arn: Option<String>,
    /// Why.
    pub why: String,
}

/// Everything that the rules and the report need.
#[derive(Debug, Clone)]
pub struct Judgement<'a> {
    /// What was seen.
    pub workload: &'a Workload,
    /// What AWS said of the cluster.
    pub aws: Option<&'a Aws>,
    /// What the containers get.
    pub effective: Effective,
    /// The ways that somebody intended: IRSA, Pod Identity, kiam, kube2iam.
    pub intended: Vec<IdentitySource>,
    /// Every link that was looked at.
    pub links: Vec<Link>,
}

/// A way to credentials, as the SDKs try them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Keys,
    WebIdentity,
    Container,
    Metadata,
    Disabled,
    /// From somewhere that is not read.
    Hidden(&'static str),
}

/// A switch of a command line: there, and not `=false`.
pub fn switch(args: &[String], name: &str) -> bool {
    args.iter().any(|arg| arg == name || arg.strip_prefix(name) == Some("=true"))
}

/// The value of a variable of a container, empty where it is there and its value is not known.
pub fn variable<'a>(container: &'a Container, name: &str) -> Option<&'a str> {
    let found = container.env.iter().rev().find(|variable| variable.name == name)?;
    match &found.value {
        // An empty value is as good as none to the SDKs.
        Some(value) if value.is_empty() => None,
        Some(value) => Some(value),
        None => Some(""),
    }
}

/// The container asks the Pod Identity agent, and not an endpoint of somebody's own.
fn asks_agent(container: &Container) -> bool {
    let address = variable(container, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    address.is_some_and(|address| address.contains("//169.254.170.23/") || address.contains("//[fd00:ec2::23]/"))
}

/// The account in an ARN.
pub fn account(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// The partition in an ARN.
pub fn partition(arn: &str) -> &str {
    arn.split(':').nth(1).filter(|part| !part.is_empty()).unwrap_or("aws")
}

/// The text is the ARN of a role.
pub fn is_role_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    parts.len() == 6
        && parts[0] == "arn"
        && parts[1].starts_with("aws")
        && parts[2] == "iam"
        && parts[3].is_empty()
        && parts[4].len() == 12
        && parts[4].bytes().all(|byte| byte.is_ascii_digit())
        && parts[5].strip_prefix("role/").is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&byte))
        })
}

/// Why an observation shows nothing, in words, and the right that was missing.
fn unseen<T>(observation: &Observation<T>) -> (String, Option<String>) {
    match &observation.outcome {
        Outcome::Seen(_) => (String::new(), None),
        Outcome::Failed(failure) => (failure.detail.clone(), failure.needs.clone()),
        Outcome::Skipped(skip) => (skip.text.clone(), skip.needs.clone()),
        Outcome::NotApplicable(reason) => (reason.clone(), None),
    }
}

/// It was looked for and is not there.
pub fn absent<T>(observation: &Observation<T>) -> bool {
    observation.failed().is_some_and(|failure| failure.kind == FailureKind::NotFound)
}

impl<'a> Judgement<'a> {
    /// Judges what was seen.
    pub fn new(workload: &'a Workload, aws: Option<&'a Aws>) -> Self {
        let effective = Effective { kind: IdentitySource::Unknown, role_arn: None, why: String::new() };
        let mut judged = Self { workload, aws, effective, intended: Vec::new(), links: Vec::new() };
        judged.look();
        judged
    }

    /// What the containers run as: the Pod's own words, else its owner's template; with the pointer to it.
    pub fn template(&self) -> Option<(&'a Template, &'static str)> {
        if let Some(pod) = self.workload.pod.seen() {
            return Some((&pod.template, "/workload/pod/seen/template"));
        }
        self.workload.owner.seen().map(|owner| (&owner.template, "/workload/owner/seen/template"))
    }

    /// The containers that are not init containers, with the pointer to each.
    pub fn containers(&self) -> Vec<(&'a Container, String)> {
        let Some((template, at)) = self.template() else { return Vec::new() };
        let all = template.containers.iter().enumerate().filter(|(_, container)| !container.init);
        all.map(|(index, container)| (container, format!("{at}/containers/{index}"))).collect()
    }

    /// Namespace and service account.
    pub fn account_name(&self) -> (&'a str, &'a str) {
        let named = self.template().map(|(template, _)| template.service_account.as_str());
        let named = named.or_else(|| self.workload.service_account.seen().map(|account| account.name.as_str()));
        let target = &self.workload.target;
        let own = (target.kind == "ServiceAccount").then_some(target.name.as_str());
        (&target.namespace, named.or(own).unwrap_or("default"))
    }

    /// The subject of the service account's tokens.
    pub fn subject(&self) -> String {
        let (namespace, name) = self.account_name();
        format!("system:serviceaccount:{namespace}:{name}")
    }

    /// The service account's role by IRSA.
    pub fn annotated(&self) -> Option<&'a str> {
        let account = self.workload.service_account.seen()?;
        // The webhook takes it as it stands, blanks and all.
        account.annotations.get(IRSA).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// The Pod's role by kiam or kube2iam.
    pub fn iam_role(&self) -> Option<&'a str> {
        self.annotation(self.role_key())
    }

    /// An annotation of the Pod, where it is there and says something.
    fn annotation(&self, key: &str) -> Option<&'a str> {
        let (template, _) = self.template()?;
        template.annotations.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The annotation of a Pod by which whoever answers it knows its role.
    pub fn role_key(&self) -> &'a str {
        if self.by_kube2iam() { self.kube2iam_keys().role } else { IAM_ROLE }
    }

    /// The Pod's external id for kiam or kube2iam.
    pub fn external_id(&self) -> Option<&'a str> {
        let key = if self.by_kube2iam() { self.kube2iam_keys().external_id } else { EXTERNAL_ID };
        self.template()?.0.annotations.get(key).map(String::as_str)
    }

    /// It is kube2iam whose annotations count: it answers the Pod, or nobody of kiam runs.
    fn by_kube2iam(&self) -> bool {
        match self.caught_by() {
            Some(agent) => agent == "kube2iam",
            None => self.agent("kiam-agent").is_none() && self.agent("kiam-server").is_none(),
        }
    }

    /// The annotations that kube2iam reads: its flags may name others than the usual ones.
    pub fn kube2iam_keys(&self) -> Keys<'a> {
        let args = self.agent("kube2iam").map(|(agent, _)| agent.args.as_slice()).unwrap_or_default();
        let key = |name: &str, usual: &'static str| flag(args, name).filter(|key| !key.is_empty()).unwrap_or(usual);
        Keys {
            role: key("--iam-role-key", IAM_ROLE),
            external_id: key("--iam-external-id", EXTERNAL_ID),
            allowed: key("--namespace-key", KUBE2IAM_ALLOWED),
        }
    }

    /// kube2iam reads the Pod's role from an annotation that kaccess keeps of no object.
    fn unread_role(&self) -> Option<&'a str> {
        let key = self.kube2iam_keys().role;
        (self.agent("kube2iam").is_some() && self.template().is_some() && !is_kept(key)).then_some(key)
    }

    /// The association of the service account.
    pub fn association(&self) -> Option<&'a AssociationDetails> {
        self.workload.associations.seen()?.ours.as_ref()?.details.seen()
    }

    /// The issuer of the cluster's tokens with the pointer to it.
    pub fn issuer(&self) -> Option<(&'a str, &'static str)> {
        if let Some(issuer) = self.aws.and_then(|aws| aws.cluster.seen()?.own_issuer.as_deref()) {
            return Some((issuer, "/aws/cluster/seen/ownIssuer"));
        }
        self.workload.issuer.seen().map(|issuer| (issuer.issuer.as_str(), "/workload/issuer/seen/issuer"))
    }

    /// The ARN that the cluster's provider has (or should have) in the account of a role.
    pub fn provider_arn(&self, role_arn: &str) -> Option<String> {
        let (issuer, _) = self.issuer()?;
        let name = trust::issuer_name(issuer);
        Some(format!("arn:{}:iam::{}:oidc-provider/{name}", partition(role_arn), account(role_arn)))
    }

    /// The cluster's account.
    pub fn own_account(&self) -> Option<&'a str> {
        let cluster = self.aws.and_then(|aws| aws.cluster.seen()).map(|cluster| account(&cluster.arn));
        let cluster = cluster.filter(|account| !account.is_empty());
        cluster.or_else(|| self.aws.and_then(|aws| aws.caller.seen()).map(|caller| caller.account.as_str()))
    }

    /// The partition that the cluster is in (`aws`, `aws-cn`, `aws-us-gov`), by its ARN or else by the caller's.
    pub fn own_partition(&self) -> &'a str {
        let cluster = self.aws.and_then(|aws| aws.cluster.seen()).map(|cluster| cluster.arn.as_str());
        let caller = self.aws.and_then(|aws| aws.caller.seen()).map(|caller| caller.arn.as_str());
        [cluster, caller].into_iter().flatten().find(|arn| arn.starts_with("arn:")).map_or("aws", partition)
    }

    /// The cluster's name and ARN, empty where they are not known.
    pub fn cluster(&self) -> (&'a str, &'a str) {
        let seen = self.aws.and_then(|aws| aws.cluster.seen());
        if let Some(cluster) = seen {
            return (&cluster.name, &cluster.arn);
        }
        let target = self.aws.and_then(|aws| aws.target.seen()).map_or("", |target| target.cluster.as_str());
        (target, "")
    }

    /// What was looked up of a role, with the pointer to it.
    pub fn role_look(&self, named: &str) -> Option<(&'a RoleLook, String)> {
        let index = self.workload.roles.iter().position(|look| look.named == named)?;
        Some((&self.workload.roles[index], format!("/workload/roles/{index}/role")))
    }

    /// A role as IAM has it.
    pub fn role(&self, named: &str) -> Option<&'a Role> {
        self.role_look(named)?.0.role.seen()
    }

    /// An agent by its role, with the pointer to it.
    pub fn agent(&self, role: &str) -> Option<(&'a Agent, String)> {
        let agents = self.workload.agents.seen()?;
        let index = agents.iter().position(|agent| agent.role == role)?;
        Some((&agents[index], format!("/workload/agents/seen/{index}")))
    }

    /// The link of this id, where it does not hold.
    pub fn broken(&self, id: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.id == id && link.ok == Some(false))
    }

    /// The Pod has the variables of this way in some container.
    pub fn has(&self, name: &str) -> bool {
        self.containers().iter().any(|(container, _)| variable(container, name).is_some())
    }

    fn push(
        &mut self,
        id: &'static str,
        ok: bool,
        expected: impl Into<String>,
        seen: impl Into<String>,
        at: impl Into<String>,
    ) {
        self.links.push(Link {
            id,
            ok: Some(ok),
            expected: expected.into(),
            seen: seen.into(),
            at: at.into(),
            needs: None,
        });
    }

    fn unknown(
        &mut self,
        id: &'static str,
        expected: impl Into<String>,
        why: (String, Option<String>),
        at: impl Into<String>,
    ) {
        let (seen, needs) = why;
        self.links.push(Link { id, ok: None, expected: expected.into(), seen, at: at.into(), needs });
    }

    fn look(&mut self) {
        let workload = self.workload;
        let (namespace, name) = self.account_name();
        let expected = format!("service account {namespace}/{name}");
        match &workload.service_account.outcome {
            Outcome::Seen(_) => {
                self.push(link_id::SERVICE_ACCOUNT, true, expected, "there", "/workload/serviceAccount")
            }
            _ if absent(&workload.service_account) => {
                self.push(
                    link_id::SERVICE_ACCOUNT,
                    false,
                    expected,
                    "it does not exist",
                    "/workload/serviceAccount/failed",
                );
            }
            _ => self.unknown(
                link_id::SERVICE_ACCOUNT,
                expected,
                unseen(&workload.service_account),
                "/workload/serviceAccount",
            ),
        }
        let associated = workload.associations.seen().is_some_and(|all| all.ours.is_some());
        let injected_irsa = self.has("AWS_WEB_IDENTITY_TOKEN_FILE");
        let injected_container = self.containers().iter().any(|(container, _)| asks_agent(container));
        if associated || injected_container {
            self.intended.push(IdentitySource::PodIdentity);
            self.pod_identity();
        }
        if self.annotated().is_some() || injected_irsa {
            self.intended.push(IdentitySource::Irsa);
        }
        // With an association the webhook injects nothing of IRSA: its chain stands behind no Pod made since.
        if injected_irsa || (self.annotated().is_some() && !associated) {
            self.irsa(associated);
        }
        let of_kiam = self.agent("kiam-agent").is_some() || self.agent("kiam-server").is_some();
        if let Some(role) = self.annotation(IAM_ROLE).filter(|_| of_kiam) {
            self.intended.push(IdentitySource::Kiam);
            // What its server would do is no matter where no agent passes the Pod's requests on.
            if !self.out_of_reach("kiam-agent", link_id::KIAM_AGENT) {
                self.kiam(role);
            }
        }
        if self.agent("kube2iam").is_some() {
            let key = self.kube2iam_keys().role;
            if let Some(role) = self.annotation(key) {
                self.intended.push(IdentitySource::Kube2iam);
                if !self.out_of_reach("kube2iam", link_id::KUBE2IAM_AGENT) {
                    self.kube2iam(role);
                }
            } else if self.unread_role().is_some() && self.passed_by("kube2iam").is_none() {
                let why = (format!("kube2iam reads the annotation {key}, which kaccess does not"), None);
                self.unknown(
                    link_id::KUBE2IAM_ROLE_NAME,
                    "a role that kube2iam can resolve",
                    why,
                    "/workload/agents/seen",
                );
            }
        }
        if let Some(role) = self.iam_role()
            && self.workload.agents.seen().is_some_and(Vec::is_empty)
        {
            self.push(
                "metadata-agent",
                false,
                format!("kiam or kube2iam, to give {role}"),
                "neither runs in this cluster",
                "/workload/agents",
            );
        }
        self.metadata();
        self.effective = self.effect();
    }

    /// The role that IRSA means: the one in the Pod, else the annotated one.
    pub fn irsa_role(&self) -> Option<&'a str> {
        let containers = self.containers();
        let in_pod = containers.iter().find_map(|(container, _)| {
            variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE")?;
            variable(container, "AWS_ROLE_ARN").filter(|value| !value.is_empty())
        });
        in_pod.or_else(|| self.annotated())
    }

    /// The audience of the token that a container would show STS, with the pointer to it.
    pub fn token_audience(&self) -> Option<(String, String)> {
        for (container, _) in self.containers() {
            let Some(file) = variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE").filter(|file| !file.is_empty()) else {
                continue;
            };
            let under =
                |path: &String| file.strip_prefix(path.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
            let Some((rest, volume)) = container.mounts.iter().find_map(|(path, volume)| Some((under(path)?, volume)))
            else {
                continue;
            };
            let (template, at) = self.template()?;
            let index = template.volumes.iter().position(|one| one.name == *volume)?;
            let token = template.volumes[index].tokens.iter().position(|token| token.path == rest)?;
            let audience = template.volumes[index].tokens[token].audience.clone();
            // Without one, the token is for the API server itself, whose audience is the issuer.
            let audience =
                audience.unwrap_or_else(|| self.issuer().map_or_else(String::new, |(issuer, _)| issuer.to_owned()));
            return Some((audience, format!("{at}/volumes/{index}/tokens/{token}")));
        }
        let account = self.workload.service_account.seen()?;
        let pointer = "/workload/serviceAccount/seen/annotations".to_owned();
        Some(match account.annotations.get("eks.amazonaws.com/audience") {
            Some(audience) => (audience.clone(), format!("{pointer}/eks.amazonaws.com~1audience")),
            None => ("sts.amazonaws.com".to_owned(), pointer),
        })
    }

    fn irsa(&mut self, associated: bool) {
        let workload = self.workload;
        let annotations = "/workload/serviceAccount/seen/annotations";
        let at_annotation = format!("{annotations}/{}", pointer_part(IRSA));
        match (self.annotated(), &workload.service_account.outcome) {
            (Some(role), _) if is_role_arn(role) => {
                self.push(
                    link_id::IRSA_ANNOTATION,
                    true,
                    format!("{IRSA} on the service account"),
                    role,
                    at_annotation.clone(),
                );
            }
            (Some(role), _) => {
                self.push(
                    link_id::IRSA_ANNOTATION,
                    false,
                    "the ARN of a role",
                    format!("{role:?}"),
                    at_annotation.clone(),
                );
            }
            (None, Outcome::Seen(_)) => {
                self.push(
                    link_id::IRSA_ANNOTATION,
                    false,
                    format!("{IRSA} on the service account"),
                    "no such annotation",
                    annotations,
                );
            }
            (None, _) => {
                let why = unseen(&workload.service_account);
                self.unknown(
                    link_id::IRSA_ANNOTATION,
                    format!("{IRSA} on the service account"),
                    why,
                    "/workload/serviceAccount",
                );
            }
        }
        if workload.pod.seen().is_some() && !associated {
            let expected = self.annotated().map_or_else(String::new, |role| format!("AWS_ROLE_ARN={role}"));
            let skip =
                self.template().and_then(|(template, _)| template.annotations.get("eks.amazonaws.com/skip-containers"));
            let skipped = |name: &str| skip.is_some_and(|list| list.split(',').any(|one| one.trim() == name));
            let mut fault = None;
            let mut without: Vec<&str> = Vec::new();
            let mut given = false;
            for (container, at) in self.containers() {
                if skipped(&container.name) {
                    continue;
                }
                let role = variable(container, "AWS_ROLE_ARN");
                let seen = match (role, variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE")) {
                    (Some(role), Some(_))
                        if !role.is_empty() && self.annotated().is_some_and(|wanted| wanted != role) =>
                    {
                        // A role of another time goes before all: it is what the container gets.
                        fault = Some((format!("container {} has AWS_ROLE_ARN={role}", container.name), at));
                        break;
                    }
                    (Some(_), Some(_)) => {
                        given = true;
                        continue;
                    }
                    (None, None) => {
                        format!("container {} has neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE", container.name)
                    }
                    (None, Some(_)) => format!("container {} has no AWS_ROLE_ARN", container.name),
                    (Some(_), None) => format!("container {} has no AWS_WEB_IDENTITY_TOKEN_FILE", container.name),
                };
                without.push(&container.name);
                fault = fault.or(Some((seen, at)));
            }
            match fault {
                // A sidecar that another webhook added later has none, and needs none.
                Some((seen, at)) if !given => self.push(link_id::IRSA_INJECTION, false, expected, seen, at),
                _ => {
                    let seen = if without.is_empty() {
                        "injected".to_owned()
                    } else {
                        format!("injected, except into {}", without.join(", "))
                    };
                    self.push(link_id::IRSA_INJECTION, true, expected, seen, "/workload/pod/seen/template/containers");
                }
            }
        }
        let Some(role) = self.irsa_role().filter(|role| is_role_arn(role)) else { return };
        let audience = self.token_audience();
        self.provider(role, audience.as_ref());
        self.issuer_link();
        // IAM's GetRole takes the name alone; STS looks for the whole ARN, path included.
        if let Some((look, at)) = self.role_look(role)
            && let Some(found) = look.role.seen()
            && !found.arn.eq_ignore_ascii_case(role)
        {
            return self.push(link_id::IRSA_ROLE, false, role, found.arn.clone(), format!("{at}/seen/arn"));
        }
        let Some(policy) = self.role_link(link_id::IRSA_ROLE, role) else {
            if self.role_look(role).is_some_and(|(look, _)| !absent(&look.role)) {
                let why = self.role_look(role).map(|(look, _)| unseen(&look.role)).unwrap_or_default();
                self.unknown(
                    link_id::IRSA_TRUST,
                    "a trust policy that lets the service account in",
                    why,
                    self.role_at(role),
                );
            }
            return;
        };
        let at = format!("{}/seen/trustPolicy", self.role_at(role));
        let (Some((issuer, _)), Some(provider)) = (self.issuer(), self.provider_arn(role)) else {
            let why = unseen(&workload.issuer);
            self.unknown(link_id::IRSA_TRUST, "a trust policy that lets the service account in", why, at);
            return;
        };
        let (subject, audience) = (self.subject(), audience.map(|(audience, _)| audience).unwrap_or_default());
        let verdict =
            trust::judge(policy, &Request::web_identity(&provider, &trust::issuer_name(issuer), &subject, &audience));
        let expected = format!("sts:AssumeRoleWithWebIdentity for {subject}, audience {audience}, from {provider}");
        match &verdict {
            Verdict::Allowed(index) => self.push(
                link_id::IRSA_TRUST,
                true,
                expected,
                format!("statement {} of the trust policy allows it", index + 1),
                at,
            ),
            Verdict::NotAllowed(misses) => {
                let respects = [
                    (Respect::Provider, link_id::IRSA_TRUST_PROVIDER),
                    (Respect::Subject, link_id::IRSA_TRUST_SUBJECT),
                    (Respect::Audience, link_id::IRSA_TRUST_AUDIENCE),
                ];
                let mut told = false;
                for (respect, id) in respects {
                    if let Some(miss) = misses.iter().find(|miss| miss.respect == respect) {
                        // Where the provider differs, its keys do too: one fault, not three.
                        if !told || respect != Respect::Provider {
                            self.push(id, false, miss.seen.clone(), miss.expected.clone(), at.clone());
                        }
                        told = true;
                        if respect == Respect::Provider {
                            break;
                        }
                    }
                }
                if !told {
                    let said: Vec<String> = misses
                        .iter()
                        .map(|miss| match miss.respect {
                            Respect::Condition if miss.seen == "absent" => {
                                format!("{}, which the request of a web identity never has", miss.expected)
                            }
                            _ => miss.expected.clone(),
                        })
                        .collect();
                    let seen =
                        if said.is_empty() { "no statement allows anything".to_owned() } else { said.join(" and ") };
                    // Without any statement for web identities, the provider is what is missing.
                    let id = if misses.iter().all(|miss| miss.respect == Respect::Action) {
                        link_id::IRSA_TRUST_PROVIDER
                    } else {
                        link_id::IRSA_TRUST_CONDITION
                    };
                    self.push(id, false, expected, seen, at);
                }
            }
            Verdict::Denied(index) => self.push(
                link_id::IRSA_TRUST,
                false,
                expected,
                format!("statement {} of the trust policy denies it", index + 1),
                at,
            ),
            Verdict::Undecided(reasons) => {
                let why = format!("it depends on {}", reasons.join(", "));
                self.unknown(link_id::IRSA_TRUST, expected, (why, None), at);
            }
            Verdict::Malformed(reason) => self.push(link_id::IRSA_TRUST, false, expected, reason.clone(), at),
        }
    }

    /// The OIDC provider in the role's account.
    fn provider(&mut self, role: &str, audience: Option<&(String, String)>) {
        let workload = self.workload;
        let Some(expected) = self.provider_arn(role) else {
            self.unknown(
                link_id::IRSA_PROVIDER,
                "an IAM OIDC provider of this cluster",
                unseen(&workload.issuer),
                "/workload/issuer",
            );
            return;
        };
        let Some(providers) = workload.providers.seen() else {
            self.unknown(link_id::IRSA_PROVIDER, expected, unseen(&workload.providers), "/workload/providers");
            return;
        };
        if providers.account != account(role) {
            let why = format!("the role's account is {}, and kaccess asks as {}", account(role), providers.account);
            let needs = format!("iam:ListOpenIDConnectProviders in account {}", account(role));
            self.unknown(link_id::IRSA_PROVIDER, expected, (why, Some(needs)), "/workload/providers/seen/account");
            return;
        }
        match &providers.ours {
            Some(ours) => {
                self.push(link_id::IRSA_PROVIDER, true, expected, ours.arn.clone(), "/workload/providers/seen/ours");
                if let Some((audience, at)) = audience {
                    let ok = ours.client_ids.iter().any(|id| id == audience);
                    let seen = format!("the token's audience is {audience:?}");
                    self.push(
                        link_id::IRSA_TOKEN_AUDIENCE,
                        ok,
                        format!("an audience of the provider: {}", ours.client_ids.join(", ")),
                        seen,
                        at.clone(),
                    );
                }
            }
            None => match &providers.unread {
                Some(failure) => {
                    self.push(
                        link_id::IRSA_PROVIDER,
                        true,
                        expected.clone(),
                        "there",
                        "/workload/providers/seen/unread",
                    );
                    let why = (failure.detail.clone(), failure.needs.clone());
                    self.unknown(
                        link_id::IRSA_TOKEN_AUDIENCE,
                        "an audience of the provider",
                        why,
                        "/workload/providers/seen/unread",
                    );
                }
                None => {
                    let seen = format!("none of the {} providers of the account is it", providers.total);
                    self.push(link_id::IRSA_PROVIDER, false, expected, seen, "/workload/providers/seen");
                }
            },
        }
    }

    /// Whether STS could read the issuer, as far as that can be seen from here.
    fn issuer_link(&mut self) {
        let reading = &self.workload.issuer_reading;
        let Some((issuer, _)) = self.issuer() else { return };
        // EKS's own issuers are AWS's affair; what can be read from here says nothing of STS.
        let amazon = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
        if url_host(issuer).is_some_and(|host| amazon.iter().any(|end| host.ends_with(end))) {
            return;
        }
        let expected = format!("{issuer} serves its discovery document to everybody");
        match &reading.outcome {
            Outcome::Seen(read) if read.status == 200 && read.issuer.as_deref() == Some(issuer) => {
                self.push(
                    link_id::IRSA_ISSUER,
                    true,
                    expected,
                    "it is served, with status 200",
                    "/workload/issuerReading/seen",
                );
            }
            Outcome::Seen(read) => {
                let seen = match &read.issuer {
                    Some(other) if read.status == 200 => format!("its document names the issuer {other}"),
                    _ => format!("HTTP {} at {}", read.status, read.url),
                };
                self.push(link_id::IRSA_ISSUER, false, expected, seen, "/workload/issuerReading/seen");
            }
            Outcome::Failed(failure) if failure.needs.is_none() => {
                self.push(
                    link_id::IRSA_ISSUER,
                    false,
                    expected,
                    failure.detail.clone(),
                    "/workload/issuerReading/failed",
                );
            }
            _ => {
                let why = unseen(reading);
                self.unknown(link_id::IRSA_ISSUER, expected, why, "/workload/issuerReading");
            }
        }
    }

    /// The pointer to a role's look.
    pub fn role_at(&self, named: &str) -> String {
        self.role_look(named).map_or_else(|| "/workload/roles".to_owned(), |(_, at)| at)
    }

    /// The link "the role exists", and its trust policy.
    fn role_link(&mut self, id: &'static str, named: &str) -> Option<&'a str> {
        let Some((look, at)) = self.role_look(named) else {
            self.unknown(id, named, ("it was not looked up".to_owned(), None), "/workload/roles");
            return None;
        };
        match &look.role.outcome {
            Outcome::Seen(role) => {
                self.push(id, true, named, role.arn.clone(), format!("{at}/seen/arn"));
                Some(&role.trust_policy)
            }
            _ if absent(&look.role) => {
                self.push(id, false, named, "IAM has no role of that name", format!("{at}/failed"));
                None
            }
            _ => {
                self.unknown(id, named, unseen(&look.role), at);
                None
            }
        }
    }

    fn pod_identity(&mut self) {
        let workload = self.workload;
        let (namespace, name) = self.account_name();
        let expected = format!("an association of {namespace}/{name}");
        match workload.associations.seen() {
            Some(all) => match &all.ours {
                Some(ours) => {
                    let seen = ours.details.seen().map_or_else(|| ours.id.clone(), |details| details.role_arn.clone());
                    self.push(
                        link_id::POD_IDENTITY_ASSOCIATION,
                        true,
                        expected,
                        seen,
                        "/workload/associations/seen/ours",
                    );
                }
                None => {
                    self.push(
                        link_id::POD_IDENTITY_ASSOCIATION,
                        false,
                        expected,
                        "there is none",
                        "/workload/associations/seen",
                    );
                }
            },
            None => self.unknown(
                link_id::POD_IDENTITY_ASSOCIATION,
                expected,
                unseen(&workload.associations),
                "/workload/associations",
            ),
        }
        if workload.pod.seen().is_some() {
            let expected = "AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
            let lacks = |container: &Container| {
                variable(container, "AWS_CONTAINER_CREDENTIALS_FULL_URI").is_none()
                    || variable(container, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").is_none()
            };
            let containers = self.containers();
            let lacking: Vec<&(&Container, String)> = containers.iter().filter(|(one, _)| lacks(one)).collect();
            match lacking.first() {
                Some((container, at)) if lacking.len() == containers.len() => {
                    let seen = format!("container {} lacks them", container.name);
                    self.push(link_id::POD_IDENTITY_INJECTION, false, expected, seen, at.clone());
                }
                // A sidecar that another webhook added later has none, and needs none.
                _ => {
                    let except: Vec<&str> = lacking.iter().map(|(container, _)| container.name.as_str()).collect();
                    let seen = if except.is_empty() {
                        "injected".to_owned()
                    } else {
                        format!("injected, except into {}", except.join(", "))
                    };
                    let at = "/workload/pod/seen/template/containers";
                    self.push(link_id::POD_IDENTITY_INJECTION, true, expected, seen, at);
                }
            }
        }
        self.pod_identity_agent();
        self.pod_identity_proxy();
        let Some(details) = self.association() else { return };
        let Some(policy) = self.role_link(link_id::POD_IDENTITY_ROLE, &details.role_arn) else { return };
        let (cluster, arn) = self.cluster();
        let tags = !details.session_tags_disabled;
        let verdicts = trust::judge_pod_identity(policy, arn, cluster, namespace, name, tags);
        let at = format!("{}/seen/trustPolicy", self.role_at(&details.role_arn));
        let expected = "sts:AssumeRole and sts:TagSession for pods.eks.amazonaws.com";
        let faults: Vec<String> = ["sts:AssumeRole", "sts:TagSession"]
            .iter()
            .zip(&verdicts)
            .filter(|(_, verdict)| verdict.ok() == Some(false))
            .map(|(action, verdict)| match verdict {
                Verdict::Denied(index) => format!("statement {} of the trust policy denies {action}", index + 1),
                _ => format!("{action} is not allowed"),
            })
            .collect();
        if !faults.is_empty() {
            self.push(link_id::POD_IDENTITY_TRUST, false, expected, faults.join(", "), at);
        } else if verdicts.iter().all(|verdict| verdict.ok() == Some(true)) {
            self.push(link_id::POD_IDENTITY_TRUST, true, expected, "allowed", at);
        } else {
            let why = verdicts.iter().find_map(|verdict| match verdict {
                Verdict::Undecided(reasons) => Some(format!("it depends on {}", reasons.join(", "))),
                _ => None,
            });
            self.unknown(link_id::POD_IDENTITY_TRUST, expected, (why.unwrap_or_default(), None), at);
        }
        if let Some(target) = &details.target_role_arn
            && let Some(policy) = self.role_link(link_id::POD_IDENTITY_TARGET_ROLE, target)
        {
            let at = format!("{}/seen/trustPolicy", self.role_at(target));
            let id = details.external_id.as_deref();
            let expected = format!(
                "sts:AssumeRole for {}{}",
                details.role_arn,
                id.map(|id| format!(" with the external id {id}")).unwrap_or_default()
            );
            self.assume(link_id::POD_IDENTITY_TARGET_TRUST, policy, &details.role_arn, id, expected, at);
        }
    }

    /// The link "this role may assume that one".
    fn assume(
        &mut self,
        id: &'static str,
        policy: &str,
        role: &str,
        external_id: Option<&str>,
        expected: String,
        at: String,
    ) {
        match trust::judge_role(policy, role, external_id) {
            Verdict::Allowed(index) => {
                self.push(id, true, expected, format!("statement {} of the trust policy allows it", index + 1), at);
            }
            Verdict::Denied(index) => {
                self.push(id, false, expected, format!("statement {} of the trust policy denies it", index + 1), at);
            }
            Verdict::NotAllowed(misses) => {
                let said: Vec<String> = misses.iter().map(|miss| miss.expected.clone()).collect();
                let seen = if said.is_empty() {
                    "no statement allows anything".to_owned()
                } else {
                    format!("only {}", said.join(" and "))
                };
                self.push(id, false, expected, seen, at);
            }
            Verdict::Undecided(reasons) => {
                self.unknown(id, expected, (format!("it depends on {}", reasons.join(", ")), None), at);
            }
            Verdict::Malformed(reason) => self.push(id, false, expected, reason, at),
        }
    }

    fn pod_identity_agent(&mut self) {
        let workload = self.workload;
        let expected = "eks-pod-identity-agent runs on the Pod's node";
        if let Some(kind) = workload.node.seen().and_then(|node| node.compute_type.as_deref()) {
            if kind == "auto" {
                self.push(
                    link_id::POD_IDENTITY_AGENT,
                    true,
                    expected,
                    "EKS Auto Mode has it built in",
                    "/workload/node/seen/computeType",
                );
                return;
            }
            if kind == "fargate" {
                self.push(
                    link_id::POD_IDENTITY_AGENT,
                    false,
                    expected,
                    "Fargate has no Pod Identity",
                    "/workload/node/seen/computeType",
                );
                return;
            }
        }
        let on_node =
            workload.node_agents.seen().map(|pods| pods.iter().position(|pod| pod.role == "eks-pod-identity-agent"));
        match (self.agent("eks-pod-identity-agent"), on_node, workload.agents.seen()) {
            (_, Some(Some(index)), _) => {
                let pod = &workload.node_agents.seen().map(Vec::as_slice).unwrap_or_default()[index];
                let at = format!("/workload/nodeAgents/seen/{index}");
                self.push(
                    link_id::POD_IDENTITY_AGENT,
                    true,
                    expected,
                    format!("{}/{}", pod.namespace, pod.name),
                    at.clone(),
                );
                let seen = if pod.ready { "ready" } else { "not ready" };
                self.push(
                    link_id::POD_IDENTITY_AGENT_READY,
                    pod.ready,
                    "its Pod is ready",
                    format!("{} is {seen}", pod.name),
                    format!("{at}/ready"),
                );
            }
            (Some((agent, _)), Some(None), _) => {
                let seen = format!("DaemonSet {}/{} has no Pod there", agent.namespace, agent.name);
                self.push(link_id::POD_IDENTITY_AGENT, false, expected, seen, "/workload/nodeAgents/seen");
            }
            (Some((agent, at)), None, _) => {
                let seen =
                    format!("DaemonSet {}/{}: {} of {} ready", agent.namespace, agent.name, agent.ready, agent.desired);
                if agent.desired > 0 && agent.ready == 0 {
                    self.push(link_id::POD_IDENTITY_AGENT_READY, false, expected, seen, format!("{at}/ready"));
                } else if agent.ready == agent.desired && agent.desired > 0 {
                    self.push(link_id::POD_IDENTITY_AGENT, true, expected, seen, at);
                } else {
                    self.unknown(link_id::POD_IDENTITY_AGENT, expected, (seen, None), at);
                }
            }
            (None, _, Some(_)) => {
                let seen =
                    if absent(&workload.addon) { "no such DaemonSet, and no such add-on" } else { "no such DaemonSet" };
                self.push(link_id::POD_IDENTITY_AGENT, false, expected, seen, "/workload/agents/seen");
            }
            (None, _, None) => match workload.addon.seen() {
                Some(addon) if addon.status == "ACTIVE" => {
                    self.push(
                        link_id::POD_IDENTITY_AGENT,
                        true,
                        expected,
                        format!("the add-on {} is active", addon.version),
                        "/workload/addon/seen/status",
                    );
                }
                _ => self.unknown(link_id::POD_IDENTITY_AGENT, expected, unseen(&workload.agents), "/workload/agents"),
            },
        }
    }

    /// A proxy that is not told to leave the agent's address alone.
    fn pod_identity_proxy(&mut self) {
        for (container, at) in self.containers() {
            let asked = variable(container, "AWS_CONTAINER_CREDENTIALS_FULL_URI").and_then(url_host);
            let agent: IpAddr = asked.and_then(|host| host.parse().ok()).unwrap_or(IpAddr::from([169, 254, 170, 23]));
            let value = |upper: &str, lower: &str| variable(container, upper).or_else(|| variable(container, lower));
            if value("HTTP_PROXY", "http_proxy").is_none() {
                continue;
            }
            let except = value("NO_PROXY", "no_proxy");
            let free = except.is_some_and(|list| {
                list.split(',').map(str::trim).any(|one| {
                    let bare = one.trim_matches(['[', ']']);
                    one == "*"
                        || bare.parse::<IpAddr>() == Ok(agent)
                        || bare.parse::<ipnet::IpNet>().is_ok_and(|range| range.contains(&agent))
                })
            });
            // A list whose text is not known (from a ConfigMap) may hold it.
            if !free && except != Some("") {
                let seen =
                    format!("container {} has HTTP_PROXY, and NO_PROXY={}", container.name, except.unwrap_or_default());
                self.push(link_id::POD_IDENTITY_PROXY, false, format!("{agent} in NO_PROXY"), seen, at);
                return;
            }
        }
    }

    /// The ARN of a role as kiam and kube2iam resolve it.
    pub fn resolved_role(&self, role: &str, base: Option<&str>) -> Option<String> {
        if role.starts_with("arn:") {
            return Some(role.to_owned());
        }
        let name = role.trim_start_matches('/');
        match base.filter(|base| !base.is_empty()) {
            Some(base) => Some(format!("{}/{name}", base.trim_end_matches('/'))),
            None => {
                self.own_account().map(|account| format!("arn:{}:iam::{account}:role/{name}", self.own_partition()))
            }
        }
    }

    /// The Pod runs on Fargate, which has neither DaemonSets nor a metadata service.
    fn on_fargate(&self) -> bool {
        self.workload.node.seen().and_then(|node| node.compute_type.as_deref()) == Some("fargate")
    }

    /// Why an agent that runs in the cluster does not answer this Pod, with the pointer to it. Nothing where it
    /// does, or where nobody can tell.
    fn passed_by(&self, role: &str) -> Option<(String, String)> {
        let (agent, _) = self.agent(role)?;
        let name = format!("{} {}/{}", agent.kind, agent.namespace, agent.name);
        if let Some((_, at)) = self.template().filter(|(template, _)| template.host_network) {
            let seen = format!("the Pod is on its node's network (hostNetwork), whose requests {name} does not catch");
            return Some((seen, format!("{at}/hostNetwork")));
        }
        if self.on_fargate() {
            return Some((
                format!("Fargate runs no DaemonSets: {name} has no Pod there"),
                "/workload/node/seen/computeType".to_owned(),
            ));
        }
        let node = self.workload.pod.seen()?.node.as_deref()?;
        let there = self.workload.node_agents.seen()?.iter().any(|pod| pod.role == role);
        (!there).then(|| (format!("{name} has no Pod on {node}"), "/workload/nodeAgents/seen".to_owned()))
    }

    /// The agent (`kiam-agent`, `kube2iam`) that answers this Pod in the metadata service's place.
    pub fn caught_by(&self) -> Option<&'static str> {
        let runs = |role: &&&'static str| self.agent(role).is_some() && self.passed_by(role).is_none();
        ["kiam-agent", "kube2iam"].iter().find(runs).copied()
    }

    /// The link of an agent that runs in the cluster and does not answer this Pod; whether that is so.
    fn out_of_reach(&mut self, role: &str, id: &'static str) -> bool {
        let Some((seen, at)) = self.passed_by(role) else { return false };
        let whose = if role == "kube2iam" { "kube2iam" } else { "kiam" };
        self.push(id, false, format!("{whose} answers the Pod in the metadata service's place"), seen, at);
        true
    }

    /// The ARN of the role that somebody meant for this Pod (`--role`, else its annotation), as IAM has it or as the
    /// agents complete it; the name alone where the account is not known.
    pub fn meant_role(&self) -> Option<String> {
        let named = self.workload.wanted_role.as_deref().or_else(|| self.iam_role())?;
        if let Some(role) = self.role(named) {
            return Some(role.arn.clone());
        }
        let base = |role: &str, name: &str| self.agent(role).and_then(|(agent, _)| flag(&agent.args, name));
        let base = base("kiam-server", "--role-base-arn").or_else(|| base("kube2iam", "--base-role-arn"));
        Some(self.resolved_role(named, base).unwrap_or_else(|| named.to_owned()))
    }

    fn kiam(&mut self, role: &str) {
        let workload = self.workload;
        let (namespace, _) = self.account_name();
        let server = self.agent("kiam-server");
        let args: &[String] = server.as_ref().map(|(server, _)| server.args.as_slice()).unwrap_or_default();
        let arn = self.resolved_role(role, flag(args, "--role-base-arn"));
        // Version 4 compares the ARN, older ones the name, and only since version 3 is the expression anchored.
        let image = server.as_ref().map_or("", |(server, _)| server.image.as_str());
        let old = image
            .rsplit(':')
            .next()
            .and_then(|tag| tag.trim_start_matches('v').split('.').next()?.parse::<u32>().ok())
            .is_some_and(|major| major < 4);
        let compared = if old { Some(role.to_owned()) } else { arn.clone() };
        let at = format!("/workload/namespace/seen/annotations/{}", pointer_part(KIAM_PERMITTED));
        let expected =
            format!("{KIAM_PERMITTED} on namespace {namespace} permits {}", compared.as_deref().unwrap_or(role));
        match workload.namespace.seen().map(|namespace| namespace.annotations.get(KIAM_PERMITTED).map(String::as_str)) {
            None => self.unknown(link_id::KIAM_NAMESPACE, expected, unseen(&workload.namespace), "/workload/namespace"),
            Some(None | Some("")) => {
                self.push(
                    link_id::KIAM_NAMESPACE,
                    false,
                    expected,
                    "no such annotation: no role is permitted",
                    "/workload/namespace/seen/annotations",
                );
            }
            Some(Some(expression)) => {
                let strict = !switch(args, "--disable-strict-namespace-regexp");
                let whole = if strict { format!("^{expression}$") } else { expression.to_owned() };
                match (regex::Regex::new(&whole), &compared) {
                    (Err(error), _) => {
                        let last = error.to_string().lines().last().unwrap_or_default().to_owned();
                        self.push(
                            link_id::KIAM_NAMESPACE,
                            false,
                            expected,
                            format!("{expression:?} is no regular expression: {last}"),
                            at,
                        );
                    }
                    (Ok(_), None) => {
                        let why = (
                            "the account is not known, and so not the ARN that is compared".to_owned(),
                            Some("sts:GetCallerIdentity".to_owned()),
                        );
                        self.unknown(link_id::KIAM_NAMESPACE, expected, why, at);
                    }
                    (Ok(compiled), Some(compared)) => {
                        self.push(
                            link_id::KIAM_NAMESPACE,
                            compiled.is_match(compared),
                            expected,
                            format!("{expression:?}"),
                            at,
                        );
                    }
                }
            }
        }
        self.kiam_servers();
        let arn = match (&arn, self.role_look(role)) {
            (_, Some(_)) => role.to_owned(),
            (Some(arn), None) => arn.clone(),
            (None, None) => role.to_owned(),
        };
        let Some(policy) = self.role_link(link_id::KIAM_ROLE, &arn) else { return };
        let at = format!("{}/seen/trustPolicy", self.role_at(&arn));
        let id = self.template().and_then(|(template, _)| template.annotations.get(EXTERNAL_ID)).map(String::as_str);
        match flag(args, "--assume-role-arn").filter(|arn| !arn.is_empty()) {
            Some(server_role) => {
                let server_role = server_role.to_owned();
                let expected = format!("sts:AssumeRole for kiam's server role {server_role}");
                self.assume(link_id::KIAM_TRUST, policy, &server_role, id, expected, at);
            }
            None => {
                let why = "kiam's server has no --assume-role-arn: it acts as its node's role, which is not known here"
                    .to_owned();
                self.unknown(link_id::KIAM_TRUST, "sts:AssumeRole for kiam's server", (why, None), at);
            }
        }
    }

    fn kiam_servers(&mut self) {
        let workload = self.workload;
        let expected = "kiam's server is ready";
        match (self.agent("kiam-server"), workload.agents.seen()) {
            (Some((server, at)), _) => {
                let seen = format!(
                    "{} {}/{}: {} of {} ready",
                    server.kind, server.namespace, server.name, server.ready, server.desired
                );
                self.push(link_id::KIAM_SERVER, server.ready > 0, expected, seen, format!("{at}/ready"));
            }
            (None, Some(_)) => self.push(
                link_id::KIAM_SERVER,
                false,
                expected,
                "kiam's agents run, and no server",
                "/workload/agents/seen",
            ),
            (None, None) => self.unknown(link_id::KIAM_SERVER, expected, unseen(&workload.agents), "/workload/agents"),
        }
        for (index, secret) in workload.secrets.iter().enumerate() {
            if !secret.uses.iter().any(|one| one == "kiam-tls") {
                continue;
            }
            let expected = format!("Secret {}/{} with kiam's certificate", secret.namespace, secret.name);
            let at = format!("/workload/secrets/{index}/look");
            match &secret.look.outcome {
                Outcome::Seen(_) => {
                    self.push(link_id::KIAM_TLS, true, expected, "there; its content is not read", format!("{at}/seen"))
                }
                _ if absent(&secret.look) => {
                    self.push(link_id::KIAM_TLS, false, expected, "it does not exist", format!("{at}/failed"))
                }
                _ => self.unknown(link_id::KIAM_TLS, expected, unseen(&secret.look), at),
            }
        }
        self.kiam_certificate();
    }

    /// The certificate that kiam's server shows. By which CA its agents judge it is in a Secret that is not read.
    fn kiam_certificate(&mut self) {
        let workload = self.workload;
        let expected = "the certificate of kiam's server is in force and covers the name that the agents dial";
        match &workload.kiam_server.outcome {
            Outcome::NotApplicable(_) => {}
            Outcome::Seen(server) => {
                let at = "/workload/kiamServer/seen/tls";
                let broken = server.tls.faults.iter().position(|fault| {
                    matches!(fault.kind, TlsFaultKind::Expired | TlsFaultKind::NotYetValid | TlsFaultKind::NameMismatch)
                });
                match broken {
                    Some(index) => {
                        let fault = &server.tls.faults[index];
                        let seen = match &fault.seen {
                            Some(seen) => format!("{}: {} ({seen})", server.dialled, fault.detail),
                            None => format!("{}: {}", server.dialled, fault.detail),
                        };
                        self.push(link_id::KIAM_CERTIFICATE, false, expected, seen, format!("{at}/faults/{index}"));
                    }
                    None => {
                        let seen =
                            format!("{} shows such a one; whether the agents trust its CA is not read", server.dialled);
                        self.push(link_id::KIAM_CERTIFICATE, true, expected, seen, at);
                    }
                }
            }
            _ => {
                self.unknown(link_id::KIAM_CERTIFICATE, expected, unseen(&workload.kiam_server), "/workload/kiamServer")
            }
        }
    }

    fn kube2iam(&mut self, role: &str) {
        let workload = self.workload;
        let Some((agent, agent_at)) = self.agent("kube2iam") else { return };
        let (namespace, _) = self.account_name();
        let base = flag(&agent.args, "--base-role-arn");
        let discovers = switch(&agent.args, "--auto-discover-base-arn");
        let keys = self.kube2iam_keys();
        let full = role.starts_with("arn:");
        if !full && base.is_none() && !discovers {
            let seen = format!("{role:?}, and kube2iam has neither --base-role-arn nor --auto-discover-base-arn");
            self.push(link_id::KUBE2IAM_ROLE_NAME, false, "a whole ARN", seen, agent_at.clone());
        } else {
            self.push(link_id::KUBE2IAM_ROLE_NAME, true, "a role that kube2iam can resolve", role, agent_at.clone());
        }
        let arn = self.resolved_role(role, base);
        if switch(&agent.args, "--namespace-restrictions") {
            let key = keys.allowed;
            let at = format!("/workload/namespace/seen/annotations/{}", pointer_part(key));
            let expected = format!("{key} on namespace {namespace} allows {}", arn.as_deref().unwrap_or(role));
            // The role of everybody is nobody's to forbid.
            let default = flag(&agent.args, "--default-role").filter(|default| !default.is_empty());
            let by_default = default.is_some_and(|default| self.resolved_role(default, base) == arn && arn.is_some());
            match workload.namespace.seen().map(|namespace| namespace.annotations.get(key).map(String::as_str)) {
                _ if by_default => self.push(
                    link_id::KUBE2IAM_NAMESPACE,
                    true,
                    expected,
                    "it is the role of --default-role, which every namespace may have",
                    format!("{agent_at}/args"),
                ),
                None => self.unknown(
                    link_id::KUBE2IAM_NAMESPACE,
                    expected,
                    unseen(&workload.namespace),
                    "/workload/namespace",
                ),
                Some(None) if !is_kept(key) => {
                    let why = (format!("kube2iam reads the annotation {key}, which kaccess does not"), None);
                    self.unknown(link_id::KUBE2IAM_NAMESPACE, expected, why, "/workload/namespace/seen/annotations");
                }
                Some(None) => {
                    self.push(
                        link_id::KUBE2IAM_NAMESPACE,
                        false,
                        expected,
                        "no such annotation: no role is allowed",
                        "/workload/namespace/seen/annotations",
                    );
                }
                Some(Some(text)) => match serde_json::from_str::<Vec<String>>(text) {
                    Err(_) => self.push(
                        link_id::KUBE2IAM_NAMESPACE,
                        false,
                        expected,
                        format!("{text:?} is no JSON array of strings"),
                        at,
                    ),
                    Ok(patterns) => {
                        let regexp = flag(&agent.args, "--namespace-restriction-format") == Some("regexp");
                        let targets: Vec<String> = arn.iter().cloned().chain([role.to_owned()]).collect();
                        let allowed = patterns.iter().any(|pattern| {
                            let pattern_arn = self.resolved_role(pattern, base).unwrap_or_else(|| pattern.clone());
                            targets.iter().any(|target| {
                                if regexp {
                                    regex::Regex::new(&pattern_arn).is_ok_and(|one| one.is_match(target))
                                        || regex::Regex::new(pattern).is_ok_and(|one| one.is_match(target))
                                } else {
                                    glob(&pattern_arn, target) || glob(pattern, target)
                                }
                            })
                        });
                        self.push(link_id::KUBE2IAM_NAMESPACE, allowed, expected, text, at);
                    }
                },
            }
        }
        let named =
            if self.role_look(role).is_some() { role.to_owned() } else { arn.unwrap_or_else(|| role.to_owned()) };
        let Some(policy) = self.role_link(link_id::KUBE2IAM_ROLE, &named) else { return };
        let Some(node) = workload.node_role.seen() else {
            let (why, needs) = unseen(&workload.node_role);
            let why = format!("kube2iam acts as its node's role, and which that is was not seen: {why}");
            self.unknown(
                link_id::KUBE2IAM_TRUST,
                "sts:AssumeRole for the node's role",
                (why, needs),
                "/workload/nodeRole",
            );
            return;
        };
        let at = format!("{}/seen/trustPolicy", self.role_at(&named));
        let id = self.template().and_then(|(template, _)| template.annotations.get(keys.external_id));
        let expected = format!("sts:AssumeRole for the node's role {node}");
        // Without the external id a condition on it would seem to be missed.
        if id.is_none() && !is_kept(keys.external_id) && policy.to_ascii_lowercase().contains("sts:externalid") {
            let why = format!("kube2iam reads the external id from {}, which kaccess does not", keys.external_id);
            self.unknown(link_id::KUBE2IAM_TRUST, expected, (why, None), at);
            return;
        }
        self.assume(link_id::KUBE2IAM_TRUST, policy, node, id.map(String::as_str), expected, at);
    }

    /// Whether the metadata service answers this Pod.
    fn metadata(&mut self) {
        let workload = self.workload;
        let host_network = self.template().is_some_and(|(template, _)| template.host_network);
        if self.on_fargate() {
            // To a Pod with credentials of its own that is no lack.
            if self.asks_metadata() {
                self.push(
                    link_id::METADATA,
                    false,
                    "the metadata service answers the Pod",
                    "Fargate gives Pods no metadata service",
                    "/workload/node/seen/computeType",
                );
            }
            return;
        }
        let Some(instance) = workload.instance.seen() else {
            if workload.pod.seen().is_some() && !workload.instance.nothing_to_look_at() {
                self.unknown(
                    link_id::METADATA,
                    "the metadata service answers the Pod",
                    unseen(&workload.instance),
                    "/workload/instance",
                );
            }
            return;
        };
        let at = "/workload/instance/seen";
        if instance.http_endpoint == "disabled" {
            self.push(
                link_id::METADATA,
                false,
                "the metadata service answers the Pod",
                "HttpEndpoint is disabled on the node",
                format!("{at}/httpEndpoint"),
            );
        } else if !host_network && instance.http_tokens == "required" && instance.hop_limit == Some(1) {
            let seen = "HttpTokens=required with HttpPutResponseHopLimit=1: its answer does not reach a Pod with a network of its own";
            self.push(link_id::METADATA, false, "the metadata service answers the Pod", seen, format!("{at}/hopLimit"));
        } else {
            self.push(
                link_id::METADATA,
                true,
                "the metadata service answers the Pod",
                "nothing keeps its answer from the Pod",
                at,
            );
        }
    }

    /// The way that a container's SDK takes.
    fn way(&self, container: &Container) -> Way {
        let has = |name: &str| variable(container, name).is_some() || self.mapped_in(container, name);
        if has("AWS_ACCESS_KEY_ID") && has("AWS_SECRET_ACCESS_KEY") {
            return Way::Keys;
        }
        let predicted = self.workload.pod.seen().is_none() && !absent(&self.workload.webhook);
        let associated = self.workload.associations.seen().is_some_and(|all| all.ours.is_some());
        if (has("AWS_ROLE_ARN") && has("AWS_WEB_IDENTITY_TOKEN_FILE"))
            || (predicted && !associated && self.annotated().is_some())
        {
            return Way::WebIdentity;
        }
        if has("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            || has("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
            || (predicted && associated)
        {
            return Way::Container;
        }
        // A credentials file goes before the metadata service, and what a whole Secret or ConfigMap sets is not read.
        let file = ["AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_PROFILE"].iter().any(|name| has(name));
        if file || container.mounts.iter().any(|(path, _)| path.trim_end_matches('/').ends_with("/.aws")) {
            return Way::Hidden("a file of credentials or a profile");
        }
        if self.whole_sources(container).is_some() {
            return Way::Hidden("variables that it takes from a whole Secret or ConfigMap (envFrom)");
        }
        if variable(container, "AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Way::Disabled;
        }
        Way::Metadata
    }

    /// A ConfigMap that the container takes all variables from has this one; its own goes before it.
    fn mapped_in(&self, container: &Container, name: &str) -> bool {
        !container.env.iter().any(|variable| variable.name == name)
            && self.workload.config_maps.iter().any(|look| {
                container.env_from_config_map_names.contains(&look.name)
                    && look.look.seen().is_some_and(|names| names.iter().any(|one| one == name))
            })
    }

    /// What a container takes all its variables from (envFrom), where that may hold access keys: the contents are not
    /// read. Nothing where it has no such source, where all of them are Secrets that are not there, or where a variable
    /// of its own says that there are no keys.
    fn whole_sources(&self, container: &Container) -> Option<String> {
        // A variable of the container's own goes before one of envFrom, and an empty one is none to the SDKs.
        let emptied = |name: &str| {
            container.env.iter().any(|variable| variable.name == name) && variable(container, name).is_none()
        };
        if emptied("AWS_ACCESS_KEY_ID") || emptied("AWS_SECRET_ACCESS_KEY") {
            return None;
        }
        let there = |name: &&String| {
            let namespace = &self.workload.target.namespace;
            let mut looks = self.workload.secrets.iter();
            !looks.any(|look| look.name == **name && look.namespace == *namespace && absent(&look.look))
        };
        let mut sources: Vec<String> =
            container.env_from_secrets.iter().filter(there).map(|name| format!("Secret {name}")).collect();
        sources.extend(
            container
                .env_from_config_map_names
                .iter()
                .filter(|name| {
                    let look = self.workload.config_maps.iter().find(|look| look.name == **name);
                    look.is_none_or(|look| look.look.seen().is_none() && !absent(&look.look))
                })
                .map(|name| format!("ConfigMap {name}")),
        );
        if container.env_from_config_maps {
            sources.push("a ConfigMap".to_owned());
        }
        (!sources.is_empty()).then(|| sources.join(" and "))
    }

    /// The first container has no credentials of its own and asks the metadata service.
    pub fn asks_metadata(&self) -> bool {
        self.main().is_some_and(|container| self.way(container) == Way::Metadata)
    }

    /// Some container has access keys in its variables, with the pointer to it.
    pub fn with_keys(&self) -> Option<(&'a Container, String)> {
        self.containers().into_iter().find(|(container, _)| self.way(container) == Way::Keys)
    }

    /// The container that the answer is about: the first with credentials of its own, for sidecars have none.
    fn main(&self) -> Option<&'a Container> {
        let containers = self.containers();
        let own =
            containers.iter().find(|(container, _)| !matches!(self.way(container), Way::Metadata | Way::Disabled));
        own.or(containers.first()).map(|(container, _)| *container)
    }

    /// Another way goes before kiam and kube2iam, or they do not answer this Pod: they change nothing for it.
    pub fn past_agents(&self) -> bool {
        let own = |container: &Container| matches!(self.way(container), Way::Keys | Way::WebIdentity | Way::Container);
        let passed = |role: &&str| self.passed_by(role).is_some();
        matches!(self.effective.kind, IdentitySource::Irsa | IdentitySource::PodIdentity | IdentitySource::StaticKeys)
            || self.main().is_some_and(own)
            || (self.caught_by().is_none() && ["kiam-agent", "kube2iam"].iter().any(passed))
    }

    fn effect(&self) -> Effective {
        let make = |kind, role: Option<String>, why: String| Effective { kind, role_arn: role, why };
        let containers = self.containers();
        let first = match self.main() {
            Some(container) => container,
            None if self.workload.target.kind == "ServiceAccount" && self.workload.service_account.seen().is_some() => {
                // A service account without Pods: what its next Pod would get.
                return if self.workload.associations.seen().is_some_and(|all| all.ours.is_some()) {
                    self.chained(
                        IdentitySource::PodIdentity,
                        self.association().map(|details| details.role_arn.clone()),
                        "a Pod with this service account gets",
                    )
                } else if let Some(role) = self.annotated() {
                    self.chained(IdentitySource::Irsa, Some(role.to_owned()), "a Pod with this service account gets")
                } else {
                    make(
                        IdentitySource::Unknown,
                        None,
                        "the service account names no role, and there is no Pod of it to look at".to_owned(),
                    )
                };
            }
            None => {
                let (why, needs) = unseen(&self.workload.pod);
                let needs = needs.map(|needs| format!("; it needs {needs}")).unwrap_or_default();
                return make(IdentitySource::Unknown, None, format!("the Pod could not be looked at: {why}{needs}"));
            }
        };
        let lead = format!("container {}", first.name);
        let others: Vec<&str> = containers
            .iter()
            .filter(|(other, _)| self.way(other) != self.way(first))
            .map(|(other, _)| other.name.as_str())
            .collect();
        let mut found = match self.way(first) {
            Way::Keys => make(
                IdentitySource::StaticKeys,
                None,
                format!(
                    "{lead} has AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which SDKs usually take before anything else"
                ),
            ),
            Way::WebIdentity => self.chained(
                IdentitySource::Irsa,
                self.irsa_role().map(str::to_owned),
                &format!("{lead} has a web identity token:"),
            ),
            Way::Container if self.workload.pod.seen().is_some() && !asks_agent(first) => make(
                IdentitySource::Unknown,
                None,
                format!("{lead} asks a credentials endpoint of somebody's own (AWS_CONTAINER_CREDENTIALS_FULL_URI)"),
            ),
            Way::Container => {
                let role = self
                    .association()
                    .map(|details| details.target_role_arn.clone().unwrap_or_else(|| details.role_arn.clone()));
                self.chained(
                    IdentitySource::PodIdentity,
                    role,
                    &format!("{lead} has the address of the Pod Identity agent:"),
                )
            }
            Way::Disabled => make(
                IdentitySource::Nowhere,
                None,
                format!("{lead} has no credentials, and AWS_EC2_METADATA_DISABLED=true"),
            ),
            Way::Hidden(what) => make(
                IdentitySource::Unknown,
                None,
                format!("{lead} may have credentials from {what}, which kaccess does not read"),
            ),
            Way::Metadata => self.by_metadata(&lead),
        };
        if matches!(self.way(first), Way::WebIdentity | Way::Container)
            && let Some(sources) = self.whole_sources(first)
        {
            found = self.beside(found, first, &sources);
        }
        if !others.is_empty() {
            found.why.push_str(&format!("; other containers take another way: {}", others.join(", ")));
        }
        found
    }

    /// What a container gets whose variables come from somewhere that is not read as well: access keys there would go
    /// before the way that was found.
    fn beside(&self, found: Effective, container: &Container, sources: &str) -> Effective {
        let role = found.role_arn.map(|role| format!(" ({role})")).unwrap_or_default();
        let namespace = self.account_name().0;
        let look = match container.env_from_secrets.first() {
            Some(secret) => format!("kubectl describe secret {secret} -n {namespace} lists the names"),
            None => format!("kubectl describe configmap NAME -n {namespace} lists them"),
        };
        let why = format!(
            "{}{role}; but container {} also takes all variables of {sources} (envFrom), which kaccess does not read: \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY there would go before it ({look})",
            found.why, container.name
        );
        Effective { kind: IdentitySource::Unknown, role_arn: None, why }
    }

    /// A way that is taken, and what becomes of it by its links.
    fn chained(&self, kind: IdentitySource, role_arn: Option<String>, lead: &str) -> Effective {
        let word = kind.word();
        let of_kind = |link: &&Link| link.id.starts_with(word);
        let broken = self.links.iter().filter(of_kind).find(|link| {
            // What is only missing at the source is no hindrance where the Pod has it already.
            link.ok == Some(false)
                && ![link_id::IRSA_ANNOTATION, link_id::IRSA_INJECTION, link_id::POD_IDENTITY_INJECTION]
                    .contains(&link.id)
        });
        if let Some(link) = broken {
            let why = format!(
                "{lead} {word} is tried and fails at {}: {}; SDKs usually do not fall back",
                link.id, link.seen
            );
            return Effective { kind: IdentitySource::Nowhere, role_arn: None, why };
        }
        let open: Vec<&str> =
            self.links.iter().filter(of_kind).filter(|link| link.ok.is_none()).map(|link| link.id).collect();
        let why = if open.is_empty() {
            format!("{lead} {word}, and every link holds")
        } else {
            format!("{lead} {word}; not known: {}", open.join(", "))
        };
        Effective { kind, role_arn, why }
    }

    fn by_metadata(&self, lead: &str) -> Effective {
        let make = |kind, role: Option<String>, why: String| Effective { kind, role_arn: role, why };
        if self.on_fargate() {
            return make(
                IdentitySource::Nowhere,
                None,
                format!(
                    "{lead} has no credentials of its own, and Fargate has neither DaemonSets nor a metadata service"
                ),
            );
        }
        if self.workload.agents.seen().is_none() {
            let (why, _) = unseen(&self.workload.agents);
            return make(
                IdentitySource::Unknown,
                None,
                format!(
                    "{lead} has no credentials of its own, and who answers for the metadata service is not known: {why}"
                ),
            );
        }
        match self.caught_by() {
            Some("kiam-agent") => {
                return match self.iam_role() {
                    Some(role) => {
                        let args =
                            self.agent("kiam-server").map(|(server, _)| server.args.as_slice()).unwrap_or_default();
                        let arn = self.resolved_role(role, flag(args, "--role-base-arn"));
                        self.chained(
                            IdentitySource::Kiam,
                            arn,
                            &format!("{lead} asks the metadata service, and kiam answers:"),
                        )
                    }
                    None => make(
                        IdentitySource::Nowhere,
                        None,
                        format!(
                            "{lead} asks the metadata service, kiam answers, and the Pod has no annotation {IAM_ROLE}"
                        ),
                    ),
                };
            }
            Some(_) => {
                let args = self.agent("kube2iam").map(|(agent, _)| agent.args.as_slice()).unwrap_or_default();
                let default = flag(args, "--default-role").filter(|role| !role.is_empty());
                if let Some(key) = self.unread_role().filter(|_| self.iam_role().is_none()) {
                    let why = format!(
                        "{lead} asks the metadata service, and kube2iam answers; it reads the role from the Pod's \
                         annotation {key} (--iam-role-key), which kaccess does not"
                    );
                    return make(IdentitySource::Unknown, None, why);
                }
                return match self.iam_role().or(default) {
                    Some(role) => {
                        let arn = self.resolved_role(role, flag(args, "--base-role-arn"));
                        self.chained(
                            IdentitySource::Kube2iam,
                            arn,
                            &format!("{lead} asks the metadata service, and kube2iam answers:"),
                        )
                    }
                    None => make(
                        IdentitySource::Nowhere,
                        None,
                        format!(
                            "{lead} asks the metadata service, kube2iam answers, and the Pod has no annotation {}",
                            self.role_key()
                        ),
                    ),
                };
            }
            None => {}
        }
        // An agent that runs in the cluster and not for this Pod is worth a word.
        let passed = ["kiam-agent", "kube2iam"].iter().find_map(|role| self.passed_by(role));
        let lead = &passed.map_or_else(|| lead.to_owned(), |(passed, _)| format!("{passed}; {lead}"));
        match self.links.iter().find(|link| link.id == link_id::METADATA).map(|link| (link.ok, link.seen.clone())) {
            Some((Some(true), _)) => make(
                IdentitySource::NodeRole,
                self.workload.node_role.seen().cloned(),
                format!("{lead} has no credentials of its own, and the metadata service gives the node's role"),
            ),
            Some((Some(false), seen)) => make(
                IdentitySource::Nowhere,
                None,
                format!("{lead} has no credentials of its own, and the metadata service does not answer: {seen}"),
            ),
            Some((None, seen)) => make(
                IdentitySource::Unknown,
                None,
                format!(
                    "{lead} has no credentials of its own; whether the metadata service gives it the node's role is not known: {seen}"
                ),
            ),
            None => {
                let (why, _) = unseen(&self.workload.instance);
                make(
                    IdentitySource::Unknown,
                    None,
                    format!(
                        "{lead} has no credentials of its own; nothing is known of the node's metadata service: {why}"
                    ),
                )
            }
        }
    }
}

/// The host of a URL, in lower case and without brackets.
fn url_host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?.rsplit('@').next()?;
    // An IPv6 address stands in brackets, and has colons of its own.
    let host = match authority.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
