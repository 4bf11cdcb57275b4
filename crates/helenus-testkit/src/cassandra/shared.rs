//! One cluster for all tests of a process, started by the first that asks.

use std::env;
use std::net::SocketAddr;
use std::panic;
use std::sync::OnceLock;

use super::cluster::Cluster;
use super::description::CONTACT_POINTS;
use super::error::{Error, Result};
use super::options::ClusterOptions;
use super::progress::Progress;
use super::supervisor;
use super::yaml::NATIVE_PORT;

/// A cluster that tests share: they must not stop its nodes, and keep to keyspaces of their own.
#[derive(Debug)]
pub struct SharedCluster {
    contact_points: Vec<SocketAddr>,
    /// Kept alive until the process ends; `None` when somebody else's cluster is used.
    cluster: Option<Cluster>,
}

impl SharedCluster {
    /// `address:port` of each node.
    pub fn contact_points(&self) -> &[SocketAddr] {
        &self.contact_points
    }

    /// The cluster itself, when this process has started it.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }
}

/// The cluster of this process: the one that `HELENUS_CONTACT_POINTS` names, or else a node of Cassandra 5.0 with
/// [`ClusterOptions::all_features`], started now and stopped when the process ends.
///
/// A panic in any thread lets the logs stay.
///
/// # Panics
/// When the cluster cannot be started: a test that needs it has nothing else to do.
pub fn shared() -> &'static SharedCluster {
    static SHARED: OnceLock<SharedCluster> = OnceLock::new();
    SHARED.get_or_init(|| match find_or_start() {
        Ok(shared) => shared,
        Err(error) => panic!("the shared Cassandra cannot be had: {error}"),
    })
}

fn find_or_start() -> Result<SharedCluster> {
    if let Some(text) = env::var(CONTACT_POINTS).ok().filter(|text| !text.is_empty()) {
        return Ok(SharedCluster {
            contact_points: parse(&text)?,
            cluster: None,
        });
    }
    let options = ClusterOptions::default()
        .all_features()
        .progress(Progress::stderr());
    let cluster = Cluster::start(options.address_prefix(super::AddressPrefix::Auto))?;
    // A value in a static is not dropped; that the process ends is what the supervisor waits for. So a failed test has to
    // say now that the logs are wanted.
    let directory = cluster.directory().to_owned();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !supervisor::keeps_logs(&directory) {
            supervisor::keep_logs(&directory);
            eprintln!(
                "helenus-testkit: logs of Cassandra are kept in {}",
                directory.display()
            );
        }
        before(info);
    }));
    Ok(SharedCluster {
        contact_points: cluster.contact_points(),
        cluster: Some(cluster),
    })
}

fn parse(text: &str) -> Result<Vec<SocketAddr>> {
    let parse = |point: &str| {
        let point = point.trim();
        let address = point.parse().map(|ip| SocketAddr::new(ip, NATIVE_PORT));
        address.or_else(|_| point.parse()).map_err(|_| Error::Option {
            option: CONTACT_POINTS.to_owned(),
            reason: format!("{point:?} is not an IP address, with or without a port: 127.0.0.1:9042"),
        })
    };
    text.split(',').map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_points_are_addresses_with_or_without_ports() {
        let points = parse("127.0.0.1:9142, 127.0.0.2").unwrap();
        assert_eq!(
            points,
            [
                SocketAddr::from(([127, 0, 0, 1], 9142)),
                SocketAddr::from(([127, 0, 0, 2], 9042))
            ]
        );
        for text in ["", "localhost:9042", "127.0.0.1:9042,"] {
            assert!(matches!(parse(text), Err(Error::Option { .. })), "{text}");
        }
    }
}
