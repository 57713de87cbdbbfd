//! What the containers get in the end: by the way that an SDK takes, and by what becomes of that way's links.

use super::super::arn::is_role_arn;
use super::super::link_id;
use super::annotation::IAM_ROLE;
use super::container::{asks_agent, variable};
use super::seen::unseen;
use super::way::{Way, read};
use super::{IdentitySource, Judgement, Link};
use crate::evidence::workload::Container;

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

impl Effective {
    /// No role, or none that is known.
    pub(super) fn of(kind: IdentitySource, why: impl Into<String>) -> Self {
        Self { kind, role_arn: None, why: why.into() }
    }
}

impl Judgement<'_> {
    /// What the containers get: what the one gets that the answer is about, and which others take another way.
    pub(super) fn effect(&self) -> Effective {
        let workload = self.workload;
        if workload.pod.seen().is_none() && self.broken(link_id::SERVICE_ACCOUNT).is_some() {
            let (namespace, name) = self.account_name();
            let why = format!("no Pod can be made with service account {namespace}/{name}, which does not exist");
            return Effective::of(IdentitySource::Nowhere, why);
        }
        let Some(first) = self.main() else { return self.without_containers() };
        let way = self.way(first);
        let mut found = self.by_way(first, way);
        if matches!(way, Way::WebIdentity | Way::Container)
            && let Some(sources) = self.whole_sources(first)
        {
            found = self.beside(found, first, &sources);
        }
        let containers = self.containers();
        if way == Way::WebIdentity {
            let role = variable(first, "AWS_ROLE_ARN").filter(|role| !role.is_empty());
            let other = |(container, _): &(&Container, String)| {
                let own = variable(container, "AWS_ROLE_ARN").filter(|own| !own.is_empty() && Some(*own) != role)?;
                (self.way(container) == way).then(|| format!("{} ({own})", container.name))
            };
            let others: Vec<String> = containers.iter().filter_map(other).collect();
            if role.is_some() && !others.is_empty() {
                found.why.push_str(&format!("; other containers have another role: {}", others.join(", ")));
            }
        }
        let others = containers.iter().filter(|(other, _)| self.way(other) != way);
        let others: Vec<&str> = others.map(|(other, _)| other.name.as_str()).collect();
        if !others.is_empty() {
            found.why.push_str(&format!("; other containers take another way: {}", others.join(", ")));
        }
        found
    }

    /// Without a Pod to look at: what the next Pod of a service account would get.
    fn without_containers(&self) -> Effective {
        let workload = self.workload;
        if workload.target.kind != "ServiceAccount" || workload.service_account.seen().is_none() {
            let (why, needs) = unseen(&workload.pod);
            let needs = needs.map(|needs| format!("; it needs {needs}")).unwrap_or_default();
            return Effective::of(IdentitySource::Unknown, format!("the Pod could not be looked at: {why}{needs}"));
        }
        let lead = "a Pod with this service account gets";
        if self.associated() {
            let role = self.association().map(|details| details.role_arn.clone());
            self.chained(IdentitySource::PodIdentity, role, lead)
        } else if let Some(role) = self.annotated() {
            self.chained(IdentitySource::Irsa, Some(role.to_owned()), lead)
        } else {
            let why = "the service account names no role, and there is no Pod of it to look at";
            Effective::of(IdentitySource::Unknown, why)
        }
    }

    /// What a container gets by the way that its SDK takes.
    fn by_way(&self, container: &Container, way: Way) -> Effective {
        let lead = format!("container {}", container.name);
        match way {
            Way::Keys => Effective::of(
                IdentitySource::StaticKeys,
                format!(
                    "{lead} has AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, which SDKs usually take before anything else"
                ),
            ),
            Way::WebIdentity => self.chained(
                IdentitySource::Irsa,
                self.irsa_role().filter(|role| is_role_arn(role)).map(str::to_owned),
                &format!("{lead} has a web identity token:"),
            ),
            Way::Container if self.workload.pod.seen().is_some() && !asks_agent(container) => Effective::of(
                IdentitySource::Unknown,
                format!("{lead} asks a credentials endpoint of somebody's own ({})", self.endpoint(container)),
            ),
            Way::Container => {
                let role = self
                    .association()
                    .map(|details| details.target_role_arn.clone().unwrap_or_else(|| details.role_arn.clone()));
                let lead = format!("{lead} has the address of the Pod Identity agent:");
                self.chained(IdentitySource::PodIdentity, role, &lead)
            }
            Way::Disabled => Effective::of(
                IdentitySource::Nowhere,
                format!("{lead} has no credentials, and AWS_EC2_METADATA_DISABLED=true"),
            ),
            Way::Hidden(what) => Effective::of(
                IdentitySource::Unknown,
                format!("{lead} may have credentials from {what}, which kaccess does not read"),
            ),
            Way::Metadata => self.by_metadata(&lead),
        }
    }

    /// The variable that names a container's credentials endpoint.
    fn endpoint(&self, container: &Container) -> &'static str {
        let relative = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
        let there = variable(container, relative).is_some() || self.mapped_in(container, relative);
        if there { relative } else { "AWS_CONTAINER_CREDENTIALS_FULL_URI" }
    }

    /// What a container gets whose variables come from somewhere that is not read as well: access keys there would go
    /// before the way that was found.
    fn beside(&self, found: Effective, container: &Container, sources: &str) -> Effective {
        let role = found.role_arn.map(|role| format!(" ({role})")).unwrap_or_default();
        let namespace = self.account_name().0;
        let look = match read(container).next() {
            Some(secret) => format!("kubectl describe secret {secret} -n {namespace} lists the names"),
            None => format!("kubectl describe configmap NAME -n {namespace} lists them"),
        };
        let why = format!(
            "{}{role}; but container {} also takes all variables of {sources} (envFrom), which kaccess does not read: \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY there would go before it ({look})",
            found.why, container.name
        );
        Effective::of(IdentitySource::Unknown, why)
    }

    /// A way that is taken, and what becomes of it by its links.
    fn chained(&self, kind: IdentitySource, role_arn: Option<String>, lead: &str) -> Effective {
        let word = kind.word();
        if kind == IdentitySource::Irsa
            && let Some(role) = self.misnamed()
        {
            let why = format!(
                "{lead} {word} is tried and fails: {role:?} is no ARN of a role; SDKs usually do not fall back"
            );
            return Effective::of(IdentitySource::Nowhere, why);
        }
        let of_kind = |link: &&Link| link.id.starts_with(word);
        // A token that only a container beside the one lacks that the answer is about.
        let main = self.main();
        let beside = |link: &&Link| {
            let of_file = [link_id::IRSA_TOKEN_FILE, link_id::POD_IDENTITY_TOKEN_FILE].contains(&link.id);
            of_file && !self.containers().iter().any(|(container, at)| *at == link.at && Some(*container) == main)
        };
        let broken = self.links.iter().filter(of_kind).find(|link| {
            // What is only missing at the source is no hindrance where the Pod has it already.
            link.ok == Some(false)
                && !beside(link)
                && ![link_id::IRSA_ANNOTATION, link_id::IRSA_INJECTION, link_id::POD_IDENTITY_INJECTION]
                    .contains(&link.id)
        });
        if let Some(link) = broken {
            let why = format!(
                "{lead} {word} is tried and fails at {}: {}; SDKs usually do not fall back",
                link.id, link.seen
            );
            return Effective::of(IdentitySource::Nowhere, why);
        }
        let open: Vec<&str> =
            self.links.iter().filter(of_kind).filter(|link| link.ok.is_none()).map(|link| link.id).collect();
        let aside = self.links.iter().filter(of_kind).find(|link| link.ok == Some(false) && beside(link));
        let mut why = if !open.is_empty() {
            format!("{lead} {word}; not known: {}", open.join(", "))
        } else if aside.is_none() {
            format!("{lead} {word}, and every link holds")
        } else {
            format!("{lead} {word}")
        };
        if let Some(link) = aside {
            why.push_str(&format!("; but {}", link.seen));
        }
        Effective { kind, role_arn, why }
    }

    /// What IRSA's way names as the role and is none: in the container's own variable, else on the service account.
    fn misnamed(&self) -> Option<&str> {
        let main = self.main();
        let role = match main.and_then(|container| variable(container, "AWS_ROLE_ARN")) {
            // It is there, and its value is not known.
            Some("") => None,
            Some(role) => Some(role),
            None if main.is_some_and(|container| self.mapped_in(container, "AWS_ROLE_ARN")) => None,
            None => self.annotated(),
        };
        role.filter(|role| !is_role_arn(role))
    }

    /// A container without credentials of its own: whoever answers it as the metadata service.
    fn by_metadata(&self, lead: &str) -> Effective {
        if self.on_fargate() {
            return Effective::of(
                IdentitySource::Nowhere,
                format!(
                    "{lead} has no credentials of its own, and Fargate has neither DaemonSets nor a metadata service"
                ),
            );
        }
        if self.workload.agents.seen().is_none() {
            let (why, _) = unseen(&self.workload.agents);
            return Effective::of(
                IdentitySource::Unknown,
                format!(
                    "{lead} has no credentials of its own, and who answers for the metadata service is not known: {why}"
                ),
            );
        }
        if self.contested() {
            let why = format!(
                "{lead} asks the metadata service, and both kiam and kube2iam catch that on the Pod's node: which of \
                 them answers is not known"
            );
            return Effective::of(IdentitySource::Unknown, why);
        }
        match self.caught_by() {
            Some("kiam-agent") => self.by_kiam(lead),
            Some(_) => self.by_kube2iam_agent(lead),
            None => self.by_node(lead),
        }
    }

    /// kiam answers the container.
    fn by_kiam(&self, lead: &str) -> Effective {
        match self.iam_role() {
            Some(role) => {
                let lead = format!("{lead} asks the metadata service, and kiam answers:");
                self.chained(IdentitySource::Kiam, self.kiam_arn(role), &lead)
            }
            None => Effective::of(
                IdentitySource::Nowhere,
                format!("{lead} asks the metadata service, kiam answers, and the Pod has no annotation {IAM_ROLE}"),
            ),
        }
    }

    /// kube2iam answers the container.
    fn by_kube2iam_agent(&self, lead: &str) -> Effective {
        if let Some(key) = self.unread_role().filter(|_| self.iam_role().is_none()) {
            let why = format!(
                "{lead} asks the metadata service, and kube2iam answers; it reads the role from the Pod's \
                 annotation {key} (--iam-role-key), which kaccess does not"
            );
            return Effective::of(IdentitySource::Unknown, why);
        }
        match self.iam_role().or(self.kube2iam_default()) {
            Some(role) => {
                let lead = format!("{lead} asks the metadata service, and kube2iam answers:");
                self.chained(IdentitySource::Kube2iam, self.kube2iam_arn(role), &lead)
            }
            None => Effective::of(
                IdentitySource::Nowhere,
                format!(
                    "{lead} asks the metadata service, kube2iam answers, and the Pod has no annotation {}",
                    self.role_key()
                ),
            ),
        }
    }

    /// The node's own metadata service answers the container, or nobody does.
    fn by_node(&self, lead: &str) -> Effective {
        // An agent that runs in the cluster and not for this Pod is worth a word.
        let passed = ["kiam-agent", "kube2iam"].iter().find_map(|role| self.passed_by(role));
        let lead = passed.map_or_else(|| lead.to_owned(), |(passed, _)| format!("{passed}; {lead}"));
        let lead = format!("{lead} has no credentials of its own");
        match self.links.iter().find(|link| link.id == link_id::METADATA).map(|link| (link.ok, &link.seen)) {
            Some((Some(true), _)) => Effective {
                kind: IdentitySource::NodeRole,
                role_arn: self.workload.node_role.seen().cloned(),
                why: format!("{lead}, and the metadata service gives the node's role"),
            },
            Some((Some(false), seen)) => Effective::of(
                IdentitySource::Nowhere,
                format!("{lead}, and the metadata service does not answer: {seen}"),
            ),
            Some((None, seen)) => Effective::of(
                IdentitySource::Unknown,
                format!("{lead}; whether the metadata service gives it the node's role is not known: {seen}"),
            ),
            None => {
                let (why, _) = unseen(&self.workload.instance);
                let why = format!("{lead}; nothing is known of the node's metadata service: {why}");
                Effective::of(IdentitySource::Unknown, why)
            }
        }
    }
}
