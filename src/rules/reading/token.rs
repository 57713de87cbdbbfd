//! What the API server says about a token.

use super::{Codes, Said, of_the_rules, silence};
use crate::apiserver::message::{heard::names as heard, names as text};
use crate::report::Confidence::{Certain, Likely, Possible};
use crate::rules::mapping;

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    // kube-oidc-proxy asks itself with a made-up token, and is ready when that is refused.
    if said.context.plain.contains("readiness check returned error") {
        return Some(silence());
    }
    Some(match said.name() {
        text::SIGNATURE_FAILED => (
            // From 1.36 on an expired token with an unknown key says this as well.
            vec![
                "token-key-rotated",
                "token-key-foreign",
                "jwks-cache-delays-rotation",
                "token-signature-invalid",
                "token-expired",
                "token-is-refresh-token",
            ],
            Possible,
        ),
        // go-oidc says it in every program that takes ID tokens.
        text::AUDIENCE | text::EXPIRED | text::ALGORITHM if said.context.relying_party() => {
            let code = match said.name() {
                text::AUDIENCE => "token-audience-mismatch",
                text::EXPIRED => "token-expired",
                _ => "token-algorithm-not-allowed",
            };
            (vec![code], Possible)
        }
        heard::OTHER_ISSUER | heard::MALFORMED | heard::NOT_SIGNED | text::NOT_YET_VALID
            if said.context.relying_party() =>
        {
            (of_the_rules(said.name()).0, Possible)
        }
        // Access tokens of Keycloak have no audience, or its account application.
        text::AUDIENCE if said.field("got").contains("\"account\"") || said.field("got") == "[]" => {
            (vec!["token-audience-mismatch", "token-not-id-token"], Likely)
        }
        text::AUDIENCE => (vec!["token-audience-mismatch"], Certain),
        text::EXPIRED => (vec!["token-expired", "api-server-clock-wrong", "exec-token-expired"], Certain),
        text::NOT_YET_VALID | text::SERVICE_ACCOUNT_NOT_YET_VALID => {
            (vec!["token-not-yet-valid", "api-server-clock-wrong"], Likely)
        }
        text::ALGORITHM if said.field("got").starts_with("HS") => {
            (vec!["token-is-refresh-token", "token-algorithm-not-allowed"], Likely)
        }
        text::ALGORITHM => (vec!["token-algorithm-not-allowed"], Certain),
        text::USERNAME_CLAIM_MISSING => (vec!["username-claim-missing", "token-not-id-token"], Certain),
        heard::CLAIM_TYPE => (vec!["token-not-jwt", "username-claim-wrong-type"], Possible),
        heard::MALFORMED => (vec!["token-not-jwt"], Certain),
        text::CLAIM_MAPPING => {
            let (made, error) = mapping::read(|name| said.field(name));
            let code = match (made, mapping::missing(error)) {
                (mapping::Made::Name, Some(_)) => "username-claim-missing",
                (mapping::Made::Groups, Some(_)) => "groups-claim-missing",
                _ => "claim-validation-failed",
            };
            (vec![code], Certain)
        }
        // Which of the two it is, the server's release decides.
        text::SERVICE_ACCOUNT_SIGNATURE => {
            let own = said.context.server_says("invalid signature") || said.context.authentication;
            (vec!["service-account-foreign-cluster", "token-signature-invalid"], if own { Likely } else { Possible })
        }
        text::SERVICE_ACCOUNT_KEY_UNKNOWN => (
            vec!["service-account-foreign-cluster"],
            if said.context.server_says("invalid signature") || said.context.authentication {
                Certain
            } else {
                Possible
            },
        ),
        text::SERVICE_ACCOUNT_MISSING if !said.context.authentication || said.context.answer => silence(),
        text::LEGACY_TOKEN_INVALIDATED if !said.context.server_says("Token has been invalidated") => silence(),
        text::SERVICE_ACCOUNT_EXPIRED => (vec!["service-account-token-expired", "api-server-clock-wrong"], Certain),
        text::NOBODY_CLAIMED | heard::NOBODY => {
            let mut codes = vec![
                "credential-rejected",
                "token-issuer-mismatch",
                "oidc-not-configured",
                "token-not-jwt",
                "service-account-issuer-unknown",
            ];
            if said.context.plain.contains(", unknown]") {
                codes.extend([
                    "iam-identity-not-mapped",
                    "aws-auth-role-path",
                    "iam-token-wrong-cluster",
                    "authentication-webhook-refused",
                ]);
            } else {
                codes.extend(["bootstrap-token-invalid", "static-token-unknown"]);
            }
            (codes, Possible)
        }
        heard::BOOTSTRAP if said.context.plain.contains("certificate signing request") => {
            (vec!["bootstrap-token-invalid", "credential-rejected"], Likely)
        }
        _ => return None,
    })
}
