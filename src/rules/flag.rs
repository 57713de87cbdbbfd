//! Where a flag stands in the place of what the kubeconfig says, a fix speaks of the flag: a command that changes the entry
//! would leave the fault where it is, and may break an entry that is right.

use super::Case;
use crate::report::commands::{Words, commands};
use crate::report::{Finding, Step};

/// Fields of the kubeconfig, and the flags that stand in the place of what they say; a field's own flag has its name.
const FIELDS: &[(&str, &[&str])] = &[
    ("user", &[]),
    ("cluster", &[]),
    ("server", &[]),
    // client-go leaves the entry's name out beside --server.
    ("tls-server-name", &["--server"]),
    ("certificate-authority", &["--insecure-skip-tls-verify", "--server"]),
    ("insecure-skip-tls-verify", &[]),
    ("token", &["--username", "--password"]),
    ("client-certificate", &["--client-key"]),
    ("client-key", &["--client-certificate"]),
    ("username", &["--password"]),
    ("password", &["--username"]),
];

/// This flag was given.
pub fn given(case: &Case<'_>, flag: &str) -> bool {
    case.evidence.asked.connection_flags.iter().any(|given| given == flag)
}

/// Has every fix speak of the flag that is at fault.
pub fn name_it(case: &Case<'_>, findings: &mut [Finding]) {
    if case.evidence.asked.connection_flags.is_empty() {
        return;
    }
    for finding in findings {
        for candidate in &mut finding.candidates {
            if let Some(step) = instead(case, &candidate.decided_by) {
                candidate.decided_by = step;
            }
        }
        if !finding.fix.iter().any(|step| instead(case, step).is_some()) {
            continue;
        }
        for step in std::mem::take(&mut finding.fix) {
            match instead(case, &step) {
                Some(step) if finding.fix.contains(&step) => {}
                Some(step) => finding.fix.push(step),
                None if writes_anew(&step) => {}
                None => finding.fix.push(step),
            }
        }
    }
}

/// The step writes the whole entry again, which is not at fault.
fn writes_anew(step: &Step) -> bool {
    step.command.as_deref().is_some_and(|command| command.starts_with("aws eks update-kubeconfig"))
}

/// What a command would change.
struct Change<'c> {
    /// Where the command begins.
    start: usize,
    /// The field, and what it would be set to, as a flag has it; nothing where it would be taken out.
    fields: Vec<(&'c str, Option<&'c str>)>,
}

/// What a command of `kubectl config` would change; nothing where it is none, or only shows or chooses.
fn change<'c>(text: &'c str, words: &Words) -> Option<Change<'c>> {
    let word = |index: usize| words.get(index).map_or("", |place| &text[place.clone()]);
    if (word(0), word(1)) != ("kubectl", "config") {
        return None;
    }
    let rest = words.iter().skip(3).map(|place| &text[place.clone()]);
    let fields = match word(2) {
        "set-context" | "set-cluster" | "set-credentials" => {
            let set = |word: &'c str| Some((word.strip_prefix("--")?.split('=').next()?, Some(word)));
            rest.filter_map(set).collect()
        }
        // The field is what stands behind the last dot.
        "unset" => {
            let field = |path: &'c str| path.rsplit('.').next().map(|field| field.trim_end_matches("-data"));
            rest.filter_map(field).map(|field| (field, None)).collect()
        }
        _ => return None,
    };
    Some(Change { start: words.first()?.start, fields })
}

/// The step about the flag, for one that would change what a flag stands in the place of.
fn instead(case: &Case<'_>, step: &Step) -> Option<Step> {
    let command = step.command.as_ref()?;
    let all = commands(command);
    let changes: Vec<Change<'_>> = all.iter().filter_map(|words| change(command, words)).collect();
    let start = changes.first()?.start;
    let fields = || changes.iter().flat_map(|change| change.fields.iter().copied());
    let mut own: Vec<&str> = Vec::new();
    let mut beside: Vec<&str> = Vec::new();
    for (field, _) in fields() {
        let Some((_, others)) = FIELDS.iter().find(|(name, _)| *name == field) else { continue };
        let flags = case.evidence.asked.connection_flags.iter().map(String::as_str);
        for flag in flags {
            let list = match flag.strip_prefix("--") {
                Some(name) if name == field => &mut own,
                _ if others.contains(&flag) => &mut beside,
                _ => continue,
            };
            if !list.contains(&flag) {
                list.push(flag);
            }
        }
    }
    let known = |field: &str| FIELDS.iter().any(|(name, _)| *name == field);
    let right: Vec<&str> = fields().filter(|(field, _)| known(field)).filter_map(|(_, set)| set).collect();
    let right = right.join(" ");
    // The field's own flag is what counts.
    let named = if own.is_empty() { beside } else { own };
    if named.is_empty() {
        return None;
    }
    let flags = named.join(" and ");
    let harmful = ["--insecure-skip-tls-verify", "--username", "--password"].iter().any(|flag| named.contains(flag));
    let text = if harmful && !right.is_empty() && !right.starts_with("--insecure-skip-tls-verify") {
        format!("Leave {flags} out, and the kubeconfig as it is; what counts instead can be given as {right}.")
    } else if right.is_empty() || harmful {
        format!("Leave {flags} out: what is at fault comes from there, and from no entry of the kubeconfig.")
    } else if named == ["--server"] && !right.starts_with("--server") {
        format!(
            "The server is that of --server, and not the entry's: correct --server, or give {right} beside it, and leave the kubeconfig as it is."
        )
    } else {
        format!(
            "Leave {flags} out, or give {right}: what is at fault comes from there, and from no entry of the kubeconfig."
        )
    };
    // What is done before the entry would be changed is needed all the same.
    let before = command[..start].trim_end_matches([' ', '&', ';', '\n']);
    if before.is_empty() {
        return Some(Step::text(text));
    }
    let end = before.len();
    Some(Step::command(text, command.map(|command| command[..end].to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Evidence;

    /// The fix of a case of the kubeconfig, were what is at fault given by these flags: evidence of a run without them,
    /// because the flags change nothing else of what is seen.
    fn fix(name: &str, code: &str, flags: &[&str]) -> Vec<Step> {
        let path = format!("{}/testdata/cases/{name}/evidence.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut evidence: Evidence = serde_json::from_str(&text).expect("evidence");
        evidence.asked.connection_flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let findings = crate::rules::check_all(&Case::new(&evidence));
        findings.into_iter().find(|finding| finding.code == code).expect("the finding").fix
    }

    #[test]
    fn what_a_flag_says_is_mended_in_the_flag() {
        let rows: [(&str, &[&str], &str); 7] = [
            ("tls-server-name-mismatch", &["--tls-server-name"], "--tls-server-name"),
            ("server-url-wrong-scheme", &["--server"], "--server=https://"),
            ("kubeconfig-ca-mismatch", &["--certificate-authority"], "--certificate-authority=ca.crt"),
            ("kubeconfig-ca-mismatch", &["--server"], "correct --server"),
            ("client-key-mismatch", &["--client-key"], "--client-key=client.key"),
            ("tls-verification-off", &["--insecure-skip-tls-verify"], "Leave --insecure-skip-tls-verify out"),
            (
                "insecure-with-ca",
                &["--certificate-authority", "--insecure-skip-tls-verify"],
                "--insecure-skip-tls-verify",
            ),
        ];
        for (code, flags, named) in rows {
            let changes = |step: &Step| step.command.as_deref().is_some_and(|c| c.contains("kubectl config "));
            let plain = fix(code, code, &[]);
            assert!(plain.iter().any(changes), "{code}: {plain:?}");
            let steps = fix(code, code, flags);
            assert!(!steps.iter().any(changes), "{code}: {steps:?}");
            assert!(steps.iter().any(|step| step.text.contains(named)), "{code}: {steps:?}");
            // A flag about something else leaves the fix as it is.
            let other = if flags.contains(&"--client-key") { "--server" } else { "--token" };
            assert_eq!(fix(code, code, &[other]), plain, "{code}");
        }
    }

    #[test]
    fn what_comes_before_the_change_is_done_all_the_same() {
        let text = include_str!("../../testdata/cases/client-key-mismatch/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        evidence.asked.connection_flags = vec!["--client-certificate".to_owned()];
        let step = Step::command(
            "Put it in",
            "umask 077; base64 -d < a > b && kubectl config set-credentials u --client-certificate=b --embed-certs=true",
        );
        let step = instead(&Case::new(&evidence), &step).expect("a step");
        assert_eq!(step.command.as_deref(), Some("umask 077; base64 -d < a > b"));
        assert!(step.text.contains("or give --client-certificate=b:"), "{}", step.text);
    }
}
