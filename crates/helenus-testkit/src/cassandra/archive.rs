//! Dumps the class archive of a distribution: it takes about a third off the time in which a node starts.
//!
//! A node is started once and stopped when it serves clients; on its way out Java writes down the classes it had loaded.

use std::fs;
use std::path::Path;

use super::address::AddressPrefix;
use super::cluster::Cluster;
use super::distribution::Distribution;
use super::error::{Error, Result};
use super::java::Java;
use super::options::ClusterOptions;
use super::progress::Progress;

/// Writes the archive to `path`, or an empty file there when that does not work: nodes run without, only slower.
pub(crate) fn dump(distribution: &Distribution, java: &Java, path: &Path, progress: &Progress) -> Result<()> {
    progress.say(format!(
        "preparing Cassandra {} for fast starts, once",
        distribution.version()
    ));
    let partial = path.with_extension("partial");
    let dumped = run(distribution, java, &partial);
    if let Err(error) = dumped {
        progress.say(format!(
            "nodes will start slower, the class archive could not be made: {error}"
        ));
        fs::write(&partial, b"").map_err(Error::io("write", &partial))?;
    }
    fs::rename(&partial, path).map_err(Error::io("rename", &partial))
}

fn run(distribution: &Distribution, java: &Java, partial: &Path) -> Result<()> {
    let options = ClusterOptions::new(distribution.version().clone())
        .address_prefix(AddressPrefix::Auto)
        .jvm(format!("-XX:ArchiveClassesAtExit={}", partial.display()));
    let cluster = Cluster::start_on(distribution.clone(), java.clone(), options)?;
    cluster.node(1)?.stop()?;
    fs::metadata(partial)
        .map_err(Error::io("find", partial))
        .map(|_| ())
}
