//! Many requests, of which one in a hundred runs into its time limit; then a look at what was left behind.
//!
//! The late answer to each such request arrives after its timeout, so that its stream id comes back. Used by the program
//! `no_leak` with a million requests, and by a test with fewer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use helenus::{Cluster, PreparedStatement, Session, SimpleStatement};
use helenus_protocol::{CqlType, NativeType};
use helenus_testkit::fake::{Action, FakeNode, Gate, Received, Script, Statement};

const INSERT: &str = "INSERT INTO ks.t (k, v) VALUES (?, ?)";
const WORKERS: usize = 64;
const LIMIT: Duration = Duration::from_millis(20);

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) resident_kib: usize,
    pub(crate) descriptors: usize,
    pub(crate) threads: usize,
    /// Stream ids that are taken.
    pub(crate) in_flight: usize,
}

/// Before and after, and what happened in between.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) before: Holdings,
    pub(crate) after: Holdings,
    pub(crate) timeouts: usize,
    pub(crate) failures: usize,
}

/// Runs so many requests, after a tenth as many to warm up.
pub(crate) async fn run(requests: usize) -> Outcome {
    let gates: Arc<[Mutex<Gate>]> = (0..WORKERS).map(|_| Mutex::new(Gate::new())).collect();
    let node = FakeNode::start(script(&gates)).await.unwrap();
    let cluster = Cluster::builder()
        .contact_point(node.address())
        // Late answers shall come back to the connection that they belong to.
        .max_orphans_per_connection(WORKERS)
        .build()
        .unwrap();
    let session = cluster.connect().await.unwrap();
    let insert = session.prepare(INSERT).await.unwrap();
    drive(&session, &insert, &gates, requests / 10).await;
    let before = holdings(&session).await;
    let (timeouts, failures) = drive(&session, &insert, &gates, requests).await;
    let after = holdings(&session).await;
    cluster.close().await;
    Outcome {
        before,
        after,
        timeouts,
        failures,
    }
}

/// Holds `SLOW n` until gate n is open, and remembers nothing.
fn script(gates: &Arc<[Mutex<Gate>]>) -> Script {
    let columns = [
        ("k", CqlType::Native(NativeType::Int)),
        ("v", CqlType::Native(NativeType::Text)),
    ];
    let gates = Arc::clone(gates);
    let hold = move |request: &Received| {
        let worker: usize = request.text()?.strip_prefix("SLOW ")?.parse().ok()?;
        let gate = gates
            .get(worker)?
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Some(vec![Action::Hold(gate), Action::Default])
    };
    Script::new()
        .statement(Statement::new(INSERT).bind(columns))
        .handler(hold)
        .without_recording()
}

/// Returns how many requests timed out, and how many failed otherwise.
async fn drive(
    session: &Session,
    insert: &PreparedStatement,
    gates: &Arc<[Mutex<Gate>]>,
    requests: usize,
) -> (usize, usize) {
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (session, insert, gates) = (session.clone(), insert.clone(), Arc::clone(gates));
            tokio::spawn(async move {
                let slow = SimpleStatement::new(format!("SLOW {worker}")).with_timeout(LIMIT);
                let (mut timeouts, mut failures) = (0, 0);
                for number in (worker..requests).step_by(WORKERS) {
                    // Every hundredth request of each worker.
                    let result = if number / WORKERS % 100 == 99 {
                        let result = session.query(&slow, ()).await;
                        let next = Gate::new();
                        let mut gate = gates[worker].lock().unwrap_or_else(PoisonError::into_inner);
                        std::mem::replace(&mut *gate, next).open();
                        result
                    } else {
                        session.execute(&insert, (number as i32, "a value")).await
                    };
                    match result {
                        Ok(_) => {}
                        Err(error) if error.is_timeout() => timeouts += 1,
                        Err(_) => failures += 1,
                    }
                }
                (timeouts, failures)
            })
        })
        .collect();
    let mut total = (0, 0);
    for worker in workers {
        let (timeouts, failures) = worker.await.unwrap();
        total = (total.0 + timeouts, total.1 + failures);
    }
    total
}

/// What the process holds when the last late answer has arrived.
async fn holdings(session: &Session) -> Holdings {
    // Answers come in order of their gates, so requests go on until the last one is there; a bound, if one never comes.
    for _ in 0..100_000 {
        if session.connections().in_flight == 0 {
            break;
        }
        session
            .query("SELECT host_id FROM system.local", ())
            .await
            .unwrap();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_start_matches(':')
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    Holdings {
        resident_kib: number("VmRSS"),
        descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        threads: number("Threads"),
        in_flight: session.connections().in_flight,
    }
}
