//! The issuer's certificate is past its end.

use crate::apiserver::message::{self, heard};
use crate::evidence::tls::{TlsFault, TlsFaultKind};
use crate::report::shell::shell;
use crate::report::{Candidate, Confidence, Finding, Severity, Step};
use crate::rules::issuer_port::{again, broken};
use crate::rules::wording::capital;
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "issuer-certificate-expired",
    severity: Severity::Error,
    title: "The issuer's certificate has expired",
    page: Page {
        means: "The API server does not accept the issuer's certificate any more, so it cannot read the discovery document (or, later, the keys).",
        evidence: "The API server's log (certificate has expired or is not yet valid: current time X is after Y, or is before Y), or the validity of the certificates that the issuer presents here. An authority above the issuer's own certificate may be the one that is out of date.",
        fix: "Renew the certificate of the issuer, or of the balancer in front of it; the API server recovers within 10 s. `openssl s_client -connect ISSUER:443 -servername ISSUER` shows the one that is served. Where the log says \"is before\", it is not valid yet: wait, or look at the API server's clock.",
        references: "https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig",
    },
    recognises: &[&message::OIDC_INIT_X509, &heard::INIT_OLD],
    explains: &["credential-rejected", "oidc-not-initialized", "oidc-partly-initialized", "issuer-blocks-control-plane", "issuer-certificate-untrusted"],
    check,
};

/// Which end of its validity the words or the fault are about, and where that end lies.
struct End {
    /// It is not valid yet.
    early: bool,
    /// The end as it is written there.
    date: Option<String>,
}

/// Go has one text for both ends; what is behind it tells which one is meant.
fn told(error: &str) -> Option<End> {
    let (early, (_, date)) = match error.split_once(" is before ") {
        Some(parts) => (true, parts),
        None => (false, error.split_once(" is after ")?),
    };
    let date = date.split_whitespace().next().map(|date| date.trim_end_matches(['"', '\\', ']', ',', '.']).to_owned());
    Some(End { early, date })
}

fn met_end(fault: &TlsFault) -> End {
    let seen = fault.seen.as_deref().unwrap_or_default();
    let date = ["valid until ", "valid from "].into_iter().find_map(|start| seen.strip_prefix(start));
    let date = date.map(str::to_owned).or_else(|| told(seen)?.date);
    End { early: fault.kind == TlsFaultKind::NotYetValid, date }
}

/// The authority above the issuer's own certificate, where it is that one which is out of date.
fn authority(fault: &TlsFault) -> Option<&str> {
    let ends = [" has expired", " is not valid yet", " is out of date"];
    let at = ends.into_iter().find_map(|end| fault.detail.find(end)).unwrap_or(fault.detail.len());
    fault.detail.contains("authority").then(|| &fault.detail[..at])
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kinds = [TlsFaultKind::Expired, TlsFaultKind::NotYetValid];
    let Some(broken) = broken(case, |error| error.contains("expired"), &kinds) else { return Vec::new() };
    let said = broken.said.and_then(told);
    let met = broken.met.map(|(fault, cite)| (met_end(fault), fault, cite));
    let early = said.as_ref().or(met.as_ref().map(|(end, ..)| end)).is_some_and(|end| end.early);
    // A fault at the other end is not the one that the log tells of.
    let met = met.filter(|(end, ..)| end.early == early);
    let date = said.and_then(|end| end.date).or_else(|| met.as_ref()?.0.date.clone());
    let (host, place) = (&broken.host, case.issuer_place());
    let own = broken.leaf.and_then(|leaf| if early { leaf.not_before } else { leaf.not_after }).map(|end| end.to_string());
    // Nor is one with another date: another server's, or that of a certificate which has been replaced since.
    let same = met.as_ref().filter(|(end, ..)| end.date == date).map(|(_, fault, _)| *fault);
    let above = same.and_then(authority);
    // Go does not say which certificate of the chain it means.
    let of_leaf = same.is_some_and(|fault| authority(fault).is_none());
    let sure = above.is_some() || of_leaf || own.is_some() && own == date;
    let whose = match above {
        Some(authority) => format!("{} above the certificate of {host}", capital(authority)),
        None if sure => format!("The certificate of {host}"),
        None => format!("The certificate of {host}, or an authority above it,"),
    };
    let field = if early { "NotBefore" } else { "NotAfter" };
    let chain = |text: &str| {
        Step::command(text, shell!("openssl s_client -connect {} -servername {} -showcerts </dev/null 2>/dev/null | grep -E '^ *[0-9]+ s:|{}'", place, host, field))
    };
    if early {
        let from = date.map_or_else(String::new, |date| format!(" before {date}"));
        // Only a second clock tells whose is wrong.
        let confidence = if broken.said.is_some() && same.is_some() { broken.confidence } else { broken.confidence.max(Confidence::Likely) };
        let why = format!("{whose} is not valid{from}; until then the API server breaks off before it reads the discovery document.");
        let first = match above {
            Some(_) => chain("It is an authority that is not valid yet, so a new certificate under it helps nobody: wait until then, or have the issuer (or the balancer before it) send a certificate signed by another authority (if whoever signed that authority has a clock that is ahead, set that first); this lists the start of each that is sent"),
            None => Step::command("Wait until then, or have one issued that is valid now (if whoever signed it has a clock that is ahead, set that first); this shows the start", shell!("openssl s_client -connect {} -servername {} </dev/null 2>/dev/null | openssl x509 -noout -startdate", place, host)),
        };
        let title = match above {
            Some(_) => "An authority above the issuer's certificate is not valid yet",
            None => "The issuer's certificate is not valid yet",
        };
        let unsure = (!sure).then(|| chain("If that start is past, it is an authority above it: this lists the start of each certificate that is sent"));
        let mut finding = RULE
            .finding(confidence, why, broken.first, first)
            .titled(title)
            .steps(unsure)
            .step(again())
            .cite_if(met.map(|(_, _, cite)| cite));
        finding.candidates = vec![Candidate {
            code: "api-server-clock-wrong",
            why: "the API server's clock may be behind, so that a good certificate is not valid yet for it".to_owned(),
            decided_by: Step::command("the clock of the control-plane nodes, beside the true time", "date -u; timedatectl status"),
        }];
        return vec![finding];
    }
    let end = date.map_or_else(String::new, |date| format!(" on {date}"));
    let why = format!("{whose} ended{end}; the API server breaks off before it reads the discovery document.");
    let first = match above {
        Some(_) => chain("It is an authority that is out of date, so a new certificate under it helps nobody: have the issuer (or the balancer before it) send that authority's renewed certificate, or one signed by another authority; this lists the end of each that is sent"),
        None => Step::command("Renew the certificate of the issuer (or of the balancer before it) and have the server load it; this must show an end that lies ahead", shell!("openssl s_client -connect {} -servername {} </dev/null 2>/dev/null | openssl x509 -noout -enddate", place, host)),
    };
    let mut finding = RULE.finding(broken.confidence, why, broken.first, first);
    if above.is_some() {
        finding = finding.titled("An authority above the issuer's certificate has expired");
    }
    let unsure = (!sure).then(|| chain("If that end lies ahead, it is an authority above it: this lists the end of each certificate that is sent"));
    vec![finding.steps(unsure).step(again()).cite_if(met.map(|(_, _, cite)| cite))]
}
