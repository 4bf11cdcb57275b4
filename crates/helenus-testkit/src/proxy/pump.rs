//! Frames from one socket to the other, under the conditions of the moment.
//!
//! Each direction is read by one half and written by another, with a bounded queue between: a delay costs latency and no throughput, and
//! a direction that is held fills the queue, then the kernel's buffers, then the sender.

use std::io;

use helenus_protocol::Direction;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::conditions::{Conditions, Side};
use super::frame::{Agreement, Cutter, Frame};
use super::{Counts, Shared, Strike};

/// Frames that may wait between the halves of one direction.
const QUEUE: usize = 256;

/// With a limited bandwidth this part of a second's bytes is written at once.
const BURST: u32 = 100;

/// A frame, and when it arrived.
type Arrived = (Instant, Frame);

/// Why a direction ended.
enum End {
    Closed,
    Reset,
}

/// Passes frames on in both directions until one ends. Returns whether by a reset.
pub(super) async fn both_ways(
    number: u64,
    client: &mut TcpStream,
    node: &mut TcpStream,
    shared: &Shared,
) -> bool {
    let agreement = Agreement::default();
    let (client_reads, client_writes) = client.split();
    let (node_reads, node_writes) = node.split();
    let pump = |direction, reads, writes| {
        Pump {
            direction,
            side: shared.side(direction),
            shared,
            agreement: &agreement,
            chance: StdRng::seed_from_u64(
                shared.seed ^ (number << 1 | u64::from(direction == Direction::Response)),
            ),
        }
        .run(reads, writes)
    };
    let end = tokio::select! {
        end = pump(Direction::Request, client_reads, node_writes) => end,
        end = pump(Direction::Response, node_reads, client_writes) => end,
    };
    matches!(end, End::Reset)
}

/// One direction of a connection.
struct Pump<'a> {
    direction: Direction,
    side: &'a Side,
    shared: &'a Shared,
    agreement: &'a Agreement,
    chance: StdRng,
}

impl Pump<'_> {
    async fn run(mut self, reads: ReadHalf<'_>, mut writes: WriteHalf<'_>) -> End {
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        let read = read(
            reads,
            Cutter::new(self.direction, self.agreement),
            self.side,
            sender,
        );
        let write = async {
            match self.write(&mut receiver, &mut writes).await {
                Ok(end) => end,
                // The other peer is gone.
                Err(_) => End::Closed,
            }
        };
        let mut write = std::pin::pin!(write);
        tokio::select! {
            end = &mut write => end,
            () = read => write.await,
        }
    }

    async fn write(
        &mut self,
        receiver: &mut mpsc::Receiver<Arrived>,
        writes: &mut WriteHalf<'_>,
    ) -> io::Result<End> {
        while let Some(frames) = self.next_frames(receiver).await {
            for (arrived, frame) in frames {
                let strike = self.side.next_strike();
                self.wait(arrived).await;
                self.pass(&frame, strike, writes).await?;
                self.count(strike);
                match strike {
                    Some(Strike::Cut(_)) => return Ok(End::Closed),
                    Some(Strike::Reset(_)) => return Ok(End::Reset),
                    _ => {}
                }
            }
        }
        // The end waits as well.
        self.released().await;
        Ok(End::Closed)
    }

    /// The next frame, or the next few in another order.
    async fn next_frames(&mut self, receiver: &mut mpsc::Receiver<Arrived>) -> Option<Vec<Arrived>> {
        let mut frames = vec![receiver.recv().await?];
        let Some(count) = self.side.conditions.borrow().reorder else {
            return Some(frames);
        };
        let patience = tokio::time::sleep(Conditions::PATIENCE);
        let mut patience = std::pin::pin!(patience);
        while frames.len() < count {
            tokio::select! {
                frame = receiver.recv() => match frame {
                    Some(frame) => frames.push(frame),
                    None => break,
                },
                () = &mut patience => break,
            }
        }
        if frames.iter().all(|(_, frame)| frame.is_movable()) {
            frames.shuffle(&mut self.chance);
        }
        Some(frames)
    }

    /// Until a frame may pass that arrived then.
    async fn wait(&mut self, arrived: Instant) {
        let delay = self.side.conditions.borrow().delay;
        if let Some((least, most)) = delay {
            let delay = self.chance.random_range(least..=most.max(least));
            tokio::time::sleep_until(arrived + delay).await;
        }
        self.released().await;
    }

    async fn released(&self) {
        // The sender lives as long as `self`.
        let _ = self
            .side
            .conditions
            .subscribe()
            .wait_for(|conditions| !conditions.held)
            .await;
    }

    async fn pass(
        &mut self,
        frame: &Frame,
        strike: Option<Strike>,
        writes: &mut WriteHalf<'_>,
    ) -> io::Result<()> {
        let bytes = &frame.bytes;
        match strike {
            None => self.send(bytes, writes).await,
            Some(Strike::Lose) => Ok(()),
            Some(Strike::Cut(keep) | Strike::Reset(keep)) => {
                self.send(&bytes[..keep.min(bytes.len())], writes).await
            }
            Some(Strike::Repeat) => {
                self.send(bytes, writes).await?;
                self.send(bytes, writes).await
            }
            Some(Strike::Flip(part)) => {
                let mut bytes = bytes.to_vec();
                if let Some(part) = bytes.get_mut(frame.part(part)).filter(|part| !part.is_empty()) {
                    let bit = self.chance.random_range(0..part.len() * 8);
                    part[bit / 8] ^= 1 << (bit % 8);
                }
                self.send(&bytes, writes).await
            }
        }
    }

    async fn send(&self, bytes: &[u8], writes: &mut WriteHalf<'_>) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let bandwidth = self.side.conditions.borrow().bandwidth;
            let Some(bandwidth) = bandwidth.map(|bandwidth| bandwidth.max(1)) else {
                return writes.write_all(rest).await;
            };
            let burst = (bandwidth / BURST).max(1);
            let (now, later) = rest.split_at(rest.len().min(usize::try_from(burst).unwrap_or(usize::MAX)));
            writes.write_all(now).await?;
            // Exact: at most a second's bytes were written.
            let written = u32::try_from(now.len()).unwrap_or(bandwidth);
            tokio::time::sleep(std::time::Duration::from_secs(1) * written / bandwidth).await;
            rest = later;
        }
        Ok(())
    }

    fn count(&self, strike: Option<Strike>) {
        let whole = matches!(strike, None | Some(Strike::Flip(_) | Strike::Repeat));
        let direction = self.direction;
        self.shared.counts.send_modify(|counts: &mut Counts| {
            counts.strikes += u64::from(strike.is_some());
            match direction {
                Direction::Request => counts.requests += u64::from(whole),
                Direction::Response => counts.responses += u64::from(whole),
            }
        });
    }
}

/// Reads frames into the queue until the sender has no more, or nobody wants them.
async fn read(mut reads: ReadHalf<'_>, mut cutter: Cutter<'_>, side: &Side, sender: mpsc::Sender<Arrived>) {
    let mut conditions = side.conditions.subscribe();
    loop {
        // Senders of conditions live longer than connections: waiting for one cannot fail.
        let _ = conditions.wait_for(|conditions| !conditions.unread).await;
        tokio::select! {
            biased;
            _ = conditions.wait_for(|conditions| conditions.unread) => continue,
            count = reads.read_buf(cutter.buffer()) => match count {
                Ok(count) if count > 0 => {}
                _ => break,
            },
        }
        while let Some(frame) = cutter.next() {
            if sender.send((Instant::now(), frame)).await.is_err() {
                return;
            }
        }
    }
    if let Some(rest) = cutter.rest() {
        // Nobody waits for it when the other end is gone.
        let _ = sender.send((Instant::now(), rest)).await;
    }
}
