//! Whom requests act as, by flags or entry, and what kubectl says of it.

use std::collections::BTreeMap;

use super::file::{Entry, RawUser};
use super::user::Refused;
use super::{Impersonation, Loader, set, some};
use crate::evidence::{Failure, FailureKind};

impl Impersonation {
    /// The extra attributes as evidence: each key with its values. The API server reads keys in lower case.
    pub(super) fn extra_by_key(&self, clean: impl Fn(&str) -> String) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in &self.extra {
            all.entry(clean(&key.to_lowercase())).or_default().push(clean(value));
        }
        all
    }
}

impl Loader<'_> {
    pub(super) fn impersonation(&self, user: &RawUser) -> Impersonation {
        let flags = self.flags;
        let mut extra = user.impersonate_extra.clone();
        extra.retain(|(key, _)| !flags.impersonate_extra.iter().any(|(other, _)| other == key));
        extra.extend(flags.impersonate_extra.iter().cloned());
        Impersonation {
            user: set(&flags.impersonate).map(str::to_owned).or_else(|| some(&user.impersonate)),
            uid: set(&flags.impersonate_uid).map(str::to_owned).or_else(|| some(&user.impersonate_uid)),
            groups: if flags.impersonate_groups.is_empty() {
                user.impersonate_groups.clone()
            } else {
                flags.impersonate_groups.clone()
            },
            extra,
        }
    }

    pub(super) fn judge_impersonation(&mut self, entry: &Entry<RawUser>, refused: &mut Refused) {
        let (user, name) = (&entry.value, entry.name.as_str());
        if set(&self.flags.impersonate).is_some() {
            return;
        }
        if user.impersonate.is_empty()
            && (!user.impersonate_uid.is_empty()
                || !user.impersonate_groups.is_empty()
                || !user.impersonate_extra.is_empty())
        {
            let detail = format!("requesting uid, groups or user-extra for {name} without impersonating a user");
            let line = user.line("as-groups").or_else(|| user.line("as-uid")).or_else(|| user.line("as-user-extra"));
            refused.push(("default-impersonation", Failure::new(FailureKind::Malformed, detail), line));
        }
        if !user.impersonate.is_empty() {
            let detail = format!(
                "every request of user \"{name}\" acts as \"{}\" (`as` in the entry)",
                self.scrubber.text(&user.impersonate)
            );
            self.user_problem("default-impersonation", detail, entry, "as");
        }
    }
}
