//! The one thread of the canned responder: epoll, reads and writes.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::connection::{Catalog, Connection, Failure};
use super::workload::Workload;
use crate::fake::{HealthyNode, NodeInfo, Script, Topology};

const LISTENER: Token = Token(0);
const STOP: Token = Token(1);

/// A read takes at most so much.
const READ: usize = 256 * 1024;

/// While more than this waits to be sent, a connection is not read from.
const OUTBOX_LIMIT: usize = 64 * 1024 * 1024;

/// A canned responder. It serves until it is dropped.
#[derive(Debug)]
pub struct CannedServer {
    address: SocketAddr,
    waker: Waker,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl CannedServer {
    /// Listens on `address` (port 0: any free one) and serves on a thread of its own.
    ///
    /// # Errors
    /// [`io::Error`] when the address cannot be bound or the thread cannot be started.
    pub fn start(address: SocketAddr) -> io::Result<Self> {
        Self::start_with_window(address, 1)
    }

    /// The same; the small answers of a connection are held back until there are `window` of them, then go in one write.
    /// A client that keeps as many requests in flight then gets its answers in the same batches on every run.
    ///
    /// # Errors
    /// Those of [`CannedServer::start`].
    pub fn start_with_window(address: SocketAddr, window: usize) -> io::Result<Self> {
        let server = Server::bind(address, window)?;
        let waker = Waker::new(server.poll.registry(), STOP)?;
        let address = server.address;
        let thread = std::thread::Builder::new()
            .name("canned".to_owned())
            .spawn(move || server.serve())?;
        Ok(Self {
            address,
            waker,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for CannedServer {
    fn drop(&mut self) {
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            // A panic of the server shows in its own output.
            let _ = thread.join();
        }
    }
}

struct Server {
    address: SocketAddr,
    poll: Poll,
    listener: TcpListener,
    script: Script,
    topology: Topology,
    window: usize,
}

struct Client {
    socket: TcpStream,
    connection: Connection,
    /// Not read from until its outbox is empty.
    is_paused: bool,
}

/// What is known of a connection after an event.
#[derive(PartialEq)]
enum State {
    Open,
    Closed,
}

impl Server {
    fn bind(address: SocketAddr, window: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let address = listener.local_addr()?;
        let mut topology = Topology::default();
        topology.nodes.push(NodeInfo::new(address));
        Workload::describe(&mut topology);
        let script = Workload::every().fold(Script::new(), |script, workload| {
            script.statement(workload.statement())
        });
        Ok(Self {
            address,
            poll,
            listener,
            script,
            topology,
            window,
        })
    }

    fn serve(mut self) -> io::Result<()> {
        let node = HealthyNode::new(
            self.address,
            self.script.clone(),
            Arc::new(RwLock::new(self.topology.clone())),
        );
        let mut catalog = Catalog::new(node);
        let mut clients: HashMap<Token, Client> = HashMap::new();
        let mut next = STOP.0 + 1;
        let mut room = vec![0; READ];
        let mut events = Events::with_capacity(1024);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(&mut clients, &mut next)?,
                    STOP => return Ok(()),
                    token => {
                        let Some(client) = clients.get_mut(&token) else {
                            continue;
                        };
                        let state = client.handle(&mut room, &mut catalog).unwrap_or_else(|error| {
                            tracing::debug!(%error, "canned connection ended");
                            State::Closed
                        });
                        if state == State::Closed {
                            clients.remove(&token);
                        }
                    }
                }
            }
        }
    }

    fn accept(&self, clients: &mut HashMap<Token, Client>, next: &mut usize) -> io::Result<()> {
        loop {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // A client that went away before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            socket.set_nodelay(true)?;
            let token = Token(*next);
            *next += 1;
            self.poll
                .registry()
                .register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
            clients.insert(
                token,
                Client {
                    socket,
                    connection: Connection::new(self.window),
                    is_paused: false,
                },
            );
        }
    }
}

impl Client {
    /// Reads all, answers, writes. Events come on edges, so reading ends only when the socket has no more: after a read
    /// that did not fill its room, or one that would block.
    fn handle(&mut self, room: &mut [u8], catalog: &mut Catalog) -> Result<State, io::Error> {
        loop {
            if self.is_paused {
                if !self.connection.flush(&mut self.socket)? {
                    return Ok(State::Open);
                }
                self.is_paused = false;
            }
            let count = match self.socket.read(room) {
                Ok(0) => return Ok(State::Closed),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if count > 0
                && let Err(failure) = self.connection.receive(&room[..count], catalog)
            {
                // The client may still read why.
                self.connection.flush(&mut self.socket)?;
                return Err(match failure {
                    Failure::Protocol(error) => io::Error::other(error),
                    Failure::Encode(error) => io::Error::other(error),
                });
            }
            let is_flushed = self.connection.flush(&mut self.socket)?;
            self.is_paused = !is_flushed && self.connection.outbox.len() > OUTBOX_LIMIT;
            if count < room.len() && !self.is_paused {
                return Ok(State::Open);
            }
        }
    }
}
