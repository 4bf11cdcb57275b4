//! A request that waits for its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use helenus_protocol::{Envelope, StreamId};

use super::error::{AttemptFailure, CloseReason};
use super::shared::Shared;
use super::slab::{Cancelled, Outcome};
use super::unseen;
use crate::clock::Moment;
use crate::observe::PoolMeter;

/// A request that was handed to a connection, and completes with the answer, exactly once.
///
/// It may be polled by any thread, in or outside of a runtime. Dropping it cancels the wait: the stream id stays reserved
/// until the answer arrives, which is then dropped.
#[must_use = "dropping it cancels the request"]
pub(crate) struct PendingResponse {
    shared: Arc<Shared>,
    stream: StreamId,
    awaits: Awaits,
}

/// What is to be cancelled when nobody waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    /// A request like any other.
    Answer,
    /// A USE.
    Switch,
    /// There is nothing to cancel any more.
    Nothing,
}

impl PendingResponse {
    pub(super) fn new(shared: Arc<Shared>, stream: StreamId) -> Self {
        Self {
            shared,
            stream,
            awaits: Awaits::Answer,
        }
    }

    /// The same request, which switches its connection to another keyspace: given up, the connection takes no more requests,
    /// for nobody knows where they would run. It closes when those that it has are answered.
    #[cold]
    pub(crate) fn switching(mut self) -> Self {
        self.awaits = Awaits::Switch;
        self
    }

    /// Nobody will see the answer, which is still to come.
    #[cold]
    fn given_up(&self) {
        self.shared.count_orphan();
        if self.awaits == Awaits::Switch {
            self.shared.drain(CloseReason::KeyspaceNotSet);
        }
    }

    /// The same request, whose slot is another's business from now on.
    pub(super) fn detached(mut self) -> Self {
        self.awaits = Awaits::Nothing;
        self
    }

    /// The stream id of the request.
    #[cfg(test)]
    pub(crate) fn stream(&self) -> StreamId {
        self.stream
    }

    /// What requests of the connection are counted in.
    #[inline]
    pub(crate) fn meter(&self) -> Option<&Arc<PoolMeter>> {
        self.shared.config.meter.as_ref()
    }

    /// When the answer was read. To be asked for by who has got it, at once: it is a look at what the I/O task wrote down,
    /// which costs less than one at the clock.
    #[inline]
    pub(crate) fn answered_at(&self) -> Moment {
        self.shared.read_at()
    }
}

impl PendingResponse {
    /// As the future's `poll`, in the place of its caller: every request goes through here twice.
    #[inline(always)]
    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Envelope, AttemptFailure>> {
        let Poll::Ready(outcome) = self.shared.slab.poll(self.stream, cx) else {
            return Poll::Pending;
        };
        Poll::Ready(match outcome {
            Outcome::Answer(answer) => {
                self.awaits = Awaits::Nothing;
                Ok(answer)
            }
            other => Err(self.failure(&other)),
        })
    }

    #[cold]
    fn failure(&mut self, outcome: &Outcome) -> AttemptFailure {
        if let Outcome::TimedOut | Outcome::Evicted = outcome {
            self.given_up();
        }
        self.awaits = Awaits::Nothing;
        match outcome {
            Outcome::TimedOut | Outcome::Late => AttemptFailure::TimedOut,
            Outcome::Evicted => AttemptFailure::ConnectionLost(self.shared.closed_for_session()),
            Outcome::Failed { sent: false } => AttemptFailure::NotSent(self.shared.lost()),
            Outcome::Answer(_) | Outcome::Failed { sent: true } => {
                AttemptFailure::ConnectionLost(self.shared.lost())
            }
        }
    }
}

impl Future for PendingResponse {
    type Output = Result<Envelope, AttemptFailure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_answer(cx)
    }
}

impl Drop for PendingResponse {
    fn drop(&mut self) {
        if self.awaits == Awaits::Nothing {
            return;
        }
        match self.shared.slab.cancel(self.stream) {
            Cancelled::Orphaned => self.given_up(),
            Cancelled::Ended => {}
            Cancelled::Unseen(answer) => match unseen::check(&answer) {
                Ok(()) => {}
                Err(_) if self.awaits == Awaits::Switch => self.shared.drain(CloseReason::KeyspaceNotSet),
                Err(cause) => self.shared.close(cause),
            },
        }
    }
}

impl fmt::Debug for PendingResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingResponse")
            .field("node", &self.shared.endpoint)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}
