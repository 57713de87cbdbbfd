//! Times for people: how long ago, and how long still.

use jiff::{SignedDuration, Timestamp};

/// `12 min`, `3 h`, `2 d`: the largest unit that says enough.
pub fn duration(span: SignedDuration) -> String {
    let seconds = span.as_secs().unsigned_abs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        172_800..=63_071_999 => format!("{} d", seconds / 86_400),
        _ => format!("{} years", seconds / 31_536_000),
    }
}

/// `in 12 min` or `3 h ago`.
pub fn relative(now: Timestamp, then: Timestamp) -> String {
    let span = then.duration_since(now);
    if span.is_negative() { format!("{} ago", duration(span)) } else { format!("in {}", duration(span)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).expect("a time");
        assert_eq!(relative(now, at(720)), "in 12 min");
        assert_eq!(relative(now, at(-3 * 3600)), "3 h ago");
        assert_eq!(relative(now, at(0)), "in 0 s");
    }
}
