//! What a log tells of the authenticator of one issuer: most lines name neither it nor the token, and other lines, or what was
//! met from here, say whether this one can have been meant.

use super::family::{COMMON, INITIALISING, JUDGING, OF_KEYS};
use super::fit::{fits, judges_so};
use super::rival::Rival;
use super::{BESIDE, Place, RETRY, Scene, Word};
use crate::apiserver::message::{self, Text};
use crate::evidence::issuer::Jwks;
use crate::evidence::{Evidence, Issuer};

/// What is known of the issuer's authenticator.
#[derive(Default)]
pub(super) struct State {
    /// A token like this one was judged by its claims.
    judged: bool,
    /// It has read the issuer's document: it judged such a token, or got as far as this issuer's keys.
    pub(super) up: bool,
    /// How often it judged so, or got so far.
    times: u64,
    /// Authenticators did not come up, and each such line names another issuer.
    others_down: bool,
    /// How often a token was none of any authenticator's.
    unclaimed: u64,
    /// What the server says of this issuer's keys where it meets what was met from here.
    met: Vec<Met>,
}

/// A text, and the field of it that was met from here.
type Met = (&'static Text, String);

impl State {
    pub(super) fn new(scene: &Scene<'_>, words: &[Word], evidence: &Evidence) -> Self {
        let mut state = Self { met: met_here(evidence, scene.probes), ..Self::default() };
        if scene.foreign() {
            return state;
        }
        let logged = || words.iter().filter(|word| word.place == Place::Log);
        let of_now = |word: &&Word| !word.past && !scene.precedes(word);
        // Tokens of another issuer lack the same: it tells of this one only where its authenticator is known.
        let known = scene.own.is_some() || scene.only;
        let anybodys = |word: &Word| !known && COMMON.contains(&word.text) && *word.text != message::AUDIENCE;
        let judged = |word: &&Word| {
            let token = scene.token.filter(|token| !anybodys(word) && fits(word, token) == Some(true));
            token.is_some_and(|token| scene.own.is_none_or(|own| judges_so(word, own, token)))
        };
        // One that names no issuer and is not up may be this one: what was said before it tells nothing of now.
        let unnamed = logged().filter(|word| INITIALISING.contains(&word.text) && scene.about_ours(word).is_none());
        let not_up = unnamed.filter_map(|word| word.last).max();
        let before = |word: &Word| matches!((word.last, not_up), (Some(said), Some(not_up)) if said <= not_up);
        for word in logged().filter(|word| JUDGING.contains(&word.text)).filter(of_now) {
            let judged = judged(&word);
            state.judged |= judged;
            if (judged || state.met(word)) && !before(word) {
                state.up = true;
                state.times += word.count;
            }
        }
        let mut down = logged().filter(|word| INITIALISING.contains(&word.text)).peekable();
        state.others_down = down.peek().is_some() && down.all(|word| scene.about_ours(word) == Some(false));
        state.unclaimed =
            logged().filter(|word| *word.text == message::NOBODY_CLAIMED).filter(of_now).map(|word| word.count).sum();
        state
    }

    /// The line tells of this issuer's keys what was met from here too.
    pub(super) fn met(&self, word: &Word) -> bool {
        self.met.iter().any(|(text, field)| *text == word.text && (field.is_empty() || told(word) == field))
    }
}

/// What a line on keys tells of them.
fn told(word: &Word) -> &str {
    if *word.text == message::JWKS_HTTP { word.field("status") } else { word.field("url") }
}

/// The URL is where the issuer's document sends for the keys, as it was read here.
pub(super) fn is_key_set(url: &str, probes: &Issuer) -> bool {
    let seen = [probes.discovery.seen(), probes.discovery_as_control_plane.seen()];
    seen.into_iter().flatten().any(|discovery| discovery.jwks_uri.as_deref() == Some(url))
}

/// What an API server would say of this issuer's keys if it met what was met from here.
fn met_here(evidence: &Evidence, probes: &Issuer) -> Vec<Met> {
    let mut met = Vec::new();
    for jwks in [probes.jwks.seen(), probes.jwks_as_control_plane.seen()].into_iter().flatten() {
        let Jwks { answer, unparsable, .. } = jwks;
        if answer.status != 200 {
            met.push((&message::JWKS_HTTP, answer.status.to_string()));
        } else if unparsable.is_some() {
            met.push((&message::JWKS_UNPARSABLE, String::new()));
        }
    }
    for discovery in [probes.discovery.seen(), probes.discovery_as_control_plane.seen()].into_iter().flatten() {
        met.extend(discovery.jwks_uri.clone().map(|uri| (&message::JWKS_UNREACHABLE, uri)));
    }
    // Without an issuer it was checked with the API server's own keys.
    let of_issuer = evidence.issuer.target.seen().is_some();
    if of_issuer
        && evidence.issuer.signature.seen().is_some_and(|signature| signature.is_of_keys() && !signature.verified)
    {
        met.push((&message::SIGNATURE_FAILED, String::new()));
    }
    met
}

impl Scene<'_> {
    /// The server has authenticators, all of them are known, and none is for this token's issuer.
    pub(super) fn foreign(&self) -> bool {
        self.complete && self.configured.is_some() && self.issuer.is_some() && self.own.is_none()
    }

    /// Whether a line that names nothing of this token or its issuer may be about it.
    pub(super) fn keeps_unfitted(&self, word: &mut Word) -> bool {
        let ours_down = |rival: &&Rival| rival.ours || rival.met_here;
        let mut down = self.rivals.iter().filter(ours_down);
        let unclaimed = self.own.is_none() && self.state.unclaimed > word.count;
        if *word.text == message::OIDC_NOT_INITIALIZED {
            if self.uninitialised || self.only || down.next().is_some() {
                word.fitting = true;
                return true;
            }
            if self.state.up {
                word.contradicted |= self.state.times > word.count;
                word.doubtful = true;
                return !(self.several || self.state.others_down);
            }
            // This issuer's authenticator would say every 10 s why it is not up.
            word.contradicted |= self.state.others_down || unclaimed;
            return !(self.state.others_down && unclaimed);
        }
        if !OF_KEYS.contains(&word.text) {
            return true;
        }
        // Before the document is read nobody asks for keys.
        let said = word.last;
        let gap = down.filter_map(|rival| Some(said?.duration_since(rival.last?).as_secs())).min();
        if gap.is_some_and(|gap| gap <= RETRY) {
            return false;
        }
        word.contradicted |= self.state.up || unclaimed || gap.is_some_and(|gap| gap <= BESIDE);
        // By its configuration this token's own authenticator said something else of it.
        !(self.state.judged && self.own.is_some())
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    /// A line of a log, so many seconds before its end.
    fn line(text: &'static Text, fields: &[(&str, &str)], ago: i64) -> Word {
        let end: Timestamp = "2026-11-26T09:00:00Z".parse().expect("a time");
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Word {
            last: Some(end - SignedDuration::from_secs(ago)),
            ..Word::new(text, fields, "/controlPlane/log/seen/matches/0", "", Place::Log)
        }
    }

    /// Whether the lines tell that the authenticator is up, where the server's configuration is not known.
    fn up(words: &[Word]) -> bool {
        let text = include_str!("../../../testdata/cases/token-audience-mismatch/evidence.json");
        let evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let mut token = evidence.credential.seen().and_then(|credential| credential.token.clone()).expect("a token");
        token.claims = Some(serde_json::json!({ "iss": "https://a", "aud": "kube" }));
        Scene::new(words, &evidence, None, Some(&token)).state.up
    }

    fn audience(ago: i64) -> Word {
        line(&message::AUDIENCE, &[("expected", "\"ci\""), ("got", "[\"kube\"]")], ago)
    }

    #[test]
    fn what_anybodys_token_lacks_does_not_tell_that_the_authenticator_is_up() {
        assert!(up(&[audience(0)]));
        assert!(!up(&[line(&message::REQUIRED_CLAIM_MISSING, &[("claim", "tenant")], 0)]));
        assert!(!up(&[line(&message::USERNAME_CLAIM_MISSING, &[("claim", "email")], 0)]));
    }

    #[test]
    fn what_was_said_before_an_authenticator_was_not_up_is_no_sign_that_it_is() {
        let down = || line(&message::OIDC_INIT_HTTP, &[("status", "403")], 30);
        assert!(up(&[audience(0), down()]));
        assert!(!up(&[audience(60), down()]));
    }
}
