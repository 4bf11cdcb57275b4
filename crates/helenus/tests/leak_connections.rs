//! Connections that are lost again and again: nothing of them is left behind. A binary of its own: it measures the process.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::sync::Arc;
use std::time::Duration;

use helenus::Cluster;
use helenus::policy::ConstantReconnection;
use helenus_testkit::fake::{Action, FakeNode, Script};

/// Growth of the process that is not a leak: room that the allocator keeps.
const ROOM_KIB: u64 = 2 * 1024;

/// How often the connection is lost; more with `HELENUS_LEAK_CONNECTIONS=20000`.
fn times() -> usize {
    let times = std::env::var("HELENUS_LEAK_CONNECTIONS");
    times.ok().and_then(|times| times.parse().ok()).unwrap_or(500)
}

#[tokio::test]
async fn promise_5_connections_that_are_lost_leave_no_memory_and_no_descriptor_behind() {
    let script = Script::new()
        .without_recording()
        .on_statement("RESET", vec![Action::Reset]);
    let node = FakeNode::start(script).await.unwrap();
    let cluster = Cluster::builder()
        .contact_point(node.address())
        .connections_per_node(1)
        .reconnection_policy(Arc::new(ConstantReconnection(Duration::from_millis(1))))
        .build()
        .unwrap();
    let session = cluster.connect().await.unwrap();
    let lose = async |times: usize| {
        for _ in 0..times {
            session.query("RESET", ()).await.unwrap_err();
            let connected = async {
                while session.query("SELECT 1", ()).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let limit = Duration::from_secs(30);
            tokio::time::timeout(limit, connected)
                .await
                .expect("connected again");
        }
    };
    lose(times() / 2).await;
    let (memory, descriptors) = (resident_kib(), descriptors());
    lose(times()).await;
    let grown = resident_kib().saturating_sub(memory);
    println!(
        "{grown} KiB more than the {memory} KiB after the first {}",
        times() / 2
    );
    assert!(grown < ROOM_KIB, "{grown} KiB more than before");
    assert_eq!(descriptors, self::descriptors());
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

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
