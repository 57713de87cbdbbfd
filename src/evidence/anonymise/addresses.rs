//! Public addresses and ranges, moved into those set aside for documentation (RFC 5737, RFC 3849).
//!
//! What lies inside what stays so: the ranges are laid out anew, each as large as what it holds needs. Loopback, private,
//! link-local and unspecified ones name nobody and stay as they are, and with them every decision about their class.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range: the bits of its first address, aligned to the left of 128, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Range {
    four: bool,
    first: u128,
    length: u8,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let (four, bits, width) = match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(address) => (true, u128::from(u32::from(address)) << 96, 32),
            IpAddr::V6(address) => (false, u128::from(address), 128),
        };
        let length = length.unwrap_or(width);
        (length <= width).then_some(Self { four, first: bits & mask(length), length })
    }

    fn holds(&self, other: &Self) -> bool {
        self.four == other.four && self.length <= other.length && other.first & mask(self.length) == self.first
    }

    fn width(&self) -> u8 {
        if self.four { 32 } else { 128 }
    }
}

fn mask(length: u8) -> u128 {
    if length == 0 { 0 } else { u128::MAX << (128 - u32::from(length)) }
}

/// Whether an address tells where somebody is. Ranges for documentation count: nothing else tells them from real ones.
fn tells(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.segments()[0] & 0xe000 == 0x2000,
    }
}

/// The stand-ins of all public addresses and ranges among these texts.
pub(super) fn stand_ins(texts: impl Iterator<Item = String>) -> BTreeMap<String, String> {
    let mut texts: Vec<(Range, String)> = texts
        .filter_map(|text| {
            let address = text.split('/').next()?.parse().ok()?;
            let range = Range::parse(&text)?;
            (tells(address) && range.length > 7).then_some((range, text))
        })
        .collect();
    texts.sort();
    texts.dedup();
    let mut ranges: Vec<Range> = texts.iter().map(|(range, _)| *range).collect();
    ranges.dedup();
    // Sorted by first address and then by length, so each range stands before what it holds.
    let mut placed = BTreeMap::new();
    let v4 = [(203, 0, 113), (198, 51, 100), (192, 0, 2)].map(|(a, b, c)| (u32::from(Ipv4Addr::new(a, b, c, 0)), 24));
    // Where those are full: what benchmarks use (RFC 2544).
    let v4 = v4.into_iter().chain([(u32::from(Ipv4Addr::new(198, 18, 0, 0)), 15)]);
    let mut pools: Vec<Range> =
        v4.map(|(first, length)| Range { four: true, first: u128::from(first) << 96, length }).collect();
    pools.push(Range { four: false, first: u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)), length: 32 });
    for four in [true, false] {
        let own: Vec<Range> = ranges.iter().copied().filter(|range| range.four == four).collect();
        let mut free = pools.iter().filter(|pool| pool.four == four).copied();
        let Some(mut pool) = free.next() else { continue };
        let mut next = pool.first;
        for (top, inside) in groups(&own) {
            let length = needed(top, &inside);
            let mut at = align(next, length);
            while !pool.holds(&Range { four, first: at, length }) {
                match free.next() {
                    Some(other) => {
                        pool = other;
                        at = align(pool.first, length);
                    }
                    // More than 130,000 addresses: the rest share one.
                    None => break,
                }
            }
            place(top, &inside, at, length, &mut placed);
            next = at.wrapping_add(1u128 << (128 - u32::from(length)));
        }
    }
    texts
        .into_iter()
        .filter_map(|(range, text)| {
            let (first, length) = placed.get(&range)?;
            let address = if range.four {
                IpAddr::V4(Ipv4Addr::from(u32::try_from(first >> 96).unwrap_or_default()))
            } else {
                IpAddr::V6(Ipv6Addr::from(*first))
            };
            let new = if text.contains('/') { format!("{address}/{length}") } else { address.to_string() };
            Some((text, new))
        })
        .collect()
}

/// The outermost ranges, each with what it holds.
fn groups(sorted: &[Range]) -> Vec<(Range, Vec<Range>)> {
    let mut tops: Vec<(Range, Vec<Range>)> = Vec::new();
    for range in sorted {
        match tops.last_mut() {
            Some((top, inside)) if top.holds(range) => inside.push(*range),
            _ => tops.push((*range, Vec::new())),
        }
    }
    tops
}

/// The length of a range that holds all this, and its own first and last address.
fn needed(top: Range, inside: &[Range]) -> u8 {
    if top.length == top.width() {
        return top.width();
    }
    let mut size: u128 = 2;
    for (inner, deeper) in groups(inside) {
        let own = 1u128 << (top.width() - needed(inner, &deeper)).min(120);
        // Aligned, so at most as much again is lost before it.
        size = size.div_ceil(own).saturating_mul(own).saturating_add(own);
    }
    let bits = u8::try_from(128 - (size - 1).leading_zeros()).unwrap_or(1);
    // Never narrower than it was, so that nothing becomes a single address.
    top.width().saturating_sub(bits.max(1)).max(top.length)
}

fn align(at: u128, length: u8) -> u128 {
    let below = !mask(length);
    if at & below == 0 { at } else { (at & !below).wrapping_add(below).wrapping_add(1) }
}

fn place(top: Range, inside: &[Range], at: u128, length: u8, placed: &mut BTreeMap<Range, (u128, u8)>) {
    placed.insert(top, (at, length));
    if length == top.length {
        // As large as it was: everything keeps its place.
        for inner in inside {
            placed.insert(*inner, (at + (inner.first - top.first), inner.length));
        }
        return;
    }
    let unit = 1u128 << (128 - u32::from(top.width()));
    let mut next = at.wrapping_add(unit);
    for (inner, deeper) in groups(inside) {
        let length = needed(inner, &deeper);
        let own = align(next, length);
        place(inner, &deeper, own, length, placed);
        next = own.wrapping_add(1u128 << (128 - u32::from(length)).min(127));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(texts: &[&str]) -> BTreeMap<String, String> {
        stand_ins(texts.iter().map(|text| (*text).to_owned()))
    }

    #[test]
    fn what_lies_inside_what_stays_so() {
        let texts = [
            "52.94.0.0/16",
            "52.94.8.0/24",
            "52.94.8.9",
            "52.94.8.9/32",
            "52.94.200.1",
            "8.8.8.8",
            "81.2.0.0/15",
            "81.3.4.5",
            "2a02:1234::/32",
            "2a02:1234:5::1",
            "2a02:9999::1",
        ];
        let map = moved(&texts);
        assert_eq!(map.len(), texts.len());
        for one in texts {
            for other in texts {
                let (old, new) = (Range::parse(one), Range::parse(other));
                let holds = old.expect("a range").holds(&new.expect("a range"));
                let stand_in = |text: &str| Range::parse(&map[text]).expect("a range");
                assert_eq!(stand_in(one).holds(&stand_in(other)), holds, "{one} and {other}: {map:?}");
            }
            assert!(map[one].starts_with("203.0.113.") || map[one].starts_with("2001:db8:"), "{one}: {}", map[one]);
        }
    }

    #[test]
    fn what_names_nobody_stays() {
        for text in [
            "127.0.0.1",
            "10.1.2.3/8",
            "192.168.0.0/16",
            "169.254.1.1",
            "100.64.0.0/10",
            "0.0.0.0/0",
            "::/0",
            "fd00::1",
            "fe80::1",
            "::1",
        ] {
            assert!(moved(&[text]).is_empty(), "{text}");
        }
    }

    #[test]
    fn many_addresses_stay_apart() {
        let texts: Vec<String> = (0..2_000).map(|n| format!("54.{}.{}.7", n / 200, n % 200)).collect();
        let map = stand_ins(texts.iter().cloned());
        let mut new: Vec<&String> = map.values().collect();
        new.sort();
        new.dedup();
        assert_eq!(new.len(), texts.len());
    }
}
