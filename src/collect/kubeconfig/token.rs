//! Tokens and passwords: `token`, `tokenFile`, user name and password of the entry, and `--token`.

use std::path::PathBuf;

use super::file::{Entry, RawUser};
use super::user::Refused;
use super::{Loader, UserSecrets};
use crate::evidence::credential::CredentialSource;
use crate::evidence::{Failure, FailureKind};
use crate::secret::Secret;

impl Loader<'_> {
    /// `token`, `tokenFile`, user name and password of the entry.
    pub(super) fn add_token_and_basic(
        &mut self,
        entry: &Entry<RawUser>,
        secrets: &mut UserSecrets,
        refused: &mut Refused,
    ) {
        let (user, name) = (&entry.value, entry.name.as_str());
        // client-go puts a token flag into the entry before it looks at it.
        let by_flag = self.flags.token.as_ref().is_some_and(|token| !token.expose().is_empty());
        let has_token = by_flag || !user.token.is_empty();
        if user.has_basic() && (has_token || !user.token_file.is_empty()) {
            let detail = if !has_token {
                "username/password or bearer token may be set, but not both".to_owned()
            } else {
                format!(
                    "more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
                )
            };
            let failure =
                Failure::new(FailureKind::Malformed, detail).sides("one way to authenticate", "token and basic");
            refused.push(("several-credentials", failure, user.line("username").or_else(|| user.line("password"))));
        }
        if !user.token.is_empty() {
            if user.token.chars().any(|c| c.is_whitespace() || c.is_control()) {
                let detail = format!(
                    "the token of user \"{name}\" holds white space or a line break; Go refuses it: net/http: invalid header field value for \"Authorization\""
                );
                self.user_problem("token-has-whitespace", detail, entry, "token");
            }
            secrets.token = Some(Secret::new(user.token.clone()));
            secrets.source = CredentialSource::Token;
        }
        if !user.token_file.is_empty() {
            // client-go reads the file again and again; what it holds wins over `token`.
            secrets.token_file = Some(PathBuf::from(&user.token_file));
            secrets.source = CredentialSource::TokenFile;
        }
        if user.has_basic() {
            secrets.basic = Some((user.username.clone(), Secret::new(user.password.clone())));
            if secrets.source == CredentialSource::None {
                secrets.source = CredentialSource::Basic;
                if self.flags.username.is_some() || self.flags.password.is_some() {
                    "--username and --password".clone_into(&mut secrets.origin);
                }
            }
        }
    }

    /// The entry with `--username` and `--password` in the place of its own, where they are given.
    pub(super) fn with_basic_flags(&self, entry: &Entry<RawUser>) -> Option<Entry<RawUser>> {
        let flags = self.flags;
        if flags.username.is_none() && flags.password.is_none() {
            return None;
        }
        let mut entry = entry.clone();
        if let Some(name) = &flags.username {
            entry.value.username.clone_from(name);
        }
        if let Some(password) = &flags.password {
            password.expose().clone_into(&mut entry.value.password);
        }
        Some(entry)
    }

    /// `--token`, in the place of the entry's own token. What its tokenFile holds goes before both, as in client-go.
    pub(super) fn add_token_flag(&mut self, entry: &Entry<RawUser>, secrets: &mut UserSecrets) {
        let flags = self.flags;
        let Some(token) = flags.token.as_ref().filter(|token| !token.expose().is_empty()) else { return };
        secrets.token = Some(token.clone());
        secrets.token_by_flag = true;
        secrets.basic = None;
        if entry.value.token_file.is_empty() {
            secrets.source = CredentialSource::Flag;
            secrets.origin = "--token".to_owned();
        } else {
            let detail =
                format!("what tokenFile of user \"{}\" holds is sent, as kubectl does, and --token is not", entry.name);
            self.user_problem("token-flag-beside-token-file", detail, entry, "tokenFile");
        }
        if !secrets.methods.iter().any(|method| method == "token") {
            secrets.methods.insert(0, "token".to_owned());
        }
    }
}
