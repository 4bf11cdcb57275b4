//! What a statement may say about how it is run; what it leaves open comes from its execution profile.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helenus_protocol::{ConsistencyLevel, CustomPayload};
use uuid::Uuid;

use crate::cluster::Node;
use crate::policy::{LoadBalancingPolicy, RetryPolicy, SpeculativeExecutionPolicy};
use crate::profile::ProfileRef;
use crate::statement::ContinuousPaging;

/// How a request is to be run. What is `None` here is taken from the execution profile.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RequestOptions {
    /// How many replicas must answer.
    pub consistency: Option<ConsistencyLevel>,
    /// Consistency of the Paxos phase of a conditional statement: SERIAL or LOCAL_SERIAL.
    pub serial_consistency: Option<ConsistencyLevel>,
    /// Rows in a page. 0 or less: all rows in one page.
    pub page_size: Option<i32>,
    /// Has the node send page after page unasked, instead of what the profile says; `Some(None)`: it is asked for each.
    pub continuous_paging: Option<Option<ContinuousPaging>>,
    /// Limits the request, all attempts together.
    pub timeout: Option<Timeout>,
    /// Whether running the statement twice has the same effect as running it once. `None`: true for a SELECT, false for
    /// anything else. Conditional statements and counter updates never count as idempotent.
    pub idempotent: Option<bool>,
    /// Timestamp of the mutation, microseconds since the epoch. `None`: the session's timestamp generator decides.
    pub timestamp: Option<i64>,
    /// Asks the server to trace the request; see [`Session::trace`](crate::Session::trace).
    pub tracing: bool,
    /// For a custom query handler on the server (protocol v4 and later).
    pub custom_payload: Option<Arc<CustomPayload>>,
    /// Keyspace in which unqualified names are looked up (protocol v5 and DSE_V2). For a prepared statement it was given
    /// when it was prepared.
    pub keyspace: Option<Arc<str>>,
    /// The server's clock for this request, seconds since the epoch (protocol v5). For tests of expiry.
    pub now_in_seconds: Option<i32>,
    /// The execution profile, or its name; the default profile when `None`.
    pub profile: Option<ProfileRef>,
    /// Decides about further attempts, instead of the profile's policy.
    pub retry_policy: Option<Arc<dyn RetryPolicy>>,
    /// The nodes to try, in this order, instead of the load balancing policy's plan.
    pub plan: Option<Arc<[Arc<Node>]>>,
    /// The host id of the node to try first, where the load balancing policy heeds it:
    /// [`TargetNodePolicy`](crate::policy::TargetNodePolicy).
    pub target: Option<Uuid>,
    /// Chooses the nodes to try, instead of the profile's policy. Only nodes that the policy of some profile wants have
    /// connections.
    pub load_balancing: Option<Arc<dyn LoadBalancingPolicy>>,
    /// Starts further executions of an idempotent statement, instead of the profile's policy; `Some(None)`: nothing does.
    pub speculative_execution: Option<Option<Arc<dyn SpeculativeExecutionPolicy>>>,
    /// The partition key as replicas hash it, of a statement that is not prepared: a single column is its bytes; several are
    /// each a `[short]` length, the bytes, and a zero byte. With it token-aware policies know the replicas.
    pub routing_key: Option<Bytes>,
    /// The keyspace that the routing key belongs to; when `None`, that of the options, else of the session.
    pub routing_keyspace: Option<Arc<str>>,
}

impl RequestOptions {
    /// Options that leave everything to the execution profile.
    pub fn new() -> Self {
        Self::default()
    }
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// At most this long.
    After(Duration),
    /// Forever.
    Never,
}

impl Timeout {
    /// The limit; `None` is forever.
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::After(limit) => Some(limit),
            Self::Never => None,
        }
    }
}

impl From<Duration> for Timeout {
    fn from(limit: Duration) -> Self {
        Self::After(limit)
    }
}

impl From<Option<Duration>> for Timeout {
    fn from(limit: Option<Duration>) -> Self {
        limit.map_or(Self::Never, Self::After)
    }
}

/// The setters that all kinds of statements have, over a method `options_mut`.
macro_rules! statement_setters {
    () => {
        /// How many replicas must answer.
        #[must_use]
        pub fn with_consistency(mut self, consistency: helenus_protocol::ConsistencyLevel) -> Self {
            self.options_mut().consistency = Some(consistency);
            self
        }

        /// Consistency of the Paxos phase of a conditional statement: SERIAL or LOCAL_SERIAL.
        #[must_use]
        pub fn with_serial_consistency(mut self, consistency: helenus_protocol::ConsistencyLevel) -> Self {
            self.options_mut().serial_consistency = Some(consistency);
            self
        }

        /// Rows in a page; 0 or less: all rows in one page.
        #[must_use]
        pub fn with_page_size(mut self, rows: i32) -> Self {
            self.options_mut().page_size = Some(rows);
            self
        }

        /// Has the node send page after page unasked (DSE); `None`: it is asked for each, whatever the profile says.
        #[must_use]
        pub fn with_continuous_paging(mut self, paging: impl Into<Option<crate::ContinuousPaging>>) -> Self {
            self.options_mut().continuous_paging = Some(paging.into());
            self
        }

        /// Limits one request, all attempts together; `None` waits forever.
        #[must_use]
        pub fn with_timeout(mut self, timeout: impl Into<crate::Timeout>) -> Self {
            self.options_mut().timeout = Some(timeout.into());
            self
        }

        /// Says whether running the statement twice has the same effect as running it once.
        #[must_use]
        pub fn with_idempotence(mut self, idempotent: bool) -> Self {
            self.options_mut().idempotent = Some(idempotent);
            self
        }

        /// Timestamp of the mutation, microseconds since the epoch.
        #[must_use]
        pub fn with_timestamp(mut self, microseconds: i64) -> Self {
            self.options_mut().timestamp = Some(microseconds);
            self
        }

        /// Asks the server to trace the request.
        #[must_use]
        pub fn with_tracing(mut self, tracing: bool) -> Self {
            self.options_mut().tracing = tracing;
            self
        }

        /// Tells something to a custom query handler on the server (protocol v4 and later).
        #[must_use]
        pub fn with_custom_payload(mut self, payload: helenus_protocol::CustomPayload) -> Self {
            self.options_mut().custom_payload = Some(std::sync::Arc::new(payload));
            self
        }

        /// The server's clock for this request, seconds since the epoch (protocol v5).
        #[must_use]
        pub fn with_now_in_seconds(mut self, seconds: i32) -> Self {
            self.options_mut().now_in_seconds = Some(seconds);
            self
        }

        /// Runs the statement with this execution profile, or with the one of this name, instead of the default one.
        #[must_use]
        pub fn with_profile(mut self, profile: impl Into<crate::ProfileRef>) -> Self {
            self.options_mut().profile = Some(profile.into());
            self
        }

        /// Chooses the nodes to try, instead of the profile's policy.
        #[must_use]
        pub fn with_load_balancing(
            mut self,
            policy: std::sync::Arc<dyn crate::policy::LoadBalancingPolicy>,
        ) -> Self {
            self.options_mut().load_balancing = Some(policy);
            self
        }

        /// Starts further executions, if the statement is idempotent, instead of the profile's policy; `None`: nothing does.
        #[must_use]
        pub fn with_speculative_execution(
            mut self,
            policy: impl Into<Option<std::sync::Arc<dyn crate::policy::SpeculativeExecutionPolicy>>>,
        ) -> Self {
            self.options_mut().speculative_execution = Some(policy.into());
            self
        }

        /// Decides about further attempts, instead of the profile's policy.
        #[must_use]
        pub fn with_retry_policy(mut self, policy: std::sync::Arc<dyn crate::policy::RetryPolicy>) -> Self {
            self.options_mut().retry_policy = Some(policy);
            self
        }

        /// Tries the node with this host id first, where the load balancing policy heeds it:
        /// [`TargetNodePolicy`](crate::policy::TargetNodePolicy).
        #[must_use]
        pub fn with_target(mut self, host_id: uuid::Uuid) -> Self {
            self.options_mut().target = Some(host_id);
            self
        }

        /// Says which partition a statement that is not prepared is about: the keyspace, and the partition key as replicas
        /// hash it; see [`RequestOptions::routing_key`](crate::RequestOptions::routing_key).
        #[must_use]
        pub fn with_routing_key(
            mut self,
            keyspace: impl Into<std::sync::Arc<str>>,
            key: impl Into<bytes::Bytes>,
        ) -> Self {
            let options = self.options_mut();
            options.routing_keyspace = Some(keyspace.into());
            options.routing_key = Some(key.into());
            self
        }

        /// Replaces all options at once.
        #[must_use]
        pub fn with_options(mut self, options: crate::RequestOptions) -> Self {
            *self.options_mut() = options;
            self
        }
    };
}

pub(crate) use statement_setters;
