//! A line of the authenticator's log that somebody pasted as the message they met (`--error`).

use kaccess::report::{Confidence, Finding, diagnose};
use kaccess::rules::{Case, check_all};
use serde_json::json;

use super::world::World;

/// A refusal as the authenticator writes it.
fn refusal(time: &str, arn: &str, error: &str) -> String {
    let arn = if arn.is_empty() { String::new() } else { format!("arn=\"{arn}\" ") };
    format!(
        "time=\"{time}\" level=warning msg=\"access denied\" {arn}client=\"127.0.0.1:45678\" error=\"{error}\" method=POST path=/authenticate"
    )
}

fn met(world: World, line: &str) -> Vec<Finding> {
    let (evidence, _) = world.set("/asked/error", json!(line)).evidence();
    diagnose(check_all(&Case::new(&evidence)))
}

const NOW: &str = "2026-11-25T09:59:58Z";

/// The plugin's token is of this moment and has none of these faults.
#[test]
fn a_fault_of_an_earlier_token_is_no_certain_cause_of_todays_refusal() {
    for (code, error) in [
        (
            "iam-token-expired",
            "input token was not properly formatted: X-Amz-Date parameter is expired (15 minute expiration) 2026-11-25 09:30:00 +0000 UTC",
        ),
        (
            "sts-endpoint-invalid",
            r#"input token was not properly formatted: unexpected hostname \"sts.example.com\" in pre-signed URL"#,
        ),
        (
            "iam-token-extra-parameters",
            "input token was not properly formatted: client did not sign the x-k8s-aws-id header in the pre-signed URL",
        ),
        (
            "iam-token-extra-parameters",
            "input token was not properly formatted: invalid X-Amz-Expires parameter in pre-signed URL: 3600",
        ),
        ("iam-token-too-large", "input token was not properly formatted: token is too large"),
    ] {
        let line = refusal(NOW, "", error);
        let all = met(World::iam_refused(), &line);
        assert_eq!(all[0].code, "credential-rejected", "{error}: {all:?}");
        let found = all.iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("{code}: {all:?}"));
        assert_eq!(found.confidence, Confidence::Possible, "{error}");
        assert!(found.why.contains("that was said of an earlier one"), "{error}: {}", found.why);
        // In the log it may be anybody's.
        let (evidence, _) = World::iam_refused().authenticator_log(&format!("{line}\n")).evidence();
        let all = diagnose(check_all(&Case::new(&evidence)));
        assert!(!all.iter().any(|finding| finding.code == code), "{error}: {all:?}");
    }
}

/// A token in hand that has the fault is what the line is about.
#[test]
fn a_fault_that_the_token_in_hand_has_too_stays_certain() {
    let old = || {
        World::iam_refused()
            .set("/credential/seen/token/claims/date", json!("2026-11-25T09:30:00Z"))
            .set("/credential/seen/token/claims/expires", json!("2026-11-25T09:45:00Z"))
    };
    let line = refusal(
        NOW,
        "",
        "input token was not properly formatted: X-Amz-Date parameter is expired (15 minute expiration) 2026-11-25 09:30:00 +0000 UTC",
    );
    let all = met(old(), &line);
    assert_eq!((all[0].code, all[0].confidence), ("iam-token-expired", Confidence::Certain));
    let detail = "token is too large: 5120 bytes, at most 4096 are taken";
    let problems = json!([{"part": "payload", "detail": detail}]);
    let long = World::iam_refused().set("/credential/seen/token/problems", problems);
    let all = met(long, &refusal(NOW, "", "input token was not properly formatted: token is too large"));
    assert_eq!((all[0].code, all[0].confidence), ("iam-token-too-large", Confidence::Certain));
}

/// The line that kaccess asks for is heard by --error as it is in the log.
#[test]
fn the_authenticators_word_that_nothing_maps_you_counts_where_it_is_pasted() {
    let own = "arn:aws:sts::111122223333:assumed-role/platform-dev/alice";
    let canonical = "arn:aws:iam::111122223333:role/platform-dev";
    for arn in [own, canonical] {
        let all = met(World::iam_refused(), &refusal(NOW, arn, "identity is not mapped"));
        assert_eq!((all[0].code, all[0].confidence), ("iam-identity-not-mapped", Confidence::Likely), "{all:?}");
        assert!(all[0].title.contains("does not know it (yet)"), "{}", all[0].title);
        assert!(all.iter().any(|finding| finding.code == "credential-rejected" && finding.explained_by.is_some()));
    }
    // Of somebody else, or of half an hour ago, it says nothing of this refusal.
    for (time, arn) in
        [(NOW, canonical.replace("platform-dev", "platform-ci")), ("2026-11-25T09:29:58Z", own.to_owned())]
    {
        let all = met(World::iam_refused(), &refusal(time, &arn, "identity is not mapped"));
        assert_eq!(all[0].code, "credential-rejected", "{time} {arn}: {all:?}");
    }
}
