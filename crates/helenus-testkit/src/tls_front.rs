//! TLS before a server that has none: certificates of every kind, right and wrong, and a listener that takes the TLS off and
//! hands the bytes on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// An authority that vouches for whatever a test needs.
pub struct TestAuthority(CertifiedIssuer<'static, KeyPair>);

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Today.
    Now,
    /// In the year 2000.
    Past,
    /// From the year 4000 on.
    Future,
}

/// A certificate with its key.
pub struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Identity {
    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// The key in PEM (PKCS#8).
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// The certificate's bytes.
    pub fn certificate_der(&self) -> &[u8] {
        self.certificate.der()
    }
}

impl TestAuthority {
    /// An authority of this name.
    ///
    /// # Panics
    /// When no key can be made.
    pub fn new(name: &str) -> Self {
        let mut params = params(name, Validity::Now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Self(CertifiedIssuer::self_signed(params, key()).expect("an authority can be made"))
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server with these names and addresses.
    ///
    /// # Panics
    /// When a name cannot be in a certificate.
    pub fn server(&self, names: &[&str], validity: Validity) -> Identity {
        let mut params = params(names.first().copied().unwrap_or("server"), validity);
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(address) => rcgen::SanType::IpAddress(address),
                Err(_) => rcgen::SanType::DnsName((*name).try_into().expect("a host name")),
            })
            .collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A certificate for a client.
    pub fn client(&self, name: &str) -> Identity {
        let mut params = params(name, Validity::Now);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = key();
        let certificate = params
            .signed_by(&key, &self.0)
            .expect("a certificate can be made");
        Identity { certificate, key }
    }
}

fn params(name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let (from, until) = match validity {
        Validity::Now => (2001, 3999),
        Validity::Past => (2000, 2001),
        Validity::Future => (4000, 4001),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

/// A listener that takes TLS off and hands the bytes on. It ends when this is dropped.
pub struct TlsFront {
    address: SocketAddr,
    clients: Clients,
    task: JoinHandle<()>,
}

/// The certificates that clients have shown, one entry for each connection.
type Clients = Arc<Mutex<Vec<Option<Vec<u8>>>>>;

impl TlsFront {
    /// Listens on a free port of 127.0.0.1 before `target`. When clients have to show certificates it is those of `clients`.
    ///
    /// # Errors
    /// When it cannot listen.
    ///
    /// # Panics
    /// When the identity cannot be used.
    pub async fn start(
        target: SocketAddr,
        identity: &Identity,
        clients: Option<&TestAuthority>,
    ) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("protocol versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                let certificate: CertificateDer<'static> = authority.0.der().clone().into_owned();
                roots.add(certificate).expect("an authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
        };
        let chain = vec![identity.certificate.der().clone().into_owned()];
        let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
        let config = builder.with_single_cert(chain, key).expect("an identity");
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let seen = Clients::default();
        let task = tokio::spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            target,
            Arc::clone(&seen),
        ));
        Ok(Self {
            address,
            clients: seen,
            task,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that each client has shown, in the order of their handshakes.
    pub fn clients(&self) -> Vec<Option<Vec<u8>>> {
        self.clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, target: SocketAddr, clients: Clients) {
    // Its connections end with it.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, clients) = (acceptor.clone(), Arc::clone(&clients));
        connections.spawn(async move {
            // Whatever goes wrong, the client is who has to notice.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let shown = stream.get_ref().1.peer_certificates();
            let shown = shown.and_then(|chain| chain.first()).map(|first| first.to_vec());
            clients.lock().unwrap_or_else(PoisonError::into_inner).push(shown);
            if let Ok(mut plain) = TcpStream::connect(target).await {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
            }
        });
    }
}
