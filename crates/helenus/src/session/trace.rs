//! Traces: what the nodes did for a request, read back from `system_traces`.
//!
//! The server writes a trace after it has answered, each node its own part, and the session's row in two writes, which arrive in
//! any order: it is complete when it has a start and a duration. Reading waits for that, within a limit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use helenus_protocol::{ConsistencyLevel, CqlTimestamp};
use uuid::Uuid;

use super::Session;
use crate::error::RequestError;
use crate::result::{NextRowError, RowsError};
use crate::runtime::sleep;
use crate::statement::SimpleStatement;

/// What the nodes did for one request.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trace {
    /// Its id.
    pub id: Uuid,
    /// Where the request came from, as the coordinator sees it.
    pub client: Option<IpAddr>,
    /// Kind of request: QUERY, ...
    pub command: Option<String>,
    /// The node that ran the request.
    pub coordinator: Option<IpAddr>,
    /// How long the coordinator worked on it, in microseconds; `None` when its end was not written in time.
    pub duration: Option<i32>,
    /// The statement, page size, consistency level, ...
    pub parameters: HashMap<String, String>,
    /// What was done.
    pub request: Option<String>,
    /// When it began; `None` when its beginning was not written in time, or is lost.
    pub started_at: Option<CqlTimestamp>,
    /// What happened, in order of time.
    pub events: Vec<TraceEvent>,
}

/// One thing that a node did for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceEvent {
    /// Id with the time of the event.
    pub id: Uuid,
    /// What was done.
    pub activity: Option<String>,
    /// The node.
    pub source: Option<IpAddr>,
    /// Microseconds since the node began with the request.
    pub source_elapsed: Option<i32>,
    /// The thread.
    pub thread: Option<String>,
}

/// A trace could not be read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// Nothing of it was there within the time limit.
    #[error("there is no trace {id} within {limit:?}")]
    NotFound {
        /// Its id.
        id: Uuid,
        /// The time limit.
        limit: Duration,
    },
    /// A query for it failed.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// The tables of traces are not as they should be.
    #[error("{0}")]
    Rows(#[from] RowsError),
}

/// How a trace is read.
#[derive(Clone, Debug)]
pub(super) struct TraceOptions {
    limit: Duration,
    consistency: ConsistencyLevel,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(2),
            consistency: ConsistencyLevel::LocalOne,
        }
    }
}

const SESSION: &str = "SELECT client, command, coordinator, duration, parameters, request, started_at \
                       FROM system_traces.sessions WHERE session_id = ?";
const EVENTS: &str = "SELECT event_id, activity, source, source_elapsed, thread \
                      FROM system_traces.events WHERE session_id = ?";
const FIRST_DELAY: Duration = Duration::from_millis(3);
const LAST_DELAY: Duration = Duration::from_millis(250);

type SessionRow = (
    Option<IpAddr>,
    Option<String>,
    Option<IpAddr>,
    Option<i32>,
    Option<HashMap<String, String>>,
    Option<String>,
    Option<CqlTimestamp>,
);
type EventRow = (Uuid, Option<String>, Option<IpAddr>, Option<i32>, Option<String>);

fn is_complete((_, _, _, duration, _, _, started_at): &SessionRow) -> bool {
    duration.is_some() && started_at.is_some()
}

pub(super) async fn read(session: &Session, id: Uuid, options: &TraceOptions) -> Result<Trace, TraceError> {
    let statement = |text: &str| {
        let statement = SimpleStatement::new(text).with_consistency(options.consistency);
        statement.with_idempotence(true)
    };
    let not_found = || TraceError::NotFound {
        id,
        limit: options.limit,
    };
    let end = crate::clock::now() + options.limit;
    let mut delay = FIRST_DELAY;
    let row: SessionRow = loop {
        let result = session.query(statement(SESSION), (id,)).await?;
        let row: Option<SessionRow> = result.maybe_first_row()?;
        let left = end.saturating_duration_since(crate::clock::now());
        match row {
            Some(row) if is_complete(&row) || left.is_zero() => break row,
            None if left.is_zero() => return Err(not_found()),
            _ => {}
        }
        let runtime = session.shared.cluster().runtime().map_err(|_| not_found())?;
        sleep(runtime, delay.min(left)).await;
        delay = (delay * 2).min(LAST_DELAY);
    };
    let events = session
        .query_rows::<EventRow>(statement(EVENTS), (id,))
        .collect_rows()
        .await;
    let events = events.map_err(|error| match error {
        NextRowError::Request(error) => TraceError::Request(error),
        NextRowError::Rows(error) => TraceError::Rows(error),
    })?;
    let event = |(id, activity, source, source_elapsed, thread)| TraceEvent {
        id,
        activity,
        source,
        source_elapsed,
        thread,
    };
    Ok(Trace {
        id,
        client: row.0,
        command: row.1,
        coordinator: row.2,
        duration: row.3,
        parameters: row.4.unwrap_or_default(),
        request: row.5,
        started_at: row.6,
        events: events.into_iter().map(event).collect(),
    })
}
