//! The cluster entry under the flags: server, certificate authority and proxy, checked as client-go checks them.

use std::path::Path;

use url::Url;

use super::file::{RawCluster, read_limited};
use super::{Loader, set, some};
use crate::collect::Roots;
use crate::evidence::kubeconfig::Cluster;
use crate::evidence::{Failure, FailureKind};
use crate::gotext::{pem, url as go};
use crate::secret::Secret;

/// A server that passed the checks.
pub(super) struct Server {
    pub(super) url: Url,
    pub(super) roots: Roots,
    pub(super) userinfo: Option<(String, Secret)>,
}

impl Loader<'_> {
    /// The cluster entry under the flags, by client-go's rules (client_config.go, getCluster).
    pub(super) fn effective_cluster(&self, entry: Option<&RawCluster>) -> RawCluster {
        let flags = self.flags;
        let mut cluster = entry.cloned().unwrap_or_default();
        if let Some(server) = set(&flags.server) {
            cluster.server = server.to_owned();
        }
        let authority = flags.certificate_authority.as_ref().map(|path| path.to_string_lossy().into_owned());
        let authority = authority.filter(|path| !path.is_empty());
        if flags.insecure_skip_tls_verify || authority.is_some() {
            cluster.insecure = flags.insecure_skip_tls_verify;
            cluster.ca = authority.unwrap_or_default();
            cluster.ca_data = Vec::new();
        }
        // A server given by hand gets no server name from the entry.
        if set(&flags.tls_server_name).is_some() || set(&flags.server).is_some() {
            cluster.tls_server_name = flags.tls_server_name.clone().unwrap_or_default();
        }
        cluster
    }

    /// Checks the effective cluster entry and writes it down.
    pub(super) fn cluster(&mut self, cluster: &RawCluster, name: &str, file: &str) -> Result<Server, Failure> {
        let shown = self.without_userinfo(&cluster.server);
        let proxy = some(&cluster.proxy_url).map(|proxy| self.without_userinfo(&proxy));
        let authority = if cluster.ca_data.is_empty() { some(&cluster.ca) } else { Some("data".to_owned()) };
        self.seen.cluster = Some(Cluster {
            name: self.scrubber.known_only(name),
            file: file.to_owned(),
            server: shown.clone(),
            certificate_authority: authority,
            authorities: Vec::new(),
            insecure_skip_tls_verify: cluster.insecure,
            tls_server_name: some(&cluster.tls_server_name),
            proxy_url: proxy.clone(),
        });

        if let Some(proxy) = &proxy {
            self.check_proxy_url(cluster, proxy, name, file)?;
        }
        let authority = self.authority(cluster, name, file)?;
        if cluster.insecure {
            let detail = "insecure-skip-tls-verify is on: whoever answers at the server's address gets the credential";
            let line = cluster.line("insecure-skip-tls-verify");
            self.problem("tls-verification-off", detail.to_owned(), some(file), line);
        }
        let (url, userinfo) = self.server_url(&cluster.server).map_err(|detail| {
            let failure = Failure::new(FailureKind::Malformed, detail).sides("https://HOST:PORT", &shown);
            self.refuse("kubeconfig-unparsable", failure, some(file), cluster.line("server"))
        })?;
        if has_fragment_in_path(&cluster.server) {
            let detail = format!("the server URL {shown:?} has a #, which kubectl takes for a part of its path");
            self.problem("not-a-kubernetes-api", detail, some(file), cluster.line("server"));
        }
        let roots = match authority {
            None => Roots::System,
            Some(bytes) => self.roots(&bytes, cluster, file)?,
        };
        Ok(Server { url, roots, userinfo })
    }

    fn check_proxy_url(&mut self, cluster: &RawCluster, shown: &str, name: &str, file: &str) -> Result<(), Failure> {
        // Go refuses what the URL standard repairs.
        let parsed =
            go::parse(&cluster.proxy_url).map_err(|_| ()).and_then(|_| Url::parse(&cluster.proxy_url).map_err(|_| ()));
        let complaint = match parsed {
            Ok(url) if matches!(url.scheme(), "http" | "https" | "socks5") => return Ok(()),
            Ok(url) => format!("unsupported scheme \"{}\", must be http, https, or socks5", url.scheme()),
            Err(_) => format!("could not parse: {shown}"),
        };
        let detail = format!("invalid 'proxy-url' \"{shown}\" for cluster \"{name}\": {complaint}");
        let failure =
            Failure::new(FailureKind::Malformed, detail).sides("http://, https:// or socks5:// and a host", shown);
        Err(self.refuse("kubeconfig-unparsable", failure, some(file), cluster.line("proxy-url")))
    }

    /// The bytes of the certificate authority, if the entry has one; it may not stand beside switched-off verification.
    fn authority(&mut self, cluster: &RawCluster, name: &str, file: &str) -> Result<Option<Vec<u8>>, Failure> {
        let line = cluster.line("certificate-authority");
        if !cluster.ca_data.is_empty() && !cluster.ca.is_empty() {
            let detail = format!(
                "certificate-authority-data and certificate-authority are both specified for {name}. certificate-authority-data will override."
            );
            let failure = Failure::new(FailureKind::Malformed, detail);
            return Err(self.refuse("kubeconfig-ca-unparsable", failure, some(file), line));
        }
        let authority = if !cluster.ca_data.is_empty() {
            cluster.ca_data.clone()
        } else if cluster.ca.is_empty() {
            return Ok(None);
        } else {
            read_limited(Path::new(&cluster.ca)).map_err(|failure| {
                let detail =
                    format!("unable to read certificate-authority {} for {name} due to {}", cluster.ca, failure.detail);
                self.refuse("credential-file-missing", Failure::new(failure.kind, detail), some(file), line)
            })?
        };
        if cluster.insecure {
            let detail = "specifying a root certificates file with the insecure flag is not allowed";
            let failure = Failure::new(FailureKind::Malformed, detail)
                .sides("either a certificate authority or insecure-skip-tls-verify", "both");
            let line = cluster.line("insecure-skip-tls-verify");
            return Err(self.refuse("insecure-with-ca", failure, some(file), line));
        }
        Ok(Some(authority))
    }

    fn roots(&mut self, authority: &[u8], cluster: &RawCluster, file: &str) -> Result<Roots, Failure> {
        match check_authority(authority) {
            Ok(()) => Ok(Roots::Pem { pem: String::from_utf8_lossy(authority).into_owned(), label: "kubeconfig" }),
            Err(complaint) => {
                let detail = format!("unable to load root certificates: {complaint}");
                let failure =
                    Failure::new(FailureKind::Malformed, detail).sides("PEM blocks of type CERTIFICATE", complaint);
                let has_data = !cluster.ca_data.is_empty();
                let field = if has_data { "certificate-authority-data" } else { "certificate-authority" };
                Err(self.refuse("kubeconfig-ca-unparsable", failure, some(file), cluster.line(field)))
            }
        }
    }
}

/// clientcmd reads the URL with Go's ParseRequestURI, to which a `#` behind the host is a letter of the path. Behind a `?`
/// it is left out with the query, and one directly behind the host does no harm.
fn has_fragment_in_path(server: &str) -> bool {
    let rest = server.split_once("://").map_or("", |(_, rest)| rest);
    let address = rest.split('?').next().unwrap_or_default();
    address.split_once('/').is_some_and(|(host, path)| !host.contains('#') && path.contains('#'))
}

/// client-go's rootCertPool: at least one certificate must be read.
pub(super) fn check_authority(bytes: &[u8]) -> Result<(), &'static str> {
    let blocks = pem::blocks(bytes);
    let certificates = || pem::certificates(&blocks);
    if certificates().any(|der| x509_parser::parse_x509_certificate(der).is_ok()) {
        return Ok(());
    }
    // createErrorParsingCAData stops at the first certificate that it cannot parse, or where no more blocks come.
    Err(if certificates().next().is_some() {
        "failed to parse certificate"
    } else if !blocks.is_empty() && pem::is_read_up(bytes) {
        "no valid certificate authority data seen"
    } else {
        "unable to parse bytes as PEM block"
    })
}

#[cfg(test)]
mod tests {
    use super::has_fragment_in_path;

    #[test]
    fn a_fragment_counts_where_kubectl_takes_it_for_a_path() {
        assert!(has_fragment_in_path("https://api.test:6443/#/login"));
        assert!(has_fragment_in_path("https://rancher.test/dashboard/#/c/local?x=1"));
        for harmless in ["https://api.test", "https://api.test/k8s", "https://api.test#/x", "https://api.test/?a#b"] {
            assert!(!has_fragment_in_path(harmless), "{harmless}");
        }
    }
}
