//! The commands of `helenus-testkit`. Results go to standard output, everything else to standard error.

mod canned;
mod control;
mod large;
mod options;
mod proxy;
mod run;
mod start;
mod vendor;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use helenus_testkit::cassandra::{CassandraVersion, Distribution, Java, Progress};

/// Servers for tests of Cassandra clients.
#[derive(Debug, Parser)]
#[command(name = "helenus-testkit", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Clusters of real Cassandra on 127.0.0.x
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Gets a version of Cassandra from Maven Central and prepares it for fast starts
    Fetch {
        /// A version, or 5.0, 4.1 or 4.0
        #[arg(default_value = "5.0")]
        version: CassandraVersion,
    },
    /// A server that answers a benchmark's statements with ready bytes, to measure clients
    Canned(canned::Canned),
    /// Many fake nodes with a large schema, to measure how drivers start
    Large(large::Large),
    /// A fake node with a schema that only old Cassandra or DSE has
    Vendor(vendor::Vendor),
    /// A proxy before a node that delays, reorders, cuts, corrupts and holds frames on demand
    Proxy(proxy::Proxy),
}

#[derive(Debug, Subcommand)]
enum ClusterCommand {
    /// Runs a cluster until standard input closes or a signal comes, or around a command
    ///
    /// When the cluster is ready, one line of JSON on standard output tells its contact points and its control socket. With a
    /// command, that finds HELENUS_CONTACT_POINTS and more in its environment instead; its exit status becomes this one's, and
    /// a failure lets the logs stay.
    Run(Box<run::Run>),
    /// Starts a cluster that goes on until `cluster stop`, and prints the same line as `run`
    Start(Box<start::Start>),
    /// Does something to a running cluster, whose control socket HELENUS_CONTROL_SOCKET or --control names
    #[command(flatten)]
    Control(control::Control),
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Cluster(ClusterCommand::Run(run)) => run.execute(),
        Command::Cluster(ClusterCommand::Start(start)) => start.execute(),
        Command::Cluster(ClusterCommand::Control(control)) => control.execute(),
        Command::Fetch { version } => fetch(&version),
        Command::Canned(canned) => canned.execute(),
        Command::Large(large) => large.execute(),
        Command::Vendor(vendor) => vendor.execute(),
        Command::Proxy(proxy) => proxy.execute(),
    };
    result.unwrap_or_else(|error| {
        let mut text = format!("helenus-testkit: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        let _ = writeln!(std::io::stderr(), "{text}");
        ExitCode::FAILURE
    })
}

fn fetch(version: &CassandraVersion) -> Result<ExitCode, Failure> {
    let progress = Progress::stderr();
    let distribution = Distribution::fetch(version, &progress)?;
    println!(
        "Cassandra {version}: {} jars, Java {}",
        distribution.jars().len(),
        Java::find()?.version()
    );
    Ok(ExitCode::SUCCESS)
}

/// Any error; the command line only prints it.
type Failure = Box<dyn std::error::Error + Send + Sync>;
