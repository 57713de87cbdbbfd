//! A used-up IAM token.

use jiff::Timestamp;

use crate::apiserver::message;
use crate::evidence::credential::CredentialSource;
use crate::report::shell::shell;
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::clock::{APART, clocks};
use crate::rules::{Case, Page, Place, Rule, Word, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "iam-token-expired",
    severity: Severity::Error,
    title: "The IAM token is older than 15 minutes",
    page: Page {
        means: "A token of aws eks get-token lives for exactly 15 minutes from the time that is signed into it, whatever else it says. A token kept in a variable, a CI job or a kubeconfig dies with it. A token fresh from the plugin is too old only if this machine's clock is behind, or if something around the plugin keeps old tokens.",
        evidence: "X-Amz-Date in the token against the API server's clock, or the authenticator's own words.",
        fix: "Make a token for each use: let kubectl run the plugin instead of storing its output. `aws eks update-kubeconfig --name CLUSTER` writes such an entry.",
        references: "https://docs.aws.amazon.com/eks/latest/userguide/grant-k8s-access.html",
    },
    recognises: &[&message::IAM_EXPIRED],
    explains: &["credential-rejected", "iam-identity-not-mapped"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(refused) = eks::refused(case) else { return Vec::new() };
    let (now, clock) = case.server_time();
    let late = case.claim_time("expires").filter(|expires| *expires <= now);
    let word = eks::authenticator_word(case, &message::IAM_EXPIRED);
    // A log's line is about this token only where it has expired.
    let first = match (late, &word) {
        (Some(expires), _) => seen("/credential/seen/token/claims/expires", format!("15 minutes after its time of signing it was {expires}")),
        (None, Some((word, _))) if word.place != Place::Log => match case.claim_time("expires") {
            // Said of a token that had expired, which this one has not.
            Some(expires) => return vec![earlier(word, expires, refused)],
            None => word.cite(),
        },
        _ => return Vec::new(),
    };
    // A clock that agrees with the API server's is not what makes a fresh token old.
    let agree = clocks(case).filter(|clocks| clocks.ahead.abs() <= APART);
    let fresh = case.evidence.credential.seen().is_some_and(|credential| credential.source == CredentialSource::Exec);
    let end = late.map_or_else(|| "is over".to_owned(), |expires| format!("ended at {expires}"));
    let why = format!("The token's quarter of an hour {end}; by {clock} it is {}.{}", now.strftime("%Y-%m-%dT%H:%M:%SZ"), match (fresh, &agree) {
        (true, Some(_)) => " The plugin has only just handed it out, and this machine's clock is right: the plugin, or a script around it, keeps old tokens.",
        (true, None) => " The plugin has only just made it, so the clock of this machine is behind, or the plugin keeps old tokens.",
        (false, _) => "",
    });
    let step = if fresh && agree.is_some() {
        Step::command("See what the exec entry runs: a wrapper or a cache around it must not keep a token for longer than 14 minutes", "kubectl config view --minify -o jsonpath='{.users[0].user.exec}'")
    } else if fresh {
        Step::command("Set this machine's clock by the network, and compare", "date -u; timedatectl set-ntp true")
    } else {
        Step::command("Let kubectl make a token for each use (an exec entry), instead of storing one", shell!("aws eks update-kubeconfig --name {}", eks::cluster(case)))
    };
    let mut finding = RULE.finding(Confidence::Certain, why, first, step).cite(refused);
    if let (true, Some(clocks)) = (fresh, agree) {
        finding = finding
            .step(Step::command("Or have the exec entry written anew, so that kubectl runs the AWS CLI itself each time", shell!("aws eks update-kubeconfig --name {}", eks::cluster(case))))
            .cite(clocks.cite);
    }
    if late.is_some() {
        finding = finding.cite_if(word.map(|(word, _)| word.cite()));
    }
    // That nothing maps the caller was looked up: a fresh token would be refused as well.
    if eks::unmapped(case) {
        finding.explains = &["credential-rejected"];
    }
    vec![finding]
}

/// A token had expired when the authenticator said so, and the one in hand has time left.
fn earlier(word: &Word, expires: Timestamp, refused: Citation) -> Finding {
    let finding = RULE
        .finding(
            Confidence::Possible,
            "The message that you met says that a token's quarter of an hour was over.",
            word.cite(),
            Step::command("If refusals come and go, see what the exec entry runs: a wrapper or a cache around it must not keep a token for longer than 14 minutes", "kubectl config view --minify -o jsonpath='{.users[0].user.exec}'"),
        )
        .titled("An earlier IAM token was older than 15 minutes")
        .cite(seen("/credential/seen/token/claims/expires", format!("the token in hand expires at {expires}")))
        .cite(refused);
    eks::of_earlier_token(finding)
}
