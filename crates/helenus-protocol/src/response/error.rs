//! ERROR: why a request failed, with the fields that belong to the code.
//!
//! Native protocol v3 §8, v4 §9, v5 §8: code (`[int]`), message (`[string]`), then the fields.

use bytes::Bytes;

use super::{ErrorCode, Failures, WriteType, not_supported};
use crate::notation::write;
use crate::{ConsistencyLevel, EncodeError, ProtocolError, ProtocolVersion, Reader};

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ServerError {
    /// What went wrong.
    pub code: ErrorCode,
    /// The server's own words.
    pub message: String,
    /// The fields that belong to the code.
    pub details: ErrorDetails,
}

/// The fields that belong to an error code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorDetails {
    /// All other codes.
    None,
    /// Of [`ErrorCode::Unavailable`].
    Unavailable {
        /// Level of the request.
        consistency: ConsistencyLevel,
        /// Replicas that the level needs.
        required: i32,
        /// Replicas that are alive.
        alive: i32,
    },
    /// Of [`ErrorCode::WriteTimeout`].
    WriteTimeout {
        /// Level of the request.
        consistency: ConsistencyLevel,
        /// Replicas that acknowledged.
        received: i32,
        /// Replicas that the level needs.
        block_for: i32,
        /// What was written.
        write_type: WriteType,
        /// Rounds of Paxos that others won (v5, type CAS).
        contentions: Option<u16>,
    },
    /// Of [`ErrorCode::ReadTimeout`].
    ReadTimeout {
        /// Level of the request.
        consistency: ConsistencyLevel,
        /// Replicas that answered.
        received: i32,
        /// Replicas that the level needs.
        block_for: i32,
        /// Whether the replica that was asked for the data itself answered.
        data_present: bool,
    },
    /// Of [`ErrorCode::ReadFailure`].
    ReadFailure {
        /// Level of the request.
        consistency: ConsistencyLevel,
        /// Replicas that answered.
        received: i32,
        /// Replicas that the level needs.
        block_for: i32,
        /// Replicas that failed.
        failures: Failures,
        /// Whether the replica that was asked for the data itself answered.
        data_present: bool,
    },
    /// Of [`ErrorCode::WriteFailure`].
    WriteFailure {
        /// Level of the request.
        consistency: ConsistencyLevel,
        /// Replicas that acknowledged.
        received: i32,
        /// Replicas that the level needs.
        block_for: i32,
        /// Replicas that failed.
        failures: Failures,
        /// What was written.
        write_type: WriteType,
    },
    /// Of [`ErrorCode::FunctionFailure`].
    FunctionFailure {
        /// Keyspace of the function.
        keyspace: String,
        /// The function.
        function: String,
        /// Types of its arguments, as CQL.
        arg_types: Vec<String>,
    },
    /// Of [`ErrorCode::CasWriteUnknown`].
    CasWriteUnknown {
        /// Level of the request.
        consistency: ConsistencyLevel,
        /// Replicas that acknowledged.
        received: i32,
        /// Replicas that the level needs.
        block_for: i32,
    },
    /// Of [`ErrorCode::AlreadyExists`].
    AlreadyExists {
        /// The keyspace that exists, or that of the table.
        keyspace: String,
        /// The table that exists; empty when it is the keyspace.
        table: String,
    },
    /// Of [`ErrorCode::Unprepared`].
    Unprepared {
        /// The id that the server does not know.
        id: Bytes,
    },
}

impl ServerError {
    /// An error without fields.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: ErrorDetails::None,
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        let code = ErrorCode::from_code(reader.read_int("error code")?);
        let message = reader.read_string("error message")?.to_owned();
        Ok(Self {
            code,
            message,
            details: ErrorDetails::decode(code, reader, version)?,
        })
    }

    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::int(out, self.code.code());
        write::string(out, &self.message, "error message")?;
        if self.details.code().is_some_and(|code| code != self.code) {
            return Err(not_supported(
                "an error whose fields are those of another code",
                version,
            ));
        }
        self.details.encode(version, out)
    }
}

impl ErrorDetails {
    /// The code that these fields belong to; `None` for those of many codes.
    fn code(&self) -> Option<ErrorCode> {
        Some(match self {
            Self::None => return None,
            Self::Unavailable { .. } => ErrorCode::Unavailable,
            Self::WriteTimeout { .. } => ErrorCode::WriteTimeout,
            Self::ReadTimeout { .. } => ErrorCode::ReadTimeout,
            Self::ReadFailure { .. } => ErrorCode::ReadFailure,
            Self::WriteFailure { .. } => ErrorCode::WriteFailure,
            Self::FunctionFailure { .. } => ErrorCode::FunctionFailure,
            Self::CasWriteUnknown { .. } => ErrorCode::CasWriteUnknown,
            Self::AlreadyExists { .. } => ErrorCode::AlreadyExists,
            Self::Unprepared { .. } => ErrorCode::Unprepared,
        })
    }

    fn decode(
        code: ErrorCode,
        reader: &mut Reader<'_>,
        version: ProtocolVersion,
    ) -> Result<Self, ProtocolError> {
        Ok(match code {
            ErrorCode::Unavailable => Self::Unavailable {
                consistency: reader.read_consistency("consistency")?,
                required: reader.read_int("required replicas")?,
                alive: reader.read_int("alive replicas")?,
            },
            ErrorCode::WriteTimeout => {
                let (consistency, received, block_for) = read_replicas(reader)?;
                let write_type = WriteType::decode(reader)?;
                // Early v5 servers end before the contentions.
                let counted =
                    version.features().cas_contentions && write_type == WriteType::Cas && !reader.is_empty();
                let contentions = match counted {
                    true => Some(reader.read_short("contentions")?),
                    false => None,
                };
                Self::WriteTimeout {
                    consistency,
                    received,
                    block_for,
                    write_type,
                    contentions,
                }
            }
            ErrorCode::ReadTimeout => {
                let (consistency, received, block_for) = read_replicas(reader)?;
                Self::ReadTimeout {
                    consistency,
                    received,
                    block_for,
                    data_present: reader.read_byte("data present")? != 0,
                }
            }
            ErrorCode::ReadFailure => {
                let (consistency, received, block_for) = read_replicas(reader)?;
                Self::ReadFailure {
                    consistency,
                    received,
                    block_for,
                    failures: Failures::decode(reader, version)?,
                    data_present: reader.read_byte("data present")? != 0,
                }
            }
            ErrorCode::WriteFailure => {
                let (consistency, received, block_for) = read_replicas(reader)?;
                Self::WriteFailure {
                    consistency,
                    received,
                    block_for,
                    failures: Failures::decode(reader, version)?,
                    write_type: WriteType::decode(reader)?,
                }
            }
            ErrorCode::FunctionFailure => Self::FunctionFailure {
                keyspace: reader.read_string("keyspace")?.to_owned(),
                function: reader.read_string("function")?.to_owned(),
                arg_types: reader.read_string_list("argument types")?,
            },
            ErrorCode::CasWriteUnknown => {
                let (consistency, received, block_for) = read_replicas(reader)?;
                Self::CasWriteUnknown {
                    consistency,
                    received,
                    block_for,
                }
            }
            ErrorCode::AlreadyExists => Self::AlreadyExists {
                keyspace: reader.read_string("keyspace")?.to_owned(),
                table: reader.read_string("table")?.to_owned(),
            },
            ErrorCode::Unprepared => Self::Unprepared {
                id: Bytes::copy_from_slice(reader.read_short_bytes("id of a prepared statement")?),
            },
            _ => Self::None,
        })
    }

    fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::None => {}
            Self::Unavailable {
                consistency,
                required,
                alive,
            } => write_replicas(out, *consistency, *required, *alive),
            Self::WriteTimeout {
                consistency,
                received,
                block_for,
                write_type,
                contentions,
            } => {
                write_replicas(out, *consistency, *received, *block_for);
                write::string(out, write_type.name(), "write type")?;
                if let Some(contentions) = contentions {
                    if !version.features().cas_contentions || *write_type != WriteType::Cas {
                        return Err(not_supported("a number of contentions", version));
                    }
                    write::short(out, *contentions);
                }
            }
            Self::ReadTimeout {
                consistency,
                received,
                block_for,
                data_present,
            } => {
                write_replicas(out, *consistency, *received, *block_for);
                write::byte(out, (*data_present).into());
            }
            Self::ReadFailure {
                consistency,
                received,
                block_for,
                failures,
                data_present,
            } => {
                write_replicas(out, *consistency, *received, *block_for);
                failures.encode(version, out)?;
                write::byte(out, (*data_present).into());
            }
            Self::WriteFailure {
                consistency,
                received,
                block_for,
                failures,
                write_type,
            } => {
                write_replicas(out, *consistency, *received, *block_for);
                failures.encode(version, out)?;
                write::string(out, write_type.name(), "write type")?;
            }
            Self::FunctionFailure {
                keyspace,
                function,
                arg_types,
            } => {
                write::string(out, keyspace, "keyspace")?;
                write::string(out, function, "function")?;
                write::string_list(out, arg_types, "argument types")?;
            }
            Self::CasWriteUnknown {
                consistency,
                received,
                block_for,
            } => write_replicas(out, *consistency, *received, *block_for),
            Self::AlreadyExists { keyspace, table } => {
                write::string(out, keyspace, "keyspace")?;
                write::string(out, table, "table")?;
            }
            Self::Unprepared { id } => write::short_bytes(out, id, "id of a prepared statement")?,
        }
        Ok(())
    }
}

/// `<cl><received><blockfor>`.
fn read_replicas(reader: &mut Reader<'_>) -> Result<(ConsistencyLevel, i32, i32), ProtocolError> {
    Ok((
        reader.read_consistency("consistency")?,
        reader.read_int("replicas received from")?,
        reader.read_int("replicas blocked for")?,
    ))
}

fn write_replicas(out: &mut Vec<u8>, consistency: ConsistencyLevel, first: i32, second: i32) {
    write::consistency(out, consistency);
    write::int(out, first);
    write::int(out, second);
}
