//! kubectl's own preferences (kuberc), as far as they say which credential plugins may run.
//!
//! Sources are k8s.io/kubectl's `pkg/kuberc` (kuberc.go, marshal.go) and `pkg/config` 1.36. 1.35 reads the same file, but
//! for an allowlist entry's `command`; releases before do not know the policy.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::file::{read_limited, version_and_kind};
use super::{Loader, some};
use crate::collect::yaml::{self, Node, Reader, Value};
use crate::evidence::kubeconfig::{Kuberc, STOPPED};
use crate::evidence::{Failure, FailureKind};
use crate::text::clean_path;

/// The Go struct, as the decoder's errors name it.
const OWNER: &str = "Preference";

/// Which credential plugins kubectl's preferences let run (client-go's PluginPolicy).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginPolicy {
    /// credentialPluginPolicy as written; where it is empty, all may run.
    pub kind: String,
    /// credentialPluginAllowlist; absent where the file has none.
    pub allowlist: Option<Vec<String>>,
    /// The file that says so; empty where there is none.
    pub file: String,
}

impl Loader<'_> {
    /// Reads the preferences that kubectl would read. A file that is not there counts only where KUBERC names it.
    pub(super) fn read_preferences(&mut self) -> Result<(), Failure> {
        let Some((path, named)) = self.preferences() else { return Ok(()) };
        let shown = path.to_string_lossy().into_owned();
        let mut seen = Kuberc { path: shown.clone(), named, ..Kuberc::default() };
        let stopped = match read_limited(&path).and_then(|bytes| decode(&bytes, &shown)) {
            Ok(policy) => {
                seen.plugin_policy = some(&self.scrubber.text(&policy.kind));
                let scrubbed = |list: &Vec<String>| list.iter().map(|entry| self.scrubber.text(entry)).collect();
                seen.plugin_allowlist = policy.allowlist.as_ref().map(scrubbed);
                let fault = fault(&policy).map(|fault| Failure::new(FailureKind::Malformed, fault));
                self.policy = PluginPolicy { file: shown.clone(), ..policy };
                fault
            }
            Err(failure) if named => {
                let kind = match failure.kind {
                    FailureKind::Malformed => FailureKind::Malformed,
                    _ => FailureKind::Unreadable,
                };
                Some(Failure::new(kind, format!("kuberc error kuberc: {}", failure.detail)))
            }
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(()),
            // kubectl warns of it, and goes on without any preferences.
            Err(failure) => {
                seen.detail = Some(self.scrubber.text(&failure.detail));
                None
            }
        };
        self.seen.kuberc = Some(seen);
        match stopped {
            None => Ok(()),
            Some(mut failure) => {
                failure.detail = format!("{STOPPED}{}", failure.detail);
                Err(self.refuse("kubeconfig-unparsable", failure, Some(shown), None))
            }
        }
    }

    /// The file, and whether KUBERC names it.
    fn preferences(&self) -> Option<(PathBuf, bool)> {
        if self.host.var("KUBECTL_KUBERC").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
            return None;
        }
        match self.host.env.get(OsStr::new("KUBERC")).filter(|path| !path.is_empty()) {
            Some(path) if path == "off" => None,
            Some(path) => Some((PathBuf::from(path), true)),
            None => self.host.home.as_ref().map(|home| (home.join(".kube").join("kuberc"), false)),
        }
    }
}

/// The policy of the first document that is a Preference (decodePreference); an empty file has none.
fn decode(bytes: &[u8], shown: &str) -> Result<PluginPolicy, Failure> {
    let text = String::from_utf8_lossy(bytes);
    let mut tried = false;
    for document in documents(&text) {
        if document.trim().is_empty() {
            continue;
        }
        tried = true;
        if let Some(policy) = preference(&document) {
            return Ok(policy);
        }
    }
    if tried {
        let detail = format!("no valid preferences found in {shown}, use --v=5 to see details");
        return Err(Failure::new(FailureKind::Malformed, detail));
    }
    Ok(PluginPolicy::default())
}

/// The documents as apimachinery's YAMLReader parts them: at lines of three dashes.
fn documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let rest = line.strip_prefix("---").map(str::trim);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#')) {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
        }
    }
    documents
}

/// The policy of a document that kubectl takes for its preferences. Unknown fields it only warns of.
fn preference(document: &str) -> Option<PluginPolicy> {
    let root = yaml::parse(document.as_bytes()).ok()?;
    let (version, kind) = version_and_kind(&root).ok()?;
    // The older version has no policy.
    let has_policy = match (version.as_str(), kind.as_str()) {
        ("kubectl.config.k8s.io/v1beta1", OWNER) => true,
        ("kubectl.config.k8s.io/v1alpha1", OWNER) => false,
        _ => return None,
    };
    let mut reader = Reader::default();
    let mut policy = PluginPolicy::default();
    let mut contradicts = false;
    for (key, node) in reader.fields(&root, OWNER, "", "v1beta1.Preference") {
        match key {
            "credentialPluginPolicy" if has_policy => policy.kind = reader.text(node, OWNER, key),
            "credentialPluginAllowlist" if has_policy => {
                policy.allowlist = allowlist(&mut reader, node, &mut contradicts);
            }
            "aliases" | "defaults" | "overrides" => drop(reader.list(node, OWNER, key, "[]v1beta1.AliasOverride")),
            _ => {}
        }
    }
    (reader.fault().is_none() && !contradicts).then_some(policy)
}

/// The commands of an allowlist; kubectl refuses an entry whose `name`, the older word, says another one.
fn allowlist(reader: &mut Reader, node: &Node, contradicts: &mut bool) -> Option<Vec<String>> {
    const PATH: &str = "credentialPluginAllowlist";
    if matches!(node.value, Value::Null) {
        return None;
    }
    let mut list = Vec::new();
    for item in reader.list(node, OWNER, PATH, "[]v1beta1.AllowlistEntry") {
        let (mut name, mut command) = (String::new(), String::new());
        for (key, node) in reader.fields(item, OWNER, PATH, "v1beta1.AllowlistEntry") {
            match key {
                "name" => name = reader.text(node, "AllowlistEntry", PATH),
                "command" => command = reader.text(node, "AllowlistEntry", PATH),
                _ => {}
            }
        }
        *contradicts |= !name.is_empty() && !command.is_empty() && name != command;
        list.push(if command.is_empty() { name } else { command });
    }
    Some(list)
}

/// What is wrong with the policy itself: kubectl then does not start at all (client-go's ValidatePluginPolicy).
fn fault(policy: &PluginPolicy) -> Option<String> {
    match (policy.kind.as_str(), &policy.allowlist) {
        ("" | "AllowAll" | "DenyAll", None) => None,
        (kind @ ("" | "AllowAll" | "DenyAll"), Some(_)) => Some(format!(
            "misconfigured credential plugin allowlist: plugin policy is {kind:?} but allowlist is non-nil"
        )),
        ("Allowlist", None) => {
            Some("credential plugin policy set to \"Allowlist\", but allowlist is unspecified".to_owned())
        }
        ("Allowlist", Some(list)) if list.is_empty() => Some(
            "credential plugin policy set to \"Allowlist\", but allowlist is empty; use \"DenyAll\" policy instead"
                .to_owned(),
        ),
        ("Allowlist", Some(list)) => list.iter().enumerate().find_map(|(index, entry)| {
            if entry.is_empty() {
                let number = index + 1;
                return Some(format!("misconfigured credential plugin allowlist: empty allowlist entry #{number}"));
            }
            let cleaned = clean_path(entry);
            (cleaned != *entry).then(|| format!("non-normalized file path: {entry:?} vs {cleaned:?}"))
        }),
        (kind, _) => Some(format!("unknown plugin policy: {kind:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Option<(String, Option<Vec<String>>)> {
        decode(text.as_bytes(), "kuberc").ok().map(|policy| (policy.kind, policy.allowlist))
    }

    fn beta(rest: &str) -> String {
        format!("apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\n{rest}")
    }

    #[test]
    fn the_policy_is_read_as_kubectl_reads_it() {
        let list = |entries: &[&str]| Some(entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>());
        let deny = beta("credentialPluginPolicy: DenyAll\n");
        for (text, kind, allowlist) in [
            (deny.clone(), "DenyAll", None),
            (
                beta("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: [{name: aws}, {command: /bin/a}]"),
                "Allowlist",
                list(&["aws", "/bin/a"]),
            ),
            (beta("credentialPluginPolicy: Allowlist\ncredentialPluginAllowlist: []"), "Allowlist", list(&[])),
            (beta("credentialPluginAllowlist: null"), "", None),
            // What is unknown is warned of.
            (beta("credentialPluginPolicy: DenyAll\nfuture: 1"), "DenyAll", None),
            // The first document that is one counts.
            (format!("a: b\n--- # next\n{deny}---\n{}", beta("")), "DenyAll", None),
            (deny.replace("v1beta1", "v1alpha1"), "", None),
            (String::new(), "", None),
            ("---\n \n".to_owned(), "", None),
        ] {
            assert_eq!(policy(&text), Some((kind.to_owned(), allowlist)), "{text}");
        }
    }

    #[test]
    fn what_kubectl_does_not_take_is_not_taken() {
        for text in [
            "a: b: c".to_owned(),
            "# nothing".to_owned(),
            beta("credentialPluginPolicy: [DenyAll]"),
            beta("credentialPluginAllowlist: aws"),
            beta("credentialPluginAllowlist: [{name: aws, command: gke}]"),
            beta("aliases: x"),
            beta("").replace("Preference", "Config"),
            beta("").replace("v1beta1", "v1"),
        ] {
            assert_eq!(policy(&text), None, "{text}");
        }
    }

    fn of(kind: &str, list: Option<&[&str]>) -> PluginPolicy {
        PluginPolicy {
            kind: kind.to_owned(),
            allowlist: list.map(|list| list.iter().map(|entry| (*entry).to_owned()).collect()),
            file: "kuberc".to_owned(),
        }
    }

    #[test]
    fn a_policy_that_client_go_refuses_is_told_in_its_words() {
        for (policy, expected) in [
            (of("", None), None),
            (of("AllowAll", None), None),
            (of("DenyAll", None), None),
            (of("Allowlist", Some(&["aws", "/usr/bin/aws"])), None),
            (of("DenyAll", Some(&["aws"])), Some("plugin policy is \"DenyAll\" but allowlist is non-nil")),
            (of("", Some(&[])), Some("plugin policy is \"\" but allowlist is non-nil")),
            (of("Allowlist", None), Some("but allowlist is unspecified")),
            (of("Allowlist", Some(&[])), Some("but allowlist is empty; use \"DenyAll\" policy instead")),
            (of("Allowlist", Some(&["aws", ""])), Some("empty allowlist entry #2")),
            (of("Allowlist", Some(&["/a//b"])), Some("non-normalized file path: \"/a//b\" vs \"/a/b\"")),
            (of("denyall", None), Some("unknown plugin policy: \"denyall\"")),
        ] {
            let told = fault(&policy);
            match expected {
                None => assert_eq!(told, None, "{policy:?}"),
                Some(words) => {
                    assert!(told.as_deref().is_some_and(|told| told.ends_with(words)), "{policy:?}: {told:?}")
                }
            }
        }
    }
}
