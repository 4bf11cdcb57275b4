//! One client, one workload, one measurement: prints a line of JSON.
//!
//! A run warms up, then counts for a while. CPU time is that of the whole process between the two marks, all threads
//! together; peak memory that of the whole life of the process.

mod bare;
mod cdrs_client;
mod connecting;
mod drive;
mod helenus_client;
mod measure;
mod scylla_client;
mod workload;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use measure::Measurement;
use workload::Workload;

/// Any error: a benchmark only prints it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClientKind {
    /// A socket that writes and reads the same bytes: the limit.
    Bare,
    /// The crate `scylla`.
    Scylla,
    /// The crate `cdrs-tokio`.
    Cdrs,
    /// This driver.
    Helenus,
}

/// What rows are decoded into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RowKind {
    /// Tuples that own their values
    Owned,
    /// Values of any type
    Dynamic,
    /// Tuples that borrow texts and blobs from the page
    Borrowed,
}

/// Measures one client against a server that has the benchmark's tables.
#[derive(Clone, Debug, Parser)]
struct Plan {
    /// What is measured
    #[arg(long)]
    client: ClientKind,
    /// What it does
    #[arg(long)]
    workload: Workload,
    /// The statement to prepare
    #[arg(long)]
    statement: String,
    /// Where the server listens
    #[arg(long)]
    address: SocketAddr,
    /// Requests in flight
    #[arg(long, default_value_t = 1)]
    concurrency: usize,
    /// Worker threads of the runtime; 0 runs everything on the main thread
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// Protocol version, where the client lets one choose
    #[arg(long, default_value_t = 4)]
    protocol: u8,
    /// LZ4
    #[arg(long)]
    lz4: bool,
    /// What rows of paged workloads are decoded into
    #[arg(long, default_value = "owned")]
    rows: RowKind,
    /// Connections to the node, where the client lets one choose
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Whether connecting includes reading the schema, where the client lets one choose
    #[arg(long)]
    schema: bool,
    /// Seconds to warm up
    #[arg(long, default_value_t = 0.4)]
    warm_up: f64,
    /// Seconds to measure
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
}

impl Plan {
    fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn main() -> ExitCode {
    let plan = Plan::parse();
    match run(&plan) {
        Ok(measurement) => {
            println!("{}", measurement.to_json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("helenus-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: &Plan) -> Result<Measurement, Failure> {
    if plan.client == ClientKind::Bare {
        return bare::run(plan);
    }
    let runtime = match plan.workers {
        0 => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?,
        workers => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()?,
    };
    runtime.block_on(async {
        match plan.client {
            ClientKind::Helenus => helenus_client::run(plan).await,
            ClientKind::Scylla => scylla_client::run(plan).await,
            ClientKind::Cdrs => cdrs_client::run(plan).await,
            ClientKind::Bare => Err("a bare socket needs no runtime".into()),
        }
    })
}
