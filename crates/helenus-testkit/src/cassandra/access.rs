//! How clients get into a cluster.

use std::sync::Arc;

use super::tls::TlsFiles;

/// A role and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Name of the role.
    pub username: String,
    /// Its password.
    pub password: String,
}

/// What a client needs beside the addresses.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Access {
    /// The superuser's login, when the cluster asks for one.
    pub credentials: Option<Credentials>,
    /// Certificates, when the cluster speaks TLS.
    pub tls: Option<TlsFiles>,
    pub(crate) client: Option<Arc<rustls::ClientConfig>>,
}

impl Credentials {
    /// The role Cassandra makes on its first start.
    pub(crate) fn superuser() -> Self {
        Self {
            username: "cassandra".to_owned(),
            password: "cassandra".to_owned(),
        }
    }
}
