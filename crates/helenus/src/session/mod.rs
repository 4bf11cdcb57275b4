//! Sessions: what requests are made with.

pub(crate) mod agreement;
mod cache;
mod known;
mod nodes;
mod open;
mod prepare;
mod reprepare;
mod shared;
mod sharing;
mod trace;

pub use trace::{Trace, TraceError, TraceEvent};

pub(crate) use reprepare::{prepare_again, prepare_all_on};
pub(crate) use shared::{PoolTable, SessionShared};

use std::fmt;
use std::sync::Arc;

use helenus_protocol::{DeserializeOwnedRow, SerializeRow};
use uuid::Uuid;

use crate::clock;
use crate::cluster::{Cluster, ClusterState};
use crate::error::{RequestError, RequestErrorKind};
use crate::executor::{Continuous, ContinuousPages, Execution, Request};
use crate::observe::Metrics;
use crate::pool::quote;
use crate::profile::ExecutionProfile;
use crate::result::{PageStream, RowStream};
use crate::shard::{Local, Shards};
use crate::statement::{BatchStatement, PreparedStatement, SimpleStatement};

/// Connections to the nodes of a cluster, shared with other sessions in the same keyspace, through which requests are made. Cheap to clone; closed with its last clone, when
/// its requests have ended.
///
/// A session is meant to be opened once and used everywhere.
#[derive(Clone)]
pub struct Session {
    shared: Arc<SessionShared>,
    /// The same, for requests.
    parts: Arc<Shards<Local<SessionShared>>>,
}

impl Session {
    fn new(shared: Arc<SessionShared>) -> Self {
        Self {
            parts: Arc::new(Local::shards(&shared)),
            shared,
        }
    }

    /// Runs CQL text, with values by position (a tuple, an array, ...) or by name (a map, [`NamedValues`](crate::NamedValues)).
    ///
    /// The values are written as the CQL types that they stand for by themselves; prepare the statement to have them checked
    /// against the bind markers. The result is one page: see [`Session::query_rows`] for all of them.
    ///
    /// The request is sent at once; the [`Execution`] waits for the result.
    pub fn query(&self, statement: impl Into<SimpleStatement>, values: impl SerializeRow) -> Execution {
        match Request::simple(statement, values) {
            Ok(request) => self.start(request),
            Err(error) => Execution::failed(error.into()),
        }
    }

    /// Runs a prepared statement. The result is one page: see [`Session::execute_rows`] for all of them.
    ///
    /// The request is sent at once; the [`Execution`] waits for the result.
    pub fn execute(&self, statement: &PreparedStatement, values: impl SerializeRow) -> Execution {
        match Request::prepared(statement, values) {
            Ok(request) => self.start(request),
            Err(error) => Execution::failed(error.into()),
        }
    }

    /// Runs a batch.
    ///
    /// The request is sent at once; the [`Execution`] waits for the result.
    pub fn batch(&self, batch: &BatchStatement) -> Execution {
        self.start(Request::batch(batch.clone()))
    }

    /// Runs CQL text, and gives the rows of all pages. They own their values; see [`Session::query_pages`] for rows that
    /// borrow them.
    pub fn query_rows<T: DeserializeOwnedRow>(
        &self,
        statement: impl Into<SimpleStatement>,
        values: impl SerializeRow,
    ) -> RowStream<T> {
        RowStream::new(self.query_pages(statement, values))
    }

    /// Runs a prepared statement, and gives the rows of all pages. They own their values; see [`Session::execute_pages`] for
    /// rows that borrow them.
    pub fn execute_rows<T: DeserializeOwnedRow>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> RowStream<T> {
        RowStream::new(self.execute_pages(statement, values))
    }

    /// Runs CQL text, and gives its pages, one after the other. While one is read the next one is on its way.
    pub fn query_pages(
        &self,
        statement: impl Into<SimpleStatement>,
        values: impl SerializeRow,
    ) -> PageStream {
        match Request::simple(statement.into(), values) {
            Ok(request) => self.pages(request),
            Err(error) => self.no_pages(error.into()),
        }
    }

    /// Runs a prepared statement, and gives its pages, one after the other. While one is read the next one is on its way.
    ///
    /// Text and bytes of rows may borrow from their page, which then is the only memory that is needed for them:
    ///
    /// ```no_run
    /// # async fn read(session: helenus::Session, select: helenus::PreparedStatement) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut pages = session.execute_pages(&select, ("a key",));
    /// while let Some(page) = pages.next_page().await {
    ///     for row in page?.rows::<(i32, &str, &[u8])>()? {
    ///         let (number, name, picture) = row?;
    ///         println!("{number} {name}: {} bytes", picture.len());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn execute_pages(&self, statement: &PreparedStatement, values: impl SerializeRow) -> PageStream {
        match Request::prepared(statement, values) {
            Ok(request) => self.pages(request),
            Err(error) => self.no_pages(error.into()),
        }
    }

    fn no_pages(&self, error: RequestError) -> PageStream {
        let request = Request::batch(BatchStatement::default());
        PageStream::failed(self.clone(), request, error)
    }

    /// Sends a request. It is under way when this returns; the [`Execution`] waits for the result.
    ///
    /// May be called by any thread, in or outside of a tokio runtime.
    pub fn start(&self, request: Request) -> Execution {
        let part = self.parts.mine();
        Execution::start(part, &part.pools(), request)
    }

    /// Sends a request that is answered by pages, if it is to be (DSE).
    pub(crate) fn start_continuous(&self, request: &Request) -> Option<Continuous> {
        Continuous::start(self.parts.mine(), request)
    }

    /// Sends a request that is to be answered by continuous paging ([`ContinuousPaging`](crate::ContinuousPaging)); `None` when
    /// neither its options nor its profile say so. For other faces of the driver: see [`Session::pages`].
    pub fn start_pages(&self, request: &Request) -> Option<ContinuousPages> {
        ContinuousPages::start(self.parts.mine(), request)
    }

    /// What requests need of the session.
    pub(crate) fn part(&self) -> &Local<SessionShared> {
        self.parts.mine()
    }

    /// Sends a request, and gives its pages, one after the other. While one is read the next one is on its way.
    pub fn pages(&self, request: Request) -> PageStream {
        PageStream::new(self.clone(), request)
    }

    /// Has a node prepare a statement, and unless told otherwise all other nodes, too. The options of the statement become
    /// those of the prepared one; its keyspace is sent along (protocol v5 and DSE_V2).
    ///
    /// Asks each time: prepare a statement once and keep it, or see [`Session::prepare_cached`].
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn prepare(
        &self,
        statement: impl Into<SimpleStatement>,
    ) -> Result<PreparedStatement, RequestError> {
        prepare::prepare_since(&self.shared, statement.into(), clock::now()).await
    }

    /// As [`Session::prepare`], but a node is asked only if the session does not have the statement from the time before: it
    /// keeps the [`prepared_cache_size`](crate::ClusterBuilder::prepared_cache_size) statements that were asked for last, by
    /// their texts, their keyspaces and that of the session. Those that want the same at the same time wait for one answer.
    ///
    /// For programs that make their texts as they go. The prepared statement has the options of the one that is given here,
    /// whoever had it prepared. A change of the schema has statements about the changed table or keyspace prepared anew. One
    /// with a custom payload is never kept. To keep a prepared statement is cheaper than to look it up each time.
    ///
    /// # Errors
    /// [`RequestError`].
    ///
    /// # Cancel safety
    /// When the future is dropped, the next one that waits for the same statement asks.
    pub async fn prepare_cached(
        &self,
        statement: impl Into<SimpleStatement>,
    ) -> Result<PreparedStatement, RequestError> {
        cache::prepare_cached(&self.shared, statement.into()).await
    }

    /// Works in this keyspace from now on: all connections switch, and new ones start with it. The name is taken as it is,
    /// with its case. Other sessions stay where they are: connections shared with them are left for others before.
    ///
    /// # Errors
    /// [`RequestError`]; the session then stays in its keyspace.
    pub async fn use_keyspace(&self, keyspace: &str) -> Result<(), RequestError> {
        if keyspace.is_empty() {
            return Err(RequestError::not_sent(RequestErrorKind::InvalidOption {
                option: "keyspace",
                reason: "its name is empty".to_owned(),
            }));
        }
        let statement = SimpleStatement::new(format!("USE {}", quote(keyspace))).with_idempotence(true);
        self.query(statement, ()).await.map(drop)
    }

    /// The keyspace that the session works in.
    pub fn keyspace(&self) -> Option<Arc<str>> {
        self.shared.keyspace()
    }

    /// The trace of a request: see [`QueryResult::tracing_id`](crate::QueryResult::tracing_id). The server writes it after it has answered the request; this
    /// waits until it is complete, for at most 2 s.
    ///
    /// # Errors
    /// [`TraceError`].
    pub async fn trace(&self, tracing_id: Uuid) -> Result<Trace, TraceError> {
        trace::read(self, tracing_id, &trace::TraceOptions::default()).await
    }

    /// The cluster.
    pub fn cluster(&self) -> Cluster {
        Cluster::from_shared(Arc::clone(self.shared.cluster()))
    }

    /// The nodes, as last heard of.
    pub fn state(&self) -> Arc<ClusterState> {
        self.shared.cluster().state()
    }

    /// The profile of requests whose statement names no other.
    pub fn default_profile(&self) -> ExecutionProfile {
        let replaced = self.shared.cluster().profiles.replaced_default();
        replaced.unwrap_or_else(|| self.shared.default_profile().clone())
    }

    /// Opens connections to nodes that only this profile's load balancing policy wants.
    pub fn add_profile(&self, profile: ExecutionProfile) {
        self.shared.add_profile(profile);
        if let Ok(runtime) = self.shared.cluster().runtime() {
            let _entered = runtime.enter();
            self.shared.reconcile(&self.state());
        }
    }

    /// Whether all nodes that can be reached have the same schema, awaited within the cluster's limit.
    pub async fn wait_for_schema_agreement(&self) -> crate::SchemaAgreement {
        agreement::wait_anywhere(&self.shared).await
    }

    /// Takes no more requests, waits for those in flight within the cluster's limit
    /// ([`ClusterBuilder::close_timeout`](crate::ClusterBuilder::close_timeout)), and closes all connections that no other session
    /// uses: whatever of its requests is still in flight fails, and nothing of others.
    ///
    /// May be awaited in or outside of a tokio runtime. If the session's runtime is gone there is nothing to wait for.
    ///
    /// # Cancel safety
    /// When the future is dropped the session is closed, and its connections end with their last requests.
    pub async fn close(&self) {
        self.shared.close().await;
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    /// Requests that wait at the session's [`RequestThrottle`](crate::policy::RequestThrottle), and how many found no place to
    /// wait so far.
    pub fn throttled(&self) -> (usize, u64) {
        let throttle = self.shared.throttle();
        throttle.map_or((0, 0), |throttle| (throttle.waiting(), throttle.refused()))
    }

    /// What its requests came to so far, by node and together.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// How often the retry policy wanted another attempt for which the [`RetryBudget`](crate::policy::RetryBudget) had no token.
    pub fn refused_retries(&self) -> u64 {
        self.shared.budget().map_or(0, |budget| budget.refused())
    }

    /// Open connections, and requests in flight on them, overdue ones included; also those of other sessions that share them.
    pub fn connections(&self) -> ConnectionCounts {
        let mut counts = ConnectionCounts::default();
        for pool in self.shared.pools().iter() {
            for connection in pool.connections() {
                counts.open += 1;
                counts.in_flight += connection.in_flight();
                counts.overdue += connection.orphans();
            }
        }
        counts
    }
}

/// How many connections a session has, and what is under way on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionCounts {
    /// Open connections.
    pub open: usize,
    /// Requests sent and not answered, overdue ones included.
    pub in_flight: usize,
    /// Requests that nobody waits for any more, and that are still to be answered.
    pub overdue: usize,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("keyspace", &self.keyspace())
            .field("connections", &self.connections())
            .finish_non_exhaustive()
    }
}
