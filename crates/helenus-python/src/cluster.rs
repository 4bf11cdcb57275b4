//! `ClusterCore`: the core's cluster behind a Python `Cluster`, its completion queue and its nodes.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use helenus::{Cluster, ContactPoint, ProtocolVersion};
use helenus_protocol::Compression;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::policy::{self, AuthAdapter, FactoryAdapter, ReconnectionAdapter, TranslatorAdapter};
use crate::profile;
use crate::runtime::Io;
use crate::schema::SchemaSnapshot;
use crate::session::PreparedById;
use crate::wait::{CompletionDrain, CompletionQueue, block_on_io};
use crate::{convert, errors, failures, runtime};

/// How long the interpreter waits for requests in flight when a cluster is shut down.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What all sessions of a cluster share in native code.
pub(crate) struct ClusterContext {
    pub(crate) cluster: Cluster,
    pub(crate) queue: Arc<CompletionQueue>,
    pub(crate) io: &'static Io,
    /// Counts the changes of registered user-defined types: plans made before are not used any more.
    pub(crate) user_types_version: AtomicU64,
    pub(crate) prepared: PreparedById,
    /// Python wants to know of each failed connection.
    counts_failures: bool,
    generation: u64,
}

impl ClusterContext {
    /// Differs when nodes came, went, changed, changed between up and down, or failed, if that matters.
    pub(crate) fn nodes_fingerprint(&self) -> u64 {
        let state = self.cluster.state();
        let mut hasher = DefaultHasher::new();
        for node in state.nodes().iter() {
            Arc::as_ptr(node).hash(&mut hasher);
            node.is_up().hash(&mut hasher);
            if self.counts_failures {
                node.failure_count().hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// The process is a child of the one that connected: its threads and sockets are not there.
    pub(crate) fn is_inherited(&self) -> bool {
        self.generation != runtime::generation()
    }
}

/// The native side of a ``Cluster``. Made when the first session connects.
#[pyclass(name = "ClusterCore", module = "cassandra._core", frozen)]
pub(crate) struct ClusterCore {
    pub(crate) context: Arc<ClusterContext>,
}

/// A node as the cluster knows it now.
#[pyclass(name = "Node", module = "cassandra._core", frozen, get_all)]
pub(crate) struct Node {
    host_id: Py<PyAny>,
    address: String,
    port: Option<u16>,
    datacenter: Option<String>,
    rack: Option<String>,
    release_version: Option<String>,
    dse_version: Option<String>,
    is_up: Option<bool>,
    failures: u64,
    failure: Option<Py<PyAny>>,
    broadcast_address: Option<String>,
    listen_address: Option<String>,
    rpc_address: Option<String>,
    rpc_port: Option<u16>,
    broadcast_port: Option<u16>,
    listen_port: Option<u16>,
    dse_workload: Option<String>,
    dse_workloads: Option<Vec<String>>,
}

/// Reads the options that `Cluster` hands over, naming the one that is wrong.
struct Options<'a, 'py>(&'a Bound<'py, PyDict>);

impl<'py> Options<'_, 'py> {
    fn item(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.0.get_item(name)?.filter(|value| !value.is_none()))
    }

    fn get<T: FromPyObjectOwned<'py>>(&self, name: &str) -> PyResult<Option<T>> {
        let Some(value) = self.item(name)? else {
            return Ok(None);
        };
        value.extract().map(Some).map_err(|error: T::Error| {
            let error: PyErr = error.into();
            PyTypeError::new_err(format!("{name}: {}", error.value(self.0.py())))
        })
    }

    /// Seconds as a duration; `None` for `None` and for zero.
    fn seconds(&self, name: &str) -> PyResult<Option<Duration>> {
        let Some(seconds) = self.get::<f64>(name)? else {
            return Ok(None);
        };
        if seconds == 0.0 {
            return Ok(None);
        }
        Duration::try_from_secs_f64(seconds)
            .map(Some)
            .map_err(|error| PyValueError::new_err(format!("{name}: {seconds}: {error}")))
    }

    /// The delay of a refresh window, which has none when it is negative; the outer `None` when it was not set.
    fn window(&self, name: &str) -> PyResult<Option<Option<Duration>>> {
        match self.get::<f64>(name)? {
            Some(seconds) if seconds < 0.0 => Ok(Some(None)),
            Some(_) => Ok(Some(Some(self.seconds(name)?.unwrap_or_default()))),
            None => Ok(None),
        }
    }
}

/// `None` waits forever in Python; in the core that is a time nobody lives to see the end of.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[pymethods]
impl ClusterCore {
    #[new]
    fn new(options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let options = Options(options);
        let io = runtime::io()?;
        let mut builder = Cluster::builder()
            .runtime(io.handle().clone())
            .close_timeout(CLOSE_TIMEOUT);

        let points: Vec<(String, Option<u16>)> = options.get("contact_points")?.unwrap_or_default();
        for point in points {
            builder = builder.contact_point(match (policy::target(&point), &point) {
                (Ok(endpoint), _) => ContactPoint::from(endpoint),
                // A name, which is looked up again whenever a contact point is connected to.
                (Err(_), (name, port)) => ContactPoint::from(format!("{name}:{}", port.unwrap_or(0))),
            });
        }
        if let Some(version) = options.get::<u8>("protocol_version")? {
            let known = ProtocolVersion::from_number(version)
                .ok_or_else(|| PyValueError::new_err(format!("protocol_version: {version} is not known")))?;
            builder = builder.protocol_version(known);
        }
        let names: Vec<String> = options.get("compressions")?.unwrap_or_default();
        let compressions: Option<Vec<Compression>> =
            names.iter().map(|name| Compression::from_name(name)).collect();
        builder = builder.compression(
            compressions
                .ok_or_else(|| PyValueError::new_err(format!("compression: {names:?} is not known")))?,
        );
        if let Some(provider) = options.item("auth_provider")? {
            builder = builder.auth_provider(AuthAdapter::provider(&provider)?);
        }
        if let Some(translator) = options.item("address_translator")? {
            builder = builder.address_translator(TranslatorAdapter::translator(&translator));
        }
        if let Some(endpoints) = options.item("endpoints")? {
            builder = builder.endpoint_factory(FactoryAdapter::factory(&endpoints));
        }
        if let Some(policy) = options.item("reconnection_policy")? {
            builder = builder.reconnection_policy(ReconnectionAdapter::policy(&policy)?);
        }
        // Timestamps are made where a request is, on the caller's thread: a session may have a generator of its own.
        builder = builder.timestamp_generator(None);
        if let Some(profile) = options.item("default_profile")? {
            builder = builder.default_profile(profile::resolve(&profile)?.get().core().clone());
        }
        // What only these profiles ask is connected to as well.
        let profiles: Vec<Bound<'_, PyAny>> = options.get("profiles")?.unwrap_or_default();
        for profile in profiles {
            builder = builder.profile(profile::resolve(&profile)?.get().core().clone());
        }
        builder = builder.measure_latency(options.get("measure_latency")?.unwrap_or(false));
        builder = builder
            .connect_timeout(options.seconds("connect_timeout")?.unwrap_or(FOREVER))
            .control_timeout(options.seconds("control_connection_timeout")?.unwrap_or(FOREVER))
            .heartbeat_interval(options.seconds("heartbeat_interval")?)
            .heartbeat_timeout(options.seconds("heartbeat_timeout")?.unwrap_or(FOREVER))
            .schema_agreement_timeout(
                options
                    .seconds("schema_agreement_wait")?
                    .unwrap_or(Duration::ZERO),
            );
        if let Some(count) = options.get("max_requests_per_connection")? {
            builder = builder.max_requests_per_connection(count);
        }
        builder = builder
            .schema_metadata(options.get("schema_metadata")?.unwrap_or(true))
            .token_metadata(options.get("token_metadata")?.unwrap_or(true));
        if let Some(delay) = options.window("schema_event_refresh_window")? {
            builder = builder.schema_refresh_delay(delay);
        }
        if let Some(delay) = options.window("topology_event_refresh_window")? {
            builder = builder.topology_refresh_delay(delay);
        }
        if let Some(delay) = options.window("status_event_refresh_window")? {
            // The published driver does not wait when it is negative, and does not ignore such news.
            builder = builder.status_refresh_delay(delay.unwrap_or_default());
        }
        builder = builder
            .prepare_on_all_nodes(options.get("prepare_on_all_hosts")?.unwrap_or(true))
            .prepare_on_up(options.get("reprepare_on_up")?.unwrap_or(true));
        if let Some(version) = options.get::<String>("cql_version")? {
            builder = builder.startup_option("CQL_VERSION", version);
        }
        if options.get::<bool>("no_compact")?.unwrap_or(false) {
            builder = builder.no_compact(true);
        }
        if let Some(id) = options.get::<String>("client_id")? {
            builder = builder.startup_option("CLIENT_ID", id);
        }
        if let Some(name) = options
            .get::<String>("application_name")?
            .filter(|name| !name.is_empty())
        {
            builder = builder.application_name(name);
        }
        if let Some(version) = options
            .get::<String>("application_version")?
            .filter(|text| !text.is_empty())
        {
            builder = builder.application_version(version);
        }
        let socket_options: Vec<Bound<'_, PyAny>> = options.get("sockopts")?.unwrap_or_default();
        for option in socket_options {
            builder = crate::sockopts::apply(builder, &option)?;
        }
        let cluster = builder.build().map_err(|error| errors::value_error(&error))?;
        let context = ClusterContext {
            cluster,
            queue: Arc::default(),
            io,
            user_types_version: AtomicU64::new(0),
            prepared: PreparedById::default(),
            counts_failures: options.get("counts_failures")?.unwrap_or(false),
            generation: runtime::generation(),
        };
        Ok(Self {
            context: Arc::new(context),
        })
    }

    /// Open the control connection and read the nodes.
    ///
    /// :raises NoHostAvailable: no contact point can be used.
    fn start(&self, py: Python<'_>) -> PyResult<()> {
        let cluster = self.context.cluster.clone();
        let started = block_on_io(py, self.context.io, async move { cluster.start().await })?;
        started.map_err(|error| failures::connect_failed(py, &error))
    }

    /// The drain of the completion queue, to be run on a thread of its own.
    fn drain(&self) -> CompletionDrain {
        CompletionDrain::new(self.context.clone())
    }

    /// The nodes, as last heard of.
    fn nodes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let state = self.context.cluster.state();
        let nodes = state
            .nodes()
            .iter()
            .map(|node| Node::new(py, node)?.into_pyobject(py))
            .collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, nodes)
    }

    /// The cluster's name and partitioner.
    fn description(&self) -> (Option<String>, Option<String>) {
        let state = self.context.cluster.state();
        (
            state.cluster_name().map(str::to_owned),
            state.partitioner().map(str::to_owned),
        )
    }

    /// The protocol version that was agreed on.
    #[getter]
    fn protocol_version(&self) -> Option<u8> {
        self.context
            .cluster
            .state()
            .protocol_version()
            .map(ProtocolVersion::number)
    }

    /// Read the nodes anew.
    ///
    /// :raises DriverException: no node answers.
    fn refresh(&self, py: Python<'_>) -> PyResult<()> {
        let cluster = self.context.cluster.clone();
        block_on_io(py, self.context.io, async move { cluster.refresh().await })?
            .map_err(|error| errors::driver_exception(py, format!("Node list was not refreshed: {error}")))
    }

    /// The schema and the tokens, as last read.
    fn schema(&self) -> SchemaSnapshot {
        SchemaSnapshot::new(self.context.cluster.state())
    }

    /// Say whether the schema is read after changes, and whether replicas are known.
    fn set_metadata(&self, schema: bool, tokens: bool) {
        self.context.cluster.set_metadata(schema, tokens);
    }

    /// Say whether statements are prepared on all hosts at once, and on those that come up.
    fn set_preparing(&self, on_all_hosts: bool, on_up: bool) {
        self.context.cluster.set_preparing(on_all_hosts, on_up);
    }

    /// The host id of the node that tells about the others, or ``None`` while there is none.
    fn control_host_id<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let node = self.context.cluster.control_node();
        node.map(|node| convert::uuid_to_python(py, &node.host_id()))
            .transpose()
    }

    /// Wait until all nodes have the same schema, for *seconds* at most.
    ///
    /// :returns: whether they have.
    /// :raises DriverException: no node answers.
    fn wait_for_schema_agreement(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        let limit =
            Duration::try_from_secs_f64(seconds.max(0.0)).map_err(|error| errors::value_error(&error))?;
        let cluster = self.context.cluster.clone();
        let waiting = async move { cluster.wait_for_schema_agreement(limit).await };
        block_on_io(py, self.context.io, waiting)?.map_err(|error| {
            errors::driver_exception(py, format!("Schema agreement was not awaited: {error}"))
        })
    }

    /// Read a keyspace anew, or all; or what *kind* (``table``, ``type``, ``function``, ``aggregate``) and *name* say of it.
    ///
    /// :raises DriverException: no node answers.
    #[pyo3(signature = (keyspace=None, kind=None, name=None))]
    fn refresh_schema(
        &self,
        py: Python<'_>,
        keyspace: Option<String>,
        kind: Option<String>,
        name: Option<String>,
    ) -> PyResult<()> {
        let cluster = self.context.cluster.clone();
        let refresh = async move {
            match (keyspace, kind.as_deref(), name) {
                (Some(keyspace), Some("table"), Some(name)) => cluster.refresh_table(keyspace, name).await,
                (Some(keyspace), Some("type"), Some(name)) => cluster.refresh_type(keyspace, name).await,
                (Some(keyspace), Some("function"), Some(name)) => {
                    cluster.refresh_function(keyspace, name).await
                }
                (Some(keyspace), Some("aggregate"), Some(name)) => {
                    cluster.refresh_aggregate(keyspace, name).await
                }
                (Some(keyspace), ..) => cluster.refresh_keyspace(keyspace).await,
                (None, ..) => cluster.refresh_schema().await,
            }
        };
        block_on_io(py, self.context.io, refresh)?.map_err(|error| {
            errors::driver_exception(py, format!("Schema metadata was not refreshed: {error}"))
        })
    }

    /// What the requests of all sessions came to so far: counts by name, and latencies.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        crate::metrics::to_python(py, &self.context.cluster.metrics())
    }

    /// Drop what was worked out with the classes that were registered for user-defined types before.
    fn user_types_changed(&self) {
        self.context.user_types_version.fetch_add(1, Ordering::Relaxed);
    }

    /// Close all connections. Requests in flight are given a moment to finish.
    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        if !self.context.is_inherited() {
            let cluster = self.context.cluster.clone();
            block_on_io(py, self.context.io, async move { cluster.close().await })?;
        }
        self.context.queue.close();
        Ok(())
    }
}

impl Drop for ClusterContext {
    fn drop(&mut self) {
        if self.is_inherited() {
            // Letting go of a parent's sockets would take them out of the poll set that both processes share.
            std::mem::forget(self.cluster.clone());
        }
    }
}

impl Node {
    fn new(py: Python<'_>, node: &helenus::Node) -> PyResult<Self> {
        let address = node.address();
        let rpc_address = node.rpc_address();
        let facts = node.facts();
        let failure = node.last_failure().filter(|_| node.is_up() != Some(true));
        let failure = failure.map(|failure| failures::node_failure(py, &failure));
        Ok(Self {
            host_id: convert::uuid_to_python(py, &node.host_id())?.unbind(),
            address: address.map_or_else(|| node.endpoint().to_string(), |address| address.ip().to_string()),
            port: address.map(|address| address.port()),
            datacenter: node.datacenter().map(str::to_owned),
            rack: node.rack().map(str::to_owned),
            release_version: node.release_version().map(str::to_owned),
            dse_version: node.dse_version().map(str::to_owned),
            is_up: node.is_up(),
            failures: node.failure_count(),
            failure: failure.transpose()?.map(|error| error.into_value(py).into_any()),
            broadcast_address: node.broadcast_address().map(|address| address.to_string()),
            listen_address: node.listen_address().map(|address| address.to_string()),
            rpc_address: rpc_address.map(|address| address.ip().to_string()),
            rpc_port: facts.native_port(),
            broadcast_port: facts.broadcast_port(),
            listen_port: facts.listen_port(),
            dse_workload: facts.workload().map(str::to_owned),
            dse_workloads: facts
                .workloads()
                .map(|workloads| workloads.map(str::to_owned).collect()),
        })
    }
}
