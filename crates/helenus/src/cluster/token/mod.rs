//! Tokens: where on the ring a partition key belongs, by the cluster's partitioner, and which nodes have its replicas.
//!
//! The three partitioners of Cassandra are known: Murmur3 (the default since 1.2), Random and ByteOrdered. With another one
//! nothing is known about replicas, and requests go to any node.

mod map;
mod murmur3;
mod replication;
mod ring;

pub(crate) use map::TokenMap;
pub use replication::{ReplicationFactor, ReplicationStrategy};

use std::fmt;

/// How partition keys become tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Partitioner {
    /// `org.apache.cassandra.dht.Murmur3Partitioner`: signed 64-bit numbers.
    Murmur3,
    /// `org.apache.cassandra.dht.RandomPartitioner`: numbers from 0 to 2^127.
    Random,
    /// `org.apache.cassandra.dht.ByteOrderedPartitioner`: the key itself.
    ByteOrdered,
}

impl Partitioner {
    /// By the name of its class, with or without package, as `system.local` says it; `None` when it is none of the three.
    pub fn from_class_name(name: &str) -> Option<Self> {
        match name.rsplit('.').next()? {
            "Murmur3Partitioner" => Some(Self::Murmur3),
            "RandomPartitioner" => Some(Self::Random),
            "ByteOrderedPartitioner" => Some(Self::ByteOrdered),
            _ => None,
        }
    }

    /// The token of a serialized partition key.
    pub fn token(self, partition_key: &[u8]) -> Token {
        match self {
            Self::Murmur3 => Token::Murmur3(murmur3::token(partition_key)),
            Self::Random => Token::Random(random(partition_key)),
            Self::ByteOrdered => Token::ByteOrdered(partition_key.into()),
        }
    }

    /// The token that the `system` tables write as this text; `None` when it is no token of this partitioner.
    pub fn parse(self, text: &str) -> Option<Token> {
        match self {
            Self::Murmur3 => text.parse().ok().map(Token::Murmur3),
            Self::Random => text.parse().ok().map(Token::Random),
            Self::ByteOrdered => from_hex(text).map(Token::ByteOrdered),
        }
    }
}

/// A place on the ring. Tokens of one partitioner are ordered as the ring is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Token {
    /// Of [`Partitioner::Murmur3`].
    Murmur3(i64),
    /// Of [`Partitioner::Random`].
    Random(u128),
    /// Of [`Partitioner::ByteOrdered`].
    ByteOrdered(Box<[u8]>),
}

impl fmt::Display for Token {
    /// As the `system` tables write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Murmur3(number) => number.fmt(f),
            Self::Random(number) => number.fmt(f),
            Self::ByteOrdered(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

/// The MD5 hash as a signed number of 128 bits, without its sign.
fn random(partition_key: &[u8]) -> u128 {
    use md5::{Digest, Md5};
    let hash: [u8; 16] = Md5::digest(partition_key).into();
    i128::from_be_bytes(hash).unsigned_abs()
}

fn from_hex(text: &str) -> Option<Box<[u8]>> {
    let text = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitioners_are_known_by_their_class_names() {
        for (name, partitioner) in [
            (
                "org.apache.cassandra.dht.Murmur3Partitioner",
                Partitioner::Murmur3,
            ),
            ("RandomPartitioner", Partitioner::Random),
            (
                "org.apache.cassandra.dht.ByteOrderedPartitioner",
                Partitioner::ByteOrdered,
            ),
        ] {
            assert_eq!(Partitioner::from_class_name(name), Some(partitioner));
        }
        assert_eq!(
            Partitioner::from_class_name("org.example.OrderPreservingPartitioner"),
            None
        );
    }

    #[test]
    fn tokens_print_as_they_are_parsed_and_others_are_refused() {
        for (partitioner, text) in [
            (Partitioner::Murmur3, "-9223372036854775808"),
            (Partitioner::Random, "170141183460469231731687303715884105728"),
            (Partitioner::ByteOrdered, "00ff7f"),
            (Partitioner::ByteOrdered, ""),
        ] {
            assert_eq!(partitioner.parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Partitioner::Murmur3.parse("9223372036854775808"), None);
        assert_eq!(Partitioner::Random.parse("-1"), None);
        assert_eq!(Partitioner::ByteOrdered.parse("0g"), None);
        assert_eq!(Partitioner::ByteOrdered.parse("abc"), None);
    }

    #[test]
    fn random_tokens_are_md5_hashes_without_sign() {
        // MD5 of "a" is 0cc175b9c0f1b6a831c399e269772661, of "" d41d8cd98f00b204e9800998ecf8427e: negative.
        assert_eq!(
            Partitioner::Random.token(b"a"),
            Token::Random(0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661)
        );
        let empty = 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e_u128.wrapping_neg();
        assert_eq!(Partitioner::Random.token(b""), Token::Random(empty));
    }
}
