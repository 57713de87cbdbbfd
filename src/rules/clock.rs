//! The API server's clock beside this machine's and the issuer's, and lengths of time as people say them.

use jiff::Timestamp;

use super::Case;
use super::api_port::fault;
use crate::evidence::apiserver::HttpAnswer;
use crate::evidence::tls::TlsFaultKind;
use crate::report::{Citation, probed};

/// How far clocks may be apart before it matters, in seconds.
pub const APART: i64 = 60;

/// The API server's clock beside this machine's.
#[derive(Debug, Clone)]
pub struct Skew {
    /// The API server's time by its Date header.
    pub date: Timestamp,
    /// How far this machine's clock is ahead of it, in seconds.
    pub ahead: i64,
    /// The citation of it.
    pub cite: Citation,
    /// The same against the issuer's clock, with its citation.
    pub witness: Option<(i64, Citation)>,
}

impl Skew {
    /// The issuer's clock agrees with the API server's: it is this machine's that is off.
    pub fn is_local(&self) -> bool {
        self.witness.as_ref().is_some_and(|(ahead, _)| (ahead - self.ahead).abs() <= APART)
    }

    /// The issuer's clock agrees with this machine's: it is the API server's that is off.
    pub fn is_servers(&self) -> bool {
        self.witness.as_ref().is_some_and(|(ahead, _)| ahead.abs() <= APART)
    }
}

/// The difference of the clocks, where it is more than [`APART`].
pub fn skew(case: &Case<'_>) -> Option<Skew> {
    let skew = clocks(case)?;
    (skew.ahead.abs() > APART).then_some(skew)
}

/// Both clocks, where the API server told its own.
pub fn clocks(case: &Case<'_>) -> Option<Skew> {
    let ahead = |answer: &HttpAnswer| Some((answer.date?, answer.received_at?.as_second() - answer.date?.as_second()));
    let words = |whose: &str, ahead: i64| {
        // A header tells whole seconds, and an answer takes its time.
        if ahead.abs() <= 3 {
            return format!("this machine's clock agrees with {whose}");
        }
        let way = if ahead < 0 { "behind" } else { "ahead of" };
        format!("this machine's clock is {} {way} {whose}", span(ahead))
    };
    let endpoint = &case.evidence.endpoint;
    let ((date, own), path) = [(&endpoint.anonymous, "anonymous"), (&endpoint.authenticated, "authenticated")]
        .into_iter()
        .find_map(|(answer, name)| Some((ahead(answer.seen()?)?, name)))?;
    let (probes, at) = case.issuer();
    let witness = [(&probes.discovery, "discovery"), (&probes.discovery_as_control_plane, "discoveryAsControlPlane")]
        .into_iter()
        .find_map(|(discovery, name)| {
            let (_, other) = ahead(&discovery.seen()?.answer)?;
            let path = format!("{at}/{name}/seen/answer/date");
            Some((other, probed(path, words("the issuer's Date header", other))))
        });
    let cite = probed(format!("/endpoint/{path}/seen/date"), words("the API server's Date header", own));
    Some(Skew { date, ahead: own, cite, witness })
}

/// A length of time as people say it.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.abs();
    match seconds {
        0..=180 => format!("{seconds} s"),
        181..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How long something took, as people say it: `640 ms`, `5 s`, `19 s`, `4 min`.
pub fn waited(ms: u64) -> String {
    if ms < 1000 {
        return format!("{ms} ms");
    }
    span(i64::try_from(ms.saturating_add(500) / 1000).unwrap_or(i64::MAX))
}

/// The certificate is out of date by this machine's clock alone: by the API server's own it is valid, and the clocks
/// are apart.
pub fn dated_by_clock(case: &Case<'_>) -> Option<Skew> {
    let shown = fault(case, &[TlsFaultKind::Expired, TlsFaultKind::NotYetValid])?;
    let skew = skew(case).filter(|skew| !skew.is_servers())?;
    let valid = shown.report.chain.iter().all(|certificate| {
        certificate.not_before.is_none_or(|from| from <= skew.date)
            && certificate.not_after.is_none_or(|to| skew.date <= to)
    });
    // The roots' dates are not in the chain; where they are the trouble, the chain itself is valid now.
    let now = case.evidence.observed_at;
    let chain_is_it = shown.report.chain.iter().any(|certificate| {
        certificate.not_before.is_some_and(|from| now < from) || certificate.not_after.is_some_and(|to| to < now)
    });
    (valid && chain_is_it).then_some(skew)
}
