//! The plugin wants a terminal, and there is none.

use crate::apiserver::message::heard;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::user;
use crate::rules::plugin::{self, complained};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-needs-terminal",
    severity: Severity::Error,
    title: "The credential plugin needs a terminal, and there is none",
    page: Page {
        means: "interactiveMode is Always: client-go does not even start the plugin where standard input is no terminal (CI, cron, an IDE, a pipe). Or the plugin was started, asked for a password or a code, and found no terminal (\"stdin is not a terminal\", \"EOF when reading a line\").",
        evidence: "client-go's complaint, or what the plugin wrote to stderr; and the interactiveMode of the user entry.",
        fix: "IfAvailable, where the plugin can do without a terminal (a browser, a cached login); else log in once in a terminal, or use a credential for machines. `kubectl config set-credentials USER --exec-interactive-mode=IfAvailable`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[&heard::PLUGIN_TERMINAL, &heard::PLUGIN_PROMPT, &heard::LOGIN_BROWSER],
    explains: &["exec-failed"],
    check,
};

const WORDS: &str = "exec plugin cannot support interactive mode: standard input is not a terminal";

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some((_, cite)) = complained(case, &[WORDS]) else { return asks(case).into_iter().collect() };
    // Whoever met another message had a terminal; kaccess has none here.
    let confidence = match case.evidence.asked.error.as_deref() {
        Some(error) if !error.contains(WORDS) => Confidence::Likely,
        _ => Confidence::Certain,
    };
    let mode = plugin::exec(case).and_then(|exec| exec.interactive_mode.as_deref());
    let mut finding = RULE
        .finding(
            confidence,
            "The user entry says that the plugin always asks somebody, and nobody is there to be asked.",
            cite,
            Step::command(
                "If the plugin can also do without a terminal, say so",
                shell!("kubectl config set-credentials {} --exec-interactive-mode=IfAvailable", user(case)),
            ),
        )
        .step(Step::text("If not: run the command in a terminal; for machines, use a service account token or another login without questions."));
    if let Some(mode) = mode {
        finding = finding.cite(seen("/kubeconfig/seen/user/exec/interactiveMode", format!("interactiveMode: {mode}")));
    }
    vec![finding]
}

/// What programs say that ask somebody and find no terminal, or nobody at it.
const ASKS: [&str; 4] =
    ["EOF when reading a line", "is not a terminal", "not a tty", "Inappropriate ioctl for device"];

/// The plugin was started, and asked in vain: client-go's own word is only about what the entry says.
fn asks(case: &Case<'_>) -> Option<Finding> {
    let lower = |text: &str| text.to_ascii_lowercase();
    let run = plugin::run(case).filter(|run| run.exit_code != Some(0))?;
    // A shell without a terminal says so of itself, and goes on; and the EOFError of TLS is no question.
    let harmless = |line: &str| ["mesg:", "bash:", "stty:", "sh:"].iter().any(|begin| line.starts_with(begin));
    let asks = |line: &str| ASKS.iter().any(|words| lower(line).contains(&lower(words))) || line.starts_with("EOFError");
    let line = run.stderr.lines().map(str::trim).find(|line| !harmless(line) && asks(line))?;
    let mode = plugin::exec(case).and_then(|exec| exec.interactive_mode.as_deref());
    let first = if mode == Some("Never") {
        Step::command(
            "The user entry keeps the terminal from the plugin: where there is one, let it ask",
            shell!("kubectl config set-credentials {} --exec-interactive-mode=IfAvailable", user(case)),
        )
    } else {
        Step::command("Run it once in a terminal, and answer what it asks", plugin::ran(run))
    };
    let finding = RULE
        .finding(
            Confidence::Likely,
            "The plugin asks somebody for something (a password, a code), and there is no terminal where it could be answered.",
            seen("/plugin/seen/stderr", format!("stderr: {}", clip(line, 240))),
            first,
        )
        .step(Step::text("For machines, use a service account token or another login without questions."));
    Some(finding.cite_if(mode.map(|mode| seen("/kubeconfig/seen/user/exec/interactiveMode", format!("interactiveMode: {mode}")))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    /// A saved run of a plugin that failed, with other words on its stderr: what Python's input() and getpass, tsh and ssh
    /// write without a terminal.
    #[test]
    fn a_plugin_that_asks_nobody_wants_a_terminal() {
        let text = include_str!("../../../testdata/cases/exec-failed/evidence.json");
        for (stderr, found) in [
            ("Password: Traceback (most recent call last):\n  File \"x\", line 1\nEOFError: EOF when reading a line\n", true),
            ("ERROR: stdin is not a terminal\n", true),
            ("the input device is not a TTY\n", true),
            ("unexpected EOF\n", false),
            ("urlopen error: SSLError(SSLEOFError(8, 'EOF occurred in violation of protocol (_ssl.c:1006)'))\n", false),
            ("mesg: ttyname failed: Inappropriate ioctl for device\nconnection refused\n", false),
            ("bash: cannot set terminal process group (-1): Inappropriate ioctl for device\n", false),
            ("EOFError\n", true),
        ] {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let Outcome::Seen(run) = &mut evidence.plugin.outcome else { panic!("no run") };
            run.stderr = stderr.to_owned();
            let findings = crate::rules::check_all(&Case::new(&evidence));
            assert_eq!(findings.iter().any(|finding| finding.code == RULE.code), found, "{stderr}");
        }
    }
}
