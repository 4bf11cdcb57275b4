//! TLS between the driver and nodes: which certificates are believed, which one is shown, which names are checked.
//!
//! The implementation is rustls. By default a node's certificate must lead to an authority that is trusted, be in its time,
//! and be valid for the name or the address by which the node is reached; what is switched off has to be switched off by name.
//! Files are looked at again for each new connection, so that certificates can be renewed while the program runs.

mod error;
mod files;
mod verify;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

pub use error::TlsError;
pub(crate) use files::Current;

use crate::connection::Endpoint;
use crate::error::ConfigurationError;

/// How connections are encrypted: given to [`ClusterBuilder::tls`](crate::ClusterBuilder::tls).
///
/// ```
/// use helenus::Cluster;
/// use helenus::tls::TlsOptions;
///
/// let tls = TlsOptions::new().authority_file("certificates/ca.pem");
/// let builder = Cluster::builder().contact_point("db.example.com").tls(tls);
/// # let _ = builder;
/// ```
#[derive(Clone)]
#[must_use]
pub struct TlsOptions {
    source: Source,
    /// Something was said beside a configuration of rustls.
    mixed: bool,
    server_name: Option<String>,
}

/// Where the configuration of rustls comes from.
#[derive(Clone)]
enum Source {
    /// The program made it.
    Given(Arc<ClientConfig>),
    /// It is made from these.
    Described(Described),
}

/// What a configuration is made from.
#[derive(Clone, Default)]
struct Described {
    /// The authorities that are believed; those of the system when there are none.
    authorities: Vec<Pem>,
    identity: Option<Identity>,
    verification: Verification,
    versions: Versions,
}

/// The client's certificate chain, its own certificate first, and the private key.
#[derive(Clone)]
struct Identity {
    chain: Pem,
    key: Pem,
}

/// PEM text: certificates or a key.
#[derive(Clone)]
enum Pem {
    File(PathBuf),
    Text(Arc<[u8]>),
}

/// What of a node's certificate is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verification {
    /// Authority, time and name.
    #[default]
    Full,
    /// Authority and time.
    AnyName,
    /// Nothing.
    Nothing,
}

/// Which versions of TLS are spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Versions {
    /// 1.3, else 1.2.
    #[default]
    All,
    /// 1.3.
    Only13,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl TlsOptions {
    /// TLS 1.3 or 1.2 with the authorities that the system trusts, certificates checked in full, and none shown.
    pub fn new() -> Self {
        Self {
            source: Source::Described(Described::default()),
            mixed: false,
            server_name: None,
        }
    }

    /// A configuration of rustls as it is. Only a [`TlsOptions::server_name`] can be said beside it.
    pub fn from_rustls(config: Arc<ClientConfig>) -> Self {
        Self {
            source: Source::Given(config),
            mixed: false,
            server_name: None,
        }
    }

    /// Believes the authorities in this PEM file, besides others named so, instead of those that the system trusts.
    ///
    /// The file is read by [`ClusterBuilder::build`](crate::ClusterBuilder::build), and again when it has changed.
    pub fn authority_file(self, path: impl Into<PathBuf>) -> Self {
        self.described(|described| described.authorities.push(Pem::File(path.into())))
    }

    /// Believes the authorities in this PEM text, besides others named so, instead of those that the system trusts.
    pub fn authority_pem(self, pem: impl AsRef<[u8]>) -> Self {
        self.described(|described| described.authorities.push(Pem::Text(pem.as_ref().into())))
    }

    /// Shows the certificate in this PEM file, followed by those that lead to its authority, with the private key (PKCS#8,
    /// PKCS#1 or SEC1, not encrypted) in the other one. They may be the same file.
    ///
    /// The files are read by [`ClusterBuilder::build`](crate::ClusterBuilder::build). When they have changed, new connections
    /// show the new certificate; while they cannot be read, for instance because just one of the two was replaced, the old one.
    pub fn client_certificate_files(self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let (chain, key) = (Pem::File(chain.into()), Pem::File(key.into()));
        self.described(|described| described.identity = Some(Identity { chain, key }))
    }

    /// As [`TlsOptions::client_certificate_files`], with the PEM texts themselves.
    pub fn client_certificate_pem(self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        let (chain, key) = (Pem::Text(chain.as_ref().into()), Pem::Text(key.as_ref().into()));
        self.described(|described| described.identity = Some(Identity { chain, key }))
    }

    /// The name that all nodes' certificates are checked against and that is sent as SNI. By default the host name by which a
    /// contact point was given, and the address of nodes that were discovered.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Believes certificates of the authorities for any name: whoever has one of theirs can stand for any node.
    pub fn danger_accept_any_name(self) -> Self {
        self.described(|described| described.verification = Verification::AnyName)
    }

    /// Believes every certificate: encrypts against those who listen, not against those who stand in between.
    pub fn danger_accept_any_certificate(self) -> Self {
        self.described(|described| described.verification = Verification::Nothing)
    }

    /// Speaks TLS 1.3 only, not 1.2.
    pub fn only_tls_1_3(self) -> Self {
        self.described(|described| described.versions = Versions::Only13)
    }

    fn described(mut self, change: impl FnOnce(&mut Described)) -> Self {
        match &mut self.source {
            Source::Described(described) => change(described),
            Source::Given(_) => self.mixed = true,
        }
        self
    }

    /// Reads the files and makes the configuration.
    ///
    /// # Errors
    /// [`ConfigurationError::Tls`] and [`ConfigurationError::Conflict`], with what is wrong.
    pub(crate) fn check(&self) -> Result<Current, ConfigurationError> {
        let wrong = |reason: String| ConfigurationError::Tls { reason };
        if self.mixed {
            let reason = "a configuration of rustls says itself which certificates and versions it wants";
            return Err(ConfigurationError::Conflict {
                option: "tls",
                reason,
            });
        }
        if let Some(name) = &self.server_name {
            ServerName::try_from(name.as_str())
                .map_err(|_| wrong(format!("{name:?} is no host name and no address")))?;
        }
        Current::new(self.clone()).map_err(wrong)
    }

    /// The name that the certificate of this node is checked against.
    ///
    /// # Errors
    /// [`TlsError::NoName`].
    pub(crate) fn name_of(&self, endpoint: &Endpoint) -> Result<ServerName<'static>, TlsError> {
        match self.server_name.as_deref().or(endpoint.server_name()) {
            Some(name) => ServerName::try_from(name.to_owned()).map_err(|_| TlsError::NoName {
                name: name.to_owned(),
            }),
            None => match endpoint.socket_address() {
                Some(address) => Ok(ServerName::IpAddress(address.ip().into())),
                None => Err(TlsError::NoName {
                    name: endpoint.to_string(),
                }),
            },
        }
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TlsOptions");
        if let Source::Described(described) = &self.source {
            out.field("authorities", &described.authorities)
                .field(
                    "client_certificate",
                    &described.identity.as_ref().map(|it| &it.chain),
                )
                .field("verification", &described.verification)
                .field("versions", &described.versions);
        }
        out.field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            // It may be a key.
            Self::Text(text) => write!(f, "{} bytes of PEM", text.len()),
        }
    }
}
