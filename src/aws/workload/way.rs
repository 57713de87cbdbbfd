//! The way to credentials that a container's SDK takes: the first in the SDKs' order that is there.

use super::container::variable;
use super::seen::absent;
use super::{IdentitySource, Judgement};
use crate::evidence::workload::Container;

/// A way to credentials, as the SDKs try them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Keys,
    WebIdentity,
    Container,
    Metadata,
    Disabled,
    /// From somewhere that is not read.
    Hidden(&'static str),
}

/// The Secrets whose variables may be AWS' own.
pub(super) fn read(container: &Container) -> impl Iterator<Item = &String> {
    container.env_from_secrets.iter().filter(|name| !container.prefixed_secrets.contains(name))
}

impl<'a> Judgement<'a> {
    /// The way that a container's SDK takes.
    pub(super) fn way(&self, container: &Container) -> Way {
        let has = |name: &str| variable(container, name).is_some() || self.mapped_in(container, name);
        if has("AWS_ACCESS_KEY_ID") && has("AWS_SECRET_ACCESS_KEY") {
            return Way::Keys;
        }
        let predicted = self.workload.pod.seen().is_none() && !absent(&self.workload.webhook);
        let associated = self.associated();
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
    pub(super) fn mapped_in(&self, container: &Container, name: &str) -> bool {
        !container.env.iter().any(|variable| variable.name == name)
            && self.workload.config_maps.iter().any(|look| {
                container.env_from_config_map_names.contains(&look.name)
                    && look.look.seen().is_some_and(|names| names.iter().any(|one| one == name))
            })
    }

    /// What a container takes all its variables from (envFrom), where that may hold access keys: the contents are not
    /// read. Nothing where it has no such source, where all of them are Secrets that are not there, or where a variable
    /// of its own says that there are no keys.
    pub(super) fn whole_sources(&self, container: &Container) -> Option<String> {
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
        let mut sources: Vec<String> = read(container).filter(there).map(|name| format!("Secret {name}")).collect();
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

    /// The container that the answer is about, with the pointer to it, where it has no credentials of its own and is told
    /// not to ask the metadata service.
    pub fn metadata_disabled(&self) -> Option<(&'a Container, String)> {
        let main = self.main().filter(|container| self.way(container) == Way::Disabled)?;
        self.containers().into_iter().find(|(container, _)| *container == main)
    }

    /// Some container has access keys in its variables, with the pointer to it.
    pub fn with_keys(&self) -> Option<(&'a Container, String)> {
        self.containers().into_iter().find(|(container, _)| self.way(container) == Way::Keys)
    }

    /// The container that the answer is about: the first with credentials of its own, for sidecars have none.
    pub(super) fn main(&self) -> Option<&'a Container> {
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
}
