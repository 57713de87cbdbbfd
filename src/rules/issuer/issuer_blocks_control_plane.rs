//! What stands in front of the issuer refuses the control plane: the incident kaccess exists for.

use crate::apiserver::message;
use crate::aws::egress::Mode;
use crate::aws::reach::{Layer, Passage, Peer, Step as ReachStep};
use crate::evidence::FailureKind;
use crate::evidence::issuer::{CONTROL_PLANE_AGENT, Target, discovery_url};
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Candidate, Citation, Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::issuer_port::by_egress_selection;
use crate::rules::{Case, Page, Rule, Word, clip, eks};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-blocks-control-plane",
    severity: Severity::Error,
    title: "The issuer, or the allow-list in front of it, refuses the control plane",
    page: Page {
        means: "People log in without trouble, and every kubectl call is Unauthorized: the API server itself must read the issuer's discovery document and key set, it comes from its own addresses, and an allow-list (nginx, a balancer, a WAF) answers it 403. \
            The addresses of the API server's endpoint, of its network interfaces or of your nodes are not the ones it comes from: on a managed control plane they are not published and change.",
        evidence: "The API server's log line \"oidc authenticator: initializing plugin: 403 Forbidden\" decides it; so does a TokenReview that says \"authenticator not initialized\" together with a refusal at that URL that kaccess meets itself.",
        fix: "Open exactly two paths to everybody: the discovery document and the key set. Both hold public data only. Login and admin paths stay behind the allow-list. The API server recovers within 10 s, without a restart. On EKS `kaccess allowlist` prints the rule for load balancer, ingress or nginx.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[&message::OIDC_INIT_HTTP],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "jwks-blocked"],
    check,
};

/// Answers that refuse somebody, as opposed to not knowing the path or being broken.
fn refuses(status: u16) -> bool {
    matches!(status, 401 | 403 | 405 | 406 | 407 | 418 | 444 | 451)
}

/// What the request with the API server's User-Agent meets, where this machine's own is answered with the document.
enum Look {
    /// The same document, or nobody knows.
    Same,
    /// Something that another rule tells.
    Told,
    /// Neither, in words, with the citation and how sure it is that the API server meets it too.
    Other(String, Citation, Confidence),
}

fn look(case: &Case<'_>) -> Look {
    let (probes, at) = case.issuer();
    let at = format!("{at}/discoveryAsControlPlane");
    if let Some(failure) = probes.discovery_as_control_plane.failed() {
        // Whatever comes of no time, of kaccess itself or of the way may have nothing to do with who asks.
        if matches!(failure.kind, FailureKind::Timeout | FailureKind::Bug | FailureKind::Unreachable) {
            return Look::Same;
        }
        let circle = failure.detail.contains(" redirects more than ");
        let sure = if circle { Confidence::Certain } else { Confidence::Likely };
        let detail = clip(&failure.detail, 200);
        let cite = probed(format!("{at}/failed/detail"), detail.clone());
        return Look::Other(format!("ends otherwise: {detail}"), cite, sure);
    }
    let Some(discovery) = probes.discovery_as_control_plane.seen() else { return Look::Same };
    let answer = &discovery.answer;
    let elsewhere = case.authenticator().is_some_and(|jwt| jwt.issuer.discovery_url.is_some());
    match answer.status {
        200 if discovery.unparsable.is_some() => Look::Told,
        200 => {
            let named = discovery.issuer.as_deref().unwrap_or_default();
            if probes.target.seen().is_some_and(|target| target.url == named) {
                return Look::Same;
            }
            let what = format!("is answered with the document of {named:?}, another issuer, which the API server refuses");
            let cite = probed(format!("{at}/seen/issuer"), format!("the document for the API server's User-Agent says issuer {named:?}"));
            Look::Other(what, cite, Confidence::Certain)
        }
        429 | 500..=599 => Look::Told,
        404 | 410 if !elsewhere => Look::Told,
        status => {
            let cite = probed(format!("{at}/seen/answer/status"), format!("discovery answers {status} here to the control plane's User-Agent"));
            Look::Other(format!("is answered {status}, and the API server takes 200 only"), cite, Confidence::Certain)
        }
    }
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let probe = case.discovery_status();
    let logged = case.logged_discovery_status();
    let uninitialized = case.not_initialized();
    let logged_refusal = logged.filter(|(_, status)| refuses(*status));
    let probed_refusal = probe.as_ref().filter(|(status, ..)| refuses(*status));
    // A log whose last word on discovery is another status tells of another fault.
    if logged.is_some() && logged_refusal.is_none() {
        return Vec::new();
    }
    let other_word = [&message::OIDC_INIT_DNS, &message::OIDC_INIT_X509, &message::OIDC_INIT_TIMEOUT, &message::OIDC_INIT_REFUSED, &message::OIDC_INIT_PROXY, &message::OIDC_INIT_PROXY_DEAD, &message::OIDC_INIT_CLOSED, &message::OIDC_ISSUER_DIFFERS, &message::OIDC_DISCOVERY_NOT_JSON, &message::JWKS_URI_MISSING]
        .into_iter()
        .filter_map(|text| case.said(text))
        .map(Word::sure)
        .min();
    // TLS comes before HTTP: whoever does not trust the certificate never gets as far as an answer.
    let distrusts = probes.tls.seen().is_some_and(|tls| tls.distrusted_by_oidc_ca());
    let mut other = None;
    let confidence = match (&logged_refusal, &uninitialized, probed_refusal) {
        (Some((word, _)), ..) => word.sure(),
        // The log says that it stops elsewhere, and not at an answer.
        (None, Some(_), Some(_)) if other_word == Some(Confidence::Certain) => return Vec::new(),
        (None, Some(_), Some(_)) if distrusts => Confidence::Possible,
        (None, Some((_, sure)), Some(_)) => (*sure).max(if other_word.is_some() { Confidence::Likely } else { Confidence::Certain }),
        (None, Some((_, sure)), None) => {
            // From here the document is there and right; what stands between can only be seen by the control plane.
            let healthy = probes.discovery.seen().is_some_and(|discovery| {
                discovery.answer.status == 200 && discovery.jwks_uri.is_some() && discovery.issuer.as_deref() == probes.target.seen().map(|target| target.url.as_str())
            });
            let untrusted = distrusts || (probes.tls.seen().is_some_and(|tls| !tls.faults.is_empty()) && case.has_oidc_ca() != Some(true));
            // What is wrong for everybody who reads the certificate is no matter of who asks.
            let broken = probes.tls.seen().is_some_and(|tls| tls.faults.iter().any(|fault| matches!(fault.kind, TlsFaultKind::Expired | TlsFaultKind::NotYetValid | TlsFaultKind::NameMismatch)));
            if !healthy || untrusted || broken || other_word.is_some() {
                return Vec::new();
            }
            match look(case) {
                Look::Same => (*sure).max(Confidence::Likely),
                Look::Told => return Vec::new(),
                Look::Other(what, cite, how) => {
                    other = Some((what, cite));
                    (*sure).max(how)
                }
            }
        }
        _ => return Vec::new(),
    };
    let issuer = probes.target.seen().map_or_else(|| case.claim_text("iss").unwrap_or("the issuer").to_owned(), |target| target.url.clone());
    let status = logged_refusal.map(|(_, status)| status).or(probed_refusal.map(|(status, ..)| *status));
    let body = probes
        .discovery
        .seen()
        .filter(|discovery| discovery.answer.status != 200)
        .or(probes.discovery_as_control_plane.seen().filter(|discovery| discovery.answer.status != 200));
    let who = body.and_then(|discovery| discovery.answer.server.clone()).or_else(|| body.and_then(|discovery| guess(&discovery.answer.body)));
    let unseen = logged_refusal.is_none() && probed_refusal.is_none() && other.is_none();
    let mut why = match (&logged_refusal, probed_refusal) {
        (Some((_, status)), _) => format!("The API server asks {issuer} for its discovery document every 10 s and is answered {status} each time, so it can judge no token of this issuer."),
        (None, Some((status, _, false))) => format!("The API server could not read the discovery document of {issuer}; the same URL answers {status} from this machine too."),
        (None, Some((status, _, true))) => format!("The API server could not read the discovery document of {issuer}; the URL answers 200 to this machine and {status} as soon as the request carries the API server's User-Agent."),
        (None, None) => format!("The API server could not read the discovery document of {issuer}, which is there and right as seen from this machine: something lets you through and not the control plane. What exactly it meets is not visible from here."),
    };
    if let Some((what, _)) = &other {
        why = format!("The API server could not read the discovery document of {issuer}, which is there and right where this machine asks by its own name; the same request with the API server's User-Agent {what}.");
    }
    if let (Some(who), Some(status)) = (&who, status) {
        why.push_str(&format!(" The {status} is signed by {who:?}: that is the place to change."));
    }
    let behind = logged_refusal.is_none() && probed_refusal.is_some() && distrusts;
    if behind {
        why.push_str(" Before any answer it has to trust the certificate, which the roots of --oidc-ca-file do not: it meets this refusal only once that is mended.");
    }
    let document = probes.target.seen().map_or_else(|| discovery_url(&issuer), Target::document);
    let paths = two_paths(&issuer, &document, probes.discovery.seen().and_then(|discovery| discovery.jwks_uri.as_deref()).or_else(|| {
        probes.discovery_as_control_plane.seen().and_then(|discovery| discovery.jwks_uri.as_deref())
    }));
    let first = logged_refusal.map(|(word, _)| word.cite()).or_else(|| uninitialized.as_ref().map(|(cite, _)| cite.clone())).unwrap_or_else(|| seen(at, "issuer"));
    let nginx = paths
        .iter()
        .map(|path| format!("location = {path} {{\n    allow all;\n    proxy_pass KEYCLOAK;   # as in your location /\n}}\n"))
        .collect::<String>();
    let reach = case.reach.as_ref().filter(|_| logged_refusal.is_none());
    let routed = matches!(eks::egress(case), Some(Mode::CustomerRouted));
    let doubts: Vec<&ReachStep> =
        reach.into_iter().flat_map(|reach| &reach.steps).filter(|step| step.judged == Passage::Unknown && unseen).collect();
    if !doubts.is_empty() {
        let named: Vec<String> = doubts.iter().map(|step| format!("{} ({})", step.layer.word(), step.text)).collect();
        why.push_str(&format!(" On the way that AWS shows, this could not be judged: {}.", named.join("; ")));
    }
    // What a load balancer of AWS refuses, no nginx does, unless the answer is signed by one.
    let balancer = eks::aws(case).and_then(|aws| aws.issuer_balancer.load_balancer.seen());
    let by_nginx = balancer.is_none_or(|balancer| balancer.kind != "application")
        || who.as_deref().is_some_and(|who| who.to_ascii_lowercase().contains("nginx"));
    let elsewhere = match case.reach.as_ref().map(|reach| &reach.peer) {
        Some(Peer::Known { .. }) if routed => "Or list what the control plane comes from: it leaves through your VPC (CUSTOMER_ROUTED), and `kaccess allowlist` prints it.",
        _ if routed => "Or list the address that the issuer sees of it: the control plane leaves through your VPC (CUSTOMER_ROUTED), so that is one of your own network's; which one is decided where its packets leave that.",
        _ => "Listing the control plane's addresses instead does not last: on a managed control plane they are not yours and change.",
    };
    let mut finding = RULE
        .finding(
            confidence,
            why,
            first,
            Step::text(format!(
                "In front of the issuer, open these two paths to every address, and nothing else (both hold public data only): {}",
                paths.join(" and ")
            )),
        )
        .steps(by_nginx.then(|| Step::manifest("In nginx, before the location that holds the allow-list, with the proxy settings of that location; then nginx -s reload", nginx)))
        .step(Step::text(format!("On a balancer or WAF: a rule with these two paths as path condition, before the one that refuses. {elsewhere}")))
        .steps(other.is_some().then(|| Step::command("This must show the document, as it does without -A", shell!("curl -si -A {} {} | head -n 20", CONTROL_PLANE_AGENT, document))))
        .step(Step::command("Wait 10 s (the API server tries again by itself), then", "kaccess doctor"));
    if logged_refusal.is_some() {
        finding = finding.cite_if(uninitialized.map(|(cite, _)| cite));
    }
    let repeated = probe.as_ref().is_some_and(|(.., disguised)| *disguised);
    if let Some((status, path, disguised)) = probe {
        let as_whom = if disguised { " to the control plane's User-Agent" } else { "" };
        finding = finding.cite(probed(path, format!("discovery answers {status} here{as_whom}")));
    }
    finding = finding.cite_if(other.filter(|_| !repeated).map(|(_, cite)| cite));
    if let Some(discovery) = body.filter(|discovery| !discovery.answer.body.is_empty()) {
        let at_body = if std::ptr::eq(discovery, probes.discovery.seen().unwrap_or(discovery)) && probes.discovery.seen().is_some() { "discovery" } else { "discoveryAsControlPlane" };
        finding = finding.cite(probed(format!("{at}/{at_body}/seen/answer/body"), format!("its body begins: {}", clip(discovery.answer.body.trim(), 80))));
    }
    finding = finding.cite_if(case.never_fetched().map(|(_, cite)| cite));
    if unseen {
        let log = |text: &str| Step::command(text, "kaccess doctor --log kube-apiserver.log");
        let lines = [
            ("issuer-certificate-untrusted", "the API server may not trust the issuer's certificate, which this machine does (a company's own CA, a proxy that breaks TLS open)", "its log says \"x509: certificate signed by unknown authority\""),
            ("issuer-unreachable-from-control-plane", "its packets may be dropped on the way (security group, route, firewall)", "its log says \"i/o timeout\" or \"connection refused\""),
            ("issuer-private-dns", "its resolver may not know the issuer's name", "its log says \"no such host\""),
        ];
        finding.cites.extend(doubts.iter().map(|step| eks::cite_step(step)));
        let on_the_way = doubts.iter().find(|step| matches!(step.layer, Layer::Route | Layer::Acl | Layer::SecurityGroup));
        finding.candidates = lines.into_iter().map(|(code, why, text)| Candidate { code, why: why.to_owned(), decided_by: log(text) }).collect();
        if by_egress_selection(case) {
            let why = "it goes there as an egress selection says (egressSelectorType), whose proxy may be down, may refuse the issuer, or may have a certificate that is not trusted".to_owned();
            let decided_by = log("its log says \"proxy error from\", or names the proxy's port");
            finding.candidates.insert(0, Candidate { code: "issuer-egress-proxy-denied", why, decided_by });
        }
        // What was seen on the way goes first.
        if let Some(step) = on_the_way {
            finding.candidates.sort_by_key(|candidate| candidate.code != "issuer-unreachable-from-control-plane");
            finding.candidates[0].why = format!("its packets may be dropped on the way: {}", step.text);
        }
    }
    vec![if behind { finding } else { finding.modest() }]
}

/// The URL paths that the control plane must reach.
fn two_paths(issuer: &str, document: &str, jwks_uri: Option<&str>) -> Vec<String> {
    let path = |url: &str| url::Url::parse(url).map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    let base = path(issuer);
    let keys = match jwks_uri {
        Some(uri) => path(uri),
        // Keycloak's fixed layout; for others the document names it.
        None if base.contains("/realms/") => format!("{base}/protocol/openid-connect/certs"),
        None => "the path of jwks_uri in that document".to_owned(),
    };
    vec![path(document), keys]
}

/// Who signed an error page.
fn guess(body: &str) -> Option<String> {
    ["nginx", "CloudFront", "cloudflare", "awselb", "Akamai", "Azure", "Envoy", "HAProxy"]
        .into_iter()
        .find(|name| body.to_lowercase().contains(&name.to_lowercase()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    /// What the rules find in a saved case whose issuer refuses this machine too. Synthetic: the refusal is put in, as
    /// nginx has it; the same two faults were met together in a laboratory, where the API server's log told of x509 alone.
    fn refused_too(text: &str, roots: Option<&str>) -> Vec<Finding> {
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(discovery) = &mut evidence.issuer.discovery.outcome else { panic!("no answer") };
        discovery.answer.status = 403;
        let Outcome::Seen(tls) = &mut evidence.issuer.tls.outcome else { panic!("no handshake") };
        if let Some(roots) = roots {
            tls.roots = roots.to_owned();
        }
        diagnose(check_all(&Case::new(&evidence)))
    }

    #[test]
    fn a_certificate_that_is_not_trusted_comes_before_any_refusal() {
        let log = include_str!("../../../testdata/cases/issuer-certificate-untrusted-log/evidence.json");
        let found = refused_too(log, None);
        assert_eq!((found[0].code, found[0].confidence), ("issuer-certificate-untrusted", Confidence::Certain));
        assert!(found.iter().all(|finding| finding.code != RULE.code), "{found:?}");
        let reviewed = include_str!("../../../testdata/cases/issuer-certificate-untrusted/evidence.json");
        let found = refused_too(reviewed, Some("oidc-ca-file"));
        assert_eq!((found[0].code, found[0].confidence), ("issuer-certificate-untrusted", Confidence::Likely));
        let own = found.iter().find(|finding| finding.code == RULE.code).expect("the refusal");
        assert_eq!(own.confidence, Confidence::Possible);
        assert!(own.why.contains("Before any answer") && !own.why.contains("The line of the log"), "{}", own.why);
    }

    /// What is found where the API server is not initialized and the issuer answers this machine well. Synthetic: a real
    /// token and issuer; the second look is invented, as an issuer on localhost was made to answer it.
    fn with_look(look: serde_json::Value) -> Vec<Finding> {
        let text = include_str!("../../../testdata/cases/issuer-returns-html/evidence.json");
        let mut evidence: serde_json::Value = serde_json::from_str(text).expect("evidence");
        // The laboratory's own authority is no matter here.
        evidence["issuer"]["tls"]["seen"]["faults"] = serde_json::json!([]);
        let url = evidence["issuer"]["target"]["seen"]["url"].clone();
        let mut own = evidence["issuer"]["discovery"].clone();
        own["seen"]["unparsable"] = serde_json::Value::Null;
        own["seen"]["issuer"] = url.clone();
        own["seen"]["jwksUri"] = serde_json::json!(format!("{}/keys", url.as_str().expect("a URL")));
        evidence["issuer"]["discoveryAsControlPlane"] = own.clone();
        evidence["issuer"]["discovery"] = own;
        for (pointer, value) in look.as_object().expect("changes") {
            evidence["issuer"]["discoveryAsControlPlane"][pointer.as_str()] = value.clone();
        }
        if look.get("failed").is_some() {
            evidence["issuer"]["discoveryAsControlPlane"].as_object_mut().expect("a probe").remove("seen");
        }
        let evidence: Evidence = serde_json::from_value(evidence).expect("evidence");
        diagnose(check_all(&Case::new(&evidence)))
    }

    #[test]
    fn what_the_api_servers_user_agent_meets_is_the_evidence() {
        let own = |all: &[Finding]| all.iter().find(|finding| finding.code == RULE.code).cloned();
        let same = own(&with_look(serde_json::json!({}))).expect("the finding");
        assert!(same.why.contains("not visible from here") && !same.candidates.is_empty(), "{}", same.why);
        let answer = |status: u16| serde_json::json!({ "seen": { "answer": { "method": "GET", "url": "https://localhost:42333/x", "status": status, "reason": "", "bodyLength": 0 }, "redirects": [], "userAgent": "Go-http-client/1.1" } });
        let failed = |kind: &str, detail: &str| serde_json::json!({ "failed": { "kind": kind, "detail": detail } });
        let mut other = answer(200);
        other["seen"]["issuer"] = serde_json::json!("https://other.example.com");
        for (look, confidence, words) in [
            (failed("limit", "https://localhost:42333/x redirects more than 9 times"), Confidence::Certain, "redirects more than"),
            (failed("name-not-found", "GET https://login.example.com/: no such host"), Confidence::Likely, "login.example.com"),
            (other, Confidence::Certain, "another issuer"),
            (answer(202), Confidence::Certain, "answered 202"),
        ] {
            let found = own(&with_look(look)).expect("the finding");
            assert_eq!(found.confidence, confidence, "{}", found.why);
            assert!(found.why.contains(words) && !found.why.contains("not visible from here"), "{}", found.why);
            assert!(found.candidates.is_empty(), "{:?}", found.candidates);
            let commands: Vec<&str> = found.fix.iter().flat_map(Step::codes).collect();
            assert!(commands.iter().any(|command| command.contains("-A Go-http-client/1.1")), "{commands:?}");
        }
        // What another finding tells is not told as unseen beside it.
        for status in [404, 429, 503] {
            let all = with_look(answer(status));
            assert!(own(&all).is_none() && !all.is_empty(), "{status}: {all:?}");
        }
    }

    #[test]
    fn the_two_paths_follow_the_issuer() {
        let of = |issuer: &str, keys: Option<&str>| two_paths(issuer, &discovery_url(issuer), keys);
        assert_eq!(
            of("https://sso.example.com/realms/platform", None),
            ["/realms/platform/.well-known/openid-configuration", "/realms/platform/protocol/openid-connect/certs"]
        );
        assert_eq!(of("https://idp.example.com/", Some("https://idp.example.com/keys")), ["/.well-known/openid-configuration", "/keys"]);
    }
}
