//! What of a kubeconfig is secret: the scrubber learns it before anything is shown.

use std::path::Path;

use base64::Engine as _;

use super::file::{Entry, RawConfig, RawUser};
use super::{Loader, set};
use crate::secret::{REDACTED, Scrubber};

/// The secrets of all users are given to the scrubber up to this many users; beyond it only the chosen user's, because
/// every further secret makes scrubbing slower.
const MOST_LEARNT: usize = 100;

impl Loader<'_> {
    pub(super) fn learn_users(&self, users: &[Entry<RawUser>]) {
        for entry in users.iter().take(MOST_LEARNT) {
            self.learn_user(&entry.value);
        }
    }

    /// What this process was given to keep for itself: a plugin inherits it, and plugins print what they got.
    pub(super) fn learn_environment(&self) {
        for (name, value) in &self.host.env {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str())
                && names_secret(name)
                && !is_setting(name, value)
            {
                self.scrubber.learn(value);
            }
        }
    }

    /// Tokens that stand where names belong.
    pub(super) fn learn_names(&self, merged: &RawConfig) {
        let flags = self.flags;
        let chosen =
            [set(&flags.context), set(&flags.cluster), set(&flags.user), Some(merged.current_context.as_str())];
        let contexts = merged.contexts.iter().take(MOST_LEARNT);
        let contexts = contexts.flat_map(|entry| [&entry.name, &entry.value.cluster, &entry.value.user]);
        let clusters = merged.clusters.iter().take(MOST_LEARNT).map(|entry| &entry.name);
        let users = merged.users.iter().take(MOST_LEARNT).map(|entry| &entry.name);
        let entries = contexts.chain(clusters).chain(users).map(String::as_str);
        chosen.into_iter().flatten().chain(entries).for_each(|name| self.scrubber.learn_misplaced(name));
    }

    pub(super) fn learn_user(&self, user: &RawUser) {
        let learn = |text: &str| self.scrubber.learn(text);
        for path in [&user.token_file, &user.client_certificate, &user.client_key] {
            let file = Path::new(path).file_name().unwrap_or_default();
            self.scrubber.learn_misplaced(&file.to_string_lossy());
        }
        learn(&user.token);
        learn(&user.password);
        if !user.client_key_data.is_empty() {
            learn(&base64::engine::general_purpose::STANDARD.encode(&user.client_key_data));
            learn(&String::from_utf8_lossy(&user.client_key_data));
        }
        if let Some((_, config)) = &user.auth_provider {
            for (key, value) in config {
                if ["token", "secret", "password", "key"].iter().any(|word| key.to_ascii_lowercase().contains(word)) {
                    learn(value);
                }
            }
        }
        if let Some(exec) = &user.exec {
            for (name, value) in &exec.env {
                // What a plugin is given in its environment may be a secret under any name, and plugins print what they got.
                if names_secret(name) || !is_setting(name, value) {
                    learn(value);
                }
            }
            arguments(&exec.args).filter_map(|argument| argument.secret()).for_each(learn);
        }
    }
}

/// Whether a flag's or variable's name says that its value is a secret. Names of files, folders and stores are not.
pub(super) fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let harmless = ["-file", "-dir", "-path", "-storage", "-key-id", "-url", "-endpoint", "-duration", "-ttl"];
    ["secret", "password", "passwd", "passphrase", "token", "key", "credential"].iter().any(|word| name.contains(word))
        && !harmless.iter().any(|end| name.ends_with(end))
}

/// Whether a variable only sets something, by its name or by what it is set to: those may be told.
fn is_setting(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = [
        "profile",
        "region",
        "proxy",
        "file",
        "dir",
        "path",
        "home",
        "url",
        "uri",
        "endpoint",
        "endpoints",
        "config",
        "mode",
        "environment",
        "env",
        "_id",
        "name",
        "arn",
        "level",
        "cluster",
        "timeout",
        "lang",
        "version",
        "account",
        "project",
        "tenant",
        "host",
        "method",
        "user",
        "issuer",
        "scope",
        "scopes",
        "format",
        "command",
    ];
    let plain = value.len() < 8
        || value.starts_with(['/', '~', '.'])
        || value.bytes().all(|byte| byte.is_ascii_digit())
        || value.contains("://") && !value.contains('@');
    plain || ends.iter().any(|end| name.ends_with(end))
}

/// An argument of a plugin, by what of it is secret.
enum Argument<'a> {
    /// Nothing.
    Open(&'a str),
    /// What stands behind the `=` of a flag that names a secret.
    Assigned { flag: &'a str, value: &'a str },
    /// All of it: it stands behind such a flag.
    Value(&'a str),
}

impl<'a> Argument<'a> {
    fn secret(&self) -> Option<&'a str> {
        match *self {
            Self::Open(_) => None,
            Self::Assigned { value, .. } | Self::Value(value) => Some(value),
        }
    }
}

fn arguments(args: &[String]) -> impl Iterator<Item = Argument<'_>> {
    let mut after_secret = false;
    args.iter().map(move |arg| {
        let is_value = std::mem::take(&mut after_secret);
        if !arg.starts_with('-') {
            return if is_value { Argument::Value(arg) } else { Argument::Open(arg) };
        }
        match arg.split_once('=') {
            Some((flag, value)) if names_secret(&flag[1..]) => Argument::Assigned { flag, value },
            Some(_) => Argument::Open(arg),
            None => {
                after_secret = names_secret(&arg[1..]);
                Argument::Open(arg)
            }
        }
    })
}

/// Arguments fit for evidence: values of secret-looking flags redacted in both spellings, the rest scrubbed.
pub fn scrub_args(args: &[String], scrubber: &Scrubber) -> Vec<String> {
    let scrubbed = arguments(args).map(|argument| match argument {
        Argument::Open(text) => scrubber.text(text),
        Argument::Assigned { flag, .. } => format!("{}={REDACTED}", scrubber.text(flag)),
        Argument::Value(_) => REDACTED.to_owned(),
    });
    scrubbed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_lose_their_secrets_in_both_spellings() {
        let scrubber = Scrubber::default();
        let args: Vec<String> = [
            "get-token",
            "--oidc-client-secret=CANARY1",
            "--oidc-client-secret",
            "CANARY2",
            "--oidc-issuer-url=https://i/realms/x",
            "--password",
            "CANARY3",
            "--token-cache-dir",
            "/tmp/x",
            "--api-key=CANARY4",
            "-v1",
        ]
        .map(str::to_owned)
        .to_vec();
        let shown = scrub_args(&args, &scrubber);
        assert_eq!(
            shown,
            [
                "get-token",
                "--oidc-client-secret=[redacted]",
                "--oidc-client-secret",
                "[redacted]",
                "--oidc-issuer-url=https://i/realms/x",
                "--password",
                "[redacted]",
                "--token-cache-dir",
                "/tmp/x",
                "--api-key=[redacted]",
                "-v1",
            ]
        );
    }
}
