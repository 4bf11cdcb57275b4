//! The flags of QUERY, EXECUTE and BATCH, and which version knows which.
//!
//! Native protocol v3 and v4 §4.1.4 (`[byte]`); v5 §4.1.4 and DSE (`[int]`). Bits keep their meaning over all versions.

use super::not_supported;
use super::parameters::{CONTINUOUS_PAGING, KEYSPACE, NOW_IN_SECONDS, PAGE_SIZE_IN_BYTES};
use crate::notation::write;
use crate::{EncodeError, ProtocolError, ProtocolVersion, Reader};

/// Writes the flags.
///
/// # Errors
/// [`EncodeError::NotSupported`] when the version does not know one of them.
pub(super) fn encode_flags(
    flags: u32,
    version: ProtocolVersion,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let features = version.features();
    let refused = flags & !known(version);
    if refused != 0 {
        return Err(not_supported(name(refused), version));
    }
    if features.wide_flags {
        write::int(out, flags as i32);
    } else {
        // What is known without wide flags is below 0x80.
        write::byte(out, flags as u8);
    }
    Ok(())
}

/// Reads the flags. Bits that the version does not know are taken for clear: nothing stands in the body for them.
pub(super) fn decode_flags(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<u32, ProtocolError> {
    let flags = match version.features().wide_flags {
        true => reader.read_int("flags")? as u32,
        false => reader.read_byte("flags")?.into(),
    };
    Ok(flags & known(version))
}

fn known(version: ProtocolVersion) -> u32 {
    let features = version.features();
    let mut known = 0x7F;
    if features.keyspace_per_request {
        known |= KEYSPACE;
    }
    if features.now_in_seconds {
        known |= NOW_IN_SECONDS;
    }
    if features.continuous_paging {
        known |= PAGE_SIZE_IN_BYTES | CONTINUOUS_PAGING;
    }
    known
}

fn name(refused: u32) -> &'static str {
    if refused & KEYSPACE != 0 {
        "a keyspace per request"
    } else if refused & NOW_IN_SECONDS != 0 {
        "now_in_seconds"
    } else if refused & PAGE_SIZE_IN_BYTES != 0 {
        "a page size in bytes"
    } else {
        "continuous paging"
    }
}
