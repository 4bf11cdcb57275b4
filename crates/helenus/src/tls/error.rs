//! What can be wrong with TLS, by what a user has to do about it.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError};

/// Why there is no TLS with a node. Nothing was sent to it in plain text.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// No trusted authority vouches for the node's certificate.
    #[error(
        "no trusted authority vouches for the certificate of the node: name its authority (TlsOptions::authority_file)"
    )]
    UnknownAuthority,
    /// The node's certificate was valid once.
    #[error("the certificate of the node has expired: {detail}")]
    Expired {
        /// The times.
        detail: String,
    },
    /// The node's certificate will be valid. Perhaps one of the clocks is wrong.
    #[error("the certificate of the node is not valid yet: {detail}")]
    NotYetValid {
        /// The times.
        detail: String,
    },
    /// The node's certificate is of somebody else.
    #[error(
        "the certificate of the node is not valid for the name by which it was reached: {detail}; another name to check can be \
         set (TlsOptions::server_name)"
    )]
    WrongName {
        /// The names.
        detail: String,
    },
    /// The node's certificate was revoked, has a bad signature or a wrong purpose, or cannot be read.
    #[error("the certificate of the node cannot be accepted: {0}")]
    BadCertificate(#[source] rustls::Error),
    /// The node wants to see a certificate, and another one than it was shown.
    #[error("the node did not accept the client's certificate, or asks for one that was not given: {alert}")]
    ClientCertificate {
        /// What the node said.
        alert: String,
    },
    /// The node does not speak TLS at its port.
    #[error("the node does not answer in TLS: is TLS switched on there?")]
    NotTls,
    /// The node went away in the middle of the handshake.
    #[error("the node closed the connection during the TLS handshake: is TLS switched on there?")]
    ClosedByPeer,
    /// There is no name to check the certificate against.
    #[error(
        "{name:?} is no name that a certificate can be checked against: set one (TlsOptions::server_name)"
    )]
    NoName {
        /// What there is.
        name: String,
    },
    /// TLS is for TCP only.
    #[error("TLS over a Unix domain socket is not possible: such a socket does not leave the machine")]
    UnixSocket,
    /// Anything else.
    #[error("TLS: {0}")]
    Other(#[source] rustls::Error),
}

impl TlsError {
    /// What an error of rustls means.
    pub(crate) fn from_rustls(error: rustls::Error) -> Self {
        use CertificateError as Bad;
        match &error {
            rustls::Error::InvalidCertificate(bad) => match bad {
                Bad::UnknownIssuer => Self::UnknownAuthority,
                Bad::Expired | Bad::ExpiredContext { .. } => Self::Expired {
                    detail: bad.to_string(),
                },
                Bad::NotValidYet | Bad::NotValidYetContext { .. } => Self::NotYetValid {
                    detail: bad.to_string(),
                },
                Bad::NotValidForName | Bad::NotValidForNameContext { .. } => Self::WrongName {
                    detail: bad.to_string(),
                },
                _ => Self::BadCertificate(error),
            },
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied => Self::ClientCertificate {
                    alert: format!("{alert:?}"),
                },
                _ => Self::Other(error),
            },
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Other(error),
        }
    }

    /// The error that travels through the transport.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, self)
    }

    /// The error that travelled through the transport, if it is one of these.
    pub(crate) fn in_io(error: &io::Error) -> Option<Arc<Self>> {
        let inner = error.get_ref()?.downcast_ref::<Self>()?;
        Some(Arc::new(inner.clone()))
    }
}
