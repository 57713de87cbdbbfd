//! An IAM identity's mapping, where two things are wrong at once or one only looks right.

use kaccess::report::Confidence::{Certain, Likely};
use kaccess::report::{Finding, Severity};
use serde_json::json;

use super::iam::{asked, asked_to, codes, denied, findings, fix, roles, told_of};
use super::world::{ROLE, World, seen};

/// The binding that is meant is there: whoever has no other right is told of it first.
#[test]
fn a_binding_for_the_name_with_its_at_sign_explains_the_missing_rights() {
    let arn = |name: &str| format!("arn:aws:sts::111122223333:assumed-role/platform-dev/{name}");
    let subject = json!({"kind": "User", "name": arn("alice@example.com"), "namespace": "", "index": 0});
    let binding = json!({"kind": "RoleBinding", "namespace": "dev", "name": "alice", "roleKind": "ClusterRole", "roleName": "reader", "subjects": [subject]});
    let rule = json!({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": []});
    let role = json!({"kind": "ClusterRole", "namespace": "", "name": "reader", "resourceRules": [rule], "nonResourceRules": []});
    let rbac = json!({"readAs": "self", "bindingsTotal": 60, "bindings": [binding], "roles": [role], "unread": []});
    let world = asked_to("list", "", "pods", "dev", json!([]))
        .set("/aws/caller/seen/arn", json!(arn("alice@example.com")))
        .set("/identity/seen/user/username", json!(arn("alice-example.com")))
        .set("/rbac", seen(rbac));
    let all = findings(&world);
    assert_eq!(all[0].code, "session-name-at-sign", "{all:?}");
    let without = told_of(&world, "iam-identity-without-permissions");
    assert_eq!(without.explained_by, Some("session-name-at-sign"));
}

/// The authenticator's 403 is the word `unknown` of a TokenReview: the reviewer takes away no candidate.
#[test]
fn the_refusal_of_an_iam_token_is_known_in_a_token_review() {
    let world = || World::iam_refused().denied("/aws/principal", "iam:GetRole");
    let review = |error: &str| {
        let said = json!({"authenticated": false, "error": error});
        told_of(&world().set("/controlPlane/tokenReview", seen(said)), "credential-rejected")
    };
    let codes = |finding: &Finding| finding.candidates.iter().map(|one| one.code).collect::<Vec<_>>();
    let without = told_of(&world(), "credential-rejected");
    let refused = review("[invalid bearer token, unknown]");
    assert!(codes(&without).contains(&"iam-principal-recreated"), "{without:?}");
    assert_eq!(codes(&refused), codes(&without));
    assert!(refused.title.contains("IAM authenticator refuses") && refused.why.contains("403"), "{refused:?}");
    let steps = format!("{:?}", refused.fix);
    assert!(steps.contains("authenticator-") && !steps.contains("kaccess decode"), "{steps}");
    // Nobody refused it as its own.
    let silent = review("invalid bearer token");
    assert_eq!(codes(&silent), codes(&without));
    assert!(!silent.title.contains("IAM authenticator refuses"), "{silent:?}");
}

/// An entry holds the ARN with its path, and a role's name is unique in its account: with another path it is of a role that
/// is gone.
#[test]
fn an_entry_for_another_path_is_no_mapping() {
    let whole = "arn:aws:iam::111122223333:role/platform/platform-dev";
    let world = || {
        World::iam_refused()
            .mode("API")
            .set("/aws/principal/seen/arn", json!(whole))
            .set("/aws/principal/seen/path", json!("/platform/"))
    };
    let not_mapped = told_of(&world(), "iam-identity-not-mapped");
    assert_eq!(not_mapped.confidence, Likely);
    assert!(not_mapped.why.contains(whole) && not_mapped.why.contains(ROLE), "{}", not_mapped.why);
    let (_, steps) = fix(&world(), "iam-identity-not-mapped");
    let gone = format!("delete-access-entry --cluster-name prod --principal-arn {ROLE}\n");
    assert!(steps[0].contains(&format!("--principal-arn {whole} ")) && steps.concat().contains(&gone), "{steps:?}");
    let rejected = told_of(&world(), "credential-rejected");
    assert!(!rejected.why.contains("maps you"), "{}", rejected.why);
    assert_eq!(rejected.explained_by, Some("iam-identity-not-mapped"));
    // The authenticator's own word makes it certain, and no mapping is waited for.
    let said = told_of(&world().authenticator_log(&denied("identity is not mapped")), "iam-identity-not-mapped");
    assert_eq!((said.confidence, said.title.contains("does not know it")), (Certain, false));
}

/// Only the own ARN could be looked up: how many entries there are is not known.
#[test]
fn a_cluster_whose_entries_were_not_listed_is_not_said_to_have_none() {
    let alone = json!({"total": 0, "entries": [], "namesakes": []});
    let not_mapped = told_of(&World::iam_refused().set("/aws/accessEntries/seen", alone), "iam-identity-not-mapped");
    let cited: Vec<&str> = not_mapped.cites.iter().map(|cite| cite.text.as_str()).collect();
    let expected = format!("the cluster has no access entry for {ROLE}");
    assert!(cited.contains(&expected.as_str()), "{cited:?}");
}

/// The token is judged before any mapping: with both faults its own comes first, and it is the cause of the 401.
#[test]
fn a_fault_of_the_token_is_told_before_one_of_aws_auth() {
    let line = |arn: &str| format!("- rolearn: {arn}\n  username: dev\n  groups: [dev]\n");
    let mistakes = [
        (line("arn:aws:iam::111122223333:role/teams/platform-dev"), "aws-auth-role-path"),
        (line("arn:aws:sts::111122223333:assumed-role/platform-dev/alice"), "aws-auth-wrong-arn-kind"),
        (line(ROLE).replace("[dev]", "[dev"), "aws-auth-invalid"),
    ];
    for (text, code) in mistakes {
        let world = || World::iam_refused().mode("CONFIG_MAP").aws_auth(roles(&text));
        let expired = world()
            .set("/credential/seen/source", json!("token"))
            .set("/credential/seen/token/claims/date", json!("2026-11-25T09:30:00Z"))
            .set("/credential/seen/token/claims/expires", json!("2026-11-25T09:45:00Z"));
        let elsewhere = world().set("/aws/target/seen/tokenCluster", json!("staging"));
        for (world, first) in [(expired, "iam-token-expired"), (elsewhere, "iam-token-wrong-cluster")] {
            let all = findings(&world);
            assert_eq!(all[0].code, first, "{code}: {:?}", codes(&world));
            assert!(all.iter().any(|finding| finding.code == code), "{code}: {:?}", codes(&world));
            let rejected = told_of(&world, "credential-rejected");
            assert_eq!(rejected.explained_by, Some(first), "{code}");
        }
    }
}

/// A clock that agrees with the API server's is not to be set.
#[test]
fn an_old_token_of_a_plugin_on_a_right_clock_is_a_kept_one() {
    let world = |received: &str| {
        World::iam_refused()
            .set("/endpoint/anonymous/seen/receivedAt", json!(received))
            .set("/endpoint/authenticated/seen/receivedAt", json!(received))
            .set("/credential/seen/token/claims/date", json!("2026-11-25T09:44:00Z"))
            .set("/credential/seen/token/claims/expires", json!("2026-11-25T09:59:00Z"))
    };
    let (sure, steps) = fix(&world("2026-11-25T10:00:02Z"), "iam-token-expired");
    assert_eq!(sure, Certain);
    assert!(!steps.concat().contains("timedatectl") && steps[0].contains("cache"), "{steps:?}");
    let (_, steps) = fix(&world("2026-11-25T09:44:02Z"), "iam-token-expired");
    assert!(steps.concat().contains("timedatectl"), "{steps:?}");
}

/// A line of mapAccounts has no groups, and none can be added to it.
#[test]
fn who_is_mapped_by_the_account_gets_a_line_of_their_own() {
    let world = asked(
        World::iam()
            .mode("CONFIG_MAP")
            .aws_auth(json!({"mapAccounts": "- \"111122223333\"\n"}))
            .set("/identity/seen/user/username", json!(ROLE)),
        "",
        "pods",
        "dev",
    );
    let (sure, steps) = fix(&world, "iam-identity-without-permissions");
    assert_eq!(sure, Certain);
    assert!(steps[0].contains("mapRoles") && steps[0].contains(&format!("- rolearn: {ROLE}\n")), "{steps:?}");
    assert!(!steps.concat().contains("to that entry"), "{steps:?}");
}

/// Groups that are a text leave the entry without groups, which is a 403: no cause of a 401.
#[test]
fn groups_that_are_no_list_are_no_cause_of_a_refusal() {
    let text = format!("- rolearn: {ROLE}\n  username: dev\n  groups: dev\n");
    let refused = World::iam_refused().mode("CONFIG_MAP").aws_auth(roles(&text));
    assert!(!codes(&refused).contains(&"aws-auth-invalid"), "{:?}", codes(&refused));
    let rejected = told_of(&refused, "credential-rejected");
    assert_eq!(rejected.explained_by, None);
}

/// The entry gives nothing, and hides the line that was meant to: that one is told first.
#[test]
fn an_entry_without_rights_that_hides_a_line_with_groups_is_the_cause() {
    let line = |group: &str| roles(&format!("- rolearn: {ROLE}\n  username: dev\n  groups: ['{group}']\n"));
    for group in ["system:masters", "team"] {
        let world = asked_to("list", "", "pods", "dev", json!([])).aws_auth(line(group));
        let all = findings(&world);
        assert_eq!(all[0].code, "access-entry-shadows-aws-auth", "{all:?}");
        let without = told_of(&world, "iam-identity-without-permissions");
        assert_eq!(without.explained_by, Some("access-entry-shadows-aws-auth"));
    }
    // A line that gives no group hides nothing that would help.
    let bare = roles(&format!("- rolearn: {ROLE}\n  username: dev\n"));
    let world = asked_to("list", "", "pods", "dev", json!([])).aws_auth(bare);
    assert_eq!(findings(&world)[0].code, "iam-identity-without-permissions", "{:?}", codes(&world));
}

/// What nobody sees in an ARN makes it another one: `eks-iam-identity-not-mapped-config-map` with a line that looks like the
/// caller's, and its twin without.
#[test]
fn a_line_that_only_looks_like_the_callers_is_named() {
    let world = |arn: &str| {
        let line = format!(
            "- rolearn: arn:aws:iam::111122223333:role/nodes\n  username: n\n- rolearn: {arn}\n  username: dev\n  groups: [dev]\n"
        );
        World::iam_refused().mode("CONFIG_MAP").aws_auth(roles(&line))
    };
    for (arn, differs) in [
        (format!("{ROLE}\u{200b}"), "U+200B"),
        (format!("{ROLE}\u{feff}"), "U+FEFF"),
        (format!("\"'{ROLE}'\""), "quotes"),
        (ROLE.replace("::", ":"), "colon"),
    ] {
        let not_mapped = told_of(&world(&arn), "iam-identity-not-mapped");
        assert!(not_mapped.why.contains("mapRoles line 3") && not_mapped.why.contains(differs), "{}", not_mapped.why);
        let manifest = not_mapped.fix[0].manifest.as_deref().unwrap_or_default();
        assert!(manifest.starts_with(&format!("- rolearn: {ROLE}\n  username: dev\n")), "{manifest}");
        let rejected = told_of(&world(&arn), "credential-rejected");
        assert!(!rejected.why.contains("maps you"), "{}", rejected.why);
    }
    // A byte order mark at the begin of a line is none of it.
    let marked = World::iam_refused()
        .mode("CONFIG_MAP")
        .aws_auth(roles(&format!("\u{feff}- rolearn: {ROLE}\n  username: dev\n")));
    assert!(told_of(&marked, "credential-rejected").why.contains("maps you"));
    assert!(
        !told_of(&world("arn:aws:iam::111122223333:role/other"), "iam-identity-not-mapped").why.contains("looks like")
    );
}

/// Go's YAML has no key that is a mapping, and drops the section; what becomes of an anchor is not known here.
#[test]
fn a_template_without_quotes_drops_its_section() {
    let world = |text: &str| World::iam_refused().mode("CONFIG_MAP").aws_auth(roles(text));
    let braces = format!("- rolearn: {ROLE}\n  username: {{{{SessionName}}}}\n  groups: [dev]\n");
    let invalid = told_of(&world(&braces), "aws-auth-invalid");
    assert_eq!((invalid.confidence, invalid.explained_by), (Certain, None));
    assert!(invalid.cites[0].text.starts_with("mapRoles line 2"), "{:?}", invalid.cites);
    let quoted = braces.replace("{{SessionName}}", "'{{SessionName}}'");
    assert!(!codes(&world(&quoted)).contains(&"aws-auth-invalid"), "{:?}", codes(&world(&quoted)));
    let anchored =
        format!("- &a\n  rolearn: arn:aws:iam::111122223333:role/x\n  username: x\n- <<: *a\n  rolearn: {ROLE}\n");
    let rejected = told_of(&world(&anchored), "credential-rejected");
    let candidates = format!("{:?}", rejected.candidates);
    assert_eq!(rejected.candidates[0].code, "aws-auth-invalid", "{candidates}");
    assert!(rejected.candidates[0].why.contains("mapRoles line 4"), "{candidates}");
    // A cluster of this mode refuses every question about access entries.
    assert!(
        candidates.contains("iam-identity-not-mapped") && !candidates.contains("list-access-entries"),
        "{candidates}"
    );
}

/// Others are locked out by it, and not whoever something else lets in.
#[test]
fn a_broken_section_is_a_warning_to_whom_something_else_lets_in() {
    let broken = json!({ "mapUsers": "foo: [" });
    let world = World::iam().aws_auth(broken.clone());
    assert_eq!(told_of(&world, "aws-auth-invalid").severity, Severity::Warning);
    let line = format!("- rolearn: {ROLE}\n  username: dev\n  groups: [dev]\n");
    let beside = World::iam().mode("CONFIG_MAP").aws_auth(json!({ "mapRoles": line, "mapUsers": "foo: [" }));
    assert_eq!(told_of(&beside, "aws-auth-invalid").severity, Severity::Warning);
    // The account lets in without groups: the broken line may be what gives them.
    let account = json!({ "mapRoles": line.replace("[dev]", "[dev"), "mapAccounts": "- \"111122223333\"\n" });
    let account = World::iam().mode("CONFIG_MAP").aws_auth(account);
    assert_eq!(told_of(&account, "aws-auth-invalid").severity, Severity::Error);
    let refused = World::iam_refused().no_entry().aws_auth(broken);
    assert_eq!(told_of(&refused, "aws-auth-invalid").severity, Severity::Error);
}

/// RBAC for a group that the token claims: a provider without groupsClaim gives it to nobody.
#[test]
fn a_provider_without_a_groups_claim_is_told_where_a_binding_misses_it() {
    let bound = |group: &str| {
        let subject = json!({"kind": "Group", "name": group, "namespace": "", "index": 0});
        let binding = json!({"kind": "RoleBinding", "namespace": "dev", "name": "rb", "roleKind": "ClusterRole", "roleName": "reader", "subjects": [subject]});
        let rule = json!({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": []});
        let role = json!({"kind": "ClusterRole", "namespace": "", "name": "reader", "resourceRules": [rule], "nonResourceRules": []});
        json!({"readAs": "self", "bindingsTotal": 60, "bindings": [binding], "roles": [role], "unread": []})
    };
    let world = |group: &str, claim: serde_json::Value| {
        asked(World::oidc(), "", "pods", "dev")
            .set("/aws/identityProviders/seen/configs/0/details/seen/groupsClaim", claim)
            .set("/identity/seen/user/groups", json!(["system:authenticated"]))
            .set("/rbac", seen(bound(group)))
    };
    let unset = world("dev", serde_json::Value::Null);
    let all = findings(&unset);
    assert_eq!((all[0].code, all[0].confidence), ("groups-claim-missing", Certain), "{:?}", codes(&unset));
    assert_eq!(told_of(&unset, "rbac-no-grant").explained_by, Some("groups-claim-missing"));
    let (_, steps) = fix(&unset, "groups-claim-missing");
    assert!(steps[0].contains("groupsClaim=groups"), "{steps:?}");
    // No binding is for a group that the token claims; a claim that is read; and one that is read all the same.
    let prefixed = world("dev", serde_json::Value::Null)
        .set("/identity/seen/user/groups", json!(["oidc:dev", "system:authenticated"]));
    for other in [world("ops", serde_json::Value::Null), world("dev", json!("groups")), prefixed] {
        assert!(!codes(&other).contains(&"groups-claim-missing"), "{:?}", codes(&other));
    }
}

/// Keycloak's leading slash, which no message was given of.
#[test]
fn a_leading_slash_is_found_without_a_question() {
    let world = |group: &str| {
        let subject = json!({"kind": "Group", "name": "oidc:dev", "namespace": "", "index": 0});
        let binding = json!({"kind": "RoleBinding", "namespace": "dev", "name": "rb", "roleKind": "ClusterRole", "roleName": "reader", "subjects": [subject]});
        let rule = json!({"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": []});
        let role = json!({"kind": "ClusterRole", "namespace": "", "name": "reader", "resourceRules": [rule], "nonResourceRules": []});
        let rbac = json!({"readAs": "self", "bindingsTotal": 60, "bindings": [binding], "roles": [role], "unread": []});
        let question =
            json!({"verb": "list", "group": "", "resource": "pods", "subresource": "", "name": "", "namespace": "dev"});
        World::oidc()
            .set("/identity/seen/user/groups", json!([group, "system:authenticated"]))
            .set("/access/seen", json!({"checks": [{"question": question, "allowed": false, "reason": "", "evaluationError": ""}],
                "rules": {"namespace": "dev", "resourceRules": [], "nonResourceRules": [], "incomplete": false, "evaluationError": ""}}))
            .set("/rbac", seen(rbac))
    };
    let slash = world("oidc:/dev");
    let all = findings(&slash);
    assert_eq!((all[0].code, all[0].confidence), ("rbac-group-name-mismatch", Likely), "{:?}", codes(&slash));
    assert_eq!(told_of(&slash, "rbac-no-grant").explained_by, Some("rbac-group-name-mismatch"));
    let other = world("oidc:ops");
    assert!(!codes(&other).contains(&"rbac-group-name-mismatch"), "{:?}", codes(&other));
}

/// What was changed just now need not count yet.
#[test]
fn a_mapping_of_just_now_and_a_mode_that_is_changing_are_told() {
    let changed = "/aws/accessEntries/seen/entries/0/details/seen/modifiedAt";
    let young = told_of(&World::iam_refused().set(changed, json!("2026-11-25T09:59:40Z")), "credential-rejected");
    assert!(young.why.contains("20 s ago") && young.fix[0].text.starts_with("Wait"), "{young:?}");
    let update = json!({"id": "u-1", "type": "AuthenticationModeUpdate", "status": "InProgress", "createdAt": "2026-11-25T09:59:00Z", "params": {}, "errors": []});
    let world = |status: &str| {
        let world = World::iam_refused().set("/aws/updates/seen", json!([update.clone()]));
        told_of(&world.set("/aws/updates/seen/0/status", json!(status)), "credential-rejected")
    };
    let changing = world("InProgress");
    assert!(changing.why.contains("authentication mode") && changing.fix[0].text.starts_with("Wait"), "{changing:?}");
    for old in [world("Successful"), told_of(&World::iam_refused(), "credential-rejected")] {
        assert!(!old.why.contains("a while") && !old.why.contains("authentication mode"), "{}", old.why);
        assert!(!old.fix[0].text.starts_with("Wait"), "{old:?}");
    }
}
