//! The control connection: watches the cluster through one of its nodes, and moves to another one when that is lost.
//!
//! Events (v4 §4.2.6) are hints: a change of the topology has the nodes read anew, one of the schema what it is about, after a
//! delay that gathers what comes together; UP has broken pools try at once, but not more often than that delay; DOWN is
//! ignored while there is a connection, for a node that answers is not down. Whatever is missed is made up for by a periodic
//! look; and when there were more events than can be taken in, by a look at everything.

mod gathered;

use std::sync::Weak;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::discovery::{Discovered, discover};
use super::search::open;
use super::shared::ClusterShared;
use crate::connection::{CloseReason, Connection, Endpoint, EventReceiver, Heard};
use crate::error::ContactPointError;
use crate::schema::{self, Part, Scope};
use gathered::Gathered;

/// What the task of the control connection can be told: to read something anew, now. It ends when nobody can tell it
/// anything any more.
pub(crate) struct Command {
    pub(super) what: What,
    /// Though it may be switched off.
    pub(super) forced: bool,
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
    /// Something in a keyspace.
    Part(String, Part),
}

type Done = oneshot::Sender<Result<(), Vec<ContactPointError>>>;

/// A control connection that has done its first work.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) events: EventReceiver,
    pub(super) discovered: Discovered,
}

impl Opened {
    /// Makes the nodes known, once.
    pub(super) fn publish(&mut self, shared: &ClusterShared) {
        let discovered = std::mem::take(&mut self.discovered);
        shared.publish(self.connection.version(), &discovered);
    }

    /// Reads the schema, as far as it is wanted. An error is told.
    pub(super) async fn read_schema(&self, shared: &ClusterShared) -> Result<(), ContactPointError> {
        let read = read_schema(shared, &self.connection, Scope::Everything, false).await;
        read.inspect_err(|error| tracing::warn!(%error, "the schema could not be read"))
    }
}

/// Reads what is in the scope, and makes it known. What is switched off is read if `forced`.
async fn read_schema(
    shared: &ClusterShared,
    connection: &Connection,
    scope: Scope<'_>,
    forced: bool,
) -> Result<(), ContactPointError> {
    let everything = shared.wants_schema() || forced;
    if !everything && !shared.wants_tokens() {
        return Ok(());
    }
    let scope = match scope {
        Scope::Everything if !everything => Scope::Keyspaces,
        Scope::Keyspace(name) if !everything => Scope::KeyspaceAlone(name),
        // Replication does not depend on what is in a keyspace.
        Scope::Part(..) if !everything => return Ok(()),
        // There is nothing yet that it could be a part of; or the node makes it up.
        Scope::Part(name, _)
            if shared
                .look()
                .schema()
                .keyspace(name)
                .is_none_or(|ks| ks.is_virtual()) =>
        {
            Scope::Keyspace(name)
        }
        scope => scope,
    };
    let all = matches!(scope, Scope::Everything);
    let old = || shared.state().schema().clone();
    let read = schema::read(connection, scope, shared.config.control_timeout, old).await;
    shared.publish_schema(read.map_err(|error| not_read(connection, &error))?, all);
    Ok(())
}

fn not_read(connection: &Connection, reason: &dyn std::fmt::Display) -> ContactPointError {
    ContactPointError::Discovery {
        endpoint: connection.endpoint().to_string(),
        reason: reason.to_string(),
    }
}

/// Asks for the nodes, and says how they are reached.
pub(super) async fn read_nodes(
    shared: &ClusterShared,
    connection: &Connection,
) -> Result<Discovered, ContactPointError> {
    let discovered = discover(connection, &shared.config).await;
    let mut discovered = discovered.map_err(|error| not_read(connection, &error))?;
    let expected = shared.look().cluster_name().map(str::to_owned);
    if expected.is_some() && expected != discovered.cluster_name {
        let reason = format!(
            "belongs to the cluster {:?}, not to {:?}",
            discovered.cluster_name.unwrap_or_default(),
            expected.unwrap_or_default()
        );
        return Err(not_read(connection, &reason));
    }
    discovered.find_endpoints(&shared.config).await;
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
        let useless = opened.connection.endpoint().clone();
        match reopen(&shared, &mut inbox, waiting, pause, &useless).await {
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
    let interval = shared.upgrade()?.config.refresh_interval;
    let later = |time: Duration| Instant::now() + time;
    let mut periodic = interval.map(later);
    let mut gathered = Gathered::default();
    shared.upgrade()?.set_control_connection(connection);
    loop {
        let next = [periodic, gathered.due()].into_iter().flatten().min();
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
                match event {
                    Some(Heard::Event(event)) => gathered.take_in(&shared, event),
                    Some(Heard::SomeWereLost) => gathered.take_in_loss(&shared),
                    None => {}
                }
                continue;
            }
            () = timer => None,
        };
        let shared = shared.upgrade()?;
        let (wanted, forced, done) = match command {
            Some(Command { what, forced, done }) => (Gathered::only(what), forced, Some(done)),
            None => {
                let mut due = gathered.take(&shared);
                if periodic.is_some_and(|time| time <= Instant::now()) {
                    due.nodes = true;
                    periodic = interval.map(later);
                }
                (due, false, None)
            }
        };
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

/// Opens another control connection, as long as it takes; `None` when the cluster is gone.
async fn reopen(
    weak: &Weak<ClusterShared>,
    inbox: &mut mpsc::UnboundedReceiver<Command>,
    mut waiting: Waiting,
    pause: bool,
    useless: &Endpoint,
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
        let mut opened = open(&shared, Some(useless)).await;
        let mut read = opened.as_ref().map(drop).map_err(Vec::clone);
        if let Ok(opened) = &mut opened {
            opened.publish(&shared);
            // Without the schema it still is one that watches the nodes.
            read = opened.read_schema(&shared).await.map_err(|error| vec![error]);
        }
        for done in waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(read.clone());
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
