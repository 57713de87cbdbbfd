//! The issuer does not send the intermediate certificate.

use crate::apiserver::message;
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, probed};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-chain-incomplete",
    severity: Severity::Error,
    title: "The issuer sends its certificate without the intermediate one",
    page: Page {
        means: "The issuer's certificate is signed by an intermediate CA, and the server sends the certificate alone. Browsers fetch or remember the missing one; the API server does not, and finds no way to a root: \"signed by unknown authority\".",
        evidence: "The chain as presented here holds one certificate, which names where its signer's certificate is to be had; and the API server does not trust it.",
        fix: "Have the issuer (or the balancer in front of it) send the full chain: its certificate, then the intermediates. `openssl s_client -connect ISSUER:443 -servername ISSUER -showcerts` shows what is sent.",
        references: "https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2",
    },
    recognises: &[&message::OIDC_INIT_X509],
    explains: &["issuer-certificate-untrusted", "credential-rejected", "oidc-not-initialized", "issuer-blocks-control-plane"],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if case.accepted() || case.initialized() {
        return Vec::new();
    }
    let (probes, at) = case.issuer();
    let Some(tls) = probes.tls.seen() else { return Vec::new() };
    let [leaf] = tls.chain.as_slice() else { return Vec::new() };
    // A certificate that its root signed directly seldom says where the signer's certificate is; one below an
    // intermediate always does.
    if leaf.issuer == leaf.subject || leaf.ca_issuers.is_empty() {
        return Vec::new();
    }
    let Some(index) = tls.faults.iter().position(|fault| fault.kind == TlsFaultKind::UnknownAuthority) else { return Vec::new() };
    let said = case.said(&message::OIDC_INIT_X509).filter(|word| word.field("error").contains("unknown authority"));
    let first = match (said, case.not_initialized()) {
        (Some(word), _) => word.cite(),
        (None, Some((cite, _))) if case.logged_discovery_status().is_none() => cite,
        _ => return Vec::new(),
    };
    let place = &leaf.ca_issuers[0];
    vec![
        RULE.finding(
            Confidence::Likely,
            format!("The issuer presents one certificate, signed by {:?}, and not that one's. The API server cannot find a way from it to a root that it trusts.", leaf.issuer),
            first,
            Step::command(
                "Fetch the intermediate certificate, and put it behind the server's own in one file",
                shell!("curl -s {} | openssl x509 -inform DER -out intermediate.crt; cat server.crt intermediate.crt > fullchain.crt", place),
            ),
        )
        .step(Step::manifest("Have the server send that file; in nginx, then nginx -s reload", "ssl_certificate /etc/nginx/fullchain.crt;\n"))
        .step(Step::command("This must show two certificates or more", shell!("openssl s_client -connect {} -showcerts </dev/null | grep -c BEGIN", case.issuer_place())))
        .cite(probed(format!("{at}/tls/seen/chain"), format!("one certificate; its signer's is at {place}")))
        .cite(probed(format!("{at}/tls/seen/faults/{index}"), tls.faults[index].detail.clone())),
    ]
}
