//! A pure model of kube-apiserver: what it believes, what it allows and what it says.
//!
//! Would this server take this token? The answer is the server's own words:
//!
//! ```
//! use jiff::Timestamp;
//! use kaccess::apiserver::authn::{Judgement, Keys, judge_token};
//! use kaccess::apiserver::configuration::{from_flags, parse_flags_text};
//! use kaccess::credential::token;
//!
//! let flags = "kube-apiserver --oidc-issuer-url=https://sso.example.com --oidc-client-id=kubernetes \
//!              --service-account-issuer=https://kubernetes.default.svc --etcd-servers=https://127.0.0.1:2379";
//! let server = from_flags(&parse_flags_text(flags, "flags").unwrap()).unwrap();
//! // {"iss": "https://sso.example.com", "sub": "alice", "aud": "account", "exp": 4000000000}
//! let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ";
//! let claims = "eyJpc3MiOiJodHRwczovL3Nzby5leGFtcGxlLmNvbSIsInN1YiI6ImFsaWNlIiwiYXVkIjoiYWNjb3VudCIsImV4cCI6NDAwMDAwMDAwMH0";
//! let facts = token::parse(&format!("{header}.{claims}.{}", "A".repeat(342)));
//!
//! let keys = Keys::Signature { verified: true, kid_known: true };
//! let Judgement::Rejected { error } = judge_token(&facts, &server, &keys, Timestamp::now()) else { panic!() };
//! assert!(error.contains(r#"oidc: expected audience "kubernetes" got ["account"]"#), "{error}");
//! ```
//!
//! May alice list Pods, and by which binding?
//!
//! ```
//! use kaccess::apiserver::authz::World;
//! use kaccess::evidence::access::Question;
//! use kaccess::evidence::identity::User;
//! use kaccess::evidence::rbac::Rbac;
//!
//! let rbac: Rbac = serde_json::from_value(serde_json::json!({
//!     "bindings": [{ "kind": "RoleBinding", "namespace": "shop", "name": "readers", "roleKind": "Role", "roleName": "reader",
//!                    "subjects": [{ "kind": "Group", "name": "oidc:backend" }] }],
//!     "roles": [{ "kind": "Role", "namespace": "shop", "name": "reader",
//!                 "resourceRules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }] }],
//! }))
//! .unwrap();
//! let world = World::new(&rbac);
//! let alice = User { username: "oidc:alice".into(), groups: vec!["oidc:backend".into()], ..User::default() };
//! let question = Question { verb: "list".into(), resource: "pods".into(), namespace: "shop".into(), ..Question::default() };
//! assert_eq!(world.grants(&alice, &question)[0].binding.name, "readers");
//! assert!(world.grants(&alice, &Question { namespace: "prod".into(), ..question }).is_empty());
//! ```

pub mod authn;
pub mod authz;
pub mod cel;
pub mod configuration;
pub mod message;
