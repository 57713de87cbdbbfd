//! How somebody gets a new token, or a new client certificate with the names of the old one, without touching the rest of a
//! kubeconfig.

use super::kubeconfig_fault::user;
use super::plugin::{self, Kind};
use super::{Case, slug};
use crate::evidence::credential::CredentialSource;
use crate::evidence::tls::CertificateFacts;
use crate::report::Step;
use crate::report::shell::{Shell, shell};

/// The step to a new token, by where this one came from.
pub fn token(case: &Case<'_>) -> Step {
    let credential = case.evidence.credential.seen();
    if case.is_service_account() {
        let (namespace, name) = case.service_account();
        return Step::command(
            "Have a new token issued for the service account",
            shell!("kubectl create token {} -n {}", name, namespace),
        );
    }
    match credential.map(|credential| &credential.source) {
        Some(CredentialSource::Exec) => from_plugin(case),
        Some(CredentialSource::Argument | CredentialSource::Flag) => {
            Step::text("Take a new token from the identity provider (log in again) and pass that one.")
        }
        _ => in_its_place(
            case,
            "Log in again at the identity provider, and store the new ID token (or let a plugin such as kubelogin renew it)",
        ),
    }
}

/// The step to another token in the place of this one, which is in `$ID_TOKEN`; `text` says which.
pub fn in_its_place(case: &Case<'_>, text: &str) -> Step {
    match case.evidence.credential.seen().map(|credential| &credential.source) {
        Some(CredentialSource::TokenFile) => Step::command(
            format!(
                "{text}. It belongs into the file that tokenFile names: what that holds goes before a stored token"
            ),
            into_token_file("printf %s", "\"$ID_TOKEN\""),
        ),
        Some(CredentialSource::Exec) => Step::text(format!(
            "{text}. The credential plugin has to print it: a token that is stored beside the plugin would go before it, and the plugin would not be asked again."
        )),
        Some(CredentialSource::Argument | CredentialSource::Flag) => {
            Step::text(format!("{text}. Pass that one in the place of this."))
        }
        _ => Step::command(text, shell!("kubectl config set-credentials {} --token=\"$ID_TOKEN\"", user(case))),
    }
}

/// What is written into the file that `tokenFile` names. client-go makes its path absolute, and kubectl shows it so.
fn into_token_file(write: &'static str, from: &'static str) -> Shell {
    let pieces = [
        "umask 077; f=$(kubectl config view --minify -o jsonpath='{.users[0].user.tokenFile}') &&",
        write,
        from,
        "> \"$f.new\" && mv \"$f.new\" \"$f\"",
    ];
    Shell::join(pieces.map(Shell::from), " ")
}

/// The step to the same token in the form it must have, where this one came from. `text` says what it is to be; `filter` is
/// the command that makes it so of the file whose name stands behind it.
pub fn stored(case: &Case<'_>, text: &str, filter: &'static str) -> Step {
    let source = case.evidence.credential.seen().map(|credential| &credential.source);
    match source {
        Some(CredentialSource::TokenFile) => Step::command(
            format!("{text}, in the file that tokenFile names: what it holds goes before a stored token"),
            into_token_file(filter, "\"$f\""),
        ),
        Some(CredentialSource::Exec) => Step::text(format!(
            "{text}: correct the credential plugin, which prints it so. (A token that is stored beside the plugin would go before it, and the plugin would not be asked again.)"
        )),
        Some(CredentialSource::Argument | CredentialSource::Flag) => Step::text(format!(
            "{text}: what is given is at fault, and no entry of the kubeconfig. Pass --token=\"$({filter} token.txt)\"."
        )),
        _ => {
            let pieces = ["--token=\"$(", filter, " token.txt)\""].map(Shell::from);
            let set = shell!("kubectl config set-credentials {}", user(case));
            Step::command(text, Shell::join([set, Shell::join(pieces, "")], " "))
        }
    }
}

/// The step to a new token of the plugin: each keeps what it got in a place of its own.
fn from_plugin(case: &Case<'_>) -> Step {
    let exec = plugin::exec(case);
    let login = exec.and_then(|exec| plugin::argument(exec, &["--login", "-l"]));
    match plugin::kind(case) {
        Kind::Oidc => Step::command(
            "Throw the plugin's cached token away and log in again",
            "kubectl oidc-login clean && kubectl get --raw /version",
        ),
        Kind::Azure if login == Some("azurecli") => {
            Step::command("Log in again: the plugin takes its token from the Azure CLI", "az login")
        }
        Kind::Azure => Step::command(
            "Throw the plugin's cached token away and log in again",
            "kubelogin remove-tokens && kubectl get --raw /version",
        ),
        _ => Step::command(
            "Run the credential plugin again; it must give a token that is not expired",
            exec.map_or_else(Default::default, plugin::command),
        ),
    }
}

/// The file of kubeadm's own administrator whose certificate this is; nobody else's may be replaced by it.
fn of_kubeadm(leaf: &CertificateFacts) -> Option<&'static str> {
    match leaf.common_names.last().map(String::as_str) {
        Some("kubernetes-admin") => Some("admin.conf"),
        Some("kubernetes-super-admin") => Some("super-admin.conf"),
        _ => None,
    }
}

/// The subject as `openssl req -subj` takes it.
fn subject(leaf: &CertificateFacts, name: &str) -> String {
    let escaped = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if matches!(c, '/' | '+' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out
    };
    let groups: String = leaf.organizations.iter().map(|group| format!("/O={}", escaped(group))).collect();
    format!("{groups}/CN={}", escaped(name))
}

/// Stores a certificate and key in the user entry and leaves everything else of the kubeconfig as it is.
fn store(case: &Case<'_>, file: &str) -> Shell {
    shell!(
        "kubectl config set-credentials {} --client-certificate={}.crt --client-key={}.key --embed-certs=true",
        user(case),
        file,
        file
    )
}

/// What to know first where the API server asks for certificates of other CAs than this one's: a new one of the same CA
/// would be refused as well.
pub fn by_another_ca(case: &Case<'_>, leaf: &CertificateFacts) -> Option<Step> {
    let named = case.asked_authorities().join(" or ");
    case.stranger().then(|| {
        Step::text(format!(
            "The API server asks for certificates of {named}, and {:?} signed this one: a new one must be of another CA than that, or it is refused again.",
            leaf.issuer
        ))
    })
}

/// The steps to a new certificate for whom this one names.
pub fn certificate(case: &Case<'_>, leaf: &CertificateFacts) -> Vec<Step> {
    let plugin = case.evidence.credential.seen().is_some_and(|credential| credential.source == CredentialSource::Exec);
    if plugin {
        return vec![Step::text(
            "The credential plugin handed this certificate out: log in with it again, so that it gets a new one.",
        )];
    }
    if let Some(conf) = of_kubeadm(leaf) {
        let take = |field: &str, to: &str| {
            shell!(
                "kubectl config view --kubeconfig={} --raw -o jsonpath='{{.users[0].user.{}}}' | base64 -d > {}",
                conf,
                field,
                to
            )
        };
        return vec![
            Step::command(
                format!(
                    "On a kubeadm control-plane node, renew the administrator's certificate (it stands in /etc/kubernetes/{conf}, which works there at once: KUBECONFIG=/etc/kubernetes/{conf})"
                ),
                shell!("sudo kubeadm certs renew {}", conf),
            ),
            Step::command(
                format!(
                    "Copy that file here as ./{conf} and put its certificate and key into your user entry; the other contexts stay"
                ),
                shell!(
                    "umask 077; {} && {} && {}",
                    take("client-certificate-data", "admin.crt"),
                    take("client-key-data", "admin.key"),
                    store(case, "admin")
                ),
            ),
        ];
    }
    let name = leaf.common_names.last().map(String::as_str).filter(|name| !name.is_empty());
    let file = slug(name.unwrap_or("user"));
    let names = subject(leaf, name.unwrap_or("USER"));
    let request = Step::command(
        "Make a new key, and a request with the same user and groups",
        shell!("openssl req -new -newkey rsa:2048 -nodes -keyout {}.key -out {}.csr -subj {}", file, file, names),
    );
    let store = Step::command("Then put it into your user entry; the other contexts stay", store(case, &file));
    // The admission plugin CertificateSubjectRestriction refuses this group from the API's signer.
    if leaf.organizations.iter().any(|group| group == "system:masters") {
        return vec![
            request,
            Step::command(
                "Have it signed with the cluster's CA on a control-plane node, for a short time (a CertificateSigningRequest may not ask for system:masters; these are kubeadm's paths)",
                shell!(
                    "printf extendedKeyUsage=clientAuth > client.ext && sudo openssl x509 -req -in {}.csr -CA /etc/kubernetes/pki/ca.crt -CAkey /etc/kubernetes/pki/ca.key -CAcreateserial -days 30 -extfile client.ext -out {}.crt",
                    file,
                    file
                ),
            ),
            store,
        ];
    }
    vec![
        request,
        Step::manifest(
            format!(
                "Have an administrator create this; `base64 < {file}.csr | tr -d '\\n'` prints what stands for the request"
            ),
            format!(
                "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata:\n  name: {file}\nspec:\n  request: BASE64_OF_{file}.csr\n  signerName: kubernetes.io/kube-apiserver-client\n  usages: [client auth]\n"
            ),
        ),
        Step::command(
            "Have the administrator approve it and hand you the certificate (it holds no secret)",
            shell!(
                "kubectl certificate approve {} && kubectl get csr {} -o jsonpath='{{.status.certificate}}' | base64 -d > {}.crt",
                file,
                file,
                file
            ),
        ),
        store,
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::Evidence;

    const EXPIRED: &str = include_str!("../../testdata/cases/exec-token-expired/evidence.json");

    /// The command that gives a new token, where this plugin gave the one of today.
    fn command(program: &str, args: &[&str]) -> String {
        let mut evidence: Value = serde_json::from_str(EXPIRED).unwrap();
        let exec = evidence.pointer_mut("/kubeconfig/seen/user/exec").unwrap();
        exec["command"] = json!(program);
        exec["args"] = json!(args);
        let evidence: Evidence = serde_json::from_value(evidence).unwrap();
        token(&Case::new(&evidence)).command.unwrap_or_default().to_string()
    }

    /// The fix of a saved case's first finding, were its token from elsewhere: the evidence is made up in this one word,
    /// because where a token comes from changes nothing of what is seen of it.
    fn fix_from(text: &str, code: &str, source: CredentialSource) -> Step {
        let mut evidence: Evidence = serde_json::from_str(text).unwrap();
        let crate::evidence::Outcome::Seen(credential) = &mut evidence.credential.outcome else { panic!("none") };
        credential.source = source;
        let findings = crate::rules::check_all(&Case::new(&evidence));
        findings.into_iter().find(|finding| finding.code == code).expect("the finding").fix.remove(0)
    }

    #[test]
    fn a_token_is_mended_where_it_comes_from() {
        let white = include_str!("../../testdata/cases/token-has-whitespace/evidence.json");
        let header = include_str!("../../testdata/cases/authorization-header-malformed/evidence.json");
        let expired = include_str!("../../testdata/cases/token-expired/evidence.json");
        let no_jwt = include_str!("../../testdata/cases/token-not-jwt/evidence.json");
        let refresh = include_str!("../../testdata/cases/token-is-refresh-token/evidence.json");
        for (text, code, write) in [
            (white, "token-has-whitespace", "tr -d '[:space:]' < \"$f\" > \"$f.new\""),
            (header, "authorization-header-malformed", "//I' \"$f\" > \"$f.new\""),
            (expired, "token-expired", "printf %s \"$ID_TOKEN\" > \"$f.new\""),
            (no_jwt, "token-not-jwt", "printf %s \"$ID_TOKEN\" > \"$f.new\""),
            (refresh, "token-is-refresh-token", "printf %s \"$ID_TOKEN\" > \"$f.new\""),
        ] {
            let stores =
                |step: &Step| step.command.as_deref().is_some_and(|command| command.contains("set-credentials"));
            assert!(stores(&fix_from(text, code, CredentialSource::Token)), "{code}");
            let step = fix_from(text, code, CredentialSource::TokenFile);
            let command = step.command.as_deref().unwrap_or_default();
            assert!(command.contains(write) && command.ends_with("&& mv \"$f.new\" \"$f\""), "{code}: {step:?}");
            assert!(!stores(&step), "{code}: {step:?}");
            // A plugin's token that is stored keeps the plugin from being asked.
            for source in [CredentialSource::Exec, CredentialSource::Flag] {
                let step = fix_from(text, code, source);
                assert!(!stores(&step), "{code}: {step:?}");
            }
        }
    }

    #[test]
    fn each_plugins_own_cache_is_thrown_away() {
        let oidc = "kubectl oidc-login clean && kubectl get --raw /version";
        let azure = "kubelogin remove-tokens && kubectl get --raw /version";
        let rows: [(&str, &[&str], &str); 10] = [
            ("kubectl", &["oidc-login", "get-token", "--oidc-issuer-url=https://id.example.com"], oidc),
            ("/opt/kubelogin", &["get-token", "--oidc-issuer-url=https://id.example.com"], oidc),
            ("kubectl-oidc_login", &["get-token"], oidc),
            // The version in the name, and a shell before it.
            ("kubectl-oidc_login-v1", &["get-token"], oidc),
            ("/usr/local/bin/kubelogin-1.28", &["get-token", "--oidc-issuer-url=https://id.example.com"], oidc),
            ("sh", &["-c", "exec kubectl oidc-login get-token --oidc-issuer-url=https://id.example.com"], oidc),
            // Azure's plugin has the name of another, and a cache of its own.
            ("kubelogin", &["get-token", "--login", "devicecode", "--server-id", "x"], azure),
            ("kubelogin", &["get-token", "--login", "azurecli", "--server-id", "x"], "az login"),
            ("kubelogin", &["get-token", "--login=azurecli", "--server-id=x"], "az login"),
            ("tsh", &["kube", "credentials"], "tsh kube credentials"),
        ];
        for (program, args, expected) in rows {
            assert_eq!(command(program, args), expected, "{program} {args:?}");
        }
    }
}
