//! This machine's clock is wrong.

use crate::apiserver::message::{self, heard};
use crate::aws::SIGNATURE_LEEWAY;
use crate::evidence::credential::TokenKind;
use crate::report::{Candidate, Citation, Confidence, Finding, Severity, Step, seen};
use crate::rules::api_port::fault;
use crate::rules::clock::{Skew, dated_by_clock, skew, span};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "client-clock-wrong",
    severity: Severity::Error,
    title: "This machine's clock is wrong",
    page: Page {
        means: "Certificates and tokens are judged by this machine's clock where this machine judges them: kubectl then calls a good certificate expired or not yet valid, \
            a credential plugin fetches a new token for every request or keeps a dead one, and a request signed for AWS is refused as too old.",
        evidence: "The Date header of the API server against this machine's clock. The certificate is valid by the server's time. Where the issuer's Date header agrees with the API server's, two clocks against one decide; \
            the time of a single server is likely right and may be wrong. Or AWS' own words to kaccess: Signature expired, Signature not yet current.",
        fix: "Set the clock by NTP (timedatectl set-ntp true; on a laptop or virtual machine after sleep, restart the time service). `timedatectl status` shows whether it is.",
        references: "https://www.rfc-editor.org/rfc/rfc9110#name-date",
    },
    recognises: &[&message::KUBECTL_X509_DATE, &message::IAM_CLOCK, &heard::X509_OTHER, &heard::CALL_FAILED],
    explains: &[
        "api-certificate-expired", "issuer-certificate-expired", "token-expired", "token-not-yet-valid", "exec-token-expired",
        "credential-rejected", "client-certificate-expired",
    ],
    check,
};

fn check(case: &Case<'_>) -> Vec<Finding> {
    use crate::evidence::tls::TlsFaultKind::{Expired, NotYetValid};
    if let (Some(skew), Some(shown)) = (dated_by_clock(case), fault(case, &[Expired, NotYetValid])) {
        let why = format!(
            "By this machine's clock {}. By the API server's it is {}, and the certificate is valid: the clocks are {} apart.",
            shown.fault.detail.trim_end_matches(" (or this machine's clock is slow)"),
            skew.date,
            span(skew.ahead)
        );
        return vec![finding(skew, why).cite(shown.cite())];
    }
    let skewed = skew(case).filter(|skew| !skew.is_servers()).and_then(|skew| Some((token(case, &skew)?, skew)));
    let Some(((why, cite), skew)) = skewed else { return by_aws(case).into_iter().collect() };
    let mut finding = finding(skew, why).cite(cite);
    if case.accepted() {
        finding.severity = Severity::Warning;
    } else {
        finding.cites.extend(case.rejected());
    }
    vec![finding]
}

/// AWS itself refused a request for the time in its signature: a third clock, and one that is right.
fn by_aws(case: &Case<'_>) -> Option<Finding> {
    let failure = case.evidence.aws.as_deref()?.caller.failed()?;
    let word = message::recognise(&failure.detail).into_iter().find(|word| word.text.name == message::IAM_CLOCK.name)?;
    let (signed, now) = (word.fields.get("signed")?, word.fields.get("now")?);
    // "... is now earlier than LIMIT (NOW - 15 min.)": the clock of AWS stands in the brackets.
    let clock = failure.detail.split_once(now.as_str()).and_then(|(_, rest)| rest.trim_start().strip_prefix('('));
    let clock = clock.and_then(|rest| aws_time(rest.split([' ', ')']).next()?));
    let compared = match (aws_time(signed), clock) {
        (Some(own), Some(theirs)) => {
            let ahead = own.as_second() - theirs.as_second();
            let way = if ahead < 0 { "behind" } else { "ahead of" };
            format!("{own}, and is {} {way} AWS, whose clock said {theirs}: AWS refuses that", span(ahead))
        }
        _ => format!("{signed}, and AWS, whose limit of that moment was {now}, refuses them"),
    };
    let mut finding = RULE.finding(
        Confidence::Certain,
        format!("This machine signs requests for AWS with its own time, {compared}. A token of `aws eks get-token` is such a request."),
        seen("/aws/caller/failed/detail", clip(&failure.detail, 240)),
        clock_step(),
    );
    if case.accepted() {
        finding.severity = Severity::Warning;
    }
    Some(finding)
}

/// A time as AWS writes it in signatures: `20261125T093500Z`.
fn aws_time(text: &str) -> Option<jiff::Timestamp> {
    let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn clock_step() -> Step {
    Step::command("Look at this machine's clock, and have it set by NTP", "timedatectl status; sudo timedatectl set-ntp true")
}

/// What the wrong clock makes of the token.
fn token(case: &Case<'_>, skew: &Skew) -> Option<(String, Citation)> {
    let kind = case.token()?.kind;
    if kind == TokenKind::EksIam {
        // A presigned request carries the time of the machine that signed it.
        return (skew.ahead.abs() > SIGNATURE_LEEWAY && case.rejected().is_some()).then(|| {
            (
                format!("The token is a request signed for AWS with this machine's time, which is {} off; AWS takes at most 5 minutes.", span(skew.ahead)),
                seen("/credential/seen/token/kind", "the token is a presigned AWS request"),
            )
        });
    }
    let now = case.evidence.observed_at;
    let differs = |limit: jiff::Timestamp| (limit <= now) != (limit <= skew.date);
    if let Some(end) = case.claim_time("exp").filter(|end| differs(*end)) {
        // Where the server's clock holds it valid, neither clock is why the server refuses it.
        if end <= now && case.rejected().is_some() {
            return None;
        }
        let looks = if end <= now { "expired" } else { "valid" };
        let is = if end <= now { "still valid" } else { "expired" };
        return Some((
            format!("To this machine the token looks {looks} (exp is {end}); by the API server's clock it is {is}. A plugin or program here that renews by its own clock is misled."),
            seen("/credential/seen/token/claims/exp", format!("exp: {end}")),
        ));
    }
    None
}

fn finding(skew: Skew, why: String) -> Finding {
    let certain = skew.is_local();
    let way = if skew.ahead > 0 { "ahead" } else { "behind" };
    let mut finding = RULE
        .finding(
            if certain { Confidence::Certain } else { Confidence::Likely },
            why,
            skew.cite.clone(),
            clock_step(),
        )
        .titled(format!("This machine's clock is {} {way}", span(skew.ahead)))
        .cite_if(skew.witness.map(|(_, cite)| cite));
    if !certain {
        finding.candidates = vec![Candidate {
            code: "api-server-clock-wrong",
            why: "Two clocks differ, and there was no third one to ask.".to_owned(),
            decided_by: Step::command("Compare this machine's clock with the true time", "date -u; curl -sI https://kubernetes.io | grep -i ^date"),
        }];
    }
    finding
}
