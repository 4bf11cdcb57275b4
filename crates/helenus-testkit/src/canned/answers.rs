//! Encoded answers, made once for each protocol version and compression.
//!
//! Native protocol v3, v4 §2, v5 §2. Of a bare envelope the stream id (bytes 2 and 3) is all that differs from request to
//! request. Of a large envelope in segments only the first segment differs, by the stream id and the checksum.

use std::cell::OnceCell;

use bytes::Bytes;
use helenus_protocol::{
    Compression, EncodeError, ProtocolVersion, Response, ResponseEnvelope, ResultBody, SegmentEncoder,
};

use super::workload::Workload;

/// Answers longer than this travel as slices of what was encoded; shorter ones are copied.
const LARGE: usize = 16 * 1024;

/// Most payload of one segment (v5 §2.1).
const SEGMENT: usize = 131_071;

/// An encoded answer. Its first bytes are those of an envelope's header, with stream id 0.
pub(super) enum Answer {
    /// A whole envelope.
    Small(Box<[u8]>),
    /// Bare: the header and everything behind it. Segments: the payload of the first segment and the segments behind it,
    /// encoded.
    Large {
        /// What the stream id is put into.
        head: Box<[u8]>,
        /// What is always the same.
        tail: Bytes,
    },
}

/// All answers of one protocol version and compression. Each is encoded when it is first asked for.
pub(super) struct Answers {
    version: ProtocolVersion,
    compression: Option<Compression>,
    /// By workload; then by page, with and without metadata in turn.
    encoded: Vec<Vec<OnceCell<Answer>>>,
}

impl Answers {
    pub(super) fn new(version: ProtocolVersion, compression: Option<Compression>) -> Self {
        let empty = |workload: Workload| {
            (0..2 * workload.pages().max(1))
                .map(|_| OnceCell::new())
                .collect()
        };
        Self {
            version,
            compression,
            encoded: Workload::every().map(empty).collect(),
        }
    }

    /// The answer of this workload (its place in [`Workload::every`]). Pages count from 0.
    ///
    /// # Errors
    /// [`EncodeError`] when the version cannot express it.
    pub(super) fn get(
        &self,
        workload: usize,
        page: usize,
        without_metadata: bool,
    ) -> Result<Option<&Answer>, EncodeError> {
        let Some(cell) = self
            .encoded
            .get(workload)
            .and_then(|cells| cells.get(2 * page + usize::from(without_metadata)))
        else {
            return Ok(None);
        };
        if let Some(answer) = cell.get() {
            return Ok(Some(answer));
        }
        let Some(kind) = Workload::every().nth(workload) else {
            return Ok(None);
        };
        let answer = self.encode(kind, page, without_metadata)?;
        Ok(Some(cell.get_or_init(|| answer)))
    }

    fn encode(&self, workload: Workload, page: usize, without_metadata: bool) -> Result<Answer, EncodeError> {
        let body = match workload.page(page) {
            None => ResultBody::Void,
            Some(mut rows) => {
                if page + 1 < workload.pages() {
                    // Far below u32::MAX.
                    let next = (page as u32 + 1).to_be_bytes();
                    rows.metadata.paging_state = Some(Bytes::copy_from_slice(&next));
                }
                if without_metadata {
                    rows.metadata.columns = None;
                }
                ResultBody::Rows(rows)
            }
        };
        let response = ResponseEnvelope {
            tracing_id: None,
            warnings: Vec::new(),
            custom_payload: None,
            response: Response::Result(body),
        };
        let mut envelope = Vec::new();
        response.encode(self.version, 0, self.compression, &mut envelope)?;
        if envelope.len() <= LARGE {
            return Ok(Answer::Small(envelope.into()));
        }
        if !self.version.features().segments {
            let tail = Bytes::from(envelope.split_off(helenus_protocol::HEADER_LENGTH));
            return Ok(Answer::Large {
                head: envelope.into(),
                tail,
            });
        }
        let mut segments = Vec::new();
        SegmentEncoder::new(self.compression).encode(&envelope, &mut segments);
        envelope.truncate(SEGMENT);
        let tail = Bytes::from(segments.split_off(self.first_segment(&segments)));
        Ok(Answer::Large {
            head: envelope.into(),
            tail,
        })
    }

    /// Length of the segment at the head of `segments`: header, CRC24, payload, CRC32.
    fn first_segment(&self, segments: &[u8]) -> usize {
        let header = if self.compression.is_some() { 5 } else { 3 };
        let length =
            usize::from(segments[0]) | usize::from(segments[1]) << 8 | usize::from(segments[2] & 0x01) << 16;
        (header + 3 + length + 4).min(segments.len())
    }
}
