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
