//! A setting of the authenticator that takes the token, and how it is changed where this API server has it: among its
//! flags, in an AuthenticationConfiguration, or in a provider associated with EKS.

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
}

/// The step that sets it; `text` says what for, and ends without a full stop.
pub fn set(case: &Case<'_>, text: &str, setting: Setting<'_>) -> Step {
    match home(case) {
        Home::Flags => Step::manifest(format!("{text}, and restart the API server"), format!("{}\n", flag(setting))),
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

/// The step that has one more issuer trusted beside those that are: only an AuthenticationConfiguration takes several.
pub fn one_more_issuer(case: &Case<'_>, issuer: &str) -> Option<Step> {
    if !matches!(home(case), Home::File) {
        return None;
    }
    let audience =
        case.claim("aud").and_then(|aud| aud.as_str().or_else(|| aud.get(0)?.as_str())).unwrap_or("AUDIENCE");
    Some(Step::manifest(
        "Or, where its tokens are to be taken too, add an entry for it to those under jwt: in the AuthenticationConfiguration, and leave the others as they are (the API server reads the file again by itself)",
        format!(
            "jwt:\n- issuer:\n    url: {issuer:?}\n    audiences: [{audience:?}]\n  claimMappings:\n    username:\n      claim: \"CLAIM\"\n      prefix: \"PREFIX\"\n"
        ),
    ))
}

fn home(case: &Case<'_>) -> Home {
    if eks::is_eks(case) {
        return Home::Eks;
    }
    let file = case.flags().is_some_and(|flags| {
        flags.authentication_configuration.is_some() || flags.flags.contains_key("authentication-config")
    });
    if file { Home::File } else { Home::Flags }
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
