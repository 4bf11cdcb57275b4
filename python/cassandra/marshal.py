"""Numbers to and from the bytes of the native protocol: fixed-size big-endian numbers, ``varint`` and vints.

The vints of ``duration`` and of vectors put the number of following bytes into the leading one bits of the first byte
(native protocol v5 §6, [unsigned vint] and [vint]).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

Pack = Callable[..., bytes]
Unpack = Callable[[Any], Any]


def _make_packer(format_string: str) -> tuple[Pack, Unpack]:
    packer = struct.Struct(format_string)
    return packer.pack, lambda s: packer.unpack(s)[0]


int64_pack, int64_unpack = _make_packer(">q")
int32_pack, int32_unpack = _make_packer(">i")
int16_pack, int16_unpack = _make_packer(">h")
int8_pack, int8_unpack = _make_packer(">b")
uint64_pack, uint64_unpack = _make_packer(">Q")
uint32_pack, uint32_unpack = _make_packer(">I")
uint32_le_pack, uint32_le_unpack = _make_packer("<I")
uint16_pack, uint16_unpack = _make_packer(">H")
uint8_pack, uint8_unpack = _make_packer(">B")
float_pack, float_unpack = _make_packer(">f")
double_pack, double_unpack = _make_packer(">d")

header_struct = struct.Struct(">BBbB")
header_pack = header_struct.pack
header_unpack = header_struct.unpack

v3_header_struct = struct.Struct(">BBhB")
v3_header_pack = v3_header_struct.pack
v3_header_unpack = v3_header_struct.unpack

point_be = struct.Struct(">dd")
point_le = struct.Struct("<dd")
circle_be = struct.Struct(">ddd")
circle_le = struct.Struct("<ddd")


def varint_unpack(term: bytes) -> int:
    """Read the two's complement number that fills *term*.

    :raises ValueError: *term* is empty.
    """
    if not term:
        raise ValueError("a varint has at least one byte")
    return int.from_bytes(term, "big", signed=True)


def varint_pack(big: int) -> bytes:
    """Write *big* as two's complement in as few bytes as hold it, at least one."""
    if big < 0:
        length = (~big).bit_length() // 8 + 1
    else:
        length = big.bit_length() // 8 + 1
    return int(big).to_bytes(length, "big", signed=True)


def bit_length(n: int) -> int:
    """Give the number of bits of the magnitude of *n*."""
    return int.bit_length(n)


def encode_zig_zag(n: int) -> int:
    """Fold the sign of *n* into the lowest bit, so that small numbers of either sign are small."""
    return (n << 1) ^ (n >> 63)


def decode_zig_zag(n: int) -> int:
    """Undo :func:`encode_zig_zag`."""
    return (n >> 1) ^ -(n & 1)


def uvint_pack(val: int) -> bytes:
    """Write *val* as an [unsigned vint].

    :raises ValueError: *val* is negative or has more than 64 bits.
    """
    if not 0 <= val < 1 << 64:
        raise ValueError(f"Value {val} is too big and cannot be encoded as vint")
    # Each byte offers seven bits, the first one fewer with every byte that follows; the ninth byte offers all eight.
    extra = min((max(val.bit_length(), 1) - 1) // 7, 8)
    body = val.to_bytes(extra + 1, "big")
    return bytes((body[0] | 0xFF00 >> extra & 0xFF,)) + body[1:]


def uvint_unpack(bytes: bytes) -> tuple[int, int]:
    """Read an [unsigned vint] at the start of *bytes*.

    :returns: the number and how many bytes it took.
    :raises IndexError: the bytes end within it.
    """
    first = bytes[0]
    extra = 8 - int.bit_length(~first & 0xFF)
    value = first & 0xFF >> extra
    for index in range(1, extra + 1):
        value = value << 8 | bytes[index]
    return value, extra + 1


def vints_pack(values: Iterable[int]) -> bytes:
    """Write *values* as consecutive [vint]s.

    :raises ValueError: one of them has more than 64 bits.
    """
    return b"".join(uvint_pack(encode_zig_zag(value)) for value in values)


def vints_unpack(term: bytes) -> tuple[int, ...]:
    """Read the [vint]s that fill *term*.

    :raises IndexError: the bytes end within one.
    """
    values = []
    position = 0
    while position < len(term):
        value, size = uvint_unpack(term[position : position + 9])
        values.append(decode_zig_zag(value))
        position += size
    return tuple(values)
