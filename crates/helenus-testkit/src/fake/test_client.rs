//! A client made of the codec alone, to test servers with.

use std::net::SocketAddr;

use helenus_protocol::{
    Compression, Direction, Envelope, InboundDecoder, ProtocolVersion, Query, QueryParameters, Request,
    RequestOptions, Response, ResponseEnvelope, ResultBody, Rows, SegmentEncoder, Startup, StreamId,
    encode_request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    pub(crate) decoder: InboundDecoder,
    version: ProtocolVersion,
    compression: Option<Compression>,
    segments: Option<SegmentEncoder>,
}

impl Client {
    pub(crate) async fn bare(address: SocketAddr, version: ProtocolVersion) -> Self {
        Self {
            socket: TcpStream::connect(address).await.unwrap(),
            decoder: InboundDecoder::new(Direction::Response),
            version,
            compression: None,
            segments: None,
        }
    }

    pub(crate) async fn connect(
        address: SocketAddr,
        version: ProtocolVersion,
        compression: Option<Compression>,
    ) -> Self {
        let mut client = Self::bare(address, version).await;
        let startup = Startup::new().with_compression(compression);
        let answer = client.ask(&Request::Startup(startup)).await;
        assert_eq!(answer, Response::Ready);
        client.agree(compression);
        client
    }

    /// What follows STARTUP and its answer.
    pub(crate) fn agree(&mut self, compression: Option<Compression>) {
        if self.version.features().segments {
            self.decoder.start_segments(compression);
            self.segments = Some(SegmentEncoder::new(compression));
        } else {
            self.decoder.set_compression(compression);
            self.compression = compression;
        }
    }

    pub(crate) async fn send(&mut self, stream: i16, request: &Request<'_>) {
        let options = RequestOptions {
            compression: self.compression,
            ..RequestOptions::default()
        };
        let stream = StreamId::new(stream).unwrap();
        let mut envelope = Vec::new();
        encode_request(request, self.version, stream, &options, &mut envelope).unwrap();
        let mut out = Vec::new();
        match &mut self.segments {
            Some(segments) => segments.encode(&envelope, &mut out),
            None => out = envelope,
        }
        self.socket.write_all(&out).await.unwrap();
    }

    /// The next envelope; `None` at the end of the stream.
    pub(crate) async fn receive(&mut self) -> Option<Envelope> {
        loop {
            if let Some(envelope) = self.decoder.next().unwrap() {
                return Some(envelope);
            }
            if self.socket.read_buf(self.decoder.buffer()).await.ok()? == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn response(&mut self) -> (i16, Response) {
        let Envelope { header, body } = self.receive().await.unwrap();
        (
            header.stream,
            ResponseEnvelope::decode(&header, body).unwrap().response,
        )
    }

    pub(crate) async fn ask(&mut self, request: &Request<'_>) -> Response {
        self.send(7, request).await;
        let (stream, response) = self.response().await;
        assert_eq!(stream, 7);
        response
    }

    pub(crate) async fn rows(&mut self, text: &str) -> Rows {
        match self.ask(&query(text)).await {
            Response::Result(ResultBody::Rows(rows)) => rows,
            other => panic!("no rows but {other:?}"),
        }
    }
}

pub(crate) fn query(text: &str) -> Request<'_> {
    Request::Query(Query {
        text,
        parameters: QueryParameters::default(),
    })
}
