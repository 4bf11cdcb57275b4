//! Pools: how many connections there are, what waits when they are full, and when nodes are tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use helenus::policy::{ConstantReconnection, ReconnectionPolicy, ReconnectionSchedule};
use helenus::{Applied, Cluster, Execution, RequestErrorKind, Session, SimpleStatement, WarmUp};
use helenus_protocol::{Event, Opcode, StatusChange};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Script};

use crate::common::{builder, cluster_builder, connected, is_text, script, soon};

/// `SLOW` is answered when the gate opens.
fn slow_script() -> (Script, Gate) {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    (script().on_statement("SLOW", held), gate)
}

/// Waits until the session has this many connections, no more and no fewer.
async fn exactly(session: &Session, count: usize) {
    soon(async {
        while session.connections().open != count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Polls each once, so that those without room stand in line.
fn begin(executions: &mut [Execution]) {
    for execution in executions {
        assert!(execution.now_or_never().is_none());
    }
}

#[tokio::test]
async fn a_pool_grows_under_load_within_its_limits_and_shrinks_when_it_is_calm() {
    let (script, gate) = slow_script();
    let node = FakeNode::start(script).await.unwrap();
    let builder = builder(&node)
        .connections_per_node_within(1..=3)
        .grow_pool_at(2)
        .shrink_pool_after(Duration::from_millis(20));
    let session = builder.build().unwrap().connect().await.unwrap();
    assert_eq!(session.connections().open, 1);
    let mut slow: Vec<_> = (0..3).map(|_| session.query("SLOW", ())).collect();
    session.query("X", ()).await.unwrap();
    assert_eq!(
        session.connections().open,
        1,
        "two on one connection are not too many"
    );
    slow.push(session.query("SLOW", ()));
    exactly(&session, 2).await;
    slow.extend((0..20).map(|_| session.query("SLOW", ())));
    exactly(&session, 3).await;
    slow.extend((0..20).map(|_| session.query("SLOW", ())));
    session.query("X", ()).await.unwrap();
    assert_eq!(session.connections().open, 3, "the limit");
    gate.open();
    for result in join_all(slow).await {
        result.unwrap();
    }
    exactly(&session, 1).await;
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn a_session_waits_for_the_connections_that_it_is_told_to_wait_for() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let builder = cluster_builder(&cluster).connections_per_node(3);
    let driver = builder.clone().warm_up(WarmUp::All).build().unwrap();
    assert_eq!(driver.connect().await.unwrap().connections().open, 6);
    // A node that refuses ends the wait; the others count.
    let refuse = vec![Action::Close];
    cluster
        .node(1)
        .change_script(|script| script.on_opcode(Opcode::Startup, refuse));
    for warm_up in [WarmUp::All, WarmUp::EachNode, WarmUp::Quick] {
        let driver = builder.clone().warm_up(warm_up).build().unwrap();
        let session = soon(driver.connect()).await.unwrap();
        session.query("X", ()).await.unwrap();
    }
}

#[tokio::test]
async fn fault_09_requests_wait_in_order_for_a_node_that_is_full_and_the_line_is_bounded() {
    let (script, gate) = slow_script();
    let node = FakeNode::start(script).await.unwrap();
    let builder = builder(&node)
        .connections_per_node(1)
        .max_requests_per_connection(2)
        .queue_limit(3);
    let session = builder.build().unwrap().connect().await.unwrap();
    let full: Vec<_> = (0..2).map(|_| session.query("SLOW", ())).collect();
    let texts = ["A", "B", "C"];
    let mut waiting: Vec<_> = texts.iter().map(|text| session.query(*text, ())).collect();
    begin(&mut waiting);
    let error = session.query("D", ()).await.unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::Busy { waiting: 3 }),
        "{error}"
    );
    assert_eq!(error.applied(), Applied::NotSent);
    // Somebody leaves, and another one may wait, but not longer than its deadline.
    drop(waiting.pop());
    let hasty = SimpleStatement::new("E").with_timeout(Duration::from_millis(20));
    let error = soon(session.query(hasty, ())).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(error.applied(), Applied::NotSent);
    // Both turns come at once; newcomers do not overtake.
    gate.open();
    for result in soon(join_all(full)).await {
        result.unwrap();
    }
    let last = session.query("F", ());
    for result in soon(join_all(waiting.into_iter().chain([last]))).await {
        result.unwrap();
    }
    let received = node.received();
    let order: Vec<_> = received
        .iter()
        .filter_map(|received| received.text())
        .filter(|text| ["A", "B", "C", "D", "E", "F"].contains(text))
        .collect();
    assert_eq!(order, ["A", "B", "F"]);
}

#[tokio::test]
async fn fault_09_a_request_takes_the_first_node_that_has_room() {
    let (script, gate) = slow_script();
    let cluster = FakeCluster::start(&[("dc1", 2)], script).await.unwrap();
    let builder = cluster_builder(&cluster)
        .connections_per_node(1)
        .max_requests_per_connection(2);
    let session = builder.build().unwrap().connect().await.unwrap();
    let full: Vec<_> = (0..4).map(|_| session.query("SLOW", ())).collect();
    assert!(cluster.nodes().iter().all(|node| node.connection_count() > 0));
    let mut waiting: Vec<_> = (0..10).map(|_| session.query("X", ())).collect();
    begin(&mut waiting);
    // One node is lost, and with it its line. The other one still has no room.
    cluster.node(0).close_connections(false).await;
    connected(&session, 1).await;
    gate.open();
    for result in soon(join_all(waiting)).await {
        result.unwrap();
    }
    drop(full);
}

#[tokio::test]
async fn a_session_that_is_closed_sends_nobody_who_waits() {
    let (script, gate) = slow_script();
    let node = FakeNode::start(script).await.unwrap();
    let builder = builder(&node)
        .connections_per_node(1)
        .max_requests_per_connection(1);
    let session = builder.build().unwrap().connect().await.unwrap();
    let slow = session.query("SLOW", ());
    let mut waiting = vec![session.query("X", ())];
    begin(&mut waiting);
    let closing = session.clone();
    let closing = tokio::spawn(async move { closing.close().await });
    let error = soon(waiting.remove(0)).await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::SessionClosed), "{error}");
    gate.open();
    slow.await.unwrap();
    soon(closing).await.unwrap();
}

#[tokio::test]
async fn fault_08_what_waits_for_a_server_that_does_not_read_is_bounded_and_all_of_it_is_answered_later() {
    const REQUESTS: usize = 3000;
    const IN_FLIGHT: usize = 100;
    const QUEUE: usize = 500;
    let gate = Gate::new();
    let stop = vec![Action::StopReading(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("STOP", stop).without_recording())
        .await
        .unwrap();
    let builder = builder(&node)
        .connections_per_node(1)
        .max_requests_per_connection(IN_FLIGHT)
        .queue_limit(QUEUE);
    let session = builder.build().unwrap().connect().await.unwrap();
    session.query("STOP", ()).await.unwrap();
    let (mut waiting, mut busy) = (Vec::new(), 0);
    for _ in 0..REQUESTS {
        let mut execution = session.query("X", ());
        match (&mut execution).now_or_never() {
            None => waiting.push(execution),
            Some(result) => {
                let error = result.unwrap_err();
                assert!(matches!(error.kind(), RequestErrorKind::Busy { .. }), "{error}");
                busy += 1;
            }
        }
    }
    assert_eq!(session.connections().in_flight, IN_FLIGHT);
    assert_eq!(
        (waiting.len(), busy),
        (IN_FLIGHT + QUEUE, REQUESTS - IN_FLIGHT - QUEUE)
    );
    gate.open();
    for result in soon(join_all(waiting)).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn fault_44_use_while_the_pool_grows_reaches_every_connection() {
    let (script, slow) = slow_script();
    let node = FakeNode::start(script).await.unwrap();
    let builder = builder(&node).connections_per_node_within(1..=3).grow_pool_at(1);
    let session = builder.build().unwrap().connect().await.unwrap();
    // The connections to come wait in their handshakes until USE is done.
    let opened = node.count(Opcode::Startup);
    let handshake = Gate::new();
    let held = vec![Action::Hold(handshake.clone()), Action::Default];
    node.change_script(|script| script.on_opcode(Opcode::Startup, held));
    let load: Vec<_> = (0..10).map(|_| session.query("SLOW", ())).collect();
    soon(node.wait_until(|node| node.count(Opcode::Startup) > opened)).await;
    session.use_keyspace("ks2").await.unwrap();
    handshake.open();
    connected(&session, 2).await;
    let load_again: Vec<_> = (0..10).map(|_| session.query("SLOW", ())).collect();
    connected(&session, 3).await;
    let uses = node.received();
    let uses = uses.iter().filter(|one| is_text("USE \"ks2\"")(one)).count();
    assert_eq!(uses, 1 + 3, "that of the session, and one for each connection");
    slow.open();
    for result in soon(join_all(load.into_iter().chain(load_again))).await {
        result.unwrap();
    }
}

/// Counts how often it is asked for a delay.
#[derive(Debug)]
struct Counted {
    delay: Duration,
    /// Delays in a schedule.
    length: usize,
    given: Arc<AtomicUsize>,
}

impl ReconnectionPolicy for Counted {
    fn schedule(&self) -> ReconnectionSchedule {
        let (delay, length) = (self.delay, self.length);
        let (given, mut asked) = (Arc::clone(&self.given), 0);
        Box::new(std::iter::from_fn(move || {
            given.fetch_add(1, Ordering::AcqRel);
            asked += 1;
            (asked <= length).then_some(delay)
        }))
    }
}

#[tokio::test]
async fn a_schedule_that_ends_leaves_the_node_alone_until_it_is_said_to_be_up() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let given = Arc::new(AtomicUsize::new(0));
    let policy = Counted {
        delay: Duration::from_millis(1),
        length: 3,
        given: Arc::clone(&given),
    };
    let builder = cluster_builder(&cluster).reconnection_policy(Arc::new(policy));
    let session = builder.build().unwrap().connect().await.unwrap();
    connected(&session, 2).await;
    // Not the one of the control connection.
    let number = usize::from(cluster.node(0).registered_count() == 1);
    let address = cluster.node(number).address();
    cluster.node_mut(number).stop().await;
    soon(async {
        // The third try has failed, too.
        while given.load(Ordering::Acquire) < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.node_mut(number).listen_again().await.unwrap();
    for _ in 0..100 {
        session.query("X", ()).await.unwrap();
    }
    assert_eq!(session.connections().open, 1, "nobody tries any more");
    let change = StatusChange::Up;
    cluster.push_event(&Event::StatusChange { change, address }).await;
    connected(&session, 2).await;
}

const NODE: &str = "HELENUS_TEST_NODE";

#[tokio::test]
async fn fault_49_few_file_descriptors_are_an_error_and_no_busy_loop() {
    let node = FakeNode::start(script()).await.unwrap();
    let program = std::env::current_exe().unwrap();
    let child = tokio::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 30; exec \"$0\" --ignored --exact pools::with_few_file_descriptors",
        ])
        .arg(program)
        .env(NODE, node.address().to_string())
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), child).await;
    let output = output.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "a part of fault_49, in a process of its own"]
async fn with_few_file_descriptors() {
    const DELAY: Duration = Duration::from_millis(10);
    let Ok(node) = std::env::var(NODE) else { return };
    // None is left at all.
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
        assert!(files.len() < 30, "the limit is not in force");
    }
    let builder = Cluster::builder()
        .contact_point(node.as_str())
        .reconnection_policy(Arc::new(ConstantReconnection(DELAY)));
    let error = builder.clone().build().unwrap().connect().await.unwrap_err();
    assert!(error.to_string().contains("Too many open files"), "{error}");
    drop(files);
    // Fewer are left than connections are wanted.
    let given = Arc::new(AtomicUsize::new(0));
    let policy = Counted {
        delay: DELAY,
        length: usize::MAX,
        given: Arc::clone(&given),
    };
    let begun = Instant::now();
    let builder = builder
        .connections_per_node(50)
        .reconnection_policy(Arc::new(policy));
    let session = builder.build().unwrap().connect().await.unwrap();
    soon(async {
        while given.load(Ordering::Acquire) < 10 {
            session.query("X", ()).await.unwrap();
        }
    })
    .await;
    let open = session.connections().open;
    assert!((1..30).contains(&open), "{open}");
    let tries = given.load(Ordering::Acquire);
    let most = begun.elapsed().as_millis() / DELAY.as_millis() + 1;
    assert!(tries as u128 <= most, "{tries} tries");
}
