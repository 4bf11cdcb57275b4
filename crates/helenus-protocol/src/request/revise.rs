//! REVISE: act on running continuous paging.
//!
//! DSE_V1 (there called CANCEL) and DSE_V2: `<operation><stream>[<next_pages>]`, all `[int]`.

use super::not_supported;
use crate::notation::write;
use crate::{EncodeError, ProtocolError, ProtocolVersion, Reader};

const CANCEL: i32 = 1;
const MORE_PAGES: i32 = 2;

/// Acts on running continuous paging, named by the stream id of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revise {
    /// Stop sending pages.
    Cancel {
        /// The stream id.
        stream: i32,
    },
    /// So many pages more may be sent (DSE_V2).
    MorePages {
        /// The stream id.
        stream: i32,
        /// How many.
        next_pages: i32,
    },
}

impl Revise {
    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !version.features().continuous_paging {
            return Err(not_supported("REVISE", version));
        }
        match *self {
            Self::Cancel { stream } => {
                write::int(out, CANCEL);
                write::int(out, stream);
            }
            Self::MorePages { stream, next_pages } => {
                if !version.features().continuous_paging_backpressure {
                    return Err(not_supported("a number of next pages", version));
                }
                write::int(out, MORE_PAGES);
                write::int(out, stream);
                write::int(out, next_pages);
            }
        }
        Ok(())
    }

    pub(super) fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        let features = version.features();
        if !features.continuous_paging {
            return Err(ProtocolError::UnknownOpcode { opcode: 0xFF });
        }
        match reader.read_int("revision")? {
            CANCEL => Ok(Self::Cancel {
                stream: reader.read_int("stream id")?,
            }),
            MORE_PAGES if features.continuous_paging_backpressure => Ok(Self::MorePages {
                stream: reader.read_int("stream id")?,
                next_pages: reader.read_int("next pages")?,
            }),
            code => Err(ProtocolError::UnknownCode {
                what: "revision",
                code: code.into(),
            }),
        }
    }
}
