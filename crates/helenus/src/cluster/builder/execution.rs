//! Options about the execution of requests that hold for all of a session.

use super::ClusterBuilder;
use crate::error::ConfigurationError;
use crate::policy::RetryBudget;

impl ClusterBuilder {
    /// Bounds the retries of each session; `None` does not. One for five requests, and at least 10 in each second, by
    /// default.
    pub fn retry_budget(mut self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.retry_budget = budget.into();
        self
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
        Ok(())
    }
}
