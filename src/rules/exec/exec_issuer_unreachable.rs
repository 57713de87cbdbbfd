//! The login plugin does not get through to the issuer.

use crate::apiserver::message::{heard, tools};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::plugin::{self, Kind, argument, stderr_line};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-issuer-unreachable",
    severity: Severity::Error,
    title: "The login plugin does not get through to the identity provider",
    page: Page {
        means: "kubelogin and Pinniped read the discovery document of the issuer from this machine before anything else, and did not get it: \"oidc discovery error\", \"could not perform OIDC discovery\". The API server was not asked yet.",
        evidence: "The plugin's stderr.",
        fix: "Mend name, network, proxy or CA between this machine and the issuer; or correct --oidc-issuer-url. `curl -v ISSUER/.well-known/openid-configuration` tries the way.",
        references: "https://github.com/int128/kubelogin",
    },
    recognises: &[&heard::LOGIN_UNREACHABLE, &tools::LOGIN_UNREACHABLE],
    explains: &["exec-failed", "exec-timeout"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let words = if plugin::kind(case) == Kind::Oidc { "oidc discovery error" } else { "could not perform OIDC discovery for" };
    let Some((line, cite)) = stderr_line(case, &[words]) else { return Vec::new() };
    // Whoever gets an answer, though not the right one, got through.
    const NETWORK: [&str; 10] = [
        "dial tcp", "no such host", "timeout", "deadline exceeded", "connection refused", "connection reset", "proxyconnect",
        "x509:", "EOF", "tls:",
    ];
    let Some(how) = NETWORK.iter().find(|text| line.contains(**text)) else { return Vec::new() };
    // Pinniped names it in its words, too.
    let named = line.split_once("discovery for \"").and_then(|(_, rest)| rest.split('"').next());
    let given = plugin::exec(case).and_then(|exec| argument(exec, &["--oidc-issuer-url", "--issuer"]));
    let issuer = given.or(named).unwrap_or("ISSUER");
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let mut finding = RULE.finding(
        Confidence::Certain,
        format!("The plugin could not read the discovery document of {issuer} from this machine: {}", clip(line, 300)),
        cite,
        Step::command("Try the same from here; it must give JSON", shell!("curl -v {}", url)),
    );
    if *how == "x509:" || *how == "tls:" {
        finding = finding.step(Step::text("If its certificate is of a CA of your own, give it to the plugin: --certificate-authority=FILE (Pinniped: --ca-bundle=FILE)."));
    }
    vec![finding]
}
