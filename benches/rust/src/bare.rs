//! A bare socket: writes the requests that a driver would write, reads the answers, and does nothing else. The limit.
//!
//! Requests are encoded before the measurement; as many as were answered are written again, in one system call. Rows of
//! paged workloads are walked cell by cell. In v5 segments are made and checked, as they have to be.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use helenus_protocol::{
    Compression, Direction, Envelope, Execute, HEADER_LENGTH, InboundDecoder, Prepare, Prepared,
    ProtocolVersion, QueryParameters, Reader, Request, RequestOptions, Response, ResponseEnvelope,
    ResultBody, SegmentEncoder, Startup, StreamId, Values, encode_request,
};

use crate::measure::{Clock, Measurement, SAMPLE_EVERY, rss_kib};
use crate::workload::{LARGE, TEXT, Workload};
use crate::{Failure, Plan};

/// Room for one read.
const READ: usize = 256 * 1024;

pub(crate) fn run(plan: &Plan) -> Result<Measurement, Failure> {
    if plan.workload == Workload::W6 {
        return connect_again_and_again(plan);
    }
    let mut client = Client::connect(plan)?;
    let prepared = client.prepare(&plan.statement)?;
    let mut clock = Clock::new(plan.warm_up(), plan.duration());
    match plan.workload {
        Workload::W3 | Workload::W3n | Workload::W4 | Workload::Page => {
            client.read_pages(plan, &prepared, &mut clock)?
        }
        workload => {
            let block = client.requests(plan, workload, &prepared)?;
            client.pipeline(plan, &block, &mut clock)?;
        }
    }
    Ok(clock.finish())
}

/// Two connections each time, as a driver makes them, and none of its questions.
fn connect_again_and_again(plan: &Plan) -> Result<Measurement, Failure> {
    drop(Client::connect(plan)?);
    let idle = rss_kib();
    let mut clock = Clock::new(plan.warm_up(), plan.duration());
    loop {
        let since = Instant::now();
        let connected = (Client::connect(plan)?, Client::connect(plan)?);
        clock.latency(since);
        drop(connected);
        if !clock.tick(1) {
            return Ok(clock.finish().idle(idle));
        }
    }
}

struct Client {
    socket: TcpStream,
    version: ProtocolVersion,
    compression: Option<Compression>,
    decoder: InboundDecoder,
    segments: Option<SegmentEncoder>,
    room: Vec<u8>,
}

impl Client {
    fn connect(plan: &Plan) -> Result<Self, Failure> {
        let version = ProtocolVersion::from_number(plan.protocol).ok_or("no such protocol version")?;
        let socket = TcpStream::connect(plan.address)?;
        socket.set_nodelay(true)?;
        let mut client = Self {
            socket,
            version,
            compression: None,
            decoder: InboundDecoder::new(Direction::Response),
            segments: None,
            room: vec![0; READ],
        };
        let compression = plan.lz4.then_some(Compression::Lz4);
        match client.ask(&Request::Startup(Startup::new().with_compression(compression)))? {
            Response::Ready => {}
            other => return Err(format!("STARTUP was answered by {:?}", other.opcode()).into()),
        }
        if version.features().segments {
            client.decoder.start_segments(compression);
            client.segments = Some(SegmentEncoder::new(compression));
        } else {
            client.decoder.set_compression(compression);
            client.compression = compression;
        }
        Ok(client)
    }

    fn encode(&self, request: &Request<'_>, stream: usize, out: &mut Vec<u8>) -> Result<(), Failure> {
        let stream = i16::try_from(stream)
            .ok()
            .and_then(StreamId::new)
            .ok_or("too many requests in flight")?;
        let options = RequestOptions {
            compression: self.compression,
            ..RequestOptions::default()
        };
        encode_request(request, self.version, stream, &options, out)?;
        Ok(())
    }

    fn send(&mut self, envelopes: &[u8]) -> Result<(), Failure> {
        match &mut self.segments {
            None => self.socket.write_all(envelopes)?,
            Some(segments) => {
                let mut out = Vec::with_capacity(envelopes.len() + 16);
                segments.encode(envelopes, &mut out);
                self.socket.write_all(&out)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<Envelope, Failure> {
        loop {
            if let Some(envelope) = self.decoder.next()? {
                return Ok(envelope);
            }
            let buffer = self.decoder.buffer();
            read_more(&mut self.socket, &mut self.room, buffer)?;
        }
    }

    fn ask(&mut self, request: &Request<'_>) -> Result<Response, Failure> {
        let mut envelope = Vec::new();
        self.encode(request, 0, &mut envelope)?;
        self.send(&envelope)?;
        let Envelope { header, body } = self.receive()?;
        Ok(ResponseEnvelope::decode(&header, body)?.response)
    }

    fn prepare(&mut self, text: &str) -> Result<Prepared, Failure> {
        match self.ask(&Request::Prepare(Prepare { text, keyspace: None }))? {
            Response::Result(ResultBody::Prepared(prepared)) => Ok(prepared),
            other => Err(format!("PREPARE was answered by {:?}", other.opcode()).into()),
        }
    }

    /// As many requests as are to be in flight, and the length of one.
    fn requests(
        &self,
        plan: &Plan,
        workload: Workload,
        prepared: &Prepared,
    ) -> Result<(Vec<u8>, usize), Failure> {
        let mut values = Vec::new();
        cell(&0_i32.to_be_bytes(), &mut values);
        let mut count = 1;
        match workload {
            Workload::W1 => cell(TEXT.as_bytes(), &mut values),
            Workload::W7w => cell(&vec![0x5A; LARGE], &mut values),
            _ => count = 0,
        }
        let values = Values {
            count: 1 + count,
            bytes: &values,
            ..Values::EMPTY
        };
        let parameters = QueryParameters {
            values,
            skip_metadata: true,
            ..QueryParameters::default()
        };
        let execute = Execute {
            id: &prepared.id,
            result_metadata_id: prepared.result_metadata_id.as_deref(),
            parameters,
        };
        let mut block = Vec::new();
        for stream in 0..plan.concurrency {
            self.encode(&Request::Execute(execute), stream, &mut block)?;
        }
        let length = block.len() / plan.concurrency.max(1);
        Ok((block, length))
    }

    /// Keeps `plan.concurrency` requests in flight.
    fn pipeline(
        &mut self,
        plan: &Plan,
        (block, length): &(Vec<u8>, usize),
        clock: &mut Clock,
    ) -> Result<(), Failure> {
        let (mut sent, mut answered) = (plan.concurrency as u64, 0);
        let mut samples = std::collections::VecDeque::new();
        let mut cutter = Cutter::default();
        self.send(block)?;
        loop {
            let count = match self.segments {
                // v4: only headers are looked at.
                None => cutter.read(&mut self.socket, &mut self.room)?,
                Some(_) => {
                    let buffer = self.decoder.buffer();
                    read_more(&mut self.socket, &mut self.room, buffer)?;
                    let mut count = 0;
                    while let Some(envelope) = self.decoder.next()? {
                        black_box(envelope);
                        count += 1;
                    }
                    count
                }
            };
            answered += count;
            while let Some((_, since)) = samples.pop_front_if(|(number, _)| *number < answered) {
                clock.latency(since);
            }
            if !clock.tick(count) {
                return Ok(());
            }
            if sent / SAMPLE_EVERY != (sent + count) / SAMPLE_EVERY {
                samples.push_back((sent, Instant::now()));
            }
            // As many as were answered: never more than there are.
            self.send(&block[..length * count as usize])?;
            sent += count;
        }
    }

    /// Reads all pages, again and again, and walks their cells.
    fn read_pages(&mut self, plan: &Plan, prepared: &Prepared, clock: &mut Clock) -> Result<(), Failure> {
        let mut values = Vec::new();
        cell(&0_i32.to_be_bytes(), &mut values);
        let mut paging_state: Option<Bytes> = None;
        loop {
            let parameters = QueryParameters {
                values: Values {
                    count: 1,
                    bytes: &values,
                    ..Values::EMPTY
                },
                skip_metadata: true,
                page_size: Some(plan.workload.page_size()),
                paging_state: paging_state.as_deref(),
                ..QueryParameters::default()
            };
            let execute = Execute {
                id: &prepared.id,
                result_metadata_id: prepared.result_metadata_id.as_deref(),
                parameters,
            };
            let since = Instant::now();
            let Response::Result(ResultBody::Rows(rows)) = self.ask(&Request::Execute(execute))? else {
                return Err("EXECUTE was answered by something else than rows".into());
            };
            let mut reader = Reader::new(&rows.content);
            for _ in 0..rows.row_count * rows.metadata.column_count {
                black_box(reader.read_bytes("cell")?);
            }
            clock.latency(since);
            paging_state = rows.metadata.paging_state;
            if !clock.tick(rows.row_count as u64) {
                return Ok(());
            }
        }
    }
}

/// Counts bare envelopes in a stream of bytes.
#[derive(Default)]
struct Cutter {
    /// The part of a header that has arrived.
    head: Vec<u8>,
    /// Bytes of a body that are still to come; `None` between envelopes.
    missing: Option<usize>,
}

impl Cutter {
    /// One read; returns how many envelopes ended in it.
    fn read(&mut self, socket: &mut TcpStream, room: &mut [u8]) -> Result<u64, Failure> {
        let length = socket.read(room)?;
        if length == 0 {
            return Err("the server closed the connection".into());
        }
        let mut rest = &room[..length];
        let mut count = 0;
        loop {
            if let Some(missing) = self.missing {
                let skipped = missing.min(rest.len());
                rest = &rest[skipped..];
                if skipped < missing {
                    self.missing = Some(missing - skipped);
                    return Ok(count);
                }
                self.missing = None;
                count += 1;
            }
            if rest.is_empty() {
                return Ok(count);
            }
            let wanted = HEADER_LENGTH - self.head.len();
            let (head, behind) = rest.split_at(wanted.min(rest.len()));
            let header: [u8; HEADER_LENGTH] = match (self.head.is_empty(), head.try_into()) {
                (true, Ok(header)) => header,
                _ => {
                    self.head.extend_from_slice(head);
                    match self.head.as_slice().try_into() {
                        Ok(header) => header,
                        Err(_) => return Ok(count),
                    }
                }
            };
            self.head.clear();
            rest = behind;
            let [.., a, b, c, d] = header;
            self.missing = Some(u32::from_be_bytes([a, b, c, d]) as usize);
        }
    }
}

fn read_more(socket: &mut TcpStream, room: &mut [u8], buffer: &mut BytesMut) -> Result<(), Failure> {
    match socket.read(room)? {
        0 => Err("the server closed the connection".into()),
        length => {
            buffer.extend_from_slice(&room[..length]);
            Ok(())
        }
    }
}

fn cell(bytes: &[u8], out: &mut Vec<u8>) {
    // Far below 2 GiB.
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}
