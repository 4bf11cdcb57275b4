//! How many requests a session sends at a time, or in a second.

/// Bounds the requests of a session: those that are under way at a time, those that begin in a second, or both. What is over
/// waits in a queue, within its own time limit; when the queue is full the request fails with
/// [`RequestErrorKind::Throttled`](crate::RequestErrorKind::Throttled), and was not sent.
///
/// ```
/// use helenus::Cluster;
/// use helenus::policy::RequestThrottle;
///
/// let throttle = RequestThrottle::new().max_concurrent(1000).max_per_second(20_000).max_waiting(5000);
/// let builder = Cluster::builder().request_throttle(throttle);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestThrottle {
    pub(crate) concurrent: Option<usize>,
    pub(crate) per_second: Option<u32>,
    pub(crate) burst: Option<u32>,
    pub(crate) waiting: usize,
}

impl RequestThrottle {
    /// Bounds nothing yet; 1000 requests may wait.
    pub const fn new() -> Self {
        Self {
            concurrent: None,
            per_second: None,
            burst: None,
            waiting: 1000,
        }
    }

    /// At most so many requests are under way at a time, each with all its attempts. At least 1.
    #[must_use]
    pub const fn max_concurrent(mut self, requests: usize) -> Self {
        self.concurrent = Some(requests);
        self
    }

    /// At most so many requests begin in a second. At least 1.
    #[must_use]
    pub const fn max_per_second(mut self, requests: u32) -> Self {
        self.per_second = Some(requests);
        self
    }

    /// So many requests may begin at once after a pause, before [`RequestThrottle::max_per_second`] spaces them out. By default
    /// those of a tenth of a second.
    #[must_use]
    pub const fn burst(mut self, requests: u32) -> Self {
        self.burst = Some(requests);
        self
    }

    /// How many requests may wait. With 0 a request that cannot be sent at once fails.
    #[must_use]
    pub const fn max_waiting(mut self, requests: usize) -> Self {
        self.waiting = requests;
        self
    }
}

impl Default for RequestThrottle {
    fn default() -> Self {
        Self::new()
    }
}
