//! Scripted nodes: a CQL server in the test's own process that does what it is told, right or wrong.
//!
//! A [`FakeNode`] speaks v3, v4, v5, DSE_V1 and DSE_V2 with the driver's own codec and answers what a driver asks when it
//! connects: handshake, authentication, system tables, schema. Everything else is up to the test's [`Script`]: statements
//! with their rows, and handlers that see each request and return [`Action`]s: answer, hold until a [`Gate`] opens, fail
//! with any error, cut an envelope, send garbage, use a wrong stream id, stop reading, close or reset. What arrived is kept
//! for assertions. Several nodes make a [`FakeCluster`]. Nothing in here sleeps.

pub mod cell;

mod action;
mod cluster;
mod connection;
mod healthy;
mod large;
mod node;
mod output;
mod pages;
mod received;
mod reply;
mod script;
mod select;
mod statement;
mod system_tables;
mod table;
mod vendor;

#[cfg(test)]
pub(crate) mod test_client;
#[cfg(test)]
mod tests;

pub use action::{Action, Corruption, Gate};
pub use cluster::FakeCluster;
pub(crate) use healthy::HealthyNode;
pub use large::{Size, start as start_large};
pub use node::FakeNode;
pub use pages::{PageStep, Pages};
pub use received::Received;
pub use reply::Reply;
pub use script::{Authentication, AuthenticationStep, Script, Verdict};
pub use statement::Statement;
pub use system_tables::{NodeInfo, Topology};
pub use table::{Table, column_specs};
pub use vendor::{Vendor, start as start_vendor};
