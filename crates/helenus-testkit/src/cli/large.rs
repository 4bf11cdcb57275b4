//! `helenus-testkit large`: many fake nodes with a large schema, to measure how drivers start.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use clap::Args;
use helenus_testkit::fake::{Size, start_large};

use super::Failure;

/// Runs until standard input closes.
///
/// One line of JSON on standard output tells the address of the first node once all listen.
#[derive(Debug, Args)]
pub(super) struct Large {
    /// Nodes, on 127.0.0.1 and the addresses that follow
    #[arg(long, default_value_t = 1_000)]
    nodes: usize,
    /// Tokens of each node
    #[arg(long, default_value_t = 256)]
    tokens: usize,
    /// Tables of the schema
    #[arg(long, default_value_t = 5_000)]
    tables: usize,
}

impl Large {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Runtime::new()?;
        let size = Size {
            nodes: self.nodes,
            tokens: self.tokens,
            tables: self.tables,
        };
        let cluster = runtime.block_on(start_large(size))?;
        let address = cluster.node(0).address().to_string();
        until_input_ends(&serde_json::json!({ "address": address }))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints `ready` as one line, and waits for the end of standard input.
pub(super) fn until_input_ends(ready: &serde_json::Value) -> std::io::Result<()> {
    println!("{ready}");
    std::io::stdout().flush()?;
    // What is written there means nothing; its end means the end.
    let mut ignored = [0; 64];
    let mut input = std::io::stdin().lock();
    while input.read(&mut ignored)? > 0 {}
    Ok(())
}
