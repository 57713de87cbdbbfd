//! What a container's variables say.

use super::Judgement;
use super::way::Way;
use crate::evidence::workload::{Container, Template};

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

/// Where the webhooks mount their tokens; anywhere else the container itself, or its image, may have the file.
const FOLDERS: &[&str] = &["/run/secrets/eks.amazonaws.com/", "/run/secrets/pods.eks.amazonaws.com/"];

/// The file that a variable of a container names, where it cannot be there: no volume is mounted on the way to a webhook's
/// folder, or one whose tokens have other names. What stands in other volumes is not known, and may be it.
fn unmounted<'c>(template: &Template, container: &'c Container, name: &str) -> Option<&'c str> {
    let file = variable(container, name).filter(|file| file.starts_with('/'))?;
    // In most images the one is a link to the other.
    let plain = |path: &str| {
        path.strip_prefix("/var").filter(|rest| *rest == "/run" || rest.starts_with("/run/")).unwrap_or(path).to_owned()
    };
    let wanted = plain(file);
    let over = |(path, volume): (&String, &String)| {
        let path = plain(path.trim_end_matches('/'));
        let rest = wanted.strip_prefix(&path)?;
        (rest.is_empty() || rest.starts_with('/'))
            .then(|| (path.len(), rest.trim_start_matches('/').to_owned(), volume.clone()))
    };
    let Some((_, rest, volume)) = container.mounts.iter().filter_map(over).max() else {
        return FOLDERS.iter().any(|folder| wanted.starts_with(folder)).then_some(file);
    };
    let known = template.volumes.iter().find(|one| one.name == volume)?;
    // A mount may show a folder of the volume only (subPath), or this one file.
    let here = |path: &str| path == rest || path.ends_with(&format!("/{rest}"));
    let other = !rest.is_empty() && !known.tokens.is_empty() && !known.tokens.iter().any(|token| here(&token.path));
    (other && known.secrets.is_empty()).then_some(file)
}

impl Judgement<'_> {
    /// The link "the token's file is there", where it is not: in the container that the answer is about, else in another
    /// one that takes this way. The variables alone may have been written by hand.
    pub(super) fn token_file_link(&mut self, id: &'static str, name: &str, way: Way) {
        let pod = self.workload.pod.seen().is_some();
        let Some((template, _)) = self.template().filter(|_| pod) else { return };
        let main = self.main();
        let mut lacking = Vec::new();
        for (container, at) in self.containers() {
            // One with a credentials endpoint of its own asks no agent.
            if self.way(container) == way
                && (way != Way::Container || asks_agent(container))
                && let Some(file) = unmounted(template, container, name)
            {
                lacking.push((container, at, file));
            }
        }
        if lacking.is_empty() {
            return;
        }
        let of_main = lacking.iter().position(|(container, ..)| Some(*container) == main);
        let (container, at, file) = lacking.swap_remove(of_main.unwrap_or(0));
        let seen =
            format!("container {} has {name}={file}, and no volume with that token is mounted there", container.name);
        self.push(id, false, "a projected token where the variable says", seen, at);
    }

    /// The Pod has the variables of this way in some container.
    pub fn has(&self, name: &str) -> bool {
        self.containers().iter().any(|(container, _)| variable(container, name).is_some())
    }
}
