//! Query plans: the nodes that a request tries, in order, found one by one.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, PoisonError};

use super::preferred::Preferred;
use crate::cluster::Node;

/// The nodes that a request tries, in order. Lazy: most requests take the first and drop the rest.
pub struct QueryPlan(Source);

enum Source {
    /// The nodes of a list, tier by tier.
    Rotation(Rotation),
    /// Whatever a policy thought of.
    Lazy(Lazy),
}

/// Nodes that are found one by one.
struct Lazy {
    /// Nothing any more, when the plan was taken apart. The mutex is never locked: it makes the plan `Sync`.
    nodes: Option<Mutex<Box<dyn Iterator<Item = Arc<Node>> + Send>>>,
    current: Option<Arc<Node>>,
}

/// No place in a list.
const NOWHERE: u32 = u32::MAX;

/// A list of nodes in tiers, the best first; within a tier from one of its nodes on, around.
struct Rotation {
    nodes: Arc<[Arc<Node>]>,
    /// Where the tier ends that comes after the current one; the last tier ends with the list.
    next_end: u32,
    /// The current tier.
    begin: u32,
    end: u32,
    at: u32,
    left: u32,
    /// Where each tier begins, modulo its length.
    turn: u32,
    /// The place of the current node; [`NOWHERE`] before the first one.
    current: u32,
    preferred: Preferred,
}

/// Where the first two of at most three tiers end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TierEnds(pub(super) u32, pub(super) u32);

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
    #[inline]
    pub fn rotation(nodes: Arc<[Arc<Node>]>, start: usize) -> Self {
        let end = length(&nodes);
        Self::tiers(nodes, TierEnds(end, end), start)
    }

    /// The same for a list of up to three tiers.
    #[inline]
    pub(super) fn tiers(nodes: Arc<[Arc<Node>]>, ends: TierEnds, start: usize) -> Self {
        let mut rotation = Rotation {
            next_end: ends.1,
            begin: 0,
            end: ends.0,
            at: 0,
            left: 0,
            // One of four thousand million places to begin with will do.
            turn: start as u32,
            current: NOWHERE,
            preferred: Preferred::default(),
            nodes,
        };
        rotation.start_tier();
        Self(Source::Rotation(rotation))
    }

    /// The nodes that an iterator yields, asked for when they are needed.
    pub fn lazy(nodes: impl Iterator<Item = Arc<Node>> + Send + 'static) -> Self {
        Self(Source::Lazy(Lazy {
            nodes: Some(Mutex::new(Box::new(nodes))),
            current: None,
        }))
    }

    /// This node first, then the others.
    pub(super) fn after(self, node: Arc<Node>) -> Self {
        match self.position(&node) {
            Some(place) => {
                let mut first = Preferred::default();
                first.push(place);
                // What was to come first comes behind it.
                for place in self.preferred().into_iter().flat_map(Preferred::all) {
                    if !first.all().contains(place) {
                        first.push(*place);
                    }
                }
                self.preferring(first)
            }
            None => self.after_all(vec![node]),
        }
    }

    /// These nodes first, then the others.
    pub(super) fn after_all(self, first: Vec<Arc<Node>>) -> Self {
        let known: Vec<_> = first.iter().map(|node| node.host_id()).collect();
        let rest = self.filter(move |node| !known.contains(&node.host_id()));
        Self::lazy(first.into_iter().chain(rest))
    }

    /// Whether it is a rotation that still stands at its beginning; else nothing can be said about its nodes.
    pub(super) fn is_rotation(&self) -> bool {
        matches!(self.0, Source::Rotation(_))
    }

    /// The place of a node in the list of a rotation; `None` when it is not in there, or the plan is no rotation.
    pub(super) fn position(&self, node: &Arc<Node>) -> Option<u16> {
        let Source::Rotation(Rotation { nodes, .. }) = &self.0 else {
            return None;
        };
        let is_it = |index: &usize| {
            let other = nodes.get(*index);
            other.is_some_and(|other| Arc::ptr_eq(other, node) || other.host_id() == node.host_id())
        };
        // The tiers of a cluster's state are in the order of host ids; those of a program's own policy need not be.
        let first = nodes.get(..self.tier(0).end).unwrap_or_default();
        let sorted = first.binary_search_by_key(&node.host_id(), |other| other.host_id());
        let found = sorted
            .ok()
            .filter(is_it)
            .or_else(|| (0..nodes.len()).find(is_it))?;
        u16::try_from(found).ok()
    }

    /// The node at a place of a rotation's list.
    pub(super) fn listed(&self, index: u16) -> Option<&Arc<Node>> {
        match &self.0 {
            Source::Rotation(rotation) => rotation.nodes.get(usize::from(index)),
            Source::Lazy(_) => None,
        }
    }

    /// The places of the nodes in the first tier, and the one to begin with. Of a plan that was not begun.
    pub(super) fn first_tier(&self) -> (Range<usize>, usize) {
        match &self.0 {
            Source::Rotation(rotation) => (self.tier(0), rotation.at as usize),
            Source::Lazy(_) => (0..0, 0),
        }
    }

    /// The tier of a place. Of a plan that was not begun.
    pub(super) fn tier_of(&self, index: u16) -> u8 {
        let index = usize::from(index);
        match &self.0 {
            Source::Rotation(_) => u8::from(index >= self.tier(0).end) + u8::from(index >= self.tier(1).end),
            Source::Lazy(_) => 0,
        }
    }

    /// Tier 0 or 1 of a plan that was not begun.
    fn tier(&self, number: u8) -> Range<usize> {
        match (&self.0, number) {
            (Source::Rotation(rotation), 0) => 0..rotation.end as usize,
            (Source::Rotation(rotation), _) => rotation.end as usize..rotation.next_end as usize,
            (Source::Lazy(_), _) => 0..0,
        }
    }

    fn preferred(&self) -> Option<&Preferred> {
        match &self.0 {
            Source::Rotation(rotation) => Some(&rotation.preferred),
            Source::Lazy(_) => None,
        }
    }

    /// The same plan with some nodes of its list first. Only a rotation has a list.
    #[inline]
    pub(super) fn preferring(mut self, first: Preferred) -> Self {
        if let Source::Rotation(rotation) = &mut self.0 {
            rotation.preferred = first;
        }
        self
    }
}

impl Rotation {
    /// Stands at the beginning of the current tier.
    #[inline]
    fn start_tier(&mut self) {
        self.left = self.end - self.begin;
        self.at = self.begin;
        if self.left > 1 {
            // Below `left`.
            self.at += self.turn % self.left;
        }
    }

    /// Goes on to the next tier that has nodes; false when there is none.
    #[cold]
    fn next_tier(&mut self) -> bool {
        let all = length(&self.nodes);
        while self.left == 0 {
            if self.end == all {
                return false;
            }
            self.begin = self.end;
            self.end = self.next_end;
            self.next_end = all;
            self.start_tier();
        }
        true
    }
}

/// The number of nodes in a list, of which there are never as many.
#[inline]
fn length(nodes: &[Arc<Node>]) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}

impl Rotation {
    /// The place of the next node.
    #[inline]
    fn next_place(&mut self) -> Option<usize> {
        let prefers = self.preferred.len() > 0;
        if prefers && let Some(place) = self.preferred.next() {
            return Some(place);
        }
        loop {
            if self.left == 0 && !self.next_tier() {
                return None;
            }
            self.left -= 1;
            let place = self.at;
            let next = place + 1;
            self.at = if next == self.end { self.begin } else { next };
            if !prefers || !self.preferred.contains(place) {
                return Some(place as usize);
            }
        }
    }
}

impl QueryPlan {
    /// Goes on to the next node, which is the current one then. False at the end, where the last one stays it.
    #[inline]
    pub(crate) fn go_on(&mut self) -> bool {
        match &mut self.0 {
            Source::Rotation(rotation) => match rotation.next_place() {
                Some(place) if place < rotation.nodes.len() => {
                    // Places are numbers of that size.
                    rotation.current = place as u32;
                    true
                }
                _ => false,
            },
            Source::Lazy(lazy) => lazy.go_on(),
        }
    }

    /// This node, whether it is one of the plan or not, is the current one, until the plan goes on.
    pub(crate) fn stand_at(&mut self, node: &Arc<Node>) {
        let place = Self::position(self, node);
        if let (Source::Rotation(rotation), Some(place)) = (&mut self.0, place)
            && rotation.nodes.get(usize::from(place)) == Some(node)
        {
            rotation.current = u32::from(place);
            return;
        }
        if self.is_rotation() {
            let rest = std::mem::replace(self, Self::empty());
            *self = Self::lazy(rest);
        }
        if let Source::Lazy(lazy) = &mut self.0 {
            lazy.current = Some(Arc::clone(node));
        }
    }

    /// The current node.
    #[inline]
    pub(crate) fn current(&self) -> Option<&Arc<Node>> {
        match &self.0 {
            Source::Rotation(rotation) => rotation.nodes.get(rotation.current as usize),
            Source::Lazy(lazy) => lazy.current.as_ref(),
        }
    }

    /// The current node to be kept, with a reference that is counted for each core where that is possible.
    pub(crate) fn current_planned(&self) -> Option<PlannedNode> {
        match &self.0 {
            Source::Rotation(rotation) => {
                let place = rotation.current as usize;
                let reference = || Reference::Listed(Arc::clone(&rotation.nodes), place);
                (place < rotation.nodes.len()).then(|| PlannedNode(reference()))
            }
            Source::Lazy(lazy) => lazy.current.clone().map(PlannedNode::from),
        }
    }

    /// The same, by the reference that the plan has, which is at its end then.
    #[inline]
    pub(crate) fn take_current(&mut self) -> Option<PlannedNode> {
        let end = Source::Lazy(Lazy {
            nodes: None,
            current: None,
        });
        match std::mem::replace(&mut self.0, end) {
            Source::Rotation(rotation) => {
                let place = rotation.current as usize;
                (place < rotation.nodes.len()).then(|| PlannedNode(Reference::Listed(rotation.nodes, place)))
            }
            Source::Lazy(lazy) => lazy.current.map(PlannedNode::from),
        }
    }
}

impl Lazy {
    fn next(&mut self) -> Option<Arc<Node>> {
        let nodes = self.nodes.as_mut()?.get_mut();
        nodes.unwrap_or_else(PoisonError::into_inner).next()
    }

    fn go_on(&mut self) -> bool {
        let next = self.next();
        let found = next.is_some();
        self.current = next.or_else(|| self.current.take());
        found
    }
}

impl Iterator for QueryPlan {
    type Item = Arc<Node>;

    #[inline]
    fn next(&mut self) -> Option<Arc<Node>> {
        match &mut self.0 {
            Source::Rotation(rotation) => {
                let place = rotation.next_place()?;
                rotation.nodes.get(place).cloned()
            }
            Source::Lazy(lazy) => lazy.next(),
        }
    }
}

/// A node that a plan has given: the node itself, or its place in the list of its core, so that the requests of all cores do
/// not count their references to one node together.
#[derive(Clone)]
pub(crate) struct PlannedNode(Reference);

#[derive(Clone)]
enum Reference {
    /// The place is within the list.
    Listed(Arc<[Arc<Node>]>, usize),
    Own(Arc<Node>),
}

impl From<Arc<Node>> for PlannedNode {
    fn from(node: Arc<Node>) -> Self {
        Self(Reference::Own(node))
    }
}

impl Deref for PlannedNode {
    type Target = Arc<Node>;

    #[inline]
    fn deref(&self) -> &Arc<Node> {
        match &self.0 {
            Reference::Listed(nodes, place) => &nodes[*place],
            Reference::Own(node) => node,
        }
    }
}

impl fmt::Debug for PlannedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Display for PlannedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Debug for QueryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Rotation(rotation) => f
                .debug_struct("QueryPlan")
                .field("nodes", &rotation.nodes.len())
                .finish_non_exhaustive(),
            Source::Lazy(_) => f.debug_struct("QueryPlan").finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: u8) -> Arc<[Arc<Node>]> {
        (1..=count).map(|last| Node::for_tests(last, "dc1")).collect()
    }

    #[test]
    fn a_rotation_yields_every_node_once_from_any_start() {
        let nodes = nodes(3);
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

    #[test]
    fn tiers_come_one_after_the_other_and_each_begins_at_its_turn() {
        let nodes = nodes(6);
        let order = |ends: TierEnds, start| {
            let plan = QueryPlan::tiers(Arc::clone(&nodes), ends, start);
            let places: Vec<_> = plan.map(|node| node.slot() - 1).collect();
            places
        };
        assert_eq!(order(TierEnds(2, 5), 0), [0, 1, 2, 3, 4, 5]);
        assert_eq!(order(TierEnds(2, 5), 1), [1, 0, 3, 4, 2, 5]);
        assert_eq!(order(TierEnds(2, 5), 5), [1, 0, 4, 2, 3, 5]);
        // Tiers may be empty.
        assert_eq!(order(TierEnds(0, 0), 1), [1, 2, 3, 4, 5, 0]);
        assert_eq!(order(TierEnds(0, 3), 4), [1, 2, 0, 4, 5, 3]);
        assert_eq!(order(TierEnds(6, 6), 4), [4, 5, 0, 1, 2, 3]);
        assert_eq!(order(TierEnds(3, 3), 0).len(), 6);
    }

    #[test]
    fn the_current_node_stays_it_at_the_end_and_is_taken_without_another_reference() {
        let nodes = nodes(2);
        let stranger = Node::for_tests(9, "dc2");
        let lazy = || QueryPlan::lazy(nodes.iter().cloned().collect::<Vec<_>>().into_iter());
        for mut plan in [QueryPlan::rotation(Arc::clone(&nodes), 0), lazy()] {
            assert_eq!(plan.current(), None);
            assert!(plan.current_planned().is_none());
            let passed: Vec<_> = (0..3).map(|_| (plan.go_on(), plan.current().cloned())).collect();
            let node = |at: usize| Some(Arc::clone(&nodes[at]));
            assert_eq!(passed, [(true, node(0)), (true, node(1)), (false, node(1))]);
            plan.stand_at(&nodes[0]);
            assert_eq!(plan.current(), Some(&nodes[0]));
            plan.stand_at(&stranger);
            assert_eq!(plan.current(), Some(&stranger));
            assert!(!plan.go_on(), "the plan is where it was");
            assert_eq!(plan.current(), Some(&stranger));
            assert_eq!(*plan.current_planned().unwrap(), stranger);
            assert_eq!(*plan.take_current().unwrap(), stranger);
            assert!(plan.take_current().is_none());
        }
        let mut plan = QueryPlan::rotation(Arc::clone(&nodes), 1);
        assert!(plan.go_on());
        let references = Arc::strong_count(&nodes);
        let taken = plan.take_current().unwrap();
        assert_eq!((&*taken, Arc::strong_count(&nodes)), (&nodes[1], references));
        assert!(!plan.go_on());
        // One that takes a stranger in between goes on with those that were left.
        let mut plan = QueryPlan::rotation(Arc::clone(&nodes), 1);
        plan.stand_at(&stranger);
        assert!(plan.go_on());
        assert_eq!(plan.current(), Some(&nodes[1]));
    }

    #[test]
    fn a_node_put_first_is_not_yielded_again() {
        let nodes = nodes(4);
        let stranger = Node::for_tests(9, "dc2");
        let slots = |plan: QueryPlan| plan.map(|node| node.slot()).collect::<Vec<_>>();
        let plan = || QueryPlan::rotation(Arc::clone(&nodes), 2);
        assert_eq!(slots(plan().after(Arc::clone(&nodes[1]))), [2, 3, 4, 1]);
        assert_eq!(slots(plan().after(stranger.clone())), [9, 3, 4, 1, 2]);
        let twice = plan().after(Arc::clone(&nodes[1])).after(Arc::clone(&nodes[0]));
        assert_eq!(slots(twice), [1, 2, 3, 4]);
        let lazy = QueryPlan::lazy(plan()).after(Arc::clone(&nodes[1]));
        assert_eq!(slots(lazy), [2, 3, 4, 1]);
    }
}
