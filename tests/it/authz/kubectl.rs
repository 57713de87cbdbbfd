//! What `kubectl auth can-i` accepts, `kaccess can-i` accepts, with the same answer.

use std::process::{Command, Stdio};

use super::{Stage, stdout};
use crate::support::lab;
use crate::support::run::scratch;

/// Command lines that differ, each with its reason.
const DIFFERENT: &[(&str, &str)] = &[
    (
        "dev get deployments/scale -n dev",
        "kubectl takes scale for a Deployment's name; kaccess knows the subresource, as docs/commands/can-i.md says",
    ),
    (
        "dev get persistentvolumes -n dev",
        "kubectl asks about a cluster-scoped type inside a namespace and believes a RoleBinding that no request is ever judged by",
    ),
    ("admin --list pods", "bad use: 2, where kubectl has 1 for every error"),
    ("admin --list -A", "bad use: 2"),
    ("admin get", "bad use: 2"),
    ("admin get pods --no-headers", "bad use: 2"),
    ("admin get /healthz --subresource=x", "bad use: 2"),
    (
        "admin get pods --as=system:anonymous",
        "anonymous may put no question; kaccess goes on to SubjectAccessReview and has the answer",
    ),
    ("admin get pods web", "kaccess takes the name as a third word"),
    ("dev get pods --profile=prod -n dev", "a profile of AWS for kaccess; kubectl refuses what it does not measure"),
    ("admin get pods --as-group=oidc:backend", "kaccess answers for somebody in the group, kubectl refuses"),
];

fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for verb in ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"] {
        for kind in [
            "pods",
            "po",
            "deployments",
            "deploy.apps",
            "secrets",
            "nodes",
            "jobs.batch",
            "widgets",
            "wd",
            "widgets.example.com",
        ] {
            lines.push(format!("dev {verb} {kind} -n dev"));
        }
        for kind in ["pods", "clusterroles"] {
            lines.push(format!("admin {verb} {kind}"));
        }
    }
    let more = [
        "dev get pod -n dev",
        "dev get pods/log -n dev",
        "dev get Pods -n dev",
        "dev get PODS -n dev",
        "dev get deployments.v1.apps -n dev",
        "dev get deployments.apps -n dev",
        "dev get deployments.ap -n dev",
        "dev get configmaps -n dev",
        "dev get configmaps/settings -n dev",
        "dev get cm/settings -n dev",
        "dev get cm/other -n dev",
        "dev list cm/settings -n dev",
        "dev get pods --subresource=log -n dev",
        "dev get pods --subresource log -n dev",
        "dev get pods/web --subresource=log -n dev",
        "dev create pods --subresource=exec -n dev",
        "dev get deployments --subresource=scale -n dev",
        "dev get pods/web -n dev",
        "dev get pods -n prod",
        "dev get pods --namespace=prod",
        "dev get pods -A",
        "dev get pods --all-namespaces",
        "dev get nodes -A",
        "dev get nodes/n1 -n dev",
        "dev get /metrics",
        "dev get /metrics/",
        "dev get /logs/x",
        "dev get /logs",
        "dev post /metrics",
        "dev get /healthz",
        "dev get /api",
        "dev frob /metrics",
        "dev frob pods -n dev",
        "dev frob deployments -n dev",
        "dev get gadgets -n dev",
        "dev get gadgets.example.com -n dev",
        "dev get widgets/one -n dev",
        "dev get widget -n dev",
        "dev get widgets.example -n dev",
        "dev get widgets.v1.example.com -n dev",
        "dev * * -n dev",
        "dev * deployments -n dev",
        "dev * pods -n dev",
        "dev get * -n dev",
        "dev impersonate users",
        "dev impersonate groups -n dev",
        "dev impersonate serviceaccounts -n dev",
        "dev create selfsubjectaccessreviews",
        "dev create selfsubjectrulesreviews.authorization.k8s.io",
        "dev create selfsubjectreviews",
        "dev use podsecuritypolicies",
        "dev approve certificatesigningrequests",
        "dev escalate roles -n dev",
        "dev bind clusterroles/viewer",
        "dev get namespaces -n dev",
        "dev get ns/dev -n dev",
        "dev list events -n dev",
        "dev get ing -n dev",
        "dev get ingresses.networking.k8s.io -n dev",
        "dev get netpol -n dev",
        "dev get hpa -n dev",
        "dev get crd",
        "dev get pods -q -n dev",
        "dev delete pods -q -n dev",
        "dev get pods --quiet -n dev",
        "dev delete pods --quiet=true -n dev",
        "dev get pods --quiet=false -n dev",
        "dev get pods -q=false -n dev",
        "dev --list=true -n dev",
        "dev --list --no-headers=false -n dev",
        "dev get pods --list=false -n dev",
        "dev get cm -v 2 -n dev",
        "dev get cm/settings -v=2 -n dev",
        "dev -v 2 get cm/settings -n dev",
        "dev get pods --match-server-version=false -n dev",
        "dev get pods --warnings-as-errors -n dev",
        "dev get pods --disable-compression=true -n dev",
        "dev get pods --profile none --profile-output /dev/null -n dev",
        "dev get pods --username x --password y -n dev",
        "admin get pods --username x --password y",
        "nobody get pods -n dev",
        "nobody get nodes",
        "nobody get /healthz",
        "nobody get /metrics",
        "nobody create selfsubjectaccessreviews",
        "admin * *",
        "admin * * -A",
        "admin get gadgets",
        "admin get /metrics",
        "admin get /nonsense",
        "admin frob pods",
        "admin get pods --as=alice",
        "admin get pods --as alice -n prod",
        "admin get pods --as=alice --as-group=oidc:backend -n prod",
        "admin get pods --as=alice --as-group=oidc:backend -n dev",
        "admin list pods --as=alice --as-group=x --as-group=oidc:backend -n prod",
        "admin get pods --as=system:serviceaccount:dev:dev -n dev",
        "admin get secrets --as=system:serviceaccount:dev:dev -n dev",
        "admin get pods --as=alice --as-uid=42 -n prod",
        "admin get nodes --as=alice --as-group=system:masters",
        "admin get pods --as=alice -A",
        "admin get /metrics --as=alice",
        "admin get /metrics --as=system:serviceaccount:dev:dev",
        "dev get pods --as=alice -n dev",
    ];
    lines.extend(more.map(str::to_owned));
    lines.extend(DIFFERENT.iter().map(|(line, _)| (*line).to_owned()));
    lines
}

/// Exit code and stdout.
type Outcome = (i32, String);

#[test]
fn can_i_answers_as_kubectl_does() {
    let Some(lab) = lab::require_apiserver() else { return };
    let stage = Stage::start(lab);
    let home = scratch("kubectl-home");
    let lines = lines();
    let outcomes: Vec<(String, Outcome, Outcome)> = std::thread::scope(|scope| {
        let workers: Vec<_> = lines
            .chunks(lines.len().div_ceil(3))
            .map(|chunk| {
                let (stage, home) = (&stage, &home);
                scope.spawn(move || {
                    chunk
                        .iter()
                        .map(|line| {
                            let words: Vec<&str> = line.split(' ').collect();
                            let theirs = Command::new(lab.kubectl())
                                .args(["auth", "can-i"])
                                .args(&words[1..])
                                .arg("--kubeconfig")
                                .arg(&stage.config)
                                .args(["--context", words[0]])
                                .env("HOME", home)
                                .stdin(Stdio::null())
                                .output()
                                .expect("kubectl runs");
                            let mut arguments = vec!["can-i"];
                            arguments.extend(&words[1..]);
                            let ours = stage.run(words[0], &arguments);
                            let code = |output: &std::process::Output| output.status.code().unwrap_or(-1);
                            (line.clone(), (code(&theirs), stdout(&theirs)), (code(&ours), stdout(&ours)))
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    let mut faults = Vec::new();
    let mut equal = 0;
    for (line, theirs, ours) in &outcomes {
        let listed = DIFFERENT.iter().any(|(known, _)| known == line);
        // An error that both meet is 1 for kubectl and 2 here: no answer is not a no.
        let both_failed = theirs.0 == 1 && theirs.1.is_empty() && ours.0 == 2 && ours.1.is_empty();
        match (theirs == ours || (both_failed && !listed), listed) {
            (true, false) => equal += 1,
            (false, true) => {}
            _ => faults.push(format!("{line}\n  kubectl {theirs:?}\n  kaccess {ours:?}")),
        }
    }
    lab::tell(&format!("kubectl: {equal} command lines equal, {} differ with a reason", DIFFERENT.len()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(equal >= 150, "only {equal}");
}
