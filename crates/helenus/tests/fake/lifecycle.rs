//! The end of sessions and clusters: by closing them, and by dropping them; within a runtime, outside of it, and without it.

use std::time::Duration;

use helenus::{RequestErrorKind, Session, SessionError};
use helenus_protocol::Opcode;
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate};
use tokio::runtime::{Builder, Runtime};

use crate::common::{builder, cluster_builder, script};

/// A runtime for the driver alone, so that its tasks can be counted.
fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// Waits until the driver has no tasks and the nodes no connections.
async fn nothing_is_left(runtime: &Runtime, nodes: &[FakeNode]) {
    let all = async {
        let busy = || nodes.iter().any(|node| node.connection_count() > 0);
        while runtime.metrics().num_alive_tasks() > 0 || busy() {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(
        ended.is_ok(),
        "{} tasks are left",
        runtime.metrics().num_alive_tasks()
    );
}

async fn connect(cluster: &FakeCluster, runtime: &Runtime) -> Session {
    let driver = cluster_builder(cluster).runtime(runtime.handle().clone());
    let driver = driver.connections_per_node(2).build().unwrap();
    driver.connect().await.unwrap()
}

#[tokio::test]
async fn dropping_the_last_handle_ends_all_tasks_and_connections() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let runtime = runtime();
    let session = connect(&cluster, &runtime).await;
    let (other, driver) = (session.clone(), session.cluster());
    session.query("X", ()).await.unwrap();
    drop((session, driver));
    other.query("X", ()).await.unwrap();
    drop(other);
    nothing_is_left(&runtime, cluster.nodes()).await;
    runtime.shutdown_background();
}

#[tokio::test]
async fn a_request_outlives_the_handles_of_its_session_and_ends_it() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let cluster = FakeCluster::start(&[("dc1", 1)], script().on_statement("SLOW", held))
        .await
        .unwrap();
    let runtime = runtime();
    let session = connect(&cluster, &runtime).await;
    let waiting = session.query("SLOW", ());
    drop(session);
    gate.open();
    waiting.await.unwrap();
    nothing_is_left(&runtime, cluster.nodes()).await;
    runtime.shutdown_background();
}

#[tokio::test]
async fn fault_42_closing_a_cluster_with_requests_in_flight_drains_then_fails_all_and_leaves_nothing() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let script = script()
        .on_statement("SLOW", held)
        .on_statement("NEVER", Vec::new());
    let cluster = FakeCluster::start(&[("dc1", 2)], script).await.unwrap();
    let runtime = runtime();
    let driver = cluster_builder(&cluster)
        .runtime(runtime.handle().clone())
        .close_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let sessions = [driver.connect().await.unwrap(), driver.connect().await.unwrap()];
    let slow: Vec<_> = sessions.iter().map(|session| session.query("SLOW", ())).collect();
    let never: Vec<_> = sessions
        .iter()
        .map(|session| session.query("NEVER", ()))
        .collect();
    let closing = tokio::spawn({
        let driver = driver.clone();
        async move { driver.close().await }
    });
    while sessions.iter().any(|session| !session.is_closed()) {
        tokio::task::yield_now().await;
    }
    for session in &sessions {
        let refused = session.query("X", ()).await.unwrap_err();
        assert!(matches!(refused.kind(), RequestErrorKind::SessionClosed));
    }
    gate.open();
    for slow in slow {
        slow.await.unwrap();
    }
    for never in never {
        let error = never.await.unwrap_err();
        assert!(
            matches!(error.kind(), RequestErrorKind::ConnectionLost(_)),
            "{error}"
        );
    }
    closing.await.unwrap();
    // All handles are still there.
    nothing_is_left(&runtime, cluster.nodes()).await;
    assert!(matches!(driver.connect().await, Err(SessionError::Closed)));
    assert!(driver.is_closed() && sessions[0].is_closed());
    driver.close().await;
    sessions[0].close().await;
    runtime.shutdown_background();
}

#[test]
fn a_session_and_a_cluster_can_be_closed_outside_of_a_runtime() {
    let servers = runtime();
    let driver_runtime = runtime();
    let cluster = servers
        .block_on(FakeCluster::start(&[("dc1", 2)], script()))
        .unwrap();
    let session = servers.block_on(connect(&cluster, &driver_runtime));
    let other = servers.block_on(session.cluster().connect()).unwrap();
    wait(session.close());
    assert!(session.is_closed() && !other.is_closed());
    wait(other.query("X", ())).unwrap();
    wait(session.cluster().close());
    assert!(other.is_closed());
    servers.block_on(nothing_is_left(&driver_runtime, cluster.nodes()));
}

#[test]
fn a_session_whose_runtime_is_gone_closes_at_once_and_its_requests_have_failed() {
    let servers = runtime();
    let driver_runtime = runtime();
    let script = script().on_statement("NEVER", Vec::new());
    let cluster = servers
        .block_on(FakeCluster::start(&[("dc1", 1)], script))
        .unwrap();
    let session = servers.block_on(connect(&cluster, &driver_runtime));
    let waiting = session.query("NEVER", ());
    drop(driver_runtime);
    wait(waiting).unwrap_err();
    wait(session.query("X", ())).unwrap_err();
    wait(session.close());
    wait(session.cluster().close());
    assert!(session.is_closed());
    let error = wait(session.cluster().connect()).unwrap_err();
    assert!(matches!(error, SessionError::Closed), "{error}");
}

#[test]
fn a_cluster_that_was_never_started_closes_without_a_runtime() {
    let driver = helenus::Cluster::builder()
        .contact_point("127.0.0.1")
        .build()
        .unwrap();
    wait(driver.close());
    let error = wait(driver.connect()).unwrap_err();
    assert!(matches!(error, SessionError::Closed), "{error}");
}

/// Waits on this thread, without a runtime.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let thread = std::sync::Arc::new(Unpark(std::thread::current()));
    let waker = std::task::Waker::from(thread);
    let mut context = std::task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

#[tokio::test]
async fn a_cluster_that_is_closed_while_it_connects_leaves_nothing() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let script = script().on_opcode(Opcode::Startup, held);
    let cluster = FakeCluster::start(&[("dc1", 1)], script).await.unwrap();
    let runtime = runtime();
    let driver = builder(cluster.node(0))
        .runtime(runtime.handle().clone())
        .build()
        .unwrap();
    let connecting = tokio::spawn({
        let driver = driver.clone();
        async move { driver.connect().await }
    });
    cluster
        .node(0)
        .wait_for(1, |received| received.opcode() == Opcode::Startup)
        .await;
    driver.close().await;
    gate.open();
    let error = connecting.await.unwrap().unwrap_err();
    assert!(matches!(error, SessionError::Closed), "{error}");
    nothing_is_left(&runtime, cluster.nodes()).await;
    runtime.shutdown_background();
}

#[tokio::test]
async fn startup_names_the_driver_the_application_and_the_client() {
    let node = FakeNode::start(script()).await.unwrap();
    let client_id = uuid::Uuid::from_u128(7);
    let driver = builder(&node)
        .application_name("shop")
        .application_version("1.2")
        .client_id(client_id)
        .build()
        .unwrap();
    driver.connect().await.unwrap();
    let startups: Vec<_> = node
        .received()
        .into_iter()
        .filter(|received| received.opcode() == Opcode::Startup)
        .collect();
    assert_eq!(startups.len(), 2);
    let client_id = client_id.to_string();
    for startup in startups {
        let envelope = startup.request();
        let helenus_protocol::Request::Startup(startup) = &envelope.request else {
            panic!("no STARTUP");
        };
        for (option, value) in [
            ("DRIVER_NAME", "Helenus"),
            ("DRIVER_VERSION", env!("CARGO_PKG_VERSION")),
            ("APPLICATION_NAME", "shop"),
            ("APPLICATION_VERSION", "1.2"),
            ("CLIENT_ID", &client_id),
        ] {
            assert_eq!(startup.get(option), Some(value), "{option}");
        }
    }
}
