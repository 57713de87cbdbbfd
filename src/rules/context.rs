//! Commands of a fix speak of the context that was looked at: where `--context` named it, they name it too, because the
//! current one is another cluster's.

use crate::evidence::Evidence;
use crate::report::shell::quoted;
use crate::report::{Finding, Step};

/// kaccess' commands that look at a cluster.
const LOOKS: &[&str] = &["doctor", "can-i", "who-can", "whoami", "workload", "allowlist"];
/// Words after `kubectl` that are no request to a cluster; `config view` is, by what it shows.
const LOCAL: &[&str] = &["config", "oidc-login", "krew", "version", "kustomize", "completion"];

/// Puts the context into every command that asks a cluster.
pub fn name_it(evidence: &Evidence, findings: &mut [Finding]) {
    let Some(config) = evidence.kubeconfig.seen().filter(|config| config.context_named) else { return };
    let Some(context) = config.context.as_deref() else { return };
    let name = quoted(context);
    let mend = |step: &mut Step| {
        if let Some(command) = &mut step.command {
            *command = command.map(|command| within(command, &name));
        }
    };
    for finding in findings {
        finding.fix.iter_mut().for_each(mend);
        finding.candidates.iter_mut().for_each(|candidate| mend(&mut candidate.decided_by));
    }
}

/// The commands, each with `--context NAME` where it belongs.
fn within(commands: &str, name: &str) -> String {
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

fn one(command: &str, name: &str) -> String {
    let bare = command.trim_start();
    let indent = &command[..command.len() - bare.len()];
    let chosen =
        [" --context", " --kubeconfig", " --server", " --from", " --demo"].iter().any(|flag| bare.contains(flag));
    let mut words = bare.split_whitespace();
    let (program, verb) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let place = match program {
        "kubectl" if verb == "config" && words.next() == Some("view") => program.len(),
        "kubectl" if !LOCAL.contains(&verb) => program.len(),
        "kaccess" if LOOKS.contains(&verb) && bare.starts_with(&format!("kaccess {verb}")) => {
            program.len() + 1 + verb.len()
        }
        _ => return command.to_owned(),
    };
    if chosen {
        return command.to_owned();
    }
    format!("{indent}{} --context {name}{}", &bare[..place], &bare[place..])
}

#[cfg(test)]
mod tests {
    use super::within;

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
            assert_eq!(within(command, "prod"), expected);
        }
    }
}
