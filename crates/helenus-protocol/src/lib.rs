//! The CQL native protocol, both directions, without I/O: versions 3, 4, 5, DSE_V1 and DSE_V2.
//!
//! The crate turns messages into bytes and bytes into messages. It owns no socket, no clock and no task, so the same code
//! serves a driver, a fake server, a proxy and a fuzzer. Every length read from a peer is checked against the bytes that
//! are there before it is believed; nothing a peer sends makes it panic.
//!
//! | module | what | native protocol |
//! |---|---|---|
//! | `version` | versions and the table of what each can do | whole |
//! | `envelope` | 9-byte header + body, and cutting a stream into them | v3/v4 §2, v5 §2.4 |
//! | `segment` | checksummed wrapper around envelopes | v5 §2.1-2.3 |
//! | `compression` | LZ4 and Snappy | v3/v4 §5, v5 §2.2 |
//! | `inbound` | bytes received to envelopes, over the change of framing | v3/v4 §2 and §5, v5 §2 |
//! | `notation` | `[int]`, `[string]`, `[bytes]` and the like, read and written | §3 |
//! | `request` | bodies that a client sends | §4.1 |
//! | `response` | bodies that a server sends | §4.2, §9 |
//! | `types` | CQL types, from options and from class names | §4.2.5.2, §6 |
//! | `value` | CQL values to and from bytes | §6 |

mod compression;
mod consistency;
mod crc;
mod envelope;
mod error;
mod inbound;
mod notation;
mod request;
mod response;
mod segment;
#[cfg(test)]
mod testing;
mod types;
mod value;
mod version;

#[cfg(any(test, feature = "testing"))]
pub mod generators;
#[doc(hidden)]
pub mod macro_support;

pub use compression::Compression;
pub use consistency::ConsistencyLevel;
pub use envelope::{
    Direction, EnvelopeDecoder, EnvelopeFlags, EnvelopeHeader, HEADER_LENGTH, MAX_BODY_LENGTH, Opcode,
    StreamId,
};
pub use error::{EncodeError, ProtocolError};
pub use inbound::{Envelope, InboundDecoder, ReceivedBody, ReceivedEnvelope};
pub use notation::{RawValue, Reader, write};
pub use request::{
    AuthResponse, Batch, BatchEntry, BatchKind, ContinuousPaging, CustomPayload, EventKind, Execute,
    PlainExecute, Prepare, Query, QueryParameters, Register, Request, RequestEnvelope, RequestOptions,
    Revise, Startup, Values, ValuesIter, encode_execute, encode_request,
};
pub use response::{
    ErrorCode, ErrorDetails, Event, FailureReason, Failures, Prepared, Response, ResponseEnvelope,
    ResultBody, Rows, RowsMetadata, SchemaChange, SchemaChangeTarget, SchemaChangeType, SeenColumns,
    ServerError, StatusChange, TopologyChange, WriteType,
};
pub use segment::{MAX_SEGMENT_PAYLOAD, SegmentDecoder, SegmentEncoder, SegmentPayload};
pub use types::{ColumnSpec, CqlType, MAX_TYPE_NESTING, NativeType, UserDefinedType};
pub use value::{
    CellReader, ColumnPosition, CompositeWriter, CqlDate, CqlDuration, CqlRow, CqlTime, CqlTimestamp,
    CqlUserDefined, CqlValue, DatePrecision, DateRange, DateRangeBound, DeserializeError,
    DeserializeErrorKind, DeserializeOwnedRow, DeserializeRow, DeserializeValue, LineString, MaybeEmpty,
    MaybeUnset, NamedValues, OutOfRange, OwnedRows, PartsReader, Point, Polygon, RowReader, RowWriter,
    SerializeError, SerializeErrorKind, SerializeRow, SerializeValue, SerializedRow, TypeMismatch,
    TypeMismatchKind, TypedRows, Unset, ValueBytes, ValueWriter, decode_value, encode_value,
};
pub use version::{Features, MetadataIdSupport, ProtocolVersion};
