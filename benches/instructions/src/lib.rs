//! A client that does the same requests again and again, in an order that does not depend on time.
//!
//! Everything runs on one thread. Every request in flight is a task that was spawned before the count begins; all of them
//! begin a phase together and end it together. The server answers a whole window of requests at once
//! (`helenus-testkit canned --window`), so that every round has one write and one batch of answers, however busy the
//! machine is.

mod operations;

use std::error::Error;
use std::hint::black_box;
use std::net::SocketAddr;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use helenus::{Cluster, ProtocolVersion, Session};
use tokio::runtime::Runtime;
use tokio::sync::Barrier;

use operations::Operation;

/// Any error: a count only prints it.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What to do, from the command line.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Name of an operation.
    pub operation: String,
    /// The statement to prepare.
    pub statement: String,
    /// Where the server listens.
    pub address: SocketAddr,
    /// How many requests are in flight.
    pub in_flight: u64,
    /// How many operations of each task come before the count.
    pub warm_up: u64,
    /// How many operations of each task are counted.
    pub count: u64,
}

impl Plan {
    /// Reads `OPERATION STATEMENT ADDRESS IN_FLIGHT WARM_UP COUNT`.
    ///
    /// # Errors
    /// When there is another number of arguments, or something else than a number where one is wanted.
    pub fn from_arguments() -> Result<Self, Failure> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [operation, statement, address, in_flight, warm_up, count] = &arguments[..] else {
            return Err("arguments: OPERATION STATEMENT ADDRESS IN_FLIGHT WARM_UP COUNT".into());
        };
        Ok(Self {
            operation: operation.clone(),
            statement: statement.clone(),
            address: address.parse()?,
            in_flight: in_flight.parse()?,
            warm_up: warm_up.parse()?,
            count: count.parse()?,
        })
    }
}

/// Tasks that wait to be let go.
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    shared: Arc<Shared>,
    _session: Session,
}

#[derive(Debug)]
struct Shared {
    /// All tasks and whoever lets them go.
    barrier: Barrier,
    /// How many operations each task does in this phase.
    count: AtomicU64,
    /// What all tasks have done so far, in units of the operation (requests or rows).
    units: AtomicU64,
}

impl Client {
    /// Connects, prepares and spawns the tasks.
    ///
    /// # Errors
    /// What the driver says, and an unknown operation.
    pub fn start(plan: &Plan) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let shared = Arc::new(Shared {
            barrier: Barrier::new(usize::try_from(plan.in_flight)? + 1),
            count: AtomicU64::new(0),
            units: AtomicU64::new(0),
        });
        let session = runtime.block_on(async {
            let session = cluster(plan.address, true)?.connect().await?;
            let prepared = session.prepare(plan.statement.as_str()).await?;
            operations::spawn(plan, &session, prepared, &shared)?;
            Ok::<_, Failure>(session)
        })?;
        Ok(Self {
            runtime,
            shared,
            _session: session,
        })
    }

    /// Lets every task do `count` operations and waits for all of them. Returns how many units that were.
    pub fn run(&self, count: u64) -> u64 {
        let before = self.shared.units.load(Ordering::Relaxed);
        self.shared.count.store(count, Ordering::Relaxed);
        self.runtime.block_on(async {
            self.shared.barrier.wait().await;
            self.shared.barrier.wait().await;
        });
        self.shared.units.load(Ordering::Relaxed) - before
    }

    /// How many tasks the runtime was ever given, this call's own included.
    pub fn tasks_spawned(&self) -> u64 {
        let id = self.runtime.spawn(async {}).id();
        // An id is a number that grows by one with every task; only its text is public.
        id.to_string().parse().unwrap_or(0)
    }
}

/// The cluster at this address, with one connection, and its schema if that is wanted.
fn cluster(address: SocketAddr, schema: bool) -> Result<Cluster, Failure> {
    Ok(Cluster::builder()
        .contact_point(address)
        .protocol_version(ProtocolVersion::V4)
        .connections_per_node(1)
        .schema_metadata(schema)
        .build()?)
}

/// One task: phase after phase, each between two meetings of all tasks.
async fn work(operation: impl Operation, worker: u64, shared: Arc<Shared>) {
    let mut number = worker * 7;
    loop {
        shared.barrier.wait().await;
        let mut units = 0;
        for _ in 0..shared.count.load(Ordering::Relaxed) {
            number += 1;
            match operation.run(number).await {
                Ok(done) => units += done,
                Err(error) => {
                    eprintln!("helenus-instructions: {error}");
                    exit(1);
                }
            }
        }
        shared.units.fetch_add(units, Ordering::Relaxed);
        shared.barrier.wait().await;
    }
}

/// Callgrind is told to write down and reset its counters whenever this is called (`--dump-before`).
#[inline(never)]
pub fn helenus_mark() {
    black_box(());
}
