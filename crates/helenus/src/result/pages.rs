//! All pages of a result: page by page, or row by row.
//!
//! Each page is a request of its own, with its own deadline and its own choice of node: paging goes on when a node dies.
//! While one page is read, the next one is on its way. With continuous paging (DSE) all pages answer one request.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use helenus_protocol::{DeserializeOwnedRow, OwnedRows};

use super::{QueryResult, RowsError};
use crate::error::RequestError;
use crate::executor::{Continuous, Execution, Request};
use crate::session::Session;

/// The pages of a result, in order.
///
/// # Cancel safety
/// Dropping it gives up the page that is on its way.
#[must_use = "a stream does nothing unless it is polled"]
pub struct PageStream {
    session: Session,
    request: Request,
    /// The page that is on its way; `None` behind the last one, and after an error.
    next: Option<Execution>,
    /// Pages that come unasked, instead.
    continuous: Option<Continuous>,
}

impl PageStream {
    pub(crate) fn new(session: Session, request: Request) -> Self {
        let continuous = session.start_continuous(&request);
        let next = match continuous {
            Some(_) => None,
            None => Some(session.start(request.clone())),
        };
        Self {
            session,
            request,
            next,
            continuous,
        }
    }

    pub(crate) fn failed(session: Session, request: Request, error: RequestError) -> Self {
        Self {
            session,
            request,
            next: Some(Execution::failed(error)),
            continuous: None,
        }
    }

    /// The next page; `None` behind the last one.
    ///
    /// # Errors
    /// [`RequestError`]; the stream has then ended. Another one can begin at the paging state of the page before.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next_page(&mut self) -> Option<Result<QueryResult, RequestError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for PageStream {
    type Item = Result<QueryResult, RequestError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(continuous) = &mut this.continuous {
            return continuous.poll_next(this.session.part(), cx);
        }
        let Some(execution) = &mut this.next else {
            return Poll::Ready(None);
        };
        let page = ready!(Pin::new(execution).poll(cx));
        this.next = None;
        if let Ok(page) = &page
            && let Some(state) = page.paging_state()
        {
            this.request.set_paging_state(Some(state.clone()));
            this.next = Some(this.session.start(this.request.clone()));
        }
        Poll::Ready(Some(page))
    }
}

impl FusedStream for PageStream {
    fn is_terminated(&self) -> bool {
        self.next.is_none() && self.continuous.as_ref().is_none_or(Continuous::is_done)
    }
}

impl fmt::Debug for PageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageStream")
            .field("next", &self.next)
            .field("continuous", &self.continuous)
            .finish_non_exhaustive()
    }
}

/// The rows of all pages, in order, as values of a Rust type. Types are checked once a page; a row is read when it is asked
/// for.
#[must_use = "a stream does nothing unless it is polled"]
pub struct RowStream<T: DeserializeOwnedRow> {
    pages: PageStream,
    /// The page that is being read, until its last row has been.
    page: Option<OwnedRows<T>>,
}

/// The next row could not be had.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NextRowError {
    /// The next page could not be fetched.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// The page cannot be read as rows of that type.
    #[error("{0}")]
    Rows(#[from] RowsError),
}

impl<T: DeserializeOwnedRow> RowStream<T> {
    pub(crate) fn new(pages: PageStream) -> Self {
        Self { pages, page: None }
    }

    /// The next row; `None` behind the last one. Rows of a page that has arrived are read at once.
    ///
    /// # Errors
    /// [`NextRowError`]; the stream has then ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    #[inline]
    pub async fn next_row(&mut self) -> Option<Result<T, NextRowError>> {
        loop {
            if let Some(row) = self.row_at_hand() {
                return Some(row);
            }
            if let Err(error) = std::future::poll_fn(|cx| self.poll_page(cx)).await? {
                return Some(Err(error));
            }
        }
    }

    /// All rows that are left.
    ///
    /// # Errors
    /// The first [`NextRowError`].
    pub async fn collect_rows(mut self) -> Result<Vec<T>, NextRowError> {
        let mut all = Vec::new();
        while let Some(row) = self.next_row().await {
            if all.len() == all.capacity() {
                let left = self.page.as_ref().and_then(|rows| rows.size_hint().1);
                all.reserve(1 + left.unwrap_or(0).min(MAX_RESERVED));
            }
            all.push(row?);
        }
        Ok(all)
    }

    /// The next row of the page that is being read.
    #[inline]
    fn row_at_hand(&mut self) -> Option<Result<T, NextRowError>> {
        match self.page.as_mut()?.next() {
            Some(Ok(row)) => Some(Ok(row)),
            Some(Err(error)) => Some(Err(self.fail(error))),
            None => {
                // Its memory is free while the next one is waited for.
                self.page = None;
                None
            }
        }
    }

    #[cold]
    fn fail(&mut self, error: impl Into<RowsError>) -> NextRowError {
        self.page = None;
        self.pages.next = None;
        self.pages.continuous = None;
        NextRowError::Rows(error.into())
    }

    /// Gets the next page; `None` behind the last one.
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<(), NextRowError>>> {
        let rows = match ready!(Pin::new(&mut self.pages).poll_next(cx)) {
            None => return Poll::Ready(None),
            Some(Ok(page)) => page.into_rows(),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
        };
        Poll::Ready(Some(match rows {
            Ok(rows) => {
                self.page = Some(rows);
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }))
    }
}

/// Rows for which room is made before they were read: a server may announce any number.
const MAX_RESERVED: usize = 16 * 1024;

impl<T: DeserializeOwnedRow> Stream for RowStream<T> {
    type Item = Result<T, NextRowError>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(row) = this.row_at_hand() {
                return Poll::Ready(Some(row));
            }
            match ready!(this.poll_page(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(())) => {}
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    /// An error ends the rows early, so that only one is certain.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.page.as_ref().map_or(0, |rows| rows.size_hint().0), None)
    }
}

impl<T: DeserializeOwnedRow> FusedStream for RowStream<T> {
    fn is_terminated(&self) -> bool {
        self.page.is_none() && self.pages.is_terminated()
    }
}

/// A plan is only looked at where it is.
impl<T: DeserializeOwnedRow> Unpin for RowStream<T> {}

impl<T: DeserializeOwnedRow> fmt::Debug for RowStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream")
            .field("page", &self.page)
            .field("pages", &self.pages)
            .finish()
    }
}
