//! The login behind the plugin has ended.

use crate::apiserver::message::{heard, tools};
use crate::report::{Confidence, Finding, Severity, Step};
use crate::rules::plugin::{self, Kind, stderr_line};
use crate::rules::{Case, Page, Rule, clip};

/// The rule.
pub static RULE: Rule = Rule {
    code: "exec-login-expired",
    severity: Severity::Error,
    title: "The login behind the credential plugin has ended",
    page: Page {
        means: "The plugin renews its token with a login that was made earlier, and the identity provider does not take that one any more; or it wanted a browser for a new one and nobody finished it there. The secret of an application ends in the same way.",
        evidence: "The plugin's stderr.",
        fix: "Log in again, in a terminal with a browser. `kubectl oidc-login clean` throws the old login away; `gcloud auth login`, `az login`, `tsh login` or `aws sso login` for those.",
        references: "https://github.com/int128/kubelogin",
    },
    recognises: &[&heard::LOGIN_ENDED, &heard::LOGIN_BROWSER, &heard::LOGIN_NONE, &tools::DEVICE_CODE],
    explains: &["exec-failed", "exec-timeout"],
    check,
};

/// What a plugin says on one line, why the login is made again, and the command.
type Ended = (&'static [&'static str], &'static str, &'static str);

const KUBELOGIN: &str = "In a terminal with a browser, throw the cached login away and log in again";
const CLEAN: &str = "kubectl oidc-login clean && kubectl get --raw /version";
const CACHED: &str = "Throw the cached login away, and log in with the next request";
const REMOVE: &str = "kubelogin remove-tokens && kubectl get --raw /version";

const OIDC: &[Ended] = &[
    (&["could not refresh the token"], KUBELOGIN, CLEAN),
    (&["authcode-browser error"], KUBELOGIN, CLEAN),
    (&["device-code error"], KUBELOGIN, CLEAN),
    (&["invalid_grant"], KUBELOGIN, CLEAN),
];
const GKE: &[Ended] = &[
    (&["do not currently have an active account selected"], "Log in", "gcloud auth login"),
    (&["There was a problem refreshing"], "Log in again", "gcloud auth login"),
    (&["Reauthentication"], "Log in again", "gcloud auth login"),
    (&["gcloud auth login"], "Log in again", "gcloud auth login"),
];
const TSH: &[Ended] = &[
    (&["Not logged in"], "Log in", "tsh login"),
    (&["credentials have expired"], "Log in again", "tsh login"),
    (&["cert has expired"], "Log in again", "tsh login"),
];
/// Words that belong to one provider, whatever the program is called.
const ANYBODY: &[Ended] = &[
    // The secret of an application ends like a login, and is made anew like one.
    (&["AADSTS7000222"], "Make a new secret for the application, and put it where the plugin takes its own from (AAD_SERVICE_PRINCIPAL_CLIENT_SECRET or AZURE_CLIENT_SECRET)", "az ad app credential reset --id APPLICATION_ID"),
    (&["AADSTS50173"], CACHED, REMOVE),
    (&["AADSTS70008"], CACHED, REMOVE),
    (&["AADSTS70043"], CACHED, REMOVE),
    (&["AADSTS50078"], CACHED, REMOVE),
    (&["az login"], "Log in again", "az login"),
    (&["re-login with `tsh login`"], "Log in again", "tsh login"),
    (&["doctl auth init"], "Log in", "doctl auth init"),
    (&["could not complete Pinniped login", "invalid_grant"], "Throw Pinniped's cached session away, and log in with the next request in a terminal", "rm -f ~/.config/pinniped/sessions.yaml && kubectl get --raw /version"),
];

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kind = plugin::kind(case);
    if kind.is_aws() {
        return Vec::new();
    }
    let program = plugin::exec(case).map_or("", |exec| exec.command.rsplit(['/', '\\']).next().unwrap_or_default());
    let own: &[Ended] = match kind {
        Kind::Oidc => OIDC,
        Kind::Gke => GKE,
        Kind::Other if program.strip_suffix(".exe").unwrap_or(program) == "tsh" => TSH,
        _ => &[],
    };
    let Some(((line, cite), why, command)) =
        own.iter().chain(ANYBODY).find_map(|(texts, why, command)| Some((stderr_line(case, texts)?, *why, *command)))
    else {
        return Vec::new();
    };
    // Where the Azure CLI gives the token, the login is its own.
    let by_cli = line.contains("AzureCLICredential") || plugin::run(case).is_some_and(|run| run.stderr.contains("az login"));
    let (why, command) = if command == REMOVE && by_cli { ("Log in again", "az login") } else { (why, command) };
    let secret = line.contains("AADSTS7000222");
    let because = if secret { "the application's secret has ended" } else { "the login has to be made again" };
    let finding = RULE.finding(
        Confidence::Certain,
        format!("The plugin got no new token, because {because}: {}", clip(line, 300)),
        cite,
        Step::command(why, command),
    );
    vec![if secret { finding.titled("The client secret behind the credential plugin has expired") } else { finding }]
}
