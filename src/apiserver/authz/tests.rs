//! The model against what the server was seen to do; the lab compares both at large.

use std::collections::BTreeSet;

use super::escalation::{self, Write};
use super::near::{self, Kind};
use super::who::{Reach, who_can};
use super::*;
use crate::evidence::access::{NonResourceRule, ResourceRule};

fn own(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> ResourceRule {
    ResourceRule { verbs: own(verbs), api_groups: own(groups), resources: own(resources), resource_names: own(names) }
}

fn role(kind: &str, namespace: &str, name: &str, rules: Vec<ResourceRule>) -> Role {
    Role {
        kind: kind.to_owned().into(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        resource_rules: rules,
        ..Role::default()
    }
}

fn subject(kind: &str, name: &str, namespace: &str) -> Subject {
    Subject { kind: kind.to_owned().into(), name: name.to_owned(), namespace: namespace.to_owned(), index: 0 }
}

fn binding(namespace: &str, name: &str, role: (&str, &str), subjects: Vec<Subject>) -> Binding {
    Binding {
        kind: if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" }.into(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        role_kind: role.0.to_owned().into(),
        role_name: role.1.to_owned(),
        subjects,
    }
}

fn world(roles: Vec<Role>, bindings: Vec<Binding>) -> Rbac {
    Rbac { roles, bindings, ..Rbac::default() }
}

fn user(name: &str, groups: &[&str]) -> User {
    User { username: name.to_owned(), groups: own(groups), ..User::default() }
}

fn ask(verb: &str, resource: &str, namespace: &str, name: &str) -> Question {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Question {
        verb: verb.to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Question::default()
    }
}

#[test]
fn subresources_are_matched_as_the_server_does() {
    let question = ask("get", "pods/log", "", "");
    for (resource, allowed) in
        [("pods", false), ("pods/log", true), ("*/log", true), ("pods/*", false), ("*", true), ("*/lo", false)]
    {
        assert_eq!(
            rules::resource_rule_allows(&rule(&["get"], &[""], &[resource], &[]), &question),
            allowed,
            "{resource}"
        );
    }
}

#[test]
fn resource_names_never_match_a_question_without_a_name() {
    let named = rule(&["*"], &["*"], &["*"], &["a"]);
    assert!(!rules::resource_rule_allows(&named, &ask("list", "pods", "", "")));
    assert!(rules::resource_rule_allows(&named, &ask("list", "pods", "", "a")));
}

#[test]
fn paths_match_by_prefix_only_with_a_star() {
    let paths = own(&["/healthz*", "/logs**", "/metrics"]);
    assert!(rules::paths_match(&paths, "/healthzfoo"));
    assert!(rules::paths_match(&paths, "/logs/a"));
    assert!(!rules::paths_match(&paths, "/metrics/"));
    let reader = Role {
        non_resource_rules: vec![NonResourceRule { verbs: own(&["get"]), paths }],
        ..role("ClusterRole", "", "paths", Vec::new())
    };
    // A RoleBinding grants no path.
    let rbac =
        world(vec![reader], vec![binding("dev", "b", ("ClusterRole", "paths"), vec![subject("User", "alice", "")])]);
    let question =
        Question { namespace: "dev".to_owned(), path: Some("/metrics".to_owned()), ..ask("get", "", "", "") };
    assert!(!World::new(&rbac).decide(&user("alice", &[]), &question).allowed);
}

#[test]
fn reasons_are_the_servers() {
    let rbac = world(
        vec![role("Role", "ci", "r", vec![rule(&["get"], &[""], &["pods"], &[])])],
        vec![
            binding("ci", "b", ("Role", "r"), vec![subject("ServiceAccount", "builder", "")]),
            binding("", "x", ("ClusterRole", "gone"), vec![subject("Group", "dev", "")]),
        ],
    );
    let world = World::new(&rbac);
    let builder = user("system:serviceaccount:ci:builder", &[]);
    assert_eq!(
        world.decide(&builder, &ask("get", "pods", "ci", "")).reason,
        "RBAC: allowed by RoleBinding \"b/ci\" of Role \"r\" to ServiceAccount \"builder/ci\""
    );
    assert_eq!(
        world.decide(&user("a", &["dev"]), &ask("get", "pods", "ci", "")),
        Decision {
            allowed: false,
            reason: "RBAC: clusterrole.rbac.authorization.k8s.io \"gone\" not found".to_owned()
        }
    );
    assert_eq!(
        world.decide(&user("a", &["system:masters"]), &ask("frob", "x", "", "")),
        Decision { allowed: true, reason: String::new() }
    );
}

#[test]
fn a_service_account_without_namespace_in_a_cluster_binding_is_nobody() {
    let rbac = world(
        vec![role("ClusterRole", "", "all", vec![rule(&["*"], &["*"], &["*"], &[])])],
        vec![binding("", "b", ("ClusterRole", "all"), vec![subject("ServiceAccount", "builder", "")])],
    );
    let world = World::new(&rbac);
    assert!(!world.decide(&user("system:serviceaccount:ci:builder", &[]), &ask("get", "pods", "ci", "")).allowed);
    let who = who_can(&world, &ask("get", "pods", "ci", ""), Reach::Question);
    assert_eq!(who.len(), 1, "only system:masters: {who:?}");
}

#[test]
fn one_namespace_is_opened_by_its_own_role_bindings_and_no_others() {
    let reader = role("ClusterRole", "", "read", vec![rule(&["get"], &[""], &["namespaces"], &[])]);
    let rbac = world(
        vec![reader],
        vec![
            binding("dev", "here", ("ClusterRole", "read"), vec![subject("User", "alice", "")]),
            binding("prod", "there", ("ClusterRole", "read"), vec![subject("User", "bob", "")]),
            binding("", "all", ("ClusterRole", "read"), vec![subject("User", "carol", "")]),
        ],
    );
    let world = World::new(&rbac);
    let names = |name: &str| -> Vec<String> {
        let who = who_can(&world, &ask("get", "namespaces", "", name), Reach::Anywhere);
        who.into_keys().filter(|who| who.kind == "User").map(|who| who.name).collect()
    };
    assert_eq!(names("dev"), ["alice", "carol"]);
    assert_eq!(names(""), ["alice", "bob", "carol"]);
}

#[test]
fn near_misses_name_what_is_wrong() {
    let read = |name: &str, rules: Vec<ResourceRule>| role("ClusterRole", "", name, rules);
    let roles = vec![
        read("pods", vec![rule(&["get", "list"], &[""], &["pods"], &[])]),
        read("one", vec![rule(&["get"], &[""], &["pods/log"], &["web"])]),
        read("apps", vec![rule(&["get"], &["apps"], &["pods/log"], &[])]),
        read("log", vec![rule(&["get"], &[""], &["pods/log"], &[])]),
        read("watch", vec![rule(&["watch"], &[""], &["pods/log"], &[])]),
        Role { aggregates: true, collects: vec!["log".to_owned()], ..read("empty", Vec::new()) },
        // What it should collect does not grant this either.
        Role { aggregates: true, collects: vec!["pods".to_owned()], ..read("beside", Vec::new()) },
    ];
    let alice = || vec![subject("User", "oidc:alice", "")];
    let bindings = vec![
        binding("", "a", ("ClusterRole", "pods"), alice()),
        binding("", "b", ("ClusterRole", "one"), alice()),
        binding("", "c", ("ClusterRole", "apps"), alice()),
        binding("prod", "d", ("ClusterRole", "log"), alice()),
        binding("", "e", ("ClusterRole", "watch"), alice()),
        binding("", "f", ("ClusterRole", "gone"), alice()),
        binding("", "g", ("ClusterRole", "empty"), alice()),
        binding("", "l", ("ClusterRole", "beside"), alice()),
        binding("", "h", ("ClusterRole", "log"), vec![subject("User", "alice", "")]),
        binding("", "i", ("ClusterRole", "log"), vec![subject("Group", "oidc:/dev", "")]),
        binding("", "j", ("ClusterRole", "log"), vec![subject("Group", "oidc:Dev", "")]),
        binding("", "k", ("ClusterRole", "log"), vec![subject("User", "oidc:dev", "")]),
    ];
    let rbac = world(roles, bindings);
    let world = World::new(&rbac);
    let who = user("oidc:alice", &["oidc:dev", "system:authenticated"]);
    let question = ask("get", "pods/log", "dev", "");
    assert!(!world.decide(&who, &question).allowed);
    let found: Vec<(Kind, &str)> = near::near_misses(&world, &who, &question)
        .iter()
        .map(|miss| (miss.kind, miss.binding.map_or("", |binding| binding.name.as_str())))
        .collect();
    assert_eq!(
        found,
        [
            (Kind::SubjectCase, "j"),
            (Kind::SubjectSlash, "i"),
            (Kind::SubjectPrefix, "h"),
            (Kind::SubjectKind, "k"),
            (Kind::MissingSubresource, "a"),
            (Kind::OtherApiGroup, "c"),
            (Kind::ResourceNames, "b"),
            (Kind::WrongNamespace, "d"),
            (Kind::OtherVerb, "e"),
            (Kind::AggregatedRoleEmpty, "g"),
            (Kind::DanglingRole, "f"),
        ]
    );
}

#[test]
fn a_role_of_the_other_kind_may_be_meant() {
    let reads = |kind: &str, namespace: &str, name: &str| {
        role(kind, namespace, name, vec![rule(&["get"], &[""], &["services"], &[])])
    };
    let writes = role("Role", "dev", "writer", vec![rule(&["create"], &[""], &["services"], &[])]);
    let roles =
        vec![reads("Role", "dev", "reader"), reads("ClusterRole", "", "all"), reads("Role", "prod", "far"), writes];
    let sam = || vec![subject("User", "sam", "")];
    let bindings = vec![
        binding("dev", "a", ("ClusterRole", "gone"), sam()),
        binding("dev", "b", ("ClusterRole", "far"), sam()),
        binding("dev", "c", ("ClusterRole", "writer"), sam()),
        binding("dev", "d", ("ClusterRole", "reader"), sam()),
        binding("dev", "e", ("Role", "all"), sam()),
        // A ClusterRoleBinding names no Role.
        binding("", "f", ("ClusterRole", "reader"), sam()),
    ];
    let rbac = world(roles, bindings);
    let world = World::new(&rbac);
    let near = near::near_misses(&world, &user("sam", &[]), &ask("get", "services", "dev", "web"));
    let name = |miss: &near::NearMiss<'_>| miss.binding.map(|binding| binding.name.clone()).unwrap_or_default();
    let (meant, gone): (Vec<_>, Vec<_>) = near.iter().partition(|miss| miss.kind == Kind::RoleOfOtherKind);
    assert_eq!(meant.iter().map(|miss| name(miss)).collect::<Vec<_>>(), ["d", "e"]);
    assert!(gone.iter().all(|miss| miss.kind == Kind::DanglingRole));
    assert_eq!(gone.iter().map(|miss| name(miss)).collect::<Vec<_>>(), ["f", "a", "b", "c"]);
    // The one that is meant stands first.
    assert_eq!(name(&near[0]), "d");
}

#[test]
fn several_groups_in_one_are_no_prefix_and_no_path() {
    use near::{alike, joins};
    for (theirs, own) in [
        ("oidc:backend", "dev,oidc:backend"),
        ("oidc:backend", "oidc:dev,oidc:backend"),
        ("oidc:backend", "oidc:dev,backend"),
        ("dev", "dev; backend"),
        ("backend", "dev backend"),
        ("backend", "backend/dev"),
    ] {
        assert!(joins(own, theirs), "{theirs} {own}");
        assert_eq!(alike(theirs, own).map(|(kind, _)| kind), Some(Kind::SubjectJoined), "{theirs} {own}");
    }
    assert!(!joins("backend", "backend") && !joins("oidc:backend", "backend"));
    assert_eq!(alike("b:backend", "dev,oidc:backend"), None);
    assert_eq!(alike("oidc:/slashed", "oidc:/parent/slashed").map(|(kind, _)| kind), Some(Kind::SubjectSlash));
    assert_eq!(alike("one/dev", "other/dev"), None, "two paths that end alike are two groups");
    assert_eq!(alike("/platform", "oidc:platform").map(|(kind, _)| kind), Some(Kind::SubjectPrefix));
    assert_eq!(
        alike("backend", "https://kc.example/realms/a:backend").map(|(kind, _)| kind),
        Some(Kind::SubjectPrefix)
    );
}

#[test]
fn who_reads_pods_is_told_of_their_subresources_and_a_user_is_no_service_account() {
    let roles = vec![
        role("ClusterRole", "", "read", vec![rule(&["get", "list", "watch"], &[""], &["pods", "pods/log"], &[])]),
        role("ClusterRole", "", "exec", vec![rule(&["create"], &[""], &["pods/exec"], &[])]),
    ];
    let bindings = vec![
        binding("", "a", ("ClusterRole", "read"), vec![subject("ServiceAccount", "deployer", "ci")]),
        binding("", "b", ("ClusterRole", "exec"), vec![subject("User", "deployer", "")]),
    ];
    let rbac = world(roles, bindings);
    let world = World::new(&rbac);
    let who = user("system:serviceaccount:ci:deployer", &["system:authenticated"]);
    let kinds = |verb: &str, what: &str| -> Vec<Kind> {
        near::near_misses(&world, &who, &ask(verb, what, "dev", "web")).iter().map(|miss| miss.kind).collect()
    };
    assert_eq!(kinds("create", "pods/exec"), [Kind::SubjectKind, Kind::MissingSubresource]);
    assert_eq!(kinds("patch", "pods/ephemeralcontainers"), [Kind::MissingSubresource]);
    assert!(kinds("update", "pods/status").is_empty());
}

#[test]
fn names_and_rules_in_another_spelling_are_near() {
    let grants = |verbs: &[&str], resource: &str, kind: &str, name: &str| -> Vec<(Kind, String)> {
        let rbac = world(
            vec![role("ClusterRole", "", "r", vec![rule(verbs, &[""], &[resource], &[])])],
            vec![binding("", "b", ("ClusterRole", "r"), vec![subject(kind, name, "")])],
        );
        let who = user("system:serviceaccount:dev:bot", &["system:serviceaccounts:dev", "system:authenticated"]);
        let question = ask("list", "pods", "dev", "");
        assert!(!World::new(&rbac).decide(&who, &question).allowed);
        near::near_misses(&World::new(&rbac), &who, &question).into_iter().map(|miss| (miss.kind, miss.text)).collect()
    };
    let whole = "system:serviceaccount:dev:bot";
    for (verbs, resource, kind, name, expected, words) in [
        (&["list"][..], "pods", "User", "dev:bot", Kind::SubjectKind, "not a ServiceAccount"),
        (&["list"], "pods", "Group", "system:serviceaccount:dev", Kind::SubjectKind, "with an s"),
        (&["LIST"], "pods", "User", whole, Kind::OtherVerb, "verbs are lower case"),
        (&["GET", "LIST"], "Pods", "User", whole, Kind::ResourceSpelling, "must be lower case, too"),
        (&["list"], "po", "User", whole, Kind::ResourceSpelling, "only kubectl knows"),
    ] {
        let found = grants(verbs, resource, kind, name);
        assert!(matches!(found.as_slice(), [(kind, text)] if *kind == expected && text.contains(words)), "{found:?}");
    }
    assert_eq!(near::alike("alice ", "alice").map(|(kind, _)| kind), Some(Kind::SubjectCase));
    let dashed = near::alike("sso:jane@corp.com", "sso:jane-corp.com");
    assert_eq!(dashed, Some((Kind::SubjectCase, "by @ in one and - in the other")));
    assert_eq!(near::alike("sso:john@corp.com", "sso:jane-corp.com"), None);
}

#[test]
fn a_user_of_an_accounts_short_name_is_not_the_account() {
    let bob = user("system:serviceaccount:ka:bob", &["system:serviceaccounts:ka", "system:authenticated"]);
    assert_eq!(near::meant(&subject("User", "bob", ""), &bob), None);
    for spelled in ["ka:bob", "ka/bob"] {
        assert_eq!(near::meant(&subject("User", spelled, ""), &bob), Some(("User", bob.username.as_str())));
        assert!(!near::is_namesake(&subject("User", spelled, ""), &bob));
    }
    assert!(near::is_namesake(&subject("User", "bob", ""), &bob));
    assert!(!near::is_namesake(&subject("Group", "bob", ""), &bob));
    // The one that is spelled out is nearer, wherever it stands.
    let rbac = world(
        vec![role("ClusterRole", "", "r", vec![rule(&["list"], &[""], &["pods"], &[])])],
        vec![binding("", "b", ("ClusterRole", "r"), vec![subject("User", "bob", ""), subject("User", "ka:bob", "")])],
    );
    let near = near::near_misses(&World::new(&rbac), &bob, &ask("list", "pods", "ka", ""));
    assert_eq!(near.len(), 1);
    assert!(near[0].text.contains("\"ka:bob\""), "{}", near[0].text);
}

/// `-n` does not change in which namespace a Namespace is: its own name is.
#[test]
fn a_right_on_another_namespace_is_not_near() {
    let rbac = world(
        vec![role("ClusterRole", "", "all", vec![rule(&["*"], &["*"], &["*"], &[])])],
        vec![binding("ka", "own", ("ClusterRole", "all"), vec![subject("User", "jane", "")])],
    );
    let world = World::new(&rbac);
    let kinds = |resource: &str, namespace: &str, name: &str| -> Vec<Kind> {
        let question = ask("delete", resource, namespace, name);
        near::near_misses(&world, &user("jane", &[]), &question).iter().map(|miss| miss.kind).collect()
    };
    assert!(kinds("namespaces", "kb", "kb").is_empty());
    assert_eq!(kinds("namespaces", "", ""), [Kind::NeedsClusterScope]);
    assert_eq!(kinds("pods", "kb", "web"), [Kind::WrongNamespace]);
}

/// kubectl's words for types, of every built-in one: a role that names one grants nothing.
#[test]
fn short_and_singular_names_are_near() {
    let near = |entry: &str, group: &str, resource: &str| -> Vec<(Kind, String)> {
        let rbac = world(
            vec![role("ClusterRole", "", "r", vec![rule(&["list"], &[group], &[entry], &[])])],
            vec![binding("", "b", ("ClusterRole", "r"), vec![subject("User", "alice", "")])],
        );
        let question = Question { group: group.to_owned(), ..ask("list", resource, "", "") };
        near::near_misses(&World::new(&rbac), &user("alice", &[]), &question)
            .into_iter()
            .map(|miss| (miss.kind, miss.text))
            .collect()
    };
    for (entry, group, resource, words) in [
        ("csr", "certificates.k8s.io", "certificatesigningrequests", "only kubectl knows"),
        ("crd", "apiextensions.k8s.io", "customresourcedefinitions", "only kubectl knows"),
        ("pdb", "policy", "poddisruptionbudgets", "only kubectl knows"),
        ("quota", "", "resourcequotas", "only kubectl knows"),
        ("po", "metrics.k8s.io", "pods", "only kubectl knows"),
        ("networkpolicy", "networking.k8s.io", "networkpolicies", "plural, lower case"),
        ("Pod", "", "pods", "plural, lower case"),
        ("widget", "example.com", "widgets", "plural, lower case"),
    ] {
        let found = near(entry, group, resource);
        assert!(
            matches!(found.as_slice(), [(Kind::ResourceSpelling, text)] if text.contains(words)),
            "{entry}: {found:?}"
        );
    }
    assert!(near("sc", "", "secrets").is_empty());
}

#[test]
fn escalation_says_what_is_not_held() {
    let rbac = world(
        vec![
            role("ClusterRole", "", "held", vec![rule(&["get", "list"], &[""], &["pods", "*/scale"], &[])]),
            role("ClusterRole", "", "more", vec![rule(&["get", "watch", "list"], &[""], &["pods"], &[])]),
            role("ClusterRole", "", "scale", vec![rule(&["get"], &[""], &["pods/scale"], &["a"])]),
        ],
        vec![binding("", "b", ("ClusterRole", "held"), vec![subject("User", "alice", "")])],
    );
    let world = World::new(&rbac);
    let alice = user("alice", &["dev", "system:authenticated"]);
    assert_eq!(
        escalation::may_write_role(&world, &alice, &rbac.roles[1], Write::Create),
        Err("user \"alice\" (groups=[\"dev\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"watch\"]}".to_owned())
    );
    assert_eq!(escalation::may_write_role(&world, &alice, &rbac.roles[2], Write::Create), Ok(()));
    assert_eq!(
        escalation::may_write_binding(&world, &alice, &binding("dev", "n", ("ClusterRole", "gone"), Vec::new())),
        Err("rolebindings.rbac.authorization.k8s.io \"gone\" not found".to_owned())
    );
}

#[test]
fn impersonation_is_told_by_the_first_mode_that_applies() {
    let rbac = world(
        vec![role("ClusterRole", "", "imp", vec![rule(&["impersonate"], &[""], &["users"], &["bob"])])],
        vec![binding("", "b", ("ClusterRole", "imp"), vec![subject("User", "alice", "")])],
    );
    let world = World::new(&rbac);
    let (alice, pods) = (user("alice", &[]), ask("list", "pods", "default", ""));
    let granted = impersonation::impersonate(&world, &alice, &user("bob", &[]), &pods, true).expect("legacy");
    assert_eq!((granted.mode, granted.user.groups.as_slice()), ("legacy", own(&["system:authenticated"]).as_slice()));
    assert_eq!(
        impersonation::impersonate(&world, &alice, &user("eve", &[]), &pods, true),
        Err("pods is forbidden: User \"alice\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"default\"".to_owned())
    );
    assert_eq!(
        impersonation::impersonate(&world, &alice, &user("bob", &["dev"]), &pods, false),
        Err("groups \"dev\" is forbidden: User \"alice\" cannot impersonate resource \"groups\" in API group \"\" at the cluster scope".to_owned())
    );
}

#[test]
fn requests_are_read_as_the_server_reads_them() {
    for (request, verb, group, resource, namespace, name) in [
        ("GET /api/v1/pods", "list", "", "pods", "", ""),
        ("GET /api/v1/namespaces/dev/pods/web/log?follow=true", "get", "", "pods/log", "dev", "web"),
        ("GET /api/v1/pods?watch=1", "watch", "", "pods", "", ""),
        ("GET /api/v1/pods?watch=false&fieldSelector=metadata.name%3Dweb", "list", "", "pods", "", "web"),
        ("GET /api/v1/namespaces/dev", "get", "", "namespaces", "dev", "dev"),
        ("PUT /api/v1/namespaces/dev/finalize", "update", "", "namespaces/finalize", "dev", "dev"),
        ("DELETE /apis/apps/v1/namespaces/dev/deployments", "deletecollection", "apps", "deployments", "dev", ""),
        ("GET /api/v1/watch/namespaces/dev/pods", "watch", "", "pods", "dev", ""),
        ("GET /api/v1/proxy/nodes/n1/metrics", "proxy", "", "nodes", "", "n1"),
        ("POST /api/v1/namespaces/dev/pods/web/exec?command=sh", "create", "", "pods/exec", "dev", "web"),
    ] {
        let (method, path) = request.split_once(' ').expect("a request");
        let question = request::from_http(method, path).expect("a question");
        let expected = Question { group: group.to_owned(), ..ask(verb, resource, namespace, name) };
        assert_eq!(question, expected, "{request}");
    }
    for path in ["/api/v1", "/apis/apps/v1", "/healthz/etcd", "/", "/openapi/v3/apis/apps/v1"] {
        let question = request::from_http("GET", path).expect("a question");
        assert_eq!((question.verb.as_str(), question.path.as_deref()), ("get", Some(path)));
    }
}

#[test]
fn the_smallest_grant_follows_the_question() {
    let alice = user("oidc:alice", &["oidc:dev"]);
    let text = suggestion::manifest(None, &alice, &ask("get", "pods/log", "dev", "web"));
    assert_eq!(
        text,
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: oidc-alice-get-pods-log-web-55da45\n  namespace: dev\nrules:\n- apiGroups: [\"\"]\n  resources: [pods/log]\n  resourceNames: [web]\n  verbs: [get]\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: oidc-alice-get-pods-log-web-55da45\n  namespace: dev\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: oidc-alice-get-pods-log-web-55da45\nsubjects:\n- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: \"oidc:alice\"\n"
    );
    let rbac = world(
        vec![
            role("ClusterRole", "", "wide", vec![rule(&["*"], &["*"], &["*"], &[])]),
            role("ClusterRole", "", "logs", vec![rule(&["get", "list"], &[""], &["pods", "pods/log"], &[])]),
        ],
        Vec::new(),
    );
    let text = suggestion::manifest(Some(&World::new(&rbac)), &alice, &ask("get", "pods/log", "dev", ""));
    assert!(text.contains("kind: ClusterRole\n  name: logs") && !text.contains("rules:"), "{text}");
    let text = suggestion::manifest(Some(&World::new(&rbac)), &alice, &ask("list", "nodes", "", ""));
    assert!(text.contains("kind: ClusterRoleBinding") && text.contains("resources: [nodes]"), "{text}");
}

/// What is created below one object is granted for that object; what is created itself has no name yet.
#[test]
fn a_grant_is_about_the_object_that_the_request_names() {
    let jane = user("jane", &[]);
    for (verb, resource, named) in [
        ("create", "serviceaccounts/token", true),
        ("create", "pods/exec", true),
        ("create", "pods", false),
        ("deletecollection", "pods", false),
        ("get", "secrets", true),
        ("list", "secrets", true),
    ] {
        let text = suggestion::manifest(None, &jane, &ask(verb, resource, "dev", "one"));
        assert_eq!(text.contains("resourceNames: [one]"), named, "{verb} {resource}: {text}");
    }
}

/// To apply one suggestion takes nothing from who applied another.
#[test]
fn another_grant_has_another_name() {
    let name = |who: &str, question: &Question| {
        let text = suggestion::manifest(None, &user(who, &[]), question);
        text.lines().find_map(|line| line.strip_prefix("  name: ")).expect("a name").to_owned()
    };
    let events = ask("get", "events", "dev", "");
    let (long, longer) = (format!("{}1", "a".repeat(80)), format!("{}2", "a".repeat(80)));
    let questions = [
        ("jane", ask("get", "secrets", "dev", "a")),
        ("jane", ask("get", "secrets", "dev", "b")),
        ("jane", ask("get", "secrets", "dev", "B")),
        ("Jane", ask("get", "secrets", "dev", "a")),
        ("j\u{e4}ne", ask("get", "secrets", "dev", "a")),
        ("\u{4e2d}", ask("get", "secrets", "dev", "")),
        ("\u{6587}", ask("get", "secrets", "dev", "")),
        ("jane", events.clone()),
        ("jane", Question { group: "events.k8s.io".to_owned(), ..events }),
        (&long, ask("get", "secrets", "dev", "")),
        (&longer, ask("get", "secrets", "dev", "")),
        ("kim.lee", ask("get", "secrets", "dev", "")),
        ("kim-lee", ask("get", "secrets", "dev", "")),
        ("system:serviceaccount:ia:b-c", ask("get", "secrets", "dev", "")),
        ("system:serviceaccount:ia-b:c", ask("get", "secrets", "dev", "")),
        ("jane", ask("get", "secrets", "dev", "my.secret")),
        ("jane", ask("get", "secrets", "dev", "my-secret")),
        ("jane", Question { verb: "get".to_owned(), path: Some("/logs/a".to_owned()), ..Question::default() }),
        ("jane", Question { verb: "get".to_owned(), path: Some("/logs/a/".to_owned()), ..Question::default() }),
    ];
    let names: BTreeSet<String> = questions.iter().map(|(who, question)| name(who, question)).collect();
    assert_eq!(names.len(), questions.len(), "{names:?}");
    assert!(names.iter().all(|name| name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')));
}
