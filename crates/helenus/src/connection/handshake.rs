//! The handshake, as a state machine without clock and socket: envelopes in, actions out.
//!
//! ```text
//! OPTIONS ▶ SUPPORTED ▶ STARTUP ▶ READY ─────────────────────────────▶ [REGISTER ▶ READY] ▶ [USE ▶ RESULT] ▶ open
//!                               ▶ AUTHENTICATE ▶ AUTH_RESPONSE ▶ AUTH_SUCCESS ▶ ...
//!                                              ◀ AUTH_CHALLENGE
//! ```
//! Native protocol v3, v4 and v5 §4.1.1, §4.1.2, §4.2.2-4.2.4. In v5 envelopes are framed into segments after READY or
//! AUTHENTICATE, so AUTH_RESPONSE already is (v5 §2.3.1); the older versions may compress from the answer to STARTUP on.
//! Invariants: at most one request is under way, on stream 0. Challenges are counted, so a server cannot keep a client
//! busy for ever.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{
    AuthResponse, Compression, ConsistencyLevel, Envelope, ErrorCode, Event, Opcode, ProtocolError,
    ProtocolVersion, Query, QueryParameters, Register, Request, RequestOptions, Response, ResponseEnvelope,
    ResultBody, ServerError, StreamId, encode_request,
};

use super::config::ConnectionConfig;
use super::error::{ConnectErrorKind, ConnectStep};
use super::negotiation::{Negotiation, refuses_version};

/// How many challenges an authentication may take.
pub(super) const MAX_CHALLENGES: usize = 16;

/// What the server says that it supports, by option.
pub(crate) type ServerOptions = BTreeMap<String, Vec<String>>;

/// What was agreed on.
#[derive(Clone, Debug)]
pub(super) struct Established {
    pub(super) version: ProtocolVersion,
    pub(super) compression: Option<Compression>,
    pub(super) server_options: ServerOptions,
}

/// What whoever owns the socket has to do.
#[derive(Debug)]
pub(super) enum Action {
    /// Write this envelope, framed as the version wants it from now on.
    Send(Vec<u8>),
    /// From here on, in both directions: segments (v5), or compressed envelopes may arrive (others).
    ChangeFraming(Option<Compression>),
    /// Get an authenticator for this class and give its first token to [`Handshake::handle_token`].
    Authenticate { class: String },
    /// Have the authenticator answer this challenge, and give the token to [`Handshake::handle_token`].
    Challenge(Option<Bytes>),
    /// Tell the authenticator that the server has accepted.
    Accepted(Option<Bytes>),
    /// Hand on an event that arrived already.
    Event(Event),
    /// The connection is open.
    Finish(Established),
}

/// Why a handshake ends without a connection.
#[derive(Debug)]
pub(super) enum HandshakeError {
    /// The server does not speak this version, and says so.
    Refused { answer: String },
    /// The server speaks a better version: begin again with that one.
    Better(ProtocolVersion),
    /// It failed.
    Failed(ConnectErrorKind),
}

/// The handshake of one connection in one version.
#[derive(Debug)]
pub(super) struct Handshake {
    config: Arc<ConnectionConfig>,
    version: ProtocolVersion,
    compression: Option<Compression>,
    server_options: ServerOptions,
    step: ConnectStep,
    challenges: usize,
    actions: VecDeque<Action>,
}

impl Handshake {
    /// Begins: the first action is OPTIONS.
    pub(super) fn new(
        config: Arc<ConnectionConfig>,
        version: ProtocolVersion,
    ) -> Result<Self, HandshakeError> {
        let mut handshake = Self {
            config,
            version,
            compression: None,
            server_options: ServerOptions::new(),
            step: ConnectStep::Options,
            challenges: 0,
            actions: VecDeque::new(),
        };
        handshake.send(&Request::Options)?;
        Ok(handshake)
    }

    /// How far it came.
    pub(super) fn step(&self) -> ConnectStep {
        self.step
    }

    /// The next thing to do; `None` until the server answers.
    pub(super) fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The server has sent an envelope.
    pub(super) fn handle_envelope(
        &mut self,
        envelope: Envelope,
        negotiation: &mut Negotiation,
    ) -> Result<(), HandshakeError> {
        let header = envelope.header;
        let response = ResponseEnvelope::decode(&header, envelope.body).map_err(protocol)?;
        match response.response {
            Response::Error(error) => Err(self.refused(error, header.version)),
            _ if header.version != self.version => Err(protocol(ProtocolError::VersionMismatch {
                expected: self.version,
                found: header.version,
            })),
            Response::Event(event) if header.stream < 0 => {
                self.actions.push_back(Action::Event(event));
                Ok(())
            }
            _ if header.stream != STREAM => {
                Err(protocol(ProtocolError::InvalidStreamId { id: header.stream }))
            }
            response => self.handle_response(response, header.opcode, negotiation),
        }
    }

    /// The authenticator's token for the server.
    pub(super) fn handle_token(&mut self, token: Option<&[u8]>) -> Result<(), HandshakeError> {
        self.send(&Request::AuthResponse(AuthResponse { token }))
    }

    fn handle_response(
        &mut self,
        response: Response,
        opcode: Opcode,
        negotiation: &mut Negotiation,
    ) -> Result<(), HandshakeError> {
        match (self.step, response) {
            (ConnectStep::Options, Response::Supported(options)) => {
                let offered = options.get(PROTOCOL_VERSIONS);
                if let Some(better) = offered.and_then(|list| negotiation.better_than(self.version, list)) {
                    return Err(HandshakeError::Better(better));
                }
                self.start_up(options)
            }
            (ConnectStep::Startup, Response::Ready) => {
                self.change_framing_after_startup();
                self.register()
            }
            (ConnectStep::Startup, Response::Authenticate { authenticator: class }) => {
                self.change_framing_after_startup();
                self.step = ConnectStep::Authentication;
                self.actions.push_back(Action::Authenticate { class });
                Ok(())
            }
            (ConnectStep::Authentication, Response::AuthChallenge(challenge)) => {
                self.challenges += 1;
                if self.challenges > MAX_CHALLENGES {
                    return Err(HandshakeError::Failed(ConnectErrorKind::TooManyChallenges {
                        limit: MAX_CHALLENGES,
                    }));
                }
                self.actions.push_back(Action::Challenge(challenge));
                Ok(())
            }
            (ConnectStep::Authentication, Response::AuthSuccess(token)) => {
                self.actions.push_back(Action::Accepted(token));
                self.register()
            }
            (ConnectStep::Register, Response::Ready) => self.use_keyspace(),
            (ConnectStep::UseKeyspace, Response::Result(ResultBody::SetKeyspace(_))) => {
                self.finish();
                Ok(())
            }
            _ => Err(HandshakeError::Failed(ConnectErrorKind::UnexpectedMessage {
                found: format!("{opcode:?}"),
            })),
        }
    }

    fn start_up(&mut self, options: ServerOptions) -> Result<(), HandshakeError> {
        let offered = options.get(COMPRESSION).map(Vec::as_slice).unwrap_or_default();
        let usable = |compression: &Compression| {
            let snappy_is_known = self.version.features().snappy || *compression != Compression::Snappy;
            snappy_is_known
                && offered
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(compression.name()))
        };
        self.compression = self.config.compression.iter().copied().find(usable);
        self.server_options = options;
        self.step = ConnectStep::Startup;
        let startup = self.config.startup.clone().with_compression(self.compression);
        if !self.version.features().segments {
            // The answer to STARTUP may be compressed already.
            self.actions.push_back(Action::ChangeFraming(self.compression));
        }
        self.send(&Request::Startup(startup))
    }

    fn change_framing_after_startup(&mut self) {
        if self.version.features().segments {
            self.actions.push_back(Action::ChangeFraming(self.compression));
        }
    }

    fn register(&mut self) -> Result<(), HandshakeError> {
        if self.config.events.is_none() || self.config.event_kinds.is_empty() {
            return self.use_keyspace();
        }
        self.step = ConnectStep::Register;
        let events = self.config.event_kinds.clone();
        self.send(&Request::Register(Register { events }))
    }

    fn use_keyspace(&mut self) -> Result<(), HandshakeError> {
        let Some(keyspace) = &self.config.keyspace else {
            self.finish();
            return Ok(());
        };
        self.step = ConnectStep::UseKeyspace;
        let text = format!("USE \"{}\"", keyspace.replace('"', "\"\""));
        self.send(&Request::Query(Query {
            text: &text,
            parameters: QueryParameters {
                consistency: ConsistencyLevel::One,
                ..QueryParameters::default()
            },
        }))
    }

    fn finish(&mut self) {
        self.actions.push_back(Action::Finish(Established {
            version: self.version,
            compression: self.compression,
            server_options: std::mem::take(&mut self.server_options),
        }));
    }

    fn send(&mut self, request: &Request<'_>) -> Result<(), HandshakeError> {
        let options = RequestOptions {
            // Nothing is agreed on before the server has answered STARTUP.
            compression: self.compression.filter(|_| self.step > ConnectStep::Startup),
            ..RequestOptions::default()
        };
        let stream =
            StreamId::new(STREAM).ok_or_else(|| protocol(ProtocolError::InvalidStreamId { id: STREAM }))?;
        let mut out = Vec::new();
        encode_request(request, self.version, stream, &options, &mut out)
            .map_err(|error| HandshakeError::Failed(ConnectErrorKind::Encode(error)))?;
        self.actions.push_back(Action::Send(out));
        Ok(())
    }

    fn refused(&self, error: ServerError, version: ProtocolVersion) -> HandshakeError {
        let early = self.step <= ConnectStep::Startup;
        if early && (version != self.version || refuses_version(&error)) {
            return HandshakeError::Refused {
                answer: error.message,
            };
        }
        let authentication = error.code == ErrorCode::Authentication;
        let error = Arc::new(error);
        HandshakeError::Failed(match authentication {
            true => ConnectErrorKind::AuthenticationFailed(error),
            false => ConnectErrorKind::Server(error),
        })
    }
}

const STREAM: i16 = 0;
const COMPRESSION: &str = "COMPRESSION";
const PROTOCOL_VERSIONS: &str = "PROTOCOL_VERSIONS";

fn protocol(error: ProtocolError) -> HandshakeError {
    HandshakeError::Failed(ConnectErrorKind::Protocol(error))
}

#[cfg(test)]
mod tests;
