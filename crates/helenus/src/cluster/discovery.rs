//! Discovery: which nodes the cluster has, read from system.local and system.peers_v2 or system.peers.
//!
//! Rows that cannot be used (no host id, no address, the same node twice) are skipped with a warning: servers write such
//! rows while nodes join and leave.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use helenus_protocol::ErrorCode;
use uuid::Uuid;

use super::node::{NodeFacts, Ports};
use super::peer_row::PeerRow;
use super::reach::EndpointFactory;
use super::{ClusterConfig, DEFAULT_PORT};
use crate::ask::{AskError, SystemRow, SystemRows, select, select_by_page};
use crate::connection::{Connection, Endpoint};

/// What one node says about the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Discovered {
    /// The rows of peers that an endpoint factory is to be asked about; none of them is among the nodes yet.
    pub(crate) rows: Vec<(NodeFacts, PeerRow)>,
    pub(crate) cluster_name: Option<String>,
    pub(crate) partitioner: Option<String>,
    /// The nodes with the endpoints to reach them; the one that was asked is the first.
    pub(crate) nodes: Vec<(Endpoint, NodeFacts)>,
}

const LOCAL: &str = "SELECT * FROM system.local WHERE key='local'";
const PEERS_V2: &str = "SELECT * FROM system.peers_v2";
const PEERS: &str = "SELECT * FROM system.peers";

/// Peers in a page: with 256 tokens each takes 6 kB.
const PEERS_PAGE_SIZE: i32 = 128;

/// Asks a node.
pub(super) async fn discover(
    connection: &Connection,
    config: &ClusterConfig,
) -> Result<Discovered, AskError> {
    let limit = config.control_timeout;
    let looks_at_rows = config
        .endpoint_factory
        .as_ref()
        .is_some_and(|factory| factory.looks_at_rows());
    let local = select(connection, LOCAL, limit).await?;
    let endpoint = connection.endpoint();
    let port = endpoint
        .socket_address()
        .map_or(DEFAULT_PORT, |address| address.port());
    let mut discovered = Discovered::of(endpoint, &local, port)?;
    let mut add = |page: &SystemRows| {
        for row in page.iter() {
            match looks_at_rows {
                true => discovered.add_row(&row, port),
                false => discovered.add_peer(&row, port),
            }
        }
    };
    match select_by_page(connection, PEERS_V2, PEERS_PAGE_SIZE, limit, &mut add).await {
        // The table is of Cassandra 4.0 and later.
        Err(AskError::Server(error)) if error.code == ErrorCode::Invalid => {
            select_by_page(connection, PEERS, PEERS_PAGE_SIZE, limit, add).await?;
        }
        read => read?,
    }
    Ok(discovered)
}

impl Discovered {
    /// What a node says about itself.
    fn of(endpoint: &Endpoint, local: &SystemRows, port: u16) -> Result<Self, AskError> {
        let local = local.iter().next();
        let local = local.ok_or_else(|| AskError::Unexpected("system.local has no row".to_owned()))?;
        let Some(facts) = facts(&local, port) else {
            return Err(AskError::Unexpected("system.local has no host id".to_owned()));
        };
        Ok(Self {
            cluster_name: local.get("cluster_name"),
            partitioner: local.get("partitioner"),
            nodes: vec![(endpoint.clone(), facts)],
            rows: Vec::new(),
        })
    }

    fn add_row(&mut self, row: &SystemRow<'_>, port: u16) {
        match facts(row, port) {
            Some(facts) => self.rows.push((facts, row.to_peer_row())),
            None => {
                let peer: Option<IpAddr> = row.get("peer");
                tracing::warn!(?peer, "row of a peer without host id is skipped");
            }
        }
    }

    fn add_peer(&mut self, row: &SystemRow<'_>, port: u16) {
        let peer: Option<IpAddr> = row.get("peer");
        let Some(facts) = facts(row, port) else {
            tracing::warn!(?peer, "row of a peer without host id is skipped");
            return;
        };
        let Some(address) = facts.rpc_address else {
            tracing::warn!(?peer, host_id = %facts.host_id, "row of a peer without address is skipped");
            return;
        };
        let known = |(endpoint, other): &(Endpoint, NodeFacts)| {
            other.host_id == facts.host_id || endpoint.socket_address() == Some(address)
        };
        if self.nodes.iter().any(known) {
            tracing::warn!(?peer, host_id = %facts.host_id, "second row of the same node is skipped");
            return;
        }
        self.nodes.push((address.into(), facts));
    }
}

impl Discovered {
    /// Has the endpoints of nodes made as the options say. The node that was asked keeps the one by which it was reached,
    /// unless a factory makes them all.
    pub(super) async fn find_endpoints(&mut self, config: &ClusterConfig) {
        if let Some(factory) = &config.endpoint_factory {
            if factory.looks_at_rows() {
                return self.find_endpoints_of_rows(&**factory).await;
            }
            let nodes = std::mem::take(&mut self.nodes).into_iter();
            let made = nodes.map(|(_, mut facts)| async move {
                let endpoint = factory.endpoint(&facts).await.inspect_err(|error| {
                    tracing::warn!(%error, host_id = %facts.host_id, "node is left out: the endpoint factory failed");
                });
                facts.given = Some(endpoint.ok()?);
                Some((facts.given.clone()?, facts))
            });
            let made = futures_util::future::join_all(made).await;
            self.nodes.extend(made.into_iter().flatten());
            return;
        }
        let translator = config.translator.as_deref();
        let translations = self
            .nodes
            .iter_mut()
            .enumerate()
            .map(async |(at, (endpoint, facts))| {
                let Some(address) = facts.rpc_address else { return };
                let given = match translator {
                None => address,
                Some(translator) => translator.translate(address, facts).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, host_id = %facts.host_id, %address, "address is not translated");
                    address
                }),
            };
                facts.given = Some(given.into());
                if at > 0 {
                    *endpoint = given.into();
                }
            });
        futures_util::future::join_all(translations).await;
    }
}

impl Discovered {
    async fn find_endpoints_of_rows(&mut self, factory: &dyn EndpointFactory) {
        for (mut facts, row) in std::mem::take(&mut self.rows) {
            let host_id = facts.host_id;
            let endpoint = match factory.endpoint_of_peer(&facts, &row).await {
                Ok(endpoint) => endpoint,
                Err(error) => {
                    tracing::warn!(%error, %host_id, "node is left out: the endpoint factory failed");
                    continue;
                }
            };
            let known = |(other, node): &(Endpoint, NodeFacts)| node.host_id == host_id || *other == endpoint;
            if self.nodes.iter().any(known) {
                tracing::warn!(%endpoint, %host_id, "second row of the same node is skipped");
                continue;
            }
            facts.given = Some(endpoint.clone());
            self.nodes.push((endpoint, facts));
        }
    }
}

/// What a row of any of the three tables says; `None` when it has no host id.
fn facts(row: &SystemRow<'_>, default_port: u16) -> Option<NodeFacts> {
    let host_id: Uuid = row.get("host_id")?;
    let native_address: Option<IpAddr> = row
        .get("native_transport_address")
        .or_else(|| row.get("native_address"));
    let rpc_address: Option<IpAddr> = row.get("rpc_address");
    let broadcast_address: Option<IpAddr> = row.get("broadcast_address").or_else(|| row.get("peer"));
    let port = |name: &str| {
        let port: i32 = row.get(name)?;
        u16::try_from(port).ok().filter(|port| *port != 0)
    };
    let ports = Ports {
        native: port("native_port").or_else(|| port("rpc_port")),
        broadcast: port("broadcast_port").or_else(|| port("peer_port")),
        listen: port("listen_port"),
    };
    let address = native_address.or(rpc_address);
    // Bound to all addresses: the one that other nodes use is the best guess.
    let address = address.filter(|ip| !ip.is_unspecified()).or(broadcast_address);
    let address = address.filter(|ip| !ip.is_unspecified());
    let shared = |text: Option<String>| text.map(Arc::from);
    let tokens: Vec<&str> = row.get("tokens").unwrap_or_default();
    Some(NodeFacts {
        host_id,
        given: None,
        rpc_address: address.map(|ip| SocketAddr::new(ip, ports.native.unwrap_or(default_port))),
        broadcast_address,
        listen_address: row.get("listen_address"),
        datacenter: shared(row.get("data_center")),
        rack: shared(row.get("rack")),
        release_version: row.get("release_version"),
        dse_version: row.get("dse_version"),
        ports,
        workload: row.get::<&str>("workload").map(Box::from),
        workloads: row
            .get::<Vec<&str>>("workloads")
            .map(|workloads| workloads.into_iter().map(Box::from).collect()),
        tokens: tokens.into_iter().collect(),
    })
}
