//! A file handed over as kube-apiserver's configuration, and whether it is one: flags stand in every README too.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use super::Error;
use crate::apiserver::configuration::parse_flags_text;
use crate::credential::public_keys;
use crate::evidence::apiserver::Flags;
use crate::text::from_wide;

/// How kube-apiserver's flags begin, whatever its release.
const KNOWN: &[&str] = &[
    "admission-control",
    "advertise-address",
    "aggregator-reject-",
    "allow-metric-labels",
    "allow-privileged",
    "anonymous-auth",
    "api-audiences",
    "apiserver-count",
    "audit-",
    "authentication-",
    "authorization-",
    "bind-address",
    "cert-dir",
    "client-ca-file",
    "cloud-",
    "contention-profiling",
    "cors-allowed-origins",
    "coordinated-leadership-",
    "debug-socket-path",
    "default-not-ready-toleration-seconds",
    "default-unreachable-toleration-seconds",
    "default-watch-cache-size",
    "delete-collection-workers",
    "disable-admission-plugins",
    "disable-http2-serving",
    "disabled-metrics",
    "egress-selector-config-file",
    "emulated-version",
    "emulation-forward-compatible",
    "enable-admission-plugins",
    "enable-aggregator-routing",
    "enable-bootstrap-token-auth",
    "enable-garbage-collector",
    "enable-logs-handler",
    "enable-priority-and-fairness",
    "encryption-provider-config",
    "endpoint-reconciler-type",
    "etcd-",
    "event-ttl",
    "external-hostname",
    "feature-gates",
    "goaway-chance",
    "http2-max-streams-per-connection",
    "insecure-bind-address",
    "insecure-port",
    "kubelet-",
    "kubernetes-service-node-port",
    "lease-reuse-duration-seconds",
    "livez-grace-period",
    "logging-format",
    "max-connection-bytes-per-sec",
    "max-mutating-requests-inflight",
    "max-requests-inflight",
    "min-compatibility-version",
    "min-request-timeout",
    "oidc-",
    "peer-",
    "permit-address-sharing",
    "permit-port-sharing",
    "profiling",
    "proxy-client-",
    "request-timeout",
    "requestheader-",
    "runtime-config",
    "secure-port",
    "service-account-",
    "service-cluster-ip-range",
    "service-node-port-range",
    "show-hidden-metrics-for-version",
    "shutdown-delay-duration",
    "shutdown-send-retry-after",
    "shutdown-watch-termination-grace-period",
    "storage-",
    "strict-transport-security-directives",
    "tls-",
    "token-auth-file",
    "tracing-config-file",
    "watch-cache",
];

/// Reads what `flag` names: the flags, and the text they stand in.
///
/// # Errors
/// When the file cannot be read, or is nothing that kube-apiserver is configured by.
pub(super) fn read(flag: &str, path: &Path) -> Result<(Flags, String), Error> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Error::plain(format!("{flag} {name}: {error}")))?;
    let text = String::from_utf8(from_wide(&bytes).into_owned())
        .map_err(|error| Error::plain(format!("{flag} {name}: {error}")))?;
    let hint = "give kube-apiserver's static-Pod manifest, its flags line, or its AuthenticationConfiguration";
    let flags = parse_flags_text(&text, &name).map_err(|error| Error::new(format!("{flag}: {error}"), hint))?;
    if is_a_servers(&flags) {
        return Ok((flags, text));
    }
    Err(Error::new(
        format!("{flag} {name}: no kube-apiserver manifest, flags line or AuthenticationConfiguration"),
        hint,
    ))
}

/// The same flags with the AuthenticationConfiguration that they name, where that file is on this machine: it stands
/// where the flag says, or relative to `path`'s folder. On other machines than the server's it often is not.
///
/// # Errors
/// As [`read`], and where the file that is named holds something else.
pub(super) fn read_whole(flag: &str, path: &Path) -> Result<Flags, Error> {
    let (mut flags, _) = read(flag, path)?;
    let named = flags.flags.get("authentication-config").and_then(|values| values.last());
    let Some(name) = named.filter(|name| flags.authentication_configuration.is_none() && !name.is_empty()).cloned()
    else {
        return Ok(flags);
    };
    let Some(text) = named_by(path, &name).and_then(|bytes| String::from_utf8(bytes).ok()) else { return Ok(flags) };
    let inner = parse_flags_text(&text, &name)
        .map_err(|error| Error::plain(format!("{flag}: --authentication-config {error}")))?;
    if inner.authentication_configuration.is_none() {
        return Err(Error::plain(format!("{flag}: --authentication-config {name}: no AuthenticationConfiguration")));
    }
    flags.authentication_configuration = inner.authentication_configuration;
    Ok(flags)
}

/// The keys of service account tokens that the flags name, as one key set, where all of their files are on this machine;
/// they stand where the flags say, or relative to `path`'s folder.
pub(super) fn account_keys(path: &Path, flags: &Flags) -> Option<Value> {
    let mut keys: Vec<Value> = Vec::new();
    for name in flags.flags.get("service-account-key-file")? {
        let pem = named_by(path, name)?;
        let set = public_keys::key_set_from_pem(&pem).ok()?;
        keys.extend(set["keys"].as_array().cloned().unwrap_or_default());
    }
    (!keys.is_empty()).then(|| json!({ "keys": keys }))
}

/// A file that the flags in `path` name. The user did not name it: a pipe, which may never end, and what is far larger than
/// such files are, is left alone.
fn named_by(path: &Path, name: &str) -> Option<Vec<u8>> {
    const LIMIT: u64 = 4 * 1024 * 1024;
    let whole = path.parent().unwrap_or(Path::new("")).join(name);
    let is_fit = |metadata: std::fs::Metadata| metadata.is_file() && metadata.len() <= LIMIT;
    if !std::fs::metadata(&whole).is_ok_and(is_fit) {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::open(whole).ok()?.take(LIMIT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// An AuthenticationConfiguration, or flags of which most are kube-apiserver's: a text about it names a few, and those of
/// other programs beside them.
fn is_a_servers(flags: &Flags) -> bool {
    if flags.authentication_configuration.is_some() {
        return true;
    }
    let known = flags.flags.keys().filter(|name| KNOWN.iter().any(|begin| name.starts_with(begin))).count();
    known > 0 && known * 2 >= flags.flags.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> bool {
        parse_flags_text(text, "x").is_ok_and(|flags| is_a_servers(&flags))
    }

    #[test]
    fn the_file_that_the_flags_name_is_read_where_it_is() {
        let folder = std::env::temp_dir().join(format!("kaccess-server-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("a file");
        write("flags", "kube-apiserver --authentication-config=authn.yaml --etcd-servers=http://a");
        let read = || read_whole("--apiserver-config", &folder.join("flags"));
        assert!(read().expect("flags").authentication_configuration.is_none());
        write("authn.yaml", "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: []\n");
        let flags = read().expect("flags");
        assert!(flags.authentication_configuration.is_some() && flags.complete);
        write("authn.yaml", "kube-apiserver --etcd-servers=http://a");
        assert!(read().is_err());
        std::fs::remove_dir_all(&folder).expect("a folder that is gone");
    }

    #[test]
    fn the_keys_that_the_flags_name_are_read_where_all_of_them_are() {
        let folder = std::env::temp_dir().join(format!("kaccess-account-keys-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let pem = || {
            let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
            pair.public_key_pem()
        };
        std::fs::write(folder.join("a.pub"), pem()).expect("a file");
        let flags = "kube-apiserver --service-account-key-file=a.pub --service-account-key-file=b.pub";
        let flags = parse_flags_text(flags, "flags").expect("flags");
        let count = || {
            let set = account_keys(&folder.join("flags"), &flags)?;
            Some(set["keys"].as_array()?.len())
        };
        // With one of them missing, a token that none of the others verifies may be good.
        assert_eq!(count(), None);
        std::fs::write(folder.join("b.pub"), pem()).expect("a file");
        assert_eq!(count(), Some(2));
        // What is far larger than a key file is not read, whatever it begins with.
        let long = std::fs::OpenOptions::new().write(true).open(folder.join("b.pub")).expect("a file");
        long.set_len(8 << 20).expect("a long file");
        assert_eq!(count(), None);
        std::fs::remove_dir_all(&folder).expect("a folder that is gone");
    }

    #[test]
    fn a_text_about_a_server_is_no_configuration() {
        assert!(judged("kube-apiserver --oidc-issuer-url=https://a --oidc-client-id=b --v=2"));
        assert!(judged("/usr/bin/kube-apiserver \\\n  --etcd-servers=http://a \\\n  --secure-port 6443\n"));
        assert!(judged("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: []\n"));
        assert!(!judged("kube-apiserver needs --oidc-issuer-url; see kaccess doctor --save FILE --demo --from FILE"));
        assert!(!judged("k3s server --kube-apiserver-arg=oidc-issuer-url=https://a"));
        assert!(!judged(include_str!("../../README.md")));
    }
}
