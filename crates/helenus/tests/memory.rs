//! Connections that nothing is asked of take little memory: sessions of large clusters have thousands. A binary of its own: it
//! measures the process, of which the servers' ends are a part.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use helenus::{Cluster, Session, WarmUp};
use helenus_testkit::fake::{FakeNode, Script};

/// Two sockets each, of which a process may have 1,024.
const CONNECTIONS: usize = 400;

/// What a connection may take, both ends together.
const LIMIT_KIB: f64 = 11.0;

async fn session(node: &FakeNode, connections: usize) -> Session {
    let cluster = Cluster::builder()
        .contact_point(node.address())
        .connections_per_node(connections)
        .warm_up(WarmUp::All)
        .build()
        .unwrap();
    let session = cluster.connect().await.unwrap();
    assert_eq!(session.connections().open, connections);
    session
}

#[tokio::test]
async fn connections_that_nothing_is_asked_of_take_little_memory() {
    let node = FakeNode::start(Script::new().without_recording()).await.unwrap();
    // What is made once is there afterwards.
    let first = session(&node, 8).await;
    let before = resident_kib();
    let second = session(&node, CONNECTIONS).await;
    let grown = resident_kib().saturating_sub(before);
    let each = f64::from(u32::try_from(grown).unwrap()) / CONNECTIONS as f64;
    println!("{each:.1} KiB each");
    assert!(each < LIMIT_KIB, "{each:.1} KiB each");
    drop((first, second));
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .unwrap()
}
