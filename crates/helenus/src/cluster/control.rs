//! The control connection: watches the cluster through one of its nodes, and moves to another one when that is lost.
//!
//! Events (v4 §4.2.6) are hints: a change of the topology has the nodes read anew, one of the schema its keyspace, after a
//! delay that gathers what comes together; UP has broken pools try at once; DOWN is ignored, for a node that answers is not down. Whatever is missed is
//! made up for by a periodic look.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use helenus_protocol::{Event, StatusChange};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::discovery::{Discovered, discover};
use super::shared::ClusterShared;
use crate::connection::{CloseReason, Connection, ConnectionConfig, Endpoint};
use crate::error::ContactPointError;
use crate::schema::{self, Depth};

/// What the task of the control connection can be told: to read something anew, now. It ends when nobody can tell it
/// anything any more.
pub(crate) struct Command {
    pub(super) what: What,
    pub(super) done: Done,
}

/// What is read anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The nodes.
    Nodes,
    /// The whole schema.
    Schema,
    /// A keyspace and what is in it.
    Keyspace(String),
}

type Done = oneshot::Sender<Result<(), Vec<ContactPointError>>>;

/// A control connection that has done its first work.
pub(super) struct Opened {
    pub(super) connection: Connection,
    events: mpsc::UnboundedReceiver<Event>,
    pub(super) discovered: Discovered,
}

impl Opened {
    /// Reads the schema, as far as it is wanted. Without it the driver works, if less well: an error is only told.
    pub(super) async fn read_schema(&self, shared: &ClusterShared) {
        if let Err(error) = read_schema(shared, &self.connection, None, false).await {
            tracing::warn!(%error, "the schema could not be read");
        }
    }
}

/// Reads one keyspace, or all, and makes it known. What is switched off is read if `forced`.
async fn read_schema(
    shared: &ClusterShared,
    connection: &Connection,
    keyspace: Option<&str>,
    forced: bool,
) -> Result<(), ContactPointError> {
    let depth = match (
        shared.config.schema_metadata || forced,
        shared.config.token_metadata,
    ) {
        (true, _) => Depth::Everything,
        (false, true) => Depth::Keyspaces,
        (false, false) => return Ok(()),
    };
    let read = schema::read(connection, keyspace, depth, shared.config.control_timeout).await;
    let read = read.map_err(|error| not_read(connection, &error))?;
    shared.publish_schema(keyspace, read);
    Ok(())
}

fn not_read(connection: &Connection, reason: &dyn std::fmt::Display) -> ContactPointError {
    ContactPointError::Discovery {
        endpoint: connection.endpoint().to_string(),
        reason: reason.to_string(),
    }
}

/// Opens a control connection to the first node, or contact point, that is one. Else says why each is not.
pub(super) async fn open(shared: &ClusterShared) -> Result<Opened, Vec<ContactPointError>> {
    let mut errors = Vec::new();
    let mut tried: Vec<Endpoint> = Vec::new();
    let state = shared.state();
    let (up, down): (Vec<_>, Vec<_>) = state
        .nodes()
        .iter()
        .map(|node| (node.is_up() == Some(true), node.endpoint().clone()))
        .partition(|(up, _)| *up);
    for (_, endpoint) in up.into_iter().chain(down) {
        match open_at(shared, &endpoint).await {
            Ok(opened) => return Ok(opened),
            Err(error) => errors.push(error),
        }
        tried.push(endpoint);
    }
    // Resolved again each time: every address may have changed.
    for point in &shared.config.contact_points {
        let endpoints = match point.resolve().await {
            Ok(endpoints) => endpoints,
            Err(error) => {
                tracing::warn!(%error, "contact point is passed over");
                errors.push(error);
                continue;
            }
        };
        for endpoint in endpoints {
            let address = endpoint.socket_address();
            let known = |other: &Endpoint| *other == endpoint || other.socket_address() == address;
            if address.is_some() && tried.iter().any(known) {
                continue;
            }
            match open_at(shared, &endpoint).await {
                Ok(opened) => return Ok(opened),
                Err(error) => errors.push(error),
            }
            tried.push(endpoint);
        }
    }
    Err(errors)
}

async fn open_at(shared: &ClusterShared, endpoint: &Endpoint) -> Result<Opened, ContactPointError> {
    let (sender, events) = mpsc::unbounded_channel();
    let config = Arc::new(ConnectionConfig {
        events: Some(sender),
        ..shared.config.connection.clone()
    });
    let connection = Connection::open(endpoint, &config).await.inspect_err(|error| {
        tracing::debug!(node = %endpoint, %error, "no control connection");
    })?;
    let discovered = read(shared, &connection).await?;
    tracing::debug!(node = %endpoint, version = %connection.version(), "control connection is open");
    Ok(Opened {
        connection,
        events,
        discovered,
    })
}

async fn read(shared: &ClusterShared, connection: &Connection) -> Result<Discovered, ContactPointError> {
    let discovered = discover(connection, shared.config.control_timeout).await;
    let discovered = discovered.map_err(|error| not_read(connection, &error))?;
    let expected = shared.look().cluster_name().map(str::to_owned);
    if expected.is_some() && expected != discovered.cluster_name {
        let reason = format!(
            "belongs to the cluster {:?}, not to {:?}",
            discovered.cluster_name.unwrap_or_default(),
            expected.unwrap_or_default()
        );
        return Err(not_read(connection, &reason));
    }
    Ok(discovered)
}

/// A control connection that is of no use sooner than this after it was opened is followed by a pause.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Who waits for the nodes to be read anew.
type Waiting = Vec<Done>;

/// Watches the cluster until it is closed or dropped.
pub(super) async fn run(
    shared: Weak<ClusterShared>,
    mut opened: Opened,
    mut inbox: mpsc::UnboundedReceiver<Command>,
) {
    loop {
        let begun = Instant::now();
        let watched = watch_through(&shared, &mut opened, &mut inbox).await;
        opened.connection.close(CloseReason::Surplus);
        let Some(waiting) = watched else {
            return;
        };
        let pause = begun.elapsed() < SHORT_LIFE && waiting.is_empty();
        match reopen(&shared, &mut inbox, waiting, pause).await {
            Some(other) => opened = other,
            None => return,
        }
    }
}

/// Returns when another connection is needed, with those who wait for it; `None` when the cluster is gone.
async fn watch_through(
    shared: &Weak<ClusterShared>,
    opened: &mut Opened,
    inbox: &mut mpsc::UnboundedReceiver<Command>,
) -> Option<Waiting> {
    let Opened {
        connection, events, ..
    } = opened;
    let (delay, interval) = {
        let config = &shared.upgrade()?.config;
        (config.refresh_delay, config.refresh_interval)
    };
    let later = |time: Duration| Instant::now() + time;
    let mut periodic = interval.map(later);
    let mut gathered = Gathered::default();
    loop {
        let next = [periodic, gathered.due].into_iter().flatten().min();
        let timer = async {
            match next {
                Some(time) => sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        let command = tokio::select! {
            command = inbox.recv() => Some(command?),
            error = connection.closed() => {
                tracing::debug!(%error, "control connection is lost");
                return Some(Vec::new());
            }
            event = events.recv() => {
                let shared = shared.upgrade()?;
                if event.is_some_and(|event| gathered.take_in(&shared, event)) {
                    gathered.due.get_or_insert_with(|| later(delay));
                }
                continue;
            }
            () = timer => None,
        };
        let shared = shared.upgrade()?;
        let (wanted, done) = match command {
            Some(Command { what, done }) => (Gathered::only(what), Some(done)),
            None => {
                let mut due = std::mem::take(&mut gathered);
                if periodic.is_some_and(|time| time <= Instant::now()) {
                    due.nodes = true;
                    periodic = interval.map(later);
                }
                (due, None)
            }
        };
        let forced = done.is_some();
        match wanted.read(&shared, connection, forced).await {
            Ok(()) => {
                // Whoever asked may have gone.
                let _ = done.map(|done| done.send(Ok(())));
            }
            Err(error) => {
                tracing::warn!(%error, "control connection is of no use any more");
                return Some(done.into_iter().collect());
            }
        }
    }
}

/// What is to be read anew: what events said since the last time.
#[derive(Default)]
struct Gathered {
    /// When.
    due: Option<Instant>,
    nodes: bool,
    schema: bool,
    keyspaces: BTreeSet<String>,
}

impl Gathered {
    fn only(what: What) -> Self {
        let mut gathered = Self::default();
        match what {
            What::Nodes => gathered.nodes = true,
            What::Schema => gathered.schema = true,
            What::Keyspace(name) => {
                gathered.keyspaces.insert(name);
            }
        }
        gathered
    }

    /// Whether an event has something to be read anew.
    fn take_in(&mut self, shared: &ClusterShared, event: Event) -> bool {
        match event {
            Event::SchemaChange(change) => {
                let wanted = shared.wants_schema() || shared.wants_tokens();
                tracing::debug!(?change, "event");
                if wanted {
                    self.keyspaces.insert(change.keyspace);
                }
                wanted
            }
            event => {
                let nodes = needs_refresh(shared, &event);
                self.nodes |= nodes;
                nodes
            }
        }
    }

    async fn read(
        self,
        shared: &ClusterShared,
        connection: &Connection,
        forced: bool,
    ) -> Result<(), ContactPointError> {
        if self.nodes {
            let discovered = read(shared, connection).await?;
            shared.publish(connection.version(), &discovered);
        }
        if self.schema {
            return read_schema(shared, connection, None, forced).await;
        }
        for name in &self.keyspaces {
            read_schema(shared, connection, Some(name), forced).await?;
        }
        Ok(())
    }
}

/// Whether an event says that the nodes are no longer those that are known.
fn needs_refresh(shared: &ClusterShared, event: &Event) -> bool {
    tracing::debug!(?event, "event");
    match event {
        Event::TopologyChange { .. } => true,
        Event::StatusChange { change, address } => {
            let state = shared.look();
            let node = state
                .nodes()
                .iter()
                .find(|node| node.rpc_address() == Some(*address) || node.address() == Some(*address));
            match node {
                Some(node) if *change == StatusChange::Up => {
                    for session in shared.sessions() {
                        session.node_is_up(node);
                    }
                    false
                }
                Some(_) => false,
                None => true,
            }
        }
        _ => false,
    }
}

/// Opens another control connection, as long as it takes; `None` when the cluster is gone.
async fn reopen(
    weak: &Weak<ClusterShared>,
    inbox: &mut mpsc::UnboundedReceiver<Command>,
    mut waiting: Waiting,
    pause: bool,
) -> Option<Opened> {
    let mut schedule = weak.upgrade()?.config.reconnection.schedule();
    let mut delay = Duration::ZERO;
    let mut pause = pause;
    loop {
        if pause {
            delay = schedule.next().unwrap_or(delay);
            tokio::select! {
                command = inbox.recv() => {
                    // Everything is read when there is another connection.
                    waiting.push(command?.done);
                }
                () = tokio::time::sleep(delay) => {}
            }
        }
        pause = true;
        let shared = weak.upgrade()?;
        let opened = open(&shared).await;
        if let Ok(opened) = &opened {
            shared.publish(opened.connection.version(), &opened.discovered);
            opened.read_schema(&shared).await;
        }
        for done in waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(opened.as_ref().map(drop).map_err(Vec::clone));
        }
        match opened {
            Ok(opened) => return Some(opened),
            Err(errors) => {
                for error in &errors {
                    tracing::debug!(%error, "no control connection");
                }
            }
        }
    }
}
