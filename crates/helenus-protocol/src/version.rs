//! Protocol versions, and one table of what each of them can do.
//!
//! Code asks [`ProtocolVersion::features`] instead of comparing versions, so that a difference between versions stands in
//! exactly one place. Sources: native_protocol_v3, v4 and v5 specifications; the DSE extensions for DSE_V1 and DSE_V2.

use std::fmt;

/// A version of the native protocol that this crate speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ProtocolVersion {
    /// Version 3 (Cassandra 2.1 and later).
    V3,
    /// Version 4 (Cassandra 2.2 and later).
    V4,
    /// Version 5, with checksummed segments (Cassandra 4.0 and later).
    V5,
    /// DSE_V1, 0x41 (DSE 5.1 and later).
    DseV1,
    /// DSE_V2, 0x42 (DSE 6.0 and later).
    DseV2,
}

impl ProtocolVersion {
    /// All versions, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::V3, Self::V4, Self::V5, Self::DseV1, Self::DseV2];

    /// The version with this number, without the direction bit; `None` for one that this crate does not speak.
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            3 => Self::V3,
            4 => Self::V4,
            5 => Self::V5,
            0x41 => Self::DseV1,
            0x42 => Self::DseV2,
            _ => return None,
        })
    }

    /// The number that stands in the first byte of an envelope (without the direction bit).
    pub fn number(self) -> u8 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
            Self::DseV1 => 0x41,
            Self::DseV2 => 0x42,
        }
    }

    /// What this version can do.
    pub fn features(self) -> &'static Features {
        match self {
            Self::V3 => &V3,
            Self::V4 => &V4,
            Self::V5 => &V5,
            Self::DseV1 => &DSE_V1,
            Self::DseV2 => &DSE_V2,
        }
    }

    /// The next version to try when a server refuses this one; `None` when there is none.
    pub fn lower(self) -> Option<Self> {
        match self {
            Self::DseV2 => Some(Self::DseV1),
            Self::DseV1 => Some(Self::V4),
            Self::V5 => Some(Self::V4),
            Self::V4 => Some(Self::V3),
            Self::V3 => None,
        }
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3 => "v3",
            Self::V4 => "v4",
            Self::V5 => "v5",
            Self::DseV1 => "DSE_V1",
            Self::DseV2 => "DSE_V2",
        })
    }
}

/// Whether PREPARED and EXECUTE carry a result metadata id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataIdSupport {
    /// The version has none: skipping result metadata is only safe when the columns cannot change.
    Absent,
    /// PREPARED carries one, EXECUTE sends it back, and Rows may announce a new one.
    Present,
}

/// What a protocol version can do. One row of the table in the protocol notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// Envelopes travel inside checksummed segments once STARTUP has been answered (v5 §2).
    pub segments: bool,
    /// Snappy may be negotiated (LZ4 may be with every version).
    pub snappy: bool,
    /// Query and batch flags are an `[int]`; a `[byte]` otherwise.
    pub wide_flags: bool,
    /// A bound value may be unset (length -2).
    pub unset_values: bool,
    /// Responses may carry warnings (header flag 0x08).
    pub warnings: bool,
    /// Envelopes may carry a custom payload (header flag 0x04).
    pub custom_payload: bool,
    /// PREPARED lists the bind markers that make up the partition key.
    pub partition_key_indexes: bool,
    /// QUERY, PREPARE, EXECUTE and BATCH may name a keyspace; PREPARE has flags.
    pub keyspace_per_request: bool,
    /// QUERY, EXECUTE and BATCH may carry `now_in_seconds`.
    pub now_in_seconds: bool,
    /// Whether PREPARED and EXECUTE carry a result metadata id.
    pub result_metadata_id: MetadataIdSupport,
    /// READ_FAILURE and WRITE_FAILURE list reasons by node; a count otherwise (v4) or nothing (v3 has no such errors).
    pub failure_reasons_by_node: bool,
    /// WRITE_TIMEOUT of type CAS ends with a `[short]` of contentions.
    pub cas_contentions: bool,
    /// Type code 0x15 is duration; a custom class name otherwise.
    pub duration_type: bool,
    /// `smallint`, `tinyint`, `date` and `time` have type codes; version 3 knows them as custom class names only.
    pub small_and_date_types: bool,
    /// DSE continuous paging: page size in bytes, continuous paging options in QUERY and EXECUTE, CANCEL.
    pub continuous_paging: bool,
    /// DSE_V2: continuous paging options carry `next_pages`, and REVISE may ask for more pages.
    pub continuous_paging_backpressure: bool,
}

const V3: Features = Features {
    segments: false,
    snappy: true,
    wide_flags: false,
    unset_values: false,
    warnings: false,
    custom_payload: false,
    partition_key_indexes: false,
    keyspace_per_request: false,
    now_in_seconds: false,
    result_metadata_id: MetadataIdSupport::Absent,
    failure_reasons_by_node: false,
    cas_contentions: false,
    duration_type: false,
    small_and_date_types: false,
    continuous_paging: false,
    continuous_paging_backpressure: false,
};

const V4: Features = Features {
    unset_values: true,
    warnings: true,
    custom_payload: true,
    partition_key_indexes: true,
    small_and_date_types: true,
    ..V3
};

const V5: Features = Features {
    segments: true,
    snappy: false,
    wide_flags: true,
    keyspace_per_request: true,
    now_in_seconds: true,
    result_metadata_id: MetadataIdSupport::Present,
    failure_reasons_by_node: true,
    cas_contentions: true,
    duration_type: true,
    ..V4
};

const DSE_V1: Features = Features {
    wide_flags: true,
    failure_reasons_by_node: true,
    duration_type: true,
    continuous_paging: true,
    ..V4
};

const DSE_V2: Features = Features {
    keyspace_per_request: true,
    result_metadata_id: MetadataIdSupport::Present,
    continuous_paging_backpressure: true,
    ..DSE_V1
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_found_by_its_number() {
        for version in ProtocolVersion::ALL {
            assert_eq!(ProtocolVersion::from_number(version.number()), Some(version));
        }
        assert_eq!(ProtocolVersion::from_number(2), None);
        assert_eq!(ProtocolVersion::from_number(6), None);
    }

    #[test]
    fn downgrades_end_at_v3() {
        for version in ProtocolVersion::ALL {
            let mut at = version;
            let mut steps = 0;
            while let Some(next) = at.lower() {
                at = next;
                steps += 1;
            }
            assert_eq!(at, ProtocolVersion::V3);
            assert!(steps < 5);
        }
    }
}
