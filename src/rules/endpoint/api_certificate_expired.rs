//! The API server's certificate is past its end.

use crate::apiserver::message::{self, heard, tools};
use crate::evidence::tls::TlsFaultKind;
use crate::report::shell::shell;
use crate::report::{Candidate, Confidence, Finding, Severity, Step};
use crate::rules::api_port::{fault, met_without_handshake};
use crate::rules::clock::{APART, clocks, dated_by_clock};
use crate::rules::wording::capital;
use crate::rules::untrusted::{Wrong, some_untrusted};
use crate::rules::way::{host, place};
use crate::rules::{Case, Page, Rule, Word};

/// The rule.
pub static RULE: Rule = Rule {
    code: "api-certificate-expired",
    severity: Severity::Error,
    title: "The API server's certificate has expired",
    page: Page {
        means: "The certificate that the API server presents, or an authority above it, is out of date, so kubectl ends the connection with \
            \"x509: certificate has expired or is not yet valid\" before any credential is sent. kubeadm's certificates live one year and are renewed only by an upgrade or by hand; \
            a kubelet or controller on the same cluster is about to lose its connection too. A wrong clock on this machine gives the same words; that is another finding.",
        evidence: "The validity of the certificates that were presented, against this machine's clock and the Date header of the server.",
        fix: "Renew it (kubeadm certs renew, a restart of k3s or RKE2, your provider's rotation) and restart the API server, which reads it at start. `kubeadm certs renew apiserver` on each control-plane node, then restart the static Pod.",
        references: "https://kubernetes.io/docs/tasks/administer-cluster/kubeadm/kubeadm-certs/",
    },
    recognises: &[&message::KUBECTL_X509_DATE, &heard::X509_DATE, &heard::X509_OTHER, &heard::CALL_FAILED, &heard::PYTHON_CALL, &heard::BARE_X509, &heard::X509_MACOS, &tools::OC_EXPIRED],
    explains: &[],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = some_untrusted(case, &RULE, Wrong::Date) {
        let renew = Step::command("On that server, if it is a control-plane node of kubeadm, see what is out of date", "kubeadm certs check-expiration");
        return vec![finding.step(renew)];
    }
    let Some(shown) = fault(case, &[TlsFaultKind::Expired, TlsFaultKind::NotYetValid]) else {
        return met_without_handshake(case, &message::KUBECTL_X509_DATE).map(from_words).into_iter().collect();
    };
    if dated_by_clock(case).is_some() {
        return Vec::new();
    }
    let early = shown.fault.kind == TlsFaultKind::NotYetValid;
    // The server's own clock, or the issuer's, says that it is not this machine's that is off.
    let clocks = clocks(case);
    let agrees = clocks.as_ref().is_some_and(|clocks| clocks.ahead.abs() <= APART || clocks.is_servers());
    let seen = shown.fault.seen.as_deref().unwrap_or_default();
    let other = if early { "is not valid yet" } else { "has expired" };
    let mut finding = RULE
        .finding(
            if agrees { Confidence::Certain } else { Confidence::Likely },
            format!("{}: {seen}. Every client that checks certificates refuses this server, whatever its credential.", capital(&shown.fault.detail)),
            shown.cite(),
            Step::command(
                "On a control-plane node, see what is out of date (kubeadm)",
                "kubeadm certs check-expiration",
            ),
        )
        .titled(format!("The certificate of {} {other}", host(case)));
    if early {
        finding = finding.step(Step::text("If it is new, the clock of the machine that signed it is ahead: set that by NTP, and sign the certificate again."));
    } else if shown.fault.detail.contains("authority") {
        finding = finding.step(Step::text(
            "It is an authority that is out of date, so a new certificate under it helps nobody: make a new CA, have it sign the API server's certificate, and hand it to every kubeconfig (the manual rotation of CA certificates).",
        ));
    } else {
        finding = finding
            .step(Step::command(
                "Renew it and have the API server read it (kubeadm; k3s and RKE2 renew at a restart when less than 90 days are left)",
                "kubeadm certs renew all && crictl rm -f $(crictl ps -q --name kube-apiserver)",
            ))
            .step(Step::command(
                "This must show an end that lies ahead",
                shell!("openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -enddate", place(case)),
            ));
    }
    match clocks {
        Some(clocks) => finding.cites.push(clocks.cite),
        None => finding.candidates = vec![clock()],
    }
    vec![finding]
}

fn from_words(word: &Word) -> Finding {
    let mut finding = RULE.finding(
        Confidence::Possible,
        format!("By the clock of the machine that printed this it was {}, {} {}.", word.field("now"), word.field("way"), word.field("limit")),
        word.cite(),
        Step::command("On a control-plane node, see what is out of date (kubeadm)", "kubeadm certs check-expiration"),
    );
    finding.candidates = vec![clock()];
    finding
}

fn clock() -> Candidate {
    Candidate {
        code: "client-clock-wrong",
        why: "The server told no time of its own to compare this machine's clock with.".to_owned(),
        decided_by: Step::command("Compare this machine's clock with the true time", "date -u; timedatectl"),
    }
}
