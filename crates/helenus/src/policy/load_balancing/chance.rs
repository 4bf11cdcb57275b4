//! Numbers by chance for requests, without a lock: a sequence for each thread.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shard::{CacheLine, Shards};

/// SplitMix64: a Weyl sequence, its bits mixed. Not for secrets.
#[derive(Debug)]
pub(super) struct Chance(Shards<CacheLine<AtomicU64>>);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    pub(super) fn new() -> Self {
        let mut seed = rand::random::<u64>();
        Self(Shards::new(|| {
            seed = seed.wrapping_add(STEP);
            CacheLine(AtomicU64::new(seed))
        }))
    }

    pub(super) fn next(&self) -> u64 {
        mix(self.0.mine().0.fetch_add(STEP, Ordering::Relaxed))
    }
}

/// A number that looks like chance and is always the same for the same one.
pub(super) fn mix(mut number: u64) -> u64 {
    number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}
