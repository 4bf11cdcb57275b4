//! Behaviour of sessions, shown on scripted nodes.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod balancing;
mod common;
mod connect;
mod contact_points;
mod continuous;
mod control;
mod errors;
#[cfg(any(feature = "opentelemetry", feature = "prometheus"))]
mod exporters;
mod faults_cluster;
mod faults_connection;
mod faults_handshake;
mod faults_network;
mod faults_proxy;
mod faults_request;
mod holding;
mod lifecycle;
mod metrics;
mod overload;
mod pools;
mod prepared;
mod preparing;
mod preparing_cached;
mod profiles;
mod requests;
mod retries;
mod routing;
mod schema_refresh;
mod schema_vendors;
mod sharing;
mod simulation;
mod speculation;
mod throttling;
mod tls;
mod topology;
mod tracing_spans;
mod tracker;
