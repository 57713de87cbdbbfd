//! A setting of the authenticator that takes the token, and how it is changed where this API server has it: among its
//! flags, in an AuthenticationConfiguration, or in a provider associated with EKS.

use serde_json::Value;

use super::{Case, eks};
use crate::apiserver::configuration::Mapping;
use crate::report::Step;

/// What is to be set.
#[derive(Debug, Clone, Copy)]
pub enum Setting<'v> {
    /// The issuer whose tokens are taken: as it is, and as it must be.
    Issuer(&'v str, &'v str),
    /// The claim that names the user.
    UsernameClaim(&'v str),
    /// The claim that names the user's groups.
    GroupsClaim(&'v str),
    /// What is put before each group.
    GroupsPrefix(&'v str),
}

/// Where an API server has its issuers.
enum Home {
    Flags,
    File,
    Eks,
    /// Among its flags or in a file: nothing that was seen says which.
    Unknown,
}

/// What else holds where it is not known that the issuers stand among the flags.
const OR_FILE: &str = " (where it has --authentication-config instead of --oidc-* flags, say it in that file: an API server with both does not start)";

/// The step that sets it; `text` says what for, and ends without a full stop.
pub fn set(case: &Case<'_>, text: &str, setting: Setting<'_>) -> Step {
    match home(case) {
        Home::Flags => in_flags(text, "", format!("{}\n", flag(setting))),
        Home::Unknown => in_flags(text, OR_FILE, format!("{}\n", flag(setting))),
        Home::File => match in_file(case, setting) {
            Some(part) => Step::manifest(
                format!("{text}, in the AuthenticationConfiguration (the API server reads the file again by itself)"),
                part,
            ),
            None => Step::text(format!(
                "{text}, by the expression that makes it in claimMappings of the AuthenticationConfiguration; the API server reads the file again by itself."
            )),
        },
        Home::Eks => {
            let issuer = case.claim_text("iss").unwrap_or("ISSUER");
            match setting {
                Setting::Issuer(now, right) => eks::associate_anew(case, text, now, ("issuerUrl", right)),
                Setting::UsernameClaim(claim) => eks::associate_anew(case, text, issuer, ("usernameClaim", claim)),
                Setting::GroupsClaim(claim) => eks::associate_anew(case, text, issuer, ("groupsClaim", claim)),
                Setting::GroupsPrefix(prefix) => eks::associate_anew(case, text, issuer, ("groupsPrefix", prefix)),
            }
        }
    }
}

/// The step that gives an API server without any issuer this one, with the claim that names its users, and their groups
/// where they are to be read; `note` is the sentence's end. EKS has providers instead.
pub fn first_issuer(case: &Case<'_>, issuer: &str, audience: &str, username: &str, groups: bool, note: &str) -> Step {
    const TEXT: &str = "Configure the issuer";
    let flags = || {
        let of_groups = if groups { "--oidc-groups-claim=groups\n--oidc-groups-prefix=oidc:\n" } else { "" };
        format!(
            "--oidc-issuer-url={issuer}\n--oidc-client-id={audience}\n--oidc-username-claim={username}\n--oidc-username-prefix=oidc:\n{of_groups}"
        )
    };
    match home(case) {
        Home::File => {
            let of_groups = if groups { "    groups:\n      claim: \"groups\"\n      prefix: \"oidc:\"\n" } else { "" };
            Step::manifest(
                format!(
                    "{TEXT}, in the AuthenticationConfiguration (the API server reads the file again by itself){note}"
                ),
                format!(
                    "jwt:\n- issuer:\n    url: {issuer:?}\n    audiences: [{audience:?}]\n  claimMappings:\n    username:\n      claim: {username:?}\n      prefix: \"oidc:\"\n{of_groups}"
                ),
            )
        }
        Home::Unknown => in_flags(TEXT, &format!("{OR_FILE}{note}"), flags()),
        Home::Flags | Home::Eks => in_flags(TEXT, note, flags()),
    }
}

/// The step that has the API server trust the CA of the issuer's certificate, and the other form of it where it is not known
/// which one holds; `text` says what for, and ends without a full stop. EKS has no field for it.
pub fn trust_issuer(case: &Case<'_>, text: &str) -> (Step, Option<Step>) {
    let in_flags = in_flags(text, "", "--oidc-ca-file=/etc/kubernetes/pki/oidc-ca.crt\n".to_owned());
    let issuer = case.issuer().0.target.seen().map_or("ISSUER", |target| target.url.as_str());
    let part = format!(
        "jwt:\n- issuer:\n    url: {issuer:?}\n    certificateAuthority: |\n      -----BEGIN CERTIFICATE-----\n      ...\n      -----END CERTIFICATE-----\n"
    );
    match home(case) {
        Home::Flags | Home::Eks => (in_flags, None),
        Home::File => {
            let text =
                format!("{text}, in the AuthenticationConfiguration (the API server reads the file again by itself)");
            (Step::manifest(text, part), None)
        }
        Home::Unknown => {
            let or = "Where it has --authentication-config instead, give it the CA in that file (an API server with that and --oidc-* flags does not start)";
            (in_flags, Some(Step::manifest(or, part)))
        }
    }
}

fn in_flags(text: &str, end: &str, flags: String) -> Step {
    Step::manifest(format!("{text}, and restart the API server{end}"), flags)
}

/// The step that gives the file one more issuer, so that the tokens of those it has stay good; nothing where the API server
/// reads no such file.
pub fn add_issuer(case: &Case<'_>, issuer: &str) -> Option<Step> {
    if !matches!(home(case), Home::File) {
        return None;
    }
    let audience = match case.claim("aud") {
        Some(Value::Array(all)) => all.first().and_then(Value::as_str),
        Some(one) => one.as_str(),
        None => None,
    };
    let audience = audience.unwrap_or("AUDIENCE");
    Some(Step::manifest(
        "Or add this issuer as a further entry under jwt: of the AuthenticationConfiguration, beside those that are there (the API server reads the file again by itself); its prefix keeps its users apart from those of the others",
        format!(
            "jwt:\n- issuer:\n    url: {issuer:?}\n    audiences: [{audience:?}]\n  claimMappings:\n    username:\n      claim: \"sub\"\n      prefix: \"PREFIX:\"\n"
        ),
    ))
}

/// The API server has its issuers in an AuthenticationConfiguration, so that no `--oidc-*` flag may be named to it.
pub fn in_a_file(case: &Case<'_>) -> bool {
    matches!(home(case), Home::File)
}

/// What names the issuer to the API server.
pub fn issuer_field(case: &Case<'_>) -> &'static str {
    if in_a_file(case) { "issuer.url of its AuthenticationConfiguration" } else { "--oidc-issuer-url" }
}

fn home(case: &Case<'_>) -> Home {
    if eks::is_eks(case) {
        return Home::Eks;
    }
    match case.flags() {
        Some(flags)
            if flags.authentication_configuration.is_some() || flags.flags.contains_key("authentication-config") =>
        {
            Home::File
        }
        Some(flags) if flags.complete || flags.flags.keys().any(|name| name.starts_with("oidc-")) => Home::Flags,
        _ => Home::Unknown,
    }
}

fn flag(setting: Setting<'_>) -> String {
    match setting {
        Setting::Issuer(_, url) => format!("--oidc-issuer-url={url}"),
        Setting::UsernameClaim(claim) => format!("--oidc-username-claim={claim}"),
        Setting::GroupsClaim(claim) => format!("--oidc-groups-claim={claim}"),
        Setting::GroupsPrefix(prefix) => format!("--oidc-groups-prefix={prefix}"),
    }
}

/// The part of the file; nothing where an expression of the administrator's own stands there.
fn in_file(case: &Case<'_>, setting: Setting<'_>) -> Option<String> {
    let jwt = case.authenticator();
    let (which, mapping) = match setting {
        Setting::Issuer(_, url) => return Some(format!("jwt:\n- issuer:\n    url: {url:?}\n")),
        Setting::UsernameClaim(claim) => ("username", claimed(jwt.map(|jwt| &jwt.username), Some(claim), None)?),
        Setting::GroupsClaim(claim) => ("groups", claimed(jwt.map(|jwt| &jwt.groups), Some(claim), None)?),
        Setting::GroupsPrefix(prefix) => ("groups", claimed(jwt.map(|jwt| &jwt.groups), None, Some(prefix))?),
    };
    let issuer = case.claim_text("iss").unwrap_or("ISSUER");
    Some(format!("jwt:\n- issuer:\n    url: {issuer:?}\n  claimMappings:\n    {which}:\n{mapping}"))
}

/// A mapping by a claim; what is not to be changed stays as it is.
fn claimed(now: Option<&Mapping>, claim: Option<&str>, prefix: Option<&str>) -> Option<String> {
    let (old_claim, old_prefix) = match now {
        Some(Mapping::Claim { claim, prefix }) => (claim.as_str(), prefix.as_str()),
        Some(Mapping::Expression(_)) => return None,
        Some(Mapping::None) => ("groups", ""),
        // As they are now: the file itself was not shown.
        None => ("CLAIM", "PREFIX"),
    };
    Some(format!("      claim: {:?}\n      prefix: {:?}\n", claim.unwrap_or(old_claim), prefix.unwrap_or(old_prefix)))
}
