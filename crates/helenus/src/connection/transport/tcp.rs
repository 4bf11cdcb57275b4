//! TCP, and Unix domain sockets, as they are.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream, tcp};

use super::{ConnectFuture, Connector, Transport, TransportWrite};
use crate::connection::Endpoint;
use crate::connection::endpoint::Target;

/// Options of the sockets.
#[derive(Clone, Debug)]
pub(crate) struct TcpOptions {
    /// Small writes leave at once (TCP_NODELAY).
    pub(crate) nodelay: bool,
    /// An idle socket is probed after this long, and then at the same interval; `None` leaves it to heartbeats.
    pub(crate) keepalive: Option<Duration>,
    /// Written bytes must be acknowledged within this long (TCP_USER_TIMEOUT, on Linux); `None` leaves it to the system.
    pub(crate) user_timeout: Option<Duration>,
    /// The kernel's receive buffer in bytes.
    pub(crate) receive_buffer: Option<u32>,
    /// The kernel's send buffer in bytes.
    pub(crate) send_buffer: Option<u32>,
    /// The local address to connect from; one of the same family as the node's address.
    pub(crate) local_address: Option<SocketAddr>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: None,
            user_timeout: None,
            receive_buffer: None,
            send_buffer: None,
            local_address: None,
        }
    }
}

impl TcpOptions {
    /// A connected socket with these options.
    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.socket(address)?.connect(address).await
    }

    fn socket(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_nodelay(self.nodelay)?;
        let reference = SockRef::from(&socket);
        if let Some(time) = self.keepalive {
            reference.set_tcp_keepalive(&TcpKeepalive::new().with_time(time).with_interval(time))?;
        }
        #[cfg(target_os = "linux")]
        if let Some(timeout) = self.user_timeout {
            reference.set_tcp_user_timeout(Some(timeout))?;
        }
        if let Some(size) = self.receive_buffer {
            socket.set_recv_buffer_size(size)?;
        }
        if let Some(size) = self.send_buffer {
            socket.set_send_buffer_size(size)?;
        }
        if let Some(local) = self.local_address {
            socket.bind(local)?;
        }
        Ok(socket)
    }
}

/// Connects without TLS.
#[derive(Clone, Debug)]
pub(crate) struct TcpConnector {
    options: TcpOptions,
}

impl TcpConnector {
    /// A connector that gives its sockets these options.
    pub(crate) fn new(options: TcpOptions) -> Self {
        Self { options }
    }

    async fn connect_tcp(&self, address: SocketAddr) -> io::Result<Transport> {
        let stream = self.options.connect(address).await?;
        let local_address = stream.local_addr().ok();
        let (read, write) = stream.into_split();
        Ok(Transport {
            read: Box::new(read),
            write: Box::new(TcpWrite(write)),
            local_address,
            encrypted: false,
        })
    }
}

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a> {
        Box::pin(async move {
            match endpoint.target() {
                Target::Tcp(address) => self.connect_tcp(*address).await,
                #[cfg(unix)]
                Target::Unix(path) => unix::connect(path).await,
                #[cfg(not(unix))]
                Target::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            }
        })
    }
}

struct TcpWrite(tcp::OwnedWriteHalf);

impl TcpWrite {
    fn stream(&self) -> &TcpStream {
        self.0.as_ref()
    }
}

impl TransportWrite for TcpWrite {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_write_ready(cx)
    }

    fn shutdown(&self) {
        // Fails only when the peer was faster.
        let _ = SockRef::from(self.stream()).shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(unix)]
mod unix {
    use std::path::Path;

    use tokio::net::{UnixStream, unix};

    use super::*;

    pub(super) async fn connect(path: &Path) -> io::Result<Transport> {
        let stream = UnixStream::connect(path).await?;
        let (read, write) = stream.into_split();
        Ok(Transport {
            read: Box::new(read),
            write: Box::new(UnixWrite(write)),
            local_address: None,
            // It does not leave the machine.
            encrypted: true,
        })
    }

    struct UnixWrite(unix::OwnedWriteHalf);

    impl UnixWrite {
        fn stream(&self) -> &UnixStream {
            self.0.as_ref()
        }
    }

    impl TransportWrite for UnixWrite {
        fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            self.0.try_write(bytes)
        }

        fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
            self.0.try_write_vectored(pieces)
        }

        fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.stream().poll_write_ready(cx)
        }

        fn shutdown(&self) {
            let _ = SockRef::from(self.stream()).shutdown(std::net::Shutdown::Both);
        }
    }
}
