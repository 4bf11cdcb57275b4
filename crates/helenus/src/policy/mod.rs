//! Policies: decisions that a user may want to make otherwise, each a small trait with built-in implementations.

mod load_balancing;
mod reconnection;
mod retry;
mod speculative;
mod throttle;
mod timestamp;

pub use load_balancing::{
    AllowListPolicy, DcAwarePolicy, DefaultPolicy, Distance, HostFilterPolicy, LoadBalancingPolicy,
    QueryPlan, RackAwarePolicy, RoundRobinPolicy, RouteContext, TargetNodePolicy, TokenAwarePolicy,
};
pub(crate) use load_balancing::{Demotion, NodeLoad, PlannedNode};
pub use reconnection::{
    ConstantReconnection, ExponentialReconnection, ReconnectionPolicy, ReconnectionSchedule,
};
pub use retry::{
    DefaultRetryPolicy, DowngradingConsistencyRetryPolicy, ExponentialBackoffRetryPolicy,
    FallthroughRetryPolicy, RequestErrorRetryPolicy, Retry, RetryBudget, RetryCause, RetryContext,
    RetryDecision, RetryPolicy, WriteTypeRetryPolicy,
};
pub use speculative::{
    ConstantSpeculativeExecution, PercentileSpeculativeExecution, SpeculativeExecutionPolicy,
    SpeculativeSchedule,
};
pub use throttle::RequestThrottle;
pub(crate) use timestamp::Timestamps;
pub use timestamp::{MonotonicTimestamps, TimestampGenerator};
