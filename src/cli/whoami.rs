//! `kaccess whoami`: who the server says we are, how it knows, until when, and what each group is bound to.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::connect::{Session, resolved, runtime, unanswered, within};
use super::eks::{caller_of, shown};
use super::flags::{AwsArgs, ConnectionArgs, ExecArgs, Format, KubectlArgs, LimitArgs, OutputArgs};
use super::{BAD, Error, GOOD, answer, columns_of, note};
use crate::apiserver::authn::CREDENTIAL_ID;
use crate::apiserver::authz::{self, AUTHENTICATED, MASTERS, UNAUTHENTICATED, World};
use crate::aws::identity::{self as iam, Mapped, Source, Verdict};
use crate::collect::aws::{mapping, target};
use crate::collect::identity::identity;
use crate::collect::kubeconfig;
use crate::collect::rbac::lists;
use crate::credential::{certificate, token};
use crate::evidence::credential::TokenKind;
use crate::evidence::eks::{AssociatedPolicy, Aws};
use crate::evidence::identity::{ANONYMOUS, User};
use crate::evidence::rbac::Rbac;
use crate::evidence::{Failure, FailureKind};
use crate::host::Host;
use crate::render::{access as render, json};
use crate::report::access::{GroupView, IdentityView, KnownIdentity, OriginView, RejectedIdentity};
use crate::secret::Scrubber;

/// Flags of `whoami`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 the server knows you, 1 it does not, 2 it could not be asked.")]
pub struct WhoamiArgs {
    /// Do not look up what the groups are bound to
    #[arg(long)]
    no_bindings: bool,
    #[command(flatten)]
    exec: ExecArgs,
    #[command(flatten)]
    limit: LimitArgs,
    #[command(flatten)]
    aws: AwsArgs,
    #[command(flatten)]
    kubectl: KubectlArgs,
}

/// Runs the command.
///
/// # Errors
/// When the server could not be asked.
pub fn run(host: &Host, connection: &ConnectionArgs, output: &OutputArgs, arguments: &WhoamiArgs) -> Result<u8, Error> {
    let scrubber = Scrubber::default();
    let flags = connection.to_flags(&scrubber).map_err(Error::plain)?;
    let resolved = resolved(host, &flags, &scrubber)?;
    let runtime = runtime()?;
    let told = runtime.block_on(within(arguments.limit.timeout, async {
        let session = Session::open(host, &resolved, &arguments.exec, &scrubber).await?;
        let api = session.acting(Some(&resolved.impersonation))?;
        let own = session.own()?;
        let reading = async {
            if arguments.no_bindings { None } else { Some(lists::world(&own, "self", &resolved.namespace).await) }
        };
        let (who, read) = tokio::join!(identity(&api), reading);
        let user = who?.user;
        let known = Known::of(&session);
        let rbac = match read {
            None => None,
            Some(Ok(rbac)) => {
                for unread in &rbac.unread {
                    note(&format!("not read: {unread}"));
                }
                Some(rbac)
            }
            Some(Err(failure)) => {
                let needs = failure.needs.unwrap_or_else(|| "list on the four RBAC kinds".to_owned());
                note(&format!("what the groups are bound to cannot be read; it needs {needs}"));
                None
            }
        };
        let aws = match caller_of(&user).filter(|_| resolved.impersonation.user.is_none()) {
            Some(caller) if target::is_eks(Some(&resolved), &arguments.aws.options()) => {
                Some(mapping::look(host, &resolved, &arguments.aws.options(), caller, &own, &scrubber).await)
            }
            _ => None,
        };
        Ok::<_, Failure>(tell_of(user, &known, rbac.as_ref(), aws.as_ref(), &resolved))
    }));
    runtime.shutdown_timeout(Duration::ZERO);
    let told = match told {
        Ok(told) => told,
        Err(failure) if failure.kind == FailureKind::Unauthorized => {
            note(&format!("error: the API server does not accept this credential: {}", failure.detail));
            note("hint: credential-rejected; kaccess doctor says why");
            if !output.quiet && matches!(output.format(), Format::Json | Format::Yaml) {
                let server = resolved.server.to_string();
                let finding = "credential-rejected";
                let rejected = RejectedIdentity { finding, server, ..RejectedIdentity::default() };
                let view = IdentityView::Rejected(Box::new(rejected));
                answer(&for_programs(&view, output.format())?)?;
            }
            return Ok(BAD);
        }
        Err(failure) => return Err(unanswered(&failure)),
    };
    // Nobody in particular: the request came without a credential that counts.
    let nobody = told.username == ANONYMOUS;
    // The server's own answer: names and ids, of which some only look like secrets.
    let shown = |text: String| scrubber.known_only(&text).into_bytes();
    let text = match output.format() {
        format @ (Format::Json | Format::Yaml) => for_programs(&IdentityView::Known(Box::new(told)), format)?,
        Format::Markdown => shown(render::identity_markdown(&told, host.now())),
        _ => shown(render::identity(&told, host.now(), columns_of(host))),
    };
    if !output.quiet {
        answer(&text)?;
    }
    Ok(if nobody { BAD } else { GOOD })
}

/// The answer as JSON or YAML.
fn for_programs(view: &IdentityView, format: Format) -> Result<Vec<u8>, Error> {
    let view = json::headed_view("Identity", view)?;
    let mut text = Vec::new();
    match format {
        Format::Yaml => json::write_yaml(&view, &mut text)?,
        _ => json::write_json(&view, &mut text)?,
    }
    Ok(text)
}

/// What maps the principal that made the cluster.
const CREATOR: &str = "neither an access entry nor aws-auth: it is the cluster's creator, whom EKS lets in as \
                       kubernetes-admin and shows in no store";

/// What the credential itself says.
struct Known {
    kind: Option<TokenKind>,
    claims: Value,
    certificate: Option<crate::evidence::tls::CertificateFacts>,
    basic: bool,
    expires_at: Option<Timestamp>,
}

impl Known {
    fn of(session: &Session<'_>) -> Self {
        let facts = session.obtained.token.as_ref().map(|secret| token::parse(secret.expose()));
        let certificate = session
            .obtained
            .client_identity
            .as_ref()
            .and_then(|identity| certificate::facts_from_pem(&identity.chain_pem).0.into_iter().next());
        let expires_at = facts
            .as_ref()
            .and_then(|facts| facts.times().expires_at)
            .or_else(|| certificate.as_ref().and_then(|certificate| certificate.not_after));
        Self {
            kind: facts.as_ref().map(|facts| facts.kind),
            claims: facts.and_then(|facts| facts.claims).unwrap_or_default(),
            certificate,
            basic: session.obtained.basic.is_some(),
            expires_at,
        }
    }

    /// The claim whose text a name is, with whatever prefix the server puts before it.
    fn claim_of(&self, name: &str) -> Option<(String, String)> {
        let ends = |text: &str| !text.is_empty() && name.strip_suffix(text).is_some();
        let mut found: Option<(String, String)> = None;
        for (claim, value) in self.claims.as_object().into_iter().flatten() {
            let texts: Vec<&str> = match value {
                Value::String(text) => vec![text],
                Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
                _ => continue,
            };
            for text in texts {
                // The longest text is the claim meant; `iss` and others are too, by chance, never longer.
                if ends(text) && found.as_ref().is_none_or(|(_, known)| known.len() < text.len()) {
                    found = Some((claim.clone(), text.to_owned()));
                }
            }
        }
        found.map(|(claim, text)| (claim, name[..name.len() - text.len()].to_owned()))
    }
}

/// EKS lets the principal that made a cluster in by this name, and the mode CONFIG_MAP shows that in no store.
fn is_creator(user: &User) -> bool {
    user.username == "kubernetes-admin" && user.groups.iter().any(|group| group == MASTERS)
}

/// What maps the IAM identity, where what would do so as AWS shows it gives another name or other groups.
fn beside(aws: &Aws, found: &Mapped, user: &User) -> String {
    let gives = match &found.username {
        Some(name) if *name != user.username => format!("the name {name:?}"),
        _ => format!("the groups {}", found.groups.join(", ")),
    };
    let not = format!("{} of today gives {gives}, which the server does not show", found.source.words());
    let by_line = || {
        iam::Mode::of(aws).filter(|(mode, _)| mode.reads_config_map())?;
        let caller = iam::signer(aws)?;
        let all = iam::mappings(&aws.aws_auth.seen()?.data);
        iam::aws_auth(&all, &iam::canonical(&caller.arn)?, &caller)
    };
    match by_line().filter(|line| line.source != found.source && line.username.is_some() && shown(line, user)) {
        Some(line) => format!("{} ({not})", line.source.words()),
        None => format!("another or an older mapping ({not})"),
    }
}

/// What maps the IAM identity, in words, and the policies that its access entry carries.
fn mapped(aws: &Aws, user: &User) -> (String, Vec<AssociatedPolicy>) {
    match iam::map(aws) {
        Verdict::Mapped(found) if !shown(&found, user) => (beside(aws, &found, user), Vec::new()),
        Verdict::Mapped(found) => {
            let policies = match found.source {
                Source::AccessEntry(index) => {
                    let entry = aws.access_entries.seen().and_then(|entries| entries.entries.get(index));
                    let name = entry.map(|entry| format!(" of {}", entry.principal_arn)).unwrap_or_default();
                    let session = aws.caller.seen().and_then(|caller| iam::session(&caller.arn));
                    let name = session.map(|session| format!("{name}, session {session}")).unwrap_or(name);
                    let policies = entry.and_then(|entry| entry.policies.seen()).cloned().unwrap_or_default();
                    return (format!("{}{name}", found.source.words()), policies);
                }
                _ => Vec::new(),
            };
            (found.source.words(), policies)
        }
        Verdict::NotMapped if is_creator(user) => (CREATOR.to_owned(), Vec::new()),
        Verdict::NotMapped => ("neither an access entry nor aws-auth, as they stand now".to_owned(), Vec::new()),
        Verdict::Unknown(why) => {
            let needs = [aws.cluster.failed(), aws.access_entries.failed(), aws.aws_auth.failed()];
            let needs: Vec<&str> = needs.iter().flatten().filter_map(|failure| failure.needs.as_deref()).collect();
            let needs = if needs.is_empty() { String::new() } else { format!("; it needs {}", needs.join(" and ")) };
            (format!("an access entry or an aws-auth line ({why}{needs})"), Vec::new())
        }
    }
}

fn tell_of(
    user: User,
    known: &Known,
    rbac: Option<&Rbac>,
    aws: Option<&Aws>,
    resolved: &kubeconfig::Resolved,
) -> KnownIdentity {
    let mut origin = origin(&user, known, &resolved.impersonation);
    let mut policies = Vec::new();
    let mut giver = "the access entry or the aws-auth line";
    if let Some(aws) = aws {
        let (by, held) = mapped(aws, &user);
        let arn = aws.caller.seen().map(|caller| caller.arn.as_str()).unwrap_or_default();
        origin.detail = format!("{arn}, by {by}");
        policies = held;
        giver = match by.as_str() {
            CREATOR => "EKS gives it to the cluster's creator; nothing in the cluster shows or takes it away",
            _ => giver,
        };
    }
    let world = rbac.map(World::new);
    let bound = |kind: &str, name: &str| -> Vec<String> {
        let Some(world) = &world else { return Vec::new() };
        let alone = match kind {
            "Group" => User { groups: vec![name.to_owned()], ..User::default() },
            _ => User { username: name.to_owned(), ..User::default() },
        };
        world
            .bindings()
            .iter()
            .filter(|binding| authz::applying(binding, &alone).is_some())
            .map(|binding| {
                let place =
                    if binding.namespace.is_empty() { String::new() } else { format!(" in {}", binding.namespace) };
                format!("{}/{} ({}{place})", binding.role_kind, binding.role_name, binding.name)
            })
            .collect()
    };
    let groups = user
        .groups
        .iter()
        .map(|name| GroupView {
            name: name.clone(),
            origin: group_origin(name, &user, known, resolved, (&origin, giver)),
            bound_to: bound("Group", name),
        })
        .collect();
    let bound_to = bound("User", &user.username);
    KnownIdentity {
        username: user.username,
        uid: user.uid,
        groups,
        extra: user.extra,
        bound_to,
        // An impersonated identity has no end of its own, the credential behind it has.
        expires_at: match origin.kind {
            "certificate" => known.certificate.as_ref().and_then(|certificate| certificate.not_after),
            "proxy" => None,
            _ => known.expires_at,
        },
        origin,
        access_policies: policies,
        server: resolved.server.to_string(),
    }
}

fn origin(user: &User, known: &Known, impersonation: &kubeconfig::Impersonation) -> OriginView {
    let make = |kind: &'static str, detail: String| OriginView { kind, detail };
    if let Some(wanted) = &impersonation.user {
        return make("impersonation", format!("Impersonate-User: {wanted}"));
    }
    if user.is_anonymous() {
        return make("anonymous", "no credential arrived that the server takes".to_owned());
    }
    let arn = ["arn", "canonicalArn", "sessionName"].iter().find_map(|key| user.extra.get(*key)?.first());
    if known.kind == Some(TokenKind::EksIam) || arn.is_some() {
        let arn = arn.map(|arn| format!(" of {arn}")).unwrap_or_default();
        return make("eks-iam", format!("an access entry or an aws-auth line{arn}"));
    }
    // Newer servers (1.32 and later) tell which credential counted; of a proxy's word they tell nothing.
    let counted = user.extra.get(CREDENTIAL_ID).and_then(|ids| ids.first()).map(String::as_str).unwrap_or_default();
    let by_certificate = counted.starts_with("X509SHA256=");
    let own = known
        .certificate
        .as_ref()
        .is_some_and(|certificate| counted.strip_prefix("X509SHA256=") == Some(certificate.sha256.as_str()));
    if by_certificate && !own {
        return make("proxy", format!("a client certificate that something on the way showed ({counted})"));
    }
    let named_by_certificate =
        known.certificate.as_ref().is_some_and(|certificate| certificate.common_names.last() == Some(&user.username));
    let claimed = known.claim_of(&user.username).is_some() || counted.starts_with("JTI=");
    if own || (named_by_certificate && !claimed) {
        return make("certificate", format!("the client certificate's common name {:?}", user.username));
    }
    if known.kind.is_none() && known.certificate.is_some() {
        let detail = "a proxy before the API server (X-Remote-User): the client certificate has another name";
        return make("proxy", detail.to_owned());
    }
    match known.kind {
        Some(TokenKind::ServiceAccount) => {
            let sub = known.claims.get("sub").and_then(Value::as_str).unwrap_or_default();
            return make("service-account", format!("the token's claim sub {sub:?}"));
        }
        // A token of any other list may have that shape: the name tells that the Secret's was taken.
        Some(TokenKind::Bootstrap) if bootstrapped(user, known) => {
            return make("bootstrap-token", "a Secret in kube-system".to_owned());
        }
        Some(TokenKind::Jwt) => {
            let issuer = known.claims.get("iss").and_then(Value::as_str).unwrap_or_default();
            let detail = match known.claim_of(&user.username) {
                Some((claim, prefix)) if prefix.is_empty() => format!("claim {claim} of a token of {issuer}"),
                Some((claim, prefix)) => format!("claim {claim} of a token of {issuer}, with the prefix {prefix:?}"),
                None if claimed => format!("a token of {issuer}"),
                None => format!(
                    "a token of {issuer}, or a proxy before the API server (X-Remote-User): no claim holds this name"
                ),
            };
            return make("token-claim", detail);
        }
        Some(_) => return make("token", "a token whose content only the server knows".to_owned()),
        None => {}
    }
    if let Some(certificate) = &known.certificate {
        let name = certificate.common_names.last().cloned().unwrap_or_default();
        return make("certificate", format!("the client certificate's common name {name:?}"));
    }
    if known.basic {
        return make("proxy", "user name and password, which only a proxy can have taken".to_owned());
    }
    make("unknown", "nothing that was sent explains it".to_owned())
}

/// The user has the name that the API server gives to a bootstrap token with this one's id.
fn bootstrapped(user: &User, known: &Known) -> bool {
    let id = known.claims.get("tokenId").and_then(Value::as_str);
    user.username.strip_prefix("system:bootstrap:").is_some_and(|name| id == Some(name))
}

/// Where a group comes from; `giver` is what gives an IAM identity its groups.
fn group_origin(
    name: &str,
    user: &User,
    known: &Known,
    resolved: &kubeconfig::Resolved,
    (origin, giver): (&OriginView, &str),
) -> String {
    if resolved.impersonation.groups.iter().any(|group| group == name) {
        return format!("Impersonate-Group: {name}");
    }
    let account = authz::service_account(&user.username);
    match name {
        AUTHENTICATED => return "the server adds it to everybody who signed in".to_owned(),
        UNAUTHENTICATED => return "the server adds it to everybody who did not sign in".to_owned(),
        "system:serviceaccounts" if account.is_some() => return "every service account is in it".to_owned(),
        _ => {}
    }
    if let Some((namespace, _)) = account
        && name.strip_prefix("system:serviceaccounts:") == Some(namespace)
    {
        return format!("every service account of namespace {namespace} is in it");
    }
    match origin.kind {
        "certificate" => {
            let organizations = known.certificate.as_ref().map(|certificate| certificate.organizations.as_slice());
            if organizations.unwrap_or_default().iter().any(|organization| organization == name) {
                let warning =
                    if name == MASTERS { "; it may do everything, and RBAC cannot take that away" } else { "" };
                return format!("the client certificate's organisation{warning}");
            }
            "the server's own addition".to_owned()
        }
        "token-claim" => match known.claim_of(name) {
            Some((claim, prefix)) if prefix.is_empty() => format!("the token's claim {claim}"),
            Some((claim, prefix)) => format!("the token's claim {claim}, with the prefix {prefix:?}"),
            None => "the server's claim mapping".to_owned(),
        },
        "eks-iam" => giver.to_owned(),
        "bootstrap-token" => "the bootstrap token's Secret".to_owned(),
        _ => "not known from here".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn aws(mode: &str, arn: &str) -> Aws {
        let seen = |value: Value| json!({ "startedMs": 0, "tookMs": 1, "seen": value });
        serde_json::from_value(json!({
            "caller": seen(json!({ "arn": arn, "account": "111122223333", "userId": "" })),
            "cluster": seen(json!({ "name": "prod", "authenticationMode": mode })),
            "accessEntries": seen(json!({ "total": 1, "entries": [{ "principalArn": "arn:aws:iam::111122223333:role/team/Ops" }] })),
            "awsAuth": seen(json!({ "data": {} })),
        }))
        .expect("evidence")
    }

    #[test]
    fn the_invisible_creator_is_named() {
        let arn = "arn:aws:sts::111122223333:assumed-role/Founder/jane";
        let user = |name: &str, group: &str| User {
            username: name.to_owned(),
            groups: vec![group.to_owned()],
            ..User::default()
        };
        let creator = user("kubernetes-admin", MASTERS);
        assert_eq!(mapped(&aws("CONFIG_MAP", arn), &creator).0, CREATOR);
        // A name alone is anybody's.
        let other = user("kubernetes-admin", "dev");
        assert_eq!(
            mapped(&aws("CONFIG_MAP", arn), &other).0,
            "neither an access entry nor aws-auth, as they stand now"
        );
    }

    #[test]
    fn an_access_entry_is_named_with_the_session() {
        let extra = |pairs: &[(&str, &str)]| User {
            extra: pairs.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect(),
            ..User::default()
        };
        let session = "arn:aws:sts::111122223333:assumed-role/Ops/jane";
        for user in [
            extra(&[("arn", session)]),
            extra(&[("canonicalArn", "arn:aws:iam::111122223333:role/Ops"), ("sessionName", "jane")]),
        ] {
            let caller = caller_of(&user).expect("a caller");
            assert_eq!(caller.arn, session);
            let (by, _) = mapped(&aws("API", &caller.arn), &user);
            assert_eq!(by, "the access entry of arn:aws:iam::111122223333:role/team/Ops, session jane");
        }
    }

    #[test]
    fn a_bootstrap_token_is_told_by_its_name_and_not_by_its_shape() {
        let facts = token::parse("abcdef.0123456789abcdef");
        let known = Known {
            kind: Some(facts.kind),
            claims: facts.claims.unwrap_or_default(),
            certificate: None,
            basic: false,
            expires_at: None,
        };
        let kind = |name: &str| {
            let user = User { username: name.to_owned(), ..User::default() };
            origin(&user, &known, &kubeconfig::Impersonation::default()).kind
        };
        assert_eq!(kind("system:bootstrap:abcdef"), "bootstrap-token");
        assert_eq!(kind("bootlike"), "token");
    }
}
