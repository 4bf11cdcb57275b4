//! A steady load of idempotent requests that remembers every write the cluster has acknowledged.
//!
//! Each worker writes one row after the other, numbered, at QUORUM, and reads some of them back. Acknowledged rows are a range
//! without those that failed, so that the memory of a long run stays flat. In the end all of them are read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use helenus::{Applied, Attempt, ConsistencyLevel, PreparedStatement, QueryResult, RequestError, Session};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::waiting::eventually;

/// Rows in one partition.
const BUCKET: i32 = 500;
/// One of so many requests reads.
const READS: i32 = 4;

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    /// Requests that failed after all retries.
    pub(crate) failed: u64,
    /// Acknowledged writes that could not be read.
    pub(crate) lost: u64,
    /// Requests that were sent more than once.
    pub(crate) retried: u64,
    pub(crate) slowest: Duration,
    /// The longest time in which no request of any worker succeeded.
    pub(crate) silence: Duration,
    /// What the first failures said.
    pub(crate) errors: Vec<String>,
}

impl Outcome {
    /// # Panics
    /// When a request failed or a write is lost.
    pub(crate) fn assert_flawless(&self) {
        assert_eq!((self.failed, self.lost), (0, 0), "{self:#?}");
        assert!(self.requests > 100, "hardly a load: {self:?}");
    }
}

/// How much is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) workers: i32,
    /// Between two requests of one worker.
    pub(crate) every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            workers: 8,
            every: Duration::from_millis(10),
        }
    }
}

/// The load while it runs.
pub(crate) struct Load {
    session: Session,
    statements: Statements,
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<Ledger>>,
}

struct Shared {
    stop: AtomicBool,
    outcome: Mutex<(Outcome, Instant)>,
}

#[derive(Clone)]
struct Statements {
    insert: PreparedStatement,
    select: PreparedStatement,
    partition: PreparedStatement,
}

/// What one worker has written.
struct Ledger {
    worker: i32,
    /// Rows below this one were tried.
    next: i32,
    /// Those of them that were not acknowledged.
    unknown: Vec<i32>,
}

impl Load {
    /// Makes a keyspace with this replication and starts writing to it.
    pub(crate) async fn start(session: &Session, keyspace: &str, replication: &str, pace: Pace) -> Self {
        for text in [
            format!("DROP KEYSPACE IF EXISTS {keyspace}"),
            format!("CREATE KEYSPACE {keyspace} WITH replication = {replication}"),
            format!(
                "CREATE TABLE {keyspace}.ledger (worker int, bucket int, number int, note text, \
                 PRIMARY KEY ((worker, bucket), number))"
            ),
        ] {
            session.query(text, ()).await.unwrap();
        }
        let prepare = async |text: &str| {
            let statement = session.prepare(text).await.unwrap();
            statement
                .with_consistency(ConsistencyLevel::Quorum)
                .with_idempotence(true)
        };
        let ledger = format!("{keyspace}.ledger");
        let statements = Statements {
            insert: prepare(&format!(
                "INSERT INTO {ledger} (worker, bucket, number, note) VALUES (?, ?, ?, ?)"
            ))
            .await,
            select: prepare(&format!(
                "SELECT note FROM {ledger} WHERE worker = ? AND bucket = ? AND number = ?"
            ))
            .await,
            partition: prepare(&format!(
                "SELECT number FROM {ledger} WHERE worker = ? AND bucket = ?"
            ))
            .await,
        };
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            outcome: Mutex::new((Outcome::default(), Instant::now())),
        });
        let worker = |number| {
            let worker = Worker {
                session: session.clone(),
                statements: statements.clone(),
                shared: Arc::clone(&shared),
                ledger: Ledger {
                    worker: number,
                    next: 0,
                    unknown: Vec::new(),
                },
            };
            tokio::spawn(worker.run(pace.every))
        };
        let workers = (0..pace.workers).map(worker).collect();
        Self {
            session: session.clone(),
            statements,
            shared,
            workers,
        }
    }

    /// What has come of it up to now; what is lost is known in the end only.
    pub(crate) fn so_far(&self) -> Outcome {
        self.shared.outcome.lock().unwrap().0.clone()
    }

    /// Waits for so many more requests to succeed.
    pub(crate) async fn more(&self, requests: u64) {
        let succeeded = || {
            let outcome = self.so_far();
            outcome.requests - outcome.failed
        };
        let wanted = succeeded() + requests;
        let limit = Duration::from_secs(120);
        eventually("the load goes on", limit, || succeeded() >= wanted).await;
    }

    /// Ends the load and reads every acknowledged write.
    pub(crate) async fn finish(self) -> Outcome {
        self.shared.stop.store(true, Ordering::Release);
        let mut ledgers = Vec::new();
        for worker in self.workers {
            ledgers.push(worker.await.unwrap());
        }
        let mut outcome = self.shared.outcome.lock().unwrap().0.clone();
        for ledger in &ledgers {
            outcome.lost += lost(&self.session, &self.statements.partition, ledger).await;
        }
        outcome
    }
}

/// How many acknowledged writes of this worker cannot be read.
async fn lost(session: &Session, partition: &PreparedStatement, ledger: &Ledger) -> u64 {
    let mut lost = 0;
    let mut first = 0;
    while first < ledger.next {
        let values = (ledger.worker, first / BUCKET);
        let mut rows = session.execute_rows::<(i32,)>(partition, values);
        let mut expected = (first..ledger.next.min(first + BUCKET))
            .filter(|number| ledger.unknown.binary_search(number).is_err())
            .peekable();
        while let Some(row) = rows.next_row().await {
            let (found,) = row.unwrap();
            while expected.next_if(|number| *number < found).is_some() {
                lost += 1;
            }
            expected.next_if_eq(&found);
        }
        lost += expected.count() as u64;
        first += BUCKET;
    }
    lost
}

struct Worker {
    session: Session,
    statements: Statements,
    shared: Arc<Shared>,
    ledger: Ledger,
}

impl Worker {
    async fn run(mut self, every: Duration) -> Ledger {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.shared.stop.load(Ordering::Acquire) {
            ticks.tick().await;
            let number = self.ledger.next;
            if number % READS == READS - 1 {
                self.read(number - 1 - number % 7).await;
            }
            self.write(number).await;
        }
        self.ledger
    }

    async fn write(&mut self, number: i32) {
        let values = (self.ledger.worker, number / BUCKET, number, note(number));
        let sent = Instant::now();
        let result = self.session.execute(&self.statements.insert, values).await;
        if !self.count(sent, &result) {
            self.ledger.unknown.push(number);
        }
        self.ledger.next += 1;
    }

    async fn read(&mut self, number: i32) {
        if number < 0 {
            return;
        }
        let values = (self.ledger.worker, number / BUCKET, number);
        let sent = Instant::now();
        let result = self.session.execute(&self.statements.select, values).await;
        self.count(sent, &result);
        let acknowledged = self.ledger.unknown.binary_search(&number).is_err();
        if let (Ok(result), true) = (result, acknowledged) {
            let row = result.maybe_first_row::<(String,)>().unwrap();
            assert_eq!(
                row,
                Some((note(number),)),
                "row {number} of worker {}",
                self.ledger.worker
            );
        }
    }

    /// Whether it succeeded.
    fn count(&self, sent: Instant, result: &Result<QueryResult, RequestError>) -> bool {
        let now = Instant::now();
        let mut guard = self.shared.outcome.lock().unwrap();
        let (outcome, last_success) = &mut *guard;
        outcome.requests += 1;
        outcome.slowest = outcome.slowest.max(now - sent);
        match result {
            Ok(result) => {
                let sent = |attempt: &Attempt| attempt.error.applied() != Applied::NotSent;
                outcome.retried += u64::from(result.attempts().iter().any(sent));
                outcome.silence = outcome.silence.max(now - *last_success);
                *last_success = now;
            }
            Err(error) => {
                outcome.failed += 1;
                println!("failed after {:?}: {error}", now - sent);
                if outcome.errors.len() < 10 {
                    outcome.errors.push(format!("{error}; {:?}", error.attempts()));
                }
            }
        }
        result.is_ok()
    }
}

fn note(number: i32) -> String {
    format!("note {number}")
}
