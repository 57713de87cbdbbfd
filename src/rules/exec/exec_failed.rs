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
    recognises: &[&heard::PLUGIN_FAILED, &heard::PLUGIN_ABSENT, &heard::LOGIN_REFUSED, &heard::LOGIN_CLIENT, &tools::PLUGIN_FAILED],
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
        let mut steps = startable(failure, &command).into_iter();
        return vec![
            RULE.finding(
                Confidence::Certain,
                "The plugin was not started, so there is no credential to send, and kubectl connects to nothing.",
                seen("/plugin/failed/detail", failure.detail.clone()),
                steps.next().unwrap_or_default(),
            )
            .titled("The credential plugin could not be started")
            .steps(steps),
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

/// What lets the system start it, by the system's own words.
fn startable(failure: &Failure, command: &str) -> Vec<Step> {
    let (head, words) = failure.detail.rsplit_once(": ").unwrap_or(("", failure.detail.as_str()));
    let file = head.strip_prefix("exec: fork/exec ").unwrap_or(command);
    match words {
        "permission denied" => vec![
            Step::command("If it is the program that you mean, let it be run", shell!("chmod +x {}", file)),
            Step::command(
                "If that changes nothing, see what it is: of a directory, name the program in it; a file system that is mounted noexec runs none, and each folder above needs x for you",
                shell!("ls -ld {0}; findmnt -n -o OPTIONS -T {0}", file),
            ),
        ],
        "exec format error" => vec![
            Step::command(
                "See what it is: a script needs a first line that names its interpreter, a program must be built for this system and its processor",
                shell!("head -n 1 {0} | cut -c 1-80 | cat -v; file {0}", file),
            ),
            Step::command(
                "If it is a shell script without that line, put it in",
                shell!("sed -i.bak '1i #!/bin/sh' {}", file),
            ),
            Step::text("If it is a program for another system, install the build for this one."),
        ],
        _ => vec![Step::command(
            "See whether it is an executable file that you may run",
            shell!("ls -l \"$(command -v {})\"", quoted(command)),
        )],
    }
}

/// The lines that programs write for people: not those of their own source, which Python's traceback quotes below each
/// `File "..."`.
fn told(stderr: &str) -> Vec<&str> {
    let mut quotes = false;
    let keep = |line: &&str| {
        let indented = line.starts_with([' ', '\t']);
        quotes = indented && (quotes || line.trim_start().starts_with("File \""));
        !quotes
    };
    stderr.lines().filter(keep).collect()
}

/// The line that says what went wrong: programs end with hints, closing brackets and tables as well.
fn telling(stderr: &str) -> Option<&str> {
    const WORDS: [&[&str]; 3] = [
        // Entra ID's numbers say more than all around them.
        &["aadsts"],
        &["denied", "expired", "not found", "unauthorized", "forbidden", "no such ", "could not", "cannot", "unable to", "failed", "invalid", "required", "refused", "timed out", "not known", "unreachable"],
        &["error", "exception", "fatal"],
    ];
    let lines = told(stderr);
    WORDS.iter().find_map(|words| {
        lines.iter().rev().copied().find(|line| {
            let lower = line.to_lowercase();
            words.iter().any(|word| lower.contains(word))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps for a plugin that the system does not start, in its words; synthetic: the words stand in the place of
    /// those of a saved run.
    fn steps(words: &str) -> Vec<String> {
        let failure = Failure::new(FailureKind::PluginFailed, format!("exec: fork/exec /opt/a plugin: {words}"));
        startable(&failure, "plugin").iter().flat_map(|step| step.codes()).map(str::to_owned).collect()
    }

    #[test]
    fn what_is_not_started_is_made_startable() {
        assert_eq!(steps("permission denied")[0], "chmod +x '/opt/a plugin'");
        let format = steps("exec format error");
        assert!(format[0].starts_with("head -n 1 '/opt/a plugin'"), "{format:?}");
        assert!(format[1].contains("#!/bin/sh"), "{format:?}");
        assert!(!format.iter().any(|command| command.contains("command -v")), "{format:?}");
    }

    #[test]
    fn no_line_of_the_source_is_what_a_program_says() {
        let python = "Traceback (most recent call last):\n  File \"/x\", line 3, in <module>\n    def fetch_required_token(): return urllib.request.urlopen(url)\n                                       ~~~~^^^^\nurllib.error.URLError: <urlopen error [Errno 111] Connection refused>\n";
        assert_eq!(telling(python), Some("urllib.error.URLError: <urlopen error [Errno 111] Connection refused>"));
        let chained = "KeyError: 'token'\n\nDuring handling of the above exception, another exception occurred:\n\n  File \"/x\", line 9\n    raise failed()\nOSError: [Errno 113] No route to host\n";
        assert!(telling(chained).is_some_and(|line| !line.contains("raise")));
        // What is indented elsewhere counts.
        assert_eq!(telling("login:\n  token expired\n"), Some("  token expired"));
    }

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
