//! One file per finding; this file is the one list.

pub mod complaint;
mod context;
pub mod eks;
pub mod explain;
pub mod links;
pub mod nearness;
pub mod plugin;
pub mod reading;
pub mod renew;
pub mod served;
pub mod way;
pub mod words;

pub use words::Word;

use crate::report::shell::shell;
use jiff::Timestamp;

use crate::apiserver::authn::{CREDENTIAL_ID, Judgement, Keys, judge_token};
use crate::apiserver::configuration::{Configuration, JwtAuthenticator, from_flags};
use crate::apiserver::message::{self, Text};
use crate::aws::{identity, reach, workload as workload_model};
use crate::evidence::{self, Evidence, FailureKind, Observation};
use crate::report::{Citation, Confidence, Finding, Grade, Severity, Step};

/// A finding's page, as `explain` and docs/findings show it.
#[derive(Debug)]
pub struct Page {
    /// What it means for the user.
    pub means: &'static str,
    /// What proves it.
    pub evidence: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Where to read more.
    pub references: &'static str,
}

/// One finding's rule: its code, its page and its check.
pub struct Rule {
    /// Kebab-case code of findings.md.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The problem in one line.
    pub title: &'static str,
    /// Its page.
    pub page: Page,
    /// Texts of the API server that say this.
    pub recognises: &'static [&'static Text],
    /// Codes that are only its consequences.
    pub explains: &'static [&'static str],
    /// The check: pure, silent where the evidence was skipped.
    pub check: fn(&Case<'_>) -> Vec<Finding>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.code)
    }
}

impl Rule {
    /// A finding of this rule; a first citation and a first step are always there.
    pub fn finding(&self, confidence: Confidence, why: impl Into<String>, first: Citation, step: Step) -> Finding {
        Finding {
            code: self.code,
            severity: self.severity,
            confidence,
            title: self.title.to_owned(),
            why: sentence(why.into()),
            cites: vec![first],
            fix: vec![step],
            candidates: Vec::new(),
            explains: self.explains,
            rank: 0,
            explained_by: None,
        }
    }
}

impl Finding {
    /// Replaces the rule's title by one with names in it.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a citation.
    #[must_use]
    pub fn cite(mut self, citation: Citation) -> Self {
        self.cites.push(citation);
        self
    }

    /// Adds a citation, if there is one.
    #[must_use]
    pub fn cite_if(mut self, citation: Option<Citation>) -> Self {
        self.cites.extend(citation);
        self
    }

    /// Adds a step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.fix.push(step);
        self
    }
}

/// A citation of something the server, an API or a log said.
pub fn seen(path: impl Into<String>, text: impl Into<String>) -> Citation {
    Citation { path: path.into(), grade: Grade::Seen, text: text.into() }
}

/// A citation of something tried from this machine.
pub fn probed(path: impl Into<String>, text: impl Into<String>) -> Citation {
    Citation { path: path.into(), grade: Grade::Probed, text: text.into() }
}

/// Begins a sentence with a capital letter where an ordinary word stands first: names, hosts, ids and settings stay as
/// they are written.
fn sentence(text: String) -> String {
    const ORDINARY: &[&str] = &[
        "a",
        "an",
        "any",
        "cluster",
        "container",
        "context",
        "error",
        "every",
        "it",
        "more",
        "no",
        "none",
        "nothing",
        "that",
        "the",
        "this",
        "unable",
        "user",
    ];
    let word = text.split(' ').next().unwrap_or_default();
    if !ORDINARY.contains(&word) {
        return text;
    }
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The first `limit` characters of the first line.
pub fn clip(text: &str, limit: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > limit {
        format!("{}…", line.chars().take(limit).collect::<String>())
    } else {
        line.to_owned()
    }
}

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
    /// On EKS: whether and how the control plane reaches the issuer, by the model.
    pub reach: Option<reach::Reach>,
    /// The same for the key set, where it has a host and a load balancer of its own.
    pub keys_reach: Option<reach::Reach>,
    /// On EKS: as whom the IAM token is signed.
    pub signer: Option<evidence::eks::Caller>,
    /// On EKS: whom that IAM identity becomes, by the model.
    pub mapping: Option<identity::Verdict>,
    /// Where a Pod's AWS identity was asked about: which one it gets, and every link of the chain, by the model.
    pub workload: Option<workload_model::Judged<'a>>,
}

impl<'a> Case<'a> {
    /// Prepares a case.
    pub fn new(evidence: &'a Evidence) -> Self {
        let aws = evidence.aws.as_deref();
        let control = &evidence.control_plane;
        let configuration = [
            (control.flagz.seen(), "/controlPlane/flagz/seen"),
            (control.configuration.seen(), "/controlPlane/configuration/seen"),
            (control.pods.seen().map(|pods| &pods.flags), "/controlPlane/pods/seen/flags"),
        ]
        .into_iter()
        .find_map(|(flags, path)| {
            let configuration = from_flags(flags?).ok()?;
            Some((configuration, path))
        })
        .or_else(|| Some((eks::configuration(aws?)?, "/aws/identityProviders/seen")))
        .or_else(|| Some((from_flags(control.published.seen()?).ok()?, "/controlPlane/published/seen")));
        let mut words = words::collect(evidence);
        words::retain(&mut words, evidence, configuration.as_ref().map(|(configuration, _)| configuration));
        let (reach, keys_reach) = (reach::to_issuer(evidence), reach::to_keys(evidence));
        let (signer, mapping) = (aws.and_then(identity::signer), aws.map(identity::map));
        let workload =
            evidence.workload.as_deref().map(|seen| workload_model::Judged::new(seen, evidence.aws.as_deref()));
        let mut case =
            Self { evidence, words, configuration, expected: None, reach, keys_reach, signer, mapping, workload };
        case.predict();
        case
    }

    /// Where the server's own words are not known but its configuration is, the model says what it would say.
    fn predict(&mut self) {
        if self.evidence.control_plane.token_review.seen().is_some() || self.accepted() {
            return;
        }
        let (Some((configuration, path)), Some(token)) = (&self.configuration, self.token()) else { return };
        // Tokens of IAM are the webhook's.
        if token.kind == evidence::credential::TokenKind::EksIam {
            return;
        }
        let keys = match self.evidence.issuer.signature.seen() {
            Some(signature) => Keys::from(signature),
            None => Keys::Unknown,
        };
        let error = match judge_token(token, configuration, &keys, self.server_time().0) {
            Judgement::Rejected { error } => error,
            Judgement::Authenticated(user) => {
                self.expected = Some(user.username);
                return;
            }
            Judgement::Undecided { .. } => return,
        };
        let path = (*path).to_owned();
        for found in message::recognise(&error) {
            // A silent refusal predicted by the model tells nothing that the rules do not look up themselves.
            if found.text.name != message::NOBODY_CLAIMED.name {
                self.words.push(Word {
                    text: found.text,
                    fields: found.fields,
                    path: path.clone(),
                    line: error.clone(),
                    place: "model",
                    doubtful: false,
                });
            }
        }
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

    /// A claim that is a time in seconds since 1970.
    pub fn claim_time(&self, name: &str) -> Option<Timestamp> {
        let value = self.claim(name)?;
        let seconds = value.as_i64().or_else(|| {
            // Go truncates fractions.
            #[expect(clippy::cast_possible_truncation, reason = "saturates, and out of range is no time")]
            value.as_f64().map(|seconds| seconds as i64)
        })?;
        Timestamp::from_second(seconds).ok()
    }

    /// The token is a service account's, not an identity provider's.
    pub fn is_service_account(&self) -> bool {
        self.token().is_some_and(|token| token.kind == evidence::credential::TokenKind::ServiceAccount)
    }

    /// Namespace and name of the service account that the token names; capitals stand for what it does not say.
    pub fn service_account(&self) -> (&str, &str) {
        self.claim_text("sub")
            .and_then(|sub| sub.strip_prefix("system:serviceaccount:"))
            .and_then(|sub| sub.split_once(':'))
            .unwrap_or(("NAMESPACE", "NAME"))
    }

    /// The word of the server that one of these texts is why it refuses the credential: none where it accepts it, and
    /// none of a message, a log or the model where its TokenReview of this very token says something else.
    pub fn reason(&self, texts: &[&'static Text]) -> Option<&Word> {
        if self.accepted() {
            return None;
        }
        let reviewed = self.evidence.control_plane.token_review.seen().is_some();
        self.words.iter().find(|word| texts.contains(&word.text) && (!reviewed || word.place == "TokenReview"))
    }

    /// The server's TokenReview of this token gave this text and no other reason.
    pub fn reviewed_as(&self, text: &'static Text) -> Option<&Word> {
        self.reason(&[text]).filter(|word| word.place == "TokenReview")
    }

    /// The server's authenticator for the token's issuer, where the configuration is known.
    pub fn authenticator(&self) -> Option<&JwtAuthenticator> {
        let issuer = self.claim_text("iss")?;
        self.configuration.as_ref()?.0.jwt.iter().find(|jwt| jwt.issuer.url == issuer)
    }

    /// The first place that says this text: TokenReview before the user's message before the log.
    pub fn said(&self, text: &'static Text) -> Option<&Word> {
        self.words.iter().find(|word| word.text == text)
    }

    /// The API server accepted the credential: SelfSubjectReview named somebody, or TokenReview did.
    pub fn accepted(&self) -> bool {
        let named = self.evidence.identity.seen().is_some_and(|identity| identity.user.username != "system:anonymous");
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
    pub fn token(&self) -> Option<&evidence::credential::TokenFacts> {
        self.evidence.credential.seen()?.token.as_ref()
    }

    /// The client certificate, where it is the only credential (a token beside it would be taken as well), or where the
    /// server says that it is the one that counted.
    pub fn only_certificate(&self) -> Option<&evidence::tls::CertificateFacts> {
        let credential = self.evidence.credential.seen()?;
        let leaf = credential.certificates.first()?;
        let counted =
            self.evidence.identity.seen().and_then(|identity| identity.user.extra.get(CREDENTIAL_ID)?.first());
        let counted = counted.is_some_and(|id| id.strip_prefix("X509SHA256=") == Some(leaf.sha256.as_str()));
        (credential.token.is_none() || counted).then_some(leaf)
    }

    /// Somebody asked to be taken for nobody (impersonation).
    pub fn wants_anonymous(&self) -> bool {
        let user = self.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
        user.and_then(|user| user.impersonate.as_deref()) == Some("system:anonymous")
    }

    /// The API server saw system:anonymous, and nobody wanted it.
    pub fn anonymous(&self) -> Option<Citation> {
        if self.wants_anonymous() || self.accepted() {
            return None;
        }
        if self.evidence.identity.seen().is_some_and(|identity| identity.user.username == "system:anonymous") {
            return Some(seen("/identity/seen/user/username", "the API server names the user system:anonymous"));
        }
        failed_as(&self.evidence.identity, &[FailureKind::Forbidden])
            .filter(|failure| message::forbidden(&failure.detail).is_some_and(|found| found.user == "system:anonymous"))
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
        let before = [&message::OIDC_NOT_INITIALIZED, &message::NOBODY_CLAIMED, &message::WEBHOOK_TRANSPORT];
        let reviewed = self.evidence.control_plane.token_review.seen().and_then(|review| review.error.as_deref());
        let judged = reviewed.is_some_and(|error| {
            !error.is_empty() && !message::recognise(error).iter().any(|found| before.contains(&found.text))
        });
        let fetched = self.evidence.control_plane.metrics.seen().is_some_and(|metrics| {
            metrics.issuers.iter().any(|issuer| {
                Some(&issuer.issuer_hash) == metrics.token_issuer_hash.as_ref()
                    && (issuer.keys_fetched_at.is_some() || issuer.keys_failed_at.is_some())
            })
        });
        (judged || fetched) && self.said(&message::OIDC_NOT_INITIALIZED).is_none_or(|word| word.place != "TokenReview")
    }

    /// What the metrics say of the token's issuer, and where.
    pub fn issuer_metrics(&self) -> Option<(usize, &evidence::apiserver::IssuerMetrics)> {
        let metrics = self.evidence.control_plane.metrics.seen()?;
        let hash = metrics.token_issuer_hash.as_ref()?;
        metrics.issuers.iter().enumerate().find(|(_, issuer)| issuer.issuer_hash == *hash)
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

    /// `host:port` of the issuer.
    pub fn issuer_place(&self) -> String {
        let (probes, _) = self.issuer();
        let url = probes.target.seen().and_then(|target| url::Url::parse(&target.url).ok());
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

    /// What stands before the API server logs people in itself: without the credential its own page answers, with it
    /// Kubernetes does.
    pub fn proxy_logs_in(&self) -> bool {
        let endpoint = &self.evidence.endpoint;
        let without = endpoint.anonymous.seen().is_some_and(|answer| !of_kubernetes(answer) && answer.status < 500);
        without && endpoint.authenticated.seen().is_some_and(of_kubernetes)
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
    pub fn issuer(&self) -> (&evidence::Issuer, &'static str) {
        match &self.evidence.configured_issuer {
            Some(issuer) => (issuer, "/configuredIssuer"),
            None => (&self.evidence.issuer, "/issuer"),
        }
    }

    /// Whether the API server may have its own CA for the issuer: `None` is unknown.
    pub fn has_oidc_ca(&self) -> Option<bool> {
        // EKS has no field for one.
        if self.evidence.aws.as_ref().is_some_and(|aws| aws.cluster.seen().is_some()) {
            return Some(false);
        }
        let flags = self
            .evidence
            .control_plane
            .flagz
            .seen()
            .or_else(|| self.evidence.control_plane.configuration.seen())
            .or_else(|| Some(&self.evidence.control_plane.pods.seen()?.flags))?;
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

    /// What says that the authenticator for the token's issuer is not up: a word of the server decides it; counted
    /// failures without any key fetch only make it likely.
    pub fn not_initialized(&self) -> Option<(Citation, Confidence)> {
        if let Some(word) = self.said(&message::OIDC_NOT_INITIALIZED) {
            return Some((word.cite(), word.sure()));
        }
        // Where a TokenReview gave another reason, that reason counts.
        if self.evidence.control_plane.token_review.seen().is_some() {
            return None;
        }
        let metrics = self.evidence.control_plane.metrics.seen()?;
        let hash = metrics.token_issuer_hash.as_ref()?;
        let (index, issuer) = metrics.issuers.iter().enumerate().find(|(_, issuer)| issuer.issuer_hash == *hash)?;
        let never = issuer.failures > 0
            && issuer.successes == 0
            && issuer.keys_fetched_at.is_none()
            && issuer.keys_failed_at.is_none();
        never.then(|| {
            (
                seen(
                    format!("/controlPlane/metrics/seen/issuers/{index}"),
                    format!(
                        "metrics: {} tokens of exactly this issuer failed, and its keys were never fetched",
                        issuer.failures
                    ),
                ),
                Confidence::Likely,
            )
        })
    }

    /// The last answer to discovery that the API server's log tells of.
    pub fn logged_discovery_status(&self) -> Option<(&Word, u16)> {
        let word = self.said(&message::OIDC_INIT_HTTP)?;
        Some((word, word.field("status").parse().ok()?))
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
        if reviewed || self.is_service_account() {
            return None;
        }
        self.rejected().map(|cite| (Confidence::Likely, cite))
    }
}

/// How to get a new token, by where this one came from.
pub fn renewal(case: &Case<'_>) -> Step {
    let credential = case.evidence.credential.seen();
    let user = case.evidence.kubeconfig.seen().and_then(|kubeconfig| kubeconfig.user.as_ref());
    if case.is_service_account() {
        let (namespace, name) = case.service_account();
        return Step::command(
            "Have a new token issued for the service account",
            shell!("kubectl create token {} -n {}", name, namespace),
        );
    }
    match credential.map(|credential| credential.source.as_str()) {
        Some("exec") => {
            let exec = user.and_then(|user| user.exec.as_ref());
            let login = exec.is_some_and(|exec| {
                exec.args.iter().any(|arg| arg.contains("oidc-login"))
                    || exec.command.contains("kubelogin")
                    || exec.command.contains("oidc_login")
            });
            if login {
                Step::command(
                    "Throw the plugin's cached token away and log in again",
                    "kubectl oidc-login clean && kubectl get --raw /version",
                )
            } else {
                Step::command(
                    "Run the credential plugin again; it must give a token that is not expired",
                    exec.map_or_else(Default::default, plugin::command),
                )
            }
        }
        Some("argument" | "flag") => {
            Step::text("Take a new token from the identity provider (log in again) and pass that one.")
        }
        _ => Step::command(
            "Log in again at the identity provider, and store the new ID token (or let a plugin such as kubelogin renew it)",
            shell!(
                "kubectl config set-credentials {} --token=\"$ID_TOKEN\"",
                user.map_or("USER", |user| user.name.as_str())
            ),
        ),
    }
}

/// The answer is a kube-apiserver's own: its version, or a Status.
pub fn of_kubernetes(answer: &evidence::apiserver::HttpAnswer) -> bool {
    answer.is_of_kubernetes()
}

/// Whether a probe failed in one of these ways.
pub fn failed_as<'o, T>(observation: &'o Observation<T>, kinds: &[FailureKind]) -> Option<&'o evidence::Failure> {
    observation.failed().filter(|failure| kinds.contains(&failure.kind))
}

/// A name as a DNS label in generated manifests.
pub fn slug(name: &str) -> String {
    let text: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let text = text.trim_matches('-').to_owned();
    let mut short: String = text.chars().take(50).collect();
    if short.is_empty() {
        "user".clone_into(&mut short);
    }
    short.trim_end_matches('-').to_owned()
}

/// Runs every rule; ranks follow the list.
pub fn check_all(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (rank, rule) in RULES.iter().enumerate() {
        for mut finding in (rule.check)(case) {
            finding.rank = rank;
            findings.push(finding);
        }
    }
    context::name_it(case.evidence, &mut findings);
    findings
}

/// The rule of a code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.code == code)
}

macro_rules! registry {
    ($($(#[$doc:meta])* $area:ident { $($rule:ident),* $(,)? })*) => {
        $($(#[$doc])* pub mod $area { $(pub mod $rule;)* })*
        /// Every rule, in the order of the registry.
        pub static RULES: &[&Rule] = &[$($(&$area::$rule::RULE),*),*];
        /// The parts of the registry, with their rules.
        pub static AREAS: &[(&str, &[&Rule])] = &[$((stringify!($area), &[$(&$area::$rule::RULE),*])),*];
    };
}

registry! {
    /// The kubeconfig.
    kubeconfig {
        kubeconfig_not_found, current_context_unset, context_cluster_missing, context_user_missing, context_not_found,
        kubeconfig_unparsable, server_url_wrong_scheme, kubeconfig_ca_mismatch, kubeconfig_ca_unparsable,
        insecure_with_ca, static_credential_shadows_exec, several_credentials, token_has_whitespace, client_key_mismatch,
        client_key_missing, auth_provider_removed, auth_provider_not_built_in, tls_server_name_mismatch,
        credential_file_missing, no_credential, default_impersonation, kubeconfig_duplicate_entry, tls_verification_off,
        kubeconfig_world_readable,
    }
    /// Credential plugins.
    exec {
        exec_plugin_not_found, aws_credentials_unavailable, aws_identity_unexpected, aws_assume_role_denied, exec_api_version_removed,
        exec_api_version_unknown_to_client, exec_api_version_mismatch, exec_denied_by_policy, exec_needs_terminal,
        exec_issuer_unreachable, exec_login_expired, exec_stale_token_cache, exec_token_expired, exec_output_invalid,
        exec_failed, exec_timeout, exec_slow,
    }
    /// The way to the API server.
    endpoint {
        endpoint_stale, endpoint_name_not_found, dns_resolver_unreachable, endpoint_private_off_network,
        private_zone_not_visible, dns_rebinding_filter, dns_search_capture, api_connection_refused,
        api_connection_timeout, public_access_cidr_blocked, api_connection_closed, tls_handshake_timeout,
        ip_family_unreachable, api_host_unreachable, proxy_unreachable, proxy_connect_refused, proxy_auth_required,
        tls_intercepted, no_proxy_missing, authorization_header_stripped, request_header_too_large,
        api_certificate_expired, client_clock_wrong, api_certificate_name_mismatch, api_certificate_legacy_name,
        api_certificate_unusable, cluster_ca_rotated, api_behind_default_certificate, tls_version_mismatch,
        load_balancer_requires_client_certificate, not_a_kubernetes_api, api_unavailable, api_priority_throttled,
    }
    /// What the token itself says.
    token {
        token_expired, token_not_yet_valid, token_issuer_mismatch, token_audience_mismatch, token_not_id_token,
        token_algorithm_not_allowed, token_is_refresh_token, token_key_rotated, token_key_foreign,
        token_signature_invalid, token_not_jwt, username_claim_missing, email_not_verified, email_verified_not_boolean,
        username_claim_wrong_type, groups_claim_wrong_type, groups_claim_missing, groups_overage,
        required_claim_mismatch, claim_validation_failed, authorization_header_malformed, name_prefix_mismatch,
        token_expires_soon, privileged_group_from_issuer,
    }
    /// The OIDC issuer, as the control plane sees it.
    issuer {
        credential_rejected, oidc_not_initialized, issuer_blocks_control_plane, jwks_blocked, issuer_not_found,
        issuer_unavailable, issuer_certificate_untrusted, issuer_document_mismatch, issuer_returns_html,
        oidc_not_configured, oidc_association_pending, oidc_association_failed, issuer_rate_limited, issuer_egress_proxy_denied, issuer_private_dns,
        issuer_unreachable_from_control_plane, issuer_chain_incomplete, issuer_certificate_expired,
        issuer_certificate_name_mismatch, jwks_unreachable, jwks_unparsable, jwks_uri_missing,
        oidc_partly_initialized, authentication_config_not_reloaded, authentication_config_conflict,
        authentication_config_invalid, issuer_equals_service_account_issuer, api_server_clock_wrong,
        issuer_certificate_expires_soon, jwks_cache_delays_rotation,
    }
    /// What stands between the control plane and the issuer, and what is allowed there.
    network {
        allowlist_uses_endpoint_addresses, allowlist_misses_control_plane, allowlist_pins_addresses,
        issuer_internal_load_balancer, listener_rule_blocks_discovery, listener_login_on_discovery,
        waf_may_block_discovery, security_group_blocks_issuer, route_to_issuer_missing, network_acl_blocks_issuer,
        inbound_cidrs_ignored, endpoint_addresses_changed, egress_mode_unknown,
    }
    /// Service account tokens, and the other credentials that the cluster itself hands out.
    serviceaccount {
        service_account_token_expired, service_account_token_revoked, service_account_recreated,
        service_account_audience_mismatch, service_account_foreign_cluster, service_account_issuer_unknown,
        service_account_legacy_token_invalid, service_account_legacy_token, bootstrap_token_invalid,
        static_token_unknown, default_service_account_privileged, service_account_token_not_mounted,
        secret_not_mountable, image_pull_secret_missing,
    }
    /// Client certificates and requests without any credential.
    certificate {
        client_certificate_expired, client_certificate_wrong_usage, client_certificate_no_common_name,
        client_certificate_untrusted, tls_terminated_before_api_server, client_certificate_group_missing,
        client_certificates_unsupported_on_eks, anonymous_request, basic_auth_removed, front_proxy_name_not_allowed, front_proxy_ca_mismatch,
        front_proxy_header_missing, front_proxy_not_configured, aggregated_api_unavailable,
        kubelet_refuses_api_server, kubelet_unreachable, control_plane_proxy_in_the_way,
        authentication_webhook_down, authentication_webhook_refused, client_certificate_expires_soon,
        client_certificate_long_lived, privileged_group_from_certificate, privileged_group_from_front_proxy,
        reserved_group_prefix,
    }
    /// From an IAM identity to a Kubernetes user, on EKS.
    iam {
        iam_identity_not_mapped, aws_auth_role_path, aws_auth_wrong_arn_kind, aws_auth_invalid, aws_auth_duplicate,
        iam_token_wrong_cluster, iam_token_expired, aws_session_expired, sts_endpoint_invalid, sts_throttled,
        sts_unreachable, iam_principal_recreated, authentication_mode_ignores_mapping,
        iam_identity_without_permissions, access_policy_out_of_scope, iam_token_extra_parameters,
        node_identity_unresolved, cluster_creator_only_admin, iam_token_too_large, access_entry_shadows_aws_auth,
        session_name_at_sign, cluster_not_active, iam_permission_missing,
    }
    /// Authorization.
    rbac {
        authorization_webhook_down, authorization_webhook_denied, rbac_default_bindings_removed, impersonation_denied, node_not_in_nodes_group,
        node_authorizer_denied, rbac_escalation, admission_denied, namespace_not_found, resource_not_served,
        rbac_role_missing, rolebinding_to_cluster_scope, rbac_wrong_scope, rbac_subresource_not_granted,
        rbac_wrong_api_group, rbac_resource_names, rbac_group_name_mismatch, rbac_service_account_namespace,
        aggregated_role_not_filled, rbac_verb_missing, rbac_no_grant, authorization_not_enforced,
    }
    /// The AWS identity of Pods.
    workload {
        irsa_annotation_missing, irsa_provider_missing, irsa_trust_provider_mismatch, irsa_trust_subject_mismatch,
        irsa_trust_audience_mismatch, irsa_role_not_found, irsa_not_injected, irsa_issuer_unreachable,
        irsa_audience_mismatch, pod_identity_no_association, pod_identity_agent_missing,
        pod_identity_agent_unreachable, pod_identity_trust_incomplete, pod_identity_not_injected,
        pod_identity_shadows_irsa, kiam_namespace_not_permitted, kiam_role_missing, kiam_tls_invalid,
        kiam_server_unreachable, kiam_trust_mismatch, kiam_abandoned, kiam_session_too_short,
        role_annotation_misplaced, kube2iam_namespace_not_allowed, kube2iam_role_invalid, metadata_unreachable,
        workload_uses_node_role, static_keys_shadow_role, role_annotation_typo,
    }
}
