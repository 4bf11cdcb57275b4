//! Murmur3 as Cassandra's `Murmur3Partitioner` computes it: the first half of the 128-bit hash for 64-bit machines.
//!
//! It differs from the reference in one way: the bytes of an incomplete last block count as signed. No crate has it so.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The token of a partition key. `i64::MIN` is no token: the partitioner gives `i64::MAX` instead.
pub(super) fn token(key: &[u8]) -> i64 {
    match hash(key) {
        i64::MIN => i64::MAX,
        token => token,
    }
}

fn hash(key: &[u8]) -> i64 {
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let (blocks, tail) = key.as_chunks::<16>();
    for block in blocks {
        let block = u128::from_le_bytes(*block);
        let (k1, k2) = (low(block), low(block >> 64));
        h1 ^= scramble(k1, C1, 31, C2);
        h1 = (h1.rotate_left(27).wrapping_add(h2))
            .wrapping_mul(5)
            .wrapping_add(0x52dc_e729);
        h2 ^= scramble(k2, C2, 33, C1);
        h2 = (h2.rotate_left(31).wrapping_add(h1))
            .wrapping_mul(5)
            .wrapping_add(0x3849_5ab5);
    }
    let (first, second) = tail.split_at(tail.len().min(8));
    if !second.is_empty() {
        h2 ^= scramble(signed(second), C2, 33, C1);
    }
    if !first.is_empty() {
        h1 ^= scramble(signed(first), C1, 31, C2);
    }
    let length = key.len() as u64;
    h1 ^= length;
    h2 ^= length;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    mix(h1).wrapping_add(mix(h2)).cast_signed()
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
fn low(block: u128) -> u64 {
    block as u64
}

fn scramble(k: u64, first: u64, rotation: u32, second: u64) -> u64 {
    k.wrapping_mul(first).rotate_left(rotation).wrapping_mul(second)
}

/// Bytes of the tail: each is extended with its sign before it is shifted into its place.
fn signed(bytes: &[u8]) -> u64 {
    let shifted = |(at, byte): (usize, &u8)| i64::from(byte.cast_signed()) << (8 * at);
    bytes
        .iter()
        .enumerate()
        .map(shifted)
        .fold(0, |all, one| all ^ one)
        .cast_unsigned()
}

fn mix(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTORS: [(u32, i64); 9] = [
        (0, 0),
        (1, 8_767_593_904_841_234_184),
        (7, 6_848_258_939_198_013_424),
        (8, 6_825_294_896_896_719_330),
        (9, 712_808_515_514_910_092),
        (15, -6_264_688_551_098_331_046),
        (16, 98_493_579_079_920_379),
        (17, 468_209_433_970_893_934),
        (33, -1_327_470_326_574_766_236),
    ];

    #[test]
    fn keys_of_all_lengths_hash_as_on_the_server() {
        // What `token(key)` gives, for keys of so many bytes of which most are negative.
        for (length, expected) in VECTORS {
            let key: Vec<u8> = (0..length)
                .map(|at: u32| (at * 37 + 200).to_le_bytes()[0])
                .collect();
            assert_eq!(token(&key), expected, "{length} bytes");
        }
    }
}
