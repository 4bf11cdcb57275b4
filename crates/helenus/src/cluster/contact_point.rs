//! Contact points: where to connect first, as a user writes them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use super::reach::Resolver;
use crate::connection::Endpoint;
use crate::error::{ConfigurationError, ContactPointError};

/// Where to connect first: an address, a host name, or an [`Endpoint`].
///
/// Text may be `HOST`, `HOST:PORT`, `IPV4`, `IPV4:PORT`, `IPV6` or `[IPV6]:PORT`; without a port the builder's counts. It is
/// checked by [`ClusterBuilder::build`](crate::ClusterBuilder::build). A name that has several addresses stands for all of
/// them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactPoint(Given);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    Text(String),
    Endpoint(Endpoint),
}

/// A contact point that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Endpoint(Endpoint),
    Name { host: String, port: u16 },
}

impl ContactPoint {
    pub(super) fn parse(&self, default_port: u16) -> Result<Target, ConfigurationError> {
        match &self.0 {
            Given::Endpoint(endpoint) => Ok(Target::Endpoint(endpoint.clone())),
            Given::Text(text) => {
                parse(text, default_port).map_err(|reason| ConfigurationError::ContactPoint {
                    text: text.clone(),
                    reason,
                })
            }
        }
    }
}

fn parse(text: &str, default_port: u16) -> Result<Target, &'static str> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return match address.port() {
            0 => Err("the port is 0"),
            _ => Ok(Target::Endpoint(address.into())),
        };
    }
    let unbracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ip = match unbracketed {
        Some(inner) => Some(IpAddr::V6(
            inner
                .parse::<Ipv6Addr>()
                .map_err(|_| "no IPv6 address in brackets")?,
        )),
        None => text.parse::<IpAddr>().ok(),
    };
    if let Some(ip) = ip {
        return Ok(Target::Endpoint(SocketAddr::new(ip, default_port).into()));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (
            host,
            port.parse()
                .map_err(|_| "the port is no number from 1 to 65535")?,
        ),
        None => (text, default_port),
    };
    if host.is_empty() {
        return Err("it is empty");
    }
    if port == 0 {
        return Err("the port is 0");
    }
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !host.chars().all(is_part) {
        return Err("a host name has no such characters");
    }
    let host = host.to_owned();
    Ok(Target::Name { host, port })
}

impl Target {
    /// The endpoints that it stands for. To be awaited within a runtime.
    pub(super) async fn resolve(
        &self,
        resolver: &dyn Resolver,
        limit: Duration,
    ) -> Result<Vec<Endpoint>, ContactPointError> {
        let (host, port) = match self {
            Self::Endpoint(endpoint) => return Ok(vec![endpoint.clone()]),
            Self::Name { host, port } => (host.as_str(), *port),
        };
        let resolved = match tokio::time::timeout(limit, resolver.resolve(host, port)).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(io::Error::other("it has no address")),
            Ok(resolved) => resolved,
            Err(_) => {
                let reason = format!("no answer within {limit:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, reason))
            }
        };
        let addresses = resolved.map_err(|source| ContactPointError::Resolve {
            name: host.to_owned(),
            source: Arc::new(source),
        })?;
        let endpoint = |address| Endpoint::new(address).with_server_name(host);
        Ok(addresses.into_iter().map(endpoint).collect())
    }
}

impl fmt::Display for ContactPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Given::Text(text) => f.write_str(text),
            Given::Endpoint(endpoint) => endpoint.fmt(f),
        }
    }
}

impl From<&str> for ContactPoint {
    fn from(text: &str) -> Self {
        Self(Given::Text(text.to_owned()))
    }
}

impl From<String> for ContactPoint {
    fn from(text: String) -> Self {
        Self(Given::Text(text))
    }
}

impl From<&String> for ContactPoint {
    fn from(text: &String) -> Self {
        Self(Given::Text(text.clone()))
    }
}

impl From<SocketAddr> for ContactPoint {
    fn from(address: SocketAddr) -> Self {
        Self(Given::Endpoint(address.into()))
    }
}

impl From<IpAddr> for ContactPoint {
    /// At the builder's port.
    fn from(address: IpAddr) -> Self {
        Self(Given::Text(address.to_string()))
    }
}

impl From<Endpoint> for ContactPoint {
    fn from(endpoint: Endpoint) -> Self {
        Self(Given::Endpoint(endpoint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_told_apart() {
        let shown = |text: &str| match parse(text, 9042).unwrap() {
            Target::Endpoint(endpoint) => format!("address {endpoint}"),
            Target::Name { host, port } => format!("name {host} {port}"),
        };
        assert_eq!(shown("127.0.0.1"), "address 127.0.0.1:9042");
        assert_eq!(shown("127.0.0.1:19042"), "address 127.0.0.1:19042");
        assert_eq!(shown("::1"), "address [::1]:9042");
        assert_eq!(shown("[::1]"), "address [::1]:9042");
        assert_eq!(shown("[::1]:1"), "address [::1]:1");
        assert_eq!(shown("db.example.com"), "name db.example.com 9042");
        assert_eq!(shown("db_1:19042"), "name db_1 19042");
    }

    #[test]
    fn what_is_no_contact_point_is_refused_with_a_reason() {
        for text in [
            "",
            ":9042",
            "db:0",
            "127.0.0.1:0",
            "db:x",
            "db:70000",
            "cql://db",
            "a b",
            "[::1",
            "[db]:1",
        ] {
            assert!(parse(text, 9042).is_err(), "{text:?}");
        }
    }
}
