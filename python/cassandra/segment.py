"""Segments: the checksummed wrapper around envelopes (native protocol v5 §2.3).

All numbers are little-endian. A header is 3 bytes, or 5 with compression, and a CRC24; the payload, of at most
131071 bytes, is followed by a CRC32. The driver's own segments are written and read by the core.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

from cassandra import DriverException as DriverException
from cassandra.marshal import int32_pack as int32_pack
from cassandra.protocol import read_uint_le as read_uint_le
from cassandra.protocol import write_uint_le as write_uint_le

CRC24_INIT = 0x875060
CRC24_POLY = 0x1974F0B
CRC24_LENGTH = 3
CRC32_LENGTH = 4
CRC32_INITIAL = zlib.crc32(b"\xfa\x2d\x55\xca")
"""The CRC32 of the four bytes that are fed before every payload."""


class CrcException(Exception):
    """A checksum is wrong: the segment was damaged on its way."""


def compute_crc24(data: int, length: int) -> int:
    """Give the CRC24 of the *length* lowest bytes of *data*, the lowest first."""
    crc = CRC24_INIT
    for _ in range(length):
        crc ^= (data & 0xFF) << 16
        data >>= 8
        for _bit in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= CRC24_POLY
    return crc


def compute_crc32(data: bytes, value: int) -> int:
    """Give the CRC32 of *data* after *value*, the CRC32 of what came before."""
    return zlib.crc32(data, value) & 0xFFFFFFFF


class Segment:
    """The payload of one segment."""

    MAX_PAYLOAD_LENGTH = 128 * 1024 - 1

    payload: bytes = None  # type: ignore[assignment]
    """Whole envelopes, or a part of one."""
    is_self_contained: bool = None  # type: ignore[assignment]
    """Whether they are whole."""

    def __init__(self, payload: bytes, is_self_contained: bool) -> None:
        self.payload = payload
        self.is_self_contained = is_self_contained


class SegmentHeader:
    """What the header of a segment says."""

    payload_length: int = None  # type: ignore[assignment]
    """Bytes of the payload on the wire."""
    uncompressed_payload_length: int = None  # type: ignore[assignment]
    """Bytes of the payload after decompression; 0 if it is not compressed, less without compression."""
    is_self_contained: bool = None  # type: ignore[assignment]
    """Whether the payload is whole envelopes."""

    def __init__(self, payload_length: int, uncompressed_payload_length: int, is_self_contained: bool) -> None:
        self.payload_length = payload_length
        self.uncompressed_payload_length = uncompressed_payload_length
        self.is_self_contained = is_self_contained

    @property
    def segment_length(self) -> int:
        """Bytes after the header: the payload and its checksum."""
        return self.payload_length + CRC32_LENGTH


class SegmentCodec:
    """Writes envelopes as segments and reads segments, with or without compression."""

    COMPRESSED_HEADER_LENGTH = 5
    UNCOMPRESSED_HEADER_LENGTH = 3
    FLAG_OFFSET = 17

    compressor: Callable[[bytes], bytes] | None = None
    """Compresses; its first four bytes, the length, are not sent."""
    decompressor: Callable[[bytes], bytes] | None = None
    """Decompresses; is given the length in the first four bytes."""

    def __init__(
        self,
        compressor: Callable[[bytes], bytes] | None = None,
        decompressor: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.compressor = compressor
        self.decompressor = decompressor

    @property
    def header_length(self) -> int:
        """Bytes of a header without its checksum."""
        return self.COMPRESSED_HEADER_LENGTH if self.compression else self.UNCOMPRESSED_HEADER_LENGTH

    @property
    def header_length_with_crc(self) -> int:
        """Bytes of a header and its checksum."""
        return self.header_length + CRC24_LENGTH

    @property
    def compression(self) -> bool:
        """Whether segments are of the compressed kind."""
        return self.compressor is not None and self.decompressor is not None

    def compress(self, data: bytes) -> bytes:
        """Compress *data*; without the length before it."""
        assert self.compressor is not None
        return self.compressor(data)[4:]

    def decompress(self, encoded_data: bytes, uncompressed_length: int) -> bytes:
        """Undo :meth:`compress`."""
        assert self.decompressor is not None
        return self.decompressor(int32_pack(uncompressed_length) + encoded_data)

    def encode_header(
        self, buffer: Any, payload_length: int, uncompressed_length: int, is_self_contained: bool
    ) -> None:
        """Write a header and its checksum.

        :param uncompressed_length: negative without compression, 0 for a payload that is sent uncompressed.
        """
        header = payload_length
        flag_offset = self.FLAG_OFFSET
        if self.compression:
            header |= uncompressed_length << self.FLAG_OFFSET
            flag_offset *= 2
        header |= int(is_self_contained) << flag_offset
        write_uint_le(buffer, header, self.header_length)
        write_uint_le(buffer, compute_crc24(header, self.header_length), CRC24_LENGTH)

    def _encode_segment(self, buffer: Any, payload: bytes, is_self_contained: bool) -> None:
        uncompressed_length = -1
        if self.compression:
            compressed = self.compress(payload)
            # What does not get smaller is sent as it is.
            if len(compressed) < len(payload):
                uncompressed_length, payload = len(payload), compressed
            else:
                uncompressed_length = 0
        self.encode_header(buffer, len(payload), uncompressed_length, is_self_contained)
        buffer.write(payload)
        write_uint_le(buffer, compute_crc32(payload, CRC32_INITIAL))

    def encode(self, buffer: Any, msg: bytes) -> None:
        """Write envelopes as one segment, or as several if they are too long for one."""
        limit = Segment.MAX_PAYLOAD_LENGTH
        for start in range(0, len(msg), limit):
            self._encode_segment(buffer, msg[start : start + limit], len(msg) <= limit)

    def decode_header(self, buffer: Any) -> SegmentHeader:
        """Read a header.

        :raises CrcException: its checksum is wrong.
        """
        header = read_uint_le(buffer, self.header_length)
        if read_uint_le(buffer, CRC24_LENGTH) != compute_crc24(header, self.header_length):
            raise CrcException("the checksum of a segment's header is wrong")
        mask = (1 << self.FLAG_OFFSET) - 1
        payload_length = header & mask
        header >>= self.FLAG_OFFSET
        uncompressed_length = -1
        if self.compression:
            uncompressed_length = header & mask
            header >>= self.FLAG_OFFSET
        return SegmentHeader(payload_length, uncompressed_length, bool(header & 1))

    def decode(self, buffer: Any, header: SegmentHeader) -> Segment:
        """Read what follows *header*.

        :raises CrcException: the checksum of the payload is wrong.
        """
        payload: bytes = buffer.read(header.payload_length)
        if read_uint_le(buffer) != compute_crc32(payload, CRC32_INITIAL):
            raise CrcException("the checksum of a segment's payload is wrong")
        if self.compression and header.uncompressed_payload_length > 0:
            payload = self.decompress(payload, header.uncompressed_payload_length)
        return Segment(payload, header.is_self_contained)
