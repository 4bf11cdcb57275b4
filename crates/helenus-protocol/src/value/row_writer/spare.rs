//! Buffers of rows that were sent, for rows to come: a few for each thread, so that most requests need no allocation.

use std::cell::RefCell;

/// Buffers kept for each thread.
const KEPT: usize = 32;
/// Larger ones are not kept.
const LARGEST: usize = 1024;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for so many bytes.
#[inline]
pub(super) fn take(room: usize) -> Vec<u8> {
    // A thread that is ending has none any more.
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
    match spare {
        Ok(Some(buffer)) if buffer.capacity() >= room => buffer,
        _ => Vec::with_capacity(room),
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
        let mut spare = spare.borrow_mut();
        if spare.len() < KEPT {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

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
            SPARE.with_borrow(|spare| spare.iter().map(Vec::capacity).collect::<Vec<_>>()),
            [8; KEPT]
        );
    }
}
