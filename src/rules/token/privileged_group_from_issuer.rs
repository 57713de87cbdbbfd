//! The identity provider hands out a group that Kubernetes keeps for itself.

use serde_json::Value;

use crate::apiserver::cel;
use crate::apiserver::configuration::Mapping;
use crate::evidence::credential::{TokenFacts, TokenKind};
use crate::evidence::identity::{MASTERS, User};
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::certificate::reserved_group_prefix::KNOWN;
use crate::rules::setting::{self, Setting};
use crate::rules::{Case, Page, Rule, clip};
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "privileged-group-from-issuer",
    severity: Severity::Warning,
    title: "A group of the identity provider is one of Kubernetes' own",
    page: Page {
        means: "Groups named system:* have a built-in meaning (system:masters passes every check and cannot be denied). Without a groups prefix, or with the prefix system:, whoever may name groups in the identity provider may make themselves cluster admin. An expression of the AuthenticationConfiguration, or a token webhook, can hand system:masters out as well.",
        evidence: "The groups that the API server gives this user, beside the token's claims.",
        fix: "Set a groups prefix, so that no group of the identity provider can be one of Kubernetes' own, and bind the prefixed names. `--oidc-groups-prefix=oidc:` is the flag, claimMappings.groups.prefix the field.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// The claim holds this text, alone or in a list.
fn holds(claim: &Value, text: &str) -> bool {
    match claim {
        Value::String(held) => held == text,
        Value::Array(list) => list.iter().any(|item| item.as_str() == Some(text)),
        _ => false,
    }
}

/// Where the API server's own groups prefix, which begins with `system:`, makes this group of a value of the token: the
/// claim, and the value.
pub fn made_by_prefix<'c>(case: &'c Case<'_>, group: &'c str) -> Option<(&'c str, &'c str)> {
    let token = case.token().filter(|token| token.kind == TokenKind::Jwt)?;
    let claims = token.claims.as_ref()?.as_object()?;
    match case.authenticator().map(|jwt| &jwt.groups) {
        Some(Mapping::Claim { claim, prefix }) => {
            let value = group.strip_prefix(prefix.as_str()).filter(|_| prefix.starts_with("system:"))?;
            holds(claims.get(claim.as_str())?, value).then_some((claim.as_str(), value))
        }
        Some(Mapping::None) => None,
        // Which claim is read is not known: a list, or what has the usual name.
        Some(Mapping::Expression(_)) | None => {
            let value = group.strip_prefix("system:")?;
            let (name, _) = claims
                .iter()
                .find(|(name, held)| (held.is_array() || name.as_str() == "groups") && holds(held, value))?;
            Some((name.as_str(), value))
        }
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let Some(token) = case.token() else { return Vec::new() };
    let (user, at) = if let Some(identity) = case.evidence.identity.seen() {
        (&identity.user, "/identity/seen/user/groups")
    } else if let Some(user) = case.evidence.control_plane.token_review.seen().and_then(|review| review.user.as_ref()) {
        (user, "/controlPlane/tokenReview/seen/user/groups")
    } else {
        return Vec::new();
    };
    let named = by_claim(case, token, user, at);
    named.or_else(|| by_server(case, token, user, at)).into_iter().collect()
}

/// The token names no such group, and the API server has the user in the one that passes every check: an expression of its
/// own made it, or whoever knows the token gave it.
fn by_server(case: &Case<'_>, token: &TokenFacts, user: &User, at: &str) -> Option<Finding> {
    let index = user.groups.iter().position(|group| group == MASTERS)?;
    // Whoever acts as somebody else has the groups from there, and a certificate beside the token may count.
    let entry = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    let acting = entry.is_some_and(|entry| entry.impersonate.is_some() || !entry.impersonate_groups.is_empty());
    if acting || case.evidence.credential.seen().is_some_and(|credential| !credential.certificates.is_empty()) {
        return None;
    }
    let configuration = case.configuration.as_ref();
    let expression = match case.authenticator().map(|jwt| &jwt.groups) {
        Some(Mapping::Expression(text)) if token.kind == TokenKind::Jwt => Some(text),
        _ => None,
    };
    let expression = expression.filter(|text| makes_master(text, token) != Some(false));
    let (webhook, file, complete) =
        configuration.map_or((false, false, false), |(known, _)| (known.webhook, known.token_file, known.complete));
    let (confidence, giver) = match (token.kind, expression) {
        (TokenKind::Jwt, Some(text)) if makes_master(text, token) == Some(true) => {
            (Confidence::Certain, "the expression in claimMappings.groups of the AuthenticationConfiguration makes it")
        }
        (TokenKind::Jwt, Some(_)) => (
            Confidence::Likely,
            "the expression in claimMappings.groups of the AuthenticationConfiguration can have made it",
        ),
        (TokenKind::Jwt, None) if case.authenticator().is_some() => {
            (Confidence::Likely, "a token webhook, or a proxy before the API server, gave it")
        }
        (TokenKind::Jwt, None) => (
            Confidence::Likely,
            "an expression in claimMappings.groups of the AuthenticationConfiguration made it, or a token webhook or a proxy before the API server gave it",
        ),
        (TokenKind::Opaque, _) => match (webhook, file) {
            (true, false) if complete => (Confidence::Certain, "the token webhook gave it"),
            (false, true) if complete => (Confidence::Certain, "the file of --token-auth-file gives it"),
            // Nobody at the API server knows such a token: a proxy vouches, which is a finding of its own.
            (false, false) if complete => return None,
            _ => (
                Confidence::Likely,
                "the token webhook or the file of --token-auth-file gave it, or a proxy before the API server",
            ),
        },
        _ => return None,
    };
    let within = token.claims.as_ref().is_some_and(|claims| claims.to_string().contains(&format!("{MASTERS:?}")));
    let source = if within { "It stands deep in a claim of the token" } else { "No claim of the token names it" };
    let mut finding = RULE
        .finding(
            confidence,
            format!("The API server takes this user for a member of {MASTERS:?}, which passes every check and which no binding takes away. {source}: {giver}. Whoever gets such a token may do everything."),
            seen(format!("{at}/{index}"), format!("group: {MASTERS}")),
            Step::command(
                "Have a group of your own given instead, and bind it; deleting the binding then takes the rights away",
                "kubectl create clusterrolebinding cluster-admins --clusterrole=cluster-admin --group=cluster-admins",
            ),
        )
        .titled(format!("The API server makes whoever has this token {MASTERS}"));
    if let (Some(text), Some((_, path))) = (expression, configuration) {
        finding = finding
            .step(Step::text(
                "Take it out of that expression; the API server reads the AuthenticationConfiguration again by itself.",
            ))
            .cite(seen(*path, format!("claimMappings.groups.expression: {}", clip(text, 160))));
    }
    Some(finding)
}

/// Whether the expression makes this group of the token's claims; `None` where that cannot be judged here.
fn makes_master(expression: &str, token: &TokenFacts) -> Option<bool> {
    let claims = token.claims.as_ref()?;
    let made = cel::compile(expression, cel::Place::ClaimMapping).ok()?.evaluate(claims).ok()?;
    Some(made.string_list()?.iter().any(|group| group == MASTERS))
}

/// A claim of the token holds such a group, or the API server's prefix makes one of it.
fn by_claim(case: &Case<'_>, token: &TokenFacts, user: &User, at: &str) -> Option<Finding> {
    if token.kind != TokenKind::Jwt {
        return None;
    }
    // Impersonation and webhooks give groups too; where the token's own claims name the group, it comes from there.
    let from_claim = user.groups.iter().enumerate().filter(|(_, group)| {
        group.starts_with("system:") && !matches!(group.as_str(), "system:authenticated" | "system:unauthenticated")
    });
    let claims = token.claims.as_ref().and_then(|claims| claims.as_object());
    let found = from_claim.into_iter().find_map(|(index, group)| {
        let named = claims?.iter().find(|(_, value)| holds(value, group));
        // Any other name that begins so is a finding of its own.
        let made = || made_by_prefix(case, group).filter(|_| KNOWN.contains(&group.as_str()));
        let (name, value) = named.map(|(name, _)| (name.as_str(), group.as_str())).or_else(made)?;
        Some((index, group, name, value))
    });
    let (index, group, claim, value) = found?;
    if value != group {
        return Some(
            RULE.finding(
                Confidence::Certain,
                format!("The API server takes this user for a member of {group:?}: the identity provider calls the group {value:?}, and the API server's groups prefix makes it one of Kubernetes' own."),
                seen(format!("{at}/{index}"), format!("group: {group}")),
                setting::set(case, "Set another groups prefix (bindings then name oidc:GROUP)", Setting::GroupsPrefix("oidc:")),
            )
            .titled(format!("The groups prefix makes {group:?}, one of Kubernetes' own groups, of the identity provider's {value:?}"))
            .step(Step::text(format!("See who else is in {value:?} in the identity provider: so far each of them is in {group:?}.")))
            .cite(seen(
                format!("/credential/seen/token/claims/{}", pointer_part(claim)),
                format!("the token's claim {claim:?} holds {value:?}"),
            )),
        );
    }
    Some(
        RULE.finding(
            Confidence::Certain,
            format!("The API server takes this user for a member of {group:?}, because the identity provider says so: no prefix keeps its groups apart from Kubernetes' own."),
            seen(format!("{at}/{index}"), format!("group: {group}")),
            setting::set(case, "Set a groups prefix (bindings then name oidc:GROUP)", Setting::GroupsPrefix("oidc:")),
        )
        .titled(format!("The identity provider's group {group:?} is one of Kubernetes' own"))
        .step(Step::text(format!("Take the group {group:?} away in the identity provider, and see who else is in it.")))
        .cite(seen(
            format!("/credential/seen/token/claims/{}", pointer_part(claim)),
            format!("the token's claim {claim:?} holds it"),
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::rules::check_all;

    /// Synthetic: the saved API server has no groups prefix; this one has `system:`, and the token the bare names.
    fn prefixed(group: &str) -> Vec<Finding> {
        let saved = include_str!("../../../testdata/cases/privileged-group-from-issuer/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
        let Outcome::Seen(flagz) = &mut evidence.control_plane.flagz.outcome else { panic!("no flags") };
        flagz.flags.insert("oidc-groups-prefix".to_owned(), vec!["system:".to_owned()]);
        let Outcome::Seen(identity) = &mut evidence.identity.outcome else { panic!("nobody") };
        identity.user.groups[0] = format!("system:{group}");
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let claims = credential.token.as_mut().and_then(|token| token.claims.as_mut()).expect("claims");
        claims["groups"] = serde_json::json!([group]);
        check_all(&Case::new(&evidence))
    }

    const SAVED: &str = include_str!("../../../testdata/cases/privileged-group-from-issuer/evidence.json");

    /// What is said of an administrator whose token has no such group. Synthetic: the saved token names the group; one like
    /// it was made an administrator by such an expression at a kube-apiserver 1.36.
    fn unnamed(change: impl Fn(&mut serde_json::Value)) -> Vec<Confidence> {
        let mut evidence: serde_json::Value = serde_json::from_str(SAVED).expect("evidence");
        evidence["credential"]["seen"]["token"]["claims"]["groups"] = serde_json::json!(["backend"]);
        change(&mut evidence);
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        check(&Case::new(&evidence)).iter().map(|finding| finding.confidence).collect()
    }

    fn expression(evidence: &mut serde_json::Value, text: &str) {
        let url = evidence["credential"]["seen"]["token"]["claims"]["iss"].clone();
        evidence["controlPlane"]["flagz"] =
            serde_json::json!({ "startedMs": 0, "tookMs": 0, "notApplicable": "not served" });
        evidence["controlPlane"]["configuration"] = serde_json::json!({ "startedMs": 0, "tookMs": 0,
            "seen": { "source": "auth.yaml", "flags": {}, "authenticationConfiguration": {
                "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
                "jwt": [{
                    "issuer": { "url": url, "audiences": ["kubernetes"] },
                    "claimMappings": {
                        "username": { "claim": "sub", "prefix": "" }, "groups": { "expression": text },
                    },
                }],
            } } });
    }

    #[test]
    fn an_expression_that_makes_an_administrator_of_everybody_is_seen() {
        let everybody = r#"claims.groups + ["system:masters"]"#;
        assert_eq!(unnamed(|evidence| expression(evidence, everybody)), [Confidence::Certain]);
        // Nothing is known of who gave it.
        assert_eq!(unnamed(|_| ()), [Confidence::Likely]);
        // One who is no administrator.
        let nobody = |evidence: &mut serde_json::Value| {
            expression(evidence, everybody);
            evidence["identity"]["seen"]["user"]["groups"] = serde_json::json!(["backend", "system:authenticated"]);
        };
        assert!(unnamed(nobody).is_empty());
        // One who acts as such a member.
        let acting = |evidence: &mut serde_json::Value| {
            evidence["kubeconfig"]["seen"]["user"]["impersonate"] = serde_json::json!("admin");
        };
        assert!(unnamed(acting).is_empty());
    }

    #[test]
    fn an_opaque_token_of_an_administrator_is_seen() {
        let other = include_str!("../../../testdata/cases/static-token-no-file/evidence.json");
        let other: serde_json::Value = serde_json::from_str(other).expect("evidence");
        // Synthetic: the token is that of another case, whose server does not know it; a webhook answered so for one.
        let with = |flag: &str| {
            let flag = flag.to_owned();
            let credential = other["credential"].clone();
            unnamed(move |evidence| {
                evidence["credential"] = credential.clone();
                evidence["controlPlane"]["flagz"]["seen"]["flags"][flag.as_str()] = serde_json::json!(["/lab/file"]);
            })
        };
        assert_eq!(with("authentication-token-webhook-config-file"), [Confidence::Certain]);
        assert_eq!(with("token-auth-file"), [Confidence::Certain]);
        // Nobody at the API server knows it: a proxy does.
        assert!(with("oidc-ca-file").is_empty());
    }

    fn flags(finding: &Finding) -> String {
        finding.fix[0].manifest.clone().unwrap_or_default()
    }

    #[test]
    fn a_prefix_that_makes_an_administrator_is_seen() {
        let found = prefixed("masters");
        let finding = found.iter().find(|finding| finding.code == RULE.code).expect("an administrator by prefix");
        assert!(finding.why.contains("\"masters\"") && finding.why.contains("groups prefix"), "{}", finding.why);
        assert_eq!(flags(finding), "--oidc-groups-prefix=oidc:\n");
    }

    #[test]
    fn a_reserved_name_that_the_prefix_makes_is_mended_at_the_prefix() {
        let found = prefixed("backend");
        assert!(found.iter().all(|finding| finding.code != RULE.code), "{found:?}");
        let finding = found.iter().find(|finding| finding.code == "reserved-group-prefix").expect("a reserved name");
        assert_eq!(flags(finding), "--oidc-groups-prefix=oidc:\n");
        assert!(finding.fix.iter().all(|step| !step.text.contains("at its source")), "{finding:?}");
    }
}
