//! What can be wrong with bytes that a peer sent.

use crate::ProtocolVersion;

/// Bytes from the peer that are not the native protocol, or not the part of it that was expected. Never retried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A field needs more bytes than the body has left.
    #[error("{what} needs {needed} more bytes, the body has {available}")]
    Truncated {
        /// The field, in the specification's words.
        what: &'static str,
        /// Bytes that the field takes.
        needed: usize,
        /// Bytes that are left.
        available: usize,
    },
    /// A length or count is negative, or above the limit for its field.
    #[error("{what} has length {length}, outside 0..={limit}")]
    InvalidLength {
        /// The field.
        what: &'static str,
        /// The length as sent.
        length: i64,
        /// The largest that is accepted.
        limit: i64,
    },
    /// Text that is not UTF-8.
    #[error("{what} is not valid UTF-8")]
    InvalidUtf8 {
        /// The field.
        what: &'static str,
    },
    /// The version byte names a version that is not spoken here.
    #[error("protocol version {number:#04x} is not supported")]
    UnsupportedVersion {
        /// Version number without the direction bit.
        number: u8,
    },
    /// An envelope of another version than the connection's.
    #[error("envelope of protocol {found} on a connection that speaks {expected}")]
    VersionMismatch {
        /// The connection's version.
        expected: ProtocolVersion,
        /// The envelope's version.
        found: ProtocolVersion,
    },
    /// A request where a response was expected, or the other way round.
    #[error("envelope travels in the wrong direction")]
    WrongDirection,
    /// An opcode that does not exist, or not in this direction.
    #[error("unknown opcode {opcode:#04x}")]
    UnknownOpcode {
        /// The opcode.
        opcode: u8,
    },
    /// A consistency level that does not exist.
    #[error("unknown consistency level {code:#06x}")]
    UnknownConsistency {
        /// The code.
        code: u16,
    },
    /// A code (of a result kind, event, type, ...) that does not exist.
    #[error("unknown {what} {code:#06x}")]
    UnknownCode {
        /// What the code stands for.
        what: &'static str,
        /// The code.
        code: i64,
    },
    /// A word (of an event, a change, a write type...) that does not exist.
    #[error("unknown {what} {value:?}")]
    UnknownName {
        /// What the word stands for.
        what: &'static str,
        /// The word.
        value: String,
    },
    /// A stream id that the peer may not use.
    #[error("stream id {id} is not valid here")]
    InvalidStreamId {
        /// The id.
        id: i16,
    },
    /// A type name or nesting that cannot be understood.
    #[error("type {name:?}: {reason}")]
    InvalidType {
        /// The text or the place.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The checksum of a segment's header is wrong (v5 §2.2).
    #[error("segment header checksum is {found:#08x}, expected {expected:#08x}")]
    HeaderChecksum {
        /// CRC24 of the bytes received.
        expected: u32,
        /// CRC24 that was sent.
        found: u32,
    },
    /// The checksum of a segment's payload is wrong (v5 §2.2).
    #[error("segment payload checksum is {found:#010x}, expected {expected:#010x}")]
    PayloadChecksum {
        /// CRC32 of the bytes received.
        expected: u32,
        /// CRC32 that was sent.
        found: u32,
    },
    /// A body or segment that does not decompress to what it declares.
    #[error("cannot decompress: {reason}")]
    Decompression {
        /// Why.
        reason: String,
    },
    /// An envelope is marked as compressed on a connection without compression.
    #[error("compressed envelope on a connection that negotiated no compression")]
    UnexpectedCompression,
    /// Anything else, said in words.
    #[error("{0}")]
    Malformed(&'static str),
}

/// A message that cannot be said in the protocol, or not in the version of the connection. Found before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A field is longer than its notation, or the body longer than an envelope, can carry.
    #[error("{what} has length {length}, above the limit of {limit}")]
    TooLarge {
        /// The field.
        what: &'static str,
        /// Its length in bytes, or the count of its elements.
        length: usize,
        /// The largest that can be sent.
        limit: usize,
    },
    /// The message uses something that this protocol version has no place for.
    #[error("{what} cannot be sent in protocol {version}")]
    NotSupported {
        /// The option or value.
        what: &'static str,
        /// The version of the connection.
        version: ProtocolVersion,
    },
}
