//! Replicas, and of several nodes the better one: what token aware policies share.

use std::sync::Arc;
use std::time::Duration;

use super::chance::Chance;
use super::preferred::Preferred;
use super::{Demotion, Distance, LoadBalancingPolicy, NodeLoad, QueryPlan, RouteContext};
use crate::cluster::{ClusterState, Node};

/// Chooses among nodes by their load, and by chance.
#[derive(Debug)]
pub(super) struct Chooser {
    chance: Chance,
    /// Replicas of plain requests are chosen from; if not, they keep the order of the ring.
    pub(super) shuffles: bool,
}

/// A node that came up gets its whole share after so long; before, the less the fresher it is.
const WARM_UP: Duration = Duration::from_secs(60);

/// The lowest is the best.
type Rank = (u8, usize);

impl Chooser {
    pub(super) fn new() -> Self {
        Self {
            chance: Chance::new(),
            shuffles: true,
        }
    }

    /// The plan with the replicas of the request's partition first, as far as `policy`, whose plan it is, calls them local;
    /// or the plan as it is, when there are none or nothing is known.
    pub(super) fn replicas_first(
        &self,
        request: &RouteContext<'_>,
        state: &ClusterState,
        policy: &dyn LoadBalancingPolicy,
        plan: QueryPlan,
    ) -> Result<QueryPlan, QueryPlan> {
        let (Some(partitioner), Some(keyspace)) = (state.token_partitioner(), request.partition_keyspace())
        else {
            return Err(plan);
        };
        let Some(key) = request.routing_key() else {
            return Err(plan);
        };
        let token = partitioner.token(&key);
        let shuffles = self.shuffles && !request.is_conditional();
        let local = |node: &&Arc<Node>| policy.distance(node, state) == Distance::Local;
        let replicas = state.replicas(keyspace, &token).filter(local);
        if !plan.is_rotation() {
            let known = replicas.filter(|node| state.node(node.host_id()).is_some());
            return self.before_any(request, known, shuffles, plan);
        }
        let mut preferred = Preferred::default();
        for node in replicas {
            if let Some(index) = plan.position(node) {
                preferred.push(index);
            }
        }
        if preferred.len() == 0 {
            return Err(plan);
        }
        if shuffles {
            self.order(&mut preferred, request, &plan);
        }
        Ok(plan.preferring(preferred))
    }

    /// The same before a plan of which nothing is known.
    fn before_any<'a>(
        &self,
        request: &RouteContext<'_>,
        replicas: impl Iterator<Item = &'a Arc<Node>>,
        shuffles: bool,
        plan: QueryPlan,
    ) -> Result<QueryPlan, QueryPlan> {
        let mut first: Vec<_> = replicas.cloned().collect();
        if first.is_empty() {
            return Err(plan);
        }
        if shuffles {
            let chance = self.chance.next();
            let length = first.len();
            first.rotate_left((chance % length as u64) as usize);
            first.sort_by_cached_key(|node| self.rank(request, node));
        }
        Ok(plan.after_all(first))
    }

    /// Replicas by chance, those of the best tier before others; of the first two of them the less busy one first.
    fn order(&self, preferred: &mut Preferred, request: &RouteContext<'_>, plan: &QueryPlan) {
        if preferred.len() < 2 {
            return;
        }
        preferred.sort_by_tier(|index| plan.tier_of(index));
        let tier = preferred.get(0).map(|index| plan.tier_of(index));
        let best = preferred.all().iter();
        let best = best
            .take_while(|index| Some(plan.tier_of(**index)) == tier)
            .count();
        let mut chance = self.chance.next();
        preferred.shuffle(best, |choices| {
            let chosen = chance % choices;
            chance = chance.rotate_right(16);
            chosen
        });
        let rank = |at: usize| {
            let node = preferred.get(at).and_then(|index| plan.listed(index));
            node.map_or((u8::MAX, 0), |node| self.rank(request, node))
        };
        let mut first = (rank(0), 0);
        if best > 1 {
            first = first.min((rank(1), 1));
        }
        if first.0.0 > 0 {
            // Rather any other that does well.
            let others = (0..preferred.len()).map(|at| (rank(at), at));
            first = others.min().unwrap_or(first);
        }
        if first.1 > 0 {
            preferred.put_first(first.1);
        }
    }

    /// The plan with the less busy of two nodes first, one of them in turn and the other one by chance.
    pub(super) fn less_busy_first(&self, request: &RouteContext<'_>, plan: QueryPlan) -> QueryPlan {
        let (places, mine) = plan.first_tier();
        let count = places.len();
        if count < 2 {
            return plan;
        }
        let rank = |at: usize| {
            let node = u16::try_from(at).ok().and_then(|index| plan.listed(index));
            node.map_or((u8::MAX, 0), |node| self.rank(request, node))
        };
        let step = 1 + (self.chance.next() % (count as u64 - 1)) as usize;
        let other = (mine + step) % count;
        let (of_mine, of_other) = (rank(mine), rank(other));
        let mut first = if of_other < of_mine {
            (of_other, other)
        } else {
            (of_mine, mine)
        };
        if first.0.0 > 0 {
            let others = places.map(|at| (mine + at) % count).map(|at| (rank(at), at));
            first = others.min_by_key(|(rank, _)| *rank).unwrap_or(first);
        }
        match u16::try_from(first.1) {
            Ok(index) if first.1 != mine => {
                let mut preferred = Preferred::default();
                preferred.push(index);
                plan.preferring(preferred)
            }
            _ => plan,
        }
    }

    fn rank(&self, request: &RouteContext<'_>, node: &Arc<Node>) -> Rank {
        let NodeLoad { in_flight, demotion } = request.load(node);
        let class = match demotion {
            None => 0,
            Some(Demotion::Fresh(age)) => u8::from(!self.is_warm(age)),
            Some(Demotion::Silent) => 2,
            Some(Demotion::Unconnected) => 3,
        };
        (class, in_flight)
    }

    /// By chance, the more likely the longer it is up.
    fn is_warm(&self, age: Duration) -> bool {
        let left = WARM_UP.saturating_sub(age);
        let chosen = self.chance.next() % WARM_UP.as_millis().max(1) as u64;
        u128::from(chosen) >= left.as_millis()
    }
}
