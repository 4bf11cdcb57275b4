"""Encryption of single columns by the client."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from cassandra._policies import MODULE

ColDesc = namedtuple("ColDesc", ["ks", "table", "col"])
"""Names a column."""
ColDesc.__module__ = MODULE


class ColumnEncryptionPolicy:
    """Encrypts the values of chosen columns when they are bound, and decrypts them when rows are read."""

    __module__ = MODULE

    def encrypt(self, coldesc: ColDesc, obj_bytes: bytes) -> bytes:
        """Encrypt the serialized value of a column."""
        raise NotImplementedError()

    def decrypt(self, coldesc: ColDesc, encrypted_bytes: bytes) -> bytes:
        """Decrypt what :meth:`encrypt` has made."""
        raise NotImplementedError()

    def add_column(self, coldesc: ColDesc, key: bytes) -> None:
        """Encrypt a column with *key* from now on."""
        raise NotImplementedError()

    def contains_column(self, coldesc: ColDesc) -> bool:
        """Tell whether a column is encrypted."""
        raise NotImplementedError()

    def encode_and_encrypt(self, coldesc: ColDesc, obj: Any) -> bytes:
        """Serialize a Python value by the column's type and encrypt it."""
        raise NotImplementedError()
