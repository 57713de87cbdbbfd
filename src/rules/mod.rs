//! One file per finding; this file is the one list.

pub mod answerer;
pub mod api_port;
pub mod case;
pub mod clock;
mod context;
pub mod eks;
pub mod explain;
pub mod flag;
pub mod front;
pub mod hook;
pub mod issuer_port;
pub mod kubeconfig_fault;
pub mod mapping;
mod met;
pub mod plugin;
pub mod pod_role;
pub mod reading;
pub mod refusal;
pub mod rejoin;
pub mod renew;
pub mod setting;
pub mod unserved;
pub mod untrusted;
pub mod validity;
pub mod way;
pub mod wording;
pub mod words;

pub use crate::text::slug;
pub use case::Case;
pub use wording::clip;
pub use words::{Place, Word};

use crate::apiserver::message::Text;
use crate::evidence::Evidence;
use crate::report::doctor::DoctorReport;
use crate::report::{Citation, Confidence, Finding, Severity, Step, diagnose};

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
    /// Its code in kebab case: its page is `docs/findings/<code>.md`.
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
            why: wording::sentence(why.into()),
            cites: vec![first],
            fix: vec![step],
            candidates: Vec::new(),
            explains: self.explains,
            rank: 0,
            explained_by: None,
        }
    }
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
    eks::in_order_of_the_way(case, &mut findings);
    context::name_it(case, &mut findings);
    findings
}

/// All that is to be said of evidence.
pub fn report(evidence: &Evidence) -> DoctorReport {
    let case = Case::new(evidence);
    let findings = diagnose(check_all(&case));
    let message = met::told(&case, &findings);
    DoctorReport::new(evidence, findings).with_message(message)
}

/// The rule of a code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.code == code)
}

/// Where a finding has another severity than its rule says: `a warning where ...`.
pub static OTHER_SEVERITIES: &[(&str, Severity, &str)] = {
    const LET_IN: &str = "the API server lets you in all the same";
    &[
        ("aggregated-api-unavailable", Severity::Warning, "nobody met it yet"),
        ("api-connection-closed", Severity::Warning, LET_IN),
        ("api-connection-timeout", Severity::Warning, LET_IN),
        ("api-priority-throttled", Severity::Warning, LET_IN),
        ("api-server-clock-wrong", Severity::Warning, LET_IN),
        ("api-unavailable", Severity::Warning, LET_IN),
        (
            "authentication-config-not-reloaded",
            Severity::Warning,
            "the API server lets you in all the same, or the file could not let this credential in",
        ),
        ("authorization-webhook-denied", Severity::Warning, "other questions are allowed"),
        ("authorization-webhook-down", Severity::Warning, "it is over"),
        ("aws-auth-invalid", Severity::Warning, "an access entry or another section lets you in all the same"),
        ("client-clock-wrong", Severity::Warning, LET_IN),
        ("default-impersonation", Severity::Error, "it names groups and no user"),
        ("groups-claim-missing", Severity::Error, "an expression of the API server reads the claim"),
        (
            "impersonation-denied",
            Severity::Warning,
            "only kaccess' own question was refused, or what kubectl asks first, and nobody met it",
        ),
        ("metadata-unreachable", Severity::Warning, "no role is meant for the Pod, and no message misses one"),
        ("node-identity-unresolved", Severity::Warning, "it is about somebody else"),
        ("not-a-kubernetes-api", Severity::Warning, LET_IN),
        ("pod-identity-not-injected", Severity::Warning, "the Pod gets the same role by IRSA"),
        (
            "rbac-no-grant",
            Severity::Warning,
            "the grant is in another namespace, or may be in one that was not looked at",
        ),
    ]
};

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
        // The token's own faults stand before those of aws-auth: it is judged before any mapping.
        iam_identity_not_mapped, iam_token_too_large, iam_token_extra_parameters, iam_token_wrong_cluster,
        iam_token_expired, aws_session_expired, sts_endpoint_invalid, sts_throttled, sts_unreachable,
        aws_auth_role_path, aws_auth_wrong_arn_kind, aws_auth_invalid, aws_auth_duplicate, iam_principal_recreated,
        authentication_mode_ignores_mapping, iam_identity_without_permissions, access_policy_out_of_scope,
        node_identity_unresolved, cluster_creator_only_admin, access_entry_shadows_aws_auth, session_name_at_sign,
        cluster_not_active, iam_permission_missing,
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
        kiam_server_unreachable, kiam_trust_mismatch, kiam_session_too_short,
        role_annotation_misplaced, kube2iam_namespace_not_allowed, kube2iam_role_invalid, metadata_unreachable,
        workload_uses_node_role, static_keys_shadow_role, role_annotation_typo, kiam_abandoned,
    }
}
