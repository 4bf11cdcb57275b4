//! What events said since the last time that something was read.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{Event, SchemaChange, SchemaChangeTarget, StatusChange};
use tokio::time::Instant;
use uuid::Uuid;

use super::{What, read_nodes, read_schema};
use crate::cluster::{ClusterShared, Node};
use crate::connection::Connection;
use crate::error::ContactPointError;
use crate::schema::{Part, Scope};

/// With more changes in a keyspace than this all of it is read.
const MAX_PARTS: usize = 16;

/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What is to be read anew, and whom to connect to.
#[derive(Default)]
pub(super) struct Gathered {
    /// When the nodes are to be read, if it is not now.
    nodes_due: Option<Instant>,
    /// When what changed of the schema is.
    schema_due: Option<Instant>,
    /// When nodes that were said to be up again are connected to.
    up_due: Option<Instant>,
    pub(super) nodes: bool,
    schema: bool,
    keyspaces: BTreeMap<String, Changed>,
    /// Nodes that were said to be up, and when they were last connected to for that.
    hurried: HashMap<Uuid, Instant>,
    /// Those that were said to be up again since then.
    up_again: BTreeSet<Uuid>,
}

/// What of a keyspace.
enum Changed {
    All,
    Parts(BTreeSet<Part>),
}

/// Has something done after a delay, unless it is to be done before.
fn later(due: &mut Option<Instant>, delay: Duration) {
    due.get_or_insert_with(|| Instant::now() + delay.min(FOREVER));
}

/// Whether the time has come; then there is no other.
fn is_over(due: &mut Option<Instant>) -> bool {
    due.take_if(|due| *due <= Instant::now()).is_some()
}

impl What {
    /// What a change of the schema is about.
    pub(in crate::cluster) fn changed(change: SchemaChange) -> Self {
        let part = match change.target {
            SchemaChangeTarget::Table { name } => Part::Table(name),
            SchemaChangeTarget::Type { name } => Part::Type(name),
            SchemaChangeTarget::Function { name, .. } => Part::Function(name),
            SchemaChangeTarget::Aggregate { name, .. } => Part::Aggregate(name),
            _ => return Self::Keyspace(change.keyspace),
        };
        Self::Part(change.keyspace, part)
    }
}

impl Gathered {
    pub(super) fn only(what: What) -> Self {
        let mut gathered = Self::default();
        gathered.add(what);
        gathered
    }

    fn add(&mut self, what: What) {
        match what {
            What::Nodes => self.nodes = true,
            What::Schema => self.schema = true,
            What::Keyspace(name) => {
                self.keyspaces.insert(name, Changed::All);
            }
            What::Part(keyspace, part) => {
                let changed = self.keyspaces.entry(keyspace);
                let changed = changed.or_insert_with(|| Changed::Parts(BTreeSet::new()));
                if let Changed::Parts(parts) = changed {
                    parts.insert(part);
                    if parts.len() > MAX_PARTS {
                        *changed = Changed::All;
                    }
                }
            }
        }
    }

    /// When something is to be done.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.nodes_due, self.schema_due, self.up_due]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes out what is due, and connects to the nodes that were said to be up again.
    pub(super) fn take(&mut self, shared: &ClusterShared) -> Self {
        let mut taken = Self::default();
        if is_over(&mut self.up_due) {
            let state = shared.look();
            for id in std::mem::take(&mut self.up_again) {
                if let Some(node) = state.node(id) {
                    self.hurried.insert(id, Instant::now());
                    shared.node_is_up(node);
                }
            }
        }
        taken.nodes = is_over(&mut self.nodes_due);
        if is_over(&mut self.schema_due) {
            taken.keyspaces = std::mem::take(&mut self.keyspaces);
            taken.schema = std::mem::take(&mut self.schema);
        }
        taken
    }

    /// Notes what an event leaves to be done.
    pub(super) fn take_in(&mut self, shared: &ClusterShared, event: Event) {
        tracing::debug!(?event, "event");
        let delays = shared.config.refresh_delays;
        match event {
            Event::SchemaChange(change) => {
                shared.tell_statements(&change);
                if let Some(delay) = delays.schema
                    && (shared.wants_schema() || shared.wants_tokens())
                {
                    self.add(What::changed(change));
                    later(&mut self.schema_due, delay);
                }
            }
            Event::TopologyChange { .. } => {
                if let Some(delay) = delays.topology {
                    later(&mut self.nodes_due, delay);
                }
            }
            Event::StatusChange { change, address } => {
                let Some(delay) = delays.status else { return };
                let state = shared.look();
                let is_it = |node: &&Arc<Node>| [node.rpc_address(), node.address()].contains(&Some(address));
                match state.nodes().iter().find(is_it) {
                    Some(node) if change == StatusChange::Up => self.node_is_up(shared, node, delay),
                    // Whoever is connected to it knows better; see `Node::is_up`.
                    Some(node) if !shared.is_wanted(node) => node.set_up(false),
                    Some(_) => {}
                    None => later(&mut self.nodes_due, delay),
                }
            }
            _ => {}
        }
    }

    /// Some events were lost. Whatever they may have said is looked for.
    pub(super) fn take_in_loss(&mut self, shared: &ClusterShared) {
        tracing::warn!("too many events at once: everything is read again");
        let delays = shared.config.refresh_delays;
        match delays.schema {
            Some(delay) if shared.wants_schema() || shared.wants_tokens() => {
                self.add(What::Schema);
                later(&mut self.schema_due, delay);
            }
            _ => {}
        }
        // Who reads the tables again is told which of them changed.
        if delays.schema.is_none() || !shared.wants_schema() {
            shared.tell_statements_anything();
        }
        if let Some(delay) = delays.topology.or(delays.status) {
            later(&mut self.nodes_due, delay);
        }
        if let Some(delay) = delays.status {
            for node in shared.state().nodes().iter() {
                if node.is_up() != Some(true) {
                    self.node_is_up(shared, node, delay);
                }
            }
        }
    }

    fn node_is_up(&mut self, shared: &ClusterShared, node: &Arc<Node>, delay: Duration) {
        let (id, now) = (node.host_id(), Instant::now());
        let just_now = |last: &Instant| now.duration_since(*last) < delay;
        if self.hurried.get(&id).is_some_and(just_now) {
            self.up_again.insert(id);
            later(&mut self.up_due, delay);
            return;
        }
        self.hurried.insert(id, now);
        shared.node_is_up(node);
    }

    pub(super) async fn read(
        self,
        shared: &ClusterShared,
        connection: &Connection,
        forced: bool,
    ) -> Result<(), ContactPointError> {
        if self.nodes {
            let discovered = read_nodes(shared, connection).await?;
            shared.publish(connection.version(), &discovered);
        }
        if self.schema {
            return read_schema(shared, connection, Scope::Everything, forced).await;
        }
        for (name, changed) in &self.keyspaces {
            match changed {
                Changed::All => read_schema(shared, connection, Scope::Keyspace(name), forced).await?,
                Changed::Parts(parts) => {
                    for part in parts {
                        read_schema(shared, connection, Scope::Part(name, part), forced).await?;
                    }
                }
            }
        }
        Ok(())
    }
}
