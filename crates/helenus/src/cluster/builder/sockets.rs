//! Options of the sockets. Unix domain sockets have none of them.

use std::time::Duration;

use super::{ClusterBuilder, in_range};
use crate::error::ConfigurationError;

impl ClusterBuilder {
    /// Whether small requests leave at once (TCP_NODELAY). True by default.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.tcp.nodelay = nodelay;
        self
    }

    /// Has the system probe idle connections after this time; `None`, the default, leaves it to heartbeats.
    pub fn tcp_keepalive(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.tcp.keepalive = time.into();
        self
    }

    /// Has the system close a connection whose bytes are not acknowledged within this time (TCP_USER_TIMEOUT, on Linux).
    pub fn tcp_user_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.tcp.user_timeout = limit.into();
        self
    }

    /// Bytes that the system may hold for a connection until they are sent and acknowledged (SO_SNDBUF). The system limits
    /// them, and may double them for what it needs itself. `None`, the default, leaves it to the system.
    pub fn tcp_send_buffer(mut self, bytes: impl Into<Option<u32>>) -> Self {
        self.tcp.send_buffer = bytes.into();
        self
    }

    /// Bytes that the system may hold for a connection until the driver reads them (SO_RCVBUF), as
    /// [`ClusterBuilder::tcp_send_buffer`]. A number keeps the system from adapting it to the connection.
    pub fn tcp_receive_buffer(mut self, bytes: impl Into<Option<u32>>) -> Self {
        self.tcp.receive_buffer = bytes.into();
        self
    }

    pub(super) fn check_sockets(&self) -> Result<(), ConfigurationError> {
        for (option, bytes) in [
            ("tcp_send_buffer", self.tcp.send_buffer),
            ("tcp_receive_buffer", self.tcp.receive_buffer),
        ] {
            let bytes = bytes.map_or(usize::MAX, |bytes| bytes as usize);
            in_range(option, bytes, 1..=usize::MAX, "it is at least 1")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use socket2::SockRef;

    use crate::Cluster;

    #[tokio::test]
    async fn sockets_have_the_options_that_were_given() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let builder = Cluster::builder()
            .contact_point("127.0.0.1")
            .tcp_nodelay(false)
            .tcp_send_buffer(20_000)
            .tcp_receive_buffer(30_000);
        let given = builder.tcp.connect(address).await.unwrap();
        let given = SockRef::from(&given);
        let usual = Cluster::builder().tcp.connect(address).await.unwrap();
        let usual = SockRef::from(&usual);
        assert!(!given.tcp_nodelay().unwrap() && usual.tcp_nodelay().unwrap());
        // Linux doubles what it is told.
        let sizes = [given.send_buffer_size(), given.recv_buffer_size()].map(Result::unwrap);
        assert!([20_000, 40_000].contains(&sizes[0]), "{sizes:?}");
        assert!([30_000, 60_000].contains(&sizes[1]), "{sizes:?}");
        assert_ne!(usual.send_buffer_size().unwrap(), sizes[0]);
        assert_ne!(usual.recv_buffer_size().unwrap(), sizes[1]);
    }

    #[test]
    fn a_buffer_without_room_is_refused() {
        let builder = Cluster::builder().contact_point("127.0.0.1");
        let error = builder.tcp_receive_buffer(0).build().unwrap_err().to_string();
        assert!(error.starts_with("tcp_receive_buffer: 0"), "{error}");
    }
}
