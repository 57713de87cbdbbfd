//! The client certificate is signed by a CA that the API server does not know.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::tls::CertificateFacts;
use crate::report::{Citation, Confidence, Finding, Severity, Step, probed, seen};
use crate::rules::{Case, Page, Place, Rule, Word, clip, renew};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-certificate-untrusted",
    severity: Severity::Error,
    title: "The API server does not know the CA of the client certificate",
    page: Page {
        means: "The certificate belongs to another cluster, or the cluster was made anew and its CA with it. Or a link of the chain that is sent with it is not in order: an intermediate CA that has expired, may not sign for clients or for these names, or allows no more CAs below it. The API server answers 401; it never falls back to anonymous.",
        evidence: "The server's log line with this certificate's serial number and \"signed by unknown authority\", or what it has against the chain; the dates and usages of the certificates that are sent; or the names of the CAs that the API server asks client certificates of, in the TLS handshake.",
        fix: "Take the kubeconfig of this cluster, or have a certificate issued by its CA (CertificateSigningRequest with the signer kubernetes.io/kube-apiserver-client). `openssl x509 -in CERT -noout -issuer` shows who signed it.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates",
    },
    recognises: &[&message::CLIENT_CERTIFICATE, &heard::CERTIFICATE_BARE, &tools::ALERT],
    explains: &["credential-rejected"],
    check,
};

/// What the API server has against a chain although it knows who signed it: words of its error, what that is, and why.
const LINKS: &[(&str, &str, &str)] = &[
    (
        "cannot sign this kind",
        "A certificate in the client certificate's chain may not sign others",
        "one that stands between it and the CA is no CA, or has no key usage for signing",
    ),
    (
        "verify signature: ",
        "A signature in the client certificate's chain cannot be verified",
        "one of its signatures is of a kind that the API server does not verify",
    ),
    (
        "too many intermediates",
        "The client certificate's chain is longer than a CA in it allows",
        "a CA in it limits the path length, and more CAs come after it",
    ),
    (
        "not authorized to sign for this name",
        "A CA in the client certificate's chain may not sign for its names",
        "a CA in it has name constraints, which the names in the certificate do not satisfy",
    ),
    (
        "incompatible key usage",
        "A CA in the client certificate's chain is not for clients",
        "a CA in it has extended key usages without clientAuth",
    ),
    (
        "unhandled critical extension",
        "The client certificate's chain holds a critical extension that the API server does not know",
        "whoever does not know a critical extension must refuse the certificate",
    ),
    (
        "is before",
        "A CA in the client certificate's chain is not valid yet",
        "one above the certificate is not valid yet, by the API server's clock",
    ),
    ("expired", "A CA in the client certificate's chain has expired", "one above the certificate is past its end"),
];

/// The certificate's own date, name and usage explain the 401.
fn own_fault(case: &Case<'_>, leaf: &CertificateFacts) -> bool {
    // By the same clock as the rule that tells of it: else both would, or neither.
    let (now, _) = case.server_time();
    leaf.not_after.is_some_and(|end| end < now)
        || leaf.not_before.is_some_and(|start| start > now)
        || leaf.common_names.last().is_none_or(String::is_empty)
        || !for_clients(leaf)
        || leaf.uids() > 1
}

fn for_clients(certificate: &CertificateFacts) -> bool {
    let usages = &certificate.extended_key_usages;
    usages.is_empty() || usages.iter().any(|usage| usage == "clientAuth" || usage == "any")
}

/// What is wrong with a certificate above the client's that is sent with it: words as in [`LINKS`], and where it stands.
fn sent_fault(case: &Case<'_>, sent: &[CertificateFacts]) -> Option<(&'static str, Citation)> {
    let mut below = sent.first()?;
    // Each once, as it is named by the one below it.
    for _ in 1..sent.len() {
        let (index, above) = sent.iter().enumerate().skip(1).find(|(_, above)| above.subject == below.issuer)?;
        // A root that is sent along counts for nothing.
        if above.subject == above.issuer {
            return None;
        }
        let at = |field: &str, text: String| {
            seen(format!("/credential/seen/certificates/{index}/{field}"), format!("{}: {text}", above.subject))
        };
        if let Some(end) = above.not_after.filter(|end| *end < case.server_time().0) {
            return Some(("expired", at("notAfter", format!("valid until {end}"))));
        }
        if let Some(start) = above.not_before.filter(|start| *start > case.server_time().0) {
            return Some(("is before", at("notBefore", format!("valid from {start}"))));
        }
        if !above.is_ca {
            return Some(("cannot sign this kind", at("isCa", "no CA".to_owned())));
        }
        if !for_clients(above) {
            return Some((
                "incompatible key usage",
                at("extendedKeyUsages", format!("extended key usages: {}", above.extended_key_usages.join(", "))),
            ));
        }
        below = above;
    }
    None
}

/// The chain is what is refused, and not that nobody knows its CA.
fn of_chain(
    case: &Case<'_>,
    leaf: &CertificateFacts,
    sent: &[CertificateFacts],
    rejected: &Citation,
) -> Option<Finding> {
    if own_fault(case, leaf) {
        return None;
    }
    let said = case.said_of_certificate(&message::CLIENT_CERTIFICATE, true);
    // The certificate's own dates, by a clock of the API server's that is off. A CA may end as the certificate begins.
    let dates = [("is before", leaf.not_before), ("is after", leaf.not_after)];
    let own = |error: &str| {
        dates.iter().any(|(words, date)| date.is_some_and(|date| error.contains(&format!("{words} {date}"))))
    };
    if said.is_some_and(|word| own(word.field("error"))) {
        return None;
    }
    let fault = sent_fault(case, sent).filter(|_| said.is_some() || !case.stranger());
    let known = |words: &str| LINKS.iter().find(|(link, ..)| words.contains(link));
    let (link, words, confidence) = match (said, &fault) {
        (Some(word), _) => {
            let error = word.field("error");
            let link = known(error);
            // It says that nobody knows the CA.
            if link.is_none() && error.contains("unknown authority") {
                return None;
            }
            (link, format!(": {}", clip(error, 200)), Confidence::Certain)
        }
        (None, Some((link, cite))) => (known(link), format!(" ({})", cite.text), Confidence::Likely),
        (None, None) => return None,
    };
    let (title, why) = link
        .map_or(("The API server refuses the client certificate's chain", "its log says why"), |(_, title, why)| {
            (*title, *why)
        });
    let first = said.map(Word::cite).or_else(|| fault.as_ref().map(|(_, cite)| cite.clone()))?;
    let finding = RULE
        .finding(
            confidence,
            format!("The certificate is signed by {:?}, and the API server does not take the chain that leads from it to its own CA: {why}{words}.", leaf.issuer),
            first,
            Step::text("Have whoever issues these certificates mend that link of the chain and issue the certificate anew; or have the cluster's own CA sign one for the same names, as follows."),
        )
        .titled(title)
        .step(Step::command(
            "To see which link it is, on a control-plane node, with the certificate in cert.pem and what is sent with it in chain.pem",
            "openssl verify -purpose sslclient -CAfile /etc/kubernetes/pki/ca.crt -untrusted chain.pem cert.pem",
        ))
        .steps(renew::certificate(case, leaf));
    let cite = fault.filter(|_| said.is_some()).map(|(_, cite)| cite);
    Some(finding.cite_if(cite).cite(rejected.clone()))
}

/// What the API server publishes of its clients' CAs, where none of them signed the chain by their names and keys.
fn unpublished(case: &Case<'_>, sent: &[CertificateFacts]) -> Option<Citation> {
    let authorities = &case.evidence.control_plane.published.seen()?.client_authorities;
    let may_be = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
    let signed = |certificate: &CertificateFacts| {
        authorities
            .iter()
            .any(|ca| ca.subject == certificate.issuer && may_be(&ca.subject_key_id, &certificate.authority_key_id))
    };
    if authorities.is_empty() || sent.iter().any(signed) {
        return None;
    }
    let list: Vec<String> =
        authorities.iter().map(|ca| format!("{} (key {})", ca.subject, ca.subject_key_id)).collect();
    Some(seen(
        "/controlPlane/published/seen/clientAuthorities",
        format!("the API server takes certificates of {}", list.join(", ")),
    ))
}

/// The CA that signed the chain, where it is the one for front proxies: the handshake names it as well, and the log says
/// that the chain leads to it, or it is none of the clients' CAs that the API server publishes.
fn of_front_proxies<'c>(case: &Case<'_>, sent: &'c [CertificateFacts], said: Option<&Word>) -> Option<&'c str> {
    let named = case.asked_authorities();
    let mut issuers = sent.iter().map(|certificate| certificate.issuer.as_str());
    let issuer = issuers.find(|issuer| named.iter().any(|name| name == issuer))?;
    // What the server has against the certificate as a proxy's stands before what it has against it as a user's.
    let as_proxy = said.filter(|word| word.place == Place::Log).map(before_own);
    if as_proxy.is_some_and(|error| error.contains(NOT_ALLOWED)) {
        return Some(issuer);
    }
    let published = case.evidence.control_plane.published.seen();
    let clients = published.map(|published| published.client_authorities.as_slice()).unwrap_or_default();
    if clients.iter().any(|ca| ca.subject == issuer) {
        return None;
    }
    // Nothing against it as a proxy's: the chain leads to the CA for proxies, where the server has one.
    let verified = named.len() > 1 && as_proxy.is_some_and(|error| !error.contains("x509: "));
    (verified || !clients.is_empty()).then_some(issuer)
}

/// What a line says before it comes to the certificate as a user's.
fn before_own(word: &Word) -> &str {
    word.line.split("verifying certificate SN=").next().unwrap_or_default()
}

/// The CA for front proxies signed it, and no proxy has that name.
const NOT_ALLOWED: &str = "is not in the allowed list";

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(leaf), Some(rejected)) = (case.only_certificate(), case.rejected()) else { return Vec::new() };
    let sent = case.evidence.credential.seen().map(|credential| credential.certificates.as_slice()).unwrap_or_default();
    if let Some(finding) = of_chain(case, leaf, sent, &rejected) {
        return vec![finding];
    }
    let said = case
        .said_of_certificate(&message::CLIENT_CERTIFICATE, true)
        .filter(|word| word.field("error").contains("unknown authority"));
    // Where it is taken on other connections, one API server of several has other CAs.
    if said.is_none() && case.taken_by_some().is_some() {
        return Vec::new();
    }
    let (named, stranger) = (case.asked_authorities(), case.stranger());
    let unpublished = unpublished(case, sent);
    // What else would explain the 401, if nobody says that it is the CA.
    let other = own_fault(case, leaf);
    let endpoint = &case.evidence.endpoint;
    let arrived = endpoint.anonymous.seen().is_some_and(|answer| answer.status == 200)
        && endpoint.authenticated.seen().is_some_and(|answer| answer.status == 401);
    let confidence = match (&said, stranger) {
        (Some(_), _) => Confidence::Certain,
        (None, true) if !other => Confidence::Certain,
        (None, false) if !other && unpublished.is_some() => Confidence::Likely,
        // What limits a chain is not all seen from here.
        (None, false) if !other && arrived && case.terminated().is_none() && sent.len() > 1 => Confidence::Possible,
        (None, false) if !other && arrived && case.terminated().is_none() => Confidence::Likely,
        _ => return Vec::new(),
    };
    let first = said.map(Word::cite).unwrap_or(rejected.clone());
    let chained = if sent.len() > 1 && said.is_none() && unpublished.is_none() {
        " Or a CA in the chain limits what it may sign (path length, names): its log says which."
    } else {
        ""
    };
    let front = of_front_proxies(case, sent, said);
    let users = || {
        let published = case.evidence.control_plane.published.seen();
        let published = published.into_iter().flat_map(|published| &published.client_authorities);
        let mut all: Vec<&str> = published.map(|ca| ca.subject.as_str()).collect();
        if all.is_empty() {
            all = named.iter().map(String::as_str).filter(|name| Some(*name) != front).collect();
        }
        all.join(" or ")
    };
    let why = if let Some(front) = front {
        format!(
            "The certificate is signed by {front:?}, which is the CA for the certificates of front proxies (--requestheader-client-ca-file); those of users are of {}.",
            users()
        )
    } else if stranger {
        format!(
            "The certificate is signed by {:?}. The API server asks for certificates of {}, and of no other CA.",
            leaf.issuer,
            named.join(" or ")
        )
    } else {
        format!(
            "The certificate is signed by {:?}, and the API server finds no CA of its own that signed it. If it has one of that name, that one has another key: the cluster's CA was made anew.{chained}",
            leaf.issuer
        )
    };
    // A CA above the last one that is sent may be an intermediate one, which the API server does not know.
    let open = sent.iter().find(|one| !sent.iter().any(|above| above.subject == one.issuer)).filter(|_| stranger);
    let between = open.map_or_else(String::new, |open| {
        format!(
            " If {:?} is an intermediate CA below one of those, put its certificate behind yours in client-certificate.",
            open.issuer
        )
    });
    let step = if front.is_some() {
        "A certificate of the CA for front proxies lets nobody in as a user. Have the CA for users sign one for the same names, as follows; a proxy is let in with such a certificate, a name of --requestheader-allowed-names, and the user in its headers.".to_owned()
    } else {
        format!(
            "Take the kubeconfig of this cluster again from where it is handed out; if the cluster was made anew, every certificate of the old one is void.{between} Or have this cluster's own CA sign one for the same names, as follows."
        )
    };
    let mut finding = RULE
        .finding(confidence, why, first, Step::text(step))
        .cite(seen("/credential/seen/certificates/0/issuer", format!("signed by {}", leaf.issuer)))
        // Or one that this cluster's own CA signs.
        .steps(renew::certificate(case, leaf));
    if stranger {
        finding = finding.cite(probed(
            "/endpoint/tls/seen/clientAuthorities",
            format!("the handshake asks for certificates of {}", named.join(", ")),
        ));
    }
    if front.is_some() {
        finding = finding.cite(probed(
            "/endpoint/tls/seen/clientAuthorities",
            format!("the handshake asks for certificates of {}, for users and proxies alike", named.join(", ")),
        ));
    }
    let allowed = said.filter(|word| front.is_some() && before_own(word).contains(NOT_ALLOWED));
    finding = finding.cite_if(allowed.and_then(|word| {
        let at = before_own(word).find("subject with ")?;
        Some(seen(
            &word.path,
            format!("the log says of it as a proxy's: {}", clip(before_own(word)[at..].trim_end_matches(", "), 160)),
        ))
    }));
    if said.is_some() {
        finding = finding.cite(rejected);
    }
    let key = Some(&leaf.authority_key_id).filter(|key| unpublished.is_some() && !key.is_empty());
    let key =
        key.map(|key| seen("/credential/seen/certificates/0/authorityKeyId", format!("signed with the key {key}")));
    vec![finding.cite_if(key).cite_if(unpublished)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};

    fn evidence() -> Evidence {
        let text = include_str!("../../../testdata/cases/client-certificate-untrusted-log/evidence.json");
        serde_json::from_str(text).expect("evidence")
    }

    fn titles(evidence: &Evidence) -> Vec<(String, Confidence)> {
        check(&Case::new(evidence)).into_iter().map(|finding| (finding.title, finding.confidence)).collect()
    }

    #[test]
    fn what_the_log_has_against_the_chain_is_told() {
        for (error, title) in [
            ("certificate signed by unknown authority", RULE.title),
            (
                "too many intermediates for path length constraint",
                "The client certificate's chain is longer than a CA in it allows",
            ),
            (
                "certificate has expired or is not yet valid: current time 2026-11-26T09:36:20Z is after 2026-11-24T09:36:07Z",
                "A CA in the client certificate's chain has expired",
            ),
            (
                "no valid chains built: 1 candidate chains with invalid policies",
                "The API server refuses the client certificate's chain",
            ),
        ] {
            let mut evidence = evidence();
            let Outcome::Seen(log) = &mut evidence.control_plane.log.outcome else { panic!("no log") };
            for found in &mut log.matches {
                found.fields.insert("error".to_owned(), error.to_owned());
            }
            assert_eq!(titles(&evidence), [(title.to_owned(), Confidence::Certain)], "{error}");
        }
    }

    #[test]
    fn what_is_said_of_a_token_in_the_same_line_is_none_of_the_chains() {
        let unknown = "certificate signed by unknown authority";
        let expired = "certificate has expired or is not yet valid: current time 2026-11-26T09:36:20Z is after 2026-11-24T09:36:07Z";
        let token = ", oidc: verify token: oidc: token is expired (Token Expiry: 2026-11-24 09:36:07 +0000 UTC)";
        let hinted = r#" (possibly because of \"x509: cannot verify signature: insecure algorithm SHA1-RSA\" while trying to verify candidate authority certificate \"kubernetes\")"#;
        for (bare, own, more, title) in [
            (unknown, unknown.to_owned(), "", RULE.title),
            (unknown, unknown.to_owned(), token, RULE.title),
            (expired, unknown.to_owned(), token, RULE.title),
            (unknown, expired.to_owned(), token, "A CA in the client certificate's chain has expired"),
            (
                unknown,
                format!("{unknown}{hinted}"),
                token,
                "A signature in the client certificate's chain cannot be verified",
            ),
        ] {
            let mut evidence = evidence();
            let serial = evidence.credential.seen().expect("a credential").certificates[0].serial.clone();
            let line = format!(
                r#"E1126 09:36:20.654128   30633 authentication.go:75] "Unable to authenticate the request" err="[x509: {bare}, verifying certificate SN={serial}, SKID=, AKID=C6:60 failed: x509: {own}{more}]""#
            );
            let found = message::recognise(&line).into_iter().find(|found| *found.text == message::CLIENT_CERTIFICATE);
            let fields = found.expect("the certificate's error").fields;
            let Outcome::Seen(log) = &mut evidence.control_plane.log.outcome else { panic!("no log") };
            for found in log.matches.iter_mut().filter(|found| found.fields.get("serial") == Some(&serial)) {
                found.fields.clone_from(&fields);
            }
            assert_eq!(titles(&evidence), [(title.to_owned(), Confidence::Certain)], "{line}");
        }
    }

    #[test]
    fn an_end_that_only_one_clock_has_passed_is_told_by_one_rule() {
        let text = include_str!("../../../testdata/cases/client-certificate-expired/evidence.json");
        let time = |text: &str| -> jiff::Timestamp { text.parse().expect("a time") };
        // The certificate ends with the year 2020.
        let (before, after) = (time("2020-12-31T12:00:00Z"), time("2021-01-01T12:00:00Z"));
        let codes = ["client-certificate-expired", RULE.code];
        for (own, servers, code) in [
            (before, before, RULE.code),
            (before, after, "client-certificate-expired"),
            (after, before, RULE.code),
            (after, after, "client-certificate-expired"),
        ] {
            for authorities in [&["CN=other"][..], &[]] {
                let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
                evidence.observed_at = own;
                for answer in [&mut evidence.endpoint.anonymous, &mut evidence.endpoint.authenticated] {
                    let Outcome::Seen(answer) = &mut answer.outcome else { panic!("no answer") };
                    answer.date = Some(servers);
                }
                let Outcome::Seen(tls) = &mut evidence.endpoint.tls.outcome else { panic!("no handshake") };
                tls.client_authorities = authorities.iter().map(|name| (*name).to_owned()).collect();
                let all = crate::rules::check_all(&Case::new(&evidence));
                let told = all.iter().map(|finding| finding.code).filter(|code| codes.contains(code));
                assert_eq!(told.collect::<Vec<_>>(), [code], "{own}, {servers}, {authorities:?}");
            }
        }
    }

    #[test]
    fn a_published_ca_of_the_same_name_with_another_key_signed_it_not() {
        let mut evidence = evidence();
        evidence.control_plane.log.outcome = Outcome::NotApplicable("no --log was given".to_owned());
        if let Outcome::Seen(answer) = &mut evidence.endpoint.anonymous.outcome {
            answer.status = 401;
        }
        if let Outcome::Seen(tls) = &mut evidence.endpoint.tls.outcome {
            tls.client_authorities.clear();
        }
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let leaf = &mut credential.certificates[0];
        leaf.authority_key_id = "AA:AA".to_owned();
        let ca = |key: &str| CertificateFacts {
            subject: leaf.issuer.clone(),
            is_ca: true,
            subject_key_id: key.to_owned(),
            ..CertificateFacts::default()
        };
        let published = |key: &str| {
            crate::evidence::Observation::at_rest(Outcome::Seen(crate::evidence::apiserver::Flags {
                client_authorities: vec![ca(key)],
                ..Default::default()
            }))
        };
        let (same, other) = (published("AA:AA"), published("BB:BB"));
        evidence.control_plane.published = same;
        assert_eq!(titles(&evidence), []);
        evidence.control_plane.published = other;
        assert_eq!(titles(&evidence), [(RULE.title.to_owned(), Confidence::Likely)]);
    }

    #[test]
    fn a_ca_that_is_sent_along_and_has_expired_is_seen() {
        let mut evidence = evidence();
        evidence.control_plane.log.outcome = Outcome::NotApplicable("no --log was given".to_owned());
        let ended = evidence.observed_at - jiff::SignedDuration::from_hours(24);
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let leaf = credential.certificates[0].clone();
        let above = CertificateFacts {
            subject: leaf.issuer.clone(),
            issuer: "CN=kaccess-lab-ca".to_owned(),
            is_ca: true,
            not_after: Some(ended),
            ..CertificateFacts::default()
        };
        credential.certificates.push(above);
        let title = "A CA in the client certificate's chain has expired".to_owned();
        assert_eq!(titles(&evidence), [(title, Confidence::Likely)]);
    }

    /// The saved case's certificate as one of the CA for front proxies, whose name the handshake has beside the users' one;
    /// the lines are those that a real server wrote of such certificates, with this one's number.
    fn of_proxies(as_proxy: &str) -> Finding {
        let mut evidence = evidence();
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        credential.certificates[0].issuer = "CN=front-proxy-ca".to_owned();
        let serial = credential.certificates[0].serial.clone();
        let line = format!(
            r#"E1126 17:20:20.654128   30633 authentication.go:75] "Unable to authenticate the request" err="[{as_proxy}verifying certificate SN={serial}, SKID=, AKID=C6:60 failed: x509: certificate signed by unknown authority]""#
        );
        let Outcome::Seen(log) = &mut evidence.control_plane.log.outcome else { panic!("no log") };
        log.matches.retain(|found| found.fields.get("serial") == Some(&serial));
        for found in &mut log.matches {
            found.line.clone_from(&line);
        }
        check(&Case::new(&evidence)).pop().expect("the finding")
    }

    #[test]
    fn a_certificate_of_the_ca_for_front_proxies_is_told_from_one_of_a_cluster_made_anew() {
        let allowed = "x509: subject with cn=jane is not in the allowed list, ";
        for as_proxy in [allowed, ""] {
            let finding = of_proxies(as_proxy);
            assert!(finding.why.contains("of front proxies"), "{}", finding.why);
            assert!(finding.why.ends_with("those of users are of CN=kaccess-lab-ca."), "{}", finding.why);
            assert!(!format!("{} {}", finding.why, finding.fix[0].text).contains("made anew"), "{}", finding.why);
            let told = finding.cites.iter().any(|cite| cite.text.ends_with("cn=jane is not in the allowed list"));
            assert_eq!(told, !as_proxy.is_empty(), "{:?}", finding.cites);
        }
        // A CA of the clients that has the same name, and another key.
        let namesake = of_proxies("x509: certificate signed by unknown authority, ");
        assert!(namesake.why.contains("made anew"), "{}", namesake.why);
    }

    #[test]
    fn a_ca_that_ended_as_the_certificate_began_is_told() {
        for (words, title) in [
            ("is after 2020-01-01T00:00:00Z", "A CA in the client certificate's chain has expired"),
            // The certificate's own dates.
            ("is before 2020-01-01T00:00:00Z", RULE.title),
            ("is after 2049-01-01T00:00:00Z", RULE.title),
        ] {
            let mut evidence = evidence();
            let Outcome::Seen(log) = &mut evidence.control_plane.log.outcome else { panic!("no log") };
            for found in &mut log.matches {
                let error =
                    format!("certificate has expired or is not yet valid: current time 2026-11-26T09:36:20Z {words}");
                found.fields.insert("error".to_owned(), error);
            }
            assert_eq!(titles(&evidence), [(title.to_owned(), Confidence::Certain)], "{words}");
        }
    }

    #[test]
    fn an_intermediate_ca_that_is_not_sent_may_be_what_is_missing() {
        let step =
            |evidence: &Evidence| check(&Case::new(evidence)).pop().expect("the finding").fix.swap_remove(0).text;
        let mut evidence = evidence();
        assert!(step(&evidence).contains("If \"CN=unrelated-ca\" is an intermediate CA"), "{}", step(&evidence));
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        // A root that is sent along is none.
        let root = CertificateFacts {
            subject: "CN=unrelated-ca".to_owned(),
            issuer: "CN=unrelated-ca".to_owned(),
            is_ca: true,
            ..CertificateFacts::default()
        };
        credential.certificates.push(root);
        assert!(!step(&evidence).contains("intermediate"), "{}", step(&evidence));
    }

    #[test]
    fn several_uids_are_a_fault_of_the_certificate_itself() {
        let text = include_str!("../../../testdata/cases/client-certificate-untrusted/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: without the handshake's names, which decide that case, the 401 alone is left.
        let Outcome::Seen(tls) = &mut evidence.endpoint.tls.outcome else { panic!("no handshake") };
        tls.client_authorities.clear();
        assert_eq!(check(&Case::new(&evidence)).len(), 1);
        // A kube-apiserver 1.36 refused a certificate with such a subject, whose CA it knows.
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        let uid = "1.3.6.1.4.1.57683.2";
        credential.certificates[0].subject = format!("{uid}=u-78,{uid}=u-77,CN=jane");
        assert!(check(&Case::new(&evidence)).is_empty());
        let all = crate::rules::check_all(&Case::new(&evidence));
        let rejected = all.iter().find(|finding| finding.code == "credential-rejected").expect("the 401");
        assert!(rejected.why.contains("2 uids"), "{}", rejected.why);
    }

    #[test]
    fn the_certificate_s_own_fault_does_not_hide_that_its_ca_is_a_foreign_one() {
        for (text, code) in [
            (
                include_str!("../../../testdata/cases/client-certificate-expired/evidence.json"),
                "client-certificate-expired",
            ),
            (
                include_str!("../../../testdata/cases/client-certificate-wrong-usage/evidence.json"),
                "client-certificate-wrong-usage",
            ),
        ] {
            // Both were met with the right CA: another one is written into the handshake.
            for (authority, foreign) in [("CN=other", true), ("CN=kaccess-lab-ca", false)] {
                let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
                let Outcome::Seen(tls) = &mut evidence.endpoint.tls.outcome else { panic!("no handshake") };
                tls.client_authorities = vec![authority.to_owned()];
                let all = crate::rules::check_all(&Case::new(&evidence));
                let finding = all.iter().find(|finding| finding.code == code).expect("the finding");
                let told = finding.fix[0].text.contains("certificates of CN=other");
                assert_eq!(told, foreign, "{code}: {}", finding.fix[0].text);
            }
        }
    }
}
