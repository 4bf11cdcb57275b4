//! A scripted node: listens on a loopback address, serves connections, keeps what it received.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use helenus_protocol::{Event, Opcode};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::connection::Connection;
use super::healthy::HealthyNode;
use super::received::Received;
use super::script::Script;
use super::statement::Statement;
use super::system_tables::{NodeInfo, Topology};

/// What a node and its connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) healthy: HealthyNode,
    received: Mutex<Vec<Arc<Received>>>,
    /// By opcode.
    counts: [AtomicUsize; 256],
    connections: Mutex<HashMap<u64, Arc<Connection>>>,
    accepted: AtomicU64,
    /// Counts changes that somebody may wait for: requests received, connections opened and closed.
    changes: watch::Sender<u64>,
}

/// A fake node. It serves until it is dropped or stopped.
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use helenus_protocol::Opcode;
/// use helenus_testkit::fake::{Action, FakeNode, Reply, Script};
///
/// let node = FakeNode::start(Script::new().on_statement("SELECT 1", [Action::Close])).await?;
/// // ... connect a driver to node.address() ...
/// assert_eq!(node.count(Opcode::Query), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FakeNode {
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl FakeNode {
    /// Starts the only node of a cluster, on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// [`io::Error`] when no port can be bound.
    pub async fn start(script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).await?;
        let mut topology = Topology::default();
        topology.nodes.push(NodeInfo::new(listener.local_addr()?));
        Self::serve(listener, script, Arc::new(RwLock::new(topology)))
    }

    /// Serves on a bound socket, as a member of a cluster.
    pub(super) fn serve(
        listener: TcpListener,
        script: Script,
        topology: Arc<RwLock<Topology>>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            healthy: HealthyNode::new(listener.local_addr()?, script, topology),
            received: Mutex::default(),
            counts: [const { AtomicUsize::new(0) }; 256],
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            changes: watch::Sender::new(0),
        });
        let listening = Some(tokio::spawn(accept(listener, shared.clone())));
        Ok(Self { shared, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.shared.healthy.address()
    }

    /// Changes the cluster's topology as all of its nodes see it. Clients learn of it when they ask, or by
    /// [`FakeNode::push_event`].
    pub fn topology<T>(&self, change: impl FnOnce(&mut Topology) -> T) -> T {
        self.shared.healthy.change_topology(change)
    }

    /// Changes the script for requests that arrive from here on. A handler added here comes before those of the script.
    pub fn change_script(&self, change: impl FnOnce(Script) -> Script) {
        self.shared.healthy.change_script(change);
    }

    /// Adds a statement, or replaces the one with the same text: its columns may change under a prepared statement.
    pub fn put_statement(&self, statement: Statement) {
        self.change_script(|script| script.statement(statement));
    }

    /// Forgets all prepared statements: EXECUTE answers UNPREPARED until PREPARE comes again.
    pub fn forget_prepared(&self) {
        self.shared.healthy.forget_prepared();
    }

    /// How many requests of this kind arrived.
    pub fn count(&self, opcode: Opcode) -> usize {
        self.shared.counts[usize::from(opcode.code())].load(Ordering::Acquire)
    }

    /// All requests so far, in the order of arrival (empty after [`Script::without_recording`]).
    pub fn received(&self) -> Vec<Arc<Received>> {
        lock(&self.shared.received).clone()
    }

    /// Returns the first `count` requests that `matches` accepts, as soon as so many have arrived.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn wait_for(&self, count: usize, matches: impl Fn(&Received) -> bool) -> Vec<Arc<Received>> {
        let mut changes = self.shared.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let found: Vec<Arc<Received>> = lock(&self.shared.received)
                .iter()
                .filter(|received| matches(received))
                .take(count)
                .cloned()
                .collect();
            if found.len() == count {
                return found;
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }

    /// How many connections are open.
    pub fn connection_count(&self) -> usize {
        lock(&self.shared.connections).len()
    }

    /// How many open connections have finished their handshake.
    pub fn ready_count(&self) -> usize {
        lock(&self.shared.connections)
            .values()
            .filter(|connection| connection.is_ready())
            .count()
    }

    /// How many open connections have registered for events.
    pub fn registered_count(&self) -> usize {
        lock(&self.shared.connections)
            .values()
            .filter(|connection| connection.is_registered())
            .count()
    }

    /// How many connections have been accepted, closed ones included.
    pub fn accepted_count(&self) -> u64 {
        self.shared.accepted.load(Ordering::Acquire)
    }

    /// Returns as soon as `holds` does, asked again after each request, each new and each closed connection.
    pub async fn wait_until(&self, holds: impl Fn(&Self) -> bool) {
        let mut changes = self.shared.changes.subscribe();
        loop {
            changes.borrow_and_update();
            if holds(self) {
                return;
            }
            // The sender lives as long as `self`.
            let _ = changes.changed().await;
        }
    }

    /// Sends an event on every connection that registered for its kind.
    pub async fn push_event(&self, event: &Event) {
        for connection in self.shared.open_connections() {
            connection.push(event).await;
        }
    }

    /// Closes all connections, by a TCP reset if asked for. New ones are accepted.
    pub async fn close_connections(&self, reset: bool) {
        for connection in self.shared.open_connections() {
            connection.close(reset).await;
        }
    }

    /// Stops listening and closes all connections. What was received stays.
    pub async fn stop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // Only when the task has ended is the port free.
            let _ = listening.await;
        }
        self.close_connections(false).await;
    }

    /// Listens again on the same address after [`FakeNode::stop`].
    ///
    /// # Errors
    /// [`io::Error`] when the port is taken.
    pub async fn listen_again(&mut self) -> io::Result<()> {
        if self.listening.is_none() {
            let listener = TcpListener::bind(self.shared.healthy.address()).await?;
            self.listening = Some(tokio::spawn(accept(listener, self.shared.clone())));
        }
        Ok(())
    }
}

impl Drop for FakeNode {
    fn drop(&mut self) {
        if let Some(listening) = &self.listening {
            listening.abort();
        }
        for connection in self.shared.open_connections() {
            connection.abandon();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // Answers are small and each is written at once; a failure costs only time.
                let _ = socket.set_nodelay(true);
                let id = shared.accepted.fetch_add(1, Ordering::AcqRel);
                // Held while the connection starts, so that it cannot be forgotten before it is known.
                let mut connections = lock(&shared.connections);
                connections.insert(id, Connection::start(id, socket, &shared));
                drop(connections);
                shared.changed();
            }
            Err(error) => {
                tracing::warn!(%error, address = %shared.healthy.address(), "fake node cannot accept");
                return;
            }
        }
    }
}

impl Shared {
    pub(super) fn record(&self, received: &Arc<Received>) {
        self.counts[usize::from(received.opcode().code())].fetch_add(1, Ordering::AcqRel);
        if self.healthy.script().keeps_requests {
            lock(&self.received).push(received.clone());
        }
        self.changed();
    }

    pub(super) fn forget_connection(&self, id: u64) {
        lock(&self.connections).remove(&id);
        self.changed();
    }

    pub(super) fn changed(&self) {
        self.changes
            .send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn open_connections(&self) -> Vec<Arc<Connection>> {
        lock(&self.connections).values().cloned().collect()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
