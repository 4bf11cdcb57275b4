//! TLS over TCP.
//!
//! One TLS session has one state for both directions: whoever reads or writes holds it while records are made or opened, at
//! most some tens of kilobytes at a time. Bytes that were taken and could not be sent yet are kept there, in records, and
//! leave with the next flush.
//!
//! When the socket refuses bytes, the reader tells why the connection ends, not the writer: a node that refuses a client's
//! certificate says so in an alert, after the client has ended its handshake (RFC 8446 §4.4.2.4), and closes. By then the
//! client may be writing its first request; the alert waits to be read all the same.

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
            read: Box::new(TlsRead::new(Arc::clone(&tls))),
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

async fn shake_hands(stream: &TcpStream, session: ClientConnection) -> io::Result<Session> {
    let mut session = Session {
        tls: session,
        refused: None,
    };
    while session.tls.is_handshaking() || session.tls.wants_write() {
        if session.refused.is_none() && session.tls.wants_write() {
            match session.flush(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
                other => other?,
            }
            continue;
        }
        stream.readable().await?;
        match session.tls.read_tls(&mut Socket(stream)) {
            Ok(0) => {
                let refused = session.refused.take();
                return Err(refused.unwrap_or_else(|| TlsError::ClosedByPeer.into_io()));
            }
            Ok(_) => session.process(stream)?,
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(session)
}

/// The state of TLS and what became of the socket.
struct Session {
    tls: ClientConnection,
    /// Why the socket takes no more bytes. Those that came later were dropped; the reader tells when it has read all there is.
    refused: Option<io::Error>,
}

impl Session {
    /// Opens the records that have arrived; tells the peer when they cannot be.
    fn process(&mut self, stream: &TcpStream) -> io::Result<()> {
        self.tls.process_new_packets().map(drop).map_err(|error| {
            // The alert that says why. The connection ends, whether it arrives or not.
            let _ = self.flush(stream);
            tls_error(error)
        })
    }

    /// Sends the records that are ready. The only error is `WouldBlock`.
    fn flush(&mut self, stream: &TcpStream) -> io::Result<()> {
        while self.refused.is_none() && self.tls.wants_write() {
            match self.tls.write_tls(&mut Socket(stream)) {
                Ok(0) => self.refused = Some(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) => self.refused = Some(error),
            }
        }
        Ok(())
    }

    /// Hands out what has been opened; whether there was something, or nothing will come any more.
    fn take_opened(&mut self, out: &mut ReadBuf<'_>) -> io::Result<bool> {
        let before = out.filled().len();
        while out.remaining() > 0 {
            let mut reader = self.tls.reader();
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
    fn open_some(&mut self, stream: &TcpStream, mut arrived: &[u8]) -> io::Result<usize> {
        let count = self.tls.read_tls(&mut arrived)?;
        self.process(stream)?;
        // What TLS itself has to say: when it cannot leave now, it does with the next request.
        let _ = self.flush(stream);
        Ok(count)
    }
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
    session: Mutex<Session>,
}

impl Tls {
    fn session(&self) -> MutexGuard<'_, Session> {
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

impl TlsRead {
    fn new(tls: Arc<Tls>) -> Self {
        Self {
            tls,
            arrived: vec![0; READ_SIZE].into(),
            opened: 0,
            end: 0,
        }
    }
}

impl AsyncRead for TlsRead {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let stream = &this.tls.stream;
        loop {
            let mut session = this.tls.session();
            loop {
                if session.take_opened(out)? {
                    return Poll::Ready(Ok(()));
                }
                if this.opened == this.end {
                    break;
                }
                this.opened += session.open_some(stream, &this.arrived[this.opened..this.end])?;
            }
            drop(session);
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(&mut this.arrived) {
                Ok(0) => {
                    let refused = this.tls.session().refused.take();
                    return Poll::Ready(refused.map_or(Ok(()), Err));
                }
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
        session.flush(&self.0.stream)?;
        if session.refused.is_some() {
            return Ok(bytes.len());
        }
        let count = session.tls.writer().write(bytes)?;
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // The rest leaves with the next flush.
        let _ = session.flush(&self.0.stream);
        Ok(count)
    }

    fn try_flush(&self) -> io::Result<()> {
        self.0.session().flush(&self.0.stream)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.stream.poll_write_ready(cx)
    }

    fn shutdown(&self) {
        let mut session = self.0.session();
        session.tls.send_close_notify();
        // A peer that does not read, or has gone, does not need it.
        let _ = session.flush(&self.0.stream);
        let _ = SockRef::from(&self.0.stream).shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(test)]
mod tests;
