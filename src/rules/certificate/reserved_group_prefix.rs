//! Own groups named like the system's.

use crate::evidence::FailureKind;
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::setting::{self, Setting};
use crate::rules::token::privileged_group_from_issuer::made_by_prefix;
use crate::rules::{Case, Page, Rule, clip, slug};
use crate::text::pointer_part;

/// The rule.
pub static RULE: Rule = Rule {
    code: "reserved-group-prefix",
    severity: Severity::Warning,
    title: "An own group is named system:…",
    page: Page {
        means: "Names that begin with system: are reserved for Kubernetes: a later release may give such a group rights, and some tools refuse or hide it.",
        evidence: "The groups by SelfSubjectReview, beside the ones that Kubernetes itself knows.",
        fix: "Rename the group where it comes from (the O of the certificate, the claim of the identity provider, the header of the proxy; where the API server's own groups prefix begins with system:, that prefix), and bind the new name. `kubectl create clusterrolebinding NAME --clusterrole=ROLE --group=NEW_GROUP` binds the new name.",
        references: "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects",
    },
    recognises: &[],
    explains: &[],
    check,
};

/// Groups that Kubernetes itself, or a managed control plane, hands out.
pub const KNOWN: &[&str] = &[
    "system:authenticated", "system:unauthenticated", "system:masters", "system:nodes", "system:serviceaccounts",
    "system:bootstrappers", "system:monitoring", "system:node-proxier",
];

/// Who names this group in a certificate loses what everybody has who is signed in.
fn unauthenticated(case: &Case<'_>) -> Option<Finding> {
    let leaf = case.only_certificate().filter(|_| case.unauthenticated_by_certificate())?;
    let refused = case.evidence.identity.failed().filter(|failure| failure.kind == FailureKind::Forbidden)?;
    let user = leaf.common_names.last().map_or("CN", String::as_str);
    let mut finding = RULE
        .finding(
            Confidence::Certain,
            "The certificate has an organisation (O) system:unauthenticated. Whoever is in that group the API server does not put into system:authenticated, and all that everybody may who is signed in (who am I, what may I do, which types are there) hangs on that one.".to_owned(),
            seen("/credential/seen/certificates/0/organizations", format!("O: {}", leaf.organizations.join(", "))),
            Step::command(
                "Have a certificate made without it; each O is a group",
                shell!("openssl req -new -key user.key -subj '/O=GROUP/CN={}' -out user.csr", user),
            ),
        )
        .titled("The certificate's group system:unauthenticated takes away what everybody has who is signed in")
        .cite(seen("/identity/failed/detail", clip(&refused.detail, 240)));
    finding.severity = Severity::Error;
    Some(finding)
}

fn check(case: &Case<'_>) -> Vec<Finding> {
    if let Some(finding) = unauthenticated(case) {
        return vec![finding];
    }
    let Some(identity) = case.evidence.identity.seen() else { return Vec::new() };
    let Some((index, group)) = identity.user.groups.iter().enumerate().find(|(_, group)| {
        group.starts_with("system:")
            && !KNOWN.contains(&group.as_str())
            && !["system:serviceaccounts:", "system:bootstrappers:"].iter().any(|begin| group.starts_with(begin))
    }) else {
        return Vec::new();
    };
    let cite = seen(format!("/identity/seen/user/groups/{index}"), format!("group {group:?}"));
    let title = format!("The group {group:?} bears a name that is reserved for Kubernetes");
    if let Some((claim, value)) = made_by_prefix(case, group) {
        let anew = format!("oidc:{value}");
        let finding = RULE.finding(
            Confidence::Certain,
            format!("{:?} is in the group {group:?}, which is none of Kubernetes' own. The identity provider calls it {value:?}; the API server's own groups prefix makes the rest of the name.", identity.user.username),
            cite,
            setting::set(case, "Set another groups prefix", Setting::GroupsPrefix("oidc:")),
        );
        return vec![
            finding
                .titled(title)
                .step(Step::command(
                    "Bind the new name, then remove the old binding; the names of all other groups of this issuer change too",
                    shell!("kubectl create clusterrolebinding {}-view --clusterrole=view --group={}", slug(&anew), anew),
                ))
                .cite(seen(
                    format!("/credential/seen/token/claims/{}", pointer_part(claim)),
                    format!("the token's claim {claim:?} holds {value:?}"),
                )),
        ];
    }
    let bare = group.trim_start_matches("system:");
    let source = match case.only_certificate().filter(|leaf| leaf.organizations.contains(group)) {
        Some(_) => "the certificate's organisation (O)",
        None => "the identity provider or proxy",
    };
    vec![
        RULE.finding(
            Confidence::Certain,
            format!("{:?} is in the group {group:?}, which is none of Kubernetes' own; it comes from {source}.", identity.user.username),
            cite,
            Step::command(
                format!("Rename it at its source ({source}) to {bare:?}, and bind that name; then remove the old binding"),
                shell!("kubectl create clusterrolebinding {}-view --clusterrole=view --group={}", slug(bare), bare),
            ),
        )
        .titled(title),
    ]
}
