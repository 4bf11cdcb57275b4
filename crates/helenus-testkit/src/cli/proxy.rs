//! `helenus-testkit proxy`: the fault-injecting proxy as a process of its own.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use helenus_testkit::proxy;

use super::Failure;

/// Runs until standard input closes; each line of it is a command.
///
/// One line of JSON on standard output tells the address and the seed once it listens; each command is answered by a line: ok, or
/// error and the reason.
///
/// delay DIRECTION LEAST MOST (milliseconds; 0 0 ends it), bandwidth DIRECTION BYTES (in a second; 0: no limit), reorder DIRECTION
/// FRAMES (0 ends it), hold and release DIRECTION (nothing passes), stop and read DIRECTION (the sender is not read from),
/// cut, reset DIRECTION BYTES (the next frame, and its connection, end after so many), flip DIRECTION PART (a bit of the next frame:
/// header, header-checksum, payload, payload-checksum), lose, repeat DIRECTION (the next frame), close, abort (all
/// connections, by FIN or RST), clear. DIRECTION is requests or responses.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Proxy {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Address and port of the node
    #[arg(long)]
    to: SocketAddr,
    /// What chance is made from; printed, so that a run can be repeated
    #[arg(long)]
    seed: Option<u64>,
}

impl Proxy {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Runtime::new()?;
        let seed = self.seed.unwrap_or_else(rand::random);
        let proxy = runtime.block_on(proxy::Proxy::start_on(self.listen, self.to, seed))?;
        let address = proxy.address().to_string();
        println!("{}", serde_json::json!({ "address": address, "seed": seed }));
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            match proxy.command(&line) {
                Ok(()) => println!("ok"),
                Err(error) => println!("error: {error}"),
            }
            std::io::stdout().flush()?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
