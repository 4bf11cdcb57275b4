//! Options about prepared statements.

use super::ClusterBuilder;

impl ClusterBuilder {
    /// Whether a statement is prepared on all nodes at once, or on each when it is first needed there. True by default.
    pub fn prepare_on_all_nodes(mut self, all: bool) -> Self {
        self.prepare_on_all_nodes = all;
        self
    }

    /// Whether a node that came up, or is new, prepares the statements that a session has, in the background; otherwise it does so
    /// with each when it is first needed there. True by default.
    pub fn prepare_on_up(mut self, on_up: bool) -> Self {
        self.prepare_on_up = on_up;
        self
    }

    /// How many statements each session keeps for [`Session::prepare_cached`](crate::Session::prepare_cached): those asked for
    /// last. 1,000 by default; with 0 it keeps none, and asks a node each time.
    pub fn prepared_cache_size(mut self, statements: usize) -> Self {
        self.prepared_cache_size = statements;
        self
    }
}
