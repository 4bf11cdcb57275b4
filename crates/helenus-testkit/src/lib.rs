//! Servers for tests: what stands on the other side of a CQL connection.
//!
//! [`cassandra`] runs clusters of real Apache Cassandra on loopback addresses; the same is available on the command line as
//! `helenus-testkit`. [`fake`] is scripted servers inside the test's own process, [`simulacron`] a fake cluster that somebody
//! else wrote, [`canned`] a responder to benchmark clients with, [`proxy`] a proxy that breaks frames on demand.

pub mod canned;
pub mod cassandra;
pub mod fake;
pub mod proxy;
pub mod simulacron;
pub mod tls_front;
