//! Two looks beside each other: what differs that can matter for getting in, and nothing that differs every time.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::doctor::{DoctorReport, Status};
use super::veil::Veil;
use crate::evidence::apiserver::Flags;
use crate::evidence::credential::Credential;
use crate::evidence::tls::TlsReport;
use crate::evidence::{Evidence, Observation};

/// Claims that differ in every token.
const ALWAYS_DIFFERENT: &[&str] = &[
    "exp",
    "iat",
    "nbf",
    "jti",
    "auth_time",
    "sid",
    "session_state",
    "nonce",
    "at_hash",
    "c_hash",
    "uti",
    "rh",
    "aio",
];

/// What differs between a saved look and this one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// When the saved look began.
    pub then: jiff::Timestamp,
    /// The context of the saved look; null where none was chosen.
    pub then_context: Option<String>,
    /// Codes found now and not then, in the order of the report.
    pub appeared: Vec<&'static str>,
    /// Codes found then and not now.
    pub gone: Vec<&'static str>,
    /// What differs, in the order of the way in.
    pub differences: Vec<Difference>,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// What, in words.
    pub what: String,
    /// How it was.
    pub then: String,
    /// How it is.
    pub now: String,
}

impl Difference {
    /// Tells that they differ, and not in what.
    fn hide(&mut self) {
        "(one value)".clone_into(&mut self.then);
        "(another value)".clone_into(&mut self.now);
    }
}

/// The differences, as they are collected.
struct Differences(Vec<Difference>);

impl Differences {
    /// One value that both looks know; what one of them could not see is told by its checks.
    fn value(&mut self, what: &str, then: Option<String>, now: Option<String>) {
        if let (Some(then), Some(now)) = (then, now)
            && then != now
        {
            let known = |text: String| if text.is_empty() { "none".to_owned() } else { text };
            self.0.push(Difference { what: what.to_owned(), then: known(then), now: known(now) });
        }
    }

    /// A set that both looks know: what it lost stands under then, what it gained under now.
    fn set(&mut self, what: &str, then: Option<BTreeSet<String>>, now: Option<BTreeSet<String>>) {
        let (Some(then), Some(now)) = (then, now) else { return };
        if then == now {
            return;
        }
        let only = |of: &BTreeSet<String>, other: &BTreeSet<String>, word: &str| {
            let own: Vec<&str> = of.difference(other).map(String::as_str).collect();
            match (own.is_empty(), of.is_empty()) {
                (_, true) => "none".to_owned(),
                (true, _) => format!("the same without {word}"),
                (false, _) => own.join(", "),
            }
        };
        let then_only = only(&then, &now, "those");
        let now_only = only(&now, &then, "those");
        self.0.push(Difference { what: what.to_owned(), then: then_only, now: now_only });
    }
}

fn set<'a>(values: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    values.into_iter().cloned().collect()
}

/// What differs between two looks. With `hide_claims` no value of a claim is shown.
pub fn compare(then: (&Evidence, &DoctorReport), now: (&Evidence, &DoctorReport), hide_claims: bool) -> Comparison {
    let codes = |report: &DoctorReport| -> Vec<&'static str> {
        let mut codes: Vec<&'static str> = Vec::new();
        for finding in &report.findings {
            if !codes.contains(&finding.code) {
                codes.push(finding.code);
            }
        }
        codes
    };
    let (found_then, found_now) = (codes(then.1), codes(now.1));
    let mut all = Differences(Vec::new());
    configuration(then.0, now.0, &mut all);
    credential(then.0, now.0, hide_claims, &mut all);
    endpoint(then.0, now.0, &mut all);
    identity(then.0, now.0, &mut all);
    issuer(then.0, now.0, &mut all);
    control_plane(then.0, now.0, &mut all);
    cluster(then.0, now.0, &mut all);
    checks(then.1, now.1, &mut all);
    let version = |evidence: &Evidence| Some(evidence.kaccess.clone());
    all.value("version of kaccess", version(then.0), version(now.0));
    let mut comparison = Comparison {
        then: then.0.observed_at,
        then_context: then.0.kubeconfig.seen().and_then(|config| config.context.clone()),
        appeared: found_now.iter().filter(|code| !found_then.contains(code)).copied().collect(),
        gone: found_then.iter().filter(|code| !found_now.contains(code)).copied().collect(),
        differences: all.0,
    };
    if hide_claims {
        // Both tokens' values stand in either look's texts.
        for evidence in [then.0, now.0] {
            Veil::of(evidence).comparison(&mut comparison);
        }
        comparison.differences.iter_mut().filter(|one| one.then == one.now).for_each(Difference::hide);
    }
    comparison
}

fn configuration(then: &Evidence, now: &Evidence, all: &mut Differences) {
    let config = |of: &Evidence, what: fn(&crate::evidence::kubeconfig::Kubeconfig) -> Option<String>| {
        of.kubeconfig.seen().and_then(what)
    };
    let mut value = |what: &str, read: fn(&crate::evidence::kubeconfig::Kubeconfig) -> Option<String>| {
        all.value(what, config(then, read), config(now, read));
    };
    value("context", |config| Some(config.context.clone().unwrap_or_default()));
    value("server", |config| config.cluster.as_ref().map(|cluster| cluster.server.clone()));
    value("namespace", |config| Some(config.namespace.clone()));
    value("certificate authority in the kubeconfig", |config| {
        let cluster = config.cluster.as_ref()?;
        let names = cluster.authorities.iter().map(certificate).collect::<Vec<_>>().join("; ");
        Some(if names.is_empty() { "the system's roots".to_owned() } else { names })
    });
    value("verification of the server's certificate", |config| {
        let off = config.cluster.as_ref()?.insecure_skip_tls_verify;
        Some(if off { "off" } else { "on" }.to_owned())
    });
    value("tls-server-name", |config| Some(config.cluster.as_ref()?.tls_server_name.clone().unwrap_or_default()));
    value("user entry", |config| Some(config.user.as_ref()?.name.clone()));
    value("credential plugin", |config| {
        let exec = config.user.as_ref()?.exec.as_ref();
        Some(exec.map(|exec| format!("{} {}", exec.command, exec.args.join(" "))).unwrap_or_default())
    });
    value("impersonation", |config| {
        let user = config.user.as_ref()?;
        let name = user.impersonate.clone().unwrap_or_default();
        let groups = user.impersonate_groups.join(", ");
        Some(if groups.is_empty() { name } else { format!("{name} in {groups}") })
    });
}

/// A certificate by what tells it from another.
fn certificate(facts: &crate::evidence::tls::CertificateFacts) -> String {
    let short: String = facts.sha256.chars().take(16).collect();
    let until = facts.not_after.map(|end| format!(" until {end}")).unwrap_or_default();
    format!("{}{until} (SHA-256 {short}...)", facts.subject)
}

fn credential(then: &Evidence, now: &Evidence, hide_claims: bool, all: &mut Differences) {
    let (Some(before), Some(after)) = (then.credential.seen(), now.credential.seen()) else { return };
    all.value("source of the credential", Some(before.source.to_string()), Some(after.source.to_string()));
    let kind = |of: &Credential| {
        let word = of.token.as_ref().and_then(|token| serde_json::to_value(token.kind).ok());
        word.and_then(|word| word.as_str().map(str::to_owned))
    };
    all.value("kind of token", kind(before), kind(after));
    let claims = |of: &Credential| of.token.as_ref().and_then(|token| token.claims.as_ref()?.as_object().cloned());
    if let (Some(before), Some(after)) = (claims(before), claims(after)) {
        let mut names: Vec<&String> = before.keys().collect();
        names.extend(after.keys().filter(|name| !before.contains_key(*name)));
        for name in names.into_iter().filter(|name| !ALWAYS_DIFFERENT.contains(&name.as_str())) {
            let mut found = Differences(Vec::new());
            claim(name, before.get(name), after.get(name), &mut found);
            if hide_claims {
                found.0.iter_mut().for_each(Difference::hide);
            }
            all.0.append(&mut found.0);
        }
    }
    let header = |of: &Credential, name: &str| {
        let value = of.token.as_ref()?.header.as_ref()?.get(name)?.clone();
        Some(words(&value))
    };
    all.value("key that signed the token (kid)", header(before, "kid"), header(after, "kid"));
    all.value("algorithm of the token", header(before, "alg"), header(after, "alg"));
    let leaf = |of: &Credential| of.certificates.first().map(certificate);
    all.value("client certificate", leaf(before), leaf(after));
    let expired = |of: &Evidence| {
        let credential = of.credential.seen()?;
        let claimed = credential.token.as_ref().and_then(|token| token.times().expires_at);
        let end = claimed.or_else(|| credential.certificates.first().and_then(|leaf| leaf.not_after))?;
        Some(if end <= of.observed_at { format!("expired since {end}") } else { "valid".to_owned() })
    };
    all.value("validity of the credential when it was looked at", expired(then), expired(now));
}

/// A claim: lists by what they gained and lost, anything else whole.
fn claim(name: &str, then: Option<&Value>, now: Option<&Value>, all: &mut Differences) {
    let what = format!("claim {name}");
    let list =
        |value: Option<&Value>| -> Option<BTreeSet<String>> { Some(value?.as_array()?.iter().map(words).collect()) };
    if let (Some(then), Some(now)) = (list(then), list(now)) {
        all.set(&what, Some(then), Some(now));
        return;
    }
    let text = |value: Option<&Value>| Some(value.map_or_else(|| "absent".to_owned(), words));
    all.value(&what, text(then), text(now));
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How a handshake was judged, and with whom it was.
fn tls(what: &str, then: &Observation<TlsReport>, now: &Observation<TlsReport>, all: &mut Differences) {
    let leaf = |of: &Observation<TlsReport>| of.seen().and_then(|report| report.chain.first().map(certificate));
    all.value(&format!("certificate of the {what}"), leaf(then), leaf(now));
    let signer = |of: &Observation<TlsReport>| of.seen().and_then(|report| Some(report.chain.first()?.issuer.clone()));
    all.value(&format!("signer of the {what}'s certificate"), signer(then), signer(now));
}

fn endpoint(then: &Evidence, now: &Evidence, all: &mut Differences) {
    let route = |of: &Evidence, what: fn(&crate::evidence::dns::Route) -> String| of.endpoint.route.seen().map(what);
    all.value(
        "proxy on the way to the API server",
        route(then, |route| route.proxy.clone().unwrap_or_default()),
        route(now, |route| route.proxy.clone().unwrap_or_default()),
    );
    all.value(
        "NO_PROXY",
        route(then, |route| route.no_proxy.clone().unwrap_or_default()),
        route(now, |route| route.no_proxy.clone().unwrap_or_default()),
    );
    let addresses = |of: &Evidence| of.endpoint.dns.seen().map(|names| set(&names.addresses));
    all.set("addresses of the API server's name", addresses(then), addresses(now));
    let asked = |of: &Evidence| {
        let answer = of.endpoint.dns.seen()?.name_servers.as_ref()?;
        Some(set(&answer.servers))
    };
    all.set("name servers", asked(then), asked(now));
    // Addresses that only one of the looks tried are told above.
    let attempts = |of: &Evidence| {
        let tcp = of.endpoint.tcp.seen();
        tcp.map(|tcp| tcp.attempts.clone()).unwrap_or_default()
    };
    let after = attempts(now);
    for before in attempts(then) {
        if let Some(after) = after.iter().find(|after| after.address == before.address) {
            all.value(
                &format!("connection to {}", before.address),
                Some(before.outcome.to_string()),
                Some(after.outcome.to_string()),
            );
        }
    }
    tls("API server", &then.endpoint.tls, &now.endpoint.tls, all);
    let status = |of: &Observation<crate::evidence::apiserver::HttpAnswer>| {
        of.seen().map(|answer| format!("{} {}", answer.status, answer.reason))
    };
    all.value("answer without a credential", status(&then.endpoint.anonymous), status(&now.endpoint.anonymous));
    all.value("answer with the credential", status(&then.endpoint.authenticated), status(&now.endpoint.authenticated));
    let version = |of: &Evidence| {
        let answer = of.endpoint.authenticated.seen().filter(|answer| answer.status == 200);
        let answer = answer.or_else(|| of.endpoint.anonymous.seen().filter(|answer| answer.status == 200))?;
        let body: Value = serde_json::from_str(&answer.body).ok()?;
        Some(body.get("gitVersion")?.as_str()?.to_owned())
    };
    all.value("version of the API server", version(then), version(now));
}

fn identity(then: &Evidence, now: &Evidence, all: &mut Differences) {
    let user = |of: &Evidence| of.identity.seen().map(|identity| identity.user.clone());
    let (before, after) = (user(then), user(now));
    all.value(
        "who you are to the API server",
        before.as_ref().map(|user| user.username.clone()),
        after.as_ref().map(|user| user.username.clone()),
    );
    all.set("your groups", before.as_ref().map(|user| set(&user.groups)), after.as_ref().map(|user| set(&user.groups)));
    let (Some(before), Some(after)) = (then.access.seen(), now.access.seen()) else { return };
    let word = |allowed: bool| Some(if allowed { "yes" } else { "no" }.to_owned());
    for check in &after.checks {
        if let Some(old) = before.checks.iter().find(|old| old.question == check.question) {
            all.value(&format!("may you {}", check.question.sentence()), word(old.allowed), word(check.allowed));
        }
    }
}

fn issuer(then: &Evidence, now: &Evidence, all: &mut Differences) {
    let target = |of: &Evidence| of.issuer.target.seen().map(|target| target.url.clone());
    all.value("issuer", target(then), target(now));
    if target(then) != target(now) {
        return;
    }
    let addresses = |of: &Evidence| of.issuer.dns.seen().map(|names| set(&names.addresses));
    all.set("addresses of the issuer's name", addresses(then), addresses(now));
    tls("issuer", &then.issuer.tls, &now.issuer.tls, all);
    let status = |of: &Evidence| of.issuer.discovery.seen().map(|discovery| discovery.answer.status.to_string());
    all.value("status of the issuer's discovery document", status(then), status(now));
    let keys = |of: &Evidence| of.issuer.jwks.seen().map(|jwks| set(jwks.keys.iter().map(|key| &key.kid)));
    all.set("keys that the issuer publishes", keys(then), keys(now));
}

fn control_plane(then: &Evidence, now: &Evidence, all: &mut Differences) {
    let review = |of: &Evidence| {
        let review = of.control_plane.token_review.seen()?;
        let refused = || review.error.clone().unwrap_or_else(|| "not authenticated".to_owned());
        Some(if review.authenticated { "accepted".to_owned() } else { refused() })
    };
    all.value("what a TokenReview says", review(then), review(now));
    let flags = |of: &Evidence| -> Option<Flags> {
        let control = &of.control_plane;
        let all = [control.flagz.seen(), control.pods.seen().map(|pods| &pods.flags), control.configuration.seen()];
        all.into_iter().flatten().next().cloned()
    };
    let (Some(before), Some(after)) = (flags(then), flags(now)) else { return };
    let names: BTreeSet<&String> = before.flags.keys().chain(after.flags.keys()).collect();
    let given = |of: &Flags, name: &str| Some(of.flags.get(name).map(|values| values.join(", ")).unwrap_or_default());
    for name in names {
        all.value(&format!("the API server's flag --{name}"), given(&before, name), given(&after, name));
    }
    let configured = |of: &Flags| Some(of.authentication_configuration.as_ref()?.to_string());
    all.value("the API server's AuthenticationConfiguration", configured(&before), configured(&after));
}

fn cluster(then: &Evidence, now: &Evidence, all: &mut Differences) {
    let (Some(before), Some(after)) = (then.aws.as_deref(), now.aws.as_deref()) else { return };
    if let (Some(before), Some(after)) = (before.cluster.seen(), after.cluster.seen()) {
        let word = |on: bool| Some(if on { "on" } else { "off" }.to_owned());
        let egress = |of: &crate::evidence::eks::Cluster| {
            Some(of.vpc.control_plane_egress_mode.clone().unwrap_or_else(|| "AWS_MANAGED".to_owned()))
        };
        all.value("EKS cluster", Some(before.name.clone()), Some(after.name.clone()));
        all.value("version of the EKS cluster", Some(before.version.clone()), Some(after.version.clone()));
        all.value("egress of the control plane", egress(before), egress(after));
        all.value(
            "public access to the endpoint",
            word(before.vpc.endpoint_public_access),
            word(after.vpc.endpoint_public_access),
        );
        all.value(
            "private access to the endpoint",
            word(before.vpc.endpoint_private_access),
            word(after.vpc.endpoint_private_access),
        );
        all.set(
            "who may connect to the public endpoint",
            Some(set(&before.vpc.public_access_cidrs)),
            Some(set(&after.vpc.public_access_cidrs)),
        );
        all.value(
            "authentication mode of the cluster",
            before.authentication_mode.clone(),
            after.authentication_mode.clone(),
        );
    }
    let interfaces = |of: &crate::evidence::eks::Aws| {
        let all = of.network.interfaces.seen()?;
        let words = all.iter().map(|one| {
            format!("{} ({}; {})", one.id, one.private_addresses.join(", "), one.security_groups.join(", "))
        });
        Some(words.collect())
    };
    all.set("the cluster's network interfaces", interfaces(before), interfaces(after));
    let caller = |of: &crate::evidence::eks::Aws| of.caller.seen().map(|caller| caller.arn.clone());
    all.value("who you are to AWS", caller(before), caller(after));
}

/// Checks that both looks know and that came out otherwise.
fn checks(then: &DoctorReport, now: &DoctorReport, all: &mut Differences) {
    for check in &now.checks {
        let Some(old) = then.checks.iter().find(|old| old.id == check.id) else { continue };
        if old.status == check.status {
            continue;
        }
        let words = |check: &super::doctor::Check| {
            let because = check.because.as_deref().map(|because| format!(": {because}")).unwrap_or_default();
            let word = match check.status {
                Status::Pass => "it is so",
                Status::Fail => "it is not",
                Status::Skipped => "not checked",
                Status::NotApplicable => "nothing to look at",
            };
            Some(format!("{word}{because}"))
        };
        all.value(check.title, words(old), words(check));
    }
}
