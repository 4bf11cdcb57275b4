//! Reconnection policies: the two built-in classes have twins; a schedule of any other is asked for ahead of time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use helenus::policy::{
    ConstantReconnection, ExponentialReconnection, ReconnectionPolicy, ReconnectionSchedule,
};
use pyo3::intern;
use pyo3::prelude::*;

use crate::{classes, runtime};

/// How many delays of a schedule are asked for; behind them the last one is repeated.
const ASKED_DELAYS: usize = 100;

/// A Python `ReconnectionPolicy`, whose next schedule lies ready because the I/O thread cannot ask for it.
pub(crate) struct ReconnectionAdapter {
    policy: Arc<Py<PyAny>>,
    next: Arc<Mutex<Vec<Duration>>>,
}

impl ReconnectionAdapter {
    /// The core's policy for `policy`.
    pub(crate) fn policy(policy: &Bound<'_, PyAny>) -> PyResult<Arc<dyn ReconnectionPolicy>> {
        let py = policy.py();
        let class = policy.get_type();
        if class.is(classes::exponential_reconnection_policy(py)?) {
            let base = seconds(policy.getattr(intern!(py, "base_delay"))?.extract()?);
            let max = seconds(policy.getattr(intern!(py, "max_delay"))?.extract()?);
            return Ok(Arc::new(ExponentialReconnection::new(base, max)));
        }
        if class.is(classes::constant_reconnection_policy(py)?) {
            let delay = seconds(policy.getattr(intern!(py, "delay"))?.extract()?);
            return Ok(Arc::new(ConstantReconnection(delay)));
        }
        let next = delays(policy)?;
        Ok(Arc::new(Self {
            policy: Arc::new(policy.clone().unbind()),
            next: Arc::new(Mutex::new(next)),
        }))
    }
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value.max(0.0)).unwrap_or(Duration::MAX)
}

/// The first delays of a new schedule.
fn delays(policy: &Bound<'_, PyAny>) -> PyResult<Vec<Duration>> {
    let schedule = policy.call_method0(intern!(policy.py(), "new_schedule"))?;
    schedule
        .try_iter()?
        .take(ASKED_DELAYS)
        .map(|delay| Ok(seconds(delay?.extract()?)))
        .collect()
}

impl fmt::Debug for ReconnectionAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectionAdapter").finish_non_exhaustive()
    }
}

impl ReconnectionPolicy for ReconnectionAdapter {
    fn schedule(&self) -> ReconnectionSchedule {
        let delays = self.next.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (policy, next) = (self.policy.clone(), self.next.clone());
        if let Ok(io) = runtime::io() {
            io.handle().spawn_blocking(move || {
                let asked = Python::try_attach(|py| self::delays(policy.bind(py)));
                if let Some(Ok(asked)) = asked {
                    *next.lock().unwrap_or_else(PoisonError::into_inner) = asked;
                }
            });
        }
        let last = delays.last().copied().unwrap_or(Duration::from_secs(1));
        Box::new(delays.into_iter().chain(std::iter::repeat(last)))
    }
}
