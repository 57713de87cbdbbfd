//! How long a certificate has yet to live, and when that is soon.

use jiff::Timestamp;

use crate::evidence::tls::CertificateFacts;

/// A day, in seconds.
pub const DAY: i64 = 24 * 60 * 60;

/// A certificate's end and the seconds until then, where that is near: at most so many days, and in the last quarter of
/// its life.
///
/// What renews certificates by itself does so when a third of their life is left (cert-manager, certbot): in the last
/// quarter it has not. And one that lives for a day is not near its end from its first hour on.
pub fn ends_soon(certificate: &CertificateFacts, now: Timestamp, days: i64) -> Option<(Timestamp, i64)> {
    let (begin, end) = (certificate.not_before?, certificate.not_after?);
    let left = end.as_second() - now.as_second();
    let life = end.as_second() - begin.as_second();
    (left > 0 && left <= days * DAY && left <= life / 4).then_some((end, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soon_is_near_the_end_of_the_whole_life() {
        let certificate = CertificateFacts {
            not_before: Timestamp::from_second(0).ok(),
            not_after: Timestamp::from_second(80 * DAY).ok(),
            ..CertificateFacts::default()
        };
        let left = |at: i64, days| {
            let now = Timestamp::from_second(at).expect("a time");
            ends_soon(&certificate, now, days).map(|(_, left)| left)
        };
        assert_eq!(left(80 * DAY - 1, 30), Some(1));
        assert_eq!((left(66 * DAY, 14), left(66 * DAY - 1, 14)), (Some(14 * DAY), None));
        // The quarter comes before the thirty days.
        assert_eq!((left(60 * DAY, 30), left(60 * DAY - 1, 30)), (Some(20 * DAY), None));
        assert_eq!((left(80 * DAY, 30), left(81 * DAY, 30)), (None, None));
    }
}
