//! One connection of a fake node: bytes to requests, requests to actions, actions to bytes.
//!
//! Requests are taken one after the other; only an action that waits ([`Action::Hold`]) moves the rest of its request to a
//! task of its own, so that later requests go on, as on a real node.
//! Invariant: after STARTUP has been received, what the client sends is framed as agreed (v5 §2.3.1).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use helenus_protocol::{
    Compression, Direction, Envelope, ErrorCode, Event, EventKind, InboundDecoder, Opcode, ProtocolError,
    ProtocolVersion, Request, Response, Startup,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::{Mutex, watch};

use super::action::{Action, Gate};
use super::node::Shared;
use super::output::Output;
use super::pages::{self, Sessions};
use super::received::Received;
use super::reply::Reply;

/// The actions of one request, under way.
type Running = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// What the tasks of one connection share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) output: Mutex<Output>,
    /// Requests that are answered by pages.
    pub(super) sessions: Sessions,
    pub(super) closed: watch::Sender<bool>,
    version: OnceLock<ProtocolVersion>,
    compression: OnceLock<Option<Compression>>,
    registered: std::sync::Mutex<Vec<EventKind>>,
    authentication_round: AtomicUsize,
    ready: AtomicBool,
    /// Whether the connection ends with a TCP reset.
    resets: AtomicBool,
}

impl Connection {
    /// Takes over a socket; its requests are served until one side closes.
    pub(super) fn start(id: u64, socket: TcpStream, shared: &Arc<Shared>) -> Arc<Self> {
        let (reader, writer) = socket.into_split();
        let connection = Arc::new(Self {
            id,
            output: Mutex::new(Output::new(writer)),
            sessions: Sessions::default(),
            closed: watch::Sender::new(false),
            version: OnceLock::new(),
            compression: OnceLock::new(),
            registered: std::sync::Mutex::default(),
            authentication_round: AtomicUsize::new(0),
            ready: AtomicBool::new(false),
            resets: AtomicBool::new(false),
        });
        let (own, shared) = (connection.clone(), shared.clone());
        tokio::spawn(async move {
            let mut closed = own.closed.subscribe();
            tokio::select! {
                _ = closed.wait_for(|closed| *closed) => {}
                result = own.serve(reader, &shared) => {
                    if let Err(error) = result {
                        tracing::debug!(connection = own.id, %error, "fake node ends a connection");
                    }
                }
            }
            own.abandon();
            own.output.lock().await.close(own.resets.load(Ordering::Acquire));
            shared.forget_connection(own.id);
        });
        connection
    }

    /// Closes the socket, by a reset if asked for. Held requests of the connection come to nothing.
    pub(super) async fn close(&self, reset: bool) {
        self.resets.fetch_or(reset, Ordering::AcqRel);
        self.abandon();
        self.output.lock().await.close(reset);
    }

    /// Closes it soon, from outside of async code.
    pub(super) fn abandon(&self) {
        self.closed.send_replace(true);
    }

    /// Writes, unless the connection ends first: a client that does not read holds up nobody but itself.
    pub(super) async fn write(&self, output: &mut Output, bytes: &[u8]) -> io::Result<()> {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            result = output.write(bytes) => result,
            _ = closed.wait_for(|closed| *closed) => Ok(()),
        }
    }

    /// Sends an event if the client registered for its kind.
    pub(super) async fn push(&self, event: &Event) {
        let kind = match event {
            Event::TopologyChange { .. } => EventKind::TopologyChange,
            Event::StatusChange { .. } => EventKind::StatusChange,
            _ => EventKind::SchemaChange,
        };
        let registered = self.registered().contains(&kind);
        if let (true, Some(version)) = (registered, self.version.get()) {
            let reply = Response::Event(event.clone()).into();
            if let Err(error) = self.send(&reply, *version, -1, true).await {
                tracing::debug!(connection = self.id, %error, "event not sent");
            }
        }
    }

    /// Whether STARTUP has been answered with READY, or authentication has succeeded.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// Whether the client has asked for events.
    pub(super) fn is_registered(&self) -> bool {
        !self.registered().is_empty()
    }

    fn registered(&self) -> std::sync::MutexGuard<'_, Vec<EventKind>> {
        self.registered
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn serve(self: &Arc<Self>, mut reader: OwnedReadHalf, shared: &Arc<Shared>) -> io::Result<()> {
        let mut decoder = InboundDecoder::new(Direction::Request);
        loop {
            loop {
                match decoder.next() {
                    Ok(None) => break,
                    Ok(Some(envelope)) => self.take(envelope, &mut decoder, shared).await?,
                    Err(error) => return self.refuse(&error, &mut decoder, shared).await,
                }
            }
            if reader.read_buf(decoder.buffer()).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn take(
        self: &Arc<Self>,
        envelope: Envelope,
        decoder: &mut InboundDecoder,
        shared: &Arc<Shared>,
    ) -> io::Result<()> {
        let Envelope { header, body } = envelope;
        if !shared.healthy.script().versions.contains(&header.version) {
            let error = ProtocolError::UnsupportedVersion {
                number: header.version.number(),
            };
            return self.refuse_version(&error, header.stream, shared).await;
        }
        let version = *self.version.get_or_init(|| header.version);
        let received = Received::new(self.id, header, body, |id| shared.healthy.text_of(id));
        let received = match received {
            Ok(received) => Arc::new(received),
            Err(error) => {
                let reply = Reply::error(ErrorCode::Protocol, error.to_string());
                return self.send(&reply, version, header.stream, true).await;
            }
        };
        if let Request::Startup(startup) = received.request().request {
            // Before any answer: what the client sends next is framed already.
            let compression = startup.get(Startup::COMPRESSION).and_then(Compression::from_name);
            let _ = self.compression.set(compression);
            match version.features().segments {
                true => decoder.start_segments(compression),
                false => decoder.set_compression(compression),
            }
        }
        shared.record(&received);
        let script = shared.healthy.script();
        let actions = script.decide(&received).unwrap_or_else(|| vec![Action::Default]);
        self.clone().run(actions, 0, received, shared.clone()).await
    }

    /// Runs the actions from `from` on, until one waits; that one and the rest go on in a task.
    fn run(
        self: Arc<Self>,
        actions: Vec<Action>,
        from: usize,
        received: Arc<Received>,
        shared: Arc<Shared>,
    ) -> Running {
        Box::pin(self.run_actions(actions, from, received, shared))
    }

    async fn run_actions(
        self: Arc<Self>,
        actions: Vec<Action>,
        from: usize,
        received: Arc<Received>,
        shared: Arc<Shared>,
    ) -> io::Result<()> {
        for (index, action) in actions.iter().enumerate().skip(from) {
            match action {
                Action::Hold(gate) if !gate.is_open() => {
                    let (own, gate) = (self.clone(), gate.clone());
                    tokio::spawn(async move {
                        own.pass(&gate).await;
                        if let Err(error) = own.run(actions, index + 1, received, shared).await {
                            tracing::debug!(%error, "held request could not be answered");
                        }
                    });
                    return Ok(());
                }
                Action::StopReading(gate) if !gate.is_open() => {
                    let gate = gate.clone();
                    self.clone().run(actions, index + 1, received, shared).await?;
                    self.pass(&gate).await;
                    return Ok(());
                }
                Action::Pages(pages) => self.start_pages(pages.clone(), received.clone()),
                Action::Default => match pages::of_statement(&shared.healthy, &received) {
                    Some(pages) => self.start_pages(pages, received.clone()),
                    None => self.act(action, &received, &shared).await?,
                },
                action => self.act(action, &received, &shared).await?,
            }
        }
        Ok(())
    }

    /// Waits for the gate, or for the end of the connection.
    async fn pass(&self, gate: &Gate) {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            () = gate.opened() => {}
            _ = closed.wait_for(|closed| *closed) => {}
        }
    }

    async fn act(&self, action: &Action, received: &Received, shared: &Shared) -> io::Result<()> {
        let (version, stream) = (received.version(), received.stream());
        match action {
            Action::Default => {
                let reply = self.answer(received, shared);
                self.send_answer(&reply, received).await
            }
            Action::Reply(reply) => self.send_answer(reply, received).await,
            Action::ReplyOnStream(stream, reply) => self.send(reply, version, *stream, true).await,
            Action::ReplyInVersion(version, reply) => self.send(reply, *version, stream, true).await,
            Action::ReplyUncompressed(reply) => self.send(reply, version, stream, false).await,
            Action::ReplyCorrupted(corruption, reply) => {
                let mut output = self.output.lock().await;
                let mut bytes = output
                    .encode(reply, version, stream, true)
                    .map_err(io::Error::other)?;
                output.corrupt(*corruption, &mut bytes);
                self.write(&mut output, &bytes).await
            }
            Action::ReplyCut { keep, reply } => {
                let mut output = self.output.lock().await;
                let bytes = output
                    .encode(reply, version, stream, true)
                    .map_err(io::Error::other)?;
                self.write(&mut output, &bytes[..(*keep).min(bytes.len())])
                    .await?;
                drop(output);
                self.close(false).await;
                Ok(())
            }
            Action::ReplyInPieces { size, reply } => {
                let mut output = self.output.lock().await;
                let bytes = output
                    .encode(reply, version, stream, true)
                    .map_err(io::Error::other)?;
                for piece in bytes.chunks((*size).max(1)) {
                    self.write(&mut output, piece).await?;
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
            Action::Bytes(bytes) => self.write(&mut *self.output.lock().await, bytes).await,
            Action::Close => {
                self.close(false).await;
                Ok(())
            }
            Action::Reset => {
                self.close(true).await;
                Ok(())
            }
            // Open gates hold nothing back.
            Action::Hold(_) | Action::StopReading(_) => Ok(()),
            // They have a task of their own.
            Action::Pages(_) => Ok(()),
        }
    }

    /// Answers, and changes the framing when the answer is that to STARTUP (v5 §2.3.1: READY and AUTHENTICATE are bare).
    async fn send_answer(&self, reply: &Reply, received: &Received) -> io::Result<()> {
        let version = received.version();
        let mut output = self.output.lock().await;
        let bytes = output
            .encode(reply, version, received.stream(), true)
            .map_err(io::Error::other)?;
        self.write(&mut output, &bytes).await?;
        if received.opcode() == Opcode::Startup
            && matches!(reply.0.response, Response::Ready | Response::Authenticate { .. })
        {
            output.change_framing(version, self.compression.get().copied().flatten());
        }
        let ready = matches!(reply.0.response, Response::Ready | Response::AuthSuccess(_));
        self.ready.fetch_or(ready, Ordering::AcqRel);
        Ok(())
    }

    async fn send(
        &self,
        reply: &Reply,
        version: ProtocolVersion,
        stream: i16,
        compressed: bool,
    ) -> io::Result<()> {
        let mut output = self.output.lock().await;
        let bytes = output
            .encode(reply, version, stream, compressed)
            .map_err(io::Error::other)?;
        self.write(&mut output, &bytes).await
    }

    /// Answers bytes that are no request, then ends the connection.
    async fn refuse(
        &self,
        error: &ProtocolError,
        decoder: &mut InboundDecoder,
        shared: &Shared,
    ) -> io::Result<()> {
        if let ProtocolError::UnsupportedVersion { .. } = error {
            // The header stands at the head of the buffer still: nothing of it was taken.
            let stream = match decoder.buffer().get(2..4) {
                Some(&[high, low]) => i16::from_be_bytes([high, low]),
                _ => 0,
            };
            return self.refuse_version(error, stream, shared).await;
        }
        let version = self.version.get().copied().unwrap_or(ProtocolVersion::V4);
        let reply = Reply::error(ErrorCode::Protocol, error.to_string());
        self.send(&reply, version, 0, true).await
    }

    /// Cassandra answers in its own highest version, in these words, and closes.
    async fn refuse_version(&self, error: &ProtocolError, stream: i16, shared: &Shared) -> io::Result<()> {
        let ProtocolError::UnsupportedVersion { number } = error else {
            return Ok(());
        };
        let script = shared.healthy.script();
        let highest = script
            .versions
            .iter()
            .max()
            .copied()
            .unwrap_or(ProtocolVersion::V4);
        let names: Vec<String> = script
            .versions
            .iter()
            .map(|version| format!("{}/{version}", version.number()))
            .collect();
        let message = format!(
            "Invalid or unsupported protocol version ({number}); supported versions are ({})",
            names.join(", ")
        );
        self.send(&Reply::error(ErrorCode::Protocol, message), highest, stream, true)
            .await?;
        self.close(false).await;
        Ok(())
    }

    /// What a healthy node answers.
    fn answer(&self, received: &Received, shared: &Shared) -> Reply {
        match received.request().request {
            Request::AuthResponse(response) => self.answer_token(response.token.unwrap_or_default(), shared),
            Request::Register(register) => {
                self.registered().extend_from_slice(&register.events);
                Response::Ready.into()
            }
            Request::Revise(revise) => self.revise(&revise),
            _ => shared.healthy.answer(received),
        }
    }

    fn answer_token(&self, token: &[u8], shared: &Shared) -> Reply {
        let round = self.authentication_round.fetch_add(1, Ordering::AcqRel);
        match shared.healthy.script().authentication.judge(round, token) {
            super::Verdict::Challenge(token) => Response::AuthChallenge(Some(token)).into(),
            super::Verdict::Accept => Response::AuthSuccess(None).into(),
            super::Verdict::Refuse(message) => Reply::error(ErrorCode::Authentication, message),
        }
    }
}
