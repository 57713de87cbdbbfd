//! The part of the graph about one issuer: target → name → TCP → TLS, discovery → keys → signature.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Plan;
use super::credential::CredentialProbes;
use super::graph::{Graph, Handle, LONG, SHORT, need, not_applicable, offline_skip, skip_of, taken};
use super::way::{Dns, Tcp, Way, connected, reach, way};
use crate::apiserver::configuration::from_flags;
use crate::collect::credential::{Obtained, issuer_from_exec};
use crate::collect::issuer::{CONTROL_PLANE_AGENT, OWN_AGENT};
use crate::collect::tls::TlsSettings;
use crate::collect::{Roots, issuer, proxy};
use crate::evidence::credential::{Credential, TokenKind};
use crate::evidence::dns::Route;
use crate::evidence::issuer::{Discovery, Jwks, SignatureCheck, Target};
use crate::evidence::tls::TlsReport;
use crate::evidence::{Failure, FailureKind, Issuer, Outcome, Skip};
use crate::host::Host;
use crate::secret::{Scrubber, Secret};

/// A handle on which issuer is looked at.
pub(super) type IssuerTarget = Handle<Target, Arc<Target>>;

/// Where the configuration that was handed over has the API server read discovery documents, by issuer.
fn elsewhere(plan: &Plan) -> BTreeMap<String, String> {
    let configuration = plan.configuration.as_ref().and_then(|flags| from_flags(flags).ok());
    let issuers = configuration.into_iter().flat_map(|configuration| configuration.jwt).map(|jwt| jwt.issuer);
    issuers.filter_map(|issuer| Some((issuer.url, issuer.discovery_url?))).collect()
}

/// The issuer that the user or the credential names.
pub(super) fn named(graph: &mut Graph, user: &CredentialProbes, plan: &Plan) -> IssuerTarget {
    let (config, credential) = (user.kubeconfig.clone(), user.credential.clone());
    let (flag, offline, elsewhere) = (plan.issuer.clone(), plan.offline, elsewhere(plan));
    let named = async move {
        if let Some(url) = flag {
            return Ok((url, "flag"));
        }
        let done = credential.await;
        if let Some(token) = done.observation.seen().and_then(|credential| credential.token.as_ref()) {
            let issuer = token.claims.as_ref().and_then(|claims| claims.get("iss")).and_then(|issuer| issuer.as_str());
            return match (token.kind, issuer) {
                (TokenKind::Jwt, Some(issuer)) => Ok((issuer.to_owned(), "token")),
                (TokenKind::ServiceAccount, _) => {
                    Err(not_applicable("the token is a service account's: the cluster itself is its issuer"))
                }
                _ => Err(not_applicable("the token names no OIDC issuer")),
            };
        }
        let resolved = config.await.give.clone();
        if let Some((url, _)) = resolved.as_ref().and_then(|resolved| issuer_from_exec(resolved.user.exec.as_ref()?)) {
            return Ok((url, "exec-arguments"));
        }
        match &done.observation.outcome {
            Outcome::Seen(_) => Err(not_applicable("the credential is no OIDC token")),
            _ => Err(skip_of(&done.observation, "credential")),
        }
    };
    // Where there is no issuer to look at, being offline keeps nobody from it.
    let needs = async move {
        match named.await {
            Ok(_) if offline => Err(offline_skip()),
            other => other,
        }
    };
    graph.probe("issuer-target", SHORT, needs, move |(url, origin): (String, &'static str)| async move {
        let target = issuer::target_elsewhere(&url, origin, elsewhere.get(&url).map(String::as_str))?;
        Ok((target.clone(), Some(Arc::new(target))))
    })
}

/// The issuer that the API server is configured for.
pub(super) fn configured(graph: &mut Graph, url: &str, plan: &Plan) -> IssuerTarget {
    let (url, elsewhere) = (url.to_owned(), elsewhere(plan));
    graph.probe("configured-issuer-target", SHORT, async move { Ok(url) }, move |url: String| async move {
        let target = issuer::target_elsewhere(&url, "configuration", elsewhere.get(&url).map(String::as_str))?;
        Ok((target.clone(), Some(Arc::new(target))))
    })
}

/// The handles on the probes of one issuer.
pub(super) struct IssuerProbes {
    pub(super) target: IssuerTarget,
    dns: Dns,
    tcp: Tcp,
    tls: Handle<TlsReport, Arc<()>>,
    pub(super) discovery: Handle<Discovery, Option<String>>,
    discovery_as_control_plane: Handle<Discovery, Option<String>>,
    jwks: Handle<Jwks, Arc<Jwks>>,
    jwks_as_control_plane: Handle<Jwks, Arc<Jwks>>,
    signature: Handle<SignatureCheck>,
}

impl IssuerProbes {
    pub(super) fn spawn(
        graph: &mut Graph,
        target: IssuerTarget,
        credential: &Handle<Credential, Arc<Obtained>>,
        host: &Host,
        plan: &Plan,
        scrubber: &Scrubber,
    ) -> Self {
        let roots = match &plan.oidc_ca {
            Some(pem) => Roots::Pem { pem: pem.clone(), label: "oidc-ca-file" },
            None => Roots::System,
        };
        let tls_settings = TlsSettings { roots, client_identity: None, server_name: None, insecure: false };
        let route = route(graph, &target, &tls_settings, host);
        let (dns, tcp) = reach(graph, "issuer-dns", "issuer-tcp", &route, plan.public_resolver);
        let tls = tls(graph, &route, &tcp, host);
        let mut discover = |id: &'static str, agent: &'static str| {
            let (target, tcp, host, scrubber, tls) =
                (target.clone(), tcp.clone(), host.clone(), scrubber.clone(), tls_settings.clone());
            let needs = async move {
                let target: Arc<Target> = need(&target).await?;
                connected(&tcp).await?;
                Ok(target)
            };
            graph.probe(id, LONG, needs, move |target: Arc<Target>| async move {
                let discovery = issuer::discovery(&target.document(), agent, &tls, &host, &scrubber).await?;
                let uri = discovery.jwks_uri.clone();
                Ok((discovery, Some(uri)))
            })
        };
        let discovery = discover("issuer-discovery", OWN_AGENT);
        let discovery_as_control_plane = discover("issuer-discovery-as-control-plane", CONTROL_PLANE_AGENT);
        let mut keys = |id: &'static str, agent: &'static str| {
            let (target, own, disguised, host, scrubber, tls) = (
                target.clone(),
                discovery.clone(),
                discovery_as_control_plane.clone(),
                host.clone(),
                scrubber.clone(),
                tls_settings.clone(),
            );
            let needs = async move {
                let target: Arc<Target> = need(&target).await?;
                let own = own.await;
                // Either way of asking may have told where the keys are.
                let uri = match own.give.clone().flatten() {
                    Some(uri) => Some(uri),
                    None => disguised.await.give.clone().flatten(),
                };
                match uri {
                    Some(uri) => Ok((target, uri)),
                    None if own.give.is_none() => Err(skip_of(&own.observation, own.id)),
                    None => Err(Outcome::Skipped(Skip {
                        because: own.id.to_owned(),
                        text: "there is no discovery document that names the key set".to_owned(),
                        needs: None,
                    })),
                }
            };
            graph.probe(id, LONG, needs, move |(target, uri): (Arc<Target>, String)| async move {
                let jwks = issuer::jwks(target.asked(), &uri, agent, &tls, &host, &scrubber).await?;
                // The whole set is for the signature; what is kept is its public part.
                Ok((issuer::public_part(jwks.clone()), Some(Arc::new(jwks))))
            })
        };
        let jwks = keys("issuer-jwks", OWN_AGENT);
        let jwks_as_control_plane = keys("issuer-jwks-as-control-plane", CONTROL_PLANE_AGENT);
        let signature = signature(graph, credential, &jwks, &jwks_as_control_plane, plan);
        Self { target, dns, tcp, tls, discovery, discovery_as_control_plane, jwks, jwks_as_control_plane, signature }
    }

    pub(super) async fn collect(self) -> Issuer {
        Issuer {
            target: taken(self.target).await,
            dns: taken(self.dns).await,
            tcp: taken(self.tcp).await,
            tls: taken(self.tls).await,
            discovery: taken(self.discovery).await,
            discovery_as_control_plane: taken(self.discovery_as_control_plane).await,
            jwks: taken(self.jwks).await,
            jwks_as_control_plane: taken(self.jwks_as_control_plane).await,
            signature: taken(self.signature).await,
        }
    }
}

/// The way to the issuer's documents.
fn route(graph: &mut Graph, target: &IssuerTarget, tls: &TlsSettings, host: &Host) -> Handle<Route, Way> {
    let (target, host, tls) = (target.clone(), host.clone(), tls.clone());
    graph.probe(
        "issuer-route",
        SHORT,
        async move { need::<_, Arc<Target>, _>(&target).await },
        move |target: Arc<Target>| async move {
            let url = url::Url::parse(target.asked())
                .map_err(|error| Failure::new(FailureKind::Malformed, error.to_string()))?;
            let decision = proxy::choose(&host, &url, None)?;
            let (evidence, way) = way(&url, decision, tls);
            Ok((evidence, Some(way)))
        },
    )
}

/// TLS with the issuer.
fn tls(graph: &mut Graph, route: &Handle<Route, Way>, tcp: &Tcp, host: &Host) -> Handle<TlsReport, Arc<()>> {
    let (route, tcp, host) = (route.clone(), tcp.clone(), host.clone());
    let needs = async move {
        let way: Way = need(&route).await?;
        connected(&tcp).await?;
        if way.url.scheme() != "https" {
            return Err(not_applicable("the issuer's URL is plain http"));
        }
        Ok(way)
    };
    graph.probe("issuer-tls", SHORT, needs, move |way: Way| async move {
        let report = way.wire(&host, None)?.handshake().await?;
        Ok((report, Some(Arc::new(()))))
    })
}

/// Whether a key of the set verifies the token; either way of asking may have told the keys.
fn signature(
    graph: &mut Graph,
    credential: &Handle<Credential, Arc<Obtained>>,
    own: &Handle<Jwks, Arc<Jwks>>,
    disguised: &Handle<Jwks, Arc<Jwks>>,
    plan: &Plan,
) -> Handle<SignatureCheck> {
    let (credential, own, disguised) = (credential.clone(), own.clone(), disguised.clone());
    let account_keys = plan.account_keys.clone();
    let needs = async move {
        let obtained: Arc<Obtained> = need(&credential).await?;
        let token = obtained.token.clone().ok_or_else(|| not_applicable("the credential is no token"))?;
        let done = credential.await;
        let kind = done.observation.seen().and_then(|credential| Some(credential.token.as_ref()?.kind));
        // A service account's token is verified with the keys that the API server was given, not with an issuer's.
        if kind == Some(TokenKind::ServiceAccount) && account_keys.is_some() {
            return Ok((token, Arc::new(Jwks { document: account_keys, ..Jwks::default() })));
        }
        let own = own.await;
        let set = match own.give.clone().filter(|jwks| jwks.document.is_some()) {
            Some(set) => Some(set),
            None => disguised.await.give.clone().filter(|jwks| jwks.document.is_some()),
        };
        match set {
            Some(set) => Ok((token, set)),
            None if own.give.is_none() => Err(skip_of(&own.observation, own.id)),
            None => Err(Outcome::Skipped(Skip {
                because: own.id.to_owned(),
                text: "the key set could not be read".to_owned(),
                needs: None,
            })),
        }
    };
    graph.probe("token-signature", SHORT, needs, |(token, set): (Secret, Arc<Jwks>)| async move {
        Ok((issuer::check_signature(&token, &set)?, Some(())))
    })
}
