//! The Authorization header is not `Bearer TOKEN`.

use crate::apiserver::message;
use crate::evidence::credential::TokenProblem;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "authorization-header-malformed",
    severity: Severity::Error,
    title: "The Authorization header is not \"Bearer TOKEN\"",
    page: Page {
        means: "The API server wants the word Bearer, one blank and the token. Clients write the word themselves: a token that is stored with it is sent as \"Bearer Bearer ...\", and the server takes the second word for the token. \
            With two blanks, or another word, there is no credential at all, and the request goes on as system:anonymous. \
            A control character in the token keeps every client from sending the header.",
        evidence: "How the stored token begins, the control character in it, or the server's warning about extra space before the bearer token.",
        fix: "Store the token alone, without \"Authorization:\" and \"Bearer\"; write the header with exactly one blank. `kubectl config set-credentials USER --token=TOKEN`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#putting-a-bearer-token-in-a-request",
    },
    recognises: &[&message::EXTRA_SPACE],
    explains: &["credential-rejected", "token-not-jwt", "token-has-whitespace", "anonymous-request", "no-credential", "token-expired"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let problem = case.token().and_then(|token| {
        token.problems.iter().enumerate().find(|(_, problem)| {
            problem.part == "token" && [TokenProblem::SCHEME, TokenProblem::HEADER_NAME].iter().any(|start| problem.detail.starts_with(start))
        })
    });
    if let Some((index, problem)) = problem {
        let confidence = if case.rejected().is_some() { Confidence::Certain } else { Confidence::Likely };
        return vec![
            RULE.finding(
                confidence,
                format!("The stored token {}; clients put \"Bearer\" in front themselves, so the API server reads the wrong word as the token.", problem.detail),
                seen(format!("/credential/seen/token/problems/{index}"), problem.detail.clone()),
                renew::stored(case, "Store the token alone", "sed -E 's/^(Authorization: *)?(Bearer +)?//I'"),
            )
            .cite_if(case.rejected()),
        ];
    }
    let control = case.token().and_then(|token| {
        token.problems.iter().enumerate().find(|(_, problem)| problem.part == "token" && problem.detail.starts_with(TokenProblem::CONTROL))
    });
    if let Some((index, problem)) = control {
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The token {}: the request is refused before it is sent.", problem.detail),
                seen(format!("/credential/seen/token/problems/{index}"), problem.detail.clone()),
                renew::stored(case, "Store the token without it", "tr -d '[:cntrl:]' <"),
            )
            .titled("The token holds a control character, which no header can carry"),
        ];
    }
    let Some(word) = case.said(&message::EXTRA_SPACE) else { return Vec::new() };
    vec![RULE.finding(
        word.confidence(true),
        "Two blanks or more stood between \"Bearer\" and the token, so the API server saw no token and took the request as anonymous.",
        word.cite(),
        Step::command("Write the header with exactly one blank, and the token without one in front", "curl -H \"Authorization: Bearer $(tr -d '[:space:]' < token.txt)\" ..."),
    )]
}
