//! Starts a driver once on a large cluster, and says what that cost: one line of JSON.
//!
//! `startup helenus|scylla ADDRESS`. The time is that from the first call until the session is open with the schema and the
//! tokens known; the CPU time and the peak of resident memory are those of the process.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(driver), Some(address)) = (arguments.next(), arguments.next()) else {
        eprintln!("startup helenus|scylla ADDRESS");
        return ExitCode::FAILURE;
    };
    match measure(&driver, &address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{driver}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(driver: &str, address: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let begun = Instant::now();
    let (nodes, tables) = runtime.block_on(async {
        match driver {
            "helenus" => helenus(address, begun).await,
            "scylla" => scylla(address, begun).await,
            _ => Err("no such driver".into()),
        }
    })?;
    eprintln!("{driver}: {nodes} nodes, {tables} tables");
    Ok(())
}

async fn helenus(address: &str, begun: Instant) -> Result<(usize, usize), Failure> {
    let cluster = helenus::Cluster::builder()
        .contact_point(address)
        .control_timeout(Duration::from_secs(60))
        .build()?;
    let session = cluster.connect().await?;
    report(begun);
    let state = session.state();
    let keyspaces = state.schema().keyspaces().values();
    let tables = keyspaces.map(|keyspace| keyspace.tables().len()).sum();
    Ok((state.nodes().len(), tables))
}

async fn scylla(address: &str, begun: Instant) -> Result<(usize, usize), Failure> {
    let session = scylla::client::session_builder::SessionBuilder::new()
        .known_node(address)
        .build()
        .await?;
    report(begun);
    let state = session.get_cluster_state();
    let tables = state.keyspaces_iter().map(|(_, keyspace)| keyspace.tables.len()).sum();
    Ok((state.get_nodes_info().len(), tables))
}

fn report(begun: Instant) {
    let wall = begun.elapsed();
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = Duration::new(cpu.tv_sec.unsigned_abs(), u32::try_from(cpu.tv_nsec).unwrap_or(0));
    let line = serde_json::json!({
        "wall_ms": wall.as_secs_f64() * 1e3,
        "cpu_ms": cpu.as_secs_f64() * 1e3,
        "peak_kib": peak_kib(),
    });
    println!("{line}");
}

/// `VmHWM` of this process.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
