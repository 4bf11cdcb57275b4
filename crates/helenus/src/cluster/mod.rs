//! The cluster: its options, its nodes, and the control connection that watches them.

mod builder;
mod contact_point;
mod control;
mod discovery;
mod node;
mod shared;
mod state;
mod token;

pub use builder::ClusterBuilder;
pub use contact_point::ContactPoint;
pub use node::Node;
pub use state::ClusterState;
pub use token::{Partitioner, ReplicationFactor, ReplicationStrategy, Token};

pub(crate) use builder::ClusterConfig;
pub(crate) use control::What;
pub(crate) use discovery::peers;
pub(crate) use shared::ClusterShared;
pub(crate) use state::{NodeList, node_list};

use std::fmt;
use std::sync::Arc;

use crate::error::SessionError;
use crate::observe::Metrics;
use crate::session::Session;

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
            shared: Arc::new(ClusterShared::new(config)),
        }
    }

    pub(crate) fn from_shared(shared: Arc<ClusterShared>) -> Self {
        Self { shared }
    }

    /// Opens a session without a keyspace. The first one opens the control connection, too.
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

    /// Switches what [`ClusterBuilder::schema_metadata`] and [`ClusterBuilder::token_metadata`] said, from the next reading on.
    pub fn set_metadata(&self, schema: bool, tokens: bool) {
        self.shared.want(schema, tokens);
    }

    /// What the requests of all sessions came to so far, by node and together.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Closes the control connection and all sessions. They drain first, within their limit.
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
