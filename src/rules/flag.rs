//! Where a flag stands in the place of what the kubeconfig says, a fix speaks of the flag: a command that changes the entry
//! would leave the fault where it is, and may break an entry that is right.

use super::Case;
use crate::report::commands::{Words, commands};
use crate::report::{Finding, Step};

/// The flag that switches verification off.
const INSECURE: &str = "--insecure-skip-tls-verify";

/// Fields of the kubeconfig, and the flags that stand in the place of what they say; a field's own flag has its name.
const FIELDS: &[(&str, &[&str])] = &[
    ("user", &[]),
    ("cluster", &[]),
    ("server", &[]),
    // client-go leaves the entry's name out beside --server.
    ("tls-server-name", &["--server"]),
    ("certificate-authority", &[INSECURE, "--server"]),
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
            if let Some(instead) = instead(case, &candidate.decided_by) {
                candidate.decided_by = instead.step;
            }
        }
        let all: Vec<Option<Instead>> = finding.fix.iter().map(|step| instead(case, step)).collect();
        if all.iter().all(Option::is_none) {
            continue;
        }
        // It is where the CA comes from that is to be given beside --server.
        let needed = all.iter().flatten().all(|instead| instead.beside_server);
        for (step, instead) in std::mem::take(&mut finding.fix).into_iter().zip(all) {
            match instead {
                Some(instead) if finding.fix.contains(&instead.step) => {}
                Some(instead) => finding.fix.push(instead.step),
                None if !needed && writes_anew(&step) => {}
                None => finding.fix.push(step),
            }
        }
    }
}

/// The step about the flag.
struct Instead {
    step: Step,
    /// Only --server is named, and for what the entry has beside its server.
    beside_server: bool,
}

/// The step writes the whole entry again.
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
fn instead(case: &Case<'_>, step: &Step) -> Option<Instead> {
    let command = step.command.as_ref()?;
    let all = commands(command);
    let changes: Vec<Change<'_>> = all.iter().filter_map(|words| change(command, words)).collect();
    let start = changes.first()?.start;
    let fields = || changes.iter().flat_map(|change| change.fields.iter().copied());
    let cluster = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.cluster.as_ref());
    let insecure = cluster.is_some_and(|cluster| cluster.insecure_skip_tls_verify);
    let mut own: Vec<&str> = Vec::new();
    let mut beside: Vec<&str> = Vec::new();
    for (field, _) in fields() {
        let Some((_, others)) = FIELDS.iter().find(|(name, _)| *name == field) else { continue };
        let flags = case.evidence.asked.connection_flags.iter().map(String::as_str);
        for flag in flags {
            let list = match flag.strip_prefix("--") {
                Some(name) if name == field => &mut own,
                // Without verification no CA counts, whatever the server is.
                _ if insecure && field == "certificate-authority" && flag == "--server" => continue,
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
    // The field's own flag is what counts; but no CA does where verification is off.
    let beside_server = own.is_empty() && beside == ["--server"];
    let mut named = if own.is_empty() || beside.contains(&INSECURE) { beside } else { own };
    if named.is_empty() {
        return None;
    }
    let is_harmful = |flag: &&str| [INSECURE, "--username", "--password"].contains(flag);
    let harmful = named.iter().any(is_harmful);
    if harmful {
        named.retain(is_harmful);
    }
    let flags = named.join(" and ");
    let text = if harmful && !right.is_empty() && !right.starts_with(INSECURE) {
        format!("Leave {flags} out, and the kubeconfig as it is; what counts instead can be given as {right}.")
    } else if right.is_empty() || harmful {
        format!("Leave {flags} out: what is at fault comes from there, and from no entry of the kubeconfig.")
    } else if named == ["--server"] && !right.starts_with("--server") {
        format!(
            "The server is that of --server, and not the entry's: correct --server, or give {right} beside it. The entry may be right for its own server."
        )
    } else {
        format!(
            "Leave {flags} out, or give {right}: what is at fault comes from there, and from no entry of the kubeconfig."
        )
    };
    // What is done before the entry would be changed is needed all the same.
    let before = command[..start].trim_end_matches([' ', '&', ';', '\n']);
    if before.is_empty() {
        return Some(Instead { step: Step::text(text), beside_server });
    }
    let end = before.len();
    let step = Step::command(text, command.map(|command| command[..end].to_owned()));
    Some(Instead { step, beside_server })
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
    fn a_server_given_by_hand_does_not_switch_verification_off() {
        let code = "tls-verification-off";
        // The entry switches it off: --server changes nothing of that.
        assert_eq!(fix(code, code, &["--server"]), fix(code, code, &[]));
        for flags in [
            ["--server", "--insecure-skip-tls-verify", "--token"],
            ["--certificate-authority", "--insecure-skip-tls-verify", "--token"],
        ] {
            let steps = fix(code, code, &flags);
            assert!(
                steps.iter().any(|step| step.text.starts_with("Leave --insecure-skip-tls-verify out")),
                "{flags:?}: {steps:?}"
            );
        }
    }

    #[test]
    fn the_step_that_fetches_the_ca_stays_beside_a_server_given_by_hand() {
        let text = include_str!("../../testdata/cases/kubeconfig-ca-mismatch/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let mut codes = |flag: &str| -> Vec<String> {
            evidence.asked.connection_flags = vec![flag.to_owned()];
            let case = Case::new(&evidence);
            let mut findings = crate::rules::check_all(&case);
            let found = findings.iter_mut().find(|finding| finding.code == "kubeconfig-ca-mismatch").expect("found");
            // Synthetic: the steps of a cluster of EKS, which the saved one is not.
            found.fix = vec![
                Step::command("Write it anew", "aws eks update-kubeconfig --name prod --region eu-west-1"),
                Step::command("Put it in", "kubectl config set-cluster c --certificate-authority=ca.crt"),
            ];
            name_it(&case, &mut findings);
            let found = findings.iter().find(|finding| finding.code == "kubeconfig-ca-mismatch").expect("found");
            found.fix.iter().filter_map(|step| step.command.as_deref().map(str::to_owned)).collect()
        };
        assert_eq!(codes("--server"), ["aws eks update-kubeconfig --name prod --region eu-west-1"]);
        assert!(codes("--certificate-authority").is_empty());
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
        let step = instead(&Case::new(&evidence), &step).expect("a step").step;
        assert_eq!(step.command.as_deref(), Some("umask 077; base64 -d < a > b"));
        assert!(step.text.contains("or give --client-certificate=b:"), "{}", step.text);
    }
}
