//! client-go's in-cluster configuration, for where kaccess runs in a Pod without a kubeconfig.

use std::path::Path;

use super::cluster::check_authority;
use super::file::{RawCluster, RawUser, read_limited};
use super::{Loader, Resolved, UserSecrets, some};
use crate::evidence::Failure;
use crate::evidence::credential::CredentialSource;
use crate::evidence::kubeconfig::UserEntry;

impl Loader<'_> {
    /// The Pod's way to its own API server, where there is one.
    pub(super) fn in_cluster(&mut self, namespace: Option<String>) -> Result<Option<Resolved>, Failure> {
        let token_file = self.service_account.join("token");
        let (Some(name), Some(port)) =
            (self.host.var("KUBERNETES_SERVICE_HOST"), self.host.var("KUBERNETES_SERVICE_PORT"))
        else {
            return Ok(None);
        };
        if !std::fs::metadata(&token_file).is_ok_and(|data| !data.is_dir()) {
            return Ok(None);
        }
        self.seen.source = "in-cluster".to_owned();
        let address =
            if name.contains(':') { format!("https://[{name}]:{port}") } else { format!("https://{name}:{port}") };
        let authority = match &self.flags.certificate_authority {
            Some(path) => path.clone(),
            None => self.service_account.join("ca.crt"),
        };
        let cluster = self.cluster_of_pod(address, &authority);
        let server = self.cluster(&cluster, "", "")?;
        if let Some(seen) = &mut self.seen.cluster {
            seen.file = self.service_account.to_string_lossy().into_owned();
            seen.certificate_authority =
                (!cluster.ca_data.is_empty()).then(|| authority.to_string_lossy().into_owned());
        }
        let namespace = namespace.unwrap_or_else(|| self.namespace_of_pod());
        self.seen.namespace = namespace.clone();
        let user = self.service_account_user(&token_file);
        let impersonation = self.impersonation(&RawUser::default());
        self.seen.user = Some(UserEntry {
            file: self.service_account.to_string_lossy().into_owned(),
            methods: vec!["tokenFile".to_owned()],
            impersonate: impersonation.user.clone(),
            impersonate_groups: impersonation.groups.clone(),
            impersonate_uid: impersonation.uid.clone(),
            impersonate_extra: impersonation.extra_by_key(|text| self.scrubber.text(text)),
            ..UserEntry::default()
        });
        Ok(Some(Resolved {
            server: server.url,
            roots: server.roots,
            insecure: cluster.insecure,
            tls_server_name: some(&cluster.tls_server_name),
            proxy_url: None,
            namespace,
            context: None,
            user,
            impersonation,
            request_timeout: self.flags.request_timeout,
        }))
    }

    fn cluster_of_pod(&mut self, address: String, authority: &Path) -> RawCluster {
        let mut cluster = RawCluster { server: address, ..RawCluster::default() };
        cluster.tls_server_name = self.flags.tls_server_name.clone().unwrap_or_default();
        cluster.insecure = self.flags.insecure_skip_tls_verify;
        if !cluster.insecure {
            match self.authority_of_pod(authority) {
                Ok(bytes) => cluster.ca_data = bytes,
                // client-go logs that and goes on with the system's roots.
                Err(complaint) => {
                    let detail = format!(
                        "Expected to load root CA config from {}, but got err: {complaint}",
                        authority.display()
                    );
                    self.problem(
                        "kubeconfig-ca-unparsable",
                        detail,
                        Some(authority.to_string_lossy().into_owned()),
                        None,
                    );
                }
            }
        }
        cluster
    }

    /// The bytes of the CA, or what client-go (util/cert, NewPool) says of its file. What `--certificate-authority` names
    /// is judged where a kubeconfig's CA is.
    fn authority_of_pod(&self, authority: &Path) -> Result<Vec<u8>, String> {
        let bytes = read_limited(authority).map_err(|failure| failure.detail)?;
        if self.flags.certificate_authority.is_none() && check_authority(&bytes).is_err() {
            return Err(format!(
                "error creating pool from {}: data does not contain any valid RSA or ECDSA certificates",
                authority.display()
            ));
        }
        Ok(bytes)
    }

    fn namespace_of_pod(&self) -> String {
        if let Some(namespace) = self.host.var("POD_NAMESPACE") {
            return namespace.to_owned();
        }
        let file = read_limited(&self.service_account.join("namespace")).ok();
        let namespace = file.and_then(|bytes| some(String::from_utf8_lossy(&bytes).trim()));
        namespace.unwrap_or_else(|| "default".to_owned())
    }

    /// The service account's token, or that of `--token`.
    fn service_account_user(&self, token_file: &Path) -> UserSecrets {
        let mut user = UserSecrets {
            token_file: Some(token_file.to_owned()),
            origin: format!("service account token in {}", token_file.display()),
            source: CredentialSource::InCluster,
            methods: vec!["tokenFile".to_owned()],
            ..UserSecrets::default()
        };
        if let Some(token) = &self.flags.token {
            user.token = Some(token.clone());
            user.token_file = None;
            user.origin = "--token".to_owned();
            user.source = CredentialSource::Flag;
            user.methods = vec!["token".to_owned()];
        }
        user
    }
}
