//! What the tests share.

use std::time::Duration;

use helenus::policy::ConstantReconnection;
use helenus::{Cluster, ClusterBuilder, CqlType, NativeType, Session};
use helenus_testkit::fake::{FakeCluster, FakeNode, Script, Statement, cell};

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

/// For one fake node.
pub(crate) fn builder(node: &FakeNode) -> ClusterBuilder {
    Cluster::builder()
        .contact_point(node.address())
        .reconnection_policy(std::sync::Arc::new(ConstantReconnection(Duration::from_millis(
            10,
        ))))
}

/// For several.
pub(crate) fn cluster_builder(cluster: &FakeCluster) -> ClusterBuilder {
    Cluster::builder()
        .contact_points(cluster.contact_points())
        .reconnection_policy(std::sync::Arc::new(ConstantReconnection(Duration::from_millis(
            10,
        ))))
}

pub(crate) async fn session(node: &FakeNode) -> Session {
    builder(node).build().unwrap().connect().await.unwrap()
}
