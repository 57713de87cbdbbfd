//! The cluster's issuer, whose two documents STS reads.

use super::super::Judgement;
use super::super::seen::unseen;
use crate::aws::addresses::url_host;
use crate::aws::link_id;
use crate::evidence::Outcome;

impl Judgement<'_> {
    /// Whether STS could read the issuer, as far as that can be seen from here.
    pub(super) fn issuer_link(&mut self) {
        let reading = &self.workload.issuer_reading;
        let Some((issuer, _)) = self.issuer() else { return };
        // EKS's own issuers are AWS's affair; what can be read from here says nothing of STS.
        let amazon = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
        if url_host(issuer).is_some_and(|host| amazon.iter().any(|end| host.ends_with(end))) {
            return;
        }
        let expected = format!("{issuer} serves its discovery document to everybody");
        match &reading.outcome {
            Outcome::Seen(read) if read.status == 200 && read.issuer.as_deref() == Some(issuer) => {
                self.push(
                    link_id::IRSA_ISSUER,
                    true,
                    expected,
                    "it is served, with status 200",
                    "/workload/issuerReading/seen",
                );
            }
            Outcome::Seen(read) => {
                let seen = match &read.issuer {
                    Some(other) if read.status == 200 => format!("its document names the issuer {other}"),
                    _ => format!("HTTP {} at {}", read.status, read.url),
                };
                self.push(link_id::IRSA_ISSUER, false, expected, seen, "/workload/issuerReading/seen");
            }
            Outcome::Failed(failure) if failure.needs.is_none() => {
                self.push(
                    link_id::IRSA_ISSUER,
                    false,
                    expected,
                    failure.detail.clone(),
                    "/workload/issuerReading/failed",
                );
            }
            _ => {
                let why = unseen(reading);
                self.unknown(link_id::IRSA_ISSUER, expected, why, "/workload/issuerReading");
            }
        }
    }
}
