//! Where received bytes go: one small buffer for most of them, and one of its own, of the right size, for each large body.
//!
//! The user holds large bodies as long as he likes. The connection keeps a handle on the last few of these buffers and
//! uses them again when nobody else does any more: without that every large answer would cost fresh pages of the system.
//! Invariants: announced lengths are believed up to [`LARGE_READ_SIZE`] only, more as bytes really arrive. A body up
//! to that takes at most a quarter more memory than it has bytes. What is kept is bounded, and given back when it is not used for [`KEPT_FOR`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{BufMut as _, BytesMut};
use helenus_protocol::InboundDecoder;
use tokio::io::AsyncRead;
use tokio_util::io::poll_read_buf;

/// Free bytes in the read buffer that a read begins with. Also: bodies (v5: segments) up to this length are read through it.
const READ_SIZE: usize = 64 * 1024;
/// The same on a connection whose answers are small and one by one: enough for those to requests of the driver itself.
pub(super) const IDLE_SIZE: usize = 1024;
/// Room made at once for an envelope that is still incomplete; more only as its bytes really arrive. Systems give memory
/// when it is written to: what a server announces and does not send costs addresses only.
const LARGE_READ_SIZE: usize = 32 * 1024 * 1024;
/// Large buffers kept: one with the user, one that is being read into.
const KEPT: usize = 2;
/// Larger buffers are not kept.
const KEPT_SIZE: usize = 2 * 1024 * 1024;
/// For how long unused buffers are kept.
const KEPT_FOR: Duration = Duration::from_secs(1);

/// Gives the decoder room to read into.
pub(super) struct ReadBuffers {
    /// Free bytes in the small buffer that a read begins with: [`IDLE_SIZE`] until more comes at once, then [`READ_SIZE`].
    room: usize,
    /// The small buffer and the size of the large one, while the decoder has a large one.
    large: Option<(BytesMut, usize)>,
    /// Handles, without bytes, on large buffers; with their sizes.
    kept: Vec<(BytesMut, usize)>,
    /// When a large buffer was used last.
    used: Option<Instant>,
}

impl Default for ReadBuffers {
    fn default() -> Self {
        Self {
            room: IDLE_SIZE,
            large: None,
            kept: Vec::new(),
            used: None,
        }
    }
}

impl ReadBuffers {
    /// Reads once, into the decoder.
    pub(super) fn poll_read(
        &mut self,
        read: &mut (dyn AsyncRead + Send + Unpin),
        decoder: &mut InboundDecoder,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let missing = decoder.missing();
        let buffer = decoder.buffer();
        let held = buffer.len();
        if self.large.is_none() && held + missing > READ_SIZE {
            let mut large = self.take(held + missing.min(LARGE_READ_SIZE));
            large.0.extend_from_slice(buffer);
            let mut small = std::mem::replace(buffer, large.0);
            small.clear();
            self.large = Some((small, large.1));
        }
        if let Some((_, size)) = &mut self.large {
            // Nothing beyond the body: the next one gets memory of its own.
            if buffer.capacity() == held {
                buffer.reserve(missing.min(held.max(LARGE_READ_SIZE)));
                *size = buffer.capacity();
            }
            return poll_read_buf(Pin::new(read), cx, &mut buffer.limit(missing.max(1)));
        }
        let wanted = if held == 0 { self.room } else { missing.max(1) };
        if buffer.capacity() - held < wanted {
            // The last read filled it, or ended within something that does not fit.
            if held != 0 || buffer.capacity() == 0 {
                self.room = READ_SIZE;
            }
            buffer.reserve(self.room);
        }
        poll_read_buf(Pin::new(read), cx, buffer)
    }

    /// The decoder has given everything that it has. Takes the large buffer back when its body came out.
    pub(super) fn handle_drained(&mut self, decoder: &mut InboundDecoder, now: Instant) {
        let buffer = decoder.buffer();
        if !buffer.is_empty() {
            return;
        }
        if let Some((small, size)) = self.large.take() {
            let large = std::mem::replace(buffer, small);
            self.keep(large, size, now);
        }
    }

    /// Gives back the memory that bursts needed, on a connection that is idle.
    pub(super) fn shrink(&mut self, decoder: &mut InboundDecoder) {
        let buffer = decoder.buffer();
        if self.room != IDLE_SIZE && self.large.is_none() && buffer.is_empty() {
            self.room = IDLE_SIZE;
            *buffer = BytesMut::with_capacity(IDLE_SIZE);
        }
    }

    /// When [`ReadBuffers::handle_timeout`] has something to do next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.used?.checked_add(KEPT_FOR)
    }

    /// Time has come this far.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|at| at <= now) {
            self.used = None;
            self.kept = Vec::new();
        }
    }

    /// An empty buffer for so many bytes, with its size.
    fn take(&mut self, wanted: usize) -> (BytesMut, usize) {
        let fits = |(buffer, size): &mut (BytesMut, usize)| {
            *size <= wanted + wanted / 4 && buffer.try_reclaim(wanted)
        };
        match self.kept.iter_mut().position(fits) {
            Some(index) => self.kept.swap_remove(index),
            None => {
                // Pages of one table are of nearly the same length.
                let size = wanted + wanted / 16;
                (BytesMut::with_capacity(size), size)
            }
        }
    }

    fn keep(&mut self, buffer: BytesMut, size: usize, now: Instant) {
        if size > KEPT_SIZE {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((buffer, size));
        self.used = Some(now);
    }
}

#[cfg(test)]
#[cfg(not(helenus_loom))]
mod tests {
    use helenus_protocol::{Direction, Envelope};

    use super::*;

    const BODY: usize = 1024 * 1024;

    /// A connection's reading half without a connection.
    struct Reader {
        buffers: ReadBuffers,
        decoder: InboundDecoder,
        now: Instant,
    }

    impl Reader {
        fn new() -> Self {
            Self {
                buffers: ReadBuffers::default(),
                decoder: InboundDecoder::new(Direction::Response),
                now: Instant::now(),
            }
        }

        /// Envelopes with bodies of these lengths arrive all at once.
        fn read(&mut self, lengths: &[usize]) -> Vec<Envelope> {
            let mut stream = Vec::new();
            for length in lengths {
                stream.extend_from_slice(&[0x84, 0, 0, 1, 8]);
                stream.extend_from_slice(&u32::try_from(*length).unwrap().to_be_bytes());
                stream.extend(std::iter::repeat_n(7, *length));
            }
            let mut rest = stream.as_slice();
            let mut envelopes = Vec::new();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            while !rest.is_empty() {
                let read = self.buffers.poll_read(&mut rest, &mut self.decoder, &mut cx);
                assert!(matches!(read, Poll::Ready(Ok(1..))));
                while let Some(envelope) = self.decoder.next().unwrap() {
                    assert!(envelope.body.iter().all(|byte| *byte == 7));
                    envelopes.push(envelope);
                }
                self.buffers.handle_drained(&mut self.decoder, self.now);
            }
            let found: Vec<_> = envelopes.iter().map(|envelope| envelope.body.len()).collect();
            assert_eq!(found, lengths);
            envelopes
        }
    }

    #[test]
    fn large_bodies_are_read_into_the_memory_of_earlier_ones_that_nobody_holds() {
        let mut reader = Reader::new();
        let place = |envelopes: &[Envelope]| envelopes[0].body.as_ptr();
        let first = reader.read(&[BODY]);
        let second = reader.read(&[BODY]);
        assert_ne!(place(&first), place(&second), "both are held");
        let freed = place(&first);
        drop(first);
        assert_eq!(place(&reader.read(&[BODY - 1000])), freed);
        assert_eq!(place(&reader.read(&[BODY + 1000])), freed);
        assert!(second[0].body.iter().all(|byte| *byte == 7));
    }

    #[test]
    fn a_body_does_not_hold_a_buffer_that_is_far_too_large() {
        let mut reader = Reader::new();
        let freed = reader.read(&[BODY])[0].body.as_ptr();
        let small = reader.read(&[BODY / 2]);
        assert_ne!(small[0].body.as_ptr(), freed);
    }

    #[test]
    fn bodies_of_all_lengths_follow_one_another() {
        let mut reader = Reader::new();
        reader.read(&[4, BODY, 4, 0, BODY, BODY, 70_000, 65_536, 65_527, 8_193, 8_192, 4]);
        reader.read(&[9 * BODY, 4, 40 * BODY, 4]);
    }

    #[test]
    fn an_idle_connection_holds_a_small_buffer_until_more_comes_at_once() {
        let mut reader = Reader::new();
        *reader.decoder.buffer() = BytesMut::with_capacity(IDLE_SIZE);
        for _ in 0..100 {
            reader.read(&[4, 300, 500]);
            assert!(reader.decoder.buffer().capacity() <= IDLE_SIZE);
        }
        for burst in [&[100; 50][..], &[IDLE_SIZE], &[IDLE_SIZE - 9]] {
            reader.read(burst);
            reader.read(&[4]);
            assert!(reader.decoder.buffer().capacity() > READ_SIZE / 2, "{burst:?}");
            reader.buffers.shrink(&mut reader.decoder);
            assert_eq!(reader.decoder.buffer().capacity(), IDLE_SIZE);
        }
    }

    #[test]
    fn a_buffer_with_the_beginning_of_an_answer_stays() {
        let mut reader = Reader::new();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut half = &[0x84, 0, 0, 1][..];
        let read = reader.buffers.poll_read(&mut half, &mut reader.decoder, &mut cx);
        assert!(matches!(read, Poll::Ready(Ok(4))));
        reader.buffers.shrink(&mut reader.decoder);
        assert_eq!(reader.decoder.buffer().as_ref(), [0x84, 0, 0, 1]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_given_back_when_it_is_not_used() {
        let mut reader = Reader::new();
        for _ in 0..5 {
            let held: Vec<_> = (0..5).map(|_| reader.read(&[BODY])).collect();
            drop(held);
            assert!(reader.buffers.kept.len() <= KEPT);
        }
        reader.read(&[9 * BODY]);
        assert!(reader.buffers.kept.iter().all(|(_, size)| *size <= KEPT_SIZE));
        let at = reader.buffers.poll_timeout().unwrap();
        reader.buffers.handle_timeout(at - Duration::from_millis(1));
        assert!(!reader.buffers.kept.is_empty());
        reader.buffers.handle_timeout(at);
        assert!(reader.buffers.kept.is_empty());
        assert_eq!(reader.buffers.poll_timeout(), None);
    }
}
