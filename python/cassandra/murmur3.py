"""Murmur3 as Cassandra's ``Murmur3Partitioner`` computes it: the first half of the 128-bit hash for 64-bit machines.

It differs from the reference in one way: the bytes of an incomplete last block count as signed. The core has its own;
this serves tools and statements routed from Python.
"""

from __future__ import annotations

import struct

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
INT64_OVF_OFFSET = 2**63
INT64_OVF_DIV = 2**64

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_C1 = 0x87C37B91114253D5
_C2 = 0x4CF5AD432745937F


def truncate_int64(x: int) -> int:
    """Give the lowest 64 bits of *x* as a signed number."""
    return (x + INT64_OVF_OFFSET) % INT64_OVF_DIV - INT64_OVF_OFFSET


def body_and_tail(data: bytes) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Cut *data* into the numbers of its whole blocks of 16 bytes, the signed bytes that are left, and its length."""
    blocks = len(data) // 16
    body = struct.unpack_from(f"<{blocks * 2}q", data)
    tail = struct.unpack_from(f"<{len(data) - blocks * 16}b", data, blocks * 16)
    return body, tail, len(data)


def rotl64(x: int, r: int) -> int:
    """Rotate the 64 bits of *x* left by *r*; gives a signed number."""
    x &= _MASK
    return truncate_int64(x << r | x >> 64 - r)


def fmix(k: int) -> int:
    """Mix the bits of a 64-bit number; gives a signed number."""
    k &= _MASK
    k ^= k >> 33
    k = k * 0xFF51AFD7ED558CCD & _MASK
    k ^= k >> 33
    k = k * 0xC4CEB9FE1A85EC53 & _MASK
    return truncate_int64(k ^ k >> 33)


def _scramble(k: int, first: int, rotation: int, second: int) -> int:
    return (rotl64(k * first, rotation) & _MASK) * second & _MASK


def murmur3(data: bytes) -> int:
    """Give the signed 64-bit hash of *data*."""
    body, tail, total = body_and_tail(data)
    h1 = h2 = 0
    for k1, k2 in zip(body[::2], body[1::2], strict=True):
        h1 ^= _scramble(k1, _C1, 31, _C2)
        h1 = ((rotl64(h1, 27) + h2) * 5 + 0x52DCE729) & _MASK
        h2 ^= _scramble(k2, _C2, 33, _C1)
        h2 = ((rotl64(h2, 31) + h1) * 5 + 0x38495AB5) & _MASK

    k1 = k2 = 0
    for index, byte in enumerate(tail[8:]):
        k2 ^= byte << index * 8
    for index, byte in enumerate(tail[:8]):
        k1 ^= byte << index * 8
    if len(tail) > 8:
        h2 ^= _scramble(k2, _C2, 33, _C1)
    if tail:
        h1 ^= _scramble(k1, _C1, 31, _C2)

    h1 ^= total
    h2 ^= total
    h1 = (h1 + h2) & _MASK
    h2 = (h2 + h1) & _MASK
    return truncate_int64(fmix(h1) + fmix(h2))
