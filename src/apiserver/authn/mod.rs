//! Which credential kube-apiserver accepts as whom, or the exact error.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::configuration::{Configuration, JwtAuthenticator, aggregate};
use crate::evidence::credential::{TokenFacts, TokenKind, TokenProblem};
use crate::evidence::identity::{AUTHENTICATED, UNAUTHENTICATED, User};
use crate::evidence::issuer::SignatureCheck;

pub mod bearer;
pub mod certificate;
pub mod jwt;
pub mod request;
pub mod service_account;
mod world;

pub use jwt::view;
pub use request::{Peer, Presented, Request, judge_request};
pub use world::{IsToken, Objects, TokenFile, World};

/// What every failing bearer token earns from the loopback authenticator, and what a token that nobody knows earns.
pub const INVALID_BEARER_TOKEN: &str = "invalid bearer token";

/// The key of `extra` that says which credential was used.
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// The releases whose order of checks is modelled: the last with the old one, the first with the new one.
const OLD_ORDER: (u32, u32) = (1, 35);
const NEW_ORDER: (u32, u32) = (1, 36);

/// What the server makes of a credential.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// It is somebody's.
    Authenticated(User),
    /// 401.
    Rejected {
        /// The text of TokenReview's `status.error` and of the server's log.
        error: String,
    },
    /// It depends on something that is not known here.
    Undecided {
        /// What that is.
        reasons: Vec<String>,
    },
}

/// What is known of the issuer's keys, for the issuer that the token names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Keys {
    /// Nothing.
    #[default]
    Unknown,
    /// The server never read the discovery document.
    NotInitialized,
    /// The server cannot read the key set; the text after `fetching keys `.
    FetchFailed(String),
    /// The signature was checked with the issuer's key set.
    Signature {
        /// Some key verifies it.
        verified: bool,
        /// Some key was in question: the token names no kid, or one that the set holds.
        kid_known: bool,
    },
}

impl From<&SignatureCheck> for Keys {
    fn from(check: &SignatureCheck) -> Self {
        let kid_known = if check.kid.is_empty() { !check.verdicts.is_empty() } else { check.kid_known };
        Self::Signature { verified: check.verified, kid_known }
    }
}

/// Judges a bearer token as the server's chain of authenticators would, with nothing known of the cluster's objects.
///
/// Where something is unknown (the release, the keys), every possibility is judged; if they agree, that is the answer.
pub fn judge_token(facts: &TokenFacts, config: &Configuration, keys: &Keys, now: Timestamp) -> Judgement {
    judge_token_in(&World::default(), facts, config, keys, now)
}

/// The same where some of the cluster's objects, or the token file, are known.
pub fn judge_token_in(
    world: &World<'_>,
    facts: &TokenFacts,
    config: &Configuration,
    keys: &Keys,
    now: Timestamp,
) -> Judgement {
    settle(config, &[keys], |version, keys| alone(tokens(world, facts, config, version, &keys[0], now)))
}

/// Judges in every world that is possible, by release and by what the keys of each token may be; the answer is certain
/// where all agree.
fn settle(config: &Configuration, tokens: &[&Keys], judge: impl Fn((u32, u32), &[Keys]) -> Judgement) -> Judgement {
    let versions = match config.version {
        Some(version) => vec![version],
        None => vec![OLD_ORDER, NEW_ORDER],
    };
    let mut worlds: Vec<Vec<Keys>> = vec![Vec::new()];
    for keys in tokens {
        let possible = if **keys == Keys::Unknown {
            let signature = |verified, kid_known| Keys::Signature { verified, kid_known };
            vec![signature(true, true), signature(false, true), signature(false, false), Keys::NotInitialized]
        } else {
            vec![(*keys).clone()]
        };
        let longer = worlds.iter().flat_map(|world| {
            possible.iter().map(|keys| {
                let mut world = world.clone();
                world.push(keys.clone());
                world
            })
        });
        worlds = longer.collect();
    }
    let mut outcomes: Vec<Judgement> = Vec::new();
    for version in &versions {
        for world in &worlds {
            let judgement = judge(*version, world);
            if !outcomes.contains(&judgement) {
                outcomes.push(judgement);
            }
        }
    }
    if outcomes.len() == 1 {
        return outcomes.remove(0);
    }
    let unchecked = tokens.iter().any(|keys| **keys == Keys::Unknown);
    Judgement::Undecided { reasons: reasons(&outcomes, versions.len() > 1, unchecked) }
}

/// Says in which ways possibilities differ.
fn reasons(outcomes: &[Judgement], versions: bool, keys: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    if keys {
        reasons.push("the signature was not checked: the issuer's keys are not known here".to_owned());
    } else if versions {
        reasons
            .push("the order of the checks changed with Kubernetes 1.36, and the server's release is not known".into());
    }
    if outcomes.iter().all(|judgement| matches!(judgement, Judgement::Rejected { .. })) {
        reasons.push("it is refused in every case; only the server's words differ".to_owned());
    }
    // The first possibility is the good one: the keys verify it.
    match (&outcomes[0], keys) {
        (Judgement::Authenticated(user), true) => {
            reasons.push(format!("if it verifies, it is accepted as {:?}", user.username));
        }
        (Judgement::Rejected { error }, true) => reasons.push(format!("if it verifies, it is refused: {error}")),
        (Judgement::Undecided { reasons: more }, _) => reasons.extend(more.iter().cloned()),
        _ => {
            for judgement in outcomes {
                if let Judgement::Rejected { error } = judgement {
                    reasons.push(format!("perhaps: {error}"));
                }
            }
        }
    }
    reasons
}

/// What one authenticator says.
#[derive(Debug, Clone, PartialEq)]
pub enum Opinion {
    /// It is this user.
    Accept(User),
    /// It fails with this text, which counts only if no other authenticator accepts.
    Error(String),
    /// It has no opinion.
    Silent,
    /// It depends on these things, which are not known here.
    Open(Vec<String>),
}

/// What the union of the token authenticators makes of one token.
enum Tokens {
    Accept(User),
    /// Nobody knows it; these errors, perhaps none.
    Refuse(Vec<String>),
    Open(Vec<String>),
}

/// The judgement of a request that brings one bearer token and nothing else, as a TokenReview's does.
fn alone(tokens: Tokens) -> Judgement {
    match tokens {
        Tokens::Accept(user) => Judgement::Authenticated(with_authenticated(user)),
        Tokens::Open(reasons) => Judgement::Undecided { reasons },
        Tokens::Refuse(errors) => {
            let mut all = vec![INVALID_BEARER_TOKEN.to_owned()];
            all.extend(errors);
            Judgement::Rejected { error: aggregate(&all) }
        }
    }
}

/// The token authenticators in their order, for one release and one state of the keys
/// (k8s.io/kubernetes pkg/kubeapiserver/authenticator/config.go).
fn tokens(
    world: &World<'_>,
    facts: &TokenFacts,
    config: &Configuration,
    version: (u32, u32),
    keys: &Keys,
    now: Timestamp,
) -> Tokens {
    if let Some(problem) = facts.problems.iter().find(|problem| {
        problem.part == "token" && problem.detail.starts_with(TokenProblem::WHITE_SPACE_INSIDE)
            || problem.detail.starts_with(TokenProblem::TOO_DEEP)
    }) {
        return Tokens::Open(vec![problem.detail.clone()]);
    }
    let mut errors = Vec::new();
    let mut open = Vec::new();
    if config.token_file {
        match (world.token_file, world.is_token) {
            (Some(file), Some(is_token)) => {
                if let Some(user) = file.user(is_token) {
                    return Tokens::Accept(user.clone());
                }
            }
            _ => open.push("--token-auth-file is set and may hold this token".to_owned()),
        }
    }
    let mut opinions = vec![service_account::opinion(world, facts, config, version, keys, now)];
    if facts.kind == TokenKind::Bootstrap {
        opinions.push(bootstrap(world, facts, config, now));
    }
    opinions.push(jwt::opinion(facts, config, version, keys, now));
    for opinion in opinions {
        match opinion {
            // An authenticator that answers first would answer the same or not at all, but for the token file.
            Opinion::Accept(user) if open.is_empty() => return Tokens::Accept(user),
            Opinion::Accept(user) => {
                open.push(format!("else it is accepted as {:?}", user.username));
                return Tokens::Open(open);
            }
            Opinion::Error(error) => errors.push(error),
            Opinion::Silent => {}
            Opinion::Open(reasons) => open.extend(reasons),
        }
    }
    if config.webhook {
        open.push("an authentication webhook is configured and may know this token".to_owned());
    } else if facts.kind == TokenKind::EksIam && !config.complete {
        open.push("only the token webhook of EKS (aws-iam-authenticator) can judge an IAM token".to_owned());
    } else if facts.kind == TokenKind::Opaque && !config.complete {
        open.push("it is no JWT: a token file or webhook might know it, and not all flags are known".to_owned());
    }
    if open.is_empty() { Tokens::Refuse(errors) } else { Tokens::Open(open) }
}

fn bootstrap(world: &World<'_>, facts: &TokenFacts, config: &Configuration, now: Timestamp) -> Opinion {
    if !config.bootstrap_tokens && config.complete {
        return Opinion::Silent;
    }
    let id = facts.claims.as_ref().and_then(|claims| claims.get("tokenId")?.as_str()).unwrap_or_default();
    match (world.objects, world.is_token) {
        (Some(objects), Some(is_token)) if config.bootstrap_tokens => {
            world::bootstrap(id, objects, is_token, now).map_or(Opinion::Silent, Opinion::Accept)
        }
        _ => Opinion::Open(vec![
            "whether its Secret in kube-system exists and holds this token is not known here".to_owned(),
        ]),
    }
}

/// The group that the server adds to everybody it knows.
pub(crate) fn with_authenticated(mut user: User) -> User {
    if !user.is_anonymous() && !user.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

/// The user without any configuration: exact for service accounts, the server's defaults for other issuers.
///
/// [`default_assumption`] says what the view rests on.
pub fn default_view(facts: &TokenFacts) -> Option<User> {
    match facts.kind {
        TokenKind::ServiceAccount => service_account::view(facts),
        TokenKind::Jwt => {
            let claims = facts.claims.as_ref()?.as_object()?;
            let issuer = claims.get("iss").and_then(Value::as_str)?;
            jwt::view(facts, &JwtAuthenticator::with_defaults(issuer))
        }
        TokenKind::Bootstrap => {
            let id = facts.claims.as_ref()?.get("tokenId")?.as_str()?;
            Some(with_authenticated(User {
                username: format!("system:bootstrap:{id}"),
                groups: vec!["system:bootstrappers".to_owned()],
                ..User::default()
            }))
        }
        TokenKind::EksIam | TokenKind::Jwe | TokenKind::Opaque => None,
    }
}

/// What [`default_view`] assumes, in one sentence; `None` where it assumes nothing.
pub fn default_assumption(facts: &TokenFacts) -> Option<&'static str> {
    match facts.kind {
        TokenKind::Jwt => Some("assumed: username claim sub, the default prefix <issuer>#, no groups claim"),
        TokenKind::Bootstrap => Some("assumed: no extra groups in its Secret"),
        _ => None,
    }
}

/// `JTI=...` in extra, where the release gives it.
pub(crate) fn credential_id(jti: &str) -> BTreeMap<String, Vec<String>> {
    let mut extra = BTreeMap::new();
    if !jti.is_empty() {
        extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={jti}")]);
    }
    extra
}

#[cfg(test)]
mod tests;
