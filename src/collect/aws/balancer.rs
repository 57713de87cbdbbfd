//! The load balancer in front of an issuer, as Elastic Load Balancing and WAF have it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use aws_sdk_elasticloadbalancingv2 as elb;
use aws_sdk_wafv2 as waf;
use elb::types::{Action as ElbAction, LoadBalancer as ElbLoadBalancer, RuleCondition};
use futures::future::join_all;
use waf::types::{FirewallManagerStatement, OverrideAction, RuleAction, Statement};

use super::clients::{Clients, owned};
use crate::evidence::balancer::{
    Action, Condition, IpSet, Listener, ListenerRule, LoadBalancer, TargetGroupHealth, WebAcl, WebAclRule,
};
use crate::evidence::{Failure, FailureKind, Observation, Outcome};

/// How many load balancers' names are resolved to find the issuer's by its addresses.
const RESOLVED_LIMIT: usize = 100;

/// The load balancer of the account and region that serves `host`: by its own DNS name, or by sharing an address with
/// the host (an alias record shows no name).
///
/// # Errors
/// As [`Clients::failure`]; [`FailureKind::NotFound`] where none serves it, [`FailureKind::NameNotFound`] where that
/// cannot be told because names do not resolve here.
pub async fn load_balancer(clients: &Clients, host: &str, addresses: &[IpAddr]) -> Result<LoadBalancer, Failure> {
    let client = elb::Client::new(&clients.config);
    let mut pages = client.describe_load_balancers().into_paginator().send();
    let mut balancers: Vec<ElbLoadBalancer> = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| clients.failure(&error, "elasticloadbalancing:DescribeLoadBalancers"))?;
        balancers.extend(page.load_balancers().iter().cloned());
    }
    let named =
        balancers.iter().find(|balancer| balancer.dns_name().is_some_and(|name| name.eq_ignore_ascii_case(host)));
    if let Some(found) = named {
        return Ok(told(found, "dns-name"));
    }
    let resolved = join_all(balancers.iter().take(RESOLVED_LIMIT).map(|balancer| async move {
        let found = tokio::net::lookup_host((balancer.dns_name()?, 443)).await.ok()?;
        Some((found.map(|address| address.ip()).any(|address| addresses.contains(&address)), balancer))
    }))
    .await;
    let mut ours = resolved.iter().flatten().filter(|(ours, _)| *ours).map(|(_, balancer)| balancer);
    if let Some(found) = ours.next() {
        let also = ours.map(|balancer| owned(balancer.load_balancer_name())).collect();
        return Ok(LoadBalancer { also, ..told(found, "address") });
    }
    let all = balancers.len();
    let open = resolved.iter().filter(|one| one.is_none()).count() + all.saturating_sub(RESOLVED_LIMIT);
    // "None" is a word about all of them, and an alias record shows only in the addresses.
    let why = if addresses.is_empty() && all > 0 {
        format!("{host} does not resolve here")
    } else if open > 0 {
        format!("the own names of {open} of the {all} load balancers were not resolved here")
    } else {
        let text = format!("none of the {all} load balancers of this account and region serves {host}");
        return Err(Failure::new(FailureKind::NotFound, text));
    };
    let text = format!("{why}, and none has that very name: which of them serves it cannot be told");
    Err(Failure::new(FailureKind::NameNotFound, text))
}

fn told(balancer: &ElbLoadBalancer, found_by: &str) -> LoadBalancer {
    LoadBalancer {
        arn: owned(balancer.load_balancer_arn()),
        name: owned(balancer.load_balancer_name()),
        dns_name: owned(balancer.dns_name()),
        scheme: balancer.scheme().map(|scheme| scheme.as_str().to_owned()).unwrap_or_default(),
        kind: balancer.r#type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        vpc_id: owned(balancer.vpc_id()),
        security_groups: balancer.security_groups().to_vec(),
        subnet_ids: balancer.availability_zones().iter().map(|zone| owned(zone.subnet_id())).collect(),
        ip_address_type: balancer.ip_address_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        state: balancer.state().and_then(|state| Some(state.code()?.as_str().to_owned())).unwrap_or_default(),
        found_by: found_by.to_owned(),
        also: Vec::new(),
    }
}

/// Its listeners.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn listeners(clients: &Clients, arn: &str) -> Result<Vec<Listener>, Failure> {
    let client = elb::Client::new(&clients.config);
    let mut pages = client.describe_listeners().load_balancer_arn(arn).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| clients.failure(&error, "elasticloadbalancing:DescribeListeners"))?;
        found.extend(page.listeners().iter().map(|listener| Listener {
            arn: owned(listener.listener_arn()),
            port: listener.port().unwrap_or_default(),
            protocol: listener.protocol().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
            certificates:
                listener.certificates().iter().map(|certificate| owned(certificate.certificate_arn())).collect(),
        }));
    }
    Ok(found)
}

/// The rules of a listener, by priority, the default one last.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn rules(clients: &Clients, listener: &str) -> Result<Vec<ListenerRule>, Failure> {
    let client = elb::Client::new(&clients.config);
    let mut marker = None;
    let mut found = Vec::new();
    loop {
        let answer = client.describe_rules().listener_arn(listener).set_marker(marker).send().await;
        let answer = answer.map_err(|error| clients.failure(&error, "elasticloadbalancing:DescribeRules"))?;
        found.extend(answer.rules().iter().map(|rule| {
            let mut actions: Vec<Action> = rule.actions().iter().map(action).collect();
            actions.sort_by_key(|action| action.order.unwrap_or(i32::MAX));
            ListenerRule {
                arn: owned(rule.rule_arn()),
                listener_arn: listener.to_owned(),
                priority: rule.priority().and_then(|priority| priority.parse().ok()),
                conditions: rule.conditions().iter().map(condition).collect(),
                actions,
            }
        }));
        marker = answer.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    found.sort_by_key(|rule: &ListenerRule| rule.priority.unwrap_or(u32::MAX));
    Ok(found)
}

fn condition(condition: &RuleCondition) -> Condition {
    let (mut values, mut header): (Vec<String>, Option<String>) = (Vec::new(), None);
    if let Some(config) = condition.source_ip_config() {
        values.extend(config.values().iter().cloned());
    }
    if let Some(config) = condition.path_pattern_config() {
        values.extend(config.values().iter().cloned());
    }
    if let Some(config) = condition.host_header_config() {
        values.extend(config.values().iter().cloned());
    }
    if let Some(config) = condition.http_request_method_config() {
        values.extend(config.values().iter().cloned());
    }
    if let Some(config) = condition.http_header_config() {
        header = config.http_header_name().map(str::to_owned);
        // Any other header is often a secret that a CDN and the balancer share: its name says enough.
        if header.as_deref().is_some_and(|header| header.eq_ignore_ascii_case("user-agent")) {
            values.extend(config.values().iter().cloned());
        }
    }
    if let Some(config) = condition.query_string_config() {
        values.extend(config.values().iter().map(|pair| format!("{}=...", pair.key().unwrap_or_default())));
    }
    // The older spelling, which says the same.
    if values.is_empty() && header.is_none() {
        values.extend(condition.values().iter().cloned());
    }
    let regexes = [
        condition.path_pattern_config().map(|config| config.regex_values()),
        condition.host_header_config().map(|config| config.regex_values()),
        Some(condition.regex_values()),
    ];
    let regexes = regexes.into_iter().flatten().flatten().filter(|_| header.is_none());
    let regexes: Vec<String> = regexes.cloned().collect();
    let regex = values.is_empty() && !regexes.is_empty();
    if regex {
        values = regexes;
    }
    Condition { field: owned(condition.field()), values, regex, header }
}

fn action(action: &ElbAction) -> Action {
    let mut groups: Vec<String> = action.target_group_arn().map(str::to_owned).into_iter().collect();
    if let Some(forward) = action.forward_config() {
        groups.extend(forward.target_groups().iter().filter_map(|group| group.target_group_arn().map(str::to_owned)));
    }
    groups.sort();
    groups.dedup();
    let fixed = action.fixed_response_config().and_then(|config| config.status_code().map(str::to_owned));
    let redirect = action.redirect_config().and_then(|config| Some(config.status_code()?.as_str().to_owned()));
    let oidc = action
        .authenticate_oidc_config()
        .and_then(|config| Some(config.on_unauthenticated_request()?.as_str().to_owned()));
    let cognito = action
        .authenticate_cognito_config()
        .and_then(|config| Some(config.on_unauthenticated_request()?.as_str().to_owned()));
    Action {
        kind: action.r#type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        order: action.order(),
        status: fixed.or(redirect),
        target_groups: groups,
        on_unauthenticated: oidc.or(cognito),
    }
}

/// Health of target groups.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn target_health(clients: &Clients, groups: &[String]) -> Result<Vec<TargetGroupHealth>, Failure> {
    let client = elb::Client::new(&clients.config);
    let answers =
        join_all(groups.iter().map(|group| client.describe_target_health().target_group_arn(group).send())).await;
    let mut found = Vec::new();
    for (group, answer) in groups.iter().zip(answers) {
        let answer = answer.map_err(|error| clients.failure(&error, "elasticloadbalancing:DescribeTargetHealth"))?;
        let targets = answer.target_health_descriptions();
        let state = |target: &elb::types::TargetHealthDescription| {
            target.target_health().and_then(|health| Some(health.state()?.as_str().to_owned())).unwrap_or_default()
        };
        let reasons: BTreeSet<String> = targets
            .iter()
            .filter(|target| state(target) != "healthy")
            .filter_map(|target| Some(target.target_health()?.reason()?.as_str().to_owned()))
            .collect();
        found.push(TargetGroupHealth {
            target_group: group.clone(),
            healthy: targets.iter().filter(|target| state(target) == "healthy").count(),
            total: targets.len(),
            reasons: reasons.into_iter().collect(),
        });
    }
    Ok(found)
}

/// Tags of the load balancer.
///
/// # Errors
/// As [`Clients::failure`].
pub async fn tags(clients: &Clients, arn: &str) -> Result<BTreeMap<String, String>, Failure> {
    let answer = elb::Client::new(&clients.config).describe_tags().resource_arns(arn).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "elasticloadbalancing:DescribeTags"))?;
    let tags = answer.tag_descriptions().iter().flat_map(|description| description.tags());
    Ok(tags.map(|tag| (owned(tag.key()), owned(tag.value()))).collect())
}

/// The web ACL on the load balancer, with the address sets that it names; `None` where it has none.
///
/// # Errors
/// As [`Clients::failure`]; a set that cannot be read is a failure of that set alone.
pub async fn web_acl(clients: &Clients, arn: &str) -> Result<Option<WebAcl>, Failure> {
    let client = waf::Client::new(&clients.config);
    let answer = client.get_web_acl_for_resource().resource_arn(arn).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let failure = clients.failure(&error, "wafv2:GetWebACLForResource");
            return if failure.kind == FailureKind::NotFound { Ok(None) } else { Err(failure) };
        }
    };
    let Some(acl) = answer.web_acl() else { return Ok(None) };
    let mut rules = Vec::new();
    let groups = |group: &waf::types::FirewallManagerRuleGroup, base: i32| WebAclRule {
        name: group.name().to_owned(),
        // Firewall Manager's rules come before all others, or after them.
        priority: base.saturating_add(group.priority()),
        action: overridden(group.override_action()),
        statement: "rule-group".to_owned(),
        reference: group.firewall_manager_statement().and_then(manager_reference),
        forwarded: false,
    };
    rules.extend(acl.pre_process_firewall_manager_rule_groups().iter().map(|group| groups(group, i32::MIN)));
    rules.extend(acl.rules().iter().map(|rule| {
        let (statement, reference, forwarded) = rule.statement().map_or(("other", None, false), what);
        WebAclRule {
            name: rule.name().to_owned(),
            priority: rule.priority(),
            action: rule.action().map_or_else(|| overridden(rule.override_action()), decided),
            statement: statement.to_owned(),
            reference,
            forwarded,
        }
    }));
    rules.extend(acl.post_process_firewall_manager_rule_groups().iter().map(|group| groups(group, i32::MAX / 2)));
    rules.sort_by_key(|rule| rule.priority);
    let sets: BTreeSet<String> = rules
        .iter()
        .filter(|rule| matches!(rule.statement.as_str(), "ip-set" | "not-ip-set"))
        .filter_map(|rule| rule.reference.clone())
        .collect();
    let ip_sets = join_all(sets.into_iter().map(|arn| async {
        let addresses = addresses(clients, &arn).await.map_or_else(Outcome::Failed, Outcome::Seen);
        IpSet { arn, addresses: Observation::at_rest(addresses) }
    }))
    .await;
    let default_action =
        acl.default_action().map_or("", |action| if action.block().is_some() { "block" } else { "allow" });
    Ok(Some(WebAcl {
        arn: acl.arn().to_owned(),
        name: acl.name().to_owned(),
        default_action: default_action.to_owned(),
        rules,
        ip_sets,
    }))
}

fn manager_reference(statement: &FirewallManagerStatement) -> Option<String> {
    let managed = statement.managed_rule_group_statement().map(|group| group.name().to_owned());
    managed.or_else(|| statement.rule_group_reference_statement().map(|group| group.arn().to_owned()))
}

fn overridden(action: Option<&OverrideAction>) -> String {
    if action.is_some_and(|action| action.count().is_some()) { "count" } else { "group" }.to_owned()
}

fn decided(action: &RuleAction) -> String {
    let word = if action.block().is_some() {
        "block"
    } else if action.allow().is_some() {
        "allow"
    } else if action.count().is_some() {
        "count"
    } else if action.captcha().is_some() {
        "captcha"
    } else if action.challenge().is_some() {
        "challenge"
    } else {
        "other"
    };
    word.to_owned()
}

/// What a statement looks at, what it names, and whether it looks at a forwarded header.
fn what(statement: &Statement) -> (&'static str, Option<String>, bool) {
    if let Some(set) = statement.ip_set_reference_statement() {
        return ("ip-set", Some(set.arn().to_owned()), set.ip_set_forwarded_ip_config().is_some());
    }
    if let Some(inner) = statement.not_statement().and_then(|not| not.statement()) {
        return match what(inner) {
            ("ip-set", reference, forwarded) => ("not-ip-set", reference, forwarded),
            _ => ("other", None, false),
        };
    }
    if let Some(group) = statement.managed_rule_group_statement() {
        return ("managed-group", Some(group.name().to_owned()), false);
    }
    if let Some(group) = statement.rule_group_reference_statement() {
        return ("rule-group", Some(group.arn().to_owned()), false);
    }
    let word = if statement.geo_match_statement().is_some() {
        "geo"
    } else if statement.rate_based_statement().is_some() {
        "rate"
    } else if statement.byte_match_statement().is_some() {
        "bytes"
    } else {
        "other"
    };
    (word, None, false)
}

/// The ranges of an address set; name, scope and id are cut out of `...:regional/ipset/NAME/ID`.
async fn addresses(clients: &Clients, arn: &str) -> Result<Vec<String>, Failure> {
    let parts: Vec<&str> = arn.rsplit(':').next().unwrap_or_default().split('/').collect();
    let [scope, "ipset", name, id] = parts.as_slice() else {
        return Err(Failure::new(FailureKind::Malformed, format!("{arn} is no address set")));
    };
    let scope = if *scope == "global" { waf::types::Scope::Cloudfront } else { waf::types::Scope::Regional };
    let answer = waf::Client::new(&clients.config).get_ip_set().name(*name).id(*id).scope(scope).send().await;
    let answer = answer.map_err(|error| clients.failure(&error, "wafv2:GetIPSet"))?;
    // All of them, 10,000 at most (WAF's own limit): who stands in what was left out would be said to be shut out.
    Ok(answer.ip_set().map(|set| set.addresses().to_vec()).unwrap_or_default())
}
