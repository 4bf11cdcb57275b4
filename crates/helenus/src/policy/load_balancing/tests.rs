//! What the plans of all policies have in common, and what each promises.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::ConsistencyLevel;
use proptest::prelude::*;

use super::route::testing::Facts;
use super::*;
use crate::cluster::{ReplicationFactor, ReplicationStrategy};
use crate::executor::Request;

const RACKS: [&str; 3] = ["r1", "r2", "r3"];

/// Datacenters of so many nodes, their racks in turn, and a keyspace of so many replicas in each.
fn cluster(counts: &[usize], replicas: usize) -> ClusterState {
    let names = ["dc1", "dc2", "dc3"];
    let nodes: Vec<_> = counts
        .iter()
        .zip(names)
        .flat_map(|(count, name)| (0..*count).map(move |index| (name, RACKS[index % 3])))
        .collect();
    let factors: BTreeMap<_, _> = counts
        .iter()
        .zip(names)
        .map(|(_, name)| {
            (
                name.to_owned(),
                ReplicationFactor {
                    all: replicas,
                    transient: 0,
                },
            )
        })
        .collect();
    let strategy = ReplicationStrategy::NetworkTopology(factors);
    ClusterState::for_tests(&nodes, &[("ks", strategy)])
}

fn request() -> Request {
    Request::simple("X", ()).unwrap()
}

fn routed(key: i32) -> Facts {
    Facts {
        partition: Some(("ks".to_owned(), key.to_be_bytes().to_vec())),
        ..Facts::default()
    }
}

fn plan_at(
    policy: &dyn LoadBalancingPolicy,
    state: &ClusterState,
    facts: &Facts,
    level: ConsistencyLevel,
) -> Vec<Arc<Node>> {
    policy.plan(&facts.of(&request(), level), state).collect()
}

fn plan(policy: &dyn LoadBalancingPolicy, state: &ClusterState, facts: &Facts) -> Vec<Arc<Node>> {
    plan_at(policy, state, facts, ConsistencyLevel::Quorum)
}

fn slots(nodes: &[Arc<Node>]) -> Vec<usize> {
    nodes.iter().map(|node| node.slot()).collect()
}

fn replicas(state: &ClusterState, key: i32) -> Vec<Arc<Node>> {
    let token = state.token_partitioner().unwrap().token(&key.to_be_bytes());
    state.replicas("ks", &token).cloned().collect()
}

/// One of each kind, and of kinds inside of each other.
fn policies() -> Vec<Arc<dyn LoadBalancingPolicy>> {
    let remote = || DcAwarePolicy::new().with_remote_nodes(2);
    let rack = || RackAwarePolicy::new("r2").with_remote_nodes(1);
    let odd = |child| HostFilterPolicy::new(child, |node| node.slot() % 2 == 1);
    vec![
        Arc::new(RoundRobinPolicy::new()),
        Arc::new(RoundRobinPolicy::in_datacenter("dc2")),
        Arc::new(DcAwarePolicy::new()),
        Arc::new(DcAwarePolicy::in_datacenter("dc2")),
        Arc::new(remote()),
        Arc::new(remote().remote_for_local_consistency(true)),
        Arc::new(RackAwarePolicy::in_datacenter("dc1", "r1")),
        Arc::new(rack()),
        Arc::new(TokenAwarePolicy::default()),
        Arc::new(TokenAwarePolicy::new(Arc::new(rack()))),
        Arc::new(TokenAwarePolicy::new(Arc::new(remote())).in_ring_order()),
        Arc::new(TokenAwarePolicy::new(Arc::new(odd(Arc::new(remote()))))),
        Arc::new(TokenAwarePolicy::new(Arc::new(Backwards))),
        Arc::new(odd(Arc::new(TokenAwarePolicy::default()))),
        Arc::new(odd(Arc::new(TokenAwarePolicy::new(Arc::new(Backwards))))),
        Arc::new(odd(Arc::new(DefaultPolicy::over(remote())))),
        Arc::new(
            AllowListPolicy::resolve(Arc::new(RoundRobinPolicy::new()), ["127.0.0.2", "127.0.0.3"]).unwrap(),
        ),
        Arc::new(TargetNodePolicy::new(Arc::new(DefaultPolicy::new()))),
        Arc::new(DefaultPolicy::new()),
        Arc::new(DefaultPolicy::over(remote())),
    ]
}

/// As a program might write one: a plan that nothing is known of.
#[derive(Debug)]
struct Backwards;

impl LoadBalancingPolicy for Backwards {
    fn plan(&self, _: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let nodes: Vec<_> = state.nodes().iter().rev().cloned().collect();
        QueryPlan::lazy(nodes.into_iter())
    }

    fn distance(&self, _: &Node, _: &ClusterState) -> Distance {
        Distance::Local
    }
}

fn load(in_flight: usize, demotion: impl Into<Option<Demotion>>) -> NodeLoad {
    NodeLoad {
        in_flight,
        demotion: demotion.into(),
        latency: 0,
    }
}

fn any_load() -> impl Strategy<Value = NodeLoad> {
    let demotion = prop_oneof![
        3 => Just(None),
        1 => (0..70_u64).prop_map(|seconds| Some(Demotion::Fresh(Duration::from_secs(seconds)))),
        1 => Just(Some(Demotion::Silent)),
        1 => Just(Some(Demotion::Unconnected)),
    ];
    (0..30_usize, 0..1_000_000_u64, demotion).prop_map(|(in_flight, latency, demotion)| NodeLoad {
        in_flight,
        latency,
        demotion,
    })
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let partition = proptest::option::of(any::<i32>());
    let loads = proptest::collection::hash_map(1..20_usize, any_load(), 0..20);
    (partition, any::<bool>(), loads).prop_map(|(key, conditional, loads)| Facts {
        conditional,
        loads,
        ..key.map(routed).unwrap_or_default()
    })
}

proptest! {
    #[test]
    fn a_plan_has_each_node_that_is_not_ignored_once_and_no_other(
        counts in proptest::collection::vec(0..6_usize, 1..4),
        first in 1..6_usize,
        replicas in 0..5_usize,
        facts in any_facts(),
    ) {
        let mut counts = counts;
        counts[0] = first;
        let state = cluster(&counts, replicas);
        for policy in policies() {
            for _ in 0..3 {
                let nodes = plan(&*policy, &state, &facts);
                let unique: BTreeSet<_> = nodes.iter().map(|node| node.slot()).collect();
                prop_assert_eq!(unique.len(), nodes.len(), "{:?}: {:?}", &policy, slots(&nodes));
                let wanted: BTreeSet<_> = state
                    .nodes()
                    .iter()
                    .filter(|node| policy.distance(node, &state) != Distance::Ignored)
                    .map(|node| node.slot())
                    .collect();
                prop_assert_eq!(unique, wanted, "{:?}", &policy);
            }
        }
    }

    #[test]
    fn a_plan_has_local_nodes_before_remote_ones_and_only_those_for_local_consistency(
        counts in proptest::collection::vec(1..6_usize, 2..4),
        facts in any_facts(),
    ) {
        let state = cluster(&counts, 2);
        let rack = || RackAwarePolicy::new("r1").with_remote_nodes(2);
        let dc = || DcAwarePolicy::new().with_remote_nodes(2);
        let policies: [Arc<dyn LoadBalancingPolicy>; 5] = [
            Arc::new(dc()),
            Arc::new(rack()),
            Arc::new(TokenAwarePolicy::new(Arc::new(dc()))),
            Arc::new(TokenAwarePolicy::new(Arc::new(rack()))),
            Arc::new(DefaultPolicy::over(dc())),
        ];
        for policy in policies {
            let nodes = plan(&*policy, &state, &facts);
            let local = nodes.iter().take_while(|node| node.datacenter() == Some("dc1")).count();
            prop_assert_eq!(local, counts[0]);
            prop_assert!(nodes[local..].iter().all(|node| node.datacenter() != Some("dc1")));
            let remote: usize = counts[1..].iter().map(|count| *count.min(&2)).sum();
            prop_assert_eq!(nodes.len(), local + remote);
            for level in [ConsistencyLevel::LocalOne, ConsistencyLevel::LocalQuorum, ConsistencyLevel::LocalSerial] {
                prop_assert_eq!(plan_at(&*policy, &state, &facts, level).len(), counts[0]);
            }
        }
    }

    #[test]
    fn local_replicas_come_first_and_those_of_transactions_in_the_order_of_the_ring(
        count in 1..8_usize,
        factor in 1..6_usize,
        key in any::<i32>(),
        conditional in any::<bool>(),
        loads in proptest::collection::hash_map(1..20_usize, any_load(), 0..20),
    ) {
        let state = cluster(&[count, 3], factor);
        let facts = Facts { conditional, loads, ..routed(key) };
        let expected: Vec<_> = replicas(&state, key)
            .into_iter()
            .filter(|node| node.datacenter() == Some("dc1"))
            .collect();
        prop_assert_eq!(expected.len(), factor.min(count));
        let shuffled: [Arc<dyn LoadBalancingPolicy>; 2] =
            [Arc::new(DefaultPolicy::new()), Arc::new(TokenAwarePolicy::default())];
        for policy in shuffled {
            let nodes = plan(&*policy, &state, &facts);
            if conditional {
                prop_assert_eq!(&nodes[..expected.len()], &expected[..]);
            } else {
                let set = |nodes: &[Arc<Node>]| nodes.iter().map(|node| node.slot()).collect::<BTreeSet<_>>();
                prop_assert_eq!(set(&nodes[..expected.len()]), set(&expected));
            }
        }
        let ordered = TokenAwarePolicy::default().in_ring_order();
        prop_assert_eq!(&plan(&ordered, &state, &facts)[..expected.len()], &expected[..]);
    }

    #[test]
    fn the_first_node_of_the_default_policy_is_one_that_does_well_if_there_is_one(
        count in 2..6_usize,
        facts in any_facts(),
    ) {
        let state = cluster(&[count], 3);
        let facts = Facts { conditional: false, ..facts };
        let candidates = match &facts.partition {
            Some((_, key)) => replicas(&state, i32::from_be_bytes(key[..].try_into().unwrap())),
            None => state.nodes().to_vec(),
        };
        let well = |node: &Arc<Node>| facts.loads.get(&node.slot()).is_none_or(|load| load.demotion.is_none());
        let first = &plan(&DefaultPolicy::new(), &state, &facts)[0];
        let fresh = |node: &Arc<Node>| matches!(facts.loads.get(&node.slot()).and_then(|load| load.demotion), Some(Demotion::Fresh(_)));
        prop_assert!(well(first) || fresh(first) || !candidates.iter().any(well));
    }
}

#[test]
fn nodes_take_turns_in_each_policy_that_knows_nothing_better() {
    let state = cluster(&[3, 2], 1);
    let count = |policy: &dyn LoadBalancingPolicy| {
        let mut firsts: BTreeMap<usize, usize> = BTreeMap::new();
        for _ in 0..30 {
            let nodes = plan(policy, &state, &Facts::default());
            *firsts.entry(nodes[0].slot()).or_default() += 1;
        }
        firsts.into_values().collect::<Vec<_>>()
    };
    assert_eq!(count(&RoundRobinPolicy::new()), [6; 5]);
    assert_eq!(count(&RoundRobinPolicy::in_datacenter("dc2")), [15; 2]);
    assert_eq!(count(&DcAwarePolicy::new().with_remote_nodes(1)), [10; 3]);
    assert_eq!(count(&DefaultPolicy::new()), [10; 3]);
    // The neighbour of a node that is left out does not take its share.
    let filtered = HostFilterPolicy::new(Arc::new(RoundRobinPolicy::new()), |node| node.slot() != 2);
    let shares = count(&filtered);
    assert!(
        shares.len() == 4 && shares.iter().all(|share| [7, 8].contains(share)),
        "{shares:?}"
    );
}

#[test]
fn of_two_nodes_the_less_busy_one_is_asked() {
    let state = cluster(&[3], 3);
    let facts = |partition: Option<i32>| Facts {
        loads: HashMap::from([(1, load(5, None)), (2, load(4, None)), (3, load(900, None))]),
        ..partition.map(routed).unwrap_or_default()
    };
    let policy = DefaultPolicy::new();
    for partition in [None, Some(7)] {
        let facts = facts(partition);
        let mut firsts = [0; 4];
        for _ in 0..300 {
            firsts[plan(&policy, &state, &facts)[0].slot()] += 1;
        }
        // The busiest of three loses against each other; the least busy wins against each.
        assert_eq!(firsts[3], 0);
        assert!(firsts[2] > firsts[1] && firsts[1] > 50, "{firsts:?}");
    }
}

#[test]
fn a_node_that_takes_much_longer_holds_as_much_fewer_requests_and_is_tried_again_when_it_has_none() {
    let state = cluster(&[2], 1);
    let policy = DefaultPolicy::new();
    let share = |slow: (usize, u64), fast: (usize, u64)| {
        let load = |(in_flight, latency)| NodeLoad {
            in_flight,
            latency,
            demotion: None,
        };
        let facts = Facts {
            loads: HashMap::from([(1, load(slow)), (2, load(fast))]),
            ..Facts::default()
        };
        let firsts = (0..1000).filter(|_| plan(&policy, &state, &facts)[0].slot() == 1);
        firsts.count()
    };
    assert_eq!(share((1, 100_000), (20, 2_000)), 0);
    assert_eq!(share((1, 100_000), (120, 2_000)), 1000);
    assert_eq!(share((5, 7_900), (6, 2_000)), 1000, "not so much longer");
    let tried = share((0, 100_000), (20, 2_000));
    assert!((5..100).contains(&tried), "{tried}");
}

#[test]
fn a_node_that_is_back_gets_its_share_bit_by_bit() {
    let state = cluster(&[2], 1);
    let policy = DefaultPolicy::new();
    let share = |age| {
        let demotion = Demotion::Fresh(Duration::from_secs(age));
        let facts = Facts {
            loads: HashMap::from([(1, load(0, demotion)), (2, load(0, None))]),
            ..Facts::default()
        };
        let firsts = (0..2000).filter(|_| plan(&policy, &state, &facts)[0].slot() == 1);
        firsts.count()
    };
    assert_eq!(share(0), 0);
    let half = share(30);
    assert!((300..700).contains(&half), "{half}");
    assert_eq!(share(60), 1000);
}

#[test]
fn replicas_of_the_local_rack_are_asked_first() {
    let state = cluster(&[6], 3);
    let policy = TokenAwarePolicy::new(Arc::new(RackAwarePolicy::new("r2")));
    for key in 0..50 {
        let nodes = plan(&policy, &state, &routed(key));
        assert_eq!(nodes[0].rack(), Some("r2"));
        assert!(replicas(&state, key).contains(&nodes[0]));
    }
    // Unless it has stopped answering.
    let silent = state.nodes().iter().filter(|node| node.rack() == Some("r2"));
    let loads = silent
        .map(|node| (node.slot(), load(20, Demotion::Silent)))
        .collect();
    let facts = Facts { loads, ..routed(7) };
    assert_ne!(plan(&policy, &state, &facts)[0].rack(), Some("r2"));
}

#[test]
fn the_remote_nodes_of_a_policy_stay_when_others_come() {
    let policy = DcAwarePolicy::new().with_remote_nodes(2);
    let remote = |state: &ClusterState| {
        let nodes = plan(&policy, state, &Facts::default());
        let remote = nodes.iter().filter(|node| node.datacenter() != Some("dc1"));
        remote.map(|node| node.slot()).collect::<BTreeSet<_>>()
    };
    let nodes: Vec<_> = [("dc1", "r1")].into_iter().chain([("dc2", "r1"); 5]).collect();
    let before = remote(&ClusterState::for_tests(&nodes, &[]));
    let more: Vec<_> = nodes.iter().copied().chain([("dc2", "r1")]).collect();
    let after = remote(&ClusterState::for_tests(&more, &[]));
    assert_eq!((before.len(), after.len()), (2, 2));
    assert!(before.intersection(&after).count() >= 1);
}

#[test]
fn a_statement_names_the_node_to_ask_first() {
    let state = cluster(&[3, 1], 1);
    let policy = TargetNodePolicy::new(Arc::new(DefaultPolicy::new()));
    let first = |target: &Arc<Node>| {
        let statement = crate::SimpleStatement::new("X").with_target(target.host_id());
        let request = Request::simple(statement, ()).unwrap();
        let facts = Facts::default();
        let nodes: Vec<_> = policy
            .plan(&facts.of(&request, ConsistencyLevel::One), &state)
            .collect();
        assert_eq!(nodes.len(), 3);
        nodes[0].slot()
    };
    for node in &state.nodes()[..3] {
        assert_eq!(first(node), node.slot());
    }
    // Nobody connects to that one.
    assert_ne!(first(&state.nodes()[3]), 4);
}
