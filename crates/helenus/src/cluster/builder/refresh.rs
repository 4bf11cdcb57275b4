//! When nodes and schema are read anew.

use std::time::Duration;

use super::ClusterBuilder;

/// How long events are gathered before something is done about them; `None` when nothing is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefreshDelays {
    pub(crate) schema: Option<Duration>,
    pub(crate) topology: Option<Duration>,
    pub(crate) status: Option<Duration>,
}

impl Default for RefreshDelays {
    fn default() -> Self {
        let delay = Some(Duration::from_secs(1));
        Self {
            schema: delay,
            topology: delay,
            status: delay,
        }
    }
}

impl ClusterBuilder {
    /// How long events of every kind are gathered before nodes and schema are read anew, so that many which come together cost
    /// one look. 1 s by default. Each kind can have a delay of its own.
    pub fn refresh_delay(self, delay: Duration) -> Self {
        self.schema_refresh_delay(delay)
            .topology_refresh_delay(delay)
            .status_refresh_delay(delay)
    }

    /// How long changes of the schema are gathered before what they are about is read anew; `None` leaves it to
    /// [`Cluster::refresh_schema`](crate::Cluster::refresh_schema) and its kind. 1 s by default.
    pub fn schema_refresh_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.refresh_delays.schema = delay.into();
        self
    }

    /// How long the news of nodes that join, move and leave are gathered before the nodes are read anew; `None` leaves it to
    /// [`ClusterBuilder::refresh_interval`]. 1 s by default.
    pub fn topology_refresh_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.refresh_delays.topology = delay.into();
        self
    }

    /// How much time is between two hurried connections to a node which is said, again and again, to be up; `None` leaves it
    /// to the reconnection policy when it is tried. 1 s by default. The first such news has broken connections tried at once.
    pub fn status_refresh_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.refresh_delays.status = delay.into();
        self
    }

    /// How often the nodes are read anew without an event; `None` is never. 60 s by default.
    pub fn refresh_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.refresh_interval = interval.into();
        self
    }
}
