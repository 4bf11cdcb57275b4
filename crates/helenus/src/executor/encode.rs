//! From a request to the envelope on a connection: EXECUTE, QUERY or BATCH, in the connection's protocol version.

use helenus_protocol::{
    Batch, BatchEntry, CustomPayload, EncodeError, Execute, MetadataIdSupport, PlainExecute, ProtocolVersion,
    Query, QueryParameters, Request as Message, RequestOptions as EnvelopeOptions, SerializedRow,
    encode_execute, encode_request,
};

use super::job::Job;
use super::request::Statement;
use crate::connection::{EncodeContext, Lent};
use crate::statement::{BatchItem, BatchStatement, ContinuousPaging, PageUnit, PreparedCore, ResultMetadata};

/// Appends the envelope of an attempt: of a statement that is not prepared.
pub(super) fn encode(job: &Job, context: EncodeContext, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let envelope = envelope(job, context);
    match &job.request.statement {
        Statement::Batch(batch) => encode_batch(job, batch, &envelope, context, out),
        _ => {
            let message = Message::Query(Query {
                text: job.request.text().unwrap_or_default(),
                parameters: parameters(job),
            });
            encode_request(&message, context.version, context.stream, &envelope, out)
        }
    }
}

/// Appends the envelope of an attempt: of a prepared statement with these values. `metadata` is what is known about its rows,
/// whose columns need not be sent if `skip_metadata` is true.
#[inline]
pub(super) fn encode_prepared(
    job: &Job,
    (core, values): (&PreparedCore, &SerializedRow),
    metadata: Option<&ResultMetadata>,
    skip_metadata: bool,
    lent: Option<&Lent<'_>>,
    context: EncodeContext,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let version = context.version;
    let result_metadata_id = match version.features().result_metadata_id {
        MetadataIdSupport::Present => metadata.and_then(|metadata| metadata.id.as_deref()),
        MetadataIdSupport::Absent => None,
    };
    if is_plain(job, context) {
        let plain = PlainExecute {
            id: &core.id,
            result_metadata_id,
            consistency: job.consistency,
            values: values.values(),
            skip_metadata,
            page_size: job.page_size(),
            serial_consistency: job.serial_consistency,
            timestamp: job.request.timestamp,
        };
        if let Some(lent) = lent.filter(|lent| lent.is_wanted())
            && let Some(at) = plain.encode_around(version, context.stream, out)
        {
            lent.belong_at(at);
            return Ok(());
        }
        if plain.encode(version, context.stream, out) {
            return Ok(());
        }
    }
    encode_in_full(job, &core.id, result_metadata_id, skip_metadata, context, out)
}

/// Whether there is nothing to be said of a prepared statement beyond what most requests have.
#[inline]
fn is_plain(job: &Job, context: EncodeContext) -> bool {
    let options = job.request.options();
    !options.tracing
        && options.custom_payload.is_none()
        && options.now_in_seconds.is_none()
        && context.compression.is_none()
        && job.request.paging_state().is_none()
        && job.watch.payload().is_none()
}

#[cold]
fn encode_in_full(
    job: &Job,
    id: &[u8],
    result_metadata_id: Option<&[u8]>,
    skip_metadata: bool,
    context: EncodeContext,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let mut parameters = parameters(job);
    // It was given when the statement was prepared.
    parameters.keyspace = None;
    parameters.skip_metadata = skip_metadata;
    let execute = Execute {
        id,
        result_metadata_id,
        parameters,
    };
    let envelope = envelope(job, context);
    encode_execute(&execute, context.version, context.stream, &envelope, out)
}

/// Appends the envelope of an attempt that is answered by pages; `next_pages` of them come unasked where the node heeds that.
pub(super) fn encode_pages(
    job: &Job,
    metadata: Option<&ResultMetadata>,
    paging: ContinuousPaging,
    next_pages: u32,
    context: EncodeContext,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let version = context.version;
    let features = version.features();
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let mut parameters = parameters(job);
    parameters.page_size_in_bytes = paging.page_unit == PageUnit::Bytes;
    parameters.continuous_paging = Some(helenus_protocol::ContinuousPaging {
        max_pages: number(paging.max_pages),
        pages_per_second: number(paging.max_pages_per_second),
        next_pages: match features.continuous_paging_backpressure {
            true => number(next_pages),
            false => 0,
        },
    });
    let message = match &job.request.statement {
        Statement::Prepared(statement) => {
            let core = statement.core();
            parameters.keyspace = None;
            parameters.skip_metadata =
                metadata.is_some_and(|metadata| skips_metadata(core, metadata, version));
            Message::Execute(Execute {
                id: &core.id,
                result_metadata_id: match features.result_metadata_id {
                    MetadataIdSupport::Present => metadata.and_then(|metadata| metadata.id.as_deref()),
                    MetadataIdSupport::Absent => None,
                },
                parameters,
            })
        }
        _ => Message::Query(Query {
            text: job.request.text().unwrap_or_default(),
            parameters,
        }),
    };
    encode_request(&message, version, context.stream, &envelope(job, context), out)
}

fn envelope(job: &Job, context: EncodeContext) -> EnvelopeOptions<'_> {
    let options = job.request.options();
    EnvelopeOptions {
        tracing: options.tracing,
        custom_payload: payload(job, context.version),
        compression: context.compression,
    }
}

/// The custom payload: the request's own, with its id if it has one and the version can say it.
fn payload(job: &Job, version: ProtocolVersion) -> Option<&CustomPayload> {
    let own = job.request.options().custom_payload.as_deref();
    match job.watch.payload() {
        Some(payload) if version.features().custom_payload => Some(payload),
        _ => own,
    }
}

/// Whether the columns need not be sent with the rows. In v5 the server sends them when the id does not match; before, they
/// must be sure to stay.
pub(super) fn skips_metadata(
    core: &PreparedCore,
    metadata: &ResultMetadata,
    version: ProtocolVersion,
) -> bool {
    !metadata.columns().is_empty()
        && match version.features().result_metadata_id {
            MetadataIdSupport::Present => metadata.id.is_some(),
            MetadataIdSupport::Absent => core.trusts_columns(),
        }
}

fn parameters(job: &Job) -> QueryParameters<'_> {
    let options = job.request.options();
    QueryParameters {
        consistency: job.consistency,
        values: job.request.values().values(),
        page_size: job.page_size(),
        paging_state: job.request.paging_state().map(|state| &**state),
        serial_consistency: job.serial_consistency,
        timestamp: job.request.timestamp,
        keyspace: options.keyspace.as_deref(),
        now_in_seconds: options.now_in_seconds,
        ..QueryParameters::default()
    }
}

fn encode_batch(
    job: &Job,
    batch: &BatchStatement,
    envelope: &EnvelopeOptions<'_>,
    context: EncodeContext,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let options = job.request.options();
    let entries: Vec<_> = batch.items().iter().map(entry).collect();
    let message = Message::Batch(Batch {
        kind: batch.kind(),
        statements: entries,
        consistency: job.consistency,
        serial_consistency: job.serial_consistency,
        timestamp: job.request.timestamp,
        keyspace: options.keyspace.as_deref(),
        now_in_seconds: options.now_in_seconds,
    });
    encode_request(&message, context.version, context.stream, envelope, out)
}

fn entry(item: &BatchItem) -> BatchEntry<'_> {
    match item {
        BatchItem::Simple(text, values) => BatchEntry::Query {
            text,
            values: values.values(),
        },
        BatchItem::Prepared(statement, values) => BatchEntry::Prepared {
            id: statement.id(),
            values: values.values(),
        },
    }
}
