//! How pages are sent that nobody asks for one by one.

use crate::error::RequestErrorKind;

/// Continuous paging: the node sends page after page in answer to one request, as fast as they are read (DSE, protocols DSE_V1
/// and DSE_V2). For long results it saves a round trip for each page.
///
/// Heeded by [`Session::query_pages`](crate::Session::query_pages), `execute_pages`, `query_rows`, `execute_rows` and
/// [`Session::pages`](crate::Session::pages); a request for one page is not changed by it, nor is a batch. On a connection of
/// another protocol version the request fails before anything is sent.
///
/// The time limit of the request holds for its first page, all attempts together, and then for each further page from when it
/// is waited for. Where a node of DSE_V1, which cannot be held back, is much faster than the reader, what is too much is dropped
/// and asked for again.
///
/// ```
/// use helenus::{ContinuousPaging, SimpleStatement};
///
/// let statement = SimpleStatement::new("SELECT * FROM ks.readings")
///     .with_page_size(2000)
///     .with_continuous_paging(ContinuousPaging::default().with_max_queue_size(8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ContinuousPaging {
    /// What the size of a page counts.
    pub page_unit: PageUnit,
    /// Pages in all; 0 is no limit.
    pub max_pages: u32,
    /// Pages in a second at most; 0 is no limit.
    pub max_pages_per_second: u32,
    /// Pages that may wait to be read, or be on their way.
    pub max_queue_size: u32,
}

/// What the size of a page counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PageUnit {
    /// Rows.
    #[default]
    Rows,
    /// Bytes.
    Bytes,
}

impl Default for ContinuousPaging {
    fn default() -> Self {
        Self {
            page_unit: PageUnit::Rows,
            max_pages: 0,
            max_pages_per_second: 0,
            max_queue_size: 4,
        }
    }
}

impl ContinuousPaging {
    /// What the size of a page counts: rows, unless something else is said.
    #[must_use]
    pub fn with_page_unit(mut self, unit: PageUnit) -> Self {
        self.page_unit = unit;
        self
    }

    /// Pages in all; 0, the default, is no limit.
    #[must_use]
    pub fn with_max_pages(mut self, pages: u32) -> Self {
        self.max_pages = pages;
        self
    }

    /// Pages in a second at most; 0, the default, is no limit.
    #[must_use]
    pub fn with_max_pages_per_second(mut self, pages: u32) -> Self {
        self.max_pages_per_second = pages;
        self
    }

    /// Pages that may wait to be read, or be on their way: 4 by default.
    #[must_use]
    pub fn with_max_queue_size(mut self, pages: u32) -> Self {
        self.max_queue_size = pages;
        self
    }

    /// Whether the numbers can be sent.
    ///
    /// # Errors
    /// [`RequestErrorKind::InvalidOption`].
    pub(crate) fn check(&self, page_size: Option<i32>) -> Result<(), RequestErrorKind> {
        let invalid = |option, reason: &str| {
            Err(RequestErrorKind::InvalidOption {
                option,
                reason: reason.to_owned(),
            })
        };
        let too_large = |number: u32| i32::try_from(number).is_err();
        match self {
            _ if page_size.is_none() => invalid("page_size", "continuous paging needs one"),
            paging if paging.max_queue_size == 0 => invalid("max_queue_size", "there is no room for a page"),
            paging if too_large(paging.max_queue_size) => invalid("max_queue_size", "it is too large"),
            paging if too_large(paging.max_pages) => invalid("max_pages", "it is too large"),
            paging if too_large(paging.max_pages_per_second) => {
                invalid("max_pages_per_second", "it is too large")
            }
            _ => Ok(()),
        }
    }
}
