//! Links of a chain: how one is written down, and those that every chain has, a role and its trust policy.

use super::super::trust::{self, Assuming, Verdict};
use super::Judgement;
use super::seen::{absent, unseen};
use crate::evidence::Outcome;

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Stable id.
    pub id: &'static str,
    /// It holds, it does not, or that could not be looked at.
    pub ok: Option<bool>,
    /// What should be there.
    pub expected: String,
    /// What is there, or why it is not known.
    pub seen: String,
    /// Pointer to it in the evidence.
    pub at: String,
    /// The right that was missing.
    pub needs: Option<String>,
}

impl<'a> Judgement<'a> {
    /// The link of this id, where it does not hold.
    pub fn broken(&self, id: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.id == id && link.ok == Some(false))
    }

    /// A link that holds or does not.
    pub(super) fn push(
        &mut self,
        id: &'static str,
        ok: bool,
        expected: impl Into<String>,
        seen: impl Into<String>,
        at: impl Into<String>,
    ) {
        self.links.push(Link {
            id,
            ok: Some(ok),
            expected: expected.into(),
            seen: seen.into(),
            at: at.into(),
            needs: None,
        });
    }

    /// A link that could not be looked at, why, and the right that was missing.
    pub(super) fn unknown(
        &mut self,
        id: &'static str,
        expected: impl Into<String>,
        why: (String, Option<String>),
        at: impl Into<String>,
    ) {
        let (seen, needs) = why;
        self.links.push(Link { id, ok: None, expected: expected.into(), seen, at: at.into(), needs });
    }

    /// The pointer to a role's look.
    pub fn role_at(&self, named: &str) -> String {
        self.role_look(named).map_or_else(|| "/workload/roles".to_owned(), |(_, at)| at)
    }

    /// The link "the role exists", and its trust policy.
    pub(super) fn role_link(&mut self, id: &'static str, named: &str) -> Option<&'a str> {
        let Some((look, at)) = self.role_look(named) else {
            self.unknown(id, named, ("it was not looked up".to_owned(), None), "/workload/roles");
            return None;
        };
        match &look.role.outcome {
            Outcome::Seen(role) => {
                self.push(id, true, named, role.arn.clone(), format!("{at}/seen/arn"));
                Some(&role.trust_policy)
            }
            _ if absent(&look.role) => {
                self.push(id, false, named, "IAM has no role of that name", format!("{at}/failed"));
                None
            }
            _ => {
                self.unknown(id, named, unseen(&look.role), at);
                None
            }
        }
    }

    /// The link "this role may assume that one".
    pub(super) fn assume(
        &mut self,
        id: &'static str,
        policy: &str,
        asking: &Assuming<'_>,
        expected: String,
        at: String,
    ) {
        self.trusted(id, trust::judge_role(policy, asking), expected, at);
    }

    /// The link "the trust policy lets this in", by the policy's word.
    pub(super) fn trusted(&mut self, id: &'static str, verdict: Verdict, expected: String, at: String) {
        match verdict {
            Verdict::Allowed(index) => {
                self.push(id, true, expected, format!("statement {} of the trust policy allows it", index + 1), at);
            }
            Verdict::Denied(index) => {
                self.push(id, false, expected, format!("statement {} of the trust policy denies it", index + 1), at);
            }
            Verdict::NotAllowed(misses) => {
                let said: Vec<String> = misses.iter().map(|miss| miss.expected.clone()).collect();
                let seen = if said.is_empty() {
                    "no statement allows anything".to_owned()
                } else {
                    format!("only {}", said.join(" and "))
                };
                self.push(id, false, expected, seen, at);
            }
            Verdict::Undecided(reasons) => {
                self.unknown(id, expected, (format!("it depends on {}", reasons.join(", ")), None), at);
            }
            Verdict::Malformed(reason) => self.push(id, false, expected, reason, at),
        }
    }
}
