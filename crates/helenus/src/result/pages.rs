//! All pages of a result: page by page, or row by row.
//!
//! Each page is a request of its own, with its own deadline and its own choice of node: paging goes on when a node dies.
//! While one page is read, the next one is on its way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use helenus_protocol::DeserializeOwnedRow;

use super::{QueryResult, RowsError};
use crate::error::RequestError;
use crate::executor::{Execution, Request};
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
}

impl PageStream {
    pub(crate) fn new(session: Session, request: Request) -> Self {
        let next = Some(session.start(request.clone()));
        Self {
            session,
            request,
            next,
        }
    }

    pub(crate) fn failed(session: Session, request: Request, error: RequestError) -> Self {
        Self {
            session,
            request,
            next: Some(Execution::failed(error)),
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
        let Some(execution) = &mut this.next else {
            return Poll::Ready(None);
        };
        let page = ready!(Pin::new(execution).poll(cx));
        this.next = None;
        if let Ok(page) = &page
            && let Some(state) = page.paging_state()
        {
            this.request.paging_state = Some(state.clone());
            this.next = Some(this.session.start(this.request.clone()));
        }
        Poll::Ready(Some(page))
    }
}

impl FusedStream for PageStream {
    fn is_terminated(&self) -> bool {
        self.next.is_none()
    }
}

impl fmt::Debug for PageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageStream")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}

/// The rows of all pages, in order, as values of a Rust type. Types are checked once a page.
#[must_use = "a stream does nothing unless it is polled"]
pub struct RowStream<T> {
    pages: PageStream,
    rows: std::vec::IntoIter<T>,
    /// What went wrong behind the rows that are left.
    error: Option<NextRowError>,
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
        Self {
            pages,
            rows: Vec::new().into_iter(),
            error: None,
        }
    }

    /// The next row; `None` behind the last one.
    ///
    /// # Errors
    /// [`NextRowError`]; the stream has then ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next_row(&mut self) -> Option<Result<T, NextRowError>>
    where
        T: Unpin,
    {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// All rows that are left.
    ///
    /// # Errors
    /// The first [`NextRowError`].
    pub async fn collect_rows(mut self) -> Result<Vec<T>, NextRowError>
    where
        T: Unpin,
    {
        let mut all = Vec::new();
        while let Some(row) = self.next_row().await {
            all.push(row?);
            all.extend(&mut self.rows);
        }
        Ok(all)
    }

    /// Reads a page; keeps the rows before an error.
    fn read(&mut self, page: &QueryResult) {
        let rows = match page.rows::<T>() {
            Ok(rows) => rows,
            Err(error) => return self.end(error.into()),
        };
        let mut read = Vec::with_capacity(page.row_count().min(MAX_RESERVED));
        for row in rows {
            match row {
                Ok(row) => read.push(row),
                Err(error) => {
                    self.end(RowsError::from(error).into());
                    break;
                }
            }
        }
        self.rows = read.into_iter();
    }

    fn end(&mut self, error: NextRowError) {
        self.error = Some(error);
        self.pages.next = None;
    }
}

/// Rows for which room is made before they were read: a server may announce any number.
const MAX_RESERVED: usize = 16 * 1024;

impl<T: DeserializeOwnedRow + Unpin> Stream for RowStream<T> {
    type Item = Result<T, NextRowError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(row) = this.rows.next() {
                return Poll::Ready(Some(Ok(row)));
            }
            if let Some(error) = this.error.take() {
                return Poll::Ready(Some(Err(error)));
            }
            match ready!(Pin::new(&mut this.pages).poll_next(cx)) {
                None => return Poll::Ready(None),
                Some(Ok(page)) => this.read(&page),
                Some(Err(error)) => this.end(error.into()),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rows.len(), None)
    }
}

impl<T> fmt::Debug for RowStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream")
            .field("read", &self.rows.len())
            .field("pages", &self.pages)
            .finish_non_exhaustive()
    }
}
