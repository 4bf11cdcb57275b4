//! Sessions on real Apache Cassandra: the node that `HELENUS_CONTACT_POINTS` names, or one that is started for these tests.
//!
//! `smoke` runs on every version; the rest asks for Cassandra 5.0.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod bad_input;
mod common;
mod errors;
mod matrix;
mod metadata;
mod prepared;
mod requests;
mod schema;
mod smoke;
mod tracing;
mod typed;
mod types;
