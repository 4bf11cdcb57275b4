//! Answers that nobody saw: the request was given up, or its time was up.
//!
//! They are dropped, but for one kind. A `USE` that was given up has switched the node's end of the connection all the same
//! (native protocol v4, v5 §4.2.5.3), while the session is where it was: whatever names no keyspace would run in the wrong
//! one. Where the text says that it is one, the connection takes no more requests from the moment when it is given up
//! ([`PendingResponse::switching`](super::PendingResponse::switching)); a prepared one is noticed here.

use helenus_protocol::{Envelope, Opcode, Response, ResponseEnvelope, ResultBody};

use super::error::{CloseCause, CloseReason};

/// Says whether the connection may go on after `answer`.
///
/// # Errors
/// Why it has to be closed.
#[cold]
pub(super) fn check(answer: &Envelope) -> Result<(), CloseCause> {
    if answer.header.opcode != Opcode::Result {
        return Ok(());
    }
    let decoded = ResponseEnvelope::decode(&answer.header, answer.body.clone());
    match decoded.map(|envelope| envelope.response) {
        Ok(Response::Result(ResultBody::SetKeyspace(_))) => {
            Err(CloseCause::Requested(CloseReason::KeyspaceNotSet))
        }
        // What does not decode is as it was to whoever gave it up.
        _ => Ok(()),
    }
}
