//! Texts of the API server that are told apart in the same way.

use crate::apiserver::message::{self, Text};

/// Why an authenticator for an issuer does not come up.
pub(super) const INITIALISING: [&Text; 11] = [
    &message::OIDC_INIT_HTTP,
    &message::OIDC_INIT_PROXY,
    &message::OIDC_INIT_PROXY_DEAD,
    &message::OIDC_INIT_DNS,
    &message::OIDC_INIT_TIMEOUT,
    &message::OIDC_INIT_REFUSED,
    &message::OIDC_INIT_X509,
    &message::OIDC_INIT_CLOSED,
    &message::OIDC_ISSUER_DIFFERS,
    &message::OIDC_DISCOVERY_NOT_JSON,
    &message::JWKS_URI_MISSING,
];

/// What an authenticator for an issuer has against a token.
pub(super) const JUDGING: [&Text; 22] = [
    &message::OIDC_NOT_INITIALIZED,
    &message::JWKS_HTTP,
    &message::JWKS_UNREACHABLE,
    &message::JWKS_UNPARSABLE,
    &message::SIGNATURE_FAILED,
    &message::AUDIENCE,
    &message::EXPIRED,
    &message::ALGORITHM,
    &message::USERNAME_CLAIM_MISSING,
    &message::EMAIL_NOT_VERIFIED,
    &message::NOT_YET_VALID,
    &message::EMAIL_VERIFIED_TYPE,
    &message::USERNAME_CLAIM_TYPE,
    &message::SUBJECT_TYPE,
    &message::GROUPS_CLAIM_TYPE,
    &message::DISTRIBUTED_CLAIMS,
    &message::REQUIRED_CLAIM_MISSING,
    &message::REQUIRED_CLAIM_DIFFERS,
    &message::REQUIRED_CLAIM_TYPE,
    &message::CLAIM_RULE,
    &message::USER_RULE,
    &message::CLAIM_MAPPING,
];

/// Of those, what is told of the issuer rather than of one token.
pub(super) const OF_ISSUER: [&Text; 4] =
    [&message::OIDC_NOT_INITIALIZED, &message::JWKS_HTTP, &message::JWKS_UNREACHABLE, &message::JWKS_UNPARSABLE];

/// What ends at the issuer's keys, and names nothing of the token.
pub(super) const OF_KEYS: [&Text; 4] =
    [&message::JWKS_HTTP, &message::JWKS_UNREACHABLE, &message::JWKS_UNPARSABLE, &message::SIGNATURE_FAILED];

/// What is looked at before any key; of several audiences the API server looks for one afterwards.
pub(super) const BEFORE_KEYS: [&Text; 4] =
    [&message::AUDIENCE, &message::EXPIRED, &message::NOT_YET_VALID, &message::ALGORITHM];

/// What the API server has against a service account's token.
pub(super) const OF_ACCOUNT: [&Text; 10] = [
    &message::SERVICE_ACCOUNT_EXPIRED,
    &message::SERVICE_ACCOUNT_AUDIENCE,
    &message::SERVICE_ACCOUNT_NOT_YET_VALID,
    &message::SERVICE_ACCOUNT_KEY_UNKNOWN,
    &message::SERVICE_ACCOUNT_SIGNATURE,
    &message::SERVICE_ACCOUNT_MISSING,
    &message::SERVICE_ACCOUNT_DELETED,
    &message::SERVICE_ACCOUNT_UID,
    &message::SERVICE_ACCOUNT_INVALIDATED,
    &message::SERVICE_ACCOUNT_BOUND_UID,
];

/// What is told of a token that lacks something, or fails a rule, as those of many people do.
pub(super) const COMMON: [&Text; 6] = [
    &message::AUDIENCE,
    &message::USERNAME_CLAIM_MISSING,
    &message::REQUIRED_CLAIM_MISSING,
    &message::CLAIM_RULE,
    &message::USER_RULE,
    &message::CLAIM_MAPPING,
];

/// What the API server has against the certificate of a proxy before it.
pub(super) const OF_PROXY: [&Text; 3] = [&message::FRONT_PROXY_NAME, &message::BOTH_CAS, &message::CLIENT_CA_ALONE];

/// How calls of webhooks ended.
pub(super) const OF_WEBHOOKS: [&Text; 7] = [
    &message::WEBHOOK_FAILED,
    &message::WEBHOOK_TRANSPORT,
    &message::WEBHOOK_ANSWER,
    &message::WEBHOOK_WORDS,
    &message::AUTHORIZATION_WEBHOOK,
    &message::AUTHORIZATION_ERROR,
    &message::AUTHORIZATION_UNDECIDED,
];
