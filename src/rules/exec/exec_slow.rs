//! The plugin is slow, and every command waits for it.

use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::clock::waited;
use crate::rules::plugin::{self, Kind};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-slow",
    severity: Severity::Warning,
    title: "The credential plugin is slow",
    page: Page {
        means: "kubectl runs the plugin once in every command, before its first request: each of them is slower by that time.",
        evidence: "How long the plugin ran here.",
        fix: "Let the plugin cache its token, or find out what it waits for (a proxy, a metadata address that does not answer, a slow start). `kaccess doctor -v` shows how long it took.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// From how many milliseconds on it is told.
const SLOW_MS: u64 = 5_000;

fn check(case: &Case<'_>) -> Vec<Finding> {
    let ran = &case.evidence.plugin;
    let Some(run) = plugin::run(case).filter(|run| run.output_error.is_none() && ran.took_ms >= SLOW_MS) else {
        return Vec::new();
    };
    // Somebody was logging in meanwhile.
    if ["http://", "https://", "browser", "code"].iter().any(|text| run.stderr.contains(text)) {
        return Vec::new();
    }
    let Some(exec) = plugin::exec(case) else { return Vec::new() };
    let time = waited(ran.took_ms);
    let command = plugin::command(exec);
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            format!("The plugin gave a credential after {time}. Every kubectl command waits that long."),
            seen("/plugin/tookMs", format!("it ran for {time}")),
            Step::command(
                "Run it by hand and see what it waits for (the output is a credential: it goes to /dev/null)",
                shell!("time {} > /dev/null", command),
            ),
        )
        .titled(format!("The credential plugin took {time}"));
    if plugin::kind(case).is_aws() || plugin::kind(case) == Kind::Other {
        finding = finding.step(Step::text(
            "Where it asks the metadata address 169.254.169.254 and the machine is not in AWS, AWS_EC2_METADATA_DISABLED=true spares that.",
        ));
    }
    vec![finding]
}
