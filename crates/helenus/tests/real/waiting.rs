//! Waiting for what a test has set going: looked at often, within a limit, never for a fixed time.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use helenus::Session;
use tokio::task::JoinHandle;

const LOOK: Duration = Duration::from_millis(10);

/// Returns when `holds` does.
///
/// # Panics
/// When it does not within `limit`.
pub(crate) async fn eventually(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the driver has a connection to the node at this address.
pub(crate) fn is_up(session: &Session, address: SocketAddr) -> bool {
    let state = session.state();
    state
        .nodes()
        .iter()
        .any(|node| node.address() == Some(address) && node.is_up() == Some(true))
}

/// Watches how long the driver takes to connect to a node again, from the moment its port takes connections.
pub(crate) fn recovery(session: &Session, address: SocketAddr) -> JoinHandle<Duration> {
    let session = session.clone();
    tokio::spawn(async move {
        eventually("the node listens again", Duration::from_secs(240), || {
            TcpStream::connect_timeout(&address, LOOK).is_ok()
        })
        .await;
        let back = Instant::now();
        eventually("the driver is connected again", Duration::from_secs(120), || {
            is_up(&session, address)
        })
        .await;
        back.elapsed()
    })
}

/// Runs what blocks beside the requests.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
