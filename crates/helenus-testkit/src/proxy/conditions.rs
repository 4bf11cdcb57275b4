//! What is done to frames: conditions that hold, and strikes that hit one.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What holds in one direction of all connections, until it is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conditions {
    /// Each frame waits for a time between these two. Frames stay in order.
    pub delay: Option<(Duration, Duration)>,
    /// Bytes in a second, of each connection.
    pub bandwidth: Option<u32>,
    /// So many frames are put in another order, by chance; fewer when no more arrive within [`Conditions::PATIENCE`].
    /// Segments that carry a part of an envelope keep their places.
    pub reorder: Option<usize>,
    /// Nothing is passed on, not even the end of the connection; what arrives waits. The other direction goes on: the
    /// connection is half open.
    pub held: bool,
    /// The sender is not read from: the kernel's buffers fill, and it can send no more.
    pub unread: bool,
}

impl Conditions {
    /// How long frames wait for others to be put in another order with.
    pub const PATIENCE: Duration = Duration::from_millis(5);
}

/// What is done to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strike {
    /// Only its first bytes are passed on, so many of them; then the connection is closed.
    Cut(usize),
    /// The same, and the connection ends with a TCP reset.
    Reset(usize),
    /// One bit of this part is flipped; which one is up to the seed. A part that the frame does not have is left alone.
    Flip(Part),
    /// It is not passed on.
    Lose,
    /// It is passed on twice.
    Repeat,
}

/// A part of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The header, of a segment without its checksum.
    Header,
    /// CRC24, of segments.
    HeaderChecksum,
    /// The body of an envelope, the payload of a segment.
    Payload,
    /// CRC32, of segments.
    PayloadChecksum,
}

impl Part {
    /// All parts of a segment.
    pub const ALL: [Self; 4] = [
        Self::Header,
        Self::HeaderChecksum,
        Self::Payload,
        Self::PayloadChecksum,
    ];
}

/// One direction of a proxy.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) conditions: watch::Sender<Conditions>,
    /// Each with the number of frames that pass before it.
    strikes: Mutex<VecDeque<(usize, Strike)>>,
}

impl Side {
    pub(super) fn plan(&self, frames: usize, strike: Strike) {
        self.strikes().push_back((frames, strike));
    }

    pub(super) fn forget_strikes(&self) {
        self.strikes().clear();
    }

    /// What is done to the frame that passes now.
    pub(super) fn next_strike(&self) -> Option<Strike> {
        let mut strikes = self.strikes();
        let (frames, _) = strikes.front_mut()?;
        match frames.checked_sub(1) {
            Some(left) => {
                *frames = left;
                None
            }
            None => strikes.pop_front().map(|(_, strike)| strike),
        }
    }

    fn strikes(&self) -> MutexGuard<'_, VecDeque<(usize, Strike)>> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
