//! Requests that a thread submits one after the other, and that leave together.
//!
//! Between two runtimes there is no end of a batch that the I/O task could see: a thread outside of it that works off many
//! answers, and sends a request for each, would wake it for every few of them. Such a thread holds instead: what it submits
//! stays in the outbox until it says so, until [`FULL`] bytes are there, or until somebody else writes to the connection.
//! Invariant: a connection with `held` set in its outbox is in the list of a [`Hold`], whose [`watch`](Hold::watch) releases
//! it when the thread does not.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::shared::Shared;

/// So many bytes leave at once.
pub(super) const FULL: usize = 4 * 1024;

thread_local! {
    /// Where connections are noted that this thread submits to, if it holds.
    static HOLDS: Cell<Option<&'static Hold>> = const { Cell::new(None) };
}

/// Connections whose requests wait for others.
#[derive(Default)]
pub struct Hold {
    connections: Mutex<Vec<Arc<Shared>>>,
    noted: Notify,
}

impl Hold {
    /// Nothing held.
    pub fn new() -> Self {
        Self::default()
    }

    /// From here on the calling thread holds what it submits.
    pub fn begin(&'static self) {
        HOLDS.set(Some(self));
    }

    /// The calling thread holds no longer.
    pub fn end(&self) {
        HOLDS.set(None);
        self.release();
    }

    /// Writes what is held.
    pub fn release(&self) {
        let connections = std::mem::take(&mut *self.connections());
        for connection in connections {
            connection.release();
        }
    }

    /// Writes what has been held for `limit`, for as long as it is polled.
    pub async fn watch(&self, limit: Duration) {
        loop {
            self.noted.notified().await;
            tokio::time::sleep(limit).await;
            self.release();
        }
    }

    fn note(&self, connection: Arc<Shared>) {
        self.connections().push(connection);
        // Wakes nobody while the limit of an earlier one runs.
        self.noted.notify_one();
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Arc<Shared>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the calling thread holds what it submits.
pub(super) fn is_on() -> bool {
    HOLDS.get().is_some()
}

/// Writes what the calling thread holds: it is about to wait.
pub fn release_held() {
    if let Some(hold) = HOLDS.get() {
        hold.release();
    }
}

/// The calling thread is that of a child made by `fork`: what it held is its parent's to send.
pub fn forget_held() {
    HOLDS.set(None);
}

impl Shared {
    /// Notes that its outbox has got the first request that is held.
    pub(super) fn hold(self: &Arc<Self>) {
        match HOLDS.get() {
            Some(hold) => hold.note(self.clone()),
            None => self.release(),
        }
    }

    /// Writes what was held, on this thread.
    fn release(&self) {
        let mut outbox = self.outbox();
        outbox.held = false;
        if outbox.scheduled || (outbox.buffer.is_empty() && !outbox.undrained) {
            return;
        }
        let writer = if outbox.blocked {
            None
        } else {
            outbox.take_loaded_writer()
        };
        match writer {
            Some(writer) => {
                drop(outbox);
                self.write_at_once(writer);
            }
            None => {
                outbox.scheduled = true;
                drop(outbox);
                self.io_task.0.wake();
            }
        }
    }
}
