//! The load balancer in front of an issuer, layer by layer: one observation for each API call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Observation;

/// What Elastic Load Balancing and WAF said about one load balancer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Balancer {
    /// The load balancer (`elasticloadbalancing:DescribeLoadBalancers`). `NotApplicable` where none of the account and
    /// region has the issuer's name or addresses: it is somewhere else. Failed (`name-not-found`) where names do not resolve
    /// here, so that which of them it is cannot be told.
    pub load_balancer: Observation<LoadBalancer>,
    /// Its listeners (`elasticloadbalancing:DescribeListeners`).
    pub listeners: Observation<Vec<Listener>>,
    /// The rules of the listener on the issuer's port (`elasticloadbalancing:DescribeRules`), by priority, default last.
    pub rules: Observation<Vec<ListenerRule>>,
    /// Health of the targets that these rules forward to (`elasticloadbalancing:DescribeTargetHealth`).
    pub target_health: Observation<Vec<TargetGroupHealth>>,
    /// The web ACL on it (`wafv2:GetWebACLForResource`). `NotApplicable` where it has none.
    pub web_acl: Observation<WebAcl>,
    /// Tags (`elasticloadbalancing:DescribeTags`): who made it.
    pub tags: Observation<BTreeMap<String, String>>,
    /// The Ingresses of this cluster whose status names it, with the annotations of `alb.ingress.kubernetes.io`.
    pub ingresses: Observation<Vec<Ingress>>,
}

/// A load balancer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancer {
    /// ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// Its own DNS name.
    pub dns_name: String,
    /// `internal` or `internet-facing`.
    pub scheme: String,
    /// `application`, `network` or `gateway`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its VPC.
    pub vpc_id: String,
    /// Ids of its security groups; a network load balancer may have none.
    pub security_groups: Vec<String>,
    /// Its subnets.
    pub subnet_ids: Vec<String>,
    /// `ipv4`, `dualstack` or `dualstack-without-public-ipv4`.
    pub ip_address_type: String,
    /// `active`, `provisioning`, `active_impaired` or `failed`.
    pub state: String,
    /// How it was found: `dns-name` (the issuer's name is, or is an alias of, its DNS name) or `address`.
    pub found_by: String,
    /// Names of other load balancers that share the host's addresses: it leads to them too, by turns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
}

/// A listener.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    /// ARN.
    pub arn: String,
    /// Port.
    pub port: i32,
    /// `HTTPS`, `HTTP`, `TLS`, `TCP`, ...
    pub protocol: String,
    /// ARNs of its certificates, the default one first.
    pub certificates: Vec<String>,
}

/// A rule of a listener.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerRule {
    /// ARN.
    pub arn: String,
    /// The listener it belongs to.
    pub listener_arn: String,
    /// Priority as a number; absent for the default rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// All of them must hold; none on the default rule.
    pub conditions: Vec<Condition>,
    /// Its actions, in their order.
    pub actions: Vec<Action>,
}

/// A condition of a listener rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// `source-ip`, `path-pattern`, `host-header`, `http-header`, `http-request-method` or `query-string`.
    pub field: String,
    /// Any of these must fit; of a query string `key=value`.
    pub values: Vec<String>,
    /// They are regular expressions (`RegexValues`), not wildcards.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub regex: bool,
    /// The header's name, of `http-header`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
}

/// An action of a listener rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Action {
    /// `forward`, `redirect`, `fixed-response`, `authenticate-oidc`, `authenticate-cognito` or `jwt-validation`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Position among the rule's actions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<i32>,
    /// Status of a fixed response or a redirect (`403`, `HTTP_301`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// ARNs of the target groups that it forwards to.
    pub target_groups: Vec<String>,
    /// `OnUnauthenticatedRequest` of the login actions: `authenticate`, `allow` or `deny`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_unauthenticated: Option<String>,
}

/// Health of one target group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetGroupHealth {
    /// The target group's ARN.
    pub target_group: String,
    /// Healthy targets.
    pub healthy: usize,
    /// All targets.
    pub total: usize,
    /// Reasons of the others (`Target.Timeout`, ...), each once.
    pub reasons: Vec<String>,
}

/// A web ACL.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebAcl {
    /// ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// `allow` or `block`: for what no rule decided.
    pub default_action: String,
    /// Its rules, by priority, those of Firewall Manager that come first included.
    pub rules: Vec<WebAclRule>,
    /// The address sets that its rules name.
    pub ip_sets: Vec<IpSet>,
}

/// A rule of a web ACL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WebAclRule {
    /// Its name.
    pub name: String,
    /// Priority.
    pub priority: i32,
    /// `allow`, `block`, `count`, `captcha`, `challenge`, or `group` where a rule group decides.
    pub action: String,
    /// What it looks at: `ip-set`, `not-ip-set`, `managed-group`, `rule-group`, `geo`, `rate`, `bytes` or `other`.
    pub statement: String,
    /// Name of the managed rule group (`AWSManagedRulesAnonymousIpList`), or ARN of the address set or rule group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// It looks at a forwarded header instead of the peer's address.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
}

/// A WAF address set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IpSet {
    /// ARN.
    pub arn: String,
    /// Its ranges (`wafv2:GetIPSet`), of which WAF takes 10,000.
    pub addresses: Observation<Vec<String>>,
}

/// An Ingress of the AWS Load Balancer Controller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `spec.ingressClassName`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Annotations below `alb.ingress.kubernetes.io/`, without that prefix.
    pub annotations: BTreeMap<String, String>,
    /// Host, path and service of its rules.
    pub rules: Vec<IngressRule>,
}

/// One path of an Ingress.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressRule {
    /// Host, absent means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path.
    pub path: String,
    /// Service it leads to.
    pub service: String,
    /// Port of that Service, number or name.
    pub port: String,
}
