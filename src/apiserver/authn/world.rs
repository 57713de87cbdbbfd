//! What the API server looks up beyond the credential itself: its cluster's objects and its token file.

use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::identity::User;
use crate::gotext::quote;

/// Whether these bytes are the token that is judged. The token itself never comes in here.
pub type IsToken<'a> = &'a dyn Fn(&[u8]) -> bool;

/// What is known of the API server's surroundings.
#[derive(Clone, Copy, Default)]
pub struct World<'a> {
    /// The cluster's objects; `None`: not known. Given, they are all there are.
    pub objects: Option<&'a Objects>,
    /// The token file; `None`: its content is not known.
    pub token_file: Option<&'a TokenFile>,
    /// Compares with the token; needed wherever an object or file holds one.
    pub is_token: Option<IsToken<'a>>,
}

/// ServiceAccounts, Pods, Nodes and Secrets.
#[derive(Clone, Default)]
pub struct Objects {
    list: Vec<Value>,
}

/// One object's facts that decide about a token.
pub(super) struct Object<'a> {
    value: &'a Value,
    /// `metadata.uid`.
    pub(super) uid: &'a str,
    /// `metadata.deletionTimestamp`; what cannot be read as a time counts as long ago.
    pub(super) deleted: Option<Timestamp>,
}

impl Objects {
    /// Takes objects out of manifests: single ones and lists.
    pub fn new(documents: impl IntoIterator<Item = Value>) -> Self {
        let mut list = Vec::new();
        for document in documents {
            // The API leaves the kind of a typed list's items out.
            let kind = document.get("kind").and_then(Value::as_str).and_then(|kind| kind.strip_suffix("List"));
            match document.get("items").and_then(Value::as_array) {
                Some(items) => list.extend(items.iter().cloned().map(|mut item| {
                    if let (Some(kind), Some(object)) = (kind.filter(|kind| !kind.is_empty()), item.as_object_mut()) {
                        object.entry("kind").or_insert_with(|| Value::String(kind.to_owned()));
                    }
                    item
                })),
                None => list.push(document),
            }
        }
        Self { list }
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<Object<'_>> {
        let text = |value: &'_ Value, pointer: &str| {
            value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let value = self.list.iter().find(|value| {
            text(value, "/kind") == kind
                && text(value, "/metadata/name") == name
                && text(value, "/metadata/namespace") == namespace
        })?;
        let member = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        Some(Object {
            value,
            uid: member("/metadata/uid").unwrap_or_default(),
            deleted: member("/metadata/deletionTimestamp").map(|text| text.parse().unwrap_or(Timestamp::UNIX_EPOCH)),
        })
    }
}

impl Object<'_> {
    /// Deleted longer ago than the minute that the server waits.
    pub(super) fn long_deleted(&self, now: Timestamp, leeway: i64) -> bool {
        self.deleted.is_some_and(|deleted| now.duration_since(deleted).as_millis() > i128::from(leeway) * 1000)
    }

    /// A Secret's entry, decoded.
    pub(super) fn data(&self, key: &str) -> Vec<u8> {
        use base64::Engine as _;
        let encoded = self.value.get("data").and_then(|data| data.get(key)).and_then(Value::as_str);
        if let Some(bytes) = encoded.and_then(|text| base64::engine::general_purpose::STANDARD.decode(text.trim()).ok())
        {
            return bytes;
        }
        let plain = self.value.get("stringData").and_then(|data| data.get(key)).and_then(Value::as_str);
        plain.unwrap_or_default().as_bytes().to_vec()
    }

    fn text(&self, key: &str) -> String {
        String::from_utf8_lossy(&self.data(key)).into_owned()
    }

    /// A Secret has any data at all.
    fn has_data(&self) -> bool {
        ["data", "stringData"].iter().any(|name| self.value.get(name).is_some_and(Value::is_object))
    }

    fn member(&self, pointer: &str) -> &str {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A label's value; empty where there is none.
    pub(super) fn label(&self, name: &str) -> &str {
        self.value.pointer("/metadata/labels").and_then(|labels| labels.get(name)?.as_str()).unwrap_or_default()
    }
}

/// What the bootstrap authenticator makes of a token: a user, or why it keeps silent (said only in its log at -v=3).
///
/// k8s.io/kubernetes plugin/pkg/auth/authenticator/token/bootstrap.
pub(super) fn bootstrap(
    id: &str,
    objects: &Objects,
    is_token: IsToken<'_>,
    now: Timestamp,
) -> Result<User, &'static str> {
    let secret = objects
        .find("Secret", "kube-system", &format!("bootstrap-token-{id}"))
        .ok_or("kube-system has no Secret bootstrap-token-<id>")?;
    if secret.deleted.is_some() {
        return Err("its Secret is being deleted");
    }
    if secret.member("/type") != "bootstrap.kubernetes.io/token" || !secret.has_data() {
        return Err("its Secret is not of the type bootstrap.kubernetes.io/token");
    }
    let whole = [id.as_bytes(), b".", &secret.data("token-secret")].concat();
    if !is_token(&whole) {
        return Err("its Secret holds another token-secret");
    }
    if secret.text("token-id") != id {
        return Err("its Secret holds another token-id");
    }
    let expiration = secret.text("expiration");
    // Go's RFC 3339 wants the letter T and an offset, as jiff does; what cannot be read counts as expired.
    if !expiration.is_empty() && expiration.parse::<Timestamp>().map_or(true, |end| end <= now) {
        return Err("its Secret says that it has expired");
    }
    if secret.text("usage-bootstrap-authentication") != "true" {
        return Err("its Secret does not say usage-bootstrap-authentication: true");
    }
    let mut groups = vec!["system:bootstrappers".to_owned()];
    let extra = secret.text("auth-extra-groups");
    for group in extra.split(',').filter(|_| !extra.is_empty()) {
        if !is_bootstrap_group(group) {
            return Err("its Secret names an extra group that is not system:bootstrappers:<name>");
        }
        groups.push(group.to_owned());
    }
    groups.sort();
    groups.dedup();
    Ok(User { username: format!("system:bootstrap:{id}"), groups, ..User::default() })
}

/// `\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\z`
fn is_bootstrap_group(group: &str) -> bool {
    let Some(rest) = group.strip_prefix("system:bootstrappers:") else { return false };
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(last), count) = (rest.bytes().last(), rest.len()) else { return false };
    count <= 256 && allowed(last) && rest.bytes().all(|byte| allowed(byte) || byte == b':' || byte == b'-')
}

/// `--token-auth-file`: who has which token.
#[derive(Clone, Default)]
pub struct TokenFile {
    records: Vec<(String, User)>,
}

impl TokenFile {
    /// Reads the file as k8s.io/apiserver's token/tokenfile does.
    ///
    /// # Errors
    /// In the words with which the server refuses to start.
    pub fn parse(text: &str, path: &str) -> Result<Self, String> {
        let mut records = Vec::new();
        for record in csv(text)? {
            let found = record.len();
            let [token, name, uid, rest @ ..] = record.as_slice() else {
                return Err(format!(
                    "token file '{path}' must have at least 3 columns (token, user name, user uid), found {found}"
                ));
            };
            if token.is_empty() {
                continue;
            }
            let groups = rest.first().map(|groups| groups.split(',').map(str::to_owned).collect());
            records.push((
                token.clone(),
                User {
                    username: name.clone(),
                    uid: uid.clone(),
                    groups: groups.unwrap_or_default(),
                    ..User::default()
                },
            ));
        }
        Ok(Self { records })
    }

    /// Whose token it is. Of equal ones the last counts.
    pub fn user(&self, is_token: IsToken<'_>) -> Option<&User> {
        self.records.iter().rev().find(|(token, _)| is_token(token.as_bytes())).map(|(_, user)| user)
    }
}

/// Records of comma-separated text, by the rules of Go's encoding/csv: no blanks are trimmed, a quote may stand only at
/// a field's start, empty lines are skipped.
fn csv(text: &str) -> Result<Vec<Vec<String>>, String> {
    let text = text.replace("\r\n", "\n");
    let mut records = Vec::new();
    let mut lines = text.split_inclusive('\n').enumerate();
    while let Some((index, line)) = lines.next() {
        let start = index + 1;
        if line.trim_end_matches('\n').is_empty() {
            continue;
        }
        let (mut record, mut rest, mut whole, mut row) = (Vec::new(), line, line, start);
        loop {
            let Some(quoted) = rest.strip_prefix('"') else {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                let field = &rest[..end];
                if let Some(at) = field.find('"') {
                    let column = whole.len() - rest.len() + at + 1;
                    return Err(parse_error(start, row, column, "bare \" in non-quoted field"));
                }
                record.push(field.to_owned());
                rest = &rest[end..];
                match rest.strip_prefix(',') {
                    Some(more) => rest = more,
                    None => break,
                }
                continue;
            };
            let mut field = String::new();
            rest = quoted;
            let more = loop {
                let Some(at) = rest.find('"') else {
                    // The field goes on in the next line.
                    field.push_str(rest);
                    let Some((index, line)) = lines.next() else {
                        let column = whole.trim_end_matches('\n').len() + 1;
                        return Err(parse_error(start, row, column, "extraneous or missing \" in quoted-field"));
                    };
                    (row, rest, whole) = (index + 1, line, line);
                    continue;
                };
                field.push_str(&rest[..at]);
                rest = &rest[at + 1..];
                if let Some(more) = rest.strip_prefix('"') {
                    field.push('"');
                    rest = more;
                } else if let Some(more) = rest.strip_prefix(',') {
                    rest = more;
                    break true;
                } else if rest.trim_end_matches('\n').is_empty() {
                    break false;
                } else {
                    let column = whole.len() - rest.len();
                    return Err(parse_error(start, row, column, "extraneous or missing \" in quoted-field"));
                }
            };
            record.push(field);
            if !more {
                break;
            }
        }
        records.push(record);
    }
    Ok(records)
}

fn parse_error(start: usize, line: usize, column: usize, what: &str) -> String {
    if start == line {
        format!("parse error on line {line}, column {column}: {what}")
    } else {
        format!("record on line {start}; parse error on line {line}, column {column}: {what}")
    }
}

/// `serviceaccounts "x" not found`, as the API words it.
pub(super) fn not_found(resource: &str, name: &str) -> String {
    format!("{resource} {} not found", quote(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_file_is_read_as_go_reads_it() {
        let file =
            TokenFile::parse("t1,alice,1\n\nt2,bob,2,\"a,b\"\n t3,\"c \"\"x\"\"\",3,one\nt1,other,9,\n", "f").unwrap();
        let user = |token: &str| file.user(&|bytes| bytes == token.as_bytes()).cloned();
        assert_eq!(user("t2").unwrap().groups, ["a", "b"]);
        assert_eq!(user(" t3").unwrap().username, "c \"x\"");
        let last = user("t1").unwrap();
        assert_eq!((last.username.as_str(), last.groups), ("other", vec![String::new()]));
        assert_eq!(user("t3"), None);
        let refused = |text: &str| TokenFile::parse(text, "tokens.csv").err().unwrap();
        assert_eq!(
            refused("a,b\n"),
            "token file 'tokens.csv' must have at least 3 columns (token, user name, user uid), found 2"
        );
        assert_eq!(refused("a,b\"c,d\n"), "parse error on line 1, column 4: bare \" in non-quoted field");
        assert_eq!(
            refused("a,\"b\"c,d\n"),
            "parse error on line 1, column 5: extraneous or missing \" in quoted-field"
        );
    }

    #[test]
    fn a_bootstrap_token_needs_its_secret() {
        let secret = |change: &dyn Fn(&mut Value)| {
            let mut secret = json!({ "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
                "metadata": { "namespace": "kube-system", "name": "bootstrap-token-abcdef" },
                "stringData": { "token-id": "abcdef", "token-secret": "0123456789abcdef",
                    "usage-bootstrap-authentication": "true", "expiration": "2026-11-26T00:00:00Z",
                    "auth-extra-groups": "system:bootstrappers:z,system:bootstrappers:a" } });
            change(&mut secret);
            let now = "2026-11-25T00:00:00Z".parse().unwrap();
            let objects = Objects::new([json!({ "kind": "List", "items": [secret] })]);
            bootstrap("abcdef", &objects, &|bytes| bytes == b"abcdef.0123456789abcdef", now)
        };
        let good = secret(&|_| {}).unwrap();
        assert_eq!(good.username, "system:bootstrap:abcdef");
        assert_eq!(good.groups, ["system:bootstrappers", "system:bootstrappers:a", "system:bootstrappers:z"]);
        for (key, value) in [
            ("token-id", "other"),
            ("token-secret", "0123456789abcdeX"),
            ("expiration", "2026-11-25T00:00:00Z"),
            ("expiration", "soon"),
            ("usage-bootstrap-authentication", "TRUE"),
            ("auth-extra-groups", "system:masters"),
            ("auth-extra-groups", "system:bootstrappers:"),
        ] {
            assert!(secret(&|secret| secret["stringData"][key] = json!(value)).is_err(), "{key}: {value}");
        }
        assert!(secret(&|secret| secret["type"] = json!("Opaque")).is_err());
        assert!(secret(&|secret| secret["metadata"]["deletionTimestamp"] = json!("2027-01-01T00:00:00Z")).is_err());
    }
}
