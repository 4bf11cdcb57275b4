//! Connections at their limits: full, worn out, in the wrong keyspace, closed under load.

use std::time::Duration;

use futures_util::FutureExt as _;
use helenus::{Applied, RequestErrorKind, SimpleStatement};
use helenus_protocol::Opcode;
use helenus_testkit::fake::{Action, FakeNode, Gate};

use crate::common::{builder, script, session, soon, until_it_works};

#[tokio::test]
async fn fault_08_a_server_that_stops_reading_bounds_what_is_kept_for_it() {
    let gate = Gate::new();
    let stop = vec![Action::StopReading(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("STOP", stop))
        .await
        .unwrap();
    let builder = builder(&node).write_buffer_limit(256 * 1024).queue_limit(0);
    let driver = builder.build().unwrap();
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
async fn fault_09_all_stream_ids_taken_is_an_error_and_not_a_wait() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("SLOW", held))
        .await
        .unwrap();
    let builder = builder(&node)
        .connections_per_node(1)
        .max_requests_per_connection(3);
    let cluster = builder.queue_limit(0).build().unwrap();
    let session = cluster.connect().await.unwrap();
    let waiting: Vec<_> = (0..3).map(|_| session.query("SLOW", ())).collect();
    let error = session.query("X", ()).await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::Busy { .. }), "{error}");
    assert_eq!(error.applied(), Applied::NotSent);
    assert!(error.to_string().contains("all stream ids are taken"), "{error}");
    gate.open();
    for execution in waiting {
        execution.await.unwrap();
    }
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn fault_10_a_worn_out_connection_is_replaced_before_it_is_closed() {
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
async fn fault_42_closing_a_session_lets_requests_in_flight_end_and_limits_their_time() {
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
async fn fault_42_closing_a_session_limits_the_time_of_connections_that_were_replaced() {
    let node = FakeNode::start(script().on_statement("SLOW", Vec::new()))
        .await
        .unwrap();
    let driver = builder(&node)
        .max_orphans_per_connection(1)
        .close_timeout(Duration::from_millis(30))
        .heartbeat_interval(None)
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    let waiting = session.query(SimpleStatement::new("SLOW").with_timeout(None), ());
    let late = SimpleStatement::new("SLOW").with_timeout(Duration::from_millis(10));
    for execution in [session.query(&late, ()), session.query(&late, ())] {
        assert!(execution.await.unwrap_err().is_timeout());
    }
    // The one that is worn out is off the list, and waits for the first request.
    soon(async {
        while session.connections().overdue > 0 || session.connections().open == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(session.close()).await;
    let error = soon(waiting).await.unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::ConnectionLost(_)),
        "{error}"
    );
    // That of the control connection.
    soon(node.wait_until(|node| node.connection_count() == 1)).await;
}

#[tokio::test]
async fn fault_44_a_connection_that_comes_while_use_runs_works_in_the_new_keyspace() {
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
async fn fault_44_a_use_that_is_given_up_takes_its_connection_with_it() {
    for timeout in [None, Some(Duration::from_millis(20))] {
        let gate = Gate::new();
        let held = vec![Action::Hold(gate.clone()), Action::Default];
        let node = FakeNode::start(script().on_statement("USE other", held))
            .await
            .unwrap();
        let session = session(&node).await;
        let statement = SimpleStatement::new("USE other").with_timeout(timeout);
        let switch = session.query(statement, ());
        match timeout {
            Some(_) => assert!(switch.await.unwrap_err().is_timeout()),
            None => {
                soon(node.wait_for(1, |received| received.text() == Some("USE other"))).await;
                drop(switch);
            }
        }
        gate.open();
        soon(node.wait_for(3, |received| received.opcode() == Opcode::Startup)).await;
        until_it_works(&session).await;
        assert_eq!(session.keyspace(), None);
        let received = node.received();
        let connection_of = |text| {
            let last = received.iter().rev().find(|one| one.text() == Some(text));
            last.unwrap().connection()
        };
        assert_ne!(connection_of("USE other"), connection_of("X"));
    }
}

#[tokio::test]
async fn fault_44_nothing_is_sent_behind_a_use_that_was_given_up_and_what_was_sent_before_is_answered() {
    for timeout in [None, Some(Duration::from_millis(20))] {
        let (switching, slow) = (Gate::new(), Gate::new());
        let held = |gate: &Gate| vec![Action::Hold(gate.clone()), Action::Default];
        let script = script()
            .on_statement("/* elsewhere */ USE other", held(&switching))
            .on_statement("SLOW", held(&slow));
        let node = FakeNode::start(script).await.unwrap();
        let session = session(&node).await;
        let mut before = session.query("SLOW", ());
        let statement = SimpleStatement::new("/* elsewhere */ USE other").with_timeout(timeout);
        let switch = session.query(statement, ());
        match timeout {
            Some(_) => assert!(switch.await.unwrap_err().is_timeout()),
            None => {
                soon(node.wait_until(|node| node.count(Opcode::Query) >= 2)).await;
                drop(switch);
            }
        }
        // The node has not answered yet, and may be about to.
        until_it_works(&session).await;
        assert_eq!(session.keyspace(), None);
        let received = node.received();
        let connections_of = |text: &str| {
            let of = received.iter().filter(|one| one.text() == Some(text));
            of.map(|one| one.connection()).collect::<Vec<_>>()
        };
        let left = connections_of("/* elsewhere */ USE other");
        assert_eq!(left, connections_of("SLOW"));
        assert!(!connections_of("X").contains(&left[0]));
        // Its late answer ends nobody's wait.
        switching.open();
        assert!((&mut before).now_or_never().is_none());
        slow.open();
        soon(before).await.unwrap();
        soon(session.close()).await;
    }
}

#[tokio::test]
async fn fault_44_a_use_that_was_answered_and_not_looked_at_takes_its_connection_with_it() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let switch = session.query("USE other", ());
    soon(async {
        while session.connections().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(switch);
    until_it_works(&session).await;
    let received = node.received();
    let connection_of = |text| {
        let last = received.iter().rev().find(|one| one.text() == Some(text));
        last.unwrap().connection()
    };
    assert_ne!(connection_of("USE other"), connection_of("X"));
}
