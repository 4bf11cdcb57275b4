//! Requests that no node has room for: they stand in line until one has, until their deadline, or until the line is full.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::job::Job;
use crate::clock::{self, Moment};
use crate::connection::{PendingResponse, SubmitError};
use crate::error::{AttemptError, RequestErrorKind};
use crate::pool::InLine;
use crate::runtime::sleep;

/// A request stands in line for at most so many nodes.
const MOST_LINES: usize = 8;

fn is_full(error: &AttemptError) -> bool {
    matches!(
        error,
        AttemptError::NotSent(SubmitError::StreamsExhausted | SubmitError::WriteBufferFull)
    )
}

/// Whether a node was passed over only because it had no room.
#[cold]
pub(super) fn is_worth_waiting(job: &Job) -> bool {
    job.attempts.iter().any(|attempt| is_full(&attempt.error))
}

/// Sends the request to the first node that has room again, of those that had none.
///
/// # Errors
/// [`RequestErrorKind::Busy`] when as many requests wait already as may; [`RequestErrorKind::Timeout`] when the deadline
/// passes; [`RequestErrorKind::NoNode`] when the connections to all those nodes are lost meanwhile.
pub(super) async fn wait_for_room(job: &mut Job) -> Result<PendingResponse, RequestErrorKind> {
    let session = job.session.clone();
    let room = session.waiting_room();
    let Some(_seat) = room.enter() else {
        return Err(RequestErrorKind::Busy {
            waiting: room.limit(),
        });
    };
    session.meter().queued();
    let mut lines: FuturesUnordered<_> = stand_in_line(job).into_iter().map(InLine::wait).collect();
    let deadline = job.deadline;
    let time_is_up = async {
        match (deadline, session.cluster().runtime()) {
            (Some(deadline), Ok(runtime)) => {
                sleep(runtime, deadline.since(Moment::of(clock::now()))).await;
            }
            _ => std::future::pending().await,
        }
    };
    let mut time_is_up = std::pin::pin!(time_is_up);
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            () = &mut time_is_up => return Err(job.timeout()),
            () = session.closing() => return Err(RequestErrorKind::SessionClosed),
        };
        let Some(line) = line else {
            return Err(match session.is_closed() {
                true => RequestErrorKind::SessionClosed,
                false => RequestErrorKind::NoNode,
            });
        };
        job.plan.stand_at(line.pool().node());
        match job.send_in_turn(line.pool())? {
            Ok(pending) => return Ok(pending),
            // Somebody was faster: still the first in line.
            Err(error) if is_full(&error) => lines.push(line.wait()),
            Err(error) => job.push(error),
        }
    }
}

fn stand_in_line(job: &Job) -> Vec<InLine> {
    let pools = job.session.pools();
    let full = job.attempts.iter().filter(|attempt| is_full(&attempt.error));
    let mut slots = Vec::new();
    let mut lines = Vec::new();
    for attempt in full {
        if slots.len() == MOST_LINES || slots.contains(&attempt.node.slot()) {
            continue;
        }
        if let Some(pool) = pools.shared(&attempt.node) {
            slots.push(attempt.node.slot());
            lines.push(InLine::new(pool));
        }
    }
    lines
}
