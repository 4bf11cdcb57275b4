//! A request that waits for its answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use helenus_protocol::{Envelope, StreamId};

use super::error::AttemptFailure;
use super::shared::Shared;
use super::slab::{Cancelled, Outcome};
use super::unseen;
use crate::clock::Moment;
use crate::observe::NodeMeter;

/// A request that was handed to a connection, and completes with the answer, exactly once.
///
/// It may be polled by any thread, in or outside of a runtime. Dropping it cancels the wait: the stream id stays reserved
/// until the answer arrives, which is then dropped.
#[must_use = "dropping it cancels the request"]
pub(crate) struct PendingResponse {
    shared: Arc<Shared>,
    stream: StreamId,
    /// There is nothing to cancel any more.
    ended: bool,
}

impl PendingResponse {
    pub(super) fn new(shared: Arc<Shared>, stream: StreamId) -> Self {
        Self {
            shared,
            stream,
            ended: false,
        }
    }

    /// The same request, whose slot is another's business from now on.
    pub(super) fn detached(mut self) -> Self {
        self.ended = true;
        self
    }

    /// The stream id of the request.
    pub(crate) fn stream(&self) -> StreamId {
        self.stream
    }

    /// What requests of the connection are counted in.
    #[inline]
    pub(crate) fn meter(&self) -> Option<&Arc<NodeMeter>> {
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
        self.ended = true;
        Poll::Ready(match outcome {
            Outcome::Answer(answer) => Ok(answer),
            other => Err(self.failure(&other)),
        })
    }

    #[cold]
    fn failure(&self, outcome: &Outcome) -> AttemptFailure {
        match outcome {
            Outcome::TimedOut => {
                self.shared.count_orphan();
                AttemptFailure::TimedOut
            }
            Outcome::Late => AttemptFailure::TimedOut,
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
        if self.ended {
            return;
        }
        match self.shared.slab.cancel(self.stream) {
            Cancelled::Orphaned => self.shared.count_orphan(),
            Cancelled::Ended => {}
            Cancelled::Unseen(answer) => {
                if let Err(cause) = unseen::check(&answer) {
                    self.shared.close(cause);
                }
            }
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
