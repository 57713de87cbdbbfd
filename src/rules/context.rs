//! Commands of a fix speak of what was looked at. Where `--context` named the context, they name it too, because the
//! current one is another cluster's; those that need rights, or any credential that works, name the reviewer's, where there
//! is one. What flags said of the cluster in AWS, kaccess' own commands say again, and those of AWS' CLI name the region.
//! What a flag says is mended in the flag. In a Pod, whose way is that of its service account, no command changes or shows
//! a kubeconfig.

use super::kubeconfig_fault::in_pod;
use super::{Case, eks, flag};
use crate::report::commands::{Words, commands, in_region, insert};
use crate::report::shell::{Shell, quoted};
use crate::report::{Finding, Step};

/// kaccess' commands that look at a cluster.
const LOOKS: &[&str] = &["doctor", "can-i", "who-can", "whoami", "workload", "allowlist"];
/// Those of them that ask AWS.
const ASK_AWS: &[&str] = &["doctor", "whoami", "workload", "allowlist", "can-i", "who-can"];
/// Flags that say what is looked at: whoever wrote one has chosen.
const CHOSEN: &[&str] = &["--context", "--kubeconfig", "--server", "--from", "--demo"];
/// Words after `kubectl` that are no request to a cluster; `config view` is, by what it shows.
const LOCAL: &[&str] = &["config", "oidc-login", "krew", "version", "kustomize", "completion"];

/// Beginnings of what follows `kubectl` that try the very credential, or show what its owner sees.
const OWN: &[&str] = &["get --raw /version", "get --raw '/readyz", "auth whoami", "auth can-i", "api-resources"];

/// What is said in a Pod instead of a command that would change a kubeconfig.
const NO_KUBECONFIG: &str = "the Pod has no kubeconfig to change: set it where its client is configured";

/// Puts context, region and flags into every command that asks a cluster or AWS.
pub fn name_it(case: &Case<'_>, findings: &mut [Finding]) {
    flag::name_it(case, findings);
    if in_pod(case) {
        findings.iter_mut().flat_map(steps).for_each(without_kubeconfig);
    }
    let config = case.evidence.kubeconfig.seen().filter(|config| config.context_named);
    let own = config.and_then(|config| config.context.as_deref()).map(quoted);
    let own = own.as_deref();
    let rights = case.context_with_rights().map(quoted);
    // What AWS described may be in one region, and what the kubeconfig means in another: then a command may be about
    // either.
    let region = eks::known_region(case).filter(|_| eks::other_region(case.evidence).is_none());
    let flags = flags(case);
    let names = Names { own, rights: rights.as_deref().or(own), region: region.as_deref(), flags: &flags };
    if names.rights.is_none() && names.region.is_none() && names.flags.is_empty() {
        return;
    }
    for step in findings.iter_mut().flat_map(steps) {
        if let Some(command) = &mut step.command {
            *command = command.map(|command| within(command, names));
        }
    }
}

/// The steps of a finding: those of its fix, and those that decide between its candidates.
fn steps(finding: &mut Finding) -> impl Iterator<Item = &mut Step> {
    let candidates = finding.candidates.iter_mut().map(|candidate| &mut candidate.decided_by);
    finding.fix.iter_mut().chain(candidates)
}

/// A step that would change or show a kubeconfig, in words alone.
fn without_kubeconfig(step: &mut Step) {
    let Some(command) = &step.command else { return };
    let of_it = |words: &Words| {
        let mut words = words.iter().map(|place| &command[place.clone()]);
        words.next() == Some("kubectl") && words.next() == Some("config")
    };
    if commands(command).iter().any(of_it) {
        step.command = None;
        let text = step.text.trim_end_matches(['.', ':']);
        step.text = format!("{text}; {NO_KUBECONFIG}.");
    }
}

/// What commands name.
#[derive(Debug, Clone, Copy, Default)]
struct Names<'n> {
    /// The context that was looked at, where it was named.
    own: Option<&'n str>,
    /// That of somebody with rights, else the same.
    rights: Option<&'n str>,
    /// The cluster's region.
    region: Option<&'n str>,
    /// Flags about AWS that were given.
    flags: &'n [(&'static str, Shell)],
}

/// The flags about AWS that this run was given.
fn flags(case: &Case<'_>) -> Vec<(&'static str, Shell)> {
    let Some(target) = eks::aws(case).and_then(|aws| aws.target.seen()) else { return Vec::new() };
    let elsewhere = eks::other_region(case.evidence).is_some();
    let all = [
        ("--eks-cluster", Some(&target.cluster).filter(|_| target.cluster_origin == "flag")),
        ("--region", Some(&target.region).filter(|_| target.region_origin == "flag" && !elsewhere)),
        ("--profile", target.profile.as_ref().filter(|_| target.profile_named)),
    ];
    all.into_iter().filter_map(|(flag, value)| Some((flag, quoted(value?)))).collect()
}

/// The commands, each with what it has to name.
fn within(text: &str, names: Names<'_>) -> String {
    let pieces = commands(text).iter().filter_map(|words| one(text, words, names)).collect();
    let text = insert(text, pieces);
    match names.region {
        Some(region) => in_region(&text, region),
        None => text,
    }
}

/// What is to be put into one command, and where.
fn one(text: &str, words: &Words, names: Names<'_>) -> Option<(usize, String)> {
    let word = |index: usize| words.get(index).map_or("", |place| &text[place.clone()]);
    let named = |flag: &&str| words.iter().any(|place| text[place.clone()].starts_with(*flag));
    if CHOSEN.iter().any(named) {
        return None;
    }
    let context = |name: Option<&str>| name.map(|name| format!(" --context {name}")).unwrap_or_default();
    let verb = word(1);
    let (place, piece) = match word(0) {
        "kubectl" if verb == "config" && word(2) == "view" => (words.first()?, context(names.own)),
        "kubectl" if !LOCAL.contains(&verb) => {
            let rest = words.get(1).map_or("", |place| &text[place.start..]);
            let own = OWN.iter().any(|begin| rest.starts_with(begin));
            (words.first()?, context(if own { names.own } else { names.rights }))
        }
        "kaccess" if LOOKS.contains(&verb) => {
            // About somebody else, or about everybody.
            let rights = verb == "who-can" || words.iter().any(|place| &text[place.clone()] == "--as");
            let mut piece = context(if rights { names.rights } else { names.own });
            let flags = names.flags.iter().filter(|(flag, _)| ASK_AWS.contains(&verb) && !named(flag));
            for (flag, value) in flags {
                piece.push_str(&format!(" {flag} {value}"));
            }
            (words.get(1)?, piece)
        }
        _ => return None,
    };
    (!piece.is_empty()).then_some((place.end, piece))
}

#[cfg(test)]
mod tests {
    use super::{Names, name_it, within};
    use crate::report::shell::quoted;
    use crate::report::{Candidate, Confidence, Step, seen};
    use crate::rules::Case;

    #[test]
    fn every_command_that_asks_a_cluster_names_the_context() {
        for (command, expected) in [
            ("kaccess doctor", "kaccess doctor --context prod"),
            (
                "kaccess doctor --reviewer-context ADMIN_CONTEXT",
                "kaccess doctor --context prod --reviewer-context ADMIN_CONTEXT",
            ),
            ("kubectl get --raw '/readyz?verbose'", "kubectl --context prod get --raw '/readyz?verbose'"),
            (
                "kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}'",
                "kubectl --context prod config view --minify -o jsonpath='{.clusters[0].cluster.server}'",
            ),
            (
                "kubectl oidc-login clean && kubectl get --raw /version -v=8 2>&1 | grep -i -e 'a; kubectl get'",
                "kubectl oidc-login clean && kubectl --context prod get --raw /version -v=8 2>&1 | grep -i -e 'a; kubectl get'",
            ),
            ("kubectl config use-context other", "kubectl config use-context other"),
            ("kubectl --context admin get pods", "kubectl --context admin get pods"),
            ("kaccess doctor --from evidence.json", "kaccess doctor --from evidence.json"),
            ("kaccess explain token-expired", "kaccess explain token-expired"),
            ("aws eks list-clusters\nkubectl get nodes", "aws eks list-clusters\nkubectl --context prod get nodes"),
            (
                "for pod in $(kubectl get pods -o name); do kubectl logs $pod; done",
                "for pod in $(kubectl --context prod get pods -o name); do kubectl --context prod logs $pod; done",
            ),
            (
                "kubectl get pods -n 'a'\\''; kubectl get b'",
                "kubectl --context prod get pods -n 'a'\\''; kubectl get b'",
            ),
        ] {
            let names = Names { own: Some("prod"), rights: Some("prod"), ..Names::default() };
            assert_eq!(within(command, names), expected);
        }
    }

    #[test]
    fn in_a_pod_no_command_changes_a_kubeconfig() {
        let text = include_str!("../../testdata/cases/api-certificate-name-mismatch/evidence.json");
        let mut evidence: crate::evidence::Evidence = serde_json::from_str(text).unwrap();
        let fix = |evidence: &crate::evidence::Evidence| {
            let findings = crate::rules::check_all(&Case::new(evidence));
            findings.into_iter().find(|finding| finding.code == "api-certificate-name-mismatch").expect("it").fix
        };
        let set = |step: &Step| step.command.as_deref().is_some_and(|command| command.starts_with("kubectl config "));
        let outside = fix(&evidence);
        assert!(outside.iter().any(set), "{outside:?}");
        let crate::evidence::Outcome::Seen(kubeconfig) = &mut evidence.kubeconfig.outcome else { panic!("none") };
        kubeconfig.source = "in-cluster".to_owned();
        let inside = fix(&evidence);
        assert_eq!(inside.len(), outside.len());
        assert!(!inside.iter().any(set), "{inside:?}");
        assert!(inside.iter().any(|step| step.text.contains("the Pod has no kubeconfig")), "{inside:?}");
    }

    #[test]
    fn what_needs_rights_names_the_context_of_somebody_with_rights() {
        for (command, expected) in [
            ("kubectl create token bot -n dev", "kubectl --context admin create token bot -n dev"),
            (
                "kubectl certificate approve a && kubectl get csr a",
                "kubectl --context admin certificate approve a && kubectl --context admin get csr a",
            ),
            ("kubectl get --raw /flagz | grep oidc", "kubectl --context admin get --raw /flagz | grep oidc"),
            (
                "kubectl oidc-login clean && kubectl get --raw /version",
                "kubectl oidc-login clean && kubectl --context d1 get --raw /version",
            ),
            ("kaccess can-i list pods --as bob --why", "kaccess can-i --context admin list pods --as bob --why"),
            ("kaccess doctor", "kaccess doctor --context d1"),
            ("kubectl config view --minify", "kubectl --context d1 config view --minify"),
        ] {
            let names = Names { own: Some("d1"), rights: Some("admin"), ..Names::default() };
            assert_eq!(within(command, names), expected);
        }
        let names = Names { rights: Some("admin"), ..Names::default() };
        assert_eq!(within("kubectl get csr", names), "kubectl --context admin get csr");
        assert_eq!(within("kaccess doctor", names), "kaccess doctor");
    }

    #[test]
    fn flags_about_aws_are_said_again_where_aws_is_asked() {
        let flags =
            [("--eks-cluster", quoted("prod")), ("--region", quoted("eu-west-1")), ("--profile", quoted("a b"))];
        let names = Names { own: Some("d1"), region: Some("eu-west-1"), flags: &flags, ..Names::default() };
        for (command, expected) in [
            (
                "kaccess allowlist -o terraform",
                "kaccess allowlist --context d1 --eks-cluster prod --region eu-west-1 --profile 'a b' -o terraform",
            ),
            (
                "kaccess doctor --region eu-west-3",
                "kaccess doctor --context d1 --eks-cluster prod --profile 'a b' --region eu-west-3",
            ),
            (
                "kaccess can-i list pods --why",
                "kaccess can-i --context d1 --eks-cluster prod --region eu-west-1 --profile 'a b' list pods --why",
            ),
            // It says itself what it looks at.
            ("kaccess doctor --from evidence.json", "kaccess doctor --from evidence.json"),
            (
                "aws eks list-clusters && kubectl get pods",
                "aws --region eu-west-1 eks list-clusters && kubectl get pods",
            ),
        ] {
            assert_eq!(within(command, names), expected);
        }
    }

    /// The commands of a fix, and of what decides a candidate, for a case whose target in AWS is this.
    fn mended(target: serde_json::Value) -> [String; 3] {
        let text = include_str!("../../testdata/cases/aws-assume-role-denied/evidence.json");
        let mut evidence: crate::evidence::Evidence = serde_json::from_str(text).unwrap();
        let target = serde_json::json!({ "startedMs": 0, "tookMs": 0, "seen": target });
        let target = serde_json::from_value(target).unwrap();
        evidence.aws = Some(Box::new(crate::evidence::eks::Aws { target, ..Default::default() }));
        let step = |command: &'static str| Step::command("do", command);
        let mut finding = crate::rules::exec::exec_failed::RULE.finding(
            Confidence::Certain,
            "why",
            seen("/plugin", "seen"),
            step("aws eks list-clusters"),
        );
        finding = finding.step(step("kaccess doctor"));
        finding.candidates =
            vec![Candidate { code: "exec-failed", why: String::new(), decided_by: step("aws logs x; aws iam y") }];
        let mut findings = [finding];
        name_it(&Case::new(&evidence), &mut findings);
        let command = |step: &Step| step.command.as_deref().unwrap_or_default().to_owned();
        let [finding] = findings;
        [command(&finding.fix[0]), command(&finding.fix[1]), command(&finding.candidates[0].decided_by)]
    }

    #[test]
    fn what_the_target_says_is_what_the_commands_name() {
        let flags = serde_json::json!({
            "cluster": "prod", "clusterOrigin": "flag", "region": "eu-west-1", "regionOrigin": "flag", "profile": "ops",
            "profileNamed": true
        });
        assert_eq!(
            mended(flags),
            [
                "aws --region eu-west-1 eks list-clusters",
                "kaccess doctor --eks-cluster prod --region eu-west-1 --profile ops",
                "aws --region eu-west-1 logs x; aws iam y"
            ]
        );
        // The kubeconfig says it, and says it the next time too.
        let entry = serde_json::json!({
            "cluster": "prod", "clusterOrigin": "exec-arguments", "region": "eu-west-1", "regionOrigin": "exec-arguments",
            "profile": "ops"
        });
        assert_eq!(
            mended(entry),
            ["aws --region eu-west-1 eks list-clusters", "kaccess doctor", "aws --region eu-west-1 logs x; aws iam y"]
        );
    }
}
