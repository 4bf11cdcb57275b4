"""Tokens: where on the ring a partition key belongs, by the cluster's partitioner."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from cassandra._metadata import MODULE
from cassandra.marshal import varint_unpack
from cassandra.murmur3 import murmur3

MIN_LONG = -(2**63)
MAX_LONG = 2**63 - 1


@functools.total_ordering
class Token:
    """A place on the ring. Equal, hashed and ordered by its value."""

    __module__ = MODULE

    def __init__(self, token: Any) -> None:
        self.value = token

    @classmethod
    def hash_fn(cls, key: Any) -> Any:
        """Give the value of the token of a serialized partition key."""
        return key

    @classmethod
    def from_key(cls, key: Any) -> Token:
        """Give the token of a serialized partition key."""
        return cls(cls.hash_fn(key))

    @classmethod
    def from_string(cls, token_string: str) -> Token:
        """Give the token that ``system.local`` and ``system.peers`` write as *token_string*."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        return bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        return bool(self.value < other.value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.value}>"

    __str__ = __repr__


class HashToken(Token):
    """A token that is a number."""

    __module__ = MODULE

    @classmethod
    def from_string(cls, token_string: str) -> Token:
        return cls(int(token_string))


class Murmur3Token(HashToken):
    """A token of ``Murmur3Partitioner``."""

    __module__ = MODULE

    def __init__(self, token: Any) -> None:
        """:param token: an ``int``, or its text."""
        super().__init__(int(token))

    @classmethod
    def hash_fn(cls, key: Any) -> int:
        value = murmur3(key.encode("utf8") if isinstance(key, str) else key)
        # The lowest number is the partitioner's minimum token, which no key has.
        return value if value != MIN_LONG else MAX_LONG


class MD5Token(HashToken):
    """A token of ``RandomPartitioner``."""

    __module__ = MODULE

    @classmethod
    def hash_fn(cls, key: Any) -> int:
        content = key.encode("utf8") if isinstance(key, str) else key
        return abs(varint_unpack(hashlib.md5(content, usedforsecurity=False).digest()))


class BytesToken(Token):
    """A token of ``ByteOrderedPartitioner``: the key itself."""

    __module__ = MODULE

    @classmethod
    def from_string(cls, token_string: str | bytes) -> Token:
        """Give the token that the server writes in hexadecimal."""
        text = token_string.decode("ascii") if isinstance(token_string, bytes) else token_string
        return cls(bytes.fromhex(text))
