//! TLS over TCP.
//!
//! One TLS session has one state for both directions: whoever reads or writes holds it while records are made or opened, at
//! most some tens of kilobytes at a time. Bytes that were taken and could not be sent yet are kept there, in records, and
//! leave with the next flush.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rustls::ClientConnection;
use socket2::SockRef;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::{ConnectFuture, Connector, TcpOptions, Transport, TransportWrite};
use crate::connection::Endpoint;
use crate::connection::endpoint::Target;
use crate::tls::{Current, TlsError};

/// Bytes asked from the socket at once: two records of the largest size.
const READ_SIZE: usize = 2 * (16 * 1024 + 256);

/// Connects by TCP and shakes hands.
#[derive(Debug)]
pub(crate) struct TlsConnector {
    tcp: TcpOptions,
    current: Current,
}

impl TlsConnector {
    /// A connector that gives its sockets these options.
    pub(crate) fn new(tcp: TcpOptions, current: Current) -> Self {
        Self { tcp, current }
    }

    async fn connect_tls(&self, endpoint: &Endpoint) -> io::Result<Transport> {
        let Target::Tcp(address) = endpoint.target() else {
            return Err(TlsError::UnixSocket.into_io());
        };
        let name = self.current.options().name_of(endpoint);
        let name = name.map_err(TlsError::into_io)?;
        let session = ClientConnection::new(self.current.config(), name).map_err(tls_error)?;
        let stream = self.tcp.connect(*address).await?;
        let local_address = stream.local_addr().ok();
        let session = shake_hands(&stream, session).await?;
        let tls = Arc::new(Tls {
            stream,
            session: Mutex::new(session),
        });
        Ok(Transport {
            read: Box::new(TlsRead {
                tls: Arc::clone(&tls),
                arrived: vec![0; READ_SIZE].into(),
                opened: 0,
                end: 0,
            }),
            write: Box::new(TlsWrite(tls)),
            local_address,
            encrypted: true,
        })
    }
}

impl Connector for TlsConnector {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(self.connect_tls(endpoint))
    }
}

async fn shake_hands(stream: &TcpStream, mut session: ClientConnection) -> io::Result<ClientConnection> {
    while session.is_handshaking() || session.wants_write() {
        if session.wants_write() {
            match flush(stream, &mut session) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
                other => other?,
            }
            continue;
        }
        stream.readable().await?;
        match session.read_tls(&mut Socket(stream)) {
            Ok(0) => return Err(TlsError::ClosedByPeer.into_io()),
            Ok(_) => process(stream, &mut session)?,
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(session)
}

/// Opens the records that have arrived; tells the peer when they cannot be.
fn process(stream: &TcpStream, session: &mut ClientConnection) -> io::Result<()> {
    session.process_new_packets().map(drop).map_err(|error| {
        // The alert that says why. The connection ends, whether it arrives or not.
        let _ = flush(stream, session);
        tls_error(error)
    })
}

/// Sends the records that are ready.
fn flush(stream: &TcpStream, session: &mut ClientConnection) -> io::Result<()> {
    while session.wants_write() {
        match session.write_tls(&mut Socket(stream)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn tls_error(error: rustls::Error) -> io::Error {
    TlsError::from_rustls(error).into_io()
}

/// Whether another try may succeed.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// The socket, without waiting.
struct Socket<'a>(&'a TcpStream);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Tls {
    stream: TcpStream,
    session: Mutex<ClientConnection>,
}

impl Tls {
    fn session(&self) -> MutexGuard<'_, ClientConnection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TlsRead {
    tls: Arc<Tls>,
    /// Bytes from the socket, of which those from `opened` to `end` wait.
    arrived: Box<[u8]>,
    opened: usize,
    end: usize,
}

/// Hands out what has been opened; whether there was something, or nothing will come any more.
fn take_opened(session: &mut ClientConnection, out: &mut ReadBuf<'_>) -> io::Result<bool> {
    let before = out.filled().len();
    while out.remaining() > 0 {
        let mut reader = session.reader();
        let chunk = match reader.fill_buf() {
            // The peer said that it has no more.
            Ok([]) => return Ok(true),
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            // It went without saying: envelopes and segments have lengths of their own.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
            Err(error) => return Err(error),
        };
        let count = chunk.len().min(out.remaining());
        out.put_slice(&chunk[..count]);
        reader.consume(count);
    }
    Ok(out.filled().len() > before || out.remaining() == 0)
}

/// Opens some of what has arrived, and says how many bytes. What was opened before has been taken, for the session keeps
/// little.
fn open_some(stream: &TcpStream, session: &mut ClientConnection, mut arrived: &[u8]) -> io::Result<usize> {
    let count = session.read_tls(&mut arrived)?;
    process(stream, session)?;
    // What TLS itself has to say: when it cannot leave now, it does with the next request.
    match flush(stream, session) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(count),
    }
}

impl AsyncRead for TlsRead {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let stream = &this.tls.stream;
        loop {
            let mut session = this.tls.session();
            loop {
                if take_opened(&mut session, out)? {
                    return Poll::Ready(Ok(()));
                }
                if this.opened == this.end {
                    break;
                }
                this.opened += open_some(stream, &mut session, &this.arrived[this.opened..this.end])?;
            }
            drop(session);
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(&mut this.arrived) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(count) => (this.opened, this.end) = (0, count),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

struct TlsWrite(Arc<Tls>);

impl TransportWrite for TlsWrite {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.0.session();
        // What was taken before goes first, so that little is held back.
        flush(&self.0.stream, &mut session)?;
        let count = session.writer().write(bytes)?;
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match flush(&self.0.stream, &mut session) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(count),
        }
    }

    fn try_flush(&self) -> io::Result<()> {
        flush(&self.0.stream, &mut self.0.session())
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.poll_write_ready(cx)
    }

    fn shutdown(&self) {
        let mut session = self.0.session();
        session.send_close_notify();
        // A peer that does not read, or has gone, does not need it.
        let _ = flush(&self.0.stream, &mut session);
        let _ = SockRef::from(&self.0.stream).shutdown(std::net::Shutdown::Both);
    }
}
