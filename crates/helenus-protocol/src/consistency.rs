//! Consistency levels: `[consistency]`, native protocol §3.

use std::fmt;

use crate::ProtocolError;

/// How many replicas must answer before a request succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ConsistencyLevel {
    /// Any node, a hint counts. Writes only.
    Any = 0x0000,
    /// One replica.
    One = 0x0001,
    /// Two replicas.
    Two = 0x0002,
    /// Three replicas.
    Three = 0x0003,
    /// A majority of all replicas.
    Quorum = 0x0004,
    /// All replicas.
    All = 0x0005,
    /// A majority of the replicas in the local datacenter.
    LocalQuorum = 0x0006,
    /// A majority of the replicas in each datacenter.
    EachQuorum = 0x0007,
    /// Linearizable, over all datacenters. Serial consistency, and reads that see uncommitted LWTs through.
    Serial = 0x0008,
    /// Linearizable within the local datacenter.
    LocalSerial = 0x0009,
    /// One replica in the local datacenter. The default of the driver.
    LocalOne = 0x000A,
}

impl ConsistencyLevel {
    /// All levels, in the order of their codes.
    pub const ALL: [Self; 11] = [
        Self::Any,
        Self::One,
        Self::Two,
        Self::Three,
        Self::Quorum,
        Self::All,
        Self::LocalQuorum,
        Self::EachQuorum,
        Self::Serial,
        Self::LocalSerial,
        Self::LocalOne,
    ];

    /// The code on the wire.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// The level with this code.
    ///
    /// # Errors
    /// [`ProtocolError::UnknownConsistency`] when there is none.
    pub fn from_code(code: u16) -> Result<Self, ProtocolError> {
        Self::ALL
            .get(usize::from(code))
            .copied()
            .ok_or(ProtocolError::UnknownConsistency { code })
    }

    /// Whether this level may stand as the serial consistency of a conditional statement.
    pub fn is_serial(self) -> bool {
        matches!(self, Self::Serial | Self::LocalSerial)
    }

    /// Whether this level counts replicas of the local datacenter only.
    pub fn is_datacenter_local(self) -> bool {
        matches!(self, Self::LocalOne | Self::LocalQuorum | Self::LocalSerial)
    }
}

impl fmt::Display for ConsistencyLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "ANY",
            Self::One => "ONE",
            Self::Two => "TWO",
            Self::Three => "THREE",
            Self::Quorum => "QUORUM",
            Self::All => "ALL",
            Self::LocalQuorum => "LOCAL_QUORUM",
            Self::EachQuorum => "EACH_QUORUM",
            Self::Serial => "SERIAL",
            Self::LocalSerial => "LOCAL_SERIAL",
            Self::LocalOne => "LOCAL_ONE",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_levels_map_one_to_one() {
        for (index, level) in ConsistencyLevel::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(level.code()), index);
            assert_eq!(ConsistencyLevel::from_code(level.code()), Ok(level));
        }
        assert_eq!(
            ConsistencyLevel::from_code(11),
            Err(ProtocolError::UnknownConsistency { code: 11 })
        );
    }
}
