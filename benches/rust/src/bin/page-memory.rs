//! What one page of rows takes in memory over its bytes on the wire: prints a line of JSON.
//!
//! The allocator counts, so this is a program of its own: it measures no time. The page is read like any other and not yet
//! decoded; buffers that grow, copies on the way and the message itself are all in the peak.

use std::error::Error;
use std::net::SocketAddr;

use clap::Parser;
use helenus::{Cluster, ProtocolVersion};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes of a row of int and text of 100 bytes: two lengths and two values.
const ROW: usize = 4 + 4 + 4 + 100;

/// Reads one page and tells its memory
#[derive(Debug, Parser)]
struct Options {
    /// Where the server listens
    #[arg(long)]
    address: SocketAddr,
    /// The statement; its rows are an int and a text of 100 bytes
    #[arg(long)]
    statement: String,
    /// Protocol version
    #[arg(long, default_value_t = 4)]
    protocol: u8,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let options = Options::parse();
    let version = ProtocolVersion::from_number(options.protocol).ok_or("no such protocol version")?;
    let cluster = Cluster::builder()
        .contact_point(options.address)
        .protocol_version(version)
        .connections_per_node(1)
        .build()?;
    let session = cluster.connect().await?;
    let mut prepared = session.prepare(options.statement.as_str()).await?;
    prepared.options_mut().page_size = Some(i32::MAX);
    // The first page of the connection: a later one would find the room of the one before it.
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let page = session.execute(&prepared, (0,)).await?;
    let peak = MEMORY.peak_usage().saturating_sub(before);
    let held = MEMORY.current_usage().saturating_sub(before);
    let rows = page.row_count();
    println!(
        "{}",
        serde_json::json!({ "rows": rows, "wire": rows * ROW, "peak": peak, "held": held })
    );
    Ok(())
}
