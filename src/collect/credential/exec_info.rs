//! What a plugin is told of the cluster, in KUBERNETES_EXEC_INFO.

use base64::Engine as _;

use super::GROUP;
use crate::collect::Roots;
use crate::collect::kubeconfig::{ExecConfig, Resolved};

/// The ExecCredential that the plugin gets in KUBERNETES_EXEC_INFO, in client-go's form.
pub(super) fn exec_info(exec: &ExecConfig, version: &str, interactive: bool, resolved: &Resolved) -> String {
    let mut spec = serde_json::Map::new();
    if exec.provide_cluster_info {
        let mut cluster = serde_json::Map::new();
        let server = resolved.server.as_str();
        let server = if resolved.server.path() == "/" { server.trim_end_matches('/') } else { server };
        cluster.insert("server".to_owned(), server.into());
        if let Some(name) = &resolved.tls_server_name {
            cluster.insert("tls-server-name".to_owned(), name.as_str().into());
        }
        if resolved.insecure {
            cluster.insert("insecure-skip-tls-verify".to_owned(), true.into());
        }
        if let Roots::Pem { pem, .. } = &resolved.roots {
            let data = base64::engine::general_purpose::STANDARD.encode(pem);
            cluster.insert("certificate-authority-data".to_owned(), data.into());
        }
        if let Some(proxy) = &resolved.proxy_url {
            cluster.insert("proxy-url".to_owned(), proxy.as_str().into());
        }
        if exec.disable_compression {
            cluster.insert("disable-compression".to_owned(), true.into());
        }
        cluster.insert("config".to_owned(), exec.cluster_config.clone().unwrap_or(serde_json::Value::Null));
        spec.insert("cluster".to_owned(), cluster.into());
    }
    spec.insert("interactive".to_owned(), interactive.into());
    serde_json::json!({ "kind": "ExecCredential", "apiVersion": format!("{GROUP}/{version}"), "spec": spec })
        .to_string()
}
