//! The API server's own words, and whether they are about the credential in hand: a log tells of everybody's requests,
//! of every issuer and of the past.

mod family;
mod fit;
mod rival;
mod speaker;
mod state;

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use self::family::{BEFORE_KEYS, COMMON, INITIALISING, JUDGING, OF_ACCOUNT, OF_ISSUER, OF_KEYS, OF_PROXY, OF_WEBHOOKS};
use self::fit::{fits, judges_so};
use self::rival::{Rival, kind, met_here, refuted_here};
use self::state::State;
use super::clip;
use crate::apiserver::configuration::{Configuration, JwtAuthenticator, issuer_meant};
use crate::apiserver::message::{self, Text, names};
use crate::evidence::credential::{CredentialSource, TokenFacts, TokenKind};
use crate::evidence::{Evidence, Issuer};
use crate::report::{Citation, Confidence, inferred, seen};

/// Where a text of the API server was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The server's TokenReview of this very token.
    TokenReview,
    /// The API server's or the authenticator's log, which tells of everybody's requests.
    Log,
    /// The message the user met (`--error`), which may be about somebody else.
    Met,
    /// Nowhere: the model predicts it from the server's configuration.
    Model,
}

/// A text of the API server with the place it was read.
#[derive(Debug, Clone)]
pub struct Word {
    /// Which text.
    pub text: &'static Text,
    /// Its fields.
    pub fields: BTreeMap<String, String>,
    /// JSON pointer to it.
    pub path: String,
    /// The line as it stands in the evidence.
    pub line: String,
    /// Where it was read.
    pub place: Place,
    /// It may be about another issuer, somebody else, or another time.
    pub doubtful: bool,
    /// Something else speaks against its being about this issuer.
    pub contradicted: bool,
    /// When the log said it last.
    pub last: Option<Timestamp>,
    /// The latest moment at which that can have been: a log's stamps have no zone.
    written: Option<Timestamp>,
    /// The log goes on for minutes without such a line.
    pub past: bool,
    /// A newer line of the same log may be about the same, and says something else.
    pub outdated: bool,
    /// In a log: the number of its last line.
    pub line_number: u64,
    /// In a log: how many such lines.
    count: u64,
    /// In a log: what it says is true of this token, or was met at its issuer from here.
    fitting: bool,
}

impl Word {
    /// A text of now that nothing speaks against.
    pub fn new(
        text: &'static Text,
        fields: BTreeMap<String, String>,
        path: impl Into<String>,
        line: impl Into<String>,
        place: Place,
    ) -> Self {
        Self {
            text,
            fields,
            path: path.into(),
            line: line.into(),
            place,
            doubtful: false,
            contradicted: false,
            last: None,
            written: None,
            past: false,
            outdated: false,
            line_number: 0,
            count: 1,
            fitting: false,
        }
    }

    /// The citation of this text.
    pub fn cite(&self) -> Citation {
        let text = |place: &str| format!("{place}: {}", clip(&self.line, 240));
        match self.place {
            Place::TokenReview => seen(&self.path, text("TokenReview says")),
            Place::Log => seen(&self.path, text("the API server's log says")),
            Place::Met => seen(&self.path, text("the message you met says")),
            Place::Model => inferred(&self.path, text("predicted from the server's configuration")),
        }
    }

    /// How sure this word makes a finding about the credential in hand: a TokenReview is about this very token, a log or
    /// a message only where what it says fits it (`fits`), and a prediction never decides.
    pub fn confidence(&self, fits: bool) -> Confidence {
        if self.contradicted || self.past || self.outdated {
            Confidence::Possible
        } else if self.place == Place::TokenReview || (fits && self.place != Place::Model && !self.doubtful) {
            Confidence::Certain
        } else {
            Confidence::Likely
        }
    }

    /// How sure it makes a finding about the issuer or the server's configuration.
    pub fn sure(&self) -> Confidence {
        match (self.contradicted, self.doubtful) {
            (true, _) => Confidence::Possible,
            (false, true) => Confidence::Likely,
            (false, false) => Confidence::Certain,
        }
    }

    /// It proves that the control plane found the issuer's address and got an answer from there.
    pub fn connected(&self) -> bool {
        let answered = [
            &message::OIDC_INIT_HTTP,
            &message::OIDC_INIT_X509,
            &message::OIDC_ISSUER_DIFFERS,
            &message::OIDC_DISCOVERY_NOT_JSON,
            &message::JWKS_URI_MISSING,
        ];
        let sure = !self.doubtful && !self.contradicted;
        sure && (answered.contains(&self.text) || *self.text == message::OIDC_INIT_CLOSED && self.answered())
    }

    /// The error of a broken attempt is one that came from the other side.
    pub fn answered(&self) -> bool {
        ["remote error: tls: ", "stopped after ", "http: server gave HTTP response", "tls: "]
            .iter()
            .any(|start| self.field("error").starts_with(start))
    }

    /// An authenticator that has read its issuer's document and keys says it of a token.
    pub fn judged(&self) -> bool {
        let before = [
            &message::OIDC_NOT_INITIALIZED,
            &message::JWKS_HTTP,
            &message::JWKS_UNREACHABLE,
            &message::JWKS_UNPARSABLE,
        ];
        JUDGING.contains(&self.text) && !before.contains(&self.text)
    }

    /// An authenticator that has not come up says it, or why it does not.
    pub fn not_up(&self) -> bool {
        INITIALISING.contains(&self.text) || *self.text == message::OIDC_NOT_INITIALIZED
    }

    /// A field, or empty.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// Every word that a TokenReview, the message the user met and the logs hold.
pub fn collect(evidence: &Evidence) -> Vec<Word> {
    let mut words = Vec::new();
    let mut add = |line: &str, path: &str, place: Place| {
        let found = message::recognise(line).into_iter();
        let found = found.map(|found| Word::new(found.text, found.fields, path, line, place));
        words.extend(found.filter_map(speaker::told));
    };
    if let Some(error) = evidence.control_plane.token_review.seen().and_then(|review| review.error.as_deref()) {
        add(error, "/controlPlane/tokenReview/seen/error", Place::TokenReview);
    }
    if let Some(error) = evidence.asked.error.as_deref() {
        add(error, "/asked/error", Place::Met);
    }
    let aws = evidence.aws.as_deref();
    let logs = [
        (evidence.control_plane.log.seen(), "/controlPlane/log"),
        (evidence.control_plane.pod_log.seen(), "/controlPlane/podLog"),
        (aws.and_then(|aws| aws.api_log.seen()), "/aws/apiLog"),
        (aws.and_then(|aws| aws.authenticator_log.seen()), "/aws/authenticatorLog"),
    ];
    for (log, at) in logs {
        let Some(log) = log else { continue };
        // CloudWatch gives matching lines only, up to the moment of asking, and minutes late.
        let (end, over) = match at {
            "/aws/apiLog" => (Some(evidence.observed_at), 3 * OVER),
            _ => (log.last_seen.as_deref().and_then(|stamp| moment(stamp, evidence.observed_at)), OVER),
        };
        for (index, found) in log.matches.iter().enumerate() {
            let mut texts = message::TEXTS.iter().copied().chain(std::iter::once(&message::WEBHOOK_WORDS));
            let Some(text) = texts.find(|text| text.name == found.text) else { continue };
            let last = found.last_seen.as_deref().and_then(|stamp| moment(stamp, evidence.observed_at));
            // An authenticator that cannot initialise says so every 10 s: where the log goes on without it, it has.
            let over = matches!((last, end), (Some(last), Some(end)) if end.duration_since(last).as_secs() > over);
            if over && INITIALISING.contains(&text) {
                continue;
            }
            let past = matches!((last, end), (Some(last), Some(end)) if end.duration_since(last).as_secs() > PAST);
            let of_now = [JUDGING.as_slice(), &OF_PROXY, &OF_WEBHOOKS].iter().any(|family| family.contains(&text));
            let old = last.is_some_and(|last| evidence.observed_at.duration_since(last).as_secs() > OLD);
            let path = format!("{at}/seen/matches/{index}");
            words.push(Word {
                doubtful: old && INITIALISING.contains(&text),
                last,
                written: last.and_then(|last| latest(last, end.unwrap_or(last), evidence.observed_at)),
                past: (past || old) && of_now && !at.starts_with("/aws/"),
                line_number: found.last_line_number,
                count: found.count.max(1),
                ..Word::new(text, found.fields.clone(), path, &found.line, Place::Log)
            });
        }
    }
    words
}

/// After how many seconds of other lines an authenticator that said nothing more has initialised.
const OVER: i64 = 120;

/// After how many seconds of other lines a line is not about what is asked now.
const PAST: i64 = 300;

/// From how many seconds on a line is not of today, whatever zone its server's clock has.
const OLD: i64 = 36 * 3600;

/// An authenticator that does not come up says so again after so many seconds.
const RETRY: i64 = 10;

/// So many seconds an issuer's clock may be ahead of the API server's.
const SKEW: i64 = 60;

/// Lines that are no further apart, in seconds, may be of two authenticators, or of one that meets both.
const BESIDE: i64 = 30;

/// klog's time stamp, which has neither year nor zone, near a moment.
fn moment(stamp: &str, near: Timestamp) -> Option<Timestamp> {
    let near = near.to_zoned(TimeZone::UTC);
    let this_year = |year: i16| {
        let civil: DateTime = format!("{year:04}-{}", stamp.replace(' ', "T")).parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok()
    };
    let found = this_year(near.year())?;
    // December's log is read in January.
    let found =
        if found > near.checked_add(jiff::Span::new().days(2)).ok()? { this_year(near.year() - 1)? } else { found };
    Some(found.timestamp())
}

/// The latest moment that a stamp may mean, which is read as one of UTC: a log that ended hours before it was read may be
/// of a server in a zone west of it.
fn latest(stamp: Timestamp, end: Timestamp, read: Timestamp) -> Option<Timestamp> {
    let west = read.duration_since(end).as_secs().clamp(0, 12 * 3600);
    stamp.checked_add(SignedDuration::from_secs(west - west % 1800)).ok()
}

/// Keeps what may be about the credential in hand, and marks what may as well be about another issuer.
pub fn retain(words: &mut Vec<Word>, evidence: &Evidence, configuration: Option<&Configuration>) {
    if let Some(credential) = evidence.credential.seen() {
        let scene = Scene::new(words, evidence, configuration, credential.token.as_ref());
        words.retain_mut(|word| scene.keeps(word));
    } else {
        // Whose token is meant is not known: only where there is one issuer do such lines surely tell of it.
        let sole = configuration.is_some_and(|configuration| configuration.jwt_known && configuration.jwt.len() == 1);
        let lines = words.iter_mut().filter(|word| word.place == Place::Log && INITIALISING.contains(&word.text));
        lines.for_each(|word| word.doubtful |= !sole);
    }
    outdate(words);
}

/// Whose words are wanted, and what else may have been meant by them.
struct Scene<'a> {
    /// The token in hand, where the credential is one.
    token: Option<&'a TokenFacts>,
    /// When it was issued: a line of before is about another one.
    issued: Option<Timestamp>,
    /// A plugin made it for this run: earlier ones had other times.
    made: bool,
    /// The issuer that it names.
    issuer: Option<&'a str>,
    /// The authenticators of the server, where any is known.
    configured: Option<&'a [JwtAuthenticator]>,
    /// All authenticators of the server are known.
    complete: bool,
    /// The one that judges this token, where all of them are known.
    own: Option<&'a JwtAuthenticator>,
    /// What kaccess met itself at the issuer that the server asks.
    probes: &'a Issuer,
    /// What the server's TokenReview of this very token gave as its reason.
    reviewed: Option<&'a str>,
    /// That reason is an authenticator which is not up.
    uninitialised: bool,
    /// A changed configuration was not taken over, by the log.
    unloaded: bool,
    /// Several issuers are in play: the configuration or the log says so.
    several: bool,
    /// The server has this issuer and no other one.
    only: bool,
    /// What the log says of authenticators that do not come up, as far as it may be about this one.
    rivals: Vec<Rival>,
    /// When the log last told that a token like this one was judged: whoever does that has read the issuer's document.
    judged: Option<Timestamp>,
    /// What the log tells of this issuer's authenticator, by the lines that can be no other one's.
    state: State,
}

impl<'a> Scene<'a> {
    fn new(
        words: &[Word],
        evidence: &'a Evidence,
        configuration: Option<&'a Configuration>,
        token: Option<&'a TokenFacts>,
    ) -> Self {
        let issuer = token.and_then(|token| token.claims.as_ref()?.get("iss")?.as_str()).map(issuer_meant);
        let reviewed = evidence.control_plane.token_review.seen().and_then(|review| review.error.as_deref());
        let known = configuration.filter(|configuration| configuration.jwt_known);
        let of_issuers = |token: &&TokenFacts| matches!(token.kind, TokenKind::Jwt | TokenKind::ServiceAccount);
        // A plugin may have made it for this very run: what was met before was met with another one like it.
        let made = evidence.credential.seen().is_some_and(|credential| credential.source == CredentialSource::Exec);
        let issued = token.filter(|_| !made).filter(of_issuers).and_then(|token| token.time("iat"));
        let mut scene = Self {
            token,
            // A time to come is of a clock that is wrong.
            issued: issued.filter(|issued| *issued <= evidence.observed_at),
            made,
            issuer,
            configured: configuration.map(|configuration| configuration.jwt.as_slice()).filter(|jwt| !jwt.is_empty()),
            complete: known.is_some(),
            own: known.zip(issuer).and_then(|(configuration, issuer)| configuration.authenticator_of(issuer)),
            probes: evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer),
            reviewed,
            uninitialised: reviewed.is_some_and(|error| says(error, &message::OIDC_NOT_INITIALIZED)),
            unloaded: words.iter().any(|word| *word.text == message::CONFIG_NOT_RELOADED && word.place == Place::Log),
            several: false,
            only: false,
            rivals: Vec::new(),
            judged: None,
            state: State::default(),
        };
        let logged = || words.iter().filter(|word| word.place == Place::Log);
        scene.several = scene.configured.is_some_and(|all| all.len() > 1)
            || logged().any(|word| scene.about_ours(word) == Some(false));
        scene.only = scene.configured.is_some_and(|all| all.len() == 1 && scene.is_issuer(&all[0].issuer.url));
        scene.rivals = logged()
            .filter(|word| INITIALISING.contains(&word.text))
            .filter_map(|word| {
                let ours = scene.about_ours(word);
                (ours != Some(false)).then(|| Rival {
                    kind: kind(word),
                    ours: ours == Some(true),
                    met_here: met_here(word, scene.probes),
                    last: word.last,
                })
            })
            .collect();
        scene.judged = logged()
            .filter(|word| JUDGING.contains(&word.text) && *word.text != message::OIDC_NOT_INITIALIZED)
            .filter(|word| token.and_then(|token| fits(word, token)).unwrap_or(scene.only))
            .filter_map(|word| word.last)
            .max();
        scene.state = State::new(&scene, words, evidence);
        scene
    }

    /// The URL is the token's issuer; a slash at the end makes no other one here.
    fn is_issuer(&self, url: &str) -> bool {
        self.issuer.is_some_and(|issuer| issuer.trim_end_matches('/') == url.trim_end_matches('/'))
    }

    /// The URL is one that discovery is read from instead of below the issuer's.
    fn is_discovery(&self, url: &str) -> bool {
        let mut all = self.configured.into_iter().flatten();
        all.any(|jwt| self.is_issuer(&jwt.issuer.url) && jwt.issuer.discovery_url.as_deref() == Some(url))
    }

    /// The line names this issuer, or another one; nothing where it names none.
    fn about_ours(&self, word: &Word) -> Option<bool> {
        self.issuer?;
        let url = word.field("url");
        if *word.text == message::JWKS_UNREACHABLE {
            // The document may send the control plane elsewhere than this machine.
            return state::is_key_set(url, self.probes).then_some(true);
        }
        if *word.text == message::OIDC_ISSUER_DIFFERS {
            return Some(self.is_issuer(word.field("expected")) || self.is_issuer(word.field("got")));
        }
        if url.is_empty() || !INITIALISING.contains(&word.text) {
            return None;
        }
        let ours = self.is_issuer(url.trim_end_matches("/.well-known/openid-configuration")) || self.is_discovery(url);
        // The URL is where the last redirect led.
        if !ours && word.field("error").starts_with("stopped after ") {
            return None;
        }
        Some(ours)
    }

    /// Whether the word may be about the credential; marks the one that may as well be about another.
    fn keeps(&self, word: &mut Word) -> bool {
        let of_issuer = INITIALISING.contains(&word.text);
        if word.place == Place::Log && self.precedes(word) && !self.keeps_of_before(word) {
            return false;
        }
        if word.place == Place::TokenReview || !(of_issuer || JUDGING.contains(&word.text)) {
            return true;
        }
        if word.place == Place::Log && !self.keeps_of_log(word) || word.place == Place::Met && self.refutes(word) {
            return false;
        }
        if of_issuer {
            let unknown = self.configured.is_some_and(|all| !all.iter().any(|jwt| self.is_issuer(&jwt.issuer.url)));
            let reviewed_otherwise = self.reviewed.is_some() && !self.uninitialised;
            // An issuer that a changed file brings is asked before the file is taken over: until it answers, nobody takes
            // its tokens.
            let nobody = self.reviewed.is_none_or(|error| says(error, &message::NOBODY_CLAIMED));
            if self.unloaded && nobody && word.place == Place::Log && self.about_ours(word) == Some(true) {
                return true;
            }
            return !(reviewed_otherwise || word.place == Place::Log && unknown);
        }
        // The TokenReview of this very token would say it too.
        self.reviewed.is_none_or(|error| says(error, word.text))
    }

    /// What the message says was said of another token, or of another issuer.
    fn refutes(&self, word: &Word) -> bool {
        let Some(token) = self.token else { return false };
        // Nobody asks an issuer about an opaque token or one of AWS.
        let of_issuers = matches!(token.kind, TokenKind::Jwt | TokenKind::ServiceAccount);
        let timed = self.made && ties(word);
        !of_issuers || self.about_ours(word) == Some(false) || !timed && fits(word, token) == Some(false)
    }

    /// The line was written before the token was issued.
    fn precedes(&self, word: &Word) -> bool {
        matches!((self.issued, word.written), (Some(issued), Some(written)) if issued.duration_since(written).as_secs() > SKEW)
    }

    /// A line of before the token says nothing of it: only what it tells of the issuer may hold still, and what it tells
    /// of claims that this one has too may be said again.
    fn keeps_of_before(&self, word: &mut Word) -> bool {
        if OF_ISSUER.contains(&word.text) {
            word.doubtful = true;
        } else if OF_ACCOUNT.contains(&word.text) {
            return false;
        } else if JUDGING.contains(&word.text) {
            if self.token.and_then(|token| fits(word, token)) != Some(true) {
                return false;
            }
            word.past |= !ties(word);
        }
        true
    }

    /// A log tells of everybody's tokens, of every issuer and of the past.
    fn keeps_of_log(&self, word: &mut Word) -> bool {
        // Nobody asks an issuer about a certificate, an opaque token or one of AWS.
        let of_issuers = |token: &&TokenFacts| matches!(token.kind, TokenKind::Jwt | TokenKind::ServiceAccount);
        let Some(token) = self.token.filter(of_issuers) else { return false };
        let (fits, ours) = (fits(word, token), self.about_ours(word));
        if fits == Some(false) || ours == Some(false) {
            return false;
        }
        // A service account's token is mostly the cluster's own.
        let said = fits == Some(true) && !matches!(word.text.name, names::CLAIM_RULE | names::CLAIM_MAPPING);
        if token.kind == TokenKind::ServiceAccount && !said && ours != Some(true) {
            return false;
        }
        word.doubtful |= self.several && ours.is_none() && fits.is_none();
        if INITIALISING.contains(&word.text) && !self.keeps_of_issuer(word, ours) {
            return false;
        }
        if JUDGING.contains(&word.text) {
            if self.own.is_some_and(|own| !judges_so(word, own, token)) {
                return false;
            }
            // No authenticator of the server takes this token: each that spoke did so of another one.
            if self.foreign() {
                return false;
            }
            // Tokens of another issuer, and other people's, lack or hold the same.
            word.doubtful |= self.own.is_none() && COMMON.contains(&word.text);
            word.fitting = fits == Some(true) || self.state.met(word);
            if !word.fitting && !self.keeps_unfitted(word) {
                return false;
            }
        }
        true
    }

    /// A log's line about an authenticator that does not come up, which names this issuer or none.
    fn keeps_of_issuer(&self, word: &mut Word, ours: Option<bool>) -> bool {
        if !self.uninitialised {
            let over = matches!((self.judged, word.last), (Some(judged), Some(last)) if judged.duration_since(last).as_secs() > RETRY);
            if over && !self.several {
                return false;
            }
            word.doubtful |= over;
        }
        if ours.is_some() {
            return true;
        }
        // A line without a URL is some authenticator's: this one's only where nothing else fits it better.
        let (own, here) = (kind(word), met_here(word, self.probes));
        let named = self.rivals.iter().any(|rival| {
            let before = matches!((rival.last, word.last), (Some(rival), Some(last)) if last.duration_since(rival).as_secs() > BESIDE);
            rival.kind != own && !before && (rival.ours || rival.met_here)
        });
        let alone = self.rivals.iter().all(|rival| rival.kind == own);
        if named && !here {
            if !self.only {
                return false;
            }
            word.doubtful = true;
        } else if !here && !self.uninitialised && !self.only && self.state.up {
            // Whoever has judged tokens of this issuer has its document.
            if self.several {
                return false;
            }
            word.doubtful = true;
            word.contradicted = true;
        } else if here || self.uninitialised && alone {
            word.doubtful = (self.several && !self.uninitialised) || word.doubtful && !self.several;
        } else if self.several {
            word.contradicted = true;
        } else if refuted_here(word, self.probes, self.only) {
            word.doubtful = true;
            word.contradicted = !self.only;
        } else {
            word.doubtful |= !self.only;
        }
        true
    }
}

/// By its configuration the server refuses this token before it looks at any key: a log's line on keys was said of another.
pub fn refute(words: &mut [Word], predicted: &Word) {
    // Of several audiences it looks for one after the signature.
    let late = *predicted.text == message::AUDIENCE && predicted.field("expected").starts_with('[');
    if late || !BEFORE_KEYS.contains(&predicted.text) {
        return;
    }
    for word in words.iter_mut().filter(|word| word.place == Place::Log && OF_KEYS.contains(&word.text)) {
        word.contradicted = true;
    }
}

/// An error of the server says this.
fn says(error: &str, text: &Text) -> bool {
    message::recognise(error).iter().any(|found| found.text == text)
}

/// Of lines of one log that may all be about this credential, only the newest says what holds now; one that is known to fit
/// it is not put aside by one that may be anybody's.
fn outdate(words: &mut [Word]) {
    let log = |word: &Word| word.path.split("/seen/").next().unwrap_or_default().to_owned();
    for family in [JUDGING.as_slice(), &OF_PROXY] {
        let all: Vec<(String, u64, bool)> = words
            .iter()
            .filter(|word| word.place == Place::Log && family.contains(&word.text) && !word.contradicted)
            .map(|word| (log(word), word.line_number, word.fitting))
            .collect();
        for word in words.iter_mut().filter(|word| word.place == Place::Log && family.contains(&word.text)) {
            let at = log(word);
            let newer = |(other, line, fitting): &(String, u64, bool)| {
                *other == at && *line > word.line_number && (*fitting || !word.fitting)
            };
            let outdated = !ties(word) && all.iter().any(newer);
            word.outdated |= outdated;
        }
    }
}

/// What the line says ties it to one token: a time to the second.
fn ties(word: &Word) -> bool {
    *word.text == message::EXPIRED || *word.text == message::NOT_YET_VALID
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    use crate::evidence::apiserver::{Log, LogMatch};
    use crate::evidence::{Observation, Outcome};

    /// A token with these claims that is refused, and a log: seconds before its end, and what was refused then.
    fn heard(claims: Value, lines: &[(u32, &str)], given: Option<&Configuration>) -> Vec<(String, Confidence)> {
        heard_with(CredentialSource::Token, claims, lines, given)
    }

    fn heard_with(
        source: CredentialSource,
        claims: Value,
        lines: &[(u32, &str)],
        given: Option<&Configuration>,
    ) -> Vec<(String, Confidence)> {
        let text = include_str!("../../testdata/cases/token-audience-mismatch/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("no credential") };
        credential.source = source;
        credential.token.as_mut().expect("a token").claims = Some(claims);
        evidence.control_plane.token_review = Observation::default();
        evidence.control_plane.configuration = Observation::default();
        evidence.control_plane.flagz = Observation::default();
        let last = evidence.observed_at;
        let stamp = |ago: u32| {
            (last - jiff::SignedDuration::from_secs(ago.into())).strftime("%m-%d %H:%M:%S.000000").to_string()
        };
        let count = lines.len() as u64;
        let matches = lines.iter().zip(0..).flat_map(|((ago, reason), index)| {
            let line = format!("E authentication.go:75] \"Unable to authenticate the request\" err=\"[{reason}]\"");
            message::recognise(&line).into_iter().map(move |found| LogMatch {
                text: found.text.name.to_owned(),
                fields: found.fields,
                line: line.clone(),
                last_line_number: count - index,
                last_seen: Some(stamp(*ago)),
                ..LogMatch::default()
            })
        });
        let log = Log { last_seen: Some(stamp(0)), matches: matches.collect(), ..Log::default() };
        evidence.control_plane.log = Observation::at_rest(Outcome::Seen(log));
        let mut words = collect(&evidence);
        words.retain(|word| word.place == Place::Log);
        retain(&mut words, &evidence, given);
        words.iter().map(|word| (word.text.name.to_owned(), word.confidence(true))).collect()
    }

    const OTHER: &str = r#"invalid bearer token, oidc: verify token: oidc: expected audience \"ci\" got [\"kube\"]"#;
    const TENANT: &str = r#"invalid bearer token, oidc: error evaluating claim validation expression: validation expression '!has(claims.tenant) || claims.tenant == \"acme\"' failed: tenant must be acme"#;

    fn one(name: &str, confidence: Confidence) -> (String, Confidence) {
        (name.to_owned(), confidence)
    }

    #[test]
    fn an_audience_alone_makes_no_line_this_tokens() {
        let claims = serde_json::json!({ "iss": "https://a", "aud": "kube", "tenant": "evil" });
        let found = heard(claims.clone(), &[(0, TENANT), (1, OTHER)], None);
        assert_eq!(found, [one("claim-rule", Confidence::Likely), one("audience", Confidence::Possible)]);
        assert_eq!(heard(claims.clone(), &[(1, OTHER)], None), [one("audience", Confidence::Likely)]);
        assert_eq!(heard(claims, &[(400, OTHER)], None), [one("audience", Confidence::Possible)]);
    }

    #[test]
    fn what_was_said_before_the_token_was_issued_is_of_another_one() {
        // The log of the saved case ends as it was read; a token of two minutes, and lines before and after its iat.
        let text = include_str!("../../testdata/cases/token-audience-mismatch/evidence.json");
        let read = serde_json::from_str::<Evidence>(text).expect("evidence").observed_at.as_second();
        let claims = serde_json::json!({ "iss": "https://a", "aud": "kube", "iat": read - 120 });
        let down = "invalid bearer token, oidc: authenticator not initialized";
        let signature = "invalid bearer token, failed to verify signature: failed to verify id token signature";
        for (ago, line, name, confidence) in [
            (60, signature, "signature-failed", Some(Confidence::Certain)),
            (250, signature, "signature-failed", None),
            (60, down, "oidc-not-initialized", Some(Confidence::Certain)),
            (250, down, "oidc-not-initialized", Some(Confidence::Likely)),
            (60, OTHER, "audience", Some(Confidence::Likely)),
            (250, OTHER, "audience", Some(Confidence::Possible)),
        ] {
            let expected: Vec<_> = confidence.map(|confidence| one(name, confidence)).into_iter().collect();
            assert_eq!(heard(claims.clone(), &[(ago, line)], None), expected, "{ago}: {line}");
        }
        // A plugin's may be of this very run: what was met before was met with another one like it.
        assert_eq!(
            heard_with(CredentialSource::Exec, claims, &[(250, signature)], None),
            [one("signature-failed", Confidence::Certain)]
        );
    }

    #[test]
    fn a_stamp_may_be_of_a_zone_west_of_utc() {
        let time = |text: &str| -> Timestamp { text.parse().expect("a time") };
        let (stamp, end) = (time("2026-11-26T09:10:12Z"), time("2026-11-26T09:10:30Z"));
        let at = |read: &str| latest(stamp, end, time(read)).expect("a time");
        assert_eq!(at("2026-11-26T09:12:00Z"), stamp);
        assert_eq!(at("2026-11-26T14:10:31Z"), time("2026-11-26T14:10:12Z"));
        assert_eq!(at("2026-11-29T14:10:31Z"), time("2026-11-26T21:10:12Z"));
    }

    #[test]
    fn a_rule_that_this_token_passes_was_somebody_elses() {
        let claims = serde_json::json!({ "iss": "https://a", "aud": "kube" });
        assert_eq!(heard(claims.clone(), &[(0, TENANT)], None), []);
        let mapping = r#"invalid bearer token, oidc: error evaluating username claim expression: expression '\"a:\" + claims.email' resulted in error: no such key: email"#;
        assert_eq!(heard(claims, &[(0, mapping)], None), [one("claim-mapping", Confidence::Likely)]);
        let mail = serde_json::json!({ "iss": "https://a", "aud": "kube", "email": "a@b" });
        assert_eq!(heard(mail, &[(0, mapping)], None), []);
    }

    #[test]
    fn where_the_issuers_are_known_their_settings_tell_whose_line_it_is() {
        let claims = serde_json::json!({ "iss": "https://a", "aud": "kube" });
        let own = |audience: &str| configured("https://a", audience);
        assert_eq!(heard(claims.clone(), &[(0, OTHER)], Some(&own("kube"))), []);
        assert_eq!(heard(claims, &[(0, OTHER)], Some(&own("ci"))), [one("audience", Confidence::Certain)]);
    }

    // Lines of a real 1.36 server, with this issuer's names.
    const SIGNATURE: &str =
        "invalid bearer token, oidc: verify token: failed to verify signature: failed to verify id token signature";
    const DOWN: &str = "invalid bearer token, oidc: authenticator not initialized";
    const KEYS: &str = r#"invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 403 Forbidden <html><head><title>403 Forbidden</title></head>"#;

    fn expired_at(issuer: &str) -> String {
        format!(
            r#"oidc authenticator: initializing plugin: Get \"{issuer}/.well-known/openid-configuration\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-11-25T04:29:00Z is after 2026-11-24T20:28:59Z"#
        )
    }

    fn configured(url: &str, audience: &str) -> Configuration {
        let issuer = crate::apiserver::configuration::Issuer {
            url: url.to_owned(),
            audiences: vec![audience.to_owned()],
            ..Default::default()
        };
        let jwt = vec![JwtAuthenticator { issuer, ..JwtAuthenticator::default() }];
        Configuration { jwt, jwt_known: true, ..Configuration::default() }
    }

    #[test]
    fn a_line_of_somebody_elses_puts_none_of_this_token_aside() {
        let claims = serde_json::json!({ "iss": "https://a", "aud": "kube" });
        for line in [SIGNATURE, KEYS] {
            let found = heard(claims.clone(), &[(0, line), (1, OTHER)], None);
            assert_eq!(found[0].1, Confidence::Possible, "{line}");
            assert_eq!(found[1], one("audience", Confidence::Likely), "{line}");
            // With the server's configuration it is sure which of them is this token's.
            let found = heard(claims.clone(), &[(0, line), (1, OTHER)], Some(&configured("https://a", "ci")));
            assert_eq!(found, [one("audience", Confidence::Certain)], "{line}");
            // No authenticator of the server takes it.
            let found = heard(claims.clone(), &[(0, line), (1, OTHER)], Some(&configured("https://b", "ci")));
            assert_eq!(found, [], "{line}");
        }
        // Alone it is the best that is known.
        assert_eq!(heard(claims.clone(), &[(0, SIGNATURE)], None), [one("signature-failed", Confidence::Certain)]);
        // Tokens that nobody took for their own are more, and this one may be one of them.
        let silent = "invalid bearer token";
        let found = heard(claims, &[(0, SIGNATURE), (1, silent), (2, silent)], None);
        assert_eq!(found[0], one("signature-failed", Confidence::Possible));
    }

    #[test]
    fn an_authenticator_that_is_not_up_is_the_one_that_says_why() {
        let claims = serde_json::json!({ "iss": "https://a", "aud": "kube" });
        let (others, own) = (expired_at("https://b"), expired_at("https://a"));
        let (others, own) = (others.as_str(), own.as_str());
        let found = heard(claims.clone(), &[(0, DOWN), (1, OTHER), (2, others)], None);
        assert_eq!(found, [one("audience", Confidence::Likely)]);
        let found = heard(claims.clone(), &[(0, DOWN), (2, others)], None);
        assert_eq!(found, [one("oidc-not-initialized", Confidence::Possible)]);
        let silent = "invalid bearer token";
        let mut found = heard(claims.clone(), &[(0, DOWN), (1, silent), (1, silent), (2, others)], None);
        found.retain(|(name, _)| name != "nobody-claimed");
        assert_eq!(found, []);
        // Nobody asks for keys before the document is read.
        for line in [SIGNATURE, KEYS] {
            let found = heard(claims.clone(), &[(0, line), (1, DOWN), (2, own)], None);
            let certain = |name| one(name, Confidence::Certain);
            assert_eq!(found, [certain("oidc-not-initialized"), certain("oidc-init-x509")], "{line}");
        }
        // The URL is the one that the saved issuer's document names.
        let keys = r#"invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed Get \"https://localhost:42333/realms/platform/protocol/openid-connect/certs\": dial tcp 127.0.0.1:42333: connect: connection refused"#;
        let found = heard(claims, &[(0, DOWN), (1, keys), (2, others)], None);
        assert_eq!(found, [one("jwks-unreachable", Confidence::Certain)]);
    }

    #[test]
    fn a_time_in_the_servers_own_zone_is_compared_too() {
        let end: Timestamp = "2026-11-25T04:00:00Z".parse().expect("a time");
        let line = "invalid bearer token, oidc: verify token: oidc: token is expired (Token Expiry: 2026-11-25 05:00:00 +0100 CET)";
        let at = |second: i64| {
            heard(serde_json::json!({ "iss": "https://a", "aud": "kube", "exp": second }), &[(0, line)], None)
        };
        assert_eq!(at(end.as_second()), [one("expired", Confidence::Certain)]);
        assert_eq!(at(end.as_second() + 60), []);
    }

    #[test]
    fn go_reads_null_as_false() {
        let line = "invalid bearer token, oidc: email not verified";
        let found = |verified: Value| {
            let claims = serde_json::json!({ "iss": "https://a", "aud": "kube", "email_verified": verified });
            heard(claims, &[(0, line)], None)
        };
        assert_eq!(found(Value::Null), [one("email-not-verified", Confidence::Certain)]);
        assert_eq!(found(Value::Bool(true)), []);
    }

    #[test]
    fn of_a_proxys_lines_the_newest_holds() {
        let claims = serde_json::json!({ "iss": "https://a", "aud": "kube" });
        let alone =
            "verifying certificate SN=1, SKID=AA, AKID=BB failed: x509: certificate signed by unknown authority";
        let both = "x509: certificate signed by unknown authority, verifying certificate SN=2, SKID=AA, AKID=BB failed: x509: certificate signed by unknown authority";
        let found = heard(claims, &[(0, alone), (9, both)], None);
        let of = |name: &str| found.iter().find(|(text, _)| text == name).map(|(_, confidence)| *confidence);
        assert_eq!(of("certificate-of-no-client"), Some(Confidence::Certain));
        assert_eq!(of("certificate-of-neither-ca"), Some(Confidence::Possible));
    }

    #[test]
    fn a_stamp_without_a_year_is_the_nearest_one_before() {
        let near: Timestamp = "2026-01-02T00:00:00Z".parse().expect("a time");
        let at = |stamp: &str| moment(stamp, near).expect("a stamp").to_string();
        assert_eq!(at("12-31 23:59:00.000000"), "2025-12-31T23:59:00Z");
        assert_eq!(at("01-01 10:00:00.500000"), "2026-01-01T10:00:00.5Z");
        assert_eq!(at("01-03 10:00:00"), "2026-01-03T10:00:00Z");
        assert_eq!(moment("02-30 10:00:00", near), None);
    }
}
