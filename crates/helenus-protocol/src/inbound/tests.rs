use proptest::prelude::*;

use super::*;
use crate::testing::hex;
use crate::{
    HEADER_LENGTH, MAX_SEGMENT_PAYLOAD, Opcode, ProtocolVersion, Query, Request, RequestOptions,
    SegmentEncoder, StreamId, encode_request,
};

fn query(version: ProtocolVersion, text: &str, compression: Option<Compression>) -> Vec<u8> {
    let request = Request::Query(Query {
        text,
        ..Query::default()
    });
    let options = RequestOptions {
        compression,
        ..RequestOptions::default()
    };
    let mut out = Vec::new();
    encode_request(&request, version, StreamId::new(1).unwrap(), &options, &mut out).unwrap();
    out
}

fn segments(compression: Option<Compression>, envelopes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    SegmentEncoder::new(compression).encode(envelopes, &mut out);
    out
}

/// Feeds the parts and collects what comes out after each.
fn receive(decoder: &mut InboundDecoder, parts: &[&[u8]]) -> Result<Vec<Envelope>, ProtocolError> {
    let mut envelopes = Vec::new();
    for part in parts {
        decoder.buffer().extend_from_slice(part);
        while let Some(envelope) = decoder.next()? {
            envelopes.push(envelope);
        }
    }
    Ok(envelopes)
}

fn texts(envelopes: &[Envelope]) -> Vec<String> {
    envelopes
        .iter()
        .map(
            |envelope| match Request::decode(&envelope.header, &envelope.body).unwrap().request {
                Request::Query(query) => query.text.to_owned(),
                other => panic!("{other:?}"),
            },
        )
        .collect()
}

#[test]
fn compressed_and_plain_bodies_come_out_alike() {
    let text = "SELECT ".repeat(90);
    for compression in Compression::ALL {
        let mut decoder = InboundDecoder::new(Direction::Request);
        decoder.set_compression(Some(compression));
        let compressed = query(ProtocolVersion::V4, &text, Some(compression));
        let plain = query(ProtocolVersion::V4, &text, None);
        assert!(compressed.len() < plain.len());
        let envelopes = receive(&mut decoder, &[&compressed, &plain]).unwrap();
        assert_eq!(envelopes[0], envelopes[1]);
        assert_eq!(envelopes[0].header.length, plain.len() - HEADER_LENGTH);
        assert_eq!(texts(&envelopes), [text.as_str(), &text]);
    }
}

#[test]
fn compressed_body_without_agreed_compression_is_refused() {
    let mut decoder = InboundDecoder::new(Direction::Request);
    let refused = receive(&mut decoder, &[&hex("04 01 0000 05 00000000")]);
    assert_eq!(refused, Err(ProtocolError::UnexpectedCompression));
}

#[test]
fn compression_flag_means_nothing_in_v5() {
    let mut decoder = InboundDecoder::new(Direction::Request);
    let envelopes = receive(&mut decoder, &[&hex("05 01 0000 05 00000000")]).unwrap();
    assert_eq!(envelopes[0].header.opcode, Opcode::Options);
}

#[test]
fn envelope_of_the_other_direction_is_refused() {
    let mut decoder = InboundDecoder::new(Direction::Response);
    let refused = receive(&mut decoder, &[&hex("04 00 0000 05 00000000")]);
    assert_eq!(refused, Err(ProtocolError::WrongDirection));
}

#[test]
fn bytes_behind_the_change_of_framing_are_segments() {
    for compression in [None, Some(Compression::Lz4)] {
        let mut stream = hex("05 00 0000 05 00000000");
        let queries = [
            query(ProtocolVersion::V5, "A", None),
            query(ProtocolVersion::V5, "B", None),
        ]
        .concat();
        stream.extend_from_slice(&segments(compression, &queries));
        for cut in 0..stream.len() {
            let mut decoder = InboundDecoder::new(Direction::Request);
            decoder.buffer().extend_from_slice(&stream[..cut]);
            let mut envelopes = Vec::new();
            let mut change = |decoder: &mut InboundDecoder| {
                while let Some(envelope) = decoder.next().unwrap() {
                    if envelope.header.opcode == Opcode::Options {
                        decoder.start_segments(compression);
                    } else {
                        envelopes.push(envelope);
                    }
                }
            };
            change(&mut decoder);
            assert!(decoder.missing() > 0);
            decoder.buffer().extend_from_slice(&stream[cut..]);
            change(&mut decoder);
            assert_eq!(texts(&envelopes), ["A", "B"]);
        }
    }
}

#[test]
fn large_envelopes_cross_segments() {
    for compression in [None, Some(Compression::Lz4)] {
        let large: String = (0..50_000).map(|number| format!("{number:07}")).collect();
        let stream = [
            query(ProtocolVersion::V5, "A", None),
            query(ProtocolVersion::V5, &large, None),
            query(ProtocolVersion::V5, "B", None),
        ]
        .concat();
        let bytes = segments(compression, &stream);
        for step in [1021, MAX_SEGMENT_PAYLOAD, bytes.len()] {
            let mut decoder = InboundDecoder::new(Direction::Request);
            decoder.start_segments(compression);
            let parts: Vec<&[u8]> = bytes.chunks(step).collect();
            let envelopes = receive(&mut decoder, &parts).unwrap();
            assert_eq!(texts(&envelopes), ["A", &large, "B"]);
        }
    }
}

/// A plain segment with this payload.
fn segment(payload: &[u8], self_contained: bool) -> Vec<u8> {
    let fields = (payload.len() as u32 | u32::from(self_contained) << 17).to_le_bytes();
    let mut out = fields[..3].to_vec();
    out.extend_from_slice(&crate::crc::crc24(&fields[..3]).to_le_bytes()[..3]);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crate::crc::crc32(payload).to_le_bytes());
    out
}

#[test]
fn fault_14_envelope_may_be_spread_at_any_byte() {
    let envelope = query(ProtocolVersion::V5, "A", None);
    for cut in 0..=envelope.len() {
        let mut decoder = InboundDecoder::new(Direction::Request);
        decoder.start_segments(None);
        let stream = [
            segment(&envelope[..cut], false),
            segment(&envelope[cut..], false),
            segment(&envelope, true),
        ]
        .concat();
        assert_eq!(texts(&receive(&mut decoder, &[&stream]).unwrap()), ["A", "A"]);
    }
}

#[test]
fn self_contained_segment_must_hold_whole_envelopes() {
    let envelope = query(ProtocolVersion::V5, "A", None);
    for cut in 1..envelope.len() {
        for stream in [
            segment(&envelope[..cut], true),
            [segment(&envelope[..cut], false), segment(&envelope, true)].concat(),
        ] {
            let mut decoder = InboundDecoder::new(Direction::Request);
            decoder.start_segments(None);
            let refused = receive(&mut decoder, &[&stream]);
            assert!(matches!(refused, Err(ProtocolError::Malformed(_))), "{refused:?}");
        }
    }
}

proptest! {
    #[test]
    fn fault_14_frames_cut_at_any_bytes_decode_the_same(
        texts_sent in proptest::collection::vec("[a-c]{0,40}", 1..6),
        framing in 0_usize..5,
        step in 1_usize..60,
    ) {
        let (version, compression) = [
            (ProtocolVersion::V3, None),
            (ProtocolVersion::V4, Some(Compression::Snappy)),
            (ProtocolVersion::DseV2, Some(Compression::Lz4)),
            (ProtocolVersion::V5, None),
            (ProtocolVersion::V5, Some(Compression::Lz4)),
        ][framing];
        let mut decoder = InboundDecoder::new(Direction::Request);
        let stream: Vec<u8> =
            texts_sent.iter().flat_map(|text| query(version, text, compression)).collect();
        let stream = if version == ProtocolVersion::V5 {
            decoder.start_segments(compression);
            segments(compression, &stream)
        } else {
            decoder.set_compression(compression);
            stream
        };
        let parts: Vec<&[u8]> = stream.chunks(step).collect();
        prop_assert_eq!(texts(&receive(&mut decoder, &parts).unwrap()), texts_sent);
    }
}
