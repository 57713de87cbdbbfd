//! The token holds white space or a line feed.

use crate::apiserver::message::heard;
use crate::evidence::credential::TokenProblem;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "token-has-whitespace",
    severity: Severity::Error,
    title: "The token holds white space or a line feed",
    page: Page {
        means: "A line feed in the token: field makes kubectl fail with `net/http: invalid header field value for \"Authorization\"`. \
            A leading space makes the API server see no token at all.",
        evidence: "The bytes of the token, counted without showing them.",
        fix: "Write the token anew without the line feed (printf instead of echo, tr -d '\\n'). `kubectl config set-credentials USER --token=TOKEN`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#putting-a-bearer-token-in-a-request",
    },
    recognises: &[&heard::HEADER_VALUE],
    explains: &["credential-rejected", "anonymous-request", "token-not-jwt"],
    check,
};

/// The problem is one of white space only.
pub fn is_whitespace(problem: &TokenProblem) -> bool {
    let starts = [TokenProblem::WHITE_SPACE_AROUND, TokenProblem::WHITE_SPACE_INSIDE];
    problem.part == "token" && starts.iter().any(|start| problem.detail.starts_with(start))
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    // A blank at the end is taken off on the way, and does no harm.
    if case.accepted() {
        return Vec::new();
    }
    let Some(token) = case.token() else { return Vec::new() };
    if let Some((index, problem)) =
        token.problems.iter().enumerate().find(|(_, problem)| problem.detail.starts_with(TokenProblem::UTF_16))
    {
        return vec![
            RULE.finding(
                Confidence::Certain,
                "The token is written with two bytes a letter, as `>` of Windows PowerShell and \"Unicode\" of Notepad write files. No HTTP header can carry the NUL bytes, so that kubectl stops with: invalid header field value for \"Authorization\".",
                seen(format!("/credential/seen/token/problems/{index}"), problem.detail.clone()),
                Step::command("Write the file anew in ASCII (in PowerShell: Set-Content -Encoding ascii -NoNewline)", "iconv -f UTF-16 -t ASCII token.txt > token.new && mv token.new token.txt"),
            )
            .titled("The token is written in UTF-16"),
        ];
    }
    let Some((index, problem)) =
        token.problems.iter().enumerate().find(|(_, problem)| is_whitespace(problem))
    else {
        return Vec::new();
    };
    // A blank goes through where a line feed is refused.
    let sent = case.anonymous().filter(|_| problem.detail.starts_with(TokenProblem::WHITE_SPACE_AROUND));
    let why = match &sent {
        Some(_) => "The token was sent with the blank before it: between the first two blanks of the header the API server then finds no token, and takes the request as anonymous.",
        None => "No HTTP client can send this token as it is: the header would be cut or refused.",
    };
    vec![RULE.finding(
        Confidence::Certain,
        why,
        seen(format!("/credential/seen/token/problems/{index}"), problem.detail.clone()),
        renew::stored(case, "Store it without the line feed", "tr -d '[:space:]' <"),
    )
    .cite_if(sent)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Failure, FailureKind, Outcome};

    /// A saved run with a line feed in the token; synthetic where a blank stands before it, with a real server's words for
    /// somebody whom it does not know.
    #[test]
    fn a_blank_before_the_token_is_sent() {
        let text = include_str!("../../../testdata/cases/token-has-whitespace/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let why = |evidence: &Evidence| check(&Case::new(evidence)).remove(0).why;
        assert!(why(&evidence).starts_with("No HTTP client can send"), "{}", why(&evidence));
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let token = credential.token.as_mut().expect("a token");
        let problem = token.problems.iter_mut().find(|problem| is_whitespace(problem)).expect("white space");
        problem.detail = format!("{} white space", TokenProblem::WHITE_SPACE_AROUND);
        let words = "selfsubjectreviews.authentication.k8s.io is forbidden: User \"system:anonymous\" cannot create resource \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope";
        evidence.identity.outcome = Outcome::Failed(Failure::new(FailureKind::Forbidden, words));
        assert!(why(&evidence).starts_with("The token was sent with the blank before it"), "{}", why(&evidence));
    }
}
