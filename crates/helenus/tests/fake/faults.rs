//! Nodes that die, move, lie or disagree.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use helenus::{
    Applied, BatchStatement, ExecutionProfile, RequestErrorKind, SchemaAgreement, Session, SessionError,
    SimpleStatement,
};
use helenus_protocol::{
    ErrorCode, Event, Opcode, ProtocolVersion, SchemaChange, SchemaChangeTarget, SchemaChangeType,
    StatusChange, TopologyChange,
};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Received, Reply};
use uuid::Uuid;

use crate::common::{INSERT, SELECT, builder, cluster_builder, script, session};

/// Fails the test when something does not happen at all.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it did not happen")
}

/// Runs an idempotent request until one succeeds.
async fn until_it_works(session: &Session) {
    let statement = SimpleStatement::new("X").with_idempotence(true);
    soon(async {
        while session.query(&statement, ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits until the session has so many connections.
async fn connected(session: &Session, count: usize) {
    soon(async {
        while session.connections().open < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn is_text(text: &'static str) -> impl Fn(&Received) -> bool {
    move |received| received.text() == Some(text)
}

#[tokio::test]
async fn the_whole_cluster_can_go_away_and_come_back() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    for number in 0..2 {
        cluster.node_mut(number).stop().await;
    }
    soon(async {
        while session.connections().open > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let error = session.query("X", ()).await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::NoNode), "{error}");
    assert_eq!((error.applied(), error.attempts().len()), (Applied::NotSent, 2));
    for number in 0..2 {
        cluster.node_mut(number).listen_again().await.unwrap();
    }
    until_it_works(&session).await;
    // The control connection, too.
    soon(async {
        while cluster.nodes().iter().all(|node| node.registered_count() == 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_control_connection_moves_to_another_node() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .refresh_delay(Duration::from_millis(1))
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    assert_eq!(cluster.node(0).registered_count(), 1);
    cluster.node_mut(0).stop().await;
    soon(cluster.node(1).wait_until(|node| node.registered_count() == 1)).await;
    // It still hears of new nodes.
    cluster.add_node("dc1", script()).await.unwrap();
    let address = cluster.node(2).address();
    let change = TopologyChange::NewNode;
    cluster
        .node(1)
        .push_event(&Event::TopologyChange { change, address })
        .await;
    soon(cluster.node(2).wait_until(|node| node.ready_count() == 1)).await;
    assert_eq!(session.state().nodes().len(), 3);
}

#[tokio::test]
async fn a_control_connection_that_is_stuck_is_given_up() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .control_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    driver.connect().await.unwrap();
    cluster.node(0).change_script(|script| {
        script.handler(|request| request.text()?.contains("system.local").then(Vec::new))
    });
    soon(driver.refresh()).await.unwrap();
    assert_eq!(cluster.node(1).registered_count(), 1);
}

#[tokio::test]
async fn a_node_that_left_loses_its_connections() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    let gone = cluster.node(1).address();
    cluster.topology(|topology| topology.nodes.retain(|node| node.address != gone));
    driver.refresh().await.unwrap();
    soon(cluster.node(1).wait_until(|node| node.connection_count() == 0)).await;
    assert_eq!(session.state().nodes().len(), 1);
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn a_node_with_a_new_address_is_the_same_node_and_its_old_pool_is_closed() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let spare = FakeNode::start(script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    let old = cluster.node(1).address();
    let state = session.state();
    let host_id = state
        .nodes()
        .iter()
        .find(|node| node.address() == Some(old))
        .unwrap()
        .host_id();
    // peers_v2 names the port.
    cluster.topology(|topology| {
        let moved = topology
            .nodes
            .iter_mut()
            .find(|node| node.address == old)
            .unwrap();
        moved.address = spare.address();
        moved.host_id = Some(host_id);
    });
    driver.refresh().await.unwrap();
    soon(spare.wait_until(|node| node.ready_count() == 1)).await;
    soon(cluster.node(1).wait_until(|node| node.connection_count() == 0)).await;
    let state = session.state();
    assert_eq!(state.nodes().len(), 2);
    assert_eq!(state.node(host_id).unwrap().address(), Some(spare.address()));
}

#[tokio::test]
async fn rows_of_peers_that_cannot_be_used_are_skipped() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    cluster.topology(|topology| {
        let mut no_id = topology.nodes[1].clone();
        no_id.address = SocketAddr::from(([127, 0, 0, 77], 9042));
        no_id.host_id = None;
        let mut twice = topology.nodes[1].clone();
        twice.address = SocketAddr::from(([127, 0, 0, 78], 9042));
        let mut itself = topology.nodes[0].clone();
        itself.address = SocketAddr::from(([127, 0, 0, 79], 9042));
        topology.nodes.extend([no_id, twice, itself]);
    });
    let session = builder(cluster.node(0)).build().unwrap().connect().await.unwrap();
    assert_eq!(session.state().nodes().len(), 2);
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn another_cluster_at_a_known_address_is_refused() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    cluster.topology(|topology| topology.cluster_name = "Other".to_owned());
    cluster.node_mut(0).stop().await;
    let error = soon(driver.refresh()).await.unwrap_err();
    assert!(matches!(error, SessionError::NoContactPoint(_)));
    let said = error.to_string();
    assert!(said.contains("belongs to the cluster \"Other\""), "{said}");
    assert_eq!(session.state().cluster_name(), Some("Fake Cluster"));
}

#[tokio::test]
async fn a_down_event_does_not_close_connections_that_work() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    let address = cluster.node(1).address();
    let change = StatusChange::Down;
    cluster.push_event(&Event::StatusChange { change, address }).await;
    // Behind the event on the same connection.
    driver.refresh().await.unwrap();
    assert_eq!(session.connections().open, 2);
    assert_eq!(cluster.node(1).accepted_count(), 1);
    assert!(
        session
            .state()
            .nodes()
            .iter()
            .all(|node| node.is_up() == Some(true))
    );
}

#[tokio::test]
async fn schema_disagreement_is_a_flag_and_no_failure() {
    let change = || SchemaChange {
        change: SchemaChangeType::Created,
        keyspace: "ks".to_owned(),
        target: SchemaChangeTarget::Keyspace,
    };
    let script = script().on_statement("CREATE", vec![Reply::schema_change(change()).into()]);
    let cluster = FakeCluster::start(&[("dc1", 2)], script).await.unwrap();
    let agreed = cluster.node(1);
    let agreed = cluster.topology(|topology| {
        let node = topology
            .nodes
            .iter_mut()
            .find(|node| node.address == agreed.address())
            .unwrap();
        std::mem::replace(&mut node.schema_version, Uuid::from_u128(99))
    });
    let connect = async |limit| {
        let driver = cluster_builder(&cluster)
            .schema_agreement_timeout(limit)
            .build()
            .unwrap();
        driver.connect().await.unwrap()
    };
    let result = connect(Duration::from_millis(50))
        .await
        .query("CREATE", ())
        .await
        .unwrap();
    assert_eq!(result.schema_change(), Some(&change()));
    assert_eq!(result.schema_agreement(), Some(SchemaAgreement::NotReached));
    let result = connect(Duration::ZERO).await.query("CREATE", ()).await.unwrap();
    assert_eq!(result.schema_agreement(), Some(SchemaAgreement::NotAwaited));

    // It is awaited until it is there.
    let session = connect(Duration::from_secs(20)).await;
    let waiting = tokio::spawn(session.query("CREATE", ()));
    let asked = |received: &Received| {
        received
            .text()
            .is_some_and(|text| text.contains("schema_version"))
    };
    let asked_before = cluster
        .nodes()
        .iter()
        .map(|node| node.received().len())
        .collect::<Vec<_>>();
    soon(async {
        loop {
            let mut asked_since = cluster.nodes().iter().zip(&asked_before);
            if asked_since.any(|(node, before)| node.received()[*before..].iter().any(|one| asked(one))) {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.topology(|topology| {
        for node in &mut topology.nodes {
            node.schema_version = agreed;
        }
    });
    let result = soon(waiting).await.unwrap().unwrap();
    assert_eq!(result.schema_agreement(), Some(SchemaAgreement::Reached));
}

/// The first `X` that any node gets is answered with this, the others with those actions.
fn first_anywhere(cluster: &FakeCluster, first: &Reply, others: &[Action]) {
    let met = Arc::new(AtomicBool::new(false));
    for node in cluster.nodes() {
        let (met, first, others) = (Arc::clone(&met), first.clone(), others.to_vec());
        node.change_script(|script| {
            script.handler(move |request| {
                let again = is_text("X")(request).then(|| met.swap(true, Ordering::AcqRel))?;
                Some(if again {
                    others.clone()
                } else {
                    vec![first.clone().into()]
                })
            })
        });
    }
}

#[tokio::test]
async fn overloaded_goes_to_the_next_node_only_if_idempotent() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let overloaded = Reply::error(ErrorCode::Overloaded, "too much");
    first_anywhere(&cluster, &overloaded, &[Action::Default]);
    let error = session.query("X", ()).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, ErrorCode::Overloaded);
    assert_eq!((error.applied(), error.attempts().len()), (Applied::Maybe, 1));
    first_anywhere(&cluster, &overloaded, &[Action::Default]);
    let result = session
        .query(SimpleStatement::new("X").with_idempotence(true), ())
        .await
        .unwrap();
    assert_eq!(result.attempts().len(), 1);
    assert_ne!(&result.attempts()[0].node, result.coordinator());
}

#[tokio::test]
async fn a_bootstrapping_node_is_passed_over_whatever_the_idempotence() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let reply = Reply::error(ErrorCode::Bootstrapping, "not yet");
    cluster
        .node(0)
        .change_script(|script| script.on_statement("X", vec![reply.into()]));
    for _ in 0..4 {
        let result = session.query("X", ()).await.unwrap();
        assert_eq!(result.coordinator().address(), Some(cluster.node(1).address()));
    }
}

#[tokio::test]
async fn conditional_statements_are_never_run_twice() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let text = "UPDATE ks.t SET v = 1 WHERE k = 1 IF v = 0";
    for node in cluster.nodes() {
        node.change_script(|script| script.on_statement(text, vec![Action::Close]));
        node.change_script(|script| script.on_opcode(Opcode::Batch, vec![Action::Close]));
    }
    let statement = SimpleStatement::new(text).with_idempotence(true);
    let error = session.query(&statement, ()).await.unwrap_err();
    assert_eq!((error.applied(), error.attempts().len()), (Applied::Maybe, 1));
    connected(&session, 2).await;
    let mut batch = BatchStatement::logged().with_idempotence(true);
    batch.add_simple(text, ()).unwrap();
    assert_eq!(session.batch(&batch).await.unwrap_err().attempts().len(), 1);
    connected(&session, 2).await;
    let batch = BatchStatement::counter().with_idempotence(true);
    assert_eq!(session.batch(&batch).await.unwrap_err().attempts().len(), 1);
    let sent: usize = cluster.nodes().iter().map(|node| node.count(Opcode::Batch)).sum();
    assert_eq!(sent, 2);
}

#[tokio::test]
async fn a_select_is_idempotent_unless_it_is_said_not_to_be() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    cluster
        .node(0)
        .change_script(|script| script.on_statement(SELECT, vec![Action::Close]));
    for _ in 0..4 {
        connected(&session, 2).await;
        session.query(SELECT, ()).await.unwrap();
    }
    let mut failed = 0;
    for _ in 0..4 {
        connected(&session, 2).await;
        let statement = SimpleStatement::new(SELECT).with_idempotence(false);
        failed += usize::from(session.query(statement, ()).await.is_err());
    }
    assert_eq!(failed, 2);
}

#[tokio::test]
async fn paging_goes_on_elsewhere_when_a_node_dies_between_pages() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let select = session.prepare(SELECT).await.unwrap();
    let mut rows = session.execute_rows::<(i32, String)>(&select, ());
    rows.next().await.unwrap().unwrap();
    cluster.node_mut(0).stop().await;
    let rest: Vec<_> = soon(rows.collect::<Vec<_>>()).await;
    assert_eq!(
        rest.into_iter().map(|row| row.unwrap().0).collect::<Vec<_>>(),
        [2, 3]
    );
}

#[tokio::test]
async fn a_worn_out_connection_is_replaced_before_it_is_closed() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("SLOW", held))
        .await
        .unwrap();
    let driver = builder(&node).max_orphans_per_connection(3).build().unwrap();
    let session = driver.connect().await.unwrap();
    let first = node.accepted_count();
    let slow = SimpleStatement::new("SLOW").with_timeout(Duration::from_millis(10));
    let overdue: Vec<_> = (0..4).map(|_| session.query(&slow, ())).collect();
    for execution in overdue {
        assert!(execution.await.unwrap_err().is_timeout());
    }
    // Requests go on meanwhile.
    soon(async {
        while node.accepted_count() == first || session.connections().overdue > 0 {
            session.query("X", ()).await.unwrap();
        }
    })
    .await;
    session.query("X", ()).await.unwrap();
    assert_eq!(session.connections().open, 1);
    gate.open();
}

#[tokio::test]
async fn closing_a_session_lets_requests_in_flight_end_and_limits_their_time() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("SLOW", held.clone()))
        .await
        .unwrap();
    let patient = session(&node).await;
    let waiting = patient.query("SLOW", ());
    let closing = tokio::spawn({
        let session = patient.clone();
        async move { session.close().await }
    });
    soon(async {
        while !patient.is_closed() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.open();
    waiting.await.unwrap();
    soon(closing).await.unwrap();

    let never = FakeNode::start(script().on_statement("SLOW", Vec::new()))
        .await
        .unwrap();
    let driver = builder(&never)
        .close_timeout(Duration::from_millis(30))
        .build()
        .unwrap();
    let hasty = driver.connect().await.unwrap();
    let waiting = hasty.query("SLOW", ());
    soon(hasty.close()).await;
    let error = soon(waiting).await.unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::ConnectionLost(_)),
        "{error}"
    );
    assert_eq!(error.applied(), Applied::Maybe);
}

#[tokio::test]
async fn a_connection_that_comes_while_use_runs_works_in_the_new_keyspace() {
    let gate = Gate::new();
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    // The next connection waits in its handshake until USE is done.
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    node.change_script(|script| script.on_opcode(Opcode::Startup, held));
    node.close_connections(false).await;
    soon(node.wait_for(2, |received| received.opcode() == Opcode::Startup)).await;
    let starting = node.received().len();
    assert!(
        session.use_keyspace("ks2").await.is_err(),
        "there is no connection"
    );
    gate.open();
    until_it_works(&session).await;
    session.use_keyspace("ks2").await.unwrap();
    assert_eq!(session.keyspace().as_deref(), Some("ks2"));
    node.close_connections(false).await;
    until_it_works(&session).await;
    let received = node.received();
    let uses = received[starting..]
        .iter()
        .filter(|one| one.text() == Some("USE \"ks2\""))
        .count();
    assert!(uses >= 2, "the new connection starts with it");
}

#[tokio::test]
async fn a_server_that_stops_reading_bounds_what_is_kept_for_it() {
    let gate = Gate::new();
    let stop = vec![Action::StopReading(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("STOP", stop))
        .await
        .unwrap();
    let driver = builder(&node).write_buffer_limit(256 * 1024).build().unwrap();
    let session = driver.connect().await.unwrap();
    session.query("STOP", ()).await.unwrap();
    let value = "x".repeat(64 * 1024);
    let mut waiting = Vec::new();
    let refused = loop {
        let mut execution = session.query(SimpleStatement::new("INSERT"), (1_i32, &value));
        match (&mut execution).now_or_never() {
            Some(result) => break result.unwrap_err(),
            None => waiting.push(execution),
        }
        assert!(waiting.len() < 2000, "the kernel's buffers are not that large");
        tokio::task::yield_now().await;
    };
    assert_eq!(refused.applied(), Applied::NotSent);
    assert!(
        refused.to_string().contains("the write buffer is full"),
        "{refused}"
    );
    gate.open();
    for execution in waiting {
        soon(execution).await.unwrap();
    }
}

#[tokio::test]
async fn nodes_of_different_versions_are_spoken_to_in_their_own() {
    let old = script().versions([ProtocolVersion::V3, ProtocolVersion::V4]);
    let mut cluster = FakeCluster::start(&[("dc1", 1)], script()).await.unwrap();
    cluster.add_node("dc1", old).await.unwrap();
    let session = builder(cluster.node(0)).build().unwrap().connect().await.unwrap();
    assert_eq!(session.connections().open, 2);
    let select = session.prepare(SELECT).await.unwrap();
    for _ in 0..4 {
        let result = session.execute(&select, ()).await.unwrap();
        let (key, _): (i32, &str) = result.first_row().unwrap();
        assert_eq!(key, 1);
    }
    let version = |node: &FakeNode| {
        let received = node.received();
        received
            .iter()
            .find(|received| received.opcode() == Opcode::Execute)
            .unwrap()
            .version()
    };
    assert_eq!(version(cluster.node(0)), ProtocolVersion::V5);
    assert_eq!(version(cluster.node(1)), ProtocolVersion::V4);
}

#[tokio::test]
async fn a_statement_that_means_something_else_now_is_not_run() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let executed = node.count(Opcode::Execute);
    node.forget_prepared();
    let other = helenus_protocol::Prepared {
        id: vec![9; 16].into(),
        result_metadata_id: Some(vec![8; 16].into()),
        bind_columns: insert.bind_columns().clone(),
        partition_key_indexes: Vec::new(),
        result: helenus_protocol::RowsMetadata {
            columns: Some(std::sync::Arc::new([])),
            ..Default::default()
        },
    };
    let reply: Reply = helenus_protocol::ResultBody::Prepared(other).into();
    node.change_script(|script| script.on_opcode(Opcode::Prepare, vec![reply.into()]));
    let error = session.execute(&insert, (1, "x")).await.unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::PreparedIdChanged { .. }),
        "{error}"
    );
    assert_eq!(error.applied(), Applied::No);
    assert_eq!(node.count(Opcode::Execute), executed + 1);
}

#[tokio::test]
async fn a_request_that_is_too_large_fails_by_itself() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let text = "x".repeat(70_000);
    let statement = SimpleStatement::new("X").with_keyspace(text);
    let error = session.query(statement, ()).await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::Encode(_)), "{error}");
    assert_eq!(error.applied(), Applied::NotSent);
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn one_deadline_covers_all_attempts() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let limit = Duration::from_millis(60);
    let profile = ExecutionProfile::builder().timeout(limit).build();
    let driver = cluster_builder(&cluster)
        .default_profile(profile)
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    // The first node is overloaded, the second never answers.
    first_anywhere(&cluster, &Reply::error(ErrorCode::Overloaded, "too much"), &[]);
    let begun = std::time::Instant::now();
    let error = session
        .query(SimpleStatement::new("X").with_idempotence(true), ())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::Timeout { limit: said } if *said == limit),
        "{error}"
    );
    assert!(begun.elapsed() >= limit);
    assert_eq!((error.attempts().len(), error.applied()), (2, Applied::Maybe));
}

#[tokio::test]
async fn nodes_that_never_answer_do_not_hold_up_a_session_or_a_prepare() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    cluster
        .node(2)
        .change_script(|script| script.on_opcode(Opcode::Startup, Vec::<Action>::new()));
    let driver = cluster_builder(&cluster)
        .connect_timeout(Duration::from_secs(600))
        .control_timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let session = soon(driver.connect()).await.unwrap();
    assert_eq!(session.connections().open, 2);

    // The first node that is asked to prepare does, the other one never answers.
    let met = Arc::new(AtomicBool::new(false));
    for node in cluster.nodes() {
        let met = Arc::clone(&met);
        node.change_script(|script| {
            script.handler(move |received| {
                let silent = received.opcode() == Opcode::Prepare && met.swap(true, Ordering::AcqRel);
                silent.then(Vec::new)
            })
        });
    }
    let statement = SimpleStatement::new(INSERT).with_timeout(None);
    soon(session.prepare(statement)).await.unwrap();
}

#[tokio::test]
async fn a_statement_unknown_to_several_nodes_is_prepared_on_each_that_is_tried() {
    let cluster = FakeCluster::start(&[("dc1", 4)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .prepare_on_all_nodes(false)
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    let insert = session.prepare(INSERT).await.unwrap().with_idempotence(true);
    for node in cluster.nodes() {
        node.forget_prepared();
        let executes = |received: &Received| received.opcode() == Opcode::Execute;
        let overloaded = Reply::error(ErrorCode::Overloaded, "too much");
        let met = std::sync::atomic::AtomicUsize::new(0);
        // The second EXECUTE, after the statement is known again.
        node.change_script(|script| {
            script.handler(move |received| {
                let second = executes(received) && met.fetch_add(1, Ordering::AcqRel) == 1;
                second.then(|| vec![overloaded.clone().into()])
            })
        });
    }
    let error = session.execute(&insert, (1, "x")).await.unwrap_err();
    assert_eq!(
        error.server_error().unwrap().code,
        ErrorCode::Overloaded,
        "{error}"
    );
    assert_eq!(error.attempts().len(), 4);
    session.execute(&insert, (1, "x")).await.unwrap();
}
