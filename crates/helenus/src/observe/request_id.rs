//! Ids of requests, by which logs of clients and servers can be brought together.

use std::fmt;

use uuid::Uuid;

/// The key of the custom payload under which servers find the id.
pub(super) const PAYLOAD_KEY: &str = "request-id";

/// Gives each request an id: see [`ClusterBuilder::request_ids`](crate::ClusterBuilder::request_ids).
pub trait RequestIdGenerator: fmt::Debug + Send + Sync {
    /// The id of the next request. Called by the thread that starts it.
    fn next_id(&self) -> String;
}

/// Random UUIDs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RandomRequestIds;

impl RequestIdGenerator for RandomRequestIds {
    fn next_id(&self) -> String {
        Uuid::new_v4().to_string()
    }
}
