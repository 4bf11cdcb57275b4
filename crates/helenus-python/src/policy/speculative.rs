//! Speculative execution policies: built-in classes have twins; a plan of any other is made before the request starts.

use std::sync::Arc;
use std::time::Duration;

use helenus::Request;
use helenus::policy::{ConstantSpeculativeExecution, SpeculativeExecutionPolicy, SpeculativeSchedule};
use pyo3::intern;
use pyo3::prelude::*;

use crate::classes;

/// Where the delays of further executions come from.
pub(crate) enum SpeculationSource {
    /// The core's policy, set on the profile; or none.
    Core,
    /// A Python object, asked on the caller's thread.
    Python(Py<PyAny>),
}

/// The delays of one request.
#[derive(Debug)]
struct Delays(Arc<[Duration]>);

impl SpeculativeExecutionPolicy for Delays {
    fn schedule(&self, _: &Request) -> SpeculativeSchedule {
        let (delays, mut next) = (Arc::clone(&self.0), 0..);
        Box::new(move |_| delays.get(next.next()?).copied())
    }
}

impl SpeculationSource {
    /// The source for `policy`, and the core's policy for its profile.
    pub(crate) fn of(
        policy: &Bound<'_, PyAny>,
    ) -> PyResult<(Self, Option<Arc<dyn SpeculativeExecutionPolicy>>)> {
        let py = policy.py();
        let class = policy.get_type();
        if policy.is_none() || class.is(classes::no_speculative_execution_policy(py)?) {
            return Ok((Self::Core, None));
        }
        if class.is(classes::constant_speculative_execution_policy(py)?) {
            let delay: f64 = policy.getattr(intern!(py, "delay"))?.extract()?;
            let more: i64 = policy.getattr(intern!(py, "max_attempts"))?.extract()?;
            let more = usize::try_from(more).unwrap_or(0);
            let twin = ConstantSpeculativeExecution::new(duration(delay), more);
            return Ok((Self::Core, Some(Arc::new(twin))));
        }
        Ok((Self::Python(policy.clone().unbind()), None))
    }

    /// The policy for one idempotent request, whose plan is asked for all its delays: one for each of the other nodes at most.
    pub(crate) fn for_request(
        &self,
        keyspace: Option<&str>,
        statement: &Bound<'_, PyAny>,
        others: usize,
    ) -> PyResult<Option<Arc<dyn SpeculativeExecutionPolicy>>> {
        let Self::Python(policy) = self else {
            return Ok(None);
        };
        let py = statement.py();
        let new_plan = intern!(py, "new_plan");
        let plan = policy.bind(py).call_method1(new_plan, (keyspace, statement))?;
        let mut delays = Vec::new();
        while delays.len() < others {
            // Which node will have been asked by then is not known.
            let delay = plan.call_method1(intern!(py, "next_execution"), (py.None(),))?;
            let delay: f64 = delay.extract()?;
            if delay < 0.0 {
                break;
            }
            delays.push(duration(delay));
        }
        if delays.is_empty() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Delays(delays.into()))))
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
