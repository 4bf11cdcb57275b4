//! What the handles of a cluster, its sessions and its control connection share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use arc_swap::{ArcSwap, Guard};
use helenus_protocol::{ProtocolVersion, SchemaChange, SchemaChangeTarget, SchemaChangeType};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::control::{self, Command, What};
use super::discovery::Discovered;
use super::events::{ClusterEvent, Subscribers};
use super::search;
use super::{ClusterConfig, ClusterState, Node};
use crate::connection::Connection;
use crate::error::SessionError;
use crate::observe::{ClusterMeter, Metrics};
use crate::pool::{Pool, Registry};
use crate::profile::{ExecutionProfile, Profiles};
use crate::runtime::on_runtime;
use crate::schema::{Schema, SchemaElement};
use crate::session::{SessionShared, prepare_all_on};

pub(crate) struct ClusterShared {
    me: Weak<Self>,
    pub(crate) config: ClusterConfig,
    /// Profiles by their names.
    pub(crate) profiles: Profiles,
    runtime: OnceLock<Handle>,
    state: ArcSwap<ClusterState>,
    local_datacenter: OnceLock<Arc<str>>,
    /// Whether the schema is read, and whether replicas are known.
    schema_metadata: AtomicBool,
    token_metadata: AtomicBool,
    /// Whether statements are prepared on all nodes at once, and on those that come up.
    prepare_on_all_nodes: AtomicBool,
    prepare_on_up: AtomicBool,
    /// Held while the next state is made of the current one.
    publishing: Mutex<()>,
    sessions: Mutex<Vec<Weak<SessionShared>>>,
    /// The pools that sessions use.
    pub(crate) pools: Registry,
    /// Held while the control connection is opened for the first time.
    starting: tokio::sync::Mutex<()>,
    /// To the task of the control connection, which ends with it; `None` before the start and after the end.
    control: Mutex<Option<Control>>,
    /// The open control connection.
    control_connection: Mutex<Option<Connection>>,
    pub(super) subscribers: Subscribers,
    closed: AtomicBool,
    /// What sessions counted that have ended.
    pub(crate) meter: ClusterMeter,
}

/// The task of the control connection.
struct Control {
    commands: mpsc::UnboundedSender<Command>,
    /// Completes when it has ended.
    ended: oneshot::Receiver<()>,
}

impl ClusterShared {
    pub(super) fn new(config: ClusterConfig, me: Weak<Self>) -> Self {
        let runtime = OnceLock::new();
        if let Some(handle) = &config.runtime {
            let _ = runtime.set(handle.clone());
        }
        Self {
            me,
            schema_metadata: AtomicBool::new(config.schema_metadata),
            token_metadata: AtomicBool::new(config.token_metadata),
            prepare_on_all_nodes: AtomicBool::new(config.prepare_on_all_nodes),
            prepare_on_up: AtomicBool::new(config.prepare_on_up),
            profiles: Profiles::new(&config.named_profiles),
            config,
            runtime,
            state: ArcSwap::from_pointee(ClusterState::default()),
            local_datacenter: OnceLock::new(),
            publishing: Mutex::default(),
            sessions: Mutex::default(),
            pools: Registry::default(),
            starting: tokio::sync::Mutex::default(),
            control: Mutex::default(),
            control_connection: Mutex::default(),
            subscribers: Subscribers::default(),
            closed: AtomicBool::new(false),
            meter: ClusterMeter::default(),
        }
    }

    /// The runtime, if there is one yet.
    pub(crate) fn runtime(&self) -> Result<&Handle, SessionError> {
        self.runtime.get().ok_or(SessionError::NoRuntime)
    }

    /// The runtime; the current one when there was none.
    pub(crate) fn enter_runtime(&self) -> Result<&Handle, SessionError> {
        if let (None, Ok(current)) = (self.runtime.get(), Handle::try_current()) {
            let _ = self.runtime.set(current);
        }
        self.runtime()
    }

    pub(crate) fn state(&self) -> Arc<ClusterState> {
        self.state.load_full()
    }

    /// The same, for a short look.
    pub(crate) fn look(&self) -> Guard<Arc<ClusterState>> {
        self.state.load()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Opens the control connection, unless there is one.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<(), SessionError> {
        if self.is_closed() {
            return Err(SessionError::Closed);
        }
        let shared = Arc::clone(self);
        let started = on_runtime(self.enter_runtime()?, async move { shared.start_here().await }).await;
        started.unwrap_or(Err(SessionError::NoRuntime))
    }

    async fn start_here(self: &Arc<Self>) -> Result<(), SessionError> {
        let _starting = self.starting.lock().await;
        if self.is_closed() {
            return Err(SessionError::Closed);
        }
        if self.control().is_some() {
            return Ok(());
        }
        let mut opened = search::open(self, None)
            .await
            .map_err(SessionError::NoContactPoint)?;
        opened.publish(self);
        // Told already; without it the driver works, if less well.
        let _ = opened.read_schema(self).await;
        let state = self.look();
        if let Some(name) = &self.config.local_datacenter
            && state.nodes_in(name).is_none()
        {
            return Err(SessionError::UnknownDatacenter {
                name: name.to_string(),
                known: state.datacenters().map(str::to_owned).collect(),
            });
        }
        let (commands, inbox) = mpsc::unbounded_channel();
        let (running, ended) = oneshot::channel::<()>();
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: whoever closes it from here on finds the control connection.
        if self.is_closed() {
            self.lock_control_connection().take();
            return Err(SessionError::Closed);
        }
        *control = Some(Control { commands, ended });
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            let _running = running;
            control::run(weak, opened, inbox).await;
        });
        Ok(())
    }

    fn control(&self) -> Option<mpsc::UnboundedSender<Command>> {
        self.control
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|control| control.commands.clone())
    }

    /// Reads something anew, though it may be switched off.
    pub(crate) async fn refresh(self: &Arc<Self>, what: What) -> Result<(), SessionError> {
        self.refresh_as(what, true).await
    }

    async fn refresh_as(self: &Arc<Self>, what: What, forced: bool) -> Result<(), SessionError> {
        self.start().await?;
        let (done, refreshed) = oneshot::channel();
        let control = self.control().ok_or(SessionError::Closed)?;
        control
            .send(Command { what, forced, done })
            .map_err(|_| SessionError::Closed)?;
        match refreshed.await {
            Ok(refreshed) => refreshed.map_err(SessionError::NoContactPoint),
            Err(_) => Err(SessionError::Closed),
        }
    }

    /// Has the nodes read again, some time soon.
    pub(super) fn look_again(&self) {
        if let Some(control) = self.control() {
            let (done, _) = oneshot::channel();
            let what = What::Nodes;
            // Without a control connection they are read when there is one again.
            let _ = control.send(Command {
                what,
                forced: true,
                done,
            });
        }
    }

    pub(crate) fn wants_schema(&self) -> bool {
        self.schema_metadata.load(Ordering::Relaxed)
    }

    pub(crate) fn wants_tokens(&self) -> bool {
        self.token_metadata.load(Ordering::Relaxed)
    }

    pub(super) fn want(&self, schema: bool, tokens: bool) {
        self.schema_metadata.store(schema, Ordering::Relaxed);
        self.token_metadata.store(tokens, Ordering::Relaxed);
    }

    pub(crate) fn prepares_on_all_nodes(&self) -> bool {
        self.prepare_on_all_nodes.load(Ordering::Relaxed)
    }

    pub(crate) fn prepares_on_up(&self) -> bool {
        self.prepare_on_up.load(Ordering::Relaxed)
    }

    pub(super) fn set_preparing(&self, on_all_nodes: bool, on_up: bool) {
        self.prepare_on_all_nodes.store(on_all_nodes, Ordering::Relaxed);
        self.prepare_on_up.store(on_up, Ordering::Relaxed);
    }

    /// Prepared statements whose rows may be others now are told.
    pub(super) fn tell_statements(&self, change: &SchemaChange) {
        for session in self.sessions() {
            session.statements.schema_changed(change);
            session.cached.schema_changed(change);
        }
    }

    /// Nobody knows what changed.
    pub(super) fn tell_statements_anything(&self) {
        for session in self.sessions() {
            session.statements.anything_changed();
            session.cached.anything_changed();
        }
    }

    /// Reads anew what is known to have changed, if it is of interest.
    pub(crate) async fn schema_changed(self: &Arc<Self>, change: SchemaChange) {
        self.tell_statements(&change);
        if !self.wants_schema() && !self.wants_tokens() {
            return;
        }
        let what = match self.wants_schema() {
            true => What::changed(change),
            false if change.target == SchemaChangeTarget::Keyspace => What::Keyspace(change.keyspace),
            // Replication does not depend on what is in a keyspace.
            false => return,
        };
        if let Err(error) = self.refresh_as(what, false).await {
            tracing::warn!(%error, "the changed schema could not be read");
        }
    }

    /// Makes what was discovered known to everybody.
    pub(super) fn publish(&self, version: ProtocolVersion, discovered: &Discovered) {
        let first = discovered
            .nodes
            .first()
            .and_then(|(_, facts)| facts.datacenter.clone());
        let configured = self.config.local_datacenter.clone();
        if let Some(name) = configured.or(first) {
            let _ = self.local_datacenter.set(name);
        }
        let local = self.local_datacenter.get().cloned();
        let with_tokens = self.wants_tokens();
        let (old, state) = self.change(|old| {
            let nodes = old.merge(&discovered.nodes, &self.me);
            ClusterState::with(old, with_tokens, discovered, version, nodes, local)
        });
        self.tell_of_nodes(&old, &state);
        for session in self.sessions() {
            session.reconcile(&state);
        }
    }

    /// Makes a schema known to everybody. Only one task does so at a time. When `everything` was read, prepared statements are
    /// told what changed: nobody else may have heard of it.
    pub(super) fn publish_schema(&self, schema: Schema, everything: bool) {
        let (old, state) = self.change(|old| old.with_schema(schema));
        for session in self.sessions() {
            session.follow();
        }
        // At first there is none.
        if old.schema().keyspaces().is_empty() || !(everything || self.subscribers.are_there()) {
            return;
        }
        for (change, element) in state.schema().changes_since(old.schema()) {
            if everything {
                self.tell_statements_of(change, &element);
            }
            self.subscribers.tell(&ClusterEvent::Schema { change, element });
        }
    }

    /// Of a change that no event told.
    fn tell_statements_of(&self, change: SchemaChangeType, element: &SchemaElement) {
        let is_keyspace = matches!(element, SchemaElement::Keyspace(_));
        match change {
            // No statement is older; and that of a keyspace is its replication.
            SchemaChangeType::Created => return,
            SchemaChangeType::Updated if is_keyspace => return,
            _ => {}
        }
        self.tell_statements(&SchemaChange {
            change,
            keyspace: element.keyspace().to_owned(),
            target: element.clone().into_target(),
        });
    }

    /// The state before and after.
    fn change(
        &self,
        next: impl FnOnce(&ClusterState) -> ClusterState,
    ) -> (Arc<ClusterState>, Arc<ClusterState>) {
        let _publishing = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state();
        let state = Arc::new(next(&old));
        self.state.store(Arc::clone(&state));
        (old, state)
    }

    fn tell_of_nodes(&self, old: &ClusterState, new: &ClusterState) {
        if !self.subscribers.are_there() {
            return;
        }
        for node in old
            .nodes()
            .iter()
            .filter(|node| new.node(node.host_id()).is_none())
        {
            self.subscribers
                .tell(&ClusterEvent::NodeRemoved(Arc::clone(node)));
        }
        for node in new.nodes().iter() {
            let to = Arc::clone(node);
            match old.node(node.host_id()) {
                None => self.subscribers.tell(&ClusterEvent::NodeAdded(to)),
                Some(from) if !Arc::ptr_eq(from, node) => {
                    let from = Arc::clone(from);
                    self.subscribers.tell(&ClusterEvent::NodeChanged { from, to });
                }
                Some(_) => {}
            }
        }
    }

    /// A node has a connection, or has none any more.
    pub(super) fn node_changed_state(&self, node: &Node, up: bool) {
        let state = self.look();
        // Not if it left meanwhile.
        if let Some(known) = state.node(node.host_id()).filter(|known| ***known == *node) {
            let node = Arc::clone(known);
            self.subscribers.tell(&match up {
                true => ClusterEvent::NodeUp(node),
                false => ClusterEvent::NodeDown(node),
            });
        }
    }

    /// A node came up that these connections go to: it prepares what their sessions have.
    pub(crate) fn pool_came_up(&self, pool: &Arc<Pool>) {
        let mut sessions = self.sessions();
        sessions.retain(|session| self.pools.is_used_by(session.owner(), pool));
        prepare_all_on(&sessions, pool);
    }

    /// Whether a session has an open connection to a node.
    pub(super) fn is_connected_to(&self, node: &Node) -> bool {
        self.sessions().iter().any(|session| {
            let pools = session.pools();
            let mut pools = pools.iter();
            pools.any(|pool| **pool.node() == *node && pool.connection().is_some())
        })
    }

    /// Whether a session connects to a node.
    pub(super) fn is_wanted(&self, node: &Arc<Node>) -> bool {
        let sessions = self.sessions();
        sessions.iter().any(|session| session.pools().of(node).is_some())
    }

    /// A node was said to be up: whoever waits to connect to it tries now.
    pub(super) fn node_is_up(&self, node: &Arc<Node>) {
        if !self.is_wanted(node) {
            node.set_up(true);
        }
        for session in self.sessions() {
            session.node_is_up(node);
        }
    }

    pub(super) fn set_control_connection(&self, connection: &Connection) {
        *self.lock_control_connection() = Some(connection.clone());
    }

    /// The open control connection.
    pub(crate) fn control_connection(&self) -> Option<Connection> {
        self.lock_control_connection().clone().filter(Connection::is_open)
    }

    fn lock_control_connection(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.control_connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The sessions that are open.
    pub(crate) fn sessions(&self) -> Vec<Arc<SessionShared>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.strong_count() > 0);
        sessions.iter().filter_map(Weak::upgrade).collect()
    }

    /// What all sessions counted so far.
    pub(crate) fn metrics(&self) -> Metrics {
        let sessions = self.sessions();
        let state = self.state();
        let mut metrics = self.meter.snapshot(state.nodes());
        for session in &sessions {
            metrics.merge(&session.request_metrics());
        }
        // Each once, whoever uses it.
        for pool in self.pools.all() {
            if state.node(pool.node().host_id()).is_some() {
                metrics.add_connections(pool.node(), &pool.connections());
            }
        }
        metrics
    }

    /// Gives a profile a name, and nodes that it wants connections.
    pub(crate) fn set_profile(&self, name: &str, profile: &ExecutionProfile) {
        self.profiles.set(name, profile);
        if let Ok(runtime) = self.runtime() {
            let _entered = runtime.enter();
            let state = self.state();
            for session in self.sessions() {
                session.reconcile(&state);
            }
        }
    }

    pub(crate) fn add_session(&self, session: &Arc<SessionShared>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.push(Arc::downgrade(session));
    }

    /// Closes all sessions and the control connection. May be awaited outside of a runtime.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Its task ends when nobody can tell it anything any more, and what it is doing has its own limits.
        let ended = control.map(|Control { commands, ended }| {
            drop(commands);
            ended
        });
        self.lock_control_connection().take();
        let sessions = self.sessions();
        futures_util::future::join_all(sessions.iter().map(|session| session.close())).await;
        self.subscribers.end();
        let (Some(ended), Ok(runtime)) = (ended, self.runtime()) else {
            return;
        };
        let limit = self.config.close_timeout;
        let _ = on_runtime(runtime, async move {
            let _ = tokio::time::timeout(limit, ended).await;
        })
        .await;
    }
}
