//! Load balancing policies: built-in classes have twins; a plan of any other is made before the request starts.

use std::net::IpAddr;
use std::sync::Arc;

use helenus::policy::{
    AllowListPolicy, DcAwarePolicy, DefaultPolicy, LoadBalancingPolicy, RoundRobinPolicy, TargetNodePolicy,
    TokenAwarePolicy,
};
use helenus::{ClusterState, Node};
use pyo3::intern;
use pyo3::prelude::*;

use super::opinions::Opinions;
use crate::classes;

/// Where query plans come from.
pub(crate) enum PlanSource {
    /// The core's policy, set on the profile.
    Core,
    /// A Python object, asked on the caller's thread; and what it thinks of the nodes.
    Python(Py<PyAny>, Arc<Opinions>),
}

/// The twin of a built-in policy, kept in its `_core_policy` attribute.
#[pyclass(module = "cassandra._core", frozen)]
struct CorePolicy {
    twin: Arc<dyn LoadBalancingPolicy>,
    /// The address of the policy: a copy of it has a twin of its own.
    owner: usize,
}

impl PlanSource {
    /// The source for `policy`, and the core's policy for its profile.
    pub(crate) fn of(policy: &Bound<'_, PyAny>) -> PyResult<(Self, Arc<dyn LoadBalancingPolicy>)> {
        let attribute = intern!(policy.py(), "_core_policy");
        // Profiles with one policy have one twin: one turn, and one choice of remote nodes.
        if let Ok(known) = policy.getattr(attribute)
            && let Ok(known) = known.cast_into_exact::<CorePolicy>()
            && known.get().owner == policy.as_ptr().addr()
        {
            return Ok((Self::Core, Arc::clone(&known.get().twin)));
        }
        match twin(policy)? {
            Some(twin) => {
                if !policy.is_none() {
                    let kept = CorePolicy {
                        twin: Arc::clone(&twin),
                        owner: policy.as_ptr().addr(),
                    };
                    policy.setattr(attribute, kept)?;
                }
                Ok((Self::Core, twin))
            }
            None => {
                let opinions = Arc::new(Opinions::default());
                Ok((
                    Self::Python(policy.clone().unbind(), Arc::clone(&opinions)),
                    opinions,
                ))
            }
        }
    }

    /// Asks a Python policy how close `hosts` are; whether it has changed its mind about one.
    pub(crate) fn measure(&self, hosts: &Bound<'_, PyAny>) -> PyResult<bool> {
        match self {
            Self::Core => Ok(false),
            Self::Python(policy, opinions) => opinions.ask(policy.bind(hosts.py()), hosts),
        }
    }

    /// The nodes for one request, in the order in which the Python policy names their hosts; `None` leaves the plan to the
    /// core.
    pub(crate) fn plan(
        &self,
        py: Python<'_>,
        state: &ClusterState,
        keyspace: Option<&str>,
        statement: &Bound<'_, PyAny>,
    ) -> PyResult<Option<Arc<[Arc<Node>]>>> {
        let Self::Python(policy, _) = self else {
            return Ok(None);
        };
        let plan = policy
            .bind(py)
            .call_method1(intern!(py, "make_query_plan"), (keyspace, statement))?;
        let mut nodes = Vec::new();
        for host in plan.try_iter()? {
            if let Some(node) = node_of(&host?, state)? {
                nodes.push(node);
            }
        }
        Ok(Some(nodes.into()))
    }
}

/// The node that a `Host` stands for, if it is still there.
pub(crate) fn node_of(host: &Bound<'_, PyAny>, state: &ClusterState) -> PyResult<Option<Arc<Node>>> {
    let id = host.getattr(intern!(host.py(), "host_id"))?;
    if id.is_none() {
        return Ok(None);
    }
    let id: u128 = id.getattr(intern!(host.py(), "int"))?.extract()?;
    Ok(state.node(uuid::Uuid::from_u128(id)).cloned())
}

/// Whether `policy` asks the node first that a statement names.
pub(crate) fn heeds_targets(policy: &Bound<'_, PyAny>) -> PyResult<bool> {
    let class = policy.get_type();
    Ok(class.is(classes::default_load_balancing_policy(policy.py())?))
}

/// The node whose address, as clients know it, is `address`, unless it is down.
pub(crate) fn node_at(address: &Bound<'_, PyAny>, state: &ClusterState) -> PyResult<Option<Arc<Node>>> {
    let Ok(wanted) = address.str()?.to_string().parse::<IpAddr>() else {
        return Ok(None);
    };
    let is_at = |node: &&Arc<Node>| {
        let addresses = [node.rpc_address(), node.address()];
        addresses
            .into_iter()
            .flatten()
            .any(|address| address.ip() == wanted)
    };
    let found = state.nodes().iter().find(is_at);
    Ok(found.filter(|node| node.is_up() != Some(false)).cloned())
}

/// The core's policy that does what `policy` does, if its class, and that of each policy inside, is exactly a built-in one.
fn twin(policy: &Bound<'_, PyAny>) -> PyResult<Option<Arc<dyn LoadBalancingPolicy>>> {
    let py = policy.py();
    if policy.is_none() {
        return Ok(Some(Arc::new(DefaultPolicy::new())));
    }
    let class = policy.get_type();
    if class.is(classes::default_load_balancing_policy(py)?) {
        let child = twin(&policy.getattr(intern!(py, "_child_policy"))?)?;
        return Ok(
            child.map(|child| -> Arc<dyn LoadBalancingPolicy> { Arc::new(TargetNodePolicy::new(child)) })
        );
    }
    if class.is(classes::token_aware_policy(py)?) {
        let Some(child) = twin(&policy.getattr(intern!(py, "_child_policy"))?)? else {
            return Ok(None);
        };
        let aware = TokenAwarePolicy::new(child);
        let shuffles: bool = policy.getattr(intern!(py, "shuffle_replicas"))?.is_truthy()?;
        return Ok(Some(Arc::new(if shuffles {
            aware
        } else {
            aware.in_ring_order()
        })));
    }
    if class.is(classes::dc_aware_round_robin_policy(py)?) {
        let remote: usize = policy
            .getattr(intern!(py, "used_hosts_per_remote_dc"))?
            .extract()?;
        let local: Option<String> = policy.getattr(intern!(py, "local_dc"))?.extract()?;
        let policy = match local.filter(|name| !name.is_empty()) {
            Some(name) => DcAwarePolicy::in_datacenter(name),
            None => DcAwarePolicy::new(),
        };
        return Ok(Some(Arc::new(
            policy
                .with_remote_nodes(remote)
                .remote_for_local_consistency(true),
        )));
    }
    if class.is(classes::round_robin_policy(py)?) {
        return Ok(Some(Arc::new(RoundRobinPolicy::new())));
    }
    if class.is(classes::white_list_round_robin_policy(py)?) {
        let hosts = policy.getattr(intern!(py, "_allowed_hosts_resolved"));
        let Ok(hosts) = hosts else { return Ok(None) };
        let mut allowed: Vec<IpAddr> = Vec::new();
        for host in hosts.try_iter()? {
            match host?.extract::<String>()?.parse() {
                Ok(address) => allowed.push(address),
                Err(_) => return Ok(None),
            }
        }
        let all = Arc::new(RoundRobinPolicy::new());
        return Ok(Some(Arc::new(AllowListPolicy::new(all, allowed))));
    }
    Ok(None)
}
