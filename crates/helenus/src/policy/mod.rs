//! Policies: decisions that a user may want to make otherwise, each a small trait with built-in implementations.

mod load_balancing;
mod plan;
mod reconnection;
mod retry;
mod timestamp;
mod token_aware;

pub use load_balancing::{Distance, LoadBalancingPolicy, RoundRobinPolicy, RouteContext};
pub use plan::QueryPlan;
pub use reconnection::{
    ConstantReconnection, ExponentialReconnection, ReconnectionPolicy, ReconnectionSchedule,
};
pub use retry::{
    DefaultRetryPolicy, DowngradingConsistencyRetryPolicy, ExponentialBackoffRetryPolicy,
    FallthroughRetryPolicy, RequestErrorRetryPolicy, Retry, RetryBudget, RetryCause, RetryContext,
    RetryDecision, RetryPolicy, WriteTypeRetryPolicy,
};
pub use timestamp::{MonotonicTimestamps, TimestampGenerator};
pub use token_aware::TokenAwarePolicy;
