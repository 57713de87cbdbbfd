//! Commands of a fix speak of the context that was looked at: where `--context` named it, they name it too, because the
//! current one is another cluster's. Those that need rights, or any credential that works, name the reviewer's, where there
//! is one.

use super::Case;
use crate::report::shell::quoted;
use crate::report::{Finding, Step};

/// kaccess' commands that look at a cluster.
const LOOKS: &[&str] = &["doctor", "can-i", "who-can", "whoami", "workload", "allowlist"];
/// Words after `kubectl` that are no request to a cluster; `config view` is, by what it shows.
const LOCAL: &[&str] = &["config", "oidc-login", "krew", "version", "kustomize", "completion"];

/// Beginnings of what follows `kubectl` that try the very credential, or show what its owner sees.
const OWN: &[&str] = &["get --raw /version", "get --raw '/readyz", "auth whoami", "auth can-i", "api-resources"];

/// Puts the context into every command that asks a cluster.
pub fn name_it(case: &Case<'_>, findings: &mut [Finding]) {
    let config = case.evidence.kubeconfig.seen().filter(|config| config.context_named);
    let own = config.and_then(|config| config.context.as_deref()).map(quoted);
    let own = own.as_deref();
    let rights = case.context_with_rights().map(quoted);
    let names = Names { own, rights: rights.as_deref().or(own) };
    if names.rights.is_none() {
        return;
    }
    let mend = |step: &mut Step| {
        if let Some(command) = &mut step.command {
            *command = command.map(|command| within(command, names));
        }
    };
    for finding in findings {
        finding.fix.iter_mut().for_each(mend);
        finding.candidates.iter_mut().for_each(|candidate| mend(&mut candidate.decided_by));
    }
}

/// The contexts that commands name.
#[derive(Debug, Clone, Copy)]
struct Names<'n> {
    /// The one that was looked at, where it was named.
    own: Option<&'n str>,
    /// That of somebody with rights, else the same.
    rights: Option<&'n str>,
}

/// The commands, each with `--context NAME` where it belongs.
fn within(commands: &str, name: Names<'_>) -> String {
    let mut out = String::with_capacity(commands.len() + 32);
    let mut rest = commands;
    while !rest.is_empty() {
        let end = end(rest);
        let (segment, after) = rest.split_at(end);
        out.push_str(&one(segment, name));
        let separators = after.find(|c| !matches!(c, '|' | '&' | ';' | '\n')).unwrap_or(after.len());
        out.push_str(&after[..separators]);
        rest = &after[separators..];
    }
    out
}

/// Where one command ends: at a separator outside quotes.
fn end(text: &str) -> usize {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '|' | '&' | ';' | '\n') => return at,
            _ => {}
        }
    }
    text.len()
}

fn one(command: &str, names: Names<'_>) -> String {
    let bare = command.trim_start();
    let indent = &command[..command.len() - bare.len()];
    let chosen =
        [" --context", " --kubeconfig", " --server", " --from", " --demo"].iter().any(|flag| bare.contains(flag));
    let mut words = bare.split_whitespace();
    let (program, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (place, name) = match program {
        "kubectl" if verb == "config" && words.next() == Some("view") => (program.len(), names.own),
        "kubectl" if !LOCAL.contains(&verb) => {
            let rest = bare[program.len()..].trim_start();
            let own = OWN.iter().any(|begin| rest.starts_with(begin));
            (program.len(), if own { names.own } else { names.rights })
        }
        "kaccess" if LOOKS.contains(&verb) && bare.starts_with(&format!("kaccess {verb}")) => {
            // About somebody else, or about everybody.
            let rights = verb == "who-can" || bare.contains(" --as ");
            (program.len() + 1 + verb.len(), if rights { names.rights } else { names.own })
        }
        _ => return command.to_owned(),
    };
    let Some(name) = name.filter(|_| !chosen) else { return command.to_owned() };
    format!("{indent}{} --context {name}{}", &bare[..place], &bare[place..])
}

#[cfg(test)]
mod tests {
    use super::{Names, within};

    #[test]
    fn every_command_that_asks_a_cluster_names_the_context() {
        for (command, expected) in [
            ("kaccess doctor", "kaccess doctor --context prod"),
            (
                "kaccess doctor --reviewer-context ADMIN_CONTEXT",
                "kaccess doctor --context prod --reviewer-context ADMIN_CONTEXT",
            ),
            ("kubectl get --raw '/readyz?verbose'", "kubectl --context prod get --raw '/readyz?verbose'"),
            (
                "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'",
                "kubectl --context prod config view --minify -o jsonpath='{.clusters[0].cluster.server}'",
            ),
            (
                "kubectl oidc-login clean && kubectl get --raw /version -v=8 2>&1 | grep -i -e 'a; kubectl get'",
                "kubectl oidc-login clean && kubectl --context prod get --raw /version -v=8 2>&1 | grep -i -e 'a; kubectl get'",
            ),
            ("kubectl config use-context other", "kubectl config use-context other"),
            ("kubectl --context admin get pods", "kubectl --context admin get pods"),
            ("kaccess doctor --from evidence.json", "kaccess doctor --from evidence.json"),
            ("kaccess explain token-expired", "kaccess explain token-expired"),
            ("aws eks list-clusters\nkubectl get nodes", "aws eks list-clusters\nkubectl --context prod get nodes"),
        ] {
            assert_eq!(within(command, Names { own: Some("prod"), rights: Some("prod") }), expected);
        }
    }

    #[test]
    fn what_needs_rights_names_the_context_of_somebody_with_rights() {
        for (command, expected) in [
            ("kubectl create token bot -n dev", "kubectl --context admin create token bot -n dev"),
            (
                "kubectl certificate approve a && kubectl get csr a",
                "kubectl --context admin certificate approve a && kubectl --context admin get csr a",
            ),
            ("kubectl get --raw /flagz | grep oidc", "kubectl --context admin get --raw /flagz | grep oidc"),
            (
                "kubectl oidc-login clean && kubectl get --raw /version",
                "kubectl oidc-login clean && kubectl --context d1 get --raw /version",
            ),
            ("kaccess can-i list pods --as bob --why", "kaccess can-i --context admin list pods --as bob --why"),
            ("kaccess doctor", "kaccess doctor --context d1"),
            ("kubectl config view --minify", "kubectl --context d1 config view --minify"),
        ] {
            assert_eq!(within(command, Names { own: Some("d1"), rights: Some("admin") }), expected);
        }
        assert_eq!(
            within("kubectl get csr", Names { own: None, rights: Some("admin") }),
            "kubectl --context admin get csr"
        );
        assert_eq!(within("kaccess doctor", Names { own: None, rights: Some("admin") }), "kaccess doctor");
    }
}
