//! The roots that judge: a kubeconfig's, or the system's where Go looks for them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;

use crate::credential::chain::{Certificate, Pool};
use crate::evidence::{Failure, FailureKind};
use crate::gotext::pem::{blocks, certificates};
use crate::host::Host;

/// Roots as Go's `CertPool` has them.
#[derive(Debug)]
pub(super) struct Anchors {
    pub(super) label: &'static str,
    pub(super) pool: Pool,
    pub(super) roots: Vec<Root>,
}

/// A root with its bytes, for the words about it.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) der: CertificateDer<'static>,
    pub(super) certificate: Arc<Certificate>,
}

impl Anchors {
    pub(super) fn new(label: &'static str, ders: Vec<CertificateDer<'static>>) -> Self {
        let (mut pool, mut roots) = (Pool::default(), Vec::new());
        for der in ders {
            // Go passes over what it cannot parse.
            let Ok(certificate) = Certificate::parse(&der).map(Arc::new) else { continue };
            if !pool.contains(&certificate) {
                pool.add(certificate.clone());
                roots.push(Root { der, certificate });
            }
        }
        Self { label, pool, roots }
    }
}

/// Which files stand for the system's roots.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SystemRoots {
    file: Option<OsString>,
    folders: Option<OsString>,
}

impl SystemRoots {
    pub(super) fn of(host: &Host) -> Self {
        let variable = |name: &str| host.env.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty()).cloned();
        Self { file: variable("SSL_CERT_FILE"), folders: variable("SSL_CERT_DIR") }
    }

    /// Read once per process and environment (it takes milliseconds).
    pub(super) fn anchors(&self) -> Arc<Anchors> {
        static CACHE: LazyLock<Mutex<HashMap<SystemRoots, Arc<Anchors>>>> = LazyLock::new(Mutex::default);
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(anchors) = cache.get(self) {
            return anchors.clone();
        }
        let ders = system_certificates(self.file.as_deref().map(Path::new), self.folders.as_deref());
        let anchors = Arc::new(Anchors::new("system", ders));
        cache.insert(self.clone(), anchors.clone());
        anchors
    }
}

pub(super) fn pem_anchors(pem: &str, label: &'static str) -> Result<Arc<Anchors>, Failure> {
    // A broken block is passed over, as in Go; only a text without any certificate is an error there too.
    let blocks = blocks(pem.as_bytes());
    let ders = certificates(&blocks).map(|der| CertificateDer::from(der.to_vec())).collect();
    let anchors = Anchors::new(label, ders);
    if anchors.roots.is_empty() {
        return Err(Failure::new(FailureKind::Malformed, "the CA data holds no certificate that can be read").sides(
            "one or more PEM blocks of type CERTIFICATE",
            if pem.trim().is_empty() { "nothing".to_owned() } else { format!("{} bytes without one", pem.len()) },
        ));
    }
    Ok(Arc::new(anchors))
}

/// Where Go looks on Linux: the first bundle that is there, and all of the folders. SSL_CERT_FILE stands for the
/// bundles and SSL_CERT_DIR for the folders, each alone (OpenSSL and rustls-native-certs let one switch off both).
fn system_certificates(file: Option<&Path>, dirs: Option<&std::ffi::OsStr>) -> Vec<CertificateDer<'static>> {
    if cfg!(any(windows, target_os = "macos")) || file.is_none() && dirs.is_none() {
        return rustls_native_certs::load_native_certs().certs;
    }
    const FILES: [&str; 6] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    const FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];
    let files = file.map_or_else(|| FILES.iter().map(PathBuf::from).collect(), |file| vec![file.to_owned()]);
    let folders: Vec<PathBuf> =
        dirs.map_or_else(|| FOLDERS.iter().map(PathBuf::from).collect(), |dirs| std::env::split_paths(dirs).collect());
    let mut certificates = Vec::new();
    if let Some(file) = files.iter().find(|file| file.is_file()) {
        certificates.extend(rustls_native_certs::load_certs_from_paths(Some(file), None).certs);
    }
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        certificates.extend(rustls_native_certs::load_certs_from_paths(None, Some(folder)).certs);
    }
    certificates
}
