//! Waiting for room: requests that no node could take at once stand in line, the first to come the first to go.
//!
//! Each pool has a line of its own; a request stands in those of all nodes that it may go to, and takes the first turn that
//! it gets. While anybody stands there, newcomers are refused, or they would take the room of those who wait. How many may
//! stand in line is limited for the whole session, so that memory stays bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Pool;

/// Those who wait for a node.
#[derive(Debug, Default)]
pub(super) struct Line {
    turn: Arc<Mutex<()>>,
    waiting: AtomicUsize,
}

impl Line {
    /// Whether somebody stands there.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

/// A place in the line of a pool; its end leaves the line.
pub(crate) struct InLine {
    pool: Arc<Pool>,
    turn: Option<OwnedMutexGuard<()>>,
}

impl InLine {
    /// At the end of the line.
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        pool.line.waiting.fetch_add(1, Ordering::Relaxed);
        Self {
            pool: Arc::clone(pool),
            turn: None,
        }
    }

    /// Waits until it is this request's turn and there is room, or no connection any more. Whoever tries then and is refused
    /// may wait again, and keeps the turn.
    ///
    /// # Cancel safety
    /// Dropping the future loses the place.
    pub(crate) async fn wait(mut self) -> Self {
        if self.turn.is_none() {
            let turn = Arc::clone(&self.pool.line.turn);
            self.turn = Some(turn.lock_owned().await);
        }
        self.pool.room().await;
        self
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.pool.line.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pool {
    /// Waits until one of the connections has room, or there is none.
    async fn room(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before the look, so that nothing is missed.
            changed.as_mut().enable();
            let list = self.connections.load_full();
            let open = list.iter().filter(|connection| connection.is_open());
            let mut rooms: FuturesUnordered<_> = open.map(|connection| connection.room()).collect();
            if rooms.is_empty() {
                return;
            }
            tokio::select! {
                _ = rooms.next() => return,
                () = changed => {}
            }
        }
    }
}

/// How many requests of a session stand in line, and may.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    limit: usize,
    waiting: AtomicUsize,
}

impl WaitingRoom {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            waiting: AtomicUsize::new(0),
        }
    }

    /// A seat; `None` when all are taken.
    pub(crate) fn enter(&self) -> Option<Seat<'_>> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Some(Seat(self));
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        None
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Seats that are taken.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed).min(self.limit)
    }
}

/// A seat in a waiting room, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat<'a>(&'a WaitingRoom);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_limited_and_given_back() {
        let room = WaitingRoom::new(2);
        let first = room.enter();
        let second = room.enter();
        assert!(first.is_some() && second.is_some() && room.enter().is_none());
        drop(first);
        assert!(room.enter().is_some());
        assert!(WaitingRoom::new(0).enter().is_none());
    }
}
