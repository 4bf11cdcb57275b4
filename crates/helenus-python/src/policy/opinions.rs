//! What a load balancing policy written in Python thinks of each node, kept for the core.
//!
//! The core asks how close nodes are on its I/O thread, which never takes the interpreter lock. So the policy is asked
//! beforehand, on a thread of Python: when the nodes were read first, and whenever something has changed.

use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use helenus::policy::{Distance, LoadBalancingPolicy, QueryPlan, RouteContext};
use helenus::{ClusterState, Node};
use pyo3::intern;
use pyo3::prelude::*;
use uuid::Uuid;

/// The core's side of a Python policy.
#[derive(Debug, Default)]
pub(crate) struct Opinions {
    distances: RwLock<HashMap<Uuid, Distance>>,
    turn: AtomicUsize,
}

impl Opinions {
    /// Asks `policy` about all hosts; whether it has changed its mind about one.
    pub(crate) fn ask(&self, policy: &Bound<'_, PyAny>, hosts: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = policy.py();
        let mut asked = HashMap::new();
        for host in hosts.try_iter()? {
            let host = host?;
            let id = host.getattr(intern!(py, "host_id"))?;
            if id.is_none() {
                continue;
            }
            let id: u128 = id.getattr(intern!(py, "int"))?.extract()?;
            let distance: i64 = policy.call_method1(intern!(py, "distance"), (host,))?.extract()?;
            let distance = match distance {
                0 => Distance::Local,
                1 => Distance::Remote,
                _ => Distance::Ignored,
            };
            asked.insert(Uuid::from_u128(id), distance);
        }
        let mut known = self.distances.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *known != asked;
        *known = asked;
        Ok(changed)
    }

    fn of(&self, node: &Node) -> Option<Distance> {
        let known = self.distances.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&node.host_id()).copied()
    }
}

impl LoadBalancingPolicy for Opinions {
    /// For requests of the driver's own, such as preparing: any node that is not ignored.
    fn plan(&self, _: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let nodes: Vec<Arc<Node>> = state
            .nodes()
            .iter()
            .filter(|node| self.of(node) != Some(Distance::Ignored))
            .cloned()
            .collect();
        QueryPlan::rotation(nodes.into(), self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// A node that the policy has not heard of yet gets no connections: it is asked as soon as the node is known to Python.
    fn distance(&self, node: &Node, _: &ClusterState) -> Distance {
        self.of(node).unwrap_or(Distance::Ignored)
    }
}
