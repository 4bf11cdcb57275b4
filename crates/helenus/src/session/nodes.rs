//! A session's connections, node by node: how many there are, and which nodes get any.

use std::sync::Arc;
use std::time::Duration;

use super::{ConnectionCounts, Session};
use crate::cluster::Node;

impl Session {
    /// For each node that gets connections, its open ones, and what is under way on each.
    pub fn connections_by_node(&self) -> Vec<(Arc<Node>, Vec<ConnectionCounts>)> {
        let table = self.shared.pools();
        let pools = table.iter().map(|pool| {
            let connections = pool.connections();
            let counts = connections.iter().map(|connection| ConnectionCounts {
                open: 1,
                in_flight: connection.in_flight(),
                overdue: connection.orphans(),
            });
            (Arc::clone(pool.node()), counts.collect())
        });
        pools.collect()
    }

    /// Asks the load balancing policies again how close each node is: to be called when a policy has changed its mind.
    /// Connections are opened and closed in the background.
    pub fn review_distances(&self) {
        if let Ok(runtime) = self.shared.cluster().runtime() {
            let _entered = runtime.enter();
            self.shared.reconcile(&self.state());
        }
    }

    /// Waits until each node that gets connections has one, or failed to open it; no longer than `limit`.
    pub async fn wait_for_connections(&self, limit: Duration) {
        // Whatever has not been opened by then is used when it is.
        let _ = tokio::time::timeout(limit, self.shared.first_progress()).await;
    }
}
