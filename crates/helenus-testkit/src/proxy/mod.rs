//! A proxy between a driver and a node that understands the framing of the native protocol, and breaks it on demand.
//!
//! A [`Proxy`] cuts both directions of each connection into [frames](Frame): bare envelopes (native protocol v3 and v4 §2) and,
//! once STARTUP has been answered in v5, segments (v5 §2.2). What happens to them is said in two ways: [`Conditions`]
//! hold until they are changed (delay, bandwidth, reordering, a direction held, a peer that is not read from); a [`Strike`] hits
//! one frame (cut, reset, a flipped bit, loss). The cutting is done here and not by the driver's codec, so that a mistake
//! there is not made twice.
//!
//! What is left to chance comes from a seed, and is the same for the same seed and the same frames.

mod commands;
mod conditions;
mod frame;
mod pump;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use helenus_protocol::Direction;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use commands::CommandError;
pub use conditions::{Conditions, Part, Strike};
pub use frame::{Frame, FrameKind};

use conditions::Side;

/// A proxy before one node. It serves until it is dropped.
///
/// ```
/// # async fn example(node: std::net::SocketAddr) -> std::io::Result<()> {
/// use helenus_protocol::Direction;
/// use helenus_testkit::proxy::{Part, Proxy, Strike};
///
/// let proxy = Proxy::start(node, 42).await?;
/// // ... connect a driver to proxy.address() ...
/// proxy.strike(Direction::Response, Strike::Flip(Part::PayloadChecksum));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// What has passed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now.
    pub open: usize,
    /// Whole frames sent on to the node.
    pub requests: u64,
    /// Whole frames sent on to the client.
    pub responses: u64,
    /// Strikes that hit.
    pub strikes: u64,
}

/// What the connections share.
#[derive(Debug)]
struct Shared {
    node: SocketAddr,
    seed: u64,
    requests: Side,
    responses: Side,
    counts: watch::Sender<Counts>,
    /// How often all connections were closed, and whether the last time by a reset.
    closings: watch::Sender<(u64, bool)>,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes everything on to `node`.
    ///
    /// # Errors
    /// [`io::Error`] when no port can be bound.
    pub async fn start(node: SocketAddr, seed: u64) -> io::Result<Self> {
        Self::start_on((IpAddr::V4(Ipv4Addr::LOCALHOST), 0).into(), node, seed).await
    }

    /// Listens on this address.
    ///
    /// # Errors
    /// [`io::Error`] when it cannot be bound.
    pub async fn start_on(listen: SocketAddr, node: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            node,
            seed,
            requests: Side::default(),
            responses: Side::default(),
            counts: watch::Sender::default(),
            closings: watch::Sender::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            shared,
            address,
            accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What chance is made from.
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// What holds in this direction.
    pub fn conditions(&self, direction: Direction) -> Conditions {
        self.shared.side(direction).conditions.borrow().clone()
    }

    /// Changes what holds in this direction, for all connections, from here on.
    pub fn change(&self, direction: Direction, change: impl FnOnce(&mut Conditions)) {
        self.shared.side(direction).conditions.send_modify(change);
    }

    /// The next frame of this direction, of any connection, is struck. Strikes wait for each other.
    pub fn strike(&self, direction: Direction, strike: Strike) {
        self.strike_after(0, direction, strike);
    }

    /// The same, after so many frames that pass unharmed.
    pub fn strike_after(&self, frames: usize, direction: Direction, strike: Strike) {
        self.shared.side(direction).plan(frames, strike);
    }

    /// Ends all conditions, and forgets strikes that have hit nothing.
    pub fn clear(&self) {
        for direction in [Direction::Request, Direction::Response] {
            self.shared.side(direction).forget_strikes();
            self.change(direction, |conditions| *conditions = Conditions::default());
        }
    }

    /// Closes all connections, by a TCP reset if asked for. New ones are accepted.
    pub fn close_connections(&self, reset: bool) {
        self.shared
            .closings
            .send_modify(|(count, last)| (*count, *last) = (*count + 1, reset));
    }

    /// What has passed so far.
    pub fn counts(&self) -> Counts {
        *self.shared.counts.borrow()
    }

    /// Returns as soon as `holds` does.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn wait_until(&self, holds: impl Fn(&Counts) -> bool) {
        // The sender lives as long as `self`.
        let _ = self
            .shared
            .counts
            .subscribe()
            .wait_for(|counts| holds(counts))
            .await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.close_connections(false);
    }
}

impl Shared {
    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Request => &self.requests,
            Direction::Response => &self.responses,
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut number = 0;
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                shared.counts.send_modify(|counts| {
                    counts.accepted += 1;
                    counts.open += 1;
                });
                tokio::spawn(serve(number, client, Arc::clone(&shared)));
                number += 1;
            }
            Err(error) => {
                tracing::warn!(%error, "proxy cannot accept");
                return;
            }
        }
    }
}

async fn serve(number: u64, mut client: TcpStream, shared: Arc<Shared>) {
    let mut closings = shared.closings.subscribe();
    let begun = *closings.borrow_and_update();
    let closed = async {
        // The sender lives as long as `shared`.
        match closings.wait_for(|closings| closings.0 != begun.0).await {
            Ok(closings) => closings.1,
            Err(_) => false,
        }
    };
    let connected = async {
        let mut node = TcpStream::connect(shared.node).await?;
        client.set_nodelay(true)?;
        node.set_nodelay(true)?;
        let reset = pump::both_ways(number, &mut client, &mut node, &shared).await;
        Ok::<_, io::Error>((node, reset))
    };
    tokio::select! {
        reset = closed => end(&[&client], reset),
        result = connected => match result {
            Ok((node, reset)) => end(&[&client, &node], reset),
            // As if nobody listened here.
            Err(_) => end(&[&client], true),
        }
    }
    shared.counts.send_modify(|counts| counts.open -= 1);
}

/// What happens when the sockets are dropped: FIN, or a reset.
fn end(sockets: &[&TcpStream], reset: bool) {
    if reset {
        for socket in sockets {
            // A failure means that the connection is gone already.
            let _ = socket2::SockRef::from(*socket).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}
