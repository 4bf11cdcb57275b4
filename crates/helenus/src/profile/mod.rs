//! Execution profiles: the options of many requests under one name.

mod registry;

pub(crate) use registry::Profiles;

use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::ConsistencyLevel;

use crate::policy::{
    DefaultPolicy, DefaultRetryPolicy, LoadBalancingPolicy, RetryPolicy, SpeculativeExecutionPolicy,
};
use crate::statement::{ContinuousPaging, Timeout};

/// How requests are run unless their statement says otherwise. Cheap to clone.
///
/// ```
/// use std::time::Duration;
/// use helenus::{ConsistencyLevel, ExecutionProfile};
///
/// let profile = ExecutionProfile::builder()
///     .consistency(ConsistencyLevel::LocalQuorum)
///     .timeout(Duration::from_secs(2))
///     .build();
/// assert_eq!(profile.consistency(), ConsistencyLevel::LocalQuorum);
/// ```
#[derive(Clone, Debug)]
pub struct ExecutionProfile {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    consistency: ConsistencyLevel,
    serial_consistency: Option<ConsistencyLevel>,
    timeout: Option<Duration>,
    page_size: i32,
    continuous_paging: Option<ContinuousPaging>,
    load_balancing: Arc<dyn LoadBalancingPolicy>,
    retry_policy: Arc<dyn RetryPolicy>,
    speculative_execution: Option<Arc<dyn SpeculativeExecutionPolicy>>,
}

/// A profile, or the name of one: see [`Cluster::set_profile`](crate::Cluster::set_profile).
#[derive(Clone, Debug)]
pub enum ProfileRef {
    /// This one.
    Profile(ExecutionProfile),
    /// The one that has this name when the request begins.
    Named(Arc<str>),
}

impl ProfileRef {
    /// The name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Profile(_) => None,
            Self::Named(name) => Some(name),
        }
    }
}

impl From<ExecutionProfile> for ProfileRef {
    fn from(profile: ExecutionProfile) -> Self {
        Self::Profile(profile)
    }
}

impl From<&str> for ProfileRef {
    fn from(name: &str) -> Self {
        Self::Named(name.into())
    }
}

impl From<Arc<str>> for ProfileRef {
    fn from(name: Arc<str>) -> Self {
        Self::Named(name)
    }
}

impl ExecutionProfile {
    /// The time limit of a request unless something else is said.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
    /// Rows in a page unless something else is said.
    pub const DEFAULT_PAGE_SIZE: i32 = 5000;

    /// A profile to be described.
    pub fn builder() -> ExecutionProfileBuilder {
        ExecutionProfileBuilder {
            inner: Inner {
                consistency: ConsistencyLevel::LocalOne,
                serial_consistency: None,
                timeout: Some(Self::DEFAULT_TIMEOUT),
                page_size: Self::DEFAULT_PAGE_SIZE,
                continuous_paging: None,
                load_balancing: Arc::new(DefaultPolicy::new()),
                retry_policy: Arc::new(DefaultRetryPolicy),
                speculative_execution: None,
            },
        }
    }

    /// A profile like this one, to be changed.
    pub fn to_builder(&self) -> ExecutionProfileBuilder {
        ExecutionProfileBuilder {
            inner: Inner::clone(&self.inner),
        }
    }

    /// How many replicas must answer. LOCAL_ONE by default.
    pub fn consistency(&self) -> ConsistencyLevel {
        self.inner.consistency
    }

    /// Consistency of the Paxos phase of conditional statements; `None`, the default, leaves it to the server (SERIAL).
    pub fn serial_consistency(&self) -> Option<ConsistencyLevel> {
        self.inner.serial_consistency
    }

    /// Limits one request, all attempts together. 10 s by default; `None` waits forever.
    pub fn timeout(&self) -> Option<Duration> {
        self.inner.timeout
    }

    /// Rows in a page. 5000 by default; 0 or less: all rows in one page.
    pub fn page_size(&self) -> i32 {
        self.inner.page_size
    }

    /// Whether nodes send page after page unasked, and how many (DSE). `None`, the default: they are asked for each.
    pub fn continuous_paging(&self) -> Option<&ContinuousPaging> {
        self.inner.continuous_paging.as_ref()
    }

    /// Says which nodes are tried, in which order. [`DefaultPolicy`] by default.
    pub fn load_balancing(&self) -> &Arc<dyn LoadBalancingPolicy> {
        &self.inner.load_balancing
    }

    /// Decides whether there is another attempt. [`DefaultRetryPolicy`] by default.
    pub fn retry_policy(&self) -> &Arc<dyn RetryPolicy> {
        &self.inner.retry_policy
    }

    /// Starts further executions of idempotent requests; `None`, the default, does not.
    pub fn speculative_execution(&self) -> Option<&Arc<dyn SpeculativeExecutionPolicy>> {
        self.inner.speculative_execution.as_ref()
    }
}

impl Default for ExecutionProfile {
    fn default() -> Self {
        Self::builder().build()
    }
}

/// Describes an [`ExecutionProfile`].
#[derive(Clone, Debug)]
pub struct ExecutionProfileBuilder {
    inner: Inner,
}

impl ExecutionProfileBuilder {
    /// See [`ExecutionProfile::consistency`].
    #[must_use]
    pub fn consistency(mut self, consistency: ConsistencyLevel) -> Self {
        self.inner.consistency = consistency;
        self
    }

    /// See [`ExecutionProfile::serial_consistency`].
    #[must_use]
    pub fn serial_consistency(mut self, consistency: impl Into<Option<ConsistencyLevel>>) -> Self {
        self.inner.serial_consistency = consistency.into();
        self
    }

    /// See [`ExecutionProfile::timeout`].
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.inner.timeout = timeout.into().limit();
        self
    }

    /// See [`ExecutionProfile::page_size`].
    #[must_use]
    pub fn page_size(mut self, rows: i32) -> Self {
        self.inner.page_size = rows;
        self
    }

    /// See [`ExecutionProfile::continuous_paging`].
    #[must_use]
    pub fn continuous_paging(mut self, paging: impl Into<Option<ContinuousPaging>>) -> Self {
        self.inner.continuous_paging = paging.into();
        self
    }

    /// See [`ExecutionProfile::load_balancing`].
    #[must_use]
    pub fn load_balancing(mut self, policy: Arc<dyn LoadBalancingPolicy>) -> Self {
        self.inner.load_balancing = policy;
        self
    }

    /// See [`ExecutionProfile::retry_policy`].
    #[must_use]
    pub fn retry_policy(mut self, policy: Arc<dyn RetryPolicy>) -> Self {
        self.inner.retry_policy = policy;
        self
    }

    /// See [`ExecutionProfile::speculative_execution`].
    #[must_use]
    pub fn speculative_execution(
        mut self,
        policy: impl Into<Option<Arc<dyn SpeculativeExecutionPolicy>>>,
    ) -> Self {
        self.inner.speculative_execution = policy.into();
        self
    }

    /// The profile.
    pub fn build(self) -> ExecutionProfile {
        ExecutionProfile {
            inner: Arc::new(self.inner),
        }
    }
}
