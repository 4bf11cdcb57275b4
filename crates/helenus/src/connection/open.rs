//! Opening a connection: connect, negotiate the protocol version, shake hands, all under one deadline.
//!
//! The decisions are made by [`Handshake`] and [`Negotiation`]; here is what they need of the outside world. A server that
//! refuses a version is connected to anew, for it closes the connection.

use std::io;
use std::sync::Arc;

use helenus_protocol::{
    Compression, Direction, Envelope, InboundDecoder, ProtocolError, ProtocolVersion, SegmentEncoder,
};
use tokio_util::io::read_buf;

use super::error::{ConnectError, ConnectErrorKind, ConnectStep};
use super::handshake::{Action, Established, Handshake, HandshakeError};
use super::negotiation::Negotiation;
use super::read_buffer::IDLE_SIZE;
use super::transport::Transport;
use super::{Connection, ConnectionConfig, Endpoint};
use crate::auth::Authenticator;
use crate::tls::TlsError;

/// Opens a connection. See [`Connection::open`].
pub(super) async fn open(
    endpoint: &Endpoint,
    config: &Arc<ConnectionConfig>,
) -> Result<Connection, ConnectError> {
    let mut step = ConnectStep::Connecting;
    let limit = config.connect_timeout;
    let opened = tokio::time::timeout(limit, negotiate(endpoint, config, &mut step)).await;
    opened
        .unwrap_or(Err(ConnectErrorKind::Timeout { limit }))
        .map_err(|kind| ConnectError {
            endpoint: endpoint.clone(),
            step,
            kind,
        })
}

async fn negotiate(
    endpoint: &Endpoint,
    config: &Arc<ConnectionConfig>,
    step: &mut ConnectStep,
) -> Result<Connection, ConnectErrorKind> {
    let (mut negotiation, mut next) = Negotiation::begin(&config.version);
    let mut last_answer = String::new();
    while let Some(version) = next {
        *step = ConnectStep::Connecting;
        let transport = config.connector.connect(endpoint).await.map_err(io_error)?;
        let attempt = Attempt::new(endpoint, config, transport);
        match attempt.run(version, &mut negotiation, step).await {
            Ok(connection) => return Ok(connection),
            Err(HandshakeError::Refused { answer }) => {
                tracing::debug!(node = %endpoint, %version, %answer, "protocol version refused");
                next = negotiation.after_refusal(&answer);
                last_answer = answer;
            }
            Err(HandshakeError::Better(better)) => {
                tracing::debug!(node = %endpoint, %version, %better, "better protocol version offered");
                next = Some(better);
            }
            Err(HandshakeError::Failed(kind)) => return Err(kind),
        }
    }
    Err(ConnectErrorKind::NoCommonVersion {
        tried: negotiation.tried(),
        answer: last_answer,
    })
}

/// One transport, one protocol version.
struct Attempt<'a> {
    endpoint: &'a Endpoint,
    config: &'a Arc<ConnectionConfig>,
    transport: Transport,
    decoder: InboundDecoder,
    segments: Option<SegmentEncoder>,
    authenticator: Option<Box<dyn Authenticator>>,
    /// The first bytes that arrived, to say what the peer is when it is no Cassandra.
    head: Vec<u8>,
    /// Whether an envelope has arrived: the peer speaks the protocol.
    recognised: bool,
}

/// Once is enough, whatever the number of connections.
static WARNED: std::sync::Once = std::sync::Once::new();

const HEAD_LENGTH: usize = 16;

impl<'a> Attempt<'a> {
    fn new(endpoint: &'a Endpoint, config: &'a Arc<ConnectionConfig>, transport: Transport) -> Self {
        Self {
            endpoint,
            config,
            transport,
            decoder: InboundDecoder::new(Direction::Response),
            segments: None,
            authenticator: None,
            head: Vec::new(),
            recognised: false,
        }
    }

    async fn run(
        mut self,
        version: ProtocolVersion,
        negotiation: &mut Negotiation,
        step: &mut ConnectStep,
    ) -> Result<Connection, HandshakeError> {
        let mut handshake = Handshake::new(Arc::clone(self.config), version)?;
        loop {
            *step = handshake.step();
            while let Some(action) = handshake.poll_action() {
                if let Action::Finish(established) = action {
                    return Ok(self.finish(established));
                }
                self.act(action, version, &mut handshake).await?;
            }
            let envelope = self.read_envelope().await?;
            handshake.handle_envelope(envelope, negotiation)?;
        }
    }

    async fn act(
        &mut self,
        action: Action,
        version: ProtocolVersion,
        handshake: &mut Handshake,
    ) -> Result<(), HandshakeError> {
        match action {
            Action::Send(envelope) => self.send(envelope).await?,
            Action::ChangeFraming(compression) => self.change_framing(version, compression),
            Action::Authenticate { class } => {
                let Some(provider) = &self.config.auth_provider else {
                    let authenticator = class;
                    let kind = ConnectErrorKind::AuthenticationRequired { authenticator };
                    return Err(HandshakeError::Failed(kind));
                };
                if provider.reveals_secrets() && !self.transport.encrypted {
                    WARNED.call_once(|| {
                        tracing::warn!(node = %self.endpoint, "the password travels in plain text: use TLS");
                    });
                }
                let authenticator = provider.authenticator(self.endpoint, &class).await;
                let authenticator = self.authenticator.insert(authenticator.map_err(auth_error)?);
                let token = authenticator.initial_response().await.map_err(auth_error)?;
                handshake.handle_token(token.as_deref())?;
            }
            Action::Challenge(challenge) => {
                if let Some(authenticator) = &mut self.authenticator {
                    let token = authenticator.evaluate_challenge(challenge.as_deref()).await;
                    handshake.handle_token(token.map_err(auth_error)?.as_deref())?;
                }
            }
            Action::Accepted(token) => {
                if let Some(authenticator) = &mut self.authenticator {
                    authenticator
                        .on_success(token.as_deref())
                        .await
                        .map_err(auth_error)?;
                }
            }
            Action::Event(event) => {
                if let Some(events) = &self.config.events {
                    events.send(event);
                }
            }
            // Dealt with by the caller, which ends there.
            Action::Finish(_) => {}
        }
        Ok(())
    }

    fn change_framing(&mut self, version: ProtocolVersion, compression: Option<Compression>) {
        match version.features().segments {
            true => {
                self.decoder.start_segments(compression);
                self.segments = Some(SegmentEncoder::new(compression));
            }
            false => self.decoder.set_compression(compression),
        }
    }

    async fn send(&mut self, envelope: Vec<u8>) -> Result<(), HandshakeError> {
        let framed = match &mut self.segments {
            Some(segments) => {
                let mut framed = Vec::new();
                segments.encode(&envelope, &mut framed);
                framed
            }
            None => envelope,
        };
        let mut rest = framed.as_slice();
        loop {
            let written = match rest {
                [] => self.transport.write.try_flush().map(|()| None),
                _ => self.transport.write.try_write(rest).map(Some),
            };
            match written {
                Ok(None) => return Ok(()),
                Ok(Some(0)) => return Err(failed(io_error(io::ErrorKind::WriteZero.into()))),
                Ok(Some(count)) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let ready = std::future::poll_fn(|cx| self.transport.write.poll_write_ready(cx));
                    ready.await.map_err(|error| failed(io_error(error)))?;
                }
                Err(error) => return Err(failed(io_error(error))),
            }
        }
    }

    async fn read_envelope(&mut self) -> Result<Envelope, HandshakeError> {
        loop {
            match self.decoder.next() {
                Ok(Some(envelope)) => {
                    self.recognised = true;
                    return Ok(envelope);
                }
                Ok(None) => {}
                Err(error) => return Err(self.unreadable(error)),
            }
            let buffer = self.decoder.buffer();
            buffer.reserve(IDLE_SIZE);
            let before = buffer.len();
            let count = match read_buf(&mut self.transport.read, buffer).await {
                Ok(count) => count,
                Err(error) => return Err(failed(io_error(error))),
            };
            if count == 0 {
                return Err(failed(match foreign(&self.head).filter(|_| !self.recognised) {
                    Some(reason) => ConnectErrorKind::NotCassandra { reason },
                    None => ConnectErrorKind::ClosedByPeer,
                }));
            }
            let wanted = HEAD_LENGTH.saturating_sub(self.head.len()).min(count);
            self.head.extend_from_slice(&buffer[before..before + wanted]);
        }
    }

    fn unreadable(&self, error: ProtocolError) -> HandshakeError {
        if self.recognised {
            return failed(ConnectErrorKind::Protocol(error));
        }
        if let Some(reason) = foreign(&self.head) {
            return failed(ConnectErrorKind::NotCassandra { reason });
        }
        match error {
            // An answer (highest bit set) in a version that this driver does not speak.
            ProtocolError::UnsupportedVersion { number }
                if self.head.first().is_some_and(|b| b & 0x80 != 0) =>
            {
                HandshakeError::Refused {
                    answer: format!("an answer in protocol version {number}"),
                }
            }
            error => failed(ConnectErrorKind::NotCassandra {
                reason: format!("{error}; the first bytes are {:02x?}", self.head),
            }),
        }
    }

    fn finish(self, established: Established) -> Connection {
        let endpoint = self.endpoint.clone();
        let config = Arc::clone(self.config);
        Connection::start(
            endpoint,
            established,
            config,
            self.transport,
            self.decoder,
            self.segments,
        )
    }
}

/// What speaks, when it is known not to be Cassandra.
fn foreign(head: &[u8]) -> Option<String> {
    // A TLS record: content type alert or handshake, then version 3.x (RFC 8446 §5.1).
    let reason = match head {
        [b'H', b'T', b'T', b'P', ..] => "it answered in HTTP",
        [0x15 | 0x16, 0x03, ..] => "it answered in TLS; does it require TLS?",
        [b'S', b'S', b'H', b'-', ..] => "it answered in SSH",
        _ => return None,
    };
    Some(reason.to_owned())
}

fn failed(kind: ConnectErrorKind) -> HandshakeError {
    HandshakeError::Failed(kind)
}

fn io_error(error: io::Error) -> ConnectErrorKind {
    match TlsError::in_io(&error) {
        Some(error) => ConnectErrorKind::Tls(error),
        None => ConnectErrorKind::Io(Arc::new(error)),
    }
}

fn auth_error(error: crate::auth::AuthError) -> HandshakeError {
    HandshakeError::Failed(ConnectErrorKind::AuthProvider(error))
}
