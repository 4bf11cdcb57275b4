//! A transport in memory, whose other end the test holds: nothing moves but what the test moves.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use helenus_protocol::{
    Direction, InboundDecoder, Opcode, ProtocolVersion, Request, Response, ResponseEnvelope,
};
use tokio::io::{AsyncRead, ReadBuf};

use crate::connection::handshake::Established;
use crate::connection::transport::{Transport, TransportWrite};
use crate::connection::{Connection, ConnectionConfig, Endpoint};

/// A connection of protocol v4 without a handshake, and its server.
pub(super) fn connect(config: ConnectionConfig) -> (Connection, Server) {
    let pipe = Arc::new(Mutex::new(Pipe {
        room: usize::MAX,
        ..Pipe::default()
    }));
    let transport = Transport {
        read: Box::new(ReadEnd(Arc::clone(&pipe))),
        write: Box::new(WriteEnd(Arc::clone(&pipe))),
        local_address: None,
        encrypted: false,
    };
    let established = Established {
        version: VERSION,
        compression: None,
        server_options: Default::default(),
    };
    let endpoint = Endpoint::new(([127, 0, 0, 1], 9042).into());
    let decoder = InboundDecoder::new(Direction::Response);
    let connection = Connection::start(endpoint, established, Arc::new(config), transport, decoder, None);
    let server = Server {
        pipe,
        decoder: InboundDecoder::new(Direction::Request),
    };
    (connection, server)
}

const VERSION: ProtocolVersion = ProtocolVersion::V4;

/// The other end.
pub(super) struct Server {
    pipe: Arc<Mutex<Pipe>>,
    decoder: InboundDecoder,
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) stream: i16,
    pub(super) opcode: Opcode,
    /// The statement's text; empty for other requests than QUERY.
    pub(super) text: String,
}

#[derive(Default)]
struct Pipe {
    to_client: VecDeque<u8>,
    read_waker: Option<Waker>,
    from_client: Vec<u8>,
    /// How many more bytes the transport takes.
    room: usize,
    write_waker: Option<Waker>,
    closed_by_server: bool,
    shut_down: bool,
    writes: usize,
}

impl Server {
    /// What arrived since the last call, with the framing checked.
    pub(super) fn requests(&mut self) -> Vec<Arrived> {
        let bytes = self.bytes();
        self.decoder.buffer().extend_from_slice(&bytes);
        let mut arrived = Vec::new();
        while let Some(envelope) = self.decoder.next().expect("the client keeps to the framing") {
            let request = Request::decode(&envelope.header, &envelope.body).expect("whole requests");
            let text = match request.request {
                Request::Query(query) => query.text.to_owned(),
                _ => String::new(),
            };
            arrived.push(Arrived {
                stream: envelope.header.stream,
                opcode: envelope.header.opcode,
                text,
            });
        }
        arrived
    }

    /// The bytes that arrived since the last call.
    pub(super) fn bytes(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.pipe).from_client)
    }

    /// Answers with a text, so that it can be told from others.
    pub(super) fn answer(&self, stream: i16, text: &str) {
        let response = said(text.to_owned());
        self.send(stream, VERSION, response);
    }

    pub(super) fn send(&self, stream: i16, version: ProtocolVersion, response: Response) {
        let envelope = ResponseEnvelope {
            tracing_id: None,
            warnings: Vec::new(),
            custom_payload: None,
            response,
        };
        let mut bytes = Vec::new();
        envelope.encode(version, stream, None, &mut bytes).unwrap();
        self.send_bytes(&bytes);
    }

    pub(super) fn send_bytes(&self, bytes: &[u8]) {
        let mut pipe = lock(&self.pipe);
        pipe.to_client.extend(bytes);
        wake(pipe.read_waker.take());
    }

    /// From here on the transport takes so many bytes more.
    pub(super) fn set_room(&self, room: usize) {
        let mut pipe = lock(&self.pipe);
        pipe.room = room;
        wake(pipe.write_waker.take());
    }

    /// How often the transport was written to.
    pub(super) fn writes(&self) -> usize {
        lock(&self.pipe).writes
    }

    pub(super) fn close(&self) {
        let mut pipe = lock(&self.pipe);
        pipe.closed_by_server = true;
        wake(pipe.read_waker.take());
    }

    /// Whether the client has shut the transport down.
    pub(super) fn is_shut_down(&self) -> bool {
        lock(&self.pipe).shut_down
    }

    /// Whether the client holds neither end of the transport any more.
    pub(super) fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.pipe) == 1
    }
}

struct ReadEnd(Arc<Mutex<Pipe>>);

impl AsyncRead for ReadEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.0);
        if pipe.to_client.is_empty() && !pipe.closed_by_server && !pipe.shut_down {
            pipe.read_waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = pipe.to_client.len().min(buffer.remaining());
        let bytes: Vec<u8> = pipe.to_client.drain(..count).collect();
        buffer.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

struct WriteEnd(Arc<Mutex<Pipe>>);

impl TransportWrite for WriteEnd {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = lock(&self.0);
        if pipe.closed_by_server || pipe.shut_down {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if pipe.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = bytes.len().min(pipe.room);
        pipe.room -= count;
        pipe.writes += 1;
        pipe.from_client.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = lock(&self.0);
        if pipe.room > 0 || pipe.closed_by_server || pipe.shut_down {
            return Poll::Ready(Ok(()));
        }
        pipe.write_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn shutdown(&self) {
        let mut pipe = lock(&self.0);
        pipe.shut_down = true;
        wake(pipe.read_waker.take());
    }
}

fn lock(pipe: &Mutex<Pipe>) -> MutexGuard<'_, Pipe> {
    pipe.lock().unwrap()
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// An answer that carries a text, so that it can be told from others.
pub(super) fn said(text: String) -> Response {
    Response::Authenticate { authenticator: text }
}
