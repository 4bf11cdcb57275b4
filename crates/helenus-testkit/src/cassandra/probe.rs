//! The few CQL messages that tell whether a node serves clients.
//!
//! Native protocol v4 §2 and §4: OPTIONS, STARTUP, AUTH_RESPONSE and QUERY, of whose answer only the number of rows is read. v4 because all
//! supported versions speak it without segments; a node that refuses it (`allow_older_protocols: false`) answers with an
//! ERROR that is an answer all the same.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use super::access::{Access, Credentials};

/// A connection on which requests are answered one after the other.
pub(crate) struct Probe {
    stream: Box<dyn Stream>,
}

/// Why a node gave no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the node answered error 0x{code:04X}: {message}")]
    Server { code: i32, message: String },
    #[error("unexpected answer: {0}")]
    Protocol(&'static str),
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Probe {
    /// Connects, starts up and logs in as `access` says.
    pub(crate) fn connect(
        address: SocketAddr,
        access: &Access,
        timeout: Duration,
    ) -> Result<Self, ProbeError> {
        let mut probe = Self {
            stream: open(address, access, timeout)?,
        };
        probe.start_up(access.credentials.as_ref())?;
        Ok(probe)
    }

    fn start_up(&mut self, credentials: Option<&Credentials>) -> Result<(), ProbeError> {
        // [string map] of one entry: {"CQL_VERSION": "3.0.0"}
        let body = b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0";
        match (self.request(STARTUP, body)?, credentials) {
            ((READY, _), _) => Ok(()),
            ((AUTHENTICATE, _), Some(Credentials { username, password })) => {
                let token = format!("\0{username}\0{password}");
                let mut body = Vec::with_capacity(4 + token.len());
                body.extend((token.len() as u32).to_be_bytes());
                body.extend(token.as_bytes());
                match self.request(AUTH_RESPONSE, &body)? {
                    (AUTH_SUCCESS, _) => Ok(()),
                    _ => Err(ProbeError::Protocol(
                        "AUTH_RESPONSE was not answered with AUTH_SUCCESS",
                    )),
                }
            }
            ((AUTHENTICATE, _), None) => Err(ProbeError::Protocol(
                "the node asks for a login, which was not expected",
            )),
            _ => Err(ProbeError::Protocol(
                "STARTUP was answered with neither READY nor AUTHENTICATE",
            )),
        }
    }

    /// Asks for OPTIONS, which works without a login.
    pub(crate) fn answers(address: SocketAddr, access: &Access, timeout: Duration) -> Result<(), ProbeError> {
        match (Self {
            stream: open(address, access, timeout)?,
        })
        .request(OPTIONS, b"")
        {
            Ok((SUPPORTED, _)) => Ok(()),
            Ok(_) => Err(ProbeError::Protocol("OPTIONS was not answered with SUPPORTED")),
            Err(ProbeError::Server {
                code: PROTOCOL_ERROR, ..
            }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Runs a query and returns the number of rows on the first page.
    pub(crate) fn query(&mut self, query: &str, consistency: u16) -> Result<usize, ProbeError> {
        let mut body = Vec::with_capacity(query.len() + 7);
        body.extend((query.len() as u32).to_be_bytes());
        body.extend(query.as_bytes());
        body.extend(consistency.to_be_bytes());
        body.push(0); // no flags
        match self.request(QUERY, &body)? {
            (RESULT, body) => row_count(&body).ok_or(ProbeError::Protocol("the rows cannot be read")),
            _ => Err(ProbeError::Protocol("QUERY was not answered with RESULT")),
        }
    }

    fn request(&mut self, opcode: u8, body: &[u8]) -> Result<(u8, Vec<u8>), ProbeError> {
        let mut envelope = vec![VERSION, 0, 0, 0, opcode];
        envelope.extend((body.len() as u32).to_be_bytes());
        envelope.extend(body);
        self.stream.write_all(&envelope)?;
        self.stream.flush()?;
        let mut header = [0; 9];
        self.stream.read_exact(&mut header)?;
        let [version, flags, _, _, opcode, l0, l1, l2, l3] = header;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        if version & 0x80 == 0 || length > MAX_BODY {
            return Err(ProbeError::Protocol("the header is not one of a response"));
        }
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body)?;
        if flags & WARNING != 0 {
            body = without_warnings(&body)
                .ok_or(ProbeError::Protocol("the warnings cannot be read"))?
                .to_vec();
        }
        if opcode == ERROR {
            let mut rest = &body[..];
            let code = take(&mut rest).map_or(0, i32::from_be_bytes);
            let message = short_bytes(&mut rest).unwrap_or_default();
            return Err(ProbeError::Server {
                code,
                message: String::from_utf8_lossy(message).into_owned(),
            });
        }
        Ok((opcode, body))
    }
}

fn open(address: SocketAddr, access: &Access, timeout: Duration) -> Result<Box<dyn Stream>, ProbeError> {
    let socket = TcpStream::connect_timeout(&address, timeout)?;
    socket.set_read_timeout(Some(timeout))?;
    socket.set_write_timeout(Some(timeout))?;
    socket.set_nodelay(true)?;
    let Some(config) = &access.client else {
        return Ok(Box::new(socket));
    };
    let name = address.ip().into();
    let connection = rustls::ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    Ok(Box::new(rustls::StreamOwned::new(connection, socket)))
}

/// The body behind the [string list] of warnings (v4 §2.2).
fn without_warnings(mut body: &[u8]) -> Option<&[u8]> {
    let rest = &mut body;
    for _ in 0..u16::from_be_bytes(take(rest)?) {
        short_bytes(rest)?;
    }
    Some(*rest)
}

/// The number of rows in a RESULT of kind Rows (v4 §4.2.5.2); 0 for other kinds.
fn row_count(mut body: &[u8]) -> Option<usize> {
    let rest = &mut body;
    if i32::from_be_bytes(take(rest)?) != ROWS {
        return Some(0);
    }
    let flags = i32::from_be_bytes(take(rest)?);
    let columns = i32::from_be_bytes(take(rest)?);
    if flags & HAS_MORE_PAGES != 0 {
        let length = i32::from_be_bytes(take(rest)?);
        cut(rest, usize::try_from(length).ok()?)?;
    }
    let global = flags & GLOBAL_TABLES_SPEC != 0;
    if global {
        short_bytes(rest)?;
        short_bytes(rest)?;
    }
    for _ in 0..columns {
        if !global {
            short_bytes(rest)?;
            short_bytes(rest)?;
        }
        short_bytes(rest)?;
        // Only queries for simple types are asked here: their option has an id and no value.
        let kind = u16::from_be_bytes(take(rest)?);
        if kind == 0 || kind >= 0x0020 {
            return None;
        }
    }
    usize::try_from(i32::from_be_bytes(take(rest)?)).ok()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn cut<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn short_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(take(rest)?);
    cut(rest, usize::from(length))
}

const VERSION: u8 = 0x04;
const ERROR: u8 = 0x00;
const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const AUTHENTICATE: u8 = 0x03;
const OPTIONS: u8 = 0x05;
const SUPPORTED: u8 = 0x06;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;
const AUTH_RESPONSE: u8 = 0x0F;
const AUTH_SUCCESS: u8 = 0x10;
const WARNING: u8 = 0x08;
const ROWS: i32 = 0x0002;
const GLOBAL_TABLES_SPEC: i32 = 0x0001;
const HAS_MORE_PAGES: i32 = 0x0002;
const PROTOCOL_ERROR: i32 = 0x000A;
/// Consistency level ONE.
pub(crate) const ONE: u16 = 0x0001;
/// Consistency level ALL.
pub(crate) const ALL: u16 = 0x0005;
/// Far more than any answer to the questions asked here.
const MAX_BODY: u32 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// `SELECT peer FROM system.peers`: one column of type inet, two rows.
    const PEERS: &[u8] =
        b"\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x06system\x00\x05peers\x00\x04peer\x00\x10\
        \x00\x00\x00\x02";

    #[test]
    fn rows_are_counted_behind_the_metadata() {
        assert_eq!(row_count(PEERS), Some(2));
        assert_eq!(row_count(b"\x00\x00\x00\x01"), Some(0));
    }

    #[test]
    fn rows_cut_anywhere_are_an_error_and_no_panic() {
        for end in 0..PEERS.len() {
            assert_eq!(row_count(&PEERS[..end]), None, "{end}");
        }
    }

    #[test]
    fn warnings_are_skipped() {
        assert_eq!(
            without_warnings(b"\x00\x02\x00\x03one\x00\x03twobody"),
            Some(&b"body"[..])
        );
        assert_eq!(without_warnings(b"\x00\x02\x00\x03one\x00\x09two"), None);
    }

    #[test]
    fn a_server_error_is_told_with_code_and_message() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 31];
            socket.read_exact(&mut request).unwrap();
            socket
                .write_all(b"\x84\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x10\x01\x00\x03bad")
                .unwrap();
        });
        let Err(error) = Probe::connect(address, &Access::default(), Duration::from_secs(10)) else {
            panic!("connected")
        };
        assert_eq!(error.to_string(), "the node answered error 0x1001: bad");
        server.join().unwrap();
    }
}
