//! The proxy's certificate is of another CA.

use crate::apiserver::message;
use crate::report::{Finding, Severity, Step};
use crate::rules::{Case, Page, Rule, front};

/// The rule.
pub static RULE: Rule = Rule {
    code: "front-proxy-ca-mismatch",
    severity: Severity::Error,
    title: "The API server does not trust the certificate of the proxy in front of it",
    page: Page {
        means: "The proxy shows the API server a client certificate that --requestheader-client-ca-file does not cover: it is of another CA, the intermediate CA above it is not sent along, it is not for client authentication, or it has expired. The API server then refuses every request of the proxy with 401.",
        evidence: "The API server's log: \"x509: certificate signed by unknown authority\" twice in one line, the second time with the serial number of a certificate that is not yours; or \"certificate specifies an incompatible key usage\" in the first place.",
        fix: "Issue the proxy a certificate by the front proxy's CA (kubeadm: front-proxy-ca), never by the clients' one; or point --requestheader-client-ca-file to the CA that the proxy uses. `openssl x509 -in PROXY_CERT -noout -issuer` beside `openssl x509 -in front-proxy-ca.crt -noout -subject`.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#authenticating-proxy",
    },
    recognises: &[&message::BOTH_CAS],
    explains: front::EXPLAINED,
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    let (Some(word), Some(rejected)) = (case.said_of_certificate(&message::BOTH_CAS, false), case.rejected()) else {
        return Vec::new();
    };
    let (serial, error) = (word.field("serial"), word.field("error"));
    if error.contains("not in the allowed list") {
        return Vec::new();
    }
    let Some((confidence, before)) = front::refused(case, word, true) else { return Vec::new() };
    // A chain up to the front proxy's CA was found, else the server would say that nobody signed it.
    if error.contains("key usage") {
        return vec![
            RULE.finding(
                confidence,
                format!("The proxy in front of the API server shows the certificate number {serial}. It is of the front proxy's CA, but not made for client authentication (extended key usage clientAuth; {error}). So every request through the proxy is refused, whoever is behind it."),
                word.cite(),
                Step::command(
                    "Issue the proxy a certificate for client authentication, by the same CA and with a name of --requestheader-allowed-names",
                    "printf 'extendedKeyUsage=clientAuth\\n' > client.ext && openssl req -new -newkey rsa:2048 -nodes -keyout proxy.key -subj /CN=front-proxy-client -out proxy.csr && openssl x509 -req -in proxy.csr -CA front-proxy-ca.crt -CAkey front-proxy-ca.key -days 365 -extfile client.ext -out proxy.crt",
                ),
            )
            .titled("The certificate of the proxy in front of the API server is not for client authentication")
            .step(Step::command("See what the present one is for", "openssl x509 -in PROXY_CERT -noout -serial -ext extendedKeyUsage"))
            .cite(rejected)
            .cite_if(before),
        ];
    }
    vec![
        RULE.finding(
            confidence,
            format!("The proxy in front of the API server shows the certificate number {serial}, and neither the front proxy's CA nor the clients' one covers it as it is sent ({error}): it is of another CA, or of an intermediate one whose certificate is not sent along. So every request through the proxy is refused, whoever is behind it."),
            word.cite(),
            Step::command(
                "Issue the proxy a certificate by the CA of --requestheader-client-ca-file (kubeadm: /etc/kubernetes/pki/front-proxy-ca.crt), with a name of --requestheader-allowed-names",
                "openssl req -new -newkey rsa:2048 -nodes -keyout proxy.key -subj /CN=front-proxy-client -out proxy.csr && openssl x509 -req -in proxy.csr -CA front-proxy-ca.crt -CAkey front-proxy-ca.key -days 365 -out proxy.crt",
            ),
        )
        .step(Step::command("Or, where an intermediate CA below that CA signed the present one, have the proxy send that CA's certificate after its own (nginx: both in the file of proxy_ssl_certificate)", "openssl verify -CAfile front-proxy-ca.crt -untrusted INTERMEDIATE_CERT PROXY_CERT && cat PROXY_CERT INTERMEDIATE_CERT > proxy-chain.crt"))
        .step(Step::manifest("Or have the API server trust the proxy's CA as a front proxy's one (never the clients' CA: whoever holds a client certificate could then be anybody), and restart it", "--requestheader-client-ca-file=/etc/kubernetes/pki/proxy-ca.crt\n"))
        .cite(rejected)
        .cite_if(before),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Outcome};
    use crate::report::diagnose;
    use crate::rules::check_all;

    #[test]
    fn a_certificate_of_the_right_ca_that_is_not_for_clients_is_told_apart() {
        let saved = include_str!("../../../testdata/cases/front-proxy-ca-mismatch/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(saved).expect("evidence");
        let found = diagnose(check_all(&Case::new(&evidence)));
        assert!(found[0].code == RULE.code && found[0].why.contains("an intermediate one"), "{}", found[0].why);
        // Synthetic: as a real API server wrote it, with shorter key ids, of an nginx whose certificate was of the right CA and
        // for servers only; the saved one showed a certificate of another CA.
        let line = r#"E1125 17:25:30.654128   30633 authentication.go:75] "Unable to authenticate the request" err="[x509: certificate specifies an incompatible key usage, verifying certificate SN=490587881068831873916018528608500530264977016317, SKID=68:57:0C:72, AKID=3E:21:8E:95 failed: x509: certificate signed by unknown authority]""#;
        let Outcome::Seen(log) = &mut evidence.control_plane.log.outcome else { panic!("no log") };
        for said in message::recognise(line) {
            let place = log.matches.iter_mut().find(|found| found.text == said.text.name).expect("a text of before");
            place.line = line.to_owned();
            place.fields = said.fields;
        }
        let found = diagnose(check_all(&Case::new(&evidence)));
        assert_eq!(found[0].code, RULE.code);
        assert!(found[0].why.contains("It is of the front proxy's CA"), "{}", found[0].why);
        assert!(!found[0].why.contains("covers it"), "{}", found[0].why);
    }
}
