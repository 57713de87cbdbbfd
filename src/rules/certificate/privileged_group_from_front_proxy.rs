//! The proxy that logs people in makes them administrators.

use crate::apiserver::authn::CREDENTIAL_ID;
use crate::evidence::credential::{Credential, TokenKind};
use crate::report::{Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::{Case, Page, Rule, front};

/// The rule.
pub static RULE: Rule = Rule {
    code: "privileged-group-from-front-proxy",
    severity: Severity::Warning,
    title: "The proxy in front of the API server makes whoever logs in an administrator",
    page: Page {
        means: "The API server believes every user and group that the proxy writes into X-Remote-User and X-Remote-Group. A proxy that adds one powerful group for everybody takes the whole of RBAC out of the game: whoever passes its login may do everything.",
        evidence: "The identity does not come from the credential sent (a password, or none; a client certificate that ends at the proxy; an opaque token that the API server has nobody to ask about), so a proxy vouched for it; and the groups by SelfSubjectReview hold a system: group, or rights to everything.",
        fix: "Let the proxy pass the group of each person (from its directory), none by default, and never a name that begins with system:. Strip X-Remote-* headers that come from outside. `kaccess whoami` shows which groups arrive.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// What shows that the API server cannot have taken the credential that was sent, so that somebody else vouched; and
/// whether it sees nothing of that credential at all, so that any groups are that somebody's choice.
fn vouched(case: &Case<'_>, credential: &Credential) -> Option<(Citation, bool)> {
    match (&credential.token, credential.certificates.is_empty()) {
        // An API server takes neither a password nor nothing.
        (None, true) => {
            let text = format!("the credential sent is of the kind {:?}, which no API server takes", credential.source.to_string());
            Some((seen("/credential/seen/source", text), true))
        }
        (None, false) => Some((front::stands_before(case)?, false)),
        (Some(token), true) if token.kind == TokenKind::Opaque => {
            let (configuration, path) = case.configuration.as_ref()?;
            let nobody = configuration.complete && !configuration.token_file && !configuration.webhook;
            let known = case.evidence.control_plane.token_review.seen().is_some_and(|review| review.authenticated);
            let text = "the token is no JWT, and neither --token-auth-file nor --authentication-token-webhook-config-file is set: the API server cannot know it";
            (nobody && !known).then(|| (seen(*path, text), false))
        }
        (Some(_), _) => None,
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(identity) = case.evidence.identity.seen() else { return Vec::new() };
    let user = &identity.user;
    let Some(credential) = case.evidence.credential.seen() else { return Vec::new() };
    // A credential that the server itself took leaves its id: somebody (kubectl proxy) sends one of their own along.
    if user.is_anonymous() || user.extra.contains_key(CREDENTIAL_ID) {
        return Vec::new();
    }
    let Some((proof, bare)) = vouched(case, credential) else { return Vec::new() };
    // Whoever asks for somebody else's groups has them from there.
    let entry = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    if !bare && entry.is_some_and(|entry| entry.impersonate.is_some()) {
        return Vec::new();
    }
    let usual = ["system:authenticated", "system:unauthenticated"];
    // A service account has these by being one.
    let account = user.username.starts_with("system:serviceaccount:");
    let of_account =
        |group: &str| account && (group == "system:serviceaccounts" || group.starts_with("system:serviceaccounts:"));
    let granted = |group: &&String| !usual.contains(&group.as_str()) && !of_account(group.as_str());
    let own: Vec<&String> = user.groups.iter().filter(granted).collect();
    // Rancher marks everybody whom it lets through, with a group that has no rights of its own.
    let reserved =
        own.iter().find(|group| group.starts_with("system:") && (bare || !group.starts_with("system:cattle:")));
    let everything = case.evidence.access.seen().and_then(|access| access.rules.as_ref()).and_then(|rules| {
        let all = |list: &[String]| list.iter().any(|entry| entry == "*");
        rules.resource_rules.iter().position(|rule| all(&rule.verbs) && all(&rule.api_groups) && all(&rule.resources))
    });
    let (confidence, why) = match (reserved, everything, own.first()) {
        (Some(group), ..) => (Confidence::Certain, format!("The proxy vouches for {:?} as a member of {group}: a group of the system itself, which it should never hand out.", user.username)),
        // One who logged in with a certificate or token may well be an administrator by a group of their own.
        (None, Some(_), Some(group)) if bare => (Confidence::Likely, format!("The proxy vouches for {:?} as a member of {group}, and {:?} may do everything everywhere. If the proxy adds that group for everybody, so may everybody.", user.username, user.username)),
        _ => return Vec::new(),
    };
    let mut finding = RULE
        .finding(
            confidence,
            why,
            seen("/identity/seen/user/groups", format!("groups: {}", user.groups.join(", "))),
            Step::manifest(
                "In the proxy, pass what its login says of the person, and nothing fixed; in nginx",
                "proxy_set_header X-Remote-User  $remote_user;\nproxy_set_header X-Remote-Group $group_of_user;   # a map by user, with \"\" as default\n",
            ),
        )
        .step(Step::command("Then bind each group to what it needs", "kubectl create clusterrolebinding GROUP-view --clusterrole=view --group=GROUP"))
        .cite(proof);
    if let Some(index) = everything {
        finding = finding.cite(seen(format!("/access/seen/rules/resourceRules/{index}"), "every verb on every resource is allowed"));
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::rules::check_all;

    /// Synthetic: alice of the saved run logged in with a password; this is the same proxy with another login, whose
    /// credential is that of another saved run.
    fn logged_in_with(saved: &str) -> Evidence {
        let text = include_str!("../../../testdata/cases/privileged-group-from-front-proxy/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let other: Evidence = serde_json::from_str(saved).expect("evidence");
        evidence.credential = other.credential;
        evidence
    }

    fn confidence(evidence: &Evidence) -> Option<Confidence> {
        let all = check_all(&Case::new(evidence));
        all.iter().find(|finding| finding.code == RULE.code).map(|finding| finding.confidence)
    }

    #[test]
    fn whoever_logs_in_at_the_proxy_with_a_certificate_is_no_less_an_administrator() {
        let mut evidence =
            logged_in_with(include_str!("../../../testdata/cases/tls-terminated-before-api-server/evidence.json"));
        assert_eq!(confidence(&evidence), Some(Confidence::Certain));
        // At the API server itself the certificate counts, and its groups are another finding's.
        let Outcome::Seen(tls) = &mut evidence.endpoint.tls.outcome else { panic!("no handshake") };
        tls.asks_client_certificate = Some(true);
        for answer in [&mut evidence.endpoint.anonymous, &mut evidence.endpoint.authenticated] {
            let Outcome::Seen(answer) = &mut answer.outcome else { panic!("no answer") };
            answer.server = None;
        }
        assert_eq!(confidence(&evidence), None);
    }

    #[test]
    fn the_groups_of_a_service_account_are_its_own() {
        let text = include_str!("../../../testdata/cases/privileged-group-from-front-proxy/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(identity) = &mut evidence.identity.outcome else { panic!("nobody") };
        // Synthetic: the same proxy, where it sends its own service account's token along.
        identity.user.username = "system:serviceaccount:shop:dashboard".to_owned();
        let groups = ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"];
        identity.user.groups = groups.map(str::to_owned).to_vec();
        assert_eq!(confidence(&evidence), None);
        let Outcome::Seen(identity) = &mut evidence.identity.outcome else { panic!("nobody") };
        identity.user.username = "alice".to_owned();
        assert_eq!(confidence(&evidence), Some(Confidence::Certain));
    }

    #[test]
    fn a_token_that_the_api_server_cannot_know_is_the_proxys() {
        let mut evidence = logged_in_with(include_str!("../../../testdata/cases/static-token-no-file/evidence.json"));
        assert_eq!(confidence(&evidence), Some(Confidence::Certain));
        let Outcome::Seen(flagz) = &mut evidence.control_plane.flagz.outcome else { panic!("no flags") };
        flagz.flags.insert("token-auth-file".to_owned(), vec!["/lab/tokens.csv".to_owned()]);
        assert_eq!(confidence(&evidence), None);
    }
}
