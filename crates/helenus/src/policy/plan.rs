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
        preferred: Preferred,
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
        Self(Source::Rotation {
            nodes,
            at,
            left,
            preferred: Preferred::default(),
        })
    }

    /// The nodes that an iterator yields, asked for when they are needed.
    pub fn lazy(nodes: impl Iterator<Item = Arc<Node>> + Send + 'static) -> Self {
        Self(Source::Lazy(Mutex::new(Box::new(nodes))))
    }

    /// The place of a node in the list of a rotation; `None` when it is not in there, or the plan is no rotation.
    pub(super) fn position(&self, node: &Arc<Node>) -> Option<u16> {
        let Source::Rotation { nodes, .. } = &self.0 else {
            return None;
        };
        let is_it = |index: &usize| nodes.get(*index).is_some_and(|other| Arc::ptr_eq(other, node));
        // The lists of a cluster's state are in the order of host ids; those of a program's own policy need not be.
        let sorted = nodes.binary_search_by_key(&node.host_id(), |other| other.host_id());
        let found = sorted
            .ok()
            .filter(is_it)
            .or_else(|| (0..nodes.len()).find(is_it))?;
        u16::try_from(found).ok()
    }

    /// The node at a place of a rotation's list.
    pub(super) fn listed(&self, index: u16) -> Option<&Arc<Node>> {
        match &self.0 {
            Source::Rotation { nodes, .. } => nodes.get(usize::from(index)),
            Source::Lazy(_) => None,
        }
    }

    /// The same plan with some nodes of its list first. Only a rotation has a list.
    pub(super) fn preferring(mut self, first: Preferred) -> Self {
        if let Source::Rotation { preferred, .. } = &mut self.0 {
            *preferred = first;
        }
        self
    }
}

/// Places in the list of a rotation that come first: as many replicas as most keyspaces have in a datacenter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Preferred {
    places: [u16; Self::MOST],
    count: u8,
    /// How many of them were given.
    given: u8,
}

impl Preferred {
    const MOST: usize = 5;

    pub(super) fn push(&mut self, index: u16) {
        if let Some(place) = self.places.get_mut(usize::from(self.count)) {
            *place = index;
            self.count += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count.into()
    }

    pub(super) fn get(&self, at: usize) -> Option<u16> {
        self.all().get(at).copied()
    }

    /// Puts them in an order by chance; `choose` gives a number below the one that it is given.
    pub(super) fn shuffle(&mut self, mut choose: impl FnMut(u64) -> u64) {
        let all = self.places.get_mut(..usize::from(self.count)).unwrap_or_default();
        for end in (1..all.len()).rev() {
            let other = choose(end as u64 + 1);
            all.swap(end, usize::try_from(other).unwrap_or(end).min(end));
        }
    }

    pub(super) fn swap_first_two(&mut self) {
        self.places.swap(0, 1);
    }

    fn all(&self) -> &[u16] {
        self.places.get(..usize::from(self.count)).unwrap_or_default()
    }

    fn next(&mut self) -> Option<usize> {
        let index = *self.all().get(usize::from(self.given))?;
        self.given += 1;
        Some(index.into())
    }
}

impl Iterator for QueryPlan {
    type Item = Arc<Node>;

    #[inline]
    fn next(&mut self) -> Option<Arc<Node>> {
        match &mut self.0 {
            Source::Rotation {
                nodes,
                at,
                left,
                preferred,
            } => {
                if let Some(index) = preferred.next() {
                    return nodes.get(index).cloned();
                }
                loop {
                    *left = left.checked_sub(1)?;
                    let index = *at;
                    *at = if index + 1 == nodes.len() { 0 } else { index + 1 };
                    if !preferred.all().iter().any(|place| usize::from(*place) == index) {
                        return nodes.get(index).cloned();
                    }
                }
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
        let mut first = Preferred::default();
        let rotation = QueryPlan::rotation(Arc::clone(&nodes), 1);
        for node in [&nodes[2], &nodes[1]] {
            first.push(rotation.position(node).unwrap());
        }
        let found: Vec<_> = rotation.preferring(first).collect();
        assert_eq!(found, [&nodes[2], &nodes[1], &nodes[0]].map(Arc::clone));
        assert_eq!(
            QueryPlan::lazy(nodes.iter().cloned().collect::<Vec<_>>().into_iter()).count(),
            3
        );
    }
}
