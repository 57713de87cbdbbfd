//! Which context, cluster and user kubectl takes, and its words where one is not there (client_config.go).

use super::file::{Entry, RawCluster, RawConfig, RawContext, RawUser};
use super::{Loader, set};
use crate::evidence::{Failure, FailureKind};
use crate::text::nearest;

/// What is taken of a merged kubeconfig under the flags: the names, and the entries of these names that are there.
pub(super) struct Chosen<'m> {
    pub(super) context: Option<&'m Entry<RawContext>>,
    pub(super) cluster_name: Option<&'m str>,
    pub(super) cluster: Option<&'m Entry<RawCluster>>,
    pub(super) user_name: Option<&'m str>,
    pub(super) user: Option<&'m Entry<RawUser>>,
    pub(super) namespace: Option<String>,
}

impl<'a> Loader<'a> {
    /// Chooses, and writes down context and namespace. Only what a flag names must be there already.
    pub(super) fn choose<'m>(&mut self, merged: &'m RawConfig) -> Result<Chosen<'m>, Failure>
    where
        'a: 'm,
    {
        let context = self.choose_context(merged)?;
        // First: a refusal names it too.
        self.seen.context = context.map(|entry| self.scrubber.known_only(&entry.name));
        let flags = self.flags;
        let cluster_name =
            set(&flags.cluster).or(context.map(|c| c.value.cluster.as_str()).filter(|name| !name.is_empty()));
        let user_name = set(&flags.user).or(context.map(|c| c.value.user.as_str()).filter(|name| !name.is_empty()));
        let cluster = cluster_name.and_then(|name| find(&merged.clusters, name));
        let user = user_name.and_then(|name| find(&merged.users, name));
        if let (Some(name), None) = (set(&flags.cluster), cluster) {
            let detail = format!("cluster \"{name}\" does not exist");
            let failure = missing(FailureKind::ClusterNotFound, detail, name, &merged.clusters);
            return Err(self.refuse("context-cluster-missing", failure, None, None));
        }
        if let (Some(name), None) = (set(&flags.user), user) {
            let failure =
                missing(FailureKind::UserNotFound, format!("auth info \"{name}\" does not exist"), name, &merged.users);
            return Err(self.refuse("context-user-missing", failure, None, None));
        }

        let namespace = set(&flags.namespace)
            .or(context.map(|c| c.value.namespace.as_str()).filter(|name| !name.is_empty()))
            .map(str::to_owned);
        self.seen.context_named = set(&flags.context).is_some_and(|name| merged.current_context != name);
        self.seen.namespace = namespace.clone().unwrap_or_else(|| "default".to_owned());
        Ok(Chosen { context, cluster_name, cluster, user_name, user, namespace })
    }

    fn choose_context<'m>(&mut self, merged: &'m RawConfig) -> Result<Option<&'m Entry<RawContext>>, Failure> {
        let wanted = set(&self.flags.context).or(Some(merged.current_context.as_str()).filter(|name| !name.is_empty()));
        let Some(name) = wanted else { return Ok(None) };
        if let Some(entry) = find(&merged.contexts, name) {
            return Ok(Some(entry));
        }
        let mut detail = format!("context was not found for specified context: {name}");
        if let Some(near) = nearest(name, merged.contexts.iter().map(|entry| entry.name.as_str())) {
            detail.push_str(&format!(" (did you mean \"{near}\"?)"));
        }
        let failure = missing(FailureKind::ContextNotFound, detail, name, &merged.contexts);
        let mut failure = self.refuse("context-not-found", failure, None, None);
        if let Some(fault) = &mut failure.fault {
            fault.flag = set(&self.flags.context).is_some();
        }
        Err(failure)
    }

    /// Refuses where the context names a user that is not there: kubectl asks for user name and password.
    pub(super) fn demand_user(&mut self, merged: &RawConfig, chosen: &Chosen<'_>) -> Result<(), Failure> {
        let credential_given = self.flags.token.is_some()
            || self.flags.username.is_some()
            || self.flags.password.is_some()
            || self.flags.client_certificate.is_some();
        if let (Some(name), None, false) = (chosen.user_name, chosen.user, credential_given) {
            let of = chosen.context.map(|entry| entry.name.clone()).unwrap_or_default();
            let detail = format!(
                "user \"{name}\" was not found for context \"{of}\"; kubectl would ask `Please enter Username:`"
            );
            let failure = missing(FailureKind::UserNotFound, detail, name, &merged.users);
            let (file, line) = chosen.context.map(|entry| (entry.file.clone(), entry.line)).unzip();
            return Err(self.refuse("context-user-missing", failure, file, line));
        }
        Ok(())
    }

    /// Why there is no server, where kubectl goes to localhost:8080.
    pub(super) fn no_server(&mut self, merged: &RawConfig, chosen: &Chosen<'_>) -> Failure {
        const FALLS_BACK: &str = "kubectl would fall back to http://localhost:8080";
        let &Chosen { context, cluster_name, cluster, .. } = chosen;
        let (file, line) = context.map(|entry| (entry.file.clone(), entry.line)).unzip();
        if let (Some(name), Some(entry)) = (cluster_name, cluster) {
            let detail = format!("no server found for cluster \"{name}\"; {FALLS_BACK}");
            let failure = Failure::new(FailureKind::Malformed, detail);
            return self.refuse("kubeconfig-unparsable", failure, Some(entry.file.clone()), Some(entry.line));
        }
        if let (Some(context), Some(name)) = (context, cluster_name) {
            let detail = format!("cluster \"{name}\" was not found for context \"{}\"; {FALLS_BACK}", context.name);
            let failure = missing(FailureKind::ClusterNotFound, detail, name, &merged.clusters);
            return self.refuse("context-cluster-missing", failure, file, line);
        }
        if let Some(context) = context {
            let detail = format!("cluster was not specified for context \"{}\"; {FALLS_BACK}", context.name);
            let failure = missing(FailureKind::ClusterNotFound, detail, "", &merged.clusters);
            return self.refuse("context-cluster-missing", failure, file, line);
        }
        if !merged.contexts.is_empty() {
            let detail = format!("current-context is not set; {FALLS_BACK}");
            let failure = missing(FailureKind::ContextUnset, detail, "", &merged.contexts);
            let file = self.seen.files.iter().find(|file| file.state == "read").map(|file| file.path.clone());
            return self.refuse("current-context-unset", failure, file, None);
        }
        let detail = format!("no kubeconfig found; looked at {}; {FALLS_BACK}", self.places().join(", "));
        let mut failure = Failure::new(FailureKind::NotFound, detail);
        if self.seen.files.iter().any(|file| file.path.starts_with('~')) {
            failure = failure.needs("a path without `~` in KUBECONFIG: only an unquoted `~` is expanded, by the shell");
        }
        // In a Pod, where nobody named a file, it is the service account's token that is missed.
        let in_pod =
            ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"].iter().all(|name| self.host.var(name).is_some());
        let named = self.flags.kubeconfig.is_some() || self.host.var("KUBECONFIG").is_some_and(|list| !list.is_empty());
        let code = if in_pod && !named { "service-account-token-not-mounted" } else { "kubeconfig-not-found" };
        self.refuse(code, failure, None, None)
    }

    /// Where a server was looked for, and what was found instead.
    fn places(&self) -> Vec<String> {
        let mut places: Vec<String> = self
            .seen
            .files
            .iter()
            .map(|file| match file.state.as_str() {
                "read" => format!("{} (holds no context)", file.path),
                state => format!("{} ({state})", file.path),
            })
            .collect();
        if self.host.home.is_none() && self.host.var("KUBECONFIG").is_none() {
            places.push("~/.kube/config (there is no home directory)".to_owned());
        }
        places.push(if self.host.var("KUBERNETES_SERVICE_HOST").is_some() {
            format!("the Pod's service account ({}/token is not there)", self.service_account.display())
        } else {
            "a Pod's service account (KUBERNETES_SERVICE_HOST is not set)".to_owned()
        });
        places
    }
}

fn find<'e, T>(entries: &'e [Entry<T>], name: &str) -> Option<&'e Entry<T>> {
    entries.iter().find(|entry| entry.name == name)
}

fn missing<T>(kind: FailureKind, detail: String, name: &str, entries: &[Entry<T>]) -> Failure {
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).take(50).collect();
    let expected = match names.join(", ") {
        _ if names.is_empty() => "an entry (there is none)".to_owned(),
        some if entries.len() > names.len() => format!("one of: {some}, … ({} in all)", entries.len()),
        all => format!("one of: {all}"),
    };
    Failure::new(kind, detail).sides(expected, if name.is_empty() { "none" } else { name })
}
