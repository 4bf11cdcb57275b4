//! Reliability on real clusters: what a program sees while nodes die, stop, leave and come back.
//!
//! Each test is named for its row of `docs/reliability.md`, starts or shares a cluster of several nodes, and prints one line of
//! figures. They need Java, Maven, some gigabytes of memory and minutes, so they run only when asked for: `make faults` runs all
//! of them, `make test` those of one three-node cluster, `make soak MINUTES=60` the long one.

#![expect(clippy::unwrap_used, reason = "the helpers here are part of tests")]

mod beds;
mod figures;
mod linearizability;
mod load;
mod login;
mod process;
mod simulacron;
mod soak;
mod three_nodes;
mod two_datacenters;
mod upgrade;
mod waiting;
