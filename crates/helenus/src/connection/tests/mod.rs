//! Connections against fake nodes and against a transport in memory.

mod endings;
mod faults;
mod interleaving;
mod lending;
mod measure;
mod memory;
mod opening;
mod real;
mod requests;

use std::time::Instant;

use helenus_protocol::{Envelope, Request, RequestOptions, ResponseEnvelope, encode_request};

use super::*;

/// Sends a request without a deadline.
fn submit(connection: &Connection, request: &Request<'_>) -> Result<PendingResponse, SubmitError> {
    submit_until(connection, None, request)
}

/// Sends a request with a deadline.
fn submit_until(
    connection: &Connection,
    deadline: Option<Instant>,
    request: &Request<'_>,
) -> Result<PendingResponse, SubmitError> {
    connection.submit(deadline.map(Moment::of), |context, out| {
        let options = RequestOptions {
            compression: context.compression,
            ..RequestOptions::default()
        };
        encode_request(request, context.version, context.stream, &options, out)
    })
}
