//! The search for chains and the checks on them: `Certificate.Verify` of crypto/x509/verify.go.

use jiff::Timestamp;

use super::der::Time;
use super::keys::Check;
use super::{Certificate, Pool, constraints, hostname, policies};
use crate::evidence::tls::ChainVerdict;
use crate::gotext::quote;

/// What a certificate may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// By a client.
    ClientAuth,
    /// By a server.
    ServerAuth,
    /// For anything: usages are then not looked at.
    Any,
}

impl Usage {
    fn oid(self) -> &'static [u8] {
        match self {
            Self::Any => &[0x55, 0x1d, 0x25, 0],
            Self::ServerAuth => &[0x2b, 6, 1, 5, 5, 7, 3, 1],
            Self::ClientAuth => &[0x2b, 6, 1, 5, 5, 7, 3, 2],
        }
    }
}

/// What is asked of a chain.
#[derive(Debug, Clone)]
pub struct Options {
    /// One of these must be allowed all the way; none is [`Usage::ServerAuth`].
    pub usages: Vec<Usage>,
    /// The name or address that the leaf must be for; `None` or empty is not checked.
    pub host: Option<String>,
    /// The moment that is judged.
    pub now: Timestamp,
}

/// Most signatures that one search checks.
const SIGNATURES: usize = 100;
const SIGNATURE_LIMIT: &str = "x509: signature check attempts limit reached while verifying certificate chain";

/// The place of a candidate in a chain.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Leaf,
    Intermediate,
    Root,
}

/// Judges a certificate as Go does.
///
/// Where a signature can be neither verified nor refused, both worlds are judged: if they agree, that is the answer.
pub fn verify(leaf: &Certificate, intermediates: &Pool, roots: &Pool, options: &Options) -> ChainVerdict {
    let judge = |assume| {
        let mut search = Search { intermediates, roots, options, assume, checks: 0, unsure: Vec::new() };
        let result = search.verify(leaf);
        (result, search.unsure)
    };
    let (result, unsure) = judge(false);
    if let Some(because) = unsure.first()
        && !same(&result, &judge(true).0)
    {
        return ChainVerdict::Undecided { because: because.clone() };
    }
    match result {
        Ok(chains) => ChainVerdict::Accepted {
            chains: chains
                .iter()
                .map(|chain| chain.iter().map(|certificate| certificate.sha256.clone()).collect())
                .collect(),
        },
        Err(error) => ChainVerdict::Refused { error },
    }
}

/// Both accept, or both refuse in the same words. Acceptance without the unsure signatures holds with them too.
fn same(without: &Result<Chains<'_>, String>, with: &Result<Chains<'_>, String>) -> bool {
    match (without, with) {
        (Ok(_), Ok(_)) => true,
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}

type Chains<'a> = Vec<Vec<&'a Certificate>>;

struct Search<'a> {
    intermediates: &'a Pool,
    roots: &'a Pool,
    options: &'a Options,
    /// What is taken for true of everything that cannot be checked.
    assume: bool,
    checks: usize,
    unsure: Vec<String>,
}

impl<'a> Search<'a> {
    fn verify(&mut self, leaf: &'a Certificate) -> Result<Chains<'a>, String> {
        self.valid(leaf, Place::Leaf, &[])?;
        if let Some(host) = self.options.host.as_deref().filter(|host| !host.is_empty()) {
            hostname::verify(leaf, host)?;
        }
        let chains = if self.roots.contains(leaf) { vec![vec![leaf]] } else { self.build(&[leaf])? };
        self.filter(chains)
    }

    /// What only whole chains show: policies, usages, name constraints.
    fn filter(&mut self, chains: Chains<'a>) -> Result<Chains<'a>, String> {
        let (mut kept, mut policies, mut usages, mut constraint) = (Vec::new(), 0, 0, None);
        for chain in chains {
            let policy = policies::valid(&chain).unwrap_or_else(|| {
                self.unsure.push("kaccess does not follow mapped certificate policies".to_owned());
                self.assume
            });
            if !policy {
                policies += 1;
            } else if !usable(&chain, &self.options.usages) {
                usages += 1;
            } else if let Err(error) = constraints::check(&chain) {
                constraint.get_or_insert(error);
            } else {
                kept.push(chain);
            }
        }
        if !kept.is_empty() {
            return Ok(kept);
        }
        if let Some(error) = constraint {
            return Err(format!(
                "x509: a root or intermediate certificate is not authorized to sign for this name: {error}"
            ));
        }
        if usages > 0 && policies == 0 {
            return Err("x509: certificate specifies an incompatible key usage".to_owned());
        }
        let mut details = Vec::new();
        if usages > 0 {
            details.push(format!("{usages} candidate chains with incompatible key usage"));
        }
        if policies > 0 {
            details.push(format!("{policies} candidate chains with invalid policies"));
        }
        let details = if details.is_empty() { String::new() } else { format!(": {}", details.join(", ")) };
        Err(format!("x509: no valid chains built{details}"))
    }

    /// `isValid`: critical extensions, the name, dates, the right to sign, the length of the path.
    fn valid(&self, certificate: &Certificate, place: Place, chain: &[&Certificate]) -> Result<(), String> {
        if certificate.unhandled_critical {
            return Err("x509: unhandled critical extension".to_owned());
        }
        if chain.last().is_some_and(|child| child.raw_issuer != certificate.raw_subject) {
            return Err("x509: issuer name does not match subject from issuing certificate".to_owned());
        }
        let now = self.options.now;
        // In seconds, and whether there is a rest: the last second of validity ends as it begins.
        let seconds = now.as_second() - i64::from(now.subsec_nanosecond() < 0);
        let rest = now.subsec_nanosecond() != 0;
        let shown = Time { seconds, offset: 0 }.rfc3339();
        let expired = "x509: certificate has expired or is not yet valid: current time";
        if seconds < certificate.not_before.seconds {
            return Err(format!("{expired} {shown} is before {}", certificate.not_before.rfc3339()));
        }
        if seconds > certificate.not_after.seconds || seconds == certificate.not_after.seconds && rest {
            return Err(format!("{expired} {shown} is after {}", certificate.not_after.rfc3339()));
        }
        let constraints = certificate.basic_constraints;
        if place == Place::Intermediate && !constraints.is_some_and(|constraints| constraints.ca) {
            return Err("x509: certificate is not authorized to sign other certificates".to_owned());
        }
        let between = chain.len().saturating_sub(1) as u64;
        if place != Place::Leaf
            && constraints.and_then(|constraints| constraints.path_length).is_some_and(|limit| between > limit)
        {
            return Err("x509: too many intermediates for path length constraint".to_owned());
        }
        Ok(())
    }

    /// `buildChains`: roots first, then intermediates.
    ///
    /// The error is that of the last candidate whose signature was good, as Go has it; only if no candidate came so
    /// far is the authority unknown, with the first trouble as a hint.
    fn build(&mut self, chain: &[&'a Certificate]) -> Result<Chains<'a>, String> {
        let Some(child) = chain.last().copied() else { return Ok(Vec::new()) };
        let roots = self.roots.parents(child).into_iter().map(|candidate| (Place::Root, candidate));
        let intermediates =
            self.intermediates.parents(child).into_iter().map(|candidate| (Place::Intermediate, candidate));
        let mut chains = Vec::new();
        let mut hint: Option<(String, &Certificate)> = None;
        let mut last: Option<String> = None;
        for (place, candidate) in roots.chain(intermediates) {
            self.checks += 1;
            if self.checks > SIGNATURES {
                last = Some(SIGNATURE_LIMIT.to_owned());
                break;
            }
            let Some(key) = candidate.key.as_ref() else { continue };
            if already_in(candidate, chain) {
                continue;
            }
            if let Err(error) = self.signed_by(child, candidate, key) {
                hint.get_or_insert((error, candidate));
                continue;
            }
            if let Err(error) = self.valid(candidate, place, chain) {
                hint.get_or_insert((error.clone(), candidate));
                last = Some(error);
                continue;
            }
            last = None;
            let longer: Vec<&Certificate> = chain.iter().copied().chain([candidate]).collect();
            if place == Place::Root {
                chains.push(longer);
                continue;
            }
            match self.build(&longer) {
                Ok(found) => chains.extend(found),
                Err(error) => last = Some(error),
            }
            if last.as_deref() == Some(SIGNATURE_LIMIT) {
                break;
            }
        }
        if !chains.is_empty() {
            return Ok(chains);
        }
        Err(last.unwrap_or_else(|| unknown_authority(hint)))
    }

    /// `CheckSignatureFrom`.
    fn signed_by(&mut self, child: &Certificate, parent: &Certificate, key: &super::keys::Key) -> Result<(), String> {
        let may_sign = match parent.basic_constraints {
            Some(constraints) => constraints.ca,
            None => parent.version != 3,
        };
        if !may_sign || parent.restricted_usage {
            return Err("x509: invalid signature: parent certificate cannot sign this kind of certificate".to_owned());
        }
        match child.algorithm.check(&child.signed, &child.signature, key) {
            Check::Good => Ok(()),
            Check::Bad(error) => Err(error),
            Check::Unsure(because) => {
                self.unsure.push(because);
                if self.assume { Ok(()) } else { Err("unverified".to_owned()) }
            }
        }
    }
}

/// Same name, same key, same alternative names: cross-signed twins would else go round in circles.
fn already_in(candidate: &Certificate, chain: &[&Certificate]) -> bool {
    for certificate in chain {
        if certificate.raw_subject != candidate.raw_subject || certificate.public_key_info != candidate.public_key_info
        {
            continue;
        }
        match (&candidate.san, &certificate.san) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other => return true,
            (Some(_), Some(_)) => {}
            // Go looks no further here.
            _ => return false,
        }
    }
    false
}

/// `checkChainForKeyUsage`: a usage must be allowed by every certificate that restricts them, the root too.
fn usable(chain: &[&Certificate], usages: &[Usage]) -> bool {
    if usages.contains(&Usage::Any) {
        return true;
    }
    let mut wanted: Vec<Usage> = if usages.is_empty() { vec![Usage::ServerAuth] } else { usages.to_vec() };
    for certificate in chain.iter().rev() {
        let has = |usage: Usage| certificate.extended_usages.iter().any(|oid| oid == usage.oid());
        if !certificate.extended_usages.is_empty() && !has(Usage::Any) {
            wanted.retain(|usage| has(*usage));
        }
    }
    !wanted.is_empty()
}

/// `UnknownAuthorityError.Error`.
fn unknown_authority(hint: Option<(String, &Certificate)>) -> String {
    let text = "x509: certificate signed by unknown authority";
    let Some((error, candidate)) = hint else { return text.to_owned() };
    let subject = &candidate.subject;
    let name = if !subject.common_name.is_empty() {
        subject.common_name.clone()
    } else if let Some(organization) = subject.organizations.first() {
        organization.clone()
    } else {
        format!("serial:{}", candidate.serial_text())
    };
    format!(
        "{text} (possibly because of {} while trying to verify candidate authority certificate {})",
        quote(&error),
        quote(&name)
    )
}
