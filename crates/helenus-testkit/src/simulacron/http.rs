//! As much of HTTP/1.1 (RFC 9112) as Simulacron's administration needs: one request on one connection, JSON both ways.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::cassandra::parts::{Error, Result};

const LIMIT: Duration = Duration::from_secs(20);

/// The server to talk to.
#[derive(Debug)]
pub(super) struct Http {
    address: SocketAddr,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Http {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The JSON of the answer, null if it is empty.
    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let verb = method.as_str();
        let failed = |reason: String| Error::Simulacron {
            reason: format!("{verb} {path}: {reason}"),
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self
            .exchange(verb, path, &body)
            .map_err(|error| failed(error.to_string()))?;
        let (head, text) = answer
            .split_once("\r\n\r\n")
            .ok_or_else(|| failed(format!("the answer is no HTTP: {answer:?}")))?;
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        if !status.starts_with('2') {
            return Err(failed(format!("status {status}: {}", text.trim())));
        }
        // Some answers are a sentence, or nothing.
        Ok(serde_json::from_str(text).unwrap_or_default())
    }

    fn exchange(&self, verb: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}
