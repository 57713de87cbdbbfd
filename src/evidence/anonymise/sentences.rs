//! Names by the sentences, URLs and ARNs they stand in.

use super::fields::id;
use super::known;
use super::names::{Names, looks_like_host};
use super::patterns::{
    ACCOUNT, ACCOUNT_OF_SERVICE, ARN, AWS_ID, AWS_KEY, BROKEN_ARN, DOTTED, GROUPS, HEX, KEY_ID, LINK, MAIL, MAPPED,
    MARRED_ACCOUNT, MARRED_ARN, PAIRS, REFUSED, SAID, TEMPLATE, UUID,
};

const PREFIXES: &[&str] = &[
    "vpce", "vpc", "subnet", "sgr", "sg", "eni", "rtb", "acl", "nat", "pl", "tgw", "dopt", "pcx", "igw", "eigw", "vgw",
    "lgw", "eipalloc", "i", "AROA", "AIDA", "AKIA", "ASIA", "ANPA", "AGPA", "AIPA",
];

/// Names inside sentences, URLs, ARNs, e-mails and log lines.
pub(super) fn in_text(text: &str, names: &mut Names) {
    for found in ARN.captures_iter(text) {
        arn(&found[1], &found[2], names);
    }
    for found in BROKEN_ARN.captures_iter(text) {
        arn("", &found[1], names);
    }
    for found in ACCOUNT.captures_iter(text) {
        if let Some(account) = found.get(1).or_else(|| found.get(2)) {
            names.number(account.as_str());
        }
    }
    // Only in such a text may something stand in an ARN that nobody sees.
    if !text.is_ascii() {
        for found in MARRED_ARN.captures_iter(text) {
            arn("", &found[1], names);
        }
        for found in MARRED_ACCOUNT.captures_iter(text) {
            names.number(&found[1]);
        }
    }
    for found in LINK.captures_iter(text) {
        names.host(&found[1]);
        if let Some(path) = found.get(2) {
            url_path(path.as_str(), names);
        }
    }
    for found in MAIL.captures_iter(text) {
        names.name("user", &found[1]);
        names.host(&found[2]);
    }
    for found in DOTTED.find_iter(text).filter(|found| looks_like_host(found.as_str())) {
        names.host(found.as_str());
    }
    for found in ACCOUNT_OF_SERVICE.captures_iter(text) {
        names.name("namespace", &found[1]);
        if let Some(account) = found.get(2) {
            names.name("name", account.as_str());
        }
    }
    for found in SAID.captures_iter(text) {
        let kind = match found[1].to_ascii_lowercase().as_str() {
            "user" | "username" | "authinfo" => "user",
            "group" => "group",
            "clusterrolebinding" | "rolebinding" => "binding",
            "clusterrole" | "role" => "role",
            "namespace" | "namespaces" => "namespace",
            "context" => "context",
            "cluster" => "cluster",
            "profile" => "profile",
            _ => "name",
        };
        if !found[2].starts_with("arn:") && !found[2].contains("://") {
            names.name(kind, &found[2]);
        }
    }
    for found in KEY_ID.captures_iter(text) {
        names.atom("key", &found[1]);
    }
    for found in REFUSED.captures_iter(text) {
        names.name("name", &found[1]);
    }
    for found in GROUPS.captures_iter(text) {
        for group in found[1].split(['"', '\\', ',', ' ']).filter(|group| !group.is_empty()) {
            names.name("group", group);
        }
    }
    if text.contains("rolearn:") || text.contains("userarn:") {
        for found in MAPPED.captures_iter(text) {
            if let Some(user) = found.get(1) {
                names.name("user", &TEMPLATE.replace_all(user.as_str(), " "));
            }
            if let Some(group) = found.get(2).filter(|group| !group.as_str().contains(": ")) {
                names.name("group", &TEMPLATE.replace_all(group.as_str(), " "));
            }
        }
    }
    for found in UUID.find_iter(text).chain(HEX.find_iter(text)).chain(PAIRS.find_iter(text)) {
        if found.as_str().bytes().any(|byte| byte.is_ascii_digit()) {
            id(found.as_str(), names);
        }
    }
    for found in AWS_ID.captures_iter(text).chain(AWS_KEY.captures_iter(text)) {
        let prefix = PREFIXES.iter().find(|prefix| **prefix == &found[1]).copied().unwrap_or("id");
        let joint = if prefix.starts_with(|c: char| c.is_ascii_uppercase()) { "" } else { "-" };
        names.tail(&found[0], prefix, joint);
    }
}

/// The path of a URL: realms and tenants are somebody's.
fn url_path(path: &str, names: &mut Names) {
    let mut before = "";
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if before == "id" {
            names.id(part);
        } else if !known::FOLDERS.contains(part) && !HEX.is_match(part) && !UUID.is_match(part) {
            names.name("path", part);
        }
        before = part;
    }
}

/// What an ARN names.
fn arn(account: &str, resource: &str, names: &mut Names) {
    // AWS's own, such as its access policies.
    if account == "aws" {
        return;
    }
    let (kind, rest) = resource.split_once(['/', ':']).unwrap_or(("", resource));
    if kind == "oidc-provider" {
        let mut parts = rest.split('/');
        if let Some(host) = parts.next() {
            names.host(host.split(':').next().unwrap_or(host));
        }
        url_path(rest.split_once('/').map_or("", |(_, path)| path), names);
        return;
    }
    for part in rest.split(['/', ':', '{', '}']).filter(|part| !part.is_empty() && !part.contains('*')) {
        // The name that IAM Identity Center gives: its permission set and a random tail.
        if let Some(set) = part.strip_prefix("AWSReservedSSO_") {
            let (set, tail) = set.rsplit_once('_').unwrap_or((set, ""));
            names.atom("role", set);
            names.id(tail);
            let whole = format!("AWSReservedSSO_{}_{}", names.of(set), names.of(tail));
            names.given(part.to_owned(), whole);
            continue;
        }
        if matches!(part, "app" | "net" | "aws-reserved" | "sso.amazonaws.com" | "SessionName")
            || HEX.is_match(part)
            || AWS_ID.is_match(part)
        {
            continue;
        }
        let kind = match kind {
            "role" | "instance-profile" | "assumed-role" => "role",
            "user" => "user",
            "cluster" => "cluster",
            _ => "name",
        };
        names.name(kind, part);
    }
}
