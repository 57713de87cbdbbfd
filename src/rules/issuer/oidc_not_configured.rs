//! The API server is configured for no OIDC issuer at all.

use crate::apiserver::message::{self, heard};
use crate::report::{seen, Confidence, Finding, Severity, Step};
use crate::report::shell::{shell, Shell};
use crate::rules::{eks, setting, Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "oidc-not-configured",
    severity: Severity::Error,
    title: "The API server is configured for no OIDC issuer",
    page: Page {
        means: "The token may be perfect: the API server has no authenticator that could take it, and says only \"invalid bearer token\".",
        evidence: "The server's flags (/flagz, or the file you gave): neither --oidc-issuer-url nor --authentication-config; on EKS the list of identity provider configurations.",
        fix: "Configure the issuer: --oidc-issuer-url and --oidc-client-id, or --authentication-config; on EKS aws eks associate-identity-provider-config. On EKS: `aws eks associate-identity-provider-config --cluster-name CLUSTER --oidc issuerUrl=ISSUER,clientId=CLIENT,identityProviderConfigName=NAME`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::NOBODY_CLAIMED, &heard::NOBODY],
    explains: &["credential-rejected"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.is_service_account() {
        return Vec::new();
    }
    let (Some((configuration, path)), Some(issuer)) = (&case.configuration, case.claim_text("iss")) else { return Vec::new() };
    if !configuration.jwt_known || !configuration.jwt.is_empty() || configuration.service_account_issuers.iter().any(|known| known == issuer) {
        return Vec::new();
    }
    let audience = match case.claim("aud") {
        Some(serde_json::Value::String(audience)) => audience.clone(),
        Some(serde_json::Value::Array(list)) => list.first().and_then(|audience| audience.as_str()).unwrap_or("CLIENT_ID").to_owned(),
        _ => "CLIENT_ID".to_owned(),
    };
    let mapped = mapping(case);
    if let Some(aws) = eks::aws(case).filter(|_| path.starts_with("/aws/")) {
        let cluster = eks::cluster(case);
        let mode = aws.cluster.seen().map_or("its mode is not known", |cluster| cluster.authentication_mode.as_deref().unwrap_or("CONFIG_MAP"));
        return vec![
            RULE.finding(
                Confidence::Certain,
                format!("The token is from {issuer}, and EKS has no identity provider configured for {cluster} (users come in by IAM only, {mode}), so nobody looks at it."),
                seen((*path).to_owned(), "the cluster has no identity provider configuration"),
                Step::command(
                    format!("Associate the issuer, with prefixes that keep its names apart (it takes some minutes; the issuer must be reachable for the control plane){}", mapped.note),
                    shell!(
                        "aws eks associate-identity-provider-config --cluster-name {} --oidc identityProviderConfigName=oidc,issuerUrl={},clientId={},usernameClaim={},usernamePrefix=oidc:{}",
                        cluster,
                        issuer,
                        audience,
                        mapped.username,
                        Shell::from(if mapped.groups { ",groupsClaim=groups,groupsPrefix=oidc:" } else { "" }),
                    ),
                ),
            )
            .step(Step::command("Or come in by IAM, if the token is meant for another cluster", shell!("aws eks update-kubeconfig --name {}", cluster)))
            .cite_if(case.rejected()),
        ];
    }
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("The token is from {issuer}, and the API server has no authenticator for any identity provider, so nobody looks at it."),
            seen(
                (*path).to_owned(),
                if case.flags().is_some_and(|flags| flags.authentication_configuration.is_some()) {
                    "the AuthenticationConfiguration has no entry under jwt"
                } else {
                    "the flags in force name neither --oidc-issuer-url nor --authentication-config"
                },
            ),
            setting::first_issuer(case, issuer, &audience, mapped.username, mapped.groups, mapped.note),
        )
        .step(Step::command("On EKS", shell!("aws eks associate-identity-provider-config --cluster-name CLUSTER --oidc identityProviderConfigName=oidc,issuerUrl={},clientId={}", issuer, audience)))
        .cite_if(case.rejected()),
    ]
}

/// Which claims of the token can name its user and the groups.
struct Claims {
    username: &'static str,
    groups: bool,
    /// Why another claim than usual, as the end of a sentence.
    note: &'static str,
}

/// The address where it counts; else `sub`, which every ID token has: a claim that is not in the token, or an address that is
/// not verified, would have everybody refused.
fn mapping(case: &Case<'_>) -> Claims {
    let address = case.claim_text("email").is_some_and(|address| !address.is_empty());
    let verified = case.claim("email_verified").is_none_or(|verified| verified.as_bool() == Some(true));
    let (username, note) = match (address, verified) {
        (true, true) => ("email", ""),
        (true, false) => ("sub", "; the token's address is not verified, so its sub names the user"),
        (false, _) => ("sub", "; the token has no email, so its sub names the user"),
    };
    let groups = case.claim("groups").is_none_or(|groups| match groups {
        serde_json::Value::Array(list) => list.iter().all(serde_json::Value::is_string),
        other => other.is_string(),
    });
    Claims { username, groups, note }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;

    fn told(evidence: &Value) -> Finding {
        let evidence: Evidence = serde_json::from_value(evidence.clone()).expect("evidence");
        check(&Case::new(&evidence)).pop().expect("the finding")
    }

    #[test]
    fn the_issuer_goes_into_the_file_where_the_server_reads_one() {
        let text = include_str!("../../../testdata/cases/oidc-not-configured/evidence.json");
        let mut evidence: Value = serde_json::from_str(text).expect("evidence");
        let by_flags = told(&evidence).fix.remove(0);
        assert!(by_flags.manifest.is_some_and(|flags| flags.starts_with("--oidc-issuer-url=")), "{}", by_flags.text);
        // Synthetic: the same token at an API server whose file only narrows anonymous requests. A real one with that file
        // and the flags ends with "authentication-config file and oidc-* flags are mutually exclusive".
        let at_rest = |what: &str, value: Value| json!({ "startedMs": 0, "tookMs": 0, what: value });
        let file = json!({
            "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
            "anonymous": { "enabled": true, "conditions": [{ "path": "/livez" }] },
        });
        evidence["controlPlane"]["flagz"] = at_rest("notApplicable", json!("not served"));
        evidence["controlPlane"]["configuration"] =
            at_rest("seen", json!({ "source": "auth.yaml", "flags": {}, "authenticationConfiguration": file }));
        let finding = told(&evidence);
        for step in &finding.fix {
            let told = format!("{} {}", step.text, step.manifest.as_deref().unwrap_or_default());
            assert!(!told.contains("--oidc-") && !told.contains("restart"), "{told}");
        }
        let part = finding.fix[0].manifest.as_deref().unwrap_or_default();
        assert!(part.starts_with("jwt:\n- issuer:\n    url: ") && part.contains("audiences: ["), "{part}");
    }
}
