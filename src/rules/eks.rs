//! What the rules about EKS share: the caller, the cluster, and whether the control plane is kept from the issuer.

use crate::apiserver::configuration::{ClaimRule, Configuration, Issuer, JwtAuthenticator, Mapping};
use crate::apiserver::message::{self, Text};
use crate::aws::addresses;
use crate::aws::allowlist::{self, Kind, Listed, endpoint_addresses, listed};
use crate::aws::egress::Mode;
use crate::aws::identity::{self, Mappings, Verdict};
use crate::aws::reach::{Layer, Passage, Peer, Reach, Step as ReachStep};
use crate::evidence::credential::TokenKind;
use crate::evidence::eks::{Aws, Caller, IdentityProvider};
use crate::evidence::{Evidence, FailureKind};
use crate::report::allowlist::authorize;
use crate::report::shell::{Shell, shell};
use crate::report::{Citation, Confidence, Step, inferred, seen};
use crate::rules::{Case, Place, Word, way};

/// What AWS said.
pub fn aws<'e>(case: &Case<'e>) -> Option<&'e Aws> {
    case.evidence.aws.as_deref()
}

/// The cluster's name for commands.
pub fn cluster(case: &Case<'_>) -> String {
    let aws = aws(case);
    let name = aws.and_then(|aws| aws.cluster.seen().map(|cluster| cluster.name.clone()));
    name.or_else(|| aws?.target.seen().map(|target| target.cluster.clone())).unwrap_or_else(|| "CLUSTER".to_owned())
}

/// The endpoint of the cluster that AWS described and the host that the kubeconfig means, where these are endpoints of two
/// clusters; names of one's own for an endpoint are not known here.
pub fn other_cluster(evidence: &Evidence) -> Option<(String, String)> {
    let host = |url: &str| url::Url::parse(url).ok()?.host_str().map(str::to_lowercase);
    let server = host(&evidence.kubeconfig.seen()?.cluster.as_ref()?.server)?;
    let endpoint = host(evidence.aws.as_deref()?.cluster.seen()?.endpoint.as_deref()?)?;
    (endpoint != server && is_endpoint(&server)).then_some((endpoint, server))
}

/// A name that EKS gives to its endpoints.
fn is_endpoint(host: &str) -> bool {
    [".eks.amazonaws.com", ".eks.amazonaws.com.cn", ".api.aws"].iter().any(|end| host.ends_with(end))
}

/// The regions of those two, where they differ: nothing then says what the cluster is called that the kubeconfig means,
/// and a token has no more of a cluster than its name.
pub fn other_region(evidence: &Evidence) -> Option<(String, String)> {
    let (endpoint, server) = other_cluster(evidence)?;
    let (described, meant) = (identity::region_of_endpoint(&endpoint)?, identity::region_of_endpoint(&server)?);
    (described != meant).then_some((described, meant))
}

/// Through what the control plane leaves, where it is one of EKS.
pub fn egress(case: &Case<'_>) -> Option<Mode> {
    aws(case)?.cluster.seen().map(Mode::of)
}

/// The cluster is one of EKS: nobody sets a flag of its API server, and nobody restarts it.
pub fn is_eks(case: &Case<'_>) -> bool {
    aws(case).is_some() || matches!(way::managed(way::host(case)), Some(way::Managed::Eks(_)))
}

/// The command that associates a provider as it is or was, but for `change`.
pub fn associate_provider(
    case: &Case<'_>,
    name: &str,
    was: Option<&IdentityProvider>,
    issuer: &str,
    change: (&str, &str),
) -> Shell {
    let of = |field: fn(&IdentityProvider) -> Option<&String>| was.and_then(field).map(String::as_str);
    let kept = [
        ("issuerUrl", Some(issuer)),
        ("clientId", Some(was.map_or("CLIENT_ID", |was| was.client_id.as_str()))),
        ("usernameClaim", of(|was| was.username_claim.as_ref())),
        ("usernamePrefix", of(|was| was.username_prefix.as_ref())),
        ("groupsClaim", of(|was| was.groups_claim.as_ref())),
        ("groupsPrefix", of(|was| was.groups_prefix.as_ref())),
    ];
    let mut command = shell!(
        "aws eks associate-identity-provider-config --cluster-name {} --oidc identityProviderConfigName={}",
        cluster(case),
        name
    );
    for (key, value) in kept {
        let value = if key == change.0 { Some(change.1) } else { value };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            command.push(&shell!(",{}={}", key, value));
        }
    }
    command
}

/// EKS changes no provider that is associated: the one of the issuer `now` is taken away, and made again as it was but for
/// `change`, an option of the command and its value.
pub fn associate_anew(case: &Case<'_>, text: &str, now: &str, change: (&str, &str)) -> Step {
    let configs = aws(case).and_then(|aws| aws.identity_providers.seen()).map(|all| all.configs.as_slice());
    let there = configs.unwrap_or_default().iter().find_map(|config| {
        let provider = config.details.seen().filter(|provider| provider.issuer_url == now)?;
        Some((config.name.as_str(), provider))
    });
    let (name, provider) = there.map_or(("NAME", None), |(name, provider)| (name, Some(provider)));
    let required = if there.is_some_and(|(_, provider)| !provider.required_claims.is_empty()) {
        "; give it its required claims again, too"
    } else {
        ""
    };
    Step::command(
        format!(
            "{text} (EKS changes none that is there; the second command works when the first is done, some minutes later{required})"
        ),
        shell!(
            "aws eks disassociate-identity-provider-config --cluster-name {0} --identity-provider-config type=oidc,name={1}\n{2}",
            cluster(case),
            name,
            associate_provider(case, name, provider, now, change)
        ),
    )
}

/// The partition that the cluster is in: by its ARN, else by its region.
pub fn partition<'e>(case: &Case<'e>) -> Option<&'e str> {
    let aws = aws(case)?;
    let by_arn = aws.cluster.seen().and_then(|cluster| identity::Arn::parse(&cluster.arn)).map(|arn| arn.partition);
    by_arn.or_else(|| {
        let region = aws.target.seen().map(|target| target.region.as_str()).filter(|region| !region.is_empty())?;
        Some(identity::partition_of(region))
    })
}

/// The ARN of an access policy, in the cluster's partition.
pub fn access_policy(case: &Case<'_>, name: &str) -> String {
    format!("arn:{}:eks::aws:cluster-access-policy/{name}", partition(case).unwrap_or("aws"))
}

/// The host of STS that an IAM token is for, its partition and the cluster's, where these differ: the authenticator takes
/// hosts of its own partition only.
pub fn foreign_sts<'c>(case: &'c Case<'_>) -> Option<(&'c str, &'static str, &'c str)> {
    let host = case.claim_text("host").filter(|_| is_iam(case))?;
    let theirs = identity::partition_of_sts(host)?;
    let ours = partition(case)?;
    (theirs != ours).then_some((host, theirs, ours))
}

/// EKS' identity providers as the API server has them: the equivalents of the `--oidc-*` flags.
pub fn configuration(aws: &Aws) -> Option<Configuration> {
    let all = aws.identity_providers.seen()?;
    let mut jwt = Vec::new();
    let mut known = true;
    for config in &all.configs {
        let Some(provider) = config.details.seen() else {
            known = false;
            continue;
        };
        // One that is still being made or taken away may or may not be there already.
        if provider.status != "ACTIVE" {
            known = false;
            continue;
        }
        let claim =
            provider.username_claim.clone().filter(|claim| !claim.is_empty()).unwrap_or_else(|| "sub".to_owned());
        let prefix = match provider.username_prefix.as_deref() {
            None | Some("") if claim != "email" => format!("{}#", provider.issuer_url),
            None | Some("" | "-") => String::new(),
            Some(prefix) => prefix.to_owned(),
        };
        let groups = provider.groups_claim.clone().filter(|claim| !claim.is_empty()).map_or(Mapping::None, |claim| {
            Mapping::Claim { claim, prefix: provider.groups_prefix.clone().unwrap_or_default() }
        });
        jwt.push(JwtAuthenticator {
            issuer: Issuer {
                url: provider.issuer_url.clone(),
                audiences: vec![provider.client_id.clone()],
                ..Issuer::default()
            },
            username: Mapping::Claim { claim, prefix },
            groups,
            claim_rules: provider
                .required_claims
                .iter()
                .map(|(claim, value)| ClaimRule::Required { claim: claim.clone(), value: value.clone() })
                .collect(),
            ..JwtAuthenticator::default()
        });
    }
    Some(Configuration {
        source: "EKS' identity provider configurations".to_owned(),
        jwt,
        // The default of the legacy flags; EKS has no field for another.
        signing_algorithms: vec!["RS256".to_owned()],
        service_account_issuers: aws
            .cluster
            .seen()
            .and_then(|cluster| cluster.own_issuer.clone())
            .into_iter()
            .collect(),
        service_account_lookup: true,
        anonymous: true,
        // The webhook judges IAM tokens only; every other token it refuses.
        webhook: false,
        jwt_known: known,
        ..Configuration::default()
    })
}

/// The credential is an IAM token.
pub fn is_iam(case: &Case<'_>) -> bool {
    case.token().is_some_and(|token| token.kind == TokenKind::EksIam)
}

/// The refusal of an IAM token.
pub fn refused(case: &Case<'_>) -> Option<Citation> {
    is_iam(case).then(|| case.rejected()).flatten()
}

/// The caller (with --role-arn the role that the plugin assumes) and what the authenticator compares.
pub fn caller<'c>(case: &'c Case<'_>) -> Option<(&'c Caller, String)> {
    let caller = case.signer.as_ref()?;
    Some((caller, identity::canonical(&caller.arn)?))
}

/// The role that the plugin assumes, as its arguments name it, where that is somebody else than kaccess asks AWS as.
pub fn assumed<'e>(case: &Case<'e>) -> Option<&'e str> {
    let aws = aws(case)?;
    let role = aws.target.seen()?.role_arn.as_deref()?;
    (case.signer.is_some() && aws.caller.seen() != case.signer.as_ref()).then_some(role)
}

/// aws-auth, where the cluster reads it.
pub fn aws_auth(case: &Case<'_>) -> Option<Mappings> {
    let aws = aws(case)?;
    let (mode, _) = identity::Mode::of(aws)?;
    mode.reads_config_map().then_some(())?;
    Some(identity::mappings(&aws.aws_auth.seen()?.data))
}

/// The model says that nothing maps the caller.
pub fn unmapped(case: &Case<'_>) -> bool {
    case.mapping == Some(Verdict::NotMapped)
}

/// A citation of the caller's ARN.
pub fn cite_caller(case: &Case<'_>) -> Option<Citation> {
    let (caller, arn) = caller(case)?;
    if let Some(role) = assumed(case) {
        return Some(seen("/aws/target/seen/roleArn", format!("the plugin signs as {role} (--role-arn)")));
    }
    let text =
        if arn == caller.arn { arn } else { format!("{}, which the authenticator compares as {arn}", caller.arn) };
    Some(seen("/aws/caller/seen/arn", format!("you are {text}")))
}

/// A word of the authenticator about the caller's refusal, and whether it names the caller.
pub fn authenticator_word<'c>(case: &'c Case<'_>, text: &'static Text) -> Option<(&'c Word, bool)> {
    if case.accepted() {
        return None;
    }
    let caller = caller(case);
    let ours = |word: &Word| {
        let named = identity::canonical(word.field("arn"));
        match (&caller, named) {
            (Some((_, arn)), Some(named)) => Some(named.eq_ignore_ascii_case(arn)),
            _ => None,
        }
    };
    let all: Vec<&Word> = case.words.iter().filter(|word| word.text == text && ours(word) != Some(false)).collect();
    let first = all.iter().find(|word| ours(word) == Some(true)).or(all.first())?;
    Some((first, ours(first) == Some(true)))
}

/// How sure a word of the authenticator makes a finding: certain where it names the caller, or where kaccess itself was
/// refused with an IAM token and the word is the message the user met.
pub fn sure(case: &Case<'_>, word: &Word, named: bool) -> Confidence {
    if word.place == Place::TokenReview || ((named || word.place == Place::Met) && refused(case).is_some()) {
        Confidence::Certain
    } else {
        Confidence::Likely
    }
}

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
    let Some(rules) = aws.issuer_balancer.rules.seen() else { return false };
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
pub fn first_step(case: &Case<'_>, found: &Obstacle<'_>) -> Step {
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
                let groups = &aws.issuer_balancer.load_balancer.seen()?.security_groups;
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

/// What follows for everybody who comes with a token of the issuer, as the end of a sentence.
pub fn unread(reach: &Reach) -> String {
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

/// The caller's role or user for commands: with its path where IAM told it.
pub fn principal(case: &Case<'_>) -> String {
    // STS assumes a role by its whole ARN only, the path included.
    if let Some(role) = assumed(case) {
        return role.to_owned();
    }
    aws(case)
        .and_then(|aws| aws.principal.seen())
        .map(|principal| principal.arn.clone())
        .or_else(|| caller(case).map(|(_, arn)| arn))
        .unwrap_or_else(|| "PRINCIPAL_ARN".to_owned())
}

/// The role whose path nothing told here: an access entry wants its ARN with the path, and STS never has it.
fn role_without_path<'p>(case: &Case<'_>, principal: &'p str) -> Option<&'p str> {
    let parsed = identity::Arn::parse(principal).filter(|arn| arn.service == "iam" && arn.kind() == "role")?;
    let of_iam = aws(case).map(|aws| &aws.principal);
    let told = assumed(case).is_some()
        || of_iam.is_some_and(|principal| {
            principal.seen().is_some()
                || principal.failed().is_some_and(|failure| failure.kind == FailureKind::NotFound)
        });
    (!told && parsed.path().is_none()).then(|| parsed.name())
}

/// The step that gives the caller an access entry, as the cluster's mode allows.
pub fn map_caller(case: &Case<'_>) -> Step {
    let cluster = cluster(case);
    let arn = principal(case);
    let mode = aws(case).and_then(identity::Mode::of).map(|(mode, _)| mode);
    let parsed = identity::Arn::parse(&arn);
    if let (Some(own), Some(clusters)) = (parsed.map(|arn| arn.partition), partition(case))
        && own != clusters
    {
        return Step::text(format!(
            "Sign with credentials of an account of the partition {clusters}, which the cluster is in: {arn} is of {own}, and nothing can map it there."
        ));
    }
    // A session of GetFederationToken is its own principal, and access entries take roles and users only.
    let federated = parsed.is_some_and(|arn| arn.service == "sts");
    if federated && mode == Some(identity::Mode::Api) {
        return Step::text(format!(
            "Take a role instead of the federated session (sts:AssumeRole instead of GetFederationToken), and have an access entry made for the role: an access entry takes roles and users only, so {arn} cannot have one."
        ));
    }
    if federated || mode == Some(identity::Mode::ConfigMap) {
        let mapped = identity::without_path(&arn);
        let (section, field) =
            if mapped.contains(":user/") || federated { ("mapUsers", "userarn") } else { ("mapRoles", "rolearn") };
        let instead = if federated {
            " (no access entry can be made for a federated session; a role would be better)"
        } else {
            ""
        };
        return Step::manifest(
            format!(
                "Have an administrator add this to {section} of ConfigMap kube-system/aws-auth (kubectl -n kube-system edit configmap aws-auth), with a group that your RBAC binds{instead}"
            ),
            format!(
                "- {field}: {mapped}\n  username: {}\n  groups:\n  - GROUP\n",
                if field == "userarn" {
                    mapped.rsplit('/').next().unwrap_or("user").to_owned()
                } else {
                    format!("{}:{{{{SessionName}}}}", mapped.rsplit('/').next().unwrap_or("role"))
                }
            ),
        );
    }
    let (first, word, path) = match role_without_path(case, &arn) {
        Some(role) => (
            shell!("arn=$(aws iam get-role --role-name {} --query Role.Arn --output text) && ", role),
            Shell::from("\"$arn\""),
            "the ARN with its path, which IAM is asked for first",
        ),
        None => (Shell::default(), Shell::word(&arn), "the ARN with its path"),
    };
    let entry = shell!("{}aws eks create-access-entry --cluster-name {} --principal-arn {}", first, cluster, word);
    match associate(case, &word) {
        Some(policy) => Step::command(
            format!(
                "Have an administrator of the AWS account make an access entry ({path}), and give it a policy or a group"
            ),
            shell!("{} && {}", entry, policy),
        ),
        None => Step::command(
            format!(
                "Have an administrator of the AWS account make an access entry ({path}) with a group that your RBAC binds: short of the one for everything, no access policy covers what was asked"
            ),
            shell!("{} --kubernetes-groups GROUP", entry),
        ),
    }
}

/// The command that gives an access entry the smallest policy that covers the question, in its namespace; View for the
/// whole cluster where nothing was asked. None where no such policy is to be had. `arn` is the entry's, as a word.
pub fn associate(case: &Case<'_>, arn: &Shell) -> Option<Shell> {
    let question = case.evidence.asked.question.as_ref();
    let policy = question.map_or(Some("AmazonEKSViewPolicy"), identity::policy_for)?;
    let scope = match question.map(|question| question.namespace.as_str()) {
        None | Some("") => "type=cluster".to_owned(),
        Some(namespace) => format!("type=namespace,namespaces={namespace}"),
    };
    Some(shell!(
        "aws eks associate-access-policy --cluster-name {} --principal-arn {} --access-scope {} --policy-arn {}",
        cluster(case),
        arn,
        scope,
        access_policy(case, policy)
    ))
}
