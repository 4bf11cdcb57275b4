//! Schema agreement: after a change of the schema, all nodes have to say that they have the same version of it.

use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::ErrorCode;
use uuid::Uuid;

use super::SessionShared;
use crate::ask::{AskError, SystemRows, select};
use crate::cluster::{ClusterShared, Node};
use crate::connection::Connection;
use crate::result::SchemaAgreement;
use crate::runtime::sleep;

const LOCAL: &str = "SELECT schema_version FROM system.local WHERE key='local'";
// Nothing more: with tokens a thousand peers would be 6 MB at each look.
const PEERS_V2: &str = "SELECT host_id, schema_version FROM system.peers_v2";
const PEERS: &str = "SELECT host_id, schema_version FROM system.peers";
const FIRST_DELAY: Duration = Duration::from_millis(5);
const LAST_DELAY: Duration = Duration::from_millis(200);

/// Asks the node that made the change until its peers agree with it, or time is up.
pub(crate) async fn wait_after(session: &SessionShared, coordinator: &Arc<Node>) -> SchemaAgreement {
    let connection = || {
        let pools = session.pools();
        pools.of(coordinator).and_then(|pool| pool.connection())
    };
    wait_by(session, connection).await
}

/// Asks any node.
pub(crate) async fn wait_anywhere(session: &SessionShared) -> SchemaAgreement {
    let connection = || session.pools().iter().find_map(|pool| pool.connection());
    wait_by(session, connection).await
}

async fn wait_by(session: &SessionShared, connection: impl Fn() -> Option<Connection>) -> SchemaAgreement {
    let limit = session.cluster().config.schema_agreement_timeout;
    if limit.is_zero() {
        return SchemaAgreement::NotAwaited;
    }
    match wait(session.cluster(), limit, connection).await {
        true => SchemaAgreement::Reached,
        false => SchemaAgreement::NotReached,
    }
}

/// Asks the node of the control connection; another one that a session is connected to while there is none.
pub(crate) async fn wait_in(cluster: &ClusterShared, limit: Duration) -> bool {
    let connection = || {
        cluster.control_connection().or_else(|| {
            let sessions = cluster.sessions();
            let pools =
                |session: &Arc<SessionShared>| session.pools().iter().find_map(|pool| pool.connection());
            sessions.iter().find_map(pools)
        })
    };
    wait(cluster, limit, connection).await
}

/// Whether there is agreement before time is up.
async fn wait(cluster: &ClusterShared, limit: Duration, connection: impl Fn() -> Option<Connection>) -> bool {
    let Ok(runtime) = cluster.runtime() else {
        return false;
    };
    let end = crate::clock::now() + limit;
    let mut delay = FIRST_DELAY;
    loop {
        let left = end.saturating_duration_since(crate::clock::now());
        if let Some(connection) = connection() {
            let limit = cluster.config.control_timeout.min(left.max(FIRST_DELAY));
            match agrees(cluster, &connection, limit).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "cannot ask for schema versions"),
            }
        }
        if left.is_zero() {
            tracing::warn!(?limit, "no schema agreement in time");
            return false;
        }
        sleep(runtime, delay.min(left)).await;
        delay = (delay * 2).min(LAST_DELAY);
    }
}

/// Which versions a node's peers have, as far as it knows.
async fn peers(connection: &Connection, limit: Duration) -> Result<SystemRows, AskError> {
    match select(connection, PEERS_V2, limit).await {
        // The table is of Cassandra 4.0 and later.
        Err(AskError::Server(error)) if error.code == ErrorCode::Invalid => {
            select(connection, PEERS, limit).await
        }
        peers => peers,
    }
}

/// Whether all nodes that are not known to be down have the version of the one that is asked.
async fn agrees(cluster: &ClusterShared, connection: &Connection, limit: Duration) -> Result<bool, AskError> {
    let local = select(connection, LOCAL, limit).await?;
    let version: Option<Uuid> = local.iter().next().and_then(|row| row.get("schema_version"));
    let version = version.ok_or_else(|| AskError::Unexpected("no schema version".to_owned()))?;
    let state = cluster.state();
    let peers = peers(connection, limit).await?;
    let disagrees = |row: &crate::ask::SystemRow<'_>| {
        let host_id: Option<Uuid> = row.get("host_id");
        let down = host_id
            .and_then(|id| state.node(id))
            .is_some_and(|node| node.is_up() == Some(false));
        let other: Option<Uuid> = row.get("schema_version");
        // A node that joins or leaves has no version, or no id.
        !down && host_id.is_some() && other.is_some_and(|other| other != version)
    };
    let disagree = peers.iter().any(|row| disagrees(&row));
    Ok(!disagree)
}
