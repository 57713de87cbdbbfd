//! The credential plugin ended with an error.

use crate::apiserver::message::{heard, tools};
use crate::evidence::{FailureKind, Failure};
use crate::evidence::credential::{AN_INTERPRETER, CARRIAGE_RETURN};
use crate::report::shell::{quoted, shell};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::exec::exec_timeout;
use crate::rules::{Case, Page, Rule, clip, plugin};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-failed",
    severity: Severity::Error,
    title: "The credential plugin failed",
    page: Page {
        means: "The program that should give the credential ended with an error. Nothing was sent to the API server, so neither the cluster nor your rights are to blame.",
        evidence: "The plugin's exit code and what it wrote to stderr (secrets removed).",
        fix: "What stderr says: log in again, name another profile, or install what is missing; then run the same command by hand until it works. `aws sts get-caller-identity` tries it for AWS, `kubectl oidc-login get-token` with the arguments of the entry for OIDC.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_FAILED, &heard::PLUGIN_ABSENT, &heard::LOGIN_REFUSED, &tools::PLUGIN_FAILED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(failure) = case.evidence.plugin.failed_as(&[FailureKind::PluginFailed]) {
        let command = plugin::exec(case).map_or_else(|| "PLUGIN".to_owned(), |exec| exec.command.clone());
        if let (Some(expected), Some(seen)) = (&failure.expected, &failure.seen)
            && failure.detail.ends_with(": no such file or directory")
        {
            return vec![not_runnable(failure, &command, expected, seen)];
        }
        return vec![
            RULE.finding(
                Confidence::Certain,
                "The plugin was not started, so there is no credential to send, and kubectl connects to nothing.",
                seen("/plugin/failed/detail", failure.detail.clone()),
                Step::command("See whether it is an executable file that you may run", shell!("ls -l \"$(command -v {})\"", quoted(&command))),
            )
            .titled("The credential plugin could not be started"),
        ];
    }
    let Some(run) = case.evidence.plugin.seen().filter(|run| run.exit_code != Some(0) && !exec_timeout::timed_out(run)) else { return Vec::new() };
    let code = run.exit_code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
    let last = run.stderr.lines().rev().find(|line| !line.trim().is_empty());
    let said = telling(&run.stderr).or(last).unwrap_or("nothing on stderr");
    let lead = if last == Some(said) || last.is_none() { "Its last word" } else { "It says" };
    let said = said.trim();
    let finding = RULE
        .finding(
            Confidence::Certain,
            format!("{:?} ended with {code} before any request was sent. {lead}: {}", run.program, clip(said, 240)),
            seen("/plugin/seen/stderr", format!("stderr: {}", clip(said, 240))),
            Step::command(
                "Run the same command by hand until it works",
                plugin::ran(run),
            ),
        )
        .titled(format!("The credential plugin failed with {code}"));
    vec![finding]
}

/// The file is there, and what it needs to be run is not; the system says the same as of a file that is not there.
fn not_runnable(failure: &Failure, command: &str, expected: &str, there: &str) -> Finding {
    let interpreter = expected.strip_prefix(AN_INTERPRETER);
    let (why, step) = match interpreter {
        Some(name) if there == CARRIAGE_RETURN => (
            format!("{command} is there, and its first line ends with a carriage return, as Windows writes lines: the system then looks for an interpreter {name:?} with that character in its name."),
            Step::command("Take the carriage returns out", shell!("sed -i.bak 's/\\r$//' {}", command)),
        ),
        Some(name) => (
            format!("{command} is there, and {name}, which its first line names as its interpreter, is not: the system then says \"no such file\" of the plugin itself."),
            Step::text(format!("Install {name}, or correct the first line of {command}.")),
        ),
        None => (
            format!("{command} is there, and {expected} is not: it was built for another system (a program for glibc on Alpine, another processor), and the system then says \"no such file\" of the plugin itself."),
            Step::command("See what it was built for, and install the build for this system", shell!("file {}", command)),
        ),
    };
    RULE.finding(Confidence::Certain, why, seen("/plugin/failed/detail", failure.detail.clone()), step)
        .titled("The credential plugin is there, and cannot be run")
        .cite(seen("/plugin/failed/expected", format!("wanted: {expected}; there is: {there}")))
        .step(Step::command("See its first line", shell!("head -n 1 {} | cat -v", command)))
}

/// The line that says what went wrong: programs end with hints, closing brackets and tables as well.
fn telling(stderr: &str) -> Option<&str> {
    const WORDS: [&[&str]; 3] = [
        // Entra ID's numbers say more than all around them.
        &["aadsts"],
        &["denied", "expired", "not found", "unauthorized", "forbidden", "no such ", "could not", "cannot", "unable to", "failed", "invalid", "required"],
        &["error", "exception", "fatal"],
    ];
    WORDS.iter().find_map(|words| {
        stderr.lines().rev().find(|line| {
            let lower = line.to_lowercase();
            words.iter().any(|word| lower.contains(word))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::telling;

    #[test]
    fn the_line_with_the_cause_is_taken() {
        let entra = "Error: failed to get token: ClientSecretCredential authentication failed.\nRESPONSE 401: 401 Unauthorized\n{\n  \"error\": \"invalid_client\",\n  \"error_description\": \"AADSTS7000222: The provided client secret keys are expired.\"\n}\n";
        assert!(telling(entra).is_some_and(|line| line.contains("AADSTS7000222")));
        let python = "Traceback (most recent call last):\n  File \"x\"\nModuleNotFoundError: No module named 'awscli'\n";
        assert_eq!(telling(python), Some("ModuleNotFoundError: No module named 'awscli'"));
        let gcloud = "F1126 cred.go:145] print credential failed with error: exit status 1\nPlease run:\n\n  $ gcloud auth login\n\nto obtain new credentials.\n)\n";
        assert!(telling(gcloud).is_some_and(|line| line.starts_with("F1126")));
        assert_eq!(telling("only a word\n)\n"), None);
    }
}
