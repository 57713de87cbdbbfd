//! `kaccess allowlist`: what to allow so that the control plane reaches the issuer, or clients the API endpoint.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;

use super::flags::{AwsArgs, ConnectionArgs, ExecArgs, Format, OutputArgs};
use super::{BAD, Error, GOOD, NONE, answer, columns_of, note};
use crate::aws::allowlist::{self, Answer, NoAnswer};
use crate::aws::egress::{self, Mode};
use crate::aws::identity::eks_cluster;
use crate::aws::reach::is_looked_up;
use crate::collect::plan::{self, Plan};
use crate::evidence::balancer::{Ingress, IngressRule};
use crate::evidence::{Evidence, Outcome};
use crate::host::Host;
use crate::render::allowlist as render;
use crate::render::json;
use crate::report::allowlist::{Allowlist, Drift, Endpoint, Entry, Interface, Kind, Place};
use crate::secret::Scrubber;

/// Which way the connections go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// From the control plane to the issuer.
    ControlPlane,
    /// From clients to the API endpoint.
    Clients,
}

/// Flags of `allowlist`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kaccess allowlist                          what must the issuer's load balancer let in?\n  \
    kaccess allowlist --check                  is it so now?\n  kaccess allowlist -o terraform\n  \
    kaccess allowlist --direction clients      what must clients be able to reach?\n  \
    kaccess doctor --save evidence.json; kaccess allowlist --from evidence.json\n\n\
    Exit codes: 0 answered, 1 --check found a difference, 2 no answer."
)]
pub struct AllowlistArgs {
    /// The issuer that is meant
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Which way the connections go
    #[arg(long, value_enum, default_value = "control-plane", value_name = "DIRECTION")]
    direction: Direction,
    /// Compare with what is allowed now; exit code 1 where it differs
    #[arg(long)]
    check: bool,
    /// Answer from saved evidence; opens no connection
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    exec: ExecArgs,
    /// Limit of the whole run, the plugin not counted
    #[arg(long, default_value = "20s", value_name = "DURATION", value_parser = super::flags::limit)]
    timeout: Duration,
    #[command(flatten)]
    aws: AwsArgs,
}

/// Runs the command.
///
/// # Errors
/// When kaccess itself could not run.
pub fn run(
    host: &Host,
    connection: &ConnectionArgs,
    output: &OutputArgs,
    arguments: &AllowlistArgs,
) -> Result<u8, Error> {
    let evidence = match &arguments.from {
        Some(path) => {
            let mut without_effect = connection.given();
            without_effect.extend(arguments.aws.given());
            super::files::refuse_on_replay("--from", &without_effect)?;
            saved(path, arguments.issuer.as_deref())?
        }
        None => looked(host, connection, arguments)?,
    };
    let direction = match arguments.direction {
        Direction::ControlPlane => allowlist::Direction::ControlPlane,
        Direction::Clients => allowlist::Direction::Clients,
    };
    let found = match allowlist::answer(&evidence, direction) {
        Ok(found) => found,
        Err(NoAnswer::NoCluster) => {
            return Err(without_cluster(&evidence));
        }
        Err(NoAnswer::NoIssuer) => {
            return Err(Error::new("no issuer is known: the credential names none", "give one with --issuer URL"));
        }
    };
    let uncompared = found.uncompared.clone();
    let told = report(&evidence, found, arguments.check);
    let mut text = Vec::new();
    match output.format() {
        Format::Json => json::write_json(&json::headed_view("Allowlist", &told)?, &mut text)?,
        Format::Yaml => json::write_yaml(&json::headed_view("Allowlist", &told)?, &mut text)?,
        Format::Markdown => render::markdown(&told, &mut text)?,
        Format::Terraform => render::tools::terraform(&told, &mut text)?,
        Format::AwsCli => render::aws_cli(&told, &mut text)?,
        Format::Ingress => render::tools::ingress(&told, &mut text)?,
        Format::Nginx => render::tools::nginx(&told, &mut text)?,
        Format::Cidr => {
            // An empty list would look like an answer.
            if !render::tools::cidr(&told, &mut text)? {
                for warning in &told.warnings {
                    note(warning);
                }
                note("there is no range to list; see kaccess allowlist without -o cidr");
                return Ok(NONE);
            }
        }
        // The forms of other commands never come here.
        _ => render::table(&told, columns_of(host), &mut text)?,
    }
    if !output.quiet {
        answer(&text)?;
    }
    if arguments.check {
        for one in &uncompared {
            note(&format!("not compared: {one}"));
        }
        let drifted = told.drift.as_ref().is_some_and(|drift| !drift.is_empty());
        return Ok(match (drifted, uncompared.is_empty()) {
            (true, _) => BAD,
            (false, true) => GOOD,
            (false, false) => NONE,
        });
    }
    Ok(GOOD)
}

/// Why nothing is known of the cluster, with what would help, and with what can be said of any cluster: the issuer's two
/// documents, where they are known.
fn without_cluster(evidence: &Evidence) -> Error {
    let aws = evidence.aws.as_deref();
    let (why, needs) = match aws.map(|aws| &aws.cluster.outcome) {
        Some(Outcome::Failed(failure)) => (failure.detail.as_str(), failure.needs.as_deref()),
        Some(Outcome::Skipped(skip)) => (skip.text.as_str(), skip.needs.as_deref()),
        _ => ("neither the kubeconfig nor a flag speaks of one", None),
    };
    let named = aws.and_then(|aws| aws.target.seen()).is_some_and(|target| target.cluster_origin == "flag");
    let mut hint = match needs {
        Some(needs) => format!("it takes {needs}"),
        None if named => {
            "see whom AWS takes you for, and which clusters are there: aws sts get-caller-identity, aws eks \
                          list-clusters --region REGION"
                .to_owned()
        }
        None => "name the cluster with --eks-cluster NAME --region REGION".to_owned(),
    };
    if let Some(target) = evidence.issuer.target.seen() {
        let discovery = target.document();
        let keys = evidence.issuer.discovery.seen().and_then(|discovery| discovery.jwks_uri.as_deref());
        let keys = keys.unwrap_or("the jwks_uri that it names");
        hint.push_str(&format!(
            "; any API server must be able to read {discovery} and {keys}, which hold public data only"
        ));
    }
    Error::new(format!("nothing is known of an EKS cluster: {why}"), hint)
}

/// Saved evidence, if it is about this issuer.
fn saved(path: &Path, issuer: Option<&str>) -> Result<Evidence, Error> {
    let evidence = super::files::load_evidence(path)?;
    if let Some(issuer) = issuer
        && let Some(target) = evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer).target.seen()
        && target.url != *issuer
    {
        return Err(Error::new(
            format!("the evidence is about {}, not about {issuer}", target.url),
            format!("kaccess doctor --issuer {issuer} --save evidence.json"),
        ));
    }
    Ok(evidence)
}

/// Looks now; a second time where only the first look told which issuer the cluster trusts.
fn looked(host: &Host, connection: &ConnectionArgs, arguments: &AllowlistArgs) -> Result<Evidence, Error> {
    let scrubber = Scrubber::default();
    super::flags::check_issuer(arguments.issuer.as_deref(), &scrubber)?;
    let mut plan = Plan {
        issuer: arguments.issuer.clone(),
        timeout: arguments.timeout,
        aws: arguments.aws.options(),
        ..Plan::of(connection.to_flags(&scrubber).map_err(Error::plain)?, arguments.exec.options(host))
    };
    let runtime = super::diagnosis::runtime()?;
    let mut evidence = runtime.block_on(plan::gather(host, &plan, &scrubber));
    let providers = evidence.aws.as_ref().and_then(|aws| aws.identity_providers.seen());
    let configured: Vec<&str> = providers
        .into_iter()
        .flat_map(|all| &all.configs)
        .filter_map(|config| Some(config.details.seen()?.issuer_url.as_str()))
        .collect();
    if evidence.issuer.target.seen().is_none()
        && let Some(first) = configured.first()
    {
        if configured.len() > 1 {
            note(&format!(
                "the cluster trusts {} issuers; this is about {first}, others with --issuer: {}",
                configured.len(),
                configured[1..].join(", ")
            ));
        }
        plan.issuer = Some((*first).to_owned());
        plan.timeout += host.started.elapsed();
        evidence = runtime.block_on(plan::gather(host, &plan, &scrubber));
    }
    runtime.shutdown_background();
    Ok(evidence)
}

/// The Ingress, and its rule, that serves the issuer's first document: the one with the longest path that holds it.
fn serving<'e>(
    ingresses: &'e [Ingress],
    (host, _, paths): &(String, u16, Vec<String>),
) -> Option<(&'e Ingress, &'e IngressRule)> {
    let document = paths.first()?;
    let rules = ingresses.iter().flat_map(|ingress| ingress.rules.iter().map(move |rule| (ingress, rule)));
    rules
        .filter(|(_, rule)| rule.host.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(host)))
        .filter(|(_, rule)| document.starts_with(rule.path.trim_end_matches('*')))
        .max_by_key(|(_, rule)| (rule.host.is_some(), rule.path.len()))
}

/// The model's answer as the report's.
pub fn report(evidence: &Evidence, found: Answer, check: bool) -> Allowlist {
    let aws = evidence.aws.as_deref();
    let cluster = aws.and_then(|aws| aws.cluster.seen());
    let balancer = aws.filter(|_| is_looked_up(evidence)).map(|aws| &aws.issuer_balancer);
    let (host, port, _) = found.issuer.clone().unwrap_or_default();
    let (balancer_groups, listener) = found.load_balancer.clone().unwrap_or_default();
    let serving = balancer.and_then(|balancer| serving(balancer.ingresses.seen()?, found.issuer.as_ref()?));
    Allowlist {
        direction: if found.direction == allowlist::Direction::Clients { "clients" } else { "control-plane" },
        egress_mode: found.mode.word().to_owned(),
        egress_mode_assumed: found.mode == Mode::AwsManaged { assumed: true },
        endpoint: Endpoint {
            host: evidence.endpoint.route.seen().map(|route| route.host.clone()).unwrap_or_default(),
            addresses: evidence.endpoint.dns.seen().map(|dns| dns.addresses.clone()).unwrap_or_default(),
        },
        network_interfaces: aws.map(egress::interfaces).unwrap_or_default().into_iter().map(Interface::from).collect(),
        security_groups: aws.map(egress::security_groups).unwrap_or_default(),
        entries: found
            .entries
            .into_iter()
            .map(|entry| Entry {
                kind: match entry.kind {
                    allowlist::Kind::SecurityGroup => Kind::SecurityGroup,
                    allowlist::Kind::Cidr => Kind::Cidr,
                    allowlist::Kind::Path => Kind::Path,
                },
                value: entry.value,
                why: entry.why,
                grade: entry.known,
            })
            .collect(),
        warnings: found.warnings,
        uncompared: !found.uncompared.is_empty(),
        drift: check.then(|| {
            let all = found.drift.into_iter();
            all.map(|one| Drift { kind: one.kind, value: one.value, place: one.place, text: one.text }).collect()
        }),
        place: Place {
            cluster: cluster.map(|cluster| cluster.name.clone()).unwrap_or_default(),
            region: cluster.and_then(|cluster| eks_cluster(&cluster.arn)).map(|(_, region)| region.to_owned()),
            host,
            port,
            balancer_groups,
            listener,
            priorities: balancer.and_then(|balancer| balancer.rules.seen()).filter(|_| !found.public_copy).map(
                |rules| {
                    let rules = rules.iter();
                    rules.filter_map(|rule| rule.priority).collect()
                },
            ),
            target_group: match found.target_groups.as_slice() {
                [one] => Some(one.clone()),
                _ => None,
            },
            target_groups: found.target_groups,
            present: found.present,
            covered: found.covered,
            open: found.open,
            documents: found.documents,
            web_acl_refuses: found.web_acl_refuses,
            kept: found.kept,
            v6: found.v6,
            public_copy: found.public_copy,
            http: balancer.and_then(|all| all.load_balancer.seen()).is_some_and(|one| one.kind == "application")
                && !found.public_copy,
            shut_in: found.shut_in,
            network: balancer.and_then(|all| all.load_balancer.seen()).is_some_and(|one| one.kind == "network")
                && !found.public_copy,
            closed: found.closed.clone(),
            ingress: serving.map(|(ingress, rule)| {
                let (namespace, name) = (ingress.namespace.clone(), ingress.name.clone());
                (namespace, name, rule.service.clone(), rule.port.clone())
            }),
            ingress_class: serving.and_then(|(ingress, _)| ingress.class.clone()),
            annotations: serving.map(|(ingress, _)| ingress.annotations.clone()).unwrap_or_default(),
            scheme: balancer.and_then(|balancer| Some(balancer.load_balancer.seen()?.scheme.clone())),
            public_endpoint: cluster.is_some_and(|cluster| cluster.vpc.endpoint_public_access),
            public_access_cidrs: cluster.map(|cluster| cluster.vpc.public_access_cidrs.clone()).unwrap_or_default(),
        },
    }
}
