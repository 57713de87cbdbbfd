//! What is wrong with a chain: Go's judgement, with every fault told apart where Go stops at the first.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;

use super::CHAIN_LIMIT;
use super::roots::{Anchors, Root};
use crate::credential::certificate::{facts_from_der, sha256_hex};
use crate::credential::chain::{Certificate, Options, ParseError, Pool, Usage, verify};
use crate::evidence::tls::{CertificateFacts, ChainVerdict, TlsFault, TlsFaultKind};

/// The facts, or for an unreadable certificate its hash alone.
pub(super) fn facts_or_shell(der: &CertificateDer<'_>) -> CertificateFacts {
    facts_from_der(der).unwrap_or_else(|error| CertificateFacts {
        subject: format!("({error})"),
        sha256: sha256_hex(der),
        ..CertificateFacts::default()
    })
}

pub(super) fn fault(
    kind: TlsFaultKind,
    detail: impl Into<String>,
    expected: impl Into<String>,
    seen: impl Into<String>,
) -> TlsFault {
    TlsFault { kind, detail: detail.into(), expected: Some(expected.into()), seen: Some(seen.into()), go: None }
}

impl TlsFault {
    fn in_go(self, words: impl Into<String>) -> Self {
        Self { go: Some(words.into()), ..self }
    }
}

/// One judgement of one chain: Go's, with every fault told apart where Go stops at the first.
pub(super) struct Judgement<'a> {
    pub(super) anchors: &'a Anchors,
    pub(super) leaf: &'a CertificateDer<'a>,
    pub(super) intermediates: &'a [CertificateDer<'a>],
    pub(super) name: &'a str,
    pub(super) now: Timestamp,
}

/// Go's words for a date that is past or to come.
const OUT_OF_DATE: &str = "x509: certificate has expired or is not yet valid";
const UNKNOWN_AUTHORITY: &str = "x509: certificate signed by unknown authority";

impl Judgement<'_> {
    /// Empty is trust: exactly where Go trusts.
    pub(super) fn faults(&self) -> Vec<TlsFault> {
        self.parsed().map_or_else(|fault| vec![fault], |(leaf, rest)| self.faults_of(&leaf, &rest))
    }

    /// A root of these signed the chain, whatever name it is for.
    pub(super) fn trusts_chain(&self) -> bool {
        self.parsed().is_ok_and(|(leaf, rest)| {
            let (moment, _) = self.moment(&leaf);
            matches!(self.verdict(&leaf, &rest, None, moment), ChainVerdict::Accepted { .. })
        })
    }

    /// Go ends a handshake with one certificate that it cannot parse, wherever in the chain.
    fn parsed(&self) -> Result<(Certificate, Vec<Arc<Certificate>>), TlsFault> {
        let parse = |der: &CertificateDer<'_>| {
            Certificate::parse(der).map_err(|error| match error {
                ParseError::Go(text) => fault(
                    TlsFaultKind::Other,
                    "a certificate of the server's chain cannot be parsed",
                    "X.509 certificates",
                    text.clone(),
                )
                .in_go(format!("tls: failed to parse certificate from server: {text}")),
                ParseError::Undecided(because) => undecided(&because),
            })
        };
        let rest = self.intermediates.iter().map(|der| parse(der).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok((parse(self.leaf)?, rest))
    }

    fn verdict(
        &self,
        leaf: &Certificate,
        rest: &[Arc<Certificate>],
        host: Option<&str>,
        now: Timestamp,
    ) -> ChainVerdict {
        let mut intermediates = Pool::default();
        for certificate in rest {
            intermediates.add(certificate.clone());
        }
        let options = Options { usages: vec![Usage::ServerAuth], host: host.map(str::to_owned), now };
        verify(leaf, &intermediates, &self.anchors.pool, &options)
    }

    /// A moment at which the leaf is valid, so that an expired one hides no other fault; and what is wrong with now.
    fn moment(&self, leaf: &Certificate) -> (Timestamp, Option<TlsFault>) {
        let (from, to) = leaf.validity();
        let problem = out_of_date("the server's certificate", from, to, self.now);
        let moment = match &problem {
            Some(problem) if problem.kind == TlsFaultKind::Expired => to,
            Some(_) => from,
            None => self.now,
        };
        (moment, problem)
    }

    fn faults_of(&self, leaf: &Certificate, rest: &[Arc<Certificate>]) -> Vec<TlsFault> {
        let whole = self.verdict(leaf, rest, Some(self.name), self.now);
        if matches!(whole, ChainVerdict::Accepted { .. }) {
            return Vec::new();
        }
        let (moment, date) = self.moment(leaf);
        let mut faults = Vec::new();
        if let Some(date) = date {
            let words = match self.verdict(leaf, rest, None, self.now) {
                ChainVerdict::Refused { error } => Some(error),
                _ => None,
            };
            faults.push(TlsFault { go: words.filter(|words| words.starts_with(OUT_OF_DATE)), ..date });
        }
        if let Err(words) = leaf.verify_hostname(self.name) {
            faults.push(self.name_fault().in_go(words));
        }
        match self.verdict(leaf, rest, None, moment) {
            ChainVerdict::Accepted { .. } => {}
            ChainVerdict::Undecided { because } => faults.push(undecided(&because)),
            ChainVerdict::Refused { error } => {
                faults.extend(self.chain_fault(&error, leaf, rest, moment != self.now).map(|fault| fault.in_go(error)));
            }
        }
        // Whatever could not be told apart is still not trusted.
        match whole {
            ChainVerdict::Refused { error } if faults.is_empty() => faults.push(self.other_fault(&error).in_go(error)),
            ChainVerdict::Undecided { because } if faults.is_empty() => faults.push(undecided(&because)),
            _ => {}
        }
        faults
    }

    fn name_fault(&self) -> TlsFault {
        let expected = self.name.to_owned();
        let facts = facts_or_shell(self.leaf);
        if facts.names.is_empty() {
            return fault(
                TlsFaultKind::NameMismatch,
                format!(
                    "the server's certificate has no subject alternative name, so it is not valid for {expected} \
                     (the common name does not count)"
                ),
                expected,
                format!("no names; subject {}", facts.subject),
            );
        }
        fault(
            TlsFaultKind::NameMismatch,
            format!("the server's certificate is not valid for {expected}"),
            expected,
            facts.names.join(", "),
        )
    }

    /// Why no trusted path exists, from Go's words and what was presented; nothing where only the moved moment is the
    /// trouble.
    fn chain_fault(&self, words: &str, leaf: &Certificate, rest: &[Arc<Certificate>], moved: bool) -> Option<TlsFault> {
        if words.starts_with(OUT_OF_DATE) {
            return self.authority_out_of_date(words, leaf, rest, moved);
        }
        if words.starts_with("x509: certificate specifies an incompatible key usage") {
            return Some(fault(
                TlsFaultKind::WrongUsage,
                "the server's certificate, or an authority above it, is not meant for servers",
                "extended key usage serverAuth",
                facts_or_shell(self.leaf).extended_key_usages.join(", "),
            ));
        }
        if !words.starts_with(UNKNOWN_AUTHORITY) {
            return Some(self.other_fault(words));
        }
        if words.contains("insecure algorithm") {
            return Some(fault(
                TlsFaultKind::Other,
                "a certificate of the chain is signed with an algorithm that is not accepted any more",
                "a signature with SHA-256 or better",
                words,
            ));
        }
        // A root that is there, made the signature, and may not sign.
        if let Some((root, _)) =
            self.named(leaf, rest).find(|(root, child)| child.is_signed_with_key_of(&root.certificate))
        {
            let name = subject(&root.der);
            return Some(fault(
                TlsFaultKind::UnknownAuthority,
                format!("{name} is among the {} roots but may not sign certificates", self.anchors.label),
                "a certificate authority (basic constraints CA, key usage for signing certificates)",
                name,
            ));
        }
        // A root of the same name that did not sign it.
        if let Some((root, child)) = self.named(leaf, rest).next() {
            return Some(self.authority_key_differs(root, child, leaf, rest));
        }
        Some(self.unknown_authority(leaf, rest))
    }

    /// Roots that a presented certificate names as its issuer, each with that certificate.
    fn named<'c>(
        &'c self,
        leaf: &'c Certificate,
        rest: &'c [Arc<Certificate>],
    ) -> impl Iterator<Item = (&'c Root, &'c Certificate)> {
        self.anchors.roots.iter().filter_map(move |root| {
            presented(leaf, rest).find(|child| child.is_named_issuer(&root.certificate)).map(|child| (root, child))
        })
    }

    fn authority_out_of_date(
        &self,
        words: &str,
        leaf: &Certificate,
        rest: &[Arc<Certificate>],
        moved: bool,
    ) -> Option<TlsFault> {
        let roots = self.named(leaf, rest).filter(|(root, child)| child.is_signed_with_key_of(&root.certificate)).map(
            |(root, _)| {
                let whose = format!("the authority {} among the {} roots", subject(&root.der), self.anchors.label);
                (whose, root.certificate.validity())
            },
        );
        let sent = self
            .intermediates
            .iter()
            .zip(rest)
            .map(|(der, authority)| (format!("the intermediate authority {}", subject(der)), authority.validity()));
        roots.chain(sent).find_map(|(whose, (from, to))| out_of_date(&whose, from, to, self.now)).or_else(|| {
            (!moved).then(|| {
                fault(
                    TlsFaultKind::Expired,
                    "an authority of the server's chain is out of date",
                    format!("valid at {}", self.now),
                    words,
                )
            })
        })
    }

    fn authority_key_differs(
        &self,
        root: &Root,
        child: &Certificate,
        leaf: &Certificate,
        rest: &[Arc<Certificate>],
    ) -> TlsFault {
        let theirs = presented(leaf, rest)
            .zip(std::iter::once(self.leaf).chain(self.intermediates))
            .find(|(certificate, _)| std::ptr::eq(*certificate, child))
            .map(|(_, der)| facts_or_shell(der))
            .unwrap_or_default();
        let ours = facts_or_shell(&root.der);
        fault(
            TlsFaultKind::AuthorityKeyDiffers,
            format!(
                "the server's chain is signed by an authority named {}, but with another key than the one of \
                     that name among the {} roots: another cluster, or one whose authority was made anew",
                theirs.issuer, self.anchors.label
            ),
            key_words(&ours.subject_key_id, &format!("certificate SHA-256 {}", ours.sha256), ours.not_before),
            key_words(&theirs.authority_key_id, "a key without id", theirs.not_before),
        )
    }

    fn other_fault(&self, words: &str) -> TlsFault {
        fault(
            TlsFaultKind::Other,
            format!("the chain cannot be verified: {}", words.trim_start_matches("x509: ")),
            format!("a chain up to one of the {} roots", self.anchors.label),
            words,
        )
    }

    fn unknown_authority(&self, leaf: &Certificate, rest: &[Arc<Certificate>]) -> TlsFault {
        // Up the presented chain by names, to the first issuer that was not sent.
        let (mut top, mut der) = (leaf, self.leaf);
        for _ in 0..CHAIN_LIMIT {
            if top.is_self_issued() {
                break;
            }
            match rest.iter().zip(self.intermediates).find(|(authority, _)| top.is_named_issuer(authority)) {
                Some((authority, sent)) => (top, der) = (authority, sent),
                None => break,
            }
        }
        let issuer = facts_or_shell(der).issuer;
        let detail = if leaf.is_self_issued() {
            format!("the server's certificate is self-signed and not among the {} roots", self.anchors.label)
        } else if rest.is_empty() {
            format!(
                "the server's certificate is signed by {issuer}, which is not among the {} roots and was not sent by the server",
                self.anchors.label
            )
        } else {
            format!("the server's chain ends at {issuer}, which is not among the {} roots", self.anchors.label)
        };
        let roots = &self.anchors.roots;
        let mut names: Vec<String> = roots.iter().take(3).map(|root| subject(&root.der)).collect();
        let expected = if roots.len() <= 3 {
            names.dedup();
            names.join("; ")
        } else {
            format!("one of {} {} roots", roots.len(), self.anchors.label)
        };
        fault(TlsFaultKind::UnknownAuthority, detail, expected, issuer)
    }
}

/// The server's own certificate and all that came with it.
fn presented<'c>(leaf: &'c Certificate, rest: &'c [Arc<Certificate>]) -> impl Iterator<Item = &'c Certificate> {
    std::iter::once(leaf).chain(rest.iter().map(Arc::as_ref))
}

pub(super) fn subject(der: &CertificateDer<'_>) -> String {
    facts_or_shell(der).subject
}

/// Trust that nobody here can judge is no trust.
fn undecided(because: &str) -> TlsFault {
    fault(
        TlsFaultKind::Undecided,
        format!("kaccess cannot judge the server's chain, so it does not trust it: {because}"),
        "a chain that can be checked",
        because,
    )
}

fn key_words(id: &str, otherwise: &str, since: Option<Timestamp>) -> String {
    let key = if id.is_empty() { otherwise.to_owned() } else { format!("key {id}") };
    match since {
        Some(since) => format!("{key} (certificate from {since})"),
        None => key,
    }
}

fn out_of_date(whose: &str, from: Timestamp, to: Timestamp, now: Timestamp) -> Option<TlsFault> {
    if now > to {
        Some(fault(
            TlsFaultKind::Expired,
            format!("{whose} has expired"),
            format!("valid at {now}"),
            format!("valid until {to}"),
        ))
    } else if now < from {
        Some(fault(
            TlsFaultKind::NotYetValid,
            format!("{whose} is not valid yet (or this machine's clock is slow)"),
            format!("valid at {now}"),
            format!("valid from {from}"),
        ))
    } else {
        None
    }
}
