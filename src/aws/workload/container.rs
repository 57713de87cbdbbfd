//! What a container's variables say.

use super::Judgement;
use crate::evidence::workload::Container;

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
pub(super) fn asks_agent(container: &Container) -> bool {
    let address = variable(container, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    address.is_some_and(|address| address.contains("//169.254.170.23/") || address.contains("//[fd00:ec2::23]/"))
}

/// What a webhook injected, with the containers that it passed over: a sidecar that another webhook added later has
/// nothing, and needs nothing.
pub(super) fn injected_except(names: &[&str]) -> String {
    if names.is_empty() { "injected".to_owned() } else { format!("injected, except into {}", names.join(", ")) }
}

impl Judgement<'_> {
    /// The Pod has the variables of this way in some container.
    pub fn has(&self, name: &str) -> bool {
        self.containers().iter().any(|(container, _)| variable(container, name).is_some())
    }
}
