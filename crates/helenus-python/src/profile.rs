//! Execution profiles, worked out: what a Python `ExecutionProfile` means to the core.
//!
//! The result is kept in the profile's `_resolved` attribute, which every assignment to the profile drops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use helenus::{ConsistencyLevel, ContinuousPaging, ExecutionProfile, PageUnit, RequestOptions, Timeout};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::policy::{self, PlanSource, RetrySource, SpeculationSource};

/// A profile in the core's terms.
#[pyclass(name = "ResolvedProfile", module = "cassandra._core", frozen)]
pub(crate) struct ResolvedProfile {
    core: ExecutionProfile,
    row_factory: Py<PyAny>,
    /// Policies written in Python, which the core cannot call by itself.
    pub(crate) plans: PlanSource,
    /// Whether the node is asked first that a statement names in its `target_host`.
    pub(crate) heeds_targets: bool,
    pub(crate) retries: RetrySource,
    pub(crate) speculation: SpeculationSource,
    /// Options that requests with this profile were run with lately.
    recent: Mutex<Vec<(Overrides, Arc<RequestOptions>)>>,
}

/// What a statement and a call say about a request beside its profile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Overrides {
    pub(crate) consistency: Option<ConsistencyLevel>,
    pub(crate) serial_consistency: Option<ConsistencyLevel>,
    pub(crate) page_size: i32,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) idempotent: Option<bool>,
    pub(crate) tracing: bool,
}

impl Overrides {
    /// These options over `profile`.
    pub(crate) fn options(self, profile: &ExecutionProfile) -> RequestOptions {
        let mut options = RequestOptions::new();
        options.consistency = self.consistency;
        options.serial_consistency = self.serial_consistency;
        options.page_size = Some(self.page_size);
        options.timeout = self.timeout;
        options.idempotent = self.idempotent;
        options.tracing = self.tracing;
        options.profile = Some(profile.clone().into());
        options
    }
}

/// How many sets of options are kept: a program has few.
const KEPT_OPTIONS: usize = 8;

impl ResolvedProfile {
    /// The profile as the core knows it.
    pub(crate) fn core(&self) -> &ExecutionProfile {
        &self.core
    }

    pub(crate) fn row_factory(&self, py: Python<'_>) -> Py<PyAny> {
        self.row_factory.clone_ref(py)
    }

    /// Options for a request that says no more than `overrides`; the same object for the same ones.
    pub(crate) fn options(&self, overrides: Overrides) -> Arc<RequestOptions> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, options)) = recent.iter().find(|(known, _)| *known == overrides) {
            return options.clone();
        }
        let options = Arc::new(overrides.options(&self.core));
        if recent.len() >= KEPT_OPTIONS {
            recent.remove(0);
        }
        recent.push((overrides, options.clone()));
        options
    }
}

#[pymethods]
impl ResolvedProfile {
    /// Ask a load balancing policy written in Python how close *hosts* are.
    ///
    /// :returns: whether it has changed its mind about one.
    fn measure(&self, hosts: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.plans.measure(hosts)
    }
}

/// The consistency level of a number, as Python programs give it.
pub(crate) fn consistency(value: &Bound<'_, PyAny>, option: &str) -> PyResult<ConsistencyLevel> {
    let code: u16 = value
        .extract()
        .map_err(|_| PyTypeError::new_err(format!("{option}: {value} is not a ConsistencyLevel")))?;
    ConsistencyLevel::from_code(code)
        .map_err(|_| PyValueError::new_err(format!("{option}: {code} is not a ConsistencyLevel")))
}

/// As [`consistency`], with `None` for "not said".
pub(crate) fn optional_consistency(
    value: &Bound<'_, PyAny>,
    option: &str,
) -> PyResult<Option<ConsistencyLevel>> {
    if value.is_none() {
        Ok(None)
    } else {
        consistency(value, option).map(Some)
    }
}

/// Seconds as a limit; `None` waits forever.
pub(crate) fn timeout(value: &Bound<'_, PyAny>, option: &str) -> PyResult<Timeout> {
    if value.is_none() {
        return Ok(Timeout::Never);
    }
    let seconds: f64 = value
        .extract()
        .map_err(|_| PyTypeError::new_err(format!("{option}: {value} is not a number of seconds")))?;
    Duration::try_from_secs_f64(seconds.max(0.0))
        .map(Timeout::After)
        .map_err(|_| PyValueError::new_err(format!("{option}: {seconds} seconds is not possible")))
}

/// What an ``ExecutionProfile`` means to the core.
#[pyfunction]
pub(crate) fn resolve_profile<'py>(profile: &Bound<'py, PyAny>) -> PyResult<Bound<'py, ResolvedProfile>> {
    resolve(profile)
}

/// What `profile` means, worked out now unless that was done since it changed last.
pub(crate) fn resolve<'py>(profile: &Bound<'py, PyAny>) -> PyResult<Bound<'py, ResolvedProfile>> {
    let py = profile.py();
    let attribute = intern!(py, "_resolved");
    if let Ok(known) = profile.getattr(attribute)?.cast_into_exact::<ResolvedProfile>() {
        return Ok(known);
    }
    let load_balancing = profile.getattr(intern!(py, "load_balancing_policy"))?;
    let retry = profile.getattr(intern!(py, "retry_policy"))?;
    let level = profile.getattr(intern!(py, "consistency_level"))?;
    let serial = profile.getattr(intern!(py, "serial_consistency_level"))?;
    let limit = profile.getattr(intern!(py, "request_timeout"))?;
    let speculative = profile.getattr(intern!(py, "speculative_execution_policy"))?;
    let paging = continuous_paging(&profile.getattr(intern!(py, "continuous_paging_options"))?)?;
    let (plans, twin) = PlanSource::of(&load_balancing)?;
    let (retries, retry_twin) = RetrySource::of(&retry)?;
    let (speculation, speculative_twin) = SpeculationSource::of(&speculative)?;
    let core = ExecutionProfile::builder()
        .consistency(consistency(&level, "consistency_level")?)
        .serial_consistency(optional_consistency(&serial, "serial_consistency_level")?)
        .timeout(timeout(&limit, "request_timeout")?)
        .load_balancing(twin)
        .retry_policy(retry_twin)
        .continuous_paging(paging)
        .speculative_execution(speculative_twin)
        .build();
    let row_factory = profile.getattr(intern!(py, "row_factory"))?.unbind();
    let resolved = Bound::new(
        py,
        ResolvedProfile {
            core,
            row_factory,
            plans,
            heeds_targets: policy::heeds_targets(&load_balancing)?,
            retries,
            speculation,
            recent: Mutex::default(),
        },
    )?;
    profile.setattr(attribute, &resolved)?;
    Ok(resolved)
}

/// The core's form of ``ContinuousPagingOptions``; what is no such thing says nothing.
fn continuous_paging(options: &Bound<'_, PyAny>) -> PyResult<Option<ContinuousPaging>> {
    let py = options.py();
    if options.is_none() || !options.hasattr(intern!(py, "page_unit"))? {
        return Ok(None);
    }
    let number = |name: &Bound<'_, PyString>| -> PyResult<u32> {
        options.getattr(name)?.extract().map_err(|_| {
            PyValueError::new_err(format!(
                "continuous_paging_options: {name} is not a number from 0 on"
            ))
        })
    };
    let unit = match number(intern!(py, "page_unit"))? {
        1 => PageUnit::Bytes,
        2 => PageUnit::Rows,
        other => {
            let message = format!("continuous_paging_options: {other} is not a PagingUnit");
            return Err(PyValueError::new_err(message));
        }
    };
    let paging = ContinuousPaging::default()
        .with_page_unit(unit)
        .with_max_pages(number(intern!(py, "max_pages"))?)
        .with_max_pages_per_second(number(intern!(py, "max_pages_per_second"))?)
        .with_max_queue_size(number(intern!(py, "max_queue_size"))?);
    Ok(Some(paging))
}
