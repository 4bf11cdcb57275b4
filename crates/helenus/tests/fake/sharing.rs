//! Sessions of one cluster share connections, and nothing else: no keyspace, no end, no counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use helenus::policy::{AllowListPolicy, ConstantReconnection, RoundRobinPolicy};
use helenus::{Cluster, ExecutionProfile, RequestErrorKind, Session, SessionError};
use helenus_protocol::{ErrorCode, Opcode};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Reply, Script, Statement};

use crate::common::{INSERT, builder, cluster_builder, connected, is_text, script, soon};

/// Two sessions of one cluster.
async fn two(cluster: &Cluster) -> [Session; 2] {
    [cluster.connect().await.unwrap(), cluster.connect().await.unwrap()]
}

/// A healthy node that answers SLOW when the gate opens, and NEVER never.
fn slow() -> (Script, Gate) {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let script = script()
        .on_statement("SLOW", held)
        .on_statement("NEVER", Vec::new());
    (script, gate)
}

/// The connections on which statements of this text came.
fn connections_of(node: &FakeNode, text: &str) -> BTreeSet<u64> {
    let received = node.received();
    let of_text = received.iter().filter(|one| one.text() == Some(text));
    of_text.map(|one| one.connection()).collect()
}

/// Waits until the node has so many connections, that of the cluster among them.
async fn node_has(node: &FakeNode, count: usize) {
    soon(node.wait_until(|node| node.connection_count() == count)).await;
}

#[tokio::test]
async fn sessions_of_a_cluster_open_each_connection_once() {
    let nodes = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let cluster = cluster_builder(&nodes).connections_per_node(2).build().unwrap();
    let sessions = two(&cluster).await;
    for session in &sessions {
        connected(session, 4).await;
        session.query("X", ()).await.unwrap();
    }
    let accepted = nodes.nodes().iter().map(FakeNode::accepted_count).sum::<u64>();
    assert_eq!(accepted, 5, "one is that of the cluster");
    // Another keyspace has connections of its own.
    let other = cluster.connect_keyspace("other").await.unwrap();
    connected(&other, 4).await;
    let accepted = nodes.nodes().iter().map(FakeNode::accepted_count).sum::<u64>();
    assert_eq!(accepted, 9);
}

#[tokio::test]
async fn sessions_that_connect_at_the_same_time_share_what_is_being_opened() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let node = FakeNode::start(script()).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    cluster.refresh().await.unwrap();
    node.change_script(|script| script.on_opcode(Opcode::Startup, held));
    let connecting = tokio::spawn({
        let cluster = cluster.clone();
        async move { tokio::join!(cluster.connect(), cluster.connect()) }
    });
    soon(node.wait_for(2, |received| received.opcode() == Opcode::Startup)).await;
    gate.open();
    let (first, second) = soon(connecting).await.unwrap();
    for session in [first.unwrap(), second.unwrap()] {
        session.query("X", ()).await.unwrap();
    }
    assert_eq!(node.accepted_count(), 2);
}

#[tokio::test]
async fn use_in_one_session_leaves_the_connections_of_the_other_alone() {
    let (script, gate) = slow();
    let node = FakeNode::start(script).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    let of_first = first.query("SLOW", ());
    let of_second = second.query("SLOW", ());
    soon(node.wait_for(2, is_text("SLOW"))).await;
    // In any form, and by whatever way.
    first.query("\tuse a;", ()).await.unwrap();
    assert_eq!(first.keyspace().as_deref(), Some("a"));
    first.use_keyspace("b").await.unwrap();
    assert_eq!(
        (first.keyspace().as_deref(), second.keyspace()),
        (Some("b"), None)
    );
    first.query("OF FIRST", ()).await.unwrap();
    second.query("OF SECOND", ()).await.unwrap();
    gate.open();
    soon(of_first).await.unwrap();
    soon(of_second).await.unwrap();
    let switched = connections_of(&node, "\tuse a;");
    assert!(connections_of(&node, "USE \"b\"").is_subset(&switched));
    assert!(connections_of(&node, "OF FIRST").is_subset(&switched));
    assert!(connections_of(&node, "OF SECOND").is_disjoint(&switched));
    assert_eq!(connections_of(&node, "SLOW"), connections_of(&node, "OF SECOND"));
    node_has(&node, 3).await;
}

#[tokio::test]
async fn a_prepared_use_is_known_before_it_is_sent() {
    let script = script()
        .statement(Statement::new("USE other"))
        .handler(|request| {
            let is_use = request.opcode() == Opcode::Execute && request.text() == Some("USE other");
            is_use.then(|| vec![Reply::set_keyspace("other").into()])
        });
    let node = FakeNode::start(script).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    let switch = first.prepare("USE other").await.unwrap();
    first.execute(&switch, ()).await.unwrap();
    assert_eq!(
        (first.keyspace().as_deref(), second.keyspace()),
        (Some("other"), None)
    );
    first.query("OF FIRST", ()).await.unwrap();
    second.query("OF SECOND", ()).await.unwrap();
    let executed = node.received();
    let executed = executed
        .iter()
        .find(|one| one.opcode() == Opcode::Execute)
        .unwrap();
    let switched = BTreeSet::from([executed.connection()]);
    assert_eq!(connections_of(&node, "OF FIRST"), switched);
    assert!(connections_of(&node, "OF SECOND").is_disjoint(&switched));
}

#[tokio::test]
async fn an_answer_that_switches_without_a_use_takes_the_connections_of_that_node_with_it() {
    let script = script().on_statement("SURPRISE", vec![Reply::set_keyspace("other").into()]);
    let node = FakeNode::start(script).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    first.query("SURPRISE", ()).await.unwrap();
    assert_eq!(
        (first.keyspace().as_deref(), second.keyspace()),
        (Some("other"), None)
    );
    first.query("OF FIRST", ()).await.unwrap();
    crate::common::until_it_works(&second).await;
    let surprised = connections_of(&node, "SURPRISE");
    assert!(connections_of(&node, "X").is_disjoint(&surprised));
    assert!(connections_of(&node, "X").is_disjoint(&connections_of(&node, "OF FIRST")));
}

#[tokio::test]
async fn sessions_that_switch_to_the_same_keyspace_share_again() {
    let nodes = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let cluster = cluster_builder(&nodes).build().unwrap();
    let [first, second] = two(&cluster).await;
    first.use_keyspace("ks").await.unwrap();
    second.use_keyspace("ks").await.unwrap();
    let all = || {
        nodes
            .nodes()
            .iter()
            .map(FakeNode::connection_count)
            .sum::<usize>()
    };
    soon(async {
        while all() != 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // And whoever connects then.
    let third = cluster.connect_keyspace("ks").await.unwrap();
    for session in [&first, &second, &third] {
        connected(session, 2).await;
        session.query("X", ()).await.unwrap();
        assert_eq!(session.connections().open, 2);
    }
    assert_eq!(all(), 3);
    for node in nodes.nodes() {
        let switched = connections_of(node, "USE \"ks\"");
        assert!(connections_of(node, "X").is_subset(&switched));
    }
}

#[tokio::test]
async fn a_session_alone_on_its_connections_switches_them_and_opens_none() {
    let node = FakeNode::start(script()).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let session = cluster.connect().await.unwrap();
    session.use_keyspace("ks").await.unwrap();
    session.use_keyspace("ks2").await.unwrap();
    let other = cluster.connect_keyspace("ks2").await.unwrap();
    other.query("X", ()).await.unwrap();
    assert_eq!(node.accepted_count(), 2);
}

#[tokio::test]
async fn a_use_that_was_refused_leaves_sessions_where_they_were_and_they_share_again() {
    let refused = Reply::error(ErrorCode::Invalid, "no such keyspace").into();
    let node = FakeNode::start(script().on_statement("USE \"nowhere\"", vec![refused]))
        .await
        .unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    let error = first.use_keyspace("nowhere").await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::Server(_)), "{error}");
    assert_eq!(first.keyspace(), None);
    node_has(&node, 2).await;
    for session in [first, second] {
        session.query("X", ()).await.unwrap();
    }
    assert_eq!(connections_of(&node, "X").len(), 1);
}

#[tokio::test]
async fn nobody_joins_the_connections_of_a_use_that_was_given_up() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("USE other", held))
        .await
        .unwrap();
    let cluster = builder(&node).connections_per_node(2).build().unwrap();
    let first = cluster.connect().await.unwrap();
    connected(&first, 2).await;
    let switch = first.query("USE other", ());
    soon(node.wait_for(1, is_text("USE other"))).await;
    drop(switch);
    let before = first.connections().open;
    assert!(before <= 2);
    let second = cluster.connect().await.unwrap();
    second.query("OF SECOND", ()).await.unwrap();
    gate.open();
    crate::common::until_it_works(&first).await;
    assert!(connections_of(&node, "OF SECOND").is_disjoint(&connections_of(&node, "X")));
    assert!(connections_of(&node, "OF SECOND").is_disjoint(&connections_of(&node, "USE other")));
}

#[tokio::test]
async fn use_without_a_connection_to_be_had_fails_and_the_session_goes_on() {
    let node = FakeNode::start(script()).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    let refused = Reply::error(ErrorCode::Overloaded, "no more").into();
    node.change_script(|script| script.on_opcode(Opcode::Startup, vec![refused]));
    let error = first.use_keyspace("ks").await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::NoNode), "{error}");
    for session in [&first, &second] {
        session.query("X", ()).await.unwrap();
        assert_eq!(session.keyspace(), None);
    }
    assert!(connections_of(&node, "USE \"ks\"").is_empty());
}

#[tokio::test]
async fn closing_one_session_waits_for_its_requests_alone_and_leaves_those_of_the_other() {
    let (script, gate) = slow();
    let own_gate = Gate::new();
    let held = vec![Action::Hold(own_gate.clone()), Action::Default];
    let node = FakeNode::start(script.on_statement("OWN", held)).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    let slow = second.query("SLOW", ());
    let own = first.query("OWN", ());
    soon(node.wait_for(1, is_text("OWN"))).await;
    let closing = tokio::spawn({
        let first = first.clone();
        async move { first.close().await }
    });
    while !first.is_closed() {
        tokio::task::yield_now().await;
    }
    let refused = first.query("X", ()).await.unwrap_err();
    assert!(matches!(refused.kind(), RequestErrorKind::SessionClosed));
    second.query("X", ()).await.unwrap();
    assert!(!closing.is_finished());
    // It is answered, though nobody looks at it yet.
    own_gate.open();
    soon(closing).await.unwrap();
    own.await.unwrap();
    assert_eq!(first.connections().open, 0);
    gate.open();
    soon(slow).await.unwrap();
    second.query("X", ()).await.unwrap();
    assert_eq!(connections_of(&node, "X").len(), 1);
    node_has(&node, 2).await;
    second.close().await;
    node_has(&node, 1).await;
    cluster.close().await;
    node_has(&node, 0).await;
}

#[tokio::test]
async fn a_close_whose_time_is_up_fails_the_requests_of_that_session_alone() {
    let (script, gate) = slow();
    let node = FakeNode::start(script).await.unwrap();
    let cluster = builder(&node)
        .close_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let [first, second] = two(&cluster).await;
    let never = tokio::spawn(first.query("NEVER", ()));
    let unseen = first.query("NEVER", ());
    let slow = second.query("SLOW", ());
    soon(node.wait_for(2, is_text("NEVER"))).await;
    soon(first.close()).await;
    for error in [soon(never).await.unwrap(), soon(unseen).await] {
        let error = error.unwrap_err();
        assert!(
            matches!(error.kind(), RequestErrorKind::ConnectionLost(_)),
            "{error}"
        );
    }
    second.query("X", ()).await.unwrap();
    gate.open();
    soon(slow).await.unwrap();
    // The answers are still to come.
    assert_eq!(second.connections().overdue, 2);
}

#[tokio::test]
async fn the_last_handle_of_one_session_ends_nothing_of_the_other() {
    let (script, gate) = slow();
    let node = FakeNode::start(script).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    let outlives = first.query("SLOW", ());
    drop(first);
    let slow = second.query("SLOW", ());
    gate.open();
    soon(outlives).await.unwrap();
    soon(slow).await.unwrap();
    second.query("X", ()).await.unwrap();
    assert_eq!(node.accepted_count(), 2);
    drop(second);
    node_has(&node, 1).await;
}

#[tokio::test]
async fn whoever_joins_a_node_that_is_down_tries_for_itself() {
    let mut nodes = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let delay = Arc::new(ConstantReconnection(Duration::from_secs(3600)));
    let cluster = cluster_builder(&nodes)
        .reconnection_policy(delay)
        .build()
        .unwrap();
    let first = cluster.connect().await.unwrap();
    connected(&first, 2).await;
    for node in 0..2 {
        nodes.node_mut(node).stop().await;
    }
    soon(async {
        while first.connections().open > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // That it was open once is no connection.
    let error = soon(cluster.connect()).await.unwrap_err();
    assert!(matches!(error, SessionError::NoNode(_)), "{error}");
    for node in 0..2 {
        nodes.node_mut(node).listen_again().await.unwrap();
    }
    // And that it failed before is no failure.
    let second = soon(cluster.connect()).await.unwrap();
    second.query("X", ()).await.unwrap();
    connected(&first, 1).await;
}

#[tokio::test]
async fn requests_count_for_their_session_and_connections_once() {
    let node = FakeNode::start(script()).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    assert_eq!(first.metrics().total.connections_opened, 1);
    let before = second.metrics().total;
    assert_eq!((before.connections_opened, before.bytes_sent), (0, 0));
    assert_eq!(before.open_connections, 1);
    let insert = second.prepare(INSERT).await.unwrap();
    for key in 0..3 {
        first.query("X", ()).await.unwrap();
        second.execute(&insert, (key, "x")).await.unwrap();
        second.query("X", ()).await.unwrap();
    }
    let (of_first, of_second) = (first.metrics(), second.metrics());
    assert_eq!(
        (
            of_first.succeeded,
            of_first.total.answered,
            of_first.latency.count()
        ),
        (3, 3, 3)
    );
    assert_eq!(
        (
            of_second.succeeded,
            of_second.total.answered,
            of_second.latency.count()
        ),
        (6, 6, 6)
    );
    assert_eq!((of_first.total.prepared, of_second.total.prepared), (0, 1));
    let all = cluster.metrics();
    assert_eq!((all.succeeded, all.total.answered), (9, 9));
    assert_eq!((all.total.connections_opened, all.total.open_connections), (1, 1));
    // The first one has used the connection all the time.
    assert_eq!(all.total.bytes_sent, of_first.total.bytes_sent);
    assert!(of_second.total.bytes_sent > 0 && of_second.total.bytes_sent <= all.total.bytes_sent);
    assert_eq!(all.nodes.len(), 1);
    assert_eq!(all.nodes[0].counts.bytes_received, all.total.bytes_received);
    // What was counted stays, whoever leaves.
    first.close().await;
    let closed = first.metrics().total;
    assert_eq!(
        (closed.bytes_sent, closed.open_connections),
        (of_first.total.bytes_sent, 0)
    );
    second.query("X", ()).await.unwrap();
    assert_eq!(first.metrics().total.bytes_sent, closed.bytes_sent);
    drop(first);
    second.use_keyspace("ks").await.unwrap();
    second.close().await;
    drop(second);
    let after = cluster.metrics();
    assert_eq!(
        (after.total.connections_opened, after.total.open_connections),
        (1, 0)
    );
    assert_eq!((after.succeeded, after.total.connections_lost), (11, 0));
    assert!(after.total.bytes_sent > all.total.bytes_sent);
}

#[tokio::test]
async fn connections_are_as_many_as_the_session_wants_that_wants_most() {
    let nodes = FakeCluster::start(&[("dc1", 1), ("dc2", 1)], script())
        .await
        .unwrap();
    let cluster = cluster_builder(&nodes)
        .connections_per_node(3)
        .connections_per_remote_node_within(1..=1)
        .build()
        .unwrap();
    let [first, second] = two(&cluster).await;
    let remote = nodes.node(1);
    assert_eq!(remote.ready_count(), 0);
    let only = |node: &FakeNode| {
        let policy = AllowListPolicy::new(Arc::new(RoundRobinPolicy::new()), [node.address().ip()]);
        let builder = ExecutionProfile::builder();
        builder.load_balancing(Arc::new(policy)).build()
    };
    first.add_profile(only(remote));
    soon(remote.wait_until(|node| node.ready_count() == 3)).await;
    second.add_profile(only(remote));
    connected(&second, 6).await;
    assert_eq!(remote.accepted_count(), 3);
    first.close().await;
    assert_eq!(second.connections().open, 6);
    second.close().await;
    soon(remote.wait_until(|node| node.connection_count() == 0)).await;
}

#[tokio::test]
async fn a_session_that_is_closed_while_it_waits_for_room_leaves_the_line() {
    let (script, gate) = slow();
    let node = FakeNode::start(script).await.unwrap();
    let cluster = builder(&node)
        .connections_per_node(1)
        .max_requests_per_connection(1)
        .build()
        .unwrap();
    let [first, second] = two(&cluster).await;
    let slow = second.query("SLOW", ());
    let waits = tokio::spawn(first.query("WAITS", ()));
    soon(async {
        while first.metrics().waiting == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(first.close()).await;
    let error = soon(waits).await.unwrap().unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::SessionClosed), "{error}");
    gate.open();
    soon(slow).await.unwrap();
    second.query("X", ()).await.unwrap();
    assert!(connections_of(&node, "WAITS").is_empty());
}

#[tokio::test]
async fn a_node_that_comes_up_prepares_the_statements_of_all_its_sessions_once() {
    let node = FakeNode::start(script()).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let [first, second] = two(&cluster).await;
    let insert = first.prepare(INSERT).await.unwrap();
    let same = second.prepare(INSERT).await.unwrap();
    let other = second.prepare("SELECT k, v FROM ks.t").await.unwrap();
    let before = node.count(Opcode::Prepare);
    node.forget_prepared();
    node.close_connections(true).await;
    soon(node.wait_until(|node| node.count(Opcode::Prepare) >= before + 2)).await;
    connected(&first, 1).await;
    first.execute(&insert, (1, "x")).await.unwrap();
    second.execute(&same, (1, "x")).await.unwrap();
    second.execute(&other, ()).await.unwrap();
    assert_eq!(node.count(Opcode::Prepare), before + 2);
}

#[tokio::test]
async fn a_request_without_limits_outlives_the_use_that_left_its_connection() {
    let (script, gate) = slow();
    let node = FakeNode::start(script).await.unwrap();
    let cluster = builder(&node)
        .close_timeout(Duration::from_millis(20))
        .build()
        .unwrap();
    let [first, second] = two(&cluster).await;
    let statement = helenus::SimpleStatement::new("SLOW").with_timeout(None);
    let slow = first.query(statement, ());
    soon(node.wait_for(1, is_text("SLOW"))).await;
    first.use_keyspace("ks").await.unwrap();
    // The other one is not the last one while that is under way.
    soon(second.close()).await;
    gate.open();
    soon(slow).await.unwrap();
    // That connection ends with it.
    node_has(&node, 2).await;
}

#[tokio::test]
async fn sessions_that_come_and_go_and_switch_leave_the_counts_right_and_no_connection_behind() {
    let node = FakeNode::start(script()).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let stays = cluster.connect().await.unwrap();
    for _ in 0..20 {
        let comes = cluster.connect().await.unwrap();
        for keyspace in ["a", "b"] {
            comes.use_keyspace(keyspace).await.unwrap();
            comes.query("X", ()).await.unwrap();
        }
        stays.query("X", ()).await.unwrap();
    }
    node_has(&node, 2).await;
    let metrics = cluster.metrics();
    assert_eq!((metrics.succeeded, metrics.failed.total()), (100, 0));
    assert_eq!(
        (metrics.total.connections_opened, metrics.total.open_connections),
        (21, 1)
    );
    assert_eq!(stays.metrics().total.connections_opened, 1);
}

/// Statements that say in which keyspace they are to run, and that reach the node on a connection that is in another one.
fn misplaced(node: &FakeNode) -> Vec<String> {
    let mut keyspaces = BTreeMap::new();
    let mut misplaced = Vec::new();
    for received in node.received() {
        let Some(text) = received.text() else {
            continue;
        };
        let keyspace = keyspaces
            .entry(received.connection())
            .or_insert_with(|| "none".to_owned());
        if let Some(name) = text.strip_prefix("USE ") {
            name.trim_matches('"').clone_into(keyspace);
        } else if let Some(wanted) = text.strip_prefix("IN ")
            && wanted != keyspace
        {
            misplaced.push(format!("{text} on {} in {keyspace}", received.connection()));
        }
    }
    misplaced
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn statements_run_in_the_keyspace_of_their_session_whatever_the_others_do() {
    let nodes = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let cluster = cluster_builder(&nodes).connections_per_node(2).build().unwrap();
    let mut tasks = Vec::new();
    for task in 0..6_u64 {
        let cluster = cluster.clone();
        tasks.push(tokio::spawn(async move {
            let mut seed = task * 7919 + 1;
            let mut random = |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % below
            };
            for _ in 0..4 {
                let session = match random(2) {
                    0 => cluster.connect().await.unwrap(),
                    _ => cluster.connect_keyspace(format!("k{}", random(2))).await.unwrap(),
                };
                let mut under_way: Vec<helenus::Execution> = Vec::new();
                for _ in 0..30 {
                    let keyspace = session.keyspace();
                    let keyspace = keyspace.as_deref().unwrap_or("none");
                    match random(6) {
                        0 => {
                            // What was sent before runs before, or after on another connection.
                            for request in under_way.drain(..) {
                                soon(request).await.unwrap();
                            }
                            soon(session.use_keyspace(&format!("k{}", random(2))))
                                .await
                                .unwrap();
                        }
                        1 => {
                            soon(session.query(format!("IN {keyspace}"), ())).await.unwrap();
                        }
                        _ => under_way.push(session.query(format!("IN {keyspace}"), ())),
                    }
                }
                match random(2) {
                    0 => soon(session.close()).await,
                    _ => drop(session),
                }
                for request in under_way {
                    soon(request).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        soon(task).await.unwrap();
    }
    for node in nodes.nodes() {
        let misplaced = misplaced(node);
        assert!(misplaced.is_empty(), "{misplaced:?}");
        let connections: BTreeSet<_> = node.received().iter().map(|one| one.connection()).collect();
        assert!(connections.len() > 2, "nobody shared or switched");
    }
    // Nothing is left of all those.
    cluster.close().await;
    for node in nodes.nodes() {
        node_has(node, 0).await;
    }
    let metrics = cluster.metrics();
    assert_eq!((metrics.total.open_connections, metrics.failed.total()), (0, 0));
}
