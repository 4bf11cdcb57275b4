//! `helenus-testkit canned`: the canned responder as a process of its own.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::Args;
use helenus_testkit::canned::{CannedServer, Workload};

use super::Failure;

/// Runs until standard input closes.
///
/// One line of JSON on standard output tells the address once it listens.
#[derive(Debug, Args)]
pub(super) struct Canned {
    /// Address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Hold the small answers of a connection back until there are so many
    #[arg(long, default_value_t = 1)]
    window: usize,
    /// Prints what is served, as JSON, and ends: the statements by workload, and the CQL that makes the same tables on a
    /// real node
    #[arg(long)]
    describe: bool,
}

impl Canned {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        if self.describe {
            let statements: serde_json::Map<_, _> = Workload::every()
                .map(|workload| (workload.name().to_owned(), workload.text().into()))
                .collect();
            let description = serde_json::json!({ "schema": Workload::schema(), "statements": statements });
            println!("{description}");
            return Ok(ExitCode::SUCCESS);
        }
        let server = CannedServer::start_with_window(SocketAddr::new(self.address, self.port), self.window)?;
        println!(
            "{}",
            serde_json::json!({ "address": server.address().to_string() })
        );
        std::io::stdout().flush()?;
        // What is written there means nothing; its end means the end.
        let mut ignored = [0; 64];
        let mut input = std::io::stdin().lock();
        while input.read(&mut ignored)? > 0 {}
        Ok(ExitCode::SUCCESS)
    }
}
