//! Driver for Apache Cassandra.

pub mod auth;
#[expect(dead_code, reason = "sessions are to use all of it")]
mod connection;

pub use connection::{
    AttemptFailure, CloseCause, CloseReason, ConnectError, ConnectErrorKind, ConnectStep, ConnectionError,
    Endpoint, SubmitError,
};
