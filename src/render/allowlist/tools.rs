//! The forms for tools: Terraform, AWS CLI, Ingress, nginx, bare ranges.
//!
//! Where no address list exists, the two paths are opened to everybody and everything else keeps the list it has today.
//! The order matters and is kept: first what restricts, then what opens.

use std::io::{self, Write};

use crate::render::human;
use crate::report::allowlist::{Allowlist, Kind};
use crate::report::shell::{Shell, shell};

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

/// How many rules of a listener the two documents and what is kept for everything else take.
fn rule_count(answer: &Allowlist) -> usize {
    if answer.place.open { 1 } else { 2 + others(answer).chunks(VALUES).count() }
}

fn list(values: &[&str]) -> String {
    format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", "))
}

/// Terraform.
///
/// # Errors
/// When the writer fails.
pub fn terraform(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    head(answer, out)?;
    if answer.direction == "clients" {
        let ranges = wanted_public(answer);
        writeln!(out, "\n# In resource aws_eks_cluster, block vpc_config: what is there today, and what is missing.")?;
        writeln!(
            out,
            "locals {{\n  public_access_cidrs = {}\n}}",
            list(&ranges.iter().map(String::as_str).collect::<Vec<_>>())
        )?;
        return Ok(());
    }
    let port = answer.place.port;
    let ingress = |out: &mut dyn Write, name: &str, source: String, why: &str| {
        writeln!(
            out,
            "\nresource \"aws_vpc_security_group_ingress_rule\" \"{name}\" {{\n  security_group_id = {}\n  {source}\n  ip_protocol       = \"tcp\"\n  from_port         = {port}\n  to_port           = {port}\n  description       = {}\n}}",
            quoted(group(answer)),
            quoted(why)
        )
    };
    if !by_path(answer) {
        let (groups, ranges) = sources(answer, true);
        for value in groups {
            ingress(
                out,
                "eks_control_plane",
                format!("referenced_security_group_id = {}", quoted(value)),
                "EKS control plane reads OIDC discovery and keys",
            )?;
        }
        for (index, range) in ranges.iter().enumerate() {
            let field = if range.contains(':') { "cidr_ipv6" } else { "cidr_ipv4" };
            ingress(
                out,
                &format!("eks_control_plane_{index}"),
                format!("{field} = {}", quoted(range)),
                "EKS control plane reads OIDC discovery and keys",
            )?;
        }
        return Ok(());
    }
    if answer.place.network {
        return writeln!(out, "\n# Nothing here can be put on a network load balancer: see above.");
    }
    let host = quoted(&answer.place.host);
    let rule = |out: &mut dyn Write, name: &str, priority: usize, conditions: &str, action: &str| {
        writeln!(
            out,
            "\nresource \"aws_lb_listener_rule\" \"{name}\" {{\n  listener_arn = {}\n  priority     = {priority}\n\n  condition {{\n    host_header {{\n      values = [{host}]\n    }}\n  }}\n{conditions}\n  action {{\n{action}\n  }}\n}}",
            quoted(listener(answer))
        )
    };
    let forward = format!("    type             = \"forward\"\n    target_group_arn = {}", quoted(target(answer)));
    let paths = answer.values(Kind::Path);
    let (first, said) = priorities(answer, rule_count(answer));
    writeln!(out, "\n# {said}")?;
    rule(
        out,
        "oidc_public_documents",
        first,
        &format!("\n  condition {{\n    path_pattern {{\n      values = {}\n    }}\n  }}\n", list(&paths)),
        &forward,
    )?;
    if answer.place.open {
        return writeln!(out, "\n# Everybody is let in today, so nothing else is needed.");
    }
    writeln!(out, "\n# {}", restriction(answer))?;
    let mut priority = first + 1;
    for (index, chunk) in others(answer).chunks(VALUES).enumerate() {
        let values: Vec<&str> = chunk.iter().map(String::as_str).collect();
        rule(
            out,
            &format!("issuer_listed_{index}"),
            priority,
            &format!("\n  condition {{\n    source_ip {{\n      values = {}\n    }}\n  }}\n", list(&values)),
            &forward,
        )?;
        priority += 1;
    }
    rule(
        out,
        "issuer_others",
        priority,
        "",
        "    type = \"fixed-response\"\n\n    fixed_response {\n      content_type = \"text/plain\"\n      message_body = \"not on the list\"\n      status_code  = \"403\"\n    }",
    )?;
    if answer.place.closed.is_some() {
        return writeln!(out, "\n# The port itself is not opened, for the reason above.");
    }
    writeln!(out, "\n# Last, when the rules above are in force: the port itself, for everybody.")?;
    ingress(
        out,
        "issuer_https",
        "cidr_ipv4         = \"0.0.0.0/0\"\n  depends_on        = [aws_lb_listener_rule.oidc_public_documents, aws_lb_listener_rule.issuer_others]".to_owned(),
        "OIDC discovery and keys are public, listener rules restrict the rest",
    )
}

/// Ranges that keep their way to everything else.
fn others(answer: &Allowlist) -> &[String] {
    // A public copy serves the two documents and nothing else.
    if answer.place.public_copy { &[] } else { &answer.place.present }
}

/// What the rules behind the first are for.
fn restriction(answer: &Allowlist) -> &'static str {
    if others(answer).is_empty() {
        "Nothing else is served on this host."
    } else {
        "Everything else on this host: only for those who are let in today."
    }
}

/// `publicAccessCidrs` of today with what is missing.
fn wanted_public(answer: &Allowlist) -> Vec<String> {
    let mut all = answer.place.public_access_cidrs.clone();
    for value in answer.values(Kind::Cidr) {
        if !all.iter().any(|known| known == value) {
            all.push(value.to_owned());
        }
    }
    all
}

/// AWS CLI commands.
///
/// # Errors
/// When the writer fails.
pub fn aws_cli(answer: &Allowlist, out: &mut dyn Write) -> io::Result<()> {
    head(answer, out)?;
    if answer.direction == "clients" {
        let ranges = wanted_public(answer).join(",");
        let command = shell!(
            "aws eks update-cluster-config --name {} --resources-vpc-config 'publicAccessCidrs={}'",
            answer.place.cluster,
            ranges
        );
        return writeln!(out, "{command}");
    }
    let authorize = |source: &Shell| {
        shell!(
            "aws ec2 authorize-security-group-ingress --group-id {} --protocol tcp --port {} {}",
            group(answer),
            answer.place.port,
            source
        )
    };
    if !by_path(answer) {
        let (groups, ranges) = sources(answer, true);
        for value in groups {
            writeln!(out, "{}", authorize(&shell!("--source-group {}", value)))?;
        }
        for range in ranges {
            if range.contains(':') {
                let command = shell!(
                    "aws ec2 authorize-security-group-ingress --group-id {0} --ip-permissions 'IpProtocol=tcp,FromPort={2},ToPort={2},Ipv6Ranges=[{{CidrIpv6={1}}}]'",
                    group(answer),
                    range,
                    answer.place.port
                );
                writeln!(out, "{command}")?;
            } else {
                writeln!(out, "{}", authorize(&shell!("--cidr {}", range)))?;
            }
        }
        return Ok(());
    }
    if answer.place.network {
        return writeln!(out, "# Nothing here can be put on a network load balancer: see above.");
    }
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
    let (first, said) = priorities(answer, rule_count(answer));
    writeln!(
        out,
        "# {said}\n# 1. The two public documents, for everybody.\n{}",
        rule(first, "path-pattern", &answer.values(Kind::Path))
    )?;
    if answer.place.open {
        return writeln!(out, "# Everybody is let in today, so nothing else is needed.");
    }
    writeln!(out, "# 2. {}", restriction(answer))?;
    let mut priority = first + 1;
    for chunk in others(answer).chunks(VALUES) {
        writeln!(out, "{}", rule(priority, "source-ip", &chunk.iter().map(String::as_str).collect::<Vec<_>>()))?;
        priority += 1;
    }
    let refuse = shell!(
        "aws elbv2 create-rule --listener-arn {} --priority {} --conditions 'Field=host-header,Values={}' --actions 'Type=fixed-response,FixedResponseConfig={{StatusCode=403}}'",
        listener(answer),
        priority,
        answer.place.host
    );
    writeln!(out, "{refuse}")?;
    if answer.place.closed.is_some() {
        return writeln!(out, "# 3. The port itself is not opened, for the reason above.");
    }
    writeln!(out, "# 3. Last: the port itself.\n{}", authorize(&"--cidr 0.0.0.0/0".into()))
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
    let (namespace, name, service, port) = answer
        .place
        .ingress
        .clone()
        .unwrap_or_else(|| ("NAMESPACE".to_owned(), "issuer".to_owned(), "SERVICE".to_owned(), "8080".to_owned()));
    let copy = answer.place.public_copy;
    let scheme = if copy { "internet-facing" } else { answer.place.scheme.as_deref().unwrap_or("internet-facing") };
    // Ingresses of one group share a load balancer, so a public one needs a group of its own.
    let group = if copy { format!("{name}-public") } else { name.clone() };
    let port = if port.chars().all(|c| c.is_ascii_digit()) {
        format!("number: {port}")
    } else {
        format!("name: {}", yaml(&port))
    };
    let (_, ranges) = sources(answer, false);
    let mut present: Vec<&str> = answer.place.present.iter().map(String::as_str).collect();
    if !by_path(answer) {
        if answer.place.open {
            return writeln!(out, "# Everybody is let in today, so nothing is needed.");
        }
        for range in ranges {
            if !present.contains(&range) {
                present.push(range);
            }
        }
        writeln!(
            out,
            "# The Ingress stays as it is but for one annotation, which counts only without security-groups."
        )?;
        let annotation = format!("alb.ingress.kubernetes.io/inbound-cidrs={}", present.join(","));
        let command = shell!("kubectl annotate --overwrite ingress {} --namespace {} {}", name, namespace, annotation);
        return writeln!(out, "{command}");
    }
    let documents = yaml(&format!("{name}-oidc-documents"));
    let conditions = yaml(&format!("alb.ingress.kubernetes.io/conditions.{service}"));
    let (name, namespace, service) = (yaml(&name), yaml(&namespace), yaml(&service));
    let (group, scheme) = (yaml(&group), yaml(scheme));
    let host = &yaml(&answer.place.host);
    let which = if copy {
        "An Ingress with a public load balancer of its own"
    } else {
        "A second Ingress of the same group, with a lower order"
    };
    writeln!(out, "# {which}: the two documents, for everybody.")?;
    writeln!(
        out,
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  namespace: {namespace}\n  name: {documents}\n  annotations:\n    alb.ingress.kubernetes.io/scheme: {scheme}\n    alb.ingress.kubernetes.io/target-type: ip\n    alb.ingress.kubernetes.io/group.name: {group}\n    alb.ingress.kubernetes.io/group.order: \"1\"\nspec:\n  ingressClassName: alb\n  rules:\n  - host: {host}\n    http:\n      paths:"
    )?;
    for path in answer.values(Kind::Path) {
        writeln!(
            out,
            "      - path: {}\n        pathType: Exact\n        backend:\n          service:\n            name: {service}\n            port:\n              {port}",
            yaml(path)
        )?;
    }
    if copy {
        return writeln!(out, "# The internal Ingress stays as it is; public DNS must name the new load balancer.");
    }
    if answer.place.open {
        return writeln!(
            out,
            "# Everybody is let in today: the Ingress there is only has to join the group (group.name: {group})."
        );
    }
    if present.is_empty() {
        return writeln!(
            out,
            "# No range is let in today: write those that may reach everything else into a condition on the source\n# (conditions.{service}) of Ingress {namespace}/{name}, with group.name {group}, before inbound-cidrs is opened."
        );
    }
    // Host and path take two of a rule's five values.
    if present.len() > 3 {
        writeln!(
            out,
            "# These are more ranges than one rule takes beside host and path (3): split them over several paths' Services, or use a prefix in common."
        )?;
    }
    writeln!(
        out,
        "---\n# The Ingress there is: the list moves from the security group (inbound-cidrs) to a condition on the source."
    )?;
    writeln!(
        out,
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  namespace: {namespace}\n  name: {name}\n  annotations:\n    alb.ingress.kubernetes.io/scheme: {scheme}\n    alb.ingress.kubernetes.io/target-type: ip\n    alb.ingress.kubernetes.io/group.name: {name}\n    alb.ingress.kubernetes.io/group.order: \"10\"\n    alb.ingress.kubernetes.io/inbound-cidrs: \"0.0.0.0/0\"\n    {conditions}: >-\n      [{{\"field\":\"source-ip\",\"sourceIpConfig\":{{\"values\":{}}}}}]\nspec:\n  ingressClassName: alb\n  rules:\n  - host: {host}\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          service:\n            name: {service}\n            port:\n              {port}",
        list(&present)
    )
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
    let (_, ranges) = sources(answer, false);
    for path in answer.values(Kind::Path) {
        // nginx has no way to write these in a path.
        if path.contains(|c: char| c.is_control() || c.is_whitespace() || "\"'$;{}\\#".contains(c)) {
            writeln!(out, "# A path that nginx' configuration cannot hold: {}", human::plain(path))?;
            continue;
        }
        // Where addresses are known, they are let in; where none can be, everybody is.
        writeln!(out, "location = {path} {{")?;
        if by_path(answer) || answer.place.open {
            writeln!(out, "    allow all;")?;
        } else {
            let mut listed: Vec<&str> = ranges.clone();
            for range in answer.place.present.iter().map(String::as_str) {
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
