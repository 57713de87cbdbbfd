//! The annotations by which roles are given: of a service account to IRSA, of a Pod and its namespace to kiam and kube2iam.

use super::Judgement;
use crate::evidence::workload::{flag, is_kept};

/// Annotation of a service account: the role by IRSA.
pub const IRSA: &str = "eks.amazonaws.com/role-arn";
/// Annotation of a Pod: the role by kiam or kube2iam.
pub const IAM_ROLE: &str = "iam.amazonaws.com/role";
/// Annotation of a Pod: the external id for kiam and kube2iam.
pub const EXTERNAL_ID: &str = "iam.amazonaws.com/external-id";
/// Annotation of a namespace: the roles that kiam may give there.
pub const KIAM_PERMITTED: &str = "iam.amazonaws.com/permitted";
/// Annotation of a namespace: the roles that kube2iam may give there.
pub const KUBE2IAM_ALLOWED: &str = "iam.amazonaws.com/allowed-roles";

/// The annotations that kube2iam reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys<'a> {
    /// Of a Pod: its role.
    pub role: &'a str,
    /// Of a Pod: its external id.
    pub external_id: &'a str,
    /// Of a namespace: the roles allowed there.
    pub allowed: &'a str,
}

impl<'a> Judgement<'a> {
    /// The service account's role by IRSA.
    pub fn annotated(&self) -> Option<&'a str> {
        let account = self.workload.service_account.seen()?;
        // The webhook takes it as it stands, blanks and all.
        account.annotations.get(IRSA).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// The Pod's role by kiam or kube2iam.
    pub fn iam_role(&self) -> Option<&'a str> {
        self.annotation(self.role_key())
    }

    /// An annotation of the Pod, where it is there and says something.
    pub(super) fn annotation(&self, key: &str) -> Option<&'a str> {
        let (template, _) = self.template()?;
        template.annotations.get(key).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The annotation of a Pod by which whoever answers it knows its role.
    pub fn role_key(&self) -> &'a str {
        if self.by_kube2iam() { self.kube2iam_keys().role } else { IAM_ROLE }
    }

    /// The Pod's external id for kiam or kube2iam.
    pub fn external_id(&self) -> Option<&'a str> {
        self.template()?.0.annotations.get(self.external_id_key()).map(String::as_str)
    }

    /// The annotation of a Pod by which whoever answers it knows its external id.
    pub fn external_id_key(&self) -> &'a str {
        if self.by_kube2iam() { self.kube2iam_keys().external_id } else { EXTERNAL_ID }
    }

    /// It is kube2iam whose annotations count: it answers the Pod, or nobody of kiam runs.
    fn by_kube2iam(&self) -> bool {
        match self.caught_by() {
            Some(agent) => agent == "kube2iam",
            None => self.agent("kiam-agent").is_none() && self.agent("kiam-server").is_none(),
        }
    }

    /// The annotations that kube2iam reads: its flags may name others than the usual ones.
    pub fn kube2iam_keys(&self) -> Keys<'a> {
        let args = self.args("kube2iam");
        let key = |name: &str, usual: &'static str| flag(args, name).filter(|key| !key.is_empty()).unwrap_or(usual);
        Keys {
            role: key("--iam-role-key", IAM_ROLE),
            external_id: key("--iam-external-id", EXTERNAL_ID),
            allowed: key("--namespace-key", KUBE2IAM_ALLOWED),
        }
    }

    /// kube2iam reads the Pod's role from an annotation that kaccess keeps of no object.
    pub(super) fn unread_role(&self) -> Option<&'a str> {
        let key = self.kube2iam_keys().role;
        (self.agent("kube2iam").is_some() && self.template().is_some() && !is_kept(key)).then_some(key)
    }
}
