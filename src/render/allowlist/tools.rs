//! The forms for tools: Terraform, AWS CLI, Ingress, nginx, bare ranges.
//!
//! Where no address list exists, the two paths are opened to everybody and everything else stays as it is today: nobody loses
//! a way, nobody gets one more, no login is passed by. What is there already is not printed again; what cannot be carried
//! over faithfully is said in a comment. The order matters and is kept: first what restricts, then what opens.

use std::io::{self, Write};

use ipnet::IpNet;

use crate::render::human;
use crate::report::allowlist::{Allowlist, Kind, authorize};
use crate::report::shell::shell;

/// A rule of a load balancer takes at most five values in all its conditions; the host is one.
const VALUES: usize = 4;

/// What stands at the top of each form.
fn head(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    for warning in &answer.warnings {
        writeln!(out, "# {}", human::plain(warning))?;
    }
    Ok(())
}

/// Sources that can be listed are known.
fn listable(answer: &Allowlist) -> bool {
    answer.direction == "clients" || answer.entries.iter().any(|entry| entry.kind != Kind::Path)
}

/// Only the two paths can be opened.
fn by_path(answer: &Allowlist) -> bool {
    answer.direction == "control-plane" && !listable(answer)
}

/// Ranges and groups, as few as do: where a group is taken, subnets are not needed beside it.
fn sources(answer: &Allowlist, groups: bool) -> (Vec<&str>, Vec<&str>) {
    let all = answer.values(Kind::SecurityGroup);
    if groups && !all.is_empty() {
        (all.into_iter().take(1).collect(), Vec::new())
    } else {
        (Vec::new(), answer.values(Kind::Cidr))
    }
}

/// The same without what the load balancer's security groups let in already.
fn missing(answer: &Allowlist) -> (Vec<&str>, Vec<&str>) {
    let covered = |value: &&str| answer.place.covered.iter().any(|known| known == value);
    let ranges = answer.values(Kind::Cidr);
    let all = !ranges.is_empty() && ranges.iter().all(covered);
    // One of the groups is enough.
    if answer.place.open || all || answer.values(Kind::SecurityGroup).iter().any(covered) {
        return (Vec::new(), Vec::new());
    }
    let (groups, ranges) = sources(answer, true);
    (groups, ranges.into_iter().filter(|range| !covered(range)).collect())
}

/// A line for people.
fn comment(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "# {}", human::plain(text))
}

/// Why nothing is to be added for sources, where nothing is.
fn nothing_missing(answer: &Allowlist) -> Option<&'static str> {
    let place = &answer.place;
    let (groups, ranges) = missing(answer);
    if place.network && place.balancer_groups.is_empty() {
        Some(
            "The network load balancer has no security group of its own: let these sources into the security groups of its targets (the nodes' or Pods'), unless it hides the clients' addresses from them.",
        )
    } else if place.open {
        Some("The load balancer's security groups let everybody in today: nothing is to be added to them.")
    } else if groups.is_empty() && ranges.is_empty() {
        Some("The load balancer's security groups let all of that in today: nothing is to be added to them.")
    } else {
        None
    }
}

/// What stands above the rule that opens the port.
fn port_itself(answer: &Allowlist) -> &'static str {
    if rule_count(answer) == 0 {
        "The port itself, for everybody: the rules that stand there today hand on the two documents, and refuse everything else to whom the security group keeps out."
    } else {
        "Last, when the rules above are in force: the port itself, for everybody."
    }
}

/// What is said where the port needs no opening.
fn port_is_open(answer: &Allowlist) -> &'static str {
    match (answer.place.documents, answer.place.web_acl_refuses) {
        (true, false) => {
            "Everybody gets a connection today, and all other rules stay as they are: nothing else is needed."
        }
        (true, true) => {
            "Everybody gets a connection today, and all other rules of the listener stay as they are: beside this, only the web ACL is to be changed, first, as said above."
        }
        (false, false) => {
            "Everybody gets a connection today, and the rules hand the two documents on: nothing is to be added."
        }
        (false, true) => {
            "Everybody gets a connection today, and the listener's rules hand the two documents on: only the web ACL is to be changed, as said above."
        }
    }
}

/// What the target group's stand-in stands for.
fn target_remark(answer: &Allowlist) -> Option<String> {
    let place = &answer.place;
    if place.target_group.is_some() || place.public_copy {
        None
    } else if place.target_groups.is_empty() {
        Some("TARGET_GROUP_ARN stands for the issuer's target group, which no rule names today.".to_owned())
    } else {
        Some(format!(
            "TARGET_GROUP_ARN stands for the issuer's target group: which of {} it is cannot be told. Where today's rule forwards to several, take them over with their weights.",
            place.target_groups.join(", ")
        ))
    }
}

/// What the new load balancer beside an internal one is to be.
const COPY: &str = "Beside this rule the new load balancer serves nothing: a fixed response (404) as its default action, and its port open to everybody.";

fn group(answer: &Allowlist) -> &str {
    answer.place.balancer_groups.first().map_or("SECURITY_GROUP_OF_THE_LOAD_BALANCER", String::as_str)
}

fn listener(answer: &Allowlist) -> &str {
    answer.place.listener.as_deref().unwrap_or("LISTENER_ARN")
}

fn target(answer: &Allowlist) -> &str {
    answer.place.target_group.as_deref().unwrap_or("TARGET_GROUP_ARN")
}

/// Text inside double quotes, of HCL and JSON alike; templates of HCL are not begun.
fn quoted(text: &str) -> String {
    // JSON's escapes are HCL's too.
    serde_json::Value::from(text).to_string().replace("${", "$${").replace("%{", "%%{")
}

/// A value of YAML, in quotes unless it is plainly a name.
fn yaml(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && text.chars().all(plain);
    if name { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// The first priority for so many rules, before all that the listener has, and what is to be said of it.
fn priorities(answer: &Allowlist, count: usize) -> (usize, String) {
    let Some(taken) = &answer.place.priorities else {
        return (1, "The priorities must be free, and come before those that the listener has.".to_owned());
    };
    let Some(first) = taken.iter().min().and_then(|first| usize::try_from(*first).ok()) else {
        return (1, "The listener has no rule but the default one.".to_owned());
    };
    if first > count {
        let from = first - count;
        return (from, format!("The priorities are free today, and come before the listener's first rule ({first})."));
    }
    (
        1,
        format!(
            "These priorities come first, and are not free: the listener's first rule has {first}. Give its rules higher \
             ones before (aws elbv2 set-rule-priorities)."
        ),
    )
}

/// How many rules of a listener are new.
fn rule_count(answer: &Allowlist) -> usize {
    let restriction = answer.place.kept.as_ref().map_or(0, |kept| kept.chunks(VALUES).count() + 1);
    usize::from(answer.place.documents) + restriction
}

fn list(values: &[&str]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

/// One thing that the forms for a load balancer say, in the order in which it is to be done.
enum Part<'a> {
    /// For people.
    Remark(String),
    /// This group of the cluster's interfaces lets the control plane out.
    Out(&'a str),
    /// The two documents are served to everybody, by a rule of this priority; and what is to be said of it.
    Documents(usize, String),
    /// A security group gets to the port.
    Group(&'a str),
    /// A range does, the so-many-th.
    Range(usize, &'a str),
    /// Some of the ranges that have a way to everything else keep it, by a rule of this priority: the so-many-th rule.
    Kept(usize, usize, Vec<&'a str>),
    /// All others are refused.
    Others(usize),
    /// Everybody gets to the port.
    Everybody,
}

/// What is to be done: on the cluster's side, where nothing gets out of it, and at the load balancer.
fn plan(answer: &Allowlist) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    if let Some(group) = &answer.place.shut_in {
        let remark = "The cluster's side: no rule of its interfaces' groups lets the control plane out to the issuer's port today. What follows after this is about the load balancer.";
        parts.extend([Part::Remark(remark.to_owned()), Part::Out(group)]);
    }
    parts.extend(at_the_load_balancer(answer));
    parts
}

/// What is to be done at the load balancer: first what restricts, then what opens.
fn at_the_load_balancer(answer: &Allowlist) -> Vec<Part<'_>> {
    let place = &answer.place;
    let (first, said) = priorities(answer, rule_count(answer));
    let documents = || Part::Documents(first, said.clone());
    let remark = |text: &str| Part::Remark(text.to_owned());
    let mut parts = Vec::new();
    if !by_path(answer) {
        if let Some(why) = nothing_missing(answer) {
            parts.push(remark(why));
        } else {
            let (groups, ranges) = missing(answer);
            parts.extend(groups.into_iter().map(Part::Group));
            parts.extend(ranges.into_iter().enumerate().map(|(index, range)| Part::Range(index, range)));
        }
        if place.documents && !place.network {
            parts.push(documents());
        }
        return parts;
    }
    if place.network {
        return vec![remark(network_remark(answer))];
    }
    if place.documents {
        parts.push(documents());
    }
    if place.public_copy {
        parts.push(remark(COPY));
        return parts;
    }
    if let Some(kept) = &place.kept {
        parts.push(remark(restriction(kept)));
        let mut priority = first + 1;
        for (index, chunk) in kept.chunks(VALUES).enumerate() {
            parts.push(Part::Kept(index, priority, chunk.iter().map(String::as_str).collect()));
            priority += 1;
        }
        parts.push(Part::Others(priority));
    }
    if place.open {
        parts.push(remark(port_is_open(answer)));
    } else if let Some(why) = &place.closed {
        parts.push(Part::Remark(format!("The port itself is not opened here. {why}")));
    } else {
        parts.extend([remark(port_itself(answer)), Part::Everybody]);
    }
    parts
}

/// Terraform.
///
/// # Errors
/// When the writer fails.
pub fn terraform(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    head(answer, out)?;
    if answer.direction == "clients" {
        let Some(ranges) = wanted_public(answer) else { return comment(out, public_remark(answer)) };
        writeln!(out, "\n# In resource aws_eks_cluster, block vpc_config: what is there today, and what is missing.")?;
        writeln!(
            out,
            "locals {{\n  public_access_cidrs = {}\n}}",
            list(&ranges.iter().map(String::as_str).collect::<Vec<_>>())
        )?;
        return Ok(());
    }
    plan(answer).iter().try_for_each(|part| terraform_part(answer, part, out))
}

fn terraform_part(answer: &Allowlist, part: &Part<'_>, out: &mut dyn Write) -> io::Result<()> {
    const READS: &str = "EKS control plane reads OIDC discovery and keys";
    let port = answer.place.port;
    let ingress = |out: &mut dyn Write, name: &str, source: String, why: &str| {
        writeln!(
            out,
            "\nresource \"aws_vpc_security_group_ingress_rule\" \"{name}\" {{\n  security_group_id = {}\n  {source}\n  ip_protocol       = \"tcp\"\n  from_port         = {port}\n  to_port           = {port}\n  description       = {}\n}}",
            quoted(group(answer)),
            quoted(why)
        )
    };
    let host = quoted(&answer.place.host);
    let rule = |out: &mut dyn Write, name: &str, priority: usize, conditions: &str, action: &str| {
        writeln!(
            out,
            "\nresource \"aws_lb_listener_rule\" \"{name}\" {{\n  listener_arn = {}\n  priority     = {priority}\n\n  condition {{\n    host_header {{\n      values = [{host}]\n    }}\n  }}\n{conditions}\n  action {{\n{action}\n  }}\n}}",
            quoted(listener(answer))
        )
    };
    let condition = |field: &str, values: &[&str]| {
        format!("\n  condition {{\n    {field} {{\n      values = {}\n    }}\n  }}\n", list(values))
    };
    let forward = format!("    type             = \"forward\"\n    target_group_arn = {}", quoted(target(answer)));
    match part {
        Part::Remark(text) => {
            writeln!(out)?;
            comment(out, text)
        }
        Part::Out(group) => {
            let everybody =
                if answer.place.v6 { "cidr_ipv6         = \"::/0\"" } else { "cidr_ipv4         = \"0.0.0.0/0\"" };
            writeln!(
                out,
                "\nresource \"aws_vpc_security_group_egress_rule\" \"eks_control_plane_out\" {{\n  security_group_id = {}\n  {everybody}\n  ip_protocol       = \"tcp\"\n  from_port         = {port}\n  to_port           = {port}\n  description       = {}\n}}",
                quoted(group),
                quoted(READS)
            )
        }
        Part::Documents(priority, said) => {
            writeln!(out, "\n# {said}")?;
            target_remark(answer).map_or(Ok(()), |remark| comment(out, &remark))?;
            let paths = condition("path_pattern", &answer.values(Kind::Path));
            rule(out, "oidc_public_documents", *priority, &paths, &forward)
        }
        Part::Group(value) => {
            ingress(out, "eks_control_plane", format!("referenced_security_group_id = {}", quoted(value)), READS)
        }
        Part::Range(index, range) => {
            let field = if range.contains(':') { "cidr_ipv6" } else { "cidr_ipv4" };
            ingress(out, &format!("eks_control_plane_{index}"), format!("{field} = {}", quoted(range)), READS)
        }
        Part::Kept(index, priority, ranges) => {
            rule(out, &format!("issuer_listed_{index}"), *priority, &condition("source_ip", ranges), &forward)
        }
        Part::Others(priority) => rule(
            out,
            "issuer_others",
            *priority,
            "",
            "    type = \"fixed-response\"\n\n    fixed_response {\n      content_type = \"text/plain\"\n      message_body = \"not on the list\"\n      status_code  = \"403\"\n    }",
        ),
        Part::Everybody => {
            let documents = answer.place.documents.then_some("aws_lb_listener_rule.oidc_public_documents");
            let others = answer.place.kept.as_ref().map(|_| "aws_lb_listener_rule.issuer_others");
            let before: Vec<&str> = documents.into_iter().chain(others).collect();
            let everybody =
                if answer.place.v6 { "cidr_ipv6         = \"::/0\"" } else { "cidr_ipv4         = \"0.0.0.0/0\"" };
            let source = if before.is_empty() {
                everybody.to_owned()
            } else {
                format!("{everybody}\n  depends_on        = [{}]", before.join(", "))
            };
            ingress(out, "issuer_https", source, "OIDC discovery and keys are public, listener rules restrict the rest")
        }
    }
}

/// What the rules behind the first are for.
fn restriction(kept: &[String]) -> &'static str {
    if kept.is_empty() {
        "Everything else on this host stays closed: the security group lets nobody in today."
    } else {
        "Everything else on this host: only for those whom the security group lets in today."
    }
}

/// Why a network load balancer gets nothing.
fn network_remark(answer: &Allowlist) -> &'static str {
    if answer.place.open {
        "It is a network load balancer, and everybody gets a connection today: nothing is to be added."
    } else {
        "Nothing here can be put on a network load balancer: see above."
    }
}

/// `publicAccessCidrs` of today with what is missing; none where nothing is, or there is no public endpoint.
fn wanted_public(answer: &Allowlist) -> Option<Vec<String>> {
    let today = &answer.place.public_access_cidrs;
    let ranges: Vec<IpNet> = today.iter().filter_map(|range| range.parse().ok()).collect();
    let within = |value: &&str| value.parse::<IpNet>().is_ok_and(|one| ranges.iter().any(|range| range.contains(&one)));
    let missing: Vec<&str> = answer.values(Kind::Cidr).into_iter().filter(|value| !within(value)).collect();
    // An empty list lets everybody in.
    if !answer.place.public_endpoint || today.is_empty() || missing.is_empty() {
        return None;
    }
    Some(today.iter().cloned().chain(missing.into_iter().map(str::to_owned)).collect())
}

/// Why `publicAccessCidrs` stays as it is.
fn public_remark(answer: &Allowlist) -> &'static str {
    if answer.place.public_endpoint {
        "publicAccessCidrs lets in today what is known here: nothing is to be added."
    } else {
        "The public endpoint is switched off, and publicAccessCidrs says nothing about the private one: what counts are the security groups on the cluster's interfaces (TCP 443)."
    }
}

/// AWS CLI commands.
///
/// # Errors
/// When the writer fails.
pub fn aws_cli(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    head(answer, out)?;
    if answer.direction == "clients" {
        let Some(ranges) = wanted_public(answer) else { return comment(out, public_remark(answer)) };
        let command = shell!(
            "aws eks update-cluster-config --name {} --resources-vpc-config 'publicAccessCidrs={}'",
            answer.place.cluster,
            ranges.join(",")
        );
        return writeln!(out, "{command}");
    }
    plan(answer).iter().try_for_each(|part| aws_cli_part(answer, part, out))
}

fn aws_cli_part(answer: &Allowlist, part: &Part<'_>, out: &mut dyn Write) -> io::Result<()> {
    let port = answer.place.port;
    let rule = |priority: usize, field: &str, values: &[&str]| {
        shell!(
            "aws elbv2 create-rule --listener-arn {} --priority {} --conditions 'Field=host-header,Values={}' 'Field={},{}={}' --actions 'Type=forward,TargetGroupArn={}'",
            listener(answer),
            priority,
            answer.place.host,
            field,
            if field == "source-ip" { "SourceIpConfig" } else { "Values" },
            if field == "source-ip" { format!("{{Values=[{}]}}", values.join(",")) } else { values.join(",") },
            target(answer)
        )
    };
    let command = match part {
        Part::Remark(text) => return comment(out, text),
        Part::Out(group) if answer.place.v6 => shell!(
            "aws ec2 authorize-security-group-egress --group-id {0} --ip-permissions IpProtocol=tcp,FromPort={1},ToPort={1},Ipv6Ranges='[{{CidrIpv6=::/0}}]'",
            group,
            port
        ),
        Part::Out(group) => shell!(
            "aws ec2 authorize-security-group-egress --group-id {0} --ip-permissions IpProtocol=tcp,FromPort={1},ToPort={1},IpRanges='[{{CidrIp=0.0.0.0/0}}]'",
            group,
            port
        ),
        Part::Documents(priority, said) => {
            comment(out, said)?;
            target_remark(answer).map_or(Ok(()), |remark| comment(out, &remark))?;
            comment(out, "The two public documents, for everybody.")?;
            rule(*priority, "path-pattern", &answer.values(Kind::Path))
        }
        Part::Group(value) => shell!(
            "aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} --source-group {}",
            group(answer),
            port,
            value
        ),
        Part::Range(_, range) => authorize(group(answer), port, range),
        Part::Kept(_, priority, ranges) => rule(*priority, "source-ip", ranges),
        Part::Others(priority) => shell!(
            "aws elbv2 create-rule --listener-arn {} --priority {} --conditions 'Field=host-header,Values={}' --actions 'Type=fixed-response,FixedResponseConfig={{StatusCode=403}}'",
            listener(answer),
            priority,
            answer.place.host
        ),
        Part::Everybody => authorize(group(answer), port, if answer.place.v6 { "::/0" } else { "0.0.0.0/0" }),
    };
    writeln!(out, "{command}")
}

/// Ingresses of the AWS Load Balancer Controller.
///
/// # Errors
/// When the writer fails.
pub fn ingress(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    head(answer, out)?;
    if answer.direction == "clients" {
        return writeln!(
            out,
            "# The API endpoint stands behind no Ingress; publicAccessCidrs is a setting of the cluster (-o aws-cli)."
        );
    }
    let place = &answer.place;
    if !by_path(answer) {
        inbound(answer, out)?;
        return if place.documents && !place.network { documents(answer, out) } else { Ok(()) };
    }
    if place.documents {
        documents(answer, out)?;
    }
    if place.public_copy {
        return comment(out, "The internal Ingress stays as it is; public DNS must name the new load balancer.");
    }
    if place.open {
        return comment(out, port_is_open(answer));
    }
    if let Some(why) = &place.closed {
        return comment(out, &format!("inbound-cidrs stays as it is. {why}"));
    }
    if place.annotations.contains_key("security-groups") {
        return comment(
            out,
            "Beside security-groups inbound-cidrs counts for nothing: kaccess allowlist -o aws-cli opens the port of that group, and says what has to stand before.",
        );
    }
    let (namespace, name, service, _) = served(answer);
    let annotate = |annotation: String| {
        shell!("kubectl annotate --overwrite ingress {} --namespace {} {}", name, namespace, annotation)
    };
    match place.kept.as_deref() {
        None => comment(out, "Last: the port itself; everything else has a condition on the source already.")?,
        Some([]) => {
            return comment(
                out,
                "The security group lets nobody in today: before inbound-cidrs is opened, write those that may reach everything else into a condition on the source (conditions.SERVICE).",
            );
        }
        // Host and path take two of a rule's five values.
        Some(kept) if kept.len() > 3 => {
            return comment(
                out,
                &format!(
                    "The list has to move from inbound-cidrs to conditions on the source, and a rule takes three ranges beside host and path: split these over several paths' Services first ({}).",
                    kept.join(", ")
                ),
            );
        }
        Some(kept) => {
            comment(out, "Last, in this order: the list moves from inbound-cidrs to a condition on the source.")?;
            let values = kept.iter().map(String::as_str).collect::<Vec<_>>();
            let condition = format!(
                "alb.ingress.kubernetes.io/conditions.{service}=[{{\"field\":\"source-ip\",\"sourceIpConfig\":{{\"values\":{}}}}}]",
                list(&values)
            );
            comment(out, &annotate(condition))?;
        }
    }
    let everybody = if place.v6 { "::/0" } else { "0.0.0.0/0" };
    comment(out, &annotate(format!("alb.ingress.kubernetes.io/inbound-cidrs={everybody}")))
}

/// The Ingress that serves the issuer: namespace, name, Service and its port; capitals where it is not known.
fn served(answer: &Allowlist) -> (String, String, String, String) {
    answer
        .place
        .ingress
        .clone()
        .unwrap_or_else(|| ("NAMESPACE".to_owned(), "issuer".to_owned(), "SERVICE".to_owned(), "8080".to_owned()))
}

/// The annotation that lets known sources in.
fn inbound(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    let place = &answer.place;
    if let Some(why) = nothing_missing(answer) {
        return comment(out, why);
    }
    let missing: Vec<&str> =
        answer.values(Kind::Cidr).into_iter().filter(|range| !place.covered.iter().any(|one| one == range)).collect();
    if place.annotations.contains_key("security-groups") {
        return comment(
            out,
            "Beside security-groups inbound-cidrs counts for nothing: kaccess allowlist -o aws-cli adds to that group.",
        );
    }
    let today: Vec<&str> = match (place.annotations.get("inbound-cidrs"), &place.present) {
        (Some(annotation), _) => annotation.split(',').map(str::trim).filter(|range| !range.is_empty()).collect(),
        (None, Some(present)) => present.iter().map(String::as_str).collect(),
        (None, None) => {
            return comment(
                out,
                &format!(
                    "What the security group lets in today holds more than ranges, or could not be read, so inbound-cidrs cannot be written in whole: add {} to it by hand.",
                    missing.join(" and ")
                ),
            );
        }
    };
    let (namespace, name, ..) = served(answer);
    let all: Vec<&str> =
        today.iter().copied().chain(missing.into_iter().filter(|range| !today.contains(range))).collect();
    comment(out, "The Ingress stays as it is but for one annotation, which counts only without security-groups.")?;
    let annotation = format!("alb.ingress.kubernetes.io/inbound-cidrs={}", all.join(","));
    let command = shell!("kubectl annotate --overwrite ingress {} --namespace {} {}", name, namespace, annotation);
    writeln!(out, "{command}")
}

/// What a second Ingress has to have like the first, so that its rules stand on the same port and reach the same targets.
const LIKE: &[&str] = &[
    "backend-protocol",
    "backend-protocol-version",
    "certificate-arn",
    "healthcheck-path",
    "healthcheck-port",
    "healthcheck-protocol",
    "listen-ports",
    "ssl-policy",
    "success-codes",
    "target-type",
];

/// An Ingress for the two documents alone.
fn documents(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    let place = &answer.place;
    let (namespace, name, service, port) = served(answer);
    let copy = place.public_copy;
    let scheme = if copy { "internet-facing" } else { place.scheme.as_deref().unwrap_or("internet-facing") };
    // Ingresses of one group share a load balancer, so a public one needs a group of its own.
    let group = match place.annotations.get("group.name") {
        _ if copy => format!("{name}-public"),
        Some(group) => group.clone(),
        None if place.ingress.is_none() => "GROUP_NAME".to_owned(),
        // The controller finds a load balancer by its group, which for an Ingress without one is the Ingress itself.
        None => {
            return comment(
                out,
                &format!(
                    "Ingress {namespace}/{name} has no group.name, so no second Ingress can share its load balancer, and giving it one makes the controller build another load balancer with another name. By hand: a second Service for the same Pods, and in this Ingress the paths {} (pathType Exact) with that Service, before the others; login and conditions then stand in annotations of the first Service alone.",
                    answer.values(Kind::Path).join(" and ")
                ),
            );
        }
    };
    let order = place.annotations.get("group.order").and_then(|order| order.parse::<i32>().ok()).unwrap_or_default();
    let port = if port.chars().all(|c| c.is_ascii_digit()) {
        format!("number: {port}")
    } else {
        format!("name: {}", yaml(&port))
    };
    let class = yaml(place.ingress_class.as_deref().unwrap_or("alb"));
    let documents = yaml(&format!("{name}-oidc-documents"));
    let (namespace, service) = (yaml(&namespace), yaml(&service));
    let (group, scheme, host) = (yaml(&group), yaml(scheme), yaml(&place.host));
    let which = if copy {
        "An Ingress with a public load balancer of its own"
    } else {
        "A second Ingress of the same group, with a lower order"
    };
    comment(out, &format!("{which}: the two documents, for everybody."))?;
    writeln!(
        out,
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  namespace: {namespace}\n  name: {documents}\n  annotations:\n    alb.ingress.kubernetes.io/scheme: {scheme}\n    alb.ingress.kubernetes.io/group.name: {group}\n    alb.ingress.kubernetes.io/group.order: \"{}\"",
        order.saturating_sub(1).max(-1000)
    )?;
    if place.ingress.is_none() {
        writeln!(out, "    alb.ingress.kubernetes.io/target-type: ip")?;
    }
    for (key, value) in place.annotations.iter().filter(|(key, _)| LIKE.contains(&key.as_str())) {
        writeln!(out, "    alb.ingress.kubernetes.io/{key}: {}", serde_json::Value::from(value.as_str()))?;
    }
    writeln!(out, "spec:\n  ingressClassName: {class}\n  rules:\n  - host: {host}\n    http:\n      paths:")?;
    for path in answer.values(Kind::Path) {
        writeln!(
            out,
            "      - path: {}\n        pathType: Exact\n        backend:\n          service:\n            name: {service}\n            port:\n              {port}",
            yaml(path)
        )?;
    }
    Ok(())
}

/// nginx: what goes into the server block of the issuer.
///
/// # Errors
/// When the writer fails.
pub fn nginx(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    head(answer, out)?;
    if answer.direction == "clients" {
        return writeln!(out, "# The API endpoint stands behind no nginx.");
    }
    writeln!(
        out,
        "# Into the server block of {}, before the location that holds the allow-list.\n# KEYCLOAK stands for what that location passes to; take over its proxy_set_header lines too.",
        human::plain(&answer.place.host)
    )?;
    // Behind a load balancer for HTTP a list of clients refuses everybody.
    let hidden = answer.place.http && !by_path(answer) && !answer.place.open;
    let everybody = hidden || by_path(answer) || answer.place.open;
    if hidden {
        comment(
            out,
            "Behind this load balancer nginx sees the load balancer's addresses as the clients', so a list here would refuse the control plane too: the list belongs in front, into the load balancer's security group (-o aws-cli). Where nginx takes the client's address from X-Forwarded-For (set_real_ip_from, real_ip_header), allow lines for what the control plane comes from may stand here instead of allow all (-o cidr).",
        )?;
    }
    let (_, ranges) = sources(answer, false);
    for path in answer.values(Kind::Path) {
        // nginx has no way to write these in a path.
        if path.contains(|c: char| c.is_control() || c.is_whitespace() || "\"'$;{}\\#".contains(c)) {
            writeln!(out, "# A path that nginx' configuration cannot hold: {}", human::plain(path))?;
            continue;
        }
        // Where addresses are known, they are let in; where none can be, everybody is.
        writeln!(out, "location = {path} {{")?;
        if !everybody {
            writeln!(out, "    # And every allow line of the list that stands there today.")?;
        }
        if everybody {
            writeln!(out, "    allow all;")?;
        } else {
            let mut listed: Vec<&str> = ranges.clone();
            for range in answer.place.present.iter().flatten().map(String::as_str) {
                if !listed.contains(&range) {
                    listed.push(range);
                }
            }
            for range in listed {
                writeln!(out, "    allow {range};")?;
            }
            writeln!(out, "    deny all;")?;
        }
        writeln!(out, "    proxy_pass KEYCLOAK;   # as in your location /\n}}")?;
    }
    Ok(())
}

/// Bare ranges, one a line. Returns false where there are none.
///
/// # Errors
/// When the writer fails.
pub fn cidr(answer: &Allowlist, out: &mut dyn Write) -> io::Result<bool> {
    let ranges = answer.values(Kind::Cidr);
    for range in &ranges {
        writeln!(out, "{range}")?;
    }
    Ok(!ranges.is_empty())
}
