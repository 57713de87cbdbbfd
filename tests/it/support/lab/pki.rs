//! The lab's certificates and keys, as PEM files.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A certificate and its key on disk.
#[derive(Clone, Debug)]
pub struct Identity {
    /// PEM file with the certificate.
    pub cert: PathBuf,
    /// PEM file (PKCS#8) with the private key.
    pub key: PathBuf,
}

/// A CA that can sign more during a test.
pub struct Authority {
    /// PEM file with the CA's own certificate.
    pub cert: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: PathBuf,
}

/// What the lab's servers and users hold.
pub struct Pki {
    /// Signs the servers' certificates and the users' client certificates.
    pub ca: Authority,
    /// For localhost and 127.0.0.1; every server of the lab uses it.
    pub server: Identity,
    /// `system:masters`: passes every authorization check.
    pub admin: Identity,
    /// Client certificate of `jane` in the group `backend`, valid.
    pub client: Identity,
    /// The same as `client`, but it ended in 2021.
    pub expired_client: Identity,
    /// Signed by `unrelated`: the API server does not know its CA.
    pub foreign_client: Identity,
    /// Signs what an authenticating proxy shows to the API server.
    pub front_proxy_ca: Authority,
    /// CN `front-proxy-client`, the name the API server allows.
    pub front_proxy: Identity,
    /// A CA that no server of the lab uses.
    pub unrelated: Authority,
    /// RSA key that signs ServiceAccount tokens.
    pub service_account_key: PathBuf,
}

impl Pki {
    /// Makes everything under `dir`.
    pub fn create(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("PKI directory");
        let ca = Authority::create(dir, "kaccess-lab-ca");
        let front_proxy_ca = Authority::create(dir, "front-proxy-ca");
        let unrelated = Authority::create(dir, "unrelated-ca");
        let service_account_key = dir.join("service-account.key");
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("RSA key");
        fs::write(&service_account_key, key.serialize_pem()).expect("service account key");
        Self {
            server: ca.sign_server("server", &["localhost", "127.0.0.1"]),
            admin: ca.sign_client("admin", "lab-admin", &["system:masters"]),
            client: ca.sign_client("jane", "jane", &["backend"]),
            expired_client: ca.sign_client_until("jane-expired", "jane", &["backend"], 2021),
            foreign_client: unrelated.sign_client("jane-foreign", "jane", &["backend"]),
            front_proxy: front_proxy_ca.sign_client("front-proxy-client", "front-proxy-client", &[]),
            ca,
            front_proxy_ca,
            unrelated,
            service_account_key,
        }
    }
}

/// A time this many days from now, the past being negative.
macro_rules! in_days {
    ($days:expr) => {{
        let days: i64 = $days;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(now.checked_add_signed(days * 24 * 60 * 60).expect("a time"))
    }};
}

/// Ends late enough for every test and, with UTCTime, early enough for every parser.
const LAST_YEAR: i32 = 2049;

impl Authority {
    /// A new self-signed CA; its file is named after it.
    pub fn create(dir: &Path, name: &str) -> Self {
        let mut params = params(name, &[], LAST_YEAR);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("CA key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("CA certificate");
        let cert = dir.join(format!("{name}.crt"));
        fs::write(&cert, issuer.pem()).expect("CA certificate file");
        Self { cert, issuer, dir: dir.to_owned() }
    }

    /// A certificate for a server with these names and addresses.
    pub fn sign_server(&self, file: &str, names: &[&str]) -> Identity {
        let mut params = params(names[0], &[], LAST_YEAR);
        let named: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        params.subject_alt_names = CertificateParams::new(named).expect("server names").subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(file, params)
    }

    /// A client certificate of one year: user name and groups, as Kubernetes reads them.
    pub fn sign_client(&self, file: &str, user: &str, groups: &[&str]) -> Identity {
        self.sign_client_between(file, user, groups, (-1, 364))
    }

    /// The same, ending on the first of January of a year (it began in 2020).
    pub fn sign_client_until(&self, file: &str, user: &str, groups: &[&str], year: i32) -> Identity {
        let mut params = params(user, groups, year);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, params)
    }

    /// The same, of any validity: whole days from now, the first one may be negative.
    pub fn sign_client_between(&self, file: &str, user: &str, groups: &[&str], days: (i64, i64)) -> Identity {
        let mut params = params(user, groups, LAST_YEAR);
        (params.not_before, params.not_after) = (in_days!(days.0), in_days!(days.1));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, params)
    }

    /// A client certificate with an organisational unit instead of an organisation, of one year.
    pub fn sign_unit(&self, file: &str, user: &str, unit: &str) -> Identity {
        let mut params = params(user, &[], LAST_YEAR);
        params.distinguished_name.push(DnType::OrganizationalUnitName, unit);
        (params.not_before, params.not_after) = (in_days!(-1), in_days!(364));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, params)
    }

    /// A client certificate with organisations and no common name.
    pub fn sign_nameless(&self, file: &str, groups: &[&str]) -> Identity {
        let mut params = params("nobody", groups, LAST_YEAR);
        params.distinguished_name.remove(DnType::CommonName);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, params)
    }

    /// A server certificate of any validity: whole days from now, the first one may be negative.
    pub fn sign_server_between(&self, file: &str, names: &[&str], days: (i64, i64)) -> Identity {
        let mut params = params(names[0], &[], LAST_YEAR);
        let named: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        params.subject_alt_names = CertificateParams::new(named).expect("server names").subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = (in_days!(days.0), in_days!(days.1));
        self.sign(file, params)
    }

    /// A server certificate whose signer is an intermediate CA below this one, with the address of the signer's own
    /// certificate in it; the file holds the leaf alone, and the signer's certificate is returned too.
    pub fn sign_below(&self, file: &str, names: &[&str]) -> (Identity, PathBuf) {
        let mut middle = params("kaccess-lab-intermediate", &[], LAST_YEAR);
        middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        middle.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        middle.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("CA key");
        let middle = CertifiedIssuer::signed_by(middle, key, &self.issuer).expect("CA certificate");
        let cert = self.dir.join(format!("{file}-intermediate.crt"));
        fs::write(&cert, middle.pem()).expect("CA certificate file");
        let mut leaf = params(names[0], &[], LAST_YEAR);
        let named: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        leaf.subject_alt_names = CertificateParams::new(named).expect("server names").subject_alt_names;
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.use_authority_key_identifier_extension = true;
        // Authority information access: CA issuers (1.3.6.1.5.5.7.48.2) at a URI.
        let url = b"http://pki.example/intermediate.crt";
        let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("a short text");
        let mut location = vec![0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 2, 0x86, length(url)];
        location.extend(url);
        let mut access = vec![0x30, length(&location) + 2, 0x30, length(&location)];
        access.extend(location);
        leaf.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access));
        let key = KeyPair::generate().expect("key");
        let certificate = leaf.signed_by(&key, &middle).expect("certificate");
        let identity =
            Identity { cert: self.dir.join(format!("{file}.crt")), key: self.dir.join(format!("{file}.key")) };
        fs::write(&identity.cert, certificate.pem()).expect("certificate file");
        fs::write(&identity.key, key.serialize_pem()).expect("key file");
        (identity, cert)
    }

    /// A client certificate with something odd in it.
    pub fn sign_odd(
        &self,
        file: &str,
        user: &str,
        groups: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = params(user, groups, LAST_YEAR);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        self.sign(file, params)
    }

    fn sign(&self, file: &str, mut params: CertificateParams) -> Identity {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("key");
        let certificate = params.signed_by(&key, &self.issuer).expect("certificate");
        let identity =
            Identity { cert: self.dir.join(format!("{file}.crt")), key: self.dir.join(format!("{file}.key")) };
        fs::write(&identity.cert, certificate.pem()).expect("certificate file");
        fs::write(&identity.key, key.serialize_pem()).expect("key file");
        identity
    }
}

/// `organizations` are a certificate's groups. rcgen keeps one value per attribute type, but an attribute named by
/// its OID is another type to it, hence two at most.
fn params(common_name: &str, organizations: &[&str], last_year: i32) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    let types = [DnType::OrganizationName, DnType::CustomDnType(vec![2, 5, 4, 10])];
    assert!(organizations.len() <= types.len(), "rcgen can write two organizations at most");
    for (kind, organization) in types.into_iter().zip(organizations) {
        name.push(kind, *organization);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    params
}
