//! Requests in great number, one in a hundred answered after its time: nothing is left behind, and no late answer reaches
//! another request. A binary of its own: it measures the process.

#![expect(clippy::unwrap_used, reason = "this is a test")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helenus::{Cluster, NativeType, PreparedStatement, RequestErrorKind, Session, Timeout};
use helenus_protocol::Request;
use helenus_testkit::fake::{Action, FakeNode, Gate, Received, Reply, Script, Statement, cell, column_specs};

const SELECT: &str = "SELECT k FROM ks.t WHERE k = ?";

/// Of so many requests one is held until its client has given up.
const HELD_ONE_IN: usize = 100;

const WORKERS: usize = 256;

/// Growth of the process that is not a leak: room that the allocator keeps.
const ROOM_KIB: u64 = 8 * 1024;

/// Gates of requests that are held, the oldest first.
type Held = Arc<Mutex<VecDeque<Gate>>>;

/// How many requests; a million with `HELENUS_LEAK_REQUESTS=1000000` and a release build.
fn requests() -> usize {
    std::env::var("HELENUS_LEAK_REQUESTS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(50_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_5_requests_that_time_out_leave_no_memory_no_descriptor_and_no_stream_id_behind() {
    let held = Held::default();
    let node = FakeNode::start(script(held.clone())).await.unwrap();
    let cluster = Cluster::builder()
        .contact_point(node.address())
        .connections_per_node(1)
        .build()
        .unwrap();
    let session = cluster.connect().await.unwrap();
    let mut select = session.prepare(SELECT).await.unwrap();
    select.options_mut().timeout = Some(Timeout::After(Duration::from_millis(40)));

    run(&session, &select, &held, requests() / 5).await;
    settle(&session, &held).await;
    let (memory, descriptors) = (resident_kib(), descriptors());

    let timeouts = run(&session, &select, &held, requests()).await;
    settle(&session, &held).await;
    let grown = resident_kib().saturating_sub(memory);
    assert!(
        timeouts > requests() / HELD_ONE_IN / 2,
        "only {timeouts} requests timed out"
    );
    assert!(grown < ROOM_KIB, "{grown} KiB more than before");
    assert_eq!(descriptors, self::descriptors());
}

/// Answers with the key that was asked for; holds one request in a hundred.
fn script(held: Held) -> Script {
    let count = AtomicUsize::new(0);
    let key = [("k", NativeType::Int.into())];
    Script::new()
        .without_recording()
        .statement(Statement::new(SELECT).bind(key.clone()).columns(key.clone()))
        .handler(move |request: &Received| {
            let envelope = request.request();
            let Request::Execute(execute) = &envelope.request else {
                return None;
            };
            let columns = column_specs("ks", "t", key.clone());
            // The value without its length.
            let value = cell::blob(&execute.parameters.values.bytes[4..]);
            let reply = Reply::rows(columns, &[[value]]).into();
            if !count.fetch_add(1, Ordering::Relaxed).is_multiple_of(HELD_ONE_IN) {
                return Some(vec![reply]);
            }
            let gate = Gate::new();
            held.lock().unwrap().push_back(gate.clone());
            Some(vec![Action::Hold(gate), reply])
        })
}

/// Runs so many requests; returns how many timed out. Each that does lets the oldest held answer come: late.
async fn run(session: &Session, select: &PreparedStatement, held: &Held, count: usize) -> usize {
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (session, select, held) = (session.clone(), select.clone(), held.clone());
            tokio::spawn(async move {
                let mut timeouts = 0;
                for key in (worker..count).step_by(WORKERS) {
                    let key = i32::try_from(key).unwrap();
                    match session.execute(&select, (key,)).await {
                        Ok(result) => assert_eq!(result.first_row::<(i32,)>().unwrap(), (key,)),
                        Err(error) => {
                            let is_timeout = matches!(error.kind(), RequestErrorKind::Timeout { .. });
                            assert!(is_timeout, "{error}");
                            timeouts += 1;
                            if let Some(gate) = held.lock().unwrap().pop_front() {
                                gate.open();
                            }
                        }
                    }
                }
                timeouts
            })
        })
        .collect();
    let mut timeouts = 0;
    for worker in workers {
        timeouts += worker.await.unwrap();
    }
    timeouts
}

/// Lets all late answers come, and waits until every stream id is back.
async fn settle(session: &Session, held: &Held) {
    for gate in held.lock().unwrap().drain(..) {
        gate.open();
    }
    let all_are_back = async {
        while session.connections().in_flight > 0 || session.connections().overdue > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all_are_back)
        .await
        .expect("stream ids that never come back");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
