//! What is said of client certificates and front proxies, of token webhooks, and of what stands behind the API server.

use super::{Codes, Said, silence};
use crate::apiserver::message::{heard::names as heard, names as text};
use crate::report::Confidence::{Certain, Likely, Possible};
use crate::rules::hook;

/// The codes, the likeliest first; `None` where this part does not choose.
pub(super) fn codes(said: &Said<'_>) -> Option<Codes> {
    let error = said.field("error");
    Some(match said.name() {
        // The front proxy's CA is asked about every client's certificate; what the clients' one says counts.
        heard::CERTIFICATE_BARE if said.has(text::CLIENT_CERTIFICATE) => silence(),
        text::CLIENT_CERTIFICATE | text::BOTH_CAS | text::CLIENT_CA_ALONE | heard::CERTIFICATE_BARE => {
            if said.has(text::FRONT_PROXY_NAME) {
                return Some(silence());
            }
            // The field is what the front proxy's CA has against it; the clients' one knows no such authority.
            let error = if said.name() == text::BOTH_CAS { "" } else { error };
            if error.contains("expired") && of_unknown_authority(said) {
                (vec!["client-certificate-untrusted", "client-certificate-expired"], Likely)
            } else if error.contains("is before") {
                (vec!["api-server-clock-wrong", "client-certificate-expired"], Likely)
            } else if error.contains("expired") && error.ends_with(':') {
                // Cut before it says whether it has expired or is not valid yet.
                (vec!["client-certificate-expired", "api-server-clock-wrong"], Likely)
            } else if error.contains("expired") {
                (vec!["client-certificate-expired"], Certain)
            } else if error.contains("key usage") {
                (vec!["client-certificate-wrong-usage"], Certain)
            } else {
                // Which authority it was held against, Go tells where one has that name.
                let neither = said.has(text::BOTH_CAS) || said.context.plain.contains("requestheader-ca");
                let rivals: &[&str] = if neither {
                    &["front-proxy-ca-mismatch"]
                } else {
                    &["front-proxy-header-missing", "front-proxy-not-configured"]
                };
                (std::iter::once("client-certificate-untrusted").chain(rivals.iter().copied()).collect(), Likely)
            }
        }
        text::FRONT_PROXY_NAME => (vec!["front-proxy-name-not-allowed"], Certain),
        // The configuration may be there: its reader has no right to read it.
        heard::FRONT_PROXY_CONFIG if said.has(heard::FORBIDDEN) => silence(),
        heard::FRONT_PROXY_CONFIG | heard::FRONT_PROXY_OVERLAP => (vec!["front-proxy-not-configured"], Likely),
        text::WEBHOOK_FAILED if error.trim_end_matches('"').trim() == "unknown" => (
            vec![
                "iam-identity-not-mapped",
                "authentication-webhook-refused",
                "iam-token-wrong-cluster",
                "iam-token-expired",
                "aws-auth-role-path",
                "aws-auth-wrong-arn-kind",
            ],
            Possible,
        ),
        text::WEBHOOK_FAILED if ["401", "403", "nauthorized", "orbidden"].iter().any(|word| error.contains(word)) => {
            (vec!["authentication-webhook-refused", "authentication-webhook-down"], Likely)
        }
        text::WEBHOOK_FAILED | text::WEBHOOK_ANSWER
            if matches!(hook::fault(error), hook::Fault::NotFound | hook::Fault::Unauthorized) =>
        {
            (vec!["authentication-webhook-refused", "authentication-webhook-down"], Likely)
        }
        text::WEBHOOK_FAILED | text::WEBHOOK_ANSWER | text::WEBHOOK_TRANSPORT => {
            (vec!["authentication-webhook-down"], Certain)
        }
        text::KUBELET_UNREACHABLE | text::KUBELET_DIAL => {
            // Others scrape kubelets as well; what kubectl or the API server tells is meant here.
            let told =
                ["dialing backend", "\"status\":\"Failure\""].iter().any(|words| said.context.plain.contains(words));
            if !said.context.answer && !told {
                return Some(silence());
            }
            let refused = ["Forbidden", "Proxy Authentication Required", "Bad Gateway"];
            if refused.iter().any(|word| error.trim_end_matches('"').ends_with(word)) {
                (vec!["control-plane-proxy-in-the-way", "kubelet-unreachable"], Likely)
            } else {
                (vec!["kubelet-unreachable", "control-plane-proxy-in-the-way"], Likely)
            }
        }
        // A kubelet refuses whoever asks it: the API server, or who reads its statistics.
        text::KUBELET_FORBIDDEN
            if !said.context.plain.contains("Error from server") && !said.field("subresource").contains("proxy") =>
        {
            match said.field("user") {
                "system:anonymous" => (vec!["anonymous-request", "kubelet-refuses-api-server"], Likely),
                user if user.starts_with("system:serviceaccount:") => (vec!["rbac-no-grant"], Likely),
                _ => (vec!["kubelet-refuses-api-server", "rbac-no-grant"], Likely),
            }
        }
        text::KUBELET_FORBIDDEN => (vec!["kubelet-refuses-api-server"], Certain),
        heard::KUBELET_UPGRADE => (vec!["kubelet-refuses-api-server", "credential-rejected"], Likely),
        _ => return None,
    })
}

/// The front proxy's CA has not signed this certificate, and its own dates were fine: Go looks at them before it looks for
/// who signed it. A date that is not fine is that of a CA above it.
fn of_unknown_authority(said: &Said<'_>) -> bool {
    let before = said.context.plain.split("verifying certificate SN=").next();
    before.is_some_and(|before| before.contains("x509: certificate signed by unknown authority"))
}

#[cfg(test)]
mod tests {
    use crate::report::Confidence::{self, Certain, Likely};
    use crate::rules::reading::read;

    /// What a line of the log says of the certificate, where the front proxy's CA, the clients' one and whoever judges
    /// tokens have these things against a request.
    fn of_certificate(bare: &str, own: &str, more: &str) -> Vec<(&'static str, Confidence)> {
        let line = format!(
            r#"E1125 17:25:30.654128   30633 authentication.go:75] "Unable to authenticate the request" err="[x509: {bare}, verifying certificate SN=77, SKID=, AKID=C6:60 failed: x509: {own}{more}]""#
        );
        let readings = read(&line).into_iter().map(|reading| (reading.code, reading.confidence));
        readings.filter(|(code, _)| code.starts_with("client-certificate")).collect()
    }

    #[test]
    fn each_of_the_joined_errors_is_its_own() {
        let unknown = "certificate signed by unknown authority";
        let usage = "certificate specifies an incompatible key usage";
        let expired = "certificate has expired or is not yet valid: current time 2026-11-25T17:25:30Z is after 2026-11-24T10:48:24Z";
        let token = ", oidc: verify token: oidc: token is expired (Token Expiry: 2026-11-24 10:48:24 +0000 UTC)";
        for more in ["", token] {
            assert_eq!(of_certificate(expired, expired, more), [("client-certificate-expired", Certain)]);
            assert_eq!(of_certificate(unknown, usage, more), [("client-certificate-wrong-usage", Certain)]);
            assert_eq!(of_certificate(unknown, unknown, more), [("client-certificate-untrusted", Likely)]);
            // The end of a CA: of a certificate that is itself past its end, both would say that.
            assert_eq!(of_certificate(unknown, expired, more), [("client-certificate-untrusted", Likely)]);
            assert_eq!(of_certificate(expired, unknown, more), [("client-certificate-untrusted", Likely)]);
        }
    }

    #[test]
    fn a_front_proxys_authority_that_is_named_is_a_candidate() {
        // kubernetes #68439.
        let line = r#"E0908 23:23:15.369015       1 authentication.go:64] Unable to authenticate the request due to an error: [x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while trying to verify candidate authority certificate "kube-apiserver-requestheader-ca"), x509: certificate signed by unknown authority]"#;
        let reading = read(line).into_iter().next().expect("it is read");
        assert_eq!(
            (reading.code, reading.rivals.as_slice()),
            ("client-certificate-untrusted", &["front-proxy-ca-mismatch"][..])
        );
        assert_eq!(reading.fields["error"], "certificate signed by unknown authority");
    }
}
