//! The connections of one or several sessions to one node: a published list, kept full by one task.
//!
//! Which sessions those are is the business of the [`Registry`].
//! Requests only read the list, and take the less busy of two connections. A connection that is lost is
//! replaced after a delay that grows with each failure; one that is worn out (too many overdue answers) is replaced first
//! and drained then.

mod backoff;
mod health;
mod keeper;
mod line;
mod pages;
mod registry;
mod size;

pub(crate) use line::{InLine, WaitingRoom};
pub(crate) use registry::Registry;
pub(crate) use size::{Limits, PoolConfig};

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use helenus_protocol::EncodeError;
use tokio::sync::{Notify, watch};

use crate::ask::{AskError, query};
use crate::clock::Moment;
use crate::cluster::Node;
use crate::connection::{
    CloseReason, ConnectError, Connection, ConnectionConfig, EncodeContext, Lend, Nothing, Owner,
    PendingResponse, SubmitError,
};
use crate::error::AttemptError;
use crate::observe::PoolMeter;
use crate::policy::{Demotion, NodeLoad, ReconnectionPolicy};
use crate::shard;
use health::Health;
use line::Line;

/// When somebody looks again who waits for the answers to one of several sessions; twice as long each time, up to the last.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
const LOOK_LAST: Duration = Duration::from_millis(50);

pub(crate) struct Pool {
    node: Arc<Node>,
    connections: ArcSwap<Vec<Connection>>,
    /// Connections that were taken off the list and still wait for answers. Changed with the list.
    retired: Mutex<Vec<Connection>>,
    /// What new connections are to be like. Guards changes of the list, too.
    config: Mutex<Arc<ConnectionConfig>>,
    /// What its connections are counted in.
    meter: Arc<PoolMeter>,
    limits: Mutex<Limits>,
    /// A connection with more requests in flight has the keeper open another one; the largest number when it may not.
    grow_at: AtomicUsize,
    /// The keeper was told.
    crowded: AtomicBool,
    line: Line,
    /// Told when connections come and go.
    changed: Notify,
    reconnection: Arc<dyn ReconnectionPolicy>,
    /// Wakes the keeper.
    wake: Notify,
    /// Do not wait for the end of the delay.
    hurry: AtomicBool,
    closed: AtomicBool,
    health: Health,
    /// There was no connection though one was wanted, or the node is newer than the session.
    was_down: AtomicBool,
    /// The attempt to open a connection that began last; they are numbered from 1.
    attempt: AtomicU64,
    /// The last one that failed.
    failed_attempt: AtomicU64,
    progress: watch::Sender<Attempts>,
    on_up: OnUp,
}

/// Told when a node came up, other than at the start of the session; by the keeper, within the runtime.
pub(crate) type OnUp = Box<dyn Fn(&Arc<Pool>) + Send + Sync>;

/// What became of attempts to open connections.
#[derive(Debug, Default)]
struct Attempts {
    /// Those of the first connection.
    first: Progress,
    /// The last attempt that has ended, and what became of it.
    last: (u64, Progress),
}

/// How the first connection of a pool came along, or the first one since somebody has joined it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Progress {
    /// It is being opened.
    #[default]
    Opening,
    /// There was one.
    Opened,
    /// There is none, because.
    Failed(ConnectError),
}

/// Whether a connection was put on the list.
enum Added {
    Yes,
    /// The pool was closed.
    Closed,
    /// First it has to switch to this keyspace.
    OtherKeyspace(String),
}

impl Pool {
    /// A pool whose connections are opened by a task on the current runtime. A node is a `newcomer` when the session was there
    /// before it.
    pub(crate) fn spawn(
        node: Arc<Node>,
        limits: Limits,
        config: Arc<ConnectionConfig>,
        meter: Arc<PoolMeter>,
        reconnection: Arc<dyn ReconnectionPolicy>,
        newcomer: bool,
        on_up: OnUp,
    ) -> Arc<Self> {
        let pool = Arc::new(Self {
            node,
            connections: ArcSwap::default(),
            retired: Mutex::default(),
            config: Mutex::new(config),
            meter,
            limits: Mutex::new(limits),
            grow_at: AtomicUsize::new(usize::MAX),
            crowded: AtomicBool::new(false),
            line: Line::default(),
            changed: Notify::new(),
            reconnection,
            wake: Notify::new(),
            hurry: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            health: Health::new(crate::clock::now()),
            was_down: AtomicBool::new(newcomer),
            attempt: AtomicU64::new(0),
            failed_attempt: AtomicU64::new(0),
            progress: watch::Sender::default(),
            on_up,
        });
        tokio::spawn(keeper::keep(Arc::clone(&pool)));
        pool
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// What its connections are counted in.
    pub(crate) fn meter(&self) -> &Arc<PoolMeter> {
        &self.meter
    }

    /// Sends a request on one of the less busy connections; on another one if that cannot take it. Unless it is the turn of
    /// this request it is refused while others wait in line.
    #[inline]
    pub(crate) fn submit<E>(
        &self,
        owner: Owner,
        in_turn: bool,
        deadline: Option<Moment>,
        encode: E,
    ) -> Result<PendingResponse, AttemptError>
    where
        E: Fn(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        let mut sent = None;
        self.submit_lending(owner, in_turn, deadline, &Nothing, encode, &mut sent)?;
        // It is there.
        sent.ok_or(AttemptError::NoConnection)
    }

    /// The same, of a request whose values may be written from where they are, and whose answer is waited for in a certain
    /// place: see [`Connection::submit_lending`].
    pub(crate) fn submit_lending<E>(
        &self,
        owner: Owner,
        in_turn: bool,
        deadline: Option<Moment>,
        lent: &impl Lend,
        encode: E,
        into: &mut Option<PendingResponse>,
    ) -> Result<(), AttemptError>
    where
        E: Fn(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        if !in_turn && !self.line.is_empty() {
            return Err(AttemptError::NotSent(SubmitError::StreamsExhausted));
        }
        let connections = self.connections.load();
        let grow_at = self.grow_at.load(Ordering::Relaxed);
        let refused = match connections.as_slice() {
            [] => return Err(AttemptError::NoConnection),
            [only] => {
                if grow_at != usize::MAX && only.in_flight() > grow_at {
                    self.report_crowded();
                }
                match only.submit_lending(owner, deadline, lent, &encode, into) {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                }
            }
            several => {
                match self.submit_to_one_of(several, grow_at, (owner, deadline), lent, &encode, into) {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                }
            }
        };
        Err(match refused {
            SubmitError::Closed(_) | SubmitError::Draining => AttemptError::NoConnection,
            other => AttemptError::NotSent(other),
        })
    }

    /// Tries the less busy of two first, then the others. One of the two is the connection of this thread, which it prefers:
    /// to look at all of them would be to read what every other core is writing.
    fn submit_to_one_of<E>(
        &self,
        connections: &[Connection],
        grow_at: usize,
        (owner, deadline): (Owner, Option<Moment>),
        lent: &impl Lend,
        encode: &E,
        into: &mut Option<PendingResponse>,
    ) -> Result<(), SubmitError>
    where
        E: Fn(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        let (mine, other) = two_of(connections.len());
        let busy = |index: usize| {
            let connection = connections.get(index);
            connection.map_or((true, 0), |connection| {
                (!connection.is_open(), connection.in_flight())
            })
        };
        let (of_mine, of_other) = (busy(mine), busy(other));
        let (first, (_, in_flight)) = match of_other < of_mine {
            true => (other, of_other),
            false => (mine, of_mine),
        };
        if in_flight > grow_at {
            self.report_crowded();
        }
        let (before, from) = connections.split_at(first);
        let mut refused = None;
        for connection in from.iter().chain(before) {
            match connection.submit_lending(owner, deadline, lent, encode, into) {
                Ok(()) => return Ok(()),
                Err(error @ SubmitError::Encode(_)) => return Err(error),
                // A full one will have room again.
                Err(error @ (SubmitError::StreamsExhausted | SubmitError::WriteBufferFull)) => {
                    refused = Some(error);
                }
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or(SubmitError::Draining))
    }

    /// Has the keeper open another connection, if it can.
    #[cold]
    fn report_crowded(&self) {
        if !self.crowded.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the pool is to be of this size.
    pub(crate) fn set_limits(&self, limits: Limits) {
        let old = std::mem::replace(
            &mut *self.limits.lock().unwrap_or_else(PoisonError::into_inner),
            limits,
        );
        if old != limits {
            self.wake.notify_one();
        }
    }

    /// How many requests are not answered yet.
    pub(crate) fn in_flight(&self) -> usize {
        let connections = self.connections.load();
        connections.iter().map(|connection| connection.in_flight()).sum()
    }

    /// How the node does, as far as its connections show.
    #[inline]
    pub(crate) fn load(&self) -> NodeLoad {
        let connections = self.connections.load();
        let (mut in_flight, mut answers, mut open) = (0, 0_u64, false);
        for connection in connections.iter() {
            in_flight += connection.in_flight();
            answers = answers.wrapping_add(connection.answers());
            open |= connection.is_open();
        }
        let demotion = match open {
            true => self.health.demotion(in_flight, answers, crate::clock::now),
            false => Some(Demotion::Unconnected),
        };
        let latency = self.health.latency(in_flight, answers, crate::clock::now);
        NodeLoad {
            in_flight,
            latency,
            demotion,
        }
    }

    /// The connection with the fewest requests in flight, for requests of the driver itself.
    pub(crate) fn connection(&self) -> Option<Connection> {
        let connections = self.connections.load();
        let open = connections.iter().filter(|connection| connection.is_open());
        open.min_by_key(|connection| connection.in_flight()).cloned()
    }

    /// The open connections.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        let connections = self.connections.load();
        connections
            .iter()
            .filter(|connection| connection.is_open())
            .cloned()
            .collect()
    }

    /// The attempt to open a connection that began last. Whoever joins the pool waits for one that begins after that.
    pub(crate) fn attempt(&self) -> u64 {
        self.attempt.load(Ordering::Acquire)
    }

    /// How far it has come, for somebody who uses it since the attempt of this number.
    pub(crate) fn progress(&self, since: u64) -> Progress {
        self.progress_of(&self.progress.borrow(), since)
    }

    fn progress_of(&self, attempts: &Attempts, since: u64) -> Progress {
        match &attempts.last {
            _ if since == 0 => attempts.first.clone(),
            _ if self.connection().is_some() => Progress::Opened,
            (number, progress) if *number > since => progress.clone(),
            _ => Progress::Opening,
        }
    }

    /// Waits until the first connection is there, or failed to be.
    pub(crate) async fn first_progress(&self, since: u64) -> Progress {
        let mut attempts = self.progress.subscribe();
        let done = attempts
            .wait_for(|attempts| !matches!(self.progress_of(attempts, since), Progress::Opening))
            .await;
        // The sender lives as long as this borrow.
        done.map(|attempts| self.progress_of(&attempts, since))
            .unwrap_or_default()
    }

    /// Waits until there are as many connections as there are to be at least, or one could not be opened.
    pub(crate) async fn is_full(&self, since: u64) -> Progress {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before the look, so that nothing is missed.
            changed.as_mut().enable();
            let progress = self.progress(since);
            let done = match progress {
                Progress::Opening => false,
                Progress::Failed(_) => true,
                Progress::Opened => {
                    let enough = self.connections.load().len() >= self.limits().min;
                    enough || self.failed_attempt.load(Ordering::Acquire) > since || self.is_closed()
                }
            };
            if done {
                return progress;
            }
            changed.await;
        }
    }

    /// Tries again now to open what is missing.
    pub(crate) fn hurry(&self) {
        self.hurry.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// All connections switch to this keyspace, and new ones start with it. Those that do not switch are closed.
    pub(crate) async fn use_keyspace(&self, keyspace: &str, limit: Duration) -> Result<(), AskError> {
        let connections = {
            let mut config = self.lock_config();
            *config = Arc::new(ConnectionConfig {
                keyspace: Some(keyspace.to_owned()),
                ..ConnectionConfig::clone(&config)
            });
            self.connections.load_full()
        };
        let text = format!("USE {}", quote(keyspace));
        let switch = connections.iter().map(|connection| {
            let text = &text;
            async move {
                let switched = query(connection, text, limit).await;
                if let Err(error) = &switched {
                    tracing::debug!(node = %self.node, %error, "connection cannot use the keyspace");
                    connection.close(CloseReason::KeyspaceNotSet);
                }
                switched.map(drop)
            }
        });
        futures_util::future::join_all(switch).await.into_iter().collect()
    }

    /// Takes no more requests, waits at most `limit` for those in flight, and closes.
    pub(crate) async fn close(&self, reason: CloseReason, limit: Duration) {
        let connections = self.end();
        let drain = connections
            .iter()
            .map(|connection| connection.drain(reason, limit));
        futures_util::future::join_all(drain).await;
    }

    /// Takes no more requests. Connections, retired ones as well, close when nobody waits any more.
    pub(crate) fn end(&self) -> Vec<Connection> {
        self.closed.store(true, Ordering::Release);
        self.wake.notify_one();
        let guard = self.lock_config();
        let mut connections = Vec::clone(&self.connections.swap(Arc::default()));
        connections.append(&mut self.lock_retired());
        drop(guard);
        self.changed.notify_waiters();
        connections
    }

    /// Waits until none of this owner's requests is waited for any more.
    pub(crate) async fn has_answered(&self, owner: Owner) {
        // Nobody tells when one of several sessions has been answered, so that no answer has to look whose it is.
        let mut delay = LOOK_AGAIN;
        let waits = |connection: &Connection| connection.waits_for(owner) > 0;
        while self.every_connection().iter().any(waits) {
            tokio::time::sleep(delay).await;
            delay = (2 * delay).min(LOOK_LAST);
        }
    }

    /// Requests of this owner that are not answered fail; others go on.
    pub(crate) fn evict(&self, owner: Owner) {
        for connection in self.every_connection() {
            connection.evict(owner);
        }
    }

    /// Retired ones as well.
    fn every_connection(&self) -> Vec<Connection> {
        let _guard = self.lock_config();
        let mut connections = Vec::clone(&self.connections.load());
        connections.extend(self.lock_retired().iter().cloned());
        connections
    }

    /// A session uses it from now on that was there before the node: what it has prepared, the node may not know.
    pub(crate) fn joined_by_older(self: &Arc<Self>) {
        match self.connection() {
            Some(_) => (self.on_up)(self),
            None => self.was_down.store(true, Ordering::Relaxed),
        }
    }

    /// Puts a connection that works in `keyspace` on the list.
    fn add(&self, connection: &Connection, keyspace: Option<&str>) -> Added {
        let config = self.lock_config();
        if self.is_closed() {
            return Added::Closed;
        }
        match &config.keyspace {
            Some(current) if keyspace != Some(current) => Added::OtherKeyspace(current.clone()),
            _ => {
                let mut list = Vec::clone(&self.connections.load());
                list.push(connection.clone());
                self.connections.store(Arc::new(list));
                self.changed.notify_waiters();
                Added::Yes
            }
        }
    }

    /// No connection could be opened, or one that was opened could not be used.
    fn failed(&self, error: Option<ConnectError>) {
        if let Some(error) = error {
            self.progress.send_modify(|attempts| {
                if !matches!(attempts.first, Progress::Opened) {
                    attempts.first = Progress::Failed(error.clone());
                }
                attempts.last = (self.attempt(), Progress::Failed(error));
            });
        }
        self.failed_attempt.store(self.attempt(), Ordering::Release);
        self.changed.notify_waiters();
        if self.connections.load().is_empty() {
            self.went_down();
        }
    }

    /// A connection was opened and put on the list.
    fn opened(&self) {
        self.progress.send_modify(|attempts| {
            attempts.first = Progress::Opened;
            attempts.last = (self.attempt(), Progress::Opened);
        });
        self.changed.notify_waiters();
    }

    /// Whether it had connections and lost them.
    fn was_down(&self) -> bool {
        self.was_down.load(Ordering::Relaxed)
    }

    /// There is a connection now.
    fn came_up(self: &Arc<Self>) {
        let was_down = self.was_down.swap(false, Ordering::Relaxed);
        if was_down {
            self.health.came_up(crate::clock::now());
        }
        self.node.set_up(true);
        if was_down {
            (self.on_up)(self);
        }
    }

    /// There is no connection any more, or none yet.
    fn went_down(&self) {
        self.was_down.store(true, Ordering::Relaxed);
        self.node.set_up(false);
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn lock_config(&self) -> std::sync::MutexGuard<'_, Arc<ConnectionConfig>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_retired(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the list, unless the pool was closed.
    fn change(&self, change: impl FnOnce(&mut Vec<Connection>)) {
        let _guard = self.lock_config();
        if self.is_closed() {
            return;
        }
        let mut list = Vec::clone(&self.connections.load());
        change(&mut list);
        self.connections.store(Arc::new(list));
        self.changed.notify_waiters();
    }
}

/// Two different numbers below `count`, which is at least 2: one that stays with the thread, and each of the others in turn.
fn two_of(count: usize) -> (usize, usize) {
    thread_local! {
        static TURN: Cell<usize> = const { Cell::new(0) };
    }
    let mine = shard::number_of_thread() % count;
    let turn = TURN.try_with(|turn| turn.replace(turn.get().wrapping_add(1)));
    (mine, (mine + 1 + turn.unwrap_or(0) % (count - 1)) % count)
}

/// A name as CQL writes it when its case matters.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_connections_are_looked_at_of_which_one_stays_and_the_others_take_turns() {
        for count in 2..9 {
            let pairs: Vec<_> = (1..count).map(|_| two_of(count)).collect();
            assert!(pairs.iter().all(|(mine, _)| *mine == pairs[0].0 && *mine < count));
            let mut others: Vec<_> = pairs.iter().map(|(_, other)| *other).collect();
            others.sort_unstable();
            assert_eq!(
                others,
                (0..count)
                    .filter(|index| *index != pairs[0].0)
                    .collect::<Vec<_>>()
            );
        }
    }
}
