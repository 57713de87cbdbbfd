//! Whether kubectl's preferences let a plugin run, in client-go's words (ValidatePluginPolicy and
//! updateCommandAndCheckAllowlistLocked in `plugin/pkg/client/auth/exec/exec.go`, 1.36).

use super::plugin::{is_executable, look_up};
use crate::collect::kubeconfig::{ExecConfig, PluginPolicy};
use crate::evidence::kubeconfig::Fault;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::Scrubber;

/// Why kubectl would not run the plugin, if its preferences forbid it.
pub(super) fn refusal(exec: &ExecConfig, host: &Host, scrubber: &Scrubber) -> Option<Failure> {
    let detail = match fault(&exec.policy) {
        Some(fault) => format!("invalid plugin policy: {fault}"),
        None => verdict(exec, host)?,
    };
    let mut failure = Failure::new(FailureKind::Declined, scrubber.text(&detail));
    failure.fault = Some(Box::new(Fault {
        code: "exec-denied-by-policy".to_owned(),
        file: Some(exec.policy.file.clone()),
        ..Fault::default()
    }));
    Some(failure)
}

/// What is wrong with the policy itself: kubectl then runs no plugin at all.
fn fault(policy: &PluginPolicy) -> Option<String> {
    match (policy.kind.as_str(), &policy.allowlist) {
        ("" | "AllowAll" | "DenyAll", None) => None,
        (kind @ ("" | "AllowAll" | "DenyAll"), Some(_)) => Some(format!(
            "misconfigured credential plugin allowlist: plugin policy is {kind:?} but allowlist is non-nil"
        )),
        ("Allowlist", None) => {
            Some("credential plugin policy set to \"Allowlist\", but allowlist is unspecified".to_owned())
        }
        ("Allowlist", Some(list)) if list.is_empty() => Some(
            "credential plugin policy set to \"Allowlist\", but allowlist is empty; use \"DenyAll\" policy instead"
                .to_owned(),
        ),
        ("Allowlist", Some(list)) => list.iter().enumerate().find_map(|(index, entry)| {
            if entry.is_empty() {
                let number = index + 1;
                return Some(format!("misconfigured credential plugin allowlist: empty allowlist entry #{number}"));
            }
            let cleaned = clean(entry);
            (cleaned != *entry).then(|| format!("non-normalized file path: {entry:?} vs {cleaned:?}"))
        }),
        (kind, _) => Some(format!("unknown plugin policy: {kind:?}")),
    }
}

/// What a policy that holds says of the plugin.
fn verdict(exec: &ExecConfig, host: &Host) -> Option<String> {
    let command = clean(&exec.command);
    let list = match (exec.policy.kind.as_str(), &exec.policy.allowlist) {
        ("DenyAll", _) => return Some(format!("plugin {command:?} not allowed: policy set to \"DenyAll\"")),
        ("Allowlist", Some(list)) => list,
        _ => return None,
    };
    if list.contains(&command) {
        return None;
    }
    // exec.LookPath of both sides. A program that is not there cannot run either, and that is another finding.
    let looked_up = |command: &str| {
        look_up(command, host).filter(|file| is_executable(file)).map(|file| clean(&file.to_string_lossy()))
    };
    let program = looked_up(&command)?;
    let base = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let same = |entry: &String| base(entry) == base(&program) && looked_up(entry).as_ref() == Some(&program);
    if list.contains(&program) || list.iter().any(same) {
        return None;
    }
    Some(format!("plugin path {program:?} is not permitted by the credential plugin allowlist"))
}

/// Go's filepath.Clean.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            other => parts.push(other),
        }
    }
    match (rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(kind: &str, list: Option<&[&str]>) -> PluginPolicy {
        PluginPolicy {
            kind: kind.to_owned(),
            allowlist: list.map(|list| list.iter().map(|entry| (*entry).to_owned()).collect()),
            file: "kuberc".to_owned(),
        }
    }

    #[test]
    fn paths_are_cleaned_as_go_cleans_them() {
        for (path, cleaned) in [
            ("aws", "aws"),
            ("", "."),
            ("./aws", "aws"),
            ("/usr//bin/./aws", "/usr/bin/aws"),
            ("/usr/lib/../bin/aws/", "/usr/bin/aws"),
            ("../bin", "../bin"),
            ("a/../../bin", "../bin"),
            ("/../bin", "/bin"),
            ("/", "/"),
        ] {
            assert_eq!(clean(path), cleaned, "{path}");
        }
    }

    #[test]
    fn a_policy_that_client_go_refuses_is_told_in_its_words() {
        for (policy, expected) in [
            (policy("", None), None),
            (policy("AllowAll", None), None),
            (policy("DenyAll", None), None),
            (policy("Allowlist", Some(&["aws", "/usr/bin/aws"])), None),
            (policy("DenyAll", Some(&["aws"])), Some("plugin policy is \"DenyAll\" but allowlist is non-nil")),
            (policy("", Some(&[])), Some("plugin policy is \"\" but allowlist is non-nil")),
            (policy("Allowlist", None), Some("but allowlist is unspecified")),
            (policy("Allowlist", Some(&[])), Some("but allowlist is empty; use \"DenyAll\" policy instead")),
            (policy("Allowlist", Some(&["aws", ""])), Some("empty allowlist entry #2")),
            (policy("Allowlist", Some(&["/a//b"])), Some("non-normalized file path: \"/a//b\" vs \"/a/b\"")),
            (policy("denyall", None), Some("unknown plugin policy: \"denyall\"")),
        ] {
            let told = fault(&policy);
            match expected {
                None => assert_eq!(told, None, "{policy:?}"),
                Some(words) => {
                    assert!(told.as_deref().is_some_and(|told| told.ends_with(words)), "{policy:?}: {told:?}")
                }
            }
        }
    }
}
