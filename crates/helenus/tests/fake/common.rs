//! What the tests share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use helenus::policy::{ConstantReconnection, RoundRobinPolicy};
use helenus::{
    Cluster, ClusterBuilder, CqlType, ExecutionProfile, NativeType, Session, SimpleStatement, WarmUp,
};
use helenus_testkit::fake::{FakeCluster, FakeNode, Received, Reply, Script, Statement, cell, column_specs};

pub(crate) const INSERT: &str = "INSERT INTO ks.t (k, v) VALUES (?, ?)";
pub(crate) const SELECT: &str = "SELECT k, v FROM ks.t";

pub(crate) fn ty(native: NativeType) -> CqlType {
    CqlType::Native(native)
}

/// A healthy node that knows an INSERT and a SELECT of three pages, of which the second is empty.
pub(crate) fn script() -> Script {
    let columns = || [("k", ty(NativeType::Int)), ("v", ty(NativeType::Text))];
    Script::new()
        .statement(Statement::new(INSERT).bind(columns()).partition_key([0]))
        .statement(
            Statement::new(SELECT)
                .columns(columns())
                .page([row(1, "one"), row(2, "two")])
                .page([])
                .page([row(3, "three")]),
        )
}

fn row(key: i32, value: &str) -> Vec<cell::Cell> {
    vec![cell::int(key), cell::text(value)]
}

/// Connects again at once.
pub(crate) fn eager() -> ClusterBuilder {
    let delay = Duration::from_millis(10);
    Cluster::builder().reconnection_policy(Arc::new(ConstantReconnection(delay)))
}

/// Requests go to the nodes in turn, whatever is known about their load.
pub(crate) fn in_turn() -> ExecutionProfile {
    ExecutionProfile::builder()
        .load_balancing(Arc::new(RoundRobinPolicy::new()))
        .build()
}

/// For one fake node.
pub(crate) fn builder(node: &FakeNode) -> ClusterBuilder {
    eager().contact_point(node.address())
}

/// For several. Sessions wait for the first connection to each, however busy the machine is; of several datacenters, as by
/// default.
pub(crate) fn cluster_builder(cluster: &FakeCluster) -> ClusterBuilder {
    let datacenters: BTreeSet<_> = cluster.topology(|topology| {
        let nodes = topology.nodes.iter();
        nodes.map(|node| node.datacenter.clone()).collect()
    });
    let warm_up = match datacenters.len() {
        1 => WarmUp::EachNode,
        _ => WarmUp::Quick,
    };
    eager().contact_points(cluster.contact_points()).warm_up(warm_up)
}

/// A script that answers each statement whose text begins with this word with the whole text, so that answers can be told apart.
pub(crate) fn echo(word: &'static str) -> Script {
    Script::new().handler(move |request| {
        let text = request.text().filter(|text| text.starts_with(word))?;
        Some(vec![echoed(text).into()])
    })
}

/// The answer to such a statement.
pub(crate) fn echoed(text: &str) -> Reply {
    let columns = column_specs("ks", "t", [("text", NativeType::Text.into())]);
    Reply::rows(columns, &[[cell::text(text)]])
}

pub(crate) async fn session(node: &FakeNode) -> Session {
    builder(node).build().unwrap().connect().await.unwrap()
}

/// On all nodes of the local datacenter.
pub(crate) async fn cluster_session(cluster: &FakeCluster) -> Session {
    cluster_builder(cluster).build().unwrap().connect().await.unwrap()
}

/// Fails the test when something does not happen at all.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("it did not happen")
}

/// Runs an idempotent request until one succeeds.
pub(crate) async fn until_it_works(session: &Session) {
    let statement = SimpleStatement::new("X").with_idempotence(true);
    soon(async {
        while session.query(&statement, ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Waits until the session has so many connections.
pub(crate) async fn connected(session: &Session, count: usize) {
    soon(async {
        while session.connections().open < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) fn is_text(text: &'static str) -> impl Fn(&Received) -> bool {
    move |received| received.text() == Some(text)
}
