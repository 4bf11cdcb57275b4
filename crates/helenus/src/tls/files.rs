//! The configuration of rustls that new connections use, made anew when a file that it came from has changed.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, version};

use super::verify::{AnyCertificate, AnyName};
use super::{Described, Identity, Pem, Source, TlsOptions, Verification, Versions};

/// The configuration, and what the files looked like when it was made.
pub(crate) struct Current {
    options: TlsOptions,
    made: Mutex<Made>,
}

struct Made {
    config: Arc<ClientConfig>,
    stamps: Vec<Stamp>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
}

impl Stamp {
    /// Of a file; `None` when it cannot be looked at.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
        })
    }
}

impl Current {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn new(options: TlsOptions) -> Result<Self, String> {
        let stamps = stamps(&options).unwrap_or_default();
        let config = make(&options)?;
        Ok(Self {
            options,
            made: Mutex::new(Made { config, stamps }),
        })
    }

    /// What it is made from.
    pub(crate) fn options(&self) -> &TlsOptions {
        &self.options
    }

    /// For a new connection. Files that have changed are read again; when they do not fit together, the last ones that did
    /// count, and the next connection has another look.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let stamps = stamps(&self.options);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stamps) = stamps.filter(|stamps| *stamps != made.stamps) {
            match make(&self.options) {
                Ok(config) => {
                    tracing::info!("certificates were renewed");
                    *made = Made { config, stamps };
                }
                Err(error) => tracing::warn!(%error, "changed certificates cannot be used"),
            }
        }
        Arc::clone(&made.config)
    }
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.options.fmt(f)
    }
}

/// What the files look like now; `None` when one of them is missing.
fn stamps(options: &TlsOptions) -> Option<Vec<Stamp>> {
    let Source::Described(described) = &options.source else {
        return Some(Vec::new());
    };
    let identity = described.identity.iter();
    let pems = described
        .authorities
        .iter()
        .chain(identity.flat_map(|it| [&it.chain, &it.key]));
    pems.filter_map(|pem| match pem {
        Pem::File(path) => Some(Stamp::of(path)),
        Pem::Text(_) => None,
    })
    .collect()
}

fn make(options: &TlsOptions) -> Result<Arc<ClientConfig>, String> {
    match &options.source {
        Source::Given(config) => Ok(Arc::clone(config)),
        Source::Described(described) => described.make().map(Arc::new),
    }
}

impl Described {
    fn make(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let versions: &[_] = match self.versions {
            Versions::All => &[&version::TLS13, &version::TLS12],
            Versions::Only13 => &[&version::TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?;
        let builder = match self.verification {
            Verification::Full => builder.with_root_certificates(self.roots()?),
            Verification::AnyName => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyName(self.verifier(&provider)?))),
            Verification::Nothing => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider))),
        };
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some(Identity { chain, key }) => {
                let certificates = certificates(chain)?;
                let private = PrivateKeyDer::from_pem_slice(&text(key)?).map_err(|error| {
                    format!("{key:?} has no private key that can be used (PKCS#8, PKCS#1 or SEC1, not encrypted): {error}")
                })?;
                builder
                    .with_client_auth_cert(certificates, private)
                    .map_err(|error| format!("the client's certificate cannot be used with its key: {error}"))
            }
        }
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
        WebPkiServerVerifier::builder_with_provider(Arc::new(self.roots()?), Arc::clone(provider))
            .build()
            .map_err(|error| error.to_string())
    }

    /// The authorities that are believed.
    fn roots(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        if self.authorities.is_empty() {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            if roots.is_empty() {
                return Err(
                    "the system trusts no authority: name one (TlsOptions::authority_file)".to_owned(),
                );
            }
        }
        for pem in &self.authorities {
            for certificate in certificates(pem)? {
                roots
                    .add(certificate)
                    .map_err(|error| format!("{pem:?} has a certificate that cannot be believed: {error}"))?;
            }
        }
        Ok(roots)
    }
}

/// All certificates in it, at least one.
fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = text(pem)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(format!("{pem:?} has no certificate in PEM")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{pem:?} is no PEM: {error}")),
    }
}

fn text(pem: &Pem) -> Result<Arc<[u8]>, String> {
    match pem {
        Pem::Text(text) => Ok(Arc::clone(text)),
        Pem::File(path) => fs::read(path)
            .map(Arc::from)
            .map_err(|error| format!("{} cannot be read: {error}", path.display())),
    }
}
