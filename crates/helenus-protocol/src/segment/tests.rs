use proptest::prelude::*;

use super::*;
use crate::testing::hex;
use crate::{Direction, EnvelopeFlags, EnvelopeHeader, Opcode, ProtocolVersion};

const PLAIN: Option<Compression> = None;
const LZ4: Option<Compression> = Some(Compression::Lz4);

fn envelope(length: usize) -> Vec<u8> {
    let header = EnvelopeHeader {
        version: ProtocolVersion::V5,
        direction: Direction::Request,
        flags: EnvelopeFlags::default(),
        stream: 1,
        opcode: Opcode::Query,
        length,
    };
    let mut bytes = Vec::new();
    header.encode(&mut bytes);
    // Too irregular to be compressed.
    let mut state = length as u32;
    bytes.extend((0..length).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    }));
    bytes
}

fn encode(compression: Option<Compression>, envelopes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    SegmentEncoder::new(compression).encode(envelopes, &mut out);
    out
}

fn decode(compression: Option<Compression>, bytes: &[u8]) -> Result<Vec<SegmentPayload>, ProtocolError> {
    let mut decoder = SegmentDecoder::new(compression);
    decoder.buffer().extend_from_slice(bytes);
    let mut payloads = Vec::new();
    while let Some(payload) = decoder.next_payload()? {
        payloads.push(payload);
    }
    assert!(decoder.buffer().is_empty());
    Ok(payloads)
}

#[test]
fn plain_segment_has_the_bytes_of_the_vectors() {
    // The envelope is OPTIONS of v5 with all other fields zero, nine bytes long.
    let envelope = hex("05 00 0000 05 00000000");
    let mut expected = hex("090002 a4c8c1");
    expected.extend_from_slice(&envelope);
    expected.extend_from_slice(&crc32(&envelope).to_le_bytes());
    assert_eq!(encode(PLAIN, &envelope), expected);
    assert_eq!(
        decode(PLAIN, &expected).unwrap(),
        [SegmentPayload {
            bytes: envelope.into(),
            self_contained: true
        }]
    );
}

#[test]
fn nine_zero_bytes_have_the_trailer_of_the_vectors() {
    let segment = hex("090002 a4c8c1 000000000000000000 2f4c5fcf");
    let payloads = decode(PLAIN, &segment).unwrap();
    assert_eq!(payloads[0].bytes, [0; 9][..]);
}

#[test]
fn lz4_header_has_the_bytes_of_the_vectors() {
    let header = Header::decode(&hex("0500120004 785685"), true).unwrap();
    assert_eq!(
        (header.length, header.uncompressed, header.self_contained),
        (5, Some(9), true)
    );
}

#[test]
fn what_lz4_does_not_shorten_is_sent_as_it_is() {
    let envelope = hex("05 00 0000 05 00000000");
    let segment = encode(LZ4, &envelope);
    // Length 9, uncompressed length 0, self-contained.
    assert_eq!(segment[..5], hex("0900000004"));
    assert_eq!(segment[8..17], envelope);
    assert_eq!(decode(LZ4, &segment).unwrap()[0].bytes, envelope);
}

#[test]
fn empty_payload_is_lawful() {
    for (compression, header) in [(PLAIN, "000002"), (LZ4, "0000000004")] {
        let header = hex(header);
        let mut segment = header.clone();
        segment.extend_from_slice(&crc24(&header).to_le_bytes()[..3]);
        segment.extend_from_slice(&hex("d37e7744"));
        let payloads = decode(compression, &segment).unwrap();
        assert_eq!(payloads.len(), 1);
        assert!(payloads[0].bytes.is_empty());
    }
}

#[test]
fn envelopes_share_segments_up_to_the_limit() {
    for compression in [PLAIN, LZ4] {
        // Together exactly one segment; then one byte more.
        let first = envelope(60_000);
        let fits = envelope(MAX_SEGMENT_PAYLOAD - first.len() - HEADER_LENGTH);
        let small = envelope(0);
        let stream = [first.clone(), fits.clone(), small.clone()].concat();
        let payloads = decode(compression, &encode(compression, &stream)).unwrap();
        assert!(payloads.iter().all(|payload| payload.self_contained));
        let payloads: Vec<_> = payloads.into_iter().map(|payload| payload.bytes).collect();
        assert_eq!(payloads, [[first, fits].concat(), small]);
    }
}

#[test]
fn large_envelope_is_spread_over_segments_of_its_own() {
    for compression in [PLAIN, LZ4] {
        let small = envelope(10);
        // One byte too long for one segment.
        let large = envelope(MAX_SEGMENT_PAYLOAD - HEADER_LENGTH + 1);
        let stream = [small.clone(), large.clone(), small.clone()].concat();
        let payloads = decode(compression, &encode(compression, &stream)).unwrap();
        let shape: Vec<_> = payloads
            .iter()
            .map(|payload| (payload.self_contained, payload.bytes.len()))
            .collect();
        assert_eq!(
            shape,
            [(true, 19), (false, MAX_SEGMENT_PAYLOAD), (false, 1), (true, 19)]
        );
        assert_eq!([&payloads[1].bytes[..], &payloads[2].bytes].concat(), large);
    }
}

#[test]
fn repetitive_payload_is_compressed() {
    let mut stream = Vec::new();
    for _ in 0..20 {
        stream.extend_from_slice(&hex("05 00 0000 05 00000000"));
    }
    let segment = encode(LZ4, &stream);
    assert!(segment.len() < stream.len() / 2);
    assert_eq!(decode(LZ4, &segment).unwrap()[0].bytes, stream);
}

#[test]
fn payload_may_travel_as_it_is_under_an_lz4_header() {
    let stream = hex("05 00 0000 05 00000000").repeat(20);
    let mut segment = Vec::new();
    SegmentEncoder::new(LZ4)
        .without_compressing()
        .encode(&stream, &mut segment);
    assert_eq!(segment.len(), 8 + stream.len() + 4);
    assert_eq!(decode(LZ4, &segment).unwrap()[0].bytes, stream);
}

#[test]
fn fault_13_every_flipped_bit_is_noticed() {
    for compression in [PLAIN, LZ4] {
        let segment = encode(compression, &envelope(30));
        for bit in 0..segment.len() * 8 {
            let mut broken = segment.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(compression, &broken).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn checksum_errors_tell_both_sums() {
    let mut segment = hex("090002 a4c8c1 000000000000000000 2f4c5fcf");
    segment[10] = 1;
    let refused = decode(PLAIN, &segment);
    assert!(
        matches!(
            refused,
            Err(ProtocolError::PayloadChecksum {
                found: 0xCF5F_4C2F,
                ..
            })
        ),
        "{refused:?}"
    );
    segment[0] = 8;
    let refused = decode(PLAIN, &segment);
    assert!(
        matches!(
            refused,
            Err(ProtocolError::HeaderChecksum { found: 0xC1_C8A4, .. })
        ),
        "{refused:?}"
    );
}

#[test]
fn fault_16_uncompressed_length_that_cannot_be_reached_is_refused_at_the_header() {
    // Compressed 5, uncompressed 131,071.
    let fields = (5_u64 | 131_071 << 17 | 1 << 34).to_le_bytes();
    let mut header = fields[..5].to_vec();
    header.extend_from_slice(&crc24(&fields[..5]).to_le_bytes()[..3]);
    let refused = Header::decode(&header, true);
    assert!(matches!(
        refused,
        Err(ProtocolError::InvalidLength { length: 131_071, .. })
    ));
}

#[test]
fn missing_bytes_are_told_for_header_and_payload() {
    let segment = hex("090002 a4c8c1 000000000000000000 2f4c5fcf");
    let mut decoder = SegmentDecoder::new(PLAIN);
    assert_eq!(decoder.missing(), 6);
    decoder.buffer().extend_from_slice(&segment[..7]);
    assert_eq!(decoder.next_payload(), Ok(None));
    assert_eq!(decoder.missing(), 12);
}

proptest! {
    #[test]
    fn fault_14_segments_cut_at_any_byte_carry_the_same(
        lengths in proptest::collection::vec(0_usize..200, 1..8),
        compressed: bool,
        cut: proptest::sample::Index,
    ) {
        let compression = if compressed { LZ4 } else { PLAIN };
        let stream: Vec<u8> = lengths.into_iter().flat_map(envelope).collect();
        let bytes = encode(compression, &stream);
        let cut = cut.index(bytes.len());
        let mut decoder = SegmentDecoder::new(compression);
        let mut received = Vec::new();
        for part in [&bytes[..cut], &bytes[cut..]] {
            decoder.buffer().extend_from_slice(part);
            while let Some(payload) = decoder.next_payload().unwrap() {
                received.extend_from_slice(&payload.bytes);
            }
        }
        prop_assert_eq!(received, stream);
    }
}
