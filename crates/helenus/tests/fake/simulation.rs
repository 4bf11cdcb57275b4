//! Thousands of requests to three nodes that do everything wrong they can, and what must hold all the same.
//!
//! Time is stepped: whoever waits makes it pass. What a node does to an attempt follows from the seed, the operation and the
//! number of the attempt; what happens to nodes follows from the seed. `HELENUS_SEED=7` runs one seed, which failures print.
//!
//! Invariants checked: an answer is that of its own operation; what must not run twice has not; an error that says "not
//! applied" or "not sent" is right; every request ends; no stream id, connection or task is left.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helenus::{Applied, NativeType, PreparedStatement, RequestError, Session, SimpleStatement};
use helenus_protocol::{ErrorCode, ErrorDetails, Event, Request, StatusChange, TopologyChange, WriteType};
use helenus_testkit::fake::{Action, FakeCluster, Gate, Received, Reply, Script, Statement};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{sleep, timeout};

use crate::common::{cluster_builder, echoed, ty};

const SEEDS: [u64; 3] = [1, 2, 3];
const WORKERS: u64 = 24;
const OPERATIONS: u64 = 2400;
const PREPARED: &str = "INSERT INTO ks.operations (operation) VALUES (?)";

/// Longer than any request may take, in stepped time.
const FOR_EVER: Duration = Duration::from_secs(600);

#[test]
fn promise_3_whatever_nodes_do_each_request_ends_once_and_nothing_is_left() {
    let seeds = match std::env::var("HELENUS_SEED") {
        Ok(seed) => vec![seed.parse().expect("HELENUS_SEED is a number")],
        Err(_) => SEEDS.to_vec(),
    };
    for seed in seeds {
        println!("HELENUS_SEED={seed}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let tasks = runtime.metrics();
        runtime.block_on(simulate(seed));
        assert_eq!(tasks.num_alive_tasks(), 0, "tasks are left");
    }
}

/// How often nodes got an operation, and how often they ran it.
#[derive(Clone, Copy, Debug, Default)]
struct Ran {
    attempts: u64,
    applied: u64,
}

type Ledger = Arc<Mutex<HashMap<String, Ran>>>;

async fn simulate(seed: u64) {
    let ledger = Ledger::default();
    let mut cluster = FakeCluster::start(&[("dc1", 3)], script(seed, &ledger))
        .await
        .unwrap();
    let driver = cluster_builder(&cluster)
        .connections_per_node(2)
        .max_orphans_per_connection(20)
        .heartbeat_interval(Duration::from_millis(500))
        .heartbeat_timeout(Duration::from_millis(300))
        .connect_timeout(Duration::from_millis(500))
        .control_timeout(Duration::from_millis(500))
        .refresh_delay(Duration::from_millis(20))
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    let prepared = session.prepare(PREPARED).await.unwrap();
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            tokio::spawn(work(
                seed,
                worker,
                session.clone(),
                prepared.clone(),
                ledger.clone(),
            ))
        })
        .collect();
    let all = async {
        let mut outcomes = Outcomes::default();
        for worker in workers {
            outcomes.add(worker.await.unwrap());
        }
        outcomes
    };
    let outcomes = tokio::select! {
        outcomes = timeout(FOR_EVER, all) => outcomes.expect("every request ends"),
        () = trouble(seed, &mut cluster) => unreachable!("trouble has no end"),
    };
    println!("{outcomes:?}");
    assert_eq!(
        outcomes.succeeded + outcomes.failed + outcomes.dropped,
        OPERATIONS
    );
    // Neither all is well nor all is lost: the run shows something.
    assert!(
        outcomes.succeeded > OPERATIONS / 2 && outcomes.failed > OPERATIONS / 100,
        "{outcomes:?}"
    );

    for number in 0..3 {
        cluster.node_mut(number).listen_again().await.unwrap();
    }
    let no_stream_is_left = async {
        while session.connections().in_flight > 0 || session.connections().overdue > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(FOR_EVER, no_stream_is_left)
        .await
        .expect("stream ids are left");
    driver.close().await;
    for node in cluster.nodes() {
        let closed = node.wait_until(|node| node.connection_count() == 0);
        timeout(FOR_EVER, closed).await.expect("connections are left");
    }
    drop((session, driver, cluster));
    let alone = async {
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(FOR_EVER, alone).await.expect("tasks are left");
}

/// How requests ended.
#[derive(Clone, Copy, Debug, Default)]
struct Outcomes {
    succeeded: u64,
    failed: u64,
    dropped: u64,
}

impl Outcomes {
    fn add(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.dropped += other.dropped;
    }
}

/// Runs the operations of one worker, one after the other.
async fn work(
    seed: u64,
    worker: u64,
    session: Session,
    prepared: PreparedStatement,
    ledger: Ledger,
) -> Outcomes {
    let mut outcomes = Outcomes::default();
    for number in (worker..OPERATIONS).step_by(usize::try_from(WORKERS).unwrap()) {
        let mut chance = StdRng::seed_from_u64(hash(&(seed, "operation", number)));
        sleep(Duration::from_millis(chance.random_range(0..40))).await;
        let repeatable = chance.random_bool(0.5);
        let operation = format!(
            "operation {number}{}",
            if repeatable { ", repeatable" } else { "" }
        );
        let limit = Duration::from_millis(chance.random_range(20..400));
        let execution = if chance.random_bool(0.5) {
            let mut statement = prepared.clone().with_idempotence(repeatable);
            statement.options_mut().timeout = Some(helenus::Timeout::After(limit));
            session.execute(&statement, (&operation,))
        } else {
            let statement = SimpleStatement::new(&*operation)
                .with_idempotence(repeatable)
                .with_timeout(limit);
            session.query(statement, ())
        };
        // One in ten is dropped under way.
        let patience = match chance.random_range(0..10) {
            0 => Duration::from_millis(chance.random_range(0..50)),
            _ => FOR_EVER,
        };
        let Ok(result) = timeout(patience, execution).await else {
            outcomes.dropped += 1;
            continue;
        };
        let ran = ledger
            .lock()
            .unwrap()
            .get(&operation)
            .copied()
            .unwrap_or_default();
        match result {
            Ok(result) => {
                assert_eq!(result.first_row::<(&str,)>().unwrap(), (&operation[..],));
                assert!(ran.applied > 0, "{operation} succeeded and never ran");
                outcomes.succeeded += 1;
            }
            Err(error) => {
                check(&operation, &error, ran);
                outcomes.failed += 1;
            }
        }
        assert!(
            repeatable || ran.applied < 2,
            "{operation} ran {} times",
            ran.applied
        );
    }
    outcomes
}

/// What an error says must be so.
fn check(operation: &str, error: &RequestError, ran: Ran) {
    match error.applied() {
        Applied::NotSent => assert_eq!(ran.attempts, 0, "{operation} was sent: {error}"),
        Applied::No => assert_eq!(ran.applied, 0, "{operation} was applied: {error}"),
        Applied::Maybe => {}
    }
}

/// What happens to nodes, for ever.
async fn trouble(seed: u64, cluster: &mut FakeCluster) {
    let mut chance = StdRng::seed_from_u64(hash(&(seed, "trouble")));
    loop {
        sleep(Duration::from_millis(chance.random_range(5..120))).await;
        let number = chance.random_range(0..3);
        let address = cluster.node(number).address();
        match chance.random_range(0..8) {
            0 => cluster.node(number).close_connections(false).await,
            1 => cluster.node(number).close_connections(true).await,
            2 => {
                cluster.node_mut(number).stop().await;
                sleep(Duration::from_millis(chance.random_range(1..200))).await;
                cluster.node_mut(number).listen_again().await.unwrap();
            }
            3 => cluster.node(number).forget_prepared(),
            kind => {
                let event = match kind {
                    4 => Event::StatusChange {
                        change: StatusChange::Down,
                        address,
                    },
                    5 => Event::StatusChange {
                        change: StatusChange::Up,
                        address,
                    },
                    6 => Event::TopologyChange {
                        change: TopologyChange::NewNode,
                        address,
                    },
                    _ => Event::TopologyChange {
                        change: TopologyChange::MovedNode,
                        address,
                    },
                };
                cluster.push_event(&event).await;
            }
        }
    }
}

/// Three nodes follow it; they share the ledger.
fn script(seed: u64, ledger: &Ledger) -> Script {
    let ledger = Arc::clone(ledger);
    Script::new()
        .without_recording()
        .statement(Statement::new(PREPARED).bind([("operation", ty(NativeType::Text))]))
        .handler(move |received| {
            let operation = operation(received)?;
            let mut ledger = ledger.lock().unwrap();
            let ran = ledger.entry(operation.clone()).or_default();
            ran.attempts += 1;
            let mut chance = StdRng::seed_from_u64(hash(&(seed, &operation, ran.attempts)));
            let (applies, actions) = behave(&operation, received, &mut chance);
            ran.applied += u64::from(applies);
            Some(actions)
        })
}

/// The operation that a request is to run.
fn operation(received: &Received) -> Option<String> {
    match received.request().request {
        Request::Query(query) if query.text.starts_with("operation ") => Some(query.text.to_owned()),
        Request::Execute(execute) if received.text() == Some(PREPARED) => {
            // The value without its length.
            let value = execute.parameters.values.bytes.get(4..)?;
            Some(String::from_utf8(value.to_vec()).unwrap())
        }
        _ => None,
    }
}

/// What a node does to an attempt, and whether that runs the operation.
fn behave(operation: &str, received: &Received, chance: &mut StdRng) -> (bool, Vec<Action>) {
    let answer = || echoed(operation);
    let error = |code, message: &str| vec![Reply::error(code, message).into()];
    match chance.random_range(0..160) {
        0 => (false, error(ErrorCode::Overloaded, "refused")),
        1 => (true, error(ErrorCode::Overloaded, "given up half way")),
        2 => (false, error(ErrorCode::Bootstrapping, "not yet")),
        3 => {
            let details = ErrorDetails::WriteTimeout {
                consistency: helenus::ConsistencyLevel::One,
                received: 0,
                block_for: 1,
                write_type: WriteType::Simple,
                contentions: None,
            };
            (
                true,
                vec![Reply::error_with(ErrorCode::WriteTimeout, "late", details).into()],
            )
        }
        4 => (false, error(ErrorCode::Invalid, "no")),
        5 => (false, vec![Action::Close]),
        6 => (false, vec![Action::Reset]),
        7 => (true, vec![Action::Close]),
        8 => {
            let keep = chance.random_range(0..60);
            (
                true,
                vec![Action::ReplyCut {
                    keep,
                    reply: answer(),
                }],
            )
        }
        10 => (
            true,
            vec![Action::ReplyInPieces {
                size: 3,
                reply: answer(),
            }],
        ),
        kind @ (9 | 11..14) => {
            // Some after their deadlines, some so late that connections wear out meanwhile.
            let most = if kind == 9 { 20_000 } else { 600 };
            let (gate, late) = (Gate::new(), Duration::from_millis(chance.random_range(1..most)));
            let held = vec![Action::Hold(gate.clone()), answer().into()];
            tokio::spawn(async move {
                sleep(late).await;
                gate.open();
            });
            (true, held)
        }
        14 => match received.request().request {
            Request::Execute(execute) => (false, vec![Reply::unprepared(execute.id.to_vec()).into()]),
            _ => (true, vec![answer().into()]),
        },
        _ => (true, vec![answer().into()]),
    }
}

fn hash(value: &impl Hash) -> u64 {
    // The same in every run: it is made without keys.
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
