//! Certificate policies: they refuse a chain only where some certificate demands explicit ones.

use std::collections::HashSet;

use super::Certificate;

/// anyPolicy, 2.5.29.32.0.
pub(super) const ANY: &[u8] = &[0x55, 0x1d, 0x20, 0];

/// What a certificate says of policies.
#[derive(Debug, Clone, Default)]
pub(super) struct Policies {
    pub(super) list: Vec<Vec<u8>>,
    pub(super) maps: bool,
    pub(super) maps_any: bool,
    pub(super) require_explicit: Option<i64>,
    pub(super) inhibit_any: Option<i64>,
}

/// `policiesValid` of crypto/x509/verify.go, for a verifier that wants no policy of its own (as everybody's here).
///
/// Without mappings Go's graph comes down to the set of policies that hold from the root to here. With mappings it is
/// `None` where they would decide.
pub(super) fn valid(chain: &[&Certificate]) -> Option<bool> {
    let length = chain.len().saturating_sub(1);
    let start = length as i64 + 1;
    let (mut inhibit_any, mut explicit) = (start, start);
    let mut held: Option<HashSet<&[u8]>> = Some(HashSet::from([ANY]));
    let mut mapped = false;
    for (index, certificate) in chain[..length].iter().enumerate().rev() {
        let policies = &certificate.policies;
        let self_issued = certificate.raw_issuer == certificate.raw_subject;
        held = held.filter(|_| !policies.list.is_empty()).map(|above| {
            let listed: HashSet<&[u8]> = policies.list.iter().map(Vec::as_slice).collect();
            let mut next: HashSet<&[u8]> = listed
                .iter()
                .copied()
                .filter(|policy| *policy != ANY && (above.contains(policy) || above.contains(ANY)))
                .collect();
            if listed.contains(ANY) && (inhibit_any > 0 || index > 0 && self_issued) {
                next.extend(above);
            }
            next
        });
        if index == 0 {
            break;
        }
        if held.is_some() && policies.maps {
            if policies.maps_any {
                // Refused at once, unless mapping is inhibited above.
                return None;
            }
            mapped = true;
        }
        if !self_issued {
            explicit = (explicit - 1).max(0);
            inhibit_any = (inhibit_any - 1).max(0);
        }
        let lower = |current: i64, wanted: Option<i64>| {
            wanted.filter(|&wanted| wanted >= 0).map_or(current, |wanted| wanted.min(current))
        };
        explicit = lower(explicit, policies.require_explicit);
        inhibit_any = lower(inhibit_any, policies.inhibit_any);
    }
    explicit = (explicit - 1).max(0);
    if length > 0 && chain[0].policies.require_explicit == Some(0) {
        explicit = 0;
    }
    match held {
        _ if explicit > 0 => Some(true),
        Some(_) if mapped => None,
        Some(held) => Some(!held.is_empty()),
        None => Some(false),
    }
}
