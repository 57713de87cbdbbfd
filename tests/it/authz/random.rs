//! Random RBAC worlds of all odd shapes, and questions that hit them.

use kaccess::evidence::access::Question;
use kaccess::evidence::identity::User;
use kaccess::evidence::rbac::{Binding, Rbac};
use serde_json::{Value, json};

/// A small generator of its own: the same seed gives the same world on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    pub fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn some(&mut self, list: &[&str], most: usize) -> Vec<String> {
        let count = 1 + self.below(most);
        (0..count).map(|_| self.pick(list).to_owned()).collect()
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

pub const NAMESPACES: &[&str] = &["dev", "prod", "ci", "team-a", "team-b", "d", "de", "kube-system"];
const VERBS: &[&str] = &[
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "*",
    "impersonate",
    "use",
    "GET",
    "bind",
    "escalate",
    "",
    "frob",
];
const GROUPS: &[&str] =
    &["", "apps", "batch", "*", "metrics.k8s.io", "extensions", "APPS", "rbac.authorization.k8s.io"];
const RESOURCES: &[&str] = &[
    "pods",
    "pods/log",
    "pods/exec",
    "pods/*",
    "*",
    "*/scale",
    "*/*",
    "*/",
    "deployments",
    "deployments/scale",
    "secrets",
    "namespaces",
    "namespaces/finalize",
    "nodes",
    "Pods",
    "pod",
    "pods/",
    "/log",
    "",
    "pods/log/more",
    "*/log/more",
    "ünïcode",
    "*pods",
    "pods*",
    "users",
    "groups",
    "serviceaccounts",
];
const NAMES: &[&str] = &["web", "web-0", "a b", "*", "", "Web", "x\"y", "dev", "prod", "<z>"];
const PATHS: &[&str] = &[
    "/metrics",
    "/metrics/",
    "/healthz",
    "/healthz*",
    "/healthz/*",
    "/logs**",
    "*",
    "/",
    "/*",
    "/a*b",
    "/api",
    "/apis/apps",
    "",
    "**",
    "/healthz/etcd",
    "/logs/x",
    "/logs",
    "/healthzfoo",
    "metrics",
];
const USERS: &[&str] = &[
    "alice",
    "bob",
    "oidc:alice",
    "Alice",
    "https://issuer.example#42",
    "a&b<c>",
    "system:serviceaccount:ci:builder",
    "system:serviceaccount:dev:builder",
    "system:serviceaccount:dev:app.web",
    "system:serviceaccount:d:e",
    "system:anonymous",
    "x\"y",
    "müller",
    "system:kube-scheduler",
    "system:serviceaccount:ci:builder:x",
];
const GROUPS_OF_USERS: &[&str] = &[
    "dev",
    "oidc:dev",
    "/dev",
    "oidc:/dev",
    "Dev",
    "system:authenticated",
    "system:unauthenticated",
    "admins",
    "system:serviceaccounts",
    "system:serviceaccounts:ci",
    "alice",
    "g&<>",
    "system:masters ",
    "ops team",
];
const ACCOUNTS: &[&str] = &["builder", "app.web", "e", "default"];

/// The objects of a random world, with the paths they are created at. `count` roles and as many bindings.
pub fn objects(dice: &mut Dice, count: usize) -> Vec<(String, Value)> {
    let api = "/apis/rbac.authorization.k8s.io/v1";
    let mut objects = Vec::new();
    for index in 0..count {
        let cluster = dice.chance(50);
        let rules: Vec<Value> = (0..dice.below(4)).map(|_| rule(dice, cluster)).collect();
        let name = if dice.chance(8) { format!("odd {index} \"é<&>:x") } else { format!("role-{index}") };
        if cluster {
            let mut role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
                "metadata": { "name": name }, "rules": rules });
            if dice.chance(4) {
                // No controller fills it here, so its own rules stay.
                role["aggregationRule"] = json!({ "clusterRoleSelectors": [{ "matchLabels": { "x": "y" } }] });
            }
            objects.push((format!("{api}/clusterroles"), role));
        } else {
            let namespace = dice.pick(NAMESPACES);
            let role = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": { "name": name, "namespace": namespace }, "rules": rules });
            objects.push((format!("{api}/namespaces/{namespace}/roles"), role));
        }
    }
    let roles: Vec<(bool, String, String)> = objects
        .iter()
        .map(|(_, role)| {
            let text = |pointer: &str| role.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            (text("/kind") == "ClusterRole", text("/metadata/namespace"), text("/metadata/name"))
        })
        .collect();
    for index in 0..count {
        let cluster = dice.chance(35);
        let namespace = dice.pick(NAMESPACES).to_owned();
        let fitting: Vec<&(bool, String, String)> =
            roles.iter().filter(|role| role.0 || (!cluster && role.1 == namespace)).collect();
        let (role_kind, role_name) = if dice.chance(6) {
            let missing = ["gone", "gone too", "x\"gone"][dice.below(3)].to_owned();
            (if cluster || dice.chance(50) { "ClusterRole" } else { "Role" }, missing)
        } else {
            let role = fitting[dice.below(fitting.len())];
            (if role.0 { "ClusterRole" } else { "Role" }, role.2.clone())
        };
        let subjects: Vec<Value> = (0..dice.below(4)).map(|_| subject(dice, cluster)).collect();
        let kind = if cluster { "ClusterRoleBinding" } else { "RoleBinding" };
        let name = if dice.chance(8) { format!("odd {index} \"é<&>:x") } else { format!("binding-{index}") };
        let mut binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role_name }, "subjects": subjects });
        let path = if cluster {
            format!("{api}/clusterrolebindings")
        } else {
            binding["metadata"]["namespace"] = json!(namespace);
            format!("{api}/namespaces/{namespace}/rolebindings")
        };
        objects.push((path, binding));
    }
    objects
}

fn rule(dice: &mut Dice, cluster: bool) -> Value {
    if cluster && dice.chance(25) {
        return json!({ "verbs": dice.some(VERBS, 3), "nonResourceURLs": dice.some(PATHS, 3) });
    }
    let mut rule = json!({ "verbs": dice.some(VERBS, 4), "apiGroups": dice.some(GROUPS, 3), "resources": dice.some(RESOURCES, 4) });
    if dice.chance(30) {
        rule["resourceNames"] = json!(dice.some(NAMES, 3));
    }
    rule
}

fn subject(dice: &mut Dice, cluster: bool) -> Value {
    match dice.below(3) {
        0 => json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": dice.pick(USERS) }),
        1 => json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": dice.pick(GROUPS_OF_USERS) }),
        _ => {
            let mut subject = json!({ "kind": "ServiceAccount", "name": dice.pick(ACCOUNTS) });
            if cluster || dice.chance(60) {
                subject["namespace"] = json!(dice.pick(NAMESPACES));
            }
            subject
        }
    }
}

/// A user of the world's pool, with up to four groups.
pub fn user(dice: &mut Dice) -> User {
    let username = if dice.chance(12) { "" } else { dice.pick(USERS) }.to_owned();
    let mut groups: Vec<String> = (0..dice.below(5)).map(|_| dice.pick(GROUPS_OF_USERS).to_owned()).collect();
    if dice.chance(1) {
        groups.push("system:masters".to_owned());
    }
    if username.is_empty() && groups.is_empty() {
        groups.push("dev".to_owned());
    }
    User { username, groups, ..User::default() }
}

/// A question and who asks: half of them are made from an existing grant and then changed a little, so that many are
/// allowed and many nearly so.
pub fn question(dice: &mut Dice, rbac: &Rbac) -> (User, Question) {
    let mut user = user(dice);
    let mut question = anything(dice);
    if dice.chance(75)
        && let Some(made) = from_grant(dice, rbac, &mut user)
    {
        question = made;
        if dice.chance(50) {
            let other = anything(dice);
            match dice.below(7) {
                0 => question.verb = other.verb,
                1 => question.group = other.group,
                2 => question.resource = other.resource,
                3 => question.subresource = other.subresource,
                4 => question.name = other.name,
                5 => question.namespace = other.namespace,
                _ => question.path = question.path.map(|_| dice.pick(PATHS).to_owned()),
            }
        }
    }
    (user, question)
}

fn anything(dice: &mut Dice) -> Question {
    if dice.chance(20) {
        return Question {
            verb: dice.pick(VERBS).to_owned(),
            path: Some(dice.pick(PATHS).to_owned()),
            ..Question::default()
        };
    }
    let (resource, subresource) = split(dice.pick(RESOURCES));
    Question {
        verb: dice.pick(VERBS).to_owned(),
        group: dice.pick(GROUPS).to_owned(),
        resource,
        subresource,
        name: if dice.chance(50) { String::new() } else { dice.pick(NAMES).to_owned() },
        namespace: if dice.chance(30) { String::new() } else { dice.pick(NAMESPACES).to_owned() },
        path: None,
    }
}

fn split(resource: &str) -> (String, String) {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    (resource.to_owned(), subresource.to_owned())
}

fn from_grant(dice: &mut Dice, rbac: &Rbac, user: &mut User) -> Option<Question> {
    let binding: &Binding = &rbac.bindings[dice.below(rbac.bindings.len())];
    if !binding.subjects.is_empty() {
        let subject = &binding.subjects[dice.below(binding.subjects.len())];
        match subject.kind.as_ref() {
            "Group" if subject.name != "system:nodes" => user.groups.push(subject.name.clone()),
            "User" => user.username.clone_from(&subject.name),
            "ServiceAccount" => {
                let namespace = if subject.namespace.is_empty() { &binding.namespace } else { &subject.namespace };
                user.username = format!("system:serviceaccount:{namespace}:{}", subject.name);
            }
            _ => {}
        }
    }
    let role = rbac.roles.iter().find(|role| {
        role.kind == binding.role_kind
            && role.name == binding.role_name
            && (role.kind == "ClusterRole" || role.namespace == binding.namespace)
    })?;
    let from = |dice: &mut Dice, list: &[String], any: &[&str]| -> String {
        let chosen = if list.is_empty() { "" } else { list[dice.below(list.len())].as_str() };
        if chosen == "*" && dice.chance(80) { dice.pick(any).to_owned() } else { chosen.to_owned() }
    };
    if !role.non_resource_rules.is_empty() && dice.chance(50) {
        let rule = &role.non_resource_rules[dice.below(role.non_resource_rules.len())];
        let path = from(dice, &rule.paths, PATHS);
        let path = if dice.chance(50) { path.replace('*', "x") } else { path };
        return Some(Question { verb: from(dice, &rule.verbs, VERBS), path: Some(path), ..Question::default() });
    }
    if role.resource_rules.is_empty() {
        return None;
    }
    let rule = &role.resource_rules[dice.below(role.resource_rules.len())];
    let (mut resource, subresource) = split(&from(dice, &rule.resources, RESOURCES));
    if resource == "*" && dice.chance(80) {
        resource = split(dice.pick(RESOURCES)).0;
    }
    let name = if rule.resource_names.is_empty() && dice.chance(70) {
        String::new()
    } else if rule.resource_names.is_empty() {
        dice.pick(NAMES).to_owned()
    } else {
        from(dice, &rule.resource_names, NAMES)
    };
    Some(Question {
        verb: from(dice, &rule.verbs, VERBS),
        group: from(dice, &rule.api_groups, GROUPS),
        resource,
        subresource,
        name,
        namespace: if binding.namespace.is_empty() && dice.chance(40) {
            String::new()
        } else if binding.namespace.is_empty() {
            dice.pick(NAMESPACES).to_owned()
        } else {
            binding.namespace.clone()
        },
        path: None,
    })
}
