//! A forward proxy refuses the control plane the way to the issuer, or is not there.

use crate::apiserver::message::{self, heard};
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::issuer_port::{another_port, by_egress_selection};
use crate::rules::{Case, Page, Rule, Word, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-egress-proxy-denied",
    severity: Severity::Error,
    title: "The proxy on the control plane's way out refuses the issuer",
    page: Page {
        means: "The API server goes to the issuer through the proxy of its own environment (HTTPS_PROXY), or through that of an egress selection (egressSelectorType), and the proxy refuses to connect, or is not there itself. It never speaks with the issuer, whose own log shows nothing.",
        evidence: "The API server's log: \"initializing plugin: Get ...: Forbidden\", a reason phrase alone, without digits and body. A refusal by the issuer's side would carry both. A proxy of an egress selection is named, with its status: \"proxy error from ... while dialing ...\". Or \"proxyconnect tcp: ...\": the proxy itself gives no connection.",
        fix: "Allow the issuer's host in the proxy (or bring the proxy back), or name the host in NO_PROXY of the API server. `kubectl get pod -n kube-system -l component=kube-apiserver -o yaml` shows the proxy that is set.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#configuring-the-api-server",
    },
    recognises: &[&message::OIDC_INIT_PROXY, &message::OIDC_INIT_PROXY_DEAD, &heard::INIT_PROXY, &heard::INIT_OLD],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-private-dns", "issuer-unreachable-from-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.initialized() {
        return Vec::new();
    }
    let refused = case.said(&message::OIDC_INIT_PROXY);
    let newer = |word: &&Word| refused.is_none_or(|other| word.last > other.last);
    let dead = case.said(&message::OIDC_INIT_PROXY_DEAD).filter(newer);
    let elsewhere = case
        .said(&message::OIDC_INIT_REFUSED)
        .filter(|_| dead.or(refused).is_none())
        .and_then(|word| Some((word, another_port(case, word)?)));
    let Some(word) = dead.or(refused).or(elsewhere.map(|(word, _)| word)) else { return Vec::new() };
    let url = url::Url::parse(word.field("url")).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or("ISSUER");
    let port = url.as_ref().and_then(url::Url::port_or_known_default).unwrap_or(443);
    let (probes, at) = case.issuer();
    let dead_title = "The proxy on the control plane's way out gives no connection";
    let (title, why, step) = if let Some((_, address)) = elsewhere {
        let or = if by_egress_selection(case) { "" } else { "; a discoveryURL with that port would look the same" };
        (
            dead_title,
            format!("The API server is to reach {host}:{port}, and is refused the connection at {address}. That is not the issuer's port, and fits the proxy of an egress selection (egressSelectorType){or}."),
            format!("Bring the proxy at {address} back, or correct its URL in the file of --egress-selector-config-file and restart the API server: it must take connections from the control plane."),
        )
    } else if dead.is_some() {
        (
            dead_title,
            format!("The API server is to reach {host} through the proxy of its environment, and gets no connection to that proxy ({}). The issuer itself was never asked.", clip(word.field("error"), 120)),
            "Bring that proxy back, or correct HTTPS_PROXY in the API server's environment (name, address, port): it must take connections from the control plane.".to_owned(),
        )
    } else if !word.field("proxy").is_empty() {
        let proxy = word.field("proxy");
        (
            RULE.title,
            format!("The API server asked the proxy of its egress selection, {proxy}, for a connection to {host}:{port} and was told {} {}. The issuer itself was never reached.", word.field("status"), word.field("reason")),
            format!("Have {host}:{port} allowed in the proxy {proxy} (CONNECT), for the control plane's addresses and the client certificate of the egress selection."),
        )
    } else {
        (
            RULE.title,
            format!("The API server asked its proxy for a connection to {host} and was told {:?}. The issuer itself was never reached.", word.field("reason")),
            format!("Have {host}:{port} allowed in the forward proxy that the control plane uses (CONNECT), for the control plane's addresses."),
        )
    };
    let of_selection = elsewhere.is_some() || !word.field("proxy").is_empty();
    let confidence = if elsewhere.is_some() { word.sure().max(Confidence::Likely) } else { word.sure() };
    let directly = if of_selection {
        Step::text("Or, where the direct way is open, leave egressSelectorType out of this issuer in the AuthenticationConfiguration; the API server reads the file again by itself.")
    } else {
        Step::manifest("Or, where the direct way is open, exempt it in the API server's environment (/etc/kubernetes/manifests/kube-apiserver.yaml)", format!("- name: NO_PROXY\n  value: {host},localhost,127.0.0.1,SERVICE_RANGE,POD_RANGE,.svc,.cluster.local\n"))
    };
    let mut finding = RULE
        .finding(confidence, why, word.cite(), Step::text(step))
        .titled(title)
        .step(directly)
        .step(Step::command("Wait 10 s (the API server tries again by itself), then", "kaccess doctor"))
        .cite_if(case.rejected());
    if let Some(discovery) = probes.discovery.seen() {
        finding = finding.cite(probed(format!("{at}/discovery/seen/answer/status"), format!("from this machine discovery answers {}", discovery.answer.status)));
    }
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    /// The saved case with another line of the log. Synthetic: the lines are those of a kube-apiserver 1.36 behind such
    /// proxies, for another issuer, whose URL is put in here.
    fn case(rest: &str) -> Evidence {
        let text = include_str!("../../../testdata/cases/issuer-egress-proxy-denied/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(log) = &mut evidence.control_plane.log.outcome else { panic!("no log") };
        let entry = log.matches.iter_mut().find(|entry| entry.text == "oidc-init-proxy").expect("the line");
        entry.line = format!("E1125 17:32:44.457901 5839 oidc.go:433] oidc authenticator: initializing plugin: Get \"https://login.kaccess.invalid/staff/.well-known/openid-configuration\": {rest}");
        let found = message::recognise(&entry.line);
        let found = found.into_iter().find(|found| found.text.name.starts_with("oidc-init-")).expect("a known line");
        entry.text = found.text.name.to_owned();
        entry.fields = found.fields;
        evidence
    }

    #[test]
    fn a_proxy_that_is_not_there_and_one_that_refuses_in_any_words_are_told() {
        let dead = "The proxy on the control plane's way out gives no connection";
        for (rest, title, told) in [
            ("proxyconnect tcp: dial tcp 10.9.9.3:1: connect: connection refused", dead, "connection refused"),
            ("proxyconnect tcp: dial tcp: lookup nope.corp.test: no such host", dead, "no such host"),
            ("Gateway Timeout", RULE.title, "\"Gateway Timeout\""),
            ("Method Not Allowed", RULE.title, "\"Method Not Allowed\""),
            ("Too Many Requests", RULE.title, "\"Too Many Requests\""),
        ] {
            let evidence = case(rest);
            let report = diagnose(check_all(&Case::new(&evidence)));
            let first = &report[0];
            assert_eq!((first.code, first.title.as_str(), first.confidence), (RULE.code, title, Confidence::Certain), "{rest}");
            assert!(first.why.contains(told), "{}", first.why);
            assert!(report[1..].iter().all(|other| other.explained_by.is_some()), "{rest}: {report:?}");
        }
    }

    #[test]
    fn a_proxy_of_an_egress_selection_is_no_issuer() {
        let port = "dial tcp 10.9.9.3:3128: connect: connection refused";
        for (rest, confidence, told) in [
            (
                "proxy error from proxy.corp.test:3128 while dialing login.kaccess.invalid:443, code 503: 503 Service Unavailable",
                Confidence::Certain,
                "proxy.corp.test:3128, for a connection to login.kaccess.invalid:443 and was told 503 Service Unavailable",
            ),
            (port, Confidence::Likely, "at 10.9.9.3:3128. That is not the issuer's port"),
        ] {
            let report = diagnose(check_all(&Case::new(&case(rest))));
            let first = &report[0];
            assert_eq!((first.code, first.confidence), (RULE.code, confidence), "{rest}: {report:?}");
            assert!(first.why.contains(told), "{}", first.why);
            assert!(first.fix.iter().all(|step| step.manifest.is_none()), "{:?}", first.fix);
            assert!(report.iter().all(|other| other.code != "issuer-unreachable-from-control-plane"), "{report:?}");
        }
        // The issuer's own port.
        let report = diagnose(check_all(&Case::new(&case("dial tcp 10.9.9.2:443: connect: connection refused"))));
        assert!(report.iter().all(|finding| finding.code != RULE.code), "{report:?}");
        assert!(report.iter().any(|finding| finding.code == "issuer-unreachable-from-control-plane"), "{report:?}");
    }

    #[test]
    fn the_port_is_the_issuers() {
        let evidence = case("Service Unavailable");
        let mut case = Case::new(&evidence);
        // Synthetic: the saved issuer has no port of its own.
        for word in case.words.iter_mut().filter(|word| word.text == &message::OIDC_INIT_PROXY) {
            let url = "https://login.kaccess.invalid:24443/staff/.well-known/openid-configuration";
            word.fields.insert("url".to_owned(), url.to_owned());
        }
        let found = check(&case);
        assert!(found[0].fix[0].text.starts_with("Have login.kaccess.invalid:24443 allowed"), "{}", found[0].fix[0].text);
    }
}
