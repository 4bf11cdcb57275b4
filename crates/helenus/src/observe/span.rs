//! Spans by OpenTelemetry's conventions for database clients and for Cassandra: one for each request, with a child for each
//! attempt.
//!
//! They are made at level TRACE, targets `helenus::request` and `helenus::attempt`, and only where a subscriber wants them: the
//! question costs one load and one comparison. The current span of whoever starts the request is the parent.

use std::sync::Arc;

use helenus_protocol::ConsistencyLevel;
use tracing::Span;
use tracing::field::Empty;

use super::Cause;
use super::tracker::RequestInfo;
use crate::cluster::Node;

/// Whether somebody wants spans of requests.
#[inline]
pub(super) fn wanted() -> bool {
    tracing::enabled!(target: "helenus::request", tracing::Level::TRACE)
}

/// The span of a request that starts.
pub(super) fn of_request(info: &RequestInfo<'_>) -> Span {
    let operation = info.operation();
    let name = match info.keyspace() {
        Some(keyspace) => format!("{operation} {keyspace}"),
        None => operation.clone(),
    };
    tracing::trace_span!(
        target: "helenus::request",
        "request",
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "cassandra",
        db.namespace = info.keyspace(),
        db.operation.name = operation,
        db.operation.batch.size = info.batch_size(),
        db.query.text = &*info.text_without_literals(),
        db.response.status_code = Empty,
        db.response.returned_rows = Empty,
        server.address = Empty,
        server.port = Empty,
        cassandra.coordinator.id = Empty,
        cassandra.coordinator.dc = Empty,
        cassandra.consistency.level = level(info.consistency()),
        cassandra.page.size = info.page_size(),
        cassandra.query.idempotent = info.is_idempotent(),
        cassandra.speculative_execution.count = Empty,
        helenus.request.id = info.request_id(),
        helenus.attempts = Empty,
        "error.type" = Empty,
    )
}

/// The span of an attempt that is sent.
pub(super) fn of_attempt(
    request: &Span,
    node: &Node,
    consistency: ConsistencyLevel,
    number: u32,
    speculative: bool,
) -> Span {
    if request.is_disabled() {
        return Span::none();
    }
    let span = tracing::trace_span!(
        target: "helenus::attempt",
        parent: request,
        "attempt",
        otel.name = "attempt",
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "cassandra",
        server.address = Empty,
        server.port = Empty,
        cassandra.coordinator.id = Empty,
        cassandra.coordinator.dc = Empty,
        cassandra.consistency.level = level(consistency),
        helenus.attempt.number = number,
        helenus.attempt.speculative = speculative,
        "error.type" = Empty,
    );
    record_node(&span, node);
    span
}

/// Notes the node that ran it.
pub(super) fn record_node(span: &Span, node: &Node) {
    match node.address() {
        Some(address) => {
            span.record("server.address", tracing::field::display(address.ip()));
            span.record("server.port", address.port());
        }
        None => {
            span.record("server.address", tracing::field::display(node));
        }
    }
    span.record(
        "cassandra.coordinator.id",
        tracing::field::display(node.host_id()),
    );
    span.record("cassandra.coordinator.dc", node.datacenter());
}

/// Notes that it failed.
pub(super) fn record_error(span: &Span, cause: Cause) {
    span.record("error.type", cause.name());
    span.record("otel.status_code", "ERROR");
}

/// Notes what is known at the end of a request.
pub(super) fn record_end(span: &Span, node: Option<&Arc<Node>>, attempts: u32, speculative: u32) {
    if let Some(node) = node {
        record_node(span, node);
    }
    span.record("helenus.attempts", attempts);
    span.record("cassandra.speculative_execution.count", speculative);
}

fn level(consistency: ConsistencyLevel) -> String {
    consistency.to_string().to_ascii_lowercase()
}
