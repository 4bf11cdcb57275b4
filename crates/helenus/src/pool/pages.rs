//! Requests that are answered by pages.

use std::cmp::Reverse;

use helenus_protocol::EncodeError;

use super::Pool;
use crate::clock::Moment;
use crate::connection::{EncodeContext, Owner, PageLimits, PageSession, PendingResponse, SubmitError};
use crate::error::AttemptError;

impl Pool {
    /// As [`Pool::submit`], for a request that is answered by pages.
    pub(crate) fn submit_pages<E>(
        &self,
        owner: Owner,
        in_turn: bool,
        deadline: Option<Moment>,
        limits: &PageLimits,
        encode: E,
    ) -> Result<(PendingResponse, PageSession), AttemptError>
    where
        E: Fn(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        if !in_turn && !self.line.is_empty() {
            return Err(AttemptError::NotSent(SubmitError::StreamsExhausted));
        }
        let connections = self.connections.load();
        let mut by_load: Vec<_> = connections.iter().collect();
        by_load.sort_by_key(|connection| (Reverse(connection.is_open()), connection.in_flight()));
        let mut refused = AttemptError::NoConnection;
        for connection in by_load {
            match connection.submit_pages(owner, deadline, limits, &encode) {
                Ok(sent) => return Ok(sent),
                Err(SubmitError::Closed(_) | SubmitError::Draining) => {}
                Err(error @ SubmitError::Encode(_)) => return Err(AttemptError::NotSent(error)),
                Err(error) => refused = AttemptError::NotSent(error),
            }
        }
        Err(refused)
    }
}
