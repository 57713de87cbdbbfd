//! `kaccess allowlist`: what to allow so that the control plane reaches the issuer, or clients the API endpoint.

use std::path::PathBuf;

use clap::ValueEnum;

use super::flags::{Format, OutputArgs};
use super::{BAD, Error, GOOD, NONE, answer, note};
use crate::aws::allowlist::{self, Answer, Direction, NoAnswer};
use crate::aws::egress::{self, Mode};
use crate::aws::reach::Known;
use crate::evidence::Evidence;
use crate::host::Host;
use crate::render::allowlist as render;
use crate::render::json;
use crate::report::Grade;
use crate::report::allowlist::{Allowlist, Drift, Endpoint, Entry, Interface, Kind, Place};

/// Which way the connections go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// From the control plane to the issuer.
    ControlPlane,
    /// From clients to the API endpoint.
    Clients,
}

/// Flags of `allowlist`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kaccess doctor --save evidence.json; kaccess allowlist --from evidence.json\n  \
    kaccess allowlist --from evidence.json --check\n  kaccess allowlist --from evidence.json -o terraform\n  \
    kaccess allowlist --from evidence.json --direction clients")]
pub struct AllowlistArgs {
    /// The issuer that is meant
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Which way the connections go
    #[arg(long, value_enum, default_value = "control-plane", value_name = "DIRECTION")]
    direction: Way,
    /// Compare with what is allowed now; exit code 1 where it differs
    #[arg(long)]
    check: bool,
    /// Answer from saved evidence; opens no connection
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When kaccess itself could not run.
pub fn run(_host: &Host, output: &OutputArgs, arguments: &AllowlistArgs) -> Result<u8, Error> {
    let Some(path) = &arguments.from else {
        return Err(Error::new(
            "allowlist answers from saved evidence",
            "kaccess doctor --save evidence.json, then kaccess allowlist --from evidence.json",
        ));
    };
    let evidence = super::doctor::load_evidence(path)?;
    if let Some(issuer) = &arguments.issuer
        && let Some(target) = evidence.configured_issuer.as_ref().unwrap_or(&evidence.issuer).target.seen()
        && target.url != *issuer
    {
        return Err(Error::new(
            format!("the evidence is about {}, not about {issuer}", target.url),
            format!("kaccess doctor --issuer {issuer} --save evidence.json"),
        ));
    }
    let direction = match arguments.direction {
        Way::ControlPlane => Direction::ControlPlane,
        Way::Clients => Direction::Clients,
    };
    let found = match allowlist::answer(&evidence, direction) {
        Ok(found) => found,
        Err(NoAnswer::NoCluster) => {
            note(
                "the evidence says nothing of an EKS cluster: eks:DescribeCluster could not be read, or it is no EKS cluster",
            );
            return Ok(NONE);
        }
        Err(NoAnswer::NoIssuer) => {
            note(
                "no issuer is known: the credential names none; give one with kaccess doctor --issuer URL --save FILE",
            );
            return Ok(NONE);
        }
    };
    let uncompared = found.uncompared.clone();
    let told = report(&evidence, found, arguments.check);
    let mut text = Vec::new();
    match output.format() {
        Format::Json => json::write_json(&json::headed("Allowlist", to_value(&told)?), &mut text)?,
        Format::Yaml => json::write_yaml(&json::headed("Allowlist", to_value(&told)?), &mut text)?,
        Format::Markdown => render::markdown(&told, &mut text)?,
        Format::Terraform => render::tools::terraform(&told, &mut text)?,
        Format::AwsCli => render::tools::aws_cli(&told, &mut text)?,
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
        Format::Table | Format::Mermaid | Format::Dot => render::table(&told, &mut text)?,
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

fn to_value(told: &Allowlist) -> Result<serde_json::Value, Error> {
    let mut value =
        serde_json::to_value(told).map_err(|error| Error::plain(format!("the answer cannot be written: {error}")))?;
    if !told.egress_mode_assumed
        && let Some(fields) = value.as_object_mut()
    {
        fields.remove("egressModeAssumed");
    }
    Ok(value)
}

/// The model's answer as the report's.
pub fn report(evidence: &Evidence, found: Answer, check: bool) -> Allowlist {
    let aws = evidence.aws.as_deref();
    let cluster = aws.and_then(|aws| aws.cluster.seen());
    let balancer = aws.map(|aws| &aws.issuer_balancer);
    let (host, port, _) = found.issuer.clone().unwrap_or_default();
    let (balancer_groups, listener) = found.load_balancer.clone().unwrap_or_default();
    let ingress = balancer.and_then(|balancer| balancer.ingresses.seen()?.first().cloned()).and_then(|ingress| {
        let rule = ingress.rules.first().cloned()?;
        Some((ingress.namespace, ingress.name, rule.service, rule.port))
    });
    Allowlist {
        direction: if found.direction == Direction::Clients { "clients" } else { "control-plane" },
        egress_mode: found.mode.word().to_owned(),
        egress_mode_assumed: found.mode == Mode::AwsManaged { assumed: true },
        endpoint: Endpoint {
            host: evidence.endpoint.route.seen().map(|route| route.host.clone()).unwrap_or_default(),
            addresses: evidence.endpoint.dns.seen().map(|dns| dns.addresses.clone()).unwrap_or_default(),
        },
        network_interfaces: aws
            .map(egress::interfaces)
            .unwrap_or_default()
            .into_iter()
            .map(|interface| Interface {
                id: interface.id.clone(),
                addresses: interface.private_addresses.iter().chain(&interface.ipv6_addresses).cloned().collect(),
                subnet: interface.subnet_id.clone(),
                security_groups: interface.security_groups.clone(),
                zone: interface.zone.clone(),
            })
            .collect(),
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
                grade: match entry.known {
                    Known::Seen => Grade::Seen,
                    Known::Probed => Grade::Probed,
                    Known::Inferred => Grade::Inferred,
                },
            })
            .collect(),
        warnings: found.warnings,
        drift: check.then(|| {
            let all = found.drift.into_iter();
            all.map(|one| Drift { kind: one.kind, value: one.value, place: one.place, text: one.text }).collect()
        }),
        place: Place {
            cluster: cluster.map(|cluster| cluster.name.clone()).unwrap_or_default(),
            host,
            port,
            balancer_groups,
            listener,
            target_group: found.target_groups.first().cloned(),
            present: found.present,
            open: found.open,
            public_copy: found.public_copy,
            ingress,
            scheme: balancer.and_then(|balancer| Some(balancer.load_balancer.seen()?.scheme.clone())),
            public_access_cidrs: cluster.map(|cluster| cluster.vpc.public_access_cidrs.clone()).unwrap_or_default(),
        },
    }
}
