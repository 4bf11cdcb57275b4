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

/// A node that takes so many times as long as another one is asked for as much less.
const MUCH_LONGER: u64 = 4;
/// Nodes that take less are all fast, in microseconds.
const FAST: u64 = 1_000;

/// How a node stands: by class, of which the lowest is the best, and within it by what it has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    class: u8,
    in_flight: usize,
    latency: u64,
}

impl Rank {
    /// Of no node.
    const NONE: Self = Self {
        class: u8::MAX,
        in_flight: 0,
        latency: 0,
    };

    /// Whether this one rather than the other is to be asked. `tries`: nodes that are idle get their chance, however slow.
    fn is_better(self, other: Self, tries: bool) -> bool {
        let (mine, its) = (self.latency.max(FAST), other.latency.max(FAST));
        let idle = tries && (self.in_flight == 0 || other.in_flight == 0);
        let unknown = self.latency == 0 || other.latency == 0;
        let alike = unknown || mine <= MUCH_LONGER * its && its <= MUCH_LONGER * mine;
        if self.class != other.class || alike || idle {
            return (self.class, self.in_flight) < (other.class, other.in_flight);
        }
        let work = |rank: Self, latency: u64| (rank.in_flight as u64 + 1).saturating_mul(latency);
        work(self, mine) < work(other, its)
    }
}

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
            first.sort_by_cached_key(|node| {
                let rank = self.rank(request, node);
                (rank.class, rank.in_flight)
            });
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
            node.map_or(Rank::NONE, |node| self.rank(request, node))
        };
        let mut first = (rank(0), 0);
        if best > 1 {
            let other = rank(1);
            if other.is_better(first.0, tries(chance)) {
                first = (other, 1);
            }
        }
        if first.0.class > 0 {
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
            node.map_or(Rank::NONE, |node| self.rank(request, node))
        };
        let chance = self.chance.next();
        let step = 1 + (chance % (count as u64 - 1)) as usize;
        let other = (mine + step) % count;
        let (of_mine, of_other) = (rank(mine), rank(other));
        let mut first = match of_other.is_better(of_mine, tries(chance)) {
            true => (of_other, other),
            false => (of_mine, mine),
        };
        if first.0.class > 0 {
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
        let NodeLoad {
            in_flight,
            latency,
            demotion,
        } = request.load(node);
        let class = match demotion {
            None => 0,
            Some(Demotion::Fresh(age)) => u8::from(!self.is_warm(age)),
            Some(Demotion::Silent) => 2,
            Some(Demotion::Unconnected) => 3,
        };
        Rank {
            class,
            in_flight,
            latency,
        }
    }

    /// By chance, the more likely the longer it is up.
    fn is_warm(&self, age: Duration) -> bool {
        let left = WARM_UP.saturating_sub(age);
        let chosen = self.chance.next() % WARM_UP.as_millis().max(1) as u64;
        u128::from(chosen) >= left.as_millis()
    }
}

/// Once in 32 times.
fn tries(chance: u64) -> bool {
    chance >> 59 == 0
}
