//! Whether kubectl's preferences let a plugin run, in client-go's words (updateCommandAndCheckAllowlistLocked in
//! `plugin/pkg/client/auth/exec/exec.go`, 1.36).

use super::plugin::{is_executable, look_up};
use crate::collect::kubeconfig::ExecConfig;
use crate::evidence::kubeconfig::Fault;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::secret::Scrubber;
use crate::text::clean_path as clean;

/// Why kubectl would not run the plugin, if its preferences forbid it.
pub(super) fn refusal(exec: &ExecConfig, host: &Host, scrubber: &Scrubber) -> Option<Failure> {
    let detail = verdict(exec, host)?;
    let mut failure = Failure::new(FailureKind::Declined, scrubber.text(&detail));
    failure.fault = Some(Box::new(Fault {
        code: "exec-denied-by-policy".to_owned(),
        file: Some(exec.policy.file.clone()),
        ..Fault::default()
    }));
    Some(failure)
}

/// What the policy says of the plugin.
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
