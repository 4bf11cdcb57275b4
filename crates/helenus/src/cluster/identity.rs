//! Whether a node that was lost and answers again is the one that it was: addresses are given to others.

use uuid::Uuid;

use super::Node;
use crate::ask::select;
use crate::connection::{ConnectError, ConnectErrorKind, ConnectStep, Connection};

const WHO: &str = "SELECT cluster_name, host_id FROM system.local WHERE key='local'";

/// Asks who answers on a connection to `node`. No answer proves nothing.
///
/// # Errors
/// [`ConnectErrorKind::OtherCluster`] and [`ConnectErrorKind::OtherNode`]; of the latter the control connection is told, so
/// that the nodes are read again.
pub(crate) async fn check(node: &Node, connection: &Connection) -> Result<(), ConnectError> {
    let Some(cluster) = node.cluster() else {
        return Ok(());
    };
    let rows = match select(connection, WHO, cluster.config.control_timeout).await {
        Ok(rows) => rows,
        Err(error) => {
            tracing::debug!(%node, %error, "cannot ask who it is");
            return Ok(());
        }
    };
    let Some(row) = rows.iter().next() else {
        return Ok(());
    };
    let error = |kind| ConnectError {
        endpoint: node.endpoint().clone(),
        step: ConnectStep::Identity,
        kind,
    };
    let expected = cluster.look().cluster_name().map(str::to_owned);
    let found: Option<String> = row.get("cluster_name");
    if let (Some(expected), Some(found)) = (expected, found)
        && expected != found
    {
        tracing::warn!(%node, found, expected, "address is of another cluster now");
        return Err(error(ConnectErrorKind::OtherCluster { found, expected }));
    }
    match row.get::<Uuid>("host_id") {
        Some(found) if found != node.host_id() => {
            cluster.look_again();
            let expected = node.host_id();
            Err(error(ConnectErrorKind::OtherNode { found, expected }))
        }
        _ => Ok(()),
    }
}
