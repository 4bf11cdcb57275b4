//! Behaviour of sessions, shown on scripted nodes.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod balancing;
mod common;
mod connect;
mod errors;
mod faults_cluster;
mod faults_connection;
mod faults_proxy;
mod faults_request;
mod metrics;
mod requests;
mod retries;
mod routing;
mod tls;
mod tracing_spans;
mod tracker;
