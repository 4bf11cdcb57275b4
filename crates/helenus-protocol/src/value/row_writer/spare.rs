//! Buffers of rows that were sent, for rows to come: a few for each thread, so that most requests need no allocation.

use std::cell::{Cell, RefCell};

/// Buffers kept for each thread.
const KEPT: usize = 32;
/// Larger ones are not kept.
const LARGEST: usize = 1024;

thread_local! {
    static SPARE: Spare = const {
        Spare {
            last: Cell::new(Vec::new()),
            others: RefCell::new(Vec::new()),
        }
    };
}

struct Spare {
    /// The one that was given last, which most often is the one that is taken next.
    last: Cell<Vec<u8>>,
    others: RefCell<Vec<Vec<u8>>>,
}

/// An empty buffer with room for so many bytes.
#[inline]
pub(super) fn take(room: usize) -> Vec<u8> {
    // A thread that is ending has none any more.
    let last = SPARE.try_with(|spare| spare.last.take());
    match last {
        Ok(buffer) if buffer.capacity() >= room => buffer,
        Ok(last) => take_another(room, last),
        Err(_) => Vec::with_capacity(room),
    }
}

/// Keeps a buffer for later, or frees it.
#[inline]
pub(super) fn give(mut buffer: Vec<u8>) {
    if !(1..=LARGEST).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    let _ = SPARE.try_with(|spare| {
        let before = spare.last.replace(buffer);
        if before.capacity() > 0 {
            let mut others = spare.others.borrow_mut();
            if others.len() < KEPT - 1 {
                others.push(before);
            }
        }
    });
}

/// When the last one has not the room.
#[cold]
fn take_another(room: usize, _too_small: Vec<u8>) -> Vec<u8> {
    let other = SPARE.try_with(|spare| spare.others.borrow_mut().pop());
    match other {
        Ok(Some(buffer)) if buffer.capacity() >= room => buffer,
        _ => Vec::with_capacity(room),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacities(buffers: &[Vec<u8>]) -> Vec<usize> {
        buffers.iter().map(Vec::capacity).collect()
    }

    #[test]
    fn small_buffers_are_used_again_a_few_are_kept_and_large_ones_are_not() {
        let mut buffer = take(100);
        buffer.extend_from_slice(b"values");
        let place = buffer.as_ptr();
        give(buffer);
        let again = take(50);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        give(again);
        let larger = take(101);
        assert_ne!(larger.as_ptr(), place, "it is too small");

        give(Vec::with_capacity(LARGEST + 1));
        give(Vec::new());
        (0..2 * KEPT).for_each(|_| give(Vec::with_capacity(8)));
        assert_eq!(
            SPARE.with(|spare| (spare.last.take().capacity(), capacities(&spare.others.borrow()))),
            (8, vec![8; KEPT - 1])
        );
    }
}
