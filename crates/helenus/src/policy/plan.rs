//! Query plans: the nodes that a request tries, in order, found one by one.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cluster::Node;

/// The nodes that a request tries, in order. Lazy: most requests take the first and drop the rest.
pub struct QueryPlan(Source);

enum Source {
    /// All nodes of a list, from one of them on, around.
    Rotation {
        nodes: Arc<[Arc<Node>]>,
        at: usize,
        left: usize,
    },
    /// Whatever a policy thought of. The mutex is never locked: it makes the plan `Sync`.
    Lazy(Mutex<Box<dyn Iterator<Item = Arc<Node>> + Send>>),
}

impl QueryPlan {
    /// No node at all.
    pub fn empty() -> Self {
        Self::rotation(Arc::default(), 0)
    }

    /// These nodes, in their order.
    pub fn list(nodes: impl Into<Arc<[Arc<Node>]>>) -> Self {
        Self::rotation(nodes.into(), 0)
    }

    /// All these nodes once, beginning with number `start` (taken modulo their count). Allocates nothing.
    pub fn rotation(nodes: Arc<[Arc<Node>]>, start: usize) -> Self {
        let left = nodes.len();
        let at = start.checked_rem(left).unwrap_or(0);
        Self(Source::Rotation { nodes, at, left })
    }

    /// The nodes that an iterator yields, asked for when they are needed.
    pub fn lazy(nodes: impl Iterator<Item = Arc<Node>> + Send + 'static) -> Self {
        Self(Source::Lazy(Mutex::new(Box::new(nodes))))
    }
}

impl Iterator for QueryPlan {
    type Item = Arc<Node>;

    #[inline]
    fn next(&mut self) -> Option<Arc<Node>> {
        match &mut self.0 {
            Source::Rotation { nodes, at, left } => {
                *left = left.checked_sub(1)?;
                let node = nodes.get(*at).cloned();
                *at = if *at + 1 == nodes.len() { 0 } else { *at + 1 };
                node
            }
            Source::Lazy(nodes) => nodes.get_mut().unwrap_or_else(PoisonError::into_inner).next(),
        }
    }
}

impl fmt::Debug for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Rotation { left, .. } => f.debug_struct("QueryPlan").field("left", left).finish(),
            Source::Lazy(_) => f.debug_struct("QueryPlan").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_yields_every_node_once_from_any_start() {
        let nodes: Arc<[Arc<Node>]> = (1..=3).map(|last| Node::for_tests(last, "dc1")).collect();
        for start in [0, 1, 2, 3, 7, usize::MAX] {
            let found: Vec<_> = QueryPlan::rotation(Arc::clone(&nodes), start).collect();
            assert_eq!(found.len(), 3);
            for (index, node) in found.iter().enumerate() {
                assert!(Arc::ptr_eq(node, &nodes[(start % 3 + index) % 3]));
            }
        }
        assert!(QueryPlan::empty().next().is_none());
        assert_eq!(
            QueryPlan::lazy(nodes.iter().cloned().collect::<Vec<_>>().into_iter()).count(),
            3
        );
    }
}
