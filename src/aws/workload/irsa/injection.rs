//! What the webhook put into the Pod: a role and a token's path, as variables of each container.

use super::super::Judgement;
use super::super::container::{injected_except, variable};
use super::super::webhook::{SKIP_CONTAINERS, is_skipped};
use crate::aws::link_id;

impl Judgement<'_> {
    /// The link "the Pod has the variables for the service account's role".
    pub(super) fn injection_link(&mut self) {
        let expected = self.annotated().map_or_else(String::new, |role| format!("AWS_ROLE_ARN={role}"));
        let template = self.template();
        let skipped = |name: &str| template.is_some_and(|(template, _)| is_skipped(template, name));
        let mut left_alone: Vec<&str> = Vec::new();
        let mut fault = None;
        let mut other = None;
        let mut hidden = None;
        let mut without: Vec<&str> = Vec::new();
        let mut given = false;
        for (container, at) in self.containers() {
            if skipped(&container.name) {
                // What was written into it by hand is somebody's own affair.
                if variable(container, "AWS_ROLE_ARN").is_none() {
                    left_alone.push(&container.name);
                }
                continue;
            }
            let role = variable(container, "AWS_ROLE_ARN");
            let seen = match (role, variable(container, "AWS_WEB_IDENTITY_TOKEN_FILE")) {
                (Some(role), Some(_)) if !role.is_empty() && self.annotated().is_some_and(|wanted| wanted != role) => {
                    // A role of another time goes before all: it is what the container gets.
                    other = other.or(Some((format!("container {} has AWS_ROLE_ARN={role}", container.name), at)));
                    continue;
                }
                // Given by a ConfigMap or Secret, which is not read: it may be any role.
                (Some(""), Some(_)) => {
                    hidden = hidden.or(Some((&container.name, at)));
                    continue;
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
        if let Some((seen, at)) = other {
            return self.push(link_id::IRSA_INJECTION, false, expected, seen, at);
        }
        if let Some((name, at)) = hidden.filter(|_| !given) {
            let why = format!(
                "container {name} takes AWS_ROLE_ARN from an object that is not read, and the webhook leaves that"
            );
            return self.unknown(link_id::IRSA_INJECTION, expected, (why, None), at);
        }
        match fault {
            Some((seen, at)) if !given => self.push(link_id::IRSA_INJECTION, false, expected, seen, at),
            None if !given && left_alone.len() == self.containers().len() && !left_alone.is_empty() => {
                let (seen, at) = (format!("{SKIP_CONTAINERS} names {}", left_alone.join(", ")), self.skip_at());
                self.push(link_id::IRSA_INJECTION, false, expected, seen, at);
            }
            _ => {
                let at = "/workload/pod/seen/template/containers";
                self.push(link_id::IRSA_INJECTION, true, expected, injected_except(&without), at);
            }
        }
    }
}
