//! Where a node listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Where a node listens for clients: a socket address or a Unix domain socket, with the name that TLS checks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    target: Target,
    server_name: Option<Arc<str>>,
}

/// What a connector connects to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    /// TCP over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix domain socket.
    Unix(Arc<Path>),
}

impl Endpoint {
    /// A node that listens on this address.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            target: Target::Tcp(address),
            server_name: None,
        }
    }

    /// A node that listens on a Unix domain socket.
    pub fn unix(path: impl AsRef<Path>) -> Self {
        Self {
            target: Target::Unix(Arc::from(path.as_ref())),
            server_name: None,
        }
    }

    /// The same endpoint with the name that a TLS certificate is checked against, and that is sent as SNI.
    #[must_use]
    pub fn with_server_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The socket address; `None` for a Unix domain socket.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        match &self.target {
            Target::Tcp(address) => Some(*address),
            Target::Unix(_) => None,
        }
    }

    /// The name that TLS checks, where one was set.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::new(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Tcp(address) => address.fmt(f),
            Target::Unix(path) => path.display().fmt(f),
        }
    }
}
