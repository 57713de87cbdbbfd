//! The credential plugin did not end in time.

use crate::evidence::FailureKind;
use crate::evidence::credential::{EndedBy, PluginRun};
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::rules::{clip, plugin, Case, Page, Rule};
use crate::text::one_line;

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-timeout",
    severity: Severity::Error,
    title: "The credential plugin did not end in time",
    page: Page {
        means: "The program that should give the credential was still running at the limit (--exec-timeout, 60 s). It usually waits for a browser, a device code or a network that does not answer.",
        evidence: "The plugin was ended by kaccess at the limit.",
        fix: "Run it by hand in a terminal and finish its login, or raise --exec-timeout. `kaccess doctor --exec-timeout 5m`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (path, detail) = match (plugin::run(case), case.evidence.plugin.failed_as(&[FailureKind::Timeout])) {
        (Some(run), _) if timed_out(run) => ("/plugin/seen/outputError", run.output_error.clone().unwrap_or_default()),
        (_, Some(failure)) => ("/plugin/failed/detail", failure.detail.clone()),
        _ => return Vec::new(),
    };
    let command = plugin::exec(case).map_or_else(|| "PLUGIN".into(), plugin::command);
    let said = plugin::run(case).map(|run| one_line(&run.stderr));
    let said = said.filter(|said| !said.is_empty());
    vec![
        RULE.finding(
            Confidence::Certain,
            "The plugin was still running when its time was up; kubectl would wait for it without end.",
            seen(path, detail),
            Step::command("Run it by hand in a terminal and finish what it asks for", command),
        )
        .cite_if(said.map(|said| seen("/plugin/seen/stderr", format!("the plugin said: {}", clip(&said, 300))))),
    ]
}

/// The run was ended at the limit.
pub fn timed_out(run: &PluginRun) -> bool {
    run.ended_by() == Some(EndedBy::Limit)
}
