//! One connection of the canned responder: requests in, answers into the outbox.
//!
//! Native protocol v3, v4 §2, v5 §2. Only EXECUTE of a known statement takes the short way.

use std::collections::HashMap;
use std::io::{self, Write};
use std::rc::Rc;

use bytes::Bytes;
use helenus_protocol::{
    Compression, Direction, EncodeError, Envelope, EnvelopeFlags, ErrorCode, InboundDecoder,
    MetadataIdSupport, Opcode, ProtocolError, ProtocolVersion, QueryParameters, Reader, Request, Response,
    SegmentEncoder, Startup,
};

use super::answers::{Answer, Answers};
use super::outbox::Outbox;
use super::workload::{KEYSPACE, Workload};
use crate::fake::{HealthyNode, Received, Reply};

/// Flag of QUERY and EXECUTE: the client does not want metadata (v4, v5 §4.1.4).
const SKIP_METADATA: u8 = 0x02;

/// What all connections share.
pub(super) struct Catalog {
    node: HealthyNode,
    workloads: Vec<Workload>,
    /// Ids of the workloads' statements; the position modulo the number of workloads is the workload.
    ids: Vec<Bytes>,
    answers: HashMap<(ProtocolVersion, Option<Compression>), Rc<Answers>>,
}

impl Catalog {
    pub(super) fn new(node: HealthyNode) -> Self {
        let keyspaces = [None, Some(KEYSPACE)];
        let ids = keyspaces
            .into_iter()
            .flat_map(|keyspace| Workload::every().map(move |workload| workload.statement().id(keyspace)))
            .collect();
        Self {
            node,
            workloads: Workload::every().collect(),
            ids,
            answers: HashMap::new(),
        }
    }

    fn answers(&mut self, version: ProtocolVersion, compression: Option<Compression>) -> Rc<Answers> {
        let key = (version, compression);
        self.answers
            .entry(key)
            .or_insert_with(|| Rc::new(Answers::new(version, compression)))
            .clone()
    }

    fn workload(&self, id: &[u8]) -> Option<usize> {
        self.ids
            .iter()
            .position(|known| known == id)
            .map(|position| position % self.workloads.len())
    }
}

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// State of one connection.
pub(super) struct Connection {
    decoder: InboundDecoder,
    pub(super) outbox: Outbox,
    /// What STARTUP agreed on.
    agreed: Option<Agreed>,
    /// v5: envelopes that wait for their segment.
    pending: Vec<u8>,
    /// Small canned answers are let go when so many of them are there.
    window: usize,
    /// Small canned answers in the outbox.
    held: usize,
    /// The socket took a part of what may go; what came into the outbox since then goes along.
    is_flushing: bool,
}

struct Agreed {
    compression: Option<Compression>,
    segments: Option<SegmentEncoder>,
    answers: Rc<Answers>,
    /// EXECUTE carries a result metadata id.
    has_metadata_id: bool,
    wide_flags: bool,
}

impl Connection {
    pub(super) fn new(window: usize) -> Self {
        Self {
            decoder: InboundDecoder::new(Direction::Request),
            outbox: Outbox::default(),
            agreed: None,
            pending: Vec::new(),
            window,
            held: 0,
            is_flushing: false,
        }
    }

    /// Writes what may go. Returns whether everything that may go is sent.
    ///
    /// # Errors
    /// [`io::Error`] of the socket, but not that it would block.
    pub(super) fn flush(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        if !self.is_flushing && self.held > 0 && self.held < self.window {
            return Ok(true);
        }
        self.held = 0;
        let is_flushed = self.outbox.flush(socket)?;
        self.is_flushing = !is_flushed;
        Ok(is_flushed)
    }

    /// Takes bytes from the socket and answers the requests that are complete.
    ///
    /// # Errors
    /// [`Failure`] when the connection cannot go on. What is in the outbox may still be sent.
    pub(super) fn receive(&mut self, bytes: &[u8], catalog: &mut Catalog) -> Result<(), Failure> {
        self.decoder.buffer().extend_from_slice(bytes);
        let result = loop {
            match self.decoder.next() {
                Ok(None) => break Ok(()),
                Ok(Some(envelope)) => {
                    if let Err(failure) = self.answer(envelope, catalog) {
                        break Err(failure);
                    }
                }
                Err(error) => {
                    self.refuse(&error)?;
                    break Err(error.into());
                }
            }
        };
        self.wrap();
        result
    }

    /// Puts pending envelopes into segments.
    fn wrap(&mut self) {
        if let Some(Agreed {
            segments: Some(segments),
            ..
        }) = &mut self.agreed
            && !self.pending.is_empty()
        {
            segments.encode(&self.pending, self.outbox.buffer());
            self.pending.clear();
        }
    }

    fn answer(&mut self, envelope: Envelope, catalog: &mut Catalog) -> Result<(), Failure> {
        let header = &envelope.header;
        if let (Opcode::Execute, false, Some(agreed)) = (
            header.opcode,
            header.flags.has(EnvelopeFlags::CUSTOM_PAYLOAD),
            &self.agreed,
        ) {
            let (id, without_metadata) = agreed.read_execute(&envelope.body)?;
            if let Some(workload) = catalog.workload(id) {
                let page = match catalog.workloads[workload].pages() {
                    0 | 1 => 0,
                    _ => page_asked_for(&envelope)?,
                };
                return self.send_canned(workload, page, without_metadata, header.stream);
            }
        }
        self.answer_slowly(envelope, catalog)
    }

    fn send_canned(
        &mut self,
        workload: usize,
        page: usize,
        without_metadata: bool,
        stream: i16,
    ) -> Result<(), Failure> {
        let Some(agreed) = &mut self.agreed else {
            return Ok(());
        };
        let Some(answer) = agreed.answers.get(workload, page, without_metadata)? else {
            return Err(ProtocolError::Malformed("a paging state that was never given").into());
        };
        if let Answer::Small(_) = answer {
            self.held += 1;
        }
        match (answer, &mut agreed.segments) {
            (Answer::Small(bytes), Some(_)) => append(bytes, stream, &mut self.pending),
            (Answer::Small(bytes), None) => append(bytes, stream, self.outbox.buffer()),
            (Answer::Large { head, tail }, None) => {
                append(head, stream, self.outbox.buffer());
                self.outbox.push(tail.clone());
            }
            (Answer::Large { head, tail }, Some(segments)) => {
                segments.encode(&self.pending, self.outbox.buffer());
                self.pending.clear();
                // Shorter than its envelope's length says, so it becomes one segment that is not self-contained.
                append(head, stream, &mut self.pending);
                segments.encode(&self.pending, self.outbox.buffer());
                self.pending.clear();
                self.outbox.push(tail.clone());
            }
        }
        Ok(())
    }

    /// Everything that a benchmark does not measure.
    fn answer_slowly(&mut self, envelope: Envelope, catalog: &mut Catalog) -> Result<(), Failure> {
        let Envelope { header, body } = envelope;
        let version = header.version;
        let received = Received::new(0, header, body, |id| catalog.node.text_of(id))?;
        match received.request().request {
            Request::Query(query) if self.agreed.is_some() => {
                let known = catalog
                    .workloads
                    .iter()
                    .position(|workload| workload.text() == query.text);
                if let Some(workload) = known {
                    let page = page_of(&query.parameters);
                    return self.send_canned(workload, page, query.parameters.skip_metadata, header.stream);
                }
            }
            Request::Startup(startup) => {
                let reply = catalog.node.answer(&received);
                self.send(&reply, version, header.stream)?;
                if matches!(reply.0.response, Response::Ready) {
                    self.agree(&startup, version, catalog);
                }
                return Ok(());
            }
            Request::Register(_) => {
                return self.send(&Response::Ready.into(), version, header.stream);
            }
            _ => {}
        }
        self.send(&catalog.node.answer(&received), version, header.stream)
    }

    fn agree(&mut self, startup: &Startup, version: ProtocolVersion, catalog: &mut Catalog) {
        let compression = startup.get(Startup::COMPRESSION).and_then(Compression::from_name);
        let features = version.features();
        match features.segments {
            true => self.decoder.start_segments(compression),
            false => self.decoder.set_compression(compression),
        }
        self.agreed = Some(Agreed {
            compression,
            segments: features.segments.then(|| SegmentEncoder::new(compression)),
            answers: catalog.answers(version, compression),
            has_metadata_id: features.result_metadata_id == MetadataIdSupport::Present,
            wide_flags: features.wide_flags,
        });
    }

    fn send(&mut self, reply: &Reply, version: ProtocolVersion, stream: i16) -> Result<(), Failure> {
        let (compression, out) = match &self.agreed {
            Some(Agreed {
                segments: Some(_), ..
            }) => (None, &mut self.pending),
            Some(agreed) => (agreed.compression, self.outbox.buffer()),
            None => (None, self.outbox.buffer()),
        };
        reply.0.encode(version, stream, compression, out)?;
        Ok(())
    }

    /// Says what was wrong, in a version that the client is likely to understand.
    fn refuse(&mut self, error: &ProtocolError) -> Result<(), Failure> {
        let version = match error {
            ProtocolError::UnsupportedVersion { .. } => ProtocolVersion::V5,
            _ => ProtocolVersion::V4,
        };
        let message = match error {
            ProtocolError::UnsupportedVersion { number } => format!(
                "Invalid or unsupported protocol version ({number}); supported versions are (3/v3, 4/v4, 5/v5)"
            ),
            other => other.to_string(),
        };
        self.send(&Reply::error(ErrorCode::Protocol, message), version, 0)
    }
}

impl Agreed {
    /// Statement id and whether metadata is skipped: all that is looked at in an EXECUTE (v4, v5 §4.1.6).
    fn read_execute<'a>(&self, body: &'a [u8]) -> Result<(&'a [u8], bool), ProtocolError> {
        let mut reader = Reader::new(body);
        let id = reader.read_short_bytes("statement id")?;
        if self.has_metadata_id {
            reader.read_short_bytes("result metadata id")?;
        }
        reader.read_short("consistency")?;
        let flags = match self.wide_flags {
            // The low byte of the [int] is the last.
            true => reader.read_int("flags")? as u8,
            false => reader.read_byte("flags")?,
        };
        Ok((id, flags & SKIP_METADATA != 0))
    }
}

fn page_asked_for(envelope: &Envelope) -> Result<usize, ProtocolError> {
    match Request::decode(&envelope.header, &envelope.body)?.request {
        Request::Execute(execute) => Ok(page_of(&execute.parameters)),
        _ => Ok(0),
    }
}

/// The paging state is the number of the page; one of another form asks for a page that does not exist.
fn page_of(parameters: &QueryParameters<'_>) -> usize {
    match parameters.paging_state.map(<[u8; 4]>::try_from) {
        None => 0,
        Some(Ok(state)) => u32::from_be_bytes(state) as usize,
        Some(Err(_)) => usize::MAX / 4,
    }
}

/// Appends an answer with its stream id in place.
fn append(answer: &[u8], stream: i16, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(answer);
    if let Some(place) = out.get_mut(start + 2..start + 4) {
        place.copy_from_slice(&stream.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_answers_go_when_the_window_is_full() {
        let mut connection = Connection::new(2);
        let mut sent = Vec::new();
        connection.outbox.buffer().extend_from_slice(b"one");
        connection.held = 1;
        assert!(connection.flush(&mut sent).unwrap());
        assert_eq!(sent, b"");
        connection.outbox.buffer().extend_from_slice(b"two");
        connection.held = 2;
        assert!(connection.flush(&mut sent).unwrap());
        assert_eq!(sent, b"onetwo");
        assert_eq!(connection.held, 0);
    }
}
