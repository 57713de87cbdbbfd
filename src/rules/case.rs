//! A case: evidence with what the models make of it, and what rules ask of both.

use jiff::Timestamp;

use super::{Place, Word, clip, eks, words};
use crate::apiserver::authn::{CREDENTIAL_ID, Judgement, Keys, judge_token};
use crate::apiserver::authz;
use crate::apiserver::configuration::{Configuration, JwtAuthenticator, from_flags, of_eks};
use crate::apiserver::message::{self, Text};
use crate::aws::{identity, reach, workload as workload_model};
use crate::evidence::apiserver::{Flags, HttpAnswer, IssuerMetrics};
use crate::evidence::credential::{CredentialSource, TokenFacts, TokenKind};
use crate::evidence::identity::{ANONYMOUS, UNAUTHENTICATED};
use crate::evidence::issuer::{Target, discovery_url};
use crate::evidence::tls::CertificateFacts;
use crate::evidence::{ControlPlane, Evidence, FailureKind, Issuer};
use crate::report::{Citation, Confidence, inferred, probed, seen};

/// Evidence with everything the rules need to know more than once.
pub struct Case<'a> {
    /// What was seen.
    pub evidence: &'a Evidence,
    /// Every text of the API server that was met.
    pub words: Vec<Word>,
    /// The server's configuration, where it could be read, with the pointer to it.
    pub configuration: Option<(Configuration, &'static str)>,
    /// As whom the model would accept the token by that configuration and the issuer's keys as they were read here.
    pub expected: Option<String>,
    /// With what the model would refuse it by the same, where no rule knows these words.
    pub refusal: Option<String>,
    /// On EKS: whether and how the control plane reaches the issuer, by the model.
    pub reach: Option<reach::Reach>,
    /// The same for the key set, where it has a host and a load balancer of its own.
    pub keys_reach: Option<reach::Reach>,
    /// On EKS: as whom the IAM token is signed.
    pub signer: Option<crate::evidence::eks::Caller>,
    /// On EKS: whom that IAM identity becomes, by the model.
    pub mapping: Option<identity::Verdict>,
    /// Where a Pod's AWS identity was asked about: which one it gets, and every link of the chain, by the model.
    pub workload: Option<workload_model::Judgement<'a>>,
}

impl<'a> Case<'a> {
    /// Prepares a case.
    pub fn new(evidence: &'a Evidence) -> Self {
        let aws = evidence.aws.as_deref();
        let control = &evidence.control_plane;
        let whole = whole_flags(control);
        let configuration = [
            (whole.as_ref(), "/controlPlane/configuration/seen"),
            (control.flagz.seen(), "/controlPlane/flagz/seen"),
            (control.configuration.seen(), "/controlPlane/configuration/seen"),
            (control.pods.seen().map(|pods| &pods.flags), "/controlPlane/pods/seen/flags"),
        ]
        .into_iter()
        .find_map(|(flags, path)| {
            let configuration = from_flags(flags?).ok()?;
            Some((configuration, path))
        })
        .or_else(|| Some((of_eks(aws?)?, "/aws/identityProviders/seen")))
        .or_else(|| Some((from_flags(control.published.seen()?).ok()?, "/controlPlane/published/seen")));
        let mut words = words::collect(evidence);
        words::retain(&mut words, evidence, configuration.as_ref().map(|(configuration, _)| configuration));
        let (reach, keys_reach) = (reach::to_issuer(evidence), reach::to_keys(evidence));
        let (signer, mut mapping) = (aws.and_then(identity::signer), aws.map(identity::map));
        if let Some((endpoint, _)) = eks::other_cluster(evidence) {
            // Who is mapped in that one says nothing of the cluster that answers.
            mapping = Some(identity::Verdict::Unknown(format!(
                "AWS described another cluster, whose endpoint is {endpoint}"
            )));
        }
        let workload =
            evidence.workload.as_deref().map(|seen| workload_model::Judgement::new(seen, evidence.aws.as_deref()));
        let mut case = Self {
            evidence,
            words,
            configuration,
            expected: None,
            refusal: None,
            reach,
            keys_reach,
            signer,
            mapping,
            workload,
        };
        case.predict();
        case
    }

    /// Where the server's own words are not known but its configuration is, the model says what it would say.
    fn predict(&mut self) {
        if self.evidence.control_plane.token_review.seen().is_some() || self.accepted() {
            return;
        }
        let error = match self.judgement() {
            Some(Judgement::Rejected { error }) => error,
            Some(Judgement::Authenticated(user)) => {
                self.expected = Some(user.username);
                return;
            }
            Some(Judgement::Undecided { .. }) | None => return,
        };
        let Some((_, path)) = &self.configuration else { return };
        let path = (*path).to_owned();
        let recognised = message::recognise(&error);
        if recognised.is_empty() {
            self.refusal = Some(error);
            return;
        }
        for found in recognised {
            // A silent refusal predicted by the model tells nothing that the rules do not look up themselves.
            if found.text.name != message::NOBODY_CLAIMED.name {
                let word = Word::new(found.text, found.fields, path.clone(), error.clone(), Place::Model);
                words::refute(&mut self.words, &word);
                self.words.push(word);
            }
        }
    }

    /// What the model makes of the token by the server's configuration, and by the issuer's keys as they were read here.
    pub fn judgement(&self) -> Option<Judgement> {
        let ((configuration, _), token) = (self.configuration.as_ref()?, self.token()?);
        // Tokens of IAM are the webhook's.
        if token.kind == TokenKind::EksIam {
            return None;
        }
        let keys = match self.evidence.issuer.signature.seen() {
            Some(signature) => Keys::from(signature),
            None => Keys::Unknown,
        };
        // Nobody writes down a JWT of an issuer that the server asks: a token file that was not read has no say in it.
        let issuer = self.claim_text("iss").unwrap_or_default();
        let judged = match token.kind {
            TokenKind::Jwt => configuration.authenticator_of(issuer).is_some(),
            TokenKind::ServiceAccount => configuration.service_account_issuers.iter().any(|known| known == issuer),
            _ => false,
        };
        let time = self.server_time().0;
        if configuration.token_file && judged {
            let without = Configuration { token_file: false, ..configuration.clone() };
            return Some(judge_token(token, &without, &keys, time));
        }
        Some(judge_token(token, configuration, &keys, time))
    }

    /// The context of somebody with rights: the reviewer's, where one was named and is of the same cluster.
    pub fn context_with_rights(&self) -> Option<&str> {
        let named = self.evidence.asked.reviewer_context.as_deref();
        let proven = self.evidence.control_plane.reviewer.seen().map(|reviewer| reviewer.context.as_str());
        named.filter(|named| proven == Some(*named))
    }

    /// The API server's clock by its Date header, else this machine's; with the name of that clock.
    pub fn server_time(&self) -> (Timestamp, &'static str) {
        let endpoint = &self.evidence.endpoint;
        [endpoint.authenticated.seen(), endpoint.anonymous.seen()]
            .into_iter()
            .flatten()
            .find_map(|answer| answer.date)
            .map_or((self.evidence.observed_at, "this machine's clock"), |date| (date, "the API server's clock"))
    }

    /// The API server's minor release (36 of 1.36), by its answer to /version.
    fn minor_release(&self) -> Option<u32> {
        let endpoint = &self.evidence.endpoint;
        let answers = [endpoint.authenticated.seen(), endpoint.anonymous.seen()];
        answers.into_iter().flatten().filter(|answer| answer.is_of_kubernetes()).find_map(|answer| {
            let version: serde_json::Value = serde_json::from_str(&answer.body).ok()?;
            // EKS and others write "29+".
            version.get("minor")?.as_str()?.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().ok()
        })
    }

    /// The server has the key that this service account's token names, and that key does not verify it: since 1.31 it
    /// looks the key up by its name, and has other words where there is none.
    pub fn account_signature_wrong(&self) -> Option<&Word> {
        let kid = self.token()?.header.as_ref()?.get("kid")?.as_str()?;
        let looked_up = !kid.is_empty() && self.minor_release().is_some_and(|minor| minor >= 31);
        let word = self.reason(&[&message::SERVICE_ACCOUNT_KEY_UNKNOWN, &message::SERVICE_ACCOUNT_SIGNATURE])?;
        let wrong = looked_up && self.is_service_account() && word.text == &message::SERVICE_ACCOUNT_SIGNATURE;
        wrong.then_some(word)
    }

    /// A claim that is a time; of an IAM token `date` and `expires`.
    pub fn claim_time(&self, name: &str) -> Option<Timestamp> {
        self.token()?.time(name)
    }

    /// The token is a service account's, not an identity provider's.
    pub fn is_service_account(&self) -> bool {
        self.token().is_some_and(|token| token.kind == TokenKind::ServiceAccount)
    }

    /// Namespace and name of the service account that the token names; capitals stand for what it does not say.
    pub fn service_account(&self) -> (&str, &str) {
        self.claim_text("sub").and_then(authz::service_account).unwrap_or(("NAMESPACE", "NAME"))
    }

    /// The word of the server that one of these texts is why it refuses the credential: none where it accepts it, and
    /// none of a message, a log or the model where its TokenReview of this very token says something else.
    pub fn reason(&self, texts: &[&'static Text]) -> Option<&Word> {
        if self.accepted() {
            return None;
        }
        let reviewed = self.evidence.control_plane.token_review.seen().is_some();
        self.words.iter().find(|word| texts.contains(&word.text) && (!reviewed || word.place == Place::TokenReview))
    }

    /// The server's TokenReview of this token gave this text and no other reason.
    pub fn reviewed_as(&self, text: &'static Text) -> Option<&Word> {
        self.reason(&[text]).filter(|word| word.place == Place::TokenReview)
    }

    /// The server's authenticator for the token's issuer, where the configuration is known.
    pub fn authenticator(&self) -> Option<&JwtAuthenticator> {
        self.configuration.as_ref()?.0.authenticator_of(self.claim_text("iss")?)
    }

    /// The first place that says this text: TokenReview before the user's message before the log.
    pub fn said(&self, text: &'static Text) -> Option<&Word> {
        self.words.iter().find(|word| word.text == text)
    }

    /// The API server accepted the credential: SelfSubjectReview named somebody, or TokenReview did.
    pub fn accepted(&self) -> bool {
        let named = self.evidence.identity.seen().is_some_and(|identity| !identity.user.is_anonymous());
        named || self.evidence.control_plane.token_review.seen().is_some_and(|review| review.authenticated)
    }

    /// The API server answered 401 to the credential, or TokenReview refused it.
    pub fn rejected(&self) -> Option<Citation> {
        if self.accepted() {
            return None;
        }
        if let Some(failure) =
            self.evidence.identity.failed().filter(|failure| failure.kind == FailureKind::Unauthorized)
        {
            return Some(seen("/identity/failed/detail", failure.detail.clone()));
        }
        if let Some(review) = self.evidence.control_plane.token_review.seen().filter(|review| !review.authenticated) {
            return Some(seen(
                "/controlPlane/tokenReview/seen",
                format!(
                    "TokenReview: not authenticated{}",
                    review.error.as_ref().map(|error| format!(", {error}")).unwrap_or_default()
                ),
            ));
        }
        None
    }

    /// The credential's token.
    pub fn token(&self) -> Option<&TokenFacts> {
        self.evidence.credential.seen()?.token.as_ref()
    }

    /// The client certificate, where it is the only credential (a token beside it would be taken as well), or where the
    /// server says that it is the one that counted.
    pub fn only_certificate(&self) -> Option<&CertificateFacts> {
        let credential = self.evidence.credential.seen()?;
        let leaf = credential.certificates.first()?;
        let counted =
            self.evidence.identity.seen().and_then(|identity| identity.user.extra.get(CREDENTIAL_ID)?.first());
        let counted = counted.is_some_and(|id| id.strip_prefix("X509SHA256=") == Some(leaf.sha256.as_str()));
        (credential.token.is_none() || counted).then_some(leaf)
    }

    /// The authorities that the API server asks client certificates of, in the TLS handshake.
    pub fn asked_authorities(&self) -> &'a [String] {
        self.evidence.endpoint.tls.seen().map(|tls| tls.client_authorities.as_slice()).unwrap_or_default()
    }

    /// None of those signed any certificate of the client's chain.
    pub fn stranger(&self) -> bool {
        let named = self.asked_authorities();
        let sent = self.evidence.credential.seen().map(|credential| credential.certificates.as_slice());
        !named.is_empty() && sent.unwrap_or_default().iter().all(|certificate| !named.contains(&certificate.issuer))
    }

    /// The certificate's own groups hold system:unauthenticated, and the API server then leaves system:authenticated out.
    pub fn unauthenticated_by_certificate(&self) -> bool {
        self.only_certificate().is_some_and(|leaf| leaf.organizations.iter().any(|group| group == UNAUTHENTICATED))
    }

    /// Somebody asked to be taken for nobody (impersonation).
    pub fn wants_anonymous(&self) -> bool {
        let user = self.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
        user.and_then(|user| user.impersonate.as_deref()) == Some(ANONYMOUS)
    }

    /// The API server saw system:anonymous, and nobody wanted it.
    pub fn anonymous(&self) -> Option<Citation> {
        if self.wants_anonymous() || self.accepted() {
            return None;
        }
        if self.evidence.identity.seen().is_some_and(|identity| identity.user.is_anonymous()) {
            return Some(seen("/identity/seen/user/username", "the API server names the user system:anonymous"));
        }
        self.evidence
            .identity
            .failed_as(&[FailureKind::Forbidden])
            .filter(|failure| message::forbidden(&failure.detail).is_some_and(|found| found.user == ANONYMOUS))
            .map(|failure| seen("/identity/failed/detail", clip(&failure.detail, 240)))
    }

    /// What the log or the message you met says about this certificate's number; `own` or any other one.
    pub fn said_of_certificate(&self, text: &'static Text, own: bool) -> Option<&Word> {
        let serial = self.evidence.credential.seen().and_then(|credential| credential.certificates.first());
        let serial = serial.map_or("", |leaf| leaf.serial.as_str());
        self.words.iter().find(|word| word.text == text && (word.field("serial") == serial) == own)
    }

    /// The API server has read this issuer's documents, whatever an older line of its log says: it judged the token by
    /// them, or fetched keys.
    pub fn initialized(&self) -> bool {
        let before = [
            &message::OIDC_NOT_INITIALIZED,
            &message::NOBODY_CLAIMED,
            &message::WEBHOOK_TRANSPORT,
            &message::WEBHOOK_ANSWER,
        ];
        let reviewed = self.evidence.control_plane.token_review.seen().and_then(|review| review.error.as_deref());
        let judged = reviewed.is_some_and(|error| {
            !error.is_empty() && !message::recognise(error).iter().any(|found| before.contains(&found.text))
        });
        let fetched = self
            .issuer_metrics()
            .is_some_and(|(_, issuer)| issuer.keys_fetched_at.is_some() || issuer.keys_failed_at.is_some());
        (judged || fetched || self.judged_in_log())
            && self.said(&message::OIDC_NOT_INITIALIZED).is_none_or(|word| word.place != Place::TokenReview)
    }

    /// The log tells that a token like this one was judged, and nothing of an authenticator that is not up, which would say
    /// so again every 10 s.
    fn judged_in_log(&self) -> bool {
        let of_now = |word: &Word| word.place == Place::Log && !(word.past || word.outdated || word.contradicted);
        // Of several issuers, a line that names none may be about another one.
        let several = self.configuration.as_ref().is_some_and(|(known, _)| known.jwt.len() > 1);
        let ours = |word: &Word| word.judged() && of_now(word) && !(several && word.doubtful);
        self.words.iter().any(ours) && !self.words.iter().any(Word::not_up)
    }

    /// What the metrics say of the token's issuer, and where.
    pub fn issuer_metrics(&self) -> Option<(usize, &IssuerMetrics)> {
        let metrics = self.evidence.control_plane.metrics.seen()?;
        let hash = metrics.token_issuer_hash.as_ref()?;
        metrics.issuers.iter().enumerate().find(|(_, issuer)| issuer.issuer_hash == *hash)
    }

    /// The metrics count tokens of this issuer that failed, and no fetch of its keys that came back.
    pub fn never_fetched(&self) -> Option<(&IssuerMetrics, Citation)> {
        let (index, issuer) = self.issuer_metrics()?;
        (issuer.failures > 0 && issuer.keys_fetched_at.is_none()).then(|| {
            let failures = issuer.failures;
            let text =
                format!("metrics: {failures} tokens of exactly this issuer failed, and its keys were never fetched");
            (issuer, seen(format!("/controlPlane/metrics/seen/issuers/{index}"), text))
        })
    }

    /// The metrics say that the last fetch of the issuer's keys failed.
    pub fn last_keys_failed(&self) -> Option<Citation> {
        let (index, issuer) = self.issuer_metrics()?;
        let failed = issuer.keys_failed_at?;
        issuer.keys_fetched_at.is_none_or(|good| good < failed).then(|| {
            let path = format!("/controlPlane/metrics/seen/issuers/{index}/keysFailedAt");
            seen(path, format!("metrics: the last key fetch failed, at {failed}"))
        })
    }

    /// The URL of the issuer's discovery document.
    pub fn discovery_document(&self) -> String {
        self.issuer().0.target.seen().map_or_else(|| discovery_url("ISSUER"), Target::document)
    }

    /// `host:port` of the issuer.
    pub fn issuer_place(&self) -> String {
        let (probes, _) = self.issuer();
        let url = probes.target.seen().and_then(|target| url::Url::parse(target.asked()).ok());
        let place = url.and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
        place.unwrap_or_else(|| "ISSUER:443".to_owned())
    }

    /// Something ends TLS before the API server: a kube-apiserver that takes client certificates asks for one.
    pub fn terminated(&self) -> Option<Citation> {
        if let Some((configuration, _)) = &self.configuration
            && configuration.client_ca_file.is_none()
            && configuration.front_proxy.is_none()
        {
            return None;
        }
        let tls = self.evidence.endpoint.tls.seen()?;
        (tls.asks_client_certificate == Some(false)).then(|| {
            probed(
                "/endpoint/tls/seen/asksClientCertificate",
                "the handshake asks for no client certificate, which an API server does: TLS ends before it",
            )
        })
    }

    /// Fresh connections with the same credential did not fare alike: how many were answered 401, and how many let in.
    pub fn taken_by_some(&self) -> Option<(usize, usize)> {
        let statuses = &self.evidence.endpoint.repeated.seen()?.statuses;
        let refused = statuses.iter().filter(|status| **status == 401).count();
        let taken = statuses.iter().filter(|status| (200..300).contains(*status)).count();
        (refused > 0 && taken > 0).then_some((refused, taken))
    }

    /// The credential ends in the midst of the run, or has ended: from then on every API server refuses it.
    pub fn ends_meanwhile(&self) -> bool {
        let announced = || self.evidence.credential.seen().and_then(|credential| credential.announced_expiry);
        let end = match self.only_certificate() {
            Some(leaf) => leaf.not_after,
            None => self.claim_time("exp").or_else(announced),
        };
        end.is_some_and(|end| end.as_second() <= self.evidence.observed_at.as_second() + 60)
    }

    /// What stands before the API server logs people in itself: without the credential its own page answers, with it
    /// Kubernetes does.
    pub fn proxy_logs_in(&self) -> bool {
        let endpoint = &self.evidence.endpoint;
        let without = endpoint.anonymous.seen().is_some_and(|answer| !answer.is_of_kubernetes() && answer.status < 500);
        without && endpoint.authenticated.seen().is_some_and(HttpAnswer::is_of_kubernetes)
    }

    /// What stands before the API server demands a client certificate itself, and lets pass whoever shows this one: no login
    /// whose name it would hand on.
    pub fn proxy_wants_certificate(&self) -> bool {
        let asks = self.evidence.endpoint.tls.seen().is_some_and(|tls| tls.asks_client_certificate == Some(true));
        let shown = self.evidence.credential.seen().is_some_and(|seen| seen.source != CredentialSource::Basic);
        asks && shown && self.only_certificate().is_some() && self.proxy_logs_in()
    }

    /// Why no key of the issuer's set can verify any token that names its key, where the set itself is in order.
    pub fn useless_keys(&self) -> Option<UselessKeys> {
        let issuer = &self.evidence.issuer;
        let signature = issuer.signature.seen().filter(|signature| !signature.verified)?;
        let set = issuer.jwks.seen().filter(|jwks| jwks.answer.status == 200 && jwks.unparsable.is_none())?;
        if !signature.is_of_keys() {
            return None;
        }
        if set.keys.is_empty() && signature.verdicts.is_empty() {
            return Some(UselessKeys::None);
        }
        let nameless =
            !signature.kid.is_empty() && !set.keys.is_empty() && set.keys.iter().all(|key| key.kid.is_empty());
        nameless.then_some(UselessKeys::Nameless)
    }

    /// A claim of the token.
    pub fn claim(&self, name: &str) -> Option<&serde_json::Value> {
        self.token()?.claims.as_ref()?.get(name)
    }

    /// A claim that is a string.
    pub fn claim_text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    /// The issuer probes that stand for the control plane's: the configured issuer's where it differs from the
    /// token's, else the token's; with the pointer to them.
    pub fn issuer(&self) -> (&Issuer, &'static str) {
        match &self.evidence.configured_issuer {
            Some(issuer) => (issuer, "/configuredIssuer"),
            None => (&self.evidence.issuer, "/issuer"),
        }
    }

    /// Why the API server does not start with its authentication configuration: it said so in this word, or the model of
    /// its own checks finds such an error in the file that was handed over, which is then told too.
    pub fn refused_configuration(
        &self,
        said: Option<&Word>,
        fits: impl Fn(&str) -> bool,
    ) -> Option<(Confidence, Citation, Option<String>)> {
        if let Some(word) = said {
            return Some((word.sure(), word.cite(), None));
        }
        let errors = from_flags(self.evidence.control_plane.configuration.seen()?).err()?;
        let error = errors.into_iter().find(|error| fits(error))?;
        let text = format!("with this configuration a kube-apiserver does not start: {}", clip(&error, 240));
        // What was handed over need not be what the server reads.
        Some((Confidence::Likely, inferred("/controlPlane/configuration/seen", text), Some(error)))
    }

    /// The API server's flags, from the best place that shows them.
    pub fn flags(&self) -> Option<&Flags> {
        let control = &self.evidence.control_plane;
        let in_pods = || Some(&control.pods.seen()?.flags);
        control.flagz.seen().or_else(|| control.configuration.seen()).or_else(in_pods)
    }

    /// The API server's flags from the best place that shows this one, with the pointer to them: the server's own answer,
    /// its Pods' command line, then a file that was handed over, which need not be what it reads.
    pub fn flag_source(&self, name: &str) -> Option<(&'static str, &Flags)> {
        let control = &self.evidence.control_plane;
        [
            ("/controlPlane/flagz/seen", control.flagz.seen()),
            ("/controlPlane/pods/seen/flags", control.pods.seen().map(|pods| &pods.flags)),
            ("/controlPlane/configuration/seen", control.configuration.seen()),
        ]
        .into_iter()
        .find_map(|(path, flags)| Some((path, flags.filter(|flags| flags.flags.contains_key(name))?)))
    }

    /// Whether the API server may have its own CA for the issuer: `None` is unknown.
    pub fn has_oidc_ca(&self) -> Option<bool> {
        // EKS has no field for one.
        if self.evidence.aws.as_ref().is_some_and(|aws| aws.cluster.seen().is_some()) {
            return Some(false);
        }
        let flags = self.flags()?;
        if flags.flags.get("oidc-ca-file").is_some_and(|values| values.iter().any(|value| !value.is_empty())) {
            return Some(true);
        }
        if flags.authentication_configuration.is_some() || flags.flags.contains_key("authentication-config") {
            return None;
        }
        flags.complete.then_some(false)
    }

    /// The status of a discovery attempt from this machine, whichever User-Agent was refused first.
    pub fn discovery_status(&self) -> Option<(u16, String, bool)> {
        let (issuer, at) = self.issuer();
        let own = issuer.discovery.seen();
        let disguised = issuer.discovery_as_control_plane.seen();
        if let Some(discovery) = own.filter(|discovery| discovery.answer.status != 200) {
            return Some((discovery.answer.status, format!("{at}/discovery/seen/answer"), false));
        }
        if let Some(discovery) = disguised.filter(|discovery| discovery.answer.status != 200) {
            return Some((discovery.answer.status, format!("{at}/discoveryAsControlPlane/seen/answer"), true));
        }
        own.map(|discovery| (discovery.answer.status, format!("{at}/discovery/seen/answer"), false))
    }

    /// This machine's own request for the discovery document is answered as it should be.
    pub fn discovery_is_fine(&self) -> bool {
        let (probes, _) = self.issuer();
        probes.discovery.seen().is_some_and(|discovery| {
            discovery.answer.status == 200
                && discovery.unparsable.is_none()
                && discovery.issuer.as_deref() == probes.target.seen().map(|target| target.url.as_str())
        })
    }

    /// The same of the key set.
    pub fn keys_are_fine(&self) -> bool {
        let (probes, _) = self.issuer();
        probes.jwks.seen().is_some_and(|jwks| jwks.answer.status == 200 && jwks.unparsable.is_none())
    }

    /// What says that the authenticator for the token's issuer is not up: a word of the server decides it; counted
    /// failures without any key fetch only make it likely.
    pub fn not_initialized(&self) -> Option<(Citation, Confidence)> {
        if let Some(word) = self.said(&message::OIDC_NOT_INITIALIZED) {
            // Once it has judged such a token it is up, whatever it said before.
            return Some((word.cite(), word.sure().max(word.confidence(true))));
        }
        // Where a TokenReview gave another reason, that reason counts.
        if self.evidence.control_plane.token_review.seen().is_some() {
            return None;
        }
        let (issuer, cite) = self.never_fetched()?;
        // Whoever tried to fetch the keys has read the discovery document.
        (issuer.successes == 0 && issuer.keys_failed_at.is_none()).then_some((cite, Confidence::Likely))
    }

    /// The last answer to discovery that the API server's log tells of.
    pub fn logged_discovery_status(&self) -> Option<(&Word, u16)> {
        let word = self.said(&message::OIDC_INIT_HTTP)?;
        Some((word, word.field("status").parse().ok()?))
    }

    /// A line about this issuer proves that the control plane found its address and got an answer from there.
    pub fn issuer_answered(&self) -> bool {
        self.words.iter().any(Word::connected)
    }

    /// The answer to discovery with a status that `fits`, as far as it explains the refusal of the credential: the API
    /// server's log tells of it, or this machine met it and the log tells of no other status.
    pub fn fault_by_status(&self, fits: fn(u16) -> bool) -> Option<StatusFault> {
        if self.accepted() {
            return None;
        }
        let told = self.logged_discovery_status();
        let logged = told.filter(|(_, status)| fits(*status));
        let probe =
            self.discovery_status().filter(|(status, ..)| fits(*status)).map(|(status, path, _)| (status, path));
        let (status, confidence, cite) = match (logged, &probe, self.issuer_fault()) {
            (Some((word, status)), ..) => (status, word.sure(), word.cite()),
            // A log that tells of another status knows better than a probe from elsewhere.
            (None, Some((status, _)), Some((confidence, cite))) if told.is_none() => (*status, confidence, cite),
            _ => return None,
        };
        Some(StatusFault { status, confidence, cite, logged: logged.is_some(), probe })
    }

    /// How sure a fault of the issuer, probed from here, explains the refusal by the API server: certain where the
    /// server itself says that it could not initialise, likely where it only refuses the token.
    pub fn issuer_fault(&self) -> Option<(Confidence, Citation)> {
        if self.accepted() {
            return None;
        }
        if let Some((cite, confidence)) = self.not_initialized() {
            return Some((confidence, cite));
        }
        // An authenticator that is not initialised says so of each token of its issuer: any other word of a TokenReview
        // means that the issuer was reached, and none that it is not the configured one, which may have a fault too.
        let reviewed = self.evidence.control_plane.token_review.seen().and_then(|review| review.error.as_deref());
        let reviewed = reviewed.is_some_and(|error| {
            let nobody = message::recognise(error).iter().any(|found| *found.text == message::NOBODY_CLAIMED);
            !nobody || self.evidence.configured_issuer.is_none()
        });
        if reviewed || self.judged_in_log() || self.is_service_account() {
            return None;
        }
        self.rejected().map(|cite| (Confidence::Likely, cite))
    }
}

/// Why no key of a set can verify a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UselessKeys {
    /// There is no key in it.
    None,
    /// The keys have no `kid`, and the tokens name theirs: the API server tries only a key of that name.
    Nameless,
}

/// A status of discovery that keeps the API server from reading the issuer's document.
#[derive(Debug, Clone)]
pub struct StatusFault {
    /// The status: of the log, where that tells of it.
    pub status: u16,
    /// How sure it explains the refusal.
    pub confidence: Confidence,
    /// What says so.
    pub cite: Citation,
    /// The API server's log tells of it.
    pub logged: bool,
    /// The status that this machine met, where that fits too, with the pointer to the answer.
    pub probe: Option<(u16, String)>,
}

/// The flags that the API server shows of itself together with the AuthenticationConfiguration they only name, where that
/// was given by hand.
fn whole_flags(control: &ControlPlane) -> Option<Flags> {
    let shown = control.flagz.seen().or_else(|| Some(&control.pods.seen()?.flags))?;
    let given = control.configuration.seen().filter(|given| given.authentication_configuration.is_some())?;
    let names_it = shown.flags.contains_key("authentication-config") && shown.authentication_configuration.is_none();
    names_it.then(|| Flags {
        source: given.source.clone(),
        authentication_configuration: given.authentication_configuration.clone(),
        ..shown.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Outcome;
    use crate::evidence::apiserver::{Log, LogMatch};
    use crate::evidence::issuer::SignatureCheck;
    use crate::rules::check_all;

    #[test]
    fn an_authenticator_that_judges_tokens_by_its_log_has_read_the_issuers_document() {
        let text = include_str!("../../testdata/cases/issuer-reached-again/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        // Synthetic: the saved issuer answers; one that is down since hinders nobody who has read its documents.
        let issuer = &mut evidence.issuer;
        for discovery in [&mut issuer.discovery, &mut issuer.discovery_as_control_plane] {
            if let Outcome::Seen(discovery) = &mut discovery.outcome {
                discovery.answer.status = 503;
            }
        }
        let codes = |evidence: &Evidence| -> Vec<&'static str> {
            check_all(&Case::new(evidence)).iter().map(|finding| finding.code).collect()
        };
        let found = codes(&evidence);
        assert!(found.contains(&"token-audience-mismatch") && !found.contains(&"issuer-unavailable"), "{found:?}");
        // Without the log nothing says so.
        evidence.control_plane.log = crate::evidence::Observation::default();
        let found = codes(&evidence);
        assert!(found.contains(&"issuer-unavailable"), "{found:?}");
    }

    #[test]
    fn a_token_file_that_was_not_read_does_not_hold_an_issuers_jwt() {
        let text = include_str!("../../testdata/cases/token-audience-mismatch/evidence.json");
        let found = |token_file: bool| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            // Synthetic: the flags as they were handed over of a real server that named its users by a claim which the
            // token lacks, with and without a token file; the saved server showed its own.
            let mut flags = serde_json::json!({
                "oidc-issuer-url": ["https://localhost:42333/realms/platform"],
                "oidc-client-id": ["account-portal"],
                "oidc-username-claim": ["nick"],
                "service-account-issuer": ["https://kubernetes.default.svc"],
            });
            if token_file {
                flags["token-auth-file"] = serde_json::json!(["tokens.csv"]);
            }
            let given = serde_json::json!({ "source": "flags", "flags": flags, "complete": true });
            let given: Flags = serde_json::from_value(given).expect("flags");
            evidence.control_plane.token_review = crate::evidence::Observation::default();
            evidence.control_plane.metrics = crate::evidence::Observation::default();
            evidence.control_plane.flagz = crate::evidence::Observation::default();
            evidence.control_plane.configuration = crate::evidence::Observation::at_rest(Outcome::Seen(given));
            let found = crate::report::diagnose(check_all(&Case::new(&evidence)));
            (found[0].code, found[0].confidence)
        };
        assert_eq!(found(false), ("username-claim-missing", Confidence::Likely));
        assert_eq!(found(true), found(false));
    }

    #[test]
    fn a_service_accounts_token_is_judged_by_the_keys_that_the_flags_name() {
        let text = include_str!("../../testdata/cases/service-account-audience-mismatch-flags/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let codes = |evidence: &Evidence| -> Vec<&'static str> {
            check_all(&Case::new(evidence)).iter().map(|finding| finding.code).collect()
        };
        assert!(codes(&evidence).contains(&"service-account-audience-mismatch"));
        // Synthetic: the saved run had no key file at hand. Against a real server whose key files lack the token's key, the
        // signature is what a token of another audience is refused for.
        evidence.issuer.signature = crate::evidence::Observation::at_rest(Outcome::Seen(SignatureCheck {
            kid: "of-another-cluster".to_owned(),
            alg: "RS256".to_owned(),
            ..SignatureCheck::default()
        }));
        let found = codes(&evidence);
        assert!(found.contains(&"service-account-foreign-cluster"), "{found:?}");
        for other in ["service-account-audience-mismatch", "token-key-foreign", "token-signature-invalid"] {
            assert!(!found.contains(&other), "{other}: {found:?}");
        }
    }

    #[test]
    fn one_line_of_somebody_elses_is_not_the_cause_where_the_configuration_shows_it() {
        let text = include_str!("../../testdata/cases/token-audience-mismatch/evidence.json");
        // Synthetic: the saved server's log was not read. The lines are those of a real 1.36 server; the first is the newest.
        let found = |reasons: &[&str]| {
            let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
            evidence.control_plane.token_review = crate::evidence::Observation::default();
            evidence.control_plane.metrics = crate::evidence::Observation::default();
            let mut matches = Vec::new();
            for (reason, number) in reasons.iter().zip((1..=reasons.len() as u64).rev()) {
                let line = format!(
                    "E1125 04:29:53.002983   27723 authentication.go:75] \"Unable to authenticate the request\" err=\"[invalid bearer token, oidc: {reason}]\""
                );
                matches.extend(message::recognise(&line).into_iter().map(|found| LogMatch {
                    text: found.text.name.to_owned(),
                    fields: found.fields,
                    line: line.clone(),
                    last_line_number: number,
                    count: 1,
                    ..LogMatch::default()
                }));
            }
            let log = Log { lines: reasons.len() as u64, matches, ..Log::default() };
            evidence.control_plane.log = crate::evidence::Observation::at_rest(Outcome::Seen(log));
            crate::report::diagnose(check_all(&Case::new(&evidence)))
        };
        let own = r#"verify token: oidc: expected audience \"kubernetes\" got [\"account-portal\"]"#;
        // The issuer came up, and judged this token then.
        let all = found(&[own, "authenticator not initialized"]);
        assert_eq!((all[0].code, all[0].confidence), ("token-audience-mismatch", Confidence::Certain));
        // Nothing but the configuration says what is wrong with this token.
        let found = found(&["verify token: failed to verify signature: failed to verify id token signature"]);
        assert_eq!((found[0].code, found[0].confidence), ("token-audience-mismatch", Confidence::Likely));
        let other = found.iter().find(|finding| finding.code == "token-key-rotated").expect("the other's");
        assert_eq!(other.confidence, Confidence::Possible);
    }
}
