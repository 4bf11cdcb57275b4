//! The cluster: its options, its nodes, and the control connection that watches them.

mod builder;
mod contact_point;
mod control;
mod discovery;
mod events;
pub(crate) mod identity;
mod node;
mod peer_row;
mod reach;
mod search;
mod shared;
mod state;
mod token;

pub use builder::{ClusterBuilder, WarmUp};
pub use contact_point::ContactPoint;
pub use events::{ClusterEvent, ClusterEvents};
pub use node::{Node, NodeFacts, NodeFailure};
pub use peer_row::PeerRow;
pub use reach::{AddressTranslator, EndpointFactory, ReachFuture, Resolver, SystemResolver};
pub use state::ClusterState;
pub use token::{Partitioner, ReplicationFactor, ReplicationStrategy, Token};

pub(crate) use builder::ClusterConfig;
pub(crate) use control::What;
pub(crate) use shared::ClusterShared;
pub(crate) use state::{NodeList, node_list};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::SessionError;
use crate::observe::Metrics;
use crate::profile::ExecutionProfile;
use crate::schema::Part;
use crate::session::{Session, agreement};

/// The port on which servers listen for clients unless told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 9042;

/// A Cassandra cluster. Cheap to clone; all sessions of a cluster share one control connection.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = helenus::Cluster::builder().contact_points(["127.0.0.1"]).build()?;
/// let session = cluster.connect().await?;
/// let result = session.query("SELECT release_version FROM system.local", ()).await?;
/// let (version,): (String,) = result.single_row()?;
/// println!("{version}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<ClusterShared>,
}

impl Cluster {
    /// A cluster to be described.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::new()
    }

    pub(crate) fn new(config: ClusterConfig) -> Self {
        Self {
            shared: Arc::new_cyclic(|me| ClusterShared::new(config, me.clone())),
        }
    }

    pub(crate) fn from_shared(shared: Arc<ClusterShared>) -> Self {
        Self { shared }
    }

    /// Opens a session without a keyspace. The first one opens the control connection, too. Sessions in the same keyspace share
    /// their connections.
    ///
    /// # Errors
    /// [`SessionError`], with the cause by contact point or node.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened for this session.
    pub async fn connect(&self) -> Result<Session, SessionError> {
        Session::open(&self.shared, None).await
    }

    /// Opens a session that works in this keyspace.
    ///
    /// # Errors
    /// [`SessionError`]: [`SessionError::Keyspace`] when the keyspace cannot be used.
    pub async fn connect_keyspace(&self, keyspace: impl Into<String>) -> Result<Session, SessionError> {
        Session::open(&self.shared, Some(keyspace.into())).await
    }

    /// Opens the control connection and reads the nodes, without a session. Nothing happens if that was done already.
    ///
    /// # Errors
    /// [`SessionError`], with the cause by contact point.
    pub async fn start(&self) -> Result<(), SessionError> {
        self.shared.start().await
    }

    /// The nodes, as last heard of. Empty before the first session is opened.
    pub fn state(&self) -> Arc<ClusterState> {
        self.shared.state()
    }

    /// The tokio runtime on which connections run; `None` before the first session is opened, unless it was set.
    pub fn runtime(&self) -> Option<&tokio::runtime::Handle> {
        self.shared.runtime().ok()
    }

    /// Reads the nodes anew.
    ///
    /// # Errors
    /// [`SessionError`] when no node answers.
    pub async fn refresh(&self) -> Result<(), SessionError> {
        self.shared.refresh(What::Nodes).await
    }

    /// Reads the schema anew, though it is switched off or was read just now.
    ///
    /// # Errors
    /// [`SessionError`] when no node answers.
    pub async fn refresh_schema(&self) -> Result<(), SessionError> {
        self.shared.refresh(What::Schema).await
    }

    /// Reads one keyspace, by its name without quotes, and what is in it anew.
    ///
    /// # Errors
    /// [`SessionError`] when no node answers.
    pub async fn refresh_keyspace(&self, name: impl Into<String>) -> Result<(), SessionError> {
        self.shared.refresh(What::Keyspace(name.into())).await
    }

    /// Reads one table or materialized view anew, with the indexes and triggers of the table.
    ///
    /// # Errors
    /// [`SessionError`] when no node answers.
    pub async fn refresh_table(
        &self,
        keyspace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<(), SessionError> {
        self.refresh_part(keyspace.into(), Part::Table(name.into())).await
    }

    /// Reads one user-defined type anew, with the types of columns that are made of it.
    ///
    /// # Errors
    /// [`SessionError`] when no node answers.
    pub async fn refresh_type(
        &self,
        keyspace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<(), SessionError> {
        self.refresh_part(keyspace.into(), Part::Type(name.into())).await
    }

    /// Reads all functions of one name anew.
    ///
    /// # Errors
    /// [`SessionError`] when no node answers.
    pub async fn refresh_function(
        &self,
        keyspace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<(), SessionError> {
        self.refresh_part(keyspace.into(), Part::Function(name.into()))
            .await
    }

    /// Reads all aggregates of one name anew.
    ///
    /// # Errors
    /// [`SessionError`] when no node answers.
    pub async fn refresh_aggregate(
        &self,
        keyspace: impl Into<String>,
        name: impl Into<String>,
    ) -> Result<(), SessionError> {
        self.refresh_part(keyspace.into(), Part::Aggregate(name.into()))
            .await
    }

    async fn refresh_part(&self, keyspace: String, part: Part) -> Result<(), SessionError> {
        self.shared.refresh(What::Part(keyspace, part)).await
    }

    /// Waits until all nodes that can be reached have the same schema, as the node of the control connection sees it; no
    /// longer than `limit`. Whether they have.
    ///
    /// # Errors
    /// [`SessionError`] when no node can be asked.
    pub async fn wait_for_schema_agreement(&self, limit: Duration) -> Result<bool, SessionError> {
        self.shared.start().await?;
        Ok(agreement::wait_in(&self.shared, limit).await)
    }

    /// The node of the control connection, if that is open.
    pub fn control_node(&self) -> Option<Arc<Node>> {
        let connection = self.shared.control_connection()?;
        let state = self.state();
        let mut nodes = state.nodes().iter();
        nodes
            .find(|node| node.endpoint() == connection.endpoint())
            .cloned()
    }

    /// What happens to the cluster from now on: nodes that come, go and change, and changes of the schema.
    ///
    /// Subscribe before the first session is opened to hear of all nodes.
    ///
    /// ```no_run
    /// # async fn watch(cluster: helenus::Cluster) {
    /// use helenus::ClusterEvent;
    ///
    /// let mut events = cluster.subscribe();
    /// while let Some(event) = events.next().await {
    ///     match event {
    ///         ClusterEvent::NodeDown(node) => println!("{node} is gone"),
    ///         ClusterEvent::Schema { change, element } => println!("{element}: {change:?}"),
    ///         other => println!("{other:?}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn subscribe(&self) -> ClusterEvents {
        self.shared.subscribers.subscribe()
    }

    /// Switches what [`ClusterBuilder::schema_metadata`] and [`ClusterBuilder::token_metadata`] said, from the next reading on.
    pub fn set_metadata(&self, schema: bool, tokens: bool) {
        self.shared.want(schema, tokens);
    }

    /// Switches what [`ClusterBuilder::prepare_on_all_nodes`] and [`ClusterBuilder::prepare_on_up`] said, from the next statement
    /// and the next node on.
    pub fn set_preparing(&self, on_all_nodes: bool, on_up: bool) {
        self.shared.set_preparing(on_all_nodes, on_up);
    }

    /// What the requests of all sessions came to so far, by node and together.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Gives a profile a name, under which statements of all sessions find it from now on. A profile that had the name before
    /// goes on for the requests that have begun with it. The name `default` is that of the default profile.
    ///
    /// ```no_run
    /// # async fn run(session: helenus::Session) -> Result<(), helenus::RequestError> {
    /// use helenus::{ConsistencyLevel, SimpleStatement};
    ///
    /// let careful = session.default_profile().to_builder().consistency(ConsistencyLevel::Quorum).build();
    /// session.cluster().set_profile("careful", careful);
    /// session.query(SimpleStatement::new("SELECT v FROM t").with_profile("careful"), ()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_profile(&self, name: &str, profile: ExecutionProfile) {
        self.shared.set_profile(name, &profile);
    }

    /// The profile that has this name now.
    pub fn profile(&self, name: &str) -> Option<ExecutionProfile> {
        self.shared.profiles.get(name)
    }

    /// Closes the control connection and all sessions: they take no more requests, wait for those in flight within the
    /// cluster's limit ([`ClusterBuilder::close_timeout`]), and have the rest fail.
    ///
    /// May be awaited in or outside of a tokio runtime. Without it everything ends when the last handle of the cluster, its
    /// sessions and their requests is dropped.
    ///
    /// # Cancel safety
    /// When the future is dropped the cluster is closed, and its connections end with their last requests.
    pub async fn close(&self) {
        self.shared.close().await;
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("state", &self.shared.state())
            .finish_non_exhaustive()
    }
}
