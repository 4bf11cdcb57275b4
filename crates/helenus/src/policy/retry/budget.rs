//! How many retries a session may make, so that a cluster in trouble is not asked twice as much.

/// Bounds the retries of a session by a share of its requests.
///
/// Another attempt after an ERROR of a coordinator, and each speculative execution, takes a token; without one the request
/// fails with what it has, or goes on without speculation. A request brings a share of a token, and each second some more.
/// What a session did not need lasts for 10 seconds. Not counted are attempts that no node ran: unsent requests, bootstrapping nodes,
/// unprepared statements; nor those after the loss of a connection, which the delays between reconnections bound.
///
/// ```
/// use helenus::Cluster;
/// use helenus::policy::RetryBudget;
///
/// let builder = Cluster::builder().retry_budget(RetryBudget::new(0.1).with_minimum(5.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    pub(crate) share: f64,
    pub(crate) minimum: f64,
}

impl RetryBudget {
    /// A retry for this share of requests: 0.1 is one for ten of them. And at least 10 in each second.
    pub const fn new(share: f64) -> Self {
        Self { share, minimum: 10.0 }
    }

    /// So many retries in each second, whatever the number of requests.
    #[must_use]
    pub const fn with_minimum(mut self, per_second: f64) -> Self {
        self.minimum = per_second;
        self
    }
}

impl Default for RetryBudget {
    /// One for five requests, and at least 10 in each second.
    fn default() -> Self {
        Self::new(0.2)
    }
}
