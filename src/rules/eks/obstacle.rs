//! What keeps the control plane from the issuer, and how it is let in.

use super::{aws, cluster};
use crate::apiserver::message;
use crate::aws::addresses;
use crate::aws::allowlist::{self, Kind, Listed, endpoint_addresses, listed};
use crate::aws::egress::Mode;
use crate::aws::reach::{Layer, Passage, Peer, Reach, Step as ReachStep, own_answer};
use crate::evidence::credential::TokenKind;
use crate::report::allowlist::authorize;
use crate::report::shell::{Shell, shell};
use crate::report::{Candidate, Citation, Confidence, Finding, Step, inferred, seen};
use crate::rules::{Case, Rule, Word};

/// The citation of a step of the model.
pub fn cite_step(step: &ReachStep) -> Citation {
    let path = step.path.clone().unwrap_or_else(|| "/aws/cluster/seen".to_owned());
    Citation { path, grade: step.known, text: format!("{}: {}", step.layer.word(), step.text) }
}

/// The citation of the egress mode.
pub fn cite_mode(reach: &Reach) -> Citation {
    match &reach.mode {
        Mode::AwsManaged { assumed: true } => inferred(
            "/aws/cluster/seen/vpc",
            "the API names no egress mode, which means AWS_MANAGED: the control plane leaves through AWS's own network",
        ),
        mode => {
            seen("/aws/cluster/seen/vpc/controlPlaneEgressMode", format!("controlPlaneEgressMode is {}", mode.word()))
        }
    }
}

/// An obstacle between the control plane and the issuer that may be what keeps this user out.
pub struct Obstacle<'c> {
    /// The whole way.
    pub reach: &'c Reach,
    /// The step.
    pub step: &'c ReachStep,
    /// How sure.
    pub confidence: Confidence,
    /// The server's own word that fits it.
    pub word: Option<Citation>,
    /// Addresses and groups that are let in where it stands.
    pub lists: Vec<Listed>,
}

impl Obstacle<'_> {
    /// Those of the listed that are addresses of the endpoint or of the cluster's interfaces, or their group, where the
    /// control plane does not come from there. None where one of the list is right: then others are missing beside it.
    pub fn of_endpoint(&self, case: &Case<'_>) -> Vec<&Listed> {
        let peer = &self.reach.peer;
        if self.lists.iter().any(|listed| listed.lets_in(peer) == Some(true)) {
            return Vec::new();
        }
        let addresses = endpoint_addresses(case.evidence);
        let groups = aws(case).map(crate::aws::egress::security_groups).unwrap_or_default();
        self.lists.iter().filter(|listed| listed.useless(peer, &addresses, &groups)).collect()
    }

    /// The finding of a rule where only the key set is stopped and the API server is not initialized: it fetches keys when
    /// the first token comes, so that is the next fault, and not the cause of this one. None where the API server has asked
    /// for keys, or where it is doubtful that it is not initialized.
    pub fn of_keys_later(&self, rule: &Rule, case: &Case<'_>) -> Option<Finding> {
        let discovery = self.reach.paths.first()?;
        let keys = self.reach.stopped.as_ref().filter(|stopped| *stopped != discovery)?;
        if [&message::JWKS_HTTP, &message::JWKS_UNREACHABLE].into_iter().any(|text| case.said(text).is_some()) {
            return None;
        }
        let (cite, _) = case.not_initialized().filter(|(_, confidence)| *confidence != Confidence::Possible)?;
        let why = format!(
            "The load balancer of {} hands on the request for {discovery}, and not the one for {keys}. That is not why the API server is not initialized: it asks for the keys only later. Once it is initialized, it can check no signature, and refuses every token of this issuer.",
            self.reach.host
        );
        let path = self.step.path.clone().unwrap_or_default();
        let mut finding = rule
            .finding(Confidence::Likely, why, seen(path, self.step.text.clone()), open_two_paths(self.reach))
            .titled("The issuer's load balancer does not hand on the request for the key set, which comes next")
            .cite(cite_mode(self.reach))
            .cite(cite);
        finding.explains = &["jwks-blocked"];
        Some(finding)
    }

    /// The finding of a rule about the allow-list that stands in the way, `list` being the citation of it.
    pub fn finding(&self, rule: &Rule, case: &Case<'_>, why: String, list: Citation) -> Finding {
        let managed = matches!(self.reach.mode, Mode::AwsManaged { .. });
        let or_else = if managed { Some(route_through_vpc(case)) } else { open_paths_at(self) };
        rule.finding(self.confidence, why, list, first_step(case, self))
            .steps(or_else)
            .step(again())
            .cite(cite_mode(self.reach))
            .cite(cite_step(self.step))
            .cite_if(self.word.clone())
    }
}

/// Whether it is open that the API server could read the issuer.
pub fn questioned<'c>(case: &'c Case<'_>) -> Option<&'c Reach> {
    let of_issuer = case.token().is_some_and(|token| token.kind == TokenKind::Jwt);
    if (case.accepted() && of_issuer) || case.initialized() {
        return None;
    }
    of_cluster(case)
}

/// The way to an issuer that the cluster knows, as far as that can be told.
fn of_cluster<'c>(case: &'c Case<'_>) -> Option<&'c Reach> {
    let reach = case.reach.as_ref()?;
    // An issuer that the cluster does not know is another fault.
    let target = case.issuer().0.target.seen()?;
    if let Some(all) = aws(case)?.identity_providers.seen() {
        let known = all.configs.iter().all(|config| config.details.seen().is_some());
        let there = all
            .configs
            .iter()
            .any(|config| config.details.seen().is_some_and(|provider| provider.issuer_url == target.url));
        if known && !there {
            return None;
        }
    }
    Some(reach)
}

/// The obstacle of one layer.
pub fn obstacle<'c>(case: &'c Case<'_>, layer: Layer) -> Option<Obstacle<'c>> {
    let reach = questioned(case)?;
    let step = reach.blocked_at(layer)?;
    let first = reach.obstacle() == Some(step);
    let answered = case.said(&message::OIDC_INIT_HTTP).or_else(|| case.said(&message::OIDC_DISCOVERY_NOT_JSON));
    let silent = [&message::OIDC_INIT_TIMEOUT, &message::JWKS_UNREACHABLE].into_iter().find_map(|text| case.said(text));
    let refused = answered.or_else(|| case.said(&message::JWKS_HTTP));
    let word = match layer {
        Layer::Route | Layer::Acl | Layer::SecurityGroup => {
            // An answer by HTTP came through all of these.
            if refused.is_some() {
                return None;
            }
            silent
        }
        Layer::Rule | Layer::Waf | Layer::Login => {
            // Who gets an answer by HTTP, of whatever status, has a connection.
            if refused.is_none() && without_connection(case) {
                return None;
            }
            refused
        }
        _ => None,
    };
    let confidence = if first && word.is_some() { Confidence::Certain } else { Confidence::Likely };
    let lists = aws(case).map(|aws| listed(aws, reach)).unwrap_or_default();
    let lists = lists.into_iter().filter(|listed| listed.place.layer() == layer).collect();
    let word = word.map(Word::cite).or_else(|| case.not_initialized().map(|(cite, _)| cite));
    Some(Obstacle { reach, step, confidence, word, lists })
}

/// The rule of the issuer's load balancer that takes a request for this path and answers it itself: the status, and the
/// citation of the rule.
fn answer_of_rule(case: &Case<'_>, reach: &Reach, path: &str) -> Option<(u16, Citation)> {
    const RULES: &str = "/aws/issuerBalancer/rules/seen";
    // The model judged by these rules, and not by another load balancer's.
    let judged = reach.step(Layer::Rule)?.path.as_deref()?.starts_with(RULES);
    let rules = aws(case)?.issuer_balancer.rules.seen().filter(|_| judged)?;
    let (index, status) = own_answer(rules, &reach.host, path, &reach.peer)?;
    let named = rules[index].priority.map_or_else(|| "the default rule".to_owned(), |number| format!("rule {number}"));
    let text = format!("{named} of the load balancer takes {path} and answers {status} itself");
    Some((status, seen(format!("{RULES}/{index}"), text)))
}

/// A rule of the issuer's load balancer answers the request for the discovery document with this very status, so that the
/// answer says nothing of the identity provider behind it. The finding of that rule tells it.
pub fn answered_by_rule(case: &Case<'_>, status: u16) -> bool {
    obstacle(case, Layer::Rule).is_some_and(|found| {
        let path = found.reach.paths.first();
        let own = path.and_then(|path| answer_of_rule(case, found.reach, path));
        own.is_some_and(|(own, _)| own == status)
    })
}

/// The rule of the issuer's load balancer that answers 200 itself where the discovery document should be.
pub fn page_of_rule(case: &Case<'_>) -> Option<Citation> {
    let reach = questioned(case)?;
    let (status, cite) = answer_of_rule(case, reach, reach.paths.first()?)?;
    (status == 200).then_some(cite)
}

/// The same where the key set should be.
pub fn page_of_keys_rule(case: &Case<'_>) -> Option<Citation> {
    let reach = of_cluster(case)?;
    let (status, cite) = answer_of_rule(case, reach, reach.paths.get(1)?)?;
    (status == 200).then_some(cite)
}

/// Where the answer to discovery is signed as a load balancer of AWS signs its own, and whether a rule of it answers so is
/// not known: who signed, and the rule as a candidate.
pub fn signed_by_balancer(case: &Case<'_>) -> Option<(String, Candidate)> {
    let (probes, _) = case.issuer();
    let server = [probes.discovery.seen(), probes.discovery_as_control_plane.seen()]
        .into_iter()
        .flatten()
        .find(|discovery| discovery.answer.status != 200)
        .and_then(|discovery| discovery.answer.server.clone())
        .filter(|server| server.starts_with("awselb"))?;
    let judged = case.reach.as_ref().and_then(|reach| reach.step(Layer::Rule)).map(|step| step.judged);
    if judged == Some(Passage::Passes) {
        return None;
    }
    let balancer = aws(case).map(|aws| &aws.issuer_balancer);
    let refused = balancer.and_then(|balancer| {
        [balancer.load_balancer.failed(), balancer.listeners.failed(), balancer.rules.failed()]
            .into_iter()
            .flatten()
            .find_map(|failure| failure.needs.clone())
    });
    let decided_by = match refused {
        Some(needs) => Step::command(
            format!("the listener's rules, which kaccess reads with the permission {needs}"),
            "kaccess doctor",
        ),
        None => Step::command(
            "the rules of the listener: which of them takes the path of the discovery document, and whether it answers itself",
            "aws elbv2 describe-rules --listener-arn LISTENER-ARN",
        ),
    };
    let why = format!(
        "the answer is signed {server}, as a load balancer of AWS signs its own: a rule of it may answer before the identity provider is asked"
    );
    Some((server, Candidate { code: "listener-rule-blocks-discovery", why, decided_by }))
}

/// What stops the request for the key set at the issuer's load balancer, where the API server has read the discovery
/// document and says of the keys what follows from that.
pub struct KeysStopped<'c> {
    /// The whole way.
    pub reach: &'c Reach,
    /// The step.
    pub step: &'c ReachStep,
    /// The server's own word.
    pub word: &'c Word,
}

/// The request for the key set, where this layer of the issuer's load balancer stops it and nothing else.
pub fn keys_stopped<'c>(case: &'c Case<'_>, layer: Layer) -> Option<KeysStopped<'c>> {
    if case.accepted() || !case.initialized() {
        return None;
    }
    let reach = of_cluster(case)?;
    let discovery = reach.paths.first()?;
    let keys = reach.stopped.as_ref().filter(|stopped| *stopped != discovery)?;
    let step = reach.blocked_at(layer)?;
    let status = case.said(&message::JWKS_HTTP);
    let word = match layer {
        // Another status than the rule's is somebody else's.
        Layer::Rule => {
            let (own, _) = answer_of_rule(case, reach, keys)?;
            status.filter(|word| word.field("status") == own.to_string())?
        }
        Layer::Login => {
            let page = case.said(&message::JWKS_UNPARSABLE).filter(|word| word.field("error").contains("'<'"));
            page.or_else(|| status.filter(|word| word.field("status") == "401"))?
        }
        _ => return None,
    };
    Some(KeysStopped { reach, step, word })
}

impl KeysStopped<'_> {
    /// The finding of the rule about that layer.
    pub fn finding(&self, rule: &Rule) -> Finding {
        let reach = self.reach;
        let alone = reach.obstacle() == Some(self.step);
        let confidence = self.word.confidence(true).max(if alone { Confidence::Certain } else { Confidence::Likely });
        let (discovery, keys) =
            (reach.paths.first().map_or("", String::as_str), reach.stopped.as_deref().unwrap_or_default());
        let why = format!(
            "The load balancer of {} hands on the request for {discovery}, and not the one for {keys}: without the keys the API server can check no signature, and refuses every token of this issuer.",
            reach.host
        );
        let path = self.step.path.clone().unwrap_or_default();
        let mut finding = rule
            .finding(confidence, why, seen(path, self.step.text.clone()), open_two_paths(reach))
            .titled("The issuer's load balancer does not hand on the request for the key set")
            .step(Step::command("The next token is judged at once", "kaccess doctor"))
            .cite(cite_mode(reach))
            .cite(self.word.cite());
        finding.explains =
            &["credential-rejected", "jwks-blocked", "jwks-unparsable", "jwks-unreachable", "issuer-rate-limited"];
        finding
    }
}

/// Of obstacles that are as sure as each other, the one that the way meets first is told first. The registry has the lists
/// before routes and network ACLs, which a packet meets before any list.
pub fn in_order_of_the_way(case: &Case<'_>, findings: &mut [Finding]) {
    const FURTHER_ON: &[&str] = &[
        "allowlist-uses-endpoint-addresses",
        "allowlist-misses-control-plane",
        "allowlist-pins-addresses",
        "security-group-blocks-issuer",
    ];
    let first = match questioned(case).and_then(Reach::obstacle).map(|step| step.layer) {
        Some(Layer::Name | Layer::Route) => "route-to-issuer-missing",
        Some(Layer::Acl) => "network-acl-blocks-issuer",
        _ => return,
    };
    let Some(own) = findings.iter().find(|finding| finding.code == first).map(|finding| finding.rank) else { return };
    let later = findings.iter().filter(|finding| FURTHER_ON.contains(&finding.code)).map(|finding| finding.rank);
    let Some(place) = later.filter(|rank| *rank < own).min() else { return };
    for finding in findings.iter_mut().filter(|finding| (place..=own).contains(&finding.rank)) {
        finding.rank = if finding.code == first { place } else { finding.rank + 1 };
    }
}

/// The API server's log says that no connection to the issuer came about, and nothing of an answer.
pub fn without_connection(case: &Case<'_>) -> bool {
    [
        &message::OIDC_INIT_TIMEOUT,
        &message::OIDC_INIT_REFUSED,
        &message::OIDC_INIT_DNS,
        &message::OIDC_INIT_X509,
        &message::JWKS_UNREACHABLE,
    ]
    .into_iter()
    .any(|text| case.said(text).is_some())
}

/// What stops the control plane on its way to the key set, where that has a load balancer of its own: whether it is refused
/// there by an answer, or no connection comes about. Discovery, on its own way, is fine.
pub fn keys_obstacle<'c>(case: &'c Case<'_>, refused: bool) -> Option<(&'c Reach, &'c ReachStep)> {
    let fetched = case.issuer_metrics().is_some_and(|(_, issuer)| issuer.keys_fetched_at > issuer.keys_failed_at);
    if fetched || of_cluster(case)?.obstacle().is_some() {
        return None;
    }
    let reach = case.keys_reach.as_ref()?;
    let step = reach.obstacle()?;
    (matches!(step.layer, Layer::Rule | Layer::Waf | Layer::Login) == refused).then_some((reach, step))
}

/// The obstacle that an allow-list is, wherever it stands: in a security group, a listener's rules, a web ACL.
pub fn list_obstacle<'c>(case: &'c Case<'_>) -> Option<Obstacle<'c>> {
    [Layer::SecurityGroup, Layer::Waf, Layer::Rule].into_iter().find_map(|layer| {
        let found = obstacle(case, layer)?;
        if found.lists.is_empty() || (layer == Layer::Rule && !by_source(case)) || own_egress(&found) {
            return None;
        }
        Some(found)
    })
}

/// It is the interfaces' own group that lets nothing out.
pub fn own_egress(obstacle: &Obstacle<'_>) -> bool {
    obstacle.step.layer == Layer::SecurityGroup
        && obstacle.step.path.as_deref() == Some("/aws/network/securityGroupRules/seen")
}

/// The listener lets the two paths through to those on its lists.
pub fn by_source(case: &Case<'_>) -> bool {
    let (Some(reach), Some(aws)) = (&case.reach, aws(case)) else { return false };
    let Some(rules) = reach.balancer(aws).rules.seen() else { return false };
    let open = crate::aws::reach::without_sources(rules);
    reach.paths.iter().all(|path| {
        crate::aws::reach::taken(&open, &reach.host, path, &reach.peer)
            .is_ok_and(|rule| rule.is_some_and(|(_, rule)| rule.actions.iter().any(|action| action.kind == "forward")))
    })
}

/// The step that opens the two paths to everybody where an obstacle stands, which works in every egress mode; none where
/// it is to be had only with more than that.
pub fn open_paths_at(obstacle: &Obstacle<'_>) -> Option<Step> {
    let reach = obstacle.reach;
    match obstacle.step.layer {
        Layer::Waf => Some(Step::text(format!(
            "Add a rule with the lowest number to the web ACL: allow, where the host is {} and the URI path is exactly {} (both hold public data only).",
            reach.host,
            reach.paths.join(" or ")
        ))),
        // Where sources can be listed, a group's list is no reason to open the port.
        Layer::SecurityGroup if matches!(reach.peer, Peer::Known { .. }) => None,
        _ => Some(open_two_paths(reach)),
    }
}

/// Steps that open the two paths to everybody, which works in every egress mode.
pub fn open_two_paths(reach: &Reach) -> Step {
    Step::command(
        format!(
            "Open exactly {} on {} to every address, and nothing else (both hold public data only); everything else stays as it is. This prints it as Terraform (-o aws-cli, ingress and nginx are others), or says what has to be done by hand first",
            reach.paths.join(" and "),
            reach.host
        ),
        "kaccess allowlist -o terraform",
    )
}

/// What the control plane comes from.
pub fn sources(found: &Obstacle<'_>) -> String {
    match &found.reach.peer {
        Peer::Known { addresses, groups } => {
            let mut all: Vec<String> = groups.iter().map(|group| format!("security group {group}")).collect();
            all.extend(addresses.iter().map(ToString::to_string));
            all.join(", ")
        }
        Peer::Unpublished => "addresses that nobody publishes".to_owned(),
        Peer::Hidden(through) => format!("behind {through}"),
    }
}

/// The step that lets the control plane in: its sources where they are known, else the two paths.
fn first_step(case: &Case<'_>, found: &Obstacle<'_>) -> Step {
    match (&found.reach.peer, open_paths_at(found)) {
        (Peer::Known { .. }, _) | (_, None) => allow_sources(case, found),
        (_, Some(step)) => step,
    }
}

/// The step that allows what the control plane comes from, where the obstacle stands: what is not allowed yet, and as
/// something that stays.
pub fn allow_sources(case: &Case<'_>, found: &Obstacle<'_>) -> Step {
    let reach = found.reach;
    let all = aws(case).map(|aws| allowlist::sources(aws, reach)).unwrap_or_default();
    let of = |kind: Kind| all.iter().filter(move |entry| entry.kind == kind).map(|entry| entry.value.as_str());
    let listed = |value: &&str| {
        let wanted = addresses::range(value);
        found.lists.iter().any(|one| match (one.range, wanted) {
            (Some(range), Some(wanted)) => range.contains(&wanted),
            _ => false,
        })
    };
    let ranges: Vec<&str> = of(Kind::Cidr).filter(|value| !listed(value)).collect();
    let in_words = if ranges.is_empty() { sources(found) } else { ranges.join(", ") };
    match &found.step.layer {
        Layer::SecurityGroup => {
            let own = aws(case).and_then(|aws| {
                let groups = &reach.balancer(aws).load_balancer.seen()?.security_groups;
                allowlist::own_groups(aws, reach, groups).into_iter().next()
            });
            let target = own.as_deref().unwrap_or("SG_OF_THE_LOAD_BALANCER");
            let commands: Vec<Shell> = match of(Kind::SecurityGroup).next() {
                Some(group) => vec![shell!(
                    "aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --source-group {}",
                    target,
                    reach.port,
                    group
                )],
                None => ranges.iter().map(|range| authorize(target, reach.port, range)).collect(),
            };
            let what =
                if all.iter().any(|entry| entry.kind == Kind::SecurityGroup) { sources(found) } else { in_words };
            let text = format!("Allow what the control plane does come from: {what}");
            if commands.is_empty() {
                return Step::command(text, "kaccess allowlist");
            }
            Step::command(text, Shell::join(commands, " && "))
        }
        Layer::Rule => {
            let rules: Vec<String> = found.lists.iter().map(|one| one.place.word()).collect();
            let rule = rules.first().map_or("the listener's rule", String::as_str);
            Step::text(format!(
                "Allow what the control plane does come from: add {in_words} to the source-ip condition of {rule}. A rule takes five values in all its conditions: where it has them, make a second one beside it."
            ))
        }
        Layer::Waf => {
            let place = found.lists.first().map_or_else(|| "the web ACL".to_owned(), |one| one.place.word());
            Step::text(format!(
                "Allow what the control plane does come from: add {in_words} to the address set of {place}."
            ))
        }
        layer => Step::command(
            format!("Allow what the control plane does come from ({}) at the {}", sources(found), layer.word()),
            "kaccess allowlist",
        ),
    }
}

/// The path of the key set, where the load balancer stops the request for it alone, and hands on the one for discovery.
pub fn keys_alone(reach: &Reach) -> Option<&str> {
    reach.obstacle().filter(|step| matches!(step.layer, Layer::Rule | Layer::Login))?;
    let stopped = reach.stopped.as_deref()?;
    (reach.paths.first().map(String::as_str) != Some(stopped)).then_some(stopped)
}

/// What follows for everybody who comes with a token of the issuer, as the end of a sentence.
pub fn unread(reach: &Reach) -> String {
    if let Some(keys) = keys_alone(reach) {
        return format!(
            "so the API server never reads the keys at {keys}, can check no signature, and refuses every token of this issuer"
        );
    }
    format!(
        "so the API server never reads what stands at {}, and refuses every token of this issuer",
        reach.paths.join(" and ")
    )
}

/// The alternative: the control plane leaves through the customer's VPC.
pub fn route_through_vpc(case: &Case<'_>) -> Step {
    Step::command(
        "Or let the control plane leave through your VPC (it cannot be undone; the issuer's certificate must be publicly trusted, and the subnets need a way to it)",
        shell!(
            "aws eks update-cluster-config --name {} --resources-vpc-config controlPlaneEgressMode=CUSTOMER_ROUTED",
            cluster(case)
        ),
    )
}

/// The API server tries again by itself.
pub fn again() -> Step {
    Step::command("The API server tries again every 10 s, without a restart; then", "kaccess doctor")
}

/// A step of the model that could not be judged, for rules that tell of it.
pub fn unknown_at(reach: &Reach, layer: Layer) -> Option<&ReachStep> {
    reach.step(layer).filter(|step| step.judged == Passage::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::apiserver::{Log, LogMatch};
    use crate::evidence::{Evidence, Observation, Outcome};
    use crate::rules::network::listener_rule_blocks_discovery::RULE;

    /// Whether the keys are the next fault where the log has these lines, each so many seconds before its end.
    fn later(lines: &[(i64, &str)]) -> bool {
        let text = include_str!("../../../testdata/cases/eks-listener-rule-blocks-keys/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let end = evidence.observed_at;
        let stamp = |ago: i64| {
            let time = end - jiff::SignedDuration::from_secs(ago);
            Some(time.strftime("%m-%d %H:%M:%S.000000").to_string())
        };
        let matches = lines.iter().zip(1..).flat_map(|((ago, line), number)| {
            message::recognise(line).into_iter().map(move |found| LogMatch {
                text: found.text.name.to_owned(),
                fields: found.fields,
                line: (*line).to_owned(),
                last_line_number: number,
                last_seen: stamp(*ago),
                ..LogMatch::default()
            })
        });
        let log = Log { last_seen: stamp(0), matches: matches.collect(), ..Log::default() };
        evidence.control_plane.log = Observation::at_rest(Outcome::Seen(log));
        let case = Case::new(&evidence);
        let found = obstacle(&case, Layer::Rule).expect("an obstacle");
        found.of_keys_later(&RULE, &case).is_some()
    }

    #[test]
    fn discovery_is_not_said_to_be_stopped_where_the_keys_alone_are() {
        let said = |text: &str| {
            let evidence: Evidence = serde_json::from_str(text).expect("evidence");
            let case = Case::new(&evidence);
            let found = obstacle(&case, Layer::Rule).expect("an obstacle");
            unread(found.reach)
        };
        let keys = said(include_str!("../../../testdata/cases/eks-listener-rule-blocks-keys/evidence.json"));
        assert!(keys.contains("/certs") && !keys.contains(".well-known"), "{keys}");
        let both = said(include_str!("../../../testdata/cases/eks-listener-rule-blocks-discovery/evidence.json"));
        assert!(both.contains("/certs") && both.contains(".well-known"), "{both}");
    }

    #[test]
    fn keys_that_were_asked_for_are_no_later_fault() {
        const DOWN: &str = "invalid bearer token, oidc: authenticator not initialized";
        const KEYS: &str = "invalid bearer token, oidc: verify token: failed to verify signature: fetching keys oidc: get keys failed: 403 Forbidden <html>";
        assert!(!later(&[]));
        assert!(later(&[(0, DOWN)]));
        assert!(!later(&[(1, KEYS), (0, DOWN)]));
        // The log goes on for minutes without that line.
        assert!(!later(&[(400, DOWN)]));
    }
}
