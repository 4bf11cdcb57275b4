//! Request trackers: told of each request while it happens.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::ConsistencyLevel;

use super::text;
use crate::cluster::Node;
use crate::error::{AttemptError, RequestError};
use crate::executor::Request;
use crate::result::QueryResult;
use crate::statement::BatchItem;

/// Told of each request when it starts, when an attempt has ended, and when it ends: exactly once by one of the last three.
///
/// Called by whatever thread the request is on, which waits meanwhile: be quick, and do not block. Set on the builder:
/// [`ClusterBuilder::request_tracker`](crate::ClusterBuilder::request_tracker).
pub trait RequestTracker: fmt::Debug + Send + Sync {
    /// A request starts.
    fn on_start(&self, request: &RequestInfo<'_>) {
        let _ = request;
    }

    /// An attempt has ended, or could not even be sent.
    fn on_attempt(&self, request: &RequestInfo<'_>, attempt: &AttemptInfo<'_>) {
        let _ = (request, attempt);
    }

    /// A request has succeeded.
    fn on_success(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, result: &QueryResult) {
        let _ = (request, end, result);
    }

    /// A request has failed.
    fn on_error(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, error: &RequestError) {
        let _ = (request, end, error);
    }

    /// Nobody waits for a request any more: its future was dropped.
    fn on_cancel(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>) {
        let _ = (request, end);
    }
}

/// What a tracker learns about a request. Never its values.
#[derive(Debug)]
pub struct RequestInfo<'a> {
    pub(super) request: &'a Request,
    pub(super) keyspace: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) consistency: ConsistencyLevel,
    pub(super) page_size: Option<i32>,
}

impl<'a> RequestInfo<'a> {
    /// The CQL as it was written, which may hold literals; `None` for a batch.
    pub fn text(&self) -> Option<&'a str> {
        self.request.text()
    }

    /// The CQL with `?` for each literal, at most about 4 KiB of it. The statements of a batch follow each other.
    pub fn text_without_literals(&self) -> Cow<'a, str> {
        if let Some(text) = self.request.text() {
            return text::without_literals(text);
        }
        let batch = self.request.batch_statement();
        let texts: Vec<_> = batch
            .map(|batch| batch.items())
            .unwrap_or_default()
            .iter()
            .map(text_of)
            .collect();
        match &texts[..] {
            [first, rest @ ..] if rest.iter().all(|text| text == first) => {
                text::without_literals(first).into_owned().into()
            }
            _ => text::without_literals(&texts.join("; ")).into_owned().into(),
        }
    }

    /// `SELECT`, `INSERT`, ...: the first word of the CQL; `BATCH` for a batch.
    pub fn operation(&self) -> String {
        self.request
            .text()
            .map_or_else(|| "BATCH".to_owned(), text::operation)
    }

    /// How many statements are in the batch; `None` when it is no batch.
    pub fn batch_size(&self) -> Option<usize> {
        self.request.batch_statement().map(|batch| batch.items().len())
    }

    /// The keyspace that names without one belong to, or that of a prepared statement's table.
    pub fn keyspace(&self) -> Option<&str> {
        let own = self.request.options().keyspace.as_deref();
        own.or_else(|| self.request.partition_keyspace())
            .or(self.keyspace)
    }

    /// Its id, when requests have one.
    pub fn request_id(&self) -> Option<&'a str> {
        self.id
    }

    /// Consistency level of its first attempt.
    pub fn consistency(&self) -> ConsistencyLevel {
        self.consistency
    }

    /// Rows in a page; `None` for all rows in one.
    pub fn page_size(&self) -> Option<i32> {
        self.page_size
    }

    /// Whether another attempt is safe after one that may have been applied.
    pub fn is_idempotent(&self) -> bool {
        self.request.is_idempotent()
    }
}

fn text_of(item: &BatchItem) -> &str {
    match item {
        BatchItem::Simple(text, _) => text,
        BatchItem::Prepared(statement, _) => statement.text(),
    }
}

/// An attempt that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct AttemptInfo<'a> {
    /// The node.
    pub node: &'a Arc<Node>,
    /// How many attempts were sent, this one included; zero when none was.
    pub number: u32,
    /// Whether it was made because another one had not been answered yet.
    pub speculative: bool,
    /// How long it took; zero when it could not be sent.
    pub latency: Duration,
    /// What went wrong, if it did.
    pub error: Option<&'a AttemptError>,
}

/// The end of a request.
#[derive(Debug)]
#[non_exhaustive]
pub struct RequestEnd<'a> {
    /// The node that answered, or that was tried last.
    pub node: Option<&'a Arc<Node>>,
    /// How long it took, all attempts together.
    pub latency: Duration,
    /// Attempts that were sent.
    pub attempts: u32,
}
