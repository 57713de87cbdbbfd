//! The user entry: its ways to authenticate, in client-go's order, and why kubectl would not start with it.

use super::file::{Entry, RawCluster, RawUser};
use super::secrets::scrub_args;
use super::{Impersonation, Loader, UserSecrets, some};
use crate::evidence::Failure;
use crate::evidence::credential::CredentialSource;
use crate::evidence::kubeconfig::{Exec, Fault, UserEntry};

/// What kubectl would not start with, in the user entry: the finding's code, kubectl's words and the line.
pub(super) type Refused = Vec<(&'static str, Failure, Option<u64>)>;

impl Loader<'_> {
    /// The user's ways to authenticate, in client-go's order. What it refuses is kept as [`UserSecrets::failure`].
    pub(super) fn user(&mut self, entry: &Entry<RawUser>, cluster: &RawCluster) -> (UserSecrets, Impersonation) {
        let with_flags = self.with_basic_flags(entry);
        let entry = with_flags.as_ref().unwrap_or(entry);
        let user = &entry.value;
        self.learn_user(user);
        let impersonation = self.impersonation(user);
        let methods: Vec<String> = methods(user).into_iter().map(str::to_owned).collect();
        self.seen.user = Some(self.user_entry(entry, &methods, &impersonation));
        let mut secrets = UserSecrets {
            name: entry.name.clone(),
            origin: if entry.name.is_empty() {
                "no user entry".to_owned()
            } else {
                format!("user \"{}\" in {}", self.scrubber.known_only(&entry.name), entry.file)
            },
            methods,
            ..UserSecrets::default()
        };
        let mut refused = Refused::new();
        self.judge_impersonation(entry, &mut refused);
        self.add_token_and_basic(entry, &mut secrets, &mut refused);
        self.add_token_flag(entry, &mut secrets);
        self.add_certificate(entry, &mut secrets, &mut refused);
        self.add_auth_provider(entry, &mut secrets, &mut refused);
        self.add_exec(entry, cluster, &mut secrets, &mut refused);
        secrets.failure = self.refuse_user(entry, refused);
        (secrets, impersonation)
    }

    /// The entry as evidence.
    fn user_entry(&self, entry: &Entry<RawUser>, methods: &[String], impersonation: &Impersonation) -> UserEntry {
        UserEntry {
            name: self.scrubber.known_only(&entry.name),
            file: entry.file.clone(),
            methods: methods.to_vec(),
            exec: entry.value.exec.as_ref().map(|exec| Exec {
                command: self.scrubber.text(&exec.command),
                args: scrub_args(&exec.args, self.scrubber),
                env: exec.env.iter().map(|(name, _)| self.scrubber.text(name)).collect(),
                api_version: self.scrubber.text(&exec.api_version),
                install_hint: some(&self.scrubber.text_limited(&exec.install_hint, 2_000)),
                interactive_mode: some(&self.scrubber.text(&exec.interactive_mode)),
            }),
            impersonate: impersonation.user.as_deref().map(|user| self.scrubber.known_only(user)),
            impersonate_groups: impersonation.groups.iter().map(|group| self.scrubber.known_only(group)).collect(),
            impersonate_uid: impersonation.uid.as_deref().map(|uid| self.scrubber.known_only(uid)),
            impersonate_extra: impersonation.extra_by_key(|text| self.scrubber.text(text)),
        }
    }

    /// Notes each refusal as a problem; kubectl stops at the first.
    fn refuse_user(&mut self, entry: &Entry<RawUser>, refused: Refused) -> Option<Failure> {
        let mut first = None;
        for (code, mut failure, line) in refused {
            let file = some(&entry.file);
            failure.detail = self.scrubber.known_only(&failure.detail);
            self.problem(code, failure.detail.clone(), file.clone(), line);
            failure.fault = Some(Box::new(Fault {
                code: code.to_owned(),
                // It stops no loading, which tells the context itself.
                context: None,
                entry: some(&self.scrubber.known_only(&entry.name)),
                file,
                line,
                flag: false,
            }));
            if first.is_none() {
                first = Some(failure);
            }
        }
        first
    }

    /// client-go reads no credential at all for a server without TLS.
    pub(super) fn withhold(&mut self, secrets: &mut UserSecrets) {
        if secrets.source == CredentialSource::None {
            return;
        }
        let detail =
            "the server URL is http, so kubectl sends no credential at all: requests go as system:anonymous".to_owned();
        self.problem(
            "server-url-wrong-scheme",
            detail,
            self.seen.cluster.as_ref().map(|cluster| cluster.file.clone()),
            None,
        );
        *secrets = UserSecrets {
            name: std::mem::take(&mut secrets.name),
            origin: format!("{}, withheld because the server URL is http", secrets.origin),
            source: CredentialSource::None,
            methods: std::mem::take(&mut secrets.methods),
            ..UserSecrets::default()
        };
    }
}

/// The ways to authenticate that an entry holds, in the evidence's words.
fn methods(user: &RawUser) -> Vec<&'static str> {
    [
        (!user.token.is_empty(), "token"),
        (!user.token_file.is_empty(), "tokenFile"),
        (user.has_certificate(), "clientCertificate"),
        (user.exec.is_some(), "exec"),
        (user.has_basic(), "basic"),
        (user.auth_provider.is_some(), "authProvider"),
    ]
    .into_iter()
    .filter_map(|(there, method)| there.then_some(method))
    .collect()
}
