//! Requests as they arrived, kept for handlers and for assertions.

use bytes::Bytes;
use helenus_protocol::{EnvelopeHeader, Opcode, ProtocolError, ProtocolVersion, Request, RequestEnvelope};

/// A request that a fake node received.
#[derive(Clone, Debug)]
pub struct Received {
    connection: u64,
    header: EnvelopeHeader,
    body: Bytes,
    text: Option<String>,
}

impl Received {
    /// Takes a request apart as far as is needed; `find_text` gives the text of a prepared statement by its id.
    ///
    /// # Errors
    /// [`ProtocolError`] when the body is not what its opcode says.
    pub(crate) fn new(
        connection: u64,
        header: EnvelopeHeader,
        body: Bytes,
        find_text: impl FnOnce(&[u8]) -> Option<String>,
    ) -> Result<Self, ProtocolError> {
        let text = match Request::decode(&header, &body)?.request {
            Request::Query(query) => Some(query.text.to_owned()),
            Request::Prepare(prepare) => Some(prepare.text.to_owned()),
            Request::Execute(execute) => find_text(execute.id),
            _ => None,
        };
        Ok(Self {
            connection,
            header,
            body,
            text,
        })
    }

    /// Number of the connection, counted from 0 by node.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Kind of request.
    pub fn opcode(&self) -> Opcode {
        self.header.opcode
    }

    /// Stream id.
    pub fn stream(&self) -> i16 {
        self.header.stream
    }

    /// Protocol version.
    pub fn version(&self) -> ProtocolVersion {
        self.header.version
    }

    /// The whole header.
    pub fn header(&self) -> &EnvelopeHeader {
        &self.header
    }

    /// The statement's text: of QUERY, of PREPARE, and of EXECUTE when the node knows the id.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The body, decompressed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The message in full.
    ///
    /// # Panics
    /// Never: the body was decoded when it arrived.
    #[expect(
        clippy::expect_used,
        reason = "the same bytes were decoded when the request was received"
    )]
    pub fn request(&self) -> RequestEnvelope<'_> {
        Request::decode(&self.header, &self.body).expect("a body that was decoded before")
    }
}
