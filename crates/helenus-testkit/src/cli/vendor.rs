//! `helenus-testkit vendor`: a fake node with compact tables, or with what DataStax Enterprise adds to a schema.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use helenus_testkit::fake::{self, start_vendor};

use super::Failure;
use super::large::until_input_ends;

/// Runs until standard input closes.
///
/// One line of JSON on standard output tells the node's address and its keyspaces once it listens.
#[derive(Debug, Args)]
pub(super) struct Vendor {
    /// What the node is
    vendor: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Cassandra 3.11, with compact tables
    #[value(name = "cassandra-3.11")]
    Cassandra311,
    /// DataStax Enterprise 6.8
    #[value(name = "dse-6.8")]
    Dse68,
}

impl Vendor {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Runtime::new()?;
        let vendor = match self.vendor {
            Kind::Cassandra311 => fake::Vendor::Cassandra311,
            Kind::Dse68 => fake::Vendor::Dse68,
        };
        let cluster = runtime.block_on(start_vendor(vendor))?;
        let address = cluster.node(0).address().to_string();
        until_input_ends(&serde_json::json!({ "address": address, "keyspaces": vendor.keyspaces() }))?;
        Ok(ExitCode::SUCCESS)
    }
}
