//! The task that keeps a pool at its size: replaces what is lost or worn out, opens more under load, closes what is not needed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::backoff::{Backoff, Retry};
use super::size::Size;
use super::{Added, Pool, quote};
use crate::ask::query;
use crate::cluster::{NodeFailure, identity};
use crate::connection::{CloseReason, ConnectError, Connection};

/// How long a connection that is replaced, or not needed any more, may wait for its answers.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// Runs until the pool is closed.
pub(super) async fn keep(pool: Arc<Pool>) {
    let mut backoff = Backoff::new(Arc::clone(&pool.reconnection));
    let mut size = Size::default();
    loop {
        if remove_ended(&pool) {
            backoff.lost(Instant::now());
        }
        if pool.is_closed() {
            return;
        }
        if pool.hurry.swap(false, Ordering::AcqRel) {
            backoff.hurry();
        }
        let now = Instant::now();
        let limits = pool.limits();
        let list = pool.connections.load_full();
        let fresh = list.iter().filter(|connection| !connection.is_worn_out()).count();
        let may_open = backoff.is_over(now);
        // Left as it is while nothing can be done about it, so that nobody wakes this task for it again.
        let crowded = may_open && pool.crowded.swap(false, Ordering::AcqRel);
        let wanted = size.update(limits, crowded, pool.in_flight(), now);
        let grow_at = if wanted < limits.max {
            limits.grow_at
        } else {
            usize::MAX
        };
        pool.grow_at.store(grow_at, Ordering::Relaxed);
        let missing = fresh < wanted;
        if missing && may_open {
            // Boxed: what opening takes is given back, of thousands of pools.
            match Box::pin(open(&pool)).await {
                Opening::Opened => backoff.opened(Instant::now()),
                Opening::PoolClosed => return,
                Opening::Failed(error) => {
                    if let Some(error) = &error {
                        pool.node.failed(NodeFailure::NotOpened(error.clone()));
                    }
                    backoff.failed(Instant::now());
                    size.settle_for(fresh, limits);
                    pool.failed(error);
                    if backoff.retry() == Retry::WhenUp {
                        tracing::info!(node = %pool.node, "no more tries to connect until the node is up");
                    }
                }
            }
        } else if !missing && list.len() > wanted {
            retire(&pool, wanted);
        } else {
            let retry_at = match backoff.retry() {
                Retry::At(time) if missing => Some(time),
                // Others may be opened when it is over.
                Retry::At(time) if pool.crowded.load(Ordering::Acquire) => Some(time),
                _ => None,
            };
            let next_look = size.next_look(limits, now);
            let until = [retry_at, next_look].into_iter().flatten().min();
            wait_for_change(&pool, &list, until).await;
        }
    }
}

/// Takes connections off the list that are closed, or will be when their requests are answered; whether any was lost.
fn remove_ended(pool: &Arc<Pool>) -> bool {
    let list = pool.connections.load_full();
    if list.iter().all(Connection::is_open) {
        return false;
    }
    let lost = list.iter().any(Connection::was_lost);
    for error in list.iter().filter_map(Connection::lost_by) {
        pool.node.failed(NodeFailure::Lost(Arc::clone(error)));
    }
    let mut ending = Vec::new();
    pool.change(|list| {
        ending.extend(list.extract_if(.., |connection| !connection.is_open()));
        ending.retain(|connection| !connection.is_closed());
        // Whoever closes the pool finds them here: its limit is theirs, too.
        pool.lock_retired().extend(ending.iter().cloned());
    });
    for connection in ending {
        drain(pool, connection, CloseReason::KeyspaceNotSet);
    }
    if pool.connections.load().is_empty() && !pool.is_closed() {
        pool.went_down();
    }
    lost
}

/// What became of one more connection.
enum Opening {
    Opened,
    /// Not needed any more.
    PoolClosed,
    /// There is none; without an error when it was opened and could not be used.
    Failed(Option<ConnectError>),
}

/// Opens one more connection.
async fn open(pool: &Arc<Pool>) -> Opening {
    pool.attempt.fetch_add(1, Ordering::AcqRel);
    let config = Arc::clone(&pool.lock_config());
    let opened = tokio::select! {
        opened = Connection::open(pool.node.endpoint(), &config) => opened,
        () = closed(pool) => return Opening::PoolClosed,
    };
    let connection = match opened {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(node = %pool.node, %error, "cannot connect");
            return Opening::Failed(Some(error));
        }
    };
    if pool.was_down() {
        let checked = tokio::select! {
            checked = identity::check(&pool.node, &connection) => checked,
            () = closed(pool) => return Opening::PoolClosed,
        };
        if let Err(error) = checked {
            connection.close(CloseReason::NodeRemoved);
            return Opening::Failed(Some(error));
        }
    }
    let mut keyspace = config.keyspace.clone();
    loop {
        match pool.add(&connection, keyspace.as_deref()) {
            Added::Yes => break,
            Added::Closed => {
                connection.close(CloseReason::Shutdown);
                return Opening::PoolClosed;
            }
            Added::OtherKeyspace(other) => {
                let text = format!("USE {}", quote(&other));
                if let Err(error) = query(&connection, &text, config.connect_timeout).await {
                    tracing::debug!(node = %pool.node, %error, "new connection cannot use the keyspace");
                    connection.close(CloseReason::KeyspaceNotSet);
                    return Opening::Failed(None);
                }
                keyspace = Some(other);
            }
        }
    }
    tracing::debug!(node = %pool.node, version = %connection.version(), "connected");
    pool.came_up();
    pool.opened();
    Opening::Opened
}

/// Takes worn-out connections off the list, and the least busy ones of those that are too many; each is closed when nobody
/// waits for it any more.
fn retire(pool: &Arc<Pool>, wanted: usize) {
    let mut retired = Vec::new();
    pool.change(|list| {
        let worn_out = list.extract_if(.., |connection| connection.is_worn_out());
        retired.extend(worn_out.map(|connection| (connection, CloseReason::TooManyOrphans)));
        list.sort_by_key(|connection| std::cmp::Reverse(connection.in_flight()));
        let surplus = list.split_off(wanted.min(list.len()));
        retired.extend(
            surplus
                .into_iter()
                .map(|connection| (connection, CloseReason::Surplus)),
        );
        // Whoever closes the pool finds them here: its limit is theirs, too.
        let connections = retired.iter().map(|(connection, _)| connection.clone());
        pool.lock_retired().extend(connections);
    });
    for (connection, reason) in retired {
        tracing::debug!(node = %pool.node, %reason, orphans = connection.orphans(), "connection is retired");
        drain(pool, connection, reason);
    }
}

/// Closes a connection that was taken off the list, when nobody waits for it any more.
fn drain(pool: &Arc<Pool>, connection: Connection, reason: CloseReason) {
    let pool = Arc::clone(pool);
    tokio::spawn(async move {
        connection.drain(reason, DRAIN_LIMIT).await;
        pool.lock_retired().retain(|connection| !connection.is_closed());
    });
}

/// Waits until a connection is lost or worn out, it is time to look again, or somebody wakes the keeper.
async fn wait_for_change(pool: &Pool, list: &[Connection], until: Option<Instant>) {
    let mut changes: FuturesUnordered<_> = list
        .iter()
        .map(|connection| async move {
            tokio::select! {
                () = connection.ending() => {}
                () = connection.worn_out(), if !connection.is_worn_out() => {}
            }
        })
        .collect();
    let time = async {
        match until {
            Some(time) => sleep_until(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        Some(()) = changes.next() => {}
        () = time => {}
        () = pool.wake.notified() => {}
    }
}

async fn closed(pool: &Pool) {
    while !pool.is_closed() {
        pool.wake.notified().await;
    }
}
