//! Which authorizers an API server asks, by its flags.
//!
//! Source: Kubernetes' `pkg/kubeapiserver/authorizer` (the modes and the file of each). Those of the file that
//! `--authorization-config` names are not known here.

use crate::evidence::apiserver::Flags;

/// What decides where RBAC is not among the authorizers: no role and no binding changes an answer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// `--authorization-mode`, in the order in which they are asked.
    pub modes: String,
    /// Each in words, with where its policy stands.
    pub decides: String,
}

impl Instead {
    /// The same in sentences.
    pub fn sentence(&self) -> String {
        format!(
            "RBAC is not among the API server's authorizers (--authorization-mode={}), so no role and no binding changes the answer. What decides is {}.",
            self.modes, self.decides
        )
    }
}

/// The values of a flag.
fn values<'f>(flags: &'f Flags, name: &str) -> &'f [String] {
    flags.flags.get(name).map(Vec::as_slice).unwrap_or_default()
}

/// The modes, in the order in which they are asked; none where the flags do not tell them.
fn modes(flags: &Flags) -> Vec<&str> {
    if values(flags, "authorization-config").iter().any(|file| !file.is_empty()) {
        return Vec::new();
    }
    values(flags, "authorization-mode")
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|mode| !mode.is_empty())
        .collect()
}

/// Whether the flags say that RBAC alone decides, for kubelets beside the Node authorizer.
pub fn is_rbac_alone(flags: &Flags) -> bool {
    let modes = modes(flags);
    modes.contains(&"RBAC") && modes.iter().all(|mode| ["RBAC", "Node"].contains(mode))
}

/// What decides instead of RBAC. `None` where RBAC is asked, and where the flags do not tell the modes.
pub fn instead_of_rbac(flags: &Flags) -> Option<Instead> {
    let modes = modes(flags);
    if modes.is_empty() || modes.contains(&"RBAC") {
        return None;
    }
    // Of a flag that is given twice the last one counts.
    let file = |flag: &str| match values(flags, flag).last() {
        Some(file) => format!("{file} (--{flag})"),
        None => format!("the file of --{flag}"),
    };
    let decides = |mode: &&str| match *mode {
        "ABAC" => format!(
            "ABAC, by the lines of {} on the control plane, which the API server reads when it starts",
            file("authorization-policy-file")
        ),
        "Webhook" => format!("the service in {}, by its own rules", file("authorization-webhook-config-file")),
        "Node" => "the Node authorizer, for kubelets alone".to_owned(),
        "AlwaysAllow" => "AlwaysAllow, which lets everybody do everything".to_owned(),
        "AlwaysDeny" => "AlwaysDeny, which lets nobody do anything".to_owned(),
        other => other.to_owned(),
    };
    let decides: Vec<String> = modes.iter().map(decides).collect();
    Some(Instead { modes: modes.join(","), decides: decides.join("; then ") })
}

/// Authorizers that are asked beside RBAC, so that roles and bindings alone do not tell an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Which, in words, with the flag that says so.
    pub who: String,
    /// One of them may deny before RBAC is asked; else they can only allow more.
    pub may_deny: bool,
    /// RBAC itself may be missing among them: the file that names them is not known.
    pub in_a_file: bool,
}

/// Who is asked beside RBAC, the Node authorizer apart. `None` where nobody is, where RBAC is not asked
/// ([`instead_of_rbac`]), and where the flags do not tell.
pub fn beside_rbac(flags: &Flags) -> Option<Beside> {
    if let Some(file) = values(flags, "authorization-config").iter().rfind(|file| !file.is_empty()) {
        return Some(Beside {
            who: format!("the authorizers of {file} (--authorization-config), which cannot be read from here,"),
            may_deny: true,
            in_a_file: true,
        });
    }
    let modes = modes(flags);
    let rbac = modes.iter().position(|mode| *mode == "RBAC")?;
    let others: Vec<&str> = modes.iter().copied().filter(|mode| !["RBAC", "Node"].contains(mode)).collect();
    // Of all modes a webhook alone can deny outright; a no of the others leaves it to the next.
    let may_deny = modes[..rbac].contains(&"Webhook");
    (!others.is_empty()).then(|| Beside {
        who: format!("{} (--authorization-mode={})", others.join(" and "), modes.join(",")),
        may_deny,
        in_a_file: false,
    })
}

/// What the flags tell of the authorizers; by default nothing, as where they cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorizers {
    /// What decides instead of RBAC.
    pub instead: Option<Instead>,
    /// Who is asked beside RBAC.
    pub beside: Option<Beside>,
    /// RBAC alone decides, for kubelets beside the Node authorizer.
    pub rbac_alone: bool,
}

impl Authorizers {
    /// As these flags say.
    pub fn of(flags: &Flags) -> Self {
        Self { instead: instead_of_rbac(flags), beside: beside_rbac(flags), rbac_alone: is_rbac_alone(flags) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(given: &[(&str, &[&str])]) -> Flags {
        let mut flags = Flags { source: "/flagz".to_owned(), complete: true, ..Flags::default() };
        for (name, values) in given {
            flags.flags.insert((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect());
        }
        flags
    }

    #[test]
    fn rbac_is_alone_where_nobody_but_the_node_authorizer_is_beside_it() {
        let alone = |modes: &str| is_rbac_alone(&flags(&[("authorization-mode", &[modes])]));
        assert!(alone("RBAC") && alone("Node,RBAC"));
        assert!(!alone("Node") && !alone("Node,RBAC,Webhook") && !alone("AlwaysAllow") && !alone(""));
        assert!(!is_rbac_alone(&flags(&[("authorization-mode", &["RBAC"]), ("authorization-config", &["/a"])])));
        assert!(!is_rbac_alone(&flags(&[])));
    }

    #[test]
    fn who_is_asked_beside_rbac_may_allow_more_and_a_webhook_before_it_deny() {
        let beside = |modes: &str| beside_rbac(&flags(&[("authorization-mode", &[modes])]));
        assert_eq!(beside("Node,RBAC"), None);
        assert_eq!(beside("RBAC"), None);
        assert_eq!(beside("Node,ABAC"), None);
        assert_eq!(beside_rbac(&flags(&[])), None);
        let told = |modes: &str| beside(modes).map(|beside| (beside.who, beside.may_deny)).expect("somebody");
        assert_eq!(told("Node,ABAC,RBAC"), ("ABAC (--authorization-mode=Node,ABAC,RBAC)".to_owned(), false));
        assert_eq!(told("RBAC,Webhook"), ("Webhook (--authorization-mode=RBAC,Webhook)".to_owned(), false));
        assert!(told("Webhook,RBAC").1);
        // Which those of the file are, and whether RBAC is one, the flags do not tell.
        let file = beside_rbac(&flags(&[("authorization-mode", &[]), ("authorization-config", &["/etc/authz.yaml"])]));
        assert!(
            file.is_some_and(|beside| beside.in_a_file && beside.may_deny && beside.who.contains("/etc/authz.yaml"))
        );
    }

    #[test]
    fn modes_without_rbac_say_who_decides_and_by_what() {
        let found = instead_of_rbac(&flags(&[
            ("authorization-mode", &["Node", "ABAC"]),
            ("authorization-policy-file", &["/etc/kubernetes/policy.jsonl"]),
        ]))
        .expect("RBAC is no mode");
        assert_eq!(found.modes, "Node,ABAC");
        assert_eq!(
            found.decides,
            "the Node authorizer, for kubelets alone; then ABAC, by the lines of /etc/kubernetes/policy.jsonl (--authorization-policy-file) on the control plane, which the API server reads when it starts"
        );
        // Twice: the last file is the one that is read.
        let found =
            instead_of_rbac(&flags(&[("authorization-mode", &["ABAC"]), ("authorization-policy-file", &["/a", "/b"])]))
                .expect("RBAC is no mode");
        assert!(found.decides.contains("the lines of /b (--authorization-policy-file)"), "{found:?}");
        // A command line has them in one value; a part of one may lack the file.
        let found = instead_of_rbac(&flags(&[("authorization-mode", &["Node,Webhook"])])).expect("RBAC is no mode");
        let service = "the service in the file of --authorization-webhook-config-file, by its own rules";
        assert!(found.decides.ends_with(service), "{found:?}");
    }

    #[test]
    fn rbac_that_may_be_asked_is_asked() {
        for given in [
            &[][..],
            &[("authorization-mode", &[][..])],
            &[("authorization-mode", &["Node,RBAC"][..])],
            &[("authorization-mode", &["ABAC", "RBAC"][..])],
            &[("authorization-mode", &["ABAC"][..]), ("authorization-config", &["/etc/authz.yaml"][..])],
        ] {
            assert_eq!(instead_of_rbac(&flags(given)), None, "{given:?}");
        }
    }
}
