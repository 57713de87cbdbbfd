//! The kubeconfig cannot be used as it is.

use crate::apiserver::message::heard;
use crate::evidence::kubeconfig::STOPPED;
use crate::evidence::{Failure, FailureKind};
use crate::report::shell::shell;
use crate::report::{Confidence, Finding, Severity, Step, seen};
use crate::rules::kubeconfig_fault::{cluster, is_other, user};
use crate::rules::{Case, Page, Rule};

/// The rule.
pub static RULE: Rule = Rule {
    code: "kubeconfig-unparsable",
    severity: Severity::Error,
    title: "The kubeconfig cannot be used as it is",
    page: Page {
        means: "The file is there, but cannot be read as a kubeconfig: not YAML, another kind of document, a directory, a wrong type in a field, data that is not base64 or PEM, a file without any context in it (what a failed download left), or one that belongs to another user.",
        evidence: "The complaint with file and line, in the words kubectl uses.",
        fix: "Repair the line named, make the file yours (`sudo chown \"$(id -u)\" FILE`), or write the file anew with your provider's command. `kubectl config view` says when it can be read.",
        references: "https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/",
    },
    recognises: &[&heard::KUBECONFIG_BROKEN],
    explains: &[],
    check,
};

/// What the loader says of a token file without a token.
pub const EMPTY_TOKEN: &str = "read empty token from file";

fn check(case: &Case<'_>) -> Vec<Finding> {
    let kinds = [FailureKind::Malformed, FailureKind::Unreadable];
    let places = [
        (case.evidence.kubeconfig.failed_as(&kinds), "/kubeconfig/failed/detail"),
        (case.evidence.credential.failed_as(&kinds[..1]), "/credential/failed/detail"),
        (case.evidence.plugin.failed_as(&kinds[..1]), "/plugin/failed/detail"),
    ];
    let Some((failure, path)) = places.into_iter().find_map(|(failure, path)| Some((failure?, path))) else {
        return holds_nothing(case).into_iter().collect();
    };
    // An empty token file is a matter of that file.
    if is_other(failure, RULE.code) || failure.detail.starts_with(EMPTY_TOKEN) {
        return Vec::new();
    }
    // kubectl's own preferences come before any kubeconfig.
    if failure.detail.starts_with(STOPPED) {
        return vec![preferences(failure, path)];
    }
    if failure.kind == FailureKind::Unreadable && failure.detail.ends_with("permission denied") {
        return vec![forbidden(failure, path)];
    }
    if failure.kind == FailureKind::Unreadable && failure.detail.ends_with("is a directory") {
        return vec![
            RULE.finding(
                Confidence::Certain,
                "What is named as the kubeconfig is a directory. kubectl reads files only, and looks for none in it.",
                seen(path, failure.detail.clone()),
                Step::command("Name the file itself, such as DIRECTORY/config", "export KUBECONFIG=DIRECTORY/config"),
            )
            .titled("The kubeconfig is a directory"),
        ];
    }
    let of_entry = failure.fault.as_ref().is_some_and(|fault| fault.entry.as_deref().is_some_and(|entry| !entry.is_empty()));
    let why = if of_entry {
        "kubectl does not start with what stands in this entry, and connects to nothing; a context of other entries is not touched."
    } else {
        "kubectl refuses the whole kubeconfig for this one fault, and connects to nothing."
    };
    if let Some(finding) = of_one_field(case, failure, path, why) {
        return vec![finding];
    }
    if let Some(server) = mistyped(failure) {
        let finding = RULE.finding(
            Confidence::Certain,
            why,
            seen(path, failure.detail.clone()),
            Step::command("Write the scheme with a colon and two slashes", shell!("kubectl config set-cluster {} --server={}", cluster(case), server)),
        );
        return vec![finding.titled("The server URL is no URL")];
    }
    vec![RULE.finding(
        Confidence::Certain,
        why,
        seen(path, failure.detail.clone()),
        Step::text(
            "Repair the place that the message names, or write the entry anew (aws eks update-kubeconfig, or the file your cluster admin gives you).",
        ),
    )]
}

/// A field of one entry that is missing, or has a value that has another name here: what is to be written is known.
fn of_one_field(case: &Case<'_>, failure: &Failure, path: &'static str, why: &'static str) -> Option<Finding> {
    let detail = &failure.detail;
    let cite = seen(path, detail.clone());
    if let Some(rest) = detail.strip_prefix("no server found for cluster \"") {
        let name = rest.split('"').next().filter(|name| !name.is_empty()).unwrap_or("CLUSTER");
        let finding = RULE.finding(
            Confidence::Certain,
            "The cluster entry names no server (its key is `server`, in small letters): kubectl then asks http://localhost:8080, where no cluster of yours is. A context of other entries is not touched.",
            cite,
            Step::command("Write the server into the entry", shell!("kubectl config set-cluster {} --server=https://HOST:6443", name)),
        );
        return Some(finding.titled("The cluster entry names no server"));
    }
    if detail.contains("interactiveMode must be specified for") || detail.contains("invalid interactiveMode for") {
        let step = Step::command(
            "Say whether the plugin may ask somebody: IfAvailable where there is a terminal (Never, Always)",
            shell!("kubectl config set-credentials {} --exec-interactive-mode=IfAvailable", user(case)),
        );
        return Some(RULE.finding(Confidence::Certain, why, cite, step));
    }
    detail.contains("unsupported scheme \"socks5h\"").then(|| {
        let step = Step::text("Write proxy-url with socks5:// there: kubectl has the proxy resolve names with it, which other programs call socks5h.");
        RULE.finding(Confidence::Certain, why, cite, step)
    })
}

/// What a server URL was meant to be whose scheme is mistyped: `https//HOST`, `https:/HOST`.
fn mistyped(failure: &Failure) -> Option<String> {
    let written = failure.seen.as_deref().filter(|_| failure.detail.starts_with("host must be a URL"))?;
    let (scheme, rest) = ["https", "http"].into_iter().find_map(|scheme| Some((scheme, written.strip_prefix(scheme)?)))?;
    let host = rest.trim_start_matches([':', '/']);
    let meant = format!("{scheme}://{host}");
    let is_url = !host.contains(char::is_whitespace) && url::Url::parse(&meant).is_ok();
    (host.len() < rest.len() && !host.is_empty() && is_url && meant != written).then_some(meant)
}

/// kubectl's preferences: a file that KUBERC names and that cannot be read, or a policy that kubectl does not take.
fn preferences(failure: &Failure, path: &'static str) -> Finding {
    RULE.finding(
        Confidence::Certain,
        "kubectl stops at its own preferences file, before it reads any kubeconfig; neither the kubeconfig nor the cluster is to blame.",
        seen(path, failure.detail.clone()),
        Step::command("Go without preferences", "export KUBERC=off"),
    )
    .titled("kubectl's preferences file (kuberc) cannot be used")
    .step(Step::text("Or repair the file, or let KUBERC name the right one: it needs apiVersion kubectl.config.k8s.io/v1beta1 and kind Preference, and credentialPluginAllowlist with the policy Allowlist and with no other."))
}

/// The file is there, and belongs to somebody else: nothing in it is to be repaired.
fn forbidden(failure: &Failure, path: &'static str) -> Finding {
    let named = failure.detail.rsplit_once("open ").and_then(|(_, rest)| rest.strip_suffix(": permission denied"));
    let file = named.unwrap_or("FILE");
    // What a system service keeps under /etc stays root's: it holds an administrator's key.
    let step = if file.starts_with("/etc/") {
        Step::command(
            "Take a copy of your own, and use that (it holds an administrator's key: leave the original to root)",
            shell!("mkdir -p ~/.kube && sudo cp {} ~/.kube/config && sudo chown \"$(id -u):$(id -g)\" ~/.kube/config && chmod 600 ~/.kube/config && export KUBECONFIG=~/.kube/config", file),
        )
    } else {
        Step::command("If it is meant for you, make it yours", shell!("sudo chown \"$(id -u):$(id -g)\" {0} && chmod 600 {0}", file))
    };
    RULE.finding(
        Confidence::Certain,
        format!("{}. The file is there, and you may not read it; what stands in it is not to blame.", failure.detail),
        seen(path, failure.detail.clone()),
        step,
    )
    .titled("You may not read the kubeconfig")
    .step(Step::command("See whose it is (and its folders': each needs x for you)", shell!("ls -l {}; id -un", file)))
}

/// A file was read, and there is no context in it: kubectl goes on as if there were none.
fn holds_nothing(case: &Case<'_>) -> Option<Finding> {
    let failure = case.evidence.kubeconfig.failed_as(&[FailureKind::NotFound])?;
    let file = without_context(&failure.detail)?;
    let finding = RULE
        .finding(
            Confidence::Certain,
            format!("{file} was read, and it holds no context: it is empty, or no kubeconfig at all (a failed download leaves \"404: Not Found\" or an HTML page). kubectl then goes on as if there were no file, and asks http://localhost:8080."),
            seen("/kubeconfig/failed/detail", failure.detail.clone()),
            Step::command("See what it is", shell!("head -c 300 {}", file)),
        )
        .titled("The kubeconfig is there, and holds no context")
        .step(Step::text("Get it again (aws eks update-kubeconfig, or the file your cluster admin gives you), or name the right one: export KUBECONFIG=/path/to/kubeconfig"));
    Some(finding)
}

/// The first file that the loader read and found no context in.
pub fn without_context(detail: &str) -> Option<&str> {
    let (head, _) = detail.split_once(" (holds no context)")?;
    let list = head.split_once("looked at ")?.1;
    // Files before it stand with what became of them, in brackets.
    Some(list.rsplit_once("), ").map_or(list, |(_, file)| file))
}

#[cfg(test)]
mod tests {
    use super::{Case, Failure, FailureKind, check, mistyped, without_context};
    use crate::evidence::kubeconfig::Fault;
    use crate::evidence::{Evidence, Outcome};

    /// A saved run whose kubeconfig is no YAML; synthetic in the loader's words, which tests of the loader hold to.
    #[test]
    fn a_fault_of_one_entry_stops_no_other() {
        let text = include_str!("../../../testdata/cases/kubeconfig-unparsable/evidence.json");
        let mut evidence: Evidence = serde_json::from_str(text).expect("evidence");
        let whole = check(&Case::new(&evidence)).remove(0);
        assert!(whole.why.contains("the whole kubeconfig"), "{}", whole.why);
        for (detail, command) in [
            (
                "no server found for cluster \"c\"; kubectl would fall back to http://localhost:8080",
                Some("kubectl config set-cluster c --server=https://HOST:6443"),
            ),
            (
                "interactiveMode must be specified for u to use exec authentication plugin",
                Some("kubectl config set-credentials USER --exec-interactive-mode=IfAvailable"),
            ),
            (
                "invalid 'proxy-url' \"socks5h://p:1\" for cluster \"c\": unsupported scheme \"socks5h\", must be http, https, or socks5",
                None,
            ),
        ] {
            let mut failure = Failure::new(FailureKind::Malformed, detail);
            let fault = Fault { code: "kubeconfig-unparsable".to_owned(), entry: Some("c".to_owned()), ..Fault::default() };
            failure.fault = Some(Box::new(fault));
            evidence.kubeconfig.outcome = Outcome::Failed(failure);
            let found = check(&Case::new(&evidence)).remove(0);
            assert!(!found.why.contains("the whole kubeconfig"), "{}", found.why);
            assert_eq!(found.fix[0].command.as_deref(), command, "{detail}");
            assert!(!found.fix[0].text.starts_with("Repair the place"), "{:?}", found.fix);
        }
    }

    #[test]
    fn a_mistyped_scheme_is_written_anew() {
        let meant = |server: &str| {
            let detail = format!("host must be a URL or a host:port pair: \"{server}\"");
            mistyped(&Failure::new(FailureKind::Malformed, detail).sides("https://HOST:PORT", server))
        };
        for server in ["https//h:6443", "https:/h:6443", "https:///h:6443", "https:h:6443/x"] {
            assert!(meant(server).is_some_and(|meant| meant.starts_with("https://h:6443")), "{server}");
        }
        for server in ["https://x y", "https", "https://", "h:6443/k8s/clusters/c", "httpsh/x"] {
            assert_eq!(meant(server), None, "{server}");
        }
    }

    #[test]
    fn the_file_without_a_context_is_named() {
        let one = "no kubeconfig found; looked at /home/alice/.kube/config (holds no context), a Pod's service account (x)";
        assert_eq!(without_context(one), Some("/home/alice/.kube/config"));
        let two = "no kubeconfig found; looked at /a, b (not found), /c (holds no context), a Pod's service account (x)";
        assert_eq!(without_context(two), Some("/c"));
        assert_eq!(without_context("no kubeconfig found; looked at /a (not found)"), None);
    }
}
