//! Error codes.
//!
//! Native protocol v3 §8, v4 §9, v5 §8; 0x8000 is DSE's.

use std::fmt;

/// What went wrong on the server, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// 0x0000: something unexpected in the server.
    Server,
    /// 0x000A: the client broke the protocol, or speaks a version that the server does not.
    Protocol,
    /// 0x0100: the authentication failed.
    Authentication,
    /// 0x1000: too few replicas are alive for the consistency level.
    Unavailable,
    /// 0x1001: the coordinator is overloaded.
    Overloaded,
    /// 0x1002: the coordinator is still joining.
    Bootstrapping,
    /// 0x1003: TRUNCATE failed.
    Truncate,
    /// 0x1100: too few replicas acknowledged a write in time. It may still be applied.
    WriteTimeout,
    /// 0x1200: too few replicas answered a read in time.
    ReadTimeout,
    /// 0x1300: a replica failed at a read (v4 and later).
    ReadFailure,
    /// 0x1400: a user-defined function failed (v4 and later).
    FunctionFailure,
    /// 0x1500: a replica failed at a write (v4 and later).
    WriteFailure,
    /// 0x1600: there is no room for the change data capture log.
    CdcWriteFailure,
    /// 0x1700: it is unknown whether a conditional write was applied (v5).
    CasWriteUnknown,
    /// 0x2000: the CQL does not parse.
    Syntax,
    /// 0x2100: the role lacks a permission.
    Unauthorized,
    /// 0x2200: the CQL parses, and is not valid.
    Invalid,
    /// 0x2300: the statement does not go with the server's configuration.
    Configuration,
    /// 0x2400: the keyspace or table exists already.
    AlreadyExists,
    /// 0x2500: the server does not know the id of the prepared statement.
    Unprepared,
    /// 0x8000: the server could not write to the client (DSE, continuous paging).
    ClientWriteFailure,
    /// A code that is not known here.
    Other(i32),
}

impl ErrorCode {
    /// All known codes, in their order.
    pub const KNOWN: [Self; 21] = [
        Self::Server,
        Self::Protocol,
        Self::Authentication,
        Self::Unavailable,
        Self::Overloaded,
        Self::Bootstrapping,
        Self::Truncate,
        Self::WriteTimeout,
        Self::ReadTimeout,
        Self::ReadFailure,
        Self::FunctionFailure,
        Self::WriteFailure,
        Self::CdcWriteFailure,
        Self::CasWriteUnknown,
        Self::Syntax,
        Self::Unauthorized,
        Self::Invalid,
        Self::Configuration,
        Self::AlreadyExists,
        Self::Unprepared,
        Self::ClientWriteFailure,
    ];

    /// The `[int]` on the wire.
    pub fn code(self) -> i32 {
        match self {
            Self::Server => 0x0000,
            Self::Protocol => 0x000A,
            Self::Authentication => 0x0100,
            Self::Unavailable => 0x1000,
            Self::Overloaded => 0x1001,
            Self::Bootstrapping => 0x1002,
            Self::Truncate => 0x1003,
            Self::WriteTimeout => 0x1100,
            Self::ReadTimeout => 0x1200,
            Self::ReadFailure => 0x1300,
            Self::FunctionFailure => 0x1400,
            Self::WriteFailure => 0x1500,
            Self::CdcWriteFailure => 0x1600,
            Self::CasWriteUnknown => 0x1700,
            Self::Syntax => 0x2000,
            Self::Unauthorized => 0x2100,
            Self::Invalid => 0x2200,
            Self::Configuration => 0x2300,
            Self::AlreadyExists => 0x2400,
            Self::Unprepared => 0x2500,
            Self::ClientWriteFailure => 0x8000,
            Self::Other(code) => code,
        }
    }

    /// What this code stands for.
    pub fn from_code(code: i32) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.code() == code)
            .unwrap_or(Self::Other(code))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server => "server error",
            Self::Protocol => "protocol error",
            Self::Authentication => "authentication error",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Bootstrapping => "bootstrapping",
            Self::Truncate => "truncate error",
            Self::WriteTimeout => "write timeout",
            Self::ReadTimeout => "read timeout",
            Self::ReadFailure => "read failure",
            Self::FunctionFailure => "function failure",
            Self::WriteFailure => "write failure",
            Self::CdcWriteFailure => "CDC write failure",
            Self::CasWriteUnknown => "CAS write unknown",
            Self::Syntax => "syntax error",
            Self::Unauthorized => "unauthorized",
            Self::Invalid => "invalid",
            Self::Configuration => "configuration error",
            Self::AlreadyExists => "already exists",
            Self::Unprepared => "unprepared",
            Self::ClientWriteFailure => "client write failure",
            Self::Other(code) => return write!(f, "error {code:#06x}"),
        })
    }
}
