//! Certificates for TLS between clients and nodes: an authority of the cluster's own, a certificate for each node and one for
//! clients.
//!
//! Nodes read PKCS#12 stores, which every supported version of Cassandra can; clients find PEM files.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use p12_keystore::{KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rcgen::{KeyUsagePurpose, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{Error, Result};

/// Whether clients of a cluster connect by TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// Plain connections.
    #[default]
    Off,
    /// Nodes show a certificate.
    Server,
    /// Clients have to show one as well.
    Mutual,
}

/// The files a client of a TLS cluster needs; all PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate of the authority that signed the nodes' and the client's certificates.
    pub authority: PathBuf,
    /// The client's certificate.
    pub certificate: PathBuf,
    /// The client's private key (PKCS#8).
    pub key: PathBuf,
}

/// The authority of one cluster. Its key stays in memory.
pub(crate) struct Authority {
    directory: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
    client: Arc<rustls::ClientConfig>,
}

impl Authority {
    /// Makes an authority and the client's certificate, and writes what clients and nodes read into `directory`.
    pub(crate) fn create(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
        let mut params = named("Helenus test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let issuer = CertifiedIssuer::self_signed(params, key()?).map_err(generation)?;

        let client_key = key()?;
        let mut params = named("Helenus test client");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = params.signed_by(&client_key, &issuer).map_err(generation)?;

        let mut trust = KeyStore::new();
        trust.add_entry(
            "authority",
            KeyStoreEntry::Certificate(certificate(issuer.der())?),
        );
        write(&directory.join("trust.p12"), &store(&trust)?)?;
        let files = files(directory);
        write(&files.authority, issuer.pem().as_bytes())?;
        write(&files.certificate, client.pem().as_bytes())?;
        write(&files.key, client_key.serialize_pem().as_bytes())?;
        let client = client_config(issuer.der(), client.der(), &client_key)?;
        Ok(Self {
            directory: directory.to_owned(),
            issuer,
            client: Arc::new(client),
        })
    }

    /// Writes the key store of the node at `address`, with a certificate valid for that address and for `localhost`.
    pub(crate) fn add_node(&self, address: Ipv4Addr) -> Result<()> {
        let node_key = key()?;
        let mut params = named(&address.to_string());
        let localhost = "localhost".try_into().map_err(generation)?;
        params.subject_alt_names = vec![
            SanType::IpAddress(IpAddr::V4(address)),
            SanType::DnsName(localhost),
        ];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let node = params.signed_by(&node_key, &self.issuer).map_err(generation)?;
        let private = PrivateKey::from_der(&node_key.serialize_der()).map_err(generation)?;
        let chain = [certificate(node.der())?, certificate(self.issuer.der())?];
        let mut keys = KeyStore::new();
        keys.add_entry(
            "node",
            KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(vec![1], private, chain)),
        );
        write(&self.directory.join(format!("{address}.p12")), &store(&keys)?)
    }

    /// The files for clients.
    pub(crate) fn files(&self) -> TlsFiles {
        files(&self.directory)
    }

    /// How this process itself connects to the nodes.
    pub(crate) fn client(&self) -> Arc<rustls::ClientConfig> {
        Arc::clone(&self.client)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

fn files(directory: &Path) -> TlsFiles {
    TlsFiles {
        authority: directory.join("ca.pem"),
        certificate: directory.join("client.pem"),
        key: directory.join("client.key"),
    }
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn key() -> Result<KeyPair> {
    KeyPair::generate().map_err(generation)
}

fn certificate(der: &[u8]) -> Result<p12_keystore::Certificate> {
    p12_keystore::Certificate::from_der(der).map_err(generation)
}

fn store(store: &KeyStore) -> Result<Vec<u8>> {
    store.writer(STORE_PASSWORD).write().map_err(generation)
}

fn client_config(
    authority: &CertificateDer<'_>,
    client: &CertificateDer<'_>,
    key: &KeyPair,
) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.clone().into_owned()).map_err(generation)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(generation)?;
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(generation)?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![client.clone().into_owned()], key)
        .map_err(generation)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(Error::io("write", path))
}

fn generation(error: impl std::fmt::Display) -> Error {
    Error::Option {
        option: "tls".to_owned(),
        reason: format!("certificates cannot be made: {error}"),
    }
}

/// Password of all PKCS#12 stores.
pub(crate) const STORE_PASSWORD: &str = "helenus";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_and_pem_files_appear_for_nodes_and_clients() {
        let directory = std::env::temp_dir().join(format!("helenus-tls-test-{}", std::process::id()));
        let authority = Authority::create(&directory).unwrap();
        authority.add_node(Ipv4Addr::new(127, 0, 0, 1)).unwrap();
        let files = authority.files();
        for (path, start) in [
            (&files.authority, "-----BEGIN CERTIFICATE-----"),
            (&files.certificate, "-----BEGIN CERTIFICATE-----"),
            (&files.key, "-----BEGIN PRIVATE KEY-----"),
        ] {
            assert!(
                std::fs::read_to_string(path).unwrap().starts_with(start),
                "{}",
                path.display()
            );
        }
        let bytes = std::fs::read(directory.join("127.0.0.1.p12")).unwrap();
        let store =
            KeyStore::from_pkcs12(&bytes, STORE_PASSWORD, p12_keystore::Pkcs12ImportPolicy::Strict).unwrap();
        assert_eq!(store.private_key_chain().unwrap().1.certs().len(), 2);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
