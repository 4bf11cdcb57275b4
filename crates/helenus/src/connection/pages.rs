//! Continuous paging (DSE): one request whose answers are pages, sent by the node as fast as they are read.
//!
//! On DSE_V2 the node sends only as many pages as there is room for, and is asked for more when half of the room is free.
//! On DSE_V1 it cannot be held back: when more pages and bytes wait than may, the session is cancelled, and what came later
//! is dropped. Other requests of the connection go on in both cases.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use helenus_protocol::{
    EncodeError, Envelope, ProtocolError, Request, RequestOptions, Revise, ServerError, StreamId,
    encode_request,
};

use super::error::{ConnectionError, SubmitError};
use super::lend::Nothing;
use super::owner::Owner;
use super::pending::PendingResponse;
use super::shared::{EncodeContext, Shared, Submitter};
use super::slab::{Closed, Paged, PagesEnd, Window};
use crate::clock::Moment;

/// How many pages may wait to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageLimits {
    /// Pages that may wait.
    pub(crate) waiting: u32,
    /// Pages in all; 0 is no limit.
    pub(crate) all: u32,
    /// DSE_V1: bytes that may wait even if they are more pages than may.
    pub(crate) waiting_bytes: usize,
}

/// Pages on their way. Dropping it has the node stop.
pub(crate) struct PageSession {
    shared: Arc<Shared>,
    stream: StreamId,
    serial: u64,
}

/// Why there is no further page.
#[derive(Debug)]
pub(crate) enum NoPage {
    /// The last one has been read.
    End,
    /// They were not read as fast as they came: those behind the last one that was read are to be asked for again.
    Overrun,
    /// None came in time.
    TimedOut,
    /// The connection was lost.
    Lost(Arc<ConnectionError>),
    /// The node could not be asked for more.
    NotAsked(SubmitError),
    /// An error came instead.
    Server(Arc<ServerError>),
    /// What came is no page.
    Protocol(ProtocolError),
}

impl PageLimits {
    fn window(&self, asked: bool) -> Window {
        Window {
            pages: self.waiting,
            all: self.all,
            asked,
            bytes: if asked { 0 } else { self.waiting_bytes },
        }
    }

    /// Pages that a node which can be held back may send at first.
    pub(crate) fn first(&self) -> u32 {
        self.window(true).first()
    }
}

impl PageSession {
    /// Sends the request: see [`Connection::submit_pages`](super::Connection::submit_pages).
    pub(super) fn begin<E>(
        shared: &Arc<Shared>,
        owner: Owner,
        deadline: Option<Moment>,
        limits: &PageLimits,
        encode: E,
    ) -> Result<(PendingResponse, Self), SubmitError>
    where
        E: FnOnce(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        let features = shared.established.version.features();
        let window = limits.window(features.continuous_paging_backpressure);
        let mut serial = 0;
        let stream = shared.submit(Submitter::Request(owner), deadline, &Nothing, |context, out| {
            encode(context, out)?;
            serial = shared.slab.begin_pages(context.stream, window);
            Ok(())
        })?;
        let session = Self {
            shared: Arc::clone(shared),
            stream,
            serial,
        };
        let pending = PendingResponse::new(Arc::clone(shared), stream);
        Ok((pending.detached(), session))
    }

    /// Whether the last page has been read.
    pub(crate) fn is_read(&self) -> bool {
        self.shared.slab.pages_are_read(self.stream)
    }

    /// The next page. Waits no longer than `limit` for one that did not come yet.
    pub(crate) fn poll_page(
        &mut self,
        cx: &mut Context<'_>,
        limit: Option<Duration>,
    ) -> Poll<Result<Envelope, NoPage>> {
        let deadline = limit.and_then(|limit| Moment::of(crate::clock::now()).checked_add(limit));
        let (next, asked) = self.shared.slab.poll_pages(self.stream, cx, deadline);
        if asked.more > 0
            && let Err(error) = self.shared.ask_for_pages(self.stream, self.serial, asked.more)
        {
            self.shared.slab.unask_pages(self.stream, asked.more);
            // Where a page is at hand there is another time to ask; a connection that is lost has told the session so.
            if next.is_pending() && !matches!(error, SubmitError::Closed(_)) {
                return Poll::Ready(Err(NoPage::NotAsked(error)));
            }
        }
        if asked.limited
            && let Some(deadline) = deadline
        {
            self.shared.watch_deadline(deadline);
        }
        Poll::Ready(ready!(next).map_err(|end| match end {
            PagesEnd::Complete => NoPage::End,
            PagesEnd::Overrun => NoPage::Overrun,
            PagesEnd::TimedOut => NoPage::TimedOut,
            PagesEnd::Failed { .. } => NoPage::Lost(self.shared.lost()),
        }))
    }
}

impl Drop for PageSession {
    fn drop(&mut self) {
        if let Closed::Abandoned { cancelled } = self.shared.slab.close_pages(self.stream) {
            self.shared.count_orphan();
            if !cancelled {
                self.shared.cancel_pages(self.stream, self.serial);
            }
        }
    }
}

impl fmt::Debug for PageSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageSession")
            .field("node", &self.shared.endpoint)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// Has the node send no more pages. Nobody waits for the answer: it gives the id of the session back.
    fn cancel_pages(self: &Arc<Self>, stream: StreamId, serial: u64) {
        let of = stream.raw().into();
        match self.revise(stream, serial, Revise::Cancel { stream: of }) {
            Ok(()) => self.count_orphan(),
            // The id stays with the session until the node has sent the last page.
            Err(error) => tracing::debug!(node = %self.endpoint, %stream, %error, "paging not cancelled"),
        }
    }

    fn ask_for_pages(self: &Arc<Self>, stream: StreamId, serial: u64, pages: u32) -> Result<(), SubmitError> {
        let next_pages = i32::try_from(pages).unwrap_or(i32::MAX);
        let stream_of = stream.raw().into();
        let more = Revise::MorePages {
            stream: stream_of,
            next_pages,
        };
        self.revise(stream, serial, more)
    }

    fn revise(self: &Arc<Self>, of: StreamId, serial: u64, revise: Revise) -> Result<(), SubmitError> {
        let cancels = matches!(revise, Revise::Cancel { .. });
        // Its slot knows what the answer is for: nobody waits.
        self.submit(Submitter::Paging, None, &Nothing, |context, out| {
            let options = RequestOptions {
                compression: context.compression,
                ..RequestOptions::default()
            };
            encode_request(
                &Request::Revise(revise),
                context.version,
                context.stream,
                &options,
                out,
            )?;
            self.slab.begin_revision(context.stream, of, serial, cancels);
            Ok(())
        })
        .map(drop)
    }

    /// A deadline was set for somebody who waits already.
    fn watch_deadline(&self, deadline: Moment) {
        let mut outbox = self.outbox();
        if outbox.sweep_at.is_none_or(|sweep_at| deadline < sweep_at) {
            outbox.sweep_at = Some(deadline);
            drop(outbox);
            self.io_task.0.wake();
        }
    }

    /// An answer on the stream of a session, or to a REVISE, has been handed out.
    #[cold]
    pub(super) fn paged(self: &Arc<Self>, stream: StreamId, paged: Paged) {
        for _ in 0..paged.answers {
            self.count_answer(false);
        }
        for _ in 0..paged.orphans {
            self.count_answer(true);
        }
        if let Some(waker) = paged.waker {
            waker.wake();
        }
        if let Some(serial) = paged.overrun {
            tracing::debug!(node = %self.endpoint, %stream, "pages come faster than they are read");
            self.cancel_pages(stream, serial);
        }
    }
}
