//! Driver for Apache Cassandra, and for what else speaks CQL's native protocol.
//!
//! ```no_run
//! use helenus::Cluster;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = Cluster::builder().contact_points(["127.0.0.1:9042"]).build()?;
//! let session = cluster.connect_keyspace("store").await?;
//!
//! let insert = session.prepare("INSERT INTO users (id, name) VALUES (?, ?)").await?;
//! session.execute(&insert, (1_i32, "Ada")).await?;
//!
//! let mut rows = session.query_rows::<(i32, String)>("SELECT id, name FROM users", ());
//! while let Some(row) = rows.next_row().await {
//!     let (id, name) = row?;
//!     println!("{id}: {name}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Cluster`] is described by its builder; a [`Session`] has the connections and runs statements: [`SimpleStatement`],
//! [`PreparedStatement`] and [`BatchStatement`]. How they run is said by an [`ExecutionProfile`] and, where a statement
//! differs, by its [`RequestOptions`]. A [`QueryResult`] is one page; [`PageStream`] and [`RowStream`] are all of them.
//! Errors are [`SessionError`] on the way to a session and [`RequestError`] afterwards, which says on which nodes what
//! happened and whether the statement may have been applied.

pub mod auth;
pub mod policy;

mod ask;
mod clock;
mod cluster;
#[cfg_attr(not(test), expect(dead_code, reason = "some of its figures are for metrics"))]
mod connection;
mod error;
mod executor;
mod observe;
mod pool;
mod profile;
mod result;
mod runtime;
pub mod schema;
mod session;
mod shard;
mod statement;
pub mod tls;

pub use cluster::{
    AddressTranslator, Cluster, ClusterBuilder, ClusterEvent, ClusterEvents, ClusterState, ContactPoint,
    EndpointFactory, Node, NodeFacts, NodeFailure, Partitioner, PeerRow, ReachFuture, ReplicationFactor,
    ReplicationStrategy, Resolver, SystemResolver, Token, WarmUp,
};
/// Requests that leave together; for the Python package alone.
#[doc(hidden)]
pub use connection::hold::{Hold, forget_held, release_held};
pub use connection::{
    AttemptFailure, CloseCause, CloseReason, ConnectError, ConnectErrorKind, ConnectStep, ConnectionError,
    Endpoint, SubmitError,
};
pub use error::{
    Applied, Attempt, AttemptError, ConfigurationError, ContactPointError, RequestError, RequestErrorKind,
    SessionError,
};
pub use executor::{ContinuousPages, Execution, Request};
#[cfg(feature = "opentelemetry")]
pub use observe::OpenTelemetryMetrics;
#[cfg(feature = "prometheus")]
pub use observe::PrometheusCollector;
pub use observe::{
    AttemptInfo, CauseCounts, Counts, LatencyHistogram, Metrics, NodeMetrics, RandomRequestIds, RequestEnd,
    RequestIdGenerator, RequestInfo, RequestTracker, SlowQueryLog,
};
pub use profile::{ExecutionProfile, ExecutionProfileBuilder, ProfileRef};
pub use result::{NextRowError, PageStream, QueryResult, RawRows, RowStream, RowsError, SchemaAgreement};
pub use session::{ConnectionCounts, Session, Trace, TraceError, TraceEvent};
pub use statement::{
    BatchStatement, ContinuousPaging, PageUnit, PreparedStatement, RequestOptions, SimpleStatement, Timeout,
};

pub use helenus_derive::{DeserializeRow, DeserializeValue, SerializeRow, SerializeValue};
#[doc(hidden)]
pub use helenus_protocol::macro_support;
pub use helenus_protocol::{
    BatchKind, CellReader, ColumnPosition, ColumnSpec, CompositeWriter, Compression, ConsistencyLevel,
    CqlDate, CqlDuration, CqlRow, CqlTime, CqlTimestamp, CqlType, CqlUserDefined, CqlValue, CustomPayload,
    DatePrecision, DateRange, DateRangeBound, DeserializeError, DeserializeErrorKind, DeserializeOwnedRow,
    DeserializeRow, DeserializeValue, EncodeError, ErrorCode, ErrorDetails, FailureReason, Failures,
    LineString, MaybeEmpty, MaybeUnset, NamedValues, NativeType, OutOfRange, OwnedRows, PartsReader, Point,
    Polygon, ProtocolError, ProtocolVersion, RowReader, RowWriter, SchemaChange, SchemaChangeTarget,
    SchemaChangeType, SerializeError, SerializeErrorKind, SerializeRow, SerializeValue, SerializedRow,
    ServerError, TypeMismatch, TypeMismatchKind, TypedRows, Unset, UserDefinedType, ValueBytes, ValueWriter,
    WriteType, decode_value, encode_value,
};
