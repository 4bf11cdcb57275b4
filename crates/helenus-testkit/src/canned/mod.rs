//! The canned responder: a server that costs so little that a benchmark measures its client.
//!
//! One thread and one epoll serve all connections. What a driver asks when it connects is answered like a healthy node does
//! ([`crate::fake`]); EXECUTE of one of the benchmark's statements is answered with bytes that were encoded once, in which
//! only the stream id is put in place (and, in v5, the checksums of small segments are made anew). Requests of one read are
//! answered by one write. Bound values and page sizes are not looked at: a [`Workload`] has the rows and pages it has.

mod answers;
mod connection;
mod growing;
mod outbox;
mod rows;
mod server;
mod workload;

#[cfg(test)]
mod tests;

pub use growing::Growing;
pub use server::CannedServer;
pub use workload::{KEYSPACE, Workload};
