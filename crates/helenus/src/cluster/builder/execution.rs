//! Options about the execution of requests that hold for all of a session.

use super::ClusterBuilder;
use crate::error::ConfigurationError;
use crate::policy::{RequestThrottle, RetryBudget};
use crate::profile::ExecutionProfile;

impl ClusterBuilder {
    /// Bounds the retries of each session; `None` does not. One for five requests, and at least 10 in each second, by
    /// default.
    pub fn retry_budget(mut self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.retry_budget = budget.into();
        self
    }

    /// Bounds how many requests a session sends at a time, or in a second; `None`, the default, does not.
    pub fn request_throttle(mut self, throttle: impl Into<Option<RequestThrottle>>) -> Self {
        self.request_throttle = throttle.into();
        self
    }

    /// A profile that statements find by this name: [`Cluster::set_profile`](crate::Cluster::set_profile) exchanges it. The name
    /// `default` is that of the default profile.
    pub fn named_profile(mut self, name: impl Into<String>, profile: ExecutionProfile) -> Self {
        self.named_profiles.push((name.into(), profile));
        self
    }

    /// All profiles.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &ExecutionProfile> {
        let named = self.named_profiles.iter().map(|(_, profile)| profile);
        std::iter::once(&self.profile)
            .chain(&self.other_profiles)
            .chain(named)
    }

    pub(super) fn check_execution(&self) -> Result<(), ConfigurationError> {
        if let Some(RetryBudget { share, minimum }) = self.retry_budget {
            for (option, value) in [("retry_budget.share", share), ("retry_budget.minimum", minimum)] {
                if !value.is_finite() || value < 0.0 {
                    return Err(ConfigurationError::OutOfRange {
                        option,
                        value: value.to_string(),
                        reason: "it is 0 or more",
                    });
                }
            }
        }
        if let Some(throttle) = self.request_throttle {
            let per_second = throttle.per_second.map(|requests| requests as usize);
            for (option, value) in [
                ("request_throttle.max_concurrent", throttle.concurrent),
                ("request_throttle.max_per_second", per_second),
            ] {
                if value == Some(0) {
                    return Err(ConfigurationError::OutOfRange {
                        option,
                        value: "0".to_owned(),
                        reason: "it is at least 1",
                    });
                }
            }
        }
        Ok(())
    }
}
