//! Options of connection pools: how many connections there are to a node, and what happens when they are full.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{ClusterBuilder, in_range};
use crate::error::ConfigurationError;

/// What a session that is opened waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarmUp {
    /// The first connection to each node, but no longer than half a second after the first of all.
    #[default]
    Quick,
    /// The first connection to each local node.
    EachNode,
    /// All connections, of those that local nodes have at least.
    All,
}

impl ClusterBuilder {
    /// Connections of a session to each local node, whatever the load. By default from 1 to 4, by load.
    pub fn connections_per_node(self, count: usize) -> Self {
        self.connections_per_node_within(count..=count)
    }

    /// Connections of a session to each local node: at least, and at most. Another one is opened while those that there are
    /// have more requests in flight than [`ClusterBuilder::grow_pool_at`] says. From 1 to 4 by default.
    pub fn connections_per_node_within(mut self, range: RangeInclusive<usize>) -> Self {
        self.pool.local = range;
        self
    }

    /// The same for nodes that a load balancing policy calls remote. From 1 to 2 by default.
    pub fn connections_per_remote_node_within(mut self, range: RangeInclusive<usize>) -> Self {
        self.pool.remote = range;
        self
    }

    /// With more requests in flight on its connections than this, each, a pool opens another one. By default half of
    /// [`ClusterBuilder::max_requests_per_connection`].
    pub fn grow_pool_at(mut self, requests: usize) -> Self {
        self.pool.grow_at = Some(requests);
        self
    }

    /// A connection beyond the least number that was not needed for so long is closed. 60 s by default.
    pub fn shrink_pool_after(mut self, time: Duration) -> Self {
        self.pool.shrink_after = time;
        self
    }

    /// What a session that is opened waits for, at most for the time of [`ClusterBuilder::connect_timeout`].
    /// [`WarmUp::Quick`] by default.
    pub fn warm_up(mut self, warm_up: WarmUp) -> Self {
        self.warm_up = warm_up;
        self
    }

    /// Requests of a session that may wait, within their time limit, while all nodes of their plans have as many requests as
    /// they may have. With more, a request fails with [`RequestErrorKind::Busy`](crate::RequestErrorKind::Busy); with 0 each
    /// such request does. 32,768 by default.
    pub fn queue_limit(mut self, requests: usize) -> Self {
        self.queue_limit = requests;
        self
    }

    pub(super) fn check_pools(&self) -> Result<(), ConfigurationError> {
        for (option, range) in [
            ("connections_per_node", &self.pool.local),
            ("connections_per_remote_node", &self.pool.remote),
        ] {
            in_range(option, *range.start(), 1..=1024, "it is from 1 to 1024")?;
            in_range(option, *range.end(), 1..=1024, "it is from 1 to 1024")?;
            if range.is_empty() {
                return Err(ConfigurationError::OutOfRange {
                    option,
                    value: format!("{range:?}"),
                    reason: "its end is before its start",
                });
            }
        }
        let positive = "it is at least 1";
        in_range(
            "grow_pool_at",
            self.pool.grow_at.unwrap_or(1),
            1..=usize::MAX,
            positive,
        )?;
        if self.pool.shrink_after.is_zero() {
            return Err(ConfigurationError::OutOfRange {
                option: "shrink_pool_after",
                value: "0".to_owned(),
                reason: "it is more than zero",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cluster;

    #[test]
    fn limits_of_pools_that_cannot_be_are_named() {
        let error = |change: fn(ClusterBuilder) -> ClusterBuilder| {
            let builder = change(Cluster::builder().contact_point("127.0.0.1"));
            builder.build().unwrap_err().to_string()
        };
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
        let reversed = error(|builder| builder.connections_per_node_within(3..=2));
        assert!(reversed.starts_with("connections_per_node: 3..=2"), "{reversed}");
        let none = error(|builder| builder.connections_per_remote_node_within(0..=2));
        assert!(none.starts_with("connections_per_remote_node: 0"), "{none}");
        assert!(error(|builder| builder.grow_pool_at(0)).starts_with("grow_pool_at: 0"));
        assert!(
            error(|builder| builder.shrink_pool_after(Duration::ZERO)).starts_with("shrink_pool_after: 0")
        );
    }
}
