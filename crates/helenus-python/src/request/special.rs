//! What few requests have beside the options that many share: payloads, policies written in Python, a partition, nodes.

use std::sync::Arc;

use bytes::Bytes;
use helenus::{ProtocolVersion, Request, RequestOptions};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::{Call, Statement, StatementOptions, StatementSource};
use crate::convert;
use crate::policy::{self, PlanSource, RetryAdapter, RetrySource, SpeculationSource};
use crate::profile::ResolvedProfile;
use crate::session::SessionContext;

/// What few requests have, and what cannot be shared with other requests.
#[derive(Default)]
pub(super) struct Special {
    payload: Option<helenus::CustomPayload>,
    keyspace: Option<Arc<str>>,
    retry_policy: Option<Arc<dyn helenus::policy::RetryPolicy>>,
    speculation: Option<Arc<dyn helenus::policy::SpeculativeExecutionPolicy>>,
    /// Keyspace and key of the partition, as the statement says.
    partition: Option<(Arc<str>, Bytes)>,
    target: Option<uuid::Uuid>,
    plan: Option<Arc<[Arc<helenus::Node>]>>,
}

impl Special {
    pub(super) fn of<'py>(
        py: Python<'py>,
        context: &Arc<SessionContext>,
        profile: &ResolvedProfile,
        call: &Call<'_, 'py>,
        statement: Option<&StatementOptions<'py>>,
        outgoing: &Statement,
        request: &Request,
    ) -> PyResult<Option<Self>> {
        let mut special = Self::default();
        let mut any = false;
        let statement_payload = statement.and_then(|statement| statement.custom_payload.as_ref());
        let call_payload = call.custom_payload.filter(|payload| !payload.is_none());
        let execute_as = call.execute_as.filter(|user| !user.is_none());
        if statement_payload.is_some() || call_payload.is_some() || execute_as.is_some() {
            let mut payload = helenus::CustomPayload::default();
            for mapping in statement_payload.into_iter().chain(call_payload) {
                convert::extend_payload(&mut payload, mapping)?;
            }
            if let Some(user) = execute_as {
                let entry = PyDict::new(py);
                entry.set_item("ProxyExecute", user)?;
                convert::extend_payload(&mut payload, entry.as_any())?;
            }
            special.payload = (!payload.is_empty()).then_some(payload);
            any = true;
        }
        // Before v5 the keyspace of a statement only helps to route it.
        let speaks = ProtocolVersion::from_number(context.protocol_version)
            .is_some_and(|version| version.features().keyspace_per_request);
        if speaks && request.prepared_statement().is_none() && request.batch_statement().is_none() {
            special.keyspace = statement
                .and_then(|statement| statement.keyspace.as_deref())
                .map(Arc::from);
            any |= special.keyspace.is_some();
        }
        let retry = statement.and_then(|statement| statement.retry_policy.as_ref());
        let profile_retry = match &profile.retries {
            RetrySource::Core => None,
            RetrySource::Python(policy) => Some(policy.bind(py)),
        };
        if let Some(policy) = retry.or(profile_retry) {
            let object = StatementSource(outgoing.clone_ref(py)).make(py)?;
            special.retry_policy = Some(RetryAdapter::for_request(policy, &object)?);
            any = true;
        }
        if let SpeculationSource::Python(..) = &profile.speculation
            && statement.is_some_and(|statement| statement.overrides.idempotent == Some(true))
        {
            let object = StatementSource(outgoing.clone_ref(py)).make(py)?;
            let keyspace = context.session.keyspace();
            let others = context.session.state().nodes().len().saturating_sub(1);
            let speculation = profile
                .speculation
                .for_request(keyspace.as_deref(), &object, others)?;
            any |= speculation.is_some();
            special.speculation = speculation;
        }
        if let Statement::Made(object) = outgoing
            && matches!(profile.plans, PlanSource::Core)
        {
            let object = object.bind(py);
            if request.routing_key().is_none() {
                special.partition = Self::partition(context, statement, object)?;
                any |= special.partition.is_some();
            }
            if profile.heeds_targets {
                let address = object.getattr_opt(intern!(py, "target_host"))?;
                if let Some(address) = address.filter(|address| !address.is_none()) {
                    let node = policy::node_at(&address, &context.session.state())?;
                    special.target = node.map(|node| node.host_id());
                    any |= special.target.is_some();
                }
            }
        }
        special.plan = Self::plan(py, context, profile, call, outgoing)?;
        any |= special.plan.is_some();
        Ok(any.then_some(special))
    }

    /// Keyspace and key of the partition that a statement says it is about.
    fn partition(
        context: &Arc<SessionContext>,
        statement: Option<&StatementOptions<'_>>,
        object: &Bound<'_, PyAny>,
    ) -> PyResult<Option<(Arc<str>, Bytes)>> {
        let key = object.getattr(intern!(object.py(), "routing_key"))?;
        let Ok(key) = key.cast::<PyBytes>() else {
            return Ok(None);
        };
        let own = statement.and_then(|statement| statement.keyspace.as_deref().map(Arc::from));
        let keyspace: Option<Arc<str>> = own.or_else(|| context.session.keyspace());
        Ok(keyspace.map(|keyspace| (keyspace, Bytes::copy_from_slice(key.as_bytes()))))
    }

    /// The nodes to try, where a host is named or the policy is written in Python.
    fn plan<'py>(
        py: Python<'py>,
        context: &Arc<SessionContext>,
        profile: &ResolvedProfile,
        call: &Call<'_, 'py>,
        outgoing: &Statement,
    ) -> PyResult<Option<Arc<[Arc<helenus::Node>]>>> {
        let state = || context.session.state();
        if let Some(host) = call.host.filter(|host| !host.is_none()) {
            let node = policy::node_of(host, &state())?
                .ok_or_else(|| PyValueError::new_err(format!("host: {host} is not a node of the cluster")))?;
            return Ok(Some([node].into()));
        }
        if !matches!(profile.plans, PlanSource::Python(..)) {
            return Ok(None);
        }
        let object = StatementSource(outgoing.clone_ref(py)).make(py)?;
        let keyspace = context.session.keyspace();
        profile.plans.plan(py, &state(), keyspace.as_deref(), &object)
    }

    pub(super) fn apply(self, mut options: RequestOptions) -> RequestOptions {
        options.custom_payload = self.payload.map(Arc::new);
        options.keyspace = self.keyspace;
        options.retry_policy = self.retry_policy;
        if let Some(policy) = self.speculation {
            options.speculative_execution = Some(Some(policy));
        }
        options.plan = self.plan;
        options.target = self.target;
        if let Some((keyspace, key)) = self.partition {
            options.routing_keyspace = Some(keyspace);
            options.routing_key = Some(key);
        }
        options
    }
}
