//! Opening sessions, and what can be wrong then.

use std::net::TcpListener as StdListener;
use std::time::Duration;

use helenus::{Cluster, ConnectErrorKind, ContactPointError, SessionError};
use helenus_protocol::{ErrorCode, Opcode};
use helenus_testkit::fake::{FakeCluster, FakeNode, Reply, Script};

use crate::common::{builder, cluster_builder, script};

/// A port on which nobody listens: it was free a moment ago.
fn dead_port() -> u16 {
    StdListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn causes(error: SessionError) -> Vec<ContactPointError> {
    match error {
        SessionError::NoContactPoint(causes) => causes,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_session_finds_all_nodes_and_connects_to_those_of_the_local_datacenter() {
    let cluster = FakeCluster::start(&[("dc1", 2), ("dc2", 1)], script())
        .await
        .unwrap();
    let first = cluster.node(0);
    let session = builder(first).build().unwrap().connect().await.unwrap();
    let state = session.state();
    assert_eq!(state.nodes().len(), 3);
    assert_eq!(state.local_datacenter(), Some("dc1"));
    assert_eq!(state.local_nodes().len(), 2);
    assert_eq!(state.cluster_name(), Some("Fake Cluster"));
    assert_eq!(session.connections().open, 2);
    assert_eq!(cluster.node(2).accepted_count(), 0);
    let mut used: Vec<_> = Vec::new();
    for _ in 0..4 {
        let result = session.query("X", ()).await.unwrap();
        used.push(result.coordinator().address().unwrap());
    }
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), 2);
}

#[tokio::test]
async fn another_datacenter_can_be_the_local_one_and_an_unknown_one_is_an_error() {
    let cluster = FakeCluster::start(&[("dc1", 1), ("dc2", 2)], script())
        .await
        .unwrap();
    let remote = builder(cluster.node(0)).local_datacenter("dc2").build().unwrap();
    let session = remote.connect().await.unwrap();
    assert_eq!(session.connections().open, 2);
    let unknown = builder(cluster.node(0)).local_datacenter("dc3").build().unwrap();
    let error = unknown.connect().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "local_datacenter: \"dc3\" is not a datacenter of the cluster, which has [\"dc1\", \"dc2\"]"
    );
}

#[tokio::test]
async fn fault_32_a_port_that_nobody_listens_on_is_an_error_that_names_it() {
    let port = dead_port();
    let cluster = Cluster::builder()
        .contact_point("127.0.0.1")
        .port(port)
        .build()
        .unwrap();
    let error = cluster.connect().await.unwrap_err();
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
    let causes = causes(error);
    let [ContactPointError::Connect(cause)] = &causes[..] else {
        panic!("{causes:?}");
    };
    assert!(matches!(cause.kind, ConnectErrorKind::Io(_)));
}

#[tokio::test]
async fn fault_33_a_name_that_does_not_resolve_is_passed_over_if_there_are_others() {
    let node = FakeNode::start(script()).await.unwrap();
    let both = Cluster::builder()
        .contact_point("no-such-host.invalid")
        .contact_point(node.address());
    both.build().unwrap().connect().await.unwrap();
    let alone = Cluster::builder()
        .contact_point("no-such-host.invalid")
        .build()
        .unwrap();
    let error = alone.connect().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no-such-host.invalid does not resolve"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_no_cassandra_is_told_apart() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt as _;
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .await;
        }
    });
    let cluster = Cluster::builder().contact_point(address).build().unwrap();
    let causes = causes(cluster.connect().await.unwrap_err());
    let [ContactPointError::Connect(cause)] = &causes[..] else {
        panic!("{causes:?}");
    };
    assert!(
        matches!(cause.kind, ConnectErrorKind::NotCassandra { .. }),
        "{cause}"
    );
}

#[tokio::test]
async fn a_keyspace_that_does_not_exist_is_named() {
    let refuse = Script::on_statement;
    let error = Reply::error(ErrorCode::Invalid, "Keyspace 'nowhere' does not exist");
    let script = refuse(script(), "USE \"nowhere\"", vec![error.into()]);
    let node = FakeNode::start(script).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let error = cluster.connect_keyspace("nowhere").await.unwrap_err();
    assert!(
        matches!(&error, SessionError::Keyspace { keyspace, .. } if keyspace == "nowhere"),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "keyspace \"nowhere\" cannot be used: invalid: Keyspace 'nowhere' does not exist"
    );
    assert!(matches!(
        cluster.connect_keyspace("").await,
        Err(SessionError::Configuration(_))
    ));
    // The cluster itself is as good as before.
    cluster.connect_keyspace("somewhere").await.unwrap();
}

#[test]
fn without_a_runtime_connecting_is_an_error() {
    let cluster = Cluster::builder().contact_point("127.0.0.1").build().unwrap();
    let error = futures_executor(cluster.connect()).unwrap_err();
    assert!(matches!(error, SessionError::NoRuntime));
}

/// Polls on this thread, outside of any runtime.
fn futures_executor<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn everything_can_be_polled_outside_of_the_runtime() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = runtime.block_on(FakeNode::start(script())).unwrap();
    let cluster = builder(&node).runtime(runtime.handle().clone()).build().unwrap();
    let session = futures_executor(cluster.connect()).unwrap();
    let statement = futures_executor(session.prepare(crate::common::INSERT)).unwrap();
    for key in 0..10 {
        futures_executor(session.execute(&statement, (key, "x"))).unwrap();
    }
    let rows = session.query_rows::<(i32, String)>(crate::common::SELECT, ());
    assert_eq!(futures_executor(rows.collect_rows()).unwrap().len(), 3);
    runtime.block_on(cluster.close());
}

#[tokio::test]
async fn promise_5_a_closed_session_sends_nothing_and_leaves_no_connection() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    session.query("X", ()).await.unwrap();
    session.close().await;
    let error = session.query("Y", ()).await.unwrap_err();
    assert_eq!(error.applied(), helenus::Applied::NotSent);
    assert!(matches!(error.kind(), helenus::RequestErrorKind::SessionClosed));
    driver.close().await;
    for node in cluster.nodes() {
        let gone = node.wait_until(|node| node.connection_count() == 0);
        tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
        assert!(node.count(Opcode::Query) < 20);
    }
    assert!(matches!(driver.connect().await, Err(SessionError::Closed)));
}

#[tokio::test]
async fn promise_5_a_session_that_is_dropped_leaves_no_connection() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = builder(&node).build().unwrap().connect().await.unwrap();
    let pending = session.query("X", ());
    drop(session);
    pending.await.unwrap();
    let gone = node.wait_until(|node| node.connection_count() == 0);
    tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
}
