//! A whole request, which may bring several credentials: the chain of authenticators in the server's order.
//!
//! k8s.io/kubernetes pkg/kubeapiserver/authenticator/config.go, k8s.io/apiserver pkg/server/config.go (the loopback
//! token before everything), pkg/authentication/request/{union,anonymous} and pkg/authentication/group.

use jiff::Timestamp;

use super::bearer::{Authorization, Headers, Subprotocol, authorization, subprotocol};
use super::{INVALID_BEARER_TOKEN, IsToken, Judgement, Keys, Opinion, Tokens, World};
use super::{certificate, settle, tokens, with_authenticated};
use crate::apiserver::configuration::{Configuration, aggregate};
use crate::evidence::credential::TokenFacts;
use crate::evidence::identity::{ANONYMOUS, UNAUTHENTICATED, User};
use crate::evidence::tls::{ChainVerdict, PeerFacts};

/// What arrives at the API server.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The URL's path, decoded, without the query.
    pub path: &'a str,
    /// The headers, in order.
    pub headers: &'a Headers,
    /// The client certificate, if one was sent.
    pub peer: Option<Peer<'a>>,
    /// The token that [`authorization`] finds in the headers.
    pub bearer: Option<Presented<'a>>,
    /// The token that [`subprotocol`] finds in the headers.
    pub websocket: Option<Presented<'a>>,
}

/// A client certificate, and what the two bundles of the server make of it; `None`: the bundle is not known here.
#[derive(Clone, Copy)]
pub struct Peer<'a> {
    /// The leaf.
    pub facts: &'a PeerFacts,
    /// Under `--client-ca-file`.
    pub client_ca: Option<&'a ChainVerdict>,
    /// Under `--requestheader-client-ca-file`.
    pub front_proxy_ca: Option<&'a ChainVerdict>,
}

/// A token that a request brings.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// What it says.
    pub facts: &'a TokenFacts,
    /// What is known of its issuer's keys.
    pub keys: &'a Keys,
    /// Compares with it.
    pub is_token: Option<IsToken<'a>>,
}

/// Judges a request as the server's chain of authenticators would.
///
/// A refusal with an empty text is a 401 that leaves no line in the server's log: no credential arrived, and anonymous
/// requests are off (or not for this path).
pub fn judge_request(request: &Request<'_>, config: &Configuration, world: &World<'_>, now: Timestamp) -> Judgement {
    let presented: Vec<Presented<'_>> = [request.bearer, request.websocket].into_iter().flatten().collect();
    let keys: Vec<&Keys> = presented.iter().map(|presented| presented.keys).collect();
    settle(config, &keys, |version, keys| {
        let mut keys = keys.iter();
        let mut next = |presented: Option<Presented<'_>>| match (presented, keys.len()) {
            (Some(presented), 1..) => {
                let world = World { is_token: presented.is_token, ..*world };
                keys.next().map(|keys| tokens(&world, presented.facts, config, version, keys, now))
            }
            _ => None,
        };
        let bearer = next(request.bearer);
        let websocket = next(request.websocket);
        chain(request, config, bearer, websocket)
    })
}

fn chain(
    request: &Request<'_>,
    config: &Configuration,
    bearer: Option<Tokens>,
    websocket: Option<Tokens>,
) -> Judgement {
    let mut errors = Vec::new();
    let authorization = authorization(request.headers);
    if matches!(authorization, Authorization::Token(_)) {
        // The loopback authenticator knows one token, and it is not this one.
        errors.push(INVALID_BEARER_TOKEN.to_owned());
    }
    for opinion in certificates(request, config) {
        match opinion {
            Opinion::Accept(user) => return Judgement::Authenticated(with_authenticated(user)),
            Opinion::Error(error) => errors.push(error),
            Opinion::Silent => {}
            Opinion::Open(reasons) => return Judgement::Undecided { reasons },
        }
    }
    let protocol = subprotocol(request.headers);
    if let Subprotocol::Error(error) = &protocol {
        errors.push((*error).to_owned());
    }
    for tokens in [bearer, websocket].into_iter().flatten() {
        match tokens {
            Tokens::Accept(user) => return Judgement::Authenticated(with_authenticated(user)),
            Tokens::Open(reasons) => return Judgement::Undecided { reasons },
            Tokens::Refuse(none) if none.is_empty() => errors.push(INVALID_BEARER_TOKEN.to_owned()),
            Tokens::Refuse(more) => errors.extend(more),
        }
    }
    if !errors.is_empty() {
        return Judgement::Rejected { error: aggregate(&errors) };
    }
    let allowed = config.anonymous_paths.as_ref().is_none_or(|paths| paths.iter().any(|path| path == request.path));
    if config.anonymous && allowed {
        return Judgement::Authenticated(User {
            username: ANONYMOUS.to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..User::default()
        });
    }
    Judgement::Rejected { error: String::new() }
}

/// The front proxy's authenticator, then that of client certificates.
fn certificates(request: &Request<'_>, config: &Configuration) -> [Opinion; 2] {
    let Some(peer) = request.peer else { return [Opinion::Silent, Opinion::Silent] };
    let unknown = |flag: &str| Opinion::Open(vec![format!("what --{flag} makes of the certificate is not known here")]);
    let front_proxy = match (&config.front_proxy, peer.front_proxy_ca) {
        (Some(flags), verdict @ Some(_)) => {
            certificate::request_header(Some(peer.facts), verdict, &flags.headers, request.headers)
        }
        (Some(_), None) => unknown("requestheader-client-ca-file"),
        (None, _) if !config.complete => unknown("requestheader-client-ca-file"),
        (None, _) => Opinion::Silent,
    };
    let client = match (&config.client_ca_file, peer.client_ca) {
        (Some(_), verdict @ Some(_)) => certificate::x509(Some(peer.facts), verdict),
        (Some(_), None) => unknown("client-ca-file"),
        (None, _) if !config.complete => unknown("client-ca-file"),
        (None, _) => Opinion::Silent,
    };
    [front_proxy, client]
}
