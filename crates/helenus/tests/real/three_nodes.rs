//! One cluster of three nodes, three replicas of everything, QUORUM: one node may be missing and nobody notices.

mod alone;
mod membership;
mod outages;
mod reading;
mod register;

use helenus::Session;

use crate::beds::{Bed, HANDSHAKE, MAX_BACKOFF};
use crate::load::{Load, Pace};

pub(crate) const REPLICATION: &str = "{'class': 'NetworkTopologyStrategy', 'dc1': 3}";

/// The driver with connections to all nodes, and a load that has come into its stride.
async fn loaded(bed: &Bed, keyspace: &str) -> (Session, Load) {
    let session = bed.driver().build().unwrap().connect().await.unwrap();
    let load = Load::start(&session, keyspace, REPLICATION, Pace::default()).await;
    load.more(200).await;
    (session, load)
}

/// # Panics
/// When it took longer than the driver may wait between two tries.
fn assert_in_time(recovery: std::time::Duration) {
    let limit = MAX_BACKOFF + HANDSHAKE;
    assert!(
        recovery <= limit,
        "connected again after {recovery:?}, {limit:?} allowed"
    );
}
