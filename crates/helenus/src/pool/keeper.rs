//! The task that keeps a pool full.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::{Added, Pool, Progress, quote};
use crate::ask::query;
use crate::connection::{CloseReason, ConnectError, Connection};
use crate::policy::ReconnectionSchedule;

/// How long a worn-out connection may wait for its answers after its replacement is there.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// A connection that is lost sooner than this after it was opened counts as one that could not be opened.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Runs until the pool is closed.
pub(super) async fn keep(pool: Arc<Pool>) {
    let mut backoff = Backoff::default();
    loop {
        if remove_closed(&pool) {
            backoff.lost(&pool);
        }
        if pool.is_closed() {
            return;
        }
        if pool.hurry.swap(false, Ordering::AcqRel) {
            backoff.retry_at = None;
        }
        let list = pool.connections.load_full();
        let fresh = list.iter().filter(|connection| !connection.is_worn_out()).count();
        let missing = fresh < pool.size;
        if missing && backoff.retry_at.is_none_or(|time| time <= Instant::now()) {
            match open(&pool).await {
                Ok(()) => backoff.opened(),
                Err(error) => {
                    tracing::debug!(node = %pool.node, %error, "cannot connect");
                    pool.failed(error);
                    backoff.failed(&pool);
                }
            }
        } else if !missing && list.len() > fresh {
            retire_worn_out(&pool);
        } else {
            wait_for_change(&pool, &list, backoff.retry_at.filter(|_| missing)).await;
        }
    }
}

/// When to try again.
#[derive(Default)]
struct Backoff {
    schedule: Option<ReconnectionSchedule>,
    delay: Duration,
    retry_at: Option<Instant>,
    opened_at: Option<Instant>,
}

impl Backoff {
    fn opened(&mut self) {
        self.opened_at = Some(Instant::now());
        self.retry_at = None;
    }

    /// After a connection was lost: at once, unless it had just been opened.
    fn lost(&mut self, pool: &Pool) {
        match self.opened_at {
            Some(time) if time.elapsed() < SHORT_LIFE => self.failed(pool),
            _ => self.schedule = None,
        }
    }

    fn failed(&mut self, pool: &Pool) {
        let schedule = self.schedule.get_or_insert_with(|| pool.reconnection.schedule());
        self.delay = schedule.next().unwrap_or(self.delay);
        self.retry_at = Some(Instant::now() + self.delay);
    }
}

/// Takes closed connections off the list; whether there were any.
fn remove_closed(pool: &Pool) -> bool {
    if pool.connections.load().iter().all(Connection::is_open) {
        return false;
    }
    pool.change(|list| list.retain(Connection::is_open));
    if pool.connections.load().is_empty() && !pool.is_closed() {
        pool.went_down();
    }
    true
}

/// Opens one more connection.
async fn open(pool: &Pool) -> Result<(), ConnectError> {
    let config = Arc::clone(&pool.lock_config());
    let connection = tokio::select! {
        connection = Connection::open(pool.node.endpoint(), &config) => connection?,
        () = closed(pool) => return Ok(()),
    };
    let mut keyspace = config.keyspace.clone();
    loop {
        match pool.add(&connection, keyspace.as_deref()) {
            Added::Yes => break,
            Added::Closed => {
                connection.close(CloseReason::Shutdown);
                return Ok(());
            }
            Added::OtherKeyspace(other) => {
                let text = format!("USE {}", quote(&other));
                if let Err(error) = query(&connection, &text, config.connect_timeout).await {
                    tracing::debug!(node = %pool.node, %error, "new connection cannot use the keyspace");
                    connection.close(CloseReason::KeyspaceNotSet);
                    return Ok(());
                }
                keyspace = Some(other);
            }
        }
    }
    tracing::debug!(node = %pool.node, version = %connection.version(), "connected");
    pool.came_up();
    pool.progress.send_replace(Progress::Opened);
    Ok(())
}

/// Takes worn-out connections off the list, and closes each when nobody waits for it any more.
fn retire_worn_out(pool: &Pool) {
    let mut retired = Vec::new();
    pool.change(|list| {
        retired.extend(list.extract_if(.., |connection| connection.is_worn_out()));
    });
    for connection in retired {
        tracing::debug!(node = %pool.node, orphans = connection.orphans(), "connection is replaced");
        tokio::spawn(async move { connection.drain(CloseReason::TooManyOrphans, DRAIN_LIMIT).await });
    }
}

/// Waits until a connection is lost or worn out, it is time to try again, or somebody wakes the keeper.
async fn wait_for_change(pool: &Pool, list: &[Connection], retry_at: Option<Instant>) {
    let mut changes: FuturesUnordered<_> = list
        .iter()
        .map(|connection| async move {
            tokio::select! {
                _ = connection.closed() => {}
                () = connection.worn_out(), if !connection.is_worn_out() => {}
            }
        })
        .collect();
    let retry = async {
        match retry_at {
            Some(time) => sleep_until(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        Some(()) = changes.next() => {}
        () = retry => {}
        () = pool.wake.notified() => {}
    }
}

async fn closed(pool: &Pool) {
    while !pool.is_closed() {
        pool.wake.notified().await;
    }
}
